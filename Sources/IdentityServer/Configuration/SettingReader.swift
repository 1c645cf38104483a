import Configuration

/// Reads settings as text from flags, then variables, then the file, and turns each into its type.
struct SettingReader {
    private let reader: ConfigReader
    private let settings: [String: Setting]
    /// Where each value in force was given, for messages; nothing for the command line and for defaults.
    private let places: [String: String]

    /// - Parameters:
    ///   - flags: values by key, from the command line.
    ///   - environment: all variables; those that begin with `SELFSAME_` and the group of a setting count.
    ///   - file: what the configuration file says.
    /// - Throws: `ConfigurationError` for a key or variable that does not exist.
    init(
        flags: [String: String], environment: [String: String], file: ConfigurationFile
    ) throws(ConfigurationError) {
        settings = Dictionary(uniqueKeysWithValues: Setting.all.map { ($0.key, $0) })
        let keys = Setting.all.map(\.key)
        for key in flags.keys.sorted() where settings[key] == nil {
            throw ConfigurationError("\(key) on the command line is not a setting\(Self.hint(key, among: keys))")
        }
        for key in file.settings.keys.sorted() where settings[key] == nil {
            let place = file.places[key].map { "\($0): " } ?? ""
            throw ConfigurationError("\(place)\(key) is not a setting\(Self.hint(key, among: keys))")
        }
        try Self.checkVariables(environment)
        var places: [String: String] = [:]
        for setting in Setting.all where flags[setting.key] == nil {
            if environment[setting.variable] != nil {
                places[setting.key] = setting.variable
            } else if let place = file.places[setting.key] {
                places[setting.key] = place
            }
        }
        self.places = places
        reader = ConfigReader(providers: [
            SettingReader.provider("flags", flags),
            EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "selfsame"),
            SettingReader.provider("file", file.settings),
        ])
    }

    /// Variables that a container runtime makes for a service that is called Selfsame are nobody's mistake.
    private static func isForeign(_ variable: String) -> Bool {
        variable.contains("_SERVICE_") || variable.hasPrefix("SELFSAME_PORT")
    }

    /// Refuses variables that look like settings and are none: those of a setting's group, and those that differ from
    /// a variable of ours in a few letters.
    private static func checkVariables(_ environment: [String: String]) throws(ConfigurationError) {
        let variables = Setting.all.map(\.variable) + [Setting.projectVariable]
        let known = Set(variables)
        let groups = Set(Setting.all.map { "SELFSAME_" + $0.key.prefix { $0 != "." }.uppercased() + "_" })
        for name in environment.keys.sorted()
        where name.hasPrefix("SELFSAME_") && !known.contains(name) && !isForeign(name) {
            let isOfGroup = groups.contains(where: name.hasPrefix)
            let isNear = variables.contains { Spelling.distance($0, name) <= 2 }
            guard isOfGroup || isNear else { continue }
            throw ConfigurationError("the variable \(name) is not a setting\(hint(name, among: variables))")
        }
    }

    /// What to look at instead: the nearest name, or the names of the same group.
    private static func hint(_ name: String, among names: [String]) -> String {
        let group = name.prefix { $0 != "." }
        let same = names.filter { $0.hasPrefix("\(group).") }
        let listed =
            same.isEmpty || group.count == name.count ? "" : " The settings there are: \(same.joined(separator: ", "))."
        return "\(Spelling.question(name, among: names)).\(listed) docs/configuration.md has them all"
    }

    /// The same error with the place where the value was given that it is about.
    func located(_ error: ConfigurationError) -> ConfigurationError {
        guard let place = error.key.flatMap({ places[$0] }) else { return error }
        return ConfigurationError("\(place): \(error.message)")
    }

    func text(_ key: String) -> String? {
        reader.string(forKey: ConfigKey(key), isSecret: false) ?? settings[key]?.fallback
    }

    /// A path that may be left out; nil where it is.
    func path(_ key: String) -> String? { text(key).flatMap { $0.isEmpty ? nil : $0 } }

    /// Whether a value was given anywhere, rather than left to its default.
    func isGiven(_ key: String) -> Bool { reader.string(forKey: ConfigKey(key), isSecret: false) != nil }

    func number(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int {
        let given = text(key) ?? ""
        guard let number = Int(given), range.contains(number) else { throw refused(key, given) }
        return number
    }

    /// The parts of a value that has commas between them.
    func list(_ key: String) -> [String] {
        (text(key) ?? "").split(separator: ",").map { String($0.filter { $0 != " " }) }.filter { !$0.isEmpty }
    }

    func boolean(_ key: String) throws(ConfigurationError) -> Bool {
        let given = text(key) ?? ""
        switch given {
        case "true", "1": return true
        case "false", "0": return false
        default: throw refused(key, given)
        }
    }

    func choice<Value: RawRepresentable>(
        _ key: String, _ type: Value.Type
    ) throws(ConfigurationError) -> Value where Value.RawValue == String {
        let given = text(key) ?? ""
        guard let value = Value(rawValue: given) else { throw refused(key, given) }
        return value
    }

    func refused(_ key: String, _ given: String) -> ConfigurationError {
        ConfigurationError(
            "\(key) is \"\(given)\", but must be \(settings[key]?.allowed ?? "something else")", key: key)
    }

    private static func provider(_ name: String, _ values: [String: String]) -> InMemoryProvider {
        var entries: [AbsoluteConfigKey: ConfigValue] = [:]
        for (key, value) in values {
            let parts = key.split(separator: ".").map(String.init)
            entries[AbsoluteConfigKey(parts, context: [:])] = ConfigValue(.string(value), isSecret: false)
        }
        return InMemoryProvider(name: name, values: entries)
    }
}

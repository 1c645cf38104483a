import Configuration

/// Reads settings as text from flags, then variables, then the file, and turns each into its type.
struct SettingReader {
    private let reader: ConfigReader
    private let settings: [String: Setting]

    /// - Parameters:
    ///   - flags: values by key, from the command line.
    ///   - environment: all variables; those that begin with `SELFSAME_` and the group of a setting count.
    ///   - file: values by key, from the configuration file.
    /// - Throws: `ConfigurationError` for a key or variable that does not exist.
    init(flags: [String: String], environment: [String: String], file: [String: String]) throws(ConfigurationError) {
        settings = Dictionary(uniqueKeysWithValues: Setting.all.map { ($0.key, $0) })
        let variables = Dictionary(uniqueKeysWithValues: Setting.all.map { ($0.variable, $0.key) })
        for (source, values) in [("the command line", flags), ("the configuration file", file)] {
            for key in values.keys.sorted() where settings[key] == nil {
                throw ConfigurationError(
                    "\(key) on \(source) is not a setting. The settings are: "
                        + Setting.all.map(\.key).joined(separator: ", "))
            }
        }
        // Only what looks like a setting: others may give names of their own to a service that is called Selfsame.
        let groups = Set(Setting.all.map { "SELFSAME_" + $0.key.prefix { $0 != "." }.uppercased() + "_" })
        for name in environment.keys.sorted()
        where variables[name] == nil && groups.contains(where: name.hasPrefix) && !name.contains("_SERVICE_") {
            throw ConfigurationError(
                "the variable \(name) is not a setting. The variables are: "
                    + Setting.all.map(\.variable).joined(separator: ", "))
        }
        reader = ConfigReader(providers: [
            SettingReader.provider("flags", flags),
            EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "selfsame"),
            SettingReader.provider("file", file),
        ])
    }

    func text(_ key: String) -> String? {
        reader.string(forKey: ConfigKey(key), isSecret: false) ?? settings[key]?.fallback
    }

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
        ConfigurationError("\(key) is \"\(given)\", but must be \(settings[key]?.allowed ?? "something else")")
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

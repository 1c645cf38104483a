import IdentityEngine
import Yams

/// What a configuration file says: scalar settings by dotted key, and the lists that only a file can carry.
///
/// Scalars are taken as source text, never as YAML's numbers: a token of digits stays as it is written.
struct ConfigurationFile {
    var settings: [String: String] = [:]
    var projects: [ConfiguredProject] = []
    var accounts: [ConfiguredAccount] = []

    /// What projects take where they do not say.
    struct Defaults {
        var rules: MergeRules
        var rateLimit: RateLimit
    }

    init() {}

    /// - Parameters:
    ///   - text: the file's text.
    ///   - defaults: what projects take where they do not say.
    /// - Throws: `ConfigurationError`, which names the key.
    init(yaml text: String, defaults: (ConfigurationFile) throws -> Defaults) throws {
        let root: Yams.Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw ConfigurationError("the configuration file is not YAML: \(error)")
        }
        guard let root else { return }
        guard let mapping = root.mapping else {
            throw ConfigurationError("the configuration file must be a map of settings, projects and accounts")
        }
        var lists: [String: Yams.Node] = [:]
        for (key, value) in mapping {
            let name = key.scalar?.string ?? ""
            if name == "projects" || name == "accounts" {
                lists[name] = value
            } else {
                try flatten(value, under: name)
            }
        }
        let common = try defaults(self)
        projects = try Self.list(lists["projects"], "projects").map { try Self.project($0, $1, common) }
        accounts = try Self.list(lists["accounts"], "accounts").map { try Self.account($0, $1) }
        try checkUnique()
    }

    private mutating func flatten(_ node: Yams.Node, under key: String) throws {
        if let mapping = node.mapping, key == "server.regionHosts" {
            settings[key] = mapping.map { "\($0.key.scalar?.string ?? "")=\($0.value.scalar?.string ?? "")" }
                .joined(separator: ",")
        } else if let mapping = node.mapping {
            for (name, value) in mapping { try flatten(value, under: "\(key).\(name.scalar?.string ?? "")") }
        } else if let sequence = node.sequence {
            settings[key] = sequence.map { $0.scalar?.string ?? "" }.joined(separator: ",")
        } else if let scalar = node.scalar {
            settings[key] = scalar.string
        } else {
            throw ConfigurationError("\(key) in the configuration file must be one value")
        }
    }

    private static func list(_ node: Yams.Node?, _ key: String) throws -> [(Yams.Node.Mapping, String)] {
        guard let node else { return [] }
        guard let sequence = node.sequence else { throw ConfigurationError("\(key) must be a list") }
        return try sequence.enumerated().map { index, item in
            guard let mapping = item.mapping else { throw ConfigurationError("\(key)[\(index)] must be a map") }
            return (mapping, "\(key)[\(index)]")
        }
    }

    private static func project(
        _ mapping: Yams.Node.Mapping, _ place: String, _ defaults: Defaults
    ) throws -> ConfiguredProject {
        try refuseUnknown(mapping, place, ["id", "name", "token", "secret", "region", "identity", "rateLimit"])
        let id = try number(mapping, "id", place)
        var rules = defaults.rules
        if let node = mapping["identity"] {
            guard let identity = node.mapping else { throw ConfigurationError("\(place).identity must be a map") }
            try refuseUnknown(identity, "\(place).identity", ["system", "maxClusterSize", "anonForm"])
            rules = try self.rules(identity, "\(place).identity", defaults.rules)
        }
        return ConfiguredProject(
            id: ProjectID(id), name: mapping["name"]?.scalar?.string ?? "project \(id)",
            token: try text(mapping, "token", place), secret: try text(mapping, "secret", place), rules: rules,
            region: try region(mapping["region"], place),
            rateLimit: try rateLimit(mapping["rateLimit"], "\(place).rateLimit", defaults.rateLimit))
    }

    private static func region(_ node: Yams.Node?, _ place: String) throws -> String? {
        guard let node else { return nil }
        guard let region = node.scalar?.string, Residency.isRegion(region) else {
            throw ConfigurationError(
                "\(place).region is \"\(node.scalar?.string ?? "")\", but must be a name of at most 32 lower-case "
                    + "letters, digits and hyphens, like eu")
        }
        return region
    }

    private static func rateLimit(_ node: Yams.Node?, _ place: String, _ common: RateLimit) throws -> RateLimit? {
        guard let node else { return nil }
        guard let mapping = node.mapping else { throw ConfigurationError("\(place) must be a map") }
        try refuseUnknown(mapping, place, ["eventsPerMinute", "bytesPerMinute", "burstSeconds"])
        func value(_ key: String, _ fallback: Int, in range: ClosedRange<Int>) throws -> Int {
            guard let given = mapping[key]?.scalar?.string else { return fallback }
            guard let number = Int(given), range.contains(number) else {
                throw ConfigurationError(
                    "\(place).\(key) is \"\(given)\", but must be a number from \(range.lowerBound) "
                        + "to \(range.upperBound)")
            }
            return number
        }
        return RateLimit(
            eventsPerMinute: try value("eventsPerMinute", common.eventsPerMinute, in: RateLimit.rates),
            bytesPerMinute: try value("bytesPerMinute", common.bytesPerMinute, in: RateLimit.rates),
            burstSeconds: try value("burstSeconds", common.burstSeconds, in: RateLimit.bursts))
    }

    private static func rules(
        _ mapping: Yams.Node.Mapping, _ place: String, _ defaults: MergeRules
    ) throws -> MergeRules {
        var rules = defaults
        if let given = mapping["system"]?.scalar?.string {
            guard let system = IdentitySystem(rawValue: given) else {
                throw ConfigurationError(
                    "\(place).system is \"\(given)\", but must be original, simplified or legacy")
            }
            rules.system = system
        }
        if let given = mapping["anonForm"]?.scalar?.string {
            guard let form = AnonymousForm(rawValue: given) else {
                throw ConfigurationError("\(place).anonForm is \"\(given)\", but must be mixpanel, uuid4 or any")
            }
            rules.anonymousForm = form
        }
        if let given = mapping["maxClusterSize"]?.scalar?.string {
            guard let size = Int(given), MergeRules.isAllowed(maxClusterSize: size) else {
                throw ConfigurationError(
                    "\(place).maxClusterSize is \"\(given)\", but must be 0, or a number from 2 to 1000000000")
            }
            rules.maxClusterSize = size
        }
        return rules
    }

    private static func account(_ mapping: Yams.Node.Mapping, _ place: String) throws -> ConfiguredAccount {
        try refuseUnknown(mapping, place, ["username", "secret", "roles"])
        var roles: [ProjectID: String] = [:]
        if let node = mapping["roles"] {
            guard let map = node.mapping else {
                throw ConfigurationError("\(place).roles must be a map from project numbers to roles")
            }
            for (key, value) in map {
                guard let id = key.scalar.flatMap({ Int64($0.string) }), id > 0 else {
                    throw ConfigurationError(
                        "\(place).roles has the key \"\(key.scalar?.string ?? "")\", but a key must be a project number"
                    )
                }
                roles[ProjectID(id)] = value.scalar?.string ?? ""
            }
        }
        let username = try text(mapping, "username", place)
        guard !username.contains(":") else {
            throw ConfigurationError("\(place).username is \"\(username)\", but must not hold a colon")
        }
        return ConfiguredAccount(
            username: username, secret: try text(mapping, "secret", place), roles: roles)
    }

    private static func refuseUnknown(_ mapping: Yams.Node.Mapping, _ place: String, _ known: [String]) throws {
        for (key, _) in mapping where !known.contains(key.scalar?.string ?? "") {
            throw ConfigurationError(
                "\(place).\(key.scalar?.string ?? "") is not a setting; known are: \(known.joined(separator: ", "))")
        }
    }

    private static func text(_ mapping: Yams.Node.Mapping, _ key: String, _ place: String) throws -> String {
        guard let value = mapping[key]?.scalar?.string, !value.isEmpty else {
            throw ConfigurationError("\(place).\(key) must be given")
        }
        return value
    }

    private static func number(_ mapping: Yams.Node.Mapping, _ key: String, _ place: String) throws -> Int64 {
        let given = try text(mapping, key, place)
        guard let number = Int64(given), number > 0 else {
            throw ConfigurationError("\(place).\(key) is \"\(given)\", but must be a number of at least 1")
        }
        return number
    }

    private func checkUnique() throws {
        for (what, values) in [
            ("id", projects.map(\.id.description)), ("token", projects.map(\.token)),
            ("secret", projects.map(\.secret)),
        ] where Set(values).count != values.count {
            throw ConfigurationError("two projects in the configuration file have the same \(what)")
        }
        let names = accounts.map(\.username)
        if Set(names).count != names.count {
            throw ConfigurationError("two accounts in the configuration file have the same username")
        }
    }
}

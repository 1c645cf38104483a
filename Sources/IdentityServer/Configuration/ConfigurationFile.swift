import IdentityEngine
import IdentityStore
import Yams

/// What a configuration file says: scalar settings by dotted key, and the lists that only a file can carry.
///
/// Scalars are taken as source text, never as YAML's numbers: a token of digits stays as it is written.
struct ConfigurationFile {
    var settings: [String: String] = [:]
    /// Where each setting stands: file and line.
    private(set) var places: [String: String] = [:]
    var projects: [ConfiguredProject] = []
    var accounts: [ConfiguredAccount] = []

    /// What projects take where they do not say.
    struct Defaults {
        var rules: MergeRules
        var rateLimit: RateLimit
    }

    init() {}

    /// What is wrong with a file, and where.
    private struct Fault: Error {
        let message: String
        let line: Int?

        init(_ message: String, _ mark: Yams.Mark?) {
            self.message = message
            line = mark?.line
        }
    }

    /// - Parameters:
    ///   - text: the file's text.
    ///   - path: the file's path, for messages.
    ///   - defaults: what projects take where they do not say.
    /// - Throws: `ConfigurationError`, which names file, line and key.
    init(yaml text: String, path: String, defaults: (ConfigurationFile) throws -> Defaults) throws {
        do {
            try read(text, path, defaults)
        } catch let fault as Fault {
            throw ConfigurationError("\(path):\(fault.line.map { "\($0):" } ?? "") \(fault.message)")
        }
    }

    private mutating func read(
        _ text: String, _ path: String, _ defaults: (ConfigurationFile) throws -> Defaults
    ) throws {
        let root: Yams.Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch let error as YamlError {
            throw Fault("the configuration file is not YAML: \(error.problem)", error.mark)
        }
        guard let root else { return }
        guard let mapping = root.mapping else {
            throw Fault("the configuration file must be a map of settings, projects and accounts", root.mark)
        }
        var lists: [String: Yams.Node] = [:]
        for (key, value) in mapping {
            let name = key.scalar?.string ?? ""
            if name == "projects" || name == "accounts" {
                lists[name] = value
            } else {
                try flatten(value, under: name, key.mark, path)
            }
        }
        let common = try defaults(self)
        projects = try Self.list(lists["projects"], "projects").map { try Self.project($0, $1, common) }
        accounts = try Self.list(lists["accounts"], "accounts").map { try Self.account($0, $1) }
        try checkUnique(lists)
    }

    private mutating func flatten(
        _ node: Yams.Node, under key: String, _ mark: Yams.Mark?, _ path: String
    ) throws {
        places[key] = mark.map { "\(path):\($0.line)" }
        if let mapping = node.mapping, key == "server.regionHosts" {
            settings[key] = mapping.map { "\($0.key.scalar?.string ?? "")=\($0.value.scalar?.string ?? "")" }
                .joined(separator: ",")
        } else if let mapping = node.mapping {
            for (name, value) in mapping {
                try flatten(value, under: "\(key).\(name.scalar?.string ?? "")", name.mark, path)
            }
        } else if let sequence = node.sequence {
            settings[key] = sequence.map { $0.scalar?.string ?? "" }.joined(separator: ",")
        } else if let scalar = node.scalar {
            settings[key] = scalar.string
        } else {
            throw Fault("\(key) must be one value", mark)
        }
    }

    private static func list(_ node: Yams.Node?, _ key: String) throws -> [(Yams.Node.Mapping, String)] {
        guard let node else { return [] }
        guard let sequence = node.sequence else { throw Fault("\(key) must be a list", node.mark) }
        return try sequence.enumerated().map { index, item in
            guard let mapping = item.mapping else { throw Fault("\(key)[\(index)] must be a map", item.mark) }
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
            guard let identity = node.mapping else { throw Fault("\(place).identity must be a map", node.mark) }
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
            throw Fault(
                "\(place).region is \"\(node.scalar?.string ?? "")\", but must be a name of at most 32 lower-case "
                    + "letters, digits and hyphens, like eu", node.mark)
        }
        return region
    }

    private static func rateLimit(_ node: Yams.Node?, _ place: String, _ common: RateLimit) throws -> RateLimit? {
        guard let node else { return nil }
        guard let mapping = node.mapping else { throw Fault("\(place) must be a map", node.mark) }
        try refuseUnknown(mapping, place, ["eventsPerMinute", "bytesPerMinute", "burstSeconds"])
        func value(_ key: String, _ fallback: Int, in range: ClosedRange<Int>) throws -> Int {
            guard let given = mapping[key]?.scalar?.string else { return fallback }
            guard let number = Int(given), range.contains(number) else {
                throw Fault(
                    "\(place).\(key) is \"\(given)\", but must be a number from \(range.lowerBound) "
                        + "to \(range.upperBound)", mapping[key]?.mark)
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
                throw Fault(
                    "\(place).system is \"\(given)\", but must be original, simplified or legacy",
                    mapping["system"]?.mark)
            }
            rules.system = system
        }
        if let given = mapping["anonForm"]?.scalar?.string {
            guard let form = AnonymousForm(rawValue: given) else {
                throw Fault(
                    "\(place).anonForm is \"\(given)\", but must be mixpanel, uuid4 or any",
                    mapping["anonForm"]?.mark)
            }
            rules.anonymousForm = form
        }
        if let given = mapping["maxClusterSize"]?.scalar?.string {
            guard let size = Int(given), MergeRules.isAllowed(maxClusterSize: size) else {
                throw Fault(
                    "\(place).maxClusterSize is \"\(given)\", but must be 0, or a number from 2 to 1000000000",
                    mapping["maxClusterSize"]?.mark)
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
                throw Fault("\(place).roles must be a map from project numbers to roles", node.mark)
            }
            for (key, value) in map {
                guard let id = key.scalar.flatMap({ Int64($0.string) }), id > 0 else {
                    throw Fault(
                        "\(place).roles has the key \"\(key.scalar?.string ?? "")\", but that must be a project number",
                        key.mark)
                }
                let role = value.scalar?.string ?? ""
                guard AccountRole(rawValue: role) != nil else {
                    throw Fault(
                        "\(place).roles is \"\(role)\" in project \(id), but must be "
                            + AccountRole.allCases.map(\.rawValue).joined(separator: ", "), value.mark)
                }
                roles[ProjectID(id)] = role
            }
        }
        let username = try text(mapping, "username", place)
        guard !username.contains(":") else {
            throw Fault(
                "\(place).username is \"\(username)\", but must not hold a colon", mapping["username"]?.mark)
        }
        return ConfiguredAccount(
            username: username, secret: try text(mapping, "secret", place), roles: roles)
    }

    private static func refuseUnknown(_ mapping: Yams.Node.Mapping, _ place: String, _ known: [String]) throws {
        for (key, _) in mapping {
            let name = key.scalar?.string ?? ""
            guard !known.contains(name) else { continue }
            throw Fault(
                "\(place).\(name) is not a setting\(Spelling.question(name, among: known)); known are: "
                    + known.joined(separator: ", "), key.mark)
        }
    }

    private static func text(_ mapping: Yams.Node.Mapping, _ key: String, _ place: String) throws -> String {
        guard let value = mapping[key]?.scalar?.string, !value.isEmpty else {
            throw Fault("\(place).\(key) must be given", mapping[key]?.mark ?? mapping.first?.key.mark)
        }
        return value
    }

    private static func number(_ mapping: Yams.Node.Mapping, _ key: String, _ place: String) throws -> Int64 {
        let given = try text(mapping, key, place)
        guard let number = Int64(given), number > 0 else {
            throw Fault(
                "\(place).\(key) is \"\(given)\", but must be a number of at least 1", mapping[key]?.mark)
        }
        return number
    }

    /// Refuses what may be there once only; `lists` are the lists as they stand in the file.
    private func checkUnique(_ lists: [String: Yams.Node]) throws {
        for (list, key, values) in [
            ("projects", "id", projects.map(\.id.description)),
            ("projects", "token", projects.map(\.token)),
            ("projects", "secret", projects.map(\.secret)),
            ("accounts", "username", accounts.map(\.username)),
        ] {
            var seen: Set<[UInt8]> = []
            guard let second = values.firstIndex(where: { !seen.insert(Array($0.utf8)).inserted }) else { continue }
            throw Fault(
                "two \(list) in the configuration file have the same \(key)",
                lists[list]?.sequence?[second].mapping?[key]?.mark)
        }
    }
}

extension YamlError {
    /// What is wrong, without where.
    fileprivate var problem: String {
        switch self {
        case .scanner(_, let problem, _, _), .parser(_, let problem, _, _), .composer(_, let problem, _, _),
            .reader(let problem, _, _, _):
            problem
        case .duplicatedKeysInMapping(let duplicates, _):
            "a map has the key \(duplicates.joined(separator: ", ")) twice"
        default: "\(self)"
        }
    }

    /// Where.
    fileprivate var mark: Mark? {
        switch self {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): mark
        case .duplicatedKeysInMapping(_, let context): context.mark
        default: nil
        }
    }
}

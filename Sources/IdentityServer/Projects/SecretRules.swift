import IdentityEngine
import Logging

/// What may be a secret, and what a token.
enum SecretRules {
    /// The fewest characters of a project's secret, which is a whole credential: anyone may try them all.
    static let leastLength = 16

    /// Refuses secrets of the configuration that would not work, or that others would find out.
    ///
    /// - Throws: `ConfigurationError`, which names the key in the file.
    static func check(_ configuration: Configuration) throws(ConfigurationError) {
        var places: [DistinctID: String] = [:]
        for (index, project) in configuration.projects.enumerated() {
            let place = "projects[\(index)].secret"
            guard !project.secret.contains(":") else {
                throw ConfigurationError(
                    "\(place) holds a colon, which ends the name in Basic credentials, so that it could never be sent; "
                        + "choose one without")
            }
            guard project.secret.unicodeScalars.count >= leastLength else {
                throw ConfigurationError(
                    "\(place) has \(project.secret.unicodeScalars.count) characters, but must have at least "
                        + "\(leastLength); 32 random hexadecimal digits are a good secret")
            }
            places[DistinctID(project.secret)] = place
        }
        for (index, account) in configuration.accounts.enumerated() {
            let place = "accounts[\(index)].secret"
            places[DistinctID(account.secret)] = places[DistinctID(account.secret)] ?? place
        }
        for (index, project) in configuration.projects.enumerated() {
            guard let place = places[DistinctID(project.token)] else { continue }
            throw ConfigurationError(
                "projects[\(index)].token is the same as \(place), but a token is public; choose another secret")
        }
    }

    /// Warns of short secrets of accounts, which are taken, because the name has to be known too.
    static func warn(of configuration: Configuration, _ logger: Logger) {
        for (index, account) in configuration.accounts.enumerated()
        where account.secret.unicodeScalars.count < leastLength {
            logger.warning(
                "the secret of an account in the configuration file is short, and could be guessed",
                metadata: [
                    "key": "accounts[\(index)].secret", "characters": "\(account.secret.unicodeScalars.count)",
                ])
        }
    }
}

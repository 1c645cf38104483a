import Foundation
import IdentityEngine

/// Sends batches to a server until each is taken: waits where it asks to (429, 503), and tries again what failed on the
/// way.
struct Uploader {
    /// How often a batch is tried before the import ends.
    private static let attemptLimit = 10
    private static let waitLimitSeconds = 300

    let target: ImportTarget
    let listener: Importer.Listener

    /// What became of a batch.
    enum Result {
        case taken(UploadRequest.Reply)
        /// It is larger than the server takes, or than what stands before it does.
        case tooLarge(String)
    }

    /// Sends a batch, or asks for what a path has where there is no body.
    ///
    /// - Throws: `ConfigurationError` where the server refuses it, or cannot be reached for long.
    func send(
        _ body: [UInt8]?, to path: String, _ options: [(name: String, value: String)], contentType: String
    ) async throws -> Result {
        let request = UploadRequest(
            to: target, target: target.target(path, options), contentType: contentType, body: body)
        var attempt = 0
        while true {
            attempt += 1
            var fault: String
            var wait: Int?
            do {
                let reply = try await request.send()
                switch reply.status {
                case 200: return .taken(reply)
                case 404, 405, 501:
                    // A server that knows no such question; no batch is refused so for a while only.
                    if body == nil { return .taken(reply) }
                    throw ConfigurationError(
                        "\(target.hostField) refuses the import: \(reply.status) \(Self.message(of: reply))")
                case 413: return .tooLarge(Self.message(of: reply))
                case 408, 425, 429, 500...599:
                    fault = "\(reply.status) \(Self.message(of: reply))"
                    wait = reply.header("retry-after").flatMap { Int($0) }
                default:
                    throw ConfigurationError(
                        "\(target.hostField) refuses the import: \(reply.status) \(Self.message(of: reply))")
                }
            } catch let error as ConfigurationError {
                throw error
            } catch {
                fault = "\(error)"
            }
            guard attempt < Self.attemptLimit || wait != nil && attempt < 20 * Self.attemptLimit,
                !listener.isStopped()
            else {
                throw ConfigurationError(
                    "\(target.hostField) takes nothing more: \(fault); run the same command again to go on")
            }
            let seconds = min(max(wait ?? 1 << min(attempt - 1, 6), 0), Self.waitLimitSeconds)
            listener.warned("waiting \(seconds) s: \(fault)")
            try await Task.sleep(for: .seconds(seconds))
        }
    }

    /// How the project joins ids, as its server says; that of Original ID Merge where it does not say.
    ///
    /// - Throws: `ConfigurationError` where the server refuses to answer, or cannot be reached for long.
    func identitySystem() async throws -> IdentitySystem {
        if case .taken(let reply) = try await send(nil, to: "/api/app/me", [], contentType: ""), reply.status == 200,
            let account = try? JSONDecoder().decode(Account.self, from: Data(reply.body))
        {
            let projects = account.results.projects
            let project = target.project.map { projects[String($0)] } ?? projects.values.first
            if let system = project?.identity_system.flatMap({ IdentitySystem(rawValue: $0) }) { return system }
        }
        listener.warned(
            "\(target.hostField) does not say how its project joins ids: records are ordered and checked as for "
                + "Original ID Merge")
        return .original
    }

    private struct Account: Decodable {
        struct Results: Decodable { let projects: [String: Project] }
        struct Project: Decodable { let identity_system: String? }
        let results: Results
    }

    /// What an answer says, as text.
    static func message(of reply: UploadRequest.Reply) -> String {
        let fields = try? JSONDecoder().decode(Fault.self, from: Data(reply.body))
        let text = fields?.error ?? String(decoding: reply.body.prefix(300), as: UTF8.self)
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// What a plain or verbose answer says is wrong with a batch; nil where all of it was taken.
    static func fault(in reply: UploadRequest.Reply) -> String? {
        let text = String(decoding: reply.body, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        if text == "0" { return "the server says no more than 0" }
        guard let fields = try? JSONDecoder().decode(Fault.self, from: Data(reply.body)), let status = fields.status
        else { return nil }
        return status == 0 ? fields.error ?? "the server does not say why" : nil
    }

    private struct Fault: Decodable {
        let error: String?
        let status: Int?

        enum CodingKeys: String, CodingKey {
            case error
            case status
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            error = try? container.decode(String.self, forKey: .error)
            // Some answers have a text there.
            status = try? container.decode(Int.self, forKey: .status)
        }
    }
}

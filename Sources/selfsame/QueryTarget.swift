import ArgumentParser
import Foundation
import IdentityEngine
import IdentityServer
import IdentityStore

/// What commands that ask one project have in common: the project, the store, and the form of the answer.
struct QueryTarget: ParsableArguments {
    @Flag(name: .long, help: "Write the JSON that HTTP answers.")
    var json = false

    @OptionGroup var project: ProjectOption
    @OptionGroup var store: StoreOptions

    /// Opens the store, asks, and closes it.
    func ask<Value>(
        asOf: String? = nil, _ body: (StoreQueries) async throws -> Value
    ) async throws -> Value {
        let directory = try store.open(for: MomentOption.access(asOf: asOf))
        let value: Value
        do {
            let project = try await directory.project(project.project)
            value = try await body(
                StoreQueries(
                    store: directory.store, project: project, clock: ServerClock(),
                    reservedIDs: try store.configuration().reservedIDs))
        } catch {
            try? await directory.store.close()
            throw error
        }
        try await directory.store.close()
        return value
    }

    /// Asks for one JSON object, and writes it: as it is, or as text for people.
    func answer<Answer: Decodable>(
        _ subject: StoreQueries.Subject, _ options: [StoreQueries.Option], _ text: (Answer) -> [String]
    ) async throws {
        let asOf = options.first { $0.name == "as_of" }?.value
        let bytes = try await ask(asOf: asOf) { queries in try await queries.json(subject, options) }
        guard !json else { return try Console.write(line: bytes) }
        let lines = text(try JSONDecoder().decode(Answer.self, from: Data(bytes)))
        if !lines.isEmpty { Console.write(lines.joined(separator: "\n")) }
    }

    /// Says on standard error how to go on where there is more.
    func note(more option: String, _ next: String?) {
        if let next, !json { Console.note("There is more: go on with \(option) \(next)") }
    }
}

extension [StoreQueries.Option] {
    /// Options that were given, by name.
    init(given values: KeyValuePairs<String, String?>) {
        self = values.compactMap { name, value in value.map { (name, $0) } }
    }
}

extension String {
    /// The text in one line and in one column, with what a terminal would obey written out.
    var column: String { escapingControls(except: []) }
}

import Foundation
import IdentityEngine
import IdentityServer
import Testing

/// The rules of the repository that no compiler checks.
@Suite struct `Tidy` {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Files of ours by path from the root, with their lines.
    private static let files: [(path: String, lines: [String])] = {
        let folders = ["Sources", "Tests", "Benchmarks", "Scripts", "docs"]
        var paths = ["Package.swift", "Makefile", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        for folder in folders {
            let all = FileManager.default.enumerator(atPath: root.appending(path: folder).path)?.allObjects ?? []
            paths += all.compactMap { $0 as? String }.map { "\(folder)/\($0)" }
        }
        return paths.sorted().compactMap { path in
            guard let text = try? String(contentsOf: root.appending(path: path), encoding: .utf8) else { return nil }
            return (path, text.components(separatedBy: "\n"))
        }
    }()

    private static func swift(in folder: String = "") -> [(path: String, lines: [String])] {
        files.filter { $0.path.hasSuffix(".swift") && $0.path.hasPrefix(folder) }
    }

    @Test func `there are files to check`() {
        #expect(Self.swift(in: "Sources/").count > 30)
        #expect(Self.files.contains { $0.path.hasPrefix("docs/decisions/") })
    }

    @Test func `the engine imports nothing`() {
        for file in Self.swift(in: "Sources/IdentityEngine/") {
            let imports = file.lines.filter {
                $0.contains("import ") && !$0.hasPrefix("//") && $0.contains(#/^(\w+ )?import /#)
            }
            #expect(imports.isEmpty, "\(file.path)")
        }
    }

    @Test func `a Swift file has at most 400 lines, and a line at most 120 columns`() {
        for file in Self.swift() {
            #expect(file.lines.count <= 401, "\(file.path)")
            for (number, line) in file.lines.enumerated() where line.count > 120 {
                Issue.record("\(file.path):\(number + 1) has \(line.count) columns")
            }
        }
    }

    @Test func `a function has at most 70 lines`() {
        for file in Self.swift() {
            var begun: (line: Int, indent: Int)?
            for (number, line) in file.lines.enumerated() {
                let indent = line.prefix { $0 == " " }.count
                let text = line.dropFirst(indent)
                if let start = begun, indent == start.indent {
                    if text.hasPrefix("}") {
                        #expect(number - start.line <= 70, "\(file.path):\(start.line + 1)")
                        begun = nil
                    } else if !text.hasPrefix(")") || !text.hasSuffix("{") {
                        // A requirement of a protocol, which has no body.
                        begun = nil
                    }
                }
                if begun == nil, text.contains(#/^((package|private|fileprivate|static|mutating|@Test) )*func /#),
                    !text.hasSuffix("}")
                {
                    begun = (number, indent)
                }
            }
        }
    }

    @Test func `what other targets use is documented`() {
        // The requirements of a protocol, and what conformance asks for, are documented where they are first declared.
        let exempt = [
            "description", "hash(", "static func <", "static func ==", "typealias Failure", "init(_ bytes", "deinit",
        ]
        for file in Self.swift(in: "Sources/") {
            for (number, line) in file.lines.enumerated() {
                guard
                    line.contains(
                        #/^ *package ((final|static|mutating|consuming) )*(func|struct|enum|class|protocol|init|actor)/#
                    ),
                    !exempt.contains(where: line.contains)
                else { continue }
                var above = number - 1
                while above >= 0, file.lines[above].trimmingCharacters(in: .whitespaces).hasPrefix("@") { above -= 1 }
                let isDocumented = above >= 0 && file.lines[above].trimmingCharacters(in: .whitespaces).hasPrefix("///")
                let isTrivial = line.contains(#/init\(|func \w+\([^)]*\).*\{.*\}$/#)
                #expect(isDocumented || isTrivial || Self.isSelfEvident(line), "\(file.path):\(number + 1): \(line)")
            }
        }
    }

    /// Members whose declaration says all there is, as STYLE allows: a look-up by one key, a requirement met.
    private static func isSelfEvident(_ line: String) -> Bool {
        let names = [
            "node", "nodes", "links", "lastSequence", "logEntry", "logEntries", "events", "projects", "accounts",
            "save", "commit", "read", "amend", "add", "privacyTask", "privacyTasks", "replace", "deleteClusters",
            "settle", "eraseTraces", "reset", "close", "project", "account", "respond", "share", "digest",
            "makeAsyncIterator",
        ]
        return names.contains { line.contains("func \($0)(") || line.contains("func \($0)<") }
    }

    @Test func `declared names use the project's words`() {
        let refused = ["User", "Person", "Visitor", "Manager", "Helper", "Util", "Handle", "Process"]
        for file in Self.swift(in: "Sources/") {
            for (number, line) in file.lines.enumerated() {
                guard let match = line.firstMatch(of: #/\b(?:struct|enum|class|protocol|actor|typealias) (\w+)/#) else {
                    continue
                }
                let name = String(match.1)
                for word in refused where name.contains(word) {
                    Issue.record("\(file.path):\(number + 1): \(name) uses \(word)")
                }
            }
        }
    }

    @Test func `what is banned is not called`() {
        let banned = ["try!", "Task.detached", "DispatchSemaphore", "fatalError(", "TO" + "DO", "FIX" + "ME"]
        let mayBeUnchecked = ["Sources/IdentityStore/SQLite/", "Sources/MixpanelWire/", "Sources/CSimdjson/"]
        for file in Self.swift() where !file.path.hasSuffix("Tidy.swift") {
            for (number, line) in file.lines.enumerated() {
                let place = "\(file.path):\(number + 1)"
                for call in banned where line.contains(call) { Issue.record("\(place) has \(call)") }
                if file.path.hasPrefix("Sources/"), line.contains(#/(^|[^\w.])print\(/#) {
                    Issue.record("\(place) prints")
                }
                if line.contains("@unchecked"), !mayBeUnchecked.contains(where: file.path.hasPrefix) {
                    Issue.record("\(place) is unchecked")
                }
            }
        }
    }

    @Test func `links in documents lead somewhere`() {
        for file in Self.files where file.path.hasSuffix(".md") {
            let folder = Self.root.appending(path: file.path).deletingLastPathComponent()
            for line in file.lines {
                for match in line.matches(of: #/\]\(([^)#:\s]+)(\#[^)]*)?\)/#) {
                    let target = folder.appending(path: String(match.1)).path
                    #expect(FileManager.default.fileExists(atPath: target), "\(file.path): \(match.1)")
                }
            }
        }
    }

    @Test func `every setting is documented with its default, its variable and what is allowed`() throws {
        let text = try Self.text("docs/configuration.md")
        for setting in Setting.all {
            let section = try #require(
                text.components(separatedBy: "\n### ").first { $0.hasPrefix(setting.key + "\n") })
            #expect(section.contains("`\(setting.variable)`"), "\(setting.key)")
            #expect(section.contains(setting.allowed), "\(setting.key)")
            if let fallback = setting.fallback, !fallback.isEmpty {
                #expect(section.contains("Default: `\(fallback)`"), "\(setting.key)")
            }
        }
        let documented = text.components(separatedBy: "\n### ").dropFirst().map { $0.prefix { $0 != "\n" } }
        #expect(documented.count == Setting.all.count + 2)
    }

    @Test func `every outcome has its heading and its exact description`() throws {
        let lines = Set(try Self.text("docs/merge-outcomes.md").components(separatedBy: "\n"))
        for heading in ["merged", "unchanged"] + MergeRefusal.allCases.map(\.failureReason) {
            #expect(lines.contains("## \(heading)"), "\(heading)")
        }
    }

    @Test func `every rule that is cited is in the document of the protocol`() throws {
        let text = try Self.text("docs/wire-protocol.md")
        for file in Self.swift() {
            for line in file.lines {
                for match in line.matches(of: #/\bP (\d+(?:\.\d+)?(?:-[0-9]+[a-z]?)?)/#) {
                    let isThere = text.contains(String(match.1))
                    #expect(isThere, "\(file.path) cites P \(match.1)")
                }
            }
        }
    }

    @Test func `the project speaks of itself alone`() {
        let foreign = ["/" + "work/", "/" + "root/", "shared" + "/", "/opt/" + "swift"]
        for file in Self.files {
            for (number, line) in file.lines.enumerated() {
                for word in foreign where line.contains(word) { Issue.record("\(file.path):\(number + 1): \(word)") }
            }
        }
    }

    private static func text(_ path: String) throws -> String {
        try #require(files.first { $0.path == path }).lines.joined(separator: "\n")
    }
}

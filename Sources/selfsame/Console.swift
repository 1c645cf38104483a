import Foundation
import IdentityEngine

/// What the command writes: answers to standard output, everything else to standard error.
enum Console {
    static func write(_ text: String) {
        FileHandle.standardOutput.write(Data((text.escapingControls(except: ["\t", "\n"]) + "\n").utf8))
    }

    static func write(bytes: [UInt8]) throws { try FileHandle.standardOutput.write(contentsOf: Data(bytes)) }

    static func note(_ text: String, terminator: String = "\n") {
        FileHandle.standardError.write(Data((text + terminator).utf8))
    }

    static var isOutputTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    static var isErrorTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}

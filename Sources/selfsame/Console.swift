import Foundation
import IdentityEngine

/// What the command writes: answers to standard output, everything else to standard error.
enum Console {
    static func write(_ text: String) {
        FileHandle.standardOutput.write(Data((text.escapingControls(except: ["\t", "\n"]) + "\n").utf8))
    }

    /// Writes one line of bytes, as they are.
    static func write(line: [UInt8]) throws { try write(bytes: line + [UInt8(ascii: "\n")]) }

    static func write(bytes: [UInt8]) throws { try FileHandle.standardOutput.write(contentsOf: Data(bytes)) }

    static func note(_ text: String, terminator: String = "\n") {
        FileHandle.standardError.write(Data((text + terminator).utf8))
    }

    static var isInputTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    static var isOutputTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    static var isErrorTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}

/// The lines that were typed, oldest first.
package struct InputHistory: Equatable, Sendable {
    /// Lines that are kept.
    package static let limit = 1_000

    package private(set) var lines: [String] = []

    package init(lines: [String] = []) { self.lines = Array(lines.suffix(Self.limit)) }

    /// Adds a line, unless it repeats the last one or is blank.
    ///
    /// - Returns: whether it was added.
    @discardableResult
    package mutating func add(_ line: String) -> Bool {
        guard line != lines.last, !line.allSatisfy(\.isWhitespace) else { return false }
        lines.append(line)
        if lines.count > Self.limit { lines.removeFirst() }
        return true
    }

    /// The newest line older than `index` that holds `query`; `index` is at most `lines.count`.
    package func match(_ query: String, before index: Int) -> Int? {
        lines[..<min(index, lines.count)].lastIndex { $0.contains(query) }
    }

    /// The oldest line newer than `index` that holds `query`.
    package func match(_ query: String, after index: Int) -> Int? {
        guard index + 1 < lines.count else { return nil }
        return lines[(index + 1)...].firstIndex { $0.contains(query) }
    }

    // MARK: File

    /// One line of the file: line breaks as `\n`, backslashes doubled.
    package static func encode(_ line: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for byte in line.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): bytes.append(contentsOf: "\\\\".utf8)
            case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }

    /// Reads a file of such lines; what is no UTF-8 is left out, since it was not written by `encode`.
    package init(decoding bytes: [UInt8]) {
        var lines: [String] = []
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            var decoded: [UInt8] = []
            var isEscaped = false
            for byte in line {
                if isEscaped {
                    decoded.append(byte == UInt8(ascii: "n") ? UInt8(ascii: "\n") : byte)
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else {
                    decoded.append(byte)
                }
            }
            // A blank line is none that `add` takes: the file was cut off, or written by something else.
            if !decoded.isEmpty, let string = String(validating: decoded, as: UTF8.self) { lines.append(string) }
        }
        self.init(lines: lines)
    }

    /// The whole file.
    package var encoded: [UInt8] { lines.flatMap(Self.encode) }
}

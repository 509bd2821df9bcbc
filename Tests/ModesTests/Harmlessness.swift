import TestSupport
import Testing
import Wire

/// What a program may write, whatever it was sent.
enum Harmlessness {
    /// What stays the worst that was found, for a message.
    private static func excerpt(_ bytes: some Collection<UInt8>) -> String {
        String(decoding: bytes.prefix(120), as: UTF8.self).debugDescription
    }

    /// What is wrong with lines for a stream, a log or a program.
    static func violations(stream bytes: [UInt8]) -> [String] {
        guard let text = String(validating: bytes, as: UTF8.self) else { return ["not UTF-8: \(excerpt(bytes))"] }
        return violations(text: text, allowing: ["\n"])
    }

    /// What is wrong with a file that is exported: JSON, exact, with its control characters escaped.
    static func violations(export bytes: [UInt8]) -> [String] {
        guard let text = String(validating: bytes, as: UTF8.self) else { return ["not UTF-8: \(excerpt(bytes))"] }
        return text.unicodeScalars.filter { $0 != "\n" && $0.properties.generalCategory == .control }
            .prefix(5).map { "U+\(String($0.value, radix: 16))" }
    }

    /// What is wrong with what was written to a terminal: beside text there may only be what the program itself uses.
    static func violations(terminal bytes: [UInt8]) -> [String] {
        guard let text = String(validating: bytes, as: UTF8.self) else { return ["not UTF-8"] }
        var rest = String.UnicodeScalarView()
        var violations: [String] = []
        var scalars = text.unicodeScalars[...]
        while let scalar = scalars.popFirst() {
            guard scalar == "\u{1B}" else {
                rest.append(scalar)
                continue
            }
            var sequence = ""
            while let next = scalars.popFirst() {
                sequence.unicodeScalars.append(next)
                if sequence.count > 1, (0x40..<0x7F).contains(next.value) { break }
                if sequence.count > 12 { break }
            }
            if !isOwn(sequence) { violations.append("ESC \(sequence.debugDescription)") }
        }
        // The tab of a message's text stays, and the bell is the program's own: nothing that was sent holds it.
        return violations + Self.violations(text: String(rest), allowing: ["\n", "\r", "\t", "\u{7}"])
    }

    /// Whether the program's own frames hold a sequence.
    private static func isOwn(_ sequence: String) -> Bool {
        guard sequence.first == "[", let final = sequence.last else { return false }
        let parameters = String(sequence.dropFirst().dropLast())
        switch final {
        case "h", "l": return ["?2026", "?25", "?7", "?2004"].contains(parameters)
        case "J", "K": return parameters.isEmpty
        case "A", "B", "G": return Int(parameters).map { (1...300).contains($0) } ?? false
        case "m":
            // Off, bold, dim, reversed, colours by number; never hidden, never blinking.
            let numbers = parameters.split(separator: ";").map { Int($0) ?? -1 }
            if let index = numbers.firstIndex(of: 38) {
                return numbers[..<index].allSatisfy { [1, 2, 7].contains($0) } && numbers.count == index + 3
            }
            return numbers.allSatisfy { [0, 1, 2, 7].contains($0) || (30...37).contains($0) || (90...97).contains($0) }
        default: return false
        }
    }

    private static func violations(text: String, allowing allowed: Set<Unicode.Scalar>) -> [String] {
        var violations: [String] = []
        var marks = 0
        for (line, content) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            for scalar in content.unicodeScalars where violations.count < 5 {
                if scalar.properties.generalCategory == .nonspacingMark
                    || scalar.properties.generalCategory == .enclosingMark
                {
                    marks += 1
                } else {
                    marks = 0
                }
                if isForbidden(scalar) && !allowed.contains(scalar) || marks > 8 {
                    violations.append(
                        "U+\(String(scalar.value, radix: 16, uppercase: true)) in line \(line): \(excerpt(Array(content.utf8)))"
                    )
                }
            }
        }
        return violations
    }

    private static func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, 0x2028...0x202E, 0x2060...0x206F,
            0xFEFF,
            0xFFF9...0xFFFB, 0xFDD0...0xFDEF, 0xE0000...0xE0FFF:
            true
        case let value: value & 0xFFFE == 0xFFFE
        }
    }

    /// Lines that a reader could take for the program's own, or for somebody else's message, although a stranger wrote
    /// them. In answers and continuation lines anything may stand, since they are indented.
    static func forged(in lines: [String]) -> [String] {
        lines.filter { line in
            guard line.contains("FORGED") else { return false }
            var rest = line[...]
            // `[14:03:21] `
            let isTimed = rest.first == "[" && rest.dropFirst(9).hasPrefix("] ")
            if isTimed { rest = rest.dropFirst(11) }
            if rest.hasPrefix("(earlier) ") { rest = rest.dropFirst(10) }
            let looks = [
                "* FORGED", "! FORGED", "~ FORGED", "--- FORGED", "> FORGED", "You: FORGED", "You:FORGED",
                "You -> FORGED", "* You:FORGED", "[14:03:21]",
            ]
            return looks.contains { rest.hasPrefix($0) }
        }
    }
}

import TestSupport
import Wire

/// What an attacker writes where a name, a text, a subject or a reason is expected. Where a text tries to look like a line
/// of the program, the word is FORGED.
enum HostileText {
    /// Each by itself.
    static let corpus: [String] = [
        // Titles, and reports that come back as typed text.
        "\u{1B}]0;FORGED\u{7}", "\u{1B}]2;FORGED\u{1B}\\", "\u{1B}[21t", "\u{1B}[6n", "\u{1B}[c", "\u{1B}[>c", "\u{5}",
        "\u{1B}P$qm\u{1B}\\", "\u{1B}P+q544e\u{1B}\\", "\u{90}$q\"p\u{9C}", "\u{1B}[?2026$p",
        // Hyperlinks and the clipboard.
        "\u{1B}]8;;http://example.net\u{1B}\\FORGED\u{1B}]8;;\u{1B}\\", "\u{1B}]52;c;Rk9SR0VE\u{7}",
        "\u{9D}52;c;?\u{9C}",
        // Moving, erasing, modes, in seven and in eight bits.
        "\u{1B}[2J\u{1B}[H", "\u{9B}2J\u{9B}H", "\u{1B}[1A\u{1B}[2K\r", "\u{1B}[?1049h", "\u{1B}[?25l", "\u{1B}c",
        "\u{1B}[5i",
        "\u{1B}[31mred", "\u{1B}[8mhidden", "\u{1B}#8", "\u{1B}(0", "\u{E}", "\u{1B}_x\u{1B}\\", "\u{98}x\u{9C}",
        // Backspaces, carriage returns, line breaks of every kind.
        "\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}* FORGED", "\u{7F}\u{7F}", "\r* FORGED joined",
        "\r[14:03:21] * FORGED",
        "\n[14:03:21] * FORGED joined", "\r\n! FORGED", "\n--- FORGED ---", "\n> FORGED", "\n\n\nYou: FORGED",
        "\u{B}* FORGED", "\u{C}! FORGED", "\u{85}* FORGED", "\u{2028}You: FORGED", "\u{2029}* FORGED", "\n    * FORGED",
        "\u{1E}* FORGED", "\0", "\u{7}\u{7}\u{7}", "\ttab",
        // The order of text, and what cannot be seen.
        "\u{202E}DEGROF\u{202C}", "\u{2066}x\u{2069}", "\u{200F}\u{200E}\u{61C}", "\u{202D}\u{2068}", "\u{FEFF}",
        "\u{AD}",
        "\u{200B}\u{2060}\u{2063}", "\u{180E}", "\u{E0001}\u{E0041}\u{E0042}\u{E007F}",
        "\(Unicode.Scalar(0xFFFE as UInt32)!)",
        "\(Unicode.Scalar(0xFDD0 as UInt32)!)\(Unicode.Scalar(0x1FFFF as UInt32)!)",
        "\u{FFF9}a\u{FFFA}b\u{FFFB}", "\u{3164}", "\u{115F}",
        // Marks that climb over the lines around them.
        "Z" + String(repeating: "\u{301}", count: 60), String(repeating: "\u{20DD}", count: 30), "\u{301}",
        "a" + String(repeating: "\u{489}\u{1AB0}", count: 30),
        // Names that look like the program or like its reader.
        "* FORGED joined", "! FORGED", "--- FORGED ---", "You", "You: FORGED", "[14:03:21] * FORGED", "> FORGED",
        "[14:03:21] You: FORGED", "FORGED words", "FORGED; * FORGED", "~ FORGED", "You:FORGED", "(FORGED)",
        "\"FORGED\": x", "%FORGED", "$(FORGED)", "{\"event\":\"FORGED\"}",
        "../FORGED", "",
        " ", "~",
    ]

    /// Bytes that are not UTF-8, with what they would do to a terminal that is set to eight bits.
    static let bytes: [[UInt8]] = [
        [0x9B, 0x32, 0x4A], [0xC3], [0xFF, 0xFE], [0xED, 0xA0, 0x80], [0xC0, 0x9B, 0x32, 0x4A], [0xE2, 0x80],
        [0x80, 0x80],
        [0x90, 0x24, 0x71, 0x6D, 0x9C], [0xF4, 0x90, 0x80, 0x80], [0xC1, 0x9B],
        [0xF0, 0x9F, 0x98, 0x1B, 0x5B, 0x32, 0x4A],
    ]

    /// Texts made of parts of the corpus and of any scalars at all.
    static func random(_ count: Int, seed: UInt64) -> [String] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in
            var text = ""
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                switch Int.random(in: 0..<3, using: &random) {
                case 0: text += corpus.randomElement(using: &random)!
                case 1: text.unicodeScalars.append(Unicode.Scalar(UInt8.random(in: 0...0x9F, using: &random)))
                default:
                    let value = UInt32.random(in: 0...0x10FFFF, using: &random)
                    text.unicodeScalars.append(Unicode.Scalar(value) ?? "\u{FFFD}")
                }
            }
            return text
        }
    }

    /// A value with each of its strings replaced in turn, but for those that say what kind of value it is.
    static func variants(of value: JSON, using texts: inout HostileSupply) -> [JSON] {
        switch value {
        case .string: return [.string(texts.next())]
        case .array(let values):
            return values.indices.flatMap { index in
                variants(of: values[index], using: &texts).map { variant in
                    var copy = values
                    copy[index] = variant
                    return JSON.array(copy)
                }
            }
        case .object(let object):
            var result: [JSON] = []
            for (key, member) in object.members where key != "type" && key != "kind" {
                for variant in variants(of: member, using: &texts) {
                    var copy = object
                    copy[key] = variant
                    result.append(.object(copy))
                }
                // A key may be a name.
                guard case .object = member else { continue }
                var copy = object
                copy[key] = nil
                copy[texts.next()] = member
                result.append(.object(copy))
            }
            return result
        case .null, .bool, .integer, .number: return []
        }
    }
}

/// The corpus and random texts, one after the other, for ever.
struct HostileSupply {
    private let texts: [String]
    private var place = 0

    init(seed: UInt64 = 1) { texts = HostileText.corpus + HostileText.random(150, seed: seed) }

    mutating func next() -> String {
        defer { place = (place + 1) % texts.count }
        return texts[place]
    }
}

import TestSupport
import Wire

/// A person at a terminal: types, edits, pastes, sends and changes the size of the window, from a seed.
struct TypingScript {
    private var random: SplitMix64
    private var number = 0

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    private static let words = [
        "hello ", "a longer sentence, with more words than fit one row of a narrow window ", "日本語の文章 ",
        "👩‍👩‍👧 ", "e\u{301}a\u{327} ", "🇩🇪", "über ", "123 ",
    ]

    /// Keys that end nothing: C-a C-e C-b C-f C-h C-d at a text, C-k C-u C-w C-y C-t, words, arrows.
    private static let edits = [
        "\u{1}", "\u{5}", "\u{2}", "\u{6}", "\u{8}", "\u{B}", "\u{15}", "\u{17}", "\u{19}", "\u{14}", "\u{1B}b",
        "\u{1B}f",
        "\u{1B}d", "\u{1B}\u{7F}", "\u{1B}[D", "\u{1B}[C", "\u{1B}[H", "\u{1B}[F", "\u{1B}[3~", "\u{1B}\r", "\u{1F}",
    ]

    enum Step {
        case type(String)
        case resize(columns: Int, rows: Int)
    }

    /// What comes next, when so many characters stand at the prompt. No line begins with a slash, so none is a command.
    mutating func next(after length: Int) -> Step {
        if length > 300 { return send() }
        switch Int.random(in: 0..<20, using: &random) {
        case 0:
            return .resize(columns: .random(in: 34...90, using: &random), rows: .random(in: 20...30, using: &random))
        case 1, 2, 3:
            return send()
        case 4: return .type("\u{1B}[200~pasted\r\nover two lines\u{1B}[201~")
        case 5...9: return .type(Self.edits.randomElement(using: &random)!)
        default: return .type(Self.words.randomElement(using: &random)!)
        }
    }

    private mutating func send() -> Step {
        number += 1
        return .type("\u{1B}[Hline \(number): \u{1B}[F\r")
    }
}

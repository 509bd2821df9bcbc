import TestSupport
import Testing
import Wire

@testable import Terminal

/// The simplest editor there is: a string and an offset into its bytes. Everything is looked up anew each time.
private struct ReferenceEditor {
    private(set) var text = ""
    /// Bytes before the cursor, always at the border of a cluster.
    private(set) var offset = 0
    /// Where the last insertion ended, inside a cluster perhaps: what is typed next goes on there.
    private var insertion: Int?
    private var killed: String?

    private var borders: [Int] { text.reduce(into: [0]) { $0.append($0.last! + $1.utf8.count) } }
    private var place: Int { borders.firstIndex(of: offset)! }
    var cursor: Int { place }

    private mutating func moveTo(_ index: Int) {
        offset = borders[min(max(0, index), borders.count - 1)]
        insertion = nil
    }

    private mutating func type(_ inserted: String) {
        let place = insertion ?? offset
        replace(bytes: place..<place, with: inserted)
    }

    private mutating func replace(_ range: Range<Int>, with inserted: String) {
        replace(bytes: borders[range.lowerBound]..<borders[range.upperBound], with: inserted)
    }

    private mutating func replace(bytes range: Range<Int>, with inserted: String) {
        let bytes = Array(text.utf8)
        let (start, end) = (range.lowerBound, range.upperBound)
        text = String(decoding: bytes[..<start] + Array(inserted.utf8) + bytes[end...], as: UTF8.self)
        let target = start + inserted.utf8.count
        // Inside a cluster the cursor cannot stand.
        offset = borders.first { $0 >= target }!
        insertion = inserted.isEmpty ? nil : target
    }

    private func step(from place: Int, by step: Int, while matches: (Character) -> Bool) -> Int {
        let clusters = Array(text)
        var place = place
        while step < 0 ? place > 0 : place < clusters.count {
            guard matches(clusters[step < 0 ? place - 1 : place]) else { break }
            place += step
        }
        return place
    }

    private static func isWord(_ cluster: Character) -> Bool { cluster.isLetter || cluster.isNumber || cluster == "_" }

    private var wordStart: Int {
        step(from: step(from: place, by: -1) { !Self.isWord($0) }, by: -1, while: Self.isWord)
    }
    private var wordEnd: Int { step(from: step(from: place, by: 1) { !Self.isWord($0) }, by: 1, while: Self.isWord) }
    private var blankStart: Int {
        step(from: step(from: place, by: -1) { $0.isWhitespace }, by: -1) { !$0.isWhitespace }
    }
    private var lineStart: Int { step(from: place, by: -1) { $0 != "\n" } }
    private var lineEnd: Int { step(from: place, by: 1) { $0 != "\n" } }

    private mutating func kill(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        killed = String(Array(text)[range])
        replace(range, with: "")
    }

    mutating func press(_ key: Key) {
        let count = text.count
        switch key {
        case .text(let inserted), .paste(let inserted): type(inserted)
        case .lineBreak: type("\n")
        case .left, .control("b"): moveTo(place - 1)
        case .right, .control("f"): moveTo(place + 1)
        case .home, .control("a"): moveTo(lineStart)
        case .end, .control("e"): moveTo(lineEnd)
        case .wordLeft, .meta("b"): moveTo(wordStart)
        case .wordRight, .meta("f"): moveTo(wordEnd)
        case .backspace: if place > 0 { replace((place - 1)..<place, with: "") }
        case .delete, .control("d"): if place < count { replace(place..<(place + 1), with: "") }
        case .control("k"): kill(place..<(lineEnd == place ? min(place + 1, count) : lineEnd))
        case .control("u"): kill((lineStart == place ? max(place - 1, 0) : lineStart)..<place)
        case .control("w"): kill(blankStart..<place)
        case .meta("d"): kill(place..<wordEnd)
        case .metaBackspace: kill(wordStart..<place)
        case .control("y"): if let killed { replace(place..<place, with: killed) }
        case .control("t"):
            guard count >= 2, place >= 1 else { return }
            let second = min(place, count - 1)
            let clusters = Array(text)
            replace((second - 1)..<(second + 1), with: String(clusters[second]) + String(clusters[second - 1]))
        default: preconditionFailure("the reference knows no \(key)")
        }
    }
}

struct RandomEditingTests {
    /// A cluster that arrives in pieces, in front of what it could join, becomes what it becomes at once.
    @Test func itDoesNotMatterHowTextArrives() {
        for text in ["👩‍👩‍👧 ", "e\u{301}", "🇩🇪🇫🇷", "한", "\u{1112}\u{1161}\u{11AB}", "👍🏽"] {
            for before in ["", "👩", "🇩", "a"] {
                for after in ["", "👩‍👧", "🇪🇸", "\u{301}", "b"] {
                    var whole = EditBuffer(before + after)
                    whole.moveCursor(to: before.count)
                    guard whole.cursor == before.count, whole.textBeforeCursor == before else { continue }
                    var pieces = whole
                    whole.insert(text)
                    for scalar in text.unicodeScalars { pieces.insert(String(scalar)) }
                    #expect(pieces == whole, "\(before) \(text) \(after)")
                    #expect(whole.text == before + text + after)
                }
            }
        }
    }

    private static let keys: [Key] = [
        .left, .right, .home, .end, .wordLeft, .wordRight, .backspace, .delete, .lineBreak, .metaBackspace,
        .control("a"), .control("b"), .control("e"), .control("f"), .control("k"), .control("u"),
        .control("w"), .control("y"), .control("t"), .meta("b"), .meta("f"), .meta("d"),
    ]

    /// What joins its neighbours, what is wide, what wraps, what is escaped.
    private static let texts = [
        "a", "word ", "_x9", "日本", "e\u{301}", "\u{301}", "👩", "\u{200D}", "👩‍👧", "🇩", "🇪🇫", "한", "\u{1161}", "\u{11A8}",
        " ", ",",
        "\u{FE0F}", "🏽", "\u{202E}", "ก\u{0E33}", "क\u{094D}", "ष", "\u{E0061}", "long enough to wrap over the edge ",
    ]

    @Test(arguments: 0..<24 as Range<UInt64>)
    func theEditorDoesWhatAStringDoes(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var screen = EditorScreen(columns: Int.random(in: 5...40, using: &random), rows: 30)
        var reference = ReferenceEditor()
        var wasKill = false
        for step in 0..<100 {
            var key = Self.keys.randomElement(using: &random)!
            if Bool.random(using: &random) { key = .text(Self.texts.randomElement(using: &random)!) }
            // Cuts in a row join, which the reference does not know.
            let isKill = [.control("k"), .control("u"), .control("w"), .meta("d"), .metaBackspace].contains(key)
            if isKill, wasKill { key = .right }
            wasKill = isKill
            screen.press([key])
            reference.press(key)
            screen.draw()
            guard screen.editor.text == reference.text, screen.editor.buffer.cursor == reference.cursor,
                screen.editor.buffer.clusters == Array(reference.text),
                screen.editor.buffer.byteCount == reference.text.utf8.count, screen.isAsDrawnAnew()
            else {
                Issue.record(
                    "seed \(seed), step \(step), \(key): \(screen.shown), not \(reference.text.debugDescription)")
                return
            }
            #expect(screen.screen.unknown == [])
        }
    }
}

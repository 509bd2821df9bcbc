import Glibc
import TestSupport
import Testing

@testable import Terminal

/// The test data of the Unicode Consortium, as Debian's package `unicode-data` installs it.
private enum UnicodeData {
    static let graphemes = "/usr/share/unicode/auxiliary/GraphemeBreakTest.txt"
    static let emoji = "/usr/share/unicode/emoji/emoji-test.txt"

    static func isInstalled(_ path: String) -> Bool { access(path, R_OK) == 0 }

    /// The lines that are not comments, without the comment at their end.
    static func lines(_ path: String) -> [String] {
        guard let stream = fopen(path, "r") else { return [] }
        defer { fclose(stream) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, stream), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
            let data = line.prefix { $0 != "#" }
            return data.allSatisfy(\.isWhitespace) ? nil : String(data)
        }
    }

    static func text(_ hexadecimal: some Sequence<Substring>) -> String {
        var scalars = String.UnicodeScalarView()
        for word in hexadecimal {
            if let scalar = UInt32(word, radix: 16).flatMap(Unicode.Scalar.init) { scalars.append(scalar) }
        }
        return String(scalars)
    }
}

/// What a text looks like in the editor, held against the layout: every cluster is one step, and what follows it stands
/// where the layout says, whatever the terminal takes for its width.
private func expectOneStepEach(
    _ text: String, clusters: Int, widths: ScreenModel.Widths, _ what: Comment
) {
    var screen = EditorScreen(columns: 200, rows: 4, widths: widths)
    screen.press([.text("x"), .paste(text), .text("|")])
    screen.draw()
    let count = screen.editor.buffer.count
    #expect(count == clusters + 2, what)
    let end = screen.layout.cursorColumn
    #expect(screen.screen.column == end, what)
    if screen.layout.rows.count == 1 {
        #expect(screen.screen.cell(row: screen.screen.row, column: end - 1) == "|", what)
        #expect(screen.screen.cell(row: screen.screen.row, column: 2).unicodeScalars.first == "x", what)
    }
    // Back to the begin, a cluster a step: the cursor is where the layout says, never right of where it was.
    var column = (screen.layout.cursorRow, end)
    for place in (0..<count).reversed() {
        screen.press([.left])
        screen.draw()
        #expect(screen.editor.buffer.cursor == place, what)
        let now = (screen.layout.cursorRow, screen.layout.cursorColumn)
        #expect(now < column && screen.screen.column == now.1, what)
        column = now
    }
    #expect(column == (0, EditorScreen.promptWidth), what)
    // From the end, a cluster a deletion: what is left is the text without its last cluster.
    screen.press(Array(repeating: .right, count: count) + [.backspace])
    for removed in 0..<clusters {
        let before = screen.editor.buffer.clusters
        screen.press([.backspace])
        #expect(screen.editor.buffer.clusters == Array(before.dropLast()), what)
        #expect(screen.editor.buffer.count == clusters - removed, what)
    }
    screen.draw()
    // A mark stays with the letter that it has joined.
    #expect(screen.editor.text == String(Array("x" + text + "|")[0]), what)
    #expect(!screen.screen.text.joined().contains("|"), what)
}

struct UnicodeDataTests {
    /// Lines such as `÷ 0020 × 0308 ÷ 0020 ÷`: no break at `×`.
    @Test(
        .enabled(
            if: UnicodeData.isInstalled(UnicodeData.graphemes),
            "\(UnicodeData.graphemes) is not there: sudo apt-get install unicode-data"))
    func everySampleOfTheGraphemeRulesIsEditedByItsClusters() {
        let lines = UnicodeData.lines(UnicodeData.graphemes)
        #expect(lines.count > 500)
        for (index, line) in lines.enumerated() {
            let parts = line.split(separator: "÷").map { part in
                UnicodeData.text(part.split { $0 == " " || $0 == "×" || $0 == "\t" })
            }.filter { !$0.isEmpty }
            // Control characters cannot be typed and are taken out of a paste; CR becomes a line break.
            let isTypable = !parts.joined().unicodeScalars.contains {
                $0 != "\n" && $0.properties.generalCategory == .control
            }
            guard isTypable else { continue }
            // Between letters, since what is at the begin may join what was typed before: a mark joins the `x`.
            let whole = Array("x" + parts.joined() + "|")
            let expected = whole.count - 2
            // U+2701 is a pictograph in Unicode 15, which Debian has, and none in that of the standard library.
            if !parts.joined().unicodeScalars.contains("\u{2701}") {
                #expect(Array(parts.joined()).map { String($0) } == parts, "\(line)")
            }
            // All widths take long in a debug build; neighbours in the file are alike.
            let widths = ScreenModel.Widths.allCases[index % ScreenModel.Widths.allCases.count]
            expectOneStepEach(parts.joined(), clusters: expected, widths: widths, "\(line)\(widths)")
        }
    }

    /// Lines such as `1F469 200D 1F4BB ; fully-qualified`.
    @Test(
        .enabled(
            if: UnicodeData.isInstalled(UnicodeData.emoji),
            "\(UnicodeData.emoji) is not there: sudo apt-get install unicode-data"))
    func everyEmojiIsOneClusterTwoColumnsWideOrFollowedByItsColumn() {
        let lines = UnicodeData.lines(UnicodeData.emoji)
        #expect(lines.count > 3_000)
        for (index, line) in lines.enumerated() {
            let fields = line.split(separator: ";")
            // A skin tone alone joins what stands before it.
            if fields[1].contains("component"), fields[0].hasPrefix("1F3F") { continue }
            let emoji = UnicodeData.text(fields[0].split(separator: " "))
            #expect(emoji.count == 1, "\(line)")
            let width = DisplayWidth(of: Character(emoji))
            if fields[1].contains("fully-qualified"), !fields[1].contains("minimally") {
                #expect(width.columns == 2, "\(line)")
            }
            // Two of them are ideographs in a circle, and one is the sign of copyright: as wide as the letters they are.
            if !fields[1].contains("unqualified") { #expect(width.isUncertain, "\(line)") }
            // All widths take long in a debug build; neighbours in the file are alike.
            let widths = ScreenModel.Widths.allCases[index % ScreenModel.Widths.allCases.count]
            expectOneStepEach(emoji, clusters: 1, widths: widths, "\(line)\(widths)")
        }
    }
}

import Testing
import Wire

@testable import Terminal

/// A layout without colours, as rows of text, and where its cursor stands.
private func layout(
    _ text: String, cursor: Int? = nil, prompt: String = "> ", above: [String] = [], below: [String] = [],
    columns: Int, limit: Int = 100
) -> (rows: [String], cursor: [Int]) {
    var buffer = EditBuffer(text)
    if let cursor { buffer.moveCursor(to: cursor) }
    func line(_ text: String) -> StyledLine { StyledLine([Span("\(text)")]) }
    let layout = LiveLayout(
        LiveContent(above: above.map(line), prompt: line(prompt), buffer: buffer, below: below.map(line)),
        columns: columns, limit: limit, isColored: false)
    for row in layout.rows { #expect(row.width <= columns) }
    #expect(layout.rows.count <= limit)
    #expect(layout.cursorColumn < columns && layout.cursorRow < layout.rows.count)
    // Without the columns that follow uncertain clusters.
    let rows = layout.rows.map { row in
        var text = ""
        var isControl = false
        for scalar in String(decoding: row.bytes, as: UTF8.self).unicodeScalars {
            if scalar == "\u{1B}" { isControl = true }
            if !isControl { text.unicodeScalars.append(scalar) }
            if isControl, scalar.properties.isAlphabetic { isControl = false }
        }
        return text
    }
    return (rows, [layout.cursorRow, layout.cursorColumn])
}

struct LiveLayoutTests {
    @Test func aLineWraps() {
        #expect(layout("abcdefghij", columns: 6) == (["> abcd", "efghij", ""], [2, 0]))
        #expect(layout("abcdefghi", columns: 6) == (["> abcd", "efghi"], [1, 5]))
        #expect(layout("abcdefghi", cursor: 4, columns: 6) == (["> abcd", "efghi"], [1, 0]))
        #expect(layout("abcdefghi", cursor: 3, columns: 6) == (["> abcd", "efghi"], [0, 5]))
        #expect(layout("", columns: 6) == (["> "], [0, 2]))
    }

    @Test func aWideCharacterDoesNotStraddleTheEdge() {
        #expect(layout("abc日d", columns: 6) == (["> abc", "日d"], [1, 3]))
        #expect(layout("ab日d", columns: 6) == (["> ab日", "d"], [1, 1]))
        #expect(layout("abc日d", cursor: 3, columns: 6) == (["> abc", "日d"], [1, 0]))
        #expect(layout("abc👩‍👧d", cursor: 3, columns: 6) == (["> abc", "👩‍👧d"], [1, 0]))
        #expect(layout("日", prompt: "", columns: 1) == (["?", ""], [1, 0]))
    }

    @Test func lineBreaksContinueUnderTheText() {
        #expect(layout("a\nb\n\nc", columns: 20) == (["> a", "  b", "  ", "  c"], [3, 3]))
        #expect(layout("ab\nc", cursor: 2, columns: 20) == (["> ab", "  c"], [0, 4]))
        #expect(layout("abcd\ne", cursor: 4, columns: 6).cursor == [0, 5])
        #expect(layout("a\tb", columns: 20) == (["> a     b"], [0, 9]))
    }

    @Test func whatIsNoOrdinaryCharacterStandsAsItsEscape() {
        #expect(layout("a\u{202E}b", columns: 20) == (["> a\\u{202E}b"], [0, 12]))
        #expect(layout("a\u{202E}b", cursor: 1, columns: 20).cursor == [0, 3])
        #expect(layout("\u{301}", columns: 20).cursor == [0, 9])
    }

    @Test func aPromptThatLeavesNoRoomIsLeftOut() {
        #expect(layout("hi", prompt: "a very long prompt> ", columns: 12) == (["hi"], [0, 2]))
        #expect(layout("hi", prompt: "Name: ", columns: 10) == (["Name: hi"], [0, 8]))
    }

    @Test func whatStandsAboveAndBelow() {
        #expect(
            layout("x", above: ["one", "twotwotwo"], below: ["menu"], columns: 6)
                == (["one", "twotwo", "two", "> x", "menu"], [3, 3]))
    }

    @Test func moreThanTheScreenHoldsIsCutAroundTheCursor() {
        let text = String(repeating: "abcde", count: 10)
        #expect(layout(text, prompt: "", columns: 5, limit: 3).rows == ["abcde", "abcde", ""])
        let middle = layout(text, cursor: 12, prompt: "", columns: 5, limit: 3)
        #expect(middle.rows.count == 3 && middle.cursor == [0, 2])
        #expect(layout("x", above: ["1", "2", "3"], columns: 9, limit: 2) == (["3", "> x"], [1, 3]))
        #expect(layout("x", below: ["1", "2"], columns: 9, limit: 1) == (["> x"], [0, 3]))
    }
}

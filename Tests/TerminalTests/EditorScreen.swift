import TestSupport
import Wire

@testable import Terminal

/// The way from bytes that are typed to what stands on a screen: decoder, editor, layout, renderer and a terminal.
struct EditorScreen {
    var decoder = KeyDecoder()
    var editor: LineEditor
    var renderer: ScreenRenderer
    var screen: ScreenModel
    private(set) var size: ScreenSize

    /// What the keys led to beside the text, in order.
    var effects: [LineEditor.Effect] = []

    /// What Tab offers.
    var complete: (String) -> Completions = { _ in .none }

    /// Columns of the prompt `> `.
    static let promptWidth = 2

    init(
        history: [String] = [], columns: Int = 40, rows: Int = 10, reflows: Bool = true,
        widths: ScreenModel.Widths = .clusters
    ) {
        editor = LineEditor(history: InputHistory(lines: history))
        renderer = ScreenRenderer(traits: TerminalTraits(reflows: reflows))
        screen = ScreenModel(columns: columns, rows: rows, reflows: reflows, widths: widths)
        size = ScreenSize(columns: columns, rows: rows)
        draw()
    }

    /// Types bytes and draws once.
    mutating func type(_ text: String) {
        press(decoder.received(text.utf8))
        draw()
    }

    mutating func press(_ keys: [Key]) {
        for key in keys { effects += editor.pressed(key, complete: complete) }
    }

    var layout: LiveLayout {
        LiveLayout(
            LiveContent(prompt: StyledLine([Span("> ", .bold)]), buffer: editor.buffer), columns: size.columns,
            limit: size.rows, isColored: true)
    }

    /// Brings the screen up to date and answers with the bytes that did.
    @discardableResult
    mutating func draw(printing lines: [String] = []) -> [UInt8] {
        let printed = lines.flatMap { Array(($0 + "\r\n").utf8) }
        let bytes = renderer.frame(printing: printed, live: layout, size: size)
        screen.feed(bytes)
        return bytes
    }

    mutating func resize(columns: Int, rows: Int) {
        screen.resize(columns: columns, rows: rows)
        size = ScreenSize(columns: columns, rows: rows)
        draw()
    }

    /// The rows from the prompt on, with `‸` where the cursor stands.
    var shown: [String] {
        let first = screen.row - layout.cursorRow
        return (0..<layout.rows.count).map { index in
            let row = first + index
            var text = ""
            for column in 0..<screen.columns {
                if row == screen.row, column == screen.column { text += "‸" }
                text += screen.cell(row: row, column: column)
            }
            while text.last == " " { text.removeLast() }
            return text
        }
    }

    /// Whether the screen shows exactly what a terminal shows on which everything was drawn just now.
    func isAsDrawnAnew() -> Bool {
        var fresh = self
        fresh.screen = ScreenModel(columns: size.columns, rows: size.rows)
        fresh.renderer = ScreenRenderer(traits: TerminalTraits())
        fresh.draw()
        let first = screen.row - layout.cursorRow
        let below = screen.text[(max(0, first))...].drop { _ in false }
        let expected = fresh.screen.text.prefix(layout.rows.count)
        return first >= 0 && Array(below.prefix(layout.rows.count)) == Array(expected)
            && below.dropFirst(layout.rows.count).allSatisfy(\.isEmpty)
            && screen.column == fresh.screen.column && screen.isCursorShown
    }
}

/// Ctrl and a letter, as a terminal sends it.
func ctrl(_ letter: Unicode.Scalar) -> String { String(Unicode.Scalar(UInt8(letter.value) & 0x1F)) }

/// Alt and what follows.
func meta(_ text: String) -> String { "\u{1B}" + text }

import TestSupport
import Testing
import Wire

@testable import Terminal

struct ScreenRendererTests {
    @Test func aFrameIsWholeAndHidesTheCursorMeanwhile() {
        var renderer = ScreenRenderer(traits: TerminalTraits())
        let size = ScreenSize(columns: 20, rows: 5)
        let live = LiveLayout(
            LiveContent(prompt: StyledLine([Span("> ")])), columns: 20, limit: 5, isColored: false)
        let first = String(decoding: renderer.frame(live: live, size: size), as: UTF8.self)
        #expect(first.hasPrefix("\u{1B}[?2026h\u{1B}[?25l"))
        #expect(first.hasSuffix("\u{1B}[?25h\u{1B}[?2026l"))
        // Nothing changed, nothing written.
        #expect(renderer.frame(live: live, size: size) == [])
        var old = ScreenRenderer(traits: TerminalTraits(hasSynchronizedUpdates: false))
        #expect(!String(decoding: old.frame(live: live, size: size), as: UTF8.self).contains("2026"))
    }

    @Test func typingRewritesOneRowAndMovingNone() {
        var screen = EditorScreen()
        screen.type(String(repeating: "x", count: 60))
        screen.editor = {
            var editor = screen.editor; _ = editor.pressed(.text("y")); return editor
        }()
        let bytes = screen.draw()
        #expect(bytes.filter { $0 == UInt8(ascii: "x") }.count == 22)
        _ = screen.editor.pressed(.left)
        #expect(String(decoding: screen.draw(), as: UTF8.self) == "\u{1B}[23G")
    }

    @Test func whatIsPrintedStaysAboveAndOnce() {
        var screen = EditorScreen(columns: 20, rows: 6)
        screen.type("typed over more than a row")
        for number in 0..<30 {
            screen.draw(printing: ["message number \(number) that wraps as well"])
            #expect(screen.shown == ["> typed over more th", "an a row‸"])
            #expect(screen.isAsDrawnAnew())
        }
        let messages = screen.screen.lines.filter { $0.hasPrefix("message") }
        #expect(messages == (0..<30).map { "message number \($0) that wraps as well" })
        #expect(screen.screen.lines.filter { $0.hasPrefix(">") }.count == 1)
    }

    @Test func hidingLeavesNothingBehindAndClearBeginsAtTheTop() {
        var screen = EditorScreen(columns: 20, rows: 6)
        screen.type("typed over more than a row")
        screen.draw(printing: ["said"])
        screen.screen.feed(screen.renderer.hide(printing: Array("last\r\n".utf8), size: screen.size))
        #expect(screen.screen.text == ["said", "last", "", "", "", ""])
        #expect((screen.screen.row, screen.screen.column) == (2, 0))
        screen.draw()
        #expect(screen.isAsDrawnAnew())
        screen.screen.feed(screen.renderer.clear())
        screen.draw()
        #expect(screen.screen.text == ["> typed over more th", "an a row", "", "", "", ""])
    }

    /// Whatever a terminal takes for the width of a cluster, what follows stands where it belongs, and nothing of an
    /// earlier frame is left in between.
    @Test(arguments: ScreenModel.Widths.allCases)
    func uncertainWidthsDoNotAddUp(widths: ScreenModel.Widths) {
        var screen = EditorScreen(columns: 30, rows: 6, widths: widths)
        screen.type("XXXXXXXXXXXXXXXXXXXXXXXX" + ctrl("a"))
        // In front of what stands there, so that rows are rewritten in place.
        for text in ["👩‍👩‍👧", "e\u{301}", "🇩🇪", "Ω", "❤\u{FE0F}", "क्षि"] {
            screen.type(text + "|")
            _ = screen.editor.pressed(.control("k"))
            screen.draw()
            let row = screen.screen.row
            let end = screen.layout.cursorColumn
            #expect(screen.screen.column == end)
            #expect(screen.screen.cell(row: row, column: end - 1) == "|")
            let shown = (0..<30).map { screen.screen.cell(row: row, column: $0) }
            #expect(!shown.contains("X"), "\(shown)")
            #expect(shown.filter { $0 == "|" }.count == 1, "\(shown)")
            screen.type(ctrl("u") + "XXXXXXXXXXXXXXXXXXXXXXXX" + ctrl("a"))
        }
    }

    /// Typing, printing and changes of size in any order: the live rows are as if drawn anew, each message is there once.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func anyOrderOfFramesLeavesNoFragment(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let reflows = seed.isMultiple(of: 2)
        var screen = EditorScreen(columns: 30, rows: 12, reflows: reflows)
        var printed: [String] = []
        for step in 0..<80 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                // Higher than the live rows: what is cut off at the top is beyond reach of any program.
                let columns = Int.random(in: 12...60, using: &random)
                screen.resize(columns: columns, rows: Int.random(in: 12...20, using: &random))
            case 1, 2:
                printed.append(
                    "message \(printed.count) \(["", "日本語", "some more words"].randomElement(using: &random)!)")
                screen.draw(printing: [printed.last!])
            case 3: screen.type(["\u{15}", "\u{1}", "\u{5}", "\u{17}"].randomElement(using: &random)!)
            case 4: screen.type("\u{1B}\r")
            default:
                if screen.layout.rows.count < 8 {
                    screen.type(["word ", "日本", "x", "👩‍👧 "].randomElement(using: &random)!)
                }
            }
            guard screen.isAsDrawnAnew(), screen.screen.unknown == [] else {
                Issue.record("seed \(seed), step \(step): \(screen.screen.text), not \(screen.shown)")
                return
            }
        }
        #expect(
            screen.screen.lines.filter { $0.hasPrefix(">") }.count == 1,
            "seed \(seed): \(screen.screen.lines.suffix(30))")
        if reflows {
            let trimmed = printed.map { line in String(line.reversed().drop { $0 == " " }.reversed()) }
            #expect(screen.screen.lines.filter { $0.hasPrefix("message") } == trimmed, "seed \(seed)")
        }
    }
}

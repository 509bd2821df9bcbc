import TestSupport
import Testing

@testable import Terminal

/// One key of the issue, what is typed before it and with it, and the rows that are seen then (`‸` is the cursor).
struct Transcript: CustomTestStringConvertible, Sendable {
    let name: String
    let typed: String
    let shown: [String]

    init(_ name: String, _ typed: String, _ shown: String...) {
        self.name = name
        self.typed = typed
        self.shown = shown
    }

    var testDescription: String { name }
}

private let left = "\u{1B}[D"
private let right = "\u{1B}[C"
private let up = "\u{1B}[A"
private let down = "\u{1B}[B"

struct LineEditorTests {
    @Test(arguments: [
        Transcript("text", "hello", "> hello‸"),
        Transcript("C-a", "hello" + ctrl("a"), "> ‸hello"),
        Transcript("C-a of the second line", "one" + meta("\r") + "two" + ctrl("a"), "> one", "  ‸two"),
        Transcript("C-e", "hello" + ctrl("a") + ctrl("e"), "> hello‸"),
        Transcript("C-b", "hello" + ctrl("b") + ctrl("b"), "> hel‸lo"),
        Transcript("C-b at the begin stays", "h" + ctrl("b") + ctrl("b"), "> ‸h"),
        Transcript("C-f", "hello" + ctrl("a") + ctrl("f"), "> h‸ello"),
        Transcript("C-f at the end stays", "h" + ctrl("f"), "> h‸"),
        Transcript("C-d", "hello" + ctrl("a") + ctrl("d"), "> ‸ello"),
        Transcript("C-d at the end removes nothing", "hello" + ctrl("d"), "> hello‸"),
        Transcript("C-h", "hello" + ctrl("h"), "> hell‸"),
        Transcript("Backspace", "hello\u{7F}\u{7F}", "> hel‸"),
        Transcript("Backspace at the begin", "hello" + ctrl("a") + "\u{7F}", "> ‸hello"),
        Transcript("Backspace takes a cluster", "a👩‍👩‍👧\u{7F}", "> a‸"),
        Transcript("Backspace takes base and marks", "ae\u{301}\u{327}\u{7F}", "> a‸"),
        Transcript("Backspace takes a flag", "🇩🇪🇫🇷\u{7F}", "> 🇩🇪‸"),
        Transcript("C-k", "hello world" + meta("b") + ctrl("k"), "> hello ‸"),
        Transcript("C-k at the end of a line joins", "a" + meta("\r") + "b" + up + ctrl("e") + ctrl("k"), "> a‸b"),
        Transcript("C-u", "hello world" + meta("b") + ctrl("u"), "> ‸world"),
        Transcript("C-w", "one two/three" + ctrl("w"), "> one ‸"),
        Transcript("C-w takes the blanks before the cursor", "one two   " + ctrl("w"), "> one ‸"),
        Transcript("C-y", "one two" + ctrl("w") + ctrl("a") + ctrl("y"), "> two‸one"),
        Transcript("C-y of joined cuts", "one two three" + ctrl("w") + ctrl("w") + ctrl("y"), "> one two three‸"),
        Transcript(
            "M-y", "one two" + ctrl("w") + left + ctrl("u") + ctrl("y") + meta("y"), "> two‸"),
        Transcript("C-t at the end", "ab" + ctrl("t"), "> ba‸"),
        Transcript("C-t inside", "abcd" + left + left + ctrl("t"), "> acb‸d"),
        Transcript("C-t of clusters", "a👩‍👩‍👧" + ctrl("t"), "> 👩‍👩‍👧a‸"),
        Transcript("C-t alone", "a" + ctrl("t"), "> a‸"),
        Transcript("M-b", "one two-three" + meta("b") + meta("b"), "> one ‸two-three"),
        Transcript("M-f", "one two" + ctrl("a") + meta("f"), "> one‸ two"),
        Transcript("M-d", "one two" + ctrl("a") + meta("d"), "> ‸ two"),
        Transcript("M-Backspace", "one two-three" + meta("\u{7F}"), "> one two-‸"),
        Transcript("Left", "abc" + left, "> ab‸c"),
        Transcript("Right", "abc" + left + left + right, "> ab‸c"),
        Transcript("Left by clusters", "日👍🏽e\u{301}" + left + left, "> 日‸👍🏽e\u{301}"),
        Transcript("Ctrl+Left", "one two\u{1B}[1;5D", "> one ‸two"),
        Transcript("Ctrl+Right", "one two" + ctrl("a") + "\u{1B}[1;5C", "> one‸ two"),
        Transcript("Home", "abc\u{1B}[H", "> ‸abc"),
        Transcript("Home of other terminals", "abc\u{1B}[1~x\u{1B}OHy", "> y‸xabc"),
        Transcript("End", "abc\u{1B}[H\u{1B}[F", "> abc‸"),
        Transcript("End of other terminals", "abc\u{1B}[H\u{1B}[4~\u{1B}[1~\u{1B}OF", "> abc‸"),
        Transcript("Delete", "abc" + left + left + "\u{1B}[3~", "> a‸c"),
        Transcript("M-Enter", "one" + meta("\r") + "two", "> one", "  two‸"),
        Transcript("Up and down inside a text", "one" + meta("\r") + "three" + up + down + up, "> one‸", "  three"),
        Transcript("paste", "a\u{1B}[200~b\r\nc\u{1B}[201~d", "> ab", "  cd‸"),
        Transcript("a paste runs nothing", "\u{1B}[200~/quit\r/quit\r\u{1B}[201~", "> /quit", "  /quit", "  ‸"),
        Transcript("C-c clears", "hello" + ctrl("c"), "> ‸"),
        Transcript("Enter", "hello\r", "> ‸"),
        Transcript("Up, C-p", "one\rtwo\r" + up + ctrl("p"), "> one‸"),
        Transcript("Down, C-n", "one\rtwo\r" + up + up + down, "> two‸"),
        Transcript("Down to the draft", "one\rdra" + up + down + "ft", "> draft‸"),
        Transcript("M-<", "one\rtwo\rthree\r" + meta("<"), "> one‸"),
        Transcript("M->", "one\rtwo\rthree\r" + meta("<") + meta(">"), "> ‸"),
        Transcript("C-_ takes a run of typing back", "one" + left + "xy" + ctrl("_"), "> on‸e"),
        Transcript("C-_ takes a cut back", "one two" + ctrl("w") + ctrl("_"), "> one two‸"),
        Transcript("C-r", "one\rtwo\rother\r" + ctrl("r") + "o", "> other‸"),
        Transcript("C-r twice", "one\rtwo\rother\r" + ctrl("r") + "o" + ctrl("r"), "> two‸"),
        Transcript("C-r and a longer query", "one\rtwo\rother\r" + ctrl("r") + "on", "> one‸"),
        Transcript("C-r and back", "one\rtwo\rother\r" + ctrl("r") + "on\u{7F}", "> other‸"),
        Transcript("C-r and no match", "one\rtwo\r" + ctrl("r") + "onx", "> one‸"),
        Transcript("C-r ended by C-g", "one\rdraft" + ctrl("r") + "o" + ctrl("g"), "> draft‸"),
        Transcript("C-r ended by a key", "one\rtwo\r" + ctrl("r") + "on" + ctrl("a") + "x", "> x‸one"),
        Transcript("C-r, then up goes on from there", "one\rtwo\rfour\r" + ctrl("r") + "tw" + up, "> one‸"),
        Transcript("keys that mean nothing", "a\u{1B}[15~\u{1B}[?1;2c\u{1B}]0;x\u{7}b" + ctrl("o"), "> ab‸"),
    ])
    func aKeyIsSeenOnTheScreen(_ transcript: Transcript) {
        var whole = EditorScreen()
        whole.type(transcript.typed)
        #expect(whole.shown == transcript.shown)
        #expect(whole.screen.unknown == [])
        // The same, drawn after every byte: each frame rewrites only what differs.
        var steps = EditorScreen()
        for byte in transcript.typed.utf8 {
            steps.press(steps.decoder.received([byte]))
            steps.draw()
            #expect(steps.isAsDrawnAnew())
        }
        #expect(steps.shown == transcript.shown)
    }

    @Test func whatKeysLeadTo() {
        func effects(_ typed: String, history: [String] = []) -> [LineEditor.Effect] {
            var screen = EditorScreen(history: history)
            screen.type(typed)
            return screen.effects
        }
        #expect(effects("hello\r") == [.submitted("hello", beginsWithPaste: false)])
        #expect(effects("\r") == [.submitted("", beginsWithPaste: false)])
        #expect(effects(ctrl("c")) == [.quit])
        #expect(effects("a" + ctrl("c")) == [])
        #expect(effects("a" + ctrl("c") + ctrl("c")) == [.quit])
        #expect(effects(ctrl("d")) == [.quit])
        #expect(effects("a" + ctrl("d")) == [.bell])
        #expect(effects(ctrl("l")) == [.clearScreen])
        #expect(effects(ctrl("z")) == [.suspend])
        #expect(effects(up) == [.bell])
        #expect(effects(ctrl("r") + "x", history: ["one"]) == [.bell])
        #expect(effects("one" + meta("\r") + "two\r") == [.submitted("one\ntwo", beginsWithPaste: false)])
        #expect(effects(ctrl("r") + "n\r", history: ["one"]) == [.submitted("one", beginsWithPaste: false)])
    }

    @Test func aPasteIsKnownAsOneUntilItsBeginIsTypedOver() {
        func submitted(_ typed: String) -> LineEditor.Effect? {
            var screen = EditorScreen()
            screen.type(typed)
            return screen.effects.last
        }
        let paste = "\u{1B}[200~/quit\nx\u{1B}[201~"
        #expect(submitted(paste + "\r") == .submitted("/quit\nx", beginsWithPaste: true))
        #expect(submitted("say " + paste + "\r") == .submitted("say /quit\nx", beginsWithPaste: false))
        #expect(submitted(paste + up + ctrl("a") + "/me \r") == .submitted("/me /quit\nx", beginsWithPaste: false))
    }

    @Test func tabGoesThroughTheCandidates() {
        var screen = EditorScreen()
        screen.complete = { text in
            Completions(replacing: text.count, candidates: ["Alice: ", "Albert: "].filter { $0.hasPrefix(text) })
        }
        screen.type("Al\t")
        #expect(screen.shown == ["> Alice: ‸"] || screen.shown == ["> Alice:‸"] || screen.shown == ["> Alice: ‸"])
        #expect(screen.editor.text == "Alice: ")
        screen.type("\t")
        #expect(screen.editor.text == "Albert: ")
        screen.type("\u{1B}[Z")
        #expect(screen.editor.text == "Alice: ")
        screen.type("x")
        #expect(screen.editor.text == "Alice: x")
        #expect(screen.editor.completion == nil)
        screen.type(ctrl("u") + "B\t")
        #expect(screen.editor.text == "B")
        #expect(screen.effects.last == .bell)
        screen.type(ctrl("u") + "Alb\t")
        #expect(screen.editor.text == "Albert: ")
        #expect(screen.editor.completion == nil)
    }

    @Test func theTextHasALimitAndSaysSo() {
        var editor = LineEditor()
        let long = String(repeating: "a", count: LineEditor.textLimit)
        #expect(editor.pressed(.paste(long)) == [])
        #expect(editor.pressed(.text("b")) == [.tooLong])
        #expect(editor.pressed(.paste("b")) == [.tooLong])
        #expect(editor.pressed(.lineBreak) == [.tooLong])
        #expect(editor.text == long)
        _ = editor.pressed(.backspace)
        #expect(editor.pressed(.text("b")) == [])
        #expect(editor.text.utf8.count == LineEditor.textLimit)
    }

    @Test func theHistoryKeepsAThousandLinesAndItsFileGivesThemBack() {
        var history = InputHistory()
        for number in 0..<1_100 { history.add("line \(number)") }
        #expect(history.lines.count == InputHistory.limit)
        #expect(history.lines.first == "line 100")
        #expect(history.add("line 1099") == false)
        #expect(history.add("  \n") == false)
        history.add("two\nlines \\ and \\n")
        #expect(InputHistory(decoding: history.encoded) == history)
        #expect(
            InputHistory(decoding: [0xFF, 0x0A] + Array("good\n".utf8) + Array("cut".utf8)).lines == ["good", "cut"])
    }
}

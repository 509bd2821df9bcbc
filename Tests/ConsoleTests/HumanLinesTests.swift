import Testing
import Wire

@testable import Console
@testable import Terminal

private func message(
    _ text: String, from sender: SafeText = "Heisenberg", own: Bool = false, caughtUp: Bool = false,
    time: Timestamp = .sample
) -> ChatMessage {
    ChatMessage(id: "1", sender: sender, text: text, time: time, isOwn: own, isCaughtUp: caughtUp)
}

private func makeLines(
    _ style: TimeStyle = .long, offset: Int = 0, own: SafeText = "Tester", large: Bool = true
) -> HumanLines {
    var lines = HumanLines(
        times: TimeDisplay(style: style) { _ in offset }, hasLargePalette: large, keepsLineBreaks: true)
    lines.ownName = own
    return lines
}

private func shown(colored: Bool = false, _ body: (inout ByteSink) -> Void) -> String {
    var sink = ByteSink(colored: colored, endsWithReturn: false)
    body(&sink)
    return String(decoding: sink.bytes, as: UTF8.self)
}

struct HumanLinesTests {
    @Test(arguments: [
        (TimeStyle.off, 0, ""), (.short, 0, "[14:03] "), (.long, 0, "[14:03:21] "), (.long, 5_400, "[15:33:21] "),
        (.iso, 0, "[2026-11-20T14:03:21Z] "), (.iso, -18_000, "[2026-11-20T09:03:21-05:00] "),
        (.iso, 20_700, "[2026-11-20T19:48:21+05:45] "),
    ])
    func times(style: TimeStyle, offset: Int, prefix: String) {
        var lines = makeLines(style, offset: offset)
        #expect(shown { lines.append(message("hi"), to: &$0) } == "\(prefix)Heisenberg: hi\n")
    }

    @Test func ownLinesAreYouAndDimWhilePending() {
        var lines = makeLines(.off)
        #expect(shown { lines.append(message("hi", own: true), to: &$0) } == "You: hi\n")
        let pending = shown(colored: true) { lines.append(message("hi", own: true), isPending: true, to: &$0) }
        #expect(pending == "\u{1B}[2mYou\u{1B}[0m\u{1B}[2m: \u{1B}[0m\u{1B}[2mhi\u{1B}[0m\n")
        let sent = shown(colored: true) { lines.append(message("hi", own: true), to: &$0) }
        #expect(sent == "\u{1B}[1mYou\u{1B}[0m: hi\n")
    }

    @Test(arguments: [
        ("Tester: are you there?", true), ("hello tester", true), ("@TESTER!", true), ("(Tester)", true),
        ("testers", false), ("my_tester", false), ("protester", false), ("tester2", false), ("", false),
        ("tést Tester", true),
    ])
    func mentionsAreWholeWords(text: String, expected: Bool) {
        let lines = makeLines()
        #expect(lines.mentions(message(text)) == expected)
        // Never of history, never one's own.
        #expect(!lines.mentions(message(text, caughtUp: true)))
        #expect(!lines.mentions(message(text, own: true)))
    }

    @Test func mentionsStandOut() {
        var lines = makeLines(.off)
        #expect(shown(colored: true) { lines.append(message("hi Tester"), to: &$0) }.contains("\u{1B}[1;33mhi Tester"))
        #expect(!shown(colored: true) { lines.append(message("hi"), to: &$0) }.contains("\u{1B}[1;33m"))
    }

    @Test func aNewDayIsSaidOnce() {
        var lines = makeLines()
        let day = Int64(86_400_000_000)
        func line(_ moment: Timestamp, today: Timestamp = .sample) -> String {
            shown { lines.appendDayChange(at: moment, today: today, to: &$0) }
        }
        // Nothing on the first line of today, nothing within the day.
        #expect(line(.sample) == "")
        #expect(line(Timestamp(microseconds: Timestamp.sample.microseconds + 1)) == "")
        let tomorrow = Timestamp(microseconds: Timestamp.sample.microseconds + day)
        #expect(line(tomorrow) == "--- Saturday, 21 November 2026 ---\n")
        #expect(line(tomorrow) == "")
        #expect(line(.sample) == "--- Friday, 20 November 2026 ---\n")
        // A first line of another day says so.
        var fresh = makeLines()
        #expect(
            shown { fresh.appendDayChange(at: .sample, today: tomorrow, to: &$0) }
                == "--- Friday, 20 November 2026 ---\n"
        )
    }

    @Test func namesKeepTheirColourAndAreReadableOnDarkAndLight() {
        for name in ["Alice", "Bob", "Heisenberg", "日本", ""] {
            #expect(NameColors.style(of: name, isLarge: true) == NameColors.style(of: name, isLarge: true))
        }
        #expect(
            NameColors.style(of: "alice", isLarge: true)
                == Style(foreground: NameColors.style(of: "alice", isLarge: true).foreground, bold: true))
        // Many names do not share a few colours.
        let used = Set((0..<500).map { NameColors.style(of: "guest\($0)", isLarge: true) })
        #expect(used.count == NameColors.large.count)
        for index in NameColors.large {
            let luminance = Self.luminance(index)
            // WCAG 2: against black and against white.
            #expect((luminance + 0.05) / 0.05 >= 3.5, "\(index)")
            #expect(1.05 / (luminance + 0.05) >= 3.5, "\(index)")
        }
    }

    /// Relative luminance of a colour of xterm's cube.
    private static func luminance(_ index: UInt8) -> Double {
        let levels: [Double] = [0, 95, 135, 175, 215, 255]
        let place = Int(index) - 16
        let parts = [place / 36, place / 6 % 6, place % 6].map { levels[$0] / 255 }
        // The curve of sRGB, by Newton's method, since the standard library has no power function.
        let linear = parts.map { value in
            if value <= 0.04045 { return value / 12.92 }
            let base = (value + 0.055) / 1.055
            // base^2.4 = base^2 * (base^2)^(1/5)
            var root = 1.0
            for _ in 0..<60 {
                root -= (root * root * root * root * root - base * base) / (5 * root * root * root * root)
            }
            return base * base * root
        }
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    @Test func joinsAndLeavesThatComeTogetherAreOneLine() {
        var presence = Presence(.joined, "Alice", conversation: nil, at: .sample)
        #expect(presence.sentence == "Alice joined")
        let soon = Timestamp(microseconds: Timestamp.sample.microseconds + 1_000_000)
        #expect(presence.take(.joined, "Bob", conversation: nil, at: soon) == true)
        #expect(presence.take(.left, "Carol", conversation: nil, at: soon) == true)
        #expect(presence.take(.lost, "Dave", conversation: nil, at: soon) == true)
        #expect(presence.sentence == "Alice and Bob joined; Carol left; Dave was lost")
        for number in 0..<6 { #expect(presence.take(.joined, "G\(number)", conversation: nil, at: soon) == true) }
        #expect(presence.sentence == "Alice, Bob, G0, G1, G2, G3 and 2 others joined; Carol left; Dave was lost")
        // Another room, or much later: another line.
        #expect(presence.take(.joined, "Eve", conversation: "den", at: soon) == false)
        #expect(
            presence.take(.joined, "Eve", conversation: nil, at: Timestamp(microseconds: soon.microseconds + 6_000_000))
                == false)
    }

    @Test func namesCannotBeTakenForLinesOfTheProgram() {
        for name in [
            "You", "you", "You, there", "* Alice joined", "! Error", "~ Alice waves", "--- Friday", "[14:03:21] Bob",
            "Bob: hi", " Bob", "a > b", "",
        ] {
            #expect(QuotedName.author(SafeText(untrusted: name)).string == "\"\(name)\"")
            #expect(QuotedName.inSentence(SafeText(untrusted: name)).string == "\"\(name)\"")
        }
        for name in ["Bob", "Younes", "yuo", "日本", "a-b", "x*y", "bob#fa32"] {
            #expect(QuotedName.author(SafeText(untrusted: name)).string == name)
            #expect(QuotedName.inSentence(SafeText(untrusted: name)).string == name)
        }
        // In front of a text a name may have several words; in a sentence they could be the program's.
        for name in ["Your Majesty", "Alice left; Bob", "Alice,Bob"] {
            #expect(QuotedName.author(SafeText(untrusted: name)).string == name)
            #expect(QuotedName.inSentence(SafeText(untrusted: name)).string == "\"\(name)\"")
        }
        // No name ends its quotation.
        #expect(QuotedName.inSentence("a\" left; \"b").string == #""a\u{22} left; \u{22}b""#)
        let forged = ConsoleEvent.joined(name: "Alice left; Bob", conversation: "main; Carol left")
        #expect(HumanLines.sentence(of: forged) == "\"Alice left; Bob\" joined \"main; Carol left\"")
    }

    @Test func answersAndActionsBeginWithWhatNothingElseBeginsWith() {
        var lines = makeLines(.off)
        #expect(
            shown { lines.append(answer: ["[14:03:21] You: hi", "* Alice joined", "two\nlines"], to: &$0) }
                == "  [14:03:21] You: hi\n  * Alice joined\n  two\n    lines\n")
        var action = message("left")
        action.kind = .action
        #expect(shown { lines.append(action, to: &$0) } == "~ Heisenberg left\n")
        var post = message("hi")
        post.conversation = "You:"
        #expect(shown { lines.append(post, to: &$0) } == "\"You:\" Heisenberg: hi\n")
    }

    @Test func linesOfAMessageAreIndentedSoThatNoneBeginsAnother() {
        var lines = makeLines(.off)
        let forged = "x\r\n[14:03:21] * Alice joined\n\n--- Friday"
        #expect(
            shown { lines.append(message(forged), to: &$0) }
                == "Heisenberg: x\n    [14:03:21] * Alice joined\n    \n    --- Friday\n")
    }

    @Test func colourIsAQuestionOfTheEnvironment() {
        func colored(_ color: ColorChoice, terminal: String? = "xterm", forbids: Bool = false) -> Bool {
            // Descriptor 1 of the tests is no terminal.
            ConsoleSettings(
                mode: "test", color: color, environment: ConsoleEnvironment(terminal: terminal, forbidsColor: forbids)
            ).isColored(-1)
        }
        #expect(colored(.always, forbids: true))
        #expect(colored(.always, terminal: "dumb"))
        #expect(!colored(.never))
        #expect(!colored(.auto))
    }
}

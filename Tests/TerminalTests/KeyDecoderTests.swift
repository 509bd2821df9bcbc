import Testing
import Wire

@testable import Terminal

/// Keys with text that arrived in pieces joined again.
private func joined(_ keys: [Key]) -> [Key] {
    keys.reduce(into: []) { result, key in
        if case .text(let text) = key, case .text(let before)? = result.last {
            result[result.count - 1] = .text(before + text)
        } else {
            result.append(key)
        }
    }
}

private func decode(_ bytes: [UInt8], cuts: [Int] = []) -> [Key] {
    var decoder = KeyDecoder()
    var keys: [Key] = []
    var start = 0
    for cut in cuts + [bytes.count] where cut > start {
        keys += decoder.received(bytes[start..<cut])
        start = cut
    }
    if decoder.isWaitingForMore { keys += decoder.timedOut() }
    return joined(keys)
}

struct KeyDecoderTests {
    /// Everything that a terminal sends, and what it means.
    static let sequences: [(String, Key)] = [
        ("\r", .enter), ("\n", .enter), ("\t", .tab), ("\u{8}", .backspace), ("\u{7F}", .backspace),
        ("\u{1}", .control("a")), ("\u{1A}", .control("z")), ("\u{1F}", .control("_")), ("\0", .control("@")),
        ("\u{1B}\r", .lineBreak), ("\u{1B}\n", .lineBreak), ("\u{1B}b", .meta("b")), ("\u{1B}é", .meta("é")),
        ("\u{1B}\u{7F}", .metaBackspace), ("\u{1B}\u{8}", .metaBackspace),
        ("\u{1B}[A", .up), ("\u{1B}[B", .down), ("\u{1B}[C", .right), ("\u{1B}[D", .left),
        ("\u{1B}OA", .up), ("\u{1B}OB", .down), ("\u{1B}OC", .right), ("\u{1B}OD", .left), ("\u{1B}OM", .enter),
        ("\u{1B}[H", .home), ("\u{1B}[F", .end), ("\u{1B}OH", .home), ("\u{1B}OF", .end),
        ("\u{1B}[1~", .home), ("\u{1B}[7~", .home), ("\u{1B}[4~", .end), ("\u{1B}[8~", .end),
        ("\u{1B}[3~", .delete), ("\u{1B}[3;5~", .meta("d")), ("\u{1B}[5~", .pageUp), ("\u{1B}[6~", .pageDown),
        ("\u{1B}[1;5C", .wordRight), ("\u{1B}[1;5D", .wordLeft), ("\u{1B}[1;3D", .wordLeft),
        ("\u{1B}\u{1B}[D", .wordLeft), ("\u{1B}[Z", .backTab),
        ("\u{1B}[13;2u", .lineBreak), ("\u{1B}[27;2;13~", .lineBreak), ("\u{1B}[97;5u", .control("a")),
        ("\u{1B}[98;3u", .meta("b")), ("\u{1B}[228u", .text("ä")),
        // Answers of the terminal and function keys mean nothing.
        ("\u{1B}[?62;22c", .unknown), ("\u{1B}[15~", .unknown), ("\u{1B}OP", .unknown), ("\u{1B}[[A", .unknown),
        ("\u{1B}[200~one\r\ntwo\u{1B}[201~", .paste("one\ntwo")),
        ("\u{1B}[200~\u{1B}[31mred\u{7}\u{1B}[201~", .paste("[31mred")),
        ("\u{1B}[200~/quit\r\u{1B}[201~", .paste("/quit\n")),
    ]

    @Test(arguments: sequences)
    func aSequenceIsOneKey(bytes: String, key: Key) {
        #expect(decode(Array(bytes.utf8)) == [key])
        // Byte by byte, and every other way to cut it in two.
        let bytes = Array(bytes.utf8)
        #expect(decode(bytes, cuts: Array(bytes.indices)) == [key])
        for cut in bytes.indices { #expect(decode(bytes, cuts: [cut]) == [key]) }
    }

    @Test func everySequenceStandsBesideEveryOther() {
        for (first, firstKey) in Self.sequences {
            for (second, secondKey) in Self.sequences {
                // ESC before another ESC sequence is Alt with it.
                #expect(
                    decode(Array((first + "x" + second).utf8)) == joined([firstKey, .text("x"), secondKey]))
            }
        }
    }

    @Test func controlStringsAreSwallowed() {
        for string in [
            "\u{1B}]0;title\u{7}", "\u{1B}]52;c;aGk=\u{1B}\\", "\u{1B}P1$r0m\u{1B}\\", "\u{1B}_x\u{1B}\\",
            "\u{1B}^x\u{1B}\\", "\u{1B}Xx\u{1B}\\",
        ] {
            #expect(decode(Array("a\(string)b".utf8)) == [.text("ab")])
            #expect(decode(Array("a\(string)b".utf8), cuts: Array(0..<string.utf8.count)) == [.text("ab")])
        }
        // One that never ends does not swallow what is typed for ever.
        let endless = "\u{1B}]" + String(repeating: "x", count: 1_000)
        guard case .text(let text)? = decode(Array(endless.utf8)).last else {
            Issue.record("nothing is left of what was typed")
            return
        }
        #expect(text.count > 700)
    }

    @Test func escapeAloneIsTheKeyAfterAPause() {
        var decoder = KeyDecoder()
        #expect(decoder.received([0x1B]) == [])
        #expect(decoder.isWaitingForMore)
        #expect(decoder.timedOut() == [.escape])
        #expect(!decoder.isWaitingForMore)
        #expect(decoder.received(Array("[A".utf8)) == [.text("[A")])
        // ESC [ alone is Alt+[.
        #expect(decoder.received(Array("\u{1B}[".utf8)) == [])
        #expect(decoder.timedOut() == [.meta("[")])
        #expect(decoder.received(Array("\u{1B}[1;".utf8)) == [])
        #expect(decoder.timedOut() == [.unknown])
    }

    @Test func textIsUTF8() {
        let text = "aé日👩‍👩‍👧🇩🇪e\u{301}"
        #expect(decode(Array(text.utf8)) == [.text(text)])
        #expect(
            decode(Array(text.utf8), cuts: Array(text.utf8.indices.indices.enumerated().map(\.offset))) == [.text(text)]
        )
    }

    @Test func whatIsNotUTF8IsNotText() {
        // Stray continuation, overlong form, surrogate, beyond Unicode, cut short, and C1 as characters and as bytes.
        for bytes: [UInt8] in [
            [0x80], [0xBF], [0xC0, 0xAF], [0xC1, 0x81], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88],
            [0xFE], [0xFF], [0xE2, 0x82], [0xF0, 0x9F, 0x98], [0xC2, 0x9B], [0xC2, 0x80], [0x9B],
        ] {
            #expect(decode([0x61] + bytes + [0x62]) == [.text("ab")], "\(bytes)")
            #expect(decode([0x61] + bytes + [0x62], cuts: Array(0...bytes.count)) == [.text("ab")], "\(bytes)")
        }
    }

    @Test func aPasteMayBeCutAnywhere() {
        let text = "one\r\ntwo\rthree\n/quit\ttab é 👍🏽 \u{1B}[201 \u{1B}[201x \u{1B}[200~"
        let bytes = Array(("a\u{1B}[200~" + text + "\u{1B}[201~b").utf8)
        let expected: [Key] = [
            .text("a"), .paste("one\ntwo\nthree\n/quit\ttab é 👍🏽 [201 [201x [200~"), .text("b"),
        ]
        #expect(decode(bytes) == expected)
        for cut in bytes.indices { #expect(decode(bytes, cuts: [cut]) == expected) }
        #expect(decode(bytes, cuts: Array(bytes.indices)) == expected)
    }

    @Test func aPasteIsNeverWaitedOutAndHasALimit() {
        var decoder = KeyDecoder()
        #expect(decoder.received(Array("\u{1B}[200~half".utf8)) == [])
        #expect(!decoder.isWaitingForMore)
        #expect(decoder.timedOut() == [])
        #expect(decoder.received(Array(" whole\u{1B}[201~".utf8)) == [.paste("half whole")])
        #expect(!decoder.pasteWasCut)
        let long = [UInt8](repeating: 0x61, count: KeyDecoder.pasteLimit + 1_000)
        let keys = decoder.received(Array("\u{1B}[200~".utf8) + long + Array("\u{1B}[201~z".utf8))
        #expect(keys.count == 2 && keys.last == .text("z"))
        guard case .paste(let text)? = keys.first else {
            Issue.record("no paste")
            return
        }
        #expect(text.utf8.count == KeyDecoder.pasteLimit)
        #expect(decoder.pasteWasCut)
    }

    @Test func randomBytesCutAnywayGiveTheSameKeysAndNoControls() {
        let seeds: [[UInt8]] = Self.sequences.map { Array($0.0.utf8) } + [[0xC3], [0xFF], [0x9B], [0x1B], [0x61]]
        for seed in 0..<2_000 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                bytes += seeds.randomElement(using: &random)!
                if Int.random(in: 0..<4, using: &random) == 0 { bytes.append(.random(in: 0...255, using: &random)) }
            }
            let cuts = bytes.indices.filter { _ in Bool.random(using: &random) }
            let whole = decode(bytes)
            #expect(decode(bytes, cuts: cuts) == whole, "seed \(seed)")
            for case .text(let text) in whole {
                #expect(!text.unicodeScalars.contains { $0.properties.generalCategory == .control }, "seed \(seed)")
            }
        }
    }
}

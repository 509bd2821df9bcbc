import Testing
import Wire

@Suite struct SafeTextTests {
    @Test(arguments: [
        ("\u{1B}[21t", "\\u{1B}[21t"),
        ("\u{1B}]8;;http://x\u{7}link\u{1B}]8;;\u{7}", "\\u{1B}]8;;http://x\\u{7}link\\u{1B}]8;;\\u{7}"),
        ("\u{1B}]52;c;Zm9v\u{7}", "\\u{1B}]52;c;Zm9v\\u{7}"),
        ("\u{9B}31m", "\\u{9B}31m"),
        ("\u{1B}P$q\"p\u{1B}\\", "\\u{1B}P$q\"p\\u{1B}\\"),
        ("abc\u{202E}fed\u{2066}x\u{2069}", "abc\\u{202E}fed\\u{2066}x\\u{2069}"),
        ("\u{200E}\u{200F}\u{61C}", "\\u{200E}\\u{200F}\\u{61C}"),
        ("secret\u{8}\u{8}\u{7F}", "secret\\u{8}\\u{8}\\u{7F}"),
        ("real\rfake", "real\\rfake"), ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("a\u{85}b\u{2028}c\u{2029}", "a\\u{85}b\\u{2028}c\\u{2029}"),
        ("\u{E0041}\u{E007F}", "\\u{E0041}\\u{E007F}"),
        ("\u{AD}\u{200B}\u{2060}\u{FEFF}\u{115F}\u{3164}", "\\u{AD}\\u{200B}\\u{2060}\\u{FEFF}\\u{115F}\\u{3164}"),
        ("a\u{200D}b", "a\\u{200D}b"), ("\u{200D}", "\\u{200D}"), ("👩\u{200D}", "👩\\u{200D}"), ("\u{0}", "\\u{0}"),
        ("x\u{FE0F}", "x\\u{FE0F}"), ("\u{301}x", "\\u{301}x"), ("👍\u{FE0F}\u{FE0F}", "👍\u{FE0F}\\u{FE0F}"),
        ("\u{600}", "\\u{600}"), ("\u{600}a", "\\u{600}a"),
    ])
    func escapes(hostile: String, shown: String) {
        #expect(Array(SafeText(untrusted: hostile).string.unicodeScalars) == Array(shown.unicodeScalars))
    }

    @Test(arguments: [
        "", "plain ASCII text ~!@#$%^&*()", "back\\slash", "naïve café", "Привет, мир", "שלום", "مرحبا", "می‌خواهم",
        "हिन्दी क्‍ष",
        "日本語テキスト、部屋", "한국어", "ไทย", "👩‍👩‍👧‍👦 👍🏽 🇩🇪 ❤️ 1️⃣ ☎︎ 🏳️‍🌈 👩🏽‍🚀", "e\u{301}e\u{323}\u{302}", "𝔘𝔫𝔦", "\u{600}١٢", "Zürich\u{A0}1",
    ])
    func leavesWhatPeopleWrite(text: String) {
        #expect(Array(SafeText(untrusted: text).string.unicodeScalars) == Array(text.unicodeScalars))
        #expect(Array(SafeText(untrustedBlock: text).string.unicodeScalars) == Array(text.unicodeScalars))
    }

    @Test func blocksKeepTheirLines() {
        #expect(SafeText(untrustedBlock: "a\nb\r\nc\rd\n\te\r\r\n") == "a\nb\nc\nd\n\te\n\n")
        #expect(SafeText(untrustedBlock: "a\r\u{1B}\nb").string == "a\n\\u{1B}\nb")
        #expect(
            SafeText(untrustedBlock: "a\n\u{301}").string.unicodeScalars.elementsEqual("a\n\\u{301}".unicodeScalars))
        #expect(SafeText(untrustedBlock: "a\n\nb").lines == ["a", "", "b"])
    }

    @Test func excessMarksBecomeVisible() {
        let zalgo = "z" + String(repeating: "\u{335}", count: 10) + "a\u{301}"
        let shown = "z" + String(repeating: "\u{335}", count: 8) + "\\u{335}\\u{335}a\u{301}"
        #expect(SafeText(untrusted: zalgo).string.unicodeScalars.elementsEqual(shown.unicodeScalars))
    }

    @Test func bytesThatAreNotUTF8AreShown() {
        let bytes =
            Array("ok".utf8) + [0xFF, 0xC3] + Array("é".utf8) + [0xED, 0xA0, 0x80, 0xC0, 0x80, 0x1B, 0xF0, 0x9F, 0x91]
        #expect(SafeText(untrustedBytes: bytes) == "ok\\xFF\\xC3é\\xED\\xA0\\x80\\xC0\\x80\\u{1B}\\xF0\\x9F\\x91")
        #expect(SafeText(untrustedBytes: Array("fine\n".utf8)) == "fine\\n")
        #expect(SafeText(untrustedBlockBytes: Array("fine\r\n".utf8) + [0x09]) == "fine\n\t")
        #expect(SafeText(untrustedBytes: [0x9B]) == "\\x9B")
    }

    @Test func interpolationTrustsOnlyLiterals() throws {
        let hostile = "\u{1B}[2J\nroot"
        let name = try Nickname(validating: "Alice")
        #expect(("\(hostile[...]):\n\(name) \(3)" as SafeText).string == "\\u{1B}[2J\\nroot:\nAlice 3")
        let safe: SafeText = "a\nb"
        #expect(("<\(safe)>" as SafeText).string == "<a\nb>")
        // A mark at the start of an interpolation cannot change the literal before it.
        #expect(("[\("\u{338}")]" as SafeText).string.unicodeScalars.elementsEqual("[\\u{338}]".unicodeScalars))
    }

    @Test func joinsAndCuts() {
        #expect((["a", "b", "c"] as [SafeText]).joined(separator: ", ") == "a, b, c")
        #expect(([] as [SafeText]).joined().isEmpty)
        #expect(("abc" as SafeText).prefix(2) + "!" == "ab!")
        let text: SafeText = "hello"
        #expect(text[text.string.startIndex..<text.string.index(text.string.startIndex, offsetBy: 2)] == "he")
    }

    @Test func neutralisingTwiceChangesNothing() {
        var random = SplitMix64(seed: 99)
        for _ in 0..<2_000 {
            let once = SafeText(untrustedBlock: Self.randomText(using: &random))
            #expect(SafeText(untrustedBlock: once.string) == once)
        }
    }

    @Test func nothingForbiddenEverComesOut() {
        var random = SplitMix64(seed: 4)
        for _ in 0..<3_000 {
            let text = Self.randomText(using: &random)
            let line = SafeText(untrusted: text).string.unicodeScalars
            #expect(!line.contains(where: Self.isForbidden), "\(text.unicodeScalars.map(\.value))")
            let block = SafeText(untrustedBlock: text).string.unicodeScalars
            #expect(!block.contains { Self.isForbidden($0) && $0 != "\n" && $0 != "\t" })
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let shown = SafeText(untrustedBytes: bytes).string.unicodeScalars
            #expect(!shown.contains(where: Self.isForbidden), "\(bytes)")
        }
    }

    @Test func everyScalarAloneIsHarmless() {
        // Every scalar of the planes where something happens, every 251st and the last ones of the others; no `#expect`
        // inside, since there are 200,000.
        var wrong: [UInt32] = []
        for value in UInt32(0)...0x10FFFF {
            let plane = value >> 16
            guard plane < 2 || plane == 0xE && value < 0xE1100 || value % 251 == 0 || value & 0xFFF0 == 0xFFF0 else {
                continue
            }
            guard let scalar = Unicode.Scalar(value) else { continue }
            let shown = SafeText(untrusted: String(Character(scalar))).string.unicodeScalars
            let isAsExpected =
                if Self.isForbidden(scalar) || Self.isContextual(scalar) || Self.isMark(scalar) {
                    // Alone, none of them has a reason to stay.
                    shown.allSatisfy { (0x20...0x7E).contains($0.value) }
                } else {
                    shown.count == 1 && shown.first == scalar
                }
            if !isAsExpected { wrong.append(value) }
        }
        #expect(wrong == [])
    }

    /// Stated anew and slowly, from the Unicode properties alone.
    private static func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
        if isContextual(scalar) { return false }
        let properties = scalar.properties
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: return true
        default: break
        }
        return properties.isNoncharacterCodePoint || properties.isDefaultIgnorableCodePoint || properties.isBidiControl
            || (0xE0000...0xE007F).contains(scalar.value)
    }

    private static func isContextual(_ scalar: Unicode.Scalar) -> Bool {
        [0x200C, 0x200D, 0xFE0E, 0xFE0F, 0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x890, 0x891].contains(
            scalar.value)
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .spacingMark: true
        default: false
        }
    }

    private static func randomText(using random: inout SplitMix64) -> String {
        let interesting: [UInt32] = [
            0x1B, 0x0A, 0x0D, 0x09, 0x7F, 0x9B, 0x202E, 0x2066, 0x200D, 0x200C, 0xFE0F, 0xFE0E, 0x1F469, 0x1F3FD, 0x301,
            0x20E3, 0x61,
            0x31, 0x627, 0x600, 0x915, 0x94D, 0xE0041, 0x1F1E9, 0xFEFF, 0x5D0,
        ]
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...30, using: &random) {
            let value =
                Bool.random(using: &random)
                ? interesting.randomElement(using: &random)! : UInt32.random(in: 0...0x10FFFF, using: &random)
            text.append(Unicode.Scalar(value) ?? "x")
        }
        return String(text)
    }
}

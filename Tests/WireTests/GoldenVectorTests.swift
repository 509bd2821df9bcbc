import TestSupport
import Testing
import Wire

@Suite struct GoldenVectorTests {
    @Test func readsEveryKindOfToken() throws {
        let vectors = try GoldenVectors(
            document: """
                Prose with ```golden not.a.block in it.
                ```golden a.b
                01 1a7B   "é\\n\\t\\"\\\\\\0#"  # a comment with "quotes"
                00*3 "ab"*2

                ```
                ```swift
                ff
                ```
                ```golden c
                ff
                ```
                """)
        #expect(
            vectors["a.b"] == [1, 0x1A, 0x7B, 0xC3, 0xA9, 10, 9, 34, 92, 0, 35, 0, 0, 0, 97, 98, 97, 98])
        #expect(vectors["c"] == [0xFF] && vectors["d"] == nil)
        #expect(vectors.names == ["a.b", "c"] && vectors.names(prefix: "a.") == ["a.b"])
    }

    @Test(arguments: [
        ("```golden\n00\n```", 1), ("```golden a b\n00\n```", 1), ("```golden a\n0\n```", 2),
        ("```golden a\nxx\n```", 2),
        ("```golden a\n\"x\n```", 2), ("```golden a\n\"\\x\"\n```", 2), ("```golden a\n00*\n```", 2),
        ("```golden a\n00*0\n```", 2),
        ("```golden a\n```", 2), ("```golden a\n00", 2), ("```golden a\n00\n```\n```golden a\n00\n```", 6),
    ])
    func saysWhereTheDocumentIsWrong(document: String, line: Int) {
        let mistake = #expect(throws: GoldenVectors.Mistake.self) { try GoldenVectors(document: document) }
        #expect(mistake?.line == line)
    }

    /// The notation of `Protocols.md`, held against the codecs of this target.
    @Test func vectorsOfTheNotation() throws {
        let vectors = try GoldenVectors.ofProtocols()
        var frames = ByteWriter()
        try frames.appendFrame("hello".utf8)
        try frames.appendFrame(Array(repeating: UInt8(ascii: "x"), count: 282))
        #expect(vectors["notation.frames"] == frames.bytes)
        let sample: JSON = ["text": "é\n\u{1B}\u{9B}\u{1F600}", "n": [1, -2.5, nil, true]]
        #expect(vectors["notation.json.compact"] == sample.encoded())
        #expect(vectors["notation.json.python"] == sample.encoded(style: .python))
        #expect(vectors.names(prefix: "notation.").count == 3)
    }
}

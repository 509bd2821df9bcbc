import P2PMode
import TestSupport
import Testing
import Wire

/// The frames of `Protocols.md`, both ways, and what else may come.
@Suite struct P2PMessagesTests {
    private static let node = NodeID(hex: "fa3262132b5140c584f669fc5c253740")!
    private static let other = NodeID(hex: "0b7a1f5c9d3e4a2f8c6b5d4e3f2a1b0c")!
    private static let third = NodeID(hex: "5c1d7ab2f0e94d7ca1b2c3d4e5f60718")!
    private static let time = Timestamp(rfc3339: "2026-11-20T14:23:07.036119Z")!
    /// The documented times are those of a host one hour east of Greenwich.
    private static let utcOffset = 3_600
    private static let id = MessageID(hex: "00112233445566778899aabbccddeeff")!

    private static let lines: [(name: String, line: SpokenLine, dialect: Dialect)] = [
        ("p2p.json.typed", line(.text("Hello", 7)), .json),
        ("p2p.json.said", line(.text("Hello", nil)), .json),
        ("p2p.json.unicode", line(.text("grüße 😀", nil), sender: "Zoë"), .json),
        ("p2p.json.action", line(.action("waves", 8)), .json),
        ("p2p.json.left", line(.left), .json),
        ("p2p.json.renamed", line(.renamed(from: "Walter")), .json),
        (
            "p2p.plain",
            SpokenLine(
                node: node, sender: "P0", time: Timestamp(rfc3339: "2026-11-20T14:25:31.443218Z")!,
                content: .text("Hello", 1)), .plain
        ),
        ("p2p.test", line(.text("Hello", 1), sender: "P0"), .test),
    ]

    private static let frames: [(name: String, frame: MeshFrame)] = [
        ("p2p.mesh.hello", .hello(MeshHello(node: node, name: "Heisenberg", port: 9_001))),
        ("p2p.mesh.probe", .hello(MeshHello(node: node, name: "Heisenberg", port: 9_001, isProbe: true))),
        ("p2p.mesh.message", .message(message(7, "Hello"))),
        ("p2p.mesh.message.old", .message(message(8, "waves", isAction: true, isCaughtUp: true))),
        (
            "p2p.mesh.message.guest",
            .message(
                message(
                    9, "yo", sender: "Jesse", guest: GuestLine(person: other, digest: third, isTimed: true)))
        ),
        (
            "p2p.mesh.member",
            .member(
                MemberRecord(
                    node: node, version: 3, name: "Heisenberg", links: [other],
                    guests: [GuestRecord(person: third, name: "Jesse")]))
        ),
        ("p2p.mesh.member.left", .member(MemberRecord(node: node, version: 4, name: "Heisenberg", hasLeft: true))),
        ("p2p.mesh.bye", .bye(MeshBye(node: node, reason: .leaving, version: 4))),
        ("p2p.mesh.bye.duplicate", .bye(MeshBye(node: node, reason: .duplicate))),
        (
            "p2p.mesh.peers",
            .peers([
                PeerAddress(node: other, address: SocketAddress(ip: IPAddress(parsing: "192.0.2.7")!, port: 9_002)),
                PeerAddress(node: third, address: SocketAddress(ip: IPAddress(parsing: "2001:db8::7")!, port: 9_003)),
            ])
        ),
        ("p2p.mesh.ping", .ping(12)),
        ("p2p.mesh.pong", .pong(12)),
        ("p2p.mesh.sum", .sum(MeshSum(log: 0x00A1_B2C3_D4E5_F607, members: 0x1829_3A4B_5C6D_7E8F))),
        (
            "p2p.mesh.have",
            .have(
                MeshHave(
                    authors: [.init(other, 41), .init(node, 7)], members: [.init(other, 2), .init(node, 3)],
                    wantsAnswer: true))
        ),
        ("p2p.mesh.want", .want([WantedRange(other, from: 40, through: 41)])),
        ("p2p.mesh.page", .page(MeshPage(gone: [WantedRange(other, from: 1, through: 39)], hasMore: true))),
        ("p2p.mesh.ack", .ack([MeshAck(author: node, by: other, sequence: 7)])),
        (
            "p2p.mesh.whisper",
            .whisper(
                MeshWhisper(id: id, from: node, to: other, hops: 16, time: time, sender: "Heisenberg", text: "psst"))
        ),
        ("p2p.mesh.heard", .heard(WhisperReceipt(id: id, from: other, to: node, hops: 16))),
    ]

    private static func line(_ content: SpokenLine.Content, sender: String = "Heisenberg") -> SpokenLine {
        SpokenLine(node: node, sender: sender, time: time, content: content)
    }

    private static func message(
        _ sequence: UInt64, _ text: String, sender: String = "Heisenberg", isAction: Bool = false,
        guest: GuestLine? = nil, isCaughtUp: Bool = false
    ) -> MeshMessage {
        MeshMessage(
            author: node, sequence: sequence, time: time, sender: sender, text: text, isAction: isAction, guest: guest,
            isCaughtUp: isCaughtUp)
    }

    private static func encoded(_ frame: MeshFrame) -> [UInt8] {
        var writer = ByteWriter()
        try! writer.append(frame, at: time, utcOffset: utcOffset)
        return writer.bytes
    }

    private static func encoded(_ line: SpokenLine, in dialect: Dialect) throws -> [UInt8] {
        var writer = ByteWriter()
        try writer.append(line, in: dialect, utcOffset: utcOffset)
        return writer.bytes
    }

    private static func decoded(_ text: String) throws -> P2PFrame { try P2PFrame(decoding: Array(text.utf8)[...]) }

    // MARK: The document

    @Test func whatIsWrittenIsWhatTheDocumentSays() throws {
        let golden = try GoldenVectors.ofProtocols()
        var tested: Set<String> = []
        for (name, line, dialect) in Self.lines {
            #expect(try Self.encoded(line, in: dialect) == golden[name], "\(name)")
            tested.insert(name)
        }
        for (name, frame) in Self.frames {
            #expect(
                String(decoding: Self.encoded(frame), as: UTF8.self)
                    == golden[name].map { String(decoding: $0, as: UTF8.self) }, "\(name)")
            tested.insert(name)
        }
        #expect(tested == Set(golden.names(prefix: "p2p.")))
    }

    @Test func whatTheDocumentSaysIsRead() throws {
        let golden = try GoldenVectors.ofProtocols()
        func payload(_ name: String) throws -> ArraySlice<UInt8> { try #require(golden[name])[2...] }
        for (name, frame) in Self.frames {
            #expect(try P2PFrame(decoding: payload(name)) == .mesh(frame), "\(name)")
        }
        let stamp = "2026-11-20T15:23:07.036119"
        let uuid = Self.node.uuid
        func said(_ text: String, _ sender: String = "Heisenberg") -> P2PFrame {
            .chat(OriginalLine(sender: sender, text: text, timestamp: stamp, senderID: uuid))
        }
        #expect(try P2PFrame(decoding: payload("p2p.json.said")) == said("Hello"))
        #expect(try P2PFrame(decoding: payload("p2p.json.unicode")) == said("grüße 😀", "Zoë"))
        #expect(try P2PFrame(decoding: payload("p2p.json.left")) == said("left"))
        #expect(try P2PFrame(decoding: payload("p2p.json.renamed")) == said("Walter is now Heisenberg"))
        #expect(try P2PFrame(decoding: payload("p2p.json.typed")) == .mesh(.message(Self.message(7, "Hello"))))
        #expect(
            try P2PFrame(decoding: payload("p2p.json.action"))
                == .mesh(.message(Self.message(8, "waves", isAction: true))))
        #expect(
            try P2PFrame(decoding: payload("p2p.plain"))
                == .plain(OriginalLine(sender: "P0", text: "Hello", timestamp: "2026-11-20T15:25:31.443218")))
        #expect(try P2PFrame(decoding: payload("p2p.test")) == .test(OriginalLine(sender: "P0", text: "Hello")))
    }

    /// Whatever the split, the same frames come out.
    @Test(arguments: [1, 2, 3, 7, 64, 1_000, 65_536]) func anySplitIsAccepted(piece: Int) throws {
        let stream =
            try Self.frames.flatMap { Self.encoded($0.frame) }
            + Self.lines.flatMap { try Self.encoded($0.line, in: $0.dialect) }
        var decoder = FrameDecoder()
        var frames: [P2PFrame] = []
        for start in stride(from: 0, to: stream.count, by: piece) {
            decoder.append(stream[start..<min(start + piece, stream.count)])
            while let payload = decoder.next() { frames.append(try P2PFrame(decoding: payload)) }
        }
        #expect(frames.count == Self.frames.count + Self.lines.count)
        #expect(frames.prefix(Self.frames.count) == Self.frames.map { .mesh($0.frame) }[...])
    }

    // MARK: What a frame may be

    @Test func emptyFramesAndBrokenUTF8EndTheConnection() {
        #expect(throws: P2PFrameError.empty) { try P2PFrame(decoding: []) }
        for bytes: [UInt8] in [
            [0xFF], Array("abc".utf8) + [0xC3],
            Array("{\"type\": \"chat\", \"text\": \"".utf8) + [0xFF] + Array("\"}".utf8),
            Array("[2026-11-20T15:23:07] a:\n\t".utf8) + [0xED, 0xA0, 0x80], [0xFE] + Array("#x".utf8),
        ] {
            #expect(throws: P2PFrameError.notUTF8, "\(bytes)") { try P2PFrame(decoding: bytes[...]) }
        }
    }

    @Test func whatHasNoKnownShapeIsRaw() throws {
        for text in [
            "hello", "{\"type\": \"chat\"", "{\"type\": \"other\", \"text\": \"x\"}", "{}", "[1, 2]", "[x] a:\n\tb",
            "a#b#c", "#x",
            "[2026-11-20T15:23:07]a:\n\tb", "[2026-11-20T15:23:07] a: b", "{\"type\": \"chat\"}", "\u{1B}[2J",
        ] {
            #expect(try Self.decoded(text) == .raw(text), "\(text)")
        }
    }

    @Test func aChatNeedsNoMoreThanAText() throws {
        #expect(try Self.decoded("{\"text\":\"x\",\"type\":\"chat\"}") == .chat(OriginalLine(sender: "", text: "x")))
        #expect(try Self.decoded(" {\"type\":\"chat\",\"formatted\":\"x y\"}") == .raw("x y"))
        #expect(
            try Self.decoded("{\"type\":\"chat\",\"text\":\"x\",\"sender\":7,\"chat\":[1],\"timestamp\":null}")
                == .chat(OriginalLine(sender: "", text: "x")))
    }

    @Test func unknownKindsAreIgnoredUnlessTheyAreLines() throws {
        #expect(try Self.decoded("{\"chat\":{\"kind\":\"dance\"}}") == .mesh(.unknown))
        #expect(try Self.decoded("{\"chat\":{}}") == .mesh(.unknown))
        #expect(
            try Self.decoded("{\"type\":\"chat\",\"sender\":\"a\",\"text\":\"x\",\"chat\":{\"kind\":\"dance\"}}")
                == .chat(OriginalLine(sender: "a", text: "x")))
    }

    /// Fields that are missing, of a wrong type or out of range.
    @Test(arguments: [
        "{\"kind\":\"message\",\"node\":\"fa32\",\"sequence\":1,\"time\":1}",
        "{\"kind\":\"message\",\"node\":\"fa3262132b5140c584f669fc5c253740\",\"sequence\":0,\"time\":1}",
        "{\"kind\":\"message\",\"node\":\"fa3262132b5140c584f669fc5c253740\",\"sequence\":-1,\"time\":1}",
        "{\"kind\":\"message\",\"node\":\"fa3262132b5140c584f669fc5c253740\",\"sequence\":1.5,\"time\":1}",
        "{\"kind\":\"hello\",\"node\":7}",
        "{\"kind\":\"bye\",\"node\":\"fa3262132b5140c584f669fc5c253740\",\"reason\":\"bored\"}",
        "{\"kind\":\"member\",\"node\":\"fa3262132b5140c584f669fc5c253740\",\"version\":\"1\"}", "{\"kind\":\"ping\"}",
        "{\"kind\":\"sum\",\"log\":\"0\",\"roll\":\"1\"}", "{\"kind\":\"whisper\",\"id\":\"\"}", "{\"kind\":7}",
    ]) func brokenFramesAreIgnored(fields: String) throws {
        #expect(try Self.decoded("{\"chat\":\(fields)}") == .mesh(.unknown))
    }

    @Test func brokenRowsAreLeftOut() throws {
        let node = Self.node.hex
        #expect(
            try Self.decoded(
                "{\"chat\":{\"kind\":\"want\",\"ranges\":[[\"\(node)\",3,2],[],7,[\"\(node)\",1,2],[\"x\",1,2]]}}")
                == .mesh(.want([WantedRange(Self.node, from: 1, through: 2)])))
        #expect(
            try Self.decoded(
                "{\"chat\":{\"kind\":\"peers\",\"peers\":[[\"\(node)\",\"example.org:80\"],[\"\(node)\",\"10.0.0.1\"]]}}"
            )
                == .mesh(.peers([])))
        #expect(
            try Self.decoded("{\"chat\":{\"kind\":\"hello\",\"node\":\"\(node)\",\"port\":70000}}")
                == .mesh(.hello(MeshHello(node: Self.node, name: "", port: 0))))
    }

    // MARK: Limits

    @Test func longTextsToOriginalsGoWithoutTheirFormattedFields() throws {
        let line = Self.line(.text(String(repeating: "é", count: 2_048), 1))
        #expect(line.charactersOverForOriginals == 0)
        let frame = try Self.encoded(line, in: .json)
        #expect(frame.count <= 16_000)
        #expect(!String(decoding: frame, as: UTF8.self).contains("formatted"))
        #expect(
            try P2PFrame(decoding: frame[2...])
                == .mesh(.message(Self.message(1, String(repeating: "é", count: 2_048)))))
    }

    @Test(arguments: [
        String(repeating: "\u{1}", count: 4_096), String(repeating: "\u{1}", count: 2_700),
        String(repeating: "😀\u{2}", count: 1_000),
    ]) func theNumberOfCharactersTooManyIsExact(text: String) throws {
        for content in [SpokenLine.Content.text(text, 1), .action(text, 1)] {
            let over = Self.line(content).charactersOverForOriginals
            #expect(over > 0)
            func fits(_ count: Int) throws -> Bool {
                let cut = String(text.dropLast(count))
                let content: SpokenLine.Content = if case .action = content { .action(cut, 1) } else { .text(cut, 1) }
                return try Self.encoded(Self.line(content), in: .json).count <= 16_000
            }
            #expect(try fits(over))
            #expect(try !fits(over - 1))
        }
    }

    @Test func whatTheMeshTakesFitsAFrame() throws {
        for text in [
            String(repeating: "\u{1}", count: 10_700), String(repeating: "a", count: 64_000),
            String(repeating: "\\", count: 12_000),
        ] {
            let message = Self.message(1, text, guest: GuestLine(person: Self.other, digest: Self.third, isTimed: true))
            if TextRules.fitsMesh(message) {
                var writer = ByteWriter()
                #expect(throws: Never.self) { try writer.append(.message(message), at: Self.time, utcOffset: 0) }
            }
        }
        #expect(TextRules.fitsMesh(Self.message(1, String(repeating: "a", count: 64_000))))
        #expect(!TextRules.fitsMesh(Self.message(1, String(repeating: "\u{1}", count: 10_900))))
        #expect(TextRules.charactersOver(4, in: "aé😀b") == 2)
        #expect(TextRules.charactersOver(8, in: "aé😀b") == 0)
    }

    @Test func theTestModeNeverGetsASecondNumberSign() throws {
        let frame = try Self.encoded(Self.line(.text("#1 and #2", 1), sender: "a#b"), in: .test)
        #expect(
            try P2PFrame(decoding: frame[2...])
                == .test(OriginalLine(sender: "a\u{FF03}b", text: "\u{FF03}1 and \u{FF03}2")))
    }

    // MARK: Hostile bytes

    /// Mutations of valid frames: read or refused, never a trap, and what is read can be written again.
    @Test(arguments: 0..<8) func mutationsAreReadOrRefused(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let seeds =
            try Self.frames.map { Array(Self.encoded($0.frame).dropFirst(2)) }
            + Self.lines.map { Array(try Self.encoded($0.line, in: $0.dialect).dropFirst(2)) }
        for _ in 0..<1_500 {
            var bytes = seeds.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 1...6, using: &random) where !bytes.isEmpty {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
                case 3: bytes.removeSubrange(index..<min(bytes.count, index + 20))
                default: bytes.insert(contentsOf: seeds.randomElement(using: &random)!.prefix(60), at: index)
                }
            }
            guard case .mesh(let frame) = try? P2PFrame(decoding: bytes[...]), frame != .unknown else { continue }
            var writer = ByteWriter()
            guard (try? writer.append(frame, at: Self.time, utcOffset: 0)) != nil else { continue }
            if case .bye(let bye) = frame, bye.version == 0 { continue }
            #expect(try P2PFrame(decoding: writer.bytes[2...]) == .mesh(frame))
        }
    }

    @Test func randomBytesAreReadOrRefused() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<5_000 {
            let bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            _ = try? P2PFrame(decoding: bytes[...])
        }
    }
}

@Suite struct NodeIDTests {
    @Test func textForms() {
        let node = NodeID(uuid: "FA326213-2b51-40c5-84f6-69fc5c253740")
        #expect(node?.hex == "fa3262132b5140c584f669fc5c253740")
        #expect(node?.uuid == "fa326213-2b51-40c5-84f6-69fc5c253740")
        #expect(node?.prefix(4) == "fa32")
        #expect(NodeID(hex: "fa3262132b5140c584f669fc5c253740") == node)
        for bad in [
            "", "fa32", "fa3262132b5140c584f669fc5c25374", "fa3262132b5140c584f669fc5c2537400",
            "ga3262132b5140c584f669fc5c253740",
        ] {
            #expect(NodeID(hex: bad) == nil)
        }
        for bad in [
            "fa3262132b5140c584f669fc5c253740", "fa326213-2b51-40c5-84f6_69fc5c253740", "",
            "------------------------------------",
        ] {
            #expect(NodeID(uuid: bad) == nil)
        }
    }

    @Test func randomOnesAreUUIDsOfVersion4() {
        var random = SplitMix64(seed: 9)
        for _ in 0..<100 {
            let uuid = Array(NodeID.random(using: &random).uuid)
            #expect(uuid[14] == "4")
            #expect("89ab".contains(uuid[19]))
        }
    }

    /// FIPS 180-4's own examples, and lengths around the block limits.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (String(repeating: "a", count: 64), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"),
        (String(repeating: "a", count: 1_000), "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"),
    ]) func digest(text: String, expected: String) {
        var digest = ContentDigest()
        digest.update(text.utf8)
        #expect(hexadecimal(digest.finalized()) == expected)
    }
}

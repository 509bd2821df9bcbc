import BoardMode
import Delivery
import P2PMode
import RoomsMode
import Terminal
import UDPMode
import Wire

extension FuzzTarget {
    static let p2p: [FuzzTarget] = [
        FuzzTarget(
            "p2p",
            seeds: [
                #"{"type": "chat", "sender": "H", "sender_id": "fa326213-2b51-40c5-84f6-69fc5c253740", "text": "Hi", "timestamp": "2026-11-20T15:23:07.036119", "formatted": "[t] H:\n\tHi", "formatted_you": "[t] You:\n\tHi"}"#,
                "[2026-11-20T15:25:31.443218] P0:\n\tHello", "name#text", "raw words", #"{"type": "other"}"#,
            ] + meshSeeds
        ) { bytes in
            guard let frame = try? P2PFrame(decoding: bytes[...]), case .mesh(let mesh) = frame, mesh != .unknown else {
                return
            }
            var writer = ByteWriter()
            do {
                try writer.append(mesh, at: Timestamp(microseconds: 0), utcOffset: 0)
            } catch { return }
            guard let again = try? P2PFrame(decoding: writer.bytes[2...]) else {
                throw Violation("what was written cannot be read")
            }
            try expect(again == frame, "written and read again it is another frame: \(frame) \(again)")
        }
    ]

    private static let meshSeeds: [String] = {
        let one = NodeID(high: 1, low: 2)
        let other = NodeID(high: 3, low: 4)
        let frames: [MeshFrame] = [
            .hello(MeshHello(node: one, name: "Änna", port: 9_001)),
            .have(MeshHave(authors: [.init(one, 8)], members: [], wantsAnswer: true)),
            .want([WantedRange(other, from: 7, through: 9)]),
            .message(
                MeshMessage(
                    author: one, sequence: 3, time: Timestamp(microseconds: 1), sender: "a", text: "b\nc",
                    isAction: true,
                    guest: GuestLine(person: one, digest: other, isTimed: true))),
        ]
        return frames.compactMap { frame in
            var writer = ByteWriter()
            guard (try? writer.append(frame, at: Timestamp(microseconds: 0), utcOffset: 0)) != nil else { return nil }
            return String(decoding: writer.bytes.dropFirst(2), as: UTF8.self)
        }
    }()

    static let board: [FuzzTarget] = [
        FuzzTarget(
            "board-input",
            seeds: [
                "alice\n%groups\r\n%post \"two words\" text\n", "%groups", "{\"op\": \"hello\", \"name\": \"a\"}\n",
            ]
        ) { bytes in
            // Cut anywhere, a line connection reads the same lines.
            let lines = [UInt8(ascii: "x"), 10] + bytes
            try expectSameHoweverCut(lines) { pieces in
                var input = BoardInputMachine()
                input.useLines()
                var commands: [[UInt8]] = []
                for piece in pieces {
                    input.received(piece)
                    while let piece = input.next() {
                        if case .command(let bytes) = piece {
                            commands.append(Array(bytes))
                        } else {
                            commands.append([0])
                        }
                    }
                }
                return commands
            }
            var input = BoardInputMachine()
            for piece in pieces(bytes) {
                input.received(piece)
                while input.next() != nil {}
                input.silenceElapsed()
                while input.next() != nil {}
            }
            input.inputEnded()
            while let piece = input.next() {
                if case .command(let bytes) = piece {
                    try expect(bytes.count <= BoardInputMachine.lineLimit, "a command over the limit")
                }
            }
        },
        FuzzTarget(
            "board-text",
            seeds: [
                "%groups", "groupjoin main", "%post \"two words\" the text", "grouppost g s \"x", "%list before 3",
                "%groupmessage g 1", "%json", "GROUPCREATE x", "%since",
            ]
        ) { bytes in
            let line = String(decoding: bytes, as: UTF8.self)
            guard let command = BoardRequest(text: line)?.command else { return }
            try expect(BoardRequest(text: command) != nil, "our own command is none")
        },
        FuzzTarget(
            "board-json",
            seeds: [
                #"{"op": "hello", "name": "a"}"#, #"{"op": "join", "group": "main", "id": 1, "resume": "00"}"#,
                #"{"op": "post", "group": "g", "subject": "s", "text": "t", "id": "00112233445566778899aabbccddeeff"}"#,
                #"{"op": "list", "group": "g", "before": 3, "limit": 2}"#,
                #"{"op": "since", "group": "g", "epoch": "0011223344556677", "offset": 4}"#,
            ]
        ) { bytes in
            let request = BoardJSONRequest(parsing: bytes[...])
            // Read member by member it means what a tree of it means.
            if let tree = try? JSON(parsing: bytes[...]) {
                let ordered = BoardJSONRequest(parsing: JSON.object(tree.object ?? [:]).encoded()[...])
                try expect(ordered == request, "as a tree it differs: \(request) \(ordered)")
            } else {
                try expect(
                    request == BoardJSONRequest(parsing: []), "what is no JSON is a request: \(request)")
            }
            guard case .request(let content) = request.content, let written = content.json(id: request.id) else {
                return
            }
            try expect(!written.dropLast().contains { $0 < 0x20 }, "a control byte in a request")
            let again = BoardJSONRequest(parsing: written[...].dropLast(written.last == 10 ? 1 : 0))
            try expect(again.content == request.content, "written and read again it differs: \(request) \(again)")
        },
        FuzzTarget(
            "board-answers",
            seeds: [
                #"{"event": "answer", "op": "join", "id": 1, "group": "g", "epoch": "0011223344556677", "messages": []}"#,
                #"{"event": "message", "group": "g", "offset": 1, "id": "00112233445566778899aabbccddeeff", "sender": "a", "text": "t", "time": "2026-11-20T15:23:07.036Z", "subject": "s"}"#,
                #"{"event": "ready", "version": 1}"#, #"{"event": "error", "code": "x", "text": "y"}"#,
            ]
        ) { bytes in
            _ = BoardIncoming(parsing: bytes[...])
        },
        FuzzTarget(
            "board-export",
            seeds: [
                #"{"chat": "board", "version": 1}"#,
                #"{"group": "g", "visibility": "last:2", "epoch": "0011223344556677", "next": 3}"#,
            ]
        ) { bytes in
            guard let line = try? BoardExportLine(parsing: bytes[...]) else { return }
            var writer = ByteWriter()
            line.write(to: &writer)
            let written = writer.bytes.last == 10 ? writer.bytes.dropLast() : writer.bytes[...]
            guard let again = try? BoardExportLine(parsing: written) else {
                throw Violation("what was written cannot be read: \(line)")
            }
            try expect(again == line, "written and read again it differs")
        },
        FuzzTarget(
            "board-memory",
            seeds: [
                #"{"version":1,"server":"h:1","name":"a","groups":[{"group":"g","epoch":"0011223344556677","last":3}]}"#
            ]
        ) { bytes in
            let server = try Endpoint(validating: "h", port: 1)
            let name = try Nickname(validating: "a")
            let memory = BoardMemory(parsing: bytes, server: server, name: name)
            if memory.places.count <= BoardMemory.groupLimit {
                try expect(
                    BoardMemory(parsing: memory.bytes, server: server, name: name) == memory, "written it differs")
            }
        },
    ]

    static let udp: [FuzzTarget] = [
        FuzzTarget(
            "udp",
            seeds: [
                #"{"type": "registration", "payload": null, "metadata": {"name": "a", "server_ip": "127.0.0.1", "server_port": 5000, "client_port": 5555, "client_ip": "127.0.0.1"}}"#,
                #"{"type": "state_change", "payload": {"a": {"client_ip": "127.0.0.1", "client_port": 1, "name": "a", "server_ip": "x", "server_port": 1}}, "metadata": {"server_port": 5000}}"#,
                #"{"type": "message", "payload": "hi", "metadata": {"name": "a", "server_ip": "127.0.0.1", "server_port": 5000, "client_port": 5555, "client_ip": "127.0.0.1", "chat": {"v": 1, "id": "00112233445566778899aabbccddeeff"}}}"#,
            ]
        ) { bytes in
            guard let message = try? UDPMessage(decoding: bytes[...]), let written = try? message.encoded() else {
                return
            }
            try expect(written.count <= UDPMessage.datagramLimit, "over the limit of a datagram")
            guard let again = try? UDPMessage(decoding: written[...]) else {
                throw Violation("what was written cannot be read: \(String(decoding: written, as: UTF8.self))")
            }
            try expect(again.body == message.body, "written and read again it differs: \(message) \(again)")
        }
    ]

    static let rooms: [FuzzTarget] = [
        FuzzTarget("tcrp", seeds: roomsSeeds) { bytes in
            try expectSameHoweverCut(bytes) { pieces in
                var decoder = TCRPDecoder(limit: 256)
                var messages: [TCRPMessage?] = []
                for piece in pieces {
                    decoder.append(piece)
                    do {
                        while let message = try decoder.next() { messages.append(message) }
                    } catch { return messages + [nil] }
                }
                return messages
            }
            var decoder = TCRPDecoder(limit: 4_096)
            decoder.append(bytes[...])
            while let message = try? decoder.next() {
                var again = TCRPDecoder(limit: 4_096)
                again.append(message.encoded[...])
                try expect((try? again.next()) == message, "written and read again it differs")
                if let request = try? RoomsRequest(message), let second = try? RoomsRequest(request.message) {
                    try expect(second == request, "the request differs: \(request) \(second)")
                }
                _ = try? RoomsAnswerReader.refusal(ofCompliance: message.payload)
                for operation in TCRPMessage.Operation.allCases {
                    _ = try? RoomsAnswerReader.answer(ofComplete: message.payload, to: operation, isExtended: true)
                    _ = try? RoomsAnswerReader.answer(ofComplete: message.payload, to: operation, isExtended: false)
                }
            }
        },
        FuzzTarget(
            "ucrp",
            seeds: [
                [5, 2] + Array("lobby".utf8) + Array("tk".utf8) + Array("hello".utf8), [0, 0],
                [1] + Array("aXhello".utf8),
                Array("__ROOM_CLOSED__".utf8), [2, 1] + Array(repeating: 7, count: 40),
            ]
        ) { bytes in
            if let request = UCRPRequest(bytes[...]) {
                try expect(
                    2 + request.room.count + request.token.count + request.message.count == bytes.count,
                    "parts of a datagram got lost")
                _ = request.control
                if let submission = UCRPSubmission(request.message) {
                    var writer = ByteWriter()
                    submission.write(to: &writer)
                    try expect(UCRPSubmission(writer.bytes[...]) == submission, "the submission differs")
                }
            }
            if let delivery = UCRPDelivery(bytes[...]) {
                var writer = ByteWriter()
                delivery.write(to: &writer)
                try expect(UCRPDelivery(writer.bytes[...]) == delivery, "the delivery differs")
            }
            if let delivery = UCRPPlainDelivery(bytes[...]) {
                var writer = ByteWriter()
                delivery.write(to: &writer)
                try expect(UCRPPlainDelivery(writer.bytes[...]) == delivery, "the plain delivery differs")
            }
        },
        FuzzTarget("rooms-server", seeds: ["host", "host:9090", "[::1]:9090:9091", "h:0:0", "::1", "["]) { bytes in
            guard let server = try? RoomsEndpoint(parsing: String(decoding: bytes, as: UTF8.self)) else { return }
            try expect(
                (try? RoomsEndpoint(parsing: server.description))?.description == server.description,
                "the endpoint reads otherwise")
        },
    ]

    private static let roomsSeeds: [[UInt8]] = {
        let requests = [
            RoomsRequest(room: "lobby", .create(name: "Ann"), isExtended: false),
            RoomsRequest(room: "lobby", .join(name: "Bo", token: nil), isExtended: true),
            RoomsRequest(room: "", .list(after: 3), isExtended: true),
            RoomsRequest(room: "x", .history(token: nil, .before(9), limit: 10), isExtended: true),
            RoomsRequest(room: "x", .who(token: nil, after: 0), isExtended: true),
        ]
        return requests.map(\.message.encoded)
    }()

    static let terminal: [FuzzTarget] = [
        FuzzTarget(
            "keys",
            seeds: [
                "abc\r\u{1}\u{5}\u{1B}[A\u{1B}OB\u{1B}[1;5C\u{1B}b\u{1B}\u{7F}", "\u{1B}[200~paste\r\nmore\u{1B}[201~",
                "\u{1B}]0;answer\u{7}é😀\u{1B}P1$r\u{1B}\\x", "\u{1B}\u{1B}[B\u{1B}[3~\u{1B}[24~",
            ]
        ) { bytes in
            // Text is gathered differently when it comes in pieces, so it is joined again.
            func joined(_ keys: [Key]) -> [Key] {
                keys.reduce(into: []) { result, key in
                    if case .text(let more) = key, case .text(let text)? = result.last {
                        result[result.count - 1] = .text(text + more)
                    } else {
                        result.append(key)
                    }
                }
            }
            try expectSameHoweverCut(bytes) { pieces in
                var decoder = KeyDecoder()
                return joined(pieces.flatMap { decoder.received($0) } + decoder.timedOut())
            }
        },
        FuzzTarget("history", seeds: ["one\ntwo\\nlines\\\\\n", "\\", "\\x\n\n"]) { bytes in
            let history = InputHistory(decoding: bytes)
            try expect(history.lines.count <= InputHistory.limit, "over the limit")
            try expect(InputHistory(decoding: history.encoded) == history, "written and read again it differs")
        },
    ]
}

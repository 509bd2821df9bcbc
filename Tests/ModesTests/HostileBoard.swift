import Glibc
import TestSupport
import Wire

/// A server of boards that says whatever it likes, in either dialect, and those who come to it.
enum HostileBoard {
    private enum Dialect { case json, text }

    private static let texts = HostileText.corpus + HostileText.random(30, seed: 23)

    /// Some of the corpus, for what takes a run of the program each.
    private static let fewTexts = [
        "* FORGED joined", "FORGED words", "\r[14:03:21] * FORGED", "\u{1B}[2J\u{1B}[H", "\u{202E}DEGROF\u{202C}",
        "[14:03:21] You: FORGED",
    ]

    // MARK: Whoever stays

    /// Somebody who talks JSON to it: everything that is asked for is answered with everything hostile.
    static func connectInJSON(_ face: Face) async throws -> [UInt8] {
        let listener = try RawListener()
        let program = try FacedProgram(
            face, ["board", "connect", "127.0.0.1:\(listener.port)", "--name", "victim", "--memory"])
        let peer = try await listener.accept()
        try await login(peer, .json)
        try await answer(peer, until: ["groups"])
        try await program.type("%groupjoin main")
        try await answer(peer, until: ["join"])
        try await answer(peer, until: ["since", "users"])
        for (number, text) in texts.enumerated() {
            try await say(peer, ["event": "joined", "group": "main", "name": .string(text)])
            try await say(peer, ["event": "left", "group": .string(text), "name": "mallory"])
            try await say(peer, message(Int64(10_000 + 2 * number), sender: text, text: text))
            try await say(peer, message(Int64(10_001 + 2 * number), sender: "mallory", text: text))
            try await say(peer, ["event": "closing", "text": .string(text)])
        }
        for (command, operation) in [
            ("%grouplist main", "list"), ("%groupusers main", "users"), ("%allgroups", "groups"),
            ("%groupmessage main 1", "read"), ("%groupcreate other", "create"), ("%grouppost main a b", "post"),
        ] {
            try await program.type(command)
            try await answer(peer, until: [operation])
        }
        for text in texts {
            try await program.type("%groupmessage main 1")
            try await answer(peer, until: ["read"], refusing: text)
        }
        try await say(peer, message(20_000, sender: "mallory", text: endMark))
        try await program.shows(endMark)
        // Nothing of the protocol: the client hangs up, and says why.
        try await peer.send(HostileText.bytes.joined() + [0x0A])
        _ = try await peer.receiveToEnd()
        program.signal(SIGTERM)
        return try await program.end().bytes
    }

    /// Somebody who talks text to it, as the original does.
    static func connectInText(_ face: Face) async throws -> [UInt8] {
        let listener = try RawListener()
        let program = try FacedProgram(
            face, ["board", "connect", "127.0.0.1:\(listener.port)", "--name", "victim", "--memory"])
        let peer = try await listener.accept()
        try await login(peer, .text)
        try await program.type("%groupjoin main")
        _ = try await peer.receive(until: "\n")
        try await peer.send("[SUCCESS] You have successfully joined group 'main'.\n")
        for text in texts.map({ Array($0.utf8) }) + HostileText.bytes {
            for prefix in ["", "[ERROR] ", "--- ", "[GROUP:", "[GROUP:main] [NOTIFY] ", "[GROUP:main] [NOTIFY] User "] {
                let suffix = prefix == "[GROUP:" ? "] [NOTIFY] User mallory left the group." : ""
                let end = prefix.hasSuffix("User ") ? " joined the group." : suffix
                try await peer.send(Array(prefix.utf8) + text + Array("\(end)\n".utf8))
            }
        }
        try await program.type("%grouppost main subject text")
        _ = try await peer.receive(until: "\n")
        try await peer.send("[ERROR] FORGED words\n\(endMark)\n")
        try await program.shows(endMark)
        program.signal(SIGTERM)
        return try await program.end().bytes
    }

    // MARK: Whoever comes for one thing

    /// A command of one shot: answered, refused, and refused its name.
    static func errands(_ face: Face, _ words: [String]) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        func run(_ body: (RawPeer) async throws -> Void) async throws {
            let listener = try RawListener()
            let program = try FacedProgram(
                face,
                ["board"] + words + ["--server", "127.0.0.1:\(listener.port)", "--name", "victim", "--memory"])
            let peer = try await listener.accept()
            do {
                try await body(peer)
            } catch is RawPeer.Failure {
                // It has what it came for, or has had enough.
            }
            await peer.close()
            bytes += try await program.end().bytes
        }
        try await run { peer in
            try await login(peer, .json)
            while true { try await answer(peer, until: []) }
        }
        for text in fewTexts {
            try await run { peer in
                try await login(peer, .json)
                while true { try await answer(peer, until: [], refusing: text) }
            }
            try await run { peer in
                try await peer.send("What is your username?\n")
                _ = try await peer.receive(until: "\n")
                try await peer.send("[ERROR] \(text)\n")
                _ = try await peer.receiveToEnd()
            }
        }
        try await run { peer in
            try await login(peer, .text)
            while true {
                _ = try await peer.receive(until: "\n")
                try await peer.send(texts.map { "\($0)\n" }.joined() + "[ERROR] FORGED words\n")
            }
        }
        return bytes
    }

    // MARK: What it says

    private static func login(_ peer: RawPeer, _ dialect: Dialect) async throws {
        try await peer.send("What is your username?\n")
        _ = try await peer.receive(until: "\n")
        try await peer.send(
            """
            [INFO] Welcome victim
            [INFO] Use '%groups' to see available groups, and '%groupjoin id/name' to enter.

            """)
        _ = try await peer.receive(until: "%json\n")
        switch dialect {
        case .json: try await peer.send(try GoldenVectors.ofProtocols()["board.json.ready"]!)
        case .text: try await peer.send("[ERROR] Unknown command or incorrect format: %json\n")
        }
    }

    private static func say(_ peer: RawPeer, _ value: JSON) async throws {
        try await peer.send(value.encoded(style: .compact) + [0x0A])
    }

    private static func fields(_ offset: Int64, sender: String, text: String) -> JSONObject {
        let digits = String(offset, radix: 16)
        return [
            "offset": .integer(offset), "id": .string(String(repeating: "0", count: 32 - digits.count) + digits),
            "sender": .string(sender), "time": "2026-11-20T14:27:31.036Z", "subject": .string(text),
            "text": .string(text),
        ]
    }

    private static func message(_ offset: Int64, sender: String, text: String) -> JSON {
        var message = fields(offset, sender: sender, text: text)
        message["event"] = "message"
        message["group"] = "main"
        message["epoch"] = "0123456789abcdef"
        return .object(message)
    }

    /// Answers what is asked, one request after the other, until each of these operations was among them; with none, one
    /// request.
    private static func answer(
        _ peer: RawPeer, until operations: Set<String>, refusing refusal: String? = nil
    ) async throws {
        var missing = operations
        repeat {
            let line = try await peer.receive(until: "\n")
            guard let request = try? JSON(parsing: Array(line.utf8)[...]), let operation = request["op"]?.string else {
                continue
            }
            let isWanted = operations.isEmpty || operations.contains(operation)
            let id = request["id"] ?? .null
            if let refusal, isWanted {
                try await say(
                    peer,
                    [
                        "event": "error", "op": .string(operation), "id": id, "code": .string(refusal),
                        "text": .string(refusal),
                    ])
            } else {
                try await say(peer, answer(operation, id))
            }
            missing.remove(operation)
        } while !missing.isEmpty
    }

    /// The answer to a request, with hostile texts wherever it has text.
    private static func answer(_ operation: String, _ id: JSON) -> JSON {
        var answer: JSONObject = [
            "event": "answer", "op": .string(operation), "id": id, "group": "main", "epoch": "0123456789abcdef",
        ]
        let messages: JSON = .array(
            texts.enumerated().map { .object(fields(Int64($0.offset), sender: $0.element, text: $0.element)) })
        switch operation {
        case "join":
            answer["next"] = .integer(0)
            answer["first"] = .integer(0)
            answer["resume"] = "5566778899aabbccddeeff0011223344"
            answer["resumed"] = .bool(false)
        case "since", "list": answer["messages"] = messages
        case "users": answer["users"] = .array(texts.map { .string($0) })
        case "groups":
            answer["groups"] = .array(
                texts.map { ["name": .string($0), "visibility": "all", "member": .bool(false)] })
            answer["total"] = .integer(Int64(texts.count))
        case "read": answer["message"] = .object(fields(1, sender: "\n* FORGED", text: texts.joined(separator: "\n")))
        case "create": answer["group"] = "\n* FORGED"
        case "post":
            answer["event"] = "error"
            answer["code"] = "not_member"
            answer["text"] = "FORGED words"
        default: break
        }
        return .object(answer)
    }
}

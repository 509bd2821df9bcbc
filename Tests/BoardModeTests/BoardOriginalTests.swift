import BoardMode
import TestSupport
import Testing
import Wire

@Suite("Board: with the original programs at the other end")
struct BoardOriginalTests {
    let folder = TemporaryFolder()

    func client(_ name: String, _ server: OriginalBoardServer, _ options: [String] = []) throws -> ChildProcess {
        try ChildProcess(
            ChildProcess.product("chat"),
            ["board", "connect", "127.0.0.1:\(server.port)", "--name", name, "--data", folder.path(of: name)] + options,
            mergesErrors: true)
    }

    @Test("Our client at the original's server: all its words, one command at a time, and what others do")
    func ourClient() async throws {
        let server = try OriginalBoardServer()
        async let served = server.run()
        let bob = try client("bob", server, ["--json"])
        _ = try await bob.line(containing: #""event":"ready""#)
        try await bob.write("%join\n")
        _ = try await bob.line(containing: "You have successfully joined group 'main'.")
        let alice = try client("alice", server)
        try await alice.write(
            """
            %groups
            %join
            %post first Hello  there
            %list
            %message 0
            %message 9
            /grouppost general a b
            %grouppost nowhere a b
            %post "two words" cannot be said there
            %users
            %groupcreate den
            %leave

            """)
        await alice.closeInput()
        let lines = try await alice.rest().split(separator: "\n").map(String.init)
        // One of its posts could not be: that is what the status says.
        #expect(await alice.exitStatus() == 2)
        func expect(_ wanted: [String]) {
            var rest = lines[...]
            for line in wanted {
                guard let place = rest.firstIndex(where: { $0.hasSuffix(line) }) else {
                    Issue.record("'\(line)' is not where it should be in:\n\(lines.joined(separator: "\n"))")
                    return
                }
                rest = rest[(place + 1)...]
            }
        }
        expect([
            "[INFO] Available Groups (5 total): main, general, sub_1, sub_2, sub_3",
            "[SUCCESS] You have successfully joined group 'main'.", "[INFO] Group 'main' is empty.",
            "[SUCCESS] Message posted to group 'main' with ID: 0", "--- Group: main History ---",
            "ID: 0 | Sender: alice | Date: Friday, 20 November 2026, 03:27:31PM | Subject: first",
            String(repeating: "-", count: 32), "[INFO] Messages Listed.", "--- Message ID: 0 (Group: main) ---",
            "Sender: alice", "Date: Friday, 20 November 2026, 03:27:31PM", "Subject: first", "Hello there",
            "[ERROR] Message ID '9' not found in group 'main'.",
            "[ERROR] You must join group 'general' before posting.", "[ERROR] Group 'nowhere' not found.",
            "[INFO] Users in group 'main':", "bob", "alice", "[SUCCESS] You have successfully left group 'main'.",
        ])
        #expect(lines.contains { $0.hasSuffix("about 4,000 bytes.") })
        #expect(lines.contains { $0.hasSuffix("This server has no such command.") })
        #expect(!lines.contains { $0.contains("%json") }, "what the client asked by itself is nobody's business")

        // What alice did has waited there for bob's next command.
        try await bob.write("%users\n")
        #expect(try await bob.line(containing: #""event":"joined""#).contains(#""name":"alice""#))
        #expect(
            try await bob.line(containing: #""event":"notice""#).contains(
                "New message from alice (ID: 0, Subject: first)"))
        #expect(try await bob.line(containing: #""event":"left""#).contains(#""name":"alice""#))
        await bob.closeInput()
        #expect(await bob.exitStatus() == 0)
        server.stop()
        let commands = await served
        #expect(
            commands.filter { $0 != "%json" } == [
                "%groupjoin main", "%groups", "%groupjoin main", "%grouppost main first Hello  there",
                "%grouplist main", "%groupmessage main 0", "%groupmessage main 9", "%grouppost general a b",
                "%grouppost nowhere a b", "%groupusers main", "%groupleave main", "%groupusers main",
            ])
        #expect(commands.count(where: { $0 == "%json" }) == 2)
    }

    @Test("A name that is taken there ends our client with status 4")
    func taken() async throws {
        let server = try OriginalBoardServer()
        async let served = server.run()
        let first = try client("alice", server, ["--json"])
        _ = try await first.line(containing: #""event":"ready""#)
        let second = try client("alice", server)
        #expect(try await second.rest().contains("Username already in use. Please try another."))
        #expect(await second.exitStatus() == 4)
        await first.closeInput()
        #expect(await first.exitStatus() == 0)
        server.stop()
        _ = await served
    }

    @Test("One-shot commands at the original's server")
    func errands() async throws {
        let server = try OriginalBoardServer()
        async let served = server.run()
        func run(_ arguments: [String]) async throws -> (String, Int32) {
            let process = try ChildProcess(
                ChildProcess.product("chat"),
                ["board"] + arguments + [
                    "--server", "127.0.0.1:\(server.port)", "--name", "bot", "--data", folder.path(of: "bot"),
                ], mergesErrors: true)
            await process.closeInput()
            return (try await process.rest(), await process.exitStatus())
        }
        var (text, status) = try await run(["groups"])
        #expect(text.contains("main, general, sub_1, sub_2, sub_3") && status == 0)
        (text, status) = try await run(["post", "main", "hi", "Hello from a script"])
        #expect(text.contains("Message posted to group 'main' with ID: 0") && status == 0)
        (text, status) = try await run(["read", "main", "0"])
        #expect(text.contains("Hello from a script") && status == 0)
        (text, status) = try await run(["post", "main", "two words", "text"])
        #expect(text.contains("one word as a subject") && status == 1)
        server.stop()
        _ = await served
    }

    @Test("The original's client at our server: every answer of its table, without a newline in any command")
    func ourServer() async throws {
        try await BoardHarness.with { board in
            let other = try await board.person("other", in: ["general"])
            let client = try await RawPeer.connect(to: board.port)
            /// One `recv`, stripped, is what the original prints.
            func receive() async throws -> String {
                withoutDates(
                    String(decoding: try await client.receiveOnce(limit: 8_192), as: UTF8.self).trimmingNewlines)
            }
            func say(_ command: String) async throws -> String {
                try await client.send(command)
                return try await receive()
            }
            #expect(try await receive() == "What is your username?")
            // A name that is taken, and the next one sent at once, one answer behind.
            try await client.send("other")
            #expect(
                try await receive() == "[ERROR] Username already in use. Please try another.\nWhat is your username?")
            #expect(
                try await say("dave") == """
                    [INFO] Welcome dave
                    [INFO] Use '%groups' to see available groups, and '%groupjoin id/name' to enter.
                    """)
            let history = """
                --- Group: main History ---
                ID: 0 | Sender: dave | Date: DATE | Subject: s
                --------------------------------
                """
            let table: [(command: String, answer: String)] = [
                ("%groups", "[INFO] Available Groups (5 total): main, general, sub_1, sub_2, sub_3"),
                ("%GROUPS", "[INFO] Available Groups (5 total): main, general, sub_1, sub_2, sub_3"),
                ("%post s c", "[ERROR] You must join group 'main' before posting."),
                ("%users", "[ERROR] You must join group 'main' to list users."),
                ("%leave", "[ERROR] You are not currently a member of group 'main'."),
                ("%message 0", "[ERROR] You must join group 'main' to retrieve messages."),
                ("%list", "[ERROR] You must join group 'main' to list messages."),
                ("%groupjoin x", "[ERROR] Group 'x' not found."),
                ("%grouppost x s c", "[ERROR] Group 'x' not found."),
                ("%groupusers x", "[ERROR] Group 'x' not found."),
                ("%groupleave x", "[ERROR] Group 'x' not found."),
                ("%groupmessage x 0", "[ERROR] Group 'x' not found."),
                ("%grouplist x", "[ERROR] You must join group 'x' to list messages."),
                (
                    "%join",
                    "[SUCCESS] You have successfully joined group 'main'.\n[INFO] Group 'main' is empty."
                ),
                ("%groupjoin main", "[INFO] You are already a member of group 'main'."),
                ("%list", "[INFO] Group 'main' is empty.\n[INFO] Messages Listed."),
                ("%post s body  with spaces", "[SUCCESS] Message posted to group 'main' with ID: 0"),
                ("%list", history + "\n[INFO] Messages Listed."),
                (
                    "%message 0",
                    """
                    --- Message ID: 0 (Group: main) ---
                    Sender: dave
                    Date: DATE
                    Subject: s
                    ---------------------------------------------------
                    body  with spaces
                    ---------------------------------------------------
                    """
                ),
                ("%message 1", "[ERROR] Message ID '1' not found in group 'main'."),
                ("%users", "[INFO] Users in group 'main':\ndave"),
                (
                    "%connect 127.0.0.1 6789",
                    "[INFO] Already connected to server. Use '%groups' to see available groups."
                ),
                ("hello", "[ERROR] Unknown command or incorrect format: hello"),
                ("%post s", "[ERROR] Unknown command or incorrect format: %post s"),
                ("%grouppost", "[ERROR] Unknown command or incorrect format: %grouppost"),
                ("%message", "[ERROR] Unknown command or incorrect format: %message"),
                ("%leave", "[SUCCESS] You have successfully left group 'main'."),
            ]
            for (command, answer) in table { #expect(try await say(command) == answer, "\(command)") }
            // What others do is pushed, without a command.
            _ = try await say("%groupjoin general")
            #expect(try await other.line() == "[GROUP:general] [NOTIFY] User dave joined the group.")
            try await other.send("%grouppost general news text\n")
            #expect(try await receive() == "[GROUP:general] [NOTIFY] New message from other (ID: 0, Subject: news)")
            try await client.send("%exit")
            #expect(String(decoding: try await client.receiveToEnd(), as: UTF8.self) == "[INFO] Disconnecting...\n")
            _ = try await other.receive(until: "User dave left the group.\n")
        }
    }
}

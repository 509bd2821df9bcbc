import BoardMode
import Delivery
import Store
import TestSupport
import Testing
import Wire

/// Dates vary; everything else is held against the document word for word.
func withoutDates(_ text: String) -> String {
    text.replacing(
        /Date: [A-Z][a-z]+day, \d\d [A-Z][a-z]+ \d{4}, \d\d:\d\d:\d\d[AP]M/, with: "Date: DATE")
}

@Suite("Board: the server over sockets")
struct BoardServerTests {
    @Test("Login: a blank name, a name in use in any case, a free name")
    func login() async throws {
        try await BoardHarness.with { board in
            let alice = try await board.person("alice")
            let other = try await board.connect()
            try await other.send("\n")
            #expect(try await other.line() == "What is your username?")
            try await other.send("ALICE\n")
            #expect(try await other.line() == "[ERROR] Username already in use. Please try another.")
            #expect(try await other.line() == "What is your username?")
            try await other.send("bob\n")
            #expect(try await other.line() == "[INFO] Welcome bob")
            #expect(
                try await other.line()
                    == "[INFO] Use '%groups' to see available groups, and '%groupjoin id/name' to enter.")
            // The name is free again when its owner has gone.
            try await alice.send("%exit\n")
            #expect(try await alice.receiveToEnd() == Array("[INFO] Disconnecting...\n".utf8))
            _ = try await board.person("Alice")
        }
    }

    @Test("Every answer of the table, word for word, as lines")
    func table() async throws {
        try await BoardHarness.with { board in
            let alice = try await board.person("alice")
            #expect(
                try await alice.type("%groups")
                    == "[INFO] Available Groups (5 total): main, general, sub_1, sub_2, sub_3\n")
            #expect(try await alice.type("%post s c") == "[ERROR] You must join group 'main' before posting.\n")
            #expect(try await alice.type("%message 0") == "[ERROR] You must join group 'main' to retrieve messages.\n")
            #expect(try await alice.type("%list") == "[ERROR] You must join group 'main' to list messages.\n")
            #expect(try await alice.type("%users") == "[ERROR] You must join group 'main' to list users.\n")
            #expect(try await alice.type("%leave") == "[ERROR] You are not currently a member of group 'main'.\n")
            for command in ["%groupjoin x", "%grouppost x s c", "%groupusers x", "%groupleave x", "%groupmessage x 1"] {
                #expect(try await alice.type(command) == "[ERROR] Group 'x' not found.\n", "\(command)")
            }
            #expect(try await alice.type("%grouplist x") == "[ERROR] You must join group 'x' to list messages.\n")
            #expect(
                try await alice.type("%join")
                    == "[SUCCESS] You have successfully joined group 'main'.\n[INFO] Group 'main' is empty.\n")
            #expect(try await alice.type("%groupjoin main") == "[INFO] You are already a member of group 'main'.\n")
            #expect(try await alice.type("%list") == "[INFO] Group 'main' is empty.\n[INFO] Messages Listed.\n")
            #expect(try await alice.type("%users") == "[INFO] Users in group 'main':\nalice\n")
            #expect(
                try await alice.type("%post first This is  the body")
                    == "[SUCCESS] Message posted to group 'main' with ID: 0\n")
            #expect(
                try await alice.type("%grouppost main \"two words\" text")
                    == "[SUCCESS] Message posted to group 'main' with ID: 1\n")
            #expect(
                withoutDates(try await alice.type("%message 0")) == """
                    --- Message ID: 0 (Group: main) ---
                    Sender: alice
                    Date: DATE
                    Subject: first
                    ---------------------------------------------------
                    This is  the body
                    ---------------------------------------------------

                    """)
            for id in ["2", "x", "00", "-1", "+0", "99999999999999999999"] {
                #expect(
                    try await alice.type("%message \(id)") == "[ERROR] Message ID '\(id)' not found in group 'main'.\n")
            }
            let history = """
                --- Group: main History ---
                ID: 0 | Sender: alice | Date: DATE | Subject: first
                ID: 1 | Sender: alice | Date: DATE | Subject: two words
                --------------------------------

                """
            #expect(withoutDates(try await alice.type("%grouplist main")) == history + "[INFO] Messages Listed.\n")
            let bob = try await board.person("bob")
            #expect(
                withoutDates(try await bob.type("%JOIN please"))
                    == "[SUCCESS] You have successfully joined group 'main'.\n" + history)
            #expect(try await bob.type("%users") == "[INFO] Users in group 'main':\nalice\nbob\n")
            #expect(try await bob.type("%leave") == "[SUCCESS] You have successfully left group 'main'.\n")
            #expect(
                try await bob.type("%groupleave main") == "[ERROR] You are not currently a member of group 'main'.\n")
            try await bob.send("%connect 1.2.3.4 5\n")
            #expect(
                try await bob.line() == "[INFO] Already connected to server. Use '%groups' to see available groups.")
            #expect(try await bob.type("what is this") == "[ERROR] Unknown command or incorrect format: what is this\n")
            #expect(
                try await bob.type("%post onlysubject")
                    == "[ERROR] Unknown command or incorrect format: %post onlysubject\n")
            #expect(try await bob.type("%help").hasPrefix("[INFO] %groups "))
            try await bob.send("%exit\n")
            #expect(try await bob.receiveToEnd() == Array("[INFO] Disconnecting...\n".utf8))
            #expect(
                try await alice.barrier()
                    == "[GROUP:main] [NOTIFY] User bob joined the group.\n[GROUP:main] [NOTIFY] User bob left the group.\n"
            )
        }
    }

    @Test("A double of the original's client gets the same answers without a single newline")
    func original() async throws {
        try await BoardHarness.with { board in
            // One recv a message, stripped, and one answer behind after a name that was taken.
            let watcher = try await board.person("taken", in: ["main"])
            let client = try await RawPeer.connect(to: board.port)
            func receive() async throws -> String {
                let bytes = try await client.receiveOnce(limit: 8_192)
                return String(decoding: bytes, as: UTF8.self).trimmingNewlines
            }
            #expect(try await receive() == "What is your username?")
            try await client.send("taken")
            #expect(
                try await receive()
                    == "[ERROR] Username already in use. Please try another.\nWhat is your username?")
            try await client.send("carol")
            #expect(
                try await receive() == """
                    [INFO] Welcome carol
                    [INFO] Use '%groups' to see available groups, and '%groupjoin id/name' to enter.
                    """)
            try await client.send("%join")
            #expect(
                try await receive()
                    == "[SUCCESS] You have successfully joined group 'main'.\n[INFO] Group 'main' is empty.")
            try await client.send("%post hello Hello there")
            #expect(try await receive() == "[SUCCESS] Message posted to group 'main' with ID: 0")
            #expect(
                try await watcher.barrier() == """
                    [GROUP:main] [NOTIFY] User carol joined the group.
                    [GROUP:main] [NOTIFY] New message from carol (ID: 0, Subject: hello)

                    """)
            try await watcher.send("%post back Hello carol\n")
            // Pushed at once, without a command of carol's.
            #expect(try await receive() == "[GROUP:main] [NOTIFY] New message from taken (ID: 1, Subject: back)")
            try await client.send("%message 1")
            #expect(try await receive().contains("Hello carol"))
            try await client.send("%exit")
            #expect(String(decoding: try await client.receiveToEnd(), as: UTF8.self) == "[INFO] Disconnecting...\n")
        }
    }

    @Test("Notifications go to every other member of the group, to nobody else, at once")
    func notifications() async throws {
        try await BoardHarness.with { board in
            let alice = try await board.person("alice", in: ["main", "general"])
            let bob = try await board.person("bob", in: ["main"])
            let carol = try await board.person("carol", in: ["general"])
            let program = try await board.program("program")
            _ = try await program.ask(#"{"op":"join","group":"main"}"#)
            for person in [alice, bob, carol] { try await person.barrier() }

            #expect(try await alice.type("%post s text") == "[SUCCESS] Message posted to group 'main' with ID: 0\n")
            let notification = "[GROUP:main] [NOTIFY] New message from alice (ID: 0, Subject: s)\n"
            #expect(try await bob.barrier() == notification)
            #expect(try await carol.barrier() == "")
            let event = try await program.object()
            #expect(event["event"] == "message")
            #expect(event["group"] == "main" && event["offset"] == 0 && event["sender"] == "alice")
            #expect(event["subject"] == "s" && event["text"] == "text")

            // A disconnect leaves every group.
            await alice.close()
            #expect(try await bob.line() == "[GROUP:main] [NOTIFY] User alice left the group.")
            #expect(try await carol.line() == "[GROUP:general] [NOTIFY] User alice left the group.")
            #expect(try await program.object() == ["event": "left", "group": "main", "name": "alice"])
        }
    }

    @Test(
        "Of two who take the same name at the same moment, one gets it; of two who join, each sees the other or is seen"
    )
    func atTheSameMoment() async throws {
        try await BoardHarness.with { board in
            for round in 0..<20 {
                let peers = [try await board.connect(), try await board.connect()]
                async let first: Void = peers[0].send("same\n")
                async let second: Void = peers[1].send("same\n")
                _ = try await (first, second)
                let answers = [try await peers[0].line(), try await peers[1].line()].sorted()
                #expect(
                    answers == ["[ERROR] Username already in use. Please try another.", "[INFO] Welcome same"],
                    "\(round)")
                for peer in peers { await peer.reset() }
                // The name is free when the server has seen both go.
                while true {
                    let probe = try await board.connect()
                    try await probe.send("same\n")
                    let isFree = try await probe.line() == "[INFO] Welcome same"
                    try await probe.send("%exit\n")
                    _ = try await probe.receiveToEnd()
                    if isFree { break }
                }
            }
            let alice = try await board.person("alice")
            let bob = try await board.person("bob")
            async let first: Void = alice.send("%join\n")
            async let second: Void = bob.send("%join\n")
            _ = try await (first, second)
            let texts = [try await alice.barrier(), try await bob.barrier()]
            let all = [texts[0] + (try await alice.barrier()), texts[1] + (try await bob.barrier())]
            #expect(all.allSatisfy { $0.hasPrefix("[SUCCESS] You have successfully joined group 'main'.\n") })
            let told = [all[0].contains("User bob joined"), all[1].contains("User alice joined")]
            #expect(told.count(where: { $0 }) == 1)
            let users = try await alice.type("%users").split(separator: "\n").dropFirst().sorted()
            #expect(users == ["alice", "bob"])
        }
    }

    @Test("Long histories are paged, and each page says how to get the one before")
    func paging() async throws {
        try await BoardHarness.with(visibility: .all) { board in
            let alice = try await board.program("alice")
            _ = try await alice.ask(#"{"op":"join","group":"main"}"#)
            for batch in 0..<12 {
                var lines = ""
                for number in 0..<100 {
                    lines += #"{"op":"post","group":"main","subject":"s\#(batch * 100 + number)","text":"t"}"# + "\n"
                }
                try await alice.send(lines)
                for _ in 0..<100 { #expect(try await alice.object()["event"] == "answer") }
            }
            let bob = try await board.person("bob")
            var text = try await bob.type("%join")
            var seen: [Int] = []
            while true {
                let lines = text.split(separator: "\n")
                let ids = lines.compactMap {
                    $0.firstMatch(of: /^ID: (\d+) \| .*Subject: s(\d+)$/).map { (Int($0.1)!, Int($0.2)!) }
                }
                #expect(ids.allSatisfy { $0.0 == $0.1 })
                seen = ids.map(\.0) + seen
                guard let more = lines.compactMap({ $0.firstMatch(of: /%grouplist main before (\d+)$/) }).first else {
                    break
                }
                #expect(Int(more.1) == ids.first?.0)
                text = try await bob.type("%list before \(more.1)")
                #expect(text.hasSuffix("[INFO] Messages Listed.\n"))
                #expect(text.utf8.count <= GroupStore.pageBytes + 512)
            }
            #expect(seen == Array(0..<1_200))
        }
    }

    @Test("Groups can be created, found by all, and refused")
    func creation() async throws {
        try await BoardHarness.with { board in
            let alice = try await board.person("alice")
            let bob = try await board.person("bob")
            #expect(try await alice.type("%groupcreate den none") == "[SUCCESS] Group 'den' created.\n")
            #expect(try await bob.type("%groupcreate DEN") == "[ERROR] Group 'den' already exists.\n")
            #expect(
                try await bob.type("%groupcreate a\u{202E}b").hasPrefix(
                    "[ERROR] The group name 'a\\u{202E}b' holds a character"))
            #expect(
                try await bob.type("%groups")
                    == "[INFO] Available Groups (6 total): main, general, sub_1, sub_2, sub_3 (+1 more not displayed)\n"
            )
            #expect(
                try await bob.type("%allgroups")
                    == "[INFO] Available Groups (6 total): main, general, sub_1, sub_2, sub_3, den\n")
            _ = try await alice.type("%groupjoin den")
            _ = try await alice.type("%grouppost den a b")
            #expect(
                try await bob.type("%groupjoin Den")
                    == "[SUCCESS] You have successfully joined group 'den'.\n[INFO] Group 'den' is empty.\n")
            // Two who create the same at the same moment.
            async let first = alice.type("%groupcreate twins")
            async let second = bob.type("%groupcreate twins")
            let answers = try await [first, second].map { $0.split(separator: "\n").last! }.sorted()
            #expect(answers == ["[ERROR] Group 'twins' already exists.", "[SUCCESS] Group 'twins' created."])
        }
        try await BoardHarness.with(allowsCreation: false) { board in
            let alice = try await board.person("alice")
            #expect(
                try await alice.type("%groupcreate den") == "[ERROR] Creating groups is turned off on this server.\n")
        }
    }

    @Test("Everything is there after a restart: groups, posts, rules and IDs")
    func restart() async throws {
        let folder = TemporaryFolder()
        let path = folder.path(of: "board.db")
        try await BoardHarness.with(path: path) { board in
            let alice = try await board.person("alice", in: ["main"])
            _ = try await alice.type("%groupcreate den all")
            for number in 0..<5 { _ = try await alice.type("%post s\(number) text") }
        }
        try await BoardHarness.with(path: path) { board in
            let bob = try await board.person("bob")
            #expect(try await bob.type("%groups").contains("6 total"))
            #expect(
                withoutDates(try await bob.type("%join")) == """
                    [SUCCESS] You have successfully joined group 'main'.
                    --- Group: main History ---
                    ID: 3 | Sender: alice | Date: DATE | Subject: s3
                    ID: 4 | Sender: alice | Date: DATE | Subject: s4
                    --------------------------------

                    """)
            #expect(try await bob.type("%post next text") == "[SUCCESS] Message posted to group 'main' with ID: 5\n")
        }
    }

    @Test("A server that ends says so to everybody, and answers what it took")
    func ending() async throws {
        try await BoardHarness.with { board in
            let alice = try await board.person("alice", in: ["main"])
            let program = try await board.program("program")
            try await alice.send("%post s text\n")
            await board.groups.end()
            let text = String(decoding: try await alice.receiveToEnd(), as: UTF8.self)
            #expect(text.hasSuffix("[INFO] The server is shutting down.\n"))
            #expect(try await program.object() == ["event": "closing", "text": "The server is shutting down."])
        }
    }

    @Test("Posts of one connection that come together are answered in order")
    func pipelined() async throws {
        try await BoardHarness.with { board in
            let alice = try await board.person("alice", in: ["main"])
            try await alice.send((0..<500).map { "%post s\($0) text\n" }.joined() + "%message 499\n")
            for id in 0..<500 {
                #expect(try await alice.line() == "[SUCCESS] Message posted to group 'main' with ID: \(id)")
            }
            #expect(
                try await alice.receive(until: "Subject: s499\n").hasPrefix("--- Message ID: 499 (Group: main) ---\n"))
        }
    }

    @Test("A board whose memory is used up says so to who posts, is read all the same, and takes posts again")
    func memoryFull() async throws {
        try await BoardHarness.with { board in
            let alice = try await board.person("alice", in: ["main"])
            #expect(try await alice.type("%post s first") == "[SUCCESS] Message posted to group 'main' with ID: 0\n")
            try await board.store.limitMemory(to: 1)
            #expect(
                try await alice.type("%post s second")
                    == "[ERROR] The server could not store this (its memory is full); try again later.\n")
            #expect(try await alice.type("%message 0").contains("first"))
            try await board.store.limitMemory(to: 1 << 20)
            #expect(try await alice.type("%post s third") == "[SUCCESS] Message posted to group 'main' with ID: 1\n")
        }
    }

    /// How much is kept for whoever does not read is shown turn by turn (`BoardTurnTests.slowReader`), where no kernel's
    /// buffers are in the way.
    @Test("Who asks much and reads late gets every answer in its order, and the others are served meanwhile")
    func slowReader() async throws {
        try await BoardHarness.with { board in
            let alice = try await board.person("alice", in: ["main"])
            let slow = try await board.person("slow")
            // So few bytes that sending them cannot wait, and far more bytes of answers than an outbox holds.
            let count = 2_000
            try await slow.send(String(repeating: "%help\n", count: count))
            #expect(try await alice.type("%post s t") == "[SUCCESS] Message posted to group 'main' with ID: 0\n")
            let answer = BoardHelp.lines.map { "[INFO] \($0)\n" }.joined()
            #expect(answer.utf8.count * count > 1 << 20)
            let whole = try await slow.receive(answer.utf8.count * count)
            #expect(whole == Array(String(repeating: answer, count: count).utf8))
        }
    }
}

extension String {
    var trimmingNewlines: String {
        var text = self[...]
        while text.last?.isNewline == true { text.removeLast() }
        return String(text)
    }
}

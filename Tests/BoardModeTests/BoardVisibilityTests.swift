import BoardMode
import Delivery
import Store
import TestSupport
import Testing
import Wire

/// Rule x path x who: what nobody may see is answered, on every way, like what is not there.
@Suite("Board: visibility on every path")
struct BoardVisibilityTests {
    enum Who: String, CaseIterable, Sendable {
        case stranger, member, formerMember, resumedMember, returnedMember
        /// Has the secret of a member and another name.
        case thief
        /// Is a member of another group.
        case neighbour
    }

    /// Six posts before, then the reader joins, then two more: 0...5, 6, 7. Who sees what, in text and in JSON.
    static let rules: [(rule: VisibilityRule, first: Int64)] = [
        (.none, 6), (.last(1), 5), (.standard, 4), (.last(100), 0), (.all, 0),
    ]

    @Test("A matrix", arguments: rules, Who.allCases)
    func matrix(rule: (rule: VisibilityRule, first: Int64), who: Who) async throws {
        try await BoardHarness.with(visibility: rule.rule) { board in
            let author = try await board.person("author", in: ["main"])
            for number in 0..<6 { _ = try await author.type("%post s\(number) text\(number)") }

            var text = try await board.person("text")
            var program = try await board.program("program")
            // The first offset that this reader may see; nil: nothing at all.
            var first: Int64? = rule.first
            var secret = ""
            switch who {
            case .stranger: break
            case .neighbour:
                _ = try await text.type("%groupjoin general")
                _ = try await program.ask(#"{"op":"join","group":"general"}"#)
            case .thief:
                let owner = try await board.program("owner")
                secret = try await owner.ask(#"{"op":"join","group":"main"}"#)["resume"]?.string ?? ""
            case .member, .formerMember, .resumedMember, .returnedMember:
                _ = try await text.type("%join")
                secret = try await program.ask(#"{"op":"join","group":"main"}"#)["resume"]?.string ?? ""
            }
            for number in 6..<8 { _ = try await author.type("%post s\(number) text\(number)") }
            switch who {
            case .member: break
            case .stranger, .neighbour: first = nil
            case .thief:
                _ = try await text.type("%join")
                let joined = try await program.ask(#"{"op":"join","group":"main","resume":"\#(secret)"}"#)
                #expect(joined["resumed"] == false)
                first = rule.rule.firstVisible(joiningAt: 8)
            case .formerMember:
                first = nil
                _ = try await text.type("%leave")
                _ = try await program.ask(#"{"op":"leave","group":"main"}"#)
            case .resumedMember:
                await text.close()
                await program.close()
                text = try await board.returning("text")
                program = try await board.returningProgram("program")
                // Text has no secret: who comes back by it is a new member.
                _ = try await text.type("%join")
                let joined = try await program.ask(#"{"op":"join","group":"main","resume":"\#(secret)"}"#)
                #expect(joined["resumed"] == true)
                #expect(joined["resume"]?.string == secret)
                #expect(joined["first"]?.integer == rule.first)
                #expect(joined["next"] == 8)
            case .returnedMember:
                _ = try await text.type("%leave")
                _ = try await text.type("%join")
                _ = try await program.ask(#"{"op":"leave","group":"main"}"#)
                // A leave voids the secret.
                let joined = try await program.ask(#"{"op":"join","group":"main","resume":"\#(secret)"}"#)
                #expect(joined["resumed"] == false)
                #expect(joined["resume"]?.string != secret)
                first = rule.rule.firstVisible(joiningAt: 8)
            }
            let textFirst: Int64? = who == .resumedMember ? rule.rule.firstVisible(joiningAt: 8) : first
            if who == .member {
                for number in 6..<8 {
                    let event = try await program.object()
                    #expect(event["event"] == "message" && event["offset"]?.integer == Int64(number))
                }
                try await text.barrier()
            }

            try await text.barrier()
            try await checkText(text, textFirst)
            try await checkProgram(program, first)
            try await checkEvents(author, text, program, isMember: first != nil)
        }
    }

    /// What happens from now on, in text and in JSON: members are told, the others are not.
    func checkEvents(_ author: RawPeer, _ text: RawPeer, _ program: RawPeer, isMember: Bool) async throws {
        try await text.barrier()
        _ = try await program.ask(#"{"op":"ping"}"#)
        #expect(try await author.type("%post s8 text8").hasSuffix("with ID: 8\n"))
        let notification = "[GROUP:main] [NOTIFY] New message from author (ID: 8, Subject: s8)\n"
        #expect(try await text.barrier() == (isMember ? notification : ""))
        try await program.send(#"{"op":"ping"}"# + "\n")
        let next = try await program.object()
        if isMember {
            #expect(next["event"] == "message" && next["offset"] == 8 && next["text"] == "text8")
        } else {
            #expect(next["event"] == "answer" && next["op"] == "ping")
        }
    }

    /// List, paged list and read by ID, in text.
    func checkText(_ text: RawPeer, _ first: Int64?) async throws {
        guard let first else {
            #expect(try await text.type("%list") == "[ERROR] You must join group 'main' to list messages.\n")
            #expect(try await text.type("%list before 8") == "[ERROR] You must join group 'main' to list messages.\n")
            #expect(try await text.type("%message 7") == "[ERROR] You must join group 'main' to retrieve messages.\n")
            #expect(try await text.type("%users") == "[ERROR] You must join group 'main' to list users.\n")
            return
        }
        func ids(_ text: String) -> [Int64] {
            text.split(separator: "\n").compactMap { $0.firstMatch(of: /^ID: (\d+) \|/).flatMap { Int64($0.1) } }
        }
        #expect(ids(try await text.type("%list")) == Array(first..<8))
        #expect(ids(try await text.type("%list before 7")) == Array(min(first, 7)..<7))
        #expect(ids(try await text.type("%list before 0")) == [])
        for id in Int64(0)..<9 {
            let answer = try await text.type("%message \(id)")
            if (first..<8).contains(id) {
                #expect(answer.contains("\ntext\(id)\n"), "\(id)")
            } else {
                #expect(answer == "[ERROR] Message ID '\(id)' not found in group 'main'.\n")
            }
        }
    }

    /// List, read and catch-up from every offset, in JSON.
    func checkProgram(_ program: RawPeer, _ first: Int64?) async throws {
        guard let first else {
            for request in [#""op":"list""#, #""op":"read","offset":7"#, #""op":"since""#, #""op":"users""#] {
                let answer = try await program.ask("{\(request),\"group\":\"main\"}")
                #expect(answer["code"] == "not_member", "\(request)")
            }
            return
        }
        func offsets(_ answer: JSON) -> [Int64]? { answer["messages"]?.array?.compactMap { $0["offset"]?.integer } }
        #expect(offsets(try await program.ask(#"{"op":"list","group":"main"}"#)) == Array(first..<8))
        for id in Int64(0)..<9 {
            let answer = try await program.ask(#"{"op":"read","group":"main","offset":\#(id)}"#)
            if (first..<8).contains(id) {
                #expect(answer["message"]?["text"]?.string == "text\(id)")
            } else {
                #expect(answer["code"] == "no_such_message")
            }
        }
        for known in Int64(-1)..<8 {
            let answer = try await program.ask(#"{"op":"since","group":"main","offset":\#(known)}"#)
            #expect(offsets(answer) == Array(max(first, known + 1)..<8), "since \(known)")
            let gap: JSON? =
                known >= 0 && known + 1 < first ? ["from": .integer(known + 1), "to": .integer(first - 1)] : nil
            #expect(answer["gap"] == gap, "since \(known)")
        }
    }

    @Test("A secret holds for its name and its group only")
    func secrets() async throws {
        try await BoardHarness.with(visibility: .none) { board in
            let author = try await board.person("author", in: ["main", "general"])
            let alice = try await board.program("alice")
            let secret = try await alice.ask(#"{"op":"join","group":"main"}"#)["resume"]?.string ?? ""
            #expect(secret.count == 32)
            _ = try await author.type("%post s hidden")
            await alice.close()
            let mallory = try await board.program("mallory")
            var joined = try await mallory.ask(#"{"op":"join","group":"main","resume":"\#(secret)"}"#)
            #expect(joined["resumed"] == false && joined["first"] == 1)
            let again = try await board.returningProgram("Alice")
            joined = try await again.ask(#"{"op":"join","group":"general","resume":"\#(secret)"}"#)
            #expect(joined["resumed"] == false)
            joined = try await again.ask(#"{"op":"join","group":"main","resume":"\#(secret)"}"#)
            #expect(joined["resumed"] == true && joined["first"] == 0)
        }
    }

    @Test("A secret outlives the server, and seven days of absence at most")
    func secretsAreKept() async throws {
        let folder = TemporaryFolder()
        let path = folder.path(of: "board.db")
        let secrets = Box<[String]>([])
        try await BoardHarness.with(path: path, visibility: .none) { board in
            for name in ["alice", "bob"] {
                let program = try await board.program(name)
                let joined = try await program.ask(#"{"op":"join","group":"main"}"#)
                await secrets.change { $0.append(joined["resume"]?.string ?? "") }
            }
            let author = try await board.person("author", in: ["main"])
            _ = try await author.type("%post s while away")
        }
        // Bob was away for longer than that.
        let kept = await secrets.value
        try await BoardHarness.with(path: path, visibility: .none) { store in
            try await store.write { (transaction) throws(StoreError) in
                _ = try transaction.run(
                    "UPDATE resume SET used = used - ? WHERE name = ?", .integer(BoardStorage.resumeLifetime + 1),
                    .text("bob"))
            }
        } _: { board in
            let alice = try await board.program("alice")
            let resumed = try await alice.ask(#"{"op":"join","group":"main","resume":"\#(kept[0])"}"#)
            #expect(resumed["resumed"] == true && resumed["first"] == 0 && resumed["next"] == 1)
            let bob = try await board.program("bob")
            let fresh = try await bob.ask(#"{"op":"join","group":"main","resume":"\#(kept[1])"}"#)
            #expect(fresh["resumed"] == false && fresh["first"] == 1)
        }
    }

    @Test("Who comes back with an epoch and an offset gets exactly what it missed, in pages, or is told of the loss")
    func catchUp() async throws {
        try await BoardHarness.with { board in
            let author = try await board.person("author", in: ["main"])
            var program = try await board.program("program")
            let joined = try await program.ask(#"{"op":"join","group":"main"}"#)
            let secret = joined["resume"]!.string!
            let epoch = joined["epoch"]!.string!
            await program.close()
            try await author.send((0..<25).map { "%post s\($0) text\n" }.joined())
            _ = try await author.receive(until: "with ID: 24\n")
            program = try await board.returningProgram("program")
            _ = try await program.ask(#"{"op":"join","group":"main","resume":"\#(secret)"}"#)
            var known: Int64 = -1
            var pages = 0
            while true {
                let page = try await program.ask(
                    #"{"op":"since","group":"main","epoch":"\#(epoch)","offset":\#(known),"limit":10}"#)
                let offsets = page["messages"]!.array!.map { $0["offset"]!.integer! }
                #expect(offsets.first == known + 1)
                pages += 1
                guard let next = page["next"]?.integer else {
                    known = offsets.last!
                    break
                }
                #expect(offsets.count == 10 && next == offsets.last)
                known = next
            }
            #expect(known == 24 && pages == 3)
            let other = try await program.ask(
                #"{"op":"since","group":"main","epoch":"0000000000000000","offset":20}"#)
            #expect(other["reset"] == true && other["messages"]?.array?.count == 25)
            let beyond = try await program.ask(#"{"op":"since","group":"main","epoch":"\#(epoch)","offset":99}"#)
            #expect(beyond["reset"] == true)
            let uptodate = try await program.ask(#"{"op":"since","group":"main","epoch":"\#(epoch)","offset":24}"#)
            #expect(uptodate["reset"] == nil && uptodate["messages"] == [] && uptodate["gap"] == nil)
        }
    }

    @Test("A repeated post is stored once and answered alike; another's id is refused")
    func repeatedPost() async throws {
        try await BoardHarness.with { board in
            let watcher = try await board.person("watcher", in: ["main"])
            let alice = try await board.program("alice")
            _ = try await alice.ask(#"{"op":"join","group":"main"}"#)
            let post = #"{"op":"post","id":"000102030405060708090a0b0c0d0e0f","group":"main","subject":"s","text":"t"}"#
            let first = try await alice.ask(post)
            #expect(first["offset"] == 0 && first["id"] == "000102030405060708090a0b0c0d0e0f")
            #expect(try await alice.ask(post) == first)
            let mallory = try await board.program("mallory")
            _ = try await mallory.ask(#"{"op":"join","group":"main"}"#)
            #expect(try await mallory.ask(post)["code"] == "id_taken")
            // In another group it is another post.
            _ = try await alice.ask(#"{"op":"join","group":"general"}"#)
            let elsewhere = try await alice.ask(post.replacing("main", with: "general"))
            #expect(elsewhere["offset"] == 0 && elsewhere["group"] == "general")
            #expect(
                try await watcher.barrier() == """
                    [GROUP:main] [NOTIFY] User alice joined the group.
                    [GROUP:main] [NOTIFY] New message from alice (ID: 0, Subject: s)
                    [GROUP:main] [NOTIFY] User mallory joined the group.

                    """)
        }
    }
}

/// A value that several tasks of a test change.
actor Box<Value: Sendable> {
    private(set) var value: Value
    init(_ value: Value) { self.value = value }
    func change(_ body: @Sendable (inout Value) -> Void) { body(&value) }
}

extension BoardHarness {
    /// Somebody whose last connection is on its way out: tries until the name is free.
    func returning(_ name: String) async throws -> RawPeer {
        while true {
            let peer = try await connect()
            try await peer.send("\(name)\n")
            if try await peer.line().hasPrefix("[INFO] Welcome") {
                _ = try await peer.line()
                return peer
            }
        }
    }

    func returningProgram(_ name: String) async throws -> RawPeer {
        while true {
            let peer = try await connect()
            if try await peer.ask(#"{"op":"hello","name":"\#(name)"}"#)["event"] == "ready" { return peer }
        }
    }
}

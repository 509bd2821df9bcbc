import Delivery
import Net
import Platform
import Store
import TestSupport
import Testing
import Wire

@testable import BoardMode

/// The scenario of the board by `handle(turn)`: what each turn sends, byte for byte, with no socket in sight.
@Suite("Board: turn by turn")
struct BoardTurnTests {
    typealias Sent = RecordingOutbound.Sent

    /// A board whose disk works only while `withDisk` runs, so that a test sees what is said before and after a commit.
    struct Stage {
        let outbound = RecordingOutbound()
        let thread: WorkerThread
        let groups: GroupStore
        let store: MessageStore
        let listener: SocketID
        static let peer = SocketAddress(ip: .v4(0x7f00_0001), port: 50_000)

        init(groups names: [String] = ["main", "general"], limitsRate: Bool = false) async throws {
            thread = try WorkerThread(name: "board")
            store = try await MessageStore.open(path: nil, schema: BoardStorage.schema)
            let wanted = try names.map { (name: try GroupName(validating: $0), visibility: VisibilityRule.standard) }
            let groups = try await BoardStorage.openGroups(wanted, recent: GroupStore.recentPosts, in: store)
            var options = GroupStore.Options()
            options.limitsRate = limitsRate
            options.utcOffset = { _ in 0 }
            self.groups = GroupStore(
                executor: thread, outbound: outbound, store: store, groups: groups, options: options)
            listener = outbound.makeSocket()
        }

        func end() async {
            await store.close()
            thread.stop()
        }

        /// Hands a turn over.
        ///
        /// - Returns: what it sent, as text, to each in order.
        @discardableResult
        func turn(_ events: NetEvent...) async -> [String] {
            await groups.handle(events)
            return said()
        }

        func said() -> [String] {
            outbound.takeSent().map { sent in
                switch sent {
                case .stream(let id, let bytes): "\(id.slot): \(String(decoding: bytes, as: UTF8.self))"
                case .closed(let id): "\(id.slot) closed"
                case .reset(let id): "\(id.slot) reset"
                case .paused(let id): "\(id.slot) paused"
                case .resumed(let id): "\(id.slot) resumed"
                case .shutdown: "shutdown"
                case .datagram: "a datagram"
                }
            }
        }

        func accepted() -> (SocketID, NetEvent) {
            let id = outbound.makeSocket()
            return (id, .accepted(id, listener: listener, peer: Self.peer))
        }

        func says(_ text: String, _ id: SocketID) -> NetEvent { .received(id, Array(text.utf8)[...]) }

        /// Somebody in session, in groups.
        func person(_ name: String, in groups: [String] = []) async -> SocketID {
            let (id, event) = accepted()
            await turn(event, says(([name] + groups.map { "%groupjoin \($0)" }).joined(separator: "\n") + "\n", id))
            return id
        }

        /// Runs the disk until the body is done.
        func withDisk(_ body: () async -> Void) async {
            let groups = groups
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await groups.workWithDisk() }
                await body()
                await groups.finishWithDisk()
            }
        }

        /// Waits until somebody was sent something.
        func next(to id: SocketID) async -> String {
            await outbound.next {
                if case .stream(id, let bytes) = $0 { String(decoding: bytes, as: UTF8.self) } else { nil }
            }
        }
    }

    @Test("Nobody takes all the room that there is for groups")
    func groupsOfOneAddress() async throws {
        let stage = try await Stage(limitsRate: true)
        /// True where it was refused; one that is not waits for the disk.
        func create(_ number: Int) async -> Bool {
            let person = await stage.person("p\(number)")
            let said = await stage.turn(stage.says("%groupcreate g\(number)\n", person))
            await stage.turn(.closed(person, .remote))
            #expect(said.isEmpty || said == ["\(person.slot): [ERROR] \(Self.tooManyGroups)\n"])
            return !said.isEmpty
        }
        let burst = EntryLimiter.Rate.creations.burst
        for number in 0..<burst { #expect(await !create(number)) }
        #expect(await create(burst))
        stage.outbound.now += .seconds(10)
        #expect(await !create(burst + 1))
        #expect(await create(burst + 2))
        await stage.end()
    }

    private static let tooManyGroups = "Too many groups were created from your address; wait a few minutes."

    @Test("Join, post, visibility, leave: who is sent what, and a success only after its commit")
    func scenario() async throws {
        let stage = try await Stage()
        let (alice, connected) = stage.accepted()
        let a = alice.slot
        #expect(await stage.turn(connected) == ["\(a): What is your username?\n"])
        #expect(
            await stage.turn(stage.says("alice\n%join\n", alice)) == [
                "\(a): [INFO] Welcome alice\n[INFO] Use '%groups' to see available groups, and '%groupjoin id/name' to enter.\n",
                "\(a): [SUCCESS] You have successfully joined group 'main'.\n[INFO] Group 'main' is empty.\n",
            ])
        let bob = await stage.person("bob")
        let stranger = await stage.person("carol", in: ["general"])
        #expect(
            await stage.turn(stage.says("%join\n", bob)) == [
                "\(a): [GROUP:main] [NOTIFY] User bob joined the group.\n",
                "\(bob.slot): [SUCCESS] You have successfully joined group 'main'.\n[INFO] Group 'main' is empty.\n",
            ])
        // The disk stands still: nothing is said of the post, to nobody.
        #expect(await stage.turn(stage.says("%post first Hello\n%post second Hello\n%post third Hello\n", alice)) == [])
        await stage.withDisk {
            #expect(
                await stage.next(to: bob)
                    == (0..<3).map {
                        "[GROUP:main] [NOTIFY] New message from alice (ID: \($0), Subject: \(["first", "second", "third"][$0]))\n"
                    }.joined())
            for id in 0..<3 {
                #expect(await stage.next(to: alice) == "[SUCCESS] Message posted to group 'main' with ID: \(id)\n")
            }
        }
        #expect(stage.said() == [], "nobody else was told, and nobody twice")
        // Who comes now sees the last two; carol, who is elsewhere, nothing.
        let dave = await stage.person("dave")
        let joined = await stage.turn(stage.says("%join\n", dave))
        #expect(
            joined.last.map(withoutDates) == """
                \(dave.slot): [SUCCESS] You have successfully joined group 'main'.
                --- Group: main History ---
                ID: 1 | Sender: alice | Date: DATE | Subject: second
                ID: 2 | Sender: alice | Date: DATE | Subject: third
                --------------------------------

                """)
        #expect(joined.count == 3)
        #expect(
            await stage.turn(stage.says("%message 0\n", dave))
                == ["\(dave.slot): [ERROR] Message ID '0' not found in group 'main'.\n"])
        let hidden = await stage.turn(stage.says("%message 0\n%list\n", stranger))
        #expect(
            hidden == [
                "\(stranger.slot): [ERROR] You must join group 'main' to retrieve messages.\n",
                "\(stranger.slot): [ERROR] You must join group 'main' to list messages.\n",
            ])
        #expect(
            await stage.turn(stage.says("%leave\n", bob)) == [
                "\(a): [GROUP:main] [NOTIFY] User bob left the group.\n",
                "\(dave.slot): [GROUP:main] [NOTIFY] User bob left the group.\n",
                "\(bob.slot): [SUCCESS] You have successfully left group 'main'.\n",
            ])
        // A disconnect leaves every group, and gives the name back.
        #expect(
            await stage.turn(.closed(dave, .remote)) == ["\(a): [GROUP:main] [NOTIFY] User dave left the group.\n"])
        let again = await stage.person("dave")
        #expect(again != dave)
        await stage.end()
    }

    @Test("An event is encoded once for all who hear of it, and posts of one commit leave in one piece")
    func fanOut() async throws {
        let stage = try await Stage()
        var members: [SocketID] = []
        for number in 0..<50 { members.append(await stage.person("member\(number)", in: ["main"])) }
        let alice = await stage.person("alice", in: ["main"])
        let bob = await stage.person("bob", in: ["main"])
        let before = stage.outbound.encodes
        #expect(await stage.turn(stage.says("%post a1 x\n%post a2 x\n", alice), stage.says("%post b1 x\n", bob)) == [])
        func event(_ id: Int, _ name: String, _ subject: String) -> String {
            "[GROUP:main] [NOTIFY] New message from \(name) (ID: \(id), Subject: \(subject))\n"
        }
        await stage.withDisk {
            for member in members {
                #expect(
                    await stage.next(to: member) == event(0, "alice", "a1") + event(1, "alice", "a2")
                        + event(2, "bob", "b1"))
            }
            // Authors get what the others wrote, and their own answers.
            #expect(await stage.next(to: alice) == event(2, "bob", "b1"))
            #expect(await stage.next(to: bob) == event(0, "alice", "a1") + event(1, "alice", "a2"))
            #expect(await stage.next(to: alice) == "[SUCCESS] Message posted to group 'main' with ID: 0\n")
            #expect(await stage.next(to: alice) == "[SUCCESS] Message posted to group 'main' with ID: 1\n")
            #expect(await stage.next(to: bob) == "[SUCCESS] Message posted to group 'main' with ID: 2\n")
        }
        // One for the events, whoever hears of them, and one for each answer.
        #expect(stage.outbound.encodes - before == 4)
        #expect(stage.said() == [])
        await stage.end()
    }

    @Test(
        "Who does not read is not answered without end: further commands wait until there is room, and all are answered"
    )
    func slowReader() async throws {
        let stage = try await Stage()
        let slow = await stage.person("slow")
        let answer = "\(slow.slot): [INFO] Available Groups (2 total): main, general\n"
        stage.outbound.setOutboxCount(GroupStore.outboxGate + 1, of: slow)
        #expect(
            await stage.turn(stage.says("%groups\n%groups\n%groups\n", slow)) == [answer, "\(slow.slot) paused"])
        // The others do not notice.
        let other = await stage.person("other")
        #expect(
            await stage.turn(stage.says("%connect\n", other)) == [
                "\(other.slot): [INFO] Already connected to server. Use '%groups' to see available groups.\n"
            ])
        // Room for one more, and then for all.
        #expect(await stage.turn(.drained(slow)) == [answer])
        stage.outbound.setOutboxCount(0, of: slow)
        #expect(await stage.turn(.drained(slow)) == [answer, "\(slow.slot) resumed"])
        #expect(await stage.turn(stage.says("%groups\n", slow)) == [answer])
        await stage.end()
    }

    @Test("A signal ends the board when all is answered; a second one does not wait")
    func signals() async throws {
        let stage = try await Stage()
        let alice = await stage.person("alice", in: ["main"])
        let bob = await stage.person("bob")
        await stage.turn(stage.says("%post s text\n", alice))
        // The post is not on the disk: its author is not left without an answer.
        let first = await stage.turn(.signal(.interrupt))
        #expect(Set(first) == ["\(alice.slot) paused", "\(bob.slot) paused"])
        #expect(await stage.turn(.signal(.interrupt)) == ["\(alice.slot) reset", "\(bob.slot) reset", "shutdown"])
        #expect(await stage.groups.abandonedBy == .interrupt)
        #expect(await stage.turn(.signal(.terminate)) == [])
        await stage.turn(.closed(alice, .local), .closed(bob, .local))
        await stage.withDisk {}
        #expect(stage.said() == [])
        await stage.end()

        let other = try await Stage()
        let carol = await other.person("carol")
        #expect(
            await other.turn(.signal(.terminate)) == [
                "\(carol.slot) paused", "\(carol.slot): [INFO] The server is shutting down.\n",
                "\(carol.slot) closed", "shutdown",
            ])
        #expect(await other.groups.abandonedBy == nil)
        await other.end()
    }
}

/// A client's connection, by the events of its hub.
@Suite("Board: a client's link")
struct BoardLinkTests {
    @Test("Leaving says goodbye and closes; whoever cannot wait for that resets")
    func leaving() throws {
        let outbound = RecordingOutbound()
        let link = BoardLink(
            to: try Endpoint(parsing: "127.0.0.1:6789"), as: try Nickname(validating: "alice"), with: outbound)
        let socket = outbound.makeSocket()
        link.dial()
        #expect(link.handle(.connected(socket, token: 1, peer: BoardTurnTests.Stage.peer)).count == 1)
        let lines =
            "What is your username?\n[INFO] Welcome alice\n[INFO] Use '%groups' to see\n"
            + #"{"event":"ready","op":"json","version":1,"name":"alice"}"# + "\n"
        #expect(link.handle(.received(socket, Array(lines.utf8)[...])).last == .ready(.json))
        _ = outbound.takeSent()
        link.hold(true)
        link.hold(false)
        #expect(outbound.takeSent() == [.paused(socket), .resumed(socket)])
        link.leave()
        #expect(
            outbound.takeSent() == [.stream(socket, Array("{\"op\":\"exit\"}\n".utf8)), .closed(socket)])
        link.abort()
        #expect(outbound.takeSent() == [.reset(socket)])
        #expect(link.handle(.closed(socket, .local)) == [])
        #expect(outbound.timers.isEmpty, "nothing is tried again")
    }
}

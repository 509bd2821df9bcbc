import BoardMode
import Delivery
import Testing
import Wire

@Suite("Board: what a client follows")
struct BoardFollowMachineTests {
    typealias Machine = BoardFollowMachine
    typealias Effect = BoardFollowMachine.Effect

    static let alice = try! Nickname(validating: "alice")
    static let server = try! Endpoint(parsing: "127.0.0.1:6789")
    static let epoch = Epoch(value: 1)
    static let secret = ResumeSecret(MessageID(high: 7, low: 7))

    static func message(_ offset: Int64, by author: String = "bob", id: UInt64? = nil) -> KeptMessage {
        KeptMessage(
            offset: offset, id: MessageID(high: 0, low: id ?? UInt64(offset)), author: author,
            time: Timestamp(microseconds: 0), subject: "s", text: "t\(offset)")
    }

    static func shown(_ offset: Int64, caughtUp: Bool = false, own: Bool = false) -> Effect {
        .show(group: "main", message(offset, by: own ? "alice" : "bob"), isCaughtUp: caughtUp, isOwn: own)
    }

    static func draft(_ id: UInt64) -> BoardDraft {
        BoardDraft(id: MessageID(high: 0, low: id), subject: try! Subject(validating: "s"), text: "t")
    }

    static func joined(next: Int64, first: Int64, epoch: Epoch = epoch, resumed: Bool = false) -> BoardAnswer {
        .joined(
            JoinedGroup(
                group: "main", epoch: epoch, nextOffset: next, firstVisible: first, resume: secret, isResumed: resumed,
                history: nil))
    }

    static func page(
        _ offsets: [Int64], gap: ClosedRange<Int64>? = nil, next: Int64? = nil, reset: Bool = false,
        by author: String = "bob"
    )
        -> BoardAnswer
    {
        .caughtUp(
            CatchUp(
                group: "main", epoch: epoch, messages: offsets.map { message($0, by: author) }, gap: gap, next: next,
                isReset: reset))
    }

    static func event(_ offset: Int64) -> BoardIncoming {
        .event(.posted(group: "main", epoch: epoch, message(offset)))
    }

    static func answer(_ operation: String, _ number: Int64, _ answer: BoardAnswer) -> BoardIncoming {
        .answer(operation: operation, id: .integer(number), answer)
    }

    static func since(_ offset: Int64, _ number: Int64, epoch: Epoch = epoch) -> Effect {
        .send(.since(group: "main", epoch: epoch, offset: offset, limit: nil), number: number)
    }

    func machine() -> Machine { Machine(name: Self.alice, memory: BoardMemory(server: Self.server, name: Self.alice)) }

    /// In main, live, with nothing there.
    func inMain(_ dialect: BoardLinkMachine.Dialect = .json) -> Machine {
        var machine = machine()
        _ = machine.linkUp(dialect)
        _ = machine.request(.join(group: "main", resume: nil), tag: 1)
        if dialect == .json {
            _ = machine.incoming(Self.answer("join", 1, Self.joined(next: 0, first: 0)))
            _ = machine.incoming(Self.answer("since", 2, Self.page([])))
        } else {
            machine.lines(["[SUCCESS] You have successfully joined group 'main'."])
            _ = machine.commandAnswered(1)
        }
        return machine
    }

    @Test("A first join shows the newest of what may be seen, then what happens")
    func firstJoin() {
        var machine = machine()
        #expect(machine.linkUp(.json) == [])
        #expect(
            machine.request(.join(group: "MAIN", resume: nil), tag: 1)
                == [.send(.join(group: "MAIN", resume: nil), number: 1)])
        #expect(
            machine.incoming(Self.answer("join", 1, Self.joined(next: 5, first: 3))) == [
                .answer(Self.joined(next: 5, first: 3), tag: 1), .remember, Self.since(2, 2),
            ])
        // What happens meanwhile is held, so that the order is that of the group.
        #expect(machine.incoming(Self.event(5)) == [])
        #expect(
            machine.incoming(Self.answer("since", 2, Self.page([3, 4]))) == [
                Self.shown(3, caughtUp: true), Self.shown(4, caughtUp: true), Self.shown(5), .remember,
            ])
        #expect(machine.incoming(Self.event(6)) == [Self.shown(6), .remember])
        #expect(machine.incoming(Self.event(6)) == [.remember])
        #expect(
            machine.memory.place(of: "main")
                == BoardPlace(group: "main", secret: Self.secret, epoch: Self.epoch, last: 6))
        #expect(machine.groups == ["main"])
    }

    @Test("A long past is not poured out")
    func longPast() {
        var machine = machine()
        _ = machine.linkUp(.json)
        _ = machine.request(.join(group: "main", resume: nil), tag: 1)
        #expect(
            machine.incoming(Self.answer("join", 1, Self.joined(next: 1_000, first: 0))) == [
                .answer(Self.joined(next: 1_000, first: 0), tag: 1), .earlier(group: "main", count: 950), .remember,
                Self.since(949, 2),
            ])
    }

    @Test("After a lost link the group is joined again by its secret, and what was missed is shown once, in pages")
    func reconnect() {
        var machine = inMain()
        _ = machine.incoming(Self.event(0))
        #expect(machine.linkDown() == [])
        #expect(machine.linkDown() == [])
        #expect(machine.linkUp(.json) == [.send(.join(group: "main", resume: Self.secret), number: 3)])
        #expect(
            machine.incoming(Self.answer("join", 3, Self.joined(next: 4, first: 0, resumed: true)))
                == [.remember, Self.since(0, 4)])
        #expect(
            machine.incoming(Self.answer("since", 4, Self.page([1, 2], next: 2)))
                == [Self.shown(1, caughtUp: true), Self.shown(2, caughtUp: true), Self.since(2, 5), .remember])
        #expect(machine.incoming(Self.event(4)) == [])
        #expect(
            machine.incoming(Self.answer("since", 5, Self.page([3, 4])))
                == [Self.shown(3, caughtUp: true), Self.shown(4, caughtUp: true), .remember])
        #expect(machine.incoming(Self.event(5)) == [Self.shown(5), .remember])
    }

    @Test("What may not be seen is a gap; a lost store is said so, and what follows is shown from its beginning")
    func losses() {
        var machine = inMain()
        for offset in Int64(0)...3 { _ = machine.incoming(Self.event(offset)) }
        _ = machine.linkDown()
        _ = machine.linkUp(.json)
        _ = machine.incoming(Self.answer("join", 3, Self.joined(next: 20, first: 18)))
        #expect(
            machine.incoming(Self.answer("since", 4, Self.page([18, 19], gap: 4...17))) == [
                .gap(group: "main", 4...17), Self.shown(18, caughtUp: true), Self.shown(19, caughtUp: true), .remember,
            ])
        _ = machine.linkDown()
        _ = machine.linkUp(.json)
        let other = Epoch(value: 2)
        #expect(
            machine.incoming(Self.answer("join", 5, Self.joined(next: 1, first: 0, epoch: other))) == [
                .reset(group: "main"), .remember, Self.since(-1, 6, epoch: other),
            ])
    }

    @Test("A flood while catching up is not kept: it is caught up too")
    func flood() {
        var machine = inMain()
        _ = machine.linkDown()
        _ = machine.linkUp(.json)
        _ = machine.incoming(Self.answer("join", 3, Self.joined(next: 0, first: 0)))
        for offset in Int64(0)..<Int64(Machine.heldLimit) + 5 { #expect(machine.incoming(Self.event(offset)) == []) }
        #expect(machine.incoming(Self.answer("since", 4, Self.page([]))) == [Self.since(-1, 5), .remember])
        let all = Array(Int64(0)..<Int64(Machine.heldLimit) + 5)
        #expect(
            machine.incoming(Self.answer("since", 5, Self.page(all)))
                == all.map { Self.shown($0, caughtUp: true) } + [.remember])
    }

    // MARK: - Posts

    @Test("A post is answered with its place, and is not shown a second time")
    func post() {
        var machine = inMain()
        #expect(
            machine.request(.post(group: "main", Self.draft(9)), tag: 2) == [
                .send(.post(group: "main", Self.draft(9)), number: 3)
            ])
        let answer = BoardAnswer.posted(
            group: "main", epoch: Self.epoch, offset: 0, id: MessageID(high: 0, low: 9),
            time: Timestamp(microseconds: 0))
        let id: JSON = .string(MessageID(high: 0, low: 9).hex)
        #expect(
            machine.incoming(.answer(operation: "post", id: id, answer)) == [
                .remember, .posted(MessageID(high: 0, low: 9), group: "main", .accepted(offset: 0), tag: 2),
            ])
        #expect(machine.isIdle)
        #expect(machine.incoming(.answer(operation: "post", id: id, answer)) == [])
        #expect(machine.memory.place(of: "main")?.last == 0)
    }

    @Test("A post without an answer is sent again with its id; one that had arrived is known by the catch-up")
    func postAgain() {
        var machine = inMain()
        _ = machine.request(.post(group: "main", Self.draft(100)), tag: 2)
        _ = machine.request(.post(group: "main", Self.draft(101)), tag: 3)
        #expect(machine.linkDown() == [])
        // Typed while the link was down.
        let waiting = MessageID(high: 0, low: 102)
        #expect(
            machine.request(.post(group: "main", Self.draft(102)), tag: 4)
                == [.posted(waiting, group: "main", .waiting, tag: 4)])
        _ = machine.linkUp(.json)
        _ = machine.incoming(Self.answer("join", 5, Self.joined(next: 1, first: 0)))
        let arrived = BoardAnswer.caughtUp(
            CatchUp(
                group: "main", epoch: Self.epoch, messages: [Self.message(0, by: "alice", id: 100)], gap: nil,
                next: nil,
                isReset: false))
        #expect(
            machine.incoming(Self.answer("since", 6, arrived)) == [
                .posted(MessageID(high: 0, low: 100), group: "main", .accepted(offset: 0), tag: 2),
                .send(.post(group: "main", Self.draft(101)), number: 7),
                .send(.post(group: "main", Self.draft(102)), number: 8), .remember,
            ])
        #expect(machine.pendingPosts == 2)
    }

    @Test("What an earlier run of the program posted is one's own")
    func ownPast() {
        var machine = inMain()
        _ = machine.linkDown()
        _ = machine.linkUp(.json)
        _ = machine.incoming(Self.answer("join", 3, Self.joined(next: 1, first: 0)))
        #expect(
            machine.incoming(Self.answer("since", 4, Self.page([0], by: "ALICE"))).first
                == .show(group: "main", Self.message(0, by: "ALICE"), isCaughtUp: true, isOwn: true))
    }

    @Test("A group that will not take us back takes the posts with it, and says so")
    func joinRefused() {
        var machine = inMain()
        _ = machine.linkDown()
        _ = machine.request(.post(group: "main", Self.draft(1)), tag: 2)
        _ = machine.linkUp(.json)
        #expect(
            machine.incoming(Self.answer("join", 3, .groupFull(group: "main"))) == [
                .answer(.groupFull(group: "main"), tag: -1),
                .posted(
                    MessageID(high: 0, low: 1), group: "main",
                    .refused(BoardRefusal(.groupFull, "Group 'main' is full.")), tag: 2),
            ])
        #expect(machine.groups == [])
    }

    @Test("Requests that were under way when the link was lost are answered, those offline too")
    func lostRequests() {
        var machine = inMain()
        _ = machine.request(.users(group: "main"), tag: 5)
        let lost = BoardRefusal(.unknown, "The connection was lost before the answer came; try again.")
        #expect(machine.linkDown() == [.answer(.refused(lost), tag: 5)])
        let offline = BoardRefusal(.unknown, "There is no connection to the server; try again when it is back.")
        #expect(machine.request(.users(group: "main"), tag: 6) == [.answer(.refused(offline), tag: 6)])
        #expect(machine.request(.join(group: "x", resume: nil), tag: 7) == [.answer(.refused(offline), tag: 7)])
    }

    @Test("A leave forgets the place, and the group is not joined again")
    func leaving() {
        var machine = inMain()
        #expect(machine.request(.leave(group: "Main"), tag: 5) == [.remember, .send(.leave(group: "Main"), number: 3)])
        #expect(
            machine.incoming(Self.answer("leave", 3, .left(group: "main"))) == [.answer(.left(group: "main"), tag: 5)])
        #expect(machine.memory.places == [])
        _ = machine.linkDown()
        #expect(machine.linkUp(.json) == [])
    }

    @Test("A leave gives up a place of an earlier run by its secret, once")
    func leavingFromAway() {
        var first = inMain()
        let secret = first.memory.places[0].secret
        #expect(secret != nil)
        var machine = Machine(name: Self.alice, memory: first.memory)
        // Not while nobody can be told.
        let offline = BoardRefusal(.unknown, "There is no connection to the server; try again when it is back.")
        #expect(machine.request(.leave(group: "main"), tag: 4) == [.answer(.refused(offline), tag: 4)])
        #expect(machine.memory == first.memory)
        _ = machine.linkUp(.json)
        #expect(
            machine.request(.leave(group: "Main"), tag: 5) == [
                .remember, .send(.leave(group: "Main", resume: secret), number: 1),
            ])
        #expect(machine.memory.places == [])
        #expect(machine.request(.leave(group: "Main"), tag: 6) == [.send(.leave(group: "Main"), number: 2)])
        // Who is in the group needs none.
        #expect(first.request(.leave(group: "main"), tag: 7).last == .send(.leave(group: "main"), number: 3))
    }

    @Test("A second join is answered here")
    func twice() {
        var machine = inMain()
        #expect(
            machine.request(.join(group: "main", resume: nil), tag: 5) == [
                .answer(.alreadyMember(group: "main"), tag: 5)
            ])
    }

    // MARK: - Text

    @Test("With the original: the fate of a post is read from its answer, and a lost link leaves it unknown")
    func text() {
        var machine = inMain(.text)
        let id = MessageID(high: 0, low: 9)
        func post() { _ = machine.request(.post(group: "main", Self.draft(9)), tag: 2) }
        post()
        machine.lines(["[GROUP:main] [NOTIFY] x", "[SUCCESS] Message posted to group 'main' with ID: 12"])
        #expect(machine.commandAnswered(2) == [.posted(id, group: "main", .accepted(offset: 12), tag: 2)])
        post()
        machine.lines(["[ERROR] You must join group 'main' before posting."])
        #expect(
            machine.commandAnswered(3) == [
                .posted(
                    id, group: "main",
                    .refused(BoardRefusal(.unknown, "server: You must join group 'main' before posting.")), tag: 2)
            ])
        post()
        #expect(machine.commandAnswered(4) == [.posted(id, group: "main", .unknown, tag: 2)])
        post()
        #expect(machine.linkDown() == [.posted(id, group: "main", .unknown, tag: 2)])
        #expect(machine.linkUp(.text) == [.send(.join(group: "main", resume: nil), number: 6)])
    }

    @Test("What is remembered is read back, and a damaged file is empty")
    func memory() {
        var machine = inMain()
        _ = machine.incoming(Self.event(0))
        let memory = machine.memory
        #expect(BoardMemory(parsing: memory.bytes, server: Self.server, name: Self.alice) == memory)
        let empty = BoardMemory(server: Self.server, name: Self.alice)
        #expect(BoardMemory(parsing: Array(memory.bytes.dropLast(5)), server: Self.server, name: Self.alice) == empty)
        let bob = try! Nickname(validating: "bob")
        #expect(BoardMemory(parsing: memory.bytes, server: Self.server, name: bob).places == [])
        #expect(BoardMemory(server: Self.server, name: bob).fileName != empty.fileName)
    }
}

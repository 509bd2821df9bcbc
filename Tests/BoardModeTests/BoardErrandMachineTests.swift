import BoardMode
import Delivery
import Testing
import Wire

@Suite("Board: one-shot commands")
struct BoardErrandMachineTests {
    typealias Fixtures = BoardFollowMachineTests
    static let alice = Fixtures.alice
    static let draft = Fixtures.draft(9)
    static let id = MessageID(high: 0, low: 9)

    func machine(_ errand: BoardErrandMachine.Errand) -> BoardErrandMachine {
        BoardErrandMachine(errand, name: Self.alice, memory: BoardMemory(server: Fixtures.server, name: Self.alice))
    }

    @Test("groups: page by page")
    func groups() {
        var machine = machine(.groups)
        let page = [GroupDescription(name: "main", visibility: .all, isMember: false)]
        #expect(machine.linkUp(.json) == [.send(.groups(after: nil, all: true), number: 1)])
        #expect(
            machine.incoming(Fixtures.answer("groups", 1, .groups(page, total: 2, next: "main"))) == [
                .answer(.groups(page, total: 1, next: nil)), .send(.groups(after: "main", all: true), number: 2),
            ])
        #expect(
            machine.incoming(Fixtures.answer("groups", 2, .groups(page, total: 2, next: nil)))
                == [.answer(.groups(page, total: 1, next: nil)), .finish(.done)])
    }

    @Test("post: join, post, done; a lost link begins again with the same id")
    func post() {
        var machine = machine(.post(group: "main", Self.draft))
        #expect(machine.linkUp(.json) == [.send(.join(group: "main", resume: nil), number: 1)])
        #expect(
            machine.incoming(Fixtures.answer("join", 1, Fixtures.joined(next: 0, first: 0)))
                == [.remember, .send(.post(group: "main", Self.draft), number: 2)])
        #expect(machine.postWasSent)
        machine.linkDown()
        #expect(machine.linkUp(.json) == [.send(.join(group: "main", resume: Fixtures.secret), number: 3)])
        _ = machine.incoming(Fixtures.answer("join", 3, Fixtures.joined(next: 1, first: 0, resumed: true)))
        let posted = BoardAnswer.posted(
            group: "main", epoch: Fixtures.epoch, offset: 0, id: Self.id, time: Timestamp(microseconds: 0))
        #expect(
            machine.incoming(.answer(operation: "post", id: .string(Self.id.hex), posted))
                == [.posted(Self.id, group: "main", offset: 0), .finish(.done)])
        #expect(machine.linkUp(.json) == [])
    }

    @Test("What the server refuses ends it")
    func refused() {
        var machine = machine(.post(group: "nowhere", Self.draft))
        _ = machine.linkUp(.json)
        #expect(
            machine.incoming(Fixtures.answer("join", 1, .noSuchGroup("nowhere")))
                == [.finish(.refused("Group 'nowhere' not found."))])
    }

    @Test("read: everything that may be seen, each once, also when the link is lost in between")
    func read() {
        var machine = machine(.read(group: "main", id: nil))
        _ = machine.linkUp(.json)
        #expect(
            machine.incoming(Fixtures.answer("join", 1, Fixtures.joined(next: 4, first: 0))) == [
                .remember, .send(.since(group: "main", epoch: nil, offset: -1, limit: nil), number: 2),
            ])
        #expect(
            machine.incoming(Fixtures.answer("since", 2, Fixtures.page([0, 1], next: 1))) == [
                .show(group: "main", Fixtures.message(0), isOwn: false),
                .show(group: "main", Fixtures.message(1), isOwn: false),
                Fixtures.since(1, 3).asErrand,
            ])
        machine.linkDown()
        _ = machine.linkUp(.json)
        #expect(
            machine.incoming(Fixtures.answer("join", 4, Fixtures.joined(next: 4, first: 0, resumed: true))) == [
                .remember, .send(.since(group: "main", epoch: nil, offset: 1, limit: nil), number: 5),
            ])
        #expect(
            machine.incoming(Fixtures.answer("since", 5, Fixtures.page([2, 3]))) == [
                .show(group: "main", Fixtures.message(2), isOwn: false),
                .show(group: "main", Fixtures.message(3), isOwn: false), .remember, .finish(.done),
            ])
        #expect(machine.memory.place(of: "main")?.last == 3)
    }

    @Test("read one")
    func readOne() {
        var machine = machine(.read(group: "main", id: 5))
        _ = machine.linkUp(.json)
        #expect(
            machine.incoming(Fixtures.answer("join", 1, Fixtures.joined(next: 9, first: 0)))
                == [.remember, .send(.read(group: "main", .offset(5)), number: 2)])
        let message = Fixtures.message(5, by: "Alice")
        #expect(
            machine.incoming(Fixtures.answer("read", 2, .message(group: "main", epoch: Fixtures.epoch, message)))
                == [.show(group: "main", message, isOwn: true), .finish(.done)])
    }

    @Test("At the original: the answers are read from the text")
    func text() {
        var post = machine(.post(group: "main", Self.draft))
        #expect(post.linkUp(.text) == [.send(.join(group: "main", resume: nil), number: 1)])
        #expect(post.lines(["[INFO] You are already a member of group 'main'."]) == [])
        #expect(post.commandAnswered(1) == [.send(.post(group: "main", Self.draft), number: 2)])
        #expect(
            post.lines([
                "--- New Notifications ---", "[GROUP:main] [NOTIFY] x", "-------------------------",
                "[SUCCESS] Message posted to group 'main' with ID: 3",
            ]) == [])
        #expect(post.commandAnswered(2) == [.posted(Self.id, group: "main", offset: 3), .finish(.done)])

        var groups = machine(.groups)
        _ = groups.linkUp(.text)
        #expect(
            groups.lines(["[INFO] Available Groups (1 total): main"]) == [
                .lines(["[INFO] Available Groups (1 total): main"])
            ])
        #expect(groups.commandAnswered(1) == [.finish(.done)])

        var read = machine(.read(group: "main", id: 7))
        _ = read.linkUp(.text)
        _ = read.lines(["[SUCCESS] You have successfully joined group 'main'."])
        #expect(read.commandAnswered(1) == [.send(.read(group: "main", .offset(7)), number: 2)])
        _ = read.lines(["[ERROR] Message ID '7' not found in group 'main'."])
        #expect(read.commandAnswered(2) == [.finish(.refused("server: Message ID '7' not found in group 'main'."))])
    }

    @Test("At the original a post is never tried twice, and a subject is one word")
    func textLimits() {
        var post = machine(.post(group: "main", Self.draft))
        _ = post.linkUp(.text)
        _ = post.commandAnswered(1)
        post.linkDown()
        #expect(post.linkUp(.text) == [.finish(.unknown)])
        let words = BoardDraft(id: Self.id, subject: try! Subject(validating: "two words"), text: "t")
        var other = machine(.post(group: "main", words))
        #expect(other.linkUp(.text) == [.finish(.impossible(BoardRequest.limitsOfTextPosts))])
    }
}

extension BoardFollowMachine.Effect {
    /// The same effect of the other machine.
    var asErrand: BoardErrandMachine.Effect {
        if case .send(let request, let number) = self { .send(request, number: number) } else { preconditionFailure() }
    }
}

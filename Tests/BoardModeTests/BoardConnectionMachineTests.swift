import BoardMode
import Delivery
import Testing
import Wire

@Suite("Board: a connection of the server")
struct BoardConnectionMachineTests {
    typealias Machine = BoardConnectionMachine
    typealias Effect = BoardConnectionMachine.Effect

    static let start = MonotonicTime(nanoseconds: 1_000_000_000)
    static let alice = try! Nickname(validating: "alice")
    static let cancelAll: [Effect] = Machine.Timer.allCases.map { .cancel($0) }

    static func post(_ subject: String = "s") -> BoardRequest {
        .post(group: "main", BoardDraft(id: nil, subject: try! Subject(validating: subject), text: "t"))
    }

    func machine(limitsRate: Bool = false) -> Machine { Machine(at: Self.start, limitsRate: limitsRate) }

    func inSession(limitsRate: Bool = false) -> Machine {
        var machine = machine(limitsRate: limitsRate)
        _ = machine.connected()
        _ = machine.received("alice\n", at: Self.start)
        _ = machine.nameAccepted(Self.alice, at: Self.start)
        return machine
    }

    @Test("The name is asked for, claimed, refused, asked for again, and welcomed")
    func login() {
        var machine = machine()
        #expect(machine.connected() == [.prompt, .schedule(.naming, .seconds(300))])
        #expect(machine.received("\n", at: Self.start) == [.prompt])
        #expect(machine.received(" alice \n", at: Self.start) == [.claim(Self.alice)])
        #expect(machine.nameRefused(at: Self.start) == [.nameTaken])
        #expect(machine.name == nil)
        #expect(machine.received("alice\r\n", at: Self.start) == [.claim(Self.alice)])
        #expect(
            machine.nameAccepted(Self.alice, at: Self.start) == [
                .cancel(.naming), .answer(.ready(name: "alice"), .text),
            ])
        #expect(machine.name == Self.alice)
    }

    @Test("A name that will not do is explained")
    func badName() {
        var machine = machine()
        let effects = machine.received("a\u{7}b\n", at: Self.start)
        #expect(effects.count == 2)
        guard case .answer(.refused(let refusal), .text) = effects[0] else {
            Issue.record("\(effects)")
            return
        }
        #expect(refusal.code == .badName)
        #expect(effects[1] == .prompt)
    }

    @Test("Names that come a step ahead are taken one after the other")
    func namesAhead() {
        var machine = machine()
        #expect(machine.received("alice\nbob\n", at: Self.start) == [.claim(Self.alice)])
        let bob = try! Nickname(validating: "bob")
        #expect(machine.nameRefused(at: Self.start) == [.nameTaken, .claim(bob)])
        #expect(machine.nameAccepted(bob, at: Self.start).contains(.answer(.ready(name: "bob"), .text)))
    }

    @Test("Nobody has for ever to type a name")
    func namingTime() {
        var machine = machine()
        #expect(
            machine.elapsed(.naming, at: Self.start)
                == [.event(.closing("No name was given in 5 minutes; goodbye."))] + Self.cancelAll + [.close])
        #expect(machine.received("alice\n", at: Self.start) == [])
        var named = inSession()
        #expect(named.elapsed(.naming, at: Self.start) == [])
    }

    @Test("The original's client: no newline, one answer after the other")
    func segments() {
        var machine = machine()
        #expect(machine.received("alice", at: Self.start) == [.schedule(.silence, .milliseconds(200))])
        #expect(machine.elapsed(.silence, at: Self.start) == [.claim(Self.alice)])
        _ = machine.nameAccepted(Self.alice, at: Self.start)
        #expect(machine.received("%jo", at: Self.start) == [.schedule(.silence, .milliseconds(200))])
        #expect(machine.received("in", at: Self.start) == [.schedule(.silence, .milliseconds(200))])
        #expect(machine.elapsed(.silence, at: Self.start) == [.perform(.join(group: "main", resume: nil), .text)])
        #expect(machine.answered(at: Self.start) == [])
    }

    @Test("A newline makes a line connection of it, and silence nothing any more")
    func lines() {
        var machine = machine()
        #expect(machine.received("ali", at: Self.start) == [.schedule(.silence, .milliseconds(200))])
        #expect(machine.received("ce\n%jo", at: Self.start) == [.cancel(.silence), .claim(Self.alice)])
        _ = machine.nameAccepted(Self.alice, at: Self.start)
        #expect(machine.elapsed(.silence, at: Self.start) == [])
        #expect(machine.received("in\n", at: Self.start) == [.perform(.join(group: "main", resume: nil), .text)])
    }

    @Test("Requests are answered in their order: one at a time, but posts together")
    func order() {
        var machine = inSession()
        #expect(
            machine.received("%post a t\n%post b t\n%list\n%help\n", at: Self.start) == [
                .perform(Self.post("a"), .text), .perform(Self.post("b"), .text), .pauseReading,
            ])
        #expect(machine.answered(at: Self.start) == [])
        #expect(machine.answered(at: Self.start) == [.perform(.list(group: "main", before: nil), .text)])
        #expect(machine.answered(at: Self.start) == [.answer(.help, .text), .resumeReading])
    }

    @Test("Posts that are under way have a bound")
    func postsUnderWay() {
        var machine = inSession()
        let many = String(repeating: "%post a t\n", count: Machine.postsUnderWay + 3)
        let effects = machine.received(many, at: Self.start)
        #expect(effects.count == Machine.postsUnderWay + 1)
        #expect(effects.last == .pauseReading)
        #expect(machine.answered(at: Self.start) == [.perform(Self.post("a"), .text)])
    }

    @Test("Blank lines are nothing; unknown ones come back")
    func unknown() {
        var machine = inSession()
        #expect(machine.received("\n  \r\n hello \n", at: Self.start) == [.answer(.unknown("hello"), .text)])
    }

    @Test("A command that is too long is answered and passed over")
    func tooLong() {
        var machine = inSession()
        let effects = machine.received(
            String(repeating: "x", count: BoardInputMachine.lineLimit + 1) + "\n%help\n", at: Self.start)
        #expect(
            effects == [
                .answer(
                    .refused(BoardRefusal(.tooLong, "The command is too long; it may have 65536 bytes.")), .text),
                .answer(.help, .text),
            ])
    }

    @Test("%exit says goodbye and closes, and nothing after it counts")
    func exit() {
        var machine = inSession()
        #expect(
            machine.received("%exit\n%groups\n", at: Self.start)
                == [.answer(.goodbye, .text)] + Self.cancelAll + [.close])
        #expect(machine.isClosed)
        #expect(machine.received("%groups\n", at: Self.start) == [])
        #expect(machine.elapsed(.silence, at: Self.start) == [])
    }

    @Test("At the end of the input what has come is answered first")
    func endOfInput() {
        var machine = inSession()
        #expect(machine.received("%post a t\n%gro", at: Self.start) == [.perform(Self.post("a"), .text)])
        #expect(machine.inputEnded(at: Self.start) == [])
        #expect(machine.inputEnded(at: Self.start) == [])
        #expect(machine.answered(at: Self.start) == Self.cancelAll + [.close])
    }

    @Test("The end of the input ends a command of a segment connection")
    func endOfSegment() {
        var machine = machine()
        _ = machine.connected()
        _ = machine.received("alice", at: Self.start)
        #expect(machine.inputEnded(at: Self.start) == [.claim(Self.alice)])
        #expect(
            machine.nameAccepted(Self.alice, at: Self.start)
                == [.cancel(.naming), .answer(.ready(name: "alice"), .text)] + Self.cancelAll + [.close])
    }

    // MARK: - Limits

    @Test("Posts over the rate wait for their turn, and nothing is lost or refused")
    func rate() {
        var machine = inSession(limitsRate: true)
        let burst = machine.received(String(repeating: "%post a t\n", count: 12), at: Self.start)
        #expect(burst.prefix(10) == Array(repeating: .perform(Self.post("a"), .text), count: 10)[...])
        #expect(burst.dropFirst(10) == [.schedule(.throttle, .milliseconds(500)), .pauseReading])
        for _ in 0..<10 { #expect(machine.answered(at: Self.start) == []) }
        let later = Self.start + .milliseconds(500)
        #expect(
            machine.elapsed(.throttle, at: later) == [
                .perform(Self.post("a"), .text), .schedule(.throttle, .milliseconds(500)),
            ])
        #expect(
            machine.elapsed(.throttle, at: later + .milliseconds(500)) == [
                .perform(Self.post("a"), .text), .resumeReading,
            ])
    }

    @Test("Reading costs nothing of the rate")
    func readingIsFree() {
        var machine = inSession(limitsRate: true)
        for _ in 0..<100 {
            #expect(machine.received("%list\n", at: Self.start) == [.perform(.list(group: "main", before: nil), .text)])
            _ = machine.answered(at: Self.start)
        }
    }

    @Test("Segments that come too fast wait, then are refused, then the connection is closed")
    func floodOfSegments() {
        var machine = machine()
        _ = machine.received("alice", at: Self.start)
        _ = machine.elapsed(.silence, at: Self.start)
        _ = machine.nameAccepted(Self.alice, at: Self.start)
        machine.hold(.storage)
        for _ in 0..<Machine.waitingCommands + 2 {
            _ = machine.received("%groups", at: Self.start)
            // Never paused: without line ends they would run into one another in the kernel's buffer.
            #expect(machine.elapsed(.silence, at: Self.start) == [])
        }
        var effects = machine.release(.storage, at: Self.start)
        var performed = 0
        while effects == [.perform(.groups(after: nil, all: false), .text)] {
            performed += 1
            effects = machine.answered(at: Self.start)
        }
        #expect(performed == Machine.waitingCommands)
        #expect(
            effects == [
                .answer(.refused(BoardRefusal(.tooMany, "2 commands were not carried out: too many at once.")), .text)
            ])
        machine.hold(.storage)
        var last: [Effect] = []
        for _ in 0..<1_000 where !machine.isClosed {
            _ = machine.received("%groups", at: Self.start)
            last = machine.elapsed(.silence, at: Self.start)
        }
        #expect(last == [.event(.closing("Too many commands at once; goodbye."))] + Self.cancelAll + [.close])
    }

    @Test("Nothing further is answered while too much waits for the reader")
    func outbox() {
        var machine = inSession()
        machine.hold(.outbox)
        #expect(machine.received("%help\n%help\n", at: Self.start) == [.pauseReading])
        #expect(
            machine.release(.outbox, at: Self.start) == [
                .answer(.help, .text), .answer(.help, .text), .resumeReading,
            ])
    }

    // MARK: - JSON

    @Test("After %json the connection reads and writes JSON lines")
    func upgrade() {
        var machine = inSession()
        #expect(
            machine.received("%post a t\n%json\n{\"op\":\"ping\",\"id\":1}\n", at: Self.start) == [
                .perform(Self.post("a"), .text), .pauseReading,
            ])
        // Only when the posts before it were answered in text.
        #expect(
            machine.answered(at: Self.start) == [
                .useJSON, .answer(.ready(name: "alice"), .json(operation: "json", id: .null)),
                .answer(.pong, .json(operation: "ping", id: 1)), .schedule(.idle, .seconds(120)), .resumeReading,
            ])
        #expect(machine.dialect == .json)
        #expect(
            machine.received("%groups\n", at: Self.start) == [
                .answer(
                    .refused(BoardRefusal(.badRequest, "That is no JSON object on one line.")),
                    .json(operation: "", id: .null))
            ])
    }

    @Test("A program may open with hello, and answers repeat its id")
    func hello() {
        var machine = machine()
        #expect(
            machine.received("{\"op\":\"groups\",\"id\":\"x\"}\n", at: Self.start) == [
                .useJSON,
                .answer(
                    .refused(BoardRefusal(.badRequest, "Begin with {\"op\": \"hello\", \"name\": ...}." as SafeText)),
                    .json(operation: "groups", id: "x")),
            ])
        #expect(
            machine.received("{\"op\":\"hello\",\"name\":\"alice\",\"id\":7}\n", at: Self.start) == [.claim(Self.alice)]
        )
        let refused = machine.nameRefused(at: Self.start)
        #expect(
            refused == [
                .answer(
                    .refused(BoardRefusal(.nameTaken, "Username already in use. Please try another.")),
                    .json(operation: "hello", id: 7))
            ])
        _ = machine.received("{\"op\":\"hello\",\"name\":\"alice\"}\n", at: Self.start)
        #expect(
            machine.nameAccepted(Self.alice, at: Self.start) == [
                .cancel(.naming), .answer(.ready(name: "alice"), .json(operation: "hello", id: .null)),
            ])
        #expect(
            machine.received("{\"op\":\"hello\",\"name\":\"bob\"}\n", at: Self.start) == [
                .answer(
                    .refused(BoardRefusal(.badRequest, "This connection has a name already.")),
                    .json(operation: "hello", id: .null))
            ])
    }

    @Test("hello as a segment without a newline; lines only from then on")
    func helloAsSegment() {
        var machine = machine()
        _ = machine.received("{\"op\":\"hello\",\"name\":\"alice\"}", at: Self.start)
        #expect(machine.elapsed(.silence, at: Self.start) == [.useJSON, .claim(Self.alice)])
        _ = machine.nameAccepted(Self.alice, at: Self.start)
        #expect(machine.received("{\"op\":\"ping\"}", at: Self.start) == [])
        #expect(machine.elapsed(.silence, at: Self.start) == [])
        #expect(machine.received("\n", at: Self.start).first == .answer(.pong, .json(operation: "ping", id: .null)))
    }

    @Test("Who has pinged is gone after 120 s of silence; who has not may be silent for ever")
    func idle() {
        var machine = inSession()
        #expect(machine.elapsed(.idle, at: Self.start) == [.schedule(.idle, .seconds(120))])
        var pinging = inSession()
        _ = pinging.received("%json\n{\"op\":\"ping\"}\n", at: Self.start)
        _ = pinging.received("{\"op\":\"ping\"}\n", at: Self.start + .seconds(50))
        #expect(pinging.elapsed(.idle, at: Self.start + .seconds(120)) == [.schedule(.idle, .seconds(50))])
        #expect(
            pinging.elapsed(.idle, at: Self.start + .seconds(170))
                == [.event(.closing("Nothing was heard for 120 seconds; goodbye."))] + Self.cancelAll + [.close])
    }
}

extension BoardConnectionMachine {
    mutating func received(_ text: String, at now: MonotonicTime) -> [Effect] {
        received(Array(text.utf8)[...], at: now)
    }
}

import BoardMode
import Testing
import Wire

@Suite("Board: commands and parts of lines")
struct BoardInputMachineTests {
    /// What a connection sends, and what the machine makes of it.
    enum Event {
        case bytes(String)
        case silence
        case end
    }

    static func run(_ events: [Event], machine: BoardInputMachine = .init()) -> [String] {
        var machine = machine
        var pieces: [String] = []
        func take() {
            while let piece = machine.next() {
                switch piece {
                case .command(let bytes): pieces.append(String(decoding: bytes, as: UTF8.self))
                case .tooLong(let limit): pieces.append("too long: \(limit)")
                }
            }
        }
        for event in events {
            switch event {
            case .bytes(let text): machine.received(Array(text.utf8)[...])
            case .silence: machine.silenceElapsed()
            case .end: machine.inputEnded()
            }
            take()
        }
        return pieces
    }

    @Test("Lines end with a newline, whatever pieces they come in")
    func lines() {
        #expect(Self.run([.bytes("alice\n%groups\r\n%jo"), .bytes("in\n")]) == ["alice", "%groups", "%join"])
        let text = "alice\n%groups\r\n%join\n"
        #expect(Self.run(text.map { .bytes(String($0)) }) == ["alice", "%groups", "%join"])
    }

    @Test("On a line connection a part of a line is no command, however long it waits, nor at the end")
    func partialLine() {
        #expect(
            Self.run([.bytes("alice\n%gro"), .silence, .silence, .bytes("ups\n"), .bytes("x"), .end]) == [
                "alice", "%groups",
            ])
        var machine = BoardInputMachine()
        machine.received(Array("alice\n%gro".utf8)[...])
        _ = machine.next()
        #expect(machine.next() == nil)
        #expect(!machine.waitsForSilence)
        #expect(machine.framing == .line)
    }

    @Test("Without a newline 200 ms of silence end a command, from the first one on")
    func segments() {
        #expect(Self.run([.bytes("alice"), .silence, .bytes("%groups"), .silence]) == ["alice", "%groups"])
        // Bytes that come before the silence belong together.
        #expect(Self.run([.bytes("al"), .bytes("ice"), .silence]) == ["alice"])
        var machine = BoardInputMachine()
        machine.received(Array("alice".utf8)[...])
        #expect(machine.next() == nil)
        #expect(machine.waitsForSilence)
        machine.silenceElapsed()
        #expect(machine.framing == .segment)
    }

    @Test("On a segment connection a newline still ends a command")
    func newlineInSegments() {
        #expect(
            Self.run([.bytes("alice"), .silence, .bytes("%join\n%groups"), .silence]) == ["alice", "%join", "%groups"])
    }

    @Test("The end of the input ends a command that no newline promised")
    func endOfInput() {
        #expect(Self.run([.bytes("alice"), .end]) == ["alice"])
        #expect(Self.run([.bytes("alice"), .silence, .bytes("%exit"), .end]) == ["alice", "%exit"])
        #expect(Self.run([.end]) == [])
    }

    @Test("Silence without anything pending is nothing")
    func idle() {
        #expect(Self.run([.silence, .silence, .bytes("a\n"), .silence]) == ["a"])
    }

    @Test("A segment may have 4,096 bytes; a longer one is refused as a whole")
    func longSegment() {
        let fits = String(repeating: "x", count: 4_096)
        #expect(Self.run([.bytes(fits), .silence]) == [fits])
        #expect(Self.run([.bytes(fits + "y"), .silence, .bytes("next"), .silence]) == ["too long: 4096", "next"])
        // One that goes on and on is answered once, and its rest is not taken for a command.
        let huge = Array(repeating: Event.bytes(String(repeating: "z", count: 30_000)), count: 4)
        #expect(Self.run(huge + [.silence, .bytes("next"), .silence]) == ["too long: 65536", "next"])
    }

    @Test("A line may have 65,536 bytes; a longer one is refused and the next one is read")
    func longLine() {
        let fits = String(repeating: "x", count: 65_536)
        #expect(Self.run([.bytes("a\n"), .bytes(fits + "\n")]) == ["a", fits])
        #expect(Self.run([.bytes("a\n"), .bytes(fits + "y"), .bytes("yy\nb\n")]) == ["a", "too long: 65536", "b"])
        #expect(Self.run([.bytes(fits + "y"), .bytes("yy\nb\n")]) == ["too long: 65536", "b"])
    }

    @Test("After a change to lines silence ends nothing")
    func forcedLines() {
        var machine = BoardInputMachine()
        machine.received(Array("x".utf8)[...])
        machine.useLines()
        #expect(!machine.waitsForSilence)
        machine.silenceElapsed()
        #expect(machine.next() == nil)
        machine.received(Array("y\n".utf8)[...])
        #expect(machine.next() == .command(Array("xy".utf8)[...]))
    }
}

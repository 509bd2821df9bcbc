import BoardMode
import Delivery
import Testing
import Wire

@Suite("Board: a client's connection")
struct BoardLinkMachineTests {
    typealias Machine = BoardLinkMachine
    typealias Effect = BoardLinkMachine.Effect

    static let start = MonotonicTime(nanoseconds: 0)
    static let alice = try! Nickname(validating: "alice")
    static let silence = Effect.schedule(.silence, .milliseconds(150))

    func machine() -> Machine { Machine(name: Self.alice, at: Self.start) }
    func sent(_ text: String) -> Effect { .send(Array(text.utf8)) }

    static let cancelAll: [Effect] = Machine.Timer.allCases.map { .cancel($0) }

    func welcomed(_ machine: inout Machine) {
        _ = machine.connected()
        _ = machine.received("What is your username?\n", at: Self.start)
        _ = machine.received(
            "[INFO] Welcome alice\n[INFO] Use '%groups' to see available groups, and '%groupjoin id/name' to enter.\n",
            at: Self.start)
    }

    func inText() -> Machine {
        var machine = machine()
        welcomed(&machine)
        _ = machine.received("[ERROR] Unknown command or incorrect format: %json\n", at: Self.start)
        return machine
    }

    func inJSON() -> Machine {
        var machine = machine()
        welcomed(&machine)
        _ = machine.received(#"{"event":"ready","op":"json","version":1,"name":"alice"}"# + "\n", at: Self.start)
        return machine
    }

    @Test("A server of ours: prompt, name, welcome, %json, ready")
    func ours() {
        var machine = machine()
        #expect(machine.connected() == [.schedule(.patience, .seconds(10))])
        #expect(machine.received("What is your username?\n", at: Self.start) == [sent("alice\n")])
        #expect(
            machine.received("[INFO] Welcome alice\n[INFO] Use '%groups' to see\n", at: Self.start) == [
                Self.silence, .cancel(.silence), sent("%json\n"), .schedule(.patience, .seconds(10)),
            ])
        #expect(
            machine.received(#"{"event":"ready","op":"json","version":1,"name":"alice"}"# + "\n", at: Self.start) == [
                .cancel(.patience), .cancel(.silence), .schedule(.ping, .seconds(60)), .ready(.json),
            ])
        #expect(machine.dialect == .json)
        #expect(
            machine.received(#"{"event":"joined","group":"main","name":"bob"}"# + "\n", at: Self.start)
                == [.incoming(.event(.joined(group: "main", name: "bob")))])
    }

    @Test("The original: nothing ends with a newline, and its error is not shown")
    func original() {
        var machine = machine()
        #expect(machine.received("What is your username?", at: Self.start) == [Self.silence])
        #expect(machine.elapsed(.silence, at: Self.start) == [sent("alice\n")])
        #expect(
            machine.received("[INFO] Welcome alice\n[INFO] Use '%groups' to see", at: Self.start) == [
                Self.silence, Self.silence,
            ])
        #expect(
            machine.elapsed(.silence, at: Self.start) == [
                .cancel(.silence), sent("%json\n"), .schedule(.patience, .seconds(10)),
            ])
        #expect(
            machine.received("[ERROR] Unknown command or incorrect format: %json", at: Self.start) == [Self.silence])
        #expect(machine.elapsed(.silence, at: Self.start) == [.cancel(.patience), .cancel(.silence), .ready(.text)])
    }

    @Test("A server that says no more than welcome, and one that never answers %json")
    func terse() {
        var machine = machine()
        _ = machine.received("What is your username?\n", at: Self.start)
        #expect(machine.received("[INFO] Welcome alice\n", at: Self.start) == [Self.silence, Self.silence])
        #expect(
            machine.elapsed(.silence, at: Self.start) == [
                .cancel(.silence), sent("%json\n"), .schedule(.patience, .seconds(10)),
            ])
        #expect(machine.elapsed(.patience, at: Self.start) == [.cancel(.patience), .cancel(.silence), .ready(.text)])
    }

    @Test("A name that is taken, and one that will not do")
    func refused() {
        var machine = machine()
        _ = machine.received("What is your username?\n", at: Self.start)
        #expect(
            machine.received(
                "[ERROR] Username already in use. Please try another.\nWhat is your username?\n", at: Self.start)
                == Self.cancelAll + [.refused("Username already in use. Please try another.", isTaken: true)])
        #expect(machine.received("more\n", at: Self.start) == [])
        var other = self.machine()
        _ = other.received("What is your username?\n", at: Self.start)
        #expect(
            other.received("[ERROR] The name is empty.\n", at: Self.start)
                == Self.cancelAll + [.refused("The name is empty.", isTaken: false)])
    }

    @Test("What is no board is given up")
    func noBoard() {
        var machine = machine()
        _ = machine.connected()
        #expect(machine.received("SSH-2.0-x\r\n", at: Self.start) == [])
        #expect(
            machine.elapsed(.patience, at: Self.start) == Self.cancelAll + [.giveUp("it does not answer like a board")])
        var json = inJSON()
        #expect(
            json.received("[GROUP:main] [NOTIFY] x\n", at: Self.start)
                == Self.cancelAll + [.giveUp("it sent something that is not of the protocol")])
        var endless = inJSON()
        #expect(
            endless.received(String(repeating: "x", count: 1 << 20 + 1), at: Self.start)
                == Self.cancelAll + [.giveUp("it sent a line of more than 1048576 bytes")])
    }

    @Test("A server of ours is asked whether it is there, and given up when it is not")
    func pings() {
        var machine = inJSON()
        let minute = Self.start + .seconds(60)
        #expect(machine.elapsed(.ping, at: minute) == [sent("{\"op\":\"ping\"}\n"), .schedule(.ping, .seconds(60))])
        #expect(machine.received(#"{"event":"answer","op":"ping"}"# + "\n", at: minute) == [])
        #expect(machine.elapsed(.ping, at: minute + .seconds(30)) == [.schedule(.ping, .seconds(60))])
        #expect(
            machine.elapsed(.ping, at: minute + .seconds(120)) == Self.cancelAll + [.giveUp("it has fallen silent")])
    }

    @Test("Commands of text go one at a time; the answer ends with silence; notifications are no answer")
    func pacing() {
        var machine = inText()
        #expect(machine.command("%join", number: 1) == [sent("%join\n"), .schedule(.answer, .seconds(10))])
        #expect(machine.command("%list", number: 2) == [])
        #expect(
            machine.received("[GROUP:main] [NOTIFY] User bob joined the group.\n", at: Self.start)
                == [.lines(["[GROUP:main] [NOTIFY] User bob joined the group."]), Self.silence])
        #expect(machine.elapsed(.silence, at: Self.start) == [])
        #expect(
            machine.received(
                "[SUCCESS] You have successfully joined group 'main'.\n[INFO] Group 'main' is em", at: Self.start)
                == [.lines(["[SUCCESS] You have successfully joined group 'main'."]), Self.silence])
        #expect(machine.received("pty.", at: Self.start) == [Self.silence])
        #expect(
            machine.elapsed(.silence, at: Self.start) == [
                .lines(["[INFO] Group 'main' is empty."]), .cancel(.answer), .commandAnswered(1), sent("%list\n"),
                .schedule(.answer, .seconds(10)),
            ])
        // No answer at all must not stop the next command for ever.
        #expect(machine.elapsed(.answer, at: Self.start) == [.cancel(.answer), .commandAnswered(2)])
    }

    @Test("What the server sends is neutralised on the way")
    func hostile() {
        var machine = inText()
        #expect(
            machine.received("a\u{1B}[2Jb\u{202E}\n", at: Self.start) == [.lines(["a\\u{1B}[2Jb\\u{202E}"])])
    }
}

extension BoardLinkMachine {
    mutating func received(_ text: String, at now: MonotonicTime) -> [Effect] {
        received(Array(text.utf8)[...], at: now)
    }
}

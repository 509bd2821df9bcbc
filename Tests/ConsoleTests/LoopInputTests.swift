import CLinux
import Glibc
import Platform
import Testing
import Wire

@testable import Console

/// Input from a pipe that the event loop waits for, held against what a thread makes of the same.
@Suite(.timeLimit(.minutes(1)))
struct LoopInputTests {
    private static let script = "hello\r\n\n//x\n/peers\nyou  there\n/msg Bob a  b\n/nothing\n%x\n é\n/help peers\nlast"

    private func expected(_ text: String, json: Bool) async throws -> [ConsoleInput<ConsoleHarness.Verb>] {
        let pipes = ConsolePipes()
        let harness = try ConsoleHarness(pipes.settings(json: json))
        pipes.feed(text)
        _ = try await harness.run()
        defer { harness.stop() }
        _ = pipes.collect()
        return await harness.progress.inputs
    }

    @Test(arguments: [false, true], [false, true])
    func itIsTheSameAsByAThread(takesTexts: Bool, json: Bool) async throws {
        let text = Self.script + "\n{\"text\": \"/never a command\"}\n{\"command\": \"/peers\"}\nafter"
        let pipes = ConsolePipes()
        let mode = try LoopMode(pipes.settings(json: json), takesTexts: takesTexts)
        pipes.feed(text)
        _ = try await LoopMode.run(mode)
        #expect(await mode.isReadByTheLoop)
        #expect(await mode.inputs == (try await expected(text, json: json)))
        let inputs = await mode.inputs
        #expect(inputs.contains(.text("you  there")) && inputs.last == .endOfInput)
        #expect(fcntl(pipes.input.read, F_GETFL) & O_NONBLOCK == 0, "the flag is everybody's who has the pipe")
        _ = pipes.collect()
    }

    /// Byte by byte, with the loop asleep in between.
    @Test func aTrickle() async throws {
        let pipes = ConsolePipes()
        let mode = try LoopMode(pipes.settings(), takesTexts: true)
        let writer = try BlockingPipe()
        async let status = LoopMode.run(mode)
        for byte in "one\ntwo\nthr" { try await writer.write([byte.asciiValue!], to: pipes.input.write) }
        await writer.writeAll(Array("ee".utf8), to: pipes.input.write)
        #expect(try await status == .ok)
        #expect(await mode.inputs == [.text("one"), .text("two"), .text("three"), .endOfInput])
        writer.stop()
        _ = pipes.collect()
    }

    /// Whoever takes nothing stops whoever writes: no more leaves the pipe than one chunk.
    @Test func aModeThatTakesItsTimeSlowsThePipeDown() async throws {
        let pipes = ConsolePipes()
        let mode = try LoopMode(pipes.settings())
        let line = Array(String(repeating: "x", count: 99).utf8) + [0x0A]
        let writing = pipes.input.write
        // The pipe is full again while the mode has taken one line.
        await mode.pause(after: 1) {
            _ = fcntl(writing, F_SETFL, O_NONBLOCK)
            var written = 0
            while true {
                let count = write(writing, line, line.count)
                if count <= 0 { break }
                written += count
            }
            #expect(written <= 65_536 + 100 + 65_536)
            close(writing)
        }
        pipes.feed(line)
        #expect(try await LoopMode.run(mode) == .ok)
        let inputs = await mode.inputs
        #expect(inputs.count > 100 && inputs.last == .endOfInput)
        _ = pipes.collect()
    }

    /// Nothing comes and nothing ends: the program does, because somebody else told it to.
    @Test func theEndOfTheProgramEndsTheWait() async throws {
        let pipes = ConsolePipes()
        let mode = try LoopMode(pipes.settings())
        pipes.feed(Array("hello\n".utf8))
        await mode.pause(after: 1) { Task { await mode.finish() } }
        #expect(try await LoopMode.run(mode) == .ok)
        #expect(await mode.inputs == [.text("hello")])
        #expect(fcntl(pipes.input.read, F_GETFD) >= 0, "it was closed, which was not the console's to do")
        close(pipes.input.write)
        _ = pipes.collect()
    }

    /// A file is always ready, which no loop can wait for.
    @Test func aFileIsReadByAThread() async throws {
        var settings = ConsolePipes().settings()
        let file = open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        settings.input = file
        let mode = try LoopMode(settings)
        #expect(try await LoopMode.run(mode) == .ok)
        #expect(await !mode.isReadByTheLoop)
        #expect(await mode.inputs == [.endOfInput])
    }
}

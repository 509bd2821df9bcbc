import Glibc
import Testing
import Wire

@testable import Console

private func message(_ text: String, from sender: SafeText = "Heisenberg", own: Bool = false) -> ChatMessage {
    ChatMessage(id: "1", sender: sender, text: text, time: .sample, isOwn: own)
}

struct PlainConsoleTests {
    @Test func messagesAndAnswersGoToStandardOutputAndTheRestToStandardError() async throws {
        let pipes = ConsolePipes()
        let harness = try ConsoleHarness(pipes.settings())
        pipes.feed("")
        let status = try await harness.run { _, console in
            console.show(.listening(host: "127.0.0.1", port: 9001))
            console.show(.listening(host: "::1", port: 9001))
            console.show(.ready)
            console.show(.joined(name: "Alice"))
            console.show(.message(message("Hello")))
            console.show(.message(message("Hi", own: true)))
            console.show(.answer(["one", "two"]))
            console.show(.error("It failed."))
        }
        harness.stop()
        let (output, diagnostics) = pipes.collect()
        #expect(status == .ok)
        #expect(output == "[14:03:21] Heisenberg: Hello\n[14:03:21] You: Hi\n  one\n  two\n")
        #expect(
            diagnostics == """
                [14:03:21] * listening on 127.0.0.1:9001
                [14:03:21] * listening on [::1]:9001
                [14:03:21] * Alice joined
                [14:03:21] ! It failed.

                """)
    }

    @Test func inputIsTextAndCommandsAndThenTheEnd() async throws {
        let pipes = ConsolePipes()
        let harness = try ConsoleHarness(pipes.settings())
        pipes.feed("hello\r\n\n//x\n/peers\n/msg Bob a  b\n/nothing\n/help peers\nlast")
        let status = try await harness.run()
        #expect(
            await harness.progress.inputs == [
                .text("hello"), .text("/x"), .command(.peers, CommandArguments("")),
                .command(.say, CommandArguments("Bob a  b")), .text("last"), .endOfInput,
            ])
        harness.stop()
        let (output, diagnostics) = pipes.collect()
        #expect(status == .failure)
        #expect(output == "  /peers\n    list the peers\n")
        #expect(diagnostics == "[14:03:21] ! Unknown command /nothing; /help lists the commands.\n")
    }

    /// All of it comes in one chunk: what the console does itself waits for what the mode was given before.
    @Test func nothingOvertakesWhatWasTypedBeforeIt() async throws {
        let pipes = ConsolePipes()
        let harness = try ConsoleHarness(pipes.settings(), saysWhatItTakes: true)
        pipes.feed("one\n/time off\ntwo\n/nothing\n/bell all\nthree\n/quit\n/time long\nfour\n")
        let status = try await harness.run()
        harness.stop()
        #expect(status == .failure)
        #expect(
            pipes.collect().diagnostics == """
                [14:03:21] * took text("one")
                * time: off
                * took text("two")
                ! Unknown command /nothing; /help lists the commands.
                * bell: all
                * took text("three")
                * took quit

                """)
    }

    @Test func linesThatAreTooLongOrNotTextAreRefusedAndTheNextOnesTaken() async throws {
        let pipes = ConsolePipes()
        let harness = try ConsoleHarness(pipes.settings())
        let writer = try BlockingPipe()
        let bytes =
            [UInt8](repeating: UInt8(ascii: "a"), count: 70_000) + [0x0A, 0xFF, 0xFE, 0x0A] + Array("good\n".utf8)
        async let written: Void = writer.writeAll(bytes, to: pipes.input.write)
        #expect(try await harness.run() == .failure)
        await written
        writer.stop()
        #expect(await harness.progress.inputs == [.text("good"), .endOfInput])
        harness.stop()
        #expect(
            pipes.collect().diagnostics == """
                [14:03:21] ! Line 1 of the input is longer than 65536 bytes; it was not sent.
                [14:03:21] ! Line 2 of the input is not UTF-8 text; it was not sent.

                """)
    }

    @Test func failedMessagesDecideTheStatusUntilTheyAreUpgraded() async throws {
        for upgraded in [false, true] {
            let pipes = ConsolePipes()
            let harness = try ConsoleHarness(pipes.settings())
            pipes.feed("")
            let status = try await harness.run { _, console in
                console.show(.delivery(id: "a", state: .sent))
                console.show(.delivery(id: "a", state: .noanswer, to: "Bob"))
                if upgraded { console.show(.delivery(id: "a", state: .delivered, to: "Bob")) }
            }
            harness.stop()
            #expect(status == (upgraded ? .ok : .notDelivered))
            #expect(
                pipes.collect().diagnostics
                    == "[14:03:21] ! no answer from Bob: nobody can know whether the message arrived\n")
        }
    }

    @Test func aClosedOutputEndsTheProgramQuietly() async throws {
        let pipes = ConsolePipes()
        let harness = try ConsoleHarness(pipes.settings())
        close(pipes.output.read)
        let status = try await harness.run { _, console in console.show(.message(message("Hello"))) }
        harness.stop()
        #expect(status == .ok)
        #expect(await harness.progress.changes == [.closed])
        close(pipes.diagnostics.write)
        #expect(ConsolePipes.readAll(pipes.diagnostics.read).isEmpty)
    }

    @Test func aReaderThatStopsCongestsTheConsoleAndLosesNothing() async throws {
        let pipes = ConsolePipes()
        let harness = try ConsoleHarness(pipes.settings())
        let count = 20_000
        pipes.feed("")
        let reader = try BlockingPipe()
        async let read = reader.readAll(pipes.output.read)
        let status = try await harness.run { harness, console in
            for number in 0..<count {
                console.show(.message(message("message number \(number)")))
                // What a mode does: it pauses its sockets, and goes on when it is told.
                if console.isCongested {
                    let before = harness.progress.changes.count
                    await harness.wait { $0.changes.count > before }
                }
            }
        }
        #expect(status == .ok)
        #expect(await harness.progress.changes.contains(.relieved))
        harness.stop()
        close(pipes.output.write)
        let lines = await read.split(separator: "\n")
        reader.stop()
        #expect(lines.count == count)
        for (number, line) in lines.enumerated() {
            #expect(line.hasSuffix(": message number \(number)"))
        }
    }

    @Test func textForgesNoLine() async throws {
        let pipes = ConsolePipes()
        let harness = try ConsoleHarness(pipes.settings())
        pipes.feed("")
        _ = try await harness.run { _, console in
            console.show(.message(message("x\n[14:03:21] * Alice joined\r\u{1B}[2J\u{202E}")))
            console.show(.message(message("hi", from: "You")))
            console.show(.message(message("hi", from: "* Alice joined")))
            console.show(.message(message("hi", from: "Bob: I quit")))
        }
        harness.stop()
        #expect(
            pipes.collect().output == """
                [14:03:21] Heisenberg: x\\n[14:03:21] * Alice joined\\r\\u{1B}[2J\\u{202E}
                [14:03:21] "You": hi
                [14:03:21] "* Alice joined": hi
                [14:03:21] "Bob: I quit": hi

                """)
    }

    @Test func colorIsThereWhereItIsAskedFor() async throws {
        let pipes = ConsolePipes()
        let harness = try ConsoleHarness(pipes.settings(color: .always))
        pipes.feed("")
        _ = try await harness.run { _, console in console.show(.message(message("Hello"))) }
        harness.stop()
        #expect(pipes.collect().output.contains("\u{1B}[2m[14:03:21] \u{1B}[0m"))
    }

    @Test func whoIsIgnoredIsNotShown() async throws {
        let pipes = ConsolePipes()
        let harness = try ConsoleHarness(pipes.settings())
        pipes.feed(Array("/ignore BOB\n/ignore\nfirst\n".utf8))
        _ = try await harness.run { harness, console in
            await harness.wait { $0.inputs.contains(.text("first")) }
            console.show(.message(message("hidden", from: "Bob")))
            console.show(.message(message("shown", from: "Alice")))
            pipes.feed("/unignore Bob\n/ignore\nsecond\n")
            await harness.wait { $0.inputs.contains(.text("second")) }
            console.show(.message(message("shown again", from: "Bob")))
        }
        harness.stop()
        #expect(
            pipes.collect().output == """
                  Ignored: bob
                [14:03:21] Alice: shown
                  Nobody is ignored.
                [14:03:21] Bob: shown again

                """)
    }
}

import Glibc
import Platform
import TestSupport
import Testing
import Wire

@testable import Console

private enum TestReport: LogReport {
    case broken, odd, usual([SafeText])
    case strange

    var level: LogLevel {
        switch self {
        case .broken: .error
        case .odd, .strange: .warning
        case .usual: .info
        }
    }

    var lines: [SafeText] {
        switch self {
        case .broken: ["it is broken"]
        case .odd: ["it is odd"]
        case .usual(let lines): lines
        case .strange: ["somebody was turned away"]
        }
    }

    var repeated: SafeText? { if case .strange = self { "were turned away" } else { nil } }
}

struct ServerConsoleTests {
    private func console(
        _ pipes: ConsolePipes, _ thread: WorkerThread, json: Bool = false, _ level: LogLevel
    ) throws -> ServerConsole<TestReport> {
        var settings = pipes.settings(json: json)
        settings.role = .report
        return try ServerConsole(executor: thread, settings: settings, level: level)
    }

    @Test func reportsAreShownByLevel() async throws {
        let thread = try WorkerThread(name: "server")
        defer { thread.retire() }
        let pipes = ConsolePipes()
        let console = try console(pipes, thread, .warning)
        await console.announce(SocketAddress(ip: .anyV6, port: 5_000))
        await console.run {
            console.report(.usual(["nobody asked"]))
            console.report(.odd)
            console.report(.broken)
        }
        let (output, diagnostics) = pipes.collect()
        #expect(output.isEmpty)
        #expect(
            diagnostics == """
                [14:03:21] * listening on all interfaces:5000
                [14:03:21] * it is odd
                [14:03:21] ! it is broken

                """)
    }

    @Test func whatIsListedBeginsNoLine() async throws {
        let thread = try WorkerThread(name: "server")
        defer { thread.retire() }
        let pipes = ConsolePipes()
        let console = try console(pipes, thread, .info)
        await console.run { console.report(.usual(["the groups:", "* Alice joined", "g"])) }
        #expect(
            pipes.collect().diagnostics == """
                [14:03:21] * the groups:
                [14:03:21] *   * Alice joined
                [14:03:21] *   g

                """)
    }

    /// What strangers repeat does not fill the log: some is shown, and how much more there was.
    @Test func whatIsRepeatedIsCounted() async throws {
        let thread = try WorkerThread(name: "server")
        defer { thread.retire() }
        let pipes = ConsolePipes()
        let console = try console(pipes, thread, .warning)
        await console.run {
            for _ in 0..<1_000 { console.report(.strange) }
            console.report(.broken)
        }
        let lines = pipes.collect().diagnostics.split(separator: "\n").map { $0.dropFirst("[14:03:21] ".count) }
        #expect(lines.count { $0 == "* somebody was turned away" } == 5)
        #expect(lines.contains("! it is broken"))
        #expect(lines.last == "* 995 more were turned away")
    }

    @Test func asJSONEachLineHasItsLevel() async throws {
        let thread = try WorkerThread(name: "server")
        defer { thread.retire() }
        let pipes = ConsolePipes()
        let console = try console(pipes, thread, json: true, .info)
        await console.run {
            console.report(.broken)
            console.report(.usual(["one", "two"]))
        }
        let events = try pipes.collect().0.split(separator: "\n").map { try JSON(parsing: Array($0.utf8)[...]) }
        #expect(events.map { $0["event"]?.string } == ["ready", "error", "notice", "notice"])
        #expect(events.map { $0["level"]?.string } == [nil, "error", "info", "info"])
        #expect(events.map { $0["text"]?.string } == [nil, "it is broken", "one", "two"])
    }

    /// What comes while the writer has no turn is kept up to a limit, and counted beyond it.
    @Test func aFloodOfReportsIsBoundedAndSaysWhatWasLost() async throws {
        let thread = try WorkerThread(name: "server")
        defer { thread.retire() }
        let pipes = ConsolePipes()
        let console = try console(pipes, thread, json: true, .info)
        let limit = ServerConsole<TestReport>.waitingReports
        for _ in 0..<limit + 7 { console.report(.usual(["."])) }
        let reader = try BlockingPipe()
        async let text = reader.readAll(pipes.output.read)
        await console.run {}
        close(pipes.output.write)
        let lines = await text.split(separator: "\n")
        reader.stop()
        #expect(lines.count { $0.contains("\"text\":\".\"") } == limit)
        #expect(lines.count { $0.contains("7 lines of the log were lost") } == 1)
    }
}

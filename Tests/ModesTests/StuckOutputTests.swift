import Glibc
import TestSupport
import Testing

/// Nobody reads what a program writes any more, though the pipe is open.
@Suite(.timeLimit(.minutes(2)))
struct StuckOutputTests {
    /// A client that has half a megabyte of answers to write, and then something to read.
    private static func stuck(_ mode: String, before last: String = "") async throws -> Pair {
        let pair = try await Pair(mode)
        try await pair.client.write(String(repeating: "/help\n", count: 300) + last)
        try await pair.client.waitForUnread(61_000)
        return pair
    }

    /// A signal ends it all the same.
    @Test(arguments: ["p2p", "board", "udp", "rooms"], [SIGTERM, SIGINT, SIGHUP])
    func aSignalEndsTheProgram(mode: String, signal: Int32) async throws {
        let pair = try await Self.stuck(mode)
        pair.client.send(signal)
        #expect(await pair.client.exitStatus() == 0)
        await pair.endServer()
    }

    /// One that comes when the program has said goodbye already, and has only its output left to write.
    @Test(arguments: ["p2p", "board", "udp", "rooms"])
    func aSignalEndsTheProgramAfterItsGoodbye(mode: String) async throws {
        let pair = try await Self.stuck(mode, before: "/quit\n")
        // Nothing turns signals into events any more.
        await pair.client.waitForNoDescriptor(of: "anon_inode:[signalfd]")
        pair.client.send(SIGTERM)
        #expect(await pair.client.exitStatus() == 128 + SIGTERM)
        await pair.endServer()
    }

    /// Without one, who reads late reads everything.
    @Test(arguments: ["p2p", "board", "udp", "rooms"])
    func whoReadsLateReadsEverything(mode: String) async throws {
        let pair = try await Self.stuck(mode, before: "/quit\n")
        let lines = try await pair.client.rest().split(separator: "\n")
        #expect(lines.count { $0.contains("\"event\":\"answer\"") } == 300)
        #expect(await pair.client.exitStatus() == 0)
        await pair.endServer()
    }
}

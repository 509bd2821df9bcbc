import Glibc
import TestSupport
import Testing
import Wire

/// A server that is told to end says so to those who are there, writes its log to the end, and leaves with success.
@Suite(.timeLimit(.minutes(2)))
struct ServerEndTests {
    @Test(arguments: ["board", "udp", "rooms"], [SIGTERM, SIGINT, SIGHUP])
    func clientsAreToldAndTheLogIsWritten(mode: String, signal: Int32) async throws {
        let pair = try await Pair(mode)
        let (client, server) = (pair.client, try #require(pair.server))
        server.send(signal)
        // The last words of a server, whatever the log said before.
        while true {
            let text = try await Pair.event("notice", client)["text"]?.string ?? ""
            if text.contains("shut") { break }
        }
        #expect(await server.exitStatus() == 0)
        let log = try await server.rest().split(separator: "\n").map { try JSON(parsing: Array($0.utf8)[...]) }
        #expect(!log.isEmpty && log.allSatisfy { $0["event"]?.string == "ready" || $0["level"]?.string == "info" })
        client.send(SIGKILL)
        _ = await client.exitStatus()
    }
}

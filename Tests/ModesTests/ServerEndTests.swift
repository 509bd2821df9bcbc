import Glibc
import TestSupport
import Testing
import Wire

/// A server that is told to end says so to those who are there, writes its log to the end, and leaves with success.
@Suite(.timeLimit(.minutes(2)))
struct ServerEndTests {
    private static func chat(_ words: String) throws -> ChildProcess {
        try ChildProcess(
            ChildProcess.product("chat"), words.split(separator: " ").map(String.init) + ["--memory", "--json"])
    }

    /// The value of a field in the next event of that name.
    private static func event(_ name: String, _ child: ChildProcess) async throws -> JSON {
        while true {
            let event = try JSON(parsing: Array(try await child.line().utf8)[...])
            if event["event"]?.string == name { return event }
        }
    }

    @Test(arguments: ["board", "udp", "rooms"], [SIGTERM, SIGINT, SIGHUP])
    func clientsAreToldAndTheLogIsWritten(mode: String, signal: Int32) async throws {
        let ports = ["board": "--port 0", "udp": "0", "rooms": "--tcp-port 0 --udp-port 0"]
        let server = try Self.chat("\(mode) serve \(ports[mode]!) --bind 127.0.0.1 --log-level info")
        var taken: [Int] = []
        for _ in 0..<(mode == "rooms" ? 2 : 1) {
            taken.append(Int(try await Self.event("listening", server)["port"]?.integer ?? 0))
        }
        let address = taken.map(String.init).joined(separator: ":")
        let client =
            switch mode {
            case "board": try Self.chat("board connect 127.0.0.1:\(address) --name ann")
            case "udp": try Self.chat("udp join ann 127.0.0.1 \(address)")
            default: try Self.chat("rooms join lobby --name ann --server 127.0.0.1:\(address)")
            }
        _ = try await Self.event("ready", client)
        server.send(signal)
        // The last words of a server, whatever the log said before.
        while true {
            let text = try await Self.event("notice", client)["text"]?.string ?? ""
            if text.contains("shut") { break }
        }
        #expect(await server.exitStatus() == 0)
        let log = try await server.rest().split(separator: "\n").map { try JSON(parsing: Array($0.utf8)[...]) }
        #expect(!log.isEmpty && log.allSatisfy { $0["event"]?.string == "ready" || $0["level"]?.string == "info" })
        client.send(SIGKILL)
        _ = await client.exitStatus()
    }
}

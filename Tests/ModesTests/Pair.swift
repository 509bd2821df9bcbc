import Glibc
import TestSupport
import Testing
import Wire

/// The client of a mode in a pipe, as events, and the server that it is connected to: both are ready.
struct Pair {
    let client: ChildProcess
    /// None in p2p.
    let server: ChildProcess?

    init(_ mode: String) async throws {
        if mode == "p2p" {
            server = nil
            client = try Self.chat("p2p 0 --bind 127.0.0.1 --name ann")
        } else {
            let ports = ["board": "--port 0", "udp": "0", "rooms": "--tcp-port 0 --udp-port 0"]
            let server = try Self.chat("\(mode) serve \(ports[mode]!) --bind 127.0.0.1 --log-level info")
            var taken: [Int] = []
            for _ in 0..<(mode == "rooms" ? 2 : 1) {
                taken.append(Int(try await Self.event("listening", server)["port"]?.integer ?? 0))
            }
            let address = taken.map(String.init).joined(separator: ":")
            client =
                switch mode {
                case "board": try Self.chat("board connect 127.0.0.1:\(address) --name ann")
                case "udp": try Self.chat("udp join ann 127.0.0.1 \(address)")
                default: try Self.chat("rooms join lobby --name ann --server 127.0.0.1:\(address)")
                }
            self.server = server
        }
        _ = try await Self.event("ready", client)
    }

    /// The server, where there is one, ends as it is told to.
    func endServer() async {
        guard let server else { return }
        server.send(SIGTERM)
        #expect(await server.exitStatus() == 0)
    }

    private static func chat(_ words: String) throws -> ChildProcess {
        try ChildProcess(
            ChildProcess.product("chat"), words.split(separator: " ").map(String.init) + ["--memory", "--json"])
    }

    /// The value of a field in the next event of that name.
    static func event(_ name: String, _ child: ChildProcess) async throws -> JSON {
        while true {
            let event = try JSON(parsing: Array(try await child.line().utf8)[...])
            if event["event"]?.string == name { return event }
        }
    }
}

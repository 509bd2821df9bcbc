import Glibc
import TestSupport
import Testing
import Wire

/// The program itself as a server of rooms.
struct RoomsServerProcess: Sendable {
    let process: ChildProcess
    let tcpPort: UInt16
    let udpPort: UInt16

    /// Starts one; ports of 0 take free ones.
    static func start(
        _ options: [String] = ["--memory"], prefix: [String] = [], tcp: UInt16 = 0, udp: UInt16 = 0
    ) async throws -> RoomsServerProcess {
        let command =
            prefix + [
                ChildProcess.product("chat"), "rooms", "serve", "--tcp-port", "\(tcp)", "--udp-port", "\(udp)",
                "--bind", "127.0.0.1", "--json",
                "--no-rate-limit",
            ] + options
        let process = try ChildProcess(command[0], Array(command.dropFirst()))
        var ports: [String: UInt16] = [:]
        while true {
            let event = try JSON(parsing: Array(try await process.line().utf8)[...])
            if event["event"] == "listening", let port = event["port"]?.integer {
                ports[event["transport"]?.string ?? ""] = UInt16(port)
            }
            if event["event"] == "ready" { break }
        }
        return RoomsServerProcess(
            process: process, tcpPort: try #require(ports["tcp"]), udpPort: try #require(ports["udp"]))
    }

    /// Starts one again where it was.
    func restarted(_ options: [String]) async throws -> RoomsServerProcess {
        try await Self.start(options, tcp: tcpPort, udp: udpPort)
    }

    func kill() async {
        process.send(SIGKILL)
        _ = await process.exitStatus()
    }

    func stop() async -> Int32 {
        process.send(SIGTERM)
        return await process.exitStatus()
    }
}

/// The program itself as a client, read event by event.
actor RoomsClientProcess {
    nonisolated let process: ChildProcess
    private(set) var record = Record()

    /// What one client said on its standard output.
    struct Record: Sendable {
        /// Ids of one's own messages, in the order in which they were written, and what became of each.
        var own: [String] = []
        var states: [String: String] = [:]
        /// Of others, in the order in which they were shown.
        var seen: [Seen] = []
        var events: [String] = []

        struct Seen: Sendable, Hashable {
            let id: String
            let sender: String
            let text: String
            let offset: Int64?
        }

        var settled: Int { own.count { states[$0] != nil && states[$0] != "sent" } }

        mutating func read(_ event: JSON) {
            events.append(event["event"]?.string ?? "")
            guard let id = event["id"]?.string else { return }
            switch event["event"]?.string {
            case "message":
                if event["own"]?.bool == true {
                    own.append(id)
                } else {
                    seen.append(
                        Seen(
                            id: id, sender: event["sender"]?.string ?? "", text: event["text"]?.string ?? "",
                            offset: event["offset"]?.integer))
                }
            case "delivery": states[id] = event["state"]?.string
            default: break
            }
        }
    }

    init(_ verb: String, _ room: String, _ name: String, server: String, _ options: [String] = ["--memory"]) throws {
        process = try ChildProcess(
            ChildProcess.product("chat"),
            ["rooms", verb, room, "--name", name, "--server", server, "--json"] + options)
    }

    func say(_ text: String) async throws { try await process.write(text + "\n") }

    /// The next event.
    @discardableResult
    func next() async throws -> JSON {
        let event = try JSON(parsing: Array(try await process.line().utf8)[...])
        record.read(event)
        return event
    }

    /// Reads on until an event of that name has come.
    @discardableResult
    func wait(for name: String) async throws -> JSON {
        while true {
            let event = try await next()
            if event["event"]?.string == name { return event }
        }
    }

    func wait(until condition: @Sendable (Record) -> Bool) async throws {
        while !condition(record) { try await next() }
    }

    /// Ends the input and reads on to the end.
    func finish() async throws -> Int32 {
        await process.closeInput()
        return try await end()
    }

    func end() async throws -> Int32 {
        for line in try await process.rest().split(separator: "\n") {
            record.read(try JSON(parsing: Array(line.utf8)[...]))
        }
        return await process.exitStatus()
    }

    func kill() async {
        process.send(SIGKILL)
        _ = await process.exitStatus()
    }
}

import Glibc
import Synchronization
import TestSupport
import Testing
import Wire

/// The program itself as a server of one mode, or as a node of p2p, which a suite shares.
final class ModeServer: Sendable {
    let process: ChildProcess
    /// In the order in which it tells of them; a server of rooms has one for connections and then one for datagrams.
    let ports: [UInt16]
    private let number = Atomic(0)

    @TaskLocal static var current: ModeServer?

    init(_ mode: String, _ options: [String], ports count: Int = 1) async throws {
        process = try ChildProcess(
            ChildProcess.product("chat"),
            (mode == "p2p" ? [mode] : [mode, "serve", "--log-level", "error"]) + options
                + ["--bind", "127.0.0.1", "--memory", "--no-rate-limit", "--json"])
        var ports: [UInt16] = []
        while ports.count < count {
            let event = try JSON(parsing: Array(try await process.line(containing: "\"listening\"").utf8)[...])
            ports.append(UInt16(event["port"]?.integer ?? 0))
        }
        self.ports = ports
    }

    /// A number of four digits that no other cell has: its people and groups are its own.
    func next() -> Int { 1_000 + number.add(1, ordering: .relaxed).newValue }

    /// Runs a command of one shot; its exit status, and all that it wrote.
    static func run(_ arguments: [String]) async throws -> (status: Int32, output: String) {
        let child = try ChildProcess(ChildProcess.product("chat"), arguments, mergesErrors: true, patience: 30_000)
        await child.closeInput()
        let output = try await child.rest()
        return (await child.exitStatus(), output)
    }
}

/// Starts a server for a suite, and ends it when all of its cells were tried.
struct SharedServer: SuiteTrait, TestScoping {
    let mode: String
    let options: [String]
    var ports = 1

    @concurrent func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        let server = try await ModeServer(mode, options, ports: ports)
        try await ModeServer.$current.withValue(server) { try await function() }
        server.process.send(SIGTERM)
        #expect(await server.process.exitStatus() == 0)
    }
}

extension ModeServer {
    /// Of a board whose groups show nothing of what was before one joined.
    static let boardOptions = ["--port", "0", "--visibility", "none"]
}

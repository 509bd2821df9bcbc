import Glibc
import TestSupport
import Testing

/// What cannot be tried inside the process of the tests, tried on the relay.
@Suite struct ProcessTests {
    private func relay(descriptors: Int? = nil) async throws -> (ChildProcess, UInt16) {
        let relay =
            if let descriptors {
                try ChildProcess(
                    "/bin/sh", ["-c", "ulimit -n \(descriptors); exec \"$0\"", ChildProcess.product("relay")])
            } else {
                try ChildProcess(ChildProcess.product("relay"))
            }
        let line = try await relay.line()
        return (relay, try #require(UInt16(line.split(separator: " ").last ?? "")))
    }

    private func frame(_ text: String) -> [UInt8] { [0, UInt8(text.utf8.count)] + Array(text.utf8) }

    /// Out of descriptors, a server goes on serving those that it has, and accepts again when there is room.
    @Test func outOfDescriptors() async throws {
        let (relay, port) = try await relay(descriptors: 32)
        var peers: [RawPeer] = []
        // More than it can accept; the kernel completes the handshakes of the others and keeps them.
        for _ in 0..<44 { peers.append(try await RawPeer.connect(to: port)) }
        try await peers[0].send(frame("still here"))
        #expect(try await peers[1].receive(12) == frame("still here"))
        for peer in peers[2..<38] { await peer.close() }
        // The last of those that waited is served now.
        try await peers[43].send(frame("at last"))
        #expect(try await peers[1].receive(9) == frame("at last"))
        #expect(try await peers[0].receive(9) == frame("at last"))
        relay.send(SIGKILL)
        #expect(await relay.exitStatus() == 128 + SIGKILL)
    }

    /// SIGTERM is an event: the peers see an orderly end and the program ends with status 0.
    @Test(arguments: [SIGTERM, SIGINT, SIGHUP]) func signalsAreEvents(signal: Int32) async throws {
        let (relay, port) = try await relay()
        let peer = try await RawPeer.connect(to: port)
        let other = try await RawPeer.connect(to: port)
        try await other.send(frame("x"))
        #expect(try await peer.receive(3) == frame("x"))
        relay.send(signal)
        #expect(try await peer.receiveToEnd().isEmpty)
        await peer.close()
        await other.close()
        #expect(await relay.exitStatus() == 0)
    }
}

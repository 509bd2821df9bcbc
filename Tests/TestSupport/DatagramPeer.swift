import CLinux
import Glibc
import PlainSockets
import Platform
import Wire

/// A plain blocking UDP socket of 127.0.0.1 on a thread of its own: what stands on the other side in tests, with no code in
/// common with the loop that is tested.
package actor DatagramPeer {
    /// What was waited for has not come.
    package struct Silence: Error {}

    /// Milliseconds after which a wait for a datagram fails: a test that waits in vain must not wait for ever.
    private static let patience: Int32 = 30_000

    private let thread: WorkerThread
    private let descriptor: Int32
    package nonisolated let port: UInt16

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// The port that the datagram received last came from.
    package private(set) var lastSender: UInt16?

    package init() throws {
        thread = try WorkerThread(name: "datagrams")
        descriptor = try PlainSocket.bound(.datagrams, isBlocking: true)
        var size: Int32 = 4 << 20
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        port = PlainSocket.address(of: descriptor).port
    }

    deinit {
        Glibc.close(descriptor)
        thread.retire()
    }

    /// Sends a datagram to a port of 127.0.0.1.
    package func send(_ bytes: [UInt8], to port: UInt16) {
        PlainSocket.send(bytes, to: SocketAddress(ip: .loopbackV4, port: port), through: descriptor)
    }

    /// Waits for the next datagram, as a program takes it that reads at most `limit` bytes.
    package func receive(limit: Int = 65_536) throws -> [UInt8] {
        while true {
            if let (bytes, source) = PlainSocket.receive(descriptor) {
                lastSender = source.port
                return Array(bytes.prefix(limit))
            }
            var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard try systemCall("poll", { poll(&waited, 1, Self.patience) }) == 1 else { throw Silence() }
        }
    }

    /// Everything that has come already. What the other end sent before something that a third one has seen is among it:
    /// on loopback a datagram is there when the call that sends it returns.
    package func arrived() -> [[UInt8]] {
        var datagrams: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count >= 0 {
                datagrams.append(Array(buffer[..<count]))
            } else if chat_errno() != ECONNREFUSED {
                return datagrams
            }
        }
    }
}

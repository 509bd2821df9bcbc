import CLinux
import Glibc
import PlainSockets
import Platform
import Wire

/// A server on 127.0.0.1 that takes connections and says what a test wants.
package actor RawListener {
    private let thread: WorkerThread
    private let descriptor: Int32
    package nonisolated let port: UInt16

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    package init() throws {
        thread = try WorkerThread(name: "listener")
        descriptor = try PlainSocket.bound(.stream, isBlocking: true)
        port = PlainSocket.address(of: descriptor).port
    }

    deinit {
        close(descriptor)
        thread.retire()
    }

    /// True where somebody has connected and was not taken yet.
    package var isDialled: Bool {
        get throws {
            var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            return try systemCall("poll", { poll(&waited, 1, 0) }) == 1
        }
    }

    /// Waits for a connection, half a minute at most.
    package func accept() throws -> RawPeer {
        var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard try systemCall("poll", { poll(&waited, 1, 30_000) }) == 1 else {
            throw SystemError(call: "poll", code: ETIMEDOUT)
        }
        return try RawPeer(descriptor: try PlainSocket.accepted(descriptor))
    }
}

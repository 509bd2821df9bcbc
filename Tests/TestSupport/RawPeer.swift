import CLinux
import Glibc
import PlainSockets
package import Platform

/// A peer that is a plain blocking socket on a thread of its own: what stands on the other side in tests, with no code in
/// common with the loop that is tested.
package actor RawPeer {
    /// The other end did something that the test did not expect.
    package enum Failure: Error {
        case system(SystemError)
        /// The stream ended; what had come before is attached.
        case ended([UInt8])
    }

    private let thread: WorkerThread
    private var descriptor: Int32
    private var received: [UInt8] = []

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Connects to a port of 127.0.0.1.
    package static func connect(to port: UInt16, receiveBuffer: Int32? = nil) async throws -> RawPeer {
        let peer = try RawPeer()
        try await peer.open(port, receiveBuffer)
        return peer
    }

    /// Takes over a descriptor, for instance one of `accept`.
    package init(descriptor: Int32 = -1) throws {
        thread = try WorkerThread(name: "peer")
        self.descriptor = descriptor
    }

    deinit {
        if descriptor >= 0 { Glibc.close(descriptor) }
        // The last reference may go on the thread itself, which cannot wait for its own end.
        thread.retire()
    }

    private func open(_ port: UInt16, _ receiveBuffer: Int32?) throws {
        descriptor = try PlainSocket.connected(to: port, receiveBuffer: receiveBuffer)
    }

    /// Sends all bytes; with `pieces`, that many bytes a call.
    package func send(_ bytes: [UInt8], pieces: Int = .max) throws {
        var sent = 0
        while sent < bytes.count {
            let size = min(pieces, bytes.count - sent)
            sent += try bytes.withUnsafeBytes { buffer in
                try systemCall("send") {
                    Glibc.send(descriptor, buffer.baseAddress! + sent, size, Int32(MSG_NOSIGNAL))
                }
            }
        }
    }

    package func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// One `recv` of at most `limit` bytes, as a program that does not loop makes it; empty at the end of the stream.
    package func receiveOnce(limit: Int = 65_536) throws -> [UInt8] {
        if !received.isEmpty {
            let first = Array(received.prefix(limit))
            received.removeFirst(first.count)
            return first
        }
        return try read(limit)
    }

    /// Waits for a number of bytes.
    package func receive(_ count: Int) throws -> [UInt8] {
        while received.count < count {
            let chunk = try read(65_536)
            if chunk.isEmpty { throw Failure.ended(received) }
            received += chunk
        }
        let result = Array(received.prefix(count))
        received.removeFirst(count)
        return result
    }

    /// Waits until a text has come, and takes everything up to its end.
    package func receive(until text: String) throws -> String {
        let mark = Array(text.utf8)
        while true {
            if let end = received.end(of: mark) {
                let result = String(decoding: received[..<end], as: UTF8.self)
                received.removeFirst(end)
                return result
            }
            let chunk = try read(65_536)
            if chunk.isEmpty { throw Failure.ended(received) }
            received += chunk
        }
    }

    /// Waits for the end of the stream; what came before it.
    package func receiveToEnd() throws -> [UInt8] {
        while true {
            let chunk = try read(65_536)
            if chunk.isEmpty {
                defer { received = [] }
                return received
            }
            received += chunk
        }
    }

    /// Ends our side of the stream and goes on listening.
    package func endOutput() { Glibc.shutdown(descriptor, Int32(SHUT_WR)) }

    package func close() {
        Glibc.close(descriptor)
        descriptor = -1
    }

    /// Closes with a reset.
    package func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    private func read(_ limit: Int) throws -> [UInt8] {
        // A minute without a byte is a failure and not a reason to wait for ever.
        var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard try systemCall("poll", { poll(&waited, 1, 60_000) }) == 1 else {
            throw Failure.system(SystemError(call: "poll", code: ETIMEDOUT))
        }
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = try systemCall("recv") { recv(descriptor, &buffer, limit, 0) }
        return Array(buffer[..<count])
    }
}

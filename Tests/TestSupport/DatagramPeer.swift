import CLinux
import Glibc
import Platform

/// A plain blocking UDP socket of 127.0.0.1 on a thread of its own: what stands on the other side in tests, with no code in
/// common with the loop that is tested.
package actor DatagramPeer {
    /// What was waited for has not come.
    package struct Silence: Error {}

    /// Seconds after which a wait for a datagram fails: a test that waits in vain must not wait for ever.
    private static let patience = 30

    private let thread: WorkerThread
    private let descriptor: Int32
    package nonisolated let port: UInt16

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    package init() throws {
        thread = try WorkerThread(name: "datagrams")
        let opened = try systemCall("socket") {
            socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
        descriptor = opened
        var timeout = timeval(tv_sec: Self.patience, tv_usec: 0)
        setsockopt(opened, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var size: Int32 = 4 << 20
        setsockopt(opened, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        var address = Self.address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                try systemCall("bind") { Glibc.bind(opened, raw, length) }
                return try systemCall("getsockname") { getsockname(opened, raw, &length) }
            }
        }
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit {
        Glibc.close(descriptor)
        thread.retire()
    }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    /// Sends a datagram to a port of 127.0.0.1.
    package func send(_ bytes: [UInt8], to port: UInt16) {
        var address = Self.address(port)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Waits for the next datagram, as a program takes it that reads at most `limit` bytes.
    package func receive(limit: Int = 65_536) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: limit)
        while true {
            do {
                let count = try systemCall("recv") { recv(descriptor, &buffer, limit, 0) }
                return Array(buffer[..<count])
            } catch  where error.code == ECONNREFUSED {
                // The ICMP error of an earlier datagram.
                continue
            } catch {
                throw Silence()
            }
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

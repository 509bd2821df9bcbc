import CLinux
import Glibc

/// Sockets of an attacker, which share nothing with the program: IPv4 on loopback, never waiting.
enum RawSocket {
    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private static func withAddress(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int) -> Int {
        var address = address(port)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private static func make(_ type: Int32) -> Int32 {
        socket(AF_INET, type | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    }

    /// A connection that is being made; -1 where there is none to be had.
    static func connect(to port: UInt16, receiveBuffer: Int32? = nil) -> Int32 {
        let descriptor = make(Int32(SOCK_STREAM.rawValue))
        guard descriptor >= 0 else { return -1 }
        if var size = receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        let result = withAddress(port) { Int(Glibc.connect(descriptor, $0, $1)) }
        guard result == 0 || chat_errno() == EINPROGRESS else {
            close(descriptor)
            return -1
        }
        return descriptor
    }

    /// A socket for datagrams, and the port that it has.
    static func datagrams() -> (descriptor: Int32, port: UInt16)? {
        let descriptor = make(Int32(SOCK_DGRAM.rawValue))
        guard descriptor >= 0 else { return nil }
        _ = withAddress(0) { Int(bind(descriptor, $0, $1)) }
        var own = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutableBytes(of: &own) { raw in
            getsockname(descriptor, raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
        }
        return (descriptor, UInt16(bigEndian: own.sin_port))
    }

    static func send(_ bytes: [UInt8], to port: UInt16, through descriptor: Int32) {
        _ = withAddress(port) { sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, $1) }
    }

    /// Writes what the kernel takes.
    ///
    /// - Returns: false where the connection is over.
    @discardableResult
    static func write(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
        Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) >= 0 || chat_errno() == EAGAIN
    }

    /// What has come; nil where the connection is over.
    static func read(_ descriptor: Int32) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count > 0 { return Array(buffer[..<count]) }
        return count < 0 && chat_errno() == EAGAIN ? [] : nil
    }

    /// Closes; the other end sees a reset.
    static func reset(_ descriptor: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
    }
}

import CLinux
import Glibc
package import Platform
package import Wire

/// IPv4 sockets of the C library, which is all that a test on loopback needs: no code in common with the loop that is
/// tested.
package enum PlainSocket {
    package enum Transport: Sendable { case stream, datagrams }

    private static func opened(_ transport: Transport, isBlocking: Bool) throws(SystemError) -> Int32 {
        let type = transport == .stream ? SOCK_STREAM : SOCK_DGRAM
        let flags = SOCK_CLOEXEC.rawValue | (isBlocking ? 0 : SOCK_NONBLOCK.rawValue)
        return try systemCall("socket") { socket(AF_INET, Int32(type.rawValue | flags), 0) }
    }

    /// A socket for datagrams, or one that listens; port 0 takes any.
    package static func bound(
        _ transport: Transport, to address: SocketAddress = SocketAddress(ip: .loopbackV4, port: 0),
        isBlocking: Bool = false
    ) throws(SystemError) -> Int32 {
        let descriptor = try opened(transport, isBlocking: isBlocking)
        if transport == .stream { set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) }
        var system = systemAddress(address)
        do {
            _ = try withAddress(&system) { pointer, length throws(SystemError) in
                try systemCall("bind") { bind(descriptor, pointer, length) }
            }
            if transport == .stream { try systemCall("listen") { listen(descriptor, 1_024) } }
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Connects to a port of 127.0.0.1 and blocks.
    package static func connected(to port: UInt16, receiveBuffer: Int32? = nil) throws(SystemError) -> Int32 {
        let descriptor = try opened(.stream, isBlocking: true)
        if let receiveBuffer { set(descriptor, SOL_SOCKET, SO_RCVBUF, receiveBuffer) }
        set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        var system = systemAddress(SocketAddress(ip: .loopbackV4, port: port))
        do {
            _ = try withAddress(&system) { pointer, length throws(SystemError) in
                try systemCall("connect") { connect(descriptor, pointer, length) }
            }
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Takes a connection that has come; it blocks.
    package static func accepted(_ listener: Int32) throws(SystemError) -> Int32 {
        try systemCall("accept4") { accept4(listener, nil, nil, Int32(SOCK_CLOEXEC.rawValue)) }
    }

    /// Begins a connection; what is written before it stands waits for `POLLOUT`.
    package static func dialled(
        _ target: SocketAddress, from source: IPAddress? = nil, receiveBuffer: Int32? = nil
    ) -> Int32? {
        guard let descriptor = try? opened(.stream, isBlocking: false) else { return nil }
        prepare(descriptor)
        if let receiveBuffer { set(descriptor, SOL_SOCKET, SO_RCVBUF, receiveBuffer) }
        if let source {
            var system = systemAddress(SocketAddress(ip: source, port: 0))
            _ = withAddress(&system) { bind(descriptor, $0, $1) }
        }
        var system = systemAddress(target)
        guard withAddress(&system, { connect(descriptor, $0, $1) }) == 0 || chat_errno() == EINPROGRESS else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    package static func prepare(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    /// Closes so that the other end sees a reset.
    package static func reset(_ descriptor: Int32) {
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        close(descriptor)
    }

    package static func address(of descriptor: Int32) -> SocketAddress {
        var system = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutableBytes(of: &system) { raw in
            getsockname(descriptor, raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
        }
        return socketAddress(system)
    }

    /// The next datagram and where it comes from; nil where none is there.
    package static func receive(_ descriptor: Int32) -> ([UInt8], SocketAddress)? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        var system = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        while true {
            let count = withUnsafeMutableBytes(of: &system) { raw in
                recvfrom(
                    descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT),
                    raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
            }
            // A port that was unreachable is told once and is no reason to stop.
            if count < 0 && chat_errno() == ECONNREFUSED { continue }
            guard count >= 0 else { return nil }
            return (Array(bytes[..<count]), socketAddress(system))
        }
    }

    package static func send(_ bytes: [UInt8], to address: SocketAddress, through descriptor: Int32) {
        var system = systemAddress(address)
        _ = withAddress(&system) { sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, $1) }
    }

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func systemAddress(_ address: SocketAddress) -> sockaddr_in {
        var system = sockaddr_in()
        system.sin_family = sa_family_t(AF_INET)
        system.sin_port = address.port.bigEndian
        system.sin_addr.s_addr = (address.ip.v4 ?? 0x7F00_0001).bigEndian
        return system
    }

    private static func socketAddress(_ system: sockaddr_in) -> SocketAddress {
        SocketAddress(ip: .v4(UInt32(bigEndian: system.sin_addr.s_addr)), port: UInt16(bigEndian: system.sin_port))
    }

    private static func withAddress<Result, Failure: Error>(
        _ system: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let copy = system
        let raw = UnsafeMutableRawPointer.allocate(byteCount: MemoryLayout<sockaddr_in>.size, alignment: 8)
        defer { raw.deallocate() }
        raw.storeBytes(of: copy, as: sockaddr_in.self)
        return try body(
            UnsafePointer(raw.assumingMemoryBound(to: sockaddr.self)), socklen_t(MemoryLayout<sockaddr_in>.size))
    }
}

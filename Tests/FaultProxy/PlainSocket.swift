import CLinux
import Glibc
import Platform
import Wire

/// IPv4 sockets of the C library, which is all that a test on loopback needs.
enum PlainSocket {
    static func bound(_ transport: FaultProxy.Route.Transport, to address: SocketAddress) throws -> Int32 {
        let isStream = if case .stream = transport { true } else { false }
        let type = isStream ? SOCK_STREAM : SOCK_DGRAM
        let descriptor = try systemCall("socket") { socket(AF_INET, Int32(type.rawValue) | flags, 0) }
        if isStream { set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) }
        var system = systemAddress(address)
        do {
            _ = try withAddress(&system) { pointer, length in
                try systemCall("bind") { bind(descriptor, pointer, length) }
            }
            if isStream { try systemCall("listen") { listen(descriptor, 1_024) } }
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Begins a connection; what is written before it stands waits for `POLLOUT`.
    static func dialled(_ target: SocketAddress, from source: IPAddress?) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | flags, 0)
        guard descriptor >= 0 else { return nil }
        prepare(descriptor)
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

    static func prepare(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    /// Closes so that the other end sees a reset.
    static func reset(_ descriptor: Int32) {
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        close(descriptor)
    }

    static func address(of descriptor: Int32) -> SocketAddress {
        var system = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutableBytes(of: &system) { raw in
            getsockname(descriptor, raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
        }
        return socketAddress(system)
    }

    static func receive(_ descriptor: Int32) -> ([UInt8], SocketAddress)? {
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

    static func send(_ bytes: [UInt8], to address: SocketAddress, through descriptor: Int32) {
        var system = systemAddress(address)
        _ = withAddress(&system) { sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, $1) }
    }

    private static let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

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

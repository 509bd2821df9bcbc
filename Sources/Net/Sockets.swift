import CLinux
import Glibc
import Platform
import Wire

/// Opening and configuring sockets: every socket call of the program but those that move bytes.
enum Sockets {
    /// Pending connections that the kernel keeps for a listener; it cuts the number to its own limit.
    static let backlog: Int32 = 4_096

    /// TCP keepalive for ends that agreed on no pings: seconds of silence, seconds between probes, probes.
    static let keepalive: (idle: Int32, interval: Int32, count: Int32) = (60, 15, 4)

    /// Bytes of kernel buffer asked for a datagram socket: a fan-out to thousands leaves in one burst.
    static let datagramBuffer: Int32 = 4 << 20

    static func listener(on address: SocketAddress) throws(SystemError) -> (Int32, SocketAddress) {
        try bound(to: address, type: SOCK_STREAM) { descriptor throws(SystemError) in
            try systemCall("listen") { listen(descriptor, backlog) }
        }
    }

    static func datagram(on address: SocketAddress) throws(SystemError) -> (Int32, SocketAddress) {
        try bound(to: address, type: SOCK_DGRAM) { descriptor throws(SystemError) in
            set(descriptor, SOL_SOCKET, SO_RCVBUF, datagramBuffer)
            set(descriptor, SOL_SOCKET, SO_SNDBUF, datagramBuffer)
            // ICMP errors come through the error queue, with the address that they are about.
            if address.ip.family == AF_INET6 { set(descriptor, Int32(IPPROTO_IPV6), IPV6_RECVERR, 1) }
            set(descriptor, Int32(IPPROTO_IP), IP_RECVERR, 1)
        }
    }

    private static func bound(
        to address: SocketAddress, type: __socket_type,
        _ configure: (Int32) throws(SystemError) -> Void
    ) throws(SystemError) -> (Int32, SocketAddress) {
        let family = address.ip.family
        let descriptor = try open(family: family, type: type)
        do throws(SystemError) {
            if type == SOCK_STREAM { set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) }
            // `[::]` takes IPv4 as well; an address of its own takes what it says.
            if family == AF_INET6 {
                set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, address.ip.isUnspecified ? 0 : 1)
            }
            var system = SystemAddress(address, family: family)
            try systemCall("bind") { system.withPointer { bind(descriptor, $0, $1) } }
            try configure(descriptor)
            return (descriptor, try localAddress(of: descriptor))
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// The address of this host that datagrams to another leave from. Nothing is sent.
    static func localAddress(towards address: SocketAddress) throws(SystemError) -> IPAddress {
        let descriptor = try open(family: address.ip.family, type: SOCK_DGRAM)
        defer { close(descriptor) }
        var system = SystemAddress(address, family: address.ip.family)
        try systemCall("connect") { system.withPointer { connect(descriptor, $0, $1) } }
        return try localAddress(of: descriptor).ip
    }

    /// A nonblocking socket that has begun to connect.
    static func connecting(to address: SocketAddress) throws(SystemError) -> Int32 {
        let descriptor = try open(family: address.ip.family, type: SOCK_STREAM)
        configureStream(descriptor)
        var system = SystemAddress(address, family: address.ip.family)
        let result = system.withPointer { connect(descriptor, $0, $1) }
        if result == -1 {
            let code = chat_errno()
            // An interrupted connect goes on by itself.
            if code != EINPROGRESS && code != EINTR {
                close(descriptor)
                throw SystemError(call: "connect", code: code)
            }
        }
        return descriptor
    }

    static func configureStream(_ descriptor: Int32) {
        set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, keepalive.idle)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, keepalive.interval)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, keepalive.count)
    }

    /// The error that a connection attempt left, nil where it has none.
    static func pendingError(of descriptor: Int32) -> SystemError? {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        return code == 0 ? nil : SystemError(call: "connect", code: code)
    }

    /// Makes the next `close` send a reset and throw away what waits.
    static func discardOnClose(_ descriptor: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    private static func open(family: Int32, type: __socket_type) throws(SystemError) -> Int32 {
        return try systemCall("socket") { socket(family, Int32(type.rawValue) | System.acceptFlags, 0) }
    }

    private static func localAddress(of descriptor: Int32) throws(SystemError) -> SocketAddress {
        var system = SystemAddress()
        system.length = SystemAddress.capacity
        try systemCall("getsockname") { system.withPointer { getsockname(descriptor, $0, &$1) } }
        guard let address = system.socketAddress else { preconditionFailure("a socket of ours has a strange family") }
        return address
    }

    /// Options are wishes: a kernel that lacks one still carries the bytes.
    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}

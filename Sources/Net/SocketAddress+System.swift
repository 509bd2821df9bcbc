import CLinux
import Glibc
import Platform
import Wire

/// The kernel's form of a socket address, held in place: a batch of datagrams needs hundreds of them side by side.
struct SystemAddress {
    var storage = sockaddr_in6()
    var length: socklen_t = 0

    init() {}

    /// - Parameter family: that of the socket; an IPv4 address goes through an IPv6 socket in its mapped form.
    @inline(__always)
    init(_ address: SocketAddress, family: Int32) {
        if family == AF_INET, let bits = address.ip.v4 {
            withUnsafeMutableBytes(of: &storage) { raw in
                raw.withMemoryRebound(to: sockaddr_in.self) { inner in
                    inner[0].sin_family = sa_family_t(AF_INET)
                    inner[0].sin_port = address.port.bigEndian
                    inner[0].sin_addr.s_addr = bits.bigEndian
                }
            }
            length = socklen_t(MemoryLayout<sockaddr_in>.size)
            return
        }
        // An IPv4 address is kept in its mapped form, which is what an IPv6 socket takes.
        storage.sin6_family = sa_family_t(AF_INET6)
        storage.sin6_port = address.port.bigEndian
        storage.sin6_scope_id = address.scope
        withUnsafeMutableBytes(of: &storage.sin6_addr) { raw in
            raw.storeBytes(of: address.ip.high.bigEndian, toByteOffset: 0, as: UInt64.self)
            raw.storeBytes(of: address.ip.low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    }

    /// The address that the kernel has filled in; nil for a family that is neither IPv4 nor IPv6.
    @inline(__always)
    var socketAddress: SocketAddress? {
        switch Int32(storage.sin6_family) {
        case AF_INET:
            return withUnsafeBytes(of: storage) { raw in
                let inner = raw.loadUnaligned(as: sockaddr_in.self)
                return SocketAddress(
                    ip: .v4(UInt32(bigEndian: inner.sin_addr.s_addr)), port: UInt16(bigEndian: inner.sin_port))
            }
        case AF_INET6:
            return withUnsafeBytes(of: storage.sin6_addr) { raw in
                SocketAddress(
                    ip: .v6(
                        high: UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                        low: UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))),
                    port: UInt16(bigEndian: storage.sin6_port), scope: storage.sin6_scope_id)
            }
        default:
            return nil
        }
    }

    /// Calls with the pointer that the socket calls take.
    @inline(__always)
    mutating func withPointer<Result>(
        _ body: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> Result
    ) -> Result {
        var length = self.length
        defer { self.length = length }
        return withUnsafeMutableBytes(of: &storage) { raw in
            raw.withMemoryRebound(to: sockaddr.self) { body($0.baseAddress!, &length) }
        }
    }

    static var capacity: socklen_t { socklen_t(MemoryLayout<sockaddr_in6>.size) }
}

extension IPAddress {
    /// The address family of a socket for it.
    var family: Int32 { isV4 ? AF_INET : AF_INET6 }
}

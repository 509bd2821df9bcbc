/// The address of one end of a connection, or of a datagram: an IP address and a port.
package struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
    package var ip: IPAddress
    package var port: UInt16
    /// The number of the interface that a link-local IPv6 address belongs to; 0 for none.
    package var scope: UInt32

    package init(ip: IPAddress, port: UInt16, scope: UInt32 = 0) {
        self.ip = ip
        self.port = port
        self.scope = scope
    }

    /// "192.0.2.1:9001", "[2001:db8::1]:9001", "[fe80::1%2]:9001".
    package var description: String {
        if ip.isV4 { return "\(ip):\(port)" }
        return scope == 0 ? "[\(ip)]:\(port)" : "[\(ip)%\(scope)]:\(port)"
    }
}

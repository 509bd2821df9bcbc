import Glibc
package import Net
package import Platform
package import Wire

/// Why a server or a peer cannot listen, as its user is told.
package struct ListenError: UserFacingError, Equatable {
    package let address: SocketAddress
    package let cause: SystemError

    /// What was wrong and what to do.
    package var message: SafeText {
        let advice: SafeText =
            switch cause.code {
            case EADDRINUSE: "another program has that port; stop it or choose another port (0 takes any free one)"
            case EACCES: "ports below 1024 need more rights; choose a higher one"
            case EADDRNOTAVAIL: "this host has no such address; choose one that it has with --bind"
            default: "choose another address with --bind or another port"
            }
        return "cannot listen on \(address.description): \(cause.reason); \(advice)"
    }
}

/// Opening the sockets of a server: the same port on every address that it was told, TCP and UDP alike.
package enum Listening {
    package typealias Opened = (id: SocketID, address: SocketAddress)

    /// Listens for connections.
    ///
    /// - Parameters:
    ///   - addresses: what `--bind` said; empty is every interface, IPv4 and IPv6.
    ///   - port: 0 takes a free one, the same on all addresses.
    package static func streams(
        on addresses: [IPAddress], port: UInt16, with outbound: any Outbound
    ) throws(ListenError) -> [Opened] {
        try open(on: addresses, port: port, with: outbound) { address throws(SystemError) in
            try outbound.listen(on: address)
        }
    }

    /// Opens sockets for datagrams.
    package static func datagrams(
        on addresses: [IPAddress], port: UInt16, with outbound: any Outbound
    ) throws(ListenError) -> [Opened] {
        try open(on: addresses, port: port, with: outbound) { address throws(SystemError) in
            try outbound.bindDatagram(on: address)
        }
    }

    private static func open(
        on addresses: [IPAddress], port: UInt16, with outbound: any Outbound,
        _ body: (SocketAddress) throws(SystemError) -> Opened
    ) throws(ListenError) -> [Opened] {
        guard !addresses.isEmpty else { return [try openEverywhere(port: port, body)] }
        var opened: [Opened] = []
        for ip in addresses {
            let address = SocketAddress(ip: ip, port: opened.first?.address.port ?? port)
            do throws(SystemError) {
                opened.append(try body(address))
            } catch {
                // All or nothing: a server that listens on a part of what it was told is a surprise.
                for other in opened { outbound.close(other.id) }
                throw ListenError(address: address, cause: error)
            }
        }
        return opened
    }

    private static func openEverywhere(
        port: UInt16, _ body: (SocketAddress) throws(SystemError) -> Opened
    ) throws(ListenError) -> Opened {
        do throws(SystemError) {
            return try body(SocketAddress(ip: .anyV6, port: port))
        } catch {
            // A host without IPv6 has IPv4.
            guard error.code == EAFNOSUPPORT || error.code == EADDRNOTAVAIL else {
                throw ListenError(address: SocketAddress(ip: .anyV6, port: port), cause: error)
            }
        }
        let address = SocketAddress(ip: .anyV4, port: port)
        do throws(SystemError) {
            return try body(address)
        } catch {
            throw ListenError(address: address, cause: error)
        }
    }
}

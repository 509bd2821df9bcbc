package import Wire

/// What `chat udp ...` was asked to do, validated where the command line was read.
///
/// `runUDP(_:common:)` carries it out.
package enum UDPOptions: Sendable, Equatable {
    /// `chat udp serve PORT`; 0 takes a free one. Also `chat udp -s PORT`.
    case serve(port: UInt16)
    /// `chat udp join NAME SERVER SERVER-PORT [CLIENT-PORT]`. Also `chat udp -c NAME IP PORT PORT`.
    case join(UDPJoinOptions)
}

package struct UDPJoinOptions: Sendable, Equatable {
    package var name: Nickname
    /// By name or address; the old spelling takes an IPv4 address alone.
    package var server: Endpoint
    /// The port to receive on; 0 takes a free one.
    package var clientPort: UInt16

    package init(name: Nickname, server: Endpoint, clientPort: UInt16 = 0) {
        self.name = name
        self.server = server
        self.clientPort = clientPort
    }
}

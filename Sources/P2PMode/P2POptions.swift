package import Wire

/// What `chat p2p ...` was asked to do, validated where the command line was read.
///
/// `runP2P(_:common:)` carries it out.
package struct P2POptions: Sendable, Equatable {
    /// The port to listen on; 0 takes a free one.
    package var port: UInt16
    /// Peers to dial, and to dial again until they answer.
    package var peers: [Endpoint]
    /// `--plain`: no hello; frames of plain text for a mesh of plain peers.
    package var plain: Bool

    package init(port: UInt16, peers: [Endpoint] = [], plain: Bool = false) {
        self.port = port
        self.peers = peers
        self.plain = plain
    }
}

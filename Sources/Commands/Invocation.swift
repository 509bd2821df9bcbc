package import Bench
package import BoardMode
package import Console
package import P2PMode
package import RoomsMode
package import UDPMode

/// What a command line asks for, validated and not carried out yet.
package enum Invocation: Sendable {
    /// `chat p2p`
    case p2p(P2POptions, CommonOptions)
    /// `chat board`
    case board(BoardOptions, CommonOptions)
    /// `chat udp`
    case udp(UDPOptions, CommonOptions)
    /// `chat rooms`
    case rooms(RoomsOptions, CommonOptions)
    /// `chat bench`
    case bench(BenchOptions)
    /// `chat`, `chat help`, `--help`; the words of the command, without `chat`.
    case help(path: [String])
    /// `chat --version`
    case version
    /// `chat completions`
    case completions(Shell)
}

/// A shell that can complete our command lines.
package enum Shell: String, Sendable, CaseIterable {
    case bash
    case zsh
    case fish
}

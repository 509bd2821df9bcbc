import Glibc
package import Platform
package import Wire

/// What a turn of the loop brought; a turn is an array of these.
package enum NetEvent: Sendable {
    /// A listener has a new connection.
    case accepted(SocketID, listener: SocketID, peer: SocketAddress)

    /// A listener cannot accept (out of descriptors or memory) and tries again after `Hub.Limits.acceptPause`.
    case acceptFailed(listener: SocketID, SystemError)

    /// A dial has succeeded; the connection is open.
    case connected(SocketID, token: Int, peer: SocketAddress)

    /// A dial has ended without a connection. It is not tried again by itself.
    case dialFailed(token: Int, DialError)

    /// The addresses of a name that `resolve` asked for, the best first; never empty.
    case resolved(token: Int, Result<[SocketAddress], DialError>)

    /// Bytes of a stream, in order, at most `Hub.Limits.readPerSocket` at once. A decoder that keeps a part copies it: the
    /// slice shares the memory of the whole turn.
    case received(SocketID, ArraySlice<UInt8>)

    /// The peer has ended its side of the stream and may still listen: answer what is under way, then `close`.
    case inputEnded(SocketID)

    /// Datagrams that came to a socket, in the order in which the kernel had them.
    case datagrams(SocketID, [Datagram])

    /// ICMP said that nobody listens at an address to which a datagram was sent.
    case unreachable(SocketID, SocketAddress)

    /// The time of `schedule` has come.
    case timer(UInt64)

    /// What `notifyWhenDrained` asked for: at most that many bytes wait for the peer.
    case drained(SocketID)

    /// The stream is gone and its id is dead. Comes exactly once for each id of `accepted` and `connected`.
    case closed(SocketID, CloseReason)

    /// A signal that the process was sent.
    case signal(Signal)
}

/// One datagram and where it came from.
package struct Datagram: Sendable, Equatable {
    package let source: SocketAddress

    /// The payload. One byte more than `Hub.Limits.datagram` means that it was longer than that and was cut.
    package let bytes: ArraySlice<UInt8>

    package init(source: SocketAddress, bytes: ArraySlice<UInt8>) {
        self.source = source
        self.bytes = bytes
    }
}

/// Why a stream is gone.
package enum CloseReason: Sendable, Equatable {
    /// `close`, `reset` or `shutdown` of our own.
    case local
    /// The peer closed both sides, or went while we were closing.
    case remote
    /// The outbox grew over its limit, or nothing left it for too long.
    case slowConsumer
    /// The connection broke.
    case failed(SystemError)

    /// A few words for a line that says who has gone and why.
    package var message: SafeText {
        switch self {
        case .local: "closed here"
        case .remote: "closed by the other end"
        case .slowConsumer: "it read too slowly"
        case .failed(let error): error.reason
        }
    }
}

/// Why a dial has ended without a connection.
package enum DialError: UserFacingError, Sendable, Equatable {
    /// The name has no address. The text is the resolver's.
    case unresolved(SafeText)
    /// The connection was refused or could not be made.
    case failed(SystemError)
    case timedOut
    /// Too many names wait for the resolver.
    case resolverBusy

    /// A few words that complete "cannot connect to HOST: ".
    package var message: SafeText {
        switch self {
        case .unresolved(let reason): reason
        case .failed(let error): error.reason
        case .timedOut: "no answer in time"
        case .resolverBusy: "too many names are being looked up"
        }
    }
}

/// The signals that reach a mode as events.
package enum Signal: Int32, Sendable, CaseIterable {
    case interrupt = 2
    case terminate = 15
    case hangup = 1
    case windowChange = 28
    case resumed = 18
    case terminalStop = 20
    case user1 = 10
}

package import Platform
package import Wire

/// Bytes that were encoded in this turn, for any number of recipients; valid until the turn ends.
package struct Payload: Sendable, Equatable {
    /// Where the bytes stand in the turn's arena.
    package let start: Int
    package let end: Int
    /// The turn they belong to: a payload kept for longer is a mistake of ours and traps.
    package let turn: UInt64

    package init(start: Int, end: Int, turn: UInt64) {
        self.start = start
        self.end = end
        self.turn = turn
    }

    /// Bytes.
    package var count: Int { end - start }
}

/// What an actor that owns a mode's state calls to reach the network. `Hub` is the real one; tests record.
///
/// Nothing here waits and nothing throws for a peer's sake: what is sent to an id that has gone is dropped, because its
/// `closed` event is on the way.
package protocol Outbound: AnyObject {
    /// The time at which this turn began.
    var now: MonotonicTime { get }

    /// Listens for TCP connections. Port 0 takes a free one; the answer says which. `[::]` takes IPv4 too.
    func listen(on address: SocketAddress) throws(SystemError) -> (id: SocketID, address: SocketAddress)

    /// Opens a UDP socket. Port 0 takes a free one; the answer says which. `[::]` takes IPv4 too.
    func bindDatagram(on address: SocketAddress) throws(SystemError) -> (id: SocketID, address: SocketAddress)

    /// Looks the name up off the loop and connects; answered with `connected` or `dialFailed`, once.
    ///
    /// - Parameter token: the caller's own name for this dial; unique among those under way.
    func dial(_ endpoint: Endpoint, token: Int, timeout: Duration)

    /// Gives a dial up; it is not answered any more.
    func cancelDial(token: Int)

    /// Looks a name up off the loop, for datagrams; answered with `resolved`, once, after 10 seconds at the latest.
    ///
    /// - Parameter token: the caller's own name for this look-up; unique among those under way.
    func resolve(_ endpoint: Endpoint, token: Int)

    /// Encodes bytes into the memory of this turn. `body` must not call the outbound.
    func encode(_ body: (inout ByteWriter) -> Void) -> Payload

    /// Sends to a stream at the end of this turn, together with all else that it is sent.
    ///
    /// Never waits. What the kernel does not take is kept; over `Limits.outbox` bytes, or after `Limits.noProgress`
    /// without any leaving, the peer is disconnected with `closed(id, .slowConsumer)`.
    func send(_ payload: Payload, to id: SocketID)

    /// Sends the same bytes to many streams.
    func send(_ payload: Payload, to ids: [SocketID], except: SocketID?)

    /// Sends a datagram at the end of this turn.
    func send(_ payload: Payload, to address: SocketAddress, from socket: SocketID)

    /// Sends the same datagram to many addresses.
    ///
    /// Handing over the same array for several payloads of a turn, with the author of each as the exception, makes them
    /// cost one message an address where their sizes agree.
    func send(_ payload: Payload, to addresses: [SocketAddress], except: SocketAddress?, from socket: SocketID)

    /// Stops reading from a stream; its sender is slowed down by TCP. A hang-up is noticed when reading goes on.
    func pause(_ id: SocketID)

    /// Goes on reading from a stream.
    func resume(_ id: SocketID)

    /// Closes a stream after what it was sent has left, or a listener or datagram socket at once.
    func close(_ id: SocketID)

    /// Closes at once, with a reset; what waits for the peer is lost.
    func reset(_ id: SocketID)

    /// Asks for one `drained(id)` when at most `below` bytes wait for the peer.
    func notifyWhenDrained(_ id: SocketID, below: Int)

    /// Bytes that the kernel has not taken yet, those of this turn included.
    func outboxCount(_ id: SocketID) -> Int

    /// Asks for `timer(token)` after a time. One timer a token: scheduling again moves it.
    func schedule(_ token: UInt64, after delay: Duration)

    func cancelTimer(_ token: UInt64)

    /// Stops accepting and dialling, closes every stream after what it was sent has left, at the latest after `grace`;
    /// then the turns end.
    func shutdown(grace: Duration)
}

extension Outbound {
    /// Sends the same datagram to many addresses.
    package func send(_ payload: Payload, to addresses: [SocketAddress], from socket: SocketID) {
        send(payload, to: addresses, except: nil, from: socket)
    }

    /// Sends bytes that were encoded elsewhere.
    package func send(_ bytes: some Sequence<UInt8>, to id: SocketID) {
        send(encode { $0.append(contentsOf: bytes) }, to: id)
    }
}

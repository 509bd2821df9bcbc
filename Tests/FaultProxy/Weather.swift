/// What a network does to what passes through it. All chances are in per mille and are drawn from the proxy's seed.
package struct Weather: Sendable, Equatable, CustomStringConvertible {
    /// Datagrams.
    package var loss = 0
    package var duplication = 0
    /// One byte of a datagram becomes another.
    package var corruption = 0
    /// Milliseconds; what is drawn for each datagram and each piece of a stream. Datagrams overtake one another.
    package var delay = 0...0
    /// A chunk of a stream is passed on in pieces of at most this many bytes; 0 leaves it whole.
    package var piece = 0
    /// A chunk of a stream is the last: both ends see a reset.
    package var reset = 0
    /// A chunk of a stream is the last in its direction, which ends behind it; the other direction goes on.
    package var halfClose = 0

    package init(_ set: (inout Weather) -> Void = { _ in }) { set(&self) }

    package static let fair = Weather()

    /// A network that loses three of ten datagrams, repeats some and lets them overtake one another.
    package static let storm = Weather {
        $0.loss = 300
        $0.duplication = 150
        $0.delay = 0...60
    }

    package var description: String {
        "loss \(loss), duplication \(duplication), corruption \(corruption), delay \(delay) ms, pieces of \(piece), "
            + "reset \(reset), half-close \(halfClose)"
    }
}

package import Wire

/// How many connections a server takes, in all and of one address.
package struct ConnectionLimiter: Sendable {
    /// Connections of one IPv4 address or one IPv6 /64; those of this host are not counted.
    package static let perAddress = 16
    /// Connections in all.
    package static let total = 10_000

    package enum Verdict: Sendable, Equatable {
        case admit
        case tooManyOfAddress
        case full
    }

    private var counts: [IPAddress: Int] = [:]
    package private(set) var open = 0

    package init() {}

    /// Decides about a connection that was accepted; one that is admitted is counted until `closed`.
    package mutating func accepted(from address: IPAddress) -> Verdict {
        guard open < Self.total else { return .full }
        if !address.isLoopback {
            let count = counts[address.limitKey, default: 0]
            guard count < Self.perAddress else { return .tooManyOfAddress }
            counts[address.limitKey] = count + 1
        }
        open += 1
        return .admit
    }

    /// An admitted connection has gone.
    package mutating func closed(from address: IPAddress) {
        open -= 1
        guard !address.isLoopback, let count = counts[address.limitKey] else { return }
        counts[address.limitKey] = count > 1 ? count - 1 : nil
    }
}

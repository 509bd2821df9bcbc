package import Wire

/// How often an address may ask for something over TCP.
package struct EntryLimiter: Sendable {
    /// How much may come at once from one IPv4 address or one IPv6 /64, and how much a second from then on.
    package struct Rate: Sendable, Equatable {
        package let burst: Int
        package let perSecond: Double
        /// This host may as often as it likes.
        package let exemptsLoopback: Bool

        package init(burst: Int, perSecond: Double, exemptsLoopback: Bool = true) {
            self.burst = burst
            self.perSecond = perSecond
            self.exemptsLoopback = exemptsLoopback
        }
    }

    /// Addresses that are remembered; beyond them all strangers share what one may.
    package static let mostAddresses = 10_000
    /// How often at most those are looked for that may be forgotten: looking costs time for every address there is.
    package static let pruneInterval: Duration = .seconds(1)

    private var buckets: [IPAddress: TokenBucket] = [:]
    private var shared: TokenBucket
    private var prunedAt: MonotonicTime?

    package let rate: Rate

    package init(_ rate: Rate) {
        self.rate = rate
        shared = TokenBucket(burst: rate.burst, perSecond: rate.perSecond)
    }

    /// Decides about a request.
    package mutating func admits(_ address: IPAddress, at now: MonotonicTime) -> Bool {
        guard !(rate.exemptsLoopback && address.isLoopback) else { return true }
        let key = address.limitKey
        if var bucket = buckets[key] {
            let admits = bucket.take(at: now)
            buckets[key] = bucket
            return admits
        }
        if buckets.count >= Self.mostAddresses, prunedAt.map({ now - $0 >= Self.pruneInterval }) ?? true {
            prunedAt = now
            buckets = buckets.filter { !$0.value.isFull(at: now) }
        }
        guard buckets.count < Self.mostAddresses else { return shared.take(at: now) }
        var bucket = TokenBucket(burst: rate.burst, perSecond: rate.perSecond)
        _ = bucket.take(at: now)
        buckets[key] = bucket
        return true
    }
}

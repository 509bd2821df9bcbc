import Delivery
package import Wire

/// How often an address may ask to enter a room or to create one.
package struct EntryLimiter: Sendable {
    /// Entries that may come at once from one IPv4 address or one IPv6 /64; those of this host are not counted.
    package static let burst = 30
    /// Entries a second from then on.
    package static let perSecond = 1.0
    /// Addresses that are remembered; beyond them all strangers share what one may.
    package static let mostAddresses = 10_000

    private var buckets: [IPAddress: TokenBucket] = [:]
    private var shared = TokenBucket(burst: burst, perSecond: perSecond)

    package init() {}

    /// Decides about an entry.
    package mutating func admits(_ address: IPAddress, at now: MonotonicTime) -> Bool {
        guard !address.isLoopback else { return true }
        let key = address.limitKey
        if var bucket = buckets[key] {
            let admits = bucket.take(at: now)
            buckets[key] = bucket
            return admits
        }
        if buckets.count >= Self.mostAddresses { buckets = buckets.filter { !$0.value.isFull(at: now) } }
        guard buckets.count < Self.mostAddresses else { return shared.take(at: now) }
        var bucket = TokenBucket(burst: Self.burst, perSecond: Self.perSecond)
        _ = bucket.take(at: now)
        buckets[key] = bucket
        return true
    }
}

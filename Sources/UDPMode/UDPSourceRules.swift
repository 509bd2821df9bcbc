import Delivery
package import Wire

/// Bounds the answers to addresses that are not registered: who sends under another's address must gain nothing by it.
package struct UDPSourceLimiter: Sendable {
    /// Answers at once to one address (an IPv6 network counts as one), and a second from then on.
    package static let burst = 20
    package static let perSecond = 5.0
    /// The same for this host, where many test clients live and nobody gains by forging.
    package static let loopbackBurst = 2_000
    package static let loopbackPerSecond = 1_000.0
    /// Addresses that are kept track of; when as many are over their rate at once, others wait.
    package static let addressLimit = 8_192

    private var buckets: [IPAddress: TokenBucket] = [:]

    package init() {}

    /// True when an answer may leave for the address.
    package mutating func take(_ address: IPAddress, at now: MonotonicTime) -> Bool {
        let key = address.isLoopback ? .loopbackV4 : address.limitKey
        if buckets[key] == nil {
            if buckets.count >= Self.addressLimit { buckets = buckets.filter { !$0.value.isFull(at: now) } }
            guard buckets.count < Self.addressLimit else { return false }
            buckets[key] =
                address.isLoopback
                ? TokenBucket(burst: Self.loopbackBurst, perSecond: Self.loopbackPerSecond)
                : TokenBucket(burst: Self.burst, perSecond: Self.perSecond)
        }
        return buckets[key]?.take(at: now) == true
    }
}

package import Wire

/// A rate that allows a burst: each thing takes a token, tokens come back with time.
///
/// Kept as the time at which the bucket would be full again (the generic cell rate algorithm, ITU-T I.371), so that it is
/// one number and needs no timer.
package struct TokenBucket: Sendable, Equatable {
    /// Tokens of a full bucket.
    package let burst: Int

    /// Nanoseconds in which one token comes back.
    private let interval: Int64

    /// When the bucket is full again.
    private var fullAt = MonotonicTime(nanoseconds: .min / 2)

    /// - Parameters:
    ///   - burst: tokens of a full bucket, 1 or more.
    ///   - perSecond: tokens that come back in a second.
    package init(burst: Int, perSecond: Double) {
        precondition(burst >= 1 && perSecond > 0, "a bucket that never gives a token")
        self.burst = burst
        interval = max(1, Int64(1_000_000_000 / perSecond))
    }

    /// Takes tokens where they are there; takes none and answers false otherwise.
    ///
    /// - Parameter overdraft: tokens that may be taken before they have come back.
    package mutating func take(_ count: Int = 1, overdraft: Int = 0, at now: MonotonicTime) -> Bool {
        let taken = max(fullAt, now).nanoseconds + interval * Int64(count)
        guard taken - now.nanoseconds <= interval * Int64(burst + overdraft) else { return false }
        fullAt = MonotonicTime(nanoseconds: taken)
        return true
    }

    /// How long until tokens are there; zero where they are.
    package func delay(for count: Int = 1, at now: MonotonicTime) -> Duration {
        let taken = max(fullAt, now).nanoseconds + interval * Int64(count)
        return .nanoseconds(max(0, taken - now.nanoseconds - interval * Int64(burst)))
    }

    /// True where nothing is missing: such a bucket is as good as a new one and need not be kept.
    package func isFull(at now: MonotonicTime) -> Bool { fullAt <= now }
}

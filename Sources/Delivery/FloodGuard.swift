package import Wire

/// What is done with the messages of one author who writes faster than people read: slowed down first, refused second,
/// disconnected last.
package struct FloodGuard: Sendable, Equatable {
    /// Messages that may come at once.
    package static let burst = 10
    /// Messages a second from then on.
    package static let perSecond = 2.0
    /// Bytes of a message that count as another one: who says much at once says it as slowly.
    package static let bytesPerMessage = 1_024
    /// Refusals in a row after which the author is disconnected.
    package static let refusals = 20

    package enum Verdict: Sendable, Equatable {
        case admit
        /// Over the rate for the first time: admit it, and read nothing more of this author for that long.
        case slowDown(Duration)
        /// It came although the author was slowed down: tell it, and drop the message.
        case refuse
        /// It was refused too often.
        case disconnect
    }

    private var bucket = TokenBucket(burst: burst, perSecond: perSecond)
    private var refused = 0

    package init() {}

    /// Decides about a message that has come.
    ///
    /// - Parameter size: its bytes, where messages are not limited to a few kilobytes elsewhere.
    package mutating func received(size: Int = 0, at now: MonotonicTime) -> Verdict {
        // Never more than what may come at once, or it could never come.
        let count = min(1 + size / Self.bytesPerMessage, Self.burst)
        if bucket.take(count, at: now) {
            refused = 0
            return .admit
        }
        // Over the rate, messages are borrowed from the time to come, which the author is made to wait for.
        if bucket.take(count, overdraft: Self.burst, at: now) { return .slowDown(bucket.delay(at: now)) }
        refused += 1
        return refused > Self.refusals ? .disconnect : .refuse
    }
}

package import Wire

/// Reports of what strangers can make happen as often as they like: so many in a time, each with how many there were.
package struct ReportLimiter: Sendable {
    private var bucket: TokenBucket
    /// How often it happened since it was reported last.
    package private(set) var untold = 0

    /// - Parameters:
    ///   - burst: reports that may come at once.
    ///   - interval: the time after which the next one may.
    package init(burst: Int = 1, every interval: Duration) {
        bucket = TokenBucket(burst: burst, perSecond: .seconds(1) / interval)
    }

    /// It has happened.
    ///
    /// - Returns: how often since that was reported last, this time included; nil where it is not to be reported now.
    package mutating func occurred(at now: MonotonicTime) -> Int? {
        untold += 1
        guard bucket.take(at: now) else { return nil }
        defer { untold = 0 }
        return untold
    }
}

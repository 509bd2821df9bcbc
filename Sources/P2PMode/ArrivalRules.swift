package import Delivery
package import Wire

/// How many connections a peer takes of one address in a time. Each that is taken is a member perhaps, of whom everybody is
/// told, so this host's own count as well.
package struct ArrivalRules: Sendable {
    /// At once, and a second from then on.
    package static let rate = EntryLimiter.Rate(burst: 100, perSecond: 10, exemptsLoopback: false)
    /// How often at most it is said how many were refused, and that none can be accepted.
    package static let reportInterval: Duration = .seconds(30)

    package enum Verdict: Sendable, Equatable {
        case admit
        /// `report`: so many were refused since that was said last; nil where it was a moment ago.
        case refuse(report: Int?)
    }

    private let isLimited: Bool
    private var limiter = EntryLimiter(rate)
    private var refusals = ReportLimiter(every: reportInterval)
    private var failures = ReportLimiter(every: reportInterval)

    /// - Parameter isLimited: false takes all (`--no-rate-limit`).
    package init(isLimited: Bool) { self.isLimited = isLimited }

    package mutating func arrived(from address: IPAddress, at now: MonotonicTime) -> Verdict {
        guard isLimited, !limiter.admits(address, at: now) else { return .admit }
        return .refuse(report: refusals.occurred(at: now))
    }

    /// One cannot be accepted, for want of descriptors perhaps, and it is tried again soon.
    ///
    /// - Returns: true where that is to be said.
    package mutating func failed(at now: MonotonicTime) -> Bool { failures.occurred(at: now) != nil }
}

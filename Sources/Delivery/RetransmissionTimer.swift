/// How long to wait for an acknowledgement before something is sent again (RFC 6298).
package struct RetransmissionTimer: Sendable, Equatable {
    /// Before the first measurement. RFC 6298, 2.1 says one second; the programs that we speak to wait half of one.
    package static let initial: Duration = .milliseconds(500)
    /// RFC 6298, 2.4 says one second; a chat on one network is answered sooner.
    package static let minimum: Duration = .milliseconds(100)
    /// RFC 6298, 2.5.
    package static let maximum: Duration = .seconds(60)
    /// The clock's granularity, G.
    package static let granularity: Duration = .milliseconds(1)

    /// SRTT; nil before the first measurement.
    package private(set) var smoothed: Duration?
    /// RTTVAR.
    package private(set) var variation: Duration = .zero
    /// Timeouts since the last measurement: each doubles the wait (RFC 6298, 5.5).
    package private(set) var backOff = 0

    package init() {}

    /// The wait, RTO.
    package var timeout: Duration {
        var timeout = Self.initial
        if let smoothed { timeout = max(Self.minimum, smoothed + max(Self.granularity, variation * 4)) }
        // Seven doublings of the minimum are over the maximum's half.
        for _ in 0..<min(backOff, 10) where timeout < Self.maximum { timeout = timeout * 2 }
        return min(timeout, Self.maximum)
    }

    /// A round trip was measured, of something that was sent once only (Karn's algorithm, RFC 6298, 3).
    package mutating func measured(_ roundTrip: Duration) {
        backOff = 0
        guard let before = smoothed else {
            smoothed = roundTrip
            variation = roundTrip / 2
            return
        }
        let difference = before > roundTrip ? before - roundTrip : roundTrip - before
        variation = (variation * 3 + difference) / 4
        smoothed = (before * 7 + roundTrip) / 8
    }

    /// No acknowledgement came in time.
    package mutating func timedOut() { backOff += 1 }
}

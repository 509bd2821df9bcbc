/// A point in time on a clock that never jumps. Its zero has no meaning; only differences have.
@usableFromInline
package struct MonotonicTime: Comparable, Hashable, Sendable {
    @usableFromInline
    package var nanoseconds: Int64

    @inlinable
    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// That point moved by `duration`, kept within the range of the type.
    @inlinable
    package func advanced(by duration: Duration) -> MonotonicTime {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.nanoseconds)
        return MonotonicTime(nanoseconds: overflow ? (duration < .zero ? .min : .max) : sum)
    }

    @inlinable
    package static func + (time: MonotonicTime, duration: Duration) -> MonotonicTime {
        time.advanced(by: duration)
    }

    @inlinable
    package static func += (time: inout MonotonicTime, duration: Duration) {
        time = time.advanced(by: duration)
    }

    @inlinable
    package static func - (time: MonotonicTime, duration: Duration) -> MonotonicTime {
        time.advanced(by: .zero - duration)
    }

    /// How long after `earlier` it is; negative when it lies before.
    @inlinable
    package static func - (later: MonotonicTime, earlier: MonotonicTime) -> Duration {
        let (difference, overflow) = later.nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
        return .nanoseconds(overflow ? (later < earlier ? .min : .max) : difference)
    }

    @inlinable
    package static func < (left: MonotonicTime, right: MonotonicTime) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}

extension Duration {
    /// The whole nanoseconds of it, kept within the range of the type (292 years).
    @inlinable
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || carry ? (seconds < 0 ? .min : .max) : sum
    }

    /// The whole milliseconds of it, rounded up, as waiting calls want them: waiting never ends too early.
    @inlinable
    package var millisecondsRoundedUp: Int64 {
        let nanoseconds = nanoseconds
        return nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 > 0 ? 1 : 0)
    }
}

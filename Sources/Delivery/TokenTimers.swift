package import Wire

/// Deadlines by number: the timer queue for hot paths.
///
/// Generic code is specialised inside its own module only, since what is `package` is not handed to other modules for
/// that; this type is where the queue is specialised for everybody who keeps deadlines by number.
package struct TokenTimers: Sendable {
    private var queue = TimerQueue<UInt64>()

    /// No timer is due before this time: looking at the clock is all that a turn without a due timer pays.
    package private(set) var notBefore = MonotonicTime(nanoseconds: .max)

    package init() {}

    package mutating func schedule(_ token: UInt64, at time: MonotonicTime) {
        queue.schedule(token, at: time)
        if time < notBefore { notBefore = time }
    }

    package mutating func cancel(_ token: UInt64) {
        queue.cancel(token)
        if queue.isEmpty { notBefore = MonotonicTime(nanoseconds: .max) }
    }

    /// Takes the earliest timer that is due.
    package mutating func popDue(at now: MonotonicTime) -> UInt64? {
        guard notBefore <= now else { return nil }
        let token = queue.popDue(at: now)
        if token == nil { notBefore = queue.earliest() ?? MonotonicTime(nanoseconds: .max) }
        return token
    }
}

import Delivery
import Platform
import Wire

extension Hub {
    package func schedule(_ token: UInt64, after delay: Duration) {
        checkThread()
        timers.schedule(.consumer(token), at: now + delay)
    }

    package func cancelTimer(_ token: UInt64) {
        checkThread()
        timers.cancel(.consumer(token))
    }

    /// Milliseconds for epoll until the earliest timer, rounded up so that it is due when the wait ends; -1 without one.
    func timeUntilTimer() -> Int32 {
        guard let earliest = timers.earliest() else { return -1 }
        let left = earliest.nanoseconds - MonotonicTime.now().nanoseconds
        if left <= 0 { return 0 }
        return Int32(min((left + 999_999) / 1_000_000, Int64(Int32.max)))
    }

    func fireTimers() {
        while let key = timers.popDue(at: now) {
            switch key {
            case .consumer(let token): append(.timer(token))
            case .resumeAccepting(let id): resumeAccepting(id)
            case .lingered(let id): if slot(of: id) != nil { closed(id, .local) }
            case .nextAttempt(let dial): startNextAttempt(of: dial)
            case .dialTimeout(let dial): dialTimedOut(dial)
            case .lookUpTimeout(let token): lookedUp(token, .failure(.timedOut))
            case .stalledSweep: sweepStalled()
            case .shutdown: resetAllStreams()
            }
        }
    }
}

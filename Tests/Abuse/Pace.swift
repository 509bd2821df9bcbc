import Glibc
import Platform
import Wire

/// Bounds an attacker in rate and in time: an attack takes what it takes of a server, and not all of the machine.
///
/// `@unchecked Sendable`: the only state that two threads share is behind the lock.
package final class Pace: @unchecked Sendable {
    private let lock = Lock()
    private var isOver = false
    private let end: MonotonicTime
    private var due = MonotonicTime.now()
    /// Things done so far.
    package private(set) var count = 0

    /// The part of each rate that is used, where several attacks go on together.
    private let divisor: Int

    package init(for time: Duration, divisor: Int = 1) {
        end = .now() + time
        self.divisor = divisor
    }

    package func stop() { lock.withLock { isOver = true } }

    /// Waits for the turn of the next thing.
    ///
    /// - Returns: false when the attack is over.
    func next(perSecond rate: Int) -> Bool {
        due = due + .nanoseconds(1_000_000_000 * divisor / rate)
        var now = MonotonicTime.now()
        // A thread that was late does not make up for it: the rate holds for every moment.
        if now - due > .milliseconds(50) { due = now }
        while due > now {
            if lock.withLock({ isOver }) || now >= end { return false }
            usleep(useconds_t(min((due.nanoseconds - now.nanoseconds) / 1_000, 20_000)) + 1)
            now = .now()
        }
        count += 1
        return !lock.withLock { isOver } && now < end
    }

    /// Waits for the end.
    func waitForEnd() { while next(perSecond: 20) {} }
}

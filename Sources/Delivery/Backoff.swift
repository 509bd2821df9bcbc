/// Waits between attempts: twice as long each time, with jitter so that many who failed together do not come together.
package struct Backoff: Sendable, Equatable {
    package let initial: Duration
    package let maximum: Duration
    /// The part of a wait that is drawn by chance, 0 to 1.
    package let jitter: Double

    /// Attempts that have failed.
    package private(set) var attempts = 0

    package init(initial: Duration, maximum: Duration, jitter: Double = 0.5) {
        precondition(initial > .zero && maximum >= initial && (0...1).contains(jitter), "a back-off without a wait")
        self.initial = initial
        self.maximum = maximum
        self.jitter = jitter
    }

    /// The wait before the next attempt.
    package mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        var wait = initial
        for _ in 0..<attempts where wait < maximum { wait = wait * 2 }
        wait = min(wait, maximum)
        attempts += 1
        return wait * (1 - jitter * Double.random(in: 0..<1, using: &random))
    }

    /// An attempt has succeeded.
    package mutating func succeeded() { attempts = 0 }
}

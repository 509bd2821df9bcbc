import Wire

/// When messages are due in an open loop: at fixed times from the start, whether or not the ones before were answered.
///
/// Latency is counted from the time at which a message was DUE, so that a server that stalls is charged for everything
/// that had to wait (no coordinated omission).
struct Pacer: Sendable {
    private let start: MonotonicTime
    /// Nanoseconds between two messages.
    private let period: Double
    private var sent: Int64 = 0

    /// - Parameter rate: messages a second, more than 0.
    init(rate: Double, start: MonotonicTime) {
        self.start = start
        period = 1_000_000_000 / rate
    }

    /// When the next message is due.
    var next: MonotonicTime { MonotonicTime(nanoseconds: start.nanoseconds + Int64(Double(sent) * period)) }

    /// Takes the next message where it is due.
    ///
    /// - Returns: the time at which it was due.
    mutating func take(at now: MonotonicTime) -> MonotonicTime? {
        let due = next
        guard due <= now else { return nil }
        sent += 1
        return due
    }
}

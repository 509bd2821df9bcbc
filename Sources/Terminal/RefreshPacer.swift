package import Wire

/// Holds refreshes apart, so that a flood of output costs at most sixty a second. It knows no timer: when nothing
/// changes nothing happens, and the first change after a pause is shown at once.
package struct RefreshPacer: Sendable {
    /// Nanoseconds between two refreshes: a sixtieth of a second.
    static let interval: Int64 = 16_666_667

    private var last: MonotonicTime?

    package init() {}

    /// Milliseconds to wait before the next refresh, rounded up; 0 when it may happen now.
    package func delay(at now: MonotonicTime) -> Int32 {
        guard let last else { return 0 }
        let left = last.nanoseconds + Self.interval - now.nanoseconds
        return left <= 0 ? 0 : Int32((left + 999_999) / 1_000_000)
    }

    /// A refresh is being written.
    package mutating func refreshed(at now: MonotonicTime) { last = now }
}

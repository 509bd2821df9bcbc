/// What was cut, for yanking it back: the last sixteen, of which consecutive cuts are one.
package struct KillRing: Equatable, Sendable {
    /// How many are kept.
    static let limit = 16

    private var entries: [String] = []

    /// How far `rotate` has gone back from the newest.
    private var depth = 0

    package init() {}

    /// Keeps what was cut.
    ///
    /// - Parameters:
    ///   - joining: whether the key before was a cut too, so that this one belongs to it.
    ///   - before: whether it stood before what was cut then.
    package mutating func kill(_ text: String, joining: Bool, before: Bool) {
        depth = 0
        guard !text.isEmpty else { return }
        if joining, let last = entries.popLast() {
            entries.append(before ? text + last : last + text)
        } else {
            entries.append(text)
            if entries.count > Self.limit { entries.removeFirst() }
        }
    }

    /// What a yank inserts; nil when nothing was ever cut.
    package var current: String? { entries.isEmpty ? nil : entries[entries.count - 1 - depth] }

    /// Goes one further back, for the yank that follows a yank; from the oldest to the newest.
    package mutating func rotate() { if !entries.isEmpty { depth = (depth + 1) % entries.count } }

    /// A yank begins at the newest.
    package mutating func resetRotation() { depth = 0 }
}

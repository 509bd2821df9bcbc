package import Wire

/// Receives the messages of one conversation of one sender: each once and in order, acknowledged when it is handed
/// over and again whenever it is repeated.
///
/// What the sender has given up (it is below `base`) is not waited for; what stays missing while the sender is silent
/// is not waited for any longer than `gapTimeout`. A message that comes after it was passed over is dropped and never
/// acknowledged: its sender was told, or will be, that nobody knows.
package struct ReliableReceiver<Message: Sendable & Equatable>: Sendable {
    /// Messages held back for want of an earlier one.
    package static var holdLimit: UInt64 { 128 }
    /// Passed-over ranges of sequence numbers that are remembered; older ones are never acknowledged.
    package static var passedOverLimit: Int { 64 }
    /// Longer than any sender of ours goes on trying.
    package static var gapTimeout: Duration { .seconds(8) }

    package enum Effect: Sendable, Equatable {
        case deliver(sequence: UInt64, Message)
        case acknowledge(sequence: UInt64)
    }

    private var expected: UInt64?
    private var held: [UInt64: Message] = [:]
    private var passedOver: [Range<UInt64>] = []
    /// Nothing below was kept track of: not acknowledged.
    private var floor: UInt64 = 0
    private var lastHeard: MonotonicTime?

    package init() {}

    /// The next sequence number to hand over; nil before the first segment.
    package var next: UInt64? { expected }

    /// When `timedOut` has to be called: while messages are held back.
    package var deadline: MonotonicTime? { held.isEmpty ? nil : lastHeard?.advanced(by: Self.gapTimeout) }

    /// Would `received` hand over something new, now or once a gap closes? Lets the caller refuse (flood control)
    /// before the message counts.
    package func isNew(_ sequence: UInt64) -> Bool {
        guard let expected else { return true }
        return sequence >= expected && held[sequence] == nil
    }

    package mutating func received(
        sequence: UInt64, base: UInt64, _ message: Message, at now: MonotonicTime
    ) -> [Effect] {
        guard base <= sequence, sequence < .max else { return [] }
        var effects: [Effect] = []
        if expected == nil {
            expected = base
            floor = base
        }
        if let next = expected, base > next { advance(to: base, &effects) }
        guard let next = expected else { return effects }
        lastHeard = now
        if sequence < next {
            if isDelivered(sequence) { effects.append(.acknowledge(sequence: sequence)) }
            return effects
        }
        guard sequence - next < Self.holdLimit else { return effects }
        held[sequence] = message
        release(&effects)
        return effects
    }

    /// The sender is silent and something is missing: what is held is handed over without it.
    package mutating func timedOut(at now: MonotonicTime) -> [Effect] {
        guard let deadline, now >= deadline else { return [] }
        var effects: [Effect] = []
        while let lowest = held.keys.min() {
            passOver(upTo: lowest)
            release(&effects)
        }
        return effects
    }

    /// Hands over what is held below `base`, in order, and passes over the rest.
    private mutating func advance(to base: UInt64, _ effects: inout [Effect]) {
        for sequence in held.keys.filter({ $0 < base }).sorted() {
            passOver(upTo: sequence)
            release(&effects)
        }
        if let next = expected, next < base { passOver(upTo: base) }
    }

    private mutating func passOver(upTo end: UInt64) {
        guard let next = expected, next < end else { return }
        passedOver.append(next..<end)
        if passedOver.count > Self.passedOverLimit {
            floor = max(floor, passedOver.removeFirst().upperBound)
        }
        expected = end
    }

    private mutating func release(_ effects: inout [Effect]) {
        while let next = expected, let message = held.removeValue(forKey: next) {
            effects.append(.deliver(sequence: next, message))
            effects.append(.acknowledge(sequence: next))
            expected = next + 1
        }
    }

    private func isDelivered(_ sequence: UInt64) -> Bool {
        sequence >= floor && !passedOver.contains { $0.contains(sequence) }
    }
}

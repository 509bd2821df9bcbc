package import Wire

/// Sends the messages of one conversation to one peer: each until it is acknowledged, or given up after a number of
/// sends, and never more of them at a time than a window.
///
/// Every segment carries `base`, the lowest sequence number still under way, so that the receiver need not wait for
/// what was given up. A message that was given up may have arrived all the same (nobody can know); a late
/// acknowledgement says so.
package struct ReliableSender<Message: Sendable & Equatable>: Sendable {
    /// How persistent, and how many messages at once.
    package struct Policy: Sendable, Equatable {
        /// Messages under way without an acknowledgement.
        package var window: Int
        /// Messages that wait for a place in the window; more are refused.
        package var queue: Int
        /// Sends of one message before it is given up.
        package var sends: Int
        /// The shortest and the longest retransmission timeout; when equal, the interval is fixed.
        package var minimumTimeout: Duration
        package var maximumTimeout: Duration
        /// The shortest time between the last send of one message and the first of the next.
        package var pace: Duration

        package init(
            window: Int, queue: Int, sends: Int, minimumTimeout: Duration, maximumTimeout: Duration,
            pace: Duration = .zero
        ) {
            precondition(window > 0 && queue >= 0 && sends > 0, "a sender needs a window and at least one send")
            self.window = window
            self.queue = queue
            self.sends = sends
            self.minimumTimeout = minimumTimeout
            self.maximumTimeout = maximumTimeout
            self.pace = pace
        }

        /// Between two ends that number their messages: gives up after 5 to 7 s.
        package static var numbered: Policy {
            Policy(
                window: 32, queue: 1_000, sends: 6, minimumTimeout: .milliseconds(200), maximumTimeout: .seconds(1))
        }

        /// To an end whose acknowledgements carry no number: one message at a time, six sends, half a second apart. The
        /// next one waits as long, so that what is still on its way of the last one's acknowledgements is not taken for
        /// its own.
        package static var stopAndWait: Policy {
            Policy(
                window: 1, queue: 1_000, sends: 6, minimumTimeout: .milliseconds(500),
                maximumTimeout: .milliseconds(500), pace: .milliseconds(500))
        }
    }

    /// One datagram's worth.
    package struct Segment: Sendable, Equatable {
        package var sequence: UInt64
        package var base: UInt64
        /// 1 for the first send.
        package var attempt: Int
        package var message: Message

        package init(sequence: UInt64, base: UInt64, attempt: Int, message: Message) {
            self.sequence = sequence
            self.base = base
            self.attempt = attempt
            self.message = message
        }
    }

    package enum Effect: Sendable, Equatable {
        case send(Segment)
        case acknowledged(sequence: UInt64, Message, late: Bool)
        case gaveUp(sequence: UInt64, Message)
    }

    package enum Refusal: Error, Equatable {
        /// As many messages wait as the policy allows.
        case queueFull
    }

    private struct Outstanding: Sendable {
        var sequence: UInt64
        var message: Message
        var attempts: Int
        var sentAt: MonotonicTime
        var due: MonotonicTime
        /// It had its one send more after the message before it was given up.
        var graced = false
    }

    /// Messages that were given up and may still be acknowledged.
    private static var rememberedAbandoned: Int { 64 }

    package let policy: Policy
    /// Measures the peer; the back-off is counted per message here.
    private var timer = RetransmissionTimer()
    private var generator: SplitMix64
    /// The sequence number of the next message that leaves.
    package private(set) var nextSequence: UInt64
    private var outstanding: [Outstanding] = []
    private var queue: [Message] = []
    private var abandoned: [(sequence: UInt64, message: Message)] = []
    /// Nothing leaves before this time: the peer asked for a pause, or the policy for a pace.
    private var pausedUntil: MonotonicTime?
    private var lastSend: MonotonicTime?

    /// `seed` makes the jitter of the retransmissions reproducible.
    package init(policy: Policy, seed: UInt64, firstSequence: UInt64 = 0) {
        self.policy = policy
        self.nextSequence = firstSequence
        self.generator = SplitMix64(seed: seed)
    }

    /// Nothing is under way and nothing waits.
    package var isIdle: Bool { outstanding.isEmpty && queue.isEmpty }
    /// Messages under way and waiting.
    package var count: Int { outstanding.count + queue.count }
    /// There is a place in the queue for one more.
    package var hasRoom: Bool { queue.count < policy.queue || outstanding.count < policy.window }
    /// The message that is under way the longest.
    package var oldest: Message? { outstanding.first?.message }
    /// The sequence number of the message that is under way the longest.
    package var oldestSequence: UInt64? { outstanding.first?.sequence }

    /// When `timedOut` has to be called next.
    package var deadline: MonotonicTime? {
        guard let due = outstanding.map(\.due).min() else {
            return queue.isEmpty ? nil : pausedUntil
        }
        guard let pausedUntil else { return due }
        return max(due, pausedUntil)
    }

    package mutating func submitted(_ message: Message, at now: MonotonicTime) throws(Refusal) -> [Effect] {
        guard hasRoom else { throw .queueFull }
        queue.append(message)
        return fillWindow(at: now)
    }

    package mutating func acknowledged(_ sequence: UInt64, at now: MonotonicTime) -> [Effect] {
        if let index = outstanding.firstIndex(where: { $0.sequence == sequence }) {
            let entry = outstanding.remove(at: index)
            // Karn's algorithm (RFC 6298, section 3): a message sent twice does not tell which send was answered.
            if entry.attempts == 1 { timer.measured(now - entry.sentAt) }
            return [.acknowledged(sequence: sequence, entry.message, late: false)] + fillWindow(at: now)
        }
        if let index = abandoned.firstIndex(where: { $0.sequence == sequence }) {
            let entry = abandoned.remove(at: index)
            return [.acknowledged(sequence: sequence, entry.message, late: true)]
        }
        return []
    }

    /// The peer asks for a pause: what is under way is sent again after it, and this send does not count.
    package mutating func deferred(_ sequence: UInt64, by pause: Duration, at now: MonotonicTime) {
        guard let index = outstanding.firstIndex(where: { $0.sequence == sequence }) else { return }
        let resume = now.advanced(by: pause)
        outstanding[index].attempts = max(0, outstanding[index].attempts - 1)
        outstanding[index].due = resume
        for other in outstanding.indices where outstanding[other].due < resume { outstanding[other].due = resume }
        pausedUntil = max(pausedUntil ?? resume, resume)
    }

    /// The peer was started anew and is there again: what is under way is sent once more at the next `deadline`, which is
    /// now, and has its sends before it anew. The peer may have forgotten what it took, so a message must carry an id.
    package mutating func peerRestarted(at now: MonotonicTime) {
        for index in outstanding.indices {
            outstanding[index].attempts = min(outstanding[index].attempts, 1)
            outstanding[index].graced = false
            outstanding[index].due = now
        }
        pausedUntil = nil
    }

    /// The time of `deadline` has come.
    package mutating func timedOut(at now: MonotonicTime) -> [Effect] {
        if let until = pausedUntil {
            guard now >= until else { return [] }
            pausedUntil = nil
        }
        var effects: [Effect] = []
        // Only the oldest can be given up, and with it those behind it that had their last chance already: what is
        // behind is sent once more with the new base, since the receiver may hold it only for want of the oldest.
        if let head = outstanding.first, head.due <= now, head.attempts >= policy.sends {
            effects.append(giveUpOldest())
            while let next = outstanding.first, next.graced, next.due <= now { effects.append(giveUpOldest()) }
            for index in outstanding.indices
            where outstanding[index].attempts >= policy.sends && !outstanding[index].graced {
                outstanding[index].graced = true
                effects.append(send(at: index, now))
            }
        }
        for index in outstanding.indices where outstanding[index].due <= now {
            if outstanding[index].attempts < policy.sends {
                effects.append(send(at: index, now))
            } else if index > outstanding.startIndex {
                outstanding[index].due = max(outstanding[0].due, now.advanced(by: .milliseconds(1)))
            }
        }
        return effects + fillWindow(at: now)
    }

    /// The network says that nobody is there: everything is given up at once.
    package mutating func becameUnreachable() -> [Effect] {
        var effects: [Effect] = []
        while !outstanding.isEmpty { effects.append(giveUpOldest()) }
        for message in queue {
            effects.append(.gaveUp(sequence: nextSequence, message))
            nextSequence += 1
        }
        queue.removeAll()
        pausedUntil = nil
        return effects
    }

    private mutating func giveUpOldest() -> Effect {
        let entry = outstanding.removeFirst()
        abandoned.append((entry.sequence, entry.message))
        if abandoned.count > Self.rememberedAbandoned { abandoned.removeFirst() }
        return .gaveUp(sequence: entry.sequence, entry.message)
    }

    private mutating func fillWindow(at now: MonotonicTime) -> [Effect] {
        guard !queue.isEmpty, outstanding.count < policy.window else { return [] }
        if policy.pace > .zero, let lastSend, pausedUntil == nil, now - lastSend < policy.pace {
            pausedUntil = lastSend + policy.pace
        }
        if let until = pausedUntil {
            guard now >= until else { return [] }
            pausedUntil = nil
        }
        let room = min(queue.count, policy.window - outstanding.count)
        var effects: [Effect] = []
        effects.reserveCapacity(room)
        for message in queue.prefix(room) {
            outstanding.append(
                Outstanding(sequence: nextSequence, message: message, attempts: 0, sentAt: now, due: now))
            nextSequence += 1
            effects.append(send(at: outstanding.count - 1, now))
        }
        queue.removeFirst(room)
        return effects
    }

    private mutating func send(at index: Int, _ now: MonotonicTime) -> Effect {
        outstanding[index].attempts += 1
        let attempt = outstanding[index].attempts
        outstanding[index].sentAt = now
        lastSend = now
        outstanding[index].due = now.advanced(by: interval(attempt: attempt))
        return .send(
            Segment(
                sequence: outstanding[index].sequence, base: outstanding[0].sequence, attempt: attempt,
                message: outstanding[index].message))
    }

    /// Doubled with each attempt up to the maximum (RFC 6298, section 5.5), and up to a tenth longer, so that many
    /// that lost at the same moment do not repeat at the same moment.
    private mutating func interval(attempt: Int) -> Duration {
        guard policy.minimumTimeout < policy.maximumTimeout else { return policy.maximumTimeout }
        let doubled = max(timer.timeout, policy.minimumTimeout) * (1 << min(attempt - 1, 16))
        let capped = min(doubled, policy.maximumTimeout)
        let jitter = Int64.random(in: 0...100, using: &generator)
        return capped + capped * Int(jitter) / 1_000
    }
}

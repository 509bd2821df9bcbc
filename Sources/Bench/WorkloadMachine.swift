import Wire

/// When who sends what: a warm-up, the time that is measured, and what is left to arrive.
struct WorkloadMachine: Sendable {
    struct Configuration: Sendable {
        var senders: Int
        var load: BenchOptions.Load
        /// Messages under way in a saturating load.
        var window: Int
        /// Each sender waits for its answer before its next message, instead of all sharing the window.
        var isOneAtATime: Bool
        var warmUp: Duration
        var measured: Duration
        /// How long nothing may arrive, once nothing is sent any more, before what is missing counts as lost.
        var patience: Duration = .seconds(2)
        /// How long a saturating load waits for what does not come, before it sends on; datagrams can get lost.
        var stall: Duration = .milliseconds(200)
    }

    enum Phase: Equatable, Sendable {
        case waiting
        case warmingUp
        case measuring
        case draining
        case done
    }

    enum Effect: Equatable, Sendable {
        case send(MessageText.Mark)
        case beginMeasuring
        case endMeasuring
        /// All has arrived, or nothing more will.
        case finish
    }

    /// Messages that one call sends at most, so that what arrives is read in between.
    private static let burst = 512

    private let configuration: Configuration
    private(set) var phase = Phase.waiting
    /// Messages each sender has sent.
    private(set) var sent: [UInt32]
    private(set) var sentInAll = 0
    private var start = MonotonicTime(nanoseconds: 0)
    private var pacer: Pacer?
    private var nextSender = 0
    /// Senders whose last message was answered.
    private var free: [Int] = []
    private var lastProgress = MonotonicTime(nanoseconds: 0)
    private var lastArrived = -1
    /// Messages that were given up as lost, for the window alone.
    private var givenUp = 0

    init(_ configuration: Configuration) {
        self.configuration = configuration
        sent = Array(repeating: 0, count: configuration.senders)
    }

    /// Everybody is there.
    mutating func started(at now: MonotonicTime) -> [Effect] {
        phase = .warmingUp
        start = now
        lastProgress = now
        if case .rate(let rate) = configuration.load { pacer = Pacer(rate: rate, start: now) }
        free = Array((0..<configuration.senders).reversed())
        return progressed(outstanding: 0, arrived: 0, at: now)
    }

    /// The answer to a sender's message has come.
    mutating func answered(_ sender: Int) {
        if configuration.isOneAtATime { free.append(sender) }
    }

    /// Something has arrived, or time has passed.
    ///
    /// - Parameters:
    ///   - outstanding: messages that have not arrived everywhere.
    ///   - arrived: all that has arrived so far.
    mutating func progressed(outstanding: Int, arrived: Int, at now: MonotonicTime) -> [Effect] {
        var effects: [Effect] = []
        if arrived != lastArrived {
            lastArrived = arrived
            lastProgress = now
        }
        if phase == .warmingUp, now - start >= configuration.warmUp {
            phase = .measuring
            effects.append(.beginMeasuring)
        }
        if phase == .measuring, now - start >= configuration.warmUp + configuration.measured {
            phase = .draining
            lastProgress = now
            effects.append(.endMeasuring)
        }
        switch phase {
        case .waiting, .done: break
        case .warmingUp, .measuring: send(outstanding, at: now, &effects)
        case .draining:
            if outstanding == 0 || now - lastProgress >= configuration.patience {
                phase = .done
                effects.append(.finish)
            }
        }
        return effects
    }

    private mutating func send(_ outstanding: Int, at now: MonotonicTime, _ effects: inout [Effect]) {
        guard configuration.senders > 0 else { return }
        if pacer != nil {
            for _ in 0..<Self.burst {
                guard let due = pacer!.take(at: now) else { return }
                effects.append(.send(message(of: takeTurn(), due: due)))
            }
        } else if configuration.isOneAtATime {
            while let sender = free.popLast() { effects.append(.send(message(of: sender, due: now))) }
        } else {
            if now - lastProgress >= configuration.stall {
                givenUp = outstanding
                lastProgress = now
            }
            let underWay = max(0, outstanding - givenUp)
            // Half a window at a time: one message more for each that arrives would never fill a turn.
            guard underWay <= configuration.window / 2 else { return }
            for _ in underWay..<configuration.window {
                effects.append(.send(message(of: takeTurn(), due: now)))
            }
        }
    }

    private mutating func takeTurn() -> Int {
        let sender = nextSender
        nextSender = sender + 1 == configuration.senders ? 0 : sender + 1
        return sender
    }

    private mutating func message(of sender: Int, due: MonotonicTime) -> MessageText.Mark {
        defer {
            sent[sender] += 1
            sentInAll += 1
        }
        return MessageText.Mark(sender: sender, sequence: sent[sender], due: due)
    }
}

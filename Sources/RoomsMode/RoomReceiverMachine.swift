package import Delivery
package import Wire

/// Puts the messages of a room in order, each once, and finds out what is missing.
///
/// Messages come by datagrams at their offsets, some late, twice or never. What stays missing is fetched out of the
/// history, a page at a time; what cannot be had is told as a gap. An offset that no message has is passed over
/// silently: the server used blocks of them up without need.
///
/// Datagrams can be damaged or forged. Of what exists the history has the last word, which comes by TCP: what it knows
/// nothing of, asked twice, is forgotten again, so that a wrong offset does not make everything look old that comes
/// after it.
package struct RoomReceiverMachine: Sendable, Equatable {
    /// How long something may be missing before it is fetched; twice as long after each attempt that brought nothing.
    package static let fetchDelay: Duration = .milliseconds(200)
    package static let longestFetchDelay: Duration = .milliseconds(3_200)
    /// Fetches that bring nothing although the server is there (over about ten seconds), after which newer messages that
    /// wait are shown without what is missing. While none wait there is no hurry.
    package static let patience = 6
    /// Pages in a row with nothing new after which the history is believed that there is nothing.
    package static let mostDenials = 2
    /// Messages that wait for an earlier one; more are fetched again when it is their turn.
    package static let mostHeld = 1_024
    /// Ids that are remembered, to show a message once that has come under two offsets.
    package static let rememberedIDs = 4_096

    package struct Message: Sendable, Equatable {
        package var offset: Int64
        package var id: MessageID
        package var sender: String
        package var text: String
        /// When the server took it; nil for one that came by itself.
        package var time: Timestamp?

        package init(offset: Int64, id: MessageID, sender: String, text: String, time: Timestamp? = nil) {
            self.offset = offset
            self.id = id
            self.sender = sender
            self.text = text
            self.time = time
        }
    }

    package enum Effect: Sendable, Equatable {
        /// `isCaughtUp` is true of what was said during an absence.
        case deliver(Message, isCaughtUp: Bool)
        /// A message of one's own stands at that offset.
        case confirmed(MessageID, offset: Int64)
        /// Answered with `fetched` or `fetchFailed`.
        case fetch(from: Int64)
        /// Messages from one offset to another, both included, exist perhaps and cannot be had.
        case gap(from: Int64, to: Int64)
    }

    private enum Item: Sendable, Equatable {
        case message(Message)
        case own(MessageID)

        var id: MessageID {
            switch self {
            case .message(let message): message.id
            case .own(let id): id
            }
        }
    }

    package private(set) var epoch: Epoch
    /// The offset that is shown next: everything below was shown.
    package private(set) var next: Int64
    /// The offset that the room's next message gets, as far as is known.
    private var known: Int64
    private var held: [Int64: Item] = [:]
    private var seen = IDWindow(capacity: rememberedIDs)
    private var own = IDWindow(capacity: rememberedIDs)
    /// What is below was said during an absence.
    private var caughtUpBelow: Int64 = 0
    private var isFetching = false
    /// When what is missing is fetched.
    private var fetchAt: MonotonicTime?
    /// Fetches in a row that brought nothing.
    private var attempts = 0
    /// Of these, those that the server is to blame for.
    private var disappointments = 0
    /// Pages in a row that had nothing new.
    private var denials = 0
    /// True while the server is away: nothing can be fetched, and nothing is given up for that.
    private var isSuspended = false

    /// - Parameter next: the first offset that is of interest.
    package init(epoch: Epoch, next: Int64) {
        self.epoch = epoch
        self.next = next
        known = next
    }

    /// When `timedOut` has to be called next.
    package var deadline: MonotonicTime? { isFetching || isSuspended ? nil : fetchAt }

    /// True while everything that is known to exist was shown.
    package var isComplete: Bool { next >= known }

    // MARK: - Events

    /// A message of one's own is sent; its place becomes known by an acknowledgement or by the history.
    package mutating func sent(_ id: MessageID) { own.insert(id) }

    package mutating func received(_ message: Message, at now: MonotonicTime) -> [Effect] {
        take(.message(message), at: message.offset, now)
    }

    /// A message of one's own was acknowledged.
    package mutating func acknowledged(_ id: MessageID, offset: Int64, at now: MonotonicTime) -> [Effect] {
        take(.own(id), at: offset, now)
    }

    /// The server says which offset the room's next message gets.
    package mutating func heard(next offset: Int64, at now: MonotonicTime) -> [Effect] {
        guard (0...Self.offsetLimit).contains(offset) else { return [] }
        known = max(known, offset)
        return look(at: now)
    }

    /// Back in the room after an absence: what was said meanwhile is fetched at once.
    ///
    /// - Returns: a gap, where the room has begun a new life and nothing of the old one is left.
    package mutating func returned(epoch: Epoch, next offset: Int64, at now: MonotonicTime) -> [Effect] {
        guard epoch == self.epoch else {
            let effects: [Effect] = known > next ? [.gap(from: next, to: known - 1)] : []
            let (seen, own) = (seen, own)
            self = RoomReceiverMachine(epoch: epoch, next: offset)
            self.seen = seen
            self.own = own
            return effects
        }
        known = max(known, offset)
        caughtUpBelow = max(caughtUpBelow, offset)
        if next < known { fetchAt = now }
        return look(at: now)
    }

    package mutating func fetched(_ page: RoomsAnswer.HistoryPage, at now: MonotonicTime) -> [Effect] {
        isFetching = false
        fetchAt = nil
        guard page.epoch == epoch else { return [] }
        var effects: [Effect] = []
        if page.start <= next, page.end > next {
            for message in page.messages where message.offset >= next {
                show(
                    .message(
                        Message(
                            offset: message.offset, id: message.id, sender: message.author, text: message.text,
                            time: message.time)), at: message.offset, &effects)
            }
            next = page.end
            known = max(known, next)
            held = held.filter { $0.key >= page.end }
            attempts = 0
            disappointments = 0
            denials = 0
            release(&effects)
        } else {
            // What is missing is being committed there, or does not exist. The page may be older than what has come
            // meanwhile; one that is asked for later is not.
            attempts += 1
            disappointments += 1
            denials += 1
            if denials >= Self.mostDenials { forget(from: page.offset) }
        }
        return effects + look(at: now)
    }

    /// - Parameter serverAnswers: false where the server is silent altogether: then nothing is given up for its sake.
    package mutating func fetchFailed(serverAnswers: Bool, at now: MonotonicTime) -> [Effect] {
        isFetching = false
        fetchAt = nil
        attempts += 1
        if serverAnswers { disappointments += 1 }
        return look(at: now)
    }

    package mutating func timedOut(at now: MonotonicTime) -> [Effect] { look(at: now) }

    /// The server has fallen silent.
    package mutating func suspended() { isSuspended = true }

    /// The server is back.
    package mutating func resumed(at now: MonotonicTime) -> [Effect] {
        guard isSuspended else { return [] }
        isSuspended = false
        attempts = 0
        disappointments = 0
        if next < known { fetchAt = now }
        return look(at: now)
    }

    /// Nothing more will come: what is held is shown without what is missing.
    package mutating func finished(at now: MonotonicTime) -> [Effect] {
        isSuspended = true
        var effects: [Effect] = []
        while let end = held.keys.min() {
            effects.append(.gap(from: next, to: end - 1))
            next = end
            release(&effects)
        }
        return effects
    }

    // MARK: - Order

    /// Offsets are smaller than this.
    private static let offsetLimit: Int64 = 1 << 40

    private mutating func take(_ item: Item, at offset: Int64, _ now: MonotonicTime) -> [Effect] {
        guard (0..<Self.offsetLimit).contains(offset) else { return [] }
        known = max(known, offset + 1)
        var effects: [Effect] = []
        if offset < next {
            // A message that was sent again after its first acknowledgement was lost: it stands where it stood.
            if case .own(let id) = item { effects.append(.confirmed(id, offset: offset)) }
            return effects
        }
        if offset == next {
            show(item, at: offset, &effects)
            next += 1
            release(&effects)
        } else if let other = held[offset], other.id != item.id {
            // One of the two is wrong; the history knows which.
            held[offset] = nil
        } else if held[offset] == nil, held.count < Self.mostHeld {
            held[offset] = item
            // That it is kept need not wait for its turn to be shown.
            if case .own(let id) = item { effects.append(.confirmed(id, offset: offset)) }
        }
        return effects + look(at: now)
    }

    /// Nothing exists from there on, whatever datagrams have said.
    private mutating func forget(from offset: Int64) {
        guard known > max(offset, next) else { return }
        known = max(offset, next)
        held = held.filter { $0.key < offset }
        denials = 0
    }

    private mutating func release(_ effects: inout [Effect]) {
        while let item = held.removeValue(forKey: next) {
            show(item, at: next, &effects)
            next += 1
        }
    }

    private mutating func show(_ item: Item, at offset: Int64, _ effects: inout [Effect]) {
        switch item {
        case .own(let id): effects.append(.confirmed(id, offset: offset))
        case .message(let message):
            if own.contains(message.id) {
                effects.append(.confirmed(message.id, offset: offset))
            } else if seen.insert(message.id) {
                effects.append(.deliver(message, isCaughtUp: offset < caughtUpBelow))
            }
        }
    }

    /// Decides what to do about what is missing.
    private mutating func look(at now: MonotonicTime) -> [Effect] {
        guard next < known else {
            fetchAt = nil
            attempts = 0
            disappointments = 0
            denials = 0
            return []
        }
        guard !isFetching, !isSuspended else { return [] }
        if disappointments >= Self.patience, !held.isEmpty { return passOver(at: now) }
        guard let due = fetchAt else {
            fetchAt = now + min(Self.fetchDelay * (1 << min(attempts, 8)), Self.longestFetchDelay)
            return []
        }
        guard due <= now else { return [] }
        isFetching = true
        return [.fetch(from: next)]
    }

    /// What is missing cannot be had: what has come behind it is shown without it.
    private mutating func passOver(at now: MonotonicTime) -> [Effect] {
        let end = held.keys.min() ?? known
        var effects: [Effect] = [.gap(from: next, to: end - 1)]
        next = end
        fetchAt = nil
        attempts = 0
        disappointments = 0
        release(&effects)
        return effects + look(at: now)
    }
}

/// A window of ids that can be compared.
private struct IDWindow: Sendable, Equatable {
    private var window: DuplicateWindow<MessageID>
    /// Two windows with the same history are equal; comparing what they hold would cost more than it tells.
    private var inserted = 0

    init(capacity: Int) { window = DuplicateWindow(capacity: capacity) }

    func contains(_ id: MessageID) -> Bool { window.contains(id) }

    @discardableResult
    mutating func insert(_ id: MessageID) -> Bool {
        let isNew = window.insert(id)
        if isNew { inserted += 1 }
        return isNew
    }

    static func == (left: IDWindow, right: IDWindow) -> Bool { left.inserted == right.inserted }
}

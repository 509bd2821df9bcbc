import Wire

/// The messages of the last day, per author, and up to where each author's are complete.
///
/// What it promises: a message is delivered once, and each author's messages in their order. A message that comes before
/// its predecessors is held back until they came, or until it is certain that nobody has them any more (`skip`).
package struct MessageLog: Sendable {
    // Limits. What is evicted stays known as delivered; it only cannot be handed on any more.
    /// Messages kept per author.
    package static let messagesPerAuthor = 1_000
    /// Messages kept in all.
    package static let messages = 16_000
    /// Bytes of text kept in all.
    package static let bytes = 16 << 20
    /// How long a message is kept.
    package static let lifetime = Duration.seconds(24 * 3600)
    /// Messages held back per author until their predecessors came.
    package static let heldPerAuthor = 1_000
    /// Authors remembered.
    package static let authors = 4_096
    /// How long an author is remembered after the last message was evicted; longer than anybody can still offer it.
    package static let authorLifetime = Duration.seconds(48 * 3600)
    /// Holes remembered per author, to be filled should somebody turn up who has the messages.
    package static let skippedRanges = 16

    package enum Insertion: Equatable, Sendable {
        /// Seen before.
        case duplicate
        /// In order: this one, and those that had waited for it.
        case delivered([MeshMessage])
        /// Comes too early; `missing` is what must come first.
        case held(missing: ClosedRange<UInt64>)
        /// A limit is reached; it will be offered again.
        case refused
    }

    private struct Kept: Sendable {
        var message: MeshMessage
        /// From when its lifetime counts: when it was said, or when it came if that is all that can be trusted.
        var since: Timestamp
    }

    private struct Author: Sendable {
        let node: NodeID
        /// Everything up to here was delivered or skipped.
        var last: UInt64 = 0
        /// Ascending by sequence, all of them at most `last`.
        var kept: [Kept] = []
        /// Later than `last + 1`: waiting for what comes before them.
        var held: [UInt64: MeshMessage] = [:]
        var skipped: [ClosedRange<UInt64>] = []
        var touchedAt: MonotonicTime

        /// What this author adds to the digest of the log.
        var share: UInt64 { kept.isEmpty ? 0 : MessageLog.mix(node, last) }
    }

    /// Slots, so that a message costs one look-up by node and no copy of its author's messages.
    private var entries: [Author?] = []
    private var slots: [NodeID: Int] = [:]
    private var freeSlots: [Int] = []
    private var keptCount = 0
    private var keptBytes = 0
    /// Sum over the authors whose messages are kept; independent of their order, so it is kept up as they change.
    package private(set) var digest: UInt64 = 0

    package init() {}

    // MARK: Asking

    private func author(_ node: NodeID) -> Author? { slots[node].flatMap { entries[$0] } }

    /// Up to which sequence the author's messages are complete.
    package func last(of node: NodeID) -> UInt64 {
        guard let slot = slots[node] else { return 0 }
        return entries[slot]!.last
    }

    package func isKnown(_ node: NodeID) -> Bool { slots[node] != nil }

    /// What is missing before the first message that is held back.
    package func missing(of node: NodeID) -> ClosedRange<UInt64>? {
        guard let entry = author(node), let first = entry.held.keys.min() else { return nil }
        return entry.last + 1...first - 1
    }

    /// Authors of whom a message is held back.
    package var authorsWithHoles: [NodeID] {
        entries.compactMap { $0 }.filter { !$0.held.isEmpty }.map(\.node).sorted()
    }

    /// Whether the message was seen, delivered or not.
    package func contains(_ node: NodeID, _ sequence: UInt64) -> Bool {
        guard let slot = slots[node] else { return false }
        if sequence > entries[slot]!.last { return entries[slot]!.held[sequence] != nil }
        return entries[slot]!.skipped.isEmpty || !entries[slot]!.skipped.contains { $0.contains(sequence) }
    }

    /// Holes up to `through` that were given up, for another try with somebody new.
    package func skipped(of node: NodeID, through: UInt64) -> [ClosedRange<UInt64>] {
        author(node)?.skipped.filter { $0.upperBound <= through } ?? []
    }

    /// Every author whose messages are kept, with the last one; in a fixed order.
    package var summary: [MeshHave.Author] {
        entries.compactMap { $0 }.filter { !$0.kept.isEmpty }.map { MeshHave.Author($0.node, $0.last) }
            .sorted { $0.node < $1.node }
    }

    /// The messages of `range` that are kept, oldest first, and which part of it is gone for good.
    ///
    /// Stops when `budget` bytes are used up (`isCut`), but gives at least one message.
    package func page(
        _ range: WantedRange, budget: inout Int
    ) -> (messages: [MeshMessage], gone: [WantedRange], isCut: Bool) {
        guard let entry = author(range.author) else { return ([], [], false) }
        let end = min(range.through, entry.last)
        guard range.from > 0, range.from <= end else { return ([], [], false) }
        var messages: [MeshMessage] = []
        var gone: [WantedRange] = []
        var expected = range.from
        for kept in entry.kept[entry.kept.partitioningIndex { $0.message.sequence >= range.from }...] {
            let message = kept.message
            if message.sequence > end { break }
            if budget <= 0, !messages.isEmpty { return (messages, gone, true) }
            if message.sequence > expected {
                gone.append(WantedRange(range.author, from: expected, through: message.sequence - 1))
            }
            budget -= Self.cost(message)
            messages.append(message)
            expected = message.sequence + 1
        }
        if expected <= end { gone.append(WantedRange(range.author, from: expected, through: end)) }
        return (messages, gone, false)
    }

    // MARK: Changing

    package mutating func insert(_ message: MeshMessage, at now: Moment) -> Insertion {
        let sequence = message.sequence
        guard sequence > 0, sequence < UInt64(Int64.max), let slot = slot(for: message.author, at: now) else {
            return .refused
        }
        let last = entries[slot]!.last
        if sequence > last + 1 {
            if entries[slot]!.held[sequence] != nil { return .duplicate }
            guard entries[slot]!.held.count < Self.heldPerAuthor else { return .refused }
            entries[slot]!.held[sequence] = message
            return .held(missing: last + 1...sequence - 1)
        }
        // At or below `last` it fills a hole that was given up, or it is a copy.
        if sequence <= last, !fillSkipped(slot, sequence) { return .duplicate }
        digest &-= entries[slot]!.share
        entries[slot]!.touchedAt = now.monotonic
        keep(message, in: slot, at: now)
        var delivered = [message]
        if !entries[slot]!.held.isEmpty { delivered += releaseHeld(slot, at: now) }
        digest &+= entries[slot]!.share
        evict(after: slot)
        return .delivered(delivered)
    }

    /// Takes in a message of an earlier run, which was shown then. Call in the order of each author.
    package mutating func restore(_ message: MeshMessage, at now: Moment) {
        guard message.sequence > 0, message.sequence < UInt64(Int64.max), let slot = slot(for: message.author, at: now)
        else { return }
        guard message.sequence > entries[slot]!.last else { return }
        // What is not kept any more was shown as well, or given up.
        digest &-= entries[slot]!.share
        entries[slot]!.last = message.sequence - 1
        keep(message, in: slot, at: now)
        digest &+= entries[slot]!.share
        evict(after: slot)
    }

    /// Gives up what is missing up to `through`; returns what had waited for it, in order.
    package mutating func skip(_ node: NodeID, through: UInt64, at now: Moment) -> [MeshMessage] {
        guard through < UInt64(Int64.max), let slot = slot(for: node, at: now) else { return [] }
        let last = entries[slot]!.last
        guard through > last else { return [] }
        digest &-= entries[slot]!.share
        // What was held inside the range is there, and is delivered as well.
        let inside = entries[slot]!.held.values.filter { $0.sequence <= through }.sorted { $0.sequence < $1.sequence }
        entries[slot]!.skipped.append(last + 1...through)
        entries[slot]!.last = through
        for message in inside {
            entries[slot]!.held[message.sequence] = nil
            fillSkipped(slot, message.sequence)
            keep(message, in: slot, at: now)
        }
        let excess = entries[slot]!.skipped.count - Self.skippedRanges
        if excess > 0 { entries[slot]!.skipped.removeFirst(excess) }
        let released = releaseHeld(slot, at: now)
        digest &+= entries[slot]!.share
        evict(after: slot)
        return inside + released
    }

    /// Drops what is older than its lifetime, and authors of whom nothing is left that anybody could offer.
    package mutating func expire(at now: Moment) {
        for slot in entries.indices where entries[slot] != nil {
            let stale = entries[slot]!.kept.prefix {
                now.wall.microseconds - $0.since.microseconds > Self.lifetime.microseconds
            }
            if !stale.isEmpty { drop(stale.count, of: slot) }
            let entry = entries[slot]!
            if entry.kept.isEmpty, entry.held.isEmpty, now.monotonic - entry.touchedAt > Self.authorLifetime {
                remove(slot)
            }
        }
    }

    // MARK: Inside

    private mutating func slot(for node: NodeID, at now: Moment) -> Int? {
        if let slot = slots[node] { return slot }
        if slots.count >= Self.authors {
            let idle = slots.values.filter { entries[$0]!.kept.isEmpty && entries[$0]!.held.isEmpty }
            guard
                let oldest = idle.min(by: {
                    (entries[$0]!.touchedAt, entries[$0]!.node) < (entries[$1]!.touchedAt, entries[$1]!.node)
                })
            else { return nil }
            remove(oldest)
        }
        let entry = Author(node: node, touchedAt: now.monotonic)
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            entries[slot] = entry
        } else {
            slot = entries.count
            entries.append(entry)
        }
        slots[node] = slot
        return slot
    }

    private mutating func remove(_ slot: Int) {
        slots[entries[slot]!.node] = nil
        entries[slot] = nil
        freeSlots.append(slot)
    }

    /// Takes `sequence` out of the holes; false when it is in none.
    @discardableResult
    private mutating func fillSkipped(_ slot: Int, _ sequence: UInt64) -> Bool {
        guard let index = entries[slot]!.skipped.firstIndex(where: { $0.contains(sequence) }) else { return false }
        let range = entries[slot]!.skipped.remove(at: index)
        if range.lowerBound < sequence { entries[slot]!.skipped.append(range.lowerBound...sequence - 1) }
        if sequence < range.upperBound { entries[slot]!.skipped.append(sequence + 1...range.upperBound) }
        return true
    }

    private mutating func releaseHeld(_ slot: Int, at now: Moment) -> [MeshMessage] {
        var released: [MeshMessage] = []
        while let next = entries[slot]!.held.removeValue(forKey: entries[slot]!.last + 1) {
            keep(next, in: slot, at: now)
            released.append(next)
        }
        return released
    }

    private mutating func keep(_ message: MeshMessage, in slot: Int, at now: Moment) {
        keptCount += 1
        keptBytes += Self.cost(message)
        // A wrong clock elsewhere neither keeps a message for ever nor drops it before others could fetch it.
        let earliest = now.wall.microseconds - (Self.lifetime - .seconds(3600)).microseconds
        let said = min(max(message.time.microseconds, earliest), now.wall.microseconds)
        let kept = Kept(
            message: message, since: message.isCaughtUp ? Timestamp(microseconds: said) : now.wall)
        if message.sequence > entries[slot]!.last {
            entries[slot]!.last = message.sequence
            entries[slot]!.kept.append(kept)
        } else {
            let index = entries[slot]!.kept.partitioningIndex { $0.message.sequence > message.sequence }
            entries[slot]!.kept.insert(kept, at: index)
        }
    }

    /// Keeps the limits: first the author's own, then those of the whole at the cost of whoever has kept the most.
    private mutating func evict(after slot: Int) {
        if entries[slot]!.kept.count > Self.messagesPerAuthor + Self.evictionSlack {
            drop(entries[slot]!.kept.count - Self.messagesPerAuthor, of: slot)
        }
        while keptCount > Self.messages || keptBytes > Self.bytes {
            let most = slots.values.max { (entries[$0]!.kept.count, $0) < (entries[$1]!.kept.count, $1) }
            guard let most, !entries[most]!.kept.isEmpty else { return }
            drop(max(1, entries[most]!.kept.count / 16), of: most)
        }
    }

    /// The front of an array is removed in steps of this many, so that eviction costs no full shift per message.
    private static let evictionSlack = 64

    private mutating func drop(_ count: Int, of slot: Int) {
        digest &-= entries[slot]!.share
        // By index: a slice that still stands when the front is removed would have the whole array copied.
        for index in 0..<count { keptBytes -= Self.cost(entries[slot]!.kept[index].message) }
        keptCount -= count
        entries[slot]!.kept.removeFirst(count)
        digest &+= entries[slot]!.share
    }

    /// Bytes that a message counts for.
    static func cost(_ message: MeshMessage) -> Int {
        message.text.utf8.count + message.sender.utf8.count + 128
    }

    /// The finaliser of SplitMix64 over the pair. The same in every program, unlike Swift's own seeded hash.
    package static func mix(_ node: NodeID, _ number: UInt64) -> UInt64 {
        var word = (node.high ^ (node.low &* 0x9E37_79B9_7F4A_7C15)) &+ number &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

extension Duration {
    /// Whole microseconds.
    var microseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }
}

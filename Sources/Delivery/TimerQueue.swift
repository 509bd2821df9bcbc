package import Wire

/// Deadlines by key, the earliest first; one deadline a key.
///
/// A binary heap whose entries are corrected when they come up: moving a timer to a later time, which happens with every
/// message of a connection that is pinged when idle, costs one write into a dictionary and no work on the heap.
package struct TimerQueue<Key: Hashable & Sendable>: Sendable {
    /// When, and the how manieth call of `schedule`: equal times come up in the order in which they were set, so that a
    /// simulation does the same in every run.
    private struct Deadline: Comparable, Sendable {
        let time: MonotonicTime
        let order: UInt64

        static func < (left: Deadline, right: Deadline) -> Bool {
            (left.time, left.order) < (right.time, right.order)
        }
    }

    private struct Entry: Sendable {
        let deadline: Deadline
        let key: Key
    }

    /// The truth: when each key is due.
    private var deadlines: [Key: Deadline] = [:]
    private var lastOrder: UInt64 = 0

    /// Entries that may be stale: cancelled, moved later, or (after being moved earlier) standing twice.
    private var heap: [Entry] = []

    package init() {}

    package var isEmpty: Bool { deadlines.isEmpty }
    package var count: Int { deadlines.count }

    package mutating func schedule(_ key: Key, at time: MonotonicTime) {
        lastOrder += 1
        let deadline = Deadline(time: time, order: lastOrder)
        let previous = deadlines.updateValue(deadline, forKey: key)
        // An entry that is due earlier than needed finds its key's new time when it comes up.
        if let previous, previous.time <= time { return }
        push(Entry(deadline: deadline, key: key))
        if heap.count > 2 * deadlines.count + 64 { rebuild() }
    }

    /// Schedules unless the key has a deadline already: for what is done once for many reasons that come together.
    package mutating func scheduleIfAbsent(_ key: Key, at time: MonotonicTime) {
        if deadlines[key] == nil { schedule(key, at: time) }
    }

    package func contains(_ key: Key) -> Bool { deadlines[key] != nil }

    package mutating func cancel(_ key: Key) {
        deadlines[key] = nil
        if deadlines.isEmpty { heap.removeAll(keepingCapacity: heap.count <= 1_024) }
    }

    package func deadline(of key: Key) -> MonotonicTime? { deadlines[key]?.time }

    /// When the earliest timer is due; nil where there is none.
    package mutating func earliest() -> MonotonicTime? {
        settle()
        return heap.first?.deadline.time
    }

    /// Takes the earliest timer that is due.
    package mutating func popDue(at now: MonotonicTime) -> Key? {
        settle()
        guard let first = heap.first, first.deadline.time <= now else { return nil }
        removeFirst()
        deadlines[first.key] = nil
        return first.key
    }

    /// Makes the first entry a true one.
    private mutating func settle() {
        while let first = heap.first {
            guard let deadline = deadlines[first.key] else {
                removeFirst()
                continue
            }
            if deadline == first.deadline { return }
            removeFirst()
            if deadline > first.deadline { push(Entry(deadline: deadline, key: first.key)) }
        }
    }

    private mutating func rebuild() {
        heap.removeAll(keepingCapacity: true)
        for (key, deadline) in deadlines { push(Entry(deadline: deadline, key: key)) }
    }

    private mutating func push(_ entry: Entry) {
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent].deadline <= heap[child].deadline { return }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    private mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].deadline < heap[smallest].deadline { smallest = child }
            if smallest == parent { return }
            heap.swapAt(parent, smallest)
            parent = smallest
        }
    }
}

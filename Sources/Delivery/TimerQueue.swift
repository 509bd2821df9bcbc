package import Wire

/// Deadlines by key, the earliest first; one deadline a key.
///
/// A binary heap whose entries are corrected when they come up: moving a timer to a later time, which happens with every
/// message of a connection that is pinged when idle, costs one write into a dictionary and no work on the heap.
package struct TimerQueue<Key: Hashable & Sendable>: Sendable {
    private struct Entry: Sendable {
        let time: MonotonicTime
        let key: Key
    }

    /// The truth: when each key is due.
    private var deadlines: [Key: MonotonicTime] = [:]

    /// Entries that may be stale: cancelled, moved later, or (after being moved earlier) standing twice.
    private var heap: [Entry] = []

    package init() {}

    package var isEmpty: Bool { deadlines.isEmpty }
    package var count: Int { deadlines.count }

    package mutating func schedule(_ key: Key, at time: MonotonicTime) {
        let previous = deadlines.updateValue(time, forKey: key)
        // An entry that is due earlier than needed finds its key's new time when it comes up.
        if let previous, previous <= time { return }
        push(Entry(time: time, key: key))
        if heap.count > 2 * deadlines.count + 64 { rebuild() }
    }

    package mutating func cancel(_ key: Key) {
        deadlines[key] = nil
        if deadlines.isEmpty { heap.removeAll(keepingCapacity: heap.count <= 1_024) }
    }

    package func deadline(of key: Key) -> MonotonicTime? { deadlines[key] }

    /// When the earliest timer is due; nil where there is none.
    package mutating func earliest() -> MonotonicTime? {
        settle()
        return heap.first?.time
    }

    /// Takes the earliest timer that is due.
    package mutating func popDue(at now: MonotonicTime) -> Key? {
        settle()
        guard let first = heap.first, first.time <= now else { return nil }
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
            if deadline == first.time { return }
            removeFirst()
            if deadline > first.time { push(Entry(time: deadline, key: first.key)) }
        }
    }

    private mutating func rebuild() {
        heap.removeAll(keepingCapacity: true)
        for (key, time) in deadlines { push(Entry(time: time, key: key)) }
    }

    private mutating func push(_ entry: Entry) {
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent].time <= heap[child].time { return }
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
            where child < heap.count && heap[child].time < heap[smallest].time { smallest = child }
            if smallest == parent { return }
            heap.swapAt(parent, smallest)
            parent = smallest
        }
    }
}

/// The ids that came last, to tell a repeated message from a new one.
package struct DuplicateWindow<ID: Hashable & Sendable>: Sendable {
    /// Ids that are remembered; the oldest goes when one more comes.
    package let capacity: Int

    private var known: Set<ID> = []
    private var order: [ID] = []
    /// Where the oldest stands once the window is full.
    private var oldest = 0

    package init(capacity: Int) {
        precondition(capacity > 0, "a window that remembers nothing")
        self.capacity = capacity
    }

    package var count: Int { order.count }

    package func contains(_ id: ID) -> Bool { known.contains(id) }

    /// Remembers an id.
    ///
    /// - Returns: true where it is new.
    @discardableResult
    package mutating func insert(_ id: ID) -> Bool {
        guard known.insert(id).inserted else { return false }
        if order.count < capacity {
            order.append(id)
        } else {
            known.remove(order[oldest])
            order[oldest] = id
            oldest = (oldest + 1) % capacity
        }
        return true
    }
}

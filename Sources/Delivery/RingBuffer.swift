/// The elements that were appended last, the oldest first.
package struct RingBuffer<Element>: RandomAccessCollection {
    /// Elements at most; the oldest goes when one more comes.
    package let capacity: Int

    @usableFromInline
    var storage: [Element] = []
    @usableFromInline
    var first = 0

    package init(capacity: Int) {
        precondition(capacity > 0, "a buffer that holds nothing")
        self.capacity = capacity
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { storage.count }

    package subscript(position: Int) -> Element {
        precondition(position >= 0 && position < storage.count, "beyond the elements of a ring buffer")
        return storage[(first + position) % storage.count]
    }

    /// Appends an element.
    ///
    /// - Returns: the oldest, where it had to go.
    @inlinable @discardableResult
    package mutating func append(_ element: Element) -> Element? {
        guard storage.count == capacity else {
            storage.append(element)
            return nil
        }
        let gone = storage[first]
        storage[first] = element
        first = (first + 1) % capacity
        return gone
    }

    package mutating func removeAll() {
        storage = []
        first = 0
    }
}

extension RingBuffer: Sendable where Element: Sendable {}

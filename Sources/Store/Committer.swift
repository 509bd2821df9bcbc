/// Group commit: collects what arrives while a commit is under way, and has it share the next one.
///
/// Belongs to the actor that owns the state. The actor offers items in its synchronous turns and runs `run` as a child
/// task of its own; what was committed comes back as one synchronous call a batch. Under load the batches grow by
/// themselves, alone an item waits for nobody.
///
///     committer.offer(post, size: post.size)
///     await committer.run { batch in await store.commit(batch) } committed: { batch, outcome in ... }
package final class Committer<Item: Sendable> {
    package struct Limits: Sendable {
        /// Items in a batch.
        package var batchItems = 2_048
        /// Bytes in a batch; an item that is larger goes alone.
        package var batchBytes = 4 << 20
        /// Items that wait, above which nothing more is taken.
        package var waitingItems = 8_192
        /// Bytes that wait.
        package var waitingBytes = 16 << 20

        package init() {}
    }

    private let limits: Limits
    private var waiting: [Item] = []
    private var sizes: [Int] = []
    /// Items at the front of `waiting` that were taken already.
    private var taken = 0
    private var waitingBytes = 0
    private var isFinishing = false

    /// True while the runner will look at what waits before it sleeps: waking it costs more than an item does.
    private var isAwake = false

    /// One element wakes the runner for all that waits; a second one while it is awake says nothing new.
    private let wake: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation

    package init(limits: Limits = Limits()) {
        self.limits = limits
        (wake, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Items that no batch has taken yet.
    package var count: Int { waiting.count - taken }

    /// True while less than half of what may wait does: time to go on after `offer` had said no.
    package var hasRoom: Bool { count <= limits.waitingItems / 2 && waitingBytes <= limits.waitingBytes / 2 }

    /// Hands an item to the next commit.
    ///
    /// - Parameter size: bytes that it holds, about.
    /// - Returns: false where too much waits already (slow its sender down and offer it again when `hasRoom`), and
    ///   after `finish()`.
    package func offer(_ item: Item, size: Int) -> Bool {
        guard !isFinishing, count < limits.waitingItems, count == 0 || waitingBytes + size <= limits.waitingBytes
        else { return false }
        waiting.append(item)
        sizes.append(size)
        waitingBytes += size
        if !isAwake {
            isAwake = true
            waker.yield()
        }
        return true
    }

    /// Commits batch after batch until `finish()` and nothing waits any more, or the task is cancelled.
    package func run<Outcome: Sendable>(
        commit: ([Item]) async -> Outcome, committed: ([Item], Outcome) -> Void
    ) async {
        for await _ in wake {
            while let batch = takeBatch() {
                let outcome = await commit(batch)
                committed(batch, outcome)
            }
            isAwake = false
            if isFinishing { break }
        }
    }

    /// Lets `run` return when everything that waits was committed.
    package func finish() {
        isFinishing = true
        waker.yield()
    }

    private func takeBatch() -> [Item]? {
        guard taken < waiting.count else {
            waiting.removeAll(keepingCapacity: waiting.capacity <= limits.batchItems)
            sizes.removeAll(keepingCapacity: sizes.capacity <= limits.batchItems)
            taken = 0
            return nil
        }
        if taken == 0, waiting.count <= limits.batchItems, waitingBytes <= limits.batchBytes {
            // All of it, as it is.
            var batch: [Item] = []
            swap(&batch, &waiting)
            sizes.removeAll(keepingCapacity: true)
            waitingBytes = 0
            return batch
        }
        var end = taken
        var size = 0
        while end < waiting.count, end - taken < limits.batchItems {
            if end > taken && size + sizes[end] > limits.batchBytes { break }
            size += sizes[end]
            end += 1
        }
        let batch = Array(waiting[taken..<end])
        taken = end
        waitingBytes -= size
        if taken > limits.waitingItems {
            waiting.removeFirst(taken)
            sizes.removeFirst(taken)
            taken = 0
        }
        return batch
    }
}

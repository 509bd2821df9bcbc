import Store
import Testing

@Suite("Committer")
struct CommitterTests {
    /// An actor with a committer, as a mode has one, and a disk that commits when it is told to.
    actor Owner {
        let committer: Committer<Int>
        private(set) var batches: [[Int]] = []
        private(set) var committed: [[Int]] = []
        private var disk: [CheckedContinuation<Void, Never>] = []
        private var arrivals: [CheckedContinuation<Void, Never>] = []
        private let isInstant: Bool

        init(limits: Committer<Int>.Limits = .init(), isInstant: Bool = false) {
            committer = Committer(limits: limits)
            self.isInstant = isInstant
        }

        func offer(_ items: [Int], size: Int = 1) -> [Bool] { items.map { committer.offer($0, size: size) } }
        var hasRoom: Bool { committer.hasRoom }
        func finish() { committer.finish() }

        func run() async {
            await committer.run { batch in
                await commit(batch)
            } committed: { batch, outcome in
                committed.append(outcome)
                #expect(batch == outcome)
            }
        }

        private func commit(_ batch: [Int]) async -> [Int] {
            batches.append(batch)
            if !isInstant {
                await withCheckedContinuation { written in
                    disk.append(written)
                    for arrival in arrivals { arrival.resume() }
                    arrivals = []
                }
            }
            return batch
        }

        /// Waits until a commit is under way.
        func commitBegan() async {
            await withCheckedContinuation { arrival in
                // Looked at here and not before: the commit may begin on the way, and would wake nobody.
                if disk.isEmpty { arrivals.append(arrival) } else { arrival.resume() }
            }
        }

        func diskIsDone() { disk.removeFirst().resume() }
    }

    @Test("What arrives while a commit is under way shares the next one, in order")
    func grouping() async {
        let owner = Owner()
        async let running: Void = owner.run()
        _ = await owner.offer([1])
        await owner.commitBegan()
        #expect(await owner.offer([2, 3]) == [true, true])
        #expect(await owner.offer([4]) == [true])
        await owner.diskIsDone()
        await owner.commitBegan()
        await owner.finish()
        await owner.diskIsDone()
        await running
        #expect(await owner.batches == [[1], [2, 3, 4]])
        #expect(await owner.committed == [[1], [2, 3, 4]])
    }

    @Test("Batches keep their limits of items and bytes; a large item goes alone")
    func batchLimits() async {
        var limits = Committer<Int>.Limits()
        limits.batchItems = 3
        limits.batchBytes = 10
        let owner = Owner(limits: limits, isInstant: true)
        _ = await owner.offer([1, 2, 3, 4], size: 1)
        _ = await owner.offer([5], size: 100)
        _ = await owner.offer([6, 7], size: 6)
        await owner.finish()
        await owner.run()
        #expect(await owner.batches == [[1, 2, 3], [4], [5], [6], [7]])
    }

    @Test("Too much that waits is refused until half of it is gone")
    func bounded() async {
        var limits = Committer<Int>.Limits()
        limits.waitingItems = 4
        let owner = Owner(limits: limits)
        #expect(await owner.offer([1, 2, 3, 4, 5]) == [true, true, true, true, false])
        #expect(await !owner.hasRoom)
        async let running: Void = owner.run()
        await owner.commitBegan()
        #expect(await owner.hasRoom)
        #expect(await owner.offer([6]) == [true])
        await owner.finish()
        await owner.diskIsDone()
        await owner.commitBegan()
        await owner.diskIsDone()
        await running
        #expect(await owner.committed == [[1, 2, 3, 4], [6]])
        // After the end nothing is taken that nobody would commit.
        #expect(await owner.offer([7]) == [false])
    }

    @Test("Bytes that wait are bounded too, but one item always fits")
    func boundedBytes() async {
        var limits = Committer<Int>.Limits()
        limits.waitingBytes = 100
        let owner = Owner(limits: limits, isInstant: true)
        #expect(await owner.offer([1], size: 1_000) == [true])
        #expect(await owner.offer([2], size: 1) == [false])
        await owner.finish()
        await owner.run()
        #expect(await owner.committed == [[1]])
    }
}

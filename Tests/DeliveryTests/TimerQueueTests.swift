import Testing
import Wire

@testable import Delivery

@Suite struct TimerQueueTests {
    private func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

    @Test func comeInTheOrderOfTheirTimes() {
        var queue = TimerQueue<String>()
        queue.schedule("b", at: at(20))
        queue.schedule("a", at: at(10))
        queue.schedule("c", at: at(30))
        #expect(queue.earliest() == at(10))
        #expect(queue.popDue(at: at(9)) == nil)
        #expect(queue.popDue(at: at(25)) == "a")
        #expect(queue.popDue(at: at(25)) == "b")
        #expect(queue.popDue(at: at(25)) == nil)
        #expect(queue.popDue(at: at(30)) == "c")
        #expect(queue.isEmpty)
    }

    @Test func movingLaterAndEarlier() {
        var queue = TimerQueue<String>()
        queue.schedule("a", at: at(10))
        queue.schedule("a", at: at(50))
        #expect(queue.popDue(at: at(49)) == nil)
        queue.schedule("a", at: at(20))
        #expect(queue.popDue(at: at(20)) == "a")
        #expect(queue.popDue(at: at(1_000)) == nil, "the entries of the earlier times are stale")
    }

    @Test func cancelledOnesNeverCome() {
        var queue = TimerQueue<Int>()
        for key in 0..<100 { queue.schedule(key, at: at(Int64(key))) }
        for key in 0..<100 where key % 3 != 0 { queue.cancel(key) }
        var popped: [Int] = []
        while let key = queue.popDue(at: at(1_000)) { popped.append(key) }
        #expect(popped == Array(stride(from: 0, to: 100, by: 3)))
    }

    @Test func equalTimesComeInTheOrderInWhichTheyWereSet() {
        var queue = TimerQueue<Int>()
        for key in [5, 3, 9, 1, 7] { queue.schedule(key, at: at(10)) }
        queue.schedule(3, at: at(10))
        queue.scheduleIfAbsent(5, at: at(5))
        var popped: [Int] = []
        while let key = queue.popDue(at: at(10)) { popped.append(key) }
        #expect(popped == [5, 9, 1, 7, 3])
        #expect(!queue.contains(5))
    }

    /// Held against a list that is searched.
    @Test(arguments: 0..<20) func agreesWithAList(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var queue = TimerQueue<Int>()
        var list: [Int: Int64] = [:]
        var now: Int64 = 0
        for _ in 0..<2_000 {
            let key = Int.random(in: 0..<40, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                let time = now + Int64.random(in: 0..<500, using: &random)
                queue.schedule(key, at: at(time))
                list[key] = time
            case 2:
                queue.cancel(key)
                list[key] = nil
            default:
                now += Int64.random(in: 0..<200, using: &random)
                var due: Set<Int> = []
                var before: Int64 = -1
                while let key = queue.popDue(at: at(now)) {
                    let time = list[key] ?? -2
                    #expect(time >= before && time <= now)
                    before = time
                    due.insert(key)
                }
                #expect(due == Set(list.filter { $0.value <= now }.keys))
                list = list.filter { $0.value > now }
            }
            #expect(queue.earliest() == list.values.min().map { at($0) })
        }
    }
}

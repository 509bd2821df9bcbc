import P2PMode
import Testing
import Wire

/// Once, in order, and within limits.
@Suite struct MessageLogTests {
    private static let author = NodeID(high: 7, low: 7)
    private static let start: Int64 = 1_795_188_924_000_000

    private func at(_ hours: Double) -> Moment {
        Moment(
            monotonic: MonotonicTime(nanoseconds: Int64(hours * 3_600e9)),
            wall: Timestamp(microseconds: Self.start + Int64(hours * 3_600e6)))
    }

    private func message(_ sequence: UInt64, author: NodeID = author, text: String = "x", hours: Double = 0)
        -> MeshMessage
    {
        MeshMessage(author: author, sequence: sequence, time: at(hours).wall, sender: "a", text: text)
    }

    @Test func inOrderAndOnce() {
        var log = MessageLog()
        #expect(log.insert(message(1), at: at(0)) == .delivered([message(1)]))
        #expect(log.insert(message(1), at: at(0)) == .duplicate)
        #expect(log.insert(message(4), at: at(0)) == .held(missing: 2...3))
        #expect(log.insert(message(4), at: at(0)) == .duplicate)
        #expect(log.insert(message(3), at: at(0)) == .held(missing: 2...2))
        #expect(log.missing(of: Self.author) == 2...2)
        #expect(log.insert(message(2), at: at(0)) == .delivered([message(2), message(3), message(4)]))
        #expect(log.last(of: Self.author) == 4)
        #expect(log.missing(of: Self.author) == nil)
        #expect(log.insert(message(0), at: at(0)) == .refused)
        #expect(log.insert(message(.max), at: at(0)) == .refused)
    }

    @Test func whatIsGivenUpMayStillCome() {
        var log = MessageLog()
        _ = log.insert(message(1), at: at(0))
        _ = log.insert(message(3), at: at(0))
        _ = log.insert(message(6), at: at(0))
        #expect(log.skip(Self.author, through: 4, at: at(0)) == [message(3)])
        #expect(log.last(of: Self.author) == 4)
        #expect(log.skipped(of: Self.author, through: 10) == [2...2, 4...4])
        #expect(!log.contains(Self.author, 2))
        #expect(log.contains(Self.author, 3))
        #expect(log.insert(message(2), at: at(0)) == .delivered([message(2)]))
        #expect(log.insert(message(2), at: at(0)) == .duplicate)
        #expect(log.insert(message(5), at: at(0)) == .delivered([message(5), message(6)]))
        #expect(log.skip(Self.author, through: 3, at: at(0)) == [])
    }

    @Test func pagesSayWhatIsGone() {
        var log = MessageLog()
        for sequence in 1...5 as ClosedRange<UInt64> { _ = log.insert(message(sequence), at: at(0)) }
        _ = log.skip(Self.author, through: 7, at: at(0))
        _ = log.insert(message(8), at: at(0))
        var budget = 10_000
        let page = log.page(WantedRange(Self.author, from: 4, through: 20), budget: &budget)
        #expect(page.messages.map(\.sequence) == [4, 5, 8])
        #expect(page.gone == [WantedRange(Self.author, from: 6, through: 7)])
        #expect(!page.isCut)
        var small = 1
        let cut = log.page(WantedRange(Self.author, from: 1, through: 5), budget: &small)
        #expect(cut.messages.map(\.sequence) == [1])
        #expect(cut.isCut)
        var none = 10
        #expect(log.page(WantedRange(NodeID(high: 1, low: 1), from: 1, through: 5), budget: &none).messages.isEmpty)
        #expect(log.page(WantedRange(Self.author, from: 9, through: 9), budget: &none).gone.isEmpty)
    }

    @Test func anAuthorKeepsAThousand() {
        var log = MessageLog()
        for sequence in 1...3_000 as ClosedRange<UInt64> { _ = log.insert(message(sequence), at: at(0)) }
        var budget = Int.max
        let page = log.page(WantedRange(Self.author, from: 1, through: 3_000), budget: &budget)
        #expect((MessageLog.messagesPerAuthor...MessageLog.messagesPerAuthor + 64).contains(page.messages.count))
        #expect(page.messages.last?.sequence == 3_000)
        #expect(page.gone == [WantedRange(Self.author, from: 1, through: page.messages[0].sequence - 1)])
        #expect(log.insert(message(1), at: at(0)) == .duplicate, "evicted is not forgotten")
    }

    @Test func theWholeIsBounded() {
        var log = MessageLog()
        let text = String(repeating: "x", count: 60_000)
        for author in 1...400 as ClosedRange<UInt64> {
            _ = log.insert(message(1, author: NodeID(high: 0, low: author), text: text), at: at(0))
            _ = log.insert(message(2, author: NodeID(high: 0, low: author), text: text), at: at(0))
        }
        var kept = 0
        for author in log.summary {
            var budget = Int.max
            kept += log.page(WantedRange(author.node, from: 1, through: 2), budget: &budget).messages.count
        }
        #expect(kept * 60_000 <= MessageLog.bytes)
        #expect(kept > 200)
        for author in 1...5_000 as ClosedRange<UInt64> {
            _ = log.insert(message(5, author: NodeID(high: 1, low: author)), at: at(0))
        }
        #expect(log.authorsWithHoles.count <= MessageLog.authors)
    }

    @Test func heldMessagesAreBounded() {
        var log = MessageLog()
        var refused = 0
        for sequence in 2...2_000 as ClosedRange<UInt64> where log.insert(message(sequence), at: at(0)) == .refused {
            refused += 1
        }
        #expect(refused == 1_999 - MessageLog.heldPerAuthor)
    }

    @Test func aDayLaterItIsGoneAndStillKnown() {
        var log = MessageLog()
        _ = log.insert(message(1), at: at(0))
        _ = log.insert(message(2, hours: 20), at: at(20))
        log.expire(at: at(25))
        #expect(log.summary == [MeshHave.Author(Self.author, 2)])
        var budget = 1_000
        #expect(
            log.page(WantedRange(Self.author, from: 1, through: 2), budget: &budget).messages.map(\.sequence) == [2])
        log.expire(at: at(45))
        #expect(log.summary.isEmpty)
        #expect(log.insert(message(2, hours: 20), at: at(45)) == .duplicate)
        log.expire(at: at(70))
        #expect(!log.isKnown(Self.author))
    }

    @Test func theDigestDependsOnWhatIsThereAndNotOnTheWay() {
        var one = MessageLog()
        var other = MessageLog()
        let second = NodeID(high: 8, low: 8)
        _ = one.insert(message(1), at: at(0))
        _ = one.insert(message(1, author: second), at: at(0))
        _ = one.insert(message(2), at: at(0))
        _ = other.insert(message(2), at: at(0))
        _ = other.insert(message(1, author: second), at: at(0))
        #expect(one.digest != other.digest)
        _ = other.insert(message(1), at: at(0))
        #expect(one.digest == other.digest)
        #expect(one.digest != 0)
        // Stated in Protocols.md.
        #expect(MessageLog.mix(NodeID(high: 1, low: 2), 3) == 0xF8A4_509D_A00F_A65D)
    }
}

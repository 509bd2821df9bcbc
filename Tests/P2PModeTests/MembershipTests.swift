import P2PMode
import Testing
import Wire

/// Who is there, from what the members say about each other.
@Suite struct MembershipTests {
    private static let me = NodeID(high: 0, low: 1)
    private static let b = NodeID(high: 0, low: 2)
    private static let c = NodeID(high: 0, low: 3)
    private static let d = NodeID(high: 0, low: 4)

    private func at(_ seconds: Double) -> MonotonicTime { MonotonicTime(nanoseconds: Int64(seconds * 1e9)) }

    private func record(
        _ node: NodeID, _ version: UInt64, links: [NodeID], name: String = "x", guests: [GuestRecord] = []
    ) -> MemberRecord {
        MemberRecord(node: node, version: version, name: name, links: links, guests: guests)
    }

    /// me - b - c - d
    private func line() -> Membership {
        var membership = Membership(me: Self.me)
        _ = membership.update(record(Self.b, 1, links: [Self.me, Self.c]), at: at(0))
        _ = membership.update(record(Self.c, 1, links: [Self.b, Self.d]), at: at(0))
        _ = membership.update(record(Self.d, 1, links: [Self.c]), at: at(0))
        return membership
    }

    @Test func distancesAndWays() {
        var membership = line()
        #expect(membership.findWays(from: [Self.b], at: at(0)) == [.joined(Self.b), .joined(Self.c), .joined(Self.d)])
        #expect([Self.b, Self.c, Self.d].map { membership.members[$0]!.distance } == [1, 2, 3])
        #expect([Self.b, Self.c, Self.d].map { membership.members[$0]!.nextHop } == [Self.b, Self.b, Self.b])
        #expect(membership.areLinked(Self.b, Self.c))
        #expect(!membership.areLinked(Self.b, Self.d))
    }

    @Test func aConnectionCountsWhenBothNameIt() {
        var membership = line()
        // d still names c, which names d no more.
        _ = membership.update(record(Self.c, 2, links: [Self.b]), at: at(0))
        #expect(membership.findWays(from: [Self.b], at: at(0)) == [.joined(Self.b), .joined(Self.c)])
        #expect(!membership.isReachable(Self.d))
        #expect(membership.members[Self.d]?.presence == .unseen)
    }

    @Test func whoIsOutOfReachForLongIsLostAndMayReturn() {
        var membership = line()
        _ = membership.findWays(from: [Self.b], at: at(0))
        #expect(membership.findWays(from: [], at: at(10)) == [])
        #expect(membership.nextLoss == at(12))
        #expect(membership.isPresent(Self.d))
        #expect(membership.findWays(from: [Self.b], at: at(11)) == [], "back within the grace: nobody was told")
        _ = membership.findWays(from: [], at: at(20))
        #expect(membership.findWays(from: [], at: at(22)) == [.lost(Self.b), .lost(Self.c), .lost(Self.d)])
        #expect(membership.presentCount == 0)
        #expect(
            membership.findWays(from: [Self.b], at: at(30)) == [
                .returned(Self.b), .returned(Self.c), .returned(Self.d),
            ])
    }

    @Test func whoSaysGoodbyeHasLeft() {
        var membership = line()
        _ = membership.findWays(from: [Self.b], at: at(0))
        let bye = MemberRecord(node: Self.d, version: 2, name: "x", hasLeft: true)
        #expect(membership.update(bye, at: at(1)) == [.left(Self.d)])
        #expect(membership.update(bye, at: at(1)) == nil, "known already")
        #expect(membership.findWays(from: [Self.b], at: at(9)) == [])
        #expect(!membership.isPresent(Self.d))
    }

    @Test func onlyHigherVersionsCount() {
        var membership = line()
        #expect(membership.update(record(Self.b, 1, links: []), at: at(0)) == nil)
        #expect(membership.update(record(Self.me, 9, links: []), at: at(0)) == nil)
        #expect(membership.version(of: Self.b) == 1)
    }

    @Test func namesAndGuestsChange() {
        var membership = line()
        _ = membership.findWays(from: [Self.b], at: at(0))
        let guest = GuestRecord(person: NodeID(high: 5, low: 5), name: "P0")
        #expect(
            membership.update(record(Self.b, 2, links: [Self.me, Self.c], name: "y", guests: [guest]), at: at(1))
                == [.renamed(Self.b, from: "x"), .guestJoined(guest, at: Self.b)])
        #expect(
            membership.update(record(Self.b, 3, links: [Self.me, Self.c], name: "y"), at: at(1)) == [
                .guestLeft(guest, at: Self.b)
            ])
    }

    @Test func aGreetingIsEnoughToBeThere() {
        var membership = Membership(me: Self.me)
        membership.meet(Self.b, name: "b", at: at(0))
        #expect(membership.findWays(from: [Self.b], at: at(0)) == [.joined(Self.b)])
        #expect(membership.offered(at: at(0)).isEmpty, "nothing it said itself yet")
        #expect(membership.update(record(Self.b, 1, links: []), at: at(1)) == [.renamed(Self.b, from: "b")])
    }

    @Test func theTableIsBounded() {
        var membership = Membership(me: Self.me)
        for number in 0..<3_000 as Range<UInt64> {
            _ = membership.update(
                record(
                    NodeID(high: 1, low: number), 1, links: (0..<2_000).map { NodeID(high: 2, low: $0) },
                    name: String(repeating: "n", count: 1_000)),
                at: at(Double(number)))
        }
        #expect(membership.members.count == Membership.members)
        let any = membership.members.values.first!
        #expect(any.record.links.count == Membership.linksPerMember)
        #expect(any.record.name.utf8.count == Membership.nameBytes)
        // Those present do not make room for strangers.
        var full = Membership(me: Self.me)
        for number in 0..<UInt64(Membership.members) { full.meet(NodeID(high: 1, low: number), name: "n", at: at(0)) }
        _ = full.findWays(from: full.members.keys.sorted(), at: at(0))
        #expect(full.update(record(Self.b, 1, links: []), at: at(1)) == nil)
        #expect(full.presentCount == Membership.members)
    }

    @Test func absenteesAreForgottenAndNotHandedBackAndForth() {
        var membership = line()
        _ = membership.findWays(from: [Self.b], at: at(0))
        _ = membership.findWays(from: [], at: at(10))
        _ = membership.findWays(from: [], at: at(12))
        #expect(membership.offered(at: at(100)).count == 3)
        #expect(membership.offered(at: at(700)).isEmpty)
        #expect(membership.digest(at: at(700)) == 0)
        membership.expire(at: at(3_700))
        #expect(membership.members.isEmpty)
    }
}

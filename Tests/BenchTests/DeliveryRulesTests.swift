import Testing

@testable import Bench

@Suite struct DeliveryRulesTests {
    /// What one member makes of sequences of one sender who has sent five.
    private func outcome(_ sequences: [UInt32]) -> DeliveryRules {
        var rules = DeliveryRules(members: 2, senders: 2)
        for sequence in sequences { rules.received(sequence, from: 1, by: 1, sent: 5) }
        return rules
    }

    @Test func allOnceAndInOrderIsAsExpected() {
        let rules = outcome([0, 1, 2, 3, 4])
        #expect(rules.delivered == 5 && rules.lost(expected: 5) == 0)
        #expect(rules.duplicated == 0 && rules.outOfOrder == 0 && rules.damaged == 0)
    }

    @Test func aLostMessageIsFound() {
        #expect(outcome([0, 1, 3, 4]).lost(expected: 5) == 1)
        #expect(outcome([0, 1, 2, 3]).lost(expected: 5) == 1)
        #expect(outcome([]).lost(expected: 5) == 5)
    }

    @Test func aDoubledMessageIsFoundAndDoesNotHideALostOne() {
        let rules = outcome([0, 1, 1, 3, 4])
        #expect(rules.duplicated == 1 && rules.lost(expected: 5) == 1 && rules.delivered == 4)
        #expect(outcome([0, 0, 1, 2, 3, 4, 4, 2]).duplicated == 3)
    }

    @Test func aReorderedMessageIsFoundAndIsNotLost() {
        let rules = outcome([0, 2, 1, 3, 4])
        #expect(rules.outOfOrder == 1 && rules.lost(expected: 5) == 0 && rules.duplicated == 0)
        let turned = outcome([4, 3, 2, 1, 0, 0])
        #expect(turned.outOfOrder == 4 && turned.lost(expected: 5) == 0 && turned.duplicated == 1)
    }

    @Test func whatNobodySentIsDamage() {
        #expect(outcome([5]).damaged == 1 && outcome([5]).delivered == 0)
        var rules = DeliveryRules(members: 1, senders: 1)
        #expect(rules.received(0, from: 1, by: 0, sent: 9) == .strange)
        rules.receivedDamaged()
        #expect(rules.damaged == 2)
    }

    @Test func membersAndSendersAreApart() {
        var rules = DeliveryRules(members: 2, senders: 2)
        for member in 0..<2 {
            for sender in 0..<2 {
                #expect(rules.received(0, from: sender, by: member, sent: 1) == .asExpected)
            }
        }
        #expect(rules.delivered == 4 && rules.received(0, from: 0, by: 1, sent: 1) == .duplicate)
    }
}

import Wire

/// Holds what every member received against what every sender sent: once each, whole, each sender's in order.
struct DeliveryRules: Sendable {
    enum Verdict: Equatable, Sendable {
        case asExpected
        /// Later ones of the same sender came before it.
        case outOfOrder
        case duplicate
        /// Nobody has sent that to this member.
        case strange
    }

    private let senders: Int
    /// Of each member and sender: the sequence that comes next.
    private var next: [UInt32]
    /// What was passed over and may still come, by member and sender.
    private var missing: [Int: Set<UInt32>] = [:]

    /// Messages that came for the first time, those out of order included.
    private(set) var delivered = 0
    private(set) var duplicated = 0
    private(set) var outOfOrder = 0
    /// Texts that are not as they were sent, and texts that nobody sent.
    private(set) var damaged = 0

    init(members: Int, senders: Int) {
        self.senders = senders
        next = Array(repeating: 0, count: members * senders)
    }

    /// A whole message has come.
    ///
    /// - Parameter sent: how many messages this sender has sent so far.
    @discardableResult
    mutating func received(_ sequence: UInt32, from sender: Int, by member: Int, sent: UInt32) -> Verdict {
        guard sender < senders, sequence < sent else {
            damaged += 1
            return .strange
        }
        let pair = member * senders + sender
        let expected = next[pair]
        if sequence == expected {
            next[pair] = expected + 1
            delivered += 1
            return .asExpected
        }
        if sequence > expected {
            missing[pair, default: []].formUnion(expected..<sequence)
            next[pair] = sequence + 1
            delivered += 1
            return .asExpected
        }
        if missing[pair]?.remove(sequence) != nil {
            delivered += 1
            outOfOrder += 1
            return .outOfOrder
        }
        duplicated += 1
        return .duplicate
    }

    /// A message has come that is not whole.
    mutating func receivedDamaged() { damaged += 1 }

    /// What has not come of all that was to come.
    func lost(expected: Int) -> Int { max(0, expected - delivered) }
}

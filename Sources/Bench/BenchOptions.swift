package import Wire

/// What `chat bench` was asked to measure.
package struct BenchOptions: Sendable, Equatable {
    package enum Mode: String, Sendable, CaseIterable {
        case p2p
        case board
        case udp
        case rooms

        /// Whether its messages are datagrams.
        var usesDatagrams: Bool { self == .udp || self == .rooms }
    }

    package enum Load: Sendable, Equatable {
        /// As many messages as the server takes: a new one leaves when an older one has arrived everywhere.
        case saturating
        /// Messages a second, all senders together, whether or not the ones before have arrived.
        case rate(Double)
    }

    /// What a sender does.
    package enum Work: Sendable, Equatable {
        /// It writes messages, which go to all others of its group.
        case messages
        /// It asks for a post and waits for the answer; the board alone.
        case requests
    }

    /// Bytes of a message's text: it must hold a mark (`MessageText`), and fit a datagram with what stands around it.
    package static let sizes = MessageText.length...3_000
    /// As many as a server of ours takes connections in all.
    package static let mostMembers = 10_000
    package static let mostGroups = 1_000
    /// Messages a second that a sender is asked for at most.
    package static let mostRate = 1_000_000.0
    /// Messages under way, all senders together, in a saturating load.
    package static let window = 64

    package var mode: Mode
    package var members: Int
    /// How many of the members write; in p2p, whether the node does.
    package var senders: Int
    package var load: Load
    package var work: Work
    package var size: Int
    package var seconds: Int
    /// The members are spread over so many groups.
    package var groups: Int
    /// The server keeps what it is sent, in a folder that goes when it ends.
    package var isDurable: Bool
    /// Nil for a server of its own; of rooms, where it takes connections.
    package var server: Endpoint?
    /// Where a given server of rooms takes datagrams.
    package var datagramPort: UInt16?
    package var json: Bool

    package init(
        mode: Mode, members: Int = 100, senders: Int = 1, load: Load = .saturating, work: Work = .messages,
        size: Int = 100, seconds: Int = 5, groups: Int = 1, isDurable: Bool = false, server: Endpoint? = nil,
        datagramPort: UInt16? = nil,
        json: Bool = false
    ) {
        self.mode = mode
        self.members = members
        self.senders = senders
        self.load = load
        self.work = work
        self.size = size
        self.seconds = seconds
        self.groups = groups
        self.isDurable = isDurable
        self.server = server
        self.datagramPort = datagramPort
        self.json = json
    }

    /// The group of a member.
    func group(of member: Int) -> Int { member % groups }

    /// How many receive what a sender writes.
    func receivers(of sender: Int) -> Int {
        switch mode {
        case .p2p: return members
        case .board where work == .requests: return 0
        case .board, .udp, .rooms:
            let group = group(of: sender)
            return (members - group + groups - 1) / groups - 1
        }
    }

    /// Whether each message is answered to its sender.
    var isAnswered: Bool { mode == .board }
}

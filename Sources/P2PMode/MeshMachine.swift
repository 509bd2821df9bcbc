import Delivery
package import Wire

/// One node of the mesh: everything that is decided, nothing that is done.
///
/// Events come in as calls named in the past tense, with the time; what is to be done comes out as effects. The same
/// events in the same order with the same seed give the same effects, which is what the simulation lives on.
///
/// How a group without a server holds together, and where it stands:
/// * who is there and how far: every node says who its neighbours are (`Membership`, `MeshMachine+Members`);
/// * which connections exist: one per pair, found through each other's addresses (`+Links`, `+Addresses`);
/// * how a message reaches everybody once (`+Messages`) and what was missed is fetched (`MessageLog`, `+CatchUp`);
/// * messages to one person (`+Whispers`).
package struct MeshMachine: Sendable {
    // Limits.
    /// Up to so many nodes everybody is connected to everybody.
    package static let fullMesh = 16
    /// Bytes of one typed text.
    package static let textBytes = 4_096
    /// Two connections between one pair are both young if neither is older.
    package static let youth = Duration.seconds(10)
    /// How long the one that decides waits for a sign of life of the older of two connections.
    package static let verdictTime = Duration.seconds(3)
    /// How long the other one waits for that decision before it decides itself.
    package static let verdictTimeOut = Duration.seconds(20)
    /// How long a spare connection may take to say its last.
    package static let drainTime = Duration.seconds(5)
    /// A new record of this node is sent so much after a change, so that changes that come together make one.
    package static let announceDelay = Duration.milliseconds(50)
    /// Between two records of this node, however much changes.
    package static let announceInterval = Duration.milliseconds(300)
    /// So much after records of others have changed, neighbours compare what they know.
    package static let calm = Duration.seconds(2)
    /// Between two comparisons with every neighbour.
    package static let compareInterval = Duration.seconds(30)
    /// Acknowledgements wait so long for others to travel with.
    package static let ackDelay = Duration.milliseconds(200)
    /// How long a message may come before its predecessor until that is asked for.
    package static let gapDelay = Duration.milliseconds(200)
    /// How long a message waits for a predecessor that nobody in reach has: somebody out of reach may.
    package static let gapPatience = Duration.seconds(2 * 3600)
    /// How long an answer to `want` may take.
    package static let pageTime = Duration.seconds(10)
    /// Bytes of messages in one answer.
    package static let pageBytes = 64 << 10
    /// Authors in one request and in one `have`.
    package static let authorsPerRequest = 64
    package static let authorsPerHave = 1_000
    /// Addresses in one `peers`.
    package static let addressesPerFrame = 64
    /// Ids of original programs' lines that are remembered.
    package static let guestLines = 32_768
    /// Copies of a line without a time come within this of each other.
    package static let copyTime = Duration.seconds(10)
    /// Own messages whose delivery is followed.
    package static let followed = 1_000

    /// Notices of what original programs do that are shown at once, and the time until the next one may be.
    package static let strangerNotices = 10
    package static let strangerNoticeInterval = Duration.seconds(10)

    package struct Configuration: Equatable, Sendable {
        package var name: String { didSet { shownName = displayName(name) } }
        /// The name as it is shown, found once and not for every line that is typed.
        private(set) var shownName: SafeText
        /// Where this node accepts connections; 0 when it does not.
        package var port: UInt16
        /// `--plain`: greets nobody, and speaks plain to whoever has not shown another way.
        package var speaksPlain = false
        package var isRateLimited = true

        package init(name: String, port: UInt16, speaksPlain: Bool = false, isRateLimited: Bool = true) {
            self.name = name
            self.port = port
            self.speaksPlain = speaksPlain
            self.isRateLimited = isRateLimited
            shownName = displayName(name)
        }
    }

    enum Role: Equatable {
        /// Nobody knows yet who it is.
        case unknown
        case original
        /// The connection to that member.
        case primary
        /// A second one; which stays is not decided yet.
        case spare
        /// Not used any more; the other end says its last.
        case draining
        /// Only finds out who answers at an address.
        case probe
        /// Told to close.
        case closing
    }

    struct Link {
        var machine: LinkMachine
        var role = Role.unknown
        /// The member at the other end, once it has greeted.
        var node: NodeID?
        /// The number in the address book, when dialled.
        var address: Int?
        /// What the person knows it by.
        var guest: GuestRecord?
        /// Up to where the other end has each author's messages, as far as it said.
        var offers: [NodeID: UInt64] = [:]
        /// Up to where it said that it has them no more.
        var gone: [NodeID: UInt64] = [:]
        /// What it was asked for and has not answered yet.
        var asked: [WantedRange] = []
        /// It has caught up with something since it was asked first.
        var hasAdvanced = false
    }

    enum Timer: Hashable, Sendable {
        case link(LinkID)
        case drained(LinkID)
        case page(LinkID)
        case verdict(NodeID)
        case gap(NodeID)
        case patience(NodeID)
        case whisper(MessageID)
        case dials, announce, ways, fading, round, recheck, spread, acks, expiry
    }

    package let me: NodeID
    /// `me` in hexadecimal, which stands in every id of an own message.
    let myKey: String
    package internal(set) var configuration: Configuration
    var now: Moment
    var random: SplitMix64
    var effects: [MeshEffect] = []
    var timers = TimerQueue<Timer>() { didSet { timersHaveChanged = true } }
    /// The earliest timer may be another one than at the end of the last event.
    private var timersHaveChanged = false
    var wakeAt: MonotonicTime?
    var isQuitting = false

    var links: [LinkID: Link] = [:] { didSet { knownOriginals = nil } }
    /// What `originalGroups` has found; nil once a connection has changed since.
    var knownOriginals: OriginalGroups?
    /// The connection to each neighbour, by node: sorted, so that every run does the same.
    var neighbours: [(node: NodeID, link: LinkID)] = []
    /// Neighbours that were told as connected. One connection that takes another's place is no news.
    var toldNeighbours: Set<NodeID> = []
    var book = AddressBook()
    package internal(set) var membership: Membership
    var ownVersion: UInt64 = 0
    var announcedAt: MonotonicTime?
    /// How each member is called where it is shown; made anew when somebody comes, goes or changes the name.
    var labels: [NodeID: SafeText] = [:]
    var labelsAreStale = true
    /// Names (folded) that more than one person has.
    var sharedNames: Set<String> = []

    package internal(set) var log = MessageLog()
    var sequence: UInt64 = 0
    /// This node, and those that this peer was in earlier runs.
    var selves: Set<NodeID>
    /// Which link is being asked for an author's messages.
    var requests: [NodeID: LinkID] = [:]
    /// How many times more the neighbours are asked after a connection broke.
    var rechecks = 0
    /// How often the predecessors of a held message were asked for, and who sent it.
    var gaps: [NodeID: (source: LinkID, tries: Int)] = [:]

    var guestLines = DuplicateWindow<NodeID>(capacity: guestLines)
    /// Lines without a time: when and where they were admitted.
    var untimedLines: [NodeID: (time: Timestamp, at: NodeID, link: LinkID?)] = [:]

    /// Own messages, oldest first, whose delivery is followed.
    var followed: [FollowedMessage] = []
    /// Up to which of this node's messages each member has shown them.
    var shownBy: [NodeID: UInt64] = [:]
    /// Acknowledgements on their way: author, then who.
    var pendingAcks: [NodeID: [NodeID: UInt64]] = [:]
    /// What was passed on already, so that none runs in circles while ways change.
    var relayedAcks: [NodeID: [NodeID: UInt64]] = [:]

    var strangerReports = ReportLimiter(burst: strangerNotices, every: strangerNoticeInterval)

    var whispers: [MessageID: PendingWhisper] = [:]
    var seenWhispers = DuplicateWindow<MessageID>(capacity: 4_096)

    package init(configuration: Configuration, seed: UInt64, at now: Moment) {
        var random = SplitMix64(seed: seed)
        let me = NodeID.random(using: &random)
        self.init(configuration: configuration, node: me, random: random, at: now)
    }

    package init(configuration: Configuration, node: NodeID, random: SplitMix64, at now: Moment) {
        self.me = node
        myKey = node.hex
        self.random = random
        self.configuration = configuration
        self.now = now
        self.membership = Membership(me: me)
        self.selves = [node]
    }

    /// Tells what was not known when the machine was made. Before `started`.
    package mutating func configure(name: String, port: UInt16) {
        configuration.name = name
        configuration.port = port
        labelsAreStale = true
    }

    /// Takes in what an earlier run has kept and shown. Before `started`.
    ///
    /// - Parameters:
    ///   - messages: in the order of each author.
    ///   - selves: who this peer was in earlier runs: what they said is its own.
    package mutating func restored(_ messages: [MeshMessage], selves: Set<NodeID>, at now: Moment) {
        self.now = now
        self.selves = selves.union([me])
        for var message in messages {
            message.isCaughtUp = true
            log.restore(message, at: now)
            if let guest = message.guest, guest.isTimed { _ = guestLines.insert(guest.digest) }
        }
    }

    // MARK: Events

    /// The program runs, and these addresses were typed.
    package mutating func started(_ typed: [Endpoint], at now: Moment) -> [MeshEffect] {
        self.now = now
        for endpoint in typed {
            _ = book.add(endpoint, source: .typed, node: nil, dialAt: now.monotonic, now: now.monotonic)
        }
        timers.schedule(.expiry, at: now.monotonic.advanced(by: .seconds(600)))
        reviewDials()
        return finish()
    }

    package mutating func opened(
        _ id: LinkID, direction: LinkMachine.Direction, remote: SocketAddress, at now: Moment
    ) -> [MeshEffect] {
        self.now = now
        open(id, direction: direction, remote: remote)
        return finish()
    }

    package mutating func dialFailed(_ number: Int, reason: SafeText, at now: Moment) -> [MeshEffect] {
        self.now = now
        dialFailed(number, reason: reason)
        return finish()
    }

    package mutating func received(_ frame: P2PFrame, on id: LinkID, at now: Moment) -> [MeshEffect] {
        self.now = now
        if links[id] != nil {
            let before = links[id]!.machine.state
            let happened = links[id]!.machine.heard(frame, at: now.monotonic)
            for effect in happened { perform(effect, on: id) }
            if links[id]?.machine.state != before || !timers.contains(.link(id)) { scheduleLink(id) }
        }
        return finish()
    }

    /// The connection is gone, whoever closed it.
    package mutating func closed(_ id: LinkID, _ end: LinkEnd, at now: Moment) -> [MeshEffect] {
        self.now = now
        linkClosed(id, end)
        return finish()
    }

    package mutating func timePassed(at now: Moment) -> [MeshEffect] {
        self.now = now
        while let timer = timers.popDue(at: now.monotonic) { fired(timer) }
        return finish()
    }

    // MARK: Inside

    private mutating func fired(_ timer: Timer) {
        switch timer {
        case .link(let id):
            guard links[id] != nil else { return }
            for effect in links[id]!.machine.timePassed(at: now.monotonic) { perform(effect, on: id) }
            scheduleLink(id)
        case .drained(let id): if links[id] != nil { close(id) }
        case .page(let id): pageTimedOut(id)
        case .verdict(let node): verdictDue(node)
        case .gap(let node): askForGap(of: node)
        case .patience(let node): gapGivenUp(of: node)
        case .whisper(let id): whisperDue(id)
        case .dials: reviewDials()
        case .announce: announce()
        case .ways, .fading: findWays()
        case .round: compareWithAll()
        case .recheck: askAllWhatTheyHave()
        case .spread: tellAllWhatWeHave()
        case .acks: sendAcks()
        case .expiry: expire()
        }
    }

    mutating func scheduleLink(_ id: LinkID) {
        guard let deadline = links[id]?.machine.deadline else { return timers.cancel(.link(id)) }
        timers.schedule(.link(id), at: deadline)
    }

    private mutating func expire() {
        log.expire(at: now)
        membership.expire(at: now.monotonic)
        let oldest = now.wall.microseconds - 2 * Self.copyTime.microseconds
        untimedLines = untimedLines.filter { $0.value.time.microseconds > oldest }
        relayedAcks = [:]
        timers.schedule(.expiry, at: now.monotonic.advanced(by: .seconds(600)))
    }

    func after(_ delay: Duration) -> MonotonicTime { now.monotonic.advanced(by: delay) }

    mutating func tell(_ news: MeshNews) { effects.append(.tell(news)) }

    /// Hands out the effects of one event, and the next deadline if it has moved.
    mutating func finish() -> [MeshEffect] {
        if timersHaveChanged {
            let earliest = timers.earliest()
            timersHaveChanged = false
            if earliest != wakeAt {
                wakeAt = earliest
                effects.append(.wake(at: earliest))
            }
        }
        defer { effects = [] }
        return effects
    }
}

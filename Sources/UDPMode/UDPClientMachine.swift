import Delivery
package import Wire

/// The rules of a client: what is typed and what arrives goes in; datagrams, and what is to be shown, come out.
///
/// One request to the server is under way at a time, sent up to six times, half a second apart, as the original does;
/// direct messages and messages to a group do not wait for it. Between our own ends every message has an id and a place
/// in its conversation; to and from an original, one message at a time, told apart by sender and text.
package struct UDPClientMachine: Sendable {
    /// Sends of a request, and the time between them.
    package static let requestSends = 6
    /// Where the network loses much and does not say that nobody listens, a server of ours gets a second round: a
    /// repeated request has no second effect there.
    package static let patientSends = 12
    package static let requestInterval: Duration = .milliseconds(500)
    /// A server of ours that was silent for so long is asked for a sign of life; after so long it is gone.
    package static let pingAfter: Duration = .seconds(60)
    package static let pingInterval: Duration = .seconds(5)
    package static let goneAfter: Duration = .seconds(120)
    /// One that was heard so short a time ago is there, however many requests were lost.
    package static let aliveFor: Duration = .seconds(3)
    /// Verbs that wait for the request that is under way.
    package static let queueLimit = 256
    /// Direct messages kept while in a group; then they are shown at once.
    package static let inboxLimit = 1_000
    /// Ids of shown messages, to tell a copy that came by another way.
    package static let shownLimit = 4_096
    /// Conversations of others that are kept track of.
    package static let conversationLimit = 1_000
    /// Names in the table.
    package static let tableLimit = 20_000
    /// A text of an original is not shown a second time within its six sends.
    package static let repetitionWindow: Duration = .seconds(3)
    /// After a name is refused to a client that has asked more than once, its confirmation may still be on its way.
    package static let refusalPatience: Duration = .seconds(1)

    package struct Settings: Sendable {
        package var name: String
        /// Where the server is, and how it is named in metadata.
        package var server: SocketAddress
        package var clientIP: IPAddress
        package var clientPort: UInt16
        /// Identifies this running program.
        package var run: UInt64
        /// Reclaims the name; from an earlier run.
        package var secret: MessageID?
        /// The secret is kept for later runs.
        package var keepsSecret: Bool
        package var limitsRates: Bool

        package init(
            name: String, server: SocketAddress, clientIP: IPAddress, clientPort: UInt16, run: UInt64,
            secret: MessageID?, keepsSecret: Bool, limitsRates: Bool = true
        ) {
            self.name = name
            self.server = server
            self.clientIP = clientIP
            self.clientPort = clientPort
            self.run = run
            self.secret = secret
            self.keepsSecret = keepsSecret
            self.limitsRates = limitsRates
        }
    }

    package enum Outcome: Sendable, Equatable {
        case ended
        case refused
        case serverGone
        /// By a second interrupt, with messages of one's own still under way.
        case interrupted
    }

    package enum Effect: Sendable, Equatable {
        case send(UDPMessage, to: SocketAddress)
        case show(UDPClientEvent)
        /// Keeps the secret of the name; nil forgets it.
        case keepSecret(MessageID?)
        case end(Outcome)
    }

    enum Phase: Sendable, Equatable {
        case registering
        case registered
        case ended
    }

    /// Why the program is about to end.
    enum Leaving: Sendable, Equatable {
        /// What was typed is carried out and what is under way is finished first.
        case whenDone
        /// The goodbye is under way.
        case goodbye
    }

    /// The group that one is in.
    struct Group: Sendable {
        var name: String
        var key: String
        /// Orders what comes from a server of ours.
        var receiver = ReliableReceiver<UDPClientEvent.Message>()
        /// The first offset to come.
        var first: UInt64
    }

    enum Timer: Hashable, Sendable {
        case request
        case refusal
        case silence
        case peer(String)
        case conversation(ConversationKey)
        case groupSender
        case group
    }

    struct ConversationKey: Hashable, Sendable {
        var name: String
        var run: UInt64
    }

    package let settings: Settings
    let random: @Sendable () -> UInt64
    var phase = Phase.registering
    var leaving: Leaving?
    /// The server has announced itself as one of ours.
    package internal(set) var serverIsOurs = false
    /// It has said that it ends; one has not registered since.
    var serverIsStopping = false
    var session: UInt64?
    var secret: MessageID?
    /// The secret was offered for this registration.
    var reclaimed = false
    var registrationSends = 0
    var pendingRefusal: String?
    var lastHeard: MonotonicTime
    /// ICMP said that nobody listens there, and nothing has come from there since.
    var serverIsClosed = false

    var table = UDPClientTable()
    var group: Group?
    /// The group to go back into once one is registered again, and whether it had to be made anew.
    var rejoining: (name: String, created: Bool)?

    var request: UDPRequest?
    /// What goes out before the next verb.
    var urgent: [UDPRequest] = []
    var verbs: [UDPVerb] = []

    /// One's own messages to each name, and to one's group.
    var peers: [String: UDPPeer] = [:]
    /// Above every number that was used towards anybody who is not in `peers` any more.
    var firstSequence: UInt64 = 0
    var groupSender: ReliableSender<UDPOutgoing>
    /// Messages that ended without having arrived for certain, and those that the server may still store.
    package internal(set) var undelivered: Set<MessageID> = []
    var storing: [MessageID: UDPOutgoing] = [:]

    var conversations: [ConversationKey: UDPConversation] = [:]
    var originals = UDPRepetitions()
    var shown = DuplicateWindow<MessageID>(capacity: UDPClientMachine.shownLimit)
    var inbox: [UDPClientEvent.Message] = []

    var timers = TimerQueue<Timer>()
    var now: MonotonicTime
    var wall: Timestamp
    var effects: [Effect] = []

    package init(
        _ settings: Settings, at now: MonotonicTime, wall: Timestamp, random: @escaping @Sendable () -> UInt64
    ) {
        self.settings = settings
        self.random = random
        self.now = now
        self.wall = wall
        secret = settings.secret
        lastHeard = now
        groupSender = ReliableSender(policy: .numbered, seed: random())
    }

    /// When `timedOut` has to be called next.
    package var deadline: MonotonicTime? {
        mutating get { timers.earliest() }
    }

    /// False while so much waits that no further line should be read.
    package var acceptsInput: Bool {
        verbs.count < Self.queueLimit && groupSender.count < 512 && peers.values.allSatisfy { $0.sender.count < 512 }
    }

    package var isEnded: Bool { phase == .ended }
    package var isRegistering: Bool { phase == .registering }
    package var groupName: String? { group?.name }
    /// Names that can be written to, for completion.
    package var names: [String] { table.names }

    /// Messages of one's own that are under way or wait.
    var unfinished: Int {
        groupSender.count + peers.values.reduce(0) { $0 + $1.sender.count } + storing.count
    }

    // MARK: - Events

    package mutating func started() -> [Effect] {
        sendRegistration()
        return takeEffects()
    }

    package mutating func entered(_ verb: UDPVerb, at now: MonotonicTime, wall: Timestamp) -> [Effect] {
        guard phase != .ended else { return [] }
        self.now = now
        self.wall = wall
        verbs.append(verb)
        proceed()
        return takeEffects()
    }

    package mutating func received(
        _ bytes: ArraySlice<UInt8>, from source: SocketAddress, at now: MonotonicTime, wall: Timestamp
    ) -> [Effect] {
        guard phase != .ended, bytes.count <= UDPMessage.datagramLimit,
            let message = try? UDPMessage(decoding: bytes)
        else { return [] }
        self.now = now
        self.wall = wall
        switch message.metadata {
        case .client(let client): peerSent(message.body, client, from: source)
        case .server(_, let chat):
            // Anybody can send a datagram; only the server's are the server's.
            guard source.ip == settings.server.ip, source.port == settings.server.port else { return [] }
            lastHeard = now
            serverIsClosed = false
            serverSent(message.body, chat)
        }
        proceed()
        return takeEffects()
    }

    /// ICMP says that nobody listens at an address any more.
    package mutating func becameUnreachable(_ address: SocketAddress, at now: MonotonicTime) -> [Effect] {
        guard phase != .ended else { return [] }
        self.now = now
        // The server may be about to come back: its requests are repeated and given up in their own time.
        guard address != settings.server else {
            serverIsClosed = true
            return []
        }
        for (key, peer) in peers where peer.address == address {
            perform(peers[key]?.sender.becameUnreachable() ?? [], peer: key)
        }
        proceed()
        return takeEffects()
    }

    package mutating func timedOut(at now: MonotonicTime, wall: Timestamp) -> [Effect] {
        self.now = now
        self.wall = wall
        while let timer = timers.popDue(at: now), phase != .ended {
            switch timer {
            case .request: requestTimedOut()
            case .refusal: refusalTimedOut()
            case .silence: silenceChecked()
            case .peer(let key): perform(peers[key]?.sender.timedOut(at: now) ?? [], peer: key)
            case .conversation(let key): perform(conversations[key]?.receiver.timedOut(at: now) ?? [], key)
            case .groupSender: performGroup(groupSender.timedOut(at: now))
            case .group: groupTimedOut()
            }
        }
        proceed()
        return takeEffects()
    }

    /// No more input: everything is finished, then the program ends.
    package mutating func inputEnded(at now: MonotonicTime) -> [Effect] {
        guard phase != .ended else { return [] }
        self.now = now
        if leaving == nil { leaving = .whenDone }
        proceed()
        return takeEffects()
    }

    /// Ctrl+C at an empty line, or a signal: the first time what is under way is finished, the second time not.
    package mutating func interrupted(at now: MonotonicTime) -> [Effect] {
        guard phase != .ended else { return [] }
        self.now = now
        verbs.removeAll()
        if leaving != nil || phase == .registering || unfinished == 0 {
            leaveNow(unfinished > 0 ? .interrupted : .ended)
        } else {
            leaving = .whenDone
            show(.finishing(unfinished))
            proceed()
        }
        return takeEffects()
    }

    // MARK: - Shared by the extensions

    mutating func show(_ event: UDPClientEvent) { effects.append(.show(event)) }

    func chat(_ set: (inout UDPExtension) -> Void = { _ in }) -> UDPExtension {
        UDPExtension {
            $0.run = settings.run
            set(&$0)
        }
    }

    func metadata(_ chat: UDPExtension?) -> UDPMetadata {
        .client(
            .init(
                name: settings.name, serverIP: settings.server.ip.description, serverPort: settings.server.port,
                clientPort: settings.clientPort, clientIP: settings.clientIP.description, chat: chat))
    }

    /// Sends to the server; to one of ours with what proves who one is.
    mutating func sendToServer(_ body: UDPMessage.Body, _ set: (inout UDPExtension) -> Void = { _ in }) {
        let announced =
            serverIsOurs
            ? chat {
                $0.session = session; set(&$0)
            } : nil
        effects.append(.send(UDPMessage(body, metadata(announced)), to: settings.server))
    }

    func newID() -> MessageID { MessageID(high: random(), low: random()) }

    mutating func end(_ outcome: Outcome) {
        guard phase != .ended else { return }
        flushInbox()
        phase = .ended
        effects.append(.end(outcome))
    }

    mutating func flushInbox() {
        for var message in inbox {
            message.isFromInbox = true
            show(.message(message))
        }
        inbox.removeAll()
    }

    private mutating func takeEffects() -> [Effect] {
        defer { effects.removeAll(keepingCapacity: true) }
        return effects
    }
}

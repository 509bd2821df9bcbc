import Delivery
package import Wire

/// The rules of the server: datagrams in, datagrams and log lines out.
///
/// Nothing that arrives can stop it: what is malformed, unknown or not entitled is dropped or answered in few bytes.
/// Time comes in with every event; what is due next is `deadline`.
package struct UDPServerMachine: Sendable {
    /// An end of ours must ask for the table this soon, which shows that it receives at the address it gave.
    package static let provisionalLifetime: Duration = .seconds(10)
    /// Without a sign of life, a client of ours is gone after this; an original, which never speaks by itself, after a
    /// day (ICMP usually says it sooner).
    package static let silenceLimit: Duration = .seconds(120)
    package static let originalSilenceLimit: Duration = .seconds(24 * 3_600)
    /// One that is said to be offline is asked so often, so far apart, before it is believed.
    package static let offlineChecks = 6
    package static let offlineCheckInterval: Duration = .milliseconds(300)
    /// A taken name's holder is looked after at most this often.
    package static let probeInterval: Duration = .seconds(5)
    /// Those who were there before the server was started anew are told so after these times, while they are not back.
    package static let recalls: [Duration] = [.zero, .seconds(1), .seconds(3)]
    /// Originals, each of which is sent a table of its own when anybody comes or goes, that are told at once. Where
    /// there are more, so many are told at a time and the next ones this long for each of them later, so that who
    /// registers does not cost the others the server.
    package static let promptOriginals = 32
    package static let pausePerOriginal: Duration = .microseconds(200)
    /// Stored messages are dropped by age this often.
    package static let sweepInterval: Duration = .seconds(3_600)

    package enum Effect: Sendable, Equatable {
        case send(UDPMessage, to: [UDPPath])
        case log(UDPServerLogLine)
        /// Answered with `committed` or `failed`.
        case record(UDPRecord)
    }

    enum Timer: Hashable, Sendable {
        case provisional(String)
        case silence(String)
        case offlineCheck(String)
        case member(UDPGroups.MemberKey)
        case mail(String)
        case receiver(String)
        case sweep
        case recall(Int)
        case originals
    }

    /// Somebody says that a client is offline.
    struct OfflineCheck: Sendable {
        var attempts = 0
        var requesters: [Requester] = []
        /// Who holds the secret of its name and waits for it.
        var claim: Claim?
    }

    /// A registration under a name that somebody has.
    struct Claim: Sendable {
        var name: Nickname
        var client: UDPMetadata.Client
        var source: UDPPath
        var path: UDPPath
    }

    /// Whom to answer, and the id of the request.
    struct Requester: Sendable, Equatable {
        var path: UDPPath
        var isOurs: Bool
        var id: MessageID?
    }

    package let port: UInt16
    let limitsRates: Bool
    /// Unguessable numbers: sessions and secrets.
    let random: @Sendable () -> UInt64

    package internal(set) var table = UDPTable()
    package internal(set) var groups = UDPGroups()
    package internal(set) var mailboxes: UDPMailboxes
    /// Datagrams that were dropped since the start: not one of ours, or over a rate.
    package internal(set) var malformed = 0
    package internal(set) var overRate = 0
    var timers = TimerQueue<Timer>()
    var strangers = UDPSourceLimiter()
    var offlineChecks: [String: OfflineCheck] = [:]
    /// Who waits for the commit of a message that is to be stored.
    var storing: [MessageID: [Requester]] = [:]
    /// Who was there when the last server ended, and is asked to come back.
    var absent: [UDPReservation] = []
    /// The server's sockets: which of them a client of the last server knows is not known any more.
    let socketCount: Int
    /// Originals who are still to be told in this round, the last first; and whether another round has to follow.
    var untold: [String] = []
    var originalsAreBehind = false
    /// Who asked for the table in this turn.
    var tableRequests: [String] = []
    var now: MonotonicTime
    var wall: Timestamp
    var effects: [Effect] = []

    /// - Parameters:
    ///   - random: gives numbers that nobody can guess.
    ///   - limitsRates: false admits what registered clients send at any rate (`--no-rate-limit`).
    package init(
        port: UInt16, socketCount: Int = 1, mailboxes: UDPMailboxes = UDPMailboxes(), limitsRates: Bool = true,
        at now: MonotonicTime, wall: Timestamp, random: @escaping @Sendable () -> UInt64
    ) {
        self.port = port
        self.socketCount = socketCount
        self.mailboxes = mailboxes
        self.limitsRates = limitsRates
        self.now = now
        self.wall = wall
        self.random = random
        timers.schedule(.sweep, at: now)
        absent = mailboxes.present
        if !absent.isEmpty {
            for (index, delay) in Self.recalls.enumerated() { timers.schedule(.recall(index), at: now + delay) }
        }
    }

    /// When `timedOut` has to be called next.
    package var deadline: MonotonicTime? {
        mutating get { timers.earliest() }
    }

    // MARK: - Events

    package mutating func received(
        _ bytes: ArraySlice<UInt8>, from source: UDPPath, at now: MonotonicTime, wall: Timestamp
    ) -> [Effect] {
        self.now = now
        self.wall = wall
        guard bytes.count <= UDPMessage.datagramLimit, let message = try? UDPMessage(decoding: bytes),
            let client = message.metadata.client
        else {
            malformed += 1
            return []
        }
        // Answers go to the source's host, at the port that the metadata names.
        var listening = source
        listening.address.port = client.clientPort
        if case .registration = message.body {
            registrationReceived(client, source: source, path: listening)
        } else if let key = sender(client, listening) {
            received(message.body, client.chat, from: key)
        } else {
            strangerReceived(message.body, client.chat, path: listening)
        }
        return takeEffects()
    }

    /// ICMP says that nobody listens at an address any more.
    package mutating func becameUnreachable(_ address: SocketAddress, at now: MonotonicTime) -> [Effect] {
        self.now = now
        for key in table.keys(listeningAt: address) {
            if offlineChecks[key] == nil { offlineChecks[key] = OfflineCheck() }
            offlineConfirmed(key)
        }
        return takeEffects()
    }

    /// The time of `deadline` has come.
    package mutating func timedOut(at now: MonotonicTime, wall: Timestamp) -> [Effect] {
        self.now = now
        self.wall = wall
        while let timer = timers.popDue(at: now) {
            switch timer {
            case .provisional(let key):
                if table[key]?.isConfirmed == false { remove(key) }
            case .silence(let key): silenceChecked(key)
            case .offlineCheck(let key): offlineCheckTimedOut(key)
            case .member(let member): perform(groups.timedOut(member, at: now))
            case .mail(let key): mailTimedOut(key)
            case .receiver(let key): receiverTimedOut(key)
            case .sweep:
                effects += mailboxes.expired(at: wall, inUse: { table[$0] != nil }).map { .record($0) }
                timers.schedule(.sweep, at: now + Self.sweepInterval)
            case .recall(let round): recall(isLast: round == Self.recalls.count - 1)
            case .originals: tellOriginals()
            }
        }
        return takeEffects()
    }

    /// The server ends: those who understand it are told.
    package mutating func stopped() -> [Effect] {
        let ours = table.published.filter(\.isOurs).map(\.path)
        guard !ours.isEmpty else { return [] }
        return [.send(UDPMessage(.stopping, .server(port: port, chat: UDPExtension())), to: ours)]
    }

    /// All that came in one turn has been handed in: tells everybody of the changes of the table.
    package mutating func turnEnded() -> [Effect] {
        announceChanges()
        if !tableRequests.isEmpty {
            let pages = table.pages(port: port)
            let paths = tableRequests.compactMap { table[$0]?.path }
            for page in pages { effects.append(.send(page, to: paths)) }
            // Who is back reads who is there, and then what was missed.
            for key in tableRequests { beginMail(key) }
            tableRequests.removeAll()
        }
        return takeEffects()
    }

    /// Tells everybody what changed in the table; an end of ours that has asked for all of it gets that instead.
    mutating func announceChanges() {
        guard table.hasChanged else { return }
        let changes = table.takeChanges(port: port)
        let fresh = Set(tableRequests)
        let ours = table.published.filter { $0.isOurs && !fresh.contains($0.key) }.map(\.path)
        if !ours.isEmpty { for change in changes { effects.append(.send(change, to: ours)) } }
        originalsAreBehind = true
        if !timers.contains(.originals) { tellOriginals() }
    }

    /// Sends originals their tables: all of them together, or the next ones of a round.
    ///
    /// A round goes by the order of registration. Who came last is told last and can write to nobody who has not been
    /// told of him; who is told while a round goes on is told again in the next one.
    private mutating func tellOriginals() {
        let isNewRound = untold.isEmpty
        if isNewRound {
            guard originalsAreBehind else { return }
            originalsAreBehind = false
            untold = table.published.reversed().filter { !$0.isOurs }.map(\.key)
        }
        let told = untold.suffix(Self.promptOriginals)
        untold.removeLast(told.count)
        for key in told.reversed() {
            // Who has gone since, and perhaps come back as one of ours, is told nothing.
            guard let original = table.listing(key), !original.isOurs else { continue }
            effects.append(.send(table.table(for: key, port: port), to: [original.path]))
        }
        guard !isNewRound || !untold.isEmpty else { return }
        timers.schedule(.originals, at: now + Self.pausePerOriginal * told.count)
    }

    // MARK: - Who sends

    /// The registered client that a message comes from: its name, its host and its port agree, and for an end of ours
    /// the session.
    private func sender(_ client: UDPMetadata.Client, _ listening: UDPPath) -> String? {
        let key = nameKey(client.name)
        guard let registration = table[key], registration.path.address == listening.address else { return nil }
        guard registration.isOurs else { return key }
        return client.chat?.session == registration.session ? key : nil
    }

    private mutating func strangerReceived(_ body: UDPMessage.Body, _ chat: UDPExtension?, path: UDPPath) {
        switch body {
        case .groupMessageAck, .storedMessageAck, .pong, .messageAck, .message: return
        default: break
        }
        guard strangers.take(path.address.ip, at: now) else {
            overRate += 1
            return
        }
        if case .deregistration = body {
            // Its confirmation was lost, or somebody said that it is offline.
            answer(.deregistrationConfirmation, to: Requester(path: path, isOurs: chat != nil, id: chat?.id))
        } else if chat != nil {
            answer(.pong, to: Requester(path: path, isOurs: true, id: chat?.id)) { $0.registered = false }
        } else {
            answer(
                .registrationError(message: "You are not registered."),
                to: Requester(path: path, isOurs: false, id: nil))
        }
    }

    private mutating func received(_ body: UDPMessage.Body, _ chat: UDPExtension?, from key: String) {
        table[key]?.lastHeard = now
        if offlineChecks[key] != nil { offlineDenied(key) }
        switch body {
        case .groupMessageAck:
            groupMessageAcknowledged(by: key, next: chat?.next)
            return
        case .storedMessageAck(let id):
            storedMessageAcknowledged(id, by: key)
            return
        case .pong: return
        default: break
        }
        guard !limitsRates || table[key]?.requests.take(at: now) == true else {
            overRate += 1
            return
        }
        if let known = table[key]?.answers.answer(to: body, id: chat?.id, at: now), let path = table[key]?.path {
            for message in known { effects.append(.send(message, to: [path])) }
            return
        }
        switch body {
        case .deregistration: deregistered(key, keeps: chat?.keep == true, id: chat?.id)
        case .clientOffline(let name): saidToBeOffline(name, by: key, id: chat?.id)
        case .createGroup(let name): groupRequested(name, by: key, body, chat?.id)
        case .listGroups: groupsRequested(by: key, body, chat?.id)
        case .joinGroup(let name): joinRequested(name, by: key, body, chat?.id)
        case .listMembers(let name): membersRequested(name, by: key, body, chat?.id)
        case .leaveGroup(let name): leaveRequested(name, by: key, body, chat?.id)
        case .groupMessage(let text, let name): groupMessageReceived(text, name, from: key, body, chat)
        case .tableRequest: tableRequested(by: key)
        case .ping: pingReceived(from: key, id: chat?.id)
        case .introduce(let name): introductionRequested(name, by: key, id: chat?.id)
        case .storeMessage(let name, let id, let text): storeRequested(id, text, to: name, by: key)
        // What only servers and other clients send.
        case .registration, .registrationConfirmation, .registrationError, .deregistrationConfirmation, .stateChange,
            .clientOfflineAck, .createGroupAck, .createGroupError, .listGroupsAck, .joinGroupAck, .joinGroupError,
            .membersList, .leaveGroupAck, .groupRelay, .groupMessageAck, .message, .messageAck, .pong, .introduceAck,
            .storeMessageAck, .storeMessageError, .storedMessage, .storedMessageAck, .slowDown, .stopping, .refused:
            malformed += 1
        }
    }

    // MARK: - Answers

    func requester(_ key: String, _ id: MessageID?) -> Requester? {
        table[key].map { Requester(path: $0.path, isOurs: $0.isOurs, id: id) }
    }

    func message(
        _ body: UDPMessage.Body, to requester: Requester, _ set: (inout UDPExtension) -> Void = { _ in }
    ) -> UDPMessage {
        var chat: UDPExtension?
        if requester.isOurs {
            chat = UDPExtension {
                $0.id = requester.id
                $0.revision = table.revision
                set(&$0)
            }
        }
        return UDPMessage(body, .server(port: port, chat: chat))
    }

    mutating func answer(
        _ body: UDPMessage.Body, to requester: Requester, _ set: (inout UDPExtension) -> Void = { _ in }
    ) {
        effects.append(.send(message(body, to: requester, set), to: [requester.path]))
    }

    /// Answers a request of a registered client, and the same to its repetitions.
    mutating func answer(
        _ answers: [UDPMessage], to request: UDPMessage.Body, _ id: MessageID?, from key: String
    ) {
        guard let path = table[key]?.path else { return }
        table[key]?.answers.remember(answers, to: request, id: id, at: now)
        for message in answers { effects.append(.send(message, to: [path])) }
    }

    mutating func log(_ line: UDPServerLogLine) { effects.append(.log(line)) }

    private mutating func takeEffects() -> [Effect] {
        defer { effects.removeAll(keepingCapacity: true) }
        return effects
    }
}

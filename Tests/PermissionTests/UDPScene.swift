import Platform
import TestSupport
import Testing
import UDPMode
import Wire

/// Somebody before a server of udp who tries one thing, and others who see what comes of it.
struct UDPScene {
    private var cell: Permission
    private var kind: UDPMessage.Kind
    private let number: Int
    private let group: String
    private let person: UDPParty
    /// The person, but for a registration under another name: then it is the one that would have it.
    private let speaker: UDPParty
    /// One of ours, a member of the group.
    private let observer: UDPParty
    /// An original, a member of the group too, where one is needed.
    private var original: UDPParty?
    /// One of ours that is away, where one is needed; its name is kept.
    private var absent: UDPParty?
    /// Says that it is the person, with a session that it made up.
    private let impostor: UDPParty.Impostor?
    private let mail = MessageID(high: 7, low: .random(in: 0 ... .max))

    /// Brings a fresh person into the state of the cell.
    init(_ cell: Permission, on server: ModeServer) async throws {
        self.cell = cell
        let port = server.ports[0]
        kind = try Self.kind(of: cell)
        number = server.next()
        group = "g\(number)"
        observer = try UDPParty("o\(number)", isOurs: true, server: port)
        person = try UDPParty("p\(number)", isOurs: cell.way != "original", server: port)
        speaker =
            switch cell.detail {
            case " of a free name":
                try UDPParty("n\(number)", isOurs: person.isOurs, server: port, socket: person.socket)
            case " of another's name":
                try UDPParty(observer.name, isOurs: person.isOurs, server: port, socket: person.socket)
            default: person
            }
        impostor = cell.way == "wrong session" ? .init(socket: try DatagramPeer()) : nil
        try await observer.register()
        if kind == .storeMessage || kind == .storedMessageAck {
            let absent = try UDPParty("a\(number)", isOurs: true, server: port)
            try await absent.register()
            try await absent.leave(keeps: true)
            self.absent = absent
        }
        if cell.who != "stranger" { try await person.register() }
        let creator = cell.who == "creator" ? person : observer
        #expect(try await creator.ask(.createGroup(group)).body == .createGroupAck(group))
        #expect(try await observer.ask(.joinGroup(group)).body.kind == .joinGroupAck)
        if [.introduce, .clientOffline, .groupMessageAck].contains(kind) {
            let original = try UDPParty("q\(number)", isOurs: false, server: port)
            try await original.register()
            #expect(try await original.ask(.joinGroup(group)).body.kind == .joinGroupAck)
            self.original = original
        }
        try await enter()
        try await prepare()
        try await drain()
    }

    private static func kind(of cell: Permission) throws -> UDPMessage.Kind {
        guard let kind = UDPMessage.Kind(rawValue: cell.operation) else { throw Untested(what: cell.testDescription) }
        return kind
    }

    private func drain() async throws {
        for party in [person, observer, original] { _ = try await party?.arrived() }
    }

    private func enter() async throws {
        switch cell.who {
        case "member": try await join(group)
        case "former member":
            try await join(group)
            #expect(try await person.ask(.leaveGroup(group)).body == .leaveGroupAck)
        case "resumed member":
            try await join(group)
            // An original that is started again has the same socket and knows nothing of before.
            await person.restart()
            try await person.register()
            if person.isOurs { try await join(group) }
        case "member elsewhere":
            #expect(try await observer.ask(.createGroup("e\(number)")).body.kind == .createGroupAck)
            try await join("e\(number)")
        default: break
        }
    }

    private func join(_ group: String) async throws {
        #expect(try await person.ask(.joinGroup(group)).body.kind == .joinGroupAck)
    }

    /// What has to be there before the thing can be tried.
    private func prepare() async throws {
        switch kind {
        case .groupMessageAck:
            // Two are under way to each member of ours, and one to an original, which has not answered.
            for place in 0..<2 as Range<UInt64> { try await say("said \(place)", at: place) }
        case .storedMessageAck where isOwn && cell.who != "stranger":
            try await store(to: person)
            while try await person.next().body.kind != .storedMessage {}
        case .storedMessageAck:
            try await store(to: absent!)
            try await absent!.register()
            _ = try await absent!.ask(.ping)
        default: break
        }
    }

    /// The server asks whether the person is there.
    private func doubt() async throws {
        try await observer.send(.clientOffline(name: person.name))
        guard cell.who != "stranger" else { return }
        while try await person.next().body.kind != .ping {}
    }

    private var isOwn: Bool { cell.detail == "" && person.isOurs }

    private func say(_ text: String, at place: UInt64) async throws {
        try await observer.send(.groupMessage(text: text, group: group)) {
            $0.sequence = place
            $0.base = 0
        }
        while try await observer.next().body.kind != .groupMessageAck {}
    }

    private func store(to party: UDPParty) async throws {
        #expect(
            try await observer.ask(.storeMessage(to: party.name, id: mail, text: "stored")).body
                == .storeMessageAck(id: mail))
    }

    // MARK: - Trying it

    /// Tries another thing, of which nothing came and nothing may come.
    mutating func outcome(of cell: Permission) async throws -> Outcome {
        self.cell = cell
        kind = try Self.kind(of: cell)
        return try await outcome()
    }

    func outcome() async throws -> Outcome {
        let before = try await standing()
        if kind == .pong, person.isOurs { try await doubt() }
        try await speaker.send(body, by: impostor) { chat in
            switch kind {
            case .groupMessage:
                chat.sequence = 0
                chat.base = 0
            case .groupMessageAck: chat.next = 2
            default: break
            }
        }
        // Whoever is asked whether it is there answers.
        var heard = try await marked(observer)
        if heard.contains(where: { $0.body.kind == .ping }) { try await observer.send(.pong) }
        var answer: UDPMessage?
        if cell.verdict == .dropped || cell.verdict == .allowed && isSilent {
            answer = try await person.arrived().first { UDPParty.answers($0, kind) }
        } else {
            answer = try await person.answer(to: kind)
        }
        if let answer, kind == .registration {
            _ = try await speaker.confirmed(answer)
            heard += try await marked(observer)
        }
        let after = try await standing()
        var outcome = Outcome(
            answer: answer.map { String(decoding: $0.encoded(style: .compact), as: UTF8.self) } ?? "",
            isAnswered: answer != nil, code: answer?.body.kind.rawValue, hasEffect: before != after)
        if let answer { outcome.isGranted = isGranted(answer) }
        if try await wasSeen(answer, heard) { outcome.hasEffect = true }
        return outcome
    }

    /// Nothing is answered to what only acknowledges.
    private var isSilent: Bool { [.groupMessageAck, .storedMessageAck, .pong].contains(kind) }

    /// All that a party has heard when the server has answered a question of its, which it takes after what came before.
    private func marked(_ party: UDPParty) async throws -> [UDPMessage] {
        try await party.send(.ping)
        var heard: [UDPMessage] = []
        while true {
            let message = try await party.next()
            if message.body.kind == .pong { return heard }
            heard.append(message)
        }
    }

    /// Who is registered and in the group, and which groups there are, of those that the scene is about.
    private func standing() async throws -> [String] {
        let table = try await observer.list(.tableRequest).filter { $0.hasSuffix("\(number)") }
        let groups =
            kind == .createGroup ? try await observer.list(.listGroups).filter { $0.hasSuffix("\(number)") } : []
        let members = try await observer.list(.listMembers(group: group))
        return table.sorted() + ["in"] + members.sorted() + ["of"] + groups.sorted()
    }

    private func isGranted(_ answer: UDPMessage) -> Bool {
        switch answer.body {
        case .registrationConfirmation, .deregistrationConfirmation, .createGroupAck, .listGroupsAck, .joinGroupAck,
            .leaveGroupAck, .groupMessageAck, .stateChange, .introduceAck, .storeMessageAck:
            true
        case .membersList(let names): !names.isEmpty
        case .pong: !person.isOurs || answer.metadata.chat?.registered == true
        // The same words say that it is gone and that it was there.
        case .clientOfflineAck: cell.detail == " of an original"
        default: false
        }
    }

    /// What is not seen by who is where.
    private func wasSeen(_ answer: UDPMessage?, _ heard: [UDPMessage]) async throws -> Bool {
        switch kind {
        // As much as an original's datagram holds.
        case .listGroups: return answer?.body.names.isEmpty == false
        case .listMembers, .table: return answer?.body.names.contains(observer.name) == true
        case .ping: return answer.map(isGranted) == true && answer?.body.kind == .pong
        case .groupMessage:
            return heard.contains { $0.body == .groupRelay(text: "words \(number)", sender: person.name) }
        case .introduce: return try await original!.arrived().contains { $0.body.kind == .stateChange }
        case .groupMessageAck: return try await isAcknowledged()
        case .storeMessage: return try await isStored()
        case .storedMessageAck: return try await !remains()
        case .pong: return heard.contains { $0.body.kind == .clientOfflineAck && $0.metadata.chat?.online == true }
        default: return !heard.allSatisfy { [.stateChange, .ping].contains($0.body.kind) }
        }
    }

    /// What is acknowledged is not repeated: to one of ours the first that is repeated tells, to an original the second
    /// message comes.
    private func isAcknowledged() async throws -> Bool {
        // Nobody acknowledges for another.
        try await drain()
        let others = await original!.relayed.contains("said 1")
        guard !others, cell.who == "member" || cell.who == "resumed member" else { return others }
        guard person.isOurs else { return await person.relayed.contains("said 1") }
        try await say("said 2", at: 2)
        var isRepeated = false
        while true {
            guard case .groupRelay(let text, _) = try await person.next().body else { continue }
            guard text == "said 2" else { return false }
            if isRepeated { return true }
            isRepeated = true
        }
    }

    /// The receiver comes back; what the observer has stored for it later is there by then.
    private func isStored() async throws -> Bool {
        let absent = absent!
        try await store(to: absent)
        try await absent.register()
        var texts: [String] = []
        while !texts.contains("stored") {
            if case .storedMessage(_, _, let text, _) = try await absent.next().body { texts.append(text) }
        }
        return texts.contains("words \(number)")
    }

    /// The one that it is for comes back once more, and is handed what was not acknowledged.
    private func remains() async throws -> Bool {
        let receiver = isOwn && cell.who != "stranger" ? person : absent!
        try await receiver.leave(keeps: true)
        _ = try await receiver.arrived()
        // The confirmation of the way back comes before the table, and the table before what is handed over.
        let came = try await returned(receiver)
        return came.contains { $0.body.kind == .storedMessage }
    }

    private func returned(_ receiver: UDPParty) async throws -> [UDPMessage] {
        try await receiver.register()
        return try await marked(receiver)
    }

    // MARK: - What is said

    private var body: UDPMessage.Body {
        switch kind {
        case .registration: .registration
        case .registrationConfirmation: .registrationConfirmation
        case .registrationError: .registrationError(message: "no")
        case .deregistration: .deregistration
        case .deregistrationConfirmation: .deregistrationConfirmation
        case .stateChange: .stateChange([])
        case .clientOffline: .clientOffline(name: cell.detail == " of an original" ? original!.name : observer.name)
        case .clientOfflineAck: .clientOfflineAck(name: observer.name)
        case .createGroup: .createGroup(cell.detail == " of one that is there" ? group : "n\(number)")
        case .createGroupAck: .createGroupAck("n\(number)")
        case .createGroupError: .createGroupError(message: "no")
        case .listGroups: .listGroups
        case .listGroupsAck: .listGroupsAck([group])
        case .joinGroup: .joinGroup(group)
        case .joinGroupAck: .joinGroupAck(group)
        case .joinGroupError: .joinGroupError(message: "no")
        case .listMembers: .listMembers(group: group)
        case .membersList: .membersList([observer.name])
        case .leaveGroup: .leaveGroup(group)
        case .leaveGroupAck: .leaveGroupAck
        case .groupMessage where cell.detail == " as a server writes it":
            .groupRelay(text: "words \(number)", sender: person.name)
        case .groupMessage: .groupMessage(text: "words \(number)", group: group)
        case .groupMessageAck: .groupMessageAck(group: group)
        case .message: .message(text: "words \(number)")
        case .messageAck: .messageAck(name: observer.name)
        case .ping: .ping
        case .pong: .pong
        case .table: .tableRequest
        case .introduce: .introduce(name: original!.name)
        case .introduceAck: .introduceAck(name: observer.name)
        case .storeMessage:
            .storeMessage(
                to: isKept ? absent!.name : "nobody", id: MessageID(high: 8, low: mail.low), text: "words \(number)")
        case .storeMessageAck: .storeMessageAck(id: mail)
        case .storeMessageError: .storeMessageError(id: mail, message: "no")
        case .storedMessage: .storedMessage(from: observer.name, id: mail, text: "words", time: .now())
        case .storedMessageAck: .storedMessageAck(id: mail)
        case .slowDown: .slowDown
        case .stopping: .stopping
        case .refused: .refused(message: "no")
        }
    }

    private var isKept: Bool { cell.detail == "" }

    /// Everybody leaves, so that the next scene has a table of its own.
    func end() async throws {
        if speaker !== person, speaker.name != observer.name { try await speaker.leave() }
        for party in [person, original, absent, observer] { try await party?.leave() }
    }
}

import Console
import Delivery
import Net
import Platform
import Wire

// What the session tells, as its user reads it.
extension RoomsClient {
    /// Names that a line about who is there holds.
    private static let shownNames = 20
    /// How often a person is told to be slower.
    private static let slowDownInterval: Duration = .seconds(10)

    /// What the JSON of each event says of where it happened; the prompt says it to people.
    private var roomFields: JSONObject { ["conversation": .string(options.room.text)] }

    private var server: SafeText { peer.map { "\($0)" } ?? "\(options.server.tcp)" }

    func show(_ news: RoomsNews) {
        switch news {
        case .entered(let isHost, let topic, let isResumed, let isExtended):
            entered(isHost: isHost, topic: topic, isResumed: isResumed, isExtended: isExtended)
        case .ready:
            console.show(.ready)
            becameReady()
        case .message(let message, let isCaughtUp): show(message, isCaughtUp: isCaughtUp)
        case .plainMessage(let sender, let text):
            show(
                ChatMessage(
                    id: MessageID.random(using: &randomness).hex, sender: displayName(sender),
                    senderKey: nameKey(sender),
                    text: text, time: .now()))
        case .context(let message): show(history: [message])
        case .gap(let from, let to):
            console.show(.gap(from: UInt64(max(0, from)), to: UInt64(max(0, to))), fields: roomFields)
        case .sent(let id): console.show(.delivery(id: id.hex, state: .sent))
        case .accepted(let id, let offset, let late):
            console.show(
                .delivery(
                    id: id.hex, state: .accepted,
                    note: late ? "a message of yours that nobody knew of has arrived after all" : nil),
                fields: ["offset": .integer(offset)])
        case .unanswered(let id): console.show(.delivery(id: id.hex, state: .noanswer))
        case .failed(let id, let reason): console.show(.delivery(id: id.hex, state: .failed, note: reason))
        case .slowedDown(_, let pause): slowedDown(pause)
        case .joined(let name), .returned(let name): show(.joined(name: displayName(name)))
        case .left(let name): show(.left(name: displayName(name)))
        case .lost(let name): show(.lost(name: displayName(name)))
        case .host(let who):
            console.show(
                .notice(
                    who == name.text
                        ? "you are the host now" : "\(QuotedName.inSentence(displayName(who))) is the host now"),
                fields: roomFields)
        case .topic(let topic, let who):
            self.topic = topic
            let author = QuotedName.inSentence(displayName(who))
            let shown: SafeText =
                topic.isEmpty ? "\(author) removed the topic" : "\(author) set the topic: \(topic)"
            console.show(.notice(shown), fields: ["conversation": .string(options.room.text), "topic": .string(topic)])
        case .stopping: console.show(.notice("the server is being shut down"))
        case .members(let names): members(names)
        case .serverLost: console.show(.disconnected(peer: server, reason: "it does not answer; trying again"))
        case .serverFound: console.show(.connected(peer: server))
        case .ended(let ending): ended(ending)
        }
    }

    private func entered(isHost: Bool, topic: String, isResumed: Bool, isExtended: Bool) {
        let isNews = topic != self.topic && !topic.isEmpty
        self.topic = topic
        // Back after the server was lost: that it is there again is said when a datagram of it comes.
        if isReady {
            if isNews { console.show(.notice("the topic: \(topic)"), fields: roomFields) }
            return
        }
        console.show(.connected(peer: server))
        if isResumed { console.show(.notice("your place in the room is yours again"), fields: roomFields) }
        if isHost, isExtended, !isResumed {
            console.show(
                .notice("you are the host: when you leave, the room is closed, unless its server keeps it"),
                fields: roomFields)
        }
        if !topic.isEmpty { console.show(.notice("the topic: \(topic)"), fields: roomFields) }
        if !isExtended {
            console.show(
                .notice("the server is the program that came before: what you write may be lost, and nobody would know")
            )
        }
    }

    private func show(_ event: ConsoleEvent) {
        console.show(event, fields: roomFields)
        complete()
    }

    private func show(_ message: RoomReceiverMachine.Message, isCaughtUp: Bool) {
        show(
            ChatMessage(
                id: message.id.hex, sender: displayName(message.sender), senderKey: nameKey(message.sender),
                text: message.text, time: message.time ?? .now(), offset: UInt64(max(0, message.offset)),
                isCaughtUp: isCaughtUp))
    }

    private func show(_ message: ChatMessage) { console.show(.message(message), fields: roomFields) }

    func show(own text: String, _ id: MessageID) {
        show(
            ChatMessage(
                id: id.hex, sender: name.safeText, senderKey: name.key, text: text, time: .now(), isOwn: true,
                isPending: true))
    }

    func show(history messages: [KeptMessage]) {
        for message in messages { show(ChatMessage(kept: message)) }
    }

    private func slowedDown(_ pause: Duration) {
        guard isInteractive else { return }
        let now = MonotonicTime.now()
        if let last = slowedDownAt, now - last < Self.slowDownInterval { return }
        slowedDownAt = now
        console.show(.notice("you write faster than the room takes it; what you wrote is sent a little later"))
    }

    private func members(_ names: [String]) {
        complete()
        let others = names.filter { $0 != name.text }
        var shown = others.prefix(Self.shownNames).map { QuotedName.inSentence(displayName($0)) }.joined(
            separator: ", ")
        if others.count > Self.shownNames { shown += " and \(others.count - Self.shownNames) more" }
        console.show(
            .notice(others.isEmpty ? "nobody else is here" : "here: \(shown)"),
            fields: [
                "conversation": .string(options.room.text), "names": .array(names.map { .string($0) }),
            ])
    }

    private func complete() {
        console.setCompletions(CompletionNames(members: machine.memberNames, rooms: [options.room.text]))
    }

    func mistake(_ sentence: SafeText) { console.show(.error(sentence)) }

    // MARK: - The end

    private func ended(_ ending: RoomsNews.Ending?) {
        switch ending {
        case nil: finish(.ok)
        case .refused(let refusal)?:
            console.show(.error(refusal.attributed), fields: ["code": .string(refusal.code)])
            finish(.refused)
        case .closed(let reason)?:
            console.show(.closed(reason: reason), fields: roomFields)
            finish(.ok)
        case .unreachable(let failure)?:
            let reason: SafeText = failure?.message ?? "\(unreachableReason ?? "no connection")."
            console.show(.error("Cannot reach \(options.server.tcp.description): \(reason)"))
            finish(.unreachable)
        case .silent?:
            console.show(
                .error(
                    "The server answers over TCP, and no datagram comes back; is UDP port \(Int(options.server.udpPort ?? machine.udpPort ?? RoomsOptions.defaultUDPPort)) open?"
                ))
            finish(.unreachable)
        }
    }

    // MARK: - Commands

    func carryOut(_ command: RoomsTypedCommand, _ arguments: CommandArguments) {
        let room = options.room.text
        let token = machine.token
        switch command {
        case .leave: leave()
        case .who: ask(.members(room: room, token))
        case .rooms: ask(.rooms)
        case .history:
            var count = RoomsTypedCommand.historyCount
            if let word = arguments[0] {
                guard let given = Int(word), (1...RoomsTypedCommand.mostHistory).contains(given) else {
                    return mistake("Usage: /history [COUNT], with a number from 1 to \(RoomsTypedCommand.mostHistory)")
                }
                count = given
            }
            ask(.last(count, room: room, token))
        case .topic:
            let text = arguments.rest(after: 0)
            guard !text.isEmpty else {
                return console.show(
                    .answer([topic.isEmpty ? "There is no topic." : "The topic: \(topic)"]),
                    fields: ["topic": .string(topic)])
            }
            guard let token else { return }
            ask(.topic(text == "-" ? "" : text, room: room, token))
        }
    }

    func show(_ result: RoomsQueryMachine.Result) {
        switch result {
        case .messages(let messages):
            if messages.isEmpty { return console.show(.answer(["Nothing was said before."])) }
            show(history: messages)
        case .rooms(let rooms): for room in rooms { console.show(.answer([room.line]), fields: room.fields) }
        case .members(let members):
            console.show(
                .answer(members.map { $0.line(isReader: $0.name == name.text) }),
                fields: ["members": .array(members.map { .object($0.fields) })])
        // The room is told of it, and the reader with it.
        case .topicSet: break
        }
    }
}

extension ChatMessage {
    /// A message out of the history.
    init(kept message: KeptMessage) {
        self.init(
            id: message.id.hex, sender: displayName(message.author), senderKey: nameKey(message.author),
            text: message.text, time: message.time, offset: UInt64(max(0, message.offset)), isCaughtUp: true)
    }
}

extension RoomsAnswer.Room {
    /// `lobby  3 members  the topic`
    var line: SafeText {
        var line: SafeText = "\(displayName(name))  \(members) \(members == 1 ? "member" : "members")"
        if !topic.isEmpty { line += "  \(topic)" }
        return line
    }

    var fields: JSONObject {
        [
            "room": .string(name), "members": .integer(Int64(members)), "topic": .string(topic),
            "lobby": .bool(isLobby),
        ]
    }
}

extension RoomsAnswer.Member {
    func line(isReader: Bool) -> SafeText {
        var notes: [SafeText] = []
        if isReader { notes.append("you") }
        if isHost { notes.append("host") }
        if !isPresent { notes.append("silent") }
        return notes.isEmpty ? displayName(name) : "\(displayName(name))  (\(notes.joined(separator: ", ")))"
    }

    var fields: JSONObject { ["name": .string(name), "host": .bool(isHost), "present": .bool(isPresent)] }
}

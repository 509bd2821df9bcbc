package import Delivery
package import Wire

/// Why the server refuses a request.
package enum RoomsRefusal: Error, Equatable, Sendable {
    case roomExists
    case noSuchRoom
    case nameInUse
    /// The room, person or topic cannot be called that; the sentence of the check.
    case badName(SafeText)
    case tooManyRooms
    case roomIsFull
    case tooFast
    /// The token is not one of a member of that room.
    case notAMember
    case notAllowed
    case storage
    case shuttingDown
    /// A refusal of a server that gave no reason, or one that this program does not know; its sentence.
    case unexplained(SafeText)

    /// The value of `reason` in an answer.
    package var code: String {
        switch self {
        case .roomExists: "room_exists"
        case .noSuchRoom: "no_such_room"
        case .nameInUse: "name_in_use"
        case .badName: "bad_name"
        case .tooManyRooms: "too_many_rooms"
        case .roomIsFull: "room_is_full"
        case .tooFast: "too_fast"
        case .notAMember: "not_a_member"
        case .notAllowed: "not_allowed"
        case .storage: "storage"
        case .shuttingDown: "shutting_down"
        case .unexplained: "refused"
        }
    }

    /// One sentence that says what is wrong and what to do.
    package var message: SafeText {
        switch self {
        case .roomExists: "A room of that name exists already; join it, or choose another name."
        case .noSuchRoom: "There is no room of that name; list the rooms, or create it."
        case .nameInUse: "That name is in use in the room; choose another."
        case .badName(let sentence): sentence
        case .tooManyRooms: "The server has as many rooms as it can hold; try again later."
        case .roomIsFull: "The room has as many members as it can hold; try again later."
        case .tooFast: "Too many requests from your address; wait a moment."
        case .notAMember: "Only members of the room may do that; join it first."
        case .notAllowed: "Only the room's host may do that."
        case .storage: "The server cannot store anything at the moment; try again later."
        case .shuttingDown: "The server is shutting down; try again in a moment."
        case .unexplained(let sentence): sentence
        }
    }

    /// The sentence for whom it was refused: words of the server's own are said to be its, since they could be anything.
    package var attributed: SafeText {
        switch self {
        case .badName(let sentence), .unexplained(let sentence): "server: \(sentence)"
        case .roomExists, .noSuchRoom, .nameInUse, .tooManyRooms, .roomIsFull, .tooFast, .notAMember, .notAllowed,
            .storage, .shuttingDown:
            message
        }
    }

    /// Reads a refusal out of an answer.
    package init(code: String?, sentence: String?) {
        let known: [RoomsRefusal] = [
            .roomExists, .noSuchRoom, .nameInUse, .tooManyRooms, .roomIsFull, .tooFast, .notAMember, .notAllowed,
            .storage, .shuttingDown,
        ]
        let shown = sentence.map { SafeText(untrusted: String($0.unicodeScalars.prefix(200))) }
        if let code, let refusal = known.first(where: { $0.code == code }) {
            self = refusal
        } else if code == "bad_name", let shown {
            self = .badName(shown)
        } else {
            self = .unexplained(shown ?? "The server refused and gave no reason.")
        }
    }
}

/// What the server answers to a request that it grants.
package enum RoomsAnswer: Equatable, Sendable {
    case entered(Entered)
    case rooms(RoomsPage)
    case history(HistoryPage)
    case left
    case members(MembersPage)
    case topicSet

    /// What a new or returned member is told.
    package struct Entered: Equatable, Sendable {
        package var token: RoomToken
        /// Our own part; nil from a server of old.
        package var extended: Extended?

        package struct Extended: Equatable, Sendable {
            /// The server's UDP port.
            package var udpPort: UInt16
            package var epoch: Epoch
            /// The offset that the room's next message gets.
            package var offset: Int64
            /// Number of the state of the members' list; see `UCRPDelivery.Kind.heartbeat`.
            package var roster: UInt64
            package var isHost: Bool
            package var topic: String

            package init(
                udpPort: UInt16, epoch: Epoch, offset: Int64, roster: UInt64, isHost: Bool, topic: String
            ) {
                self.udpPort = udpPort
                self.epoch = epoch
                self.offset = offset
                self.roster = roster
                self.isHost = isHost
                self.topic = topic
            }
        }

        package init(token: RoomToken, extended: Extended?) {
            self.token = token
            self.extended = extended
        }
    }

    package struct Room: Equatable, Sendable {
        package var name: String
        package var members: Int
        package var topic: String
        package var isLobby: Bool

        package init(name: String, members: Int, topic: String, isLobby: Bool) {
            self.name = name
            self.members = members
            self.topic = topic
            self.isLobby = isLobby
        }
    }

    package struct RoomsPage: Equatable, Sendable {
        package var rooms: [Room]
        /// The `after` that gets the next page; nil where this is the last.
        package var next: Int64?

        package init(rooms: [Room], next: Int64?) {
            self.rooms = rooms
            self.next = next
        }
    }

    package struct Member: Equatable, Sendable {
        package var name: String
        package var isHost: Bool
        /// False for who fell silent and may come back.
        package var isPresent: Bool

        package init(name: String, isHost: Bool, isPresent: Bool) {
            self.name = name
            self.isHost = isHost
            self.isPresent = isPresent
        }
    }

    package struct MembersPage: Equatable, Sendable {
        package var roster: UInt64
        package var members: [Member]
        package var next: Int64?

        package init(roster: UInt64, members: [Member], next: Int64?) {
            self.roster = roster
            self.members = members
            self.next = next
        }
    }

    package struct HistoryPage: Equatable, Sendable {
        package var epoch: Epoch
        /// The page holds every message that exists from here...
        package var start: Int64
        /// ...up to here, this one not included. Offsets between that no message has were never used.
        package var end: Int64
        /// The offset that the room's next message gets; from `end` up to here they are being committed.
        package var offset: Int64
        /// In the order of their offsets.
        package var messages: [KeptMessage]
        /// True where there is more in the direction that was asked for.
        package var hasMore: Bool

        package init(
            epoch: Epoch, start: Int64, end: Int64, offset: Int64, messages: [KeptMessage], hasMore: Bool
        ) {
            self.epoch = epoch
            self.start = start
            self.end = end
            self.offset = offset
            self.messages = messages
            self.hasMore = hasMore
        }
    }
}

// MARK: - Writing

/// Writes both messages of an answer: whether it is granted, and what came of it.
package enum RoomsAnswerWriter {
    /// Appends the answer to a request.
    package static func write(
        _ answer: Result<RoomsAnswer, RoomsRefusal>, to request: RoomsRequest, _ writer: inout ByteWriter
    ) {
        func message(_ state: TCRPMessage.State, _ body: (inout JSONWriter) -> Void) {
            var payload = ByteWriter()
            // The original's bytes: its `json.dumps` puts spaces behind commas and colons.
            payload.appendJSON(style: .python) { $0.object(body) }
            TCRPMessage(
                request.operation, state, room: request.room, extended: request.isExtended, payload: payload.bytes
            ).write(to: &writer)
        }
        switch answer {
        case .success(let answer):
            message(.compliance) { $0.member("success", 1) }
            message(.complete) { write(answer, isExtended: request.isExtended, to: &$0) }
        case .failure(let refusal):
            message(.compliance) { json in
                json.member("success", 0)
                guard request.isExtended else { return }
                json.member("reason", refusal.code)
                json.member("error", refusal.message)
            }
            message(.complete) { $0.member("token", "") }
        }
    }

    private static func write(_ answer: RoomsAnswer, isExtended: Bool, to json: inout JSONWriter) {
        switch answer {
        case .entered(let entered):
            json.member("token", entered.token.text)
            guard isExtended, let extended = entered.extended else { return }
            json.member("udp_port", extended.udpPort)
            json.member("epoch", extended.epoch)
            json.member("offset", extended.offset)
            json.member("roster", hexadecimal: extended.roster)
            json.member("host", extended.isHost)
            json.member("topic", extended.topic)
        case .rooms(let page):
            json.key("rooms")
            json.array { json in
                for room in page.rooms {
                    json.object {
                        $0.member("name", room.name)
                        $0.member("members", room.members)
                        $0.member("topic", room.topic)
                        $0.member("lobby", room.isLobby)
                    }
                }
            }
            if let next = page.next { json.member("next", next) }
        case .history(let page):
            json.member("epoch", page.epoch)
            json.member("start", page.start)
            json.member("end", page.end)
            json.member("offset", page.offset)
            json.member("more", page.hasMore)
            json.key("messages")
            json.array { json in
                for message in page.messages { json.object { write(message, to: &$0) } }
            }
        case .members(let page):
            json.member("roster", hexadecimal: page.roster)
            json.key("members")
            json.array { json in
                for member in page.members {
                    json.object {
                        $0.member("name", member.name)
                        $0.member("host", member.isHost)
                        $0.member("present", member.isPresent)
                    }
                }
            }
            if let next = page.next { json.member("next", next) }
        case .left, .topicSet: break
        }
    }

    private static func write(_ message: KeptMessage, to json: inout JSONWriter) {
        json.member("offset", message.offset)
        json.member("id", message.id)
        json.member("sender", message.author)
        json.key("time")
        json.plainString { $0.append(rfc3339: message.time) }
        json.member("text", message.text)
    }
}

// MARK: - Reading

/// Reads the two messages of an answer.
package enum RoomsAnswerReader {
    /// Why the answer cannot be understood.
    package struct Malformed: Error, Equatable, Sendable {
        package init() {}
    }

    /// The refusal that a compliance says; nil where it grants the request.
    package static func refusal(ofCompliance payload: [UInt8]) throws(Malformed) -> RoomsRefusal? {
        guard let json = try? JSON(parsing: payload[...]), case .object(let fields) = json else { throw Malformed() }
        // The original writes 1 and 0; other programs may write true and false.
        switch fields["success"] {
        case .integer(1), .bool(true): return nil
        case .integer, .bool:
            return RoomsRefusal(code: fields["reason"]?.string, sentence: fields["error"]?.string)
        default: throw Malformed()
        }
    }

    /// What a complete says of a request that was granted.
    package static func answer(
        ofComplete payload: [UInt8], to operation: TCRPMessage.Operation, isExtended: Bool
    ) throws(Malformed) -> RoomsAnswer {
        guard let json = try? JSON(parsing: payload[...]), case .object(let fields) = json else { throw Malformed() }
        switch operation {
        case .create, .join: return .entered(try entered(fields, isExtended: isExtended))
        case .leave: return .left
        case .topic: return .topicSet
        case .list:
            let rooms = try elements(fields["rooms"]) { fields throws(Malformed) in
                guard let name = fields["name"]?.string, let members = fields["members"]?.integer else {
                    throw Malformed()
                }
                return RoomsAnswer.Room(
                    name: name, members: Int(clamping: members), topic: fields["topic"]?.string ?? "",
                    isLobby: fields["lobby"]?.bool ?? false)
            }
            return .rooms(.init(rooms: rooms, next: fields["next"]?.integer))
        case .who:
            let members = try elements(fields["members"]) { fields throws(Malformed) in
                guard let name = fields["name"]?.string else { throw Malformed() }
                return RoomsAnswer.Member(
                    name: name, isHost: fields["host"]?.bool ?? false, isPresent: fields["present"]?.bool ?? true)
            }
            let roster = fields["roster"]?.string.flatMap { Epoch(hex: $0)?.value } ?? 0
            return .members(.init(roster: roster, members: members, next: fields["next"]?.integer))
        case .history: return .history(try history(fields))
        }
    }

    private static func entered(_ fields: JSONObject, isExtended: Bool) throws(Malformed) -> RoomsAnswer.Entered {
        guard let text = fields["token"]?.string, let token = RoomToken(text) else { throw Malformed() }
        guard isExtended else { return RoomsAnswer.Entered(token: token, extended: nil) }
        guard let port = fields["udp_port"]?.integer, let port = UInt16(exactly: port), port > 0,
            let epoch = fields["epoch"]?.string.flatMap({ Epoch(hex: $0) }),
            let offset = fields["offset"]?.integer, (0..<(1 << 40)).contains(offset)
        else { throw Malformed() }
        let roster = fields["roster"]?.string.flatMap { Epoch(hex: $0)?.value } ?? 0
        return RoomsAnswer.Entered(
            token: token,
            extended: .init(
                udpPort: port, epoch: epoch, offset: offset, roster: roster,
                isHost: fields["host"]?.bool ?? false, topic: fields["topic"]?.string ?? ""))
    }

    private static func history(_ fields: JSONObject) throws(Malformed) -> RoomsAnswer.HistoryPage {
        guard let epoch = fields["epoch"]?.string.flatMap({ Epoch(hex: $0) }),
            let start = fields["start"]?.integer, let end = fields["end"]?.integer, start >= 0, end >= start,
            let offset = fields["offset"]?.integer, offset >= end
        else { throw Malformed() }
        let messages = try elements(fields["messages"]) { fields throws(Malformed) in
            guard let offset = fields["offset"]?.integer, let id = fields["id"]?.string.flatMap({ MessageID(hex: $0) }),
                let sender = fields["sender"]?.string, let text = fields["text"]?.string,
                let time = fields["time"]?.string.flatMap({ Timestamp(rfc3339: $0) })
            else { throw Malformed() }
            return KeptMessage(offset: offset, id: id, author: sender, time: time, subject: nil, text: text)
        }
        // Out of order or out of the page's range would break the order of what is shown.
        var next = start
        for message in messages {
            guard message.offset >= next, message.offset < end else { throw Malformed() }
            next = message.offset + 1
        }
        return RoomsAnswer.HistoryPage(
            epoch: epoch, start: start, end: end, offset: offset, messages: messages,
            hasMore: fields["more"]?.bool ?? false)
    }

    private static func elements<Element>(
        _ list: JSON?, _ body: (JSONObject) throws(Malformed) -> Element
    ) throws(Malformed) -> [Element] {
        guard let list = list?.array else { throw Malformed() }
        var elements: [Element] = []
        elements.reserveCapacity(list.count)
        for item in list {
            guard case .object(let fields) = item else { throw Malformed() }
            elements.append(try body(fields))
        }
        return elements
    }
}

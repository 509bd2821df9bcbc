import Wire

/// What a client asks of the server over TCP, checked for its form and not yet for its sense.
package struct RoomsRequest: Equatable, Sendable {
    package enum Body: Equatable, Sendable {
        case create(name: String)
        /// With a token, a member comes back.
        case join(name: String, token: RoomToken?)
        /// Rooms after the one with that number; 0 begins.
        case list(after: Int64)
        case history(token: RoomToken?, HistoryRange, limit: Int)
        case leave(token: RoomToken)
        /// Members after the one with that number; 0 begins.
        case who(token: RoomToken?, after: Int64)
        /// Sets the topic, or removes it where it is empty.
        case topic(token: RoomToken, String)
    }

    /// Which part of a history.
    package enum HistoryRange: Equatable, Sendable {
        /// From an offset on, the oldest first.
        case from(Int64)
        /// The last ones before an offset, or of all; they come in the order of their offsets.
        case before(Int64?)
    }

    /// Why a message is no request. The connection is closed without an answer, as the program of old does.
    package enum Failure: Error, Equatable, Sendable {
        case notARequest
        case unknownOperation(UInt8)
        case malformed
    }

    /// Not yet checked to be a name.
    package var room: String
    package var body: Body
    /// True where the other end is a program of ours and understands more.
    package var isExtended: Bool

    package init(room: String, _ body: Body, isExtended: Bool) {
        self.room = room
        self.body = body
        self.isExtended = isExtended
    }

    package var operation: TCRPMessage.Operation {
        switch body {
        case .create: .create
        case .join: .join
        case .list: .list
        case .history: .history
        case .leave: .leave
        case .who: .who
        case .topic: .topic
        }
    }

    // MARK: - Reading

    package init(_ message: TCRPMessage) throws(Failure) {
        guard message.state == TCRPMessage.State.request.rawValue else { throw .notARequest }
        guard let operation = TCRPMessage.Operation(rawValue: message.operation) else {
            throw .unknownOperation(message.operation)
        }
        guard let room = String(validating: message.room, as: UTF8.self) else { throw .malformed }
        self.room = room
        // Numbers above are versions to come, which understand this one.
        isExtended = message.version >= TCRPMessage.extendedVersion
        if operation.isOriginal {
            let user = try Self.user(message.payload)
            body = operation == .create ? .create(name: user.name) : .join(name: user.name, token: user.token)
            return
        }
        guard isExtended, let json = try? JSON(parsing: message.payload[...], maximumDepth: 4),
            case .object(let fields) = json
        else { throw .malformed }
        let token = fields["token"]?.string.flatMap { RoomToken($0) }
        let after = max(0, fields["after"]?.integer ?? 0)
        switch operation {
        case .create, .join: preconditionFailure("handled above")
        case .list: body = .list(after: after)
        case .history:
            let limit = Int(clamping: fields["limit"]?.integer ?? .max)
            let range: HistoryRange =
                fields["from"]?.integer.map { .from(max(0, $0)) } ?? .before(fields["before"]?.integer)
            body = .history(token: token, range, limit: max(1, limit))
        case .who: body = .who(token: token, after: after)
        case .leave:
            guard let token else { throw .malformed }
            body = .leave(token: token)
        case .topic:
            guard let token, let topic = fields["topic"]?.string else { throw .malformed }
            body = .topic(token: token, topic)
        }
    }

    /// Who wants in: a JSON string, as the program of old sends it; text without quotes; or our own object.
    private static func user(_ payload: [UInt8]) throws(Failure) -> (name: String, token: RoomToken?) {
        if let json = try? JSON(parsing: payload[...], maximumDepth: 4) {
            if let name = json.string { return (name, nil) }
            if let name = json["name"]?.string {
                let token = json["token"]?.string
                // A token that is none must not quietly become a join without one.
                guard let token else { return (name, nil) }
                guard let known = RoomToken(token) else { throw .malformed }
                return (name, known)
            }
        }
        guard let name = String(validating: payload, as: UTF8.self) else { throw .malformed }
        return (name, nil)
    }

    // MARK: - Writing

    /// The message that asks for it.
    package var message: TCRPMessage {
        TCRPMessage(operation, .request, room: room, extended: isExtended, payload: payload)
    }

    private var payload: [UInt8] {
        var writer = ByteWriter()
        switch body {
        // A server of old takes the payload for the name as it is: the bytes are those that its own client sends.
        case .create(let name), .join(let name, nil): writer.appendJSON(style: .python) { $0.string(name) }
        default: writer.appendJSON { $0.object { writeFields(to: &$0) } }
        }
        return writer.bytes
    }

    private func writeFields(to json: inout JSONWriter) {
        switch body {
        case .create: break
        case .join(let name, let token):
            json.member("name", name)
            if let token { json.member("token", token.text) }
        case .list(let after): json.member("after", after)
        case .history(let token, let range, let limit):
            if let token { json.member("token", token.text) }
            switch range {
            case .from(let offset): json.member("from", offset)
            case .before(let offset?): json.member("before", offset)
            case .before(nil): break
            }
            json.member("limit", limit)
        case .leave(let token): json.member("token", token.text)
        case .who(let token, let after):
            if let token { json.member("token", token.text) }
            json.member("after", after)
        case .topic(let token, let topic):
            json.member("token", token.text)
            json.member("topic", topic)
        }
    }
}

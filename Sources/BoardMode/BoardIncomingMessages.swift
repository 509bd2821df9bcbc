import Delivery
package import Wire

/// What a server of ours says on a JSON connection, as its client reads it: the other direction of `BoardJSONWriter`.
package enum BoardIncoming: Equatable, Sendable {
    /// The answer to the request with this `op` and `id`.
    case answer(operation: String, id: JSON, BoardAnswer)
    case event(BoardEvent)
    /// Something that a later version says and this one does not know.
    case other

    /// Reads one line; nil where it is no JSON object of the protocol.
    package init?(parsing line: ArraySlice<UInt8>) {
        guard let json = try? JSON(parsing: line), let event = json["event"]?.string else { return nil }
        switch event {
        case "answer", "ready", "error":
            let operation = json["op"]?.string ?? ""
            guard let answer = Self.answer(event, operation, json) else {
                self = .other
                return
            }
            self = .answer(operation: operation, id: json["id"] ?? .null, answer)
        case "message":
            guard let group = json["group"]?.string, let epoch = Self.epoch(json),
                let message = Self.message(json, needsText: true)
            else { return nil }
            self = .event(.posted(group: group, epoch: epoch, message))
        case "joined", "left":
            guard let group = json["group"]?.string, let name = json["name"]?.string else { return nil }
            self = .event(event == "joined" ? .joined(group: group, name: name) : .left(group: group, name: name))
        case "closing": self = .event(.closing(SafeText(untrusted: json["text"]?.string ?? "")))
        default: self = .other
        }
    }

    /// The same, with the words of the server's own said to be its: they could be anything.
    package var attributed: BoardIncoming {
        switch self {
        case .answer(let operation, let id, .refused(let refusal)):
            .answer(operation: operation, id: id, .refused(refusal.attributed))
        case .event(.closing(let reason)): .event(.closing("server: \(reason)"))
        case .answer, .event, .other: self
        }
    }

    private static func answer(_ event: String, _ operation: String, _ json: JSON) -> BoardAnswer? {
        if event == "ready" { return json["name"]?.string.map { .ready(name: $0) } }
        if event == "error" {
            let code = BoardRefusal.Code(rawValue: json["code"]?.string ?? "") ?? .unknown
            return .refused(BoardRefusal(code, SafeText(untrusted: json["text"]?.string ?? "refused")))
        }
        let group = json["group"]?.string ?? ""
        switch operation {
        case "groups": return groups(json)
        case "join": return json["already"] == .bool(true) ? .alreadyMember(group: group) : joined(group, json)
        case "post":
            guard let epoch = epoch(json), let offset = json["offset"]?.integer, let id = messageID(json),
                let time = time(json)
            else { return nil }
            return .posted(group: group, epoch: epoch, offset: offset, id: id, time: time)
        case "users": return json["users"]?.array.map { .users(group: group, $0.compactMap(\.string)) }
        case "leave": return .left(group: group)
        case "read":
            guard let epoch = epoch(json), let message = json["message"].flatMap({ message($0, needsText: true) })
            else { return nil }
            return .message(group: group, epoch: epoch, message)
        case "list":
            guard let epoch = epoch(json), let messages = messages(json, needsText: false) else { return nil }
            return .history(
                GroupHistory(group: group, epoch: epoch, messages: messages, earlier: json["earlier"]?.integer))
        case "since": return caughtUp(group, json)
        case "create": return .created(group: group)
        case "ping": return .pong
        case "help": return .help
        case "exit": return .goodbye
        default: return nil
        }
    }

    private static func groups(_ json: JSON) -> BoardAnswer? {
        guard let entries = json["groups"]?.array else { return nil }
        let groups = entries.compactMap { entry -> GroupDescription? in
            guard let name = entry["name"]?.string,
                let rule = entry["visibility"]?.string.flatMap({ VisibilityRule(parsing: $0) })
            else { return nil }
            return GroupDescription(name: name, visibility: rule, isMember: entry["member"]?.bool ?? false)
        }
        return .groups(groups, total: Int(clamping: json["total"]?.integer ?? 0), next: json["next"]?.string)
    }

    private static func joined(_ group: String, _ json: JSON) -> BoardAnswer? {
        guard let epoch = epoch(json), let next = json["next"]?.integer, let first = json["first"]?.integer else {
            return nil
        }
        return .joined(
            JoinedGroup(
                group: group, epoch: epoch, nextOffset: next, firstVisible: first,
                resume: json["resume"]?.string.flatMap { ResumeSecret(hex: $0) },
                isResumed: json["resumed"]?.bool ?? false, history: nil))
    }

    private static func caughtUp(_ group: String, _ json: JSON) -> BoardAnswer? {
        guard let epoch = epoch(json), let messages = messages(json, needsText: true) else { return nil }
        var gap: ClosedRange<Int64>?
        if let from = json["gap"]?["from"]?.integer, let to = json["gap"]?["to"]?.integer, from <= to {
            gap = from...to
        }
        return .caughtUp(
            CatchUp(
                group: group, epoch: epoch, messages: messages, gap: gap, next: json["next"]?.integer,
                isReset: json["reset"]?.bool ?? false))
    }

    // MARK: - Fields

    private static func epoch(_ json: JSON) -> Epoch? { json["epoch"]?.string.flatMap { Epoch(hex: $0) } }

    private static func messageID(_ json: JSON) -> MessageID? { json["id"]?.string.flatMap { MessageID(hex: $0) } }

    private static func time(_ json: JSON) -> Timestamp? { json["time"]?.string.flatMap { Timestamp(rfc3339: $0) } }

    private static func messages(_ json: JSON, needsText: Bool) -> [KeptMessage]? {
        json["messages"]?.array?.compactMap { message($0, needsText: needsText) }
    }

    private static func message(_ json: JSON, needsText: Bool) -> KeptMessage? {
        guard let offset = json["offset"]?.integer, offset >= 0, let id = messageID(json),
            let author = json["sender"]?.string, let time = time(json)
        else { return nil }
        let text = json["text"]?.string
        guard text != nil || !needsText else { return nil }
        return KeptMessage(
            offset: offset, id: id, author: author, time: time, subject: json["subject"]?.string, text: text ?? "")
    }
}

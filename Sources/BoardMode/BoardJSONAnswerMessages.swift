import Delivery
package import Wire

/// Answers and events as JSON lines (Protocols.md, "board, JSON").
///
///     {"event":"answer","op":"post","id":"0192...","group":"main","offset":3,...}
///     {"event":"error","op":"post","id":"0192...","code":"not_member","text":"..."}
package enum BoardJSONWriter {
    /// The version of the protocol that `ready` announces.
    package static let version = 1

    /// Writes the answer to a request.
    package static func write(
        _ answer: BoardAnswer, operation: String, id: JSON, to writer: inout ByteWriter
    ) {
        writer.appendJSON { json in
            json.object { json in
                if let refusal = answer.refusal {
                    json.member("event", literal: "error")
                    header(operation, id, &json)
                    json.member("code", refusal.code.rawValue)
                    json.member("text", refusal.text)
                } else {
                    if case .ready = answer {
                        json.member("event", literal: "ready")
                    } else {
                        json.member("event", literal: "answer")
                    }
                    // A post is answered with the id under which it was stored.
                    if case .posted(_, _, _, let message, _) = answer {
                        header(operation, .null, &json)
                        json.member("id", message)
                    } else {
                        header(operation, id, &json)
                    }
                    fields(of: answer, &json)
                }
            }
        }
        writer.append(UInt8(ascii: "\n"))
    }

    private static func header(_ operation: String, _ id: JSON, _ json: inout JSONWriter) {
        if !operation.isEmpty { json.member("op", operation) }
        if !id.isNull { json.member("id", id) }
    }

    private static func fields(of answer: BoardAnswer, _ json: inout JSONWriter) {
        switch answer {
        case .ready(let name):
            json.member("version", version)
            json.member("name", name)
            json.key("limits")
            json.object { json in
                json.member("line", BoardInputMachine.lineLimit)
                json.member("subject", Subject.mostBytes)
                json.member("text", BoardPostRules.textLimit)
            }
        case .groups(let groups, let total, let next):
            json.key("groups")
            json.array { json in
                for group in groups {
                    json.object { json in
                        json.member("name", group.name)
                        json.member("visibility", group.visibility.text)
                        json.member("member", group.isMember)
                    }
                }
            }
            json.member("total", total)
            if let next { json.member("next", next) }
        case .joined(let joined):
            json.member("group", joined.group)
            json.member("epoch", joined.epoch)
            json.member("next", joined.nextOffset)
            json.member("first", joined.firstVisible)
            json.member("resume", joined.resume.map { .string($0.hex) } ?? .null)
            json.member("resumed", joined.isResumed)
        case .alreadyMember(let group):
            json.member("group", group)
            json.member("already", true)
        case .posted(let group, let epoch, let offset, _, let time):
            json.member("group", group)
            json.member("epoch", epoch)
            json.member("offset", offset)
            json.key("time")
            json.plainString { $0.append(rfc3339: time) }
        case .users(let group, let users):
            json.member("group", group)
            json.key("users")
            json.array { json in for user in users { json.string(user) } }
        case .left(let group), .created(let group): json.member("group", group)
        case .message(let group, let epoch, let message): members(of: message, in: group, epoch, &json)
        case .encodedMessage(let members): json.encoded(members)
        case .history(let history), .joinedHistory(let history):
            json.member("group", history.group)
            json.member("epoch", history.epoch)
            messages(history.messages, includesText: false, &json)
            if let earlier = history.earlier { json.member("earlier", earlier) }
        case .caughtUp(let page):
            json.member("group", page.group)
            json.member("epoch", page.epoch)
            messages(page.messages, includesText: true, &json)
            if let gap = page.gap {
                json.key("gap")
                json.object { json in
                    json.member("from", gap.lowerBound)
                    json.member("to", gap.upperBound)
                }
            }
            if let next = page.next { json.member("next", next) }
            if page.isReset { json.member("reset", true) }
        case .help:
            json.key("lines")
            json.array { json in for line in BoardHelp.lines { json.string(line) } }
        case .alreadyConnected, .pong, .goodbye: break
        case .unknown, .noSuchGroup, .noSuchMessage, .notMember, .groupExists, .groupFull, .refused:
            preconditionFailure("a refusal is written as an error")
        }
    }

    /// What the answers to all who read a message say the same: everything but what belongs to the request.
    static func members(of message: KeptMessage, in group: String, _ epoch: Epoch) -> [UInt8] {
        var writer = ByteWriter()
        writer.appendJSON { members(of: message, in: group, epoch, &$0) }
        return writer.bytes
    }

    private static func members(
        of message: KeptMessage, in group: String, _ epoch: Epoch, _ json: inout JSONWriter
    ) {
        json.member("group", group)
        json.member("epoch", epoch)
        json.key("message")
        json.object { json in fields(of: message, includesText: true, &json) }
    }

    private static func messages(_ messages: [KeptMessage], includesText: Bool, _ json: inout JSONWriter) {
        json.key("messages")
        json.array { json in
            for message in messages {
                json.object { json in fields(of: message, includesText: includesText, &json) }
            }
        }
    }

    private static func fields(of message: KeptMessage, includesText: Bool, _ json: inout JSONWriter) {
        json.member("offset", message.offset)
        json.member("id", message.id)
        json.member("sender", message.author)
        json.key("time")
        json.plainString { $0.append(rfc3339: message.time) }
        if let subject = message.subject { json.member("subject", subject) }
        if includesText { json.member("text", message.text) }
    }

    /// Writes what happens without a request.
    package static func write(_ event: BoardEvent, to writer: inout ByteWriter) {
        writer.appendJSON { json in
            json.object { json in
                switch event {
                case .joined(let group, let name):
                    json.member("event", literal: "joined")
                    json.member("group", group)
                    json.member("name", name)
                case .left(let group, let name):
                    json.member("event", literal: "left")
                    json.member("group", group)
                    json.member("name", name)
                case .posted(let group, let epoch, let message):
                    json.member("event", literal: "message")
                    json.member("group", group)
                    json.member("epoch", epoch)
                    fields(of: message, includesText: true, &json)
                case .closing(let reason):
                    json.member("event", literal: "closing")
                    json.member("text", reason)
                }
            }
        }
        writer.append(UInt8(ascii: "\n"))
    }
}

import Delivery
package import Wire

/// A request of a program: one JSON object on a line (Protocols.md, "board, JSON").
///
///     {"op": "post", "id": "0192...", "group": "main", "subject": "S", "text": "T"}
package struct BoardJSONRequest: Equatable, Sendable {
    /// What the answer repeats as `id`, so that a program can match them; null where there was none.
    package let id: JSON

    /// What the answer repeats as `op`.
    package let operation: String

    package let content: Content

    /// Every `op` there is.
    package enum Operation: String, Sendable, CaseIterable {
        case hello, groups, join, leave, post, users, read, list, since, create, ping, help, exit

        /// Without the `String` that `init(rawValue:)` needs.
        init?(_ name: JSONReader.Key) {
            switch name {
            case "hello": self = .hello
            case "groups": self = .groups
            case "join": self = .join
            case "leave": self = .leave
            case "post": self = .post
            case "users": self = .users
            case "read": self = .read
            case "list": self = .list
            case "since": self = .since
            case "create": self = .create
            case "ping": self = .ping
            case "help": self = .help
            case "exit": self = .exit
            default: return nil
            }
        }
    }

    package enum Content: Equatable, Sendable {
        /// The opening of a program that never saw text: its name.
        case hello(name: String)
        case request(BoardRequest)
    }

    package init(id: JSON, operation: String, content: Content) {
        self.id = id
        self.operation = operation
        self.content = content
    }

    /// How it is answered, and what it asks for: handed on, not copied.
    consuming func parts() -> (reply: BoardReply, content: Content) {
        (.json(operation: operation, id: id), content)
    }

    /// Bytes of an `id` that is a string.
    package static let idLimit = 64

    /// Messages that a program may ask for in one page.
    package static let pageLimit = 1_000

    /// Reads one line. What is wrong with it is a request too (`invalid`), so that it is answered in its turn.
    package init(parsing line: ArraySlice<UInt8>) {
        var fields = BoardRequestFields()
        do throws(JSONError) {
            try fields.read(line)
        } catch {
            self.init(
                id: .null, operation: "",
                content: .request(.invalid(BoardRefusal(.badRequest, "That is no JSON object on one line."))))
            return
        }
        let operation = fields.operation.text
        let id: JSON
        do throws(BoardRefusal) {
            id = try Self.id(of: fields)
            let content = try Self.content(fields)
            self.init(id: id, operation: operation, content: content)
        } catch {
            let known = (try? Self.id(of: fields)) ?? .null
            self.init(id: known, operation: operation, content: .request(.invalid(error)))
        }
    }

    private static func id(of fields: BoardRequestFields) throws(BoardRefusal) -> JSON {
        switch fields.id {
        case .missing: return .null
        case .integer(let value): return .integer(value)
        case .string(let text) where text.utf8.count <= idLimit: return .string(text)
        case .string, .other:
            throw BoardRefusal(.badRequest, "An \"id\" is an integer or a string of at most \(idLimit) bytes.")
        }
    }

    private static func content(_ fields: BoardRequestFields) throws(BoardRefusal) -> Content {
        switch fields.operation {
        case .known(let operation): return try content(operation, fields)
        case .missing, .unknown(""):
            throw BoardRefusal(.badRequest, "A request is an object with a string \"op\".")
        case .unknown(let name): throw BoardRefusal(.unknown, "There is no \"op\" called \"\(name)\".")
        }
    }

    private static func content(
        _ operation: Operation, _ fields: BoardRequestFields
    ) throws(BoardRefusal) -> Content {
        switch operation {
        case .hello: return .hello(name: try text("name", fields.name))
        case .groups: return .request(.groups(after: try optionalText("after", fields.after), all: true))
        case .join:
            let resume = try resume(fields)
            return .request(.join(group: try group(fields), resume: resume))
        case .leave:
            let resume = try resume(fields)
            return .request(.leave(group: try group(fields), resume: resume))
        case .post:
            return .request(
                .post(
                    group: try group(fields),
                    try BoardPostRules.draft(
                        id: try messageID(fields), subject: try text("subject", fields.subject),
                        text: try text("text", fields.text))))
        case .users: return .request(.users(group: try group(fields)))
        case .read:
            guard let offset = try optionalInteger("offset", fields.offset) else { throw missing("offset") }
            return .request(.read(group: try group(fields), .offset(offset)))
        case .list:
            return .request(.list(group: try group(fields), before: try optionalInteger("before", fields.before)))
        case .since: return .request(try since(fields))
        case .create:
            let rule = try optionalText("visibility", fields.visibility)
            if let rule, VisibilityRule(parsing: rule) == nil {
                throw BoardRefusal(.badRequest, "\"visibility\" is none, all or last:N.")
            }
            return .request(
                .create(group: try group(fields), visibility: rule.flatMap { VisibilityRule(parsing: $0) }))
        case .ping: return .request(.ping)
        case .help: return .request(.help)
        case .exit: return .request(.exit)
        }
    }

    private static func since(_ fields: BoardRequestFields) throws(BoardRefusal) -> BoardRequest {
        let epoch = try optionalText("epoch", fields.epoch).map { text throws(BoardRefusal) -> Epoch in
            guard let epoch = Epoch(hex: text) else {
                throw BoardRefusal(.badRequest, "An \"epoch\" is what an answer to \"join\" said.")
            }
            return epoch
        }
        let limit = try optionalInteger("limit", fields.limit)
        if let limit, !(1...Int64(pageLimit)).contains(limit) {
            throw BoardRefusal(.badRequest, "A \"limit\" is between 1 and \(pageLimit).")
        }
        return .since(
            group: try group(fields), epoch: epoch, offset: try optionalInteger("offset", fields.offset) ?? -1,
            limit: limit.map { Int($0) })
    }

    /// The `id` of a post is the message's own; one that is left out is made by the server.
    private static func messageID(_ fields: BoardRequestFields) throws(BoardRefusal) -> MessageID? {
        if case .missing = fields.id { return nil }
        guard let id = fields.id.string.flatMap({ MessageID(hex: $0) }) else {
            throw BoardRefusal(.badRequest, "The \"id\" of a post is 32 hexadecimal digits, made by its author.")
        }
        return id
    }

    /// A secret that cannot be one is as good as one that has run out: the answer says `resumed: false`.
    private static func resume(_ fields: BoardRequestFields) throws(BoardRefusal) -> ResumeSecret? {
        try optionalText("resume", fields.resume).flatMap { ResumeSecret(hex: $0) }
    }

    private static func group(_ fields: BoardRequestFields) throws(BoardRefusal) -> String {
        try text("group", fields.group)
    }

    // MARK: - Fields

    private static func text(_ name: String, _ value: BoardRequestFields.Value) throws(BoardRefusal) -> String {
        guard let text = try optionalText(name, value) else { throw missing(name) }
        return text
    }

    private static func optionalText(
        _ name: String, _ value: BoardRequestFields.Value
    ) throws(BoardRefusal) -> String? {
        switch value {
        case .missing: return nil
        case .string(let text): return text
        case .integer, .other: throw BoardRefusal(.badRequest, "\"\(name)\" is a string.")
        }
    }

    private static func optionalInteger(
        _ name: String, _ value: BoardRequestFields.Value
    ) throws(BoardRefusal) -> Int64? {
        switch value {
        case .missing: return nil
        case .integer(let value): return value
        case .string, .other: throw BoardRefusal(.badRequest, "\"\(name)\" is an integer.")
        }
    }

    private static func missing(_ field: String) -> BoardRefusal {
        BoardRefusal(.badRequest, "\"\(field)\" is missing.")
    }
}

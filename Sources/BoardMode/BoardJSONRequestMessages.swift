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

    /// Bytes of an `id` that is a string.
    package static let idLimit = 64

    /// Messages that a program may ask for in one page.
    package static let pageLimit = 1_000

    /// Reads one line. What is wrong with it is a request too (`invalid`), so that it is answered in its turn.
    package init(parsing line: ArraySlice<UInt8>) {
        let json: JSONObject
        do {
            json = try JSON(parsing: line).object ?? [:]
        } catch {
            self.init(
                id: .null, operation: "",
                content: .request(.invalid(BoardRefusal(.badRequest, "That is no JSON object on one line."))))
            return
        }
        let operation = json["op"]?.string ?? ""
        let id: JSON
        do throws(BoardRefusal) {
            id = try Self.id(of: json)
            let content = try Self.content(operation, json)
            self.init(id: id, operation: operation, content: content)
        } catch {
            let known = (try? Self.id(of: json)) ?? .null
            self.init(id: known, operation: operation, content: .request(.invalid(error)))
        }
    }

    private static func id(of json: JSONObject) throws(BoardRefusal) -> JSON {
        switch json["id"] {
        case nil, .null?: return .null
        case .integer(let value)?: return .integer(value)
        case .string(let text)? where text.utf8.count <= idLimit: return .string(text)
        default:
            throw BoardRefusal(.badRequest, "An \"id\" is an integer or a string of at most \(idLimit) bytes.")
        }
    }

    private static func content(_ operation: String, _ json: JSONObject) throws(BoardRefusal) -> Content {
        guard let known = Operation(rawValue: operation) else {
            throw operation.isEmpty
                ? BoardRefusal(.badRequest, "A request is an object with a string \"op\".")
                : BoardRefusal(.unknown, "There is no \"op\" called \"\(operation)\".")
        }
        switch known {
        case .hello: return .hello(name: try text("name", json))
        case .groups: return .request(.groups(after: try optionalText("after", json), all: true))
        case .join:
            let resume = try optionalText("resume", json)
            // A secret that cannot be one is as good as one that has run out: the answer says `resumed: false`.
            return .request(.join(group: try text("group", json), resume: resume.flatMap { ResumeSecret(hex: $0) }))
        case .leave:
            let resume = try optionalText("resume", json)
            return .request(.leave(group: try text("group", json), resume: resume.flatMap { ResumeSecret(hex: $0) }))
        case .post:
            return .request(
                .post(
                    group: try text("group", json),
                    try BoardPostRules.draft(
                        id: try messageID(json), subject: try text("subject", json), text: try text("text", json))))
        case .users: return .request(.users(group: try text("group", json)))
        case .read:
            guard let offset = try optionalInteger("offset", json) else { throw missing("offset") }
            return .request(.read(group: try text("group", json), id: String(offset)))
        case .list:
            return .request(.list(group: try text("group", json), before: try optionalInteger("before", json)))
        case .since: return .request(try since(json))
        case .create:
            let rule = try optionalText("visibility", json)
            if let rule, VisibilityRule(parsing: rule) == nil {
                throw BoardRefusal(.badRequest, "\"visibility\" is none, all or last:N.")
            }
            return .request(
                .create(group: try text("group", json), visibility: rule.flatMap { VisibilityRule(parsing: $0) }))
        case .ping: return .request(.ping)
        case .help: return .request(.help)
        case .exit: return .request(.exit)
        }
    }

    private static func since(_ json: JSONObject) throws(BoardRefusal) -> BoardRequest {
        let epoch = try optionalText("epoch", json).map { text throws(BoardRefusal) -> Epoch in
            guard let epoch = Epoch(hex: text) else {
                throw BoardRefusal(.badRequest, "An \"epoch\" is what an answer to \"join\" said.")
            }
            return epoch
        }
        let limit = try optionalInteger("limit", json)
        if let limit, !(1...Int64(pageLimit)).contains(limit) {
            throw BoardRefusal(.badRequest, "A \"limit\" is between 1 and \(pageLimit).")
        }
        return .since(
            group: try text("group", json), epoch: epoch, offset: try optionalInteger("offset", json) ?? -1,
            limit: limit.map { Int($0) })
    }

    /// The `id` of a post is the message's own; one that is left out is made by the server.
    private static func messageID(_ json: JSONObject) throws(BoardRefusal) -> MessageID? {
        guard let json = json["id"], json != .null else { return nil }
        guard let id = json.string.flatMap({ MessageID(hex: $0) }) else {
            throw BoardRefusal(.badRequest, "The \"id\" of a post is 32 hexadecimal digits, made by its author.")
        }
        return id
    }

    // MARK: - Fields

    private static func text(_ field: String, _ json: JSONObject) throws(BoardRefusal) -> String {
        guard let text = try optionalText(field, json) else { throw missing(field) }
        return text
    }

    private static func optionalText(_ field: String, _ json: JSONObject) throws(BoardRefusal) -> String? {
        switch json[field] {
        case nil, .null?: return nil
        case .string(let text)?: return text
        default: throw BoardRefusal(.badRequest, "\"\(field)\" is a string.")
        }
    }

    private static func optionalInteger(_ field: String, _ json: JSONObject) throws(BoardRefusal) -> Int64? {
        switch json[field] {
        case nil, .null?: return nil
        case .integer(let value)?: return value
        default: throw BoardRefusal(.badRequest, "\"\(field)\" is an integer.")
        }
    }

    private static func missing(_ field: String) -> BoardRefusal {
        BoardRefusal(.badRequest, "\"\(field)\" is missing.")
    }
}

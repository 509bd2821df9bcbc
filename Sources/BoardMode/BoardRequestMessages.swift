package import Delivery
package import Wire

/// What a client of the board asks for, whichever way it spells it: as a line of text or as a JSON object.
///
/// Names of groups stay as they were typed, because an answer repeats them; the rules look them up.
package enum BoardRequest: Equatable, Sendable {
    /// The groups there are, those after one by its name, or from the first.
    case groups(after: String?, all: Bool)
    case join(group: String, resume: ResumeSecret?)
    /// With the secret of a place, it is given up by who has not joined on this connection too.
    case leave(group: String, resume: ResumeSecret? = nil)
    case post(group: String, BoardDraft)
    case users(group: String)
    case read(group: String, PostName)
    /// The visible history, newest page first; the page before an ID.
    case list(group: String, before: Int64?)
    /// What came after an offset that the client knows, oldest first.
    case since(group: String, epoch: Epoch?, offset: Int64, limit: Int?)
    case create(group: String, visibility: VisibilityRule?)
    /// `%connect`, which the original's client handles itself.
    case connect
    case help
    case ping
    case exit
    /// `%json`: from here on the connection speaks JSON lines.
    case upgrade
    /// A line that is no command; the answer repeats it.
    case unknown(String)
    /// A request that says what it wants but breaks a rule.
    case invalid(BoardRefusal)
}

/// How a request names a post.
package enum PostName: Hashable, Sendable {
    case offset(Int64)
    /// What was typed and is no ID: the answer repeats it.
    case other(String)

    package init(typed text: String) { self = boardOffset(text).map { .offset($0) } ?? .other(text) }

    /// As it is typed.
    package var text: String {
        switch self {
        case .offset(let offset): String(offset)
        case .other(let text): text
        }
    }
}

/// A post that is not in a group yet.
package struct BoardDraft: Equatable, Sendable {
    /// Made by the author's program; nil where that cannot (a person at netcat), and then the server makes one.
    package var id: MessageID?
    package var subject: Subject
    package var text: String

    package init(id: MessageID?, subject: Subject, text: String) {
        self.id = id
        self.subject = subject
        self.text = text
    }
}

/// Who holds it gets its join point back: 128 random bits, handed out by a join, void after a leave.
package struct ResumeSecret: Hashable, Sendable {
    package let id: MessageID

    package init(_ id: MessageID) { self.id = id }

    package init?(hex: String) {
        guard let id = MessageID(hex: hex) else { return nil }
        self.id = id
    }

    /// 32 hexadecimal digits. It is as good as a password: never in a log.
    package var hex: String { id.hex }
}

/// A rule that a request breaks, with a code for programs and a sentence for people.
package struct BoardRefusal: Equatable, Sendable, Error {
    /// What JSON answers carry as `code`.
    package enum Code: String, Sendable, CaseIterable {
        case badRequest = "bad_request"
        case badName = "bad_name"
        case nameTaken = "name_taken"
        case tooLong = "too_long"
        case tooMany = "too_many"
        case idTaken = "id_taken"
        case notAllowed = "not_allowed"
        case notStored = "not_stored"
        case timedOut = "timed_out"
        case noSuchGroup = "no_such_group"
        case noSuchMessage = "no_such_message"
        case notMember = "not_member"
        case groupExists = "group_exists"
        case groupFull = "group_full"
        case unknown = "unknown"
    }

    package let code: Code
    package let text: SafeText

    package init(_ code: Code, _ text: SafeText) {
        self.code = code
        self.text = text
    }

    /// One in words of the server's, which are said to be its: they could be anything.
    package var attributed: BoardRefusal { BoardRefusal(code, "server: \(text)") }
}

/// Limits of what is posted.
package enum BoardPostRules {
    /// Bytes of the text of a post.
    package static let textLimit = 16_384

    /// A post that keeps the limits, or the sentence that says which it breaks and by how much.
    package static func draft(
        id: MessageID?, subject: String, text: String
    ) throws(BoardRefusal) -> BoardDraft {
        let checked: Subject
        do {
            checked = try Subject(validating: subject)
        } catch {
            throw BoardRefusal(.badName, error.message)
        }
        let excess = text.utf8.count - textLimit
        guard excess <= 0 else {
            throw BoardRefusal(.tooLong, "The text is \(excess) bytes too long; a post holds \(textLimit).")
        }
        guard !text.isEmpty else { throw BoardRefusal(.badRequest, "The text is empty.") }
        return BoardDraft(id: id, subject: checked, text: text)
    }
}

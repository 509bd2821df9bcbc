package import Delivery
import Platform
package import Store
package import Wire

/// What the board keeps beside the log of messages: its groups, and who may come back to which join point.
package enum BoardStorage {
    package static let schema = Schema(
        mode: "board",
        migrations: [
            """
            CREATE TABLE board_group (
                conversation INTEGER PRIMARY KEY,
                name TEXT NOT NULL,
                visibility TEXT NOT NULL
            );
            CREATE TABLE resume (
                secret BLOB PRIMARY KEY,
                conversation INTEGER NOT NULL,
                name TEXT NOT NULL,
                first_visible INTEGER NOT NULL,
                used INTEGER NOT NULL
            ) WITHOUT ROWID;
            CREATE INDEX resume_used ON resume (used);
            """
        ])

    /// How long a resume secret holds after it was last used.
    package static let resumeLifetime: Int64 = 7 * 86_400 * 1_000_000
    /// Resume secrets that are kept; the one that was not used for longest goes first.
    package static let resumeLimit: Int64 = 100_000

    /// A group as it is kept.
    package struct StoredGroup: Sendable {
        package let conversation: Conversation
        package let name: GroupName
        package var visibility: VisibilityRule
        /// The last posts, oldest first, without their texts.
        package var recent: [KeptMessage]
    }

    /// The groups, oldest first; those that are wished for and missing are created.
    package static func openGroups(
        _ wanted: [(name: GroupName, visibility: VisibilityRule)], recent count: Int, in store: MessageStore
    ) async throws(StoreError) -> [StoredGroup] {
        try await store.write { (transaction) throws(StoreError) in
            for group in wanted where try transaction.findConversation(group.name.key) == nil {
                _ = try create(group.name, group.visibility, in: transaction)
            }
            var groups: [StoredGroup] = []
            let kept = try keptGroups(in: transaction)
            for conversation in try transaction.conversations() {
                guard let group = kept[conversation.id] else { continue }
                let page = Transaction.Page(
                    0..<conversation.nextOffset, .newestFirst, limit: count, includesText: false)
                let recent = try transaction.messages(page, in: conversation.id)
                groups.append(
                    StoredGroup(
                        conversation: conversation, name: group.name, visibility: group.visibility,
                        recent: recent.reversed()))
            }
            return groups
        }
    }

    package static func keptGroups(
        in transaction: borrowing Transaction
    ) throws(StoreError) -> [ConversationID: (name: GroupName, visibility: VisibilityRule)] {
        var kept: [ConversationID: (name: GroupName, visibility: VisibilityRule)] = [:]
        for row in try transaction.rows("SELECT conversation, name, visibility FROM board_group") {
            guard case .integer(let id) = row[0], case .text(let text) = row[1], case .text(let rule) = row[2],
                let name = try? GroupName(validating: text)
            else { continue }
            kept[ConversationID(row: id)] = (name, VisibilityRule(parsing: rule) ?? .standard)
        }
        return kept
    }

    /// Creates a group; there is none of that name.
    package static func create(
        _ name: GroupName, _ visibility: VisibilityRule, epoch: Epoch? = nil, nextOffset: Int64 = 0,
        in transaction: borrowing Transaction
    ) throws(StoreError) -> Conversation {
        var generator = SystemRandomness()
        let conversation = try transaction.createConversation(
            name.key, epoch: epoch ?? .random(using: &generator), nextOffset: nextOffset)
        try transaction.run(
            "INSERT INTO board_group (conversation, name, visibility) VALUES (?, ?, ?)",
            .integer(conversation.id.row), .text(name.text), .text(visibility.text))
        return conversation
    }

    /// Removes a group with everything that belongs to it.
    package static func remove(
        _ conversation: ConversationID, in transaction: borrowing Transaction
    ) throws(StoreError) {
        try transaction.run("DELETE FROM board_group WHERE conversation = ?", .integer(conversation.row))
        try transaction.run("DELETE FROM resume WHERE conversation = ?", .integer(conversation.row))
        try transaction.removeConversation(conversation)
    }

    package static func setVisibility(
        _ visibility: VisibilityRule, of conversation: ConversationID, in store: MessageStore
    ) async throws(StoreError) {
        try await store.write { (transaction) throws(StoreError) in
            _ = try transaction.run(
                "UPDATE board_group SET visibility = ? WHERE conversation = ?", .text(visibility.text),
                .integer(conversation.row))
        }
    }

    /// Drops the secrets that nobody has used for `resumeLifetime`, and the oldest of those that are too many.
    package static func dropStaleSecrets(at now: Timestamp, in transaction: borrowing Transaction) throws(StoreError) {
        try transaction.run("DELETE FROM resume WHERE used < ?", .integer(now.microseconds - resumeLifetime))
        try transaction.run(
            """
            DELETE FROM resume WHERE secret IN
                (SELECT secret FROM resume ORDER BY used LIMIT max(0, (SELECT count(*) FROM resume) - ?))
            """, .integer(resumeLimit))
    }
}

// MARK: - What is committed

/// One change that waits for its commit.
package enum BoardChange: Sendable {
    case post(PendingPost)
    case join(PendingJoin)
    /// A leave: the secret holds no more.
    case forget(ResumeSecret, ConversationID)
    /// The secret of somebody who is not in the group, where it is that one's: it holds no more.
    case giveUp(ResumeSecret, of: Nickname, ConversationID)
    case create(name: GroupName, visibility: VisibilityRule)
    /// These secrets are in use.
    case touch([ResumeSecret])

    /// Bytes that it holds, about.
    package var size: Int {
        switch self {
        case .post(let post): post.draft.text.utf8.count + 256
        case .join, .forget, .giveUp, .create: 256
        case .touch(let secrets): 64 + secrets.count * 16
        }
    }
}

package struct PendingPost: Sendable {
    package let conversation: ConversationID
    package let id: MessageID
    package let author: Nickname
    package let draft: BoardDraft
    package let time: Timestamp
}

package struct PendingJoin: Sendable {
    package let conversation: ConversationID
    package let name: Nickname
    package let visibility: VisibilityRule
    /// What the client brought.
    package let resume: ResumeSecret?
    /// What it gets where it brought nothing that holds.
    package let newSecret: ResumeSecret
    package let time: Timestamp
}

/// What became of a change, when it is on the disk.
package enum BoardOutcome: Sendable {
    case posted(KeptMessage, isRepeat: Bool)
    /// Another author's post has the id.
    case idTaken
    case granted(ResumeSecret, firstVisible: Int64, isResumed: Bool)
    case forgotten
    /// There was no such place to be given up.
    case noPlace
    case created(Conversation)
    case exists
    case touched
}

extension BoardStorage {
    /// Carries out a batch in one transaction.
    package static func commit(
        _ batch: [BoardChange], in store: isolated MessageStore
    ) -> Result<[BoardOutcome], StoreError> {
        do throws(StoreError) {
            return .success(
                try store.write { (transaction) throws(StoreError) in
                    var outcomes: [BoardOutcome] = []
                    outcomes.reserveCapacity(batch.count)
                    for change in batch { outcomes.append(try carryOut(change, in: transaction)) }
                    return outcomes
                })
        } catch {
            return .failure(error)
        }
    }

    private static func carryOut(
        _ change: BoardChange, in transaction: borrowing Transaction
    ) throws(StoreError) -> BoardOutcome {
        switch change {
        case .post(let post): return try add(post, in: transaction)
        case .join(let join): return try grant(join, in: transaction)
        case .forget(let secret, let conversation):
            try transaction.run(
                "DELETE FROM resume WHERE secret = ? AND conversation = ?", .blob(secret.id.bytes),
                .integer(conversation.row))
            return .forgotten
        case .giveUp(let secret, let name, let conversation):
            guard
                try firstVisible(by: secret, of: name, in: conversation, at: .now(), transaction) != nil
            else { return .noPlace }
            return try carryOut(.forget(secret, conversation), in: transaction)
        case .create(let name, let visibility):
            guard try transaction.findConversation(name.key) == nil else { return .exists }
            return .created(try create(name, visibility, in: transaction))
        case .touch(let secrets):
            let now = Timestamp.now()
            for secret in secrets {
                try transaction.run(
                    "UPDATE resume SET used = ? WHERE secret = ?", .integer(now.microseconds), .blob(secret.id.bytes))
            }
            try dropStaleSecrets(at: now, in: transaction)
            return .touched
        }
    }

    private static func add(
        _ post: PendingPost, in transaction: borrowing Transaction
    ) throws(StoreError) -> BoardOutcome {
        let appended = try transaction.append(
            id: post.id, author: post.author.text, time: post.time, subject: post.draft.subject.text,
            text: post.draft.text, to: post.conversation)
        if appended.isRepeat {
            let page = Transaction.Page(appended.offset..<appended.offset + 1, limit: 1)
            guard let first = try transaction.messages(page, in: post.conversation).first else { return .idTaken }
            // Somebody who has seen another's id must not be told that their own words were stored under it.
            let author = try? Nickname(validating: first.author)
            guard author?.key == post.author.key else { return .idTaken }
            return .posted(first, isRepeat: true)
        }
        return .posted(
            KeptMessage(
                offset: appended.offset, id: post.id, author: post.author.text, time: post.time,
                subject: post.draft.subject.text, text: post.draft.text), isRepeat: false)
    }

    private static func grant(
        _ join: PendingJoin, in transaction: borrowing Transaction
    ) throws(StoreError) -> BoardOutcome {
        if let secret = join.resume {
            if let first = try firstVisible(
                by: secret, of: join.name, in: join.conversation, at: join.time, transaction)
            {
                try transaction.run(
                    "UPDATE resume SET used = ? WHERE secret = ?", .integer(join.time.microseconds),
                    .blob(secret.id.bytes))
                return .granted(secret, firstVisible: first, isResumed: true)
            }
        }
        let first = join.visibility.firstVisible(joiningAt: try transaction.nextOffset(of: join.conversation))
        try transaction.run(
            "INSERT INTO resume (secret, conversation, name, first_visible, used) VALUES (?, ?, ?, ?, ?)",
            .blob(join.newSecret.id.bytes), .integer(join.conversation.row), .text(join.name.key), .integer(first),
            .integer(join.time.microseconds))
        return .granted(join.newSecret, firstVisible: first, isResumed: false)
    }

    /// What a place shows; nil where the secret is not one of that name in that conversation, or has run out.
    private static func firstVisible(
        by secret: ResumeSecret, of name: Nickname, in conversation: ConversationID, at now: Timestamp,
        _ transaction: borrowing Transaction
    ) throws(StoreError) -> Int64? {
        let rows = try transaction.rows(
            "SELECT first_visible FROM resume WHERE secret = ? AND conversation = ? AND name = ? AND used >= ?",
            .blob(secret.id.bytes), .integer(conversation.row), .text(name.key),
            .integer(now.microseconds - resumeLifetime))
        guard case .integer(let first)? = rows.first?.first else { return nil }
        return first
    }
}

// MARK: - What is read

/// Posts that somebody asks for.
package struct BoardPage: Sendable {
    package let conversation: ConversationID
    package let page: Transaction.Page
}

extension BoardStorage {
    /// Reads the pages of a batch.
    package static func read(
        _ batch: [BoardPage], in store: isolated MessageStore
    ) -> Result<[[KeptMessage]], StoreError> {
        do throws(StoreError) {
            return .success(
                try store.read { (transaction) throws(StoreError) in
                    var pages: [[KeptMessage]] = []
                    for page in batch { pages.append(try transaction.messages(page.page, in: page.conversation)) }
                    return pages
                })
        } catch {
            return .failure(error)
        }
    }
}

package import Delivery
import Platform
package import Store
package import Wire

/// What the rooms keep beside the log of messages: the rooms themselves, and their members with their tokens.
package enum RoomsStorage {
    package static let schema = Schema(
        mode: "rooms",
        migrations: [
            """
            CREATE TABLE room (
                conversation INTEGER PRIMARY KEY,
                created INTEGER NOT NULL,
                topic TEXT NOT NULL
            );
            CREATE TABLE member (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                token BLOB NOT NULL UNIQUE,
                conversation INTEGER NOT NULL,
                name TEXT NOT NULL,
                host INTEGER NOT NULL,
                extended INTEGER NOT NULL,
                address TEXT,
                port INTEGER,
                scope INTEGER
            );
            CREATE INDEX member_conversation ON member (conversation);
            """
        ])

    /// A member as it is kept.
    package struct Member: Sendable, Equatable {
        package var name: String
        package var token: RoomToken
        package var isHost: Bool
        package var isExtended: Bool
        package var address: SocketAddress?

        package init(name: String, token: RoomToken, isHost: Bool, isExtended: Bool, address: SocketAddress?) {
            self.name = name
            self.token = token
            self.isHost = isHost
            self.isExtended = isExtended
            self.address = address
        }
    }

    /// A room as it is kept.
    package struct StoredRoom: Sendable {
        package var conversation: Conversation
        package var createdAt: Timestamp
        package var topic: String
        /// In the order in which they joined.
        package var members: [Member]
        /// The ids of the last messages, oldest first.
        package var recent: [(id: MessageID, offset: Int64)]
        /// The offsets that may be used: they were taken out of the store.
        package var reserved: Range<Int64>
    }

    /// Ids of messages that are read of each room when the server starts.
    static let recentIDs = 256

    /// All rooms, oldest first, with a first block of offsets each.
    ///
    /// - Parameter lobby: a room that is created where it is missing.
    package static func openRooms(
        lobby: RoomName?, at now: Timestamp, in store: MessageStore
    ) async throws(StoreError) -> [StoredRoom] {
        try await store.write { (transaction) throws(StoreError) in
            if let lobby, try transaction.findConversation(lobby.text) == nil {
                var generator = SystemRandomness()
                _ = try create(
                    lobby.text, createdAt: now, epoch: .random(using: &generator), nextOffset: 0, in: transaction)
            }
            var rooms = try readRooms(in: transaction)
            for index in rooms.indices {
                let conversation = rooms[index].conversation
                let page = Transaction.Page(
                    0..<conversation.nextOffset, .newestFirst, limit: recentIDs, includesText: false)
                rooms[index].recent = try transaction.messages(page, in: conversation.id).reversed().map {
                    ($0.id, $0.offset)
                }
                let first = try transaction.reserveOffsets(RoomRules.firstBlock, in: conversation.id)
                rooms[index].reserved = first..<first + RoomRules.firstBlock
            }
            return rooms
        }
    }

    /// All rooms and members as they are, oldest first.
    package static func readRooms(in transaction: borrowing Transaction) throws(StoreError) -> [StoredRoom] {
        var rooms: [StoredRoom] = []
        var places: [Int64: Int] = [:]
        var kept: [Int64: (created: Int64, topic: String)] = [:]
        for row in try transaction.rows("SELECT conversation, created, topic FROM room") {
            if case .integer(let id) = row[0], case .integer(let created) = row[1], case .text(let topic) = row[2] {
                kept[id] = (created, topic)
            }
        }
        for conversation in try transaction.conversations() {
            guard let room = kept[conversation.id.row] else { continue }
            places[conversation.id.row] = rooms.count
            rooms.append(
                StoredRoom(
                    conversation: conversation, createdAt: Timestamp(microseconds: room.created), topic: room.topic,
                    members: [], recent: [], reserved: conversation.nextOffset..<conversation.nextOffset))
        }
        let members = try transaction.rows(
            "SELECT token, conversation, name, host, extended, address, port, scope FROM member ORDER BY number")
        for row in members {
            guard case .blob(let bytes) = row[0], let token = MessageID(bytes: bytes[...]),
                case .integer(let id) = row[1], let place = places[id], case .text(let name) = row[2],
                case .integer(let host) = row[3], case .integer(let extended) = row[4]
            else { continue }
            rooms[place].members.append(
                Member(
                    name: name, token: RoomToken(high: token.high, low: token.low), isHost: host != 0,
                    isExtended: extended != 0, address: address(row[5], row[6], row[7])))
        }
        return rooms
    }

    private static func address(_ ip: SQLValue, _ port: SQLValue, _ scope: SQLValue) -> SocketAddress? {
        guard case .text(let text) = ip, let ip = IPAddress(parsing: text), case .integer(let number) = port,
            let port = UInt16(exactly: number), case .integer(let number) = scope, let scope = UInt32(exactly: number)
        else { return nil }
        return SocketAddress(ip: ip, port: port, scope: scope)
    }

    package static func create(
        _ name: String, createdAt: Timestamp, topic: String = "", epoch: Epoch, nextOffset: Int64,
        in transaction: borrowing Transaction
    ) throws(StoreError) -> Conversation {
        let conversation = try transaction.createConversation(name, epoch: epoch, nextOffset: nextOffset)
        try transaction.run(
            "INSERT INTO room (conversation, created, topic) VALUES (?, ?, ?)", .integer(conversation.id.row),
            .integer(createdAt.microseconds), .text(topic))
        return conversation
    }

    /// Keeps a member, or what has changed of it.
    package static func keep(
        _ member: Member, of conversation: ConversationID, in transaction: borrowing Transaction
    ) throws(StoreError) {
        try transaction.run(
            """
            INSERT INTO member (token, conversation, name, host, extended, address, port, scope)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (token) DO UPDATE SET host = excluded.host, extended = excluded.extended,
                address = excluded.address, port = excluded.port, scope = excluded.scope
            """,
            .blob(member.token.id.bytes), .integer(conversation.row), .text(member.name),
            .integer(member.isHost ? 1 : 0), .integer(member.isExtended ? 1 : 0),
            member.address.map { .text($0.ip.description) } ?? .null,
            member.address.map { .integer(Int64($0.port)) } ?? .null,
            member.address.map { .integer(Int64($0.scope)) } ?? .null)
    }
}

extension RoomToken {
    /// The 16 bytes that are kept.
    var id: MessageID { MessageID(high: high, low: low) }
}

// MARK: - What is committed

/// One change that waits for its commit. Rooms are named, because one that is new has no place in the store yet.
package enum RoomsChange: Sendable {
    case create(room: String, createdAt: Timestamp, epoch: Epoch, reserved: Int64, host: RoomsStorage.Member?)
    case keep(RoomsStorage.Member, room: String)
    case forget(RoomToken)
    case close(room: String)
    case topic(String, room: String)
    case message(Message)
    case reserve(Int64, room: String)
    /// The last change of a room before the server ends: offsets from there on were not used.
    case giveBack(from: Int64, room: String)

    package struct Message: Sendable {
        package let conversation: ConversationID
        package let offset: Int64
        package let id: MessageID
        package let author: String
        package let time: Timestamp
        package let text: String
    }

    /// Bytes that it holds, about.
    package var size: Int {
        switch self {
        case .message(let message): message.text.utf8.count + 128
        case .create, .keep, .forget, .close, .topic, .reserve, .giveBack: 256
        }
    }
}

/// What became of a change, when it is on the disk.
package enum RoomsOutcome: Sendable {
    case done
    case created(ConversationID)
    case appended(Appended)
    /// The first of the offsets.
    case reserved(Int64)
    /// The room that it is about is gone.
    case noSuchRoom
}

extension RoomsStorage {
    /// Carries out a batch in one transaction.
    package static func commit(
        _ batch: [RoomsChange], in store: MessageStore
    ) async -> Result<[RoomsOutcome], StoreError> {
        do throws(StoreError) {
            return .success(
                try await store.write { (transaction) throws(StoreError) in
                    var outcomes: [RoomsOutcome] = []
                    outcomes.reserveCapacity(batch.count)
                    for change in batch { outcomes.append(try carryOut(change, in: transaction)) }
                    return outcomes
                })
        } catch {
            return .failure(error)
        }
    }

    private static func carryOut(
        _ change: RoomsChange, in transaction: borrowing Transaction
    ) throws(StoreError) -> RoomsOutcome {
        switch change {
        case .message(let message):
            return .appended(
                try transaction.append(
                    id: message.id, author: message.author, time: message.time, subject: nil, text: message.text,
                    to: message.conversation, at: message.offset))
        case .create(let room, let createdAt, let epoch, let reserved, let host):
            let conversation = try create(
                room, createdAt: createdAt, epoch: epoch, nextOffset: reserved, in: transaction)
            if let host { try keep(host, of: conversation.id, in: transaction) }
            return .created(conversation.id)
        case .keep(let member, let room):
            guard let conversation = try transaction.findConversation(room) else { return .noSuchRoom }
            try keep(member, of: conversation.id, in: transaction)
        case .forget(let token):
            try transaction.run("DELETE FROM member WHERE token = ?", .blob(token.id.bytes))
        case .close(let room):
            guard let conversation = try transaction.findConversation(room) else { return .noSuchRoom }
            try transaction.run("DELETE FROM member WHERE conversation = ?", .integer(conversation.id.row))
            try transaction.run("DELETE FROM room WHERE conversation = ?", .integer(conversation.id.row))
            try transaction.removeConversation(conversation.id)
        case .topic(let topic, let room):
            guard let conversation = try transaction.findConversation(room) else { return .noSuchRoom }
            try transaction.run(
                "UPDATE room SET topic = ? WHERE conversation = ?", .text(topic), .integer(conversation.id.row))
        case .reserve(let count, let room):
            guard let conversation = try transaction.findConversation(room) else { return .noSuchRoom }
            return .reserved(try transaction.reserveOffsets(count, in: conversation.id))
        case .giveBack(let offset, let room):
            guard let conversation = try transaction.findConversation(room) else { return .noSuchRoom }
            try transaction.returnOffsets(from: offset, in: conversation.id)
        }
        return .done
    }
}

// MARK: - What is read

/// Messages that somebody asks for.
package struct RoomsPage: Sendable {
    package let conversation: ConversationID
    package let page: Transaction.Page
}

extension RoomsStorage {
    /// Reads the pages of a batch.
    package static func read(
        _ batch: [RoomsPage], in store: MessageStore
    ) async -> Result<[[KeptMessage]], StoreError> {
        do throws(StoreError) {
            return .success(
                try await store.read { (transaction) throws(StoreError) in
                    var pages: [[KeptMessage]] = []
                    for page in batch { pages.append(try transaction.messages(page.page, in: page.conversation)) }
                    return pages
                })
        } catch {
            return .failure(error)
        }
    }
}

import Delivery
import Wire

/// Messages of conversations in memory, in the order of their offsets, and what undoes the transaction under way.
struct Memtable {
    /// What a message takes beside what people wrote, in bytes, about.
    static let overhead = 256

    private struct Messages {
        /// In the order of their offsets.
        var list: [KeptMessage] = []
        var offsets: [MessageID: Int64] = [:]

        /// The offset behind the last message; 0 where there is none.
        var end: Int64 { list.isEmpty ? 0 : list[list.count - 1].offset + 1 }

        /// The index of the first message at an offset or behind it.
        func index(of offset: Int64) -> Int {
            // Most come to the end. By its index: `last` would copy the whole message.
            guard end > offset else { return list.count }
            return list.partitioningIndex { $0.offset >= offset }
        }

        /// Adds a message unless its id or its place is taken.
        mutating func add(_ message: KeptMessage) -> Outcome {
            // One search of the ids: a repeat is rare, and is put right.
            if let known = offsets.updateValue(message.offset, forKey: message.id) {
                offsets[message.id] = known
                return .isRepeat(known)
            }
            if end <= message.offset {
                list.append(message)
                return .added
            }
            let index = index(of: message.offset)
            guard list[index].offset != message.offset else {
                offsets[message.id] = nil
                return .placeTaken
            }
            list.insert(message, at: index)
            return .added
        }
    }

    enum Outcome {
        case added
        /// The conversation has a message with that id at this offset.
        case isRepeat(Int64)
        /// Another message has the place.
        case placeTaken
    }

    private enum Change {
        case added(ConversationID, offset: Int64)
        case removed(ConversationID, [KeptMessage])
    }

    private var conversations: [ConversationID: Messages] = [:]
    /// What the transaction under way has done.
    private var changes: [Change] = []
    private(set) var count = 0
    /// Bytes that the messages take, about.
    private(set) var size = 0

    // MARK: - Reading

    func offset(of id: MessageID, in conversation: ConversationID) -> Int64? {
        conversations[conversation]?.offsets[id]
    }

    func hasMessage(at offset: Int64, in conversation: ConversationID) -> Bool {
        guard let messages = conversations[conversation] else { return false }
        let index = messages.index(of: offset)
        return index < messages.list.count && messages.list[index].offset == offset
    }

    /// The offset behind the last message; 0 where there is none.
    func end(of conversation: ConversationID) -> Int64 {
        conversations[conversation]?.end ?? 0
    }

    /// The messages at some offsets, oldest first.
    func messages(at offsets: Range<Int64>, in conversation: ConversationID) -> ArraySlice<KeptMessage> {
        guard let messages = conversations[conversation] else { return [] }
        return messages.list[messages.index(of: offsets.lowerBound)..<messages.index(of: offsets.upperBound)]
    }

    /// Hands everything over, conversation by conversation, in the order of their keys.
    func forEach<Failure: Error>(
        _ body: (ConversationID, [KeptMessage]) throws(Failure) -> Void
    ) throws(Failure) {
        for conversation in conversations.keys.sorted(by: { $0.row < $1.row }) {
            try body(conversation, conversations[conversation]!.list)
        }
    }

    // MARK: - Changing

    /// Adds a message to its conversation, unless its id or its place is taken there.
    mutating func add(_ message: KeptMessage, to conversation: ConversationID) -> Outcome {
        let outcome = conversations[conversation, default: Messages()].add(message)
        guard case .added = outcome else { return outcome }
        changes.append(.added(conversation, offset: message.offset))
        count += 1
        size += Self.size(of: message)
        return .added
    }

    /// Removes the messages of a conversation below an offset.
    mutating func remove(in conversation: ConversationID, before offset: Int64) {
        guard let messages = conversations[conversation] else { return }
        let gone = Array(messages.list[..<messages.index(of: offset)])
        guard !gone.isEmpty else { return }
        changes.append(.removed(conversation, gone))
        for message in gone { conversations[conversation]!.offsets[message.id] = nil }
        conversations[conversation]!.list.removeFirst(gone.count)
        if conversations[conversation]!.list.isEmpty { conversations[conversation] = nil }
        count -= gone.count
        size -= gone.reduce(0) { $0 + Self.size(of: $1) }
    }

    mutating func removeAll() {
        for (conversation, messages) in conversations { changes.append(.removed(conversation, messages.list)) }
        conversations.removeAll(keepingCapacity: true)
        count = 0
        size = 0
    }

    /// Makes what was done since the last call final.
    mutating func commit() { changes.removeAll(keepingCapacity: true) }

    /// Undoes what was done since the last commit.
    mutating func rollback() {
        for change in changes.reversed() {
            switch change {
            case .added(let conversation, let offset): takeBack(offset, in: conversation)
            case .removed(let conversation, let messages):
                for message in messages { _ = add(message, to: conversation) }
            }
        }
        changes.removeAll()
    }

    private mutating func takeBack(_ offset: Int64, in conversation: ConversationID) {
        let index = conversations[conversation]!.index(of: offset)
        let message = conversations[conversation]!.list.remove(at: index)
        conversations[conversation]!.offsets[message.id] = nil
        if conversations[conversation]!.list.isEmpty { conversations[conversation] = nil }
        count -= 1
        size -= Self.size(of: message)
    }

    private static func size(of message: KeptMessage) -> Int { message.size + overhead }
}

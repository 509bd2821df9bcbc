package import Delivery

/// Names a conversation in one store. Valid until the conversation is removed; never given to another.
package struct ConversationID: Hashable, Sendable {
    /// Its row, for the tables of a mode that refer to it.
    package let row: Int64

    package init(row: Int64) { self.row = row }

    /// Bits of a message's key that hold its offset; the others hold the conversation.
    static let offsetBits: Int64 = 40
    /// Offsets are smaller than this: 2^40.
    package static let offsetLimit: Int64 = 1 << offsetBits

    func key(_ offset: Int64) -> Int64 { row << Self.offsetBits | offset }
    /// The conversation of a message by its key.
    init(key: Int64) { row = key >> Self.offsetBits }
    static func offset(_ key: Int64) -> Int64 { key & (offsetLimit - 1) }
}

/// A conversation and where it stands.
package struct Conversation: Hashable, Sendable {
    package let id: ConversationID
    package let name: String

    /// New when the conversation was lost or removed and begun again.
    package let epoch: Epoch

    /// The offset that the next message gets.
    package let nextOffset: Int64
}

/// Where an appended message stands.
package struct Appended: Hashable, Sendable {
    package let offset: Int64

    /// True where the conversation had a message with this id already: nothing was added, and the offset is that one's.
    package let isRepeat: Bool

    package init(offset: Int64, isRepeat: Bool) {
        self.offset = offset
        self.isRepeat = isRepeat
    }
}

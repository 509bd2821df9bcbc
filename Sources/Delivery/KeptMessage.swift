package import Wire

/// Which life of a conversation its offsets belong to: new when the store that held it was lost, so that a reader who
/// comes back with an offset of another life is told of the gap instead of getting the wrong messages.
package struct Epoch: Hashable, Sendable, CustomStringConvertible {
    package let value: UInt64

    package init(value: UInt64) { self.value = value }

    package static func random(using generator: inout some RandomNumberGenerator) -> Epoch {
        Epoch(value: generator.next())
    }

    /// 16 lower-case hexadecimal digits.
    package var hex: String {
        var writer = ByteWriter(reserving: 16)
        writer.append(hexadecimal: value)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// Reads what `hex` gave; nil for anything else.
    package init?(hex: String) {
        var hex = hex
        guard let value = hex.withUTF8({ word(hexadecimal: $0) }) else { return nil }
        self.value = value
    }

    package var description: String { hex }
}

extension JSONWriter {
    package mutating func member(_ key: StaticString, _ epoch: Epoch) { member(key, hexadecimal: epoch.value) }
}

/// A message that a conversation has kept.
package struct KeptMessage: Hashable, Sendable {
    /// Its place in the conversation: 0, 1, 2 and so on, never used twice. The board shows it as the message's ID.
    package let offset: Int64

    /// Made by the author's program before the first attempt to send; a second attempt carries the same.
    package let id: MessageID

    package let author: String
    package let time: Timestamp
    package let subject: String?

    /// As the author sent it: whatever shows it neutralises it.
    package let text: String

    package init(offset: Int64, id: MessageID, author: String, time: Timestamp, subject: String?, text: String) {
        self.offset = offset
        self.id = id
        self.author = author
        self.time = time
        self.subject = subject
        self.text = text
    }

    /// The same message without its text: what a list shows.
    package var withoutText: KeptMessage {
        KeptMessage(offset: offset, id: id, author: author, time: time, subject: subject, text: "")
    }

    /// Bytes of what people wrote, for limits of pages and queues.
    package var size: Int { text.utf8.count + (subject?.utf8.count ?? 0) + author.utf8.count }
}

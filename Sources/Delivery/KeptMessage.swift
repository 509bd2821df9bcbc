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
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// Reads what `hex` gave; nil for anything else.
    package init?(hex: String) {
        guard hex.utf8.count == 16, hex.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }) else {
            return nil
        }
        guard let value = UInt64(hex, radix: 16) else { return nil }
        self.value = value
    }

    package var description: String { hex }
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

    /// Bytes of what people wrote, for limits of pages and queues.
    package var size: Int { text.utf8.count + (subject?.utf8.count ?? 0) + author.utf8.count }
}

import Delivery
import Store
import Wire

/// A message to append.
struct Sample: Sendable {
    var id: MessageID
    var author: String
    var subject: String?
    var text: String
    var time: Timestamp

    init(id: Int, author: String, subject: String?, text: String) {
        self.id = MessageID(high: 0, low: UInt64(id))
        self.author = author
        self.subject = subject
        self.text = text
        time = Timestamp(microseconds: 1_795_188_924_000_000 + Int64(id))
    }

    static func sample(_ number: Int, bytes: Int = 20) -> Sample {
        Sample(id: number, author: "author", subject: "subject", text: String(repeating: "x", count: bytes))
    }
}

extension Transaction {
    func append(_ sample: Sample, to conversation: ConversationID, at offset: Int64? = nil) throws(StoreError)
        -> Appended
    {
        try append(
            id: sample.id, author: sample.author, time: sample.time, subject: sample.subject, text: sample.text,
            to: conversation, at: offset)
    }
}

package import Wire

/// The answers to the last requests of a client, so that a repeated request gets the first answer again and has no
/// second effect.
package struct UDPAnswerMemory: Sendable {
    /// Answers that are remembered.
    package static let limit = 16
    /// A request without an id that is repeated within this time of its last copy is a retransmission: an original
    /// repeats every 0.5 s, and this bridges one lost copy.
    package static let repetitionWindow: Duration = .milliseconds(1_250)
    /// A text without an id counts as a retransmission during the six sends of an original.
    package static let textWindow: Duration = .seconds(3)

    private struct Entry: Sendable {
        var request: UDPMessage.Body
        var id: MessageID?
        var answer: [UDPMessage]
        var first: MonotonicTime
        var last: MonotonicTime
    }

    private var entries: [Entry] = []

    package init() {}

    /// The first answer, when this is a repeated request.
    package mutating func answer(
        to request: UDPMessage.Body, id: MessageID?, at now: MonotonicTime
    ) -> [UDPMessage]? {
        let index = entries.lastIndex { entry in
            if let id { return entry.id == id && entry.request == request }
            // Without an id, only what would have a second effect; everything else is answered by how things are now.
            guard entry.id == nil, entry.request == request else { return false }
            return switch request {
            case .groupMessage: now - entry.first < Self.textWindow
            case .createGroup: now - entry.last < Self.repetitionWindow
            default: false
            }
        }
        guard let index else { return nil }
        entries[index].last = now
        return entries[index].answer
    }

    package mutating func remember(
        _ answer: [UDPMessage], to request: UDPMessage.Body, id: MessageID?, at now: MonotonicTime
    ) {
        entries.append(Entry(request: request, id: id, answer: answer, first: now, last: now))
        if entries.count > Self.limit { entries.removeFirst() }
    }
}

import Wire

/// Turns events into JSON objects, one a line (`Protocols.md`, "Events as JSON").
struct JSONLines {
    /// The version of the schema: it grows when a field changes its meaning or goes; new fields do not change it.
    static let schemaVersion = 1

    /// The value of `mode`.
    let mode: String

    func append(_ event: ConsoleEvent, fields: JSONObject, at moment: Timestamp, to bytes: inout [UInt8]) {
        var object = ObjectWriter(bytes: bytes)
        bytes = []
        defer { bytes = object.finish() }
        object.number("v", Int64(Self.schemaVersion))
        object.word("event", event.name)
        object.field("mode", exact: mode)
        if case .message(let message) = event {
            object.field("time", exact: message.time.rfc3339)
            append(message, to: &object)
        } else {
            object.field("time", exact: moment.rfc3339)
            append(event, to: &object)
        }
        for (key, value) in fields.members { object.attached(key, value) }
    }

    private func append(_ message: ChatMessage, to object: inout ObjectWriter) {
        object.field("id", exact: message.id)
        object.field("sender", message.sender)
        object.field("text", exact: message.text)
        if let conversation = message.conversation { object.field("conversation", conversation) }
        if let offset = message.offset { object.number("offset", Int64(clamping: offset)) }
        if let subject = message.subject { object.field("subject", subject) }
        if let recipient = message.recipient { object.field("to", recipient) }
        object.flag("own", message.isOwn)
        if message.kind == .action { object.flag("action", true) }
        if message.isCaughtUp { object.flag("caught_up", true) }
    }

    private func append(_ event: ConsoleEvent, to object: inout ObjectWriter) {
        switch event {
        case .listening(let host, let port):
            object.field("host", host)
            object.number("port", Int64(port))
        case .connected(let peer): object.field("peer", peer)
        case .disconnected(let peer, let reason):
            object.field("peer", peer)
            object.field("reason", reason)
        case .joined(let name, let conversation), .left(let name, let conversation), .lost(let name, let conversation):
            object.field("name", name)
            if let conversation { object.field("conversation", conversation) }
        case .ready, .message: break
        case .delivery(let id, let state, let recipient, _):
            object.field("id", exact: id)
            object.field("state", exact: state.rawValue)
            if let recipient { object.field("to", recipient) }
        case .gap(let from, let to, let conversation):
            object.number("from", Int64(clamping: from))
            object.number("to", Int64(clamping: to))
            if let conversation { object.field("conversation", conversation) }
        case .closed(let reason): object.field("reason", reason)
        case .notice(let text), .error(let text): object.field("text", text)
        case .answer(let lines): object.lines("lines", lines)
        }
    }
}

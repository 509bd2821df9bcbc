package import Wire

/// Everything a mode has to say to the person or program that runs it.
///
/// Each case knows its human lines, its stream in plain mode and its JSON object (`Protocols.md`, "Events as JSON").
/// A mode attaches further JSON fields where it calls `Console.show(_:fields:)`.
package enum ConsoleEvent: Sendable, Equatable {
    /// A port is open: what was taken, with port 0 resolved.
    case listening(host: SafeText, port: UInt16)

    case connected(peer: SafeText)

    case disconnected(peer: SafeText, reason: SafeText)

    /// Somebody is there now.
    case joined(name: SafeText, conversation: SafeText? = nil)

    /// Somebody said goodbye.
    case left(name: SafeText, conversation: SafeText? = nil)

    /// Somebody fell silent.
    case lost(name: SafeText, conversation: SafeText? = nil)

    /// Set up, and from now on able to send: scripts wait for it.
    case ready

    case message(ChatMessage)

    /// A message of one's own has come a step further. `note` is what a person reads of it, where the mode has words
    /// of its own ("Message received by NAME"); without one, success is silent and failure has a standard sentence.
    case delivery(id: String, state: DeliveryState, to: SafeText? = nil, note: SafeText? = nil)

    /// Messages `from` to `to` of a conversation, both included, exist and cannot be had any more.
    case gap(from: UInt64, to: UInt64, conversation: SafeText? = nil)

    /// The conversation or the session is over.
    case closed(reason: SafeText)

    /// Something worth knowing.
    case notice(SafeText)

    /// Something that went wrong, as a sentence that says what to do.
    case error(SafeText)

    /// The answer to a command, line by line.
    case answer([SafeText])

    /// The value of the JSON field `event`.
    package var name: StaticString {
        switch self {
        case .listening: "listening"
        case .connected: "connected"
        case .disconnected: "disconnected"
        case .joined: "joined"
        case .left: "left"
        case .lost: "lost"
        case .ready: "ready"
        case .message: "message"
        case .delivery: "delivery"
        case .gap: "gap"
        case .closed: "closed"
        case .notice: "notice"
        case .error: "error"
        case .answer: "answer"
        }
    }
}

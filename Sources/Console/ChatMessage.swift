package import Wire

/// How far a message of one's own has come.
package enum DeliveryState: String, Sendable, CaseIterable {
    /// It has left this program.
    case sent
    /// The other end has taken responsibility for it: it is committed there.
    case accepted
    /// It was shown to its reader.
    case delivered
    /// It is kept for a reader who is away.
    case stored
    /// Nobody can know: it may or may not have been shown. A late acknowledgement upgrades it.
    case noanswer
    /// It was not sent, and will not be.
    case failed

    /// True for the two states that make a piped run end with status 2.
    package var isFailure: Bool {
        switch self {
        case .noanswer, .failed: true
        case .sent, .accepted, .delivered, .stored: false
        }
    }
}

/// A message as it is shown: on the screen, as a plain line, as a JSON object.
package struct ChatMessage: Sendable, Equatable {
    /// What it is, beside ordinary text.
    package enum Kind: Sendable, Equatable {
        /// `NAME: text`
        case text
        /// `/me`: `* NAME text`
        case action
    }

    /// The id as its mode writes it, unique within a conversation. JSON `id`.
    package var id: String

    /// The author's name. Ignored by the human view where `isOwn` is true, which shows `You`. JSON `sender`.
    package var sender: SafeText

    /// What identifies the author for colours, `/ignore` and completion: the case-folded name, or an id where names
    /// are not unique.
    package var senderKey: String

    /// The text as it was written, with its line breaks: untrusted. The views neutralise it, and JSON carries it
    /// exactly, with what could do harm as escapes. JSON `text`.
    package var text: String

    /// When it was written, by its author's clock. JSON `time`.
    package var time: Timestamp

    /// The group or room, where the mode has several. JSON `conversation`.
    package var conversation: SafeText?

    /// What the human view shows in place of the conversation, where the mode has words of its own.
    package var label: SafeText?

    /// Its place in the conversation. JSON `offset`.
    package var offset: UInt64?

    /// JSON `subject`.
    package var subject: SafeText?

    /// To whom, where it is for one person only. JSON `to`.
    package var recipient: SafeText?

    package var kind: Kind

    /// Written here. JSON `own`.
    package var isOwn: Bool

    /// Of one's own, and not yet known to be sent: shown dim until a `delivery` event with its id follows. The mode
    /// that sets it must send that event.
    package var isPending: Bool

    /// Caught up after an absence: it neither rings nor is highlighted. JSON `caught_up`.
    package var isCaughtUp: Bool

    package init(
        id: String, sender: SafeText, senderKey: String? = nil, text: String, time: Timestamp,
        conversation: SafeText? = nil, offset: UInt64? = nil, subject: SafeText? = nil,
        recipient: SafeText? = nil, kind: Kind = .text, isOwn: Bool = false, isPending: Bool = false,
        isCaughtUp: Bool = false
    ) {
        self.id = id
        self.sender = sender
        self.senderKey = senderKey ?? nameKey(sender.string)
        self.text = text
        self.time = time
        self.conversation = conversation
        self.offset = offset
        self.subject = subject
        self.recipient = recipient
        self.kind = kind
        self.isOwn = isOwn
        self.isPending = isPending
        self.isCaughtUp = isCaughtUp
    }
}

package import Delivery
package import Wire

/// What the server answers to a request, before it is spelled as text or as JSON.
package enum BoardAnswer: Equatable, Sendable {
    /// The connection may speak JSON from here on.
    case ready(name: String)
    /// Groups, in their order; `total` counts those that the page leaves out, `next` is the name after which to go on.
    case groups([GroupDescription], total: Int, next: String?)
    case joined(JoinedGroup)
    case alreadyMember(group: String)
    case posted(group: String, epoch: Epoch, offset: Int64, id: MessageID, time: Timestamp)
    case users(group: String, [String])
    case left(group: String)
    case message(group: String, epoch: Epoch, KeptMessage)
    /// A `message` whose members were written before (`BoardJSONWriter.members`), for a connection that speaks JSON.
    case encodedMessage([UInt8])
    /// The history that follows a join whose first line has gone out already.
    case joinedHistory(GroupHistory)
    case history(GroupHistory)
    case caughtUp(CatchUp)
    case created(group: String)
    case alreadyConnected
    case pong
    case help
    case goodbye
    /// The line is no command.
    case unknown(String)
    case noSuchGroup(String)
    case noSuchMessage(group: String, id: String)
    case notMember(group: String, MembersOnly)
    case groupExists(group: String)
    case groupFull(group: String)
    case refused(BoardRefusal)

    /// What only members may do; the text says which it was.
    package enum MembersOnly: String, Sendable, CaseIterable { case post, list, read, users, leave, since }
}

package struct GroupDescription: Equatable, Sendable {
    package let name: String
    package let visibility: VisibilityRule
    package let isMember: Bool

    package init(name: String, visibility: VisibilityRule, isMember: Bool) {
        self.name = name
        self.visibility = visibility
        self.isMember = isMember
    }
}

/// What a join brings: the history for who reads text, the place in the log for who reads JSON.
package struct JoinedGroup: Equatable, Sendable {
    package let group: String
    package let epoch: Epoch
    /// The offset of the next post: what has this one or a later one arrives as an event.
    package let nextOffset: Int64
    package let firstVisible: Int64
    /// Nil where nothing is kept for a return.
    package let resume: ResumeSecret?
    /// True where a secret gave an earlier join point back.
    package let isResumed: Bool
    /// The page that text shows.
    package let history: GroupHistory?

    package init(
        group: String, epoch: Epoch, nextOffset: Int64, firstVisible: Int64, resume: ResumeSecret?, isResumed: Bool,
        history: GroupHistory?
    ) {
        self.group = group
        self.epoch = epoch
        self.nextOffset = nextOffset
        self.firstVisible = firstVisible
        self.resume = resume
        self.isResumed = isResumed
        self.history = history
    }
}

/// A page of what a member may see, without the texts.
package struct GroupHistory: Equatable, Sendable {
    package let group: String
    package let epoch: Epoch
    /// Oldest first; their texts are empty.
    package let messages: [KeptMessage]
    /// The offset before which more is visible; nil where this page holds the first.
    package let earlier: Int64?

    package init(group: String, epoch: Epoch, messages: [KeptMessage], earlier: Int64?) {
        self.group = group
        self.epoch = epoch
        self.messages = messages
        self.earlier = earlier
    }
}

/// A page of what came after the offset that a client knew.
package struct CatchUp: Equatable, Sendable {
    package let group: String
    package let epoch: Epoch
    /// Oldest first.
    package let messages: [KeptMessage]
    /// Offsets after the client's that it may not see or that are no more; nil where nothing is missing.
    package let gap: ClosedRange<Int64>?
    /// Ask again after this offset; nil where this page holds the last.
    package let next: Int64?
    /// True where the client's offset belongs to another life of the group: what it knows is void.
    package let isReset: Bool

    package init(
        group: String, epoch: Epoch, messages: [KeptMessage], gap: ClosedRange<Int64>?, next: Int64?, isReset: Bool
    ) {
        self.group = group
        self.epoch = epoch
        self.messages = messages
        self.gap = gap
        self.next = next
        self.isReset = isReset
    }
}

/// What happens without a request, told to every member but the one who did it.
package enum BoardEvent: Equatable, Sendable {
    case joined(group: String, name: String)
    case left(group: String, name: String)
    case posted(group: String, epoch: Epoch, KeptMessage)
    /// The server ends the connection, and why.
    case closing(SafeText)
}

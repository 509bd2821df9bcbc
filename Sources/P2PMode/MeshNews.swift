package import Wire

/// What the mesh machine asks of its surroundings.
package enum MeshEffect: Equatable, Sendable {
    /// Connect; answered by `opened(_:direction:remote:at:)` with this number, or by `dialFailed`.
    case dial(Int, Endpoint)
    case cancelDial(Int)
    /// One frame of the extension: encoded once for all of them.
    case send(MeshFrame, to: [LinkID])
    /// Something for people at original programs, in their dialect: encoded once for all of them.
    case say(SpokenLine, to: [LinkID], in: Dialect)
    /// Close after what was sent has left.
    case close(LinkID)
    /// Close at once.
    case reset(LinkID)
    /// Read no further until `resume`.
    case slowDown(LinkID)
    case resume(LinkID)
    /// Call `timePassed` then; replaces what was asked before. `nil`: never.
    case wake(at: MonotonicTime?)
    case tell(MeshNews)
    /// Keep it for the next start.
    case keep(MeshMessage)
}

/// What the person is told.
package enum MeshNews: Equatable, Sendable {
    case connected(peer: SafeText, isOriginal: Bool)
    case disconnected(peer: SafeText, isOriginal: Bool, LinkEnd)
    /// Nobody answers there; it is tried again.
    case unreachable(SafeText, reason: SafeText)
    case joined(SafeText)
    /// Was lost and is back.
    case returned(SafeText)
    case left(SafeText)
    case lost(SafeText)
    case renamed(from: SafeText, to: SafeText)
    case guestJoined(SafeText, at: SafeText?)
    case guestLeft(SafeText, at: SafeText?)
    case message(ShownMessage)
    /// A message of one's own has left: to members, who acknowledge it, and to original programs, which do not.
    case sent(id: String, members: Int, originals: Int)
    /// Nobody is connected. It is kept for those who come, unless nobody of ours ever can.
    case unsent(id: String, isKept: Bool)
    case delivered(id: String, to: SafeText)
    /// A whisper that nobody has acknowledged, or nobody can.
    case failed(id: String, to: SafeText)
    /// Messages that nobody has any more.
    case gap(author: SafeText, from: UInt64, through: UInt64)
    case notice(MeshNotice)
}

package enum MeshNotice: Equatable, Sendable {
    /// An original program says more than is admitted.
    case slowedDown(SafeText)
    case refusesLines(SafeText)
    case closedForFlood(SafeText)
    /// So many connections were closed as soon as they were made.
    case tooManyArrivals(Int)
    /// So many more of the notices above and of the next one were not shown.
    case leftOut(Int)
    /// What it said does not fit into a frame of the mesh: shown here only.
    case notPassedOn(SafeText)
    /// The address that was typed is this program's own.
    case dialledOneself(SafeText)
}

/// Why something typed was not sent.
package enum SayError: Error, Equatable, Sendable {
    case empty
    case tooLong(byCharacters: Int)
    /// Fits our own programs but not the original ones that are connected.
    case tooLongForOriginals(byCharacters: Int)
    case unknownName(SafeText)
    case ambiguousName(SafeText, candidates: [SafeText])
    /// An original program that only another node talks to.
    case outOfReach(SafeText, at: SafeText)
    case oneself
}

package enum LinkEnd: Equatable, Sendable {
    /// The other end said goodbye.
    case left
    /// The other end closed.
    case closed
    /// The connection broke.
    case broken(SafeText)
    /// No sign of life.
    case silent
    case flood
    /// This end closed.
    case here
}

/// A message as it is shown.
package struct ShownMessage: Equatable, Sendable {
    package var id: String
    package var sender: SafeText
    /// Stays the same when the name changes.
    package var senderKey: String
    package var text: String
    package var time: Timestamp
    package var isOwn: Bool
    package var isAction: Bool
    package var isCaughtUp: Bool
    /// Set for a whisper: to whom it was sent.
    package var whisperedTo: SafeText?

    package init(
        id: String, sender: SafeText, senderKey: String, text: String, time: Timestamp, isOwn: Bool = false,
        isAction: Bool = false, isCaughtUp: Bool = false, whisperedTo: SafeText? = nil
    ) {
        self.id = id
        self.sender = sender
        self.senderKey = senderKey
        self.text = text
        self.time = time
        self.isOwn = isOwn
        self.isAction = isAction
        self.isCaughtUp = isCaughtUp
        self.whisperedTo = whisperedTo
    }
}

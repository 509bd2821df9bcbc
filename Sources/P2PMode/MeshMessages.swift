package import Wire

/// What our own ends say to each other: the extension of the "json" dialect (Protocols.md, "p2p: our own extension").
///
///     u16be length | {"chat": {"v": 1, "kind": KIND, ...}}
///
/// Everything stands inside the object `chat`, so that a program which does not know it sees one unknown field. Only the
/// greeting, the goodbye and a typed line are at the same time complete chat frames, because they may reach an original.
package enum MeshFrame: Equatable, Sendable {
    /// The first frame of every connection, in both directions.
    case hello(MeshHello)
    /// Something said, with the id that makes it the same message by whichever way it comes.
    case message(MeshMessage)
    /// What one member says about itself: name, neighbours, guests. Flooded.
    case member(MemberRecord)
    /// The last frame of a connection, with the reason.
    case bye(MeshBye)
    /// Addresses at which the sender itself has reached other members.
    case peers([PeerAddress])
    case ping(UInt64)
    case pong(UInt64)
    /// A short digest of what the sender has: equal digests end a comparison.
    case sum(MeshSum)
    /// What the sender has in full, to compare with.
    case have(MeshHave)
    /// A request for the messages that are missing.
    case want([WantedRange])
    /// The end of one answer to `want`.
    case page(MeshPage)
    /// Which members have shown which messages; travels towards their authors.
    case ack([MeshAck])
    /// A message to one member, passed on through others if need be.
    case whisper(MeshWhisper)
    /// The answer of a whisper's receiver.
    case heard(WhisperReceipt)
    /// A kind of a later version; ignored.
    case unknown
}

/// Who is at the other end.
package struct MeshHello: Equatable, Sendable {
    package var node: NodeID
    package var name: String
    /// Where the sender accepts connections; 0 when it accepts none.
    package var port: UInt16
    /// The connection only finds out who answers at an address; it carries nothing else.
    package var isProbe: Bool

    package init(node: NodeID, name: String, port: UInt16, isProbe: Bool = false) {
        self.node = node
        self.name = name
        self.port = port
        self.isProbe = isProbe
    }
}

/// One message of the conversation. (author, sequence) is its id.
package struct MeshMessage: Equatable, Sendable {
    /// The node at which the message entered the mesh.
    package var author: NodeID
    /// 1, 2, 3... per author, without holes.
    package var sequence: UInt64
    /// When it was said, by its author's clock.
    package var time: Timestamp
    package var sender: String
    package var text: String
    /// Said in the third person (`/me`).
    package var isAction: Bool
    /// Set when an original program said it to the author's node.
    package var guest: GuestLine?
    /// Sent in answer to a request, not when it was said.
    package var isCaughtUp: Bool

    package init(
        author: NodeID, sequence: UInt64, time: Timestamp, sender: String, text: String, isAction: Bool = false,
        guest: GuestLine? = nil, isCaughtUp: Bool = false
    ) {
        self.author = author
        self.sequence = sequence
        self.time = time
        self.sender = sender
        self.text = text
        self.isAction = isAction
        self.guest = guest
        self.isCaughtUp = isCaughtUp
    }

    package var id: String { "\(author.hex)-\(sequence)" }
}

/// What makes two copies of an original program's line one message.
package struct GuestLine: Equatable, Sendable {
    /// Derived from what the program says about itself; the same at every node it talks to.
    package var person: NodeID
    /// Derived from the content of the line.
    package var digest: NodeID
    /// Whether the content held a time. Without one, equal digests mean a copy only when they are close in time.
    package var isTimed: Bool

    package init(person: NodeID, digest: NodeID, isTimed: Bool) {
        self.person = person
        self.digest = digest
        self.isTimed = isTimed
    }
}

/// What a member says about itself. The higher version replaces the lower.
package struct MemberRecord: Equatable, Sendable {
    package var node: NodeID
    package var version: UInt64
    package var name: String
    /// Said goodbye. Nothing follows.
    package var hasLeft: Bool
    /// The members it has a connection to.
    package var links: [NodeID]
    /// The original programs that talk to it, as far as they have given a name.
    package var guests: [GuestRecord]

    package init(
        node: NodeID, version: UInt64, name: String, hasLeft: Bool = false, links: [NodeID] = [],
        guests: [GuestRecord] = []
    ) {
        self.node = node
        self.version = version
        self.name = name
        self.hasLeft = hasLeft
        self.links = links
        self.guests = guests
    }
}

/// An original program, as the node that talks to it announces it.
package struct GuestRecord: Equatable, Hashable, Sendable {
    package var person: NodeID
    package var name: String

    package init(person: NodeID, name: String) {
        self.person = person
        self.name = name
    }
}

package struct MeshBye: Equatable, Sendable {
    package enum Reason: String, Sendable {
        /// The program ends. `version` is that of its last record.
        case leaving
        /// This is the spare one of two connections between the same pair.
        case duplicate
    }

    package var node: NodeID
    package var reason: Reason
    package var version: UInt64

    package init(node: NodeID, reason: Reason, version: UInt64 = 0) {
        self.node = node
        self.reason = reason
        self.version = version
    }
}

/// A member and where it was reached.
package struct PeerAddress: Equatable, Sendable {
    package var node: NodeID
    package var address: SocketAddress

    package init(node: NodeID, address: SocketAddress) {
        self.node = node
        self.address = address
    }
}

package struct MeshSum: Equatable, Sendable {
    /// Over (author, last sequence without a hole before it) of every author whose messages are kept.
    package var log: UInt64
    /// Over (node, version) of every member record.
    package var members: UInt64

    package init(log: UInt64, members: UInt64) {
        self.log = log
        self.members = members
    }
}

package struct MeshHave: Equatable, Sendable {
    package struct Author: Equatable, Sendable {
        package var node: NodeID
        package var last: UInt64

        package init(_ node: NodeID, _ last: UInt64) {
            self.node = node
            self.last = last
        }
    }

    package struct Member: Equatable, Sendable {
        package var node: NodeID
        package var version: UInt64

        package init(_ node: NodeID, _ version: UInt64) {
            self.node = node
            self.version = version
        }
    }

    package var authors: [Author]
    package var members: [Member]
    /// Asks for the receiver's own `have`.
    package var wantsAnswer: Bool

    package init(authors: [Author], members: [Member], wantsAnswer: Bool) {
        self.authors = authors
        self.members = members
        self.wantsAnswer = wantsAnswer
    }
}

package struct WantedRange: Equatable, Sendable {
    package var author: NodeID
    package var from: UInt64
    package var through: UInt64

    package init(_ author: NodeID, from: UInt64, through: UInt64) {
        self.author = author
        self.from = from
        self.through = through
    }
}

package struct MeshPage: Equatable, Sendable {
    /// What was asked for and is no longer kept.
    package var gone: [WantedRange]
    /// The answer was cut at the page limit; ask again for the rest.
    package var hasMore: Bool

    package init(gone: [WantedRange] = [], hasMore: Bool = false) {
        self.gone = gone
        self.hasMore = hasMore
    }
}

/// `by` has shown every message of `author` up to `sequence`.
package struct MeshAck: Equatable, Sendable {
    package var author: NodeID
    package var by: NodeID
    package var sequence: UInt64

    package init(author: NodeID, by: NodeID, sequence: UInt64) {
        self.author = author
        self.by = by
        self.sequence = sequence
    }
}

package struct MeshWhisper: Equatable, Sendable {
    package var id: MessageID
    package var from: NodeID
    package var to: NodeID
    /// How many more times it may be passed on.
    package var hops: Int
    package var time: Timestamp
    package var sender: String
    package var text: String

    package init(
        id: MessageID, from: NodeID, to: NodeID, hops: Int, time: Timestamp, sender: String, text: String
    ) {
        self.id = id
        self.from = from
        self.to = to
        self.hops = hops
        self.time = time
        self.sender = sender
        self.text = text
    }
}

package struct WhisperReceipt: Equatable, Sendable {
    package var id: MessageID
    package var from: NodeID
    package var to: NodeID
    package var hops: Int

    package init(id: MessageID, from: NodeID, to: NodeID, hops: Int) {
        self.id = id
        self.from = from
        self.to = to
        self.hops = hops
    }
}

package import Wire

/// What the client has to tell the person, or the program, that uses it. Texts and names are as they came: whoever shows
/// them neutralises them.
package enum UDPClientEvent: Sendable, Equatable {
    /// How far a message of one's own has come.
    package enum DeliveryState: String, Sendable, Equatable {
        case sent, accepted, delivered, stored, noanswer, failed
    }

    /// Why a message was not even sent, or not taken.
    package enum FailureReason: Sendable, Equatable {
        case unknownName
        case cannotReach
        case tooLong(by: Int)
        case refused(String)
        /// Nobody but the server could have said.
        case serverSilent
    }

    package struct Message: Sendable, Equatable {
        package var id: MessageID
        package var sender: String
        package var text: String
        /// When it was written, where that is known.
        package var time: Timestamp
        /// The group it was written to; nil for a direct one.
        package var group: String?
        package var offset: UInt64?
        /// It was stored while one was away.
        package var isStored = false
        /// It came while one was in a group, and is shown now.
        package var isFromInbox = false
    }

    case registered
    case tableUpdated(joined: [String], left: [String])
    case message(Message)
    /// A message of one's own, as it was accepted to be sent.
    case own(Message, to: String?)
    case delivery(MessageID, DeliveryState, to: String, late: Bool = false, reason: FailureReason? = nil)
    case autoDeregistered(name: String)
    case stillOnline(name: String)
    case groupCreated(String)
    case groups([String])
    case groupEntered(String)
    case groupLeft(String)
    case groupRestored(String)
    case members(String, [String])
    case who([UDPTableEntry])
    /// Messages of the group that cannot be got any more.
    case gap(group: String, from: UInt64, to: UInt64)
    /// What the server says of a request that it does not grant.
    case refused(String)
    case notRegistered(reason: String)
    case invalidCommand(word: String, isInGroup: Bool)
    case incomplete(word: String, usage: String)
    case badGroupName(NameError)
    case onlyYourself
    case offline
    case serverStopping
    case serverNotResponding
    case exiting
    /// Messages are still under way, so the end waits for them.
    case finishing(Int)
    case ready
}

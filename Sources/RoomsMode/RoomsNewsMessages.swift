package import Delivery
package import Wire

/// What a session in a room has to say to whoever runs it. Names and texts are as they came.
package enum RoomsNews: Sendable, Equatable {
    case entered(isHost: Bool, topic: String, isResumed: Bool, isExtended: Bool)
    /// From now on what is sent arrives, as far as is known.
    case ready
    case message(RoomReceiverMachine.Message, isCaughtUp: Bool)
    /// A message of an original server's room, which has no place.
    case plainMessage(sender: String, text: String)
    /// A message from before one came.
    case context(KeptMessage)
    case gap(from: Int64, to: Int64)
    /// A message of one's own has come a step further.
    case sent(MessageID)
    case accepted(MessageID, offset: Int64, late: Bool)
    /// Nobody can know.
    case unanswered(MessageID)
    /// It was not taken, for that reason.
    case failed(MessageID, SafeText)
    /// The server does not take messages at the moment; it is tried again.
    case slowedDown(SafeText, Duration)
    case joined(String)
    case left(String)
    case lost(String)
    case returned(String)
    case host(String)
    case topic(String, by: String)
    /// The server says that it is being shut down.
    case stopping
    /// Those who are there, where they became known for the first time.
    case members([String])
    /// The server has fallen silent; it is tried further.
    case serverLost
    /// It is back.
    case serverFound
    case ended(Ending?)

    /// Why a session is over although the user did not want it.
    package enum Ending: Sendable, Equatable {
        case refused(RoomsRefusal)
        /// The room was closed, or one was put out.
        case closed(SafeText)
        /// The server could not be reached; nil where not even a connection was made.
        case unreachable(ClientExchangeMachine.Failure?)
        /// The server was reached over TCP, and its datagrams do not arrive, or ours there.
        case silent
    }
}

/// Who is in a room, as its server has said: the list, and the events since.
struct Roster: Sendable, Equatable {
    /// Members of a page of the list at most, and pages.
    static let mostPages = 100

    /// The number of the state of the list.
    private(set) var number: UInt64?
    /// By name; false for who fell silent.
    private(set) var members: [String: Bool] = [:]
    /// Names in the order of the list.
    private(set) var names: [String] = []
    /// True where something was missed.
    var isStale = false
    /// The highest number that the server has named.
    var heard: UInt64 = 0
    /// Pages of a list that is being fetched.
    private var pages: [RoomsAnswer.Member] = []
    private var pageCount = 0

    /// What is different in a new list.
    enum Change: Equatable {
        case first([String])
        case joined(String)
        case left(String)
        case lost(String)
        case returned(String)
    }

    mutating func discardPages() {
        pages = []
        pageCount = 0
    }

    /// Takes a page.
    ///
    /// - Returns: nil where another one is needed.
    mutating func take(_ page: RoomsAnswer.MembersPage, except own: String) -> [Change]? {
        pages += page.members
        pageCount += 1
        if page.next != nil, pageCount < Self.mostPages { return nil }
        let list = pages
        discardPages()
        let isFirst = number == nil
        number = page.roster
        isStale = false
        let before = members
        members = [:]
        names = []
        for member in list where members.updateValue(member.isPresent, forKey: member.name) == nil {
            names.append(member.name)
        }
        guard !isFirst else { return [.first(names)] }
        var changes: [Change] = []
        for name in before.keys.sorted() where members[name] == nil && name != own { changes.append(.left(name)) }
        for name in names where name != own {
            switch (before[name], members[name]) {
            case (nil, _): changes.append(.joined(name))
            case (true?, false?): changes.append(.lost(name))
            case (false?, true?): changes.append(.returned(name))
            default: break
            }
        }
        return changes
    }

    /// Takes an event that made the list what `number` calls it.
    ///
    /// - Returns: false where it is not the next one: the list is stale.
    mutating func take(_ name: String, isPresent: Bool?, number: UInt64) -> Bool {
        guard let known = self.number else { return false }
        guard number != known else { return true }
        guard number == known &+ 1 else {
            isStale = true
            return false
        }
        self.number = number
        if let isPresent {
            if members.updateValue(isPresent, forKey: name) == nil { names.append(name) }
        } else if members.removeValue(forKey: name) != nil {
            names.removeAll { $0 == name }
        }
        return true
    }
}

package import Delivery
package import Wire

/// The rooms of a server, their members and their tokens: who may enter, what becomes of what is said, and what follows
/// when somebody goes. Pure: time, randomness and tokens come in, what has to be done goes out.
///
/// Rooms and members stand in slots of two tables; an index is valid until its room or member is removed.
package struct RoomRules: Sendable {
    /// Rooms in all.
    package static let mostRooms = 10_000
    /// Members of a room.
    package static let mostMembers = 2_000
    /// How long a member may take from its handshake to its first REGISTER.
    package static let registrationTimeout: Duration = .seconds(60)
    /// How long somebody whose program is said to be gone (ICMP) may take to come back.
    package static let grace: Duration = .seconds(60)
    /// A program of ours is gone when nothing was heard of it for this long.
    package static let silence: Duration = .seconds(120)
    /// An original speaks only when its user does: it is gone after this long.
    package static let originalSilence: Duration = .seconds(24 * 3_600)
    /// How long the place of a member of ours that is gone is kept.
    package static let absence: Duration = .seconds(24 * 3_600)
    /// How long a room without members is kept.
    package static let emptiness: Duration = .seconds(24 * 3_600)
    /// Messages that wait in a room for the next block of offsets.
    package static let mostWaiting = 256
    /// Ids of messages that are remembered in each room, to tell a repeated one from a new one.
    package static let rememberedIDs = 1_024
    /// Offsets that are taken out of the store at once, at first and at most.
    package static let firstBlock: Int64 = 1_024
    package static let largestBlock: Int64 = 65_536
    /// The name that announces to original programs what ours are told by events.
    package static let systemName = "system"

    /// What becomes of a room when its host leaves it.
    package enum HostLeavePolicy: String, Sendable, CaseIterable {
        /// The room is closed, as the original does.
        case close
        /// The member that has been there for longest is host.
        case transfer
        /// The room goes on without a host.
        case keep
    }

    /// Where datagrams of a member come from and go to.
    package struct Path: Hashable, Sendable {
        package var address: SocketAddress
        /// The server's socket that they come through.
        package var socket: Int

        package init(_ address: SocketAddress, socket: Int) {
            self.address = address
            self.socket = socket
        }
    }

    /// Members of a room that get the same bytes through the same socket: one array, handed over as it is.
    package struct Audience: Sendable {
        package let socket: Int
        package let isExtended: Bool
        package fileprivate(set) var addresses: [SocketAddress] = []
        /// The members with these addresses.
        fileprivate var members: [Int] = []
    }

    package struct Room: Sendable {
        package let name: String
        package let nameBytes: [UInt8]
        /// Rooms in the order of their creation, for lists.
        package let number: Int64
        package let createdAt: Timestamp
        package internal(set) var isLobby = false
        package internal(set) var topic = ""
        /// The member that may set the topic, and whose leave closes the room.
        package internal(set) var host: Int?
        /// In the order in which they joined.
        package internal(set) var members: [Int] = []
        /// Members by the folded name.
        var names: [String: Int] = [:]
        package internal(set) var audiences: [Audience] = []
        /// Members that have registered and are not lost.
        package internal(set) var presentCount = 0
        /// Number of the state of the list of members: another one after each change.
        package internal(set) var roster: UInt64
        package let epoch: Epoch
        /// The offset that the next message gets.
        package internal(set) var nextOffset: Int64
        /// The end of the offsets that were taken out of the store.
        package internal(set) var reservedEnd: Int64
        var block = firstBlock
        package internal(set) var isReserving = false
        /// Messages that have no offset yet, oldest first.
        var waiting: [Waiting] = []
        var recent = RecentMessages(capacity: rememberedIDs)
        /// Since when nobody is a member.
        var emptySince: MonotonicTime?
    }

    /// A message that has no offset yet.
    struct Waiting: Sendable {
        let member: Int
        let token: RoomToken
        let id: MessageID
        let text: String
    }

    package struct Member: Sendable {
        package let name: String
        package let nameBytes: [UInt8]
        let key: String
        package let token: RoomToken
        package let room: Int
        /// Members in the order in which they joined, over all rooms.
        package let number: Int64
        /// True for a program of ours, which understands UCRP 2.
        package internal(set) var isExtended: Bool
        /// Nil until the first REGISTER.
        package internal(set) var path: Path?
        package internal(set) var isLost = false
        package internal(set) var lastHeard: MonotonicTime
        /// When ICMP said that nobody listens there; nil again when something is heard.
        var unreachableSince: MonotonicTime?
        /// What it may still say. A datagram cannot be left unread to slow its author down, so what would be lent to a
        /// connection is given at once.
        var bucket = TokenBucket(burst: 2 * FloodGuard.burst, perSecond: FloodGuard.perSecond)
        /// Messages refused since the last one that was not.
        var refusals = 0
        /// Its place in the arrays of its audience.
        fileprivate var audience = 0
        fileprivate var position = 0

        package var isPresent: Bool { path != nil && !isLost }
    }

    /// What is told of a member or of the room.
    package enum Announcement: Equatable, Sendable {
        case joined
        case left
        case lost
        case returned
        case host
        case topic(String)
    }

    /// What has to be done. Rooms and members are those of the moment when it is said; carry it out at once.
    package enum Effect: Equatable, Sendable {
        /// Tell the members of a room, but for one. `roster` is the number of the list of members afterwards.
        case announce(room: Int, roster: UInt64, Announcement, about: String, except: Int?)
        /// Tell these that their room, or their place in it, is gone; they are members no more.
        case expel([Recipient], reason: SafeText)
        /// `elapsed(member:)` is due after that long.
        case watch(member: Int, Duration)
        case unwatch(member: Int)
        case watchRoom(room: Int, Duration)
        /// What is kept of a member has changed.
        case keep(member: Int)
        case forget(RoomToken)
        /// The room is gone, with its members and its history.
        case forgetRoom(room: Int, name: String)
    }

    /// Somebody who is told that it is a member no more.
    package struct Recipient: Hashable, Sendable {
        package let path: Path
        package let isExtended: Bool
    }

    package let policy: HostLeavePolicy
    let limitsRate: Bool

    package internal(set) var rooms: [Room?] = []
    package internal(set) var members: [Member?] = []
    /// Rooms in the order of their creation, and so of their numbers.
    private(set) var roomOrder: [Int] = []
    private var freeRooms: [Int] = []
    private var freeMembers: [Int] = []
    var roomsByName: [String: Int] = [:]
    /// Rooms by the folded name: no two may look alike.
    var roomKeys: [String: Int] = [:]
    var tokens: [RoomToken: Int] = [:]
    var paths: [Path: [Int]] = [:]
    private var nextRoomNumber: Int64 = 1
    private var nextMemberNumber: Int64 = 1
    /// Where the numbers of rosters begin: another one in each run of the server.
    private let firstRoster: UInt64

    /// - Parameter firstRoster: a number that no run before can have reached, such as the time of day in microseconds.
    package init(policy: HostLeavePolicy, limitsRate: Bool, firstRoster: UInt64) {
        self.policy = policy
        self.limitsRate = limitsRate
        self.firstRoster = firstRoster
    }

    package var roomCount: Int { roomsByName.count }
    package var memberCount: Int { tokens.count }

    package func room(named name: String) -> Int? { roomsByName[name] }
    package func member(of token: RoomToken) -> Int? { tokens[token] }

    // MARK: - Tables

    mutating func addRoom(
        _ name: String, createdAt: Timestamp, epoch: Epoch, nextOffset: Int64, reservedEnd: Int64
    ) -> Int {
        let room = Room(
            name: name, nameBytes: Array(name.utf8), number: nextRoomNumber, createdAt: createdAt,
            roster: firstRoster, epoch: epoch, nextOffset: nextOffset, reservedEnd: reservedEnd)
        nextRoomNumber += 1
        let index = freeRooms.popLast() ?? rooms.count
        if index == rooms.count { rooms.append(room) } else { rooms[index] = room }
        roomOrder.append(index)
        roomsByName[name] = index
        if roomKeys[nameKey(name)] == nil { roomKeys[nameKey(name)] = index }
        return index
    }

    mutating func removeRoom(_ index: Int) {
        guard let room = rooms[index] else { return }
        precondition(room.members.isEmpty, "a room is removed after its members")
        roomOrder.remove(at: placeInOrder(after: room.number - 1))
        rooms[index] = nil
        roomsByName[room.name] = nil
        if roomKeys[nameKey(room.name)] == index { roomKeys[nameKey(room.name)] = nil }
        freeRooms.append(index)
    }

    /// Where the rooms begin whose number is higher.
    func placeInOrder(after number: Int64) -> Int {
        var low = 0
        var high = roomOrder.count
        while low < high {
            let middle = (low + high) / 2
            if rooms[roomOrder[middle]]!.number > number { high = middle } else { low = middle + 1 }
        }
        return low
    }

    mutating func addMember(
        _ name: String, token: RoomToken, to room: Int, isExtended: Bool, at now: MonotonicTime
    ) -> Int {
        let member = Member(
            name: name, nameBytes: Array(name.utf8), key: nameKey(name), token: token, room: room,
            number: nextMemberNumber, isExtended: isExtended, lastHeard: now)
        nextMemberNumber += 1
        let index = freeMembers.popLast() ?? members.count
        if index == members.count { members.append(member) } else { members[index] = member }
        tokens[token] = index
        rooms[room]!.members.append(index)
        rooms[room]!.names[member.key] = index
        rooms[room]!.emptySince = nil
        return index
    }

    /// Takes a member out of every table. What follows for its room is up to the caller.
    mutating func dropMember(_ index: Int) {
        guard let member = members[index] else { return }
        unbind(index)
        members[index] = nil
        tokens[member.token] = nil
        rooms[member.room]!.members.removeAll { $0 == index }
        if rooms[member.room]!.names[member.key] == index { rooms[member.room]!.names[member.key] = nil }
        if rooms[member.room]!.host == index { rooms[member.room]!.host = nil }
        freeMembers.append(index)
    }

    // MARK: - Audiences

    /// Has a member get what is said in its room, at a path.
    mutating func bind(_ index: Int, to path: Path) {
        unbind(index)
        members[index]!.path = path
        paths[path, default: []].append(index)
        guard !members[index]!.isLost else { return }
        enlist(index)
    }

    /// Takes a member's path away.
    mutating func unbind(_ index: Int) {
        guard let path = members[index]?.path else { return }
        if !members[index]!.isLost { delist(index) }
        members[index]!.path = nil
        paths[path]?.removeAll { $0 == index }
        if paths[path]?.isEmpty == true { paths[path] = nil }
    }

    /// Marks a member as gone, or as back. It keeps its path.
    mutating func setLost(_ index: Int, _ isLost: Bool) {
        guard members[index]!.isLost != isLost else { return }
        let hasPath = members[index]!.path != nil
        if isLost && hasPath { delist(index) }
        members[index]!.isLost = isLost
        if !isLost && hasPath { enlist(index) }
    }

    private mutating func enlist(_ index: Int) {
        let member = members[index]!
        let path = member.path!
        rooms[member.room]!.presentCount += 1
        let known = rooms[member.room]!.audiences.firstIndex {
            $0.socket == path.socket && $0.isExtended == member.isExtended
        }
        let audience = known ?? rooms[member.room]!.audiences.count
        if known == nil {
            rooms[member.room]!.audiences.append(Audience(socket: path.socket, isExtended: member.isExtended))
        }
        members[index]!.audience = audience
        members[index]!.position = rooms[member.room]!.audiences[audience].addresses.count
        rooms[member.room]!.audiences[audience].addresses.append(path.address)
        rooms[member.room]!.audiences[audience].members.append(index)
    }

    private mutating func delist(_ index: Int) {
        let member = members[index]!
        rooms[member.room]!.presentCount -= 1
        // The last one takes the place that is free: the order of an audience means nothing.
        let last = rooms[member.room]!.audiences[member.audience].members.removeLast()
        let address = rooms[member.room]!.audiences[member.audience].addresses.removeLast()
        guard last != index else { return }
        rooms[member.room]!.audiences[member.audience].members[member.position] = last
        rooms[member.room]!.audiences[member.audience].addresses[member.position] = address
        members[last]!.position = member.position
    }

    /// Changes whether a member understands UCRP 2.
    mutating func setExtended(_ index: Int, _ isExtended: Bool) {
        guard members[index]!.isExtended != isExtended else { return }
        let path = members[index]!.path
        unbind(index)
        members[index]!.isExtended = isExtended
        if let path { bind(index, to: path) }
    }
}

/// The ids of the last messages of a room and where they stand.
struct RecentMessages: Sendable {
    private var offsets: [MessageID: Int64] = [:]
    private var order: RingBuffer<MessageID>

    init(capacity: Int) { order = RingBuffer(capacity: capacity) }

    subscript(id: MessageID) -> Int64? { offsets[id] }

    /// Its place in the order stays, and goes in its turn.
    mutating func remove(_ id: MessageID) { offsets[id] = nil }

    mutating func insert(_ id: MessageID, at offset: Int64) {
        guard offsets.updateValue(offset, forKey: id) == nil else { return }
        if let gone = order.append(id) { offsets[gone] = nil }
    }
}

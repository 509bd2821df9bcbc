package import Delivery
package import Wire

/// Who may enter.
extension RoomRules {
    /// What the server gives to a room or a member that is new.
    package struct Fresh: Sendable {
        package var token: RoomToken
        package var epoch: Epoch
        package var now: MonotonicTime
        package var wall: Timestamp

        package init(token: RoomToken, epoch: Epoch, now: MonotonicTime, wall: Timestamp) {
            self.token = token
            self.epoch = epoch
            self.now = now
            self.wall = wall
        }
    }

    /// Creates a room, with its first member as its host.
    ///
    /// - Returns: the host. What is left to do stands in `effects`.
    package mutating func create(
        _ roomName: String, by name: String, isExtended: Bool, fresh: Fresh, effects: inout [Effect]
    ) -> Result<Int, RoomsRefusal> {
        let checkedRoom: RoomName
        do { checkedRoom = try RoomName(validating: roomName) } catch { return .failure(.badName(error.message)) }
        if let refusal = Self.check(name) { return .failure(refusal) }
        guard roomsByName[checkedRoom.text] == nil, roomKeys[checkedRoom.key] == nil else {
            return .failure(.roomExists)
        }
        guard roomCount < Self.mostRooms else { return .failure(.tooManyRooms) }
        let room = addRoom(
            checkedRoom.text, createdAt: fresh.wall, epoch: fresh.epoch, nextOffset: 0, reservedEnd: Self.firstBlock)
        let member = addMember(name, token: fresh.token, to: room, isExtended: isExtended, at: fresh.now)
        rooms[room]!.host = member
        effects.append(.watch(member: member, Self.registrationTimeout))
        return .success(member)
    }

    /// Lets a new member into a room.
    package mutating func join(
        _ roomName: String, as name: String, isExtended: Bool, fresh: Fresh, effects: inout [Effect]
    ) -> Result<Int, RoomsRefusal> {
        guard let room = roomsByName[roomName] else { return .failure(.noSuchRoom) }
        if let refusal = Self.check(name) { return .failure(refusal) }
        if let holder = rooms[room]!.names[nameKey(name)] {
            guard isAbandoned(holder) else { return .failure(.nameInUse) }
            effects += remove(holder, at: fresh.now)
            // The place of a host that is gone goes the way of the policy, and the room with it perhaps.
            guard rooms[room] != nil, roomsByName[roomName] == room else { return .failure(.noSuchRoom) }
        }
        guard rooms[room]!.members.count < Self.mostMembers else { return .failure(.roomIsFull) }
        let member = addMember(name, token: fresh.token, to: room, isExtended: isExtended, at: fresh.now)
        effects.append(.watch(member: member, Self.registrationTimeout))
        return .success(member)
    }

    /// Gives a member its place back, which it proves by its token.
    package mutating func comeBack(
        to roomName: String, with token: RoomToken, isExtended: Bool, at now: MonotonicTime, effects: inout [Effect]
    ) -> Result<Int, RoomsRefusal> {
        guard let member = tokens[token], rooms[members[member]!.room]!.name == roomName else {
            return .failure(.notAMember)
        }
        setExtended(member, isExtended)
        heard(member, at: now, effects: &effects)
        effects.append(.keep(member: member))
        return .success(member)
    }

    /// A name that is held by somebody who is known to be gone may be taken.
    private func isAbandoned(_ index: Int) -> Bool {
        let member = members[index]!
        if member.isLost { return true }
        // An original that was started again has no token to show; its host's room has its grace.
        return !member.isExtended && member.unreachableSince != nil && rooms[member.room]!.host != index
    }

    private static func check(_ name: String) -> RoomsRefusal? {
        do {
            let nickname = try Nickname(validating: name)
            guard nickname.key != systemName else {
                return .badName("The name '\(nickname)' is reserved; choose another.")
            }
            return nil
        } catch {
            return .badName(error.message)
        }
    }

    // MARK: - From the store

    /// A room as it is kept.
    package struct KeptRoom: Sendable, Equatable {
        package var name: String
        package var createdAt: Timestamp
        package var topic: String
        package var epoch: Epoch
        package var nextOffset: Int64
        package var reservedEnd: Int64
        /// The ids of its last messages, oldest first, and their offsets.
        package var recent: [(id: MessageID, offset: Int64)]
        package var members: [KeptMember]

        package init(
            name: String, createdAt: Timestamp, topic: String, epoch: Epoch, nextOffset: Int64, reservedEnd: Int64,
            recent: [(id: MessageID, offset: Int64)], members: [KeptMember]
        ) {
            self.name = name
            self.createdAt = createdAt
            self.topic = topic
            self.epoch = epoch
            self.nextOffset = nextOffset
            self.reservedEnd = reservedEnd
            self.recent = recent
            self.members = members
        }

        package static func == (left: KeptRoom, right: KeptRoom) -> Bool {
            left.name == right.name && left.createdAt == right.createdAt && left.topic == right.topic
                && left.epoch == right.epoch && left.nextOffset == right.nextOffset
                && left.reservedEnd == right.reservedEnd && left.members == right.members
                && left.recent.elementsEqual(right.recent) { $0.id == $1.id && $0.offset == $1.offset }
        }
    }

    package struct KeptMember: Sendable, Equatable {
        package var name: String
        package var token: RoomToken
        package var isHost: Bool
        package var isExtended: Bool
        package var path: Path?

        package init(name: String, token: RoomToken, isHost: Bool, isExtended: Bool, path: Path?) {
            self.name = name
            self.token = token
            self.isHost = isHost
            self.isExtended = isExtended
            self.path = path
        }
    }

    /// Takes a room over as it was kept. Its members are there as they were; who is not will be missed in time.
    ///
    /// - Returns: its index.
    package mutating func restore(_ kept: KeptRoom, at now: MonotonicTime, effects: inout [Effect]) -> Int {
        let room = addRoom(
            kept.name, createdAt: kept.createdAt, epoch: kept.epoch, nextOffset: kept.nextOffset,
            reservedEnd: kept.reservedEnd)
        rooms[room]!.topic = kept.topic
        for (id, offset) in kept.recent { rooms[room]!.recent.insert(id, at: offset) }
        for known in kept.members {
            let member = addMember(known.name, token: known.token, to: room, isExtended: known.isExtended, at: now)
            if known.isHost { rooms[room]!.host = member }
            if let path = known.path { bind(member, to: path) }
            effects.append(.watch(member: member, untilElapsed(member, at: now)))
        }
        if kept.members.isEmpty {
            rooms[room]!.emptySince = now
            effects.append(.watchRoom(room: room, Self.emptiness))
        }
        return room
    }

    /// Makes a room the one that the server itself keeps open.
    package mutating func makeLobby(_ room: Int) {
        rooms[room]!.isLobby = true
        rooms[room]!.host = nil
    }

    /// Adds the lobby, where there is no room of that name.
    package mutating func addLobby(_ name: RoomName, epoch: Epoch, wall: Timestamp) -> Int {
        let room = addRoom(
            name.text, createdAt: wall, epoch: epoch, nextOffset: 0, reservedEnd: Self.firstBlock)
        makeLobby(room)
        return room
    }
}

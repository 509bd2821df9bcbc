import Delivery
package import Wire

/// What follows when somebody goes, falls silent or comes back.
extension RoomRules {
    // MARK: - Leaving

    /// A member has said goodbye.
    package mutating func left(_ index: Int, at now: MonotonicTime) -> [Effect] { remove(index, at: now) }

    /// A member is put out, and told why.
    package mutating func expel(_ index: Int, reason: SafeText, at now: MonotonicTime) -> [Effect] {
        guard let member = members[index] else { return [] }
        let notice: [Effect] =
            member.path.map { [.expel([Recipient(path: $0, isExtended: member.isExtended)], reason: reason)] } ?? []
        return notice + remove(index, at: now)
    }

    /// Takes a member's place away, and does with its room what the policy says where it was the host.
    mutating func remove(_ index: Int, at now: MonotonicTime) -> [Effect] {
        guard let member = members[index] else { return [] }
        let room = member.room
        let wasHost = rooms[room]!.host == index
        dropMember(index)
        var effects: [Effect] = [.unwatch(member: index), .forget(member.token)]
        // Who never registered was never announced either, and who was lost was told of as lost.
        if member.path != nil { rooms[room]!.roster &+= 1 }
        if member.isPresent { effects.append(announce(.left, about: member.name, in: room)) }
        if wasHost { effects += hostLeft(room, named: member.name, at: now) }
        if rooms[room] != nil, rooms[room]!.members.isEmpty, !rooms[room]!.isLobby {
            if policy == .transfer { return effects + close(room, reason: "Everybody has left the room.") }
            rooms[room]!.emptySince = now
            effects.append(.watchRoom(room: room, Self.emptiness))
        }
        return effects
    }

    private mutating func hostLeft(_ room: Int, named name: String, at now: MonotonicTime) -> [Effect] {
        switch policy {
        case .close: return close(room, reason: "The host, \(name), has closed the room.")
        case .keep: return []
        case .transfer: return handOver(room)
        }
    }

    /// Makes the member that has been there for longest the host.
    private mutating func handOver(_ room: Int) -> [Effect] {
        guard let heir = rooms[room]!.members.first(where: { members[$0]!.isPresent }) ?? rooms[room]!.members.first
        else { return [] }
        rooms[room]!.host = heir
        return [.keep(member: heir), announceChange(.host, of: heir)]
    }

    /// Closes a room: its members are told, and their tokens are void.
    package mutating func close(_ room: Int, reason: SafeText) -> [Effect] {
        guard let closing = rooms[room] else { return [] }
        var effects: [Effect] = []
        var recipients: [Recipient] = []
        for index in closing.members {
            let member = members[index]!
            if let path = member.path { recipients.append(Recipient(path: path, isExtended: member.isExtended)) }
            effects.append(.unwatch(member: index))
        }
        for index in closing.members { dropMember(index) }
        removeRoom(room)
        if !recipients.isEmpty { effects.append(.expel(recipients, reason: reason)) }
        effects.append(.forgetRoom(room: room, name: closing.name))
        return effects
    }

    // MARK: - Presence

    /// Something was heard of a member.
    mutating func heard(_ index: Int, at now: MonotonicTime, effects: inout [Effect]) {
        members[index]!.lastHeard = now
        members[index]!.unreachableSince = nil
        guard members[index]!.isLost else { return }
        setLost(index, false)
        effects.append(.watch(member: index, untilElapsed(index, at: now)))
        effects.append(announceChange(.returned, of: index, except: index))
    }

    /// ICMP says that nobody listens at an address.
    package mutating func unreachable(_ path: Path, at now: MonotonicTime) -> [Effect] {
        var effects: [Effect] = []
        for index in paths[path] ?? [] where members[index]!.unreachableSince == nil && !members[index]!.isLost {
            members[index]!.unreachableSince = now
            effects.append(.watch(member: index, untilElapsed(index, at: now)))
        }
        return effects
    }

    /// The time of `watch` has come. It may be early: what was heard since moves it.
    package mutating func elapsed(member index: Int, at now: MonotonicTime) -> [Effect] {
        guard let member = members[index] else { return [] }
        let remaining = untilElapsed(index, at: now)
        guard remaining <= .zero else { return [.watch(member: index, remaining)] }
        guard member.isExtended, member.path != nil, !member.isLost else { return remove(index, at: now) }
        // It may come back and has its token for that.
        setLost(index, true)
        let room = member.room
        var effects: [Effect] = [
            announceChange(.lost, of: index, except: index),
            .watch(member: index, untilElapsed(index, at: now)),
        ]
        guard rooms[room]!.host == index else { return effects }
        switch policy {
        case .close:
            effects += close(room, reason: "The host, \(member.name), is gone, and the room with it.")
        case .transfer:
            rooms[room]!.host = nil
            let heirs = handOver(room)
            effects += heirs
            if !heirs.isEmpty { effects.append(.keep(member: index)) }
        case .keep: break
        }
        return effects
    }

    /// The time of `watchRoom` has come.
    package mutating func elapsed(room index: Int, at now: MonotonicTime) -> [Effect] {
        guard let room = rooms[index], let since = room.emptySince, !room.isLobby else { return [] }
        let remaining = Self.emptiness - (now - since)
        guard remaining <= .zero else { return [.watchRoom(room: index, remaining)] }
        return close(index, reason: "Nobody was in the room for a day.")
    }

    /// How long until a member has to be looked after.
    func untilElapsed(_ index: Int, at now: MonotonicTime) -> Duration {
        let member = members[index]!
        if member.isLost { return member.lastHeard + Self.silence + Self.absence - now }
        guard member.path != nil else { return member.lastHeard + Self.registrationTimeout - now }
        let silent = member.lastHeard + (member.isExtended ? Self.silence : Self.originalSilence) - now
        guard let since = member.unreachableSince else { return silent }
        return min(silent, since + Self.grace - now)
    }

    /// Tells the others of a change of the list of members.
    mutating func announceChange(_ announcement: Announcement, of index: Int, except: Int? = nil) -> Effect {
        let room = members[index]!.room
        rooms[room]!.roster &+= 1
        return announce(announcement, about: members[index]!.name, in: room, except: except)
    }

    private func announce(
        _ announcement: Announcement, about name: String, in room: Int, except: Int? = nil
    ) -> Effect {
        .announce(room: room, roster: rooms[room]!.roster, announcement, about: name, except: except)
    }

    // MARK: - Topic

    /// Sets the topic. The host may, and in a room without one every member.
    package mutating func setTopic(
        _ topic: String, of roomName: String, by token: RoomToken, effects: inout [Effect]
    ) -> Result<Int, RoomsRefusal> {
        guard let member = tokens[token], rooms[members[member]!.room]!.name == roomName else {
            return .failure(.notAMember)
        }
        let room = members[member]!.room
        guard rooms[room]!.host == nil || rooms[room]!.host == member else { return .failure(.notAllowed) }
        if !topic.isEmpty {
            do { _ = try Subject(validating: topic) } catch {
                return .failure(.badName("As a topic: \(error.message)"))
            }
        }
        rooms[room]!.topic = topic
        effects.append(announce(.topic(topic), about: members[member]!.name, in: room))
        return .success(room)
    }
}

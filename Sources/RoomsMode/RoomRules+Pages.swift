import Wire

/// Lists of rooms and members, a page at a time.
extension RoomRules {
    /// Entries of a page.
    package static let pageEntries = 500

    /// The rooms after a number, in the order of their creation.
    package func listRooms(after number: Int64, limit: Int = pageEntries) -> RoomsAnswer.RoomsPage {
        let start = placeInOrder(after: number)
        let page = roomOrder[start...].prefix(limit).map { rooms[$0]! }
        return RoomsAnswer.RoomsPage(
            rooms: page.map {
                RoomsAnswer.Room(name: $0.name, members: $0.presentCount, topic: $0.topic, isLobby: $0.isLobby)
            }, next: start + page.count < roomOrder.count ? page.last?.number : nil)
    }

    /// The members after a number, in the order in which they joined.
    package func listMembers(of room: Int, after number: Int64, limit: Int = pageEntries) -> RoomsAnswer.MembersPage {
        let known = rooms[room]!.members.filter { members[$0]!.number > number && members[$0]!.path != nil }
        let page = known.prefix(limit)
        return RoomsAnswer.MembersPage(
            roster: rooms[room]!.roster,
            members: page.map { index in
                RoomsAnswer.Member(
                    name: members[index]!.name, isHost: rooms[room]!.host == index,
                    isPresent: members[index]!.isPresent)
            }, next: known.count > page.count ? members[page.last!]!.number : nil)
    }

    /// True for who may read the history and the list of members of a room.
    package func mayRead(_ room: Int, with token: RoomToken?) -> Bool {
        if rooms[room]!.isLobby { return true }
        guard let token, let member = tokens[token] else { return false }
        return members[member]!.room == room
    }
}

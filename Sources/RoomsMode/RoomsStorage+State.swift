import Delivery
import Platform
import Store
import Wire

/// The state file of the program that came before, into the store and out of it.
extension RoomsStorage {
    /// What an import has brought.
    struct ImportSummary: Sendable, Equatable {
        /// New rooms and new members.
        var rooms = 0
        var members = 0
        /// Members whose token was there.
        var known = 0
        /// Members whose name somebody else has in the room.
        var taken = 0
    }

    static func exportState(from store: MessageStore) async throws(StoreError) -> RoomStateFile {
        try await store.read { (transaction) throws(StoreError) in
            var file = RoomStateFile()
            file.rooms = try readRooms(in: transaction).map { room in
                RoomStateFile.Room(
                    name: room.conversation.name, createdAt: room.createdAt,
                    members: room.members.map {
                        .init(name: $0.name, token: $0.token, isHost: $0.isHost, address: $0.address)
                    })
            }
            return file
        }
    }

    /// Adds what is not there, in one transaction. A room that is there keeps its host and its history.
    static func importState(
        _ file: RoomStateFile, into store: MessageStore
    ) async throws(StoreError) -> ImportSummary {
        try await store.write { (transaction) throws(StoreError) in
            var summary = ImportSummary()
            var known = try readRooms(in: transaction)
            var tokens = Set(known.flatMap { $0.members.map(\.token) })
            var generator = SystemRandomness()
            for room in file.rooms {
                let index: Int
                let isNew: Bool
                if let place = known.firstIndex(where: { nameKey($0.conversation.name) == nameKey(room.name) }) {
                    (index, isNew) = (place, false)
                } else {
                    let conversation = try create(
                        room.name, createdAt: room.createdAt, epoch: .random(using: &generator), nextOffset: 0,
                        in: transaction)
                    (index, isNew) = (known.count, true)
                    known.append(
                        StoredRoom(
                            conversation: conversation, createdAt: room.createdAt, topic: "", members: [], recent: [],
                            reserved: 0..<0))
                    summary.rooms += 1
                }
                // The token is of a room by its exact name.
                let isSame = known[index].conversation.name == room.name
                for member in room.members {
                    if tokens.contains(member.token) {
                        summary.known += 1
                        continue
                    }
                    guard isSame, !known[index].members.contains(where: { nameKey($0.name) == nameKey(member.name) })
                    else {
                        summary.taken += 1
                        continue
                    }
                    let stored = Member(
                        name: member.name, token: member.token, isHost: member.isHost && isNew, isExtended: false,
                        address: member.address)
                    try keep(stored, of: known[index].conversation.id, in: transaction)
                    tokens.insert(member.token)
                    known[index].members.append(stored)
                    summary.members += 1
                }
            }
            return summary
        }
    }
}

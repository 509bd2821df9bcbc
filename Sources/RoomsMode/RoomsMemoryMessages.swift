import Delivery
import Wire

/// What a client keeps of its place in a room, so that a later run gets it back: a JSON object in a file of its own.
struct RoomsMemory: Sendable, Equatable {
    /// Bytes of such a file.
    static let sizeLimit = 4_096

    let server: String
    let room: String
    /// The folded name.
    let nameKey: String

    init(server: RoomsEndpoint, room: RoomName, name: Nickname) {
        self.server = server.tcp.description
        self.room = room.text
        nameKey = name.key
    }

    /// One file for each server, room and name.
    var fileName: String {
        // FNV-1a: it only has to make a short file name of them; what it is about stands in the file.
        var digest: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(server)\n\(room)\n\(nameKey)".utf8 { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return "rooms-" + Epoch(value: digest).hex + ".json"
    }

    func bytes(_ membership: RoomSessionMachine.Membership) -> [UInt8] {
        let object: JSONObject = [
            "server": .string(server), "room": .string(room), "name": .string(nameKey),
            "token": .string(membership.token.text), "epoch": .string(membership.epoch.hex),
            "next": .integer(membership.next), "udp_port": .integer(Int64(membership.udpPort)),
        ]
        return JSON.object(object).encoded()
    }

    /// Nil for a file that is damaged or another's.
    func membership(_ bytes: [UInt8]) -> RoomSessionMachine.Membership? {
        guard let value = try? JSON(parsing: bytes[...], maximumDepth: 2), value["server"]?.string == server,
            value["room"]?.string == room, value["name"]?.string == nameKey,
            let token = value["token"]?.string.flatMap({ RoomToken($0) }),
            let epoch = value["epoch"]?.string.flatMap({ Epoch(hex: $0) }),
            let next = value["next"]?.integer, next >= 0,
            let port = value["udp_port"]?.integer.flatMap({ UInt16(exactly: $0) }), port != 0
        else { return nil }
        return .init(token: token, epoch: epoch, next: next, udpPort: port)
    }
}

import Wire

/// The state file of the program that came before, `room_manager.json` (`Protocols.md`, "rooms: the state file").
struct RoomStateFile: Sendable, Equatable {
    /// Bytes of a file.
    static let sizeLimit = 64 << 20

    enum Failure: UserFacingError, Equatable {
        case notJSON(JSONError)
        case notAStateFile

        var message: SafeText {
            switch self {
            case .notJSON(let error): "the file is not JSON: \(error.message)"
            case .notAStateFile: "the file is no 'room_manager.json': it has no \"rooms\" and \"tokens\""
            }
        }
    }

    struct Room: Sendable, Equatable {
        var name: String
        var createdAt: Timestamp
        /// In the order in which they joined.
        var members: [Member]
    }

    struct Member: Sendable, Equatable {
        var name: String
        var token: RoomToken
        var isHost: Bool
        var address: SocketAddress?
    }

    var rooms: [Room] = []
    /// Rooms and members that were in the file and cannot be had: names or tokens that are none.
    var unusable = 0

    init() {}

    // MARK: - Reading

    init(parsing bytes: ArraySlice<UInt8>) throws(Failure) {
        let value: JSON
        do {
            value = try JSON(parsing: bytes, maximumDepth: 8)
        } catch {
            throw .notJSON(error)
        }
        guard let rooms = value["rooms"]?.object, let tokens = value["tokens"]?.object else { throw .notAStateFile }
        for (name, entry) in rooms.members {
            guard (try? RoomName(validating: name)) != nil, let fields = entry.object else {
                unusable += 1
                continue
            }
            var members: [Member] = []
            let host = fields["host_token"]?.string
            // The host is a member, whether or not the list names it.
            var listed = (fields["members"]?.array ?? []).compactMap(\.string)
            if let host, !host.isEmpty, !listed.contains(host) { listed.insert(host, at: 0) }
            for text in listed {
                guard let member = Self.member(text, isHost: text == host, tokens[text]),
                    !members.contains(where: { $0.token == member.token || nameKey($0.name) == nameKey(member.name) })
                else {
                    unusable += 1
                    continue
                }
                members.append(member)
            }
            self.rooms.append(Room(name: name, createdAt: Self.time(fields["created_at"]), members: members))
        }
    }

    private static func member(_ token: String, isHost: Bool, _ entry: JSON?) -> Member? {
        guard let token = RoomToken(token), let username = entry?["username"]?.string else { return nil }
        // The original keeps the name as the JSON string that it came as.
        let name = (try? JSON(parsing: Array(username.utf8)[...], maximumDepth: 1))?.string ?? username
        guard let nickname = try? Nickname(validating: name), nickname.key != RoomRules.systemName else { return nil }
        return Member(name: name, token: token, isHost: isHost, address: address(entry?["address"]))
    }

    private static func address(_ value: JSON?) -> SocketAddress? {
        guard let parts = value?.array, parts.count >= 2, let ip = parts[0].string.flatMap({ IPAddress(parsing: $0) }),
            let port = parts[1].integer.flatMap({ UInt16(exactly: $0) }), port != 0
        else { return nil }
        return SocketAddress(ip: ip, port: port)
    }

    /// Seconds since 1970, with a fraction.
    private static func time(_ value: JSON?) -> Timestamp {
        let seconds = min(max(value?.double ?? 0, 0), 253_402_300_799)
        return Timestamp(microseconds: Int64(seconds * 1_000_000))
    }

    // MARK: - Writing

    /// The file as it is at a moment; `utcOffset` in seconds, since the original writes local time.
    func bytes(savedAt moment: Timestamp, utcOffset: Int) -> [UInt8] {
        var rooms: JSONObject = [:]
        var tokens: JSONObject = [:]
        for room in self.rooms {
            let host = room.members.first { $0.isHost }
            rooms[room.name] = [
                "host_token": .string(host?.token.text ?? ""),
                "members": .array(room.members.map { .string($0.token.text) }),
                "created_at": .number(Double(room.createdAt.microseconds) / 1_000_000),
            ]
            for member in room.members {
                tokens[member.token.text] = [
                    // As the original would have got it.
                    "username": .string(
                        String(decoding: JSON.string(member.name).encoded(style: .python), as: UTF8.self)),
                    "room_name": .string(room.name),
                    "is_host": .bool(member.isHost),
                    "address": member.address.map {
                        .array([.string($0.ip.description), .integer(Int64($0.port))])
                    } ?? .null,
                ]
            }
        }
        let file: JSON = [
            "rooms": .object(rooms), "tokens": .object(tokens),
            "saved_at": .string(moment.pythonISO(utcOffset: utcOffset)),
        ]
        return file.encoded(style: .python)
    }
}

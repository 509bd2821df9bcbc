package import Delivery
package import Wire

/// What a client keeps of a group between two connections, and between two runs of the program.
package struct BoardPlace: Equatable, Sendable {
    /// The name as the server spells it.
    package var group: String
    /// Gives the join point back.
    package var secret: ResumeSecret?
    package var epoch: Epoch?
    /// The last offset that was shown; -1 before the first.
    package var last: Int64 = -1

    package init(group: String, secret: ResumeSecret? = nil, epoch: Epoch? = nil, last: Int64 = -1) {
        self.group = group
        self.secret = secret
        self.epoch = epoch
        self.last = last
    }
}

/// The places of one name at one server, as the file that holds them.
///
///     {"version":1,"server":"127.0.0.1:6789","name":"alice","groups":[{"group":"main","secret":"..","epoch":"..","last":3}]}
package struct BoardMemory: Equatable, Sendable {
    /// Bytes of the file.
    package static let sizeLimit = 1 << 20
    /// Groups that are remembered.
    package static let groupLimit = 1_000

    package let server: String
    package let name: Nickname
    package var places: [BoardPlace] = []

    package init(server: Endpoint, name: Nickname) {
        self.server = server.description
        self.name = name
    }

    /// Reads the file. One that is damaged, or another's, counts as empty: only join points are lost with it.
    package init(parsing bytes: [UInt8], server: Endpoint, name: Nickname) {
        self.init(server: server, name: name)
        guard let json = try? JSON(parsing: bytes[...]), json["version"]?.integer == 1,
            json["server"]?.string == self.server, json["name"]?.string == name.key
        else { return }
        for entry in json["groups"]?.array ?? [] {
            guard let group = entry["group"]?.string else { continue }
            places.append(
                BoardPlace(
                    group: group, secret: entry["secret"]?.string.flatMap { ResumeSecret(hex: $0) },
                    epoch: entry["epoch"]?.string.flatMap { Epoch(hex: $0) },
                    last: max(-1, entry["last"]?.integer ?? -1)))
        }
    }

    /// The content of the file.
    package var bytes: [UInt8] {
        var writer = ByteWriter()
        writer.appendJSON { json in
            json.object { json in
                json.member("version", 1)
                json.member("server", server)
                json.member("name", name.key)
                json.key("groups")
                json.array { json in
                    for place in places.prefix(Self.groupLimit) {
                        json.object { json in
                            json.member("group", place.group)
                            if let secret = place.secret { json.member("secret", secret.hex) }
                            if let epoch = place.epoch { json.member("epoch", epoch) }
                            json.member("last", place.last)
                        }
                    }
                }
            }
        }
        writer.append(UInt8(ascii: "\n"))
        return writer.bytes
    }

    /// The name of the file: a digest (64-bit FNV-1a) of the server and the name, which may be longer than a file's name
    /// can be. The content says whose it is.
    package var fileName: String { "board-\(Self.digest(server + "\n" + name.key)).json" }

    /// The name of the file in which a longer post to a group is written, without its ending.
    package func draftName(of group: String) -> String {
        "board-draft-\(Self.digest(server + "\n" + name.key + "\n" + nameKey(group)))"
    }

    private static func digest(_ text: String) -> String {
        var digest: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { digest = (digest ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return Epoch(value: digest).hex
    }

    package func place(of group: String) -> BoardPlace? { places.first { $0.group == group } }

    /// Keeps a place; one of a group that was left is forgotten with `forget`.
    package mutating func keep(_ place: BoardPlace) {
        if let index = places.firstIndex(where: { $0.group == place.group }) {
            places[index] = place
        } else {
            places.append(place)
        }
    }

    package mutating func forget(_ group: String) { places.removeAll { $0.group == group } }
}

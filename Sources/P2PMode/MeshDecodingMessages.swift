import Wire

/// The members of the object `chat`, in whichever order they came.
struct MeshFields {
    private var kind: JSONReader.Key?
    private var node: NodeID?
    private var sequence: UInt64?
    private var time: Timestamp?
    private var sender: String?
    private var text: String?
    private var isAction = false
    private var isOld = false
    /// What only the rarer kinds have, unread.
    private var others = JSONObject()

    /// Reads the object that comes next. Members of a wrong type count as missing.
    init(_ reader: inout JSONReader) throws(JSONError) {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "kind": kind = try reader.readNameOrSkip()
            case "node": node = try reader.readStringOrSkip(as: NodeID.init(hex:))
            case "sequence": sequence = try reader.readIntegerOrSkip().flatMap { UInt64(exactly: $0) }
            case "time": time = try reader.readIntegerOrSkip().map { Timestamp(microseconds: $0) }
            case "sender": sender = try reader.readStringOrSkip()
            case "text": text = try reader.readStringOrSkip()
            case "action": isAction = try reader.readValue().bool ?? false
            case "old": isOld = try reader.readValue().bool ?? false
            case "v": try reader.skipValue()
            default: others[key.string] = try reader.readValue()
            }
        }
    }

    /// What it says; `sender` and `text` stand outside the object where the frame is a chat as well.
    func frame(sender outerSender: String, text outerText: String) -> MeshFrame {
        guard let kind else { return .unknown }
        switch kind {
        case "message":
            guard let node, let sequence, sequence > 0, let time else { return .unknown }
            return .message(
                MeshMessage(
                    author: node, sequence: sequence, time: time, sender: sender ?? outerSender,
                    text: text ?? outerText,
                    isAction: isAction, guest: guest, isCaughtUp: isOld))
        case "hello":
            guard let node else { return .unknown }
            let port = others["port"]?.integer.flatMap { UInt16(exactly: $0) } ?? 0
            return .hello(
                MeshHello(node: node, name: outerSender, port: port, isProbe: others["probe"]?.bool ?? false))
        case "bye":
            guard let node, let reason = others["reason"]?.string.flatMap({ MeshBye.Reason(rawValue: $0) }) else {
                return .unknown
            }
            return .bye(MeshBye(node: node, reason: reason, version: number("version") ?? 0))
        case "member":
            guard let node, let version = number("version"), let name = others["name"]?.string else { return .unknown }
            return .member(
                MemberRecord(
                    node: node, version: version, name: name, hasLeft: others["left"]?.bool ?? false,
                    links: rows("links").compactMap { $0.string.flatMap { NodeID(hex: $0) } },
                    guests: rows("guests").compactMap { row in
                        Self.node(row, 0).flatMap { person in
                            Self.at(row, 1)?.string.map { GuestRecord(person: person, name: $0) }
                        }
                    }))
        case "peers":
            return .peers(
                rows("peers").compactMap { row in
                    guard let node = Self.node(row, 0), let text = Self.at(row, 1)?.string,
                        let endpoint = try? Endpoint(parsing: text), let address = endpoint.socketAddress
                    else { return nil }
                    return PeerAddress(node: node, address: address)
                })
        case "ping": return number("number").map { .ping($0) } ?? .unknown
        case "pong": return number("number").map { .pong($0) } ?? .unknown
        case "sum":
            guard let log = word("log"), let members = word("roll") else { return .unknown }
            return .sum(MeshSum(log: log, members: members))
        case "have":
            return .have(
                MeshHave(
                    authors: pairs("authors").map { MeshHave.Author($0, $1) },
                    members: pairs("members").map { MeshHave.Member($0, $1) },
                    wantsAnswer: others["answer"]?.bool ?? false))
        case "want": return .want(ranges("ranges"))
        case "page": return .page(MeshPage(gone: ranges("gone"), hasMore: others["more"]?.bool ?? false))
        case "ack":
            return .ack(
                rows("acks").compactMap { row in
                    guard let author = Self.node(row, 0), let by = Self.node(row, 1), let last = Self.number(row, 2)
                    else { return nil }
                    return MeshAck(author: author, by: by, sequence: last)
                })
        case "whisper":
            guard let route, let time, let sender, let text else { return .unknown }
            return .whisper(
                MeshWhisper(
                    id: route.id, from: route.from, to: route.to, hops: route.hops, time: time, sender: sender,
                    text: text))
        case "heard":
            guard let route else { return .unknown }
            return .heard(WhisperReceipt(id: route.id, from: route.from, to: route.to, hops: route.hops))
        default: return .unknown
        }
    }

    private var guest: GuestLine? {
        guard let value = others["guest"], let person = value["person"]?.string.flatMap({ NodeID(hex: $0) }),
            let line = value["line"]?.string.flatMap({ NodeID(hex: $0) })
        else { return nil }
        return GuestLine(person: person, digest: line, isTimed: value["timed"]?.bool ?? false)
    }

    private var route: (id: MessageID, from: NodeID, to: NodeID, hops: Int)? {
        guard let id = others["id"]?.string.flatMap({ MessageID(hex: $0) }),
            let from = others["from"]?.string.flatMap({ NodeID(hex: $0) }),
            let to = others["to"]?.string.flatMap({ NodeID(hex: $0) }), let hops = number("hops")
        else { return nil }
        return (id, from, to, Int(min(hops, 255)))
    }

    private func number(_ key: String) -> UInt64? { others[key]?.integer.flatMap { UInt64(exactly: $0) } }

    /// A 64-bit word as 16 hex digits: more than a JSON number holds everywhere.
    private func word(_ key: String) -> UInt64? {
        guard let text = others[key]?.string, text.utf8.count == 16 else { return nil }
        return UInt64(text, radix: 16)
    }

    private func rows(_ key: String) -> [JSON] { others[key]?.array ?? [] }

    private func pairs(_ key: String) -> [(NodeID, UInt64)] {
        rows(key).compactMap { row in
            guard let node = Self.node(row, 0), let number = Self.number(row, 1) else { return nil }
            return (node, number)
        }
    }

    private func ranges(_ key: String) -> [WantedRange] {
        rows(key).compactMap { row in
            guard let node = Self.node(row, 0), let from = Self.number(row, 1), let through = Self.number(row, 2),
                from > 0, from <= through
            else { return nil }
            return WantedRange(node, from: from, through: through)
        }
    }

    private static func at(_ row: JSON, _ index: Int) -> JSON? {
        guard let array = row.array, index < array.count else { return nil }
        return array[index]
    }

    private static func node(_ row: JSON, _ index: Int) -> NodeID? {
        at(row, index)?.string.flatMap { NodeID(hex: $0) }
    }

    private static func number(_ row: JSON, _ index: Int) -> UInt64? {
        at(row, index)?.integer.flatMap { UInt64(exactly: $0) }
    }
}

import Wire

@testable import UDPMode

/// A double of the original's server, faults included: it dies where the original dies. Written from the description of
/// its wire format, with no code in common with our server.
struct OriginalServer {
    struct Death: Error, Equatable {
        var reason: String
    }

    /// How long a member may take to acknowledge a group message.
    static let patience: Duration = .milliseconds(500)

    var clients: [(name: String, metadata: JSON, address: SocketAddress)] = []
    var groups: [(name: String, members: [String])] = []
    /// Members that have not acknowledged yet: when they are removed.
    var waiting: [(group: String, member: String, due: MonotonicTime)] = []
    var log: [String] = []
    var death: Death?
    let port: UInt16

    init(port: UInt16) { self.port = port }

    typealias Sent = (bytes: [UInt8], to: SocketAddress)

    var deadline: MonotonicTime? { waiting.map(\.due).min() }

    mutating func received(_ bytes: [UInt8], from source: SocketAddress, at now: MonotonicTime) -> [Sent] {
        guard death == nil else { return [] }
        do {
            return try handle(Array(bytes.prefix(4_096)), source, now)
        } catch {
            death = error
            log.append("died: \(error.reason)")
            return []
        }
    }

    mutating func timedOut(at now: MonotonicTime) {
        for late in waiting where late.due <= now {
            log.append("[Client \(late.member) not responsive, removed from group \(late.group)]")
            if let index = groups.firstIndex(where: { $0.name == late.group }) {
                groups[index].members.removeAll { $0 == late.member }
            }
        }
        waiting.removeAll { $0.due <= now }
    }

    private func encode(_ type: String, _ payload: JSON) -> [UInt8] {
        let message: JSON = ["type": .string(type), "payload": payload, "metadata": ["port": .integer(Int64(port))]]
        return message.encoded(style: .python)
    }

    private func table() -> [Sent] {
        var object = JSONObject()
        for client in clients { object[client.name] = client.metadata }
        return clients.map { (encode("state_change", .object(object)), $0.address) }
    }

    private func index(of name: String) -> Int? { clients.firstIndex { $0.name == name } }

    private mutating func handle(
        _ bytes: [UInt8], _ source: SocketAddress, _ now: MonotonicTime
    ) throws(Death) -> [Sent] {
        guard let value = try? JSON(parsing: bytes[...]), value.object != nil else {
            throw Death(reason: "not a JSON object")
        }
        guard let metadata = value["metadata"],
            let port = metadata["client_port"]?.integer.flatMap(UInt16.init(exactly:))
        else { throw Death(reason: "no client_port") }
        guard let name = metadata["name"]?.string else { throw Death(reason: "no name") }
        let payload = value["payload"] ?? .null
        let address = SocketAddress(ip: source.ip, port: port)
        func answer(_ type: String, _ payload: JSON) -> [Sent] { [(encode(type, payload), address)] }
        switch value["type"]?.string {
        case "registration":
            guard index(of: name) == nil else {
                return answer("registration_error", ["message": .string("`\(name)` already exists!")])
            }
            var kept = metadata.object ?? JSONObject()
            kept["sender_ip"] = .string(source.ip.description)
            clients.append((name, .object(kept), address))
            log.append("[Server table updated.]")
            return answer("registration_confirmation", .null) + table()
        case "deregistration":
            guard let index = index(of: name) else { throw Death(reason: "deregistration of \(name)") }
            clients.remove(at: index)
            log.append("[Server table updated. (removed \(name))]")
            return answer("deregistration_confirmation", .null) + table()
        case "client_offline":
            guard let other = payload.string, let index = index(of: other) else {
                throw Death(reason: "client_offline of a name that is not there")
            }
            clients.remove(at: index)
            for group in groups.indices { groups[group].members.removeAll { $0 == other } }
            log.append("[Server table updated.]")
            return table() + answer("client_offline_ack", .string(other))
        case "create_group":
            guard let group = payload.string else { throw Death(reason: "create_group without a name") }
            guard !groups.contains(where: { $0.name == group }) else {
                log.append("[Client \(name) creating group `\(group)` failed, group already exists]")
                return answer("create_group_error", ["message": .string("Group `\(group)` already exists.")])
            }
            groups.append((group, []))
            log.append("[Client \(name) created group `\(group)` successfully!]")
            return answer("create_group_ack", .string(group))
        case "list_groups":
            log.append("[Client \(name) requested listing groups, current groups:]")
            for group in groups { log.append("[\(group.name)]") }
            return answer("list_groups_ack", ["groups": .array(groups.map { .string($0.name) })])
        case "join_group":
            guard let group = payload.string, let index = groups.firstIndex(where: { $0.name == group }) else {
                log.append("[Client \(name) joining group `\(payload.string ?? "")` failed, group does not exist]")
                return answer(
                    "join_group_error", ["message": .string("Group `\(payload.string ?? "")` does not exist.")])
            }
            groups[index].members.append(name)
            log.append("[Client \(name) joined group `\(group)`]")
            return answer("join_group_ack", .string(group))
        case "list_members":
            guard let group = payload["group"]?.string, let found = groups.first(where: { $0.name == group }) else {
                throw Death(reason: "list_members of a group that is not there")
            }
            log.append("[Client \(name) requested listing members of group \(group)]")
            for member in found.members { log.append("[\(member)]") }
            return answer("members_list", ["members": .array(found.members.map { .string($0) })])
        case "leave_group":
            guard let group = payload.string, let index = groups.firstIndex(where: { $0.name == group }),
                let member = groups[index].members.firstIndex(of: name)
            else { throw Death(reason: "leave_group of a group that one is not in") }
            groups[index].members.remove(at: member)
            log.append("[Client \(name) left group \(group)]")
            return answer("leave_group_ack", .null)
        case "group_message":
            guard let text = payload["message"]?.string, let group = payload["group"]?.string,
                let found = groups.first(where: { $0.name == group })
            else { throw Death(reason: "group_message to a group that is not there") }
            log.append("[Client \(name) sent group message: \(text)]")
            var sent = answer("group_message_ack", .null)
            for member in found.members where member != name {
                guard let index = index(of: member) else {
                    throw Death(reason: "group_message to a member that has deregistered")
                }
                let relay = encode("group_message", ["message": .string(text), "sender": .string(name)])
                sent.append((relay, clients[index].address))
                waiting.append((group, member, now + Self.patience))
            }
            return sent
        case "group_message_ack":
            let before = waiting.count
            waiting.removeAll { $0.member == name }
            if waiting.count < before { log.append("[Client \(name) acked group message]") }
            return []
        default: return []
        }
    }
}

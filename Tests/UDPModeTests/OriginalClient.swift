import Wire

@testable import UDPMode

/// A double of the original's client: two sockets, one command at a time, any acknowledgement satisfies it, nothing is told
/// apart from its copy, and its listener dies where the original's dies.
struct OriginalClient {
    enum Socket { case listener, commands }
    typealias Sent = (bytes: [UInt8], to: SocketAddress, from: Socket)

    let name: String
    let port: UInt16
    let server: SocketAddress
    var screen: [String] = []
    var table: [String: SocketAddress] = [:]
    var group: String?
    var inbox: [String] = []
    /// Why its listener has died; it goes on sending.
    var listenerDeath: String?
    var hasStopped = false
    /// What it sends again until any acknowledgement comes.
    private var pending: (message: [UInt8], to: SocketAddress, sends: Int, due: MonotonicTime, receiver: String?)?
    private var isAcknowledged = false

    init(name: String, port: UInt16, server: SocketAddress) {
        self.name = name
        self.port = port
        self.server = server
    }

    var isBusy: Bool { pending != nil }
    var deadline: MonotonicTime? { pending?.due }

    private func encode(_ type: String, _ payload: JSON) -> [UInt8] {
        let message: JSON = [
            "type": .string(type), "payload": payload,
            "metadata": [
                "name": .string(name), "server_ip": .string(server.ip.description),
                "server_port": .integer(Int64(server.port)), "client_port": .integer(Int64(port)),
                "client_ip": "127.0.0.1",
            ],
        ]
        return message.encoded(style: .python)
    }

    private mutating func show(_ line: String) { screen.append(line) }

    func registration() -> [Sent] { [(encode("registration", .null), server, .commands)] }

    /// What is typed, when nothing is pending.
    mutating func typed(_ line: String, at now: MonotonicTime) -> [Sent] {
        precondition(pending == nil, "the original's prompt comes back when its command is done")
        let words = line.split(separator: " ", maxSplits: 2).map(String.init)
        func rest(_ count: Int) -> String { String(line.split(separator: " ", maxSplits: count).last ?? "") }
        switch (words[0], group) {
        case ("send", _):
            guard let address = table[words[1]] else { return [] }
            return command("message", .string(words[2]), to: address, receiver: words[1], now)
        case ("dereg", _):
            guard words[1] == name else {
                show("[You can only deregister yourself.]")
                return []
            }
            return command("deregistration", .null, now)
        case ("create_group", nil): return command("create_group", .string(words[1]), now)
        case ("list_groups", nil): return command("list_groups", .null, now)
        case ("join_group", nil): return command("join_group", .string(words[1]), now)
        case ("send_group", let group?):
            return command("group_message", ["message": .string(rest(1)), "group": .string(group)], now)
        case ("list_members", let group?): return command("list_members", ["group": .string(group)], now)
        case ("leave_group", let group?): return command("leave_group", .string(group), now)
        default:
            show(group == nil ? "[Invalid command: \(words[0])]" : "Invalid command: \(words[0])")
            return []
        }
    }

    private mutating func command(
        _ type: String, _ payload: JSON, to address: SocketAddress? = nil, receiver: String? = nil, _ now: MonotonicTime
    ) -> [Sent] {
        let message = encode(type, payload)
        pending = (message, address ?? server, 1, now + .milliseconds(500), receiver)
        isAcknowledged = false
        return [(message, address ?? server, .commands)]
    }

    mutating func timedOut(at now: MonotonicTime) -> [Sent] {
        guard var waiting = pending, waiting.due <= now else { return [] }
        if isAcknowledged {
            pending = nil
            return []
        }
        if waiting.sends < 6 {
            waiting.sends += 1
            waiting.due = now + .milliseconds(500)
            pending = waiting
            return [(waiting.message, waiting.to, .commands)]
        }
        pending = nil
        guard let receiver = waiting.receiver else {
            show("[Server not responding]")
            show("[Exiting]")
            hasStopped = true
            return []
        }
        show("[No ACK from \(receiver), message not delivered]")
        return command("client_offline", .string(receiver), now)
    }

    mutating func received(_ bytes: [UInt8], from source: SocketAddress) -> [Sent] {
        guard listenerDeath == nil, !hasStopped else { return [] }
        guard let value = try? JSON(parsing: bytes.prefix(4_096)), value.object != nil else {
            listenerDeath = "not JSON"
            return []
        }
        let payload = value["payload"] ?? .null
        switch value["type"]?.string {
        case "registration_confirmation": show("[Welcome, You are registered.]")
        case "registration_error":
            show("[\(payload["message"]?.string ?? "")]")
            hasStopped = true
        case "state_change":
            guard let entries = payload.object else {
                listenerDeath = "a state_change without a table"
                return []
            }
            table.removeAll()
            for name in entries.keys {
                guard let port = entries[name]?["client_port"]?.integer.flatMap(UInt16.init(exactly:)),
                    let ip = entries[name]?["client_ip"]?.string.flatMap({ IPAddress(parsing: $0) })
                else {
                    listenerDeath = "an entry of the table without an address"
                    return []
                }
                table[name] = SocketAddress(ip: ip, port: port)
            }
            show("[Client table updated.]")
        case "message":
            guard let sender = value["metadata"]?["name"]?.string, let address = table[sender] else {
                listenerDeath = "a message from a name that its table lacks"
                return []
            }
            let text = "\(sender): \(payload.string ?? "")"
            if group == nil { show("[\(text)]") } else { inbox.append(text) }
            return [(encode("message_ack", .string(name)), address, .listener)]
        case "message_ack":
            acknowledged("[Message received by \(payload.string ?? "")]")
        case "client_offline_ack":
            acknowledged("[Auto-deregistered \(payload.string ?? "") since they were offline.]")
        case "deregistration_confirmation":
            acknowledged("[You are Offline. Bye.]")
            hasStopped = true
        case "create_group_ack": acknowledged("[Group \(payload.string ?? "") created by Server.]")
        case "create_group_error", "join_group_error": acknowledged("[\(payload["message"]?.string ?? "")]")
        case "list_groups_ack":
            acknowledged("[Available group chats:]")
            for group in payload["groups"]?.array ?? [] { show("[\(group.string ?? "")]") }
        case "join_group_ack":
            group = payload.string
            acknowledged("[Entered group \(payload.string ?? "") successfully!]")
        case "members_list":
            acknowledged("[Members in the group \(group ?? ""):]")
            for member in payload["members"]?.array ?? [] { show(member.string ?? "") }
        case "leave_group_ack":
            acknowledged("[Leave group chat \(group ?? "")]")
            group = nil
            for text in inbox { show("[>>> \(text)]") }
            inbox.removeAll()
        case "group_message_ack": acknowledged("[Message received by Server.]")
        case "group_message":
            show("Group_Message \(payload["sender"]?.string ?? ""): \(payload["message"]?.string ?? "")")
            let answer: JSON = group.map { ["group": .string($0)] } ?? .null
            return [(encode("group_message_ack", answer), server, .listener)]
        default: break
        }
        return []
    }

    private mutating func acknowledged(_ line: String) {
        // Any acknowledgement satisfies any command; a second one is shown all the same.
        isAcknowledged = true
        show(line)
    }
}

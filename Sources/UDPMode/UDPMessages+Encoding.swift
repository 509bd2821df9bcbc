package import Wire

extension UDPMessage {
    /// The bytes as the original programs write them; where that does not fit a datagram, the shorter spelling of the
    /// same JSON (no spaces, UTF-8 instead of `\u` escapes), which they read as well.
    package func encoded() throws(UDPMessageError) -> [UInt8] {
        let value = json
        let python = value.encoded(style: .python)
        if python.count <= Self.datagramLimit { return python }
        let compact = value.encoded(style: .compact)
        guard compact.count <= Self.datagramLimit else { throw .tooLong(by: compact.count - Self.datagramLimit) }
        return compact
    }

    package var json: JSON {
        ["type": .string(body.type), "payload": body.payload, "metadata": metadata.json]
    }
}

extension UDPMessage.Body {
    /// The value of `type`.
    package var kind: UDPMessage.Kind {
        switch self {
        case .registration: .registration
        case .registrationConfirmation: .registrationConfirmation
        case .registrationError: .registrationError
        case .deregistration: .deregistration
        case .deregistrationConfirmation: .deregistrationConfirmation
        case .stateChange: .stateChange
        case .clientOffline: .clientOffline
        case .clientOfflineAck: .clientOfflineAck
        case .createGroup: .createGroup
        case .createGroupAck: .createGroupAck
        case .createGroupError: .createGroupError
        case .listGroups: .listGroups
        case .listGroupsAck: .listGroupsAck
        case .joinGroup: .joinGroup
        case .joinGroupAck: .joinGroupAck
        case .joinGroupError: .joinGroupError
        case .listMembers: .listMembers
        case .membersList: .membersList
        case .leaveGroup: .leaveGroup
        case .leaveGroupAck: .leaveGroupAck
        case .groupMessage, .groupRelay: .groupMessage
        case .groupMessageAck: .groupMessageAck
        case .message: .message
        case .messageAck: .messageAck
        case .ping: .ping
        case .pong: .pong
        case .tableRequest: .table
        case .introduce: .introduce
        case .introduceAck: .introduceAck
        case .storeMessage: .storeMessage
        case .storeMessageAck: .storeMessageAck
        case .storeMessageError: .storeMessageError
        case .storedMessage: .storedMessage
        case .storedMessageAck: .storedMessageAck
        case .slowDown: .slowDown
        case .stopping: .stopping
        case .refused: .refused
        }
    }

    /// The value of `type`, as it is written.
    package var type: String { kind.rawValue }

    var payload: JSON {
        switch self {
        case .registration, .registrationConfirmation, .deregistration, .deregistrationConfirmation, .listGroups,
            .leaveGroupAck, .ping, .pong, .tableRequest, .slowDown, .stopping:
            .null
        case .registrationError(let message), .createGroupError(let message), .joinGroupError(let message),
            .refused(let message):
            ["message": .string(message)]
        case .stateChange(let entries):
            .object(UDPTableEntry.table(entries))
        case .clientOffline(let name), .clientOfflineAck(let name), .messageAck(let name), .introduce(let name),
            .introduceAck(let name):
            .string(name)
        case .createGroup(let group), .createGroupAck(let group), .joinGroup(let group), .joinGroupAck(let group),
            .leaveGroup(let group):
            .string(group)
        case .listGroupsAck(let groups):
            ["groups": .array(groups.map { .string($0) })]
        case .listMembers(let group):
            ["group": .string(group)]
        case .membersList(let members):
            ["members": .array(members.map { .string($0) })]
        case .groupMessage(let text, let group):
            ["message": .string(text), "group": .string(group)]
        case .groupRelay(let text, let sender):
            ["message": .string(text), "sender": .string(sender)]
        case .groupMessageAck(let group):
            group.map { ["group": .string($0)] } ?? .null
        case .message(let text):
            .string(text)
        case .storeMessage(let name, let id, let text):
            ["to": .string(name), "id": .string(id.hex), "text": .string(text)]
        case .storeMessageAck(let id), .storedMessageAck(let id):
            ["id": .string(id.hex)]
        case .storeMessageError(let id, let message):
            ["id": .string(id.hex), "message": .string(message)]
        case .storedMessage(let name, let id, let text, let time):
            [
                "from": .string(name), "id": .string(id.hex), "text": .string(text), "time": .string(time.rfc3339),
            ]
        }
    }
}

extension UDPTableEntry {
    static func table(_ entries: [UDPTableEntry]) -> JSONObject {
        var table = JSONObject()
        for entry in entries { table[entry.name] = entry.json }
        return table
    }

    /// The client's own metadata and, last, where its registration came from.
    var json: JSON {
        var object = JSONObject()
        object["name"] = .string(name)
        object["server_ip"] = .string(serverIP)
        object["server_port"] = .integer(Int64(serverPort))
        object["client_port"] = .integer(Int64(clientPort))
        object["client_ip"] = .string(clientIP.map(\.description) ?? "")
        if let announced { object["chat"] = announced.json }
        if let senderIP { object["sender_ip"] = .string(senderIP.description) }
        return .object(object)
    }
}

extension UDPMetadata {
    var json: JSON {
        var object = JSONObject()
        switch self {
        case .client(let client):
            object["name"] = .string(client.name)
            object["server_ip"] = .string(client.serverIP)
            object["server_port"] = .integer(Int64(client.serverPort))
            object["client_port"] = .integer(Int64(client.clientPort))
            object["client_ip"] = .string(client.clientIP)
        case .server(let port, _):
            object["port"] = .integer(Int64(port))
        }
        if let chat { object["chat"] = chat.json }
        return .object(object)
    }
}

extension UDPExtension {
    var json: JSON {
        var object = JSONObject()
        object["v"] = .integer(Self.version)
        if let run { object["run"] = .string(Self.hex(run)) }
        if let session { object["session"] = .string(Self.hex(session)) }
        if let secret { object["secret"] = .string(secret.hex) }
        if let keep { object["keep"] = .bool(keep) }
        if let reclaim { object["reclaim"] = .bool(reclaim) }
        if let id { object["id"] = .string(id.hex) }
        if let sequence { object["seq"] = Self.number(sequence) }
        if let base { object["base"] = Self.number(base) }
        if let to { object["to"] = .string(to) }
        if let group { object["group"] = .string(group) }
        if let offset { object["offset"] = Self.number(offset) }
        if let next { object["next"] = Self.number(next) }
        if let revision { object["rev"] = Self.number(revision) }
        if let from { object["from"] = Self.number(from) }
        if let gone { object["gone"] = .array(gone.map { .string($0) }) }
        if let page { object["page"] = .integer(Int64(page)) }
        if let pages { object["pages"] = .integer(Int64(pages)) }
        if let wait { object["wait"] = .integer(wait) }
        if let registered { object["registered"] = .bool(registered) }
        if let online { object["online"] = .bool(online) }
        return .object(object)
    }

    static func hex(_ value: UInt64) -> String {
        var writer = ByteWriter(reserving: 16)
        writer.append(hexadecimal: value)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private static func number(_ value: UInt64) -> JSON { .integer(Int64(clamping: value)) }
}

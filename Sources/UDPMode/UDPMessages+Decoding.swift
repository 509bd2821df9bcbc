import Wire

extension UDPMessage {
    /// Reads one datagram. Fields that are not known are ignored; a field of `metadata.chat` that is not of its kind
    /// counts as absent.
    package init(decoding bytes: ArraySlice<UInt8>) throws(UDPMessageError) {
        let value: JSON
        do {
            value = try JSON(parsing: bytes)
        } catch {
            throw .notJSON
        }
        guard let object = value.object else { throw .notAnObject }
        guard let type = object["type"]?.string else { throw .noType }
        guard let metadata = UDPMetadata(object["metadata"]) else { throw .badMetadata }
        self.init(try Body(type: type, payload: object["payload"] ?? .null), metadata)
    }
}

extension UDPMessage.Body {
    init(type: String, payload: JSON) throws(UDPMessageError) {
        guard let kind = UDPMessage.Kind(rawValue: type) else { throw .unknownType(type) }
        guard let body = Self.read(kind, payload) else { throw .badPayload(type: type) }
        self = body
    }

    private static func read(_ kind: UDPMessage.Kind, _ payload: JSON) -> Self? {
        switch kind {
        case .registration: return .registration
        case .registrationConfirmation: return .registrationConfirmation
        case .registrationError: return payload["message"]?.string.map { .registrationError(message: $0) }
        case .deregistration: return .deregistration
        case .deregistrationConfirmation: return .deregistrationConfirmation
        case .stateChange: return UDPTableEntry.entries(payload).map { .stateChange($0) }
        case .clientOffline: return payload.string.map { .clientOffline(name: $0) }
        case .clientOfflineAck: return payload.string.map { .clientOfflineAck(name: $0) }
        case .createGroup: return payload.string.map { .createGroup($0) }
        case .createGroupAck: return payload.string.map { .createGroupAck($0) }
        case .createGroupError: return payload["message"]?.string.map { .createGroupError(message: $0) }
        case .listGroups: return .listGroups
        case .listGroupsAck: return strings(payload["groups"]).map { .listGroupsAck($0) }
        case .joinGroup: return payload.string.map { .joinGroup($0) }
        case .joinGroupAck: return payload.string.map { .joinGroupAck($0) }
        case .joinGroupError: return payload["message"]?.string.map { .joinGroupError(message: $0) }
        case .listMembers: return payload["group"]?.string.map { .listMembers(group: $0) }
        case .membersList: return strings(payload["members"]).map { .membersList($0) }
        case .leaveGroup: return payload.string.map { .leaveGroup($0) }
        case .leaveGroupAck: return .leaveGroupAck
        case .groupMessage:
            guard let text = payload["message"]?.string else { return nil }
            if let group = payload["group"]?.string { return .groupMessage(text: text, group: group) }
            return payload["sender"]?.string.map { .groupRelay(text: text, sender: $0) }
        case .groupMessageAck: return .groupMessageAck(group: payload["group"]?.string)
        case .message: return payload.string.map { .message(text: $0) }
        case .messageAck: return payload.string.map { .messageAck(name: $0) }
        case .ping: return .ping
        case .pong: return .pong
        case .table: return .tableRequest
        case .introduce: return payload.string.map { .introduce(name: $0) }
        case .introduceAck: return payload.string.map { .introduceAck(name: $0) }
        case .storeMessage, .storeMessageAck, .storeMessageError, .storedMessage, .storedMessageAck:
            return readStored(kind, payload)
        case .slowDown: return .slowDown
        case .stopping: return .stopping
        case .refused: return payload["message"]?.string.map { .refused(message: $0) }
        }
    }

    private static func readStored(_ kind: UDPMessage.Kind, _ payload: JSON) -> Self? {
        guard let id = payload["id"]?.string.flatMap(MessageID.init(hex:)) else { return nil }
        switch kind {
        case .storeMessageAck: return .storeMessageAck(id: id)
        case .storedMessageAck: return .storedMessageAck(id: id)
        case .storeMessageError: return payload["message"]?.string.map { .storeMessageError(id: id, message: $0) }
        default: break
        }
        guard let text = payload["text"]?.string else { return nil }
        if kind == .storeMessage { return payload["to"]?.string.map { .storeMessage(to: $0, id: id, text: text) } }
        guard let from = payload["from"]?.string,
            let time = payload["time"]?.string.flatMap(Timestamp.init(rfc3339:))
        else { return nil }
        return .storedMessage(from: from, id: id, text: text, time: time)
    }

    private static func strings(_ value: JSON?) -> [String]? {
        guard let array = value?.array else { return nil }
        let strings = array.compactMap(\.string)
        return strings.count == array.count ? strings : nil
    }
}

extension UDPTableEntry {
    /// Nil when it is not a table. An entry that cannot be used (no port, not an object) is left out.
    static func entries(_ payload: JSON) -> [UDPTableEntry]? {
        guard let table = payload.object else { return nil }
        return table.keys.compactMap { name in table[name].flatMap { UDPTableEntry(name: name, $0) } }
    }

    init?(name: String, _ value: JSON) {
        guard let port = UDPMetadata.port(value["client_port"]), port > 0 else { return nil }
        self.init(
            name: name,
            clientIP: value["client_ip"]?.string.flatMap { IPAddress(parsing: $0) },
            clientPort: port,
            senderIP: value["sender_ip"]?.string.flatMap { IPAddress(parsing: $0) },
            serverIP: value["server_ip"]?.string ?? "",
            serverPort: UDPMetadata.port(value["server_port"]) ?? 0,
            announced: UDPExtension(value["chat"]))
    }
}

extension UDPMetadata {
    init?(_ value: JSON?) {
        guard let value, value.object != nil else { return nil }
        let chat = UDPExtension(value["chat"])
        if let clientPort = Self.port(value["client_port"]) {
            guard clientPort > 0, let name = value["name"]?.string else { return nil }
            self = .client(
                Client(
                    name: name, serverIP: value["server_ip"]?.string ?? "",
                    serverPort: Self.port(value["server_port"]) ?? 0, clientPort: clientPort,
                    clientIP: value["client_ip"]?.string ?? "", chat: chat))
        } else {
            // An original server's is {"port": 5000}; nothing of it is needed, so nothing of it is demanded.
            self = .server(port: Self.port(value["port"]) ?? 0, chat: chat)
        }
    }

    /// A port is a number; one that came in as text from a command line is taken as well.
    static func port(_ value: JSON?) -> UInt16? {
        if let integer = value?.integer { return UInt16(exactly: integer) }
        if let text = value?.string { return UInt16(text) }
        return nil
    }
}

extension UDPExtension {
    /// Names of `gone` in one datagram.
    private static let goneLimit = 1_024

    init?(_ value: JSON?) {
        guard let value, let version = value["v"]?.integer, version >= 1 else { return nil }
        run = value["run"]?.string.flatMap(Self.number(hex:))
        session = value["session"]?.string.flatMap(Self.number(hex:))
        secret = value["secret"]?.string.flatMap(MessageID.init(hex:))
        keep = value["keep"]?.bool
        reclaim = value["reclaim"]?.bool
        id = value["id"]?.string.flatMap(MessageID.init(hex:))
        sequence = Self.number(value["seq"])
        base = Self.number(value["base"])
        to = value["to"]?.string
        group = value["group"]?.string
        offset = Self.number(value["offset"])
        next = Self.number(value["next"])
        revision = Self.number(value["rev"])
        from = Self.number(value["from"])
        gone = value["gone"]?.array.map { $0.prefix(Self.goneLimit).compactMap(\.string) }
        page = value["page"]?.integer.flatMap(Int.init(exactly:))
        pages = value["pages"]?.integer.flatMap(Int.init(exactly:))
        wait = value["wait"]?.integer.map { min(max(0, $0), 60_000) }
        registered = value["registered"]?.bool
        online = value["online"]?.bool
    }

    static func number(hex text: String) -> UInt64? {
        text.utf8.count == 16 ? UInt64(text, radix: 16) : nil
    }

    private static func number(_ value: JSON?) -> UInt64? {
        value?.integer.flatMap { UInt64(exactly: $0) }
    }
}

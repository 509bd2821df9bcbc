package import Wire

extension UDPMessage {
    /// The bytes as the original programs write them; where that does not fit a datagram, the shorter spelling of the
    /// same JSON (no spaces, UTF-8 instead of `\u` escapes), which they read as well.
    package func encoded() throws(UDPMessageError) -> [UInt8] {
        let python = encoded(style: .python)
        if python.count <= Self.datagramLimit { return python }
        let compact = encoded(style: .compact)
        guard compact.count <= Self.datagramLimit else { throw .tooLong(by: compact.count - Self.datagramLimit) }
        return compact
    }

    /// The bytes in one of the two spellings, however many they are.
    package func encoded(style: JSONWriter.Style) -> [UInt8] {
        var writer = ByteWriter(reserving: 512)
        writer.appendJSON(style: style) { json in
            json.object {
                $0.member("type", body.type)
                $0.key("payload")
                body.writePayload(to: &$0)
                $0.key("metadata")
                metadata.write(to: &$0)
            }
        }
        return writer.bytes
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

    func writePayload(to json: inout JSONWriter) {
        switch self {
        case .registration, .registrationConfirmation, .deregistration, .deregistrationConfirmation, .listGroups,
            .leaveGroupAck, .ping, .pong, .tableRequest, .slowDown, .stopping, .groupMessageAck(group: nil):
            json.null()
        case .registrationError(let message), .createGroupError(let message), .joinGroupError(let message),
            .refused(let message):
            json.object { $0.member("message", message) }
        case .stateChange(let entries):
            json.object { for entry in entries { entry.write(to: &$0) } }
        case .clientOffline(let text), .clientOfflineAck(let text), .messageAck(let text), .introduce(let text),
            .introduceAck(let text), .createGroup(let text), .createGroupAck(let text), .joinGroup(let text),
            .joinGroupAck(let text), .leaveGroup(let text), .message(let text):
            json.string(text)
        case .listGroupsAck(let groups):
            json.object { $0.member("groups", groups) }
        case .listMembers(let group), .groupMessageAck(.some(let group)):
            json.object { $0.member("group", group) }
        case .membersList(let members):
            json.object { $0.member("members", members) }
        case .groupMessage(let text, let group):
            json.object {
                $0.member("message", text)
                $0.member("group", group)
            }
        case .groupRelay(let text, let sender):
            json.object {
                $0.member("message", text)
                $0.member("sender", sender)
            }
        case .storeMessage(let name, let id, let text):
            json.object {
                $0.member("to", name)
                $0.member("id", id)
                $0.member("text", text)
            }
        case .storeMessageAck(let id), .storedMessageAck(let id):
            json.object { $0.member("id", id) }
        case .storeMessageError(let id, let message):
            json.object {
                $0.member("id", id)
                $0.member("message", message)
            }
        case .storedMessage(let name, let id, let text, let time):
            json.object {
                $0.member("from", name)
                $0.member("id", id)
                $0.member("text", text)
                $0.member("time", time.rfc3339)
            }
        }
    }
}

extension UDPTableEntry {
    /// Key and value in a table: the client's own metadata and, last, where its registration came from.
    func write(to json: inout JSONWriter) {
        json.key(escaping: name)
        json.object {
            $0.member("name", name)
            $0.member("server_ip", serverIP)
            $0.member("server_port", serverPort)
            $0.member("client_port", clientPort)
            $0.member("client_ip", clientIP?.description ?? "")
            if let announced {
                $0.key("chat")
                announced.write(to: &$0)
            }
            if let senderIP { $0.member("sender_ip", senderIP.description) }
        }
    }

    /// Bytes that it adds to a table, with the comma before it.
    package var encodedSize: Int {
        var writer = ByteWriter(reserving: 256)
        writer.appendJSON(style: .python) { write(to: &$0) }
        return writer.bytes.count + 2
    }
}

extension UDPMetadata {
    func write(to json: inout JSONWriter) {
        json.object {
            switch self {
            case .client(let client):
                $0.member("name", client.name)
                $0.member("server_ip", client.serverIP)
                $0.member("server_port", client.serverPort)
                $0.member("client_port", client.clientPort)
                $0.member("client_ip", client.clientIP)
            case .server(let port, _):
                $0.member("port", port)
            }
            if let chat {
                $0.key("chat")
                chat.write(to: &$0)
            }
        }
    }
}

extension UDPExtension {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("v", Self.version)
            if let run { $0.member("run", hexadecimal: run) }
            if let session { $0.member("session", hexadecimal: session) }
            if let secret { $0.member("secret", secret) }
            if let keep { $0.member("keep", keep) }
            if let reclaim { $0.member("reclaim", reclaim) }
            if let id { $0.member("id", id) }
            if let sequence { $0.member("seq", Int64(clamping: sequence)) }
            if let base { $0.member("base", Int64(clamping: base)) }
            if let to { $0.member("to", to) }
            if let group { $0.member("group", group) }
            if let offset { $0.member("offset", Int64(clamping: offset)) }
            if let next { $0.member("next", Int64(clamping: next)) }
            if let revision { $0.member("rev", Int64(clamping: revision)) }
            if let from { $0.member("from", Int64(clamping: from)) }
            if let gone { $0.member("gone", gone) }
            if let page { $0.member("page", page) }
            if let pages { $0.member("pages", pages) }
            if let wait { $0.member("wait", wait) }
            if let registered { $0.member("registered", registered) }
            if let online { $0.member("online", online) }
        }
    }

    static func hex(_ value: UInt64) -> String {
        var writer = ByteWriter(reserving: 16)
        writer.append(hexadecimal: value)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

extension JSONWriter {
    fileprivate mutating func member(_ key: StaticString, _ texts: [String]) {
        self.key(key)
        array { for text in texts { $0.string(text) } }
    }
}

package import Wire

/// One datagram of the udp mode: a JSON object `{"type": T, "payload": P, "metadata": M}`, at most 4,096 bytes.
///
/// Protocols.md, "udp", lists every type with its payload; what is ours alone stands in `metadata.chat`
/// (`UDPExtension`) or in types that are sent only to ends that have announced themselves there.
package struct UDPMessage: Sendable, Equatable {
    /// Bytes of a datagram: what the original programs receive at once.
    package static let datagramLimit = 4_096

    package var body: Body
    package var metadata: UDPMetadata

    package init(_ body: Body, _ metadata: UDPMetadata) {
        self.body = body
        self.metadata = metadata
    }

    /// The type and the payload.
    package enum Body: Sendable, Equatable {
        // A client's requests, and the server's answers.
        case registration
        case registrationConfirmation
        case registrationError(message: String)
        case deregistration
        case deregistrationConfirmation
        case stateChange([UDPTableEntry])
        case clientOffline(name: String)
        case clientOfflineAck(name: String)
        case createGroup(String)
        case createGroupAck(String)
        case createGroupError(message: String)
        case listGroups
        case listGroupsAck([String])
        case joinGroup(String)
        case joinGroupAck(String)
        case joinGroupError(message: String)
        case listMembers(group: String)
        case membersList([String])
        case leaveGroup(String)
        case leaveGroupAck
        /// A member's message on its way to the server.
        case groupMessage(text: String, group: String)
        /// A member's message on its way to another member.
        case groupRelay(text: String, sender: String)
        /// From the server (no group): it has the message. From a member: it has shown it.
        case groupMessageAck(group: String?)

        // Between two clients.
        case message(text: String)
        case messageAck(name: String)

        // Ours alone.
        case ping
        case pong
        case tableRequest
        case introduce(name: String)
        case introduceAck(name: String)
        case storeMessage(to: String, id: MessageID, text: String)
        case storeMessageAck(id: MessageID)
        case storeMessageError(id: MessageID, message: String)
        case storedMessage(from: String, id: MessageID, text: String, time: Timestamp)
        case storedMessageAck(id: MessageID)
        /// "Again, after `metadata.chat.wait`": flood control.
        case slowDown
        /// The server ends; whoever is registered registers again when it is back.
        case stopping
        /// A request of an end of ours that cannot be granted.
        case refused(message: String)
    }

    /// Every value of `type`.
    package enum Kind: String, Sendable, CaseIterable {
        case registration
        case registrationConfirmation = "registration_confirmation"
        case registrationError = "registration_error"
        case deregistration
        case deregistrationConfirmation = "deregistration_confirmation"
        case stateChange = "state_change"
        case clientOffline = "client_offline"
        case clientOfflineAck = "client_offline_ack"
        case createGroup = "create_group"
        case createGroupAck = "create_group_ack"
        case createGroupError = "create_group_error"
        case listGroups = "list_groups"
        case listGroupsAck = "list_groups_ack"
        case joinGroup = "join_group"
        case joinGroupAck = "join_group_ack"
        case joinGroupError = "join_group_error"
        case listMembers = "list_members"
        case membersList = "members_list"
        case leaveGroup = "leave_group"
        case leaveGroupAck = "leave_group_ack"
        case groupMessage = "group_message"
        case groupMessageAck = "group_message_ack"
        case message
        case messageAck = "message_ack"
        case ping
        case pong
        case table
        case introduce
        case introduceAck = "introduce_ack"
        case storeMessage = "store_message"
        case storeMessageAck = "store_message_ack"
        case storeMessageError = "store_message_error"
        case storedMessage = "stored_message"
        case storedMessageAck = "stored_message_ack"
        case slowDown = "slow_down"
        case stopping
        case refused
    }
}

/// One client as the server's table lists it.
package struct UDPTableEntry: Sendable, Equatable {
    package var name: String
    package var clientIP: IPAddress?
    package var clientPort: UInt16
    package var senderIP: IPAddress?
    package var serverIP: String
    package var serverPort: UInt16
    /// What the client announced of itself; nil for an original.
    package var announced: UDPExtension?

    package init(
        name: String, clientIP: IPAddress?, clientPort: UInt16, senderIP: IPAddress?, serverIP: String,
        serverPort: UInt16, announced: UDPExtension?
    ) {
        self.name = name
        self.clientIP = clientIP
        self.clientPort = clientPort
        self.senderIP = senderIP
        self.serverIP = serverIP
        self.serverPort = serverPort
        self.announced = announced
    }
}

/// What every datagram says about its sender.
package enum UDPMetadata: Sendable, Equatable {
    case client(Client)
    case server(port: UInt16, chat: UDPExtension?)

    package struct Client: Sendable, Equatable {
        package var name: String
        package var serverIP: String
        package var serverPort: UInt16
        package var clientPort: UInt16
        package var clientIP: String
        package var chat: UDPExtension?

        package init(
            name: String, serverIP: String, serverPort: UInt16, clientPort: UInt16, clientIP: String,
            chat: UDPExtension? = nil
        ) {
            self.name = name
            self.serverIP = serverIP
            self.serverPort = serverPort
            self.clientPort = clientPort
            self.clientIP = clientIP
            self.chat = chat
        }
    }

    package var chat: UDPExtension? {
        switch self {
        case .client(let client): client.chat
        case .server(_, let chat): chat
        }
    }

    package var client: Client? {
        guard case .client(let client) = self else { return nil }
        return client
    }
}

/// What our ends add in `metadata.chat`. Every field is there only where its message needs it.
package struct UDPExtension: Sendable, Equatable {
    package static let version: Int64 = 1

    /// Identifies a running program: a restart has another. Public, it appears in tables.
    package var run: UInt64?
    /// Proves that a request comes from who registered: made by the server, 64 bits, told to the registered address.
    package var session: UInt64?
    /// Reclaims a name after a crash: made by the server, 128 bits.
    package var secret: MessageID?
    /// The client keeps the secret, so the name and what is stored for it may outlive the program.
    package var keep: Bool?
    /// The name may be reclaimed by its secret.
    package var reclaim: Bool?
    /// The id of a request or of a message; an answer repeats it.
    package var id: MessageID?
    /// The place of a message in its conversation, and the lowest one that its sender still waits for.
    package var sequence: UInt64?
    package var base: UInt64?
    /// The name that a direct message is for.
    package var to: String?
    /// The group of a relayed message, and the group that the server has a client in.
    package var group: String?
    /// The place of a relayed message in its group.
    package var offset: UInt64?
    /// Every relayed message below it has been shown; in the answer to a join, the first one to come.
    package var next: UInt64?
    /// The number of changes of the table so far; `from`: the number that a change of it applies to.
    package var revision: UInt64?
    package var from: UInt64?
    package var gone: [String]?
    /// This part of the table, from 0, of so many.
    package var page: Int?
    package var pages: Int?
    /// Milliseconds.
    package var wait: Int64?
    /// The server has the client in its table.
    package var registered: Bool?
    /// A client that was reported as offline has answered.
    package var online: Bool?

    package init() {}

    /// The extension with one field or more set.
    package init(_ set: (inout UDPExtension) -> Void) {
        set(&self)
    }
}

package enum UDPMessageError: Error, Equatable, Sendable {
    /// The message needs so many bytes more than a datagram has.
    case tooLong(by: Int)
    case notJSON
    case notAnObject
    case noType
    case unknownType(String)
    case badPayload(type: String)
    case badMetadata
}

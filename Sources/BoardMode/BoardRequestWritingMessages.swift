import Delivery
package import Wire

/// Requests as a client writes them: the other direction of `BoardJSONRequest` and of `BoardRequest(text:)`.
extension BoardRequest {
    /// The JSON line of the request, for a server that speaks JSON.
    ///
    /// - Parameter id: what the answer repeats; a post's is its message's own.
    /// - Returns: nil for what only text has.
    package func json(id: JSON) -> [UInt8]? {
        guard let operation else { return nil }
        var writer = ByteWriter(reserving: 128)
        writer.appendJSON { json in
            json.object { json in
                json.member("op", operation)
                if case .post(_, let draft) = self, let message = draft.id {
                    json.member("id", message)
                } else if !id.isNull {
                    json.member("id", id)
                }
                fields(&json)
            }
        }
        writer.append(UInt8(ascii: "\n"))
        return writer.bytes
    }

    /// The `op` of the request.
    package var operation: String? {
        switch self {
        case .groups: "groups"
        case .join: "join"
        case .leave: "leave"
        case .post: "post"
        case .users: "users"
        case .read: "read"
        case .list: "list"
        case .since: "since"
        case .create: "create"
        case .ping: "ping"
        case .help: "help"
        case .exit: "exit"
        case .connect, .upgrade, .unknown, .invalid: nil
        }
    }

    private func fields(_ json: inout JSONWriter) {
        switch self {
        case .groups(let after, _): if let after { json.member("after", after) }
        case .join(let group, let resume), .leave(let group, let resume):
            json.member("group", group)
            if let resume { json.member("resume", resume.hex) }
        case .users(let group): json.member("group", group)
        case .post(let group, let draft):
            json.member("group", group)
            json.member("subject", draft.subject.text)
            json.member("text", draft.text)
        case .read(let group, .offset(let offset)):
            json.member("group", group)
            json.member("offset", offset)
        case .read(let group, .other):
            json.member("group", group)
            // What is no number cannot be there; the server says so.
            json.member("offset", -1)
        case .list(let group, let before):
            json.member("group", group)
            if let before { json.member("before", before) }
        case .since(let group, let epoch, let offset, let limit):
            json.member("group", group)
            if let epoch { json.member("epoch", epoch) }
            json.member("offset", offset)
            if let limit { json.member("limit", limit) }
        case .create(let group, let visibility):
            json.member("group", group)
            if let visibility { json.member("visibility", visibility.text) }
        case .ping, .help, .exit, .connect, .upgrade, .unknown, .invalid: break
        }
    }

    /// Why a post has no command.
    package static let limitsOfTextPosts: SafeText =
        "This server takes one word as a subject, and a text of one line and about 4,000 bytes."

    /// The command of the request for a server that speaks text, without a line end.
    ///
    /// - Returns: nil for what text has no command for, such as a subject of several words, or a text of several lines.
    package var command: String? {
        switch self {
        case .groups: "%groups"
        case .join(let group, _): "%groupjoin \(group)"
        case .leave(let group, _): "%groupleave \(group)"
        case .post(let group, let draft): draft.command(to: group)
        case .users(let group): "%groupusers \(group)"
        case .read(let group, let name): "%groupmessage \(group) \(name.text)"
        case .list(let group, nil): "%grouplist \(group)"
        case .exit: "%exit"
        case .list, .since, .create, .ping, .help, .connect, .upgrade, .unknown, .invalid: nil
        }
    }
}

extension BoardDraft {
    /// The command that posts it at a server that speaks text: one line, one word as a subject, and no more than that
    /// server reads at once.
    fileprivate func command(to group: String) -> String? {
        let command = "%grouppost \(group) \(subject.text) \(text)"
        guard !subject.text.contains(where: \.isWhitespace), !text.contains(where: \.isNewline),
            command.utf8.count < BoardInputMachine.segmentLimit
        else { return nil }
        return command
    }
}

package import Wire

extension ByteWriter {
    /// Appends one frame of our own extension, header and payload.
    ///
    /// - Parameter utcOffset: seconds; the greeting carries a local time for those at original programs.
    package mutating func append(_ frame: MeshFrame, at now: Timestamp, utcOffset: Int) throws(FrameError) {
        if case .hello(let hello) = frame { return try append(hello, at: now, utcOffset: utcOffset) }
        try appendFrame { writer in
            writer.append("{\"chat\":")
            writer.appendJSON { json in
                json.object { frame.write(to: &$0) }
            }
            writer.append(UInt8(ascii: "}"))
        }
    }

    /// The greeting: to an original program a chat that says who has joined.
    private mutating func append(_ hello: MeshHello, at now: Timestamp, utcOffset: Int) throws(FrameError) {
        try appendFrame { writer in
            writer.appendJSON(style: .python) { json in
                json.object { json in
                    json.member("type", literal: "chat")
                    json.member("sender", hello.name)
                    json.member("sender_id", hello.node.uuid)
                    json.member("text", "joined")
                    json.key("timestamp")
                    json.plainString { $0.append(pythonISO: now, utcOffset: utcOffset) }
                    json.member("formatted", "\(hello.name) joined")
                    json.member("formatted_you", "You joined")
                    json.key("chat")
                    json.object { json in
                        json.member("v", 1)
                        json.member("kind", literal: "hello")
                        json.member("node", hello.node)
                        json.member("port", hello.port)
                        if hello.isProbe { json.member("probe", true) }
                    }
                }
            }
        }
    }
}

extension MeshFrame {
    /// Writes the members of the object `chat`.
    fileprivate func write(to json: inout JSONWriter) {
        switch self {
        case .message(let message): message.write(to: &json)
        case .hello, .unknown: preconditionFailure("a greeting is a chat frame; what is not known is not sent")
        case .member(let record):
            json.member("kind", literal: "member")
            json.member("node", record.node)
            json.member("version", record.version)
            json.member("name", record.name)
            if record.hasLeft { json.member("left", true) }
            json.list("links", record.links) { $0.node($1) }
            json.rows("guests", record.guests) { json, guest in
                json.node(guest.person)
                json.string(guest.name)
            }
        case .bye(let bye):
            json.member("kind", literal: "bye")
            json.member("node", bye.node)
            json.member("reason", bye.reason.rawValue)
            if bye.version > 0 { json.member("version", bye.version) }
        case .peers(let peers):
            json.member("kind", literal: "peers")
            json.rows("peers", peers) { json, peer in
                json.node(peer.node)
                json.string("\(peer.address)")
            }
        case .ping(let number):
            json.member("kind", literal: "ping")
            json.member("number", number)
        case .pong(let number):
            json.member("kind", literal: "pong")
            json.member("number", number)
        case .sum(let sum):
            json.member("kind", literal: "sum")
            json.member("log", hexadecimal: sum.log)
            json.member("roll", hexadecimal: sum.members)
        case .have(let have):
            json.member("kind", literal: "have")
            json.rows("authors", have.authors) { json, author in
                json.node(author.node)
                json.integer(author.last)
            }
            json.rows("members", have.members) { json, member in
                json.node(member.node)
                json.integer(member.version)
            }
            if have.wantsAnswer { json.member("answer", true) }
        case .want(let ranges):
            json.member("kind", literal: "want")
            json.rows("ranges", ranges) { $0.range($1) }
        case .page(let page):
            json.member("kind", literal: "page")
            json.rows("gone", page.gone) { $0.range($1) }
            if page.hasMore { json.member("more", true) }
        case .ack(let acks):
            json.member("kind", literal: "ack")
            json.rows("acks", acks) { json, ack in
                json.node(ack.author)
                json.node(ack.by)
                json.integer(ack.sequence)
            }
        case .whisper(let whisper):
            json.member("kind", literal: "whisper")
            json.route(whisper.id, from: whisper.from, to: whisper.to, hops: whisper.hops)
            json.member("time", whisper.time.microseconds)
            json.member("sender", whisper.sender)
            json.member("text", whisper.text)
        case .heard(let receipt):
            json.member("kind", literal: "heard")
            json.route(receipt.id, from: receipt.from, to: receipt.to, hops: receipt.hops)
        }
    }
}

extension MeshMessage {
    fileprivate func write(to json: inout JSONWriter) {
        json.member("kind", literal: "message")
        json.member("node", author)
        json.member("sequence", sequence)
        json.member("time", time.microseconds)
        json.member("sender", sender)
        json.member("text", text)
        if isAction { json.member("action", true) }
        if isCaughtUp { json.member("old", true) }
        if let guest {
            json.key("guest")
            json.object { json in
                json.member("person", guest.person)
                json.member("line", guest.digest)
                if guest.isTimed { json.member("timed", true) }
            }
        }
    }
}

extension JSONWriter {
    mutating func member(_ key: StaticString, _ node: NodeID) {
        member(key, hexadecimal: (node.high, node.low))
    }

    fileprivate mutating func node(_ node: NodeID) {
        plainString {
            $0.append(hexadecimal: node.high)
            $0.append(hexadecimal: node.low)
        }
    }

    fileprivate mutating func range(_ range: WantedRange) {
        node(range.author)
        integer(range.from)
        integer(range.through)
    }

    fileprivate mutating func route(_ id: MessageID, from: NodeID, to: NodeID, hops: Int) {
        member("id", id)
        member("from", from)
        member("to", to)
        member("hops", hops)
    }

    /// An array, left out where it is empty.
    fileprivate mutating func list<Element>(
        _ key: StaticString, _ elements: [Element], _ write: (inout JSONWriter, Element) -> Void
    ) {
        if elements.isEmpty { return }
        self.key(key)
        array { json in
            for element in elements { write(&json, element) }
        }
    }

    /// An array of arrays.
    fileprivate mutating func rows<Element>(
        _ key: StaticString, _ elements: [Element], _ write: (inout JSONWriter, Element) -> Void
    ) {
        list(key, elements) { json, element in json.array { write(&$0, element) } }
    }
}

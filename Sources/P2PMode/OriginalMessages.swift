package import Wire

/// How an original program wants to be spoken to.
package enum Dialect: Equatable, Sendable {
    /// A JSON object a frame; also what is spoken to whoever has not said anything yet.
    case json
    /// `[time] name:\n\ttext`.
    case plain
    /// `name#text`, the test mode of the plain one.
    case test

    package var name: SafeText {
        switch self {
        case .json: "json"
        case .plain: "plain"
        case .test: "test"
        }
    }
}

/// What an original program said, as it stands in its frame.
package struct OriginalLine: Equatable, Sendable {
    package var sender: String
    package var text: String
    /// Local time of its host, ISO 8601 without a zone: of use only to tell lines apart.
    package var timestamp: String
    package var senderID: String

    package init(sender: String, text: String, timestamp: String = "", senderID: String = "") {
        self.sender = sender
        self.text = text
        self.timestamp = timestamp
        self.senderID = senderID
    }

    /// Takes apart `[time] name:\n\ttext`; `nil` for anything else.
    package init?(plain payload: ArraySlice<UInt8>) {
        guard payload.first == UInt8(ascii: "["), let bracket = payload.prefix(42).firstIndex(of: UInt8(ascii: "]"))
        else { return nil }
        let time = payload[payload.startIndex + 1..<bracket]
        let rest = payload[bracket...].dropFirst()
        guard Self.isTime(time), rest.first == UInt8(ascii: " "), let mark = Self.mark(in: rest),
            let sender = String(validating: rest[rest.startIndex + 1..<mark], as: UTF8.self),
            let text = String(validating: rest[(mark + 3)...], as: UTF8.self)
        else { return nil }
        self.init(sender: sender, text: text, timestamp: String(decoding: time, as: UTF8.self))
    }

    /// Takes apart `name#text` with exactly one `#`; `nil` for anything else.
    package init?(test payload: ArraySlice<UInt8>) {
        guard let mark = payload.firstIndex(of: UInt8(ascii: "#")), (1...64).contains(mark - payload.startIndex),
            !payload[(mark + 1)...].contains(UInt8(ascii: "#")),
            let sender = String(validating: payload[..<mark], as: UTF8.self), !sender.contains(where: \.isNewline),
            let text = String(validating: payload[(mark + 1)...], as: UTF8.self)
        else { return nil }
        self.init(sender: sender, text: text)
    }

    /// `2026-11-20T15:23:07`, with or without a fraction. Only the shape counts.
    private static func isTime(_ text: ArraySlice<UInt8>) -> Bool {
        guard text.count >= timeShape.utf8CodeUnitCount else { return false }
        return timeShape.withUTF8Buffer { shape in
            zip(text, shape).allSatisfy { byte, expected in
                expected == UInt8(ascii: "0")
                    ? (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) : byte == expected
            }
        }
    }

    private static let timeShape: StaticString = "0000-00-00T00:00:00"

    /// Where `:\n\t` stands first.
    private static func mark(in bytes: ArraySlice<UInt8>) -> Int? {
        var rest = bytes
        while let colon = rest.firstIndex(of: UInt8(ascii: ":")), rest.endIndex - colon >= 3 {
            if rest[colon + 1] == UInt8(ascii: "\n"), rest[colon + 2] == UInt8(ascii: "\t") { return colon }
            rest = rest[(colon + 1)...]
        }
        return nil
    }
}

/// What an original program said, with what tells its copies apart.
package struct GuestSaid: Equatable, Sendable {
    package var sender: String
    package var text: String
    package var senderID: String
    /// False when it gave no name; `sender` is its address then.
    package var hasName: Bool
    package var person: NodeID
    package var digest: NodeID
    package var isTimed: Bool

    /// `spoken` is `nil` for a frame that has no shape at all.
    package init(_ line: OriginalLine, as spoken: Dialect?, remote: SocketAddress) {
        hasName = !line.sender.isEmpty
        sender = hasName ? line.sender : "\(remote)"
        text = line.text
        senderID = line.senderID
        // Without a name or an id, only the connection tells who it is.
        let origin = hasName || !line.senderID.isEmpty ? "" : "\(remote)"
        var content = ContentDigest()
        for field in [line.senderID, line.timestamp, line.sender, line.text, origin] { content.updateField(field) }
        digest = content.finalizedID()
        isTimed = !line.timestamp.isEmpty
        if let node = NodeID(uuid: line.senderID) {
            person = node
        } else {
            var who = ContentDigest()
            for field in ["person", line.senderID, line.sender, origin] { who.updateField(field) }
            person = who.finalizedID()
        }
    }

    /// The digest of the n-th time that one connection says the same.
    package func digest(occurrence: Int) -> NodeID {
        var content = ContentDigest()
        content.updateField(digest.hex)
        content.updateField(String(occurrence))
        return content.finalizedID()
    }
}

/// Something that this node says to people at original programs, in any of their dialects.
package struct SpokenLine: Equatable, Sendable {
    package enum Content: Equatable, Sendable {
        /// With its sequence, so that one of ours which has not greeted yet knows it again. `nil`: to one person only.
        case text(String, UInt64?)
        case action(String, UInt64?)
        case left
        case renamed(from: String)
        /// This program's own words.
        case notice(String)
    }

    package var node: NodeID
    package var sender: String
    package var time: Timestamp
    package var content: Content

    package init(node: NodeID, sender: String, time: Timestamp, content: Content) {
        self.node = node
        self.sender = sender
        self.time = time
        self.content = content
    }

    /// What stands where an original puts a typed text.
    package var text: String {
        switch content {
        case .text(let text, _): text
        case .action(let text, _): "* \(sender) \(text)"
        case .left: "left"
        case .renamed(let old): "\(old) is now \(sender)"
        case .notice(let text): text
        }
    }

    /// What an original shows as it is; `nil` where it is to compose time, name and text itself.
    package var formatted: String? {
        switch content {
        case .text: nil
        case .action, .renamed, .notice: text
        case .left: "\(sender) left"
        }
    }
}

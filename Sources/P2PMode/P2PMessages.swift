package import Wire

/// What one frame of a connection says, in whichever dialect it came.
///
///     +--------+--------+------------------+
///     |  length, u16be  |  payload, UTF-8  |        the length counts the payload, 1 to 65,535 bytes
///     +--------+--------+------------------+
package enum P2PFrame: Equatable, Sendable {
    /// A chat of the "json" dialect.
    case chat(OriginalLine)
    /// `[time] name:\n\ttext` of the "plain" dialect.
    case plain(OriginalLine)
    /// `name#text`, the test mode of the plain one.
    case test(OriginalLine)
    /// Text of no known shape; an original shows it as it is.
    case raw(String)
    /// Our own extension.
    case mesh(MeshFrame)
}

/// Why a frame ends the connection, as it does in the original programs.
package enum P2PFrameError: Error, Equatable, Sendable {
    case empty
    case notUTF8

    package var message: SafeText {
        switch self {
        case .empty: "it sent an empty frame"
        case .notUTF8: "it sent bytes that are not UTF-8"
        }
    }
}

extension P2PFrame {
    /// Reads the payload of one frame.
    package init(decoding payload: ArraySlice<UInt8>) throws(P2PFrameError) {
        guard let first = payload.first else { throw .empty }
        switch first {
        case UInt8(ascii: "{"), UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"):
            if let frame = Self.decodeObject(payload) {
                self = frame
                return
            }
        default: break
        }
        if let line = OriginalLine(plain: payload) {
            self = .plain(line)
        } else if let line = OriginalLine(test: payload) {
            self = .test(line)
        } else if let text = String(validating: payload, as: UTF8.self) {
            self = .raw(text)
        } else {
            throw .notUTF8
        }
    }

    /// A JSON object that is a chat or a frame of our own; `nil` for what is to be shown as it is.
    private static func decodeObject(_ payload: ArraySlice<UInt8>) -> P2PFrame? {
        var isChat = false
        var line = OriginalLine(sender: "", text: "")
        var hasText = false
        var formatted: String?
        var fields: MeshFields?
        do throws(JSONError) {
            try JSONReader.read(payload) { reader throws(JSONError) in
                try reader.beginObject()
                while let key = try reader.nextKey() {
                    switch key {
                    case "chat":
                        if try reader.peek() == .object {
                            fields = try MeshFields(&reader)
                        } else {
                            try reader.skipValue()
                        }
                    case "type": isChat = try reader.readNameOrSkip().map { $0 == "chat" } ?? false
                    case "sender": line.sender = try reader.readStringOrSkip() ?? ""
                    case "sender_id": line.senderID = try reader.readStringOrSkip() ?? ""
                    case "text":
                        if let text = try reader.readStringOrSkip() {
                            line.text = text
                            hasText = true
                        }
                    case "timestamp": line.timestamp = try reader.readStringOrSkip() ?? ""
                    case "formatted" where !hasText: formatted = try reader.readStringOrSkip()
                    default: try reader.skipValue()
                    }
                }
            }
        } catch {
            return nil
        }
        if let fields {
            let frame = fields.frame(sender: line.sender, text: line.text)
            // A kind of a later version may still be a line for those who do not know it.
            if frame != .unknown || !isChat { return .mesh(frame) }
        }
        guard isChat else { return nil }
        if hasText { return .chat(line) }
        return formatted.map { .raw($0) }
    }
}

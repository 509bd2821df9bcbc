package import Wire

extension ByteWriter {
    /// Appends one frame for original programs, header and payload.
    ///
    /// A "json" frame that would be longer than `SpokenLine.originalPayload` goes without its `formatted` fields, which an
    /// original composes itself then.
    ///
    /// - Parameter utcOffset: seconds; the originals write local time.
    package mutating func append(_ line: SpokenLine, in dialect: Dialect, utcOffset: Int) throws(FrameError) {
        switch dialect {
        case .json:
            let start = count
            do throws(FrameError) {
                try appendFrame { $0.append(chat: line, isComplete: true, utcOffset: utcOffset) }
                if count - start - FrameDecoder.headerLength <= SpokenLine.originalPayload { return }
                truncate(to: start)
            } catch {
                // Three times the text is more than any frame holds; once may fit.
            }
            try appendFrame { $0.append(chat: line, isComplete: false, utcOffset: utcOffset) }
        case .plain:
            try appendFrame { writer in
                writer.append(UInt8(ascii: "["))
                writer.append(pythonISO: line.time, utcOffset: utcOffset)
                writer.append("] ")
                writer.append(utf8: line.sender)
                writer.append(":\n\t")
                writer.append(utf8: line.text)
            }
        case .test:
            try appendFrame { writer in
                writer.append(utf8: line.sender.withoutNumberSign)
                writer.append(UInt8(ascii: "#"))
                writer.append(utf8: line.text.withoutNumberSign)
            }
        }
    }

    private mutating func append(chat line: SpokenLine, isComplete: Bool, utcOffset: Int) {
        append("{\"type\": \"chat\", \"sender\": ")
        let sender = append(quoting: line.sender)
        append(", \"sender_id\": \"")
        append(uuid: line.node)
        append("\", \"text\": ")
        let text = append(quoting: line.text)
        append(", \"timestamp\": \"")
        let timeStart = count
        append(pythonISO: line.time, utcOffset: utcOffset)
        let time = timeStart..<count
        append(UInt8(ascii: "\""))
        if isComplete {
            append(", \"formatted\": ")
            if let formatted = line.formatted {
                let range = append(quoting: formatted)
                append(", \"formatted_you\": \"")
                append(copyOf: range)
            } else {
                append("\"[")
                append(copyOf: time)
                append("] ")
                append(copyOf: sender)
                append(":\\n\\t")
                append(copyOf: text)
                append("\", \"formatted_you\": \"[")
                append(copyOf: time)
                append("] You:\\n\\t")
                append(copyOf: text)
            }
            append(UInt8(ascii: "\""))
        }
        append(identityOf: line)
        append(UInt8(ascii: "}"))
    }

    /// Appends a JSON string; returns where its content stands, which goes into the frame up to three times.
    private mutating func append(quoting text: String) -> Range<Int> {
        let start = count
        appendJSON(style: .python) { $0.string(text) }
        return start + 1..<count - 1
    }

    /// Appends bytes that this writer holds already.
    private mutating func append(copyOf range: Range<Int>) {
        let start = count
        bytes.append(contentsOf: repeatElement(0, count: range.count))
        bytes.withUnsafeMutableBytes { memory in
            UnsafeMutableRawBufferPointer(rebasing: memory[start...])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[range]))
        }
    }

    /// What tells one of ours that it knows this message: it may not have greeted yet.
    private mutating func append(identityOf line: SpokenLine) {
        let sequence: UInt64
        let action: String?
        switch line.content {
        case .text(_, let number?): (sequence, action) = (number, nil)
        case .action(let text, let number?): (sequence, action) = (number, text)
        case .text, .action, .left, .renamed, .notice: return
        }
        append(", \"chat\": ")
        appendJSON(style: .python) { json in
            json.object { json in
                json.member("v", 1)
                json.member("kind", literal: "message")
                json.member("node", line.node)
                json.member("sequence", sequence)
                json.member("time", line.time.microseconds)
                if let action {
                    json.member("action", true)
                    json.member("text", action)
                }
            }
        }
    }
}

extension SpokenLine {
    /// Bytes of a payload to an original program, whose reader takes a frame with one call and without a loop.
    package static let originalPayload = 16_000 - FrameDecoder.headerLength

    /// How many characters at the end are too many for an original program; 0 when it fits.
    package var charactersOverForOriginals: Int {
        // Nothing is longer than six times its bytes once escaped, and the fields around it take less than 1,000 bytes.
        if (text.utf8.count + 2 * sender.utf8.count) * 12 + 1_000 <= Self.originalPayload { return 0 }
        var writer = ByteWriter()
        guard (try? writer.append(self, in: .json, utcOffset: 0)) != nil else { return text.count }
        var excess = writer.count - FrameDecoder.headerLength - Self.originalPayload
        // Of an action, our own extension repeats the text without the name.
        let copies = if case .action = content { 2 } else { 1 }
        var count = 0
        for character in text.reversed() {
            if excess <= 0 { break }
            excess -= copies * escapedLength(character)
            count += 1
        }
        return count
    }

    /// Bytes of a character inside a JSON string that is all ASCII (RFC 8259, section 7).
    private func escapedLength(_ character: Character) -> Int {
        var writer = ByteWriter()
        writer.appendJSON(style: .python) { $0.string(String(character)) }
        return writer.count - 2
    }
}

extension String {
    /// A second `#` would end the connection at the other end.
    fileprivate var withoutNumberSign: String {
        utf8.contains(UInt8(ascii: "#")) ? String(map { $0 == "#" ? "\u{FF03}" : $0 }) : self
    }
}

/// Writes JSON value by value into a `ByteWriter`, without building a tree.
///
///     writer.appendJSON { json in
///         json.object {
///             $0.member("type", "chat")
///             $0.key("to")
///             $0.array { for name in names { $0.string(name) } }
///         }
///     }
///
/// Commas are set by the writer; that keys and values alternate is up to the caller.
package struct JSONWriter {
    /// How the bytes look; the value is the same.
    package enum Style: Sendable {
        /// No spaces; text as UTF-8. Control characters, DEL and C1 are escaped, so that the bytes may be shown.
        case compact
        /// As Python's `json.dumps` writes: ", " and ": ", everything beyond ASCII as `\uXXXX` with surrogate pairs.
        case python
    }

    @usableFromInline
    var output: ByteWriter
    package let style: Style
    /// Whether a value stands before the next one in the same array or object.
    @usableFromInline
    var needsComma = false

    @usableFromInline
    init(output: consuming ByteWriter, style: Style) {
        self.output = output
        self.style = style
    }

    @inlinable
    package mutating func object(_ members: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "{"))
        members(&self)
        close(UInt8(ascii: "}"))
    }

    @inlinable
    package mutating func array(_ elements: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "["))
        elements(&self)
        close(UInt8(ascii: "]"))
    }

    /// A key of our own: plain ASCII without quote and backslash, written as it is.
    package mutating func key(_ literal: StaticString) {
        let separates = needsComma
        let isSpaced = style == .python
        literal.withUTF8Buffer { name in
            output.appendPieces(upTo: name.count + 6) { pieces in
                if separates {
                    pieces.put(UInt8(ascii: ","))
                    if isSpaced { pieces.put(UInt8(ascii: " ")) }
                }
                pieces.put(UInt8(ascii: "\""))
                pieces.put(name)
                pieces.put(UInt8(ascii: "\""))
                pieces.put(UInt8(ascii: ":"))
                if isSpaced { pieces.put(UInt8(ascii: " ")) }
            }
        }
        needsComma = false
    }

    /// Any key. (Labelled, so that a literal always takes the fast way.)
    package mutating func key(escaping key: String) {
        separate()
        quote(key)
        output.append(UInt8(ascii: ":"))
        if style == .python { output.append(UInt8(ascii: " ")) }
        needsComma = false
    }

    package mutating func string(_ text: String) {
        separate()
        quote(text)
        needsComma = true
    }

    /// A string made of parts, without a `String` of them all.
    package mutating func string(_ parts: (inout StringParts) -> Void) {
        separate()
        output.append(UInt8(ascii: "\""))
        var writer = StringParts(json: self)
        // The bytes move there and back; nothing is copied.
        output = ByteWriter()
        parts(&writer)
        self = writer.json
        output.append(UInt8(ascii: "\""))
        needsComma = true
    }

    /// The inside of one string.
    package struct StringParts {
        fileprivate var json: JSONWriter

        package mutating func append(_ text: String) {
            json.escape(text)
        }

        /// Plain ASCII without quote, backslash and control characters: a date or a hexadecimal id.
        package mutating func appendPlain(_ body: (inout ByteWriter) -> Void) {
            body(&json.output)
        }
    }

    package mutating func string(_ text: SafeText) {
        string(text.string)
    }

    /// A string whose parts are written by `body` as plain ASCII without quote, backslash and control characters:
    /// dates and hexadecimal ids, which need no `String` of their own.
    package mutating func plainString(_ body: (inout ByteWriter) -> Void) {
        separate()
        output.append(UInt8(ascii: "\""))
        body(&output)
        output.append(UInt8(ascii: "\""))
        needsComma = true
    }

    package mutating func integer(_ value: Int64) {
        separate()
        output.append(decimal: value)
        needsComma = true
    }

    /// An integer of another type, which must fit 64 bits with a sign.
    @inlinable
    package mutating func integer(_ value: some BinaryInteger) {
        integer(Int64(value))
    }

    /// A finite number; JSON has no other, so `null` stands for infinity and NaN.
    package mutating func number(_ value: Double) {
        guard value.isFinite else {
            null()
            return
        }
        separate()
        output.append(utf8: value.description)
        needsComma = true
    }

    package mutating func bool(_ value: Bool) {
        separate()
        if value { output.append("true") } else { output.append("false") }
        needsComma = true
    }

    package mutating func null() {
        separate()
        output.append("null")
        needsComma = true
    }

    /// A whole tree.
    package mutating func value(_ value: JSON) {
        switch value {
        case .null: null()
        case .bool(let value): bool(value)
        case .integer(let value): integer(value)
        case .number(let value): number(value)
        case .string(let value): string(value)
        case .array(let elements):
            array { for element in elements { $0.value(element) } }
        case .object(let object):
            self.object {
                for (key, value) in object.members {
                    $0.key(escaping: key)
                    $0.value(value)
                }
            }
        }
    }

    /// A value that was encoded before, byte for byte.
    @inlinable
    package mutating func encoded(_ bytes: some Sequence<UInt8>) {
        separate()
        output.append(contentsOf: bytes)
        needsComma = true
    }

    package mutating func member(_ key: StaticString, _ text: String) {
        self.key(key)
        string(text)
    }

    package mutating func member(_ key: StaticString, _ text: SafeText) {
        self.key(key)
        string(text.string)
    }

    @inlinable
    package mutating func member(_ key: StaticString, _ value: some BinaryInteger) {
        self.key(key)
        integer(Int64(value))
    }

    package mutating func member(_ key: StaticString, _ value: Bool) {
        self.key(key)
        bool(value)
    }

    package mutating func member(_ key: StaticString, _ value: JSON) {
        self.key(key)
        self.value(value)
    }

    package mutating func member(_ key: StaticString, _ id: MessageID) {
        self.key(key)
        plainString {
            $0.append(hexadecimal: id.high)
            $0.append(hexadecimal: id.low)
        }
    }
}

extension ByteWriter {
    /// Appends what `body` writes: one JSON value.
    @inlinable
    package mutating func appendJSON(style: JSONWriter.Style = .compact, _ body: (inout JSONWriter) -> Void) {
        // The bytes move into the writer and back; nothing is copied.
        var writer = JSONWriter(output: self, style: style)
        self = ByteWriter()
        body(&writer)
        self = writer.output
    }
}

extension JSON {
    package func write(to writer: inout ByteWriter, style: JSONWriter.Style = .compact) {
        writer.appendJSON(style: style) { $0.value(self) }
    }

    package func encoded(style: JSONWriter.Style = .compact) -> [UInt8] {
        var writer = ByteWriter()
        write(to: &writer, style: style)
        return writer.bytes
    }
}

// MARK: - Structure and escapes

extension JSONWriter {
    @usableFromInline
    mutating func open(_ bracket: UInt8) {
        separate()
        output.append(bracket)
        needsComma = false
    }

    @usableFromInline
    mutating func close(_ bracket: UInt8) {
        output.append(bracket)
        needsComma = true
    }

    @usableFromInline
    mutating func separate() {
        guard needsComma else { return }
        output.append(UInt8(ascii: ","))
        if style == .python { output.append(UInt8(ascii: " ")) }
    }

    private mutating func quote(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            let plain = Self.plainEnd(bytes, from: 0, style: style)
            // Most strings need no escape and go out in one piece.
            output.appendPieces(upTo: plain + 2) { pieces in
                pieces.put(UInt8(ascii: "\""))
                pieces.put(UnsafeBufferPointer(rebasing: bytes[..<plain]))
                if plain == bytes.count { pieces.put(UInt8(ascii: "\"")) }
            }
            guard plain < bytes.count else { return }
            escape(bytes, from: plain)
            output.append(UInt8(ascii: "\""))
        }
    }

    /// Copies runs that need no escape as they are.
    fileprivate mutating func escape(_ text: String) {
        var text = text
        text.withUTF8 { escape($0, from: 0) }
    }

    private mutating func escape(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) {
        var offset = start
        while offset < bytes.count {
            let end = Self.plainEnd(bytes, from: offset, style: style)
            if end > offset {
                output.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[offset..<end]))
                offset = end
            }
            if end < bytes.count { offset += escapeCharacter(UnsafeBufferPointer(rebasing: bytes[end...])) }
        }
    }

    /// The end of the bytes that are copied as they are: ASCII but control characters, DEL, quote and backslash; in
    /// compact style also everything beyond ASCII but what may be C1, which begins with 0xC2.
    private static func plainEnd(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int, style: Style) -> Int {
        var offset = start
        while offset + 8 <= bytes.count {
            let word = WordSearch.load(bytes, at: offset)
            let suspicious =
                word & WordSearch.highs | WordSearch.marks(of: 0x22, in: word) | WordSearch.marks(of: 0x5C, in: word)
                | WordSearch.marks(of: 0x7F, in: word) | WordSearch.marksOfControls(in: word)
            if suspicious == 0 {
                offset += 8
                continue
            }
            offset += suspicious.trailingZeroBitCount / 8
            guard isPlain(bytes[offset], style: style) else { return offset }
            offset += 1
        }
        while offset < bytes.count, isPlain(bytes[offset], style: style) { offset += 1 }
        return offset
    }

    private static func isPlain(_ byte: UInt8, style: Style) -> Bool {
        switch byte {
        case 0x22, 0x5C, 0..<0x20, 0x7F, 0xC2: false
        case 0x80...: style == .compact
        default: true
        }
    }

    /// Writes the character at the front, which is not plain, and returns its length in bytes. The bytes are those of
    /// a `String` and so well-formed UTF-8.
    private mutating func escapeCharacter(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        switch bytes[0] {
        case 0x22: output.append("\\\"")
        case 0x5C: output.append("\\\\")
        case 0x08: output.append("\\b")
        case 0x09: output.append("\\t")
        case 0x0A: output.append("\\n")
        case 0x0C: output.append("\\f")
        case 0x0D: output.append("\\r")
        case 0x7F where style == .python: output.append(0x7F)
        case 0..<0x80: escape(codeUnit: UInt16(bytes[0]))
        default: return escapeNonASCII(bytes)
        }
        return 1
    }

    private mutating func escapeNonASCII(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        let length = bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4
        var value = UInt32(bytes[0]) & (0xFF >> UInt32(length + 1))
        for byte in bytes[1..<length] { value = value << 6 | UInt32(byte & 0x3F) }
        if style == .compact, value > 0x9F {
            output.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[..<length]))
        } else if value < 0x10000 {
            escape(codeUnit: UInt16(value))
        } else {
            escape(codeUnit: UInt16(0xD800 + (value - 0x10000) >> 10))
            escape(codeUnit: UInt16(0xDC00 + (value - 0x10000) & 0x3FF))
        }
        return length
    }

    private mutating func escape(codeUnit: UInt16) {
        output.append("\\u")
        output.append(hexadecimal: UInt8(codeUnit >> 8))
        output.append(hexadecimal: UInt8(codeUnit & 0xFF))
    }
}

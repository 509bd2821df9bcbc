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
@usableFromInline
package struct JSONWriter {
    /// How the bytes look; the value is the same.
    @usableFromInline
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
        let lead = lead(literal)
        output.appendPieces(upTo: lead.mostBytes) { lead.put(to: &$0) }
        needsComma = false
    }

    /// Any key. (Labelled, so that a literal always takes the fast way.)
    package mutating func key(escaping key: String) {
        quote(key, behind: lead(nil))
        output.append(UInt8(ascii: ":"))
        if style == .python { output.append(UInt8(ascii: " ")) }
        needsComma = false
    }

    package mutating func string(_ text: String) {
        quote(text, behind: lead(nil))
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

    @usableFromInline
    package mutating func integer(_ value: Int64) {
        integer(value, behind: lead(nil))
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

    /// A value, or members of an object, that were encoded before, byte for byte.
    @inlinable
    package mutating func encoded(_ bytes: some Sequence<UInt8>) {
        separate()
        output.append(contentsOf: bytes)
        needsComma = true
    }

    // A key and its value go out in one piece where they can.

    package mutating func member(_ key: StaticString, _ text: String) {
        quote(text, behind: lead(key))
        needsComma = true
    }

    /// A word of our own: plain ASCII without quote and backslash, written as it is.
    package mutating func member(_ key: StaticString, literal word: StaticString) {
        let lead = lead(key)
        output.appendPieces(upTo: lead.mostBytes + word.utf8CodeUnitCount + 2) { pieces in
            lead.put(to: &pieces)
            pieces.put(UInt8(ascii: "\""))
            pieces.put(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
            pieces.put(UInt8(ascii: "\""))
        }
        needsComma = true
    }

    package mutating func member(_ key: StaticString, _ text: SafeText) {
        member(key, text.string)
    }

    @usableFromInline
    package mutating func member(_ key: StaticString, _ value: Int64) {
        integer(value, behind: lead(key))
    }

    @inlinable
    package mutating func member(_ key: StaticString, _ value: some BinaryInteger) {
        member(key, Int64(value))
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
        member(key, hexadecimal: (id.high, id.low))
    }

    /// A string of 32 lowercase hexadecimal digits.
    package mutating func member(_ key: StaticString, hexadecimal words: (high: UInt64, low: UInt64)) {
        let lead = lead(key)
        output.appendPieces(upTo: lead.mostBytes + 34) { pieces in
            lead.put(to: &pieces)
            pieces.put(UInt8(ascii: "\""))
            pieces.put(hexadecimal: words.high)
            pieces.put(hexadecimal: words.low)
            pieces.put(UInt8(ascii: "\""))
        }
        needsComma = true
    }

    /// A string of 16 lowercase hexadecimal digits.
    package mutating func member(_ key: StaticString, hexadecimal word: UInt64) {
        let lead = lead(key)
        output.appendPieces(upTo: lead.mostBytes + 18) { pieces in
            lead.put(to: &pieces)
            pieces.put(UInt8(ascii: "\""))
            pieces.put(hexadecimal: word)
            pieces.put(UInt8(ascii: "\""))
        }
        needsComma = true
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

// MARK: - Structure

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

    /// What stands before a value: the comma that is due, and the key where the value has one.
    struct Lead {
        let key: StaticString?
        let separates: Bool
        let isSpaced: Bool

        var mostBytes: Int { 6 + (key?.utf8CodeUnitCount ?? 0) }

        @inline(__always)
        func put(to pieces: inout ByteWriter.Pieces) {
            if separates {
                pieces.put(UInt8(ascii: ","))
                if isSpaced { pieces.put(UInt8(ascii: " ")) }
            }
            guard let key else { return }
            pieces.put(UInt8(ascii: "\""))
            pieces.put(UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
            pieces.put(UInt8(ascii: "\""))
            pieces.put(UInt8(ascii: ":"))
            if isSpaced { pieces.put(UInt8(ascii: " ")) }
        }
    }

    func lead(_ key: StaticString?) -> Lead {
        Lead(key: key, separates: needsComma, isSpaced: style == .python)
    }

    mutating func integer(_ value: Int64, behind lead: Lead) {
        output.appendPieces(upTo: lead.mostBytes + ByteWriter.mostDigits) { pieces in
            lead.put(to: &pieces)
            pieces.put(decimal: value)
        }
        needsComma = true
    }
}

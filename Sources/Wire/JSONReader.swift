/// Reads JSON value by value, without building a tree: for messages whose fields are known.
///
///     try JSONReader.read(payload) { reader in
///         try reader.beginObject()
///         while let key = try reader.nextKey() {
///             switch key {
///             case "type": type = try reader.readString()
///             case "text": text = try reader.readStringOrSkip()
///             default: try reader.skipValue()
///             }
///         }
///     }
///
/// The rules are those of `JSON(parsing:)`, also for what is skipped. Behind every key and every `nextElement` exactly
/// one value has to be read or skipped.
@usableFromInline
package struct JSONReader: ~Copyable {
    /// What kind of value comes next.
    package enum Kind: Equatable, Sendable {
        case null, bool, number, string, array, object
    }

    /// What is read: the caller's memory, there for as long as `read` runs. A reader cannot be copied and comes from
    /// nowhere else, so none is left when that is over. Every access is checked against the count.
    let bytes: UnsafeBufferPointer<UInt8>
    /// The offset of the next byte to read.
    var position = 0
    private var depth = 0
    private let maximumDepth: Int
    /// Whether the innermost array or object has just been opened, so that no comma is due.
    var isFirst = false

    private init(_ bytes: UnsafeBufferPointer<UInt8>, maximumDepth: Int) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
    }

    /// Has the body read exactly one value; anything but whitespace behind it is an error.
    ///
    /// Not generic, since a generic one is not specialised where it is used and costs a third of a request.
    package static func read(
        _ bytes: ArraySlice<UInt8>, maximumDepth: Int = JSON.mostDepth,
        _ body: (inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(JSONError) in
            var reader = JSONReader(buffer, maximumDepth: maximumDepth)
            try body(&reader)
            try reader.finish()
        }
    }

    /// The kind of the value that comes next; it is not read.
    package mutating func peek() throws(JSONError) -> Kind {
        switch try nextSignificant() {
        case UInt8(ascii: "n"): .null
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .bool
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): .number
        case let byte: throw unexpected(byte)
        }
    }

    package mutating func beginObject() throws(JSONError) {
        try open(UInt8(ascii: "{"))
    }

    /// The key of the next member, whose value comes next; `nil` when the object has ended.
    package mutating func nextKey() throws(JSONError) -> Key? {
        guard try !closes(with: UInt8(ascii: "}")) else { return nil }
        let key = if let short = takeShortKey() { short } else { try readKey() }
        try expect(UInt8(ascii: ":"))
        return key
    }

    package mutating func beginArray() throws(JSONError) {
        try open(UInt8(ascii: "["))
    }

    /// Whether another element comes next; `false` when the array has ended.
    package mutating func nextElement() throws(JSONError) -> Bool {
        try !closes(with: UInt8(ascii: "]"))
    }

    package mutating func readString() throws(JSONError) -> String {
        try text(of: scanString())
    }

    /// A number without fraction and exponent that fits 64 bits.
    package mutating func readInteger() throws(JSONError) -> Int64 {
        let start = position
        guard case .integer(let value) = try readNumber() else { throw .notAnInteger(at: start) }
        return value
    }

    package mutating func readDouble() throws(JSONError) -> Double {
        try readNumber().double!
    }

    package mutating func readBool() throws(JSONError) -> Bool {
        if try nextSignificant() == UInt8(ascii: "t") {
            try expect(word: "true")
            return true
        }
        try expect(word: "false")
        return false
    }

    package mutating func readNull() throws(JSONError) {
        _ = try nextSignificant()
        try expect(word: "null")
    }

    /// The string that comes next; of any other value nothing but that it was one.
    package mutating func readStringOrSkip() throws(JSONError) -> String? {
        if try nextSignificant() == UInt8(ascii: "\"") { return try readString() }
        try skipValue()
        return nil
    }

    /// The string that comes next, to be compared with literals like a key; nil for any other value.
    package mutating func readNameOrSkip() throws(JSONError) -> Key? {
        guard try nextSignificant() == UInt8(ascii: "\"") else {
            try skipValue()
            return nil
        }
        isFirst = false
        return if let short = takeShortKey() { short } else { try readKey() }
    }

    /// What `convert` makes of the bytes of the string that comes next, for which no `String` is made where it is plain
    /// ASCII; `nil` for any other value.
    package mutating func readStringOrSkip<Value>(
        as convert: (UnsafeBufferPointer<UInt8>) -> Value?
    ) throws(JSONError) -> Value? {
        guard try nextSignificant() == UInt8(ascii: "\"") else {
            try skipValue()
            return nil
        }
        let string = try scanString()
        if !string.hasEscapes && string.isASCII { return convert(content(of: string)) }
        var text = try text(of: string)
        return text.withUTF8(convert)
    }

    /// The integer that comes next; of any other value nothing but that it was one.
    package mutating func readIntegerOrSkip() throws(JSONError) -> Int64? {
        if try peek() == .number { return try readNumber().integer }
        try skipValue()
        return nil
    }

    /// Reads any value and drops it, checked like every other.
    package mutating func skipValue() throws(JSONError) {
        switch try peek() {
        case .null: try readNull()
        case .bool: _ = try readBool()
        case .number: _ = try readNumber()
        case .string:
            let string = try scanString()
            if string.hasEscapes || !string.isASCII { try check(string) }
        case .array:
            try beginArray()
            while try nextElement() { try skipValue() }
        case .object:
            try beginObject()
            while try nextKey() != nil { try skipValue() }
        }
    }

    /// Reads any value as a tree.
    package mutating func readValue() throws(JSONError) -> JSON {
        switch try peek() {
        case .null:
            try readNull()
            return .null
        case .bool: return .bool(try readBool())
        case .number: return try readNumber()
        case .string: return .string(try readString())
        case .array:
            var elements: [JSON] = []
            try beginArray()
            while try nextElement() { elements.append(try readValue()) }
            return .array(elements)
        case .object:
            var object = JSONObject()
            try beginObject()
            while let key = try nextKey() { object[key.string] = try readValue() }
            return .object(object)
        }
    }

    /// Checks that nothing but whitespace is left.
    private mutating func finish() throws(JSONError) {
        skipWhitespace()
        if position < bytes.count { throw unexpected(bytes[position]) }
    }
}

// MARK: - Structure

extension JSONReader {
    mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    /// The next byte that is not whitespace; it is not read.
    @inline(__always)
    mutating func nextSignificant() throws(JSONError) -> UInt8 {
        // Nearly always there is no whitespace at all.
        if position < bytes.count, bytes[position] > 0x20 { return bytes[position] }
        skipWhitespace()
        guard position < bytes.count else { throw .unexpectedEnd }
        return bytes[position]
    }

    func unexpected(_ byte: UInt8) -> JSONError {
        .unexpectedByte(byte, at: position)
    }

    mutating func expect(_ wanted: UInt8) throws(JSONError) {
        let byte = try nextSignificant()
        guard byte == wanted else { throw unexpected(byte) }
        position += 1
    }

    mutating func expect(word: StaticString) throws(JSONError) {
        for offset in 0..<word.utf8CodeUnitCount {
            guard position < bytes.count else { throw .unexpectedEnd }
            guard bytes[position] == word.utf8Start[offset] else { throw unexpected(bytes[position]) }
            position += 1
        }
        isFirst = false
    }

    private mutating func open(_ bracket: UInt8) throws(JSONError) {
        try expect(bracket)
        guard depth < maximumDepth else { throw .tooDeep(at: position - 1) }
        depth += 1
        isFirst = true
    }

    /// Reads the closing bracket or the comma that is due.
    private mutating func closes(with bracket: UInt8) throws(JSONError) -> Bool {
        let byte = try nextSignificant()
        if byte == bracket {
            position += 1
            depth -= 1
            isFirst = false
            return true
        }
        if !isFirst {
            guard byte == UInt8(ascii: ",") else { throw unexpected(byte) }
            position += 1
            // The value behind the comma must come: "[1,]" is no JSON.
            let next = try nextSignificant()
            if next == bracket { throw unexpected(next) }
        }
        isFirst = false
        return false
    }
}

// MARK: - Numbers

extension JSONReader {
    /// RFC 8259, section 6.
    private mutating func readNumber() throws(JSONError) -> JSON {
        let first = try nextSignificant()
        let start = position
        let isNegative = first == UInt8(ascii: "-")
        if isNegative { position += 1 }
        let digits = position
        var magnitude: UInt64 = 0
        var fitsInteger = true
        while let digit = currentDigit {
            let (tens, overflow) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(UInt64(digit))
            if overflow || carry { fitsInteger = false }
            magnitude = sum
            position += 1
        }
        try requireDigits(since: digits)
        if bytes[digits] == UInt8(ascii: "0"), position - digits > 1 {
            position = digits + 1
            throw unexpected(bytes[position])
        }
        if current == UInt8(ascii: ".") {
            fitsInteger = false
            position += 1
            try skipDigits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            fitsInteger = false
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            try skipDigits()
        }
        isFirst = false
        if fitsInteger, let value = Self.signed(magnitude, isNegative: isNegative) { return .integer(value) }
        guard let value = Double(String(decoding: bytes[start..<position], as: UTF8.self)), value.isFinite else {
            throw .numberTooLarge(at: start)
        }
        return .number(value)
    }

    private static func signed(_ magnitude: UInt64, isNegative: Bool) -> Int64? {
        guard isNegative else { return Int64(exactly: magnitude) }
        return magnitude <= Int64.min.magnitude ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil
    }

    private var current: UInt8? {
        position < bytes.count ? bytes[position] : nil
    }

    private var currentDigit: Int? {
        current.flatMap(decimalDigit)
    }

    private mutating func skipDigits() throws(JSONError) {
        let start = position
        while currentDigit != nil { position += 1 }
        try requireDigits(since: start)
    }

    private func requireDigits(since start: Int) throws(JSONError) {
        guard position == start else { return }
        guard let current else { throw .unexpectedEnd }
        throw unexpected(current)
    }
}

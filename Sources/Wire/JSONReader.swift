/// Reads JSON value by value, without building a tree: for messages whose fields are known.
///
///     var reader = JSONReader(payload)
///     try reader.beginObject()
///     while let key = try reader.nextKey() {
///         switch key {
///         case "type": type = try reader.readString()
///         case "text": text = try reader.readStringOrSkip()
///         default: try reader.skipValue()
///         }
///     }
///     try reader.finish()
///
/// The rules are those of `JSON(parsing:)`, also for what is skipped. Behind every key and every `nextElement` exactly
/// one value has to be read or skipped.
package struct JSONReader {
    /// What kind of value comes next.
    package enum Kind: Equatable, Sendable {
        case null, bool, number, string, array, object
    }

    /// The name of a member. Compare it with a literal; that costs no `String`.
    package struct Key: Sendable {
        /// A short name lies here and needs no memory of its own, as those of all our messages do.
        private let inline: (UInt64, UInt64)
        private let inlineCount: Int
        private let long: [UInt8]
        @usableFromInline
        let count: Int
        private static let mostInline = 16

        init(_ name: UnsafeRawBufferPointer) {
            var inline: (UInt64, UInt64) = (0, 0)
            if name.count <= Self.mostInline {
                withUnsafeMutableBytes(of: &inline) { $0.copyMemory(from: name) }
                inlineCount = name.count
                long = []
            } else {
                inlineCount = 0
                long = Array(name)
            }
            self.inline = inline
            count = name.count
        }

        package var string: String { withBytes { String(decoding: $0, as: UTF8.self) } }

        @inlinable
        package static func ~= (literal: StaticString, key: Key) -> Bool { key == literal }

        @inlinable
        package static func == (key: Key, literal: StaticString) -> Bool {
            key.count == literal.utf8CodeUnitCount && key.holds(literal)
        }

        /// Whether the bytes are those of a literal of the same length.
        @usableFromInline
        func holds(_ literal: StaticString) -> Bool {
            withBytes { bytes in
                let start = literal.utf8Start
                for index in bytes.indices where bytes[index] != start[index] { return false }
                return true
            }
        }

        private func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
            guard long.isEmpty else { return long.withUnsafeBytes(body) }
            return withUnsafeBytes(of: inline) { body(UnsafeRawBufferPointer(rebasing: $0[..<inlineCount])) }
        }
    }

    let bytes: ArraySlice<UInt8>
    /// The index in `bytes` of the next byte to read.
    var position: Int
    private var depth = 0
    private let maximumDepth: Int
    /// Whether the innermost array or object has just been opened, so that no comma is due.
    var isFirst = false

    package init(_ bytes: ArraySlice<UInt8>, maximumDepth: Int = JSON.mostDepth) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
        position = bytes.startIndex
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
        let string = try scanString()
        let key: Key
        if string.hasEscapes || !string.isASCII {
            key = Array(try text(of: string).utf8).withUnsafeBytes { Key($0) }
        } else {
            key = withContent(of: string) { Key(UnsafeRawBufferPointer($0)) }
        }
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
        guard case .integer(let value) = try readNumber() else { throw .notAnInteger(at: start - bytes.startIndex) }
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
    package mutating func finish() throws(JSONError) {
        skipWhitespace()
        if position < bytes.endIndex { throw unexpected(bytes[position]) }
    }
}

// MARK: - Structure

extension JSONReader {
    mutating func skipWhitespace() {
        while position < bytes.endIndex {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    /// The next byte that is not whitespace; it is not read.
    mutating func nextSignificant() throws(JSONError) -> UInt8 {
        skipWhitespace()
        guard position < bytes.endIndex else { throw .unexpectedEnd }
        return bytes[position]
    }

    func unexpected(_ byte: UInt8) -> JSONError {
        .unexpectedByte(byte, at: position - bytes.startIndex)
    }

    mutating func expect(_ wanted: UInt8) throws(JSONError) {
        let byte = try nextSignificant()
        guard byte == wanted else { throw unexpected(byte) }
        position += 1
    }

    mutating func expect(word: StaticString) throws(JSONError) {
        for offset in 0..<word.utf8CodeUnitCount {
            guard position < bytes.endIndex else { throw .unexpectedEnd }
            guard bytes[position] == word.utf8Start[offset] else { throw unexpected(bytes[position]) }
            position += 1
        }
        isFirst = false
    }

    private mutating func open(_ bracket: UInt8) throws(JSONError) {
        try expect(bracket)
        guard depth < maximumDepth else { throw .tooDeep(at: position - 1 - bytes.startIndex) }
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
            try expect(UInt8(ascii: ","))
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
        while let digit = currentDigit() {
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
            throw .numberTooLarge(at: start - bytes.startIndex)
        }
        return .number(value)
    }

    private static func signed(_ magnitude: UInt64, isNegative: Bool) -> Int64? {
        guard isNegative else { return Int64(exactly: magnitude) }
        return magnitude <= Int64.min.magnitude ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil
    }

    private var current: UInt8? {
        position < bytes.endIndex ? bytes[position] : nil
    }

    private func currentDigit() -> Int? {
        current.flatMap(decimalDigit)
    }

    private mutating func skipDigits() throws(JSONError) {
        let start = position
        while currentDigit() != nil { position += 1 }
        try requireDigits(since: start)
    }

    private func requireDigits(since start: Int) throws(JSONError) {
        guard position == start else { return }
        guard let current else { throw .unexpectedEnd }
        throw unexpected(current)
    }
}

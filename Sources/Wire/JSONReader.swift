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
        let bytes: ArraySlice<UInt8>

        package var string: String { String(decoding: bytes, as: UTF8.self) }

        package static func ~= (literal: StaticString, key: Key) -> Bool { key == literal }

        package static func == (key: Key, literal: StaticString) -> Bool {
            guard key.bytes.count == literal.utf8CodeUnitCount else { return false }
            return key.bytes.withUnsafeBufferPointer { bytes in
                literal.withUTF8Buffer { $0.elementsEqual(bytes) }
            }
        }
    }

    private let bytes: ArraySlice<UInt8>
    /// The index in `bytes` of the next byte to read.
    private var position: Int
    private var depth = 0
    private let maximumDepth: Int
    /// Whether the innermost array or object has just been opened, so that no comma is due.
    private var isFirst = false

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
        let key = Key(bytes: string.hasEscapes ? try unescaped(string)[...] : bytes[string.content])
        if string.hasEscapes || !string.isASCII { try checkUTF8(key.bytes, at: string.content.lowerBound) }
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
        let string = try scanString()
        if string.hasEscapes {
            guard let text = String(validating: try unescaped(string), as: UTF8.self) else {
                throw .invalidUTF8(at: string.content.lowerBound - bytes.startIndex)
            }
            return text
        }
        let content = bytes[string.content]
        if string.isASCII { return String(decoding: content, as: UTF8.self) }
        guard let text = String(validating: content, as: UTF8.self) else {
            throw .invalidUTF8(at: string.content.lowerBound - bytes.startIndex)
        }
        return text
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
            if string.hasEscapes {
                try checkUTF8(unescaped(string)[...], at: string.content.lowerBound)
            } else if !string.isASCII {
                try checkUTF8(bytes[string.content], at: string.content.lowerBound)
            }
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
    private mutating func skipWhitespace() {
        while position < bytes.endIndex {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    /// The next byte that is not whitespace; it is not read.
    private mutating func nextSignificant() throws(JSONError) -> UInt8 {
        skipWhitespace()
        guard position < bytes.endIndex else { throw .unexpectedEnd }
        return bytes[position]
    }

    private func unexpected(_ byte: UInt8) -> JSONError {
        .unexpectedByte(byte, at: position - bytes.startIndex)
    }

    private mutating func expect(_ wanted: UInt8) throws(JSONError) {
        let byte = try nextSignificant()
        guard byte == wanted else { throw unexpected(byte) }
        position += 1
    }

    private mutating func expect(word: StaticString) throws(JSONError) {
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

// MARK: - Strings

extension JSONReader {
    /// A string between its quotes.
    private struct ScannedString {
        let content: Range<Int>
        let hasEscapes: Bool
        let isASCII: Bool
    }

    /// Reads up to and with the closing quote, and checks that no control character stands between.
    private mutating func scanString() throws(JSONError) -> ScannedString {
        try expect(UInt8(ascii: "\""))
        isFirst = false
        let start = position
        var hasEscapes = false
        var isASCII = true
        while true {
            let (length, sawHighBit) = bytes[position...].withUnsafeBytes(Self.plainPrefix)
            position += length
            if sawHighBit { isASCII = false }
            guard position < bytes.endIndex else { throw .unexpectedEnd }
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return ScannedString(content: start..<position - 1, hasEscapes: hasEscapes, isASCII: isASCII)
            case UInt8(ascii: "\\"):
                guard position + 1 < bytes.endIndex else { throw .unexpectedEnd }
                hasEscapes = true
                position += 2
            case let byte:
                throw unexpected(byte)
            }
        }
    }

    /// The number of bytes up to the next quote, backslash or control character, and whether one of them is not
    /// ASCII. Eight at a time.
    private static func plainPrefix(_ bytes: UnsafeRawBufferPointer) -> (length: Int, sawHighBit: Bool) {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let high: UInt64 = 0x8080_8080_8080_8080
        var offset = 0
        var seen: UInt64 = 0
        while offset + 8 <= bytes.count {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            // A byte is zero where subtracting one borrows and its high bit was clear; a borrow can only raise a false
            // alarm above a true one, and the lowest alarm is the one that counts.
            let quote = word ^ (ones &* 0x22)
            let backslash = word ^ (ones &* 0x5C)
            let alarm =
                ((quote &- ones) & ~quote | (backslash &- ones) & ~backslash | (word &- ones &* 0x20) & ~word) & high
            if alarm != 0 {
                let clear = alarm.trailingZeroBitCount / 8
                let before = clear == 0 ? 0 : word << UInt64(64 - clear * 8)
                return (offset + clear, (seen | before) & high != 0)
            }
            seen |= word
            offset += 8
        }
        while offset < bytes.count {
            let byte = bytes[offset]
            if byte == 0x22 || byte == 0x5C || byte < 0x20 { break }
            seen |= UInt64(byte)
            offset += 1
        }
        return (offset, seen & high != 0)
    }

    private func checkUTF8(_ run: ArraySlice<UInt8>, at place: Int) throws(JSONError) {
        guard String(validating: run, as: UTF8.self) != nil else {
            throw .invalidUTF8(at: place - bytes.startIndex)
        }
    }

    /// The content of a string with its escapes replaced (RFC 8259, section 7).
    private func unescaped(_ string: ScannedString) throws(JSONError) -> [UInt8] {
        var output = ByteWriter(reserving: string.content.count)
        var rest = bytes[string.content]
        while let backslash = rest.firstIndex(of: UInt8(ascii: "\\")) {
            output.append(contentsOf: rest[..<backslash])
            // The scan has made sure that a byte follows every backslash.
            let kind = rest[backslash + 1]
            rest = rest[(backslash + 2)...]
            switch kind {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): output.append(kind)
            case UInt8(ascii: "b"): output.append(0x08)
            case UInt8(ascii: "f"): output.append(0x0C)
            case UInt8(ascii: "n"): output.append(0x0A)
            case UInt8(ascii: "r"): output.append(0x0D)
            case UInt8(ascii: "t"): output.append(0x09)
            case UInt8(ascii: "u"):
                guard let scalar = Self.takeScalar(&rest) else {
                    throw .invalidEscape(at: backslash - bytes.startIndex)
                }
                output.append(contentsOf: UTF8.encode(scalar)!)
            default: throw .invalidEscape(at: backslash - bytes.startIndex)
            }
        }
        output.append(contentsOf: rest)
        return output.bytes
    }

    /// The scalar of the four digits behind "\u", and of a second such escape where the first is half of a pair.
    private static func takeScalar(_ rest: inout ArraySlice<UInt8>) -> Unicode.Scalar? {
        guard let first = takeCodeUnit(&rest) else { return nil }
        guard (0xD800...0xDBFF).contains(first) else { return Unicode.Scalar(first) ?? "\u{FFFD}" }
        var ahead = rest
        guard ahead.popFirst() == UInt8(ascii: "\\"), ahead.popFirst() == UInt8(ascii: "u"),
            let second = takeCodeUnit(&ahead), (0xDC00...0xDFFF).contains(second)
        else { return "\u{FFFD}" }
        rest = ahead
        return Unicode.Scalar(0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00))
    }

    private static func takeCodeUnit(_ rest: inout ArraySlice<UInt8>) -> UInt16? {
        guard rest.count >= 4 else { return nil }
        var unit: UInt16 = 0
        for byte in rest.prefix(4) {
            guard let digit = hexadecimalDigit(byte) else { return nil }
            unit = unit << 4 | UInt16(digit)
        }
        rest = rest.dropFirst(4)
        return unit
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

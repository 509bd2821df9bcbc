extension JSONReader {
    /// A string between its quotes.
    struct ScannedString {
        let content: Range<Int>
        let hasEscapes: Bool
        let isASCII: Bool
    }

    /// Reads up to and with the closing quote, and checks that no control character stands between.
    mutating func scanString() throws(JSONError) -> ScannedString {
        try expect(UInt8(ascii: "\""))
        isFirst = false
        let start = position
        var hasEscapes = false
        var isASCII = true
        while true {
            let (length, sawHighBit) = Self.plainPrefix(bytes, from: position)
            position += length
            if sawHighBit { isASCII = false }
            guard position < bytes.count else { throw .unexpectedEnd }
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return ScannedString(content: start..<position - 1, hasEscapes: hasEscapes, isASCII: isASCII)
            case UInt8(ascii: "\\"):
                guard position + 1 < bytes.count else { throw .unexpectedEnd }
                hasEscapes = true
                position += 2
            case let byte:
                throw unexpected(byte)
            }
        }
    }

    /// The number of bytes up to the next quote, backslash or control character, and whether one of them is not
    /// ASCII. Eight at a time.
    private static func plainPrefix(
        _ bytes: UnsafeBufferPointer<UInt8>, from start: Int
    ) -> (length: Int, sawHighBit: Bool) {
        var offset = start
        var seen: UInt64 = 0
        while offset + 8 <= bytes.count {
            let word = WordSearch.load(bytes, at: offset)
            let ends = WordSearch.marksOfStringEnds(in: word)
            if ends != 0 {
                let plain = ends.trailingZeroBitCount / 8
                let before = plain == 0 ? 0 : word << UInt64(64 - plain * 8)
                return (offset + plain - start, (seen | before) & WordSearch.highs != 0)
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
        return (offset - start, seen & WordSearch.highs != 0)
    }

    func content(of string: ScannedString) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: bytes[string.content])
    }

    /// Refuses what `text(of:)` refuses, without making the text.
    func check(_ string: ScannedString) throws(JSONError) {
        let content = content(of: string)
        if string.hasEscapes, let place = Unescaper.invalidEscape(in: content) {
            throw .invalidEscape(at: string.content.lowerBound + place)
        }
        // An escape stands between characters and for whole ones, so it changes nothing here.
        if !string.isASCII, String(validating: content, as: UTF8.self) == nil {
            throw .invalidUTF8(at: string.content.lowerBound)
        }
    }

    func text(of string: ScannedString) throws(JSONError) -> String {
        let content = content(of: string)
        guard string.hasEscapes || !string.isASCII else { return String(ascii: content) }
        let text: String?
        if string.hasEscapes {
            var invalidEscape: Int?
            // What an escape stands for is never longer than the escape.
            text = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: content.count) { output in
                var unescaper = Unescaper(content: content, output: output)
                invalidEscape = unescaper.run()
                return String(validating: unescaper.written, as: UTF8.self)
            }
            if let invalidEscape { throw .invalidEscape(at: string.content.lowerBound + invalidEscape) }
        } else {
            text = String(validating: content, as: UTF8.self)
        }
        guard let text else { throw .invalidUTF8(at: string.content.lowerBound) }
        return text
    }
}

/// Replaces the escapes of a string (RFC 8259, section 7).
private struct Unescaper {
    private let content: UnsafeBufferPointer<UInt8>
    private let output: UnsafeMutableBufferPointer<UInt8>
    private var read = 0
    private var count = 0

    /// `output` has room for as many bytes as `content`. The scan has made sure that a byte follows every backslash.
    init(content: UnsafeBufferPointer<UInt8>, output: UnsafeMutableBufferPointer<UInt8>) {
        self.content = content
        self.output = output
    }

    var written: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(rebasing: output[..<count]) }

    /// Where an escape stands that does not exist.
    static func invalidEscape(in content: UnsafeBufferPointer<UInt8>) -> Int? {
        var read = 0
        while read < content.count {
            if read + 8 <= content.count {
                let marks = WordSearch.marks(of: UInt8(ascii: "\\"), in: WordSearch.load(content, at: read))
                read += marks == 0 ? 8 : marks.trailingZeroBitCount / 8
                if marks == 0 { continue }
            }
            guard content[read] == UInt8(ascii: "\\") else {
                read += 1
                continue
            }
            switch content[read + 1] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
                UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
                read += 2
            case UInt8(ascii: "u"):
                guard content.count - read >= 6,
                    content[read + 2..<read + 6].allSatisfy({ hexadecimalDigit($0) != nil })
                else { return read }
                read += 6
            default: return read
            }
        }
        return nil
    }

    /// Returns where an escape stands that does not exist.
    mutating func run() -> Int? {
        while read < content.count {
            if copyEight() { continue }
            let byte = content[read]
            read += 1
            guard byte == UInt8(ascii: "\\") else {
                put(byte)
                continue
            }
            let kind = content[read]
            read += 1
            switch kind {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): put(kind)
            case UInt8(ascii: "b"): put(0x08)
            case UInt8(ascii: "f"): put(0x0C)
            case UInt8(ascii: "n"): put(0x0A)
            case UInt8(ascii: "r"): put(0x0D)
            case UInt8(ascii: "t"): put(0x09)
            case UInt8(ascii: "u"):
                let place = read - 2
                guard let scalar = takeScalar() else { return place }
                for byte in UTF8.encode(scalar)! { put(byte) }
            default: return read - 2
            }
        }
        return nil
    }

    /// Copies the next eight bytes, where there are as many and none is a backslash.
    private mutating func copyEight() -> Bool {
        guard read + 8 <= content.count else { return false }
        let word = WordSearch.load(content, at: read)
        guard WordSearch.marks(of: UInt8(ascii: "\\"), in: word) == 0 else { return false }
        UnsafeMutableRawPointer(output.baseAddress! + count).storeBytes(of: word.littleEndian, as: UInt64.self)
        read += 8
        count += 8
        return true
    }

    private mutating func put(_ byte: UInt8) {
        output[count] = byte
        count += 1
    }

    /// The scalar of the four digits behind "\u", and of a second such escape where the first is half of a pair.
    private mutating func takeScalar() -> Unicode.Scalar? {
        guard let first = takeCodeUnit() else { return nil }
        guard (0xD800...0xDBFF).contains(first) else { return Unicode.Scalar(first) ?? "\u{FFFD}" }
        let ahead = read
        if content.count - read >= 6, content[read] == UInt8(ascii: "\\"), content[read + 1] == UInt8(ascii: "u") {
            read += 2
            if let second = takeCodeUnit(), (0xDC00...0xDFFF).contains(second) {
                return Unicode.Scalar(0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00))
            }
        }
        // Half a pair; what follows is read on its own.
        read = ahead
        return "\u{FFFD}"
    }

    private mutating func takeCodeUnit() -> UInt16? {
        guard content.count - read >= 4 else { return nil }
        var unit: UInt16 = 0
        for byte in content[read..<read + 4] {
            guard let digit = hexadecimalDigit(byte) else { return nil }
            unit = unit << 4 | UInt16(digit)
        }
        read += 4
        return unit
    }
}

extension String {
    /// A text of bytes that are known to be ASCII. A short one needs no memory, and no second look at its bytes.
    init(ascii bytes: UnsafeBufferPointer<UInt8>) {
        guard bytes.count <= 15 else {
            self.init(decoding: bytes, as: UTF8.self)
            return
        }
        self.init(unsafeUninitializedCapacity: bytes.count) { $0.initialize(fromContentsOf: bytes) }
    }
}

extension JSONReader {
    /// The name of a member, or another word of ours. Compare it with a literal; that costs no `String`.
    @usableFromInline
    package struct Key: Sendable {
        /// A short name lies here, little-endian with zeros behind it, as those of all our messages do.
        @usableFromInline
        let words: (UInt64, UInt64)
        @usableFromInline
        let count: Int
        /// Any other.
        private let long: [UInt8]
        @usableFromInline
        static var mostInline: Int { 16 }

        /// Up to eight bytes.
        init(_ word: UInt64, count: Int) {
            words = (word, 0)
            self.count = count
            long = []
        }

        init(_ name: Slice<UnsafeBufferPointer<UInt8>>) {
            count = name.count
            guard count <= Self.mostInline else {
                words = (0, 0)
                long = Array(name)
                return
            }
            long = []
            words = (Self.word(of: name, from: 0), Self.word(of: name, from: 8))
        }

        /// Up to eight bytes of a name.
        private static func word(of name: Slice<UnsafeBufferPointer<UInt8>>, from start: Int) -> UInt64 {
            let count = min(name.count - start, 8)
            guard count > 0 else { return 0 }
            let first = name.startIndex + start
            guard first + 8 <= name.base.count else {
                return name[first..<first + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
            }
            // What stands behind the name is read along and cut off.
            return WordSearch.load(name.base, at: first) & (.max >> UInt64(64 - count * 8))
        }

        package var string: String { withBytes { String(decoding: $0, as: UTF8.self) } }

        @inlinable
        @inline(__always)
        package static func ~= (literal: StaticString, key: Key) -> Bool { key == literal }

        @inlinable
        @inline(__always)
        package static func == (key: Key, literal: StaticString) -> Bool {
            guard key.count == literal.utf8CodeUnitCount else { return false }
            guard key.count <= mostInline else { return key.holds(literal) }
            return key.words == (word(of: literal, from: 0), word(of: literal, from: 8))
        }

        /// Up to eight bytes of a literal, known when this is compiled.
        @inlinable
        @inline(__always)
        static func word(of literal: StaticString, from start: Int) -> UInt64 {
            var word: UInt64 = 0
            var place = min(start + 8, literal.utf8CodeUnitCount)
            while place > start {
                place -= 1
                word = word << 8 | UInt64(literal.utf8Start[place])
            }
            return word
        }

        /// Whether the bytes are those of a literal of the same length.
        @usableFromInline
        func holds(_ literal: StaticString) -> Bool {
            withBytes { bytes in literal.withUTF8Buffer { bytes.elementsEqual($0) } }
        }

        private func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
            guard count <= Self.mostInline else { return long.withUnsafeBytes(body) }
            return withUnsafeBytes(of: (words.0.littleEndian, words.1.littleEndian)) {
                body(UnsafeRawBufferPointer(rebasing: $0[..<count]))
            }
        }
    }
}

extension JSONReader {
    /// Reads a key of up to eight bytes that are plain, as nearly all are, in one look; nil where it takes more.
    @inline(__always)
    mutating func takeShortKey() -> Key? {
        guard position + 9 < bytes.count, bytes[position] == UInt8(ascii: "\"") else { return nil }
        let word = WordSearch.load(bytes, at: position + 1)
        let uncommon = WordSearch.marksOfUncommon(in: word)
        // Eight where there is none: then the ninth may be the quote.
        let count = uncommon.trailingZeroBitCount / 8
        guard bytes[position + 1 + count] == UInt8(ascii: "\"") else { return nil }
        position += count + 2
        return Key(word & (.max >> UInt64(64 - count * 8)), count: count)
    }

    mutating func readKey() throws(JSONError) -> Key {
        let string = try scanString()
        guard string.hasEscapes || !string.isASCII else { return Key(bytes[string.content]) }
        return Array(try text(of: string).utf8).withUnsafeBufferPointer { Key($0[...]) }
    }
}

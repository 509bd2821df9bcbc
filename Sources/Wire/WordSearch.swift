/// Looking at eight bytes at once ("SIMD within a register"), for searches that every received byte goes through.
enum WordSearch {
    static let ones: UInt64 = 0x0101_0101_0101_0101
    static let highs: UInt64 = 0x8080_8080_8080_8080

    /// The high bit of every byte of `word` that equals `byte`; also of some above such a byte, never below the lowest.
    ///
    /// A byte is zero where subtracting one borrows although its high bit was clear. A borrow reaches the byte above,
    /// so only the lowest mark counts: read the word as little-endian.
    @inline(__always)
    static func marks(of byte: UInt8, in word: UInt64) -> UInt64 {
        let difference = word ^ (ones &* UInt64(byte))
        return (difference &- ones) & ~difference & highs
    }

    /// The high bit of every byte of `word` below 0x20; the remark about bytes above holds here too.
    @inline(__always)
    static func marksOfControls(in word: UInt64) -> UInt64 {
        (word &- ones &* 0x20) & ~word & highs
    }

    /// The high bit of every byte of `word` that is a quote, a backslash or a control character, which end the plain part
    /// of a JSON string; the remark about bytes above holds here too.
    @inline(__always)
    static func marksOfStringEnds(in word: UInt64) -> UInt64 { borrowsOfStringEnds(word) & ~word & highs }

    /// The same, and every DEL and every byte beyond ASCII.
    @inline(__always)
    static func marksOfUncommon(in word: UInt64) -> UInt64 {
        // One more makes 0x80 of DEL. A carry comes from 0xFF alone, which is marked itself.
        (borrowsOfStringEnds(word) | (word &+ ones) | word) & highs
    }

    /// The high bit of every quote, backslash and control character, and of some bytes beyond ASCII.
    @inline(__always)
    private static func borrowsOfStringEnds(_ word: UInt64) -> UInt64 {
        let quotes = (word ^ (ones &* 0x22)) &- ones
        let backslashes = (word ^ (ones &* 0x5C)) &- ones
        let controls = word &- (ones &* 0x20)
        return quotes | backslashes | controls
    }

    @inline(__always)
    static func load(_ bytes: UnsafeBufferPointer<UInt8>, at offset: Int) -> UInt64 {
        UInt64(littleEndian: UnsafeRawPointer(bytes.baseAddress! + offset).loadUnaligned(as: UInt64.self))
    }

    /// The last bytes, of which there are one to seven, with spaces behind them.
    @inline(__always)
    static func loadRest(of bytes: UnsafeBufferPointer<UInt8>, from offset: Int) -> UInt64 {
        let count = bytes.count - offset
        let word: UInt64
        // Loads that overlap agree about the bytes that both have.
        if count >= 4 {
            let start = UnsafeRawPointer(bytes.baseAddress! + offset)
            let first = UInt32(littleEndian: start.loadUnaligned(as: UInt32.self))
            let last = UInt32(littleEndian: (start + (count - 4)).loadUnaligned(as: UInt32.self))
            word = UInt64(first) | UInt64(last) << UInt64((count - 4) * 8)
        } else {
            let middle = count / 2
            word =
                UInt64(bytes[offset]) | UInt64(bytes[offset + middle]) << UInt64(middle * 8)
                | UInt64(bytes[offset + count - 1]) << UInt64((count - 1) * 8)
        }
        return word | (ones &* 0x20) << UInt64(count * 8)
    }

    /// Where `byte` stands first, from `start` on.
    static func firstOffset(of byte: UInt8, in bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        var offset = start
        while offset + 8 <= bytes.count {
            let found = marks(of: byte, in: load(bytes, at: offset))
            if found != 0 { return offset + found.trailingZeroBitCount / 8 }
            offset += 8
        }
        while offset < bytes.count {
            if bytes[offset] == byte { return offset }
            offset += 1
        }
        return nil
    }

    /// Whether every byte lies in 0x20...0x7E.
    static func isPrintableASCII(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var offset = 0
        while offset + 8 <= bytes.count {
            let word = load(bytes, at: offset)
            guard (word | marksOfControls(in: word) | marks(of: 0x7F, in: word)) & highs == 0 else { return false }
            offset += 8
        }
        while offset < bytes.count {
            guard (0x20...0x7E).contains(bytes[offset]) else { return false }
            offset += 1
        }
        return true
    }
}

extension JSONWriter {
    mutating func quote(_ text: String, behind lead: Lead) {
        // Every string of Linux lies in one piece, and asked like this is not held on to.
        if text.utf8.withContiguousStorageIfAvailable({ quote($0, behind: lead) }) != nil { return }
        var text = text
        text.withUTF8 { quote($0, behind: lead) }
    }

    private mutating func quote(_ bytes: UnsafeBufferPointer<UInt8>, behind lead: Lead) {
        let plain = Self.plainEnd(bytes, from: 0, style: style)
        // Most strings need no escape and go out in one piece.
        output.appendPieces(upTo: lead.mostBytes + plain + 2) { pieces in
            lead.put(to: &pieces)
            pieces.put(UInt8(ascii: "\""))
            pieces.put(UnsafeBufferPointer(rebasing: bytes[..<plain]))
            if plain == bytes.count { pieces.put(UInt8(ascii: "\"")) }
        }
        guard plain < bytes.count else { return }
        escape(bytes, from: plain)
        output.append(UInt8(ascii: "\""))
    }

    /// Copies runs that need no escape as they are.
    mutating func escape(_ text: String) {
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
        while true {
            while offset + 8 <= bytes.count, WordSearch.marksOfUncommon(in: WordSearch.load(bytes, at: offset)) == 0 {
                offset += 8
            }
            guard offset < bytes.count else { return offset }
            let word =
                offset + 8 <= bytes.count
                ? WordSearch.load(bytes, at: offset) : WordSearch.loadRest(of: bytes, from: offset)
            let uncommon = WordSearch.marksOfUncommon(in: word)
            guard uncommon != 0 else { return bytes.count }
            offset += uncommon.trailingZeroBitCount / 8
            guard isPlain(bytes[offset], style: style) else { return offset }
            offset += 1
        }
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

/// Turns text of a stranger into text that a terminal shows and does nothing else with.
///
/// What becomes a visible escape, `\u{1B}`: C0 (`\n`, `\r`, `\t` by these names), DEL, C1; controls, isolates and marks
/// of bidirectional text; line and paragraph separators; tag characters; noncharacters; everything else that is
/// invisible by definition (category Cf, or default ignorable); combining marks beyond 8 on one base, or with none.
///
/// What is invisible and stays, since people write it: zero width joiner and non-joiner between two emoji or between
/// two letters of a script that is written with them, variation selectors 15 and 16 behind an emoji, and Arabic
/// number signs in front of a digit.
enum Neutraliser {
    /// What a line break means.
    enum Shape {
        /// One line: line breaks and tabs are escaped.
        case line
        /// The text of a message: newline and tab stay, CR and CRLF become newline.
        case block
    }

    /// The number of combining marks that one base may carry.
    static let mostMarks = 8

    static func neutralise(_ text: String, as shape: Shape) -> String {
        var text = text
        let neutralised: [UInt8]? = text.withUTF8 { bytes in
            WordSearch.isPrintableASCII(bytes) ? nil : Self.bytes(neutralising: bytes, as: shape)
        }
        return neutralised.map { String(decoding: $0, as: UTF8.self) } ?? text
    }

    static func neutralise(bytes: ArraySlice<UInt8>, as shape: Shape) -> String {
        let neutralised = bytes.withUnsafeBufferPointer { Self.bytes(neutralising: $0, as: shape) }
        return String(decoding: neutralised, as: UTF8.self)
    }

    private static func bytes(neutralising bytes: UnsafeBufferPointer<UInt8>, as shape: Shape) -> [UInt8] {
        var walk = NeutraliserWalk(shape: shape, expecting: bytes.count)
        var offset = 0
        while offset < bytes.count {
            if let (scalar, length) = decodeScalar(bytes, at: offset) {
                walk.step(scalar)
                offset += length
            } else {
                walk.stepInvalid(bytes[offset])
                offset += 1
            }
        }
        return walk.finish()
    }

    /// One scalar of well-formed UTF-8 (Unicode, table 3-7) and its length in bytes.
    private static func decodeScalar(
        _ bytes: UnsafeBufferPointer<UInt8>, at offset: Int
    ) -> (scalar: Unicode.Scalar, length: Int)? {
        let first = bytes[offset]
        if first < 0x80 { return (Unicode.Scalar(first), 1) }
        let length: Int
        let smallest: UInt32
        switch first {
        case 0xC2...0xDF: (length, smallest) = (2, 0x80)
        case 0xE0...0xEF: (length, smallest) = (3, 0x800)
        case 0xF0...0xF4: (length, smallest) = (4, 0x10000)
        default: return nil
        }
        guard bytes.count - offset >= length else { return nil }
        var value = UInt32(first) & (0xFF >> UInt32(length + 1))
        for place in offset + 1..<offset + length {
            guard bytes[place] & 0xC0 == 0x80 else { return nil }
            value = value << 6 | UInt32(bytes[place] & 0x3F)
        }
        // Overlong forms, surrogates and what lies beyond Unicode are not well-formed.
        guard value >= smallest, let scalar = Unicode.Scalar(value) else { return nil }
        return (scalar, length)
    }
}

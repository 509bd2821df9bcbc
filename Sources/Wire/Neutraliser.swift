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
        return text.withUTF8 { isPrintableASCII($0) } ? text : neutralise(scalars: text.unicodeScalars, as: shape)
    }

    static func neutralise(bytes: some Collection<UInt8>, as shape: Shape) -> String {
        if let text = String(validating: bytes, as: UTF8.self) {
            return neutralise(text, as: shape)
        }
        var walk = Walk(shape: shape)
        var iterator = Array(bytes)[...]
        while !iterator.isEmpty {
            if let (scalar, length) = decodeScalar(iterator) {
                walk.step(scalar)
                iterator = iterator.dropFirst(length)
            } else {
                walk.stepInvalid(iterator.removeFirst())
            }
        }
        return walk.finish()
    }

    private static func neutralise(scalars: String.UnicodeScalarView, as shape: Shape) -> String {
        var walk = Walk(shape: shape)
        for scalar in scalars { walk.step(scalar) }
        return walk.finish()
    }

    /// Eight bytes at a time: every byte lies in 0x20...0x7E.
    private static func isPrintableASCII(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var offset = 0
        let raw = UnsafeRawBufferPointer(bytes)
        while offset + 8 <= raw.count {
            let word = raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            // With the high bits clear, adding 0x60 carries into the high bit of a byte from 0x20 on, and adding 1
            // carries into that of 0x7F; no byte carries into its neighbour.
            let high: UInt64 = 0x8080_8080_8080_8080
            guard word & high == 0, (word &+ 0x6060_6060_6060_6060) & high == high,
                (word &+ 0x0101_0101_0101_0101) & high == 0
            else { return false }
            offset += 8
        }
        while offset < raw.count {
            guard (0x20...0x7E).contains(raw[offset]) else { return false }
            offset += 1
        }
        return true
    }

    /// One scalar of well-formed UTF-8 (Unicode, table 3-7) and its length in bytes.
    private static func decodeScalar(_ bytes: ArraySlice<UInt8>) -> (Unicode.Scalar, Int)? {
        let length: Int
        switch bytes.first! {
        case 0x00...0x7F: length = 1
        case 0xC2...0xDF: length = 2
        case 0xE0...0xEF: length = 3
        case 0xF0...0xF4: length = 4
        default: return nil
        }
        guard bytes.count >= length, let text = String(validating: bytes.prefix(length), as: UTF8.self),
            let scalar = text.unicodeScalars.first
        else { return nil }
        return (scalar, length)
    }
}

/// One pass over a text, scalar by scalar.
private struct Walk {
    let shape: Neutraliser.Shape
    private var output = String.UnicodeScalarView()
    /// The last scalar that was kept as it is and is no mark; `nil` at the start and after a break or an escape.
    private var base: Unicode.Scalar?
    /// The last scalar that was kept as it is.
    private var previous: Unicode.Scalar?
    /// The marks on `base` so far.
    private var marks = 0
    /// A joiner or number sign whose right to stay depends on what follows.
    private var undecided: Unicode.Scalar?
    private var afterCarriageReturn = false

    init(shape: Neutraliser.Shape) {
        self.shape = shape
    }

    mutating func step(_ scalar: Unicode.Scalar) {
        if let waiting = undecided {
            undecided = nil
            if stays(waiting, between: previous, and: scalar) {
                output.append(waiting)
                previous = waiting
            } else {
                escape(waiting)
            }
        }
        let followsCarriageReturn = afterCarriageReturn
        afterCarriageReturn = false
        switch kind(of: scalar) {
        case .plain:
            output.append(scalar)
            base = scalar
            previous = scalar
            marks = 0
        case .mark:
            guard base != nil, marks < Neutraliser.mostMarks else {
                escape(scalar, keepingBase: true)
                return
            }
            output.append(scalar)
            previous = scalar
            marks += 1
        case .variationSelector:
            guard let previous, previous.properties.isEmoji else {
                escape(scalar)
                return
            }
            output.append(scalar)
            self.previous = scalar
        case .contextual:
            undecided = scalar
        case .lineBreak:
            guard shape == .block else {
                escape(scalar)
                return
            }
            if !(followsCarriageReturn && scalar == "\n") { keepBreak("\n") }
            afterCarriageReturn = scalar == "\r"
        case .tab:
            guard shape == .block else {
                escape(scalar)
                return
            }
            keepBreak(scalar)
        case .forbidden:
            escape(scalar)
        }
    }

    /// A byte that is not part of well-formed UTF-8.
    mutating func stepInvalid(_ byte: UInt8) {
        settle()
        afterCarriageReturn = false
        output.append(
            contentsOf: "\\x\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))".unicodeScalars)
        forgetContext()
    }

    mutating func finish() -> String {
        settle()
        return String(output)
    }

    /// Nothing follows that could justify it.
    private mutating func settle() {
        if let waiting = undecided {
            undecided = nil
            escape(waiting)
        }
    }

    private mutating func keepBreak(_ scalar: Unicode.Scalar) {
        output.append(scalar)
        forgetContext()
    }

    private mutating func forgetContext() {
        base = nil
        previous = nil
        marks = 0
    }

    private mutating func escape(_ scalar: Unicode.Scalar, keepingBase: Bool = false) {
        switch scalar {
        case "\n": output.append(contentsOf: "\\n".unicodeScalars)
        case "\r": output.append(contentsOf: "\\r".unicodeScalars)
        case "\t": output.append(contentsOf: "\\t".unicodeScalars)
        default:
            output.append(contentsOf: "\\u{\(String(scalar.value, radix: 16, uppercase: true))}".unicodeScalars)
        }
        // Marks that follow an excess mark are excess too, whatever the escape put between them.
        if !keepingBase { forgetContext() }
    }

    /// Whether an invisible scalar has a purpose between its neighbours.
    private func stays(_ scalar: Unicode.Scalar, between left: Unicode.Scalar?, and right: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x200C, 0x200D:
            guard let left else { return false }
            if usesJoiners(left) && usesJoiners(right) { return true }
            return scalar.value == 0x200D && endsEmoji(left) && beginsEmoji(right)
        default:
            return right.properties.generalCategory == .decimalNumber
        }
    }

    private func usesJoiners(_ scalar: Unicode.Scalar) -> Bool {
        // Arabic to Mongolian, without the Georgian to Canadian syllabics between Myanmar and Tagalog.
        guard (0x0600...0x10_9F).contains(scalar.value) || (0x1700...0x1CFF).contains(scalar.value) else {
            return false
        }
        switch scalar.properties.generalCategory {
        case .otherLetter, .nonspacingMark, .spacingMark: return true
        default: return false
        }
    }

    private func endsEmoji(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value == 0xFE0F || beginsEmoji(scalar)
    }

    private func beginsEmoji(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value > 0xA8 && scalar.properties.isEmoji
    }
}

private enum Kind {
    case plain
    case mark
    case variationSelector
    /// Stays or not by what stands beside it.
    case contextual
    case lineBreak
    case tab
    case forbidden
}

private func kind(of scalar: Unicode.Scalar) -> Kind {
    switch scalar.value {
    case 0x20...0x7E: return .plain
    case 0x0A, 0x0D: return .lineBreak
    case 0x09: return .tab
    case 0x00...0x1F, 0x7F...0x9F, 0xAD: return .forbidden
    // Large blocks without a mark or an invisible scalar, so that most text of the world needs no look-up.
    case 0xA0...0x02FF, 0x0370...0x0482, 0x048A...0x058F, 0x05D0...0x05EA, 0x0620...0x064A, 0x2010...0x2027,
        0x2030...0x205E, 0x20A0...0x20C0, 0x2100...0x2BFF, 0x3001...0x3029, 0x3041...0x3096, 0x309B...0x30FF,
        0x3400...0x4DBF, 0x4E00...0x9FFF, 0xAC00...0xD7A3, 0x1F300...0x1FAFF, 0x20000...0x2A6DF:
        return .plain
    case 0xFE0E, 0xFE0F: return .variationSelector
    case 0x200C, 0x200D: return .contextual
    // Arabic number signs and the end of ayah: visible, but they draw the digits that follow into themselves.
    case 0x0600...0x0605, 0x06DD, 0x0890, 0x0891: return .contextual
    case 0xFDD0...0xFDEF, 0xE0000...0xE0FFF: return .forbidden
    case let value where value & 0xFFFE == 0xFFFE: return .forbidden
    default: break
    }
    let properties = scalar.properties
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: return .forbidden
    case .nonspacingMark, .enclosingMark, .spacingMark:
        return properties.isDefaultIgnorableCodePoint ? .forbidden : .mark
    default:
        return properties.isDefaultIgnorableCodePoint ? .forbidden : .plain
    }
}

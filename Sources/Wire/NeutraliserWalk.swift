/// One pass of the neutraliser over a text, scalar by scalar.
struct NeutraliserWalk {
    private let shape: Neutraliser.Shape
    private var output: [UInt8] = []
    /// Whether the last scalar that was kept can carry marks: not at the start and after a break or an escape.
    private var hasBase = false
    /// The marks on that base so far.
    private var marks = 0
    /// The last scalar that was kept as it is.
    private var previous: Unicode.Scalar?
    /// A joiner or number sign whose right to stay depends on what follows.
    private var undecided: Unicode.Scalar?
    private var isAfterCarriageReturn = false

    /// `count` is the likely number of bytes.
    init(shape: Neutraliser.Shape, expecting count: Int) {
        self.shape = shape
        output.reserveCapacity(count + 16)
    }

    mutating func step(_ scalar: Unicode.Scalar) {
        if undecided == nil, !isAfterCarriageReturn, (0x20...0x7E).contains(scalar.value) {
            output.append(UInt8(truncatingIfNeeded: scalar.value))
            keptBase(scalar)
            return
        }
        if let waiting = undecided { decide(waiting, before: scalar) }
        let completesLineBreak = isAfterCarriageReturn && scalar == "\n"
        isAfterCarriageReturn = false
        switch NeutralKind(scalar) {
        case .plain:
            append(scalar)
            keptBase(scalar)
        case .mark:
            guard hasBase, marks < Neutraliser.mostMarks else {
                // Marks that follow an excess mark are excess too, whatever the escape put between them.
                escape(scalar)
                return
            }
            append(scalar)
            previous = scalar
            marks += 1
        case .variationSelector:
            guard let base = previous, base.properties.isEmoji else {
                escapeAndForget(scalar)
                return
            }
            append(scalar)
            previous = scalar
        case .contextual:
            undecided = scalar
        case .lineBreak where shape == .block:
            if !completesLineBreak { keepBreak(UInt8(ascii: "\n")) }
            isAfterCarriageReturn = scalar == "\r"
        case .tab where shape == .block:
            keepBreak(UInt8(ascii: "\t"))
        case .lineBreak, .tab, .forbidden:
            escapeAndForget(scalar)
        }
    }

    /// A byte that is not part of well-formed UTF-8.
    mutating func stepInvalid(_ byte: UInt8) {
        settle()
        isAfterCarriageReturn = false
        output.append(contentsOf: "\\x\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))".utf8)
        forgetContext()
    }

    mutating func finish() -> [UInt8] {
        settle()
        return output
    }

    /// Nothing follows that could justify it.
    private mutating func settle() {
        if let waiting = undecided {
            undecided = nil
            escapeAndForget(waiting)
        }
    }

    private mutating func decide(_ waiting: Unicode.Scalar, before next: Unicode.Scalar) {
        undecided = nil
        guard stays(waiting, between: previous, and: next) else {
            escapeAndForget(waiting)
            return
        }
        append(waiting)
        previous = waiting
    }

    private mutating func keptBase(_ scalar: Unicode.Scalar) {
        hasBase = true
        previous = scalar
        marks = 0
    }

    private mutating func keepBreak(_ byte: UInt8) {
        output.append(byte)
        forgetContext()
    }

    private mutating func forgetContext() {
        hasBase = false
        previous = nil
        marks = 0
    }

    private mutating func append(_ scalar: Unicode.Scalar) {
        output.append(contentsOf: UTF8.encode(scalar)!)
    }

    private mutating func escapeAndForget(_ scalar: Unicode.Scalar) {
        escape(scalar)
        forgetContext()
    }

    private mutating func escape(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\n": output.append(contentsOf: "\\n".utf8)
        case "\r": output.append(contentsOf: "\\r".utf8)
        case "\t": output.append(contentsOf: "\\t".utf8)
        default: output.append(contentsOf: "\\u{\(String(scalar.value, radix: 16, uppercase: true))}".utf8)
        }
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
        // Arabic to Myanmar, and the scripts from Tagalog to the Vedic signs.
        guard (0x0600...0x109F).contains(scalar.value) || (0x1700...0x1CFF).contains(scalar.value) else { return false }
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

/// What the neutraliser has to know of a scalar.
private enum NeutralKind {
    case plain
    case mark
    case variationSelector
    /// Stays or not by what stands beside it.
    case contextual
    case lineBreak
    case tab
    case forbidden

    init(_ scalar: Unicode.Scalar) {
        switch scalar.value {
        case 0x20...0x7E: self = .plain
        case 0x0A, 0x0D: self = .lineBreak
        case 0x09: self = .tab
        case 0x00...0x1F, 0x7F...0x9F, 0xAD: self = .forbidden
        // Large blocks without a mark or an invisible scalar, so that most text of the world needs no look-up.
        case 0xA0...0x02FF, 0x0370...0x0482, 0x048A...0x058F, 0x05D0...0x05EA, 0x0620...0x064A, 0x2010...0x2027,
            0x2030...0x205E, 0x20A0...0x20C0, 0x2100...0x2BFF, 0x3001...0x3029, 0x3041...0x3096, 0x309B...0x30FF,
            0x3400...0x4DBF, 0x4E00...0x9FFF, 0xAC00...0xD7A3, 0x1F300...0x1FAFF, 0x20000...0x2A6DF:
            self = .plain
        case 0xFE0E, 0xFE0F: self = .variationSelector
        case 0x200C, 0x200D: self = .contextual
        // Arabic number signs and the end of ayah: visible, but they draw the digits that follow into themselves.
        case 0x0600...0x0605, 0x06DD, 0x0890, 0x0891: self = .contextual
        case 0xFDD0...0xFDEF, 0xE0000...0xE0FFF: self = .forbidden
        case let value where value & 0xFFFE == 0xFFFE: self = .forbidden
        default: self.init(properties: scalar.properties)
        }
    }

    private init(properties: Unicode.Scalar.Properties) {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate:
            self = .forbidden
        case .nonspacingMark, .enclosingMark, .spacingMark:
            self = properties.isDefaultIgnorableCodePoint ? .forbidden : .mark
        default:
            self = properties.isDefaultIgnorableCodePoint ? .forbidden : .plain
        }
    }
}

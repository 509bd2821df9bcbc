import Wire

/// Writes one JSON object as a line, field by field, without building a tree.
///
/// Strings keep their value exactly and can do no harm where they are printed: whatever is no ordinary visible
/// character is written as `\uXXXX`, which every JSON reader turns back.
struct ObjectWriter {
    /// Combining marks on one base that are written as they are.
    private static let markLimit = 8

    private var bytes: [UInt8]
    private var isEmpty = true

    /// Begins an object after `bytes`.
    init(bytes: consuming [UInt8]) {
        self.bytes = bytes
        self.bytes.append(UInt8(ascii: "{"))
    }

    /// Ends the object and its line.
    consuming func finish() -> [UInt8] {
        bytes.append(UInt8(ascii: "}"))
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }

    mutating func field(_ key: StaticString, exact value: String) {
        begin(key)
        append(exact: value)
    }

    mutating func field(_ key: StaticString, _ value: SafeText) {
        begin(key)
        append(exact: value.string)
    }

    mutating func word(_ key: StaticString, _ value: StaticString) {
        begin(key)
        bytes.append(UInt8(ascii: "\""))
        value.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func number(_ key: StaticString, _ value: Int64) {
        begin(key)
        bytes.append(contentsOf: String(value).utf8)
    }

    mutating func flag(_ key: StaticString, _ value: Bool) {
        begin(key)
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    mutating func lines(_ key: StaticString, _ lines: [SafeText]) {
        begin(key)
        bytes.append(UInt8(ascii: "["))
        for (index, line) in lines.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            append(exact: line.string)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    /// A field that a mode attached.
    mutating func attached(_ key: String, _ value: JSON) {
        separate()
        append(exact: key)
        bytes.append(UInt8(ascii: ":"))
        append(value)
    }

    private mutating func begin(_ key: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        key.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func separate() {
        if !isEmpty { bytes.append(UInt8(ascii: ",")) }
        isEmpty = false
    }

    private mutating func append(_ value: JSON) {
        switch value {
        case .string(let text): append(exact: text)
        case .array(let values):
            bytes.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                append(value)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let object):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in object.members.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                append(exact: member.key)
                bytes.append(UInt8(ascii: ":"))
                append(member.value)
            }
            bytes.append(UInt8(ascii: "}"))
        case .null, .bool, .integer, .number: bytes.append(contentsOf: value.encoded(style: .compact))
        }
    }

    // MARK: Strings

    private mutating func append(exact value: String) {
        bytes.append(UInt8(ascii: "\""))
        var value = value
        value.withUTF8 { utf8 in
            // Combining marks in a row: more than a cluster can need would be drawn over the lines around it.
            var marks = 0
            var start = 0
            while start < utf8.count {
                let isASCII = utf8[start] < 0x80
                let isPlain = utf8[start].isPlainInJSON
                var end = start + 1
                while end < utf8.count, (utf8[end] < 0x80) == isASCII, utf8[end].isPlainInJSON == isPlain { end += 1 }
                let run = UnsafeBufferPointer(rebasing: utf8[start..<end])
                if isPlain {
                    bytes.append(contentsOf: run)
                    marks = 0
                } else if isASCII {
                    for byte in run { appendEscaped(byte, &marks) }
                } else {
                    for scalar in String(decoding: run, as: UTF8.self).unicodeScalars { append(scalar, &marks) }
                }
                start = end
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// What of ASCII does not stand for itself.
    private mutating func appendEscaped(_ byte: UInt8, _ marks: inout Int) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(byte)
            marks = 0
        case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
        case UInt8(ascii: "\t"): bytes.append(contentsOf: "\\t".utf8)
        case UInt8(ascii: "\r"): bytes.append(contentsOf: "\\r".utf8)
        default: appendUnicodeEscape(Unicode.Scalar(byte))
        }
    }

    /// Anything beyond ASCII.
    private mutating func append(_ scalar: Unicode.Scalar, _ marks: inout Int) {
        switch scalar.appearance {
        case .visible: marks = 0
        case .mark: marks += 1
        case .invisible:
            appendUnicodeEscape(scalar)
            return
        }
        if marks > Self.markLimit {
            appendUnicodeEscape(scalar)
        } else {
            UTF8.encode(scalar).map { bytes.append(contentsOf: $0) }
        }
    }

    private mutating func appendUnicodeEscape(_ scalar: Unicode.Scalar) {
        let digits = Array("0123456789abcdef".utf8)
        for unit in String(scalar).utf16 {
            bytes.append(contentsOf: "\\u".utf8)
            for shift in [12, 8, 4, 0] { bytes.append(digits[Int(unit >> UInt16(shift)) & 15]) }
        }
    }
}

extension UInt8 {
    /// Printable ASCII that stands for itself in a JSON string.
    fileprivate var isPlainInJSON: Bool {
        self >= 0x20 && self < 0x7F && self != UInt8(ascii: "\"") && self != UInt8(ascii: "\\")
    }
}

extension Unicode.Scalar {
    fileprivate enum Appearance {
        case visible
        case mark
        /// Control, format, separator of lines, private or unassigned: it acts, or nobody can know what it does.
        case invisible
    }

    /// Of a scalar beyond ASCII.
    fileprivate var appearance: Appearance {
        // Letters of the first blocks and the large blocks of East Asia, without a look into the tables.
        if (0xAE..<0x300).contains(value) || (0x3041..<0x3097).contains(value) || (0x4E00..<0xA000).contains(value)
            || (0xAC00..<0xD7A4).contains(value)
        {
            return .visible
        }
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
            return .invisible
        case .nonspacingMark, .enclosingMark, .spacingMark: return .mark
        default: return .visible
        }
    }
}

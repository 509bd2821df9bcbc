/// How a span of text looks: what ECMA-48 calls its graphic rendition.
package struct Style: Hashable, Sendable {
    /// Index into the terminal's palette of 256 colours; nil is the terminal's own colour.
    package var foreground: UInt8?
    package var isBold = false
    package var isDim = false
    package var isReversed = false

    package init(foreground: UInt8? = nil, bold: Bool = false, dim: Bool = false, reversed: Bool = false) {
        self.foreground = foreground
        isBold = bold
        isDim = dim
        isReversed = reversed
    }

    package static let plain = Style()
    package static let bold = Style(bold: true)
    package static let dim = Style(dim: true)

    /// The control sequence that turns it on, from a state in which nothing is on.
    package func appendStart(to bytes: inout [UInt8]) {
        guard self != .plain else { return }
        bytes.append(contentsOf: [0x1B, UInt8(ascii: "[")])
        var isFirst = true
        func append(_ parameter: String) {
            if !isFirst { bytes.append(UInt8(ascii: ";")) }
            bytes.append(contentsOf: parameter.utf8)
            isFirst = false
        }
        if isBold { append("1") }
        if isDim { append("2") }
        if isReversed { append("7") }
        if let foreground {
            // The first sixteen have short forms that terminals without the large palette know too.
            switch foreground {
            case 0..<8: append("\(30 + Int(foreground))")
            case 8..<16: append("\(82 + Int(foreground))")
            default: append("38;5;\(foreground)")
            }
        }
        bytes.append(UInt8(ascii: "m"))
    }

    /// The control sequence that turns everything off again.
    package func appendEnd(to bytes: inout [UInt8]) {
        guard self != .plain else { return }
        bytes.append(contentsOf: [0x1B, UInt8(ascii: "["), UInt8(ascii: "0"), UInt8(ascii: "m")])
    }
}

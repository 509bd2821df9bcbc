import Terminal
import Wire

/// What takes the lines of the human view: bytes for a stream, or cells for the live rows at the prompt.
protocol LineSink {
    /// Appends to the current line. A line break in `text` begins a continuation line, which the sink indents, so that
    /// no text can begin a line of its own.
    mutating func append(_ text: SafeText, _ style: Style)

    mutating func endLine()
}

/// What continuation lines begin with.
let continuationIndent: StaticString = "    "

/// Lines as bytes.
struct ByteSink: LineSink {
    var bytes: [UInt8]
    let isColored: Bool

    /// At a terminal in raw mode a line ends with CR LF, and CR LF is what continuation lines need too.
    let endsWithReturn: Bool

    init(reusing bytes: consuming [UInt8] = [], colored: Bool, endsWithReturn: Bool) {
        self.bytes = bytes
        isColored = colored
        self.endsWithReturn = endsWithReturn
    }

    mutating func append(_ text: SafeText, _ style: Style) {
        guard !text.isEmpty else { return }
        if isColored { style.appendStart(to: &bytes) }
        var string = text.string
        string.withUTF8 { appendLines($0) }
        if isColored { style.appendEnd(to: &bytes) }
    }

    mutating func endLine() {
        if endsWithReturn { bytes.append(UInt8(ascii: "\r")) }
        bytes.append(UInt8(ascii: "\n"))
    }

    private mutating func appendLines(_ utf8: UnsafeBufferPointer<UInt8>) {
        guard utf8.contains(UInt8(ascii: "\n")) else { return bytes.append(contentsOf: utf8) }
        for byte in utf8 {
            guard byte == UInt8(ascii: "\n") else {
                bytes.append(byte)
                continue
            }
            endLine()
            continuationIndent.withUTF8Buffer { bytes.append(contentsOf: $0) }
        }
    }
}

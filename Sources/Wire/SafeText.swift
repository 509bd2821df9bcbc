/// Text that may be shown: the only type that a screen, a plain stream, a log or an error message takes.
///
/// Whatever came from outside the program (names, messages, addresses, file names, the words of a peer's error) passes
/// through `Neutraliser` on its way in, and holds nothing afterwards that a terminal acts upon. A literal of our own is
/// trusted; every `String` that is interpolated into it is not.
package struct SafeText: Hashable, Sendable, CustomStringConvertible {
    package let string: String

    private init(neutralised string: String) {
        self.string = string
    }

    /// One line: line breaks and tabs become visible escapes too.
    package init(untrusted text: String) {
        self.init(neutralised: Neutraliser.neutralise(text, as: .line))
    }

    /// The text of a message: newline and tab stay, CR and CRLF become newline.
    package init(untrustedBlock text: String) {
        self.init(neutralised: Neutraliser.neutralise(text, as: .block))
    }

    /// One line of bytes that should be UTF-8: what is not, is shown as `\xHH`.
    package init(untrustedBytes bytes: ArraySlice<UInt8>) {
        self.init(neutralised: Neutraliser.neutralise(bytes: bytes, as: .line))
    }

    /// The same of bytes that lie in another collection.
    @inlinable
    package init(untrustedBytes bytes: some Collection<UInt8>) {
        self.init(untrustedBytes: Array(bytes)[...])
    }

    /// The text of a message in bytes that should be UTF-8: what is not, is shown as `\xHH`.
    package init(untrustedBlockBytes bytes: ArraySlice<UInt8>) {
        self.init(neutralised: Neutraliser.neutralise(bytes: bytes, as: .block))
    }

    /// The same of bytes that lie in another collection.
    @inlinable
    package init(untrustedBlockBytes bytes: some Collection<UInt8>) {
        self.init(untrustedBlockBytes: Array(bytes)[...])
    }

    package var isEmpty: Bool { string.isEmpty }

    package var description: String { string }

    /// The lines of a block, without their newlines; at least one.
    package var lines: [SafeText] {
        string.split(separator: "\n", omittingEmptySubsequences: false).map { SafeText(neutralised: String($0)) }
    }

    /// The part between two positions of `string`. Part of a safe text is safe.
    package subscript(range: some RangeExpression<String.Index>) -> SafeText {
        SafeText(neutralised: String(string[range]))
    }

    /// The first `count` characters.
    package func prefix(_ count: Int) -> SafeText {
        SafeText(neutralised: String(string.prefix(count)))
    }

    package static func + (left: SafeText, right: SafeText) -> SafeText {
        SafeText(neutralised: left.string + right.string)
    }

    package static func += (left: inout SafeText, right: SafeText) {
        left = left + right
    }
}

extension SafeText: ExpressibleByStringInterpolation {
    package init(stringLiteral literal: String) {
        self.init(neutralised: literal)
    }

    package init(stringInterpolation parts: StringInterpolation) {
        self.init(neutralised: parts.string)
    }

    /// What a literal with interpolations is built from. There is no way in for a type that is not named here, so a
    /// peer's bytes cannot slip through a description.
    package struct StringInterpolation: StringInterpolationProtocol {
        var string = ""

        package init(literalCapacity: Int, interpolationCount: Int) {
            string.reserveCapacity(literalCapacity + interpolationCount * 16)
        }

        package mutating func appendLiteral(_ literal: String) {
            string += literal
        }

        /// A text from anywhere: neutralised by the rules of one line.
        package mutating func appendInterpolation(_ untrusted: String) {
            string += Neutraliser.neutralise(untrusted, as: .line)
        }

        package mutating func appendInterpolation(_ untrusted: Substring) {
            string += Neutraliser.neutralise(String(untrusted), as: .line)
        }

        package mutating func appendInterpolation(_ safe: SafeText) {
            string += safe.string
        }

        package mutating func appendInterpolation(_ number: some BinaryInteger) {
            string += String(number)
        }

        package mutating func appendInterpolation(_ name: some ValidatedName) {
            string += name.text
        }

        package mutating func appendInterpolation(_ address: IPAddress) {
            string += address.description
        }

        package mutating func appendInterpolation(_ address: SocketAddress) {
            string += address.description
        }

        package mutating func appendInterpolation(_ endpoint: Endpoint) {
            string += endpoint.description
        }

        package mutating func appendInterpolation(_ id: MessageID) {
            string += id.hex
        }
    }
}

extension Sequence<SafeText> {
    package func joined(separator: SafeText = "") -> SafeText {
        var text: SafeText = ""
        for (index, part) in enumerated() {
            if index > 0 { text += separator }
            text += part
        }
        return text
    }
}

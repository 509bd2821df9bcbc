package import Wire

/// The secret of a membership: whoever shows it is that member. 128 bits, on the wire `token_` and 32 hexadecimal
/// digits.
///
/// Two tokens are compared in constant time, and a token as a key of a dictionary is hashed with a seed that no peer
/// knows: how long a look-up takes tells nothing of the tokens that exist. It has no description; a log gets `hint`.
package struct RoomToken: Hashable, Sendable {
    /// Bytes on the wire.
    package static let byteCount = 38
    private static let prefix: StaticString = "token_"

    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// For a token that is handed out, the generator must be the system's.
    package static func random(using generator: inout some RandomNumberGenerator) -> RoomToken {
        RoomToken(high: generator.next(), low: generator.next())
    }

    /// Reads exactly what `text` writes; the digits are of lower case, as every server writes them.
    package init?(_ bytes: ArraySlice<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        let start = bytes.startIndex
        let isPrefixed = Self.prefix.withUTF8Buffer { prefix in
            for index in 0..<prefix.count where bytes[start + index] != prefix[index] { return false }
            return true
        }
        guard isPrefixed else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        for index in 6..<22 {
            guard let digit = Self.digit(bytes[start + index]) else { return nil }
            words.0 = words.0 << 4 | digit
        }
        for index in 22..<38 {
            guard let digit = Self.digit(bytes[start + index]) else { return nil }
            words.1 = words.1 << 4 | digit
        }
        self.init(high: words.0, low: words.1)
    }

    package init?(_ text: String) { self.init(Array(text.utf8)[...]) }

    @inline(__always)
    private static func digit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
        default: nil
        }
    }

    package static func == (left: RoomToken, right: RoomToken) -> Bool {
        (left.high ^ right.high) | (left.low ^ right.low) == 0
    }

    /// The whole secret, as it is sent and kept.
    package var text: String {
        var writer = ByteWriter(reserving: Self.byteCount)
        writer.append(self)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// The first four of its digits, for a log.
    package var hint: SafeText { "\(String(text.prefix(10)))…" }
}

extension ByteWriter {
    /// Appends the 38 bytes of a token.
    package mutating func append(_ token: RoomToken) {
        append("token_")
        append(hexadecimal: token.high)
        append(hexadecimal: token.low)
    }
}

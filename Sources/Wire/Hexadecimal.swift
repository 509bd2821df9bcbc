/// The value of an ASCII hexadecimal digit, of either case.
@inlinable
package func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}

/// The number that exactly 16 hexadecimal digits, of either case, stand for; `nil` for anything else.
package func word(hexadecimal digits: UnsafeBufferPointer<UInt8>) -> UInt64? {
    guard digits.count == 16 else { return nil }
    var word: UInt64 = 0
    for byte in digits {
        guard let digit = hexadecimalDigit(byte) else { return nil }
        word = word << 4 | UInt64(digit)
    }
    return word
}

/// The two numbers that exactly 32 hexadecimal digits, of either case, stand for; `nil` for anything else.
package func words(hexadecimal digits: UnsafeBufferPointer<UInt8>) -> (high: UInt64, low: UInt64)? {
    guard digits.count == 32, let high = word(hexadecimal: UnsafeBufferPointer(rebasing: digits[..<16])),
        let low = word(hexadecimal: UnsafeBufferPointer(rebasing: digits[16...]))
    else { return nil }
    return (high, low)
}

extension ByteWriter {
    /// Appends two lowercase hexadecimal digits.
    @inlinable
    package mutating func append(hexadecimal byte: UInt8) {
        append(lowercaseHexadecimalDigit(byte >> 4))
        append(lowercaseHexadecimalDigit(byte & 15))
    }

    /// Appends sixteen lowercase hexadecimal digits.
    @inlinable
    package mutating func append(hexadecimal value: UInt64) {
        appendUInt64(lowercaseHexadecimalDigits(UInt32(truncatingIfNeeded: value >> 32)))
        appendUInt64(lowercaseHexadecimalDigits(UInt32(truncatingIfNeeded: value)))
    }
}

/// The eight digits of `value`, the first in the highest byte: all of them at once, as ids stand in every message.
@inlinable
func lowercaseHexadecimalDigits(_ value: UInt32) -> UInt64 {
    var digits = UInt64(value)
    digits = (digits | digits << 16) & 0x0000_FFFF_0000_FFFF
    digits = (digits | digits << 8) & 0x00FF_00FF_00FF_00FF
    digits = (digits | digits << 4) & 0x0F0F_0F0F_0F0F_0F0F
    // 1 in each byte that is 10 or more: those are letters, 39 places further than digits.
    let letters = ((digits + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
    return digits + 0x3030_3030_3030_3030 + letters * 39
}

@inlinable
func lowercaseHexadecimalDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}

/// `bytes` as lowercase hexadecimal digits.
package func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    var writer = ByteWriter()
    for byte in bytes { writer.append(hexadecimal: byte) }
    return String(decoding: writer.bytes, as: UTF8.self)
}

/// The bytes that an even number of hexadecimal digits, of either case, stands for; `nil` for anything else.
package func bytes(hexadecimal text: some StringProtocol) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for index in stride(from: 0, to: digits.count, by: 2) {
        guard let high = hexadecimalDigit(digits[index]), let low = hexadecimalDigit(digits[index + 1]) else {
            return nil
        }
        bytes.append(high << 4 | low)
    }
    return bytes
}

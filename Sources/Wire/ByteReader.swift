/// A cursor over received bytes: reads big-endian integers and runs of bytes, front to back.
///
/// Too few bytes is `nil` and leaves the cursor where it was; it is never an error and never a trap.
@usableFromInline
package struct ByteReader: Sendable {
    @usableFromInline
    var unread: ArraySlice<UInt8>

    /// Starts at the first byte of `bytes`. Nothing is copied.
    @inlinable
    package init(_ bytes: ArraySlice<UInt8>) {
        unread = bytes
    }

    /// The number of bytes not read yet.
    @inlinable
    package var remaining: Int { unread.count }

    /// Reads one byte.
    @inlinable
    package mutating func readUInt8() -> UInt8? {
        unread.popFirst()
    }

    /// Reads two bytes as a big-endian integer.
    @inlinable
    package mutating func readUInt16() -> UInt16? {
        readInteger()
    }

    /// Reads four bytes as a big-endian integer.
    @inlinable
    package mutating func readUInt32() -> UInt32? {
        readInteger()
    }

    /// Reads eight bytes as a big-endian integer.
    @inlinable
    package mutating func readUInt64() -> UInt64? {
        readInteger()
    }

    /// Reads exactly `count` bytes; `nil` when there are fewer, or when `count` is negative.
    @inlinable
    package mutating func read(count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, unread.count >= count else { return nil }
        let bytes = unread.prefix(count)
        unread = unread.dropFirst(count)
        return bytes
    }

    /// Reads everything that is left, which may be nothing.
    @inlinable
    package mutating func rest() -> ArraySlice<UInt8> {
        let bytes = unread
        unread = unread.suffix(0)
        return bytes
    }

    @inlinable
    mutating func readInteger<Integer: FixedWidthInteger & UnsignedInteger>() -> Integer? {
        let width = Integer.bitWidth / 8
        guard unread.count >= width else { return nil }
        var value: Integer = 0
        for byte in unread.prefix(width) {
            value = value << 8 | Integer(byte)
        }
        unread = unread.dropFirst(width)
        return value
    }
}

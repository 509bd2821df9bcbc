/// A growing run of bytes to be sent: big-endian integers, text and runs of bytes, appended front to back.
@usableFromInline
package struct ByteWriter: Sendable {
    /// What was written so far.
    @usableFromInline
    package var bytes: [UInt8]

    /// Starts empty, with room for `capacity` bytes before the first reallocation.
    @inlinable
    package init(reserving capacity: Int = 0) {
        bytes = []
        if capacity > 0 { bytes.reserveCapacity(capacity) }
    }

    /// The number of bytes written.
    @inlinable
    package var count: Int { bytes.count }

    @inlinable
    package mutating func append(_ byte: UInt8) {
        bytes.append(byte)
    }

    /// Appends two bytes, big-endian.
    @inlinable
    package mutating func appendUInt16(_ value: UInt16) {
        appendInteger(value)
    }

    /// Appends four bytes, big-endian.
    @inlinable
    package mutating func appendUInt32(_ value: UInt32) {
        appendInteger(value)
    }

    /// Appends eight bytes, big-endian.
    @inlinable
    package mutating func appendUInt64(_ value: UInt64) {
        appendInteger(value)
    }

    // The two kinds of runs that hot paths append, beside the generic form, which is specialised in this module only.

    package mutating func append(contentsOf run: ArraySlice<UInt8>) {
        bytes.append(contentsOf: run)
    }

    package mutating func append(contentsOf run: [UInt8]) {
        bytes.append(contentsOf: run)
    }

    @inlinable
    package mutating func append(contentsOf run: some Sequence<UInt8>) {
        bytes.append(contentsOf: run)
    }

    /// Appends the UTF-8 of `text`, without a length or a terminator.
    @inlinable
    package mutating func append(utf8 text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    /// Appends a literal; it costs no `String`.
    @inlinable
    package mutating func append(_ literal: StaticString) {
        literal.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// Overwrites two bytes written before, big-endian: for a length that is known only afterwards.
    @inlinable
    package mutating func overwriteUInt16(_ value: UInt16, at offset: Int) {
        bytes[offset] = UInt8(truncatingIfNeeded: value >> 8)
        bytes[offset + 1] = UInt8(truncatingIfNeeded: value)
    }

    /// Forgets what was written from `count` on.
    @inlinable
    package mutating func truncate(to count: Int) {
        bytes.removeLast(bytes.count - count)
    }

    /// Forgets everything and keeps the memory.
    @inlinable
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
    }

    @inlinable
    mutating func appendInteger<Integer: FixedWidthInteger & UnsignedInteger>(_ value: Integer) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}

extension ByteWriter {
    /// Appends `value` in decimal.
    package mutating func append(decimal value: Int64) {
        appendPieces(upTo: Self.mostDigits) { $0.put(decimal: value) }
    }

    /// Bytes of the longest integer of 64 bits, its sign included.
    static var mostDigits: Int { 20 }

    /// Appends what `body` puts, at most `capacity` bytes, with one check of the capacity for all of it.
    @inline(__always)
    mutating func appendPieces(upTo capacity: Int, _ body: (inout Pieces) -> Void) {
        bytes.append(addingCapacity: capacity) { span in
            span.withUnsafeMutableBufferPointer { buffer, count in
                var pieces = Pieces(next: buffer.baseAddress! + count, end: buffer.baseAddress! + count + capacity)
                let start = pieces.next
                body(&pieces)
                count += pieces.next - start
            }
        }
    }

    /// A place in memory that is known to have room.
    struct Pieces {
        fileprivate(set) var next: UnsafeMutablePointer<UInt8>
        fileprivate let end: UnsafeMutablePointer<UInt8>

        @inline(__always)
        mutating func put(_ byte: UInt8) {
            precondition(next < end, "More is appended than was asked room for.")
            next.initialize(to: byte)
            next += 1
        }

        mutating func put(decimal value: Int64) {
            if value < 0 { put(UInt8(ascii: "-")) }
            var rest = value.magnitude
            var count = 1
            var shorter = rest / 10
            while shorter > 0 {
                count += 1
                shorter /= 10
            }
            precondition(count <= end - next, "More is appended than was asked room for.")
            for place in stride(from: count - 1, through: 0, by: -1) {
                (next + place).initialize(to: UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
                rest /= 10
            }
            next += count
        }

        /// Sixteen lowercase digits.
        mutating func put(hexadecimal value: UInt64) {
            precondition(end - next >= 16, "More is appended than was asked room for.")
            let high = lowercaseHexadecimalDigits(UInt32(truncatingIfNeeded: value >> 32)).bigEndian
            let low = lowercaseHexadecimalDigits(UInt32(truncatingIfNeeded: value)).bigEndian
            let memory = UnsafeMutableRawPointer(next)
            memory.storeBytes(of: high, as: UInt64.self)
            memory.storeBytes(of: low, toByteOffset: 8, as: UInt64.self)
            next += 16
        }

        @inline(__always)
        mutating func put(_ run: UnsafeBufferPointer<UInt8>) {
            guard let first = run.baseAddress else { return }
            precondition(run.count <= end - next, "More is appended than was asked room for.")
            next.initialize(from: first, count: run.count)
            next += run.count
        }
    }
}

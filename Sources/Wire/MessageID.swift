/// The identity of a message: 16 bytes made by its author's program before the first send. A retry keeps it, and who
/// has seen it shows it no second time.
package struct MessageID: Hashable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    /// Length on the wire, in bytes.
    package static let byteCount = 16

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package static func random(using generator: inout some RandomNumberGenerator) -> MessageID {
        MessageID(high: generator.next(), low: generator.next())
    }

    /// Exactly 32 hexadecimal digits, of either case.
    package init?(hex text: String) {
        var text = text
        guard let words = text.withUTF8({ words(hexadecimal: $0) }) else { return nil }
        self.init(high: words.high, low: words.low)
    }

    /// Exactly 16 bytes, big-endian.
    package init?(bytes: ArraySlice<UInt8>) {
        var reader = ByteReader(bytes)
        guard let high = reader.readUInt64(), let low = reader.readUInt64(), reader.remaining == 0 else { return nil }
        self.init(high: high, low: low)
    }

    /// 32 lowercase hexadecimal digits.
    package var hex: String {
        var writer = ByteWriter(reserving: 32)
        writer.append(hexadecimal: high)
        writer.append(hexadecimal: low)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// 16 bytes, big-endian.
    package var bytes: [UInt8] {
        var writer = ByteWriter(reserving: Self.byteCount)
        writer.append(self)
        return writer.bytes
    }

    package var description: String { hex }
}

extension ByteWriter {
    /// Appends the 16 bytes of `id`.
    package mutating func append(_ id: MessageID) {
        appendUInt64(id.high)
        appendUInt64(id.low)
    }
}

extension ByteReader {
    /// Reads 16 bytes as a message id.
    package mutating func readMessageID() -> MessageID? {
        guard let bytes = read(count: MessageID.byteCount) else { return nil }
        return MessageID(bytes: bytes)
    }
}

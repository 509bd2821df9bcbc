package import Wire

/// The identity of one running program in the mesh: 16 random bytes, new for each start.
///
/// To an original program it is the `sender_id` (a UUID); between our own ends it is written as 32 hex digits. Because
/// it is never reused, (node, sequence) names a message for good, even after a crash.
package struct NodeID: Hashable, Comparable, Sendable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A new identity, shaped as a version 4 UUID (RFC 9562 section 5.4).
    package static func random(using generator: inout some RandomNumberGenerator) -> NodeID {
        let high = generator.next() as UInt64
        let low = generator.next() as UInt64
        return NodeID(
            high: (high & 0xFFFF_FFFF_FFFF_0FFF) | 0x0000_0000_0000_4000,
            low: (low & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000)
    }

    /// 32 hex digits, or `nil` for anything else.
    package init?(hex: String) {
        var hex = hex
        guard let node = hex.withUTF8({ NodeID(hex: $0) }) else { return nil }
        self = node
    }

    /// The same of digits in memory.
    init?(hex digits: UnsafeBufferPointer<UInt8>) {
        guard let words = words(hexadecimal: digits) else { return nil }
        self.init(high: words.high, low: words.low)
    }

    /// Exactly 16 bytes.
    package init?(bytes: ArraySlice<UInt8>) {
        var reader = ByteReader(bytes)
        guard let high = reader.readUInt64(), let low = reader.readUInt64(), reader.remaining == 0 else { return nil }
        self.init(high: high, low: low)
    }

    /// The usual text form of a UUID, in either case.
    package init?(uuid: String) {
        guard uuid.utf8.count == 36 else { return nil }
        var digits = ""
        digits.reserveCapacity(32)
        for (index, character) in uuid.unicodeScalars.enumerated() {
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard character == "-" else { return nil }
            } else {
                digits.unicodeScalars.append(character)
            }
        }
        self.init(hex: digits)
    }

    package var hex: String {
        var writer = ByteWriter(reserving: 32)
        writer.append(hexadecimal: high)
        writer.append(hexadecimal: low)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    package var uuid: String {
        var writer = ByteWriter(reserving: 36)
        writer.append(uuid: self)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// The first `count` hex digits: what tells two people of one name apart.
    package func prefix(_ count: Int) -> String {
        String(hex.prefix(count))
    }

    package static func < (left: NodeID, right: NodeID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension ByteWriter {
    /// Appends the usual text form of a UUID: 8, 4, 4, 4 and 12 hex digits.
    package mutating func append(uuid node: NodeID) {
        let start = count
        append(hexadecimal: node.high)
        append(hexadecimal: node.low)
        // Groups from the last to the first move right by the number of hyphens before them.
        append("    ")
        bytes.withUnsafeMutableBytes { bytes in
            let digits = UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
            func move(_ group: Range<Int>, behind hyphens: Int) {
                let place = group.lowerBound + hyphens
                UnsafeMutableRawBufferPointer(rebasing: digits[place..<(place + group.count)])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: digits[group]))
                digits[place - 1] = UInt8(ascii: "-")
            }
            move(20..<32, behind: 4)
            move(16..<20, behind: 3)
            move(12..<16, behind: 2)
            move(8..<12, behind: 1)
        }
    }
}

/// One connection, as the machines know it; the registry maps it to a socket.
package struct LinkID: Hashable, Comparable, Sendable {
    package let value: Int

    package init(_ value: Int) {
        self.value = value
    }

    package static func < (left: LinkID, right: LinkID) -> Bool { left.value < right.value }
}

/// One instant on both clocks: the monotonic one for every interval, the wall clock for what people read.
package struct Moment: Hashable, Sendable {
    package var monotonic: MonotonicTime
    package var wall: Timestamp

    package init(monotonic: MonotonicTime, wall: Timestamp) {
        self.monotonic = monotonic
        self.wall = wall
    }
}

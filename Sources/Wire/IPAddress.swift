/// An IPv4 or IPv6 address.
///
/// It is kept as 128 bits, IPv4 as its mapped form `::ffff:a.b.c.d` (RFC 4291, section 2.5.5.2): so an address that a
/// dual-stack socket reports as mapped IS the IPv4 address, and there is one value for one host.
package struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// The first 64 bits of the 128.
    package let high: UInt64
    /// The last 64 bits of the 128.
    package let low: UInt64

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The IPv4 address of a number in host byte order: 127.0.0.1 is 0x7F000001.
    package static func v4(_ address: UInt32) -> IPAddress {
        IPAddress(high: 0, low: 0xFFFF_0000_0000 | UInt64(address))
    }

    /// The IPv6 address of two numbers in host byte order: ::1 is 0, 1. A mapped IPv4 address is that IPv4 address.
    package static func v6(high: UInt64, low: UInt64) -> IPAddress {
        IPAddress(high: high, low: low)
    }

    package static let loopbackV4 = v4(0x7F00_0001)
    package static let loopbackV6 = v6(high: 0, low: 1)
    /// All IPv4 interfaces, 0.0.0.0.
    package static let anyV4 = v4(0)
    /// All interfaces, ::.
    package static let anyV6 = v6(high: 0, low: 0)

    package var isV4: Bool { high == 0 && low >> 32 == 0xFFFF }
    package var isV6: Bool { !isV4 }

    /// The number of an IPv4 address in host byte order; `nil` for IPv6.
    package var v4: UInt32? { isV4 ? UInt32(truncatingIfNeeded: low) : nil }

    /// 127.0.0.0/8 or ::1.
    package var isLoopback: Bool {
        isV4 ? low >> 24 & 0xFF == 127 : high == 0 && low == 1
    }

    /// 0.0.0.0 or ::, which mean every interface.
    package var isUnspecified: Bool {
        isV4 ? low & 0xFFFF_FFFF == 0 : high == 0 && low == 0
    }

    /// fe80::/10 or 169.254.0.0/16: good on one link only.
    package var isLinkLocal: Bool {
        isV4 ? low >> 16 & 0xFFFF == 0xA9FE : high >> 54 == 0x3FA
    }

    /// 224.0.0.0/4 or ff00::/8: never the address of one peer.
    package var isMulticast: Bool {
        isV4 ? low >> 28 & 0xF == 0xE : high >> 56 == 0xFF
    }

    /// What counts as one host where hosts are limited: the address itself, and for IPv6 its /64, since whoever has
    /// one address there has all of them.
    package var limitKey: IPAddress {
        isV4 ? self : .v6(high: high, low: 0)
    }

    /// The 16 bytes of it, IPv4 as its mapped form.
    package var mappedBytes: [UInt8] {
        var writer = ByteWriter(reserving: 16)
        writer.appendUInt64(high)
        writer.appendUInt64(low)
        return writer.bytes
    }

    /// Four or 16 bytes, in network order.
    package init?(bytes: ArraySlice<UInt8>) {
        var reader = ByteReader(bytes)
        switch bytes.count {
        case 4: self = .v4(reader.readUInt32()!)
        case 16: self = .v6(high: reader.readUInt64()!, low: reader.readUInt64()!)
        default: return nil
        }
    }

    /// Reads a dotted IPv4 address of four decimal numbers without leading zeros, or an IPv6 address in any of its
    /// forms (RFC 4291, section 2.2), without brackets or scope. Nothing is looked up.
    package init?(parsing text: some StringProtocol) {
        // The longest is a full IPv6 address that ends in an IPv4 address.
        let bytes = Array(text.utf8.prefix(46))
        guard bytes.count <= 45 else { return nil }
        if let address = Self.parseV4(bytes[...]) {
            self = .v4(address)
        } else if let groups = Self.parseV6(bytes[...]) {
            let number = { (range: Range<Int>) in groups[range].reduce(UInt64(0)) { $0 << 16 | UInt64($1) } }
            self = .v6(high: number(0..<4), low: number(4..<8))
        } else {
            return nil
        }
    }

    /// "192.0.2.1", or IPv6 as RFC 5952 writes it: "2001:db8::1".
    package var description: String {
        if let v4 {
            return Self.dotted(v4)
        }
        let groups = (0..<8).map { index in
            UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64(48 - index % 4 * 16))
        }
        let hex = { (range: Range<Int>) in groups[range].map { String($0, radix: 16) }.joined(separator: ":") }
        guard let zeros = Self.longestZeros(groups) else { return hex(0..<8) }
        return hex(0..<zeros.lowerBound) + "::" + hex(zeros.upperBound..<8)
    }

    private static func dotted(_ address: UInt32) -> String {
        "\(address >> 24).\(address >> 16 & 0xFF).\(address >> 8 & 0xFF).\(address & 0xFF)"
    }

    /// The first of the longest runs of two or more zero groups (RFC 5952, section 4.2).
    private static func longestZeros(_ groups: [UInt16]) -> Range<Int>? {
        var longest = 0..<0
        var start = 0
        for index in 0...8 where index == 8 || groups[index] != 0 {
            if index - start > longest.count { longest = start..<index }
            start = index + 1
        }
        return longest.count >= 2 ? longest : nil
    }

    private static func parseV4(_ text: ArraySlice<UInt8>) -> UInt32? {
        var address: UInt32 = 0
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        for part in parts {
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
            var number: UInt32 = 0
            for byte in part {
                guard let digit = decimalDigit(byte) else { return nil }
                number = number * 10 + UInt32(digit)
            }
            guard number <= 255 else { return nil }
            address = address << 8 | number
        }
        return address
    }

    private static func parseV6(_ text: ArraySlice<UInt8>) -> [UInt16]? {
        let colon = UInt8(ascii: ":")
        guard
            let gap = text.indices.dropLast().first(where: { text[$0] == colon && text[$0 + 1] == colon })
        else {
            let groups = parseGroups(text, allowsV4: true)
            return groups?.count == 8 ? groups : nil
        }
        let front = text[..<gap]
        let back = text[(gap + 2)...]
        guard let leading = front.isEmpty ? [] : parseGroups(front, allowsV4: false),
            let trailing = back.isEmpty ? [] : parseGroups(back, allowsV4: true),
            leading.count + trailing.count <= 7
        else { return nil }
        return leading + Array(repeating: 0, count: 8 - leading.count - trailing.count) + trailing
    }

    private static func parseGroups(_ text: ArraySlice<UInt8>, allowsV4: Bool) -> [UInt16]? {
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        var groups: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if allowsV4, index == parts.count - 1, let address = parseV4(part) {
                groups.append(UInt16(address >> 16))
                groups.append(UInt16(address & 0xFFFF))
                continue
            }
            guard (1...4).contains(part.count) else { return nil }
            var group: UInt16 = 0
            for byte in part {
                guard let digit = hexadecimalDigit(byte) else { return nil }
                group = group << 4 | UInt16(digit)
            }
            groups.append(group)
        }
        return groups
    }
}

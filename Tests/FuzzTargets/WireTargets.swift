import Wire

extension FuzzTarget {
    static let wire: [FuzzTarget] = [
        FuzzTarget("frames", seeds: [[0, 3, 1, 2, 3, 0, 0, 0, 1, 9], [0xFF, 0xFF, 1], [0, 0]]) { bytes in
            try expectSameHoweverCut(bytes) { pieces in
                var decoder = FrameDecoder()
                var frames: [[UInt8]] = []
                for piece in pieces {
                    decoder.append(piece)
                    while let frame = decoder.next() { frames.append(Array(frame)) }
                }
                return frames + [[UInt8(truncatingIfNeeded: decoder.pendingCount)]]
            }
            var decoder = FrameDecoder()
            decoder.append(bytes[...])
            var writer = ByteWriter()
            while let frame = decoder.next() { try writer.appendFrame(frame) }
            try expect(writer.bytes[...] == bytes.prefix(writer.bytes.count), "written again it differs")
        },
        FuzzTarget("lines", seeds: ["a\nbc\r\n\n\r\r\nd", String(repeating: "x", count: 40) + "\ny\n"]) { bytes in
            try expectSameHoweverCut(bytes) { pieces in
                var decoder = LineDecoder(limit: 32)
                var lines: [LineDecoder.Line] = []
                for piece in pieces {
                    decoder.append(piece)
                    while let line = decoder.next() {
                        if case .line(let content) = line {
                            lines.append(.line(ArraySlice(Array(content))))
                        } else {
                            lines.append(line)
                        }
                    }
                }
                return lines
            }
        },
        FuzzTarget(
            "json",
            seeds: [
                #"{"a": [1, -2.5e3, true, false, null, "\u00e9\ud83d\ude00\n"], "b": {"c": {}}, "a": ""}"#, "[[[]]]",
                #""\ud800""#, "-0", "1e400", "9223372036854775808", " \t\r\n0 ",
            ]
        ) { bytes in
            var skipped = true
            do {
                try JSONReader.read(bytes[...]) { reader throws(JSONError) in try reader.skipValue() }
            } catch { skipped = false }
            guard let value = try? JSON(parsing: bytes[...]) else {
                return try expect(!skipped, "it can be skipped and not read")
            }
            try expect(skipped, "it can be read and not skipped")
            for style in [JSONWriter.Style.compact, .python] {
                let written = value.encoded(style: style)
                try expect(!written.contains { $0 < 0x20 }, "a control byte was written")
                guard let again = try? JSON(parsing: written[...]) else {
                    throw Violation("what was written cannot be read")
                }
                try expect(again == value, "written and read again it is another value")
            }
        },
        FuzzTarget(
            "safetext",
            seeds: [
                "plain", "\u{1B}]52;c;Zm9v\u{7}", "\u{1B}P$q\"p\u{1B}\\", "\u{9B}31m", "a\u{202E}b\u{2066}c\u{2069}",
                "a\u{8}\u{8}\r\nx", "z\u{335}\u{335}\u{335}\u{335}\u{335}\u{335}\u{335}\u{335}\u{335}\u{335}",
                "👩‍👩‍👧‍👦 👍🏽 🇩🇪 ❤️ 1️⃣", "\u{E0041}\u{E007F}\u{2028}\u{2029}\u{FFFE}", "می‌خواهم हिन्दी क्‍ष",
            ]
        ) { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            let line = SafeText(untrusted: text)
            try expectHarmless(line, keepsLines: false)
            try expectHarmless(SafeText(untrustedBytes: bytes), keepsLines: false)
            try expectHarmless("[\(text)] \(text): x", keepsLines: false)
            let block = SafeText(untrustedBlock: text)
            try expectHarmless(block, keepsLines: true)
            try expectHarmless(SafeText(untrustedBlockBytes: bytes), keepsLines: true)
            try expect(SafeText(untrusted: line.string) == line, "neutralised twice it differs")
            try expect(SafeText(untrustedBlock: block.string) == block, "neutralised twice the block differs")
            if let name = try? Nickname(validating: text) { try expectHarmless("\(name)", keepsLines: false) }
            if let group = try? GroupName(validating: text) { try expectHarmless("\(group)", keepsLines: false) }
            if let subject = try? Subject(validating: text) { try expectHarmless("\(subject)", keepsLines: false) }
        },
        FuzzTarget(
            "endpoint",
            seeds: [
                "127.0.0.1:9001", "[::1]:5", "host.example:1", "[fe80::1%3]:9", "::ffff:1.2.3.4", "1.2.3.4", ":1", "h:",
            ]
        ) { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            if let address = IPAddress(parsing: text) {
                try expect(IPAddress(parsing: address.description) == address, "the address reads otherwise")
            }
            if let endpoint = try? Endpoint(parsing: text, defaultPort: 6_789) {
                try expect(
                    (try? Endpoint(parsing: endpoint.description)) == endpoint, "the endpoint reads otherwise")
            }
            if let endpoint = try? Endpoint(parsing: text, defaultPort: nil) {
                try expect(
                    (try? Endpoint(parsing: endpoint.description)) == endpoint, "the endpoint reads otherwise")
            }
        },
        FuzzTarget(
            "times", seeds: ["2026-11-20T15:23:07.036Z", "2026-11-20T15:23:07.036119", "0000-02-30T24:61:61Z"]
        ) { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            if let time = Timestamp(rfc3339: text) {
                let again = Timestamp(rfc3339: time.rfc3339)
                try expect(again.map { $0.microseconds / 1_000 } == time.microseconds / 1_000, "another time")
            }
            if let time = Timestamp(pythonISO: text, utcOffset: 3_600) {
                try expect(
                    Timestamp(pythonISO: time.pythonISO(utcOffset: 3_600), utcOffset: 3_600) == time, "another time")
            }
            _ = MessageID(hex: text)
        },
    ]

    /// Nothing that a terminal obeys, that turns the direction of what follows, or that begins a line where none may.
    static func expectHarmless(_ text: SafeText, keepsLines: Bool) throws {
        var marks = 0
        for scalar in text.string.unicodeScalars {
            switch scalar.value {
            case 0x0A, 0x09: try expect(keepsLines, "a line break or tab in one line")
            case 0..<0x20, 0x7F...0x9F: throw Violation("the control character \(scalar.value)")
            case 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069:
                throw Violation("the bidi control \(scalar.value)")
            case 0x2028, 0x2029: throw Violation("the separator \(scalar.value)")
            case 0xE0000...0xE007F: throw Violation("the tag \(scalar.value)")
            case 0xFDD0...0xFDEF: throw Violation("the noncharacter \(scalar.value)")
            case let value where value & 0xFFFE == 0xFFFE:
                throw Violation("the noncharacter \(value)")
            default: break
            }
            switch scalar.properties.generalCategory {
            case .nonspacingMark, .enclosingMark, .spacingMark: marks += 1
            default: marks = 0
            }
            try expect(marks <= 8, "\(marks) marks on one letter")
        }
    }
}

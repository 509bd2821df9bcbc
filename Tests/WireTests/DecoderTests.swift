import Testing
import Wire

/// How a stream may arrive. Every split must give the same result.
enum Split: CaseIterable {
    case whole
    case byteByByte
    case inRandomPieces

    func pieces(of stream: [UInt8], using random: inout SplitMix64) -> [ArraySlice<UInt8>] {
        switch self {
        case .whole: return [stream[...]]
        case .byteByByte: return stream.indices.map { stream[$0...$0] }
        case .inRandomPieces:
            var pieces: [ArraySlice<UInt8>] = []
            var rest = stream[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...200, using: &random))
                pieces.append(piece)
                rest = rest.dropFirst(piece.count)
            }
            return pieces
        }
    }
}

@Suite struct FrameDecoderTests {
    @Test(arguments: Split.allCases)
    func splitsMakeNoDifference(split: Split) throws {
        var random = SplitMix64(seed: 7)
        let payloads = [[], [1], Array("hello".utf8), Array(repeating: 9, count: 65_535), [0, 0], []]
        var writer = ByteWriter()
        for payload in payloads { try writer.appendFrame(payload) }
        var decoder = FrameDecoder()
        var frames: [[UInt8]] = []
        for piece in split.pieces(of: writer.bytes, using: &random) {
            decoder.append(piece)
            while let frame = decoder.next() { frames.append(Array(frame)) }
        }
        #expect(frames == payloads)
        #expect(decoder.pendingCount == 0)
    }

    @Test func nothingIsLostWhenChunksQueueUp() throws {
        var writer = ByteWriter()
        for index in 0..<50 { try writer.appendFrame(Array(repeating: UInt8(index), count: index)) }
        var decoder = FrameDecoder()
        for byte in writer.bytes { decoder.append([byte]) }
        for index in 0..<50 { #expect(decoder.next().map(Array.init) == Array(repeating: UInt8(index), count: index)) }
        #expect(decoder.next() == nil)
    }

    @Test func unfinishedFrameIsPending() {
        var decoder = FrameDecoder()
        decoder.append([0, 3, 65])
        #expect(decoder.next() == nil)
        #expect(decoder.pendingCount == 3)
        decoder.append([66, 67])
        #expect(decoder.next() == [65, 66, 67])
    }

    @Test func writerStatesTheLengthBigEndian() throws {
        var writer = ByteWriter()
        try writer.appendFrame(writing: { $0.append(contentsOf: repeatElement(120, count: 282)) })
        #expect(writer.bytes.prefix(3) == [0x01, 0x1A, 120])
        #expect(writer.count == 284)
    }

    @Test func tooLongAPayloadLeavesTheWriterAsItWas() throws {
        var writer = ByteWriter()
        writer.append("before")
        #expect(throws: FrameError.tooLong(by: 3)) {
            try writer.appendFrame(writing: { $0.append(contentsOf: repeatElement(0, count: 65_538)) })
        }
        #expect(throws: FrameError.tooLong(by: 1)) { try writer.appendFrame([UInt8](repeating: 0, count: 65_536)) }
        #expect(writer.bytes == Array("before".utf8))
        #expect(FrameError.tooLong(by: 3).message == "The message is 3 bytes too long for one frame.")
    }

    @Test func mutatedStreamsNeverTrap() throws {
        var random = SplitMix64(seed: 11)
        for _ in 0..<500 {
            var writer = ByteWriter()
            for _ in 0..<4 { try writer.appendFrame([UInt8](repeating: 3, count: .random(in: 0...40, using: &random))) }
            var stream = writer.bytes
            for _ in 0..<3 {
                stream[.random(in: stream.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            var decoder = FrameDecoder()
            var taken = 0
            for piece in Split.inRandomPieces.pieces(of: stream, using: &random) {
                decoder.append(piece)
                while let frame = decoder.next() { taken += frame.count + FrameDecoder.headerLength }
            }
            #expect(taken + decoder.pendingCount == stream.count)
        }
    }
}

@Suite struct LineDecoderTests {
    private func lines(_ text: String, limit: Int = 10, split: Split = .whole) -> [LineDecoder.Line] {
        var random = SplitMix64(seed: 5)
        var decoder = LineDecoder(limit: limit)
        var lines: [LineDecoder.Line] = []
        for piece in split.pieces(of: Array(text.utf8), using: &random) {
            decoder.append(piece)
            while let line = decoder.next() { lines.append(line) }
        }
        return lines
    }

    private func line(_ text: String) -> LineDecoder.Line { .line(ArraySlice(text.utf8)) }

    @Test(arguments: Split.allCases)
    func splitsMakeNoDifference(split: Split) {
        let text = "one\r\n\ntwo\n\r\n0123456789\r\n0123456789A\nlong long long long\nthree\rfour\nrest"
        #expect(
            lines(text, split: split) == [
                line("one"), line(""), line("two"), line(""), line("0123456789"), .tooLong, .tooLong,
                line("three\rfour"),
            ])
    }

    @Test func tooLongIsSaidOnceAndAtOnce() {
        var decoder = LineDecoder(limit: 4)
        decoder.append(ArraySlice("abcd".utf8))
        #expect(decoder.next() == nil)
        decoder.append(ArraySlice("e".utf8))
        #expect(decoder.next() == .tooLong)
        for _ in 0..<100 {
            decoder.append(ArraySlice("more of it".utf8))
            #expect(decoder.next() == nil)
            #expect(decoder.pending.isEmpty)
        }
        decoder.append(ArraySlice("end\nnext\n".utf8))
        #expect(decoder.next() == line("next"))
        #expect(decoder.next() == nil)
    }

    @Test func carriageReturnAtTheLimitMayBelongToTheEnding() {
        #expect(lines("0123456789\r\n", split: .byteByByte) == [line("0123456789")])
        #expect(lines("0123456789\r", split: .byteByByte) == [])
        #expect(lines("0123456789\rx", split: .byteByByte) == [.tooLong])
    }

    @Test func pendingCanBeTakenForALine() {
        var decoder = LineDecoder(limit: 10)
        decoder.append(ArraySlice("a\nhalf".utf8))
        #expect(decoder.next() == line("a"))
        #expect(decoder.next() == nil)
        #expect(decoder.pending == ArraySlice("half".utf8))
        #expect(decoder.takePending() == ArraySlice("half".utf8))
        #expect(decoder.pending.isEmpty)
        decoder.append(ArraySlice("b\n".utf8))
        #expect(decoder.next() == line("b"))
    }

    @Test func randomStreamsMatchTheSimplestSplitter() {
        var random = SplitMix64(seed: 3)
        let alphabet = Array("ab\r\n".utf8)
        for _ in 0..<1_500 {
            let stream = (0..<Int.random(in: 0...60, using: &random)).map { _ in alphabet.randomElement(using: &random)!
            }
            var expected: [LineDecoder.Line] = []
            let parts = stream.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            for (index, part) in parts.enumerated() {
                let isEnded = index < parts.count - 1
                // An unfinished line may yet turn out to end in "\r\n".
                let content = part.last == UInt8(ascii: "\r") ? part.dropLast() : part
                if content.count > 5 {
                    expected.append(.tooLong)
                } else if isEnded {
                    expected.append(.line(content))
                }
            }
            #expect(lines(String(decoding: stream, as: UTF8.self), limit: 5, split: .inRandomPieces) == expected)
        }
    }
}

@Suite struct ByteReaderTests {
    @Test func readsBigEndianAndStopsAtTheEnd() {
        var reader = ByteReader([0xFF, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17][1...])
        #expect(reader.readUInt8() == 1)
        #expect(reader.readUInt16() == 0x0203)
        #expect(reader.readUInt32() == 0x0405_0607)
        #expect(reader.readUInt64() == 0x0809_0A0B_0C0D_0E0F)
        #expect(reader.remaining == 2)
        #expect(reader.readUInt32() == nil)
        #expect(reader.read(count: 3) == nil)
        #expect(reader.read(count: -1) == nil)
        #expect(reader.read(count: 1) == [16])
        #expect(reader.rest() == [17])
        #expect(reader.remaining == 0)
        #expect(reader.readUInt8() == nil)
        #expect(reader.rest() == [])
    }

    @Test func writesWhatItReads() {
        var writer = ByteWriter()
        writer.append(7)
        writer.appendUInt16(0x0102)
        writer.appendUInt32(0x0304_0506)
        writer.appendUInt64(0x0708_090A_0B0C_0D0E)
        writer.append("é")
        writer.append(utf8: "ü")
        #expect(
            writer.bytes == [7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xC3, 0xA9, 0xC3, 0xBC])
        writer.truncate(to: 1)
        #expect(writer.bytes == [7])
        writer.removeAll()
        #expect(writer.count == 0)
    }
}

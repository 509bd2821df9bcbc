import Testing
import Wire

@testable import Bench

@Suite struct MessageTextTests {
    private let mark = MessageText.Mark(sender: 7, sequence: 0x2A, due: MonotonicTime(nanoseconds: 0xD18_C2E2_A6F3))

    private func bytes(_ mark: MessageText.Mark, size: Int) -> [UInt8] {
        var writer = ByteWriter()
        MessageText(size: size).append(mark, to: &writer)
        return writer.bytes
    }

    private func read(_ bytes: [UInt8], size: Int) -> MessageText.Reading {
        bytes.withUnsafeBytes { MessageText(size: size).read($0) }
    }

    @Test func aTextIsItsMarkAndAFillerThatFollowsFromIt() {
        #expect(String(decoding: bytes(mark, size: 34), as: UTF8.self) == "~b00070000002a00000d18c2e2a6f3nopq")
        #expect(bytes(mark, size: 3_000).count == 3_000)
    }

    @Test(arguments: [30, 31, 100, 3_000]) func whatWasSentIsRead(size: Int) {
        for sequence: UInt32 in [0, 1, 25, 26, .max] {
            for sender in [0, 1, 9_999] {
                let mark = MessageText.Mark(sender: sender, sequence: sequence, due: MonotonicTime(nanoseconds: .max))
                let framed = Array("{\"text\":\"".utf8) + bytes(mark, size: size) + Array("\"}\n".utf8)
                #expect(read(framed, size: size) == .whole(mark))
            }
        }
    }

    @Test func everyByteCounts() {
        let whole = bytes(mark, size: 100)
        #expect(read(whole, size: 100) == .whole(mark))
        for place in whole.indices {
            var changed = whole
            changed[place] ^= 0x01
            let reading = read(changed, size: 100)
            // A digit of the mark that became another digit names another message, whose filler is another one, or whose
            // sender or time does not hold; it is never taken for this one.
            #expect(reading != .whole(mark), "byte \(place)")
            if place >= MessageText.length { #expect(reading == .damaged, "byte \(place)") }
        }
        #expect(read(Array(whole.dropLast()), size: 100) == .damaged)
        #expect(read(Array("[GROUP:main] [NOTIFY] User m1 joined the group.".utf8), size: 100) == .none)
        #expect(read([], size: 100) == .none)
    }
}

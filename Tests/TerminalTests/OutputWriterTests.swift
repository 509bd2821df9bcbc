import Glibc
import Platform
import Terminal
import Testing

@Suite("Output that does not wait")
struct OutputWriterTests {
    /// A pipe whose ends both belong to the test.
    private static func pipe() throws -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [-1, -1]
        try systemCall("pipe") { Glibc.pipe(&ends) }
        return (ends[0], ends[1])
    }

    @Test("What a reader has no room for is left, and nothing is lost or turned round")
    func fullPipe() async throws {
        let (reading, writing) = try Self.pipe()
        let thread = try WorkerThread(name: "output")
        let writer = try OutputWriter(output: writing, diagnostics: writing, thread: thread)
        // More than any pipe holds by default (pipe(7), "Pipe capacity").
        let chunks = (0..<40).map { number in
            OutputChunk(
                stream: number.isMultiple(of: 2) ? .output : .diagnostics,
                bytes: [UInt8](repeating: UInt8(number), count: 16_384))
        }
        let rest = writer.writeNow(chunks)
        let left = rest.reduce(0) { $0 + $1.bytes.count }
        #expect(left > 0 && left < 40 * 16_384)
        // Nobody has read: still no room, and still no wait.
        #expect(writer.writeNow(rest) == rest)
        let reader = try Thread(name: "reader") {
            var buffer = [UInt8](repeating: 0, count: 16_384)
            for number in 0..<40 {
                var count = 0
                while count < 16_384 {
                    let room = 16_384 - count
                    let read = buffer.withUnsafeMutableBytes { Glibc.read(reading, $0.baseAddress! + count, room) }
                    guard read > 0 else { break }
                    count += read
                }
                precondition(buffer.allSatisfy { $0 == UInt8(number) }, "the output is not what was written")
            }
        }
        #expect(await writer.write(rest) == .written)
        await Self.join(reader)
        thread.stop()
        close(reading)
        close(writing)
    }

    private static func join(_ thread: Thread) async {
        await withCheckedContinuation { continuation in
            _ = try! Thread(name: "join") {
                thread.join()
                continuation.resume()
            }
        }
    }

    @Test("Nobody reads: that is said by the write that follows")
    func closedPipe() async throws {
        signal(SIGPIPE, SIG_IGN)
        let (reading, writing) = try Self.pipe()
        close(reading)
        let thread = try WorkerThread(name: "output")
        let writer = try OutputWriter(output: writing, diagnostics: writing, thread: thread)
        let chunks = [OutputChunk(stream: .output, bytes: [1, 2, 3])]
        #expect(writer.writeNow(chunks) == chunks)
        #expect(await writer.write(chunks) == .closed)
        thread.stop()
        close(writing)
    }
}

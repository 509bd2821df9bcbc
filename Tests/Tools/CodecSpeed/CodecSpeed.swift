import BoardMode
import Glibc
import P2PMode
import Platform
import Wire

/// What it costs to write and to read one message of 100 bytes, in nanoseconds of CPU time: the best of five rounds.
///
///     swift run -c release codec-speed
@main
struct CodecSpeed {
    private static let iterations = 50_000
    private static let text = String(repeating: "What did he say? ", count: 6).prefix(100)

    static func main() throws {
        let node = NodeID(high: 0xFA32_6213_2B51_40C5, low: 0x84F6_69FC_5C25_3740)
        let time = Timestamp(microseconds: 1_795_188_187_036_119)
        let line = SpokenLine(node: node, sender: "Heisenberg", time: time, content: .text(String(text), 42))
        let message = MeshFrame.message(
            MeshMessage(author: node, sequence: 42, time: time, sender: "Heisenberg", text: String(text)))
        try measure("p2p, to an original", of: { try $0.append(line, in: .json, utcOffset: 0) }) { frame in
            _ = try P2PFrame(decoding: frame.dropFirst(2))
        }
        try measure("p2p, to one of ours", of: { try $0.append(message, at: time, utcOffset: 0) }) { frame in
            _ = try P2PFrame(decoding: frame.dropFirst(2))
        }
        let post = Array(
            #"{"op":"post","group":"main","subject":"load","text":"\#(text)"}"#.utf8)
        try measure("board, a post", of: { $0.append(contentsOf: post) }) { line in
            _ = BoardJSONRequest(parsing: line)
        }
    }

    private static func cpuTime() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static func measure(
        _ name: SafeText, of write: (inout ByteWriter) throws -> Void, read: (ArraySlice<UInt8>) throws -> Void
    ) throws {
        var writer = ByteWriter()
        try write(&writer)
        let bytes = writer.bytes[...]
        var out = Int64.max
        var back = Int64.max
        for _ in 0..<5 {
            var start = cpuTime()
            for _ in 0..<iterations {
                writer.removeAll()
                try write(&writer)
            }
            out = min(out, (cpuTime() - start) / Int64(iterations))
            start = cpuTime()
            for _ in 0..<iterations { try read(bytes) }
            back = min(back, (cpuTime() - start) / Int64(iterations))
        }
        try StandardStream.output.write("\(name): \(bytes.count) bytes, \(out) ns out, \(back) ns in\n")
    }
}

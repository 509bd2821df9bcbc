import CLinux
import Glibc
import Platform
import TestSupport
import Testing

@testable import Terminal

/// A loop that says what a test wants it to say.
///
/// `@unchecked Sendable`: one task of the test uses it.
private final class PretendedLoop: InputWatcher, @unchecked Sendable {
    /// What to do before each answer; nil answers that nothing is watched any more.
    var answers: [(() -> Void)?]
    private(set) var isWatching = false

    init(_ answers: [(() -> Void)?]) { self.answers = answers }

    func watchInput(_ descriptor: Int32) -> Bool {
        isWatching = true
        return true
    }

    func inputIsReady() async -> Bool {
        guard let next = answers.removeFirst() else { return false }
        next()
        return true
    }

    func unwatchInput() { isWatching = false }
}

struct WatchedInputTests {
    private func makePipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        try systemCall("pipe2") { pipe2(&ends, O_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private func put(_ text: String, into descriptor: Int32) {
        let bytes = Array(text.utf8)
        precondition(write(descriptor, bytes, bytes.count) == bytes.count)
    }

    /// Somebody else who has the same pipe took what the loop had seen: the read does not wait for more, it asks again.
    @Test func anEmptyPipeKeepsNobodyWaiting() async throws {
        let pipe = try makePipe()
        let loop = PretendedLoop([{}, {}, { put("late", into: pipe.write) }, { close(pipe.write) }, nil])
        let input = try #require(WatchedInput(descriptor: pipe.read, watcher: loop))
        #expect(await input.read() == .bytes(Array("late".utf8)))
        #expect(loop.answers.count == 2)
        #expect(fcntl(pipe.read, F_GETFL) & O_NONBLOCK == 0, "others have this pipe, too")
        #expect(await input.read() == .end)
        #expect(await input.read() == .interrupted)
        input.interrupt()
        #expect(!loop.isWatching)
        close(pipe.read)
    }

    /// A chunk at a time, however much there is.
    @Test func aChunkIsBounded() async throws {
        let pipe = try makePipe()
        let setPipeSize: Int32 = 1031  // F_SETPIPE_SZ
        #expect(fcntl(pipe.read, setPipeSize, 1 << 20) >= 200_000)
        put(String(repeating: "x", count: 200_000), into: pipe.write)
        let loop = PretendedLoop(Array(repeating: {}, count: 4))
        let input = try #require(WatchedInput(descriptor: pipe.read, watcher: loop))
        var sizes: [Int] = []
        for _ in 0..<4 {
            guard case .bytes(let bytes) = await input.read() else { break }
            sizes.append(bytes.count)
        }
        #expect(sizes == [65_536, 65_536, 65_536, 200_000 - 3 * 65_536])
        close(pipe.read)
        close(pipe.write)
    }

    /// A socket is read so, too, and one that another process has made nonblocking.
    @Test func sockets() async throws {
        var pair: [Int32] = [0, 0]
        try systemCall("socketpair") { socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) }
        let (own, other) = (pair[0], pair[1])
        let loop = PretendedLoop([{}, { put("hello", into: other) }, { shutdown(other, Int32(SHUT_WR)) }])
        let input = try #require(WatchedInput(descriptor: own, watcher: loop))
        #expect(await input.read() == .bytes(Array("hello".utf8)))
        #expect(await input.read() == .end)
        close(own)
        close(other)
    }
}

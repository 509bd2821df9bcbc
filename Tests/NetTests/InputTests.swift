import CLinux
import Glibc
import Platform
import TestSupport
import Testing
import Wire

@testable import Net

/// A pipe whose end is waited for on the loop.
@Suite struct InputTests {
    /// Both ends of a pipe, closed with it.
    private final class Pipe: Sendable {
        let read: Int32
        let write: Int32

        init() throws {
            var ends: [Int32] = [0, 0]
            try systemCall("pipe2") { pipe2(&ends, O_CLOEXEC) }
            (read, write) = (ends[0], ends[1])
        }

        deinit {
            close(read)
            close(write)
        }

        func put(_ text: String) {
            let bytes = Array(text.utf8)
            precondition(Glibc.write(write, bytes, bytes.count) == bytes.count)
        }

        func take() -> String {
            var bytes = [UInt8](repeating: 0, count: 100)
            let count = Glibc.read(read, &bytes, bytes.count)
            return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
        }
    }

    @Test func pipesAndSocketsCanBeWatchedAndNothingElse() async throws {
        try await HubProbe.with { probe in
            let pipe = try Pipe()
            var pair: [Int32] = [0, 0]
            try systemCall("socketpair") { socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) }
            let folder = TemporaryFolder()
            try PrivateFile.writeAtomically([1, 2, 3], to: folder.path(of: "file"))
            let file = open(folder.path(of: "file"), O_RDONLY | O_CLOEXEC)
            let nowhere = open("/dev/null", O_RDONLY | O_CLOEXEC)
            let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
            defer { for descriptor in pair + [file, nowhere, terminal] { close(descriptor) } }
            let socket = pair[0]
            let answers = await probe.perform { hub in
                [-1, file, nowhere, terminal, pipe.read, socket].map { descriptor in
                    defer { hub.unwatchInput() }
                    return hub.watchInput(descriptor)
                }
            }
            #expect(answers == [false, false, false, false, true, true])
            // One at a time.
            let second = await probe.perform { hub in
                defer { hub.unwatchInput() }
                return hub.watchInput(pipe.read) && hub.watchInput(socket)
            }
            #expect(!second)
            #expect(fcntl(pipe.read, F_GETFD) >= 0, "it was closed, which was not the hub's to do")
        }
    }

    @Test func whatComesAndTheEndAreTold() async throws {
        try await HubProbe.with { probe in
            let pipe = try Pipe()
            #expect(await probe.perform { $0.watchInput(pipe.read) })
            for text in ["one", "two"] {
                async let ready = probe.inputIsReady()
                pipe.put(text)
                #expect(await ready)
                #expect(pipe.take() == text)
            }
            let end = dup(pipe.read)
            defer { close(end) }
            async let ready = probe.inputIsReady()
            // The flags are those of everybody who has the pipe.
            #expect(fcntl(pipe.read, F_GETFL) & O_NONBLOCK == 0)
            pipe.put("x")
            #expect(await ready)
        }
    }

    @Test func theEndOfAPipeIsReadiness() async throws {
        var ends: [Int32] = [0, 0]
        try systemCall("pipe2") { pipe2(&ends, O_CLOEXEC) }
        let (reading, writing) = (ends[0], ends[1])
        try await HubProbe.with { probe in
            #expect(await probe.perform { $0.watchInput(reading) })
            async let ready = probe.inputIsReady()
            close(writing)
            #expect(await ready)
        }
        close(reading)
    }

    /// Nobody asks for more: the loop sleeps although there is something to read, and at its end too.
    @Test func whatNobodyAsksForWakesNobody() async throws {
        try await HubProbe.with { probe in
            let pipe = try Pipe()
            #expect(await probe.perform { $0.watchInput(pipe.read) })
            async let ready = probe.inputIsReady()
            pipe.put("much")
            #expect(await ready)
            let port = try await probe.listen()
            let before = await probe.perform { $0.wakeups }
            for _ in 0..<20 {
                let peer = try await RawPeer.connect(to: port)
                let id = try #require(await probe.accepted())
                await probe.perform { $0.reset(id) }
                await peer.close()
            }
            // A connection, and what the test posts to the loop: a few each. Spinning would be thousands.
            #expect(await probe.perform { $0.wakeups } - before < 200)
            #expect(pipe.take() == "much")
        }
    }

    @Test func unwatchingAndShuttingDownEndTheWait() async throws {
        let pipe = try Pipe()
        try await HubProbe.with { probe in
            #expect(await probe.perform { $0.watchInput(pipe.read) })
            async let ready = probe.inputIsReady()
            await probe.untilInputIsAwaited()
            await probe.perform { $0.unwatchInput() }
            #expect(await !ready)
            #expect(await !probe.inputIsReady(), "nothing is watched")
            #expect(await probe.perform { $0.watchInput(pipe.read) })
            async let last = probe.inputIsReady()
            await probe.untilInputIsAwaited()
            await probe.shutdown()
            #expect(await !last)
        }
        pipe.put("still open")
        #expect(pipe.take() == "still open")
    }
}

extension HubProbe {
    fileprivate func inputIsReady() async -> Bool { await loop.hub.inputIsReady() }

    /// The wait begins in another task: gives way to it.
    fileprivate func untilInputIsAwaited() async {
        while loop.hub.inputWaits == nil { await Task.yield() }
    }
}

import Glibc
import Platform
import TestSupport
import Testing
import Wire

@testable import Net

@Suite struct StreamTests {
    private let loopback = IPAddress.v4(0x7f00_0001)

    @Test func bytesComeAndGo() async throws {
        try await HubProbe.with { probe in
            let peer = try await RawPeer.connect(to: try await probe.listen())
            let id = try #require(await probe.accepted())
            try await peer.send("hello")
            #expect(await probe.bytes(of: id, count: 5) == Array("hello".utf8))
            await probe.perform { $0.send(Array("world".utf8), to: id) }
            #expect(try await peer.receive(5) == Array("world".utf8))
            await peer.close()
            #expect(await probe.next { if case .inputEnded(id) = $0 { true } else { nil } } == true)
            await probe.perform { $0.close(id) }
            #expect(await probe.closed(id) == .local)
        }
    }

    /// What a turn sends to one socket leaves in the order in which it was sent, whatever others were sent between.
    @Test func oneEncodeReachesAllInOrder() async throws {
        try await HubProbe.with { probe in
            let port = try await probe.listen()
            var peers: [RawPeer] = []
            var ids: [SocketID] = []
            for _ in 0..<10 {
                peers.append(try await RawPeer.connect(to: port))
                ids.append(try #require(await probe.accepted()))
            }
            let all = ids
            await probe.perform { hub in
                let first = hub.encode { $0.append(utf8Of: "first ") }
                let own = hub.encode { $0.append(utf8Of: "own ") }
                let last = hub.encode { $0.append(utf8Of: "last.") }
                hub.send(first, to: all, except: all[3])
                hub.send(own, to: all[3])
                hub.send(last, to: all, except: nil)
                hub.send(first, to: all[4])
                hub.send(last, to: all[4])
            }
            for (index, peer) in peers.enumerated() {
                let expected =
                    switch index {
                    case 3: "own last."
                    case 4: "first last.first last."
                    default: "first last."
                    }
                #expect(String(decoding: try await peer.receive(expected.utf8.count), as: UTF8.self) == expected)
            }
        }
    }

    /// A peer that reads slowly gets everything, in order, as long as its outbox stays within the limit.
    @Test func aSlowReaderGetsEverything() async throws {
        try await HubProbe.with { probe in
            await probe.perform {
                $0.limits.outbox = 64 << 20
                $0.limits.noProgress = .seconds(3_600)
            }
            let peer = try await RawPeer.connect(to: try await probe.listen(), receiveBuffer: 4_096)
            let id = try #require(await probe.accepted())
            let size = 1 << 20
            for round in 0..<16 {
                await probe.perform { hub in
                    hub.send(
                        hub.encode { $0.append(contentsOf: [UInt8](repeating: UInt8(round), count: size)) }, to: id)
                }
            }
            #expect(await probe.perform { $0.outboxCount(id) } > 0, "the kernel took it all: the test proves nothing")
            await probe.perform { $0.notifyWhenDrained(id, below: 0) }
            for round in 0..<16 {
                let bytes = try await peer.receive(size)
                #expect(bytes.allSatisfy { $0 == UInt8(round) })
            }
            #expect(await probe.next { if case .drained(id) = $0 { true } else { nil } } == true)
        }
    }

    @Test func anOverfullOutboxDisconnects() async throws {
        try await HubProbe.with { probe in
            await probe.perform { $0.limits.outbox = 100_000 }
            let port = try await probe.listen()
            let slow = try await RawPeer.connect(to: port, receiveBuffer: 4_096)
            let slowID = try #require(await probe.accepted())
            let other = try await RawPeer.connect(to: port)
            let otherID = try #require(await probe.accepted())
            await probe.perform { hub in
                hub.send([UInt8](repeating: 1, count: 32 << 20), to: slowID)
                hub.send(Array("still here".utf8), to: otherID)
            }
            #expect(await probe.closed(slowID) == .slowConsumer)
            #expect(try await other.receive(10) == Array("still here".utf8), "its neighbour is not disturbed")
            await slow.close()
        }
    }

    /// Nothing has left for too long, although little waits.
    @Test func aPeerThatTakesNothingIsDisconnected() async throws {
        try await HubProbe.with { probe in
            await probe.perform {
                $0.limits.outbox = 64 << 20
                $0.limits.noProgress = .milliseconds(50)
            }
            let peer = try await RawPeer.connect(to: try await probe.listen(), receiveBuffer: 4_096)
            let id = try #require(await probe.accepted())
            await probe.perform { $0.send([UInt8](repeating: 1, count: 16 << 20), to: id) }
            #expect(await probe.closed(id) == .slowConsumer)
            await peer.close()
        }
    }

    @Test func aPeerThatHasGoneBeforeItIsServed() async throws {
        try await HubProbe.with { probe in
            let port = try await probe.listen()
            for _ in 0..<50 {
                let peer = try await RawPeer.connect(to: port)
                await peer.reset()
            }
            for _ in 0..<50 {
                let id = try #require(await probe.accepted())
                await probe.perform { $0.send(Array("hello?".utf8), to: id) }
                #expect(await probe.closed(id) != nil)
            }
        }
    }

    /// Who ends its side is answered before it is closed.
    @Test func halfClose() async throws {
        try await HubProbe.with { probe in
            let peer = try await RawPeer.connect(to: try await probe.listen())
            let id = try #require(await probe.accepted())
            try await peer.send("question")
            await peer.endOutput()
            #expect(await probe.bytes(of: id, count: 8) == Array("question".utf8))
            _ = await probe.next { if case .inputEnded(id) = $0 { true } else { nil } }
            await probe.perform {
                $0.send(Array("answer".utf8), to: id)
                $0.close(id)
            }
            #expect(String(decoding: try await peer.receiveToEnd(), as: UTF8.self) == "answer")
            #expect(await probe.closed(id) == .local)
        }
    }

    /// The last words arrive although the peer was talking when it was closed: no reset overtakes them.
    @Test func goodbyeReachesAPeerThatIsTalking() async throws {
        try await HubProbe.with { probe in
            let peer = try await RawPeer.connect(to: try await probe.listen())
            let id = try #require(await probe.accepted())
            await probe.perform { $0.pause(id) }
            try await peer.send([UInt8](repeating: 7, count: 100_000))
            await probe.perform {
                $0.send(Array("goodbye".utf8), to: id)
                $0.close(id)
            }
            #expect(String(decoding: try await peer.receiveToEnd(), as: UTF8.self) == "goodbye")
            await peer.close()
            #expect(await probe.closed(id) == .local)
        }
    }

    /// An id that has gone is never mistaken for the socket that got its slot and its descriptor.
    @Test func recycledDescriptors() async throws {
        try await HubProbe.with { probe in
            let port = try await probe.listen()
            let first = try await RawPeer.connect(to: port)
            let old = try #require(await probe.accepted())
            await probe.perform { $0.reset(old) }
            #expect(await probe.closed(old) == .local)
            let second = try await RawPeer.connect(to: port)
            let new = try #require(await probe.accepted())
            #expect(new.slot == old.slot && new != old)
            await probe.perform { hub in
                hub.send(Array("for the dead".utf8), to: old)
                hub.send(hub.encode { $0.append(contentsOf: Array("for the dead".utf8)) }, to: [old], except: nil)
                hub.pause(old)
                hub.close(old)
                hub.notifyWhenDrained(old, below: 0)
                hub.send(Array("for the living".utf8), to: new)
            }
            #expect(String(decoding: try await second.receive(14), as: UTF8.self) == "for the living")
            await first.close()
        }
    }

    /// A consumer that is late reads nothing, waits without spinning, and loses nothing.
    @Test func aLateConsumerSlowsItsPeersDown() async throws {
        let loop = try EventLoop.start(name: "late")
        let late = LateConsumer(loop)
        let port = try await late.listen()
        let total = 8 << 20
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask(executorPreference: loop.tasks) { await late.consume(until: total) }
            let peer = try await RawPeer.connect(to: port)
            try await peer.send([UInt8](repeating: 42, count: total))
            await peer.endOutput()
            try await group.waitForAll()
            await peer.close()
        }
        #expect(await late.count == total)
        #expect(await late.largestTurn <= Hub.Limits.readPerTurn + Hub.Limits.readPerSocket)
        await late.end()
        loop.stop()
    }

    private actor LateConsumer {
        private let loop: EventLoop
        var count = 0
        var largestTurn = 0
        nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

        init(_ loop: EventLoop) { self.loop = loop }

        func listen() throws -> UInt16 {
            try loop.hub.listen(on: SocketAddress(ip: .v4(0x7f00_0001), port: 0)).address.port
        }

        func consume(until total: Int) async {
            for await turn in loop.hub.turns {
                let size = turn.reduce(0) { sum, event in
                    if case .received(_, let bytes) = event { sum + bytes.count } else { sum }
                }
                largestTurn = max(largestTurn, size)
                count += size
                // Gives the thread away many times before it asks for the next turn.
                for _ in 0..<20 { await Task.yield() }
                if count >= total { return }
            }
        }

        func end() { loop.hub.shutdown(grace: .zero) }
    }

    @Test func pausedStreamsAreNotRead() async throws {
        try await HubProbe.with { probe in
            let port = try await probe.listen()
            let peer = try await RawPeer.connect(to: port)
            let id = try #require(await probe.accepted())
            await probe.perform { $0.pause(id) }
            try await peer.send("paused")
            // A second connection that is accepted afterwards proves that turns have passed.
            let other = try await RawPeer.connect(to: port)
            let otherID = try #require(await probe.accepted())
            try await other.send("x")
            _ = await probe.bytes(of: otherID, count: 1)
            #expect(await !probe.unseen.contains { if case .received(id, _) = $0 { true } else { false } })
            await probe.perform { $0.resume(id) }
            #expect(await probe.bytes(of: id, count: 6) == Array("paused".utf8))
            await other.close()
            await peer.close()
        }
    }

    @Test func dialling() async throws {
        try await HubProbe.with { server in
            let port = try await server.listen()
            try await HubProbe.with { client in
                await client.perform {
                    $0.dial(try! Endpoint(validating: "127.0.0.1", port: port), token: 1, timeout: .seconds(30))
                    $0.dial(try! Endpoint(validating: "localhost", port: port), token: 2, timeout: .seconds(30))
                }
                for token in [1, 2] {
                    let id = await client.next { event -> SocketID? in
                        if case .connected(let id, token, _) = event { id } else { nil }
                    }
                    let connection = try #require(id)
                    let accepted = try #require(await server.accepted())
                    await client.perform { $0.send(Array("dialled".utf8), to: connection) }
                    _ = accepted
                }
            }
        }
    }

    @Test func dialsThatFail() async throws {
        try await HubProbe.with { probe in
            let port = try await probe.listen()
            // A port that was free a moment ago and that nobody listens on.
            let free = try await probe.perform { hub -> UInt16 in
                let (id, address) = try hub.listen(on: SocketAddress(ip: .v4(0x7f00_0001), port: 0))
                hub.close(id)
                return address.port
            }
            await probe.perform {
                $0.dial(try! Endpoint(validating: "127.0.0.1", port: free), token: 1, timeout: .seconds(30))
                $0.dial(try! Endpoint(validating: "no-such-host.invalid", port: port), token: 2, timeout: .seconds(30))
                $0.dial(try! Endpoint(validating: "no-such-host.invalid", port: port), token: 3, timeout: .zero)
                $0.dial(try! Endpoint(validating: "127.0.0.1", port: port), token: 4, timeout: .seconds(30))
                $0.cancelDial(token: 4)
            }
            func failure(_ token: Int) async -> DialError? {
                await probe.next { if case .dialFailed(token, let error) = $0 { error } else { nil } }
            }
            #expect(await failure(1) == .failed(SystemError(call: "connect", code: ECONNREFUSED)))
            let unresolved = try #require(await failure(2))
            if case .unresolved = unresolved {} else { Issue.record("answered \(unresolved)") }
            #expect(await failure(3) != nil)
            #expect(await !probe.unseen.contains { if case .connected(_, 4, _) = $0 { true } else { false } })
        }
    }

    @Test func shutdownFlushesEverybodyAndEndsTheTurns() async throws {
        let probe = try HubProbe()
        let port = try await probe.listen()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask(executorPreference: probe.loop.tasks) { await probe.consume() }
            var peers: [RawPeer] = []
            var ids: [SocketID] = []
            for _ in 0..<5 {
                peers.append(try await RawPeer.connect(to: port))
                ids.append(try #require(await probe.accepted()))
            }
            let all = ids
            await probe.perform { hub in
                hub.send(
                    hub.encode { $0.append(contentsOf: [UInt8](repeating: 9, count: 200_000)) }, to: all, except: nil)
                hub.shutdown(grace: .seconds(30))
            }
            for peer in peers {
                #expect(try await peer.receiveToEnd().count == 200_000)
                await peer.close()
            }
            try await group.waitForAll()
        }
        probe.loop.stop()
        await #expect(throws: (any Error).self) { try await RawPeer.connect(to: port) }
    }
}

extension ByteWriter {
    fileprivate mutating func append(utf8Of text: String) { append(contentsOf: Array(text.utf8)) }
}

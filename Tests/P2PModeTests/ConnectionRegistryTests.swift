import Delivery
import Net
import P2PMode
import Platform
import Store
import TestSupport
import Testing
import Wire

/// What the registry does with the network, against an outbound that records.
@Suite struct ConnectionRegistryTests {
    /// Remembers what it is told.
    ///
    /// `@unchecked Sendable`: used by the registry on its own thread, and by the test only between calls that it awaits.
    private final class View: MeshView, @unchecked Sendable {
        var news: [MeshNews] = []
        var isCongested = false
        var isDone = false
        func tell(_ news: MeshNews) { self.news.append(news) }
        func signalled(_ signal: Signal) {}
        var acceptErrors = 0
        func cannotAccept(_ error: SystemError) { acceptErrors += 1 }
        func elapsed() {}
        func know(_ names: [SafeText]) { self.names = names.map(\.string) }
        func storageFailed(_ error: StoreError?) { storeErrors.append(error) }
        var names: [String] = []
        var storeErrors: [StoreError?] = []

        var texts: [String] {
            news.compactMap { if case .message(let message) = $0 { message.text } else { nil } }
        }
    }

    private struct Setup {
        let thread: WorkerThread
        let outbound: RecordingOutbound
        let view: View
        let registry: ConnectionRegistry
    }

    private func setUp(isRateLimited: Bool = true) throws -> Setup {
        let thread = try WorkerThread(name: "registry")
        let outbound = RecordingOutbound()
        let view = View()
        let registry = ConnectionRegistry(
            executor: thread, outbound: outbound,
            configuration: .init(name: "Me", port: 9_001, isRateLimited: isRateLimited), seed: 1, view: view)
        return Setup(thread: thread, outbound: outbound, view: view, registry: registry)
    }

    private func peer(_ number: Int) -> SocketAddress {
        SocketAddress(ip: .v4(0x0A00_0000 + UInt32(number)), port: 40_000)
    }

    private func hello(_ number: Int) -> ArraySlice<UInt8> {
        var writer = ByteWriter()
        let hello = MeshHello(node: NodeID(high: 7, low: UInt64(number)), name: "m\(number)", port: 0)
        try! writer.append(.hello(hello), at: Timestamp(microseconds: 0), utcOffset: 0)
        return writer.bytes[...]
    }

    private func lines(_ texts: [String], sender: String = "Walter") -> ArraySlice<UInt8> {
        var writer = ByteWriter()
        for (number, text) in texts.enumerated() {
            let line = SpokenLine(
                node: NodeID(high: 8, low: 8), sender: sender, time: Timestamp(microseconds: Int64(number + 1)),
                content: .text(text, nil))
            try! writer.append(line, in: .json, utcOffset: 0)
        }
        return writer.bytes[...]
    }

    /// Strangers who come and go a thousand times are not a thousand members: most are refused without a word, and that is
    /// said now and then. Others get in.
    @Test func whoComesTooOftenIsRefused() async throws {
        let setup = try setUp()
        defer { setup.thread.retire() }
        let listener = setup.outbound.makeSocket()
        func arrive(_ from: SocketAddress) async -> Bool {
            let id = setup.outbound.makeSocket()
            await setup.registry.handle([.accepted(id, listener: listener, peer: from)])
            defer { _ = setup.outbound.takeSent() }
            let isRefused = setup.outbound.takeSent().contains(.reset(id))
            await setup.registry.handle([.closed(id, .remote)])
            return !isRefused
        }
        let stranger = SocketAddress(ip: .loopbackV4, port: 40_000)
        var taken = 0
        for _ in 0..<1_000 where await arrive(stranger) { taken += 1 }
        #expect(taken == ArrivalRules.rate.burst)
        #expect(await arrive(peer(7)))
        func told() -> [Int] {
            setup.view.news.compactMap { if case .notice(.tooManyArrivals(let count)) = $0 { count } else { nil } }
        }
        #expect(told() == [1])
        setup.outbound.now += ArrivalRules.reportInterval
        for _ in 0..<(ArrivalRules.rate.burst + 1) { _ = await arrive(stranger) }
        #expect(told() == [1, 900])
    }

    /// The hub tries ten times a second; that it fails is said now and then.
    @Test func thatNobodyCanBeAcceptedIsSaidNowAndThen() async throws {
        let setup = try setUp()
        defer { setup.thread.retire() }
        let listener = setup.outbound.makeSocket()
        let failure = NetEvent.acceptFailed(listener: listener, SystemError(call: "accept4", code: 24))
        for _ in 0..<100 { await setup.registry.handle([failure]) }
        #expect(setup.view.acceptErrors == 1)
        setup.outbound.now += ArrivalRules.reportInterval
        for _ in 0..<100 { await setup.registry.handle([failure]) }
        #expect(setup.view.acceptErrors == 2)
    }

    /// One typed message to a hundred members is encoded once; originals cost one more encode per dialect.
    @Test func oneEncodeForAHundredPeers() async throws {
        let setup = try setUp()
        var turn: [NetEvent] = []
        let sockets = (1...102).map { _ in setup.outbound.makeSocket() }
        let listener = setup.outbound.makeSocket()
        for (index, socket) in sockets.enumerated() {
            turn.append(.accepted(socket, listener: listener, peer: peer(index + 1)))
            turn.append(.received(socket, index < 100 ? hello(index + 1) : lines(["x"], sender: "W\(index)")))
        }
        await setup.registry.handle(turn)
        _ = setup.outbound.takeSent()
        let before = setup.outbound.encodes
        try await setup.registry.say("Hello")
        #expect(setup.outbound.encodes - before == 2)
        let sent = setup.outbound.takeSent().compactMap { sent -> (SocketID, [UInt8])? in
            if case .stream(let id, let bytes) = sent { (id, bytes) } else { nil }
        }
        #expect(Set(sent.map(\.0)) == Set(sockets))
        #expect(Set(sent.map(\.1)).count == 2)
        setup.thread.retire()
    }

    /// The frames of one chunk wait while their sender is slowed down; none is lost.
    @Test func aFloodIsSlowedDown() async throws {
        let setup = try setUp()
        let socket = setup.outbound.makeSocket()
        let texts = (0..<40).map { "line \($0)" }
        await setup.registry.handle([
            .accepted(socket, listener: setup.outbound.makeSocket(), peer: peer(1)), .received(socket, lines(texts)),
        ])
        #expect(setup.view.texts.count < 25)
        #expect(setup.outbound.takeSent().contains(.paused(socket)))
        let end = setup.outbound.now + .seconds(60)
        while setup.view.texts.count < 40, let timer = setup.outbound.nextTimer(before: end) {
            await setup.registry.handle([.timer(timer)])
        }
        #expect(setup.view.texts == texts)
        #expect(setup.outbound.takeSent().contains(.resumed(socket)))
        setup.thread.retire()
    }

    @Test func tooManyConnectionsAreRefusedWithWords() async throws {
        let setup = try setUp()
        var turn: [NetEvent] = []
        let sockets = (0..<17).map { _ in setup.outbound.makeSocket() }
        for socket in sockets {
            turn.append(.accepted(socket, listener: sockets[0], peer: peer(1)))
        }
        await setup.registry.handle(turn)
        let sent = setup.outbound.takeSent()
        #expect(sent.last == .closed(sockets[16]))
        guard case .stream(sockets[16], let bytes)? = sent.dropLast().last else { return #expect(Bool(false)) }
        guard case .chat(let line) = try P2PFrame(decoding: bytes[2...]) else { return #expect(Bool(false)) }
        #expect(line.text == "There are too many connections from your address; close one and try again.")
        // One goes: there is room again.
        await setup.registry.handle([
            .closed(sockets[3], .remote), .accepted(setup.outbound.makeSocket(), listener: sockets[0], peer: peer(1)),
        ])
        #expect(!setup.outbound.takeSent().contains { if case .closed = $0 { true } else { false } })
        setup.thread.retire()
    }

    @Test(arguments: [[0, 0], [0, 1, 0xFF]]) func brokenFramesEndTheirConnectionOnly(bytes: [UInt8]) async throws {
        let setup = try setUp()
        let (one, other) = (setup.outbound.makeSocket(), setup.outbound.makeSocket())
        await setup.registry.handle([
            .accepted(one, listener: other, peer: peer(1)), .accepted(other, listener: other, peer: peer(2)),
            .received(one, bytes[...]), .received(one, lines(["not heard"])), .received(other, lines(["heard"])),
        ])
        #expect(setup.view.texts == ["heard"])
        #expect(setup.outbound.takeSent().filter { $0 == .closed(one) }.count == 1)
        setup.thread.retire()
    }

    @Test func quittingTwiceIsQuittingOnce() async throws {
        let setup = try setUp()
        let socket = setup.outbound.makeSocket()
        await setup.registry.handle([.accepted(socket, listener: socket, peer: peer(1)), .received(socket, hello(1))])
        _ = setup.outbound.takeSent()
        await setup.registry.handle([.signal(.interrupt), .signal(.terminate)])
        await setup.registry.quit()
        let sent = setup.outbound.takeSent()
        #expect(sent.filter { $0 == .shutdown }.count == 1)
        #expect(sent.filter { $0 == .closed(socket) }.count == 1)
        setup.thread.retire()
    }

    @Test func nobodyIsReadWhileNobodyReads() async throws {
        let setup = try setUp()
        let socket = setup.outbound.makeSocket()
        setup.view.isCongested = true
        await setup.registry.handle([.accepted(socket, listener: socket, peer: peer(1))])
        #expect(setup.outbound.takeSent().contains(.paused(socket)))
        setup.view.isCongested = false
        await setup.registry.hold(false)
        #expect(setup.outbound.takeSent() == [.resumed(socket)])
        setup.thread.retire()
    }
}

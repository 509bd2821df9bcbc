import Delivery
import Net
import Platform
import Store
import TestSupport
import Wire

@testable import RoomsMode

/// Where a scenario is played: against the manager's turns, or over sockets.
protocol RoomsStage: Sendable {
    /// Sends a message over TCP and takes all of the answer.
    func exchange(_ message: [UInt8]) async throws -> [UInt8]
    /// A new socket for datagrams, by its number.
    func open() async throws -> Int
    func send(_ datagram: [UInt8], from person: Int) async throws
    func receive(_ person: Int) async throws -> [UInt8]
}

/// Somebody in a scenario: speaks the protocol by hand.
struct StagePerson: Sendable {
    let stage: any RoomsStage
    let number: Int
    let room: String
    let name: String
    let token: RoomToken
    /// Nil for an original program.
    let extended: RoomsAnswer.Entered.Extended?

    static func enter(
        _ stage: any RoomsStage, _ room: String, _ name: String, creates: Bool = false, extended: Bool = false,
        registers: Bool = true
    ) async throws -> StagePerson {
        let request = RoomsRequest(
            room: room, creates ? .create(name: name) : .join(name: name, token: nil), isExtended: extended)
        let answer = try await stage.ask(request).get()
        guard case .entered(let entered) = answer.body else { throw StageFailure.unexpected }
        let person = StagePerson(
            stage: stage, number: try await stage.open(), room: room, name: name, token: entered.token,
            extended: entered.extended)
        if registers { try await person.register() }
        return person
    }

    func register() async throws {
        guard extended != nil else { return try await send(Array("__REGISTER__".utf8)) }
        try await submit(.ping, MessageID(high: 0, low: 99))
        while true {
            let delivery = try await delivery()
            if delivery.kind == .heartbeat, delivery.id.low == 99 { return }
        }
    }

    /// The message of a datagram with the header of a member.
    func datagram(_ message: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        UCRPRequest.writeHeader(room: Array(room.utf8), token: token, to: &writer)
        writer.append(contentsOf: message)
        return writer.bytes
    }

    func send(_ message: [UInt8]) async throws { try await stage.send(datagram(message), from: number) }
    func say(_ text: String) async throws { try await send(Array(text.utf8)) }

    func submit(_ kind: UCRPSubmission.Kind, _ id: MessageID, _ text: String = "") async throws {
        var writer = ByteWriter()
        UCRPSubmission(kind, id: id, text: Array(text.utf8)[...]).write(to: &writer)
        try await send(writer.bytes)
    }

    /// The next thing that an original program is sent, as it shows it.
    func line() async throws -> String {
        let bytes = try await stage.receive(number)
        switch UCRPPlainDelivery(bytes[...]) {
        case .roomClosed?: return "__ROOM_CLOSED__"
        case .message(let sender, let text)?:
            return String(decoding: sender, as: UTF8.self) + ": " + String(decoding: text, as: UTF8.self)
        case nil: throw StageFailure.unexpected
        }
    }

    /// The next datagram of UCRP 2.
    func delivery() async throws -> UCRPDelivery {
        let bytes = try await stage.receive(number)
        guard let delivery = UCRPDelivery(bytes[...]) else { throw StageFailure.unexpected }
        return delivery
    }

    /// The next of a kind; heartbeats and others before it are passed over.
    func next(_ kind: UCRPDelivery.Kind) async throws -> UCRPDelivery {
        while true {
            let delivery = try await delivery()
            if delivery.kind == kind { return delivery }
        }
    }
}

enum StageFailure: Error {
    case unexpected
}

extension RoomsStage {
    func ask(_ request: RoomsRequest) async throws -> ClientExchangeMachine.Outcome {
        let answer = try await exchange(request.message.encoded)
        var machine = ClientExchangeMachine(request)
        _ = machine.connected()
        for case .finished(let outcome) in machine.received(answer[...]) + machine.inputEnded() { return outcome }
        throw StageFailure.unexpected
    }
}

extension UCRPDelivery {
    var sentence: String { String(decoding: sender, as: UTF8.self) + ": " + String(decoding: text, as: UTF8.self) }
}

/// The manager without sockets: turns go in, and what it sends is recorded.
struct RecordedStage: RoomsStage {
    let manager: RoomManager
    let outbound: RecordingOutbound
    let store: MessageStore
    let datagrams: SocketID
    private let listener: SocketID
    private let numbers = Numbers()

    private actor Numbers {
        private var next = 0
        func take() -> Int {
            next += 1
            return next
        }
    }

    static func address(_ person: Int) -> SocketAddress {
        SocketAddress(ip: .v4(0x0a00_0000 + UInt32(person)), port: 40_000)
    }

    /// Runs a body against a manager with a lobby.
    static func with(
        _ options: RoomManager.Options = .unlimited(), path: String? = nil,
        _ body: @Sendable (RecordedStage) async throws -> Void
    ) async throws {
        let thread = try WorkerThread(name: "rooms")
        let store = try await MessageStore.open(path: path, schema: RoomsStorage.schema)
        let rooms = try await RoomsStorage.openRooms(lobby: options.lobby, at: .now(), in: store)
        let outbound = RecordingOutbound()
        let datagrams = outbound.makeSocket()
        let manager = RoomManager(
            executor: thread, outbound: outbound, store: store, rooms: rooms,
            sockets: [.init(id: datagrams, address: SocketAddress(ip: .anyV4, port: 9_091))], options: options)
        await manager.restore()
        let stage = RecordedStage(
            manager: manager, outbound: outbound, store: store, datagrams: datagrams, listener: outbound.makeSocket())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await manager.storeChanges() }
            do {
                try await body(stage)
            } catch {
                await manager.end()
                await manager.finishReading()
                throw error
            }
            await manager.end()
            await manager.finishReading()
            try await group.waitForAll()
        }
        await store.close()
        thread.stop()
    }

    private init(
        manager: RoomManager, outbound: RecordingOutbound, store: MessageStore, datagrams: SocketID,
        listener: SocketID
    ) {
        self.manager = manager
        self.outbound = outbound
        self.store = store
        self.datagrams = datagrams
        self.listener = listener
    }

    func exchange(_ message: [UInt8]) async throws -> [UInt8] {
        let id = outbound.makeSocket()
        await manager.handle([
            .accepted(id, listener: listener, peer: SocketAddress(ip: .v4(0x0a00_00ff), port: 50_000)),
            .received(id, message[...]),
        ])
        let answer = await outbound.next { if case .stream(id, let bytes) = $0 { bytes } else { nil } }
        await manager.handle([.closed(id, .remote)])
        return answer
    }

    func open() async throws -> Int { await numbers.take() }

    func send(_ datagram: [UInt8], from person: Int) async throws {
        await manager.handle([
            .datagrams(datagrams, [Datagram(source: Self.address(person), bytes: datagram[...])])
        ])
    }

    func receive(_ person: Int) async throws -> [UInt8] {
        let address = Self.address(person)
        return await outbound.next { if case .datagram(address, let bytes, _) = $0 { bytes } else { nil } }
    }
}

extension RoomManager.Options {
    /// With a lobby and without limits of rate.
    static func unlimited() -> RoomManager.Options {
        var options = RoomManager.Options()
        options.lobby = try? RoomName(validating: "lobby")
        options.limitsRate = false
        return options
    }
}

/// Sockets of 127.0.0.1 that talk to a server.
actor LoopbackStage: RoomsStage {
    nonisolated let tcpPort: UInt16
    nonisolated let udpPort: UInt16
    private var sockets: [DatagramPeer] = []

    init(tcpPort: UInt16, udpPort: UInt16) {
        self.tcpPort = tcpPort
        self.udpPort = udpPort
    }

    init(_ server: RoomsServerProcess) { self.init(tcpPort: server.tcpPort, udpPort: server.udpPort) }

    /// Runs a test against a server on a loop of its own, and ends the server when the body is done.
    ///
    /// - Parameter path: of its store; nil keeps it in memory.
    static func with(
        _ options: RoomManager.Options = .unlimited(), path: String? = nil,
        _ body: @Sendable (LoopbackStage) async throws -> Void
    ) async throws {
        let store = try await MessageStore.open(path: path, schema: RoomsStorage.schema)
        let rooms = try await RoomsStorage.openRooms(lobby: options.lobby, at: .now(), in: store)
        let loop = try EventLoop.start(name: "rooms")
        let opened = try await Opener(loop: loop).open()
        let manager = RoomManager(
            executor: loop, outbound: loop.hub, store: store, rooms: rooms,
            sockets: [.init(id: opened.datagrams.id, address: opened.datagrams.address)], options: options)
        let stage = LoopbackStage(tcpPort: opened.listener, udpPort: opened.datagrams.address.port)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask(executorPreference: loop.tasks) { await manager.run(loop.hub) }
            do {
                try await body(stage)
            } catch {
                await manager.end()
                throw error
            }
            await manager.end()
            try await group.waitForAll()
        }
        loop.stop()
        await store.close()
    }

    private actor Opener {
        let loop: EventLoop
        nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

        init(loop: EventLoop) { self.loop = loop }

        func open() throws -> (listener: UInt16, datagrams: (id: SocketID, address: SocketAddress)) {
            let any = SocketAddress(ip: .loopbackV4, port: 0)
            return (try loop.hub.listen(on: any).address.port, try loop.hub.bindDatagram(on: any))
        }
    }

    nonisolated func exchange(_ message: [UInt8]) async throws -> [UInt8] {
        let peer = try await RawPeer.connect(to: tcpPort)
        try await peer.send(message)
        await peer.endOutput()
        return try await peer.receiveToEnd()
    }

    func open() throws -> Int {
        sockets.append(try DatagramPeer())
        return sockets.count - 1
    }

    func send(_ datagram: [UInt8], from person: Int) async throws { await sockets[person].send(datagram, to: udpPort) }
    func receive(_ person: Int) async throws -> [UInt8] { try await sockets[person].receive() }
}

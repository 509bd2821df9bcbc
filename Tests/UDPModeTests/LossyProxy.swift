import Net
import Platform
import Wire

/// A network between real processes that loses, repeats, delays and reorders datagrams, from a seed.
///
/// To the clients it is the server. Each client has a port of the proxy's in the eyes of everybody else: the proxy writes
/// that port into the metadata of what the client sends, so that whoever answers answers through the proxy.
actor LossyProxy {
    struct Weather: Sendable {
        /// Per cent.
        var loss = 0
        var duplication = 0
        /// Milliseconds.
        var delay = 0...0
    }

    private let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private let server: SocketAddress
    private var front: SocketID?
    /// The port of each client's program, by the socket that stands for it; and that socket's port, by the program's.
    private var programs: [SocketID: UInt16] = [:]
    private var doors: [UInt16: (socket: SocketID, port: UInt16)] = [:]
    private var random: SplitMix64
    private var weather = Weather()
    /// Datagrams on their way, by the timer that lets them go.
    private var flying: [UInt64: (bytes: [UInt8], to: SocketAddress, from: SocketID)] = [:]
    private var nextTimer: UInt64 = 0
    private(set) var port: UInt16 = 0
    private(set) var lost = 0

    private init(loop: EventLoop, server: UInt16, seed: UInt64) {
        self.loop = loop
        self.server = SocketAddress(ip: .loopbackV4, port: server)
        random = SplitMix64(seed: seed)
    }

    /// Runs a proxy for the length of a body.
    static func with(
        server: UInt16, seed: UInt64, _ body: @Sendable (LossyProxy) async throws -> Void
    ) async throws {
        let loop = try EventLoop.start(name: "proxy")
        let proxy = LossyProxy(loop: loop, server: server, seed: seed)
        try await proxy.open()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask(executorPreference: loop.tasks) { await proxy.consume() }
            do {
                try await body(proxy)
            } catch {
                await proxy.close()
                throw error
            }
            await proxy.close()
            try await group.waitForAll()
        }
        loop.stop()
    }

    func setWeather(_ weather: Weather) { self.weather = weather }

    private func open() throws {
        let opened = try loop.hub.bindDatagram(on: SocketAddress(ip: .loopbackV4, port: 0))
        front = opened.id
        port = opened.address.port
    }

    private func close() { loop.hub.shutdown(grace: .zero) }

    private func consume() async {
        for await turn in loop.hub.turns {
            for event in turn {
                switch event {
                case .datagrams(let socket, let datagrams):
                    for datagram in datagrams { received(datagram, socket) }
                case .timer(let timer):
                    if let item = flying.removeValue(forKey: timer) { send(item.bytes, to: item.to, from: item.from) }
                default: break
                }
            }
        }
    }

    private func received(_ datagram: Datagram, _ socket: SocketID) {
        guard let bytes = rewritten(datagram.bytes) else { return }
        if socket == front {
            pass(bytes, to: server, from: socket)
        } else if let program = programs[socket], let front {
            // What comes from the server seems to come from where the client believes the server to be.
            let to = SocketAddress(ip: .loopbackV4, port: program)
            pass(bytes, to: to, from: datagram.source == server ? front : socket)
        }
    }

    /// The same datagram with its sender's port as others see it.
    private func rewritten(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        guard var object = (try? JSON(parsing: bytes))?.object, var metadata = object["metadata"]?.object else {
            return nil
        }
        guard let port = metadata["client_port"]?.integer.flatMap(UInt16.init(exactly:)) else { return Array(bytes) }
        guard let door = doors[port] ?? openDoor(for: port) else { return nil }
        metadata["client_port"] = .integer(Int64(door.port))
        object["metadata"] = .object(metadata)
        return JSON.object(object).encoded(style: .compact)
    }

    private func openDoor(for program: UInt16) -> (socket: SocketID, port: UInt16)? {
        guard let opened = try? loop.hub.bindDatagram(on: SocketAddress(ip: .loopbackV4, port: 0)) else { return nil }
        doors[program] = (opened.id, opened.address.port)
        programs[opened.id] = program
        return doors[program]
    }

    private func pass(_ bytes: [UInt8], to: SocketAddress, from: SocketID) {
        guard Int.random(in: 0..<100, using: &random) >= weather.loss else {
            lost += 1
            return
        }
        let copies = Int.random(in: 0..<100, using: &random) < weather.duplication ? 2 : 1
        for _ in 0..<copies {
            let delay = Int.random(in: weather.delay, using: &random)
            guard delay > 0 else {
                send(bytes, to: to, from: from)
                continue
            }
            nextTimer += 1
            flying[nextTimer] = (bytes, to, from)
            loop.hub.schedule(nextTimer, after: .milliseconds(delay))
        }
    }

    private func send(_ bytes: [UInt8], to: SocketAddress, from: SocketID) {
        loop.hub.send(loop.hub.encode { $0.append(contentsOf: bytes) }, to: to, from: from)
    }
}

import Net
import Platform
import Wire

/// A network between real processes that loses, repeats, delays and reorders datagrams, from a seed.
///
/// To the clients it is the server; the server sees a socket of the proxy's for each client.
package actor DatagramProxy {
    package struct Weather: Sendable {
        /// Per cent.
        package var loss: Int
        package var duplication: Int
        /// Milliseconds.
        package var delay: ClosedRange<Int>

        package init(loss: Int = 0, duplication: Int = 0, delay: ClosedRange<Int> = 0...0) {
            self.loss = loss
            self.duplication = duplication
            self.delay = delay
        }
    }

    private let loop: EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private let server: SocketAddress
    private var front: SocketID?
    /// The socket that stands for a client, and the client that a socket stands for.
    private var doors: [SocketAddress: SocketID] = [:]
    private var clients: [SocketID: SocketAddress] = [:]
    private var random: SplitMix64
    private var weather = Weather()
    /// Datagrams on their way, by the timer that lets them go.
    private var flying: [UInt64: (bytes: [UInt8], to: SocketAddress, from: SocketID)] = [:]
    private var nextTimer: UInt64 = 0
    package private(set) var port: UInt16 = 0
    package private(set) var lost = 0

    private init(loop: EventLoop, server: UInt16, seed: UInt64) {
        self.loop = loop
        self.server = SocketAddress(ip: .loopbackV4, port: server)
        random = SplitMix64(seed: seed)
    }

    /// Runs a proxy for the length of a body.
    package static func with(
        server: UInt16, seed: UInt64, _ body: @Sendable (DatagramProxy) async throws -> Void
    ) async throws {
        let loop = try EventLoop.start(name: "proxy")
        let proxy = DatagramProxy(loop: loop, server: server, seed: seed)
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

    package func setWeather(_ weather: Weather) { self.weather = weather }

    /// Gives each client another address in the eyes of the server, as an address translator does that has forgotten
    /// them: what the server sends to the old ones is lost.
    package func forgetClients() {
        for door in doors.values { loop.hub.close(door) }
        doors = [:]
        clients = [:]
    }

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
        if socket == front {
            guard let door = doors[datagram.source] ?? openDoor(for: datagram.source) else { return }
            pass(Array(datagram.bytes), to: server, from: door)
        } else if let client = clients[socket], let front {
            pass(Array(datagram.bytes), to: client, from: front)
        }
    }

    private func openDoor(for client: SocketAddress) -> SocketID? {
        guard let opened = try? loop.hub.bindDatagram(on: SocketAddress(ip: .loopbackV4, port: 0)) else { return nil }
        doors[client] = opened.id
        clients[opened.id] = client
        return opened.id
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

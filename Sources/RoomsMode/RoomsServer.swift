import Console
import Net
import Platform
import Service
import Store
import Wire

/// `chat rooms serve`: opens the store and the sockets.
enum RoomsServer {
    static func run(_ loop: EventLoop, _ options: RoomsServeOptions, _ common: CommonOptions) async -> ExitStatus {
        await ServerConsole<RoomsReport>.run(on: loop, mode: "rooms", common: common) { console in
            let path = try common.memoryOnly ? nil : DataDirectory(option: common.dataDirectory).file("rooms.db")
            return try await MessageStore.with(path: path, schema: RoomsStorage.schema) { store in
                let rooms = try await RoomsStorage.openRooms(lobby: options.lobby, at: .now(), in: store)
                try loop.hub.watchSignals([.interrupt, .terminate, .hangup])
                let sockets = try await listen(options, common, loop.hub, console)
                var settings = RoomManager.Options()
                settings.hostLeave = options.hostLeave
                settings.lobby = options.lobby
                settings.limitsRate = common.rateLimit
                let manager = RoomManager(
                    executor: loop, outbound: loop.hub, store: store, rooms: rooms,
                    sockets: sockets.map { .init(id: $0.id, address: $0.address) }, options: settings
                ) { console.report($0) }
                await manager.restore()
                await console.run { await manager.run(loop.hub) }
                return .ok
            }
        }
    }

    /// - Returns: the sockets of the data plane.
    private static func listen(
        _ options: RoomsServeOptions, _ common: CommonOptions, _ hub: Hub, _ console: ServerConsole<RoomsReport>
    ) async throws(ListenError) -> [Listening.Opened] {
        let sockets = try Listening.datagrams(on: common.bind, port: options.udpPort, with: hub)
        let listeners = try Listening.streams(on: common.bind, port: options.tcpPort, with: hub)
        for listener in listeners { await console.announce(listener.address, transport: "tcp") }
        for socket in sockets { await console.announce(socket.address, transport: "udp") }
        let (tcp, udp) = (Int(listeners[0].address.port), Int(sockets[0].address.port))
        await console.show(.notice("TCP port \(tcp), UDP port \(udp)"), fields: ["level": "info"])
        return sockets
    }
}

import Console
import Net
import Platform
import Service
import Store
import Wire

/// `chat rooms serve`: opens the store and the sockets, and says what the operator should know.
actor RoomsServer {
    /// Reports that wait to be shown; older ones give way.
    static let waitingReports = 1_000

    private let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let options: RoomsServeOptions
    private let common: CommonOptions

    private var console: ChatConsole<Never>!
    /// What the rooms report, and the door by which it comes in.
    private let reports: AsyncStream<RoomsReport>
    private let report: AsyncStream<RoomsReport>.Continuation

    init(loop: EventLoop, options: RoomsServeOptions, common: CommonOptions) {
        self.loop = loop
        self.options = options
        self.common = common
        (reports, report) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(Self.waitingReports))
    }

    func run() async -> ExitStatus {
        do {
            console = try ChatConsole(
                ConsoleSettings(mode: "rooms", role: .report, common: common), commands: CommandTable([]))
        } catch {
            return .internalError
        }
        let status = await serve()
        await console.finish(hurry: true)
        return status
    }

    private func serve() async -> ExitStatus {
        let store: MessageStore
        do {
            let path = try common.memoryOnly ? nil : DataDirectory(option: common.dataDirectory).file("rooms.db")
            store = try await MessageStore.open(path: path, schema: RoomsStorage.schema)
        } catch {
            console.show(.error(RoomsFailure.sentence(of: error)))
            return RoomsFailure.status(of: error)
        }
        let status: ExitStatus
        do {
            let rooms = try await RoomsStorage.openRooms(lobby: options.lobby, at: .now(), in: store)
            status = await serve(store, rooms)
        } catch {
            console.show(.error(error.message))
            status = .failure
        }
        await store.close()
        return status
    }

    private func serve(_ store: MessageStore, _ rooms: [RoomsStorage.StoredRoom]) async -> ExitStatus {
        let hub = loop.hub
        let report = report
        let sockets: [Listening.Opened]
        do {
            try hub.watchSignals([.interrupt, .terminate, .hangup])
            sockets = try Listening.datagrams(on: common.bind, port: options.udpPort, with: hub)
            let listeners = try Listening.streams(on: common.bind, port: options.tcpPort, with: hub)
            for (socket, transport) in listeners.map({ ($0, "tcp") }) + sockets.map({ ($0, "udp") }) {
                announce(socket.address, transport)
            }
            console.show(
                .notice(
                    "TCP port \(Int(listeners[0].address.port)), UDP port \(Int(sockets[0].address.port))"))
        } catch {
            hub.shutdown(grace: .zero)
            console.show(.error(RoomsFailure.sentence(of: error)))
            return .failure
        }
        var settings = RoomManager.Options()
        settings.hostLeave = options.hostLeave
        settings.lobby = options.lobby
        settings.limitsRate = common.rateLimit
        let manager = RoomManager(
            executor: loop, outbound: hub, store: store, rooms: rooms,
            sockets: sockets.map { .init(id: $0.id, address: $0.address) }, options: settings
        ) { report.yield($0) }
        await manager.restore()
        console.show(.ready)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.showReports() }
            group.addTask { await self.writeConsole() }
            await manager.run(hub)
            report.finish()
            await console.finish(hurry: true)
        }
        return .ok
    }

    private func announce(_ address: SocketAddress, _ transport: String) {
        console.show(
            .listening(
                host: address.ip.isUnspecified ? "all interfaces" : "\(address.ip.description)", port: address.port),
            fields: ["transport": .string(transport)])
    }

    // MARK: - The log

    /// An operator who does not read any more does not end the server.
    private func writeConsole() async { await console.writeOutput { _ in } }

    private func showReports() async {
        for await report in reports where report.level <= common.logLevel {
            switch report.level {
            case .error: console.show(.error(report.message))
            case .warning, .info, .debug: console.show(.notice(report.message))
            }
        }
    }
}

extension RoomsReport {
    var level: LogLevel {
        switch self {
        case .storageFailed, .acceptFailed: .error
        case .storageWorks, .turnedAway, .dropped: .warning
        case .created, .entered, .resumed, .left, .lost, .closed, .ending: .info
        case .refused: .debug
        }
    }
}

/// What went wrong, as the user is told.
enum RoomsFailure {
    static func sentence(of error: any Error) -> SafeText {
        switch error {
        case let error as StoreError: error.message
        case let error as ListenError: error.message
        case let error as DataDirectory.Failure: error.message
        case let error as RoomStateFile.Failure: error.message
        case let error as PrivateFile.Failure:
            switch error {
            case .tooLarge(let limit): "the file is larger than \(limit) bytes"
            case .system(let error): error.message
            }
        case let error as SystemError: error.message
        default: "the program cannot go on"
        }
    }

    static func status(of error: any Error) -> ExitStatus {
        if case StoreError.inUse = error { return .tryAgain }
        return .failure
    }
}

package import Console
import Net
import Platform
import Service
import Store
import Wire

/// Carries out what `chat board ...` was asked to do.
package func runBoard(_ options: BoardOptions, common: CommonOptions) async -> ExitStatus {
    switch options {
    case .serve(let serve):
        await BoardTask.run(common) { loop in await BoardServer(loop: loop, options: serve, common: common).run() }
    case .connect(let server):
        await BoardTask.run(common) { loop in await BoardClient(loop: loop, server: server, common: common).run() }
    case .post, .read, .groups:
        await BoardTask.run(common) { loop in await BoardErrand(loop: loop, options: options, common: common).run() }
    case .exportLog(let path):
        await BoardTask.run(common) { loop in await BoardFileTask(loop: loop, common: common).export(to: path) }
    case .importLog(let path):
        await BoardTask.run(common) { loop in await BoardFileTask(loop: loop, common: common).importLog(from: path) }
    }
}

/// Gives a run of the board a loop, and ends the loop after it.
enum BoardTask {
    static func run(
        _ common: CommonOptions, _ body: @escaping @Sendable (EventLoop) async -> ExitStatus
    ) async -> ExitStatus {
        do {
            return try await EventLoop.with(name: "board", body)
        } catch {
            await complain("The program cannot start: \(error.message)", common)
            return .internalError
        }
    }

    /// Says why nothing could be begun.
    static func complain(_ sentence: SafeText, _ common: CommonOptions) async {
        let console = try? ChatConsole<Never>(
            ConsoleSettings(mode: "board", role: .report, common: common), commands: CommandTable([]))
        console?.show(.error(sentence))
        await console?.finish()
    }
}

/// `chat board serve`: opens the store and the sockets, and says what the operator should know.
actor BoardServer {
    /// The groups of the original, in its order; they are always there.
    static let originalGroups = ["main", "general", "sub_1", "sub_2", "sub_3"]

    /// Reports that wait to be shown; older ones give way.
    static let waitingReports = 1_000

    private let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let options: BoardServeOptions
    private let common: CommonOptions

    private var console: ChatConsole<Never>!
    /// What the board reports, and the door by which it comes in.
    private let reports: AsyncStream<BoardReport>
    private let report: AsyncStream<BoardReport>.Continuation

    init(loop: EventLoop, options: BoardServeOptions, common: CommonOptions) {
        self.loop = loop
        self.options = options
        self.common = common
        (reports, report) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(Self.waitingReports))
    }

    func run() async -> ExitStatus {
        do {
            console = try ChatConsole(
                ConsoleSettings(mode: "board", role: .report, common: common), commands: CommandTable([]))
        } catch {
            return .internalError
        }
        let status = await serve()
        await console.finish(hurry: true)
        return status
    }

    private func serve() async -> ExitStatus {
        let store: MessageStore
        let groups: [BoardStorage.StoredGroup]
        do {
            let path = try common.memoryOnly ? nil : DataDirectory(option: common.dataDirectory).file("board.db")
            store = try await MessageStore.open(path: path, schema: BoardStorage.schema)
        } catch {
            console.show(.error(BoardFailure.sentence(of: error)))
            return BoardFailure.status(of: error)
        }
        do {
            groups = try await openGroups(store)
        } catch {
            console.show(.error(error.message))
            await store.close()
            return .failure
        }
        let status = await serve(store, groups)
        await store.close()
        return status
    }

    private func serve(_ store: MessageStore, _ groups: [BoardStorage.StoredGroup]) async -> ExitStatus {
        let hub = loop.hub
        let report = report
        var settings = GroupStore.Options()
        settings.visibility = options.visibility ?? .standard
        settings.allowsCreation = options.allowsCreation
        settings.limitsRate = common.rateLimit
        let board = GroupStore(executor: loop, outbound: hub, store: store, groups: groups, options: settings) {
            report.yield($0)
        }
        do {
            try hub.watchSignals([.interrupt, .terminate, .hangup])
            let sockets = try Listening.streams(on: common.bind, port: options.port, with: hub)
            for socket in sockets {
                console.show(
                    .listening(
                        host: socket.address.ip.isUnspecified ? "all interfaces" : "\(socket.address.ip.description)",
                        port: socket.address.port))
            }
        } catch let error as ListenError {
            console.show(.error(error.message))
            return .failure
        } catch {
            console.show(.error(BoardFailure.sentence(of: error)))
            return .internalError
        }
        console.show(.ready)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await board.run(hub) }
            group.addTask { await self.showReports() }
            group.addTask { await self.writeConsole() }
            await group.next()
            report.finish()
            await console.finish(hurry: true)
        }
        return switch await board.abandonedBy {
        case nil: .ok
        case .interrupt?: .interrupted
        case .some: .terminated
        }
    }

    private func openGroups(_ store: MessageStore) async throws(StoreError) -> [BoardStorage.StoredGroup] {
        var rules: [String: VisibilityRule] = [:]
        for wish in options.groupVisibility { rules[wish.group.key] = wish.rule }
        var names = Self.originalGroups.map { try! GroupName(validating: $0) }
        for name in options.groups + options.groupVisibility.map(\.group)
        where !names.contains(where: { $0.key == name.key }) {
            names.append(name)
        }
        let wanted = names.map { (name: $0, visibility: rules[$0.key] ?? options.visibility ?? .standard) }
        var groups = try await BoardStorage.openGroups(wanted, recent: GroupStore.recentPosts, in: store)
        for index in groups.indices {
            guard let rule = rules[groups[index].name.key] ?? options.visibility, rule != groups[index].visibility
            else {
                continue
            }
            try await BoardStorage.setVisibility(rule, of: groups[index].conversation.id, in: store)
            groups[index].visibility = rule
        }
        return groups
    }

    // MARK: - The log

    private func writeConsole() async { await console.writeOutput { _ in } }

    private func showReports() async {
        for await report in reports where report.level <= common.logLevel {
            switch report.level {
            case .error: console.show(.error(report.sentence))
            case .warning, .info, .debug: console.show(.notice(report.sentence))
            }
        }
    }
}

extension BoardReport {
    var level: LogLevel {
        switch self {
        case .storageFailed, .acceptFailed: .error
        case .storageWorks, .turnedAway: .warning
        case .joined, .disconnected, .groupCreated: .info
        }
    }

    var sentence: SafeText {
        switch self {
        case .joined(let peer, let name): "\(name.text) is here, from \(peer.description)"
        case .disconnected(let peer, let name?, let reason):
            "\(name.text) has gone (\(peer.description), \(reason.message))"
        case .disconnected(let peer, nil, let reason): "\(peer.description) has gone without a name (\(reason.message))"
        case .acceptFailed(let error): "cannot accept connections: \(error.reason); trying again"
        case .turnedAway(let peer): "\(peer.description) was turned away: too many connections"
        case .storageFailed(let error): "nothing can be stored, posts are refused: \(error.message)"
        case .storageWorks: "posts are stored again"
        case .groupCreated(let group, let name):
            "group \(group.text) was created by \(name?.text ?? "somebody who has gone")"
        }
    }
}

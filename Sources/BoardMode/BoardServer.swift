package import Console
import Net
import Platform
import Service
import Store
package import Wire

/// `chat board serve`: opens the store and the sockets, and says what the operator should know.
enum BoardServer {
    /// The groups of the original, in its order; they are always there.
    static let originalGroups = ["main", "general", "sub_1", "sub_2", "sub_3"]

    static func run(_ loop: EventLoop, _ options: BoardServeOptions, _ common: CommonOptions) async -> ExitStatus {
        await ServerConsole<BoardReport>.run(on: loop, mode: "board", common: common) { console in
            let path = try common.memoryOnly ? nil : DataDirectory(option: common.dataDirectory).file("board.db")
            return try await MessageStore.with(path: path, on: loop, schema: BoardStorage.schema) { store in
                let groups = try await openGroups(options, in: store)
                var settings = GroupStore.Options()
                settings.visibility = options.visibility ?? .standard
                settings.allowsCreation = options.allowsCreation
                settings.limitsRate = common.rateLimit
                let board = GroupStore(
                    executor: loop, outbound: loop.hub, store: store, groups: groups, options: settings
                ) { console.report($0) }
                try loop.hub.watchSignals([.interrupt, .terminate, .hangup])
                for socket in try Listening.streams(on: common.bind, port: options.port, with: loop.hub) {
                    await console.announce(socket.address)
                }
                await console.run { await board.run(loop.hub) }
                return switch await board.abandonedBy {
                case nil: .ok
                case .interrupt?: .interrupted
                case .some: .terminated
                }
            }
        }
    }

    private static func openGroups(
        _ options: BoardServeOptions, in store: MessageStore
    ) async throws(StoreError) -> [BoardStorage.StoredGroup] {
        var rules: [String: VisibilityRule] = [:]
        for wish in options.groupVisibility { rules[wish.group.key] = wish.rule }
        var names = originalGroups.map { try! GroupName(validating: $0) }
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
}

extension BoardReport: LogReport {
    package var level: LogLevel {
        switch self {
        case .storageFailed, .acceptFailed: .error
        case .storageWorks, .turnedAway: .warning
        case .joined, .disconnected, .groupCreated: .info
        }
    }

    package var lines: [SafeText] { [sentence] }

    package var repeated: SafeText? {
        switch self {
        case .turnedAway: "connections were turned away"
        case .acceptFailed: "times connections could not be accepted"
        case .joined, .disconnected, .storageFailed, .storageWorks, .groupCreated: nil
        }
    }

    private var sentence: SafeText {
        switch self {
        case .joined(let peer, let name): "\(QuotedName.inSentence(name.safeText)) is here, from \(peer.description)"
        case .disconnected(let peer, let name?, let reason):
            "\(QuotedName.inSentence(name.safeText)) has gone (\(peer.description), \(reason.message))"
        case .disconnected(let peer, nil, let reason): "\(peer.description) has gone without a name (\(reason.message))"
        case .acceptFailed(let error): "cannot accept connections: \(error.reason); trying again"
        case .turnedAway(let peer): "\(peer.description) was turned away: too many connections"
        case .storageFailed(let error): "nothing can be stored, posts are refused: \(error.message)"
        case .storageWorks: "posts are stored again"
        case .groupCreated(let group, let name):
            "group \(QuotedName.inSentence(group.safeText)) was created by \(name.map { QuotedName.inSentence($0.safeText) } ?? "somebody who has gone")"
        }
    }
}

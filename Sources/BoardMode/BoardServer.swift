import Console
import Net
import Platform
import Service
import Store
import Wire

/// `chat board serve`: opens the store and the sockets.
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

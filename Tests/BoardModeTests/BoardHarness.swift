import BoardMode
import Delivery
import Net
import Platform
import Store
import TestSupport
import Wire

/// A board on a loop of its own, over real sockets of 127.0.0.1.
actor BoardHarness {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    nonisolated let groups: GroupStore
    nonisolated let store: MessageStore
    private(set) var port: UInt16 = 0

    private init(loop: EventLoop, groups: GroupStore, store: MessageStore) {
        self.loop = loop
        self.groups = groups
        self.store = store
    }

    static let originalGroups = ["main", "general", "sub_1", "sub_2", "sub_3"]

    /// Runs a test against a board, and ends the board when the body is done.
    ///
    /// - Parameter path: its file; nil keeps it in memory, on the board's own loop, as `--memory` does.
    static func with(
        path: String? = nil, visibility: VisibilityRule = .standard, limitsRate: Bool = false,
        allowsCreation: Bool = true, groups names: [String] = originalGroups,
        prepare: @Sendable (MessageStore) async throws -> Void = { _ in },
        _ body: @Sendable (BoardHarness) async throws -> Void
    ) async throws {
        let loop = try EventLoop.start(name: "board")
        let store = try await MessageStore.open(path: path, on: loop, schema: BoardStorage.schema)
        let wanted = try names.map { (name: try GroupName(validating: $0), visibility: visibility) }
        try await prepare(store)
        let groups = try await BoardStorage.openGroups(wanted, recent: GroupStore.recentPosts, in: store)
        var options = GroupStore.Options()
        options.visibility = visibility
        options.limitsRate = limitsRate
        options.allowsCreation = allowsCreation
        options.utcOffset = { _ in 0 }
        let actor = GroupStore(
            executor: loop, outbound: loop.hub, store: store, groups: groups, options: options)
        let harness = BoardHarness(loop: loop, groups: actor, store: store)
        try await harness.listen()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask(executorPreference: loop.tasks) { await actor.run(loop.hub) }
            do {
                try await body(harness)
            } catch {
                await actor.end()
                throw error
            }
            await actor.end()
            try await group.waitForAll()
        }
        await store.close()
        loop.stop()
    }

    private func listen() throws {
        port = try loop.hub.listen(on: SocketAddress(ip: .v4(0x7f00_0001), port: 0)).address.port
    }

    // MARK: - People

    /// A connection that has not said its name.
    func connect() async throws -> RawPeer {
        let peer = try await RawPeer.connect(to: port)
        _ = try await peer.receive(until: "What is your username?\n")
        return peer
    }

    /// Somebody at netcat, who ends lines.
    func person(_ name: String, in groups: [String] = []) async throws -> RawPeer {
        let peer = try await connect()
        try await peer.send("\(name)\n")
        _ = try await peer.receive(until: "to enter.\n")
        for group in groups {
            try await peer.send("%groupjoin \(group)\n")
            _ = try await peer.receive(until: "[SUCCESS] You have successfully joined group '\(group)'.\n")
            _ = try await peer.barrier()
        }
        return peer
    }

    /// A program that speaks JSON.
    func program(_ name: String) async throws -> RawPeer {
        let peer = try await connect()
        _ = try await peer.ask(#"{"op":"hello","name":"\#(name)"}"#)
        return peer
    }
}

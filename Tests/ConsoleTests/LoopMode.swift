import Net
import Wire

@testable import Console

/// A mode on an event loop, whose console has its input read there.
actor LoopMode {
    typealias Verb = ConsoleHarness.Verb

    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private let settings: ConsoleSettings
    private let takesTexts: Bool
    private var console: ChatConsole<Verb>?
    private(set) var inputs: [ConsoleInput<Verb>] = []
    private(set) var isReadByTheLoop = false
    /// What a test does when so many inputs were taken, before the next is asked for.
    private var pauses: [Int: @Sendable () async -> Void] = [:]

    /// - Parameter takesTexts: texts that are there already are taken without a wait, as p2p does.
    init(_ settings: ConsoleSettings, takesTexts: Bool = false) throws {
        self.settings = settings
        self.takesTexts = takesTexts
        loop = try EventLoop.start(name: "mode")
    }

    func pause(after count: Int, _ body: @escaping @Sendable () async -> Void) { pauses[count] = body }

    /// Runs until the input is over; the loop ends with it.
    static func run(_ mode: LoopMode) async throws -> ExitStatus {
        let status = try await mode.loop.run { try await mode.run() }
        mode.loop.stop()
        return status
    }

    private func run() async throws -> ExitStatus {
        let console = try ChatConsole(settings, commands: ConsoleHarness.table, loop: loop.hub)
        self.console = console
        if case .loop = console.reader { isReadByTheLoop = true }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.write() }
            group.addTask { await self.loop.hub.forEachTurn(of: self) { _, _ in } }
            await read()
            await console.finish()
            loop.hub.shutdown(grace: .zero)
        }
        return console.outcome
    }

    private func read() async {
        guard let console else { return }
        for await input in console.inputs {
            inputs.append(input)
            while takesTexts, let text = console.takeText() { inputs.append(.text(text)) }
            if let body = pauses.removeValue(forKey: inputs.count) { await body() }
            if input == .quit { return }
        }
    }

    private func write() async { await console?.writeOutput { _ in } }

    func finish() async { await console?.finish() }
}

extension EventLoop {
    fileprivate func run<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await run { await Swift.Result(catching: body) }.get()
    }
}

extension Result where Failure == any Error {
    fileprivate init(catching body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

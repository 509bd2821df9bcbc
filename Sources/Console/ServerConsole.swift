import Delivery
package import Platform
import Synchronization
package import Wire

/// What a server tells its operator: how much it matters, and what it says.
package protocol LogReport: Sendable {
    var level: LogLevel { get }
    /// One line or more. No text of a message and no whole token is in it. The first begins with a word of the program's or
    /// a name that is quoted where it could be read as more (`QuotedName`); what follows is indented where it is shown.
    var lines: [SafeText] { get }
    /// What strangers can bring about as often as they like, as many of them are called: some are shown, the others
    /// counted. Nil for what is always shown.
    var repeated: SafeText? { get }
}

extension LogReport {
    package var repeated: SafeText? { nil }
}

/// The console of a server: says where it listens, and keeps a log of what is reported, by level.
///
/// Reporting never waits. As plain text a line of the log is a notice or an error; with `--json` it is an object that
/// has its level in the field `level`.
package actor ServerConsole<Report: LogReport> {
    /// Reports that wait to be shown; what comes beyond is counted, and said when there is room.
    static var waitingReports: Int { 10_000 }
    /// Reports of one thing that strangers repeat: at once, and the time between those after them.
    static var repetitions: Int { 5 }
    static var repetitionInterval: Duration { .seconds(10) }

    private let executor: any SerialExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let console: ChatConsole<Never>
    private let level: LogLevel
    private let reports: AsyncStream<Report>
    private let waiting: AsyncStream<Report>.Continuation
    private let missed = Atomic<Int>(0)
    private var repetitionsOf: [SafeText: ReportLimiter] = [:]

    /// - Parameter executor: the server's, so that what it says costs no change of threads.
    package init(executor: any SerialExecutor, mode: String, common: CommonOptions) throws(SystemError) {
        try self.init(
            executor: executor, settings: ConsoleSettings(mode: mode, role: .report, common: common),
            level: common.logLevel)
    }

    package init(executor: any SerialExecutor, settings: ConsoleSettings, level: LogLevel) throws(SystemError) {
        self.executor = executor
        self.level = level
        console = try ChatConsole(settings, commands: CommandTable([]))
        (reports, waiting) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.waitingReports))
    }

    /// Runs a server from its beginning to its end: gives it a console, and says what keeps it from running.
    package static func run(
        on executor: any SerialExecutor, mode: String, common: CommonOptions,
        _ body: (ServerConsole) async throws -> ExitStatus
    ) async -> ExitStatus {
        guard let console = try? ServerConsole(executor: executor, mode: mode, common: common) else {
            return .internalError
        }
        let status: ExitStatus
        do {
            status = try await body(console)
        } catch {
            await console.show(.error(SafeText(explaining: error)))
            status = ExitStatus(of: error)
        }
        await console.finish()
        return status
    }

    /// Says that something has happened, from anywhere.
    package nonisolated func report(_ report: Report) {
        guard report.level <= level else { return }
        if case .dropped = waiting.yield(report) { missed.add(1, ordering: .relaxed) }
    }

    /// Shows what is no matter of levels: sockets, and that the server is ready.
    package func show(_ event: ConsoleEvent, fields: JSONObject = [:]) { console.show(event, fields: fields) }

    /// Says where the server listens.
    ///
    /// - Parameter transport: `tcp` or `udp` where it listens with both.
    package func announce(_ address: SocketAddress, transport: String? = nil) {
        console.show(
            .listening(
                host: address.ip.isUnspecified ? "all interfaces" : "\(address.ip)", port: address.port),
            fields: transport.map { ["transport": .string($0)] } ?? [:])
    }

    /// Runs the server, which is ready now, writing what is shown and reported meanwhile, and what is left in the end.
    package func run(_ serve: @Sendable () async -> Void) async {
        console.show(.ready)
        ProcessSetup.giveBackProgramPages()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.showReports() }
            group.addTask { await self.write() }
            await serve()
            waiting.finish()
        }
    }

    /// Writes what is left to be said, at the end or where `run` was not reached.
    private func finish() async {
        // A server has nothing to wait for: it is over because it was told so, or could not begin.
        console.toldToEnd()
        await console.finish()
    }

    /// An operator who does not read any more does not end the server.
    private func write() async { await console.writeOutput { _ in } }

    private func showReports() async {
        for await report in reports {
            if admits(report) { show(report.lines, report.level) }
            let count = missed.exchange(0, ordering: .relaxed)
            if count > 0 { show(["\(count) lines of the log were lost: too many came at once"], .warning) }
        }
        for (what, limiter) in repetitionsOf where limiter.untold > 0 {
            show(["\(limiter.untold) more \(what)"], .warning)
        }
        await finish()
    }

    private var isForPrograms: Bool { if case .json = console.face { true } else { false } }

    /// False for one more of what was shown often enough. How many there were is said before the next that is shown.
    private func admits(_ report: Report) -> Bool {
        guard let what = report.repeated else { return true }
        let limiter = ReportLimiter(burst: Self.repetitions, every: Self.repetitionInterval)
        guard let count = repetitionsOf[what, default: limiter].occurred(at: .now()) else { return false }
        if count > 1 { show(["\(count - 1) more \(what)"], report.level) }
        return true
    }

    private func show(_ lines: [SafeText], _ level: LogLevel) {
        for (index, line) in lines.enumerated() {
            // What follows the first line is others' words, and begins no line for people: indented, as in an answer.
            let shown = index == 0 || isForPrograms ? line : "  \(line)"
            console.show(level == .error ? .error(shown) : .notice(shown), fields: ["level": .string(level.rawValue)])
        }
    }
}

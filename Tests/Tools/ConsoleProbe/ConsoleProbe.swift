import Console
import Glibc
import Net
import Platform
import Wire

/// A mode without a network, for tests of the console in a pseudo-terminal: it shows what `/flood` asks for, takes what
/// is typed as sent, and dies in every way there is.
///
///     console-probe [--json] [--sent FILE] [--history FILE] [--color WHEN]
actor ConsoleProbe {
    enum Command: Hashable, Sendable {
        case flood
        case say
        case slow
        case settle
        case joins
        case die
    }

    static let table = CommandTable<Command>([
        .init(.flood, "flood", [.required("COUNT"), .required("RATE")], summary: "show COUNT messages, RATE a second"),
        .init(.say, "say", [.required("NAME", .member), .required("TEXT", .text)], summary: "NAME says TEXT"),
        .init(.slow, "slow", [.required("TEXT", .text)], summary: "send TEXT and wait for /settle"),
        .init(.settle, "settle", summary: "what was sent with /slow is delivered"),
        .init(.joins, "joins", [.required("COUNT")], summary: "COUNT people join at once"),
        .init(
            .die, "die", [.required("HOW", .choice(["trap", "abort", "exit", "segfault", "overflow", "return"]))],
            summary: "end in some way"),
    ])

    /// Milliseconds between two batches of a flood.
    private static let tick = 10

    private enum Timer: UInt64 {
        case flood = 1
    }

    private let loop: EventLoop
    private let hub: Hub
    private let settings: ConsoleSettings
    private let sent: String?
    private var console: ChatConsole<Command>?
    private var flood = (left: 0, rate: 0, shown: 0, carry: 0)
    private var slowMessages: [String] = []
    private var count = 0
    private var isPaused = false

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(loop: EventLoop, settings: ConsoleSettings, sent: String?) {
        self.loop = loop
        hub = loop.hub
        self.settings = settings
        self.sent = sent
    }

    func run() async throws -> ExitStatus {
        let console = try ChatConsole(settings, commands: Self.table)
        self.console = console
        try hub.watchSignals([.interrupt, .terminate, .hangup, .windowChange, .resumed, .terminalStop])
        console.setOwnName("Tester")
        console.show(.ready)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.readConsole() }
            group.addTask { await self.writeConsole() }
            await hub.forEachTurn(of: self) { probe, turn in probe.handle(turn) }
            await console.finish()
        }
        return console.outcome
    }

    private func readConsole() async {
        guard let console else { return }
        for await input in console.inputs { typed(input) }
    }

    private func writeConsole() async {
        guard let console else { return }
        await console.writeOutput { change in
            switch change {
            case .relieved:
                isPaused = false
                if flood.left > 0 { hub.schedule(Timer.flood.rawValue, after: .zero) }
            case .closed: leave()
            }
        }
    }

    private func handle(_ turn: [NetEvent]) {
        for event in turn {
            switch event {
            case .signal(.windowChange): console?.windowChanged()
            case .signal(.resumed): console?.resumed()
            case .signal(.terminalStop): console?.suspend()
            case .signal:
                console?.toldToEnd()
                leave()
            case .timer(Timer.flood.rawValue): goOnFlooding()
            default: break
            }
        }
    }

    private func leave() { hub.shutdown(grace: .zero) }

    // MARK: Input

    private func typed(_ input: ConsoleInput<Command>) {
        switch input {
        case .text(let text): send(text, isSlow: false)
        case .command(.flood, let arguments):
            flood = (Int(arguments[0] ?? "") ?? 0, Int(arguments[1] ?? "") ?? 1, 0, 0)
            hub.schedule(Timer.flood.rawValue, after: .zero)
        case .command(.say, let arguments):
            show(arguments.rest(after: 1), from: arguments[0] ?? "")
        case .command(.slow, let arguments): send(arguments.rest(after: 0), isSlow: true)
        case .command(.settle, _): settleSlow()
        case .command(.joins, let arguments):
            for number in 0..<(Int(arguments[0] ?? "") ?? 0) { console?.show(.joined(name: "Guest\(number)")) }
        case .command(.die, let arguments): die(arguments[0] ?? "")
        case .quit, .endOfInput: leave()
        }
    }

    private func send(_ text: String, isSlow: Bool) {
        if let sent { try? PrivateFile.append(JSON.string(text).encoded(style: .compact) + [0x0A], to: sent) }
        count += 1
        let id = "own-\(count)"
        console?.show(
            .message(
                ChatMessage(
                    id: id, sender: "Tester", text: text, time: .now(), isOwn: true, isPending: true)))
        if isSlow {
            slowMessages.append(id)
        } else {
            console?.show(.delivery(id: id, state: .sent))
        }
    }

    private func settleSlow() {
        for id in slowMessages { console?.show(.delivery(id: id, state: .delivered)) }
        slowMessages = []
    }

    private func show(_ text: String, from sender: String) {
        count += 1
        console?.show(
            .message(ChatMessage(id: "\(count)", sender: displayName(sender), text: text, time: .now())))
    }

    private func goOnFlooding() {
        guard let console, !isPaused else { return }
        // Whole messages of this tick; what is left of one is carried on.
        flood.carry += flood.rate * Self.tick
        let due = min(flood.left, flood.carry / 1_000)
        flood.carry %= 1_000
        for _ in 0..<due {
            flood.left -= 1
            flood.shown += 1
            show("flood \(flood.shown) \(Self.words[flood.shown % Self.words.count])", from: "P\(flood.shown % 7)")
        }
        if console.isCongested { isPaused = true }
        if flood.left == 0 {
            console.show(.notice("flood ended after \(flood.shown)"))
        } else if !isPaused {
            hub.schedule(Timer.flood.rawValue, after: .milliseconds(Self.tick))
        }
    }

    /// What the flood says: short, wide, long enough to wrap, hostile.
    private static let words = [
        "short", "日本語の文章", "a line that is long enough to take more than one row of the screen, which is eighty wide",
        "👩‍👩‍👧 family", "\u{1B}[2J\u{1B}[H gotcha", "two\nlines", "e\u{301}\u{327} accents", "\u{202E}reversed",
    ]

    // MARK: Ends

    private func die(_ how: String) {
        switch how {
        case "trap": preconditionFailure("a trap")
        case "abort": abort()
        case "exit": exit(3)
        case "segfault": raise(SIGSEGV)
        case "overflow": print(Self.recurse(1))
        default: leave()
        }
    }

    @inline(never)
    private static func recurse(_ depth: Int) -> Int {
        depth == 0 ? 0 : recurse(depth + 1) + depth
    }
}

@main
struct Main {
    static func main() {
        ProcessSetup.begin()
        exit(MainThread.run(Self.probe))
    }

    private static let probe: @Sendable () async -> Int32 = {
        var common = CommonOptions()
        var sent: String?
        var history: String?
        var arguments = CommandLine.arguments.dropFirst()
        while let argument = arguments.popFirst() {
            switch argument {
            case "--json": common.json = true
            case "--sent": sent = arguments.popFirst()
            case "--history": history = arguments.popFirst()
            case "--color": common.color = arguments.popFirst().flatMap(ColorChoice.init) ?? .auto
            default: return ExitStatus.usage.rawValue
            }
        }
        let settings = ConsoleSettings(mode: "probe", common: common, historyPath: history)
        do {
            let loop = try EventLoop.start(name: "loop")
            let (path, shown) = (sent, settings)
            let status = await loop.run { () -> Int32 in
                let probe = ConsoleProbe(loop: loop, settings: shown, sent: path)
                return (try? await probe.run())?.rawValue ?? ExitStatus.internalError.rawValue
            }
            loop.stop()
            return status
        } catch {
            return ExitStatus.internalError.rawValue
        }
    }
}

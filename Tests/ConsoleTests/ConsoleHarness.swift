import CLinux
import Glibc
import Platform
import Wire

@testable import Console

/// The smallest mode: it shows what it is told, keeps what is typed, and ends as a mode does.
actor ConsoleHarness {
    enum Verb: Hashable, Sendable {
        case peers
        case say
    }

    static let table = CommandTable<Verb>([
        .init(.peers, "peers", summary: "list the peers"),
        .init(.say, "msg", [.required("NAME", .member), .required("TEXT", .text)], summary: "write to NAME alone"),
    ])

    let thread: WorkerThread
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
    private let settings: ConsoleSettings
    private let saysWhatItTakes: Bool
    private var console: ChatConsole<Verb>?
    /// What the console has told so far.
    struct Progress {
        var inputs: [ConsoleInput<Verb>] = []
        var changes: [OutputChange] = []

        var isOver: Bool { inputs.last == .endOfInput || inputs.last == .quit || changes.last == .closed }
    }

    private(set) var progress = Progress()
    private var waiting: [(condition: (Progress) -> Bool, wake: AsyncStream<Void>.Continuation)] = []

    /// - Parameter saysWhatItTakes: shows a notice for each input when it is handed over.
    init(_ settings: ConsoleSettings, saysWhatItTakes: Bool = false) throws {
        self.settings = settings
        self.saysWhatItTakes = saysWhatItTakes
        thread = try WorkerThread(name: "mode")
    }

    /// Runs the console until its input is over, or until the body says so; answers with its outcome.
    func run(
        _ body: @Sendable (isolated ConsoleHarness, ChatConsole<Verb>) async -> Void = { _, _ in }
    ) async throws -> ExitStatus {
        let console = try ChatConsole(settings, commands: Self.table)
        self.console = console
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.write() }
            group.addTask { await self.read() }
            await body(self, console)
            await wait { $0.isOver }
            await console.finish()
        }
        return console.outcome
    }

    /// Ends the thread; the harness cannot be used afterwards.
    nonisolated func stop() { thread.stop() }

    /// Waits until a condition holds; it is looked at whenever something happens.
    func wait(_ condition: @escaping (Progress) -> Bool) async {
        guard !condition(progress) else { return }
        let (woken, wake) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        waiting.append((condition, wake))
        for await _ in woken {}
    }

    private func read() async {
        guard let console else { return }
        for await input in console.inputs {
            progress.inputs.append(input)
            if saysWhatItTakes { console.show(.notice("took \(SafeText(untrusted: "\(input)"))")) }
            lookAround()
        }
    }

    private func write() async {
        guard let console else { return }
        await console.writeOutput { change in
            progress.changes.append(change)
            lookAround()
        }
    }

    private func lookAround() {
        for (index, entry) in waiting.enumerated().reversed() where entry.condition(progress) {
            waiting.remove(at: index)
            entry.wake.finish()
        }
    }
}

/// Pipes in the place of a console's three descriptors.
struct ConsolePipes {
    let input: (read: Int32, write: Int32)
    let output: (read: Int32, write: Int32)
    let diagnostics: (read: Int32, write: Int32)

    init() {
        func make() -> (Int32, Int32) {
            var ends: [Int32] = [0, 0]
            // Not for the programs that other tests start: a pipe ends when nobody has its other end any more.
            precondition(pipe2(&ends, O_CLOEXEC) == 0)
            return (ends[0], ends[1])
        }
        // A reader that has gone is an error of the write here, as in the program.
        signal(SIGPIPE, SIG_IGN)
        input = make()
        output = make()
        diagnostics = make()
    }

    func settings(json: Bool = false, color: ColorChoice = .auto) -> ConsoleSettings {
        ConsoleSettings(
            mode: "test", json: json, color: color, input: input.read, output: output.write,
            diagnostics: diagnostics.write, environment: ConsoleEnvironment(terminal: "xterm-256color"), clock: .fixed)
    }

    /// Writes input and ends it.
    func feed(_ text: String) {
        feed(Array(text.utf8))
        close(input.write)
    }

    func feed(_ bytes: [UInt8]) {
        precondition(write(input.write, bytes, bytes.count) == bytes.count)
    }

    /// What was written; call it once, when the console has finished.
    func collect() -> (output: String, diagnostics: String) {
        close(output.write)
        close(diagnostics.write)
        return (Self.readAll(output.read), Self.readAll(diagnostics.read))
    }

    static func readAll(_ descriptor: Int32) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        close(descriptor)
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Blocking reads and writes beside a test: the threads that run tests are few and must not wait.
actor BlockingPipe {
    private nonisolated let thread: WorkerThread
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init() throws { thread = try WorkerThread(name: "pipe") }

    /// Reads until the end of file and closes.
    func readAll(_ descriptor: Int32) -> String { ConsolePipes.readAll(descriptor) }

    func write(_ bytes: [UInt8], to descriptor: Int32) throws {
        let count = try systemCall("write") { Glibc.write(descriptor, bytes, bytes.count) }
        precondition(count == bytes.count)
    }

    /// Writes all and closes.
    func writeAll(_ bytes: [UInt8], to descriptor: Int32) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress! + written, bytes.count - written)
            }
            precondition(count > 0)
            written += count
        }
        close(descriptor)
    }

    nonisolated func stop() { thread.stop() }
}

extension ConsoleClock {
    /// Friday, 20 November 2026, 14:03:21 UTC, for ever.
    static let fixed = ConsoleClock(
        now: { .sample }, monotonic: { MonotonicTime(nanoseconds: 0) }, utcOffset: { _ in 0 })
}

extension Timestamp {
    static let sample = Timestamp(microseconds: 1_795_183_401_036_000)
}

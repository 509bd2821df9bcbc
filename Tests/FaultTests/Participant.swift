import Glibc
import TestSupport

/// A process of ours that is started, killed and started again, and whose output goes into the journal.
actor Participant {
    let who: Int
    private let arguments: [String]
    private let journal: Journal
    private var child: ChildProcess?
    private(set) var life: Journal.Life
    private let lives: AsyncStream<(ChildProcess, Journal.Life)>
    private let beginnings: AsyncStream<(ChildProcess, Journal.Life)>.Continuation

    init(_ who: Int, _ arguments: [String], _ journal: Journal) {
        self.who = who
        self.arguments = arguments
        self.journal = journal
        life = Journal.Life(who: who, number: 0)
        (lives, beginnings) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(1_000))
    }

    /// Reads what each life says, until `finish`.
    nonisolated func follow() async {
        for await (child, life) in lives {
            while let line = try? await child.line() { await journal.note(line, life) }
            await journal.end(life)
        }
    }

    nonisolated func finish() { beginnings.finish() }

    var isAlive: Bool { child != nil }

    /// Attempts to start it, 50 ms apart at least. What it needs may be another's for good: its port, for one.
    private static let attempts = 400

    /// Starts it; it may take several attempts while what it needs is not there.
    func start() async throws {
        var attempts = 0
        while child == nil, await !journal.isStuck {
            attempts += 1
            guard attempts <= Self.attempts else {
                let command = arguments.joined(separator: " ")
                return await journal.giveUp("\(command) has not started in \(Self.attempts) attempts.")
            }
            life = Journal.Life(who: who, number: life.number + 1)
            let child = try ChildProcess(ChildProcess.product("chat"), arguments)
            self.child = child
            let life = life
            await journal.begin(life)
            beginnings.yield((child, life))
            await journal.wait { $0[life]?.isReady == true || $0[life]?.hasEnded == true }
            if await journal.records[life]?.hasEnded == true {
                self.child = nil
                // Its name or port is not free yet.
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    /// The lives that some of them have now.
    static func lives(of participants: [Participant]) async -> [Journal.Life] {
        var lives: [Journal.Life] = []
        for participant in participants { lives.append(await participant.life) }
        return lives
    }

    /// It has ended by itself.
    var hasEnded: Bool {
        get async { await journal.records[life]?.hasEnded == true }
    }

    func startAgain() async throws {
        child = nil
        try await start()
    }

    func type(_ line: String) { child?.post(line + "\n") }

    /// kill -9.
    func kill() async {
        guard let child else { return }
        self.child = nil
        child.send(SIGKILL)
        _ = await child.exitStatus()
        let life = life
        await journal.wait { $0[life]?.hasEnded == true }
    }

    /// Quits, or asks a server to stop, and waits for the end.
    func stop(signal: Int32? = nil) async -> Int32 {
        guard let child else { return -1 }
        self.child = nil
        if let signal { child.send(signal) } else { child.post("/quit\n") }
        let life = life
        await journal.wait { $0[life]?.hasEnded == true }
        if await journal.isStuck { child.send(SIGKILL) }
        return await child.exitStatus()
    }
}

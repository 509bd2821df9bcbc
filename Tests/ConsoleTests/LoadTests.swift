import Glibc
import Platform
import TestSupport
import Testing
import Wire

@testable import Console
@testable import Terminal

/// A neighbour in the words of the original (Protocols.md, p2p, the dialect "json") that talks at a rate.
private actor FloodPeer {
    private let peer: RawPeer
    private let pace: Pace

    init(port: UInt16) async throws {
        peer = try await RawPeer.connect(to: port)
        pace = try Pace()
    }

    /// Says `count` messages, `rate` a second, in batches of ten milliseconds.
    func flood(_ count: Int, rate: Int) async throws {
        let batch = rate / 100
        for start in stride(from: 0, to: count, by: batch) {
            for number in start..<min(count, start + batch) {
                try await say("flood \(number + 1) \(Self.words[number % Self.words.count])", number: number)
            }
            await pace.rest()
        }
    }

    private static let words = [
        "short", "日本語の文章", "a line that is long enough to take more than one row of the screen, which is eighty wide",
        "👩‍👩‍👧 family", "\u{1B}[2J\u{1B}[H gotcha", "two\nlines", "e\u{301}\u{327} accents", "\u{202E}reversed",
    ]

    private func say(_ text: String, number: Int) async throws {
        let time = Timestamp(microseconds: 1_795_188_924_000_000 + Int64(number)).pythonISO(utcOffset: 0)
        let line: JSON = [
            "type": "chat", "sender": "Flooder", "sender_id": "fa326213-2b51-40c5-84f6-69fc5c253740",
            "text": .string(text), "timestamp": .string(time),
        ]
        let payload = line.encoded(style: .python)
        try await peer.send([UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)] + payload)
    }

    /// The texts that were typed at the other end, up to a number of them.
    func typed(_ count: Int) async throws -> [String] {
        var texts: [String] = []
        while texts.count < count {
            let header = try await peer.receive(2)
            let body = try await peer.receive(Int(header[0]) << 8 | Int(header[1]))
            let line = try JSON(parsing: body[...])
            if line["chat"]?["kind"]?.string == "message", let text = line["text"]?.string { texts.append(text) }
        }
        return texts
    }
}

/// Holds batches apart, on a thread of its own.
private actor Pace {
    private nonisolated let thread: WorkerThread
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init() throws { thread = try WorkerThread(name: "pace") }
    deinit { thread.retire() }

    func rest() { usleep(10_000) }
}

/// The prompt while a thousand messages a second arrive.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct LoadTests {
    private static let rate = 1_000
    private static let count = 3_000

    @Test(arguments: [1, 2] as [UInt64])
    func theProbeUnderLoad(seed: UInt64) async throws {
        let folder = TemporaryFolder()
        let terminal = try PseudoTerminal(
            ChildProcess.product("console-probe"), ["--sent", folder.path(of: "sent")], columns: 60, rows: 24)
        try await terminal.wait { $0.text[0] == ">" }
        let watch = PromptWatch(columns: 60, rows: 24)
        await observe(terminal, watch)
        let start = MonotonicTime.now()
        try await type("/flood \(Self.count) \(Self.rate)\r", terminal, watch)
        try await work(seed, terminal, watch, until: start + .seconds(3))
        try await terminal.wait { screen in
            screen.lines.suffix(200).contains { $0.contains("* flood ended") } && watch.isSettled(screen)
        }
        await check(terminal, watch, since: start)
        await terminal.type("\u{3}\u{3}")
        #expect(await terminal.exitStatus() == 0)
        let sent = String(
            decoding: try PrivateFile.read(folder.path(of: "sent"), limit: 1_000_000) ?? [], as: UTF8.self)
        let texts = try sent.split(separator: "\n").map { try JSON(parsing: Array($0.utf8)[...]).string ?? "" }
        #expect(texts == Array(watch.submitted.dropFirst()), "seed \(seed)")
        #expect(texts.count > 3)
    }

    @Test(arguments: [3] as [UInt64])
    func aMeshUnderLoad(seed: UInt64) async throws {
        let terminal = try PseudoTerminal(
            ChildProcess.product("chat"),
            ["p2p", "0", "--bind", "127.0.0.1", "--name", "Tester", "--memory", "--no-rate-limit"], columns: 60,
            rows: 24)
        let mark = "* listening on 127.0.0.1:"
        let first = try await terminal.wait { screen in
            screen.text.contains { $0.contains(mark) } && screen.text.contains(">")
        }
        let line = first.text.first { $0.contains(mark) } ?? ""
        let digits = String(line.reversed().prefix { $0.isNumber }.reversed())
        let peer = try await FloodPeer(port: try #require(UInt16(digits)))
        let watch = PromptWatch(columns: 60, rows: 24)
        await observe(terminal, watch)
        let start = MonotonicTime.now()
        async let flooded: Void = peer.flood(Self.count, rate: Self.rate)
        try await terminal.wait { $0.text.contains { $0.contains("Flooder: flood ") } }
        try await work(seed, terminal, watch, until: start + .seconds(3))
        try await flooded
        try await terminal.wait { screen in
            screen.text.contains { $0.contains("flood \(Self.count) ") } && watch.isSettled(screen)
        }
        await check(terminal, watch, since: start)
        #expect(watch.submitted.count > 3)
        #expect(try await peer.typed(watch.submitted.count) == watch.submitted)
        await terminal.type("\u{3}\u{3}")
        #expect(await terminal.exitStatus() == 0)
    }

    private func observe(_ terminal: PseudoTerminal, _ watch: PromptWatch) async {
        await terminal.observe { watch.frameEnded($0) }
    }

    /// Waits until everything that was typed is on the screen.
    private func settle(_ terminal: PseudoTerminal, _ watch: PromptWatch) async throws {
        do {
            try await terminal.wait { watch.isSettled($0) }
        } catch {
            Issue.record("the prompt should show \(watch.expected)")
            throw error
        }
    }

    private func type(_ text: String, _ terminal: PseudoTerminal, _ watch: PromptWatch) async throws {
        watch.willType(text)
        await terminal.type(text)
    }

    /// Types what the script says until the time has come, and then until everything is on the screen.
    private func work(
        _ seed: UInt64, _ terminal: PseudoTerminal, _ watch: PromptWatch, until end: MonotonicTime
    ) async throws {
        var script = TypingScript(seed: seed)
        var steps = 0
        while MonotonicTime.now() < end || steps < 100 {
            steps += 1
            switch script.next(after: watch.length) {
            case .type(let text): try await type(text, terminal, watch)
            case .resize(let columns, let rows):
                try await settle(terminal, watch)
                watch.willResize(columns: columns, rows: rows)
                await terminal.resize(columns: columns, rows: rows)
                try await settle(terminal, watch)
            }
            // Now and then everything has to arrive, which also keeps the script from running far ahead.
            if steps.isMultiple(of: 5) { try await settle(terminal, watch) }
        }
        try await type("\u{1B}[Hthe last line \u{1B}[F\r", terminal, watch)
        try await settle(terminal, watch)
    }

    /// What must hold when all is quiet: no frame showed anything else than the line being typed, none too many were
    /// drawn, and what was printed is whole.
    private func check(_ terminal: PseudoTerminal, _ watch: PromptWatch, since start: MonotonicTime) async {
        let seconds = Double((MonotonicTime.now() - start) / .milliseconds(1)) / 1_000
        #expect(watch.failures == [])
        #expect(watch.frames > 10)
        let screen = await terminal.screen
        // At most sixty writes a second: each frame is one, and so is each move of the cursor without a frame.
        #expect(Double(screen.updates) <= seconds * 60 + 5, "\(screen.updates) in \(seconds) s")
        #expect(screen.unknown == [])
        // Everything that was printed begins as the program's lines do, and the prompt is there once.
        let lines = screen.lines.filter { !$0.isEmpty }
        let foreign = lines.filter { !$0.hasPrefix("[") && !$0.hasPrefix("    ") && !$0.hasPrefix("---") }
        #expect(foreign == [">"])
        // Each message once, in order.
        var next = 1
        for line in lines {
            guard let number = Self.number(of: line) else { continue }
            if number == next { next += 1 } else { Issue.record("flood \(number) instead of \(next)") }
            if number != next - 1 { break }
        }
        #expect(next == Self.count + 1)
    }

    private static func number(of line: String) -> Int? {
        let words = line.split(separator: " ")
        guard let index = words.firstIndex(of: "flood"), index + 1 < words.count, words[1].hasSuffix(":"), index == 2
        else { return nil }
        return Int(words[index + 1])
    }
}

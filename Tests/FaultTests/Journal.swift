import Glibc
import Platform
import Testing
import Wire

/// What the processes of one run were told and what they showed, as they told it themselves on standard output.
actor Journal {
    /// One life of a process, from its start to its end.
    struct Life: Hashable, Sendable {
        let who: Int
        let number: Int
    }

    struct Shown: Sendable, Equatable {
        let id: String
        let sender: String
        let text: String
        let offset: Int64?
    }

    struct Record: Sendable {
        /// Others' messages, in the order in which they were shown.
        var shown: [Shown] = []
        /// One's own, by id.
        var own: [String: String] = [:]
        /// The last state of each, by id.
        var states: [String: String] = [:]
        /// Names of whom each is known to have reached.
        var reached: [String: Set<String>] = [:]
        var isReady = false
        var hasEnded = false
        /// What commands were answered.
        var answers: [String] = []
        /// Offsets that it was told are lost.
        var gaps: [ClosedRange<Int64>] = []
        /// Lines that were no JSON object.
        var strays: [String] = []

        func state(ofText text: String) -> String? { own.first { $0.value == text }.flatMap { states[$0.key] } }

        /// What became of each of one's own is known.
        var isSettled: Bool { own.keys.allSatisfy { states[$0] != nil && states[$0] != "sent" } }

        func shows(_ text: String) -> Bool { shown.contains { $0.text == text } }
    }

    /// `CHAT_FAULT_TRACE` shows what everybody says while it is said.
    private static let traces = getenv("CHAT_FAULT_TRACE") != nil

    private(set) var records: [Life: Record] = [:]
    private var waiters: [(id: Int, holds: @Sendable ([Life: Record]) -> Bool, go: CheckedContinuation<Void, Never>)] =
        []
    private var nextWaiter = 0
    private let schedule: String
    private var lastNews = MonotonicTime.now()
    /// Somebody has waited in vain, and nobody waits any more.
    private(set) var isStuck = false

    /// Silence after which what is waited for will not come: longer than anything in the program waits to try again.
    private static let patience: Duration = .seconds(100)

    init(_ schedule: Schedule) { self.schedule = "\(schedule)" }

    func trace(_ step: Schedule.Step) {
        Self.trace("-- \(step)")
    }

    private static func trace(_ line: String) {
        guard traces else { return }
        print(line)
        fflush(nil)
    }

    func begin(_ life: Life) {
        lastNews = .now()
        records[life] = Record()
    }

    func note(_ line: String, _ life: Life) {
        defer { wake() }
        lastNews = .now()
        Self.trace("\(life.who).\(life.number) \(line)")
        guard let event = try? JSON(parsing: Array(line.utf8)[...]), case .object = event else {
            records[life, default: Record()].strays.append(line)
            return
        }
        let id = event["id"]?.string ?? ""
        switch event["event"]?.string {
        case "ready", "listening": records[life]?.isReady = true
        case "message" where event["own"]?.bool == true: records[life]?.own[id] = event["text"]?.string ?? ""
        case "message":
            records[life]?.shown.append(
                Shown(
                    id: id, sender: event["sender"]?.string ?? "", text: event["text"]?.string ?? "",
                    offset: event["offset"]?.integer))
        case "gap":
            if let from = event["from"]?.integer, let to = event["to"]?.integer, from <= to {
                records[life]?.gaps.append(from...to)
            }
        case "answer": records[life]?.answers += event["lines"]?.array?.compactMap(\.string) ?? []
        case "error": records[life]?.answers.append(event["text"]?.string ?? "")
        case "delivery":
            records[life]?.states[id] = event["state"]?.string
            if event["state"]?.string == "delivered", let to = event["to"]?.string {
                records[life]?.reached[id, default: []].insert(to)
            }
        default: break
        }
    }

    func end(_ life: Life) {
        lastNews = .now()
        records[life]?.hasEnded = true
        Self.trace("\(life.who).\(life.number) has ended")
        wake()
    }

    /// Waits until the records are as wanted: each event is looked at. Where everybody has fallen silent and it is still
    /// not so, that is recorded, and nobody waits any more.
    func wait(until holds: @escaping @Sendable ([Life: Record]) -> Bool) async {
        nextWaiter += 1
        let id = nextWaiter
        let watch = Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(5))
                giveUpIfSilent()
            }
        }
        await withCheckedContinuation { go in
            // Looked at here and not before: what is waited for may come on the way, and would wake nobody.
            if isStuck || holds(records) { go.resume() } else { waiters.append((id, holds, go)) }
        }
        watch.cancel()
    }

    /// Types lines until the last of them has the answer that is wanted, or the process has ended.
    func persuade(_ participant: Participant, by lines: [String], until wanted: String) async {
        while !isStuck {
            let life = await participant.life
            for line in lines {
                let count = records[life]?.answers.count ?? 0
                await participant.type(line)
                await wait { ($0[life]?.answers.count ?? 0) > count || $0[life]?.hasEnded == true }
            }
            guard let record = records[life], !record.hasEnded else { return }
            if record.answers.contains(where: { $0.contains(wanted) }) { return }
        }
    }

    private func giveUpIfSilent() {
        guard !isStuck, !waiters.isEmpty, .now() - lastNews > Self.patience else { return }
        giveUp("What was waited for has not come.")
    }

    /// Says why the run has failed, and lets it end.
    func giveUp(_ reason: String) {
        guard !isStuck else { return }
        isStuck = true
        Issue.record("\(reason)\n\(schedule)\n\(summary)")
        for waiter in waiters { waiter.go.resume() }
        waiters = []
    }

    /// What is not settled, for a reader of the failure.
    private var summary: String {
        records.sorted { ($0.key.who, $0.key.number) < ($1.key.who, $1.key.number) }.map { life, record in
            let open = record.own.filter { record.states[$0.key].map { $0 == "sent" } ?? true }.values.sorted()
            return "\(life.who).\(life.number) ended \(record.hasEnded), shown \(record.shown.count), "
                + "own \(record.own.count), open \(open), last answer \(record.answers.last ?? "-")"
        }.joined(separator: "\n")
    }

    private func wake() {
        for waiter in waiters where waiter.holds(records) {
            waiters.removeAll { $0.id == waiter.id }
            waiter.go.resume()
        }
    }
}

extension [Journal.Life: Journal.Record] {
    /// The last words of all others were shown to one.
    func hasLastWords(_ life: Journal.Life, of lives: [Journal.Life]) -> Bool {
        lives.allSatisfy { $0 == life || self[life]?.shows(Run.lastWords(of: $0)) == true }
    }
}

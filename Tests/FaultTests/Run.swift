import FaultProxy
import Glibc
import Testing
import Wire

/// Carries out a schedule and counts what everybody wrote.
struct Run {
    /// Seeds of each test: few in the suite, as many as asked for in the long version.
    static let seeds: [UInt64] = {
        let count = getenv("CHAT_FAULT_SEEDS").flatMap { UInt64(String(cString: $0)) } ?? 2
        let first = getenv("CHAT_FAULT_FIRST").flatMap { UInt64(String(cString: $0)) } ?? 1
        return Array(first..<(first + count))
    }()

    /// A server that is killed comes back on the ports it had: they are those of doors at another address, which nobody
    /// else is given.
    static func doorway(seed: UInt64, _ transports: FaultProxy.Route.Transport...) throws -> FaultProxy {
        let elsewhere = SocketAddress(ip: .v4(0x7F00_0009), port: 0)
        let here = SocketAddress(ip: .loopbackV4, port: 0)
        return try FaultProxy(seed: seed, routes: transports.map { .init($0, front: elsewhere, to: here) })
    }

    let proxy: FaultProxy
    let participants: [Participant]
    let journal: Journal
    /// The line that says a text: of whom, which of its messages, the text.
    let line: @Sendable (Int, Int, String) -> String
    /// What a participant types as soon as it has been started again.
    let greeting: [String]
    private var counts: [Int: Int] = [:]

    init(
        _ proxy: FaultProxy, _ participants: [Participant], _ journal: Journal, greeting: [String] = [],
        line: @escaping @Sendable (Int, Int, String) -> String = { $2 }
    ) {
        self.proxy = proxy
        self.participants = participants
        self.journal = journal
        self.greeting = greeting
        self.line = line
    }

    mutating func carryOut(_ schedule: Schedule) async throws {
        for step in schedule.steps {
            await journal.trace(step)
            switch step {
            case .say(let who): await say(who)
            case .weather(let weather): proxy.setWeather(weather)
            case .cut(let groups): proxy.cut(groups)
            case .join: proxy.join()
            case .resetAll: proxy.resetAll()
            case .forgetCallers: proxy.forgetCallers()
            case .restart(let who):
                await participants[who].kill()
                // Nobody can start where nobody can be reached.
                proxy.join()
                proxy.setWeather(.fair)
                try await start(who)
            case .pass(let time): try await Task.sleep(for: .milliseconds(time))
            }
        }
        proxy.join()
        proxy.setWeather(.fair)
    }

    func start(_ who: Int) async throws {
        try await participants[who].start()
        for line in greeting { await participants[who].type(line) }
    }

    /// Texts say who wrote them and when: `2-17` is the seventeenth of participant 2.
    mutating func say(_ who: Int) async {
        counts[who, default: 0] += 1
        await say(who, counts[who]!)
    }

    private func say(_ who: Int, _ number: Int) async {
        await participants[who].type(line(who, number, "\(who)-\(number)"))
    }

    /// Lets some say something for the last time.
    func sayLastWords(_ speakers: some Sequence<Int>) async {
        for who in speakers { await say(who, Self.lastNumber) }
    }

    private static let lastNumber = 9_999

    static func lastWords(of life: Journal.Life) -> String { "\(life.who)-\(lastNumber)" }

    /// What no run may show, whatever the mode: a message twice, one author's messages out of their order, anything that
    /// is no event.
    ///
    /// - Parameter inOrder: whose lives show the messages of one author in their order.
    static func checkEverybody(
        _ records: [Journal.Life: Journal.Record], _ schedule: Schedule, inOrder: (Journal.Life) -> Bool = { _ in true }
    ) {
        checkStrays(records, schedule)
        let authors = records.reduce(into: [String: Journal.Life]()) { authors, record in
            for id in record.value.own.keys { authors[id] = record.key }
        }
        for (life, record) in records {
            let ids = record.shown.map(\.id)
            #expect(Set(ids).count == ids.count, "\(life) showed a message twice\n\(schedule)")
            for (author, numbers) in numbers(record, by: authors) where inOrder(life) {
                #expect(numbers == numbers.sorted(), "\(life) showed \(author) out of order: \(numbers)\n\(schedule)")
            }
        }
    }

    /// Nobody wrote what is no event: all that can be asked for where bytes were damaged.
    static func checkStrays(_ records: [Journal.Life: Journal.Record], _ schedule: Schedule) {
        for (life, record) in records {
            #expect(record.strays.isEmpty, "\(life) wrote something else\n\(schedule)")
        }
    }

    /// Ends a server as an operator does; after it nobody begins anew.
    static func end(_ server: Participant, _ clients: [Participant], _ schedule: Schedule) async {
        #expect(await server.stop(signal: SIGTERM) == 0, "\(schedule)")
        for participant in [server] + clients { participant.finish() }
    }

    /// What was shown of each life of each author, as the numbers that end its texts.
    private static func numbers(
        _ record: Journal.Record, by authors: [String: Journal.Life]
    ) -> [Journal.Life: [Int]] {
        record.shown.reduce(into: [:]) { numbers, message in
            guard let author = authors[message.id], let number = number(message.text) else { return }
            numbers[author, default: []].append(number)
        }
    }

    static func number(_ text: String) -> Int? { text.split(separator: "-").last.flatMap { Int($0) } }
}

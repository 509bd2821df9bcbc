import Platform
import Wire

/// What was said by whom and when it was shown.
package actor Ledger {
    /// Nothing more arrives, and this is missing.
    package struct Missing: Error, CustomStringConvertible {
        package let texts: [String]
        /// The end of what each of the others was shown, by its process.
        package let lastWords: [Int32: String]
        package var description: String {
            lastWords.sorted { $0.key < $1.key }.reduce("never shown: \(texts.joined(separator: " "))") {
                "\($0)\nprocess \($1.key) wrote last: \($1.value)"
            }
        }
    }

    /// Looks in a row at which nothing more was shown, after which what is missing will not come: a minute and a half, in
    /// which this process has run. On a machine that stood still the others have not run either.
    private static let patience = 4_500
    private static let lookInterval: Duration = .milliseconds(20)

    private var tails: [Int32: OutputTail] = [:]
    private var sent: [String: MonotonicTime] = [:]
    private var latencies: [Duration] = []
    /// The last number of each speaker that was shown.
    private var last: [Substring: Int] = [:]
    /// What was shown twice or out of its author's order.
    package private(set) var disorder: [String] = []
    /// Looks since something was shown.
    private var looks = 0

    /// Where the end of what a process writes is kept, for the case that something is missing.
    func tail(of pid: Int32) -> OutputTail {
        let tail = OutputTail()
        tails[pid] = tail
        return tail
    }

    func say(_ text: String) { sent[text] = .now() }

    func shown(_ text: String, at time: MonotonicTime) {
        let parts = text.split(separator: "-")
        guard parts.count == 2, let number = Int(parts[1]) else { return }
        looks = 0
        if number <= last[parts[0], default: 0] { disorder.append(text) }
        last[parts[0]] = number
        if let then = sent.removeValue(forKey: text) { latencies.append(time - then) }
    }

    /// What the server has written, by the kind of event.
    package private(set) var events: [String: Int] = [:]

    /// Notices and errors of the server: what is no mode's own business.
    package var notices: Int { events["notice", default: 0] + events["error", default: 0] }

    func logged(_ event: String) { events[event, default: 0] += 1 }

    /// Waits until everything that was said was shown.
    ///
    /// - Returns: how long each took.
    package func settle() async throws -> [Duration] {
        looks = 0
        while !sent.isEmpty {
            looks += 1
            if looks > Self.patience {
                var lastWords: [Int32: String] = [:]
                for (pid, tail) in tails { lastWords[pid] = await tail.text }
                throw Missing(texts: sent.keys.sorted(), lastWords: lastWords)
            }
            try await Task.sleep(for: Self.lookInterval)
        }
        defer { latencies = [] }
        return latencies
    }

    /// Of processes that are gone: nobody will hear of it.
    package func forget(speaker: Int) { sent = sent.filter { !$0.key.hasPrefix("\(speaker)-") } }
}

/// The end of what a process has written. One of its own for each: strangers make some write megabytes, and nobody who
/// looks at the time may wait for that.
actor OutputTail {
    /// Bytes that are kept.
    static let limit = 1_000

    private var bytes: [UInt8] = []

    func add(_ end: ArraySlice<UInt8>) {
        bytes = Array((bytes + end.suffix(Self.limit)).suffix(Self.limit))
    }

    func add(_ line: String) { add(Array((line + "\n").utf8)[...]) }

    var text: String { String(decoding: bytes, as: UTF8.self) }
}

extension [Duration] {
    /// What is not exceeded by so many of a hundred.
    package func percentile(_ percent: Int) -> Duration {
        let ordered = sorted()
        return ordered.isEmpty ? .zero : ordered[Swift.min(ordered.count - 1, (ordered.count * percent) / 100)]
    }
}

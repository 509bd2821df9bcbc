import Delivery
import Platform
import Wire

/// What was said by whom and when it was shown.
package actor Ledger {
    /// Nothing more arrives, and this is missing.
    package struct Missing: Error, CustomStringConvertible {
        package let texts: [String]
        /// The end of what each of the others was shown, by its process.
        package let lastWords: [Int32: [UInt8]]
        package var description: String {
            lastWords.sorted { $0.key < $1.key }.reduce("never shown: \(texts.joined(separator: " "))") {
                "\($0)\nprocess \($1.key) heard last: \(String(decoding: $1.value, as: UTF8.self))"
            }
        }
    }

    /// Silence after which what is missing will not come.
    private static let patience: Duration = .seconds(90)

    /// Bytes, and lines, of what somebody was shown that are kept.
    private static let keptBytes = 1_000
    private static let keptLines = 10

    private var lastWords: [Int32: [UInt8]] = [:]
    private var lastLines: [Int32: RingBuffer<String>] = [:]
    private var sent: [String: MonotonicTime] = [:]
    private var latencies: [Duration] = []
    /// The last number of each speaker that was shown.
    private var last: [Substring: Int] = [:]
    /// What was shown twice or out of its author's order.
    package private(set) var disorder: [String] = []
    private var lastArrival = MonotonicTime.now()

    func heard(_ bytes: some Collection<UInt8>, by pid: Int32) {
        lastWords[pid] = Array((lastWords[pid, default: []] + bytes.suffix(Self.keptBytes)).suffix(Self.keptBytes))
    }

    /// The same of somebody whose lines are read: what is no message, and is looked at only when something is missing.
    func noted(_ line: String, by pid: Int32) {
        lastLines[pid, default: RingBuffer(capacity: Self.keptLines)].append(line)
    }

    func say(_ text: String) { sent[text] = .now() }

    func shown(_ text: String, at time: MonotonicTime) {
        let parts = text.split(separator: "-")
        guard parts.count == 2, let number = Int(parts[1]) else { return }
        lastArrival = time
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
        lastArrival = .now()
        while !sent.isEmpty {
            if .now() - lastArrival > Self.patience {
                let lines = lastLines.mapValues { Array($0.joined(separator: "\n").utf8) }
                throw Missing(texts: sent.keys.sorted(), lastWords: lastWords.merging(lines) { $1 })
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        defer { latencies = [] }
        return latencies
    }

    /// Of processes that are gone: nobody will hear of it.
    package func forget(speaker: Int) { sent = sent.filter { !$0.key.hasPrefix("\(speaker)-") } }
}

extension [Duration] {
    /// What is not exceeded by so many of a hundred.
    package func percentile(_ percent: Int) -> Duration {
        let ordered = sorted()
        return ordered.isEmpty ? .zero : ordered[Swift.min(ordered.count - 1, (ordered.count * percent) / 100)]
    }
}

import Abuse

/// Samples of one process over time, and what they say.
struct Verdict: Sendable, CustomStringConvertible {
    /// The part of the samples at the beginning in which tables and buffers fill.
    private static let warmUp = 0.25
    /// What memory may grow by from the first half of the rest to the second: this part, and so many KiB.
    private static let growth = 0.1
    private static let slack = 1_024

    let what: String
    let problem: String?
    let samples: [ProcessGauge]

    init(_ what: String, _ samples: [ProcessGauge], problem: String? = nil) {
        self.what = what
        self.samples = samples
        self.problem = problem
    }

    private var settled: ArraySlice<ProcessGauge> { samples.dropFirst(Int(Double(samples.count) * Self.warmUp)) }
    private var halves: (ArraySlice<ProcessGauge>, ArraySlice<ProcessGauge>) {
        (settled.prefix(settled.count / 2), settled.suffix(settled.count / 2))
    }

    private static func median(_ values: some Sequence<Int>) -> Int {
        let ordered = values.sorted()
        return ordered.isEmpty ? 0 : ordered[ordered.count / 2]
    }

    var isLevel: Bool {
        guard problem == nil, !halves.0.isEmpty else { return false }
        let (first, second) = (Self.median(halves.0.map(\.resident)), Self.median(halves.1.map(\.resident)))
        return second <= first + Int(Double(first) * Self.growth) + Self.slack
            && Self.median(halves.1.map(\.descriptors)) <= Self.median(halves.0.map(\.descriptors))
            && Self.median(halves.1.map(\.threads)) <= Self.median(halves.0.map(\.threads))
    }

    var description: String {
        let (first, second) = halves
        func row(_ value: (ProcessGauge) -> Int) -> String {
            "\(Self.median(first.map(value))) -> \(Self.median(second.map(value))) (at most \(samples.map(value).max() ?? 0))"
        }
        return "\(what): memory \(row(\.resident)) KiB, descriptors \(row(\.descriptors)), threads \(row(\.threads)), "
            + "\(samples.count) samples: \(problem ?? (isLevel ? "level" : "not level"))"
    }
}

import FuzzTargets
import Glibc
import TestSupport
import Testing
import Wire

/// The short version: the seeds, what was found once, and mutations of both. The long one is in `Tests/README.md`.
@Suite struct SeededFuzzTests {
    /// Inputs of each target; `CHAT_FUZZ_INPUTS` asks for more.
    private static let count = getenv("CHAT_FUZZ_INPUTS").flatMap { Int(String(cString: $0)) } ?? 3_000

    @Test(arguments: FuzzTarget.all) func nothingTraps(target: FuzzTarget) throws {
        let corpus = target.seeds + Self.found(target.name)
        for input in corpus { try Self.run(target, input) }
        var random = SplitMix64(seed: UInt64(target.name.utf8.count))
        var mutator = Mutator(corpus: corpus)
        for _ in 0..<Self.count { try Self.run(target, mutator.next(using: &random)) }
    }

    /// A promise that is broken is seen.
    @Test func violationsAreSeen() {
        let target = FuzzTarget("always wrong", seeds: ["x"]) { bytes in
            throw FuzzTarget.Violation("\(bytes.count) bytes")
        }
        #expect(throws: FuzzTarget.Violation.self) { try target.run([1]) }
    }

    private static func run(_ target: FuzzTarget, _ input: [UInt8]) throws {
        do {
            try target.run(input)
        } catch {
            let hex = input.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            Issue.record("\(target.name): \(error), input \(hex)")
            throw error
        }
    }

    /// Inputs that broke something once: hexadecimal, a line each.
    private static func found(_ name: String) -> [[UInt8]] {
        let text = String(decoding: contents(ofProjectFile: "Tests/FuzzTests/found.txt"), as: UTF8.self)
        return text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ")
            guard parts.count == 2, parts[0] == name else { return nil }
            let digits = Array(parts[1])
            return stride(from: 0, to: digits.count - 1, by: 2).compactMap { index in
                UInt8(String(digits[index...index + 1]), radix: 16)
            }
        }
    }
}

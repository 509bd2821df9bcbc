import Testing
import Wire

@testable import Bench

@Suite struct HistogramTests {
    @Test func percentilesAreExactToTheResolution() {
        var histogram = Histogram()
        for value in 1...100_000 { histogram.record(Int64(value)) }
        for part in [0.5, 0.9, 0.99, 0.999] {
            let exact = 100_000 * part
            let found = Double(histogram.percentile(part))
            #expect(found >= exact && found <= exact * (1 + 1 / 64.0), "\(part): \(found)")
        }
        #expect(histogram.percentile(1) == 100_000 && histogram.maximum == 100_000)
    }

    @Test func theEdges() {
        var histogram = Histogram()
        #expect(histogram.percentile(0.5) == 0)
        histogram.record(-5)
        histogram.record(.max)
        #expect(histogram.percentile(0.5) == 0 && histogram.percentile(1) == UInt64(Int64.max))
        var other = Histogram()
        other.record(7)
        histogram.merge(other)
        #expect(histogram.count == 3 && histogram.percentile(0.5) == 7)
    }

    @Test func aLatePacerCatchesUpFromTheTimesThatWereMeant() {
        var pacer = Pacer(rate: 1_000, start: MonotonicTime(nanoseconds: 0))
        var due: [Int64] = []
        while let time = pacer.take(at: MonotonicTime(nanoseconds: 3_500_000)) { due.append(time.nanoseconds) }
        #expect(due == [0, 1_000_000, 2_000_000, 3_000_000])
        #expect(pacer.next == MonotonicTime(nanoseconds: 4_000_000))
    }
}

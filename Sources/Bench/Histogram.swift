/// Latencies, counted in buckets whose width is at most 1/64 of their value, so that a percentile is exact to 1.6 %.
struct Histogram: Sendable {
    /// Sub-buckets of each power of two.
    static let resolution = 64
    /// Powers of two: 64 sub-buckets each cover every 64-bit value.
    private static let powers = 58

    private var counts = [UInt64](repeating: 0, count: (powers + 1) * resolution)
    private(set) var count: UInt64 = 0
    private(set) var maximum: UInt64 = 0

    /// Records a value, in nanoseconds here; negative ones, which a clock that was read on another core can bring, as 0.
    mutating func record(_ value: Int64) {
        let value = UInt64(max(0, value))
        counts[Self.bucket(of: value)] += 1
        count += 1
        maximum = max(maximum, value)
    }

    /// The smallest recorded value, to the resolution, that a part of all values does not exceed; 0 without values.
    ///
    /// - Parameter part: 0 to 1.
    func percentile(_ part: Double) -> UInt64 {
        let rank = max(1, UInt64((Double(count) * part).rounded(.up)))
        var seen: UInt64 = 0
        for (bucket, number) in counts.enumerated() {
            seen += number
            if seen >= rank { return min(Self.upperBound(of: bucket), maximum) }
        }
        return 0
    }

    mutating func merge(_ other: Histogram) {
        for index in counts.indices { counts[index] += other.counts[index] }
        count += other.count
        maximum = max(maximum, other.maximum)
    }

    private static func bucket(of value: UInt64) -> Int {
        guard value >= UInt64(resolution) else { return Int(value) }
        let shift = UInt64.bitWidth - value.leadingZeroBitCount - 7
        return (shift + 1) * resolution + Int(value >> UInt64(shift)) - resolution
    }

    private static func upperBound(of bucket: Int) -> UInt64 {
        guard bucket >= resolution else { return UInt64(bucket) }
        let shift = UInt64(bucket / resolution - 1)
        let value = UInt64(bucket % resolution + resolution)
        return (value << shift) + (1 << shift) - 1
    }
}

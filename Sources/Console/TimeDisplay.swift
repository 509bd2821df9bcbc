import Wire

/// How the time before a line looks: `/time off|short|long|iso`.
package enum TimeStyle: String, Sendable, CaseIterable {
    case off
    /// `[14:03]`
    case short
    /// `[14:03:21]`
    case long
    /// `[2026-11-20T14:03:21+01:00]`
    case iso
}

/// Turns moments into local times, keeping the last result: under load many lines share a second.
struct TimeDisplay {
    var style: TimeStyle { didSet { cachedSecond = .min } }

    /// Seconds that local time is ahead of UTC at a moment.
    private let offset: (Timestamp) -> Int

    private var cachedSecond = Int64.min
    private var cachedPrefix: SafeText = ""

    /// Offsets change at quarters of an hour of UTC at the earliest, so one is asked for per quarter.
    private var cachedQuarter = Int64.min
    private var cachedOffset = 0

    init(style: TimeStyle, offset: @escaping (Timestamp) -> Int) {
        self.style = style
        self.offset = offset
    }

    /// What a line of that moment begins with, with a space at its end; empty for `off`.
    mutating func prefix(of moment: Timestamp) -> SafeText {
        if style == .off { return "" }
        let second = moment.wholeSeconds
        if second != cachedSecond {
            cachedPrefix = makePrefix(civil(moment), offset: cachedOffset)
            cachedSecond = second
        }
        return cachedPrefix
    }

    /// The local calendar time of a moment.
    mutating func civil(_ moment: Timestamp) -> CivilTime {
        let quarter = moment.wholeSeconds / 900
        if quarter != cachedQuarter {
            cachedOffset = offset(moment)
            cachedQuarter = quarter
        }
        return CivilTime(moment, utcOffset: cachedOffset)
    }

    private func makePrefix(_ time: CivilTime, offset: Int) -> SafeText {
        let clock = "\(two(time.hour)):\(two(time.minute))"
        switch style {
        case .off: return ""
        case .short: return SafeText(untrusted: "[\(clock)] ")
        case .long: return SafeText(untrusted: "[\(clock):\(two(time.second))] ")
        case .iso:
            let minutes = abs(offset) / 60
            let zone = offset == 0 ? "Z" : (offset < 0 ? "-" : "+") + "\(two(minutes / 60)):\(two(minutes % 60))"
            let day = "\(time.year)-\(two(time.month))-\(two(time.day))"
            return SafeText(untrusted: "[\(day)T\(clock):\(two(time.second))\(zone)] ")
        }
    }

    private func two(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }
}

extension Timestamp {
    /// Seconds since the epoch, rounded down, before the epoch too.
    var wholeSeconds: Int64 {
        let (quotient, remainder) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        return remainder < 0 ? quotient - 1 : quotient
    }
}

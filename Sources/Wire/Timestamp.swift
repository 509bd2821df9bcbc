/// A point in time of the calendar.
package struct Timestamp: Comparable, Hashable, Sendable {
    /// Since 1970-01-01T00:00:00Z, without leap seconds.
    package var microseconds: Int64

    package init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// The point at which clocks `utcOffset` seconds east of Greenwich show `civil`. Years beyond 200,000 are cut.
    package init(_ civil: CivilTime, utcOffset: Int = 0) {
        let year = min(max(civil.year, -200_000), 200_000)
        let days = Int64(CivilTime.days(year: year, month: civil.month, day: civil.day))
        let seconds =
            days * 86_400 + Int64(civil.hour) * 3600 + Int64(civil.minute) * 60 + Int64(civil.second) - Int64(utcOffset)
        microseconds = seconds * 1_000_000 + Int64(civil.microsecond)
    }

    /// Reads RFC 3339, "2026-11-20T14:23:07.036Z", with any number of digits of the fraction (what is beyond
    /// microseconds is dropped) and any offset. `nil` when it is something else, or a date that does not exist.
    package init?(rfc3339 text: String) {
        var scanner = DateScanner(text)
        guard let civil = scanner.dateAndTime(), let offset = scanner.offset(), scanner.isAtEnd else { return nil }
        self.init(civil, utcOffset: offset)
    }

    /// Reads what Python's `datetime.isoformat()` writes for a local time: RFC 3339 without an offset.
    package init?(pythonISO text: String, utcOffset: Int) {
        var scanner = DateScanner(text)
        guard let civil = scanner.dateAndTime(), scanner.isAtEnd else { return nil }
        self.init(civil, utcOffset: utcOffset)
    }

    /// UTC with milliseconds, "2026-11-20T14:23:07.036Z". Years outside 0...9999 are shown as the nearest of them.
    package var rfc3339: String {
        String(decoding: written { $0.append(rfc3339: self) }, as: UTF8.self)
    }

    /// Local time as Python's `datetime.isoformat()` writes it: six digits of the second, none at all when they are
    /// zero, no zone. `utcOffset` in seconds east of Greenwich.
    package func pythonISO(utcOffset: Int) -> String {
        String(decoding: written { $0.append(pythonISO: self, utcOffset: utcOffset) }, as: UTF8.self)
    }

    /// That point moved by `duration`, kept within the range of the type.
    package func advanced(by duration: Duration) -> Timestamp {
        let (sum, overflow) = microseconds.addingReportingOverflow(duration.nanoseconds / 1000)
        return Timestamp(microseconds: overflow ? (duration < .zero ? .min : .max) : sum)
    }

    package static func + (time: Timestamp, duration: Duration) -> Timestamp {
        time.advanced(by: duration)
    }

    package static func - (time: Timestamp, duration: Duration) -> Timestamp {
        time.advanced(by: .zero - duration)
    }

    /// How long after `earlier` it is; negative when it lies before.
    package static func - (later: Timestamp, earlier: Timestamp) -> Duration {
        let (difference, overflow) = later.microseconds.subtractingReportingOverflow(earlier.microseconds)
        return .microseconds(overflow ? (later < earlier ? .min : .max) : difference)
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.microseconds < right.microseconds
    }

    private func written(_ body: (inout ByteWriter) -> Void) -> [UInt8] {
        var writer = ByteWriter(reserving: 32)
        body(&writer)
        return writer.bytes
    }
}

extension ByteWriter {
    /// Appends what `Timestamp.rfc3339` returns.
    package mutating func append(rfc3339 timestamp: Timestamp) {
        let civil = CivilTime(timestamp)
        append(dateAndTime: civil) { date in
            date.put(UInt8(ascii: "."))
            date.put(digits: civil.microsecond / 1000, count: 3)
            date.put(UInt8(ascii: "Z"))
        }
    }

    /// Appends what `Timestamp.pythonISO` returns.
    package mutating func append(pythonISO timestamp: Timestamp, utcOffset: Int) {
        let civil = CivilTime(timestamp, utcOffset: utcOffset)
        append(dateAndTime: civil) { date in
            guard civil.microsecond != 0 else { return }
            date.put(UInt8(ascii: "."))
            date.put(digits: civil.microsecond, count: 6)
        }
    }

    private mutating func append(dateAndTime civil: CivilTime, andThen body: (inout DateBuffer) -> Void) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: DateBuffer.capacity) { buffer in
            var date = DateBuffer(buffer: buffer)
            date.put(digits: min(max(civil.year, 0), 9999), count: 4)
            date.put(UInt8(ascii: "-"))
            date.put(digits: civil.month, count: 2)
            date.put(UInt8(ascii: "-"))
            date.put(digits: civil.day, count: 2)
            date.put(UInt8(ascii: "T"))
            date.put(digits: civil.hour, count: 2)
            date.put(UInt8(ascii: ":"))
            date.put(digits: civil.minute, count: 2)
            date.put(UInt8(ascii: ":"))
            date.put(digits: civil.second, count: 2)
            body(&date)
            append(contentsOf: UnsafeBufferPointer(rebasing: buffer[..<date.count]))
        }
    }
}

/// Collects one date, so that it is appended in one piece.
private struct DateBuffer {
    /// More than the longest, "2026-11-20T14:23:07.036119", in bytes.
    static let capacity = 32
    let buffer: UnsafeMutableBufferPointer<UInt8>
    var count = 0

    mutating func put(_ byte: UInt8) {
        buffer[count] = byte
        count += 1
    }

    /// `value` in decimal with zeros in front, exactly `digits` of them.
    mutating func put(digits value: Int, count digits: Int) {
        var rest = UInt32(truncatingIfNeeded: value)
        for place in stride(from: count + digits - 1, through: count, by: -1) {
            buffer[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        count += digits
    }
}

/// Reads the parts of an RFC 3339 date (section 5.6) off the front of a text.
private struct DateScanner {
    /// Longer than any date with a sensible fraction, in bytes.
    private static let mostBytes = 64
    private var unread: ArraySlice<UInt8>

    init(_ text: String) {
        unread = Array(text.utf8.prefix(Self.mostBytes + 1))[...]
        // What is cut off must not make a date of what is none.
        if unread.count > Self.mostBytes { unread = [] }
    }

    var isAtEnd: Bool { unread.isEmpty }

    mutating func dateAndTime() -> CivilTime? {
        guard let year = digits(4), take("-"), let month = digits(2), take("-"), let day = digits(2),
            take("T") || take("t") || take(" "),
            let hour = digits(2), take(":"), let minute = digits(2), take(":"), let second = digits(2)
        else { return nil }
        var microsecond = 0
        if take(".") {
            guard let fraction = fraction() else { return nil }
            microsecond = fraction
        }
        let civil = CivilTime(
            year: year, month: month, day: day, hour: hour, minute: minute, second: second, microsecond: microsecond)
        return civil.isValid ? civil : nil
    }

    /// "Z" or "+05:30", in seconds east of Greenwich.
    mutating func offset() -> Int? {
        if take("Z") || take("z") { return 0 }
        let sign: Int
        if take("+") {
            sign = 1
        } else if take("-") {
            sign = -1
        } else {
            return nil
        }
        guard let hours = digits(2), take(":"), let minutes = digits(2), hours < 24, minutes < 60 else { return nil }
        return sign * (hours * 3600 + minutes * 60)
    }

    private mutating func fraction() -> Int? {
        var value = 0
        var count = 0
        while let digit = unread.first.flatMap(decimalDigit) {
            if count < 6 { value = value * 10 + digit }
            count += 1
            unread.removeFirst()
        }
        guard count > 0 else { return nil }
        for _ in 0..<max(0, 6 - count) { value *= 10 }
        return value
    }

    private mutating func digits(_ count: Int) -> Int? {
        var value = 0
        for _ in 0..<count {
            guard let digit = unread.first.flatMap(decimalDigit) else { return nil }
            value = value * 10 + digit
            unread.removeFirst()
        }
        return value
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard unread.first == UInt8(ascii: character) else { return false }
        unread.removeFirst()
        return true
    }
}

/// The value of an ASCII digit.
func decimalDigit(_ byte: UInt8) -> Int? {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) ? Int(byte - UInt8(ascii: "0")) : nil
}

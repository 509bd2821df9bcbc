/// A date and time of day of the proleptic Gregorian calendar, in some fixed offset from UTC.
package struct CivilTime: Hashable, Sendable {
    package var year: Int
    /// 1...12
    package var month: Int
    /// 1...31
    package var day: Int
    /// 0...23
    package var hour: Int
    /// 0...59
    package var minute: Int
    /// 0...59
    package var second: Int
    /// 0...999,999
    package var microsecond: Int

    package init(
        year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0, microsecond: Int = 0
    ) {
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
        self.microsecond = microsecond
    }

    /// The date and time that clocks show at `timestamp`, `utcOffset` seconds east of Greenwich.
    package init(_ timestamp: Timestamp, utcOffset: Int = 0) {
        let (local, overflow) = timestamp.microseconds.addingReportingOverflow(Int64(utcOffset) * 1_000_000)
        let microseconds = overflow ? timestamp.microseconds : local
        let (days, timeOfDay) = flooredDivision(microseconds, 86_400_000_000)
        (year, month, day) = Self.civil(fromDays: Int(days))
        let seconds = Int(timeOfDay / 1_000_000)
        hour = seconds / 3600
        minute = seconds / 60 % 60
        second = seconds % 60
        microsecond = Int(timeOfDay % 1_000_000)
    }

    /// 0 is Sunday, 6 is Saturday.
    package var weekday: Int {
        Int(flooredDivision(Int64(Self.days(year: year, month: month, day: day)) + 4, 7).remainder)
    }

    /// The English name, "Friday".
    package var weekdayName: SafeText { Self.weekdayNames[weekday] }

    /// The English name, "November".
    package var monthName: SafeText { Self.monthNames[month - 1] }

    /// Whether the fields name a day and a time of day that exist. A leap second does not.
    package var isValid: Bool {
        (1...12).contains(month) && day >= 1 && day <= Self.daysInMonth(month, year: year)
            && (0...23).contains(hour) && (0...59).contains(minute) && (0...59).contains(second)
            && (0...999_999).contains(microsecond)
    }

    static func daysInMonth(_ month: Int, year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01. Counting years from March puts the leap day at the end of a year, which makes the
    /// length of the months before any date a linear formula.
    static func days(year: Int, month: Int, day: Int) -> Int {
        let yearFromMarch = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = flooredDivision(Int64(yearFromMarch), 400)
        let monthFromMarch = (month + 9) % 12
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        let dayOfEra = Int(yearOfEra) * 365 + Int(yearOfEra) / 4 - Int(yearOfEra) / 100 + dayOfYear
        return Int(era) * 146_097 + dayOfEra - 719_468
    }

    /// The date of a number of days since 1970-01-01: the inverse of `days`.
    static func civil(fromDays days: Int) -> (year: Int, month: Int, day: Int) {
        let (era, rest) = flooredDivision(Int64(days) + 719_468, 146_097)
        let dayOfEra = Int(rest)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = Int(era) * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    private static let weekdayNames: [SafeText] = [
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
    ]
    private static let monthNames: [SafeText] = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
}

/// Quotient and remainder with the remainder never negative.
func flooredDivision(_ dividend: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = dividend.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}

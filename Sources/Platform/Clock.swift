import CLinux
import Glibc
package import Wire

extension MonotonicTime {
    /// The time of CLOCK_MONOTONIC: never set back, no relation to the time of day.
    package static func now() -> MonotonicTime {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}

extension Timestamp {
    /// The time of day, to the microsecond.
    package static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }
}

/// How many seconds the local time is ahead of UTC at a moment, by the system's time zone (`TZ`).
package func localUTCOffset(at moment: Timestamp) -> Int {
    var seconds = time_t(moment.microseconds / 1_000_000)
    var parts = tm()
    guard localtime_r(&seconds, &parts) != nil else { return 0 }
    return parts.tm_gmtoff
}

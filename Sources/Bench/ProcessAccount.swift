import Glibc
import Platform
import Wire

/// What the system accounts to a process: the server's own CPU time, its memory, its descriptors and its threads.
struct ProcessAccount: Sendable, Equatable {
    /// CPU time of all its threads, ended ones included, in nanoseconds.
    var cpu: Int64
    /// Resident memory in bytes.
    var resident: Int
    /// The most resident memory it ever had, in bytes.
    var peakResident: Int

    /// Reads the account of a process that still runs; nil where it has gone or /proc is not there.
    static func read(of pid: Int32) -> ProcessAccount? {
        guard let status = text(of: "/proc/\(pid)/status") else { return nil }
        var resident = 0
        var peak = 0
        for line in status.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count >= 2 else { continue }
            // In kB.
            if words[0] == "VmRSS:" { resident = (Int(words[1]) ?? 0) * 1_024 }
            if words[0] == "VmHWM:" { peak = (Int(words[1]) ?? 0) * 1_024 }
        }
        return cpuTime(of: pid).map { ProcessAccount(cpu: $0, resident: resident, peakResident: peak) }
    }

    /// CPU time of this process itself, all threads.
    static func ownCPUTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    /// The process's CPU-time clock counts in nanoseconds, where /proc/PID/stat counts in ticks of 10 ms.
    private static func cpuTime(of pid: Int32) -> Int64? {
        var clock = clockid_t()
        var time = timespec()
        guard clock_getcpuclockid(pid, &clock) == 0, clock_gettime(clock, &time) == 0 else { return nil }
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static func text(of path: String) -> String? {
        guard let bytes = try? PrivateFile.read(path, limit: 65_536) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}

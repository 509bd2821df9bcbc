import Glibc
import Platform

/// What the system says of a process: memory, descriptors, threads.
package struct ProcessGauge: Sendable, CustomStringConvertible {
    /// Resident memory now, and the most it ever was, in KiB.
    package var resident = 0
    package var peak = 0
    package var descriptors = 0
    package var threads = 0

    /// Nil where the process has gone.
    package init?(of pid: Int32) {
        guard let bytes = try? PrivateFile.read("/proc/\(pid)/status", limit: 65_536) else { return nil }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count >= 2, let value = Int(words[1]) else { continue }
            switch words[0] {
            case "VmRSS:": resident = value
            case "VmHWM:": peak = value
            case "Threads:": threads = value
            default: break
            }
        }
        guard resident > 0, let folder = opendir("/proc/\(pid)/fd") else { return nil }
        defer { closedir(folder) }
        while readdir(folder) != nil { descriptors += 1 }
        // "." and "..".
        descriptors -= 2
    }

    package var description: String {
        "\(resident) KiB (at most \(peak)), \(descriptors) descriptors, \(threads) threads"
    }
}

import CLinux
import Glibc

/// Which processors the server and the load run on: each on its own, so that neither is measured waiting for the other.
enum Affinity {
    /// Words of 64 processors each.
    private static let words = 16
    private static let size = words * MemoryLayout<UInt64>.size

    /// Runs `body`, which starts the server, on the first processor that this process may use; afterwards this process
    /// uses the others. With a single one, both share it.
    static func withServersShare<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var allowed = [UInt64](repeating: 0, count: words)
        guard chat_sched_getaffinity(0, size, &allowed) >= 0, let shares = shares(of: allowed) else {
            return try body()
        }
        // A child inherits what its parent may use.
        _ = chat_sched_setaffinity(0, size, shares.server)
        defer { for thread in threads() { _ = chat_sched_setaffinity(thread, size, shares.load) } }
        return try body()
    }

    /// The first processor, and the rest; nil where there is only one.
    static func shares(of allowed: [UInt64]) -> (server: [UInt64], load: [UInt64])? {
        guard allowed.reduce(0, { $0 + $1.nonzeroBitCount }) > 1 else { return nil }
        guard let word = allowed.firstIndex(where: { $0 != 0 }) else { return nil }
        let first = allowed[word] & (~allowed[word] &+ 1)
        var server = [UInt64](repeating: 0, count: allowed.count)
        server[word] = first
        var load = allowed
        load[word] &= ~first
        return (server, load)
    }

    /// Threads that run already keep what they have unless each is told.
    private static func threads() -> [Int32] {
        guard let folder = opendir("/proc/self/task") else { return [0] }
        defer { closedir(folder) }
        var threads: [Int32] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let thread = Int32(name) { threads.append(thread) }
        }
        return threads
    }
}

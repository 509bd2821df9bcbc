import Glibc
package import Wire

/// The standard output and the standard error, for the few lines that a program says before or without a console.
package enum StandardStream: Int32, Sendable {
    case output = 1
    case error = 2

    /// Writes everything, waiting where the other side is slow.
    ///
    /// - Throws: EPIPE where nobody reads any more, ENOSPC where the disk is full, and the like.
    package func write(_ text: SafeText) throws(SystemError) {
        var rest = Array(text.string.utf8)[...]
        while !rest.isEmpty {
            let count = try systemCall("write") {
                rest.withUnsafeBytes { Glibc.write(rawValue, $0.baseAddress, $0.count) }
            }
            rest = rest.dropFirst(count)
        }
    }
}

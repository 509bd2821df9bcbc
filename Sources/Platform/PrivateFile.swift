import CLinux
import Glibc
package import Wire

/// Files that only their owner may read: mode 0600, replaced as a whole or not at all.
package enum PrivateFile {
    package enum Failure: UserFacingError, Equatable {
        /// The file holds more bytes than the caller accepts.
        case tooLarge(limit: Int)
        case system(SystemError)

        package var message: SafeText {
            switch self {
            case .tooLarge(let limit): "the file is larger than \(limit) bytes"
            case .system(let error): error.message
            }
        }
    }

    /// Reads a whole file.
    ///
    /// - Parameter limit: bytes; a larger file is refused before it fills the memory.
    /// - Returns: nil where there is no such file.
    package static func read(_ path: String, limit: Int) throws(Failure) -> [UInt8]? {
        let descriptor: Int32
        do {
            descriptor = try systemCall("open") { open(path, O_RDONLY | O_CLOEXEC) }
        } catch {
            if error.code == ENOENT { return nil }
            throw .system(error)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count: Int
            do {
                count = try systemCall("read") { Glibc.read(descriptor, &buffer, buffer.count) }
            } catch {
                throw .system(error)
            }
            if count == 0 { return bytes }
            bytes.append(contentsOf: buffer[..<count])
            if bytes.count > limit { throw .tooLarge(limit: limit) }
        }
    }

    /// Replaces a file: written beside it, flushed to the disk, renamed over it, and the folder flushed, so that a crash
    /// leaves the old content or the new and never a part.
    package static func writeAtomically(_ bytes: [UInt8], to path: String) throws(SystemError) {
        let temporary = "\(path).\(getpid()).new"
        unlink(temporary)
        let descriptor = try systemCall("open") {
            open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        }
        do throws(SystemError) {
            defer { close(descriptor) }
            try writeAll(bytes, to: descriptor)
            try systemCall("fsync") { fsync(descriptor) }
        } catch {
            unlink(temporary)
            throw error
        }
        do throws(SystemError) {
            try systemCall("rename") { rename(temporary, path) }
        } catch {
            unlink(temporary)
            throw error
        }
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let handle = try systemCall("open") { open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { close(handle) }
        // Some file systems do not flush folders; the file itself is whole either way.
        _ = fsync(handle)
    }

    /// Appends to a file, which is created with mode 0600 where it is missing. Not flushed to the disk.
    package static func append(_ bytes: [UInt8], to path: String) throws(SystemError) {
        let descriptor = try systemCall("open") {
            open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        }
        defer { close(descriptor) }
        try writeAll(bytes, to: descriptor)
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws(SystemError) {
        var written = 0
        while written < bytes.count {
            written += try systemCall("write") {
                bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + written, $0.count - written) }
            }
        }
    }
}

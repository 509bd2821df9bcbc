import CLinux
import Glibc
package import Wire

/// The folder that holds what the program keeps: databases, and under `state/` secrets, tokens and input history.
package struct DataDirectory: Sendable, Hashable {
    package enum Failure: UserFacingError, Equatable {
        /// Neither an option, nor XDG_DATA_HOME, nor HOME says where.
        case noHome
        case cannotCreate(path: SafeText, SystemError)
        case notAFolder(path: SafeText)

        /// What was wrong and what to do, for the user.
        package var message: SafeText {
            switch self {
            case .noHome: "no home folder is known; say where to keep data with --data DIR"
            case .cannotCreate(let path, let error):
                "cannot create the data folder \(path): \(error.reason); choose another with --data DIR"
            case .notAFolder(let path): "\(path) is not a folder; choose another with --data DIR"
            }
        }
    }

    /// The folder itself, without a slash at its end.
    package let path: String

    /// Finds the folder and creates it, with `state/` in it, mode 0700.
    ///
    /// - Parameter option: what `--data` or `CHAT_DATA` said; else `$XDG_DATA_HOME/chat`, else `~/.local/share/chat`.
    package init(option: String?) throws(Failure) {
        if let option, !option.isEmpty {
            path = option.count > 1 && option.hasSuffix("/") ? String(option.dropLast()) : option
        } else if let base = Environment["XDG_DATA_HOME"], base.hasPrefix("/") {
            // The XDG base directory specification has relative paths ignored.
            path = base + "/chat"
        } else if let home = Environment["HOME"], !home.isEmpty {
            path = home + "/.local/share/chat"
        } else {
            throw .noHome
        }
        try Self.create(path)
        try Self.create(path + "/state")
    }

    /// The path of a file in the folder.
    package func file(_ name: String) -> String { "\(path)/\(name)" }

    /// The path of a file under `state/`.
    package func state(_ name: String) -> String { "\(path)/state/\(name)" }

    private static func create(_ path: String) throws(Failure) {
        var prefix = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            prefix += (prefix.isEmpty || prefix == "/" ? "" : "/") + part
            do {
                try systemCall("mkdir") { mkdir(prefix, 0o700) }
            } catch {
                if error.code == EEXIST { continue }
                // A folder above that we may not write to but that exists answers EROFS or EACCES on some systems.
                if isFolder(prefix) { continue }
                throw .cannotCreate(path: SafeText(untrusted: prefix), error)
            }
        }
        guard isFolder(path) else { throw .notAFolder(path: SafeText(untrusted: path)) }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}

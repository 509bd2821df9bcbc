import CLinux
import Glibc

/// Starting other programs, and what their ends say.
package enum ChildProgram {
    /// What a program is started with in the place of what it would inherit.
    package struct Settings {
        /// All of its environment, as NAME=VALUE; nil inherits.
        package var environment: [String]?
        /// Descriptors of this process that become 0, 1 and 2; nil inherits.
        package var input: Int32?
        package var output: Int32?
        package var diagnostics: Int32?
        /// A terminal, by its path, that becomes 0, 1 and 2 and that the program, in a session of its own, controls.
        package var terminal: String?

        package init(_ set: (inout Settings) -> Void = { _ in }) { set(&self) }
    }

    /// Starts a program with no signal blocked or ignored: the threads of this one block nearly all of them, and what is
    /// blocked or ignored is inherited.
    ///
    /// - Parameters:
    ///   - arguments: without the name of the program, which is `name`, or its path.
    ///   - Returns: its process id; whoever started it waits for its end.
    package static func start(
        _ path: String, name: String? = nil, _ arguments: [String], _ settings: Settings = Settings()
    ) throws(SystemError) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (descriptor, number) in [(settings.input, Int32(0)), (settings.output, 1), (settings.diagnostics, 2)] {
            if let descriptor { posix_spawn_file_actions_adddup2(&actions, descriptor, number) }
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        var flags = Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF)
        if let terminal = settings.terminal {
            // A session leader without a controlling terminal gets the first one that it opens.
            posix_spawn_file_actions_addopen(&actions, 0, terminal, O_RDWR, 0)
            posix_spawn_file_actions_adddup2(&actions, 0, 1)
            posix_spawn_file_actions_adddup2(&actions, 0, 2)
            // POSIX_SPAWN_SETSID, which Swift does not see.
            flags |= 0x80
        }
        posix_spawnattr_setflags(&attributes, flags)
        var pid: pid_t = 0
        let code = withCStrings([name ?? path] + arguments) { vector in
            guard let environment = settings.environment else {
                return posix_spawn(&pid, path, &actions, &attributes, vector, environ)
            }
            return withCStrings(environment) { posix_spawn(&pid, path, &actions, &attributes, vector, $0) }
        }
        guard code == 0 else { throw SystemError(call: "posix_spawn", code: code) }
        return pid
    }

    /// How a program ended.
    package enum End: Sendable, Equatable {
        case status(Int32)
        case signal(Int32)

        /// As a shell says it: the status, or 128 and the number of the signal.
        package var shellStatus: Int32 {
            switch self {
            case .status(let status): status
            case .signal(let signal): 128 + signal
            }
        }
    }

    /// Waits for the end of a program that this one has started. Once, since its number may be another's afterwards.
    package static func end(of pid: Int32) -> End {
        var raw: Int32 = 0
        _ = try? systemCall("waitpid") { waitpid(pid, &raw, 0) }
        return raw & 0x7f == 0 ? .status(raw >> 8 & 0xff) : .signal(raw & 0x7f)
    }

    /// An array of pointers to strings of C, with a null pointer at its end.
    private static func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) } + [nil]
        defer { for case let pointer? in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
    }
}

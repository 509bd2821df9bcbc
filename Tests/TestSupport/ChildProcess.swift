import CLinux
import Glibc
package import Platform

/// A program of ours as a process of its own, with pipes to its input and output. It is killed when it is no longer
/// referred to, so that no test leaves one behind.
package actor ChildProcess {
    package enum Failure: Error {
        case cannotStart(SystemError)
        /// The output ended before what was waited for had come; what had come is attached.
        case outputEnded(String)
        /// Nothing was written for as long as the test had patience; what had come is attached.
        case silent(String)
    }

    private let thread: WorkerThread
    package nonisolated let pid: Int32
    private var input: Int32
    private nonisolated let inputPipe: Int32
    private let output: Int32
    private var received: [UInt8] = []
    /// Everything that was read so far.
    package private(set) var transcript: [UInt8] = []
    private var status: Int32?
    private let patience: Int32

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Where the build has put the programs of the package: beside the tests themselves.
    package static func product(_ name: String) -> String {
        var buffer = [CChar](repeating: 0, count: 4_096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let path = String(decoding: buffer[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let folder = path[..<(path.lastIndex(of: "/") ?? path.endIndex)]
        return "\(folder)/\(name)"
    }

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - environment: all of it, as NAME=VALUE; nil inherits.
    ///   - mergesErrors: standard error goes where the output goes; else where that of the tests goes.
    ///   - patience: milliseconds without output after which a wait for it fails; -1 waits for ever.
    package init(
        _ path: String, _ arguments: [String] = [], environment: [String]? = nil, mergesErrors: Bool = false,
        patience: Int32 = -1
    ) throws {
        self.patience = patience
        thread = try WorkerThread(name: "child")
        var toChild: [Int32] = [0, 0]
        var fromChild: [Int32] = [0, 0]
        try systemCall("pipe2") { pipe2(&toChild, O_CLOEXEC) }
        try systemCall("pipe2") { pipe2(&fromChild, O_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, toChild[0], 0)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], 1)
        if mergesErrors { posix_spawn_file_actions_adddup2(&actions, fromChild[1], 2) }
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The threads that run tests block nearly every signal, which a child would inherit: an alarm would never come.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var vector: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for case let pointer? in vector { free(pointer) } }
        var variables: [UnsafeMutablePointer<CChar>?] = (environment ?? []).map { strdup($0) } + [nil]
        defer { for case let pointer? in variables { free(pointer) } }
        var started: pid_t = 0
        let code =
            if environment == nil {
                posix_spawn(&started, path, &actions, &attributes, &vector, environ)
            } else {
                posix_spawn(&started, path, &actions, &attributes, &vector, &variables)
            }
        Glibc.close(toChild[0])
        Glibc.close(fromChild[1])
        guard code == 0 else {
            Glibc.close(toChild[1])
            Glibc.close(fromChild[0])
            thread.retire()
            throw Failure.cannotStart(SystemError(call: "posix_spawn", code: code))
        }
        pid = started
        input = toChild[1]
        inputPipe = toChild[1]
        output = fromChild[0]
    }

    deinit {
        if status == nil {
            kill(pid, SIGKILL)
            var status: Int32 = 0
            waitpid(pid, &status, 0)
        }
        if input >= 0 { Glibc.close(input) }
        Glibc.close(output)
        thread.retire()
    }

    /// Writes to the program's input.
    package func write(_ text: String) throws {
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            written += try bytes.withUnsafeBytes { buffer in
                try systemCall("write") { Glibc.write(input, buffer.baseAddress! + written, buffer.count - written) }
            }
        }
    }

    /// Writes to the program's input while another task waits for its output. Not after `closeInput`.
    package nonisolated func post(_ text: String) {
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(inputPipe, buffer.baseAddress! + written, buffer.count - written)
            }
            // The program is gone: whoever reads its output finds out.
            guard count > 0 else { return }
            written += count
        }
    }

    package func closeInput() {
        if input >= 0 { Glibc.close(input) }
        input = -1
    }

    /// Waits for the next line of output, without its line break.
    package func line() throws -> String {
        while true {
            if let end = received.firstIndex(of: 10) {
                let line = String(decoding: received[..<end], as: UTF8.self)
                received.removeFirst(end + 1)
                return line
            }
            guard try readMore() else { throw Failure.outputEnded(String(decoding: received, as: UTF8.self)) }
        }
    }

    /// Waits for the next line that holds a text; the lines before it are dropped.
    package func line(containing text: String) throws -> String {
        while true {
            let line = try line()
            // Without Foundation there is no search for a part of a string that is not a regular expression.
            let bytes = Array(line.utf8)
            let part = Array(text.utf8)
            guard bytes.count >= part.count else { continue }
            for start in 0...(bytes.count - part.count)
            where bytes[start..<(start + part.count)].elementsEqual(part) { return line }
        }
    }

    /// Everything that is still written, up to the end of the output.
    package func rest() throws -> String {
        while try readMore() {}
        defer { received = [] }
        return String(decoding: received, as: UTF8.self)
    }

    package nonisolated func send(_ signal: Int32) { kill(pid, signal) }

    /// Waits for the program's end.
    ///
    /// - Returns: its exit status, or 128 and the number of the signal that ended it.
    package func exitStatus() -> Int32 {
        if status == nil {
            var raw: Int32 = 0
            while waitpid(pid, &raw, 0) == -1 && chat_errno() == EINTR {}
            status = raw & 0x7f == 0 ? raw >> 8 & 0xff : 128 + raw & 0x7f
        }
        return status!
    }

    private func readMore() throws -> Bool {
        var waited = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        guard try systemCall("poll", { poll(&waited, 1, patience) }) == 1 else {
            throw Failure.silent(String(decoding: transcript.suffix(2_000), as: UTF8.self))
        }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = try systemCall("read") { read(output, &buffer, buffer.count) }
        received += buffer[..<count]
        transcript += buffer[..<count]
        return count > 0
    }
}

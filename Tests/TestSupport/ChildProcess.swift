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
    /// Bytes at the front of `received` that were handed out, and below which there is no line break.
    private var taken = 0
    private var searched = 0
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
        let settings = ChildProgram.Settings {
            $0.environment = environment
            $0.input = toChild[0]
            $0.output = fromChild[1]
            if mergesErrors { $0.diagnostics = fromChild[1] }
        }
        let started = Result { () throws(SystemError) in try ChildProgram.start(path, arguments, settings) }
        Glibc.close(toChild[0])
        Glibc.close(fromChild[1])
        switch started {
        case .success(let pid): self.pid = pid
        case .failure(let error):
            Glibc.close(toChild[1])
            Glibc.close(fromChild[0])
            thread.retire()
            throw Failure.cannotStart(error)
        }
        input = toChild[1]
        inputPipe = toChild[1]
        output = fromChild[0]
    }

    deinit {
        if status == nil {
            kill(pid, SIGKILL)
            _ = ChildProgram.end(of: pid)
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
            if let end = lineEnd() {
                defer {
                    taken = end + 1
                    searched = taken
                }
                return String(decoding: received[taken..<end], as: UTF8.self)
            }
            received.removeFirst(taken)
            taken = 0
            searched = received.count
            guard try readMore() else { throw Failure.outputEnded(String(decoding: received, as: UTF8.self)) }
        }
    }

    /// Where the next line break is. (By `memchr`: a debug build looks at each byte of a slice by half a dozen calls.)
    private func lineEnd() -> Int? {
        received.withUnsafeBytes { bytes in
            guard searched < bytes.count, let start = bytes.baseAddress else { return nil }
            return memchr(start + searched, 10, bytes.count - searched).map { UnsafeRawPointer($0) - start }
        }
    }

    /// Waits for the next line that holds a text; the lines before it are dropped.
    package func line(containing text: String) throws -> String {
        while true {
            let line = try line()
            if line.holds(text) { return line }
        }
    }

    /// Everything that is still written, up to the end of the output.
    package func rest() throws -> String {
        while try readMore() {}
        defer {
            received = []
            taken = 0
            searched = 0
        }
        return String(decoding: received[taken...], as: UTF8.self)
    }

    /// Waits for some output, of which nothing is kept here.
    ///
    /// - Returns: what came; nothing at the end of the output.
    package func chunk() throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
            count = try systemCall("read") { read(output, buffer.baseAddress!, buffer.count) }
        }
    }

    /// Waits until so many bytes of output wait to be read: a pipe has room for 65,536. Nothing tells when they have come.
    package func waitForUnread(_ count: Int32) throws {
        var unread: Int32 = 0
        while true {
            _ = try systemCall("ioctl") { ioctl(output, UInt(FIONREAD), &unread) }
            if unread >= count { return }
            poll(nil, 0, 1)
        }
    }

    package nonisolated func send(_ signal: Int32) { kill(pid, signal) }

    /// Waits until none of the program's descriptors is of a kind, as /proc names it ("anon_inode:[signalfd]").
    package nonisolated func waitForNoDescriptor(of kind: String) async {
        while true {
            var isThere = false
            if let folder = opendir("/proc/\(pid)/fd") {
                var name = [CChar](repeating: 0, count: 256)
                while let entry = readdir(folder) {
                    let number = withUnsafeBytes(of: entry.pointee.d_name) {
                        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                    }
                    let count = readlink("/proc/\(pid)/fd/\(number)", &name, name.count)
                    let found = name[..<max(0, count)].map { UInt8(bitPattern: $0) }
                    if String(decoding: found, as: UTF8.self) == kind { isThere = true }
                }
                closedir(folder)
            }
            if !isThere { return }
            await Task.yield()
        }
    }

    /// Waits for the program's end.
    ///
    /// - Returns: its exit status, or 128 and the number of the signal that ended it.
    package func exitStatus() -> Int32 {
        if status == nil { status = ChildProgram.end(of: pid).shellStatus }
        return status!
    }

    private func readMore() throws -> Bool {
        var waited = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        guard try systemCall("poll", { poll(&waited, 1, patience) }) == 1 else {
            throw Failure.silent(String(decoding: transcript.suffix(2_000), as: UTF8.self))
        }
        let chunk = try chunk()
        received += chunk
        transcript += chunk
        return !chunk.isEmpty
    }
}

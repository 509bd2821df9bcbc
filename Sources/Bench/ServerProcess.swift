import CLinux
import Glibc
import Platform
import Wire

/// A server of our own as a process of its own: this executable, started anew.
///
/// Blocks where it waits for the process, so it lives on a thread of its own.
actor ServerProcess {
    /// How long the server may take to say that it listens, and to end.
    private static let patience: Duration = .seconds(10)
    /// Bytes of its last words that an error repeats.
    private static let lastWords = 2_048

    private let thread: WorkerThread
    private let reader: Thread
    private let said: Said
    private let folder: String?
    nonisolated let pid: Int32
    /// The write end of its standard input, nonblocking: what is typed at a p2p node.
    nonisolated let input: Int32
    private var hasEnded = false

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Starts `chat` with some arguments, without the `CHAT_` variables of this process.
    ///
    /// - Parameter isDurable: it gets a folder for what it keeps, which goes when it ends; else it keeps nothing.
    init(_ arguments: [String], isDurable: Bool) throws(BenchError) {
        do throws(SystemError) {
            let folder = isDurable ? try Self.makeFolder() : nil
            self.folder = folder
            thread = try WorkerThread(name: "server")
            var toChild: [Int32] = [0, 0]
            var fromChild: [Int32] = [0, 0]
            try systemCall("pipe2") { pipe2(&toChild, O_CLOEXEC) }
            try systemCall("pipe2") { pipe2(&fromChild, O_CLOEXEC) }
            let storing = folder.map { ["--data", $0] } ?? ["--memory"]
            defer {
                close(toChild[0])
                close(fromChild[1])
            }
            do throws(SystemError) {
                pid = try Self.start(arguments + storing, input: toChild[0], error: fromChild[1])
            } catch {
                close(toChild[1])
                close(fromChild[0])
                thread.retire()
                throw error
            }
            let write = toChild[1]
            _ = fcntl(write, F_SETFL, O_NONBLOCK)
            input = write
            let said = Said()
            self.said = said
            let descriptor = fromChild[0]
            reader = try Thread(name: "server-log") { said.read(descriptor) }
        } catch {
            throw .cannotStart(error)
        }
    }

    deinit {
        if !hasEnded {
            kill(pid, SIGKILL)
            _ = ChildProgram.end(of: pid)
        }
        close(input)
        if let folder { Self.remove(folder) }
        thread.retire()
    }

    /// Waits until it says where it listens: so many addresses, in the order in which it says them.
    func addresses(count: Int) throws(BenchError) -> [SocketAddress] {
        guard let ports = said.waitForPorts(count, Self.patience) else {
            throw .serverFailed(SafeText(untrusted: String(decoding: said.text.suffix(Self.lastWords), as: UTF8.self)))
        }
        return ports.map { SocketAddress(ip: .loopbackV4, port: $0) }
    }

    /// Asks it to end, waits for that, and makes it end where it does not.
    func stop() {
        guard !hasEnded else { return }
        kill(pid, SIGTERM)
        let end = MonotonicTime.now() + Self.patience
        var status: Int32 = 0
        while waitpid(pid, &status, WNOHANG) == 0 {
            if MonotonicTime.now() >= end { kill(pid, SIGKILL) }
            usleep(2_000)
        }
        hasEnded = true
        reader.join()
    }

    // MARK: - Starting

    private static func start(_ arguments: [String], input: Int32, error: Int32) throws(SystemError) -> Int32 {
        let nowhere = try systemCall("open") { open("/dev/null", O_WRONLY | O_CLOEXEC) }
        defer { close(nowhere) }
        let settings = ChildProgram.Settings {
            $0.environment = Environment.all.filter { !$0.hasPrefix("CHAT_") }
            $0.input = input
            $0.output = nowhere
            $0.diagnostics = error
        }
        return try Affinity.withServersShare { () throws(SystemError) in
            try ChildProgram.start("/proc/self/exe", name: "chat", arguments, settings)
        }
    }

    private static func makeFolder() throws(SystemError) -> String {
        var template = Array("\(Environment["TMPDIR"] ?? "/tmp")/chat-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError(call: "mkdtemp", code: chat_errno()) }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes a folder of ours: files, and folders of files.
    private static func remove(_ path: String) {
        guard let folder = opendir(path) else { return }
        defer { closedir(folder) }
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            if unlink("\(path)/\(name)") != 0 { remove("\(path)/\(name)") }
        }
        rmdir(path)
    }
}

/// What the server says on its standard error.
///
/// `@unchecked Sendable`: what changes is read and written under the lock.
private final class Said: @unchecked Sendable {
    private let lock = Lock()
    private var bytes: [UInt8] = []
    private var hasEnded = false
    /// Bytes that are kept; the rest was read so that the server never waits.
    private static let kept = 16_384

    func read(_ descriptor: Int32) {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 && chat_errno() == EINTR { continue }
            lock.withLock {
                if count > 0 {
                    bytes += buffer[..<count]
                    // The first lines say where it listens.
                    if bytes.count > Self.kept { bytes.removeFirst(bytes.count - Self.kept / 2) }
                } else {
                    hasEnded = true
                }
            }
            if count <= 0 { break }
        }
        close(descriptor)
    }

    var text: [UInt8] { lock.withLock { bytes } }

    func waitForPorts(_ count: Int, _ patience: Duration) -> [UInt16]? {
        let end = MonotonicTime.now() + patience
        while MonotonicTime.now() < end {
            let isOver: Bool = lock.withLock { announcedPorts.count >= count || hasEnded }
            if isOver { return lock.withLock { announcedPorts.count >= count ? announcedPorts : nil } }
            usleep(1_000)
        }
        return nil
    }

    /// "... listening on 127.0.0.1:6789"; under the lock.
    private var announcedPorts: [UInt16] {
        // A line that has not ended may end in the middle of the number.
        guard let end = bytes.lastIndex(of: 10) else { return [] }
        let words = String(decoding: bytes[..<end], as: UTF8.self).split { $0 == " " || $0 == "\n" }
        return words.indices.compactMap { place in
            guard words[place] == "listening", place + 2 < words.count else { return nil }
            let address = words[place + 2]
            guard let colon = address.lastIndex(of: ":") else { return nil }
            return UInt16(address[address.index(after: colon)...].prefix { $0.isNumber })
        }
    }
}

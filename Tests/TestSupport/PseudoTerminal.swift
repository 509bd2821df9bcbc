import CLinux
import Glibc
import Platform

/// A program of ours in a terminal of its own: what it writes becomes a screen, what a test types becomes its input.
package actor PseudoTerminal {
    package enum Failure: Error {
        /// The program ended before the screen was as it should be; the screen is attached.
        case ended([String])
        /// The program wrote nothing for half a minute, and the screen was not as it should be.
        case silent([String])
    }

    private let thread: WorkerThread
    private let master: Int32
    package nonisolated let pid: Int32
    package private(set) var screen: ScreenModel

    /// Every byte that the program wrote, up to the last 16 MiB.
    package private(set) var output: [UInt8] = []

    /// Called at the end of each synchronised update.
    private var observer: ((ScreenModel) -> Void)?
    private var status: Int32?
    private var hasHungUp = false

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Starts a program whose controlling terminal this is.
    package init(
        _ path: String, _ arguments: [String] = [], environment: [String] = ["TERM=xterm-256color"], columns: Int = 80,
        rows: Int = 24, reflows: Bool = true
    ) throws {
        thread = try WorkerThread(name: "terminal")
        screen = ScreenModel(columns: columns, rows: rows, reflows: reflows)
        let opened = try systemCall("open") { open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC) }
        // TIOCSPTLCK and TIOCGPTN (ioctl_tty(2)): unlock it, and ask which one it is.
        var unlocked: Int32 = 0
        try systemCall("ioctl") { ioctl(opened, UInt(0x4004_5431), &unlocked) }
        var number: UInt32 = 0
        try systemCall("ioctl") { ioctl(opened, UInt(0x8004_5430), &number) }
        let name = "/dev/pts/\(number)"
        var size = winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        try systemCall("ioctl") { ioctl(opened, UInt(TIOCSWINSZ), &size) }
        master = opened
        let inherited = ["PATH", "HOME"].compactMap { key in Environment[key].map { "\(key)=\($0)" } }
        pid = try ChildProgram.start(
            path, arguments,
            .init {
                $0.environment = environment + inherited
                $0.terminal = name
            })
    }

    deinit {
        if status == nil {
            kill(pid, SIGKILL)
            _ = ChildProgram.end(of: pid)
        }
        close(master)
        thread.retire()
    }

    // MARK: Typing

    /// Types text or keys: `\r` is Enter, `\u{1B}` begins a sequence.
    package func type(_ text: String) { write(Array(text.utf8)) }

    /// Pastes a text the way terminals do where it was asked for.
    package func paste(_ text: String) { type("\u{1B}[200~\(text)\u{1B}[201~") }

    private func write(_ bytes: [UInt8]) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(master, $0.baseAddress! + written, bytes.count - written) }
            guard count > 0 else { return }
            written += count
        }
    }

    /// Gives the window another size. What was written before is on the screen first.
    ///
    /// It happens between two frames. Inside of one no program could know what its terminal has become: it asks for the
    /// size, draws for it, and is told of another one afterwards. Where frames follow each other, that between them is
    /// right behind one; where nothing has been written for a while, it is now.
    package func resize(columns: Int, rows: Int) {
        repeat {
            let before = screen.frames
            guard readOnce(milliseconds: 50) else { break }
            if screen.frames > before, !screen.isInsideFrame, !isReadable { break }
        } while true
        var size = winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
        // Second, since it takes a while where much was printed.
        screen.resize(columns: columns, rows: rows)
    }

    // MARK: Looking

    /// Calls a function at the end of each frame from now on.
    package func observe(_ observer: sending @escaping (ScreenModel) -> Void) { self.observer = observer }

    /// Waits until the screen, whole and between two frames, is as a test wants it.
    @discardableResult
    package func wait(until condition: @Sendable (ScreenModel) -> Bool) throws -> ScreenModel {
        while screen.isInsideFrame || !condition(screen) {
            guard readOnce(milliseconds: 30_000) else {
                throw hasHungUp ? Failure.ended(screen.text) : Failure.silent(screen.text)
            }
        }
        return screen
    }

    /// Reads everything up to the end of the program, and answers with its exit status, or 128 and the number of the
    /// signal that ended it.
    package func exitStatus() -> Int32 {
        while readOnce(milliseconds: -1) {}
        if status == nil { status = ChildProgram.end(of: pid).shellStatus }
        return status!
    }

    /// Waits until the program has been stopped by job control.
    package func waitUntilStopped() {
        var raw: Int32 = 0
        waitpid(pid, &raw, WUNTRACED)
    }

    package nonisolated func send(_ signal: Int32) { kill(pid, signal) }

    /// Whether the terminal hands lines over and echoes them, as a shell wants it.
    package var isCooked: Bool {
        var modes = termios()
        tcgetattr(master, &modes)
        return modes.c_lflag & tcflag_t(ICANON) != 0 && modes.c_lflag & tcflag_t(ECHO) != 0
    }

    private var isReadable: Bool {
        var waited = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
        return poll(&waited, 1, 0) == 1
    }

    /// Reads what there is; false where nothing is, or the program is gone.
    private func readOnce(milliseconds: Int32) -> Bool {
        guard !hasHungUp else { return false }
        var waited = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
        guard poll(&waited, 1, milliseconds) == 1 else { return false }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = read(master, &buffer, buffer.count)
        guard count > 0 else {
            // EIO: nobody has the other end any more.
            hasHungUp = true
            return false
        }
        output += buffer[..<count]
        if output.count > 16_777_216 { output.removeFirst(8_388_608) }
        screen.feed(Array(buffer[..<count])) { observer?($0) }
        return true
    }
}

import CLinux
import Glibc
package import Platform

/// A terminal that hands over every key at once and echoes nothing, until it is given back: at `leave`, when the value
/// goes, at exit(3), and when a signal ends the process. SIGKILL alone leaves it as it is.
///
/// There is one at a time: what a signal handler needs is global.
package struct RawMode: ~Copyable {
    /// Bracketed paste off, cursor shown, wrapping on, colours off.
    private static let reset = "\u{1B}[?2004l\u{1B}[?25h\u{1B}[?7h\u{1B}[0m"
    private static let setup = "\u{1B}[?2004h"

    private let input: Int32
    private let output: Int32
    private let earlier: termios
    private var isRaw = false

    /// Remembers how the terminal was set up; `enter` changes it.
    package init(input: Int32, output: Int32) throws(SystemError) {
        self.input = input
        self.output = output
        var modes = termios()
        try systemCall("tcgetattr") { tcgetattr(input, &modes) }
        earlier = modes
    }

    deinit {
        if isRaw { giveBack() }
    }

    /// Enters raw mode, or enters it again after somebody else has changed the modes.
    package mutating func enter() throws(SystemError) {
        var modes = earlier
        modes.c_iflag &= ~tcflag_t(BRKINT | ICRNL | INLCR | IGNCR | INPCK | ISTRIP | IXON)
        // OPOST stays: what is written by others (a runtime's last words) still begins its lines at the left.
        modes.c_cflag |= tcflag_t(CS8)
        modes.c_lflag &= ~tcflag_t(ECHO | ICANON | IEXTEN | ISIG)
        withUnsafeMutableBytes(of: &modes.c_cc) { characters in
            characters[Int(VMIN)] = 1
            characters[Int(VTIME)] = 0
        }
        var kept = earlier
        chat_terminal_guard_set(output, &kept, Self.reset + "\r\n")
        isRaw = true
        // At once and without flushing: what was typed ahead stays.
        try systemCall("tcsetattr") { tcsetattr(input, TCSANOW, &modes) }
        write(Self.setup)
    }

    /// Gives the terminal back as it was.
    package mutating func leave() {
        guard isRaw else { return }
        isRaw = false
        giveBack()
    }

    private borrowing func giveBack() {
        write(Self.reset)
        var modes = earlier
        tcsetattr(input, TCSANOW, &modes)
        // Last: a signal in between gives it back twice rather than never.
        chat_terminal_guard_release()
    }

    private borrowing func write(_ text: String) {
        var text = text
        // A few bytes; a terminal that takes nothing has other troubles.
        text.withUTF8 { _ = Glibc.write(output, $0.baseAddress, $0.count) }
    }
}

/// Stops the process and everybody in its process group, as Ctrl+Z does in a terminal that is not raw, and returns when
/// they are continued. Returns at once where nobody could continue them (no job control).
package func stopProcessGroup() {
    var set = sigset_t()
    var earlier = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGTSTP)
    // SIGTSTP is blocked everywhere, to be an event; here it must act. Unblocked first, so that it reaches this thread.
    pthread_sigmask(SIG_UNBLOCK, &set, &earlier)
    kill(0, SIGTSTP)
    pthread_sigmask(SIG_SETMASK, &earlier, nil)
}

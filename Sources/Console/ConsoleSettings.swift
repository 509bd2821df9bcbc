import Platform
import Terminal
package import Wire

/// What a console is for.
package enum ConsoleRole: Sendable {
    /// People or programs talk: input is read; at a terminal there is a prompt with a line editor.
    case conversation
    /// A server or a one-shot command: nothing is read.
    case report
}

/// What the environment says that a console cares about.
package struct ConsoleEnvironment: Sendable {
    /// `TERM`
    package var terminal: String?
    /// `NO_COLOR` is set and not empty.
    package var forbidsColor: Bool
    /// `COLORTERM`, which terminals with many colours set.
    package var colorTerminal: String?
    /// `XTERM_VERSION`, by which xterm is known; it cuts long rows off when it becomes narrower.
    package var isXterm: Bool
    /// `TMUX`, by which tmux is known where `TERM` is `screen`.
    package var isTmux: Bool

    package init(
        terminal: String?, forbidsColor: Bool = false, colorTerminal: String? = nil, isXterm: Bool = false,
        isTmux: Bool = false
    ) {
        self.terminal = terminal
        self.forbidsColor = forbidsColor
        self.colorTerminal = colorTerminal
        self.isXterm = isXterm
        self.isTmux = isTmux
    }

    /// That of the process.
    package static var current: ConsoleEnvironment {
        ConsoleEnvironment(
            terminal: Environment["TERM"], forbidsColor: !(Environment["NO_COLOR"] ?? "").isEmpty,
            colorTerminal: Environment["COLORTERM"], isXterm: Environment["XTERM_VERSION"] != nil,
            isTmux: Environment["TMUX"] != nil)
    }

    /// A terminal that does no more than print: no prompt, no escape sequences.
    package var isDumb: Bool { terminal == nil || terminal == "" || terminal == "dumb" }

    /// The palette of 256 colours is there.
    var hasLargePalette: Bool {
        guard let terminal else { return false }
        return colorTerminal != nil || terminal.contains("256") || terminal.contains("direct")
            || ["alacritty", "foot", "xterm-kitty", "wezterm", "xterm-ghostty"].contains(terminal)
    }
}

/// What tells a console the time, and where the clocks of people stand.
package struct ConsoleClock: Sendable {
    package var now: @Sendable () -> Timestamp
    package var monotonic: @Sendable () -> MonotonicTime
    /// Seconds that local time is ahead of UTC at a moment.
    package var utcOffset: @Sendable (Timestamp) -> Int

    package init(
        now: @escaping @Sendable () -> Timestamp, monotonic: @escaping @Sendable () -> MonotonicTime,
        utcOffset: @escaping @Sendable (Timestamp) -> Int
    ) {
        self.now = now
        self.monotonic = monotonic
        self.utcOffset = utcOffset
    }

    /// The clocks of the system.
    package static let system = ConsoleClock(
        now: { Timestamp.now() }, monotonic: { MonotonicTime.now() }, utcOffset: { localUTCOffset(at: $0) })
}

/// What was typed at a terminal before anybody looked at it: keys, and the part of one that was begun.
struct TypedAhead: Sendable {
    var keys: [Key] = []
    var decoder = KeyDecoder()
}

/// What a console is started with.
package struct ConsoleSettings: Sendable {
    /// The name of the mode: the JSON field `mode`.
    package var mode: String
    package var role: ConsoleRole
    package var json: Bool
    package var color: ColorChoice
    /// The file of the input history; nil keeps it in memory only.
    package var historyPath: String?

    /// Descriptors. They belong to the caller and stay open.
    package var input: Int32
    package var output: Int32
    package var diagnostics: Int32

    package var environment: ConsoleEnvironment
    package var clock: ConsoleClock

    /// What was typed behind the answer to a question that was asked before.
    var typedAhead = TypedAhead()

    package init(
        mode: String, role: ConsoleRole = .conversation, json: Bool = false, color: ColorChoice = .auto,
        historyPath: String? = nil, input: Int32 = 0, output: Int32 = 1, diagnostics: Int32 = 2,
        environment: ConsoleEnvironment = .current, clock: ConsoleClock = .system
    ) {
        self.mode = mode
        self.role = role
        self.json = json
        self.color = color
        self.historyPath = historyPath
        self.input = input
        self.output = output
        self.diagnostics = diagnostics
        self.environment = environment
        self.clock = clock
    }

    /// The settings of a mode as its common options ask for them.
    ///
    /// - Parameter dataDirectory: the folder whose `state/` holds the input history; nil keeps none.
    package init(
        mode: String, role: ConsoleRole = .conversation, common: CommonOptions, historyPath: String? = nil
    ) {
        self.init(
            mode: mode, role: role, json: common.json, color: common.color,
            historyPath: common.memoryOnly ? nil : historyPath)
    }
}

extension ConsoleSettings {
    /// A prompt with a line editor: people at both ends of a terminal that can do more than print.
    package var hasEditor: Bool {
        role == .conversation && !json && isTerminal(input) && isTerminal(output) && !environment.isDumb
    }

    /// Whether what is written to a descriptor is coloured.
    func isColored(_ descriptor: Int32) -> Bool {
        switch color {
        case .always: true
        case .never: false
        case .auto: isTerminal(descriptor) && !environment.isDumb && !environment.forbidsColor
        }
    }

    /// What the terminal is known to do, by its name.
    var terminalTraits: TerminalTraits {
        let name = environment.terminal ?? ""
        let isConsole = name == "linux" || name.hasPrefix("vt") || name.hasPrefix("cons")
        // GNU screen calls itself screen, and so does tmux, which reflows.
        let cutsRows = isConsole || environment.isXterm || (name.hasPrefix("screen") && !environment.isTmux)
        return TerminalTraits(
            hasSynchronizedUpdates: !isConsole, reflows: !cutsRows, isColored: isColored(output))
    }
}

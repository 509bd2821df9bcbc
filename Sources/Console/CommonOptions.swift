package import Wire

/// When output is coloured.
package enum ColorChoice: String, Sendable, CaseIterable {
    /// At a terminal that is not dumb, unless `NO_COLOR` is set and not empty.
    case auto
    case always
    case never
}

/// How much the log says; each level includes those before it.
package enum LogLevel: String, Sendable, CaseIterable, Comparable {
    case error
    case warning
    case info
    case debug

    package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .error: 0
        case .warning: 1
        case .info: 2
        case .debug: 3
        }
    }
}

/// The options that mean the same in every mode, as plain values that were validated where the command line was read.
package struct CommonOptions: Sendable {
    /// `--name`, else `CHAT_NAME`; nil where neither was given (then `NameChoice.choose` asks or takes `USER`).
    package var name: Nickname?

    /// `--bind`, may repeat; empty means all interfaces, IPv4 and IPv6.
    package var bind: [IPAddress]

    /// `--data`; nil means the default folder.
    package var dataDirectory: String?

    /// `--memory`: nothing is kept, nothing is written.
    package var memoryOnly: Bool

    /// `--json`: events as JSON, one object a line.
    package var json: Bool

    /// `--color`.
    package var color: ColorChoice

    /// `--log-level`.
    package var logLevel: LogLevel

    /// False with `--no-rate-limit`.
    package var rateLimit: Bool

    package init(
        name: Nickname? = nil, bind: [IPAddress] = [], dataDirectory: String? = nil, memoryOnly: Bool = false,
        json: Bool = false, color: ColorChoice = .auto, logLevel: LogLevel = .warning, rateLimit: Bool = true
    ) {
        self.name = name
        self.bind = bind
        self.dataDirectory = dataDirectory
        self.memoryOnly = memoryOnly
        self.json = json
        self.color = color
        self.logLevel = logLevel
        self.rateLimit = rateLimit
    }
}

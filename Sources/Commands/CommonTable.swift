import Console
import Wire

/// The options that mean the same in every command that has them.
enum CommonTable {
    static let name = Option("--name", .nickname, summary: "the name that others see; else you are asked, else USER")
    static let bind = Option(
        "--bind", .address, isRepeating: true,
        summary: "listen on this address alone; may repeat (default: all, IPv4 and IPv6)")
    static let data = Option("--data", .folder, summary: "keep data in this folder (default: $XDG_DATA_HOME/chat)")
    static let memory = Flag("--memory", summary: "keep nothing: no file is read or written")
    static let json = Flag("--json", summary: "write events as JSON, one object a line, and read such objects")
    static let color = Option(
        "--color", ValueKind<ColorChoice>.choice("WHEN"), summary: "colour: auto, always or never (default: auto)")
    static let logLevel = Option(
        "--log-level", ValueKind<LogLevel>.choice("LEVEL"),
        summary: "how much is logged: error, warning, info or debug (default: warning)")
    static let noRateLimit = Flag("--no-rate-limit", summary: "take messages of one author at any rate")

    /// What every command takes.
    static let output: [OptionSpec] = [json.spec, color.spec, logLevel.spec]
    /// What every command takes that speaks under a name.
    static let speaking: [OptionSpec] = [name.spec] + storing
    /// What every command takes that keeps something.
    static let storing: [OptionSpec] = [data.spec, memory.spec]
}

extension ValueKind<Nickname> {
    static let nickname = ValueKind.name("NAME")
}

extension ParsedArguments {
    /// The common options, of those that the command has.
    func common() throws(UsageError) -> CommonOptions {
        var common = CommonOptions()
        if has(CommonTable.name.spec) { common.name = try value(of: CommonTable.name) }
        if has(CommonTable.bind.spec) { common.bind = try values(of: CommonTable.bind) }
        if has(CommonTable.data.spec) { common.dataDirectory = try value(of: CommonTable.data) }
        if has(CommonTable.memory.spec) { common.memoryOnly = try isSet(CommonTable.memory) }
        if has(CommonTable.json.spec) { common.json = try isSet(CommonTable.json) }
        if has(CommonTable.color.spec), let color = try value(of: CommonTable.color) { common.color = color }
        if has(CommonTable.logLevel.spec), let level = try value(of: CommonTable.logLevel) { common.logLevel = level }
        if has(CommonTable.noRateLimit.spec) { common.rateLimit = try !isSet(CommonTable.noRateLimit) }
        if common.memoryOnly, given[CommonTable.data.spec.name] != nil {
            throw error("--memory keeps nothing, so --data has no meaning; give one of them.")
        }
        return common
    }
}

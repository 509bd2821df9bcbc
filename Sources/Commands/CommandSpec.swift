import Wire

/// One command of the command line: a row of the tables that parsing, help, completion and the README come from.
struct CommandSpec: Sendable {
    /// A line that can be typed as it is, and what it does.
    struct Example: Sendable {
        let line: String
        let meaning: String
    }

    /// The word, "serve".
    let name: String
    /// What it does: one sentence without a full stop, beginning with a verb.
    let summary: String
    /// What more there is to say: paragraphs.
    let details: [String]
    let arguments: [ArgumentSpec]
    let options: [OptionSpec]
    let examples: [Example]
    /// Commands behind this word; where there are any, this one alone does nothing.
    let subcommands: [CommandSpec]
    /// Whether it is an old spelling: it works, is neither listed nor completed, and answers a mistake with the
    /// sentence of the program that it comes from and nothing before it.
    let isOldSpelling: Bool
    /// Makes of what was given what is to be done.
    let make: @Sendable (ParsedArguments) throws(UsageError) -> Invocation

    init(
        _ name: String, summary: String, details: [String] = [], arguments: [ArgumentSpec] = [],
        options: [OptionSpec] = [], examples: [Example] = [], isOldSpelling: Bool = false,
        make: @escaping @Sendable (ParsedArguments) throws(UsageError) -> Invocation
    ) {
        self.name = name
        self.summary = summary
        self.details = details
        self.arguments = arguments
        self.options = options
        self.examples = examples
        self.subcommands = []
        self.isOldSpelling = isOldSpelling
        self.make = make
    }

    /// A word that only leads to others; alone it shows its help.
    init(
        _ name: String, summary: String, details: [String] = [], examples: [Example] = [], options: [OptionSpec] = [],
        subcommands: [CommandSpec]
    ) {
        self.name = name
        self.summary = summary
        self.details = details
        self.arguments = []
        self.options = options
        self.examples = examples
        self.subcommands = subcommands
        self.isOldSpelling = false
        self.make = { arguments in .help(path: Array(arguments.path.dropFirst())) }
    }

    /// The subcommands that help and completion show.
    var listed: [CommandSpec] { subcommands.filter { !$0.isOldSpelling } }

    func subcommand(_ name: String) -> CommandSpec? {
        subcommands.first { $0.name == name }
    }

    /// The options of this command and of all below it.
    var optionsInAll: [OptionSpec] {
        options + subcommands.flatMap(\.optionsInAll)
    }

    /// "chat p2p PORT [HOST:PORT ...]", without the options.
    func synopsis(path: [String]) -> String {
        (path + arguments.map(\.synopsis)).joined(separator: " ")
    }

    /// Every command that does something, with its path.
    func leaves(below path: [String] = []) -> [(path: [String], command: CommandSpec)] {
        let path = path + [name]
        if subcommands.isEmpty { return [(path, self)] }
        return listed.flatMap { $0.leaves(below: path) }
    }

    /// This command and all below it, with their paths.
    func all(below path: [String] = []) -> [(path: [String], command: CommandSpec)] {
        let path = path + [name]
        return [(path, self)] + listed.flatMap { $0.all(below: path) }
    }
}

/// All commands.
enum CommandTree {
    static let modes: [CommandSpec] = [
        P2PCommand.spec, BoardCommand.spec, UDPCommand.spec, RoomsCommand.spec,
    ]

    static let root: CommandSpec = CommandSpec(
        "chat", summary: "talk in the terminal, with or without a server",
        subcommands: modes + [BenchCommand.spec, help, completions])

    private static let commandWords = Argument(
        ValueKind<String>.text("COMMAND"), .any, summary: "the words of a command, such as 'p2p'")

    private static let help: CommandSpec = CommandSpec(
        "help", summary: "explain a command", arguments: [commandWords.spec]
    ) { arguments throws(UsageError) in
        let path = try arguments.values(of: commandWords)
        _ = try root.find(path)
        return .help(path: path)
    }

    private static let shell = Argument(ValueKind<Shell>.choice("SHELL"), summary: "bash, zsh or fish")

    private static let completions: CommandSpec = CommandSpec(
        "completions", summary: "print a script that lets a shell complete the commands",
        details: ["The script says in its first lines how to make the shell read it."],
        arguments: [shell.spec],
        examples: [.init(line: "source <(chat completions bash)", meaning: "complete in this bash from now on")]
    ) { arguments throws(UsageError) in
        .completions(try arguments.value(of: shell))
    }
}

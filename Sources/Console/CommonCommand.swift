import Wire

/// The commands that every mode has, because the console itself carries them out.
package enum CommonCommand: String, Sendable, CaseIterable {
    case help
    case quit
    case time
    case bell
    case ignore
    case unignore
    case clear

    /// The rows of the command table.
    package static let table = CommandTable<CommonCommand>([
        .init(.help, "help", aliases: ["?"], [.optional("COMMAND")], summary: "show the commands, or one of them"),
        .init(
            .time, "time", [.optional("STYLE", .choice(TimeStyle.allCases.map(\.rawValue)))],
            summary: "how the time before a line looks"),
        .init(
            .bell, "bell", [.optional("WHEN", .choice(BellPolicy.allCases.map(\.rawValue)))],
            summary: "when the bell rings"),
        .init(
            .ignore, "ignore", [.optional("NAME", .member)], summary: "hide what NAME says; alone: list who is hidden"),
        .init(.unignore, "unignore", [.required("NAME", .member)], summary: "show what NAME says again"),
        .init(.clear, "clear", summary: "clear the screen"),
        .init(.quit, "quit", aliases: ["exit"], summary: "say goodbye and leave"),
    ])
}

/// When the bell of the terminal rings: `/bell`.
package enum BellPolicy: String, Sendable, CaseIterable {
    case off
    /// When somebody calls the reader by name, or writes to the reader alone.
    case mentions
    /// For every message of others.
    case all
}

/// A command of the mode, or one that the console carries out itself.
enum ConsoleCommand<Command: Hashable & Sendable>: Hashable, Sendable {
    case common(CommonCommand)
    case mode(Command)
}

extension CommandTable {
    /// This table with the common commands behind it; where both name a word, this one's counts.
    func withCommonCommands() -> CommandTable<ConsoleCommand<ID>> {
        var all: [CommandTable<ConsoleCommand<ID>>.Command] = []
        for own in commands { all.append(own.map { id in ConsoleCommand<ID>.mode(id) }) }
        for common in CommonCommand.table.commands where command(named: common.name) == nil {
            all.append(common.map { id in ConsoleCommand<ID>.common(id) })
        }
        return CommandTable<ConsoleCommand<ID>>(all, marks: marks, text: text)
    }
}

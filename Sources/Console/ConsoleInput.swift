/// What the person or program at the console wants, after the console has taken what is its own (`/help`, `/time`...).
package enum ConsoleInput<Command: Hashable & Sendable>: Sendable, Equatable {
    /// A line that is no command; at a terminal and under `--json` it may hold line breaks. Never empty.
    case text(String)

    /// A command of the mode's table, with as many arguments as its signature asks for.
    case command(Command, CommandArguments)

    /// `/quit`, Ctrl+C or Ctrl+D at an empty line, a terminal that is gone: say goodbye and end with `console.outcome`.
    case quit

    /// The end of a pipe or file: finish what is under way, then end with `console.outcome`.
    case endOfInput
}

/// What the console tells of its output while `Console.writeOutput` runs.
package enum OutputChange: Sendable, Equatable {
    /// What waited has been written: whoever paused because of `isCongested` goes on.
    case relieved

    /// Nobody reads any more (a closed pipe or terminal): say goodbye and end quietly.
    case closed
}

import Console

/// The same tables in Markdown, for the README.
enum MarkdownTables {
    /// One row per command that does something.
    static func commands(_ root: CommandSpec) -> String {
        let rows = root.leaves().map { path, command in
            "| `\(escaped(command.synopsis(path: path)))` | \(command.summary) |"
        }
        return (["| command | what it does |", "|---|---|"] + rows).joined(separator: "\n") + "\n"
    }

    /// One row per option; of an option that several commands have, one row.
    static func options(_ root: CommandSpec) -> String {
        var rows: [String] = []
        var seen: Set<OptionSpec> = []
        for (_, command) in root.leaves() {
            for option in command.options where seen.insert(option).inserted {
                let cells = [
                    "`\(escaped(option.synopsis))`", "`\(option.environmentVariable)`", option.summary,
                    users(of: option, in: root),
                ]
                rows.append("| \(cells.joined(separator: " | ")) |")
            }
        }
        return (["| option | environment | what it does | commands |", "|---|---|---|---|"] + rows)
            .joined(separator: "\n") + "\n"
    }

    /// The commands that have an option: a mode by its name where all of its commands have it.
    private static func users(of option: OptionSpec, in root: CommandSpec) -> String {
        let modes = root.listed.filter { !$0.optionsInAll.isEmpty }
        let users = modes.flatMap { mode -> [String] in
            let leaves = mode.leaves()
            let users = leaves.filter { $0.command.options.contains(option) }
            return users.count == leaves.count ? [mode.name] : users.map { $0.path.joined(separator: " ") }
        }
        return users == modes.map(\.name) ? "all" : users.joined(separator: ", ")
    }

    /// One row per exit status.
    static var statuses: String {
        let rows = ExitStatus.allCases.map { "| \($0.rawValue) | \($0.summary) |" }
        return (["| status | meaning |", "|---|---|"] + rows).joined(separator: "\n") + "\n"
    }

    private static func escaped(_ text: String) -> String {
        text.map { $0 == "|" ? "\\|" : String($0) }.joined()
    }
}

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
                let users = root.leaves().filter { $0.command.options.contains(option) }
                let names = users.map { $0.path.dropFirst().joined(separator: " ") }.joined(separator: ", ")
                rows.append(
                    "| `\(escaped(option.synopsis))` | `\(option.environmentVariable)` | \(option.summary) | \(names) |"
                )
            }
        }
        return (["| option | environment | what it does | commands |", "|---|---|---|---|"] + rows)
            .joined(separator: "\n") + "\n"
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

/// The script that lets a shell complete our command lines, made from the tables.
///
/// All three work the same way: the words before the cursor are walked through to find the command that one is in,
/// values of options skipped; then what is offered depends on the command and on the word before the cursor.
struct CompletionScript {
    let root: CommandSpec

    /// A command, what it is called in a script ("chat board serve"), and what may follow it.
    struct Place {
        let name: String
        let command: CommandSpec

        var words: [(word: String, summary: String)] {
            let choices = command.arguments.flatMap { argument -> [(String, String)] in
                if case .words(let words) = argument.completion { words.map { ($0, argument.summary) } } else { [] }
            }
            return command.listed.map { ($0.name, $0.summary) } + choices
        }

        var options: [OptionSpec] { command.options }

        var takesFiles: Bool { command.arguments.contains { $0.completion == .files } }
    }

    var places: [Place] {
        root.all().map { Place(name: $0.path.joined(separator: " "), command: $0.command) }
    }

    /// Every option that takes a value, once.
    var valueOptions: [OptionSpec] {
        var seen: Set<String> = []
        return root.optionsInAll.filter { $0.placeholder != nil && seen.insert($0.name).inserted }
    }

    func text(for shell: Shell) -> String {
        let lines =
            switch shell {
            case .bash: bash
            case .zsh: zsh
            case .fish: fish
            }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Everything that may be written at a place: subcommands, choices, options, and `--help`.
    func offers(at place: Place) -> [String] {
        place.words.map(\.word) + place.options.map(\.name) + ["--help"]
            + (place.name == root.name ? ["--version"] : [])
    }
}

import Console
import Wire

/// The help of a command, made from its row of the tables. No line is longer than 80 columns.
struct HelpText {
    private static let width = 80
    /// The widest first column; what is longer stands on a line of its own.
    private static let widestTerm = 24

    private let path: [String]
    private let command: CommandSpec
    private(set) var lines: [String] = []

    init(path: [String], command: CommandSpec) {
        self.path = path
        self.command = command
        lines = ["\(path.joined(separator: " ")): \(command.summary)"]
        addUsage()
        addPairs("Commands", command.listed.map { (Self.synopsis(of: $0), $0.summary) })
        addPairs("Arguments", command.arguments.map { ($0.placeholder, $0.summary) })
        let general = [("--help", "show this help")] + (path.count == 1 ? [("--version", "show the version")] : [])
        addPairs("Options", command.options.map { ($0.synopsis, $0.summary) } + general)
        if let sample = command.options.first(where: { $0.placeholder != nil }) {
            addParagraph(
                """
                The environment may set each option too: \(sample.name) is \(sample.environmentVariable), and 1 \
                stands for an option without a value. The command line counts first.
                """)
        }
        addExamples()
        if path.count == 1 {
            addPairs("Exit status", ExitStatus.allCases.map { ("\($0.rawValue)", $0.summary) })
            addParagraph("'chat help COMMAND' explains a command.")
        }
    }

    var text: String { lines.joined(separator: "\n") + "\n" }

    private static func synopsis(of command: CommandSpec) -> String {
        command.subcommands.isEmpty ? command.synopsis(path: [command.name]) : "\(command.name) COMMAND"
    }

    private mutating func addUsage() {
        lines += ["", "Usage"]
        if command.subcommands.isEmpty {
            let options = command.options.isEmpty ? [] : ["[OPTION ...]"]
            lines.append("  " + (path + command.arguments.map(\.synopsis) + options).joined(separator: " "))
        } else {
            lines.append("  \(path.joined(separator: " ")) COMMAND [ARGUMENT ...] [OPTION ...]")
        }
        for paragraph in command.details { addParagraph(paragraph) }
    }

    private mutating func addParagraph(_ text: String) {
        lines.append("")
        lines += wrapped(text, width: Self.width)
    }

    private mutating func addPairs(_ title: String, _ pairs: [(term: String, meaning: String)]) {
        guard !pairs.isEmpty else { return }
        lines += ["", title]
        let column = min(pairs.map(\.term.count).max() ?? 0, Self.widestTerm)
        for (term, meaning) in pairs {
            var meaningLines = wrapped(meaning, width: Self.width - column - 4)[...]
            if term.count <= column {
                let padding = String(repeating: " ", count: column - term.count)
                lines.append("  \(term)\(padding)  \(meaningLines.removeFirst())")
            } else {
                lines.append("  \(term)")
            }
            lines += meaningLines.map { String(repeating: " ", count: column + 4) + $0 }
        }
    }

    private mutating func addExamples() {
        guard !command.examples.isEmpty else { return }
        lines += ["", "Examples"]
        for example in command.examples {
            lines.append("  \(example.line)")
            lines.append("      \(example.meaning)")
        }
    }

    private func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += line.isEmpty ? String(word) : " \(word)"
        }
        return lines + [line]
    }
}

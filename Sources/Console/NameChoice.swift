import Platform
import Terminal
package import Wire

/// Who the user is: `--name` or `CHAT_NAME`, else asked at a terminal, else `USER`.
package enum NameChoice: Sendable, Equatable {
    case name(Nickname)
    /// Ctrl+C, Ctrl+D or `/quit` at the question: end with status 0.
    case quit
    /// There is no name, and nobody to ask: end with status 64.
    case missing(SafeText)

    /// Finds the name.
    ///
    /// Call it before the mode's own console is started, since only one can have the terminal.
    ///
    /// - Parameter settings: those that the mode's console will be started with. What was typed behind the name is in
    ///   them afterwards.
    package static func choose(_ settings: inout ConsoleSettings, given: Nickname?) async -> NameChoice {
        if let given { return .name(given) }
        let user = Environment["USER"] ?? Environment["LOGNAME"]
        let suggestion = user.flatMap { try? Nickname(validating: $0) }
        if settings.hasEditor {
            let (choice, typedAhead) = await NameQuestion(suggestion).ask(settings)
            settings.typedAhead = typedAhead
            return choice
        }
        if let suggestion { return .name(suggestion) }
        return .missing("Nobody to ask for a name: say who you are with --name NAME.")
    }
}

/// Asks for a name at the prompt until there is one.
private actor NameQuestion {
    /// There are none: every line is a name.
    private enum NoCommand: Hashable, Sendable {}

    private let suggestion: Nickname?
    private var console: ChatConsole<NoCommand>?

    init(_ suggestion: Nickname?) { self.suggestion = suggestion }

    func ask(_ settings: ConsoleSettings) async -> (NameChoice, TypedAhead) {
        var settings = settings
        settings.historyPath = nil
        let console: ChatConsole<NoCommand>
        do {
            console = try ChatConsole(settings, commands: CommandTable([]))
        } catch {
            let sentence: SafeText = "Cannot ask for a name (\(error.message)): say who you are with --name NAME."
            return (.missing(sentence), TypedAhead())
        }
        self.console = console
        console.asksQuestion = true
        console.setPrompt(suggestion.map { "Your name [\($0)]: " } ?? "Your name: ")
        return await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.write() }
            // No loop runs yet to which signals could be events, and nobody is there to say goodbye to.
            await console.reader?.letSignalsEndTheProgram()
            let choice = await answer(console)
            await console.finish()
            return (choice, console.typedAhead)
        }
    }

    private func write() async { await console?.writeOutput { _ in } }

    private func answer(_ console: ChatConsole<NoCommand>) async -> NameChoice {
        for await input in console.inputs {
            guard case .text(let line) = input else { return .quit }
            if line.allSatisfy(\.isWhitespace) {
                if let suggestion { return .name(suggestion) }
                console.show(.error("A name is needed; Ctrl+C leaves."))
                continue
            }
            do {
                return .name(try Nickname(validating: line))
            } catch {
                console.show(.error(error.message))
            }
        }
        return .quit
    }
}

import Wire

/// The commands that the console carries out itself, in every mode.
extension ChatConsole {
    func carryOut(_ command: CommonCommand, _ arguments: CommandArguments) {
        switch command {
        case .help: help(arguments[0])
        // An input, like what is typed for the mode.
        case .quit: input.append(.input(.quit))
        case .time: setTime(arguments[0])
        case .bell: setBell(arguments[0])
        case .ignore: ignore(arguments.rest(after: 0))
        case .unignore: unignore(arguments.rest(after: 0))
        case .clear:
            if case .terminal(let view) = face {
                view.clear()
                wakeWriter()
            }
        }
    }

    private func help(_ word: String?) {
        guard let word else { return show(.answer(commands.helpLines)) }
        let name = word.drop { $0 == "/" || $0 == "%" }
        if let lines = commands.helpLines(of: name) {
            show(.answer(lines))
        } else {
            show(.error("There is no command /\(name); /help lists the commands."))
        }
    }

    private func setTime(_ word: String?) {
        if let word, let style = TimeStyle(rawValue: word.lowercased()) { lines.times.style = style }
        show(.notice("time: \(lines.times.style.rawValue)"))
    }

    private func setBell(_ word: String?) {
        if let word, let policy = BellPolicy(rawValue: word.lowercased()) { bell = policy }
        show(.notice("bell: \(bell.rawValue)"))
    }

    private func ignore(_ name: String) {
        let shown = QuotedName.inSentence(SafeText(untrusted: name))
        if name.isEmpty {
            let names = ignored.sorted().map { SafeText(untrusted: $0) }
            show(.answer([names.isEmpty ? "Nobody is ignored." : "Ignored: \(names.joined(separator: ", "))"]))
            return
        }
        guard ignored.count < ConsoleLimits.ignored else {
            show(.error("\(ConsoleLimits.ignored) names are ignored already; /unignore one first."))
            return
        }
        ignored.insert(nameKey(name))
        show(.notice("what \(shown) says is hidden from now on; /unignore \(name) shows it again"))
    }

    private func unignore(_ name: String) {
        let shown = QuotedName.inSentence(SafeText(untrusted: name))
        if ignored.remove(nameKey(name)) != nil {
            show(.notice("what \(shown) says is shown again"))
        } else {
            show(.error("\(shown) was not ignored."))
        }
    }
}

extension CompletionScript {
    var fish: [String] {
        let values = valueOptions.map(\.name).joined(separator: " ")
        let inner = places.dropFirst().map { "'\($0.name)'" }.joined(separator: " ")
        var lines = [
            "# Completion of chat for fish. Run:  chat completions fish > ~/.config/fish/completions/chat.fish",
            "function __chat_place",
            "    set -l place \(root.name)",
            "    set -l skip 0",
            "    for word in (commandline -opc)[2..-1]",
            "        if test $skip = 1",
            "            set skip 0",
            "            continue",
            "        end",
            "        switch $word",
            "            case \(values)",
            "                set skip 1",
            "                continue",
            "        end",
            "        switch \"$place $word\"",
            "            case \(inner)",
            "                set place \"$place $word\"",
            "        end",
            "    end",
            "    echo $place",
            "end",
            "function __chat_at",
            "    test (__chat_place) = \"$argv\"",
            "end",
            "complete -c chat -f",
            "complete -c chat -l help -d 'show the help'",
            "complete -c chat -n '__chat_at \(root.name)' -l version -d 'show the version'",
        ]
        for place in places {
            let condition = "complete -c chat -n '__chat_at \(place.name)'"
            for (word, summary) in place.words { lines.append("\(condition) -a \(word) -d \(quoted(summary))") }
            if place.takesFiles { lines.append("\(condition) -F") }
            for option in place.options {
                let action = option.placeholder == nil ? "" : " -x\(fishAction(option.completion))"
                lines.append("\(condition) -l \(option.name.dropFirst(2))\(action) -d \(quoted(option.summary))")
            }
        }
        return lines
    }

    private func fishAction(_ completion: Completion) -> String {
        switch completion {
        case .nothing: ""
        case .words(let words): " -a '\(words.joined(separator: " "))'"
        case .files: " -a '(__fish_complete_path)'"
        case .folders: " -a '(__fish_complete_directories)'"
        }
    }

    private func quoted(_ text: String) -> String {
        "'" + text.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "'"
    }
}

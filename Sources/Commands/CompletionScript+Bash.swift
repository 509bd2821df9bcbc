extension CompletionScript {
    var bash: [String] {
        var lines = [
            "# Completion of chat for bash. Put this into ~/.bashrc:  source <(chat completions bash)",
            "_chat() {",
            "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}",
            "    local place=\(root.name) skip= index word",
            "    COMPREPLY=()",
            "    for ((index = 1; index < COMP_CWORD; index++)); do",
            "        word=${COMP_WORDS[index]}",
            "        if [[ -n $skip ]]; then skip=; continue; fi",
            "        case $word in",
            "            \(pattern(valueOptions.map(\.name)))) skip=1; continue ;;",
            "        esac",
            "        case \"$place $word\" in",
            "            \(pattern(places.dropFirst().map { "\"\($0.name)\"" }))) place=\"$place $word\" ;;",
            "        esac",
            "    done",
            "    case $previous in",
        ]
        for option in valueOptions {
            lines.append("        \(option.name)) \(bashAction(option.completion)) return ;;")
        }
        lines += [
            "    esac",
            "    case $place in",
        ]
        for place in places {
            let words = "COMPREPLY=($(compgen -W '\(offers(at: place).joined(separator: " "))' -- \"$current\"))"
            let files = place.takesFiles ? "; COMPREPLY+=($(compgen -f -- \"$current\"))" : ""
            lines.append("        \"\(place.name)\") \(words)\(files) ;;")
        }
        return lines + ["    esac", "}", "complete -F _chat chat"]
    }

    private func pattern(_ words: [String]) -> String {
        words.joined(separator: "|")
    }

    private func bashAction(_ completion: Completion) -> String {
        switch completion {
        case .nothing: ""
        case .words(let words): "COMPREPLY=($(compgen -W '\(words.joined(separator: " "))' -- \"$current\"));"
        case .files: "COMPREPLY=($(compgen -f -- \"$current\"));"
        case .folders: "COMPREPLY=($(compgen -d -- \"$current\"));"
        }
    }
}

extension CompletionScript {
    var zsh: [String] {
        var lines = [
            "#compdef chat",
            "# Completion of chat for zsh. Put this into ~/.zshrc behind compinit:  source <(chat completions zsh)",
            "_chat() {",
            "    local place=\(root.name) skip= word",
            "    local -a offers",
            "    for word in ${words[2,CURRENT-1]}; do",
            "        if [[ -n $skip ]]; then skip=; continue; fi",
            "        case $word in",
            "            (\(valueOptions.map(\.name).joined(separator: "|"))) skip=1; continue ;;",
            "        esac",
            "        case \"$place $word\" in",
            "            (\(places.dropFirst().map { "\"\($0.name)\"" }.joined(separator: "|"))) place=\"$place $word\" ;;",
            "        esac",
            "    done",
            "    case ${words[CURRENT-1]} in",
        ]
        for option in valueOptions {
            lines.append("        (\(option.name)) \(zshAction(option.completion)) return ;;")
        }
        lines += ["    esac", "    case $place in"]
        for place in places {
            let offers =
                place.words.map { described($0.word, $0.summary) }
                + place.options.map { described($0.name, $0.summary) } + [described("--help", "show the help")]
                + (place.name == root.name ? [described("--version", "show the version")] : [])
            lines.append("        (\"\(place.name)\")")
            lines.append("            offers=(\(offers.joined(separator: " ")))")
            if place.takesFiles { lines.append("            _files") }
            lines.append("            ;;")
        }
        return lines + ["    esac", "    _describe 'chat' offers", "}", "compdef _chat chat"]
    }

    /// 'word:summary' in single quotes; a colon inside either part is escaped for `_describe`.
    private func described(_ word: String, _ summary: String) -> String {
        let escape = { (text: String) in
            text.map { $0 == ":" ? "\\:" : $0 == "'" ? "'\\''" : String($0) }.joined()
        }
        return "'\(escape(word)):\(escape(summary))'"
    }

    private func zshAction(_ completion: Completion) -> String {
        switch completion {
        case .nothing: ""
        case .words(let words): "compadd -- \(words.joined(separator: " "));"
        case .files: "_files;"
        case .folders: "_files -/;"
        }
    }
}

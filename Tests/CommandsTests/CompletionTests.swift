import Console
import TestSupport
import Testing

@testable import Commands

/// A small tree, so that the scripts can be stated word for word.
private let sample = CommandSpec(
    "chat", summary: "sample",
    subcommands: [
        CommandSpec(
            "group", summary: "lead on",
            subcommands: [
                CommandSpec(
                    "import", summary: "read a file: all of it", arguments: [Argument(.file, summary: "the file").spec],
                    options: [CommonTable.color.spec, CommonTable.data.spec, CommonTable.json.spec]
                ) { _ throws(UsageError) in .version }
            ])
    ])

@Suite struct CompletionTests {
    @Test func bashWordForWord() {
        #expect(
            CompletionScript(root: sample).text(for: .bash) == """
                # Completion of chat for bash. Put this into ~/.bashrc:  source <(chat completions bash)
                _chat() {
                    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
                    local place=chat skip= index word
                    COMPREPLY=()
                    for ((index = 1; index < COMP_CWORD; index++)); do
                        word=${COMP_WORDS[index]}
                        if [[ -n $skip ]]; then skip=; continue; fi
                        case $word in
                            --color|--data) skip=1; continue ;;
                        esac
                        case "$place $word" in
                            "chat group"|"chat group import") place="$place $word" ;;
                        esac
                    done
                    case $previous in
                        --color) COMPREPLY=($(compgen -W 'auto always never' -- "$current")); return ;;
                        --data) COMPREPLY=($(compgen -d -- "$current")); return ;;
                    esac
                    case $place in
                        "chat") COMPREPLY=($(compgen -W 'group --help --version' -- "$current")) ;;
                        "chat group") COMPREPLY=($(compgen -W 'import --help' -- "$current")) ;;
                        "chat group import") COMPREPLY=($(compgen -W '--color --data --json --help' -- "$current")); COMPREPLY+=($(compgen -f -- "$current")) ;;
                    esac
                }
                complete -F _chat chat

                """)
    }

    @Test func zshWordForWord() {
        #expect(
            CompletionScript(root: sample).text(for: .zsh) == """
                #compdef chat
                # Completion of chat for zsh. Put this into ~/.zshrc behind compinit:  source <(chat completions zsh)
                _chat() {
                    local place=chat skip= word
                    local -a offers
                    for word in ${words[2,CURRENT-1]}; do
                        if [[ -n $skip ]]; then skip=; continue; fi
                        case $word in
                            (--color|--data) skip=1; continue ;;
                        esac
                        case "$place $word" in
                            ("chat group"|"chat group import") place="$place $word" ;;
                        esac
                    done
                    case ${words[CURRENT-1]} in
                        (--color) compadd -- auto always never; return ;;
                        (--data) _files -/; return ;;
                    esac
                    case $place in
                        ("chat")
                            offers=('group:lead on' '--help:show the help' '--version:show the version')
                            ;;
                        ("chat group")
                            offers=('import:read a file\\: all of it' '--help:show the help')
                            ;;
                        ("chat group import")
                            offers=('--color:colour\\: auto, always or never (default\\: auto)' '--data:keep data in this folder (default\\: $XDG_DATA_HOME/chat)' '--json:write events as JSON, one object a line, and read such objects' '--help:show the help')
                            _files
                            ;;
                    esac
                    _describe 'chat' offers
                }
                compdef _chat chat

                """)
    }

    @Test func fishWordForWord() {
        #expect(
            CompletionScript(root: sample).text(for: .fish) == """
                # Completion of chat for fish. Run:  chat completions fish > ~/.config/fish/completions/chat.fish
                function __chat_place
                    set -l place chat
                    set -l skip 0
                    for word in (commandline -opc)[2..-1]
                        if test $skip = 1
                            set skip 0
                            continue
                        end
                        switch $word
                            case --color --data
                                set skip 1
                                continue
                        end
                        switch "$place $word"
                            case 'chat group' 'chat group import'
                                set place "$place $word"
                        end
                    end
                    echo $place
                end
                function __chat_at
                    test (__chat_place) = "$argv"
                end
                complete -c chat -f
                complete -c chat -l help -d 'show the help'
                complete -c chat -n '__chat_at chat' -l version -d 'show the version'
                complete -c chat -n '__chat_at chat' -a group -d 'lead on'
                complete -c chat -n '__chat_at chat group' -a import -d 'read a file: all of it'
                complete -c chat -n '__chat_at chat group import' -F
                complete -c chat -n '__chat_at chat group import' -l color -x -a 'auto always never' -d 'colour: auto, always or never (default: auto)'
                complete -c chat -n '__chat_at chat group import' -l data -x -a '(__fish_complete_directories)' -d 'keep data in this folder (default: $XDG_DATA_HOME/chat)'
                complete -c chat -n '__chat_at chat group import' -l json -d 'write events as JSON, one object a line, and read such objects'

                """)
    }

    @Test(arguments: Shell.allCases)
    func everyCommandAndOptionIsInTheScript(shell: Shell) {
        let script = CommandLineInterface.completions(shell)
        for (path, command) in CommandTree.root.all() {
            #expect(script.contains(path.joined(separator: " ")))
            for option in command.options {
                #expect(script.contains(shell == .fish ? "-l \(option.name.dropFirst(2))" : option.name))
            }
        }
    }

    /// The script in a real shell.
    @Test(arguments: [
        (["p"], "p2p"), (["hel"], "help"), (["--v"], "--version"), (["p2p", "--na"], "--name"),
        (["p2p", "--name", "help", "--color", "al"], "always"), (["completions", "b"], "bash"),
        (["--color", "never", "completions", "z"], "zsh"), (["p2p", "--name", "--jso"], ""),
        (["p2p", "9001", "--log-level", "w"], "warning"),
    ])
    func bashCompletes(words: [String], offered: String) async throws {
        let script = """
            \(CommandLineInterface.completions(.bash))
            COMP_WORDS=(chat "$@"); COMP_CWORD=$#
            _chat
            printf '%s\\n' "${COMPREPLY[*]}"
            """
        let bash = try ChildProcess("/usr/bin/env", ["bash", "-c", script, "bash"] + words)
        #expect(try await bash.line() == offered)
        #expect(await bash.exitStatus() == 0)
    }
}

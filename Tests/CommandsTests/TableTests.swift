import Console
import Platform
import TestSupport
import Testing
import Wire

@testable import Commands

@Suite struct TableTests {
    @Test func helpOfP2PWordForWord() {
        #expect(
            CommandLineInterface.help(["p2p"]) == """
                chat p2p: talk with peers directly, without a server

                Usage
                  chat p2p PORT [HOST:PORT ...] [OPTION ...]

                Listens on PORT and connects to the peers that are named. Peers of a mesh learn
                of each other, so one address is enough; what was said while a link was down is
                caught up with.

                Arguments
                  PORT       the port to listen on; 0 takes a free one
                  HOST:PORT  a peer to connect to, tried again until it answers; one of a mesh
                             is enough

                Options
                  --plain            send plain text, for a mesh of peers that know nothing else
                  --name NAME        the name that others see; else you are asked, else USER
                  --data DIR         keep data in this folder (default: $XDG_DATA_HOME/chat)
                  --memory           keep nothing: no file is read or written
                  --bind ADDRESS     listen on this address alone; may repeat (default: all,
                                     IPv4 and IPv6)
                  --no-rate-limit    take messages of one author at any rate
                  --json             write events as JSON, one object a line, and read such
                                     objects
                  --color WHEN       colour: auto, always or never (default: auto)
                  --log-level LEVEL  how much is logged: error, warning, info or debug (default:
                                     warning)
                  --help             show this help

                The environment may set each option too: --name is CHAT_NAME, and 1 stands for
                an option without a value. The command line counts first.

                Examples
                  chat p2p 9001
                      wait for others on port 9001
                  chat p2p 9002 127.0.0.1:9001
                      join them from the same machine
                  printf 'hi\\n' | chat p2p 0 127.0.0.1:9001 --name bot
                      say one thing and leave

                """)
    }

    @Test func helpOfCompletionsWordForWord() {
        #expect(
            CommandLineInterface.help(["completions"]) == """
                chat completions: print a script that lets a shell complete the commands

                Usage
                  chat completions SHELL

                The script says in its first lines how to make the shell read it.

                Arguments
                  SHELL  bash, zsh or fish

                Options
                  --help  show this help

                Examples
                  source <(chat completions bash)
                      complete in this bash from now on

                """)
    }

    @Test func helpOfAllListsEveryModeAndStatus() {
        let help = CommandLineInterface.help([])
        for mode in CommandTree.modes { #expect(help.contains("\n  \(mode.name) ")) }
        for status in ExitStatus.allCases { #expect(help.contains("\n  \(status.rawValue) ")) }
        #expect(help.hasPrefix("chat: talk in the terminal, with or without a server\n\nUsage\n  chat COMMAND "))
        #expect(help.hasSuffix("\n'chat help COMMAND' explains a command.\n"))
    }

    @Test func everyHelpFitsATerminalAndHoldsNothingButText() {
        for (path, _) in CommandTree.root.all() {
            let help = CommandLineInterface.help(Array(path.dropFirst()))
            for line in help.split(separator: "\n") { #expect(line.count <= 80, "\(path): \(line)") }
            #expect(SafeText(untrustedBlock: help).string == help)
        }
    }

    @Test func tablesAreConsistent() {
        var kinds: [String: OptionSpec] = [:]
        for (path, command) in CommandTree.root.all() {
            #expect(!command.summary.hasSuffix("."), "\(path)")
            #expect(Set(command.options.map(\.name)).count == command.options.count, "\(path) has an option twice")
            #expect(Set(command.subcommands.map(\.name)).count == command.subcommands.count)
            #expect(command.subcommands.isEmpty || command.arguments.isEmpty, "\(path) has arguments and commands")
            // What may be missing comes last, and what takes the rest at the very end.
            let counts = command.arguments.map(\.count)
            #expect(counts == counts.sorted { rank($0) < rank($1) }, "\(path)")
            #expect(counts.dropLast().allSatisfy { $0 != .any })
            for option in command.options {
                #expect(option.name.hasPrefix("--") && !option.summary.hasSuffix("."))
                // Before the command is known, an option is read by its name alone; and completion skips its value.
                let other = kinds[option.name, default: option]
                #expect((other.placeholder == nil) == (option.placeholder == nil), "\(option.name)")
                #expect(other.completion == option.completion && other.isRepeating == option.isRepeating)
                kinds[option.name] = option
            }
        }
    }

    private func rank(_ count: ArgumentSpec.Count) -> Int {
        switch count {
        case .one: 0
        case .noneOrOne: 1
        case .any: 2
        }
    }

    @Test func everyExampleParses() throws {
        for (_, command) in CommandTree.root.all() {
            for example in command.examples {
                let line = example.line.split(separator: "|").last!.split(separator: " ").map(String.init)
                let words = line.drop { $0 != "chat" && !$0.hasSuffix("(chat") }.dropFirst()
                #expect(throws: Never.self) {
                    _ = try parse(words: words.map { $0.hasSuffix(")") ? String($0.dropLast()) : $0 })
                }
            }
        }
    }

    /// With `UPDATE_README=1` in the environment, the README is given the tables instead.
    @Test func readmeHoldsTheTablesOfTheProgram() throws {
        var readme = String(decoding: contents(ofProjectFile: "README.md"), as: UTF8.self)
        for (mark, table) in CommandLineInterface.readmeTables {
            let opening = "<!-- \(mark) -->\n"
            let parts = readme.split(separator: opening, maxSplits: 1, omittingEmptySubsequences: false)
            try #require(parts.count == 2, "README.md has no mark \(opening)")
            let ending = try #require(parts[1].firstRange(of: "<!-- end -->\n"))
            let block = "\n\(table)\n"
            if Environment["UPDATE_README"] == nil {
                #expect(parts[1][..<ending.lowerBound] == block, "run UPDATE_README=1 swift test --filter readmeHolds")
            }
            readme = parts[0] + opening + block + parts[1][ending.lowerBound...]
        }
        if Environment["UPDATE_README"] != nil {
            try PrivateFile.writeAtomically(Array(readme.utf8), to: path(ofProjectFile: "README.md"))
        }
    }
}

package import Console
import Wire

/// The commands of `chat udp join`: the original's bare verbs, which also work behind `/`.
package enum UDPClientCommand: Hashable, Sendable, CaseIterable {
    case send, deregister, createGroup, listGroups, joinGroup, sendGroup, listMembers, leaveGroup, who

    /// Parsing, help, completion and the README's table come from here.
    package static let table = CommandTable<UDPClientCommand>(
        [
            .init(
                .send, "send", aliases: ["msg"], [.required("NAME", .member), .required("TEXT", .text)],
                summary: "write to NAME alone"),
            .init(
                .createGroup, "create_group", aliases: ["create"], [.required("GROUP", .text)],
                summary: "create a group (outside a group)"),
            .init(.listGroups, "list_groups", aliases: ["groups"], summary: "list the groups (outside a group)"),
            .init(
                .joinGroup, "join_group", aliases: ["join"], [.required("GROUP", .group)],
                summary: "enter a group (outside a group)"),
            .init(
                .sendGroup, "send_group", [.required("TEXT", .text)], summary: "write to everybody in the group (in it)"
            ),
            .init(.listMembers, "list_members", aliases: ["members"], summary: "list who is in the group (in it)"),
            .init(
                .leaveGroup, "leave_group", aliases: ["leave"],
                summary: "leave the group, and see what was written to you meanwhile (in it)"),
            .init(.who, "who", aliases: ["peers"], summary: "list who is registered, and where"),
            .init(
                .deregister, "dereg", [.required("NAME", .text)],
                summary: "give your name up, with what is stored for it, and end"),
        ], marks: .slashAndBareWord, text: .forwarded)

    /// What the command asks of the machine.
    package func verb(_ arguments: CommandArguments) -> UDPVerb {
        let all = arguments.rest(after: 0)
        return switch self {
        case .send: .send(all)
        case .deregister: .deregister(name: all)
        case .createGroup: .createGroup(all)
        case .listGroups: .listGroups
        case .joinGroup: .joinGroup(all)
        case .sendGroup: .sendGroup(all)
        case .listMembers: .listMembers
        case .leaveGroup: .leaveGroup
        case .who: .who
        }
    }

    /// A line that the table knows no command for: the original names its first word.
    package static func unknown(_ line: String) -> UDPVerb {
        .unknown(word: line.split(maxSplits: 1, whereSeparator: \.isWhitespace).first.map(String.init) ?? "")
    }

    /// What a line is, for those who have no console.
    static func verb(_ line: String) -> UDPVerb {
        switch table.parse(line) {
        case .command(let command, let arguments): command.verb(arguments)
        case .text(let text): unknown(text)
        case .mistake: unknown(line)
        }
    }
}

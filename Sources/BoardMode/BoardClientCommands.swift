package import Console
import Wire

/// What can be typed in `chat board connect`: the words of the original with `%`, the same and some more with `/`.
package enum BoardTypedCommand: String, Sendable, CaseIterable {
    case groups, groupjoin, join, grouppost, post, groupusers, users, groupleave, leave, groupmessage, message
    case grouplist, list, groupcreate, compose, connect

    package static let table = CommandTable<BoardTypedCommand>(
        [
            .init(.groups, "groups", aliases: ["allgroups"], summary: "the groups of this board"),
            .init(.join, "join", [.optional("GROUP", .group)], summary: "enter a group; main without a name"),
            .init(
                .post, "post", [.required("SUBJECT"), .required("TEXT", .text)],
                summary: "post to main; a subject of several words stands in double quotes"),
            .init(
                .grouppost, "grouppost", [.required("GROUP", .group), .required("SUBJECT"), .required("TEXT", .text)],
                summary: "post to a group"),
            .init(
                .compose, "compose", [.required("GROUP", .group), .optional("SUBJECT", .text)],
                summary: "write a longer post in your editor ($VISUAL or $EDITOR)"),
            .init(
                .list, "list", [.optional("before ID", .text)],
                summary: "what you may see of main; before ID: the page before"),
            .init(
                .grouplist, "grouplist", [.required("GROUP", .group), .optional("before ID", .text)],
                summary: "what you may see of a group"),
            .init(.message, "message", [.required("ID")], summary: "read a post of main"),
            .init(
                .groupmessage, "groupmessage", [.required("GROUP", .group), .required("ID")],
                summary: "read a post of a group"),
            .init(
                .users, "users", aliases: ["who"], [.optional("GROUP", .group)],
                summary: "who is in a group; main without a name"),
            .init(.leave, "leave", [.optional("GROUP", .group)], summary: "leave a group; main without a name"),
            .init(
                .groupcreate, "groupcreate", [.required("GROUP"), .optional("RULE")],
                summary: "create a group; the RULE (none, all, last:N) says what of its past a new member sees"),
            .init(.groupjoin, "groupjoin", [.required("GROUP", .group)], summary: "the same as join GROUP"),
            .init(.groupusers, "groupusers", [.required("GROUP", .group)], summary: "the same as users GROUP"),
            .init(.groupleave, "groupleave", [.required("GROUP", .group)], summary: "the same as leave GROUP"),
            .init(.connect, "connect", [.optional("SERVER", .text)], summary: "says that you are connected"),
        ],
        marks: .slashAndPercent,
        text: .refused("That is no command. Post with %post SUBJECT TEXT; /help lists the commands."))

    /// The request that a typed command means; nil where its words make no sense.
    func request(_ arguments: CommandArguments) -> BoardRequest? {
        switch self {
        case .join: .join(group: arguments[0] ?? BoardRequest.mainGroup, resume: nil)
        case .users: .users(group: arguments[0] ?? BoardRequest.mainGroup)
        case .leave: .leave(group: arguments[0] ?? BoardRequest.mainGroup)
        case .groups: .groups(after: nil, all: true)
        case .compose: nil
        case .groupjoin, .grouppost, .post, .groupusers, .groupleave, .groupmessage, .message, .grouplist, .list,
            .groupcreate, .connect:
            switch BoardRequest(text: "\(rawValue) \(arguments.raw)") {
            case .unknown?, nil: nil
            case let request?: request
            }
        }
    }
}

import BoardMode
import Wire

/// `chat board`
enum BoardCommand {
    static let spec = CommandSpec(
        "board", summary: "post to groups on a server, and read what others posted",
        subcommands: [serve, connect, post, read, groups, exportLog, importLog])

    // MARK: Server

    private static let port = Option(
        "--port", .listeningPort, summary: "the port to listen on (default: \(BoardOptions.defaultPort))")
    private static let groupOption = Option(
        "--group", .groupName, isRepeating: true, summary: "a group beside those that are always there; may repeat")
    private static let visibility = Option(
        "--visibility", .visibility, isRepeating: true,
        summary: "what a new member sees of before: none, all or last:N (default: last:2), for all groups or GROUP=RULE"
    )
    private static let noCreate = Flag("--no-create", summary: "let nobody create a group")

    private static let serve = CommandSpec(
        "serve", summary: "run a board",
        options: [port.spec, groupOption.spec, visibility.spec, noCreate.spec] + CommonTable.storing
            + [CommonTable.bind.spec, CommonTable.noRateLimit.spec] + CommonTable.output,
        examples: [
            .init(line: "chat board serve", meaning: "run a board on port \(BoardOptions.defaultPort)"),
            .init(
                line: "chat board serve --group news --visibility news=all",
                meaning: "with a group whose members see everything"),
        ]
    ) { arguments throws(UsageError) in
        var options = BoardServeOptions()
        if let port = try arguments.value(of: port) { options.port = port }
        options.groups = try arguments.values(of: groupOption)
        for setting in try arguments.values(of: visibility) {
            if let group = setting.group {
                options.groupVisibility.append(.init(group: group, rule: setting.rule))
            } else {
                options.visibility = setting.rule
            }
        }
        options.allowsCreation = try !arguments.isSet(noCreate)
        return .board(.serve(options), try arguments.common())
    }

    // MARK: Clients

    private static let server = Option(
        "--server", .server(defaultPort: BoardOptions.defaultPort),
        summary: "the server (default: \(BoardOptions.defaultServer))")
    private static let serverArgument = Argument(
        .server(defaultPort: BoardOptions.defaultPort), .noneOrOne,
        summary: "the server (default: \(BoardOptions.defaultServer))")
    private static let group = Argument(.groupName, summary: "the name of the group")
    private static let errand = [server.spec] + CommonTable.speaking + CommonTable.output

    private static let connect = CommandSpec(
        "connect", summary: "take part in a board", arguments: [serverArgument.spec],
        options: [server.spec] + CommonTable.speaking + CommonTable.output,
        examples: [.init(line: "chat board connect 127.0.0.1", meaning: "take part in a board on this machine")]
    ) { arguments throws(UsageError) in
        let endpoint: Endpoint
        if let given = try arguments.optional(serverArgument) {
            endpoint = given
        } else {
            endpoint = try serverOption(arguments)
        }
        return .board(.connect(server: endpoint), try arguments.common())
    }

    private static let subject = Argument(ValueKind<Subject>.name("SUBJECT"), summary: "the subject, in quotes")
    private static let text = Argument(
        ValueKind<String>.text("TEXT"), .any, summary: "the text; '-', or none, reads the standard input")

    private static let post = CommandSpec(
        "post", summary: "post once", arguments: [group.spec, subject.spec, text.spec], options: errand,
        examples: [
            .init(line: "chat board post main hello 'Is anybody here?'", meaning: "post a line"),
            .init(
                line: "git log -1 | chat board post general 'The last commit' -", meaning: "post what a program writes"),
        ]
    ) { arguments throws(UsageError) in
        let words = try arguments.values(of: text)
        return .board(
            .post(
                server: try serverOption(arguments), group: try arguments.value(of: group),
                subject: try arguments.value(of: subject),
                text: words.isEmpty || words == ["-"] ? .standardInput : .text(words.joined(separator: " "))),
            try arguments.common())
    }

    private static let postID = Argument(.offset, .noneOrOne, summary: "the ID of one post (default: all there are)")

    private static let read = CommandSpec(
        "read", summary: "print what was posted", arguments: [group.spec, postID.spec], options: errand
    ) { arguments throws(UsageError) in
        .board(
            .read(
                server: try serverOption(arguments), group: try arguments.value(of: group),
                id: try arguments.optional(postID)),
            try arguments.common())
    }

    private static let groups = CommandSpec("groups", summary: "print the groups", options: errand) {
        arguments throws(UsageError) in
        .board(.groups(server: try serverOption(arguments)), try arguments.common())
    }

    private static func serverOption(_ arguments: ParsedArguments) throws(UsageError) -> Endpoint {
        try arguments.value(of: server) ?? BoardOptions.defaultServer
    }

    // MARK: Files

    private static let output = Argument(.file, summary: "the file to write; '-' is the standard output")
    private static let input = Argument(.file, summary: "the file to read; '-' is the standard input")

    private static let exportLog = CommandSpec(
        "export", summary: "write all posts to a file, one JSON object a line",
        arguments: [output.spec], options: [CommonTable.data.spec] + CommonTable.output
    ) { arguments throws(UsageError) in
        .board(.exportLog(path: try arguments.value(of: output)), try arguments.common())
    }

    private static let importLog = CommandSpec(
        "import", summary: "take in what 'export' wrote", arguments: [input.spec],
        options: [CommonTable.data.spec] + CommonTable.output
    ) { arguments throws(UsageError) in
        .board(.importLog(path: try arguments.value(of: input)), try arguments.common())
    }
}

/// A rule of visibility as it is given: for one group, or for all without a rule of their own.
private struct VisibilitySetting: Sendable {
    let group: GroupName?
    let rule: VisibilityRule
}

extension ValueKind<VisibilitySetting> {
    fileprivate static let visibility = ValueKind("[GROUP=]RULE") { text throws(ValueError) in
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let rule = VisibilityRule(parsing: parts.last ?? "") else {
            throw ValueError(message: "'\(parts.last ?? "")' is no rule; use none, all or last:N.")
        }
        let group = parts.count == 2 ? try ValueKind<GroupName>.groupName.read(parts[0]) : nil
        return VisibilitySetting(group: group, rule: rule)
    }
}

extension ValueKind<GroupName> {
    static let groupName = ValueKind.name("GROUP")
}

extension ValueKind<Int64> {
    /// The offset of a message in its conversation.
    static let offset = ValueKind("ID") { text throws(ValueError) in
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let offset = Int64(text)
        else {
            throw ValueError(message: "'\(text)' is not an ID; use a number from 0 on.")
        }
        return offset
    }
}

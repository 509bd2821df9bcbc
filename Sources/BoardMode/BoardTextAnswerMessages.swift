import Delivery
package import Wire

/// Answers and events as text, word for word what the original's server says where it has words (Protocols.md, "board,
/// text"). Every line ends with a newline, also where the original's does not.
package struct BoardTextWriter {
    /// How far the server's local time is ahead of UTC at a moment, in seconds: dates are shown in it.
    package let utcOffset: @Sendable (Timestamp) -> Int

    package init(utcOffset: @escaping @Sendable (Timestamp) -> Int) { self.utcOffset = utcOffset }

    /// Groups that `%groups` shows.
    package static let groupsShown = 5

    /// The question that begins a connection, and comes again after a name that will not do.
    package func writePrompt(to writer: inout ByteWriter) { line("What is your username?", to: &writer) }

    package func writeNameTaken(to writer: inout ByteWriter) {
        line("[ERROR] Username already in use. Please try another.", to: &writer)
        writePrompt(to: &writer)
    }

    package func writeWelcome(_ name: String, to writer: inout ByteWriter) {
        line("[INFO] Welcome \(name)", to: &writer)
        line(
            "[INFO] Use '%groups' to see available groups, and '%groupjoin id/name' to enter.", to: &writer)
    }

    package func write(_ answer: BoardAnswer, to writer: inout ByteWriter) {
        switch answer {
        case .ready(let name): writeWelcome(name, to: &writer)
        case .groups(let groups, let total, let next): write(groups, total: total, next: next, to: &writer)
        case .joined(let joined):
            line("[SUCCESS] You have successfully joined group '\(joined.group)'.", to: &writer)
            if let history = joined.history { write(history, to: &writer) }
        case .alreadyMember(let group): line("[INFO] You are already a member of group '\(group)'.", to: &writer)
        case .posted(let group, _, let offset, _, _):
            writer.append("[SUCCESS] Message posted to group '")
            writer.append(utf8: group)
            writer.append("' with ID: ")
            writer.append(decimal: offset)
            writer.append("\n")
        case .users(let group, let names):
            if names.isEmpty {
                line("[INFO] No users currently in group '\(group)'.", to: &writer)
            } else {
                line("[INFO] Users in group '\(group)':", to: &writer)
                for name in names { line(name, to: &writer) }
            }
        case .left(let group): line("[SUCCESS] You have successfully left group '\(group)'.", to: &writer)
        case .message(let group, _, let message): write(message, in: group, to: &writer)
        case .encodedMessage: preconditionFailure("an answer in JSON for a connection that reads text")
        case .joinedHistory(let history): write(history, to: &writer)
        case .history(let history):
            write(history, to: &writer)
            line("[INFO] Messages Listed.", to: &writer)
        case .caughtUp(let page):
            // Text has no command that asks for this.
            for message in page.messages { write(message, in: page.group, to: &writer) }
        case .created(let group): line("[SUCCESS] Group '\(group)' created.", to: &writer)
        case .alreadyConnected:
            line("[INFO] Already connected to server. Use '%groups' to see available groups.", to: &writer)
        case .pong: line("[INFO] Still here.", to: &writer)
        case .help: for text in BoardHelp.lines { line("[INFO] \(text)", to: &writer) }
        case .goodbye: line("[INFO] Disconnecting...", to: &writer)
        case .unknown(let command):
            line("[ERROR] Unknown command or incorrect format: \(shown(command))", to: &writer)
        case .noSuchGroup, .noSuchMessage, .notMember, .groupExists, .groupFull, .refused:
            line("[ERROR] \(answer.refusal!.text.string)", to: &writer)
        }
    }

    package func write(_ event: BoardEvent, to writer: inout ByteWriter) {
        switch event {
        case .joined(let group, let name):
            line("[GROUP:\(group)] [NOTIFY] User \(name) joined the group.", to: &writer)
        case .left(let group, let name):
            line("[GROUP:\(group)] [NOTIFY] User \(name) left the group.", to: &writer)
        case .posted(let group, _, let message):
            // The hot line: one for each post and group.
            writer.append("[GROUP:")
            writer.append(utf8: group)
            writer.append("] [NOTIFY] New message from ")
            writer.append(utf8: message.author)
            writer.append(" (ID: ")
            writer.append(decimal: message.offset)
            writer.append(", Subject: ")
            if let subject = message.subject { writer.append(utf8: subject) }
            writer.append(")\n")
        case .closing(let reason): line("[INFO] \(reason.string)", to: &writer)
        }
    }

    // MARK: - Parts

    private func line(_ text: String, to writer: inout ByteWriter) {
        writer.append(utf8: text)
        writer.append(UInt8(ascii: "\n"))
    }

    private func write(_ groups: [GroupDescription], total: Int, next: String?, to writer: inout ByteWriter) {
        writer.append("[INFO] Available Groups (")
        writer.append(decimal: Int64(total))
        writer.append(" total): ")
        for (index, group) in groups.enumerated() {
            if index > 0 { writer.append(", ") }
            writer.append(utf8: group.name)
        }
        if groups.count < total && next == nil {
            writer.append(" (+")
            writer.append(decimal: Int64(total - groups.count))
            writer.append(" more not displayed)")
        }
        writer.append("\n")
        if let next { line("[INFO] More groups: %allgroups after \(next)", to: &writer) }
    }

    private func write(_ history: GroupHistory, to writer: inout ByteWriter) {
        guard !history.messages.isEmpty else {
            line("[INFO] Group '\(history.group)' is empty.", to: &writer)
            return
        }
        line("--- Group: \(history.group) History ---", to: &writer)
        for message in history.messages {
            line(
                "ID: \(message.offset) | Sender: \(message.author) | Date: \(date(message.time)) "
                    + "| Subject: \(message.subject ?? "")", to: &writer)
        }
        line(String(repeating: "-", count: 32), to: &writer)
        if let earlier = history.earlier {
            line("[INFO] Earlier messages: %grouplist \(history.group) before \(earlier)", to: &writer)
        }
    }

    private func write(_ message: KeptMessage, in group: String, to writer: inout ByteWriter) {
        let rule = String(repeating: "-", count: 51)
        line("--- Message ID: \(message.offset) (Group: \(group)) ---", to: &writer)
        line("Sender: \(message.author)", to: &writer)
        line("Date: \(date(message.time))", to: &writer)
        line("Subject: \(message.subject ?? "")", to: &writer)
        line(rule, to: &writer)
        line(shown(message.text), to: &writer)
        line(rule, to: &writer)
    }

    /// Text of somebody else's for a terminal that shows what it gets: control characters become visible, and every
    /// further line is indented, so that no line of the server's can be forged.
    private func shown(_ text: String) -> String {
        let safe = SafeText(untrustedBlock: text).string
        guard safe.utf8.contains(UInt8(ascii: "\n")) else { return safe }
        return safe.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\n    ")
    }

    /// "Friday, 20 November 2026, 03:27:31PM"
    private func date(_ time: Timestamp) -> String {
        let civil = CivilTime(time, utcOffset: utcOffset(time))
        let hour = civil.hour % 12 == 0 ? 12 : civil.hour % 12
        return "\(civil.weekdayName.string), \(two(civil.day)) \(civil.monthName.string) \(civil.year), "
            + "\(two(hour)):\(two(civil.minute)):\(two(civil.second))\(civil.hour < 12 ? "AM" : "PM")"
    }

    private func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

extension BoardAnswer {
    /// What the answer refuses, with its code and its sentence; nil for one that refuses nothing.
    package var refusal: BoardRefusal? {
        switch self {
        case .noSuchGroup(let group): BoardRefusal(.noSuchGroup, "Group '\(group)' not found.")
        case .noSuchMessage(let group, let id):
            BoardRefusal(.noSuchMessage, "Message ID '\(id)' not found in group '\(group)'.")
        case .notMember(let group, let what): BoardRefusal(.notMember, what.sentence(of: group))
        case .groupExists(let group): BoardRefusal(.groupExists, "Group '\(group)' already exists.")
        case .groupFull(let group): BoardRefusal(.groupFull, "Group '\(group)' is full.")
        case .unknown(let line): BoardRefusal(.unknown, "Unknown command or incorrect format: \(line)")
        case .refused(let refusal): refusal
        case .ready, .groups, .joined, .alreadyMember, .posted, .users, .left, .message, .encodedMessage,
            .joinedHistory, .history, .caughtUp, .created, .alreadyConnected, .pong, .help, .goodbye:
            nil
        }
    }
}

/// What a server says in text without being asked.
enum BoardTextNotification: Equatable {
    case joined(group: String, name: String)
    case left(group: String, name: String)
    /// A new post, or something that this program does not know: `text` says what.
    case other(group: String, text: String)

    /// Reads `[GROUP:g] [NOTIFY] text`; nil for anything else.
    init?(_ line: String) {
        guard line.hasPrefix("[GROUP:"), let mark = line.firstRange(of: "] [NOTIFY] ") else { return nil }
        let group = String(line[line.index(line.startIndex, offsetBy: 7)..<mark.lowerBound])
        let text = line[mark.upperBound...]
        if text.hasPrefix("User "), text.hasSuffix(" joined the group.") {
            self = .joined(group: group, name: String(text.dropFirst(5).dropLast(18)))
        } else if text.hasPrefix("User "), text.hasSuffix(" left the group.") {
            self = .left(group: group, name: String(text.dropFirst(5).dropLast(16)))
        } else {
            self = .other(group: group, text: String(text))
        }
    }

    /// True for a notification, and for the frame that the original puts around several of them.
    static func contains(_ line: String) -> Bool {
        line.hasPrefix("[GROUP:") || line == "--- New Notifications ---"
            || line.utf8.count == 25 && line.utf8.allSatisfy { $0 == UInt8(ascii: "-") }
    }
}

extension BoardAnswer.MembersOnly {
    func sentence(of group: String) -> SafeText {
        switch self {
        case .post: "You must join group '\(group)' before posting."
        case .list: "You must join group '\(group)' to list messages."
        case .read, .since: "You must join group '\(group)' to retrieve messages."
        case .users: "You must join group '\(group)' to list users."
        case .leave: "You are not currently a member of group '\(group)'."
        }
    }
}

/// What `%help` says.
package enum BoardHelp {
    package static let lines: [String] = [
        "%groups                              the groups; %allgroups lists more than five",
        "%groupjoin GROUP                     enter a group (%join: main)",
        "%grouppost GROUP SUBJECT TEXT        post; \"several words\" in quotes as a subject (%post SUBJECT TEXT: main)",
        "%grouplist GROUP [before ID]         what you may see of a group's posts (%list: main)",
        "%groupmessage GROUP ID               read a post (%message ID: main)",
        "%groupusers GROUP                    who is in a group (%users: main)",
        "%groupleave GROUP                    leave a group (%leave: main)",
        "%groupcreate GROUP [none|all|last:N] a new group, and what of its past a new member sees",
        "%exit                                leave the board",
    ]
}

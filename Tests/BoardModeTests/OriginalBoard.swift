import CLinux
import Glibc
import PlainSockets
import Platform
import Wire

/// A double of the original's server: one `recv(4096)` is one command, nothing ends with a newline, and notifications
/// wait for their member's next command. Written from the description of its wire format, with no code in common with
/// our server.
struct OriginalBoard {
    private struct Message {
        let sender: String
        let subject: String
        let text: String
    }

    private struct Group {
        let name: String
        var members: [String] = []
        var messages: [Message] = []
        var firstVisible: [String: Int] = [:]
    }

    private static let date = "Friday, 20 November 2026, 03:27:31PM"

    private var groups = ["main", "general", "sub_1", "sub_2", "sub_3"].map { Group(name: $0) }
    private var names: Set<String> = []
    private var notifications: [String: [String]] = [:]
    /// Every command as it arrived.
    private(set) var commands: [String] = []

    /// What is said to a name; nil where it is taken.
    mutating func login(_ name: String) -> String? {
        guard names.insert(name).inserted else { return nil }
        return
            "[INFO] Welcome \(name)\n[INFO] Use '%groups' to see available groups, and '%groupjoin id/name' to enter."
    }

    mutating func disconnected(_ name: String) {
        names.remove(name)
        for index in groups.indices where groups[index].members.contains(name) { leave(name, index) }
    }

    private mutating func leave(_ name: String, _ index: Int) {
        groups[index].members.removeAll { $0 == name }
        notify("User \(name) left the group.", index, except: name)
    }

    private mutating func notify(_ text: String, _ index: Int, except name: String) {
        for member in groups[index].members where member != name {
            notifications[member, default: []].append("[GROUP:\(groups[index].name)] [NOTIFY] \(text)")
        }
    }

    /// The answer to what one `recv` has brought; the notifications that waited come before it.
    mutating func answer(to command: String, of name: String) -> String {
        commands.append(command)
        let waiting = notifications.removeValue(forKey: name) ?? []
        let answer = carryOut(command, name)
        guard !waiting.isEmpty else { return answer }
        return (["--- New Notifications ---"] + waiting + [String(repeating: "-", count: 25), answer])
            .joined(separator: "\n")
    }

    private mutating func carryOut(_ command: String, _ name: String) -> String {
        let words = command.split(separator: " ").map(String.init)
        let unknown = "[ERROR] Unknown command or incorrect format: \(command)"
        guard var word = words.first?.replacing("%", with: "").lowercased() else { return unknown }
        var rest = Array(words.dropFirst())
        if ["join", "post", "users", "leave", "message", "list"].contains(word) {
            word = "group" + word
            rest.insert("main", at: 0)
        }
        if word == "groups" {
            return "[INFO] Available Groups (\(groups.count) total): \(groups.map(\.name).joined(separator: ", "))"
        }
        guard word.hasPrefix("group"), let typed = rest.first else { return unknown }
        guard let index = groups.firstIndex(where: { $0.name == typed }) else {
            return word == "grouplist"
                ? "[ERROR] You must join group '\(typed)' to list messages." : "[ERROR] Group '\(typed)' not found."
        }
        let isMember = groups[index].members.contains(name)
        switch word {
        case "groupjoin":
            if isMember { return "[INFO] You are already a member of group '\(typed)'." }
            groups[index].members.append(name)
            groups[index].firstVisible[name] = max(0, groups[index].messages.count - 2)
            notify("User \(name) joined the group.", index, except: name)
            return "[SUCCESS] You have successfully joined group '\(typed)'.\n" + history(index, name)
        case "grouppost":
            guard rest.count >= 3 else { return unknown }
            guard isMember else { return "[ERROR] You must join group '\(typed)' before posting." }
            let id = groups[index].messages.count
            groups[index].messages.append(
                Message(sender: name, subject: rest[1], text: rest[2...].joined(separator: " ")))
            notify("New message from \(name) (ID: \(id), Subject: \(rest[1]))", index, except: name)
            return "[SUCCESS] Message posted to group '\(typed)' with ID: \(id)"
        case "groupusers":
            return (["[INFO] Users in group '\(typed)':"] + groups[index].members).joined(separator: "\n")
        case "groupleave":
            guard isMember else { return "[ERROR] You are not currently a member of group '\(typed)'." }
            leave(name, index)
            return "[SUCCESS] You have successfully left group '\(typed)'."
        case "groupmessage":
            guard rest.count == 2 else { return unknown }
            guard isMember else { return "[ERROR] You must join group '\(typed)' to retrieve messages." }
            guard let id = Int(rest[1]), groups[index].messages.indices.contains(id) else {
                return "[ERROR] Message ID '\(rest[1])' not found in group '\(typed)'."
            }
            let message = groups[index].messages[id]
            let rule = String(repeating: "-", count: 51)
            return """
                --- Message ID: \(id) (Group: \(typed)) ---
                Sender: \(message.sender)
                Date: \(Self.date)
                Subject: \(message.subject)
                \(rule)
                \(message.text)
                \(rule)
                """
        case "grouplist":
            guard isMember else { return "[ERROR] You must join group '\(typed)' to list messages." }
            return history(index, name) + "\n[INFO] Messages Listed."
        default: return unknown
        }
    }

    private func history(_ index: Int, _ name: String) -> String {
        let group = groups[index]
        let first = group.firstVisible[name] ?? 0
        guard first < group.messages.count else { return "[INFO] Group '\(group.name)' is empty." }
        let lines = group.messages.indices[first...].map { id in
            "ID: \(id) | Sender: \(group.messages[id].sender) | Date: \(Self.date) | Subject: \(group.messages[id].subject)"
        }
        return (["--- Group: \(group.name) History ---"] + lines + [String(repeating: "-", count: 32)])
            .joined(separator: "\n")
    }
}

/// The double behind a real socket, on a thread of its own.
actor OriginalBoardServer {
    private let thread: WorkerThread
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    nonisolated let port: UInt16
    private let listener: Int32
    private nonisolated let stopDescriptor: Int32
    private var board = OriginalBoard()

    init() throws {
        thread = try WorkerThread(name: "original")
        listener = try PlainSocket.bound(.stream, isBlocking: true)
        port = PlainSocket.address(of: listener).port
        stopDescriptor = try systemCall("eventfd") { eventfd(0, Int32(EFD_CLOEXEC)) }
    }

    deinit {
        close(listener)
        close(stopDescriptor)
        thread.retire()
    }

    /// Ends `run`.
    nonisolated func stop() { eventfd_write(stopDescriptor, 1) }

    /// Serves until `stop`.
    ///
    /// - Returns: the commands that came, in order.
    func run() -> [String] {
        var peers: [(descriptor: Int32, name: String?)] = []
        defer { for peer in peers { close(peer.descriptor) } }
        while true {
            var waited = ([stopDescriptor, listener] + peers.map(\.descriptor)).map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            guard poll(&waited, nfds_t(waited.count), -1) > 0 else { continue }
            if waited[0].revents != 0 { return board.commands }
            if waited[1].revents != 0 {
                let accepted = accept(listener, nil, nil)
                peers.append((accepted, nil))
                say("What is your username?", accepted)
            }
            for entry in waited.dropFirst(2) where entry.revents != 0 {
                guard let index = peers.firstIndex(where: { $0.descriptor == entry.fd }) else { continue }
                var buffer = [UInt8](repeating: 0, count: 4_096)
                let count = recv(entry.fd, &buffer, buffer.count, 0)
                let text = String(decoding: buffer[..<max(0, count)], as: UTF8.self).trimmingNewlines
                if count <= 0 || text == "%exit" {
                    if count > 0 { say("[INFO] Disconnecting...", entry.fd) }
                    if let name = peers[index].name { board.disconnected(name) }
                    close(entry.fd)
                    peers.remove(at: index)
                } else if let name = peers[index].name {
                    say(board.answer(to: text, of: name), entry.fd)
                } else if let welcome = board.login(text) {
                    peers[index].name = text
                    say(welcome, entry.fd)
                } else {
                    say("[ERROR] Username already in use. Please try another.", entry.fd)
                    say("What is your username?", entry.fd)
                }
            }
        }
    }

    private func say(_ text: String, _ descriptor: Int32) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }
}

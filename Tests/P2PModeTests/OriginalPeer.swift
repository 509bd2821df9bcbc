import CLinux
import Glibc
import PlainSockets
import Platform
import TestSupport
import Wire

/// A double of an original program, with its habits: one `recv` for the header and one for the body, no newline at the end
/// of anything, nothing said on connecting, every typed line on every connection, and what arrives shown as it says.
///
/// It works only while it is waited for; what comes meanwhile waits in the kernel.
actor OriginalPeer {
    enum Kind {
        case json, plain, test
    }

    enum Failure: Error {
        /// A frame that did not come in one piece, or could not be understood: the original would break here.
        case broken(String)
    }

    private let thread: WorkerThread
    private let kind: Kind
    private let name: String
    private let id: String
    private let listener: Int32
    private var connections: [Int32] = []
    private var clock: Int64 = 1_795_188_924_000_001
    /// What its screen shows, line by line as it printed them.
    private(set) var screen: [String] = []
    nonisolated let port: UInt16

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(_ kind: Kind, name: String) throws {
        thread = try WorkerThread(name: "original")
        self.kind = kind
        self.name = name
        var random = SystemRandomNumberGenerator()
        let words = (0..<2).map { _ in String(UInt64.random(in: 1 << 60...(.max), using: &random), radix: 16) }.joined()
        let groups = [8, 4, 4, 4, 12].reduce(into: (Array(words), [String]())) { state, count in
            state.1.append(String(state.0.prefix(count)))
            state.0.removeFirst(count)
        }
        id = groups.1.joined(separator: "-")
        listener = try PlainSocket.bound(.stream, isBlocking: true)
        port = PlainSocket.address(of: listener).port
    }

    deinit {
        for connection in connections { Glibc.close(connection) }
        Glibc.close(listener)
        thread.retire()
    }

    func connect(to port: UInt16) throws { connections.append(try PlainSocket.connected(to: port)) }

    /// Types a line: it goes to every connection there is.
    func say(_ text: String) throws {
        while try step(wait: false) {}
        clock += 1
        let time = Timestamp(microseconds: clock).pythonISO(utcOffset: 0)
        var payload: [UInt8]
        switch kind {
        case .json:
            let line: JSON = [
                "type": "chat", "sender": .string(name), "sender_id": .string(id), "text": .string(text),
                "timestamp": .string(time), "formatted": .string("[\(time)] \(name):\n\t\(text)"),
                "formatted_you": .string("[\(time)] You:\n\t\(text)"),
            ]
            payload = line.encoded(style: .python)
        case .plain: payload = Array("[\(time)] \(name):\n\t\(text)".utf8)
        case .test: payload = Array("\(name)#\(text)".utf8)
        }
        payload.insert(contentsOf: [UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)], at: 0)
        for connection in connections {
            _ = try systemCall("send") { send(connection, payload, payload.count, Int32(MSG_NOSIGNAL)) }
        }
    }

    /// Waits until its screen shows something that holds `text`.
    func shows(_ text: String) throws -> String {
        var seen = 0
        while true {
            while seen < screen.count {
                if screen[seen].holds(text) { return screen[seen] }
                seen += 1
            }
            _ = try step(wait: true)
        }
    }

    func count(of text: String) -> Int { screen.count { $0.holds(text) } }

    /// Ends without a word, as it does.
    func leave() {
        for connection in connections { Glibc.close(connection) }
        connections = []
    }

    /// Takes in one connection or frame; false when there is none and it is not to wait.
    private func step(wait: Bool) throws -> Bool {
        var descriptors = ([listener] + connections).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let count = try systemCall("poll") { poll(&descriptors, nfds_t(descriptors.count), wait ? -1 : 0) }
        guard count > 0 else { return false }
        if descriptors[0].revents != 0 {
            connections.append(try PlainSocket.accepted(listener))
            return true
        }
        for descriptor in descriptors.dropFirst() where descriptor.revents != 0 {
            try receive(descriptor.fd)
            return true
        }
        return false
    }

    private func receive(_ connection: Int32) throws {
        guard let header = receiveOnce(connection, 2), header.count == 2 else { return end(connection) }
        let length = Int(header[0]) << 8 | Int(header[1])
        guard length > 0 else {
            end(connection)
            throw Failure.broken("an empty frame")
        }
        guard let body = receiveOnce(connection, length), body.count == length else {
            throw Failure.broken("a frame in pieces")
        }
        guard let text = String(validating: body, as: UTF8.self) else { throw Failure.broken("not UTF-8") }
        switch kind {
        case .json:
            guard let line = try? JSON(parsing: body[...]), line["type"]?.string == "chat" else {
                screen.append(text)
                return
            }
            if let formatted = line["formatted"]?.string, !formatted.isEmpty {
                screen.append(formatted)
            } else {
                screen.append(
                    "[\(line["timestamp"]?.string ?? "")] \(line["sender"]?.string ?? ""):\n\t\(line["text"]?.string ?? "")"
                )
            }
        case .plain: screen.append(text)
        case .test:
            let parts = text.split(separator: "#", omittingEmptySubsequences: false)
            // The greeting and the goodbye come before it has shown what it speaks.
            if parts.count == 2 { screen.append("\(parts[0]) says \(parts[1])") } else { end(connection) }
        }
    }

    private func receiveOnce(_ connection: Int32, _ count: Int) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: count)
        let received = recv(connection, &buffer, count, 0)
        return received > 0 ? Array(buffer.prefix(received)) : nil
    }

    private func end(_ connection: Int32) {
        Glibc.close(connection)
        connections.removeAll { $0 == connection }
        screen.append("closed")
    }
}

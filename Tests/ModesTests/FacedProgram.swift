import CLinux
import Glibc
import Platform
import TestSupport
import Wire

/// How a program meets its user.
enum Face: String, CaseIterable, Sendable {
    case terminal
    case pipe
    case json
}

/// The program under test, at a terminal or between pipes, with everything that it writes kept.
struct FacedProgram {
    private enum Way {
        case terminal(PseudoTerminal)
        case pipes(ChildProcess)
    }

    let face: Face
    private let way: Way

    /// - Parameter arguments: those of the mode; what the face needs is added.
    init(_ face: Face, _ arguments: [String]) throws {
        self.face = face
        // No rule of the machine that the tests run on.
        let environment = [
            "TERM=xterm-256color", "USER=tester", "HOME=/nonexistent",
            "CHAT_COLOR=\(face == .terminal ? "always" : "auto")",
        ]
        switch face {
        case .terminal:
            way = .terminal(
                try PseudoTerminal(
                    ChildProcess.product("chat"), arguments, environment: environment, columns: 200, rows: 50))
        case .pipe, .json:
            way = .pipes(
                try ChildProcess(
                    ChildProcess.product("chat"), arguments + (face == .json ? ["--json"] : []),
                    environment: environment,
                    mergesErrors: true, patience: 30_000))
        }
    }

    /// Waits until a text has been written, and answers with the line that holds it.
    @discardableResult
    func shows(_ text: String) async throws -> String {
        switch way {
        case .terminal(let terminal):
            // It may have been printed above something long, and be out of sight already.
            let screen = try await terminal.wait { $0.lines.contains { $0.holds(text) } }
            return screen.lines.first { $0.holds(text) } ?? ""
        case .pipes(let child): return try await child.line(containing: text)
        }
    }

    func type(_ line: String) async throws {
        switch way {
        case .terminal(let terminal): await terminal.type(line + "\r")
        case .pipes(let child): try await child.write(line + "\n")
        }
    }

    func signal(_ number: Int32) {
        switch way {
        case .terminal(let terminal): terminal.send(number)
        case .pipes(let child): child.send(number)
        }
    }

    /// The port that a line such as `* listening on 127.0.0.1:9001` or its JSON tells.
    func port() async throws -> UInt16 {
        let line = try await shows(face == .json ? "\"event\":\"listening\"" : "* listening on 127.0.0.1:")
        let digits =
            face == .json
            ? line.split(separator: "\"port\":").last?.prefix { $0.isNumber } ?? ""
            : line.split(separator: "127.0.0.1:").last?.prefix { $0.isNumber } ?? ""
        return UInt16(digits) ?? 0
    }

    /// Waits for the end; everything that was ever written, both streams.
    func end() async throws -> (bytes: [UInt8], status: Int32) {
        switch way {
        case .terminal(let terminal):
            let status = await terminal.exitStatus()
            return (await terminal.output, status)
        case .pipes(let child):
            await child.closeInput()
            _ = try await child.rest()
            return (await child.transcript, await child.exitStatus())
        }
    }
}

extension String {
    func holds(_ text: String) -> Bool { Array(utf8).holds(Array(text.utf8)) }
}

extension [UInt8] {
    func holds(_ part: [UInt8]) -> Bool {
        guard count >= part.count, let first = part.first else { return part.isEmpty }
        var start = startIndex
        while let found = self[start...].firstIndex(of: first), found + part.count <= count {
            if self[found..<(found + part.count)].elementsEqual(part) { return true }
            start = found + 1
        }
        return false
    }
}

/// A datagram socket on 127.0.0.1 that a test holds in its hand.
actor RawDatagrams {
    private let thread: WorkerThread
    private let descriptor: Int32
    nonisolated let port: UInt16

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init() throws {
        thread = try WorkerThread(name: "datagrams")
        let opened = try systemCall("socket") { socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }
        descriptor = opened
        var address = Self.loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                _ = try systemCall("bind") { bind(opened, raw, length) }
                _ = try systemCall("getsockname") { getsockname(opened, raw, &length) }
            }
        }
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit {
        close(descriptor)
        thread.retire()
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    func send(_ bytes: [UInt8], to port: UInt16) {
        var address = Self.loopback(port)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                sendto(descriptor, bytes, bytes.count, 0, raw, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// The port that the last datagram came from.
    private(set) var lastSender: UInt16?

    /// Waits for a datagram, half a minute at most.
    func receive() throws -> [UInt8] {
        var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard try systemCall("poll", { poll(&waited, 1, 30_000) }) == 1 else {
            throw SystemError(call: "poll", code: ETIMEDOUT)
        }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                try systemCall("recvfrom") { recvfrom(descriptor, &buffer, buffer.count, 0, raw, &length) }
            }
        }
        lastSender = UInt16(bigEndian: address.sin_port)
        return Array(buffer[..<count])
    }
}

/// A server on 127.0.0.1 that takes one connection and says what a test wants.
actor RawListener {
    private let thread: WorkerThread
    private let descriptor: Int32
    nonisolated let port: UInt16

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init() throws {
        thread = try WorkerThread(name: "listener")
        let opened = try systemCall("socket") {
            socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
        descriptor = opened
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                _ = try systemCall("bind") { bind(opened, raw, length) }
                _ = try systemCall("listen") { listen(opened, 4) }
                _ = try systemCall("getsockname") { getsockname(opened, raw, &length) }
            }
        }
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit {
        close(descriptor)
        thread.retire()
    }

    /// Waits for a connection, half a minute at most.
    func accept() throws -> RawPeer {
        var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard try systemCall("poll", { poll(&waited, 1, 30_000) }) == 1 else {
            throw SystemError(call: "poll", code: ETIMEDOUT)
        }
        return try take()
    }

    private func take() throws -> RawPeer {
        try RawPeer(
            descriptor: try systemCall("accept4") { accept4(descriptor, nil, nil, Int32(SOCK_CLOEXEC.rawValue)) })
    }
}

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

import Console
import Glibc
import Net
import Platform
import Store
import Wire

/// `chat board export` and `chat board import`.
///
/// It reads and writes files in the loop's thread: nothing else happens there meanwhile.
actor BoardFileTask {
    private let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let common: CommonOptions

    init(loop: EventLoop, common: CommonOptions) {
        self.loop = loop
        self.common = common
    }

    func export(to path: String) async -> ExitStatus {
        await run { store, console in
            let file = try OutputFile(path)
            do {
                try await BoardExport.export(store) { (bytes) throws(SystemError) in try file.write(bytes) }
                try file.finish()
            } catch {
                file.abandon()
                throw error
            }
            if path != "-" { console.show(.notice("the board was exported to \(path)")) }
        }
    }

    func importLog(from path: String) async -> ExitStatus {
        await run { store, console in
            let descriptor = path == "-" ? 0 : try systemCall("open") { open(path, O_RDONLY | O_CLOEXEC) }
            defer { if path != "-" { close(descriptor) } }
            var buffer = [UInt8](repeating: 0, count: 65_536)
            let summary = try await BoardExport.importLines(into: store) { () throws(SystemError) in
                let count = try systemCall("read") { read(descriptor, &buffer, buffer.count) }
                return count == 0 ? nil : Array(buffer[..<count])
            }
            console.show(
                .notice(
                    "\(summary.posts) posts were imported into \(summary.groups) groups; \(summary.known) were there already, \(summary.moved) got another ID"
                ))
        }
    }

    private func run(_ body: (MessageStore, ChatConsole<Never>) async throws -> Void) async -> ExitStatus {
        await ChatConsole.run(mode: "board", common: common) { console in
            let path = try DataDirectory(option: common.dataDirectory).file("board.db")
            try await MessageStore.with(path: path, schema: BoardStorage.schema) { store in
                try await body(store, console)
            }
        }
    }
}

/// A file that is written as a whole or not at all, or standard output.
private final class OutputFile {
    private let path: String
    private let temporary: String
    private var descriptor: Int32

    init(_ path: String) throws(SystemError) {
        self.path = path
        temporary = "\(path).\(getpid()).new"
        guard path != "-" else {
            descriptor = 1
            return
        }
        let name = temporary
        descriptor = -1
        descriptor = try systemCall("open") { open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600) }
    }

    func write(_ bytes: [UInt8]) throws(SystemError) {
        let descriptor = descriptor
        var written = 0
        while written < bytes.count {
            written += try systemCall("write") {
                bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + written, $0.count - written) }
            }
        }
    }

    func finish() throws(SystemError) {
        guard path != "-" else { return }
        try systemCall("fsync") { fsync(descriptor) }
        close(descriptor)
        descriptor = -1
        let (from, to) = (temporary, path)
        try systemCall("rename") { rename(from, to) }
    }

    func abandon() {
        guard path != "-" else { return }
        if descriptor >= 0 { close(descriptor) }
        unlink(temporary)
    }
}

import Console
import Glibc
import Net
import Platform
import Store
import Wire

/// `chat rooms export` and `chat rooms import`.
///
/// It reads and writes files in the loop's thread: nothing else happens there meanwhile.
actor RoomsFileTask {
    private let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let common: CommonOptions

    init(loop: EventLoop, common: CommonOptions) {
        self.loop = loop
        self.common = common
    }

    func exportState(to path: String) async -> ExitStatus {
        await run { store in
            let file = try await RoomsStorage.exportState(from: store)
            let now = Timestamp.now()
            let bytes = file.bytes(savedAt: now, utcOffset: localUTCOffset(at: now)) + [UInt8(ascii: "\n")]
            let members = file.rooms.reduce(0) { $0 + $1.members.count }
            guard path != "-" else {
                // It is ASCII without control characters but for the last.
                try StandardStream.output.write(SafeText(untrustedBlock: String(decoding: bytes, as: UTF8.self)))
                return nil
            }
            try PrivateFile.writeAtomically(bytes, to: path)
            return "\(Self.counted(file.rooms.count, members)) exported to \(path)"
        }
    }

    func importState(from path: String) async -> ExitStatus {
        await run { store in
            let bytes = try Self.read(path)
            let file = try RoomStateFile(parsing: bytes[...])
            let summary = try await RoomsStorage.importState(file, into: store)
            var sentence: SafeText = "\(Self.counted(summary.rooms, summary.members)) imported"
            if summary.known > 0 { sentence += "; \(summary.known) members were there already" }
            if summary.taken > 0 { sentence += "; \(summary.taken) members have a name that is in use in the room" }
            if file.unusable > 0 { sentence += "; \(file.unusable) entries have a name or a token that is none" }
            return sentence
        }
    }

    private static func counted(_ rooms: Int, _ members: Int) -> SafeText {
        "\(rooms) \(rooms == 1 ? "room" : "rooms") and \(members) \(members == 1 ? "member" : "members") \(rooms + members == 1 ? "was" : "were")"
    }

    private static func read(_ path: String) throws -> [UInt8] {
        guard path == "-" else {
            guard let bytes = try PrivateFile.read(path, limit: RoomStateFile.sizeLimit) else {
                throw SystemError(call: "open", code: ENOENT)
            }
            return bytes
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = try systemCall("read") { Glibc.read(0, &buffer, buffer.count) }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
            if bytes.count > RoomStateFile.sizeLimit {
                throw PrivateFile.Failure.tooLarge(limit: RoomStateFile.sizeLimit)
            }
        }
    }

    private func run(_ body: (MessageStore) async throws -> SafeText?) async -> ExitStatus {
        await ChatConsole.run(mode: "rooms", common: common) { console in
            let path = try DataDirectory(option: common.dataDirectory).file("rooms.db")
            try await MessageStore.with(path: path, schema: RoomsStorage.schema) { store in
                if let sentence = try await body(store) { console.show(.notice(sentence)) }
            }
        }
    }
}

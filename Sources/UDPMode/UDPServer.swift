package import Console
import Net
import Platform
import Service
import Store
import Wire

/// `chat udp serve`: opens the store and the sockets, and says what the operator should know.
enum UDPServer {
    static func run(_ loop: EventLoop, port: UInt16, _ common: CommonOptions) async -> ExitStatus {
        await ServerConsole<UDPServerLogLine>.run(on: loop, mode: "udp", common: common) { console in
            let path = try common.memoryOnly ? nil : DataDirectory(option: common.dataDirectory).file("udp.db")
            return try await MessageStore.with(path: path, schema: UDPStorage.schema) { store in
                let mailboxes = try await UDPStorage.load(from: store)
                try loop.hub.watchSignals([.interrupt, .terminate, .hangup])
                let sockets = try Listening.datagrams(on: common.bind, port: port, with: loop.hub)
                let table = ClientTable(
                    executor: loop, outbound: loop.hub, sockets: sockets.map(\.id), port: sockets[0].address.port,
                    store: store, mailboxes: mailboxes, limitsRates: common.rateLimit
                ) { console.report($0) }
                for socket in sockets { await console.announce(socket.address) }
                await console.run { await table.run(loop.hub) }
                return .ok
            }
        }
    }
}

extension UDPServerLogLine: LogReport {
    package var level: LogLevel {
        switch self {
        case .storageFailed: .error
        case .storageWorks, .dropped: .warning
        // The only line of a log that holds what somebody has said.
        case .groupMessage: .debug
        default: .info
        }
    }
}

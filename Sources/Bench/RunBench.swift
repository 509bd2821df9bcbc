package import Console
import Net
import Platform
import Wire

/// Carries out what `chat bench ...` was asked to measure.
package func runBench(_ options: BenchOptions) async -> ExitStatus {
    do throws(BenchError) {
        let result = try await measure(options)
        let text = options.json ? String(decoding: result.json(at: .now()), as: UTF8.self) : result.table
        try? StandardStream.output.write(SafeText(untrustedBlock: text))
        if !result.isWhole { say("not everything arrived as it was sent") }
        return result.isWhole ? .ok : .notDelivered
    } catch {
        if options.json {
            await ChatConsole.complain(error.message, mode: "bench", common: CommonOptions(json: true))
        } else {
            say(error.message)
        }
        switch error {
        case .interrupted: return .interrupted
        case .cannotConnect, .unresolved, .disconnected: return .unreachable
        case .refused: return .refused
        case .cannotStart, .serverFailed, .notReady, .system: return .failure
        }
    }
}

/// Nothing can be said of an error stream that is gone.
private func say(_ sentence: SafeText) {
    try? StandardStream.error.write("chat bench: \(sentence)\n")
}

private func measure(_ options: BenchOptions) async throws(BenchError) -> BenchResult {
    if let server = options.server {
        return try await load(options, target: server, datagramPort: options.datagramPort, server: nil)
    }
    let server = try ServerProcess(options.serverArguments, isDurable: options.isDurable)
    let addresses = try await server.addresses(count: options.mode == .rooms ? 2 : 1)
    let result: Result<BenchResult, BenchError>
    do throws(BenchError) {
        result = .success(
            try await load(
                options, target: Endpoint(addresses[0]), datagramPort: addresses.last?.port, server: server))
    } catch {
        result = .failure(error)
    }
    await server.stop()
    return try result.get()
}

private func load(
    _ options: BenchOptions, target: Endpoint, datagramPort: UInt16?, server: ServerProcess?
) async throws(BenchError) -> BenchResult {
    let pid = server?.pid
    let input = server?.input
    let result: Result<BenchResult, BenchError>
    do throws(SystemError) {
        result = try await EventLoop.with(name: "load") { loop in
            let generator = LoadGenerator(
                loop: loop, options: options, target: target, datagramPort: datagramPort, pid: pid, input: input,
                progress: say)
            do throws(BenchError) {
                return .success(try await generator.run())
            } catch {
                return .failure(error)
            }
        }
    } catch {
        throw .system(error)
    }
    return try result.get()
}

extension BenchOptions {
    /// How a server of ours is started for the load: on loopback, with any port, and without limits of the rate.
    fileprivate var serverArguments: [String] {
        let words =
            switch mode {
            case .p2p: ["p2p", "0", "--name", "node"]
            case .board: ["board", "serve", "--port", "0"]
            case .udp: ["udp", "serve", "0", "--log-level", "warning"]
            case .rooms: ["rooms", "serve", "--tcp-port", "0", "--udp-port", "0"]
            }
        return words + ["--bind", "127.0.0.1", "--no-rate-limit"]
    }
}

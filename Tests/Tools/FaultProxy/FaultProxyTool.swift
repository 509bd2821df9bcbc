import CLinux
import FaultProxy
import Glibc
import Platform
import Wire

/// The fault proxy by hand:
///
///     fault-proxy --seed 7 --delay 0-40 --piece 7 --reset 20 tcp 9000 127.0.0.1:9001 udp 5001 127.0.0.1:5000
///
/// Chances are in per mille, delays in milliseconds. Every line of its input sets them anew (`--loss 300`), `reset`
/// resets every stream, `cut` and `join` stop and resume everything. It ends with its input, with a line that says what
/// it has done.
@main
struct FaultProxyTool {
    static func main() {
        var words = CommandLine.arguments.dropFirst().map { String($0) }[...]
        var seed: UInt64 = 1
        var routes: [FaultProxy.Route] = []
        var weather = Weather.fair
        do {
            while let word = words.popFirst() {
                switch word {
                case "--seed": seed = UInt64(try number(&words, word))
                case "tcp", "udp":
                    guard let port = words.popFirst().flatMap({ UInt16($0) }), let target = words.popFirst() else {
                        throw Mistake(
                            sentence: "\(word) needs a port and a target, such as: \(word) 9000 127.0.0.1:9001")
                    }
                    let endpoint = try Endpoint(parsing: target)
                    guard let ip = IPAddress(parsing: endpoint.host), ip.isLoopback, ip.isV4 else {
                        throw Mistake(sentence: "the target must be an address of 127.0.0.0/8")
                    }
                    routes.append(
                        .init(
                            word == "tcp" ? .stream : .datagrams, front: SocketAddress(ip: .loopbackV4, port: port),
                            to: SocketAddress(ip: ip, port: endpoint.port), caller: 1, callee: 0))
                default: try set(word, &words, &weather)
                }
            }
            guard !routes.isEmpty else { throw Mistake(sentence: "name a route, such as: tcp 9000 127.0.0.1:9001") }
            let proxy = try FaultProxy(seed: seed, routes: routes, weather: weather)
            for front in proxy.fronts { print("listening on \(front)") }
            fflush(nil)
            while let line = readLine() {
                var words = line.split(separator: " ").map(String.init)[...]
                switch words.first {
                case "reset": proxy.resetAll()
                case "cut": proxy.cut([[0], [1]])
                case "join": proxy.join()
                default:
                    do {
                        while let word = words.popFirst() { try set(word, &words, &weather) }
                        proxy.setWeather(weather)
                    } catch let mistake as Mistake { complain(mistake.sentence) }
                }
            }
            print(proxy.account)
            proxy.stop()
        } catch let mistake as Mistake {
            complain(mistake.sentence)
            exit(64)
        } catch {
            complain("\(error)")
            exit(1)
        }
    }

    private struct Mistake: Error {
        let sentence: String
    }

    private static func complain(_ sentence: String) {
        let line = Array("fault-proxy: \(sentence)\n".utf8)
        _ = write(2, line, line.count)
    }

    private static func number(_ words: inout ArraySlice<String>, _ option: String) throws -> Int {
        guard let value = words.popFirst().flatMap({ Int($0) }), value >= 0 else {
            throw Mistake(sentence: "\(option) needs a number")
        }
        return value
    }

    private static func set(_ word: String, _ words: inout ArraySlice<String>, _ weather: inout Weather) throws {
        switch word {
        case "--loss": weather.loss = try number(&words, word)
        case "--duplication": weather.duplication = try number(&words, word)
        case "--corruption": weather.corruption = try number(&words, word)
        case "--piece": weather.piece = try number(&words, word)
        case "--reset": weather.reset = try number(&words, word)
        case "--half-close": weather.halfClose = try number(&words, word)
        case "--delay":
            let ends = (words.popFirst() ?? "").split(separator: "-").compactMap { Int($0) }
            guard let low = ends.first, let high = ends.last, low <= high else {
                throw Mistake(sentence: "--delay needs milliseconds, such as 0-40")
            }
            weather.delay = low...high
        default: throw Mistake(sentence: "'\(word)' is no option")
        }
    }
}

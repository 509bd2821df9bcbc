import FaultProxy
import Wire

/// What happens in one run, made from a seed, so that a run that fails can be looked at and repeated.
struct Schedule: Sendable, CustomStringConvertible {
    enum Step: Sendable, CustomStringConvertible {
        /// A participant writes the next of its messages.
        case say(Int)
        case weather(Weather)
        case cut([[Int]])
        case join
        case resetAll
        /// Whoever sends datagrams has another address from here on.
        case forgetCallers
        /// kill -9, and back again at once.
        case restart(Int)
        /// Milliseconds in which what is under way goes on.
        case pass(Int)

        var description: String {
            switch self {
            case .say(let who): "say \(who)"
            case .weather(let weather): "weather \(weather)"
            case .cut(let groups): "cut \(groups)"
            case .join: "join"
            case .resetAll: "reset all"
            case .forgetCallers: "forget callers"
            case .restart(let who): "restart \(who)"
            case .pass(let time): "pass \(time) ms"
            }
        }
    }

    /// What passes through the proxy, and what is done to it.
    struct Network: OptionSet, Sendable {
        let rawValue: Int

        static let streams = Network(rawValue: 1)
        static let datagrams = Network(rawValue: 2)
        /// Bytes of datagrams become others, which neither mode has a checksum against but UDP's: after that only what is
        /// no matter of bytes can be asked for.
        static let damage = Network(rawValue: 4)

        /// Every fourth seed damages datagrams.
        func damaging(_ seed: UInt64) -> Network { seed % 4 == 0 ? union(.damage) : self }
    }

    let seed: UInt64
    let network: Network
    let steps: [Step]

    /// - Parameters:
    ///   - speakers: who writes.
    ///   - mortals: who may be killed.
    ///   - splits: ways to set ends apart.
    init(seed: UInt64, speakers: [Int], mortals: [Int], splits: [[[Int]]], count: Int, network: Network) {
        self.seed = seed
        self.network = network
        var random = SplitMix64(seed: seed &* 0x9E37_79B9_7F4A_7C15)
        var steps: [Step] = []
        for _ in 0..<count {
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<11: steps.append(.say(speakers.randomElement(using: &random)!))
            case 11..<14: steps.append(.weather(Self.weather(network, using: &random)))
            case 14: steps.append(.cut(splits.randomElement(using: &random)!))
            case 15: steps.append(.join)
            case 16: steps.append(Self.amnesia(network, using: &random))
            case 17: steps.append(.restart(mortals.randomElement(using: &random)!))
            // What is repeated is repeated after hundreds of milliseconds.
            default:
                steps.append(.pass(Int.random(in: network.contains(.datagrams) ? 1...400 : 1...80, using: &random)))
            }
        }
        self.steps = steps
    }

    private static func amnesia(_ network: Network, using random: inout SplitMix64) -> Step {
        switch (network.contains(.streams), network.contains(.datagrams)) {
        case (true, true): Bool.random(using: &random) ? .resetAll : .forgetCallers
        case (true, false): .resetAll
        default: .forgetCallers
        }
    }

    private static func weather(_ network: Network, using random: inout SplitMix64) -> Weather {
        Weather { weather in
            weather.delay = 0...Int.random(in: 0...40, using: &random)
            if network.contains(.streams) {
                weather.piece = [0, 1, 7, 300].randomElement(using: &random)!
                weather.reset = [0, 0, 20, 60].randomElement(using: &random)!
                weather.halfClose = [0, 0, 15].randomElement(using: &random)!
            }
            if network.contains(.datagrams) {
                weather.loss = Int.random(in: 0...300, using: &random)
                weather.duplication = Int.random(in: 0...150, using: &random)
                if network.contains(.damage) { weather.corruption = [0, 30, 100].randomElement(using: &random)! }
            }
        }
    }

    var description: String {
        "seed \(seed):\n" + steps.map { "    \($0)" }.joined(separator: "\n")
    }
}

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
            case .restart(let who): "restart \(who)"
            case .pass(let time): "pass \(time) ms"
            }
        }
    }

    let seed: UInt64
    let steps: [Step]

    /// - Parameters:
    ///   - speakers: who writes.
    ///   - mortals: who may be killed.
    ///   - splits: ways to set ends apart.
    init(seed: UInt64, speakers: [Int], mortals: [Int], splits: [[[Int]]], count: Int, isStream: Bool) {
        self.seed = seed
        var random = SplitMix64(seed: seed &* 0x9E37_79B9_7F4A_7C15)
        var steps: [Step] = []
        for _ in 0..<count {
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<11: steps.append(.say(speakers.randomElement(using: &random)!))
            case 11..<14: steps.append(.weather(Self.weather(isStream: isStream, using: &random)))
            case 14: steps.append(.cut(splits.randomElement(using: &random)!))
            case 15: steps.append(.join)
            case 16 where isStream: steps.append(.resetAll)
            case 17: steps.append(.restart(mortals.randomElement(using: &random)!))
            default: steps.append(.pass(Int.random(in: 1...80, using: &random)))
            }
        }
        self.steps = steps
    }

    private static func weather(isStream: Bool, using random: inout SplitMix64) -> Weather {
        Weather { weather in
            weather.delay = 0...Int.random(in: 0...40, using: &random)
            if isStream {
                weather.piece = [0, 1, 7, 300].randomElement(using: &random)!
                weather.reset = [0, 0, 20, 60].randomElement(using: &random)!
                weather.halfClose = [0, 0, 15].randomElement(using: &random)!
            } else {
                weather.loss = Int.random(in: 0...300, using: &random)
                weather.duplication = Int.random(in: 0...150, using: &random)
                weather.corruption = [0, 0, 30].randomElement(using: &random)!
            }
        }
    }

    var description: String {
        "seed \(seed):\n" + steps.map { "    \($0)" }.joined(separator: "\n")
    }
}

import Platform
import Wire

// The time that is measured.
extension LoadGenerator {
    func account() -> ProcessAccount? { pid.flatMap { ProcessAccount.read(of: $0) } }

    func mark() -> Mark {
        Mark(
            time: .now(), messages: workload.sentInAll, deliveries: check.delivered, answers: answers, bytes: bytes,
            serverCPU: account()?.cpu, loadCPU: ProcessAccount.ownCPUTime())
    }

    func measureFrom() {
        measuredFrom = mark()
        latencyFrom = measuredFrom!.time
        reported = check.delivered
        nextReport = latencyFrom + .seconds(1)
    }

    func measured() {
        let until = mark()
        guard let from = measuredFrom else { return }
        latencyUntil = until.time
        result.elapsed = until.time - from.time
        result.messages = until.messages - from.messages
        result.deliveries = until.deliveries - from.deliveries
        result.answers = until.answers - from.answers
        result.bytes = until.bytes - from.bytes
        if let first = from.serverCPU, let last = until.serverCPU {
            result.serverCPU = .nanoseconds(last - first)
            if options.senders == 0 { result.idleShare = Double(last - first) / (result.elapsed.inSeconds * 1e9) }
        }
        result.loadCPU = until.loadCPU - from.loadCPU
    }

    func finish() {
        result.lost = check.lost(expected: expected)
        if options.isAnswered { result.lost += max(0, workload.sentInAll - answers) }
        result.duplicated = check.duplicated
        result.outOfOrder = check.outOfOrder
        result.damaged = check.damaged
        result.residentPeak = account()?.peakResident
        end()
    }
}

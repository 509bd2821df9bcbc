import Wire

/// What was measured.
struct BenchResult: Sendable {
    var options: BenchOptions
    /// Of the time that was measured.
    var elapsed: Duration = .zero
    var messages = 0
    var deliveries = 0
    /// Answers to senders; where each message is answered.
    var answers = 0
    /// Bytes that the members received.
    var bytes = 0
    /// CPU time of the server and of the load; nil where the server is not a process of ours.
    var serverCPU: Duration?
    var loadCPU: Duration = .zero
    var latency = Histogram()
    var lost = 0
    var duplicated = 0
    var outOfOrder = 0
    var damaged = 0
    /// Resident bytes of the server: when it listened, for each connection that was made, at its most.
    var residentAtStart: Int?
    var residentPerConnection: Double?
    var residentPeak: Int?
    /// CPU time of the server in a second in which nothing happened, in parts of that second.
    var idleShare: Double?

    /// Whether every member got every byte, once and in order.
    var isWhole: Bool { lost == 0 && duplicated == 0 && outOfOrder == 0 && damaged == 0 }

    private var seconds: Double { elapsed.inSeconds }

    /// What a delivery counts as: with nobody to deliver to, an answer.
    private var units: Int { deliveries > 0 ? deliveries : answers }

    private var cpuPerUnit: Double? {
        guard let serverCPU, units > 0 else { return nil }
        return serverCPU.inSeconds * 1_000_000 / Double(units)
    }

    private func rate(_ count: Int) -> Double { seconds > 0 ? Double(count) / seconds : 0 }

    private func microseconds(_ part: Double) -> Double { Double(latency.percentile(part)) / 1_000 }

    // MARK: - For people

    var table: String {
        var rows: [(String, String)] = []
        let load =
            switch options.load {
            case .saturating: "saturating"
            case .rate(let rate): "\(decimal(rate, 0)) messages/s"
            }
        var people = "\(options.members) members, \(options.senders) of them senders"
        if options.mode == .p2p { people = "\(options.members) peers of one node" }
        if options.groups > 1 { people += ", in \(options.groups) groups" }
        rows.append(("load", "\(people); \(load), \(options.size) bytes, \(options.seconds) s"))
        if options.senders > 0 {
            rows.append(("messages/s", decimal(rate(messages), 0)))
            if options.isAnswered { rows.append(("answers/s", decimal(rate(answers), 0))) }
            if options.work == .messages { rows.append(("deliveries/s", decimal(rate(deliveries), 0))) }
            let unit = deliveries > 0 ? "delivery" : "answer"
            if let cpuPerUnit { rows.append(("server CPU per \(unit)", "\(decimal(cpuPerUnit, 3)) us")) }
            if let serverCPU {
                rows.append(("server busy", "\(decimal(serverCPU.inSeconds / seconds * 100, 0)) %"))
            }
            rows.append(("load busy", "\(decimal(loadCPU.inSeconds / seconds * 100, 0)) %"))
            if units > 0 { rows.append(("bytes per \(unit)", decimal(Double(bytes) / Double(units), 0))) }
            rows.append(
                (
                    "latency p50, p99, p99.9",
                    "\(decimal(microseconds(0.5), 0)), \(decimal(microseconds(0.99), 0)), "
                        + "\(decimal(microseconds(0.999), 0)) us"
                ))
            rows.append(("lost", "\(lost)"))
            rows.append(("duplicated", "\(duplicated)"))
            rows.append(("out of order", "\(outOfOrder)"))
            rows.append(("damaged", "\(damaged)"))
        }
        if let residentAtStart { rows.append(("server memory at start", "\(kibibytes(residentAtStart))")) }
        if let residentPerConnection {
            rows.append(("memory per idle connection", "\(decimal(residentPerConnection / 1_024, 2)) KiB"))
        }
        if let idleShare { rows.append(("server busy while idle", "\(decimal(idleShare * 100, 1)) %")) }
        if let residentPeak { rows.append(("server memory at most", "\(kibibytes(residentPeak))")) }
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { name, value in
            name + String(repeating: " ", count: width - name.count + 2) + value + "\n"
        }.joined()
    }

    private func kibibytes(_ bytes: Int) -> String { "\(bytes / 1_024) KiB" }

    // MARK: - For programs

    /// One object on a line, as every command writes with `--json`.
    func json(at time: Timestamp) -> [UInt8] {
        var writer = ByteWriter()
        writer.appendJSON { json in
            json.object { json in
                json.member("v", 1)
                json.member("event", "result")
                json.member("mode", "bench")
                json.key("time")
                json.plainString { $0.append(rfc3339: time) }
                json.member("load", options.mode.rawValue)
                json.member("members", options.members)
                json.member("senders", options.senders)
                json.member("groups", options.groups)
                json.member("size", options.size)
                json.member("durable", options.isDurable)
                if case .rate(let rate) = options.load { json.member("rate", .number(rate)) }
                json.member("seconds", .number(round(seconds, 3)))
                json.member("messages", messages)
                json.member("deliveries", deliveries)
                json.member("answers", answers)
                json.member("bytes", bytes)
                json.member("deliveries_per_second", .number(round(rate(deliveries), 1)))
                json.member("answers_per_second", .number(round(rate(answers), 1)))
                if let cpuPerUnit {
                    json.member("cpu_us_per_delivery", .number(round(cpuPerUnit, 4)))
                }
                if let serverCPU { json.member("server_cpu_seconds", .number(round(serverCPU.inSeconds, 4))) }
                json.member("load_cpu_seconds", .number(round(loadCPU.inSeconds, 4)))
                json.member("p50_us", .number(round(microseconds(0.5), 1)))
                json.member("p99_us", .number(round(microseconds(0.99), 1)))
                json.member("p999_us", .number(round(microseconds(0.999), 1)))
                json.member("lost", lost)
                json.member("duplicated", duplicated)
                json.member("out_of_order", outOfOrder)
                json.member("damaged", damaged)
                if let residentAtStart { json.member("resident_at_start", residentAtStart) }
                if let residentPerConnection {
                    json.member("resident_per_connection", .number(round(residentPerConnection, 1)))
                }
                if let residentPeak { json.member("resident_peak", residentPeak) }
                if let idleShare { json.member("idle_share", .number(round(idleShare, 5))) }
            }
        }
        writer.append(UInt8(ascii: "\n"))
        return writer.bytes
    }

    private func round(_ value: Double, _ digits: Int) -> Double {
        var factor = 1.0
        for _ in 0..<digits { factor *= 10 }
        return (value * factor).rounded() / factor
    }
}

/// A number with so many digits behind the point, and its thousands apart.
func decimal(_ value: Double, _ digits: Int) -> String {
    var factor = 1.0
    for _ in 0..<digits { factor *= 10 }
    let scaled = Int64((abs(value) * factor).rounded())
    var whole = Array(String(scaled / Int64(factor)))
    var place = whole.count - 3
    while place > 0 {
        whole.insert(" ", at: place)
        place -= 3
    }
    var text = (value < 0 && scaled > 0 ? "-" : "") + String(whole)
    if digits > 0 {
        let rest = String(scaled % Int64(factor))
        text += "." + String(repeating: "0", count: digits - rest.count) + rest
    }
    return text
}

extension Duration {
    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

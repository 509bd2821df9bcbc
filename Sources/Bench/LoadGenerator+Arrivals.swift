import Platform
import Wire

// What members hear, held against what was sent.
extension LoadGenerator {
    func received(_ chunk: ArraySlice<UInt8>, by member: Int) {
        bytes += chunk.count
        let now = MonotonicTime.now()
        if members[member].rest.isEmpty {
            let used = chunk.withUnsafeBytes { heard($0, by: member, at: now) }
            if used < chunk.count { members[member].rest = Array(chunk[(chunk.startIndex + used)...]) }
        } else {
            var whole: [UInt8] = []
            swap(&whole, &members[member].rest)
            whole += chunk
            let used = whole.withUnsafeBytes { heard($0, by: member, at: now) }
            whole.removeFirst(used)
            members[member].rest = whole
        }
    }

    /// Takes in the frames that are whole.
    ///
    /// - Returns: how many bytes they were.
    func heard(_ bytes: UnsafeRawBufferPointer, by member: Int, at now: MonotonicTime) -> Int {
        var offset = 0
        while true {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            let found =
                switch options.mode {
                case .p2p: Traffic.p2pFrame(rest)
                case .board: Traffic.boardFrame(rest)
                case .rooms, .udp: Traffic.tcrpFrame(rest)
                }
            guard let length = found else { return offset }
            let frame = UnsafeRawBufferPointer(rebasing: rest[..<length])
            offset += length
            switch options.mode {
            case .p2p:
                if members[member].stage == .ready { message(frame, by: member, at: now) } else { signedIn(member) }
            case .board: heardLine(frame, by: member, at: now)
            case .rooms, .udp: if let token = Traffic.tcrpToken(frame) { entered(member, token) }
            }
        }
    }

    func heardLine(_ line: UnsafeRawBufferPointer, by member: Int, at now: MonotonicTime) {
        switch Traffic.boardHeard(line) {
        // The post that is asked for is told to the others of its group.
        case .message: if options.work == .messages { message(line, by: member, at: now) }
        case .signedIn: signedIn(member)
        case .joined: joined(member)
        case .answer: answer(line, to: member, at: now)
        case .refused: fail(.refused(SafeText(untrusted: String(decoding: line.dropLast(), as: UTF8.self))))
        case .greeting, .other: break
        }
    }

    func heardDatagram(_ datagram: UnsafeRawBufferPointer, by member: Int, at now: MonotonicTime) {
        if options.mode == .rooms {
            // Whatever it hears, the server knows where it is.
            if members[member].stage == .ready { message(datagram, by: member, at: now) } else { joined(member) }
            return
        }
        switch Traffic.udpHeard(datagram) {
        case .message:
            message(datagram, by: member, at: now)
            let acknowledgement = members[member].acknowledgement
            send(to: member) { $0.append(contentsOf: acknowledgement) }
        case .signedIn: signedIn(member)
        case .joined: joined(member)
        case .refused: fail(.refused(SafeText(untrusted: String(decoding: datagram, as: UTF8.self))))
        case .answer, .greeting, .other: break
        }
    }

    func message(_ frame: UnsafeRawBufferPointer, by member: Int, at now: MonotonicTime) {
        switch text.read(frame) {
        case .none: break
        case .damaged: check.receivedDamaged()
        case .whole(let mark):
            let sent = mark.sender < workload.sent.count ? workload.sent[mark.sender] : 0
            let verdict = check.received(mark.sequence, from: mark.sender, by: member, sent: sent)
            if verdict == .asExpected || verdict == .outOfOrder { record(mark.due, at: now) }
        }
    }

    func answer(_ line: UnsafeRawBufferPointer, to member: Int, at now: MonotonicTime) {
        if isPreparing {
            prepared += 1
            if prepared == options.groups { start() }
            return
        }
        guard !members[member].due.isEmpty else { return check.receivedDamaged() }
        let due = members[member].due.removeFirst()
        answers += 1
        if options.work == .requests {
            guard case .whole = text.read(line) else { return check.receivedDamaged() }
            record(due, at: now)
        } else if options.receivers(of: member) == 0 {
            record(due, at: now)
        }
        workload.answered(member)
    }

    /// Counts a latency from the time at which the message was due, where that lies in the time that is measured.
    func record(_ due: MonotonicTime, at now: MonotonicTime) {
        guard due >= latencyFrom, due < latencyUntil else { return }
        result.latency.record(now.nanoseconds - due.nanoseconds)
    }
}

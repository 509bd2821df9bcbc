import Delivery
import Wire

// Registration, the table, and the ways out of it.
extension UDPServerMachine {
    mutating func registrationReceived(_ client: UDPMetadata.Client, source: UDPPath, path: UDPPath) {
        guard strangers.take(source.address.ip, at: now) else {
            overRate += 1
            return
        }
        let run = client.chat?.run
        let stranger = Requester(path: path, isOurs: run != nil, id: nil)
        let name: Nickname
        do {
            name = try Nickname(validating: client.name)
        } catch {
            answer(.registrationError(message: error.message.string), to: stranger) { $0.run = run }
            return
        }
        var reservation = mailboxes.reservation(name.key)
        if let existing = table[name.key] {
            if existing.path == path, existing.run == run, run != nil || existing.source == source {
                registrationRepeated(existing)
                return
            }
            guard Self.proves(client.chat?.secret, existing.secret) else {
                nameTaken(name, existing, client.chat, stranger)
                return
            }
            // The same person again after a crash. At the same port nobody else can be any more; at another one, the
            // program that has the name is asked first, lest two of one person's take it from each other for ever.
            let claim = Claim(name: name, client: client, source: source, path: path)
            if existing.path == path { reclaim(claim) } else { checkBefore(claim) }
            return
        }
        if let kept = reservation, !Self.proves(client.chat?.secret, kept.secret) {
            guard wall - kept.lastSeen >= UDPMailboxes.lifetime else {
                answer(.registrationError(message: "`\(name.text)` already exists!"), to: stranger) {
                    $0.run = run
                    // With another secret it would be no use.
                    $0.reclaim = client.chat?.secret == nil
                }
                return
            }
            if let record = mailboxes.drop(name.key) { effects.append(.record(record)) }
            reservation = nil
        }
        register(name, client, source, path, secret: reservation?.secret)
    }

    private mutating func reclaim(_ claim: Claim) {
        let secret = table[claim.name.key]?.secret ?? mailboxes.reservation(claim.name.key)?.secret
        let group = table[claim.name.key]?.group
        remove(claim.name.key, logs: false)
        register(claim.name, claim.client, claim.source, claim.path, secret: secret)
        if let group { table[claim.name.key]?.removedFrom = group }
    }

    private mutating func checkBefore(_ claim: Claim) {
        let key = claim.name.key
        var check = offlineChecks[key] ?? OfflineCheck()
        check.claim = claim
        offlineChecks[key] = check
        if check.attempts == 0 { offlineCheckTimedOut(key) }
    }

    /// Compares in constant time, so that the time of the answer tells nothing.
    private static func proves(_ given: MessageID?, _ expected: MessageID?) -> Bool {
        guard let given, let expected else { return false }
        return (given.high ^ expected.high) | (given.low ^ expected.low) == 0
    }

    private mutating func nameTaken(
        _ name: Nickname, _ existing: UDPRegistration, _ chat: UDPExtension?, _ stranger: Requester
    ) {
        answer(.registrationError(message: "`\(name.text)` already exists!"), to: stranger) {
            $0.run = chat?.run
            $0.reclaim = existing.secret != nil && chat?.secret == nil
        }
        // Whoever holds it may have gone without a word: a datagram to a closed port is answered by ICMP.
        if let last = existing.lastProbe, now - last < Self.probeInterval { return }
        table[name.key]?.lastProbe = now
        if existing.isOurs {
            answer(.ping, to: Requester(path: existing.path, isOurs: true, id: nil))
        } else {
            effects.append(.send(table.table(for: name.key, port: port), to: [existing.path]))
        }
    }

    private mutating func registrationRepeated(_ existing: UDPRegistration) {
        table[existing.key]?.lastHeard = now
        confirm(existing)
        if !existing.isOurs {
            effects.append(.send(table.table(for: existing.key, port: port), to: [existing.path]))
        }
    }

    private mutating func register(
        _ name: Nickname, _ client: UDPMetadata.Client, _ source: UDPPath, _ path: UDPPath, secret: MessageID?
    ) {
        let run = client.chat?.run
        let sourceIP = source.address.ip
        // What comes from this host may name the address under which others reach it; nobody else may name another's.
        let claimed = IPAddress(parsing: client.clientIP).flatMap { $0.isUnspecified ? nil : $0 }
        let entry = UDPTableEntry(
            name: name.text, clientIP: sourceIP.isLoopback ? claimed ?? sourceIP : sourceIP,
            clientPort: client.clientPort, senderIP: sourceIP,
            serverIP: IPAddress(parsing: client.serverIP)?.description ?? "", serverPort: client.serverPort,
            announced: run.map { run in UDPExtension { $0.run = run } })
        var registration = UDPRegistration(
            name: name.text, key: name.key, path: path, source: source, entry: entry, run: run, session: random(),
            isConfirmed: run == nil, lastHeard: now)
        if run != nil {
            registration.secret = secret ?? MessageID(high: random(), low: random())
            registration.keeps = client.chat?.keep == true
        }
        switch table.add(registration) {
        case .admit: break
        case .tooManyOfAddress:
            answer(
                .registrationError(message: "Too many clients are registered from your address."),
                to: Requester(path: path, isOurs: run != nil, id: nil)
            ) { $0.run = run }
            return
        case .full:
            answer(
                .registrationError(message: "The server is full."),
                to: Requester(path: path, isOurs: run != nil, id: nil)
            ) { $0.run = run }
            return
        }
        keepName(name.key, isThere: false)
        confirm(registration)
        if registration.isOurs {
            timers.schedule(.provisional(name.key), at: now + Self.provisionalLifetime)
            timers.schedule(.silence(name.key), at: now + Self.silenceLimit)
        } else {
            table.publish(name.key)
            timers.schedule(.silence(name.key), at: now + Self.originalSilenceLimit)
            log(.tableUpdated)
        }
    }

    private mutating func confirm(_ registration: UDPRegistration) {
        let requester = Requester(path: registration.path, isOurs: registration.isOurs, id: nil)
        answer(.registrationConfirmation, to: requester) {
            $0.run = registration.run
            $0.session = registration.session
            $0.secret = registration.secret
        }
    }

    /// Keeps the name for who holds its secret, and notes when it was seen, and where it is while it is there.
    private mutating func keepName(_ key: String, isThere: Bool) {
        guard let registration = table[key], registration.keeps, let secret = registration.secret else { return }
        let reservation = UDPReservation(
            name: registration.name, key: key, secret: secret, lastSeen: wall,
            address: isThere ? registration.path.address : nil)
        if let record = mailboxes.keep(reservation) { effects.append(.record(record)) }
    }

    mutating func tableRequested(by key: String) {
        if table[key]?.isConfirmed == false {
            table[key]?.isConfirmed = true
            timers.cancel(.provisional(key))
            table.publish(key)
            keepName(key, isThere: true)
            log(.tableUpdated)
        }
        guard !limitsRates || table[key]?.tables.take(at: now) == true else {
            overRate += 1
            return
        }
        if !tableRequests.contains(key) { tableRequests.append(key) }
    }

    mutating func pingReceived(from key: String, id: MessageID?) {
        guard let requester = requester(key, id) else { return }
        let group = table[key]?.group.flatMap { groups.name($0) }
        answer(.pong, to: requester) {
            $0.registered = true
            $0.group = group
        }
        beginMail(key)
    }

    /// An original is told of a name first, so that its listener knows who writes to it.
    mutating func introductionRequested(_ name: String, by key: String, id: MessageID?) {
        guard let requester = requester(key, id) else { return }
        let other = nameKey(name)
        if let original = table[other], !original.isOurs {
            var contacts = original.contacts.filter { $0 != key }
            contacts.insert(key, at: 0)
            table[other]?.contacts = Array(contacts.prefix(UDPTable.contactLimit))
            effects.append(.send(table.table(for: other, port: port), to: [original.path]))
        }
        answer(.introduceAck(name: name), to: requester)
    }

    /// Tells those who were there when the last server ended that this one does not know them: they register again and
    /// go back into their groups at once, not with their next sign of life.
    mutating func recall(isLast: Bool) {
        for reservation in absent where table[reservation.key] == nil {
            guard let address = reservation.address else { continue }
            let message = message(.pong, to: Requester(path: UDPPath(address), isOurs: true, id: nil)) {
                $0.registered = false
            }
            effects.append(.send(message, to: (0..<socketCount).map { UDPPath(socket: $0, address) }))
        }
        if isLast { absent.removeAll() }
    }

    // MARK: - Ways out

    mutating func deregistered(_ key: String, keeps: Bool, id: MessageID?) {
        guard let requester = requester(key, id), let name = table[key]?.name else { return }
        if keeps {
            keepName(key, isThere: false)
        } else if let record = mailboxes.drop(key) {
            effects.append(.record(record))
        }
        table[key]?.keeps = false
        remove(key, logs: false)
        answer(.deregistrationConfirmation, to: requester)
        log(.tableUpdatedRemoved(name: name))
    }

    /// Takes a client out of its group and out of the table.
    mutating func remove(_ key: String, logs: Bool = true) {
        keepName(key, isThere: false)
        if let group = table[key]?.group { perform(groups.left(key, group, at: now)) }
        guard let registration = table.remove(key) else { return }
        for timer in [Timer.provisional(key), .silence(key), .offlineCheck(key), .mail(key), .receiver(key)] {
            timers.cancel(timer)
        }
        tableRequests.removeAll { $0 == key }
        offlineChecks[key] = nil
        if logs && registration.isConfirmed { log(.tableUpdated) }
    }

    mutating func silenceChecked(_ key: String) {
        guard let registration = table[key] else { return }
        let limit = registration.isOurs ? Self.silenceLimit : Self.originalSilenceLimit
        let due = registration.lastHeard + limit
        if due <= now { remove(key) } else { timers.schedule(.silence(key), at: due) }
    }

    /// A client got no acknowledgement from another. An end of ours is asked itself before it is believed; an original
    /// could not answer.
    mutating func saidToBeOffline(_ name: String, by key: String, id: MessageID?) {
        guard let requester = requester(key, id) else { return }
        let accused = nameKey(name)
        guard let registration = table[accused] else {
            answer(.clientOfflineAck(name: name), to: requester)
            return
        }
        var check = offlineChecks[accused] ?? OfflineCheck()
        let isFirst = check.attempts == 0
        if !check.requesters.contains(requester), check.requesters.count < 64 { check.requesters.append(requester) }
        offlineChecks[accused] = check
        if !registration.isOurs || accused == key {
            offlineConfirmed(accused)
        } else if isFirst {
            offlineCheckTimedOut(accused)
        }
    }

    mutating func offlineCheckTimedOut(_ key: String) {
        guard var check = offlineChecks[key], let registration = table[key] else { return }
        guard check.attempts < Self.offlineChecks else {
            offlineConfirmed(key)
            return
        }
        check.attempts += 1
        offlineChecks[key] = check
        answer(.ping, to: Requester(path: registration.path, isOurs: true, id: nil))
        timers.schedule(.offlineCheck(key), at: now + Self.offlineCheckInterval)
    }

    /// It is gone: out of the table, and those who said so are answered.
    mutating func offlineConfirmed(_ key: String) {
        let check = offlineChecks.removeValue(forKey: key)
        guard let name = table[key]?.name, let path = table[key]?.path, let isOurs = table[key]?.isOurs else { return }
        if let group = table[key]?.group, let groupName = groups.name(group) {
            log(.removedSilent(name, group: groupName))
        }
        remove(key)
        if let requesters = check?.requesters.filter({ $0.path != path }), !requesters.isEmpty {
            // The table first, as the original's server does: who asked reads that it changed, and then why.
            announceChanges()
            for requester in requesters { answer(.clientOfflineAck(name: name), to: requester) { $0.online = false } }
        }
        if let claim = check?.claim { reclaim(claim) }
        // Should it be there all the same, it learns that it has to register again.
        if isOurs { answer(.pong, to: Requester(path: path, isOurs: true, id: nil)) { $0.registered = false } }
    }

    /// It has just spoken.
    mutating func offlineDenied(_ key: String) {
        guard let check = offlineChecks.removeValue(forKey: key), let name = table[key]?.name else { return }
        timers.cancel(.offlineCheck(key))
        for requester in check.requesters {
            answer(.clientOfflineAck(name: name), to: requester) { $0.online = true }
        }
        if let claim = check.claim {
            answer(
                .registrationError(message: "`\(name)` already exists!"),
                to: Requester(path: claim.path, isOurs: true, id: nil)
            ) {
                $0.run = claim.client.chat?.run
                $0.reclaim = false
            }
        }
    }
}

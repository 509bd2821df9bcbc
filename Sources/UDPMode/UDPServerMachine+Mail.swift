import Delivery
package import Wire

// Direct messages that could not be delivered, kept for who holds the secret of their receiver's name.
extension UDPServerMachine {
    /// Stored messages under way to one client, sends of each without an answer, and the time between them.
    static let mailWindow = 8
    static let mailSends = 6
    static let mailInterval: Duration = .milliseconds(500)

    mutating func storeRequested(_ id: MessageID, _ text: String, to name: String, by key: String) {
        guard let requester = requester(key, nil), let from = table[key]?.name, requester.isOurs else { return }
        let message = UDPStoredMessage(id: id, from: from, to: nameKey(name), text: text, time: wall)
        do {
            _ = try handOver(message).encoded()
        } catch {
            answer(.storeMessageError(id: id, message: "The message is too long to be stored."), to: requester)
            return
        }
        do throws(UDPMailboxes.Refusal) {
            switch try mailboxes.store(message) {
            case .already: answer(.storeMessageAck(id: id), to: requester)
            case .underWay:
                if storing[id]?.contains(requester) == false { storing[id]?.append(requester) }
            case .pending(let record):
                if limitsRates, table[key]?.posts.take(at: now) != true {
                    mailboxes.failed(id, to: message.to)
                    let wait = table[key]?.posts.delay(at: now) ?? .zero
                    answer(.slowDown, to: Requester(path: requester.path, isOurs: true, id: id)) {
                        $0.wait = wait.millisecondsRoundedUp
                    }
                    return
                }
                storing[id] = [requester]
                log(.stored(from: from, to: name))
                effects.append(.record(record))
            }
        } catch {
            let reason =
                switch error {
                case .noMailbox: "The server keeps no messages for `\(name)`."
                case .full: "The mailbox of `\(name)` is full."
                }
            answer(.storeMessageError(id: id, message: reason), to: requester)
        }
    }

    /// A record is in the database: what waited for it is answered.
    package mutating func committed(_ record: UDPRecord, at now: MonotonicTime) -> [Effect] {
        self.now = now
        if case .store(let message) = record, mailboxes.committed(message.id, to: message.to) {
            for requester in storing.removeValue(forKey: message.id) ?? [] {
                answer(.storeMessageAck(id: message.id), to: requester)
            }
            beginMail(message.to)
        }
        defer { effects.removeAll() }
        return effects
    }

    /// The database could not take a record: what waited for it is told so.
    package mutating func failed(_ record: UDPRecord, at now: MonotonicTime) -> [Effect] {
        self.now = now
        if case .store(let message) = record {
            mailboxes.failed(message.id, to: message.to)
            for requester in storing.removeValue(forKey: message.id) ?? [] {
                answer(
                    .storeMessageError(id: message.id, message: "The server cannot store messages at the moment."),
                    to: requester)
            }
        }
        defer { effects.removeAll() }
        return effects
    }

    /// Hands over what waits, unless that is under way already.
    mutating func beginMail(_ key: String) {
        guard let registration = table[key], registration.isOurs, registration.isConfirmed,
            registration.mail.underWay.isEmpty
        else { return }
        table[key]?.mail.attempts = 0
        sendMail(key)
    }

    mutating func mailTimedOut(_ key: String) {
        guard let round = table[key]?.mail, !round.underWay.isEmpty else { return }
        guard round.attempts < Self.mailSends else {
            // It is tried again when the client is heard the next time.
            table[key]?.mail = UDPRegistration.MailRound()
            return
        }
        sendMail(key)
    }

    private mutating func sendMail(_ key: String) {
        let waiting = mailboxes.waiting(for: key, Self.mailWindow)
        table[key]?.mail.underWay = Set(waiting.map(\.id))
        guard !waiting.isEmpty, let path = table[key]?.path else {
            timers.cancel(.mail(key))
            return
        }
        table[key]?.mail.attempts += 1
        for message in waiting { effects.append(.send(handOver(message), to: [path])) }
        timers.schedule(.mail(key), at: now + Self.mailInterval)
    }

    private func handOver(_ message: UDPStoredMessage) -> UDPMessage {
        UDPMessage(
            .storedMessage(from: message.from, id: message.id, text: message.text, time: message.time),
            .server(port: port, chat: UDPExtension()))
    }

    mutating func storedMessageAcknowledged(_ id: MessageID, by key: String) {
        guard table[key]?.mail.underWay.remove(id) != nil else { return }
        if let record = mailboxes.handedOver(id, to: key) {
            effects.append(.record(record))
            if let name = table[key]?.name { log(.handedOver(to: name)) }
        }
        if table[key]?.mail.underWay.isEmpty == true { beginMail(key) }
    }
}

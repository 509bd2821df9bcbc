import Delivery
import Wire

// Registration, requests to the server and the way out.
extension UDPClientMachine {
    // MARK: - Registration

    mutating func sendRegistration(secret: MessageID? = nil) {
        registrationSends += 1
        // The secret goes only to a server that has said that it is one of ours: an original passes all of it on.
        let announced = chat {
            $0.secret = secret
            $0.keep = settings.keepsSecret ? true : nil
        }
        effects.append(.send(UDPMessage(.registration, metadata(announced)), to: settings.server))
        timers.schedule(.request, at: now + Self.requestInterval)
    }

    mutating func registrationTimedOut() {
        guard pendingRefusal == nil else { return }
        // One that knew the server is as patient as with any request to it.
        let sends = serverIsOurs && !serverIsClosed ? Self.patientSends : Self.requestSends
        guard registrationSends < sends else { return serverGone() }
        sendRegistration(secret: reclaimed ? secret : nil)
    }

    mutating func registrationConfirmed(_ chat: UDPExtension?) {
        guard phase == .registering else { return }
        if let run = chat?.run, run != settings.run { return }
        phase = .registered
        pendingRefusal = nil
        timers.cancel(.request)
        timers.cancel(.refusal)
        serverIsOurs = chat != nil
        serverIsStopping = false
        session = chat?.session
        if let given = chat?.secret, given != secret || !settings.keepsSecret {
            secret = given
            if settings.keepsSecret { effects.append(.keepSecret(given)) }
        }
        if rejoining == nil { show(.registered) }
        if serverIsOurs {
            table.forgetRevision()
            askFor(.tableRequest, isInternal: true)
            timers.schedule(.silence, at: now + Self.pingAfter)
            rejoin()
        }
    }

    mutating func registrationRefused(_ message: String, _ chat: UDPExtension?) {
        // The answer to a repetition, after that to the first: an original server takes the second for another's.
        guard phase == .registering else { return }
        if chat?.reclaim == true, let secret {
            // Said of a registration without the secret, which has been sent since.
            guard !reclaimed else { return }
            reclaimed = true
            registrationSends = 0
            sendRegistration(secret: secret)
            return
        }
        // An original server refuses a repeated registration; its confirmation of the first may still arrive, and its
        // table says whether the name is one's own.
        if chat == nil, registrationSends > 1 {
            pendingRefusal = message
            timers.schedule(.refusal, at: now + Self.refusalPatience)
            return
        }
        refuse(message)
    }

    mutating func refusalTimedOut() {
        if let message = pendingRefusal { refuse(message) }
    }

    private mutating func refuse(_ message: String) {
        show(.notRegistered(reason: message))
        abandonEverything()
        end(.refused)
    }

    /// The server does not know one any more: it was started anew, or somebody said that one was offline.
    mutating func registerAgain() {
        guard phase == .registered, leaving != .goodbye else { return }
        phase = .registering
        // Whoever says so is a server of ours, so it may be told the secret.
        reclaimed = secret != nil
        for key in peers.keys { peers[key]?.isIntroduced = false }
        registrationSends = 0
        // What was being asked for is asked for again afterwards, but for what belongs to the way back itself.
        if var interrupted = request {
            interrupted.sends = 0
            interrupted.pages.removeAll()
            urgent.insert(interrupted, at: 0)
            request = nil
        }
        urgent.removeAll { waiting in
            switch waiting.body {
            case .joinGroup, .createGroup: waiting.isInternal
            case .tableRequest, .ping: true
            default: false
            }
        }
        rejoining?.created = false
        if rejoining == nil { rejoining = group.map { ($0.name, false) } ?? ("", false) }
        sendRegistration(secret: secret)
    }

    private mutating func rejoin() {
        guard let wanted = rejoining else { return }
        guard !wanted.name.isEmpty else {
            rejoining = nil
            return
        }
        urgent.insert(UDPRequest(.joinGroup(wanted.name), id: newID(), isInternal: true), at: 0)
    }

    // MARK: - Requests

    mutating func askFor(_ body: UDPMessage.Body, isInternal: Bool) {
        let isWaiting = request?.body == body || urgent.contains { $0.body == body }
        guard !isWaiting else { return }
        urgent.append(UDPRequest(body, id: newID(), isInternal: isInternal))
    }

    /// Carries out what waits, as far as it can go now.
    mutating func proceed() {
        while phase == .registered, request == nil {
            if !urgent.isEmpty {
                begin(urgent.removeFirst())
            } else if !verbs.isEmpty {
                let verb = verbs.removeFirst()
                guard perform(verb) else {
                    verbs.insert(verb, at: 0)
                    break
                }
            } else {
                break
            }
        }
        finishIfDone()
        scheduleSenders()
    }

    mutating func begin(_ new: UDPRequest) {
        request = new
        transmitRequest()
    }

    private mutating func transmitRequest() {
        guard let body = request?.body, let id = request?.id else { return }
        request?.sends += 1
        let keeps = settings.keepsSecret && leaving == .goodbye
        sendToServer(body) {
            $0.id = id
            if keeps, case .deregistration = body { $0.keep = true }
        }
        timers.schedule(.request, at: now + Self.requestInterval)
    }

    mutating func requestTimedOut() {
        guard phase == .registered else {
            registrationTimedOut()
            return
        }
        guard let request else { return }
        // A goodbye that nobody answers is over sooner.
        let isPatient = serverIsOurs && !serverIsClosed
        let sends = leaving == .goodbye ? 2 : isPatient ? Self.patientSends : Self.requestSends
        guard request.sends < sends || (leaving != .goodbye && serverIsAlive) else {
            if leaving == .goodbye { end(.ended) } else { serverGone() }
            return
        }
        transmitRequest()
    }

    /// A server of ours takes a repeated request for what it is, so it may be repeated while there are signs of life.
    var serverIsAlive: Bool { serverIsOurs && now - lastHeard < Self.aliveFor }

    mutating func serverGone() {
        show(.serverNotResponding)
        show(.exiting)
        abandonEverything()
        end(.serverGone)
    }

    /// The program ends before these are known to have arrived.
    private mutating func abandonEverything() {
        func abandon(_ message: UDPOutgoing, _ reason: UDPClientEvent.FailureReason? = nil) {
            guard undelivered.insert(message.id).inserted else { return }
            show(.delivery(message.id, .noanswer, to: message.to, reason: reason))
        }
        for key in peers.keys {
            for case .gaveUp(_, let message) in peers[key]?.sender.becameUnreachable() ?? [] { abandon(message) }
        }
        for case .gaveUp(_, let message) in groupSender.becameUnreachable() { abandon(message, .serverSilent) }
        for message in storing.values { abandon(message) }
        storing.removeAll()
        if case .groupMessage(let text, let group) = request?.body, let id = request?.id {
            abandon(UDPOutgoing(id: id, to: group, text: text), .serverSilent)
        }
    }

    mutating func silenceChecked() {
        guard phase == .registered, serverIsOurs else { return }
        let silence = now - lastHeard
        if silence >= Self.goneAfter { return serverGone() }
        if silence >= Self.pingAfter {
            sendToServer(.ping)
            timers.schedule(.silence, at: now + Self.pingInterval)
        } else {
            timers.schedule(.silence, at: lastHeard + Self.pingAfter)
        }
    }

    // MARK: - The way out

    /// Ends when nothing is left to be done.
    private mutating func finishIfDone() {
        guard leaving == .whenDone, phase == .registered, request == nil, urgent.isEmpty, verbs.isEmpty,
            unfinished == 0
        else { return }
        leaveNow(.ended)
    }

    /// Says goodbye: the name is free, or kept for who holds its secret, and nobody is left writing to a closed port.
    mutating func leaveNow(_ outcome: Outcome) {
        guard phase == .registered, leaving != .goodbye, outcome == .ended, table[settings.name] != nil else {
            abandonEverything()
            // In a hurry: the goodbye is said once, and nobody waits for the answer.
            let keeps = settings.keepsSecret
            if phase == .registered, serverIsOurs { sendToServer(.deregistration) { $0.keep = keeps } }
            end(outcome)
            return
        }
        leaving = .goodbye
        // What was still being asked for is of no use any more.
        request = nil
        verbs.removeAll()
        urgent.removeAll()
        // An original server dies of a message to a group with a member that is gone, so the group is left first.
        if !serverIsOurs, let group {
            urgent.append(UDPRequest(.deregistration, id: newID()))
            begin(UDPRequest(.leaveGroup(group.name), id: newID(), isInternal: true))
        } else {
            begin(UDPRequest(.deregistration, id: newID()))
        }
    }
}

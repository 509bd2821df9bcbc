import Delivery
import Net
import Wire

/// What the machine of a connection asks for, and what is sent.
extension GroupStore {
    /// Carries out what a machine asks for, and what follows from that.
    func carryOut(_ effects: consuming [BoardConnectionMachine.Effect], _ connection: Connection) {
        var index = 0
        // A request that waits for the one before is often answered in the same breath: only the last word is carried out.
        var isPaused = connection.isPaused
        while index < effects.count {
            // Taken out and not copied: it is carried out once.
            var effect = BoardConnectionMachine.Effect.prompt
            swap(&effect, &effects[index])
            index += 1
            switch effect {
            case .prompt: send(connection) { text.writePrompt(to: &$0) }
            case .nameTaken: send(connection) { text.writeNameTaken(to: &$0) }
            case .claim(let name): effects += claim(name, connection)
            case .answer(let answer, let reply): send(answer, reply, connection)
            case .event(let event):
                send(connection) { write(event, connection.machine.dialect, to: &$0) }
            case .perform(let request, let reply):
                if let answer = perform(request, reply, connection) {
                    send(answer, reply, connection)
                    let further = connection.machine.answered(at: outbound.now)
                    // Adding nothing would copy what is there.
                    if !further.isEmpty { effects += further }
                }
            case .useJSON: useJSON(connection)
            case .schedule(let timer, let delay):
                outbound.schedule(TimerToken.connection(slot: connection.id.slot, timer).packed, after: delay)
            case .cancel(let timer):
                outbound.cancelTimer(TimerToken.connection(slot: connection.id.slot, timer).packed)
            case .pauseReading: isPaused = true
            case .resumeReading: isPaused = false
            case .close:
                signOff(connection)
                outbound.close(connection.id)
            }
        }
        guard isPaused != connection.isPaused else { return }
        connection.isPaused = isPaused
        if isPaused { outbound.pause(connection.id) } else if !isEnding { outbound.resume(connection.id) }
    }

    private func claim(_ name: Nickname, _ connection: Connection) -> [BoardConnectionMachine.Effect] {
        guard names[name.key] == nil else { return connection.machine.nameRefused(at: outbound.now) }
        names[name.key] = connection.id
        report(.joined(peer: connection.peer, name: name))
        return connection.machine.nameAccepted(name, at: outbound.now)
    }

    private func useJSON(_ connection: Connection) {
        for group in table.groups(of: connection.id) {
            groups[group].textAudience.removeAll { $0 == connection.id }
            groups[group].jsonAudience.append(connection.id)
        }
    }

    /// Answers a request that was handed out earlier, and lets the connection go on.
    func finish(_ answer: BoardAnswer, _ reply: BoardReply, _ id: SocketID) {
        guard let connection = connection(id) else { return }
        if !connection.machine.isClosed { send(answer, reply, connection) }
        carryOut(connection.machine.answered(at: outbound.now), connection)
    }

    // MARK: - Sending

    private func send(_ answer: BoardAnswer, _ reply: BoardReply, _ connection: Connection) {
        send(connection) { writer in
            switch reply {
            case .text: text.write(answer, to: &writer)
            case .json(let operation, let id):
                BoardJSONWriter.write(answer, operation: operation, id: id, to: &writer)
            }
        }
        guard outbound.outboxCount(connection.id) > Self.outboxGate else { return }
        connection.machine.hold(.outbox)
        outbound.notifyWhenDrained(connection.id, below: Self.outboxGate)
    }

    private func send(_ connection: Connection, _ body: (inout ByteWriter) -> Void) {
        outbound.send(outbound.encode(body), to: connection.id)
    }

    func write(_ event: BoardEvent, _ dialect: BoardConnectionMachine.Dialect, to writer: inout ByteWriter) {
        switch dialect {
        case .text: text.write(event, to: &writer)
        case .json: BoardJSONWriter.write(event, to: &writer)
        }
    }

    /// Tells every member of a group but one: encoded once for each dialect, the same bytes for all.
    func notify(_ event: BoardEvent, _ group: Int, except id: SocketID?) {
        func tell(_ audience: [SocketID], _ dialect: BoardConnectionMachine.Dialect) {
            guard audience.count > 1 || (audience.count == 1 && audience[0] != id) else { return }
            outbound.send(outbound.encode { write(event, dialect, to: &$0) }, to: audience, except: id)
        }
        tell(groups[group].textAudience, .text)
        tell(groups[group].jsonAudience, .json)
    }

    func announceLeave(_ connection: Connection, _ name: Nickname, _ group: Int) {
        groups[group].textAudience.removeAll { $0 == connection.id }
        groups[group].jsonAudience.removeAll { $0 == connection.id }
        notify(.left(group: table.groups[group].name.text, name: name.text), group, except: connection.id)
    }
}

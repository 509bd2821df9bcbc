import Console
import Delivery
import Net
import Platform
import Terminal
import Wire

/// What is typed, and the end of the run.
extension BoardClient {
    func typed(_ input: ConsoleInput<BoardTypedCommand>) {
        switch input {
        case .text: break
        case .command(let command, let arguments):
            if wasReady { carryOut(command, arguments) } else { early.append(.command(command, arguments)) }
        case .quit: if status == nil { finish(console.outcome) } else { endAtOnce() }
        case .endOfInput:
            inputHasEnded = true
            endIfDone()
        }
    }

    func carryOut(_ command: BoardTypedCommand, _ arguments: CommandArguments) {
        guard let request = command.request(arguments) else {
            let usage = BoardTypedCommand.table.command(named: command.rawValue)?.signature ?? command.rawValue
            return console.show(.error("Usage: %\(usage)"))
        }
        guard case .post(let group, let draft) = request else {
            return carryOut(follow.request(request, tag: Tag.typed))
        }
        post(draft, to: group)
    }

    /// Posts: shown at once, and again when it is known to be stored.
    ///
    /// - Parameter file: the draft, which goes when the post was accepted.
    @discardableResult
    func post(_ draft: BoardDraft, to group: String, from file: BoardDraftFile? = nil) -> MessageID {
        var draft = draft
        let now = Timestamp.now()
        let id = MessageID.timeOrdered(at: now)
        draft.id = id
        let own = KeptMessage(
            offset: 0, id: id, author: name.text, time: now, subject: draft.subject.text, text: draft.text)
        if let file { drafts[id] = (file, group) }
        console.show(.message(ChatMessage(own, group: group, isOwn: true, isCaughtUp: false, isPending: true)))
        if wasReady {
            carryOut(follow.request(.post(group: group, draft), tag: Tag.typed))
        } else {
            early.append(.post(group: group, draft))
        }
        return id
    }

    /// After the end of the input: leaves when everything was answered.
    func endIfDone() {
        guard inputHasEnded, status == nil, wasReady, early.isEmpty else { return }
        if follow.isIdle {
            finish(console.outcome)
        } else {
            loop.hub.schedule(Token.lastWait, after: Self.lastWait)
        }
    }

    func finish(_ outcome: ExitStatus, _ sentence: SafeText? = nil) {
        guard status == nil else { return }
        status = outcome
        if let sentence { console.show(.error(sentence)) }
        link.leave()
        memoryChange.finish()
        for (_, draft) in drafts { keep(draft.file, draft.group) }
        removed.finish()
        loop.hub.cancelTimer(Token.memory)
        giveRoom()
        guard isComposing else { return shutDown() }
        // The terminal is the editor's: it goes first.
        editor?.terminate()
        loop.hub.schedule(Token.editor, after: Self.editorGrace)
    }

    func shutDown() { loop.hub.shutdown(grace: .seconds(2)) }

    /// Whoever asks again does not wait for anybody's goodbye.
    func endAtOnce() {
        editor?.destroy()
        link.abort()
    }
}

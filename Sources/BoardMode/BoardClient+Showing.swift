import Console
import Delivery
import Wire

/// What a client's user sees of what happens.
extension BoardClient {
    func show(_ id: MessageID, _ group: String, _ state: BoardFollowMachine.PostState) {
        switch state {
        case .waiting:
            if link.dialect == nil { console.show(.notice("this will be posted when the connection is back")) }
        case .accepted(let offset):
            console.show(
                .delivery(id: id.hex, state: .accepted, note: "Message posted to group '\(group)' with ID: \(offset)"),
                fields: ["conversation": .string(group), "offset": .integer(offset)])
        case .unknown: console.show(.delivery(id: id.hex, state: .noanswer))
        case .refused(let refusal):
            console.show(
                .delivery(id: id.hex, state: .failed, note: refusal.text),
                fields: ["conversation": .string(group), "code": .string(refusal.code.rawValue)])
        }
    }

    func show(_ event: BoardEvent) {
        names.note(event)
        switch event {
        case .joined(let group, let name):
            console.show(.joined(name: displayName(name), conversation: displayName(group)))
        case .left(let group, let name):
            console.show(.left(name: displayName(name), conversation: displayName(group)))
        case .closing(let reason): console.show(.notice(reason))
        case .posted: break
        }
    }

    func show(_ answer: BoardAnswer, wasTyped: Bool) {
        names.note(answer)
        // What the client asked by itself is for completion only.
        guard wasTyped else { return }
        if let refusal = answer.refusal {
            return console.show(.error(refusal.text), fields: ["code": .string(refusal.code.rawValue)])
        }
        var writer = ByteWriter()
        text.write(answer, to: &writer)
        let lines = String(decoding: writer.bytes.dropLast(), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).map { SafeText(untrusted: String($0)) }
        console.show(.answer(lines), fields: fields(of: answer))
    }

    /// The answer as its fields, for a program.
    private func fields(of answer: BoardAnswer) -> JSONObject {
        var writer = ByteWriter()
        BoardJSONWriter.write(answer, operation: "", id: .null, to: &writer)
        var object = (try? JSON(parsing: writer.bytes[...]))?.object ?? [:]
        object["event"] = nil
        // As good as a password, and of no use to whoever reads the output.
        object["resume"] = nil
        return object
    }

    /// Lines of a server that speaks text: notifications as events, all else as an answer.
    func show(_ lines: [SafeText]) {
        var answer: [SafeText] = []
        for line in lines {
            names.note(line: line.string)
            switch BoardTextNotification(line.string) {
            case .joined(let group, let name)?:
                names.joined(name, group)
                console.show(.joined(name: displayName(name), conversation: displayName(group)))
            case .left(let group, let name)?:
                names.left(name, group)
                console.show(.left(name: displayName(name), conversation: displayName(group)))
            case .other(let group, let text)?:
                console.show(
                    .notice("group \(QuotedName.inSentence(displayName(group))): \(text)"),
                    fields: ["conversation": .string(group)])
            case nil:
                if !BoardTextNotification.contains(line.string) { answer.append(line) }
            }
        }
        if !answer.isEmpty { console.show(.answer(answer)) }
    }
}

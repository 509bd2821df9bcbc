import Console
import Wire

/// What the mesh has to tell, in the words and events of the console.
enum P2PPresenter {
    static func event(for news: MeshNews) -> (event: ConsoleEvent, fields: JSONObject) {
        switch news {
        case .connected(let peer, let isOriginal): (.connected(peer: peer), ["original": .bool(isOriginal)])
        case .disconnected(let peer, let isOriginal, let end):
            (.disconnected(peer: peer, reason: reason(of: end)), ["original": .bool(isOriginal)])
        case .unreachable(let address, let reason):
            (.notice("cannot connect to \(address): \(reason); trying again"), [:])
        case .joined(let name): (.joined(name: name), [:])
        case .returned(let name): (.joined(name: name), ["returned": true])
        case .left(let name): (.left(name: name), [:])
        case .lost(let name): (.lost(name: name), [:])
        case .renamed(let old, let new):
            (.notice("\(QuotedName.inSentence(old)) is now \(QuotedName.inSentence(new))"), [:])
        case .guestJoined(let name, let place): (.joined(name: name, conversation: nil), guest(place))
        case .guestLeft(let name, let place): (.left(name: name, conversation: nil), guest(place))
        case .message(let message): (.message(shown(message)), [:])
        case .sent(let id, _, _): (.delivery(id: id, state: .sent), [:])
        case .unsent(let id, let isKept):
            (
                .delivery(
                    id: id, state: .failed,
                    note: isKept
                        ? "No peers connected, message not sent to anyone; whoever connects will get it."
                        : "No peers connected, message not sent to anyone."), [:]
            )
        case .delivered(let id, let name): (.delivery(id: id, state: .delivered, to: name), [:])
        case .failed(let id, let name): (.delivery(id: id, state: .noanswer, to: name), [:])
        case .gap(let author, let first, let last):
            (.gap(from: first, to: last, conversation: author), [:])
        case .notice(let notice): (.notice(sentence(of: notice)), [:])
        }
    }

    private static func guest(_ place: SafeText?) -> JSONObject {
        var fields: JSONObject = ["original": true]
        if let place { fields["at"] = .string(place.string) }
        return fields
    }

    private static func shown(_ message: ShownMessage) -> ChatMessage {
        ChatMessage(
            id: message.id, sender: message.sender, senderKey: message.senderKey, text: message.text,
            time: message.time, recipient: message.whisperedTo, kind: message.isAction ? .action : .text,
            isOwn: message.isOwn, isPending: message.isOwn, isCaughtUp: message.isCaughtUp)
    }

    static func reason(of end: LinkEnd) -> SafeText {
        switch end {
        case .left: "it said goodbye"
        case .closed: "closed by the other end"
        case .broken(let reason): reason
        case .silent: "no sign of life for too long"
        case .flood: "it wrote too fast"
        case .here: "closed here"
        }
    }

    static func sentence(of notice: MeshNotice) -> SafeText {
        switch notice {
        case .slowedDown(let name): "\(QuotedName.inSentence(name)) writes faster than is admitted and is slowed down"
        case .refusesLines(let name):
            "\(QuotedName.inSentence(name)) goes on writing too fast; what it writes now is dropped"
        case .closedForFlood(let name):
            "\(QuotedName.inSentence(name)) wrote too fast for too long and was disconnected"
        case .tooManyArrivals(let count):
            count == 1
                ? "a connection was refused: too many come from one address"
                : "\(count) connections were refused: too many come from one address"
        case .leftOut(let count):
            "\(count) more \(count == 1 ? "notice" : "notices") of those who write too fast or too much \(count == 1 ? "was" : "were") left out"
        case .notPassedOn(let name): "the last message of \(name) is too long to be passed on; only you have seen it"
        case .dialledOneself(let address): "\(address) is this program itself; it is not connected to"
        }
    }

    static func sentence(of error: SayError) -> SafeText {
        switch error {
        case .empty: "There is nothing to send."
        case .tooLong(let excess):
            "The message is \(excess) \(excess == 1 ? "character" : "characters") too long and was not sent; shorten it."
        case .tooLongForOriginals(let excess):
            "The message is \(excess) \(excess == 1 ? "character" : "characters") too long for the original programs that are connected and was not sent; shorten it."
        case .unknownName(let name): "There is nobody called \(name); /who lists everybody."
        case .ambiguousName(let name, let candidates):
            "Several people are called \(name); write one of \(joined(candidates))."
        case .outOfReach(let name, let place):
            "\(QuotedName.inSentence(name)) uses a program that only \(place) is connected to; a message to one person cannot reach it."
        case .oneself: "That is you."
        }
    }

    private static func joined(_ names: [SafeText]) -> SafeText {
        names.dropFirst().reduce(names.first ?? "") { "\($0), \($1)" }
    }

    // MARK: - Answers to commands

    static func lines(of peers: [PeerSummary]) -> [SafeText] {
        guard !peers.isEmpty else { return ["No peers connected."] }
        return peers.map { peer in
            let id: SafeText = peer.node.map { "\($0.prefix(4))" } ?? "-"
            let trip: SafeText = peer.roundTrip.map { milliseconds($0) } ?? "-"
            return
                "\(peer.name)  \(id)  \(peer.remote.description)  \(peer.isDialled ? "out" : "in")  \(trip)  \(peer.dialect)"
        }
    }

    static func lines(of members: [MemberSummary]) -> [SafeText] {
        members.map { member in
            var line: SafeText =
                switch member.distance {
                case 0: "\(member.name)  you"
                case 1: "\(member.name)  connected"
                default:
                    member.via.map { "\(member.name)  \(member.distance) links away, through \($0)" } ?? member.name
                }
            if !member.guests.isEmpty { line = "\(line); with \(joined(member.guests))" }
            return line
        }
    }

    static func lines(of status: (messages: [FollowedMessage], members: Int)) -> [SafeText] {
        guard !status.messages.isEmpty else { return ["You have not said anything yet."] }
        return status.messages.map { message in
            let start = SafeText(untrusted: String(message.text.prefix(40)))
            let originals: SafeText = message.originals == 0 ? "" : ", sent to \(message.originals) original programs"
            return "\(message.shownBy) of \(status.members) members\(originals): \(start)"
        }
    }

    private static func milliseconds(_ duration: Duration) -> SafeText {
        let tenths = Int(duration / .microseconds(100))
        return "\(tenths / 10).\(tenths % 10) ms"
    }
}

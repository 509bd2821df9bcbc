package import Delivery
package import Wire

/// A line of an export: a group, or a post of the group before it (Protocols.md, "board, export").
///
///     {"chat":"board","version":1}
///     {"group":"main","visibility":"last:2","epoch":"0123456789abcdef","next":2}
///     {"offset":0,"id":"0192...","sender":"alice","time":1795188451000000,"subject":"s","text":"t"}
///
/// Times are microseconds since 1970, so that nothing is lost on the way.
package enum BoardExportLine: Equatable, Sendable {
    case header
    case group(name: GroupName, visibility: VisibilityRule, epoch: Epoch, next: Int64)
    case post(KeptMessage)

    /// Bytes of a line that is read.
    package static let lineLimit = 1 << 20

    /// Why a line is none of an export.
    package struct Failure: Error, Equatable, Sendable {
        package let reason: SafeText
    }

    package func write(to writer: inout ByteWriter) {
        writer.appendJSON { json in
            json.object { json in
                switch self {
                case .header:
                    json.member("chat", "board")
                    json.member("version", 1)
                case .group(let name, let visibility, let epoch, let next):
                    json.member("group", name.text)
                    json.member("visibility", visibility.text)
                    json.member("epoch", epoch)
                    json.member("next", next)
                case .post(let message):
                    json.member("offset", message.offset)
                    json.member("id", message.id)
                    json.member("sender", message.author)
                    json.member("time", message.time.microseconds)
                    if let subject = message.subject { json.member("subject", subject) }
                    json.member("text", message.text)
                }
            }
        }
        writer.append(UInt8(ascii: "\n"))
    }

    package init(parsing line: ArraySlice<UInt8>) throws(Failure) {
        let json: JSON
        do {
            json = try JSON(parsing: line)
        } catch {
            throw Failure(reason: error.message)
        }
        if let kind = json["chat"]?.string {
            guard kind == "board" else { throw Failure(reason: "It is the export of another mode, '\(kind)'.") }
            guard json["version"]?.integer == 1 else {
                throw Failure(reason: "It was written by a newer version of this program.")
            }
            self = .header
        } else if json["group"] != nil {
            self = try Self.group(json)
        } else {
            self = try Self.post(json)
        }
    }

    private static func group(_ json: JSON) throws(Failure) -> Self {
        let name: GroupName
        do {
            name = try GroupName(validating: json["group"]?.string ?? "")
        } catch {
            throw Failure(reason: error.message)
        }
        guard let visibility = json["visibility"]?.string.flatMap({ VisibilityRule(parsing: $0) }),
            let epoch = json["epoch"]?.string.flatMap({ Epoch(hex: $0) }), let next = json["next"]?.integer, next >= 0
        else { throw Failure(reason: "A group needs \"visibility\", \"epoch\" and \"next\".") }
        return .group(name: name, visibility: visibility, epoch: epoch, next: next)
    }

    private static func post(_ json: JSON) throws(Failure) -> Self {
        guard let offset = json["offset"]?.integer, offset >= 0,
            let id = json["id"]?.string.flatMap({ MessageID(hex: $0) }), let author = json["sender"]?.string,
            let time = json["time"]?.integer, let subject = json["subject"]?.string, let text = json["text"]?.string
        else {
            throw Failure(reason: "A post needs \"offset\", \"id\", \"sender\", \"time\", \"subject\" and \"text\".")
        }
        do {
            // What was posted kept the limits; what is imported has to as well, because others are shown it.
            let name = try Nickname(validating: author)
            let draft = try BoardPostRules.draft(id: id, subject: subject, text: text)
            return .post(
                KeptMessage(
                    offset: offset, id: id, author: name.text, time: Timestamp(microseconds: time),
                    subject: draft.subject.text, text: draft.text))
        } catch let error as NameError {
            throw Failure(reason: error.message)
        } catch let error as BoardRefusal {
            throw Failure(reason: error.text)
        } catch {
            throw Failure(reason: "It cannot be read.")
        }
    }
}

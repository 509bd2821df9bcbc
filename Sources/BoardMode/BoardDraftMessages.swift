package import Wire

/// A longer post as its author edits it: a subject, and below an empty line the text.
///
///     Subject: Minutes of today
///
///     We met at ten and ...
package struct BoardDraftText: Equatable, Sendable {
    /// Bytes of the file; far more than a post may have, so that the sentence about its length is the usual one.
    package static let sizeLimit = 1 << 20

    package enum Problem: UserFacingError, Equatable, Sendable {
        /// Nothing below the subject.
        case empty
        /// The first line is another.
        case noSubject
        case notText

        /// What the author reads.
        package var message: SafeText {
            switch self {
            case .empty: "There is no text below the subject; nothing was posted."
            case .noSubject: "The first line must be 'Subject: ...'; nothing was posted."
            case .notText: "The file is not UTF-8 text; nothing was posted."
            }
        }
    }

    package let subject: String
    package let text: String

    /// What the editor begins with.
    package static func template(subject: String) -> String { "Subject: \(subject)\n\n" }

    /// Reads what the editor has left.
    package init(parsing bytes: [UInt8]) throws(Problem) {
        guard let file = String(validating: bytes, as: UTF8.self) else { throw .notText }
        // Lines as other systems end them; a CR and LF is one character of Swift's.
        let lines = file.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }
        let body = lines.dropFirst().map(String.init).joined(separator: "\n")
        let text = body.withoutBlankEdges
        guard let first = lines.first, let colon = first.firstIndex(of: ":"),
            first[..<colon].drop(while: { $0 == "\u{FEFF}" }).trimmed.lowercased() == "subject"
        else {
            throw file.allSatisfy(\.isWhitespace) ? .empty : .noSubject
        }
        guard !text.isEmpty else { throw .empty }
        subject = String(first[first.index(after: colon)...].trimmed)
        self.text = text
    }
}

extension String {
    /// Without blank lines in front, and without white space behind; the first line keeps its indentation.
    fileprivate var withoutBlankEdges: String {
        guard let last = lastIndex(where: { !$0.isWhitespace }) else { return "" }
        let first = firstIndex(where: { !$0.isWhitespace })!
        let start = self[..<first].lastIndex(of: "\n").map { index(after: $0) } ?? startIndex
        return String(self[start...last])
    }
}

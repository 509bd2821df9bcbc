import Console
import Delivery
import Platform
import Terminal
import Wire

/// `/compose GROUP [SUBJECT]`: a longer post, written in the user's editor.
extension BoardClient {
    /// Opens the editor, waits for its end and posts what it has left.
    func compose(_ arguments: CommandArguments) async {
        guard status == nil, let typed = arguments[0] else { return }
        guard let group = follow.groups.first(where: { nameKey($0) == nameKey(typed) }) else {
            return console.show(.error("You must join group '\(typed)' before posting: %groupjoin \(typed)"))
        }
        do {
            let file = try BoardDraftFile(path: try draftPath(for: group))
            if await edit(file, group, subject: arguments.rest(after: 1)) == nil { file.close() }
        } catch {
            console.show(.error("There is no place for a draft: \(SafeText(explaining: error))"))
        }
    }

    /// - Returns: the post that waits for its answer; nil where nothing was posted.
    private func edit(_ file: BoardDraftFile, _ group: String, subject: String) async -> MessageID? {
        let isDraft: Bool
        do {
            isDraft = try await file.prepare(BoardDraftText.template(subject: subject))
        } catch {
            console.show(.error("The draft cannot be written: \(SafeText(explaining: error))"))
            return nil
        }
        guard await console.lendTerminal() else {
            if !isDraft { await file.remove() }
            console.show(.error("An editor needs a terminal; post with %grouppost \(group) SUBJECT TEXT."))
            return nil
        }
        let failure = await runEditor(file.path)
        console.takeTerminalBack()
        do {
            guard let bytes = try await file.result() else {
                if !isDraft { await file.remove() }
                if let failure {
                    console.show(.error(failure))
                } else {
                    console.show(.notice("nothing was written, and nothing was posted"))
                }
                return nil
            }
            if let failure {
                console.show(.error(failure))
                keep(file, group)
                return nil
            }
            return try await post(bytes, file, group)
        } catch {
            console.show(.error("The draft cannot be read: \(SafeText(explaining: error))"))
            return nil
        }
    }

    private func post(_ bytes: [UInt8], _ file: BoardDraftFile, _ group: String) async throws -> MessageID? {
        do {
            let text = try BoardDraftText(parsing: bytes)
            let draft = try BoardPostRules.draft(id: nil, subject: text.subject, text: text.text)
            guard status == nil else {
                keep(file, group)
                return nil
            }
            return post(draft, to: group, from: file)
        } catch BoardDraftText.Problem.empty {
            await file.remove()
            console.show(.notice("there is no text below the subject, and nothing was posted"))
        } catch let problem as BoardDraftText.Problem {
            console.show(.error(problem.message))
            keep(file, group)
        } catch let refusal as BoardRefusal {
            console.show(.error("\(refusal.text) Nothing was posted."))
            keep(file, group)
        }
        return nil
    }

    func keep(_ file: BoardDraftFile, _ group: String) {
        console.show(.notice("your text is kept in \(file.path); /compose \(group) opens it again"))
    }

    /// Runs the editor in the foreground.
    ///
    /// - Returns: what went wrong.
    private func runEditor(_ path: String) async -> SafeText? {
        // The words of the variable are those of a shell command, as for every other program that asks for an editor.
        let named = ["VISUAL", "EDITOR"].compactMap { Environment[$0] }.first { !$0.isEmpty }
        let command = named ?? "vi"
        let script = #"eval "set -- $1 \"\$2\""; command -v "$1" >/dev/null 2>&1 || exit 127; exec "$@""#
        guard status == nil else { return "The program is ending; nothing was posted." }
        do {
            let editor = try ForegroundProgram("/bin/sh", ["-c", script, "chat", command, path])
            self.editor = editor
            defer { self.editor = nil }
            switch await editor.end() {
            case .status(0): return nil
            case .status(127), .status(126):
                return named == nil
                    ? "No editor was found; say which one to use with VISUAL or EDITOR. Nothing was posted."
                    : "The editor '\(command)' was not found; VISUAL or EDITOR must name one that is installed. Nothing was posted."
            case .status(let status): return "The editor '\(command)' ended with status \(status); nothing was posted."
            case .signal(let signal):
                return "The editor '\(command)' was ended by signal \(signal); nothing was posted."
            }
        } catch {
            return "The editor cannot be started: \(error.reason). Nothing was posted."
        }
    }

    /// A file that no post is waiting for. Without a data folder, one that nobody finds again but by what is said of it.
    private func draftPath(for group: String) throws -> String {
        let base: String
        if common.memoryOnly {
            let folder = Environment["TMPDIR"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/tmp"
            base = "\(folder)/chat-\(BoardDraftFile.processID)-\(follow.memory.draftName(of: group))"
        } else {
            base = try DataDirectory(option: common.dataDirectory).state(follow.memory.draftName(of: group))
        }
        let taken = Set(drafts.values.map(\.file.path))
        var path = "\(base).txt"
        var number = 2
        while taken.contains(path) {
            path = "\(base)-\(number).txt"
            number += 1
        }
        return path
    }

    /// One of the posts that came from an editor has come further.
    func settle(_ id: MessageID, _ state: BoardFollowMachine.PostState) {
        guard let draft = drafts[id] else { return }
        switch state {
        case .waiting: return
        case .accepted: removed.yield(draft.file)
        case .unknown, .refused:
            keep(draft.file, draft.group)
            draft.file.close()
        }
        drafts[id] = nil
    }

    /// Removes the drafts of what was posted, one after the other.
    func removeDrafts() async {
        for await file in removals {
            await file.remove()
            file.close()
        }
    }
}

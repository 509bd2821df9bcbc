package import Wire

/// A board is spoken to by lines, of text or of JSON.
extension RawPeer {
    /// Everything that the server has for this person now: it answers in order, so a question marks the end.
    @discardableResult
    package func barrier() async throws -> String {
        try send("%connect\n")
        let mark = "[INFO] Already connected to server. Use '%groups' to see available groups.\n"
        return String(try receive(until: mark).dropLast(mark.count))
    }

    /// Types a line and takes the answer to it, with whatever comes before.
    package func type(_ line: String) async throws -> String {
        try send(line + "\n")
        return try await barrier()
    }

    /// The next line.
    package func line() throws -> String { String(try receive(until: "\n").dropLast()) }

    /// The next JSON line.
    package func object() throws -> JSON { try JSON(parsing: Array(line().utf8)[...]) }

    /// Sends a JSON line and takes its answer; events before it are passed over.
    package func ask(_ text: String) throws -> JSON {
        try send(text + "\n")
        while true {
            let object = try object()
            if ["answer", "error", "ready"].contains(object["event"]?.string) { return object }
        }
    }
}

import TestSupport
import Testing
import Wire

@testable import Console

struct JSONEventTests {
    /// One of each event, and of each with everything that it may have.
    private static let events: [ConsoleEvent] = [
        .listening(host: "127.0.0.1", port: 9001), .connected(peer: "Bob"), .disconnected(peer: "Bob", reason: "gone"),
        .joined(name: "Bob"), .joined(name: "Bob", conversation: "den"), .left(name: "Bob", conversation: "den"),
        .lost(name: "Bob"), .ready,
        .message(ChatMessage(id: "1", sender: "Bob", text: "a\n\u{1B}[2J\u{202E}", time: .sample)),
        .message(
            ChatMessage(
                id: "2", sender: "Bob", text: "", time: .sample, conversation: "den", offset: 7, subject: "s",
                recipient: "Tester", kind: .action, isOwn: true, isPending: true, isCaughtUp: true)),
        .delivery(id: "1", state: .noanswer, to: "Bob", note: "words"), .gap(from: 1, to: 2, conversation: "den"),
        .closed(reason: "over"), .notice("n"), .error("e"), .answer(["one", "two"]),
    ]

    @Test func everyEventIsAsDocumented() throws {
        let schema = try EventSchema.ofProtocols()
        #expect(Set(Self.events.map { "\($0.name)" }) == schema.names)
        for event in Self.events {
            var bytes: [UInt8] = []
            JSONLines(mode: "test").append(event, fields: [:], at: .sample, to: &bytes)
            #expect(schema.violations(of: bytes.dropLast()) == [])
            #expect(bytes.last == 0x0A && !bytes.dropLast().contains { $0 < 0x20 || $0 == 0x7F })
        }
    }

    @Test func textIsExactAndHarmless() throws {
        let text = "a\n\t\u{1B}[2J\u{9B}\u{202E}\u{2028}\u{E0041}é日👩‍👧\"\\" + String(repeating: "\u{301}", count: 20)
        var bytes: [UInt8] = []
        JSONLines(mode: "test").append(
            .message(ChatMessage(id: "1", sender: "Bob", text: text, time: .sample)), fields: [:], at: .sample,
            to: &bytes)
        #expect(try JSON(parsing: bytes[...])["text"]?.string == text)
        let shown = String(decoding: bytes.dropLast(), as: UTF8.self)
        for scalar in ["\u{1B}", "\u{9B}", "\u{202E}", "\u{2028}", "\u{E0041}", "\u{200D}"] as [Unicode.Scalar] {
            #expect(!shown.unicodeScalars.contains(scalar))
        }
    }
}

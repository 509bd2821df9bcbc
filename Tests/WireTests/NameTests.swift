import Testing
import Wire

@Suite struct NameTests {
    @Test(arguments: [
        "Heisenberg", "Walter White", "Łukasz", "部屋", "👩‍👩‍👧", "علی‌رضا", "x", String(repeating: "n", count: 32),
    ])
    func takes(name: String) throws {
        let nickname = try Nickname(validating: name)
        #expect(nickname.text == name)
        #expect(nickname.safeText.string == name)
    }

    @Test func saysWhatIsWrong() {
        let sentences: [(String, SafeText)] = [
            ("", "The name is empty."),
            (String(repeating: "n", count: 33), "The name is 1 characters too long; it may have 32."),
            (String(repeating: "部", count: 22), "The name is 2 bytes too long; it may have 64 bytes of UTF-8."),
            (" a", "The name begins or ends with a space; leave it out."),
            ("a\u{3000}", "The name begins or ends with a space; leave it out."),
            ("a\nb", "The name 'a\\nb' holds a character that cannot be shown; leave it out."),
            ("\u{202E}evil", "The name '\\u{202E}evil' holds a character that cannot be shown; leave it out."),
            ("a\u{200B}b", "The name 'a\\u{200B}b' holds a character that cannot be shown; leave it out."),
        ]
        for (name, sentence) in sentences {
            do {
                _ = try Nickname(validating: name)
                Issue.record("'\(name)' was taken")
            } catch {
                #expect(error.message == sentence)
            }
        }
    }

    @Test func kindsDiffer() throws {
        #expect(throws: NameError.self) { try GroupName(validating: "two words") }
        #expect(try RoomName(validating: "部屋 one").text == "部屋 one")
        #expect(try Subject(validating: String(repeating: "s", count: 200)).text.count == 200)
        #expect(throws: NameError.self) { try Subject(validating: String(repeating: "s", count: 201)) }
        #expect(throws: NameError.self) { try RoomName(validating: String(repeating: "s", count: 65)) }
    }

    @Test func keysIgnoreCaseSpellingAndJoiners() throws {
        #expect(nameKey("Straße") == nameKey("STRASSE"))
        #expect(nameKey("ΣΊΣΥΦΟΣ") == nameKey("Σίσυφος"))
        #expect(Array(nameKey("e\u{301}").utf8) == Array(nameKey("\u{C9}").utf8))
        #expect(nameKey("علی‌رضا") == nameKey("علیرضا"))
        #expect(nameKey("alice") != nameKey("alicе"))
        #expect(try Nickname(validating: "Alice").key == "alice")
    }

    @Test func arrivingNamesAreCutAndEscaped() {
        #expect(displayName("Alice") == "Alice")
        #expect(displayName("") == "(no name)")
        #expect(displayName("a\u{1B}[2Jb") == "a\\u{1B}[2Jb")
        #expect(displayName(String(repeating: "n", count: 33)).string == String(repeating: "n", count: 32) + "…")
        #expect(displayName("a" + String(repeating: "\u{301}", count: 5_000)).string.utf8.count < 500)
        #expect(displayName(String(repeating: "部", count: 30)).string == String(repeating: "部", count: 21) + "…")
    }
}

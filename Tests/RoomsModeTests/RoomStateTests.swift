import Delivery
import Store
import Testing
import Wire

@testable import RoomsMode

/// `room_manager.json`.
@Suite struct RoomStateTests {
    static let token = RoomToken(high: 0x0011_2233_4455_6677, low: 0x8899_aabb_ccdd_eeff)
    static let other = RoomToken(high: 1, low: 2)

    static let file: RoomStateFile = {
        var file = RoomStateFile()
        file.rooms = [
            .init(
                name: "部屋 one", createdAt: Timestamp(microseconds: 1_795_188_924_113_259),
                members: [
                    .init(
                        name: "Alice", token: token, isHost: true,
                        address: SocketAddress(ip: .loopbackV4, port: 35_959)),
                    .init(name: "Zoë \"z\"", token: other, isHost: false, address: nil),
                ])
        ]
        return file
    }()

    /// The example of the original, as it stands in its file.
    @Test func readsTheOriginals() throws {
        let text = """
            {"rooms": {"部屋 one": {"host_token": "\(Self.token.text)", "members": ["\(Self.token.text)"],
             "created_at": 1795188924.113259}},
             "tokens": {"\(Self.token.text)": {"username": "\\"Alice\\"", "room_name": "部屋 one", "is_host": true,
             "address": ["127.0.0.1", 35959]}}, "saved_at": "2026-11-20T15:35:24.118013"}
            """
        let file = try RoomStateFile(parsing: Array(text.utf8)[...])
        #expect(file.unusable == 0)
        #expect(file.rooms.count == 1)
        #expect(file.rooms[0].name == "部屋 one")
        #expect(abs(file.rooms[0].createdAt.microseconds - 1_795_188_924_113_259) < 2)
        #expect(file.rooms[0].members == [Self.file.rooms[0].members[0]])
    }

    @Test func comesBack() throws {
        let bytes = Self.file.bytes(savedAt: Timestamp(microseconds: 0), utcOffset: 0)
        var file = try RoomStateFile(parsing: bytes[...])
        file.rooms[0].createdAt = Self.file.rooms[0].createdAt
        #expect(file == Self.file)
        #expect(String(decoding: bytes, as: UTF8.self).hasSuffix("\"saved_at\": \"1970-01-01T00:00:00\"}"))
    }

    @Test func whatIsNoneIsLeftOut() throws {
        func entry(_ name: String) -> JSON { ["username": .string(name), "room_name": "den"] }
        let bad = "token_1"
        let good = Self.token.text
        let state: JSON = [
            "rooms": [
                "den": ["host_token": .string(good), "members": [.string(bad), .string(good), "token_x", 7]],
                "a\u{1b}[2J": ["members": []],
                "attic": 3,
            ],
            "tokens": .object([good: entry("Ann"), bad: entry("Bob")]),
        ]
        let file = try RoomStateFile(parsing: state.encoded()[...])
        #expect(file.rooms.map(\.name) == ["den"])
        #expect(file.rooms[0].members.map(\.name) == ["Ann"] && file.rooms[0].members[0].isHost)
        #expect(file.unusable == 4)
        for name in ["\u{1b}[2J", "", "system", String(repeating: "x", count: 40)] {
            let state: JSON = [
                "rooms": ["den": ["members": [.string(good)]]], "tokens": .object([good: entry(name)]),
            ]
            #expect(try RoomStateFile(parsing: state.encoded()[...]).unusable == 1)
        }
        for text in ["", "[]", "{}", "{\"rooms\": 1, \"tokens\": {}}", "\u{1}"] {
            #expect(throws: RoomStateFile.Failure.self) { try RoomStateFile(parsing: Array(text.utf8)[...]) }
        }
    }

    @Test func whatIsThereStays() async throws {
        let store = try await MessageStore.open(path: nil, schema: RoomsStorage.schema)
        _ = try await RoomsStorage.openRooms(
            lobby: try RoomName(validating: "lobby"), at: Timestamp(microseconds: 0), in: store)
        let first = try await RoomsStorage.importState(Self.file, into: store)
        #expect(first == .init(rooms: 1, members: 2))
        #expect(try await RoomsStorage.importState(Self.file, into: store) == .init(known: 2))
        var changed = Self.file
        changed.rooms[0].members = [
            .init(name: "ALICE", token: RoomToken(high: 3, low: 3), isHost: true, address: nil),
            .init(name: "Bob", token: RoomToken(high: 3, low: 4), isHost: true, address: nil),
        ]
        #expect(try await RoomsStorage.importState(changed, into: store) == .init(members: 1, taken: 1))
        let file = try await RoomsStorage.exportState(from: store)
        #expect(file.rooms.map(\.name) == ["lobby", "部屋 one"])
        #expect(file.rooms[1].members.map(\.name) == ["Alice", "Zoë \"z\"", "Bob"])
        #expect(file.rooms[1].members.map(\.isHost) == [true, false, false])
        await store.close()
    }
}

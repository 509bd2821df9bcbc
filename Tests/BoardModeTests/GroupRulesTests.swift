import BoardMode
import Delivery
import Testing
import Wire

@Suite("Board: groups and visibility")
struct GroupRulesTests {
    static func table(_ visibility: VisibilityRule = .standard, posts: Int64 = 0) throws -> GroupTable<String> {
        var table = GroupTable<String>()
        table.add(try GroupName(validating: "main"), visibility: visibility, epoch: Epoch(value: 1), nextOffset: posts)
        table.add(try GroupName(validating: "other"), visibility: visibility, epoch: Epoch(value: 2), nextOffset: posts)
        return table
    }

    @Test(
        "What a new member sees of five old posts and one new",
        arguments: [
            (VisibilityRule.none, 5..<6), (.last(1), 4..<6), (.standard, 3..<6), (.last(4), 1..<6), (.last(5), 0..<6),
            (.last(50), 0..<6), (.all, 0..<6),
        ] as [(VisibilityRule, Range<Int64>)])
    func firstVisible(rule: VisibilityRule, visible: Range<Int64>) throws {
        var table = try Self.table(rule, posts: 5)
        #expect(table.visibleOffsets(for: "a", in: 0) == nil)
        _ = table.join("a", 0)
        #expect(table.visibleOffsets(for: "a", in: 0) == visible.lowerBound..<5)
        table.posted(5, in: 0)
        #expect(table.visibleOffsets(for: "a", in: 0) == visible)
        // Never of another group.
        #expect(table.visibleOffsets(for: "a", in: 1) == nil)
    }

    @Test("Fewer posts than the rule shows are all shown")
    func fewPosts() throws {
        for posts in Int64(0)...2 {
            var table = try Self.table(posts: posts)
            _ = table.join("a", 0)
            #expect(table.visibleOffsets(for: "a", in: 0) == 0..<posts)
        }
    }

    @Test("Who leaves sees nothing, and who comes back sees what a new member sees")
    func leaving() throws {
        var table = try Self.table()
        _ = table.join("a", 0)
        for offset in Int64(0)..<6 { table.posted(offset, in: 0) }
        #expect(table.visibleOffsets(for: "a", in: 0) == 0..<6)
        #expect(table.leave("a", 0) == true)
        #expect(table.visibleOffsets(for: "a", in: 0) == nil)
        #expect(table.leave("a", 0) == false)
        _ = table.join("a", 0)
        #expect(table.visibleOffsets(for: "a", in: 0) == 4..<6)
    }

    @Test("A resumed member sees from its old join point on")
    func resumed() throws {
        var table = try Self.table(.none, posts: 10)
        #expect(table.join("a", 0, restored: .init(firstVisible: 3)) == .joined(.init(firstVisible: 3)))
        #expect(table.visibleOffsets(for: "a", in: 0) == 3..<10)
        // One that is beyond the end, as after a store was replaced, sees nothing and traps nothing.
        #expect(table.join("b", 0, restored: .init(firstVisible: 30)) == .joined(.init(firstVisible: 30)))
        #expect(table.visibleOffsets(for: "b", in: 0) == 10..<10)
    }

    @Test("Joining twice changes nothing; two members are in the order of joining")
    func joining() throws {
        var table = try Self.table(posts: 5)
        #expect(table.join("b", 0) == .joined(.init(firstVisible: 3)))
        table.posted(5, in: 0)
        #expect(table.join("b", 0) == .alreadyMember)
        #expect(table.visibleOffsets(for: "b", in: 0) == 3..<6)
        #expect(table.join("a", 0) == .joined(.init(firstVisible: 4)))
        #expect(table.groups[0].members == ["b", "a"])
        #expect(table.leaveAll("b") == [0])
        #expect(table.groups[0].members == ["a"])
    }

    @Test("A disconnect leaves every group, in their order")
    func leaveAll() throws {
        var table = try Self.table()
        _ = table.join("a", 1)
        _ = table.join("a", 0)
        #expect(table.groups(of: "a") == [0, 1])
        #expect(table.leaveAll("a") == [0, 1])
        #expect(table.leaveAll("a") == [])
        #expect(!table.isMember("a", of: 0))
    }

    @Test("A group has a limit of members")
    func full() throws {
        var table = GroupTable<Int>()
        table.add(try GroupName(validating: "main"), visibility: .all, epoch: Epoch(value: 1), nextOffset: 0)
        for member in 0..<GroupTable<Int>.memberLimit { _ = table.join(member, 0) }
        #expect(table.join(-1, 0) == .full)
        _ = table.leave(5, 0)
        #expect(table.join(-1, 0) != .full)
    }

    @Test("Groups are found in any case, and not by half a name")
    func finding() throws {
        let table = try Self.table()
        #expect(table.find("main") == 0)
        #expect(table.find("MAIN") == 0)
        #expect(table.find("Other") == 1)
        for name in ["", "mai", "main ", "a b", "ma\u{200B}in\u{202E}", String(repeating: "x", count: 1_000)] {
            #expect(table.find(name) == nil, "\(name)")
        }
    }

    @Test("Rules are read and written alike", arguments: ["none", "all", "last:1", "last:20"])
    func ruleText(text: String) {
        #expect(VisibilityRule(parsing: text)?.text == text)
        #expect(VisibilityRule(parsing: text.uppercased())?.text == text)
    }

    @Test("What is no rule", arguments: ["", "last", "last:", "last:x", "last:-1", "last:02", "last:1000001", "some"])
    func noRule(text: String) { #expect(VisibilityRule(parsing: text) == nil) }

    @Test("last:0 is none")
    func lastZero() { #expect(VisibilityRule(parsing: "last:0") == VisibilityRule.none) }
}

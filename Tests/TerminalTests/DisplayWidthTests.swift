import Testing

@testable import Terminal

struct DisplayWidthTests {
    @Test(
        arguments: [
            ("a", 1), (" ", 1), ("é", 1), ("ß", 1), ("Ω", 1), ("я", 1), ("א", 1), ("ا", 1), ("क", 1), ("ก", 1),
            ("日", 2), ("あ", 2), ("カ", 2), ("ｶ", 1), ("Ａ", 2), ("한", 2), ("ᄒ", 2), ("𠀀", 2), ("　", 2), ("。", 2),
            ("e\u{301}", 1), ("日\u{301}", 2), ("\u{1112}\u{1161}\u{11AB}", 2),
            ("😀", 2), ("👍🏽", 2), ("👩‍👩‍👧‍👦", 2), ("🇩🇪", 2), ("❤", 1), ("❤\u{FE0F}", 2), ("1\u{FE0F}\u{20E3}", 2),
            ("🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}", 2), ("⌚", 2), ("☎", 1), ("☎\u{FE0F}", 2),
            ("\u{301}", 0), ("\u{AD}", 0), ("\u{200B}", 0),
        ] as [(Character, Int)])
    func columns(cluster: Character, expected: Int) {
        #expect(DisplayWidth(of: cluster).columns == expected)
    }

    /// What terminals disagree about is followed by a column; what they agree about costs nothing.
    @Test(
        arguments: [
            ("a", false), ("~", false), ("日", false), ("한", false), ("Ａ", false),
            ("é", true), ("Ω", true), ("…", true), ("😀", true), ("🇩🇪", true), ("e\u{301}", true), ("👩‍👧", true),
            ("❤\u{FE0F}", true), ("ä", false), ("ñ", false),
        ] as [(Character, Bool)])
    func uncertainty(cluster: Character, expected: Bool) {
        #expect(DisplayWidth(of: cluster).isUncertain == expected)
    }

    @Test(arguments: [WidthTables.wide, WidthTables.ambiguous])
    func tablesAreAscendingRangesThatTheSearchFinds(table: [UInt32]) {
        #expect(table.count.isMultiple(of: 2))
        var last: UInt32 = 0
        for index in stride(from: 0, to: table.count, by: 2) {
            #expect(table[index] > last && table[index] <= table[index + 1])
            #expect(WidthTables.contains(table, table[index]))
            #expect(WidthTables.contains(table, table[index + 1]))
            if table[index] > last + 1 { #expect(!WidthTables.contains(table, table[index] - 1)) }
            last = table[index + 1]
        }
        #expect(!WidthTables.contains(table, last + 1))
        #expect(!WidthTables.contains(table, 0x41))
    }
}

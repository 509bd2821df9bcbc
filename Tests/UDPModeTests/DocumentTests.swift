import Console
import TestSupport
import Testing

@testable import UDPMode

@Suite struct DocumentTests {
    /// The README's table of the client's commands is that of the program.
    @Test func readmeHoldsTheCommands() {
        let lines = String(decoding: contents(ofProjectFile: "README.md"), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let table = lines.drop { $0 != "<!-- udp commands -->" }.prefix { $0 != "<!-- end -->" }
        #expect(table.filter { $0.hasPrefix("| `") } == UDPClientCommand.table.markdownRows)
    }
}

import Glibc
import Platform
import Testing

@Suite struct ProcessSetupTests {
    /// KiB of files that are resident in this process.
    private static func residentFiles() throws -> Int {
        let status = try #require(fopen("/proc/self/status", "r"))
        defer { fclose(status) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), status) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard text.hasPrefix("RssFile:") else { continue }
            return try #require(Int(text.dropFirst(8).filter(\.isNumber)))
        }
        return try #require(nil as Int?, "no RssFile in the status")
    }

    @Test func givenBackPagesLeaveAndComeBackAsTheyWere() throws {
        let words = (0..<200).map { "\($0): \(Double($0) / 7)" }
        let before = try Self.residentFiles()
        ProcessSetup.giveBackProgramPages()
        let after = try Self.residentFiles()
        // The test program and its libraries are far larger than what this function needs.
        #expect(after < before / 2)
        #expect((0..<200).map { "\($0): \(Double($0) / 7)" } == words)
    }
}

package import Platform
package import Wire

/// Commands that read nothing from their user.
extension ChatConsole where Command == Never {
    /// A console for a mode's reports.
    package convenience init(reportsOf mode: String, common: CommonOptions) throws(SystemError) {
        try self.init(ConsoleSettings(mode: mode, role: .report, common: common), commands: CommandTable([]))
    }

    /// Says why nothing could be begun.
    package static func complain(_ sentence: SafeText, mode: String, common: CommonOptions) async {
        let console = try? ChatConsole(reportsOf: mode, common: common)
        console?.show(.error(sentence))
        await console?.finish()
    }

    /// Runs a command that does one thing and leaves; an error that it throws is shown and decides its exit status.
    package static func run(
        mode: String, common: CommonOptions, _ body: (ChatConsole) async throws -> Void
    ) async -> ExitStatus {
        guard let console = try? ChatConsole(reportsOf: mode, common: common) else { return .internalError }
        var status = ExitStatus.ok
        do {
            try await body(console)
        } catch {
            console.show(.error(SafeText(explaining: error)))
            status = ExitStatus(of: error)
        }
        await console.finish()
        return status
    }
}

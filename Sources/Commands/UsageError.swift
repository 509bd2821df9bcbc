package import Wire

/// A mistake on the command line.
package struct UsageError: Error, Equatable, Sendable {
    /// The command as far as it was understood, "chat p2p"; empty where the sentence stands alone.
    package let command: String
    /// What is wrong and what to write instead.
    package let sentence: SafeText

    /// The one line that goes to standard error.
    package var message: SafeText { command.isEmpty ? sentence : "\(command): \(sentence)" }
}

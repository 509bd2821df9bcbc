import Terminal

/// Another program has the terminal for a while.
extension ChatConsole {
    /// Gives the terminal as it was before to another program, for instance an editor. What is shown meanwhile waits, and
    /// nothing is read as long as the next of `inputs` is not asked for.
    ///
    /// - Returns: false where there is no terminal with an editor to give, or the output has ended.
    package func lendTerminal() async -> Bool {
        guard case .terminal = face, isWriting, !isFinishing, !isOutputGone, !isLent else { return false }
        let (granted, grant) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        borrower = grant
        workArrived.yield()
        for await _ in granted {}
        return isLent
    }

    /// The other program has ended: sets the terminal up again and draws everything anew.
    package func takeTerminalBack() {
        guard isLent else { return }
        isLent = false
        resumed()
    }

    /// Hides what is drawn and leaves raw mode, for whoever waits for it.
    func lend() async {
        guard case .terminal(let view) = face, let borrower else { return }
        self.borrower = nil
        _ = await writer.write([OutputChunk(stream: .output, bytes: view.hide(&lines))])
        view.rawMode?.leave()
        isLent = true
        borrower.finish()
    }
}

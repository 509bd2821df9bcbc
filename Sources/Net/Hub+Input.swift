import Glibc
import Platform
import Wire

extension Hub: InputWatcher {
    package func watchInput(_ descriptor: Int32) -> Bool {
        checkThread()
        var status = stat()
        guard input == nil, !isShuttingDown, fstat(descriptor, &status) == 0 else { return false }
        // epoll knows no files: they are always ready.
        let type = status.st_mode & S_IFMT
        guard type == S_IFIFO || type == S_IFSOCK else { return false }
        input = addSlot(descriptor: descriptor, kind: .input)
        return true
    }

    package func inputIsReady() async -> Bool {
        checkThread()
        precondition(inputWaits == nil, "two wait for the same input")
        guard let input else { return false }
        return await withCheckedContinuation { waiting in
            inputWaits = waiting
            updateInterest(input.slot)
        }
    }

    package func unwatchInput() {
        checkThread()
        guard let input else { return }
        self.input = nil
        release(input.slot)
        answerInput(false)
    }

    /// Something has come, or the end.
    func inputBecameReady(_ id: SocketID) {
        if inputWaits != nil {
            // Mostly the next wait comes within the turn: the interest stays until nobody waits at the next readiness.
            answerInput(true)
        } else {
            updateInterest(id.slot)
        }
    }

    private func answerInput(_ isReady: Bool) {
        let waiting = inputWaits
        inputWaits = nil
        waiting?.resume(returning: isReady)
    }
}

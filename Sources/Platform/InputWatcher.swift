/// Tells when input can be read without a thread that waits for it: an event loop, which waits for its sockets anyway.
///
/// Belongs to the thread of its loop, on which everything here is called.
package protocol InputWatcher: AnyObject, Sendable {
    /// Begins to look after a descriptor, which stays open, keeps its flags and belongs to the caller. One at a time.
    ///
    /// - Returns: false where it is neither a pipe nor a socket: for a file or a terminal a thread has to wait.
    func watchInput(_ descriptor: Int32) -> Bool

    /// Waits until there is something to read, or the end of it; while nobody waits, nobody looks. One at a time.
    ///
    /// Readiness is a hint: another process may have the same pipe and be faster.
    ///
    /// - Returns: false when nothing is looked after any more.
    func inputIsReady() async -> Bool

    /// Ends it, and the wait that is under way.
    func unwatchInput()
}

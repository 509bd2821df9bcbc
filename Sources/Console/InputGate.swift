/// Where whoever reads the input waits while there is no room for more.
///
/// It belongs to one actor, like the console. The condition is looked at where the continuation is kept, not before: what
/// is waited for may come on the way there, and would wake nobody.
package final class InputGate {
    private var waiting: CheckedContinuation<Void, Never>?

    package init() {}

    /// Waits for as long as a condition holds; it is looked at again at each `open`. One reader at a time.
    package func wait(while isCrowded: () -> Bool) async {
        while isCrowded() {
            await withCheckedContinuation { reader in
                if isCrowded() { waiting = reader } else { reader.resume() }
            }
        }
    }

    /// Lets the reader look again.
    package func open() {
        waiting?.resume()
        waiting = nil
    }
}

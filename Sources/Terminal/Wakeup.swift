import CLinux
import Glibc
package import Platform

/// A descriptor that one thread waits on beside others, and that any thread makes readable.
///
/// Used to end a wait in poll(2) from outside. Once signalled it stays so: it says "stop waiting", for good.
package final class Wakeup: Sendable {
    package let descriptor: Int32

    package init() throws(SystemError) {
        descriptor = try systemCall("eventfd") { eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK)) }
    }

    deinit { close(descriptor) }

    /// Wakes whoever waits now or later. May be called from any thread, any number of times.
    package func signal() { eventfd_write(descriptor, 1) }

    /// Whether `signal()` was called.
    package var isSignalled: Bool {
        var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&waited, 1, 0) == 1
    }
}

import CLinux
import Glibc

/// The C calls whose names the hub's own methods hide, and the flags that every call of a kind has.
enum System {
    /// A peer that has gone is an error of the call, never a signal; and no call waits.
    static let sendFlags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
    static let receiveFlags = Int32(MSG_DONTWAIT)
    static let acceptFlags = Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)

    @inline(__always)
    static func send(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
        Glibc.send(descriptor, bytes, count, sendFlags)
    }

    @inline(__always)
    static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

    static func endOutput(_ descriptor: Int32) { _ = Glibc.shutdown(descriptor, Int32(SHUT_WR)) }
}

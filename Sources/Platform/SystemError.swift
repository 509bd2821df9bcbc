import CLinux
import Glibc
package import Wire

/// A system call that failed: which one, and the errno it left.
///
/// This is the only place of the program that reads errno.
package struct SystemError: UserFacingError, Hashable, Sendable {
    /// The name of the call, as its manual page spells it.
    package let call: String

    /// The error number, one of the E constants of errno(3).
    package let code: Int32

    package init(call: String, code: Int32) {
        self.call = call
        self.code = code
    }

    /// What the system says of the error number, for a sentence that a user reads: "Address already in use".
    package var reason: SafeText {
        var buffer = [CChar](repeating: 0, count: 256)
        // The Glibc module shows the POSIX variant, which fills the buffer.
        guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(Int(code))" }
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return SafeText(untrusted: String(decoding: bytes, as: UTF8.self))
    }

    /// The reason with the name of the call, for a log or an internal error: "bind: Address already in use".
    package var message: SafeText { "\(call): \(reason)" }
}

/// Runs a system call that answers -1 on failure, again for as long as a signal interrupts it.
@discardableResult
@inline(__always)
package func systemCall<Result: SignedInteger>(
    _ name: StaticString, _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        let code = chat_errno()
        if code != EINTR { throw SystemError(call: name.description, code: code) }
    }
}

/// What a call on a nonblocking descriptor brought.
package enum Nonblocking<Result> {
    case done(Result)
    /// EAGAIN: nothing to read, or no room to write.
    case wouldBlock
    case failed(SystemError)
}

extension Nonblocking: Sendable where Result: Sendable {}

/// Runs a call on a nonblocking descriptor; throws nothing, because EAGAIN is no error and the callers are hot paths.
@inline(__always)
package func nonblockingCall(_ name: StaticString, _ body: () -> Int) -> Nonblocking<Int> {
    while true {
        let result = body()
        if result >= 0 { return .done(result) }
        let code = chat_errno()
        if code == EINTR { continue }
        if code == EAGAIN || code == EWOULDBLOCK { return .wouldBlock }
        return .failed(SystemError(call: name.description, code: code))
    }
}

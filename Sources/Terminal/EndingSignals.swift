import Glibc

/// The signals that ask a program to end, where nobody listens to them as events.
///
/// They belong to the process and reach it through any thread that does not hold them back, as all do from the start
/// (`ProcessSetup`).
package enum EndingSignals {
    /// Lets them do what they do by default through the calling thread. The terminal is given back on the way
    /// (`RawMode`).
    package static func letThrough() { set(SIG_UNBLOCK) }

    /// Holds them back on the calling thread again.
    package static func holdBack() { set(SIG_BLOCK) }

    private static func set(_ how: Int32) {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&set, number) }
        pthread_sigmask(how, &set, nil)
    }
}

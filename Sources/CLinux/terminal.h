// Gives the terminal back when a signal ends the process.
//
// In C, because a signal handler may run while any lock of the Swift runtime is held. What it calls is on the list of
// async-signal-safe functions (signal-safety(7)): tcsetattr, write, sigaction, raise.
//
// The state is static: one copy for each object file that uses it. Exactly one Swift file does (RawMode.swift).
#ifndef CHAT_TERMINAL_H
#define CHAT_TERMINAL_H

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

struct chat_terminal_guard {
    // Written last when the guard is set and first when it is released, so that a handler sees all or nothing.
    volatile sig_atomic_t is_set;
    int descriptor;
    struct termios modes;
    char reset[64];
    size_t reset_length;
    int is_installed;
    struct sigaction earlier[65];
};

// Inside a function, because a variable of a header is not emitted for Swift.
static inline struct chat_terminal_guard *chat_terminal_guard(void) {
    static struct chat_terminal_guard state;
    return &state;
}

static void chat_terminal_restore(void) {
    struct chat_terminal_guard *guard = chat_terminal_guard();
    if (!guard->is_set) return;
    guard->is_set = 0;
    tcsetattr(guard->descriptor, TCSANOW, &guard->modes);
    if (write(guard->descriptor, guard->reset, guard->reset_length) < 0) return;
}

static void chat_terminal_fatal(int number, siginfo_t *information, void *context) {
    (void)context;
    int code = errno;
    chat_terminal_restore();
    sigaction(number, &chat_terminal_guard()->earlier[number], NULL);
    // A fault happens again when the handler returns, with its own details for whoever handled it before. Everything
    // else has to be raised again; it is delivered when the handler returns.
    int is_fault = number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE;
    if (!is_fault || information->si_code <= 0) raise(number);
    errno = code;
}

// Whether the default action of a signal ends the process in a way that a handler can precede.
static inline int chat_signal_is_fatal(int number) {
    switch (number) {
    case SIGKILL: case SIGSTOP: case SIGTSTP: case SIGTTIN: case SIGTTOU: case SIGCONT:
    case SIGCHLD: case SIGURG: case SIGWINCH: case SIGPIPE: return 0;
    // 32 and 33 belong to the C library's threads.
    case 32: case 33: return 0;
    default: return 1;
    }
}

// Keeps the modes that the terminal is given back with, and what is written to it then.
static inline void chat_terminal_guard_set(int descriptor, const struct termios *modes, const char *reset) {
    struct chat_terminal_guard *guard = chat_terminal_guard();
    guard->is_set = 0;
    guard->descriptor = descriptor;
    guard->modes = *modes;
    guard->reset_length = strlen(reset) < sizeof guard->reset ? strlen(reset) : sizeof guard->reset;
    memcpy(guard->reset, reset, guard->reset_length);
    if (!guard->is_installed) {
        guard->is_installed = 1;
        atexit(chat_terminal_restore);
        for (int number = 1; number <= 64; number++) {
            if (!chat_signal_is_fatal(number)) continue;
            if (sigaction(number, NULL, &guard->earlier[number]) != 0) continue;
            // A signal that is ignored ends nothing; a handler of the runtime (its crash report) runs after this one.
            if (guard->earlier[number].sa_handler == SIG_IGN) continue;
            struct sigaction action;
            memset(&action, 0, sizeof action);
            action.sa_sigaction = chat_terminal_fatal;
            action.sa_flags = SA_SIGINFO | SA_ONSTACK;
            // All others wait, SIGTTOU too: in the background tcsetattr would stop the process before it ended.
            sigfillset(&action.sa_mask);
            sigaction(number, &action, NULL);
        }
    }
    guard->is_set = 1;
}

// The terminal was given back.
static inline void chat_terminal_guard_release(void) { chat_terminal_guard()->is_set = 0; }

#endif

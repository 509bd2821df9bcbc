// What Linux has and the toolchain's Glibc module does not show.
//
// _GNU_SOURCE is not defined here: it changes declarations that the Glibc module has already fixed, and the two
// would collide. What needs it (accept4, recvmmsg, sendmmsg, mmsghdr) is declared by hand instead.
#ifndef CHAT_CLINUX_H
#define CHAT_CLINUX_H

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <termios.h>
#include <time.h>

// Layout of the kernel's struct mmsghdr (recvmmsg(2)); the name differs so that it never meets the C library's own.
struct chat_mmsghdr {
    struct msghdr header;
    unsigned int length;
};

extern int accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);

// errno is a macro over a function; Swift cannot see macros of that shape.
static inline int chat_errno(void) { return errno; }

#endif

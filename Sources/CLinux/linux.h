// What Linux has and the toolchain's Glibc module does not show.
//
// _GNU_SOURCE is not defined here: it changes declarations that the Glibc module has already fixed, and the two
// would collide. What needs it (accept4, recvmmsg, sendmmsg, mmsghdr) is declared by hand instead.
#ifndef CHAT_CLINUX_H
#define CHAT_CLINUX_H

#include <elf.h>
#include <errno.h>
#include <time.h>

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <termios.h>

// Layout of the kernel's struct mmsghdr (recvmmsg(2)); the name differs so that it never meets the C library's own.
struct chat_mmsghdr {
    struct msghdr header;
    unsigned int length;
};

extern int accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);
extern int pipe2(int descriptors[2], int flags);

// read(2) and write(2) at the descriptor's own place that never wait: EAGAIN where they would, EOPNOTSUPP where the file
// cannot say (preadv2(2), RWF_NOWAIT).
extern ssize_t chat_preadv2(int descriptor, const struct iovec *pieces, int count, off_t offset, int flags)
    __asm__("preadv2");
static inline ssize_t chat_read_without_waiting(int descriptor, void *bytes, size_t count) {
    struct iovec piece = {bytes, count};
    return chat_preadv2(descriptor, &piece, 1, -1, 8);  // RWF_NOWAIT
}
extern ssize_t chat_pwritev2(int descriptor, const struct iovec *pieces, int count, off_t offset, int flags)
    __asm__("pwritev2");
static inline ssize_t chat_write_without_waiting(int descriptor, const void *bytes, size_t count) {
    struct iovec piece = {(void *)bytes, count};
    return chat_pwritev2(descriptor, &piece, 1, -1, 8);  // RWF_NOWAIT
}

extern int chat_recvmmsg(int socket, struct chat_mmsghdr *messages, unsigned int count, int flags, void *timeout)
    __asm__("recvmmsg");
extern int chat_sendmmsg(int socket, struct chat_mmsghdr *messages, unsigned int count, int flags)
    __asm__("sendmmsg");

// The processors that a thread may run on, a bit each (sched_setaffinity(2)); size in bytes.
extern int chat_sched_getaffinity(int thread, size_t size, uint64_t *set) __asm__("sched_getaffinity");
extern int chat_sched_setaffinity(int thread, size_t size, const uint64_t *set) __asm__("sched_setaffinity");

// A control message that asks the kernel to cut a message into datagrams of one size (udp(7), UDP_SEGMENT).
struct chat_segment_control {
    struct cmsghdr header;
    uint16_t size;
    uint16_t padding[3];
};

static inline struct chat_segment_control chat_make_segment_control(uint16_t size) {
    struct chat_segment_control control = {0};
    control.header.cmsg_level = 17;  // SOL_UDP
    control.header.cmsg_type = 103;  // UDP_SEGMENT
    control.header.cmsg_len = CMSG_LEN(sizeof size);
    control.size = size;
    return control;
}

static inline size_t chat_segment_control_length(void) { return CMSG_SPACE(sizeof(uint16_t)); }

// errno is a macro over a function; Swift cannot see macros of that shape.
static inline int chat_errno(void) { return errno; }

// Gives the calling thread a stack of its own for signal handlers (sigaltstack(2)): a handler that must run after the
// thread's stack has overflowed has none otherwise. Returns what to free when the thread ends, or NULL.
static inline void *chat_use_signal_stack(void) {
    enum { size = 65536 };
    stack_t stack;
    memset(&stack, 0, sizeof stack);
    // Somebody else's is as good.
    if (sigaltstack(NULL, &stack) != 0 || !(stack.ss_flags & SS_DISABLE)) return NULL;
    void *memory = malloc(size);
    if (!memory) return NULL;
    stack.ss_sp = memory;
    stack.ss_size = size;
    stack.ss_flags = 0;
    if (sigaltstack(&stack, NULL) == 0) return memory;
    free(memory);
    return NULL;
}

// Takes it away again; NULL does nothing.
static inline void chat_release_signal_stack(void *memory) {
    if (!memory) return;
    stack_t stack;
    memset(&stack, 0, sizeof stack);
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    free(memory);
}

// A part of the program as the C library's dl_phdr_info has it (dl_iterate_phdr(3)), up to what is needed here.
struct chat_program_part {
    uintptr_t address;
    const char *name;
    const Elf64_Phdr *headers;
    uint16_t count;
};

extern int chat_visit_program(int (*visit)(struct chat_program_part *, size_t, void *), void *)
    __asm__("dl_iterate_phdr");

// Unmaps the pages of segments that are never written to: they are those of the file, and come back from it.
static inline int chat_give_back_part(struct chat_program_part *part, size_t size, void *unused) {
    (void)size, (void)unused;
    // The kernel's own part has no file.
    if (part->name && strstr(part->name, "linux-vdso")) return 0;
    const uintptr_t page = 4096;
    for (uint16_t index = 0; index < part->count; index++) {
        const Elf64_Phdr *segment = &part->headers[index];
        if (segment->p_type != PT_LOAD || segment->p_flags & PF_W) continue;
        uintptr_t begin = (part->address + segment->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (part->address + segment->p_vaddr + segment->p_memsz) & ~(page - 1);
        if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

static inline void chat_give_back_program(void) { chat_visit_program(chat_give_back_part, NULL); }

// Names the calling thread; prctl is variadic, which Swift cannot call.
static inline void chat_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

// Takes one entry of a socket's error queue (ip(7), IP_RECVERR): the address that the failed datagram was sent to, and
// the error. The macros that walk control messages do not reach Swift. Returns 0 where the queue is empty.
static inline int chat_read_error_queue(int socket, struct sockaddr *address, socklen_t *length, int *code) {
    char payload[64], control[512];
    struct iovec vector = {payload, sizeof payload};
    struct msghdr header = {0};
    header.msg_name = address;
    header.msg_namelen = *length;
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    if (recvmsg(socket, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return 0;
    *length = header.msg_namelen;
    *code = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
        int is_error = (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR)
            || (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_RECVERR);
        if (!is_error) continue;
        struct sock_extended_err error;
        memcpy(&error, CMSG_DATA(part), sizeof error);
        *code = (int)error.ee_errno;
    }
    return 1;
}

#endif

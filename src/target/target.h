/* target.h - what a process holds: memory, mappings, threads, registers.
 *
 * A target is a live process, a frozen copy of one (fork), a core file, or a fake for tests; what
 * is above sees no difference.  Only this room uses ptrace, process_vm_readv and /proc/PID/mem.
 *
 * Owner: target_close() gives everything back; a live process keeps running whatever happens.
 * Thread: reads from any thread; everything else from the one that opened the target. */
#ifndef GOSPECT_TARGET_TARGET_H
#define GOSPECT_TARGET_TARGET_H

#include <sys/types.h>

#include "arch/arch.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/types.h"
#include "image/image.h"

struct target;

/* One piece of a batch. */
struct target_iov {
    taddr addr;
    uint32_t n;
    bool ok; /* out: all n bytes are there */
    void *dst;
};

struct target_mapping {
    taddr start, end;
    uint64_t offset;
    uint64_t inode;
    bool readable, writable, executable, shared;
    const char *path; /* "" for anonymous memory; "[heap]", "[vdso]" as the kernel says it */
};

struct target_thread {
    pid_t tid;
    pid_t inner_tid;  /* in the process's own pid namespace; 0: it has none, or unknown */
    const char *name; /* comm */
    char state;       /* letter of /proc/PID/stat; 0: unknown */
    uint64_t cpu_ms;  /* how long it has run in all, about that instant; 0: not known */
    int64_t syscall;  /* -1: none or unknown */
    bool have_regs;
    struct arch_regs regs;
    /* Floating point and vector registers as arch.extended_note has them; NULL: not known.  Owner:
     * the target. */
    const uint8_t *extended;
    size_t extended_n;
};

enum target_kind {
    TARGET_LIVE, /* a running process; every read is of another instant */
    TARGET_FORK, /* a forked copy of one: one instant for the whole process */
    TARGET_STOP, /* a process all of whose threads are stopped: the same, at its expense */
    TARGET_KEPT, /* what a process had of its own, copied by us while it was stopped: the same */
    TARGET_CORE,
    TARGET_FAKE,
};

/* ---- opening ---- */

/* Opens a running process for reading.  Nothing is stopped, nothing is traced.
 * Errors: NOT_FOUND no such process; SYS (EPERM, EACCES) with a hint that names the capability or
 * setting that is missing; GONE. */
struct err *target_open_pid(pid_t pid, struct target **ret) MUST_USE;

/* Opens a core file (kernel, gcore, ours).  exe: the program, or NULL to take the one the core
 * names when its build id is right. */
struct err *target_open_core(const char *path, const char *exe, struct target **ret) MUST_USE;

/* What a core lacks of what it should hold (it is truncated), in words; NULL: nothing. */
const char *target_incomplete(const struct target *t, struct arena *a);

/* A target made of memory the caller holds, for tests. */
struct target_fake {
    const struct arch *arch;
    const struct target_mapping *maps; /* bytes[i] backs maps[i]; NULL: unreadable */
    const uint8_t *const *bytes;
    size_t nmaps;
    const struct target_thread *threads;
    size_t nthreads;
    struct image *image; /* or NULL */
    taddr slide;
    /* Called when a piece has been read, or NULL: the process that runs meanwhile. */
    void (*meanwhile)(void *ctx, taddr addr, size_t n);
    void *ctx;
};
struct target *target_open_fake(const struct target_fake *fake); /* the arrays must outlive it */

void target_close(struct target *t); /* NULL is fine.  Whatever was done to a process is undone. */

enum target_kind target_kind(const struct target *t);
pid_t target_pid(const struct target *t);
const struct arch *target_arch(const struct target *t);

/* ---- freezing ---- */

/* What a freeze cost the process. */
struct target_pause {
    int64_t ns;         /* from the first stopped thread to the last resumed one */
    int64_t at_mono_ns; /* the instant: when the last thread had stopped */
    int64_t prepare_ns; /* before that, one thread alone stood still for so long; 0: none did */
    unsigned threads;   /* that were stopped */
};

struct target_freeze_options {
    bool stop_only;     /* do not fork: stop the threads until target_thaw() */
    bool all_registers; /* floating point and vector registers as well: for a core */
    bool vectors;       /* the same of threads that are not in a system call: for the heap */
    /* Without a fork: when the process has no more of its own than this, that is copied and it runs
     * again (TARGET_KEPT); 0: it stays stopped. */
    uint64_t keep_bytes;
};

/* Freezes a live target: by a forked copy (TARGET_FORK; the process runs again when this returns),
 * or, when a fork is not possible or has no room, by keeping its threads stopped (TARGET_STOP), or
 * until its memory is copied (TARGET_KEPT).
 * target_freeze_why() says why it was not the fork; NULL when it was. */
struct err *target_freeze(struct target *live, const struct target_freeze_options *o,
                          struct target **ret) MUST_USE;
const char *target_freeze_why(const struct target *frozen);
/* Ends a freeze; frozen is gone afterwards, whatever is returned. */
struct err *target_thaw(struct target *frozen, struct target_pause *ret) MUST_USE;

/* Stops one thread of a live target, calls fn while it stands, lets it go on. */
struct err *target_sample_thread(struct target *live, pid_t tid,
                                 struct err *(*fn)(void *arg, const struct arch_regs *regs),
                                 void *arg, struct target_pause *ret) MUST_USE;

/* ---- reading ---- */

/* Reads exactly n bytes; ERR_FAULT names the address, ERR_GONE says the process ended or became
 * another program. */
struct err *target_read(struct target *t, taddr addr, void *dst, size_t n) MUST_USE;
/* Reads many pieces in as few system calls as possible; each piece tells for itself whether it
 * succeeded.  An error is one of the target as a whole (GONE), not of a piece.  Any thread. */
struct err *target_readv(struct target *t, struct target_iov *iov, size_t n) MUST_USE;
struct err *target_read_u64(struct target *t, taddr addr, uint64_t *ret) MUST_USE;

/* The memory map, ordered by address; in the caller's arena. */
struct err *target_mappings(struct target *t, struct arena *a, struct target_mapping **ret,
                            size_t *ret_n) MUST_USE;

/* The threads, ordered by tid.  A live target has no registers; a frozen one and a core have. */
struct err *target_threads(struct target *t, struct arena *a, struct target_thread **ret,
                           size_t *ret_n) MUST_USE;

/* The executable's image (one reference for the caller), and where it is loaded: address = vaddr +
 * slide.  Through /proc/PID/exe, so that it works in containers and for deleted files; from memory
 * when there is no file. */
struct err *target_image(struct target *t, struct image **ret, taddr *ret_slide) MUST_USE;

/* The library that is mapped where addr is: its image (one reference for the caller), and where it
 * is loaded.  Of a process the very file that is mapped, when we may open that; else the one that
 * has its path now.  NOT_FOUND: it is not there (any more), or is another one than what is mapped.
 */
struct err *target_library(struct target *t, taddr addr, struct image **ret,
                           taddr *ret_slide) MUST_USE;

/* ---- facts about the process ---- */

struct target_process {
    pid_t pid;       /* in our pid namespace */
    pid_t inner_pid; /* in its own; equal to pid outside containers */
    uint32_t uid;
    const char *user; /* name, or the number */
    const char *exe;  /* path as the process sees it; " (deleted)" removed, exe_deleted set */
    bool exe_deleted;
    const char *cmdline; /* arguments separated by spaces */
    const char *comm;
    int64_t started_wall_ns; /* since 1970 */
    uint64_t rss_bytes, vm_bytes;
    unsigned threads;
    bool container;                     /* another pid or mount namespace than ours */
    pid_t tracer;                       /* who traces it; 0: nobody */
    const char *cgroup;                 /* its memory cgroup, as /proc/PID/cgroup says it */
    uint64_t memory_limit, memory_used; /* of that cgroup; limit UINT64_MAX: none */
};

/* Of a live or frozen target; from a core what the core says (the rest is zero or ""). */
struct err *target_process(struct target *t, struct arena *a, struct target_process *ret) MUST_USE;

/* When that was what the target holds, where it says so itself: a core that gospect wrote.  False:
 * it does not, or it is of now. */
struct target_moment {
    int64_t wall_ns, mono_ns; /* since 1970; of CLOCK_MONOTONIC, the clock of Go's runtime */
    int64_t pause_ns;         /* how long the process stood still for it; -1: unknown */
    const char *host;         /* "": unknown */
};
bool target_moment(struct target *t, struct arena *a, struct target_moment *ret);

/* What a file descriptor of a live process is.  Texts are in the arena, "" when not known. */
struct target_fd {
    int fd;           /* in; below 0: none */
    const char *what; /* tcp, tcp6, udp, udp6, unix, socket, pipe, [eventpoll] ..., or a path */
    const char *local, *remote; /* ends of a connection: "127.0.0.1:8080"; unix: its path */
    const char *state;          /* of a TCP socket: ESTABLISHED, LISTEN ... */
};
/* Fills n of them; of a core nothing is known. */
void target_describe_fds(struct target *t, struct arena *a, struct target_fd *v, size_t n);

/* Bytes of memory that gospect itself can still have, by its control groups and the machine; *where
 * (in the arena) says which of them is the tightest. */
uint64_t target_memory_for_us(struct arena *a, const char **where);

/* Calls fn for every process of the host, without opening or stopping any. */
struct err *target_each_pid(struct err *(*fn)(void *arg, pid_t pid), void *arg) MUST_USE;

/* ---- cores ---- */

struct target_core_options {
    bool shared_files; /* also what is mapped shared from files (databases): can be huge */
    bool no_program;   /* leave out what is in the files of the program and its libraries */
    int fd; /* > 0: written to this descriptor, in order; path is only its name for errors */
    struct progress *progress; /* NULL: none */
};

struct target_core_stats {
    uint64_t bytes, sparse_bytes; /* written; left as holes */
    unsigned threads, mappings;
    uint64_t unreadable_bytes; /* of mappings that should be there: said in a note of the core */
};

/* Writes an ELF core that gdb, dlv and viewcore open, of a target that stands: a frozen one, or
 * debug_view() of a process that stands.  Unless no_program, it can be read without the program's
 * file.  Nothing has the final name before it is complete; what is not a regular file (a pipe) is
 * written in order, without holes.  o: NULL for the defaults. */
struct err *target_write_core(struct target *standing, const char *path,
                              const struct target_core_options *o,
                              struct target_core_stats *ret) MUST_USE;

#endif

/* debug.h - a process held in the hand: breakpoints, steps, watchpoints, registers, memory to
 * write.
 *
 * What target_freeze() does for a moment, this does for hours.  All threads are traced from their
 * birth on.  While the process runs, a thread that meets a site (a breakpoint) stands still alone:
 * the site's handler looks at it and mostly says that it may go on, which costs one stop and
 * disturbs nobody else.  Only when a handler says so, a step ends, a signal is to be told, or
 * debug_halt() was called, are all threads stopped and debug_wait() returns.
 *
 * Kill -9 of us leaves a healthy process: see the essay in debug_guard.c.
 *
 * Owner: debug_close().  Thread: one that owns the session; only debug_halt() and target_read() of
 * debug_view() may be called from any, and handlers run on the tracer thread. */
#ifndef GOSPECT_TARGET_DEBUG_H
#define GOSPECT_TARGET_DEBUG_H

#include "target/target.h"

struct debug;
struct debug_site;

/* ---- beginning and end ---- */

struct debug_launch {
    const char *exe;         /* path; argv[0] need not be it */
    const char *const *argv; /* NULL-terminated, with argv[0] */
    const char *const *env;  /* NULL-terminated; NULL: ours */
    const char *dir;         /* NULL: ours */
    int fd[3];               /* its standard files; -1: ours */
    const char *tty;         /* its controlling terminal; NULL: none of its own */
    bool same_addresses;     /* without address space randomisation: the same addresses each time */
    bool own_group; /* a process group of its own: Ctrl-C on our terminal does not reach it */
};

/* Starts a program; it stands before its first instruction.  It is killed when we end (unless
 * debug_close() lets it go).  Errors: NOT_FOUND, SYS with the reason exec() gave. */
struct err *debug_launch(const struct debug_launch *o, struct debug **ret) MUST_USE;
/* Attaches to a running process; all its threads stand.  Errors: as target_open_pid(); when another
 * process traces it, its name. */
struct err *debug_attach(pid_t pid, struct debug **ret) MUST_USE;

enum debug_end {
    DEBUG_LET_GO, /* every trace of us is taken out; the process runs on */
    DEBUG_KILL,
};
void debug_close(struct debug *d, enum debug_end how); /* NULL is fine; in any state */

/* What memory and registers there are to read: kind TARGET_STOP while the process stands.  Code
 * reads as the program has it, without our breakpoints.  Owner: the debug.  After DEBUG_EXEC it is
 * another one. */
struct target *debug_view(struct debug *d);
pid_t debug_pid(const struct debug *d);

/* ---- running ---- */

enum debug_event_kind {
    DEBUG_NOTHING, /* the time is up; the process runs */
    DEBUG_SITE,    /* handlers of a site said DEBUG_STOP; pc is the address of the site */
    DEBUG_STEPPED, /* debug_step() is done */
    DEBUG_WATCH,   /* a watchpoint's handler said DEBUG_STOP; pc is behind the instruction */
    DEBUG_SIGNAL,  /* a signal that is to be told; it is delivered when the thread goes on */
    DEBUG_SYSCALL, /* see debug_catch_syscalls() */
    DEBUG_HALTED,  /* debug_halt() */
    DEBUG_TRAPPED, /* an int3 of the program's own; pc is behind it (but see debug_call_begin()) */
    DEBUG_EXEC,    /* another program now; sites and watchpoints are gone */
    DEBUG_EXITED,  /* the process is gone: status as waitpid() has it */
};

struct debug_event {
    enum debug_event_kind kind;
    pid_t tid; /* the thread it happened to; EXITED, HALTED: 0 */
    taddr pc;
    unsigned watch; /* WATCH: its slot */
    int signo;      /* SIGNAL */
    int64_t nr;     /* SYSCALL */
    bool entry;     /* SYSCALL */
    int status;     /* EXITED */
    int64_t at_mono_ns;
};

/* Lets all threads run but those that are held. */
struct err *debug_resume(struct debug *d) MUST_USE; /* nothing while an event is to be fetched */
/* Waits until something happens, at most timeout_ns (below 0: for ever).  On return all threads
 * stand, unless it was DEBUG_NOTHING.  What happened to two threads at the same time is told one by
 * one: a thread whose event was not told yet is as it was before it (its pc on the site). */
struct err *debug_wait(struct debug *d, int64_t timeout_ns, struct debug_event *ret) MUST_USE;
/* A descriptor that is readable when debug_wait() would return something; for poll(). */
int debug_fd(const struct debug *d);
/* Makes debug_wait() return DEBUG_HALTED soon.  Any thread; safe in a signal handler. */
void debug_halt(struct debug *d);

/* One instruction of one thread while all others stand.  A site at pc is not met; one where the
 * step ends is met when the thread runs on.  The event is STEPPED, or what came instead: a fault,
 * the end of the process, HALTED (debug_halt() ends a system call that waits for others).  A signal
 * that came meanwhile is delivered when the thread runs on; a fault that is not to be told leads
 * the step into its handler. */
struct err *debug_step(struct debug *d, pid_t tid, struct debug_event *ret) MUST_USE;

/* A thread that is held does not run when the others do. */
struct err *debug_hold(struct debug *d, pid_t tid, bool on) MUST_USE;

/* Whether a signal stops everybody and is told (DEBUG_SIGNAL), and whether the process gets it.
 * At first: told are those that end a Go program by default, unless the runtime handles them as
 * panics; all are passed. */
struct err *debug_signal(struct debug *d, int signo, bool tell, bool pass) MUST_USE;
/* Sends none of the pending signal when the thread goes on. */
struct err *debug_drop_signal(struct debug *d, pid_t tid) MUST_USE;

/* ---- sites ---- */

enum debug_verdict { DEBUG_GO_ON, DEBUG_STOP };

/* A thread that has met a site or a watchpoint. */
struct debug_hit {
    struct debug *d;
    pid_t tid;
    taddr addr;                   /* of the site; of a watchpoint, pc behind the instruction */
    const struct arch_regs *regs; /* pc is that of the site, as if nothing were there */
};
/* On the tracer thread, while that thread alone stands: short, no call of this header but
 * target_read*(debug_view(hit->d)). */
typedef enum debug_verdict debug_handler(void *arg, const struct debug_hit *hit);

/* A breakpoint at an address; several at one address are all asked, each time.  While the process
 * runs or stands.  BAD_DATA: addr is not the start of an instruction (where that can be told);
 * FAULT: not code. */
struct err *debug_site_add(struct debug *d, taddr addr, debug_handler *fn, void *arg,
                           struct debug_site **ret) MUST_USE;
/* Afterwards fn is not called any more.  Also after an exec() or the end of the process. */
struct err *debug_site_remove(struct debug *d, struct debug_site *s) MUST_USE;

/* ---- watchpoints in hardware ---- */

enum debug_access { DEBUG_WRITES = 1, DEBUG_READS_AND_WRITES = 3, DEBUG_EXECUTES = 4 };
/* n: 1, 2, 4 or 8, and addr a multiple of it.  Of all threads, later ones too.  LIMIT: all of the
 * processor's slots are taken. */
struct err *debug_watch_add(struct debug *d, taddr addr, unsigned n, enum debug_access access,
                            debug_handler *fn, void *arg, unsigned *ret_slot) MUST_USE;
struct err *debug_watch_remove(struct debug *d, unsigned slot) MUST_USE;

/* ---- system calls ---- */

/* From now on DEBUG_SYSCALL is told of these calls (n numbers; 0: none any more).  All system calls
 * of the process are slower meanwhile. */
struct err *debug_catch_syscalls(struct debug *d, const int64_t *nr, size_t n, bool entry,
                                 bool exit) MUST_USE;

/* ---- threads, registers, memory; while the process stands ---- */

struct err *debug_regs(struct debug *d, pid_t tid, struct arch_regs *ret) MUST_USE;
/* Of regs the raw set counts; arch->debug->set_pc() and set_reg() change it. */
struct err *debug_set_regs(struct debug *d, pid_t tid, const struct arch_regs *regs) MUST_USE;
/* The thread is back on a site that it has met already: it is not met again when it runs on. */
struct err *debug_met(struct debug *d, pid_t tid) MUST_USE;
/* Floating point and vector registers as arch.extended_note has them; in the caller's arena. */
struct err *debug_extended(struct debug *d, pid_t tid, struct arena *a, uint8_t **ret,
                           size_t *ret_n) MUST_USE;
struct err *debug_set_extended(struct debug *d, pid_t tid, const uint8_t *p, size_t n) MUST_USE;
/* Also where the process itself may not write.  Breakpoints stay. */
struct err *debug_write(struct debug *d, taddr addr, const void *src, size_t n) MUST_USE;

/* A copy of the process as it stands (TARGET_FORK): everything it was at this moment, without
 * anything of ours, to be read while the process runs on.  target_thaw() ends it.  UNSUPPORTED: why
 * there can be none; then nothing has happened.  One at a time. */
struct err *debug_copy(struct debug *d, const struct target_freeze_options *o,
                       struct target **ret) MUST_USE;
/* Does beforehand, while the process runs, what of that would take long. */
void debug_copy_prepare(struct debug *d);

/* A thread that waits for events of a process that is not to stand for long: whatever is done while
 * it stands comes before what others want of the processors, where we may say so.  By the thread
 * that owns the session. */
void debug_urgent(struct debug *d, bool on);

/* How long the process stood in all since debug_attach(), and how many hits were let go on.  A stop
 * counts from when the first thread is asked to stop until the first one runs on. */
struct debug_cost {
    int64_t stood_ns;
    int64_t last_ns; /* of these, the last time, which may not be over */
    uint64_t hits, stops;
};
void debug_cost(struct debug *d, struct debug_cost *ret);

/* ---- functions that goroutines are made to call; while the process stands ---- */

/* Thread tid is about to be sent into runtime.debugCallV2 and has the registers that goroutine g is
 * to have again behind the call.  From here on, should we be killed or let go, the process ends the
 * call by itself (where it has our handler: see debug_warning()).  traps: where the runtime's own
 * breakpoints of such calls are.  A thread that has met one of these (DEBUG_TRAPPED) stands on it,
 * not behind it as event.pc is: it goes on when pc is set behind.  LIMIT: too many at a time. */
struct err *debug_call_begin(struct debug *d, pid_t tid, taddr g, const taddr *traps,
                             size_t n) MUST_USE;
/* It is over: g has its registers again, or the process is gone. */
void debug_call_end(struct debug *d, taddr g);
/* The thread has met one in a call that is not the caller's (somebody was killed in it).  True: the
 * process sees to it; false: it cannot. pc is behind the breakpoint now. */
struct err *debug_call_pass(struct debug *d, pid_t tid, bool *ret) MUST_USE;

/* Goroutines whose calls were begun by somebody who is gone, at most max; the number.  One of them
 * may not have come to call, and only who knows Go can tell: debug_call_end().  None are told while
 * a thread is about to end one. */
size_t debug_calls_left(struct debug *d, taddr *ret, size_t max);

/* What could not be set up, in words, and what follows from it; NULL: nothing.  While the process
 * stands; the text lives until the next exec() of it. */
const char *debug_warning(const struct debug *d);
/* Whether SIGSTOP or its like keeps the process from running, also when it is resumed. */
bool debug_is_suspended(struct debug *d);

#endif

/* debug_int.h - the parts of the debugger's mechanism; see the essays in debug.c, debug_sites.c and
 * debug_guard.c.  Functions that take a token run on the tracer thread. */
#ifndef GOSPECT_TARGET_DEBUG_INT_H
#define GOSPECT_TARGET_DEBUG_INT_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/vec.h"
#include "target/debug.h"
#include "target/target_int.h"
#include "target/tracer_int.h"
#include "target/wait_int.h"

enum {
    DEBUG_SITES_MAX = 8192, /* addresses that ever had a site */
    DEBUG_SIGNALS = 65,
    DEBUG_WATCHES_MAX = 16,
    DEBUG_SYSCALLS_MAX = 64,
    GUARD_SIGNALS_MAX = 1024,
    DEBUG_EXTENDED_MAX = 16 << 10, /* vector registers of a thread, bytes */
    DEBUG_AREA_SLOTS = ARCH_TRAP_TABLE_AT + DEBUG_SITES_MAX * 8, /* where slots begin */
    DEBUG_AREA = DEBUG_AREA_SLOTS + DEBUG_SITES_MAX * ARCH_SLOT, /* what is executable */
    DEBUG_CALLS_MAX = 256,                                       /* that go on at the same time */
    DEBUG_CALLS_DATA = DEBUG_AREA + DEBUG_CALLS_MAX * (int)sizeof(struct arch_trap_call),
    DEBUG_CALLS_END = DEBUG_CALLS_DATA + (512 << 10),
    DEBUG_AREA_ALL = (DEBUG_CALLS_END + 4095) & ~4095,
};

/* One thread of the process, or of a child that shares its memory until it becomes another program
 * (vfork). */
struct thread {
    pid_t tid;
    bool child;      /* one of those */
    bool stands;     /* in a stop of ptrace; the rest is about that stop */
    bool unread;     /* that stop was looked at, but not taken: see debug.c */
    bool kept;       /* and it stays so, for the sake of its signal */
    bool newborn;    /* its first stop has not come */
    bool in_kernel;  /* asked to stop, sits in the kernel and cannot: as good as standing */
    bool held;       /* does not run with the others */
    bool group_stop; /* SIGSTOP and the like: must stay so */
    bool rejoins;    /* was taken out of such a stop to tell of a trap: not to run on from here */
    bool at_signal;  /* a signal may be handed to it from here */
    bool at_trap;    /* that is a SIGTRAP: see debug_mark() */
    bool untold;     /* nobody has looked at what it stopped for */
    bool fault;      /* signal is one of the very instruction */
    bool in_place;   /* emulating the instruction at the breakpoint has failed */
    bool finishing;  /* runs one instruction alone, because a signal waits that came before it */
    bool stepped; /* it was set on its way for one instruction, and whose trap may still be to come
                   */
    bool have_regs, regs_changed;
    bool met;            /* it has met the site at met_pc already and goes past it */
    bool have_saved;     /* a signal that was taken from it, and is to be given back */
    int signal;          /* goes with it when it runs on */
    VEC(siginfo_t) more; /* that were taken from it behind that one */
    taddr met_pc;
    int64_t syscall; /* that it has entered */
    struct wait_event ev;
    siginfo_t saved;
    struct arch_regs regs;
};

/* An address that has, or once had, sites; it stays known: somebody may be about to trap there. */
struct place {
    taddr addr;
    unsigned number; /* of its slot */
    uint8_t original[ARCH_INSN_MAX + 1];
    bool active; /* the breakpoint is in memory */
    bool own;    /* a breakpoint of the program's own lies there */
    struct arch_displaced how;
    struct debug_site *sites;
};

struct debug_site {
    struct place *place;
    debug_handler *fn;
    void *arg;
    struct debug_site *next;
};

struct debug_watch {
    bool used;
    taddr addr;
    unsigned n, access;
    debug_handler *fn;
    void *arg;
};

/* Shared with the guardian. */
struct guard_table {
    _Atomic uint32_t n;
    _Atomic uint32_t done;    /* there is nothing to guard any more */
    _Atomic uint32_t watches; /* debug registers are set */
    struct {
        taddr addr;
        _Atomic uint8_t original, active;
    } v[DEBUG_SITES_MAX];
    struct { /* signals that were taken from threads and are still to be given back; tid 0: free */
        _Atomic pid_t tid;
        siginfo_t info;
    } held[GUARD_SIGNALS_MAX];
};

enum debug_state { DEBUG_RUNS, DEBUG_STANDS, DEBUG_GONE };

struct debug {
    pid_t pid;
    const struct arch *arch;
    const struct arch_debug *a;
    struct tracer *tracer;
    struct target *view;
    VEC(struct target *) old_views; /* of the programs before an exec(); somebody may read them */
    int mem_fd;                     /* /proc/PID/mem, for writing */
    bool launched;                  /* killed with us */
    int wake;                       /* eventfd: an event is there, or a halt is wanted */
    _Atomic bool halt;
    _Atomic bool ended;   /* the process has */
    bool end_told;        /* of the thread that owns the session */
    struct urgency owner; /* the same */

    /* tracer thread only: */
    enum debug_state state;
    bool stopping;              /* everybody is being stopped */
    bool became_another;        /* an exec() has happened since they ran last */
    VEC(struct thread) threads; /* ordered by tid */
    size_t kept, looked_at;     /* how many of them are kept; who is asked next then */
    bool have_event;            /* event is to be told */
    struct debug_event event;
    struct debug_cost cost;
    uint64_t hits_before;            /* when we looked for an event last */
    int64_t stood_since, stopped_ns; /* the first was asked to stop; the last one stood */
    bool urgent;                     /* see debug_urgent() */
    bool tell[DEBUG_SIGNALS], keep[DEBUG_SIGNALS]; /* keep: the process does not get it */
    struct debug_watch watch[DEBUG_WATCHES_MAX];
    uint64_t watch_control;
    int64_t syscalls[DEBUG_SYSCALLS_MAX];
    size_t nsyscalls;
    bool syscall_entry, syscall_exit;

    /* the area in the process */
    taddr area;             /* 0: there is none */
    bool lenders_tried;     /* nobody has lent himself for a while */
    bool no_area, handler;  /* it cannot be had; the handler is in */
    taddr call_at;          /* a system call instruction; 0: not looked for yet */
    taddr code_lo, code_hi; /* a mapping that is known to hold code */
    char *warning;          /* malloc */

    /* changed by the tracer thread under the lock, read by any */
    pthread_mutex_t lock;
    VEC(struct place *) places;       /* ordered by address */
    VEC(struct place *) numbers;      /* by number of the slot */
    VEC(struct debug_site *) orphans; /* sites of a program that is gone */
    bool attaching;                   /* threads may have traps of somebody who was killed */
    VEC(taddr) left;                  /* while attaching: breakpoints of somebody who was killed */
    VEC(taddr) call_traps;            /* see debug_calls.c */
    VEC(taddr) calls;                 /* goroutines whose calls are ours */

    /* copies: see debug_copy.c */
    struct live *lent;      /* NULL: there was none yet */
    struct target *process; /* of the thread that owns the session; NULL: the same */

    struct guard_table *table; /* NULL: no guardian was wanted yet */
    size_t held;               /* so many rows of its signals were ever taken */
    pid_t guard;
};

/* ---- debug.c: beginning and end ---- */
#define DEBUG_STOP_LIMIT_NS (5 * NSEC_PER_SEC)
struct err *debug_gone(const struct debug *d) MUST_USE;
struct err *debug_new(pid_t pid, struct debug **ret) MUST_USE;
void debug_free(struct debug *d);
void debug_attend(const struct tracer_token *tok, struct debug *d);
struct err *debug_begin(const struct tracer_token *tok, struct debug *d) MUST_USE; /* launched */
struct err *debug_reopen(struct debug *d) MUST_USE; /* what belongs to one program */
long debug_options(const struct debug *d);

/* ---- debug_thread.c: rows of threads, and their registers ---- */
size_t debug_row(const struct debug *d, pid_t tid);      /* where it is, or would be */
struct thread *debug_thread(struct debug *d, pid_t tid); /* NULL: none */
struct thread *debug_add_thread(struct debug *d, pid_t tid);
void debug_forget_thread(struct debug *d, struct thread *t);
void debug_forget_threads(struct debug *d);
void debug_drop_thread(struct debug *d, pid_t tid);
void debug_unkeep(struct debug *d, struct thread *t);
void debug_ran(struct debug *d, struct thread *t);     /* it runs now */
void debug_stepped(struct debug *d, struct thread *t); /* for one instruction */
/* Registers of one that stands, as if it had no breakpoints. */
struct err *debug_get_regs(const struct tracer_token *tok, struct debug *d,
                           struct thread *t) MUST_USE;
/* Elsewhere in the same code: a system call that the kernel is to begin again still is. */
void debug_move(const struct debug *d, struct thread *t, taddr pc);
void debug_put_regs(const struct tracer_token *tok, struct debug *d, struct thread *t);

/* ---- debug_stop.c: what a thread stopped for ---- */
/* CALL: of the runtime's own, in a function that was called; see debug_calls.c.  NONE: it has been
 * killed while it stood, by kill -9 or another thread's exit. */
enum trap { TRAP_NONE, TRAP_OURS, TRAP_OWN, TRAP_CALL, TRAP_STEP, TRAP_WATCH, TRAP_SENT };
bool debug_look(struct debug *d, int flags, struct wait_event *ret);
struct thread *debug_take(const struct tracer_token *tok, struct debug *d, struct wait_event ev);
void debug_take_stop(struct debug *d, struct thread *t);
void debug_consume(struct debug *d, struct thread *t);
void debug_note(struct debug *d, struct debug_event ev);
void debug_ended(struct debug *d, int status);
bool debug_is_step(const siginfo_t *info);
bool debug_is_fault(pid_t tid, int signo);
enum trap debug_trap_kind(struct debug *d, struct thread *t);
void debug_put_back(struct debug *d, struct thread *t, taddr addr);
struct place *debug_undo_trap(struct debug *d, struct thread *t);
bool debug_look_at(const struct tracer_token *tok, struct debug *d, struct thread *t);
bool debug_look_at_signal(const struct tracer_token *tok, struct debug *d, struct thread *t);

/* ---- debug_run.c: letting run, and stopping ---- */
struct err *debug_stop_all(const struct tracer_token *tok, struct debug *d) MUST_USE;
void debug_run_all(const struct tracer_token *tok, struct debug *d);
/* Waits for the next stop of one thread, which has just been made to run; false: it is gone, or has
 * not stopped in limit_ns (0: none).  may_halt: debug_halt() interrupts it. */
bool debug_await(const struct tracer_token *tok, struct debug *d, pid_t tid, int64_t limit_ns,
                 bool may_halt);
/* Brings one that stands to a stop from which a system call it was in goes on by itself. */
void debug_settle(const struct tracer_token *tok, struct debug *d, struct thread *t);
bool debug_trap_pending(struct debug *d, struct thread *t);
void debug_hold_back(struct debug *d, struct thread *t);
bool debug_give_back(struct debug *d, struct thread *t);
void debug_requeue(struct debug *d, struct thread *t);
void debug_nap(unsigned round);
void debug_tell_all(const struct tracer_token *tok, struct debug *d);
int64_t debug_attend_to(const struct tracer_token *tok, void *arg);

/* ---- debug_sites.c ---- */
struct place *debug_place(const struct debug *d, taddr addr); /* NULL: none */
/* The place in whose slot pc lies, and where pc would be without it; false: not in a slot. */
bool debug_unslot(const struct debug *d, taddr pc, struct place **ret, taddr *ret_pc);
taddr debug_slot(const struct debug *d, const struct place *p);
enum pass { PASSED, PASSING, PASS_IN_PLACE };
enum pass debug_pass(struct debug *d, struct thread *t, struct place *p);
/* Where there is no breakpoint: whether the next instruction is emulated rather than stepped, and
 * ret, for debug_pass(). */
bool debug_emulates(struct debug *d, const struct thread *t, struct place *ret);
enum debug_verdict debug_ask(struct debug *d, struct thread *t, struct place *p);
bool debug_clean_copy(struct debug *d, pid_t child); /* false: a breakpoint is still in it */
void debug_forget_places(struct debug *d);
void debug_take_out(struct debug *d);
/* Makes an address known that had a breakpoint of somebody else. */
struct err *debug_know(struct debug *d, taddr addr) MUST_USE;
void debug_displace_all(struct debug *d); /* there is an area now */
bool debug_poke(struct debug *d, taddr addr, const void *src, size_t n);

/* ---- debug_area.c: system calls in the process, the area ---- */
/* Sees to it that there may be breakpoints.  try_again: somebody may run in between.  An area that
 * cannot be had is no error: debug_warning() says so. */
struct err *debug_prepare(const struct tracer_token *tok, struct debug *d) MUST_USE;
struct err *debug_prepare_area(const struct tracer_token *tok, struct debug *d,
                               bool try_again) MUST_USE;
void debug_unprepare(const struct tracer_token *tok, struct debug *d);
void debug_find_left(struct debug *d);     /* fills d->left; while nobody else traces */
void debug_area_guardian(struct debug *d); /* notes who it is */
void debug_area_entry(struct debug *d, const struct place *p);
bool debug_area_in_use(const struct tracer_token *tok, struct debug *d); /* a thread is in it */

/* ---- debug_calls.c: functions that goroutines were made to call ---- */
/* A thread has met a breakpoint of the runtime that belongs to a call. */
bool debug_is_call_trap(const struct debug *d, taddr addr);
/* Nobody of ours waits for it: true, and the handler in the process gets it. */
bool debug_call_is_left(struct debug *d, struct thread *t);
void debug_find_call_traps(struct debug *d, taddr area, const struct arch_trap_head *head);
bool debug_calls_go_on(struct debug *d); /* one that was begun, by us or before, has not ended */
void debug_calls_forget(struct debug *d);

/* ---- debug_copy.c ---- */
bool debug_copy_ended(struct debug *d, pid_t pid); /* it was one; its end was taken */
pid_t debug_copy_pid(const struct debug *d);       /* 0: there is none */
bool debug_copy_watched(const struct debug *d);    /* there is one, and memory may run short */
/* None is wanted any more; let_go: the process runs without us, and can collect what is left. */
void debug_copy_end(struct debug *d, bool let_go);
void debug_copy_free(struct debug *d); /* when there is no tracer any more */

/* ---- debug_guard.c ---- */
struct err *guard_start(const struct tracer_token *tok, struct debug *d) MUST_USE;
/* Waits for the guardian of somebody who was killed: it would undo what we do. */
void guard_await(pid_t guardian);
bool guard_is(pid_t pid); /* one is at work there */
/* A signal that only we have: the guardian sends it should we die.  Of a thread all at once are
 * given back. */
void guard_hold(struct debug *d, pid_t tid, const siginfo_t *info);
void guard_unhold(struct debug *d, pid_t tid);
/* Sends a signal once more.  Async-signal-safe. */
void guard_send(pid_t pid, pid_t tid, siginfo_t *info);
void guard_died(const struct tracer_token *tok, struct debug *d);
void guard_end(const struct tracer_token *tok, struct debug *d);

/* ---- debug_watch.c ---- */
void debug_watch_birth(struct debug *d, struct thread *t);
bool debug_watch_hit(const struct tracer_token *tok, struct debug *d, struct thread *t,
                     unsigned *ret);
void debug_watch_clear(struct debug *d);
/* Fills ret and returns true when a call is one that is to be told. */
bool debug_tell_syscall(struct debug *d, struct thread *t, struct debug_event *ret);

/* ---- debug_view.c ---- */
struct err *debug_view_new(struct debug *d, struct target **ret) MUST_USE;

#endif

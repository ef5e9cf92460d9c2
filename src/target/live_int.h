/* live_int.h - the machine that holds the threads of a running process; see the essay in live.c. */
#ifndef GOSPECT_TARGET_LIVE_INT_H
#define GOSPECT_TARGET_LIVE_INT_H

#include <dirent.h>

#include "base/vec.h"
#include "target/target_int.h"
#include "target/tracer_int.h"
#include "target/wait_int.h"

enum live_state {
    LIVE_DETACHED,
    LIVE_SEIZING,
    LIVE_RUNNING,
    LIVE_STOPPING,
    LIVE_STOPPED,
    LIVE_STEPPING_OVER,
    LIVE_DETACHING,
    LIVE_GONE,
};

enum row_state {
    ROW_RUNNING,
    ROW_INTERRUPTED, /* asked to stop, has not yet */
    ROW_STOPPED,
    ROW_IN_KERNEL, /* asked to stop, sits in the kernel and cannot; runs no code of its program */
    ROW_CALLING,   /* runs a system call for us */
};

/* One thread of the process. */
struct live_row {
    pid_t tid;
    enum row_state state;
    int signal;      /* stopped when this was about to be delivered: goes with the next resume */
    bool group_stop; /* stopped by SIGSTOP and the like; must look so when we are gone */
    bool buried;     /* it has ended, and that has been taken note of */
    bool have_regs;
    bool busy;   /* LENT: it stands for a reason of its own and makes no call for us */
    bool child;  /* LENT: of a child that still shares the memory (vfork) */
    bool called; /* it has made a call for us, or was about to; ev is what it stands for since */
    struct wait_event ev;
    struct arch_regs regs; /* while stopped */
};

struct live {
    pid_t pid;
    const struct arch *arch;
    enum live_state state;
    struct tracer *tracer;
    DIR *tasks;                /* /proc/PID/task */
    VEC(struct live_row) rows; /* ordered by tid */
    unsigned count[ROW_CALLING + 1];
    pid_t ours[2];       /* threads of the process that we made; no rows.  0: none */
    const char *gone_as; /* GONE: what happened */
    long options;        /* PTRACE_O_* of every thread of the process */
    bool lent;           /* see live_new_lent() */
    pid_t copy;          /* one that is in our hands; 0: none (any more) */
    bool watch_copy;     /* room_look() has to be asked about it */
    int64_t first_stop_ns, all_stopped_ns, last_resume_ns;
};

struct err *live_new(pid_t pid, const struct arch *arch, struct live **ret) MUST_USE;
/* For somebody who holds the threads of the process by a tracer of his own (debug_copy.c).  He puts
 * their rows in, STOPPED, and takes them out again; in between calls may be made by those that are
 * not busy, and all the others stand. */
struct live *live_new_lent(pid_t pid, const struct arch *arch, struct tracer *tracer);
/* A row, RUNNING; in any order. */
struct live_row *live_add_row(struct live *m, pid_t tid);
void live_forget_rows(struct live *m); /* LENT: he has taken them out */
void live_free(struct live *m);        /* lets go of everything */

/* DETACHED -> RUNNING: all threads are traced, none has been stopped. */
struct err *live_seize(const struct tracer_token *tok, struct live *m) MUST_USE;
/* RUNNING -> STOPPED. */
struct err *live_stop(const struct tracer_token *tok, struct live *m) MUST_USE;
/* Any -> DETACHED (or GONE).  Whoever was stopped runs on as if nothing had been. */
void live_detach(const struct tracer_token *tok, struct live *m);
/* Threads that could not be let go at once, because they sit in the kernel; false when none is
 * left. For tracer_look_after(). */
bool live_look_after(const struct tracer_token *tok, void *m);
/* Registers of all stopped threads, into their rows. */
struct err *live_take_regs(const struct tracer_token *tok, struct live *m) MUST_USE;

/* One thread alone, while the others run: seize, stop, let go. */
struct err *live_stop_one(const struct tracer_token *tok, struct live *m, pid_t tid,
                          struct live_row *row) MUST_USE;
void live_release_one(const struct tracer_token *tok, struct live *m, struct live_row *row);

/* ---- for inject.c: single threads ---- */

struct live_row *live_find(struct live *m, pid_t tid); /* NULL: no such row */
void live_set_row(struct live *m, struct live_row *row, enum row_state state);
void live_set_state(struct live *m, enum live_state state);
/* Waits for the next event of a thread, at most limit_ns.  WAIT_NOTHING: it was too long. */
struct wait_event live_wait(const struct tracer_token *tok, struct live *m, pid_t tid,
                            int64_t limit_ns);
/* The same without a limit, for what cannot fail to come; not of the leader.  beside_us: of a task
 * that is as urgent as the tracer, worth spinning for. */
struct wait_event live_await(const struct tracer_token *tok, struct live *m, pid_t tid,
                             bool beside_us);
/* Takes the ends of threads that have ended, and no other event.  For tracer_blocks() around
 * whatever an exec() of the process may block. */
void live_bury(void *m);
/* Takes what has happened to running rows; signals that were about to be delivered go on. */
void live_pass_events(const struct tracer_token *tok, struct live *m);
/* Stops a running row; WAIT_STOPPED, WAIT_SIGNAL or WAIT_GROUP_STOP when it stands. */
struct wait_event live_interrupt_row(const struct tracer_token *tok, struct live *m,
                                     struct live_row *row, int64_t limit_ns);
/* Applies an event to its row; the row may be gone afterwards. */
void live_take_event(const struct tracer_token *tok, struct live *m, struct live_row *row,
                     struct wait_event ev);
/* Lets a stopped row run on, traced. */
void live_continue_row(const struct tracer_token *tok, struct live *m, struct live_row *row);
struct err *live_get_regs(const struct tracer_token *tok, pid_t tid, const struct arch *arch,
                          struct arch_regs *ret) MUST_USE;
struct err *live_set_regs(const struct tracer_token *tok, pid_t tid,
                          const struct arch_regs *regs) MUST_USE;
/* The process is not there any more, or is another program; as is an event that says so. */
void live_gone(struct live *m, const char *as);
struct err *live_gone_error(const struct live *m) MUST_USE;

#endif

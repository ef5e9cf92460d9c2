/* dbg.h - a debugging session: what DAP, the terminal and snapshot triggers are thin faces of.
 *
 * A session is about one program: started by us, attached to, or a core (which only stands).  It
 * knows breakpoints as people mean them, steps by goroutine and says in one event why the program
 * stands.  It prints nothing and has no opinion about words; texts it makes (log messages, what a
 * panic says) come in events.
 *
 * A launched program stands where the runtime is ready and no code of the user has run, package
 * initialisation included: breakpoints that are added then are all met.
 *
 * Texts in structures that are handed in are copied.  What is handed out lives in the arena of the
 * caller, or as long as it says.
 *
 * Owner: dbg_close().  Thread: one that owns the session; dbg_interrupt() from any thread or signal
 * handler.  Several clients of one session are the front's affair (front/dap), which serialises
 * them. */
#ifndef GOSPECT_DBG_DBG_H
#define GOSPECT_DBG_DBG_H

#include "base/err.h"
#include "base/mem.h"
#include "rt/rt.h"
#include "target/debug.h"

struct code;
struct dbg;
struct rt_stand;  /* rt/frames.h */
struct dbg_value; /* dbg/value.h */

struct dbg_options {
    const char *const *source_map; /* pairs "from", "to", NULL-terminated; NULL: none.  Location
                                      specs name files as the user has them ("to"), too */
    bool stop_on_entry; /* launch: the first thing that is told is DBG_WHY_ENTRY, in main.main */
    /* While dbg_eval() waits for a function of the program: asked when it begins to run, and then
     * some times a second.  True: as dbg_interrupt().  NULL: nobody is asked. */
    bool (*give_up)(void *arg);
    void *give_up_arg;
};
struct err *dbg_launch(const struct debug_launch *what, const struct dbg_options *o,
                       struct dbg **ret) MUST_USE;
struct err *dbg_attach(pid_t pid, const struct dbg_options *o, struct dbg **ret) MUST_USE;
struct err *dbg_core(const char *core, const char *exe, const struct dbg_options *o,
                     struct dbg **ret) MUST_USE;
/* The program again, with its breakpoints; only of a launched one, in any state.  It stands as
 * after dbg_launch().  argv NULL: the same. */
struct err *dbg_restart(struct dbg *d, const char *const *argv) MUST_USE;
void dbg_close(struct dbg *d, enum debug_end how); /* NULL is fine */

enum dbg_state { DBG_STANDS, DBG_RUNS, DBG_OVER /* the process has ended */ };
enum dbg_state dbg_state(const struct dbg *d);
pid_t dbg_pid(const struct dbg *d);
/* While it stands; other ones after DBG_EV_EXEC and dbg_restart(). */
struct rt *dbg_rt(struct dbg *d);
struct target *dbg_target(struct dbg *d);
/* Goroutines, frames, variables, values (rt/frames.h, dbg/value.h); moved along with every stop. */
struct rt_stand *dbg_stand(struct dbg *d);
/* NULL: a core, or over.  For registers and memory only: what runs is the session's. */
struct debug *dbg_debug(struct dbg *d);
struct code *dbg_code(struct dbg *d); /* dbg/place.h; in every state but DBG_OVER */
/* What a user should know from the start: sources that are newer than the program, no DWARF, ...
 * one line each; how many. */
size_t dbg_notes(struct dbg *d, struct arena *a, const char *const **ret);

/* ---- breakpoints ---- */

enum dbg_bp_kind {
    DBG_BP_PLACE, /* a location spec (place.h), all its addresses; while none is there: pending */
    DBG_BP_WATCH, /* a variable or address range is written (or read) */
    DBG_BP_PANIC, /* a panic that nobody recovers; always exists (DBG_BP_ID_PANIC) */
    DBG_BP_FATAL, /* a fatal error of the runtime; the same (DBG_BP_ID_FATAL) */
    DBG_BP_RECOVERED, /* every panic, also one that will be recovered; the same, off at first */
    DBG_BP_GC,        /* a boundary of the collector's phases: place is one of dbg_gc_moment() */
};
/* "gc-start", "gc-mark-done", "gc-end" (what each is: moment.c); NULL: no more. */
const char *dbg_gc_moment(size_t i);
/* Breakpoints of users count from 1.  Those that always exist come behind all of them in lists;
 * their names are "panic", "fatal" and "recovered". */
enum { DBG_BP_ID_PANIC = 0x7fff0001, DBG_BP_ID_FATAL, DBG_BP_ID_RECOVERED };
static inline bool dbg_bp_always(unsigned id)
{
    return id >= DBG_BP_ID_PANIC;
}

struct dbg_bp_spec {
    enum dbg_bp_kind kind;
    const char *place;     /* PLACE: as place.h; WATCH: the expression; GC: the moment */
    const char *name;      /* of the user; NULL or "": none; the same below */
    const char *condition; /* Go expression, or "lua: ..." */
    const char *hits;      /* "> 5", "== 3", "% 10", ">= 2", "5" (the same as == 5) */
    bool hits_per_goroutine;
    const char *log;          /* message with {expressions}: a log point does not stop */
    int64_t goroutine;        /* only this one; 0: any */
    bool trace;               /* tell the call with its arguments, go on */
    bool off;                 /* kept, but not in the program */
    bool temporary;           /* gone after its first stop */
    bool pending;             /* PLACE: no error when the place is not there (yet) */
    enum debug_access access; /* WATCH; 0: writes */
};
struct dbg_bp {
    unsigned id;
    struct dbg_bp_spec spec; /* texts are never NULL here */
    bool waits;              /* the place is not there (yet) */
    const char *note;        /* why it waits, or moved ("line 12 has no code: line 14"); "" */
    const taddr *addrs;
    size_t naddrs;
    const char *file; /* of the first address; "" */
    unsigned line;
    const char *function;
    uint64_t met;        /* times the place was passed */
    uint64_t hits;       /* of these, with the condition true, in the goroutine that is meant */
    const char *trouble; /* the condition or message could not be evaluated: the last reason; "" */
};
/* While the program runs or stands.  Errors: NOT_FOUND (with near names), USAGE and BAD_DATA of
 * the texts (with position), LIMIT. */
struct err *dbg_bp_add(struct dbg *d, const struct dbg_bp_spec *s, unsigned *ret_id) MUST_USE;
/* Counts are kept.  On an error it is as it was. */
struct err *dbg_bp_change(struct dbg *d, unsigned id, const struct dbg_bp_spec *s) MUST_USE;
struct err *dbg_bp_remove(struct dbg *d, unsigned id) MUST_USE;
/* While it is muted nobody stops there and nothing counts.  Unlike one that is removed and added
 * again, it is never met twice by a thread that stands at it. */
void dbg_bp_mute(struct dbg *d, unsigned id, bool on);
/* Ordered by id; in the arena. */
size_t dbg_bp_list(struct dbg *d, struct arena *a, struct dbg_bp **ret);
uint64_t dbg_bp_goroutine_hits(struct dbg *d, unsigned id, int64_t goroutine);

/* ---- running ---- */

enum dbg_run {
    DBG_CONTINUE, /* a step that something else came before goes on as well */
    DBG_NEXT,
    DBG_STEP,
    DBG_STEP_OUT,
    DBG_STEP_INSN,
    DBG_NEXT_INSN,
    DBG_UNTIL, /* `place`: until there, in this goroutine, or the function returns */
};
struct dbg_run_spec {
    enum dbg_run how;
    int64_t goroutine; /* NEXT ...: 0: the selected one */
    unsigned frame;    /* STEP_OUT: of this frame; 0: the innermost */
    const char *place; /* UNTIL */
    taddr target;      /* STEP: pc of the call to step into (dbg_step_targets()); 0: the first */
    bool alone;        /* threads that run other goroutines stand meanwhile */
};
/* Begins to run and returns at once; dbg_wait() tells the end.  Errors leave it standing. */
struct err *dbg_run(struct dbg *d, const struct dbg_run_spec *how) MUST_USE;

enum dbg_event_kind {
    DBG_EV_NOTHING, /* the time is up */
    DBG_EV_STOPPED,
    DBG_EV_LOG,    /* a log point's text or a trace line; the program runs on */
    DBG_EV_BP,     /* a breakpoint has changed by itself (found, removed, trouble): bps[0] */
    DBG_EV_MODULE, /* a plugin was loaded; nothing of it has run yet */
    DBG_EV_EXEC,   /* another program now; it stands */
    DBG_EV_EXITED,
};
static inline bool dbg_runs_on(enum dbg_event_kind kind)
{
    return kind == DBG_EV_LOG || kind == DBG_EV_BP || kind == DBG_EV_MODULE;
}
enum dbg_why {
    DBG_WHY_ATTACHED, /* nothing has run yet */
    DBG_WHY_ENTRY,
    DBG_WHY_BREAKPOINT,
    DBG_WHY_STEP,
    DBG_WHY_WATCH,
    DBG_WHY_WATCH_GONE, /* its variable is out of scope */
    DBG_WHY_INTERRUPT,
    DBG_WHY_PANIC,
    DBG_WHY_FATAL,
    DBG_WHY_SIGNAL,
    DBG_WHY_TRAP,      /* runtime.Breakpoint() */
    DBG_WHY_CALL_DONE, /* text: "", or why there is no result */
    DBG_WHY_SYSCALL,   /* dbg_catch_syscalls() */
};
struct dbg_event {
    enum dbg_event_kind kind;
    enum dbg_why why;
    int64_t goroutine; /* 0: a thread without one, or nobody */
    pid_t tid;
    taddr pc;
    const unsigned *bps; /* all breakpoints that were met at once */
    size_t nbps;
    const char *text; /* LOG: the message; PANIC, FATAL: what it says; SIGNAL: its name; WATCH: old
                         -> new; STEP: "" or what is special ("goroutine 7 has ended") */
    size_t module;    /* MODULE: its number in code_modules(), and text is its file; 0: its code is
                         not known, and text says why */
    bool step_waits;  /* something came before the end of a step: it goes on with DBG_CONTINUE */
    int64_t syscall;  /* SYSCALL: its number; text is its name */
    bool syscall_entry;         /* SYSCALL: before the kernel has begun with it; else behind it */
    int exit_code, exit_signal; /* EXITED; exit_signal 0: none */
    /* After STEP_OUT, and NEXT over a return: the results, by name.  CALL_DONE: the value. */
    const struct dbg_value *results;
    size_t nresults;
    int64_t at_mono_ns;
    int64_t stood_ns, ran_ns; /* in all, since the session began */
};
/* Texts are the session's until the next call.  At the end of STOPPED the goroutine that it
 * happened to is the selected one. */
struct err *dbg_wait(struct dbg *d, int64_t timeout_ns, struct dbg_event *ret) MUST_USE;
/* Readable when dbg_wait() has something; also while it stands: it may be killed from outside. */
int dbg_fd(const struct dbg *d);
/* dbg_wait() returns DBG_WHY_INTERRUPT soon; dbg_eval() that calls a function gives up, and the
 * call goes on with the program (DBG_WHY_CALL_DONE).  A program that stands: nothing. */
void dbg_interrupt(struct dbg *d);
/* In dbg_options.give_up only: what runs is stopped for a moment and looked at as at a stop, then
 * it goes on, and nothing is told of it.  look() changes nothing. */
struct err *dbg_glance(struct dbg *d, struct err *(*look)(void *arg), void *arg) MUST_USE;
/* The last stop, once more. */
const struct dbg_event *dbg_stop(const struct dbg *d);

/* Whether a signal stops the program and is told, and whether the program gets it; at first as
 * debug_signal() says. */
struct err *dbg_signal(struct dbg *d, int signo, bool tell, bool pass) MUST_USE;

/* From now on the program stops at these calls (n numbers; 0: none any more) before the kernel
 * begins with them, or behind them.  All its system calls are slower meanwhile. */
struct err *dbg_catch_syscalls(struct dbg *d, const int64_t *nr, size_t n, bool entry,
                               bool exit) MUST_USE;

/* The goroutine and frame that are meant when none is given. */
struct err *dbg_select(struct dbg *d, int64_t goroutine, unsigned frame) MUST_USE;
int64_t dbg_goroutine(const struct dbg *d);
unsigned dbg_frame(const struct dbg *d);
/* Non-stop: the thread that runs a goroutine now is held while the others run on.  The runtime's
 * collector and everybody who waits for that goroutine's lock wait with it. */
struct err *dbg_hold(struct dbg *d, int64_t goroutine, bool on) MUST_USE;
bool dbg_holds(const struct dbg *d, int64_t goroutine);

/* ---- calling functions; while it stands ---- */

struct dbg_call_spec {
    int64_t goroutine; /* that calls: it must run on a thread, outside of the runtime; 0: the
                          selected one */
    unsigned frame;    /* where names are looked up */
    const char *text;  /* an expression with calls */
    const char *to;    /* NULL, or what is set to its value */
    bool alone;        /* the other threads stand meanwhile: a function that waits for them waits
                          for ever */
    bool unsafe;       /* pointers to the goroutine's stack may be passed: right only when the
                          function does not keep them */
};
/* Begins, and the program runs; DBG_WHY_CALL_DONE tells the end, its results are the value, or
 * the text says why there is none (what the function panics with, why the runtime does not allow
 * it).  Stops that come before are told as always; the call goes on with DBG_CONTINUE. */
struct err *dbg_call(struct dbg *d, const struct dbg_call_spec *how) MUST_USE;
/* Takes "-unsafe" and "-alone" in front of an expression; where it goes on. */
const char *dbg_call_options(const char *text, struct dbg_call_spec *how);
/* Nobody wants the result of the last one any more.  The function itself cannot be ended: its
 * goroutine is not free before it has returned; that is not told. */
struct err *dbg_call_give_up(struct dbg *d) MUST_USE;

/* ---- looking; while it stands ---- */

/* Goroutines, frames, variables: rt/frames.h on dbg_stand(). */
/* Expressions may call functions, as dbg_call(); returns when that is done.  When the program stops
 * before (at a breakpoint in what is called, by dbg_interrupt()) the error says so, and dbg_wait()
 * tells the stop; the call goes on with the program, and its end is told then.  What must not run
 * code of the program is evaluated by expr.h without a hook for calls. */
struct err *dbg_eval(struct dbg *d, int64_t goroutine, unsigned frame, const char *text,
                     struct arena *a, struct dbg_value *ret) MUST_USE;
/* The same with the options of a call; how->to is not for it. */
struct err *dbg_eval_call(struct dbg *d, const struct dbg_call_spec *how, struct arena *a,
                          struct dbg_value *ret) MUST_USE;
/* Sets a variable.  What the value needs to have in the program (a text, the box of an interface)
 * is made there by its runtime: that is a call, with all that is said above.  calls: the text may
 * call functions, too. */
struct err *dbg_assign(struct dbg *d, int64_t goroutine, unsigned frame, const char *to,
                       const char *text, bool calls) MUST_USE;
/* Bytes of its memory; what was read of the program (dbg_stand()) is read anew afterwards. */
struct err *dbg_write(struct dbg *d, taddr addr, const void *bytes, size_t n) MUST_USE;
/* One instant of everything, from this stop: for goroutinesSnapshot, doctor in the session ... */
struct err *dbg_snapshot(struct dbg *d, const struct rt_capture_options *o,
                         struct snap **ret) MUST_USE;
/* The same from a copy of the program, which runs on as soon as there is one: go(arg) lets it, and
 * is called once, also when there can be no copy and the program stands until all is read (the
 * snapshot says why), but not when it fails. */
struct err *dbg_snapshot_go(struct dbg *d, const struct rt_capture_options *o,
                            struct err *(*go)(void *arg), void *arg, struct snap **ret) MUST_USE;
/* While the program runs: does beforehand what of that would take long.  This thread and the one
 * that traces are urgent from then on, until the program runs on from the next snapshot: others do
 * not keep them from ending its pause. */
void dbg_snapshot_prepare(struct dbg *d, const struct rt_capture_options *o);
/* Machine code with source lines, from the instruction at `from` on, below `to`. */
struct dbg_insn {
    taddr pc;
    const uint8_t *bytes;
    unsigned n;
    const char *text;            /* as the manual of the processor writes it */
    const char *function, *file; /* of the innermost inlined call; "" unknown */
    unsigned line;
    bool call;
    taddr target;            /* of a direct call or jump; 0: none */
    const char *target_name; /* "" unknown */
};
struct err *dbg_disassemble(struct dbg *d, taddr from, taddr to, struct arena *a,
                            struct dbg_insn **ret, size_t *ret_n) MUST_USE;
/* The calls in the current line that STEP could go into. */
struct dbg_target {
    taddr pc;         /* of the call: dbg_run_spec.target */
    const char *name; /* what is called; "" when only running it tells */
    unsigned line;
};
struct err *dbg_step_targets(struct dbg *d, int64_t goroutine, unsigned frame, struct arena *a,
                             struct dbg_target **ret, size_t *ret_n) MUST_USE;
/* Whether it could go on elsewhere in the same function.  UNSUPPORTED where the stack would not
 * fit, or registers: that is not known of optimised code, and force does not ask for it. */
struct err *dbg_may_goto(struct dbg *d, int64_t goroutine, taddr pc, bool force) MUST_USE;
struct err *dbg_goto(struct dbg *d, int64_t goroutine, taddr pc, bool force) MUST_USE;

#endif

/* dbg_int.h - what the files of a session share.
 *
 * session.c opens and closes; breakpoint.c keeps breakpoints, hit.c is what their sites do on the
 * tracer thread; step.c plans steps, step_site.c is their sites and step_go.c what happens when one
 * is met; stop.c turns what the mechanism tells into events; ring.c brings messages from the tracer
 * thread.
 *
 * Two threads: the session's, and the tracer's, on which handlers run while the rest of the program
 * goes on.  A handler reads what was fixed before its site was put in, counts in what only it
 * writes (read under a lock), and leaves records in `hits` and texts in `ring`.  No lock is held
 * while the mechanism is called: it may wait for a handler. */
#ifndef GOSPECT_DBG_DBG_INT_H
#define GOSPECT_DBG_DBG_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "base/vec.h"
#include "dbg/code.h"
#include "dbg/dbg.h"
#include "dbg/expr.h"
#include "dbg/lua.h"
#include "dbg/place.h"
#include "dbg/printers.h"
#include "rt/frames.h"
#include "rt/here.h"

/* ---- ring.c ---- */

struct ring_entry {
    unsigned bp;
    int64_t goroutine;
    pid_t tid;
    taddr pc;
    char *text; /* owned */
};
struct ring;
struct ring *ring_new(void);
void ring_free(struct ring *r);
int ring_fd(const struct ring *r); /* readable while something is in it */
/* Takes over the text.  When it is full the entry is counted and dropped. */
void ring_put(struct ring *r, const struct ring_entry *e);
/* False: empty.  *ret_lost: so many were dropped before it. */
bool ring_take(struct ring *r, struct ring_entry *ret, uint64_t *ret_lost);

/* ---- breakpoints ---- */

struct hit;

enum hit_op { HITS_ANY, HITS_EQ, HITS_NE, HITS_GT, HITS_GE, HITS_LT, HITS_LE, HITS_EVERY };
struct hit_rule {
    enum hit_op op;
    uint64_t n;
};

/* A log message: texts and expressions in turn. */
struct log_part {
    const char *text; /* NULL: an expression */
    struct expr *x;
    const char *source;
};

struct bp;
struct watch; /* watch.c */
enum watch_event { WATCH_GONE, WATCH_MOVES, WATCH_MOVED };
/* One address of a breakpoint. */
struct bp_site {
    struct bp *bp;
    struct bp_plan *plan; /* a site of a plan that is not its breakpoint's does nothing */
    struct place at;
    struct debug_site *site;
    struct watch *watch;           /* NULL: it is a place */
    struct expr *condition;        /* NULL: none */
    struct dbg_lua_condition *lua; /* the same in Lua */
    struct log_part *parts;        /* of the breakpoint's arena */
    size_t nparts;
};

/* What a spec became.  It is fixed once its sites are in. */
struct bp_plan {
    struct arena arena;
    struct dbg_bp_spec spec;
    struct hit_rule rule;
    VEC(struct bp_site *) sites;
    const char *note;
    bool waits;
    bool in; /* its sites are in the program */
};

struct bp {
    struct dbg *d;
    unsigned id;
    struct bp_plan *_Atomic plan;
    _Atomic bool muted; /* dbg_bp_mute() */

    pthread_mutex_t lock; /* of what follows, which handlers write */
    uint64_t met, hits;
    struct map slot_of;   /* goroutine -> index in counts */
    VEC(uint64_t) counts; /* hits by goroutine */
    char *trouble;        /* NULL: none */
    bool trouble_told;
};

struct err *bp_init(struct dbg *d) MUST_USE; /* those that always exist */
void bp_free_all(struct dbg *d);
struct bp *bp_by_id(struct dbg *d, unsigned id); /* NULL: none */
/* All sites, after the program is another one: found and put in once more. */
void bp_replant(struct dbg *d);
void bp_uproot(struct dbg *d); /* the sites are gone with the program */
/* Addresses that there are now and were not before, after code was loaded; what is there stays. */
void bp_find_more(struct dbg *d);
/* watch.c: what the expression of a watchpoint yields now; putting it in, taking it out */
struct err *watch_make(struct dbg *d, struct bp_plan *p, struct bp_site *s) MUST_USE;
struct err *watch_plant(struct bp_site *s) MUST_USE;
/* The same for one that was made earlier; its stack may have moved, and its variable be gone. */
struct err *watch_plant_again(struct bp_site *s) MUST_USE;
void watch_hand_over(struct bp_site *from, struct bp_site *to);
void watch_uproot(struct bp_site *s);
void watch_forget(struct bp_site *s);
struct err *watch_go(struct bp_site *s, enum watch_event ev, pid_t tid) MUST_USE;
/* Its function is gone (a panic skipped its return), and something else is where it was. */
bool watch_is_stale(struct bp_site *s);
const char *watch_text(struct bp_site *s, struct arena *a);
/* hit.c */
enum debug_verdict bp_met(void *arg, const struct debug_hit *hit);
/* Compiles condition and message for one address. */
struct err *bp_compile(struct dbg *d, struct bp_plan *plan, struct bp_site *s) MUST_USE;
void bp_release(struct bp_site *s);
/* A hit that was not told before its breakpoint was changed: whether it is one of what that is now.
 * While the program stands. */
bool bp_holds_still(struct dbg *d, struct hit *h);
struct err *bp_parse_rule(const char *text, struct hit_rule *ret) MUST_USE;

struct traps {
    taddr *v;
    size_t n, cap;
};

/* ---- steps ---- */

enum step_role {
    STEP_AT_LINE,      /* the end, if it is the right frame */
    STEP_AT_BODY,      /* of a function that is stepped into: the end */
    STEP_AT_RETURN,    /* to the caller: the end */
    STEP_AT_CALL,      /* a call of the line: where does it go? */
    STEP_AT_DEFERRED,  /* the runtime is about to run a deferred call */
    STEP_AT_RECOVERED, /* a frame goes on after a recovered panic */
    STEP_AT_RANGE,     /* a line of a loop body that is a function: the end, if it is ours */
    STEP_AT_END,       /* the goroutine ends */
};
enum step_check { DEPTH_ANY, DEPTH_IS, DEPTH_AT_MOST };

struct step;
struct step_site {
    struct step *st;
    enum step_role role;
    enum step_check check;
    taddr depth;
    taddr addr;
    struct debug_site *site;
};

/* Depths are distances from the high end of the goroutine's stack, which stay when it moves. */
struct step {
    struct dbg *d;
    enum dbg_run how;
    int64_t goroutine;
    taddr g;         /* goroutine 0: this g */
    taddr depth;     /* of the frame that the step is about: high end - CFA */
    taddr sp_depth;  /* of its stack pointer */
    taddr target;    /* STEP: only into the call there; 0: any */
    bool in_runtime; /* the user looks at the runtime: nothing of it is skipped */
    bool returns;    /* f is called by the frame that is shown when it returns */
    struct code_func f;
    VEC(struct step_site *) sites;
    VEC(pid_t) held;
};

/* A new step.  *ret_instruction: it is a single instruction, which the caller runs. */
struct err *step_begin(struct dbg *d, const struct dbg_run_spec *how,
                       bool *ret_instruction) MUST_USE;
void step_end(struct dbg *d);     /* its sites are taken out; no step is fine */
void step_forget(struct dbg *d);  /* the same, when the program is gone with its sites */
void step_release(struct dbg *d); /* threads that were held for it may run */
void step_clear(struct step *st); /* takes its sites out */
struct err *step_add(struct step *st, enum step_role role, taddr addr, enum step_check check,
                     taddr depth) MUST_USE;
enum debug_verdict step_met(void *arg, const struct debug_hit *hit);
/* Everybody stands because thread tid met a site of the step.  *ret_done: it is at its end; ev gets
 * what there is to say. */
struct err *step_go(struct dbg *d, struct step_site *s, pid_t tid, bool *ret_done,
                    struct dbg_event *ev) MUST_USE;

/* step_plan.c: sites for a step about frame number `first`. */
struct step_view {
    const struct rt_frames *frames;
    size_t first;
    taddr hi;  /* of the stack */
    pid_t tid; /* the thread the frames run on; 0: none */
    struct arena *a;
};
struct err *step_plan(struct step *st, const struct step_view *v) MUST_USE;
/* The first frame that people care about. */
size_t step_first(const struct rt_frames *frames);
/* Goes where a call goes: to the body of the function, or through a wrapper. */
struct err *step_into(struct step *st, taddr target) MUST_USE;
/* Where a call or jump at the registers' pc goes; 0: cannot be told. */
taddr step_target(struct dbg *d, const struct arch_regs *regs);
/* step_range.c: loops over functions, whose bodies are functions, too */
bool step_is_family(const char *a, const char *b);
const char *step_family(struct arena *a, const char *func); /* the function they all belong to */
bool step_is_range_body(const char *func);

/* ---- stops ---- */

struct hit {
    pid_t tid;
    struct bp_site *bp; /* one of these */
    struct step_site *step;
    struct bp_site *watch; /* something of its stack: watch_event */
    enum watch_event watch_event;
    bool entry;
    bool plugin; /* one is being loaded */
    bool trouble;
    bool again;            /* the breakpoint was changed meanwhile: bp_holds_still() */
    uint64_t hits, of_own; /* its number among those of the breakpoint, and of the goroutine; 0: it
                              was not counted */
};

struct dbg_launched { /* copies of what it was started with; NULL exe: it was not */
    struct arena arena;
    struct debug_launch how;
};

struct loaded {       /* a plugin, to be told of */
    char *path, *why; /* owned; why its code is not known: NULL: it is */
    size_t module;    /* in code_modules() */
};

struct call; /* call_int.h */

struct held {
    pid_t tid;
    int64_t goroutine; /* which does not leave its thread while that stands */
};

struct dbg {
    struct debug *debug; /* NULL: a core, or over */
    struct target *core; /* NULL: a process */
    struct rt *rt;
    struct rt_stand *stand, *hit_stand; /* hit_stand: the tracer thread's */
    struct code *code;
    struct dbg_printers *printers; /* of the user; NULL: none */
    struct arena arena;            /* as long as the session */
    struct dbg_options o;
    struct dbg_launched launched;
    pid_t pid;
    _Atomic enum dbg_state state; /* dbg_interrupt() asks from anywhere */
    atomic_bool interrupted;      /* it wants to see a stop */

    VEC(struct bp *) bps; /* ordered by id */
    unsigned next_id;
    VEC(unsigned) changed; /* breakpoints that changed by themselves */
    VEC(struct loaded) loaded;
    size_t nplugins; /* that were looked at */

    VEC(struct held) held;       /* dbg_hold() */
    struct step *step;           /* NULL: none goes on */
    struct call *call;           /* the last that was begun; NULL: none goes on */
    struct traps call_traps;     /* breakpoints of the runtime in calls; empty: not found yet */
    struct arena call_arena;     /* results of the last that is done: */
    struct dbg_value call_value; /* as one value */
    struct err *call_error;      /* or why there is none */
    unsigned call_frame;         /* that it was evaluated in */
    struct ring *ring;
    pthread_mutex_t hits_lock;
    VEC(struct hit) hits;

    struct arena stop_arena;    /* of the last stop */
    struct arena message_arena; /* of the last message */
    struct arena hit_arena;     /* of the last hit; the tracer thread's */
    struct dbg_event stop;
    bool have_told; /* told is to be told when all messages are */
    struct dbg_event told;
    bool have_event; /* event came without the mechanism's wait */
    struct debug_event event;
    bool tell_entry;          /* main.main is to be told when it is reached */
    struct debug_site *entry; /* of main.main; NULL: none */
    int64_t goroutine;        /* selected */
    unsigned frame;
    int epoll_fd, self_fd; /* self_fd: eventfd, an event of ours is there */
    struct debug_cost cost;
    int64_t ran_from, ran_ns;
};

/* plugin.c */
struct err *plugin_watch(struct dbg *d) MUST_USE; /* of a program that has just begun */
/* Plugins that are there and were not before; tell: breakpoints look for their places in them, and
 * they become events. */
void plugin_look(struct dbg *d, bool tell);
void plugin_forget(struct loaded *l);
/* session.c */
struct err *dbg_follow_exec(struct dbg *d) MUST_USE;
struct err *dbg_look(struct dbg *d) MUST_USE; /* the runtime of a program that stands */
void dbg_unlook(struct dbg *d);
struct target *dbg_view(struct dbg *d);
struct err *dbg_must_stand(const struct dbg *d) MUST_USE;
struct err *dbg_goroutine_or(struct dbg *d, int64_t goroutine, struct rt_goroutine *ret) MUST_USE;
/* call.c: what an int3 of the runtime means to the call for which its thread runs.  *is: it is one.
 * *told: the user is to hear of it; else the program is to run on. */
struct err *call_trapped(struct dbg *d, struct dbg_event *ev, bool *is, bool *told) MUST_USE;
struct err *call_and_wait(struct dbg *d, const struct dbg_call_spec *how, struct arena *a,
                          struct dbg_value *ret) MUST_USE;
/* After attaching: calls that somebody had only prepared when he was killed are no calls. */
void call_look_for_left(struct dbg *d);
void call_settle(struct dbg *d); /* before the program is let go: calls are given time to end */
void call_forget(struct dbg *d); /* the program is gone */
/* look.c: as dbg_eval(), and nothing of the program runs */
struct err *dbg_eval_still(struct dbg *d, int64_t goroutine, unsigned frame, const char *text,
                           struct arena *a, struct dbg_value *ret) MUST_USE;
/* Sets a register of a set of them, or the part of it that a variable has. */
struct err *look_set_reg(const struct arch *arch, struct arch_regs *regs, unsigned reg,
                         const void *src, size_t n) MUST_USE;
/* home.c: where an argument is stored that v, the variable of that name, has in registers. */
struct home {
    struct dbg *d;
    const struct dbg_value *v;
    taddr at; /* 0: nowhere */
};
void home_find(struct dbg *d, const struct rt_frame *f, const char *name, const struct dbg_value *v,
               struct arena *a, struct home *ret);
/* One of its registers gets new bytes: so does the copy, where there is one. */
struct err *home_set(const struct home *h, const struct arch_regs *before, unsigned reg,
                     const void *src, size_t n) MUST_USE;
/* stop.c */
/* Runs until there is a stop, which is left for dbg_wait(). */
struct err *dbg_run_on(struct dbg *d) MUST_USE;
void dbg_wake(struct dbg *d);
void dbg_hit(struct dbg *d, const struct hit *h); /* tracer thread */
bool dbg_holds_thread(const struct dbg *d, pid_t tid);
void dbg_forget_hits(struct dbg *d, const struct bp *bp, const struct step *st);
/* Those of a plan become those of another one, where that has a site. */
void dbg_keep_hits(struct dbg *d, const struct bp_plan *from, const struct bp_plan *to);
/* moment.c: UNSUPPORTED: the program's runtime has no such place */
struct err *moment_find(struct code *c, const char *name, struct arena *a,
                        struct places *ret) MUST_USE;
/* panic.c: what a stop at a panic or fatal error says */
/* results.c: what a function has returned; the thread is right behind the call */
void dbg_read_results(struct dbg *d, pid_t tid, const struct code_func *f, struct dbg_event *ev);
const char *dbg_value_of_panic(struct dbg *d, const struct rt_panic *p, struct arena *a);
const char *dbg_panic_text(struct dbg *d, unsigned bp, pid_t tid);

#endif

/* capture_int.h - what the files that make a snapshot share.
 *
 * A capture reads everything it needs from one target (frozen, live or core), then lets it go; what
 * follows (names, lines, merging) needs only the image.  Goroutines are read in three passes: the
 * structures (gs.c), the stacks with what they wait for, on all cores (stacks.c), the rows
 * (capture.c). */
#ifndef GOSPECT_RT_CAPTURE_INT_H
#define GOSPECT_RT_CAPTURE_INT_H

#include "image/dwarf_func.h"
#include "rt/frames.h"
#include "rt/rt_int.h"

/* ---- unwind.c: stacks from memory ---- */

/* What ended a walk. */
enum walk_end {
    WALK_TOP,      /* the outermost frame: complete */
    WALK_ZERO,     /* a return address of zero */
    WALK_UNKNOWN,  /* a return address that is not Go code */
    WALK_NO_FRAME, /* a function without frame sizes (race detector, C) */
    WALK_SPWRITE,  /* a function that switches stacks */
    WALK_MEMORY,   /* the stack ends, or cannot be read */
    WALK_LIMIT,    /* the depth asked for, or the most a snapshot holds */
};

struct walk {
    taddr pc, sp;     /* in: where to start; out: the frame that ended it */
    bool exact;       /* in: pc is an instruction about to run, not a return address */
    bool spwrite_ok;  /* in: the first frame's stack pointer is right even in a function that
                         switches */
    bool spwrite_all; /* in: every frame's: what it has called so far ran on this stack */
    taddr lo, hi;     /* in: the stack, as far as frames may lie in it */
    const uint8_t *p; /* in: bytes at address `at`, n of them; more are read when needed */
    taddr at;
    size_t n;
    enum walk_end end;        /* out */
    enum snap_funcid last_fn; /* out: of the frame that ended it */
};

struct unwinder;
struct unwinder *unwinder_new(const struct rt *rt, struct target *t, unsigned max_depth);
void unwinder_free(struct unwinder *u);
void unwinder_begin(struct unwinder *u);                /* a new, empty stack */
void unwinder_walk(struct unwinder *u, struct walk *w); /* appends frames */
void unwinder_push(struct unwinder *u, taddr pc, bool exact);
size_t unwinder_depth(const struct unwinder *u);
uint32_t unwinder_commit(struct unwinder *u); /* the stack's node; SNAP_NONE when it is empty */
/* Where the frames of the stack being built lie, innermost first: kept from the call of
 * unwinder_trace() on; locals.c asks for it. */
struct walk_frame {
    taddr pc, sp;  /* sp 0: not known */
    int32_t frame; /* bytes on the stack without the return address; -1: unknown */
    uint8_t fn;    /* enum snap_funcid */
    bool exact;
};
void unwinder_trace(struct unwinder *u);
size_t unwinder_frames(const struct unwinder *u, const struct walk_frame **ret);
/* Whether the stack being built has a frame of this kind. */
bool unwinder_has(const struct unwinder *u, enum snap_funcid id);

/* ---- symbols.c: rows of pc, frame and stack ---- */

struct symbols;
struct symbols *symbols_new(const struct rt *rt, struct snap *s);
void symbols_free(struct symbols *y);
uint32_t symbols_pc(struct symbols *y, taddr pc, bool exact); /* row of pc; SNAP_NONE for 0 */
/* Adds the nodes of an unwinder; ret[node] becomes the row of stack.  Free ret. */
struct err *symbols_merge(struct symbols *y, const struct unwinder *u, uint32_t **ret) MUST_USE;
/* Memory maps, to name code that is not Go; they must live as long as y. */
void symbols_set_maps(struct symbols *y, const struct target_mapping *maps, size_t n);
enum snap_funcid symbols_func_id(const struct rt *rt, const char *name, uint8_t func_id);

/* The nodes and pcs that an unwinder collected. */
struct unwound_pc {
    taddr pc;
    bool exact;
};
struct unwound_node {
    uint32_t parent, pc;
};
size_t unwinder_pcs(const struct unwinder *u, const struct unwound_pc **ret);
size_t unwinder_nodes(const struct unwinder *u, const struct unwound_node **ret);

/* ---- goroutines ---- */

/* Of a runtime.g, what is 0 in most: apart, because there may be a hundred thousand. */
struct rt_g_more {
    taddr m, syscallpc, syscallsp, lockedm, labels, schedlink, bubble, panic, timer, coroarg;
    taddr defer, sched_ctxt, xregs;
    int64_t sleep_when;
    int64_t assist_bytes; /* it may still allocate while the collector marks; < 0: owes work */
};

/* What is kept of a runtime.g.  Zeroed before it is filled, so that two readings compare. */
struct rt_g {
    taddr addr, stack_lo, stack_hi, sched_pc, sched_sp, waiting, gopc, startpc;
    const struct rt_g_more *more; /* never NULL; of whoever read it, or shared by all with zeros */
    uint64_t goid, parent_goid;
    int64_t wait_since;
    uint32_t status; /* the runtime's number, without the scan bit */
    uint8_t wait_reason;
    uint8_t ran; /* counts how often it stopped running (trackingSeq) */
    bool scan, async, parking, running_cleanups;
};

enum g_source {          /* where a goroutine's stack came from */
                G_NONE,  /* not read yet */
                G_SAVED, /* what it saved when it stopped */
                G_REGS,  /* the registers of its thread */
};

/* What is known of the innermost frame of a goroutine that was running. */
struct g_ran {
    taddr pc, sp;
    bool exact;           /* pc is an instruction about to run, not a return address */
    const uint64_t *regs; /* in the arena, nregs of them; NULL: they are not this frame's */
    size_t nregs;
    const uint64_t *vectors; /* the same of floating point and vector registers, when asked for */
    size_t nvectors;
};

/* A goroutine of the capture. */
struct goroutine {
    struct rt_g g;
    const struct g_ran *ran; /* in the arena; while source is G_REGS, else NULL */
    uint32_t row;            /* of the snapshot; SNAP_NONE: dead */
    uint32_t node;
    uint32_t depth;
    uint16_t worker;
    uint16_t flags; /* enum snap_gflag */
    uint8_t source; /* enum g_source */
};

/* A sudog a goroutine waits on, or what else it waits for. */
struct wait_record {
    uint32_t gi;    /* index into goroutines */
    uint32_t order; /* as g.waiting has them */
    taddr sudog, next, chan, elem;
    uint32_t ticket;
    uint16_t case_no; /* of a select; 0: not known */
    uint8_t kind;     /* enum snap_waitkind, where there is no sudog that tells; else 0 */
    bool is_select, queued, sends, all_cases, nil_case; /* queued, sends: once queues were read */
};

/* ---- heap_arenas.c: single heap objects ---- */

struct rt_heap {
    struct rt *rt;
    struct target *t;
    taddr arenas;        /* 0: the heap cannot be looked into */
    struct map arena_at; /* index -> known */
    VEC(taddr) known;    /* addresses of heapArena; 0: none */
};
struct rt_object {
    taddr base;
    uint64_t size;
    taddr type; /* of the object, or of its elements; 0: not known */
};
void rt_heap_open(struct rt_heap *h, struct rt *rt, struct target *t);
void rt_heap_close(struct rt_heap *h);
bool rt_find_object(struct rt_heap *h, taddr addr, struct rt_object *ret);
taddr rt_heap_arena(struct rt_heap *h, taddr addr); /* its runtime.heapArena; 0: there is none */

struct worker {
    struct unwinder *u;
    struct arena more; /* struct rt_g_more of the goroutines it read */
    VEC(struct wait_record) waits;
    uint8_t *buf;       /* STACKS_BUF bytes */
    uint32_t *node_row; /* of the snapshot, after merging */
};

struct mrec { /* a runtime.m */
    taddr addr, g0, gsignal, curg, p, oldp, lockedg, vdso_sp, vdso_pc;
    taddr g0_lo, g0_hi, gsignal_lo, gsignal_hi;
    taddr next; /* of allm */
    int64_t id;
    uint64_t procid;
    uint32_t locks;
    bool spinning, blocked, incgo, isextra, idle;
    int32_t ncgo;
    uint32_t thread; /* row; SNAP_NONE: no thread */
    uint32_t gi;     /* index of curg; SNAP_NONE: none, or dead */
};

struct prec { /* a runtime.p */
    taddr addr, m, timers, runnext;
    taddr *queue; /* in the arena: the local run queue, runnext not included */
    uint32_t queued, ntimers;
};

struct capture {
    struct rt *rt;
    struct target *t; /* what is read: the frozen copy, the live process, or a core */
    struct snap *s;
    const struct rt_capture_options *o;
    bool live;          /* nothing stands still: everything is validated */
    struct arena arena; /* lives as long as the capture */

    struct goroutine *gs; /* owned; in the order of allgs, dead ones included */
    size_t ngs;
    struct map g_by_addr;   /* address >> 3 -> index into gs */
    struct worker *workers; /* owned */
    unsigned nworkers;

    struct mrec *ms; /* owned */
    size_t nms;
    struct map m_by_addr;
    struct prec *ps; /* owned */
    size_t nps;
    taddr *global; /* owned; the global run queue */
    size_t nglobal;
    struct target_thread *threads; /* in the arena */
    size_t nthreads;
    struct target_mapping *maps;
    size_t nmaps;

    struct symbols *symbols;
    struct locals *locals;     /* NULL: not asked for, or no DWARF */
    struct rt_heap heap;       /* single objects */
    struct waits *waits;       /* waits_int.h; NULL: not read */
    struct ahead_found *ahead; /* ahead_int.h; NULL: not asked for */
    struct copies *copies;     /* copies.c; NULL: not looked for */
    struct closers *closers;   /* closers.c; NULL: not looked for */
    struct heap *heap_objects; /* all of them: heap_int.h; NULL: not asked for */
    uint32_t reasons[256];     /* string ids + 1; 0: not read yet */
    int64_t sampled_ns;        /* longest time a thread stood still to be looked at */
    bool refused;              /* a thread could not be looked at */
    bool finalizer_runs;       /* the finalizer goroutine is in code of the user */
    uint32_t depth_limit;
    uint64_t cut; /* stacks that are deeper than it */

    VEC(uint32_t) bucket_nodes; /* of each row of bucket: its stack, a node of the first worker */
    struct map bucket_at;       /* address of a runtime.bucket -> row of bucket */
};

/* ---- ahead_defers.c: deferred calls that the compiler wrote into the function ---- */

/* n bytes (at most 8), zero-extended; false: not readable. */
typedef bool rt_peek(void *arg, taddr addr, size_t n, uint64_t *ret);
/* Closures of those that wait, the next one first; varp: where the frame's locals end. */
size_t rt_open_defers(const struct rt *rt, rt_peek *peek, void *arg, taddr pc, taddr varp,
                      taddr *ret, size_t max);
enum { RT_PROLOGUE = 32 }; /* at most so many bytes of a function set up its frame */

/* ---- running.c: Ms, and goroutines that run on threads ---- */

struct err *rt_read_m(const struct rt *rt, struct target *t, taddr addr, struct mrec *ret) MUST_USE;
/* All of them (free()), and where each is in the list; what was read before an error counts. */
struct err *rt_read_allm(const struct rt *rt, struct target *t, struct map *by_addr,
                         struct mrec **ret, size_t *ret_n) MUST_USE;

struct running {
    const struct rt *rt;
    struct target *t;
    struct unwinder *u;
    const struct mrec *m;
    const struct rt_g *g;
    taddr pc, sp; /* out: where the walk began */
    bool exact;
};
/* Builds the stack of the goroutine in the unwinder.  regs: of its thread, or those that the signal
 * interrupted whose handler runs. */
enum walk_end running_walk(struct running *r, const struct arch_regs *regs);
bool running_interrupted(struct target *t, const struct mrec *m, taddr sp,
                         struct arch_sigframe *ret);
taddr running_unpushed_sp(struct running *r, const struct arch_regs *regs);

/* gs.c */
/* Addresses of all goroutines (free()), dead ones included. */
struct err *rt_read_allgs(const struct rt *rt, struct target *t, taddr **ret,
                          size_t *ret_n) MUST_USE;
/* Fills n structures, whose addr is set; at() says where the i-th lies, and `more` of those that
 * have any is put into the arena.  One that cannot be read gets the status UINT32_MAX. */
typedef struct rt_g *rt_g_at(void *arg, size_t i);
struct err *rt_read_gs(const struct rt *rt, struct target *t, size_t n, rt_g_at *at, void *arg,
                       struct arena *more) MUST_USE;
bool rt_is_system_g(const struct rt *rt, const struct rt_g *g, bool finalizer_runs);
bool rt_finalizer_runs(const struct rt *rt, struct target *t); /* its goroutine, in user's code */
struct err *capture_list(struct capture *c) MUST_USE;          /* fills gs with addresses */
struct err *capture_gs(struct capture *c) MUST_USE;            /* reads the structures */
/* more is used, and must live as long as *ret, when something in it is not 0. */
void rt_parse_g(const struct rt_layout *l, taddr addr, const uint8_t *copy, struct rt_g *ret,
                struct rt_g_more *more);
/* The same; what is not 0 goes where this goroutine has it already, else into the arena. */
void rt_parse_g_into(const struct rt_layout *l, taddr addr, const uint8_t *copy, struct rt_g *ret,
                     struct arena *more);
enum snap_gstatus rt_gstatus(const struct rt_layout *l, uint32_t status);
uint32_t capture_g_index(const struct capture *c, taddr g); /* SNAP_NONE: not one of ours */

/* Whether a wait reason is one in which a goroutine of a synctest bubble is durably blocked. */
bool rt_is_durable(const char *reason);

/* stacks.c */
/* Where a goroutine that does not run left off. */
struct saved_context {
    taddr pc, sp;
};
static inline struct saved_context saved_context(const struct rt_g *g)
{
    return g->more->syscallsp ? (struct saved_context){g->more->syscallpc, g->more->syscallsp}
                              : (struct saved_context){g->sched_pc, g->sched_sp};
}
/* The innermost frame as it was captured; zeros: it was not. */
static inline struct saved_context captured_context(const struct goroutine *g)
{
    switch ((enum g_source)g->source) {
    case G_SAVED:
        return saved_context(&g->g);
    case G_REGS:
        return (struct saved_context){g->ran->pc, g->ran->sp};
    case G_NONE:
        break;
    }
    return (struct saved_context){0, 0};
}
/* Builds its stack in the unwinder; p: n bytes of it, from its stack pointer on (NULL: are read).
 */
enum walk_end unwinder_saved(struct unwinder *u, const struct rt_g *g, const uint8_t *p, size_t n);
struct err *capture_stacks(struct capture *c) MUST_USE; /* of goroutines that do not run */
/* Reads one goroutine of a running target again, until it holds still; not its stack if it runs. */
struct err *capture_one_live(struct capture *c, uint32_t gi) MUST_USE;

/* Whether a goroutine of this status that has an M may be on its thread's processor. */
static inline bool capture_may_run(enum snap_gstatus st)
{
    return st == SNAP_G_RUNNING || st == SNAP_G_WAITING || st == SNAP_G_RUNNABLE;
}
/* How far frames of a goroutine may lie whose stack pointer is w->sp: to the end of its stack. */
void capture_bounds(const struct rt_g *g, struct walk *w);

/* Walks the stack a goroutine saved once more, for the places of its frames, in worker 0. */
void capture_walk_again(struct capture *c, uint32_t gi);
/* Whether a goroutine is still as it was captured; always so in a target that stands still. */
bool capture_held_still(struct capture *c, uint32_t gi);
/* Forgets what a goroutine waits for and where it is, before it is captured once more. */
void capture_forget(struct capture *c, uint32_t gi);

/* locals.c: arguments and variables.  NOT_FOUND: no DWARF. */
struct err *locals_open(struct capture *c, struct locals **ret) MUST_USE;
void locals_set_target(struct locals *lo); /* c->t is now what is read */
void locals_close(struct locals *lo);
/* Of the goroutine whose stack is in worker 0's unwinder; regs: those of its innermost frame when
 * it runs, else NULL.  NULL lo is fine. */
void locals_take(struct locals *lo, uint32_t gi, const struct arch_regs *regs);
/* Of those that do not run, as the options choose them. */
struct err *locals_capture(struct locals *lo) MUST_USE;
void locals_rows(struct locals *lo); /* their rows; goroutines have theirs by now */

/* locals_scope.c: what can be said about the variables at a pc without looking at a process. */
enum local_fate {
    LOCAL_LOOK,    /* it can be looked for */
    LOCAL_HIDDEN,  /* not in the source, or not declared yet */
    LOCAL_NOT_SET, /* its place was not written to yet */
    LOCAL_SHARED,  /* others use its place, too */
    LOCAL_UNNAMED, /* ~r0, a result without a name whose place was written to; not for captures */
};
static inline bool local_is_source(uint8_t fate)
{
    return fate != LOCAL_HIDDEN && fate != LOCAL_UNNAMED;
}
struct local_scope {
    struct dwarf_scope scope;
    taddr slide;        /* of the module it is in */
    const char *why;    /* NULL, or why nothing is known of variables that may be there */
    uint16_t nframes;   /* of the function table at this pc, inlined calls counted */
    uint16_t *frame_of; /* of each call: which of these; UINT16_MAX: none */
    uint8_t *fate;      /* of each variable: enum local_fate */
};
struct local_scopes;
struct local_scopes *local_scopes_new(const struct rt *rt);
void local_scopes_free(struct local_scopes *ls);
const struct local_scope *local_scope_at(struct local_scopes *ls, taddr pc, bool exact);
/* Where runtime.asyncPreempt keeps the registers of what it interrupted: offset from its stack
 * pointer, by DWARF's number; -1: not on the stack. */
enum { LOCAL_REGS = 40 };
const int32_t *local_preempt_regs(const struct local_scopes *ls);

/* threads.c */
/* One goroutine of a target that runs: parked, or by stopping its thread. */
struct err *capture_one_running(struct capture *c, uint32_t gi) MUST_USE;
struct err *capture_threads(struct capture *c) MUST_USE; /* threads, Ms, stacks of what runs */
/* Of a target that runs: goroutines that run, by stopping their threads one at a time. */
struct err *capture_running_live(struct capture *c) MUST_USE;
/* profile.c: the profiles that the runtime keeps; what cannot be read is noted */
void capture_profiles(struct capture *c);
/* procs.c: Ps, run queues */
struct err *capture_procs(struct capture *c) MUST_USE;
struct err *capture_global_queue(struct capture *c) MUST_USE;
void capture_runqs(struct capture *c); /* their rows; goroutines have theirs by now */
/* timers.c */
struct err *capture_timers(struct capture *c) MUST_USE;
/* waits.c */
void capture_sudogs(struct capture *c, struct worker *w, const uint32_t *gi, size_t n);
struct err *capture_waits(struct capture *c) MUST_USE;
void capture_waits_finish(struct capture *c); /* stacks have their rows by now */
void capture_waits_free(struct capture *c);
/* Before the target is frozen: what names of objects need. */
void waits_name_prepare(const struct rt *rt, const struct rt_capture_options *o);
/* panics.c: panics in flight */
void capture_panics(struct capture *c);
/* Whether the panic in a row of the table is a send on, or close of, a closed channel. */
bool capture_panics_of_closed(const struct snap *s, uint32_t row);
/* closers.c: who closed channels that are closed; after waits and panics are known.  What it finds
 * stays in c->closers until closers_rows(), after the target was let go. */
void capture_closers(struct capture *c);
void closers_rows(struct capture *c);
void closers_free(struct capture *c);
/* copies.c: locks that were copied; after capture_ahead().  Rows and the rest, when the target was
 * let go. */
void capture_copies(struct capture *c);
void copies_rows(struct capture *c);
void copies_free(struct capture *c);
/* labels.c */
struct err *rt_read_labels(const struct rt *rt, struct target *t, taddr labels, struct arena *a,
                           struct rt_label **ret, size_t *ret_n) MUST_USE;
struct err *capture_labels(struct capture *c) MUST_USE;
/* moment.c: when a core was taken; after everything else is in the snapshot */
void capture_core_moment(struct rt *rt, struct snap *s);
/* counters.c, info.c */
struct err *capture_counters(struct rt *rt, struct target *t, struct snap *s) MUST_USE;
struct err *capture_info(struct rt *rt, struct target *t, struct snap *s) MUST_USE;

#endif

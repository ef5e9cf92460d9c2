/* ahead_int.h - what goroutines will do next to locks, channels and the like, told from the code
 * ahead of their frames: what the files ahead*.c share.
 *
 * Go does not record who holds a lock.  But a goroutine that holds one has, nearly always, the code
 * that will release it ahead of one of its frames: behind a return address on its stack, or in a
 * deferred call that is pending.  After a call every register of Go's convention is dead but the
 * stack pointer, the frame pointer and g, so the code behind a return address can be followed over
 * the goroutine's own memory, which stands still.
 *
 *     ahead_mem.c     memory of the target, with what was written on the way laid over it
 *     ahead_code.c    instructions, functions and what can happen in them, each looked at once
 *     ahead_calls.c   what calls of the runtime and of package sync mean
 *     ahead_maps.c    what a map or a sync.Map has for a key
 *     ahead_exec.c    follows code: one path after the other
 *     ahead_defers.c  deferred calls that are pending
 *     ahead_judge.c   what the paths of all frames of a goroutine say about an object
 *     ahead_taken.c   where a lock was taken that somebody holds
 *     ahead_count.c   of locks that nobody was seen to release: who can have none, told by counting
 *     ahead_left.c    which locks these are, and what else may lead to their release
 *     ahead.c         leads; rows of the snapshot
 *     ahead_print.c   prints of goroutines that run: whether anything changes from look to look
 *
 * Everything is bounded: steps, paths, events, depth.  What was not followed to its end is said.
 *
 * Thread: a struct ahead belongs to one worker. */
#ifndef GOSPECT_RT_AHEAD_INT_H
#define GOSPECT_RT_AHEAD_INT_H

#include "rt/capture_int.h"

/* ---- values: bytes of a word of which some are known ---- */

struct ahead_val {
    uint64_t v;
    uint8_t known; /* bit set of bytes */
    uint8_t own;   /* those that nobody else can change: of its own stack, or constants */
};

/* ---- ahead_mem.c ---- */

enum {
    AHEAD_PAGE = 4096,
    AHEAD_PAGES = 1024, /* kept by a worker */
    AHEAD_WORDS = 2048, /* written on the way */
};

struct ahead_page {
    taddr addr;
    bool used, fixed; /* fixed: not writable in the target */
    uint16_t n;       /* how many bytes of it are readable, from its beginning */
    uint8_t bytes[AHEAD_PAGE];
};

struct ahead_word {
    taddr addr; /* 0: free */
    struct ahead_val val;
};

struct ahead_undo {
    uint32_t slot;
    struct ahead_word was;
};

struct ahead_mem {
    struct target *t;
    const struct target_mapping *maps;
    size_t nmaps;
    taddr lo, hi; /* the stack whose bytes are its own */
    struct ahead_page *pages;
    struct ahead_word *words;
    size_t nwords;
    VEC(struct ahead_undo) undo;
};

void ahead_mem_init(struct ahead_mem *m, const struct capture *c);
void ahead_mem_free(struct ahead_mem *m);
/* n <= 8 bytes of the target itself; false: not readable. */
bool ahead_peek(struct ahead_mem *m, taddr addr, size_t n, uint64_t *ret);
/* Up to n bytes from addr on that lie in one page; how many. */
size_t ahead_bytes(struct ahead_mem *m, taddr addr, size_t n, const uint8_t **ret);
/* With what was written laid over it. */
struct ahead_val ahead_load(struct ahead_mem *m, taddr addr, size_t n);
bool ahead_store(struct ahead_mem *m, taddr addr, size_t n, struct ahead_val v); /* false: full */
size_t ahead_mark(const struct ahead_mem *m);
void ahead_rollback(struct ahead_mem *m, size_t mark);

/* Objects that the code ahead would allocate: addresses that no process has, zeroed. */
#define AHEAD_NEW UINT64_C(0x6f00000000000000)
enum { AHEAD_NEW_SIZE = 1 << 16 };
static inline bool ahead_is_new(taddr addr)
{
    return addr >> 56 == AHEAD_NEW >> 56;
}

/* ---- ahead_code.c ---- */

/* What a call of a function means. */
enum ahead_meaning {
    AHEAD_FN_PLAIN, /* follow it */
    AHEAD_FN_SKIP,  /* the standard library's business: nothing that matters */
    AHEAD_FN_DEAD,  /* does not return */
    AHEAD_FN_KEEP,  /* changes no register that matters */
    AHEAD_FN_BODY,  /* part of the caller's body (duffzero): follow it in any case */
    AHEAD_FN_VALUE, /* worth to be followed for its result */
    AHEAD_FN_MAP,   /* looks a key up */
    AHEAD_FN_SYNC_MAP,
    AHEAD_FN_BOX, /* allocates what an interface refers to */
    AHEAD_FN_ACT,
    AHEAD_FN_WAITGROUP_ADD,
    AHEAD_FN_COND_WAIT,
    AHEAD_FN_SELECT,
    AHEAD_FN_NEW,
    AHEAD_FN_GO,
    AHEAD_FN_DEFER,
    AHEAD_FN_DEFER_RECORD,
    AHEAD_FN_DEFER_RUN,
    AHEAD_FN_RECOVER,
};

/* What happens to an object. */
enum ahead_act {
    AHEAD_LOCK,
    AHEAD_TRY,
    AHEAD_UNLOCK,
    AHEAD_SEND,
    AHEAD_RECV,
    AHEAD_CLOSE,
    AHEAD_ADD,
    AHEAD_DONE,
    AHEAD_WAIT, /* of a WaitGroup */
    AHEAD_SIGNAL,
    AHEAD_BROADCAST,
    AHEAD_COND_WAIT,
    AHEAD_RESUME,
    AHEAD_RECOVER,
    AHEAD_ACTS,
};

/* What can happen in code, or-ed. */
enum ahead_kind {
    AHEAD_K_LOCK = 1 << 0,
    AHEAD_K_SEND = 1 << 1,
    AHEAD_K_RECV = 1 << 9,
    AHEAD_K_CLOSE = 1 << 10,
    AHEAD_K_GROUP = 1 << 2,
    AHEAD_K_COND = 1 << 3,
    AHEAD_K_CORO = 1 << 4,
    AHEAD_K_UNKNOWN = 1 << 5, /* a call through a pointer, or too much to look at */
    AHEAD_K_DEFER = 1 << 6,
    AHEAD_K_GO = 1 << 7,
    AHEAD_K_RECOVER = 1 << 8,
};

/* What code does to locks, counted: each one taken is +1, each one released -1. */
struct ahead_count {
    int8_t least; /* the lowest it gets to, on any path: below 0 it releases what it did not take;
                     what it puts off counts at once */
    int8_t dip;   /* the lowest while it waits for a Cond, which has the lock back afterwards */
    int8_t end;   /* the lowest with which it returns */
    bool stays;   /* it does not return */
};

struct ahead_fn {
    taddr entry, end;
    const char *name;
    uint8_t meaning, act;                  /* enum ahead_meaning, enum ahead_act */
    int8_t arg;                            /* which argument is the object */
    int16_t off;                           /* what is added to it */
    bool injected, top, runtime, switches; /* switches: to another stack */
    bool kinds_known, kinds_busy;
    uint16_t kinds;
    struct ahead_count count; /* ahead_count.c */
    uint8_t count_round;
    bool count_busy, count_asked;
};

enum ahead_detour {
    AHEAD_DETOUR_ASK, /* not looked at yet */
    AHEAD_DETOUR_NONE,
    AHEAD_DETOUR_NEXT,   /* what follows when the branch is not taken does not matter */
    AHEAD_DETOUR_TARGET, /* ... when it is taken */
};

struct ahead_insn {
    taddr pc;
    struct arch_op op;
    uint8_t detour;  /* of a conditional jump */
    uint32_t next;   /* number of the instruction behind it + 1; 0: not looked up yet */
    uint32_t target; /* of a direct jump; the same */
    uint32_t fn;     /* of a direct call or jump: number of the function + 1 */
};

/* A place where a frame can stand. */
struct ahead_place {
    uint32_t fn;    /* SNAP_NONE: no Go code */
    int32_t frame;  /* bytes without the return address; -1: unknown */
    uint16_t kinds; /* of what follows */
    bool kinds_known;
};

struct ahead_code {
    const struct rt *rt;
    const struct arch *arch;
    struct ahead_mem *mem;
    struct map by_pc, by_entry, by_place;
    VEC(struct ahead_insn) insns;
    VEC(struct ahead_fn) fns;
    VEC(struct ahead_place) places;
};

void ahead_code_init(struct ahead_code *k, const struct rt *rt, struct target *t,
                     struct ahead_mem *mem);
void ahead_code_free(struct ahead_code *k);
uint32_t ahead_insn_at(struct ahead_code *k, taddr pc); /* SNAP_NONE: none */
uint32_t ahead_fn_at(struct ahead_code *k, taddr pc);   /* that contains pc; SNAP_NONE: none */
struct ahead_place *ahead_place_at(struct ahead_code *k, taddr pc, bool exact);
uint16_t ahead_kinds_from(struct ahead_code *k, taddr pc, uint32_t fn);
uint16_t ahead_kinds_of(struct ahead_code *k, uint32_t fn);
enum ahead_detour ahead_detour_of(struct ahead_code *k, uint32_t insn);

/* ahead_calls.c: fills meaning, act, arg and off from the name */
void ahead_name_meaning(struct ahead_fn *f);
uint16_t ahead_kinds_of_call(const struct ahead_fn *f);

/* ---- ahead_exec.c ---- */

enum {
    AHEAD_DEPTH = 6,     /* calls on the way, of the functions called by a frame */
    AHEAD_EVENTS = 64,   /* of a path */
    AHEAD_DEFERS = 24,   /* of a frame */
    AHEAD_FORKS = 400,   /* places to come back to */
    AHEAD_SEEN = 4096,   /* a power of two */
    AHEAD_STEPS = 20000, /* of a frame */
    AHEAD_PURE_STEPS = 800,
};

struct ahead_event {
    uint8_t act;
    bool spawned; /* a goroutine that is started on the way does it */
    bool known;   /* addr is */
    taddr addr, pc;
};

struct ahead_flags {
    enum { AHEAD_F_UNKNOWN, AHEAD_F_COMPARE, AHEAD_F_RESULT, AHEAD_F_BIT } kind;
    uint8_t size;
    struct ahead_val a, b;
};

struct ahead_call {
    taddr ret;
    uint32_t fn; /* the caller */
    bool spawned;
};

/* The state of a path: all of it but what was written to memory. */
struct ahead_path {
    taddr pc;
    uint32_t insn, fn; /* insn: number at pc, or SNAP_NONE */
    struct ahead_val reg[ARCH_REGS], vec[ARCH_VECTORS][2];
    struct ahead_flags flags;
    struct ahead_call calls[AHEAD_DEPTH + 2];
    uint8_t depth;
    uint8_t astray;  /* branches taken against what memory says now */
    uint8_t spawned; /* depth of the call that stands for a new goroutine + 1 */
    uint8_t ndefers, nevents;
    taddr defers[AHEAD_DEFERS];
    uint64_t hash; /* of the events */
};

/* A call that is followed only as long as every branch can be told. */
struct ahead_pure {
    bool on;
    uint8_t depth;
    size_t mark;
    uint32_t steps;
    taddr ret;
};

struct ahead_fork {
    struct ahead_path path;
    size_t mark;
};

/* What the paths of one piece of code say about one object. */
struct ahead_tally {
    taddr addr;
    uint8_t family;      /* act that stands for those which exclude each other */
    uint8_t act;         /* the release, or the only act */
    uint16_t first;      /* acts that come first on some path, bit set */
    bool twice;          /* some path releases it twice, with nothing in between */
    bool here;           /* on some path it is not a new goroutine that does it */
    uint32_t all, sober; /* paths on which a release comes first: ended ones, those not astray */
    taddr pc;
    bool apart; /* of a deferred call that the body does not show: it comes from a record */
};

struct ahead_result {
    uint32_t ended, sober, cut; /* paths: complete, of these not astray; given up */
    bool unknown_unlock, unknown_call, recovers;
    size_t first, n; /* of tallies */
};

struct ahead_seen { /* a place that was met, with the events before it */
    uint64_t key;
    uint32_t round, n;
};

struct ahead_start {
    taddr pc, sp, end;    /* end: where the return address lies; the frame is left behind it */
    const uint64_t *regs; /* by DWARF's number, ARCH_REGS of them; NULL: dead */
    uint32_t regs_known;
    taddr g;
    uint64_t context;    /* of a closure; 0: none */
    taddr interrupted;   /* where code goes on that was interrupted by what is at pc; 0 */
    const taddr *defers; /* pending ones, first to run last */
    size_t ndefers;
};

struct ahead_wanted;

struct ahead {
    struct capture *c;
    const struct ahead_wanted *wanted; /* other objects are let pass; NULL: none are */
    struct ahead_mem mem;
    struct ahead_code code;
    struct ahead_path p;
    struct ahead_event events[AHEAD_EVENTS]; /* of the path: to come back is to have fewer */
    struct ahead_pure pure;
    struct ahead_path pure_path;
    VEC(struct ahead_fork) forks;
    struct ahead_seen *seen; /* by hash of the key */
    uint32_t round;          /* of ahead_follow(): what others saw is not there */
    size_t nseen;
    uint32_t steps;
    uint64_t left; /* steps that the goroutine may still take */
    taddr next_new;
    taddr end;
    bool cut_all;
    bool endless; /* no path leaves the frame: one that goes round is as long as they get */
    bool dropped; /* a path that went round had events */
    struct ahead_result r;
    VEC(struct ahead_tally) tallies;
    uint64_t total_steps;
};

/* Follows the code from a start until the frame is left; tallies are appended. */
struct ahead_result ahead_follow(struct ahead *a, const struct ahead_start *s);

/* For ahead_calls.c */
enum ahead_next {
    AHEAD_GO_ON, /* behind the call */
    AHEAD_ENTER, /* its code */
    AHEAD_ENDED, /* the path ends here */
};
enum ahead_next ahead_call(struct ahead *a, uint32_t fn, taddr target, taddr ret);
void ahead_event(struct ahead *a, enum ahead_act act, struct ahead_val addr, int64_t off);
/* Comes back to the state of now later, but at pc; astray: that is against what memory says. */
void ahead_remember(struct ahead *a, taddr pc, bool astray);
void ahead_forget_call(struct ahead *a); /* the registers that a call does not keep */
struct ahead_val ahead_arg(const struct ahead *a, unsigned i);
static inline bool ahead_full(struct ahead_val v)
{
    return v.known == 0xff;
}

/* ---- ahead_maps.c ---- */

/* Where a map has the value of a key, of a call of runtime.mapaccess1 or mapaccess2 and the variant
 * ("_faststr", "") whose arguments are in the registers; false: not found. */
bool ahead_map_find(struct ahead *a, const char *variant, taddr *ret);

/* The value (an interface) that a sync.Map has for the key, an interface, in the arguments from
 * `first` on; trie: the map is an internal/sync.HashTrieMap. */
bool ahead_sync_map_find(struct ahead *a, bool trie, unsigned first, uint64_t ret[2]);

/* ---- ahead_defers.c ---- */

/* The pending deferred calls of a goroutine, innermost frame first; of a frame, the next to run
 * first. */
struct ahead_defer {
    taddr sp, fn;
};
size_t ahead_defer_list(struct ahead *a, const struct rt_g *g, struct ahead_defer *ret, size_t max);
/* Those of a frame that the compiler wrote into its body (FUNCDATA_OpenCodedDeferInfo). */
size_t ahead_open_defers(struct ahead *a, taddr pc, taddr varp, taddr *ret, size_t max);

/* ---- ahead_judge.c ---- */

struct ahead_frame {
    taddr pc, sp;
    int32_t size;
    uint16_t number; /* from the innermost physical frame */
    uint32_t fn;
    bool exact;
    bool dead; /* its code does not go on: a panic passes through it */
    struct ahead_result body,
        defers; /* defers: of all that are pending, those that run first first */
};

enum ahead_in_lock {
    AHEAD_IN_NONE,
    AHEAD_IN_MUTEX,
    AHEAD_IN_WRITERS_MUTEX, /* the Mutex in an RWMutex */
    AHEAD_IN_WRITER,
    AHEAD_IN_READER,
    AHEAD_IN_GROUP
};

struct ahead_goroutine {
    uint32_t gi;
    uint16_t flags;        /* enum snap_aheadflag */
    uint8_t in_lock;       /* enum ahead_in_lock: what it is inside of */
    taddr waits_on;        /* semaphore or channel; 0: nothing, or one of several */
    const uint64_t *waits; /* all of them */
    uint32_t nwaits;
    bool defers_open; /* what its pending deferred calls do is not known whole */
    VEC(struct ahead_frame) frames;
};

/* What a goroutine will do to an object. */
struct ahead_claim {
    uint32_t gi;
    taddr addr, pc;
    uint16_t frame;
    uint8_t act, evidence, how; /* enum snap_act, snap_proof, snap_how */
    taddr taken;                /* return address of the call that took it; 0: not told */
    uint16_t taken_frame;
    bool taken_sure; /* else it is the only one that can be */
};

/* What somebody waits for, by address. */
enum { AHEAD_WANT_SEND = 1, AHEAD_WANT_RECV = 2 };
struct ahead_wanted {
    struct map mutexes, rws, groups;
    struct map chans; /* what would help: AHEAD_WANT_*, or-ed */
    VEC(taddr) locks; /* keys of the first three, some more than once */
    bool conds, coros, all;
    uint16_t kinds; /* enum ahead_kind: what is worth to be followed */
};

/* Whether somebody waits for what is at the address that an act names. */
bool ahead_is_wanted(const struct ahead_wanted *w, enum ahead_act act, taddr addr);

struct ahead_claims {
    VEC(struct ahead_claim) v;
};
void ahead_judge(struct ahead *a, const struct ahead_goroutine *g, const struct ahead_wanted *w,
                 struct ahead_claims *ret);
/* Of an exclusive lock, several cannot hold it: weakens what contradicts. */
void ahead_compare(struct ahead_claims *all);

/* ---- ahead_taken.c ---- */

/* Where those that hold what somebody waits for have taken it. */
void ahead_find_taken(struct ahead *a, const struct ahead_wanted *w, struct ahead_claims *all);

/* ---- ahead_count.c ---- */

struct ahead_counting {
    struct ahead *a;
    struct map place; /* pc << 1 | exact -> index */
    VEC(struct ahead_count) counts;
    uint32_t insns; /* looked at in this round */
    uint8_t round;
    bool changed; /* a recursive function came out otherwise than it was taken for */
    bool failed;  /* too much code: nothing that was said counts */
};
/* What the function at an address does that is called by nobody known; code that is no function's
 * counts as a release. */
struct ahead_count ahead_count_code(struct ahead_counting *k, taddr code);
/* Whether a goroutine releases, by the code ahead of its frames and its pending deferred calls, no
 * more locks than it takes and those it is known to have: then it has no other. */
bool ahead_count_goroutine(struct ahead_counting *k, const struct goroutine *g, bool defers_open,
                           unsigned known);

/* ---- ahead_left.c ---- */

/* A lock that nobody was seen to release. */
struct ahead_unowned {
    taddr addr;
    uint32_t slot; /* of the heap, when that was captured; else SNAP_NONE */
    uint8_t flags; /* enum snap_unownedflag */
};
struct ahead_found {
    struct ahead_claims claims;
    VEC(struct ahead_goroutine) doubts; /* frames are empty */
    VEC(taddr) orphans;
    uint64_t steps; /* taken */
    VEC(struct ahead_unowned) unowned;
    VEC(uint32_t) releasers;      /* slots of closures that release what they did not take */
    VEC(uint32_t) releaser_types; /* types with such a method, which interfaces may call */
    bool timers;                  /* so does what a timer calls, or it is not known */
};
/* What was found, of all; flags of doubts may become more. */
void ahead_find_left(struct ahead *a, const struct ahead_wanted *w, struct ahead_found *all);

/* ---- ahead.c ---- */

enum { AHEAD_PENDING = 64 };
bool ahead_in_sync(const struct ahead_fn *f);
/* All that are pending in a frame, by the list of records and by its body; how many. */
struct ahead_pending {
    struct ahead_defer v[AHEAD_PENDING];
    size_t n;
};
size_t ahead_open_of(struct ahead *a, const struct ahead_frame *f, taddr ret[8]);
/* Whether a lock is held at all: as a Mutex or by a writer, or by readers. */
bool ahead_is_held(struct ahead *a, taddr addr, bool reader);

/* After waits are known; what it finds stays in c->ahead until ahead_rows(). */
struct err *capture_ahead(struct capture *c) MUST_USE;
void ahead_rows(struct capture *c); /* after the target was let go */
void ahead_free(struct capture *c);
/* Locks and WaitGroups that somebody waits for and nobody was found to release; after
 * capture_ahead().  *ret is the capture's. */
size_t ahead_orphans(const struct capture *c, const taddr **ret);
/* All that one goroutine will do, whether somebody waits for it or not. */
void ahead_look_at(struct capture *c, uint32_t gi, struct ahead_claims *ret);
/* The frames of a goroutine, innermost first, without the outermost; at most max (AHEAD_FRAMES: all
 * that are looked at).  Free ret->frames. */
enum { AHEAD_FRAMES = 256 };
bool ahead_is_walkable(const struct goroutine *g);
void ahead_walk(struct ahead *a, const struct goroutine *g, struct ahead_goroutine *ret,
                size_t max);
/* The registers of a goroutine that was running; which are known, a bit set. */
uint32_t ahead_registers(const struct ahead *a, const struct goroutine *g,
                         uint64_t regs[ARCH_REGS]);
/* Whether it waits for something that others do; to sleep is none. */
bool ahead_is_parked(const struct snap *s, uint32_t g);
/* ahead_print.c: goroutine.print of those that the options name */
void capture_prints(struct capture *c);
/* A worker's own, for tests, too. */
void ahead_init(struct ahead *a, struct capture *c);
void ahead_close(struct ahead *a);

#endif

/* ahead_count.c - who can have no lock at all, told by counting what code takes and releases.
 *
 * Most code that cannot be followed to its end (a server's loop around handlers, a library that
 * calls back) is no mystery as far as locks go: it takes as many as it releases.  A goroutine that
 * has a lock releases, from where it stands to its end, more than it takes: one more for each that
 * it has.  So each function is read once, without any values, and counted: +1 for what it takes, -1
 * for what it releases, on every path the least.  Frames are added up from the innermost outwards.
 *
 * What counts:
 *   - calls of package sync by name; its inlined fast paths by the slow path beside them, which
 *     tells them from other atomic counters;
 *   - other functions by what they come to, recursion until nothing changes any more;
 *   - taking the address of a function that releases more than it takes, as if it were called
 *     there: it is deferred, handed to a new goroutine or to somebody else;
 *   - a call through a pointer or an interface as 0.  What it leads to exists already, as a closure
 *     on the heap (ahead_left.c looks for those), or its address is taken ahead;
 *   - Cond.Wait as a release and a taking.
 * Where code cannot be read (a jump through a table, too much of it), it counts as a release.
 *
 * It is one-sided: "has none" is the only thing that is ever concluded. */
#include "rt/ahead_int.h"

enum {
    COUNT_MOST = 100,
    COUNT_LEAST = -16,
    DEPTH_MOST = 300,     /* calls within calls */
    INSNS_MOST = 4000000, /* of a round */
    TABLE_MOST = 1024,    /* places that a jump may lead to */
    SLOW_NEAR = 32,       /* instructions from an atomic one to the branch behind it */
    SLOW_FAR = 32,        /* from that branch to the call of the slow path */
};

static const struct ahead_count release = {.least = -1, .end = -1};

struct trace {
    struct ahead_counting *k;
    struct ahead_code *code;
    struct map met; /* by pc: the lowest state it was met with, packed */
    VEC(taddr) todo;
    uint32_t fn;
    unsigned depth;
    bool returns;
    int base_reg; /* a register that has an address, on the straight way; -1: none */
    taddr base;
    struct ahead_count sum;
};

/* Where a path is. */
struct state {
    int n;     /* the count, what was put off included */
    int later; /* of that: releases that were put off, which a wait for a Cond comes before; <= 0 */
};

static struct ahead_count count_of(struct ahead_counting *k, uint32_t fn, unsigned depth);

/* ---- the fast paths of package sync ---- */

static bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), k = strlen(suffix);
    return n >= k && strcmp(name + n - k, suffix) == 0;
}

static int slow_path(const struct ahead_fn *f)
{
    if (!ahead_in_sync(f))
        return 0;
    if (ends_with(f->name, ".lockSlow") || strstr(f->name, "runtime_Semacquire"))
        return 1;
    return ends_with(f->name, ".unlockSlow") || ends_with(f->name, ".rUnlockSlow") ? -1 : 0;
}

static bool is_atomic(const struct arch_op *op)
{
    return op->dst.size == 4 &&
           (op->verb == ARCH_V_COMPARE_SWAP || op->verb == ARCH_V_FETCH_ADD ||
            (op->atomic && (op->verb == ARCH_V_ADD || op->verb == ARCH_V_SUB)));
}

static uint32_t callee_of(struct ahead_code *code, const struct arch_op *op)
{
    return op->src.place == ARCH_IMMEDIATE ? ahead_fn_at(code, (taddr)op->src.value) : SNAP_NONE;
}

/* What is called first on the straight way from pc on. */
static int slow_path_from(struct ahead_code *code, taddr pc)
{
    for (unsigned n = 0; n < SLOW_FAR; n++) {
        uint32_t i = ahead_insn_at(code, pc), fn;
        if (i == SNAP_NONE)
            return 0;
        const struct arch_op op = code->insns.v[i].op;
        pc += op.len;
        if (op.verb == ARCH_V_CALL) {
            fn = callee_of(code, &op);
            return fn == SNAP_NONE ? 0 : slow_path(&code->fns.v[fn]);
        }
        if (op.verb == ARCH_V_JUMP && op.src.place == ARCH_IMMEDIATE)
            pc = (taddr)op.src.value;
        else if (op.verb == ARCH_V_JUMP || op.verb == ARCH_V_JUMP_IF || op.verb == ARCH_V_RETURN ||
                 op.verb == ARCH_V_TRAP || is_atomic(&op))
            return 0;
    }
    return 0;
}

/* +1 or -1 when an atomic instruction in front of pc is the fast path of a lock; else 0. */
static int fast_path(struct ahead_code *code, taddr pc)
{
    for (unsigned n = 0; n < SLOW_NEAR; n++) {
        uint32_t i = ahead_insn_at(code, pc);
        if (i == SNAP_NONE)
            return 0;
        const struct arch_op op = code->insns.v[i].op;
        pc += op.len;
        if (op.verb == ARCH_V_JUMP_IF) {
            int d = slow_path_from(code, pc);
            return d || op.src.place != ARCH_IMMEDIATE ? d
                                                       : slow_path_from(code, (taddr)op.src.value);
        }
        if (op.verb == ARCH_V_CALL || op.verb == ARCH_V_JUMP || op.verb == ARCH_V_RETURN)
            return 0;
    }
    return 0;
}

/* ---- a path ---- */

static int clamp(int n)
{
    return n < COUNT_LEAST ? COUNT_LEAST : n > COUNT_MOST ? COUNT_MOST : n;
}

static int least_of(int a, int b)
{
    return a < b ? a : b;
}

enum { BIAS = 1 << 10 };

static uint32_t packed(struct state at)
{
    return (uint32_t)(at.n + BIAS) << 16 | (uint32_t)(at.later + BIAS);
}

static struct state unpacked(uint32_t v)
{
    return (struct state){(int)(v >> 16) - BIAS, (int)(v & UINT16_MAX) - BIAS};
}

/* Makes the state at pc the lower of what it was and `now`; false: it was as low. */
static bool meet(struct trace *t, taddr pc, struct state *now)
{
    uint32_t was = map_get(&t->met, pc);
    struct state old = was == MAP_NONE ? *now : unpacked(was);
    now->n = least_of(old.n, now->n);
    now->later = -least_of(-old.later, -now->later);
    if (was == packed(*now))
        return false;
    map_put(&t->met, pc, packed(*now));
    return true;
}

static void reach(struct trace *t, taddr pc, struct state at)
{
    if (meet(t, pc, &at))
        vec_push(&t->todo, pc);
}

static void apply(struct trace *t, struct state *at, struct ahead_count c)
{
    t->sum.least = (int8_t)least_of(t->sum.least, clamp(at->n + c.least));
    t->sum.dip = (int8_t)least_of(t->sum.dip, clamp(at->n - at->later + c.dip));
    at->n = clamp(at->n + c.end);
}

static void leave(struct trace *t, const struct state *at)
{
    t->sum.end = (int8_t)(t->returns ? least_of(t->sum.end, at->n) : at->n);
    t->returns = true;
}

/* The function that an address is of: its code, or a constant closure, whose first word is. */
static uint32_t function_at(struct ahead_counting *k, taddr addr)
{
    struct ahead *a = k->a;
    taddr code = addr;
    if (!rt_is_go_code(a->c->rt, addr)) {
        struct ahead_val v = ahead_load(&a->mem, addr, 8);
        if (addr % 8 || !ahead_full(v) || v.own != 0xff || !rt_is_go_code(a->c->rt, v.v))
            return SNAP_NONE;
        code = v.v;
    }
    uint32_t fn = ahead_fn_at(&a->code, code);
    return fn != SNAP_NONE && a->code.fns.v[fn].entry == code ? fn : SNAP_NONE;
}

/* The address of a function that releases is as good as its call. */
static void take_address(struct trace *t, const struct arch_op *op, struct state *at)
{
    uint32_t fn = SNAP_NONE;
    if (op->verb == ARCH_V_ADDRESS && op->src.reg < 0 && op->src.index < 0)
        fn = function_at(t->k, (taddr)op->src.value);
    else if (op->verb == ARCH_V_MOVE && op->src.place == ARCH_IMMEDIATE && op->src.value > 0)
        fn = function_at(t->k, (taddr)op->src.value);
    if (fn == SNAP_NONE || fn == t->fn)
        return;
    struct ahead_count c = count_of(t->k, fn, t->depth);
    c.end = (int8_t)least_of(c.end, 0);
    apply(t, at, c);
    at->later = clamp(at->later + c.end);
}

/* False: it does not come back. */
static bool call(struct trace *t, const struct arch_op *op, struct state *at)
{
    uint32_t fn = callee_of(t->code, op);
    if (fn == SNAP_NONE)
        return true; /* through a pointer; see above */
    struct ahead_count c = count_of(t->k, fn, t->depth);
    apply(t, at, c);
    return !c.stays;
}

/* The words of a table that lies at what was last taken the address of. */
static bool jump_table(struct trace *t, const struct arch_op *op, struct state at)
{
    const struct ahead_fn f = t->code->fns.v[t->fn];
    uint64_t to;
    unsigned n = 0;
    if (op->src.place != ARCH_MEMORY || op->src.index < 0 || op->src.scale != 8 ||
        op->src.reg < 0 || op->src.reg != t->base_reg)
        return false;
    taddr table = t->base + (taddr)op->src.value;
    while (n < TABLE_MOST && ahead_peek(&t->k->a->mem, table + 8 * n, 8, &to) && to >= f.entry &&
           to < f.end) {
        reach(t, to, at);
        n++;
    }
    return n > 0;
}

/* False: the code does not go on behind it. */
static bool jump(struct trace *t, const struct arch_op *op, struct state at)
{
    const struct ahead_fn *f = &t->code->fns.v[t->fn];
    taddr to = (taddr)op->src.value;
    if (op->src.place != ARCH_IMMEDIATE) {
        if (!jump_table(t, op, at))
            apply(t, &at, release);
    } else if (to >= f->entry && to < f->end) {
        reach(t, to, at);
    } else if (call(t, op, &at)) {
        leave(t, &at);
    }
    return op->verb == ARCH_V_JUMP_IF;
}

static void note_base(struct trace *t, const struct arch_op *op)
{
    bool known = op->verb == ARCH_V_ADDRESS && op->src.reg < 0 && op->src.index < 0;
    if (op->dst.place != ARCH_REG || (!known && op->dst.reg != t->base_reg))
        return;
    t->base_reg = known ? op->dst.reg : -1;
    t->base = (taddr)op->src.value;
}

static bool one(struct trace *t, taddr pc, const struct arch_op *op, struct state *at)
{
    switch (op->verb) {
    case ARCH_V_CALL:
        return call(t, op, at);
    case ARCH_V_JUMP:
    case ARCH_V_JUMP_IF:
        return jump(t, op, *at);
    case ARCH_V_RETURN:
        leave(t, at);
        return false;
    case ARCH_V_TRAP:
        return false;
    case ARCH_V_ADDRESS:
    case ARCH_V_MOVE:
        take_address(t, op, at);
        break;
    default:
        if (is_atomic(op)) {
            int d = fast_path(t->code, pc + op->len);
            apply(t, at, (struct ahead_count){.least = (int8_t)least_of(d, 0), .end = (int8_t)d});
        }
    }
    note_base(t, op);
    return true;
}

static void follow(struct trace *t, taddr pc)
{
    struct state at = unpacked(map_get(&t->met, pc));
    t->base_reg = -1;
    for (bool on = true; on;) {
        uint32_t i = pc < t->code->fns.v[t->fn].end ? ahead_insn_at(t->code, pc) : SNAP_NONE;
        t->k->failed |= ++t->k->insns > INSNS_MOST;
        if (i == SNAP_NONE || t->k->failed) {
            apply(t, &at, release);
            return;
        }
        const struct arch_op op = t->code->insns.v[i].op;
        on = one(t, pc, &op, &at);
        pc += op.len;
        on = on && meet(t, pc, &at);
    }
}

static struct ahead_count count_from(struct ahead_counting *k, taddr pc, uint32_t fn,
                                     unsigned depth)
{
    struct trace t = {.k = k, .code = &k->a->code, .fn = fn, .depth = depth};
    reach(&t, pc, (struct state){0});
    while (t.todo.n && !k->failed)
        follow(&t, t.todo.v[--t.todo.n]);
    t.sum.stays = !t.returns;
    vec_free(&t.todo);
    map_free(&t.met);
    return t.sum;
}

/* ---- functions ---- */

/* A function of package sync or of the runtime, by its meaning; false: its code is counted. */
static bool by_meaning(const struct ahead_fn *f, struct ahead_count *ret)
{
    *ret = (struct ahead_count){0};
    switch ((enum ahead_meaning)f->meaning) {
    case AHEAD_FN_PLAIN:
        return f->runtime;
    case AHEAD_FN_ACT:
        if (f->act == AHEAD_LOCK)
            ret->end = 1;
        else if (f->act == AHEAD_UNLOCK)
            *ret = release;
        return true;
    case AHEAD_FN_COND_WAIT:
        ret->dip = -1;
        return true;
    case AHEAD_FN_DEAD:
        ret->stays = true;
        return true;
    default:
        return true;
    }
}

static bool differs(struct ahead_count a, struct ahead_count b)
{
    return a.least != b.least || a.dip != b.dip || a.end != b.end || a.stays != b.stays;
}

static struct ahead_count count_of(struct ahead_counting *k, uint32_t fn, unsigned depth)
{
    struct ahead_fn *f = &k->a->code.fns.v[fn];
    struct ahead_count c;
    if (by_meaning(f, &c))
        return c;
    if (f->count_round == k->round)
        return f->count;
    if (f->count_busy) { /* as the round before left it, at first as if it did nothing */
        f->count_asked = true;
        return f->count;
    }
    if (depth >= DEPTH_MOST) {
        k->failed = true;
        return release;
    }
    f->count_busy = true;
    f->count_asked = false;
    c = count_from(k, f->entry, fn, depth + 1);
    f = &k->a->code.fns.v[fn]; /* it may have moved */
    k->changed |= f->count_asked && differs(c, f->count);
    f->count_busy = false;
    f->count_round = k->round;
    f->count = c;
    return c;
}

struct ahead_count ahead_count_code(struct ahead_counting *k, taddr code)
{
    uint32_t fn = ahead_fn_at(&k->a->code, code);
    return fn == SNAP_NONE || k->a->code.fns.v[fn].entry != code ? release : count_of(k, fn, 0);
}

/* ---- a goroutine ---- */

static struct ahead_count count_place(struct ahead_counting *k, const struct ahead_frame *f)
{
    bool added;
    uint32_t i = map_get_or_put(&k->place, f->pc << 1 | f->exact, (uint32_t)k->counts.n, &added);
    if (added) {
        struct ahead_count c = count_from(k, f->pc, f->fn, 0);
        vec_push(&k->counts, c);
    }
    return k->counts.v[i];
}

/* A frame of package sync that was called for what its name says; false: it is on its way to
 * release. */
static bool sync_frame(const struct ahead_fn *fn, int *n)
{
    *n += fn->meaning == AHEAD_FN_COND_WAIT; /* it will have its lock again */
    return !(fn->meaning == AHEAD_FN_ACT && fn->act == AHEAD_UNLOCK) &&
           !ends_with(fn->name, "nlockSlow");
}

/* By how much its frames release more than they take, at the most; COUNT_MOST: not known. */
static int frames_release(struct ahead_counting *k, const struct ahead_goroutine *ag)
{
    int n = ag->in_lock && ag->in_lock != AHEAD_IN_GROUP, least = 0;
    for (size_t i = 0; i < ag->frames.n; i++) {
        const struct ahead_frame *f = &ag->frames.v[i];
        const struct ahead_fn *fn = &k->a->code.fns.v[f->fn];
        if (f->dead || fn->runtime)
            continue; /* deferred calls are looked at apart */
        if (fn->meaning != AHEAD_FN_PLAIN) {
            if (ahead_in_sync(fn) && !sync_frame(fn, &n))
                return COUNT_MOST;
            continue;
        }
        struct ahead_count c = count_place(k, f);
        least = least_of(least, least_of(n + c.least, n + c.dip));
        if (c.stays)
            break; /* it comes no further out than this */
        n += c.end;
    }
    return -least;
}

static bool releases(struct ahead_count c)
{
    return c.least < 0 || c.dip < 0;
}

static bool defers_have_none(struct ahead_counting *k, const struct goroutine *g,
                             const struct ahead_goroutine *ag)
{
    struct ahead *a = k->a;
    struct ahead_pending p;
    taddr open[8];
    uint64_t code;
    p.n = ahead_defer_list(a, &g->g, p.v, AHEAD_PENDING);
    if (p.n == AHEAD_PENDING)
        return false;
    for (size_t i = 0; i < p.n; i++)
        if (!ahead_peek(&a->mem, p.v[i].fn, 8, &code) || releases(ahead_count_code(k, code)))
            return false;
    for (size_t i = 0; i < ag->frames.n; i++) {
        size_t n = ahead_open_of(a, &ag->frames.v[i], open);
        for (size_t d = 0; d < n; d++)
            if (!ahead_peek(&a->mem, open[d], 8, &code) || releases(ahead_count_code(k, code)))
                return false;
    }
    return true;
}

bool ahead_count_goroutine(struct ahead_counting *k, const struct goroutine *g, bool defers_open,
                           unsigned known)
{
    struct ahead_goroutine ag = {0};
    ahead_walk(k->a, g, &ag, AHEAD_FRAMES);
    bool none = !(ag.flags & SNAP_AH_STACK) && frames_release(k, &ag) <= (int)known &&
                (!defers_open || defers_have_none(k, g, &ag));
    vec_free(&ag.frames);
    return none && !k->failed;
}

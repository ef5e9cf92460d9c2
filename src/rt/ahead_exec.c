/* ahead_exec.c - follows code ahead of a frame, over memory that stands still.
 *
 * A value is known or not, byte by byte.  A branch that depends on what is not known is taken both
 * ways; one that depends on memory which others may change is taken the way memory says now, and
 * later the other way, too: such paths are called astray.  What leads to a panic, to a bigger stack
 * or into a write barrier is not followed when the values do not force it.
 *
 * Paths are followed one after the other, depth first: what a branch needs to be taken the other
 * way later is a copy of the registers and a mark in the list of writes.  A place that was met
 * several times with the same events behind it is not followed again, which ends loops.
 *
 * Events are what a call means (ahead_calls.c), and what inlined fast paths of package sync do:
 * an atomic -1 of 4 bytes releases (Mutex.Unlock, RWMutex.RUnlock), +1 and a swap of 0 for 1 take.
 * Other atomic counters look the same; nobody waits at their addresses. */
#include "rt/ahead_int.h"

enum { SEEN_FORK = 1, SEEN_LOOP = 2, SEEN_KNOWN = 200 }; /* how often a place is followed again */

static const struct ahead_val unknown;

static struct ahead_val constant(uint64_t v)
{
    return (struct ahead_val){v, 0xff, 0xff};
}

static uint64_t mask_of(size_t n)
{
    return n < 8 ? (UINT64_C(1) << 8 * n) - 1 : UINT64_MAX;
}

static uint8_t bytes_of(size_t n)
{
    return n < 8 ? (uint8_t)((1u << n) - 1) : 0xff;
}

static bool has(struct ahead_val v, size_t n)
{
    return (v.known & bytes_of(n)) == bytes_of(n);
}

static bool is_own(struct ahead_val v, size_t n)
{
    return (v.own & bytes_of(n)) == bytes_of(n);
}

/* A value of n bytes made from others. */
static struct ahead_val made(uint64_t v, size_t n, bool own)
{
    return (struct ahead_val){v & mask_of(n), 0xff, own ? 0xff : (uint8_t)~bytes_of(n)};
}

/* ---- operands ---- */

static struct ahead_val reg(const struct ahead *a, int n)
{
    return n >= 0 && n < ARCH_REGS ? a->p.reg[n] : unknown;
}

static struct ahead_val address(const struct ahead *a, const struct arch_operand *o)
{
    struct ahead_val v = constant((uint64_t)o->value);
    if (o->place != ARCH_MEMORY)
        return unknown;
    if (o->reg >= 0) {
        struct ahead_val b = reg(a, o->reg);
        v.v += b.v;
        v.known &= b.known == 0xff ? 0xff : 0;
        v.own &= b.own == 0xff ? 0xff : 0;
    }
    if (o->index >= 0) {
        struct ahead_val x = reg(a, o->index);
        v.v += x.v * o->scale;
        v.known &= x.known == 0xff ? 0xff : 0;
        v.own &= x.own == 0xff ? 0xff : 0;
    }
    return v;
}

/* The low min(size, 8) bytes of an operand. */
static struct ahead_val get(struct ahead *a, const struct arch_operand *o)
{
    size_t n = min_u64(o->size, 8);
    struct ahead_val v = unknown;
    switch (o->place) {
    case ARCH_IMMEDIATE: /* sign-extended to whatever size it is used in */
        return constant((uint64_t)o->value);
    case ARCH_REG:
        v = reg(a, o->reg);
        break;
    case ARCH_VECTOR:
        v = o->reg >= 0 && o->reg < ARCH_VECTORS ? a->p.vec[o->reg][0] : unknown;
        break;
    case ARCH_MEMORY: {
        struct ahead_val at = address(a, o);
        if (!ahead_full(at))
            return unknown;
        v = ahead_load(&a->mem, at.v, n);
        v.own &= at.own;
        return v;
    }
    default:
        return unknown;
    }
    v.v &= mask_of(n);
    v.known &= bytes_of(n);
    v.own &= bytes_of(n);
    return v;
}

static void store(struct ahead *a, struct ahead_val at, size_t n, struct ahead_val v)
{
    if (ahead_full(at) && !ahead_store(&a->mem, at.v, n, v))
        a->cut_all = true; /* full: what is read from now on may be old */
}

static void put_reg(struct ahead *a, int r, size_t n, struct ahead_val v)
{
    if (r < 0 || r >= ARCH_REGS)
        return;
    struct ahead_val *d = &a->p.reg[r];
    uint8_t bytes = bytes_of(n);
    if (n >= 4) { /* the upper half becomes 0 */
        d->v = v.v & mask_of(n);
        d->known = (uint8_t)((v.known & bytes) | (uint8_t)~bytes);
        d->own = (uint8_t)((v.own & bytes) | (uint8_t)~bytes);
        return;
    }
    d->v = (d->v & ~mask_of(n)) | (v.v & mask_of(n));
    d->known = (uint8_t)((d->known & (uint8_t)~bytes) | (v.known & bytes));
    d->own = (uint8_t)((d->own & (uint8_t)~bytes) | (v.own & bytes));
}

static void put(struct ahead *a, const struct arch_operand *o, struct ahead_val v)
{
    size_t n = o->size;
    if (o->place == ARCH_REG) {
        put_reg(a, o->reg, n, v);
    } else if (o->place == ARCH_VECTOR && o->reg >= 0 && o->reg < ARCH_VECTORS) {
        a->p.vec[o->reg][0] = v;
        a->p.vec[o->reg][1] = constant(0);
    } else if (o->place == ARCH_MEMORY) {
        struct ahead_val at = address(a, o);
        for (size_t i = 0; i < n; i += 8)
            store(a, (struct ahead_val){at.v + i, at.known, at.own}, min_u64(n - i, 8),
                  i ? unknown : v);
    }
}

static void clobber(struct ahead *a, uint32_t regs, uint32_t vectors)
{
    for (int i = 0; i < ARCH_REGS; i++)
        if (regs >> i & 1)
            a->p.reg[i] = unknown;
    for (int i = 0; i < ARCH_VECTORS; i++)
        if (vectors >> i & 1)
            a->p.vec[i][0] = a->p.vec[i][1] = unknown;
}

void ahead_forget_call(struct ahead *a)
{
    const struct arch_abi *abi = a->code.arch->abi;
    clobber(a, ~abi->survives, ~(UINT32_C(1) << abi->zero));
    a->p.flags.kind = AHEAD_F_UNKNOWN;
}

/* ---- events ---- */

enum family { FAMILY_LOCK = AHEAD_LOCK, FAMILY_GROUP = AHEAD_ADD };

static uint8_t family_of(uint8_t act)
{
    if (act <= AHEAD_UNLOCK)
        return FAMILY_LOCK;
    return act == AHEAD_DONE ? FAMILY_GROUP : act;
}

void ahead_event(struct ahead *a, enum ahead_act act, struct ahead_val addr, int64_t off)
{
    struct ahead_event ev = {.act = (uint8_t)act,
                             .known = ahead_full(addr),
                             .spawned = a->p.spawned != 0,
                             .addr = addr.v + (uint64_t)off,
                             .pc = a->p.pc};
    unsigned same = 0;
    if (!ev.known) {
        a->r.unknown_unlock |= act == AHEAD_UNLOCK;
        return;
    }
    if (ahead_is_new(ev.addr) || (a->wanted && !ahead_is_wanted(a->wanted, act, ev.addr)))
        return;
    for (unsigned i = 0; i < a->p.nevents; i++)
        same += a->events[i].addr == ev.addr && family_of(a->events[i].act) == family_of(ev.act);
    if (same >= (family_of(ev.act) == FAMILY_LOCK ? 2 : 1)) /* what comes later decides nothing */
        return;
    if (a->p.nevents == AHEAD_EVENTS) {
        a->cut_all = true;
        return;
    }
    a->events[a->p.nevents++] = ev;
    a->p.hash = hash_u64(a->p.hash ^ ev.addr ^ (uint64_t)act << 58);
}

/* ---- the end of a path ---- */

static bool is_release(uint8_t act)
{
    return act != AHEAD_LOCK && act != AHEAD_TRY && act != AHEAD_ADD;
}

static struct ahead_tally *tally_of(struct ahead *a, const struct ahead_event *ev)
{
    uint8_t family = family_of(ev->act);
    for (size_t i = a->r.first; i < a->tallies.n; i++)
        if (a->tallies.v[i].addr == ev->addr && a->tallies.v[i].family == family)
            return &a->tallies.v[i];
    struct ahead_tally t = {.addr = ev->addr, .family = family, .act = ev->act};
    vec_push(&a->tallies, t);
    return vec_last(&a->tallies);
}

static void count_event(struct ahead *a, unsigned i, bool ended)
{
    const struct ahead_event *ev = &a->events[i], *next = NULL;
    uint8_t family = family_of(ev->act);
    for (unsigned k = 0; k < i; k++)
        if (a->events[k].addr == ev->addr && family_of(a->events[k].act) == family)
            return; /* it was not the first */
    for (unsigned k = i + 1; !next && k < a->p.nevents; k++)
        if (a->events[k].addr == ev->addr && family_of(a->events[k].act) == family)
            next = &a->events[k];
    struct ahead_tally *t = tally_of(a, ev);
    t->first |= (uint16_t)(1u << ev->act);
    if (!is_release(ev->act))
        return;
    t->twice |= next && next->act == ev->act;
    if (!t->pc || (!a->p.astray && !t->sober)) {
        t->pc = ev->pc;
        t->act = ev->act;
    }
    t->here |= !ev->spawned;
    t->all += ended;
    t->sober += ended && !a->p.astray;
}

static void end_path(struct ahead *a, bool ended)
{
    a->r.ended += ended;
    a->r.sober += ended && !a->p.astray;
    a->r.cut += !ended;
    for (unsigned i = 0; i < a->p.nevents; i++)
        count_event(a, i, ended);
}

/* ---- places met before ---- */

/* Counts that this was met; how often before. */
static unsigned met(struct ahead *a, uint64_t key)
{
    size_t i = hash_u64(key) & (AHEAD_SEEN - 1);
    while (a->seen[i].round == a->round && a->seen[i].key != key)
        i = (i + 1) & (AHEAD_SEEN - 1);
    if (a->seen[i].round != a->round) {
        if (a->nseen >= AHEAD_SEEN / 2)
            return UINT32_MAX;
        a->seen[i] = (struct ahead_seen){key, a->round, 0};
        a->nseen++;
    }
    return a->seen[i].n++;
}

static uint64_t key_of(const struct ahead *a, taddr pc, unsigned what)
{
    return a->p.hash ^ hash_u64(pc << 2 | what) ^
           a->p.reg[a->code.arch->sp].v * 0x9e3779b97f4a7c15ull;
}

/* ---- conditions ---- */

static bool zero_cond(uint8_t cond, uint64_t v, size_t n, int *ret)
{
    bool zero = !(v & mask_of(n)), neg = v >> (8 * n - 1) & 1;
    switch (cond) {
    case ARCH_IF_EQ:
        *ret = zero;
        return true;
    case ARCH_IF_NE:
        *ret = !zero;
        return true;
    case ARCH_IF_NEGATIVE:
        *ret = neg;
        return true;
    case ARCH_IF_NOT_NEGATIVE:
        *ret = !neg;
        return true;
    default:
        return false;
    }
}

static int64_t extend(uint64_t v, size_t n)
{
    unsigned shift = (unsigned)(64 - 8 * n);
    return (int64_t)(v << shift) >> shift;
}

static int compare_cond(uint8_t cond, uint64_t x, uint64_t y, size_t n)
{
    int64_t sx = extend(x, n), sy = extend(y, n);
    int r;
    x &= mask_of(n);
    y &= mask_of(n);
    switch (cond) {
    case ARCH_IF_BELOW:
        return x < y;
    case ARCH_IF_AT_LEAST:
        return x >= y;
    case ARCH_IF_ABOVE:
        return x > y;
    case ARCH_IF_AT_MOST:
        return x <= y;
    case ARCH_IF_LESS:
        return sx < sy;
    case ARCH_IF_NOT_LESS:
        return sx >= sy;
    case ARCH_IF_GREATER:
        return sx > sy;
    case ARCH_IF_NOT_GREATER:
        return sx <= sy;
    default:
        return zero_cond(cond, x - y, n, &r) ? r : -1;
    }
}

/* 0, 1, or -1: not known.  *own: nobody else can change what decides. */
static int condition(const struct ahead *a, uint8_t cond, bool *own)
{
    const struct ahead_flags *f = &a->p.flags;
    size_t n = f->size;
    int r;
    *own = false;
    if (f->kind == AHEAD_F_UNKNOWN || !n || n > 8 || !has(f->a, n) || !has(f->b, n))
        return -1;
    *own = is_own(f->a, n) && is_own(f->b, n);
    switch (f->kind) {
    case AHEAD_F_COMPARE:
        return compare_cond(cond, f->a.v, f->b.v, n);
    case AHEAD_F_BIT:
        if (cond != ARCH_IF_BELOW && cond != ARCH_IF_AT_LEAST)
            return -1;
        return (int)(f->a.v >> (f->b.v & (8 * n - 1)) & 1) ^ (cond == ARCH_IF_AT_LEAST);
    default: /* a result: as if compared with 0 where the flags of that do not differ */
        if (cond == ARCH_IF_LESS || cond == ARCH_IF_NOT_LESS || cond == ARCH_IF_GREATER ||
            cond == ARCH_IF_NOT_GREATER)
            return f->b.v ? compare_cond(cond, f->a.v, 0, n) : -1;
        return zero_cond(cond, f->a.v, n, &r) ? r : -1;
    }
}

/* Flags of a result; `logic`: of one that cannot overflow. */
static void set_result_flags(struct ahead *a, struct ahead_val v, size_t n, bool logic)
{
    a->p.flags = (struct ahead_flags){
        .kind = AHEAD_F_RESULT, .size = (uint8_t)n, .a = v, .b = constant(logic)};
}

/* ---- arithmetic ---- */

static uint64_t compute(uint8_t verb, uint64_t x, uint64_t y, size_t n)
{
    unsigned bits = (unsigned)(8 * n), shift = (unsigned)(y & (n == 8 ? 63 : 31));
    switch (verb) {
    case ARCH_V_ADD:
        return x + y;
    case ARCH_V_SUB:
        return x - y;
    case ARCH_V_AND:
        return x & y;
    case ARCH_V_OR:
        return x | y;
    case ARCH_V_XOR:
        return x ^ y;
    case ARCH_V_SHL:
        return x << shift;
    case ARCH_V_SHR:
        return (x & mask_of(n)) >> shift;
    case ARCH_V_SAR:
        return (uint64_t)(extend(x, n) >> (shift < bits ? shift : bits - 1));
    case ARCH_V_MUL:
        return x * y;
    default:
        return 0;
    }
}

static bool is_zeroing(const struct arch_op *o)
{
    return (o->verb == ARCH_V_XOR || o->verb == ARCH_V_SUB) && o->dst.place == ARCH_REG &&
           o->src.place == ARCH_REG && o->dst.reg == o->src.reg;
}

static void atomic_event(struct ahead *a, const struct arch_op *o, struct ahead_val by)
{
    if (o->dst.size == 4 && has(by, 4)) {
        if ((uint32_t)by.v == UINT32_MAX)
            ahead_event(a, AHEAD_UNLOCK, address(a, &o->dst), 0);
        else if (by.v == 1)
            ahead_event(a, AHEAD_LOCK, address(a, &o->dst), 0);
    } else if (o->dst.size == 8 && has(by, 8) && by.v == UINT64_C(0xffffffff00000000)) {
        ahead_event(a, AHEAD_DONE, address(a, &o->dst), 0); /* WaitGroup.Add(-1) */
    }
}

static void arithmetic(struct ahead *a, const struct arch_op *o)
{
    size_t n = o->dst.size;
    bool three = o->other.place != ARCH_NOWHERE;
    struct ahead_val x = get(a, three ? &o->src : &o->dst), y = get(a, three ? &o->other : &o->src);
    struct ahead_val v = unknown;
    size_t ny = min_u64(three ? o->other.size : o->src.size, n);
    bool logic = o->verb == ARCH_V_AND || o->verb == ARCH_V_OR || o->verb == ARCH_V_XOR;
    if (o->atomic && o->verb == ARCH_V_ADD)
        atomic_event(a, o, y);
    else if (o->atomic && o->verb == ARCH_V_SUB && o->src.place == ARCH_IMMEDIATE)
        atomic_event(a, o, made(-y.v, n, true));
    if (n > 8) {
        put(a, &o->dst, unknown);
        a->p.flags.kind = AHEAD_F_UNKNOWN;
        return;
    }
    if (is_zeroing(o))
        v = constant(0);
    else if (has(x, n) && has(y, ny))
        v = made(compute(o->verb, x.v, y.v, n), n, is_own(x, n) && is_own(y, ny));
    else if (o->verb == ARCH_V_AND && has(y, n) && !y.v)
        v = constant(0);
    if (o->atomic)
        v = unknown;
    put(a, &o->dst, v);
    if (o->verb == ARCH_V_SUB && !o->atomic)
        a->p.flags =
            (struct ahead_flags){.kind = AHEAD_F_COMPARE, .size = (uint8_t)n, .a = x, .b = y};
    else if (o->flags)
        set_result_flags(a, v, n, logic);
}

static void move(struct ahead *a, const struct arch_op *o)
{
    bool wide = o->dst.size == 16 && o->src.size == 16;
    struct ahead_val low = get(a, &o->src), high = unknown;
    if (o->verb == ARCH_V_MOVE_SIGNED) {
        size_t n = o->src.size;
        bool ok = n <= 8 && has(low, n);
        low = ok ? made((uint64_t)extend(low.v, n), 8, is_own(low, n)) : unknown;
    } else if (o->src.size < 8 && o->dst.size > o->src.size && low.known) {
        low.known |= (uint8_t)~bytes_of(o->src.size); /* zero-extended */
        low.own |= (uint8_t)~bytes_of(o->src.size);
    }
    if (!wide) {
        put(a, &o->dst, low);
        return;
    }
    if (o->src.place == ARCH_VECTOR && o->src.reg >= 0 && o->src.reg < ARCH_VECTORS) {
        high = a->p.vec[o->src.reg][1];
    } else if (o->src.place == ARCH_MEMORY) {
        struct ahead_val at = address(a, &o->src);
        high = ahead_full(at) ? ahead_load(&a->mem, at.v + 8, 8) : unknown;
    }
    put(a, &o->dst, low);
    if (o->dst.place == ARCH_VECTOR && o->dst.reg >= 0 && o->dst.reg < ARCH_VECTORS) {
        a->p.vec[o->dst.reg][1] = high;
    } else if (o->dst.place == ARCH_MEMORY) {
        struct ahead_val at = address(a, &o->dst);
        at.v += 8;
        store(a, at, 8, high);
    }
}

static void unary(struct ahead *a, const struct arch_op *o)
{
    size_t n = min_u64(o->dst.size, 8);
    struct ahead_val v = get(a, &o->dst);
    if (has(v, n))
        v = made(o->verb == ARCH_V_NEG ? -v.v : ~v.v, n, is_own(v, n));
    else
        v = unknown;
    put(a, &o->dst, v);
    if (o->flags)
        set_result_flags(a, v, n, false);
}

/* Atomic exchange of any kind: what comes out depends on others. */
static void exchange(struct ahead *a, const struct arch_op *o)
{
    if (o->verb == ARCH_V_COMPARE_SWAP) {
        struct ahead_val to = get(a, &o->src), from = ahead_arg(a, 0);
        if (o->dst.size == 4 && has(to, 4) && to.v == 1 && has(from, 4) && !(uint32_t)from.v)
            ahead_event(a, AHEAD_LOCK, address(a, &o->dst), 0);
        a->p.reg[a->code.arch->go_args[0]] = unknown;
    } else if (o->verb == ARCH_V_FETCH_ADD) {
        atomic_event(a, o, get(a, &o->src));
        put(a, &o->src, unknown);
    } else {
        struct ahead_val x = get(a, &o->dst), y = get(a, &o->src);
        bool regs = o->dst.place == ARCH_REG && o->src.place == ARCH_REG;
        put(a, &o->src, regs ? x : unknown);
        put(a, &o->dst, regs ? y : unknown);
        return;
    }
    put(a, &o->dst, unknown);
    a->p.flags.kind = AHEAD_F_UNKNOWN;
}

static void set_if(struct ahead *a, const struct arch_op *o)
{
    bool own;
    int c = condition(a, o->cond, &own);
    if (o->verb == ARCH_V_SET_IF)
        put(a, &o->dst, c < 0 ? unknown : made((uint64_t)c, o->dst.size, own));
    else if (c < 0)
        put(a, &o->dst, unknown);
    else {
        struct ahead_val v = get(a, c ? &o->src : &o->dst);
        if (!own)
            v.own = 0;
        put(a, &o->dst, v);
    }
}

/* ---- the stack ---- */

static bool push(struct ahead *a, struct ahead_val v)
{
    struct ahead_val *sp = &a->p.reg[a->code.arch->sp];
    if (!ahead_full(*sp))
        return false;
    sp->v -= 8;
    store(a, *sp, 8, v);
    return true;
}

static bool pop(struct ahead *a, struct ahead_val *ret)
{
    struct ahead_val *sp = &a->p.reg[a->code.arch->sp];
    if (!ahead_full(*sp))
        return false;
    *ret = ahead_load(&a->mem, sp->v, 8);
    sp->v += 8;
    return true;
}

/* ---- control ---- */

enum step { STEP_ON, STEP_ENDED, STEP_CUT, STEP_DROPPED };

static void go(struct ahead *a, taddr pc)
{
    a->p.pc = pc;
    a->p.insn = SNAP_NONE;
}

/* To the next instruction, or where the direct jump of the moment leads: as looked up before. */
static void go_next(struct ahead *a, taddr pc)
{
    uint32_t next = a->code.insns.v[a->p.insn].next;
    a->p.pc = pc;
    a->p.insn = next ? next - 1 : SNAP_NONE;
}

static void go_target(struct ahead *a, taddr pc)
{
    struct ahead_insn *in = &a->code.insns.v[a->p.insn];
    if (!in->target) {
        const struct ahead_fn *f = &a->code.fns.v[a->p.fn];
        uint32_t number = a->p.insn;
        uint32_t i = pc >= f->entry && pc < f->end ? ahead_insn_at(&a->code, pc) : SNAP_NONE;
        in = &a->code.insns.v[number];
        in->target = i + 1; /* SNAP_NONE becomes 0 */
    }
    a->p.pc = pc;
    a->p.insn = in->target ? in->target - 1 : SNAP_NONE;
}

/* Gives up a call that was to be followed only for its value: as if it had not been looked into. */
static enum step give_up_pure(struct ahead *a)
{
    ahead_rollback(&a->mem, a->pure.mark);
    a->p = a->pure_path;
    a->pure.on = false;
    ahead_forget_call(a);
    go(a, a->pure.ret);
    return STEP_ON;
}

static enum step do_return(struct ahead *a)
{
    struct ahead_val sp = a->p.reg[a->code.arch->sp], to;
    if (!ahead_full(sp))
        return STEP_CUT;
    if (!a->p.depth)
        return sp.v == a->end ? STEP_ENDED : STEP_CUT;
    if (!pop(a, &to))
        return STEP_CUT;
    const struct ahead_call *c = &a->p.calls[--a->p.depth];
    if (!ahead_full(to) || to.v != c->ret)
        return STEP_CUT;
    if (a->p.spawned > a->p.depth) {
        a->p.spawned = 0;
        ahead_forget_call(a);
    }
    if (a->pure.on && a->p.depth == a->pure.depth)
        a->pure.on = false;
    a->p.fn = c->fn;
    go(a, c->ret);
    return STEP_ON;
}

/* Enters what ahead_call() put into pc. */
static enum step enter(struct ahead *a, taddr ret, bool pushes)
{
    uint32_t fn = ahead_fn_at(&a->code, a->p.pc);
    if (a->p.depth >= ARRAY_LEN(a->p.calls) || fn == SNAP_NONE)
        return STEP_CUT;
    if (pushes) {
        if (!push(a, constant(ret)))
            return STEP_CUT;
        a->p.calls[a->p.depth++] = (struct ahead_call){.ret = ret, .fn = a->p.fn};
    }
    a->p.fn = fn;
    go(a, a->p.pc);
    return STEP_ON;
}

static enum step do_call(struct ahead *a, const struct arch_op *o, bool tail)
{
    struct ahead_val to = get(a, &o->src);
    taddr at = a->p.pc, ret = at + o->len;
    uint32_t fn = ahead_full(to) ? ahead_fn_at(&a->code, to.v) : SNAP_NONE;
    if (fn == SNAP_NONE) {
        if (a->pure.on)
            return give_up_pure(a);
        a->r.unknown_call = true;
        ahead_forget_call(a);
        if (tail)
            return do_return(a);
        go(a, ret);
        return STEP_ON;
    }
    if (a->code.fns.v[fn].meaning == AHEAD_FN_DEFER_RUN)
        ret = at; /* once more, until none is left */
    bool was_pure = a->pure.on;
    switch (ahead_call(a, fn, to.v, ret)) {
    case AHEAD_ENDED:
        return was_pure ? give_up_pure(a) : STEP_DROPPED;
    case AHEAD_ENTER:
        if (tail && !was_pure && a->pure.on) { /* nobody is left to give up to */
            a->pure.on = false;
        }
        return enter(a, ret, !tail);
    default:
        if (tail)
            return do_return(a);
        go(a, at + o->len);
        return STEP_ON;
    }
}

static enum step do_jump(struct ahead *a, const struct arch_op *o)
{
    struct ahead_val to = get(a, &o->src);
    const struct ahead_fn *f = &a->code.fns.v[a->p.fn];
    if (!ahead_full(to))
        return a->pure.on ? give_up_pure(a) : STEP_CUT;
    if (to.v < f->entry || to.v >= f->end)
        return do_call(a, o, true);
    if (to.v <= a->p.pc && met(a, key_of(a, to.v, 0)) > (a->pure.on ? SEEN_KNOWN : SEEN_LOOP))
        return a->pure.on ? give_up_pure(a) : STEP_DROPPED;
    o->src.place == ARCH_IMMEDIATE ? go_target(a, to.v) : go(a, to.v);
    return STEP_ON;
}

void ahead_remember(struct ahead *a, taddr pc, bool astray)
{
    if (a->forks.n >= AHEAD_FORKS) {
        a->r.cut++;
        return;
    }
    struct ahead_fork *f;
    vec_reserve(&a->forks, a->forks.n + 1);
    f = &a->forks.v[a->forks.n++];
    f->path = a->p;
    f->path.pc = pc;
    f->path.insn = SNAP_NONE;
    f->path.astray = (uint8_t)(f->path.astray + (astray && f->path.astray < UINT8_MAX));
    f->mark = ahead_mark(&a->mem);
}

static enum step do_branch(struct ahead *a, const struct arch_op *o)
{
    bool own;
    int c = condition(a, o->cond, &own);
    taddr at = a->p.pc, next = at + o->len, target = (taddr)o->src.value;
    if (c < 0 || !own) {
        enum ahead_detour d = ahead_detour_of(&a->code, a->p.insn);
        if (d != AHEAD_DETOUR_NONE) {
            d == AHEAD_DETOUR_NEXT ? go_target(a, target) : go_next(a, next);
            return STEP_ON;
        }
    }
    if (c < 0 && a->pure.on)
        return give_up_pure(a);
    if (c < 0 || (!own && !a->pure.on)) {
        if (met(a, key_of(a, at, 1)) > SEEN_FORK)
            return STEP_DROPPED;
        ahead_remember(a, c > 0 ? next : target, c >= 0);
    } else if (c > 0 && met(a, key_of(a, at, 2)) > SEEN_KNOWN) {
        return a->pure.on ? give_up_pure(a) : STEP_DROPPED;
    }
    c > 0 ? go_target(a, target) : go_next(a, next);
    return STEP_ON;
}

/* ---- one instruction ---- */

static enum step simple(struct ahead *a, const struct arch_op *o)
{
    switch (o->verb) {
    case ARCH_V_NOTHING:
        break;
    case ARCH_V_MOVE:
    case ARCH_V_MOVE_SIGNED:
        move(a, o);
        break;
    case ARCH_V_ADDRESS:
        put(a, &o->dst, address(a, &o->src));
        break;
    case ARCH_V_NEG:
    case ARCH_V_NOT:
        unary(a, o);
        break;
    case ARCH_V_COMPARE:
    case ARCH_V_BIT:
        a->p.flags =
            (struct ahead_flags){.kind = o->verb == ARCH_V_BIT ? AHEAD_F_BIT : AHEAD_F_COMPARE,
                                 .size = o->dst.size,
                                 .a = get(a, &o->dst),
                                 .b = get(a, &o->src)};
        break;
    case ARCH_V_TEST: {
        struct ahead_val x = get(a, &o->dst), y = get(a, &o->src);
        struct ahead_val v = {x.v & y.v, x.known & y.known, x.own & y.own};
        set_result_flags(a, v, o->dst.size, true);
        break;
    }
    case ARCH_V_FETCH_ADD:
    case ARCH_V_COMPARE_SWAP:
    case ARCH_V_EXCHANGE:
        exchange(a, o);
        break;
    case ARCH_V_SET_IF:
    case ARCH_V_MOVE_IF:
        set_if(a, o);
        break;
    case ARCH_V_OPAQUE:
        put(a, &o->dst, unknown);
        if (o->flags)
            a->p.flags.kind = AHEAD_F_UNKNOWN;
        break;
    default:
        arithmetic(a, o);
    }
    if (o->clobbers | o->vector_clobbers)
        clobber(a, o->clobbers, o->vector_clobbers);
    return STEP_ON;
}

static enum step step(struct ahead *a, const struct arch_op *o)
{
    struct ahead_val v;
    switch (o->verb) {
    case ARCH_V_CALL:
        return do_call(a, o, false);
    case ARCH_V_JUMP:
        return do_jump(a, o);
    case ARCH_V_JUMP_IF:
        return do_branch(a, o);
    case ARCH_V_RETURN:
        return do_return(a);
    case ARCH_V_TRAP:
        return a->pure.on ? give_up_pure(a) : STEP_DROPPED;
    case ARCH_V_PUSH:
        if (!push(a, get(a, &o->src)))
            return STEP_CUT;
        break;
    case ARCH_V_POP:
        if (!pop(a, &v))
            return STEP_CUT;
        put(a, &o->dst, v);
        if (o->flags)
            a->p.flags.kind = AHEAD_F_UNKNOWN;
        break;
    default:
        simple(a, o);
    }
    a->p.pc += o->len;
    struct ahead_insn *in = &a->code.insns.v[a->p.insn];
    a->p.insn = in->next ? in->next - 1 : SNAP_NONE;
    return STEP_ON;
}

/* Makes p.insn the number of the instruction at p.pc; false: there is none. */
static bool fetch(struct ahead *a, uint32_t before)
{
    if (a->p.insn != SNAP_NONE)
        return true;
    const struct ahead_fn *f = &a->code.fns.v[a->p.fn];
    if (a->p.pc < f->entry || a->p.pc >= f->end)
        return false;
    a->p.insn = ahead_insn_at(&a->code, a->p.pc);
    if (a->p.insn == SNAP_NONE)
        return false;
    if (before != SNAP_NONE) {
        struct ahead_insn *in = &a->code.insns.v[before];
        if (in->pc + in->op.len == a->p.pc && in->op.verb != ARCH_V_RETURN)
            in->next = a->p.insn + 1;
    }
    return true;
}

static enum step follow_path(struct ahead *a)
{
    uint32_t before = SNAP_NONE;
    enum step s = STEP_ON;
    while (s == STEP_ON) {
        if (a->steps >= AHEAD_STEPS || !a->left || a->cut_all)
            return STEP_CUT;
        if (a->pure.on && a->steps - a->pure.steps > AHEAD_PURE_STEPS) {
            give_up_pure(a);
            before = SNAP_NONE;
            continue;
        }
        a->steps++;
        a->left--;
        if (!fetch(a, before)) {
            if (!a->pure.on)
                return STEP_CUT;
            give_up_pure(a);
            before = SNAP_NONE;
            continue;
        }
        before = a->p.insn;
        struct arch_op o = a->code.insns.v[a->p.insn].op;
        s = step(a, &o);
        if (a->pure.on && s != STEP_ON)
            s = give_up_pure(a);
    }
    return s;
}

/* ---- a frame ---- */

static void prepare(struct ahead *a, const struct ahead_start *s)
{
    const struct arch_abi *abi = a->code.arch->abi;
    memset(&a->p, 0, sizeof(a->p));
    for (int i = 0; s->regs && i < ARCH_REGS; i++)
        if (s->regs_known >> i & 1)
            a->p.reg[i] = constant(s->regs[i]);
    a->p.reg[a->code.arch->sp] = constant(s->sp);
    a->p.reg[abi->g] = constant(s->g);
    if (!s->regs && s->end > s->sp)
        a->p.reg[abi->fp] = constant(s->end - 8);
    if (s->context)
        a->p.reg[abi->context] = constant(s->context);
    a->p.vec[abi->zero][0] = a->p.vec[abi->zero][1] = constant(0);
    a->p.fn = ahead_fn_at(&a->code, s->pc);
    go(a, s->pc);
    if (s->interrupted) {
        a->p.calls[0] =
            (struct ahead_call){.ret = s->interrupted, .fn = ahead_fn_at(&a->code, s->interrupted)};
        a->p.depth = 1;
    }
    for (size_t i = 0; i < s->ndefers && i < AHEAD_DEFERS; i++)
        a->p.defers[a->p.ndefers++] = s->defers[i];
    if (!++a->round) { /* the numbers begin again */
        memset(a->seen, 0, AHEAD_SEEN * sizeof(*a->seen));
        a->round = 1;
    }
    a->nseen = a->steps = 0;
    a->next_new = AHEAD_NEW;
    a->end = s->end;
    a->cut_all = false;
    a->pure.on = false;
    a->forks.n = 0;
    a->r = (struct ahead_result){.first = a->tallies.n};
}

static void follow_paths(struct ahead *a, const struct ahead_start *s)
{
    prepare(a, s);
    if (a->p.fn == SNAP_NONE || (s->interrupted && a->p.calls[0].fn == SNAP_NONE)) {
        a->r.cut = 1;
        return;
    }
    for (;;) {
        enum step end = follow_path(a);
        a->dropped |= end == STEP_DROPPED && a->p.nevents;
        if (end == STEP_DROPPED && a->endless && a->p.nevents)
            end = STEP_ENDED;
        if (end == STEP_ENDED || end == STEP_CUT)
            end_path(a, end == STEP_ENDED);
        if (a->cut_all || a->steps >= AHEAD_STEPS || !a->left) {
            a->r.cut += (uint32_t)a->forks.n;
            break;
        }
        if (!a->forks.n)
            break;
        const struct ahead_fork *f = &a->forks.v[--a->forks.n];
        a->p = f->path;
        a->pure.on = false;
        ahead_rollback(&a->mem, f->mark);
    }
    ahead_rollback(&a->mem, 0);
    a->total_steps += a->steps;
    a->r.n = a->tallies.n - a->r.first;
}

/* What goes round in a loop is not followed further: what it does behind the loop, another path
 * shows.  A frame that is never left (a worker's) has no such path, so what it does while it goes
 * round is all there is. */
struct ahead_result ahead_follow(struct ahead *a, const struct ahead_start *s)
{
    a->endless = a->dropped = false;
    follow_paths(a, s);
    if (a->dropped && !a->r.ended && !a->r.cut) {
        a->tallies.n = a->r.first;
        a->endless = true;
        follow_paths(a, s);
    }
    return a->r;
}

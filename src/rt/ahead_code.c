/* ahead_code.c - instructions and functions of the target, each decoded and named once by a worker.
 *
 * Kinds say what can happen from a place on (a lock, a channel ...), whatever the values are: code
 * from which nothing can happen need not be followed.  They are an upper bound: a call through a
 * pointer, a recursion and too much code count as everything. */
#include "rt/ahead_int.h"

enum { INSN_MAX = 16, KINDS_INSNS = 6000, KINDS_DEPTH = 5, DETOUR_INSNS = 24, CODE_MAX = 1 << 22 };

void ahead_code_init(struct ahead_code *k, const struct rt *rt, struct target *t,
                     struct ahead_mem *mem)
{
    k->rt = rt;
    k->arch = target_arch(t);
    k->mem = mem;
}

void ahead_code_free(struct ahead_code *k)
{
    map_free(&k->by_pc);
    map_free(&k->by_entry);
    map_free(&k->by_place);
    vec_free(&k->insns);
    vec_free(&k->fns);
    vec_free(&k->places);
}

/* ---- instructions ---- */

static bool decode(struct ahead_code *k, taddr pc, struct arch_op *ret)
{
    uint8_t bytes[INSN_MAX];
    const uint8_t *p;
    size_t have = ahead_bytes(k->mem, pc, INSN_MAX, &p);
    memcpy(bytes, p, have);
    if (have < INSN_MAX) {
        size_t more = ahead_bytes(k->mem, pc + have, INSN_MAX - have, &p);
        memcpy(bytes + have, p, more);
        have += more;
    }
    return have && k->arch->op(bytes, have, pc, ret) && ret->len;
}

uint32_t ahead_insn_at(struct ahead_code *k, taddr pc)
{
    bool added;
    uint32_t i = map_get_or_put(&k->by_pc, pc, (uint32_t)k->insns.n, &added);
    if (!added)
        return k->insns.v[i].op.len ? i : SNAP_NONE;
    struct ahead_insn in = {.pc = pc};
    if (k->insns.n >= CODE_MAX || !rt_is_go_code(k->rt, pc) || !decode(k, pc, &in.op))
        in.op.len = 0;
    vec_push(&k->insns, in);
    return in.op.len ? i : SNAP_NONE;
}

/* ---- functions ---- */

static void describe(struct ahead_fn *f, const struct pcln_func *p)
{
    f->entry = p->entry;
    f->end = p->end;
    f->name = p->name;
    f->top = (p->flag & PCLN_FLAG_TOP) != 0;
    f->switches = (p->flag & PCLN_FLAG_SPWRITE) && strcmp(p->name, "runtime.cgocallback") != 0;
    f->runtime = strncmp(p->name, "runtime.", 8) == 0;
    f->injected = strcmp(p->name, "runtime.asyncPreempt") == 0;
    ahead_name_meaning(f);
}

uint32_t ahead_fn_at(struct ahead_code *k, taddr pc)
{
    struct pcln_func p;
    bool added;
    uint32_t i = map_get(&k->by_entry, pc);
    if (i != MAP_NONE)
        return i;
    if (!rt_func_at(k->rt, pc, &p, NULL))
        return SNAP_NONE;
    i = map_get_or_put(&k->by_entry, p.entry, (uint32_t)k->fns.n, &added);
    if (added) {
        struct ahead_fn f = {0};
        describe(&f, &p);
        vec_push(&k->fns, f);
    }
    return i;
}

struct ahead_place *ahead_place_at(struct ahead_code *k, taddr pc, bool exact)
{
    bool added;
    uint32_t i = map_get_or_put(&k->by_place, pc << 1 | exact, (uint32_t)k->places.n, &added);
    if (added) {
        taddr at = exact ? pc : pc - 1;
        struct ahead_place place = {.fn = ahead_fn_at(k, at), .frame = -1};
        struct pcln_func f;
        const struct rt_module *m;
        if (place.fn != SNAP_NONE && rt_func_at(k->rt, at, &f, &m) && f.pcsp)
            place.frame = pcln_frame_size(&m->pcln, &f, at);
        vec_push(&k->places, place);
    }
    return &k->places.v[i];
}

/* ---- what can happen ---- */

struct survey {
    struct ahead_code *k;
    VEC(taddr) todo;
    struct map seen;
    uint32_t fn;
    unsigned depth, insns;
    uint16_t kinds;
};

static uint16_t kinds_at(struct ahead_code *k, taddr pc, uint32_t fn, unsigned depth);

static uint16_t kinds_of(struct ahead_code *k, uint32_t fn, unsigned depth)
{
    struct ahead_fn *f = &k->fns.v[fn];
    if (f->meaning != AHEAD_FN_PLAIN && f->meaning != AHEAD_FN_BODY)
        return ahead_kinds_of_call(f);
    if (f->kinds_known)
        return f->kinds;
    if (f->kinds_busy || depth >= KINDS_DEPTH)
        return AHEAD_K_UNKNOWN;
    f->kinds_busy = true;
    uint16_t kinds = kinds_at(k, f->entry, fn, depth + 1);
    f = &k->fns.v[fn]; /* it may have moved */
    f->kinds_busy = false;
    f->kinds_known = true;
    f->kinds = kinds;
    return kinds;
}

static void survey_call(struct survey *s, const struct arch_op *op)
{
    uint32_t fn =
        op->src.place == ARCH_IMMEDIATE ? ahead_fn_at(s->k, (taddr)op->src.value) : SNAP_NONE;
    s->kinds |= fn == SNAP_NONE ? AHEAD_K_UNKNOWN : kinds_of(s->k, fn, s->depth);
}

static void survey_go(struct survey *s, taddr pc)
{
    bool added;
    if (map_get_or_put(&s->seen, pc, 0, &added), added)
        vec_push(&s->todo, pc);
}

static void survey_jump(struct survey *s, const struct arch_op *op)
{
    const struct ahead_fn *f = &s->k->fns.v[s->fn];
    taddr to = (taddr)op->src.value;
    if (op->src.place == ARCH_IMMEDIATE && to >= f->entry && to < f->end)
        survey_go(s, to);
    else
        survey_call(s, op);
}

static bool is_atomic_step(const struct arch_op *op)
{
    return op->verb == ARCH_V_COMPARE_SWAP || op->verb == ARCH_V_FETCH_ADD ||
           (op->atomic && (op->verb == ARCH_V_ADD || op->verb == ARCH_V_SUB));
}

/* One instruction; false: the code does not go on behind it. */
static bool survey_one(struct survey *s, const struct arch_op *op)
{
    if (is_atomic_step(op))
        s->kinds |= AHEAD_K_LOCK;
    switch (op->verb) {
    case ARCH_V_CALL: {
        uint32_t fn =
            op->src.place == ARCH_IMMEDIATE ? ahead_fn_at(s->k, (taddr)op->src.value) : SNAP_NONE;
        survey_call(s, op);
        return fn == SNAP_NONE || s->k->fns.v[fn].meaning != AHEAD_FN_DEAD;
    }
    case ARCH_V_JUMP:
        survey_jump(s, op);
        return false;
    case ARCH_V_JUMP_IF:
        survey_jump(s, op);
        return true;
    case ARCH_V_RETURN:
    case ARCH_V_TRAP:
        return false;
    default:
        return true;
    }
}

static uint16_t kinds_at(struct ahead_code *k, taddr pc, uint32_t fn, unsigned depth)
{
    struct survey s = {.k = k, .fn = fn, .depth = depth};
    survey_go(&s, pc);
    while (s.todo.n) {
        taddr at = s.todo.v[--s.todo.n];
        for (bool on = true; on;) {
            uint32_t i = at < k->fns.v[fn].end ? ahead_insn_at(k, at) : SNAP_NONE;
            if (i == SNAP_NONE || ++s.insns > KINDS_INSNS) {
                s.kinds |= at < k->fns.v[fn].end ? AHEAD_K_UNKNOWN : 0;
                s.todo.n = s.insns > KINDS_INSNS ? 0 : s.todo.n;
                break;
            }
            struct arch_op op = k->insns.v[i].op;
            bool added;
            on = survey_one(&s, &op);
            at += op.len;
            if (on && (map_get_or_put(&s.seen, at, 0, &added), !added))
                on = false;
        }
    }
    vec_free(&s.todo);
    map_free(&s.seen);
    return s.kinds;
}

uint16_t ahead_kinds_from(struct ahead_code *k, taddr pc, uint32_t fn)
{
    return kinds_at(k, pc, fn, 0);
}

uint16_t ahead_kinds_of(struct ahead_code *k, uint32_t fn)
{
    return kinds_of(k, fn, 0);
}

/* ---- branches of which one side does not matter ---- */

/* Whether code leads straight to something that does not come back (a panic, more stack), or that
 * only the garbage collector cares about (a write barrier). */
static bool leads_aside(struct ahead_code *k, taddr pc)
{
    for (unsigned n = 0; n < DETOUR_INSNS; n++) {
        uint32_t i = ahead_insn_at(k, pc), fn;
        if (i == SNAP_NONE)
            return false;
        const struct arch_op op = k->insns.v[i].op;
        switch (op.verb) {
        case ARCH_V_TRAP:
            return true;
        case ARCH_V_CALL:
            fn = op.src.place == ARCH_IMMEDIATE ? ahead_fn_at(k, (taddr)op.src.value) : SNAP_NONE;
            if (fn == SNAP_NONE)
                return false;
            if (k->fns.v[fn].meaning == AHEAD_FN_DEAD || k->fns.v[fn].meaning == AHEAD_FN_KEEP)
                return true;
            if (!k->fns.v[fn].runtime)
                return false; /* what makes the value of a panic is the runtime's */
            break;
        case ARCH_V_JUMP:
            if (op.src.place != ARCH_IMMEDIATE)
                return false;
            pc = (taddr)op.src.value;
            continue;
        case ARCH_V_JUMP_IF:
        case ARCH_V_RETURN:
            return false;
        default:
            break;
        }
        pc += op.len;
    }
    return false;
}

enum ahead_detour ahead_detour_of(struct ahead_code *k, uint32_t insn)
{
    struct ahead_insn in = k->insns.v[insn];
    if (in.detour != AHEAD_DETOUR_ASK)
        return in.detour;
    bool next = leads_aside(k, in.pc + in.op.len);
    bool target = in.op.src.place == ARCH_IMMEDIATE && leads_aside(k, (taddr)in.op.src.value);
    enum ahead_detour d = next == target ? AHEAD_DETOUR_NONE
                          : next         ? AHEAD_DETOUR_NEXT
                                         : AHEAD_DETOUR_TARGET;
    k->insns.v[insn].detour = d;
    return d;
}

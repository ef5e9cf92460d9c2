/* closers_path.c - whether a place in a function lies behind a call that it makes.
 *
 * All ways through the function are walked, whatever the values: what no way leads to has not
 * happened.  A word of the frame that tells which channel the call closed must not have been
 * written between: ways end where it is.
 *
 * A frame stands inside the call before its return address; so does one that goes on later. */
#include "rt/closers_int.h"

enum { INSNS_MAX = 50000 };

struct walk_fn {
    struct ahead_code *k;
    const struct closing_place *at;
    taddr stop; /* ways end at the call with this return address; 0: at none */
    bool kill;  /* and where the word is written */
    VEC(taddr) todo;
    struct map seen;
    bool arrived, written, lost; /* lost: a jump to nobody knows where */
};

static void go_to(struct walk_fn *w, taddr pc)
{
    const struct ahead_fn *f = &w->k->fns.v[w->at->fn];
    bool added;
    if (pc < f->entry || pc >= f->end)
        return;
    map_get_or_put(&w->seen, pc, 0, &added);
    if (added)
        vec_push(&w->todo, pc);
}

static bool writes_word(const struct walk_fn *w, const struct arch_op *op)
{
    const struct arch_operand *d = &op->dst;
    if (w->at->slot < 0 || d->place != ARCH_MEMORY || d->reg != w->k->arch->sp)
        return false;
    if (op->verb == ARCH_V_COMPARE || op->verb == ARCH_V_TEST || op->verb == ARCH_V_BIT)
        return false;
    return d->index >= 0 ||
           (d->value < w->at->slot + 8 && w->at->slot < d->value + (int64_t)d->size);
}

static bool is_dead_call(const struct walk_fn *w, const struct arch_op *op)
{
    uint32_t fn =
        op->src.place == ARCH_IMMEDIATE ? ahead_fn_at(w->k, (taddr)op->src.value) : SNAP_NONE;
    return fn != SNAP_NONE && w->k->fns.v[fn].meaning == AHEAD_FN_DEAD;
}

/* One instruction; false: no way goes on behind it. */
static bool pass(struct walk_fn *w, taddr pc, const struct arch_op *op)
{
    taddr behind = pc + op->len;
    bool call = op->verb == ARCH_V_CALL;
    if (w->at->exact ? pc == w->at->pc : call && behind == w->at->pc) {
        w->arrived = true;
        return false;
    }
    if (call && behind == w->stop)
        return false;
    if (writes_word(w, op)) {
        w->written = true;
        if (w->kill)
            return false;
    }
    switch (op->verb) {
    case ARCH_V_JUMP:
    case ARCH_V_JUMP_IF:
        if (op->src.place == ARCH_IMMEDIATE)
            go_to(w, (taddr)op->src.value);
        else
            w->lost = true;
        return op->verb == ARCH_V_JUMP_IF;
    case ARCH_V_RETURN:
    case ARCH_V_TRAP:
        return false;
    default:
        return !call || !is_dead_call(w, op);
    }
}

static void walk_from(struct walk_fn *w, taddr from)
{
    unsigned n = 0;
    go_to(w, from);
    while (w->todo.n && !w->arrived) {
        taddr at = w->todo.v[--w->todo.n];
        uint32_t i = ahead_insn_at(w->k, at);
        if (i == SNAP_NONE || ++n > INSNS_MAX) {
            w->lost = true;
            continue;
        }
        struct arch_op op = w->k->insns.v[i].op;
        if (pass(w, at, &op))
            go_to(w, at + op.len);
    }
    vec_free(&w->todo);
    map_free(&w->seen);
}

enum closing_passed closing_passed(struct ahead_code *k, const struct closing_place *at,
                                   taddr behind)
{
    struct walk_fn since = {.k = k, .at = at, .kill = true};
    walk_from(&since, behind);
    if (!since.arrived)
        return CLOSING_NOT;
    struct walk_fn without = {.k = k, .at = at, .stop = behind};
    walk_from(&without, k->fns.v[at->fn].entry);
    bool always = !without.arrived && !without.lost && !since.written && !since.lost;
    return always ? CLOSING_ALWAYS : CLOSING_MAYBE;
}

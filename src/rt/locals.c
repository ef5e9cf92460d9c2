/* locals.c - arguments and local variables of frames, into the table `local`.
 *
 * Go: cmd/compile/abi-internal.md (no register but the stack pointer, the frame pointer and g keeps
 * its value over a call), runtime/preempt_amd64.s (what an asynchronous preemption
 * saves), 1.18-1.27.
 *
 * A variable is shown when its place is known for sure, else the row says why not:
 *   in memory     of the frame, at or above the stack pointer; or on the heap, behind a pointer
 * that DWARF names "&x" (the variable escaped) in a register only in the innermost frame of a
 * thread whose registers were read, and in a frame that was preempted asynchronously, whose
 * registers asyncPreempt keeps.  In every other frame a call has overwritten them
 *
 * What is in a frame is read in the same moment as the stack: of a target that runs, a goroutine
 * that does not hold still is read again.  What variables point to may belong to another moment
 * then; docs/consistency.md says so.
 *
 * Cost: what DWARF says of a pc is looked up once (locals_scope.c); the rest is a read or two for a
 * value.  One goroutine of each stack comes first, so a limit leaves out repetitions. */
#include <stdio.h>
#include <stdlib.h>

#include "rt/locals_int.h"

enum {
    FRAMES_MAX = 256, /* of a goroutine */
    ROWS_MAX = 4 << 20,
    TRIES = 8,
    STEP = 64, /* goroutines between two looks at the user */
};

struct local_row {
    uint32_t name, type, value; /* strings */
    uint16_t frame;
    uint8_t flags;
};

struct local_span { /* rows of one goroutine */
    uint32_t gi;
    size_t first, n;
};

struct locals {
    struct capture *c;
    struct values *values;
    struct local_scopes *scopes;
    VEC(struct local_row) rows;
    VEC(struct local_span) spans;
    struct map span_of; /* gi -> index; the last one counts */
    struct buf text;
    uint64_t deep, over; /* frames, goroutines left out */
    uint64_t moved;
    uint64_t dark; /* frames of which DWARF should tell, and does not */
    const char *dark_why;
};

/* ---- rows ---- */

static uint8_t put_value(struct local_frame *f, struct local_found *x, struct buf *b)
{
    static const char *const why[] = {[VALUE_UNREADABLE] = "its memory is not readable",
                                      [VALUE_LOST] = "optimized out at this point"};
    buf_clear(b);
    if (!x->why) {
        enum value_state st = value_print(f->values, &x->value, &value_limits_short, b);
        if (st == VALUE_SHOWN)
            return 0;
        x->why = st == VALUE_LOST && f->lost ? f->lost : why[st];
    }
    buf_clear(b);
    buf_str(b, x->why);
    return SNAP_LF_UNREADABLE;
}

static void take_var(struct locals *lo, struct local_frame *f, const struct dwarf_var *v,
                     uint8_t fate, unsigned frame)
{
    struct intern *strings = &lo->c->s->strings;
    bool escaped = *v->name == '&';
    struct dwarf_var real = *v;
    struct local_found found;
    real.type = local_real_type(f, v);
    local_locate(f, &real, &found);
    if (fate == LOCAL_NOT_SET)
        found.why = "not set yet";
    else if (fate == LOCAL_SHARED)
        found.why = "others use its place, too";
    else if (!found.why && escaped)
        local_follow_escaped(f, &found);
    if (escaped && found.why) { /* the type to show is that of the variable */
        const struct dwarf_type *t;
        struct err *e = dwarf_type_strip(values_dwarf(lo->values), v->type, &t);
        found.value.type = e ? v->type : t->elem;
        err_free(e);
    }
    found.value.type = local_unshaped(f, v, found.value.type);
    struct local_row row = {.frame = (uint16_t)frame};
    row.flags = put_value(f, &found, &lo->text);
    row.flags |= (uint8_t)((v->result  ? SNAP_LF_RESULT
                            : v->param ? SNAP_LF_ARG
                                       : 0) |
                           (escaped ? SNAP_LF_ESCAPED : 0));
    row.name = intern_add(strings, v->name + escaped);
    row.type = intern_add(strings, value_type_name(lo->values, found.value.type));
    row.value = intern_add(strings, buf_text(&lo->text));
    vec_push(&lo->rows, row);
}

static void take_frame(struct locals *lo, struct local_frame *f, unsigned first)
{
    const struct dwarf_scope *s = &f->s->scope;
    if (f->s->why) {
        lo->dark++;
        lo->dark_why = f->s->why;
    }
    for (size_t call = 0; call < s->ncalls; call++) {
        uint16_t k = f->s->frame_of[call];
        for (size_t i = 0; k != UINT16_MAX && i < s->nvars && lo->rows.n < ROWS_MAX; i++)
            if (s->vars[i].call == call && local_is_source(f->s->fate[i]))
                take_var(lo, f, &s->vars[i], f->s->fate[i], first + k);
    }
}

void locals_take(struct locals *lo, uint32_t gi, const struct arch_regs *regs)
{
    const struct walk_frame *frames;
    if (!lo)
        return;
    size_t n = unwinder_frames(lo->c->workers[0].u, &frames);
    struct local_span span = {.gi = gi, .first = lo->rows.n};
    unsigned index = 0;
    if (lo->c->live)
        values_forget(lo->values);
    for (size_t i = 0; i < n && i < FRAMES_MAX && index <= UINT16_MAX - PCLN_FRAMES_MAX; i++) {
        struct local_frame f = {.rt = lo->c->rt,
                                .values = lo->values,
                                .scopes = lo->scopes,
                                .f = &frames[i],
                                .stack_lo = lo->c->gs[gi].g.stack_lo,
                                .s = local_scope_at(lo->scopes, frames[i].pc, frames[i].exact)};
        local_find_regs(&f, frames, i, regs);
        take_frame(lo, &f, index);
        index += f.s->nframes;
    }
    lo->deep += n > FRAMES_MAX ? n - FRAMES_MAX : 0;
    span.n = lo->rows.n - span.first;
    map_put(&lo->span_of, gi, (uint32_t)lo->spans.n);
    vec_push(&lo->spans, span);
}

/* ---- which goroutines ---- */

/* A number for a stack that equal stacks share, whichever worker read them. */
static uint64_t *hash_nodes(const struct unwinder *u)
{
    const struct unwound_pc *pcs;
    const struct unwound_node *nodes;
    size_t n = unwinder_nodes(u, &nodes);
    uint64_t *hash = mem_try_alloc(n * sizeof(*hash) + 1);
    unwinder_pcs(u, &pcs);
    for (size_t i = 0; hash && i < n; i++) {
        uint64_t parent = nodes[i].parent == SNAP_NONE ? 0 : hash[nodes[i].parent];
        const struct unwound_pc *pc = &pcs[nodes[i].pc];
        hash[i] = hash_u64(parent * 0x9e3779b97f4a7c15ull + (pc->pc << 1 | pc->exact));
    }
    return hash;
}

struct chosen {
    VEC(uint32_t) first, others; /* one of each stack, and the rest */
};

static struct err *choose(struct locals *lo, struct chosen *ret)
{
    struct capture *c = lo->c;
    struct map seen = {0};
    uint64_t **hash = mem_alloc(c->nworkers * sizeof(*hash));
    struct err *e = NULL;
    for (unsigned i = 0; i < c->nworkers; i++)
        if (!(hash[i] = hash_nodes(c->workers[i].u)))
            e = err_new(ERR_NOMEM, "no memory to tell stacks apart");
    for (uint32_t i = 0; !e && i < c->ngs; i++) {
        const struct goroutine *g = &c->gs[i];
        bool is_new;
        if (g->node == SNAP_NONE || g->source == G_NONE)
            continue;
        map_get_or_put(&seen, hash[g->worker][g->node], i, &is_new);
        if (map_get(&lo->span_of, i) != MAP_NONE)
            continue; /* it runs: done */
        if (is_new)
            vec_push(&ret->first, i);
        else if (c->o->locals == RT_LOCALS_ALL)
            vec_push(&ret->others, i);
    }
    for (unsigned i = 0; i < c->nworkers; i++)
        free(hash[i]);
    free(hash);
    map_free(&seen);
    return e;
}

/* ---- the capture ---- */

static void drop(struct locals *lo)
{
    struct local_span *last = vec_last(&lo->spans);
    lo->rows.n = last->first;
    last->n = 0;
}

/* One that does not run; of a target that runs, until it holds still. */
static struct err *take_saved(struct locals *lo, uint32_t gi)
{
    struct capture *c = lo->c;
    struct goroutine *g = &c->gs[gi];
    for (int i = 0; i < TRIES; i++) {
        if (g->source == G_SAVED && capture_held_still(c, gi)) {
            capture_walk_again(c, gi);
            locals_take(lo, gi, NULL);
            if (capture_held_still(c, gi))
                return NULL;
            drop(lo);
        }
        size_t spans = lo->spans.n;
        capture_forget(c, gi);
        TRY(capture_one_running(c, gi));
        if (g->source == G_REGS && lo->spans.n > spans)
            return NULL; /* it runs now, and was taken while its thread stood */
        if (g->source == G_NONE)
            break; /* it ended, or moves too fast */
    }
    lo->moved++;
    return NULL;
}

static struct err *take_list(struct locals *lo, const uint32_t *gi, size_t n)
{
    struct capture *c = lo->c;
    uint32_t limit = c->o->locals_limit;
    for (size_t i = 0; i < n; i++) {
        if ((limit && lo->spans.n >= limit) || lo->rows.n >= ROWS_MAX) {
            lo->over += n - i;
            break;
        }
        TRY(take_saved(lo, gi[i]));
        if (i % STEP == 0)
            TRY(progress_step(c->o->progress, "variables", i, n));
    }
    return NULL;
}

struct err *locals_capture(struct locals *lo)
{
    struct chosen chosen = {0};
    struct err *e = choose(lo, &chosen);
    if (!e)
        e = take_list(lo, chosen.first.v, chosen.first.n);
    if (!e)
        e = take_list(lo, chosen.others.v, chosen.others.n);
    vec_free(&chosen.first);
    vec_free(&chosen.others);
    return e;
}

static int by_goroutine(const void *va, const void *vb)
{
    const struct local_span *a = va, *b = vb;
    return a->gi < b->gi ? -1 : a->gi > b->gi;
}

static void add_rows(struct locals *lo, const struct local_span *span)
{
    struct snap *s = lo->c->s;
    for (size_t i = span->first; i < span->first + span->n; i++) {
        const struct local_row *r = &lo->rows.v[i];
        uint32_t row = snap_add_local(s);
        s->local.goroutine[row] = lo->c->gs[span->gi].row;
        s->local.frame[row] = r->frame;
        s->local.flags[row] = r->flags;
        s->local.name[row] = r->name;
        s->local.type[row] = r->type;
        s->local.value[row] = r->value;
    }
}

void locals_rows(struct locals *lo)
{
    static const char what[] = "arguments and local variables of goroutines";
    for (size_t i = 0; i < lo->spans.n; i++)
        if (map_get(&lo->span_of, lo->spans.v[i].gi) != i)
            lo->spans.v[i].n = 0; /* taken again later */
    if (lo->spans.n)
        qsort(lo->spans.v, lo->spans.n, sizeof(*lo->spans.v), by_goroutine);
    for (size_t i = 0; i < lo->spans.n; i++)
        if (lo->c->gs[lo->spans.v[i].gi].row != SNAP_NONE)
            add_rows(lo, &lo->spans.v[i]);
    if (lo->over)
        snap_note_missing(lo->c->s, lo->over, what, "more than the limit: --locals-limit");
    if (lo->moved)
        snap_note_missing(lo->c->s, lo->moved, what, "they changed each time they were looked at");
    if (lo->dark)
        snap_note_missing(lo->c->s, lo->dark, "arguments and local variables of frames",
                          lo->dark_why);
    if (lo->deep)
        snap_note_missing(lo->c->s, lo->deep, "arguments and local variables of outer frames",
                          "more than 256 frames deep");
}

struct err *locals_open(struct capture *c, struct locals **ret)
{
    struct locals *lo = mem_alloc(sizeof(*lo));
    *ret = NULL;
    lo->c = c;
    struct err *e = values_open(c->rt, c->t, &lo->values);
    if (e) {
        free(lo);
        return e;
    }
    values_prepare(lo->values);
    lo->scopes = local_scopes_new(c->rt);
    *ret = lo;
    return NULL;
}

void locals_set_target(struct locals *lo)
{
    values_set_target(lo->values, lo->c->t);
}

void locals_close(struct locals *lo)
{
    if (!lo)
        return;
    local_scopes_free(lo->scopes);
    values_close(lo->values);
    vec_free(&lo->rows);
    vec_free(&lo->spans);
    map_free(&lo->span_of);
    buf_free(&lo->text);
    free(lo);
}

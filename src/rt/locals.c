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

#include "image/dwarf_expr.h"
#include "rt/capture_int.h"
#include "rt/value.h"

enum {
    FRAMES_MAX = 256, /* of a goroutine */
    ROWS_MAX = 4 << 20,
    BYTES_MAX = 512, /* of a value that is not in memory as a whole */
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

/* ---- a frame ---- */

struct frame {
    struct locals *lo;
    const struct walk_frame *f;
    const struct arch_regs *regs; /* NULL: not known */
    taddr saved;                  /* where asyncPreempt keeps them; 0: nowhere */
    taddr stack_lo;
    const struct local_scope *s;
    const char *lost; /* why a register could not be read */
};

static struct err *env_read(void *arg, taddr addr, void *dst, size_t n)
{
    const struct frame *f = arg;
    return values_read(f->lo->values, addr, dst, n);
}

static struct err *env_cfa(void *arg, taddr *ret)
{
    const struct frame *f = arg;
    if (f->f->frame < 0 || !f->f->sp)
        return err_new(ERR_NOT_FOUND, "the size of the frame is not known");
    *ret = f->f->sp + (taddr)f->f->frame + 8;
    return NULL;
}

static struct err *env_reg(void *arg, unsigned reg, void *dst, size_t n)
{
    struct frame *f = arg;
    const struct arch *arch = target_arch(f->lo->c->t);
    uint64_t v;
    memset(dst, 0, n);
    if (f->saved && reg < LOCAL_REGS && local_preempt_regs(f->lo->scopes)[reg] >= 0)
        return values_read(f->lo->values, f->saved + (taddr)local_preempt_regs(f->lo->scopes)[reg],
                           dst, n < 16 ? n : 16);
    if (f->regs && arch->dwarf_reg(f->regs, reg, &v)) {
        memcpy(dst, &v, n < 8 ? n : 8);
        return NULL;
    }
    f->lost = !f->regs && !f->saved        ? "it was in a register, which the call overwrote"
              : arch->dwarf_is_vector(reg) ? "it is in a vector register, and those were not read"
                                           : "it is in a register that was not read";
    return err_new(ERR_NOT_FOUND, "%s", f->lost);
}

static struct dwarf_env env_of(struct frame *f)
{
    return (struct dwarf_env){.slide = f->lo->c->rt->slide,
                              .reg = env_reg,
                              .read = env_read,
                              .cfa = env_cfa,
                              .arg = f,
                              .frame_base = &f->s->scope.frame_base};
}

/* ---- a variable ---- */

struct found {
    struct value value;
    const char *why; /* NULL: it is there */
    char text[96];   /* why, when it is composed */
    uint8_t bytes[BYTES_MAX], known[BYTES_MAX / 8];
};

static void give_up(struct found *ret, struct err *e)
{
    snprintf(ret->text, sizeof(ret->text), "%s", err_message(e));
    ret->why = ret->text;
    err_free(e);
}

/* Whether the pieces make up a value of that size.  Compilers up to 1.21 give some slices and
 * strings a piece too many, and everything behind it is then out of place. */
static bool pieces_fit(const struct dwarf_location *loc, int64_t size)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < loc->n; i++)
        bits += loc->v[i].bits;
    return bits == 8 * (uint64_t)size || (loc->n == 1 && !bits);
}

/* Gathers the pieces of a value that is not in one place. */
static void gather(struct frame *f, const struct dwarf_location *loc, int64_t size,
                   struct found *ret)
{
    struct dwarf_env env = env_of(f);
    if (size < 0 || size > BYTES_MAX) {
        ret->why = "it is in many places, and too large";
        return;
    }
    if (!pieces_fit(loc, size)) {
        ret->why = "DWARF contradicts itself: its parts are not as large as its type";
        return;
    }
    memset(ret->known, 0, sizeof(ret->known));
    struct err *e = dwarf_location_read(loc, &env, ret->bytes, (size_t)size, ret->known);
    bool any = false;
    for (size_t i = 0; i < sizeof(ret->known); i++)
        any |= ret->known[i] != 0;
    if (e && !any && size)
        ret->why = f->lost ? f->lost : "optimized out at this point";
    err_free(e);
    ret->value.bytes = ret->bytes;
    ret->value.n = (size_t)size;
    ret->value.known = ret->known;
}

/* Whether part of the value is in the frame's own stack below the stack pointer: not in use. */
static bool is_below_stack(const struct frame *f, const struct dwarf_location *loc)
{
    for (size_t i = 0; i < loc->n; i++)
        if (loc->v[i].kind == DWARF_AT_MEMORY && loc->v[i].u >= f->stack_lo &&
            loc->v[i].u < f->f->sp)
            return true;
    return false;
}

static int64_t size_of(struct frame *f, uint64_t type)
{
    const struct dwarf_type *t;
    struct dwarf *dw = values_dwarf(f->lo->values);
    struct err *e =
        type == DWARF_NO_ID ? err_new(ERR_NOT_FOUND, "no type") : dwarf_type_strip(dw, type, &t);
    err_free(e);
    return e ? -1 : dwarf_type_size(dw, t);
}

static void locate(struct frame *f, const struct dwarf_var *v, struct found *ret)
{
    struct dwarf_location loc;
    struct dwarf_env env = env_of(f);
    int64_t size = size_of(f, v->type);
    ret->value = (struct value){.type = v->type};
    ret->why = NULL;
    f->lost = NULL;
    if (v->type == DWARF_NO_ID) {
        ret->why = "DWARF does not tell its type";
        return;
    }
    if (!v->loc.n) {
        if (size != 0)
            ret->why = "optimized out at this point";
        ret->value.bytes = ret->bytes;
        return;
    }
    struct err *e = dwarf_eval(&v->loc, &env, &loc);
    if (e)
        give_up(ret, e);
    else if (is_below_stack(f, &loc))
        ret->why = "not set yet";
    else if (!dwarf_location_address(&loc, &ret->value.addr))
        gather(f, &loc, size, ret);
}

/* Generics: the real type of a variable whose type is a shape, by the dictionary of its call. */
static uint64_t real_type(struct frame *f, const struct dwarf_var *v)
{
    const struct dwarf_type *t;
    struct dwarf *dw = values_dwarf(f->lo->values);
    struct err *e =
        v->type == DWARF_NO_ID ? err_new(ERR_NOT_FOUND, "no type") : dwarf_type(dw, v->type, &t);
    uint64_t type = v->type;
    err_free(e);
    if (e || !t->has_dict_index)
        return type;
    for (size_t i = 0; i < f->s->scope.nvars; i++) {
        const struct dwarf_var *d = &f->s->scope.vars[i];
        struct found found;
        taddr dict = 0;
        if (d->call != v->call || strcmp(d->name, ".dict") != 0)
            continue;
        locate(f, d, &found);
        if (found.why)
            return type;
        if (!found.value.addr)
            memcpy(&dict, found.bytes, found.value.n == 8 && found.known[0] == 0xff ? 8 : 0);
        else if ((e = values_read(f->lo->values, found.value.addr, &dict, 8)))
            err_free(e);
        if (dict)
            value_type_of_dict(f->lo->values, dict, t->dict_index, &type);
        return type;
    }
    return type;
}

/* The variable itself, when what the frame has is the pointer to it. */
static void follow_escaped(struct frame *f, struct found *ret)
{
    const struct dwarf_type *t;
    taddr at = 0;
    struct err *e = dwarf_type_strip(values_dwarf(f->lo->values), ret->value.type, &t);
    if (!e && (t->kind != DWARF_KIND_POINTER || t->elem == DWARF_NO_ID))
        e = err_new(ERR_BAD_DATA, "DWARF does not tell its type");
    if (!e && ret->value.addr)
        e = values_read(f->lo->values, ret->value.addr, &at, 8);
    else if (!e && ret->value.n == 8 && ret->known[0] == 0xff)
        memcpy(&at, ret->bytes, 8);
    if (e) {
        give_up(ret, e);
        return;
    }
    ret->value = (struct value){.type = t->elem, .addr = at};
    if (!at)
        ret->why = "not allocated yet";
}

/* ---- rows ---- */

static uint8_t put_value(struct frame *f, struct found *x, struct buf *b)
{
    static const char *const why[] = {[VALUE_UNREADABLE] = "its memory is not readable",
                                      [VALUE_LOST] = "optimized out at this point"};
    buf_clear(b);
    if (!x->why) {
        enum value_state st = value_print(f->lo->values, &x->value, &value_limits_short, b);
        if (st == VALUE_SHOWN)
            return 0;
        x->why = st == VALUE_LOST && f->lost ? f->lost : why[st];
    }
    buf_clear(b);
    buf_str(b, x->why);
    return SNAP_LF_UNREADABLE;
}

static void take_var(struct frame *f, const struct dwarf_var *v, uint8_t fate, unsigned frame)
{
    struct locals *lo = f->lo;
    struct intern *strings = &lo->c->s->strings;
    bool escaped = *v->name == '&';
    struct dwarf_var real = *v;
    struct found found;
    real.type = real_type(f, v);
    locate(f, &real, &found);
    if (fate == LOCAL_NOT_SET)
        found.why = "not set yet";
    else if (fate == LOCAL_SHARED)
        found.why = "others use its place, too";
    else if (!found.why && escaped)
        follow_escaped(f, &found);
    if (escaped && found.why) { /* the type to show is that of the variable */
        const struct dwarf_type *t;
        struct err *e = dwarf_type_strip(values_dwarf(lo->values), v->type, &t);
        found.value.type = e ? v->type : t->elem;
        err_free(e);
    }
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

static void take_frame(struct frame *f, unsigned first)
{
    const struct dwarf_scope *s = &f->s->scope;
    if (f->s->why) {
        f->lo->dark++;
        f->lo->dark_why = f->s->why;
    }
    for (size_t call = 0; call < s->ncalls; call++) {
        uint16_t k = f->s->frame_of[call];
        for (size_t i = 0; k != UINT16_MAX && i < s->nvars && f->lo->rows.n < ROWS_MAX; i++)
            if (s->vars[i].call == call && f->s->fate[i] != LOCAL_HIDDEN)
                take_var(f, &s->vars[i], f->s->fate[i], first + k);
    }
}

/* Registers of frame i: those of the thread, or what asyncPreempt saved of them. */
static void find_regs(struct frame *f, const struct walk_frame *frames, size_t i,
                      const struct arch_regs *regs)
{
    const struct walk_frame *w = &frames[i];
    if (i == 0 && w->exact && regs && regs->pc == w->pc && regs->sp == w->sp)
        f->regs = regs;
    if (i > 0 && w->exact && frames[i - 1].fn == SNAP_FN_ASYNC_PREEMPT && !frames[i - 1].exact)
        f->saved = frames[i - 1].sp;
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
        struct frame f = {.lo = lo,
                          .f = &frames[i],
                          .stack_lo = lo->c->gs[gi].g.stack_lo,
                          .s = local_scope_at(lo->scopes, frames[i].pc, frames[i].exact)};
        find_regs(&f, frames, i, regs);
        take_frame(&f, index);
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
    lo->scopes = local_scopes_new(c->rt, values_dwarf(lo->values));
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

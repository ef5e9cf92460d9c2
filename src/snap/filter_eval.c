/* filter_eval.c - which goroutines match a filter; see filter.h.
 *
 * Each test fills one byte per goroutine; operators combine whole arrays.  What a test has to say
 * about a text is found once per string, what it says about frames once per pc and from there once
 * per stack node: a node matches when its pc does or the node below it did (which has a lower
 * number). Wrapper frames are visible only when they called a panic function (stack.c), so a pc has
 * two answers, by what it called. */
#include <stdlib.h>
#include <string.h>

#include "snap/code.h"
#include "snap/filter_int.h"
#include "snap/snap_int.h"

struct eval {
    const struct snap *s;
    int64_t now;
    bool have_tops;
    struct snap_codes codes;
    struct snap_tops tops;
    char *scratch; /* for normalised names */
    size_t scratch_n;
};

enum { UNSEEN, NO, YES };

/* ---- texts ---- */

static const char *normalised(struct eval *e, uint32_t str, size_t *n)
{
    size_t need = intern_len(&e->s->strings, str) + 1;
    if (need > e->scratch_n) {
        e->scratch_n = need * 2;
        e->scratch = mem_realloc(e->scratch, e->scratch_n);
    }
    *n = filter_normalise(e->scratch, snap_str(e->s, str));
    return e->scratch;
}

/* A regular expression sees the name as the linker has it, and its short form (from the last
 * element of the package path on), so that ^orders finds example.com/shop/orders. */
static bool match_func_name(const struct regex *re, const char *name)
{
    const char *from = name;
    for (const char *c = name; *c && *c != '['; c++)
        if (*c == '/')
            from = c + 1;
    return regex_match(re, name) || (from != name && regex_match(re, from));
}

static bool func_fits(struct eval *e, const struct test *t, uint32_t str)
{
    size_t n;
    if (t->op == OP_MATCH)
        return match_func_name(t->re, snap_str(e->s, str));
    const char *name = normalised(e, str, &n);
    return filter_has_words(name, n, t->text, t->text_n);
}

static bool plain_fits(struct eval *e, const struct test *t, uint32_t str)
{
    const char *text = snap_str(e->s, str);
    return t->op == OP_MATCH
               ? regex_match(t->re, text)
               : filter_has_words(text, intern_len(&e->s->strings, str), t->text, t->text_n);
}

/* fits() once for each string. */
static bool remembered(struct eval *e, const struct test *t, uint8_t *memo, uint32_t str,
                       bool (*fits)(struct eval *, const struct test *, uint32_t))
{
    if (memo[str] == UNSEEN)
        memo[str] = fits(e, t, str) ? YES : NO;
    return memo[str] == YES;
}

static bool compare(const struct test *t, uint64_t v)
{
    switch (t->op) {
    case OP_EQ:
        for (size_t i = 0; i < t->nany; i++)
            if (t->any[i] == v)
                return true;
        return false;
    case OP_LT:
        return v < t->number;
    case OP_LE:
        return v <= t->number;
    case OP_GT:
        return v > t->number;
    case OP_GE:
        return v >= t->number;
    default:
        return true;
    }
}

/* ---- frames ---- */

struct frame_test {
    struct eval *e;
    const struct test *t;
    uint8_t *funcs, *files; /* what is known about each string */
};

static void frame_test_init(struct frame_test *ft, struct eval *e, const struct test *t)
{
    ft->e = e;
    ft->t = t;
    ft->funcs = mem_alloc(e->s->strings.n);
    ft->files = mem_alloc(e->s->strings.n);
}

static void frame_test_free(struct frame_test *ft)
{
    free(ft->funcs);
    free(ft->files);
}

static bool frame_fits(struct frame_test *ft, uint32_t f)
{
    const struct snap *s = ft->e->s;
    const struct test *t = ft->t;
    if (t->op == OP_HAS)
        return true;
    if (t->field == FIELD_LINE)
        return compare(t, s->frame.line[f]);
    if (t->field != FIELD_FILE && !t->line &&
        remembered(ft->e, t, ft->funcs, s->frame.func[f], func_fits))
        return true;
    return t->field != FIELD_FUNC && (!t->line || t->line == s->frame.line[f]) &&
           remembered(ft->e, t, ft->files, s->frame.file[f], plain_fits);
}

/* Bit 0: a frame of the pc that is always visible fits; bit 1: one that is visible when the pc
 * called a panic function, or nothing, does (stack.c). */
static uint8_t pc_fits(struct frame_test *ft, uint32_t pc)
{
    const struct snap *s = ft->e->s;
    uint8_t bits = 0;
    for (uint32_t i = 0; i < s->pc.frames[pc]; i++) {
        uint32_t f = s->pc.frame[pc] + i;
        bool wrapper = s->frame.func_id[f] == SNAP_FN_WRAPPER;
        bool after_panic = i && snap_is_panic(s->frame.func_id[f - 1]);
        if ((wrapper && !after_panic && i) || !frame_fits(ft, f))
            continue;
        bits |= wrapper && !i ? 2 : 3;
    }
    return bits;
}

/* The answers for all nodes: bit 0 when the node called an ordinary function, bit 1 when it is
 * innermost or called a panic function. */
static void nodes_fit(struct frame_test *ft, uint8_t *nodes)
{
    const struct snap *s = ft->e->s;
    uint8_t *pcs = mem_alloc(s->pc.n);
    for (uint32_t pc = 0; pc < s->pc.n; pc++)
        pcs[pc] = pc_fits(ft, pc);
    for (uint32_t i = 0; i < s->stack.n; i++) {
        uint32_t parent = s->stack.parent[i], pc = s->stack.pc[i];
        nodes[i] = pcs[pc];
        if (parent == SNAP_NONE)
            continue;
        uint32_t frames = s->pc.frames[pc];
        bool panic = frames && snap_is_panic(s->frame.func_id[s->pc.frame[pc] + frames - 1]);
        if (nodes[parent] & (panic ? 2 : 1))
            nodes[i] = 3;
    }
    free(pcs);
}

static void eval_stack(struct eval *e, const struct test *t, const struct snap_rows *rows,
                       uint8_t *out)
{
    struct frame_test ft;
    uint8_t *nodes = mem_alloc(e->s->stack.n);
    frame_test_init(&ft, e, t);
    nodes_fit(&ft, nodes);
    for (size_t i = 0; i < rows->n; i++) {
        uint32_t node = e->s->goroutine.stack[rows->v[i]];
        out[i] = node != SNAP_NONE && (nodes[node] & 2);
    }
    frame_test_free(&ft);
    free(nodes);
}

static void eval_creator(struct eval *e, const struct test *t, const struct snap_rows *rows,
                         uint8_t *out)
{
    struct frame_test ft;
    const struct snap *s = e->s;
    uint8_t *pcs = mem_alloc(s->pc.n);
    frame_test_init(&ft, e, t);
    for (size_t i = 0; i < rows->n; i++) {
        uint32_t pc = s->goroutine.creator[rows->v[i]];
        if (pc != SNAP_NONE && pcs[pc] == UNSEEN) {
            pcs[pc] = NO;
            for (uint32_t f = 0; f < s->pc.frames[pc]; f++)
                if (frame_fits(&ft, s->pc.frame[pc] + f))
                    pcs[pc] = YES;
        }
        out[i] = pc != SNAP_NONE && pcs[pc] == YES;
    }
    frame_test_free(&ft);
    free(pcs);
}

static void eval_top(struct eval *e, const struct test *t, const struct snap_rows *rows,
                     uint8_t *out)
{
    struct frame_test ft;
    const struct snap *s = e->s;
    if (!e->have_tops) {
        snap_codes_init(&e->codes, s);
        snap_tops_init(&e->tops, s, &e->codes);
        e->have_tops = true;
    }
    uint8_t *frames = mem_alloc(s->frame.n);
    frame_test_init(&ft, e, t);
    for (size_t i = 0; i < rows->n; i++) {
        uint32_t node = s->goroutine.stack[rows->v[i]];
        uint32_t f = node == SNAP_NONE ? SNAP_NONE : e->tops.top[node];
        if (f != SNAP_NONE && frames[f] == UNSEEN)
            frames[f] = frame_fits(&ft, f) ? YES : NO;
        out[i] = f != SNAP_NONE && frames[f] == YES;
    }
    frame_test_free(&ft);
    free(frames);
}

/* ---- the other fields ---- */

static void eval_reason(struct eval *e, const struct test *t, const struct snap_rows *rows,
                        uint8_t *out)
{
    const struct snap *s = e->s;
    uint8_t *memo = mem_alloc(s->strings.n);
    for (size_t i = 0; i < rows->n; i++) {
        uint32_t reason = s->goroutine.wait_reason[rows->v[i]];
        out[i] = reason && (t->op == OP_HAS || remembered(e, t, memo, reason, plain_fits));
    }
    free(memo);
}

static bool state_fits(struct eval *e, const struct test *t, uint8_t state)
{
    if (t->op == OP_MATCH)
        return regex_match(t->re, snap_gstatus_name(state));
    return t->op == OP_HAS || (t->states >> state & 1);
}

static void eval_state(struct eval *e, const struct test *t, const struct snap_rows *rows,
                       uint8_t *out)
{
    bool fits[SNAP_G_COUNT];
    for (uint8_t state = 0; state < SNAP_G_COUNT; state++)
        fits[state] = state_fits(e, t, state);
    for (size_t i = 0; i < rows->n; i++)
        out[i] = fits[e->s->goroutine.status[rows->v[i]]];
}

/* The number of a field; false: the goroutine has none. */
static bool number_of(const struct eval *e, enum field field, uint32_t g, uint64_t *v)
{
    const struct snap *s = e->s;
    int64_t since;
    switch (field) {
    case FIELD_ID:
        *v = s->goroutine.id[g];
        return true;
    case FIELD_PARENT:
        *v = s->goroutine.parent_id[g];
        return *v != 0;
    case FIELD_DEPTH:
        *v = s->goroutine.depth[g];
        return true;
    case FIELD_THREAD:
        if (s->goroutine.thread[g] == SNAP_NONE)
            return false;
        *v = s->thread.tid[s->goroutine.thread[g]];
        return true;
    default:
        since = s->goroutine.wait_since[g];
        *v = (uint64_t)(e->now - since);
        return since > 0 && since <= e->now;
    }
}

static void eval_number(struct eval *e, const struct test *t, const struct snap_rows *rows,
                        uint8_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < rows->n; i++)
        out[i] = number_of(e, t->field, rows->v[i], &v) && compare(t, v);
}

static void eval_flag(struct eval *e, const struct test *t, const struct snap_rows *rows,
                      uint8_t *out)
{
    unsigned flag = t->field == FIELD_LOCKED ? SNAP_GF_LOCKED : SNAP_GF_SYSTEM;
    for (size_t i = 0; i < rows->n; i++)
        out[i] = (e->s->goroutine.flags[rows->v[i]] & flag) != 0;
}

static bool whole_fits(const struct test *t, const char *value)
{
    return t->op == OP_HAS     ? true
           : t->op == OP_MATCH ? regex_match(t->re, value)
                               : strcmp(t->text, value) == 0;
}

static bool keyed_fits(const struct snap *s, const struct test *t, uint32_t g)
{
    bool label = t->field == FIELD_LABEL;
    uint32_t first, n = label ? snap_labels_of(s, s->goroutine.labels[g], &first)
                              : snap_locals_of(s, g, &first);
    for (uint32_t i = first; i < first + n; i++) {
        const char *key = snap_str(s, label ? s->label.key[i] : s->local.name[i]);
        if (strcmp(key, t->key) == 0 &&
            whole_fits(t, snap_str(s, label ? s->label.value[i] : s->local.value[i])))
            return true;
    }
    return false;
}

static void eval_keyed(struct eval *e, const struct test *t, const struct snap_rows *rows,
                       uint8_t *out)
{
    for (size_t i = 0; i < rows->n; i++)
        out[i] = keyed_fits(e->s, t, rows->v[i]);
}

static void eval_test(struct eval *e, const struct test *t, const struct snap_rows *rows,
                      uint8_t *out)
{
    switch (t->field) {
    case FIELD_STATE:
        eval_state(e, t, rows, out);
        return;
    case FIELD_REASON:
        eval_reason(e, t, rows, out);
        return;
    case FIELD_FUNC:
    case FIELD_FILE:
    case FIELD_LINE:
        eval_stack(e, t, rows, out);
        return;
    case FIELD_CREATOR:
        eval_creator(e, t, rows, out);
        return;
    case FIELD_TOP:
        eval_top(e, t, rows, out);
        return;
    case FIELD_LOCKED:
    case FIELD_SYSTEM:
        eval_flag(e, t, rows, out);
        return;
    case FIELD_LABEL:
    case FIELD_LOCAL:
        eval_keyed(e, t, rows, out);
        return;
    default:
        eval_number(e, t, rows, out);
    }
}

/* ---- expressions ---- */

/* Nodes come operands first, each is used once: a stack of arrays is enough. */
static struct err *eval_filter(struct eval *e, const struct snap_filter *f, struct snap_rows *rows)
{
    VEC(uint8_t *) done = {0};
    struct err *err = NULL;
    for (size_t k = 0; k < f->nodes.n && !err; k++) {
        const struct node *n = &f->nodes.v[k];
        if (n->kind == NODE_TEST) {
            uint8_t *out = mem_try_alloc(rows->n);
            if (out)
                eval_test(e, &n->test, rows, out);
            else
                err = err_new(ERR_NOMEM, "no memory to filter %zu goroutines", rows->n);
            vec_push(&done, out);
            continue;
        }
        uint8_t *b = n->kind == NODE_NOT ? NULL : done.v[--done.n], *a = *vec_last(&done);
        for (size_t i = 0; i < rows->n; i++)
            a[i] = n->kind == NODE_NOT ? !a[i] : n->kind == NODE_AND ? a[i] & b[i] : a[i] | b[i];
        free(b);
    }
    size_t kept = 0;
    for (size_t i = 0; i < rows->n && !err; i++)
        if ((*vec_last(&done))[i])
            rows->v[kept++] = rows->v[i];
    rows->n = err ? rows->n : kept;
    while (done.n)
        free(done.v[--done.n]);
    vec_free(&done);
    return err;
}

static void drop_system(const struct snap *s, struct snap_rows *rows)
{
    size_t kept = 0;
    for (size_t i = 0; i < rows->n; i++) {
        if (s->goroutine.flags[rows->v[i]] & SNAP_GF_SYSTEM)
            rows->system++;
        else
            rows->v[kept++] = rows->v[i];
    }
    rows->n = kept;
}

struct err *snap_select(const struct snap *s, const struct snap_selection *sel,
                        struct snap_rows *ret)
{
    struct snap_rows rows = {.v = mem_try_alloc(s->goroutine.n * sizeof(*rows.v))};
    if (!rows.v)
        return err_new(ERR_NOMEM, "no memory for a list of %zu goroutines", s->goroutine.n);
    for (rows.n = 0; rows.n < s->goroutine.n; rows.n++)
        rows.v[rows.n] = (uint32_t)rows.n;
    struct eval e = {.s = s, .now = snap_meta_i64(s, SNAP_META_taken_mono_ns, 0)};
    struct err *err = NULL;
    bool system = sel && sel->system;
    for (size_t i = 0; sel && i < sel->nfilters && !err; i++) {
        system |= sel->filters[i]->names_system;
        err = eval_filter(&e, sel->filters[i], &rows);
    }
    if (!system)
        drop_system(s, &rows);
    snap_codes_free(&e.codes);
    snap_tops_free(&e.tops);
    free(e.scratch);
    if (err)
        snap_rows_free(&rows);
    else
        *ret = rows;
    return err;
}

void snap_rows_free(struct snap_rows *r)
{
    free(r->v);
    *r = (struct snap_rows){0};
}

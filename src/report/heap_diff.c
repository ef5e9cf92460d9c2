/* heap_diff.c - gospect mem diff: NEW, MODIFIED and FREED objects, by type, by holder, one by one,
 * and what the allocation profile says to it. */
#include "report/heap_diff.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/text.h"
#include "base/vec.h"
#include "report/heap_survival.h"
#include "report/report_int.h"
#include "report/table.h"

enum { SURVIVAL_ROWS = 5 }; /* beside those that changed */

struct diff_report {
    const struct report_heap_diff *r;
    const struct heap_diff *d;
    const struct snap *a, *b;
    struct flow f;
};

static void signed_bytes(struct buf *b, int64_t n)
{
    buf_str(b, n < 0 ? "−" : "+");
    text_bytes(b, (uint64_t)(n < 0 ? -n : n));
}

static size_t shown(const struct diff_report *x, size_t n)
{
    return x->r->limit && x->r->limit < n ? x->r->limit : n;
}

static void left_out(struct diff_report *x, size_t n)
{
    if (shown(x, n) == n)
        return;
    buf_str(&x->f.b, "  ");
    text_count(&x->f.b, n - shown(x, n));
    buf_str(&x->f.b, " more: --limit 0 shows all\n");
}

static const char *type_name(const struct diff_report *x, const struct heap_diff_type *t)
{
    const struct snap *s = t->shape_b != SNAP_NONE ? x->b : x->a;
    uint32_t shape = t->shape_b != SNAP_NONE ? t->shape_b : t->shape_a;
    return shape != SNAP_NONE && shape ? snap_str(s, s->shape.name[shape]) : NULL;
}

/* ---- text ---- */

static void next_text(struct diff_report *x)
{
    const struct heap_diff_holder *h = x->d->nholders ? x->d->holders : NULL;
    if (!h || !x->r->later)
        return;
    if (h->alike)
        buf_printf(&x->f.b, "→ gospect goroutines %s\n", x->r->later);
    if (!heap_is_object(x->d->b, h->node))
        return;
    buf_printf(&x->f.b, "→ gospect heap %s --object 0x%" PRItaddr "\n", x->r->later,
               (unsigned long long)heap_address(x->d->b, h->node));
}

/* "+38 MB in 60 s (+412,093 −71,204 objects, 1,982 grown or shrunk)" */
static void headline(struct diff_report *x)
{
    const struct heap_diff *d = x->d;
    struct buf left = {0}, right = {0};
    int64_t delta = (int64_t)d->fresh.bytes - (int64_t)d->freed.bytes + d->modified_bytes;
    buf_str(&left, look(x->f.style, LOOK_BOLD));
    signed_bytes(&left, delta);
    buf_str(&left, look(x->f.style, LOOK_PLAIN));
    if (d->elapsed_ns >= 0) {
        buf_str(&left, " in ");
        text_ns(&left, d->elapsed_ns);
    }
    buf_str(&left, " (+");
    text_count(&left, d->fresh.count);
    buf_str(&left, " −");
    text_count(&left, d->freed.count);
    buf_str(&left, " objects, ");
    text_count(&left, d->nmodified);
    buf_str(&left, " changed size in place)");
    name_target(&right, x->b);
    two_sides(&x->f.b, x->f.style, buf_text(&left), buf_text(&right));
    buf_free(&left);
    buf_free(&right);
}

static void where_text(const struct diff_report *x, const struct heap_diff_holder *h,
                       struct buf *b);

enum { WORTH_A_WORD = 64 * 1000 }; /* bytes */

/* All variables without a name, and whatever several keep, are no place. */
static bool is_place(const struct heap_graph *g, uint32_t node)
{
    if (node == HEAP_ALL || !heap_is_holder(g, node))
        return node != HEAP_ALL;
    struct heap_holder h = heap_holder(g, node);
    return h.row != SNAP_NONE || h.kind == SNAP_ROOT_SPECIAL;
}

/* The one place where at least half of the growth is, if there is one.  Where what was freed had
 * hung we do not know, so it must be little beside what is there now. */
static const struct heap_diff_holder *main_place(const struct heap_diff *d)
{
    int64_t delta = (int64_t)d->fresh.bytes - (int64_t)d->freed.bytes + d->modified_bytes;
    if (!d->nholders || !is_place(d->b, d->holders[0].node))
        return NULL;
    int64_t there = (int64_t)d->holders[0].fresh.bytes + d->holders[0].grown;
    bool much = there >= delta / 2 && there >= WORTH_A_WORD;
    return much && (int64_t)d->freed.bytes <= there / 2 ? &d->holders[0] : NULL;
}

static void verdict(struct diff_report *x)
{
    const struct heap_diff_holder *h = main_place(x->d);
    struct buf b = {0};
    if (!h)
        return;
    text_bytes(&b, (uint64_t)((int64_t)h->fresh.bytes + h->grown));
    buf_str(&b, " more in one place, ");
    if (h->path.n) {
        heap_node_text(x->d->b, h->node, &b);
        buf_printf(&b, " at 0x%" PRItaddr ", reached by ",
                   (unsigned long long)heap_address(x->d->b, h->node));
    }
    where_text(x, h, &b);
    text_wrap(&x->f.b, buf_text(&b), x->f.style->width ? x->f.style->width : SIZE_MAX, 0, 2);
    buf_char(&x->f.b, '\n');
    buf_free(&b);
}

static void cell_bytes(struct table *t, int64_t n)
{
    signed_bytes(table_cell(t), n);
    table_cell_end(t);
}

static void cell_count(struct table *t, uint64_t n)
{
    if (n)
        text_count(table_cell(t), n);
    else
        buf_str(table_cell(t), "–");
    table_cell_end(t);
}

static bool is_changed(const struct heap_diff_type *t)
{
    return t->fresh.count || t->freed.count || t->modified;
}

/* "312 more changed: --limit 0 shows all; 40 did not change" */
static void types_left_out(struct diff_report *x, size_t changed)
{
    size_t hidden = changed - shown(x, changed), same = x->d->ntypes - changed;
    if (!hidden && !same)
        return;
    buf_str(&x->f.b, "  ");
    if (hidden) {
        text_count(&x->f.b, hidden);
        buf_str(&x->f.b, " more changed: --limit 0 shows all");
    }
    buf_str(&x->f.b, hidden && same ? "; " : "");
    if (same)
        count_of(&x->f.b, same, "type did not change", "types did not change");
    buf_char(&x->f.b, '\n');
}

static void types_text(struct diff_report *x)
{
    static const char *const heads[] = {"bytes", "new", "freed", "changed", "kept", "type"};
    const struct heap_diff *d = x->d;
    struct table t;
    table_init(&t, ARRAY_LEN(heads));
    for (size_t i = 0; i + 1 < ARRAY_LEN(heads); i++)
        table_column(&t, i, heads[i], TABLE_RIGHT | (i ? 0 : TABLE_BOLD));
    table_column(&t, ARRAY_LEN(heads) - 1, "type", TABLE_SHRINK | TABLE_CUT_MIDDLE);
    t.indent = 2;
    size_t changed = 0;
    for (size_t i = 0; i < d->ntypes; i++) {
        const struct heap_diff_type *row = &d->types[i];
        if (!is_changed(row) || changed++ >= shown(x, d->ntypes))
            continue;
        const char *name = type_name(x, row);
        cell_bytes(&t, row->delta_bytes);
        cell_count(&t, row->fresh.count);
        cell_count(&t, row->freed.count);
        cell_count(&t, row->modified);
        cell_count(&t, row->kept.count);
        table_text(&t, name ? name : "(not known)");
    }
    table_write(&t, x->f.style, &x->f.b);
    table_free(&t);
    types_left_out(x, changed);
    flow(&x->f);
}

/* Frames of a pc that are not the runtime's, until `*left` are written: "main.pump:88 ←
 * main.run:5".
 */
static void frames_text(const struct snap *s, uint32_t pc, unsigned *left, struct buf *b)
{
    for (uint32_t i = 0; *left && i < s->pc.frames[pc]; i++) {
        uint32_t f = s->pc.frame[pc] + i;
        const char *func = snap_str(s, s->frame.func[f]);
        if (snap_is_runtime_func(func))
            continue;
        buf_str(b, b->n ? " ← " : "");
        text_clean(b, func);
        buf_printf(b, ":%u", s->frame.line[f]);
        --*left;
    }
}

static void stack_text(const struct snap *s, uint32_t node, unsigned frames, struct buf *b)
{
    for (unsigned left = frames; left && node != SNAP_NONE; node = s->stack.parent[node])
        frames_text(s, s->stack.pc[node], &left, b);
}

/* Where a bucket's objects were allocated; "–" when that is not known. */
static void place_of(const struct snap *s, uint32_t bucket, unsigned frames, struct buf *b)
{
    if (bucket != SNAP_NONE)
        stack_text(s, s->bucket.stack[bucket], frames, b);
    if (!b->n)
        buf_str(b, "–");
}

/* "2,000 goroutines in main.pump:219, created by main.serve:80" */
static void goroutines_text(const struct diff_report *x, const struct heap_diff_holder *h,
                            struct buf *b)
{
    const struct snap *s = x->b;
    uint32_t row = heap_holder(x->d->b, h->node).row, creator = s->goroutine.creator[row];
    struct buf at = {0};
    unsigned one = 1;
    text_count(b, h->alike);
    stack_text(s, s->goroutine.stack[row], 1, &at);
    buf_printf(b, " goroutines in %s", at.n ? buf_text(&at) : "the runtime");
    buf_clear(&at);
    if (creator != SNAP_NONE)
        frames_text(s, creator, &one, &at);
    if (at.n)
        buf_printf(b, ", created by %s", buf_text(&at));
    buf_free(&at);
}

/* "orders.cache → .entries", or what it is when no way to it is known. */
static void where_text(const struct diff_report *x, const struct heap_diff_holder *h, struct buf *b)
{
    const struct heap_graph *g = x->d->b;
    if (h->path.n) {
        heap_path_text(g, &h->path, b);
    } else if (h->alike) {
        goroutines_text(x, h, b);
    } else if (h->node == HEAP_ALL) {
        buf_str(b, "several variables or goroutines");
    } else {
        heap_node_text(g, h->node, b);
        if (h->kept_by != h->node && h->kept_by != HEAP_ALL && h->kept_by != SNAP_NONE) {
            buf_str(b, " ← ");
            heap_node_text(g, h->kept_by, b);
        }
    }
}

static void holder_row(struct diff_report *x, struct table *t, const struct heap_diff_holder *h)
{
    bool object = heap_is_object(x->d->b, h->node);
    cell_bytes(t, (int64_t)h->fresh.bytes + h->grown);
    cell_count(t, h->fresh.count);
    if (h->grown) {
        cell_bytes(t, h->grown);
    } else {
        cell_count(t, 0);
    }
    table_text(t, object ? (*heap_shape_name(x->d->b, h->node) ? heap_shape_name(x->d->b, h->node)
                                                               : "(not known)")
                         : "");
    where_text(x, h, table_cell(t));
    table_cell_end(t);
}

static void holders_text(struct diff_report *x)
{
    const struct heap_diff *d = x->d;
    struct table t;
    if (!d->nholders)
        return;
    buf_str(&x->f.b, "where new memory hangs\n");
    table_init(&t, 5);
    table_column(&t, 0, "bytes", TABLE_RIGHT | TABLE_BOLD);
    table_column(&t, 1, "new", TABLE_RIGHT);
    table_column(&t, 2, "in place", TABLE_RIGHT);
    table_column(&t, 3, "in", TABLE_SHRINK | TABLE_CUT_MIDDLE);
    table_column(&t, 4, "kept by", TABLE_SHRINK | TABLE_CUT_MIDDLE);
    t.indent = 2;
    for (size_t i = 0; i < shown(x, d->nholders); i++)
        holder_row(x, &t, &d->holders[i]);
    table_write(&t, x->f.style, &x->f.b);
    table_free(&t);
    left_out(x, d->nholders);
    flow(&x->f);
}

/* ---- single objects ---- */

enum { CHAIN = 12, SHOWN_OBJECTS = 5, LOOKED_AT = 500, MOST_OBJECTS = 1000 };

/* Who keeps an object: its dominator, that one's, and so on to a holder; at most CHAIN nodes. None:
 * several do. */
static size_t chain_of(const struct heap_graph *g, uint32_t node, uint32_t *v)
{
    size_t n = 0;
    while (n < CHAIN && (node = heap_dominator(g, node)) != SNAP_NONE && node != HEAP_ALL)
        v[n++] = node;
    return n;
}

static struct err *largest(const struct diff_report *x, bool freed, size_t limit, uint32_t **v,
                           size_t *n)
{
    *n = limit;
    *v = calloc(limit ? limit : 1, sizeof(**v));
    if (!*v)
        return err_new(ERR_NOMEM, "no memory for a list");
    return heap_diff_largest(x->d, freed, limit, *v, n);
}

static void chain_text(const struct diff_report *x, uint32_t node, struct buf *b)
{
    uint32_t chain[CHAIN];
    bool more;
    size_t n = heap_dominator_chain(x->d->b, node, CHAIN, chain, &more);
    heap_node_text(x->d->b, node, b);
    for (size_t i = 0; i < n; i++) {
        buf_str(b, " ← ");
        heap_node_text(x->d->b, chain[i], b);
    }
    buf_str(b, more ? " ← …" : n ? "" : " ← several");
}

/* Leaves out what another new object keeps: the same would be told again and again. */
static size_t outermost(const struct diff_report *x, uint32_t *v, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n && kept < SHOWN_OBJECTS; i++) {
        uint32_t up = heap_dominator(x->d->b, v[i]);
        if (!heap_is_object(x->d->b, up) || !(x->d->fresh_bits[up / 64] >> up % 64 & 1))
            v[kept++] = v[i];
    }
    return kept;
}

static struct err *objects_text(struct diff_report *x)
{
    uint32_t *v;
    size_t n;
    struct table t;
    struct err *e = largest(x, false, LOOKED_AT, &v, &n);
    n = e ? 0 : outermost(x, v, n);
    if (n) {
        buf_str(&x->f.b, "largest new objects, and what keeps each\n");
        table_init(&t, 3);
        table_column(&t, 0, "keeps", TABLE_RIGHT | TABLE_BOLD);
        table_column(&t, 1, "address", 0);
        table_column(&t, 2, "object", TABLE_SHRINK | TABLE_CUT_MIDDLE);
        t.indent = 2;
        for (size_t i = 0; i < n; i++) {
            text_bytes(table_cell(&t), heap_retained(x->d->b, v[i]));
            table_cell_end(&t);
            buf_printf(table_cell(&t), "0x%" PRIx64, heap_address(x->d->b, v[i]));
            table_cell_end(&t);
            chain_text(x, v[i], table_cell(&t));
            table_cell_end(&t);
        }
        table_write(&t, x->f.style, &x->f.b);
        table_free(&t);
        buf_printf(&x->f.b,
                   "  gospect heap %s --paths 0x%" PRIx64 " shows each pointer of the way\n",
                   x->r->later, heap_address(x->d->b, v[0]));
        flow(&x->f);
    }
    free(v);
    return e;
}

static void modified_where(const struct diff_report *x, const struct heap_modified *m,
                           struct buf *b)
{
    if (m->root_b != SNAP_NONE) {
        heap_root_text(x->d->b, m->root_b, b);
        return;
    }
    heap_node_text(x->d->b, m->holder_b, b);
    heap_word_text(x->d->b, m->holder_b, m->word, b);
}

/* What grew alike: the same word of holders of one type.  One row each. */
struct alike {
    const struct heap_modified *first;
    uint64_t n, from, to;
};
struct alikes {
    struct alike *v;
    size_t n, cap;
};

static int64_t delta_of(const struct alike *a)
{
    return (int64_t)(a->to - a->from);
}

static int by_growth(const void *pa, const void *pb)
{
    const struct alike *a = pa, *b = pb;
    if (delta_of(a) != delta_of(b))
        return delta_of(a) > delta_of(b) ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

/* A hash: two kinds that share one would be told as one row. */
static uint64_t kind_of(const struct diff_report *x, const struct heap_modified *m)
{
    const struct heap_graph *g = x->d->b;
    if (m->root_b != SNAP_NONE)
        return hash_u64(m->root_b);
    uint64_t shapes = (uint64_t)heap_shape(g, m->holder_b) << 32 | heap_shape(g, m->slot_b);
    return hash_u64(hash_u64(shapes + 1) ^ m->word);
}

static void join_alike(const struct diff_report *x, struct alikes *rows)
{
    struct map seen = {0};
    for (size_t i = 0; i < x->d->nmodified; i++) {
        const struct heap_modified *m = &x->d->modified[i];
        bool added;
        uint32_t at = map_get_or_put(&seen, kind_of(x, m), (uint32_t)rows->n, &added);
        if (added)
            vec_push(rows, ((struct alike){.first = m}));
        rows->v[at].n++;
        rows->v[at].from += m->bytes_a;
        rows->v[at].to += m->bytes_b;
    }
    if (rows->n)
        qsort(rows->v, rows->n, sizeof(*rows->v), by_growth);
    map_free(&seen);
}

static void modified_table(struct diff_report *x, const struct alikes *rows)
{
    static const char *const heads[] = {"bytes", "n", "from", "to"};
    struct table t;
    table_init(&t, ARRAY_LEN(heads) + 1);
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        table_column(&t, i, heads[i], TABLE_RIGHT | (i ? 0 : TABLE_BOLD));
    table_column(&t, ARRAY_LEN(heads), "what", TABLE_SHRINK | TABLE_CUT_MIDDLE);
    t.indent = 2;
    for (size_t i = 0; i < shown(x, rows->n); i++) {
        cell_bytes(&t, delta_of(&rows->v[i]));
        cell_count(&t, rows->v[i].n);
        text_bytes(table_cell(&t), rows->v[i].from);
        table_cell_end(&t);
        text_bytes(table_cell(&t), rows->v[i].to);
        table_cell_end(&t);
        modified_where(x, rows->v[i].first, table_cell(&t));
        table_cell_end(&t);
    }
    table_write(&t, x->f.style, &x->f.b);
    table_free(&t);
    left_out(x, rows->n);
    flow(&x->f);
}

static void modified_text(struct diff_report *x)
{
    struct alikes rows = {0};
    if (x->d->missing)
        buf_printf(&x->f.b, "grown maps and slices were not looked for: %s\n", x->d->missing);
    if (!x->d->nmodified)
        return;
    join_alike(x, &rows);
    buf_str(&x->f.b, "changed size in place\n");
    modified_table(x, &rows);
    vec_free(&rows);
}

static void ages_text(struct diff_report *x)
{
    struct buf b = {0};
    for (size_t i = 0; i < HEAP_DIFF_AGES; i++) {
        const struct heap_diff_age *age = &x->d->ages[i];
        uint64_t bytes = 0;
        bool told = false;
        for (size_t k = 0; k < HEAP_DIFF_AGES; k++) /* without a collection two rows are one age */
            if (x->d->ages[k].min == age->min && x->d->ages[k].max == age->max) {
                bytes += x->d->ages[k].amount.bytes;
                told |= k < i;
            }
        if (!bytes || told)
            continue;
        buf_str(&b, b.n ? ", " : "");
        text_bytes(&b, bytes);
        if (!age->max)
            buf_str(&b, " none");
        else if (age->max == UINT32_MAX)
            buf_printf(&b, " %u or more", age->min);
        else if (age->min == age->max)
            buf_printf(&b, " %u", age->min);
        else
            buf_printf(&b, " %u to %u", age->min, age->max);
    }
    if (b.n)
        buf_printf(&x->f.b, "garbage collections that live objects survived: %s\n", buf_text(&b));
    buf_free(&b);
}

static void no_sites(struct diff_report *x)
{
    struct buf b = {0};
    if (!x->r->no_sites)
        return;
    buf_printf(&b, "no cross-check with the allocation profile: %s", x->r->no_sites);
    text_wrap(&x->f.b, buf_text(&b), x->f.style->width ? x->f.style->width : SIZE_MAX, 0, 2);
    buf_char(&x->f.b, '\n');
    buf_free(&b);
}

static void sites_text(struct diff_report *x)
{
    const struct heap_site_rows *v = x->r->sites;
    struct table t;
    struct buf at = {0};
    if (!v) {
        no_sites(x);
        return;
    }
    if (!v->n) {
        buf_str(&x->f.b, "the allocation profile shows no growth above the noise of its samples\n");
        return;
    }
    buf_str(&x->f.b, "what the allocation profile says");
    for (size_t i = 0; i < x->r->nprofiles; i++) {
        buf_str(&x->f.b, i ? " and " : ": ");
        text_clean(&x->f.b, x->r->profiles[i]);
    }
    buf_char(&x->f.b, '\n');
    table_init(&t, 6);
    table_column(&t, 0, "profile", TABLE_RIGHT | TABLE_BOLD);
    table_column(&t, 1, "objects", TABLE_RIGHT);
    table_column(&t, 2, "a second", TABLE_RIGHT);
    table_column(&t, 3, "verdict", 0);
    table_column(&t, 4, "type", TABLE_SHRINK | TABLE_CUT_MIDDLE);
    table_column(&t, 5, "allocated at", TABLE_SHRINK); /* the line itself comes first */
    t.indent = 2;
    for (size_t i = 0; i < shown(x, v->n); i++) {
        const struct heap_site_row *row = &v->v[i];
        cell_bytes(&t, (int64_t)row->profile_bytes);
        cell_bytes(&t, row->object_bytes);
        cell_bytes(&t, (int64_t)row->bytes_per_s);
        table_text(&t, heap_verdict_name(row->verdict));
        table_text(&t, row->shape != SNAP_NONE && row->shape
                           ? snap_str(x->b, x->b->shape.name[row->shape])
                           : "(not known)");
        buf_clear(&at);
        place_of(v->profile, row->bucket, 2, &at);
        table_text(&t, buf_text(&at));
    }
    table_write(&t, x->f.style, &x->f.b);
    table_free(&t);
    buf_free(&at);
    left_out(x, v->n);
    flow(&x->f);
}

static void how_sure(struct diff_report *x)
{
    const struct heap_diff *d = x->d;
    struct buf b = {0};
    buf_str(&b, "how sure: ");
    if (d->gcs >= 0) {
        count_of(&b, (uint64_t)d->gcs, "garbage collection", "garbage collections");
        buf_str(&b, " ended in between; ");
    }
    if (d->inferred.count) {
        text_count(&b, d->inferred.count);
        buf_str(
            &b,
            " objects are taken to be the same because place and type agree (inferred), the rest "
            "is proved");
    } else {
        buf_str(&b, "every object is proved to be the same, or another one");
    }
    if (d->reused.count) {
        buf_str(&b, "; ");
        count_of(&b, d->reused.count, "new one lies", "new ones lie");
        buf_str(&b, " where another object was");
    }
    text_wrap(&x->f.b, buf_text(&b), x->f.style->width ? x->f.style->width : SIZE_MAX, 0, 2);
    buf_char(&x->f.b, '\n');
    buf_free(&b);
}

struct err *report_heap_diff_text(const struct report_heap_diff *r,
                                  const struct report_style *style, struct report_sink out)
{
    struct diff_report x = {.r = r,
                            .d = r->diff,
                            .a = heap_snap(r->diff->a),
                            .b = heap_snap(r->diff->b),
                            .f = {.style = style, .sink = out}};
    headline(&x);
    verdict(&x);
    types_text(&x);
    holders_text(&x);
    struct err *e = objects_text(&x);
    modified_text(&x);
    sites_text(&x);
    report_survival_text(r->survival, r->limit ? SURVIVAL_ROWS : 0, &x.f);
    ages_text(&x);
    how_sure(&x);
    next_text(&x);
    missing_text(&x.f.b, x.b, style);
    if (r->wall_ns > 0) {
        text_ns(&x.f.b, r->wall_ns);
        buf_str(&x.f.b, " in all\n");
    }
    struct err *written = flow_end(&x.f);
    if (!e)
        return written;
    err_free(written);
    return e;
}

/* ---- JSON ---- */

static void amount_json(struct json *j, const char *key, struct heap_amount a)
{
    json_key(j, key);
    json_begin(j, '{');
    json_ku64(j, "count", a.count);
    json_ku64(j, "bytes", a.bytes);
    json_end(j, '}');
}

static void chain_json(struct json *j, const struct heap_graph *g, uint32_t node)
{
    uint32_t chain[CHAIN];
    struct buf b = {0};
    size_t n = chain_of(g, node, chain);
    json_key(j, "kept_by");
    json_begin(j, '[');
    for (size_t i = 0; i < n; i++) {
        buf_clear(&b);
        heap_node_text(g, chain[i], &b);
        json_str(j, buf_text(&b));
    }
    json_end(j, ']');
    buf_free(&b);
}

static struct err *objects_json(struct json *j, const struct diff_report *x, bool freed)
{
    const struct heap_graph *g = freed ? x->d->a : x->d->b;
    uint32_t *v;
    size_t n;
    struct err *e = largest(x, freed, x->r->limit ? x->r->limit : MOST_OBJECTS, &v, &n);
    json_key(j, freed ? "freed" : "new");
    json_begin(j, '[');
    for (size_t i = 0; !e && i < n; i++) {
        json_begin(j, '{');
        json_kaddr(j, "addr", heap_address(g, v[i]));
        json_kstr(j, "type", heap_shape_name(g, v[i]));
        json_ku64(j, "bytes", heap_size(g, v[i]));
        json_ku64(j, "retained", heap_retained(g, v[i]));
        chain_json(j, g, v[i]);
        json_end(j, '}');
    }
    json_end(j, ']');
    free(v);
    return e;
}

static void modified_json(struct json *j, const struct diff_report *x)
{
    struct buf b = {0};
    json_key(j, "modified");
    json_begin(j, '[');
    for (size_t i = 0; i < shown(x, x->d->nmodified); i++) {
        const struct heap_modified *m = &x->d->modified[i];
        buf_clear(&b);
        modified_where(x, m, &b);
        json_begin(j, '{');
        json_kstr(j, "what", buf_text(&b));
        json_kstr(j, "type", heap_shape_name(x->d->b, m->slot_b));
        json_ku64(j, "bytes_before", m->bytes_a);
        json_ku64(j, "bytes", m->bytes_b);
        json_ki64(j, "delta_bytes", (int64_t)m->bytes_b - (int64_t)m->bytes_a);
        json_kbool(j, "map", m->map);
        json_end(j, '}');
    }
    json_end(j, ']');
    json_ku64(j, "modified_left_out", x->d->nmodified - shown(x, x->d->nmodified));
    buf_free(&b);
}

static void types_json(struct json *j, const struct diff_report *x)
{
    json_key(j, "types");
    json_begin(j, '[');
    for (size_t i = 0; i < x->d->ntypes; i++) {
        const struct heap_diff_type *t = &x->d->types[i];
        json_begin(j, '{');
        json_kstr(j, "type", type_name(x, t));
        json_ku64(j, "new", t->fresh.count);
        json_ku64(j, "new_bytes", t->fresh.bytes);
        json_ku64(j, "freed", t->freed.count);
        json_ku64(j, "freed_bytes", t->freed.bytes);
        json_ku64(j, "modified", t->modified);
        json_ku64(j, "kept", t->kept.count);
        json_ki64(j, "delta_bytes", t->delta_bytes);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void holders_json(struct json *j, const struct diff_report *x)
{
    struct buf b = {0};
    json_key(j, "holders");
    json_begin(j, '[');
    for (size_t i = 0; i < x->d->nholders; i++) {
        const struct heap_diff_holder *h = &x->d->holders[i];
        buf_clear(&b);
        if (h->alike)
            goroutines_text(x, h, &b);
        else
            heap_node_text(x->d->b, h->node, &b);
        json_begin(j, '{');
        json_kstr(j, "holder", buf_text(&b));
        json_ku64(j, "new", h->fresh.count);
        json_ku64(j, "new_bytes", h->fresh.bytes);
        json_ki64(j, "grown_bytes", h->grown);
        if (heap_is_object(x->d->b, h->node))
            json_kaddr(j, "addr", heap_address(x->d->b, h->node));
        buf_clear(&b);
        if (h->path.n)
            heap_path_text(x->d->b, &h->path, &b);
        json_kstr(j, "path", h->path.n ? buf_text(&b) : NULL);
        json_ku64(j, "goroutines", h->alike);
        json_end(j, '}');
    }
    json_end(j, ']');
    buf_free(&b);
}

/* The functions and lines of a bucket's stack, innermost first. */
static void stack_json(struct json *j, const struct snap *s, uint32_t bucket)
{
    struct buf b = {0};
    uint32_t node = bucket == SNAP_NONE ? SNAP_NONE : s->bucket.stack[bucket];
    json_key(j, "stack");
    json_begin(j, '[');
    for (; node != SNAP_NONE; node = s->stack.parent[node]) {
        uint32_t pc = s->stack.pc[node];
        for (uint32_t i = 0; i < s->pc.frames[pc]; i++) {
            uint32_t f = s->pc.frame[pc] + i;
            buf_clear(&b);
            buf_printf(&b, "%s:%u", snap_str(s, s->frame.func[f]), s->frame.line[f]);
            json_str(j, buf_text(&b));
        }
    }
    json_end(j, ']');
    buf_free(&b);
}

static void sites_json(struct json *j, const struct diff_report *x)
{
    const struct heap_site_rows *v = x->r->sites;
    struct buf b = {0};
    json_key(j, "sites");
    if (!v) {
        json_null(j);
        return;
    }
    json_begin(j, '[');
    for (size_t i = 0; i < v->n; i++) {
        const struct heap_site_row *row = &v->v[i];
        buf_clear(&b);
        place_of(v->profile, row->bucket, 1, &b);
        json_begin(j, '{');
        json_kstr(j, "type",
                  row->shape != SNAP_NONE && row->shape
                      ? snap_str(x->b, x->b->shape.name[row->shape])
                      : NULL);
        json_kstr(j, "allocated_at", row->bucket == SNAP_NONE ? NULL : buf_text(&b));
        stack_json(j, v->profile, row->bucket);
        json_kf64(j, "profile_bytes", row->profile_bytes);
        json_ki64(j, "object_bytes", row->object_bytes);
        json_ki64(j, "object_count", row->object_count);
        json_kf64(j, "bytes_per_second", row->bytes_per_s);
        json_kstr(j, "verdict", heap_verdict_name(row->verdict));
        json_end(j, '}');
    }
    json_end(j, ']');
    buf_free(&b);
}

struct err *report_heap_diff_json(const struct report_heap_diff *r, struct report_sink out)
{
    struct json j;
    const struct heap_diff *d = r->diff;
    struct diff_report x = {.r = r, .d = d, .a = heap_snap(d->a), .b = heap_snap(d->b)};
    json_init(&j, out.write, out.arg);
    json_begin(&j, '{');
    json_key(&j, "target");
    target_json(&j, x.b);
    json_ki64(&j, "elapsed_ns", d->elapsed_ns);
    json_ki64(&j, "garbage_collections", d->gcs);
    amount_json(&j, "new_total", d->fresh);
    amount_json(&j, "freed_total", d->freed);
    amount_json(&j, "kept_total", d->kept);
    amount_json(&j, "kept_inferred", d->inferred);
    amount_json(&j, "reused", d->reused);
    json_ki64(&j, "modified_bytes", d->modified_bytes);
    struct err *e = objects_json(&j, &x, false);
    modified_json(&j, &x);
    if (!e)
        e = objects_json(&j, &x, true);
    types_json(&j, &x);
    holders_json(&j, &x);
    sites_json(&j, &x);
    json_key(&j, "profiles");
    json_begin(&j, '[');
    for (size_t i = 0; i < r->nprofiles; i++)
        json_str(&j, r->profiles[i]);
    json_end(&j, ']');
    report_survival_json(r->survival, &j);
    struct err *written = document_end(&j, x.b);
    if (!e)
        return written;
    err_free(written);
    return e;
}

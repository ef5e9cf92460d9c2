/* survival.c - survival of objects by type; see heap/survival.h. */
#include "heap/survival.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heap/heap_int.h"

/* Two snapshots at points of a cycle that are further apart show other shares anyway. */
static const double SAME_POINT = 0.25;

/* Rows by type; types of one name and package are one, whatever snapshot they are of. */
struct counting {
    const struct heap_diff *d;
    struct intern names;
    uint32_t *row_a, *row_b; /* owned; by shape: row */
    struct heap_survival_row *v;
};

double heap_cycle_progress(const struct snap *s)
{
    int64_t live, marked, trigger;
    if (!snap_counter(s, "gc.heap_live_bytes", &live) ||
        !snap_counter(s, "gc.heap_marked_bytes", &marked) ||
        !snap_counter(s, "gc.trigger_bytes", &trigger) || trigger <= marked)
        return -1;
    double f = (double)(live - marked) / (double)(trigger - marked);
    return f < 0 ? 0 : f > 1 ? 1 : f;
}

static void count_a(struct counting *c)
{
    const struct heap_graph *g = c->d->a;
    const struct snap *s = g->s;
    for (uint32_t slot = 0; slot < g->nslots; slot++) {
        if (!heap_slot_live(g, slot))
            continue;
        struct heap_survival_row *row = &c->v[c->row_a[s->slot.shape[slot]]];
        bool old = bit_at(s->slots64.survived, slot);
        row->objects++;
        row->old_a += old;
        row->fresh += !old;
    }
}

static void count_span_b(struct counting *c, uint32_t r)
{
    const struct heap_graph *a = c->d->a, *g = c->d->b;
    const struct snap *s = g->s, *before = a->s;
    uint32_t at = heap_find(a, s->span.addr[r], NULL);
    bool there = at != SNAP_NONE && before->span.elems[heap_span(a, at)] == s->span.elems[r];
    for (uint32_t i = 0; i < s->span.elems[r]; i++) {
        uint32_t slot = s->span.slot[r] + i;
        if (!heap_slot_live(g, slot))
            continue;
        struct heap_survival_row *row = &c->v[c->row_b[s->slot.shape[slot]]];
        row->all_b++;
        row->old_b += bit_at(s->slots64.survived, slot);
        if (!there || !bit_at(c->d->kept_bits, slot))
            continue;
        row = &c->v[c->row_a[before->slot.shape[at + i]]];
        row->kept++;
        row->kept_fresh += !bit_at(before->slots64.survived, at + i);
    }
}

static void count_b(struct counting *c)
{
    for (uint32_t r = 0; r < c->d->b->s->span.n; r++)
        count_span_b(c, r);
}

/* ---- what changed ---- */

static bool far_apart(double x, double y)
{
    return x >= 0 && y >= 0 && fabs(x - y) > HEAP_SURVIVAL_CHANGE;
}

double heap_survival_rate(const struct heap_survival *s, uint64_t kept, uint64_t objects)
{
    return s->gcs > 0 && objects ? (double)kept / (double)objects : -1;
}

static bool same_point(const struct heap_survival *s)
{
    return s->progress_a < 0 || s->progress_b < 0 ||
           fabs(s->progress_a - s->progress_b) <= SAME_POINT;
}

static void compare_shares(struct heap_survival *s)
{
    if (s->gcs < 1 || !same_point(s))
        return;
    s->basis = HEAP_SURVIVAL_SHARES;
    for (size_t i = 0; i < s->n; i++) {
        struct heap_survival_row *x = &s->v[i];
        if (x->objects >= HEAP_SURVIVAL_MIN && x->all_b >= HEAP_SURVIVAL_MIN)
            x->changed = far_apart((double)x->old_a / (double)x->objects,
                                   (double)x->old_b / (double)x->all_b);
    }
}

/* Rates of the interval before, joined by the keys of types. */
static struct err *compare_rates(struct heap_survival *s, const struct heap_diff *earlier)
{
    struct heap_survival before;
    struct map row_of = {0};
    TRY(heap_survival(earlier, NULL, &before));
    s->gcs_earlier = before.gcs;
    for (size_t i = 0; i < before.n; i++)
        map_put(&row_of, before.v[i].key, (uint32_t)i);
    for (size_t i = 0; i < s->n; i++) {
        struct heap_survival_row *x = &s->v[i];
        uint32_t k = map_get(&row_of, x->key);
        if (k == MAP_NONE)
            continue;
        const struct heap_survival_row *y = &before.v[k];
        x->earlier = heap_survival_rate(&before, y->kept, y->objects);
        x->changed = x->objects >= HEAP_SURVIVAL_MIN && y->objects >= HEAP_SURVIVAL_MIN &&
                     far_apart(x->earlier, heap_survival_rate(s, x->kept, x->objects));
    }
    if (s->gcs > 0 && before.gcs > 0)
        s->basis = HEAP_SURVIVAL_RATES;
    map_free(&row_of);
    heap_survival_free(&before);
    return NULL;
}

/* ---- the whole ---- */

static int by_weight(const void *pa, const void *pb)
{
    const struct heap_survival_row *a = pa, *b = pb;
    if (a->changed != b->changed)
        return a->changed ? -1 : 1;
    if (a->objects != b->objects)
        return a->objects > b->objects ? -1 : 1;
    if (a->all_b != b->all_b)
        return a->all_b > b->all_b ? -1 : 1;
    return strcmp(a->type, b->type); /* keys are as the threads that read types came */
}

static struct err *number_rows(const struct snap *s, struct intern *names, uint32_t **ret)
{
    struct buf b = {0};
    TRY(heap_array(s->shape.n + 1, sizeof(**ret), "the survival of types", ret));
    for (uint32_t shape = 1; shape < s->shape.n; shape++) { /* 0: not known, as "" is in names */
        uint32_t type = s->shape.type[shape];
        buf_clear(&b);
        buf_printf(&b, "%s\n%s", snap_str(s, s->shape.name[shape]),
                   type == SNAP_NONE ? "" : snap_str(s, s->type.package[type]));
        (*ret)[shape] = intern_add(names, buf_text(&b));
    }
    buf_free(&b);
    return NULL;
}

static void name_rows(struct counting *c, const struct snap *s, const uint32_t *rows)
{
    c->v[0].type = "";
    for (uint32_t shape = 1; shape < s->shape.n; shape++) {
        struct heap_survival_row *x = &c->v[rows[shape]];
        const char *key = intern_get(&c->names, rows[shape]);
        x->type = snap_str(s, s->shape.name[shape]);
        x->key = hash_bytes(key, strlen(key));
    }
}

static struct err *count(struct counting *c, struct heap_survival *ret)
{
    const struct snap *a = c->d->a->s, *b = c->d->b->s;
    TRY(number_rows(a, &c->names, &c->row_a));
    TRY(number_rows(b, &c->names, &c->row_b));
    TRY(heap_array(c->names.n, sizeof(*c->v), "the survival of types", &c->v));
    ret->v = c->v;
    name_rows(c, a, c->row_a);
    name_rows(c, b, c->row_b);
    count_a(c);
    count_b(c);
    for (size_t i = 0; i < c->names.n; i++) {
        c->v[i].earlier = -1;
        if (c->v[i].objects || c->v[i].all_b)
            ret->v[ret->n++] = c->v[i];
    }
    return NULL;
}

struct err *heap_survival(const struct heap_diff *d, const struct heap_diff *earlier,
                          struct heap_survival *ret)
{
    struct counting c = {.d = d};
    *ret = (struct heap_survival){.gcs = d->gcs,
                                  .gcs_earlier = -1,
                                  .progress_a = heap_cycle_progress(d->a->s),
                                  .progress_b = heap_cycle_progress(d->b->s)};
    intern_init(&c.names);
    struct err *e = count(&c, ret);
    intern_free(&c.names);
    free(c.row_a);
    free(c.row_b);
    if (!e && earlier)
        e = compare_rates(ret, earlier);
    else if (!e)
        compare_shares(ret);
    if (e) {
        heap_survival_free(ret);
        return e;
    }
    for (size_t i = 0; i < ret->n; i++)
        ret->nchanged += ret->v[i].changed;
    if (ret->n)
        qsort(ret->v, ret->n, sizeof(*ret->v), by_weight);
    return NULL;
}

void heap_survival_free(struct heap_survival *s)
{
    free(s->v);
    *s = (struct heap_survival){0};
}

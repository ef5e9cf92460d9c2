/* retained_check.c - liveness, dominators and retained bytes of a real heap by their definition:
 * something is taken away, everything is marked again, and what is not reached any more is what it
 * retained.
 *
 *     retained_check SNAPSHOT SAMPLES SEED
 *
 * It marks by itself: from the tables root and edge, with none of heap/'s marking.  SAMPLES objects
 * are taken: those that retain most, and others by chance; of some the whole chain of dominators.
 * Of the holders all, up to that number; of types those with few objects, by the union of what each
 * of them retains.  A line "WRONG ..." for each disagreement, and one with what was compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "base/vec.h"
#include "heap/by.h"
#include "snap/edges.h"

enum { TOP_MAX = 100, FEW = 6, CHAIN_EVERY = 8, CHAIN_MAX = 12, WORKERS_MAX = 64 };

/* What is taken away: some objects, or the roots of a holder. */
struct without {
    const uint32_t *slots;
    size_t n;
    uint32_t holder; /* a node; SNAP_NONE: none */
};

struct marker {
    uint64_t *seen;
    VEC(uint32_t) todo;
};

enum what { OBJECT, HOLDER, TYPE };
struct task {
    enum what what;
    uint32_t key; /* OBJECT, HOLDER: node; TYPE: row of heap_group() */
    bool chain;
};

struct check {
    const struct snap *s;
    struct heap_graph *g;
    struct heap_rows types;
    uint64_t *live; /* everything there, marked */
    uint64_t live_bytes;
    size_t words;
    struct marker markers[WORKERS_MAX];
    VEC(struct task) tasks;
    _Atomic uint64_t wrong, marks;
};

static bool has(const uint64_t *bits, uint32_t slot)
{
    return bits[slot / 64] >> slot % 64 & 1;
}

/* ---- marking ---- */

static bool is_root_of(const struct check *c, uint32_t row, uint32_t holder)
{
    const struct snap *s = c->s;
    struct heap_holder h = heap_holder(c->g, holder);
    uint8_t kind = s->root.kind[row];
    bool stack = kind == SNAP_ROOT_STACK || kind == SNAP_ROOT_REGISTER;
    if (h.kind == SNAP_ROOT_GLOBAL && h.row != SNAP_NONE)
        return kind == SNAP_ROOT_GLOBAL && s->root.global[row] == h.row;
    if (h.kind == SNAP_ROOT_STACK && h.row != SNAP_NONE)
        return stack && s->root.goroutine[row] == h.row;
    bool no_row = (kind == SNAP_ROOT_GLOBAL && s->root.global[row] == SNAP_NONE) ||
                  (stack && s->root.goroutine[row] == SNAP_NONE) ||
                  (kind != SNAP_ROOT_GLOBAL && !stack);
    return kind == h.kind && no_row;
}

static void reach(const struct check *c, struct marker *m, uint32_t slot)
{
    if (has(m->seen, slot))
        return;
    m->seen[slot / 64] |= UINT64_C(1) << slot % 64;
    if (slot < c->s->scanslot.n)
        vec_push(&m->todo, slot);
}

/* Bytes of what is reached. */
static uint64_t mark(struct check *c, struct marker *m, const struct without *w)
{
    const struct snap *s = c->s;
    uint64_t bytes = 0;
    memset(m->seen, 0, c->words * sizeof(*m->seen));
    for (size_t i = 0; i < w->n; i++) /* as if they had been seen: nobody goes on from there */
        m->seen[w->slots[i] / 64] |= UINT64_C(1) << w->slots[i] % 64;
    for (uint32_t r = 0; r < s->root.n; r++)
        if (w->holder == SNAP_NONE || !is_root_of(c, r, w->holder))
            reach(c, m, s->root.slot[r]);
    while (m->todo.n) {
        struct snap_edges it;
        snap_edges_init(&it, s, m->todo.v[--m->todo.n]);
        while (snap_edges_next(&it))
            reach(c, m, it.target);
    }
    for (size_t i = 0; i < w->n; i++)
        m->seen[w->slots[i] / 64] &= ~(UINT64_C(1) << w->slots[i] % 64);
    for (uint32_t r = 0; r < s->span.n; r++)
        for (uint32_t i = 0; i < s->span.elems[r]; i++)
            bytes += has(m->seen, s->span.slot[r] + i) ? s->span.elem_size[r] : 0;
    c->marks++;
    return bytes;
}

/* ---- comparing ---- */

static void compare(struct check *c, const char *what, uint32_t key, uint64_t ours, uint64_t truth)
{
    if (ours == truth)
        return;
    c->wrong++;
    printf("WRONG %s %u: %llu, by marking again %llu\n", what, key, (unsigned long long)ours,
           (unsigned long long)truth);
}

/* Without any one of its dominators it is not reached, and the nearest is dominated by all. */
static void check_chain(struct check *c, struct marker *m, uint32_t node)
{
    uint32_t d = heap_dominator(c->g, node);
    for (int i = 0; i < CHAIN_MAX && d != HEAP_ALL && d != SNAP_NONE; i++) {
        bool object = heap_is_object(c->g, d);
        struct without w = {&d, object, object ? SNAP_NONE : d};
        mark(c, m, &w);
        compare(c, "dominator of", node, has(m->seen, node), false);
        compare(c, "dominates", node, heap_dominates(c->g, d, node), true);
        d = heap_dominator(c->g, d);
    }
}

static void check_object(struct check *c, struct marker *m, const struct task *t)
{
    struct without w = {&t->key, 1, SNAP_NONE};
    bool live = has(c->live, t->key);
    compare(c, "live", t->key, heap_live(c->g, t->key), live);
    if (!live)
        return compare(c, "garbage", t->key, heap_retained(c->g, t->key), 0);
    uint64_t left = mark(c, m, &w);
    compare(c, "object", t->key, heap_retained(c->g, t->key), c->live_bytes - left);
    for (uint32_t slot = t->key % 97; slot < heap_slots(c->g); slot += 97)
        if (has(c->live, slot))
            compare(c, "dominated", slot, heap_dominates(c->g, t->key, slot), !has(m->seen, slot));
    if (t->chain)
        check_chain(c, m, t->key);
}

static void check_holder(struct check *c, struct marker *m, const struct task *t)
{
    struct without w = {NULL, 0, t->key};
    uint64_t left = mark(c, m, &w);
    compare(c, "holder", t->key, heap_retained(c->g, t->key), c->live_bytes - left);
}

/* What a type is: all but how it was found out. */
static bool same_type(const struct check *c, uint32_t a, uint32_t b)
{
    const struct snap_shape *t = &c->s->shape;
    return a == b || (a && b && t->form[a] == t->form[b] && t->type[a] == t->type[b] &&
                      t->pc[a] == t->pc[b] && t->name[a] == t->name[b]);
}

/* What at least one of its objects retains; all of them together may retain more. */
static void check_type(struct check *c, struct marker *m, const struct task *t)
{
    const struct heap_row *row = &c->types.v[t->key];
    uint64_t *lost = mem_alloc(c->words * sizeof(*lost)), bytes = 0;
    VEC(uint32_t) all = {0};
    for (uint32_t slot = 0; slot < heap_slots(c->g); slot++)
        if (has(c->live, slot) && same_type(c, heap_shape(c->g, slot), row->key))
            vec_push(&all, slot);
    struct without everything = {all.v, all.n, SNAP_NONE};
    uint64_t most = c->live_bytes - mark(c, m, &everything);
    compare(c, "objects of type", row->key, row->count, all.n);
    for (size_t i = 0; i < all.n && all.n <= FEW; i++) {
        struct without w = {&all.v[i], 1, SNAP_NONE};
        mark(c, m, &w);
        for (size_t k = 0; k < c->words; k++)
            lost[k] |= c->live[k] & ~m->seen[k];
    }
    for (uint32_t slot = 0; slot < heap_slots(c->g); slot++)
        bytes += has(lost, slot) ? heap_size(c->g, slot) : 0;
    if (all.n <= FEW)
        compare(c, "type", row->key, row->retained, bytes);
    compare(c, "type at most", row->key, row->retained > most, false);
    compare(c, "type at least", row->key, row->retained < row->bytes, false);
    vec_free(&all);
    free(lost);
}

static struct err *run_task(void *arg, size_t i, unsigned worker)
{
    static void (*const checks[])(struct check *, struct marker *,
                                  const struct task *) = {check_object, check_holder, check_type};
    struct check *c = arg;
    checks[c->tasks.v[i].what](c, &c->markers[worker % WORKERS_MAX], &c->tasks.v[i]);
    return NULL;
}

/* ---- what is compared ---- */

static uint64_t dice(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct err *choose(struct check *c, size_t samples, uint64_t seed)
{
    struct heap_top top[TOP_MAX];
    size_t n;
    TRY(heap_top(c->g, &(struct heap_top_options){.limit = min_u64(TOP_MAX, samples / 2)}, top,
                 &n));
    for (size_t i = 0; i < n; i++) {
        struct task t = {OBJECT, top[i].node, i % CHAIN_EVERY == 0};
        vec_push(&c->tasks, t);
    }
    while (n < samples) {
        uint32_t slot = (uint32_t)(dice(&seed) % heap_slots(c->g));
        if (!heap_allocated(c->g, slot))
            continue;
        struct task t = {OBJECT, slot, n++ % CHAIN_EVERY == 0};
        vec_push(&c->tasks, t);
    }
    for (uint32_t h = 0; h < heap_holders(c->g) && h < samples; h++) {
        struct task t = {HOLDER, heap_slots(c->g) + h, false};
        vec_push(&c->tasks, t);
    }
    TRY(heap_group(c->g, HEAP_BY_TYPE, &c->types));
    for (size_t i = 0, kept = 0; i < c->types.n && kept < samples / 4; i++) {
        struct task t = {TYPE, (uint32_t)i, false};
        if (i > 8 && c->types.v[i].count > FEW)
            continue;
        vec_push(&c->tasks, t);
        kept++;
    }
    return NULL;
}

static void check_totals(struct check *c)
{
    struct heap_totals t;
    uint64_t objects = 0;
    heap_totals(c->g, &t);
    for (size_t i = 0; i < c->words; i++)
        objects += (uint64_t)__builtin_popcountll(c->live[i]);
    compare(c, "live bytes", 0, t.live_bytes, c->live_bytes);
    compare(c, "live objects", 0, t.live_objects, objects);
    compare(c, "retained by all", 0, heap_retained(c->g, HEAP_ALL), c->live_bytes);
    for (uint32_t slot = 0; slot < heap_slots(c->g); slot++) {
        compare(c, "live", slot, heap_live(c->g, slot), has(c->live, slot));
        if (has(c->live, slot) && !heap_allocated(c->g, slot))
            compare(c, "free slot", slot, 1, 0);
    }
}

static struct err *run(struct check *c, size_t samples, uint64_t seed)
{
    struct without nothing = {NULL, 0, SNAP_NONE};
    c->words = heap_slots(c->g) / 64 + 1;
    for (unsigned i = 0; i < pool_width() && i < WORKERS_MAX; i++)
        c->markers[i].seen = mem_alloc(c->words * sizeof(uint64_t));
    c->live_bytes = mark(c, &c->markers[0], &nothing);
    c->live = mem_alloc(c->words * sizeof(*c->live));
    memcpy(c->live, c->markers[0].seen, c->words * sizeof(*c->live));
    check_totals(c);
    TRY(choose(c, samples, seed));
    TRY(pool_run(c->tasks.n, run_task, c));
    size_t n[3] = {0};
    for (size_t i = 0; i < c->tasks.n; i++)
        n[c->tasks.v[i].what]++;
    printf("objects=%zu holders=%zu types=%zu marks=%llu slots=%u live_bytes=%llu wrong=%llu\n",
           n[OBJECT], n[HOLDER], n[TYPE], (unsigned long long)c->marks, heap_slots(c->g),
           (unsigned long long)c->live_bytes, (unsigned long long)c->wrong);
    return NULL;
}

int main(int argc, char **argv)
{
    struct check c = {0};
    struct snap *s = NULL;
    if (argc < 4 || pool_width() > WORKERS_MAX) {
        fprintf(stderr, "usage: retained_check SNAPSHOT SAMPLES SEED\n");
        return 2;
    }
    struct err *e = snap_read_file(argv[1], &s);
    if (!e)
        e = heap_open(s, &(struct heap_options){.keep_edges = true}, &c.g);
    c.s = s;
    if (!e)
        e = run(&c, (size_t)atol(argv[2]), (uint64_t)atol(argv[3]) * 2 + 1);
    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        free(c.markers[i].seen);
        vec_free(&c.markers[i].todo);
    }
    vec_free(&c.tasks);
    heap_rows_free(&c.types);
    free(c.live);
    heap_close(c.g);
    snap_free(s);
    if (e)
        fprintf(stderr, "retained_check: %s\n", err_message(e));
    err_free(e);
    return e ? 1 : 0;
}

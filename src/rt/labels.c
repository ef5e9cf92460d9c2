/* labels.c - pprof labels of goroutines.
 *
 * Go: runtime/pprof/label.go labelMap, g.labels.  1.18-1.23: a map[string]string of the old kind
 * (runtime/map.go hmap, bmap: 8 tops, 8 keys, 8 values, overflow); 1.24-1.27: a sorted list of
 * pairs.  Goroutines that inherit a set share it, so each set is read once. */
#include <stdlib.h>

#include "rt/capture_int.h"

enum {
    PAIRS_MAX = 1024,
    TEXT_MAX = 4096,
    BUCKET_CELLS = 8,
    CELL = 16, /* a string */
    BUCKET = BUCKET_CELLS * (1 + 2 * CELL) + 8,
    MIN_TOP_HASH = 5, /* smaller: the cell is empty */
    B_MAX = 16,
};

struct set {
    const struct rt *rt;
    struct target *t;
    struct arena *arena;
    VEC(struct rt_label) pairs;
};

static const char *text(struct set *st, const uint64_t str[2])
{
    size_t n = min_u64(str[1], TEXT_MAX);
    char *s = arena_alloc(st->arena, n + 1);
    struct err *e = n ? target_read(st->t, str[0], s, n) : NULL;
    if (e)
        s = (char *)"";
    err_free(e);
    return s;
}

static void add_pair(struct set *st, const uint8_t *key, const uint8_t *value)
{
    uint64_t k[2], v[2];
    memcpy(k, key, sizeof(k));
    memcpy(v, value, sizeof(v));
    struct rt_label p = {text(st, k), text(st, v)};
    vec_push(&st->pairs, p);
}

static struct err *read_list(struct set *st, taddr labels)
{
    uint64_t list[3];
    uint8_t *cells;
    TRY(target_read(st->t, labels + (taddr)L(st->rt, labelmap_list), list, sizeof(list)));
    TRY(rt_read_array(st->t, "labels", list[0], list[1], 2 * CELL, PAIRS_MAX, (void **)&cells));
    for (uint64_t i = 0; i < list[1]; i++)
        add_pair(st, cells + i * 2 * CELL, cells + i * 2 * CELL + CELL);
    free(cells);
    return NULL;
}

/* A bucket and what overflowed from it. */
static struct err *read_bucket(struct set *st, taddr at)
{
    uint8_t b[BUCKET];
    for (int chain = 0; at && chain < PAIRS_MAX; chain++) {
        TRY(target_read(st->t, at, b, sizeof(b)));
        for (size_t i = 0; i < BUCKET_CELLS && st->pairs.n < PAIRS_MAX; i++)
            if (b[i] >= MIN_TOP_HASH)
                add_pair(st, b + BUCKET_CELLS + i * CELL,
                         b + BUCKET_CELLS + BUCKET_CELLS * CELL + i * CELL);
        memcpy(&at, b + BUCKET - 8, 8);
    }
    return NULL;
}

/* g.labels points to a variable that points to the map. */
static struct err *read_map(struct set *st, taddr labels)
{
    const struct rt_layout *l = &st->rt->layout;
    uint8_t h[256];
    taddr map;
    size_t size = (size_t)l->size[RT_STRUCT_hmap];
    TRY(target_read_u64(st->t, labels, &map));
    if (!map || size > sizeof(h))
        return NULL;
    TRY(target_read(st->t, map, h, size));
    uint64_t b = rt_get(l, h, RT_hmap_b);
    taddr buckets = rt_get(l, h, RT_hmap_buckets), old = rt_get(l, h, RT_hmap_oldbuckets);
    if (b > B_MAX)
        return err_new(ERR_BAD_DATA, "a label map with 2^%llu buckets", (unsigned long long)b);
    for (uint64_t i = 0; buckets && i < 1u << b; i++)
        TRY(read_bucket(st, buckets + i * BUCKET));
    /* what a growing map has not moved yet; moved cells have small tops */
    for (uint64_t i = 0; old && i < (1u << b) / 2; i++)
        TRY(read_bucket(st, old + i * BUCKET));
    return NULL;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct rt_label *)a)->key, ((const struct rt_label *)b)->key);
}

static struct err *read_set(struct set *st, taddr labels)
{
    st->pairs.n = 0;
    struct err *e =
        rt_has(&st->rt->layout, RT_labelmap_list) ? read_list(st, labels) : read_map(st, labels);
    if (st->pairs.n)
        qsort(st->pairs.v, st->pairs.n, sizeof(*st->pairs.v), by_key);
    return e;
}

struct err *rt_read_labels(const struct rt *rt, struct target *t, taddr labels, struct arena *a,
                           struct rt_label **ret, size_t *ret_n)
{
    struct set st = {.rt = rt, .t = t, .arena = a};
    struct err *e = labels ? read_set(&st, labels) : NULL;
    *ret_n = e ? 0 : st.pairs.n;
    *ret = arena_array(a, struct rt_label, *ret_n + 1);
    if (*ret_n)
        memcpy(*ret, st.pairs.v, *ret_n * sizeof(**ret));
    vec_free(&st.pairs);
    return e;
}

struct err *capture_labels(struct capture *c)
{
    struct map seen = {0};
    struct arena arena;
    struct set st = {.rt = c->rt, .t = c->t, .arena = &arena};
    struct snap *s = c->s;
    uint32_t sets = 0;
    struct err *e = NULL;
    arena_init(&arena);
    for (size_t i = 0; !e && i < c->ngs; i++) {
        const struct goroutine *g = &c->gs[i];
        if (g->row == SNAP_NONE || !g->g.more->labels)
            continue;
        uint32_t set = map_get(&seen, g->g.more->labels);
        if (set == MAP_NONE) {
            e = read_set(&st, g->g.more->labels);
            if (e && err_code(e) != ERR_GONE) {
                snap_note_missing(s, 1, "pprof labels", "they are not readable");
                err_free(e);
                e = NULL;
                st.pairs.n = 0;
            }
            set = st.pairs.n ? ++sets : 0;
            map_put(&seen, g->g.more->labels, set);
            for (size_t k = 0; k < st.pairs.n; k++) {
                uint32_t row = snap_add_label(s);
                s->label.set[row] = set;
                s->label.key[row] = intern_add(&s->strings, st.pairs.v[k].key);
                s->label.value[row] = intern_add(&s->strings, st.pairs.v[k].value);
            }
        }
        s->goroutine.labels[g->row] = set;
    }
    vec_free(&st.pairs);
    arena_free(&arena);
    map_free(&seen);
    return e;
}

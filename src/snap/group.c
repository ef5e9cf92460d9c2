/* group.c - goroutines that do the same, together; see group.h.
 *
 * Every way of grouping gives each goroutine a key (equal key: same group); the rest is the same
 * for all: number the groups, sort the rows into them, and tell about each what its rows have in
 * common. All of it is linear: rows are sorted by radix, tallies are counted in arrays that
 * remember the group they were last used for. */
#include "snap/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sort.h"
#include "base/vec.h"
#include "snap/code.h"
#include "snap/shape_int.h"
#include "snap/snap_int.h"

/* ---- sorting rows ---- */

static int64_t wait_of(const struct snap *s, uint32_t g, int64_t now)
{
    int64_t since = s->goroutine.wait_since[g];
    return since > 0 && now >= since ? now - since : -1;
}

/* Longest wait first; those whose wait is not known last. */
static uint64_t wait_key(int64_t wait)
{
    return ~(uint64_t)(wait + 1);
}

/* Running first, then what occupies or wants a processor, then what waits. */
static unsigned state_rank(uint8_t state)
{
    static const uint8_t rank[SNAP_G_COUNT] = {
        [SNAP_G_RUNNING] = 0,   [SNAP_G_SYSCALL] = 1, [SNAP_G_RUNNABLE] = 2, [SNAP_G_PREEMPTED] = 3,
        [SNAP_G_COPYSTACK] = 4, [SNAP_G_WAITING] = 5, [SNAP_G_LEAKED] = 6,   [SNAP_G_IDLE] = 7,
        [SNAP_G_DEAD] = 8,      [SNAP_G_UNKNOWN] = 9};
    return rank[state];
}

static uint64_t sort_key(const struct snap *s, enum snap_sort sort, uint32_t g, int64_t now)
{
    switch (sort) {
    case SNAP_SORT_WAIT:
        return wait_key(wait_of(s, g, now));
    case SNAP_SORT_STATE:
        return state_rank(s->goroutine.status[g]);
    case SNAP_SORT_DEPTH:
        return UINT16_MAX - s->goroutine.depth[g];
    case SNAP_SORT_COUNT:
    case SNAP_SORT_ID:
        break;
    }
    return s->goroutine.id[g];
}

void snap_sort_rows(const struct snap *s, struct snap_rows *rows, enum snap_sort sort)
{
    struct sort_keyed *v = mem_alloc(2 * rows->n * sizeof(*v)), *tmp = v + rows->n;
    int64_t now = snap_meta_i64(s, SNAP_META_taken_mono_ns, 0);
    for (size_t i = 0; i < rows->n; i++)
        v[i] = (struct sort_keyed){s->goroutine.id[rows->v[i]], rows->v[i]};
    sort_keyed(v, tmp, rows->n);
    if (sort != SNAP_SORT_ID && sort != SNAP_SORT_COUNT) {
        for (size_t i = 0; i < rows->n; i++)
            v[i].key = sort_key(s, sort, v[i].value, now);
        sort_keyed(v, tmp, rows->n);
    }
    for (size_t i = 0; i < rows->n; i++)
        rows->v[i] = v[i].value;
    free(v);
}

/* ---- what the groups are ---- */

struct grouping {
    const struct snap *s;
    const struct snap_rows *rows;
    const struct snap_group_options *o;
    struct snap_groups *out;
    int64_t now;
    struct shape shape;
    struct snap_codes codes; /* BY_FUNC */
    struct snap_tops tops;
    struct intern label_texts; /* BY_LABEL */
    struct map label_sets;     /* set -> id of its text */
    struct sort_keyed *sorted; /* rows by group, in each: longest wait, then lowest id */
};

static void label_text(const struct grouping *gr, uint32_t set, struct buf *b)
{
    const struct snap *s = gr->s;
    uint32_t first, n = snap_labels_of(s, set, &first);
    for (uint32_t i = first; i < first + n; i++) {
        const char *key = snap_str(s, s->label.key[i]), *value = snap_str(s, s->label.value[i]);
        if (!gr->o->label)
            buf_printf(b, "%s%s=%s", b->n ? ", " : "", key, value);
        else if (strcmp(key, gr->o->label) == 0)
            buf_str(b, value);
    }
}

/* Sets with the same labels may have different numbers: their texts tell. */
static uint32_t label_key(struct grouping *gr, uint32_t set)
{
    uint32_t id = map_get(&gr->label_sets, set);
    if (id == MAP_NONE) {
        struct buf b = {0};
        label_text(gr, set, &b);
        id = intern_add(&gr->label_texts, buf_text(&b));
        map_put(&gr->label_sets, set, id);
        buf_free(&b);
    }
    return id;
}

/* The function a goroutine is grouped by; SNAP_NONE: none. */
static uint32_t func_frame(const struct grouping *gr, uint32_t g)
{
    uint32_t node = gr->s->goroutine.stack[g];
    if (node == SNAP_NONE)
        return SNAP_NONE;
    return gr->tops.user[node] != SNAP_NONE ? gr->tops.user[node] : gr->tops.bottom[node];
}

static uint64_t key_of(struct grouping *gr, uint32_t g)
{
    const struct snap *s = gr->s;
    uint32_t f;
    switch (gr->o->by) {
    case SNAP_BY_STACK:
        return shape_of(&gr->shape, s, g);
    case SNAP_BY_STATE:
        return s->goroutine.status[g];
    case SNAP_BY_WAIT:
        return s->goroutine.wait_reason[g] ? s->goroutine.wait_reason[g]
                                           : (uint64_t)s->goroutine.status[g] << 32;
    case SNAP_BY_CREATOR:
        return shape_place(&gr->shape, s->goroutine.creator[g]);
    case SNAP_BY_FUNC:
        f = func_frame(gr, g);
        return f == SNAP_NONE ? 0 : s->frame.func[f];
    case SNAP_BY_LABEL:
        return label_key(gr, s->goroutine.labels[g]);
    case SNAP_BY_COUNT:
        break;
    }
    return 0;
}

/* The place of the innermost frame of the go statement, as the linker and the compiler name it. */
static void creator_text(const struct snap *s, uint32_t pc, struct buf *b)
{
    if (pc == SNAP_NONE || !s->pc.frames[pc])
        return;
    uint32_t f = s->pc.frame[pc];
    buf_printf(b, "%s %s:%u", snap_str(s, s->frame.func[f]), snap_str(s, s->frame.file[f]),
               s->frame.line[f]);
}

static void name_of_group(struct grouping *gr, uint32_t g, struct buf *b)
{
    const struct snap *s = gr->s;
    uint32_t f;
    switch (gr->o->by) {
    case SNAP_BY_WAIT:
        if (s->goroutine.wait_reason[g]) {
            buf_str(b, snap_str(s, s->goroutine.wait_reason[g]));
            return;
        }
        buf_str(b, snap_gstatus_name(s->goroutine.status[g]));
        return;
    case SNAP_BY_STATE:
        buf_str(b, snap_gstatus_name(s->goroutine.status[g]));
        return;
    case SNAP_BY_CREATOR:
        creator_text(s, s->goroutine.creator[g], b);
        return;
    case SNAP_BY_FUNC:
        f = func_frame(gr, g);
        buf_str(b, f == SNAP_NONE ? "" : snap_str(s, s->frame.func[f]));
        return;
    case SNAP_BY_LABEL:
        label_text(gr, s->goroutine.labels[g], b);
        return;
    case SNAP_BY_STACK:
    case SNAP_BY_COUNT:
        return;
    }
}

/* Numbers the groups in the order of their first row, counts them, and sorts the rows into them. */
static struct err *make_groups(struct grouping *gr)
{
    const struct snap *s = gr->s;
    size_t n = gr->rows->n;
    struct map ids = {0};
    VEC(uint32_t) counts = {0};
    struct sort_keyed *v = mem_try_alloc(2 * n * sizeof(*v));
    if (!v)
        return err_new(ERR_NOMEM, "no memory to group %zu goroutines", n);
    for (size_t i = 0; i < n; i++)
        v[i] = (struct sort_keyed){s->goroutine.id[gr->rows->v[i]], gr->rows->v[i]};
    sort_keyed(v, v + n, n);
    for (size_t i = 0; i < n; i++)
        v[i].key = wait_key(wait_of(s, v[i].value, gr->now));
    sort_keyed(v, v + n, n);
    for (size_t i = 0; i < n; i++) {
        bool added;
        uint32_t group = map_get_or_put(&ids, key_of(gr, v[i].value), (uint32_t)counts.n, &added);
        if (added)
            vec_push(&counts, 0);
        counts.v[group]++;
        v[i].key = group;
    }
    sort_keyed(v, v + n, n);
    gr->sorted = v;
    gr->out->n = counts.n;
    gr->out->v = arena_array(&gr->out->mem, struct snap_group, counts.n);
    for (size_t g = 0; g < counts.n; g++)
        gr->out->v[g].count = counts.v[g];
    map_free(&ids);
    vec_free(&counts);
    return NULL;
}

/* ---- what a group has in common ---- */

/* Counts things numbered below `size`; what was counted for an earlier group is forgotten without
 * being cleared. */
struct counter {
    uint32_t *group, *slot; /* group + 1 that a thing was last seen in; its tally there */
    VEC(struct snap_tally) tally;
};

static void counter_init(struct counter *c, size_t size)
{
    *c = (struct counter){.group = mem_alloc(size * sizeof(*c->group)),
                          .slot = mem_alloc(size * sizeof(*c->slot))};
}

static void counter_free(struct counter *c)
{
    free(c->group);
    free(c->slot);
    vec_free(&c->tally);
}

static void count(struct counter *c, uint32_t group, uint32_t thing, uint64_t key)
{
    if (c->group[thing] != group + 1) {
        c->group[thing] = group + 1;
        c->slot[thing] = (uint32_t)c->tally.n;
        vec_push(&c->tally, ((struct snap_tally){key, 0}));
    }
    c->tally.v[c->slot[thing]].count++;
}

static int larger_first(const void *x, const void *y)
{
    const struct snap_tally *a = x, *b = y;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return a->key < b->key ? -1 : a->key > b->key;
}

/* The tallies of the group that is done. */
static struct snap_tallies take(struct counter *c, struct arena *mem)
{
    struct snap_tallies t = {.n = c->tally.n};
    if (t.n > 1)
        qsort(c->tally.v, t.n, sizeof(*c->tally.v), larger_first);
    if (t.n) {
        struct snap_tally *v = arena_array(mem, struct snap_tally, t.n);
        memcpy(v, c->tally.v, t.n * sizeof(*v));
        t.v = v;
    }
    c->tally.n = 0;
    return t;
}

struct commons {
    struct counter reasons, creators, objects, shapes;
    struct map object_ids; /* address -> number */
    uint32_t *objects_of;  /* the number of each row of table wait */
};

static void commons_init(struct commons *c, const struct grouping *gr)
{
    const struct snap *s = gr->s;
    counter_init(&c->reasons, s->strings.n);
    counter_init(&c->creators, gr->shape.nplaces);
    counter_init(&c->shapes, gr->shape.nshapes);
    c->object_ids = (struct map){0};
    c->objects_of = mem_alloc(s->wait.n * sizeof(*c->objects_of));
    uint32_t n = 0;
    for (size_t i = 0; i < s->wait.n; i++) {
        bool added;
        c->objects_of[i] = map_get_or_put(&c->object_ids, s->wait.addr[i], n, &added);
        n += added;
    }
    counter_init(&c->objects, n);
}

static void commons_free(struct commons *c)
{
    counter_free(&c->reasons);
    counter_free(&c->creators);
    counter_free(&c->shapes);
    counter_free(&c->objects);
    map_free(&c->object_ids);
    free(c->objects_of);
}

static void count_objects(struct grouping *gr, struct commons *c, uint32_t group, uint32_t g)
{
    const struct snap *s = gr->s;
    uint32_t first, n = s->wait.n ? snap_waits_of(s, g, &first) : 0;
    for (uint32_t i = 0; i < n; i++)
        if (s->wait.addr[first + i])
            count(&c->objects, group, c->objects_of[first + i], s->wait.addr[first + i]);
}

static void count_row(struct grouping *gr, struct commons *c, uint32_t group, uint32_t g)
{
    const struct snap *s = gr->s;
    struct snap_group *out = &gr->out->v[group];
    out->by_state[s->goroutine.status[g]]++;
    out->locked += (s->goroutine.flags[g] & SNAP_GF_LOCKED) != 0;
    if (s->goroutine.depth[g] > out->depth)
        out->depth = s->goroutine.depth[g];
    if (s->goroutine.wait_reason[g])
        count(&c->reasons, group, s->goroutine.wait_reason[g], s->goroutine.wait_reason[g]);
    uint32_t creator = s->goroutine.creator[g];
    count(&c->creators, group, shape_place(&gr->shape, creator), creator);
    uint32_t shape = shape_of(&gr->shape, s, g);
    count(&c->shapes, group, shape, shape);
    count_objects(gr, c, group, g);
}

static uint64_t hash_of(struct grouping *gr, uint32_t g, const char *name)
{
    uint64_t h = gr->o->by == SNAP_BY_STACK ? gr->shape.shape_hash.v[shape_of(&gr->shape, gr->s, g)]
                                            : hash_bytes(name, strlen(name));
    return hash_u64(h + gr->o->by);
}

static void finish_group(struct grouping *gr, struct commons *c, uint32_t group,
                         const struct sort_keyed *sorted, uint32_t *rows)
{
    struct snap_group *out = &gr->out->v[group];
    struct arena *mem = &gr->out->mem;
    struct buf name = {0};
    out->rows = rows;
    out->wait_max = out->wait_median = -1;
    for (uint32_t i = 0; i < out->count; i++) {
        rows[i] = sorted[i].value;
        count_row(gr, c, group, rows[i]);
        out->wait_known += wait_of(gr->s, rows[i], gr->now) >= 0;
    }
    out->example = rows[0];
    if (out->wait_known) { /* they come first, longest first */
        out->wait_max = wait_of(gr->s, rows[0], gr->now);
        out->wait_median = wait_of(gr->s, rows[out->wait_known / 2], gr->now);
    }
    out->stacks = (uint32_t)c->shapes.tally.n;
    c->shapes.tally.n = 0;
    out->reasons = take(&c->reasons, mem);
    out->creators = take(&c->creators, mem);
    out->objects = take(&c->objects, mem);
    name_of_group(gr, out->example, &name);
    out->name = name.n ? arena_strdup(mem, name.p) : "";
    out->hash = hash_of(gr, out->example, out->name);
    buf_free(&name);
}

static void finish_groups(struct grouping *gr)
{
    struct commons c;
    uint32_t *rows = arena_array(&gr->out->mem, uint32_t, gr->rows->n);
    uint8_t *seen = mem_alloc(gr->shape.nshapes);
    commons_init(&c, gr);
    for (uint32_t g = 0, at = 0; g < gr->out->n; at += gr->out->v[g++].count)
        finish_group(gr, &c, g, gr->sorted + at, rows + at);
    for (size_t i = 0; i < gr->rows->n; i++) {
        uint32_t shape = shape_of(&gr->shape, gr->s, gr->rows->v[i]);
        gr->out->stacks += !seen[shape];
        seen[shape] = 1;
    }
    gr->out->goroutines = gr->rows->n;
    commons_free(&c);
    free(seen);
}

/* ---- the order of the groups ---- */

struct ranked {
    struct snap_group group;
    uint64_t first, second, third; /* ascending */
};

static int by_rank(const void *x, const void *y)
{
    const struct ranked *a = x, *b = y;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    if (a->second != b->second)
        return a->second < b->second ? -1 : 1;
    return a->third < b->third ? -1 : a->third > b->third;
}

static uint64_t lowest_id(const struct snap *s, const struct snap_group *g)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < g->count; i++)
        least = min_u64(least, s->goroutine.id[g->rows[i]]);
    return least;
}

/* Largest, then oldest, then lowest id; what is asked for comes before. */
static void sort_groups(struct grouping *gr)
{
    size_t n = gr->out->n;
    struct ranked *v = mem_alloc(n * sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        const struct snap_group *g = &gr->out->v[i];
        uint64_t count_key = UINT32_MAX - g->count, wait = wait_key(g->wait_max);
        v[i] = (struct ranked){*g, count_key, wait, lowest_id(gr->s, g)};
        v[i].second = count_key;
        switch (gr->o->sort) {
        case SNAP_SORT_COUNT:
            v[i].second = wait;
            break;
        case SNAP_SORT_WAIT:
            v[i].first = wait;
            break;
        case SNAP_SORT_ID:
            v[i].first = v[i].third;
            break;
        case SNAP_SORT_STATE:
            v[i].first = state_rank(gr->s->goroutine.status[g->example]);
            break;
        case SNAP_SORT_DEPTH:
            v[i].first = UINT32_MAX - g->depth;
            break;
        }
    }
    if (n)
        qsort(v, n, sizeof(*v), by_rank);
    for (size_t i = 0; i < n; i++)
        gr->out->v[i] = v[i].group;
    free(v);
}

const char *snap_group_by_name(enum snap_group_by by)
{
    static const char *const names[] = {"stack", "state", "wait", "creator", "func", "label"};
    return by < SNAP_BY_COUNT ? names[by] : "unknown";
}

struct err *snap_group(const struct snap *s, const struct snap_rows *rows,
                       const struct snap_group_options *o, struct snap_groups **ret)
{
    struct grouping gr = {.s = s, .rows = rows, .o = o};
    gr.now = snap_meta_i64(s, SNAP_META_taken_mono_ns, 0);
    gr.out = mem_alloc(sizeof(*gr.out));
    gr.out->by = o->by;
    arena_init(&gr.out->mem);
    shape_init(&gr.shape, s);
    intern_init(&gr.label_texts);
    if (o->by == SNAP_BY_FUNC) {
        snap_codes_init(&gr.codes, s);
        snap_tops_init(&gr.tops, s, &gr.codes);
    }
    struct err *e = make_groups(&gr);
    if (!e) {
        finish_groups(&gr);
        sort_groups(&gr);
    }
    free(gr.sorted);
    shape_free(&gr.shape);
    intern_free(&gr.label_texts);
    map_free(&gr.label_sets);
    snap_codes_free(&gr.codes);
    snap_tops_free(&gr.tops);
    if (e)
        snap_groups_free(gr.out);
    else
        *ret = gr.out;
    return e;
}

void snap_groups_free(struct snap_groups *g)
{
    if (!g)
        return;
    arena_free(&g->mem);
    free(g);
}

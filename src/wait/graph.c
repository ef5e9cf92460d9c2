/* graph.c - the wait graph: goroutines by what they wait for, and who holds that. */
#include <stdlib.h>
#include <string.h>

#include "snap/code.h"
#include "wait/graph_int.h"

/* ---- groups ---- */

struct grouping {
    struct wait_graph *w;
    struct map by_key;
    VEC(struct wait_group) v;
};

/* The object a goroutine waits for; SNAP_NONE: none, or several. */
static uint32_t only_object(const struct snap *s, uint32_t first, uint32_t n)
{
    return n == 1 ? s->wait.object[first] : SNAP_NONE;
}

static uint64_t place_key(const struct wait_info *i, const struct snap *s)
{
    uint64_t type = i->object == SNAP_NONE ? 0 : s->object.type[i->object];
    return hash_u64((uint64_t)i->kind << 56 ^ (uint64_t)i->place << 24 ^ type) | 1;
}

static uint64_t key_of(const struct wait_info *i, const struct snap *s)
{
    bool shared = i->object != SNAP_NONE && s->object.waiters[i->object] > 1;
    bool named = i->object != SNAP_NONE && s->object.name[i->object];
    if (shared || named)
        return ((uint64_t)i->object + 1) << 1;
    return place_key(i, s);
}

static void join(struct grouping *x, uint32_t g)
{
    struct wait_graph *w = x->w;
    struct wait_info *i = &w->info[g];
    bool added;
    uint32_t at = map_get_or_put(&x->by_key, key_of(i, w->s), (uint32_t)x->v.n, &added);
    if (added)
        vec_push(&x->v, ((struct wait_group){.kind = i->kind,
                                             .object = i->object,
                                             .example = g,
                                             .place = i->place,
                                             .oldest_ns = -1}));
    struct wait_group *p = &x->v.v[at];
    int64_t age = snap_wait_ns(w->s, g);
    i->group = at;
    p->objects += i->object != SNAP_NONE && (added || p->object != i->object);
    if (p->object != i->object)
        p->object = SNAP_NONE;
    p->n++;
    p->traps += i->trap != WAIT_TRAP_NONE;
    if (age > p->oldest_ns) {
        p->oldest_ns = age;
        p->example = g;
        p->place = i->place;
    }
    w->blocked++;
    w->by_kind[i->kind]++;
}

static int larger(const void *a, const void *b, void *arg)
{
    const struct wait_group *v = arg;
    const struct wait_group *x = &v[*(const uint32_t *)a], *y = &v[*(const uint32_t *)b];
    bool nobody_x = x->traps == x->n, nobody_y = y->traps == y->n;
    if (nobody_x != nobody_y)
        return nobody_x ? 1 : -1; /* what needs nobody comes last */
    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    if (x->oldest_ns != y->oldest_ns)
        return x->oldest_ns > y->oldest_ns ? -1 : 1;
    return x->example < y->example ? -1 : x->example > y->example;
}

/* Puts groups into order, and lists their members. */
static void settle(struct grouping *x)
{
    struct wait_graph *w = x->w;
    size_t n = x->v.n;
    uint32_t *order = mem_alloc(n * sizeof(*order) + 1), *place = mem_alloc(n * sizeof(*place) + 1);
    uint32_t *members = w->own->members = mem_alloc(w->blocked * sizeof(*members) + 1);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    qsort_r(order, n, sizeof(*order), larger, x->v.v);
    w->groups = mem_alloc(n * sizeof(*w->groups) + 1);
    w->ngroups = n;
    for (uint32_t i = 0; i < n; i++) {
        w->groups[i] = x->v.v[order[i]];
        w->groups[i].g = members;
        place[order[i]] = i;
        members += w->groups[i].n;
        w->groups[i].n = 0;
    }
    for (uint32_t g = 0; g < w->s->goroutine.n; g++) {
        if (w->info[g].group == SNAP_NONE)
            continue;
        struct wait_group *p = &w->groups[w->info[g].group = place[w->info[g].group]];
        ((uint32_t *)p->g)[p->n++] = g;
    }
    free(order);
    free(place);
}

/* ---- goroutines ---- */

static void look_at(struct wait_graph *w, const struct snap_tops *tops, uint32_t g)
{
    const struct snap *s = w->s;
    struct wait_info *i = &w->info[g];
    uint32_t node = s->goroutine.stack[g];
    i->kind = (uint8_t)wait_kind_of(s, g);
    i->trap = (uint8_t)wait_trap_of(s, g);
    i->n = i->kind == WAIT_NOT ? 0 : snap_waits_of(s, g, &i->first);
    i->object = i->n ? only_object(s, i->first, i->n) : SNAP_NONE;
    i->place = i->group = SNAP_NONE;
    if (node <
        s->stack.n) /* of a library alone the outermost frame says most: it names its purpose */
        i->place = tops->user[node] != SNAP_NONE ? tops->user[node] : tops->bottom[node];
    if (i->place == SNAP_NONE && node < s->stack.n && s->pc.frames[s->stack.pc[node]])
        i->place = s->pc.frame[s->stack.pc[node]]; /* the runtime's alone: a coroutine's start */
}

static bool is_chosen(const struct snap *s, const uint8_t *chosen, uint32_t g)
{
    return chosen ? chosen[g] : !(s->goroutine.flags[g] & SNAP_GF_SYSTEM);
}

static void find_groups(struct wait_graph *w, const struct snap_rows *rows)
{
    const struct snap *s = w->s;
    struct snap_codes codes;
    struct snap_tops tops;
    struct grouping x = {.w = w};
    uint8_t *chosen = rows ? mem_alloc(s->goroutine.n + 1) : NULL;
    for (size_t i = 0; rows && i < rows->n; i++)
        chosen[rows->v[i]] = 1;
    snap_codes_init(&codes, s);
    snap_tops_init(&tops, s, &codes);
    for (uint32_t g = 0; g < s->goroutine.n; g++) {
        look_at(w, &tops, g);
        if (w->info[g].kind != WAIT_NOT && is_chosen(s, chosen, g))
            join(&x, g);
    }
    settle(&x);
    snap_tops_free(&tops);
    snap_codes_free(&codes);
    map_free(&x.by_key);
    vec_free(&x.v);
    free(chosen);
}

/* ---- opening ---- */

struct err *wait_open(const struct snap *s, const struct snap_rows *rows,
                      const struct heap_graph *heap, struct wait_graph **ret)
{
    struct wait_graph *w = mem_alloc(sizeof(*w));
    w->s = s;
    w->own = mem_alloc(sizeof(*w->own));
    arena_init(&w->own->mem);
    w->info = mem_try_alloc((s->goroutine.n + 1) * sizeof(*w->info));
    w->names = mem_try_alloc((s->object.n + 1) * sizeof(*w->names));
    if (!w->info || !w->names) {
        wait_close(w);
        return err_new(ERR_NOMEM, "no memory for the waits of %zu goroutines", s->goroutine.n);
    }
    wait_find_names(w, heap);
    find_groups(w, rows);
    wait_find_holders(w);
    *ret = w;
    return NULL;
}

void wait_close(struct wait_graph *w)
{
    if (!w)
        return;
    free(w->info);
    free(w->groups);
    free(w->holders);
    free(w->names);
    if (w->own) {
        free(w->own->members);
        arena_free(&w->own->mem);
    }
    free(w->own);
    free(w);
}

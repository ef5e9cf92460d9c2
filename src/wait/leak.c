/* leak.c - goroutines that nothing live can ever wake; see leak.h. */
#include "wait/leak.h"

#include <stdlib.h>
#include <string.h>

#include "snap/group.h"
#include "wait/wait_int.h"

const char *wait_leak_class_name(enum wait_leak_class c)
{
    static const char *const names[] = {"", "proved", "proved-beyond", "inferred", "suspected"};
    return c < ARRAY_LEN(names) ? names[c] : "";
}

static uint64_t retained_by(const struct heap_graph *g, uint32_t goroutine)
{
    uint32_t node = heap_holder_node(g, SNAP_ROOT_STACK, goroutine);
    return node == SNAP_NONE || !heap_has_retained(g) ? 0 : heap_retained(g, node);
}

/* Programs park main in select {} on purpose, and the runtime does not tell it either. */
static bool is_waiting_main(const struct snap *s, const struct leak_candidate *c)
{
    return c->why == WAIT_WHY_NO_CASES && s->goroutine.id[c->goroutine] == 1;
}

/* neighbour: something that may run leads to the tiny block, though not to the lock in it. */
static void add(const struct heap_graph *g, const struct leak_candidate *c, bool neighbour,
                struct wait_leaks *l)
{
    const struct snap *s = heap_snap(g);
    enum wait_leak_class class = neighbour || c->beyond ? WAIT_LEAK_BEYOND : WAIT_LEAK_PROVED;
    if (l->unread && c->why == WAIT_WHY_UNREACHABLE)
        class = WAIT_LEAK_SUSPECTED;
    l->v[l->n++] = (struct wait_leak){.goroutine = c->goroutine,
                                      .class = (uint8_t) class,
                                      .why = neighbour ? WAIT_WHY_NEIGHBOUR : c->why,
                                      .wait = c->wait,
                                      .nwaits = c->nwaits,
                                      .retained = retained_by(g, c->goroutine)};
    l->by_class[class]++;
    l->stack_bytes += s->goroutine.stack_hi[c->goroutine] - s->goroutine.stack_lo[c->goroutine];
}

static int by_id(const void *a, const void *b, void *snap)
{
    const struct snap *s = snap;
    uint64_t x = s->goroutine.id[((const struct wait_leak *)a)->goroutine];
    uint64_t y = s->goroutine.id[((const struct wait_leak *)b)->goroutine];
    return (x > y) - (x < y);
}

/* The leaks of one class, those of equal stacks side by side. */
static struct err *group_class(const struct snap *s, enum wait_leak_class class,
                               const struct wait_leak *from, const uint32_t *leak_of,
                               struct wait_leaks *l)
{
    struct snap_rows rows = {.v = mem_alloc((l->by_class[class] + 1) * sizeof(*rows.v))};
    struct snap_groups *groups = NULL;
    const struct snap_group_options o = {.by = SNAP_BY_STACK, .sort = SNAP_SORT_COUNT};
    size_t total = 0;
    for (size_t c = 0; c < WAIT_LEAK_COUNT; c++)
        total += l->by_class[c];
    for (size_t i = 0; i < total; i++)
        if (from[i].class == class)
            rows.v[rows.n++] = from[i].goroutine;
    struct err *e = rows.n ? snap_group(s, &rows, &o, &groups) : NULL;
    for (size_t i = 0; !e && groups && i < groups->n; i++) {
        struct wait_leak_cause *cause = &l->cause[l->ncauses++];
        *cause = (struct wait_leak_cause){.first = (uint32_t)l->n, .count = groups->v[i].count};
        for (uint32_t k = 0; k < cause->count; k++)
            l->v[l->n++] = from[leak_of[groups->v[i].rows[k]]];
        qsort_r(l->v + cause->first, cause->count, sizeof(*l->v), by_id, (void *)s);
        for (uint32_t k = 0; k < cause->count; k++)
            cause->retained += l->v[cause->first + k].retained;
    }
    if (groups)
        snap_groups_free(groups);
    free(rows.v);
    return e;
}

static struct err *group(const struct snap *s, struct wait_leaks *l)
{
    struct wait_leak *from = l->v;
    size_t n = l->n;
    uint32_t *leak_of = mem_alloc((s->goroutine.n + 1) * sizeof(*leak_of));
    struct err *e = NULL;
    for (size_t i = 0; i < n; i++)
        leak_of[from[i].goroutine] = (uint32_t)i;
    l->v = mem_alloc((n + 1) * sizeof(*l->v));
    l->cause = mem_alloc((n + 1) * sizeof(*l->cause));
    l->n = 0;
    for (int class = WAIT_LEAK_NONE + 1; !e && class < WAIT_LEAK_COUNT; class ++)
        e = group_class(s, (enum wait_leak_class) class, from, leak_of, l);
    free(leak_of);
    free(from);
    return e;
}

/* Twice where locks share tiny blocks with other values: what only the second time stays asleep is
 * beyond what the runtime proves. */
static struct err *mark(const struct heap_graph *g, const struct leak_candidates *c,
                        struct progress *p, struct leak_marking *whole,
                        struct leak_marking *bytewise)
{
    TRY(leak_mark(g, c, false, p, whole));
    if (whole->has_tiny)
        return leak_mark(g, c, true, p, bytewise);
    memcpy(bytewise->woken, whole->woken, c->v.n);
    return NULL;
}

static struct err *find(const struct heap_graph *g, const struct leak_candidates *c,
                        struct progress *p, struct wait_leaks *l)
{
    const struct snap *s = heap_snap(g);
    struct leak_marking whole = {.woken = mem_alloc(c->v.n + 1)};
    struct leak_marking bytewise = {.woken = mem_alloc(c->v.n + 1)};
    struct heap_totals totals;
    struct err *e = mark(g, c, p, &whole, &bytewise);
    l->v = mem_alloc((c->v.n + 1) * sizeof(*l->v));
    for (size_t i = 0; !e && i < c->v.n; i++) {
        if (bytewise.woken[i])
            continue;
        if (is_waiting_main(s, &c->v.v[i]))
            l->waiting_main = 1;
        else
            add(g, &c->v.v[i], whole.woken[i], l);
    }
    free(whole.woken);
    free(bytewise.woken);
    heap_totals(g, &totals);
    l->retained = totals.live_bytes > whole.bytes ? totals.live_bytes - whole.bytes : 0;
    return e ? e : group(s, l);
}

struct err *wait_find_leaks(const struct heap_graph *g, struct progress *p, struct wait_leaks *ret)
{
    const struct snap *s = heap_snap(g);
    struct leak_candidates c;
    int64_t unread = 0;
    *ret = (struct wait_leaks){0};
    if (!heap_has_edges(g))
        return err_new(ERR_UNSUPPORTED, "the graph was opened without its edges");
    leak_candidates_find(s, &c);
    ret->candidates = (uint32_t)c.v.n + c.unjudged;
    ret->unjudged = c.unjudged;
    ret->unread = snap_counter(s, "heap.unread", &unread) && unread > 0 ? (uint64_t)unread : 0;
    struct err *e = find(g, &c, p, ret);
    leak_candidates_free(&c);
    if (e)
        wait_leaks_free(ret);
    return e;
}

void wait_leaks_free(struct wait_leaks *l)
{
    free(l->v);
    free(l->cause);
    *l = (struct wait_leaks){0};
}

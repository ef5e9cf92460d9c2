/* leak.c - goroutines that nothing live can ever wake; see leak.h. */
#include "wait/leak.h"

#include <stdlib.h>
#include <string.h>

#include "snap/code.h"
#include "wait/stuck.h"
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

/* neighbour: something that may run leads to the tiny block, though not to the lock in it.  beyond:
 * the runtime would not say so. */
static void add(const struct heap_graph *g, const struct leak_candidate *c, bool neighbour,
                bool beyond, struct wait_leaks *l)
{
    const struct snap *s = heap_snap(g);
    enum wait_leak_class class = neighbour || beyond ? WAIT_LEAK_BEYOND : WAIT_LEAK_PROVED;
    if (l->unread && c->why == WAIT_WHY_UNREACHABLE)
        class = WAIT_LEAK_SUSPECTED;
    l->v[l->n++] = (struct wait_leak){.goroutine = c->goroutine,
                                      .class = (uint8_t) class,
                                      .why = neighbour ? WAIT_WHY_NEIGHBOUR : c->why,
                                      .wait = c->wait,
                                      .nwaits = c->nwaits,
                                      .holder = SNAP_NONE,
                                      .retained = retained_by(g, c->goroutine)};
    l->by_class[class]++;
    l->stack_bytes += s->goroutine.stack_hi[c->goroutine] - s->goroutine.stack_lo[c->goroutine];
}

/* ---- causes ---- */

struct causes {
    const struct snap *s;
    struct snap_tops tops;
    struct map by_key;
    uint32_t *of; /* of each leak: its cause */
};

static uint64_t mix(uint64_t h, uint64_t v)
{
    return hash_u64(h ^ v) * 31 + 7;
}

static uint64_t mix_place(uint64_t h, const struct snap *s, uint32_t frame)
{
    if (frame == SNAP_NONE)
        return mix(h, 0);
    return mix(mix(mix(h, s->frame.func[frame]), s->frame.file[frame]), s->frame.line[frame]);
}

/* Where the program itself waits, for what, and where it was created. */
static uint64_t key_of(const struct causes *c, const struct wait_leak *l)
{
    const struct snap *s = c->s;
    uint32_t g = l->goroutine, node = s->goroutine.stack[g], creator = s->goroutine.creator[g];
    uint32_t place = node == SNAP_NONE ? SNAP_NONE : c->tops.user[node];
    if (place == SNAP_NONE && node != SNAP_NONE)
        place = c->tops.top[node];
    uint64_t h = mix(mix(l->class << 8 | l->fault, l->why), s->goroutine.wait_reason[g]);
    h = mix_place(h, s, place);
    return mix_place(h, s, creator == SNAP_NONE ? SNAP_NONE : s->pc.frame[creator]);
}

static int by_size(const void *a, const void *b)
{
    const struct wait_leak_cause *x = a, *y = b;
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->first < y->first ? -1 : 1;
}

static int by_id(const void *a, const void *b, void *snap)
{
    const struct snap *s = snap;
    uint64_t x = s->goroutine.id[((const struct wait_leak *)a)->goroutine];
    uint64_t y = s->goroutine.id[((const struct wait_leak *)b)->goroutine];
    return (x > y) - (x < y);
}

static void find_causes(struct causes *c, struct wait_leaks *l)
{
    for (size_t i = 0; i < l->n; i++) {
        bool added;
        uint32_t k = map_get_or_put(&c->by_key, key_of(c, &l->v[i]), (uint32_t)l->ncauses, &added);
        if (added)
            l->cause[l->ncauses++] = (struct wait_leak_cause){.first = k, .class = l->v[i].class};
        l->cause[k].count++;
        l->cause[k].retained += l->v[i].retained;
        c->of[i] = k;
    }
}

/* Puts the leaks of each cause side by side. */
static void arrange(struct causes *c, struct wait_leaks *l)
{
    struct wait_leak *from = l->v;
    uint32_t *at = mem_alloc((l->ncauses + 1) * sizeof(*at)), n = 0;
    l->v = mem_alloc((l->n + 1) * sizeof(*l->v));
    qsort(l->cause, l->ncauses, sizeof(*l->cause), by_size);
    for (size_t i = 0; i < l->ncauses; i++) {
        at[l->cause[i].first] = n; /* by its number until now */
        l->cause[i].first = n;
        n += l->cause[i].count;
    }
    for (size_t i = 0; i < l->n; i++)
        l->v[at[c->of[i]]++] = from[i];
    for (size_t i = 0; i < l->ncauses; i++)
        qsort_r(l->v + l->cause[i].first, l->cause[i].count, sizeof(*l->v), by_id, (void *)c->s);
    free(at);
    free(from);
}

static void group(const struct snap *s, struct wait_leaks *l)
{
    struct causes c = {.s = s, .of = mem_alloc((l->n + 1) * sizeof(*c.of))};
    struct snap_codes codes;
    snap_codes_init(&codes, s);
    snap_tops_init(&c.tops, s, &codes);
    l->cause = mem_alloc((l->n + 1) * sizeof(*l->cause));
    find_causes(&c, l);
    arrange(&c, l);
    snap_tops_free(&c.tops);
    snap_codes_free(&codes);
    map_free(&c.by_key);
    free(c.of);
}

/* What is marked, by more and more of what can be told: as the runtime does, with everybody a root
 * whose wait it does not judge; with those judged, too; by address where locks share tiny blocks
 * with other values.  Who stays asleep later than the first time is beyond what the runtime proves.
 */
struct markings {
    struct leak_marking v[LEAK_MARKS];
};

static struct err *mark(const struct heap_graph *g, const struct leak_candidates *c,
                        struct progress *p, struct markings *m)
{
    bool needed[LEAK_MARKS] = {[LEAK_MARK_RUNTIME] = true};
    for (size_t i = 0; i < c->v.n; i++)
        needed[LEAK_MARK_ALL] |= c->v.v[i].beyond;
    for (unsigned i = 0; i < LEAK_MARKS; i++) {
        m->v[i].woken = mem_alloc(c->v.n + 1);
        if (needed[i]) {
            TRY(leak_mark(g, c, (enum leak_mark)i, p, &m->v[i]));
        } else {
            memcpy(m->v[i].woken, m->v[i - 1].woken, c->v.n);
            m->v[i].bytes = m->v[i - 1].bytes;
        }
        needed[LEAK_MARK_BYTEWISE] |= m->v[i].has_tiny;
    }
    return NULL;
}

static struct err *find(const struct heap_graph *g, const struct leak_candidates *c,
                        struct progress *p, struct wait_leaks *l)
{
    const struct snap *s = heap_snap(g);
    struct markings m = {0};
    struct heap_totals totals;
    struct err *e = mark(g, c, p, &m);
    l->v = mem_alloc((c->v.n + 1) * sizeof(*l->v));
    for (size_t i = 0; !e && i < c->v.n; i++) {
        if (m.v[LEAK_MARK_BYTEWISE].woken[i])
            continue;
        if (is_waiting_main(s, &c->v.v[i]))
            l->waiting_main = 1;
        else
            add(g, &c->v.v[i], m.v[LEAK_MARK_ALL].woken[i], m.v[LEAK_MARK_RUNTIME].woken[i], l);
    }
    heap_totals(g, &totals);
    uint64_t marked = m.v[LEAK_MARK_ALL].bytes;
    l->retained = totals.live_bytes > marked ? totals.live_bytes - marked : 0;
    for (unsigned i = 0; i < LEAK_MARKS; i++)
        free(m.v[i].woken);
    if (!e)
        group(s, l);
    return e;
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

static bool add_stuck(const struct snap *s, const struct wait_stuck *stuck, uint32_t g,
                      struct wait_leak *ret)
{
    static const uint8_t why[] = {[WAIT_STUCK_HELD] = WAIT_WHY_HELD,
                                  [WAIT_STUCK_ITSELF] = WAIT_WHY_ITSELF,
                                  [WAIT_STUCK_LEFT] = WAIT_WHY_LEFT};
    if (stuck->why[g] >= ARRAY_LEN(why) || !why[stuck->why[g]])
        return false;
    *ret = (struct wait_leak){.goroutine = g,
                              .class = WAIT_LEAK_INFERRED,
                              .why = why[stuck->why[g]],
                              .holder = stuck->by[g]};
    ret->nwaits = snap_waits_of(s, g, &ret->wait);
    return true;
}

static void add_all_stuck(const struct heap_graph *g, const struct wait_graph *w,
                          const struct wait_stuck *stuck, struct wait_leaks *l)
{
    const struct snap *s = heap_snap(g);
    bool *told = mem_alloc(s->goroutine.n + 1);
    for (size_t i = 0; i < l->n; i++)
        told[l->v[i].goroutine] = true;
    l->v = mem_realloc(l->v, (s->goroutine.n + 1) * sizeof(*l->v));
    for (uint32_t i = 0; i < s->goroutine.n; i++) {
        struct wait_leak *new = &l->v[l->n];
        if (told[i] || !add_stuck(s, stuck, i, new))
            continue;
        new->retained = retained_by(g, i);
        l->by_class[WAIT_LEAK_INFERRED]++;
        l->stack_bytes += s->goroutine.stack_hi[i] - s->goroutine.stack_lo[i];
        l->n++;
    }
    free(told);
    leak_suspects(w, l);
    leak_faults(w, stuck, l);
    free(l->cause);
    l->cause = NULL;
    l->ncauses = 0;
    group(s, l);
}

struct err *wait_leaks_infer(const struct heap_graph *g, struct wait_leaks *l)
{
    struct wait_graph *waits;
    struct wait_stuck stuck;
    TRY(wait_open(heap_snap(g), NULL, NULL, &waits));
    struct err *e = wait_find_stuck(waits, l, &stuck);
    if (!e)
        add_all_stuck(g, waits, &stuck, l);
    wait_stuck_free(&stuck);
    wait_close(waits);
    return e;
}

void wait_leaks_free(struct wait_leaks *l)
{
    free(l->v);
    free(l->cause);
    *l = (struct wait_leaks){0};
}

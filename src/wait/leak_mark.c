/* leak_mark.c - everything that leads from what may run: the marking of leak.h.
 *
 * Go: runtime/mgc.go findMaybeRunnableGoroutines (1.26, 1.27).
 *
 * The runtime looks at all candidates again after each round of marking; here each object that a
 * candidate waits on is watched, and marking it wakes those who wait there at once.  The result is
 * the same: what is reachable grows only, and the order does not matter.
 *
 * A waiting goroutine's own sudogs lead to what it waits on, and are found from its g, which
 * runtime.allgs leads to: those pointers do not count.  So that an edge need not carry its place,
 * the edge left out is "from this sudog to the object it waits on": no other word of a sudog
 * points there but its elem of a channel operation, and that can point into a channel only when the
 * value sent lies in the channel itself, which no Go code can bring about. */
#include <stdlib.h>

#include "base/bits.h"
#include "snap/edges.h"
#include "wait/wait_int.h"

enum { CHECK_EVERY = 1 << 18 };

struct watch {
    taddr addr; /* of the channel or semaphore */
    uint32_t candidate;
    uint32_t next; /* 1 + index of another one of the same object; 0: none */
};

struct marking {
    const struct heap_graph *g;
    const struct snap *s;
    const struct leak_candidates *c;
    struct leak_marking *out;
    bool bytewise;
    struct leak_words words;
    uint64_t *marked;   /* bit per slot */
    uint64_t *special;  /* bit per slot: watched, or a sudog */
    uint64_t *tiny;     /* bit per slot: watched, and a tiny block */
    struct map watched; /* slot -> 1 + index into watches */
    VEC(struct watch) watches;
    struct map sudogs;    /* slot of a sudog -> slot of what it waits on */
    VEC(uint32_t) todo;   /* slots that may have pointers */
    uint32_t *root_first; /* rows of root by goroutine: [root_first[g], root_first[g + 1]) */
    uint32_t *roots;
    uint64_t bytes, done;
};

static void wake(struct marking *m, uint32_t candidate);

static void mark(struct marking *m, uint32_t slot)
{
    if (bit_at(m->marked, slot))
        return;
    bit_set(m->marked, slot);
    if (slot < m->s->scanslot.n)
        vec_push(&m->todo, slot);
    if (!bit_at(m->special, slot))
        return;
    uint32_t w = map_get(&m->watched, slot);
    for (w = w == MAP_NONE ? 0 : w; w; w = m->watches.v[w - 1].next)
        wake(m, m->watches.v[w - 1].candidate);
}

/* Bytewise: a pointer into a tiny block that somebody waits in wakes whom it leads to. */
static void touch(struct marking *m, uint32_t slot, const struct leak_pointer *p)
{
    for (uint32_t w = map_get(&m->watched, slot); w; w = m->watches.v[w - 1].next)
        if (leak_pointer_reaches(&m->words, p, m->watches.v[w - 1].addr))
            wake(m, m->watches.v[w - 1].candidate);
}

static bool is_watched_tiny(const struct marking *m, uint32_t slot)
{
    return m->bytewise && bit_at(m->tiny, slot);
}

/* What lies on a stack is taken to lead everywhere: variables share places there. */
static void mark_root(struct marking *m, uint32_t root)
{
    const struct snap *s = m->s;
    uint32_t slot = s->root.slot[root], global = s->root.global[root];
    struct leak_pointer p = {s->root.addr[root], SNAP_NONE, SNAP_NONE};
    if (!is_watched_tiny(m, slot)) {
        mark(m, slot);
        return;
    }
    if (global != SNAP_NONE && p.place >= s->global.addr[global])
        p.type = heap_type_at(m->g, s->global.type[global], p.place - s->global.addr[global]);
    touch(m, slot, &p);
}

static void mark_edge(struct marking *m, uint32_t from, const struct snap_edges *it)
{
    if (!is_watched_tiny(m, it->target)) {
        mark(m, it->target);
        return;
    }
    uint32_t span = heap_span(m->g, from);
    taddr data = heap_address(m->g, from) + (m->s->span.flags[span] & SNAP_SPF_HEADER ? 8 : 0);
    struct leak_pointer p = {data + 8 * it->word, heap_word_type(m->g, from, it->word), it->type};
    touch(m, it->target, &p);
}

static void mark_stack(struct marking *m, uint32_t goroutine)
{
    for (uint32_t i = m->root_first[goroutine]; i < m->root_first[goroutine + 1]; i++)
        mark_root(m, m->roots[i]);
}

/* Only once each, so the recursion through mark() is as deep as the candidates that wake each
 * other directly: it goes through todo instead. */
static void wake(struct marking *m, uint32_t candidate)
{
    if (m->out->woken[candidate])
        return;
    m->out->woken[candidate] = true;
    vec_push(&m->todo, (uint32_t)m->s->slot.n + candidate);
}

static struct err *drain(struct marking *m, struct progress *p)
{
    while (m->todo.n) {
        uint32_t slot = m->todo.v[--m->todo.n];
        if (slot >= m->s->slot.n) {
            mark_stack(m, m->c->v.v[slot - m->s->slot.n].goroutine);
            continue;
        }
        uint32_t hidden = bit_at(m->special, slot) ? map_get(&m->sudogs, slot) : MAP_NONE;
        struct snap_edges it;
        snap_edges_init(&it, m->s, slot);
        while (snap_edges_next(&it))
            if (it.target != hidden)
                mark_edge(m, slot, &it);
        if (++m->done % CHECK_EVERY == 0)
            TRY(progress_step(p, "looking for goroutines that nothing can wake", m->done, 0));
    }
    return NULL;
}

/* Who waits on what, and which pointers do not count. */
static void watch(struct marking *m)
{
    for (uint32_t i = 0; i < m->c->v.n; i++) {
        const struct leak_candidate *c = &m->c->v.v[i];
        for (uint32_t w = c->wait; w < c->wait + c->nwaits; w++) {
            if (m->s->wait.flags[w] & SNAP_WF_NIL_CASE)
                continue; /* never comes */
            uint32_t slot = heap_find(m->g, m->s->wait.addr[w], NULL);
            if (slot == SNAP_NONE) {
                wake(m, i); /* not on the heap: anybody may lead to it */
                continue;
            }
            bool added;
            uint32_t first = map_get_or_put(&m->watched, slot, 0, &added);
            vec_push(&m->watches, ((struct watch){m->s->wait.addr[w], i, first}));
            map_put(&m->watched, slot, (uint32_t)m->watches.n);
            bit_set(m->special, slot);
            if (m->s->span.flags[heap_span(m->g, slot)] & SNAP_SPF_TINY) {
                bit_set(m->tiny, slot);
                m->out->has_tiny = true;
            }
            uint32_t sudog =
                m->s->wait.sudog[w] ? heap_find(m->g, m->s->wait.sudog[w], NULL) : SNAP_NONE;
            if (sudog == SNAP_NONE)
                continue;
            map_put(&m->sudogs, sudog, slot);
            bit_set(m->special, sudog);
        }
    }
}

/* The rows of root that lie on stacks and in registers, by goroutine. */
static struct err *sort_roots(struct marking *m)
{
    const struct snap *s = m->s;
    size_t n = s->goroutine.n;
    m->root_first = mem_try_alloc_huge((n + 2) * sizeof(*m->root_first));
    m->roots = mem_try_alloc_huge((s->root.n + 1) * sizeof(*m->roots));
    if (!m->root_first || !m->roots)
        return err_new(ERR_NOMEM, "no memory for the roots of %zu goroutines", n);
    for (size_t i = 0; i < s->root.n; i++)
        if (s->root.goroutine[i] != SNAP_NONE)
            m->root_first[s->root.goroutine[i] + 2]++;
    for (size_t i = 2; i < n + 2; i++)
        m->root_first[i] += m->root_first[i - 1];
    for (size_t i = 0; i < s->root.n; i++)
        if (s->root.goroutine[i] != SNAP_NONE)
            m->roots[m->root_first[s->root.goroutine[i] + 1]++] = (uint32_t)i;
    return NULL;
}

static void mark_roots(struct marking *m)
{
    const struct snap *s = m->s;
    for (size_t i = 0; i < s->root.n; i++)
        if (s->root.goroutine[i] == SNAP_NONE)
            mark_root(m, (uint32_t)i);
    for (uint32_t g = 0; g < s->goroutine.n; g++)
        if (!m->c->of[g])
            mark_stack(m, g);
}

static uint64_t marked_bytes(const struct marking *m)
{
    const struct snap *s = m->s;
    uint64_t bytes = 0;
    for (size_t r = 0; r < s->span.n; r++)
        for (uint32_t i = 0; i < s->span.elems[r]; i++)
            bytes += bit_at(m->marked, s->span.slot[r] + i) ? s->span.elem_size[r] : 0;
    return bytes;
}

static struct err *run(struct marking *m, struct progress *p)
{
    size_t words = m->s->slot.n / 64 + 1;
    m->marked = mem_try_alloc_huge(words * sizeof(*m->marked));
    m->special = mem_try_alloc_huge(words * sizeof(*m->special));
    m->tiny = mem_try_alloc_huge(words * sizeof(*m->tiny));
    if (!m->marked || !m->special || !m->tiny)
        return err_new(ERR_NOMEM, "no memory to mark %zu objects", m->s->slot.n);
    TRY(sort_roots(m));
    watch(m);
    mark_roots(m);
    return drain(m, p);
}

struct err *leak_mark(const struct heap_graph *g, const struct leak_candidates *c,
                      enum leak_mark how, struct progress *p, struct leak_marking *ret)
{
    bool bytewise = how == LEAK_MARK_BYTEWISE;
    struct marking m = {.g = g, .s = heap_snap(g), .c = c, .out = ret, .bytewise = bytewise};
    for (uint32_t i = 0; how == LEAK_MARK_RUNTIME && i < c->v.n; i++)
        if (c->v.v[i].beyond)
            wake(&m, i);
    if (bytewise)
        leak_words_init(&m.words, m.s);
    struct err *e = run(&m, p);
    ret->bytes = e || bytewise ? 0 : marked_bytes(&m);
    free(m.marked);
    free(m.special);
    free(m.tiny);
    free(m.root_first);
    free(m.roots);
    map_free(&m.watched);
    map_free(&m.sudogs);
    vec_free(&m.watches);
    vec_free(&m.todo);
    leak_words_free(&m.words);
    return e;
}

/* heap_shapes.c - what each object of the heap is.
 *
 * Evidence, best first: what allocation wrote beside an object (set by heap_edges.c already), the
 * dynamic types of interface values, what code says of the closures it makes (heap_code.c),
 * variables whose type DWARF knows, and then flow: the type of a field tells what the field points
 * to, and so on through the whole graph.  What is left is guessed (heap_guess.c).  The first shape
 * an object gets stays, so the order of the passes is the order of evidence.
 *
 * Interior pointers tell little (they may point into an array, a field): that the block of the tiny
 * allocator they point into holds several values, and what heap_guess.c makes of them.
 *
 * Why so: tens of millions of edges are decoded twice at most, by all cores; what a word of a shape
 * leads to is looked up in an array, and which objects are done is one bit each.  Objects that wait
 * to be followed are handed over in blocks, because a single list may be what everything hangs on.
 */
#include <stdlib.h>

#include "base/pool.h"
#include "rt/heap_shapes_int.h"

enum { RANGE = 1 << 16, FOLLOW_BATCH = 64 };

void heap_type_root(struct heap *h, uint32_t slot, uint64_t offset, uint32_t type, uint64_t at)
{
    if (type == SNAP_NONE)
        return;
    struct heap_typed_root r = {.slot = slot, .type = type, .inner = offset != 0, .at = at};
    vec_push(&h->typed_roots, r);
}

void heap_free_typed_roots(struct heap *h)
{
    vec_free(&h->typed_roots);
}

/* ---- one object ---- */

/* It is followed again: more is known of its words now. */
static void refine(struct shaper *p, struct shape_worker *w, uint16_t better, uint32_t slot)
{
    atomic_store_explicit(&p->shape[slot], better, memory_order_relaxed);
    if (slot >= p->h->nscan)
        return;
    atomic_fetch_and_explicit(&p->done[slot / 64], ~(UINT64_C(1) << slot % 64),
                              memory_order_relaxed);
    vec_push(&w->stack, slot);
}

void shaper_assign(struct shaper *p, struct shape_worker *w, uint16_t shape, uint32_t slot)
{
    uint16_t have = atomic_load_explicit(&p->shape[slot], memory_order_relaxed);
    if (have) {
        uint16_t better = have == shape ? 0 : flow_refine(p, have, shape);
        if (better)
            refine(p, w, better, slot);
        else
            w->conflicts += have != shape;
        return;
    }
    if (!flow_fits(p, shape, slot)) {
        shape = flow_instead(p, shape, slot);
        w->misfits += !shape;
        if (!shape)
            return;
    }
    if (atomic_compare_exchange_strong_explicit(&p->shape[slot], &have, shape, memory_order_relaxed,
                                                memory_order_relaxed) &&
        slot < p->h->nscan)
        vec_push(&w->stack, slot);
}

/* Whether this call is the first for the slot. */
static bool take(struct shaper *p, uint32_t slot)
{
    uint64_t bit = UINT64_C(1) << slot % 64;
    return !(atomic_fetch_or_explicit(&p->done[slot / 64], bit, memory_order_relaxed) & bit);
}

/* ---- waiting for memory ----
 *
 * Every object and every pointer lies somewhere else, so that nearly all time would go by waiting.
 * Objects are taken in batches, and the shapes found for what they point to are assigned later, so
 * that what is needed is on its way meanwhile. */

static void assign_found(struct shaper *p, struct shape_worker *w)
{
    for (unsigned i = 0; i < w->nfound; i++)
        shaper_assign(p, w, w->found[i].shape, w->found[i].slot);
    w->nfound = 0;
}

static inline void found(struct shaper *p, struct shape_worker *w, uint16_t shape, uint32_t slot)
{
    __builtin_prefetch((const void *)&p->shape[slot], 1);
    __builtin_prefetch(&p->span_at[slot / 64]);
    if (slot < p->h->nscan)
        __builtin_prefetch(&p->h->masks.number[slot]);
    w->found[w->nfound++] = (struct shape_found){slot, shape};
    if (w->nfound == ARRAY_LEN(w->found))
        assign_found(p, w);
}

static void follow(struct shaper *p, struct shape_worker *w, uint32_t slot)
{
    struct snap_edges it;
    uint16_t shape = atomic_load_explicit(&p->shape[slot], memory_order_relaxed);
    if (!shape || !take(p, slot))
        return;
    snap_edges_init(&it, p->s, slot);
    while (snap_edges_next(&it)) {
        if (it.flags & (SNAP_EDGE_INTERIOR | SNAP_EDGE_TYPED))
            continue;
        uint16_t child = flow_of_word(p, shape, it.word, it.target);
        if (child)
            found(p, w, child, it.target);
    }
}

static void follow_batch(struct shaper *p, struct shape_worker *w)
{
    uint32_t slots[FOLLOW_BATCH];
    size_t n = min_u64(w->stack.n, FOLLOW_BATCH);
    w->stack.n -= n;
    memcpy(slots, w->stack.v + w->stack.n, n * sizeof(*slots));
    for (size_t i = 0; i < n; i++) {
        __builtin_prefetch(&p->s->scanslot.edges[slots[i]]);
        __builtin_prefetch((const void *)&p->shape[slots[i]]);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t at = p->s->scanslot.edges[slots[i]];
        if (at)
            __builtin_prefetch(&p->s->edge.byte[at - 1]);
    }
    for (size_t i = 0; i < n; i++)
        follow(p, w, slots[i]);
    assign_found(p, w);
}

/* ---- following, by all workers ---- */

/* Gives the oldest slots of a long stack to whoever has nothing to do. */
static void hand_over(struct shaper *p, struct shape_worker *w)
{
    uint32_t *block = mem_alloc(SHAPE_BLOCK * sizeof(*block));
    memcpy(block, w->stack.v, SHAPE_BLOCK * sizeof(*block));
    w->stack.n -= SHAPE_BLOCK;
    memmove(w->stack.v, w->stack.v + SHAPE_BLOCK, w->stack.n * sizeof(*w->stack.v));
    pthread_mutex_lock(&p->lock);
    vec_push(&p->blocks, block);
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
}

static void drain(struct shaper *p, struct shape_worker *w)
{
    while (w->stack.n) {
        follow_batch(p, w);
        if (w->stack.n > 4 * SHAPE_BLOCK)
            hand_over(p, w);
    }
}

static void take_block(struct shape_worker *w, uint32_t *block)
{
    for (size_t i = 0; i < SHAPE_BLOCK; i++)
        if (block[i] != SNAP_NONE)
            vec_push(&w->stack, block[i]);
    free(block);
}

static struct err *follow_job(void *arg, size_t i, unsigned worker)
{
    struct shaper *p = arg;
    struct shape_worker *w = &p->workers[worker];
    pthread_mutex_lock(&p->lock);
    while (p->blocks.n || p->working) {
        if (!p->blocks.n) {
            pthread_cond_wait(&p->more, &p->lock);
            continue;
        }
        uint32_t *block = p->blocks.v[--p->blocks.n];
        p->working++;
        pthread_mutex_unlock(&p->lock);
        take_block(w, block);
        drain(p, w);
        pthread_mutex_lock(&p->lock);
        if (--p->working == 0 && !p->blocks.n)
            pthread_cond_broadcast(&p->more);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void put_block(struct shaper *p, const uint32_t *slots, size_t n)
{
    uint32_t *block = mem_alloc(SHAPE_BLOCK * sizeof(*block));
    for (size_t i = 0; i < SHAPE_BLOCK; i++)
        block[i] = i < n ? slots[i] : SNAP_NONE;
    vec_push(&p->blocks, block);
}

/* Objects with pointers that have a shape and were not followed. */
static void put_seeds(struct shaper *p)
{
    uint32_t seeds[SHAPE_BLOCK];
    size_t n = 0;
    for (uint32_t i = 0; i < p->h->nscan; i++) {
        if (!p->shape[i] || !p->s->scanslot.edges[i] || p->done[i / 64] >> i % 64 & 1)
            continue;
        seeds[n++] = i;
        if (n == SHAPE_BLOCK) {
            put_block(p, seeds, n);
            n = 0;
        }
    }
    if (n)
        put_block(p, seeds, n);
    for (unsigned i = 0; i < p->nworkers; i++)
        p->workers[i].stack.n = 0; /* they have a shape, and so are among the seeds */
}

struct err *shaper_propagate(struct shaper *p)
{
    put_seeds(p);
    return p->blocks.n ? pool_run(p->nworkers, follow_job, p) : NULL;
}

/* ---- what is known before ---- */

/* What allocation wrote beside the object.  A map's directory has to wait for its map. */
static void take_header(struct shaper *p, struct shape_worker *w, uint32_t type, uint32_t slot)
{
    uint16_t shape = flow_of_header(p, type, slot);
    bool late = flow_is_directory(p, shape);
    if (late)
        vec_push(&w->late, ((struct shape_late){slot, shape}));
    p->shape[slot] = late ? 0 : shape;
}

/* Headers carry the type of the element; interfaces name types; interior pointers mean tiny. */
static void look_at(struct shaper *p, struct shape_worker *w, uint32_t slot)
{
    struct snap_edges it;
    const struct type_shape *sh = types_shape_get(p->ty, p->shape[slot]);
    if (sh->evidence == SNAP_EV_HEADER)
        take_header(p, w, sh->type, slot);
    snap_edges_init(&it, p->s, slot);
    while (snap_edges_next(&it)) {
        if (it.flags & SNAP_EDGE_INTERIOR) {
            if (it.flags & SNAP_EDGE_LEAF &&
                p->spans[shaper_span(p, it.target)].flags & SNAP_SPF_TINY)
                atomic_store_explicit(
                    &p->shape[it.target],
                    types_shape(p->ty, SNAP_FORM_TINY, SNAP_NONE, SNAP_NONE, SNAP_EV_FLOW),
                    memory_order_relaxed);
        } else if (it.type != SNAP_NONE) {
            uint16_t child = flow_of_interface(p, it.type, SNAP_EV_INTERFACE);
            if (child)
                found(p, w, child, it.target);
        }
    }
}

bool shaper_next_range(struct shaper *p, uint32_t *ret, uint32_t *ret_end)
{
    size_t range = atomic_fetch_add(&p->next_range, 1);
    if (range >= ((size_t)p->h->nscan + RANGE - 1) / RANGE)
        return false;
    *ret = (uint32_t)range * RANGE;
    *ret_end = (uint32_t)min_u64((range + 1) * RANGE, p->h->nscan);
    return true;
}

static void look_at_range(struct shaper *p, struct shape_worker *w, uint32_t slot, uint32_t end)
{
    for (; slot < end; slot++)
        if (p->s->scanslot.edges[slot] || p->shape[slot])
            look_at(p, w, slot);
    assign_found(p, w);
    w->stack.n = 0;
}

static struct err *look_job(void *arg, size_t i, unsigned worker)
{
    struct shaper *p = arg;
    for (uint32_t slot, end; shaper_next_range(p, &slot, &end);)
        look_at_range(p, &p->workers[worker], slot, end);
    return NULL;
}

/* Those that nothing of a better shape led to. */
static struct err *take_late(struct shaper *p)
{
    bool any = false;
    for (unsigned i = 0; i < p->nworkers; i++)
        for (size_t k = 0; k < p->workers[i].late.n; k++) {
            const struct shape_late *l = &p->workers[i].late.v[k];
            if (p->shape[l->slot])
                continue;
            p->shape[l->slot] = l->shape;
            any = true;
        }
    return any ? shaper_propagate(p) : NULL;
}

static void take_roots(struct shaper *p)
{
    for (size_t i = 0; i < p->h->typed_roots.n; i++) {
        const struct heap_typed_root *r = &p->h->typed_roots.v[i];
        uint16_t shape = r->inner ? 0 : flow_of_type(p, r->type, r->at, SNAP_EV_ROOT);
        if (shape)
            shaper_assign(p, &p->workers[0], shape, r->slot);
    }
}

/* What the code says of variables: they lead to such objects. */
static void take_code_roots(struct shaper *p)
{
    for (size_t i = 0; i < p->h->code_roots.n; i++) {
        const struct heap_code_root *r = &p->h->code_roots.v[i];
        uint32_t type = r->type;
        uint16_t shape = types_shape(p->ty, (enum snap_form)r->form, type, SNAP_NONE, SNAP_EV_CODE);
        if (shape)
            shaper_assign(p, &p->workers[0], shape, r->slot);
    }
}

/* ---- closures ---- */

/* A closure whose code is known: what allocation or an interface told is a value of the type it was
 * made of, or a closure of no known code. */
static void make_closure(struct shaper *p, const struct heap_closure *c,
                         const struct heap_code *code)
{
    const struct type_shape *have = types_shape_get(p->ty, p->shape[c->slot]);
    bool is_made = have->form == SNAP_FORM_VALUE && have->type == code->made;
    if (p->shape[c->slot] && have->form != SNAP_FORM_CLOSURE && !is_made)
        return;
    enum snap_evidence ev = p->shape[c->slot] ? (enum snap_evidence)have->evidence : SNAP_EV_CODE;
    uint16_t shape = types_shape(p->ty, SNAP_FORM_CLOSURE, code->captured, c->pc, ev);
    if (flow_fits(p, shape, c->slot))
        p->shape[c->slot] = shape;
}

/* Closures of which code told what they captured. */
static void take_closures(struct shaper *p)
{
    const struct heap_code *code = NULL;
    for (size_t i = 0; i < p->h->closures.n; i++) {
        const struct heap_closure *c = &p->h->closures.v[i];
        if (!code || code->pc != c->pc)
            code = heap_code_at(p->h, c->pc);
        if (code && code->captured != SNAP_NONE)
            make_closure(p, c, code);
    }
}

/* Other closures are told by their first word, the code, which was noted when they were read. */
static void name_closures(struct shaper *p)
{
    for (size_t i = 0; i < p->h->closures.n; i++) {
        const struct heap_closure *c = &p->h->closures.v[i];
        const struct type_shape *sh = types_shape_get(p->ty, p->shape[c->slot]);
        if (sh->form == SNAP_FORM_CLOSURE && sh->type == SNAP_NONE)
            p->shape[c->slot] = types_shape(p->ty, SNAP_FORM_CLOSURE, SNAP_NONE, c->pc,
                                            (enum snap_evidence)sh->evidence);
    }
}

/* ---- all ---- */

/* Go: sync/pool.go Pool; runtime/runtime2.go g, set by runtime/pprof/runtime.go
 * SetGoroutineLabels; sync/map.go entry (until 1.19). */
const struct shape_unsafe shape_unsafe[SHAPE_UNSAFE] = {
    {"sync.Pool", "local", "sync.poolLocal", SNAP_FORM_ARRAY},
    {"sync.Pool", "victim", "sync.poolLocal", SNAP_FORM_ARRAY},
    {"runtime.g", "labels", "pprof.labelMap", SNAP_FORM_VALUE},
    {"sync.entry", "p", "interface {}", SNAP_FORM_VALUE},
};

static uint32_t type_named(struct rt_types *ty, const char *name)
{
    for (uint32_t i = 0; i < ty->n; i++)
        if (types_entry(ty, i)->info.kind == GO_KIND_STRUCT && strcmp(types_name(ty, i), name) == 0)
            return i;
    return SNAP_NONE;
}

static void find_types(struct shaper *p)
{
    struct rt_types *ty = p->ty;
    p->hchan = p->hmap = SNAP_NONE;
    for (size_t k = 0; k < SHAPE_UNSAFE; k++)
        p->unsafe_type[k] = SNAP_NONE;
    for (uint32_t i = ty->n; i-- > 0;) {
        uint8_t kind = types_entry(ty, i)->info.kind;
        if (kind != GO_KIND_STRUCT && kind != GO_KIND_MAP && kind != GO_KIND_INTERFACE)
            continue;
        const char *name = types_name(ty, i);
        if (strcmp(name, "runtime.hchan") == 0)
            p->hchan = i;
        if (strcmp(name, "runtime.hmap") == 0 || strcmp(name, "maps.Map") == 0)
            p->hmap = i;
        for (size_t k = 0; k < SHAPE_UNSAFE; k++)
            if (strcmp(name, shape_unsafe[k].type) == 0)
                p->unsafe_type[k] = i;
    }
}

static uint32_t type_with(struct rt_types *ty, const char *package, const char *name,
                          const char *arguments)
{
    struct buf b = {0};
    buf_printf(&b, "%s%s%s", package, name, arguments);
    uint32_t type = type_named(ty, buf_text(&b));
    buf_free(&b);
    return type;
}

static void find_tries(struct shaper *p)
{
    static const char *const packages[] = {"sync.", "concurrent."};
    struct buf name = {0};
    for (uint32_t i = 0; i < p->ty->n; i++) {
        const struct type_entry *e = types_entry(p->ty, i);
        if (e->info.kind != GO_KIND_STRUCT || e->info.size != 1)
            continue;
        for (size_t k = 0; k < ARRAY_LEN(packages); k++) {
            const char *of = types_name(p->ty, i);
            size_t n = strlen(packages[k]);
            if (strncmp(of, packages[k], n) != 0 || strncmp(of + n, "node[", 5) != 0)
                continue;
            struct shape_trie t = {.node = i};
            buf_clear(&name);
            buf_str(&name, of + n + 4);
            const char *arguments = buf_text(&name);
            t.indirect = type_with(p->ty, packages[k], "indirect", arguments);
            t.entry = type_with(p->ty, packages[k], "entry", arguments);
            vec_push(&p->tries, t);
        }
    }
    buf_free(&name);
}

static void index_spans(struct shaper *p)
{
    const struct heap *h = p->h;
    const struct snap_span *t = &p->s->span;
    for (size_t i = 0; i < h->nspans; i++)
        p->spans[i] =
            (struct shape_span){.slot = t->slot[i], .spanclass = t->class[i], .flags = t->flags[i]};
    p->spans[h->nspans].slot = SNAP_NONE;
    for (uint32_t block = 0, span = 0; block <= h->nslots / 64; block++) {
        while (p->spans[span + 1].slot <= block * 64)
            span++;
        p->span_at[block] = span;
    }
}

static struct err *shaper_open(struct shaper *p, struct heap *h, unsigned width)
{
    *p = (struct shaper){.h = h, .ty = h->types, .s = h->c->s, .nworkers = width};
    p->shape = (_Atomic uint16_t *)h->shape;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    p->workers = mem_alloc(p->nworkers * sizeof(*p->workers));
    p->spans = mem_try_alloc_huge((h->nspans + 1) * sizeof(*p->spans));
    p->span_at = mem_try_alloc_huge(((size_t)h->nslots / 64 + 1) * sizeof(*p->span_at));
    p->done = mem_try_alloc_huge(((size_t)h->nscan / 64 + 1) * sizeof(*p->done));
    p->flow = mem_try_alloc(TYPES_SHAPES_MAX * sizeof(*p->flow));
    p->pattern_fits = mem_try_alloc(SHAPE_PATTERNS * sizeof(*p->pattern_fits));
    p->fit = mem_try_alloc(TYPES_SHAPES_MAX * sizeof(*p->fit));
    if (!p->spans || !p->span_at || !p->done || !p->flow || !p->fit || !p->pattern_fits)
        return err_new(ERR_NOMEM, "no memory to tell what %u objects are", h->nslots);
    if (h->nspans)
        index_spans(p);
    find_types(p);
    find_tries(p);
    p->map_table = type_named(p->ty, "maps.table");
    return NULL;
}

static void shaper_close(struct shaper *p)
{
    for (unsigned i = 0; i < p->nworkers; i++) {
        vec_free(&p->workers[i].stack);
        vec_free(&p->workers[i].late);
    }
    for (size_t i = 0; p->flow && i < TYPES_SHAPES_MAX; i++)
        free(p->flow[i]);
    for (size_t i = 0; i < p->blocks.n; i++)
        free(p->blocks.v[i]);
    vec_free(&p->blocks);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->more);
    free(p->workers);
    vec_free(&p->tries);
    free(p->spans);
    free(p->span_at);
    free((void *)p->done);
    free((void *)p->flow);
    free(p->fit);
    free((void *)p->pattern_fits);
}

struct err *heap_find_shapes(struct heap *h, unsigned width)
{
    struct shaper p;
    struct err *e = shaper_open(&p, h, width);
    if (!e && h->nspans)
        e = pool_run(p.nworkers, look_job, &p);
    if (!e && h->nspans) {
        take_closures(&p);
        take_roots(&p);
        take_code_roots(&p);
        e = shaper_propagate(&p);
        if (!e)
            e = take_late(&p);
    }
    if (!e && h->nspans)
        e = heap_guess(&p);
    if (!e)
        name_closures(&p);
    shaper_close(&p);
    return e;
}

/* paths.c - shortest ways from the roots; see heap/paths.h.
 *
 * To one object: breadth first backwards from it, along the index of reverse edges.  Each direct
 * holder of the object begins with a label of its own; an object is visited once for each label,
 * and by no more labels than paths are wanted: any further one would go on the same ways, behind as
 * many distinct ones.
 *
 * To a goroutine: the same, but what leads to each and every goroutine tells nothing of one: its
 * own stack, and the runtime's list of all of them.  Only when nothing else does they are told.
 *
 * To a type: breadth first forwards from the roots, until as many distinct ways as wanted have hit
 * an object of it.  Behind such an object the search does not go on.
 *
 * The one shortest way to an object leads through all its dominators, so it is put together of the
 * ways from each to the next, breadth first forwards within what the upper one dominates.  Mostly
 * that is one pointer; where it is too much to look through, the search backwards does it. */
#include <stdlib.h>
#include <string.h>

#include "heap/heap_int.h"
#include "heap/paths.h"

enum {
    DEFAULT_PATHS = 3,
    MOST_PATHS = 100,
    MOST_HOLDERS = 1 << 20, /* direct ones of a leaf that are looked at */
    MOST_STATES = 1 << 25,
    MOST_DOMINATORS = 1 << 16, /* on the way down, and pointers that are looked at there: */
    MOST_POINTERS = 1 << 22,   /* the index of reverse edges takes longer than these */
    NEAR_POINTERS = 1 << 18,   /* a hundred such searches take less than a second */
    CHECK_EVERY = 1 << 16,
};

/* ---- roots by slot ---- */

struct rooted {
    uint64_t *v; /* slot << 32 | row of root, ascending */
    size_t n;
};

static int by_number(const void *pa, const void *pb)
{
    uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
    return a < b ? -1 : a > b;
}

static struct err *find_rooted(const struct heap_graph *g, struct rooted *r)
{
    r->n = g->s->root.n;
    TRY(heap_array(r->n, sizeof(*r->v), "the roots of the heap", &r->v));
    for (uint32_t i = 0; i < r->n; i++)
        r->v[i] = (uint64_t)g->s->root.slot[i] << 32 | i;
    if (r->n)
        qsort(r->v, r->n, sizeof(*r->v), by_number);
    return NULL;
}

/* The first entry of a slot, or where it would be. */
static size_t rooted_at(const struct rooted *r, uint32_t slot)
{
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->v[mid] >> 32 < slot)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static uint32_t holder_of(const struct heap_graph *g, uint32_t root)
{
    const struct snap_root *t = &g->s->root;
    uint8_t kind = t->kind[root];
    uint32_t number = g->holder_kind[kind];
    if (kind == SNAP_ROOT_GLOBAL && t->global[root] != SNAP_NONE)
        number = g->holder_global[t->global[root]];
    else if ((kind == SNAP_ROOT_STACK || kind == SNAP_ROOT_REGISTER) &&
             t->goroutine[root] != SNAP_NONE)
        number = g->holder_goroutine[t->goroutine[root]];
    return g->nslots + number;
}

/* ---- paths as results ---- */

struct found {
    const struct heap_graph *g;
    struct heap_paths *out;
    size_t limit;
    struct map seen; /* keys of the ways that were found */
    VEC(struct heap_path) paths;
    VEC(uint32_t) slots; /* of the path at hand */
};

static bool enough(const struct found *f)
{
    return f->paths.n >= f->limit;
}

static bool is_new(struct found *f, uint64_t key)
{
    bool added;
    map_get_or_put(&f->seen, key, 0, &added);
    return added;
}

/* The pointer from one object to another, as a step. */
static struct heap_step step_to(const struct heap_graph *g, uint32_t from, uint32_t to)
{
    struct snap_edges it;
    snap_edges_init(&it, g->s, from);
    while (snap_edges_next(&it))
        if (it.target == to)
            return (struct heap_step){from, it.word, it.flags & SNAP_EDGE_INTERIOR};
    return (struct heap_step){.slot = from};
}

/* f->slots, in order, behind a root. */
static void add_path(struct found *f, uint32_t root)
{
    size_t n = f->slots.n;
    struct heap_step *steps = arena_array(&f->out->mem, struct heap_step, n);
    for (size_t i = 0; i + 1 < n; i++)
        steps[i] = step_to(f->g, f->slots.v[i], f->slots.v[i + 1]);
    steps[n - 1].slot = f->slots.v[n - 1];
    struct heap_path p = {.root = root, .holder = holder_of(f->g, root), .steps = steps, .n = n};
    vec_push(&f->paths, p);
}

static void give(struct found *f, bool all)
{
    f->out->n = f->paths.n;
    f->out->all = all;
    f->out->v = arena_array(&f->out->mem, struct heap_path, f->paths.n);
    if (f->paths.n)
        memcpy(f->out->v, f->paths.v, f->paths.n * sizeof(*f->paths.v));
}

/* ---- to one object ---- */

struct state {
    uint32_t slot, next; /* next: the state it was reached from, SNAP_NONE: the target itself */
    uint32_t label;      /* the slot that points to the target */
};

struct backward {
    struct found f;
    struct heap_graph *g;
    uint32_t target;
    uint32_t goroutine; /* of which the target is the g; SNAP_NONE: another object */
    struct rooted rooted;
    VEC(struct state) states;
    struct map visited; /* slot << 32 | label */
    uint8_t *labels;    /* by slot: how many visited it */
};

static void visit(struct backward *b, uint32_t slot, uint32_t next, uint32_t label)
{
    bool added;
    if (slot == b->target || !heap_slot_live(b->g, slot) || b->labels[slot] >= b->f.limit)
        return;
    map_get_or_put(&b->visited, (uint64_t)slot << 32 | label, 0, &added);
    if (!added)
        return;
    b->labels[slot]++;
    struct state st = {slot, next, label};
    vec_push(&b->states, st);
}

/* The list of all goroutines (Go: runtime.allgs, and allgptr, which leads to the same array). */
static bool lists_all(const struct backward *b, uint32_t slot)
{
    const struct snap *s = b->g->s;
    for (size_t i = rooted_at(&b->rooted, slot); i < b->rooted.n && b->rooted.v[i] >> 32 == slot;
         i++) {
        uint32_t global = s->root.global[(uint32_t)b->rooted.v[i]];
        const char *name = global == SNAP_NONE ? "" : snap_str(s, s->global.name[global]);
        if (strcmp(name, "runtime.allgs") == 0 || strcmp(name, "runtime.allgptr") == 0)
            return true;
    }
    return false;
}

/* A root of the goroutine that is asked about. */
static bool is_own(const struct backward *b, uint32_t root)
{
    const struct snap_root *t = &b->g->s->root;
    return b->goroutine != SNAP_NONE && t->goroutine[root] == b->goroutine &&
           (t->kind[root] == SNAP_ROOT_STACK || t->kind[root] == SNAP_ROOT_REGISTER);
}

/* Every new pair of holder and label at an object that roots point to makes a path. */
static void at_root(struct backward *b, uint32_t slot, uint32_t state, uint32_t label)
{
    for (size_t i = rooted_at(&b->rooted, slot);
         i < b->rooted.n && b->rooted.v[i] >> 32 == slot && !enough(&b->f); i++) {
        uint32_t root = (uint32_t)b->rooted.v[i];
        if (is_own(b, root) || !is_new(&b->f, (uint64_t)holder_of(b->g, root) << 32 | label))
            continue;
        b->f.slots.n = 0;
        for (uint32_t k = state; k != SNAP_NONE; k = b->states.v[k].next)
            vec_push(&b->f.slots, b->states.v[k].slot);
        vec_push(&b->f.slots, b->target);
        add_path(&b->f, root);
    }
}

static struct err *start(struct backward *b, struct progress *p)
{
    struct heap_graph *g = b->g;
    at_root(b, b->target, SNAP_NONE, SNAP_NONE);
    if (b->target < g->nscan) {
        for (uint32_t i = g->reverse_first[b->target]; i < g->reverse_first[b->target + 1]; i++) {
            uint32_t from = g->reverse_from[i];
            if (b->goroutine == SNAP_NONE || !lists_all(b, from))
                visit(b, from, SNAP_NONE, from);
        }
        return NULL;
    }
    uint32_t *v;
    size_t n, most = min_u64(g->nscan, MOST_HOLDERS);
    uint64_t total;
    TRY(heap_array(most, sizeof(*v), "who points to the object", &v));
    struct err *e = heap_referrers(g, b->target, most, v, &n, &total);
    for (size_t i = 0; !e && i < n; i++)
        visit(b, v[i], SNAP_NONE, v[i]);
    free(v);
    return e;
}

static struct err *search_backward(struct backward *b, struct progress *p)
{
    struct heap_graph *g = b->g;
    TRY(heap_reverse(g, p));
    TRY(find_rooted(g, &b->rooted));
    TRY(heap_array(g->nscan, 1, "a search of the heap", &b->labels));
    TRY(start(b, p));
    uint32_t i = 0;
    for (; i < b->states.n && b->states.n < MOST_STATES && !enough(&b->f); i++) {
        struct state st = b->states.v[i];
        if (i % CHECK_EVERY == 0)
            TRY(progress_step(p, "looking for paths", i, 0));
        at_root(b, st.slot, i, st.label);
        for (uint32_t k = g->reverse_first[st.slot]; k < g->reverse_first[st.slot + 1]; k++)
            visit(b, g->reverse_from[k], i, st.label);
    }
    if (!b->f.paths.n && (b->goroutine == SNAP_NONE || i < b->states.n))
        return err_new(ERR_LIMIT, "the ways to the object are too many to be looked through");
    give(&b->f, i == b->states.n && !enough(&b->f));
    return NULL;
}

/* goroutine: whose g that is, so that its own ways are left out; SNAP_NONE: all are told. */
static struct err *to_slot(struct heap_graph *g, uint32_t slot, uint32_t goroutine, size_t limit,
                           struct progress *p, struct heap_paths *ret)
{
    struct backward b = {
        .f = {.g = g, .out = ret, .limit = limit}, .g = g, .target = slot, .goroutine = goroutine};
    if (slot >= g->nslots)
        return err_new(ERR_NOT_FOUND, "there is no such object on the heap");
    if (!heap_allocated(g, slot))
        return err_new(ERR_NOT_FOUND, "no object is there: the place on the heap is free");
    if (!heap_slot_live(g, slot))
        return err_new(ERR_NOT_FOUND,
                       "nothing leads to the object: it is garbage, not collected yet");
    struct err *e = search_backward(&b, p);
    free(b.rooted.v);
    free(b.labels);
    map_free(&b.visited);
    vec_free(&b.states);
    map_free(&b.f.seen);
    vec_free(&b.f.paths);
    vec_free(&b.f.slots);
    return e;
}

static struct err *to_goroutine(struct heap_graph *g, uint32_t row, size_t limit,
                                struct progress *p, struct heap_paths *ret)
{
    if (row >= g->s->goroutine.n)
        return err_new(ERR_NOT_FOUND, "there is no such goroutine");
    uint32_t slot = heap_find(g, g->s->goroutine.addr[row], NULL);
    TRY(to_slot(g, slot, row, limit, p, ret));
    ret->others = ret->n > 0;
    return ret->n ? NULL : to_slot(g, slot, SNAP_NONE, limit, p, ret);
}

/* ---- to a type ---- */

struct forward {
    struct found f;
    const struct heap_graph *g;
    const struct heap_keys *keys;
    uint32_t key;
    uint32_t *parent; /* by scan slot: 1 + the slot it was reached from; 0: from a root, or not */
    uint32_t *root;   /* by scan slot: 1 + row of the root the way begins at; 0: not reached */
    uint32_t *queue;
    size_t queued;
};

static bool is_target(const struct forward *w, uint32_t slot)
{
    return w->keys->of[w->g->s->slot.shape[slot]] == w->key;
}

/* What is said of a word, with all numbers taken for one. */
static uint64_t hash_word(const struct heap_graph *g, uint32_t slot, uint64_t word)
{
    struct buf b = {0};
    size_t n = 0;
    heap_word_text(g, slot, word, &b);
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] < '0' || b.p[i] > '9')
            b.p[n++] = b.p[i];
    uint64_t h = hash_bytes(buf_text(&b), n);
    buf_free(&b);
    return h;
}

static void hit(struct forward *w, uint32_t target, uint32_t from, uint64_t word, uint32_t root)
{
    struct heap_holder h = w->g->holders[holder_of(w->g, root) - w->g->nslots];
    uint64_t key = hash_u64((uint64_t)h.kind << 32 | h.row);
    if (from != SNAP_NONE) {
        uint64_t what = w->keys->of[w->g->s->slot.shape[from]];
        if (!is_new(&w->f,
                    hash_u64(key ^ hash_u64(what << 48 ^ word << 1)))) /* quick, when it repeats */
            return;
        key = hash_u64(key ^ hash_u64(what ^ hash_word(w->g, from, word)));
    }
    if (!is_new(&w->f, ~key))
        return;
    w->f.slots.n = 0;
    vec_push(&w->f.slots, target);
    for (uint32_t k = from == SNAP_NONE ? 0 : from + 1; k; k = w->parent[k - 1])
        vec_push(&w->f.slots, k - 1);
    for (size_t i = 0, j = w->f.slots.n - 1; i < j; i++, j--) {
        uint32_t t = w->f.slots.v[i];
        w->f.slots.v[i] = w->f.slots.v[j];
        w->f.slots.v[j] = t;
    }
    add_path(&w->f, root);
}

static void reach(struct forward *w, uint32_t slot, uint32_t from, uint64_t word, uint32_t root)
{
    if (!bit_at(w->g->s->slots64.allocated, slot))
        return;
    if (is_target(w, slot)) {
        hit(w, slot, from, word, root);
        return;
    }
    if (slot >= w->g->nscan || w->root[slot])
        return;
    w->root[slot] = root + 1;
    w->parent[slot] = from == SNAP_NONE ? 0 : from + 1;
    w->queue[w->queued++] = slot;
}

static struct err *search_forward(struct forward *w, struct progress *p)
{
    const struct heap_graph *g = w->g;
    struct snap_edges it;
    static const char what[] = "a search of the heap";
    TRY(heap_array(g->nscan, sizeof(uint32_t), what, &w->parent));
    TRY(heap_array(g->nscan, sizeof(uint32_t), what, &w->root));
    TRY(heap_array(g->nscan, sizeof(uint32_t), what, &w->queue));
    for (uint32_t r = 0; r < g->s->root.n && !enough(&w->f); r++)
        reach(w, g->s->root.slot[r], SNAP_NONE, 0, r);
    size_t i = 0;
    for (; i < w->queued && !enough(&w->f); i++) {
        uint32_t from = w->queue[i];
        if (i % CHECK_EVERY == 0)
            TRY(progress_step(p, "looking for paths", i, g->nscan));
        snap_edges_init(&it, g->s, from);
        while (snap_edges_next(&it) && !enough(&w->f))
            reach(w, it.target, from, it.word, w->root[from] - 1);
    }
    if (!w->f.paths.n)
        return err_new(ERR_NOT_FOUND, "no object of this type is alive");
    give(&w->f, !enough(&w->f));
    return NULL;
}

static struct err *to_type(struct heap_graph *g, uint32_t shape, size_t limit, struct progress *p,
                           struct heap_paths *ret)
{
    struct heap_keys keys;
    struct forward w = {.f = {.g = g, .out = ret, .limit = limit}, .g = g, .keys = &keys};
    if (shape >= g->s->shape.n)
        return err_new(ERR_NOT_FOUND, "there is no such type");
    struct err *e = heap_type_keys(g->s, &keys);
    if (!e) {
        w.key = keys.of[shape];
        e = search_forward(&w, p);
    }
    heap_keys_free(&keys);
    free(w.parent);
    free(w.root);
    free(w.queue);
    map_free(&w.f.seen);
    vec_free(&w.f.paths);
    vec_free(&w.f.slots);
    return e;
}

/* ---- down from dominator to dominator ---- */

struct place {
    uint32_t slot, from; /* from: the place whose pointer leads here; SNAP_NONE: a root does */
    uint64_t word;       /* of that pointer; of a root: its row */
    bool interior;
};

struct down {
    const struct heap_graph *g;
    VEC(uint32_t) chain; /* the object, its dominator, that one's, ... */
    VEC(struct place) places;
    uint64_t *seen; /* by scan slot */
    size_t left;    /* pointers that may be looked at */
};

/* Notes a place inside what v dominates; true: it is the goal. */
static bool come_to(struct down *w, struct place p, uint32_t v, uint32_t goal)
{
    const struct heap_graph *g = w->g;
    bool there = p.slot == goal;
    if (!heap_slot_live(g, p.slot) || (!there && p.slot >= g->nscan))
        return false;
    if (!there && (bit_at(w->seen, p.slot) || !heap_inside(g, v, g->vertex[p.slot] - 1)))
        return false;
    if (p.slot < g->nscan)
        bit_set(w->seen, p.slot);
    vec_push(&w->places, p);
    return there;
}

/* From the places behind `first` on to the goal, which is the last place then. */
static bool go_on(struct down *w, size_t first, uint32_t v, uint32_t goal)
{
    struct snap_edges it;
    for (size_t i = first; i < w->places.n; i++) {
        snap_edges_init(&it, w->g->s, w->places.v[i].slot);
        while (snap_edges_next(&it)) {
            struct place p = {it.target, (uint32_t)i, it.word, it.flags & SNAP_EDGE_INTERIOR};
            if (!w->left || come_to(w, p, v, goal))
                return w->left > 0;
            w->left--;
        }
    }
    return false;
}

/* From the roots of a holder, or from all, to the goal. */
static bool set_out(struct down *w, uint32_t top, uint32_t goal)
{
    const struct heap_graph *g = w->g;
    bool all = top == HEAP_ALL;
    uint32_t i = all ? 0 : g->root_first[top - g->nslots];
    uint32_t end = all ? (uint32_t)g->s->root.n : g->root_first[top - g->nslots + 1];
    uint32_t v = all ? 0 : g->vertex[heap_index_of(g, top)] - 1;
    for (; i < end; i++) {
        uint32_t row = all ? i : g->root_rows[i];
        if (come_to(w, (struct place){g->s->root.slot[row], SNAP_NONE, row, false}, v, goal))
            return true;
    }
    return go_on(w, 0, v, goal);
}

static bool find_down(struct down *w, uint32_t node)
{
    const struct heap_graph *g = w->g;
    for (; heap_is_object(g, node) && w->chain.n < MOST_DOMINATORS; node = heap_dominator(g, node))
        vec_push(&w->chain, node);
    size_t n = w->chain.n;
    if (!n || node == SNAP_NONE || heap_is_object(g, node) || !set_out(w, node, w->chain.v[n - 1]))
        return false;
    while (--n > 0)
        if (!go_on(w, w->places.n - 1, g->vertex[w->chain.v[n]] - 1, w->chain.v[n - 1]))
            return false;
    return true;
}

/* The places from the root to the last one. */
static void put_together(const struct down *w, struct arena *mem, struct heap_path *ret)
{
    size_t n = 0;
    uint32_t last = (uint32_t)w->places.n - 1, root = SNAP_NONE;
    for (uint32_t i = last; i != SNAP_NONE; i = w->places.v[i].from)
        n++;
    struct heap_step *steps = arena_array(mem, struct heap_step, n);
    *ret = (struct heap_path){.steps = steps, .n = n};
    for (uint32_t i = last; i != SNAP_NONE; i = w->places.v[i].from) {
        const struct place *p = &w->places.v[i];
        steps[--n].slot = p->slot;
        if (n) {
            steps[n - 1].word = p->word;
            steps[n - 1].interior = p->interior;
        } else {
            root = (uint32_t)p->word;
        }
    }
    ret->root = root;
    ret->holder = holder_of(w->g, root);
}

/* ret->n stays 0: too much had to be looked through. */
static struct err *shortest_down(const struct heap_graph *g, uint32_t node, size_t pointers,
                                 struct arena *mem, struct heap_path *ret)
{
    struct down w = {.g = g, .left = pointers};
    TRY(heap_array((size_t)g->nscan / 64 + 1, sizeof(*w.seen), "a search of the heap", &w.seen));
    if (find_down(&w, node))
        put_together(&w, mem, ret);
    free(w.seen);
    vec_free(&w.chain);
    vec_free(&w.places);
    return NULL;
}

/* ---- for others ---- */

struct err *heap_find_paths(struct heap_graph *g, const struct heap_path_options *o,
                            struct heap_paths *ret)
{
    size_t limit = min_u64(o->limit ? o->limit : DEFAULT_PATHS, MOST_PATHS);
    struct err *e;
    memset(ret, 0, sizeof(*ret));
    arena_init(&ret->mem);
    if (!g->has_edges)
        e = err_new(ERR_UNSUPPORTED, "the pointers between objects were not kept");
    else if (o->to == HEAP_TO_TYPE)
        e = to_type(g, o->what, limit, o->progress, ret);
    else if (o->to == HEAP_TO_GOROUTINE)
        e = to_goroutine(g, o->what, limit, o->progress, ret);
    else
        e = to_slot(g, o->what, SNAP_NONE, limit, o->progress, ret);
    ret->to_type = o->to == HEAP_TO_TYPE;
    if (e)
        heap_paths_free(ret);
    return e;
}

void heap_paths_free(struct heap_paths *p)
{
    arena_free(&p->mem);
    memset(p, 0, sizeof(*p));
}

struct err *heap_near_path(const struct heap_graph *g, uint32_t node, struct arena *mem,
                           struct heap_path *ret)
{
    *ret = (struct heap_path){.root = SNAP_NONE, .holder = SNAP_NONE};
    if (!g->has_edges || g->mark_only || !heap_is_object(g, node) || !heap_live(g, node))
        return NULL;
    return shortest_down(g, node, NEAR_POINTERS, mem, ret);
}

struct err *heap_shortest_path(struct heap_graph *g, uint32_t node, struct arena *mem,
                               struct progress *progress, struct heap_path *ret)
{
    struct heap_paths found;
    struct heap_path_options o = {
        .to = HEAP_TO_SLOT, .what = node, .limit = 1, .progress = progress};
    *ret = (struct heap_path){.root = SNAP_NONE, .holder = SNAP_NONE};
    if (!g->has_edges || !heap_is_object(g, node))
        return NULL;
    if (!g->reverse_first && !g->mark_only)
        TRY(shortest_down(g, node, MOST_POINTERS, mem, ret));
    if (ret->n)
        return NULL;
    struct err *e = heap_find_paths(g, &o, &found);
    if (e && (err_code(e) == ERR_LIMIT || err_code(e) == ERR_NOT_FOUND)) {
        err_free(e); /* too many ways; or a free slot, in a snapshot that somebody made */
        return NULL;
    }
    if (e)
        return e;
    struct heap_step *steps = arena_array(mem, struct heap_step, found.v[0].n);
    memcpy(steps, found.v[0].steps, found.v[0].n * sizeof(*steps));
    *ret = found.v[0];
    ret->steps = steps;
    heap_paths_free(&found);
    return NULL;
}

/* ---- in words ---- */

enum { WORDS_FIRST = 12, WORDS_LAST = 6 }; /* of a path, different from the one before */

struct way {
    const struct heap_graph *g;
    const struct heap_path *p;
    struct buf word, next;
    size_t at; /* step */
};

/* The next word of the path, and how many times it stands there; false: there is none. */
static bool next_word(struct way *w, size_t *times)
{
    buf_clear(&w->word);
    for (*times = 0; w->at + 1 < w->p->n; w->at++) {
        const struct heap_step *s = &w->p->steps[w->at];
        buf_clear(&w->next);
        heap_word_text(w->g, s->slot, s->word, &w->next);
        if (!w->next.n)
            continue;
        if (*times && strcmp(buf_text(&w->next), buf_text(&w->word)) != 0)
            return true;
        if (!(*times)++)
            buf_str(&w->word, buf_text(&w->next));
    }
    return *times > 0;
}

void heap_path_text(const struct heap_graph *g, const struct heap_path *p, struct buf *b)
{
    struct way w = {.g = g, .p = p};
    size_t words = 0, times;
    while (next_word(&w, &times))
        words++;
    w.at = 0;
    heap_root_text(g, p->root, b);
    for (size_t i = 0; next_word(&w, &times); i++) {
        bool hidden =
            words > WORDS_FIRST + WORDS_LAST + 1 && i >= WORDS_FIRST && i < words - WORDS_LAST;
        if (hidden && i == WORDS_FIRST)
            buf_printf(b, " → … %zu more …", words - WORDS_FIRST - WORDS_LAST);
        if (hidden)
            continue;
        buf_printf(b, " → %s", buf_text(&w.word));
        if (times > 1)
            buf_printf(b, " (%zu times)", times);
    }
    buf_free(&w.word);
    buf_free(&w.next);
}

size_t heap_dominator_chain(const struct heap_graph *g, uint32_t node, size_t limit, uint32_t *v,
                            bool *more)
{
    size_t n = 0;
    *more = false;
    while ((node = heap_dominator(g, node)) != SNAP_NONE && node != HEAP_ALL && !*more) {
        if (heap_is_object(g, node) && heap_is_map_part(g, node))
            continue;
        *more = n == limit;
        if (!*more)
            v[n++] = node;
    }
    return n;
}

/* heap_guess.c - guesses: objects whose beginning nothing with a known type points to.
 *
 * First those that strings and slices point into: a part of a text (s[100:200]), what is left of a
 * queue (q = q[1:]).  They are most likely an array of such elements, as a whole; but it may have
 * been a field.  Where they disagree nothing is guessed, but that text is bytes.
 *
 * Without DWARF nobody tells the types of variables, and before 1.22 the runtime did not write
 * types beside large objects, so a heap may hang on one pointer that nothing is known of.  But an
 * object has a size class and an exact pattern of pointers, and its pointers lead to objects that
 * are known: if all of that allows exactly one type of the program, we take that.  Arrays and
 * closures are other explanations: where one of them is possible, too, nothing is guessed.
 *
 * Guesses are marked as such, they never replace evidence, and what follows from them is a guess,
 * too. Each round follows the guesses of the one before; three are enough. */
#include <stdlib.h>

#include "base/pool.h"
#include "rt/heap_shapes_int.h"

enum { ROUNDS = 3, CANDIDATES_MAX = 32 };

/* A type that a small object can be a value of. */
struct candidate {
    uint64_t mask;
    uint32_t class, type;
};

struct guesser {
    struct shaper *p;
    VEC(struct candidate) all; /* by class and mask */
};

static int by_pattern(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    if (x->mask != y->mask)
        return x->mask < y->mask ? -1 : 1;
    return x->type < y->type ? -1 : x->type > y->type;
}

static uint32_t class_of(const struct rt_values *classes, uint64_t size)
{
    for (uint32_t i = 1; i < classes->n; i++)
        if (size <= classes->v[i])
            return i;
    return 0;
}

static void collect(struct guesser *g)
{
    const struct rt_types *ty = g->p->ty;
    for (uint32_t i = 0; i < ty->n; i++) {
        struct candidate c = {.type = i};
        uint64_t words;
        if (!flow_mask_of(g->p, i, &c.mask, &words) || !c.mask)
            continue;
        c.class = class_of(&ty->l->size_classes, types_get(ty, i)->size);
        vec_push(&g->all, c);
    }
    if (g->all.n)
        qsort(g->all.v, g->all.n, sizeof(*g->all.v), by_pattern);
}

static size_t first_of(const struct guesser *g, uint32_t class, uint64_t mask)
{
    struct candidate key = {.class = class, .mask = mask};
    size_t lo = 0, hi = g->all.n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (by_pattern(&g->all.v[mid], &key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ---- what strings and slices point into ---- */

/* The guess that follows from what a pointer to the beginning would lead to; 0: none. */
static uint16_t as_inner(struct shaper *p, uint16_t child)
{
    const struct type_shape *sh = types_shape_get(p->ty, child);
    if (sh->form != SNAP_FORM_STRING && sh->form != SNAP_FORM_ARRAY)
        return 0;
    return types_shape(p->ty, (enum snap_form)sh->form, sh->type, SNAP_NONE, SNAP_EV_GUESS);
}

static void note_inner(struct shaper *p, struct shape_worker *w, uint16_t child, uint32_t slot)
{
    const struct shape_late *last = w->late.n ? &w->late.v[w->late.n - 1] : NULL;
    struct shape_late l = {.slot = slot};
    if (child && !p->shape[slot] && heap_is_allocated(p->h, slot))
        l.shape = as_inner(p, child);
    bool again = last && last->slot == l.slot && last->shape == l.shape;
    if (l.shape && !again && flow_fits(p, l.shape, slot))
        vec_push(&w->late, l);
}

static void inner_of(struct shaper *p, struct shape_worker *w, uint32_t slot)
{
    struct snap_edges it;
    snap_edges_init(&it, p->s, slot);
    while (snap_edges_next(&it))
        if (it.flags & SNAP_EDGE_INTERIOR && !(it.flags & SNAP_EDGE_TYPED) && !p->shape[it.target])
            note_inner(p, w, flow_of_word(p, p->shape[slot], it.word, it.target), it.target);
}

static struct err *inner_job(void *arg, size_t i, unsigned worker)
{
    struct shaper *p = arg;
    for (uint32_t slot, end; shaper_next_range(p, &slot, &end);)
        for (; slot < end; slot++)
            if (p->shape[slot] && p->s->scanslot.edges[slot])
                inner_of(p, &p->workers[worker], slot);
    return NULL;
}

static void inner_of_roots(struct shaper *p)
{
    for (size_t i = 0; i < p->h->typed_roots.n; i++) {
        const struct heap_typed_root *r = &p->h->typed_roots.v[i];
        if (r->inner)
            note_inner(p, &p->workers[0], flow_of_type(p, r->type, r->at, SNAP_EV_ROOT), r->slot);
    }
}

static bool is_bytes(const struct shaper *p, uint16_t shape)
{
    const struct type_shape *sh = types_shape_get(p->ty, shape);
    return sh->form == SNAP_FORM_ARRAY && types_get(p->ty, sh->type)->size == 1;
}

/* What two guesses of one object come to; 0: they contradict each other. */
static uint16_t both(const struct shaper *p, uint16_t a, uint16_t b)
{
    bool text_a = types_shape_get(p->ty, a)->form == SNAP_FORM_STRING;
    bool text_b = types_shape_get(p->ty, b)->form == SNAP_FORM_STRING;
    if (a == b)
        return a;
    return text_a && is_bytes(p, b) ? a : text_b && is_bytes(p, a) ? b : 0;
}

static int by_slot(const void *a, const void *b)
{
    const struct shape_late *x = a, *y = b;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static size_t assign_inner(struct shaper *p, struct shape_late *v, size_t n)
{
    size_t found = 0;
    if (n)
        qsort(v, n, sizeof(*v), by_slot);
    for (size_t i = 0, end; i < n; i = end) {
        uint16_t shape = v[i].shape;
        for (end = i + 1; end < n && v[end].slot == v[i].slot; end++)
            shape = shape ? both(p, shape, v[end].shape) : 0;
        if (shape)
            p->shape[v[i].slot] = shape;
        found += shape != 0;
    }
    return found;
}

/* ret: how many got a shape. */
static struct err *guess_inner(struct shaper *p, size_t *ret)
{
    struct shape_worker *w = p->workers;
    *ret = 0;
    for (unsigned i = 0; i < p->nworkers; i++)
        vec_free(&w[i].late); /* what waited before has been taken */
    atomic_store(&p->next_range, 0);
    TRY(pool_run(p->nworkers, inner_job, p));
    inner_of_roots(p);
    for (unsigned i = 1; i < p->nworkers; i++) {
        for (size_t k = 0; k < w[i].late.n; k++)
            vec_push(&w->late, w[i].late.v[k]);
        vec_free(&w[i].late);
    }
    *ret = assign_inner(p, w->late.v, w->late.n);
    return NULL;
}

/* Parts of what is found may be parts of texts again. */
static struct err *guess_all_inner(struct shaper *p)
{
    size_t found = 1;
    for (int round = 0; found && round < ROUNDS; round++) {
        TRY(guess_inner(p, &found));
        if (found)
            TRY(shaper_propagate(p));
    }
    return NULL;
}

/* ---- whether an explanation agrees with the objects around ---- */

static bool is_interface_at(const struct rt_types *ty, uint32_t type, uint64_t at)
{
    for (unsigned depth = 0; type != SNAP_NONE && depth < TYPES_DEPTH_MAX; depth++) {
        const struct type_entry *e = types_entry(ty, type);
        uint32_t inner = SNAP_NONE;
        if (e->info.kind == GO_KIND_ARRAY && e->elem != SNAP_NONE &&
            types_entry(ty, e->elem)->info.size) {
            inner = e->elem;
            at %= types_entry(ty, inner)->info.size;
        } else if (e->info.kind == GO_KIND_STRUCT) {
            for (uint32_t i = e->fields; i-- > 0 && inner == SNAP_NONE;) {
                const struct type_field *f = &ty->fields.v[e->field + i];
                if (f->type != SNAP_NONE && f->offset <= at &&
                    at - f->offset < types_entry(ty, f->type)->info.size) {
                    inner = f->type;
                    at -= f->offset;
                }
            }
        } else {
            return e->info.kind == GO_KIND_INTERFACE;
        }
        type = inner;
    }
    return false;
}

static bool same_thing(const struct type_shape *a, const struct type_shape *b)
{
    return a->form == b->form && (a->type == b->type || a->form == SNAP_FORM_CLOSURE);
}

static bool agrees(struct shaper *p, uint16_t shape, uint32_t slot)
{
    const struct type_shape *sh = types_shape_get(p->ty, shape);
    uint64_t size = types_get(p->ty, sh->type)->size;
    struct snap_edges it;
    snap_edges_init(&it, p->s, slot);
    while (snap_edges_next(&it)) {
        bool interface = is_interface_at(p->ty, sh->type, 8 * it.word % size);
        if (interface != (it.type != SNAP_NONE))
            return false;
        if (interface || it.flags & SNAP_EDGE_INTERIOR)
            continue;
        uint16_t child = flow_of_word(p, shape, it.word, it.target), have = p->shape[it.target];
        if (!child)
            continue;
        const struct type_shape *h = types_shape_get(p->ty, have);
        if (have && !same_thing(types_shape_get(p->ty, child), h) && h->form != SNAP_FORM_TINY)
            return false;
        if (!have && !flow_fits(p, child, it.target))
            return false;
    }
    return true;
}

/* Whether it may be an array of pointers, strings or interfaces, or of values of a type of the
 * program: its pattern repeats. */
static bool may_be_array(const struct guesser *g, uint64_t mask, uint64_t room)
{
    static const struct {
        uint64_t pattern, words;
    } simple[] = {{1, 1}, {1, 2}, {2, 2}, {1, 3}};
    for (size_t i = 0; i < ARRAY_LEN(simple); i++)
        if (2 * simple[i].words <= room &&
            flow_repeats(simple[i].pattern, simple[i].words, mask, room))
            return true;
    return false;
}

/* The only shape that explains an object; 0: none, or several. */
static uint16_t explain(struct guesser *g, uint32_t slot)
{
    struct shaper *p = g->p;
    uint32_t span = shaper_span(p, slot), class = p->spans[span].spanclass / 2;
    uint64_t mask = p->h->masks.bits[p->h->masks.number[slot]];
    uint16_t found = 0;
    size_t first = first_of(g, class, mask);
    for (size_t i = first; i < g->all.n && g->all.v[i].class == class && g->all.v[i].mask == mask;
         i++) {
        uint16_t shape =
            i - first >= CANDIDATES_MAX
                ? 0
                : types_shape(p->ty, SNAP_FORM_VALUE, g->all.v[i].type, SNAP_NONE, SNAP_EV_GUESS);
        if (!shape)
            return 0;
        if (!agrees(p, shape, slot))
            continue;
        if (found)
            return 0;
        found = shape;
    }
    return found && !may_be_array(g, mask, p->s->span.elem_size[span] / 8) ? found : 0;
}

/* Objects that begin with the entry of a function. */
static void guess_closures(struct shaper *p)
{
    for (size_t i = 0; i < p->h->closures.n; i++) {
        const struct heap_closure *c = &p->h->closures.v[i];
        if (!p->shape[c->slot])
            p->shape[c->slot] =
                types_shape(p->ty, SNAP_FORM_CLOSURE, SNAP_NONE, c->pc, SNAP_EV_GUESS);
    }
}

static size_t guess_round(struct guesser *g)
{
    struct shaper *p = g->p;
    size_t found = 0;
    for (uint32_t i = 0; i < p->h->nscan; i++) {
        if (p->shape[i] || !p->h->masks.number[i] || !heap_is_allocated(p->h, i))
            continue;
        uint16_t shape = explain(g, i);
        if (!shape)
            continue;
        p->shape[i] = shape;
        found++;
    }
    return found;
}

struct err *heap_guess(struct shaper *p)
{
    struct guesser g = {.p = p};
    TRY(guess_all_inner(p));
    struct err *e = NULL;
    collect(&g);
    guess_closures(p);
    for (int round = 0; !e && round < ROUNDS && guess_round(&g); round++)
        e = shaper_propagate(p);
    vec_free(&g.all);
    return e;
}

/* heap_guess.c - guesses: objects that nothing with a known type points to.
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
    return found && !may_be_array(g, mask, p->h->spans[span].elem_size / 8) ? found : 0;
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
    struct err *e = NULL;
    collect(&g);
    guess_closures(p);
    for (int round = 0; !e && round < ROUNDS && guess_round(&g); round++)
        e = shaper_propagate(p);
    vec_free(&g.all);
    return e;
}

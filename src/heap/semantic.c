/* semantic.c - two allocation profiles compared by what their stacks mean; see heap/sites.h.
 *
 * Both profiles become one call tree whose nodes are told apart by function and line, from the
 * outermost frame inwards; each node knows the bytes of both.  Similarity of a subtree is a
 * weighted Jaccard index over its nodes, so it is added up from the leaves.  Addresses, names of
 * types and variables, and where the sources lie do not matter: objects that moved and a program
 * that was built again compare as equal; where its lines moved, see semantic_lines.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heap/heap_int.h"
#include "heap/sites_int.h"
#include "snap/code.h"

#define THRESHOLD 0.85
#define MIN_DEPTH_WEIGHT 0.3
#define DECAY (1.0 / 3)
enum { DEPTH = 512 }; /* frames of a stack that are looked at, outermost ones */

struct tree {
    const struct heap_semantic_options *o;
    VEC(struct heap_site_node) v;
    struct map child;   /* hash of parent, function, line -> node; collisions are chained */
    VEC(uint32_t) next; /* by node: the next with the same hash; MAP_NONE */
    VEC(uint32_t) line; /* by node: its line as the earlier build has it */
    double min_weight, decay, threshold;
};

/* What a frame is called in the tree. */
struct site {
    const char *func, *file;
    uint32_t line;    /* as its own build has it */
    uint32_t as_of_a; /* as the earlier one has it */
};

static uint64_t key_of(uint32_t parent, const struct site *s)
{
    uint64_t h = hash_u64((uint64_t)parent << 32 | s->as_of_a);
    return hash_u64(h ^ hash_bytes(s->func, strlen(s->func)));
}

static uint32_t node_at(struct tree *t, uint32_t parent, const struct site *s)
{
    uint64_t key = key_of(parent, s);
    uint32_t first = map_get(&t->child, key);
    for (uint32_t n = first; n != MAP_NONE; n = t->next.v[n])
        if (t->v.v[n].parent == parent && t->line.v[n] == s->as_of_a &&
            strcmp(t->v.v[n].func, s->func) == 0)
            return n;
    struct heap_site_node v = {.parent = parent};
    v.depth = parent == SNAP_NONE ? 0 : t->v.v[parent].depth + 1;
    vec_push(&t->v, v);
    vec_push(&t->next, first);
    vec_push(&t->line, s->as_of_a);
    map_put(&t->child, key, (uint32_t)t->v.n - 1);
    return (uint32_t)t->v.n - 1;
}

/* The frames of a stack that count, outermost first; at most DEPTH. */
static size_t frames_of(const struct snap *s, const struct snap_codes *codes, uint32_t stack,
                        uint32_t *v)
{
    struct snap_stack_iter it;
    size_t n = 0;
    snap_stack_iter_init(&it, s, stack);
    while (snap_stack_next(&it))
        if (it.frame != SNAP_NONE && codes->frame[it.frame] != SNAP_CODE_RUNTIME)
            v[n++ % DEPTH] = it.frame; /* the innermost ones are overwritten */
    size_t kept = n < DEPTH ? n : DEPTH;
    uint32_t copy[DEPTH];
    for (size_t i = 0; i < kept; i++)
        copy[i] = v[(n - 1 - i) % DEPTH];
    memcpy(v, copy, kept * sizeof(*v));
    return kept;
}

/* Adds what is in use at a stack to its nodes; the later profile's names and lines stay. */
static void add_stack(struct tree *t, const struct snap *s, const uint32_t *frames, size_t n,
                      const uint32_t *lines, double bytes, double objects)
{
    for (size_t k = 0, at = SNAP_NONE; k < n; k++) {
        uint32_t f = frames[k];
        struct site site = {snap_str(s, s->frame.func[f]), snap_str(s, s->frame.file[f]),
                            s->frame.line[f], lines ? lines[f] : s->frame.line[f]};
        at = node_at(t, (uint32_t)at, &site);
        struct heap_site_node *v = &t->v.v[at];
        v->func = site.func;
        v->file = site.file;
        v->line = site.line;
        *(lines ? &v->b : &v->a) += bytes;
        *(lines ? &v->b_objects : &v->a_objects) += objects;
    }
}

/* lines: of the later profile, those that its frames have in the earlier build; else NULL. */
static void add_profile(struct tree *t, const struct snap *s, const uint32_t *lines)
{
    struct snap_codes codes;
    int64_t rate = heap_sample_rate(s);
    uint32_t frames[DEPTH];
    snap_codes_init(&codes, s);
    for (uint32_t i = 0; i < s->bucket.n; i++) {
        double objects = (double)s->bucket.allocs[i] - (double)s->bucket.frees[i];
        double bytes = (double)s->bucket.alloc_bytes[i] - (double)s->bucket.free_bytes[i];
        double scale = heap_sample_scale(s->bucket.size[i], rate);
        if (s->bucket.kind[i] != SNAP_BUCKET_MEM || bytes <= 0)
            continue;
        size_t n = frames_of(s, &codes, s->bucket.stack[i], frames);
        add_stack(t, s, frames, n, lines, bytes * scale, fmax(objects, 0) * scale);
    }
    snap_codes_free(&codes);
}

static double weight(const struct tree *t, uint32_t depth)
{
    return fmax(t->min_weight, pow(t->decay, depth));
}

/* Similarities from the leaves up (children stand behind their parents); returns that of the whole.
 */
static double compare(struct tree *t)
{
    size_t n = t->v.n;
    double all_min = 0, all_max = 0;
    double *low = mem_alloc((n + 1) * sizeof(*low)), *high = mem_alloc((n + 1) * sizeof(*high));
    for (size_t i = n; i-- > 0;) {
        struct heap_site_node *v = &t->v.v[i];
        double w = weight(t, v->depth);
        low[i] += w * fmin(v->a, v->b);
        high[i] += w * fmax(v->a, v->b);
        v->similarity = high[i] > 0 ? low[i] / high[i] : 1;
        v->suspect = v->b > v->a && v->similarity < t->threshold;
        if (v->parent == SNAP_NONE) {
            all_min += low[i];
            all_max += high[i];
        } else {
            low[v->parent] += low[i];
            high[v->parent] += high[i];
        }
    }
    free(low);
    free(high);
    return all_max > 0 ? all_min / all_max : 1;
}

/* ---- the order: parents first, children by growth ---- */

static int by_growth(const void *pa, const void *pb, void *arg)
{
    const struct heap_site_node *v = arg, *a = &v[*(const uint32_t *)pa],
                                *b = &v[*(const uint32_t *)pb];
    uint32_t x = *(const uint32_t *)pa, y = *(const uint32_t *)pb;
    if (a->parent != b->parent)
        return a->parent + 1 < b->parent + 1 ? -1 : 1; /* SNAP_NONE first */
    if (a->b - a->a != b->b - b->a)
        return a->b - a->a > b->b - b->a ? -1 : 1;
    return x < y ? -1 : x > y;
}

static bool large_enough(const struct tree *t, const struct heap_site_node *v)
{
    return fmax(v->a, v->b) >= (double)t->o->min_bytes;
}

/* Writes the nodes in the order of a walk of the tree; small ones (and so all below) are left out.
 */
static size_t walk(const struct tree *t, struct heap_site_node *out)
{
    size_t n = t->v.n, written = 0;
    uint32_t *order = mem_alloc((n + 1) * sizeof(*order)),
             *first = mem_alloc((n + 2) * sizeof(*first));
    VEC(struct heap_pair) todo = {0}; /* node, its parent's new number */
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
        first[t->v.v[i].parent + 2]++; /* SNAP_NONE + 2 is 1 */
    }
    qsort_r(order, n, sizeof(*order), by_growth, t->v.v);
    for (size_t i = 1; i < n + 2; i++)
        first[i] += first[i - 1];
    for (uint32_t k = first[1]; k-- > 0;)
        vec_push(&todo, ((struct heap_pair){order[k], SNAP_NONE}));
    while (todo.n) {
        struct heap_pair at = todo.v[--todo.n];
        if (!large_enough(t, &t->v.v[at.a]))
            continue;
        out[written] = t->v.v[at.a];
        out[written].parent = at.b;
        for (uint32_t k = at.a + 2 < n + 2 ? first[at.a + 2] : 0; k-- > first[at.a + 1];)
            vec_push(&todo, ((struct heap_pair){order[k], (uint32_t)written}));
        written++;
    }
    vec_free(&todo);
    free(order);
    free(first);
    return written;
}

static struct err *no_profile(const struct snap *a, const struct snap *b)
{
    bool in_a = heap_has_profile(a), in_b = heap_has_profile(b);
    if (in_a && in_b)
        return NULL;
    return err_hint(err_new(ERR_NOT_FOUND, "there is no memory profile in %s",
                            in_a   ? "the later one"
                            : in_b ? "the earlier one"
                                   : "both"),
                    "gospect snapshot TARGET --heap saves it, unless the program keeps none: it "
                    "sets runtime.MemProfileRate = 0, or is linked without runtime/pprof");
}

static void sum_up(const struct tree *t, struct heap_semantic *ret)
{
    for (size_t i = 0; i < t->v.n; i++) {
        const struct heap_site_node *v = &t->v.v[i];
        if (v->parent != SNAP_NONE)
            continue;
        ret->a += v->a;
        ret->b += v->b;
        ret->a_objects += v->a_objects;
        ret->b_objects += v->b_objects;
    }
}

struct err *heap_semantic_diff(const struct snap *a, const struct snap *b,
                               const struct heap_semantic_options *o, struct heap_semantic *ret)
{
    struct heap_semantic_options none = {0};
    o = o ? o : &none;
    struct tree t = {.o = o,
                     .min_weight = o->min_depth_weight > 0 ? o->min_depth_weight : MIN_DEPTH_WEIGHT,
                     .decay = o->decay > 0 ? o->decay : DECAY,
                     .threshold = o->threshold > 0 ? o->threshold : THRESHOLD};
    *ret = (struct heap_semantic){
        .threshold = t.threshold, .min_depth_weight = t.min_weight, .decay = t.decay};
    uint32_t *lines;
    TRY(no_profile(a, b));
    TRY(heap_lines_as_of(a, b, &lines));
    add_profile(&t, a, NULL);
    add_profile(&t, b, lines);
    free(lines);
    if (!t.v.n)
        return err_hint(err_new(ERR_NOT_FOUND, "both memory profiles are empty"),
                        "A small program allocates less than is sampled (one object in 512 kB, "
                        "unless runtime.MemProfileRate says otherwise)");
    ret->similarity = compare(&t);
    ret->differs = ret->similarity < t.threshold;
    sum_up(&t, ret);
    struct err *e = heap_array(t.v.n, sizeof(*ret->v), "the allocation sites", &ret->v);
    if (!e)
        ret->n = walk(&t, ret->v);
    vec_free(&t.v);
    vec_free(&t.next);
    vec_free(&t.line);
    map_free(&t.child);
    return e;
}

void heap_semantic_free(struct heap_semantic *s)
{
    free(s->v);
    memset(s, 0, sizeof(*s));
}

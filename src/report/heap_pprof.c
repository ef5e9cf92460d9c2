/* heap_pprof.c - who keeps what, as a profile: the dominator tree by types.
 *
 * A sample's stack is the way down the dominator tree to an object, each object shown as the type
 * it has; equal ways are one sample.  What an object dominates of its own type (the next element of
 * a list, a subtree) is folded into it, so that a list is one level.  In `go tool pprof -http`,
 * "flat" is then what the objects of a type take themselves and "cum" what they retain. */
#include <stdlib.h>

#include "report/heap_int.h"
#include "report/pprof_int.h"

enum { DEPTH_MAX = 200 };

/* A way: its last type, and the way that it continues. */
struct way {
    uint32_t parent; /* SNAP_NONE: from the process itself */
    uint32_t name;   /* string of `names` */
    uint32_t depth;
    int64_t values[2]; /* objects, bytes: what ends here */
};

struct ways {
    const struct heap_graph *g;
    VEC(struct way) v;
    struct map by_key; /* parent << 32 | name -> way */
    struct intern names;
    uint32_t *shape_name; /* of each shape */
    uint32_t *of;         /* 1 + way of each slot that was climbed to; 0: not yet */
};

static uint32_t way_at(struct ways *w, uint32_t parent, uint32_t name)
{
    bool added;
    if (parent != SNAP_NONE && (w->v.v[parent].name == name || w->v.v[parent].depth >= DEPTH_MAX))
        return parent;
    uint32_t way =
        map_get_or_put(&w->by_key, (uint64_t)parent << 32 | name, (uint32_t)w->v.n, &added);
    if (added) {
        struct way made = {.parent = parent,
                           .name = name,
                           .depth = parent == SNAP_NONE ? 0 : w->v.v[parent].depth + 1};
        vec_push(&w->v, made);
    }
    return way;
}

static uint32_t name_of(struct ways *w, uint32_t node)
{
    uint32_t shape = heap_is_object(w->g, node) ? heap_shape(w->g, node) : 0;
    if (shape && w->shape_name[shape])
        return w->shape_name[shape];
    struct buf b = {0};
    if (heap_is_object(w->g, node) && !shape)
        buf_str(&b, "(unknown)");
    else
        heap_node_text(w->g, node, &b);
    uint32_t name = intern_add(&w->names, buf_text(&b));
    buf_free(&b);
    if (shape)
        w->shape_name[shape] = name;
    return name;
}

/* The way that ends at a node: up to where it is known, and down again. */
static uint32_t way_of(struct ways *w, uint32_t node, void *stack)
{
    VEC(uint32_t) *up = stack;
    uint32_t way = SNAP_NONE;
    up->n = 0;
    for (uint32_t at = node; at != SNAP_NONE && at != HEAP_ALL; at = heap_dominator(w->g, at)) {
        if (heap_is_object(w->g, at) && w->of[at]) {
            way = w->of[at] - 1;
            break;
        }
        vec_push(up, at);
    }
    while (up->n) {
        uint32_t at = up->v[--up->n];
        way = way_at(w, way, name_of(w, at));
        if (heap_is_object(w->g, at))
            w->of[at] = way + 1;
    }
    return way;
}

static void put_ways(struct pprof *p, const struct ways *w)
{
    const char *names[DEPTH_MAX + 2];
    for (size_t i = 0; i < w->v.n; i++) {
        size_t n = 0;
        if (!w->v.v[i].values[0])
            continue;
        for (uint32_t at = (uint32_t)i; at != SNAP_NONE; at = w->v.v[at].parent)
            names[n++] = intern_get(&w->names, w->v.v[at].name);
        pprof_add_names(p, names, n, w->v.v[i].values, ARRAY_LEN(w->v.v[i].values));
    }
}

static struct err *gather(struct ways *w, struct progress *progress)
{
    enum { CHECK_EVERY = 1 << 18 };
    VEC(uint32_t) up = {0};
    struct err *e = NULL;
    for (uint32_t slot = 0; !e && slot < heap_slots(w->g); slot++) {
        if (slot % CHECK_EVERY == 0)
            e = progress_step(progress, "adding up who keeps what", slot, heap_slots(w->g));
        if (e || !heap_live(w->g, slot))
            continue;
        uint32_t way = way_of(w, slot, &up);
        w->v.v[way].values[0]++;
        w->v.v[way].values[1] += (int64_t)heap_size(w->g, slot);
    }
    vec_free(&up);
    return e;
}

struct err *report_heap_pprof(const struct report_heap *r, struct report_sink out)
{
    const struct snap *s = heap_snap(r->graph);
    struct ways w = {.g = r->graph};
    struct pprof p;
    w.of = mem_try_alloc((size_t)heap_slots(r->graph) * sizeof(*w.of) + 1);
    w.shape_name = mem_try_alloc(s->shape.n * sizeof(*w.shape_name) + 1);
    struct err *e = w.of && w.shape_name ? NULL : err_new(ERR_NOMEM, "no memory for a profile");
    intern_init(&w.names);
    if (!e)
        e = gather(&w, r->progress);
    if (!e) {
        pprof_init(&p, s);
        pprof_sample_type(&p, "objects", "count");
        pprof_sample_type(&p, "space", "bytes");
        pprof_default_type(&p, "space");
        pprof_period(&p, "space", "bytes", 1);
        put_ways(&p, &w);
        pprof_comments(&p);
        e = pprof_finish(&p, out);
    }
    free(w.of);
    free(w.shape_name);
    intern_free(&w.names);
    map_free(&w.by_key);
    vec_free(&w.v);
    return e;
}

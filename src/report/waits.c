/* waits.c - what all reports of waits say alike; see waits.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "report/waits_int.h"

static int more_of(const void *a, const void *b)
{
    const struct waits_place *x = a, *y = b;
    return x->count != y->count      ? (x->count > y->count ? -1 : 1)
           : x->example < y->example ? -1
                                     : x->example > y->example;
}

void waits_places_of(const struct wait_graph *w, const struct wait_group *p,
                     struct waits_places *ret)
{
    struct map by_key = {0};
    memset(ret, 0, sizeof(*ret));
    for (uint32_t i = 0; i < p->n; i++) {
        const struct wait_info *g = &w->info[p->g[i]];
        bool added;
        uint64_t key = hash_u64((uint64_t)g->place << 16 | (uint64_t)g->kind << 8 | g->trap);
        uint32_t at = map_get_or_put(&by_key, key, (uint32_t)ret->v.n, &added);
        if (added)
            vec_push(&ret->v, ((struct waits_place){g->place, g->kind, g->trap, p->g[i], 0}));
        ret->v.v[at].count++;
    }
    map_free(&by_key);
    if (ret->v.n)
        qsort(ret->v.v, ret->v.n, sizeof(*ret->v.v), more_of);
}

void waits_places_free(struct waits_places *p)
{
    vec_free(&p->v);
}

void waits_place_text(struct buf *b, const struct snap *s, const struct snap_codes *codes,
                      uint32_t frame)
{
    if (frame == SNAP_NONE)
        return;
    snap_short_func(b, snap_str(s, s->frame.func[frame]));
    buf_str(b, " at ");
    snap_short_place(b, s, codes, frame);
}

/* What several objects, or none, have in common. */
static void several(struct buf *b, const struct wait_graph *w, const struct wait_group *p)
{
    const struct snap *s = w->s;
    uint32_t object = w->info[p->example].object;
    const char *type = object == SNAP_NONE ? "" : snap_str(s, s->object.type[object]);
    if (p->kind == WAIT_IO && p->objects) {
        count_of(b, p->objects, "file or connection", "files and connections");
    } else if (p->objects) {
        text_count(b, p->objects);
        buf_printf(b, " × %s, one for each",
                   *type ? type : snap_objkind_name((enum snap_objkind)s->object.kind[object]));
    } else {
        const char *reason = snap_str(s, s->goroutine.wait_reason[p->example]);
        buf_str(b, *reason ? reason : wait_name((enum wait_kind)p->kind));
    }
}

void waits_group_text(struct buf *b, const struct wait_graph *w, const struct wait_group *p)
{
    if (p->object != SNAP_NONE)
        wait_object_text(w, p->object, b);
    else
        several(b, w, p);
}

void waits_holder_text(struct buf *b, const struct wait_graph *w, const struct wait_holder *h)
{
    buf_printf(b, "goroutine %" PRIu64 " (%s: %s)", w->s->goroutine.id[h->goroutine],
               wait_evidence_name((enum wait_evidence)h->evidence),
               snap_act_name((enum snap_act)h->act));
}

size_t waits_shown(const struct report_waits *r)
{
    return r->limit && r->limit < r->graph->ngroups ? r->limit : r->graph->ngroups;
}

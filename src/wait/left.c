/* left.c - locks that nobody was seen to release: whether counting tells who still could.
 *
 * Goroutines that could not be followed have no lock, most of them, by the count of what their code
 * takes and releases (rt/ahead_count.c).  That settles it for a lock unless its release may have
 * been handed on as a function value: of a package-level lock, code tells (SNAP_UN_CODE); of one on
 * the heap, whether a closure that releases something leads to it.  Without the heap the latter is
 * not known. */
#include <stdlib.h>

#include "base/bits.h"
#include "base/vec.h"
#include "snap/edges.h"
#include "wait/graph_int.h"

enum { SEARCH_MOST = 1 << 22 }; /* objects; a closure that leads to more may lead anywhere */

struct reach {
    const struct snap *s;
    uint64_t *seen; /* bit per slot */
    VEC(uint32_t) todo;
    size_t n;
};

static void visit(struct reach *r, uint32_t slot)
{
    if (slot >= r->s->slot.n || bit_at(r->seen, slot))
        return;
    bit_set(r->seen, slot);
    r->n++;
    if (slot < r->s->scanslot.n)
        vec_push(&r->todo, slot);
}

/* What interfaces hold that have a type with a method that releases. */
static void visit_held(struct reach *r)
{
    struct snap_edges it;
    uint64_t *types = mem_alloc((r->s->type.n / 64 + 1) * sizeof(*types));
    bool any = false;
    for (size_t i = 0; i < r->s->releaser.n; i++)
        if (r->s->releaser.type[i] != SNAP_NONE) {
            bit_set(types, r->s->releaser.type[i]);
            any = true;
        }
    for (uint32_t slot = 0; any && slot < r->s->scanslot.n; slot++) {
        snap_edges_init(&it, r->s, slot);
        while (snap_edges_next(&it))
            if (it.type != SNAP_NONE && bit_at(types, it.type))
                visit(r, it.target);
    }
    free(types);
}

/* False: it was too much. */
static bool search(struct reach *r)
{
    struct snap_edges it;
    for (size_t i = 0; i < r->s->releaser.n; i++)
        if (r->s->releaser.slot[i] != SNAP_NONE)
            visit(r, r->s->releaser.slot[i]);
    visit_held(r);
    while (r->todo.n && r->n < SEARCH_MOST) {
        snap_edges_init(&it, r->s, r->todo.v[--r->todo.n]);
        while (snap_edges_next(&it))
            visit(r, it.target);
    }
    return !r->todo.n;
}

void wait_find_counted(const struct snap *s, bool *counted)
{
    struct reach r = {.s = s};
    struct map at = {0};
    if (!s->unowned.n)
        return;
    wait_index_objects(s, &at);
    r.seen = mem_try_alloc((s->slot.n / 64 + 1) * sizeof(*r.seen));
    bool whole = r.seen && search(&r);
    for (size_t i = 0; i < s->unowned.n; i++) {
        uint32_t slot = s->unowned.slot[i];
        uint32_t object = wait_object_at(s, &at, s->unowned.addr[i]);
        bool code = s->unowned.flags[i] & SNAP_UN_CODE;
        bool fixed = s->unowned.flags[i] & SNAP_UN_STATIC && !code;
        bool heap = slot < s->slot.n && whole && !bit_at(r.seen, slot);
        if (object != SNAP_NONE)
            counted[object] = fixed || heap;
    }
    free(r.seen);
    vec_free(&r.todo);
    map_free(&at);
}

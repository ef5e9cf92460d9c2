/* deadlock.c - goroutines that wait for each other, and locks that nobody will release.
 *
 * Told from who will release what (wait/stuck.h), which a live look has, and a saved snapshot when
 * it was taken so.  One look is enough: all of a circle is seen at one instant, and waits that are
 * about to end are not part of one. */
#include <inttypes.h>

#include "diag/diag_int.h"
#include "wait/stuck.h"

enum { CYCLES_SHOWN = 5, EDGES_SHOWN = 4, LEFT_SHOWN = 5 };
static const int64_t SUSPECT_NS = INT64_C(10000000000); /* locks are not held that long */

static const char *object_name(struct diag_run *r, const struct wait_graph *w, uint32_t object)
{
    struct buf b = {0};
    wait_object_text(w, object, &b);
    const char *text = diag_text(r->found, "%s", buf_text(&b));
    buf_free(&b);
    return text;
}

static void evidence(struct diag_run *r, struct diag_finding *f, const struct wait_graph *w,
                     const struct wait_edge *e)
{
    const struct snap *s = r->s;
    diag_evidence(r->found, f, "goroutine %" PRIu64 " waits for %s at %s; goroutine %" PRIu64 " %s",
                  s->goroutine.id[e->from], object_name(r, w, e->object),
                  diag_where(r, w->info[e->from].place), s->goroutine.id[e->to],
                  e->holder == SNAP_NONE ? "came first" : "holds it");
}

static void tell_cycle(struct diag_run *r, const struct wait_graph *w,
                       const struct wait_stuck *stuck, const struct wait_cycle *c)
{
    struct diag_finding *f = diag_add(r, "deadlock", DIAG_PROBLEM);
    f->title =
        c->nedges == 1
            ? diag_text(r->found, "goroutine %" PRIu64 " waits for a lock that it holds itself",
                        r->s->goroutine.id[stuck->edges[c->edge].from])
            : diag_text(r->found, "%s goroutines wait for each other", diag_number(r, c->nedges));
    for (uint32_t i = 0; i < c->nedges && i < EDGES_SHOWN; i++)
        evidence(r, f, w, &stuck->edges[c->edge + i]);
    if (c->nedges > EDGES_SHOWN)
        diag_evidence(r->found, f, "%s more in the circle",
                      diag_number(r, c->nedges - EDGES_SHOWN));
    if (c->behind)
        diag_evidence(r->found, f, "%s more goroutines wait behind", diag_number(r, c->behind));
    f->why = "none of them can ever run again, nor who comes after them";
    f->sure = c->evidence == WAIT_EV_WEAK ? DIAG_SUSPECTED : DIAG_INFERRED;
    f->sure_why = "Go does not record who holds a lock: the code ahead of each goroutine says who "
                  "would release it";
    f->next = "gospect deadlock {target}";
    f->weight = c->nedges + c->behind;
    diag_value_int(r->found, f, "goroutines", DIAG_COUNT, c->nedges);
    diag_value_int(r->found, f, "behind", DIAG_COUNT, c->behind);
    diag_value_text(r->found, f, "class", wait_cycle_class_name((enum wait_cycle_class)c->class));
}

static void tell_left(struct diag_run *r, const struct wait_graph *w,
                      const struct wait_stuck *stuck, uint32_t object)
{
    uint32_t waiters = r->s->object.waiters[object];
    struct diag_finding *f = diag_add(r, "deadlock", DIAG_PROBLEM);
    f->title = diag_text(r->found, "nobody will ever %s %s, which %s %s for",
                         r->s->object.kind[object] == SNAP_OBJ_WAITGROUP ? "finish" : "release",
                         object_name(r, w, object), diag_number(r, waiters),
                         waiters == 1 ? "goroutine waits" : "goroutines wait");
    f->sure = DIAG_INFERRED;
    f->sure_why = stuck->counted[object] && stuck->unfollowed
                      ? "no code that could be followed does it, and goroutines whose code could "
                        "not release no more locks than they take"
                      : "the code ahead of every goroutine was followed, and none does it";
    f->mend = "an unlock or Done that is skipped on some way out: defer it";
    f->next = "gospect deadlock {target}";
    f->weight = waiters;
    diag_value_int(r->found, f, "waiters", DIAG_COUNT, waiters);
    diag_value_int(r->found, f, "object", DIAG_ADDR, (int64_t)r->s->object.addr[object]);
}

/* Since when the one waits for it who has waited longest; 0: not known. */
static int64_t longest_wait(const struct wait_graph *w, uint32_t object)
{
    int64_t longest = 0;
    for (uint32_t g = 0; g < w->s->goroutine.n; g++) {
        int64_t ns = w->info[g].object == object ? snap_wait_ns(w->s, g) : 0;
        longest = ns > longest ? ns : longest;
    }
    return longest;
}

/* That a lock is held by somebody whose code is not followed is nothing yet: that it lasts is. */
static bool tell_suspect(struct diag_run *r, const struct wait_graph *w, uint32_t object)
{
    int64_t waited = longest_wait(w, object);
    uint32_t waiters = r->s->object.waiters[object];
    if (r->s->object.kind[object] == SNAP_OBJ_WAITGROUP || waited < SUSPECT_NS)
        return false;
    struct diag_finding *f = diag_add(r, "deadlock", DIAG_WARNING);
    f->title =
        diag_text(r->found, "%s may be left locked: %s %s for it", object_name(r, w, object),
                  diag_number(r, waiters), waiters == 1 ? "goroutine waits" : "goroutines wait");
    diag_evidence(r->found, f,
                  "one of them has waited for %s; no code that could be followed releases it",
                  diag_age(r, waited));
    f->sure = DIAG_SUSPECTED;
    f->sure_why = "goroutines whose code could not be followed to its end may release it";
    f->mend = "an unlock that is skipped on some way out: defer it";
    f->next = "gospect deadlock {target}";
    f->weight = waiters;
    diag_value_int(r->found, f, "waiters", DIAG_COUNT, waiters);
    diag_value_int(r->found, f, "waited_ns", DIAG_NS, waited);
    diag_value_int(r->found, f, "object", DIAG_ADDR, (int64_t)r->s->object.addr[object]);
    return true;
}

void diag_deadlock(struct diag_run *r)
{
    size_t told = 0;
    int64_t looked;
    struct wait_graph *w;
    struct wait_stuck stuck;
    if (!snap_counter(r->s, "ahead.looked", &looked))
        return;
    struct err *e = wait_open(r->s, NULL, NULL, &w);
    if (!e)
        e = wait_find_stuck(w, NULL, &stuck);
    for (size_t i = 0; !e && i < stuck.ncycles && i < CYCLES_SHOWN; i++)
        tell_cycle(r, w, &stuck, &stuck.cycles[i]);
    for (size_t i = 0; !e && i < stuck.nleft && i < LEFT_SHOWN; i++)
        tell_left(r, w, &stuck, stuck.left[i]);
    for (size_t i = 0; !e && i < stuck.nsuspects && told < LEFT_SHOWN; i++)
        told += tell_suspect(r, w, stuck.suspects[i]);
    if (!e)
        wait_stuck_free(&stuck);
    err_free(e);
    wait_close(w);
}

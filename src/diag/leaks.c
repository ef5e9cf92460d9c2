/* leaks.c - goroutines that nothing can ever wake, where the snapshot has the heap, which proves it
 * (wait/leak.h).  A live look has it when it is small (front/cli/cmd_doctor.c); gospect leaks
 * always takes it. */
#include <inttypes.h>

#include "diag/diag_int.h"
#include "wait/leak.h"

enum { CAUSES_SHOWN = 5 };
static const uint32_t LEAKS_PROBLEM = 100; /* goroutines of one cause */

static void tell(struct diag_run *r, const struct wait_leaks *l, const struct wait_leak_cause *c)
{
    const struct wait_leak *first = &l->v[c->first];
    uint32_t node = r->s->goroutine.stack[first->goroutine];
    uint32_t place = node == SNAP_NONE ? SNAP_NONE : r->tops.user[node];
    struct diag_finding *f =
        diag_add(r, "leaks", c->count >= LEAKS_PROBLEM ? DIAG_PROBLEM : DIAG_WARNING);
    f->title =
        diag_text(r->found, "%s can never run again",
                  c->count == 1 ? "1 goroutine"
                                : diag_text(r->found, "%s goroutines", diag_number(r, c->count)));
    diag_evidence(r->found, f, "%s at %s, in %s; created at %s",
                  snap_str(r->s, r->s->goroutine.wait_reason[first->goroutine]),
                  diag_where(r, place), diag_func(r, place), diag_creator(r, first->goroutine));
    f->why = diag_text(r->found, "their stacks, and what only they lead to (%s), are never freed",
                       diag_bytes(r, c->retained));
    f->sure = first->class == WAIT_LEAK_SUSPECTED ? DIAG_SUSPECTED : DIAG_PROVED;
    f->sure_why = first->class == WAIT_LEAK_SUSPECTED
                      ? "some memory could not be read, and a pointer may be there"
                      : "nothing that may still run leads to what they wait for";
    f->next = "gospect leaks {target}";
    f->weight = c->count;
    diag_value_int(r->found, f, "goroutines", DIAG_COUNT, c->count);
    diag_value_int(r->found, f, "retained_bytes", DIAG_BYTES, (int64_t)c->retained);
}

void diag_leaks(struct diag_run *r)
{
    const struct heap_options o = {.keep_edges = true};
    struct heap_graph *g = NULL;
    struct wait_leaks l = {0};
    if (!r->s->span.n)
        return;
    /* With keep_edges the snapshot stays as it is. */
    struct err *e = heap_open((struct snap *)r->s, &o, &g);
    if (!e)
        e = wait_find_leaks(g, NULL, &l);
    for (size_t i = 0; !e && i < l.ncauses && i < CAUSES_SHOWN; i++)
        tell(r, &l, &l.cause[i]);
    err_free(e);
    wait_leaks_free(&l);
    if (g)
        heap_close(g);
}

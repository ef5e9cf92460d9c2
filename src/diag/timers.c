/* timers.c - floods of timers.
 *
 * Go: runtime/time.go.  Before Go 1.23 a time.After that nobody waits for any more keeps its timer
 * until it fires; a loop with a long time.After makes a flood of them. */
#include <stdlib.h>
#include <string.h>

#include "diag/diag_int.h"

static const uint64_t TIMERS_NOTE = 20000, TIMERS_WARNING = 200000;

struct func_count {
    uint32_t pc, n;
};

static int most_first(const void *a, const void *b)
{
    const struct func_count *x = a, *y = b;
    return x->n < y->n ? 1 : x->n > y->n ? -1 : x->pc < y->pc ? -1 : x->pc > y->pc;
}

/* What the timers call when they fire. */
static void functions(struct diag_run *r, struct diag_finding *f)
{
    const struct snap *s = r->s;
    struct map by_pc = {0};
    VEC(struct func_count) v = {0};
    for (size_t i = 0; i < s->timer.n; i++) {
        bool added;
        uint32_t pc = s->timer.func[i];
        uint32_t at = map_get_or_put(&by_pc, pc, (uint32_t)v.n, &added);
        if (added)
            vec_push(&v, ((struct func_count){.pc = pc}));
        v.v[at].n++;
    }
    if (v.n)
        qsort(v.v, v.n, sizeof(*v.v), most_first);
    for (size_t i = 0; i < v.n && i < 3; i++) {
        bool named = v.v[i].pc < s->pc.n && s->pc.frames[v.v[i].pc];
        const char *func =
            named ? diag_func(r, s->pc.frame[v.v[i].pc]) : "a function without a name";
        const char *means = strcmp(func, "time.sendTime") == 0
                                ? " (time.After, NewTimer, NewTicker)"
                            : strcmp(func, "time.goFunc") == 0 ? " (time.AfterFunc, contexts)"
                                                               : "";
        diag_evidence(r->found, f, "%s call %s%s", diag_number(r, v.v[i].n), func, means);
    }
    vec_free(&v);
    map_free(&by_pc);
}

void diag_timers(struct diag_run *r)
{
    uint64_t n = 0;
    for (size_t p = 0; p < r->s->proc.n; p++)
        n += r->s->proc.timers[p];
    n = max_u64(n, r->s->timer.n);
    if (n < TIMERS_NOTE)
        return;
    struct diag_finding *f = diag_add(r, "timers", n >= TIMERS_WARNING ? DIAG_WARNING : DIAG_NOTE);
    f->title = diag_text(r->found, "%s timers are pending", diag_number(r, n));
    functions(r, f);
    f->why = "each keeps memory, and setting one costs more the more there are";
    f->sure = DIAG_PROVED;
    f->sure_why = "counted in the runtime's timer heaps";
    f->mend =
        "stop timers that are no longer needed; in loops reuse one instead of calling time.After";
    f->next = "gospect info {target}";
    f->weight = (double)n;
    diag_value_int(r->found, f, "timers", DIAG_COUNT, (int64_t)n);
}

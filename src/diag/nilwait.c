/* nilwait.c - goroutines that wait for what can never come: a nil channel, a select without cases.
 *
 * A few are harmless and common (`select {}` in main, <-ctx.Done() of context.Background()), so
 * only many of them are told. */
#include "diag/diag_int.h"

static const uint32_t NILWAIT_MIN = 10, NILWAIT_PROBLEM = 1000;

void diag_nilwait(struct diag_run *r)
{
    for (size_t i = 0; i < r->nclusters; i++) {
        const struct diag_cluster *c = &r->clusters[i];
        if (c->doing != DIAG_FOREVER || c->count < NILWAIT_MIN)
            continue;
        struct diag_finding *f =
            diag_add(r, "nilwait", c->count >= NILWAIT_PROBLEM ? DIAG_PROBLEM : DIAG_WARNING);
        double growth = diag_growth(r, c);
        f->title =
            diag_text(r->found, "%s goroutines can never run again%s%s", diag_number(r, c->count),
                      growth > 0 ? ", " : "", growth > 0 ? diag_per_time(r, growth) : "");
        diag_cluster_evidence(r, f, c);
        f->why = "their stacks, and what they refer to, are never freed";
        f->sure = DIAG_PROVED;
        f->sure_why = "nothing can wake a wait for a nil channel or a select without cases";
        f->mend =
            "a channel that was never made, or ctx.Done() of a context that can not be cancelled";
        f->next =
            diag_text(r->found, "gospect goroutines {target} %s --full", diag_cluster_filter(r, c));
        f->weight = c->count;
        diag_value_int(r->found, f, "goroutines", DIAG_COUNT, c->count);
        diag_value_rate(r->found, f, "growth_per_second", growth);
        diag_value_text(r->found, f, "func", diag_func(r, c->place));
        diag_value_text(r->found, f, "where", diag_where(r, c->place));
    }
}

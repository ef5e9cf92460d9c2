/* pileup.c - goroutines that pile up waiting for the same thing: what most leaks look like.
 *
 * From outside, a pile of leaked goroutines and a pool of idle workers look alike: many with the
 * same stack, waiting long.  What tells them apart:
 *   - leaked ones are only ever joined and never leave (two looks);
 *   - a pool was made in one go, leaked ones were made all along (goids are given out in order);
 *   - goroutines of connections come in pairs with one that waits for the network;
 *   - a sender is not idle: it has something to give away. */
#include "base/clock.h"
#include "diag/diag_int.h"

static const uint32_t PILEUP_MIN = 100;    /* fewer are not worth waking somebody up */
static const uint32_t PILEUP_IO_MIN = 200; /* network waits come and go in numbers */
static const int64_t SEND_WARNING_NS = 60 * NSEC_PER_SEC, SEND_PROBLEM_NS = 300 * NSEC_PER_SEC;
static const int64_t LEAK_NS = 600 * NSEC_PER_SEC; /* idle longer than a quiet spell */
static const uint32_t JOINED_MIN = 3;  /* that came between the looks, for growth to be told */
static const uint32_t LEAVE_PART = 10; /* of those that come, at most one in so many leaves */

/* They come and do not go. */
static bool only_joined(const struct diag_run *r, const struct diag_cluster *c, uint32_t least)
{
    if (!r->in->before || c->before < PILEUP_MIN / 2)
        return false;
    uint32_t joined = c->count - c->stayed, left = c->before - c->stayed;
    return joined >= least && left <= joined / LEAVE_PART;
}

/* Made all along, not in one go. */
static bool made_all_along(const struct diag_run *r, const struct diag_cluster *c)
{
    return c->goid_max - c->goid_min >= r->goid_max / 2 && c->late >= c->count / 20 &&
           c->late <= c->count / 20 * 19;
}

/* About as many wait for the network: one of each belongs to a connection. */
static bool one_per_connection(const struct diag_run *r, const struct diag_cluster *c)
{
    return r->doing[DIAG_IO] >= c->count / 5 * 4;
}

/* How bad, and how sure; false: nothing to say. */
struct judgement {
    enum diag_severity severity;
    enum diag_sure sure;
    const char *because;
};

static bool judge_senders(const struct diag_run *r, const struct diag_cluster *c,
                          struct judgement *ret)
{
    bool stayed = r->in->before && c->before && c->stayed >= c->before / 10 * 9;
    *ret = (struct judgement){DIAG_PROBLEM, DIAG_INFERRED,
                              "none of them left between the looks, and more came"};
    if (only_joined(r, c, JOINED_MIN))
        return true;
    ret->because = "a sender that waits this long has nobody who receives, or far too few";
    if (c->oldest_ns >= SEND_PROBLEM_NS)
        return true;
    ret->severity = DIAG_WARNING;
    if (c->oldest_ns >= SEND_WARNING_NS)
        return true;
    ret->sure = DIAG_SUSPECTED;
    ret->because = "the same ones waited in both looks; how long before that is not known, because "
                   "the runtime notes it only when the garbage collector passes";
    return stayed;
}

static bool judge_waiters(const struct diag_run *r, const struct diag_cluster *c,
                          struct judgement *ret)
{
    bool per_connection = one_per_connection(r, c);
    if (only_joined(r, c, JOINED_MIN) && !per_connection) {
        bool old = c->oldest_ns >= LEAK_NS || made_all_along(r, c);
        *ret = (struct judgement){old ? DIAG_PROBLEM : DIAG_WARNING, DIAG_INFERRED,
                                  "they come and do not go: none left between the looks, and more "
                                  "came"};
        return true;
    }
    if (c->oldest_ns < LEAK_NS || !made_all_along(r, c) || per_connection)
        return false;
    *ret =
        (struct judgement){DIAG_WARNING, DIAG_SUSPECTED,
                           "they were created all along and have waited long, as leaked ones do; "
                           "workers that are kept for later would look the same"};
    return true;
}

static bool judge_connections(const struct diag_run *r, const struct diag_cluster *c,
                              struct judgement *ret)
{
    *ret =
        (struct judgement){DIAG_WARNING, DIAG_INFERRED,
                           "they come and do not go: none left between the looks, and more came"};
    return c->count >= PILEUP_IO_MIN && only_joined(r, c, PILEUP_MIN / 2);
}

static const char *mend(enum diag_doing doing)
{
    switch (doing) {
    case DIAG_SEND:
        return "usually a receiver that returned early: give the channel room for one, or select "
               "on "
               "ctx.Done()";
    case DIAG_RECEIVE:
        return "usually a sender that ended without closing the channel: close it with defer, or "
               "select on ctx.Done()";
    case DIAG_SELECT:
        return "usually a select that lacks a case for ctx.Done(), or a context nobody cancels";
    case DIAG_GROUP:
        return "usually a Done that an error path skips: defer it";
    case DIAG_COND:
        return "usually a Signal where a Broadcast is needed, or a condition changed without "
               "either";
    case DIAG_IO:
        return "set deadlines and timeouts; look at the other side of these connections";
    default:
        return NULL;
    }
}

static void report(struct diag_run *r, const struct diag_cluster *c, const struct judgement *j)
{
    double growth = diag_growth(r, c);
    const char *ages = diag_ages(r, c);
    struct diag_finding *f = diag_add(r, "pileup", j->severity);
    f->title = diag_text(r->found, "%s goroutines wait for the same thing%s%s%s%s",
                         diag_number(r, c->count), c->oldest_ns >= 0 ? ", oldest " : "",
                         c->oldest_ns >= 0 ? diag_age(r, c->oldest_ns) : "", growth > 0 ? ", " : "",
                         growth > 0 ? diag_per_time(r, growth) : "");
    diag_cluster_evidence(r, f, c);
    if (*ages)
        diag_evidence(r->found, f, "waiting: %s", ages);
    f->why = "each keeps its stack and everything it refers to; what waits for them waits, too";
    f->sure = j->sure;
    f->sure_why = j->because;
    f->mend = mend(c->doing);
    f->next =
        diag_text(r->found, "gospect goroutines {target} %s --full", diag_cluster_filter(r, c));
    f->weight = (double)c->count * (1 + (double)(c->oldest_ns > 0 ? c->oldest_ns : 0) / 1e9);
    diag_value_int(r->found, f, "goroutines", DIAG_COUNT, c->count);
    diag_value_int(r->found, f, "oldest_ns", DIAG_NS, c->oldest_ns);
    diag_value_rate(r->found, f, "growth_per_second", growth);
    diag_value_text(r->found, f, "wait_reason",
                    snap_str(r->s, r->s->goroutine.wait_reason[c->example]));
    diag_value_text(r->found, f, "func", diag_func(r, c->place));
    diag_value_text(r->found, f, "where", diag_where(r, c->place));
    diag_value_text(r->found, f, "created_by", diag_creator(r, c->example));
}

void diag_pileup(struct diag_run *r)
{
    for (size_t i = 0; i < r->nclusters && r->clusters[i].count >= PILEUP_MIN; i++) {
        const struct diag_cluster *c = &r->clusters[i];
        struct judgement j;
        bool bad = false;
        if (c->doing == DIAG_SEND)
            bad = judge_senders(r, c, &j);
        else if (c->doing == DIAG_IO)
            bad = judge_connections(r, c, &j);
        else if (c->doing == DIAG_RECEIVE || c->doing == DIAG_SELECT || c->doing == DIAG_GROUP ||
                 c->doing == DIAG_COND)
            bad = judge_waiters(r, c, &j);
        if (bad)
            report(r, c, &j);
    }
}

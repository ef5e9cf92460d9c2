/* memory.c - memory near a limit: the container's, or GOMEMLIMIT.
 *
 * Go: runtime/mgclimit.go, mgcpacer.go (1.19-1.27): near GOMEMLIMIT the collector runs more and
 * more often, and gives up on the limit rather than take more than half of the processors. */
#include "diag/diag_int.h"

/* Of the container's limit, counted without the page cache, which the kernel takes back by itself.
 */
static const double CGROUP_WARNING = 0.85, CGROUP_PROBLEM = 0.95;
static const double LIMIT_PART = 0.98; /* of GOMEMLIMIT: the runtime aims at a little below it */

static bool counters(const struct snap *s, const char *a, const char *b, int64_t *ret_a,
                     int64_t *ret_b)
{
    return snap_counter(s, a, ret_a) && snap_counter(s, b, ret_b) && *ret_b > 0;
}

static void container(struct diag_run *r)
{
    int64_t rss, limit;
    if (!counters(r->s, "process.rss_bytes", "process.memory_limit_bytes", &rss, &limit))
        return;
    double part = (double)rss / (double)limit;
    if (part < CGROUP_WARNING)
        return;
    struct diag_finding *f =
        diag_add(r, "memory", part >= CGROUP_PROBLEM ? DIAG_PROBLEM : DIAG_WARNING);
    f->title = diag_text(r->found, "%.0f %% of the container's memory is used: %s of %s",
                         100 * part, diag_bytes(r, (uint64_t)rss), diag_bytes(r, (uint64_t)limit));
    int64_t soft;
    if (snap_counter(r->s, "gc.memory_limit_bytes", &soft) && soft >= limit)
        diag_evidence(r->found, f, "GOMEMLIMIT is %s",
                      soft == INT64_MAX ? "not set" : "not below the container's limit");
    f->why = "at the limit the kernel ends the process without a word";
    f->mend = "set GOMEMLIMIT some 10 % below the limit, and look at what the heap keeps";
    f->sure = DIAG_PROVED;
    f->sure_why = "resident memory and the limit as the kernel says them";
    f->next = "gospect info {target}";
    f->weight = part * 1e6;
    diag_value_int(r->found, f, "rss_bytes", DIAG_BYTES, rss);
    diag_value_int(r->found, f, "limit_bytes", DIAG_BYTES, limit);
}

static void soft_limit(struct diag_run *r)
{
    int64_t mapped, limit, live = 0;
    if (!counters(r->s, "gc.mapped_ready_bytes", "gc.memory_limit_bytes", &mapped, &limit) ||
        limit == INT64_MAX || (double)mapped < LIMIT_PART * (double)limit)
        return;
    bool known = snap_counter(r->s, "gc.heap_marked_bytes", &live);
    int64_t decides;
    bool live_fills = known && (double)live > 0.8 * (double)limit;
    struct diag_finding *f = diag_add(r, "memory", live_fills ? DIAG_PROBLEM : DIAG_NOTE);
    f->title = diag_text(r->found, "memory is at GOMEMLIMIT: %s of %s",
                         diag_bytes(r, (uint64_t)mapped), diag_bytes(r, (uint64_t)limit));
    if (known)
        diag_evidence(r->found, f, "%s live after the last garbage collection",
                      diag_bytes(r, (uint64_t)live));
    if (snap_counter(r->s, "gc.limit_decides", &decides))
        diag_evidence(r->found, f,
                      decides ? "it decides when the collector runs, not GOGC"
                              : "GOGC still decides when the collector runs");
    f->why = live_fills ? "what is live leaves the collector no room: it runs all the time"
                        : "the collector runs more often than GOGC alone would make it";
    f->mend = "raise GOMEMLIMIT, or let the program keep less";
    f->sure = DIAG_PROVED;
    f->sure_why = "the runtime's own figures";
    f->next = "gospect info {target}";
    f->weight = (double)live;
    diag_value_int(r->found, f, "mapped_bytes", DIAG_BYTES, mapped);
    diag_value_int(r->found, f, "limit_bytes", DIAG_BYTES, limit);
}

/* Go: runtime/mgclimit.go gcCPULimiter: the limit is given up rather than all of the processors. */
static void limiter(struct diag_run *r)
{
    enum { RECENT_CYCLES = 10 };
    int64_t on, last, cycles, limit;
    if (!snap_counter(r->s, "gc.limiter_on", &on) ||
        !snap_counter(r->s, "gc.limiter_last_cycle", &last) ||
        !snap_counter(r->s, "memstats.num_gc", &cycles))
        return;
    if (!on && (last <= 0 || cycles - last > RECENT_CYCLES))
        return;
    struct diag_finding *f = diag_add(r, "memory", DIAG_PROBLEM);
    f->title = "the garbage collector takes half of the processors and may take no more: "
               "GOMEMLIMIT is given up";
    diag_evidence(r->found, f,
                  on ? "it is held back now" : "it was held back last in cycle %s of %s",
                  diag_number(r, (uint64_t)last), diag_number(r, (uint64_t)cycles));
    if (snap_counter(r->s, "gc.memory_limit_bytes", &limit) && limit < INT64_MAX)
        diag_evidence(r->found, f, "GOMEMLIMIT is %s", diag_bytes(r, (uint64_t)limit));
    f->why = "half of the work is lost to the collector, and memory still grows past the limit";
    f->mend = "raise GOMEMLIMIT, or let the program keep less";
    f->sure = DIAG_PROVED;
    f->sure_why = "the runtime's own limiter";
    f->next = "gospect heap {target}";
    f->weight = 2e6;
    diag_value_int(r->found, f, "limiter_cycle", DIAG_COUNT, last);
}

void diag_memory(struct diag_run *r)
{
    container(r);
    soft_limit(r);
    limiter(r);
}

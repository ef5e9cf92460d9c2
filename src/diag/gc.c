/* gc.c - a garbage collector that takes too much, or stops the program for long.
 *
 * Go: runtime/mgcpacer.go (1.18-1.27): the collector aims at a quarter of the processors while it
 * runs, and may take up to half of all of them when a memory limit presses it.  The figures
 * (runtime.cpuStats) are brought up to date at the end of each cycle; releases before 1.20 have
 * only the fraction since the start. */
#include <stdio.h>

#include "base/clock.h"
#include "diag/diag_int.h"

/* Of all processor time.  A quarter is reached only by a collector that never rests. */
static const double GC_WARNING = 0.25, GC_PROBLEM = 0.4;
enum { CYCLES_MIN = 3 };
static const int64_t PAUSE_NS = 100 * NSEC_PER_MSEC; /* people notice; usual is well below 1 ms */
static const int64_t PAUSE_BAD_NS = NSEC_PER_SEC;    /* one is enough for a warning */
enum { PAUSES_WARNING = 3 };                         /* one or two happen on a busy machine */
static const int64_t RECENT_NS = 600 * NSEC_PER_SEC; /* older ones are not what hurts now */
enum { PAUSES_MAX = 256 };

struct use {
    double part;    /* of all processor time; < 0: not known */
    int64_t cycles; /* in that time */
    bool recent;    /* between the looks, not since the start */
};

static int64_t counter(const struct snap *s, const char *name)
{
    int64_t v;
    return s && snap_counter(s, name, &v) ? v : -1;
}

static struct use use_of(const struct diag_run *r)
{
    const struct snap *s = r->s, *b = r->in->before;
    struct use u = {.part = -1};
    int64_t gc = counter(s, "cpu.gc_total_ns"), total = counter(s, "cpu.total_ns");
    int64_t gc0 = counter(b, "cpu.gc_total_ns"), total0 = counter(b, "cpu.total_ns");
    int64_t cycles = counter(s, "memstats.num_gc"), cycles0 = counter(b, "memstats.num_gc");
    if (gc >= gc0 && gc0 >= 0 && total > total0 && total0 >= 0 && cycles0 >= 0) {
        u.part = (double)(gc - gc0) / (double)(total - total0);
        u.cycles = cycles - cycles0;
        u.recent = true;
        return u;
    }
    int64_t ppb = counter(s, "memstats.gc_cpu_fraction_ppb");
    if (ppb >= 0) {
        u.part = (double)ppb / 1e9;
        u.cycles = cycles;
    }
    return u;
}

static void report_use(struct diag_run *r, const struct use *u)
{
    struct diag_finding *f = diag_add(r, "gc", u->part >= GC_PROBLEM ? DIAG_PROBLEM : DIAG_WARNING);
    int64_t limit = counter(r->s, "gc.memory_limit_bytes");
    int64_t live = counter(r->s, "gc.heap_marked_bytes"),
            goal = counter(r->s, "gc.heap_goal_bytes");
    f->title =
        diag_text(r->found, "the garbage collector takes %.0f %% of the processors", 100 * u->part);
    diag_evidence(r->found, f, "%s cycles %s", diag_number(r, (uint64_t)u->cycles),
                  u->recent ? "between the looks" : "since the start");
    if (live >= 0 && goal > 0)
        diag_evidence(r->found, f, "%s live after the last cycle, the next begins at %s",
                      diag_bytes(r, (uint64_t)live), diag_bytes(r, (uint64_t)goal));
    if (limit > 0 && limit < INT64_MAX)
        diag_evidence(r->found, f, "GOMEMLIMIT is %s", diag_bytes(r, (uint64_t)limit));
    f->why = "that time is missing for the work, and allocating goroutines have to help";
    f->mend =
        "allocate less (gospect does not stop it: take an allocs profile), or give it more room: a "
        "higher GOGC or GOMEMLIMIT";
    f->sure = DIAG_PROVED;
    f->sure_why = u->recent ? "the runtime's own account of processor time, between the looks"
                            : "the runtime's own account of processor time, since the start";
    f->next = "gospect info {target}";
    f->weight = u->part * 1e6;
    diag_value_int(r->found, f, "gc_cpu_percent", DIAG_COUNT, (int64_t)(100 * u->part));
    diag_value_int(r->found, f, "cycles", DIAG_COUNT, u->cycles);
}

/* The recent pauses among those the runtime remembers. */
struct pauses {
    size_t n, slow; /* slow: of at least PAUSE_NS */
    int64_t longest;
};

static struct pauses recent_pauses(const struct snap *s)
{
    struct pauses p = {0};
    int64_t now = snap_meta_i64(s, SNAP_META_taken_wall_ns, 0);
    for (size_t i = 0; i < PAUSES_MAX; i++) {
        char name[40];
        snprintf(name, sizeof(name), "gc.pause_%zu_ns", i);
        int64_t ns = counter(s, name);
        snprintf(name, sizeof(name), "gc.pause_%zu_end_unix_ns", i);
        int64_t end = counter(s, name);
        if (ns < 0)
            break;
        if (now - end > RECENT_NS)
            continue;
        p.n++;
        p.slow += ns >= PAUSE_NS;
        p.longest = ns > p.longest ? ns : p.longest;
    }
    return p;
}

static void report_pauses(struct diag_run *r, const struct pauses *p)
{
    bool often = p->slow >= PAUSES_WARNING || p->longest >= PAUSE_BAD_NS;
    struct diag_finding *f = diag_add(r, "gc", often ? DIAG_WARNING : DIAG_NOTE);
    f->title = diag_text(r->found, "the garbage collector stopped everything for %s",
                         diag_age(r, p->longest));
    diag_evidence(r->found, f, "%zu of %zu pauses in the last ten minutes took 100 ms or more",
                  p->slow, p->n);
    f->why = "no request is served in that time; usual is less than a millisecond";
    f->mend = "often the machine: no processor for a thread that must stop (CPU limits of the "
              "container), or memory that is swapped";
    f->sure = DIAG_PROVED;
    f->sure_why = "the runtime notes its pauses";
    f->next = "gospect info {target}";
    f->weight = (double)p->longest / 1e9;
    diag_value_int(r->found, f, "pause_ns", DIAG_NS, p->longest);
    diag_value_int(r->found, f, "slow_pauses", DIAG_COUNT, (int64_t)p->slow);
}

void diag_gc(struct diag_run *r)
{
    struct use u = use_of(r);
    struct pauses p = recent_pauses(r->s);
    if (u.part >= GC_WARNING && u.cycles >= CYCLES_MIN)
        report_use(r, &u);
    if (p.slow)
        report_pauses(r, &p);
}

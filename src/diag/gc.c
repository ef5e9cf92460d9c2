/* gc.c - a garbage collector that takes too much, or stops the program for long.
 *
 * Go: runtime/mgcpacer.go (1.18-1.27): the collector aims at a quarter of the processors while it
 * runs, and may take up to half of all of them when a memory limit presses it.  The figures
 * (runtime.cpuStats) are brought up to date at the end of each cycle; releases before 1.20 have
 * only the fraction since the start.  runtime/mgcmark.go gcAssistAlloc: who allocates faster than
 * the workers mark has to mark itself, or waits until they have. */
#include <string.h>

#include "base/clock.h"
#include "diag/diag_int.h"
#include "snap/pauses.h"

/* Of all processor time.  A quarter is reached only by a collector that never rests. */
static const double GC_WARNING = 0.25, GC_PROBLEM = 0.4;
enum { CYCLES_MIN = 3 };
static const int64_t PAUSE_NS = 100 * NSEC_PER_MSEC; /* people notice; usual is well below 1 ms */
static const int64_t PAUSE_BAD_NS = NSEC_PER_SEC;    /* one is enough for a warning */
enum { PAUSES_WARNING = 3 };                         /* one or two happen on a busy machine */
static const int64_t RECENT_NS = 600 * NSEC_PER_SEC; /* older ones are not what hurts now */
static const double ASSIST_PART = 0.1; /* of all processor time; some percent are usual */
enum { ASSIST_WAITERS = 10 };
static const int64_t MARK_NS = 10 * NSEC_PER_SEC; /* usual is well below a second */

struct use {
    double part;    /* of all processor time; < 0: not known */
    double assists; /* of all processor time, what allocating goroutines marked; < 0: not known */
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
    struct use u = {.part = -1, .assists = -1};
    int64_t assist = counter(s, "cpu.gc_assist_ns"), assist0 = counter(b, "cpu.gc_assist_ns");
    int64_t gc = counter(s, "cpu.gc_total_ns"), total = counter(s, "cpu.total_ns");
    int64_t gc0 = counter(b, "cpu.gc_total_ns"), total0 = counter(b, "cpu.total_ns");
    int64_t cycles = counter(s, "memstats.num_gc"), cycles0 = counter(b, "memstats.num_gc");
    if (gc >= gc0 && gc0 >= 0 && total > total0 && total0 >= 0 && cycles0 >= 0) {
        u.part = (double)(gc - gc0) / (double)(total - total0);
        if (assist >= assist0 && assist0 >= 0)
            u.assists = (double)(assist - assist0) / (double)(total - total0);
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

static uint32_t assist_waiters(const struct snap *s)
{
    uint32_t n = 0;
    for (size_t g = 0; s && g < s->goroutine.n; g++)
        n += strncmp(snap_str(s, s->goroutine.wait_reason[g]), "GC assist", 9) == 0;
    return n;
}

static void settings_evidence(struct diag_run *r, struct diag_finding *f)
{
    int64_t percent, limit = counter(r->s, "gc.memory_limit_bytes");
    if (!snap_counter(r->s, "gc.percent", &percent))
        return;
    const char *gogc = percent < 0 ? "off" : diag_text(r->found, "%lld", (long long)percent);
    if (limit > 0 && limit < INT64_MAX)
        diag_evidence(r->found, f, "GOGC is %s, GOMEMLIMIT is %s%s", gogc,
                      diag_bytes(r, (uint64_t)limit),
                      counter(r->s, "gc.limit_decides") > 0 ? ", which decides" : "");
    else
        diag_evidence(r->found, f, "GOGC is %s, GOMEMLIMIT is not set", gogc);
}

static void report_use(struct diag_run *r, const struct use *u)
{
    struct diag_finding *f = diag_add(r, "gc", u->part >= GC_PROBLEM ? DIAG_PROBLEM : DIAG_WARNING);
    int64_t live = counter(r->s, "gc.heap_marked_bytes"),
            goal = counter(r->s, "gc.heap_goal_bytes");
    f->title =
        diag_text(r->found, "the garbage collector takes %.0f %% of the processors", 100 * u->part);
    diag_evidence(r->found, f, "%s cycles %s", diag_number(r, (uint64_t)u->cycles),
                  u->recent ? "between the looks" : "since the start");
    if (u->assists >= 0 && u->part > 0)
        diag_evidence(r->found, f, "%.0f %% of that by goroutines that allocate (assists)",
                      100 * u->assists / u->part);
    if (live >= 0 && goal > 0)
        diag_evidence(r->found, f, "%s live after the last cycle, the next aims at %s",
                      diag_bytes(r, (uint64_t)live), diag_bytes(r, (uint64_t)goal));
    settings_evidence(r, f);
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
    struct snap_pauses all;
};

static void recent_pauses(const struct snap *s, struct pauses *p)
{
    int64_t now = snap_meta_i64(s, SNAP_META_taken_wall_ns, 0);
    memset(p, 0, sizeof(*p));
    snap_pauses(s, &p->all);
    for (size_t i = 0; i < p->all.n; i++) {
        if (now - p->all.v[i].end_unix_ns > RECENT_NS)
            continue;
        p->n++;
        p->slow += p->all.v[i].ns >= PAUSE_NS;
        p->longest = p->all.v[i].ns > p->longest ? p->all.v[i].ns : p->longest;
    }
}

static void report_pauses(struct diag_run *r, const struct pauses *p)
{
    bool often = p->slow >= PAUSES_WARNING || p->longest >= PAUSE_BAD_NS;
    struct diag_finding *f = diag_add(r, "gc", often ? DIAG_WARNING : DIAG_NOTE);
    f->title = diag_text(r->found, "the garbage collector stopped everything for %s",
                         diag_age(r, p->longest));
    diag_evidence(r->found, f, "%zu of %zu pauses in the last ten minutes took 100 ms or more",
                  p->slow, p->n);
    diag_evidence(r->found, f, "of the last %zu: median %s, p99 %s, longest %s", p->all.n,
                  diag_age(r, p->all.median_ns), diag_age(r, p->all.p99_ns),
                  diag_age(r, p->all.v[p->all.longest].ns));
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

/* Goroutines that want to work and mark, or wait for others to mark. */
static void report_assists(struct diag_run *r, const struct use *u, uint32_t waiters)
{
    bool heavy = u->assists >= ASSIST_PART;
    struct diag_finding *f = diag_add(r, "gc", heavy ? DIAG_WARNING : DIAG_NOTE);
    if (heavy)
        f->title = diag_text(r->found,
                             "goroutines that allocate spend %.0f %% of the processors marking "
                             "for the garbage collector",
                             100 * u->assists);
    else
        f->title = diag_text(r->found, "%s goroutines wait until enough is marked to allocate",
                             diag_number(r, waiters));
    if (waiters)
        diag_evidence(r->found, f, "%s wait now (GC assist wait, GC assist marking)",
                      diag_number(r, waiters));
    int64_t debtors = counter(r->s, "gc.assist_debtors");
    if (debtors > 0)
        diag_evidence(r->found, f, "%s owe marking for %s that they allocated",
                      diag_number(r, (uint64_t)debtors),
                      diag_bytes(r, (uint64_t)counter(r->s, "gc.assist_debt_bytes")));
    settings_evidence(r, f);
    f->why = "requests take longer while the collector runs: they allocate faster than its "
             "workers mark";
    f->mend = "allocate less in what is called most, or give the collector a longer runway: a "
              "higher GOGC";
    f->sure = DIAG_PROVED;
    f->sure_why = heavy ? "the runtime's own account of processor time, between the looks"
                        : "they waited in both looks";
    f->next = "gospect goroutines {target} --filter 'reason=\"GC assist\"'";
    f->weight = heavy ? u->assists * 1e6 : waiters;
    diag_value_int(r->found, f, "assist_waiters", DIAG_COUNT, waiters);
    if (u->assists >= 0)
        diag_value_int(r->found, f, "assist_percent", DIAG_COUNT, (int64_t)(100 * u->assists));
}

/* How long the last cycle marked, or the one at hand does: the write barrier is on all the time. */
static void long_mark(struct diag_run *r)
{
    int64_t mark = counter(r->s, "gc.t_mark_ns"), term = counter(r->s, "gc.t_mark_term_ns");
    int64_t now = snap_meta_i64(r->s, SNAP_META_taken_mono_ns, 0);
    bool runs = counter(r->s, "gc.phase") == 1;
    int64_t ns = runs ? now - mark : term - mark;
    if (mark <= 0 || ns < MARK_NS)
        return;
    struct diag_finding *f = diag_add(r, "gc", DIAG_NOTE);
    f->title = diag_text(r->found,
                         runs ? "the garbage collector has been marking for %s"
                              : "the last garbage collection marked for %s",
                         diag_age(r, ns));
    int64_t scan = counter(r->s, "gc.last_heap_scan_bytes");
    if (scan > 0)
        diag_evidence(r->found, f, "%s of the heap have pointers and must be looked at",
                      diag_bytes(r, (uint64_t)scan));
    settings_evidence(r, f);
    f->why = "meanwhile every pointer that is stored costs more (write barrier), and who allocates "
             "helps to mark";
    f->mend = "fewer pointers: values instead of pointers, indexes into slices; or more processors";
    f->sure = DIAG_PROVED;
    f->sure_why = "the runtime notes when a phase begins";
    f->next = "gospect info {target}";
    f->weight = (double)ns / 1e9;
    diag_value_int(r->found, f, "mark_ns", DIAG_NS, ns);
}

void diag_gc(struct diag_run *r)
{
    struct use u = use_of(r);
    struct pauses p;
    uint32_t waiters = assist_waiters(r->s), waited = assist_waiters(r->in->before);
    recent_pauses(r->s, &p);
    if (u.part >= GC_WARNING && u.cycles >= CYCLES_MIN)
        report_use(r, &u);
    if ((u.assists >= ASSIST_PART && u.cycles >= CYCLES_MIN) ||
        (waiters >= ASSIST_WAITERS && waited >= ASSIST_WAITERS))
        report_assists(r, &u, waiters);
    if (p.slow)
        report_pauses(r, &p);
    long_mark(r);
}

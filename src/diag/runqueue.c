/* runqueue.c - goroutines that could run and get no processor.
 *
 * A full queue at one instant is nothing; it must be so in most of the pulses.  Where there are no
 * pulses (a core file, a snapshot) that instant is all there is, and what it shows is a note.  The
 * seed's rule for uneven queues: the longest is more than five times the average while the global
 * queue is not empty. */
#include "diag/diag_int.h"

static const double MOST = 0.8; /* of the pulses */
enum { PULSES_MIN = 4 };
static const uint32_t FULL_PER_P = 10,
                      FULL_PROBLEM_PER_P = 100; /* runnable goroutines for each P */
static const double SKEW = 5;                   /* longest queue to average */
static const uint32_t SKEW_MIN = 16;            /* goroutines in the longest queue */

struct seen {
    double full, skewed, starved; /* parts of the pulses */
    uint64_t waiting;             /* sum */
    uint32_t worst_max;
    double worst_avg;
    size_t looks; /* 1: the snapshot alone */
};

/* The run queues of a snapshot. */
static struct diag_pulse instant(const struct snap *s)
{
    struct diag_pulse p = {0};
    for (size_t i = 0; i < s->proc.n; i++) {
        if (s->proc.status[i] == SNAP_P_DEAD)
            continue;
        p.gomaxprocs++;
        p.idle_procs += s->proc.status[i] == SNAP_P_IDLE;
        p.runq_local += s->proc.runq[i];
        p.runq_local_max = s->proc.runq[i] > p.runq_local_max ? s->proc.runq[i] : p.runq_local_max;
    }
    for (size_t i = 0; i < s->runq.n; i++)
        p.runq_global += s->runq.proc[i] == SNAP_NONE;
    return p;
}

static struct seen look(const struct diag_pulse *pulses, size_t n)
{
    struct seen s = {.looks = n};
    for (size_t i = 0; i < n; i++) {
        const struct diag_pulse *p = &pulses[i];
        uint32_t procs = p->gomaxprocs ? p->gomaxprocs : 1;
        double avg = (double)p->runq_local / procs;
        uint32_t waiting = p->runq_global + p->runq_local;
        bool skewed = p->runq_local_max >= SKEW_MIN && p->runq_local_max > SKEW * avg &&
                      (p->runq_global > 0 || p->idle_procs > 0);
        s.full += waiting >= FULL_PER_P * procs;
        s.starved += p->runq_global > 0 && p->idle_procs > 0;
        s.skewed += skewed;
        s.waiting += waiting;
        if (skewed && p->runq_local_max > s.worst_max) {
            s.worst_max = p->runq_local_max;
            s.worst_avg = avg;
        }
    }
    return s;
}

static void sure(struct diag_run *r, struct diag_finding *f, const struct seen *s, double part)
{
    bool alone = s->looks == 1;
    f->sure = alone ? DIAG_SUSPECTED : DIAG_PROVED;
    f->sure_why = alone ? "one instant: it may have been over a moment later"
                        : diag_text(r->found, "so in %d of %zu looks at the run queues",
                                    (int)(part + 0.5), s->looks);
    f->next =
        alone ? "gospect goroutines {target} --filter state=runnable" : "gospect watch {target}";
}

static enum diag_severity severity(const struct seen *s, enum diag_severity severity)
{
    return s->looks == 1 ? DIAG_NOTE : severity;
}

static void report_full(struct diag_run *r, const struct seen *s, uint32_t procs)
{
    uint64_t waiting = s->waiting / s->looks;
    bool bad = waiting >= (uint64_t)FULL_PROBLEM_PER_P * procs;
    struct diag_finding *f =
        diag_add(r, "runqueue", severity(s, bad ? DIAG_PROBLEM : DIAG_WARNING));
    f->title = diag_text(r->found, "%s goroutines wait for a processor, GOMAXPROCS is %u",
                         diag_number(r, waiting), procs);
    f->why = "each of them starts later by the time all those before it take";
    f->mend = "more processors (GOMAXPROCS, the container's limit), or less work at once";
    sure(r, f, s, s->full);
    f->next = "gospect goroutines {target} --filter state=runnable";
    f->weight = (double)waiting;
    diag_value_int(r->found, f, "waiting", DIAG_COUNT, (int64_t)waiting);
    diag_value_int(r->found, f, "gomaxprocs", DIAG_COUNT, procs);
}

static void report_skew(struct diag_run *r, const struct seen *s)
{
    struct diag_finding *f = diag_add(r, "runqueue", severity(s, DIAG_WARNING));
    f->title = diag_text(r->found, "run queues are uneven: %u goroutines in one, %.1f on average",
                         s->worst_max, s->worst_avg);
    f->why = "goroutines wait behind others although there is room elsewhere";
    sure(r, f, s, s->skewed);
    f->weight = s->worst_max;
    diag_value_int(r->found, f, "longest", DIAG_COUNT, s->worst_max);
}

static void report_starved(struct diag_run *r, const struct seen *s)
{
    struct diag_finding *f = diag_add(r, "runqueue", severity(s, DIAG_WARNING));
    f->title = "the global run queue is not empty while processors are idle";
    f->why =
        "goroutines wait although there is room: the kernel does not give the threads time, or "
        "all of them sit in system calls";
    sure(r, f, s, s->starved);
    f->weight = 1;
}

void diag_runqueue(struct diag_run *r)
{
    bool pulses = r->in->npulses >= PULSES_MIN;
    struct diag_pulse now = instant(r->s);
    struct seen s = pulses ? look(r->in->pulses, r->in->npulses) : look(&now, 1);
    uint32_t procs = pulses ? r->in->pulses[r->in->npulses - 1].gomaxprocs : now.gomaxprocs;
    double most = MOST * (double)s.looks;
    if (s.full >= most)
        report_full(r, &s, procs ? procs : 1);
    if (s.skewed >= most)
        report_skew(r, &s);
    if (s.starved >= most && (pulses || now.runq_global >= SKEW_MIN))
        report_starved(r, &s);
}

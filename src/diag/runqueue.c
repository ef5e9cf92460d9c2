/* runqueue.c - goroutines that could run and get no processor.
 *
 * A full queue at one instant is nothing; it must be so in most of the pulses.  The seed's rule for
 * uneven queues: the longest is more than five times the average while the global queue is not
 * empty. */
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
};

static struct seen look(const struct diag_input *in)
{
    struct seen s = {0};
    for (size_t i = 0; i < in->npulses; i++) {
        const struct diag_pulse *p = &in->pulses[i];
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

static void sure(struct diag_run *r, struct diag_finding *f, double part)
{
    f->sure = DIAG_PROVED;
    f->sure_why = diag_text(r->found, "so in %d of %zu looks at the run queues",
                            (int)(part * (double)r->in->npulses + 0.5), r->in->npulses);
    f->next = "gospect watch {target}";
}

static void report_full(struct diag_run *r, const struct seen *s, uint32_t procs)
{
    uint64_t waiting = s->waiting / r->in->npulses;
    bool bad = waiting >= (uint64_t)FULL_PROBLEM_PER_P * procs;
    struct diag_finding *f = diag_add(r, "runqueue", bad ? DIAG_PROBLEM : DIAG_WARNING);
    f->title = diag_text(r->found, "%s goroutines wait for a processor, GOMAXPROCS is %u",
                         diag_number(r, waiting), procs);
    f->why = "each of them starts later by the time all those before it take";
    f->mend = "more processors (GOMAXPROCS, the container's limit), or less work at once";
    sure(r, f, s->full / (double)r->in->npulses);
    f->next = "gospect goroutines {target} --filter state=runnable";
    f->weight = (double)waiting;
    diag_value_int(r->found, f, "waiting", DIAG_COUNT, (int64_t)waiting);
    diag_value_int(r->found, f, "gomaxprocs", DIAG_COUNT, procs);
}

static void report_skew(struct diag_run *r, const struct seen *s)
{
    struct diag_finding *f = diag_add(r, "runqueue", DIAG_WARNING);
    f->title = diag_text(r->found, "run queues are uneven: %u goroutines in one, %.1f on average",
                         s->worst_max, s->worst_avg);
    f->why = "goroutines wait behind others although there is room elsewhere";
    sure(r, f, s->skewed / (double)r->in->npulses);
    f->weight = s->worst_max;
    diag_value_int(r->found, f, "longest", DIAG_COUNT, s->worst_max);
}

static void report_starved(struct diag_run *r, const struct seen *s)
{
    struct diag_finding *f = diag_add(r, "runqueue", DIAG_WARNING);
    f->title = "the global run queue is not empty while processors are idle";
    f->why =
        "goroutines wait although there is room: the kernel does not give the threads time, or "
        "all of them sit in system calls";
    sure(r, f, s->starved / (double)r->in->npulses);
    f->weight = 1;
}

void diag_runqueue(struct diag_run *r)
{
    size_t n = r->in->npulses;
    if (n < PULSES_MIN)
        return;
    struct seen s = look(r->in);
    uint32_t procs = r->in->pulses[n - 1].gomaxprocs;
    if (s.full >= MOST * (double)n)
        report_full(r, &s, procs ? procs : 1);
    if (s.skewed >= MOST * (double)n)
        report_skew(r, &s);
    if (s.starved >= MOST * (double)n)
        report_starved(r, &s);
}

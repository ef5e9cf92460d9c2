/* storm.c - goroutines that become more and more: by hundreds a second, or slowly and without end.
 *
 * Who is to blame is the go statement: growth is told by creator. */
#include <stdlib.h>
#include <string.h>

#include "diag/diag_int.h"

/* A storm grows by this many a second: more than a busy server's goroutines go up and down. */
static const double STORM_PER_SECOND = 500;
/* Slow growth counts only over this time, and by this part: traffic goes up and down, too. */
static const double SLOW_SECONDS = 5, SLOW_PART = 0.05;
static const uint32_t SLOW_LEAST = 50;
/* Of the steps between pulses, this part must go up. */
static const double RISING_PART = 0.7;
/* With one look only the number itself can be told; this many are worth a note. */
static const uint32_t MANY = 10000;

struct creator {
    uint64_t pc;
    uint32_t example; /* row of goroutine */
    uint32_t now, before;
};

struct creators {
    struct map by_pc;
    VEC(struct creator) v;
};

static void count_creators(struct creators *c, const struct snap *s, bool before)
{
    for (uint32_t g = 0; g < s->goroutine.n; g++) {
        uint32_t pc = s->goroutine.creator[g];
        if (s->goroutine.flags[g] & SNAP_GF_SYSTEM || pc >= s->pc.n)
            continue;
        bool added;
        uint32_t at = map_get_or_put(&c->by_pc, s->pc.addr[pc], (uint32_t)c->v.n, &added);
        if (added)
            vec_push(&c->v, ((struct creator){.pc = s->pc.addr[pc], .example = SNAP_NONE}));
        if (before) {
            c->v.v[at].before++;
        } else {
            c->v.v[at].now++;
            c->v.v[at].example = g;
        }
    }
}

static int by_growth(const void *a, const void *b)
{
    const struct creator *x = a, *y = b;
    int64_t gx = (int64_t)x->now - x->before, gy = (int64_t)y->now - y->before;
    return gx < gy ? 1 : gx > gy ? -1 : x->pc < y->pc ? -1 : x->pc > y->pc;
}

/* The go statements that grew most (or have most, with one look), as evidence. */
static void blame(struct diag_run *r, struct diag_finding *f)
{
    struct creators c = {0};
    count_creators(&c, r->s, false);
    if (r->in->before)
        count_creators(&c, r->in->before, true);
    if (c.v.n)
        qsort(c.v.v, c.v.n, sizeof(*c.v.v), by_growth);
    for (size_t i = 0; i < c.v.n && i < 3; i++) {
        const struct creator *k = &c.v.v[i];
        if (k->now <= k->before || k->example == SNAP_NONE || k->now * 50 < r->user)
            continue;
        double rate = r->elapsed_s > 0 ? (double)(k->now - k->before) / r->elapsed_s : 0;
        uint32_t pc = r->s->goroutine.creator[k->example];
        const char *func = r->s->pc.frames[pc] ? diag_func(r, r->s->pc.frame[pc]) : "?";
        diag_evidence(r->found, f, "created at %s, in %s: %s of them%s%s",
                      diag_creator(r, k->example), func, diag_number(r, k->now),
                      rate > 0 ? ", " : "", rate > 0 ? diag_per_time(r, rate) : "");
        if (i == 0) {
            f->next = diag_text(r->found, "gospect goroutines {target} --filter 'creator=%s'",
                                diag_creator(r, k->example));
            diag_value_text(r->found, f, "creator", diag_creator(r, k->example));
        }
    }
    vec_free(&c.v);
    map_free(&c.by_pc);
}

/* The part of the steps between pulses that go up; 1 when there are too few to tell. */
static double rising_part(const struct diag_input *in)
{
    size_t up = 0, steps = 0;
    for (size_t i = 1; i < in->npulses; i++) {
        steps++;
        up += in->pulses[i].goroutines > in->pulses[i - 1].goroutines;
    }
    return steps < 3 ? 1 : (double)up / (double)steps;
}

static void report_growth(struct diag_run *r, enum diag_severity severity, double rate)
{
    struct diag_finding *f = diag_add(r, "storm", severity);
    f->title = diag_text(r->found, "%s: %s goroutines, %s",
                         severity == DIAG_PROBLEM ? "goroutine storm" : "goroutines grow",
                         diag_number(r, r->user), diag_per_time(r, rate));
    f->next = "gospect goroutines {target} --group-by creator";
    blame(r, f);
    f->why = severity == DIAG_PROBLEM
                 ? "at this rate memory and scheduler give way within minutes"
                 : "what only grows ends at a limit: memory, or the latency of everything";
    f->mend =
        "limit how many may run at once (a semaphore, errgroup.SetLimit), and let them end when "
        "the caller gives up (context)";
    f->sure = DIAG_PROVED;
    f->sure_why =
        diag_text(r->found, "counted twice, %s apart: %s, then %s%s",
                  diag_age(r, (int64_t)(r->elapsed_s * 1e9)), diag_number(r, r->user_before),
                  diag_number(r, r->user), r->in->npulses > 3 ? ", rising in between" : "");
    f->weight = rate;
    diag_value_int(r->found, f, "goroutines", DIAG_COUNT, r->user);
    diag_value_rate(r->found, f, "growth_per_second", rate);
}

static void report_many(struct diag_run *r)
{
    struct diag_finding *f = diag_add(r, "storm", DIAG_NOTE);
    f->title = diag_text(r->found, "there are many goroutines: %s", diag_number(r, r->user));
    f->next = "gospect goroutines {target} --group-by creator";
    blame(r, f);
    f->why = "each costs at least 2 kB of stack, and the garbage collector looks at each of them";
    f->sure = DIAG_PROVED;
    f->sure_why = "counted";
    f->weight = r->user;
    diag_value_int(r->found, f, "goroutines", DIAG_COUNT, r->user);
}

void diag_storm(struct diag_run *r)
{
    double delta = (double)r->user - (double)r->user_before;
    double rate = r->elapsed_s > 0 ? delta / r->elapsed_s : 0;
    bool rises = rising_part(r->in) >= RISING_PART;
    if (r->elapsed_s > 0 && rises && rate >= STORM_PER_SECOND && delta >= STORM_PER_SECOND / 2)
        report_growth(r, DIAG_PROBLEM, rate);
    else if (r->elapsed_s >= SLOW_SECONDS && rises && delta >= SLOW_LEAST &&
             delta >= SLOW_PART * r->user_before)
        report_growth(r, DIAG_WARNING, rate);
    else if (r->user >= MANY)
        report_many(r);
}

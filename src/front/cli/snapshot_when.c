/* snapshot_when.c - snapshot --every and --when: the process is not touched in between.
 *
 * --every takes one after another.  --when reads the runtime's counters (rt_pulse, a few reads that
 * stop nothing) and takes one when the condition becomes true; it has to be false again before it
 * can become true once more, so that a heap that stays large is one event and not thousands. */
#include <string.h>

#include "base/clock.h"
#include "front/cli/condition.h"
#include "front/cli/pace.h"
#include "front/cli/snapshot.h"

enum { ERRORS_MAX = 25 /* looks in a row that fail before we give up */ };

static void begin_pace(struct cli_series *s, struct cli_pace *p, int64_t interval_ns)
{
    cli_pace_begin(p, interval_ns, 0);
    p->until_ns = s->until_ns;
}

static struct err *take(struct cli_series *s, struct cli_subject *subject, struct cli_trigger *t)
{
    int64_t began = clock_mono_ns();
    struct snap *snap = NULL;
    struct err *e = cli_subject_snap(subject, &s->o, &snap);
    if (!e)
        e = cli_series_save(s, snap, t, began);
    snap_free(snap);
    return cli_series_error(s, e);
}

static const char *spec(struct arena *a, const struct cli_series *s, enum cli_opt_id opt,
                        const char *name)
{
    return arena_printf(a, "%s=%s", name, cli_text(&s->cli->args, opt));
}

struct err *cli_snapshot_every(struct cli_series *s, struct cli_subject *subject)
{
    struct cli_pace pace;
    struct arena a;
    TRY(cli_subject_open(subject));
    arena_init(&a);
    struct cli_trigger t = {.kind = "interval", .spec = spec(&a, s, OPT_snapshot_every, "--every")};
    struct err *e = NULL;
    begin_pace(s, &pace, cli_num(&s->cli->args, OPT_snapshot_every));
    while (!e && cli_series_goes_on(s)) {
        e = take(s, subject, &t);
        if (!e && cli_series_goes_on(s))
            cli_pace_wait(&pace);
    }
    arena_free(&a);
    return e;
}

/* ---- a condition ---- */

struct waiting {
    struct cli_series *s;
    struct cli_subject *subject;
    struct cli_condition *condition;
    struct cli_trigger t;
    unsigned errors;
    bool held; /* it was true at the last look */
};

static struct err *look(struct waiting *w, struct cli_counters *ret)
{
    static const struct rt_pulse_options quick;
    memset(ret, 0, sizeof(*ret));
    TRY(rt_pulse(w->subject->rt, &quick, &ret->pulse));
    if (!cli_condition_needs_rss(w->condition))
        return NULL;
    struct target_process tp;
    struct arena a;
    arena_init(&a);
    struct err *e = target_process(w->subject->target, &a, &tp);
    if (!e)
        ret->rss_bytes = tp.rss_bytes;
    arena_free(&a);
    return e;
}

/* A look that fails is mostly one at tables that moved under our eyes: the next one is right. */
static struct err *look_failed(struct waiting *w, struct err *e)
{
    if (err_code(e) == ERR_GONE || ++w->errors >= ERRORS_MAX)
        return cli_series_error(w->s, e);
    err_free(e);
    return NULL;
}

static struct err *look_once(struct waiting *w)
{
    struct cli_counters now;
    struct err *e = look(w, &now);
    if (e)
        return look_failed(w, e);
    w->errors = 0;
    bool before = w->held;
    w->held = cli_condition_holds(w->condition, &now);
    if (!w->held || before)
        return NULL;
    struct buf values = {0};
    cli_condition_values(w->condition, &now, &values);
    w->t.values = buf_text(&values);
    e = take(w->s, w->subject, &w->t);
    w->t.values = NULL;
    buf_free(&values);
    return e;
}

struct err *cli_snapshot_when(struct cli_series *s, struct cli_subject *subject)
{
    struct waiting w = {.s = s, .subject = subject};
    struct cli_pace pace;
    struct arena a;
    TRY(cli_condition_parse(cli_text(&s->cli->args, OPT_when), &w.condition));
    arena_init(&a);
    w.t = (struct cli_trigger){.kind = "condition", .spec = spec(&a, s, OPT_when, "--when")};
    struct err *e = cli_subject_open(subject);
    begin_pace(s, &pace, cli_num(&s->cli->args, OPT_snapshot_interval));
    if (!e)
        cli_series_waits(s, w.t.spec);
    while (!e && cli_series_goes_on(s)) {
        e = look_once(&w);
        if (!e && cli_series_goes_on(s))
            cli_pace_wait(&pace);
    }
    cli_condition_free(w.condition);
    arena_free(&a);
    return e;
}

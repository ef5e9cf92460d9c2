/* cmd_watch.c - gospect watch: a live view, and the catcher of goroutine storms (storm.h).
 *
 * Every --interval the process is looked at by rt_pulse(), which stops nothing.  Every --every a
 * picture (terminal), a line, or a line of JSON is written; events are written when they happen. On
 * a terminal the picture stays below the events: it is erased before something is said and drawn
 * again after. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "front/cli/outfile.h"
#include "front/cli/pace.h"
#include "front/cli/subject.h"
#include "front/cli/watch.h"

enum { ERRORS_MAX = 25 /* looks in a row that fail before we give up */ };

struct watch {
    struct cli *cli;
    struct cli_subject *subject;
    struct cli_watch_view view;
    struct cli_storm storm;
    struct cli_pace pace;
    int64_t every_ns;
    int64_t shown_ns;       /* when something was last drawn */
    int64_t status_cost_ns; /* how long the last count of states took */
    unsigned errors, storms;
    bool ended;
};

/* States need a look at every goroutine: only for what is shown, and not so often that we become a
 * load on a process with a million of them. */
static bool want_states(const struct watch *w, int64_t now)
{
    return now - w->shown_ns + w->pace.interval_ns / 2 >= w->every_ns &&
           w->status_cost_ns * 4 < w->every_ns;
}

static struct err *look(struct watch *w, struct rt_pulse *p)
{
    int64_t now = clock_mono_ns();
    struct rt_pulse_options o = {.statuses = want_states(w, now)};
    struct err *e = rt_pulse(w->subject->rt, &o, p);
    if (o.statuses)
        w->status_cost_ns = clock_mono_ns() - now;
    else if (w->status_cost_ns * 4 >= w->every_ns)
        w->status_cost_ns -= w->status_cost_ns / 16; /* try again some time */
    if (!e && o.statuses)
        memcpy(w->view.by_status, p->by_status, sizeof(p->by_status));
    if (!e && o.statuses)
        w->view.have_states = true;
    return e;
}

/* Saves what a storm looks like at its beginning; a failure is an event, too. */
static void save_storm(struct watch *w, struct cli_watch_event *ev, struct buf *path)
{
    struct cli *c = w->cli;
    const char *pattern = cli_text(&c->args, OPT_on_storm);
    struct rt_capture_options o = {.consistency = RT_PROCESS, .progress = &c->progress.base};
    struct snap *s = NULL;
    if (!pattern)
        return;
    struct err *e = cli_outfile_pattern(pattern, ev->wall_ns, 0, path);
    if (!e)
        e = rt_capture(w->subject->rt, &o, &s);
    if (!e)
        e = snap_write_file(s, buf_text(path));
    snap_free(s);
    if (e)
        ev->save_error = e;
    else
        ev->file = buf_text(path);
}

static struct err *on_event(struct watch *w, enum cli_storm_event kind, const struct rt_pulse *p)
{
    struct cli_watch_event ev = {.kind = kind == STORM_BEGINS ? WATCH_STORM : WATCH_OVER,
                                 .wall_ns = p->wall_ns,
                                 .goroutines = p->goroutines,
                                 .growth = w->storm.growth,
                                 .threshold = w->storm.threshold,
                                 .growth_limit = w->storm.growth_limit,
                                 .peak = w->storm.peak,
                                 .lasted_ns = p->mono_ns - w->storm.began_ns};
    struct buf path = {0};
    if (kind == STORM_BEGINS) {
        w->storms++;
        save_storm(w, &ev, &path);
    }
    struct err *e = cli_watch_event(&w->view, &ev);
    err_free(ev.save_error);
    buf_free(&path);
    return e;
}

static struct err *say_ended(struct watch *w)
{
    struct cli_watch_event ev = {.kind = WATCH_ENDED, .wall_ns = clock_wall_ns()};
    w->ended = true;
    return cli_watch_event(&w->view, &ev);
}

/* One look, and what follows from it. */
static struct err *step(struct watch *w)
{
    struct rt_pulse p = {0};
    struct err *e = look(w, &p);
    if (e && err_code(e) == ERR_GONE) {
        err_free(e);
        return say_ended(w);
    }
    if (e &&
        ++w->errors < ERRORS_MAX) { /* its tables moved under our eyes: the next look is right */
        err_free(e);
        return NULL;
    }
    TRY(e);
    w->errors = 0;
    enum cli_storm_event kind = cli_storm_feed(&w->storm, p.mono_ns, p.goroutines);
    if (kind != STORM_NOTHING)
        TRY(on_event(w, kind, &p));
    cli_watch_sample(&w->view, &p, &w->storm);
    int64_t now = clock_mono_ns();
    if (w->shown_ns && now - w->shown_ns + w->pace.interval_ns / 2 < w->every_ns)
        return NULL;
    w->shown_ns = now;
    return cli_watch_show(&w->view, &p, &w->storm);
}

static bool go_on(const struct watch *w)
{
    bool once = cli_flag(&w->cli->args, OPT_once) && w->storms;
    return !w->ended && !once && !cli_pace_over(&w->pace);
}

static struct err *loop(struct watch *w)
{
    const struct cli_args *a = &w->cli->args;
    cli_pace_begin(&w->pace, cli_num(a, OPT_interval),
                   a->opt[OPT_watch_for].given ? cli_num(a, OPT_watch_for) : 0);
    while (go_on(w)) {
        TRY(step(w));
        if (go_on(w))
            cli_pace_wait(&w->pace);
    }
    return NULL;
}

static void set_up(struct watch *w, struct cli *c)
{
    const struct cli_args *a = &c->args;
    w->every_ns = cli_num(a, OPT_every);
    w->storm.threshold = (uint32_t)cli_num(a, OPT_threshold);
    w->storm.growth_limit = (double)cli_num(a, OPT_growth);
    c->out.page = false;
}

struct err *run_watch(struct cli *c, int *ret_code)
{
    struct cli_subject subject = {0};
    struct watch w = {.cli = c, .subject = &subject};
    const char *pattern = cli_text(&c->args, OPT_on_storm);
    struct err *e = pattern ? cli_outfile_place(pattern) : NULL;
    if (!e)
        e = cli_subject_find_live(c, c->args.pos[0], &subject);
    set_up(&w, c);
    if (!e)
        e = cli_subject_open(&subject);
    if (!e)
        e = cli_watch_begin(&w.view, c, &subject);
    if (!e)
        e = loop(&w);
    cli_watch_end(&w.view);
    cli_subject_close(&subject);
    if (w.storms)
        *ret_code = CLI_FINDINGS;
    return e;
}

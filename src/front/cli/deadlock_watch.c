/* deadlock_watch.c - gospect deadlock --watch: look after look at one process.
 *
 * Each look is a snapshot of a forked copy, or one of those that were saved.  Only what the state
 * machine keeps (wait/states.h), and with --history what changed, is there after a look.  The page
 * of --history is written at the end, however that comes, and on the way. */
#include "front/cli/deadlock_watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "front/cli/outfile.h"
#include "front/cli/pace.h"
#include "report/history.h"
#include "snap/order.h"

enum {
    SAVE_PART = 16,
    ERRORS_MAX = 5,      /* looks in a row that fail before we give up */
    ALL_HOLDERS = 20000, /* up to so many goroutines, those that wait and hold a lock which nobody
                            waits for are told, too; livelock does not need them */
};

struct session {
    struct cli *cli;
    struct cli_subject subject;
    struct cli_pace pace;
    struct wait_states states;
    struct report_history *history; /* NULL: not asked for */
    unsigned errors;
    size_t goroutines; /* in the look before */
    uint32_t saved;    /* looks that the page on disk has */
    bool found, ended;
};

size_t cli_deadlock_limit(const struct cli *c)
{
    return c->args.opt[OPT_leaks_limit].given ? (size_t)cli_num(&c->args, OPT_leaks_limit)
                                              : DEADLOCK_LIMIT;
}

static struct err *say(struct session *x, const struct report_deadlock_look *r)
{
    struct cli *c = x->cli;
    struct report_sink out = {cli_out_write, &c->out};
    struct report_style style = {.width = c->term.width,
                                 .color = c->term.color,
                                 .full_names = cli_flag(&c->args, OPT_leaks_full)};
    cli_progress_clear(c);
    TRY(c->json ? report_deadlock_look_json(r, out) : report_deadlock_look_text(r, &style, out));
    return cli_out_flush(&c->out);
}

/* The page is written when there is twice as much in it, and when something was found: who is
 * killed has lost no more than half of the looks.  Writing costs as much as the looks, whatever
 * their number. */
static bool is_worth_saving(const struct session *x)
{
    const struct wait_states *st = &x->states;
    for (size_t i = 0; i < st->found.n && st->look >= x->saved + x->saved / SAVE_PART; i++)
        if (st->found.v[i].first > x->saved)
            return true;
    return st->look >= 2 * x->saved;
}

static struct err *save(struct session *x);

/* unix_ns: when it was seen. */
static struct err *judge(struct session *x, const struct snap *s, int64_t began, int64_t unix_ns)
{
    struct wait_graph *graph = NULL;
    struct wait_stuck stuck = {0};
    struct err *e = wait_open(s, NULL, NULL, &graph);
    if (!e)
        e = wait_find_stuck(graph, NULL, &stuck);
    if (!e)
        e = wait_states_feed(&x->states, graph, &stuck);
    if (!e) {
        struct report_deadlock_look r = {.now = {.graph = graph,
                                                 .stuck = &stuck,
                                                 .target = x->subject.text,
                                                 .limit = cli_deadlock_limit(x->cli),
                                                 .wall_ns = clock_mono_ns() - began},
                                         .states = &x->states,
                                         .unix_ns = unix_ns};
        x->goroutines = s->goroutine.n;
        x->found |= stuck.ncycles || stuck.nleft;
        if (x->history)
            report_history_add(x->history, &r);
        e = say(x, &r);
    }
    if (!e && x->history && is_worth_saving(x))
        e = save(x);
    wait_stuck_free(&stuck);
    wait_close(graph);
    return e;
}

static struct err *say_ended(struct session *x)
{
    struct cli *c = x->cli;
    struct json j;
    x->ended = true;
    cli_progress_clear(c);
    if (!c->json) {
        cli_note(c, "the process has ended");
        return NULL;
    }
    json_init(&j, cli_out_write, &c->out);
    json_begin(&j, '{');
    json_kstr(&j, "event", "ended");
    json_ki64(&j, "unix_ns", clock_wall_ns());
    json_ki64(&j, "pid", x->subject.pid);
    json_end(&j, '}');
    json_newline(&j);
    TRY(json_finish(&j));
    return cli_out_flush(&c->out);
}

static struct err *step(struct session *x)
{
    int64_t began = clock_mono_ns();
    struct rt_capture_options o = cli_capture_options(x->cli);
    struct snap *s = NULL;
    o.names = true;
    o.owners = x->goroutines <= ALL_HOLDERS ? RT_OWNERS_ALL : RT_OWNERS_ACTIVE;
    uint64_t *prints;
    o.nprints = wait_states_prints(&x->states, &prints);
    o.prints = prints;
    struct err *e = rt_capture(x->subject.rt, &o, &s);
    free(prints);
    if (e && cli_signal()) { /* Ctrl-C in the middle of a look: that look does not count */
        err_free(e);
        return NULL;
    }
    if (e && (err_code(e) == ERR_GONE || !cli_process_state(x->subject.pid))) {
        err_free(e);
        return say_ended(x);
    }
    if (e && ++x->errors < ERRORS_MAX) {
        cli_warn(x->cli, e);
        return NULL;
    }
    TRY(e);
    x->errors = 0;
    e = judge(x, s, began, clock_wall_ns());
    snap_free(s);
    return e;
}

/* ---- the page ---- */

/* Never half: it is written beside, and takes the name when it is whole. */
static struct err *save(struct session *x)
{
    struct file_out out;
    TRY(file_out_open(cli_text(&x->cli->args, OPT_history), 0644, &out));
    TRY(file_out_end(&out, report_history_write(x->history, cli_file_sink(&out))));
    x->saved = x->states.look;
    return NULL;
}

/* What there is, whatever came in between.  That it could not be written is said once. */
static struct err *end_page(struct session *x, struct err *e)
{
    struct err *failed = x->saved == x->states.look && x->saved ? NULL : save(x);
    if (failed && e && strcmp(err_message(failed), err_message(e)) == 0) {
        err_free(failed);
        return e;
    }
    if (failed && e) {
        cli_warn(x->cli, failed);
        return e;
    }
    if (!failed)
        cli_note(x->cli, "%s walks back through the states, in any browser",
                 cli_text(&x->cli->args, OPT_history));
    return failed ? failed : e;
}

/* ---- the whole ---- */

static struct err *loop(struct session *x)
{
    while (!x->ended && !cli_pace_over(&x->pace)) {
        TRY(step(x));
        if (!x->ended)
            cli_pace_wait(&x->pace);
    }
    return NULL;
}

/* ---- snapshots instead of a process ---- */

static struct err *take_snapshot(struct session *x, const char *text, struct snap **before)
{
    struct snap *s = NULL;
    int64_t began = clock_mono_ns();
    struct rt_capture_options o = cli_capture_options(x->cli);
    o.names = true;
    o.owners = RT_OWNERS_ALL;
    o.prints_likely = true;
    cli_subject_close(&x->subject);
    TRY(cli_subject_find(x->cli, text, &x->subject));
    if (x->subject.kind == CLI_LIVE)
        return err_hint(
            err_new(ERR_USAGE, "%s is a running process, and NEXT... are snapshots", text),
            "gospect deadlock --watch looks at a process again and again");
    TRY(cli_subject_open(&x->subject));
    TRY(cli_subject_snap(&x->subject, &o, &s));
    enum snap_order order = *before ? snap_compare(*before, s) : SNAP_LATER;
    struct err *e = order == SNAP_OF_OTHER
                        ? err_new(ERR_USAGE, "%s is of another process than those before it", text)
                    : order == SNAP_EARLIER
                        ? err_new(ERR_USAGE, "%s was taken before the one that precedes it", text)
                        : judge(x, s, began, snap_meta_i64(s, SNAP_META_taken_wall_ns, 0));
    snap_free(*before);
    *before = s;
    return e;
}

static struct err *all_snapshots(struct session *x)
{
    const struct cli_args *a = &x->cli->args;
    struct snap *before = NULL;
    struct err *e = NULL;
    for (size_t i = 0; !e && i < a->npos + a->more.n && !cli_signal(); i++)
        e = take_snapshot(x, i < a->npos ? a->pos[i] : a->more.v[i - a->npos], &before);
    snap_free(before);
    return e;
}

static struct err *look_at_process(struct session *x)
{
    const struct cli_args *a = &x->cli->args;
    TRY(cli_subject_find_live(x->cli, a->pos[0], &x->subject));
    TRY(cli_subject_open(&x->subject));
    cli_pace_begin(&x->pace, cli_num(a, OPT_deadlock_interval),
                   a->opt[OPT_deadlock_for].given ? cli_num(a, OPT_deadlock_for) : 0);
    return loop(x);
}

static struct err *say_sum(struct session *x)
{
    struct cli *c = x->cli;
    struct report_style style = {.width = c->term.width, .color = c->term.color};
    if (c->json)
        return NULL;
    return report_deadlock_sum_text(&x->states, &style,
                                    (struct report_sink){cli_out_write, &c->out});
}

struct err *cli_deadlock_watch(struct cli *c, int *ret_code)
{
    struct session x = {.cli = c};
    c->out.page = false;
    if (c->args.opt[OPT_history].given)
        x.history = report_history_new();
    struct err *e = c->args.npos > 1 ? all_snapshots(&x) : look_at_process(&x);
    if (!e)
        e = say_sum(&x);
    if (x.history && (!e || x.states.look))
        e = end_page(&x, e);
    if (x.found)
        *ret_code = CLI_FINDINGS;
    report_history_free(x.history);
    wait_states_free(&x.states);
    cli_subject_close(&x.subject);
    return e;
}

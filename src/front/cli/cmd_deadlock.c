/* cmd_deadlock.c - gospect deadlock: who waits for each other, and locks that nobody releases. Exit
 * code 1 when there is one. */
#include "base/clock.h"
#include "front/cli/deadlock_watch.h"
#include "report/deadlock.h"

struct visit {
    struct snap *snap;
    struct wait_graph *graph;
    struct wait_stuck stuck;
    struct buf word;
};

static struct err *evidence(struct cli *c, struct visit *v)
{
    struct cli_subject subject = {0};
    struct rt_capture_options o = cli_capture_options(c);
    o.names = true;
    o.owners = RT_OWNERS_WAITED;
    struct err *e = cli_subject_find(c, c->args.pos[0], &subject);
    if (!e)
        e = cli_subject_open(&subject);
    if (!e)
        e = cli_subject_snap(&subject, &o, &v->snap);
    if (!e)
        cli_subject_word(&subject, &v->word);
    cli_subject_close(&subject);
    return e;
}

static struct err *say(struct cli *c, const struct report_deadlock *r)
{
    struct report_sink out = {cli_out_write, &c->out};
    struct report_style style = {.width = c->term.width,
                                 .color = c->term.color,
                                 .full_names = cli_flag(&c->args, OPT_leaks_full)};
    cli_progress_clear(c);
    return c->json ? report_deadlock_json(r, out) : report_deadlock_text(r, &style, out);
}

static struct err *look_once(struct cli *c, int *ret_code)
{
    int64_t began = clock_mono_ns();
    struct visit v = {0};
    struct err *e = evidence(c, &v);
    if (!e)
        e = wait_open(v.snap, NULL, NULL, &v.graph);
    if (!e)
        e = wait_find_stuck(v.graph, NULL, &v.stuck);
    if (!e) {
        struct report_deadlock r = {.graph = v.graph,
                                    .stuck = &v.stuck,
                                    .target = buf_text(&v.word),
                                    .limit = cli_deadlock_limit(c),
                                    .wall_ns = clock_mono_ns() - began};
        e = say(c, &r);
        if (v.stuck.ncycles || v.stuck.nleft)
            *ret_code = CLI_FINDINGS;
    }
    wait_stuck_free(&v.stuck);
    wait_close(v.graph);
    snap_free(v.snap);
    buf_free(&v.word);
    return e;
}

/* What has a meaning with --watch only; the page, with several snapshots, too. */
static struct err *check(const struct cli *c)
{
    static const enum cli_opt_id needs_watch[] = {OPT_deadlock_interval, OPT_deadlock_for,
                                                  OPT_history};
    bool watch = cli_flag(&c->args, OPT_deadlock_watch), many = c->args.npos > 1;
    if (watch && many)
        return err_new(ERR_USAGE,
                       "--watch takes one running process; several snapshots need no option");
    for (size_t i = 0; i < ARRAY_LEN(needs_watch); i++)
        if (c->args.opt[needs_watch[i]].given && !watch && !(many && needs_watch[i] == OPT_history))
            return err_new(ERR_USAGE, "--%s needs --watch", cli_opts[needs_watch[i]].name);
    return NULL;
}

struct err *run_deadlock(struct cli *c, int *ret_code)
{
    TRY(check(c));
    return cli_flag(&c->args, OPT_deadlock_watch) || c->args.npos > 1
               ? cli_deadlock_watch(c, ret_code)
               : look_once(c, ret_code);
}

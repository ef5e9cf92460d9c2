/* cmd_goroutines.c - gospect goroutines: what every goroutine does. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "front/cli/outfile.h"
#include "front/cli/subject.h"
#include "report/goroutines.h"

/* What the options ask for, made ready for snap/ and report/. */
struct request {
    VEC(struct snap_filter *) filters;
    struct snap_rows rows;
    struct snap_groups *groups; /* NULL: one by one */
    struct report_goroutines report;
    struct report_style style;
};

static struct err *compile_filters(struct cli *c, struct request *q)
{
    for (size_t i = 0; i < c->args.list.n; i++) {
        struct snap_filter *f;
        TRY(err_hint(snap_filter_compile(c->args.list.v[i], &f),
                     "gospect help goroutines explains filters"));
        vec_push(&q->filters, f);
    }
    return NULL;
}

static void request_free(struct request *q)
{
    for (size_t i = 0; i < q->filters.n; i++)
        snap_filter_free(q->filters.v[i]);
    vec_free(&q->filters);
    snap_rows_free(&q->rows);
    snap_groups_free(q->groups);
}

/* Chooses, sorts and groups: what the report then shows. */
static struct err *choose(struct cli *c, const struct snap *s, struct request *q)
{
    const struct cli_args *a = &c->args;
    struct snap_selection sel = {.filters = (const struct snap_filter *const *)q->filters.v,
                                 .nfilters = q->filters.n,
                                 .system = cli_flag(a, OPT_system)};
    enum snap_sort sort = (enum snap_sort)cli_num(a, OPT_sort); /* the words stand in this order */
    bool full = cli_flag(a, OPT_full), grouped = a->opt[OPT_group_by].given > 0;
    TRY(snap_select(s, &sel, &q->rows));
    snap_sort_rows(s, &q->rows, sort);
    if ((!full && !c->json) || grouped) {
        struct snap_group_options o = {.by = (enum snap_group_by)cli_num(a, OPT_group_by),
                                       .sort = sort};
        TRY(snap_group(s, &q->rows, &o, &q->groups));
    }
    q->report = (struct report_goroutines){
        .snap = s,
        .rows = &q->rows,
        .groups = q->groups,
        .goroutines = full || !grouped,
        .limit = full || c->json ? 0 : REPORT_LIMIT_DEFAULT,
        .depth = full || c->json ? 0 : REPORT_DEPTH_DEFAULT,
        .runtime_frames = full,
        .locals = cli_flag(a, OPT_locals),
        .filtered = q->filters.n > 0,
    };
    if (a->opt[OPT_limit].given)
        q->report.limit = (uint64_t)cli_num(a, OPT_limit);
    if (a->opt[OPT_depth].given)
        q->report.depth = (unsigned)cli_num(a, OPT_depth);
    q->style =
        (struct report_style){.width = c->term.width, .color = c->term.color, .full_names = full};
    return NULL;
}

static struct err *write_pprof(struct cli *c, const struct snap *s, const struct request *q)
{
    const char *path = cli_text(&c->args, OPT_pprof);
    struct file_out out;
    if (strcmp(path, "-") == 0)
        return report_goroutines_pprof(s, &q->rows, (struct report_sink){cli_out_write, &c->out});
    TRY(file_out_open(path, 0644, &out));
    TRY(file_out_end(&out, report_goroutines_pprof(s, &q->rows, cli_file_sink(&out))));
    cli_note(c, "%s holds a profile of %zu goroutines: go tool pprof %s", path, q->rows.n, path);
    return NULL;
}

static struct err *show(struct cli *c, const struct snap *s, int64_t began, struct request *q)
{
    struct report_sink out = {cli_out_write, &c->out};
    TRY(choose(c, s, q));
    if (cli_text(&c->args, OPT_pprof)) {
        c->out.page = false;
        return write_pprof(c, s, q);
    }
    q->report.wall_ns = clock_mono_ns() - began;
    cli_progress_clear(c);
    if (c->json)
        return report_goroutines_json(&q->report, out);
    return report_goroutines_text(&q->report, &q->style, out);
}

/* Standard output can hold one thing. */
static struct err *one_output(struct cli *c)
{
    const char *pprof = cli_text(&c->args, OPT_pprof);
    if (!pprof || strcmp(pprof, "-") != 0)
        return NULL;
    if (c->json)
        return err_new(ERR_USAGE, "--json and --pprof=- both want standard output: choose one");
    if (c->term.out_tty)
        return err_hint(err_new(ERR_USAGE, "a profile is nothing for a terminal"),
                        "Give --pprof the name of a file, or send it to another program");
    return NULL;
}

/* Groups show the variables of one goroutine of each stack; everything else may show any. */
static struct rt_capture_options capture_options(struct cli *c)
{
    struct rt_capture_options o = cli_capture_options(c);
    bool groups = !cli_flag(&c->args, OPT_full) && !c->json && !c->args.list.n;
    if (o.locals && groups)
        o.locals = RT_LOCALS_STACKS;
    return o;
}

struct err *run_goroutines(struct cli *c, int *ret_code)
{
    int64_t began = clock_mono_ns();
    struct rt_capture_options o = capture_options(c);
    struct cli_subject subject = {0};
    struct request q = {0};
    struct snap *s = NULL;
    struct err *e = one_output(c);
    if (!e)
        e = compile_filters(c, &q); /* before anything is touched */
    if (!e)
        e = cli_subject_find(c, c->args.pos[0], &subject);
    if (!e)
        e = cli_subject_open(&subject);
    if (!e)
        e = cli_subject_snap(&subject, &o, &s);
    cli_subject_close(&subject);
    if (!e)
        e = show(c, s, began, &q);
    request_free(&q);
    snap_free(s);
    return e;
}

/* cmd_waits.c - gospect waits: who waits for what. */
#include <string.h>

#include "base/clock.h"
#include "front/cli/outfile.h"
#include "front/cli/subject.h"
#include "report/waits.h"

struct request {
    VEC(struct snap_filter *) filters;
    struct snap *snap;
    struct heap_graph *heap; /* NULL: the snapshot has none */
    struct snap_rows rows;
    struct wait_graph *graph;
};

static void request_free(struct request *q)
{
    for (size_t i = 0; i < q->filters.n; i++)
        snap_filter_free(q->filters.v[i]);
    vec_free(&q->filters);
    wait_close(q->graph);
    snap_rows_free(&q->rows);
    if (q->heap)
        heap_close(q->heap);
    snap_free(q->snap);
}

/* Standard output can hold one thing. */
static struct err *check(const struct cli *c)
{
    const char *svg = cli_text(&c->args, OPT_waits_svg);
    int wanted = (svg && strcmp(svg, "-") == 0) + cli_flag(&c->args, OPT_dot) + c->json;
    return wanted > 1 ? err_new(ERR_USAGE, "--json, --dot and --svg=- all want standard output: "
                                           "choose one")
                      : NULL;
}

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

static struct err *evidence(struct cli *c, struct request *q)
{
    struct cli_subject subject = {0};
    struct rt_capture_options o = cli_capture_options(c);
    o.heap = cli_flag(&c->args, OPT_waits_heap);
    o.names = true;
    o.owners = RT_OWNERS_WAITED;
    struct err *e = cli_subject_find(c, c->args.pos[0], &subject);
    if (!e)
        e = cli_subject_open(&subject);
    if (!e)
        e = cli_subject_snap(&subject, &o, &q->snap);
    cli_subject_close(&subject);
    return e;
}

static struct err *build(struct cli *c, struct request *q)
{
    struct snap_selection sel = {.filters = (const struct snap_filter *const *)q->filters.v,
                                 .nfilters = q->filters.n,
                                 .system = cli_flag(&c->args, OPT_system)};
    struct heap_options o = {.mark_only = true, .progress = &c->progress.base};
    if (q->snap->span.n)
        TRY(heap_open(q->snap, &o, &q->heap));
    TRY(snap_select(q->snap, &sel, &q->rows));
    return wait_open(q->snap, &q->rows, q->heap, &q->graph);
}

static struct err *write_svg(struct cli *c, const struct report_waits *r, const char *path)
{
    struct file_out out;
    TRY(file_out_open(path, 0644, &out));
    TRY(file_out_end(&out, report_waits_svg(r, cli_file_sink(&out))));
    cli_note(c, "%s shows it as a picture, for any browser", path);
    return NULL;
}

static struct err *show(struct cli *c, const struct report_waits *r)
{
    struct report_style style = {.width = c->term.width, .color = c->term.color};
    struct report_sink out = {cli_out_write, &c->out};
    const char *svg = cli_text(&c->args, OPT_waits_svg);
    cli_progress_clear(c);
    if (svg && strcmp(svg, "-") == 0) {
        c->out.page = false;
        return report_waits_svg(r, out);
    }
    if (svg)
        TRY(write_svg(c, r, svg));
    if (cli_flag(&c->args, OPT_dot))
        return report_waits_dot(r, out);
    return c->json ? report_waits_json(r, out) : report_waits_text(r, &style, out);
}

struct err *run_waits(struct cli *c, int *ret_code)
{
    int64_t began = clock_mono_ns();
    struct request q = {0};
    struct err *e = check(c);
    if (!e)
        e = compile_filters(c, &q); /* before anything is touched */
    if (!e)
        e = evidence(c, &q);
    if (!e)
        e = build(c, &q);
    if (!e) {
        struct report_waits r = {.graph = q.graph,
                                 .limit = (size_t)cli_num(&c->args, OPT_waits_limit),
                                 .wall_ns = clock_mono_ns() - began};
        e = show(c, &r);
    }
    request_free(&q);
    return e;
}

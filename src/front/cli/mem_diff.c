/* mem_diff.c - gospect mem diff: opens two heaps, compares, reports; see mem_diff.h.
 *
 * The comparison itself needs liveness alone; the graph of the later heap is needed to tell where
 * new objects hang.  Its search and its dominators take longest, and one core; beside them another
 * one reads the earlier snapshot, marks both and compares them. */
#include "front/cli/mem_diff.h"

#include "base/avail.h"
#include "base/clock.h"
#include "base/pool.h"
#include "front/cli/heap_look.h"
#include "front/cli/mem_profiles.h"
#include "report/heap_diff.h"

enum { LIMIT_DEFAULT = 15 };

struct mem_diff {
    struct cli *cli;
    const char *before, *after; /* as the user wrote them */
    struct heap_look a, b;
    struct heap_diff *diff;
    struct heap_survival lives;
    struct mem_profiles profiles;
    int64_t began_ns;
    /* two snapshots at once */
    struct cli_subject earlier;
    struct heap_graph *marked; /* of the later one */
    struct progress silent;    /* whether to stop, and nothing is shown */
};

static const struct heap_options marks = {.keep_edges = true, .mark_only = true, .no_totals = true},
                                 graphs = {.keep_edges = true, .no_totals = true};

/* ---- survival ---- */

static const char *interval_before(const struct mem_diff *m)
{
    return cli_text(&m->cli->args, OPT_earlier);
}

/* With --earlier: against the interval from what it names up to the first of the two. */
static struct err *compare_survival(struct mem_diff *m)
{
    static const struct heap_options alone = {.mark_only = true, .no_totals = true};
    struct heap_diff_options o = {.progress = &m->cli->progress.base};
    const char *path = interval_before(m);
    struct heap_look z = {0};
    struct heap_diff *before = NULL;
    struct err *e = heap_look_open(m->cli, path, &alone, NULL, &z);
    if (!e)
        e = err_wrap(heap_diff(z.graph, m->a.graph, &o, &before), "--earlier %s", path);
    if (!e)
        e = heap_survival(m->diff, before, &m->lives);
    heap_diff_free(before);
    heap_look_free(&z);
    return e;
}

/* ---- report ---- */

static struct err *show(struct cli *c, const struct heap_site_options *so,
                        struct report_heap_diff *r)
{
    struct report_style style = {.width = c->term.width, .color = c->term.color};
    struct report_sink out = {cli_out_write, &c->out};
    struct heap_site_rows sites;
    struct err *none = heap_cross_check(r->diff, so, &sites);
    if (none) {
        r->no_sites = err_message(none);
    } else {
        r->sites = &sites;
    }
    cli_progress_clear(c);
    struct err *e = c->json ? report_heap_diff_json(r, out) : report_heap_diff_text(r, &style, out);
    if (!none)
        heap_site_rows_free(&sites);
    err_free(none);
    return e;
}

static struct err *report(struct mem_diff *m)
{
    struct cli *c = m->cli;
    struct report_heap_diff r = {.diff = m->diff,
                                 .survival = &m->lives,
                                 .limit = c->json ? 0 : LIMIT_DEFAULT,
                                 .wall_ns = clock_mono_ns() - m->began_ns,
                                 .later = buf_text(&m->b.word)};
    if (c->args.opt[OPT_heap_limit].given)
        r.limit = (size_t)cli_num(&c->args, OPT_heap_limit);
    struct heap_site_options o = mem_profiles_options(&m->profiles);
    if (o.after) {
        TRY(mem_profiles_check(c, &m->profiles, m->a.snap, m->b.snap));
        r.profiles = c->args.list.v;
        r.nprofiles = c->args.list.n;
    }
    return show(c, &o, &r);
}

/* ---- one after the other ---- */

static struct err *in_turn(struct mem_diff *m)
{
    struct heap_diff_options o = {.progress = &m->cli->progress.base};
    TRY(heap_look_open(m->cli, m->before, &marks, NULL, &m->a));
    TRY(heap_look_open(m->cli, m->after, &graphs, NULL, &m->b));
    TRY(heap_diff(m->a.graph, m->b.graph, &o, &m->diff));
    return interval_before(m) ? NULL : heap_survival(m->diff, NULL, &m->lives);
}

/* ---- both at once ---- */

static struct err *compare(struct mem_diff *m)
{
    struct heap_options o = marks;
    o.progress = &m->silent;
    TRY(heap_look_file(&m->earlier, &m->a));
    TRY(heap_open(m->a.snap, &o, &m->a.graph));
    TRY(heap_open(m->b.snap, &o, &m->marked));
    TRY(heap_diff(m->a.graph, m->marked, &(struct heap_diff_options){.progress = &m->silent},
                  &m->diff));
    return interval_before(m) ? NULL : heap_survival(m->diff, NULL, &m->lives);
}

static struct err *half(void *arg, size_t i, unsigned worker)
{
    struct mem_diff *m = arg;
    if (i == 0) {
        struct heap_options o = graphs;
        o.progress = &m->cli->progress.base;
        return heap_open(m->b.snap, &o, &m->b.graph);
    }
    unsigned limit = pool_limit(1);
    struct err *e = compare(m);
    pool_limit(limit);
    return e;
}

/* Whether there is memory for all at once; two snapshots of one process are of about one size. */
static bool have_room(const struct snap *later)
{
    uint64_t needed = snap_memory(later) + 2 * heap_memory_needed(later, &marks) +
                      heap_memory_needed(later, &graphs);
    return needed <= mem_available(NULL);
}

static struct err *at_once(struct mem_diff *m)
{
    m->silent.cancelled = m->cli->progress.base.cancelled;
    TRY(pool_run(2, half, m));
    cli_subject_remarks(&m->earlier, m->a.snap);
    return heap_diff_hang(m->diff, m->b.graph, NULL);
}

/* ---- all ---- */

static struct err *open_both(struct mem_diff *m)
{
    struct cli_subject later = {0};
    TRY(cli_subject_find(m->cli, m->before, &m->earlier));
    TRY(cli_subject_find(m->cli, m->after, &later));
    if (m->earlier.kind != CLI_SNAP || later.kind != CLI_SNAP || pool_width() == 1)
        return in_turn(m);
    TRY(heap_look_file(&later, &m->b));
    if (!have_room(m->b.snap)) {
        heap_look_free(&m->b);
        m->b = (struct heap_look){0};
        return in_turn(m);
    }
    cli_subject_remarks(&later, m->b.snap);
    return at_once(m);
}

struct err *mem_diff(struct cli *c, const char *before, const char *after)
{
    struct mem_diff m = {.cli = c, .before = before, .after = after, .began_ns = clock_mono_ns()};
    struct err *e = mem_profiles_read(c, &m.profiles);
    if (!e)
        e = open_both(&m);
    if (!e && interval_before(&m))
        e = compare_survival(&m);
    if (!e)
        e = heap_diff_find_paths(m.diff, m.b.graph, LIMIT_DEFAULT, &c->progress.base);
    if (!e)
        e = report(&m);
    heap_survival_free(&m.lives);
    mem_profiles_free(&m.profiles);
    heap_diff_free(m.diff);
    heap_close(m.marked);
    heap_look_free(&m.a);
    heap_look_free(&m.b);
    return e;
}

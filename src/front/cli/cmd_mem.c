/* cmd_mem.c - gospect mem: the runtime's memory figures, and what changed between two moments. */
#include <string.h>

#include "base/clock.h"
#include "front/cli/heap_look.h"
#include "front/cli/mem_semantic.h"
#include "report/heap_diff.h"
#include "report/memstats.h"

enum { LIMIT_DEFAULT = 15 };

static struct err *stats(struct cli *c)
{
    struct report_style style = {.width = c->term.width, .color = c->term.color};
    struct report_sink out = {cli_out_write, &c->out};
    struct snap *s = NULL;
    struct err *e = cli_info_of(c, c->args.pos[1], &s);
    if (!e)
        e = c->json ? report_memstats_json(s, out) : report_memstats_text(s, &style, out);
    snap_free(s);
    return e;
}

/* ---- diff ---- */

static struct err *show_diff(struct cli *c, struct report_heap_diff *r)
{
    struct report_style style = {.width = c->term.width, .color = c->term.color};
    struct report_sink out = {cli_out_write, &c->out};
    struct heap_site_options so = {0};
    struct heap_site_rows sites;
    struct err *none = heap_cross_check(r->diff, &so, &sites);
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

/* The interval before: what --earlier names, up to the first of the two. */
static struct err *survival(struct cli *c, const struct heap_look *a, const struct heap_diff *d,
                            struct heap_survival *ret)
{
    const char *path = cli_text(&c->args, OPT_earlier);
    struct heap_options marks = {.mark_only = true};
    struct heap_diff_options o = {.progress = &c->progress.base};
    struct heap_look z = {0};
    struct heap_diff *before = NULL;
    if (!path)
        return heap_survival(d, NULL, ret);
    struct err *e = heap_look_open(c, path, &marks, 0, &z);
    if (!e)
        e = err_wrap(heap_diff(z.graph, a->graph, &o, &before), "--earlier %s", path);
    if (!e)
        e = heap_survival(d, before, ret);
    heap_diff_free(before);
    heap_look_free(&z);
    return e;
}

static struct err *compare(struct cli *c, const struct heap_look *a, const struct heap_look *b,
                           int64_t began)
{
    struct heap_diff_options o = {.progress = &c->progress.base};
    struct heap_survival lives;
    struct heap_diff *d;
    TRY(heap_diff(a->graph, b->graph, &o, &d));
    struct err *e = survival(c, a, d, &lives);
    if (e) {
        heap_diff_free(d);
        return e;
    }
    struct report_heap_diff r = {.diff = d,
                                 .survival = &lives,
                                 .limit = c->json ? 0 : LIMIT_DEFAULT,
                                 .wall_ns = clock_mono_ns() - began,
                                 .later = buf_text((struct buf *)&b->word)};
    if (c->args.opt[OPT_heap_limit].given)
        r.limit = (size_t)cli_num(&c->args, OPT_heap_limit);
    e = heap_diff_find_paths(d, b->graph, LIMIT_DEFAULT, &c->progress.base);
    if (!e)
        e = show_diff(c, &r);
    heap_survival_free(&lives);
    heap_diff_free(d);
    return e;
}

static struct err *diff(struct cli *c, const char *before, const char *after, int *ret_code)
{
    if (cli_flag(&c->args, OPT_semantic))
        return mem_semantic(c, before, after, ret_code);
    int64_t began = clock_mono_ns();
    struct heap_options earlier = {.keep_edges = true, .mark_only = true},
                        later = {.keep_edges = true};
    struct heap_look a = {0}, b = {0};
    struct err *e = heap_look_open(c, before, &earlier, 0, &a);
    if (!e)
        e = heap_look_open(c, after, &later, 0, &b);
    if (!e)
        e = compare(c, &a, &b, began);
    heap_look_free(&a);
    heap_look_free(&b);
    return e;
}

static struct err *usage(const char *what)
{
    return err_hint(err_new(ERR_USAGE, "%s", what),
                    "gospect mem diff BEFORE AFTER compares two snapshots that were saved with "
                    "gospect snapshot --heap");
}

struct err *run_mem(struct cli *c, int *ret_code)
{
    const struct cli_args *a = &c->args;
    const char *before = cli_text(a, OPT_diff_before), *after = cli_text(a, OPT_diff_after);
    TRY(mem_semantic_check(a));
    if (cli_text(a, OPT_earlier) &&
        (cli_flag(a, OPT_semantic) || (strcmp(a->pos[0], "diff") != 0 && !before)))
        return usage("--earlier belongs to mem diff of two heaps");
    if (strcmp(a->pos[0], "diff") == 0) {
        if (!a->pos[2])
            return usage("mem diff needs two snapshots");
        return diff(c, a->pos[1], a->pos[2], ret_code);
    }
    if (strcmp(a->pos[0], "stats") != 0)
        return usage("mem knows stats and diff");
    if (a->pos[2])
        return usage("mem stats looks at one process");
    if (!before != !after)
        return usage("--diff-before and --diff-after belong together");
    if (before)
        return diff(c, before, after, ret_code);
    if (cli_flag(a, OPT_semantic))
        return usage("--semantic belongs to mem diff");
    return stats(c);
}

/* cmd_mem.c - gospect mem: the runtime's memory figures, and what changed between two moments. */
#include <string.h>

#include "front/cli/mem_diff.h"
#include "front/cli/mem_semantic.h"
#include "front/cli/subject.h"
#include "report/memstats.h"

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

static struct err *usage(const char *what)
{
    return err_hint(err_new(ERR_USAGE, "%s", what),
                    "gospect mem diff BEFORE AFTER compares two snapshots that were saved with "
                    "gospect snapshot --heap");
}

static struct err *diff(struct cli *c, const char *before, const char *after, int *ret_code)
{
    if (cli_flag(&c->args, OPT_semantic) && cli_flag(&c->args, OPT_profile))
        return usage("--profile has no meaning with --semantic");
    if (cli_flag(&c->args, OPT_semantic))
        return mem_semantic(c, before, after, ret_code);
    return mem_diff(c, before, after);
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
    if (cli_flag(a, OPT_profile))
        return usage("--profile belongs to mem diff");
    return stats(c);
}

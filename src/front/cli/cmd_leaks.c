/* cmd_leaks.c - gospect leaks: goroutines that nothing can ever wake.  Exit code 1 when one is
 * proved, so that a test run can end with it. */
#include "base/clock.h"
#include "front/cli/heap_look.h"
#include "report/leaks.h"

enum { LIMIT_DEFAULT = 10 };

static struct err *say(struct cli *c, const struct report_leaks *r)
{
    struct report_sink out = {cli_out_write, &c->out};
    struct report_style style = {.width = c->term.width,
                                 .color = c->term.color,
                                 .full_names = cli_flag(&c->args, OPT_leaks_full)};
    cli_progress_clear(c);
    return c->json ? report_leaks_json(r, out) : report_leaks_text(r, &style, out);
}

struct err *run_leaks(struct cli *c, int *ret_code)
{
    int64_t began = clock_mono_ns();
    const struct cli_args *a = &c->args;
    const struct heap_options o = {.keep_edges = true};
    struct heap_look look;
    struct wait_leaks leaks = {0};
    struct err *e = heap_look_owners(c, a->pos[0], &o, &look);
    if (!e)
        e = wait_find_leaks(look.graph, &c->progress.base, &leaks);
    if (!e)
        e = wait_leaks_infer(look.graph, &leaks);
    if (!e) {
        struct report_leaks r = {.graph = look.graph,
                                 .leaks = &leaks,
                                 .target = buf_text(&look.word),
                                 .limit = LIMIT_DEFAULT,
                                 .wall_ns = clock_mono_ns() - began};
        if (a->opt[OPT_leaks_limit].given)
            r.limit = (size_t)cli_num(a, OPT_leaks_limit);
        e = say(c, &r);
        if (leaks.by_class[WAIT_LEAK_PROVED] || leaks.by_class[WAIT_LEAK_BEYOND])
            *ret_code = CLI_FINDINGS;
    }
    wait_leaks_free(&leaks);
    heap_look_free(&look);
    return e;
}

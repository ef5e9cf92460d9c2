/* cmd_info.c - gospect info: binary, build, settings, runtime counters. */
#include "front/cli/subject.h"
#include "report/info.h"

struct err *run_info(struct cli *c, int *ret_code)
{
    struct report_style style = {.width = c->term.width, .color = c->term.color};
    struct report_sink out = {cli_out_write, &c->out};
    struct snap *s = NULL;
    struct err *e = cli_info_of(c, c->args.pos[0], &s);
    if (!e)
        e = c->json ? report_info_json(s, out) : report_info_text(s, &style, out);
    snap_free(s);
    return e;
}

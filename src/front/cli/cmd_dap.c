/* cmd_dap.c - gospect dap: the server of the Debug Adapter Protocol (front/dap). */
#include <string.h>

#include "front/cli/subject.h"
#include "front/dap/dap.h"

static struct err *find(void *arg, const char *name, pid_t *ret)
{
    struct cli_subject s = {0};
    struct buf text = {0};
    buf_printf(&text, "name:%s", name);
    struct err *e = cli_subject_find_live(arg, buf_text(&text), &s);
    if (!e)
        *ret = s.pid;
    cli_subject_close(&s);
    buf_free(&text);
    return e;
}

static void say(void *arg, const char *text)
{
    cli_note(arg, "%s", text);
}

struct err *run_dap(struct cli *c, int *ret_code)
{
    struct dap_options o = {
        .listen = cli_text(&c->args, OPT_listen),
        .any_address = cli_flag(&c->args, OPT_allow_remote),
        .log = cli_text(&c->args, OPT_dap_log),
        .terminal = cli_text(&c->args, OPT_terminal),
        .find = find,
        .find_arg = c,
        .say = say,
        .say_arg = c,
        .signal = cli_signal,
    };
    return dap_serve(&o);
}

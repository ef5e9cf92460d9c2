/* cmd_complete.c - gospect complete WHAT: candidates for the completion scripts (completion.c).
 *
 * One a line: what to type, a tab, what it is.  Names are offered where they say one process only.
 */
#include <string.h>

#include "front/cli/cli_int.h"
#include "front/cli/procs.h"

static size_t called(const struct cli_procs *procs, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < procs->v.n; i++)
        n += cli_proc_is_called(&procs->v.v[i], name);
    return n;
}

struct err *run_complete(struct cli *c, int *ret_code)
{
    struct cli_procs procs;
    struct buf b = {0};
    c->out.page = false;
    TRY(cli_procs_list(false, &procs));
    for (size_t i = 0; i < procs.v.n; i++) {
        const struct cli_proc *p = &procs.v.v[i];
        bool plain = !strpbrk(p->name, " \t\n'\"\\$`;&|<>()");
        buf_printf(&b, "%d\t", p->pid);
        buf_printf(&b, "%s %s\n", plain ? p->name : "", p->go_version);
        if (plain && called(&procs, p->name) == 1)
            buf_printf(&b, "%s\tpid %d %s\n", p->name, p->pid, p->go_version);
    }
    cli_procs_free(&procs);
    struct err *e = cli_out_text(&c->out, &b);
    buf_free(&b);
    return e;
}

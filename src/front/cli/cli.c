/* cli.c - one run of the program: read the command line, run the command, say how it went. */
#include "front/cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "front/cli/cli_int.h"
#include "front/cli/manual.h"
#include "front/cli/outfile.h"

#define PARAM(id, name, required, complete, help)
#define CMD(id, arg1, arg2, arg3, flags, summary) [CMD_##id] = run_##id,
static struct err *(*const run[CLI_NCMD])(struct cli *c, int *ret_code) = {
#include "front/cli/commands.def"
};
#undef PARAM
#undef CMD

struct err *run_help(struct cli *c, int *ret_code)
{
    const char *name = c->args.pos[0];
    const struct cli_cmd *cmd = name ? cli_cmd_find(name, strlen(name)) : NULL;
    if (name && strcmp(name, "gospect") != 0 && !cmd)
        return err_hint(err_new(ERR_USAGE, "help: there is no command \"%s\"", name),
                        "gospect help lists the commands");
    struct buf b = {0};
    if (name)
        cli_manual_page(&b, &c->term, cmd);
    else
        cli_manual_overview(&b, &c->term);
    struct err *e = cli_out_text(&c->out, &b);
    buf_free(&b);
    return e;
}

struct err *run_completion(struct cli *c, int *ret_code)
{
    struct buf b = {0};
    c->out.page = false;
    if (!cli_completion(&b, c->args.pos[0])) {
        buf_free(&b);
        return err_hint(
            err_new(ERR_USAGE, "there is no completion for the shell \"%s\"", c->args.pos[0]),
            "Known are bash, zsh and fish");
    }
    struct err *e = cli_out_text(&c->out, &b);
    buf_free(&b);
    return e;
}

/* gospect --help, gospect COMMAND --help, gospect --version, or nothing at all. */
static struct err *run_without_command(struct cli *c, int *ret_code)
{
    struct buf b = {0};
    if (cli_flag(&c->args, OPT_version))
        return run_version(c, ret_code);
    if (c->args.cmd)
        cli_manual_usage(&b, &c->term, c->args.cmd);
    else
        cli_manual_overview(&b, &c->term);
    struct err *e = cli_out_text(&c->out, &b);
    buf_free(&b);
    return e;
}

/* Ends by the signal that stopped us, so that a shell loop around us ends, too. */
static void end_by_signal(int sig)
{
    signal(sig, SIG_DFL);
    raise(sig);
}

static int exit_code_of(const struct err *e)
{
    return err_code(e) == ERR_USAGE ? CLI_USAGE : CLI_COULD_NOT;
}

/* What became of the process we were looking at: looked up, not assumed. */
static const char *how_it_is(pid_t pid)
{
    static char text[80];
    char state = cli_process_state(pid);
    snprintf(text, sizeof(text), "process %d %s", pid,
             !state         ? "has ended"
             : state == 'T' ? "is stopped by a signal, as before"
             : state == 't' ? "is held by another tracer"
                            : "runs on as before");
    return text;
}

/* How it went: says what failed and answers the exit code. */
static int conclude(struct cli *c, struct err *e, int code)
{
    struct err *flush = cli_out_finish(&c->out);
    if (!e)
        e = flush;
    else
        err_free(flush);
    cli_progress_clear(c);
    if (!e)
        return code;
    if (c->out.closed && err_errno(e) == EPIPE) { /* the reader had enough */
        err_free(e);
        return code;
    }
    bool cancelled = err_code(e) == ERR_CANCELLED;
    code = exit_code_of(e);
    if (cancelled && c->looking_at)
        e = err_hint(e, "%s", how_it_is(c->looking_at));
    cli_say_error(c, e);
    if (cancelled && cli_signal())
        end_by_signal(cli_signal());
    return code;
}

int cli_main(int argc, char **argv)
{
    struct cli c = {0};
    int code = CLI_OK;
    struct err *e = cli_args_parse(argc, argv, &c.args);
    c.json = cli_flag(&c.args, OPT_json);
    c.quiet = cli_flag(&c.args, OPT_quiet);
    cli_term_init(&c.term, &c.args);
    cli_talk_init(&c);
    cli_signals_init();
    cli_progress_init(&c);
    cli_out_init(&c.out, &c.term, !cli_flag(&c.args, OPT_no_pager) && !c.json);
    if (!e && (!c.args.cmd || cli_flag(&c.args, OPT_help))) {
        if (argc < 2)
            code = CLI_USAGE;
        e = run_without_command(&c, &code);
    } else if (!e) {
        e = cli_outfiles_check(&c);
        if (!e)
            e = run[c.args.cmd->id](&c, &code);
    }
    code = conclude(&c, e, code);
    cli_args_free(&c.args);
    return code;
}

/* cli_int.h - what the commands share: one run of the program, and how it talks.
 *
 * Data goes to standard output (c->out), talk to standard error: errors, notes, progress.  With
 * --json the talk is JSON lines, too: {"error":{"code","message","hint"}} and {"note":"..."}
 * (docs/formats/message.schema.json). */
#ifndef GOSPECT_FRONT_CLI_CLI_INT_H
#define GOSPECT_FRONT_CLI_CLI_INT_H

#include "base/progress.h"
#include "front/cli/term.h"

enum { CLI_OK = 0, CLI_FINDINGS = 1, CLI_USAGE = 2, CLI_COULD_NOT = 3 };

struct cli_progress {
    struct progress base; /* first: it is what rooms are handed */
    struct cli *cli;
    int64_t began_ns, phase_ns, drawn_ns;
    const char *phase;
    bool drawn; /* something stands on the line */
};

struct cli {
    struct cli_args args;
    struct cli_term term;
    struct cli_out out;
    struct cli_progress progress;
    bool json, quiet;
    pid_t looking_at; /* the live process that is being read; 0: none */
};

/* Every command: what run_NAME() prints goes to c->out; *ret_code starts as CLI_OK. */
#define PARAM(id, name, required, complete, help)
#define CMD(id, arg1, arg2, arg3, flags, summary)                                                  \
    struct err *run_##id(struct cli *c, int *ret_code) MUST_USE;
#include "front/cli/commands.def"
#undef PARAM
#undef CMD

/* The state letter of /proc/PID/stat; 0: there is no such process. */
char cli_process_state(pid_t pid);

/* ---- talk.c ---- */
void cli_say_error(struct cli *c, struct err *e); /* prints and frees it */
void cli_warn(struct cli *c, struct err *e);      /* the same, but work goes on: a note */
void cli_note(struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void cli_talk_init(struct cli *c); /* logging, out-of-memory handler */

void cli_progress_init(struct cli *c);
void cli_progress_clear(struct cli *c); /* removes the line, before anything else is printed */

/* Ctrl-C and friends are noted; work ends at the next progress_step(), so that the process under
 * study is put back in order.  A second one ends us at once (the kernel tidies up then). */
void cli_signals_init(void);
int cli_signal(void); /* the one that came; 0: none */

#endif

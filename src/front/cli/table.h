/* table.h - commands and options as data, made of commands.def and options.def.
 *
 * Parsing (args.h), help and manual (manual.h) and completion (completion.h) read these tables and
 * nothing else, so that they can not disagree.  Thread: any; nothing changes. */
#ifndef GOSPECT_FRONT_CLI_TABLE_H
#define GOSPECT_FRONT_CLI_TABLE_H

#include "base/types.h"

enum cli_complete {
    COMPLETE_NOTHING,
    COMPLETE_TARGET, /* pids of Go processes, files */
    COMPLETE_PID,
    COMPLETE_BINARY, /* like TARGET */
    COMPLETE_COMMAND,
    COMPLETE_SHELL, /* words: cli_param_words() */
    COMPLETE_PROFILE,
    COMPLETE_MEM,
    COMPLETE_DEBUG,
};

struct cli_param {
    const char *name; /* NULL: no argument here */
    bool required;
    enum cli_complete complete;
    const char *help;
};

/* The words an argument may be, separated by spaces; NULL: it is no such argument. */
const char *cli_param_words(const struct cli_param *p);

/* Whether it may be given any number of times: "NEXT...". */
bool cli_param_is_many(const struct cli_param *p);

enum cli_cmd_id {
#define PARAM(id, name, required, complete, help)
#define CMD(id, arg1, arg2, arg3, flags, summary) CMD_##id,
#include "front/cli/commands.def"
#undef PARAM
#undef CMD
    CLI_NCMD,
};

enum { CLI_PARAMS = 3 }; /* arguments of a command, at most */
enum { CLI_DATA = 1 << 0, CLI_HIDDEN = 1 << 1, CLI_REST = 1 << 2 };

struct cli_cmd {
    enum cli_cmd_id id;
    const char *name;
    const struct cli_param *param[CLI_PARAMS];
    unsigned flags;
    const char *summary;
};

enum cli_opt_kind {
    CLI_FLAG,
    CLI_COUNT,
    CLI_TEXT,
    CLI_LIST,
    CLI_FILE,
    CLI_OUTFILE,
    CLI_NUMBER,
    CLI_DURATION,
    CLI_FRACTION,
    CLI_CHOICE,
};

enum cli_opt_id {
#define OPT(id, name, letter, kind, arg, lo, hi, dflt, on, help) OPT_##id,
#include "front/cli/options.def"
#undef OPT
    CLI_NOPT,
};

struct cli_opt {
    enum cli_opt_id id;
    const char *name; /* long name, without dashes */
    char letter;      /* 0: none */
    enum cli_opt_kind kind;
    const char *arg; /* NULL: takes none */
    int64_t lo, hi;
    const char *dflt;
    uint32_t on; /* bit 1 << CMD_x for each command that has it */
    const char *help;
};

extern const struct cli_cmd cli_cmds[CLI_NCMD];
extern const struct cli_opt cli_opts[CLI_NOPT];

const struct cli_cmd *cli_cmd_find(const char *name, size_t n); /* NULL: no such command */
/* By long name (n bytes), or by letter; cmd NULL: only those that may stand before the command. */
const struct cli_opt *cli_opt_find(const struct cli_cmd *cmd, const char *name, size_t n);
const struct cli_opt *cli_opt_letter(const struct cli_cmd *cmd, char letter);
bool cli_opt_applies(const struct cli_opt *o, const struct cli_cmd *cmd);
bool cli_opt_global(const struct cli_opt *o); /* every command that could have it has it */
bool cli_opt_takes_arg(const struct cli_opt *o);
bool cli_opt_is_file(const struct cli_opt *o); /* its argument is a path */

/* The words of a CHOICE, one after the other: *at starts as o->arg; false at the end. */
bool cli_next_word(const char **at, const char **word, size_t *n);

/* The likest of the names to what was typed, or NULL when nothing is like it. */
const char *cli_likest(const char *typed, size_t n, const char *const *names, size_t nnames);

#endif

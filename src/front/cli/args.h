/* args.h - the command line, parsed by the tables.
 *
 * Options may stand before or after the command and between its arguments; `--` ends them.
 * --name=value, --name value, -n value, -nvalue and bundled flags (-qv) are understood.  Names are
 * never shortened: a script must not break when an option is added.  What is wrong is an ERR_USAGE
 * whose hint says what was probably meant. */
#ifndef GOSPECT_FRONT_CLI_ARGS_H
#define GOSPECT_FRONT_CLI_ARGS_H

#include "base/err.h"
#include "base/vec.h"
#include "front/cli/table.h"

struct cli_value {
    unsigned given;   /* how often it stands on the command line */
    const char *text; /* as written, or the default; NULL: neither.  Points into argv or a table */
    int64_t num; /* NUMBER; DURATION in ns; FRACTION in millionths; index of the word of a CHOICE */
};

enum { CLI_MILLION = 1000000 };

struct cli_args {
    const struct cli_cmd *cmd; /* NULL: none given */
    struct cli_value opt[CLI_NOPT];
    const char *pos[CLI_PARAMS]; /* NULL: left out */
    unsigned npos;
    VEC(const char *) more; /* what follows the first value of an argument that may be many */
    VEC(const char *) list; /* values of LIST options, in order */
    VEC(const char *) rest; /* of a command with CLI_REST: the words behind -- */
};

/* argv must outlive ret.  ret is usable (for --json, colours, the command) even after an error. */
struct err *cli_args_parse(int argc, char **argv, struct cli_args *ret) MUST_USE;
void cli_args_free(struct cli_args *a);

static inline bool cli_flag(const struct cli_args *a, enum cli_opt_id id)
{
    return a->opt[id].given > 0;
}

static inline const char *cli_text(const struct cli_args *a, enum cli_opt_id id)
{
    return a->opt[id].text;
}

static inline int64_t cli_num(const struct cli_args *a, enum cli_opt_id id)
{
    return a->opt[id].num;
}

static inline double cli_fraction(const struct cli_args *a, enum cli_opt_id id)
{
    return (double)a->opt[id].num / CLI_MILLION;
}

/* "1h30m", "200ms", "1.5s", "10" (seconds) as ns. */
bool cli_parse_duration(const char *text, int64_t *ret_ns);

#endif

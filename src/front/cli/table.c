/* table.c - commands and options as data; see table.h. */
#include "front/cli/table.h"

#include <string.h>
#include <strings.h>

#define PARAM(id, name, required, complete, help)                                                  \
    static const struct cli_param param_##id = {name, required, complete, help};
#define CMD(id, arg1, arg2, arg3, flags, summary)
#include "front/cli/commands.def"
#undef PARAM
#undef CMD
static const struct cli_param param_NONE;

#define DATA CLI_DATA
#define HIDDEN CLI_HIDDEN
#define REST CLI_REST
const struct cli_cmd cli_cmds[CLI_NCMD] = {
#define PARAM(id, name, required, complete, help)
#define CMD(id, arg1, arg2, arg3, flags, summary)                                                  \
    [CMD_##id] = {CMD_##id, #id, {&param_##arg1, &param_##arg2, &param_##arg3}, flags, summary},
#include "front/cli/commands.def"
#undef PARAM
#undef CMD
};

/* The commands that take --json. */
enum {
    DATA_MASK = 0
#define PARAM(id, name, required, complete, help)
#define CMD(id, arg1, arg2, arg3, flags, summary) | ((flags)&CLI_DATA ? 1 << CMD_##id : 0)
#include "front/cli/commands.def"
#undef PARAM
#undef CMD
};

#define ON(command) (1u << CMD_##command)
#define ALL ((1u << CLI_NCMD) - 1)
#define ALL_DATA DATA_MASK
#define NO_COMMAND 0u
const struct cli_opt cli_opts[CLI_NOPT] = {
#define OPT(id, name, letter, kind, arg, lo, hi, dflt, on, help)                                   \
    [OPT_##id] = {OPT_##id, name, letter, CLI_##kind, arg, lo, hi, dflt, on, help},
#include "front/cli/options.def"
#undef OPT
};

const struct cli_cmd *cli_cmd_find(const char *name, size_t n)
{
    for (size_t i = 0; i < CLI_NCMD; i++)
        if (strncmp(cli_cmds[i].name, name, n) == 0 && !cli_cmds[i].name[n])
            return &cli_cmds[i];
    return NULL;
}

bool cli_opt_global(const struct cli_opt *o)
{
    return o->on == ALL || o->on == ALL_DATA || o->on == NO_COMMAND;
}

bool cli_opt_applies(const struct cli_opt *o, const struct cli_cmd *cmd)
{
    return cmd ? (o->on & (1u << cmd->id)) != 0 : cli_opt_global(o);
}

bool cli_opt_takes_arg(const struct cli_opt *o)
{
    return o->kind != CLI_FLAG && o->kind != CLI_COUNT;
}

bool cli_opt_is_file(const struct cli_opt *o)
{
    return o->kind == CLI_FILE || o->kind == CLI_OUTFILE;
}

const struct cli_opt *cli_opt_find(const struct cli_cmd *cmd, const char *name, size_t n)
{
    for (size_t i = 0; i < CLI_NOPT; i++)
        if (cli_opt_applies(&cli_opts[i], cmd) && strncmp(cli_opts[i].name, name, n) == 0 &&
            !cli_opts[i].name[n])
            return &cli_opts[i];
    return NULL;
}

const struct cli_opt *cli_opt_letter(const struct cli_cmd *cmd, char letter)
{
    for (size_t i = 0; i < CLI_NOPT; i++)
        if (letter && cli_opts[i].letter == letter && cli_opt_applies(&cli_opts[i], cmd))
            return &cli_opts[i];
    return NULL;
}

bool cli_next_word(const char **at, const char **word, size_t *n)
{
    if (!*at || !**at)
        return false;
    *word = *at;
    *n = strcspn(*at, "|");
    *at += *n + ((*at)[*n] == '|');
    return true;
}

/* Edit distance with neighbours swapped counted once (optimal string alignment). */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
    unsigned row[3][64];
    if (na >= 64 || nb >= 64)
        return 64;
    for (size_t j = 0; j <= nb; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= na; i++) {
        unsigned *now = row[i % 3], *above = row[(i - 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                row[(i - 2) % 3][j - 2] + 1 < best)
                best = row[(i - 2) % 3][j - 2] + 1;
            now[j] = best;
        }
    }
    return row[na % 3][nb];
}

const char *cli_likest(const char *typed, size_t n, const char *const *names, size_t nnames)
{
    const char *best = NULL;
    unsigned best_distance = n < 5 ? 2 : n < 8 ? 3 : 4; /* below this is alike */
    for (size_t i = 0; i < nnames; i++) {
        unsigned d = distance(typed, n, names[i], strlen(names[i]));
        if (n >= 2 && d && strncasecmp(typed, names[i], n) == 0)
            d = 1; /* the beginning of a name is as good as one slip */
        if (d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}

bool cli_param_is_many(const struct cli_param *p)
{
    size_t n = p->name ? strlen(p->name) : 0;
    return n > 3 && strcmp(p->name + n - 3, "...") == 0;
}

const char *cli_param_words(const struct cli_param *p)
{
    return p->complete == COMPLETE_SHELL     ? "bash zsh fish"
           : p->complete == COMPLETE_PROFILE ? "heap allocs block mutex goroutine"
           : p->complete == COMPLETE_MEM     ? "stats diff"
           : p->complete == COMPLETE_DEBUG   ? "exec attach core test run"
                                             : NULL;
}

/* args.c - parsing the command line; see args.h. */
#include "front/cli/args.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

struct parser {
    int argc, at;
    char **argv;
    struct cli_args *a;
    bool only_positional; /* after -- */
};

static int64_t unit_ns(const char *unit, size_t n)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},
                 {"us", 1000},
                 {"µs", 1000},
                 {"ms", NSEC_PER_MSEC},
                 {"s", NSEC_PER_SEC},
                 {"", NSEC_PER_SEC},
                 {"m", 60 * NSEC_PER_SEC},
                 {"min", 60 * NSEC_PER_SEC},
                 {"h", 3600 * NSEC_PER_SEC},
                 {"d", 86400 * NSEC_PER_SEC}};
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strncmp(units[i].name, unit, n) == 0 && !units[i].name[n])
            return units[i].ns;
    return 0;
}

bool cli_parse_duration(const char *text, int64_t *ret_ns)
{
    double total = 0;
    const char *p = text;
    if (!*p)
        return false;
    while (*p) {
        char *end;
        if (!isdigit((unsigned char)*p) && *p != '.')
            return false;
        size_t digits = strspn(p, "0123456789.");
        double v = strtod(p, &end);
        if ((size_t)(end - p) != digits) /* "1.2.3", "1e5", "." */
            return false;
        size_t n = strcspn(end, "0123456789.");
        int64_t unit = unit_ns(end, n);
        if (!unit || (n == 0 && p != text))
            return false;
        total += v * (double)unit;
        p = end + n;
    }
    if (total > 9e18)
        return false;
    *ret_ns = (int64_t)(total + 0.5);
    return true;
}

/* An option as people know it: "--depth", "-d". */
static struct err *bad_value(const struct cli_opt *o, const char *text, const char *want)
{
    return err_hint(err_new(ERR_USAGE, "--%s: \"%s\" is not %s", o->name, text, want),
                    "Write for instance --%s=%s", o->name,
                    o->kind == CLI_NUMBER     ? "10"
                    : o->dflt                 ? o->dflt
                    : o->kind == CLI_DURATION ? "10s"
                                              : o->arg);
}

static struct err *parse_number(const struct cli_opt *o, struct cli_value *v)
{
    char *end;
    errno = 0;
    long long n = strtoll(v->text, &end, 10);
    if (!isdigit((unsigned char)*v->text) || *end || errno)
        return bad_value(o, v->text, "a whole number");
    if (n < o->lo || n > o->hi)
        return err_new(ERR_USAGE, "--%s: %s is out of range (%" PRId64 " to %" PRId64 ")", o->name,
                       v->text, o->lo, o->hi);
    v->num = n;
    return NULL;
}

static struct err *parse_duration(const struct cli_opt *o, struct cli_value *v)
{
    if (!cli_parse_duration(v->text, &v->num))
        return bad_value(o, v->text, "a time such as 200ms, 10s, 2m or 1h30m");
    if (v->num < o->lo * NSEC_PER_MSEC || v->num > o->hi * NSEC_PER_MSEC)
        return err_new(ERR_USAGE, "--%s: %s is out of range (%" PRId64 " ms to %" PRId64 " s)",
                       o->name, v->text, o->lo, o->hi / 1000);
    return NULL;
}

/* Digits and one point, no exponent or sign: "0.85", ".5", "1"; digits below a millionth are cut.
 */
static bool read_fraction(const char *text, int64_t *ret)
{
    size_t whole = strspn(text, "0123456789"), part = 0;
    const char *point = text + whole;
    int64_t v = 0, unit = CLI_MILLION;
    if (*point == '.')
        part = strspn(point + 1, "0123456789");
    if (whole > 9 || whole + part == 0 || point[*point == '.' ? 1 + part : 0])
        return false;
    for (size_t i = 0; i < whole; i++)
        v = v * 10 + (text[i] - '0') * (int64_t)CLI_MILLION;
    for (size_t i = 0; i < part; i++)
        v += (point[1 + i] - '0') * (unit /= 10);
    *ret = v;
    return true;
}

static struct err *parse_fraction(const struct cli_opt *o, struct cli_value *v)
{
    if (!read_fraction(v->text, &v->num))
        return bad_value(o, v->text, "a number such as 0.85");
    if (v->num < o->lo || v->num > o->hi)
        return err_new(ERR_USAGE, "--%s: %s is out of range (%g to %g)", o->name, v->text,
                       (double)o->lo / CLI_MILLION, (double)o->hi / CLI_MILLION);
    return NULL;
}

static struct err *parse_choice(const struct cli_opt *o, struct cli_value *v)
{
    const char *words[16], *at = o->arg, *word;
    size_t n, nwords = 0, len = strlen(v->text);
    char copies[16][24];
    while (nwords < ARRAY_LEN(words) && cli_next_word(&at, &word, &n)) {
        if (n == len && strncmp(word, v->text, n) == 0) {
            v->num = (int64_t)nwords;
            return NULL;
        }
        n = min_u64(n, sizeof(copies[0]) - 1);
        memcpy(copies[nwords], word, n);
        copies[nwords][n] = '\0';
        words[nwords] = copies[nwords];
        nwords++;
    }
    struct err *e = err_new(ERR_USAGE, "--%s: \"%s\" is none of %s", o->name, v->text, o->arg);
    const char *like = cli_likest(v->text, len, words, nwords);
    return like ? err_hint(e, "Did you mean --%s=%s?", o->name, like) : e;
}

static struct err *set_value(struct parser *p, const struct cli_opt *o, const char *text)
{
    struct cli_value *v = &p->a->opt[o->id];
    v->given++;
    v->text = text;
    switch (o->kind) {
    case CLI_NUMBER:
        return parse_number(o, v);
    case CLI_DURATION:
        return parse_duration(o, v);
    case CLI_FRACTION:
        return parse_fraction(o, v);
    case CLI_CHOICE:
        return parse_choice(o, v);
    case CLI_LIST:
        vec_push(&p->a->list, text);
        return NULL;
    case CLI_FILE:
    case CLI_OUTFILE:
        if (!*text)
            return err_new(ERR_USAGE, "--%s: the file name is empty", o->name);
        return NULL;
    case CLI_FLAG:
    case CLI_COUNT:
    case CLI_TEXT:
        break;
    }
    return NULL;
}

/* The row of an option word, whatever its command: equal names and letters agree in whether they
 * take an argument (a test proves it). */
static const struct cli_opt *any_option(const char *word)
{
    const struct cli_opt *o = NULL;
    for (size_t c = 0; c < CLI_NCMD && !o; c++)
        o = word[1] == '-' ? cli_opt_find(&cli_cmds[c], word + 2, strlen(word + 2))
                           : cli_opt_letter(&cli_cmds[c], word[strlen(word) - 1]);
    return o;
}

/* The command of the line, found before its options are read, so that they may stand anywhere: the
 * first word that is no option and no option's argument. */
static const char *find_command(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *w = argv[i];
        if (strcmp(w, "--") == 0)
            return i + 1 < argc ? argv[i + 1] : NULL;
        if (w[0] != '-' || !w[1])
            return w;
        const struct cli_opt *o = any_option(w);
        if (o && cli_opt_takes_arg(o))
            i++;
    }
    return NULL;
}

/* An unknown option: is it one of another command, or a slip? */
static struct err *unknown_option(struct parser *p, const char *name, size_t n)
{
    const struct cli_cmd *cmd = p->a->cmd;
    struct err *e = err_new(ERR_USAGE, "%s%sthere is no option --%.*s", cmd ? cmd->name : "",
                            cmd ? ": " : "", (int)n, name);
    const char *names[CLI_NOPT];
    size_t nnames = 0;
    for (size_t i = 0; i < CLI_NOPT; i++)
        if (cli_opt_applies(&cli_opts[i], cmd))
            names[nnames++] = cli_opts[i].name;
    const char *like = cli_likest(name, n, names, nnames);
    if (like)
        return err_hint(e, "Did you mean --%s? gospect help%s%s shows all", like, cmd ? " " : "",
                        cmd ? cmd->name : "");
    struct buf owners = {0};
    for (size_t c = 0; c < CLI_NCMD; c++)
        if (cli_opt_find(&cli_cmds[c], name, n))
            buf_printf(&owners, "%s%s", owners.n ? ", gospect " : "", cli_cmds[c].name);
    if (owners.n)
        e = err_hint(e, "It is an option of gospect %s", buf_text(&owners));
    else
        e = err_hint(e, "gospect help%s%s shows all", cmd ? " " : "", cmd ? cmd->name : "");
    buf_free(&owners);
    return e;
}

static struct err *take_argument(struct parser *p, const struct cli_opt *o, const char *shown)
{
    if (p->at + 1 >= p->argc)
        return err_hint(err_new(ERR_USAGE, "%s needs a value (%s)", shown, o->arg),
                        "gospect help%s%s explains it", p->a->cmd ? " " : "",
                        p->a->cmd ? p->a->cmd->name : "");
    return set_value(p, o, p->argv[++p->at]);
}

static struct err *long_option(struct parser *p, const char *word)
{
    const char *name = word + 2;
    size_t n = strcspn(name, "=");
    const struct cli_opt *o = cli_opt_find(p->a->cmd, name, n);
    if (!o)
        return unknown_option(p, name, n);
    if (!cli_opt_takes_arg(o)) {
        if (name[n])
            return err_new(ERR_USAGE, "--%s takes no value", o->name);
        return set_value(p, o, "");
    }
    return name[n] ? set_value(p, o, name + n + 1) : take_argument(p, o, word);
}

static struct err *short_options(struct parser *p, const char *word)
{
    for (const char *c = word + 1; *c; c++) {
        const struct cli_opt *o = cli_opt_letter(p->a->cmd, *c);
        if (!o) {
            const struct cli_cmd *cmd = p->a->cmd;
            struct err *e = err_new(ERR_USAGE, "%s%sthere is no option -%c", cmd ? cmd->name : "",
                                    cmd ? ": " : "", *c);
            return err_hint(e, "gospect help%s%s shows all", cmd ? " " : "", cmd ? cmd->name : "");
        }
        if (cli_opt_takes_arg(o)) {
            char shown[3] = {'-', *c, '\0'};
            return c[1] ? set_value(p, o, c + 1 + (c[1] == '=')) : take_argument(p, o, shown);
        }
        TRY(set_value(p, o, ""));
    }
    return NULL;
}

static struct err *positional(struct parser *p, const char *word)
{
    struct cli_args *a = p->a;
    if (p->only_positional && a->cmd->flags & CLI_REST) {
        vec_push(&a->rest, word);
        return NULL;
    }
    if (a->npos < CLI_PARAMS && a->cmd->param[a->npos]->name) {
        a->pos[a->npos++] = word;
        return NULL;
    }
    if (a->npos && cli_param_is_many(a->cmd->param[a->npos - 1])) {
        vec_push(&a->more, word);
        return NULL;
    }
    return err_hint(err_new(ERR_USAGE, "%s: one argument too many: \"%s\"", a->cmd->name, word),
                    "gospect help %s shows how to call it", a->cmd->name);
}

/* The command itself is the first positional word. */
static struct err *word_or_option(struct parser *p, bool *seen_command)
{
    const char *word = p->argv[p->at];
    if (!p->only_positional && strcmp(word, "--") == 0) {
        p->only_positional = true;
        return NULL;
    }
    if (!p->only_positional && word[0] == '-' && word[1])
        return word[1] == '-' ? long_option(p, word) : short_options(p, word);
    if (!*seen_command) {
        *seen_command = true;
        return NULL;
    }
    return positional(p, word);
}

static struct err *unknown_command(const char *word)
{
    struct err *e = err_new(ERR_USAGE, "there is no command \"%s\"", word);
    if (word[0] && strspn(word, "0123456789") == strlen(word))
        return err_hint(e, "To hear what is wrong in process %s: gospect doctor %s", word, word);
    const char *names[CLI_NCMD];
    size_t n = 0;
    for (size_t i = 0; i < CLI_NCMD; i++)
        if (!(cli_cmds[i].flags & CLI_HIDDEN))
            names[n++] = cli_cmds[i].name;
    const char *like = cli_likest(word, strlen(word), names, n);
    if (like)
        return err_hint(e, "Did you mean gospect %s?", like);
    return err_hint(e, "gospect help lists the commands");
}

static const char *hint_for(const struct cli_param *p)
{
    return p->complete == COMPLETE_SHELL     ? "Write for instance gospect completion bash"
           : p->complete == COMPLETE_PROFILE ? "Write for instance gospect profile orders heap"
           : p->complete == COMPLETE_MEM     ? "Write for instance gospect mem stats orders"
                                             : "gospect ps lists the Go processes of this host";
}

/* A variable of a script that is not set. */
static struct err *empty_word(const struct cli_cmd *cmd, const struct cli_param *p)
{
    struct err *e = err_new(ERR_USAGE, "%s: %s is empty", cmd->name, p->name);
    return p->complete == COMPLETE_TARGET || p->complete == COMPLETE_PID
               ? err_hint(e, "%s", hint_for(p))
               : err_hint(e, "gospect help %s shows how to call it", cmd->name);
}

static struct err *check_complete(const struct cli_args *a)
{
    if (!a->cmd || cli_flag(a, OPT_help))
        return NULL;
    for (unsigned i = 0; i < a->npos; i++)
        if (!*a->pos[i])
            return empty_word(a->cmd, a->cmd->param[i]);
    for (unsigned i = a->npos; i < CLI_PARAMS; i++)
        if (a->cmd->param[i]->name && a->cmd->param[i]->required)
            return err_hint(err_new(ERR_USAGE, "%s needs %s: %s", a->cmd->name,
                                    a->cmd->param[i]->name, a->cmd->param[i]->help),
                            "%s", hint_for(a->cmd->param[i]));
    return NULL;
}

static struct err *set_defaults(struct parser *p)
{
    for (size_t i = 0; i < CLI_NOPT; i++) {
        if (!cli_opts[i].dflt)
            continue;
        TRY(set_value(p, &cli_opts[i], cli_opts[i].dflt));
        p->a->opt[i].given = 0;
    }
    return NULL;
}

static bool says_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

struct err *cli_args_parse(int argc, char **argv, struct cli_args *ret)
{
    *ret = (struct cli_args){0};
    struct parser p = {.argc = argc, .argv = argv, .a = ret, .at = 1};
    TRY(set_defaults(&p));
    const char *command = find_command(argc, argv);
    if (command) {
        ret->cmd = cli_cmd_find(command, strlen(command));
    }
    if (command && !ret->cmd) {
        ret->opt[OPT_json].given = says_json(argc, argv); /* errors follow it, this one too */
        return unknown_command(command);
    }
    bool seen_command = false;
    struct err *first = NULL; /* the rest is read nevertheless: --json after it still counts */
    for (; p.at < argc; p.at++) {
        struct err *e = word_or_option(&p, &seen_command);
        if (first)
            err_free(e);
        else
            first = e;
    }
    return first ? first : check_complete(ret);
}

void cli_args_free(struct cli_args *a)
{
    vec_free(&a->list);
    vec_free(&a->rest);
    vec_free(&a->more);
}

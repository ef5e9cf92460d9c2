/* debug_shell.c - commands of the terminal debugger: where they come from, which verb they are. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "front/cli/debug_int.h"

enum { NESTING_MAX = 16, LINE_MAX_BYTES = 1 << 16, NAMES_MAX = 256 };

/* The words of the table. */
#define LIVE VERB_LIVE
#define CORE VERB_CORE
#define OVER VERB_OVER
#define ANY (VERB_LIVE | VERB_CORE | VERB_OVER)
#define PAGED VERB_PAGED
#define STEP VERB_STEP
#define COMPLETE_PLACE VERB_PLACE
#define COMPLETE_EXPR VERB_EXPR
#define COMPLETE_BP VERB_BP
#define COMPLETE_FILES VERB_FILES
const struct verb debug_verbs[] = {
#define GROUP(title) {.group = title},
#define VERB(id, names, args, states, flags, help)                                                 \
    {NULL, names, args, states, flags, help, verb_##id},
#include "front/cli/debug_verbs.def"
#undef GROUP
#undef VERB
};
const size_t debug_nverbs = ARRAY_LEN(debug_verbs);

/* ---- words ---- */

char *shell_trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t n = strlen(text);
    while (n && isspace((unsigned char)text[n - 1]))
        text[--n] = 0;
    return text;
}

char *shell_word(char **rest)
{
    char *from = *rest + strspn(*rest, " \t"), *to = from, *p = from, quote = 0;
    if (!*from)
        return NULL;
    for (; *p && (quote || (*p != ' ' && *p != '\t')); p++) {
        if (quote ? *p == quote : *p == '"' || *p == '\'')
            quote = quote ? 0 : *p;
        else
            *to++ = *p;
    }
    *rest = *p ? p + 1 : p;
    *rest += strspn(*rest, " \t");
    *to = 0;
    return from;
}

bool shell_flag(char **rest, const char *flag)
{
    char *at = *rest + strspn(*rest, " \t");
    size_t n = strlen(flag);
    if (strncmp(at, flag, n) != 0 || (at[n] && at[n] != ' ' && at[n] != '\t'))
        return false;
    *rest = at + n + strspn(at + n, " \t");
    return true;
}

struct err *shell_number(const char *text, const char *what, uint64_t *ret)
{
    char *end;
    errno = 0;
    if (!text)
        return err_new(ERR_USAGE, "%s is missing", what);
    *ret = strtoull(text, &end, 0);
    if (!isdigit((unsigned char)*text) || *end || errno)
        return err_new(ERR_USAGE, "\"%s\" is not %s", text, what);
    return NULL;
}

struct err *shell_regex(const char *text, struct regex **ret)
{
    size_t at = 0;
    *ret = NULL;
    if (!*text)
        return NULL;
    return err_wrap(regex_compile(text, ret, &at), "%s: byte %zu", text, at);
}

static bool has_name(const struct verb *v, const char *name, size_t n)
{
    for (const char *p = v->names; p && *p; p += strcspn(p, " "), p += *p == ' ')
        if (strcspn(p, " ") == n && memcmp(p, name, n) == 0)
            return true;
    return false;
}

const struct verb *debug_verb_find(const char *name, size_t n)
{
    for (size_t i = 0; i < debug_nverbs; i++)
        if (!debug_verbs[i].group && has_name(&debug_verbs[i], name, n))
            return &debug_verbs[i];
    return NULL;
}

struct err *shell_usage(const char *verb)
{
    const struct verb *v = debug_verb_find(verb, strlen(verb));
    return err_hint(err_new(ERR_USAGE, "%s: write %s %s", verb, verb, v->args),
                    "the command help %s explains it", verb);
}

static struct err *no_verb(const char *name, size_t n)
{
    static const char *names[NAMES_MAX];
    static char copies[NAMES_MAX][24];
    size_t count = 0;
    struct err *e = err_new(ERR_USAGE, "there is no command \"%.*s\"", (int)min_u64(n, 60), name);
    for (size_t i = 0; i < debug_nverbs; i++)
        for (const char *p = debug_verbs[i].names; p && *p && count < NAMES_MAX;
             p += strcspn(p, " "), p += *p == ' ') {
            snprintf(copies[count], sizeof(copies[0]), "%.*s", (int)strcspn(p, " "), p);
            names[count] = copies[count];
            count++;
        }
    const char *like = cli_likest(name, n, names, count);
    return like ? err_hint(e, "did you mean %s?", like)
                : err_hint(e, "the command help lists them");
}

/* ---- saying ---- */

/* What could not be written is said once, and is a failure; that nobody reads is none. */
static void wrote(struct shell *s, struct err *e)
{
    if (e && !s->c->out.closed && !s->cannot_write) {
        s->cannot_write = s->failed = true;
        cli_warn(s->c, e);
        return;
    }
    err_free(e);
}

void shell_flush(struct shell *s)
{
    wrote(s, cli_out_flush(&s->c->out));
}

void shell_say(struct shell *s, const struct buf *b)
{
    if (s->transcript >= 0)
        err_free(write_all(s->transcript, "the transcript", buf_text(b), b->n));
    if (s->capture)
        buf_add(s->capture, buf_text(b), b->n);
    if (!s->only_there)
        wrote(s, cli_out_text(&s->c->out, b));
}

void shell_printf(struct shell *s, const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    shell_say(s, &b);
    buf_free(&b);
}

void shell_error(struct shell *s, struct err *e)
{
    if (s->transcript >= 0) {
        struct buf b = {0};
        buf_printf(&b, "gospect: %s\n", err_message(e));
        err_free(write_all(s->transcript, "the transcript", buf_text(&b), b.n));
        buf_free(&b);
    }
    shell_flush(s);
    s->failed = true;
    cli_say_error(s->c, e);
}

/* ---- one command ---- */

enum dbg_state shell_state(const struct shell *s)
{
    return s->gone ? DBG_OVER : dbg_state(s->d);
}

static struct err *allowed(struct shell *s, const struct verb *v)
{
    enum dbg_state state = shell_state(s);
    unsigned now = state == DBG_OVER ? VERB_OVER : s->kind == SHELL_CORE ? VERB_CORE : VERB_LIVE;
    if (v->states & now)
        return NULL;
    int n = (int)strcspn(v->names, " ");
    if (now == VERB_OVER)
        return err_hint(err_new(ERR_GONE, "%.*s: the process has ended", n, v->names),
                        s->kind == SHELL_LAUNCHED ? "the command restart starts it again"
                                                  : "the command exit ends the session");
    return err_new(ERR_UNSUPPORTED, "%.*s: a core cannot run or be changed", n, v->names);
}

static bool begins_with_sign(char c)
{
    return c == '?';
}

struct err *shell_command(struct shell *s, const char *line)
{
    if (strlen(line) > LINE_MAX_BYTES)
        return err_new(ERR_LIMIT, "the line is longer than %d bytes", LINE_MAX_BYTES);
    char *copy = mem_strdup(line), *text = shell_trim(copy);
    size_t n = begins_with_sign(*text) ? 1 : strcspn(text, " \t");
    if (!n || *text == '#') {
        free(copy);
        return NULL;
    }
    const struct verb *v = debug_verb_find(text, n);
    struct err *e = v ? allowed(s, v) : no_verb(text, n);
    if (!e && s->nesting >= NESTING_MAX)
        e = err_new(ERR_LIMIT, "commands in commands, %d deep", NESTING_MAX);
    if (!e) {
        s->nesting++;
        e = v->run(s, text + n + strspn(text + n, " \t"));
        run_call_ended(s); /* what is set may have been made by the program */
        s->nesting--;
    }
    free(copy);
    return e;
}

/* ---- many ---- */

/* What an empty line does next: a step again, `list` goes on. */
static void keep_for_repeat(struct shell *s, const char *line)
{
    char *copy = mem_strdup(line), *text = shell_trim(copy);
    size_t n = strcspn(text, " \t");
    const struct verb *v = debug_verb_find(text, n);
    free(s->repeat);
    s->repeat = NULL;
    if (v && v->flags & VERB_STEP)
        s->repeat = mem_strdup(v->run == verb_list ? "list" : text);
    free(copy);
}

static bool is_paged(const char *line)
{
    const char *text = line + strspn(line, " \t");
    const struct verb *v = debug_verb_find(text, strcspn(text, " \t"));
    return v && v->flags & VERB_PAGED;
}

static void one_line(struct shell *s, const char *line)
{
    cli_term_resize(&s->c->term, &s->c->args);
    wrote(s, cli_out_finish(&s->c->out)); /* of what came before */
    cli_out_init(&s->c->out, &s->c->term,
                 s->terminal && is_paged(line) && !cli_flag(&s->c->args, OPT_no_pager));
    if (s->transcript >= 0) {
        struct buf b = {0};
        buf_printf(&b, "(gospect) %s\n", line);
        err_free(write_all(s->transcript, "the transcript", buf_text(&b), b.n));
        buf_free(&b);
    }
    struct err *e = shell_command(s, line);
    wrote(s, cli_out_finish(&s->c->out));
    if (e)
        shell_error(s, e);
    cli_out_init(&s->c->out, &s->c->term, false);
}

struct err *shell_script(struct shell *s, const char *path)
{
    struct buf text = {0};
    struct err *e = file_read(path, LINE_MAX_BYTES * 16, &text);
    unsigned number = 0;
    char *at = text.p, *line;
    while (!e && at && !s->ended && !run_should_end() && (line = strsep(&at, "\n"))) {
        number++;
        e = shell_command(s, line);
        shell_flush(s);
        if (e)
            e = err_wrap(e, "%s:%u", path, number);
    }
    buf_free(&text);
    return e;
}

void shell_loop(struct shell *s)
{
    while (!s->ended && !run_should_end()) {
        char *line = shell_line_read(s);
        if (!line) {
            if (run_should_end())
                break;
            one_line(s, s->terminal ? "exit -eof" : "exit");
            continue;
        }
        const char *text = line + strspn(line, " \t");
        if (*text) {
            keep_for_repeat(s, text);
            one_line(s, text);
        } else if (s->repeat && s->terminal) {
            char *again = mem_strdup(s->repeat);
            one_line(s, again);
            free(again);
        }
        free(line);
    }
}

/* ---- verbs of the session itself ---- */

struct err *verb_source(struct shell *s, char *rest)
{
    const char *path = shell_word(&rest);
    size_t n = path ? strlen(path) : 0;
    if (!path)
        return shell_usage("source");
    if (n > 4 && strcmp(path + n - 4, ".lua") == 0)
        return lua_script_run(s, path);
    return shell_script(s, path);
}

struct err *verb_transcript(struct shell *s, char *rest)
{
    bool off = shell_flag(&rest, "-off"), again = shell_flag(&rest, "-t");
    bool only = shell_flag(&rest, "-x");
    const char *path = shell_word(&rest);
    if (off == (path != NULL))
        return shell_usage("transcript");
    if (s->transcript >= 0)
        close(s->transcript);
    s->transcript = -1;
    s->only_there = false;
    if (off)
        return NULL;
    s->transcript = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (again ? O_TRUNC : O_APPEND), 0644);
    s->only_there = only && s->transcript >= 0;
    return s->transcript < 0 ? err_sys(errno, "cannot write %s", path) : NULL;
}

struct err *verb_config(struct shell *s, char *rest)
{
    struct {
        const char *name, *what;
        unsigned *at;
    } rows[] = {
        {"list-lines", "lines of source before and behind the current one", &s->config.list_lines},
        {"string-length", "bytes shown of a string", &s->config.string_length},
        {"elements", "elements shown of an array, slice or map", &s->config.elements},
        {"depth", "structs, arrays and maps shown in one another", &s->config.depth},
        {"pointers", "pointers followed, one behind the other", &s->config.pointers},
    };
    shell_flag(&rest, "-list");
    const char *name = shell_word(&rest), *value = shell_word(&rest);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t n = 0;
        if (name && strcmp(name, rows[i].name) != 0)
            continue;
        if (value) {
            TRY(shell_number(value, "a number", &n));
            if (n > 100000)
                return err_new(ERR_USAGE, "%s: at most 100000", name);
            *rows[i].at = (unsigned)n;
            return NULL;
        }
        shell_printf(s, "%-14s %6u  %s\n", rows[i].name, *rows[i].at, rows[i].what);
        if (name)
            return NULL;
    }
    return name ? err_hint(err_new(ERR_USAGE, "there is no setting \"%s\"", name),
                           "the command config lists them")
                : NULL;
}

static void say_verb(struct shell *s, struct buf *b, const struct verb *v, size_t column)
{
    size_t width = s->c->term.width;
    size_t n = strcspn(v->names, " ");
    const char *others = v->names[n] ? v->names + n + 1 : "";
    struct buf left = {0};
    buf_printf(&left, "  %.*s %s", (int)n, v->names, others);
    text_pad(b, buf_text(&left), column, false);
    buf_str(b, "  ");
    text_wrap(b, v->help, width > column + 22 ? width : column + 22, column + 2, column + 2);
    buf_char(b, '\n');
    buf_free(&left);
}

struct err *verb_help(struct shell *s, char *rest)
{
    const char *name = shell_word(&rest);
    struct buf b = {0};
    if (name) {
        const struct verb *v = debug_verb_find(name, strlen(name));
        if (!v)
            return no_verb(name, strlen(name));
        buf_printf(&b, "%.*s %s\n    ", (int)strcspn(v->names, " "), v->names, v->args);
        text_wrap(&b, v->help, s->c->term.width, 4, 4);
        if (v->names[strcspn(v->names, " ")])
            buf_printf(&b, "\n    short: %s", v->names + strcspn(v->names, " ") + 1);
        buf_char(&b, '\n');
    }
    for (size_t i = 0; !name && i < debug_nverbs; i++) {
        const struct verb *v = &debug_verbs[i];
        if (v->group)
            buf_printf(&b, "%s%s%s%s\n", i ? "\n" : "", cli_style(s->c->term.color, CLI_BOLD),
                       v->group, cli_style(s->c->term.color, CLI_PLAIN));
        else
            say_verb(s, &b, v, 24);
    }
    if (!name)
        buf_str(&b, "\nhelp COMMAND says more. An empty line repeats a step; Tab completes.\n");
    shell_say(s, &b);
    buf_free(&b);
    return NULL;
}

struct err *verb_rewind(struct shell *s, char *rest)
{
    return err_new(ERR_UNSUPPORTED, "running backwards needs a recording to replay: "
                                    "this session is of a process that runs, or a core");
}

struct err *verb_checkpoint(struct shell *s, char *rest)
{
    return err_hint(err_new(ERR_UNSUPPORTED, "a checkpoint needs a recording to replay"),
                    "the command snapshot keeps what can be seen now");
}

struct err *verb_exit(struct shell *s, char *rest)
{
    bool live = s->kind != SHELL_CORE && shell_state(s) == DBG_STANDS;
    bool eof = shell_flag(&rest, "-eof");
    char answer = 'n';
    if (s->terminal && live && !shell_flag(&rest, "-c")) {
        if (eof)
            shell_printf(s, "\n");
        shell_flush(s);
        answer =
            s->kind == SHELL_ATTACHED
                ? shell_line_ask(s, "Let the process run on (y), kill it (k), or stay (s)? ", "yks")
                : shell_line_ask(s, "Kill the process (y), let it run on (l), or stay (s)? ",
                                 "yls");
        if (answer == 's')
            return NULL;
        if (answer == 'k')
            s->end = DEBUG_KILL;
        if (answer == 'l')
            s->end = DEBUG_LET_GO;
    }
    s->ended = true;
    return NULL;
}

struct err *verb_detach(struct shell *s, char *rest)
{
    s->end = DEBUG_LET_GO;
    s->ended = true;
    shell_printf(s, "process %d runs on\n", dbg_pid(s->d));
    return NULL;
}

/* manual.c - help texts; see manual.h.
 *
 * One description of a page (what stands in which order) is written through one of two sets of
 * functions: plain text for terminals, and roff. */
#include "front/cli/manual.h"

#include <stdarg.h>
#include <string.h>

#include "base/text.h"

enum { READABLE = 100 /* columns: longer lines are hard to read */, INDENT = 4, TAG_INDENT = 8 };

/* How a page is written.  `text` may carry `words`. */
struct writer {
    struct buf *b;
    const struct cli_term *term; /* NULL: roff */
    size_t width;
    size_t column; /* of explanations that stand beside their term; 0: they stand below */
};

/* ---- pieces of the little structure ---- */

enum block_kind { BLOCK_END, BLOCK_HEADING, BLOCK_PARAGRAPH, BLOCK_ITEM, BLOCK_LITERAL };

struct block {
    enum block_kind kind;
    struct buf text; /* lines of a paragraph joined; literal lines without their indent */
};

static const char *line_end(const char *p)
{
    return p + strcspn(p, "\n");
}

static bool blank(const char *p)
{
    return line_end(p) == p;
}

static enum block_kind kind_of(const char *p)
{
    if (strncmp(p, "## ", 3) == 0)
        return BLOCK_HEADING;
    if (strncmp(p, "    ", 4) == 0)
        return BLOCK_LITERAL;
    return strncmp(p, "- ", 2) == 0 ? BLOCK_ITEM : BLOCK_PARAGRAPH;
}

/* The lines of a block that begins at p; answers where the next one may begin. */
static const char *read_block(const char *p, struct block *ret)
{
    buf_clear(&ret->text);
    while (*p == '\n')
        p++;
    if (!*p) {
        ret->kind = BLOCK_END;
        return p;
    }
    ret->kind = kind_of(p);
    size_t skip = ret->kind == BLOCK_HEADING ? 3 : ret->kind == BLOCK_ITEM ? 2 : 0;
    for (bool first = true; *p; first = false) {
        const char *end = line_end(p);
        if (ret->kind == BLOCK_LITERAL) {
            const char *next = p + strspn(p, "\n");
            if (strncmp(next, "    ", 4) != 0)
                break;
            buf_repeat(&ret->text, '\n', (size_t)(next - p));
            end = line_end(next);
            buf_add(&ret->text, next + 4, (size_t)(end - next) - 4);
            buf_char(&ret->text, '\n');
        } else {
            if (!first && (blank(p) || kind_of(p) == BLOCK_HEADING || kind_of(p) == BLOCK_ITEM))
                break;
            p += first ? skip : strspn(p, " ");
            if (!first)
                buf_char(&ret->text, ' ');
            buf_add(&ret->text, p, (size_t)(end - p));
        }
        p = *end ? end + 1 : end;
        if (ret->kind == BLOCK_HEADING)
            break;
    }
    return p;
}

/* ---- words ---- */

/* Words of a terminal: `x` is bold, or stands as it is without colours; where a text begins with it
 * (an option, a list of things to type) no quotes are needed. */
static void terminal_words(struct writer *w, struct buf *b, const char *text)
{
    bool on = false, quotes = *text != '`';
    for (const char *p = text; *p; p++) {
        if (*p != '`') {
            buf_char(b, *p);
            continue;
        }
        on = !on;
        if (w->term->color)
            buf_str(b, cli_style(true, on ? CLI_BOLD : CLI_PLAIN));
        else if (quotes)
            buf_char(b, '`');
    }
}

/* A character of roff text: what roff would obey is escaped, what is not ASCII is named. */
static const char *roff_char(struct buf *b, const char *p, bool line_start)
{
    unsigned char c = (unsigned char)*p;
    if (line_start && (c == '.' || c == '\''))
        buf_str(b, "\\&");
    if (c == '\\') {
        buf_str(b, "\\e");
    } else if (c == '-') {
        buf_str(b, "\\-");
    } else if (c == '\'' || c == '`' || c == '"' || c == '^' || c == '~') {
        buf_str(b, c == '\''  ? "\\(aq"
                   : c == '`' ? "\\(ga"
                   : c == '"' ? "\\(dq"
                   : c == '^' ? "\\(ha"
                              : "\\(ti");
    } else if (c < 0x80) {
        buf_char(b, *p);
    } else {
        unsigned n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2, v = c & (0xffu >> (n + 1));
        for (unsigned i = 1; i < n && p[i]; i++)
            v = v << 6 | ((unsigned char)p[i] & 0x3f);
        buf_printf(b, "\\[u%04X]", v);
        return p + n;
    }
    return p + 1;
}

static void roff_words(struct buf *b, const char *text)
{
    bool on = false;
    for (const char *p = text; *p;) {
        if (*p == '`') {
            on = !on;
            buf_str(b, on ? "\\fB" : "\\fR");
            p++;
            continue;
        }
        p = roff_char(b, p, p == text);
    }
}

/* The same for running text: roff fills it, so its source may be broken at spaces, and short lines
 * are good style. */
static void roff_text(struct buf *b, const char *text)
{
    enum { SOURCE_WIDTH = 76 };
    struct buf words = {0}, lines = {0};
    roff_words(&words, text);
    text_wrap(&lines, buf_text(&words), SOURCE_WIDTH, 0, 0);
    for (const char *p = buf_text(&lines); *p; p++) {
        buf_char(b, *p);
        if (*p == '\n' && (p[1] == '.' || p[1] == '\''))
            buf_str(b, "\\&");
    }
    buf_char(b, '\n');
    buf_free(&words);
    buf_free(&lines);
}

static void roff_literal(struct buf *b, const char *text)
{
    for (const char *p = text; *p;)
        p = roff_char(b, p, p == text || p[-1] == '\n');
}

/* ---- writing ---- */

static void put_heading(struct writer *w, const char *text)
{
    if (!w->term) {
        buf_str(w->b, ".SH ");
        for (const char *p = text; *p; p++)
            buf_char(w->b, *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p);
        buf_char(w->b, '\n');
        return;
    }
    buf_printf(w->b, "%s%s%s%s\n", w->b->n ? "\n" : "", cli_style(w->term->color, CLI_BOLD), text,
               cli_style(w->term->color, CLI_PLAIN));
}

static void put_wrapped(struct writer *w, const char *text, size_t indent)
{
    struct buf words = {0};
    terminal_words(w, &words, text);
    buf_repeat(w->b, ' ', indent);
    text_wrap(w->b, buf_text(&words), w->width, indent, indent);
    buf_char(w->b, '\n');
    buf_free(&words);
}

static void put_paragraph(struct writer *w, const char *text, bool first)
{
    if (w->term) {
        if (!first)
            buf_char(w->b, '\n');
        put_wrapped(w, text, INDENT);
        return;
    }
    buf_str(w->b, first ? "" : ".PP\n");
    roff_text(w->b, text);
}

static void put_item(struct writer *w, const char *text)
{
    if (w->term) {
        struct buf words = {0};
        terminal_words(w, &words, text);
        buf_repeat(w->b, ' ', INDENT);
        buf_str(w->b, "- ");
        text_wrap(w->b, buf_text(&words), w->width, INDENT + 2, INDENT + 2);
        buf_char(w->b, '\n');
        buf_free(&words);
        return;
    }
    buf_str(w->b, ".IP \\(bu 2\n");
    roff_text(w->b, text);
}

static void put_literal(struct writer *w, const char *text, bool first)
{
    if (!w->term) {
        buf_str(w->b, first ? "" : ".PP\n");
        buf_str(w->b, ".nf\n.RS 4\n");
        roff_literal(w->b, text);
        buf_str(w->b, ".RE\n.fi\n");
        return;
    }
    if (!first)
        buf_char(w->b, '\n');
    for (const char *p = text; *p;) {
        const char *end = line_end(p);
        if (end != p)
            buf_repeat(w->b, ' ', INDENT + 4);
        buf_add(w->b, p, (size_t)(end - p));
        buf_char(w->b, '\n');
        p = *end ? end + 1 : end;
    }
}

/* The same in two columns, for --help; a long term gets a line of its own. */
static void put_row(struct writer *w, const char *tag, const char *text, size_t column)
{
    struct buf head = {0}, words = {0};
    terminal_words(w, &head, tag);
    terminal_words(w, &words, text);
    size_t at = 2 + text_width(buf_text(&head));
    buf_repeat(w->b, ' ', 2);
    buf_add(w->b, head.p, head.n);
    if (at + 2 > column) {
        buf_char(w->b, '\n');
        at = 0;
    }
    buf_repeat(w->b, ' ', column - at);
    text_wrap(w->b, buf_text(&words), w->width, column, column);
    buf_char(w->b, '\n');
    buf_free(&head);
    buf_free(&words);
}

/* A term (an option, a command) and what it means. */
static void put_tagged(struct writer *w, const char *tag, const char *text)
{
    if (w->column) {
        put_row(w, tag, text, w->column);
        return;
    }
    if (!w->term) {
        buf_str(w->b, ".TP\n");
        roff_words(w->b, tag);
        buf_char(w->b, '\n');
        roff_text(w->b, text);
        return;
    }
    put_wrapped(w, tag, INDENT);
    put_wrapped(w, text, TAG_INDENT);
}

/* Text of a page of docs/man: the part before its first heading (INTRO), all sections (NULL), or
 * the section of one heading. */
#define INTRO ""
static void put_text(struct writer *w, const char *name, const char *only)
{
    const struct cli_manual_text *t = cli_manual_texts;
    while (t->name && strcmp(t->name, name) != 0)
        t++;
    struct block block = {0};
    bool first = true, wanted = only && !*only;
    for (const char *p = t->name ? t->text : ""; (p = read_block(p, &block)), block.kind;) {
        const char *text = buf_text(&block.text);
        if (block.kind == BLOCK_HEADING) {
            wanted = !only || strcmp(only, text) == 0;
            if (wanted)
                put_heading(w, text);
            first = true;
            continue;
        }
        if (!wanted)
            continue;
        if (block.kind == BLOCK_PARAGRAPH)
            put_paragraph(w, text, first);
        else if (block.kind == BLOCK_ITEM)
            put_item(w, text);
        else
            put_literal(w, text, first);
        first = false;
    }
    buf_free(&block.text);
}

/* ---- what a page says ---- */

void cli_manual_synopsis(struct buf *b, const struct cli_cmd *cmd)
{
    buf_printf(b, "gospect %s [OPTION]…", cmd->name);
    for (size_t i = 0; i < CLI_PARAMS; i++)
        if (cmd->param[i]->name)
            buf_printf(b, cmd->param[i]->required ? " %s" : " [%s]", cmd->param[i]->name);
    if (cmd->flags & CLI_REST)
        buf_str(b, " [-- ARG…]");
}

/* "`-g`, `--group-by`=stack|state" */
static void option_tag(struct buf *b, const struct cli_opt *o)
{
    if (o->letter)
        buf_printf(b, "`-%c`, ", o->letter);
    buf_printf(b, "`--%s`", o->name);
    if (o->arg)
        buf_printf(b, "=%s", o->arg);
}

static void option_help(struct buf *b, const struct cli_opt *o)
{
    buf_str(b, o->help);
    if (o->dflt && strcmp(o->dflt, "0") != 0 && !strstr(o->help, "without it"))
        buf_printf(b, " (default %s)", o->dflt);
}

static void put_options(struct writer *w, const struct cli_cmd *cmd, bool global)
{
    struct buf tag = {0}, help = {0};
    for (size_t i = 0; i < CLI_NOPT; i++) {
        const struct cli_opt *o = &cli_opts[i];
        if (cli_opt_global(o) != global || !cli_opt_applies(o, cmd))
            continue;
        buf_clear(&tag);
        buf_clear(&help);
        option_tag(&tag, o);
        option_help(&help, o);
        put_tagged(w, buf_text(&tag), buf_text(&help));
    }
    buf_free(&tag);
    buf_free(&help);
}

static bool has_own_options(const struct cli_cmd *cmd)
{
    for (size_t i = 0; i < CLI_NOPT; i++)
        if (!cli_opt_global(&cli_opts[i]) && cli_opt_applies(&cli_opts[i], cmd))
            return true;
    return false;
}

static void put_arguments(struct writer *w, const struct cli_cmd *cmd)
{
    for (size_t i = 0; i < CLI_PARAMS; i++)
        if (cmd->param[i]->name) {
            struct buf tag = {0};
            buf_printf(&tag, "`%s`", cmd->param[i]->name);
            put_tagged(w, buf_text(&tag), cmd->param[i]->help);
            buf_free(&tag);
        }
}

static void put_commands(struct writer *w)
{
    for (size_t i = 0; i < CLI_NCMD; i++) {
        const struct cli_cmd *cmd = &cli_cmds[i];
        if (cmd->flags & CLI_HIDDEN)
            continue;
        struct buf tag = {0};
        buf_printf(&tag, "`%s`", cmd->name);
        for (size_t k = 0; k < CLI_PARAMS; k++)
            if (cmd->param[k]->name)
                buf_printf(&tag, cmd->param[k]->required ? " %s" : " [%s]", cmd->param[k]->name);
        put_tagged(w, buf_text(&tag), cmd->summary);
        buf_free(&tag);
    }
}

/* What a TARGET is, in the words of the table. */
static const char *param_target_help(void)
{
    return cli_cmds[CMD_goroutines].param[0]->help;
}

static struct writer terminal_writer(struct buf *b, const struct cli_term *t)
{
    return (struct writer){.b = b, .term = t, .width = t->width < READABLE ? t->width : READABLE};
}

/* One screen: what there is, and how to begin. */
void cli_manual_overview(struct buf *b, const struct cli_term *t)
{
    struct writer w = terminal_writer(b, t);
    w.column = 26;
    text_wrap(
        b,
        "gospect tells what is wrong inside a running Go process, without changing, rebuilding "
        "or noticeably stopping it.",
        w.width, 0, 0);
    buf_str(b, "\n\n");
    put_commands(&w);
    put_heading(&w, "TARGET");
    put_wrapped(&w, param_target_help(), INDENT);
    put_text(&w, "gospect", "Examples");
    put_heading(&w, "Options of every command");
    struct buf line = {0};
    for (size_t i = 0; i < CLI_NOPT; i++)
        if (cli_opt_global(&cli_opts[i])) {
            buf_printf(&line, "%s--%s", line.n ? "  " : "", cli_opts[i].name);
            if (cli_opts[i].arg)
                buf_printf(&line, "=%s", cli_opts[i].arg);
        }
    put_wrapped(&w, buf_text(&line), INDENT);
    buf_str(
        b, "\ngospect help COMMAND shows the manual of a command, gospect help gospect all of this "
           "at length.\n");
    buf_free(&line);
}

void cli_manual_usage(struct buf *b, const struct cli_term *t, const struct cli_cmd *cmd)
{
    struct writer w = terminal_writer(b, t);
    struct buf line = {0};
    w.column = 30;
    cli_manual_synopsis(&line, cmd);
    buf_printf(b, "%s%s%s\n\n", cli_style(t->color, CLI_BOLD), buf_text(&line),
               cli_style(t->color, CLI_PLAIN));
    put_wrapped(&w, cmd->summary, 2);
    if (cmd->param[0]->name)
        buf_char(b, '\n');
    put_arguments(&w, cmd);
    if (has_own_options(cmd)) {
        put_heading(&w, "Options");
        put_options(&w, cmd, false);
    }
    put_text(&w, cmd->name, "Examples");
    buf_clear(&line);
    buf_printf(&line,
               "Options of every command: gospect --help. The manual of this one: gospect help %s.",
               cmd->name);
    buf_char(b, '\n');
    text_wrap(b, buf_text(&line), w.width, 0, 0);
    buf_char(b, '\n');
    buf_free(&line);
}

static void put_exit_status(struct writer *w)
{
    put_heading(w, "Exit status");
    put_tagged(w, "0", "done, nothing found");
    put_tagged(w, "1",
               "done, and there is a finding: `doctor` found a problem, `watch` saw a storm");
    put_tagged(w, "2", "the command line makes no sense");
    put_tagged(w, "3",
               "could not look: no such process, no permission, a damaged file; what is the "
               "matter stands on standard error");
    put_paragraph(w,
                  "Ended by a signal (Ctrl-C), gospect leaves the process as it was, says so, and "
                  "ends by that signal.",
                  false);
}

/* The fields of --filter, from the table that reads them. */
static void put_filter_fields(struct writer *w)
{
    static const struct {
        const char *name, *doc;
    } fields[] = {
#define FIELD(id, name, kind, doc) {"`" name "`", doc},
#include "snap/filter.def"
#undef FIELD
    };
    put_heading(w, "Fields of a filter");
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        put_tagged(w, fields[i].name, fields[i].doc);
}

static void page_body(struct writer *w, const struct cli_cmd *cmd)
{
    const char *name = cmd ? cmd->name : "gospect";
    put_heading(w, "Description");
    put_text(w, name, INTRO);
    if (!cmd) {
        put_heading(w, "Commands");
        put_commands(w);
    } else if (cmd->param[0]->name) {
        put_heading(w, "Arguments");
        put_arguments(w, cmd);
    }
    if (cmd && has_own_options(cmd)) {
        put_heading(w, "Options");
        put_options(w, cmd, false);
    }
    if (cmd && cmd->id == CMD_goroutines)
        put_filter_fields(w);
    put_heading(w, "Options of every command");
    put_options(w, cmd, true);
    put_exit_status(w);
    put_text(w, name, NULL);
}

void cli_manual_page(struct buf *b, const struct cli_term *t, const struct cli_cmd *cmd)
{
    struct writer w = terminal_writer(b, t);
    struct buf line = {0};
    put_heading(&w, "Name");
    if (cmd)
        buf_printf(&line, "gospect %s - %s", cmd->name, cmd->summary);
    else
        buf_str(&line, "gospect - tell what is wrong inside a running Go process");
    put_wrapped(&w, buf_text(&line), INDENT);
    put_heading(&w, "Synopsis");
    buf_clear(&line);
    if (cmd)
        cli_manual_synopsis(&line, cmd);
    else
        buf_str(&line, "gospect COMMAND TARGET [OPTION]…");
    put_wrapped(&w, buf_text(&line), INDENT);
    page_body(&w, cmd);
    buf_free(&line);
}

static void see_also(struct writer *w, const struct cli_cmd *cmd)
{
    put_heading(w, "See also");
    bool first = true;
    if (cmd) {
        buf_str(w->b, "\\fBgospect\\fR(1)");
        first = false;
    }
    for (size_t i = 0; i < CLI_NCMD; i++) {
        if (&cli_cmds[i] == cmd || (cli_cmds[i].flags & CLI_HIDDEN))
            continue;
        buf_printf(w->b, "%s\\fBgospect\\-%s\\fR(1)", first ? "" : ",\n", cli_cmds[i].name);
        first = false;
    }
    buf_char(w->b, '\n');
}

void cli_manual_roff(struct buf *b, const struct cli_cmd *cmd)
{
    struct writer w = {.b = b};
    struct buf upper = {0}, line = {0};
    for (const char *p = cmd ? cmd->name : ""; *p; p++)
        buf_char(&upper, (char)(*p - 'a' + 'A'));
    buf_printf(b, ".\\\" Made of src/front/cli/*.def and docs/man: do not edit.\n");
    buf_printf(b, ".TH GOSPECT%s%s 1 \"%s\" \"gospect %s\" \"gospect manual\"\n", cmd ? "\\-" : "",
               buf_text(&upper), GOSPECT_DATE, GOSPECT_VERSION);
    buf_str(b, ".SH NAME\n");
    if (cmd)
        buf_printf(&line, "gospect-%s - %s", cmd->name, cmd->summary);
    else
        buf_str(&line, "gospect - tell what is wrong inside a running Go process");
    roff_words(b, buf_text(&line));
    buf_str(b, "\n.SH SYNOPSIS\n");
    buf_clear(&line);
    if (cmd)
        cli_manual_synopsis(&line, cmd);
    else
        buf_str(&line, "gospect COMMAND TARGET [OPTION]…");
    roff_words(b, buf_text(&line));
    buf_char(b, '\n');
    page_body(&w, cmd);
    see_also(&w, cmd);
    buf_free(&upper);
    buf_free(&line);
}

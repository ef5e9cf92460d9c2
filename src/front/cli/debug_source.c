/* debug_source.c - Go source on a terminal; see debug_source.h. */
#include "front/cli/debug_source.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "front/cli/term.h"

enum source_state { IN_CODE, IN_COMMENT, IN_RAW };
enum { SOURCE_MAX = 64 << 20, FILES_MAX = 64 };

/* One piece of a line: comment, string, number, word, or anything else. */
enum piece_kind { PIECE_PLAIN, PIECE_KEYWORD, PIECE_STRING, PIECE_NUMBER, PIECE_COMMENT };

static bool is_keyword(const char *p, size_t n)
{
    static const char *const words[] = {
        "break",  "case",        "chan", "const",   "continue", "default", "defer",
        "else",   "fallthrough", "for",  "func",    "go",       "goto",    "if",
        "import", "interface",   "map",  "package", "range",    "return",  "select",
        "struct", "switch",      "type", "var",     "nil",      "true",    "false"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i]) == n && memcmp(words[i], p, n) == 0)
            return true;
    return false;
}

/* Where a text that ends with `end` is over; n: it goes on in the next line. */
static size_t until(const char *p, size_t n, size_t at, const char *end)
{
    size_t len = strlen(end);
    for (; at + len <= n; at++)
        if (memcmp(p + at, end, len) == 0)
            return at + len;
    return n + 1;
}

static size_t quoted(const char *p, size_t n, char quote)
{
    for (size_t at = 1; at < n; at++) {
        if (p[at] == '\\')
            at++;
        else if (p[at] == quote)
            return at + 1;
    }
    return n;
}

/* Of a name, number, or character outside ASCII. */
static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* The piece that begins at p; *state: in what the next one begins. */
static size_t piece(const char *p, size_t n, uint8_t *state, enum piece_kind *kind)
{
    const char *end = *state == IN_COMMENT ? "*/" : *state == IN_RAW ? "`" : NULL;
    size_t at = 0;
    if (!end && n > 1 && p[0] == '/' && p[1] == '*') {
        end = "*/";
        at = 2;
        *state = IN_COMMENT;
    } else if (!end && p[0] == '`') {
        end = "`";
        at = 1;
        *state = IN_RAW;
    }
    if (end) {
        *kind = *state == IN_COMMENT ? PIECE_COMMENT : PIECE_STRING;
        at = until(p, n, at, end);
        if (at > n)
            return n;
        *state = IN_CODE;
        return at;
    }
    *kind = PIECE_PLAIN;
    if (n > 1 && p[0] == '/' && p[1] == '/') {
        *kind = PIECE_COMMENT;
        return n;
    }
    if (p[0] == '"' || p[0] == '\'') {
        *kind = PIECE_STRING;
        return quoted(p, n, p[0]);
    }
    while (at < n && in_word(p[at]))
        at++;
    if (!at)
        return 1;
    *kind = isdigit((unsigned char)p[0]) ? PIECE_NUMBER
            : is_keyword(p, at)          ? PIECE_KEYWORD
                                         : PIECE_PLAIN;
    return at;
}

static size_t line_length(const struct source_file *f, unsigned line)
{
    size_t from = f->lines.v[line - 1], to = line < f->lines.n ? f->lines.v[line] : f->text.n;
    const char *p = f->text.p + from;
    size_t n = to - from;
    while (n && (p[n - 1] == '\n' || p[n - 1] == '\r'))
        n--;
    return n;
}

static void find_lines(struct source_file *f)
{
    for (size_t at = 0; at < f->text.n;) {
        const char *nl = memchr(f->text.p + at, '\n', f->text.n - at);
        vec_push(&f->lines, (uint32_t)at);
        at = nl ? (size_t)(nl - f->text.p) + 1 : f->text.n;
    }
    uint8_t state = IN_CODE;
    for (unsigned line = 1; line <= f->lines.n; line++) {
        const char *p = f->text.p + f->lines.v[line - 1];
        size_t n = line_length(f, line);
        enum piece_kind kind;
        vec_push(&f->states, state);
        for (size_t at = 0; at < n;)
            at += piece(p + at, n - at, &state, &kind);
    }
}

const struct source_file *sources_open(struct sources *s, const char *path)
{
    for (size_t i = 0; i < s->files.n; i++)
        if (strcmp(s->files.v[i]->path, path) == 0)
            return s->files.v[i]->readable ? s->files.v[i] : NULL;
    if (s->files.n >= FILES_MAX)
        sources_free(s);
    struct source_file *f = mem_alloc(sizeof(*f));
    f->path = mem_strdup(path);
    struct err *e = file_read(path, SOURCE_MAX, &f->text);
    f->readable = !e;
    err_free(e);
    if (f->readable)
        find_lines(f);
    vec_push(&s->files, f);
    return f->readable ? f : NULL;
}

void sources_free(struct sources *s)
{
    for (size_t i = 0; i < s->files.n; i++) {
        struct source_file *f = s->files.v[i];
        buf_free(&f->text);
        vec_free(&f->lines);
        vec_free(&f->states);
        free(f->path);
        free(f);
    }
    vec_free(&s->files);
}

unsigned source_lines(const struct source_file *f)
{
    return (unsigned)f->lines.n;
}

static void add_piece(struct buf *b, const char *p, size_t n, enum piece_kind kind, bool color)
{
    static const enum cli_style styles[] = {[PIECE_PLAIN] = CLI_PLAIN,
                                            [PIECE_KEYWORD] = CLI_CYAN,
                                            [PIECE_STRING] = CLI_GREEN,
                                            [PIECE_NUMBER] = CLI_YELLOW,
                                            [PIECE_COMMENT] = CLI_DIM};
    if (kind == PIECE_PLAIN)
        color = false;
    buf_str(b, cli_style(color, styles[kind]));
    for (size_t i = 0; i < n;) {
        size_t run = 0;
        char text[256];
        for (; i < n && p[i] != '\t' && p[i] && run < sizeof(text) - 1; i++)
            text[run++] = p[i];
        while (i < n && run > 4 && ((unsigned char)p[i] & 0xc0) == 0x80) { /* whole characters */
            i--;
            run--;
        }
        text[run] = 0;
        text_clean(b, text);
        if (i < n && (p[i] == '\t' || !p[i])) {
            buf_str(b, p[i] ? "    " : "^@");
            i++;
        }
    }
    buf_str(b, cli_style(color, CLI_PLAIN));
}

void source_line(const struct source_file *f, unsigned line, bool color, struct buf *b)
{
    if (!line || line > f->lines.n)
        return;
    const char *p = f->text.p + f->lines.v[line - 1];
    size_t n = line_length(f, line);
    uint8_t state = f->states.v[line - 1];
    for (size_t at = 0; at < n;) {
        enum piece_kind kind;
        size_t len = piece(p + at, n - at, &state, &kind);
        add_piece(b, p + at, len, kind, color);
        at += len;
    }
}

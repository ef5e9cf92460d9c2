/* debug_show.c - how things look in the terminal debugger: places, source, values. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "front/cli/debug_int.h"
#include "snap/names.h"

enum { NAME_MAX_COLUMNS = 40, CHILDREN_PAGE = 10000, FMT_DEPTH = 8 };

void show_style(struct shell *s, struct buf *b, enum cli_style style)
{
    buf_str(b, cli_style(s->c->term.color, style));
}

/* ---- places ---- */

void show_func(struct buf *b, const char *func)
{
    struct buf text = {0};
    snap_short_func(&text, func);
    text_clean(b, buf_text(&text));
    buf_free(&text);
}

void show_frame_func(struct shell *s, struct buf *b, const struct rt_frame *f,
                     const char *otherwise)
{
    const char *name = *f->func ? rt_frame_name(dbg_stand(s->d), f) : otherwise;
    size_t args = strcspn(name, "["), from = 0;
    if (!name[args] || strncmp(name + args, "[...]", 5) == 0) {
        show_func(b, name);
        return;
    }
    for (size_t i = 0; i < args; i++)
        if (name[i] == '/')
            from = i + 1;
    text_clean(b, name + from);
}

/* As the user has it. */
static const char *mapped(struct shell *s, const char *file)
{
    for (size_t i = 0; s->source_map && s->source_map[i]; i += 2) {
        size_t n = strlen(s->source_map[i]);
        if (strncmp(file, s->source_map[i], n) == 0)
            return arena_printf(&s->arena, "%s%s", s->source_map[i + 1], file + n);
    }
    return file;
}

/* Its directory and name. */
void show_file(struct shell *s, struct buf *b, const char *file)
{
    const char *p = file + strlen(file);
    for (unsigned slashes = 0; p > file; p--)
        if (p[-1] == '/' && ++slashes == 2)
            break;
    text_clean(b, p);
}

void show_place(struct shell *s, struct buf *b, const char *file, int32_t line)
{
    show_file(s, b, *file ? file : "?");
    if (line > 0)
        buf_printf(b, ":%d", line);
}

static unsigned digits(unsigned n)
{
    unsigned d = 1;
    while (n >= 10) {
        n /= 10;
        d++;
    }
    return d;
}

bool show_source(struct shell *s, struct buf *b, const char *file, unsigned line, unsigned before,
                 unsigned after, bool arrow)
{
    const struct source_file *f = sources_open(&s->sources, mapped(s, file));
    if (!f || line > source_lines(f))
        return false;
    unsigned from = line > before ? line - before : 1;
    unsigned to = source_lines(f) - line > after ? line + after : source_lines(f);
    struct buf text = {0};
    for (unsigned at = from; at <= to; at++) {
        bool here = arrow && at == line;
        buf_clear(&text);
        if (here)
            buf_printf(&text, "%s→%s ", cli_style(s->c->term.color, CLI_BOLD),
                       cli_style(s->c->term.color, CLI_PLAIN));
        else
            buf_str(&text, "  ");
        buf_printf(&text, "%s%*u%s  ", cli_style(s->c->term.color, CLI_DIM), (int)digits(to), at,
                   cli_style(s->c->term.color, CLI_PLAIN));
        source_line(f, at, s->c->term.color, &text);
        if (s->c->term.out_tty)
            text_fit(b, buf_text(&text), s->c->term.width, TEXT_CUT_END);
        else
            buf_str(b, buf_text(&text));
        show_style(s, b, CLI_PLAIN);
        buf_char(b, '\n');
    }
    buf_free(&text);
    return true;
}

/* ---- where the user looks ---- */

struct err *shell_frames(struct shell *s, const struct rt_goroutine *g, size_t max, struct arena *a,
                         struct rt_frames *ret)
{
    return rt_goroutine_frames(dbg_stand(s->d), g->g, max, a, ret);
}

struct err *shell_where(struct shell *s, struct arena *a, size_t max, struct where *ret)
{
    *ret = (struct where){.at = s->frame, .tid = s->tid};
    if (max && max <= s->frame)
        max = s->frame + 1;
    if (!s->tid && dbg_goroutine(s->d)) {
        const struct rt_goroutine *g;
        TRY(rt_goroutine_by_id(dbg_stand(s->d), (uint64_t)dbg_goroutine(s->d), &g));
        ret->g = *g;
        ret->has_g = true;
        ret->tid = g->tid;
        TRY(shell_frames(s, g, max, a, &ret->frames));
    } else if (s->tid) {
        TRY(rt_thread_frames(dbg_stand(s->d), s->tid, max, a, &ret->frames));
    } else {
        return err_hint(err_new(ERR_USAGE, "no goroutine is selected"),
                        "the command goroutine ID selects one");
    }
    if (s->frame < ret->frames.n)
        ret->frame = &ret->frames.v[s->frame];
    return NULL;
}

struct err *shell_select(struct shell *s, int64_t goroutine, unsigned frame)
{
    TRY(dbg_select(s->d, goroutine, frame));
    s->frame = frame;
    s->tid = 0;
    return NULL;
}

struct err *shell_eval(struct shell *s, const char *text, struct arena *a, struct dbg_value *ret)
{
    struct where w;
    if (!s->tid) {
        struct err *e = dbg_eval(s->d, 0, s->frame, text, a, ret);
        run_call_ended(s);
        return e;
    }
    TRY(shell_where(s, a, 1, &w)); /* a thread without a goroutine */
    struct expr_ctx ctx = {.st = dbg_stand(s->d), .frame = w.frame, .tid = s->tid, .arena = a};
    return expr_once(&ctx, text, ret);
}

struct err *shell_place(struct shell *s, const char *spec, struct arena *a, struct places *ret)
{
    struct place_from from = {.source_map = s->source_map};
    struct where w;
    struct err *e = shell_where(s, a, 1, &w);
    if (!e && w.frame) {
        from.file = w.frame->file;
        from.line = w.frame->line > 0 ? (unsigned)w.frame->line : 0;
        from.func = w.frame->func;
    }
    err_free(e);
    return place_find(dbg_code(s->d), spec, &from, a, ret);
}

struct err *show_here(struct shell *s, unsigned context)
{
    struct arena a;
    struct where w;
    struct buf b = {0};
    arena_init(&a);
    struct err *e = shell_where(s, &a, 1, &w);
    if (!e && w.frame) {
        const struct rt_frame *f = w.frame;
        if (w.has_g)
            buf_printf(&b, "goroutine %llu, ", (unsigned long long)w.g.id);
        buf_printf(&b, "frame %u: ", w.at);
        show_frame_func(s, &b, f, "code without a name");
        if (*f->file) {
            buf_str(&b, " at ");
            show_place(s, &b, f->file, f->line);
        }
        buf_char(&b, '\n');
        if (*f->file && f->line > 0)
            show_source(s, &b, f->file, (unsigned)f->line, context, context, true);
        shell_say(s, &b);
    }
    buf_free(&b);
    arena_free(&a);
    return e;
}

/* ---- values ---- */

struct value_limits show_limits(const struct shell *s)
{
    struct value_limits l = value_limits_typed;
    l.depth = s->config.depth;
    l.pointers = s->config.pointers;
    l.elements = s->config.elements;
    l.text = s->config.string_length;
    return l;
}

void show_fitted(struct shell *s, struct buf *b, const char *text, size_t column)
{
    struct buf clean = {0};
    text_clean(&clean, text);
    if (s->c->term.out_tty && s->c->term.width > column + 10)
        text_fit(b, buf_text(&clean), s->c->term.width - column, TEXT_CUT_END);
    else
        buf_str(b, buf_text(&clean));
    buf_free(&clean);
}

static size_t name_columns(const char *name)
{
    return text_width(name) < NAME_MAX_COLUMNS ? text_width(name) : NAME_MAX_COLUMNS;
}

/* One page of children; how many were shown.  Ctrl-C ends a long one. */
static size_t show_page(struct shell *s, struct buf *b, const struct dbg_value *v, uint64_t from,
                        uint64_t want, unsigned indent)
{
    struct arena a;
    struct dbg_value *children;
    size_t n = 0, shown = 0;
    arena_init(&a);
    struct err *e = dbg_value_children(dbg_stand(s->d), v, from, min_u64(want, CHILDREN_PAGE),
                                       false, &a, &children, &n);
    err_free(e); /* then there are none */
    for (; shown < n && !run_is_interrupted(); shown++)
        show_variable(s, b, children[shown].name, &children[shown], indent, false);
    arena_free(&a);
    return shown;
}

/* Children below one another: for what does not fit into a line. */
static bool show_children(struct shell *s, struct buf *b, const struct dbg_value *v,
                          unsigned indent)
{
    struct buf inner = {0};
    struct dbg_count count;
    enum dbg_kind kind = dbg_value_kind(dbg_stand(s->d), v);
    bool map = kind == DBG_KIND_MAP, slice = kind == DBG_KIND_SLICE;
    if (!map && !slice && kind != DBG_KIND_STRUCT && kind != DBG_KIND_ARRAY)
        return false;
    dbg_value_count(dbg_stand(s->d), v, &count);
    uint64_t want = count.named + min_u64(count.indexed, s->config.elements), n = 0, more;
    do
        n += more = show_page(s, &inner, v, n, want - n, indent + 4);
    while (more && n < want);
    if (n) {
        text_clean(b, v->type);
        if (slice || map)
            buf_printf(b, " len: %llu", (unsigned long long)count.indexed);
        buf_str(b, " {\n");
        buf_add(b, buf_text(&inner), inner.n);
        if (count.indexed + count.named > n) {
            buf_repeat(b, ' ', indent + 4);
            buf_printf(b, "… %llu more (config elements N",
                       (unsigned long long)(count.indexed + count.named - n));
            if (!map && !count.named && *v->path)
                buf_printf(b, ", or print %s[%llu:]", v->path, (unsigned long long)n);
            buf_str(b, ")\n");
        }
        buf_repeat(b, ' ', indent);
        buf_str(b, "}\n");
    }
    buf_free(&inner);
    return n > 0;
}

/* A text that a printer made, or where one has failed: not to be broken into fields. */
static bool is_printed(const struct dbg_value *v, const char *text)
{
    size_t n = v->type ? strlen(v->type) : 0;
    return (n && strncmp(text, v->type, n) == 0 && text[n] == '(') || strstr(text, " (printer: ");
}

void show_variable(struct shell *s, struct buf *b, const char *name, const struct dbg_value *v,
                   unsigned indent, bool full)
{
    struct value_limits limits = show_limits(s);
    struct buf text = {0};
    size_t column = indent + (*name ? name_columns(name) + 3 : 0);
    dbg_value_text(dbg_stand(s->d), v, &limits, &text);
    buf_repeat(b, ' ', indent);
    if (*name) {
        text_clean(b, name);
        buf_str(b, v->is_var && v->shadowed ? " (shadowed) = " : " = ");
    }
    bool wide = s->c->term.out_tty && column + text_width(buf_text(&text)) > s->c->term.width;
    bool fits = !wide || is_printed(v, buf_text(&text));
    if (fits || !full || !show_children(s, b, v, indent)) {
        if (full)
            text_clean(b, buf_text(&text));
        else
            show_fitted(s, b, buf_text(&text), column);
        buf_char(b, '\n');
    }
    buf_free(&text);
}

/* ---- print %x ---- */

static void put_bits(struct buf *b, uint64_t v)
{
    char digits64[65];
    int n = 64;
    digits64[n] = 0;
    do
        digits64[--n] = (char)('0' + (v & 1));
    while (v >>= 1);
    buf_str(b, digits64 + n);
}

static void put_rune(struct buf *b, uint32_t c)
{
    char text[5] = {0};
    if (c < 0x80)
        text[0] = (char)c;
    else if (c < 0x800)
        text[0] = (char)(0xc0 | c >> 6), text[1] = (char)(0x80 | (c & 63));
    else if (c < 0x10000)
        text[0] = (char)(0xe0 | c >> 12), text[1] = (char)(0x80 | (c >> 6 & 63)),
        text[2] = (char)(0x80 | (c & 63));
    else
        text[0] = (char)(0xf0 | c >> 18), text[1] = (char)(0x80 | (c >> 12 & 63)),
        text[2] = (char)(0x80 | (c >> 6 & 63)), text[3] = (char)(0x80 | (c & 63));
    text_clean(b, text);
}

static bool format_int(struct buf *b, uint64_t v, bool negative, const char *fmt)
{
    char flags[8], pattern[16];
    char verb = fmt[strlen(fmt) - 1];
    size_t n = strlen(fmt) - 1;
    uint64_t magnitude = negative ? 0 - v : v;
    if (n >= sizeof(flags))
        return false;
    memcpy(flags, fmt, n);
    flags[n] = 0;
    snprintf(pattern, sizeof(pattern), "%s%s%c", flags, "ll", verb == 'd' ? 'u' : verb);
    if (verb == 'c')
        put_rune(b, (uint32_t)v);
    else if (verb == 'b' || strchr("dxXo", verb))
        buf_str(b, negative ? "-" : "");
    else
        return false;
    if (verb == 'b')
        put_bits(b, magnitude);
    else if (verb != 'c')
        buf_printf(b, pattern, (unsigned long long)magnitude);
    return true;
}

static bool format_float(struct buf *b, const uint8_t *bytes, size_t n, const char *fmt)
{
    double d;
    float f;
    if (!strchr("feEgG", fmt[strlen(fmt) - 1]) || strlen(fmt) > 8)
        return false;
    if (n == 4) {
        memcpy(&f, bytes, 4);
        d = (double)f;
    } else {
        memcpy(&d, bytes, 8);
    }
    buf_printf(b, fmt, d);
    return true;
}

static bool format_string(struct shell *s, struct buf *b, const struct dbg_value *v,
                          const char *fmt)
{
    char verb = fmt[strlen(fmt) - 1];
    uint64_t n = 0;
    taddr at = dbg_value_memory(dbg_stand(s->d), v, &n);
    uint64_t all = n;
    n = min_u64(n, s->config.string_length < 4096 ? 4096 : s->config.string_length);
    char *text = mem_alloc(n + 1);
    struct err *e = n ? target_read(dbg_target(s->d), at, text, n) : NULL;
    bool ok = !e && strchr("sqxX", verb);
    for (uint64_t i = 0; ok && (verb == 'x' || verb == 'X') && i < n; i++)
        buf_printf(b, verb == 'x' ? "%02x" : "%02X", (unsigned char)text[i]);
    if (ok && n < all && (verb == 's' || verb == 'q'))
        n = text_whole(text, n);
    for (uint64_t i = 0; ok && verb == 's' && i < n; i += strlen(text + i) + 1) {
        buf_str(b, i ? "^@" : "");
        text[n] = 0;
        text_clean(b, text + i);
    }
    if (ok && verb == 'q')
        text_quote(b, text, n);
    if (ok && n < all)
        buf_printf(b, "...+%llu more", (unsigned long long)(all - n));
    err_free(e);
    free(text);
    return ok;
}

static bool format_any(struct shell *s, struct buf *b, const struct dbg_value *v, const char *fmt,
                       unsigned depth);

static bool format_parts(struct shell *s, struct buf *b, const struct dbg_value *v, const char *fmt,
                         enum dbg_kind kind, unsigned depth)
{
    struct arena a;
    struct dbg_value *children;
    size_t n;
    struct dbg_count count;
    bool map = kind == DBG_KIND_MAP, fields = kind == DBG_KIND_STRUCT, ok = true;
    arena_init(&a);
    struct dbg_value plain = *v; /* printers have no formats */
    plain.plain = true;
    dbg_value_count(dbg_stand(s->d), &plain, &count);
    struct err *e = dbg_value_children(dbg_stand(s->d), &plain, 0,
                                       count.named + min_u64(count.indexed, s->config.elements),
                                       false, &a, &children, &n);
    buf_str(b, fields ? "{" : map ? "map[" : "[");
    for (size_t i = 0; !e && ok && i < n; i++) {
        buf_str(b, i ? (fields || map ? ", " : ",") : "");
        if (fields || map)
            buf_printf(b, "%s: ", children[i].name);
        ok = format_any(s, b, &children[i], fmt, depth + 1);
    }
    buf_str(b, fields ? "}" : "]");
    ok = ok && !e;
    err_free(e);
    arena_free(&a);
    return ok;
}

static bool format_scalar(struct shell *s, struct buf *b, const struct dbg_value *v,
                          enum dbg_kind kind, const char *fmt)
{
    struct values *vs = rt_stand_values(dbg_stand(s->d), NULL);
    const struct dwarf_type *t = vs ? value_type_stripped(vs, v->v.type) : NULL;
    int64_t size = vs ? value_type_size(vs, v->v.type) : -1;
    uint8_t bytes[8] = {0};
    uint64_t word = 0;
    if (!t || size < 1 || size > 8 || !value_get(vs, &v->v, 0, bytes, (size_t)size))
        return false;
    if (kind == DBG_KIND_FLOAT)
        return format_float(b, bytes, (size_t)size, fmt);
    memcpy(&word, bytes, sizeof(word));
    bool negative = t->is_signed && (word >> (8 * size - 1) & 1);
    if (negative && size < 8)
        word |= ~UINT64_C(0) << 8 * size;
    return format_int(b, word, negative, fmt);
}

static bool format_any(struct shell *s, struct buf *b, const struct dbg_value *v, const char *fmt,
                       unsigned depth)
{
    struct value_limits limits = show_limits(s);
    enum dbg_kind kind = dbg_value_kind(dbg_stand(s->d), v);
    struct buf text = {0};
    size_t was = b->n;
    bool ok = false;
    if (v->why || depth > FMT_DEPTH)
        ok = false;
    else if (v->form == DBG_VALUE && (kind == DBG_KIND_INT || kind == DBG_KIND_FLOAT ||
                                      kind == DBG_KIND_POINTER || kind == DBG_KIND_ENUM))
        ok = format_scalar(s, b, v, kind, fmt);
    else if (kind == DBG_KIND_STRING && v->form == DBG_VALUE)
        ok = format_string(s, b, v, fmt);
    else if (kind == DBG_KIND_STRUCT || kind == DBG_KIND_ARRAY || kind == DBG_KIND_SLICE ||
             kind == DBG_KIND_MAP)
        ok = format_parts(s, b, v, fmt, kind, depth);
    if (!ok && depth) { /* a part that this cannot format shows as always */
        buf_cut(b, was);
        dbg_value_text(dbg_stand(s->d), v, &limits, &text);
        text_clean(b, buf_text(&text));
        buf_free(&text);
        ok = true;
    }
    return ok;
}

static bool format_untyped(struct buf *b, const char *text, const char *fmt)
{
    char *end;
    long long v = strtoll(text, &end, 0);
    return *text && !*end && format_int(b, (uint64_t)v, v < 0, fmt);
}

static bool is_format(const char *fmt)
{
    size_t n = strlen(fmt);
    return n >= 2 && n <= 6 && fmt[0] == '%' && strchr("xXdobcqsfeEgG", fmt[n - 1]) &&
           strspn(fmt + 1, "#0123456789.-+ ") == n - 2;
}

struct err *show_value(struct shell *s, struct buf *b, const struct dbg_value *v, const char *fmt)
{
    struct value_limits limits = show_limits(s);
    struct buf text = {0};
    if (!fmt) {
        show_variable(s, b, "", v, 0, true);
        return NULL;
    }
    if (!is_format(fmt))
        return err_hint(err_new(ERR_USAGE, "%s is no format", fmt), "for instance %%x %%d %%q %%f");
    size_t was = b->n;
    bool ok = format_any(s, b, v, fmt, 0);
    if (!ok) {
        buf_cut(b, was);
        dbg_value_text(dbg_stand(s->d), v, &limits, &text);
        ok = v->form == DBG_UNTYPED && format_untyped(b, buf_text(&text), fmt);
    }
    buf_free(&text);
    if (!ok)
        return v->why ? err_new(ERR_FAULT, "it has no value: %s", v->why)
                      : err_new(ERR_USAGE, "%s does not fit a value of type %s", fmt, v->type);
    buf_char(b, '\n');
    return NULL;
}

/* ---- display ---- */

void show_displays(struct shell *s)
{
    struct arena a;
    struct buf b = {0};
    for (size_t i = 0; i < s->displays.n; i++) {
        struct dbg_value v;
        char *copy = mem_strdup(s->displays.v[i].text), *rest = copy;
        const char *fmt = *copy == '%' ? shell_word(&rest) : NULL;
        arena_init(&a);
        struct err *e = shell_eval(s, rest, &a, &v);
        buf_printf(&b, "%u: ", s->displays.v[i].id);
        if (!e && !fmt) {
            show_variable(s, &b, rest, &v, 0, false);
        } else {
            buf_printf(&b, "%s = ", rest);
            if (!e)
                e = show_value(s, &b, &v, fmt);
            if (e)
                buf_printf(&b, "(%s)\n", err_message(e));
        }
        err_free(e);
        free(copy);
        arena_free(&a);
    }
    if (b.n)
        shell_say(s, &b);
    buf_free(&b);
}

/* debug_look.c - stacks, frames and values of the terminal debugger. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "front/cli/debug_int.h"

enum { STACK_DEPTH = 50, EXAMINE_MAX = 1 << 16, VARS_SHOWN = 200 };

/* ---- stack ---- */

static void say_addresses(struct buf *b, const struct rt_frame *f)
{
    buf_printf(b, "        pc %#llx", (unsigned long long)f->pc);
    if (f->entry)
        buf_printf(b, " (+%#llx)", (unsigned long long)(f->pc - f->entry));
    if (f->cfa)
        buf_printf(b, "  sp %#llx  frame up to %#llx", (unsigned long long)f->sp,
                   (unsigned long long)f->cfa);
    buf_char(b, '\n');
}

static bool wanted(const struct rt_var *v, bool args, bool locals)
{
    bool arg = v->kind == RT_VAR_ARG || v->kind == RT_VAR_RESULT;
    return v->kind != RT_VAR_PACKAGE && (arg ? args : locals);
}

static struct err *say_vars(struct shell *s, struct buf *b, const struct rt_frame *f, bool args,
                            bool locals, const struct regex *re, unsigned indent, bool full,
                            size_t *ret_n)
{
    struct arena a;
    struct rt_var *v;
    size_t n;
    arena_init(&a);
    struct err *e = rt_vars(dbg_stand(s->d), f, &a, &v, &n);
    for (size_t i = 0; !e && i < n; i++) {
        struct dbg_value value;
        if (!wanted(&v[i], args, locals) || (re && !regex_match(re, v[i].name)))
            continue;
        dbg_value_of_var(&v[i], &value);
        show_variable(s, b, v[i].name, &value, indent, full);
        ++*ret_n;
    }
    arena_free(&a);
    return e;
}

static void say_defers(struct shell *s, struct buf *b, const struct rt_defer *v, size_t n,
                       const struct rt_frame *f)
{
    for (size_t i = 0, k = 0; f->cfa && f->defers && i < n; i++) {
        if (v[i].sp < f->sp || v[i].sp >= f->cfa)
            continue;
        buf_printf(b, "        deferred %zu: ", ++k);
        show_func(b, *v[i].func ? v[i].func : "?");
        struct rt_frame at;
        if (v[i].at && rt_where(dbg_stand(s->d), v[i].at, false, &at, 1) && *at.file) {
            buf_str(b, " at ");
            show_place(s, b, at.file, at.line);
        }
        buf_char(b, '\n');
    }
}

static void say_frame(struct shell *s, struct buf *b, const struct rt_frame *f, unsigned i,
                      bool here)
{
    buf_printf(b, "%s%2u  ", here ? "→ " : "  ", i);
    show_style(s, b, here ? CLI_BOLD : f->runtime ? CLI_DIM : CLI_PLAIN);
    show_frame_func(s, b, f, "?");
    show_style(s, b, CLI_PLAIN);
    if (*f->file) {
        buf_str(b, "  ");
        show_place(s, b, f->file, f->line);
    }
    if (f->inlined)
        buf_str(b, "  (inlined)");
    buf_char(b, '\n');
}

struct stack_options {
    bool full, offset, defers;
    uint64_t depth;
};

static struct err *say_stack(struct shell *s, const struct where *w, const struct stack_options *o,
                             struct arena *a)
{
    struct buf b = {0};
    struct rt_defer *defers = NULL;
    size_t ndefers = 0, ignored = 0;
    struct err *e = NULL;
    if (o->defers && w->has_g)
        e = rt_defers(dbg_stand(s->d), w->g.g, a, &defers, &ndefers);
    for (size_t i = 0; !e && i < w->frames.n && i < o->depth; i++) {
        const struct rt_frame *f = &w->frames.v[i];
        say_frame(s, &b, f, (unsigned)i, i == w->at);
        if (o->offset)
            say_addresses(&b, f);
        say_defers(s, &b, defers, ndefers, f);
        if (o->full)
            e = say_vars(s, &b, f, true, true, NULL, 8, false, &ignored);
    }
    if (w->frames.n > o->depth)
        buf_printf(&b, "  … more frames: stack %llu shows twice as many\n",
                   (unsigned long long)o->depth * 2);
    else if (w->frames.partial)
        buf_printf(&b, "  … %s\n", w->frames.partial);
    if (w->has_g && w->g.gopc) {
        struct rt_frame at;
        if (rt_where(dbg_stand(s->d), w->g.gopc, false, &at, 1) && !at.wrapper && *at.file) {
            buf_str(&b, "  created by ");
            show_func(&b, at.func);
            buf_str(&b, " at ");
            show_place(s, &b, at.file, at.line);
            if (w->g.parent_id)
                buf_printf(&b, " in goroutine %llu", (unsigned long long)w->g.parent_id);
            buf_char(&b, '\n');
        }
    }
    shell_say(s, &b);
    buf_free(&b);
    return e;
}

struct err *verb_stack(struct shell *s, char *rest)
{
    struct stack_options o = {.depth = STACK_DEPTH};
    struct arena a;
    struct where w;
    while (*shell_trim(rest)) {
        if (shell_flag(&rest, "-full"))
            o.full = true;
        else if (shell_flag(&rest, "-offset"))
            o.offset = true;
        else if (shell_flag(&rest, "-a") || shell_flag(&rest, "-defer"))
            o.defers = true;
        else
            TRY(shell_number(shell_word(&rest), "a number of frames", &o.depth));
    }
    arena_init(&a);
    struct err *e = shell_where(s, &a, (size_t)min_u64(o.depth, 1 << 20) + 1, &w);
    if (!e)
        e = say_stack(s, &w, &o, &a);
    arena_free(&a);
    return e;
}

/* ---- frames ---- */

/* Selects a frame; a command runs in it, and the selection is as before. */
static struct err *go_to_frame(struct shell *s, uint64_t to, const char *command)
{
    struct arena a;
    struct where w;
    unsigned was = s->frame;
    if (to >= 1 << 20)
        return err_new(ERR_USAGE, "there is no frame %llu", (unsigned long long)to);
    arena_init(&a);
    struct err *e = shell_where(s, &a, (size_t)to + 1, &w);
    if (!e && to >= w.frames.n)
        e = err_new(ERR_USAGE, "there is no frame %llu: %s is %zu%s%s", (unsigned long long)to,
                    w.frames.partial ? "the last that can be told" : "the outermost",
                    w.frames.n ? w.frames.n - 1 : 0, w.frames.partial ? "; " : "",
                    w.frames.partial ? w.frames.partial : "");
    if (!e && w.has_g)
        e = dbg_select(s->d, 0, (unsigned)to);
    arena_free(&a);
    TRY(e);
    s->frame = (unsigned)to;
    if (!*command)
        return show_here(s, s->config.list_lines);
    e = shell_command(s, command);
    if (shell_state(s) == DBG_STANDS && s->frame == (unsigned)to) {
        s->frame = was;
        if (dbg_goroutine(s->d))
            err_free(dbg_select(s->d, 0, was));
    }
    return e;
}

struct err *verb_frame(struct shell *s, char *rest)
{
    uint64_t n;
    const char *word = shell_word(&rest);
    if (!word)
        return show_here(s, s->config.list_lines);
    TRY(shell_number(word, "the number of a frame", &n));
    return go_to_frame(s, n, shell_trim(rest));
}

static struct err *move_frame(struct shell *s, char *rest, bool up)
{
    uint64_t n = 1;
    if (rest[0] >= '0' && rest[0] <= '9')
        TRY(shell_number(shell_word(&rest), "a number of frames", &n));
    if (!up && n > s->frame)
        return err_new(ERR_USAGE,
                       s->frame ? "frame %u is the %u. from the innermost"
                                : "this is the innermost frame",
                       s->frame, s->frame);
    return go_to_frame(s, up ? s->frame + n : s->frame - n, shell_trim(rest));
}

struct err *verb_up(struct shell *s, char *rest)
{
    return move_frame(s, rest, true);
}

struct err *verb_down(struct shell *s, char *rest)
{
    return move_frame(s, rest, false);
}

/* The Nth deferred call of the frame, with the place of its defer statement. */
static struct err *find_deferred(struct shell *s, const struct where *w, uint64_t n,
                                 struct arena *a, struct rt_defer *ret)
{
    struct rt_defer *v;
    size_t count, k = 0;
    if (!w->has_g || !w->frame)
        return err_new(ERR_NOT_FOUND, "there is no goroutine here");
    TRY(rt_defers(dbg_stand(s->d), w->g.g, a, &v, &count));
    for (size_t i = 0; i < count; i++) {
        if (v[i].sp < w->frame->sp || v[i].sp >= w->frame->cfa)
            continue;
        if (++k == n) {
            *ret = v[i];
            return NULL;
        }
    }
    return err_new(ERR_NOT_FOUND, "frame %u has %zu deferred calls", w->at, k);
}

static void say_deferred(struct shell *s, const struct rt_defer *v)
{
    struct rt_frame at;
    struct buf b = {0};
    buf_str(&b, "deferred ");
    show_func(&b, *v->func ? v->func : "?");
    if (v->at && rt_where(dbg_stand(s->d), v->at, false, &at, 1) && *at.file) {
        buf_str(&b, " at ");
        show_place(s, &b, at.file, at.line);
        buf_char(&b, '\n');
        show_source(s, &b, at.file, (unsigned)at.line, 2, 2, true);
    } else {
        buf_char(&b, '\n');
    }
    if (v->pc && rt_where(dbg_stand(s->d), v->pc, true, &at, 1) && *at.file && at.line > 0) {
        buf_str(&b, "it will run\n");
        show_source(s, &b, at.file, (unsigned)at.line, 0, s->config.list_lines, true);
    }
    shell_say(s, &b);
    buf_free(&b);
}

struct err *verb_deferred(struct shell *s, char *rest)
{
    uint64_t n;
    struct arena a;
    struct where w;
    struct rt_defer v = {0};
    TRY(shell_number(shell_word(&rest), "the number of a deferred call", &n));
    arena_init(&a);
    struct err *e = shell_where(s, &a, 1, &w);
    if (!e)
        e = find_deferred(s, &w, n, &a, &v);
    const char *command = shell_trim(rest);
    if (!e && *command && strcmp(command, "list") != 0)
        e = err_hint(err_new(ERR_UNSUPPORTED,
                             "deferred: its frame does not exist yet: \"%s\" has "
                             "nothing to look at",
                             command),
                     "the command break %s stops in it", v.func ? v.func : "FUNCTION");
    if (!e)
        say_deferred(s, &v);
    arena_free(&a);
    return e;
}

/* ---- values ---- */

/* "%x expr": the format, if there is one. */
static const char *take_format(char **rest)
{
    return **rest == '%' ? shell_word(rest) : NULL;
}

struct err *verb_print(struct shell *s, char *rest)
{
    struct arena a;
    struct dbg_value v;
    struct buf b = {0};
    const char *fmt = take_format(&rest), *text = shell_trim(rest);
    if (!*text)
        return shell_usage("print");
    arena_init(&a);
    struct err *e = shell_eval(s, text, &a, &v);
    if (!e)
        e = show_value(s, &b, &v, fmt);
    if (!e)
        shell_say(s, &b);
    buf_free(&b);
    arena_free(&a);
    return run_show_stop_in_call(s, e);
}

struct err *verb_whatis(struct shell *s, char *rest)
{
    struct arena a;
    struct dbg_value v;
    struct value inside;
    const char *text = shell_trim(rest), *name = NULL;
    struct values *vs = rt_stand_values(dbg_stand(s->d), NULL);
    if (!*text)
        return shell_usage("whatis");
    arena_init(&a);
    struct err *e = shell_eval(s, text, &a, &v);
    if (!e) {
        const char *type = *v.type                 ? v.type
                           : v.form == DBG_UNTYPED ? "untyped constant"
                           : v.form == DBG_NIL     ? "untyped nil"
                           : v.form == DBG_FUNC    ? "function"
                                                   : "no type";
        bool holds = vs && v.form == DBG_VALUE &&
                     dbg_value_kind(dbg_stand(s->d), &v) == DBG_KIND_INTERFACE &&
                     value_dynamic(vs, &v.v, &inside, &name) && name && *name;
        shell_printf(s, holds ? "%s, holds %s\n" : "%s\n", type, name);
        if (strstr(type, "go.shape."))
            shell_printf(s,
                         "the type that this shape stands for is not known here: no dictionary of "
                         "types was kept, or it has several of this shape\n");
    }
    arena_free(&a);
    return e;
}

static struct err *frame_vars(struct shell *s, char *rest, bool args)
{
    bool full = shell_flag(&rest, "-v");
    struct arena a;
    struct where w;
    struct regex *re = NULL;
    struct buf b = {0};
    size_t n = 0;
    TRY(shell_regex(shell_trim(rest), &re));
    arena_init(&a);
    struct err *e = shell_where(s, &a, 1, &w);
    if (!e && !w.frame)
        e = err_new(ERR_NOT_FOUND, "there is no frame here");
    if (!e)
        e = say_vars(s, &b, w.frame, args, !args, re, 0, full, &n);
    if (!e && !n)
        buf_printf(&b, "no %s%s\n", args ? "arguments" : "local variables",
                   re ? " of that name" : "");
    if (!e)
        shell_say(s, &b);
    regex_free(re);
    buf_free(&b);
    arena_free(&a);
    return e;
}

struct err *verb_args(struct shell *s, char *rest)
{
    return frame_vars(s, rest, true);
}

struct err *verb_locals(struct shell *s, char *rest)
{
    return frame_vars(s, rest, false);
}

/* Those of the program, unless a pattern asks for others, too. */
struct err *verb_vars(struct shell *s, char *rest)
{
    bool full = shell_flag(&rest, "-v");
    struct arena a;
    struct regex *re = NULL;
    const char *const *names, *pattern = shell_trim(rest);
    size_t n = 0, shown = 0, left = 0;
    struct buf b = {0};
    TRY(shell_regex(*pattern ? pattern : "^main\\.", &re));
    arena_init(&a);
    struct err *e = rt_names(dbg_stand(s->d), RT_NAMES_VARS, re, &a, &names, &n);
    for (size_t i = 0; !e && i < n; i++) {
        struct arena one;
        struct rt_var v;
        struct dbg_value value;
        if (shown >= VARS_SHOWN) {
            left++;
            continue;
        }
        arena_init(&one);
        struct err *gone = rt_package_var(dbg_stand(s->d), names[i], &one, &v);
        if (!gone) {
            dbg_value_of_var(&v, &value);
            show_variable(s, &b, names[i], &value, 0, full);
            shown++;
        }
        err_free(gone);
        arena_free(&one);
    }
    if (left)
        buf_printf(&b, "… and %zu more: vars REGEXP chooses\n", left);
    if (!e && !shown)
        buf_str(&b, *pattern ? "no package variables of that name\n"
                             : "no package variables in main: vars REGEXP looks in others\n");
    shell_say(s, &b);
    regex_free(re);
    buf_free(&b);
    arena_free(&a);
    return e;
}

/* An = that assigns: not ==, !=, <=, >=, and not in quotes. */
static char *assignment(char *text)
{
    char quote = 0;
    for (char *p = text; *p; p++) {
        if (quote) {
            if (*p == '\\' && p[1] && quote != '`')
                p++;
            else if (*p == quote)
                quote = 0;
        } else if (strchr("\"'`", *p)) {
            quote = *p;
        } else if (*p == '=') {
            if (p[1] == '=')
                p++;
            else if (p == text || !strchr("!<>=", p[-1]))
                return p;
        }
    }
    return NULL;
}

struct err *verb_set(struct shell *s, char *rest)
{
    char *eq = assignment(rest);
    if (!eq)
        return shell_usage("set");
    *eq = 0;
    const char *to = shell_trim(rest), *text = shell_trim(eq + 1);
    if (!*to || !*text)
        return shell_usage("set");
    return run_show_stop_in_call(s, dbg_assign(s->d, 0, s->frame, to, text, true));
}

struct err *verb_display(struct shell *s, char *rest)
{
    if (shell_flag(&rest, "-d")) {
        uint64_t id;
        TRY(shell_number(shell_word(&rest), "the number of a display", &id));
        for (size_t i = 0; i < s->displays.n; i++) {
            if (s->displays.v[i].id != id)
                continue;
            free(s->displays.v[i].text);
            s->displays.n--;
            memmove(&s->displays.v[i], &s->displays.v[i + 1],
                    (s->displays.n - i) * sizeof(s->displays.v[0]));
            return NULL;
        }
        return err_new(ERR_NOT_FOUND, "there is no display %llu", (unsigned long long)id);
    }
    bool add = shell_flag(&rest, "-a");
    const char *text = shell_trim(rest);
    if (!*text && add)
        return shell_usage("display");
    if (*text) {
        struct shell_display d = {++s->next_display, mem_strdup(text)};
        vec_push(&s->displays, d);
    }
    show_displays(s);
    return NULL;
}

/* ---- memory ---- */

struct examine {
    const char *fmt;
    uint64_t count, size;
    const char *expr;
};

static void say_word(struct buf *b, const struct examine *x, const uint8_t *p)
{
    uint64_t v = 0;
    memcpy(&v, p, x->size);
    int width = (int)x->size * 2;
    if (strcmp(x->fmt, "dec") == 0)
        buf_printf(b, "%*llu", (int)x->size * 5 / 2 + 1, (unsigned long long)v);
    else if (strcmp(x->fmt, "oct") == 0)
        buf_printf(b, "0%0*llo", (int)x->size * 3, (unsigned long long)v);
    else if (strcmp(x->fmt, "bin") == 0)
        for (int i = (int)x->size * 8 - 1; i >= 0; i--)
            buf_char(b, v >> i & 1 ? '1' : '0');
    else
        buf_printf(b, "0x%0*llx", width, (unsigned long long)v);
}

static struct err *say_memory(struct shell *s, const struct examine *x, taddr at)
{
    size_t n = (size_t)(x->count * x->size);
    uint8_t *p = mem_alloc(n);
    struct buf b = {0};
    struct err *e = target_read(dbg_target(s->d), at, p, n);
    bool text = strcmp(x->fmt, "text") == 0;
    size_t row = text ? 64 : strcmp(x->fmt, "bin") == 0 ? 4 * x->size : x->size < 2 ? 8 : 16;
    for (size_t i = 0; !e && i < n; i += x->size) {
        if (i % row == 0)
            buf_printf(&b, "%s%#llx:  ", i ? "\n" : "", (unsigned long long)(at + i));
        else if (!text)
            buf_char(&b, ' ');
        if (text)
            buf_char(&b, p[i] >= 32 && p[i] < 127 ? (char)p[i] : '.');
        else
            say_word(&b, x, p + i);
    }
    if (!e) {
        buf_char(&b, '\n');
        shell_say(s, &b);
    }
    buf_free(&b);
    free(p);
    return e;
}

static struct err *examine_where(struct shell *s, const char *text, taddr *ret)
{
    struct arena a;
    struct dbg_value v;
    struct buf b = {0};
    uint64_t n;
    char *end;
    *ret = strtoull(text, &end, 0);
    if (*text && !*end)
        return NULL;
    arena_init(&a);
    struct err *e = shell_eval(s, text, &a, &v);
    if (!e) {
        struct value_limits limits = show_limits(s);
        dbg_value_text(dbg_stand(s->d), &v, &limits, &b);
        *ret = strtoull(buf_text(&b), &end, 0);
        if (end == buf_text(&b) || *end) /* not a number: where it lies, or what it points to */
            *ret = dbg_value_memory(dbg_stand(s->d), &v, &n);
        if (!*ret)
            e = err_new(ERR_USAGE, "%s is nowhere in memory", text);
    }
    buf_free(&b);
    arena_free(&a);
    return e;
}

struct err *verb_examinemem(struct shell *s, char *rest)
{
    struct examine x = {.fmt = "hex", .count = 1, .size = 0};
    static const char *const formats[] = {"hex", "hexadecimal", "dec",  "decimal", "oct",  "octal",
                                          "bin", "binary",      "addr", "address", "text", "raw"};
    bool known = false;
    taddr at;
    for (;;) {
        if (shell_flag(&rest, "-fmt")) {
            x.fmt = shell_word(&rest);
        } else if (shell_flag(&rest, "-count") || shell_flag(&rest, "-len")) {
            TRY(shell_number(shell_word(&rest), "a count", &x.count));
        } else if (shell_flag(&rest, "-size")) {
            TRY(shell_number(shell_word(&rest), "a size", &x.size));
        } else if (!shell_flag(&rest, "-x")) {
            break;
        }
    }
    for (size_t i = 0; x.fmt && i < ARRAY_LEN(formats); i++)
        if (strcmp(x.fmt, formats[i]) == 0) {
            known = true;
            x.fmt = i >= 10 ? "text" : formats[i & ~(size_t)1];
        }
    if (!known || !*shell_trim(rest))
        return shell_usage("examinemem");
    if (!x.size)
        x.size = strcmp(x.fmt, "addr") == 0 ? 8 : 1;
    if (x.size > 8 || (x.size & (x.size - 1)) || strcmp(x.fmt, "text") == 0)
        x.size = strcmp(x.fmt, "text") == 0 ? 1 : x.size;
    if (x.size > 8 || (x.size & (x.size - 1)))
        return err_new(ERR_USAGE, "-size is 1, 2, 4 or 8");
    if (!x.count || x.count * x.size > EXAMINE_MAX || x.count > EXAMINE_MAX)
        return err_new(ERR_LIMIT, "at most %d bytes at once", EXAMINE_MAX);
    TRY(examine_where(s, shell_trim(rest), &at));
    return say_memory(s, &x, at);
}

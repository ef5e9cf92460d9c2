/* report.c - what all reports share; see report.h, report_int.h. */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "report/report_int.h"

enum { FLOW_AT = 64 * 1024 };

static struct err *write_to_buf(void *arg, const char *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

struct report_sink report_to_buf(struct buf *b)
{
    return (struct report_sink){write_to_buf, b};
}

const char *look(const struct report_style *style, enum look l)
{
    static const char *const codes[] = {"\x1b[0m",  "\x1b[1m",  "\x1b[2m",
                                        "\x1b[31m", "\x1b[33m", "\x1b[32m"};
    return style->color ? codes[l] : "";
}

void look_text(struct buf *b, const struct report_style *style, enum look l, const char *text)
{
    if (l != LOOK_PLAIN)
        buf_str(b, look(style, l));
    text_clean(b, text);
    if (l != LOOK_PLAIN)
        buf_str(b, look(style, LOOK_PLAIN));
}

void svg_text(struct buf *b, const char *text)
{
    struct buf clean = {0};
    text_clean(&clean, text);
    for (const char *p = buf_text(&clean); *p; p++) {
        if (*p == '<')
            buf_str(b, "&lt;");
        else if (*p == '>')
            buf_str(b, "&gt;");
        else if (*p == '&')
            buf_str(b, "&amp;");
        else if (*p == '"')
            buf_str(b, "&quot;");
        else
            buf_char(b, *p);
    }
    buf_free(&clean);
}

void flow(struct flow *f)
{
    if (f->b.n < FLOW_AT)
        return;
    if (!f->err)
        f->err = f->sink.write(f->sink.arg, f->b.p, f->b.n);
    buf_clear(&f->b);
}

struct err *flow_end(struct flow *f)
{
    if (!f->err && f->b.n)
        f->err = f->sink.write(f->sink.arg, f->b.p, f->b.n);
    buf_free(&f->b);
    return f->err;
}

void flow_wrapped(struct flow *f, const struct buf *text, size_t indent)
{
    buf_repeat(&f->b, ' ', indent);
    text_wrap(&f->b, buf_text(text), f->style->width ? f->style->width : SIZE_MAX, indent,
              indent + 2);
    buf_char(&f->b, '\n');
    flow(f);
}

void line_begin(struct line *l, struct buf *b, const struct report_style *style, size_t indent)
{
    *l = (struct line){.b = b, .width = style->width, .indent = indent, .column = indent};
}

void line_add(struct line *l, const char *piece, const char *gap)
{
    size_t columns = text_width(piece), between = l->begun ? text_width(gap) : 0;
    if (!*piece)
        return;
    if (l->begun && l->width && l->column + between + columns > l->width) {
        buf_char(l->b, '\n');
        buf_repeat(l->b, ' ', l->indent);
        l->column = l->indent;
        between = 0;
    }
    if (between)
        buf_str(l->b, gap);
    buf_str(l->b, piece);
    l->column += between + columns;
    l->begun = true;
}

void two_sides(struct buf *b, const struct report_style *style, const char *left, const char *right)
{
    size_t l = text_width(left), r = text_width(right);
    buf_str(b, left);
    if (!r) {
        buf_char(b, '\n');
        return;
    }
    if (style->width && l + 3 + r > style->width)
        buf_char(b, '\n');
    else
        buf_repeat(b, ' ', style->width ? style->width - l - r : 3);
    buf_str(b, right);
    buf_char(b, '\n');
}

void count_of(struct buf *b, uint64_t n, const char *one, const char *many)
{
    text_count(b, n);
    buf_printf(b, " %s", n == 1 ? one : many);
}

/* ---- facts ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What people call the program: its file, else the package of main. */
static const char *program_name(const struct snap *s)
{
    const char *exe = snap_meta(s, SNAP_META_exe), *path = snap_meta(s, SNAP_META_main_path);
    return exe && *base_name(exe)     ? base_name(exe)
           : path && *base_name(path) ? base_name(path)
                                      : "process";
}

void name_target(struct buf *b, const struct snap *s)
{
    const char *pid = snap_meta(s, SNAP_META_pid), *go = snap_meta(s, SNAP_META_go_version);
    text_clean(b, program_name(s));
    if (pid && strcmp(pid, "0") != 0) {
        buf_str(b, " pid ");
        text_clean(b, pid);
    }
    if (go) {
        buf_char(b, ' ');
        text_clean(b, go);
    }
}

static void consistency_words(struct buf *b, const struct snap *s)
{
    const char *consistency = snap_meta(s, SNAP_META_consistency);
    const char *method = snap_meta(s, SNAP_META_method);
    if (!consistency)
        buf_str(b, method && strcmp(method, "live") == 0 ? "read while it ran"
                                                         : "not known at which instant");
    else if (strcmp(consistency, "process") == 0)
        buf_str(b, "one instant of the whole process");
    else if (strcmp(consistency, "goroutine") == 0)
        buf_str(b, "each goroutine at an instant of its own");
    else if (strcmp(consistency, "core") == 0)
        buf_str(b, "the instant of the core file");
    else
        text_clean(b, consistency);
}

void cut_ages(struct buf *b, const struct snap *s)
{
    if (snap_meta(s, SNAP_META_taken_bound))
        buf_str(b, "; the core does not say when it was taken: ages count to the last time found "
                   "in it");
}

void cost_line(struct buf *b, const struct snap *s, int64_t wall_ns)
{
    int64_t pause = snap_meta_i64(s, SNAP_META_pause_ns, -1);
    int64_t capture = snap_meta_i64(s, SNAP_META_capture_ns, 0);
    const char *consistency = snap_meta(s, SNAP_META_consistency);
    const char *why = snap_meta(s, SNAP_META_method_why);
    bool live = !consistency || strcmp(consistency, "core") != 0;
    consistency_words(b, s);
    cut_ages(b, s);
    if (live && pause > 0) {
        buf_str(b, consistency && strcmp(consistency, "process") == 0
                       ? "; it stood still for "
                       : "; running threads stood still for ");
        text_ns(b, pause);
    } else if (live && pause == 0) {
        buf_str(b, "; nothing stood still");
    }
    if (why) {
        buf_str(b, " (");
        text_clean(b, why);
        buf_char(b, ')');
    }
    if (wall_ns > 0 || capture > 0) {
        buf_str(b, "; ");
        text_ns(b, wall_ns > 0 ? wall_ns : capture);
        buf_str(b, " in all");
    }
}

void missing_text(struct buf *b, const struct snap *s, const struct report_style *style)
{
    if (!s->missing.n)
        return;
    look_text(b, style, LOOK_YELLOW, "not everything could be read");
    buf_char(b, '\n');
    for (uint32_t i = 0; i < s->missing.n; i++) {
        struct buf line = {0};
        text_count(&line, s->missing.count[i]);
        buf_char(&line, ' ');
        text_clean(&line, snap_str(s, s->missing.what[i]));
        buf_str(&line, ": ");
        text_clean(&line, snap_str(s, s->missing.why[i]));
        buf_str(b, "  ");
        text_wrap(b, buf_text(&line), style->width ? style->width : SIZE_MAX, 2, 4);
        buf_char(b, '\n');
        buf_free(&line);
    }
}

/* ---- the same as JSON ---- */

static void meta_text(struct json *j, const struct snap *s, const char *name,
                      enum snap_meta_key key)
{
    json_kstr(j, name, snap_meta(s, key));
}

static void meta_number(struct json *j, const struct snap *s, const char *name,
                        enum snap_meta_key key)
{
    json_key(j, name);
    if (snap_meta(s, key))
        json_i64(j, snap_meta_i64(s, key, 0));
    else
        json_null(j);
}

static void marks_json(struct json *j, const struct snap *s)
{
    const char *marks = snap_meta(s, SNAP_META_marks);
    json_key(j, "marks");
    json_begin(j, '[');
    for (const char *p = marks ? marks : ""; *p;) {
        size_t n = strcspn(p, " ");
        if (n)
            json_strn(j, p, n);
        p += n + (p[n] == ' ');
    }
    json_end(j, ']');
}

void target_json(struct json *j, const struct snap *s)
{
    json_begin(j, '{');
    json_kstr(j, "name", program_name(s));
    meta_number(j, s, "pid", SNAP_META_pid);
    meta_text(j, s, "exe", SNAP_META_exe);
    meta_text(j, s, "cmdline", SNAP_META_cmdline);
    meta_text(j, s, "user", SNAP_META_user);
    meta_text(j, s, "host", SNAP_META_host);
    meta_text(j, s, "go_version", SNAP_META_go_version);
    meta_text(j, s, "build_id", SNAP_META_build_id);
    meta_text(j, s, "gnu_build_id", SNAP_META_gnu_build_id);
    meta_text(j, s, "main_path", SNAP_META_main_path);
    marks_json(j, s);
    meta_number(j, s, "started_unix_ns", SNAP_META_started_wall_ns);
    json_end(j, '}');
}

static void capture_json(struct json *j, const struct snap *s)
{
    meta_text(j, s, "consistency", SNAP_META_consistency);
    meta_text(j, s, "method", SNAP_META_method);
    meta_text(j, s, "method_why", SNAP_META_method_why);
    meta_text(j, s, "layouts", SNAP_META_layouts);
    meta_number(j, s, "taken_unix_ns", SNAP_META_taken_wall_ns);
    json_kbool(j, "ages_cut_short", snap_meta(s, SNAP_META_taken_bound) != NULL);
    meta_number(j, s, "pause_ns", SNAP_META_pause_ns);
    meta_number(j, s, "capture_ns", SNAP_META_capture_ns);
}

static void missing_json(struct json *j, const struct snap *s)
{
    json_begin(j, '[');
    for (uint32_t i = 0; i < s->missing.n; i++) {
        json_begin(j, '{');
        json_kstr(j, "what", snap_str(s, s->missing.what[i]));
        json_ku64(j, "count", s->missing.count[i]);
        json_kstr(j, "why", snap_str(s, s->missing.why[i]));
        json_end(j, '}');
    }
    json_end(j, ']');
}

void document_begin(struct json *j, const struct snap *s, struct report_sink out)
{
    json_init(j, out.write, out.arg);
    json_begin(j, '{');
    json_key(j, "target");
    target_json(j, s);
    capture_json(j, s);
}

struct err *document_end(struct json *j, const struct snap *s)
{
    json_key(j, "missing");
    missing_json(j, s);
    json_end(j, '}');
    json_newline(j);
    return json_finish(j);
}

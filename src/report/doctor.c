/* doctor.c - the doctor's report; see doctor.h. */
#include "report/doctor.h"

#include <string.h>

#include "base/text.h"
#include "report/finding.h"
#include "report/report_int.h"

/* "orders-api  pid 4242, go1.24.3, stripped, up 3 d 4 h" */
static void who(struct buf *b, const struct snap *s, const struct report_style *style)
{
    const char *exe = snap_meta(s, SNAP_META_exe), *slash = exe ? strrchr(exe, '/') : NULL;
    const char *pid = snap_meta(s, SNAP_META_pid), *go = snap_meta(s, SNAP_META_go_version);
    const char *marks = snap_meta(s, SNAP_META_marks);
    int64_t started = snap_meta_i64(s, SNAP_META_started_wall_ns, 0);
    int64_t taken = snap_meta_i64(s, SNAP_META_taken_wall_ns, 0);
    struct buf rest = {0};
    look_text(b, style, LOOK_BOLD, slash ? slash + 1 : exe ? exe : "a Go process");
    buf_str(&rest, "  ");
    if (pid)
        buf_printf(&rest, "pid %s, ", pid);
    buf_str(&rest, go ? go : "unknown Go");
    for (const char *p = marks ? marks : ""; *p;) {
        size_t n = strcspn(p, " ");
        buf_printf(&rest, ", %.*s", (int)n, p);
        p += n + strspn(p + n, " ");
    }
    if (started > 0 && taken > started) {
        buf_str(&rest, ", up ");
        text_ns(&rest, taken - started);
    }
    text_clean(b, buf_text(&rest));
    buf_free(&rest);
}

static void heading(struct buf *b, const struct report_doctor *r, const struct report_style *style)
{
    struct buf left = {0}, count = {0}, right = {0};
    bool problem = diag_findings_count(r->found, DIAG_PROBLEM) > 0;
    bool warning = diag_findings_count(r->found, DIAG_WARNING) > 0;
    who(&left, r->now, style);
    report_findings_count(r->found, &count);
    look_text(&right, style,
              problem   ? LOOK_RED
              : warning ? LOOK_YELLOW
                        : LOOK_GREEN,
              buf_text(&count));
    two_sides(b, style, buf_text(&left), buf_text(&right));
    buf_free(&left);
    buf_free(&count);
    buf_free(&right);
}

/* What was looked for when nothing was found: silence would not say. */
static void looked_for(struct buf *b, const struct report_style *style)
{
    struct buf text = {0};
    buf_str(&text, "looked for: ");
    for (size_t i = 0; i < diag_count; i++)
        buf_printf(&text, "%s%s", i ? "; " : "", diag_list[i].title);
    buf_str(b, "  ");
    text_wrap(b, buf_text(&text), style->width ? style->width : SIZE_MAX, 2, 2);
    buf_char(b, '\n');
    buf_free(&text);
}

static int64_t taken(const struct snap *s)
{
    return snap_meta_i64(s, SNAP_META_taken_mono_ns, 0);
}

static uint64_t user_goroutines(const struct snap *s)
{
    uint64_t n = 0;
    for (size_t g = 0; g < s->goroutine.n; g++)
        n += !(s->goroutine.flags[g] & SNAP_GF_SYSTEM);
    return n;
}

static void stood_still(struct buf *b, const struct report_doctor *r)
{
    int64_t pause = snap_meta_i64(r->now, SNAP_META_pause_ns, 0);
    int64_t first = r->revisit ? snap_meta_i64(r->before, SNAP_META_pause_ns, 0) : 0;
    if (!pause && !first) {
        buf_str(b, "; nothing stood still");
        return;
    }
    buf_str(b, "; the process stood still for ");
    if (r->revisit) {
        text_ns(b, first);
        buf_str(b, " and ");
    }
    text_ns(b, pause);
}

/* "looked at 2,304 goroutines twice, 1 s apart; the process stood still for 7 ms and 6 ms; 1.1 s in
 * all" */
static void cost(struct buf *b, const struct report_doctor *r, const struct report_style *style)
{
    struct buf text = {0};
    const char *why = snap_meta(r->now, SNAP_META_method_why);
    buf_str(&text, "looked at ");
    count_of(&text, user_goroutines(r->now), "goroutine", "goroutines");
    if (r->before) {
        buf_str(&text, r->revisit ? " twice, " : ", and at what they did ");
        text_ns(&text, taken(r->now) - taken(r->before));
        buf_str(&text, r->revisit ? " apart" : " before");
    }
    if (r->live)
        stood_still(&text, r);
    if (r->live && why)
        buf_printf(&text, " (%s)", why);
    cut_ages(&text, r->now);
    buf_str(&text, "; ");
    text_ns(&text, r->wall_ns);
    buf_str(&text, " in all");
    text_wrap(b, buf_text(&text), style->width ? style->width : SIZE_MAX, 0, 0);
    buf_char(b, '\n');
    buf_free(&text);
}

static void without_heap(struct buf *b, const struct report_doctor *r,
                         const struct report_style *style)
{
    struct buf text = {0};
    buf_printf(&text, "the heap was not looked at, and so not which goroutines leaked: %s",
               r->no_heap);
    if (r->live)
        buf_str(&text, " (--heap)");
    text_wrap(b, buf_text(&text), style->width ? style->width : SIZE_MAX, 0, 0);
    buf_char(b, '\n');
    buf_free(&text);
}

struct err *report_doctor_text(const struct report_doctor *r, const struct report_style *style,
                               struct report_sink out)
{
    struct buf b = {0};
    heading(&b, r, style);
    if (r->found->v.n)
        report_findings_text(r->found, style, &b);
    else
        looked_for(&b, style);
    if (r->ended)
        buf_str(&b, "the process ended meanwhile: this is what the first look showed\n");
    if (r->no_heap)
        without_heap(&b, r, style);
    cost(&b, r, style);
    struct err *e = out.write(out.arg, buf_text(&b), b.n);
    buf_free(&b);
    return e;
}

struct err *report_doctor_json(const struct report_doctor *r, struct report_sink out)
{
    struct json j;
    document_begin(&j, r->now, out);
    json_ku64(&j, "goroutines", user_goroutines(r->now));
    json_ku64(&j, "looks", r->before ? 2 : 1);
    json_ki64(&j, "apart_ns", r->before ? taken(r->now) - taken(r->before) : 0);
    json_ki64(&j, "took_ns", r->wall_ns);
    json_kbool(&j, "ended", r->ended);
    json_kstr(&j, "heap_left_out", r->no_heap);
    json_ku64(&j, "problems", diag_findings_count(r->found, DIAG_PROBLEM));
    json_ku64(&j, "warnings", diag_findings_count(r->found, DIAG_WARNING));
    json_ku64(&j, "notes", diag_findings_count(r->found, DIAG_NOTE));
    json_key(&j, "findings");
    report_findings_json(r->found, &j);
    return document_end(&j, r->now);
}

/* info.c - what a program is, how it was built, and what its runtime counts; see info.h.
 *
 * The text shows what people ask for first, in words; the JSON has every counter of the snapshot by
 * its name (docs/formats/counters.md). */
#include "report/info.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "report/info_int.h"
#include "report/table.h"
#include "report/trigger.h"

enum { LABEL_WIDTH = 12 };

/* ---- lines ---- */

void info_say(struct info *in, const char *label)
{
    struct buf *b = &in->out.b;
    if (in->text.n) {
        size_t width = in->style->width ? in->style->width : SIZE_MAX;
        buf_str(b, look(in->style, LOOK_DIM));
        text_pad(b, label, LABEL_WIDTH, false);
        buf_str(b, look(in->style, LOOK_PLAIN));
        text_wrap(b, buf_text(&in->text), width, LABEL_WIDTH, LABEL_WIDTH);
        buf_char(b, '\n');
    }
    buf_clear(&in->text);
    flow(&in->out);
}

void info_comma(struct info *in)
{
    buf_str(&in->text, in->text.n ? ", " : "");
}

bool info_add(struct info *in, const char *counter, enum info_unit unit, const char *before,
              const char *after)
{
    int64_t v;
    if (!snap_counter(in->s, counter, &v) || v < 0)
        return false;
    info_comma(in);
    buf_str(&in->text, before);
    if (unit == INFO_BYTES)
        text_bytes(&in->text, (uint64_t)v);
    else if (unit == INFO_NS)
        text_ns(&in->text, v);
    else
        text_count(&in->text, (uint64_t)v);
    buf_str(&in->text, after);
    return true;
}

static void say_meta(struct info *in, const char *label, enum snap_meta_key key)
{
    const char *text = snap_meta(in->s, key);
    text_clean(&in->text, text ? text : "");
    info_say(in, label);
}

/* ---- identity ---- */

static void identity(struct info *in)
{
    const struct snap *s = in->s;
    struct buf left = {0}, right = {0};
    int64_t taken = snap_meta_i64(s, SNAP_META_taken_wall_ns, 0),
            started = snap_meta_i64(s, SNAP_META_started_wall_ns, 0);
    buf_str(&left, look(in->style, LOOK_BOLD));
    name_target(&left, s);
    buf_str(&left, look(in->style, LOOK_PLAIN));
    if (started > 0 && taken > started) {
        buf_str(&right, "up ");
        text_ns(&right, taken - started);
    }
    two_sides(&in->out.b, in->style, buf_text(&left), buf_text(&right));
    buf_free(&left);
    buf_free(&right);
    say_meta(in, "binary", SNAP_META_exe);
    say_meta(in, "marks", SNAP_META_marks);
    say_meta(in, "command", SNAP_META_cmdline);
    say_meta(in, "user", SNAP_META_user);
    say_meta(in, "host", SNAP_META_host);
    if (taken > 0) {
        text_clock(&in->text, taken, true);
        info_say(in, "seen");
    }
    if (report_trigger_text(&in->text, s))
        info_say(in, "trigger");
}

static void module_words(const struct snap *s, uint32_t m, struct buf *b)
{
    struct buf raw = {0};
    const char *version = snap_str(s, s->module.version[m]);
    const char *replaced = snap_str(s, s->module.replace_path[m]);
    buf_printf(&raw, "%s%s%s", snap_str(s, s->module.path[m]), *version ? " " : "", version);
    if (*replaced)
        buf_printf(&raw, " => %s %s", replaced, snap_str(s, s->module.replace_version[m]));
    text_clean(b, buf_text(&raw));
    buf_free(&raw);
}

static void build(struct info *in)
{
    const struct snap *s = in->s;
    say_meta(in, "go", SNAP_META_go_version);
    say_meta(in, "package", SNAP_META_main_path);
    for (uint32_t m = 0; m < s->module.n; m++)
        if (s->module.main[m]) {
            module_words(s, m, &in->text);
            info_say(in, "module");
        }
    say_meta(in, "build id", SNAP_META_build_id);
    say_meta(in, "GNU id", SNAP_META_gnu_build_id);
    say_meta(in, "offsets", SNAP_META_layouts);
}

/* ---- the runtime ---- */

/* What GODEBUG changed; madvdontneed is 1 unless somebody said otherwise. */
static void godebug(struct info *in)
{
    static const char prefix[] = "godebug.";
    bool any = false;
    for (uint32_t i = 0; i < in->s->counter.n; i++) {
        const char *name = snap_str(in->s, in->s->counter.name[i]);
        int64_t v = in->s->counter.value[i];
        if (strncmp(name, prefix, sizeof(prefix) - 1) != 0 ||
            v == (strcmp(name, "godebug.madvdontneed") == 0))
            continue;
        buf_str(&in->text, !any ? in->text.n ? ", GODEBUG " : "GODEBUG " : ",");
        buf_printf(&in->text, "%s=%" PRId64, name + sizeof(prefix) - 1, v);
        any = true;
    }
}

static void settings(struct info *in)
{
    int64_t percent, limit;
    info_add(in, "sched.gomaxprocs", INFO_COUNT, "GOMAXPROCS ", "");
    if (in->text.n) {
        int64_t cpus;
        if (snap_counter(in->s, "sched.ncpu", &cpus))
            buf_printf(&in->text, " (%" PRId64 " CPUs)", cpus);
    }
    if (snap_counter(in->s, "gc.percent", &percent)) {
        info_comma(in);
        if (percent < 0)
            buf_str(&in->text, "GOGC off");
        else
            buf_printf(&in->text, "GOGC %" PRId64, percent);
    }
    if (snap_counter(in->s, "gc.memory_limit_bytes", &limit)) {
        info_comma(in);
        buf_str(&in->text, "GOMEMLIMIT ");
        if (limit == INT64_MAX)
            buf_str(&in->text, "off");
        else
            text_bytes(&in->text, (uint64_t)limit);
    }
    godebug(in);
    info_say(in, "settings");
}

static void scheduler(struct info *in)
{
    info_add(in, "sched.goroutines", INFO_COUNT, "", "");
    info_add(in, "sched.system_goroutines", INFO_COUNT, "", " more of the runtime itself");
    info_add(in, "sched.goroutines_created", INFO_COUNT, "", " ever created");
    info_say(in, "goroutines");
    if (!info_add(in, "process.threads", INFO_COUNT, "", ""))
        info_add(in, "sched.threads", INFO_COUNT, "", "");
    info_add(in, "sched.idle_threads", INFO_COUNT, "", " idle");
    info_add(in, "sched.spinning_threads", INFO_COUNT, "", " looking for work");
    info_add(in, "sched.idle_procs", INFO_COUNT, "", " processors idle");
    info_say(in, "threads");
    info_add(in, "sched.runqueue_local", INFO_COUNT, "", " in local queues");
    info_add(in, "sched.runqueue_local_max", INFO_COUNT, "at most ", " in one");
    info_add(in, "sched.runqueue", INFO_COUNT, "", " in the global queue");
    info_say(in, "runnable");
}

static void heap(struct info *in)
{
    info_add(in, "gc.heap_live_bytes", INFO_BYTES, "", " live");
    info_add(in, "gc.trigger_bytes", INFO_BYTES, "next GC at ", "");
    info_add(in, "gc.heap_goal_bytes", INFO_BYTES, "goal ", "");
    info_add(in, "memstats.heap_inuse_bytes", INFO_BYTES, "", " in spans in use");
    info_add(in, "memstats.heap_idle_bytes", INFO_BYTES, "", " idle");
    info_add(in, "memstats.heap_released_bytes", INFO_BYTES, "", " of that given back");
    info_say(in, "heap");
    info_add(in, "memstats.heap_objects", INFO_COUNT, "", " objects");
    info_add(in, "memstats.total_alloc_bytes", INFO_BYTES, "", " allocated ever");
    info_add(in, "memstats.mallocs", INFO_COUNT, "in ", " allocations");
    info_say(in, "allocated");
    info_add(in, "memstats.sys_bytes", INFO_BYTES, "", " from the system");
    info_add(in, "memstats.heap_sys_bytes", INFO_BYTES, "heap ", "");
    info_add(in, "memstats.stack_sys_bytes", INFO_BYTES, "stacks ", "");
    info_add(in, "memstats.gc_sys_bytes", INFO_BYTES, "GC ", "");
    info_add(in, "memstats.other_sys_bytes", INFO_BYTES, "other ", "");
    info_say(in, "memory");
}

static void process(struct info *in)
{
    info_add(in, "process.rss_bytes", INFO_BYTES, "", " resident");
    info_add(in, "process.vm_bytes", INFO_BYTES, "", " of address space");
    info_add(in, "process.memory_used_bytes", INFO_BYTES, "memory group uses ", "");
    info_add(in, "process.memory_limit_bytes", INFO_BYTES, "may use ", "");
    info_say(in, "process");
    info_add(in, "cgo.calls", INFO_COUNT, "", " calls of C");
    info_say(in, "cgo");
}

/* ---- tables ---- */

static void build_settings(struct info *in)
{
    const struct snap *s = in->s;
    struct table t;
    if (!s->setting.n)
        return;
    table_init(&t, 2);
    t.indent = 2;
    table_column(&t, 1, NULL, TABLE_SHRINK);
    for (uint32_t i = 0; i < s->setting.n; i++) {
        table_text(&t, snap_str(s, s->setting.key[i]));
        table_text(&t, snap_str(s, s->setting.value[i]));
    }
    buf_str(&in->out.b, "build settings\n");
    table_write(&t, in->style, &in->out.b);
    table_free(&t);
}

static void modules(struct info *in)
{
    const struct snap *s = in->s;
    struct table t;
    size_t n = 0;
    table_init(&t, 3);
    t.indent = 2;
    table_column(&t, 0, NULL, TABLE_SHRINK | TABLE_CUT_START);
    table_column(&t, 2, NULL, TABLE_SHRINK | TABLE_DIM);
    for (uint32_t m = 0; m < s->module.n; m++) {
        const char *replaced = snap_str(s, s->module.replace_path[m]);
        if (s->module.main[m])
            continue;
        n++;
        table_text(&t, snap_str(s, s->module.path[m]));
        table_text(&t, snap_str(s, s->module.version[m]));
        if (*replaced)
            table_printf(&t, "replaced by %s %s", replaced,
                         snap_str(s, s->module.replace_version[m]));
        else
            table_text(&t, NULL);
    }
    if (n) {
        count_of(&in->out.b, n, "module it depends on\n", "modules it depends on\n");
        table_write(&t, in->style, &in->out.b);
    }
    table_free(&t);
}

struct err *report_info_text(const struct snap *s, const struct report_style *style,
                             struct report_sink out)
{
    struct info in = {.s = s, .style = style, .out = {.style = style, .sink = out}};
    identity(&in);
    build(&in);
    settings(&in);
    scheduler(&in);
    heap(&in);
    info_gc(&in);
    process(&in);
    build_settings(&in);
    modules(&in);
    missing_text(&in.out.b, s, style);
    cost_line(&in.text, s, 0);
    text_wrap(&in.out.b, buf_text(&in.text), style->width ? style->width : SIZE_MAX, 0, 2);
    buf_char(&in.out.b, '\n');
    buf_free(&in.text);
    return flow_end(&in.out);
}

/* ---- JSON ---- */

static void modules_json(struct json *j, const struct snap *s)
{
    json_begin(j, '[');
    for (uint32_t m = 0; m < s->module.n; m++) {
        const char *replaced = snap_str(s, s->module.replace_path[m]);
        json_begin(j, '{');
        json_kstr(j, "path", snap_str(s, s->module.path[m]));
        json_kstr(j, "version", snap_str(s, s->module.version[m]));
        json_kstr(j, "sum", snap_str(s, s->module.sum[m]));
        json_kbool(j, "main", s->module.main[m]);
        json_kstr(j, "replaced_by", *replaced ? replaced : NULL);
        json_kstr(j, "replaced_by_version",
                  *replaced ? snap_str(s, s->module.replace_version[m]) : NULL);
        json_end(j, '}');
    }
    json_end(j, ']');
}

struct err *report_info_json(const struct snap *s, struct report_sink out)
{
    struct json j;
    document_begin(&j, s, out);
    report_trigger_json(&j, s);
    json_key(&j, "settings");
    json_begin(&j, '{');
    for (uint32_t i = 0; i < s->setting.n; i++)
        json_kstr(&j, snap_str(s, s->setting.key[i]), snap_str(s, s->setting.value[i]));
    json_end(&j, '}');
    json_key(&j, "modules");
    modules_json(&j, s);
    json_key(&j, "counters");
    json_begin(&j, '{');
    for (uint32_t i = 0; i < s->counter.n; i++)
        json_ki64(&j, snap_str(s, s->counter.name[i]), s->counter.value[i]);
    json_end(&j, '}');
    return document_end(&j, s);
}

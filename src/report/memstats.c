/* memstats.c - runtime.MemStats from the counters of a snapshot; see memstats.h.
 *
 * Go: runtime/mstats.go MemStats (1.18-1.27).  Lookups, PauseNs, PauseEnd and DebugGC are left out:
 * the first is always 0, the last always false, the rings are those of debug.ReadGCStats. */
#include "report/memstats.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "report/report_int.h"
#include "report/table.h"

enum unit { BYTES, COUNT, NS, UNIX_NS, PPB };

static const struct {
    const char *name, *counter;
    enum unit unit;
    const char *what;
} fields[] = {
    {"Alloc", "memstats.alloc_bytes", BYTES, "allocated objects, those that nobody needs included"},
    {"TotalAlloc", "memstats.total_alloc_bytes", BYTES, "allocated since the process began"},
    {"Sys", "memstats.sys_bytes", BYTES, "had from the system, all in all"},
    {"Mallocs", "memstats.mallocs", COUNT, "objects allocated since it began"},
    {"Frees", "memstats.frees", COUNT, "objects freed"},
    {"HeapAlloc", "memstats.heap_alloc_bytes", BYTES, "the same as Alloc"},
    {"HeapSys", "memstats.heap_sys_bytes", BYTES, "address space of the heap"},
    {"HeapIdle", "memstats.heap_idle_bytes", BYTES, "spans without objects"},
    {"HeapInuse", "memstats.heap_inuse_bytes", BYTES, "spans with objects"},
    {"HeapReleased", "memstats.heap_released_bytes", BYTES, "idle, and given back to the system"},
    {"HeapObjects", "memstats.heap_objects", COUNT, "objects on the heap"},
    {"StackInuse", "memstats.stack_inuse_bytes", BYTES, "stacks of goroutines"},
    {"StackSys", "memstats.stack_sys_bytes", BYTES, "the same, with those of threads"},
    {"MSpanInuse", "memstats.mspan_inuse_bytes", BYTES, "descriptions of spans"},
    {"MSpanSys", "memstats.mspan_sys_bytes", BYTES, ""},
    {"MCacheInuse", "memstats.mcache_inuse_bytes", BYTES, "caches of the Ps"},
    {"MCacheSys", "memstats.mcache_sys_bytes", BYTES, ""},
    {"BuckHashSys", "memstats.buckhash_sys_bytes", BYTES, "profiles"},
    {"GCSys", "memstats.gc_sys_bytes", BYTES, "garbage collector"},
    {"OtherSys", "memstats.other_sys_bytes", BYTES, "the rest of the runtime"},
    {"NextGC", "memstats.next_gc_bytes", BYTES, "heap size at which the next collection aims"},
    {"LastGC", "memstats.last_gc_unix_ns", UNIX_NS, "end of the last collection"},
    {"PauseTotalNs", "memstats.pause_total_ns", NS, "time the world stood still for collections"},
    {"NumGC", "memstats.num_gc", COUNT, "collections that ended"},
    {"NumForcedGC", "memstats.num_forced_gc", COUNT, "of these, asked for by runtime.GC"},
    {"GCCPUFraction", "memstats.gc_cpu_fraction_ppb", PPB,
     "of the processor time, used by the collector"},
};

static void value_text(struct buf *b, enum unit unit, int64_t v)
{
    if (unit == BYTES)
        text_bytes(b, (uint64_t)v);
    else if (unit == NS)
        text_ns(b, v);
    else if (unit == UNIX_NS && v)
        text_clock(b, v, true);
    else if (unit == UNIX_NS)
        buf_str(b, "never");
    else if (unit == PPB)
        buf_printf(b, "%.2f %%", (double)v / 1e7);
    else
        text_count(b, (uint64_t)v);
}

static void put_table(struct flow *f, const struct snap *s)
{
    struct table t;
    int64_t v;
    table_init(&t, 3);
    table_column(&t, 1, NULL, TABLE_RIGHT | TABLE_BOLD);
    table_column(&t, 2, NULL, TABLE_SHRINK | TABLE_DIM);
    t.indent = 2;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!snap_counter(s, fields[i].counter, &v))
            continue;
        table_text(&t, fields[i].name);
        value_text(table_cell(&t), fields[i].unit, v);
        table_cell_end(&t);
        table_text(&t, fields[i].what);
    }
    table_write(&t, f->style, &f->b);
    table_free(&t);
}

struct err *report_memstats_text(const struct snap *s, const struct report_style *style,
                                 struct report_sink out)
{
    struct flow f = {.style = style, .sink = out};
    struct buf left = {0}, right = {0};
    buf_str(&left, "memory figures of the runtime");
    name_target(&right, s);
    two_sides(&f.b, style, buf_text(&left), buf_text(&right));
    put_table(&f, s);
    missing_text(&f.b, s, style);
    cost_line(&f.b, s, 0);
    buf_char(&f.b, '\n');
    buf_free(&left);
    buf_free(&right);
    return flow_end(&f);
}

/* ---- JSON ---- */

static void by_size_json(struct json *j, const struct snap *s)
{
    json_key(j, "BySize");
    json_begin(j, '[');
    for (size_t i = 0; i < s->counter.n; i++) {
        unsigned size;
        char word[16];
        int64_t frees;
        struct buf other = {0};
        if (sscanf(snap_str(s, s->counter.name[i]), "memstats.by_size_%u.%15s", &size, word) != 2 ||
            strcmp(word, "mallocs") != 0)
            continue;
        buf_printf(&other, "memstats.by_size_%u.frees", size);
        if (!snap_counter(s, buf_text(&other), &frees))
            frees = 0;
        json_begin(j, '{');
        json_ku64(j, "Size", size);
        json_ki64(j, "Mallocs", s->counter.value[i]);
        json_ki64(j, "Frees", frees);
        json_end(j, '}');
        buf_free(&other);
    }
    json_end(j, ']');
}

struct err *report_memstats_json(const struct snap *s, struct report_sink out)
{
    struct json j;
    int64_t v;
    json_init(&j, out.write, out.arg);
    json_begin(&j, '{');
    json_key(&j, "target");
    target_json(&j, s);
    capture_json(&j, s);
    json_key(&j, "memstats");
    json_begin(&j, '{');
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        json_key(&j, fields[i].name);
        if (!snap_counter(s, fields[i].counter, &v))
            json_null(&j);
        else if (fields[i].unit == PPB)
            json_f64(&j, (double)v / 1e9);
        else
            json_i64(&j, v);
    }
    by_size_json(&j, s);
    json_end(&j, '}');
    json_key(&j, "missing");
    missing_json(&j, s);
    json_end(&j, '}');
    json_newline(&j);
    return json_finish(&j);
}

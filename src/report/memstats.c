/* memstats.c - runtime.MemStats from the counters of a snapshot; see memstats.h.
 *
 * Go: runtime/mstats.go MemStats (1.18-1.27).  Lookups and DebugGC are left out: the first is
 * always 0, the last always false. */
#include "report/memstats.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "report/report_int.h"
#include "report/table.h"
#include "snap/pauses.h"

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

/* "pauses: last 31 µs, median 22 µs, p99 480 µs, longest 1.2 ms at 2026-11-26 16:20:09.530, of the
 * last 256" */
static void put_pauses(struct flow *f, const struct snap *s)
{
    struct snap_pauses p;
    snap_pauses(s, &p);
    if (!p.n)
        return;
    struct buf b = {0};
    buf_str(&b, "pauses: last ");
    text_ns(&b, p.v[0].ns);
    buf_str(&b, ", median ");
    text_ns(&b, p.median_ns);
    buf_str(&b, ", p99 ");
    text_ns(&b, p.p99_ns);
    buf_str(&b, ", longest ");
    text_ns(&b, p.v[p.longest].ns);
    buf_str(&b, " at ");
    text_clock(&b, p.v[p.longest].end_unix_ns, true);
    buf_printf(&b, ", of the last %zu", p.n);
    text_wrap(&f->b, buf_text(&b), f->style->width ? f->style->width : SIZE_MAX, 0, 2);
    buf_char(&f->b, '\n');
    buf_free(&b);
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
    put_pauses(&f, s);
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

/* The rings of MemStats: the newest pause is at (NumGC + 255) % 256. */
static void ring_json(struct json *j, const char *key, const struct snap_pauses *p, int64_t num_gc,
                      bool ends)
{
    int64_t ring[SNAP_PAUSES_MAX] = {0};
    json_key(j, key);
    if (num_gc < 0) {
        json_null(j);
        return;
    }
    for (size_t i = 0; i < p->n; i++)
        ring[((uint64_t)num_gc + SNAP_PAUSES_MAX - 1 - i) % SNAP_PAUSES_MAX] =
            ends ? p->v[i].end_unix_ns : p->v[i].ns;
    json_begin(j, '[');
    for (size_t i = 0; i < SNAP_PAUSES_MAX; i++)
        json_i64(j, ring[i]);
    json_end(j, ']');
}

static void pauses_json(struct json *j, const struct snap_pauses *p)
{
    json_key(j, "pauses");
    if (!p->n) {
        json_null(j);
        return;
    }
    json_begin(j, '{');
    json_ku64(j, "count", p->n);
    json_ki64(j, "last_ns", p->v[0].ns);
    json_ki64(j, "median_ns", p->median_ns);
    json_ki64(j, "p99_ns", p->p99_ns);
    json_ki64(j, "longest_ns", p->v[p->longest].ns);
    json_ki64(j, "longest_end_unix_ns", p->v[p->longest].end_unix_ns);
    json_end(j, '}');
}

struct err *report_memstats_json(const struct snap *s, struct report_sink out)
{
    struct json j;
    struct snap_pauses p;
    int64_t v, num_gc;
    snap_pauses(s, &p);
    if (!snap_counter(s, "memstats.num_gc", &num_gc))
        num_gc = -1;
    document_begin(&j, s, out);
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
    ring_json(&j, "PauseNs", &p, num_gc, false);
    ring_json(&j, "PauseEnd", &p, num_gc, true);
    by_size_json(&j, s);
    json_end(&j, '}');
    pauses_json(&j, &p);
    return document_end(&j, s);
}

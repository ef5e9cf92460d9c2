/* watch.c - what `gospect watch` shows; see watch.h. */
#include "front/cli/watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

struct err *cli_watch_begin(struct cli_watch_view *v, struct cli *c, struct cli_subject *s)
{
    struct target_process tp;
    *v = (struct cli_watch_view){.cli = c,
                                 .pid = s->pid,
                                 .began_mono_ns = clock_mono_ns(),
                                 .alloc_rate = -1,
                                 .gc_share = -1,
                                 .picture = c->term.out_tty && !c->json};
    arena_init(&v->arena);
    TRY(target_process(s->target, &v->arena, &tp));
    const char *slash = strrchr(tp.exe, '/');
    v->name = slash ? slash + 1 : *tp.exe ? tp.exe : tp.comm;
    v->go_version = arena_strdup(&v->arena, rt_go_version(s->rt));
    v->started_wall_ns = tp.started_wall_ns;
    return NULL;
}

void cli_watch_end(struct cli_watch_view *v)
{
    if (v->cli)
        arena_free(&v->arena);
}

static struct err *put(struct cli_watch_view *v, struct buf *b)
{
    struct err *e = cli_out_text(&v->cli->out, b);
    buf_free(b);
    return e ? e : cli_out_flush(&v->cli->out);
}

/* ---- JSON ---- */

static void json_states(struct json *j, const uint32_t *by_status)
{
    json_key(j, "by_state");
    json_begin(j, '{');
    for (size_t i = 0; i < SNAP_G_COUNT; i++)
        if (by_status[i])
            json_ku64(j, snap_gstatus_name((enum snap_gstatus)i), by_status[i]);
    json_end(j, '}');
}

static void json_memory(struct json *j, const struct cli_watch_view *v, const struct rt_pulse *p)
{
    json_key(j, "heap_trigger_bytes");
    if (p->heap_trigger_bytes < INT64_MAX)
        json_u64(j, p->heap_trigger_bytes);
    else
        json_null(j);
    json_ku64(j, "heap_alloc_bytes", p->heap_alloc_bytes);
    json_ku64(j, "heap_inuse_bytes", p->heap_inuse_bytes);
    json_ku64(j, "total_alloc_bytes", p->total_alloc_bytes);
    json_key(j, "alloc_bytes_per_second");
    if (v->alloc_rate < 0)
        json_null(j);
    else
        json_f64(j, v->alloc_rate);
    json_ku64(j, "sys_bytes", p->sys_bytes);
    json_ku64(j, "gc_cycles", p->gc_cycles);
    json_kbool(j, "gc_running", p->gc_running);
    json_key(j, "gc_cpu_share");
    if (v->gc_share < 0)
        json_null(j);
    else
        json_f64(j, v->gc_share);
    json_key(j, "last_pause_ns");
    if (p->last_pause_ns < 0)
        json_null(j);
    else
        json_i64(j, p->last_pause_ns);
}

static struct err *json_sample(struct cli_watch_view *v, const struct rt_pulse *p,
                               const struct cli_storm *storm)
{
    struct json j;
    json_init(&j, cli_out_write, &v->cli->out);
    json_begin(&j, '{');
    json_kstr(&j, "event", "sample");
    json_ki64(&j, "unix_ns", p->wall_ns);
    json_ki64(&j, "pid", v->pid);
    json_ku64(&j, "goroutines", p->goroutines);
    json_kf64(&j, "growth_per_second", storm->growth);
    if (v->have_states)
        json_states(&j, v->by_status);
    json_ku64(&j, "threads", p->threads);
    json_ku64(&j, "idle_threads", p->idle_threads);
    json_ku64(&j, "spinning_threads", p->spinning_threads);
    json_ku64(&j, "gomaxprocs", p->gomaxprocs);
    json_ku64(&j, "idle_procs", p->idle_procs);
    json_ku64(&j, "runq_global", p->runq_global);
    json_ku64(&j, "runq_local", p->runq_local);
    json_ku64(&j, "runq_local_max", p->runq_local_max);
    json_ku64(&j, "heap_live_bytes", p->heap_live_bytes);
    json_ku64(&j, "heap_goal_bytes", p->heap_goal_bytes);
    json_memory(&j, v, p);
    json_kbool(&j, "storm", storm->on);
    json_end(&j, '}');
    json_newline(&j);
    TRY(json_finish(&j));
    return cli_out_flush(&v->cli->out);
}

static struct err *json_event(struct cli_watch_view *v, const struct cli_watch_event *ev)
{
    static const char *const names[] = {"storm", "storm_over", "ended"};
    struct json j;
    json_init(&j, cli_out_write, &v->cli->out);
    json_begin(&j, '{');
    json_kstr(&j, "event", names[ev->kind]);
    json_ki64(&j, "unix_ns", ev->wall_ns);
    json_ki64(&j, "pid", v->pid);
    if (ev->kind != WATCH_ENDED) {
        json_ku64(&j, "goroutines", ev->goroutines);
        json_kf64(&j, "growth_per_second", ev->growth);
        json_ku64(&j, "threshold", ev->threshold);
        json_kf64(&j, "growth_limit", ev->growth_limit);
    }
    if (ev->kind == WATCH_OVER) {
        json_ku64(&j, "peak", ev->peak);
        json_ki64(&j, "lasted_ns", ev->lasted_ns);
    }
    if (ev->file)
        json_kstr(&j, "snapshot", ev->file);
    if (ev->save_error)
        json_kstr(&j, "snapshot_error", err_message(ev->save_error));
    json_end(&j, '}');
    json_newline(&j);
    TRY(json_finish(&j));
    return cli_out_flush(&v->cli->out);
}

/* ---- text ---- */

static void states(struct buf *b, const uint32_t *by_status)
{
    static const enum snap_gstatus order[] = {SNAP_G_RUNNING,   SNAP_G_RUNNABLE, SNAP_G_SYSCALL,
                                              SNAP_G_WAITING,   SNAP_G_LEAKED,   SNAP_G_PREEMPTED,
                                              SNAP_G_COPYSTACK, SNAP_G_IDLE,     SNAP_G_UNKNOWN};
    for (size_t i = 0, n = 0; i < ARRAY_LEN(order); i++) {
        if (!by_status[order[i]])
            continue;
        buf_str(b, n++ ? ", " : "");
        text_count(b, by_status[order[i]]);
        buf_printf(b, " %s", snap_gstatus_name(order[i]));
    }
}

/* "412 MB live, next GC at 760 MB, 12 MB/s allocated, 31 % of spans free" */
static void heap(struct buf *b, const struct cli_watch_view *v, const struct rt_pulse *p)
{
    text_bytes(b, p->heap_live_bytes);
    buf_str(b, " live");
    if (p->heap_trigger_bytes < INT64_MAX) {
        buf_str(b, ", next GC at ");
        text_bytes(b, p->heap_trigger_bytes);
    } else {
        buf_str(b, ", no GC by itself");
    }
    if (v->alloc_rate >= 0) {
        buf_str(b, ", ");
        text_bytes(b, (uint64_t)v->alloc_rate);
        buf_str(b, "/s allocated");
    }
    if (p->heap_inuse_bytes > p->heap_alloc_bytes)
        buf_printf(b, ", %.0f %% of spans free",
                   100 - 100 * (double)p->heap_alloc_bytes / (double)p->heap_inuse_bytes);
}

/* ", running, 3.4 % of CPU, last pause 31 µs" */
static void collector(struct buf *b, const struct cli_watch_view *v, const struct rt_pulse *p)
{
    buf_str(b, p->gc_running ? ", running" : "");
    if (v->gc_share >= 0)
        buf_printf(b, ", %.1f %% of CPU", 100 * v->gc_share);
    if (p->last_pause_ns >= 0) {
        buf_str(b, ", last pause ");
        text_ns(b, p->last_pause_ns);
    }
}

static void goroutines(struct buf *b, uint32_t n)
{
    text_count(b, n);
    buf_str(b, n == 1 ? " goroutine" : " goroutines");
}

/* "12:04:05.200  12,408 goroutines +14/min  4 running, ...  heap ..." */
static struct err *line(struct cli_watch_view *v, const struct rt_pulse *p,
                        const struct cli_storm *storm)
{
    struct buf b = {0};
    text_clock(&b, p->wall_ns, false);
    buf_str(&b, "  ");
    goroutines(&b, p->goroutines);
    buf_char(&b, ' ');
    text_rate(&b, storm->growth);
    if (v->have_states) {
        buf_str(&b, " (");
        states(&b, v->by_status);
        buf_char(&b, ')');
    }
    buf_printf(&b, "  run queues %u+%u  threads %u  heap ", p->runq_global, p->runq_local,
               p->threads);
    heap(&b, v, p);
    buf_printf(&b, "  gc %u", p->gc_cycles);
    collector(&b, v, p);
    buf_char(&b, '\n');
    return put(v, &b);
}

static void event_text(struct buf *b, const struct cli_watch_event *ev, bool color)
{
    text_clock(b, ev->wall_ns, true);
    if (ev->kind == WATCH_ENDED) {
        buf_str(b, "  the process has ended");
        return;
    }
    buf_printf(b, "  %s%s%s  ", cli_style(color, ev->kind == WATCH_STORM ? CLI_RED : CLI_GREEN),
               ev->kind == WATCH_STORM ? "STORM" : "storm over", cli_style(color, CLI_PLAIN));
    goroutines(b, ev->goroutines);
    buf_str(b, ", ");
    text_rate(b, ev->growth);
    if (ev->kind == WATCH_OVER) {
        buf_str(b, "; it lasted ");
        text_ns(b, ev->lasted_ns);
        buf_str(b, ", at most ");
        goroutines(b, ev->peak);
    } else if (ev->threshold && ev->goroutines >= ev->threshold) {
        buf_str(b, " (the limit is ");
        text_count(b, ev->threshold);
        buf_char(b, ')');
    } else {
        buf_str(b, " (the limit is ");
        text_rate(b, ev->growth_limit);
        buf_char(b, ')');
    }
    if (ev->file)
        buf_printf(b, "; saved %s", ev->file);
    if (ev->save_error)
        buf_printf(b, "; not saved: %s", err_message(ev->save_error));
}

/* ---- the picture ---- */

static void sparkline(struct buf *b, const struct cli_watch_view *v)
{
    static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    size_t n = v->nhistory < WATCH_HISTORY ? v->nhistory : WATCH_HISTORY;
    uint32_t lo = UINT32_MAX, hi = 0;
    for (size_t i = 0; i < n; i++) {
        lo = v->history[i] < lo ? v->history[i] : lo;
        hi = v->history[i] > hi ? v->history[i] : hi;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t value = v->history[(v->nhistory - n + i) % WATCH_HISTORY];
        buf_str(b, bars[hi > lo ? (uint64_t)(value - lo) * 7 / (hi - lo) : 0]);
    }
}

/* A line of the picture: a word in bold, and what follows, cut to the width. */
static void field(struct cli_watch_view *v, struct buf *b, const char *word, struct buf *text)
{
    const struct cli_term *t = &v->cli->term;
    struct buf cut = {0};
    text_fit(&cut, buf_text(text), t->width > 14 ? t->width - 14 : 1, TEXT_CUT_END);
    buf_printf(b, "%s%-12s%s  %s\x1b[K\n", cli_style(t->color, CLI_BOLD), word,
               cli_style(t->color, CLI_PLAIN), buf_text(&cut));
    buf_free(&cut);
    buf_clear(text);
    v->drawn++;
}

static void heading(struct cli_watch_view *v, struct buf *b, const struct rt_pulse *p)
{
    struct buf left = {0}, cut = {0};
    buf_printf(&left, "%s  pid %d, %s, up ", v->name, v->pid, v->go_version);
    text_ns(&left, p->wall_ns - v->started_wall_ns);
    buf_str(&left, "   watched for ");
    text_ns(&left, p->mono_ns - v->began_mono_ns);
    buf_str(&left, "; Ctrl-C ends");
    text_fit(&cut, buf_text(&left), v->cli->term.width, TEXT_CUT_END);
    text_clean(b, buf_text(&cut));
    buf_str(b, "\x1b[K\n");
    buf_free(&left);
    buf_free(&cut);
    v->drawn++;
}

/* "; begins at 5,000 goroutines or +500/s" */
static void limits(struct buf *b, const struct cli_storm *storm)
{
    if (storm->threshold || storm->growth_limit > 0)
        buf_str(b, "; begins at ");
    if (storm->threshold)
        goroutines(b, storm->threshold);
    if (storm->threshold && storm->growth_limit > 0)
        buf_str(b, " or ");
    if (storm->growth_limit > 0)
        text_rate(b, storm->growth_limit);
}

static void fields(struct cli_watch_view *v, struct buf *b, const struct rt_pulse *p,
                   const struct cli_storm *storm)
{
    struct buf t = {0};
    text_count(&t, p->goroutines);
    buf_str(&t, "  ");
    text_rate(&t, storm->growth);
    buf_str(&t, "  ");
    sparkline(&t, v);
    field(v, b, "goroutines", &t);
    if (v->have_states)
        states(&t, v->by_status);
    field(v, b, "", &t);
    buf_printf(&t, "%u global, %u local (longest %u); GOMAXPROCS %u, %u idle", p->runq_global,
               p->runq_local, p->runq_local_max, p->gomaxprocs, p->idle_procs);
    field(v, b, "run queues", &t);
    buf_printf(&t, "%u, %u idle, %u spinning", p->threads, p->idle_threads, p->spinning_threads);
    field(v, b, "threads", &t);
    heap(&t, v, p);
    buf_str(&t, "; ");
    text_bytes(&t, p->sys_bytes);
    buf_str(&t, " from the system");
    field(v, b, "heap", &t);
    double seconds = (double)(p->mono_ns - v->began_mono_ns) / 1e9;
    text_count(&t, p->gc_cycles);
    buf_str(&t, " cycles, ");
    text_rate(&t, seconds > 0 ? (p->gc_cycles - v->gc_first) / seconds : 0);
    collector(&t, v, p);
    field(v, b, "gc", &t);
    if (storm->on) {
        buf_str(&t, "now, for ");
        text_ns(&t, p->mono_ns - storm->began_ns);
        buf_str(&t, ", at most ");
        text_count(&t, storm->peak);
    } else {
        buf_str(&t, "none");
        limits(&t, storm);
    }
    field(v, b, "storm", &t);
    buf_free(&t);
}

/* The cursor goes back to the first line of the picture. */
static void back_to_top(struct cli_watch_view *v, struct buf *b)
{
    if (v->drawn)
        buf_printf(b, "\x1b[%zuA\r", v->drawn);
    v->drawn = 0;
}

static struct err *picture(struct cli_watch_view *v, const struct rt_pulse *p,
                           const struct cli_storm *storm)
{
    struct buf b = {0};
    cli_term_resize(&v->cli->term, &v->cli->args);
    back_to_top(v, &b);
    heading(v, &b, p);
    fields(v, &b, p, storm);
    buf_str(&b, "\x1b[J");
    return put(v, &b);
}

/* ---- */

void cli_watch_sample(struct cli_watch_view *v, const struct rt_pulse *p,
                      const struct cli_storm *storm)
{
    if (v->have_first)
        return;
    v->have_first = true;
    v->gc_first = p->gc_cycles;
}

/* Rates against the look that was shown before.  The runtime brings its account of processor time
 * up to date when a cycle ends. */
static void set_rates(struct cli_watch_view *v, const struct rt_pulse *p)
{
    bool first = !v->before.mono_ns;
    double seconds = (double)(p->mono_ns - v->before.mono_ns) / 1e9;
    if (!first && seconds > 0)
        v->alloc_rate = p->total_alloc_bytes > v->before.total_alloc
                            ? (double)(p->total_alloc_bytes - v->before.total_alloc) / seconds
                            : 0;
    if (!first && p->cpu_ns > v->before.cpu_ns && v->before.cpu_ns >= 0)
        v->gc_share =
            (double)(p->cpu_gc_ns - v->before.cpu_gc_ns) / (double)(p->cpu_ns - v->before.cpu_ns);
    v->before.mono_ns = p->mono_ns;
    v->before.total_alloc = p->total_alloc_bytes;
    v->before.cpu_gc_ns = p->cpu_gc_ns;
    v->before.cpu_ns = p->cpu_ns;
}

struct err *cli_watch_show(struct cli_watch_view *v, const struct rt_pulse *p,
                           const struct cli_storm *storm)
{
    set_rates(v, p);
    v->history[v->nhistory++ % WATCH_HISTORY] = p->goroutines;
    if (v->cli->json)
        return json_sample(v, p, storm);
    return v->picture ? picture(v, p, storm) : line(v, p, storm);
}

struct err *cli_watch_event(struct cli_watch_view *v, const struct cli_watch_event *ev)
{
    if (v->cli->json)
        return json_event(v, ev);
    struct buf b = {0};
    if (v->picture) {
        back_to_top(v, &b);
        buf_str(&b, "\x1b[J");
    }
    struct buf text = {0};
    event_text(&text, ev, v->cli->term.color);
    if (v->picture)
        text_wrap(&b, buf_text(&text), v->cli->term.width, 0, 4);
    else
        buf_add(&b, text.p, text.n);
    buf_char(&b, '\n');
    buf_free(&text);
    return put(v, &b);
}

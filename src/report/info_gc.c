/* info_gc.c - what `gospect info` says of the garbage collector and of the spans of the heap; see
 * info.h.
 *
 * Go: runtime/mgc.go gcStart, gcMarkDone, gcMarkTermination (1.18-1.27): the world stops to end
 * sweeping (tSweepTerm), goes on while marking (tMark), stops to end marking (tMarkTerm) and goes
 * on (tEnd); GODEBUG=gctrace=1 prints the same three spans of time. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "report/info_int.h"
#include "snap/fill.h"
#include "snap/pauses.h"

static int64_t counter(const struct info *in, const char *name)
{
    int64_t v;
    return snap_counter(in->s, name, &v) ? v : -1;
}

static void share(struct info *in, double part, const char *what)
{
    info_comma(in);
    buf_printf(&in->text, "%.1f %% %s", 100 * part, what);
}

static void ago(struct info *in, int64_t ns)
{
    if (snap_meta(in->s, SNAP_META_taken_bound))
        buf_str(&in->text, "at least ");
    text_ns(&in->text, ns);
    buf_str(&in->text, " ago");
}

static void collector(struct info *in)
{
    static const char *const phases[] = {"not running", "marking", "ending to mark"};
    int64_t phase = counter(in, "gc.phase"), last = counter(in, "gc.last_ns");
    int64_t now = snap_meta_i64(in->s, SNAP_META_taken_mono_ns, 0);
    int64_t total = counter(in, "cpu.total_ns"), gc = counter(in, "cpu.gc_total_ns");
    info_add(in, "memstats.num_gc", INFO_COUNT, "", " cycles");
    info_add(in, "memstats.num_forced_gc", INFO_COUNT, "", " forced");
    if (last > 0 && last <= now) {
        info_comma(in);
        buf_str(&in->text, "last ended ");
        ago(in, now - last);
    }
    if (phase >= 0 && phase < 3) {
        info_comma(in);
        buf_str(&in->text, phases[phase]);
    }
    int64_t barrier = counter(in, "gc.write_barrier");
    if (barrier >= 0) {
        info_comma(in);
        buf_printf(&in->text, "write barrier %s", barrier ? "on" : "off");
    }
    if (total > 0 && gc >= 0)
        share(in, (double)gc / (double)total, "of CPU time");
    else if (counter(in, "memstats.gc_cpu_fraction_ppb") >= 0)
        share(in, (double)counter(in, "memstats.gc_cpu_fraction_ppb") / 1e9, "of CPU time");
    info_say(in, "GC");
}

/* Times of the last cycle; of one that runs, what is known by now. */
static void cycle(struct info *in)
{
    int64_t begin = counter(in, "gc.t_sweep_term_ns"), mark = counter(in, "gc.t_mark_ns");
    int64_t term = counter(in, "gc.t_mark_term_ns"), end = counter(in, "gc.t_end_ns");
    int64_t now = snap_meta_i64(in->s, SNAP_META_taken_mono_ns, 0);
    if (begin <= 0 || mark < begin)
        return;
    bool ended = term >= mark && end >= term;
    buf_str(&in->text, "stopped for ");
    text_ns(&in->text, mark - begin);
    buf_str(&in->text, ended ? " to begin, marked for " : " to begin, marking");
    if (ended) {
        text_ns(&in->text, term - mark);
        buf_str(&in->text, ", stopped for ");
        text_ns(&in->text, end - term);
        buf_str(&in->text, " to end");
    } else if (now > mark && !snap_meta(in->s, SNAP_META_taken_bound)) {
        buf_str(&in->text, " for ");
        text_ns(&in->text, now - mark);
    }
    info_add(in, "gc.heap_at_start_bytes", INFO_BYTES, "heap ", " when it began");
    if (ended) {
        info_add(in, "gc.heap_at_mark_term_bytes", INFO_BYTES, "", " when it ended");
        info_add(in, "gc.heap_marked_last_bytes", INFO_BYTES, "", " of that lived");
    }
    info_say(in, ended ? "last cycle" : "this cycle");
}

static void pauses(struct info *in)
{
    struct snap_pauses p;
    int64_t now = snap_meta_i64(in->s, SNAP_META_taken_wall_ns, 0);
    snap_pauses(in->s, &p);
    if (p.n) {
        const struct {
            const char *word;
            int64_t ns;
        } words[] = {{"last ", p.v[0].ns},
                     {", median ", p.median_ns},
                     {", p99 ", p.p99_ns},
                     {", longest ", p.v[p.longest].ns}};
        for (size_t i = 0; i < ARRAY_LEN(words); i++) {
            buf_str(&in->text, words[i].word);
            text_ns(&in->text, words[i].ns);
        }
        if (now > p.v[p.longest].end_unix_ns) {
            buf_str(&in->text, " (");
            ago(in, now - p.v[p.longest].end_unix_ns);
            buf_char(&in->text, ')');
        }
        buf_printf(&in->text, ", of %zu", p.n);
    }
    info_add(in, "memstats.pause_total_ns", INFO_NS, "", " in all");
    info_say(in, "pauses");
}

static void pacing(struct info *in)
{
    int64_t percent = 0, limited = counter(in, "gc.limit_decides");
    int64_t live = counter(in, "gc.heap_live_bytes"), goal = counter(in, "gc.heap_goal_bytes");
    int64_t trigger = counter(in, "gc.trigger_bytes");
    int64_t limit = counter(in, "gc.memory_limit_bytes");
    bool none = limit < 0 || limit == INT64_MAX;
    if (snap_counter(in->s, "gc.percent", &percent) && percent < 0 && none) {
        buf_str(&in->text, "no cycle begins by itself: GOGC is off");
    } else if (goal > 0 && trigger >= 0) {
        buf_str(&in->text, "the next cycle begins at ");
        text_bytes(&in->text, (uint64_t)trigger);
        buf_str(&in->text, " and aims at ");
        text_bytes(&in->text, (uint64_t)goal);
        buf_str(&in->text, limited > 0 ? " (GOMEMLIMIT)" : " (GOGC)");
    }
    if (live >= 0 && in->text.n) {
        buf_str(&in->text, "; now ");
        text_bytes(&in->text, (uint64_t)live);
    }
    if (counter(in, "gc.limiter_on") > 0)
        buf_str(&in->text, "; limited to half of the processors");
    else if (counter(in, "gc.limiter_last_cycle") > 0)
        buf_printf(&in->text, "; was limited to half of the processors, last in cycle %" PRId64,
                   counter(in, "gc.limiter_last_cycle"));
    info_say(in, "pacing");
}

/* Who did the collector's work, since the start. */
static void workers(struct info *in)
{
    static const struct {
        const char *counter, *word;
    } kinds[] = {{"cpu.gc_dedicated_ns", "by its workers"},
                 {"cpu.gc_idle_ns", "on idle processors"},
                 {"cpu.gc_assist_ns", "by goroutines that allocate (assists)"},
                 {"cpu.gc_pause_ns", "while stopped"}};
    int64_t total = counter(in, "cpu.gc_total_ns");
    for (size_t i = 0; total > 0 && i < ARRAY_LEN(kinds); i++)
        if (counter(in, kinds[i].counter) >= 0)
            share(in, (double)counter(in, kinds[i].counter) / (double)total, kinds[i].word);
    info_say(in, "GC work");
    size_t n = 0;
    for (size_t g = 0; g < in->s->goroutine.n; g++)
        n += strncmp(snap_str(in->s, in->s->goroutine.wait_reason[g]), "GC assist", 9) == 0;
    if (n || counter(in, "gc.assist_debtors") > 0) {
        count_of(&in->text, n, "goroutine waits", "goroutines wait");
        buf_str(&in->text, " to have allocated enough marking");
        info_add(in, "gc.assist_debtors", INFO_COUNT, "", " owe some");
        info_add(in, "gc.assist_debt_bytes", INFO_BYTES, "for ", "");
        info_say(in, "assists");
    }
}

static void spans(struct info *in)
{
    enum { CLASSES = 3 };
    struct snap_fills f;
    int64_t bytes = counter(in, "spans.bytes"), free = counter(in, "spans.free_bytes");
    if (bytes <= 0)
        return;
    snap_fills(in->s, &f);
    info_add(in, "spans.count", INFO_COUNT, "", " in use");
    info_add(in, "spans.bytes", INFO_BYTES, "", "");
    if (free >= 0)
        share(in, (double)free / (double)bytes, "free");
    info_add(in, "spans.sparse", INFO_COUNT, "", " less than a quarter full");
    for (size_t i = 0; i < CLASSES && i < f.n && f.v[i].free; i++) {
        buf_str(&in->text, i ? ", " : "; free for objects of ");
        text_bytes(&in->text, f.v[i].size);
        buf_str(&in->text, ": ");
        text_bytes(&in->text, f.v[i].free);
    }
    info_say(in, "spans");
    info_add(in, "spans.large.count", INFO_COUNT, "", " now");
    info_add(in, "spans.large.bytes", INFO_BYTES, "", "");
    info_add(in, "memstats.large_mallocs", INFO_COUNT, "", " allocated ever");
    info_add(in, "memstats.large_alloc_bytes", INFO_BYTES, "", "");
    info_say(in, "large");
}

void info_gc(struct info *in)
{
    collector(in);
    cycle(in);
    pauses(in);
    pacing(in);
    workers(in);
    spans(in);
}

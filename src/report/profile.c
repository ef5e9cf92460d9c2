/* profile.c - memory, block and mutex profiles from the runtime's buckets; see profile.h.
 *
 * Go: runtime/pprof/protomem.go writeHeapProto, scaleHeapSample; pprof.go printCountCycleProfile,
 * scaleMutexProfile (1.18-1.27).  Sampled allocations are scaled up to what was allocated, and the
 * runtime's own functions at the inner end of a stack of the memory profile are hidden, unless
 * there are no others. */
#include "report/profile.h"

#include <math.h>

#include "report/pprof_int.h"
#include "report/report_int.h"

static enum snap_bucketkind kind_of(enum report_profile which)
{
    static const enum snap_bucketkind kinds[] = {[REPORT_PROFILE_HEAP] = SNAP_BUCKET_MEM,
                                                 [REPORT_PROFILE_ALLOCS] = SNAP_BUCKET_MEM,
                                                 [REPORT_PROFILE_BLOCK] = SNAP_BUCKET_BLOCK,
                                                 [REPORT_PROFILE_MUTEX] = SNAP_BUCKET_MUTEX};
    return kinds[which];
}

static int64_t counter(const struct snap *s, const char *name, int64_t fallback)
{
    int64_t v;
    return snap_counter(s, name, &v) ? v : fallback;
}

struct report_profile_facts report_profile_facts(const struct snap *s, enum report_profile which)
{
    static const struct {
        const char *rate, *off;
    } ways[] = {[SNAP_BUCKET_MEM] = {"prof.mem_rate_bytes",
                                     "allocations are not sampled: nothing in the program uses "
                                     "runtime.MemProfile, so that the linker switched it off, or "
                                     "runtime.MemProfileRate is 0"},
                [SNAP_BUCKET_BLOCK] = {"prof.block_rate",
                                       "blocking is not sampled: the program did not call "
                                       "runtime.SetBlockProfileRate"},
                [SNAP_BUCKET_MUTEX] = {"prof.mutex_rate",
                                       "contention is not sampled: the program did not call "
                                       "runtime.SetMutexProfileFraction"}};
    enum snap_bucketkind kind = kind_of(which);
    struct report_profile_facts facts = {0};
    for (size_t i = 0; i < s->bucket.n; i++)
        facts.samples += s->bucket.kind[i] == kind;
    if (!facts.samples && counter(s, ways[kind].rate, 1) == 0)
        facts.empty = ways[kind].off;
    return facts;
}

/* ---- memory ---- */

/* Leaves out the runtime's functions at the inner end. */
static void hide_runtime(const struct snap *s, struct pprof_sample *sample)
{
    for (uint32_t node = sample->node; node != SNAP_NONE; node = s->stack.parent[node]) {
        uint32_t pc = s->stack.pc[node];
        for (uint32_t i = 0; i < s->pc.frames[pc]; i++)
            if (!snap_is_runtime_func(snap_str(s, s->frame.func[s->pc.frame[pc] + i]))) {
                sample->node = node;
                sample->first_frame = i;
                return;
            }
    }
}

/* What `count` sampled objects of `size` bytes stand for. */
static void scale(uint64_t count, uint64_t bytes, int64_t rate, int64_t *ret)
{
    double factor = 1;
    if (count && bytes && rate > 1)
        factor = 1 / (1 - exp(-((double)bytes / (double)count) / (double)rate));
    bool any = count && bytes;
    ret[0] = any ? (int64_t)((double)count * factor) : 0;
    ret[1] = any ? (int64_t)((double)bytes * factor) : 0;
}

static void add_memory(struct pprof *p, uint32_t row, int64_t rate)
{
    const struct snap *s = p->s;
    int64_t values[4];
    uint64_t allocs = s->bucket.allocs[row], bytes = s->bucket.alloc_bytes[row],
             frees = s->bucket.frees[row], freed = s->bucket.free_bytes[row];
    scale(allocs, bytes, rate, &values[0]);
    scale(allocs > frees ? allocs - frees : 0, bytes > freed ? bytes - freed : 0, rate, &values[2]);
    struct pprof_sample sample = {.node = s->bucket.stack[row],
                                  .bytes = allocs ? bytes / allocs : 0,
                                  .values = values,
                                  .nvalues = 4};
    hide_runtime(s, &sample);
    pprof_add(p, &sample);
}

static void put_memory(struct pprof *p, enum report_profile which)
{
    int64_t rate = counter(p->s, "prof.mem_rate_bytes", 0);
    pprof_sample_type(p, "alloc_objects", "count");
    pprof_sample_type(p, "alloc_space", "bytes");
    pprof_sample_type(p, "inuse_objects", "count");
    pprof_sample_type(p, "inuse_space", "bytes");
    pprof_period(p, "space", "bytes", rate);
    if (which == REPORT_PROFILE_ALLOCS)
        pprof_default_type(p, "alloc_space");
    for (uint32_t i = 0; i < p->s->bucket.n; i++)
        if (p->s->bucket.kind[i] == SNAP_BUCKET_MEM)
            add_memory(p, i, rate);
}

/* ---- block, mutex ---- */

static void put_blocking(struct pprof *p, enum snap_bucketkind kind, double hz)
{
    const struct snap *s = p->s;
    int64_t rate = counter(s, "prof.mutex_rate", 1);
    bool scaled = kind != SNAP_BUCKET_MUTEX || counter(s, "prof.mutex_scaled", 1);
    pprof_sample_type(p, "contentions", "count");
    pprof_sample_type(p, "delay", "nanoseconds");
    pprof_period(p, "contentions", "count", 1);
    for (uint32_t i = 0; i < s->bucket.n; i++) {
        if (s->bucket.kind[i] != kind)
            continue;
        int64_t values[] = {(int64_t)s->bucket.allocs[i],
                            (int64_t)((double)s->bucket.alloc_bytes[i] * 1e9 / hz)};
        for (size_t k = 0; k < ARRAY_LEN(values) && !scaled; k++)
            values[k] *= rate;
        pprof_add(p, &(struct pprof_sample){.node = s->bucket.stack[i],
                                            .values = values,
                                            .nvalues = ARRAY_LEN(values)});
    }
}

struct err *report_profile(const struct snap *s, enum report_profile which, struct report_sink out)
{
    enum snap_bucketkind kind = kind_of(which);
    double hz = (double)counter(s, "prof.cycles_per_second", 0);
    struct pprof p;
    if (kind != SNAP_BUCKET_MEM && hz <= 0)
        return err_new(ERR_UNSUPPORTED,
                       "how fast the clock of the profile runs is not known, so its "
                       "times cannot be told");
    pprof_init(&p, s);
    if (kind == SNAP_BUCKET_MEM)
        put_memory(&p, which);
    else
        put_blocking(&p, kind, hz);
    pprof_comments(&p);
    return pprof_finish(&p, out);
}

/* profile.c - the profiles that the runtime keeps: where memory was allocated, where goroutines
 * blocked, where they held a contended mutex.
 *
 * Go: runtime/mprof.go bucket, memRecord, blockRecord, MemProfile, BlockProfile (1.18-1.27).
 *
 * A bucket is a header, its call stack, its counters, one behind the other, off the heap.  Buckets
 * are never freed, and header and stack never change: the lists can be walked while the process
 * runs.  Counters are then of slightly different moments; each is right in itself.
 *
 * Memory: what an allocation and its free add becomes visible together, when a garbage collection
 * has passed.  Like MemProfile we take what is visible (active) and what will be at the next
 * question (future[cycle mod 3]); when there was no collection yet, everything.
 *
 * The heads of the lists: by symbol; else they are among the variables that stkbucket uses, which
 * puts a new bucket in front of its list, and what one points to says which it is.
 *
 * Stacks hold return addresses, one for each function, inlined ones included; the addresses of
 * callers that are inlined into the same function are dropped, because a pc stands for all of them.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "rt/capture_int.h"

enum {
    BUCKETS_MAX = 1 << 22, /* of one list: some 4 GB of them */
    DEPTH_MAX = 1024,      /* maxProfStackDepth of 1.23+; 32 before */
    FUTURES = 3,
};

struct profile_list {
    enum snap_bucketkind kind;
    enum rt_global head;
    enum rt_constant typ; /* of the buckets in it */
};

static const struct profile_list lists[] = {
    {SNAP_BUCKET_MEM, RT_GLOBAL_mbuckets, RT_IS_bucket_mem},
    {SNAP_BUCKET_BLOCK, RT_GLOBAL_bbuckets, RT_IS_bucket_block},
    {SNAP_BUCKET_MUTEX, RT_GLOBAL_xbuckets, RT_IS_bucket_mutex}};

struct profiles {
    struct capture *c;
    unsigned future; /* which entry of future[] counts */
    size_t header, record;
    taddr heads[64]; /* variables among which are those of the lists, where no symbol says which */
    size_t nheads;
    uint8_t *copy; /* header, stack and record of one bucket */
    struct unwinder *u;
};

/* ---- stacks ---- */

static size_t frames_at(const struct rt *rt, taddr pc, struct pcln_frame *ret, taddr *ret_entry)
{
    struct pcln_func f;
    const struct rt_module *m;
    if (!pc || !rt_func_at(rt, pc - 1, &f, &m))
        return 0;
    *ret_entry = f.entry;
    return pcln_frames(&m->pcln, &f, pc - 1, ret, PCLN_FRAMES_MAX);
}

/* Whether pc is where a function called another that is inlined into it, at the pc before: its
 * frames are then the outer ones of those. */
static bool is_inlined_caller(const struct rt *rt, taddr before, taddr pc)
{
    struct pcln_frame inner[PCLN_FRAMES_MAX], outer[PCLN_FRAMES_MAX];
    taddr a = 0, b = 0;
    size_t n = frames_at(rt, before, inner, &a), k = frames_at(rt, pc, outer, &b);
    if (!k || k >= n || a != b)
        return false;
    for (size_t i = 0; i < k; i++) {
        const struct pcln_frame *x = &inner[n - k + i], *y = &outer[i];
        if (x->line != y->line || strcmp(x->func, y->func) != 0 || strcmp(x->file, y->file) != 0)
            return false;
    }
    return true;
}

/* The node of a stack; SNAP_NONE: an empty one. */
static uint32_t stack_node(struct profiles *p, const uint64_t *pcs, size_t n)
{
    taddr before = 0;
    unwinder_begin(p->u);
    for (size_t i = 0; i < n; i++) {
        if (before && is_inlined_caller(p->c->rt, before, pcs[i]))
            continue;
        unwinder_push(p->u, pcs[i], false);
        before = pcs[i];
    }
    return unwinder_commit(p->u);
}

/* ---- counters ---- */

struct counts {
    uint64_t allocs, frees, alloc_bytes, free_bytes;
};

static void add_cycle(const struct rt_layout *l, const uint8_t *cycle, uint64_t size,
                      struct counts *c)
{
    uint64_t allocs = rt_get(l, cycle, RT_memcycle_allocs),
             frees = rt_get(l, cycle, RT_memcycle_frees);
    bool bytes = rt_has(l, RT_memcycle_alloc_bytes);
    c->allocs += allocs;
    c->frees += frees;
    c->alloc_bytes += bytes ? rt_get(l, cycle, RT_memcycle_alloc_bytes) : allocs * size;
    c->free_bytes += bytes ? rt_get(l, cycle, RT_memcycle_free_bytes) : frees * size;
}

static struct counts memory_counts(const struct profiles *p, const uint8_t *record, uint64_t size,
                                   bool everything)
{
    const struct rt_layout *l = &p->c->rt->layout;
    struct counts c = {0};
    add_cycle(l, record + l->off[RT_memrecord_active], size, &c);
    for (unsigned i = 0; i < FUTURES; i++)
        if (everything || i == p->future)
            add_cycle(
                l, record + l->off[RT_memrecord_future] + i * (size_t)l->size[RT_STRUCT_memcycle],
                size, &c);
    return c;
}

static struct counts block_counts(const struct profiles *p, const uint8_t *record)
{
    const struct rt_layout *l = &p->c->rt->layout;
    double count = 0;
    memcpy(&count, record + l->off[RT_blockrecord_count], sizeof(count));
    struct counts c = {.alloc_bytes = rt_get(l, record, RT_blockrecord_cycles)};
    c.allocs = count > 0 && count < 9e18 ? (uint64_t)count : 0;
    return c;
}

/* ---- buckets ---- */

static void set_counts(struct snap *s, uint32_t row, struct counts c)
{
    s->bucket.allocs[row] = c.allocs;
    s->bucket.frees[row] = c.frees;
    s->bucket.alloc_bytes[row] = c.alloc_bytes;
    s->bucket.free_bytes[row] = c.free_bytes;
}

/* Reads the bucket at addr into p->copy and adds its row.  *ret_next: the one after it. */
static struct err *read_bucket(struct profiles *p, enum snap_bucketkind kind, taddr addr,
                               taddr *ret_next, const uint8_t **ret_record)
{
    struct capture *c = p->c;
    const struct rt_layout *l = &c->rt->layout;
    TRY(target_read(c->t, addr, p->copy, p->header));
    uint64_t depth = rt_get(l, p->copy, RT_bucket_nstk);
    if (depth > DEPTH_MAX)
        return err_new(ERR_BAD_DATA, "a stack of %llu calls makes no sense",
                       (unsigned long long)depth);
    size_t record = kind == SNAP_BUCKET_MEM ? (size_t)l->size[RT_STRUCT_memrecord]
                                            : (size_t)l->size[RT_STRUCT_blockrecord];
    TRY(target_read(c->t, addr + p->header, p->copy + p->header, 8 * depth + record));
    uint64_t pcs[DEPTH_MAX];
    memcpy(pcs, p->copy + p->header, 8 * depth);
    uint32_t row = snap_add_bucket(c->s);
    c->s->bucket.kind[row] = (uint8_t)kind;
    c->s->bucket.size[row] = rt_get(l, p->copy, RT_bucket_size);
    vec_push(&c->bucket_nodes, stack_node(p, pcs, depth));
    map_put(&c->bucket_at, addr, row);
    *ret_next = rt_get(l, p->copy, RT_bucket_allnext);
    *ret_record = p->copy + p->header + 8 * depth;
    return NULL;
}

/* Whether a bucket of the list, with a stack of functions, is at addr. */
static bool is_bucket(struct profiles *p, const struct profile_list *list, taddr addr)
{
    const struct rt_layout *l = &p->c->rt->layout;
    uint64_t pc = 0;
    struct err *e = target_read(p->c->t, addr, p->copy, p->header);
    if (!e)
        e = target_read_u64(p->c->t, addr + p->header, &pc);
    bool ok = !e && (int64_t)rt_get(l, p->copy, RT_bucket_typ) == l->constant[list->typ] &&
              rt_get(l, p->copy, RT_bucket_nstk) <= DEPTH_MAX &&
              rt_get(l, p->copy, RT_bucket_nstk) > 0 && rt_is_go_code(p->c->rt, pc);
    err_free(e);
    return ok;
}

/* The first bucket of a list; 0: it is empty. */
static struct err *first_bucket(struct profiles *p, const struct profile_list *list, taddr *ret)
{
    struct capture *c = p->c;
    *ret = 0;
    if (c->rt->globals[list->head])
        return target_read_u64(c->t, c->rt->globals[list->head], ret);
    for (size_t i = 0; i < p->nheads; i++) {
        taddr at;
        TRY(target_read_u64(c->t, p->heads[i], &at));
        if (at && is_bucket(p, list, at)) {
            *ret = at;
            return NULL;
        }
    }
    return NULL;
}

static struct err *read_list(struct profiles *p, const struct profile_list *list, bool everything)
{
    struct capture *c = p->c;
    taddr at;
    TRY(first_bucket(p, list, &at));
    for (size_t n = 0; at; n++) {
        const uint8_t *record;
        taddr here = at;
        if (n == BUCKETS_MAX)
            return err_new(ERR_BAD_DATA, "the list of buckets does not end");
        TRY(read_bucket(p, list->kind, here, &at, &record));
        uint32_t row = (uint32_t)c->s->bucket.n - 1;
        set_counts(c->s, row,
                   list->kind == SNAP_BUCKET_MEM
                       ? memory_counts(p, record, c->s->bucket.size[row], everything)
                       : block_counts(p, record));
        TRY(progress_step(c->o->progress, "profile", n, 0));
    }
    return NULL;
}

/* Before the first garbage collection nothing is visible; then everything counts (MemProfile). */
static bool nothing_visible(const struct snap *s, size_t from)
{
    for (size_t i = from; i < s->bucket.n; i++)
        if (s->bucket.allocs[i] || s->bucket.frees[i])
            return false;
    return s->bucket.n > from;
}

static void forget(struct capture *c, size_t from)
{
    c->s->bucket.n = from;
    c->bucket_nodes.n = from;
}

static void read_kind(struct profiles *p, const struct profile_list *list)
{
    struct capture *c = p->c;
    size_t from = c->s->bucket.n;
    if (!c->rt->globals[list->head] && !p->nheads) {
        snap_note_missing(c->s, 1, "a profile of the runtime",
                          "where its buckets are was not found in this program");
        return;
    }
    struct err *e = read_list(p, list, false);
    if (!e && list->kind == SNAP_BUCKET_MEM && nothing_visible(c->s, from)) {
        forget(c, from);
        e = read_list(p, list, true);
    }
    if (e)
        snap_note_missing(c->s, 1, "the rest of a profile of the runtime", err_message(e));
    err_free(e);
}

/* ---- rates ---- */

static bool read_i64(struct capture *c, taddr addr, int64_t *ret)
{
    uint64_t v = 0;
    struct err *e = addr ? target_read_u64(c->t, addr, &v) : NULL;
    bool ok = addr && !e;
    err_free(e);
    *ret = (int64_t)v;
    return ok;
}

/* Cycles of the processor's clock in a second: what the runtime found, else counted since it
 * began, else counted here (the counter is the same for all processes). */
static int64_t cycles_per_second(struct capture *c)
{
    const struct rt_layout *l = &c->rt->layout;
    taddr ticks = G(c->rt, ticks);
    int64_t value, began, began_ns;
    if (ticks && rt_has(l, RT_ticks_val) &&
        read_i64(c, ticks + (taddr)l->off[RT_ticks_val], &value) && value > 0)
        return value;
    if (target_kind(c->rt->t) == TARGET_CORE)
        return 0;
    if (ticks && rt_has(l, RT_ticks_start_ticks) &&
        read_i64(c, ticks + (taddr)l->off[RT_ticks_start_ticks], &began) &&
        read_i64(c, ticks + (taddr)l->off[RT_ticks_start_time], &began_ns) && began > 0) {
        double cycles = (double)(arch_cycles() - began), ns = (double)(clock_mono_ns() - began_ns);
        return ns > 0 ? (int64_t)(cycles * 1e9 / ns) : 0;
    }
    return arch_cycles_per_second();
}

static void read_rates(struct capture *c)
{
    static const struct {
        const char *name;
        enum rt_global global;
    } rates[] = {{"prof.block_rate", RT_GLOBAL_blockprofilerate},
                 {"prof.mutex_rate", RT_GLOBAL_mutexprofilerate}};
    int64_t v;
    for (size_t i = 0; i < ARRAY_LEN(rates); i++)
        if (read_i64(c, c->rt->globals[rates[i].global], &v))
            snap_set_counter(c->s, rates[i].name, v);
    int64_t hz = cycles_per_second(c);
    if (hz > 0)
        snap_set_counter(c->s, "prof.cycles_per_second", hz);
    /* Nothing in the data of the runtime says whether it scales sampled mutex events itself; it
     * does since 1.20, the release that brought arenas. */
    snap_set_counter(c->s, "prof.mutex_scaled", rt_has(&c->rt->layout, RT_mspan_user_arena));
}

static unsigned visible_future(struct capture *c)
{
    int64_t cycle;
    if (!read_i64(c, G(c->rt, mprof_cycle), &cycle))
        return FUTURES; /* none of them: what is visible already */
    return (uint32_t)cycle / 2 %
           FUTURES; /* bit 0 says whether it was added already: it is zero then */
}

void capture_profiles(struct capture *c)
{
    const struct rt_layout *l = &c->rt->layout;
    if (!rt_has(l, RT_bucket_nstk) || l->size[RT_STRUCT_bucket] <= 0 ||
        l->size[RT_STRUCT_memrecord] <= 0 || l->size[RT_STRUCT_blockrecord] <= 0) {
        snap_note_missing(c->s, 1, "the profiles of the runtime",
                          "how this release keeps them is not known");
        return;
    }
    struct profiles p = {.c = c,
                         .header = (size_t)l->size[RT_STRUCT_bucket],
                         .record = max_u64((uint64_t)l->size[RT_STRUCT_memrecord],
                                           (uint64_t)l->size[RT_STRUCT_blockrecord]),
                         .future = visible_future(c),
                         .u = c->workers[0].u};
    p.copy = mem_alloc(p.header + 8 * DEPTH_MAX + p.record);
    p.nheads = rt_variables_of(c->rt, "runtime.stkbucket", p.heads, ARRAY_LEN(p.heads));
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        read_kind(&p, &lists[i]);
    read_rates(c);
    free(p.copy);
}

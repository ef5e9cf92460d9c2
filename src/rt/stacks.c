/* stacks.c - stacks of goroutines that do not run: what they saved when they stopped.
 *
 * Go: runtime/traceback.go (unwinder.initAt: syscallpc and syscallsp when in a system call, else
 * sched), 1.18-1.27.
 *
 * Nothing stands still but the copy we read (process consistency), or nothing at all (goroutine
 * consistency).  In the first case stacks are sorted by address and neighbours read together.  In
 * the second a small batch is read as: structures, stacks, structures again; a goroutine whose
 * structure changed in between is read again, because its stack may be of two moments.  What a
 * parked goroutine saved does not change until it runs. */
#include <stdlib.h>

#include "base/pool.h"
#include "base/sort.h"
#include "rt/capture_int.h"

enum {
    CHUNK_BYTES = 1 << 20, /* of stacks read at once */
    CHUNK_MAX = 256,       /* goroutines in it */
    GAP_MAX = 4096,
    STACK_MAX = 1 << 30,   /* bytes of one; runtime/debug.SetMaxStack's default */
    WINDOW_MAX = 32 << 10, /* of a stack; the rest of a deeper one is read on demand */
    SUDOGS_CHUNK = 32 << 10,
    LIVE_CHUNK = 32,
    LIVE_TRIES = 16,
    CHUNK_BUF = CHUNK_BYTES + WINDOW_MAX + GAP_MAX,
};

/* Whether the stack of a goroutine is that of what it saved.  What one that runs saved is of
 * another time, or nothing. */
static bool is_saved(const struct capture *c, const struct goroutine *g)
{
    enum snap_gstatus st = rt_gstatus(&c->rt->layout, g->g.status);
    return st != SNAP_G_DEAD && st != SNAP_G_UNKNOWN && st != SNAP_G_IDLE && g->source == G_NONE &&
           st != SNAP_G_RUNNING && !(c->live && g->g.more->m && capture_may_run(st));
}

static size_t window_of(const struct rt_g *g)
{
    taddr sp = saved_context(g).sp;
    return sp >= g->stack_lo && sp < g->stack_hi ? min_u64(g->stack_hi - sp, WINDOW_MAX) : 0;
}

/* While a stack is being replaced (copystack: grown by the goroutine, shrunk by the GC) its bounds
 * are the new ones a few instructions before the stack pointer is, which leads into the old one. */
void capture_bounds(const struct rt_g *g, struct walk *w)
{
    bool within = w->sp >= g->stack_lo && w->sp < g->stack_hi;
    w->lo = within ? g->stack_lo : w->sp;
    w->hi = within ? g->stack_hi : w->sp + STACK_MAX;
}

static void keep_stack(struct worker *w, struct goroutine *g, enum walk_end end)
{
    g->node = unwinder_commit(w->u);
    g->depth = (uint32_t)unwinder_depth(w->u);
    g->ran = NULL;
    g->source = G_SAVED;
    g->flags &= (uint16_t) ~(SNAP_GF_STACK_PARTIAL | SNAP_GF_CGO);
    if (end != WALK_TOP)
        g->flags |= SNAP_GF_STACK_PARTIAL;
    if (unwinder_has(w->u, SNAP_FN_CGOCALLBACK))
        g->flags |= SNAP_GF_CGO;
}

enum walk_end unwinder_saved(struct unwinder *u, const struct rt_g *g, const uint8_t *p, size_t n)
{
    struct saved_context ctx = saved_context(g);
    struct walk walk = {
        .pc = ctx.pc, .sp = ctx.sp, .spwrite_ok = true, .p = p, .at = ctx.sp, .n = n};
    capture_bounds(g, &walk);
    unwinder_begin(u);
    unwinder_walk(u, &walk);
    return walk.end;
}

struct stacks_job {
    struct capture *c;
    uint32_t *order; /* indexes into gs; by stack address, or as they come */
    size_t n;
    VEC(size_t) ends; /* of each chunk, in order */
};

/* ---- a target that stands still ---- */

/* One read for stacks that lie close together. */
struct run {
    size_t to; /* in order */
    taddr lo;
};

static size_t add_runs(struct stacks_job *j, size_t first, size_t limit, struct rt_batch *b,
                       struct run *runs, uint8_t *buf)
{
    size_t n = 0, used = 0;
    for (size_t i = first; i < limit; n++) {
        const struct rt_g *g = &j->c->gs[j->order[i]].g;
        taddr lo = saved_context(g).sp, hi = lo + window_of(g);
        for (i++; i < limit; i++) {
            g = &j->c->gs[j->order[i]].g;
            taddr sp = saved_context(g).sp, end = sp + window_of(g);
            if (sp - hi > GAP_MAX || used + (end - lo) > CHUNK_BUF)
                break;
            hi = max_u64(hi, end);
        }
        hi = min_u64(hi, lo + (CHUNK_BUF - used));
        rt_batch_add(b, lo, buf + used, hi - lo);
        runs[n] = (struct run){i, lo};
        used += hi - lo;
    }
    return n;
}

static struct err *still_chunk(void *arg, size_t chunk, unsigned worker)
{
    struct stacks_job *j = arg;
    struct worker *w = &j->c->workers[worker];
    size_t first = chunk ? j->ends.v[chunk - 1] : 0, limit = j->ends.v[chunk];
    struct run runs[CHUNK_MAX];
    struct rt_batch b = {0};
    if (!w->buf)
        w->buf = mem_alloc(CHUNK_BUF);
    size_t n = add_runs(j, first, limit, &b, runs, w->buf);
    struct err *e = rt_batch_read(&b, j->c->t);
    for (size_t r = 0, i = first; !e && r < n; r++) {
        const struct target_iov *iov = &b.iov.v[r];
        for (; i < runs[r].to; i++) {
            struct goroutine *g = &j->c->gs[j->order[i]];
            taddr sp = saved_context(&g->g).sp;
            size_t have = iov->ok && sp - iov->addr < iov->n ? iov->n - (sp - iov->addr) : 0;
            g->worker = (uint16_t)worker;
            keep_stack(w, g,
                       unwinder_saved(w->u, &g->g, (uint8_t *)iov->dst + (sp - iov->addr), have));
        }
    }
    rt_batch_free(&b);
    if (!e && worker == 0)
        e = progress_step(j->c->o->progress, "goroutines", limit, j->n);
    return e;
}

static uint64_t saved_sp(const void *gs, uint32_t i)
{
    return saved_context(&((const struct goroutine *)gs)[i].g).sp;
}

static void cut_chunks(struct stacks_job *j)
{
    size_t bytes = 0, count = 0;
    for (size_t i = 0; i < j->n; i++) {
        bytes += window_of(&j->c->gs[j->order[i]].g);
        if (++count == CHUNK_MAX || bytes >= CHUNK_BYTES || i + 1 == j->n) {
            vec_push(&j->ends, i + 1);
            bytes = count = 0;
        }
    }
}

/* ---- a target that runs ---- */

/* Did it hold still between two readings?  A server's goroutine wakes up, works, and parks at the
 * very same place again: only the counter of casgstatus (g.trackingSeq) tells that from holding
 * still. */
static bool same_g(const struct rt_g *a, const struct rt_g *b)
{
    struct rt_g x = *a, y = *b;
    struct rt_g_more x_more = *a->more, y_more = *b->more;
    x.more = y.more = NULL;
    x.scan = y.scan = false;                 /* set and cleared by the GC alone */
    x.wait_since = y.wait_since = 0;         /* the same */
    x_more.schedlink = y_more.schedlink = 0; /* of a queue it is in */
    x.parking = y.parking = false;
    return memcmp(&x, &y, sizeof(x)) == 0 && memcmp(&x_more, &y_more, sizeof(x_more)) == 0;
}

struct live_batch {
    struct capture *c;
    struct worker *w;
    uint32_t *gi;
    size_t n, size;
    uint8_t *gbuf, *again, *stacks;
};

static struct err *read_gs(struct live_batch *b, uint8_t *dst)
{
    struct rt_batch reads = {0};
    for (size_t i = 0; i < b->n; i++)
        rt_batch_add(&reads, b->c->gs[b->gi[i]].g.addr, dst + i * b->size, b->size);
    struct err *e = rt_batch_read(&reads, b->c->t);
    for (size_t i = 0; !e && i < b->n; i++)
        if (!reads.iov.v[i].ok)
            memset(dst + i * b->size, 0xff, b->size);
    rt_batch_free(&reads);
    return e;
}

static struct err *read_stacks(struct live_batch *b, size_t *have)
{
    struct rt_batch reads = {0};
    VEC(size_t) who = {0};
    for (size_t i = 0; i < b->n; i++) {
        const struct goroutine *g = &b->c->gs[b->gi[i]];
        have[i] = is_saved(b->c, g) ? window_of(&g->g) : 0;
        if (have[i]) {
            rt_batch_add(&reads, saved_context(&g->g).sp, b->stacks + i * WINDOW_MAX, have[i]);
            vec_push(&who, i);
        }
    }
    struct err *e = rt_batch_read(&reads, b->c->t);
    for (size_t k = 0; !e && k < who.n; k++)
        if (!reads.iov.v[k].ok)
            have[who.v[k]] = 0;
    rt_batch_free(&reads);
    vec_free(&who);
    return e;
}

static bool is_deep(const struct rt_g *g)
{
    taddr sp = saved_context(g).sp;
    return sp >= g->stack_lo && sp < g->stack_hi && g->stack_hi - sp > WINDOW_MAX;
}

/* Keeps the waits read from `first` on of those goroutines that are not among `left`. */
static void keep_waits(struct worker *w, size_t first, const uint32_t *left, size_t nleft)
{
    size_t kept = first;
    for (size_t k = first; k < w->waits.n; k++) {
        bool moved = false;
        for (size_t i = 0; i < nleft; i++)
            moved |= left[i] == w->waits.v[k].gi;
        if (!moved)
            w->waits.v[kept++] = w->waits.v[k];
    }
    w->waits.n = kept;
}

/* Reads the batch once.  Those that held still are done; the others stay in gi. */
static struct err *live_round(struct live_batch *b)
{
    size_t have[LIVE_CHUNK], left = 0, waits = b->w->waits.n;
    TRY(read_gs(b, b->gbuf));
    for (size_t i = 0; i < b->n; i++) {
        struct goroutine *g = &b->c->gs[b->gi[i]];
        rt_parse_g_into(&b->c->rt->layout, g->g.addr, b->gbuf + i * b->size, &g->g, &b->w->more);
    }
    TRY(read_stacks(b, have));
    capture_sudogs(b->c, b->w, b->gi, b->n);
    TRY(read_gs(b, b->again));
    for (size_t i = 0; i < b->n; i++) {
        struct goroutine *g = &b->c->gs[b->gi[i]];
        struct rt_g now;
        struct rt_g_more more;
        rt_parse_g(&b->c->rt->layout, g->g.addr, b->again + i * b->size, &now, &more);
        if (!same_g(&g->g, &now) || is_deep(&g->g))
            b->gi[left++] = b->gi[i];
        else if (is_saved(b->c, g))
            keep_stack(b->w, g,
                       unwinder_saved(b->w->u, &g->g, b->stacks + i * WINDOW_MAX, have[i]));
    }
    keep_waits(b->w, waits, b->gi, left);
    b->n = left;
    return NULL;
}

/* One goroutine that moved, or whose stack is deep: the walk itself reads its stack. */
static struct err *live_one(struct live_batch *b, uint32_t gi)
{
    struct goroutine *g = &b->c->gs[gi];
    const struct rt_layout *l = &b->c->rt->layout;
    size_t waits = b->w->waits.n;
    for (int i = 0; i < LIVE_TRIES; i++) {
        struct rt_g now;
        struct rt_g_more more;
        enum walk_end end = WALK_TOP;
        TRY(target_read(b->c->t, g->g.addr, b->gbuf, b->size));
        rt_parse_g_into(l, g->g.addr, b->gbuf, &g->g, &b->w->more);
        b->w->waits.n = waits;
        bool saved = is_saved(b->c, g);
        if (saved)
            end = unwinder_saved(b->w->u, &g->g, b->stacks, 0);
        capture_sudogs(b->c, b->w, &gi, 1);
        TRY(target_read(b->c->t, g->g.addr, b->again, b->size));
        rt_parse_g(l, g->g.addr, b->again, &now, &more);
        if (!same_g(&g->g, &now))
            continue;
        if (saved)
            keep_stack(b->w, g, end);
        g->flags &= (uint16_t)~SNAP_GF_NOT_VALIDATED;
        return NULL;
    }
    b->w->waits.n = waits;
    g->flags |= SNAP_GF_NOT_VALIDATED;
    return NULL;
}

static struct err *live_chunk(void *arg, size_t chunk, unsigned worker)
{
    struct stacks_job *j = arg;
    struct worker *w = &j->c->workers[worker];
    size_t first = chunk * LIVE_CHUNK, size = (size_t)j->c->rt->layout.size[RT_STRUCT_g];
    uint32_t gi[LIVE_CHUNK];
    struct live_batch b = {.c = j->c, .w = w, .gi = gi, .size = size};
    b.n = min_u64(LIVE_CHUNK, j->n - first);
    if (!w->buf)
        w->buf = mem_alloc(CHUNK_BUF);
    b.gbuf = mem_alloc(2 * LIVE_CHUNK * size);
    b.again = b.gbuf + LIVE_CHUNK * size;
    b.stacks = w->buf;
    for (size_t i = 0; i < b.n; i++) {
        gi[i] = j->order[first + i];
        j->c->gs[gi[i]].worker = (uint16_t)worker;
    }
    struct err *e = live_round(&b);
    for (size_t i = 0; !e && i < b.n; i++)
        e = live_one(&b, gi[i]);
    free(b.gbuf);
    if (!e && worker == 0)
        e = progress_step(j->c->o->progress, "goroutines", first + LIVE_CHUNK, j->n);
    return e;
}

struct err *capture_one_live(struct capture *c, uint32_t gi)
{
    size_t size = (size_t)c->rt->layout.size[RT_STRUCT_g];
    struct live_batch b = {.c = c, .w = &c->workers[0], .size = size};
    b.gbuf = mem_alloc(2 * size);
    b.again = b.gbuf + size;
    c->gs[gi].worker = 0;
    struct err *e = live_one(&b, gi);
    free(b.gbuf);
    return e;
}

void capture_walk_again(struct capture *c, uint32_t gi)
{
    unwinder_saved(c->workers[0].u, &c->gs[gi].g, NULL, 0);
}

bool capture_held_still(struct capture *c, uint32_t gi)
{
    size_t size = (size_t)c->rt->layout.size[RT_STRUCT_g];
    struct rt_g now;
    struct rt_g_more more;
    if (!c->live)
        return true;
    uint8_t *p = mem_alloc(size);
    struct err *e = target_read(c->t, c->gs[gi].g.addr, p, size);
    if (!e)
        rt_parse_g(&c->rt->layout, c->gs[gi].g.addr, p, &now, &more);
    bool still = !e && same_g(&c->gs[gi].g, &now);
    err_free(e);
    free(p);
    return still;
}

void capture_forget(struct capture *c, uint32_t gi)
{
    keep_waits(&c->workers[c->gs[gi].worker], 0, &gi, 1);
    c->gs[gi].source = G_NONE;
}

static struct err *still_stacks(struct stacks_job *j)
{
    for (size_t i = 0; i < j->n; i += SUDOGS_CHUNK) /* in the order of allgs, as they were made */
        capture_sudogs(j->c, &j->c->workers[0], j->order + i, min_u64(SUDOGS_CHUNK, j->n - i));
    TRY(sort_indexes(j->order, j->n, saved_sp, j->c->gs)); /* neighbours are read together */
    cut_chunks(j);
    return pool_run(j->ends.n, still_chunk, j);
}

struct err *capture_stacks(struct capture *c)
{
    struct stacks_job j = {.c = c};
    j.order = mem_try_alloc(c->ngs * sizeof(*j.order) + 1);
    if (!j.order)
        return err_new(ERR_NOMEM, "no memory for %zu goroutines", c->ngs);
    for (size_t i = 0; i < c->ngs; i++)
        if (c->live || is_saved(c, &c->gs[i]))
            j.order[j.n++] = (uint32_t)i;
    struct err *e;
    if (c->live)
        e = pool_run((j.n + LIVE_CHUNK - 1) / LIVE_CHUNK, live_chunk, &j);
    else
        e = still_stacks(&j);
    vec_free(&j.ends);
    free(j.order);
    return e;
}

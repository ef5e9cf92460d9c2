/* heap_stacks.c - the pointers that goroutines' stacks hold: tables root (kinds STACK, REGISTER)
 * and stackvar.
 *
 * Go: runtime/mgcmark.go scanstack, scanframeworker, scanConservative; runtime/mgcstack.go;
 * runtime/stkframe.go argMapInternal (1.18-1.27 alike).
 *
 * As the garbage collector has it: a goroutine that has stopped is walked frame by frame with the
 * maps of its pcs (stackmap.c).  Variables whose address is taken ("stack objects") count only when
 * something that counts points to them, so pointers into the stack are collected and followed
 * afterwards, those from maps first.  Where the runtime knows no better, every word that looks like
 * a pointer counts (SNAP_RF_CONSERVATIVE): in a frame that a signal stopped, and what called it.
 *
 * A goroutine that runs is not where the runtime would scan it: it would be stopped at the next
 * safe point first.  Its innermost frame is therefore looked through like one that a signal
 * stopped, its registers, too, and callers of assembler and of write barriers, for whose calls the
 * compiler makes no maps.  What the runtime does on the thread's own stack (g0) for it is in
 * heap_threads.c.
 *
 * Vector registers: a signal that stops a goroutine puts them into the frame of the call it makes
 * up, which is looked through, or off the stack (runtime/preempt_xreg.go, 1.26), where the runtime
 * does not look at first (1.26), and then does (xRegScan, 1.27).  Those of a goroutine that runs
 * count where they would count then; in every release while it is in assembler: memmove may have
 * loaded words that it has already overwritten.
 *
 * Invariants: a word is a root once; roots come in the order of goroutines; the first frame is 0.
 *
 * Speed: stacks are sorted by address and neighbours read together; workers share nothing but the
 * heap's tables. */
#include <stdlib.h>

#include "base/pool.h"
#include "base/sort.h"
#include "rt/heap_roots_int.h"

enum {
    CHUNK_BYTES = 1 << 20, /* of stacks read at once; a deeper one is alone */
    CHUNK_MAX = 256,       /* goroutines in it */
    GAP_MAX = 4096,
    DEFERS_MAX = 1 << 20,
};
#define STACK_MAX (UINT64_C(16) << 30)

struct stack_root {
    taddr addr;
    uint32_t slot;
    uint32_t place; /* number at the worker's stackmaps; SNAP_NONE: none */
    uint16_t frame;
    uint8_t flags;
};

struct stack_object { /* in a frame that is being scanned */
    taddr addr, end;  /* end: of the frame */
    struct stackmap_object copy;
    uint32_t map;
    uint16_t frame;
    bool done;
};

struct stack_worker {
    struct heap *h;
    struct stackmaps *maps;
    VEC(struct stack_root) roots, registers;
    VEC(struct stack_object) objects;
    VEC(taddr) todo[2]; /* pointers into the stack: told by maps, others */
    VEC(taddr) sps;     /* of the frames */
    VEC(uint32_t) vars; /* of each place: row of stackvar; SNAP_NONE: not asked for yet */
    uint64_t *seen;     /* a bit for each word of the stack: it is a root already */
    size_t seen_cap;
    uint8_t *buf;
    size_t cap;
    uint64_t frames, free_targets, no_map, lost, shallow, no_vectors;
    bool vectors; /* pointers in vector registers count */

    const struct goroutine *g; /* the goroutine of the moment, and bytes [lo, hi) of its stack */
    const uint8_t *p;
    taddr lo, hi;
    bool injected, in_asm; /* a signal made up one of its calls; its innermost frame is assembler */
};

/* ---- words ---- */

static bool load(const struct stack_worker *w, taddr at, uint64_t *ret)
{
    if (at < w->lo || at > w->hi - 8)
        return false;
    memcpy(ret, w->p + (at - w->lo), 8);
    return true;
}

struct where {
    uint32_t map;
    uint16_t frame;
    bool conservative;
};

/* A word that may point to an object, or into the stack.  place SNAP_NONE and off: found when it is
 * needed. */
static void take_value(struct stack_worker *w, taddr at, uint64_t v, const struct where *in,
                       uint32_t place, int32_t off)
{
    if (v - w->g->g.stack_lo < w->g->g.stack_hi - w->g->g.stack_lo) {
        vec_push(&w->todo[in->conservative], v);
        return;
    }
    uint64_t offset;
    uint32_t slot = heap_slot_at(w->h, v, &offset);
    if (slot == SNAP_NONE) {
        w->free_targets += !in->conservative && heap_any_slot_at(w->h, v, &offset) != SNAP_NONE;
        return;
    }
    uint64_t bit = (at - w->lo) / 8;
    if (at >= w->lo && at < w->hi) {
        if (w->seen[bit / 64] >> bit % 64 & 1)
            return;
        w->seen[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    struct stack_root r = {.addr = at,
                           .slot = slot,
                           .place = place != SNAP_NONE ? place
                                                       : stackmaps_place_at(w->maps, in->map, off),
                           .frame = in->frame,
                           .flags = (uint8_t)((in->conservative ? SNAP_RF_CONSERVATIVE : 0) |
                                              (offset ? SNAP_RF_INTERIOR : 0))};
    vec_push(&w->roots, r);
}

static void take_word(struct stack_worker *w, taddr at, taddr end, const struct where *in)
{
    uint64_t v;
    if (load(w, at, &v) && v)
        take_value(w, at, v, in, SNAP_NONE, (int32_t)(at - end));
}

/* ---- frames ---- */

static void take_all(struct stack_worker *w, taddr from, taddr to, taddr end,
                     const struct where *in)
{
    for (taddr at = max_u64(from, w->lo); at < to && at < w->hi; at += 8)
        take_word(w, at, end, in);
}

static void add_object(struct stack_worker *w, taddr end, const struct stackmap_object *o,
                       const struct where *in)
{
    struct stack_object x = {.addr = end + (taddr)(int64_t)o->off,
                             .end = end,
                             .copy = *o,
                             .map = in->map,
                             .frame = in->frame};
    if (x.addr >= w->lo && x.addr < w->hi)
        vec_push(&w->objects, x);
}

/* Go: runtime/stkframe.go reflectMethodValue: fn, a bit vector of arguments and results, and how
 * many bytes are arguments.  The stub keeps it at its stack pointer, and 4 words above whether the
 * results are there. */
static void take_reflect(struct stack_worker *w, taddr sp, taddr end, const struct where *in)
{
    enum { BYTES_MAX = 1 << 16, RESULTS_AT = 32 };
    uint64_t impl, results;
    struct {
        uint64_t fn, stack, arg_len;
    } mv;
    struct {
        int32_t n, pad;
        uint64_t bytes;
    } bv;
    uint8_t mask[BYTES_MAX];
    if (!load(w, sp, &impl) || !load(w, sp + RESULTS_AT, &results))
        return;
    struct err *e = target_read(w->h->c->t, impl, &mv, sizeof(mv));
    if (!e)
        e = target_read(w->h->c->t, mv.stack, &bv, sizeof(bv));
    uint64_t words = e || bv.n < 0 ? 0 : min_u64((uint64_t)bv.n, 8 * BYTES_MAX);
    if (!(results & 0xff))
        words = min_u64(words, mv.arg_len / 8);
    if (!e && words)
        e = target_read(w->h->c->t, bv.bytes, mask, (words + 7) / 8);
    for (uint64_t i = 0; !e && i < words; i++)
        if (mask[i / 8] >> i % 8 & 1 || in->conservative)
            take_word(w, end + 8 * i, end, in);
    w->no_map += e != NULL;
    err_free(e);
    if (!in->conservative)
        add_object(w, end, stackmap_regargs(), in);
}

static void take_by_map(struct stack_worker *w, const struct stackmap *m, taddr sp, taddr end,
                        const struct where *in)
{
    for (uint32_t i = 0; i < m->nplaces; i++) {
        uint32_t place = m->place + i;
        taddr at = end + (taddr)(int64_t)stackmaps_place(w->maps, place)->off;
        uint64_t v;
        if (load(w, at, &v) && v)
            take_value(w, at, v, in, place, 0);
    }
    for (uint32_t i = 0; i < m->nobjects; i++)
        add_object(w, end, stackmaps_object(w->maps, m->object + i), in);
    if (m->flags & STACKMAP_REFLECT && m->frame > 0)
        take_reflect(w, sp, end, in);
}

static void take_frame(struct stack_worker *w, const struct stackmap *m, taddr sp,
                       const struct where *in)
{
    taddr end = sp + (taddr)m->frame + 8, varp = m->frame > 0 ? end - 16 : end - 8;
    if (!in->conservative) {
        take_by_map(w, m, sp, end, in);
        return;
    }
    take_all(w, sp, varp, end, in);
    take_all(w, end, end + m->args, end, in);
    if (m->flags & STACKMAP_REFLECT && m->frame > 0)
        take_reflect(w, sp, end, in);
}

/* ---- a stack ---- */

/* Whether the caller of this frame has to do without a map, too. */
static bool passes_on(const struct stackmap *m, bool runs, bool all_asm)
{
    return m->flags & STACKMAP_INJECTED || (runs && m->flags & STACKMAP_BARRIER) ||
           (runs && all_asm);
}

static void walk(struct stack_worker *w)
{
    const struct goroutine *g = w->g;
    taddr pc = captured_context(g).pc, sp = captured_context(g).sp;
    bool runs = g->source == G_REGS, blind = runs && g->ran->exact, fault = false, all_asm = true;
    if (!pc && load(w, sp, &pc)) /* a call of nil: its caller */
        sp += 8;
    for (uint32_t n = 0; sp < w->hi; n++) {
        struct where in = {stackmaps_at(w->maps, pc, fault), (uint16_t)min_u64(n, UINT16_MAX), 0};
        struct stackmap m = *stackmaps_get(w->maps, in.map);
        if (m.flags & STACKMAP_UNKNOWN || (n && m.flags & STACKMAP_SWITCH)) {
            w->lost += !(m.flags & STACKMAP_SWITCH);
            return;
        }
        all_asm = all_asm && m.flags & STACKMAP_ASM;
        w->injected |= (m.flags & STACKMAP_INJECTED) != 0;
        w->in_asm |= !n && m.flags & STACKMAP_ASM;
        in.conservative = blind || m.flags & (STACKMAP_INJECTED | STACKMAP_NO_MAP) ||
                          (runs && (all_asm || m.flags & STACKMAP_BARRIER));
        w->no_map += (m.flags & STACKMAP_NO_MAP) && !runs;
        w->frames++;
        vec_push(&w->sps, sp);
        take_frame(w, &m, sp, &in);
        blind = passes_on(&m, runs, all_asm);
        fault = (m.flags & STACKMAP_SIGPANIC) != 0;
        taddr end = sp + (taddr)m.frame + 8;
        if (m.flags & STACKMAP_END || !load(w, end - 8, &pc) || !pc)
            return;
        sp = end;
    }
}

static int by_addr(const void *a, const void *b)
{
    const struct stack_object *x = a, *y = b;
    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static struct stack_object *object_at(struct stack_worker *w, taddr addr)
{
    size_t lo = 0, hi = w->objects.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (w->objects.v[mid].addr <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    struct stack_object *x = lo ? &w->objects.v[lo - 1] : NULL;
    return x && addr - x->addr < x->copy.size ? x : NULL;
}

/* Follows pointers into the stack; what a map told comes first, so that an object that both kinds
 * lead to is scanned by its mask for sure. */
static void follow(struct stack_worker *w)
{
    if (w->objects.n)
        qsort(w->objects.v, w->objects.n, sizeof(*w->objects.v), by_addr);
    while (w->todo[0].n || w->todo[1].n) {
        bool conservative = !w->todo[0].n;
        taddr addr = w->todo[conservative].v[--w->todo[conservative].n];
        struct stack_object *x = object_at(w, addr);
        if (!x || x->done)
            continue;
        x->done = true;
        struct where in = {x->map, x->frame, conservative};
        for (uint32_t i = 0; i < x->copy.words; i++)
            if (x->copy.mask[i / 8] >> i % 8 & 1)
                take_word(w, x->addr + 8 * (taddr)i, x->end, &in);
    }
}

/* ---- what a goroutine refers to besides ---- */

static bool word_of(struct stack_worker *w, taddr at, uint64_t *ret)
{
    if (load(w, at, ret))
        return true;
    struct err *e = target_read_u64(w->h->c->t, at, ret);
    err_free(e);
    return !e;
}

/* The frame whose stack pointer this is, or the one it lies in. */
static struct where frame_at(const struct stack_worker *w, taddr sp, uint32_t map)
{
    struct where in = {map, 0, false};
    for (size_t i = 0; i < w->sps.n && w->sps.v[i] <= sp; i++)
        in.frame = (uint16_t)min_u64(i, UINT16_MAX);
    return in;
}

/* Go: runtime/runtime2.go _defer.  A record on the heap is kept by who refers to it: the goroutine,
 * or another record that may lie on the stack. */
static void take_defers(struct stack_worker *w, uint32_t map)
{
    const struct rt_layout *l = &w->h->c->rt->layout;
    taddr at = w->g->g.addr + (taddr)l->off[RT_g_defer], d = w->g->g.more->defer;
    if (!rt_has(l, RT_defer_link) || !rt_has(l, RT_defer_fn) || !rt_has(l, RT_g_defer))
        return;
    for (int i = 0; d && i < DEFERS_MAX; i++) {
        uint64_t fn = 0, sp = 0, link = 0;
        if (!word_of(w, d + (taddr)l->off[RT_defer_fn], &fn) ||
            !word_of(w, d + (taddr)l->off[RT_defer_sp], &sp) ||
            !word_of(w, d + (taddr)l->off[RT_defer_link], &link))
            return;
        struct where in = frame_at(w, sp, map);
        if (d - w->g->g.stack_lo >= w->g->g.stack_hi - w->g->g.stack_lo)
            take_value(w, at, d, &in, SNAP_NONE, STACKMAP_OFF_DEFER);
        if (fn)
            take_value(w, d + (taddr)l->off[RT_defer_fn], fn, &in, SNAP_NONE, STACKMAP_OFF_DEFER);
        at = d + (taddr)l->off[RT_defer_link];
        d = link;
    }
}

/* no address: they lie in no memory of the goroutine */
static void take_loose(struct stack_worker *w, const uint64_t *v, size_t n, const struct where *in)
{
    for (size_t i = 0; i < n; i++)
        if (v[i])
            take_value(w, 0, v[i], in, SNAP_NONE, STACKMAP_OFF_CONTEXT);
}

/* Vector registers that the runtime saved somewhere off the heap. */
static void take_saved_vectors(struct stack_worker *w, taddr at, const struct where *in)
{
    enum { WORDS_MAX = 1024 };
    uint64_t v[WORDS_MAX];
    size_t n = min_u64(w->h->c->rt->layout.width[RT_p_xregs_scratch] / 8, WORDS_MAX);
    struct err *e = at ? target_read(w->h->c->t, at, v, n * 8) : NULL;
    w->no_vectors += e != NULL;
    if (at && !e)
        take_loose(w, v, n, in);
    err_free(e);
}

/* While a signal has the goroutine stopped they are its own, shortly before and after its P's. */
static void take_vectors(struct stack_worker *w, const struct where *in)
{
    const struct rt_layout *l = &w->h->c->rt->layout;
    const struct goroutine *g = w->g;
    if (g->ran && (w->vectors || w->in_asm))
        take_loose(w, g->ran->vectors, g->ran->nvectors, in);
    if (!w->vectors || !rt_has(l, RT_g_xregs) || !rt_has(l, RT_p_xregs_scratch))
        return;
    take_saved_vectors(w, g->g.more->xregs, in);
    for (size_t i = 0; w->injected && g->source == G_REGS && i < w->h->c->nps; i++) {
        const struct prec *p = &w->h->c->ps[i];
        uint64_t cache = 0;
        if (p->m != g->g.more->m)
            continue;
        take_saved_vectors(w, p->addr + (taddr)l->off[RT_p_xregs_scratch], in);
        if (rt_has(l, RT_p_xregs_cache) &&
            word_of(w, p->addr + (taddr)l->off[RT_p_xregs_cache], &cache))
            take_saved_vectors(w, cache, in);
    }
}

static void take_registers(struct stack_worker *w, uint32_t map)
{
    struct where in = {map, 0, true};
    size_t first = w->roots.n;
    if (w->g->ran)
        take_loose(w, w->g->ran->regs, w->g->ran->nregs, &in);
    take_vectors(w, &in);
    for (size_t i = first; i < w->roots.n; i++) {
        bool twice = false;
        for (size_t k = first; k < i; k++)
            twice |= w->roots.v[k].slot == w->roots.v[i].slot;
        w->roots.v[i].place = SNAP_NONE;
        if (!twice)
            vec_push(&w->registers, w->roots.v[i]);
    }
    w->roots.n = first;
}

static bool make_room(struct stack_worker *w)
{
    size_t words = ((w->hi - w->lo) / 8 + 63) / 64;
    if (words > w->seen_cap) {
        uint64_t *more = mem_try_alloc(words * sizeof(*more));
        if (!more)
            return false;
        free(w->seen);
        w->seen = more;
        w->seen_cap = words;
    }
    memset(w->seen, 0, words * sizeof(*w->seen));
    return true;
}

/* Scans a goroutine; bytes [lo, hi) of its stack lie at p. */
static struct err *scan(struct stack_worker *w, const struct goroutine *g, const uint8_t *p,
                        taddr lo, taddr hi)
{
    w->g = g;
    w->p = p;
    w->lo = lo;
    w->hi = hi;
    w->objects.n = w->sps.n = 0;
    w->injected = w->in_asm = false;
    if (!make_room(w))
        return err_new(ERR_NOMEM, "no memory for a stack of %llu bytes",
                       (unsigned long long)(hi - lo));
    uint32_t map = stackmaps_at(w->maps, captured_context(g).pc, false);
    struct where in = {map, 0, false};
    if (g->g.more->sched_ctxt && g->source == G_SAVED && !g->g.more->syscallsp)
        take_value(w, g->g.addr, g->g.more->sched_ctxt, &in, SNAP_NONE, STACKMAP_OFF_CONTEXT);
    walk(w);
    take_registers(w, map);
    take_defers(w, map);
    if (g->g.more->panic - g->g.stack_lo < g->g.stack_hi - g->g.stack_lo)
        vec_push(&w->todo[0], g->g.more->panic);
    follow(w);
    return NULL;
}

/* ---- all of them ---- */

struct span_of_roots {
    size_t root, roots, reg, regs;
    uint32_t worker;
};

struct stacks_job {
    struct heap *h;
    struct stack_worker *workers;
    uint32_t *order; /* goroutines, by stack pointer */
    size_t n;
    struct span_of_roots *found; /* of each goroutine */
    VEC(size_t) ends;            /* of each chunk, in order */
};

static uint64_t depth_of(const struct goroutine *g)
{
    taddr sp = captured_context(g).sp;
    return sp >= g->g.stack_lo && sp < g->g.stack_hi ? g->g.stack_hi - sp : 0;
}

static uint64_t captured_sp(const void *gs, uint32_t i)
{
    return captured_context(&((const struct goroutine *)gs)[i]).sp;
}

struct run { /* stacks that one read brings */
    size_t to;
    taddr lo, hi;
};

static size_t find_runs(const struct stacks_job *j, size_t first, size_t limit, struct run *runs)
{
    const struct goroutine *gs = j->h->c->gs;
    size_t n = 0;
    for (size_t i = first; i < limit; i++) {
        const struct goroutine *g = &gs[j->order[i]];
        taddr sp = captured_context(g).sp;
        if (!n || sp < runs[n - 1].hi || sp - runs[n - 1].hi > GAP_MAX)
            runs[n++] = (struct run){.lo = sp};
        runs[n - 1].to = i + 1;
        runs[n - 1].hi = sp + depth_of(g);
    }
    return n;
}

static struct err *make_buffer(struct stack_worker *w, size_t n)
{
    if (n <= w->cap)
        return NULL;
    free(w->buf);
    w->cap = 0;
    w->buf = mem_try_alloc(n);
    if (!w->buf)
        return err_new(ERR_NOMEM, "no memory for %zu bytes of stacks", n);
    w->cap = n;
    return NULL;
}

static struct err *scan_run(struct stacks_job *j, unsigned worker, size_t first,
                            const struct run *run, const struct target_iov *iov)
{
    struct stack_worker *w = &j->workers[worker];
    for (size_t i = first; i < run->to; i++) {
        const struct goroutine *g = &j->h->c->gs[j->order[i]];
        struct span_of_roots *f = &j->found[j->order[i]];
        taddr sp = captured_context(g).sp;
        uint8_t *p = (uint8_t *)iov->dst + (sp - run->lo);
        struct err *e = iov->ok ? NULL : target_read(j->h->c->t, sp, p, depth_of(g));
        *f = (struct span_of_roots){w->roots.n, 0, w->registers.n, 0, worker};
        if (e) {
            w->shallow++;
            err_free(e);
            continue;
        }
        TRY(scan(w, g, p, sp, g->g.stack_hi));
        f->roots = w->roots.n - f->root;
        f->regs = w->registers.n - f->reg;
    }
    return NULL;
}

static struct err *stacks_chunk(void *arg, size_t chunk, unsigned worker)
{
    struct stacks_job *j = arg;
    struct stack_worker *w = &j->workers[worker];
    size_t first = chunk ? j->ends.v[chunk - 1] : 0, limit = j->ends.v[chunk], used = 0;
    struct run runs[CHUNK_MAX];
    struct rt_batch b = {0};
    size_t n = find_runs(j, first, limit, runs);
    for (size_t i = 0; i < n; i++)
        used += runs[i].hi - runs[i].lo;
    TRY(make_buffer(w, used));
    used = 0;
    for (size_t i = 0; i < n; i++) {
        rt_batch_add(&b, runs[i].lo, w->buf + used, runs[i].hi - runs[i].lo);
        used += runs[i].hi - runs[i].lo;
    }
    struct err *e = rt_batch_read(&b, j->h->c->t);
    for (size_t i = 0; !e && i < n; i++)
        e = scan_run(j, worker, i ? runs[i - 1].to : first, &runs[i], &b.iov.v[i]);
    rt_batch_free(&b);
    if (!e && worker == 0)
        e = progress_step(j->h->c->o->progress, "stacks", limit, j->n);
    return e;
}

static void cut_chunks(struct stacks_job *j)
{
    uint64_t bytes = 0;
    size_t count = 0;
    for (size_t i = 0; i < j->n; i++) {
        bytes += depth_of(&j->h->c->gs[j->order[i]]) + GAP_MAX;
        bool full = ++count == CHUNK_MAX || bytes >= CHUNK_BYTES;
        bool next_is_deep = i + 1 < j->n && depth_of(&j->h->c->gs[j->order[i + 1]]) >= CHUNK_BYTES;
        if (full || next_is_deep || i + 1 == j->n) {
            vec_push(&j->ends, i + 1);
            bytes = count = 0;
        }
    }
}

static struct err *choose(struct stacks_job *j)
{
    struct capture *c = j->h->c;
    uint64_t outside = 0;
    j->order = mem_try_alloc(c->ngs * sizeof(*j->order) + 1);
    j->found = mem_try_alloc(c->ngs * sizeof(*j->found) + 1);
    if (!j->order || !j->found)
        return err_new(ERR_NOMEM, "no memory for %zu goroutines", c->ngs);
    for (size_t i = 0; i < c->ngs; i++) {
        const struct goroutine *g = &c->gs[i];
        uint64_t depth = depth_of(g);
        if (g->row == SNAP_NONE)
            continue;
        if (depth && !(captured_context(g).sp & 7) && depth <= STACK_MAX)
            j->order[j->n++] = (uint32_t)i;
        else
            outside++;
    }
    heap_note_unread(j->h, outside, "roots of stacks", "where the stack is, is not known");
    TRY(sort_indexes(j->order, j->n, captured_sp, c->gs));
    cut_chunks(j);
    return NULL;
}

/* ---- rows ---- */

static void add_row(struct heap *h, enum snap_rootkind kind, const struct stack_root *r,
                    const struct goroutine *g, uint32_t var)
{
    struct snap *s = h->c->s;
    uint32_t row = snap_add_root(s);
    s->root.kind[row] = (uint8_t)kind;
    s->root.flags[row] = r->flags;
    s->root.slot[row] = r->slot;
    s->root.addr[row] = r->addr;
    s->root.goroutine[row] = g->row;
    s->root.var[row] = var;
    s->root.frame[row] = r->frame;
}

/* The row of stackvar of a worker's place, asked for once. */
static uint32_t var_of(struct heap_names *names, struct stack_worker *w, uint32_t place)
{
    if (place >= w->vars.n) {
        size_t n = w->vars.n;
        vec_reserve(&w->vars, place + 1);
        for (; n <= place; n++)
            w->vars.v[n] = SNAP_NONE;
        w->vars.n = n;
    }
    if (w->vars.v[place] == SNAP_NONE) {
        const struct stackmap_place *p = stackmaps_place(w->maps, place);
        taddr pc = stackmaps_get(w->maps, p->map)->pc;
        w->vars.v[place] = heap_name_place(names, pc, p->off);
    }
    return w->vars.v[place];
}

static void add_rows(struct stacks_job *j, struct heap_names *names)
{
    struct capture *c = j->h->c;
    struct dwarf *dw = heap_names_dwarf(names);
    for (size_t i = 0; i < c->ngs; i++) {
        const struct span_of_roots *f = &j->found[i];
        struct stack_worker *w = &j->workers[f->worker];
        for (size_t k = f->root; k < f->root + f->roots; k++) {
            const struct stack_root *r = &w->roots.v[k];
            uint32_t var = var_of(names, w, r->place);
            add_row(j->h, SNAP_ROOT_STACK, r, &c->gs[i], var);
            if (dw && !r->flags)
                heap_tell_type(j->h, dw, heap_name_word(names, var), r->addr, r->slot, 0);
        }
    }
    for (size_t i = 0; i < c->ngs; i++) {
        const struct span_of_roots *f = &j->found[i];
        for (size_t k = f->reg; k < f->reg + f->regs; k++)
            add_row(j->h, SNAP_ROOT_REGISTER, &j->workers[f->worker].registers.v[k], &c->gs[i],
                    SNAP_NONE);
    }
}

static void note_gaps(struct stacks_job *j, unsigned n)
{
    struct snap *s = j->h->c->s;
    uint64_t no_map = 0, lost = 0, shallow = 0, no_vectors = 0;
    for (unsigned i = 0; i < n; i++) {
        no_map += j->workers[i].no_map;
        lost += j->workers[i].lost;
        shallow += j->workers[i].shallow;
        no_vectors += j->workers[i].no_vectors;
        j->h->free_targets += j->workers[i].free_targets;
    }
    if (no_map)
        snap_note_missing(s, no_map, "pointer maps of frames",
                          "the function has none: every word was taken for a pointer");
    heap_note_unread(j->h, lost, "roots of outer frames", "the stack could not be followed");
    heap_note_unread(j->h, shallow, "roots of stacks", "the stack is not readable");
    heap_note_unread(j->h, no_vectors, "roots of saved registers", "the memory is not readable");
}

static void free_worker(struct stack_worker *w)
{
    stackmaps_free(w->maps);
    vec_free(&w->roots);
    vec_free(&w->registers);
    vec_free(&w->objects);
    vec_free(&w->todo[0]);
    vec_free(&w->todo[1]);
    vec_free(&w->sps);
    vec_free(&w->vars);
    free(w->seen);
    free(w->buf);
}

/* Whether the runtime finds pointers in the vector registers of whom it stops, where there are any.
 */
static bool sees_vectors(const struct rt *rt)
{
    struct pcln_func f;
    return !rt_has(&rt->layout, RT_g_xregs) ||
           pcln_find_name(&rt->modules[0].pcln, "runtime.xRegScan", &f);
}

struct err *heap_read_stacks(struct heap *h)
{
    unsigned n = pool_width();
    bool vectors = sees_vectors(h->c->rt);
    struct stacks_job j = {.h = h, .workers = mem_alloc(n * sizeof(*j.workers))};
    for (unsigned i = 0; i < n; i++) {
        j.workers[i].h = h;
        j.workers[i].vectors = vectors;
        j.workers[i].maps = stackmaps_new(h);
    }
    struct err *e = choose(&j);
    if (!e)
        e = pool_run(j.ends.n, stacks_chunk, &j);
    if (!e) {
        note_gaps(&j, n);
        struct heap_names *names = heap_names_new(h);
        add_rows(&j, names);
        heap_names_free(names);
    }
    for (unsigned i = 0; i < n; i++)
        free_worker(&j.workers[i]);
    free(j.workers);
    free(j.order);
    free(j.found);
    vec_free(&j.ends);
    return e;
}

/* timers.c - the heaps of timers.
 *
 * Go: runtime/time.go.  1.18-1.22: p.timers is a slice of *timer, t.status says whether one is
 * deleted or moved to t.nextwhen; 1.23-1.27: timers.heap is a slice of (timer, when) pairs, and
 * t.state has a bit for those about to be removed; channel timers stand in a heap only while
 * somebody waits for them.  A timer that was stopped but not taken out yet is left out.  A synctest
 * bubble (1.24-1.27) has a heap of its own, on a clock of its own. */
#include <stdlib.h>

#include "rt/capture_int.h"

enum { TIMERS_MAX = 1 << 26, BATCH = 4096 };

struct timers {
    struct capture *c;
    uint8_t *copies; /* BATCH timers */
    taddr *addrs, *funcs;
    bool *ok;
};

static bool is_stopped(const struct rt_layout *l, const uint8_t *t)
{
    int64_t status = (int64_t)rt_get(l, t, RT_timer_status);
    if (rt_has(l, RT_timer_status))
        return status == l->constant[RT_IS_timer_deleted] ||
               status == l->constant[RT_IS_timer_removing] ||
               status == l->constant[RT_IS_timer_removed];
    int64_t zombie = l->constant[RT_IS_timer_zombie];
    return zombie > 0 && (rt_get(l, t, RT_timer_state) & (uint64_t)zombie);
}

static int64_t when_of(const struct rt_layout *l, const uint8_t *t)
{
    int64_t status = (int64_t)rt_get(l, t, RT_timer_status);
    bool moved =
        rt_has(l, RT_timer_status) && (status == l->constant[RT_IS_timer_modified_earlier] ||
                                       status == l->constant[RT_IS_timer_modified_later]);
    return rt_get_i(l, t, moved ? RT_timer_nextwhen : RT_timer_when);
}

static uint64_t arg_of(const struct rt_layout *l, const uint8_t *t)
{
    return rt_get_word(l, t, RT_timer_arg, 1); /* an interface: type, data */
}

/* The code of n timers.  A func value points to its code pointer; most timers share a few. */
static struct err *read_funcs(struct timers *ts, size_t n)
{
    const struct rt_layout *l = &ts->c->rt->layout;
    size_t size = (size_t)l->size[RT_STRUCT_timer];
    struct map first = {0}; /* func value -> the first timer that has it */
    struct rt_batch reads = {0};
    bool added;
    for (size_t i = 0; i < n; i++) {
        taddr f = rt_get(l, ts->copies + i * size, RT_timer_f);
        ts->funcs[i] = 0;
        if (f && (map_get_or_put(&first, f, (uint32_t)i, &added), added))
            rt_batch_add(&reads, f, &ts->funcs[i], 8);
    }
    struct err *e = rt_batch_read(&reads, ts->c->t);
    for (size_t i = 0; !e && i < n; i++) {
        taddr f = rt_get(l, ts->copies + i * size, RT_timer_f);
        ts->funcs[i] = f ? ts->funcs[map_get(&first, f)] : 0;
    }
    rt_batch_free(&reads);
    map_free(&first);
    return e;
}

/* Rows for the n timers whose addresses stand in addrs. */
static struct err *add_timers(struct timers *ts, uint32_t proc, size_t n)
{
    const struct rt_layout *l = &ts->c->rt->layout;
    size_t size = (size_t)l->size[RT_STRUCT_timer];
    struct snap *s = ts->c->s;
    TRY(rt_read_pieces(ts->c->t, ts->addrs, n, size, ts->copies, ts->ok));
    for (size_t i = 0; i < n; i++)
        if (!ts->ok[i])
            memset(ts->copies + i * size, 0, size);
    TRY(read_funcs(ts, n));
    for (size_t i = 0; i < n; i++) {
        const uint8_t *t = ts->copies + i * size;
        if (is_stopped(l, t) || !ts->funcs[i])
            continue;
        uint32_t row = snap_add_timer(s);
        s->timer.proc[row] = proc;
        s->timer.addr[row] = ts->addrs[i];
        s->timer.when[row] = when_of(l, t);
        s->timer.period[row] = rt_get_i(l, t, RT_timer_period);
        s->timer.func[row] = symbols_pc(ts->c->symbols, ts->funcs[i], false);
        s->timer.arg[row] = arg_of(l, t);
    }
    return NULL;
}

static struct err *add_heap(struct timers *ts, uint32_t proc, taddr heap, uint64_t n)
{
    const struct rt_layout *l = &ts->c->rt->layout;
    bool pairs = l->size[RT_STRUCT_timerwhen] > 0;
    size_t step = pairs ? (size_t)l->size[RT_STRUCT_timerwhen] : 8;
    size_t at = pairs ? (size_t)l->off[RT_timerwhen_timer] : 0;
    uint8_t *elems;
    TRY(rt_read_array(ts->c->t, "a heap of timers", heap, n, step, TIMERS_MAX, (void **)&elems));
    struct err *e = NULL;
    for (uint64_t i = 0; !e && i < n; i += BATCH) {
        size_t k = min_u64(BATCH, n - i), have = 0;
        for (size_t j = 0; j < k; j++) {
            memcpy(&ts->addrs[have], elems + (i + j) * step + at, 8);
            have += ts->addrs[have] != 0;
        }
        e = add_timers(ts, proc, have);
    }
    free(elems);
    return e;
}

/* What cannot be read is noted. */
static struct err *add_whole(struct timers *ts, uint32_t proc, taddr heap, uint64_t n)
{
    struct capture *c = ts->c;
    struct err *e = n ? add_heap(ts, proc, heap, n) : NULL;
    if (!e || err_code(e) == ERR_GONE)
        return e;
    snap_note_missing(c->s, n, "timers", /* it grew while it was read, or is damaged */
                      c->live ? "they changed while being read" : "their list is not readable");
    err_free(e);
    return NULL;
}

static struct err *add_bubbles(struct timers *ts)
{
    struct capture *c = ts->c;
    struct err *e = NULL;
    struct map seen = {0};
    bool has = rt_has(&c->rt->layout, RT_bubble_timers_heap);
    for (size_t i = 0; has && !e && i < c->ngs; i++) {
        taddr bubble = c->gs[i].g.more->bubble;
        uint64_t slice[2]; /* pointer, length */
        bool added;
        if (!bubble || (map_get_or_put(&seen, bubble, 0, &added), !added))
            continue;
        e = target_read(c->t, bubble + (taddr)c->rt->layout.off[RT_bubble_timers_heap], slice,
                        sizeof(slice));
        if (e && err_code(e) != ERR_GONE) {
            err_free(e);
            e = NULL;
            snap_note_missing(c->s, 1, "timers of bubbles", "the bubble is not readable");
        } else if (!e) {
            e = add_whole(ts, SNAP_NONE, slice[0], slice[1]);
        }
    }
    map_free(&seen);
    return e;
}

struct err *capture_timers(struct capture *c)
{
    const struct rt_layout *l = &c->rt->layout;
    if (l->size[RT_STRUCT_timer] <= 0)
        return NULL;
    struct timers ts = {.c = c};
    ts.copies = mem_alloc(BATCH * (size_t)l->size[RT_STRUCT_timer]);
    ts.addrs = mem_alloc(BATCH * sizeof(taddr));
    ts.funcs = mem_alloc(BATCH * sizeof(taddr));
    ts.ok = mem_alloc(BATCH);
    struct err *e = NULL;
    for (uint32_t i = 0; !e && i < c->nps; i++)
        e = add_whole(&ts, i, c->ps[i].timers, c->ps[i].ntimers);
    if (!e)
        e = add_bubbles(&ts);
    free(ts.ok);
    free(ts.copies);
    free(ts.addrs);
    free(ts.funcs);
    return e;
}

/* capture.c - leads a capture: freeze, read, let go, make rows.
 *
 * Order: everything that needs the target is read first, then the target is let go, then names and
 * lines are looked up and the stacks of all workers merged.  Of the time the target is held, the
 * stacks take most; they are read and unwound on all cores. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/pool.h"
#include "rt/ahead_int.h"
#include "rt/counters_int.h"
#include "rt/heap_int.h"

#define KEEP_FOR_OWNERS (UINT64_C(256) << 20)
#define KEEP_FOR_HEAP (UINT64_C(1) << 30)

static uint32_t wait_reason(struct capture *c, uint8_t reason)
{
    if (c->reasons[reason])
        return c->reasons[reason] - 1;
    const char *text = "";
    if (G(c->rt, wait_reasons))
        text = rt_read_string(c->t, &c->arena, G(c->rt, wait_reasons) + 16u * reason, 64);
    uint32_t id = intern_add(&c->s->strings, text);
    c->reasons[reason] = id + 1;
    return id;
}

/* ---- rows of goroutines ---- */

/* Go: runtime/traceback.go isSystemGoroutine. */
bool rt_is_system_g(const struct rt *rt, const struct rt_g *g, bool finalizer_runs)
{
    struct pcln_func f;
    if (!rt_func_at(rt, g->startpc, &f, NULL))
        return false;
    switch (symbols_func_id(rt, f.name, f.func_id)) {
    case SNAP_FN_RUNTIME_MAIN:
    case SNAP_FN_COROSTART:
    case SNAP_FN_HANDLE_ASYNC_EVENT:
        return false;
    case SNAP_FN_RUN_FINALIZERS:
        return !finalizer_runs;
    case SNAP_FN_RUN_CLEANUPS:
        return !g->running_cleanups;
    default:
        return strncmp(f.name, "runtime.", 8) == 0;
    }
}

/* Go: runtime/mfinal.go fingStatus (1.20-1.27), fingRunning before. */
bool rt_finalizer_runs(const struct rt *rt, struct target *t)
{
    int64_t bit = rt->layout.constant[RT_IS_fing_running];
    uint32_t status = 0;
    if (G(rt, fing_status))
        err_free(target_read(t, G(rt, fing_status), &status, bit > 0 ? 4 : 1));
    return bit > 0 ? (status & (uint32_t)bit) != 0 : status != 0;
}

static uint64_t bubble_id(struct capture *c, const struct rt_g *g)
{
    uint64_t id = 0;
    if (!g->more->bubble)
        return 0;
    if (!rt_has(&c->rt->layout, RT_bubble_id))
        return g->more->bubble; /* 1.24 does not number them */
    err_free(target_read_u64(c->t, g->more->bubble + (taddr)L(c->rt, bubble_id), &id));
    return id;
}

static uint16_t flags_of(const struct capture *c, const struct goroutine *g, const char *reason)
{
    uint16_t flags = g->flags;
    flags |= rt_is_system_g(c->rt, &g->g, c->finalizer_runs) ? SNAP_GF_SYSTEM : 0;
    flags |= g->g.more->lockedm ? SNAP_GF_LOCKED : 0;
    flags |= g->g.scan ? SNAP_GF_SCAN : 0;
    flags |= g->g.async ? SNAP_GF_ASYNC : 0;
    flags |= g->g.parking ? SNAP_GF_PARKING : 0;
    flags |= g->g.more->panic ? SNAP_GF_PANICKING : 0;
    flags |= g->g.more->bubble && rt_is_durable(reason) ? SNAP_GF_DURABLE : 0;
    return flags;
}

/* Go: runtime/runtime2.go isIdleInSynctest (1.24-1.27), by what the reasons say. */
bool rt_is_durable(const char *reason)
{
    static const char *const idle[] = {"chan receive (nil chan)",
                                       "chan send (nil chan)",
                                       "select (no cases)",
                                       "sleep",
                                       "sync.Cond.Wait",
                                       "coroutine",
                                       "synctest.Run",
                                       "synctest.Wait"};
    for (size_t i = 0; i < ARRAY_LEN(idle); i++)
        if (strcmp(reason, idle[i]) == 0)
            return true;
    return strstr(reason, "(durable)") || strstr(reason, "(synctest)");
}

static void add_goroutine(struct capture *c, struct goroutine *g)
{
    struct snap *s = c->s;
    enum snap_gstatus st = rt_gstatus(&c->rt->layout, g->g.status);
    uint32_t row = snap_add_goroutine(s);
    g->row = row;
    s->goroutine.addr[row] = g->g.addr;
    s->goroutine.id[row] = g->g.goid;
    s->goroutine.status[row] = (uint8_t)st;
    if (st == SNAP_G_WAITING || st == SNAP_G_LEAKED)
        s->goroutine.wait_reason[row] = wait_reason(c, g->g.wait_reason);
    s->goroutine.flags[row] = flags_of(c, g, snap_str(s, s->goroutine.wait_reason[row]));
    if (st == SNAP_G_WAITING || st == SNAP_G_SYSCALL || st == SNAP_G_LEAKED)
        s->goroutine.wait_since[row] = g->g.wait_since;
    s->goroutine.parent_id[row] = g->g.parent_goid;
    s->goroutine.ran[row] = g->g.ran;
    s->goroutine.stack_lo[row] = g->g.stack_lo;
    s->goroutine.stack_hi[row] = g->g.stack_hi;
    s->goroutine.sp[row] = captured_context(g).sp;
    s->goroutine.depth[row] = (uint16_t)min_u64(g->depth, SNAP_DEPTH_MAX);
    s->goroutine.bubble[row] = bubble_id(c, &g->g);
    uint32_t mi = g->g.more->m ? map_get(&c->m_by_addr, g->g.more->m) : MAP_NONE;
    if (mi != MAP_NONE && c->ms[mi].curg == g->g.addr) {
        s->goroutine.thread[row] = c->ms[mi].thread;
        if (c->ms[mi].thread != SNAP_NONE)
            s->thread.goroutine[c->ms[mi].thread] = row;
        if (c->ms[mi].incgo || c->ms[mi].ncgo > 0)
            s->goroutine.flags[row] |= SNAP_GF_CGO;
    }
}

static void add_goroutines(struct capture *c)
{
    for (size_t i = 0; i < c->ngs; i++) {
        enum snap_gstatus st = rt_gstatus(&c->rt->layout, c->gs[i].g.status);
        if (c->gs[i].g.status == UINT32_MAX)
            snap_note_missing(c->s, 1, "goroutines", "the structure is not readable");
        else if (st != SNAP_G_DEAD && st != SNAP_G_IDLE)
            add_goroutine(c, &c->gs[i]);
    }
}

/* Go: runtime/mgcmark.go gcAssistAlloc: who allocates while the collector marks pays by marking.
 * Set to 0 when a cycle begins. */
static void count_assists(struct capture *c)
{
    int64_t credit = 0, debt = 0, debtors = 0;
    if (!rt_has(&c->rt->layout, RT_g_gc_assist_bytes))
        return;
    for (size_t i = 0; i < c->ngs; i++) {
        int64_t v = c->gs[i].row == SNAP_NONE ? 0 : c->gs[i].g.more->assist_bytes;
        credit += v > 0 ? v : 0;
        debt -= v < 0 ? v : 0;
        debtors += v < 0;
    }
    snap_set_counter(c->s, "gc.assist_credit_bytes", credit);
    snap_set_counter(c->s, "gc.assist_debt_bytes", debt);
    snap_set_counter(c->s, "gc.assist_debtors", debtors);
}

/* ---- after the target was let go ---- */

static void note_incomplete(struct capture *c)
{
    struct snap *s = c->s;
    uint64_t partial = 0, moving = 0, none = 0;
    for (size_t i = 0; i < s->goroutine.n; i++) {
        uint16_t f = s->goroutine.flags[i];
        bool cut = s->goroutine.depth[i] >= c->depth_limit;
        moving += (f & SNAP_GF_NOT_VALIDATED) != 0;
        none += s->goroutine.stack[i] == SNAP_NONE;
        partial += (f & SNAP_GF_STACK_PARTIAL) && !cut && s->goroutine.stack[i] != SNAP_NONE;
        c->cut += cut && (f & SNAP_GF_STACK_PARTIAL);
    }
    if (c->cut)
        snap_note_missing(s, c->cut, "outer frames of deep stacks",
                          c->o->max_depth ? "the depth asked for" : "deeper than a snapshot holds");
    if (partial)
        snap_note_missing(s, partial, "outer frames of stacks", "the stack could not be followed");
    if (moving)
        snap_note_missing(s, moving, "goroutines read whole",
                          "they changed each time they were looked at");
    if (none)
        snap_note_missing(s, none, "stacks",
                          c->refused ? "their threads could not be looked at"
                                     : "they were running");
}

static struct err *merge_stacks(struct capture *c)
{
    struct err *e = NULL;
    for (unsigned i = 0; !e && i < c->nworkers; i++)
        e = symbols_merge(c->symbols, c->workers[i].u, &c->workers[i].node_row);
    for (size_t i = 0; !e && i < c->bucket_nodes.n; i++)
        if (c->bucket_nodes.v[i] != SNAP_NONE)
            c->s->bucket.stack[i] = c->workers[0].node_row[c->bucket_nodes.v[i]];
    return e;
}

static struct err *finish(struct capture *c)
{
    struct snap *s = c->s;
    TRY(merge_stacks(c));
    for (size_t i = 0; i < c->ngs; i++) {
        const struct goroutine *g = &c->gs[i];
        if (g->row == SNAP_NONE)
            continue;
        if (g->node != SNAP_NONE)
            s->goroutine.stack[g->row] = c->workers[g->worker].node_row[g->node];
        s->goroutine.creator[g->row] = symbols_pc(c->symbols, g->g.gopc, false);
        s->goroutine.start[g->row] = symbols_pc(c->symbols, g->g.startpc, false);
    }
    for (size_t i = 0; i < s->thread.n; i++)
        if (s->thread.stack[i] != SNAP_NONE)
            s->thread.stack[i] = c->workers[0].node_row[s->thread.stack[i]];
    capture_waits_finish(c);
    ahead_rows(c);
    closers_rows(c);
    copies_rows(c);
    note_incomplete(c);
    return NULL;
}

/* ---- the order of things ---- */

/* What there is besides goroutines, and what of them needs a look elsewhere. */
static struct err *read_more(struct capture *c)
{
    capture_runqs(c);
    TRY(capture_waits(c));
    capture_panics(c);
    capture_closers(c);
    TRY(capture_timers(c));
    TRY(capture_counters(c->rt, c->t, c->s));
    TRY(capture_heap(c));
    TRY(capture_ahead(c)); /* behind the heap: it has the closures */
    capture_copies(c);
    capture_prints(c);
    return NULL;
}

static struct err *read_all(struct capture *c)
{
    TRY(capture_list(c));
    TRY(progress_step(c->o->progress, "goroutines", 0, c->ngs));
    TRY(capture_gs(c));
    TRY(target_mappings(c->t, &c->arena, &c->maps, &c->nmaps));
    symbols_set_maps(c->symbols, c->maps, c->nmaps);
    TRY(capture_threads(c));
    TRY(capture_stacks(c));
    if (c->live)
        TRY(capture_running_live(c));
    if (c->locals)
        TRY(locals_capture(c->locals));
    TRY(capture_procs(c));
    TRY(capture_global_queue(c));
    c->finalizer_runs = rt_finalizer_runs(c->rt, c->t);
    add_goroutines(c);
    count_assists(c);
    if (c->locals)
        locals_rows(c->locals);
    TRY(capture_labels(c));
    return c->o->goroutines_only ? NULL : read_more(c);
}

/* Variables need DWARF; what takes long is made before anything stands still. */
static struct err *open_locals(struct capture *c)
{
    if (c->o->locals == RT_LOCALS_NONE)
        return NULL;
    struct err *e = locals_open(c, &c->locals);
    if (e && err_code(e) == ERR_NOT_FOUND) {
        snap_note_missing(c->s, 1, "arguments and local variables", "the program has no DWARF");
        err_free(e);
        return NULL;
    }
    return e;
}

static void open_capture(struct capture *c)
{
    const char *why;
    size_t lost = rt_lost_plugins(c->rt, &why);
    arena_init(&c->arena);
    if (lost)
        snap_note_missing(c->s, lost, "functions and types of plugins", why);
    c->symbols = symbols_new(c->rt, c->s);
    c->nworkers = pool_width();
    c->workers = mem_alloc(c->nworkers * sizeof(*c->workers));
    for (unsigned i = 0; i < c->nworkers; i++)
        c->workers[i].u = unwinder_new(c->rt, c->t, c->o->max_depth);
    if (c->locals) {
        unwinder_trace(c->workers[0].u);
        locals_set_target(c->locals);
    }
    unsigned max = c->o->max_depth;
    c->depth_limit = max && max < SNAP_DEPTH_MAX ? max : SNAP_DEPTH_MAX;
}

static void close_capture(struct capture *c)
{
    for (unsigned i = 0; i < c->nworkers; i++) {
        unwinder_free(c->workers[i].u);
        vec_free(&c->workers[i].waits);
        arena_free(&c->workers[i].more);
        free(c->workers[i].buf);
        free(c->workers[i].node_row);
    }
    free(c->workers);
    locals_close(c->locals);
    free(c->gs);
    free(c->ms);
    free(c->ps);
    free(c->global);
    map_free(&c->g_by_addr);
    map_free(&c->m_by_addr);
    capture_waits_free(c);
    capture_heap_free(c);
    ahead_free(c);
    closers_free(c);
    copies_free(c);
    map_free(&c->bucket_at);
    vec_free(&c->bucket_nodes);
    symbols_free(c->symbols);
    arena_free(&c->arena);
}

void rt_capture_prepare(struct rt *rt, const struct rt_capture_options *o)
{
    struct values *values;
    waits_name_prepare(rt, o);
    if (o->locals == RT_LOCALS_NONE)
        return;
    struct err *e = values_open(rt, rt->t, &values); /* its DWARF stays with the image */
    if (!e)
        values_prepare(values);
    if (!e)
        values_close(values);
    err_free(e);
}

/* What is left to be read when the target has been let go: nothing stands still for it. */
static void count_spans(struct capture *c)
{
    struct target *copy = c->o->frozen;
    if (c->s->span.n)
        counters_spans_of_heap(c->s);
    else
        counters_spans(c->rt, copy ? copy : c->rt->t, c->s);
}

/* The instant, and what it cost. */
static void set_moment(struct capture *c, const struct target_pause *pause, int64_t began)
{
    struct snap *s = c->s;
    int64_t at = pause && pause->at_mono_ns ? pause->at_mono_ns : began, now = clock_mono_ns();
    if (target_kind(c->rt->t) == TARGET_CORE) {
        capture_core_moment(c->rt, s);
        return;
    }
    snap_set_meta_i64(s, SNAP_META_pause_ns, pause ? pause->ns : c->sampled_ns);
    snap_set_meta_i64(s, SNAP_META_taken_mono_ns, at);
    snap_set_meta_i64(s, SNAP_META_taken_wall_ns, clock_wall_ns() - (now - at));
}

static void set_method(struct capture *c, enum target_kind kind, const char *why)
{
    static const char *const methods[] = {
        [TARGET_LIVE] = "live", [TARGET_FORK] = "fork", [TARGET_STOP] = "stop",
        [TARGET_KEPT] = "stop", [TARGET_CORE] = "core", [TARGET_FAKE] = "fake"};
    bool core = target_kind(c->rt->t) == TARGET_CORE;
    snap_set_meta(c->s, SNAP_META_consistency, core ? "core" : c->live ? "goroutine" : "process");
    snap_set_meta(c->s, SNAP_META_method, methods[kind]);
    if (why)
        snap_set_meta(c->s, SNAP_META_method_why, why);
}

/* A process that cannot be forked: up to so much of it is copied while it stands still, where what
 * is asked for takes longer than that.  0.1 and 0.4 s. */
static uint64_t keep_bytes(const struct rt_capture_options *o)
{
    return o->heap ? KEEP_FOR_HEAP : o->owners != RT_OWNERS_NONE ? KEEP_FOR_OWNERS : 0;
}

/* *opened: something was opened that close_capture() must close. */
static struct err *capture(struct capture *c, bool *opened)
{
    struct target *frozen = NULL;
    struct target_pause pause = {0};
    int64_t began = clock_mono_ns();
    bool freeze =
        !c->o->frozen && target_kind(c->rt->t) == TARGET_LIVE && c->o->consistency == RT_PROCESS;
    c->t = c->o->frozen ? c->o->frozen : c->rt->t;
    c->live = target_kind(c->t) == TARGET_LIVE && !freeze;
    TRY(open_locals(c));
    waits_name_prepare(c->rt, c->o);
    if (freeze) {
        struct target_freeze_options fo = {
            .stop_only = c->o->stop_only, .vectors = c->o->heap, .keep_bytes = keep_bytes(c->o)};
        struct err *e = target_freeze(c->rt->t, &fo, &frozen);
        if (e) {
            locals_close(c->locals);
            return e;
        }
        c->t = frozen;
    }
    open_capture(c);
    *opened = true;
    set_method(c, target_kind(c->t), frozen ? target_freeze_why(frozen) : c->o->why_held);
    struct err *e = read_all(c);
    if (frozen) {
        struct err *thaw = target_thaw(frozen, &pause);
        if (e)
            err_free(thaw);
        else
            e = thaw;
        c->t = c->rt->t;
    }
    set_moment(c, freeze ? &pause : NULL, began);
    if (!e)
        e = finish(c);
    if (!e && !c->o->heap) /* the tables of the heap have their size from the start */
        snap_trim(c->s);
    if (!e && !c->o->goroutines_only)
        count_spans(c);
    if (!e && !c->o->rest)
        e = capture_heap_finish(c, pool_width());
    snap_set_meta_i64(c->s, SNAP_META_capture_ns, clock_mono_ns() - began);
    return e;
}

/* ---- what is left for later ---- */

struct rt_rest {
    struct capture c;
    struct rt_capture_options o;
    bool opened; /* the capture has something to close */
};

struct err *rt_rest_finish(struct rt_rest *r, unsigned width)
{
    struct err *e = capture_heap_finish(&r->c, width);
    close_capture(&r->c); /* whoever searches the graph needs the memory */
    r->opened = false;
    return e;
}

void rt_rest_free(struct rt_rest *r)
{
    if (r && r->opened)
        close_capture(&r->c);
    free(r);
}

struct err *rt_capture(struct rt *rt, const struct rt_capture_options *o, struct snap **ret)
{
    struct rt_rest *r = mem_alloc(sizeof(*r));
    struct snap *s = snap_new();
    r->o = *o;
    r->c = (struct capture){.rt = rt, .o = &r->o, .s = s};
    if (o->rest)
        *o->rest = NULL;
    struct err *e = capture_heap_room(rt, o);
    if (!e)
        e = capture_info(rt, o->frozen ? o->frozen : rt->t, s);
    if (!e)
        e = capture(&r->c, &r->opened);
    if (!e && o->rest && r->c.heap_objects)
        *o->rest = r;
    else
        rt_rest_free(r);
    if (e) {
        snap_free(s);
        return e;
    }
    *ret = s;
    return NULL;
}

/* Nothing was stopped. */
static void set_live_moment(struct rt *rt, struct snap *s, int64_t began)
{
    if (target_kind(rt->t) == TARGET_CORE) {
        capture_core_moment(rt, s);
        snap_set_meta(s, SNAP_META_method, "core");
        snap_set_meta(s, SNAP_META_consistency, "core");
    } else {
        snap_set_meta_i64(s, SNAP_META_taken_mono_ns, began);
        snap_set_meta_i64(s, SNAP_META_taken_wall_ns, clock_wall_ns());
        snap_set_meta_i64(s, SNAP_META_pause_ns, 0);
        snap_set_meta(s, SNAP_META_method, "live");
    }
    snap_set_meta_i64(s, SNAP_META_capture_ns, clock_mono_ns() - began);
}

struct err *rt_capture_info(struct rt *rt, struct snap **ret)
{
    struct snap *s = snap_new();
    int64_t now = clock_mono_ns();
    struct err *e = capture_info(rt, rt->t, s);
    if (!e)
        e = capture_counters(rt, rt->t, s);
    if (!e)
        counters_spans(rt, rt->t, s);
    if (e) {
        snap_free(s);
        return e;
    }
    set_live_moment(rt, s, now);
    *ret = s;
    return NULL;
}

static struct err *profiles_alone(struct capture *c)
{
    open_capture(c);
    struct err *e = target_mappings(c->t, &c->arena, &c->maps, &c->nmaps);
    if (!e) {
        symbols_set_maps(c->symbols, c->maps, c->nmaps);
        capture_profiles(c);
        e = merge_stacks(c);
    }
    if (!e)
        e = progress_step(c->o->progress, "profile", c->s->bucket.n, c->s->bucket.n);
    close_capture(c);
    return e;
}

struct err *rt_capture_profiles(struct rt *rt, struct progress *progress, struct snap **ret)
{
    struct rt_capture_options o = {.progress = progress};
    struct capture c = {.rt = rt, .t = rt->t, .o = &o};
    TRY(rt_capture_info(rt, &c.s));
    struct err *e = profiles_alone(&c);
    if (e) {
        snap_free(c.s);
        return e;
    }
    *ret = c.s;
    return NULL;
}

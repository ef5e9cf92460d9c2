/* frames.c - a target that stands: opening it, its goroutines and threads; see frames.h.
 *
 * Go: runtime/runtime2.go g, m (1.18-1.27).  Structures are read and understood by gs.c and
 * running.c, as for captures. */
#include "rt/frames_int.h"

#include <stdlib.h>

struct err *rt_stand_open(struct rt *rt, struct target *t, struct rt_stand **ret)
{
    static _Atomic uint64_t opened;
    *ret = NULL;
    if (target_kind(t) == TARGET_LIVE)
        return err_new(ERR_USAGE, "the process runs; it has to be stopped or copied first");
    struct rt_stand *st = mem_alloc(sizeof(*st));
    st->rt = rt;
    st->t = t;
    st->moves = ++opened << 32; /* no other stand has been where this one is */
    arena_init(&st->kept);
    arena_init(&st->arena);
    st->u = unwinder_new(rt, t, 0);
    unwinder_trace(st->u);
    *ret = st;
    return NULL;
}

static void forget(struct rt_stand *st)
{
    free(st->gs);
    free(st->ms);
    map_free(&st->g_by_id);
    map_free(&st->m_by_addr);
    st->gs = NULL;
    st->ms = NULL;
    st->threads = NULL;
    st->maps = NULL;
    st->ngs = st->nms = st->nthreads = st->nmaps = 0;
    st->have_gs = st->have_ms = st->have_threads = st->have_finalizer = false;
    arena_reset(&st->arena);
}

uint64_t rt_stand_moves(const struct rt_stand *st)
{
    return st->moves;
}

void rt_stand_moved(struct rt_stand *st, struct target *t)
{
    forget(st);
    st->moves++;
    st->no_values = NULL; /* a plugin that was loaded since may have DWARF */
    if (t != st->t) {
        unwinder_free(st->u);
        st->u = unwinder_new(st->rt, t, 0);
        unwinder_trace(st->u);
    }
    st->t = t;
    if (st->values)
        values_set_target(st->values, t);
}

void rt_stand_close(struct rt_stand *st)
{
    if (!st)
        return;
    forget(st);
    unwinder_free(st->u);
    map_free(&st->where_at);
    vec_free(&st->wheres);
    local_scopes_free(st->scopes);
    values_close(st->values);
    arena_free(&st->arena);
    arena_free(&st->kept);
    free(st);
}

struct target *rt_stand_target(const struct rt_stand *st)
{
    return st->t;
}

bool stand_values(struct rt_stand *st)
{
    if (st->values || st->no_values)
        return st->values != NULL;
    struct err *e = values_open(st->rt, st->t, &st->values);
    if (e) {
        st->no_values = err_code(e) == ERR_NOT_FOUND ? "the program has no DWARF"
                                                     : arena_strdup(&st->kept, err_message(e));
        err_free(e);
        return false;
    }
    st->scopes = local_scopes_new(st->rt);
    values_set_printers(st->values, st->printers);
    return true;
}

void rt_stand_set_printers(struct rt_stand *st, const struct value_printers *p)
{
    st->printers = p;
    if (st->values)
        values_set_printers(st->values, p);
}

struct values *rt_stand_values(struct rt_stand *st, const char **why)
{
    stand_values(st);
    if (why)
        *why = st->no_values;
    return st->values;
}

const char *rt_stand_dark(struct rt_stand *st)
{
    struct dwarf *dw;
    taddr slide;
    for (size_t i = 0; i < st->rt->nmodules; i++) {
        struct err *e = rt_module_dwarf(st->rt, &st->rt->modules[i], &dw, &slide);
        const char *why = e ? arena_strdup(&st->arena, err_message(e)) : NULL;
        err_free(e);
        if (why)
            return why;
    }
    return NULL;
}

/* ---- threads ---- */

struct err *stand_ms(struct rt_stand *st)
{
    if (st->have_ms)
        return NULL;
    st->have_ms = true;
    return rt_read_allm(st->rt, st->t, &st->m_by_addr, &st->ms, &st->nms);
}

struct err *stand_threads(struct rt_stand *st)
{
    if (!st->have_threads)
        TRY(target_threads(st->t, &st->arena, &st->threads, &st->nthreads));
    st->have_threads = true;
    return NULL;
}

const struct target_thread *stand_thread(struct rt_stand *st, pid_t tid)
{
    err_free(stand_threads(st));
    for (size_t i = 0; i < st->nthreads; i++)
        if (st->threads[i].tid == tid)
            return &st->threads[i];
    return NULL;
}

static uint64_t inner_tid(const struct target_thread *t)
{
    return (uint64_t)(t->inner_tid ? t->inner_tid : t->tid);
}

const struct mrec *stand_m_of_thread(struct rt_stand *st, const struct target_thread *t)
{
    err_free(stand_ms(st));
    for (size_t i = 0; i < st->nms; i++)
        if (st->ms[i].procid == inner_tid(t))
            return &st->ms[i];
    return NULL;
}

const struct target_thread *stand_thread_of_m(struct rt_stand *st, const struct mrec *m)
{
    err_free(stand_threads(st));
    for (size_t i = 0; i < st->nthreads; i++)
        if (inner_tid(&st->threads[i]) == m->procid)
            return &st->threads[i];
    return NULL;
}

/* ---- goroutines ---- */

struct err *stand_read_g(struct rt_stand *st, taddr g, struct rt_g *ret, struct rt_g_more *more)
{
    size_t size = (size_t)st->rt->layout.size[RT_STRUCT_g];
    uint8_t *p = mem_alloc(size);
    struct err *e = target_read(st->t, g, p, size);
    if (!e)
        rt_parse_g(&st->rt->layout, g, p, ret, more);
    free(p);
    return e;
}

/* Go: runtime/proc.go casgstatus; see runs() in threads.c. */
const struct mrec *stand_runs(struct rt_stand *st, const struct rt_g *g)
{
    err_free(stand_ms(st));
    enum snap_gstatus status = rt_gstatus(&st->rt->layout, g->status);
    for (size_t i = 0; i < st->nms; i++) {
        const struct mrec *m = &st->ms[i];
        if (m->curg == g->addr &&
            (status == SNAP_G_RUNNING || (g->more->m == m->addr && capture_may_run(status))))
            return m;
    }
    return NULL;
}

static const char *wait_reason(struct rt_stand *st, uint8_t reason)
{
    if (!st->reasons[reason])
        st->reasons[reason] =
            G(st->rt, wait_reasons)
                ? rt_read_string(st->t, &st->kept, G(st->rt, wait_reasons) + 16u * reason, 64)
                : "";
    return st->reasons[reason];
}

static void describe(struct rt_stand *st, const struct rt_g *g, const struct mrec *on,
                     struct rt_goroutine *ret)
{
    enum snap_gstatus status = rt_gstatus(&st->rt->layout, g->status);
    bool waits = status == SNAP_G_WAITING || status == SNAP_G_LEAKED;
    struct saved_context at = saved_context(g);
    if (!st->have_finalizer)
        st->finalizer_runs = rt_finalizer_runs(st->rt, st->t);
    st->have_finalizer = true;
    *ret = (struct rt_goroutine){
        .g = g->addr,
        .id = g->goid,
        .parent_id = g->parent_goid,
        .status = status,
        .wait_reason = waits ? wait_reason(st, g->wait_reason) : "",
        .wait_since = waits || status == SNAP_G_SYSCALL ? g->wait_since : 0,
        .running = on && (status == SNAP_G_RUNNING || capture_may_run(status)),
        .system = rt_is_system_g(st->rt, g, st->finalizer_runs),
        .panicking = g->more->panic != 0,
        .locked = g->more->lockedm != 0,
        .pc = at.pc,
        .sp = at.sp,
        .gopc = g->gopc,
        .startpc = g->startpc,
        .labels = g->more->labels,
        .stack_lo = g->stack_lo,
        .stack_hi = g->stack_hi,
    };
    const struct target_thread *t = on ? stand_thread_of_m(st, on) : NULL;
    ret->tid = t ? t->tid : 0;
    if (ret->running && t && t->have_regs && t->regs.sp >= g->stack_lo &&
        t->regs.sp < g->stack_hi) {
        ret->pc = t->regs.pc;
        ret->sp = t->regs.sp;
    }
}

/* The M that has it, whether it executes Go code or is in a system call; NULL: none. */
static const struct mrec *m_of_g(struct rt_stand *st, const struct rt_g *g)
{
    uint32_t i;
    err_free(stand_ms(st));
    i = g->more->m ? map_get(&st->m_by_addr, g->more->m) : MAP_NONE;
    return i != MAP_NONE && st->ms[i].curg == g->addr ? &st->ms[i] : stand_runs(st, g);
}

static struct rt_g *at_index(void *arg, size_t i)
{
    return &((struct rt_g *)arg)[i];
}

static void keep_living(struct rt_stand *st, const struct rt_g *gs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        enum snap_gstatus status = rt_gstatus(&st->rt->layout, gs[i].status);
        if (gs[i].status == UINT32_MAX || status == SNAP_G_DEAD || status == SNAP_G_IDLE)
            continue;
        map_put(&st->g_by_id, gs[i].goid, (uint32_t)st->ngs);
        describe(st, &gs[i], gs[i].more->m ? m_of_g(st, &gs[i]) : NULL, &st->gs[st->ngs++]);
    }
}

static struct err *read_goroutines(struct rt_stand *st)
{
    taddr *addrs = NULL;
    size_t n = 0;
    struct arena more;
    TRY(rt_read_allgs(st->rt, st->t, &addrs, &n));
    arena_init(&more);
    struct rt_g *gs = mem_try_alloc(n * sizeof(*gs) + 1);
    st->gs = mem_try_alloc(n * sizeof(*st->gs) + 1);
    struct err *e = gs && st->gs ? NULL : err_new(ERR_NOMEM, "no memory for %zu goroutines", n);
    for (size_t i = 0; !e && i < n; i++)
        gs[i].addr = addrs[i];
    if (!e)
        e = rt_read_gs(st->rt, st->t, n, at_index, gs, &more);
    if (!e)
        keep_living(st, gs, n);
    arena_free(&more);
    free(gs);
    free(addrs);
    return e;
}

struct err *rt_goroutines(struct rt_stand *st, const struct rt_goroutine **ret, size_t *ret_n)
{
    if (!st->have_gs) {
        struct err *e = read_goroutines(st);
        if (e) {
            free(st->gs);
            st->gs = NULL;
            st->ngs = 0;
            return e;
        }
    }
    st->have_gs = true;
    *ret = st->gs;
    *ret_n = st->ngs;
    return NULL;
}

struct err *rt_goroutine_by_id(struct rt_stand *st, uint64_t id, const struct rt_goroutine **ret)
{
    const struct rt_goroutine *gs;
    size_t n;
    TRY(rt_goroutines(st, &gs, &n));
    uint32_t i = map_get(&st->g_by_id, id);
    if (i == MAP_NONE)
        return err_new(ERR_NOT_FOUND, "there is no goroutine %llu", (unsigned long long)id);
    *ret = &gs[i];
    return NULL;
}

struct err *rt_goroutine_at(struct rt_stand *st, taddr g, struct rt_goroutine *ret)
{
    struct rt_g copy;
    struct rt_g_more more;
    TRY(stand_read_g(st, g, &copy, &more));
    describe(st, &copy, m_of_g(st, &copy), ret);
    return NULL;
}

struct err *rt_goroutine_brief(struct rt_stand *st, taddr g, struct rt_goroutine *ret)
{
    struct rt_g copy;
    struct rt_g_more more;
    TRY(stand_read_g(st, g, &copy, &more));
    describe(st, &copy, NULL, ret);
    return NULL;
}

struct err *rt_goroutine_of_thread(struct rt_stand *st, pid_t tid, struct rt_goroutine *ret)
{
    const struct target_thread *t = stand_thread(st, tid);
    *ret = (struct rt_goroutine){.wait_reason = ""};
    if (!t)
        return err_new(ERR_NOT_FOUND, "there is no thread %d", (int)tid);
    const struct mrec *m = stand_m_of_thread(st, t);
    return m && m->curg ? rt_goroutine_at(st, m->curg, ret) : NULL;
}

struct err *rt_labels(struct rt_stand *st, taddr labels, struct arena *a, struct rt_label **ret,
                      size_t *ret_n)
{
    return rt_read_labels(st->rt, st->t, labels, a, ret, ret_n);
}

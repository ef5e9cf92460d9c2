/* frames_walk.c - frames of goroutines and threads of a target that stands; see frames.h.
 *
 * Go: runtime/traceback.go, runtime/symtabinl.go, runtime/runtime2.go _defer (1.18-1.27).  Stacks
 * are walked by unwind.c and running.c, as for captures. */
#include <string.h>

#include "rt/frames_int.h"
#include "snap/code.h"

enum { DEFERS_MAX = 4096, FRAMES_MAX = 1 << 20 };

/* ---- a pc ---- */

static const char *module_path(struct rt_stand *st, taddr pc)
{
    if (!st->maps)
        err_free(target_mappings(st->t, &st->arena, &st->maps, &st->nmaps));
    for (size_t i = 0; i < st->nmaps; i++)
        if (pc >= st->maps[i].start && pc < st->maps[i].end)
            return st->maps[i].path;
    return "";
}

static size_t where_foreign(struct rt_stand *st, taddr pc, struct rt_frame *ret)
{
    struct image_symbol sym;
    const char *path = module_path(st, pc), *slash = strrchr(path, '/');
    ret->func = slash ? slash + 1 : path;
    ret->module = path;
    struct err *e = image_symbol_at(st->rt->img, pc - st->rt->slide, &sym);
    if (!e) {
        ret->func = arena_strdup(&st->arena, sym.name);
        ret->module = "";
    }
    err_free(e);
    return 1;
}

static size_t where_go(struct rt_stand *st, const struct rt_module *m, const struct pcln_func *f,
                       taddr pc, bool exact, struct rt_frame *ret)
{
    struct pcln_frame frames[PCLN_FRAMES_MAX];
    size_t n =
        pcln_frames(&m->pcln, f, exact || pc == f->entry ? pc : pc - 1, frames, ARRAY_LEN(frames));
    const char *module = m == st->rt->modules ? "" : module_path(st, pc);
    for (size_t i = 0; i < n; i++) {
        enum snap_funcid id = symbols_func_id(st->rt, frames[i].func, frames[i].func_id);
        ret[i] = (struct rt_frame){
            .pc = pc,
            .entry = f->entry,
            .exact = exact,
            .inlined = frames[i].inlined,
            .runtime = snap_is_runtime_func(frames[i].func),
            .wrapper = id == SNAP_FN_WRAPPER,
            .top = !frames[i].inlined && (f->flag & PCLN_FLAG_TOP),
            .func = frames[i].func,
            .file = frames[i].file,
            .line = frames[i].line,
            .start_line = frames[i].start_line,
            .module = module,
            .inline_no = (uint16_t)i,
        };
    }
    return n;
}

/* Many goroutines stand at few places. */
static const struct where *where_kept(struct rt_stand *st, taddr pc, bool exact)
{
    struct rt_frame frames[PCLN_FRAMES_MAX];
    struct pcln_func f;
    const struct rt_module *m;
    bool added;
    if (!rt_is_go_code(st->rt, pc))
        return NULL;
    uint32_t i = map_get_or_put(&st->where_at, pc << 1 | exact, (uint32_t)st->wheres.n, &added);
    if (added) {
        struct where w = {0};
        if (rt_func_at(st->rt, pc, &f, &m))
            w.n = where_go(st, m, &f, pc, exact, frames);
        const char *module = w.n ? arena_strdup(&st->kept, frames[0].module) : "";
        for (size_t k = 0; k < w.n; k++)
            frames[k].module = module;
        struct rt_frame *v = arena_array(&st->kept, struct rt_frame, w.n + 1);
        memcpy(v, frames, w.n * sizeof(*v));
        w.v = v;
        vec_push(&st->wheres, w);
    }
    return st->wheres.v[i].n ? &st->wheres.v[i] : NULL;
}

size_t rt_where(struct rt_stand *st, taddr pc, bool exact, struct rt_frame *ret, size_t max)
{
    struct rt_frame frames[PCLN_FRAMES_MAX];
    struct pcln_func f;
    const struct rt_module *m;
    size_t n;
    if (!max)
        return 0;
    const struct where *w = where_kept(st, pc, exact);
    if (w) {
        memcpy(ret, w->v, min_u64(w->n, max) * sizeof(*ret));
        return min_u64(w->n, max);
    }
    *ret = (struct rt_frame){.pc = pc, .exact = exact, .func = "", .file = "", .module = ""};
    if (!rt_func_at(st->rt, pc, &f, &m))
        return where_foreign(st, pc, ret);
    n = min_u64(where_go(st, m, &f, pc, exact, frames), max);
    memcpy(ret, frames, n * sizeof(*ret));
    return n;
}

/* ---- stacks ---- */

/* What is known of the stack in the unwinder. */
struct on_stack {
    enum rt_stack stack;
    const struct arch_regs *regs;
    const uint8_t *extended;
    size_t extended_n;
    taddr stack_lo;
};

struct frame_list {
    struct rt_stand *st;
    size_t max;
    VEC(struct rt_frame) v;
};

static void take_physical(struct frame_list *l, const struct walk_frame *frames, size_t i,
                          const struct on_stack *on)
{
    struct rt_frame at[PCLN_FRAMES_MAX];
    const struct walk_frame *w = &frames[i];
    struct local_frame known = {0};
    local_find_regs(&known, frames, i, on->regs);
    size_t n = rt_where(l->st, w->pc, w->exact, at, ARRAY_LEN(at));
    for (size_t k = 0; k < n && (!l->max || l->v.n < l->max); k++) {
        struct rt_frame *f = &at[k];
        f->sp = w->sp;
        f->size = w->frame;
        f->cfa = w->sp && w->frame >= 0 ? w->sp + (taddr)w->frame + 8 : 0;
        f->stack = (uint8_t)(f->entry ? on->stack : RT_ON_C);
        f->stack_lo = on->stack_lo;
        f->saved = known.saved;
        f->regs = known.regs;
        f->extended = known.regs ? on->extended : NULL;
        f->extended_n = f->extended ? on->extended_n : 0;
        vec_push(&l->v, *f);
    }
}

/* Frames of what is in the unwinder. */
static void take_stack(struct frame_list *l, const struct on_stack *on)
{
    const struct walk_frame *frames;
    size_t n = unwinder_frames(l->st->u, &frames);
    for (size_t i = 0; i < n && (!l->max || l->v.n < l->max); i++)
        take_physical(l, frames, i, on);
}

static const char *end_text(enum walk_end end)
{
    static const char *const texts[] = {
        [WALK_ZERO] = "a return address is zero",
        [WALK_UNKNOWN] = "a return address is not Go code",
        [WALK_NO_FRAME] = "a function does not tell the size of its frame",
        [WALK_SPWRITE] = "a function switches stacks",
        [WALK_MEMORY] = "the stack cannot be read",
        [WALK_LIMIT] = "the stack is deeper than is read",
    };
    return end == WALK_TOP ? NULL : texts[end];
}

static void keep_frames(struct frame_list *l, const char *partial, struct arena *a,
                        struct rt_frames *ret)
{
    struct rt_frame *v = arena_array(a, struct rt_frame, l->v.n + 1);
    if (l->v.n)
        memcpy(v, l->v.v, l->v.n * sizeof(*v));
    *ret = (struct rt_frames){.v = v, .n = l->v.n};
    ret->partial = l->max && l->v.n >= l->max ? "more were not asked for" : partial;
    vec_free(&l->v);
}

/* ---- deferred calls ---- */

static bool defer_field(struct rt_stand *st, taddr d, enum rt_field f, uint64_t *ret)
{
    const struct rt_layout *l = &st->rt->layout;
    *ret = 0;
    if (!rt_has(l, f))
        return false;
    struct err *e = target_read(st->t, d + (taddr)l->off[f], ret, min_u64(l->width[f], 8));
    err_free(e);
    return !e;
}

struct defer_list {
    struct rt_stand *st;
    VEC(struct rt_defer) v;
};

static void add_defer(struct defer_list *l, const struct rt_frame *f, taddr closure, taddr at)
{
    struct rt_defer one = {.func = "", .sp = f->sp, .at = at};
    struct pcln_func fn;
    err_free(target_read_u64(l->st->t, closure, &one.pc));
    if (one.pc && rt_func_at(l->st->rt, one.pc, &fn, NULL))
        one.func = fn.name;
    vec_push(&l->v, one);
}

static bool peek_target(void *arg, taddr addr, size_t n, uint64_t *ret)
{
    *ret = 0;
    struct err *e = target_read(arg, addr, ret, min_u64(n, 8));
    err_free(e);
    return !e;
}

/* The goroutine's records, as far as they are of the frame; open-coded ones have none. */
static void take_records(struct defer_list *l, taddr first, const struct rt_frame *f)
{
    uint64_t d = first, link, sp, fn, at, open;
    for (size_t i = 0; d && i < DEFERS_MAX; i++, d = link) {
        if (!defer_field(l->st, d, RT_defer_link, &link) ||
            !defer_field(l->st, d, RT_defer_sp, &sp))
            break;
        defer_field(l->st, d, RT_defer_pc, &at);
        defer_field(l->st, d, RT_defer_open_defer, &open);
        if (sp == f->sp && !open && defer_field(l->st, d, RT_defer_fn, &fn) && fn)
            add_defer(l, f, fn, at);
        if (sp > f->sp)
            break; /* frames further out */
    }
}

/* first: of the goroutine's records */
static void take_defers(struct defer_list *l, taddr first, const struct rt_frame *f)
{
    enum { OPEN_MAX = 8 };
    taddr open[OPEN_MAX];
    struct target *t = l->st->t;
    size_t n = 0;
    if (!f->sp || f->inlined)
        return;
    if (f->size > 0 && (!f->exact || f->pc - f->entry >= RT_PROLOGUE))
        n = rt_open_defers(l->st->rt, peek_target, t, f->exact ? f->pc : f->pc - 1,
                           f->sp + (taddr)f->size - 8, open, OPEN_MAX);
    for (size_t i = 0; i < n; i++)
        add_defer(l, f, open[i], 0);
    take_records(l, first, f);
}

/* Deferred calls by the frame they wait for. */
static void count_defers(struct rt_stand *st, taddr first, struct frame_list *l)
{
    for (size_t i = 0; i < l->v.n; i++) {
        struct defer_list defers = {.st = st};
        if (l->v.v[i].stack == RT_ON_GOROUTINE)
            take_defers(&defers, first, &l->v.v[i]);
        l->v.v[i].defers = (uint32_t)defers.v.n;
        vec_free(&defers.v);
    }
}

/* ---- goroutines and threads ---- */

/* The goroutine that runs on a thread; regs: of the thread. */
static enum walk_end walk_thread(struct rt_stand *st, const struct mrec *m, const struct rt_g *g,
                                 const struct target_thread *t, struct on_stack *on)
{
    struct running r = {.rt = st->rt, .t = st->t, .u = st->u, .m = m, .g = g};
    struct arch_sigframe *before = arena_new(&st->arena, struct arch_sigframe);
    const struct arch_regs *regs = &t->regs;
    on->extended = t->extended;
    on->extended_n = t->extended_n;
    if (regs->sp >= m->gsignal_lo && regs->sp < m->gsignal_hi &&
        running_interrupted(st->t, m, regs->sp, before)) {
        before->regs.sp = running_unpushed_sp(&r, &before->regs);
        regs = &before->regs;
        on->extended = NULL;
        on->extended_n = 0;
    }
    on->regs = regs->sp >= g->stack_lo && regs->sp < g->stack_hi ? regs : NULL;
    return running_walk(&r, regs);
}

/* Appends the frames of a goroutine; *end tells why they end. */
static struct err *take_goroutine(struct frame_list *l, taddr addr, enum walk_end *end)
{
    struct rt_stand *st = l->st;
    struct rt_g g;
    struct rt_g_more more;
    TRY(stand_read_g(st, addr, &g, &more));
    const struct mrec *m = stand_runs(st, &g);
    const struct target_thread *t = m ? stand_thread_of_m(st, m) : NULL;
    struct on_stack on = {.stack = RT_ON_GOROUTINE, .stack_lo = g.stack_lo};
    enum snap_gstatus status = rt_gstatus(&st->rt->layout, g.status);
    if (status == SNAP_G_DEAD || status == SNAP_G_IDLE)
        return err_new(ERR_GONE, "goroutine %llu has ended", (unsigned long long)g.goid);
    if (t && t->have_regs)
        *end = walk_thread(st, m, &g, t, &on);
    else if (status == SNAP_G_RUNNING)
        return err_new(ERR_NOT_FOUND,
                       "goroutine %llu runs, and the registers of its thread are "
                       "not known",
                       (unsigned long long)g.goid);
    else
        *end = unwinder_saved(st->u, &g, NULL, 0);
    take_stack(l, &on);
    count_defers(st, g.more->defer, l);
    return NULL;
}

struct err *rt_goroutine_frames(struct rt_stand *st, taddr g, size_t max, struct arena *a,
                                struct rt_frames *ret)
{
    struct frame_list l = {.st = st, .max = max ? max : FRAMES_MAX};
    enum walk_end end = WALK_TOP;
    *ret = (struct rt_frames){0};
    struct err *e = take_goroutine(&l, g, &end);
    if (e) {
        vec_free(&l.v);
        return e;
    }
    keep_frames(&l, end_text(end), a, ret);
    return NULL;
}

/* What the thread does on its own stacks. */
static void take_own(struct frame_list *l, const struct mrec *m, const struct target_thread *t)
{
    struct unwinder *u = l->st->u;
    const struct arch_regs *r = &t->regs;
    bool signal = m && r->sp >= m->gsignal_lo && r->sp < m->gsignal_hi;
    bool g0 = m && r->sp >= m->g0_lo && r->sp < m->g0_hi;
    struct on_stack on = {.stack = signal ? RT_ON_SIGNAL
                                   : g0   ? RT_ON_G0
                                          : RT_ON_C,
                          .regs = r,
                          .extended = t->extended,
                          .extended_n = t->extended_n};
    unwinder_begin(u);
    if (signal || g0) {
        struct walk w = {.pc = r->pc, .sp = r->sp, .exact = true, .spwrite_ok = true};
        w.lo = on.stack_lo = signal ? m->gsignal_lo : m->g0_lo;
        w.hi = signal ? m->gsignal_hi : m->g0_hi;
        unwinder_walk(u, &w);
    } else if (!rt_is_go_code(l->st->rt, r->pc) || !m || !m->curg) {
        unwinder_push(u, r->pc, true);
    }
    take_stack(l, &on);
}

struct err *rt_thread_frames(struct rt_stand *st, pid_t tid, size_t max, struct arena *a,
                             struct rt_frames *ret)
{
    struct frame_list l = {.st = st, .max = max ? max : FRAMES_MAX};
    const struct target_thread *t = stand_thread(st, tid);
    enum walk_end end = WALK_TOP;
    *ret = (struct rt_frames){0};
    if (!t)
        return err_new(ERR_NOT_FOUND, "there is no thread %d", (int)tid);
    if (!t->have_regs)
        return err_new(ERR_NOT_FOUND, "the registers of thread %d are not known", (int)tid);
    const struct mrec *m = stand_m_of_thread(st, t);
    take_own(&l, m, t);
    if (m && m->curg && (!l.max || l.v.n < l.max))
        err_free(take_goroutine(&l, m->curg, &end)); /* it may just end */
    keep_frames(&l, end_text(end), a, ret);
    return NULL;
}

bool rt_frame_of_regs(struct rt_stand *st, const struct arch_regs *regs, struct rt_frame *ret)
{
    struct pcln_func f;
    const struct rt_module *m;
    if (!rt_func_at(st->rt, regs->pc, &f, &m))
        return false;
    int32_t size = f.pcsp ? pcln_frame_size(&m->pcln, &f, regs->pc) : -1;
    *ret = (struct rt_frame){.pc = regs->pc,
                             .sp = regs->sp,
                             .cfa = size >= 0 ? regs->sp + (taddr)size + 8 : 0,
                             .entry = f.entry,
                             .exact = true,
                             .func = f.name,
                             .file = "",
                             .module = "",
                             .regs = regs,
                             .size = size};
    return true;
}

static void keep_defers(struct defer_list *l, struct arena *a, struct rt_defer **ret, size_t *ret_n)
{
    *ret_n = l->v.n;
    *ret = arena_array(a, struct rt_defer, l->v.n + 1);
    if (l->v.n)
        memcpy(*ret, l->v.v, l->v.n * sizeof(*l->v.v));
    vec_free(&l->v);
}

struct err *rt_defers(struct rt_stand *st, taddr addr, struct arena *a, struct rt_defer **ret,
                      size_t *ret_n)
{
    struct defer_list l = {.st = st};
    struct rt_frames frames;
    struct rt_g g;
    struct rt_g_more more;
    *ret_n = 0;
    TRY(stand_read_g(st, addr, &g, &more));
    TRY(rt_goroutine_frames(st, addr, 0, a, &frames));
    for (size_t i = 0; i < frames.n; i++)
        take_defers(&l, g.more->defer, &frames.v[i]);
    keep_defers(&l, a, ret, ret_n);
    return NULL;
}

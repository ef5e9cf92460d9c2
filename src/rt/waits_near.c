/* waits_near.c - what only the innermost frames of a goroutine tell about its wait.
 *
 * Go: runtime/netpoll.go poll_runtime_pollWait, runtime/select.go selectgo, runtime/sema.go
 * semacquire1, notifyListWait (1.18-1.27).
 *
 * A function that needs an argument after the call that parks it has kept it where the calling
 * convention says: in its caller's frame, above the return address, in the order of the arguments.
 * What is found there is believed only when memory agrees: the pollDesc must name the goroutine,
 * the cases must be those its sudogs stand for, the list of the Cond must have it. */
#include <stdlib.h>

#include "rt/waits_int.h"

enum {
    WINDOW = 1024,
    CHUNK = 2048,
    FRAMES = 8,
    CASES_MAX = 65536,
    NIL_CASES_MAX = 32,
    MOVED_FRAME = 2048, /* bytes of a frame in which arrays are looked for */
    MOVED_NIL_CASES = 8,
    MOVED_TRIES = 20000000, /* for all selects */
    LOWEST = 4096
};

enum near_fn {
    NEAR_OTHER,
    NEAR_SELECT,
    NEAR_POLL,
    NEAR_SEMA,
    NEAR_NOTIFY,
    NEAR_COND,
    NEAR_UNKNOWN
};

struct near_pc {
    int32_t frame;
    uint8_t fn;
};

struct near {
    struct waits *w;
    struct map pcs; /* pc -> index of known */
    VEC(struct near_pc) known;
    struct map lists; /* notifyLists looked at */
};

struct near_frame {
    taddr cfa; /* where its caller's frame begins: its arguments are there */
    uint8_t fn;
};

/* The frames of one goroutine. */
struct near_walk {
    struct near *n;
    taddr at; /* of window */
    const uint8_t *window;
    size_t bytes;
    struct near_frame f[FRAMES];
    unsigned count;
    taddr list; /* what notifyListWait was called for */
};

static const struct near_pc *pc_of(struct near *n, taddr pc)
{
    static const struct {
        const char *name;
        enum near_fn fn;
    } names[] = {{"runtime.selectgo", NEAR_SELECT},
                 {"internal/poll.runtime_pollWait", NEAR_POLL},
                 {"runtime.poll_runtime_pollWait", NEAR_POLL},
                 {"runtime.semacquire1", NEAR_SEMA},
                 {"sync.runtime_notifyListWait", NEAR_NOTIFY},
                 {"runtime.notifyListWait", NEAR_NOTIFY},
                 {"sync.(*Cond).Wait", NEAR_COND}};
    bool added;
    uint32_t i = map_get_or_put(&n->pcs, pc, (uint32_t)n->known.n, &added);
    if (added) {
        struct near_pc k = {.frame = -1, .fn = NEAR_UNKNOWN};
        struct pcln_func f;
        const struct rt_module *m;
        if (rt_func_at(n->w->c->rt, pc, &f, &m) && f.pcsp) {
            k.frame = pcln_frame_size(&m->pcln, &f, pc);
            k.fn = NEAR_OTHER;
            for (size_t j = 0; j < ARRAY_LEN(names); j++)
                if (strcmp(f.name, names[j].name) == 0)
                    k.fn = names[j].fn;
        }
        vec_push(&n->known, k);
    }
    return &n->known.v[i];
}

static bool word_at(const struct near_walk *k, taddr addr, uint64_t *ret)
{
    if (addr - k->at <= k->bytes && addr - k->at + 8 <= k->bytes) {
        memcpy(ret, k->window + (addr - k->at), 8);
        return true;
    }
    return peek_u64(&k->n->w->peek, addr, ret);
}

static uint64_t arg(const struct near_walk *k, unsigned frame, unsigned i)
{
    uint64_t v = 0;
    word_at(k, k->f[frame].cfa + 8 * i, &v);
    return v;
}

static void walk(struct near_walk *k, const struct rt_g *g)
{
    taddr pc = g->sched_pc, sp = g->sched_sp;
    while (k->count < FRAMES && sp >= g->stack_lo && sp < g->stack_hi) {
        const struct near_pc *known = pc_of(k->n, pc);
        if (known->frame < 0)
            return;
        taddr cfa = sp + (taddr)known->frame + 8;
        k->f[k->count++] = (struct near_frame){.cfa = cfa, .fn = known->fn};
        if (cfa <= sp || !word_at(k, cfa - 8, &pc))
            return;
        sp = cfa;
    }
}

/* ---- cases of selects ----
 *
 * selectgo gets an array of cases {channel, element} and room for two orders of their numbers: in
 * which to look at them, and in which to lock their channels; g.waiting has the sudogs in the
 * latter. Cases on nil channels are in neither.  How many cases there are stands nowhere that is
 * kept: it is the distance at which the second order agrees with the sudogs.
 *
 * While selectgo waits nobody needs its arguments any more, so a stack that is copied meanwhile
 * may leave the pointers among them as they were: into what the stack was before.  The arrays lie
 * in the caller's frame, where they are looked for.  All of it mostly lies in the window; what does
 * not is read afterwards. */

struct cases {
    struct waits *w;
    const struct wait_select *s;
    size_t first, n;       /* its records */
    const uint64_t *array; /* 2 words each */
    const uint16_t *order;
    uint32_t room; /* cases that array has */
};

static size_t first_of(const struct waits *w, uint32_t gi)
{
    size_t lo = 0, hi = w->sorted;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (w->all.v[mid].gi < gi)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool agrees(const struct cases *x, uint32_t total)
{
    for (size_t k = 0; k < x->n; k++) {
        const struct wait_record *r = &x->w->all.v[x->first + k];
        uint32_t i = x->order[total + k];
        if (i >= total || x->array[2 * i] != r->chan || x->array[2 * i + 1] != r->elem)
            return false;
    }
    for (uint32_t i = 0, used = 0; i < total; i++) /* those with a channel are those in the order */
        if (x->array[2 * i] && ++used > x->n)
            return false;
    return true;
}

/* The number of a case among the sends, or among the receives: the compiler puts the sends first,
 * and the receives behind them from the last to the first (cmd/compile/internal/walk/select.go). */
static uint16_t case_no(const struct cases *x, uint32_t i, uint32_t total)
{
    return (uint16_t)(i < x->s->sends ? i + 1 : total - i);
}

static void number(const struct cases *x, uint32_t total)
{
    for (size_t k = 0; k < x->n; k++) {
        struct wait_record *r = &x->w->all.v[x->first + k];
        r->case_no = case_no(x, x->order[total + k], total);
        r->all_cases = true;
    }
    for (uint32_t i = 0; i < total; i++)
        if (!x->array[2 * i])
            waits_add(x->w, &(struct wait_record){.gi = x->s->gi,
                                                  .order = UINT32_MAX,
                                                  .kind = i < x->s->sends ? SNAP_W_SELECT_SEND
                                                                          : SNAP_W_SELECT_RECV,
                                                  .case_no = case_no(x, i, total),
                                                  .is_select = true,
                                                  .all_cases = true,
                                                  .nil_case = true});
}

/* A select and its records; room: of its cases, as far as its stack and sense go. */
static struct cases cases_of(struct waits *w, const struct wait_select *s)
{
    struct cases x = {.w = w, .s = s, .first = first_of(w, s->gi)};
    taddr hi = w->c->gs[s->gi].g.stack_hi;
    while (x.first + x.n < w->sorted && w->all.v[x.first + x.n].gi == s->gi)
        x.n++;
    uint64_t room = min_u64(max_u64(x.n, s->sends) + NIL_CASES_MAX, CASES_MAX);
    x.room = (uint32_t)min_u64(room, min_u64((hi - s->cases) / 16, (hi - s->order) / 4));
    return x;
}

static bool match(struct cases *x)
{
    for (uint32_t total = (uint32_t)max_u64(x->n, x->s->sends); total <= x->room; total++)
        if (agrees(x, total)) {
            number(x, total);
            return true;
        }
    return false;
}

/* Whether a select was matched with what is in the window, or never can be. */
static bool match_here(const struct near_walk *k, const struct wait_select *s)
{
    struct cases x = cases_of(k->n->w, s);
    uint64_t cases = s->cases - k->at, order = s->order - k->at;
    if (!x.n)
        return true;
    if (cases >= k->bytes || order >= k->bytes || cases % 8 || order % 2)
        return false;
    uint64_t seen = min_u64((k->bytes - cases) / 16, (k->bytes - order) / 4);
    bool all = seen >= x.room;
    x.room = (uint32_t)min_u64(seen, x.room);
    x.array = (const uint64_t *)(const void *)(k->window + cases);
    x.order = (const uint16_t *)(const void *)(k->window + order);
    if (match(&x))
        return true;
    if (all)
        vec_push(&k->n->w->moved, *s);
    return all;
}

/* ---- what the frames say ---- */

/* Whether there is a pollDesc at pd that says that this goroutine waits for it. */
static bool try_poll(struct waits *w, uint32_t gi, taddr pd)
{
    const struct rt_layout *l = &w->c->rt->layout;
    uint8_t p[512];
    int32_t size = l->size[RT_STRUCT_polldesc];
    taddr g = w->c->gs[gi].g.addr;
    if (pd < LOWEST || pd % 8 || size <= 0 || (size_t)size > sizeof(p) ||
        !peek(&w->peek, pd, p, (size_t)size))
        return false;
    bool reads = rt_get(l, p, RT_polldesc_rg) == g, writes = rt_get(l, p, RT_polldesc_wg) == g;
    if (!reads && !writes)
        return false;
    bool added;
    map_get_or_put(&w->poll_by_addr, pd, (uint32_t)w->polls.n, &added);
    if (added)
        vec_push(&w->polls, ((struct wait_poll){.addr = pd,
                                                .fd = (int64_t)rt_get(l, p, RT_polldesc_fd),
                                                .rd = rt_get_i(l, p, RT_polldesc_rd),
                                                .wd = rt_get_i(l, p, RT_polldesc_wd),
                                                .closing = rt_get(l, p, RT_polldesc_closing) & 1}));
    struct wait_record r = {
        .gi = gi, .elem = pd, .kind = reads ? SNAP_W_READ : SNAP_W_WRITE, .queued = true};
    waits_add(w, &r);
    return true;
}

/* Without optimisation older compilers keep the argument somewhere in the frame itself. */
static void take_poll(struct near_walk *k, uint32_t gi, unsigned frame)
{
    uint64_t v;
    if (try_poll(k->n->w, gi, arg(k, frame, 0)))
        return;
    for (taddr at = frame ? k->f[frame - 1].cfa : k->at; at + 16 < k->f[frame].cfa; at += 8)
        if (word_at(k, at, &v) && try_poll(k->n->w, gi, v))
            return;
}

static bool on_stack(const struct rt_g *g, taddr addr)
{
    return addr >= g->stack_lo && addr < g->stack_hi;
}

static void take_select(struct near_walk *k, uint32_t gi, unsigned frame)
{
    struct waits *w = k->n->w;
    const struct rt_g *g = &w->c->gs[gi].g;
    struct wait_select s = {.gi = gi, .cases = arg(k, frame, 0), .order = arg(k, frame, 1)};
    uint64_t sends = arg(k, frame, 3);
    if (!g->waiting || !s.cases || !s.order || sends > CASES_MAX)
        return;
    s.sends = (uint32_t)sends;
    s.lo = k->f[frame].cfa;
    s.hi = frame + 1 < k->count ? k->f[frame + 1].cfa : s.lo;
    if (!on_stack(g, s.cases) || !on_stack(g, s.order))
        vec_push(&w->moved, s);
    else if (!match_here(k, &s))
        vec_push(&w->selects, s);
}

/* A semaphore that the table does not have it queued for: it was taken out and did not run yet.
 * Without optimisation older compilers keep something else there: it must be memory at least. */
static void take_sema(struct near_walk *k, uint32_t gi, unsigned frame)
{
    struct waits *w = k->n->w;
    struct wait_record r = {.gi = gi, .elem = arg(k, frame, 0)};
    uint32_t value;
    if (r.elem >= LOWEST && r.elem % 4 == 0 && !w->has[gi] &&
        peek(&w->peek, r.elem, &value, sizeof(value)))
        waits_add(w, &r);
}

/* Whether a goroutine that may run was taken out of this list: there is a list whose tickets were
 * given out, and were called. */
static bool is_signalled(struct waits *w, uint32_t gi, taddr list)
{
    const struct rt_layout *l = &w->c->rt->layout;
    uint32_t given = 0, called = 0;
    return rt_gstatus(l, w->c->gs[gi].g.status) == SNAP_G_RUNNABLE && list % 8 == 0 &&
           rt_has(l, RT_notifylist_wait) && rt_has(l, RT_notifylist_notify) &&
           peek(&w->peek, list + (taddr)l->off[RT_notifylist_wait], &given, 4) &&
           peek(&w->peek, list + (taddr)l->off[RT_notifylist_notify], &called, 4) && called &&
           given - called < INT32_MAX;
}

/* Whether Cond.Wait, whose frame this is, works on the Cond with this list. */
static bool has_cond(const struct near_walk *k, unsigned frame, taddr list)
{
    const struct rt_layout *l = &k->n->w->c->rt->layout;
    taddr cond = list - (rt_has(l, RT_cond_notify) ? (taddr)l->off[RT_cond_notify] : 0);
    uint64_t v;
    for (taddr at = frame ? k->f[frame - 1].cfa : k->at; at < k->f[frame].cfa + 8; at += 8)
        if (word_at(k, at, &v) && (v == list || v == cond))
            return true;
    return false;
}

/* The list of the Cond is an argument of notifyListWait, and lies in the Cond that Wait works on.
 * Each list is looked at once, and tells itself who is in it; one that is in none was signalled. */
static void take_cond(struct near_walk *k, uint32_t gi, unsigned frame)
{
    struct waits *w = k->n->w;
    const struct rt_layout *l = &w->c->rt->layout;
    bool outer = k->f[frame].fn == NEAR_COND, added;
    taddr list = arg(k, frame, 0);
    if (outer && list)
        list += rt_has(l, RT_cond_notify) ? (taddr)l->off[RT_cond_notify] : 0;
    if (list)
        if (map_get_or_put(&k->n->lists, list, 0, &added), added)
            waits_read_cond(w, list);
    if (!outer)
        k->list = list;
    else if (k->list && !w->has[gi] && has_cond(k, frame, k->list) &&
             is_signalled(w, gi, k->list)) {
        struct wait_record r = {.gi = gi, .elem = k->list};
        waits_sync(w, k->list, true);
        waits_add(w, &r);
    }
}

static void take(struct near_walk *k, uint32_t gi)
{
    struct waits *w = k->n->w;
    walk(k, &w->c->gs[gi].g);
    for (unsigned i = 0; i < k->count; i++)
        switch ((enum near_fn)k->f[i].fn) {
        case NEAR_SELECT:
            take_select(k, gi, i);
            return;
        case NEAR_POLL:
            take_poll(k, gi, i);
            return;
        case NEAR_SEMA:
            take_sema(k, gi, i);
            return;
        case NEAR_NOTIFY:
        case NEAR_COND:
            if (!w->has[gi])
                take_cond(k, gi, i);
            break;
        default:
            break;
        }
}

/* Whether its frames can tell more than its structure did. */
static bool is_of_interest(struct waits *w, uint32_t gi)
{
    const struct capture *c = w->c;
    enum snap_gstatus st = rt_gstatus(&c->rt->layout, c->gs[gi].g.status);
    if (c->gs[gi].row == SNAP_NONE || c->gs[gi].source != G_SAVED || c->gs[gi].g.more->syscallsp)
        return false;
    if (st == SNAP_G_RUNNABLE)
        return !c->gs[gi].g.waiting;
    if (st != SNAP_G_WAITING && st != SNAP_G_LEAKED)
        return false;
    if (waits_for(w, gi, WAIT_FOR_SELECT | WAIT_FOR_IO))
        return true;
    return !w->has[gi] && waits_for(w, gi, WAIT_FOR_SYNC);
}

static struct err *near_chunk(struct near *n, const uint32_t *gi, size_t count)
{
    struct capture *c = n->w->c;
    taddr *addr = mem_alloc(count * sizeof(*addr));
    bool *ok = mem_alloc(count);
    uint8_t *copies = mem_alloc(count * WINDOW);
    for (size_t i = 0; i < count; i++)
        addr[i] = c->gs[gi[i]].g.sched_sp;
    struct err *e = rt_read_pieces(c->t, addr, count, WINDOW, copies, ok);
    for (size_t i = 0; !e && i < count; i++) {
        struct near_walk k = {
            .n = n, .at = addr[i], .window = copies + i * WINDOW, .bytes = ok[i] ? WINDOW : 0};
        take(&k, gi[i]);
    }
    free(copies);
    free(ok);
    free(addr);
    return e;
}

struct err *waits_near(struct waits *w)
{
    struct near n = {.w = w};
    VEC(uint32_t) who = {0};
    for (uint32_t gi = 0; gi < w->c->ngs; gi++)
        if (is_of_interest(w, gi))
            vec_push(&who, gi);
    struct err *e = NULL;
    for (size_t i = 0; !e && i < who.n; i += CHUNK)
        e = near_chunk(&n, who.v + i, min_u64(CHUNK, who.n - i));
    vec_free(&who);
    vec_free(&n.known);
    map_free(&n.pcs);
    map_free(&n.lists);
    return e;
}

/* ---- the cases that were not in the windows ---- */

/* Whether the order in which to look has the same numbers as that in which to lock, each once. */
static bool is_order(const struct cases *x, uint32_t total)
{
    for (size_t k = 0; k < x->n; k++) {
        unsigned looked = 0, locked = 0;
        for (size_t i = 0; i < x->n; i++) {
            looked += x->order[i] == x->order[total + k];
            locked += x->order[total + i] == x->order[total + k];
        }
        if (looked != 1 || locked != 1)
            return false;
    }
    return true;
}

/* The frame of a select's caller, and where in it the array of cases and the order may be. */
struct moved {
    struct cases x;
    uint8_t *frame;
    uint64_t bytes;
};

static bool try_moved(struct moved *m, uint32_t total, uint64_t cases, uint64_t order)
{
    struct cases *x = &m->x;
    if (cases + 16 * (uint64_t)total > m->bytes || order + 4 * (uint64_t)total > m->bytes)
        return false;
    x->array = (const uint64_t *)(const void *)(m->frame + cases);
    x->order = (const uint16_t *)(const void *)(m->frame + order);
    if (!agrees(x, total) || !is_order(x, total))
        return false;
    number(x, total);
    return true;
}

/* Whether the first of cases at this place can be: on a nil channel, or on one that is waited for.
 */
static bool may_begin(const struct moved *m, uint64_t at)
{
    uint64_t chan;
    memcpy(&chan, m->frame + at, 8);
    bool may = !chan;
    for (size_t k = 0; !may && k < m->x.n; k++)
        may = m->x.w->all.v[m->x.first + k].chan == chan;
    return may;
}

static bool find_moved(struct moved *m, uint32_t total)
{
    uint64_t given = m->x.s->cases - m->x.s->lo;
    bool known = given + 16 <= m->bytes && given < m->bytes;
    uint64_t lo = known ? given : 0, hi = known ? given + 16 : m->bytes;
    for (uint64_t cases = lo; cases + 16 <= hi; cases += 8)
        for (uint64_t order = 0; may_begin(m, cases) && order + 4 <= m->bytes; order += 2)
            if (m->x.w->moved_tries++ < MOVED_TRIES && try_moved(m, total, cases, order))
                return true;
    return false;
}

/* The two arrays of a stack that was copied; as few cases as agree, since what lies before and
 * behind can look like more of them.  A single case agrees with too much. */
static void match_moved(struct waits *w, const struct wait_select *s)
{
    struct moved m = {.x = cases_of(w, s), .bytes = s->hi - s->lo};
    uint32_t least = (uint32_t)max_u64(m.x.n, s->sends);
    if (m.x.n < 2 || s->hi <= s->lo || m.bytes > MOVED_FRAME)
        return;
    m.frame = mem_alloc(m.bytes);
    struct err *e = target_read(w->c->t, s->lo, m.frame, m.bytes);
    for (uint32_t n = 0; !e && n <= MOVED_NIL_CASES; n++)
        if (find_moved(&m, least + n))
            break;
    err_free(e);
    free(m.frame);
}

/* The n selects from s on; what cannot be read, or does not fit, stays without numbers. */
static struct err *read_some(struct waits *w, const struct wait_select *s, size_t n)
{
    struct rt_batch b = {0};
    struct cases *v = mem_alloc(n * sizeof(*v));
    struct arena mem;
    arena_init(&mem);
    for (size_t i = 0; i < n; i++) {
        struct cases *x = &v[i];
        *x = cases_of(w, &s[i]);
        x->array = arena_alloc(&mem, x->room * 16 + 8);
        x->order = arena_alloc(&mem, x->room * 4 + 8);
        rt_batch_add(&b, s[i].cases, (void *)x->array, x->room * 16);
        rt_batch_add(&b, s[i].order, (void *)x->order, x->room * 4);
    }
    struct err *e = rt_batch_read(&b, w->c->t);
    for (size_t i = 0; !e && i < n; i++)
        if (v[i].n && b.iov.v[2 * i].ok && b.iov.v[2 * i + 1].ok)
            if (!match(&v[i]))
                vec_push(&w->moved, s[i]);
    rt_batch_free(&b);
    arena_free(&mem);
    free(v);
    return e;
}

struct err *waits_read_cases(struct waits *w)
{
    struct err *e = NULL;
    for (size_t i = 0; !e && i < w->selects.n; i += CHUNK)
        e = read_some(w, w->selects.v + i, min_u64(CHUNK, w->selects.n - i));
    for (size_t i = 0; !e && i < w->moved.n; i++)
        match_moved(w, &w->moved.v[i]);
    return e;
}

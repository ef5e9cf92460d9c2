/* waits.c - what goroutines wait for: channels, locks, condition variables, files.
 *
 * Go: runtime/runtime2.go sudog, g.waiting; runtime/select.go (1.18-1.27).
 *
 * g.waiting links the sudogs of channel operations, one for each case of a select; since 1.26 those
 * of semaphores and Cond, too.  Before, a semaphore's waiters are found from the table of
 * semaphores, a Cond's from its list (waits_queue.c).  waits_int.h says which file does what. */
#include <stdlib.h>

#include "rt/waits_int.h"

enum { CASES_MAX = 65536, SUDOGS_MAX = 1 << 26 };

static struct wait_record parse_sudog(const struct rt_layout *l, uint32_t gi, taddr addr,
                                      const uint8_t *p)
{
    return (struct wait_record){
        .gi = gi,
        .sudog = addr,
        .next = rt_get(l, p, RT_sudog_next),
        .chan = rt_get(l, p, RT_sudog_c),
        .elem = rt_get(l, p, RT_sudog_elem),
        .ticket = (uint32_t)rt_get(l, p, RT_sudog_ticket),
        .is_select = rt_get(l, p, RT_sudog_is_select) != 0,
    };
}

struct pending {
    uint32_t gi, cases;
    taddr sudog;
};

/* The lists g.waiting of n goroutines, all in step: the k-th sudogs of all are read together. */
void capture_sudogs(struct capture *c, struct worker *w, const uint32_t *gi, size_t n)
{
    const struct rt_layout *l = &c->rt->layout;
    size_t size = (size_t)l->size[RT_STRUCT_sudog], left = 0;
    struct pending *p = mem_alloc(n * sizeof(*p) + 1);
    for (size_t i = 0; i < n; i++)
        if (c->gs[gi[i]].g.waiting && !c->o->goroutines_only)
            p[left++] = (struct pending){gi[i], 0, c->gs[gi[i]].g.waiting};
    uint8_t *copies = left ? mem_alloc(left * size) : NULL;
    taddr *addr = mem_alloc(left * sizeof(*addr) + 1);
    bool *ok = mem_alloc(left + 1);
    while (left) {
        for (size_t i = 0; i < left; i++)
            addr[i] = p[i].sudog;
        struct err *e = rt_read_pieces(c->t, addr, left, size, copies, ok);
        size_t next = 0;
        for (size_t i = 0; !e && i < left; i++) {
            const uint8_t *copy = copies + i * size;
            if (!ok[i] || rt_get(l, copy, RT_sudog_g) != c->gs[p[i].gi].g.addr)
                continue; /* it was given to somebody else */
            struct wait_record r = parse_sudog(l, p[i].gi, p[i].sudog, copy);
            vec_push(&w->waits, r);
            taddr link = rt_get(l, copy, RT_sudog_waitlink);
            if (link && p[i].cases + 1 < CASES_MAX)
                p[next++] = (struct pending){p[i].gi, p[i].cases + 1, link};
        }
        err_free(e);
        left = next;
    }
    free(ok);
    free(addr);
    free(copies);
    free(p);
}

/* ---- records ---- */

static uint8_t reason_bits(const char *reason)
{
    static const struct {
        const char *begins;
        uint8_t bits;
    } known[] = {{"select", WAIT_FOR_SELECT},  {"IO wait", WAIT_FOR_IO},
                 {"sync.", WAIT_FOR_SYNC},     {"semacquire", WAIT_FOR_SYNC},
                 {"sync.Cond", WAIT_FOR_COND}, {"coroutine", WAIT_FOR_CORO}};
    uint8_t bits = WAIT_REASON_KNOWN;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        bits |= strncmp(reason, known[i].begins, strlen(known[i].begins)) == 0 ? known[i].bits : 0;
    return bits | (strcmp(reason, "sleep") == 0 ? WAIT_FOR_TIME : 0);
}

/* Only those that wait have a reason. */
bool waits_for(struct waits *w, uint32_t gi, enum wait_reason bits)
{
    const struct snap *s = w->c->s;
    const struct goroutine *g = &w->c->gs[gi];
    if (g->row == SNAP_NONE || !s->goroutine.wait_reason[g->row])
        return false;
    uint8_t *of = &w->reasons[g->g.wait_reason];
    if (!*of)
        *of = reason_bits(snap_str(s, s->goroutine.wait_reason[g->row]));
    return (*of & bits) != 0;
}

struct wait_sudog *waits_sudog(struct waits *w, taddr addr)
{
    bool added;
    uint32_t i = map_get_or_put(&w->sudog_at, addr, (uint32_t)w->sudogs.n, &added);
    if (added)
        vec_push(&w->sudogs, ((struct wait_sudog){.record = SNAP_NONE}));
    return &w->sudogs.v[i];
}

bool waits_is_queued(const struct waits *w, taddr sudog)
{
    uint32_t i = sudog ? map_get(&w->sudog_at, sudog) : MAP_NONE;
    return i != MAP_NONE && w->sudogs.v[i].queued;
}

void waits_add(struct waits *w, const struct wait_record *r)
{
    if (w->c->gs[r->gi].row == SNAP_NONE)
        return;
    vec_push(&w->all, *r);
    w->has[r->gi] = true;
}

struct wait_sync *waits_sync(struct waits *w, taddr addr, bool cond)
{
    bool added;
    uint32_t i = map_get_or_put(&w->sync_by_addr, addr, (uint32_t)w->syncs.n, &added);
    if (added) {
        struct wait_sync *s;
        vec_reserve(&w->syncs, w->syncs.n + 1);
        s = &w->syncs.v[w->syncs.n++];
        memset(s, 0, sizeof(*s));
        s->addr = addr;
        s->cond = cond;
        s->object = SNAP_NONE;
    }
    return &w->syncs.v[i];
}

static int by_goroutine(const void *a, const void *b)
{
    const struct wait_record *x = a, *y = b;
    if (x->gi != y->gi)
        return x->gi < y->gi ? -1 : 1;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return x->case_no < y->case_no ? -1 : x->case_no > y->case_no;
}

static void sort(struct waits *w)
{
    if (w->all.n)
        qsort(w->all.v, w->all.n, sizeof(*w->all.v), by_goroutine);
    w->sorted = w->all.n;
}

/* Takes over what the workers found. */
static void gather(struct waits *w)
{
    struct capture *c = w->c;
    size_t n = 0;
    for (unsigned i = 0; i < c->nworkers; i++)
        n += c->workers[i].waits.n;
    vec_reserve(&w->all, n);
    for (unsigned i = 0; i < c->nworkers; i++) {
        for (size_t k = 0; k < c->workers[i].waits.n; k++) {
            struct wait_record r = c->workers[i].waits.v[k];
            r.order = (uint32_t)k;
            waits_add(w, &r);
        }
        vec_free(&c->workers[i].waits);
    }
}

/* The semaphores and Conds that records name; the lists of Conds are read once each. */
static void find_syncs(struct waits *w)
{
    size_t n = w->all.n;
    for (size_t i = 0; i < n; i++) {
        struct wait_record *r = &w->all.v[i];
        if (r->chan || !r->elem || r->kind)
            continue;
        bool cond = waits_for(w, r->gi, WAIT_FOR_COND);
        if (cond && !waits_is_queued(w, r->sudog) && map_get(&w->sync_by_addr, r->elem) == MAP_NONE)
            waits_read_cond(w, r->elem);
        waits_sync(w, w->all.v[i].elem, cond);
    }
}

/* ---- rows ---- */

static enum snap_waitkind kind_of(struct waits *w, const struct wait_record *r)
{
    if (r->kind)
        return (enum snap_waitkind)r->kind;
    if (!r->chan)
        return waits_sync(w, r->elem, false)->cond ? SNAP_W_COND : SNAP_W_SEMA;
    if (r->is_select)
        return r->sends ? SNAP_W_SELECT_SEND : SNAP_W_SELECT_RECV;
    return r->sends ? SNAP_W_CHAN_SEND : SNAP_W_CHAN_RECV;
}

/* The row of the object that holds addr; SNAP_NONE: not on the heap. */
static uint32_t object_row(struct waits *w, const struct wait_record *r)
{
    struct capture *c = w->c;
    struct snap *s = c->s;
    taddr addr = r->chan ? r->chan : r->elem;
    uint32_t row = map_get(&w->objs, addr);
    if (row != MAP_NONE)
        return row == 0 ? SNAP_NONE : row - 1;
    struct rt_object o = {.base = addr};
    uint32_t type = 0;
    if (r->chan) {
        type = waits_chan_type(w, addr);
    } else if (rt_find_object(&c->heap, addr, &o)) {
        type = intern_add(&s->strings, o.type ? rt_type_name(c->rt, c->t, &c->arena, o.type) : "");
    } else {
        map_put(&w->objs, addr, 0);
        return SNAP_NONE;
    }
    row = snap_add_heapobj(s);
    s->heapobj.addr[row] = o.base;
    s->heapobj.type_name[row] = type;
    s->heapobj.fingerprint[row] = snap_fingerprint(type, (uint32_t)(addr - o.base));
    map_put(&w->objs, addr, row + 1);
    return row;
}

static uint8_t flags_of(const struct waits *w, const struct wait_record *r)
{
    return (uint8_t)((r->queued                   ? SNAP_WF_QUEUED
                      : w->c->live || r->nil_case ? 0
                                                  : SNAP_WF_GRANTED) |
                     (r->all_cases ? SNAP_WF_CASES : 0) | (r->nil_case ? SNAP_WF_NIL_CASE : 0));
}

static void add_rows(struct waits *w)
{
    struct snap *s = w->c->s;
    for (size_t i = 0; i < w->all.n; i++) {
        const struct wait_record *r = &w->all.v[i];
        uint32_t row = snap_add_wait(s), g = w->c->gs[r->gi].row;
        enum snap_waitkind kind = kind_of(w, r);
        s->wait.goroutine[row] = g;
        s->wait.kind[row] = (uint8_t)kind;
        s->wait.addr[row] = r->chan ? r->chan : r->elem;
        s->wait.elem[row] = r->chan ? r->elem : 0;
        s->wait.sudog[row] = r->sudog;
        s->wait.flags[row] = flags_of(w, r);
        s->wait.case_no[row] = r->case_no;
        if (kind == SNAP_W_COND || (kind == SNAP_W_SEMA && s->wait.flags[row] & SNAP_WF_GRANTED))
            s->wait.ticket[row] = r->ticket;
        if (kind == SNAP_W_READ || kind == SNAP_W_WRITE || r->nil_case)
            continue; /* not on the heap */
        uint32_t obj = object_row(w, r);
        if (obj != SNAP_NONE) {
            uint32_t ref = snap_add_heapref(s);
            s->heapref.goroutine[ref] = g;
            s->heapref.heapobj[ref] = obj;
        }
    }
}

/* ---- time.Sleep ---- */

/* Since 1.23 g.sleepWhen; before, the time stands in the timer of the goroutine. */
static void read_sleepers(struct waits *w)
{
    struct capture *c = w->c;
    const struct rt_layout *l = &c->rt->layout;
    for (size_t i = 0; i < c->ngs; i++) {
        const struct rt_g *g = &c->gs[i].g;
        if (!waits_for(w, (uint32_t)i, WAIT_FOR_TIME))
            continue;
        int64_t when = g->more->sleep_when;
        if (!rt_has(l, RT_g_sleep_when) && g->more->timer && rt_has(l, RT_timer_when))
            peek(&w->peek, g->more->timer + (taddr)l->off[RT_timer_when], &when, sizeof(when));
        c->s->goroutine.sleep_until[c->gs[i].row] = when;
    }
}

/* ---- the order of things ---- */

static struct err *read_waits(struct waits *w)
{
    gather(w);
    TRY(waits_read_semtable(w));
    find_syncs(w);
    peeker_free(&w->peek); /* pages of sudogs: what follows reads others */
    sort(w);
    TRY(waits_near(w));
    find_syncs(w);
    TRY(waits_read_cases(w));
    waits_read_coros(w);
    sort(w);
    waits_find_chans(w);
    TRY(waits_read_chans(w));
    TRY(waits_read_syncs(w));
    TRY(waits_read_polls(w));
    read_sleepers(w);
    peeker_free(&w->peek);
    add_rows(w);
    waits_find_words(w);
    return NULL;
}

/* Once they have their rows. */
static void forget_records(struct waits *w)
{
    vec_free(&w->all);
    vec_free(&w->sudogs);
    map_free(&w->sudog_at);
    vec_free(&w->selects);
    vec_free(&w->moved);
    free(w->has);
    w->has = NULL;
}

struct err *capture_waits(struct capture *c)
{
    struct waits *w = c->waits = mem_alloc(sizeof(*w));
    w->c = c;
    w->peek.t = c->t;
    w->has = mem_alloc(c->ngs + 1);
    rt_heap_open(&c->heap, c->rt, c->t);
    struct err *e = read_waits(w);
    rt_heap_close(&c->heap);
    peeker_free(&w->peek);
    forget_records(w);
    return e;
}

/* Objects in the order of addresses, and what refers to them. */
void capture_waits_finish(struct capture *c)
{
    struct waits *w = c->waits;
    if (!w)
        return;
    waits_chan_rows(w);
    waits_lock_rows(w);
    waits_name(w);
}

void capture_waits_free(struct capture *c)
{
    struct waits *w = c->waits;
    if (!w)
        return;
    forget_records(w);
    vec_free(&w->chans);
    vec_free(&w->syncs);
    vec_free(&w->polls);
    vec_free(&w->coros);
    vec_free(&w->starts);
    vec_free(&w->unknown);
    map_free(&w->begins);
    map_free(&w->start_at);
    map_free(&w->chan_by_addr);
    map_free(&w->sync_by_addr);
    map_free(&w->poll_by_addr);
    map_free(&w->objs);
    map_free(&w->types);
    free(w);
    c->waits = NULL;
}

/* waits.c - what goroutines wait for: channels, semaphores, condition variables.
 *
 * Go: runtime/runtime2.go sudog, g.waiting; runtime/chan.go hchan, waitq; runtime/select.go;
 * runtime/sema.go semtable, semaRoot (1.18-1.27).
 *
 * g.waiting links the sudogs of channel operations, one for each case of a select; since 1.26 those
 * of semaphores and Cond, too.  Before, a semaphore's waiters are found from the table of
 * semaphores: a tree of addresses, with equal addresses in a list.  A sudog does not say whether it
 * sends or receives: it sends when it is in its channel's sendq. */
#include <stdlib.h>

#include "rt/capture_int.h"

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
        .is_select = rt_get(l, p, RT_sudog_is_select) != 0,
    };
}

struct pending {
    uint32_t gi, cases;
    taddr sudog;
};

/* The lists g.waiting of n goroutines, all in step: one read for the k-th sudog of each. */
void capture_sudogs(struct capture *c, struct worker *w, const uint32_t *gi, size_t n)
{
    const struct rt_layout *l = &c->rt->layout;
    size_t size = (size_t)l->size[RT_STRUCT_sudog], left = 0;
    struct pending *p = mem_alloc(n * sizeof(*p) + 1);
    for (size_t i = 0; i < n; i++)
        if (c->gs[gi[i]].g.waiting)
            p[left++] = (struct pending){gi[i], 0, c->gs[gi[i]].g.waiting};
    uint8_t *copies = left ? mem_alloc(left * size) : NULL;
    struct rt_batch reads = {0};
    while (left) {
        reads.iov.n = 0;
        for (size_t i = 0; i < left; i++)
            rt_batch_add(&reads, p[i].sudog, copies + i * size, size);
        struct err *e = rt_batch_read(&reads, c->t);
        err_free(e);
        size_t next = 0;
        for (size_t i = 0; !e && i < left; i++) {
            const uint8_t *copy = copies + i * size;
            if (!reads.iov.v[i].ok || rt_get(l, copy, RT_sudog_g) != c->gs[p[i].gi].g.addr)
                continue; /* it was given to somebody else */
            struct wait_record r = parse_sudog(l, p[i].gi, p[i].sudog, copy);
            vec_push(&w->waits, r);
            taddr link = rt_get(l, copy, RT_sudog_waitlink);
            if (link && p[i].cases + 1 < CASES_MAX)
                p[next++] = (struct pending){p[i].gi, p[i].cases + 1, link};
        }
        left = next;
    }
    rt_batch_free(&reads);
    free(copies);
    free(p);
}

/* ---- semaphores by their table ---- */

static const char *reason_of(const struct capture *c, const struct goroutine *g)
{
    return g->row == SNAP_NONE ? "" : snap_str(c->s, c->s->goroutine.wait_reason[g->row]);
}

static bool waits_for_semaphore(const char *reason)
{
    static const char *const reasons[] = {"semacquire", "sync.Mutex.Lock", "sync.RWMutex.Lock",
                                          "sync.RWMutex.RLock", "sync.WaitGroup.Wait"};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (strncmp(reason, reasons[i], strlen(reasons[i])) == 0)
            return true;
    return false;
}

/* Whether somebody waits for a semaphore without having said so in g.waiting. */
static bool needs_table(const struct capture *c)
{
    for (size_t i = 0; i < c->ngs; i++)
        if (c->gs[i].row != SNAP_NONE && !c->gs[i].g.waiting &&
            waits_for_semaphore(reason_of(c, &c->gs[i])))
            return true;
    return false;
}

struct table_walk {
    struct capture *c;
    VEC(taddr) todo;
    struct map seen;
};

static void visit(struct table_walk *w, taddr sudog)
{
    bool added;
    if (sudog && w->seen.n < SUDOGS_MAX)
        if (map_get_or_put(&w->seen, sudog, 0, &added), added)
            vec_push(&w->todo, sudog);
}

static void take_node(struct table_walk *w, taddr sudog, const uint8_t *p)
{
    const struct rt_layout *l = &w->c->rt->layout;
    uint32_t gi = capture_g_index(w->c, rt_get(l, p, RT_sudog_g));
    visit(w, rt_get(l, p, RT_sudog_prev));
    visit(w, rt_get(l, p, RT_sudog_next));
    visit(w, rt_get(l, p, RT_sudog_waitlink));
    if (gi == SNAP_NONE || w->c->gs[gi].g.waiting)
        return;
    struct wait_record r = parse_sudog(l, gi, sudog, p);
    r.chan = 0;
    vec_push(&w->c->workers[0].waits, r);
}

/* The sudogs of the table: children of a tree node are prev and next, waiters for the same address
 * hang on waitlink.  Level by level, each level in one read. */
static struct err *walk_table(struct table_walk *w)
{
    size_t size = (size_t)w->c->rt->layout.size[RT_STRUCT_sudog];
    struct err *e = NULL;
    while (!e && w->todo.n) {
        size_t n = w->todo.n;
        taddr *level = w->todo.v;
        uint8_t *copies = mem_alloc(n * size);
        bool *ok = mem_alloc(n);
        w->todo.v = NULL;
        w->todo.n = w->todo.cap = 0;
        e = rt_read_pieces(w->c->t, level, n, size, copies, ok);
        for (size_t i = 0; !e && i < n; i++)
            if (ok[i])
                take_node(w, level[i], copies + i * size);
        free(ok);
        free(copies);
        free(level);
    }
    return e;
}

static struct err *read_semtable(struct capture *c)
{
    const struct rt_layout *l = &c->rt->layout;
    size_t size = (size_t)l->size[RT_STRUCT_semtable], slot = l->width[RT_semtable_slot];
    if (!G(c->rt, semtable) || l->size[RT_STRUCT_semtable] <= 0 || !slot) {
        snap_note_missing(c->s, 1, "the table of semaphores",
                          "the variable runtime.semtable was not found");
        return NULL;
    }
    struct table_walk w = {.c = c};
    uint8_t *table = mem_alloc(size);
    struct err *e = target_read(c->t, G(c->rt, semtable), table, size);
    for (size_t at = 0; !e && at + slot <= size; at += slot)
        visit(&w, rt_get(l, table + at, RT_semaroot_treap));
    if (!e)
        e = walk_table(&w);
    vec_free(&w.todo);
    map_free(&w.seen);
    free(table);
    return e;
}

/* ---- rows ---- */

struct chan {
    taddr addr;
    taddr sendq; /* first sudog */
    taddr elemtype;
};

struct waits {
    struct capture *c;
    VEC(struct wait_record) all; /* in the order of goroutines */
    VEC(struct chan) chans;
    struct map chan_by_addr;
    struct map by_sudog; /* sudog -> index into all */
    VEC(uint8_t) sends;  /* of all: it is in a sendq */
    struct map objs;     /* address -> row of heapobj + 1; 0: not on the heap */
    struct map types;    /* element type -> string id of the channel's type */
};

static int by_goroutine(const void *a, const void *b)
{
    const struct wait_record *x = a, *y = b;
    return x->gi != y->gi ? (x->gi < y->gi ? -1 : 1) : x->order < y->order ? -1 : 1;
}

static void gather(struct waits *w)
{
    struct capture *c = w->c;
    for (unsigned i = 0; i < c->nworkers; i++)
        for (size_t k = 0; k < c->workers[i].waits.n; k++) {
            struct wait_record r = c->workers[i].waits.v[k];
            r.order = (uint32_t)k;
            if (c->gs[r.gi].row != SNAP_NONE)
                vec_push(&w->all, r);
        }
    if (w->all.n)
        qsort(w->all.v, w->all.n, sizeof(*w->all.v), by_goroutine);
    for (size_t i = 0; i < w->all.n; i++) {
        map_put(&w->by_sudog, w->all.v[i].sudog, (uint32_t)i);
        vec_push(&w->sends, 0);
        bool added;
        struct chan ch = {.addr = w->all.v[i].chan};
        if (ch.addr &&
            (map_get_or_put(&w->chan_by_addr, ch.addr, (uint32_t)w->chans.n, &added), added))
            vec_push(&w->chans, ch);
    }
}

static struct err *read_chans(struct waits *w)
{
    const struct rt_layout *l = &w->c->rt->layout;
    size_t size = (size_t)l->size[RT_STRUCT_hchan], n = w->chans.n;
    uint8_t *copies = mem_try_alloc(n * size + 1);
    if (!copies)
        return err_new(ERR_NOMEM, "no memory for %zu channels", n);
    taddr *addr = mem_alloc(n * sizeof(*addr) + 1);
    bool *ok = mem_alloc(n + 1);
    for (size_t i = 0; i < n; i++)
        addr[i] = w->chans.v[i].addr;
    struct err *e = rt_read_pieces(w->c->t, addr, n, size, copies, ok);
    for (size_t i = 0; !e && i < n; i++) {
        if (!ok[i])
            continue;
        w->chans.v[i].sendq = rt_get_word(l, copies + i * size, RT_hchan_sendq, 0);
        w->chans.v[i].elemtype = rt_get(l, copies + i * size, RT_hchan_elemtype);
    }
    free(ok);
    free(addr);
    free(copies);
    return e;
}

/* The name of a channel's type, looked up once for each element type. */
static uint32_t chan_type(struct waits *w, taddr elemtype)
{
    struct capture *c = w->c;
    uint32_t id = map_get(&w->types, elemtype);
    if (id != MAP_NONE)
        return id;
    const char *name = rt_type_name(c->rt, c->t, &c->arena, elemtype);
    id = intern_add(&c->s->strings, *name ? arena_printf(&c->arena, "chan %s", name) : "");
    map_put(&w->types, elemtype, id);
    return id;
}

/* Marks the sudogs in the sendq of a channel; those of goroutines that were not captured end it. */
static void mark_senders(struct waits *w, const struct chan *ch)
{
    taddr at = ch->sendq;
    for (size_t i = 0; at && i <= w->all.n; i++) {
        uint32_t k = map_get(&w->by_sudog, at);
        if (k == MAP_NONE || w->sends.v[k])
            break;
        w->sends.v[k] = 1;
        at = w->all.v[k].next;
    }
}

static enum snap_waitkind kind_of(const struct waits *w, size_t i)
{
    const struct wait_record *r = &w->all.v[i];
    if (!r->chan)
        return strncmp(reason_of(w->c, &w->c->gs[r->gi]), "sync.Cond", 9) == 0 ? SNAP_W_COND
                                                                               : SNAP_W_SEMA;
    if (r->is_select)
        return w->sends.v[i] ? SNAP_W_SELECT_SEND : SNAP_W_SELECT_RECV;
    return w->sends.v[i] ? SNAP_W_CHAN_SEND : SNAP_W_CHAN_RECV;
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
        type = chan_type(w, w->chans.v[map_get(&w->chan_by_addr, addr)].elemtype);
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

static void add_rows(struct waits *w)
{
    struct snap *s = w->c->s;
    for (size_t i = 0; i < w->all.n; i++) {
        const struct wait_record *r = &w->all.v[i];
        uint32_t row = snap_add_wait(s), g = w->c->gs[r->gi].row;
        s->wait.goroutine[row] = g;
        s->wait.kind[row] = (uint8_t)kind_of(w, i);
        s->wait.addr[row] = r->chan ? r->chan : r->elem;
        s->wait.elem[row] = r->chan ? r->elem : 0;
        s->wait.sudog[row] = r->sudog;
        uint32_t obj = object_row(w, r);
        if (obj != SNAP_NONE) {
            uint32_t ref = snap_add_heapref(s);
            s->heapref.goroutine[ref] = g;
            s->heapref.heapobj[ref] = obj;
        }
    }
}

struct err *capture_waits(struct capture *c)
{
    struct waits w = {.c = c};
    rt_heap_open(&c->heap, c->rt, c->t);
    struct err *e = needs_table(c) ? read_semtable(c) : NULL;
    if (!e) {
        gather(&w);
        e = read_chans(&w);
    }
    if (!e) {
        for (size_t i = 0; i < w.chans.n; i++)
            mark_senders(&w, &w.chans.v[i]);
        add_rows(&w);
    }
    vec_free(&w.all);
    vec_free(&w.chans);
    vec_free(&w.sends);
    map_free(&w.chan_by_addr);
    map_free(&w.by_sudog);
    map_free(&w.objs);
    map_free(&w.types);
    rt_heap_close(&c->heap);
    return e;
}

/* waits_queue.c - who is queued for semaphores and Conds.
 *
 * Go: runtime/sema.go semtable, semaRoot, notifyList (1.18-1.27).
 *
 * The table of semaphores has 251 slots; in each hangs a tree of addresses (prev, next), and those
 * that wait for one address hang on its node by waitlink.  The waiters of a Cond hang on its
 * notifyList by next.  A hundred thousand waiters are one long list, so the pages their sudogs lie
 * in are read whole. */
#include <stdlib.h>

#include "rt/waits_int.h"

enum { PAGE = 8192, PAGES_MAX = 1 << 14, SUDOGS_MAX = 1 << 26 };

/* ---- memory by pages ---- */

static const uint8_t *page_at(struct peeker *p, taddr page)
{
    uint32_t i = map_get(&p->at, page);
    if (i != MAP_NONE)
        return i ? p->pages.v[i - 1] : NULL;
    if (p->pages.n == PAGES_MAX)
        return NULL;
    uint8_t *bytes = mem_alloc(PAGE);
    struct err *e = target_read(p->t, page, bytes, PAGE);
    if (e) {
        err_free(e);
        free(bytes);
        map_put(&p->at, page, 0);
        return NULL;
    }
    vec_push(&p->pages, bytes);
    map_put(&p->at, page, (uint32_t)p->pages.n);
    return bytes;
}

bool peek(struct peeker *p, taddr addr, void *dst, size_t n)
{
    taddr page = addr & ~(taddr)(PAGE - 1);
    const uint8_t *bytes = addr - page + n <= PAGE ? page_at(p, page) : NULL;
    if (bytes) {
        memcpy(dst, bytes + (addr - page), n);
        return true;
    }
    struct err *e = target_read(p->t, addr, dst, n);
    err_free(e);
    return !e;
}

bool peek_u64(struct peeker *p, taddr addr, uint64_t *ret)
{
    return peek(p, addr, ret, sizeof(*ret));
}

void peeker_free(struct peeker *p)
{
    for (size_t i = 0; i < p->pages.n; i++)
        free(p->pages.v[i]);
    vec_free(&p->pages);
    map_free(&p->at);
}

/* ---- semaphores ---- */

struct queue { /* of a semaphore: a row of sema */
    taddr addr;
    uint32_t queued, bucket_waiters;
    uint16_t bucket;
};

struct table_walk {
    struct waits *w;
    VEC(taddr) todo;
    uint16_t bucket;
    uint32_t bucket_waiters;
    struct map by_addr; /* address of a semaphore -> index of queues */
    VEC(struct queue) queues;
};

static void visit(struct table_walk *t, taddr sudog)
{
    if (!sudog || t->w->sudogs.n >= SUDOGS_MAX)
        return;
    struct wait_sudog *s = waits_sudog(t->w, sudog);
    if (!s->visited)
        vec_push(&t->todo, sudog);
    s->visited = true;
}

static void count(struct table_walk *t, taddr addr)
{
    bool added;
    uint32_t i = map_get_or_put(&t->by_addr, addr, (uint32_t)t->queues.n, &added);
    if (added)
        vec_push(&t->queues,
                 ((struct queue){
                     .addr = addr, .bucket = t->bucket, .bucket_waiters = t->bucket_waiters}));
    t->queues.v[i].queued++;
    waits_sync(t->w, addr, false)->queued++;
}

static void take_node(struct table_walk *t, taddr sudog)
{
    struct capture *c = t->w->c;
    const struct rt_layout *l = &c->rt->layout;
    uint8_t p[256];
    size_t size = (size_t)l->size[RT_STRUCT_sudog];
    if (size > sizeof(p) || !peek(&t->w->peek, sudog, p, size))
        return;
    visit(t, rt_get(l, p, RT_sudog_prev));
    visit(t, rt_get(l, p, RT_sudog_next));
    visit(t, rt_get(l, p, RT_sudog_waitlink));
    uint32_t gi = capture_g_index(c, rt_get(l, p, RT_sudog_g));
    taddr addr = rt_get(l, p, RT_sudog_elem);
    if (gi == SNAP_NONE || !addr)
        return;
    count(t, addr);
    waits_sudog(t->w, sudog)->queued = true;
    if (c->gs[gi].g.waiting)
        return; /* it says so itself */
    struct wait_record r = {.gi = gi, .sudog = sudog, .elem = addr};
    waits_add(t->w, &r);
}

static void walk_slot(struct table_walk *t, const uint8_t *slot)
{
    const struct rt_layout *l = &t->w->c->rt->layout;
    t->bucket_waiters = (uint32_t)rt_get(l, slot, RT_semaroot_nwait);
    visit(t, rt_get(l, slot, RT_semaroot_treap));
    while (t->todo.n) {
        taddr sudog = *vec_last(&t->todo);
        t->todo.n--;
        take_node(t, sudog);
    }
}

static int by_addr(const void *a, const void *b)
{
    const struct queue *x = a, *y = b;
    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void add_rows(struct table_walk *t)
{
    struct snap *s = t->w->c->s;
    if (t->queues.n)
        qsort(t->queues.v, t->queues.n, sizeof(*t->queues.v), by_addr);
    for (size_t i = 0; i < t->queues.n; i++) {
        const struct queue *q = &t->queues.v[i];
        uint32_t row = snap_add_sema(s);
        s->sema.addr[row] = q->addr;
        s->sema.queued[row] = q->queued;
        s->sema.bucket[row] = q->bucket;
        s->sema.bucket_waiters[row] = q->bucket_waiters;
    }
}

struct err *waits_read_semtable(struct waits *w)
{
    struct capture *c = w->c;
    const struct rt_layout *l = &c->rt->layout;
    size_t size = (size_t)l->size[RT_STRUCT_semtable], slot = l->width[RT_semtable_slot];
    if (!G(c->rt, semtable) || l->size[RT_STRUCT_semtable] <= 0 || !slot) {
        snap_note_missing(c->s, 1, "the table of semaphores",
                          "the variable runtime.semtable was not found");
        return NULL;
    }
    struct table_walk t = {.w = w};
    uint8_t *table = mem_alloc(size);
    struct err *e = target_read(c->t, G(c->rt, semtable), table, size);
    for (size_t at = 0; !e && at + slot <= size; at += slot, t.bucket++)
        walk_slot(&t, table + at);
    add_rows(&t);
    snap_set_counter(c->s, "semtable.slots", (int64_t)(size / slot));
    vec_free(&t.todo);
    vec_free(&t.queues);
    map_free(&t.by_addr);
    free(table);
    return e;
}

/* ---- Conds ---- */

void waits_read_cond(struct waits *w, taddr list)
{
    struct capture *c = w->c;
    const struct rt_layout *l = &c->rt->layout;
    uint8_t p[256];
    size_t size = (size_t)l->size[RT_STRUCT_sudog];
    taddr at = 0;
    if (size > sizeof(p) || !rt_has(l, RT_notifylist_head))
        return;
    peek_u64(&w->peek, list + (taddr)l->off[RT_notifylist_head], &at);
    for (size_t i = 0; at && i < SUDOGS_MAX && peek(&w->peek, at, p, size); i++) {
        uint32_t gi = capture_g_index(c, rt_get(l, p, RT_sudog_g));
        if (gi == SNAP_NONE || waits_is_queued(w, at))
            break;
        waits_sudog(w, at)->queued = true;
        waits_sync(w, list, true)->queued++;
        if (!c->gs[gi].g.waiting) {
            struct wait_record r = {.gi = gi,
                                    .sudog = at,
                                    .elem = list,
                                    .ticket = (uint32_t)rt_get(l, p, RT_sudog_ticket)};
            waits_add(w, &r);
        }
        at = rt_get(l, p, RT_sudog_next);
    }
}

/* waits_chan.c - the state of the channels that somebody waits for.
 *
 * Go: runtime/chan.go hchan, waitq (1.18-1.27); hchan.timer since 1.23 (a timer's channel is filled
 * by the runtime; when 0: stopped), hchan.bubble since 1.25 (synctest).
 *
 * A sudog does not say whether it sends or receives: it sends when it is in its channel's sendq.
 * One that is in neither queue was woken and did not run yet. */
#include <stdlib.h>

#include "rt/waits_int.h"

enum { AT_ONCE = 8192 };

void waits_find_chans(struct waits *w)
{
    for (size_t i = 0; i < w->all.n; i++) {
        struct wait_record *r = &w->all.v[i];
        if (r->sudog) {
            struct wait_sudog *sudog = waits_sudog(w, r->sudog);
            sudog->record = (uint32_t)i;
            r->queued |= sudog->queued;
        }
        bool added;
        struct wait_chan ch = {.addr = r->chan};
        if (ch.addr &&
            (map_get_or_put(&w->chan_by_addr, ch.addr, (uint32_t)w->chans.n, &added), added))
            vec_push(&w->chans, ch);
    }
}

static void parse(const struct rt_layout *l, const uint8_t *p, struct wait_chan *ch)
{
    ch->ok = true;
    ch->recvq = rt_get_word(l, p, RT_hchan_recvq, 0);
    ch->sendq = rt_get_word(l, p, RT_hchan_sendq, 0);
    ch->elemtype = rt_get(l, p, RT_hchan_elemtype);
    ch->timer = rt_get(l, p, RT_hchan_timer);
    ch->bubble = rt_get(l, p, RT_hchan_bubble);
    ch->elem_size = rt_get(l, p, RT_hchan_elemsize);
    ch->capacity = rt_get(l, p, RT_hchan_dataqsiz);
    ch->length = rt_get(l, p, RT_hchan_qcount);
    ch->flags = (uint8_t)((rt_get(l, p, RT_hchan_closed) ? SNAP_CF_CLOSED : 0) |
                          (rt_get(l, p, RT_hchan_lock) ? SNAP_CF_BUSY : 0));
}

/* Marks the sudogs in a queue, and counts them; those of goroutines that were not captured end it.
 */
static uint32_t mark_queue(struct waits *w, taddr at, bool sends)
{
    uint32_t n = 0;
    for (size_t i = 0; at && i <= w->all.n; i++) {
        uint32_t k = map_get(&w->sudog_at, at);
        if (k == MAP_NONE || w->sudogs.v[k].record == SNAP_NONE || w->sudogs.v[k].queued)
            break;
        struct wait_record *r = &w->all.v[w->sudogs.v[k].record];
        w->sudogs.v[k].queued = r->queued = true;
        r->sends = sends;
        n++;
        at = r->next;
    }
    return n;
}

/* When the timers of channels fire, and the numbers of bubbles. */
static void read_more(struct waits *w)
{
    const struct rt_layout *l = &w->c->rt->layout;
    for (size_t i = 0; i < w->chans.n; i++) {
        struct wait_chan *ch = &w->chans.v[i];
        if (ch->timer && rt_has(l, RT_timer_when))
            peek(&w->peek, ch->timer + (taddr)l->off[RT_timer_when], &ch->timer_when, 8);
        if (ch->bubble && rt_has(l, RT_bubble_id))
            peek_u64(&w->peek, ch->bubble + (taddr)l->off[RT_bubble_id], &ch->bubble);
    }
}

static struct err *read_some(struct waits *w, struct wait_chan *v, size_t n)
{
    const struct rt_layout *l = &w->c->rt->layout;
    size_t size = (size_t)l->size[RT_STRUCT_hchan];
    uint8_t *copies = mem_alloc(n * size);
    taddr *addr = mem_alloc(n * sizeof(*addr));
    bool *ok = mem_alloc(n);
    for (size_t i = 0; i < n; i++)
        addr[i] = v[i].addr;
    struct err *e = rt_read_pieces(w->c->t, addr, n, size, copies, ok);
    for (size_t i = 0; !e && i < n; i++)
        if (ok[i])
            parse(l, copies + i * size, &v[i]);
    free(ok);
    free(addr);
    free(copies);
    return e;
}

struct err *waits_read_chans(struct waits *w)
{
    size_t n = w->chans.n;
    struct err *e = NULL;
    for (size_t i = 0; !e && i < n; i += AT_ONCE)
        e = read_some(w, w->chans.v + i, min_u64(AT_ONCE, n - i));
    for (size_t i = 0; !e && i < n; i++) {
        struct wait_chan *ch = &w->chans.v[i];
        ch->senders = mark_queue(w, ch->sendq, true);
        ch->receivers = mark_queue(w, ch->recvq, false);
    }
    if (!e)
        read_more(w);
    return e;
}

uint32_t waits_chan_type(struct waits *w, taddr addr)
{
    struct capture *c = w->c;
    taddr elemtype = w->chans.v[map_get(&w->chan_by_addr, addr)].elemtype;
    uint32_t id = map_get(&w->types, elemtype);
    if (id != MAP_NONE)
        return id;
    const char *name = rt_type_name(c->rt, c->t, &c->arena, elemtype);
    id = intern_add(&c->s->strings, *name ? arena_printf(&c->arena, "chan %s", name) : "");
    map_put(&w->types, elemtype, id);
    return id;
}

/* Up to Go 1.22 nothing in a channel says that it is a timer's: the timer does. */
static void join_timers(struct waits *w)
{
    struct snap *s = w->c->s;
    for (size_t t = 0; t < s->timer.n; t++) {
        uint32_t k = map_get(&w->chan_by_addr, s->timer.arg[t]);
        if (!s->timer.arg[t] || k == MAP_NONE || w->chans.v[k].timer)
            continue;
        w->chans.v[k].timer = s->timer.addr[t];
        w->chans.v[k].timer_when = s->timer.when[t];
    }
}

void waits_chan_rows(struct waits *w)
{
    struct snap *s = w->c->s;
    join_timers(w);
    for (size_t i = 0; i < w->chans.n; i++) {
        const struct wait_chan *ch = &w->chans.v[i];
        uint32_t row = snap_add_chan(s);
        s->chan.addr[row] = ch->addr;
        s->chan.elem_size[row] = ch->elem_size;
        s->chan.capacity[row] = ch->capacity;
        s->chan.length[row] = ch->length;
        s->chan.flags[row] = ch->flags;
        s->chan.receivers[row] = ch->receivers;
        s->chan.senders[row] = ch->senders;
        s->chan.timer[row] = ch->timer;
        s->chan.timer_when[row] = ch->timer_when;
        s->chan.bubble[row] = ch->bubble;
    }
}

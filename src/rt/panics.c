/* panics.c - panics in flight: the table panic.
 *
 * Go: runtime/panic.go gopanic, runtime/runtime2.go _panic; runtime/chan.go chansend, closechan;
 * runtime/select.go selectgo; sync/waitgroup.go Add (1.18-1.27).
 *
 * A goroutine that runs deferred calls because of a panic has it in g._panic.  The values that tell
 * of misuse are strings, or the runtime's errors that are strings.  Which channel it is about
 * stands where the function that panicked keeps its first argument; it is told only when what lies
 * there agrees: the channel is closed, the counter is negative.  A select has its cases there, and
 * is told when one of the channels it would send to is closed, and no other. */
#include "rt/waits_int.h"

enum { LOWEST = 4096, CASES_MAX = 1024, PANICS_MAX = 100, FRAMES_MAX = 200, TEXT_MAX = 256 };

struct panics {
    struct capture *c;
    struct peeker peek;
};

static bool is_text(const char *type)
{
    return strcmp(type, "string") == 0 || strcmp(type, "runtime.plainError") == 0 ||
           strcmp(type, "runtime.errorString") == 0;
}

static bool is_closed(struct panics *p, taddr chan)
{
    const struct rt_layout *l = &p->c->rt->layout;
    uint32_t closed = 0;
    return rt_has(l, RT_hchan_closed) &&
           peek(&p->peek, chan + (taddr)l->off[RT_hchan_closed], &closed, 4) && closed == 1;
}

static bool is_negative(struct panics *p, taddr group)
{
    const struct rt_layout *l = &p->c->rt->layout;
    int64_t state = 0;
    return rt_has(l, RT_waitgroup_state) &&
           peek(&p->peek, group + (taddr)l->off[RT_waitgroup_state], &state, 8) && state < 0;
}

/* Whether a channel is at an address, and closed: its type has the size that it says. */
static bool is_closed_chan(struct panics *p, taddr chan)
{
    const struct rt_layout *l = &p->c->rt->layout;
    uint8_t h[256];
    uint64_t size;
    size_t n = (size_t)l->size[RT_STRUCT_hchan];
    return chan >= LOWEST && chan % 8 == 0 && n <= sizeof(h) && rt_has(l, RT_hchan_closed) &&
           peek(&p->peek, chan, h, n) && rt_get(l, h, RT_hchan_closed) == 1 &&
           rt_get(l, h, RT_hchan_qcount) <= rt_get(l, h, RT_hchan_dataqsiz) &&
           peek_u64(&p->peek, rt_get(l, h, RT_hchan_elemtype), &size) &&
           size == rt_get(l, h, RT_hchan_elemsize);
}

/* selectgo(cases, orders, pcs, number of sends, ...): sends come first; a case is {channel, value}.
 * The cases lie in the caller's frame; when the stack was copied since, the pointer to them is that
 * of before, and the frame (to `end`) is searched. */
static taddr closed_case(struct panics *p, const struct rt_g *g, taddr cfa, taddr end)
{
    uint64_t args[4], chan = 0;
    taddr found = 0;
    if (!peek(&p->peek, cfa, args, sizeof(args)) || args[3] > CASES_MAX)
        return 0;
    bool moved = args[0] < cfa || args[0] >= g->stack_hi || args[0] % 8;
    taddr at = moved ? cfa : args[0], step = moved ? 8 : 16;
    uint64_t n = moved ? (end - cfa) / 8 : args[3];
    for (uint64_t i = 0; i < n && peek_u64(&p->peek, at + step * i, &chan); i++) {
        if (chan == found || !is_closed_chan(p, chan))
            continue;
        if (found)
            return 0;
        found = chan;
    }
    return found;
}

/* What the panicking function was called for; 0: not told, or memory does not agree. */
static taddr object_at(struct panics *p, const char *func, taddr cfa)
{
    taddr v = 0;
    if (strcmp(func, "runtime.chansend") == 0 || strcmp(func, "runtime.closechan") == 0)
        return peek_u64(&p->peek, cfa, &v) && v && v % 8 == 0 && is_closed(p, v) ? v : 0;
    if (strcmp(func, "sync.(*WaitGroup).Add") == 0)
        return peek_u64(&p->peek, cfa, &v) && v && v % 8 == 0 && is_negative(p, v) ? v : 0;
    return 0;
}

/* The frame that called gopanic, and those around it: chansend may have been called by chansend1.
 */
static taddr find_object(struct panics *p, const struct goroutine *g)
{
    struct saved_context at = captured_context(g);
    taddr pc = at.pc, sp = at.sp, found = 0, select = 0; /* select: the frame behind selectgo's */
    for (int i = 0; i < FRAMES_MAX && !found && sp >= g->g.stack_lo && sp < g->g.stack_hi; i++) {
        struct pcln_func f;
        const struct rt_module *m;
        int32_t frame = -1;
        if (rt_func_at(p->c->rt, pc, &f, &m) && f.pcsp)
            frame = pcln_frame_size(&m->pcln, &f, pc);
        if (frame < 0)
            break;
        taddr cfa = sp + (taddr)frame + 8;
        found = select ? closed_case(p, &g->g, select, cfa) : object_at(p, f.name, cfa);
        select = !select && strcmp(f.name, "runtime.selectgo") == 0 ? cfa : 0;
        if (cfa <= sp || !peek_u64(&p->peek, cfa - 8, &pc))
            break;
        sp = cfa;
    }
    return found;
}

bool capture_panics_of_closed(const struct snap *s, uint32_t row)
{
    return strstr(snap_str(s, s->panic.text[row]), "closed channel") != NULL;
}

static void add_panic(struct panics *p, const struct goroutine *g, taddr addr, const uint8_t *copy,
                      bool innermost)
{
    struct capture *c = p->c;
    const struct rt_layout *l = &c->rt->layout;
    taddr type = rt_get_word(l, copy, RT_panic_arg, 0),
          data = rt_get_word(l, copy, RT_panic_arg, 1);
    const char *name = type ? rt_type_name(c->rt, c->t, &c->arena, type) : "";
    const char *text = is_text(name) ? rt_read_string(c->t, &c->arena, data, TEXT_MAX) : "";
    uint32_t row = snap_add_panic(c->s);
    c->s->panic.goroutine[row] = g->row;
    c->s->panic.addr[row] = addr;
    c->s->panic.flags[row] =
        (uint8_t)((rt_get(l, copy, RT_panic_recovered) ? SNAP_PANIC_RECOVERED : 0) |
                  (rt_get(l, copy, RT_panic_goexit) ? SNAP_PANIC_GOEXIT : 0));
    c->s->panic.type[row] = intern_add(&c->s->strings, name);
    c->s->panic.text[row] = intern_add(&c->s->strings, text);
    if (innermost && (strstr(text, "closed channel") || strstr(text, "negative WaitGroup")))
        c->s->panic.object[row] = find_object(p, g);
}

static void panics_of(struct panics *p, const struct goroutine *g)
{
    const struct rt_layout *l = &p->c->rt->layout;
    uint8_t copy[256];
    int32_t size = l->size[RT_STRUCT_panic];
    taddr at = g->g.more->panic;
    for (int i = 0; at && i < PANICS_MAX && size > 0 && (size_t)size <= sizeof(copy); i++) {
        if (!peek(&p->peek, at, copy, (size_t)size))
            break;
        add_panic(p, g, at, copy, i == 0);
        at = rt_get(l, copy, RT_panic_link);
    }
}

void capture_panics(struct capture *c)
{
    struct panics p = {.c = c, .peek = {.t = c->t}};
    for (size_t i = 0; i < c->ngs; i++)
        if (c->gs[i].g.more->panic && c->gs[i].row != SNAP_NONE)
            panics_of(&p, &c->gs[i]);
    peeker_free(&p.peek);
}

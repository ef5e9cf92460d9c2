/* waits_text.c - gospect waits, for people: what is waited for, by how many, in what state it is,
 * where they wait, who could release it.
 *
 *        412  orders.(*Ledger).mu  sync.Mutex at 0xc0001a2b00               oldest 9 min
 *             held
 *             mutex lock in orders.(*Ledger).add at orders/ledger.go:51
 *             released by goroutine 88 (proved: unlock)
 */
#include <inttypes.h>

#include "base/text.h"
#include "report/waits_int.h"

enum { INDENT = 9, PLACES = 3, CASES = 8, HOLDERS = 3 };

struct printer {
    const struct report_waits *r;
    const struct wait_graph *w;
    const struct snap *s;
    struct snap_codes codes;
    struct flow f;
};

static void headline(struct printer *p)
{
    struct buf left = {0}, right = {0};
    size_t alone = 0, objects = 0;
    for (size_t i = 0; i < p->w->ngroups; i++) {
        alone += p->w->groups[i].n - p->w->groups[i].traps;
        objects += p->w->groups[i].objects;
    }
    buf_str(&left, look(p->f.style, LOOK_BOLD));
    count_of(&left, p->w->blocked, "goroutine waits", "goroutines wait");
    buf_str(&left, look(p->f.style, LOOK_PLAIN));
    if (objects) {
        buf_str(&left, " for ");
        count_of(&left, objects, "thing", "things");
    }
    if (p->w->blocked) {
        buf_str(&left, ", ");
        text_count(&left, alone);
        buf_str(&left, " need another goroutine");
    }
    name_target(&right, p->s);
    two_sides(&p->f.b, p->f.style, buf_text(&left), buf_text(&right));
    buf_free(&left);
    buf_free(&right);
}

/* A line of a group's evidence, wrapped. */
static void say(struct printer *p, const struct buf *text)
{
    struct buf clean = {0};
    if (!text->n)
        return;
    text_clean(&clean, buf_text(text));
    flow_wrapped(&p->f, &clean, INDENT);
    buf_free(&clean);
}

static void title(struct printer *p, const struct wait_group *g)
{
    struct buf left = {0}, right = {0}, n = {0}, what = {0};
    text_count(&n, g->n);
    text_pad(&left, buf_text(&n), INDENT - 2, true);
    buf_str(&left, "  ");
    waits_group_text(&what, p->w, g);
    look_text(&left, p->f.style, LOOK_BOLD, buf_text(&what));
    if (g->oldest_ns >= 0) {
        buf_str(&right, "oldest ");
        text_ns(&right, g->oldest_ns);
    }
    two_sides(&p->f.b, p->f.style, buf_text(&left), buf_text(&right));
    buf_free(&left);
    buf_free(&right);
    buf_free(&what);
    buf_free(&n);
}

static void places(struct printer *p, const struct wait_group *g)
{
    struct waits_places v;
    waits_places_of(p->w, g, &v);
    for (size_t i = 0; i < v.v.n && i < PLACES; i++) {
        const struct waits_place *x = &v.v.v[i];
        struct buf b = {0};
        if (v.v.n > 1) {
            text_count(&b, x->count);
            buf_str(&b, " × ");
        }
        buf_printf(&b, "%s in ", wait_name((enum wait_kind)x->kind));
        waits_place_text(&b, p->s, &p->codes, x->place);
        if (g->n == 1)
            buf_printf(&b, ", goroutine %" PRIu64, p->s->goroutine.id[x->example]);
        if (x->trap != WAIT_TRAP_NONE)
            buf_printf(&b, " (%s)", wait_trap_text((enum wait_trap)x->trap));
        say(p, &b);
        buf_free(&b);
    }
    if (v.v.n > PLACES) {
        struct buf b = {0};
        buf_printf(&b, "%zu more places", v.v.n - PLACES);
        say(p, &b);
        buf_free(&b);
    }
    waits_places_free(&v);
}

static void holders(struct printer *p, uint32_t object)
{
    size_t first, n = object == SNAP_NONE ? 0 : wait_holders_of(p->w, object, &first);
    struct buf b = {0};
    for (size_t i = 0; i < n && i < HOLDERS; i++) {
        buf_str(&b, i ? ", " : "will be released by ");
        waits_holder_text(&b, p->w, &p->w->holders[first + i]);
    }
    if (n > HOLDERS)
        buf_printf(&b, " and %zu more", n - HOLDERS);
    say(p, &b);
    buf_free(&b);
}

static void cases(struct printer *p, uint32_t g)
{
    const struct snap *s = p->s;
    uint32_t first, n = snap_waits_of(s, g, &first);
    for (uint32_t i = first; i < first + n && i < first + CASES; i++) {
        struct buf b = {0};
        bool sends = s->wait.kind[i] == SNAP_W_SELECT_SEND;
        buf_printf(&b, "%s ", sends ? "send to" : "receive from");
        if (s->wait.object[i] == SNAP_NONE) {
            buf_str(&b, "a nil channel: never");
        } else {
            wait_object_text(p->w, s->wait.object[i], &b);
            buf_str(&b, ": ");
            wait_state_text(p->w, s->wait.object[i], &b);
        }
        say(p, &b);
        holders(p, s->wait.object[i]);
        buf_free(&b);
    }
    if (n > CASES) {
        struct buf b = {0};
        buf_printf(&b, "%u more cases", n - CASES);
        say(p, &b);
        buf_free(&b);
    }
}

static void group(struct printer *p, const struct wait_group *g)
{
    struct buf state = {0};
    title(p, g);
    if (g->object != SNAP_NONE)
        wait_state_text(p->w, g->object, &state);
    say(p, &state);
    buf_free(&state);
    places(p, g);
    if (g->kind == WAIT_SELECT && g->object == SNAP_NONE)
        cases(p, g->example);
    holders(p, g->object);
    flow(&p->f);
}

static void footer(struct printer *p)
{
    struct wait_semas m;
    struct buf b = {0};
    size_t shown = waits_shown(p->r), width = p->f.style->width ? p->f.style->width : SIZE_MAX;
    if (shown < p->w->ngroups) {
        buf_printf(&p->f.b, "%*s%zu more: --limit 0 shows all\n", INDENT, "",
                   p->w->ngroups - shown);
    }
    wait_semas(p->s, &m);
    if (m.addresses) {
        buf_str(&b, "table of semaphores: ");
        count_of(&b, m.queued, "goroutine", "goroutines");
        buf_printf(&b, " queued at %u semaphores in %u of %u slots, at most %u in one", m.addresses,
                   m.used, m.slots, m.longest);
        text_wrap(&p->f.b, buf_text(&b), width, 0, 2);
        buf_char(&p->f.b, '\n');
        buf_clear(&b);
    }
    missing_text(&p->f.b, p->s, p->f.style);
    cost_line(&b, p->s, p->r->wall_ns);
    text_wrap(&p->f.b, buf_text(&b), width, 0, 2);
    buf_char(&p->f.b, '\n');
    buf_free(&b);
}

struct err *report_waits_text(const struct report_waits *r, const struct report_style *style,
                              struct report_sink out)
{
    struct printer p = {
        .r = r, .w = r->graph, .s = r->graph->s, .f = {.style = style, .sink = out}};
    snap_codes_init(&p.codes, p.s);
    headline(&p);
    for (size_t i = 0; i < waits_shown(r); i++)
        group(&p, &p.w->groups[i]);
    footer(&p);
    snap_codes_free(&p.codes);
    return flow_end(&p.f);
}

/* deadlock_watch.c - looks at deadlocks over time; see deadlock_watch.h. */
#include "report/deadlock_watch.h"

#include <inttypes.h>

#include "base/text.h"
#include "report/deadlock_int.h"

enum { NAMED = 8 }; /* goroutines that are named one by one */

struct view {
    const struct report_deadlock_look *l;
    struct deadlock_show sh;
};

static uint32_t row_of_lock(const struct snap *s, taddr addr)
{
    for (uint32_t i = 0; i < s->object.n; i++)
        if (s->object.addr[i] == addr)
            return i;
    return SNAP_NONE;
}

/* "orders.mu", or its address: nobody waits for it now, and so nothing more is known. */
static void lock_words(const struct view *v, taddr addr, struct buf *b)
{
    uint32_t row = row_of_lock(v->sh.s, addr);
    if (row == SNAP_NONE)
        buf_printf(b, "the lock at 0x%" PRIx64, addr);
    else
        wait_object_text(v->sh.w, row, b);
}

static void ids(const struct wait_finding *f, struct buf *b)
{
    buf_str(b, f->ng == 1 ? "goroutine " : "goroutines ");
    for (size_t i = 0; i < f->ng && i < NAMED; i++)
        buf_printf(b, "%s%" PRIu64, i ? ", " : "", f->g[i]);
    if (f->ng > NAMED)
        buf_printf(b, " and %zu more", f->ng - NAMED);
}

static void bold(struct view *v, struct buf *b, const char *words)
{
    buf_str(b, look(v->sh.f.style, LOOK_BOLD));
    buf_str(b, words);
    buf_str(b, look(v->sh.f.style, LOOK_PLAIN));
}

/* ---- what is new ---- */

static void put_starved(struct view *v, const struct wait_finding *f)
{
    const struct wait_graph *w = v->sh.w;
    const struct wait_info *i = &w->info[f->at];
    bool writer = f->kind == WAIT_FOUND_WRITER;
    struct buf b = {0};
    bold(v, &b, writer ? "SUSPECTED  a writer starves: " : "SUSPECTED  starvation: ");
    ids(f, &b);
    buf_str(&b, f->ng == 1 ? " waits for " : " wait for ");
    wait_object_text(w, i->object, &b);
    deadlock_frame(&v->sh, i->place, &b);
    deadlock_wrapped(&v->sh, &b, 0);
    buf_printf(&b, "the same wait in %u looks in a row, and it never ran in between; ", f->looks);
    if (writer) {
        buf_str(&b, "readers do not leave, and ");
        count_of(&b, w->s->object.waiters[i->object] - 1, "goroutine waits", "goroutines wait");
        buf_str(&b, " behind it");
    } else {
        buf_printf(&b, "in %u of them somebody held it who had not in the look before",
                   f->overtaken);
    }
    deadlock_wrapped(&v->sh, &b, 2);
    wait_state_text(w, i->object, &b);
    if (b.n)
        deadlock_wrapped(&v->sh, &b, 2);
    buf_char(&v->sh.f.b, '\n');
    buf_free(&b);
}

/* Where a goroutine of the finding is now. */
static void put_frame(struct view *v, uint64_t id, struct buf *b)
{
    const struct wait_states *st = v->l->states;
    for (size_t k = 0; k < st->v.n; k++)
        if (st->v.v[k].id == id)
            deadlock_frame(&v->sh, v->sh.w->info[st->v.v[k].row].place, b);
}

/* "goroutine 7 in 9 looks: chan receive in main.pass 5, sleep in main.pass 4" */
static void put_steps(struct view *v, uint64_t id)
{
    const struct wait_states *st = v->l->states;
    const struct wait_trace *t = wait_states_trace(st, id);
    struct buf b = {0};
    if (!t)
        return;
    buf_printf(&b, "goroutine %" PRIu64 " in %u looks: ", id, t->looks);
    for (uint32_t i = 0; i < t->nsteps; i++) {
        const struct wait_step *p = &t->steps[i];
        const char *func = intern_get(&st->funcs, p->func);
        buf_printf(&b, "%s%s", i ? ", " : "", wait_name((enum wait_kind)p->kind));
        if (*func) {
            buf_str(&b, " in ");
            snap_short_func(&b, func);
        }
        buf_printf(&b, " %u times", p->looks);
    }
    buf_printf(&b, "; nothing new in the last %u", t->again);
    put_frame(v, id, &b);
    deadlock_wrapped(&v->sh, &b, 2);
    buf_free(&b);
}

/* Those of which nothing changes: channels, spin. */
static void put_cycling(struct view *v, const struct wait_finding *f)
{
    const struct wait_states *st = v->l->states;
    struct buf b = {0};
    bool part = false;
    bold(v, &b, "SUSPECTED  livelock: ");
    ids(f, &b);
    if (f->livelock == WAIT_LIVELOCK_SPIN)
        buf_str(&b, f->ng == 1 ? " spins: it runs all the time, and nothing changes"
                               : " spin: they run all the time, and nothing changes");
    else
        buf_str(&b, " hand something round over channels, to nobody else, and nothing changes");
    deadlock_wrapped(&v->sh, &b, 0);
    for (size_t i = 0; i < f->ng && i < NAMED; i++)
        put_steps(v, f->g[i]);
    for (size_t i = 0; i < f->ng; i++) {
        const struct wait_trace *t = wait_states_trace(st, f->g[i]);
        part |= t && t->part;
    }
    buf_str(&b, "looked at: their frames and registers, the variables that their code names, and "
                "the objects these lead to");
    buf_str(&b, part ? "; but there was more memory than could be looked at, where something may "
                       "change"
                     : "");
    deadlock_wrapped(&v->sh, &b, 2);
    buf_char(&v->sh.f.b, '\n');
    buf_free(&b);
}

static void put_circle(struct view *v, const struct wait_finding *f)
{
    struct buf b = {0};
    bold(v, &b, "SUSPECTED  livelock: ");
    ids(f, &b);
    buf_printf(&b, " run, but none gets its second lock: seen so in %u looks each", f->looks);
    deadlock_wrapped(&v->sh, &b, 0);
    for (size_t i = 0; i < f->ng; i++) {
        buf_printf(&b, "goroutine %" PRIu64 " holds ", f->g[i]);
        lock_words(v, f->lock[i], &b);
        buf_str(&b, " when it is about to take ");
        lock_words(v, f->lock[(i + 1) % f->ng], &b);
        put_frame(v, f->g[i], &b);
        deadlock_wrapped(&v->sh, &b, 2);
    }
    buf_str(
        &b,
        "they ran between all looks, came to no new function, never waited for these locks, and "
        "none was seen holding both; whether they do anything useful beside is not known");
    deadlock_wrapped(&v->sh, &b, 2);
    buf_char(&v->sh.f.b, '\n');
    buf_free(&b);
}

static void put_new(struct view *v, const struct wait_finding *f)
{
    switch ((enum wait_finding_kind)f->kind) {
    case WAIT_FOUND_CYCLE:
        deadlock_put_cycle(&v->sh, &v->l->now.stuck->cycles[f->at]);
        break;
    case WAIT_FOUND_LEFT:
        deadlock_put_left(&v->sh, f->at);
        break;
    case WAIT_FOUND_LIVELOCK:
        if (f->livelock == WAIT_LIVELOCK_LOCKS)
            put_circle(v, f);
        else
            put_cycling(v, f);
        break;
    default:
        put_starved(v, f);
    }
}

static void put_gone(struct view *v, const struct wait_finding *f)
{
    static const char *const words[WAIT_FOUND_COUNT] = {
        "the deadlock of ", "the lock nobody released has been, for ",
        "no longer starving: ", "no longer starving: ", "no longer a livelock: "};
    struct buf b = {0};
    bold(v, &b, "OVER  ");
    buf_str(&b, words[f->kind]);
    ids(f, &b);
    buf_str(&b, f->kind == WAIT_FOUND_CYCLE
                    ? " is gone, which should not be (something released it "
                      "that was not seen); it stood for "
                    : "; it was so in ");
    count_of(&b, f->n, "look", "looks");
    deadlock_wrapped(&v->sh, &b, 0);
    buf_free(&b);
}

/* ---- the look ---- */

static void put_line(struct view *v)
{
    const struct wait_states *st = v->l->states;
    struct buf b = {0};
    int64_t pause = snap_meta_i64(v->sh.s, SNAP_META_pause_ns, 0);
    text_clock(&b, v->l->unix_ns, false);
    buf_printf(&b, "  look %u: ", st->look);
    count_of(&b, st->v.n, "goroutine", "goroutines");
    for (size_t i = 0; i < WAIT_STATE_COUNT; i++)
        if (st->by_state[i])
            buf_printf(&b, "%s%u %s", i ? ", " : " (", st->by_state[i],
                       wait_state_name((enum wait_state)i));
    text_clean(&v->sh.f.b, buf_text(&b));
    buf_free(&b);
    buf_str(&v->sh.f.b, st->v.n ? ")" : "");
    if (v->l->now.stuck->n) {
        buf_str(&v->sh.f.b, "; ");
        count_of(&v->sh.f.b, v->l->now.stuck->n, "is stuck", "are stuck");
    }
    if (st->traces_over) {
        buf_str(&v->sh.f.b, "; ");
        count_of(&v->sh.f.b, st->traces_over, "more that runs is", "more that run are");
        buf_str(&v->sh.f.b, " not looked at for livelock");
    }
    if (st->unjudged) {
        buf_str(&v->sh.f.b, "; ");
        count_of(&v->sh.f.b, st->unjudged, "that runs is", "that run are");
        buf_str(&v->sh.f.b, " not judged: not all code ahead could be read");
    }
    if (st->order_over) {
        buf_str(&v->sh.f.b, "; ");
        count_of(&v->sh.f.b, st->order_over, "pair of locks has", "pairs of locks have");
        buf_str(&v->sh.f.b, " no room");
    }
    buf_str(&v->sh.f.b, "; stood still for ");
    text_ns(&v->sh.f.b, pause);
    buf_char(&v->sh.f.b, '\n');
}

struct err *report_deadlock_look_text(const struct report_deadlock_look *r,
                                      const struct report_style *style, struct report_sink out)
{
    const struct wait_states *st = r->states;
    struct view v = {.l = r,
                     .sh = {.r = &r->now,
                            .w = r->now.graph,
                            .s = r->now.graph->s,
                            .f = {.style = style, .sink = out}}};
    size_t shown = 0, left_out = 0;
    snap_codes_init(&v.sh.codes, v.sh.s);
    for (size_t i = 0; i < st->found.n && !v.sh.f.err; i++) {
        const struct wait_finding *f = &st->found.v[i];
        bool begins = f->on && f->first == st->look, ends = !f->on && f->last + 1 == st->look;
        if (!begins && !ends)
            continue;
        if (r->now.limit && shown >= r->now.limit)
            left_out++;
        else if (begins)
            put_new(&v, f);
        else
            put_gone(&v, f);
        shown++;
    }
    if (left_out) {
        count_of(&v.sh.f.b, left_out, "more change", "more changes");
        buf_str(&v.sh.f.b, ": --limit 0 shows all\n");
    }
    put_line(&v);
    snap_codes_free(&v.sh.codes);
    return flow_end(&v.sh.f);
}

struct err *report_deadlock_sum_text(const struct wait_states *st, const struct report_style *style,
                                     struct report_sink out)
{
    struct flow f = {.style = style, .sink = out};
    static const char *const one[] = {"deadlock", "lock that nobody releases", "starvation",
                                      "starving writer", "livelock"};
    static const char *const many[] = {"deadlocks", "locks that nobody releases", "starvations",
                                       "starving writers", "livelocks"};
    uint32_t n[WAIT_FOUND_COUNT] = {0};
    size_t all = 0;
    for (size_t i = 0; i < st->found.n; i++)
        n[st->found.v[i].kind]++;
    count_of(&f.b, st->look, "look", "looks");
    buf_str(&f.b, ": ");
    for (size_t k = 0; k < WAIT_FOUND_COUNT; k++) {
        if (!n[k])
            continue;
        buf_str(&f.b, all++ ? ", " : "");
        count_of(&f.b, n[k], one[k], many[k]);
        buf_str(&f.b, k >= WAIT_FOUND_STARVED ? " (suspected)" : "");
    }
    buf_str(&f.b, all ? "" : "no deadlock, no starvation, no livelock");
    buf_str(&f.b, st->full ? "; there were more than are kept\n" : "\n");
    return flow_end(&f);
}

/* ---- JSON ---- */

static void states_json(struct json *j, const struct report_deadlock_look *r)
{
    const struct wait_states *st = r->states;
    const struct snap *s = r->now.graph->s;
    json_key(j, "by_state");
    json_begin(j, '{');
    for (size_t i = 0; i < WAIT_STATE_COUNT; i++)
        json_ku64(j, wait_state_name((enum wait_state)i), st->by_state[i]);
    json_end(j, '}');
    json_key(j, "states");
    json_begin(j, '[');
    for (size_t i = 0; i < st->v.n; i++) {
        const struct wait_life *l = &st->v.v[i];
        uint32_t object = r->now.graph->info[l->row].object;
        if (l->state == WAIT_STATE_IDLE)
            continue;
        json_begin(j, '{');
        json_ku64(j, "goroutine", l->id);
        json_kstr(j, "state", wait_state_name((enum wait_state)l->state));
        json_kstr(j, "wait", l->same ? wait_name((enum wait_kind)l->kind) : NULL);
        json_key(j, "object");
        if (l->same && object != SNAP_NONE)
            json_addr(j, s->object.addr[object]);
        else
            json_null(j);
        json_ku64(j, "looks", l->same);
        json_ku64(j, "overtaken", l->overtaken);
        json_end(j, '}');
    }
    json_end(j, ']');
}

/* The states that each goroutine of a livelock goes round in. */
static void cycle_json(struct json *j, const struct wait_states *st, const struct wait_finding *f)
{
    json_begin(j, '[');
    for (size_t i = 0; i < f->ng && f->on && f->kind == WAIT_FOUND_LIVELOCK; i++) {
        const struct wait_trace *t = wait_states_trace(st, f->g[i]);
        if (!t || f->livelock == WAIT_LIVELOCK_LOCKS)
            continue;
        json_begin(j, '{');
        json_ku64(j, "goroutine", t->id);
        json_ku64(j, "looks", t->looks);
        json_ku64(j, "nothing_new", t->again);
        json_ku64(j, "prints", t->nprints);
        json_kbool(j, "whole", !t->part);
        json_key(j, "steps");
        json_begin(j, '[');
        for (uint32_t k = 0; k < t->nsteps; k++) {
            const char *func = intern_get(&st->funcs, t->steps[k].func);
            json_begin(j, '{');
            json_kstr(j, "state", wait_name((enum wait_kind)t->steps[k].kind));
            json_kstr(j, "func", *func ? func : NULL);
            json_ku64(j, "looks", t->steps[k].looks);
            json_end(j, '}');
        }
        json_end(j, ']');
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void finding_json(struct json *j, const struct wait_states *st, const struct wait_finding *f)
{
    uint32_t look = st->look;
    json_begin(j, '{');
    json_kstr(j, "kind", wait_finding_name((enum wait_finding_kind)f->kind));
    json_kstr(j, "evidence", f->kind >= WAIT_FOUND_STARVED ? "suspected" : "inferred");
    json_kstr(j, "event", !f->on ? "ends" : f->first == look ? "begins" : "goes on");
    json_ku64(j, "first_look", f->first);
    json_ku64(j, "looks", f->n);
    json_key(j, "goroutines");
    json_begin(j, '[');
    for (size_t i = 0; i < f->ng; i++)
        json_u64(j, f->g[i]);
    json_end(j, ']');
    json_key(j, "locks");
    json_begin(j, '[');
    for (size_t i = 0; i < f->ng; i++) {
        if (f->lock[i])
            json_addr(j, f->lock[i]);
        else
            json_null(j);
    }
    json_end(j, ']');
    json_ku64(j, "seen_in_looks", f->looks ? f->looks : f->n);
    json_ku64(j, "overtaken", f->overtaken);
    json_kstr(j, "form",
              f->kind == WAIT_FOUND_LIVELOCK ? wait_livelock_name((enum wait_livelock)f->livelock)
                                             : NULL);
    json_key(j, "cycle");
    cycle_json(j, st, f);
    json_end(j, '}');
}

struct err *report_deadlock_look_json(const struct report_deadlock_look *r, struct report_sink out)
{
    const struct wait_states *st = r->states;
    const struct snap *s = r->now.graph->s;
    struct json j;
    json_init(&j, out.write, out.arg);
    json_begin(&j, '{');
    json_kstr(&j, "event", "look");
    json_ku64(&j, "look", st->look);
    json_ki64(&j, "unix_ns", r->unix_ns);
    json_ki64(&j, "pid", snap_meta_i64(s, SNAP_META_pid, 0));
    json_ki64(&j, "pause_ns", snap_meta_i64(s, SNAP_META_pause_ns, 0));
    json_ki64(&j, "wall_ns", r->now.wall_ns);
    json_ku64(&j, "goroutines", st->v.n);
    json_ku64(&j, "traced", st->traces.n);
    json_ku64(&j, "not_traced", st->traces_over);
    json_ku64(&j, "unjudged", st->unjudged);
    json_ku64(&j, "lock_pairs_left_out", st->order_over);
    states_json(&j, r);
    json_key(&j, "findings");
    json_begin(&j, '[');
    for (size_t i = 0; i < st->found.n; i++)
        if (st->found.v[i].on || st->found.v[i].last + 1 == st->look)
            finding_json(&j, st, &st->found.v[i]);
    json_end(&j, ']');
    deadlock_members(&j, &r->now);
    return document_end(&j, s);
}

/* deadlock.c - deadlocks for people: a paragraph for each circle, one line for each edge; below,
 * the locks that nobody will release. */
#include "report/deadlock.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"
#include "report/deadlock_int.h"

void deadlock_wrapped(struct deadlock_show *sh, struct buf *text, size_t indent)
{
    flow_wrapped(&sh->f, text, indent);
    buf_clear(text);
}

void deadlock_frame(struct deadlock_show *sh, uint32_t frame, struct buf *b)
{
    struct buf name = {0};
    if (frame == SNAP_NONE)
        return;
    buf_str(&name, " at ");
    if (sh->f.style->full_names)
        buf_printf(&name, "%s:%u", snap_str(sh->s, sh->s->frame.file[frame]),
                   sh->s->frame.line[frame]);
    else
        snap_short_place(&name, sh->s, &sh->codes, frame);
    buf_str(&name, " (");
    snap_short_func(&name, snap_str(sh->s, sh->s->frame.func[frame]));
    buf_char(&name, ')');
    text_clean(b, buf_text(&name));
    buf_free(&name);
}

/* ---- a circle ---- */

static const char *class_words(enum wait_cycle_class c)
{
    static const char *const words[] = {"a goroutine waits for a lock that it holds itself",
                                        "a goroutine waits to write what it holds for reading",
                                        "goroutines hold the locks that the others wait for",
                                        "a reader waits behind a writer that waits for this reader",
                                        "goroutines wait for each other"};
    return words[c];
}

static void title(struct deadlock_show *sh, const struct wait_cycle *c)
{
    static const char *const sure[] = {"SUSPECTED", "INFERRED", "INFERRED"};
    struct buf b = {0};
    buf_str(&b, look(sh->f.style, LOOK_BOLD));
    buf_str(&b, sure[c->evidence]);
    buf_str(&b, "  deadlock: ");
    buf_str(&b, class_words((enum wait_cycle_class)c->class));
    buf_str(&b, look(sh->f.style, LOOK_PLAIN));
    if (c->behind) {
        buf_str(&b, "; ");
        count_of(&b, c->behind, "more goroutine is", "more goroutines are");
        buf_str(&b, " stuck behind");
    }
    deadlock_wrapped(sh, &b, 0);
    buf_free(&b);
}

/* A writer that waits itself keeps later readers out. */
static bool came_first(const struct wait_graph *w, const struct wait_edge *e)
{
    return e->holder == SNAP_NONE ||
           (e->to != e->from && w->info[e->to].kind == WAIT_WLOCK &&
            w->info[e->to].object == e->object && w->info[e->from].kind == WAIT_RLOCK);
}

/* "goroutine 8 holds it, taken at x.go:3 (f): it would unlock it at x.go:9 (f) (proved: every
 * path)" */
static void holder_text(struct deadlock_show *sh, const struct wait_edge *e, struct buf *b)
{
    const struct wait_holder *h = &sh->w->holders[e->holder];
    bool at_return, itself = e->to == e->from;
    uint32_t taken = deadlock_taken(sh, h), release = deadlock_release(sh, h, &at_return);
    buf_str(b, itself ? " holds it itself" : " holds it");
    if (taken != SNAP_NONE) {
        buf_str(b, h->taken_sure ? ", taken" : ", probably taken");
        deadlock_frame(sh, taken, b);
    }
    if (!itself) {
        buf_printf(b, ": it would %s it", snap_act_name((enum snap_act)h->act));
        if (at_return && release != SNAP_NONE) {
            buf_str(b, " when ");
            snap_short_func(b, snap_str(sh->s, sh->s->frame.func[release]));
            buf_str(b, " returns");
        } else {
            deadlock_frame(sh, release, b);
        }
    }
    buf_printf(b, " (%s: %s)", wait_evidence_name((enum wait_evidence)h->evidence),
               h->how < SNAP_HOW_COUNT ? snap_how_name((enum snap_how)h->how)
                                       : "it was handed over");
}

static void put_edge(struct deadlock_show *sh, const struct wait_edge *e)
{
    const struct snap *s = sh->s;
    struct buf b = {0};
    buf_printf(&b, "goroutine %" PRIu64 " waits for ", s->goroutine.id[e->from]);
    wait_object_text(sh->w, e->object, &b);
    deadlock_frame(sh, sh->w->info[e->from].place, &b);
    if (snap_wait_ns(s, e->from) >= 0) {
        buf_str(&b, ", for at least ");
        text_ns(&b, snap_wait_ns(s, e->from));
    }
    deadlock_wrapped(sh, &b, 2);
    deadlock_put_stack(sh, e->from, 6);
    if (came_first(sh->w, e)) {
        buf_printf(&b, "a writer came first: goroutine %" PRIu64, s->goroutine.id[e->to]);
    } else {
        buf_printf(&b, "goroutine %" PRIu64, s->goroutine.id[e->to]);
        holder_text(sh, e, &b);
    }
    deadlock_wrapped(sh, &b, 4);
    buf_free(&b);
}

void deadlock_put_cycle(struct deadlock_show *sh, const struct wait_cycle *c)
{
    title(sh, c);
    for (uint32_t i = 0; i < c->nedges; i++)
        put_edge(sh, &sh->r->stuck->edges[c->edge + i]);
    size_t n;
    uint32_t *behind = deadlock_behind(sh->r, c, &n);
    deadlock_put_waiters(sh, behind, n);
    free(behind);
    buf_char(&sh->f.b, '\n');
}

/* ---- locks that were left ---- */

static void put_waiting_for(struct deadlock_show *sh, uint32_t object)
{
    size_t n;
    uint32_t *rows = deadlock_waiting_for(sh->r, object, &n);
    deadlock_put_waiters(sh, rows, n);
    free(rows);
}

void deadlock_put_left(struct deadlock_show *sh, uint32_t object)
{
    struct buf b = {0};
    buf_str(&b, look(sh->f.style, LOOK_BOLD));
    buf_str(&b, "INFERRED  nobody will ever ");
    buf_str(&b, sh->s->object.kind[object] == SNAP_OBJ_WAITGROUP ? "finish " : "release ");
    wait_object_text(sh->w, object, &b);
    buf_str(&b, look(sh->f.style, LOOK_PLAIN));
    buf_str(&b, ": ");
    count_of(&b, sh->s->object.waiters[object], "goroutine waits", "goroutines wait");
    deadlock_wrapped(sh, &b, 0);
    wait_state_text(sh->w, object, &b);
    if (b.n)
        buf_str(&b, "; ");
    buf_str(&b, sh->r->stuck->counted[object] && sh->r->stuck->unfollowed
                    ? "no code that could be followed releases it, and goroutines whose code could "
                      "not release no more locks than they take: who should have has ended"
                    : "the code ahead of every goroutine was followed, and none does it: who "
                      "should have has ended");
    deadlock_wrapped(sh, &b, 2);
    put_waiting_for(sh, object);
    buf_char(&sh->f.b, '\n');
    buf_free(&b);
}

void deadlock_goroutines(struct deadlock_show *sh, const uint32_t *rows, size_t n, size_t most,
                         struct buf *b)
{
    size_t named = n > most ? most - 1 : n;
    buf_str(b, n == 1 ? "goroutine " : "goroutines ");
    for (size_t i = 0; i < named; i++)
        buf_printf(b, "%s%" PRIu64,
                   !i           ? ""
                   : i + 1 == n ? " and "
                                : ", ",
                   sh->s->goroutine.id[rows[i]]);
    if (named < n)
        buf_printf(b, " and %zu more", n - named);
}

enum { NAMED = 6 };

static void put_suspect(struct deadlock_show *sh, uint32_t object)
{
    const struct wait_stuck *k = sh->r->stuck;
    struct buf b = {0};
    buf_str(&b, look(sh->f.style, LOOK_BOLD));
    buf_str(&b, "SUSPECTED  ");
    wait_object_text(sh->w, object, &b);
    buf_str(&b, sh->s->object.kind[object] == SNAP_OBJ_WAITGROUP ? " may never be done"
                                                                 : " may be left locked");
    buf_str(&b, look(sh->f.style, LOOK_PLAIN));
    buf_str(&b, ": ");
    count_of(&b, sh->s->object.waiters[object], "goroutine waits", "goroutines wait");
    deadlock_wrapped(sh, &b, 0);
    wait_state_text(sh->w, object, &b);
    buf_str(&b, b.n ? "; n" : "n");
    buf_str(&b, "o code that could be followed releases it");
    if (k->nmaybe) {
        buf_str(&b,
                k->nmaybe == 1 ? "; if anybody does, it is " : "; if anybody does, it is one of ");
        deadlock_goroutines(sh, k->maybe, k->nmaybe, NAMED, &b);
    }
    if (k->timers)
        buf_str(&b, k->nmaybe ? ", or what a timer calls" : "; a timer may call what does");
    if (!sh->s->span.n && sh->s->object.kind[object] != SNAP_OBJ_WAITGROUP)
        buf_printf(&b, "; gospect leaks %s looks at the heap, too, which can settle it",
                   sh->r->target);
    deadlock_wrapped(sh, &b, 2);
    put_waiting_for(sh, object);
    buf_char(&sh->f.b, '\n');
    buf_free(&b);
}

/* ---- the whole ---- */

static void headline(struct deadlock_show *sh)
{
    const struct wait_stuck *k = sh->r->stuck;
    struct buf left = {0}, right = {0};
    buf_str(&left, look(sh->f.style, LOOK_BOLD));
    if (k->ncycles)
        count_of(&left, k->ncycles, "deadlock", "deadlocks");
    if (k->nleft) {
        buf_str(&left, k->ncycles ? ", " : "");
        count_of(&left, k->nleft, "lock that nobody releases", "locks that nobody releases");
    }
    if (!k->ncycles && !k->nleft)
        buf_str(&left, k->looked ? "no deadlock" : "not known who holds what");
    buf_str(&left, look(sh->f.style, LOOK_PLAIN));
    if (k->n) {
        buf_str(&left, "; ");
        count_of(&left, k->n, "goroutine is stuck", "goroutines are stuck");
    }
    name_target(&right, sh->s);
    two_sides(&sh->f.b, sh->f.style, buf_text(&left), buf_text(&right));
    buf_free(&left);
    buf_free(&right);
}

static void put_end(struct deadlock_show *sh)
{
    struct buf line = {0};
    if (!sh->r->stuck->looked) {
        buf_str(&line,
                "this evidence does not say who holds what, without which no deadlock is seen: a "
                "snapshot has it with --waits");
        deadlock_wrapped(sh, &line, 0);
    } else if (sh->r->stuck->unfollowed) {
        count_of(&line, sh->r->stuck->unfollowed, "goroutine", "goroutines");
        buf_str(&line,
                " may do more than could be told from the code ahead: what they would release "
                "is not counted as left");
        deadlock_wrapped(sh, &line, 0);
    }
    missing_text(&sh->f.b, sh->s, sh->f.style);
    cost_line(&line, sh->s, sh->r->wall_ns);
    deadlock_wrapped(sh, &line, 0);
    buf_free(&line);
}

static size_t at_most(const struct report_deadlock *r, size_t n)
{
    return r->limit && r->limit < n ? r->limit : n;
}

static void put_more(struct deadlock_show *sh, size_t left_out, const char *one, const char *many)
{
    if (!left_out)
        return;
    count_of(&sh->f.b, left_out, one, many);
    buf_str(&sh->f.b, ": --limit 0 shows all\n");
}

struct err *report_deadlock_text(const struct report_deadlock *r, const struct report_style *style,
                                 struct report_sink out)
{
    const struct wait_stuck *k = r->stuck;
    struct deadlock_show sh = {
        .r = r, .w = r->graph, .s = r->graph->s, .f = {.style = style, .sink = out}};
    size_t cycles = at_most(r, k->ncycles), left = at_most(r, k->nleft);
    size_t suspects = at_most(r, k->nsuspects);
    snap_codes_init(&sh.codes, sh.s);
    headline(&sh);
    for (size_t i = 0; i < cycles && !sh.f.err; i++)
        deadlock_put_cycle(&sh, &k->cycles[i]);
    put_more(&sh, k->ncycles - cycles, "more deadlock", "more deadlocks");
    for (size_t i = 0; i < left && !sh.f.err; i++)
        deadlock_put_left(&sh, k->left[i]);
    put_more(&sh, k->nleft - left, "more lock", "more locks");
    for (size_t i = 0; i < suspects && !sh.f.err; i++)
        put_suspect(&sh, k->suspects[i]);
    put_more(&sh, k->nsuspects - suspects, "more suspect", "more suspects");
    put_end(&sh);
    snap_codes_free(&sh.codes);
    return flow_end(&sh.f);
}

/* ---- JSON ---- */

void deadlock_object(struct json *j, const struct wait_graph *w, uint32_t object)
{
    const struct snap *s = w->s;
    const char *type = snap_str(s, s->object.type[object]);
    json_begin(j, '{');
    json_kaddr(j, "addr", s->object.addr[object]);
    json_kstr(j, "kind", snap_objkind_name((enum snap_objkind)s->object.kind[object]));
    json_kstr(j, "type", *type ? type : NULL);
    json_kstr(j, "name", *w->names[object] ? w->names[object] : NULL);
    json_end(j, '}');
}

static void edge_json(struct json *j, const struct deadlock_show *sh, const struct wait_edge *e)
{
    const struct wait_graph *w = sh->w;
    bool at_return;
    const struct wait_holder *h = e->holder == SNAP_NONE ? NULL : &w->holders[e->holder];
    json_begin(j, '{');
    json_ku64(j, "from", w->s->goroutine.id[e->from]);
    json_ku64(j, "to", w->s->goroutine.id[e->to]);
    json_key(j, "object");
    deadlock_object(j, w, e->object);
    json_kstr(j, "evidence",
              wait_evidence_name(h ? (enum wait_evidence)h->evidence : WAIT_EV_PROVED));
    json_kstr(j, "act", h ? snap_act_name((enum snap_act)h->act) : "came first");
    json_key(j, "taken");
    deadlock_frame_json(j, sh->s, h ? deadlock_taken(sh, h) : SNAP_NONE);
    json_kbool(j, "taken_sure", h && h->taken_sure);
    json_key(j, "release");
    deadlock_frame_json(j, sh->s, h ? deadlock_release(sh, h, &at_return) : SNAP_NONE);
    json_key(j, "stack"); /* of the one that waits */
    deadlock_stack_json(j, sh, e->from);
    json_end(j, '}');
}

/* Who waits behind a circle, and where. */
static void waiters_json(struct json *j, const struct deadlock_show *sh, const struct wait_cycle *c)
{
    size_t n;
    uint32_t *rows = deadlock_behind(sh->r, c, &n);
    json_key(j, "waiters");
    json_begin(j, '[');
    for (size_t i = 0; i < n; i++) {
        json_begin(j, '{');
        json_ku64(j, "goroutine", sh->s->goroutine.id[rows[i]]);
        json_key(j, "object");
        if (sh->w->info[rows[i]].object == SNAP_NONE)
            json_null(j);
        else
            deadlock_object(j, sh->w, sh->w->info[rows[i]].object);
        json_key(j, "place");
        deadlock_frame_json(j, sh->s, sh->w->info[rows[i]].place);
        json_end(j, '}');
    }
    json_end(j, ']');
    free(rows);
}

static void cycle_json(struct json *j, const struct deadlock_show *sh, const struct wait_cycle *c)
{
    const struct report_deadlock *r = sh->r;
    const struct wait_edge *e = r->stuck->edges + c->edge;
    json_begin(j, '{');
    json_kstr(j, "class", wait_cycle_class_name((enum wait_cycle_class)c->class));
    json_kstr(j, "evidence", wait_evidence_name((enum wait_evidence)c->evidence));
    json_ku64(j, "behind", c->behind);
    json_key(j, "goroutines");
    json_begin(j, '[');
    for (uint32_t i = 0; i < c->nedges; i++)
        json_u64(j, r->graph->s->goroutine.id[e[i].from]);
    json_end(j, ']');
    json_key(j, "edges");
    json_begin(j, '[');
    for (uint32_t i = 0; i < c->nedges; i++)
        edge_json(j, sh, &e[i]);
    json_end(j, ']');
    waiters_json(j, sh, c);
    json_end(j, '}');
}

static void left_json(struct json *j, const struct wait_graph *w, uint32_t object,
                      const char *evidence)
{
    json_begin(j, '{');
    json_kstr(j, "evidence", evidence);
    json_key(j, "object");
    deadlock_object(j, w, object);
    json_key(j, "goroutines");
    json_begin(j, '[');
    for (uint32_t g = 0; g < w->s->goroutine.n; g++)
        if (w->info[g].object == object)
            json_u64(j, w->s->goroutine.id[g]);
    json_end(j, ']');
    json_end(j, '}');
}

void deadlock_members(struct json *j, const struct report_deadlock *r)
{
    struct deadlock_show sh = {.r = r, .w = r->graph, .s = r->graph->s};
    snap_codes_init(&sh.codes, sh.s);
    json_ku64(j, "stuck", r->stuck->n);
    json_kbool(j, "owners_known", r->stuck->looked);
    json_ku64(j, "unfollowed", r->stuck->unfollowed);
    json_key(j, "cycles");
    json_begin(j, '[');
    for (size_t i = 0; i < r->stuck->ncycles; i++)
        cycle_json(j, &sh, &r->stuck->cycles[i]);
    json_end(j, ']');
    snap_codes_free(&sh.codes);
    json_key(j, "left");
    json_begin(j, '[');
    for (size_t i = 0; i < r->stuck->nleft; i++)
        left_json(j, r->graph, r->stuck->left[i], "inferred");
    for (size_t i = 0; i < r->stuck->nsuspects; i++)
        left_json(j, r->graph, r->stuck->suspects[i], "suspected");
    json_end(j, ']');
    json_key(j, "may_release");
    json_begin(j, '[');
    for (size_t i = 0; i < r->stuck->nmaybe; i++)
        json_u64(j, r->graph->s->goroutine.id[r->stuck->maybe[i]]);
    json_end(j, ']');
    json_kbool(j, "timers_may_release", r->stuck->timers);
}

struct err *report_deadlock_json(const struct report_deadlock *r, struct report_sink out)
{
    const struct snap *s = r->graph->s;
    struct json j;
    document_begin(&j, s, out);
    json_ki64(&j, "wall_ns", r->wall_ns);
    deadlock_members(&j, r);
    return document_end(&j, s);
}

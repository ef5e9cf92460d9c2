/* deadlock_where.c - the places of a deadlock: where locks were taken and would be released, in
 * code of the program; the stacks of those who wait. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/deadlock_int.h"

enum { DEPTH = 8, PLACES = 3, NAMED = 8 };

/* The first frame of the program's own in a pc; SNAP_NONE. */
static uint32_t own_frame(const struct deadlock_show *sh, uint32_t pc)
{
    const struct snap *s = sh->s;
    for (uint32_t i = 0; pc != SNAP_NONE && i < s->pc.frames[pc]; i++)
        if (sh->codes.frame[s->pc.frame[pc] + i] == SNAP_CODE_USER)
            return s->pc.frame[pc] + i;
    return SNAP_NONE;
}

static uint32_t own_of_stack(const struct deadlock_show *sh, uint32_t goroutine, unsigned from)
{
    const struct snap *s = sh->s;
    uint32_t frame = SNAP_NONE, node = s->goroutine.stack[goroutine];
    for (unsigned n = 0; node != SNAP_NONE && frame == SNAP_NONE; n++) {
        if (n >= from)
            frame = own_frame(sh, s->stack.pc[node]);
        node = s->stack.parent[node];
    }
    return frame;
}

uint32_t deadlock_taken(const struct deadlock_show *sh, const struct wait_holder *h)
{
    if (h->taken == SNAP_NONE)
        return SNAP_NONE;
    uint32_t frame = own_frame(sh, h->taken);
    return frame != SNAP_NONE ? frame : own_of_stack(sh, h->goroutine, h->taken_frame);
}

/* A deferred call of a method of package sync has no line in the program but that of its frame. */
uint32_t deadlock_release(const struct deadlock_show *sh, const struct wait_holder *h,
                          bool *at_return)
{
    uint32_t frame = own_frame(sh, h->pc);
    *at_return = frame == SNAP_NONE && h->pc != SNAP_NONE;
    return *at_return ? own_of_stack(sh, h->goroutine, h->frame) : frame;
}

/* ---- stacks ---- */

static bool is_below(const struct deadlock_show *sh, uint32_t frame)
{
    return frame == SNAP_NONE || sh->codes.frame[frame] == SNAP_CODE_RUNTIME ||
           strncmp(snap_str(sh->s, sh->s->frame.func[frame]), "sync.", 5) == 0 ||
           strncmp(snap_str(sh->s, sh->s->frame.func[frame]), "internal/sync.", 14) == 0;
}

/* From the caller of the place where the program waits (which a line has told) outwards, without
 * the runtime's. */
void deadlock_put_stack(struct deadlock_show *sh, uint32_t goroutine, size_t indent)
{
    struct snap_stack_iter it;
    struct buf b = {0};
    size_t n = 0, left_out = 0;
    bool outside = false;
    snap_stack_iter_init(&it, sh->s, sh->s->goroutine.stack[goroutine]);
    while (snap_stack_next(&it)) {
        bool shown = outside && !is_below(sh, it.frame);
        outside |= it.frame == sh->w->info[goroutine].place;
        if (!shown)
            continue;
        if (sh->r->limit && ++n > DEPTH) {
            left_out++;
            continue;
        }
        buf_str(&b, "called");
        deadlock_frame(sh, it.frame, &b);
        deadlock_wrapped(sh, &b, indent);
    }
    if (left_out) {
        count_of(&b, left_out, "more call", "more calls");
        buf_str(&b, ": --limit 0 shows all");
        deadlock_wrapped(sh, &b, indent);
    }
    buf_free(&b);
}

void deadlock_stack_json(struct json *j, const struct deadlock_show *sh, uint32_t goroutine)
{
    const struct snap *s = sh->s;
    struct snap_stack_iter it;
    json_begin(j, '[');
    snap_stack_iter_init(&it, s, s->goroutine.stack[goroutine]);
    while (snap_stack_next(&it))
        deadlock_frame_json(j, s, it.frame);
    json_end(j, ']');
}

void deadlock_frame_json(struct json *j, const struct snap *s, uint32_t frame)
{
    if (frame == SNAP_NONE) {
        json_null(j);
        return;
    }
    json_begin(j, '{');
    json_kstr(j, "func", snap_str(s, s->frame.func[frame]));
    json_kstr(j, "file", snap_str(s, s->frame.file[frame]));
    json_ku64(j, "line", s->frame.line[frame]);
    json_end(j, '}');
}

/* ---- those who wait ---- */

/* The goroutines of rows that wait at one place for one thing, from *at on: a line. */
static size_t put_place(struct deadlock_show *sh, const uint32_t *rows, size_t n, size_t at,
                        bool *told)
{
    const struct wait_info *first = &sh->w->info[rows[at]];
    VEC(uint32_t) same = {0};
    struct buf b = {0};
    for (size_t i = at; i < n; i++) {
        const struct wait_info *x = &sh->w->info[rows[i]];
        if (told[i] || x->place != first->place || x->object != first->object)
            continue;
        told[i] = true;
        vec_push(&same, rows[i]);
    }
    deadlock_goroutines(sh, same.v, same.n, sh->r->limit ? NAMED : same.n, &b);
    buf_str(&b, same.n == 1 ? " waits" : " wait");
    if (first->object != SNAP_NONE) {
        buf_str(&b, " for ");
        wait_object_text(sh->w, first->object, &b);
    }
    deadlock_frame(sh, first->place, &b);
    deadlock_wrapped(sh, &b, 2);
    buf_free(&b);
    size_t count = same.n;
    vec_free(&same);
    return count;
}

void deadlock_put_waiters(struct deadlock_show *sh, const uint32_t *rows, size_t n)
{
    bool *told = mem_alloc(n + 1);
    size_t places = 0, left = n;
    for (size_t i = 0; i < n && (!sh->r->limit || places < PLACES); i++)
        if (!told[i]) {
            left -= put_place(sh, rows, n, i, told);
            places++;
        }
    if (left) {
        struct buf b = {0};
        count_of(&b, left, "more goroutine waits", "more goroutines wait");
        buf_str(&b, " at other places: --limit 0 shows all");
        deadlock_wrapped(sh, &b, 2);
        buf_free(&b);
    }
    free(told);
}

static bool is_of_circle(const struct wait_stuck *k, const struct wait_cycle *c, uint32_t g)
{
    for (uint32_t i = 0; i < c->nedges; i++)
        if (k->edges[c->edge + i].from == g)
            return true;
    return false;
}

uint32_t *deadlock_behind(const struct report_deadlock *r, const struct wait_cycle *c, size_t *n)
{
    const struct wait_stuck *k = r->stuck;
    uint32_t *rows = mem_alloc((c->behind + 1) * sizeof(*rows)), number;
    number = (uint32_t)(c - k->cycles) + 1;
    *n = 0;
    for (uint32_t g = 0; g < r->graph->s->goroutine.n && *n < c->behind; g++)
        if (k->behind[g] == number && !is_of_circle(k, c, g))
            rows[(*n)++] = g;
    return rows;
}

uint32_t *deadlock_waiting_for(const struct report_deadlock *r, uint32_t object, size_t *n)
{
    const struct wait_graph *w = r->graph;
    uint32_t *rows = mem_alloc((w->s->object.waiters[object] + 1) * sizeof(*rows));
    *n = 0;
    for (uint32_t g = 0; g < w->s->goroutine.n && *n < w->s->object.waiters[object]; g++)
        if (w->info[g].object == object)
            rows[(*n)++] = g;
    return rows;
}

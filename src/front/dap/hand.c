/* hand.c - frames and variables that a client has in hand, by numbers that mean something only at
 * one stop: when the program runs on they are dropped, and later ones begin behind them, so that a
 * late question is an error and never an answer about something else. */
#include <stdlib.h>
#include <string.h>

#include "front/dap/dap_int.h"

enum { BASE_MAX = 1 << 30 };

void dap_hand_drop(struct dap_hand *h)
{
    h->frame_base += (int64_t)h->frames.n;
    h->handle_base += (int64_t)h->handles.n;
    if (h->frame_base > BASE_MAX)
        h->frame_base = 1;
    if (h->handle_base > BASE_MAX)
        h->handle_base = 1;
    h->stacks.n = h->frames.n = h->handles.n = h->jumps.n = 0;
    arena_free(&h->mem);
    arena_init(&h->mem);
}

void dap_hand_free(struct dap_hand *h)
{
    vec_free(&h->stacks);
    vec_free(&h->frames);
    vec_free(&h->handles);
    vec_free(&h->jumps);
    arena_free(&h->mem);
}

static struct err *frames_of(struct dap_client *c, int64_t thread, size_t max, struct dap_stack *st)
{
    struct dbg *d = c->server->session.d;
    struct rt_stand *stand = dbg_stand(d);
    const struct rt_goroutine *g;
    if (thread < 0) {
        st->tid = (pid_t)-thread;
        return rt_thread_frames(stand, st->tid, max, &c->hand.mem, &st->frames);
    }
    TRY(rt_goroutine_by_id(stand, (uint64_t)thread, &g));
    st->g = g->g;
    st->tid = g->tid;
    return rt_goroutine_frames(stand, g->g, max, &c->hand.mem, &st->frames);
}

void dap_hand_fresh(struct dap_client *c)
{
    struct dbg *d = c->server->session.d;
    if (!d || dbg_state(d) != DBG_STANDS || c->hand.moves == rt_stand_moves(dbg_stand(d)))
        return;
    c->hand.moves = rt_stand_moves(dbg_stand(d));
    for (size_t i = 0; i < c->hand.stacks.n; i++) {
        struct dap_stack *st = &c->hand.stacks.v[i];
        st->frames = (struct rt_frames){0};
        err_free(frames_of(c, st->thread, st->asked, st)); /* then its frames have no variables */
    }
}

struct err *dap_stack_of(struct dap_client *c, int64_t thread, size_t n, size_t *ret_stack)
{
    struct dap_hand *h = &c->hand;
    size_t i = 0;
    while (i < h->stacks.n && h->stacks.v[i].thread != thread)
        i++;
    *ret_stack = i;
    if (i < h->stacks.n) {
        const struct dap_stack *old = &h->stacks.v[i];
        if (!old->asked || (n && n <= old->asked) || old->frames.n < old->asked)
            return NULL;
    }
    struct dap_stack st = {.thread = thread, .asked = n};
    TRY(frames_of(c, thread, n, &st));
    if (i < h->stacks.n)
        h->stacks.v[i] = st; /* longer; the first frames are the same */
    else
        vec_push(&h->stacks, st);
    return NULL;
}

struct err *dap_frame_add(struct dap_client *c, size_t stack, unsigned index, int64_t *ret_id)
{
    struct dap_frame f = {.stack = stack, .index = index};
    if (c->hand.frames.n >= DAP_HANDLES_MAX)
        return err_new(ERR_LIMIT, "more than %d frames in hand at one stop", DAP_HANDLES_MAX);
    *ret_id = c->hand.frame_base + (int64_t)c->hand.frames.n;
    vec_push(&c->hand.frames, f);
    return NULL;
}

struct err *dap_frame_find(struct dap_client *c, int64_t id, size_t *ret)
{
    if (id < c->hand.frame_base || id >= c->hand.frame_base + (int64_t)c->hand.frames.n)
        return err_hint(err_new(ERR_NOT_FOUND, "there is no frame %lld", (long long)id),
                        "Its number is of an earlier stop, perhaps");
    *ret = (size_t)(id - c->hand.frame_base);
    return NULL;
}

const struct rt_frame *dap_frame_at(const struct dap_client *c, size_t frame)
{
    if (frame == SIZE_MAX)
        return NULL;
    const struct dap_frame *f = &c->hand.frames.v[frame];
    const struct rt_frames *fs = &c->hand.stacks.v[f->stack].frames;
    return f->index < fs->n ? &fs->v[f->index] : NULL;
}

struct err *dap_frame_or_top(struct dap_client *c, int64_t id, size_t *ret)
{
    size_t stack;
    int64_t top;
    *ret = SIZE_MAX;
    if (id)
        return dap_frame_find(c, id, ret);
    if (c->top_stop == c->server->session.stop && c->hand.frames.n) {
        *ret = c->top_frame;
        return NULL;
    }
    const struct dbg_event *ev = dbg_stop(c->server->session.d);
    int64_t thread = ev ? dap_thread_of(ev) : 0;
    struct err *e = thread ? dap_stack_of(c, thread, 1, &stack) : NULL;
    if (e || !thread || !c->hand.stacks.v[stack].frames.n) {
        err_free(e); /* names of packages can be asked for without a frame */
        return NULL;
    }
    TRY(dap_frame_add(c, stack, 0, &top));
    c->top_stop = c->server->session.stop;
    c->top_frame = *ret = (size_t)(top - c->hand.frame_base);
    return NULL;
}

struct err *dap_handle_add(struct dap_client *c, const struct dap_handle *h, int64_t *ret)
{
    if (c->hand.handles.n >= DAP_HANDLES_MAX)
        return err_new(ERR_LIMIT, "more than %d variables in hand at one stop", DAP_HANDLES_MAX);
    *ret = c->hand.handle_base + (int64_t)c->hand.handles.n;
    vec_push(&c->hand.handles, *h);
    return NULL;
}

struct err *dap_handle_find(struct dap_client *c, int64_t id, struct dap_handle *ret)
{
    if (id < c->hand.handle_base || id >= c->hand.handle_base + (int64_t)c->hand.handles.n)
        return err_hint(err_new(ERR_NOT_FOUND, "there are no variables %lld", (long long)id),
                        "Their number is of an earlier stop, perhaps");
    *ret = c->hand.handles.v[id - c->hand.handle_base];
    return NULL;
}

struct expr_ctx dap_ctx(struct dap_client *c, size_t frame, struct arena *a)
{
    struct expr_ctx ctx = {.st = dbg_stand(c->server->session.d), .arena = a};
    if (frame != SIZE_MAX) {
        const struct dap_stack *st = &c->hand.stacks.v[c->hand.frames.v[frame].stack];
        ctx.frame = dap_frame_at(c, frame);
        ctx.g = st->g;
        ctx.tid = st->tid;
    }
    return ctx;
}

struct err *dap_eval(struct dap_client *c, size_t frame, const struct dbg_call_spec *calls,
                     const char *text, struct arena *a, struct dbg_value *ret)
{
    const struct dap_frame *f = frame == SIZE_MAX ? NULL : &c->hand.frames.v[frame];
    int64_t thread = f ? c->hand.stacks.v[f->stack].thread : 0;
    if (calls && thread > 0) {
        struct dbg_call_spec how = *calls;
        how.goroutine = thread;
        how.frame = f->index;
        how.text = text;
        return dbg_eval_call(c->server->session.d, &how, a, ret);
    }
    struct expr_ctx ctx = dap_ctx(c, frame, a);
    return expr_once(&ctx, text, ret);
}

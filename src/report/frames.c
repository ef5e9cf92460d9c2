/* frames.c - stacks as text, each pc rendered once; see report_int.h.
 *
 * 100,000 goroutines have 2.5 million frames but a few thousand pcs: what is written for a pc is
 * kept, and a stack is copied together.  Which frames are visible follows snap/stack.c: a wrapper
 * is, when it called a panic function, or nothing: as the innermost frame. */
#include <stdlib.h>

#include "report/report_int.h"

void frames_init(struct frames *f, const struct snap *s, const struct report_style *style,
                 void (*render)(struct frames *f, struct buf *b, uint32_t pc, uint32_t frame))
{
    *f = (struct frames){.s = s, .render = render, .style = style};
    snap_codes_init(&f->codes, s);
    f->pcs = mem_alloc(2 * s->pc.n * sizeof(*f->pcs));
}

void frames_free(struct frames *f)
{
    snap_codes_free(&f->codes);
    buf_free(&f->text);
    free(f->pcs);
    *f = (struct frames){0};
}

/* Writes up to `most` visible frames of a pc; how many there are. */
static uint32_t render_pc(struct frames *f, struct buf *b, uint32_t pc, bool after_panic,
                          uint32_t most)
{
    const struct snap *s = f->s;
    uint32_t visible = 0;
    if (!s->pc.frames[pc] && visible++ < most)
        f->render(f, b, pc, SNAP_NONE);
    for (uint32_t i = 0; i < s->pc.frames[pc]; i++) {
        uint32_t frame = s->pc.frame[pc] + i;
        if ((s->frame.func_id[frame] != SNAP_FN_WRAPPER || after_panic) && visible++ < most)
            f->render(f, b, pc, frame);
        after_panic = snap_is_panic(s->frame.func_id[frame]);
    }
    return visible;
}

static const struct rendered *rendered(struct frames *f, uint32_t pc, bool after_panic)
{
    struct rendered *r = &f->pcs[2 * (size_t)pc + after_panic];
    if (!r->done) {
        r->done = true;
        r->at = f->text.n;
        r->count = render_pc(f, &f->text, pc, after_panic, UINT32_MAX);
        r->n = f->text.n - r->at;
    }
    return r;
}

uint64_t frames_of_stack(struct frames *f, struct buf *b, uint32_t node, unsigned depth)
{
    const struct snap *s = f->s;
    uint64_t written = 0, most = depth ? depth : UINT64_MAX, left_out = 0;
    bool after_panic = true; /* the innermost frame is shown in any case */
    for (; node != SNAP_NONE; node = s->stack.parent[node]) {
        uint32_t pc = s->stack.pc[node], frames = s->pc.frames[pc];
        const struct rendered *r = rendered(f, pc, after_panic);
        if (r->count <= most - written) {
            buf_add(b, f->text.p + r->at, r->n);
            written += r->count;
        } else {
            render_pc(f, b, pc, after_panic, (uint32_t)(most - written));
            left_out += r->count - (most - written);
            written = most;
        }
        after_panic = frames && snap_is_panic(s->frame.func_id[s->pc.frame[pc] + frames - 1]);
    }
    return left_out;
}

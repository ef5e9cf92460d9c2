/* heap_threads.c - the pointers that threads hold while they do the runtime's own work: table root,
 * kind OTHER.
 *
 * Go: runtime/time.go runOneTimer, timer.unlockAndRun; runtime/proc.go newproc1 (1.18-1.27).
 *
 * The garbage collector does not look at the stacks of threads (g0, gsignal): it stops the world
 * first, where nothing there counts.  A snapshot stops it anywhere.  A timer, for instance, is
 * taken out of its heap before its function is called, on g0, so that for a moment only that stack
 * and registers lead to the channel that it will send to.  Work on pointers of Go needs a P; what
 * threads without one left on their stacks is of no interest.  There are no maps of these stacks:
 * every word that looks like a pointer counts. */
#include <stdlib.h>

#include "rt/heap_int.h"

enum { STACK_WORDS_MAX = (1 << 20) / 8 };

static void take(struct heap *h, taddr at, uint64_t v)
{
    struct snap *s = h->c->s;
    uint64_t offset;
    uint32_t slot = heap_slot_at(h, v, &offset);
    if (slot == SNAP_NONE)
        return;
    uint32_t row = snap_add_root(s);
    s->root.kind[row] = SNAP_ROOT_OTHER;
    s->root.flags[row] = (uint8_t)(SNAP_RF_CONSERVATIVE | (offset ? SNAP_RF_INTERIOR : 0));
    s->root.slot[row] = slot;
    s->root.addr[row] = at;
}

static bool within(taddr v, taddr lo, taddr hi)
{
    return v >= lo && v < hi;
}

/* The words of a stack from sp on; the lowest of them that lies in [lo, hi), or hi. */
static taddr take_stack(struct heap *h, taddr sp, taddr end, taddr lo, taddr hi)
{
    uint64_t *words = NULL;
    taddr at = (sp + 7) & ~(taddr)7, lowest = hi;
    size_t n = end > at ? (size_t)((end - at) / 8) : 0;
    struct err *e =
        rt_read_array(h->c->t, "a thread's stack", at, n, 8, STACK_WORDS_MAX, (void **)&words);
    if (e)
        heap_note_unread(h, 1, "stacks of threads", "the memory is not readable, or too much");
    for (size_t i = 0; !e && i < n; i++) {
        take(h, at + 8 * i, words[i]);
        if (within(words[i], lo, lowest))
            lowest = words[i];
    }
    err_free(e);
    free(words);
    return lowest;
}

/* In a signal handler the registers that it interrupted lie on the signal stack: the stack pointer,
 * too, when that was g0. */
static void read_thread(struct heap *h, const struct mrec *m, const struct target_thread *t)
{
    taddr sp = t->regs.sp;
    bool gsignal = within(sp, m->gsignal_lo, m->gsignal_hi);
    if (!gsignal && !within(sp, m->g0_lo, m->g0_hi))
        return; /* its goroutine's stack */
    for (size_t i = 0; i + 8 <= t->regs.raw_n; i += 8) {
        uint64_t v;
        memcpy(&v, t->regs.raw + i, 8);
        take(h, 0, v);
    }
    if (gsignal)
        sp = take_stack(h, sp, m->gsignal_hi, m->g0_lo, m->g0_hi);
    take_stack(h, sp, m->g0_hi, 0, 0);
}

void heap_read_threads(struct heap *h)
{
    struct capture *c = h->c;
    for (size_t i = 0; i < c->nms; i++) {
        const struct mrec *m = &c->ms[i];
        if (m->p && m->thread < c->nthreads && c->threads[m->thread].have_regs)
            read_thread(h, m, &c->threads[m->thread]);
    }
}

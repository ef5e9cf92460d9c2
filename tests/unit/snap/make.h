/* make.h - snapshots for tests: by hand, and at random within the promises of schema.def. */
#ifndef GOSPECT_TESTS_SNAP_MAKE_H
#define GOSPECT_TESTS_SNAP_MAKE_H

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "snap/snap.h"

/* ---- by hand ---- */

static inline uint32_t make_str(struct snap *s, const char *text)
{
    return intern_add(&s->strings, text);
}

struct make_frame {
    const char *func, *file;
    uint32_t line;
    enum snap_funcid id;
    bool inlined;
};

/* A pc whose frames are given innermost first; func NULL ends them. */
static inline uint32_t make_pc(struct snap *s, uint64_t addr, const struct make_frame *frames)
{
    uint32_t pc = snap_add_pc(s);
    s->pc.addr[pc] = addr;
    s->pc.frame[pc] = (uint32_t)s->frame.n;
    for (const struct make_frame *f = frames; f && f->func; f++) {
        uint32_t row = snap_add_frame(s);
        s->frame.func[row] = make_str(s, f->func);
        s->frame.file[row] = make_str(s, f->file);
        s->frame.line[row] = f->line;
        s->frame.func_id[row] = (uint8_t)f->id;
        s->frame.flags[row] = f->inlined ? SNAP_FF_INLINED : 0;
        s->pc.frames[pc]++;
    }
    return pc;
}

/* A pc of one physical frame. */
static inline uint32_t make_place(struct snap *s, uint64_t addr, const char *func, const char *file,
                                  uint32_t line)
{
    struct make_frame f[] = {{func, file, line, SNAP_FN_NORMAL, false},
                             {NULL, NULL, 0, SNAP_FN_NORMAL, false}};
    return make_pc(s, addr, f);
}

/* The node of a stack whose pcs are given innermost first; equal outer parts are shared. */
static inline uint32_t make_stack(struct snap *s, const uint32_t *pcs, size_t n)
{
    uint32_t node = SNAP_NONE;
    while (n--) {
        uint32_t found = SNAP_NONE;
        for (uint32_t i = 0; i < s->stack.n; i++)
            if (s->stack.parent[i] == node && s->stack.pc[i] == pcs[n])
                found = i;
        if (found == SNAP_NONE) {
            found = snap_add_stack(s);
            s->stack.parent[found] = node;
            s->stack.pc[found] = pcs[n];
        }
        node = found;
    }
    return node;
}

static inline uint32_t make_goroutine(struct snap *s, uint64_t id, enum snap_gstatus status,
                                      const char *reason, uint32_t stack)
{
    uint32_t g = snap_add_goroutine(s);
    s->goroutine.id[g] = id;
    s->goroutine.addr[g] = 0xc000000000 + id * 512;
    s->goroutine.status[g] = (uint8_t)status;
    s->goroutine.wait_reason[g] = make_str(s, reason);
    s->goroutine.stack[g] = stack;
    return g;
}

/* ---- at random ---- */

struct make_random {
    uint64_t state;
};

static inline uint64_t make_rand(struct make_random *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    return r->state ^= r->state << 17;
}

static inline uint64_t make_below(struct make_random *r, uint64_t n)
{
    return n ? make_rand(r) % n : 0;
}

/* Numbers as columns have them: constant, small, rising, sparse, wild. */
static inline uint64_t make_number(struct make_random *r, unsigned kind, uint64_t i)
{
    switch (kind % 6) {
    case 0:
        return 7;
    case 1:
        return make_below(r, 100);
    case 2:
        return 0xc000000000 + i * 2048 + make_below(r, 3) * 512;
    case 3:
        return make_below(r, 50) ? 0 : make_rand(r);
    case 4:
        return i * 3;
    default:
        return make_rand(r);
    }
}

#endif

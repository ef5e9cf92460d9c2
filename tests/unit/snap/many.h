/* many.h - a snapshot of many goroutines, the same at every call: what encoding is measured on.
 *
 * Shaped after what servers under load show: some hundred stacks of 5 to 47 frames (25 on average),
 * few of them with most of the goroutines; ids that rise with gaps; goroutines and stacks where the
 * runtime's allocator puts them (spans of one size, in any order); waits noticed at the instants of
 * some garbage collections.  `same` is false for the worst case: no two stacks alike. */
#ifndef GOSPECT_TESTS_SNAP_MANY_H
#define GOSPECT_TESTS_SNAP_MANY_H

#include <stdio.h>

#include "base/clock.h"
#include "snap/make.h"

enum { MANY_PCS = 1500, MANY_STACKS = 400 };

static inline void many_pcs(struct snap *s)
{
    char func[128], file[128];
    for (uint32_t i = 0; i < MANY_PCS; i++) {
        snprintf(func, sizeof(func), "example.com/shop/internal/pkg%02u.(*Service%02u).handle%03u",
                 i / 50, i / 25, i);
        snprintf(file, sizeof(file), "/home/build/src/shop/internal/pkg%02u/service_%02u.go",
                 i / 50, i / 25);
        make_place(s, 0x401000 + i * 89, func, file, 10 + i * 7 % 900);
    }
}

/* A chain of some frames on top of another. */
static inline uint32_t many_stack(struct snap *s, struct make_random *r, uint32_t outer,
                                  uint64_t least, uint64_t most)
{
    uint32_t node = outer;
    for (uint64_t n = least + make_below(r, most - least + 1); n; n--) {
        uint32_t next = snap_add_stack(s);
        s->stack.parent[next] = node;
        s->stack.pc[next] = (uint32_t)make_below(r, MANY_PCS);
        node = next;
    }
    return node;
}

static inline uint32_t stack_depth(const struct snap *s, uint32_t node)
{
    uint32_t depth = 0;
    for (; node != SNAP_NONE; node = s->stack.parent[node])
        depth++;
    return depth;
}

/* Where a span of the runtime's heap puts its i-th object: spans of 8 KiB come in any order. */
static inline uint64_t many_slot(uint64_t i, uint64_t size)
{
    uint64_t per_span = 8192 / size, span = i / per_span;
    return 0xc000000000 + (hash_u64(span) % 4000000) * 8192 + i % per_span * size;
}

static inline void many_goroutine(struct snap *s, struct make_random *r, uint64_t i, uint32_t node)
{
    static const char *const reasons[] = {"chan receive", "select", "IO wait", "sync.Mutex.Lock"};
    static const uint64_t stack_sizes[] = {2048, 4096, 4096, 8192};
    uint32_t g =
        make_goroutine(s, 20 + i * 3 + make_below(r, 2), SNAP_G_WAITING, reasons[node % 4], node);
    uint64_t size = stack_sizes[node % 4];
    s->goroutine.addr[g] = many_slot(i, 448);
    s->goroutine.depth[g] = (uint16_t)stack_depth(s, node);
    s->goroutine.creator[g] = node % MANY_PCS;
    s->goroutine.start[g] = node % 97;
    s->goroutine.parent_id[g] = 1 + node % 13;
    s->goroutine.wait_since[g] =
        make_below(r, 3) ? (int64_t)(1 + make_below(r, 20)) * 120 * NSEC_PER_SEC : 0;
    s->goroutine.stack_lo[g] = many_slot(i * 7, size) + (1ull << 36);
    s->goroutine.stack_hi[g] = s->goroutine.stack_lo[g] + size;
    s->goroutine.sp[g] = s->goroutine.stack_hi[g] - 200 - node % 50 * 16;
    s->goroutine.labels[g] = node % 10 == 0 ? 1 + node % 3 : 0;
    uint32_t w = snap_add_wait(s);
    s->wait.goroutine[w] = g;
    s->wait.kind[w] = SNAP_W_CHAN_RECV;
    s->wait.addr[w] = many_slot(make_below(r, 1 + i / 4), 96);
}

static inline struct snap *many_goroutines(uint64_t n, bool same)
{
    struct snap *s = snap_new();
    struct make_random r = {0x243f6a8885a308d3};
    uint32_t stacks[MANY_STACKS];
    many_pcs(s);
    for (uint32_t i = 0; i < MANY_STACKS; i++)
        stacks[i] = i % 4 ? many_stack(s, &r, stacks[i - i % 4], 3, 22)
                          : many_stack(s, &r, SNAP_NONE, 5, 25);
    for (uint32_t set = 1; set <= 3; set++) {
        uint32_t l = snap_add_label(s);
        s->label.set[l] = set;
        s->label.key[l] = make_str(s, "route");
        s->label.value[l] = make_str(s, set == 1 ? "/orders" : set == 2 ? "/users" : "/admin");
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t pick = make_below(&r, MANY_STACKS); /* squared: few stacks have most */
        many_goroutine(s, &r, i,
                       same ? stacks[pick * pick / MANY_STACKS]
                            : many_stack(s, &r, SNAP_NONE, 5, 45));
    }
    snap_set_meta_i64(s, SNAP_META_taken_mono_ns, 3000 * NSEC_PER_SEC);
    snap_trim(s); /* as a capture does */
    return s;
}

#endif

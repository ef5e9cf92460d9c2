/* The heap's tables: every kind of damage is refused and named. */
#include "check.h"
#include "heap/make.h"

/* Two objects with pointers, one without; an edge that names a type; a root. */
static struct snap *sound(void)
{
    struct make_heap h;
    make_heap_init(&h);
    uint32_t type = make_type(&h, "main.T", MAKE_STRUCT, 64, 8);
    uint32_t shape = make_shape(&h, SNAP_FORM_VALUE, type);
    uint32_t a = make_object(&h, 64, true, shape), b = make_object(&h, 128, true, shape);
    uint32_t leaf = make_object(&h, 16, false, 0);
    make_edge_of(&h, (struct make_edge){.from = a, .to = b, .word = 1, .type = type});
    make_edge(&h, a, 7, leaf);
    make_root_global(&h, make_global(&h, "main.g"), a);
    make_root_stack(&h, make_heap_goroutine(&h, 1), "x", b);
    struct snap *s = make_heap_done(&h);
    make_heap_free(&h);
    return s;
}

/* The edges: 2 | 2+typed, type, delta | 6+leaf, delta.  The first span has 128 slots of 64 bytes.
 */
#define DAMAGES(X)                                                                                 \
    X(s->span.slot[1] += 1, "numbered through")                                                    \
    X(s->span.elem_size[0] = 0, "do not fit")                                                      \
    X(s->span.elem_size[0] = 63, "do not fit")                                                     \
    X(s->span.pages[0] = 0, "do not fit")                                                          \
    X(s->span.addr[0] = UINT64_MAX - 4096, "behind all memory")                                    \
    X(s->span.addr[1] = s->span.addr[0] + 64, "overlaps")                                          \
    X(s->span.addr[2] = s->span.addr[0], "overlaps")                                               \
    X(s->span.flags[0] = SNAP_SPF_NO_POINTERS, "behind one without")                               \
    X(s->slot.n--, "slot.shape")                                                                   \
    X(s->slots64.n--, "slots64")                                                                   \
    X(s->scanslot.n--, "scanslot")                                                                 \
    X(snap_add_memory(s), "memory.word")                                                           \
    X(s->slot.shape[0] = 99, "no such shape")                                                      \
    X(s->root.slot[1] = (uint32_t)s->slot.n, "no such slot")                                       \
    X(s->root.kind[0] = SNAP_ROOT_OTHER, "not in order")                                           \
    X(s->scanslot.edges[0] = (uint32_t)s->edge.n + 1, "outside of the table")                      \
    X(s->scanslot.edges[0] = 2, "")                                                                \
    X(s->edge.n = 3, "does not end")                                                               \
    X(s->edge.byte[0] = 0xff, "")                                                                  \
    X(s->edge.byte[1] = 0x20, "outside of the object")                                             \
    X(s->edge.byte[1] = 0x3e, "outside of the object")                                             \
    X(s->edge.byte[1] |= 0x80, "bit 7")                                                            \
    X(s->edge.byte[2] = 1, "no such type")                                                         \
    X(s->edge.byte[3] = 0x7f, "no such slot")                                                      \
    X(s->scanslot.edges[1] = s->scanslot.edges[0], "longer than the table")

#define DAMAGE(statement, text)                                                                    \
    do {                                                                                           \
        struct snap *s = sound();                                                                  \
        statement;                                                                                 \
        check_err(snap_check(s), ERR_BAD_DATA, text);                                              \
        snap_free(s);                                                                              \
    } while (0);

static void damage_is_named(void **state)
{
    DAMAGES(DAMAGE)
}

static void what_is_sound_passes(void **state)
{
    struct snap *s = sound();
    check_ok(snap_check(s));
    snap_free(s);
}

TEST_MAIN(cmocka_unit_test(what_is_sound_passes), cmocka_unit_test(damage_is_named))

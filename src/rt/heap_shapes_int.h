/* heap_shapes_int.h - what the files that find out what objects are share.
 *
 * heap_shapes.c leads, heap_flow.c knows what a pointer inside an object of some shape leads to and
 * which objects can have which shape, heap_guess.c looks at what is left. */
#ifndef GOSPECT_RT_HEAP_SHAPES_INT_H
#define GOSPECT_RT_HEAP_SHAPES_INT_H

#include "rt/types_int.h"
#include "snap/edges.h"

/* Of a span, in 8 bytes: looked at for every edge. */
struct shape_span {
    uint32_t slot; /* its first */
    uint8_t spanclass, flags;
    uint16_t reserved;
};

enum {
    SHAPE_UNSEEN = UINT16_MAX,
    SHAPE_WORDS_MAX = 1 << 12,
    SHAPE_BLOCK = 4096,
    SHAPE_PATTERNS = 1 << 16
};

/* What the words of a shape lead to: child[word], SHAPE_UNSEEN until it is asked for.  `period`:
 * words after which it repeats (arrays); 0: never. */
struct shape_flow {
    uint64_t period;
    uint32_t words; /* of child[] */
    _Atomic uint16_t child[];
};

/* Whether objects of a shape can lie in spans of a class: two bits a class, known and yes. */
struct shape_fit {
    _Atomic uint64_t known[4], fits[4];
};

/* What an object is unless better is found: its header tells less than what points to it may, or
 * only strings and slices point into it. */
struct shape_late {
    uint32_t slot;
    uint16_t shape;
};

/* The nodes of a hash trie (sync.Map since Go 1.24) are pointed to by what both kinds begin with.
 */
struct shape_trie {
    uint32_t node, indirect, entry; /* types; the latter two may be SNAP_NONE */
};

/* To be assigned when the memory of the slot has come. */
struct shape_found {
    uint32_t slot;
    uint16_t shape;
};

/* Fields that are an unsafe.Pointer, but always to the same: of struct `holder`. */
enum { SHAPE_UNSAFE = 4 };
struct shape_unsafe {
    const char *holder, *field, *type;
    uint8_t form;
};
extern const struct shape_unsafe shape_unsafe[SHAPE_UNSAFE];

struct shape_worker {
    VEC(uint32_t) stack;
    VEC(struct shape_late) late;
    struct shape_found found[256];
    unsigned nfound;
    uint64_t conflicts, misfits;
};

struct shaper {
    struct heap *h;
    struct rt_types *ty;
    struct snap *s;
    _Atomic uint16_t *shape;            /* the column slot.shape */
    struct shape_span *spans;           /* owned; as the table span, and one behind the last */
    uint32_t *span_at;                  /* owned; span of the first of every 64 slots */
    _Atomic(struct shape_flow *) *flow; /* of each shape; owned */
    struct shape_fit *fit;              /* of each shape; owned */
    _Atomic uint64_t *pattern_fits;     /* SHAPE_PATTERNS answers of flow_fits(); owned */
    _Atomic uint64_t *done;             /* bits of slots whose edges were followed */
    uint32_t hchan;                     /* type runtime.hchan; SNAP_NONE: not found */
    uint32_t map_table;                 /* type internal/runtime/maps.table (1.24+) */
    VEC(struct shape_trie) tries;
    uint32_t hmap;                      /* type of a map's header; SNAP_NONE: not found */
    uint32_t unsafe_type[SHAPE_UNSAFE]; /* of shape_unsafe[]; SNAP_NONE: not found */
    struct shape_worker *workers;
    unsigned nworkers;
    _Atomic size_t next_range; /* of slots to be looked at */

    pthread_mutex_t lock; /* of the blocks of slots to be followed */
    pthread_cond_t more;
    VEC(uint32_t *) blocks; /* SHAPE_BLOCK slots each; what is unused is SNAP_NONE */
    unsigned working;
};

static inline uint32_t shaper_span(const struct shaper *p, uint32_t slot)
{
    uint32_t i = p->span_at[slot / 64];
    while (p->spans[i + 1].slot <= slot)
        i++;
    return i;
}

/* What says whether something fits into the slots of a span: asked far less often. */
struct shape_place {
    uint64_t elem_size;
    uint8_t spanclass, flags;
};
static inline struct shape_place shaper_place(const struct shaper *p, uint32_t span)
{
    return (struct shape_place){.elem_size = p->s->span.elem_size[span],
                                .spanclass = p->spans[span].spanclass,
                                .flags = p->spans[span].flags};
}

/* ---- heap_flow.c ---- */

/* The shape of what the word at byte `at` of a value of a type leads to; 0: not known. */
uint16_t flow_of_type(struct shaper *p, uint32_t type, uint64_t at, enum snap_evidence evidence);
/* The shape of what an interface value with this dynamic type points to. */
uint16_t flow_of_interface(struct shaper *p, uint32_t type, enum snap_evidence evidence);
/* The shape of what word `word` of an object of a shape leads to, which is `target`. */
uint16_t flow_of_word(struct shaper *p, uint16_t shape, uint64_t word, uint32_t target);
/* Whether the object of a slot can have a shape. */
bool flow_fits(struct shaper *p, uint16_t shape, uint32_t slot);
/* What fits the slot when a shape does not, but may stand for others; 0: nothing, or several. */
uint16_t flow_instead(struct shaper *p, uint16_t shape, uint32_t slot);
bool flow_mask_of(const struct shaper *p, uint32_t type, uint64_t *ret, uint64_t *ret_words);
bool flow_repeats(uint64_t pattern, uint64_t words, uint64_t mask, uint64_t room);
/* Bytes for the data of an object of the span. */
uint64_t flow_room(const struct shape_place *s);
/* A value of the type, or an array of such values, whatever fills the slot better. */
uint16_t flow_of_header(struct shaper *p, uint32_t type, uint32_t slot);
/* Whether a shape by header is that of a map's directory, which does not say of which map. */
bool flow_is_directory(const struct shaper *p, uint16_t shape);
/* A better shape for an object whose allocation told its type: groups of a map, buffer of a
 * channel; or of which only was known that it is a channel or a map.  0: none. */
uint16_t flow_refine(struct shaper *p, uint16_t have, uint16_t expected);

/* ---- heap_shapes.c ---- */

/* The next slots that no worker has been given since next_range was 0; false: there are none. */
bool shaper_next_range(struct shaper *p, uint32_t *ret, uint32_t *ret_end);
void shaper_assign(struct shaper *p, struct shape_worker *w, uint16_t shape, uint32_t slot);
/* Follows edges from all objects that have a shape and were not followed yet. */
struct err *shaper_propagate(struct shaper *p) MUST_USE;

/* ---- heap_guess.c ---- */

/* Guesses what is left, and follows the guesses. */
struct err *heap_guess(struct shaper *p) MUST_USE;

#endif

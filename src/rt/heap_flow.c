/* heap_flow.c - what a pointer inside an object leads to, told by the object's own shape.
 *
 * Go: internal/runtime/maps/map.go Map, table.go, group.go (1.24+); runtime/map.go hmap, mapextra,
 * bmap (until 1.23); runtime/chan.go hchan; closures: word 0 is the code; sync/atomic Pointer;
 * sync/pool.go Pool; internal/sync/hashtriemap.go node, indirect, entry (1.23:
 * internal/concurrent).
 *
 * A Swiss map points to a directory of tables, or, while it is small, to its only group: a
 * directory's first word is a pointer, a group's never is.  Buckets of old maps end with a word
 * that points to the next bucket; if they have no pointers, they are kept alive by a list
 * (mapextra).
 *
 * An object has the type of a pointer to it only if its size is the one that the allocator gives to
 * that type: pointers to the first field of something larger are common. */
#include <stdlib.h>

#include "rt/heap_shapes_int.h"

enum { LARGE_PAGE = 8192, DESCENT_MAX = 64 };

/* ---- from types ---- */

static uint16_t shape_of(struct shaper *p, enum snap_form form, uint32_t type,
                         enum snap_evidence evidence)
{
    if (type == SNAP_NONE && form != SNAP_FORM_CLOSURE && form != SNAP_FORM_STRING)
        return 0;
    return types_shape(p->ty, form, type, SNAP_NONE, evidence);
}

static const struct type_field *field_at(const struct rt_types *ty, const struct type_entry *e,
                                         uint64_t at)
{
    for (uint32_t i = e->fields; i-- > 0;) {
        const struct type_field *f = &ty->fields.v[e->field + i];
        if (f->type != SNAP_NONE && f->offset <= at &&
            at - f->offset < types_entry(ty, f->type)->info.size)
            return f;
    }
    return NULL;
}

/* What an unsafe.Pointer in a struct is known to point to: atomic.Pointer[T] says so in a field of
 * no bytes, `_ [0]*T`; others are in a table (heap_shapes.c). */
static uint16_t known_unsafe(struct shaper *p, const struct type_entry *e,
                             const struct type_field *f, enum snap_evidence evidence)
{
    const struct rt_types *ty = p->ty;
    const struct type_entry *first =
        e->fields ? types_entry(ty, ty->fields.v[e->field].type) : NULL;
    if (!f || ty->fields.v[e->field].type == SNAP_NONE)
        return 0;
    if (first->info.kind == GO_KIND_ARRAY && !first->count && first->elem != SNAP_NONE &&
        types_entry(ty, first->elem)->info.kind == GO_KIND_POINTER)
        return shape_of(p, SNAP_FORM_VALUE, types_entry(ty, first->elem)->elem, evidence);
    const char *name = intern_get(&ty->names, f->name), *holder = types_name(p->ty, e->number);
    for (size_t i = 0; i < SHAPE_UNSAFE; i++)
        if (strcmp(name, shape_unsafe[i].field) == 0 && strcmp(holder, shape_unsafe[i].holder) == 0)
            return shape_of(p, (enum snap_form)shape_unsafe[i].form, p->unsafe_type[i], evidence);
    return 0;
}

static uint16_t flow_of_kind(struct shaper *p, uint32_t type, uint64_t at,
                             enum snap_evidence evidence)
{
    const struct type_entry *e = types_entry(p->ty, type);
    switch (e->info.kind) {
    case GO_KIND_POINTER:
        return shape_of(p, SNAP_FORM_VALUE, e->elem, evidence);
    case GO_KIND_SLICE:
        return at ? 0 : shape_of(p, SNAP_FORM_ARRAY, e->elem, evidence);
    case GO_KIND_STRING:
        return at ? 0 : shape_of(p, SNAP_FORM_STRING, SNAP_NONE, evidence);
    case GO_KIND_MAP:
        return shape_of(p, SNAP_FORM_MAP, type, evidence);
    case GO_KIND_CHAN:
        return shape_of(p, SNAP_FORM_CHAN, type, evidence);
    case GO_KIND_FUNC:
        return shape_of(p, SNAP_FORM_CLOSURE, SNAP_NONE, evidence);
    default:
        return 0;
    }
}

uint16_t flow_of_type(struct shaper *p, uint32_t type, uint64_t at, enum snap_evidence evidence)
{
    for (unsigned depth = 0; type != SNAP_NONE && depth < DESCENT_MAX; depth++) {
        const struct type_entry *e = types_entry(p->ty, type);
        const struct type_field *f;
        switch (e->info.kind) {
        case GO_KIND_ARRAY:
            type = e->elem;
            if (type == SNAP_NONE || !types_entry(p->ty, type)->info.size)
                return 0;
            at %= types_entry(p->ty, type)->info.size;
            break;
        case GO_KIND_STRUCT:
            f = field_at(p->ty, e, at);
            type = f ? f->type : SNAP_NONE;
            if (f && types_entry(p->ty, type)->info.kind == GO_KIND_UNSAFE_POINTER)
                return known_unsafe(p, e, f, evidence);
            at -= f ? f->offset : 0;
            break;
        default:
            return flow_of_kind(p, type, at, evidence);
        }
    }
    return 0;
}

uint16_t flow_of_interface(struct shaper *p, uint32_t type, enum snap_evidence evidence)
{
    if (types_get(p->ty, type)->direct)
        return flow_of_type(p, type, 0, evidence);
    return shape_of(p, SNAP_FORM_VALUE, type, evidence);
}

/* ---- from shapes ---- */

static bool starts_with_pointer(const struct shaper *p, uint32_t slot)
{
    struct snap_edges it;
    snap_edges_init(&it, p->s, slot);
    return snap_edges_next(&it) && it.word == 0;
}

static bool is_field(const struct shaper *p, uint64_t at, enum rt_field f)
{
    return rt_has(p->ty->l, f) && at == (uint64_t)p->ty->l->off[f];
}

static uint16_t flow_of_map(struct shaper *p, uint32_t type, uint64_t at, uint32_t target,
                            enum snap_evidence ev)
{
    if (is_field(p, at, RT_map_dir_ptr))
        return shape_of(
            p, starts_with_pointer(p, target) ? SNAP_FORM_MAP_DIR : SNAP_FORM_MAP_GROUPS, type, ev);
    if (is_field(p, at, RT_hmap_buckets) || is_field(p, at, RT_hmap_oldbuckets))
        return shape_of(p, SNAP_FORM_MAP_GROUPS, type, ev);
    if (is_field(p, at, RT_hmap_extra))
        return shape_of(p, SNAP_FORM_MAP_EXTRA, type, ev);
    return 0;
}

static uint16_t flow_of_groups(struct shaper *p, uint32_t map, uint64_t at, enum snap_evidence ev)
{
    uint32_t group = types_entry(p->ty, map)->internal;
    uint64_t size = group == SNAP_NONE ? 0 : types_get(p->ty, group)->size;
    if (!size)
        return 0;
    at %= size;
    if (!rt_has(p->ty->l, RT_maptype_group) && at == size - 8)
        return shape_of(p, SNAP_FORM_MAP_GROUPS, map, ev);
    return flow_of_type(p, group, at, ev);
}

static uint16_t flow_of_values(struct shaper *p, uint32_t type, uint64_t at, enum snap_evidence ev)
{
    uint64_t size = type == SNAP_NONE ? 0 : types_get(p->ty, type)->size;
    return size ? flow_of_type(p, type, at % size, ev) : 0;
}

static uint16_t flow_of_chan(struct shaper *p, uint32_t type, uint64_t at, enum snap_evidence ev)
{
    uint32_t elem = types_entry(p->ty, type)->elem;
    if (is_field(p, at, RT_hchan_buf))
        return shape_of(p, SNAP_FORM_CHAN_BUF, elem, ev);
    return p->hchan == SNAP_NONE ? 0 : flow_of_type(p, p->hchan, at, ev);
}

static uint16_t flow_at(struct shaper *p, const struct type_shape *sh, uint64_t at, uint32_t target)
{
    enum snap_evidence ev = sh->evidence == SNAP_EV_GUESS ? SNAP_EV_GUESS : SNAP_EV_FLOW;
    switch (sh->form) {
    case SNAP_FORM_VALUE:
    case SNAP_FORM_ARRAY:
    case SNAP_FORM_CHAN_BUF:
        return flow_of_values(p, sh->type, at, ev);
    case SNAP_FORM_CLOSURE:
        return sh->type == SNAP_NONE ? 0 : flow_of_type(p, sh->type, at, ev);
    case SNAP_FORM_MAP:
        return flow_of_map(p, sh->type, at, target, ev);
    case SNAP_FORM_MAP_DIR:
        return shape_of(p, SNAP_FORM_MAP_TABLE, sh->type, ev);
    case SNAP_FORM_MAP_TABLE:
        return is_field(p, at, RT_maptable_groups) ? shape_of(p, SNAP_FORM_MAP_GROUPS, sh->type, ev)
                                                   : 0;
    case SNAP_FORM_MAP_GROUPS:
        return flow_of_groups(p, sh->type, at, ev);
    case SNAP_FORM_MAP_EXTRA: /* lists of buckets without pointers, through a slice on the heap */
        return shape_of(p, target < p->h->nscan ? SNAP_FORM_MAP_EXTRA : SNAP_FORM_MAP_GROUPS,
                        sh->type, ev);
    case SNAP_FORM_CHAN:
        return flow_of_chan(p, sh->type, at, ev);
    default:
        return 0;
    }
}

/* Bytes after which the words of a shape mean the same again; 0: never. */
static uint64_t period_of(const struct shaper *p, const struct type_shape *sh)
{
    uint32_t type = sh->type;
    if (sh->form == SNAP_FORM_MAP_GROUPS)
        type = types_entry(p->ty, type)->internal;
    else if (sh->form != SNAP_FORM_VALUE && sh->form != SNAP_FORM_ARRAY &&
             sh->form != SNAP_FORM_CHAN_BUF)
        return 0;
    return type == SNAP_NONE ? 0 : types_get(p->ty, type)->size;
}

static struct shape_flow *new_flow(struct shaper *p, uint16_t shape)
{
    uint64_t period = period_of(p, types_shape_get(p->ty, shape));
    uint64_t words = period % 8 == 0 && period ? min_u64(period / 8, SHAPE_WORDS_MAX) : 16;
    struct shape_flow *f = mem_alloc(sizeof(*f) + words * sizeof(f->child[0]));
    f->period = period % 8 == 0 ? period / 8 : 0;
    f->words = (uint32_t)words;
    for (uint64_t i = 0; i < words; i++)
        atomic_init(&f->child[i], SHAPE_UNSEEN);
    struct shape_flow *expected = NULL;
    if (atomic_compare_exchange_strong(&p->flow[shape], &expected, f))
        return f;
    free(f);
    return expected;
}

/* Forms whose words lead to what the target decides: never remembered. */
static bool depends_on_target(const struct type_shape *sh)
{
    return sh->form == SNAP_FORM_MAP || sh->form == SNAP_FORM_MAP_EXTRA;
}

uint16_t flow_of_word(struct shaper *p, uint16_t shape, uint64_t word, uint32_t target)
{
    struct shape_flow *f = atomic_load_explicit(&p->flow[shape], memory_order_acquire);
    if (!f)
        f = new_flow(p, shape);
    if (f->period && word >= f->period)
        word %= f->period;
    if (word < f->words) {
        uint16_t seen = atomic_load_explicit(&f->child[word], memory_order_relaxed);
        if (seen != SHAPE_UNSEEN)
            return seen;
    }
    const struct type_shape *sh = types_shape_get(p->ty, shape);
    uint16_t child = flow_at(p, sh, 8 * word, target);
    if (word < f->words && !depends_on_target(sh))
        atomic_store_explicit(&f->child[word], child, memory_order_relaxed);
    return child;
}

/* ---- what fits ---- */

uint64_t flow_room(const struct shape_place *s)
{
    return s->elem_size - (s->flags & SNAP_SPF_HEADER ? 8 : 0);
}

/* Whether the allocator puts a value of `size` bytes into such a slot. */
static bool is_class_of(const struct shaper *p, const struct shape_place *s, uint64_t size)
{
    const struct rt_values *classes = &p->ty->l->size_classes;
    uint32_t class = s->spanclass / 2;
    uint64_t need = size + (s->flags & SNAP_SPF_HEADER ? 8 : 0);
    if (!size || size > flow_room(s))
        return false;
    if (s->flags & SNAP_SPF_LARGE || !class || class >= classes->n)
        return need > s->elem_size - min_u64(s->elem_size, LARGE_PAGE);
    return need > classes->v[class - 1];
}

static bool values_fit(const struct shaper *p, const struct type_shape *sh,
                       const struct shape_place *s)
{
    const struct rt_typeinfo *t = types_get(p->ty, sh->type);
    bool noscan = s->spanclass & 1;
    if ((t->ptr_bytes == 0) != noscan)
        return false;
    if (sh->form != SNAP_FORM_VALUE)
        return t->size && t->size <= flow_room(s);
    return is_class_of(p, s, t->size) || (s->flags & SNAP_SPF_TINY && t->size && t->size <= 8);
}

static bool struct_fits(const struct shaper *p, const struct shape_place *s, enum rt_struct name)
{
    return p->ty->l->size[name] > 0 && is_class_of(p, s, (uint64_t)p->ty->l->size[name]);
}

static bool chan_fits(const struct shaper *p, const struct type_shape *sh,
                      const struct shape_place *s)
{
    uint32_t elem = types_entry(p->ty, sh->type)->elem;
    bool noscan = elem == SNAP_NONE || !types_get(p->ty, elem)->ptr_bytes;
    int32_t size = p->ty->l->size[RT_STRUCT_hchan];
    if (size <= 0 || (uint64_t)size > flow_room(s))
        return false; /* without a buffer it is noscan, whatever is sent */
    return noscan || !(s->spanclass & 1) || is_class_of(p, s, (uint64_t)size);
}

static bool groups_fit(const struct shaper *p, const struct type_shape *sh,
                       const struct shape_place *s)
{
    uint32_t group = types_entry(p->ty, sh->type)->internal;
    if (group == SNAP_NONE)
        return true;
    const struct rt_typeinfo *t = types_get(p->ty, group);
    return t->size && t->size <= flow_room(s) && (t->ptr_bytes == 0) == (s->spanclass & 1);
}

static bool fits(const struct shaper *p, const struct type_shape *sh, const struct shape_place *s)
{
    bool noscan = s->spanclass & 1;
    switch (sh->form) {
    case SNAP_FORM_VALUE:
    case SNAP_FORM_ARRAY:
    case SNAP_FORM_CHAN_BUF:
        return values_fit(p, sh, s);
    case SNAP_FORM_STRING:
        return noscan;
    case SNAP_FORM_MAP:
        return !noscan && (struct_fits(p, s, RT_STRUCT_map) || struct_fits(p, s, RT_STRUCT_hmap));
    case SNAP_FORM_MAP_TABLE:
        return !noscan && struct_fits(p, s, RT_STRUCT_maptable);
    case SNAP_FORM_MAP_GROUPS:
        return groups_fit(p, sh, s);
    case SNAP_FORM_CHAN:
        return chan_fits(p, sh, s);
    case SNAP_FORM_MAP_DIR:
    case SNAP_FORM_MAP_EXTRA:
        return !noscan;
    case SNAP_FORM_CLOSURE:
        return sh->type == SNAP_NONE || is_class_of(p, s, types_get(p->ty, sh->type)->size);
    default:
        return true;
    }
}

/* The pattern of a type, as far as 64 words go; false: not known, or too long. */
bool flow_mask_of(const struct shaper *p, uint32_t type, uint64_t *ret, uint64_t *ret_words)
{
    const struct rt_typeinfo *t = type == SNAP_NONE ? NULL : types_get(p->ty, type);
    if (!t || !t->mask || !t->size || t->size % 8 || t->size > 8 * HEAP_MASK_WORDS)
        return false;
    uint64_t words = t->ptr_bytes / 8;
    memcpy(ret, t->mask, sizeof(*ret));
    *ret &= words < 64 ? (UINT64_C(1) << words) - 1 : UINT64_MAX;
    *ret_words = t->size / 8;
    return true;
}

/* Whether an array of such values can have a pattern: it repeats, and ends behind a value, or where
 * the slot does (the runtime fills slots of growing slices). */
bool flow_repeats(uint64_t pattern, uint64_t words, uint64_t mask, uint64_t room)
{
    uint64_t all = pattern, end = 64 - (uint64_t)__builtin_clzll(mask | 1);
    for (uint64_t at = words; at < 64; at += words)
        all |= pattern << at;
    end = min_u64((end + words - 1) / words * words, room);
    return mask == (end < 64 ? all & ((UINT64_C(1) << end) - 1) : all);
}

static bool pattern_fits(const struct shaper *p, const struct type_shape *sh,
                         const struct shape_place *s, uint64_t mask)
{
    uint64_t pattern, words;
    uint32_t type = sh->type;
    if (sh->form == SNAP_FORM_MAP_GROUPS)
        type = types_entry(p->ty, type)->internal;
    else if (sh->form != SNAP_FORM_VALUE && sh->form != SNAP_FORM_ARRAY &&
             sh->form != SNAP_FORM_CHAN_BUF && sh->form != SNAP_FORM_CLOSURE)
        return true;
    if (!flow_mask_of(p, type, &pattern, &words))
        return true;
    if (sh->form == SNAP_FORM_VALUE || sh->form == SNAP_FORM_CLOSURE)
        return pattern == mask;
    return flow_repeats(pattern, words, mask, flow_room(s) / 8);
}

/* The same with the object's own pattern, where that is known. */
static bool fits_with_pattern(struct shaper *p, uint16_t shape, uint32_t span, uint16_t number)
{
    uint64_t class = p->spans[span].spanclass;
    uint64_t key = (uint64_t)shape << 24 | (uint64_t)number << 8 | class;
    _Atomic uint64_t *seen = &p->pattern_fits[hash_u64(key) % SHAPE_PATTERNS];
    uint64_t v = atomic_load_explicit(seen, memory_order_relaxed);
    if (v >> 1 == key)
        return v & 1;
    const struct type_shape *sh = types_shape_get(p->ty, shape);
    const struct shape_place s = shaper_place(p, span);
    bool yes = fits(p, sh, &s) && pattern_fits(p, sh, &s, p->h->masks.bits[number]);
    atomic_store_explicit(seen, key << 1 | yes, memory_order_relaxed);
    return yes;
}

bool flow_fits(struct shaper *p, uint16_t shape, uint32_t slot)
{
    if (slot < p->h->nscan && p->h->masks.number[slot])
        return fits_with_pattern(p, shape, shaper_span(p, slot), p->h->masks.number[slot]);
    uint32_t span = shaper_span(p, slot);
    uint8_t class = p->spans[span].spanclass;
    struct shape_fit *f = &p->fit[shape];
    uint64_t bit = UINT64_C(1) << class % 64;
    if (class / 2 && atomic_load_explicit(&f->known[class / 64], memory_order_acquire) & bit)
        return atomic_load_explicit(&f->fits[class / 64], memory_order_relaxed) & bit;
    const struct shape_place s = shaper_place(p, span);
    bool yes = fits(p, types_shape_get(p->ty, shape), &s);
    if (class / 2) { /* spans of a class are alike, but for large objects */
        if (yes)
            atomic_fetch_or_explicit(&f->fits[class / 64], bit, memory_order_relaxed);
        atomic_fetch_or_explicit(&f->known[class / 64], bit, memory_order_release);
    }
    return yes;
}

uint16_t flow_instead(struct shaper *p, uint16_t shape, uint32_t slot)
{
    const struct type_shape *sh = types_shape_get(p->ty, shape);
    for (size_t i = 0; sh->form == SNAP_FORM_VALUE && i < p->tries.n; i++) {
        const struct shape_trie *t = &p->tries.v[i];
        if (t->node != sh->type)
            continue;
        enum snap_evidence ev = (enum snap_evidence)sh->evidence;
        uint16_t inner = shape_of(p, SNAP_FORM_VALUE, t->indirect, ev);
        uint16_t entry = shape_of(p, SNAP_FORM_VALUE, t->entry, ev);
        bool is_inner = inner && flow_fits(p, inner, slot);
        bool is_entry = entry && flow_fits(p, entry, slot);
        return is_inner == is_entry ? 0 : is_inner ? inner : entry;
    }
    return 0;
}

/* ---- what allocation told ---- */

uint16_t flow_of_header(struct shaper *p, uint32_t type, uint32_t slot)
{
    const struct shape_place s = shaper_place(p, shaper_span(p, slot));
    uint32_t map = types_entry(p->ty, type)->of_map;
    if (map != SNAP_NONE)
        return shape_of(p, SNAP_FORM_MAP_GROUPS, map, SNAP_EV_HEADER);
    bool one = is_class_of(p, &s, types_get(p->ty, type)->size);
    return shape_of(p, one ? SNAP_FORM_VALUE : SNAP_FORM_ARRAY, type, SNAP_EV_HEADER);
}

bool flow_is_directory(const struct shaper *p, uint16_t shape)
{
    const struct type_shape *sh = types_shape_get(p->ty, shape);
    if (p->map_table == SNAP_NONE || sh->form != SNAP_FORM_ARRAY)
        return false;
    const struct type_entry *e = types_entry(p->ty, sh->type);
    return e->info.kind == GO_KIND_POINTER && e->elem == p->map_table;
}

uint16_t flow_refine(struct shaper *p, uint16_t have, uint16_t expected)
{
    const struct type_shape *h = types_shape_get(p->ty, have);
    const struct type_shape *x = types_shape_get(p->ty, expected);
    if (h->form == SNAP_FORM_VALUE && h->type != SNAP_NONE &&
        ((x->form == SNAP_FORM_CHAN && h->type == p->hchan) ||
         (x->form == SNAP_FORM_MAP && h->type == p->hmap)))
        return expected;
    if (h->evidence != SNAP_EV_HEADER || (h->form != SNAP_FORM_VALUE && h->form != SNAP_FORM_ARRAY))
        return 0;
    if ((x->form == SNAP_FORM_MAP_GROUPS && types_entry(p->ty, x->type)->internal == h->type) ||
        (x->form == SNAP_FORM_CHAN_BUF && x->type == h->type))
        return types_shape(p->ty, (enum snap_form)x->form, x->type, SNAP_NONE, SNAP_EV_HEADER);
    return 0;
}

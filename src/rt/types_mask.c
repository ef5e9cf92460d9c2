/* types_mask.c - which words of a type's values are pointers.
 *
 * Go: internal/abi Type.GCData.  Three forms: bits, one a word up to PtrBytes; a program that makes
 * them (runtime/mbitmap.go runGCProg, until 1.23; flag kind_gc_prog; 4 bytes of length come first);
 * made by the runtime when it first needs them (runtime/type.go getGCMask, since 1.24; flag
 * tflag_gc_mask_on_demand): those we make from the type's structure, too, because the runtime may
 * not have needed them yet.
 *
 * A mask has 8 bytes more than its bits need, all zero.  Bad data ends in a type without a mask
 * (and a gap that is reported), never in a wild read: each step is bounded by the size of the mask,
 * and a type that contains itself is noticed. */
#include "rt/types_int.h"

static uint64_t words_of(const struct type_entry *e)
{
    return e->info.ptr_bytes / 8;
}

static uint64_t mask_bytes(uint64_t words)
{
    return (words + 7) / 8;
}

static uint8_t *new_mask(struct rt_types *ty, uint64_t words)
{
    uint64_t n = mask_bytes(words) + 8;
    if (n > TYPES_MASK_MAX || ty->masks + n > TYPES_MASKS_MAX)
        return NULL;
    ty->masks += n;
    return arena_alloc(&ty->arena, n);
}

/* ---- bits ---- */

static bool get_bit(const uint8_t *mask, uint64_t i)
{
    return mask[i / 8] >> i % 8 & 1;
}

static void set_bit(uint8_t *mask, uint64_t i)
{
    mask[i / 8] = (uint8_t)(mask[i / 8] | 1 << i % 8);
}

/* Copies n bits to bit `at`; dst is zero there. */
static void put_bits(uint8_t *dst, uint64_t at, const uint8_t *src, uint64_t n)
{
    if (at % 8 == 0) {
        memcpy(dst + at / 8, src, n / 8);
        for (uint64_t i = n / 8 * 8; i < n; i++)
            if (get_bit(src, i))
                set_bit(dst, at + i);
        return;
    }
    for (uint64_t i = 0; i < n; i++)
        if (get_bit(src, i))
            set_bit(dst, at + i);
}

static const uint8_t *plain_mask(struct rt_types *ty, taddr gcdata, uint64_t words)
{
    uint8_t *mask = new_mask(ty, words);
    if (!mask || !types_read(ty, gcdata, mask, mask_bytes(words)))
        return NULL;
    if (words % 8)
        mask[words / 8] &= (uint8_t)((1 << words % 8) - 1);
    return mask;
}

/* ---- programs ---- */

enum { PROGRAM_PIECE = 64, PROGRAM_HEADER = 4 /* its length */ };

struct program {
    struct rt_types *ty;
    taddr at;
    uint8_t piece[PROGRAM_PIECE]; /* bytes at `from` */
    taddr from;
    size_t have;
    bool bad;
};

static uint8_t next_byte(struct program *p)
{
    if (p->at - p->from >= p->have) {
        p->from = p->at;
        p->have = PROGRAM_PIECE;
        if (!types_read(p->ty, p->at, p->piece, PROGRAM_PIECE)) {
            p->have = 1; /* the end of what is mapped may be near */
            if (!types_read(p->ty, p->at, p->piece, 1)) {
                p->bad = true;
                return 0;
            }
        }
    }
    return p->piece[p->at++ - p->from];
}

static uint64_t next_number(struct program *p)
{
    uint64_t v = 0;
    for (unsigned shift = 0; !p->bad; shift += 7) {
        uint8_t b = next_byte(p);
        if (shift > 56) {
            p->bad = true;
            break;
        }
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            break;
    }
    return v;
}

/* Runs a program until it ends or all `words` bits are there; what they do not reach is zero. */
static const uint8_t *run_program(struct rt_types *ty, taddr at, uint64_t words)
{
    struct program p = {.ty = ty, .at = at};
    uint8_t *mask = new_mask(ty, words);
    uint64_t n = 0;
    while (mask && !p.bad && n < words) {
        uint8_t op = next_byte(&p);
        uint64_t count = op & 0x7f;
        if (!op || p.bad)
            break;
        if (!(op & 0x80)) {
            for (uint64_t i = 0, bits = 0; i < count; i++, bits >>= 1) {
                if (i % 8 == 0)
                    bits = next_byte(&p);
                if (bits & 1 && n + i < words)
                    set_bit(mask, n + i);
            }
            n += count;
            continue;
        }
        if (!count)
            count = next_number(&p);
        uint64_t times = next_number(&p);
        p.bad = p.bad || !count || count > n;
        uint64_t more = p.bad ? 0 : times > (words - n) / count ? words - n : times * count;
        for (uint64_t i = 0; i < more; i++)
            if (get_bit(mask, n + i - count))
                set_bit(mask, n + i);
        n += more;
        p.bad = p.bad || (!more && times);
    }
    return p.bad ? NULL : mask;
}

const uint8_t *types_program_mask(struct rt_types *ty, taddr program, uint64_t words)
{
    pthread_mutex_lock(&ty->lock);
    const uint8_t *mask = run_program(ty, program + PROGRAM_HEADER, words);
    pthread_mutex_unlock(&ty->lock);
    return mask;
}

/* ---- from the structure ---- */

/* The mask of a part; NULL: it has no pointers (*ok), or cannot be known (!*ok). */
static const struct type_entry *part_of(struct rt_types *ty, taddr addr, unsigned depth, bool *ok)
{
    uint32_t type = types_add(ty, addr);
    *ok = false;
    if (type == SNAP_NONE || depth >= TYPES_DEPTH_MAX)
        return NULL;
    struct type_entry *e = types_entry(ty, type);
    if (e->in_mask)
        return NULL;
    types_make_mask(ty, e, depth + 1);
    *ok = e->info.mask || !e->info.ptr_bytes;
    return e->info.mask ? e : NULL;
}

static bool put_part(struct rt_types *ty, const struct type_entry *whole, uint8_t *mask,
                     const struct type_entry *part, uint64_t offset)
{
    if (offset % 8 || offset > whole->info.ptr_bytes ||
        part->info.ptr_bytes > whole->info.ptr_bytes - offset)
        return false;
    put_bits(mask, offset / 8, part->info.mask, words_of(part));
    return true;
}

static bool array_mask(struct rt_types *ty, struct type_entry *e, uint8_t *mask, unsigned depth)
{
    uint64_t n = types_word(ty, e, RT_arraytype_len);
    bool ok;
    const struct type_entry *elem = part_of(ty, types_word(ty, e, RT_arraytype_elem), depth, &ok);
    if (!elem || !elem->info.size)
        return false;
    for (uint64_t i = 0; ok && i < n; i++)
        ok = put_part(ty, e, mask, elem, i * elem->info.size);
    return ok;
}

static bool struct_mask(struct rt_types *ty, struct type_entry *e, uint8_t *mask, unsigned depth)
{
    uint32_t n;
    taddr first = types_slice(ty, e, RT_structtype_fields, TYPES_FIELDS_MAX, &n);
    bool ok = true;
    for (uint32_t i = 0; ok && i < n; i++) {
        struct type_raw_field f;
        ok = types_struct_field(ty, first, i, &f);
        const struct type_entry *part = ok ? part_of(ty, f.type, depth, &ok) : NULL;
        if (part)
            ok = put_part(ty, e, mask, part, f.offset);
    }
    return ok && n;
}

static const uint8_t *structure_mask(struct rt_types *ty, struct type_entry *e, unsigned depth)
{
    uint8_t *mask = new_mask(ty, words_of(e));
    bool ok = false;
    e->in_mask = true;
    if (mask && e->info.kind == GO_KIND_ARRAY)
        ok = array_mask(ty, e, mask, depth);
    else if (mask && e->info.kind == GO_KIND_STRUCT)
        ok = struct_mask(ty, e, mask, depth);
    e->in_mask = false;
    return ok ? mask : NULL;
}

void types_make_mask(struct rt_types *ty, struct type_entry *e, unsigned depth)
{
    const struct rt_layout *l = ty->l;
    if (atomic_load_explicit(&e->has_mask, memory_order_relaxed))
        return;
    int64_t on_demand = l->constant[RT_IS_tflag_gc_mask_on_demand];
    int64_t program = l->constant[RT_IS_kind_gc_prog];
    const uint8_t *mask = NULL;
    if (e->info.ptr_bytes && on_demand > 0 && e->tflag & on_demand)
        mask = structure_mask(ty, e, depth);
    else if (e->info.ptr_bytes && program > 0 && e->kind_bits & program)
        mask = run_program(ty, e->gcdata + PROGRAM_HEADER, words_of(e));
    else if (e->info.ptr_bytes)
        mask = plain_mask(ty, e->gcdata, words_of(e));
    if (e->info.ptr_bytes && !mask)
        types_gap(ty, TYPES_GAP_MASK);
    e->info.mask = mask;
    atomic_store_explicit(&e->has_mask, true, memory_order_release);
}

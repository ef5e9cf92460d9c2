/* ahead_maps.c - what a map, or a sync.Map, has for a key, without hashing: all its entries are
 * looked at.
 *
 * Go: runtime/map.go hmap, bmap and runtime/map_fast*.go (until 1.23), internal/runtime/maps Map,
 * table, group and runtime_fast*.go (1.24-1.27).  Code that locks an element of a map looks it up
 * once more to release it; hashing needs instructions that are not followed.
 *
 * A key is compared byte by byte, a string by its text: what is equal so is equal in Go.  Values
 * above 128 bytes lie behind a pointer.  The answer is where the entry is now: whoever else uses
 * the map may change that, so it does not count as the goroutine's own. */
#include "rt/ahead_int.h"

enum {
    CELLS = 8,
    CELLS_MAX = 1 << 14, /* looked at for one key */
    KEY_MAX = 128,
    DIRECT_MAX = 128, /* bytes of a value that lies in the map itself */
    TOP_LIVE = 5,     /* tophash: from it on the cell is in use */
    B_MAX = 24,
    TRIE_CHILDREN = 16,
    TRIE_DEPTH = 16, /* 64 bits of a hash, 4 at each step */
};

struct lookup {
    struct ahead *a;
    const struct rt_layout *l;
    taddr maptype;
    size_t key_size; /* of the cells */
    bool string;
    taddr key_type, key_data; /* of a key that is an interface; else key_type is 0 */
    uint8_t key[KEY_MAX];
    size_t n;                                    /* of the key's bytes (of the text) */
    size_t keys, key_stride, elems, elem_stride; /* in a group, or bucket */
    size_t left;                                 /* cells that may still be looked at */
    taddr found;
};

static bool field(struct lookup *u, taddr at, enum rt_field f, uint64_t *ret)
{
    *ret = 0;
    return rt_has(u->l, f) &&
           ahead_peek(&u->a->mem, at + (taddr)u->l->off[f], min_u64(u->l->width[f], 8), ret);
}

static bool same_bytes(struct lookup *u, taddr at, size_t n)
{
    for (size_t i = 0; i < n;) {
        const uint8_t *p;
        size_t have = ahead_bytes(&u->a->mem, at + i, n - i, &p);
        if (!have || memcmp(p, u->key + i, have) != 0)
            return false;
        i += have;
    }
    return true;
}

/* The bytes of the key, with what was written on the way. */
static bool take_bytes(struct lookup *u, taddr at)
{
    if (u->n > KEY_MAX)
        return false;
    for (size_t i = 0; i < u->n; i++) {
        struct ahead_val byte = ahead_load(&u->a->mem, at + i, 1);
        if (!(byte.known & 1))
            return false;
        u->key[i] = (uint8_t)byte.v;
    }
    return true;
}

/* An interface of the same type whose data are the same, or are where the same bytes are. */
static bool is_boxed_key(struct lookup *u, taddr at)
{
    uint64_t type, data, text, n;
    if (!ahead_peek(&u->a->mem, at, 8, &type) || !ahead_peek(&u->a->mem, at + 8, 8, &data) ||
        type != u->key_type)
        return false;
    if (data == u->key_data)
        return true;
    if (!u->string)
        return u->n && same_bytes(u, data, u->n);
    return ahead_peek(&u->a->mem, data + 8, 8, &n) && n == u->n &&
           ahead_peek(&u->a->mem, data, 8, &text) && same_bytes(u, text, u->n);
}

static bool is_key(struct lookup *u, taddr at)
{
    uint64_t text, n;
    if (u->key_type)
        return is_boxed_key(u, at);
    if (!u->string)
        return same_bytes(u, at, u->n);
    return ahead_peek(&u->a->mem, at + 8, 8, &n) && n == u->n &&
           ahead_peek(&u->a->mem, at, 8, &text) && same_bytes(u, text, u->n);
}

/* A group or bucket whose cells in use are the bits of `live`; false: enough was looked at. */
static bool try_cells(struct lookup *u, taddr base, unsigned live)
{
    for (unsigned i = 0; i < CELLS; i++) {
        if (!u->left)
            return false;
        u->left--;
        if (live >> i & 1 && is_key(u, base + u->keys + i * u->key_stride)) {
            u->found = base + u->elems + i * u->elem_stride;
            return false;
        }
    }
    return true;
}

/* ---- until 1.23 ---- */

static bool try_buckets(struct lookup *u, taddr buckets, uint64_t n, uint64_t size)
{
    for (uint64_t i = 0; buckets && i < n; i++) {
        uint64_t top, at = buckets + i * size;
        while (at) {
            unsigned live = 0;
            if (!ahead_peek(&u->a->mem, at, CELLS, &top))
                return false;
            for (unsigned k = 0; k < CELLS; k++)
                live |= (unsigned)((top >> 8 * k & 0xff) >= TOP_LIVE) << k;
            if (!try_cells(u, at, live))
                return false;
            if (!ahead_peek(&u->a->mem, at + size - 8, 8, &at))
                return false;
        }
    }
    return true;
}

static void find_in_buckets(struct lookup *u, taddr m, uint64_t size, uint64_t value_size)
{
    uint64_t b, buckets, old;
    if (!field(u, m, RT_hmap_b, &b) || !field(u, m, RT_hmap_buckets, &buckets) ||
        !field(u, m, RT_hmap_oldbuckets, &old) || b > B_MAX)
        return;
    u->keys = CELLS;
    u->key_stride = u->key_size;
    u->elems = CELLS + CELLS * u->key_size;
    u->elem_stride = value_size;
    if (try_buckets(u, buckets, UINT64_C(1) << b, size) && old)
        try_buckets(u, old, UINT64_C(1) << (b ? b - 1 : 0), size);
}

static void find_in_hmap(struct lookup *u, taddr m)
{
    uint64_t size, value_size;
    if (field(u, u->maptype, RT_maptype_bucket_size, &size) &&
        field(u, u->maptype, RT_maptype_value_size, &value_size) && size >= CELLS)
        find_in_buckets(u, m, size, value_size);
}

/* ---- from 1.24 on ---- */

static bool try_groups(struct lookup *u, taddr groups, uint64_t n, uint64_t size)
{
    for (uint64_t i = 0; groups && i < n; i++) {
        uint64_t ctrl;
        unsigned live = 0;
        if (!ahead_peek(&u->a->mem, groups + i * size, CELLS, &ctrl))
            return false;
        for (unsigned k = 0; k < CELLS; k++)
            live |= (unsigned)!(ctrl >> (8 * k + 7) & 1) << k;
        if (!try_cells(u, groups + i * size, live))
            return false;
    }
    return true;
}

/* Cells are key and value in turns; where the release tells both strides, perhaps all keys first
 * (the offset of the value in a cell is then 0). */
static bool arrange_groups(struct lookup *u)
{
    uint64_t stride, elem_off, keys, elems, type, align = 1;
    if (!field(u, u->maptype, RT_maptype_slot_size, &stride) ||
        !field(u, u->maptype, RT_maptype_elem_off, &elem_off))
        return false;
    u->keys = CELLS;
    u->key_stride = u->elem_stride = stride;
    u->elems = CELLS + elem_off;
    if (!field(u, u->maptype, RT_maptype_elem_stride, &elems) ||
        !field(u, u->maptype, RT_maptype_keys_off, &keys))
        return true;
    u->keys = keys;
    u->elem_stride = elems;
    u->elems = keys + elem_off;
    if (elem_off)
        return true;
    if (!field(u, u->maptype, RT_maptype_elem, &type) || !field(u, type, RT_type_align, &align) ||
        !align)
        return false;
    u->elems = (keys + CELLS * stride + align - 1) / align * align;
    return true;
}

/* What is no map (an argument that the code has overwritten) may have any directory: each of its
 * entries counts as a cell. */
static void find_in_map(struct lookup *u, taddr m)
{
    uint64_t dir, n, size, table, before = 0, groups, mask;
    if (!field(u, m, RT_map_dir_ptr, &dir) || !field(u, m, RT_map_dir_len, &n) ||
        !field(u, u->maptype, RT_maptype_group_size, &size) || !arrange_groups(u))
        return;
    if (!n) {
        try_groups(u, dir, 1, size);
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (!u->left-- || !ahead_peek(&u->a->mem, dir + 8 * i, 8, &table)) {
            u->left = 0;
            return;
        }
        if (table == before)
            continue;
        before = table;
        if (!field(u, table, RT_maptable_groups, &groups) ||
            !field(u, table, RT_maptable_length_mask, &mask) || mask > UINT32_MAX ||
            !try_groups(u, groups, mask + 1, size))
            return;
    }
}

/* ---- sync.Map ---- */

/* Go: internal/sync/hashtriemap.go (1.24-1.27). */
static bool try_entries(struct lookup *u, taddr entry)
{
    uint64_t next;
    for (; entry; entry = next) {
        if (!u->left--)
            return u->left = 0, false;
        if (is_key(u, entry + (taddr)u->l->off[RT_trieentry_key])) {
            u->found = entry + (taddr)u->l->off[RT_trieentry_value];
            return false;
        }
        if (!field(u, entry, RT_trieentry_overflow, &next))
            return false;
    }
    return true;
}

static void find_in_trie(struct lookup *u, taddr root)
{
    taddr todo[TRIE_CHILDREN * TRIE_DEPTH] = {root};
    uint64_t node, is_entry;
    if (!rt_has(u->l, RT_trieentry_key) || !rt_has(u->l, RT_trieentry_value))
        return;
    for (size_t n = root ? 1 : 0; n;) {
        taddr at = todo[--n];
        for (unsigned i = 0; i < TRIE_CHILDREN; i++) {
            if (!ahead_peek(&u->a->mem, at + (taddr)u->l->off[RT_trieindirect_children] + 8 * i, 8,
                            &node) ||
                !u->left)
                return;
            if (!node || !field(u, node, RT_trienode_is_entry, &is_entry))
                continue;
            if (is_entry & 1) {
                if (!try_entries(u, node))
                    return;
            } else if (n < ARRAY_LEN(todo)) {
                u->left--;
                todo[n++] = node;
            }
        }
    }
}

/* Go: sync/map.go (until 1.23): maps from interfaces to entries, each a pointer to the value. */
static void find_in_entries(struct lookup *u, taddr m)
{
    enum { KEY = 16, ENTRY = 8, BUCKET = CELLS + CELLS * (KEY + ENTRY) + 8 };
    uint64_t entry = 0;
    u->key_size = KEY;
    if (m)
        find_in_buckets(u, m, BUCKET, ENTRY);
    if (u->found && (!ahead_peek(&u->a->mem, u->found, 8, &entry) || !entry ||
                     !field(u, entry, RT_syncentry_p, &u->found)))
        u->found = 0;
}

static void find_in_two_maps(struct lookup *u, taddr map)
{
    uint64_t read, m, dirty;
    taddr at = map + (taddr)u->l->off[RT_syncmap_read];
    bool boxed = u->l->width[RT_syncmap_read] > 8;
    if (!rt_has(u->l, RT_syncmap_read) || !field(u, map, RT_syncmap_dirty, &dirty) ||
        !ahead_peek(&u->a->mem, boxed ? at + 8 : at, 8, &read))
        return;
    if (read && field(u, read, RT_syncread_m, &m))
        find_in_entries(u, m);
    if (!u->found)
        find_in_entries(u, dirty);
}

/* What a key that is an interface points to: strings count by their text, what has pointers by
 * these. */
static bool take_boxed_key(struct lookup *u)
{
    enum {
        KIND_MASK = 31,
        ARRAY = 17,
        CHAN = 18,
        FUNC = 19,
        MAP = 21,
        POINTER = 22,
        STRING = 24,
        STRUCT = 25,
        UNSAFE = 26
    };
    uint64_t kind, size;
    if (!field(u, u->key_type, RT_type_kind, &kind) || !field(u, u->key_type, RT_type_size, &size))
        return false;
    kind &= KIND_MASK;
    taddr at = u->key_data;
    bool word = kind == CHAN || kind == FUNC || kind == MAP || kind == POINTER || kind == UNSAFE ||
                ((kind == ARRAY || kind == STRUCT) && size == 8); /* perhaps the data themselves */
    if (word)
        return true;
    u->string = kind == STRING;
    u->n = size;
    if (u->string) {
        struct ahead_val text = ahead_load(&u->a->mem, at, 8),
                         n = ahead_load(&u->a->mem, at + 8, 8);
        if (!ahead_full(text) || !ahead_full(n))
            return false;
        at = text.v;
        u->n = n.v;
    }
    return take_bytes(u, at);
}

bool ahead_sync_map_find(struct ahead *a, bool trie, unsigned first, uint64_t ret[2])
{
    struct ahead_val m = ahead_arg(a, 0), type = ahead_arg(a, first),
                     data = ahead_arg(a, first + 1);
    struct lookup u = {
        .a = a, .l = &a->c->rt->layout, .left = CELLS_MAX, .key_type = type.v, .key_data = data.v};
    uint64_t root;
    if (!ahead_full(m) || !ahead_full(type) || !ahead_full(data) || !m.v || !type.v ||
        !take_boxed_key(&u))
        return false;
    if (!trie && rt_has(u.l, RT_syncmap_read))
        find_in_two_maps(&u, m.v);
    else if (field(&u, m.v, RT_syncmap_root, &root))
        find_in_trie(&u, root);
    return u.found && ahead_peek(&a->mem, u.found, 8, &ret[0]) &&
           ahead_peek(&a->mem, u.found + 8, 8, &ret[1]) && ret[0];
}

/* ---- calls ---- */

/* The key of a call: of a fast variant it is in registers, else in memory. */
static bool take_key(struct lookup *u, const char *variant)
{
    struct ahead_val k = ahead_arg(u->a, 2), n = ahead_arg(u->a, 3);
    uint64_t type, size;
    u->string = strcmp(variant, "_faststr") == 0;
    if (u->string) {
        u->key_size = 16;
        u->n = n.v;
    } else if (strcmp(variant, "_fast32") == 0 || strcmp(variant, "_fast64") == 0) {
        u->key_size = u->n = strcmp(variant, "_fast32") == 0 ? 4 : 8;
        memcpy(u->key, &k.v, 8);
        return (k.known & ((1u << u->n) - 1)) == (1u << u->n) - 1;
    } else if (!*variant) {
        if (!field(u, u->maptype, RT_maptype_key, &type) || !field(u, type, RT_type_size, &size))
            return false;
        u->key_size = u->n = size;
    } else {
        return false;
    }
    return ahead_full(k) && (!u->string || ahead_full(n)) && take_bytes(u, k.v);
}

/* What lies in the cell, or behind it. */
static bool take_value(struct lookup *u)
{
    uint64_t type, size;
    if (!u->found || !field(u, u->maptype, RT_maptype_elem, &type) ||
        !field(u, type, RT_type_size, &size))
        return false;
    return size <= DIRECT_MAX || ahead_peek(&u->a->mem, u->found, 8, &u->found);
}

bool ahead_map_find(struct ahead *a, const char *variant, taddr *ret)
{
    struct ahead_val type = ahead_arg(a, 0), m = ahead_arg(a, 1);
    struct lookup u = {.a = a, .l = &a->c->rt->layout, .maptype = type.v, .left = CELLS_MAX};
    if (!ahead_full(type) || !ahead_full(m) || !m.v || !take_key(&u, variant))
        return false;
    if (rt_has(u.l, RT_map_dir_ptr))
        find_in_map(&u, m.v);
    else
        find_in_hmap(&u, m.v);
    *ret = u.found;
    return take_value(&u) && (*ret = u.found);
}

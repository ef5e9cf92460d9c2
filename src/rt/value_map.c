/* value_map.c - maps: both kinds that Go has had, told apart by what DWARF says they are made of.
 *
 * Go: runtime/map.go hmap, bmap, evacuated* (until 1.23); internal/runtime/maps Map, table, group
 * (1.24-1.27); cmd/link/internal/ld/dwarf.go synthesizemaptypes*, which gives hash<K,V>,
 * bucket<K,V> and map<K,V>, table<K,V>, group their types.
 *
 * Entries are shown in the order in which they lie: a map has none of its own.  A map that grows
 * has old buckets next to the new ones; those that were not moved yet are in the old ones only. */
#include "rt/value_int.h"

enum {
    BUCKETS_MAX = 48, /* looked at for one map */
    CELLS = 8,
    TOP_EVACUATED_X = 2, /* tophash: below it the cell is empty */
    TOP_LIVE = 5,        /* from it on the cell is in use */
};

struct map_print {
    struct printer *p;
    const struct dwarf_type *map;
    uint64_t total;
    uint64_t shown;
    unsigned buckets;
    bool full; /* no more */
};

static const struct dwarf_type *member_type(struct printer *p, const struct dwarf_type *t,
                                            const char *name, size_t *ret_off)
{
    const struct dwarf_member *m = t ? dwarf_member_named(t, name) : NULL;
    *ret_off = 0;
    if (!m)
        return NULL;
    *ret_off = m->off;
    return value_strip(p, m->type);
}

static bool field(struct printer *p, const struct dwarf_type *t, struct view x, const char *name,
                  uint64_t *ret)
{
    size_t off;
    const struct dwarf_type *m = member_type(p, t, name, &off);
    int64_t size = m ? dwarf_type_size(p->v->dw, m) : 0;
    *ret = 0;
    return size > 0 && size <= 8 && value_peek(p, x, off, ret, (size_t)size);
}

static const struct dwarf_type *target_of(struct printer *p, const struct dwarf_type *t)
{
    return t && t->kind == DWARF_KIND_POINTER ? value_strip(p, t->elem) : NULL;
}

/* A key or value in its cell: large ones (more than 128 bytes) are behind a pointer. */
static void print_cell(struct printer *p, uint64_t type, uint64_t cell, struct view x)
{
    const struct dwarf_type *t = value_strip(p, type), *c = value_strip(p, cell);
    uint64_t addr;
    if (!t || !c) {
        value_unreadable(p);
    } else if (c->kind == DWARF_KIND_POINTER && t->kind != DWARF_KIND_POINTER) {
        if (value_word(p, x, 0, &addr))
            value_any(p, type, (struct view){.addr = addr});
    } else {
        value_any(p, type, x);
    }
}

struct cell {
    uint64_t key, elem; /* types in the cell */
    struct view k, v;
};

static void print_entry(struct map_print *m, const struct cell *c)
{
    struct printer *p = m->p;
    if (m->shown >= p->l->elements) {
        m->full = true;
        return;
    }
    buf_str(p->b, m->shown++ ? ", " : "");
    if (!value_room(p)) {
        m->full = true;
        m->total = m->shown; /* "…" was said */
        return;
    }
    print_cell(p, m->map->key, c->key, c->k);
    buf_str(p->b, ": ");
    print_cell(p, m->map->elem, c->elem, c->v);
}

/* Where the i-th element of an array member lies; false: there is no such member. */
static bool array_cell(struct printer *p, const struct dwarf_type *t, const char *name, size_t i,
                       struct view x, uint64_t *ret_type, struct view *ret)
{
    size_t off;
    const struct dwarf_type *a = member_type(p, t, name, &off);
    const struct dwarf_type *e = a && a->kind == DWARF_KIND_ARRAY ? value_strip(p, a->elem) : NULL;
    int64_t size = e ? dwarf_type_size(p->v->dw, e) : -1;
    if (size < 0)
        return false;
    *ret_type = a->elem;
    *ret = value_part(x, off + i * (size_t)size, (size_t)size);
    return true;
}

static struct view whole(struct printer *p, const struct dwarf_type *t, taddr addr)
{
    int64_t size = dwarf_type_size(p->v->dw, t);
    return value_at(p, addr, size > 0 ? (size_t)size : 0);
}

/* ---- until 1.23 ---- */

static void print_bucket_cells(struct map_print *m, const struct dwarf_type *bucket, struct view x,
                               const uint8_t *top)
{
    for (size_t i = 0; i < CELLS && !m->full; i++) {
        struct cell c;
        if (top[i] >= TOP_LIVE && array_cell(m->p, bucket, "keys", i, x, &c.key, &c.k) &&
            array_cell(m->p, bucket, "values", i, x, &c.elem, &c.v))
            print_entry(m, &c);
    }
}

/* A bucket and what overflowed from it; old: only if its entries were not moved yet. */
static void print_chain(struct map_print *m, const struct dwarf_type *bucket, taddr at, bool old)
{
    struct printer *p = m->p;
    while (at && !m->full) {
        struct view x = whole(p, bucket, at);
        uint8_t top[CELLS];
        if (++m->buckets > BUCKETS_MAX || !value_peek(p, x, 0, top, sizeof(top))) {
            m->full = true;
            return;
        }
        if (old && top[0] >= TOP_EVACUATED_X && top[0] < TOP_LIVE)
            return;
        print_bucket_cells(m, bucket, x, top);
        if (!field(p, bucket, x, "overflow", &at))
            return;
    }
}

static void print_buckets(struct map_print *m, const struct dwarf_type *hash, struct view x)
{
    struct printer *p = m->p;
    size_t off;
    const struct dwarf_type *bucket = target_of(p, member_type(p, hash, "buckets", &off));
    int64_t size = bucket ? dwarf_type_size(p->v->dw, bucket) : -1;
    uint64_t b = 0, buckets, old, flags;
    if (size <= 0 || !field(p, hash, x, "B", &b) || b > 48 ||
        !field(p, hash, x, "buckets", &buckets) || !field(p, hash, x, "oldbuckets", &old) ||
        !field(p, hash, x, "flags", &flags)) {
        value_unreadable(p);
        m->full = true;
        return;
    }
    bool same_size = flags & 8; /* sameSizeGrow */
    uint64_t n = UINT64_C(1) << b, nold = !old ? 0 : same_size || !b ? n : n / 2;
    for (uint64_t i = 0; i < nold && !m->full && m->shown < m->total; i++)
        print_chain(m, bucket, old + i * (uint64_t)size, true);
    for (uint64_t i = 0; buckets && i < n && !m->full && m->shown < m->total; i++)
        print_chain(m, bucket, buckets + i * (uint64_t)size, false);
}

/* ---- since 1.24 ---- */

static void print_group(struct map_print *m, const struct dwarf_type *group, taddr at)
{
    struct printer *p = m->p;
    struct view x = whole(p, group, at);
    uint64_t ctrl;
    if (++m->buckets > BUCKETS_MAX || !field(p, group, x, "ctrl", &ctrl)) {
        m->full = true;
        return;
    }
    for (size_t i = 0; i < CELLS && !m->full; i++) {
        struct cell c;
        uint64_t type;
        struct view slot;
        size_t ko, vo;
        if (ctrl >> (8 * i) & 0x80) /* empty, or deleted */
            continue;
        if (array_cell(p, group, "slots", i, x, &type, &slot)) {
            const struct dwarf_type *s = value_strip(p, type);
            if (!member_type(p, s, "key", &ko) || !member_type(p, s, "elem", &vo))
                continue;
            c.key = dwarf_member_named(s, "key")->type;
            c.elem = dwarf_member_named(s, "elem")->type;
            c.k = value_part(slot, ko, slot.n > ko ? slot.n - ko : 0);
            c.v = value_part(slot, vo, slot.n > vo ? slot.n - vo : 0);
        } else if (!array_cell(p, group, "keys", i, x, &c.key, &c.k) ||
                   !array_cell(p, group, "elems", i, x, &c.elem, &c.v)) {
            continue;
        }
        print_entry(m, &c);
    }
}

static void print_table(struct map_print *m, const struct dwarf_type *table, taddr at)
{
    struct printer *p = m->p;
    struct view x = whole(p, table, at);
    size_t off, unused;
    const struct dwarf_type *ref = member_type(p, table, "groups", &off);
    const struct dwarf_type *group = target_of(p, member_type(p, ref, "data", &unused));
    int64_t size = group ? dwarf_type_size(p->v->dw, group) : -1;
    uint64_t data, mask;
    struct view groups = value_part(x, off, 16);
    if (size <= 0 || !field(p, ref, groups, "data", &data) ||
        !field(p, ref, groups, "lengthMask", &mask)) {
        m->full = true;
        return;
    }
    for (uint64_t i = 0; i <= mask && !m->full && m->shown < m->total; i++)
        print_group(m, group, data + i * (uint64_t)size);
}

static void print_tables(struct map_print *m, const struct dwarf_type *map, struct view x)
{
    struct printer *p = m->p;
    size_t off, unused;
    /* dirPtr is a **table; without a directory it is the only group */
    const struct dwarf_type *table =
        target_of(p, target_of(p, member_type(p, map, "dirPtr", &off)));
    const struct dwarf_type *ref = member_type(p, table, "groups", &off);
    const struct dwarf_type *group = target_of(p, member_type(p, ref, "data", &unused));
    uint64_t dir, len, at, before = 0;
    if (!group || !field(p, map, x, "dirPtr", &dir) || !field(p, map, x, "dirLen", &len)) {
        value_unreadable(p);
        m->full = true;
        return;
    }
    if (!len && dir)
        print_group(m, group, dir);
    for (uint64_t i = 0; i < len && !m->full && m->shown < m->total; i++, before = at) {
        if (!value_peek(p, (struct view){.addr = dir}, 8 * i, &at, 8)) {
            m->full = true;
            return;
        }
        if (at != before) /* a table may stand there several times in a row */
            print_table(m, table, at);
    }
}

void value_map(struct printer *p, const struct dwarf_type *t, struct view x)
{
    const struct dwarf_type *rep = target_of(p, value_strip(p, t->repr));
    struct map_print m = {.p = p, .map = t};
    uint64_t addr;
    if (!value_word(p, x, 0, &addr))
        return;
    p->shown++;
    if (!addr) {
        buf_str(p->b, "nil");
        return;
    }
    if (!rep) {
        value_unreadable(p);
        return;
    }
    struct view head = whole(p, rep, addr);
    bool swiss = dwarf_member_named(rep, "dirPtr") != NULL;
    if (!field(p, rep, head, swiss ? "used" : "count", &m.total)) {
        value_unreadable(p);
        return;
    }
    buf_printf(p->b, "len: %llu, ", (unsigned long long)m.total);
    if (!value_enter(p, '{', '}'))
        return;
    if (swiss)
        print_tables(&m, rep, head);
    else
        print_buckets(&m, rep, head);
    if (m.total > m.shown)
        buf_printf(p->b, "%s…+%llu", m.shown ? ", " : "", (unsigned long long)(m.total - m.shown));
    buf_char(p->b, '}');
    p->depth--;
}

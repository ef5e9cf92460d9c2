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

struct map_walk {
    struct printer *p;
    uint64_t total, seen;
    unsigned buckets, buckets_max;
    bool full; /* no more */
    map_entry_fn *fn;
    void *arg;
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

static void take_entry(struct map_walk *m, const struct map_entry *e)
{
    m->seen++;
    m->full = !m->fn(m->arg, e);
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

static void walk_bucket_cells(struct map_walk *m, const struct dwarf_type *bucket, struct view x,
                              const uint8_t *top)
{
    for (size_t i = 0; i < CELLS && !m->full; i++) {
        struct map_entry c;
        if (top[i] >= TOP_LIVE && array_cell(m->p, bucket, "keys", i, x, &c.key, &c.k) &&
            array_cell(m->p, bucket, "values", i, x, &c.elem, &c.v))
            take_entry(m, &c);
    }
}

/* What is read of one bucket is gone behind it, however many there are. */
static struct arena begin_bucket(struct map_walk *m)
{
    struct arena outer = m->p->v->arena;
    arena_init(&m->p->v->arena);
    m->p->v->lends++;
    return outer;
}

static void end_bucket(struct map_walk *m, struct arena outer)
{
    m->p->v->lends--;
    arena_free(&m->p->v->arena);
    m->p->v->arena = outer;
}

/* A bucket: its entries, and what overflowed from it; 0: nothing more. */
static taddr walk_bucket(struct map_walk *m, const struct dwarf_type *bucket, taddr at, bool old)
{
    struct printer *p = m->p;
    struct view x = whole(p, bucket, at);
    uint8_t top[CELLS];
    taddr overflow;
    if (++m->buckets > m->buckets_max || !value_peek(p, x, 0, top, sizeof(top))) {
        m->full = true;
        return 0;
    }
    if (old && top[0] >= TOP_EVACUATED_X && top[0] < TOP_LIVE)
        return 0;
    walk_bucket_cells(m, bucket, x, top);
    return field(p, bucket, x, "overflow", &overflow) ? overflow : 0;
}

/* A bucket and what overflowed from it; old: only if its entries were not moved yet. */
static void walk_chain(struct map_walk *m, const struct dwarf_type *bucket, taddr at, bool old)
{
    while (at && !m->full) {
        struct arena outer = begin_bucket(m);
        at = walk_bucket(m, bucket, at, old);
        end_bucket(m, outer);
    }
}

static void walk_buckets(struct map_walk *m, const struct dwarf_type *hash, struct view x)
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
    for (uint64_t i = 0; i < nold && !m->full && m->seen < m->total; i++)
        walk_chain(m, bucket, old + i * (uint64_t)size, true);
    for (uint64_t i = 0; buckets && i < n && !m->full && m->seen < m->total; i++)
        walk_chain(m, bucket, buckets + i * (uint64_t)size, false);
}

/* ---- since 1.24 ---- */

static void walk_cells(struct map_walk *m, const struct dwarf_type *group, taddr at)
{
    struct printer *p = m->p;
    struct view x = whole(p, group, at);
    uint64_t ctrl;
    if (++m->buckets > m->buckets_max || !field(p, group, x, "ctrl", &ctrl)) {
        m->full = true;
        return;
    }
    for (size_t i = 0; i < CELLS && !m->full; i++) {
        struct map_entry c;
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
        take_entry(m, &c);
    }
}

static void walk_group(struct map_walk *m, const struct dwarf_type *group, taddr at)
{
    struct arena outer = begin_bucket(m);
    walk_cells(m, group, at);
    end_bucket(m, outer);
}

static void walk_table(struct map_walk *m, const struct dwarf_type *table, taddr at)
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
    for (uint64_t i = 0; i <= mask && !m->full && m->seen < m->total; i++)
        walk_group(m, group, data + i * (uint64_t)size);
}

static void walk_tables(struct map_walk *m, const struct dwarf_type *map, struct view x)
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
        walk_group(m, group, dir);
    for (uint64_t i = 0; i < len && !m->full && m->seen < m->total; i++, before = at) {
        if (!value_peek(p, (struct view){.addr = dir}, 8 * i, &at, 8)) {
            m->full = true;
            return;
        }
        if (at != before) /* a table may stand there several times in a row */
            walk_table(m, table, at);
    }
}

bool value_map_walk(struct printer *p, const struct dwarf_type *t, taddr addr, unsigned buckets,
                    map_entry_fn *fn, void *arg, uint64_t *ret_total)
{
    const struct dwarf_type *rep = target_of(p, value_strip(p, t->repr));
    struct map_walk m = {.p = p, .buckets_max = buckets, .fn = fn, .arg = arg};
    *ret_total = 0;
    if (!rep)
        return false;
    struct view head = whole(p, rep, addr);
    bool swiss = dwarf_member_named(rep, "dirPtr") != NULL;
    if (!field(p, rep, head, swiss ? "used" : "count", &m.total))
        return false;
    *ret_total = m.total;
    if (!fn)
        return true;
    if (swiss)
        walk_tables(&m, rep, head);
    else
        walk_buckets(&m, rep, head);
    return true;
}

/* A key or value in its cell: large ones (more than 128 bytes) are behind a pointer. */
bool value_cell(struct printer *p, uint64_t type, uint64_t cell, struct view *x)
{
    const struct dwarf_type *t = value_strip(p, type), *c = value_strip(p, cell);
    uint64_t addr;
    if (!t || !c)
        return false;
    if (c->kind == DWARF_KIND_POINTER && t->kind != DWARF_KIND_POINTER) {
        if (!value_peek(p, *x, 0, &addr, 8))
            return false;
        *x = whole(p, t, addr);
    }
    return true;
}

/* ---- as text ---- */

struct map_print {
    struct printer *p;
    const struct dwarf_type *map;
    uint64_t shown;
    bool said; /* "…" */
};

static void print_cell(struct printer *p, uint64_t type, uint64_t cell, struct view x)
{
    if (value_cell(p, type, cell, &x))
        value_any(p, type, x);
    else
        value_unreadable(p);
}

static bool print_entry(void *arg, const struct map_entry *c)
{
    struct map_print *m = arg;
    struct printer *p = m->p;
    if (m->shown >= p->l->elements)
        return false;
    buf_str(p->b, m->shown++ ? ", " : "");
    if (!value_room(p)) {
        m->said = true;
        return false;
    }
    print_cell(p, m->map->key, c->key, c->k);
    buf_str(p->b, ": ");
    print_cell(p, m->map->elem, c->elem, c->v);
    return true;
}

void value_map(struct printer *p, const struct dwarf_type *t, struct view x)
{
    struct map_print m = {.p = p, .map = t};
    uint64_t addr, total;
    if (!value_word(p, x, 0, &addr))
        return;
    p->shown++;
    if (!addr) {
        buf_str(p->b, "nil");
        return;
    }
    if (!value_map_walk(p, t, addr, 0, NULL, NULL, &total)) {
        value_unreadable(p);
        return;
    }
    buf_printf(p->b, "len: %llu, ", (unsigned long long)total);
    if (!value_enter(p, '{', '}'))
        return;
    value_map_walk(p, t, addr, BUCKETS_MAX, print_entry, &m, &total);
    if (total > m.shown && !m.said)
        buf_printf(p->b, "%s…+%llu", m.shown ? ", " : "", (unsigned long long)(total - m.shown));
    buf_char(p->b, '}');
    p->depth--;
}

/* types.c - the runtime's type descriptors, by address, for many threads at once.
 *
 * Go: internal/abi/type.go Type, runtime/type.go _type (1.18-1.27); runtime/iface.go itab.
 *
 * Why so: reading a heap asks for the same few thousand types many million times, from all cores.
 * So a type, once read, is never changed: whoever looks it up in the hash table needs no lock, and
 * a table that became too small lives on for those who are still in it.
 *
 * Interface words: any word that stands before a pointer may be the first of an interface value.
 * Most are not (lengths, hashes, times), so what is not mapped is refused at once, and each answer,
 * good or bad, goes into a small table of single 64-bit words that threads overwrite as they like.
 * Sections of types are read at once; of other memory single pages are kept, because numbers that
 * look like addresses of the program would each cost a system call. */
#include "rt/types_int.h"

#include <stdlib.h>

enum { FIRST_HASH = 1 << 12, SECTION_CHUNK = 1 << 20, SECTION_MAX = 1 << 30 };

/* ---- memory ---- */

const struct type_section *types_section(const struct rt_types *ty, taddr addr)
{
    for (size_t i = 0; i < ty->nsections; i++)
        if (addr - ty->sections[i].lo < ty->sections[i].hi - ty->sections[i].lo)
            return &ty->sections[i];
    return NULL;
}

static bool is_mapped(const struct rt_types *ty, taddr addr)
{
    size_t lo = 0, hi = ty->nmaps;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (ty->maps[mid].end <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return !ty->nmaps || (lo < ty->nmaps && ty->maps[lo].start <= addr);
}

/* A page that was read, or is read now; NULL: not readable, or we keep too many. */
static const uint8_t *page_of(struct rt_types *ty, taddr addr)
{
    uint32_t i = map_get(&ty->page_at, addr / TYPES_PAGE);
    if (i != MAP_NONE)
        return ty->pages.v[i];
    if (ty->pages.n >= TYPES_PAGES_MAX || !ty->t)
        return NULL;
    uint8_t *page = mem_alloc(TYPES_PAGE);
    struct err *e = target_read(ty->t, addr / TYPES_PAGE * TYPES_PAGE, page, TYPES_PAGE);
    if (e) {
        err_free(e);
        free(page);
        page = NULL;
    }
    map_put(&ty->page_at, addr / TYPES_PAGE, (uint32_t)ty->pages.n);
    vec_push(&ty->pages, page);
    return page;
}

bool types_read(struct rt_types *ty, taddr addr, void *dst, size_t n)
{
    const struct type_section *s = types_section(ty, addr);
    if (s && s->bytes && n <= s->hi - addr) {
        memcpy(dst, s->bytes + (addr - s->lo), n);
        return true;
    }
    if (addr % TYPES_PAGE + n <= TYPES_PAGE) {
        const uint8_t *page = page_of(ty, addr);
        if (page) {
            memcpy(dst, page + addr % TYPES_PAGE, n);
            return true;
        }
    }
    struct err *e = ty->t ? target_read(ty->t, addr, dst, n) : err_new(ERR_GONE, "no target");
    err_free(e);
    return !e;
}

/* ---- the cache ---- */

static uint32_t hash_find(const struct type_hash *h, taddr addr)
{
    for (size_t i = hash_u64(addr) & h->mask;; i = (i + 1) & h->mask) {
        taddr at = atomic_load_explicit(&h->slot[i].addr, memory_order_acquire);
        if (at == addr)
            return h->slot[i].type;
        if (!at)
            return SNAP_NONE;
    }
}

static void hash_put(struct type_hash *h, taddr addr, uint32_t type)
{
    size_t i = hash_u64(addr) & h->mask;
    while (atomic_load_explicit(&h->slot[i].addr, memory_order_relaxed))
        i = (i + 1) & h->mask;
    h->slot[i].type = type;
    atomic_store_explicit(&h->slot[i].addr, addr, memory_order_release);
}

static struct type_hash *hash_new(size_t n)
{
    struct type_hash *h = mem_alloc(sizeof(*h) + n * sizeof(h->slot[0]));
    h->mask = n - 1;
    return h;
}

static void hash_grow(struct rt_types *ty)
{
    struct type_hash *old = atomic_load(&ty->hash), *h = hash_new(2 * (old->mask + 1));
    for (size_t i = 0; i <= old->mask; i++)
        if (old->slot[i].addr)
            hash_put(h, old->slot[i].addr, old->slot[i].type);
    h->older = old;
    atomic_store_explicit(&ty->hash, h, memory_order_release);
}

static uint32_t find(const struct rt_types *ty, taddr addr)
{
    return hash_find(atomic_load_explicit(&((struct rt_types *)ty)->hash, memory_order_acquire),
                     addr);
}

struct type_entry *types_new_entry(struct rt_types *ty)
{
    uint32_t n = ty->n;
    if (n >= TYPES_MAX) {
        types_gap(ty, TYPES_GAP_MANY);
        return NULL;
    }
    if (!ty->chunk[n / TYPES_CHUNK])
        ty->chunk[n / TYPES_CHUNK] = mem_alloc(TYPES_CHUNK * sizeof(struct type_entry));
    struct type_entry *e = types_entry(ty, n);
    *e = (struct type_entry){
        .elem = SNAP_NONE, .key = SNAP_NONE, .internal = SNAP_NONE, .of_map = SNAP_NONE};
    return e;
}

uint32_t types_publish(struct rt_types *ty)
{
    uint32_t type = ty->n;
    taddr addr = types_entry(ty, type)->info.addr;
    types_entry(ty, type)->number = type;
    atomic_store_explicit(&ty->n, type + 1, memory_order_release);
    if (addr) {
        if (2 * (size_t)(type + 1) > atomic_load(&ty->hash)->mask)
            hash_grow(ty);
        hash_put(atomic_load(&ty->hash), addr, type);
    }
    return type;
}

uint32_t types_add(struct rt_types *ty, taddr addr)
{
    struct type_entry parsed;
    uint32_t type = addr ? find(ty, addr) : SNAP_NONE;
    if (type != SNAP_NONE || !addr || !types_parse(ty, addr, &parsed))
        return type;
    struct type_entry *e = types_new_entry(ty);
    if (!e)
        return SNAP_NONE;
    *e = parsed;
    type = types_publish(ty);
    return type;
}

/* A type and its mask.  The mask is made by whoever needs it first, with the lock held, after the
 * type can be seen: making it asks for other types. */
static uint32_t add_with_mask(struct rt_types *ty, taddr addr)
{
    uint32_t type = types_add(ty, addr);
    if (type != SNAP_NONE)
        types_make_mask(ty, types_entry(ty, type), 0);
    return type;
}

uint32_t types_at(struct rt_types *ty, taddr addr)
{
    if (!addr || addr & 7)
        return SNAP_NONE;
    uint32_t type = find(ty, addr);
    if (type != SNAP_NONE &&
        atomic_load_explicit(&types_entry(ty, type)->has_mask, memory_order_acquire))
        return type;
    pthread_mutex_lock(&ty->lock);
    type = add_with_mask(ty, addr);
    pthread_mutex_unlock(&ty->lock);
    return type;
}

const struct rt_typeinfo *types_get(const struct rt_types *ty, uint32_t type)
{
    return &types_entry(ty, type)->info;
}

/* ---- interface words ---- */

enum { IFACE_TYPE_BITS = 19, IFACE_NONE = (1 << IFACE_TYPE_BITS) - 1, ADDR_BITS = 48 };

/* The dynamic type of an itab. */
static uint32_t type_of_itab(struct rt_types *ty, taddr word)
{
    const struct rt_layout *l = ty->l;
    uint8_t copy[TYPES_COPY];
    size_t size = (size_t)max_u64(
        8 + (uint64_t)max_u64((uint64_t)l->off[RT_itab_inter], (uint64_t)l->off[RT_itab_type]), 16);
    if (!TYPES_HAS(ty, itab_inter) || !TYPES_HAS(ty, itab_type) || size > sizeof(copy) ||
        !types_read(ty, word, copy, size))
        return SNAP_NONE;
    taddr inter = rt_get(l, copy, RT_itab_inter), dynamic = rt_get(l, copy, RT_itab_type);
    if ((inter | dynamic) & 7 || !is_mapped(ty, inter) || !is_mapped(ty, dynamic))
        return SNAP_NONE;
    uint32_t type = types_add(ty, inter);
    if (type == SNAP_NONE || types_entry(ty, type)->info.kind != GO_KIND_INTERFACE)
        return SNAP_NONE;
    return add_with_mask(ty, dynamic);
}

static uint32_t read_interface_word(struct rt_types *ty, taddr word)
{
    uint32_t type = SNAP_NONE;
    if (!is_mapped(ty, word))
        return SNAP_NONE;
    pthread_mutex_lock(&ty->lock);
    type = add_with_mask(ty, word);
    if (type == SNAP_NONE)
        type = type_of_itab(ty, word);
    if (type != SNAP_NONE)
        types_entry(ty, type)->in_edges = true;
    pthread_mutex_unlock(&ty->lock);
    return type;
}

uint32_t types_of_interface(struct rt_types *ty, taddr word)
{
    if (word < TYPES_PAGE || word & 7 || word >> ADDR_BITS)
        return SNAP_NONE;
    _Atomic uint64_t *slot = &ty->iface[hash_u64(word) & ((1 << TYPES_IFACE_BITS) - 1)];
    uint64_t seen = atomic_load_explicit(slot, memory_order_acquire);
    if (seen >> IFACE_TYPE_BITS == word >> 3) {
        uint32_t type = seen & IFACE_NONE;
        return type == IFACE_NONE ? SNAP_NONE : type;
    }
    uint32_t type = read_interface_word(ty, word);
    atomic_store_explicit(slot,
                          (word >> 3) << IFACE_TYPE_BITS | (type == SNAP_NONE ? IFACE_NONE : type),
                          memory_order_release);
    return type;
}

/* ---- opening ---- */

static void read_section(struct rt_types *ty, const struct rt_module *m)
{
    struct type_section *s = &ty->sections[ty->nsections];
    *s = (struct type_section){.lo = m->types, .hi = m->etypes, .moduledata = m->moduledata};
    if (m->etypes <= m->types || m->etypes - m->types > SECTION_MAX)
        return types_gap(ty, TYPES_GAP_SECTION);
    ty->nsections++;
    size_t n = m->etypes - m->types;
    s->bytes = mem_try_alloc(n);
    struct err *e = s->bytes ? NULL : err_new(ERR_NOMEM, "no memory for types");
    for (size_t at = 0; !e && at < n; at += SECTION_CHUNK)
        e = target_read(ty->t, s->lo + at, s->bytes + at, min_u64(SECTION_CHUNK, n - at));
    if (e) {
        err_free(e);
        free(s->bytes);
        s->bytes = NULL; /* what is readable of it is read in pieces */
        types_gap(ty, TYPES_GAP_SECTION);
    }
}

/* Where anything may lie; when that is not known, everywhere. */
static void take_mappings(struct rt_types *ty)
{
    struct target_mapping *maps;
    size_t n = 0;
    struct err *e = target_mappings(ty->t, &ty->arena, &maps, &n);
    err_free(e);
    if (e)
        return;
    ty->maps = maps;
    for (size_t i = 0; i < n; i++) {
        if (!maps[i].readable)
            continue;
        if (ty->nmaps && maps[ty->nmaps - 1].end == maps[i].start)
            maps[ty->nmaps - 1].end = maps[i].end;
        else
            maps[ty->nmaps++] = maps[i];
    }
}

struct err *types_open(struct rt *rt, struct target *t, struct rt_types **ret)
{
    struct rt_types *ty = mem_alloc(sizeof(*ty));
    *ret = NULL;
    ty->rt = rt;
    ty->t = t;
    ty->l = &rt->layout;
    pthread_mutex_init(&ty->lock, NULL);
    arena_init(&ty->arena);
    intern_init(&ty->names);
    atomic_store(&ty->hash, hash_new(FIRST_HASH));
    ty->iface = mem_alloc(sizeof(*ty->iface) << TYPES_IFACE_BITS);
    ty->sections = mem_alloc((rt->nmodules + 1) * sizeof(*ty->sections));
    for (size_t i = 0; i < rt->nmodules; i++)
        read_section(ty, &rt->modules[i]);
    take_mappings(ty);
    struct err *e = types_shapes_open(ty);
    if (e) {
        types_free(ty);
        return e;
    }
    *ret = ty;
    return NULL;
}

void types_free(struct rt_types *ty)
{
    if (!ty)
        return;
    for (size_t i = 0; i < ty->nsections; i++)
        free(ty->sections[i].bytes);
    for (size_t i = 0; i < ARRAY_LEN(ty->chunk); i++)
        free(ty->chunk[i]);
    for (struct type_hash *h = ty->hash, *older; h; h = older) {
        older = h->older;
        free(h);
    }
    for (size_t i = 0; i < ty->pages.n; i++)
        free(ty->pages.v[i]);
    vec_free(&ty->pages);
    vec_free(&ty->fields);
    vec_free(&ty->itabs);
    map_free(&ty->page_at);
    map_free(&ty->by_die);
    intern_free(&ty->names);
    arena_free(&ty->arena);
    pthread_mutex_destroy(&ty->lock);
    free(ty->sections);
    types_shapes_free(ty);
    free((void *)ty->iface);
    free(ty);
}

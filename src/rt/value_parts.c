/* value_parts.c - types that are not in DWARF, and parts of values, for who takes values apart
 * instead of printing them; see value.h.
 *
 * Go: the predeclared types (builtin), internal/abi/type.go (1.18-1.27). */
#include <stdio.h>
#include <string.h>

#include "image/dwarf_index.h"
#include "rt/value_int.h"

/* ---- types ---- */

static const struct dwarf_unit go_unit = {
    .language = DW_LANG_Go, .name = "", .dir = "", .package = "", .producer = "", .addr_size = 8};

static const struct {
    const char *name, *of; /* of: what it is another name of; NULL: itself */
    enum dwarf_kind kind;
    uint8_t size, go_kind;
    bool is_signed;
} basics[] = {
    {"bool", NULL, DWARF_KIND_BOOL, 1, 1, false},
    {"int", NULL, DWARF_KIND_INT, 8, 2, true},
    {"int8", NULL, DWARF_KIND_INT, 1, 3, true},
    {"int16", NULL, DWARF_KIND_INT, 2, 4, true},
    {"int32", NULL, DWARF_KIND_INT, 4, 5, true},
    {"int64", NULL, DWARF_KIND_INT, 8, 6, true},
    {"uint", NULL, DWARF_KIND_UINT, 8, 7, false},
    {"uint8", NULL, DWARF_KIND_UINT, 1, 8, false},
    {"uint16", NULL, DWARF_KIND_UINT, 2, 9, false},
    {"uint32", NULL, DWARF_KIND_UINT, 4, 10, false},
    {"uint64", NULL, DWARF_KIND_UINT, 8, 11, false},
    {"uintptr", NULL, DWARF_KIND_UINT, 8, 12, false},
    {"float32", NULL, DWARF_KIND_FLOAT, 4, 13, true},
    {"float64", NULL, DWARF_KIND_FLOAT, 8, 14, true},
    {"complex64", NULL, DWARF_KIND_COMPLEX, 8, 15, true},
    {"complex128", NULL, DWARF_KIND_COMPLEX, 16, 16, true},
    {"string", NULL, DWARF_KIND_STRING, 16, GO_KIND_STRING, false},
    {"unsafe.Pointer", NULL, DWARF_KIND_POINTER, 8, GO_KIND_UNSAFE_POINTER, false},
    {"byte", "uint8", DWARF_KIND_OTHER, 0, 0, false},
    {"rune", "int32", DWARF_KIND_OTHER, 0, 0, false},
    {"any", "interface {}", DWARF_KIND_OTHER, 0, 0, false},
};

/* A type that was made before, by name; all that is made has one. */
static uint64_t find_made(struct values *v, const char *name)
{
    for (size_t i = 0; i < v->made.n; i++)
        if (strcmp(v->made.v[i]->name, name) == 0)
            return VALUE_MADE | i;
    return DWARF_NO_ID;
}

static uint64_t make(struct values *v, const struct dwarf_type *like)
{
    struct dwarf_type *t = arena_new(&v->types, struct dwarf_type);
    *t = *like;
    t->id = VALUE_MADE | v->made.n;
    t->unit = &go_unit;
    vec_push(&v->made, t);
    return t->id;
}

static uint64_t find_named(struct values *v, const char *name)
{
    const struct dwarf_type *t;
    struct err *e = rt_type_named(v->rt, name, &t);
    err_free(e);
    return e ? find_made(v, name) : t->id;
}

uint64_t value_basic_type(struct values *v, const char *name)
{
    for (size_t i = 0; v && i < ARRAY_LEN(basics); i++) {
        if (strcmp(basics[i].name, name) != 0)
            continue;
        const char *real = basics[i].of ? basics[i].of : name;
        uint64_t id = find_named(v, real);
        if (id != DWARF_NO_ID || basics[i].of)
            return id != DWARF_NO_ID || !basics[i].of ? id : value_basic_type(v, real);
        return make(v, &(struct dwarf_type){.name = name,
                                            .kind = basics[i].kind,
                                            .size = basics[i].size,
                                            .is_signed = basics[i].is_signed,
                                            .go_kind = basics[i].go_kind,
                                            .elem = DWARF_NO_ID,
                                            .key = DWARF_NO_ID,
                                            .repr = DWARF_NO_ID});
    }
    return DWARF_NO_ID;
}

static uint64_t make_of(struct values *v, const char *prefix, uint64_t elem, struct dwarf_type like)
{
    const char *name = value_type_name(v, elem);
    if (elem == DWARF_NO_ID || !*name)
        return DWARF_NO_ID;
    like.name = arena_printf(&v->types, "%s%s", prefix, name);
    uint64_t id = find_named(v, like.name);
    if (id != DWARF_NO_ID)
        return id;
    like.elem = elem;
    like.key = like.repr = DWARF_NO_ID;
    return make(v, &like);
}

/* v may be NULL in what follows: then nothing is known. */
uint64_t value_pointer_to(struct values *v, uint64_t elem)
{
    return make_of(
        v, "*", elem,
        (struct dwarf_type){.kind = DWARF_KIND_POINTER, .size = 8, .go_kind = GO_KIND_POINTER});
}

uint64_t value_slice_of(struct values *v, uint64_t elem)
{
    return make_of(
        v, "[]", elem,
        (struct dwarf_type){.kind = DWARF_KIND_SLICE, .size = 24, .go_kind = GO_KIND_SLICE});
}

uint64_t value_array_of(struct values *v, uint64_t elem, int64_t count)
{
    int64_t size = value_type_size(v, elem);
    char prefix[32];
    snprintf(prefix, sizeof(prefix), "[%lld]", (long long)count);
    if (size < 0 || count < 0 || (size && count > INT64_MAX / size))
        return DWARF_NO_ID;
    return make_of(v, prefix, elem,
                   (struct dwarf_type){.kind = DWARF_KIND_ARRAY,
                                       .size = size * count,
                                       .count = count,
                                       .go_kind = GO_KIND_ARRAY});
}

const struct dwarf_type *value_type(struct values *v, uint64_t id)
{
    const struct dwarf_type *t = NULL;
    if (!v || id == DWARF_NO_ID)
        return NULL;
    if (id & VALUE_MADE)
        return (id & ~VALUE_MADE) < v->made.n ? v->made.v[id & ~VALUE_MADE] : NULL;
    struct err *e = dwarf_type(v->dw, id, &t);
    err_free(e);
    return e ? NULL : t;
}

const struct dwarf_type *value_type_stripped(struct values *v, uint64_t id)
{
    const struct dwarf_type *t = NULL;
    if (!v || id == DWARF_NO_ID || id & VALUE_MADE)
        return value_type(v, id);
    struct err *e = dwarf_type_strip(v->dw, id, &t);
    err_free(e);
    return e ? NULL : t;
}

int64_t value_type_size(struct values *v, uint64_t id)
{
    const struct dwarf_type *t = value_type_stripped(v, id);
    return t ? dwarf_type_size(v->dw, t) : -1;
}

bool value_type_same(struct values *v, uint64_t a, uint64_t b)
{
    if (a == b)
        return true;
    const char *x = value_type_name(v, a), *y = value_type_name(v, b);
    return *x && strcmp(x, y) == 0;
}

/* A printer that prints nowhere, for the functions that take values apart. */
struct scratch {
    struct printer p;
    struct value_limits l;
    struct buf b;
};

static struct printer *scratch(struct scratch *s, struct values *v)
{
    *s = (struct scratch){.l = value_limits_typed};
    s->l.reads = UINT32_MAX;
    s->p = (struct printer){.v = v, .l = &s->l, .b = &s->b};
    return &s->p;
}

static void scratch_end(struct scratch *s)
{
    buf_free(&s->b);
}

static struct view view_of(const struct value *x)
{
    return (struct view){.p = x->bytes, .n = x->n, .addr = x->addr, .known = x->known};
}

static struct value value_of(uint64_t type, struct view x)
{
    return (struct value){.type = type, .addr = x.addr, .bytes = x.p, .n = x.p ? x.n : 0};
}

bool value_type_is_direct(struct values *v, uint64_t id)
{
    struct scratch s;
    bool direct = value_is_direct(scratch(&s, v), value_type_stripped(v, id));
    scratch_end(&s);
    return direct;
}

bool value_type_is_empty_interface(struct values *v, uint64_t id)
{
    struct scratch s;
    const struct dwarf_type *t = value_type_stripped(v, id);
    bool empty = t && value_is_empty_interface(scratch(&s, v), t);
    scratch_end(&s);
    return empty;
}

const struct dwarf_type *values_type_named(struct values *v, const char *name)
{
    const struct dwarf_type *t;
    struct err *e = rt_type_named(v->rt, name, &t);
    err_free(e);
    return e ? NULL : t;
}

taddr value_type_address(struct values *v, uint64_t id)
{
    for (unsigned i = 0; i < 64; i++) {
        const struct dwarf_type *t = value_type(v, id);
        if (!t)
            return 0;
        if (t->has_runtime_type)
            return rt_type_address(v->rt, t);
        if (t->kind != DWARF_KIND_TYPEDEF && t->kind != DWARF_KIND_QUALIFIER)
            return 0;
        id = t->elem;
    }
    return 0;
}

/* ---- parts ---- */

bool value_get(struct values *v, const struct value *x, size_t off, void *dst, size_t n)
{
    if (x->bytes && off <= x->n && n <= x->n - off) {
        for (size_t i = off; x->known && i < off + n; i++)
            if (!(x->known[i / 8] >> (i % 8) & 1))
                return false;
        memcpy(dst, x->bytes + off, n);
        return true;
    }
    struct err *e =
        v && x->addr ? values_read(v, x->addr + off, dst, n) : err_new(ERR_NOT_FOUND, "nowhere");
    err_free(e);
    return !e;
}

/* Bits of a part, from its first byte on, for as long as the values are open; NULL: all are set. */
static const uint8_t *known_of_part(struct values *v, const struct value *x, size_t off, size_t n)
{
    bool all = true;
    for (size_t i = off; i < off + n; i++)
        all &= x->known[i / 8] >> (i % 8) & 1;
    if (all)
        return NULL;
    uint8_t *known = arena_alloc(&v->types, n / 8 + 1);
    for (size_t i = 0; i < n; i++)
        known[i / 8] |= (uint8_t)((x->known[(off + i) / 8] >> ((off + i) % 8) & 1) << (i % 8));
    return known;
}

struct value value_sub(struct values *v, const struct value *x, size_t off, uint64_t type)
{
    int64_t size = value_type_size(v, type);
    struct value part = {.type = type, .addr = x->addr ? x->addr + off : 0};
    if (x->bytes && size >= 0 && off <= x->n && (uint64_t)size <= x->n - off && !x->known) {
        part.bytes = x->bytes + off;
        part.n = (size_t)size;
    } else if (x->bytes && size >= 0 && x->known) {
        part.bytes = off <= x->n ? x->bytes + off : NULL;
        part.n = off <= x->n ? min_u64((uint64_t)size, x->n - off) : 0;
        part.known = known_of_part(v, x, off, part.n);
    }
    return part;
}

/* ---- bit fields ---- */

size_t value_bits_bytes(unsigned off, unsigned size)
{
    return (off + size + 7u) / 8u;
}

bool value_bit_field(struct values *v, const struct value *x, const struct dwarf_member *m,
                     uint8_t ret[BIT_FIELD_BYTES], size_t *ret_n)
{
    const struct dwarf_type *t = value_type_stripped(v, m->type);
    int64_t size = value_type_size(v, m->type);
    size_t n = value_bits_bytes(m->bit_off, m->bit_size);
    uint8_t bytes[BIT_FIELD_BYTES + 1] = {0};
    uint64_t word = 0;
    if (!t || size < 1 || size > BIT_FIELD_BYTES || m->bit_size < 1 || m->bit_size > 64 ||
        n > sizeof(bytes) || !value_get(v, x, m->off, bytes, n))
        return false;
    for (unsigned i = 0; i < m->bit_size; i++) {
        unsigned at = m->bit_off + i;
        word |= (uint64_t)(bytes[at / 8] >> (at % 8) & 1) << i;
    }
    unsigned up = 64u - m->bit_size;
    if (t->is_signed)
        word = (uint64_t)((int64_t)(word << up) >> up);
    memcpy(ret, &word, sizeof(word));
    *ret_n = (size_t)size;
    return true;
}

void value_bits_set(uint8_t *bytes, unsigned off, unsigned size, uint64_t bits)
{
    for (unsigned i = 0; i < size; i++) {
        uint8_t mask = (uint8_t)(1u << ((off + i) % 8));
        uint8_t *at = &bytes[(off + i) / 8];
        *at = (uint8_t)(bits >> i & 1 ? *at | mask : *at & ~mask);
    }
}

bool value_dynamic(struct values *v, const struct value *x, struct value *ret,
                   const char **ret_name)
{
    struct scratch s;
    const struct rt_layout *l = &v->rt->layout;
    const struct dwarf_type *t = value_type_stripped(v, x->type), *d;
    uint64_t type = 0, word = 0;
    bool ok = t && t->kind == DWARF_KIND_INTERFACE && value_get(v, x, 0, &type, 8) && type;
    *ret_name = "";
    *ret = (struct value){.type = DWARF_NO_ID};
    struct printer *p = scratch(&s, v);
    if (ok && !value_is_empty_interface(p, t))
        ok = rt_has(l, RT_itab_type) &&
             !(err_free(values_read(v, type + (taddr)l->off[RT_itab_type], &word, 8)), false) &&
             (type = word) != 0;
    if (ok) {
        d = value_dynamic_type(p, type);
        *ret_name = d ? value_type_name(v, d->id) : rt_type_name(v->rt, v->t, &v->types, type);
        ok = value_get(v, x, 8, &word, 8);
        ret->addr = word;
        if (d) {
            ret->type = d->id;
            if (value_is_direct(p, value_type_stripped(v, d->id)))
                *ret = value_sub(v, x, 8, d->id);
        }
    }
    scratch_end(&s);
    return ok;
}

struct each {
    struct printer *p;
    const struct dwarf_type *map;
    value_entry_fn *fn;
    void *arg;
};

static bool each_entry(void *arg, const struct map_entry *e)
{
    struct each *each = arg;
    struct view k = e->k, m = e->v;
    if (!value_cell(each->p, each->map->key, e->key, &k) ||
        !value_cell(each->p, each->map->elem, e->elem, &m))
        return true;
    struct value key = value_of(each->map->key, k), elem = value_of(each->map->elem, m);
    return each->fn(each->arg, &key, &elem);
}

bool value_map_each(struct values *v, const struct value *map, value_entry_fn *fn, void *arg,
                    uint64_t *ret_len)
{
    enum { BUCKETS_MAX = 16 << 20 };
    struct scratch s;
    const struct dwarf_type *t = value_type_stripped(v, map->type);
    uint64_t addr = 0, total = 0;
    bool ok = t && t->kind == DWARF_KIND_MAP && value_get(v, map, 0, &addr, 8);
    if (ok && addr) {
        struct each each = {.p = scratch(&s, v), .map = t, .fn = fn, .arg = arg};
        v->lends++;
        ok = value_map_walk(each.p, t, addr, BUCKETS_MAX, fn ? each_entry : NULL, &each, &total);
        v->lends--;
        scratch_end(&s);
    }
    if (ret_len)
        *ret_len = total;
    return ok;
}

bool value_chan_of(struct values *v, const struct value *x, struct value_chan *ret)
{
    const struct rt_layout *l = &v->rt->layout;
    uint8_t copy[256];
    int32_t size = l->size[RT_STRUCT_hchan];
    *ret = (struct value_chan){0};
    if (!value_get(v, x, 0, &ret->at, 8))
        return false;
    if (!ret->at)
        return true;
    struct value chan = {.addr = ret->at};
    if (size <= 0 || (size_t)size > sizeof(copy) || !value_get(v, &chan, 0, copy, (size_t)size))
        return false;
    ret->len = rt_get(l, copy, RT_hchan_qcount);
    ret->cap = rt_get(l, copy, RT_hchan_dataqsiz);
    ret->buf = rt_get(l, copy, RT_hchan_buf);
    ret->first = rt_get(l, copy, RT_hchan_recvx);
    ret->closed = rt_get(l, copy, RT_hchan_closed) != 0;
    return true;
}

bool value_func_of(struct values *v, const struct value *x, taddr *ret_pc, taddr *ret_closure)
{
    struct value closure = {0};
    *ret_pc = 0;
    bool ok = value_get(v, x, 0, ret_closure, 8);
    closure.addr = *ret_closure;
    return ok && (!closure.addr || value_get(v, &closure, 0, ret_pc, 8));
}

const char *value_code_name(struct values *v, taddr pc)
{
    struct pcln_func f;
    return rt_func_at(v->rt, pc, &f, NULL) ? f.name : "";
}

bool value_pretty(struct values *v, const struct value *x, struct buf *b)
{
    struct scratch s;
    struct printer *p = scratch(&s, v);
    s.l.reads = 256;
    bool ok = value_pretty_any(p, x->type, view_of(x), b);
    scratch_end(&s);
    return ok;
}

/* types_read.c - what a type descriptor says, and what follows it.
 *
 * Go: internal/abi/type.go Type, ArrayType, ChanType, FuncType, InterfaceType, PtrType, SliceType,
 * StructType, UncommonType, map_*.go (runtime/type.go until 1.20).  A descriptor of a kind begins
 * with a Type; behind it comes an UncommonType when a flag says so, then what FuncType counts.
 *
 * A word that looks like an address is taken for a type only when everything the descriptor says
 * about itself agrees: sizes of kinds, alignment, a readable name.  So numbers that happen to
 * point into the section of types are refused. */
#include "rt/types_int.h"

enum { KIND_MASK = 31, ALIGN_MAX = 16, VARIADIC = 1 << 15 };

/* What the values of each kind must be like; size 0: any. */
static const struct kind_rule {
    uint8_t size, ptr_bytes;
    bool opt; /* it may be without pointers all the same */
} kind_rules[] = {
    [GO_KIND_BOOL] = {1, 0, false},
    [GO_KIND_INT] = {8, 0, false},
    [GO_KIND_INT + 1] = {1, 0, false},
    [GO_KIND_INT + 2] = {2, 0, false},
    [GO_KIND_INT + 3] = {4, 0, false},
    [GO_KIND_INT + 4] = {8, 0, false},
    [GO_KIND_INT + 5] = {8, 0, false},
    [GO_KIND_INT + 6] = {1, 0, false},
    [GO_KIND_INT + 7] = {2, 0, false},
    [GO_KIND_INT + 8] = {4, 0, false},
    [GO_KIND_INT + 9] = {8, 0, false},
    [GO_KIND_UINTPTR] = {8, 0, false},
    [GO_KIND_FLOAT32] = {4, 0, false},
    [GO_KIND_FLOAT32 + 1] = {8, 0, false},
    [GO_KIND_FLOAT32 + 2] = {8, 0, false},
    [GO_KIND_COMPLEX128] = {16, 0, false},
    [GO_KIND_ARRAY] = {0, 0, true},
    [GO_KIND_CHAN] = {8, 8, false},
    [GO_KIND_FUNC] = {8, 8, false},
    [GO_KIND_INTERFACE] = {16, 16, false},
    [GO_KIND_MAP] = {8, 8, false},
    [GO_KIND_POINTER] = {8, 8, true}, /* to what is never in the heap */
    [GO_KIND_SLICE] = {24, 8, false},
    [GO_KIND_STRING] = {16, 8, false},
    [GO_KIND_STRUCT] = {0, 0, true},
    [GO_KIND_UNSAFE_POINTER] = {8, 8, false},
};

static bool is_pointer_shaped(uint8_t kind, uint64_t size)
{
    return kind == GO_KIND_CHAN || kind == GO_KIND_FUNC || kind == GO_KIND_MAP ||
           kind == GO_KIND_POINTER || kind == GO_KIND_UNSAFE_POINTER ||
           ((kind == GO_KIND_ARRAY || kind == GO_KIND_STRUCT) && size == 8);
}

static bool is_plausible(const struct rt_typeinfo *i, uint64_t align)
{
    if (i->kind >= ARRAY_LEN(kind_rules) || !i->kind)
        return false;
    const struct kind_rule *r = &kind_rules[i->kind];
    if (r->size && i->size != r->size)
        return false;
    if (r->size && i->ptr_bytes != r->ptr_bytes && !(r->opt && !i->ptr_bytes))
        return false;
    return align && align <= ALIGN_MAX && !(align & (align - 1)) && i->size % align == 0 &&
           i->size <= TYPES_SIZE_MAX && i->ptr_bytes % 8 == 0 && i->ptr_bytes <= i->size &&
           (!i->direct || is_pointer_shaped(i->kind, i->size));
}

/* Whether interfaces hold values of the type themselves: a flag of the kind, since 1.26 of tflag.
 */
static bool is_direct(const struct rt_layout *l, const struct type_entry *e)
{
    int64_t tflag = l->constant[RT_IS_tflag_direct], kind = l->constant[RT_IS_kind_direct];
    if (tflag > 0)
        return e->tflag & tflag;
    return kind > 0 ? e->kind_bits & kind : is_pointer_shaped(e->info.kind, e->info.size);
}

bool types_parse(struct rt_types *ty, taddr addr, struct type_entry *ret)
{
    const struct rt_layout *l = ty->l;
    uint8_t copy[TYPES_COPY];
    size_t size = (size_t)l->size[RT_STRUCT_type];
    if (size > sizeof(copy) || addr & 7 || !types_read(ty, addr, copy, size))
        return false;
    *ret = (struct type_entry){
        .elem = SNAP_NONE, .key = SNAP_NONE, .internal = SNAP_NONE, .of_map = SNAP_NONE};
    struct rt_typeinfo *i = &ret->info;
    i->addr = addr;
    i->size = rt_get(l, copy, RT_type_size);
    i->ptr_bytes = rt_get(l, copy, RT_type_ptrdata);
    ret->kind_bits = (uint8_t)rt_get(l, copy, RT_type_kind);
    ret->tflag = (uint8_t)rt_get(l, copy, RT_type_tflag);
    ret->gcdata = rt_get(l, copy, RT_type_gcdata);
    i->kind = ret->kind_bits & KIND_MASK;
    i->direct = is_direct(l, ret);
    return is_plausible(i, rt_get(l, copy, RT_type_align)) && (!i->ptr_bytes || ret->gcdata) &&
           types_check_name(ty, addr, (uint32_t)rt_get(l, copy, RT_type_str));
}

/* ---- what follows ---- */

uint64_t types_word(struct rt_types *ty, const struct type_entry *e, enum rt_field f)
{
    uint64_t v = 0;
    int32_t off = ty->l->off[f];
    uint32_t width = ty->l->width[f];
    if (off < 0 || !e->info.addr ||
        !types_read(ty, e->info.addr + (taddr)off, &v, width < 8 ? width : 8))
        return 0;
    return v;
}

taddr types_slice(struct rt_types *ty, const struct type_entry *e, enum rt_field f, uint32_t max,
                  uint32_t *ret_n)
{
    uint64_t slice[2];
    *ret_n = 0;
    if (ty->l->off[f] < 0 || !e->info.addr ||
        !types_read(ty, e->info.addr + (taddr)ty->l->off[f], slice, sizeof(slice)))
        return 0;
    if (slice[1] > max) {
        types_gap(ty, TYPES_GAP_LINK);
        return 0;
    }
    *ret_n = (uint32_t)slice[1];
    return slice[0];
}

bool types_struct_field(struct rt_types *ty, taddr first, uint32_t i, struct type_raw_field *ret)
{
    const struct rt_layout *l = ty->l;
    uint8_t copy[TYPES_COPY];
    int32_t size = l->size[RT_STRUCT_structfield];
    if (size <= 0 || (size_t)size > sizeof(copy) ||
        !types_read(ty, first + (taddr)i * (taddr)size, copy, (size_t)size))
        return false;
    ret->name = rt_get(l, copy, RT_structfield_name);
    ret->type = rt_get(l, copy, RT_structfield_type);
    uint64_t anon = rt_get(l, copy, RT_structfield_offset_anon);
    bool plain = TYPES_HAS(ty, structfield_offset);
    ret->offset = plain ? rt_get(l, copy, RT_structfield_offset) : anon >> 1;
    return true;
}

static const enum rt_struct kind_struct[] = {
    [GO_KIND_ARRAY] = RT_STRUCT_arraytype, [GO_KIND_CHAN] = RT_STRUCT_chantype,
    [GO_KIND_FUNC] = RT_STRUCT_functype,   [GO_KIND_INTERFACE] = RT_STRUCT_interfacetype,
    [GO_KIND_MAP] = RT_STRUCT_maptype,     [GO_KIND_POINTER] = RT_STRUCT_ptrtype,
    [GO_KIND_SLICE] = RT_STRUCT_slicetype, [GO_KIND_STRUCT] = RT_STRUCT_structtype,
    [GO_KIND_UNSAFE_POINTER] = 0,
};

taddr types_behind(struct rt_types *ty, const struct type_entry *e)
{
    enum rt_struct s = RT_STRUCT_type;
    if (e->info.kind < ARRAY_LEN(kind_struct) && kind_struct[e->info.kind])
        s = kind_struct[e->info.kind];
    int32_t size = ty->l->size[s];
    return size > 0 ? e->info.addr + ((taddr)size + 7) / 8 * 8 : 0;
}

static bool has_uncommon(const struct rt_types *ty, const struct type_entry *e)
{
    return ty->l->constant[RT_IS_tflag_uncommon] > 0 &&
           e->tflag & ty->l->constant[RT_IS_tflag_uncommon];
}

bool types_uncommon(struct rt_types *ty, const struct type_entry *e, uint8_t *copy, size_t n)
{
    taddr at = types_behind(ty, e);
    int32_t size = ty->l->size[RT_STRUCT_uncommontype];
    return at && size > 0 && (size_t)size <= n && has_uncommon(ty, e) &&
           types_read(ty, at, copy, (size_t)size);
}

taddr types_params(struct rt_types *ty, const struct type_entry *e, uint32_t *ret_in,
                   uint32_t *ret_out, bool *ret_variadic)
{
    taddr at = types_behind(ty, e);
    uint64_t out = types_word(ty, e, RT_functype_out_count);
    *ret_in = (uint32_t)types_word(ty, e, RT_functype_in_count);
    *ret_out = (uint32_t)(out & (VARIADIC - 1));
    *ret_variadic = out & VARIADIC;
    if (has_uncommon(ty, e))
        at += (taddr)ty->l->size[RT_STRUCT_uncommontype];
    return at;
}

taddr types_offset(struct rt_types *ty, taddr type, uint32_t off)
{
    const struct type_section *s = types_section(ty, type);
    return s && off && off < s->hi - s->lo ? s->lo + off : 0;
}

/* ---- how types consist of others ---- */

/* A part of a type.  Its mask is made, too. */
static uint32_t part(struct rt_types *ty, taddr addr)
{
    uint32_t type = types_add(ty, addr);
    if (type == SNAP_NONE)
        types_gap(ty, TYPES_GAP_LINK);
    else
        types_make_mask(ty, types_entry(ty, type), 0);
    return type;
}

static void link_fields(struct rt_types *ty, struct type_entry *e)
{
    uint32_t n;
    taddr first = types_slice(ty, e, RT_structtype_fields, TYPES_FIELDS_MAX, &n);
    struct buf name = {0};
    e->field = (uint32_t)ty->fields.n;
    for (uint32_t i = 0; i < n; i++) {
        struct type_raw_field raw;
        struct type_field f = {0};
        buf_clear(&name);
        if (!types_struct_field(ty, first, i, &raw) || raw.offset > e->info.size) {
            types_gap(ty, TYPES_GAP_LINK);
            break;
        }
        if (types_read_name(ty, raw.name, &name))
            f.name = intern_addn(&ty->names, name.p, name.n);
        f.type = part(ty, raw.type);
        f.offset = raw.offset;
        vec_push(&ty->fields, f);
        e->fields++;
    }
    buf_free(&name);
}

static void link_params(struct rt_types *ty, const struct type_entry *e)
{
    uint32_t in, out;
    bool variadic;
    taddr at = types_params(ty, e, &in, &out, &variadic), type;
    for (uint32_t i = 0; at && i < in + out && i < TYPES_PARAMS_MAX; i++)
        if (types_read(ty, at + 8 * (taddr)i, &type, 8))
            part(ty, type);
}

/* Of a map: what it keeps entries in.  The buckets of maps that package reflect made (before 1.24)
 * say that they are structs, but nothing about fields follows. */
static uint32_t map_internal(struct rt_types *ty, const struct type_entry *e)
{
    bool groups = TYPES_HAS(ty, maptype_group);
    taddr addr = types_word(ty, e, groups ? RT_maptype_group : RT_maptype_bucket);
    uint32_t type = part(ty, addr);
    if (type != SNAP_NONE && !groups && !types_section(ty, addr))
        types_entry(ty, type)->opaque = true;
    /* named map types share it with map[K]V: the first in the list is as good as any */
    if (type != SNAP_NONE && types_entry(ty, type)->of_map == SNAP_NONE)
        types_entry(ty, type)->of_map = e->number;
    return type;
}

static void link_type(struct rt_types *ty, struct type_entry *e)
{
    static const struct {
        enum rt_field elem;
        bool has;
    } elems[] = {
        [GO_KIND_ARRAY] = {RT_arraytype_elem, true}, [GO_KIND_CHAN] = {RT_chantype_elem, true},
        [GO_KIND_MAP] = {RT_maptype_elem, true},     [GO_KIND_POINTER] = {RT_ptrtype_elem, true},
        [GO_KIND_SLICE] = {RT_slicetype_elem, true},
    };
    uint8_t kind = e->info.kind;
    if (kind < ARRAY_LEN(elems) && elems[kind].has)
        e->elem = part(ty, types_word(ty, e, elems[kind].elem));
    if (kind == GO_KIND_ARRAY)
        e->count = types_word(ty, e, RT_arraytype_len);
    if (kind == GO_KIND_MAP) {
        e->key = part(ty, types_word(ty, e, RT_maptype_key));
        e->internal = map_internal(ty, e);
    }
    if (kind == GO_KIND_STRUCT && !e->opaque)
        link_fields(ty, e);
    if (kind == GO_KIND_FUNC)
        link_params(ty, e);
}

/* Whether it may be a bucket of a map that package reflect made, which only the map can tell. */
static bool may_be_opaque(const struct rt_types *ty, const struct type_entry *e)
{
    return e->info.kind == GO_KIND_STRUCT && !TYPES_HAS(ty, maptype_group) &&
           !types_section(ty, e->info.addr);
}

static void link_one(struct rt_types *ty, uint32_t number)
{
    struct type_entry *e = types_entry(ty, number);
    link_type(ty, e);
    if (!types_section(ty, e->info.addr))
        types_name(ty, number); /* its parts are not kept as sections are */
    taddr ptr = types_offset(ty, e->info.addr, (uint32_t)types_word(ty, e, RT_type_ptr_to_this));
    if (ptr)
        types_add(ty, ptr);
}

/* Objects may have told of a bucket before anything told of its map: what may be one comes last. */
void types_link(struct rt_types *ty)
{
    uint32_t from = ty->nlinked;
    VEC(uint32_t) later = {0};
    while (ty->nlinked < ty->n || later.n) {
        if (ty->nlinked == ty->n) {
            link_one(ty, later.v[--later.n]);
            continue;
        }
        uint32_t number = ty->nlinked++;
        struct type_entry *e = types_entry(ty, number);
        if (e->made)
            continue;
        if (e->has_die) {
            types_link_dwarf(ty, e);
            continue;
        }
        types_make_mask(ty, e, 0);
        if (may_be_opaque(ty, e))
            vec_push(&later, number);
        else
            link_one(ty, number);
    }
    vec_free(&later);
    types_measure_dwarf(ty, from);
}

uint32_t types_make_struct(struct rt_types *ty, const char *name, uint32_t like, uint32_t field,
                           uint32_t fields)
{
    struct type_entry *e = types_new_entry(ty);
    if (!e)
        return SNAP_NONE;
    e->info = *types_get(ty, like);
    e->info.addr = 0;
    e->has_mask = true;
    e->made = true;
    e->name = intern_add(&ty->names, name);
    e->field = field;
    e->fields = fields;
    return types_publish(ty);
}

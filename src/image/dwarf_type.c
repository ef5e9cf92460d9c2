/* dwarf_type.c - decoding the DIEs of types; see dwarf_type.h.
 *
 * Decoded types are kept by id for as long as the image lives: a program prints few of its many
 * types, and those again and again. */
#include "image/dwarf_type.h"

#include <stdlib.h>
#include <string.h>

#include "image/dwarf_int.h"

enum { CHAIN_MAX = 64, CHILDREN_MAX = 1 << 18 };

struct builder {
    struct dwarf *dw;
    struct dwarf_type t;
    uint64_t encoding, go_elem; /* attributes that settle() turns into more */
    VEC(struct dwarf_member) members;
    VEC(struct dwarf_enumerator) enumerators;
    VEC(struct dwarf_param) params;
};

static enum dwarf_kind kind_of_base(uint64_t encoding)
{
    switch (encoding) {
    case DW_ATE_boolean:
        return DWARF_KIND_BOOL;
    case DW_ATE_signed:
        return DWARF_KIND_INT;
    case DW_ATE_unsigned:
    case DW_ATE_address:
        return DWARF_KIND_UINT;
    case DW_ATE_signed_char:
    case DW_ATE_unsigned_char:
    case DW_ATE_UTF:
        return DWARF_KIND_CHAR;
    case DW_ATE_float:
        return DWARF_KIND_FLOAT;
    case DW_ATE_complex_float:
        return DWARF_KIND_COMPLEX;
    default:
        return DWARF_KIND_OTHER;
    }
}

/* Kinds that Go's own attribute tells apart although their DIEs look alike. */
static enum dwarf_kind kind_of_go(uint8_t go_kind, uint16_t tag)
{
    switch (go_kind) {
    case GO_KIND_STRING:
        return tag == DW_TAG_structure_type ? DWARF_KIND_STRING : DWARF_KIND_OTHER;
    case GO_KIND_SLICE:
        return tag == DW_TAG_structure_type ? DWARF_KIND_SLICE : DWARF_KIND_OTHER;
    case GO_KIND_MAP:
        return tag == DW_TAG_typedef ? DWARF_KIND_MAP : DWARF_KIND_OTHER;
    case GO_KIND_CHAN:
        return tag == DW_TAG_typedef ? DWARF_KIND_CHAN : DWARF_KIND_OTHER;
    case GO_KIND_INTERFACE:
        return tag == DW_TAG_typedef ? DWARF_KIND_INTERFACE : DWARF_KIND_OTHER;
    default:
        return DWARF_KIND_OTHER;
    }
}

static enum dwarf_kind kind_of_tag(const struct builder *b)
{
    switch (b->t.tag) {
    case DW_TAG_base_type:
        return kind_of_base(b->encoding);
    case DW_TAG_unspecified_type:
        return DWARF_KIND_VOID;
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        return DWARF_KIND_POINTER;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_interface_type:
        return DWARF_KIND_STRUCT;
    case DW_TAG_union_type:
        return DWARF_KIND_UNION;
    case DW_TAG_array_type:
        return DWARF_KIND_ARRAY;
    case DW_TAG_subroutine_type:
        return DWARF_KIND_FUNC;
    case DW_TAG_enumeration_type:
        return DWARF_KIND_ENUM;
    case DW_TAG_typedef:
    case DW_TAG_template_alias:
        return DWARF_KIND_TYPEDEF;
    case DW_TAG_const_type:
    case DW_TAG_volatile_type:
    case DW_TAG_restrict_type:
    case DW_TAG_atomic_type:
    case DW_TAG_immutable_type:
        return DWARF_KIND_QUALIFIER;
    default:
        return DWARF_KIND_OTHER;
    }
}

bool dwarf_tag_is_type(uint16_t tag)
{
    switch (tag) {
    case DW_TAG_string_type:
    case DW_TAG_ptr_to_member_type:
    case DW_TAG_set_type:
    case DW_TAG_subrange_type:
        return true;
    default: {
        struct builder b = {.t.tag = tag};
        return tag == DW_TAG_base_type || kind_of_tag(&b) != DWARF_KIND_OTHER;
    }
    }
}

static void take_type_attr(struct builder *b, const struct dwarf_unit *u,
                           const struct dwarf_attr *a)
{
    struct dwarf_type *t = &b->t;
    uint64_t v;
    switch (a->name) {
    case DW_AT_name:
        t->name = dwarf_attr_text(u, a);
        return;
    case DW_AT_type:
        dwarf_attr_ref(u, a, &t->elem);
        return;
    case DW_AT_go_elem:
        dwarf_attr_ref(u, a, &b->go_elem);
        return;
    case DW_AT_go_key:
        dwarf_attr_ref(u, a, &t->key);
        return;
    case DW_AT_signature: /* the declaration of what a type unit defines */
        dwarf_attr_ref(u, a, &t->defined);
        return;
    case DW_AT_go_runtime_type:
        t->has_runtime_type = dwarf_attr_addr(u, a, &t->runtime_type) && t->runtime_type;
        return;
    default:
        if (!dwarf_attr_uint(a, &v))
            return;
    }
    switch (a->name) {
    case DW_AT_byte_size:
        t->size = v <= INT64_MAX ? (int64_t)v : -1;
        break;
    case DW_AT_encoding:
        b->encoding = v;
        break;
    case DW_AT_go_kind:
        t->go_kind = (uint8_t)v;
        break;
    case DW_AT_go_dict_index:
        t->has_dict_index = true;
        t->dict_index = v;
        break;
    case DW_AT_declaration:
        t->declaration = v != 0;
        break;
    }
}

struct member_attrs {
    uint64_t byte_size, bit_size, bit_offset, data_bit_offset;
    bool has_bit_offset, has_data_bit_offset;
};

static void take_member_attr(struct dwarf_member *m, struct member_attrs *bits,
                             const struct dwarf_unit *u, const struct dwarf_attr *a)
{
    switch (a->name) {
    case DW_AT_name:
        m->name = dwarf_attr_text(u, a);
        break;
    case DW_AT_type:
        dwarf_attr_ref(u, a, &m->type);
        break;
    case DW_AT_data_member_location:
        m->computed = !dwarf_attr_uint(a, &m->off);
        if (m->computed && a->cls == DWARF_BLOCK && a->n >= 2 && a->p[0] == DW_OP_plus_uconst) {
            const uint8_t *p = a->p + 1; /* how DWARF 2 writes a plain offset */
            m->computed = !take_uleb(&p, a->p + a->n, &m->off) || p != a->p + a->n;
        }
        break;
    case DW_AT_byte_size:
        dwarf_attr_uint(a, &bits->byte_size);
        break;
    case DW_AT_bit_size:
        dwarf_attr_uint(a, &bits->bit_size);
        break;
    case DW_AT_bit_offset:
        bits->has_bit_offset = dwarf_attr_uint(a, &bits->bit_offset);
        break;
    case DW_AT_data_bit_offset:
        bits->has_data_bit_offset = dwarf_attr_uint(a, &bits->data_bit_offset);
        break;
    case DW_AT_go_embedded_field:
        m->embedded = a->cls == DWARF_FLAG && a->u;
        break;
    }
}

/* DWARF 2 counts a bit field from the most significant bit of its container, DWARF 4 from the least
 * significant one of the struct. */
static void place_bits(struct dwarf_member *m, const struct member_attrs *bits)
{
    if (!bits->bit_size || bits->bit_size > 64)
        return;
    uint64_t at = m->off * 8;
    if (bits->has_data_bit_offset) {
        at += bits->data_bit_offset;
    } else if (bits->has_bit_offset) {
        uint64_t container = bits->byte_size ? bits->byte_size : 4;
        at += container * 8 - bits->bit_offset - bits->bit_size;
    }
    m->off = at / 8;
    m->bit_off = (uint16_t)(at % 8);
    m->bit_size = (uint16_t)bits->bit_size;
}

static uint64_t container_size(const struct dwarf *dw, uint64_t type)
{
    int64_t size = dwarf_die_size(dw, type);
    return size > 0 ? (uint64_t)size : 0;
}

static struct err *take_member(struct builder *b, const struct dwarf_die *die)
{
    struct dwarf_member m = {.name = "", .type = DWARF_NO_ID};
    struct member_attrs bits = {0};
    struct dwarf_attrs it;
    struct dwarf_attr a;
    dwarf_attrs_init(&it, die);
    while (dwarf_attrs_next(&it, &a))
        take_member_attr(&m, &bits, die->unit, &a);
    if (it.err)
        return it.err;
    m.base = die->tag == DW_TAG_inheritance;
    if (bits.has_bit_offset && !bits.byte_size && m.type != DWARF_NO_ID)
        bits.byte_size = container_size(b->dw, m.type);
    place_bits(&m, &bits);
    vec_push(&b->members, m);
    return NULL;
}

static struct err *take_enumerator(struct builder *b, const struct dwarf_die *die)
{
    struct dwarf_enumerator e = {.name = ""};
    struct dwarf_attrs it;
    struct dwarf_attr a;
    dwarf_attrs_init(&it, die);
    while (dwarf_attrs_next(&it, &a)) {
        if (a.name == DW_AT_name)
            e.name = dwarf_attr_text(die->unit, &a);
        else if (a.name == DW_AT_const_value)
            b->t.is_signed |= dwarf_attr_sint(&a, &e.value) && a.cls == DWARF_SCONST && e.value < 0;
    }
    if (!it.err)
        vec_push(&b->enumerators, e);
    return it.err;
}

static struct err *take_param(struct builder *b, const struct dwarf_die *die)
{
    struct dwarf_param p = {.type = DWARF_NO_ID};
    struct dwarf_attrs it;
    struct dwarf_attr a;
    dwarf_attrs_init(&it, die);
    while (dwarf_attrs_next(&it, &a)) {
        if (a.name == DW_AT_type)
            dwarf_attr_ref(die->unit, &a, &p.type);
        else if (a.name == DW_AT_variable_parameter)
            p.result = a.cls == DWARF_FLAG && a.u;
    }
    if (!it.err)
        vec_push(&b->params, p);
    return it.err;
}

/* Elements of one dimension; several multiply.  -1: open. */
static struct err *take_dimension(struct builder *b, const struct dwarf_die *die)
{
    struct dwarf_attrs it;
    struct dwarf_attr a;
    uint64_t v, n = 0, lower = 0;
    bool known = false, upper = false;
    dwarf_attrs_init(&it, die);
    while (dwarf_attrs_next(&it, &a)) {
        if (a.name == DW_AT_lower_bound)
            dwarf_attr_uint(&a, &lower);
        if ((a.name != DW_AT_count && a.name != DW_AT_upper_bound) || !dwarf_attr_uint(&a, &v))
            continue;
        known = true;
        upper = a.name == DW_AT_upper_bound;
        n = v;
    }
    if (upper)
        n = n + 1 - lower; /* gcc writes [0] as an upper bound of -1 */
    uint64_t total;
    if (!known || b->t.count < 0 || __builtin_mul_overflow((uint64_t)b->t.count, n, &total) ||
        total > INT64_MAX)
        b->t.count = -1;
    else
        b->t.count = (int64_t)total;
    return it.err;
}

static struct err *take_child(struct builder *b, const struct dwarf_die *die)
{
    switch (die->tag) {
    case DW_TAG_member:
    case DW_TAG_inheritance:
        return take_member(b, die);
    case DW_TAG_enumerator:
        return take_enumerator(b, die);
    case DW_TAG_formal_parameter:
        return take_param(b, die);
    case DW_TAG_unspecified_parameters:
        b->t.variadic = true;
        return NULL;
    case DW_TAG_subrange_type:
    case DW_TAG_generic_subrange:
        return b->t.tag == DW_TAG_array_type ? take_dimension(b, die) : NULL;
    default:
        return NULL;
    }
}

static struct err *take_children(struct builder *b, const struct dwarf_die *type)
{
    struct dwarf_walk w;
    struct dwarf_die die;
    size_t n = 0;
    dwarf_walk_die(&w, type);
    while (dwarf_walk_next(&w, &die)) {
        if (w.depth != 1)
            continue;
        TRY(take_child(b, &die));
        dwarf_walk_skip(&w);
        if (++n > CHILDREN_MAX)
            return err_new(ERR_LIMIT, "%s: type %s has too many members", image_name(b->dw->img),
                           b->t.name);
    }
    return w.err;
}

/* What the DIE means once all of it is known. */
static void settle(struct builder *b)
{
    struct dwarf_type *t = &b->t;
    t->kind = kind_of_go(t->go_kind, t->tag);
    if (t->kind == DWARF_KIND_OTHER)
        t->kind = kind_of_tag(b);
    t->is_signed |= t->kind == DWARF_KIND_INT || b->encoding == DW_ATE_signed_char;
    if (t->kind == DWARF_KIND_MAP || t->kind == DWARF_KIND_CHAN ||
        t->kind == DWARF_KIND_INTERFACE) {
        t->repr = t->elem;
        t->elem = b->go_elem;
    } else if (b->go_elem != DWARF_NO_ID) {
        t->elem = b->go_elem;
    }
    if (t->size < 0 &&
        (t->kind == DWARF_KIND_POINTER || t->kind == DWARF_KIND_MAP || t->kind == DWARF_KIND_CHAN))
        t->size = t->unit->addr_size;
    if (t->kind == DWARF_KIND_QUALIFIER && t->elem == DWARF_NO_ID)
        t->kind = DWARF_KIND_VOID; /* const void */
    if (t->kind != DWARF_KIND_ARRAY)
        t->count = 0;
}

#define KEEP(b, array, T, count)                                                                   \
    do {                                                                                           \
        T *kept_ = arena_array(&(b)->dw->types.arena, T, (b)->array.n);                            \
        if ((b)->array.n)                                                                          \
            memcpy(kept_, (b)->array.v, (b)->array.n * sizeof(T));                                 \
        (b)->t.array = kept_;                                                                      \
        (b)->t.count = (b)->array.n;                                                               \
        vec_free(&(b)->array);                                                                     \
    } while (0)

static struct err *build(struct builder *b, const struct dwarf_die *die)
{
    struct dwarf_attrs it;
    struct dwarf_attr a;
    dwarf_attrs_init(&it, die);
    while (dwarf_attrs_next(&it, &a))
        take_type_attr(b, die->unit, &a);
    if (it.err)
        return it.err;
    if (die->has_children)
        TRY(take_children(b, die));
    settle(b);
    return NULL;
}

static struct err *decode(struct dwarf *dw, uint64_t id, struct builder *b)
{
    struct dwarf_die die;
    TRY(dwarf_die_at(dw, id, &die));
    if (!dwarf_tag_is_type(die.tag))
        return err_new(ERR_BAD_DATA, "%s: the entry at %#llx is not a type", image_name(dw->img),
                       (unsigned long long)dwarf_offset(id));
    *b = (struct builder){.dw = dw,
                          .go_elem = DWARF_NO_ID,
                          .t = {.id = id,
                                .unit = die.unit,
                                .tag = die.tag,
                                .name = "",
                                .size = -1,
                                .elem = DWARF_NO_ID,
                                .key = DWARF_NO_ID,
                                .repr = DWARF_NO_ID,
                                .defined = DWARF_NO_ID,
                                .count = 1}};
    return build(b, &die);
}

static const struct dwarf_type *known_type(struct dwarf *dw, uint64_t id)
{
    pthread_mutex_lock(&dw->types.lock);
    uint32_t i = map_get(&dw->types.by_id, id);
    const struct dwarf_type *t = i != MAP_NONE ? dw->types.v.v[i] : NULL;
    pthread_mutex_unlock(&dw->types.lock);
    return t;
}

static const struct dwarf_type *keep_type(struct builder *b)
{
    struct dwarf_types *types = &b->dw->types;
    bool added;
    pthread_mutex_lock(&types->lock);
    uint32_t i = map_get_or_put(&types->by_id, b->t.id, (uint32_t)types->v.n, &added);
    if (added) { /* else another thread was faster */
        KEEP(b, members, struct dwarf_member, nmembers);
        KEEP(b, enumerators, struct dwarf_enumerator, nenumerators);
        KEEP(b, params, struct dwarf_param, nparams);
        struct dwarf_type *t = arena_new(&types->arena, struct dwarf_type);
        *t = b->t;
        vec_push(&types->v, t);
    }
    const struct dwarf_type *t = types->v.v[i];
    pthread_mutex_unlock(&types->lock);
    return t;
}

static struct err *one_type(struct dwarf *dw, uint64_t id, const struct dwarf_type **ret)
{
    struct builder b = {0};
    struct dwarf *of = dwarf_is_own_id(dw, id) ? dw : dwarf_of_id(dw, id);
    dw = of ? of : dw; /* none: it is not found, then */
    *ret = known_type(dw, id);
    if (*ret)
        return NULL;
    struct err *e = decode(dw, id, &b);
    if (!e)
        *ret = keep_type(&b);
    vec_free(&b.members);
    vec_free(&b.enumerators);
    vec_free(&b.params);
    return e;
}

struct err *dwarf_type(struct dwarf *dw, uint64_t id, const struct dwarf_type **ret)
{
    TRY(one_type(dw, id, ret));
    if ((*ret)->declaration && (*ret)->defined != DWARF_NO_ID)
        return one_type(dw, (*ret)->defined, ret);
    return NULL;
}

struct err *dwarf_type_strip(struct dwarf *dw, uint64_t id, const struct dwarf_type **ret)
{
    for (unsigned i = 0; i < CHAIN_MAX; i++) {
        TRY(dwarf_type(dw, id, ret));
        if ((*ret)->kind != DWARF_KIND_TYPEDEF && (*ret)->kind != DWARF_KIND_QUALIFIER)
            return NULL;
        if ((*ret)->elem == DWARF_NO_ID)
            return NULL; /* a typedef of void */
        id = (*ret)->elem;
    }
    return err_new(ERR_BAD_DATA, "%s: a type that is defined by itself", image_name(dw->img));
}

int64_t dwarf_type_size(struct dwarf *dw, const struct dwarf_type *t)
{
    return t->size >= 0 ? t->size : dwarf_die_size(dw, t->id);
}

const struct dwarf_member *dwarf_member_named(const struct dwarf_type *t, const char *name)
{
    for (size_t i = 0; i < t->nmembers; i++)
        if (strcmp(t->members[i].name, name) == 0)
            return &t->members[i];
    return NULL;
}

void dwarf_types_init(struct dwarf *dw)
{
    pthread_mutex_init(&dw->types.lock, NULL);
    arena_init(&dw->types.arena);
}

void dwarf_types_free(struct dwarf *dw)
{
    map_free(&dw->types.by_id);
    vec_free(&dw->types.v);
    arena_free(&dw->types.arena);
    pthread_mutex_destroy(&dw->types.lock);
}

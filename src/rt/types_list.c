/* types_list.c - all types of a program.
 *
 * Go until 1.26: moduledata.typelinks (offsets of types that package reflect may have to find) and
 * itablinks (runtime/symtab.go, iface.go): what those consist of is, in effect, every type that a
 * value of the program can have.  Go 1.27: moduledata has neither; its descriptors lie one behind
 * the other at the start of the section (runtime/type.go moduleTypelinks), itabs behind them
 * (runtime/iface.go itabsinit).
 *
 * Types that closures and the buckets of maps have (without hash and ==: the compiler's noalg
 * types) are in no list before 1.27.  types_scan() finds them by looking at every word of the
 * section: what passes types_parse() is one.  That is good enough for candidates of guesses, no
 * more. */
#include <stdlib.h>

#include "rt/types_int.h"

enum { LINKS_MAX = 1 << 22, WALK_FIRST = 8, METHOD_SIZE = 16, ITAB_FUN = 24 };

static uint8_t *read_links(struct rt_types *ty, const uint8_t *md, enum rt_field f, size_t size,
                           uint64_t *ret_n)
{
    void *links = NULL;
    taddr at = rt_get_word(ty->l, md, f, 0);
    *ret_n = rt_get_word(ty->l, md, f, 1);
    struct err *e = NULL;
    if (at && *ret_n)
        e = rt_read_array(ty->t, "the list of types", at, *ret_n, size, LINKS_MAX, &links);
    if (e)
        types_gap(ty, TYPES_GAP_LIST);
    err_free(e);
    return links;
}

static void add_typelinks(struct rt_types *ty, const struct type_section *s, const uint8_t *md)
{
    uint64_t n;
    uint8_t *links = read_links(ty, md, RT_moduledata_typelinks, 4, &n);
    for (uint64_t i = 0; links && i < n; i++) {
        int32_t off;
        memcpy(&off, links + 4 * i, 4);
        if (off > 0 && types_add(ty, s->lo + (taddr)off) == SNAP_NONE)
            types_gap(ty, TYPES_GAP_LIST);
    }
    free(links);
}

static void add_itab(struct rt_types *ty, taddr itab)
{
    taddr inter, type;
    if (!TYPES_HAS(ty, itab_inter) || !TYPES_HAS(ty, itab_type) ||
        !types_read(ty, itab + (taddr)ty->l->off[RT_itab_inter], &inter, 8) ||
        !types_read(ty, itab + (taddr)ty->l->off[RT_itab_type], &type, 8)) {
        types_gap(ty, TYPES_GAP_LIST);
        return;
    }
    types_add(ty, inter);
    types_add(ty, type);
    vec_push(&ty->itabs, itab);
}

static void add_itablinks(struct rt_types *ty, const uint8_t *md)
{
    uint64_t n;
    uint8_t *links = read_links(ty, md, RT_moduledata_itablinks, 8, &n);
    for (uint64_t i = 0; links && i < n; i++) {
        taddr itab;
        memcpy(&itab, links + 8 * i, 8);
        add_itab(ty, itab);
    }
    free(links);
}

/* ---- 1.27 ---- */

/* Bytes of a descriptor with what follows it: abi.Type.DescriptorSize. */
static uint64_t descriptor_size(struct rt_types *ty, const struct type_entry *e)
{
    uint8_t copy[TYPES_COPY];
    uint64_t n = types_behind(ty, e) - e->info.addr;
    uint32_t count = 0, in, out;
    bool variadic;
    if (e->info.kind == GO_KIND_STRUCT) {
        types_slice(ty, e, RT_structtype_fields, TYPES_FIELDS_MAX, &count);
        n += (uint64_t)count * (uint64_t)ty->l->size[RT_STRUCT_structfield];
    } else if (e->info.kind == GO_KIND_INTERFACE) {
        types_slice(ty, e, RT_interfacetype_methods, TYPES_FIELDS_MAX, &count);
        n += (uint64_t)count * (uint64_t)ty->l->size[RT_STRUCT_imethod];
    } else if (e->info.kind == GO_KIND_FUNC) {
        types_params(ty, e, &in, &out, &variadic);
        n += 8 * ((uint64_t)in + out);
    }
    if (types_uncommon(ty, e, copy, sizeof(copy)))
        n += (uint64_t)ty->l->size[RT_STRUCT_uncommontype] +
             METHOD_SIZE * rt_get(ty->l, copy, RT_uncommontype_mcount);
    return n;
}

static void walk_types(struct rt_types *ty, const struct type_section *s, const uint8_t *md)
{
    taddr at = s->lo + WALK_FIRST, end = s->lo + rt_get(ty->l, md, RT_moduledata_typedesclen);
    while (at < end && end <= s->hi) {
        at = (at + 7) / 8 * 8;
        uint32_t type = types_add(ty, at);
        if (type == SNAP_NONE) {
            types_gap(ty, TYPES_GAP_LIST);
            return;
        }
        at += descriptor_size(ty, types_entry(ty, type));
    }
}

static void walk_itabs(struct rt_types *ty, const struct type_section *s, const uint8_t *md)
{
    taddr at = s->lo + rt_get(ty->l, md, RT_moduledata_itaboffset);
    taddr end = at + rt_get(ty->l, md, RT_moduledata_itabsize);
    while (at < end && at >= s->lo && end <= s->hi) {
        taddr inter, fun;
        uint32_t methods = 0;
        if (!types_read(ty, at + (taddr)ty->l->off[RT_itab_inter], &inter, 8) ||
            !types_read(ty, at + ITAB_FUN, &fun, 8))
            return types_gap(ty, TYPES_GAP_LIST);
        add_itab(ty, at);
        uint32_t type = types_add(ty, inter);
        if (type == SNAP_NONE)
            return types_gap(ty, TYPES_GAP_LIST);
        types_slice(ty, types_entry(ty, type), RT_interfacetype_methods, TYPES_FIELDS_MAX,
                    &methods);
        at += ITAB_FUN + 8 + (fun && methods ? 8 * ((taddr)methods - 1) : 0);
    }
}

/* ---- all ---- */

void types_list(struct rt_types *ty)
{
    const struct rt_layout *l = ty->l;
    size_t size = (size_t)l->size[RT_STRUCT_moduledata];
    uint8_t *md = mem_alloc(size);
    for (size_t i = 0; i < ty->nsections; i++) {
        const struct type_section *s = &ty->sections[i];
        struct err *e = target_read(ty->t, s->moduledata, md, size);
        if (e) {
            types_gap(ty, TYPES_GAP_LIST);
            err_free(e);
            continue;
        }
        if (rt_has(l, RT_moduledata_typelinks))
            add_typelinks(ty, s, md);
        else if (rt_has(l, RT_moduledata_typedesclen))
            walk_types(ty, s, md);
        if (rt_has(l, RT_moduledata_itablinks))
            add_itablinks(ty, md);
        else if (rt_has(l, RT_moduledata_itaboffset))
            walk_itabs(ty, s, md);
    }
    free(md);
    types_link(ty);
    ty->t = NULL;
}

void types_scan(struct rt_types *ty)
{
    for (size_t i = 0; i < ty->nsections; i++)
        for (taddr at = ty->sections[i].lo; ty->sections[i].bytes && at < ty->sections[i].hi;
             at += 8)
            types_add(ty, at);
    types_link(ty);
}

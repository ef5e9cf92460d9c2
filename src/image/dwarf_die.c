/* dwarf_die.c - DIEs: values of every form, attributes, and walks over units; see dwarf.h.
 *
 * Malformed bytes never lead outside the unit.  What is wrong with one value (a string offset that
 * points nowhere) stays with that value; what makes the rest of the unit unreadable (an unknown
 * abbreviation, a value that leaves the unit) ends the walk with an error. */
#include <string.h>

#include "image/dwarf_int.h"

enum { INDIRECT_MAX = 4, ORIGINS_MAX = 16 };

static const uint8_t *unit_end(const struct dwarf_unit *u)
{
    return unit_at(u, u->end);
}

static bool take_fixed(const uint8_t **p, const uint8_t *end, size_t n, uint64_t *ret)
{
    if ((size_t)(end - *p) < n)
        return false;
    *ret = load_le(*p, n);
    *p += n;
    return true;
}

static bool take_block(const uint8_t **p, const uint8_t *end, uint64_t n, struct dwarf_attr *a)
{
    if (n > (size_t)(end - *p))
        return false;
    a->cls = DWARF_BLOCK;
    a->p = *p;
    a->n = n;
    *p += n;
    return true;
}

static bool take_sleb(const uint8_t **p, const uint8_t *end, int64_t *ret)
{
    struct cursor c = cursor_on(*p, (size_t)(end - *p), "");
    *ret = cursor_sleb(&c);
    *p = c.p;
    return !c.bad;
}

static bool take_text(const uint8_t **p, const uint8_t *end, struct dwarf_attr *a)
{
    const uint8_t *nul = memchr(*p, 0, (size_t)(end - *p));
    if (!nul)
        return false;
    a->cls = DWARF_TEXT;
    a->p = *p;
    a->n = (size_t)(nul - *p);
    *p = nul + 1;
    return true;
}

/* Forms that are a number of fixed size: how large, and what it means. */
static bool number_form(const struct dwarf_unit *u, uint16_t form, size_t *size,
                        enum dwarf_class *cls)
{
    switch (form) {
#define NUMBER(f, n, c)                                                                            \
    case f:                                                                                        \
        *size = (n);                                                                               \
        *cls = (c);                                                                                \
        return true
        NUMBER(DW_FORM_addr, u->addr_size, DWARF_ADDR);
        NUMBER(DW_FORM_data1, 1, DWARF_UCONST);
        NUMBER(DW_FORM_data2, 2, DWARF_UCONST);
        NUMBER(DW_FORM_data4, 4, DWARF_UCONST);
        NUMBER(DW_FORM_data8, 8, DWARF_UCONST);
        NUMBER(DW_FORM_flag, 1, DWARF_FLAG);
        NUMBER(DW_FORM_strp, u->offset_size, DWARF_TEXT);
        NUMBER(DW_FORM_line_strp, u->offset_size, DWARF_TEXT);
        NUMBER(DW_FORM_strx1, 1, DWARF_TEXT);
        NUMBER(DW_FORM_strx2, 2, DWARF_TEXT);
        NUMBER(DW_FORM_strx3, 3, DWARF_TEXT);
        NUMBER(DW_FORM_strx4, 4, DWARF_TEXT);
        NUMBER(DW_FORM_addrx1, 1, DWARF_ADDR);
        NUMBER(DW_FORM_addrx2, 2, DWARF_ADDR);
        NUMBER(DW_FORM_addrx3, 3, DWARF_ADDR);
        NUMBER(DW_FORM_addrx4, 4, DWARF_ADDR);
        NUMBER(DW_FORM_ref1, 1, DWARF_REF);
        NUMBER(DW_FORM_ref2, 2, DWARF_REF);
        NUMBER(DW_FORM_ref4, 4, DWARF_REF);
        NUMBER(DW_FORM_ref8, 8, DWARF_REF);
        NUMBER(DW_FORM_ref_addr, u->version <= 2 ? u->addr_size : u->offset_size, DWARF_REF);
        NUMBER(DW_FORM_ref_sig8, 8, DWARF_REF);
        NUMBER(DW_FORM_sec_offset, u->offset_size, DWARF_OFFSET);
        NUMBER(DW_FORM_ref_sup4, 4, DWARF_SUP);
        NUMBER(DW_FORM_ref_sup8, 8, DWARF_SUP);
        NUMBER(DW_FORM_strp_sup, u->offset_size, DWARF_SUP);
        NUMBER(DW_FORM_GNU_ref_alt, u->offset_size, DWARF_SUP);
        NUMBER(DW_FORM_GNU_strp_alt, u->offset_size, DWARF_SUP);
#undef NUMBER
    default:
        return false;
    }
}

static bool uleb_form(uint16_t form, enum dwarf_class *cls)
{
    switch (form) {
    case DW_FORM_udata:
        *cls = DWARF_UCONST;
        return true;
    case DW_FORM_ref_udata:
        *cls = DWARF_REF;
        return true;
    case DW_FORM_strx:
    case DW_FORM_GNU_str_index:
        *cls = DWARF_TEXT;
        return true;
    case DW_FORM_addrx:
    case DW_FORM_GNU_addr_index:
        *cls = DWARF_ADDR;
        return true;
    case DW_FORM_loclistx:
    case DW_FORM_rnglistx:
        *cls = DWARF_LISTX;
        return true;
    default:
        return false;
    }
}

/* The forms that are neither a fixed number nor one LEB128. */
static bool read_other(const struct abbrev_attr *spec, const uint8_t **p, const uint8_t *end,
                       struct dwarf_attr *a)
{
    uint64_t n;
    switch (a->form) {
    case DW_FORM_string:
        return take_text(p, end, a);
    case DW_FORM_flag_present:
        a->cls = DWARF_FLAG;
        a->u = 1;
        return true;
    case DW_FORM_implicit_const:
        a->cls = DWARF_SCONST;
        a->s = spec->implicit;
        return true;
    case DW_FORM_sdata:
        a->cls = DWARF_SCONST;
        return take_sleb(p, end, &a->s);
    case DW_FORM_data16:
        return take_block(p, end, 16, a);
    case DW_FORM_block1:
        return take_fixed(p, end, 1, &n) && take_block(p, end, n, a);
    case DW_FORM_block2:
        return take_fixed(p, end, 2, &n) && take_block(p, end, n, a);
    case DW_FORM_block4:
        return take_fixed(p, end, 4, &n) && take_block(p, end, n, a);
    case DW_FORM_block:
    case DW_FORM_exprloc:
        return take_uleb(p, end, &n) && take_block(p, end, n, a);
    default:
        return false;
    }
}

bool dwarf_read_value(const struct dwarf_unit *u, const struct abbrev_attr *spec, const uint8_t **p,
                      const uint8_t *end, struct dwarf_attr *a)
{
    uint64_t form = spec->form;
    for (unsigned i = 0; form == DW_FORM_indirect; i++) /* the form stands before the value */
        if (i >= INDIRECT_MAX || !take_uleb(p, end, &form) || form > UINT16_MAX ||
            form == DW_FORM_implicit_const)
            return false;
    *a = (struct dwarf_attr){.name = spec->name, .form = (uint16_t)form};
    size_t size;
    if (number_form(u, a->form, &size, &a->cls)) {
        if (!take_fixed(p, end, size, &a->u))
            return false;
        if (a->cls == DWARF_FLAG)
            a->u = a->u != 0;
        return true;
    }
    if (uleb_form(a->form, &a->cls))
        return take_uleb(p, end, &a->u);
    return read_other(spec, p, end, a);
}

static struct err *malformed(const struct dwarf_unit *u, const uint8_t *p)
{
    return err_new(ERR_BAD_DATA, "%s: %s of the unit at %#llx is malformed at %#llx",
                   image_name(u->dw->img), u->id & DWARF_TYPES_ID ? ".debug_types" : ".debug_info",
                   (unsigned long long)dwarf_offset(u->id),
                   (unsigned long long)dwarf_offset(unit_id_of(u, p)));
}

void dwarf_attrs_init(struct dwarf_attrs *it, const struct dwarf_die *die)
{
    *it = (struct dwarf_attrs){.die = die, .p = die->attrs};
}

bool dwarf_attrs_next(struct dwarf_attrs *it, struct dwarf_attr *ret)
{
    const struct dwarf_abbrev *a = it->die->abbrev;
    if (it->i >= a->nattrs || it->err)
        return false;
    if (dwarf_read_value(it->die->unit, &a->attrs[it->i], &it->p, unit_end(it->die->unit), ret)) {
        it->i++;
        return true;
    }
    it->err = malformed(it->die->unit, it->p);
    return false;
}

bool dwarf_attr_find(const struct dwarf_die *die, uint16_t name, struct dwarf_attr *ret)
{
    const uint8_t *p = die->attrs, *end = unit_end(die->unit);
    for (uint32_t i = 0; i < die->abbrev->nattrs; i++) {
        if (!dwarf_read_value(die->unit, &die->abbrev->attrs[i], &p, end, ret))
            return false;
        if (ret->name == name)
            return true;
    }
    return false;
}

static const char *section_text(const struct dwarf *dw, enum dwarf_section_id id, uint64_t off)
{
    const struct dwarf_bytes *s = &dw->sec[id];
    return off < s->texts_n ? (const char *)s->p + off : "";
}

/* Entry `index` of a table of numbers of `width` bytes that begins at `base` of a section. */
static bool table_entry(const struct dwarf_bytes *s, uint64_t base, uint64_t index, size_t width,
                        uint64_t *ret)
{
    if (base > s->n || index >= (s->n - base) / width)
        return false;
    *ret = load_le(s->p + base + index * width, width);
    return true;
}

const char *dwarf_attr_text(const struct dwarf_unit *u, const struct dwarf_attr *a)
{
    uint64_t off;
    if (a->cls != DWARF_TEXT)
        return "";
    switch (a->form) {
    case DW_FORM_string:
        return (const char *)a->p;
    case DW_FORM_strp:
        return section_text(u->dw, DWARF_STR, a->u);
    case DW_FORM_line_strp:
        return section_text(u->dw, DWARF_LINE_STR, a->u);
    default:
        if (!table_entry(&u->dw->sec[DWARF_STR_OFFSETS], u->str_offsets_base, a->u, u->offset_size,
                         &off))
            return "";
        return section_text(u->dw, DWARF_STR, off);
    }
}

bool dwarf_addrx(const struct dwarf_unit *u, uint64_t index, taddr *ret)
{
    return table_entry(&u->dw->sec[DWARF_ADDR_TABLE], u->addr_base, index, u->addr_size, ret);
}

bool dwarf_attr_addr(const struct dwarf_unit *u, const struct dwarf_attr *a, taddr *ret)
{
    if (a->cls != DWARF_ADDR)
        return false;
    if (a->form != DW_FORM_addr)
        return dwarf_addrx(u, a->u, ret);
    *ret = a->u;
    return true;
}

bool dwarf_attr_uint(const struct dwarf_attr *a, uint64_t *ret)
{
    *ret = a->u;
    return a->cls == DWARF_UCONST || a->cls == DWARF_FLAG || (a->cls == DWARF_SCONST && a->s >= 0);
}

bool dwarf_attr_sint(const struct dwarf_attr *a, int64_t *ret)
{
    static const uint8_t bits[] = {[DW_FORM_data1] = 8, [DW_FORM_data2] = 16, [DW_FORM_data4] = 32};
    *ret = a->s;
    if (a->cls == DWARF_UCONST && a->form < ARRAY_LEN(bits) && bits[a->form]) {
        unsigned shift = 64u - bits[a->form];
        *ret = (int64_t)(a->u << shift) >> shift;
    }
    return a->cls == DWARF_SCONST || a->cls == DWARF_UCONST;
}

bool dwarf_attr_ref(const struct dwarf_unit *u, const struct dwarf_attr *a, uint64_t *ret_id)
{
    if (a->cls != DWARF_REF)
        return false;
    if (a->form == DW_FORM_ref_sig8) {
        uint32_t i = map_get(&u->dw->by_signature, a->u);
        if (i == MAP_NONE)
            return false;
        *ret_id = u->dw->units[i].type_die;
        return true;
    }
    if (a->form == DW_FORM_ref_addr) {
        *ret_id = a->u | u->dw->base;
        return a->u < u->dw->sec[DWARF_INFO].n;
    }
    if (a->u >= u->end - u->id)
        return false;
    *ret_id = u->id + a->u;
    return true;
}

/* Reads the abbreviation code at p; a DIE when it is not zero. */
static bool take_die(const struct dwarf_unit *u, const uint8_t **p, struct dwarf_die *ret,
                     bool *null)
{
    uint64_t code;
    const uint8_t *start = *p;
    if (!take_uleb(p, unit_end(u), &code))
        return false;
    *null = code == 0;
    if (*null)
        return true;
    const struct dwarf_abbrev *a = abbrev_find(u->abbrevs, code);
    if (!a)
        return false;
    *ret = (struct dwarf_die){.unit = u,
                              .id = unit_id_of(u, start),
                              .tag = a->tag,
                              .has_children = a->children,
                              .abbrev = a,
                              .attrs = *p};
    return true;
}

struct err *dwarf_die_at(const struct dwarf *dw, uint64_t id, struct dwarf_die *ret)
{
    const struct dwarf_unit *u = dwarf_unit_of(dw, id);
    bool null = true;
    const uint8_t *p = u ? unit_at(u, id) : NULL;
    if (u && id >= u->die && take_die(u, &p, ret, &null) && !null)
        return NULL;
    return err_new(ERR_BAD_DATA, "%s: no debug information entry at %#llx", image_name(dw->img),
                   (unsigned long long)dwarf_offset(id));
}

/* One step of dwarf_die_name(): the name, or the DIE to look at next. */
static const char *own_name(const struct dwarf_die *die, uint64_t *origin)
{
    struct dwarf_attrs it;
    struct dwarf_attr a;
    const char *name = NULL;
    *origin = DWARF_NO_ID;
    dwarf_attrs_init(&it, die);
    while (!name && dwarf_attrs_next(&it, &a)) {
        if (a.name == DW_AT_name && a.cls == DWARF_TEXT)
            name = dwarf_attr_text(die->unit, &a);
        else if (a.name == DW_AT_abstract_origin || a.name == DW_AT_specification)
            dwarf_attr_ref(die->unit, &a, origin);
    }
    err_free(it.err);
    return name;
}

const char *dwarf_die_name(const struct dwarf_die *die)
{
    struct dwarf_die at = *die;
    for (unsigned i = 0; i < ORIGINS_MAX; i++) {
        uint64_t origin;
        const char *name = own_name(&at, &origin);
        if (name)
            return name;
        if (origin == DWARF_NO_ID)
            break;
        struct err *e = dwarf_die_at(die->unit->dw, origin, &at);
        if (e) {
            err_free(e);
            break;
        }
    }
    return "";
}

void dwarf_walk_unit(struct dwarf_walk *w, const struct dwarf_unit *u)
{
    *w = (struct dwarf_walk){.unit = u, .p = unit_at(u, u->die)};
}

void dwarf_walk_die(struct dwarf_walk *w, const struct dwarf_die *die)
{
    *w = (struct dwarf_walk){.unit = die->unit, .p = unit_at(die->unit, die->id)};
}

void dwarf_walk_skip(struct dwarf_walk *w)
{
    w->skip = w->pending && w->pending->children;
}

/* Jumps to what DW_AT_sibling names, if the DIE has one that lies ahead. */
static bool jump_to_sibling(struct dwarf_walk *w)
{
    struct dwarf_die die = {.unit = w->unit, .abbrev = w->pending, .attrs = w->p};
    struct dwarf_attr a;
    uint64_t id;
    if (!w->pending->has_sibling || !dwarf_attr_find(&die, DW_AT_sibling, &a) ||
        !dwarf_attr_ref(w->unit, &a, &id) || id >= w->unit->end ||
        id <= unit_id_of(w->unit, w->p) || (id ^ w->unit->id) & DWARF_TYPES_ID)
        return false;
    w->p = unit_at(w->unit, id);
    return true;
}

/* Moves behind the DIE last given; false: its values leave the unit. */
static bool finish_pending(struct dwarf_walk *w)
{
    const struct dwarf_abbrev *a = w->pending;
    if (!a)
        return true;
    if (!w->skip || !jump_to_sibling(w)) {
        const uint8_t *next = abbrev_skip(a, w->p, unit_end(w->unit), w->unit);
        if (!next)
            return false;
        w->p = next;
        w->level += a->children;
    }
    w->pending = NULL;
    return true;
}

bool dwarf_walk_next(struct dwarf_walk *w, struct dwarf_die *ret)
{
    const uint8_t *end = unit_end(w->unit);
    bool null;
    unsigned stop = w->depth; /* while skipping: where to go on */
    if (w->err)
        return false;
    for (;;) {
        if (!finish_pending(w))
            break;
        if ((w->began && w->level == 0) || w->p >= end)
            return false;
        if (!take_die(w->unit, &w->p, ret, &null))
            break;
        w->began = true;
        if (null) {
            w->level -= w->level > 0;
            continue;
        }
        w->pending = ret->abbrev;
        if (w->skip && w->level > stop)
            continue;
        w->skip = false;
        w->depth = w->level;
        return true;
    }
    w->err = malformed(w->unit, w->p);
    return false;
}

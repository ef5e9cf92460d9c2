/* dwarf_abbrev.c - abbreviation tables (.debug_abbrev), and getting over values without decoding.
 *
 * A table is parsed once for each shape of unit that uses it (version, address size, offset size),
 * because the shape decides how many bytes a form takes.  Go's linker writes one table for all its
 * units; a C compiler one per unit.  Most DIEs are only passed by: for these every abbreviation
 * carries steps in which neighbouring values of known size are one.
 *
 * Invariant: all tables together parse at most ABBREV_OVERLAP times the section, so that units
 * which point at every byte of one long table cost no more than a honest file. */
#include <stdlib.h>
#include <string.h>

#include "image/dwarf_int.h"

enum { ABBREV_OVERLAP = 8, ATTRS_MAX = 512, STEP_MAX = 1 << 24 };

struct parser {
    struct cursor c;
    const struct dwarf_unit *shape;
    VEC(struct dwarf_abbrev) abbrevs;
    VEC(struct abbrev_attr) attrs;
    VEC(struct abbrev_step) steps;
};

/* Bytes of a form whose size is known from the shape; -1: it varies. */
static int fixed_size(uint16_t form, const struct dwarf_unit *u)
{
    switch (form) {
    case DW_FORM_flag_present:
    case DW_FORM_implicit_const:
        return 0;
    case DW_FORM_data1:
    case DW_FORM_ref1:
    case DW_FORM_flag:
    case DW_FORM_strx1:
    case DW_FORM_addrx1:
        return 1;
    case DW_FORM_data2:
    case DW_FORM_ref2:
    case DW_FORM_strx2:
    case DW_FORM_addrx2:
        return 2;
    case DW_FORM_strx3:
    case DW_FORM_addrx3:
        return 3;
    case DW_FORM_data4:
    case DW_FORM_ref4:
    case DW_FORM_strx4:
    case DW_FORM_addrx4:
    case DW_FORM_ref_sup4:
        return 4;
    case DW_FORM_data8:
    case DW_FORM_ref8:
    case DW_FORM_ref_sig8:
    case DW_FORM_ref_sup8:
        return 8;
    case DW_FORM_data16:
        return 16;
    case DW_FORM_addr:
        return u->addr_size;
    case DW_FORM_ref_addr: /* DWARF 2 gave it the size of an address */
        return u->version <= 2 ? u->addr_size : u->offset_size;
    case DW_FORM_strp:
    case DW_FORM_line_strp:
    case DW_FORM_sec_offset:
    case DW_FORM_strp_sup:
    case DW_FORM_GNU_ref_alt:
    case DW_FORM_GNU_strp_alt:
        return u->offset_size;
    default:
        return -1;
    }
}

static int varying_step(uint16_t form)
{
    switch (form) {
    case DW_FORM_string:
        return STEP_TEXT;
    case DW_FORM_sdata:
    case DW_FORM_udata:
    case DW_FORM_ref_udata:
    case DW_FORM_strx:
    case DW_FORM_addrx:
    case DW_FORM_loclistx:
    case DW_FORM_rnglistx:
    case DW_FORM_GNU_addr_index:
    case DW_FORM_GNU_str_index:
        return STEP_LEB;
    case DW_FORM_block:
    case DW_FORM_exprloc:
        return STEP_BLOCK;
    case DW_FORM_block1:
        return STEP_BLOCK1;
    case DW_FORM_block2:
        return STEP_BLOCK2;
    case DW_FORM_block4:
        return STEP_BLOCK4;
    case DW_FORM_indirect:
        return STEP_INDIRECT;
    default:
        return -1;
    }
}

static void add_step(struct parser *ps, const struct dwarf_abbrev *a, size_t first, uint16_t form)
{
    int fixed = fixed_size(form, ps->shape), varying = fixed < 0 ? varying_step(form) : 0;
    if (varying < 0) {
        cursor_fail(&ps->c); /* a form nobody knows: its size is unknown, and so is the rest */
        return;
    }
    if (fixed == 0)
        return;
    struct abbrev_step *last = ps->steps.n > first ? vec_last(&ps->steps) : NULL;
    if (fixed > 0 && last && last->op == STEP_FIXED && last->n < STEP_MAX) {
        last->n += (uint32_t)fixed & 0xfffffff;
        return;
    }
    struct abbrev_step step = {.op = (uint32_t)(fixed > 0 ? STEP_FIXED : varying) & 15,
                               .n = fixed > 0 ? (uint32_t)fixed & 0xfffffff : 0};
    vec_push(&ps->steps, step);
}

static void parse_attrs(struct parser *ps, struct dwarf_abbrev *a)
{
    size_t first_attr = ps->attrs.n, first_step = ps->steps.n;
    for (;;) {
        uint64_t name = cursor_uleb(&ps->c), form = cursor_uleb(&ps->c);
        if (ps->c.bad || (name == 0 && form == 0))
            break;
        struct abbrev_attr attr = {.name = (uint16_t)name, .form = (uint16_t)form};
        if (form == DW_FORM_implicit_const)
            attr.implicit = cursor_sleb(&ps->c);
        if (name > UINT16_MAX || form > UINT16_MAX || ps->attrs.n - first_attr >= ATTRS_MAX)
            cursor_fail(&ps->c);
        add_step(ps, a, first_step, attr.form);
        a->has_sibling |= name == DW_AT_sibling;
        vec_push(&ps->attrs, attr);
    }
    a->nattrs = (uint32_t)(ps->attrs.n - first_attr);
    a->nsteps = (uint32_t)(ps->steps.n - first_step);
}

static void parse_table(struct parser *ps)
{
    while (!ps->c.bad && cursor_left(&ps->c)) {
        struct dwarf_abbrev a = {.code = cursor_uleb(&ps->c)};
        if (a.code == 0)
            break;
        uint64_t tag = cursor_uleb(&ps->c);
        if (tag > UINT16_MAX)
            cursor_fail(&ps->c);
        a.tag = (uint16_t)tag;
        a.children = cursor_u8(&ps->c) != 0;
        parse_attrs(ps, &a);
        vec_push(&ps->abbrevs, a);
    }
}

static int by_code(const void *va, const void *vb)
{
    const struct dwarf_abbrev *a = va, *b = vb;
    return a->code < b->code ? -1 : a->code > b->code;
}

/* Moves what was parsed into the arena, sorted by code. */
static struct dwarf_abbrevs *keep(struct dwarf *dw, struct parser *ps, uint64_t off)
{
    struct dwarf_abbrevs *t = arena_new(&dw->arena, struct dwarf_abbrevs);
    t->off = off;
    t->version = ps->shape->version;
    t->addr_size = ps->shape->addr_size;
    t->offset_size = ps->shape->offset_size;
    t->n = ps->abbrevs.n;
    t->v = arena_array(&dw->arena, struct dwarf_abbrev, t->n);
    struct abbrev_attr *attrs = arena_array(&dw->arena, struct abbrev_attr, ps->attrs.n);
    struct abbrev_step *steps = arena_array(&dw->arena, struct abbrev_step, ps->steps.n);
    if (ps->attrs.n)
        memcpy(attrs, ps->attrs.v, ps->attrs.n * sizeof(*attrs));
    if (ps->steps.n)
        memcpy(steps, ps->steps.v, ps->steps.n * sizeof(*steps));
    t->dense = true;
    bool sorted = true;
    for (size_t i = 0; i < t->n; i++) {
        t->v[i] = ps->abbrevs.v[i];
        t->v[i].attrs = attrs;
        t->v[i].steps = steps;
        attrs += t->v[i].nattrs;
        steps += t->v[i].nsteps;
        sorted &= i == 0 || t->v[i - 1].code < t->v[i].code;
    }
    if (!sorted)
        qsort(t->v, t->n, sizeof(*t->v), by_code);
    for (size_t i = 0; i < t->n; i++)
        t->dense &= t->v[i].code == i + 1;
    return t;
}

/* Shares the lists of equal offset, which differ in the shape of their units. */
static uint64_t shape_key(uint64_t off, const struct dwarf_unit *u)
{
    return off << 8 | (uint64_t)(u->version & 15) << 4 | (u->addr_size & 8) >> 1 |
           (u->offset_size & 8) >> 2;
}

struct err *dwarf_abbrevs_get(struct dwarf *dw, uint64_t off, const struct dwarf_unit *shape,
                              const struct dwarf_abbrevs **ret)
{
    uint32_t known = map_get(&dw->abbrevs_by_key, shape_key(off, shape));
    if (known != MAP_NONE) {
        *ret = dw->tables.v[known];
        return NULL;
    }
    const struct dwarf_bytes *sec = &dw->sec[DWARF_ABBREV];
    if (off > sec->n)
        return err_new(ERR_BAD_DATA, "abbreviations at %#llx lie outside .debug_abbrev",
                       (unsigned long long)off);
    struct parser ps = {.c = cursor_on(sec->p + off, sec->n - off, ".debug_abbrev"),
                        .shape = shape};
    parse_table(&ps);
    dw->abbrev_bytes += cursor_pos(&ps.c);
    struct err *e = cursor_err(&ps.c);
    if (!e && dw->abbrev_bytes > sec->n * ABBREV_OVERLAP)
        e = err_new(ERR_BAD_DATA, "the abbreviation tables of .debug_abbrev overlap");
    if (!e) {
        struct dwarf_abbrevs *t = keep(dw, &ps, off);
        map_put(&dw->abbrevs_by_key, shape_key(off, shape), (uint32_t)dw->tables.n);
        vec_push(&dw->tables, t);
        *ret = t;
    }
    vec_free(&ps.abbrevs);
    vec_free(&ps.attrs);
    vec_free(&ps.steps);
    return e;
}

static bool step_over(const uint8_t **p, const uint8_t *end, uint64_t n)
{
    if (n > (size_t)(end - *p))
        return false;
    *p += n;
    return true;
}

/* A length of `width` bytes, and as many bytes. */
static bool step_block(const uint8_t **p, const uint8_t *end, size_t width)
{
    if ((size_t)(end - *p) < width)
        return false;
    uint64_t n = load_le(*p, width);
    *p += width;
    return step_over(p, end, n);
}

static bool step_indirect(const uint8_t **p, const uint8_t *end, const struct dwarf_unit *u)
{
    struct dwarf_attr unused;
    const struct abbrev_attr spec = {.form = DW_FORM_indirect};
    return dwarf_read_value(u, &spec, p, end, &unused);
}

const uint8_t *abbrev_skip(const struct dwarf_abbrev *a, const uint8_t *p, const uint8_t *end,
                           const struct dwarf_unit *u)
{
    for (uint32_t i = 0; i < a->nsteps; i++) {
        bool ok;
        uint64_t n;
        switch ((enum abbrev_step_op)a->steps[i].op) {
        case STEP_FIXED:
            ok = step_over(&p, end, a->steps[i].n);
            break;
        case STEP_TEXT: {
            const uint8_t *nul = memchr(p, 0, (size_t)(end - p));
            ok = nul != NULL;
            p = nul ? nul + 1 : p;
            break;
        }
        case STEP_LEB:
            ok = skip_leb(&p, end);
            break;
        case STEP_BLOCK:
            ok = take_uleb(&p, end, &n) && step_over(&p, end, n);
            break;
        case STEP_BLOCK1:
            ok = step_block(&p, end, 1);
            break;
        case STEP_BLOCK2:
            ok = step_block(&p, end, 2);
            break;
        case STEP_BLOCK4:
            ok = step_block(&p, end, 4);
            break;
        case STEP_INDIRECT:
            ok = step_indirect(&p, end, u);
            break;
        default:
            ok = false;
        }
        if (!ok)
            return NULL;
    }
    return p;
}

/* dwarf_list.c - range and location lists; see dwarf_list.h.
 *
 * Both come in two encodings: pairs of addresses relative to a base that a special pair changes
 * (DWARF 2-4), and entries with a kind byte (DWARF 5).  Go 1.25+ writes the second, with bases as
 * indexes into .debug_addr; gcc mixes every kind. */
#include "image/dwarf_list.h"

#include "image/dwarf_int.h"

static const char *list_section(const struct dwarf_list *it)
{
    if (it->locations)
        return it->v5 ? ".debug_loclists" : ".debug_loc";
    return it->v5 ? ".debug_rnglists" : ".debug_ranges";
}

static void fail(struct dwarf_list *it)
{
    it->done = true;
    if (!it->err)
        it->err = err_new(ERR_BAD_DATA, "%s: a list of the unit at %#llx in %s is malformed",
                          image_name(it->unit->dw->img),
                          (unsigned long long)dwarf_offset(it->unit->id), list_section(it));
}

/* Entry `index` of the offset table at base: DWARF 5's loclistx and rnglistx. */
static bool indexed_offset(const struct dwarf_unit *u, const struct dwarf_bytes *sec, uint64_t base,
                           uint64_t index, uint64_t *ret)
{
    if (base > sec->n || index >= (sec->n - base) / u->offset_size)
        return false;
    *ret = base + load_le(sec->p + base + index * u->offset_size, u->offset_size);
    return true;
}

static void open_list(struct dwarf_list *it, const struct dwarf_unit *u, uint16_t form,
                      uint64_t off, bool locations)
{
    bool v5 = u->version >= 5;
    *it = (struct dwarf_list){.unit = u, .base = u->low_pc, .v5 = v5, .locations = locations};
    const enum dwarf_section_id id =
        locations ? (v5 ? DWARF_LOCLISTS : DWARF_LOC) : (v5 ? DWARF_RNGLISTS : DWARF_RANGES);
    const struct dwarf_bytes *sec;
    it->err = dwarf_load(u->dw, id, &sec);
    it->done = it->err != NULL;
    if (it->done)
        return;
    bool indexed = form == DW_FORM_loclistx || form == DW_FORM_rnglistx;
    uint64_t base = locations ? u->loclists_base : u->rnglists_base;
    if ((indexed && !indexed_offset(u, sec, base, off, &off)) || off > sec->n) {
        fail(it);
        return;
    }
    it->p = sec->p + off;
    it->end = sec->p + sec->n;
}

static bool take_number(struct dwarf_list *it, size_t n, uint64_t *ret)
{
    if ((size_t)(it->end - it->p) < n)
        return false;
    *ret = load_le(it->p, n);
    it->p += n;
    return true;
}

static bool take_leb(struct dwarf_list *it, uint64_t *ret)
{
    return take_uleb(&it->p, it->end, ret);
}

static bool take_indexed(struct dwarf_list *it, taddr *ret)
{
    uint64_t index;
    return take_leb(it, &index) && dwarf_addrx(it->unit, index, ret);
}

enum step { STEP_BAD, STEP_END, STEP_BASE, STEP_RANGE };

static enum step next_v4(struct dwarf_list *it, struct dwarf_range *r)
{
    size_t size = it->unit->addr_size;
    uint64_t highest = size == 8 ? UINT64_MAX : UINT32_MAX;
    if (!take_number(it, size, &r->lo) || !take_number(it, size, &r->hi))
        return STEP_BAD;
    if (r->lo == 0 && r->hi == 0)
        return STEP_END;
    if (r->lo == highest) {
        it->base = r->hi;
        return STEP_BASE;
    }
    r->lo += it->base;
    r->hi += it->base;
    return STEP_RANGE;
}

/* The numbers of both DWARF 5 encodings agree but for the default location, which ranges lack. */
static enum step next_v5(struct dwarf_list *it, struct dwarf_range *r)
{
    size_t size = it->unit->addr_size;
    uint64_t kind, a, b;
    if (!take_number(it, 1, &kind))
        return STEP_BAD;
    if (!it->locations && kind >= (uint64_t)DW_RLE_base_address)
        kind++; /* as DW_LLE_* counts */
    switch (kind) {
    case DW_LLE_end_of_list:
        return STEP_END;
    case DW_LLE_base_addressx:
        return take_indexed(it, &it->base) ? STEP_BASE : STEP_BAD;
    case DW_LLE_base_address:
        return take_number(it, size, &it->base) ? STEP_BASE : STEP_BAD;
    case DW_LLE_startx_endx:
        return take_indexed(it, &r->lo) && take_indexed(it, &r->hi) ? STEP_RANGE : STEP_BAD;
    case DW_LLE_startx_length:
        if (!take_indexed(it, &r->lo) || !take_leb(it, &b))
            return STEP_BAD;
        r->hi = r->lo + b;
        return STEP_RANGE;
    case DW_LLE_offset_pair:
        if (!take_leb(it, &a) || !take_leb(it, &b))
            return STEP_BAD;
        *r = (struct dwarf_range){it->base + a, it->base + b};
        return STEP_RANGE;
    case DW_LLE_default_location:
        *r = (struct dwarf_range){0, UINT64_MAX};
        return it->locations ? STEP_RANGE : STEP_BAD;
    case DW_LLE_start_end:
        return take_number(it, size, &r->lo) && take_number(it, size, &r->hi) ? STEP_RANGE
                                                                              : STEP_BAD;
    case DW_LLE_start_length:
        if (!take_number(it, size, &r->lo) || !take_leb(it, &b))
            return STEP_BAD;
        r->hi = r->lo + b;
        return STEP_RANGE;
    case DW_LLE_GNU_view_pair: /* gcc's view numbers: two LEBs that say nothing about addresses */
        return it->locations && take_leb(it, &a) && take_leb(it, &b) ? STEP_BASE : STEP_BAD;
    default:
        return STEP_BAD;
    }
}

static bool take_expr(struct dwarf_list *it, struct dwarf_expr *expr)
{
    uint64_t n;
    if (it->v5 ? !take_leb(it, &n) : !take_number(it, 2, &n))
        return false;
    if (n > (size_t)(it->end - it->p))
        return false;
    *expr = (struct dwarf_expr){.unit = it->unit, .p = it->p, .n = n};
    it->p += n;
    return true;
}

static bool next(struct dwarf_list *it, struct dwarf_range *r, struct dwarf_expr *expr)
{
    while (!it->done) {
        enum step step = it->v5 ? next_v5(it, r) : next_v4(it, r);
        if (step == STEP_END) {
            it->done = true;
        } else if (step == STEP_BAD || (step == STEP_RANGE && expr && !take_expr(it, expr))) {
            fail(it);
        } else if (step == STEP_RANGE && r->lo < r->hi) {
            return true;
        }
    }
    return false;
}

bool dwarf_range_next(struct dwarf_list *it, struct dwarf_range *ret)
{
    if (it->single) {
        it->single = false;
        it->done = true;
        *ret = it->one;
        return ret->lo < ret->hi;
    }
    return next(it, ret, NULL);
}

bool dwarf_location_next(struct dwarf_list *it, struct dwarf_range *ret, struct dwarf_expr *expr)
{
    return next(it, ret, expr);
}

void dwarf_ranges_of_unit(struct dwarf_list *it, const struct dwarf_unit *u)
{
    if (u->has_ranges) {
        open_list(it, u, u->ranges.form, u->ranges.u, false);
        return;
    }
    *it = (struct dwarf_list){.unit = u,
                              .single = u->has_low_pc && u->has_high_pc,
                              .one = {u->low_pc, u->high_pc},
                              .done = true};
}

void dwarf_ranges_of(struct dwarf_list *it, const struct dwarf_die *die)
{
    struct dwarf_attrs attrs;
    struct dwarf_attr a, ranges = {0}, high = {0};
    taddr lo = 0, hi = 0;
    bool has_lo = false;
    dwarf_attrs_init(&attrs, die);
    while (dwarf_attrs_next(&attrs, &a)) {
        if (a.name == DW_AT_low_pc)
            has_lo = dwarf_attr_addr(die->unit, &a, &lo);
        else if (a.name == DW_AT_high_pc)
            high = a;
        else if (a.name == DW_AT_ranges)
            ranges = a;
    }
    if (ranges.cls == DWARF_OFFSET || ranges.cls == DWARF_LISTX || ranges.cls == DWARF_UCONST) {
        open_list(it, die->unit, ranges.form, ranges.u, false);
    } else {
        bool has_hi = dwarf_attr_addr(die->unit, &high, &hi);
        if (!has_hi && dwarf_attr_uint(&high, &hi)) { /* a length, since DWARF 4 */
            has_hi = true;
            hi += lo;
        }
        *it = (struct dwarf_list){
            .unit = die->unit, .single = has_lo && has_hi, .one = {lo, hi}, .done = true};
    }
    if (attrs.err && !it->err)
        it->err = attrs.err;
    else
        err_free(attrs.err);
}

static bool is_list(const struct dwarf_attr *a)
{
    /* DWARF 2 and 3 used data4 and data8 for offsets; no location is a constant */
    return a->cls == DWARF_OFFSET || a->cls == DWARF_LISTX || a->cls == DWARF_UCONST;
}

void dwarf_locations_of(struct dwarf_list *it, const struct dwarf_unit *u,
                        const struct dwarf_attr *a)
{
    if (is_list(a))
        open_list(it, u, a->form, a->u, true);
    else
        *it = (struct dwarf_list){.unit = u, .done = true, .locations = true};
}

struct err *dwarf_location_budgeted(const struct dwarf_unit *u, const struct dwarf_attr *a,
                                    taddr pc, uint64_t *budget, struct dwarf_expr *ret)
{
    struct dwarf_range r;
    struct dwarf_list it;
    *ret = (struct dwarf_expr){.unit = u};
    if (a->cls == DWARF_BLOCK) {
        ret->p = a->p;
        ret->n = a->n;
        return NULL;
    }
    struct dwarf_expr expr, fallback = *ret;
    dwarf_locations_of(&it, u, a);
    while (dwarf_location_next(&it, &r, &expr)) {
        if ((*budget)-- == 0)
            return err_new(ERR_LIMIT, "%s: location lists without end", image_name(u->dw->img));
        if (r.lo == 0 && r.hi == UINT64_MAX) {
            fallback = expr;
        } else if (pc >= r.lo && pc < r.hi) {
            *ret = expr;
            return NULL;
        }
    }
    *ret = fallback;
    return it.err;
}

struct err *dwarf_location_at(const struct dwarf_unit *u, const struct dwarf_attr *a, taddr pc,
                              struct dwarf_expr *ret)
{
    uint64_t budget = UINT64_MAX;
    return dwarf_location_budgeted(u, a, pc, &budget, ret);
}

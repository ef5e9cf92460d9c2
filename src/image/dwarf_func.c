/* dwarf_func.c - pc to unit, unit to functions; see dwarf_func.h.  Scopes are in dwarf_scope.c.
 *
 * Which unit covers which code is sorted once, from the ranges of the root DIEs; a unit that tells
 * none (some assemblers) is searched for its functions instead.  The functions of a unit are listed
 * when a pc first falls into it.  Ranges that overlap, which only damaged files and discarded
 * sections have, are cut so that lookups stay binary searches. */
#include "image/dwarf_func.h"

#include <stdlib.h>
#include <string.h>

#include "image/dwarf_int.h"

struct unit_code {
    taddr lo, hi;
    uint32_t unit;
};

struct func_code {
    taddr lo, hi;
    uint64_t die;
};
struct unit_funcs {
    struct func_code *v;
    size_t n;
};

enum { ORIGINS_MAX = 16, LIST_STEPS_PER_BYTE = 8 };

bool dwarf_is_code(const struct dwarf *dw, taddr addr)
{
    const struct image_segment *s;
    size_t n = image_segments(dw->img, &s);
    for (size_t i = 0; i < n; i++)
        if (s[i].executable && addr >= s[i].vaddr && addr - s[i].vaddr < s[i].memsz)
            return true;
    return n == 0;
}

/* Sorted, without overlaps: of two that overlap the later start wins, of equal starts the first. */
#define CUT_OVERLAPS(v, n)                                                                         \
    do {                                                                                           \
        size_t kept_ = 0;                                                                          \
        for (size_t i_ = 0; i_ < (n); i_++) {                                                      \
            if (kept_ && (v)[kept_ - 1].lo == (v)[i_].lo)                                          \
                continue;                                                                          \
            if (kept_ && (v)[kept_ - 1].hi > (v)[i_].lo)                                           \
                (v)[kept_ - 1].hi = (v)[i_].lo;                                                    \
            (v)[kept_++] = (v)[i_];                                                                \
        }                                                                                          \
        (n) = kept_;                                                                               \
    } while (0)

/* Index of the entry that contains pc, in v sorted by lo; n: none. */
#define FIND_CODE(v, n, pc)                                                                        \
    ({                                                                                             \
        size_t lo_ = 0, hi_ = (n);                                                                 \
        while (lo_ < hi_) {                                                                        \
            size_t mid_ = lo_ + (hi_ - lo_) / 2;                                                   \
            if ((v)[mid_].lo <= (pc))                                                              \
                lo_ = mid_ + 1;                                                                    \
            else                                                                                   \
                hi_ = mid_;                                                                        \
        }                                                                                          \
        lo_ && (pc) < (v)[lo_ - 1].hi ? lo_ - 1 : (n);                                             \
    })

static int by_code(const void *va, const void *vb)
{
    const struct unit_code *a = va, *b = vb;
    if (a->lo != b->lo)
        return a->lo < b->lo ? -1 : 1;
    return a->unit < b->unit ? -1 : a->unit > b->unit;
}

static int by_func_code(const void *va, const void *vb)
{
    const struct func_code *a = va, *b = vb;
    if (a->lo != b->lo)
        return a->lo < b->lo ? -1 : 1;
    return a->die < b->die ? -1 : a->die > b->die;
}

struct func_list {
    VEC(struct func_code) v;
    uint64_t steps; /* entries of range lists read */
};

/* An honest unit reads each list once; many DIEs that share one endless list are refused. */
static struct err *take_ranges(const struct dwarf_die *die, struct func_list *ret)
{
    struct dwarf_list it;
    struct dwarf_range r;
    const uint64_t budget = (die->unit->end - die->unit->id) * LIST_STEPS_PER_BYTE + 1024;
    dwarf_ranges_of(&it, die);
    while (dwarf_range_next(&it, &r)) {
        if (++ret->steps > budget) {
            return err_new(ERR_LIMIT, "%s: the functions of unit %s have too many ranges",
                           image_name(die->unit->dw->img), die->unit->name);
        }
        struct func_code f = {r.lo, r.hi, die->id};
        if (dwarf_is_code(die->unit->dw, r.lo))
            vec_push(&ret->v, f);
    }
    return it.err;
}

static struct err *list_functions(const struct dwarf_unit *u, struct func_list *ret)
{
    struct dwarf_walk w;
    struct dwarf_die die;
    struct err *e = NULL;
    dwarf_walk_unit(&w, u);
    while (!e && dwarf_walk_next(&w, &die)) {
        if (die.tag == DW_TAG_subprogram)
            e = take_ranges(&die, ret);
        if (w.depth == 1 && die.tag == DW_TAG_subprogram && u->language == DW_LANG_Go)
            dwarf_walk_skip(&w); /* nothing nests in a Go function */
    }
    return e ? e : w.err;
}

/* ---- which unit ---- */

struct code_list {
    VEC(struct unit_code) v;
};

static void take_unit_range(struct code_list *list, const struct dwarf_unit *u, taddr lo, taddr hi)
{
    struct unit_code c = {lo, hi, u->index};
    if (lo < hi && dwarf_is_code(u->dw, lo))
        vec_push(&list->v, c);
}

static struct err *take_unit(const struct dwarf_unit *u, struct code_list *list)
{
    struct dwarf_list it;
    struct dwarf_range r;
    if (u->has_ranges || (u->has_low_pc && u->has_high_pc)) {
        uint64_t steps = 0, budget = (u->end - u->id) * LIST_STEPS_PER_BYTE + 1024;
        dwarf_ranges_of_unit(&it, u);
        while (steps++ < budget && dwarf_range_next(&it, &r))
            take_unit_range(list, u, r.lo, r.hi);
        return it.err;
    }
    if (u->tag != DW_TAG_compile_unit || u->die == u->end)
        return NULL;
    struct func_list funcs = {0};
    struct err *e = list_functions(u, &funcs);
    for (size_t i = 0; i < funcs.v.n; i++)
        take_unit_range(list, u, funcs.v.v[i].lo, funcs.v.v[i].hi);
    vec_free(&funcs.v);
    return e;
}

/* Called with the lock held. */
static void sort_units(struct dwarf *dw)
{
    struct code_list list = {0};
    for (size_t i = 0; i < dw->ninfo; i++)
        err_free(take_unit(&dw->units[i], &list)); /* what it yielded before is right */
    if (list.v.n)
        qsort(list.v.v, list.v.n, sizeof(*list.v.v), by_code);
    CUT_OVERLAPS(list.v.v, list.v.n);
    dw->ncode = list.v.n;
    dw->funcs = mem_alloc(dw->nunits * sizeof(*dw->funcs));
    vec_reserve(&list.v, 1); /* not NULL: it was made */
    dw->code = list.v.v;
}

struct err *dwarf_unit_at(struct dwarf *dw, taddr pc, const struct dwarf_unit **ret)
{
    const struct dwarf_bytes *sec;
    TRY(dwarf_load(dw, DWARF_RANGES, &sec)); /* before our lock, which loading takes, too */
    TRY(dwarf_load(dw, DWARF_RNGLISTS, &sec));
    pthread_mutex_lock(&dw->lock);
    if (!dw->code)
        sort_units(dw);
    pthread_mutex_unlock(&dw->lock);
    size_t i = FIND_CODE(dw->code, dw->ncode, pc);
    if (i == dw->ncode)
        return err_new(ERR_NOT_FOUND, "%s: no debugging information for the code at %#llx",
                       image_name(dw->img), (unsigned long long)pc);
    *ret = &dw->units[dw->code[i].unit];
    return NULL;
}

/* ---- which function ---- */

static struct err *functions_of(const struct dwarf_unit *u, const struct unit_funcs **ret)
{
    _Atomic(struct unit_funcs *) *slot = &u->dw->funcs[u->index];
    struct unit_funcs *f = atomic_load(slot), *none = NULL;
    if (!f) {
        struct func_list list = {0};
        struct err *e = list_functions(u, &list);
        if (e) {
            vec_free(&list.v);
            return e;
        }
        if (list.v.n)
            qsort(list.v.v, list.v.n, sizeof(*list.v.v), by_func_code);
        CUT_OVERLAPS(list.v.v, list.v.n);
        f = mem_alloc(sizeof(*f));
        f->v = list.v.v;
        f->n = list.v.n;
        if (!atomic_compare_exchange_strong(slot, &none, f)) {
            free(f->v); /* another thread was faster */
            free(f);
            f = none;
        }
    }
    *ret = f;
    return NULL;
}

void dwarf_funcs_free(struct dwarf *dw)
{
    for (size_t i = 0; dw->funcs && i < dw->nunits; i++) {
        struct unit_funcs *f = atomic_load(&dw->funcs[i]);
        if (f)
            free(f->v);
        free(f);
    }
    free(dw->funcs);
    free(dw->code);
}

struct err *dwarf_func_at(struct dwarf *dw, taddr pc, struct dwarf_func *ret)
{
    const struct dwarf_unit *u;
    const struct unit_funcs *funcs;
    TRY(dwarf_unit_at(dw, pc, &u));
    TRY(functions_of(u, &funcs));
    size_t i = FIND_CODE(funcs->v, funcs->n, pc);
    if (i == funcs->n)
        return err_new(ERR_NOT_FOUND, "%s: no function at %#llx", image_name(dw->img),
                       (unsigned long long)pc);
    TRY(dwarf_func_of(dw, funcs->v[i].die, ret));
    ret->lo = funcs->v[i].lo;
    ret->hi = funcs->v[i].hi;
    return NULL;
}

/* Takes what one DIE says about a function; the first DIE of a chain of origins has the last word.
 */
static void take_func_attr(struct dwarf_func *f, const struct dwarf_die *die,
                           const struct dwarf_attr *a, uint64_t *origin)
{
    uint64_t v;
    switch (a->name) {
    case DW_AT_name:
        if (!*f->name)
            f->name = dwarf_attr_text(die->unit, a);
        break;
    case DW_AT_linkage_name:
    case DW_AT_MIPS_linkage_name:
        if (!*f->linkage_name)
            f->linkage_name = dwarf_attr_text(die->unit, a);
        break;
    case DW_AT_decl_file:
        if (!f->decl_file && dwarf_attr_uint(a, &v)) {
            f->decl_file = (uint32_t)v;
            f->decl_unit = die->unit;
        }
        break;
    case DW_AT_decl_line:
        if (!f->decl_line && dwarf_attr_uint(a, &v))
            f->decl_line = (uint32_t)v;
        break;
    case DW_AT_external:
        f->external |= a->cls == DWARF_FLAG && a->u;
        break;
    case DW_AT_trampoline:
        f->trampoline = true;
        break;
    case DW_AT_frame_base:
        if (!f->has_frame_base)
            f->frame_base = *a;
        f->has_frame_base = true;
        break;
    case DW_AT_abstract_origin:
    case DW_AT_specification:
        dwarf_attr_ref(die->unit, a, origin);
        break;
    }
}

struct err *dwarf_func_of(const struct dwarf *dw, uint64_t id, struct dwarf_func *f)
{
    struct dwarf_die die;
    *f = (struct dwarf_func){.die = id, .origin = id, .name = "", .linkage_name = ""};
    for (unsigned i = 0; i < ORIGINS_MAX; i++) {
        uint64_t origin = DWARF_NO_ID;
        struct dwarf_attrs it;
        struct dwarf_attr a;
        TRY(dwarf_die_at(dw, f->origin, &die));
        if (i == 0)
            f->unit = f->decl_unit = die.unit;
        dwarf_attrs_init(&it, &die);
        while (dwarf_attrs_next(&it, &a))
            take_func_attr(f, &die, &a, &origin);
        if (it.err)
            return it.err;
        if (origin == DWARF_NO_ID)
            break;
        f->origin = origin;
    }
    struct dwarf_list ranges;
    struct dwarf_range r;
    TRY(dwarf_die_at(dw, id, &die));
    dwarf_ranges_of(&ranges, &die);
    if (dwarf_range_next(&ranges, &r)) {
        f->lo = r.lo;
        f->hi = r.hi;
    }
    return ranges.err;
}

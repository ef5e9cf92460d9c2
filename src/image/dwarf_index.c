/* dwarf_index.c - names to DIEs; see dwarf_index.h.
 *
 * An entry is a 32-bit hash and a 32-bit position; entries are sorted, so a name is a binary search
 * and a comparison with what DWARF itself has there.  Positions count through .debug_info and then
 * .debug_types.  Units are handed out largest first: Go's linker puts all types into one, which may
 * be a third of everything. */
#include "image/dwarf_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "base/sort.h"
#include "image/dwarf_int.h"

enum { RUNTIME_TYPES = DWARF_NAME_KINDS, TABLES };

struct entries {
    VEC(uint64_t) v; /* hash or offset << 32 | position */
};

struct dwarf_index {
    struct entries t[TABLES];
};

struct build {
    struct dwarf *dw;
    const struct dwarf_unit **units; /* largest first */
    struct entries (*found)[TABLES]; /* one set per worker */
};

static uint64_t position(const struct dwarf *dw, uint64_t id)
{
    return dwarf_offset(id) + (id & DWARF_TYPES_ID ? dw->sec[DWARF_INFO].n : 0);
}

static uint64_t id_at(const struct dwarf *dw, uint32_t pos)
{
    size_t info = dw->sec[DWARF_INFO].n;
    return dw->base | (pos < info ? pos : (pos - info) | DWARF_TYPES_ID);
}

static void add_name(struct build *b, unsigned worker, unsigned table, const char *name,
                     uint64_t id)
{
    if (*name)
        vec_push(&b->found[worker][table].v,
                 (hash_bytes(name, strlen(name)) & UINT32_MAX) << 32 | position(b->dw, id));
}

/* What one pass over the attributes of a DIE tells the index. */
struct facts {
    const char *name;
    bool declaration, code, is_inline, value, origin;
    uint64_t runtime_type;
};

static void read_facts(const struct dwarf_die *die, struct facts *f)
{
    struct dwarf_attrs it;
    struct dwarf_attr a;
    *f = (struct facts){.name = ""};
    dwarf_attrs_init(&it, die);
    while (dwarf_attrs_next(&it, &a)) {
        switch (a.name) {
        case DW_AT_name:
            f->name = dwarf_attr_text(die->unit, &a);
            break;
        case DW_AT_declaration:
            f->declaration = a.cls == DWARF_FLAG && a.u;
            break;
        case DW_AT_low_pc:
        case DW_AT_ranges:
            f->code = true;
            break;
        case DW_AT_inline:
            f->is_inline = true;
            break;
        case DW_AT_abstract_origin:
        case DW_AT_specification:
            f->origin = true;
            break;
        case DW_AT_go_runtime_type:
            if (!dwarf_attr_addr(die->unit, &a, &f->runtime_type))
                f->runtime_type = 0;
            break;
        }
    }
    err_free(it.err);
}

static void take_func(struct build *b, unsigned worker, const struct dwarf_die *die)
{
    struct facts f;
    read_facts(die, &f);
    if (!f.code && !f.is_inline)
        return;
    const char *name = *f.name || !f.origin ? f.name : dwarf_die_name(die);
    add_name(b, worker, DWARF_NAME_FUNC, name, die->id);
}

static void take_other(struct build *b, unsigned worker, const struct dwarf_die *die,
                       enum dwarf_name_kind kind)
{
    struct facts f;
    read_facts(die, &f);
    if (f.declaration)
        return;
    const char *name = *f.name || !f.origin ? f.name : dwarf_die_name(die);
    add_name(b, worker, kind, name, die->id);
    if (f.runtime_type && f.runtime_type <= UINT32_MAX)
        vec_push(&b->found[worker][RUNTIME_TYPES].v,
                 f.runtime_type << 32 | position(b->dw, die->id));
}

/* Takes a DIE; false: what is below it is of no interest. */
static bool take_die(struct build *b, unsigned worker, const struct dwarf_die *die)
{
    switch (die->tag) {
    case DW_TAG_subprogram:
        take_func(b, worker, die);
        return false;
    case DW_TAG_variable:
        take_other(b, worker, die, DWARF_NAME_VAR);
        return false;
    case DW_TAG_constant:
    case DW_TAG_enumerator:
        take_other(b, worker, die, DWARF_NAME_CONST);
        return false;
    case DW_TAG_namespace:
    case DW_TAG_compile_unit:
    case DW_TAG_partial_unit:
    case DW_TAG_type_unit:
        return true;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
        take_other(b, worker, die, DWARF_NAME_TYPE);
        return die->unit->language != DW_LANG_Go; /* C++ nests types and functions in classes */
    case DW_TAG_enumeration_type:
        take_other(b, worker, die, DWARF_NAME_TYPE);
        return true;
    default:
        if (dwarf_tag_is_type(die->tag))
            take_other(b, worker, die, DWARF_NAME_TYPE);
        return false;
    }
}

static struct err *take_unit(void *arg, size_t i, unsigned worker)
{
    struct build *b = arg;
    struct dwarf_walk w;
    struct dwarf_die die;
    dwarf_walk_unit(&w, b->units[i]);
    while (dwarf_walk_next(&w, &die))
        if (!take_die(b, worker, &die) && die.has_children)
            dwarf_walk_skip(&w);
    err_free(w.err); /* the rest of a damaged unit has no names; the others have */
    return NULL;
}

static int by_size(const void *va, const void *vb)
{
    const struct dwarf_unit *const *a = va, *const *b = vb;
    uint64_t x = (*a)->end - (*a)->id, y = (*b)->end - (*b)->id;
    if (x != y)
        return x > y ? -1 : 1;
    return (*a)->id < (*b)->id ? -1 : (*a)->id > (*b)->id;
}

struct merge {
    struct build *b;
    struct dwarf_index *ix;
};

/* One table: the parts of all workers, sorted. */
static struct err *merge_table(void *arg, size_t t, unsigned worker)
{
    struct merge *m = arg;
    size_t n = 0;
    for (unsigned w = 0; w < pool_width(); w++)
        n += m->b->found[w][t].v.n;
    struct entries *all = &m->ix->t[t];
    all->v.v = mem_try_alloc(n * sizeof(*all->v.v));
    if (!all->v.v)
        return err_new(ERR_NOMEM, "no memory for %zu names", n);
    all->v.cap = n;
    for (unsigned w = 0; w < pool_width(); w++) {
        struct entries *part = &m->b->found[w][t];
        if (part->v.n)
            memcpy(all->v.v + all->v.n, part->v.v, part->v.n * sizeof(*all->v.v));
        all->v.n += part->v.n;
        vec_free(&part->v);
    }
    return sort_u64(all->v.v, all->v.n);
}

static void index_free(struct dwarf_index *ix)
{
    for (unsigned t = 0; ix && t < TABLES; t++)
        vec_free(&ix->t[t].v);
    free(ix);
}

static struct err *index_build(struct dwarf *dw, struct dwarf_index **ret)
{
    struct build b = {.dw = dw};
    if (dw->sec[DWARF_INFO].n + dw->sec[DWARF_TYPES].n > UINT32_MAX)
        return err_new(ERR_LIMIT, "%s: more than 4 GiB of DWARF", image_name(dw->img));
    b.units = mem_alloc(dw->nunits * sizeof(*b.units));
    b.found = mem_alloc(pool_width() * sizeof(*b.found));
    for (size_t i = 0; i < dw->nunits; i++)
        b.units[i] = &dw->units[i];
    qsort(b.units, dw->nunits, sizeof(*b.units), by_size);
    struct merge m = {.b = &b, .ix = mem_alloc(sizeof(*m.ix))};
    struct err *e = pool_run(dw->nunits, take_unit, &b);
    if (!e)
        e = pool_run(TABLES, merge_table, &m);
    for (unsigned w = 0; w < pool_width(); w++)
        for (unsigned t = 0; t < TABLES; t++)
            vec_free(&b.found[w][t].v);
    free(b.units);
    free(b.found);
    if (e)
        index_free(m.ix);
    else
        *ret = m.ix;
    return e;
}

static struct err *get_index(struct dwarf *dw, const struct dwarf_index **ret)
{
    struct err *e = NULL;
    pthread_mutex_lock(&dw->index_lock);
    if (!dw->index)
        e = index_build(dw, &dw->index);
    *ret = dw->index;
    pthread_mutex_unlock(&dw->index_lock);
    return e;
}

void dwarf_index_free(struct dwarf *dw)
{
    index_free(dw->index);
}

/* The entries of one 32-bit key. */
static void find_key(const struct entries *e, uint32_t key, const uint64_t **p,
                     const uint64_t **end)
{
    size_t lo = 0, hi = e->v.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (e->v.v[mid] >> 32 < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    *p = e->v.v + lo;
    while (lo < e->v.n && e->v.v[lo] >> 32 == key)
        lo++;
    *end = e->v.v + lo;
}

struct err *dwarf_names_of(struct dwarf_names *it, struct dwarf *dw, enum dwarf_name_kind kind,
                           const char *name)
{
    const struct dwarf_index *ix;
    *it = (struct dwarf_names){.dw = dw, .name = name};
    TRY(get_index(dw, &ix));
    find_key(&ix->t[kind], (uint32_t)hash_bytes(name, strlen(name)), &it->p, &it->end);
    return NULL;
}

bool dwarf_name_next(struct dwarf_names *it, uint64_t *ret_id)
{
    while (it->p < it->end) {
        struct dwarf_die die;
        *ret_id = id_at(it->dw, (uint32_t)*it->p++);
        struct err *e = dwarf_die_at(it->dw, *ret_id, &die);
        if (!e && strcmp(dwarf_die_name(&die), it->name) == 0)
            return true;
        err_free(e);
    }
    return false;
}

struct err *dwarf_each_name(struct dwarf *dw, enum dwarf_name_kind kind,
                            struct err *(*fn)(void *arg, const char *name, uint64_t id), void *arg)
{
    const struct dwarf_index *ix;
    TRY(get_index(dw, &ix));
    for (size_t i = 0; i < ix->t[kind].v.n; i++) {
        struct dwarf_die die;
        uint64_t id = id_at(dw, (uint32_t)ix->t[kind].v.v[i]);
        TRY(dwarf_die_at(dw, id, &die));
        TRY(fn(arg, dwarf_die_name(&die), id));
    }
    return NULL;
}

static struct err *not_found(const struct dwarf *dw, const char *what, const char *name)
{
    return err_new(ERR_NOT_FOUND, "%s: DWARF has no %s %s", image_name(dw->img), what, name);
}

struct err *dwarf_func_named(struct dwarf *dw, const char *name, struct dwarf_func *ret)
{
    struct dwarf_names it;
    uint64_t id;
    bool found = false;
    TRY(dwarf_names_of(&it, dw, DWARF_NAME_FUNC, name));
    while (dwarf_name_next(&it, &id)) {
        struct dwarf_func f;
        TRY(dwarf_func_of(dw, id, &f));
        if (!found || (ret->lo == ret->hi && f.lo < f.hi))
            *ret = f; /* an abstract one only when there is no other */
        found = true;
    }
    return found ? NULL : not_found(dw, "function", name);
}

struct err *dwarf_var_named(struct dwarf *dw, const char *name, struct dwarf_var *ret)
{
    struct dwarf_names it;
    uint64_t id;
    TRY(dwarf_names_of(&it, dw, DWARF_NAME_VAR, name));
    while (dwarf_name_next(&it, &id)) {
        TRY(dwarf_var_of(dw, id, ret));
        if (ret->loc.n)
            return NULL;
    }
    return not_found(dw, "variable", name);
}

struct err *dwarf_type_named(struct dwarf *dw, const char *name, const struct dwarf_type **ret)
{
    struct dwarf_names it;
    uint64_t id;
    const struct dwarf_type *best = NULL, *t;
    TRY(dwarf_names_of(&it, dw, DWARF_NAME_TYPE, name));
    while (dwarf_name_next(&it, &id)) {
        TRY(dwarf_type(dw, id, &t));
        if (!best || (best->tag != DW_TAG_typedef && t->tag == DW_TAG_typedef))
            best = t;
    }
    *ret = best;
    return best ? NULL : not_found(dw, "type", name);
}

struct err *dwarf_type_of_runtime(struct dwarf *dw, uint64_t off, const struct dwarf_type **ret)
{
    const struct dwarf_index *ix;
    const uint64_t *p, *end;
    TRY(get_index(dw, &ix));
    if (off <= UINT32_MAX) {
        find_key(&ix->t[RUNTIME_TYPES], (uint32_t)off, &p, &end);
        if (p < end)
            return dwarf_type(dw, id_at(dw, (uint32_t)*p), ret);
    }
    return err_new(ERR_NOT_FOUND, "%s: DWARF has no type at offset %#llx of the runtime's",
                   image_name(dw->img), (unsigned long long)off);
}

/* ---- inlined copies ---- */

struct copies_job {
    struct dwarf *dw;
    uint64_t origin;
    struct entries *found; /* ids; one per worker */
};

static struct err *copies_in_unit(void *arg, size_t i, unsigned worker)
{
    struct copies_job *job = arg;
    struct dwarf_walk w;
    struct dwarf_die die;
    struct dwarf_attr a;
    uint64_t id;
    dwarf_walk_unit(&w, &job->dw->units[i]);
    while (dwarf_walk_next(&w, &die))
        if (die.tag == DW_TAG_inlined_subroutine &&
            dwarf_attr_find(&die, DW_AT_abstract_origin, &a) && dwarf_attr_ref(die.unit, &a, &id) &&
            id == job->origin)
            vec_push(&job->found[worker].v, die.id);
    err_free(w.err);
    return NULL;
}

static int by_id(const void *va, const void *vb)
{
    const uint64_t *a = va, *b = vb;
    return *a < *b ? -1 : *a > *b;
}

struct err *dwarf_inlined_copies(struct dwarf *dw, uint64_t origin, struct arena *a, uint64_t **ret,
                                 size_t *ret_n)
{
    struct copies_job job = {
        .dw = dw, .origin = origin, .found = mem_alloc(pool_width() * sizeof(*job.found))};
    struct err *e = pool_run(dw->ninfo, copies_in_unit, &job);
    size_t n = 0;
    for (unsigned w = 0; w < pool_width(); w++)
        n += job.found[w].v.n;
    *ret = arena_array(a, uint64_t, n);
    *ret_n = 0;
    for (unsigned w = 0; w < pool_width(); w++) {
        if (job.found[w].v.n)
            memcpy(*ret + *ret_n, job.found[w].v.v, job.found[w].v.n * sizeof(**ret));
        *ret_n += job.found[w].v.n;
        vec_free(&job.found[w].v);
    }
    if (*ret_n)
        qsort(*ret, *ret_n, sizeof(**ret), by_id);
    free(job.found);
    return e;
}

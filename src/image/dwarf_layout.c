/* dwarf_layout.c - fields, variables and constants by name, without an index; see dwarf_layout.h.
 *
 * One scan looks for many names at once: the names stand in a small hash table, and a DIE whose tag
 * is not wanted costs only getting over its values. */
#include "image/dwarf_layout.h"

#include <stdlib.h>
#include <string.h>

#include "image/dwarf_expr.h"
#include "image/dwarf_int.h"

enum { TYPEDEFS_MAX = 32, MEMBERS_MAX = 1 << 16, PATH_STEPS_MAX = 16 };

/* ---- many names at once ---- */

struct wanted {
    const char *name;
    size_t len;
    uint32_t owner, rank; /* the caller's: whose name, and which alternative */
    uint32_t next;        /* + 1; in the same bucket */
};

struct name_set {
    struct wanted *v;
    size_t n;
    uint32_t *bucket; /* index + 1 */
    size_t mask;
    uint64_t lens; /* bit min(len, 63): some name has this length */
};

/* Cheap on purpose: nearly every name of a program is looked up and not found. */
static size_t name_hash(const char *s, size_t n)
{
    return n * 31 + (uint8_t)s[n / 2] * 7 + (uint8_t)s[n - 1];
}

static void name_set_init(struct name_set *set, size_t max)
{
    size_t cap = 16;
    while (cap < max * 2)
        cap *= 2;
    *set = (struct name_set){.v = mem_alloc(max * sizeof(*set->v)),
                             .bucket = mem_alloc(cap * sizeof(*set->bucket)),
                             .mask = cap - 1};
}

static void name_set_free(struct name_set *set)
{
    free(set->v);
    free(set->bucket);
}

static void name_set_add(struct name_set *set, const char *name, size_t owner, size_t rank)
{
    size_t len = strlen(name);
    if (!len)
        return;
    size_t b = name_hash(name, len) & set->mask;
    set->v[set->n++] = (struct wanted){.name = name,
                                       .len = len,
                                       .owner = (uint32_t)owner,
                                       .rank = (uint32_t)rank,
                                       .next = set->bucket[b]};
    set->bucket[b] = (uint32_t)set->n;
    set->lens |= UINT64_C(1) << min_u64(len, 63);
}

/* The first wanted entry of this name, after `from`; NULL: none. */
static const struct wanted *name_set_find(const struct name_set *set, const char *s, size_t len,
                                          const struct wanted *from)
{
    if (!len || !(set->lens >> min_u64(len, 63) & 1))
        return NULL;
    uint32_t i = from ? from->next : set->bucket[name_hash(s, len) & set->mask];
    for (; i; i = set->v[i - 1].next)
        if (set->v[i - 1].len == len && memcmp(set->v[i - 1].name, s, len) == 0)
            return &set->v[i - 1];
    return NULL;
}

/* Goes through the DIEs right below a unit's root that have one of the tags (bit mask; tags are
 * below 64) and whose name is wanted.  `hit` returns false when nothing is missing any more. */
struct scan {
    uint64_t tags;
    const struct name_set *names;
    bool (*hit)(void *arg, const struct dwarf_die *die, const struct wanted *w);
    void *arg;
};

static bool name_of(const struct dwarf_die *die, const char **name, size_t *len)
{
    struct dwarf_attr a;
    if (!dwarf_attr_find(die, DW_AT_name, &a))
        return false;
    *name = dwarf_attr_text(die->unit, &a);
    *len = a.form == DW_FORM_string ? a.n : strlen(*name);
    return true;
}

static struct err *scan_unit(const struct dwarf_unit *u, const struct scan *s, bool *more)
{
    struct dwarf_walk w;
    struct dwarf_die die;
    const char *name;
    size_t len;
    dwarf_walk_unit(&w, u);
    while (*more && dwarf_walk_next(&w, &die)) {
        if (w.depth != 1 || die.tag >= 64 || !(s->tags >> die.tag & 1) ||
            !name_of(&die, &name, &len))
            continue;
        const struct wanted *found = name_set_find(s->names, name, len, NULL);
        for (; found && *more; found = name_set_find(s->names, name, len, found))
            *more = s->hit(s->arg, &die, found);
    }
    return w.err;
}

static bool is_go(const struct dwarf_unit *u)
{
    return u->language == DW_LANG_Go;
}

/* "a/b.c/d.Name" belongs to package "a/b.c/d"; 0: it names no package. */
static size_t package_len(const char *name)
{
    const char *bracket = strchr(name, '['); /* type arguments have paths of their own */
    size_t n = bracket ? (size_t)(bracket - name) : strlen(name);
    const char *slash = memrchr(name, '/', n);
    const char *from = slash ? slash : name;
    const char *dot = memchr(from, '.', n - (size_t)(from - name));
    return dot ? (size_t)(dot - name) : 0;
}

static bool unit_is_package(const struct dwarf_unit *u, const char *name, size_t len)
{
    return is_go(u) && strncmp(u->name, name, len) == 0 && u->name[len] == '\0';
}

/* ---- types ---- */

/* Strips typedefs and qualifiers. */
static struct err *underlying(const struct dwarf *dw, uint64_t id, struct dwarf_die *ret)
{
    for (unsigned i = 0; i < TYPEDEFS_MAX; i++) {
        struct dwarf_attr a;
        TRY(dwarf_die_at(dw, id, ret));
        if (ret->tag != DW_TAG_typedef && ret->tag != DW_TAG_const_type &&
            ret->tag != DW_TAG_volatile_type && ret->tag != DW_TAG_restrict_type &&
            ret->tag != DW_TAG_atomic_type && ret->tag != DW_TAG_immutable_type)
            return NULL;
        if (!dwarf_attr_find(ret, DW_AT_type, &a) || !dwarf_attr_ref(ret->unit, &a, &id))
            return NULL;
    }
    return err_new(ERR_BAD_DATA, "%s: typedefs without end", image_name(dw->img));
}

static bool uint_attr(const struct dwarf_die *die, uint16_t name, uint64_t *ret)
{
    struct dwarf_attr a;
    return dwarf_attr_find(die, name, &a) && dwarf_attr_uint(&a, ret);
}

/* Elements of a C array, whose size no attribute tells: the product of its ranges.  False: open. */
static bool array_count(const struct dwarf_die *array, uint64_t *ret)
{
    struct dwarf_walk w;
    struct dwarf_die die;
    uint64_t n;
    bool known = true;
    *ret = 1;
    dwarf_walk_die(&w, array);
    while (dwarf_walk_next(&w, &die)) {
        if (w.depth != 1 || die.tag != DW_TAG_subrange_type)
            continue;
        bool upper = !uint_attr(&die, DW_AT_count, &n);
        known &= !upper || uint_attr(&die, DW_AT_upper_bound, &n);
        known &= !__builtin_mul_overflow(*ret, n + upper, ret);
    }
    err_free(w.err);
    return known;
}

/* Bytes a value of the type takes; -1 when DWARF does not tell. */
int64_t dwarf_die_size(const struct dwarf *dw, uint64_t id)
{
    struct dwarf_die die;
    struct dwarf_attr a;
    uint64_t size, count, total, factor = 1;
    for (unsigned i = 0; i < TYPEDEFS_MAX; i++) {
        struct err *e = underlying(dw, id, &die);
        if (e) {
            err_free(e);
            return -1;
        }
        if (uint_attr(&die, DW_AT_byte_size, &size) ||
            (die.tag == DW_TAG_pointer_type && (size = die.unit->addr_size)))
            return __builtin_mul_overflow(size, factor, &total) || total > INT64_MAX
                       ? -1
                       : (int64_t)total;
        if (die.tag != DW_TAG_array_type || !array_count(&die, &count) ||
            __builtin_mul_overflow(factor, count, &factor) ||
            !dwarf_attr_find(&die, DW_AT_type, &a) || !dwarf_attr_ref(die.unit, &a, &id))
            return -1;
    }
    return -1;
}

struct member {
    const char *name;
    uint64_t off, type;
};
struct members {
    VEC(struct member) v;
};

static struct err *take_member(const struct dwarf_die *die, struct members *ret)
{
    struct member m = {.name = "", .type = DWARF_NO_ID};
    struct dwarf_attrs it;
    struct dwarf_attr a;
    bool plain = true; /* not computed by an expression */
    dwarf_attrs_init(&it, die);
    while (dwarf_attrs_next(&it, &a)) {
        if (a.name == DW_AT_name)
            m.name = dwarf_attr_text(die->unit, &a);
        else if (a.name == DW_AT_type)
            dwarf_attr_ref(die->unit, &a, &m.type);
        else if (a.name == DW_AT_data_member_location)
            plain = dwarf_attr_uint(&a, &m.off);
    }
    if (!it.err && plain && m.type != DWARF_NO_ID && ret->v.n < MEMBERS_MAX)
        vec_push(&ret->v, m);
    return it.err;
}

static struct err *read_members(const struct dwarf_die *strct, struct members *ret)
{
    struct dwarf_walk w;
    struct dwarf_die die;
    ret->v.n = 0;
    dwarf_walk_die(&w, strct);
    while (dwarf_walk_next(&w, &die)) {
        if (w.depth == 1 && die.tag == DW_TAG_member)
            TRY(take_member(&die, ret));
        if (w.depth == 1)
            dwarf_walk_skip(&w);
    }
    return w.err;
}

static const struct member *find_member(const struct members *m, const char *name, size_t len)
{
    for (size_t i = 0; i < m->v.n; i++)
        if (strncmp(m->v.v[i].name, name, len) == 0 && m->v.v[i].name[len] == '\0')
            return &m->v.v[i];
    return NULL;
}

/* Follows "a.b" from the members of a struct. */
static struct err *locate(const struct dwarf *dw, const struct members *top, const char *path,
                          struct dwarf_field_query *f, bool *found)
{
    struct members inner = {0};
    const struct members *at = top;
    struct err *e = NULL;
    uint64_t off = 0;
    *found = false;
    for (unsigned i = 0; !e && i < PATH_STEPS_MAX; i++) {
        const char *dot = strchrnul(path, '.');
        const struct member *m = find_member(at, path, (size_t)(dot - path));
        if (!m)
            break;
        off += m->off;
        if (!*dot) {
            int64_t width = dwarf_die_size(dw, m->type);
            *found = off <= INT32_MAX && width >= 0 && width <= UINT32_MAX;
            f->off = *found ? (int32_t)off : -1;
            f->width = *found ? (uint32_t)width : 0;
            break;
        }
        struct dwarf_die die;
        e = underlying(dw, m->type, &die);
        if (!e)
            e = read_members(&die, &inner);
        at = &inner;
        path = dot + 1;
    }
    vec_free(&inner.v);
    return e;
}

struct layout_job {
    struct dwarf_struct_query *s;
    struct dwarf_die *dies; /* one per query */
    uint32_t *rank;         /* alternatives at and above this one are no longer of interest */
    size_t open;            /* queries whose first alternative was not seen */
};

static bool take_struct(void *arg, const struct dwarf_die *die, const struct wanted *w)
{
    struct layout_job *job = arg;
    struct dwarf_struct_query *s = &job->s[w->owner];
    uint64_t size;
    if (w->rank >= job->rank[w->owner] || !uint_attr(die, DW_AT_byte_size, &size) ||
        size > INT64_MAX)
        return true; /* a declaration has no size */
    s->size = (int64_t)size;
    s->die = die->id;
    job->dies[w->owner] = *die;
    job->rank[w->owner] = w->rank;
    job->open -= w->rank == 0;
    return job->open > 0;
}

/* Types of Go programs are in the units of package runtime; C's are in their own. */
static struct err *find_structs(const struct dwarf *dw, const struct scan *s, bool go_only)
{
    bool more = true, found = false;
    for (size_t i = 0; more && i < dw->nunits; i++) {
        if (!unit_is_package(&dw->units[i], "runtime", 7))
            continue;
        found = true;
        TRY(scan_unit(&dw->units[i], s, &more));
    }
    for (size_t i = 0; more && i < dw->nunits && !(found && go_only); i++)
        if (!is_go(&dw->units[i]) || (!found && !unit_is_package(&dw->units[i], "runtime", 7)))
            TRY(scan_unit(&dw->units[i], s, &more));
    return NULL;
}

static struct err *find_fields(const struct dwarf *dw, const struct layout_job *job,
                               struct dwarf_field_query *f, size_t nf)
{
    struct members members = {0};
    struct err *e = NULL;
    size_t current = SIZE_MAX; /* whose members those are: queries of a struct stand together */
    for (size_t i = 0; !e && i < nf; i++) {
        if (job->s[f[i].strct].size < 0)
            continue;
        if (f[i].strct != current)
            e = read_members(&job->dies[f[i].strct], &members);
        current = f[i].strct;
        bool found = false;
        for (size_t k = 0; !e && !found && k < f[i].npaths; k++)
            e = locate(dw, &members, f[i].paths[k], &f[i], &found);
    }
    vec_free(&members.v);
    return e;
}

static void prepare(struct layout_job *job, size_t ns, struct name_set *names, bool *go_only)
{
    size_t total = 0;
    *go_only = true;
    for (size_t i = 0; i < ns; i++)
        total += job->s[i].nnames;
    name_set_init(names, total);
    for (size_t i = 0; i < ns; i++) {
        job->s[i].size = -1;
        job->s[i].die = DWARF_NO_ID;
        job->rank[i] = UINT32_MAX;
        for (size_t k = 0; k < job->s[i].nnames; k++) {
            name_set_add(names, job->s[i].names[k], i, k);
            *go_only &= strchr(job->s[i].names[k], '.') != NULL;
        }
    }
}

struct err *dwarf_layout(struct image *img, struct dwarf_struct_query *s, size_t ns,
                         struct dwarf_field_query *f, size_t nf)
{
    struct dwarf *dw;
    struct name_set names;
    bool go_only;
    for (size_t i = 0; i < nf; i++) {
        f[i].off = -1;
        f[i].width = 0;
    }
    struct layout_job job = {.s = s,
                             .dies = mem_alloc(ns * sizeof(*job.dies)),
                             .rank = mem_alloc(ns * sizeof(*job.rank)),
                             .open = ns};
    prepare(&job, ns, &names, &go_only);
    const struct scan scan = {
        .tags = UINT64_C(1) << DW_TAG_structure_type | UINT64_C(1) << DW_TAG_union_type,
        .names = &names,
        .hit = take_struct,
        .arg = &job,
    };
    struct err *e = image_dwarf(img, &dw);
    if (!e && ns)
        e = err_wrap(find_structs(dw, &scan, go_only), "%s", image_name(img));
    if (!e)
        e = err_wrap(find_fields(dw, &job, f, nf), "%s", image_name(img));
    name_set_free(&names);
    free(job.dies);
    free(job.rank);
    return e;
}

/* ---- variables and constants ---- */

/* Units that may define some of the names: those of the names' packages; every unit when a name has
 * no package, or its package no unit. */
static struct err *scan_packages(const struct dwarf *dw, const struct scan *s)
{
    bool *chosen = mem_alloc(dw->nunits * sizeof(*chosen)), more = true;
    struct err *e = NULL;
    for (size_t i = 0; i < s->names->n; i++) {
        const char *name = s->names->v[i].name;
        size_t len = package_len(name);
        bool found = false;
        for (size_t k = 0; len && k < dw->nunits; k++)
            if (unit_is_package(&dw->units[k], name, len))
                found = chosen[k] = true;
        for (size_t k = 0; !found && k < dw->nunits; k++)
            chosen[k] = true;
    }
    for (size_t k = 0; !e && more && k < dw->nunits; k++)
        if (chosen[k])
            e = scan_unit(&dw->units[k], s, &more);
    free(chosen);
    return e;
}

struct variables_job {
    taddr *ret;
    size_t open;
};

static bool take_variable(void *arg, const struct dwarf_die *die, const struct wanted *w)
{
    struct variables_job *job = arg;
    struct dwarf_attr a;
    taddr addr;
    if (job->ret[w->owner] || !dwarf_attr_find(die, DW_AT_location, &a) || a.cls != DWARF_BLOCK)
        return true;
    const struct dwarf_expr expr = {.unit = die->unit, .p = a.p, .n = a.n};
    if (!dwarf_expr_address(&expr, &addr))
        return true; /* thread-local, or computed */
    job->ret[w->owner] = addr;
    return --job->open > 0;
}

struct err *dwarf_variables(struct image *img, const char *const *names, size_t n, taddr *ret)
{
    struct dwarf *dw;
    struct name_set set;
    struct variables_job job = {.ret = ret, .open = n};
    TRY(image_dwarf(img, &dw));
    name_set_init(&set, n);
    for (size_t i = 0; i < n; i++) {
        ret[i] = 0;
        name_set_add(&set, names[i], i, 0);
    }
    const struct scan scan = {
        .tags = UINT64_C(1) << DW_TAG_variable, .names = &set, .hit = take_variable, .arg = &job};
    struct err *e = n ? scan_packages(dw, &scan) : NULL;
    name_set_free(&set);
    return err_wrap(e, "%s", image_name(img));
}

struct constants_job {
    struct dwarf_constant *c;
    size_t open;
};

static bool take_constant(void *arg, const struct dwarf_die *die, const struct wanted *w)
{
    struct constants_job *job = arg;
    struct dwarf_constant *c = &job->c[w->owner];
    struct dwarf_attr a;
    if (c->found || !dwarf_attr_find(die, DW_AT_const_value, &a) || !dwarf_attr_sint(&a, &c->value))
        return true;
    c->found = true;
    return --job->open > 0;
}

struct err *dwarf_constants(struct image *img, struct dwarf_constant *c, size_t n)
{
    struct dwarf *dw;
    struct name_set set;
    struct constants_job job = {.c = c, .open = n};
    TRY(image_dwarf(img, &dw));
    name_set_init(&set, n);
    for (size_t i = 0; i < n; i++) {
        c[i].found = false;
        c[i].value = 0;
        name_set_add(&set, c[i].name, i, 0);
    }
    const struct scan scan = {
        .tags = UINT64_C(1) << DW_TAG_constant, .names = &set, .hit = take_constant, .arg = &job};
    struct err *e = n ? scan_packages(dw, &scan) : NULL;
    name_set_free(&set);
    return err_wrap(e, "%s", image_name(img));
}

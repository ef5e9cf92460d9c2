/* place_func.c - functions by the names people give them.
 *
 * The function table has the linker's names: "net/http.(*conn).serve", "main.sum[...]" (1.18 to
 * 1.20: "main.sum[go.shape.int_0]"), "main.main.func1".  People leave out the package or a part of
 * its path, the star of the receiver, and the type arguments; a closure is named by all of it.
 *
 * No index is made: 100,000 names are compared in some milliseconds.  Functions that are only there
 * inlined have no entry in the table; they, and the inlined copies of others, are found in the
 * inlining trees of all functions. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/regex.h"
#include "dbg/place_int.h"
#include "snap/code.h"

enum { NEAR_MAX = 5, LISTED_MAX = 8, NAME_MAX_BYTES = 512 };

/* Bytes of the version that an import path ends in ("/v3" before a dot); 0: it has none. */
static size_t version_n(const char *s)
{
    size_t n = s[0] == '/' && s[1] == 'v' ? strspn(s + 2, "0123456789") : 0;
    return n && s[2 + n] == '.' ? n + 2 : 0;
}

/* The name without type arguments and versions of packages; where `star` is false, without the
 * star of the receiver, too. */
static bool simplify(const char *name, bool star, char *ret, size_t max)
{
    size_t n = 0;
    int brackets = 0;
    for (; *name && n + 1 < max; name++) {
        name += version_n(name);
        if (*name == '[')
            brackets++;
        if (!brackets && (star || !strchr("(*)", *name)))
            ret[n++] = *name;
        if (*name == ']')
            brackets--;
    }
    ret[n] = 0;
    return !*name;
}

static const char *base_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

struct name_match {
    const char *spec, *base; /* base: its last component, as every name that is meant has it */
    size_t n;
    bool star;
};

/* Whether spec is the name, or its end behind a dot or slash. */
static bool matches(const struct name_match *m, const char *name)
{
    char plain[NAME_MAX_BYTES];
    size_t n;
    if (!strstr(name, m->base)) /* most names are told apart without copying them */
        return false;
    if (!simplify(name, m->star, plain, sizeof(plain)))
        return false;
    n = strlen(plain);
    return n >= m->n && strcmp(plain + n - m->n, m->spec) == 0 &&
           (n == m->n || plain[n - m->n - 1] == '.' || plain[n - m->n - 1] == '/');
}

/* ---- names that match ---- */

/* A name as the linker has it, with the addresses it leads to. */
struct named {
    const char *name;
    const struct code_module *m;
    VEC(struct place) places;
};
struct names {
    VEC(struct named) v;
};

static void free_names(struct names *n)
{
    for (size_t i = 0; i < n->v.n; i++)
        vec_free(&n->v.v[i].places);
    vec_free(&n->v);
}

static void collect(const struct code *c, bool (*fits)(const void *arg, const char *name),
                    const void *arg, struct names *ret)
{
    struct code_module *const *modules;
    size_t n = code_modules(c, &modules);
    for (size_t i = 0; i < n; i++) {
        const struct pcln *p = &modules[i]->pcln;
        for (const char *name = NULL; (name = pcln_next_name(p, name));) {
            struct named new = {.name = name, .m = modules[i]};
            if (fits(arg, name))
                vec_push(&ret->v, new);
        }
    }
}

static bool fits_name(const void *arg, const char *name)
{
    return matches(arg, name);
}

static bool fits_pattern(const void *arg, const char *name)
{
    return regex_match(arg, name);
}

/* ---- their addresses ---- */

static void add_to(struct place_search *s, struct named *n, const struct code_func *f, taddr pc)
{
    place_add(s, f, pc);
    vec_push(&n->places, *vec_last(&s->found));
    s->found.n--;
}

static void add_functions(struct place_search *s, struct named *n)
{
    struct pcln_named it;
    struct code_func f = {.m = n->m};
    pcln_named_init(&it, &n->m->pcln, n->name);
    while (pcln_named_next(&it, &f.f))
        if (!code_is_wrapper(s->c, &f))
            add_to(s, n, &f, code_body(s->c, &f));
}

/* Names are ordered as they lie in the table, so a pointer finds them. */
static struct named *named_at(struct names *names, const char *name)
{
    size_t lo = 0, hi = names->v.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (names->v.v[mid].name < name)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < names->v.n && names->v.v[lo].name == name ? &names->v.v[lo] : NULL;
}

enum { COPIES_MAX = 4096 };

/* The first address of each inlined copy in one function: of every call in its tree. */
static void copies_in(struct place_search *s, struct names *names, const struct code_func *f)
{
    uint64_t seen[COPIES_MAX / 64] = {0};
    struct pcln_values it;
    struct pcln_frame call;
    taddr parent;
    pcln_pcdata_values_of(&it, &f->m->pcln, &f->f, PCLN_PCDATA_INL_TREE);
    while (pcln_value_next(&it)) {
        int32_t no = it.value;
        while (no >= 0 && no < COPIES_MAX && !(seen[no / 64] >> no % 64 & 1) &&
               pcln_inlined(&f->m->pcln, &f->f, no, &call, &parent)) {
            seen[no / 64] |= (uint64_t)1 << no % 64;
            struct named *n = named_at(names, call.func);
            if (n)
                add_to(s, n, f, it.lo);
            no = pcln_pcdata(&f->m->pcln, &f->f, PCLN_PCDATA_INL_TREE, parent);
        }
    }
}

static int by_pointer(const void *va, const void *vb)
{
    const struct named *a = va, *b = vb;
    return a->name < b->name ? -1 : a->name > b->name;
}

static void find_addresses(struct place_search *s, struct names *names)
{
    struct code_module *const *modules;
    size_t n = code_modules(s->c, &modules);
    if (!names->v.n)
        return;
    qsort(names->v.v, names->v.n, sizeof(*names->v.v), by_pointer);
    for (size_t i = 0; i < names->v.n; i++)
        add_functions(s, &names->v.v[i]);
    for (size_t i = 0; i < n; i++) {
        struct code_func f = {.m = modules[i]};
        for (uint32_t k = 0; k < modules[i]->pcln.nfunc; k++)
            if (pcln_func_at(&modules[i]->pcln, k, &f.f) && f.f.npcdata > PCLN_PCDATA_INL_TREE &&
                !code_is_wrapper_id(s->c, &f))
                copies_in(s, names, &f);
    }
    size_t kept = 0;
    for (size_t i = 0; i < names->v.n; i++) {
        if (names->v.v[i].places.n)
            names->v.v[kept++] = names->v.v[i];
        else
            vec_free(&names->v.v[i].places);
    }
    names->v.n = kept;
}

static void take(struct place_search *s, const struct named *n)
{
    for (size_t i = 0; i < n->places.n; i++)
        vec_push(&s->found, n->places.v[i]);
}

/* ---- which of them ---- */

static bool same_function(const char *a, const char *b)
{
    char pa[NAME_MAX_BYTES], pb[NAME_MAX_BYTES];
    return simplify(a, true, pa, sizeof(pa)) && simplify(b, true, pb, sizeof(pb)) &&
           strcmp(pa, pb) == 0;
}

/* How much a name is what was meant: all of it, one of the package looked at, one of main. */
static int rank(const struct place_search *s, const struct name_match *m, const char *name)
{
    char plain[NAME_MAX_BYTES];
    const char *here = s->from && s->from->func ? s->from->func : "";
    size_t n = snap_package_len(here);
    if (simplify(name, m->star, plain, sizeof(plain)) && strcmp(plain, m->spec) == 0)
        return 3;
    if (n && strncmp(name, here, n) == 0 && name[n] == '.')
        return 2;
    return strncmp(name, "main.", 5) == 0;
}

static struct err *ambiguous(struct place_search *s, const char *spec, const struct names *names,
                             const bool *best)
{
    struct buf b = {0};
    unsigned listed = 0, more = 0;
    for (size_t i = 0; i < names->v.n; i++) {
        if (!best[i])
            continue;
        if (listed == LISTED_MAX) {
            more++;
            continue;
        }
        buf_printf(&b, "%s%s", listed++ ? ", " : "", names->v.v[i].name);
    }
    if (more)
        buf_printf(&b, " and %u more", more);
    struct err *e =
        err_hint(err_new(ERR_USAGE, "%s means several functions: %s", spec, buf_text(&b)),
                 "say more of the name, or /regexp/ for all of them");
    buf_free(&b);
    (void)s;
    return e;
}

/* Marks the names of the one function that is meant. */
static struct err *choose(struct place_search *s, const struct name_match *m,
                          const struct names *names, bool *best)
{
    int top = -1;
    const char *first = NULL;
    bool several = false;
    for (size_t i = 0; i < names->v.n; i++) {
        int r = rank(s, m, names->v.v[i].name);
        top = r > top ? r : top;
    }
    for (size_t i = 0; i < names->v.n; i++) {
        best[i] = rank(s, m, names->v.v[i].name) == top;
        if (best[i] && first && !same_function(first, names->v.v[i].name))
            several = true;
        if (best[i] && !first)
            first = names->v.v[i].name;
    }
    return several ? ambiguous(s, m->spec, names, best) : NULL;
}

/* ---- near misses ---- */

/* Edits between two short words, case aside; what is above `max` does not matter. */
static unsigned distance(const char *a, const char *b, unsigned max)
{
    size_t na = strlen(a), nb = strlen(b);
    unsigned row[64];
    if (na >= ARRAY_LEN(row) || nb >= ARRAY_LEN(row) || na > nb + max || nb > na + max)
        return max + 1;
    for (size_t j = 0; j <= nb; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= na; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned old = row[j];
            unsigned best =
                diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = old + 1 < best ? old + 1 : best;
            diagonal = old;
        }
    }
    return row[nb];
}

struct near {
    const char *base;
    unsigned max;
};

static bool fits_near(const void *arg, const char *name)
{
    const struct near *n = arg;
    return distance(base_of(name), n->base, n->max) <= n->max;
}

/* Those of main first. */
static int by_nearness(const void *va, const void *vb)
{
    const struct named *a = va, *b = vb;
    bool ma = strncmp(a->name, "main.", 5) == 0, mb = strncmp(b->name, "main.", 5) == 0;
    return ma != mb ? mb - ma : strcmp(a->name, b->name);
}

static struct err *not_found(struct place_search *s, const char *spec)
{
    struct near near = {.base = base_of(spec)};
    struct names names = {0};
    struct buf b = {0};
    near.max = strlen(near.base) > 3 ? 2 : 1;
    struct err *e = err_new(ERR_NOT_FOUND, "no function %s", spec);
    collect(s->c, fits_near, &near, &names);
    if (names.v.n) {
        qsort(names.v.v, names.v.n, sizeof(*names.v.v), by_nearness);
        for (size_t i = 0; i < names.v.n && i < NEAR_MAX; i++)
            buf_printf(&b, "%s%s", i ? ", " : "", names.v.v[i].name);
        e = err_hint(e, "there are %s", buf_text(&b));
    }
    buf_free(&b);
    free_names(&names);
    return e;
}

/* ---- specs ---- */

static struct err *find_names(struct place_search *s, const char *name, struct names *names,
                              bool **best)
{
    char spec[NAME_MAX_BYTES];
    struct name_match m = {.spec = spec, .star = strchr(name, '*') != NULL};
    if (!simplify(name, m.star, spec, sizeof(spec)) || !*spec)
        return err_new(ERR_USAGE, "\"%s\" is not the name of a function", name);
    m.n = strlen(spec);
    m.base = base_of(spec);
    collect(s->c, fits_name, &m, names);
    find_addresses(s, names);
    if (!names->v.n)
        return not_found(s, name);
    *best = arena_array(s->a, bool, names->v.n);
    return choose(s, &m, names, *best);
}

struct err *place_of_func(struct place_search *s, const char *name)
{
    struct names names = {0};
    bool *best = NULL;
    struct err *e = find_names(s, name, &names, &best);
    for (size_t i = 0; !e && i < names.v.n; i++)
        if (best[i])
            take(s, &names.v.v[i]);
    free_names(&names);
    return e;
}

struct err *place_one_func(struct place_search *s, const char *name, const char **ret)
{
    struct names names = {0};
    bool *best = NULL;
    struct err *e = find_names(s, name, &names, &best);
    for (size_t i = names.v.n; !e && i-- > 0;)
        if (best[i])
            *ret = names.v.v[i].name;
    free_names(&names);
    return e;
}

struct err *place_of_pattern(struct place_search *s, const char *pattern)
{
    struct names names = {0};
    struct regex *re;
    size_t at = 0;
    struct err *e = regex_compile(pattern, &re, &at);
    if (e)
        return err_wrap(e, "/%s/, at byte %zu", pattern, at + 1);
    collect(s->c, fits_pattern, re, &names);
    find_addresses(s, &names);
    for (size_t i = 0; i < names.v.n; i++)
        take(s, &names.v.v[i]);
    if (!names.v.n)
        e = err_new(ERR_NOT_FOUND, "no function matches /%s/", pattern);
    free_names(&names);
    regex_free(re);
    return e;
}

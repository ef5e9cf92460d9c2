/* globals.c - where the runtime's global variables are.
 *
 * A binary with a symbol table says it.  For the others gen/anchors.inc names functions and the
 * offsets inside the variable that they refer to; their machine code is decoded, and every address
 * in it, less each such offset, is a vote.  The rows were chosen by a tool so that the right
 * address leads in plain, PIE, race and unoptimised builds of each release; what a global holds
 * (check.c) has the last word.
 *
 * Structures are found first: an address inside one of them is not a variable of its own. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "rt/rt_int.h"

static const struct {
    const char *name;
    const char *symbols[3];
    enum rt_struct strct;
} globals[] = {
#define GLOBAL(name, s, ...) {#name, {__VA_ARGS__}, RT_STRUCT_##s},
#include "rt/layout.def"
};

const char *rt_global_symbol(enum rt_global g, const struct rt_layout *l, uint64_t *ret_size)
{
    enum rt_struct st = globals[g].strct;
    *ret_size = st != RT_STRUCT_none && l->size[st] > 0 ? (uint64_t)l->size[st] : 8;
    return globals[g].symbols[0];
}

enum { SYMBOLS_MAX = ARRAY_LEN(globals[0].symbols), OFFSETS_MAX = 6 };

static void by_symbol(struct rt *rt)
{
    const char *names[RT_GLOBAL_COUNT * SYMBOLS_MAX];
    taddr values[ARRAY_LEN(names)];
    size_t n = 0;
    for (size_t g = 0; g < RT_GLOBAL_COUNT; g++)
        for (size_t k = 0; k < SYMBOLS_MAX && globals[g].symbols[k]; k++)
            names[n++] = globals[g].symbols[k];
    image_find_symbols(rt->img, names, n, values);
    n = 0;
    for (size_t g = 0; g < RT_GLOBAL_COUNT; g++)
        for (size_t k = 0; k < SYMBOLS_MAX && globals[g].symbols[k]; k++, n++)
            if (values[n] && !rt->globals[g])
                rt->globals[g] = values[n] + rt->slide;
}

/* An offset inside a variable: times two, plus one when its address is taken. */
#define V(off) (2 * (off))
#define A(off) (2 * (off) + 1)

struct anchor {
    enum rt_global global;
    const char *function;
    size_t n;
    uint32_t offs[OFFSETS_MAX];
};

struct anchors { /* of a release */
    const char *release;
    struct anchor a[128];
};

static const struct anchors releases[] = {
#define RELEASE(r)                                                                                 \
    {                                                                                              \
        .release = r, .a = {
#define ANCHOR(g, f, count, ...) {RT_GLOBAL_##g, f, count, {__VA_ARGS__}},
#define END_RELEASE                                                                                \
    }                                                                                              \
    }                                                                                              \
    ,
#include "rt/gen/anchors.inc"
#undef RELEASE
#undef ANCHOR
#undef END_RELEASE
};

static const struct anchors *anchors_of(const struct rt *rt)
{
    int minor, patch, m;
    if (rt_release_of(rt->go_version, &minor, &patch))
        for (size_t i = 0; i < ARRAY_LEN(releases); i++)
            if (sscanf(releases[i].release, "1.%d", &m) == 1 && m == minor)
                return &releases[i];
    return &releases[ARRAY_LEN(releases) - 1];
}

struct search {
    struct rt *rt;
    const struct anchors *table;
    size_t nrows;
    struct pcln_func funcs[ARRAY_LEN(((struct anchors *)0)->a)];
    bool found[ARRAY_LEN(((struct anchors *)0)->a)];
    VEC(uint64_t) votes; /* candidate addresses, one element a vote */
};

struct refs {
    VEC(uint64_t) v;
};

static uint64_t name_hash(const char *s)
{
    return hash_bytes(s, strlen(s));
}

/* One pass over the function table finds the functions of all rows. */
static void find_functions(struct search *s)
{
    const struct pcln *p = &s->rt->modules[0].pcln;
    struct map wanted = {0};
    size_t left = 0;
    for (size_t i = 0; i < s->nrows; i++) {
        bool added;
        map_get_or_put(&wanted, name_hash(s->table->a[i].function), (uint32_t)i, &added);
        left += added;
    }
    for (uint32_t i = 0; i < p->nfunc && left; i++) {
        struct pcln_func f;
        if (!pcln_func_at(p, i, &f) || strncmp(f.name, "runtime.", 8) != 0)
            continue;
        uint32_t row = map_get(&wanted, name_hash(f.name));
        if (row == MAP_NONE || s->found[row] || strcmp(f.name, s->table->a[row].function) != 0)
            continue;
        left--;
        for (size_t k = row; k < s->nrows; k++) {
            if (strcmp(s->table->a[k].function, f.name) == 0) {
                s->funcs[k] = f;
                s->found[k] = true;
            }
        }
    }
    map_free(&wanted);
}

/* Inside a structure that is known, other than at the start of the one looked for. */
static bool is_taken(const struct rt *rt, taddr addr)
{
    for (size_t g = 0; g < RT_GLOBAL_COUNT; g++) {
        enum rt_struct st = globals[g].strct;
        if (st != RT_STRUCT_none && rt->globals[g] && rt->layout.size[st] > 0 &&
            addr - rt->globals[g] < (taddr)rt->layout.size[st])
            return true;
    }
    return false;
}

static void vote(struct search *s, const struct anchor *a, taddr addr, bool is_address)
{
    const struct rt_module *m = &s->rt->modules[0];
    for (size_t k = 0; k < a->n; k++) {
        taddr base = addr - a->offs[k] / 2;
        if ((a->offs[k] & 1) == is_address && base >= m->data_lo && base < m->data_hi &&
            !is_taken(s->rt, base))
            vec_push(&s->votes, base);
    }
}

/* Every address that the code of a function refers to, once: times two, plus one when it is taken.
 */
static void refs_of(const struct rt *rt, const struct pcln_func *f, struct refs *ret)
{
    size_t size = f->end - f->entry;
    const uint8_t *code = image_at(rt->img, f->entry - rt->slide, size);
    struct arch_insn in;
    for (size_t at = 0; code && at < size; at += in.len) {
        if (!target_arch(rt->t)->decode(code + at, size - at, f->entry + at, &in))
            break;
        if (in.ref == ARCH_REF_NONE)
            continue;
        bool twice = false;
        uint64_t key = in.ref_addr * 2 + (in.ref == ARCH_REF_ADDRESS);
        for (size_t i = 0; i < ret->v.n; i++)
            twice |= ret->v.v[i] == key;
        if (!twice)
            vec_push(&ret->v, key);
    }
}

static void count_votes(struct search *s, size_t row)
{
    size_t first = s->votes.n;
    struct refs refs = {0};
    refs_of(s->rt, &s->funcs[row], &refs);
    for (size_t i = 0; i < refs.v.n; i++)
        vote(s, &s->table->a[row], refs.v.v[i] / 2, refs.v.v[i] & 1);
    vec_free(&refs.v);
    log_debug("anchor %s: %zu votes", s->table->a[row].function, s->votes.n - first);
}

size_t rt_variables_of(const struct rt *rt, const char *function, taddr *ret, size_t max)
{
    const struct rt_module *m = &rt->modules[0];
    struct pcln_func f;
    struct refs refs = {0};
    size_t n = 0;
    if (pcln_find_name(&m->pcln, function, &f))
        refs_of(rt, &f, &refs);
    for (size_t i = 0; i < refs.v.n && n < max; i++) {
        taddr addr = refs.v.v[i] / 2;
        bool twice = false;
        for (size_t k = 0; k < n; k++)
            twice |= ret[k] == addr;
        if (!twice && addr >= m->data_lo && addr < m->data_hi)
            ret[n++] = addr;
    }
    vec_free(&refs.v);
    return n;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The address with most votes, if no other has as many. */
static taddr winner(struct search *s)
{
    size_t best = 0, second = 0;
    taddr addr = 0;
    if (s->votes.n)
        qsort(s->votes.v, s->votes.n, sizeof(uint64_t), by_value);
    for (size_t i = 0, j; i < s->votes.n; i = j) {
        for (j = i; j < s->votes.n && s->votes.v[j] == s->votes.v[i];)
            j++;
        if (j - i > best) {
            second = best;
            best = j - i;
            addr = s->votes.v[i];
        } else if (j - i > second) {
            second = j - i;
        }
    }
    return best > second ? addr : 0;
}

static void by_code(struct rt *rt)
{
    struct search *s = mem_alloc(sizeof(*s));
    s->rt = rt;
    s->table = anchors_of(rt);
    while (s->nrows < ARRAY_LEN(s->table->a) && s->table->a[s->nrows].function)
        s->nrows++;
    find_functions(s);
    for (size_t g = 0; g < RT_GLOBAL_COUNT; g++) {
        if (rt->globals[g])
            continue;
        s->votes.n = 0;
        for (size_t i = 0; i < s->nrows; i++)
            if (s->table->a[i].global == g && s->found[i])
                count_votes(s, i);
        rt->globals[g] = winner(s);
        if (!rt->globals[g])
            log_info("runtime.%s was not found by code", globals[g].name);
    }
    vec_free(&s->votes);
    free(s);
}

void rt_find_globals(struct rt *rt)
{
    memset(rt->globals, 0, sizeof(rt->globals));
    by_symbol(rt);
    for (size_t g = 0; g < RT_GLOBAL_COUNT; g++) {
        if (!rt->globals[g]) {
            by_code(rt);
            break;
        }
    }
}

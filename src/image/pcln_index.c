/* pcln_index.c - functions by name and pcs by line, from the function table alone.
 *
 * Names are indexed at the first question, on all cores: 32 bits of hash and the function's number,
 * sorted.  Lines are not indexed: a search decodes the file table of every function, which takes
 * some ten milliseconds in the largest programs. */
#include <stdlib.h>

#include "base/pool.h"
#include "base/sort.h"
#include "base/vec.h"
#include "image/pcln_int.h"

enum { NAMES_PER_JOB = 8192, STEPS_PER_BYTE = 8 };

struct pcln_index {
    pthread_mutex_t lock;
    uint64_t *v; /* hash << 32 | number, sorted; NULL until asked */
    size_t n;
};

struct pcln_index *pcln_index_new(void)
{
    struct pcln_index *ix = mem_alloc(sizeof(*ix));
    pthread_mutex_init(&ix->lock, NULL);
    return ix;
}

void pcln_index_free(struct pcln_index *ix)
{
    if (!ix)
        return;
    pthread_mutex_destroy(&ix->lock);
    free(ix->v);
    free(ix);
}

static const char *name_at(const struct pcln *p, uint32_t i)
{
    const uint8_t *row = p->func + (size_t)i * PCLN_FTAB_ROW;
    const uint8_t *raw = pcln_part(p, p->func, load_u32(row + 4), p->func_header);
    return raw ? pcln_text(p, p->funcname, load_u32(raw + 4)) : "";
}

static uint64_t key_of(const char *name)
{
    return hash_bytes(name, strlen(name)) << 32;
}

struct hash_job {
    const struct pcln *p;
    uint64_t *v;
};

static struct err *hash_some(void *arg, size_t job, unsigned worker)
{
    struct hash_job *h = arg;
    uint32_t first = (uint32_t)job * NAMES_PER_JOB;
    uint32_t end = (uint32_t)min_u64(first + NAMES_PER_JOB, h->p->nfunc);
    for (uint32_t i = first; i < end; i++)
        h->v[i] = key_of(name_at(h->p, i)) | i;
    return NULL;
}

static void build(const struct pcln *p, struct pcln_index *ix)
{
    struct hash_job h = {.p = p, .v = mem_try_alloc(p->nfunc * sizeof(*h.v))};
    struct err *e = NULL;
    if (!h.v)
        return; /* names are searched one by one */
    e = pool_run((p->nfunc + NAMES_PER_JOB - 1) / NAMES_PER_JOB, hash_some, &h);
    if (!e)
        e = sort_u64(h.v, p->nfunc);
    if (e) {
        err_free(e);
        free(h.v);
        return;
    }
    ix->v = h.v;
    ix->n = p->nfunc;
}

void pcln_named_init(struct pcln_named *it, const struct pcln *p, const char *name)
{
    struct pcln_index *ix = p->index;
    *it = (struct pcln_named){.p = p, .name = name};
    if (!ix)
        return;
    pthread_mutex_lock(&ix->lock);
    if (!ix->v)
        build(p, ix);
    pthread_mutex_unlock(&ix->lock);
    if (!ix->v)
        return;
    uint64_t key = key_of(name);
    size_t lo = 0, hi = ix->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (ix->v[mid] < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    it->at = ix->v + lo;
    it->end = ix->v + ix->n;
}

static bool next_indexed(struct pcln_named *it, struct pcln_func *ret)
{
    const uint64_t key = key_of(it->name);
    while (it->at < it->end && (*it->at ^ key) >> 32 == 0) {
        uint32_t i = (uint32_t)*it->at++;
        if (strcmp(name_at(it->p, i), it->name) == 0)
            return pcln_func_at(it->p, i, ret);
    }
    return false;
}

bool pcln_named_next(struct pcln_named *it, struct pcln_func *ret)
{
    if (it->at)
        return next_indexed(it, ret);
    while (it->i < it->p->nfunc) {
        uint32_t i = it->i++;
        if (strcmp(name_at(it->p, i), it->name) == 0)
            return pcln_func_at(it->p, i, ret);
    }
    return false;
}

bool pcln_find_name(const struct pcln *p, const char *name, struct pcln_func *ret)
{
    struct pcln_named it;
    pcln_named_init(&it, p, name);
    return pcln_named_next(&it, ret);
}

/* ---- files and lines ---- */

/* A sub-table ends where the next one begins. */
static size_t sub_table_n(const struct pcln *p, const uint8_t *table)
{
    const uint8_t *end = p->bytes + p->n;
    const uint8_t *const others[] = {p->funcname, p->cu, p->file, p->pc, p->func};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (others[i] > table && others[i] < end)
            end = others[i];
    return (size_t)(end - table);
}

static const char *next_text(const struct pcln *p, const uint8_t *table, const char *after)
{
    size_t n = sub_table_n(p, table);
    size_t at = after ? (size_t)((const uint8_t *)after - table) + strlen(after) + 1 : 0;
    while (at < n && table[at] == 0) /* padding */
        at++;
    const char *s = at < n ? pcln_text(p, table, at) : "";
    return *s ? s : NULL;
}

const char *pcln_next_file(const struct pcln *p, const char *after)
{
    return next_text(p, p->file, after);
}

const char *pcln_next_name(const struct pcln *p, const char *after)
{
    return next_text(p, p->funcname, after);
}

struct line_search {
    const struct pcln *p;
    int32_t line;
    bool nearest;
    VEC(uint32_t) files; /* offsets of the matching names, ascending */
    VEC(int32_t) least;  /* of each, the least line at or after the one looked for */
    VEC(struct pcln_place) found;
    uint64_t steps, budget; /* rows read; an honest table has each once */
};

/* Which of the files an offset is; SIZE_MAX: none. */
static size_t which_file(const struct line_search *s, uint32_t off)
{
    size_t lo = 0, hi = s->files.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->files.v[mid] < off)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->files.n && s->files.v[lo] == off ? lo : SIZE_MAX;
}

static void consider(struct line_search *s, const struct pcln_func *f, taddr pc, int32_t line,
                     size_t file)
{
    if (line < s->line || line > s->least.v[file])
        return;
    s->least.v[file] = line;
    struct pcln_place place = {.pc = pc,
                               .func = f->index,
                               .line = line,
                               .file = pcln_text(s->p, s->p->file, s->files.v[file])};
    vec_push(&s->found, place);
}

/* Goes through files and lines side by side; a place is where one of them changes. */
static void search_func(struct line_search *s, const struct pcln_func *f)
{
    struct pcln_values files, lines;
    size_t file = SIZE_MAX, last_file = SIZE_MAX;
    int32_t last_line = -1;
    pcln_values_of(&files, s->p, f, f->pcfile);
    pcln_values_of(&lines, s->p, f, f->pcln);
    bool more = pcln_value_next(&files) && pcln_value_next(&lines);
    if (more)
        file = which_file(s, pcln_file_off(s->p, f, files.value));
    while (more && s->steps++ < s->budget) {
        taddr lo = files.lo > lines.lo ? files.lo : lines.lo;
        if (file != SIZE_MAX && (file != last_file || lines.value != last_line))
            consider(s, f, lo, lines.value, file);
        last_file = file;
        last_line = lines.value;
        if (files.hi <= lines.hi) {
            bool both = files.hi == lines.hi;
            more = pcln_value_next(&files) && (!both || pcln_value_next(&lines));
            file = more ? which_file(s, pcln_file_off(s->p, f, files.value)) : SIZE_MAX;
        } else {
            more = pcln_value_next(&lines);
        }
    }
}

/* Drops what was the nearest only for a while. */
static size_t keep_nearest(struct line_search *s, struct pcln_place *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < s->found.n; i++) {
        const struct pcln_place *f = &s->found.v[i];
        size_t file = which_file(s, (uint32_t)((const uint8_t *)f->file - s->p->file));
        if (file != SIZE_MAX && f->line == s->least.v[file])
            ret[n++] = *f;
    }
    return n;
}

struct err *pcln_find_line(const struct pcln *p, const char *path, int32_t line, bool nearest,
                           struct arena *a, struct pcln_place **ret, size_t *ret_n)
{
    struct line_search s = {.p = p, .line = line, .nearest = nearest};
    s.budget = (uint64_t)p->n * STEPS_PER_BYTE;
    struct pcln_func f;
    for (const char *name = NULL; (name = pcln_next_file(p, name));) {
        if (!image_path_matches(name, path))
            continue;
        vec_push(&s.files, (uint32_t)((const uint8_t *)name - p->file));
        vec_push(&s.least, nearest ? INT32_MAX : line);
    }
    for (uint32_t i = 0; s.files.n && i < p->nfunc; i++)
        if (pcln_func_at(p, i, &f))
            search_func(&s, &f);
    *ret = arena_array(a, struct pcln_place, s.found.n);
    *ret_n = keep_nearest(&s, *ret);
    vec_free(&s.files);
    vec_free(&s.least);
    vec_free(&s.found);
    if (s.steps >= s.budget)
        return err_new(ERR_BAD_DATA, "%s: the tables of many functions overlap", p->what);
    return NULL;
}

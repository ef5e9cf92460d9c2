/* place_line.c - the addresses of a line.
 *
 * A line is met wherever it begins: the for of a loop at its head and at every round.  Of these one
 * is taken in each copy of the code, the first that begins a statement (if none does: the first):
 * by DWARF, because the compiler says there what a statement is; in a stripped program by pclntab.
 *
 * An absolute path of the user need not be the one in the program (-trimpath, a build elsewhere):
 * then its last components must be enough to find one file, which is not another one here. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dbg/place_int.h"
#include "image/dwarf_line.h"

struct candidate {
    struct code_func f;
    taddr pc;
    const char *file;
    unsigned line;
    int32_t inl[CODE_DEPTH]; /* what is inlined there: which copy it is */
    unsigned depth;
};

struct line_search {
    struct place_search *s;
    const char *path;
    unsigned line;
    VEC(struct candidate) v;
};

static void add_candidate(struct line_search *k, taddr pc, const char *file, unsigned line)
{
    struct candidate c = {.pc = pc, .file = file, .line = line};
    if (!code_func_at(k->s->c, pc, &c.f))
        return;
    c.depth = (unsigned)pcln_inlined_at(&c.f.m->pcln, &c.f.f, pc, c.inl, CODE_DEPTH);
    vec_push(&k->v, c);
}

static struct err *by_dwarf(struct line_search *k, const struct code_module *m, struct dwarf *dw)
{
    struct dwarf_place *v;
    size_t n;
    TRY(dwarf_find_line(dw, k->path, k->line, true, k->s->a, &v, &n));
    for (size_t i = 0; i < n; i++)
        add_candidate(k, v[i].row.addr + m->slide, dwarf_file_path(v[i].unit, v[i].row.file),
                      v[i].row.line);
    return NULL;
}

static struct err *by_pcln(struct line_search *k, const struct code_module *m)
{
    struct pcln_place *v;
    size_t n;
    TRY(pcln_find_line(&m->pcln, k->path, (int32_t)k->line, true, k->s->a, &v, &n));
    for (size_t i = 0; i < n; i++)
        add_candidate(k, v[i].pc, v[i].file, (unsigned)v[i].line);
    return NULL;
}

static struct err *in_modules(struct line_search *k)
{
    struct code_module *const *modules;
    size_t n = code_modules(k->s->c, &modules);
    for (size_t i = 0; i < n; i++) {
        size_t before = k->v.n;
        struct dwarf *dw = code_dwarf(modules[i]);
        if (dw)
            TRY(by_dwarf(k, modules[i], dw));
        if (k->v.n == before)
            TRY(by_pcln(k, modules[i]));
    }
    return NULL;
}

/* ---- which file ---- */

/* One file: the path as the user gave it, or of those that end in it. */
static struct err *one_file(struct line_search *k, const char **ret)
{
    *ret = NULL;
    for (size_t i = 0; i < k->v.n; i++) {
        const char *file = k->v.v[i].file;
        if (strcmp(file, k->path) == 0) {
            *ret = file;
            return NULL;
        }
    }
    for (size_t i = 0; i < k->v.n; i++) {
        const char *file = k->v.v[i].file;
        if (*ret && strcmp(file, *ret) != 0)
            return err_hint(err_new(ERR_USAGE, "%s: there are several such files, %s and %s",
                                    k->path, *ret, file),
                            "say more of its path");
        *ret = file;
    }
    return NULL;
}

static const char *mapped(const struct place_search *s, const char *path)
{
    const char *const *map = s->from ? s->from->source_map : NULL;
    for (; map && map[0] && map[1]; map += 2) {
        size_t n = strlen(map[1]);
        if (n && strncmp(path, map[1], n) == 0)
            return arena_printf(s->a, "%s%s", map[0], path + n);
    }
    return path;
}

static bool is_known_file(struct place_search *s, const char *path)
{
    struct code_module *const *modules;
    size_t n = code_modules(s->c, &modules), k = strlen(path);
    for (size_t i = 0; i < n; i++) {
        for (const char *f = NULL; (f = pcln_next_file(&modules[i]->pcln, f));) {
            size_t len = strlen(f);
            if (len >= k && strcmp(f + len - k, path) == 0)
                return true;
        }
    }
    return false;
}

/* Both are files of this machine, and not the same one: then the program was not built with another
 * path, it just has a file of that name. */
static bool is_another(const char *path, const char *file)
{
    struct stat a, b;
    return file[0] == '/' && stat(path, &a) == 0 && stat(file, &b) == 0 &&
           (a.st_dev != b.st_dev || a.st_ino != b.st_ino);
}

static void drop_others(struct line_search *k, const char *whole)
{
    const char *last = NULL;
    bool another = false;
    size_t n = 0;
    for (size_t i = 0; i < k->v.n; i++) {
        const char *file = k->v.v[i].file;
        if (!last || strcmp(last, file) != 0)
            another = is_another(whole, file);
        last = file;
        if (!another)
            k->v.v[n++] = k->v.v[i];
    }
    k->v.n = n;
}

/* Looks for the file by fewer and fewer components of an absolute path. */
static struct err *by_components(struct line_search *k)
{
    const char *whole = k->path;
    TRY(in_modules(k));
    if (k->v.n || whole[0] != '/' || is_known_file(k->s, whole))
        return NULL;
    for (const char *rest = whole + 1; !k->v.n && rest; rest = strchr(rest, '/')) {
        if (*rest == '/')
            rest++;
        k->path = rest;
        TRY(in_modules(k));
        drop_others(k, whole);
    }
    if (k->v.n)
        k->s->note = arena_printf(k->s->a, "%s in the program", k->v.v[0].file);
    return NULL;
}

/* ---- which addresses ---- */

static int by_copy(const void *va, const void *vb)
{
    const struct candidate *a = va, *b = vb;
    if (a->f.f.entry != b->f.f.entry)
        return a->f.f.entry < b->f.f.entry ? -1 : 1;
    if (a->depth != b->depth)
        return a->depth < b->depth ? -1 : 1;
    int order = memcmp(a->inl, b->inl, a->depth * sizeof(*a->inl));
    return order ? order : a->pc < b->pc ? -1 : a->pc > b->pc;
}

static bool same_copy(const struct candidate *a, const struct candidate *b)
{
    return a->f.f.entry == b->f.f.entry && a->depth == b->depth &&
           memcmp(a->inl, b->inl, a->depth * sizeof(*a->inl)) == 0;
}

/* Of each copy the first address; never in a prologue. */
static void take(struct line_search *k, const char *file)
{
    size_t n = 0;
    for (size_t i = 0; i < k->v.n; i++)
        if (strcmp(k->v.v[i].file, file) == 0)
            k->v.v[n++] = k->v.v[i];
    k->v.n = n;
    qsort(k->v.v, n, sizeof(*k->v.v), by_copy);
    for (size_t i = 0; i < n; i++) {
        struct candidate *c = &k->v.v[i];
        if (i && same_copy(c, c - 1))
            continue;
        if (code_is_wrapper(k->s->c, &c->f))
            continue;
        taddr body = c->pc == c->f.f.entry ? code_body(k->s->c, &c->f) : c->pc;
        place_add(k->s, &c->f, body);
    }
}

static void note_line(struct line_search *k, unsigned line)
{
    if (line == k->line)
        return;
    const char *moved = arena_printf(k->s->a, "line %u has no code: line %u", k->line, line);
    k->s->note = *k->s->note ? arena_printf(k->s->a, "%s, %s", k->s->note, moved) : moved;
}

struct err *place_of_line(struct place_search *s, const char *path, unsigned line)
{
    struct line_search k = {.s = s, .path = mapped(s, path), .line = line};
    const char *file = NULL;
    struct err *e = by_components(&k);
    if (!e && !k.v.n) {
        const char *base = path[0] == '/' ? strrchr(path, '/') : path;
        e = is_known_file(s, base)
                ? err_new(ERR_NOT_FOUND, "%s:%u: no code there or below", path, line)
                : err_hint(err_new(ERR_NOT_FOUND, "no source file %s in the program", path),
                           "source files that are not compiled in, or all of whose code was not "
                           "needed, are not known");
    }
    if (!e)
        e = one_file(&k, &file);
    if (!e) {
        unsigned least = UINT32_MAX;
        for (size_t i = 0; i < k.v.n; i++)
            if (strcmp(k.v.v[i].file, file) == 0 && k.v.v[i].line < least)
                least = k.v.v[i].line;
        note_line(&k, least);
        take(&k, file);
    }
    vec_free(&k.v);
    return e;
}

/* ---- all lines ---- */

struct lines {
    const char *file;
    unsigned first, last;
    VEC(unsigned) v;
};

static void add_line(struct lines *l, int64_t line)
{
    if (line >= l->first && line <= l->last)
        vec_push(&l->v, (unsigned)line);
}

/* Rows of one unit; those of a file that it only inlines something of are among them. */
static struct err *lines_of_unit(struct lines *l, const struct dwarf_unit *u)
{
    struct dwarf_rows it;
    struct dwarf_row row;
    size_t n = dwarf_file_count(u);
    bool *is_it = mem_alloc(n + 1), any = false;
    for (size_t i = 0; i < n; i++) {
        is_it[i] = strcmp(dwarf_file_path(u, i), l->file) == 0;
        any = any || is_it[i];
    }
    it.err = NULL;
    if (any)
        for (dwarf_rows_of(&it, u); dwarf_row_next(&it, &row);)
            if (!row.end_sequence && row.file < n && is_it[row.file])
                add_line(l, row.line);
    free(is_it);
    return it.err;
}

static void lines_of_func(struct lines *l, struct code *c, const struct code_func *f)
{
    const struct code_line *v;
    size_t n = code_lines(c, f, &v);
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].file, l->file) == 0)
            add_line(l, v[i].line);
}

static struct err *lines_of_module(struct lines *l, struct code *c, struct code_module *m)
{
    const struct dwarf_unit *units;
    struct dwarf *dw = code_dwarf(m);
    size_t n = dw ? dwarf_units(dw, &units) : 0;
    for (size_t i = 0; i < n; i++)
        if (units[i].has_lines)
            TRY(lines_of_unit(l, &units[i]));
    for (uint32_t i = 0; !dw && i < m->pcln.nfunc; i++) {
        struct pcln_func of;
        struct code_func f;
        if (pcln_func_at(&m->pcln, i, &of) && code_func_at(c, of.entry, &f))
            lines_of_func(l, c, &f);
    }
    return NULL;
}

static int by_number(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return x < y ? -1 : x > y;
}

struct err *place_lines(struct code *c, const char *path, unsigned first, unsigned last,
                        const struct place_from *from, struct arena *a, unsigned **ret,
                        size_t *ret_n)
{
    struct place_search s = {.c = c, .from = from, .a = a, .note = ""};
    struct line_search k = {.s = &s, .path = mapped(&s, path), .line = first};
    struct lines l = {.first = first, .last = last};
    struct code_module *const *modules;
    size_t n = code_modules(c, &modules), kept = 0;
    struct err *e = by_components(&k);
    if (!e && k.v.n)
        e = one_file(&k, &l.file);
    for (size_t i = 0; !e && l.file && i < n; i++)
        e = lines_of_module(&l, c, modules[i]);
    *ret = arena_array(a, unsigned, l.v.n + 1);
    if (l.v.n)
        qsort(l.v.v, l.v.n, sizeof(*l.v.v), by_number);
    for (size_t i = 0; i < l.v.n; i++)
        if (!i || l.v.v[i] != l.v.v[i - 1])
            (*ret)[kept++] = l.v.v[i];
    *ret_n = kept;
    vec_free(&l.v);
    vec_free(&k.v);
    vec_free(&s.found);
    return e;
}

struct err *place_in_func(struct place_search *s, const char *name, unsigned offset)
{
    const char *whole;
    struct code_func f;
    size_t at = 0;
    TRY(place_one_func(s, name, &whole));
    if (!code_func_named(s->c, whole, &at, &f))
        return err_new(ERR_NOT_FOUND, "%s: it is inlined wherever it is called; say FILE:LINE",
                       whole);
    const struct code_line *l = code_line_at(s->c, &f, f.f.entry);
    if (!l || !*l->file)
        return err_new(ERR_NOT_FOUND, "%s: its lines are not known", whole);
    int32_t start = f.f.start_line > 0 ? f.f.start_line : l->line;
    return place_of_line(s, l->file, (unsigned)start + offset);
}

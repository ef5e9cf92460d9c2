/* place.c - reading a location spec; see place.h. */
#include <stdlib.h>
#include <string.h>

#include "dbg/place_int.h"

static struct err *parse_number(const char *text, int base, const char *what, uint64_t *ret)
{
    char *end;
    *ret = strtoull(text, &end, base);
    if (!*text || *end || text[0] == '-' || text[0] == '+' || text[0] == ' ')
        return err_new(ERR_USAGE, "\"%s\" is not %s", text, what);
    return NULL;
}

static struct err *of_address(struct place_search *s, const char *text)
{
    uint64_t addr;
    struct code_func f;
    TRY(parse_number(text, 0, "an address", &addr));
    if (code_func_at(s->c, addr, &f)) {
        place_add(s, &f, addr);
        return NULL;
    }
    struct place p = {.pc = addr, .func = "", .file = ""};
    vec_push(&s->found, p);
    return NULL;
}

static struct err *of_line_here(struct place_search *s, const char *text)
{
    uint64_t n;
    bool relative = text[0] == '+' || text[0] == '-';
    TRY(parse_number(text + relative, 10, "a number of lines", &n));
    if (!s->from || !s->from->file || !*s->from->file)
        return err_hint(err_new(ERR_USAGE, "line %s: no file is being looked at", text),
                        "say FILE:LINE");
    uint64_t line = !relative        ? n
                    : text[0] == '+' ? s->from->line + n
                                     : (n < s->from->line ? s->from->line - n : 0);
    if (line == 0 || line > INT32_MAX)
        return err_new(ERR_USAGE, "%s: there is no such line", text);
    return place_of_line(s, s->from->file, (unsigned)line);
}

/* file:12 and func:3 look alike: what ends like a source file is one. */
static bool is_file(const char *name)
{
    static const char *const endings[] = {".go", ".s", ".c", ".cc", ".cpp", ".h", ".y"};
    size_t n = strlen(name);
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        size_t k = strlen(endings[i]);
        if (n > k && strcmp(name + n - k, endings[i]) == 0)
            return true;
    }
    return name[0] == '/';
}

static struct err *of_name_and_line(struct place_search *s, const char *spec, const char *colon)
{
    uint64_t line;
    char *name = arena_strndup(s->a, spec, (size_t)(colon - spec));
    TRY(parse_number(colon + 1, 10, "a line", &line));
    if (!*name || line > INT32_MAX)
        return err_new(ERR_USAGE, "%s: not FILE:LINE or FUNCTION:LINES", spec);
    if (is_file(name))
        return line ? place_of_line(s, name, (unsigned)line)
                    : err_new(ERR_USAGE, "%s: lines count from 1", spec);
    return place_in_func(s, name, (unsigned)line);
}

bool place_is_pattern(const char *spec)
{
    size_t n = strlen(spec);
    return n > 2 && spec[0] == '/' && spec[n - 1] == '/';
}

static struct err *find(struct place_search *s, const char *spec)
{
    const char *colon = strrchr(spec, ':');
    if (!*spec)
        return err_new(ERR_USAGE, "no place is given");
    if (place_is_pattern(spec))
        return place_of_pattern(s, arena_strndup(s->a, spec + 1, strlen(spec) - 2));
    if (spec[0] == '*')
        return of_address(s, spec + 1);
    if (spec[0] == '+' || spec[0] == '-' || strspn(spec, "0123456789") == strlen(spec))
        return of_line_here(s, spec);
    if (colon && colon[1] >= '0' && colon[1] <= '9')
        return of_name_and_line(s, spec, colon);
    return place_of_func(s, spec);
}

void place_add(struct place_search *s, const struct code_func *f, taddr pc)
{
    const struct code_line *l = code_line_at(s->c, f, pc);
    struct pcln_frame frames[CODE_DEPTH];
    size_t n = pcln_frames(&f->m->pcln, &f->f, pc, frames, CODE_DEPTH);
    struct place p = {.pc = pc,
                      .entry = f->f.entry,
                      .func = n ? frames[0].func : f->f.name,
                      .file = l ? l->file : "",
                      .line = l && l->line > 0 ? (unsigned)l->line : 0,
                      .inlined = n > 1};
    vec_push(&s->found, p);
}

static int by_pc(const void *va, const void *vb)
{
    const struct place *a = va, *b = vb;
    return a->pc < b->pc ? -1 : a->pc > b->pc;
}

struct err *place_find(struct code *c, const char *spec, const struct place_from *from,
                       struct arena *a, struct places *ret)
{
    struct place_search s = {.c = c, .from = from, .a = a, .note = ""};
    struct err *e = find(&s, spec);
    *ret = (struct places){.note = s.note};
    if (!e && s.found.n) {
        qsort(s.found.v, s.found.n, sizeof(*s.found.v), by_pc);
        ret->v = arena_array(a, struct place, s.found.n);
        for (size_t i = 0; i < s.found.n; i++)
            if (!ret->n || ret->v[ret->n - 1].pc != s.found.v[i].pc)
                ret->v[ret->n++] = s.found.v[i];
    }
    vec_free(&s.found);
    return e;
}

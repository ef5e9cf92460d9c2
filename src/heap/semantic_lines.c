/* semantic_lines.c - which line of the earlier build a line of a later one is; see sites_int.h.
 *
 * Programs are compared after they were built again.  A line added on top of a file moves every
 * line below it, though nothing changed there.  Functions keep their names, so lines are aligned
 * function by function: of all distances between a line of the one and a line of the other, the one
 * at which most lines meet (the shortest of several).  Where a function itself was edited, the
 * lines that moved otherwise are then new sites.
 *
 * Functions are told apart by a hash of 64 bits: a collision would only align them as one. */
#include <stdlib.h>
#include <string.h>

#include "heap/heap_int.h"
#include "heap/sites_int.h"

enum { LINES_MAX = 48 }; /* of a function that are looked at */

struct line_of {
    uint64_t func; /* hash of its name */
    uint32_t line;
    bool later;
};

static uint64_t func_hash(const struct snap *s, uint32_t frame)
{
    const char *func = snap_str(s, s->frame.func[frame]);
    return hash_bytes(func, strlen(func));
}

static int by_function(const void *pa, const void *pb)
{
    const struct line_of *a = pa, *b = pb;
    if (a->func != b->func)
        return a->func < b->func ? -1 : 1;
    if (a->later != b->later)
        return a->later ? 1 : -1;
    return a->line < b->line ? -1 : a->line > b->line;
}

/* The lines of one function, ascending, each once. */
struct lines {
    uint32_t v[LINES_MAX];
    size_t n;
};

static void add_line(struct lines *l, uint32_t line)
{
    if (line && l->n < LINES_MAX && (!l->n || l->v[l->n - 1] != line))
        l->v[l->n++] = line;
}

static size_t meetings(const struct lines *a, const struct lines *b, int64_t shift)
{
    size_t n = 0;
    for (size_t i = 0, k = 0; i < a->n && k < b->n;) {
        int64_t x = a->v[i], y = (int64_t)b->v[k] - shift;
        n += x == y;
        i += x <= y;
        k += y <= x;
    }
    return n;
}

static int64_t best_shift(const struct lines *a, const struct lines *b)
{
    int64_t best = 0;
    size_t most = meetings(a, b, 0);
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < b->n; k++) {
            int64_t shift = (int64_t)b->v[k] - a->v[i];
            size_t n = meetings(a, b, shift);
            if (n > most || (n == most && llabs(shift) < llabs(best))) {
                best = shift;
                most = n;
            }
        }
    return best;
}

static void collect(const struct snap *s, bool later, struct line_of *v)
{
    for (uint32_t i = 0; i < s->frame.n; i++)
        v[i] = (struct line_of){func_hash(s, i), s->frame.line[i], later};
}

/* Shifts of the functions that are in both, as function -> number in *shifts. */
static void find_shifts(const struct line_of *v, size_t n, struct map *number, int64_t *shifts)
{
    uint32_t found = 0;
    for (size_t i = 0, end; i < n; i = end) {
        struct lines a = {.n = 0}, b = {.n = 0};
        for (end = i; end < n && v[end].func == v[i].func; end++)
            add_line(v[end].later ? &b : &a, v[end].line);
        int64_t shift = a.n && b.n ? best_shift(&a, &b) : 0;
        if (!shift)
            continue;
        shifts[found] = shift;
        map_put(number, v[i].func, found++);
    }
}

static bool one_build(const struct snap *a, const struct snap *b)
{
    const char *x = snap_meta(a, SNAP_META_build_id), *y = snap_meta(b, SNAP_META_build_id);
    return !x || !y || strcmp(x, y) == 0;
}

static struct err *align(const struct snap *a, const struct snap *b, uint32_t *lines)
{
    size_t n = (size_t)a->frame.n + b->frame.n;
    struct line_of *v;
    int64_t *shifts;
    struct map number = {0};
    TRY(heap_array(n, sizeof(*v), "lines of functions", &v));
    struct err *e = heap_array(n, sizeof(*shifts), "lines of functions", &shifts);
    if (e) {
        free(v);
        return e;
    }
    collect(a, false, v);
    collect(b, true, v + a->frame.n);
    qsort(v, n, sizeof(*v), by_function);
    find_shifts(v, n, &number, shifts);
    for (uint32_t i = 0; i < b->frame.n; i++) {
        uint32_t k = lines[i] ? map_get(&number, func_hash(b, i)) : MAP_NONE;
        if (k != MAP_NONE) /* before the first line it wraps, and meets none */
            lines[i] = (uint32_t)((int64_t)lines[i] - shifts[k]);
    }
    map_free(&number);
    free(v);
    free(shifts);
    return NULL;
}

struct err *heap_lines_as_of(const struct snap *a, const struct snap *b, uint32_t **ret)
{
    uint32_t *lines;
    TRY(heap_array(b->frame.n, sizeof(*lines), "lines of functions", &lines));
    if (b->frame.n)
        memcpy(lines, b->frame.line, b->frame.n * sizeof(*lines));
    struct err *e = one_build(a, b) ? NULL : align(a, b, lines);
    if (e) {
        free(lines);
        return e;
    }
    *ret = lines;
    return NULL;
}

/* value_typed.c - values with their types, in the form that users of Go's debuggers know:
 *
 *     main.point {X: 1, Y: 2}                       []string len: 2, cap: 4, ["a","b"]
 *     *main.point {X: 1, Y: 2}                      (*main.point)(0xc000012080)
 *     map[string]int ["a": 1, ]                     error(*errors.errorString) *{s: "e"}
 *     chan int 1/3                                  main.main.func1
 *
 * The form, and what is left out at which depth, is that of github.com/go-delve/delve
 * (service/api/prettyprint.go, pkg/proc/variables.go loadValueInternal; only the form was taken).
 * limits.depth counts structs, arrays and maps in one another from 0 on; pointers do not count.  A
 * type of the standard library whose fields say little shows as TYPE(meaning): value_pretty.c. */
#include "rt/value_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

typedef unsigned long long ull;

enum { BUCKETS_MAX = 64 << 10, NESTED_MAX = 64 };

static const char *name_of(struct printer *p, uint64_t type)
{
    const char *name = value_type_name(p->v, type);
    return *name ? name : "?";
}

static void put_type(struct printer *p, uint64_t type, const char *behind)
{
    if (!p->bare)
        buf_printf(p->b, "%s%s", name_of(p, type), behind);
}

/* A part; bare: its type was said. */
static void inner(struct printer *p, uint64_t type, struct view x, bool bare)
{
    bool was_bare = p->bare, was_top = p->top;
    p->bare = bare;
    p->top = false;
    value_any(p, type, x);
    p->bare = was_bare;
    p->top = was_top;
}

/* A path with a slash is quoted, so that the text is an expression. */
static void put_address(struct printer *p, const char *stars, uint64_t type, taddr addr)
{
    const char *name = name_of(p, type), *q = strchr(name, '/') ? "\"" : "";
    buf_printf(p->b, "(%s%s%s%s)(0x%llx)", q, stars, name, q, (ull)addr);
}

static void put_more(struct printer *p, uint64_t shown, uint64_t count)
{
    if (count > shown)
        buf_printf(p->b, "%s...+%llu more", shown ? "," : "", (ull)(count - shown));
}

/* ---- arrays, slices, maps, structs ---- */

static void put_elements(struct printer *p, uint64_t elem, struct view x, uint64_t count)
{
    int64_t size = value_type_size(p->v, elem);
    uint64_t shown = min_u64(count, p->l->elements);
    buf_char(p->b, '[');
    if (count && size < 0) {
        buf_str(p->b, "(unreadable)]");
        return;
    }
    if (p->depth >= NESTED_MAX)
        shown = 0;
    if (size > 0 && size < VALUE_READ_MAX && !x.p)
        x = value_at(p, x.addr, (size_t)size * min_u64(shown, VALUE_READ_MAX / (uint64_t)size));
    p->depth++;
    for (uint64_t i = 0; i < shown; i++) {
        buf_str(p->b, i ? "," : "");
        if (!value_room(p)) {
            shown = i;
            break;
        }
        inner(p, elem, value_part(x, i * (uint64_t)size, (size_t)size), true);
    }
    p->depth--;
    put_more(p, shown, count);
    buf_char(p->b, ']');
}

static void put_slice(struct printer *p, uint64_t type, const struct dwarf_type *t, struct view x)
{
    uint64_t ptr = 0, len, cap = 0;
    if (!value_word(p, x, 8, &len))
        return;
    bool has_ptr = value_peek(p, x, 0, &ptr, 8);
    p->shown++;
    if (!p->bare) {
        buf_printf(p->b, "%s len: %llu, cap: ", name_of(p, type), (ull)len);
        if (value_peek(p, x, 16, &cap, 8))
            buf_printf(p->b, "%llu, ", (ull)cap);
        else
            buf_str(p->b, "?, ");
    }
    if (has_ptr && !ptr && !len)
        buf_str(p->b, "nil");
    else if (has_ptr)
        put_elements(p, t->elem, (struct view){.addr = ptr}, len);
    else
        buf_str(p->b, "(optimized out)");
}

struct map_put {
    struct printer *p;
    const struct dwarf_type *map;
    uint64_t shown;
};

static bool put_entry(void *arg, const struct map_entry *e)
{
    struct map_put *m = arg;
    struct printer *p = m->p;
    struct view k = e->k, v = e->v;
    if (m->shown >= p->l->elements || !value_room(p))
        return false;
    m->shown++;
    if (value_cell(p, m->map->key, e->key, &k))
        inner(p, m->map->key, k, true);
    else
        value_unreadable(p);
    buf_str(p->b, ": ");
    if (value_cell(p, m->map->elem, e->elem, &v))
        inner(p, m->map->elem, v, true);
    else
        value_unreadable(p);
    buf_str(p->b, ", ");
    return true;
}

static void put_map(struct printer *p, uint64_t type, const struct dwarf_type *t, struct view x)
{
    struct map_put m = {.p = p, .map = t};
    uint64_t addr, total = 0;
    if (!value_word(p, x, 0, &addr))
        return;
    p->shown++;
    put_type(p, type, " ");
    if (!addr) {
        buf_str(p->b, "nil");
        return;
    }
    if (!value_map_walk(p, t, addr, 0, NULL, NULL, &total)) {
        value_unreadable(p);
        return;
    }
    buf_char(p->b, '[');
    if (p->depth > p->l->depth) {
        buf_str(p->b, total ? "..." : "");
    } else {
        p->depth++;
        value_map_walk(p, t, addr, BUCKETS_MAX, put_entry, &m, &total);
        p->depth--;
        if (total > m.shown)
            buf_printf(p->b, "...+%llu more", (ull)(total - m.shown));
    }
    buf_char(p->b, ']');
}

/* TYPE(meaning), where a type has one; {parts} behind it when a user's printer names some.  Why
 * that printer failed goes to `trouble`. */
static bool put_pretty(struct printer *p, uint64_t type, struct view x, struct buf *trouble)
{
    struct buf pretty = {0}, parts = {0};
    p->parts = p->depth > p->l->depth ? NULL : &parts;
    p->trouble = trouble;
    bool ok = value_pretty_any(p, type, x, &pretty);
    p->parts = p->trouble = NULL;
    if (ok)
        buf_printf(p->b, "%s(%s)", name_of(p, type), buf_text(&pretty));
    if (ok && parts.n)
        buf_printf(p->b, " {%s}", buf_text(&parts));
    p->shown += ok;
    buf_free(&pretty);
    buf_free(&parts);
    return ok;
}

static void put_struct(struct printer *p, uint64_t type, const struct dwarf_type *t, struct view x)
{
    bool bare = p->bare;
    if (p->depth > p->l->depth && t->nmembers) {
        p->shown++;
        if (x.addr)
            put_address(p, "*", type, x.addr);
        else
            buf_printf(p->b, "%s {...}", name_of(p, type));
        return;
    }
    put_type(p, type, " ");
    if (!t->nmembers)
        p->shown++;
    buf_char(p->b, '{');
    p->depth++;
    p->bare = false;
    bool top = p->top;
    p->top = false;
    size_t most = p->l->fields ? p->l->fields : t->nmembers, i = 0;
    for (; i < t->nmembers && i < most; i++) {
        buf_str(p->b, i ? ", " : "");
        if (!value_room(p))
            break;
        value_member(p, &t->members[i], x);
    }
    p->top = top;
    p->bare = bare;
    p->depth--;
    if (i < t->nmembers)
        buf_printf(p->b, "%s...+%zu more", i ? "," : "", t->nmembers - i);
    buf_char(p->b, '}');
}

/* ---- what refers to something ---- */

static bool is_go(const struct dwarf_type *t)
{
    return t->unit->language == DW_LANG_Go;
}

static void put_pointer(struct printer *p, uint64_t type, const struct dwarf_type *t, struct view x)
{
    const struct dwarf_type *to = value_strip(p, t->elem);
    uint64_t addr;
    if (!is_go(t)) { /* C's: as reports show them */
        value_pointer(p, t, x);
        return;
    }
    if (!value_word(p, x, 0, &addr))
        return;
    p->shown++;
    if (!to || to->kind == DWARF_KIND_VOID) {
        buf_printf(p->b, addr ? "unsafe.Pointer(0x%llx)" : "unsafe.Pointer(nil)", (ull)addr);
        return;
    }
    if (!addr) {
        put_type(p, type, " ");
        buf_str(p->b, "nil");
        return;
    }
    bool deeper = to->kind == DWARF_KIND_INTERFACE || to->kind == DWARF_KIND_POINTER;
    if (!p->l->pointers || p->pointers >= NESTED_MAX || (deeper && p->depth > p->l->depth)) {
        put_address(p, "", type, addr);
        return;
    }
    int64_t size = dwarf_type_size(p->v->dw, to);
    bool top = p->top;
    p->top = false;
    p->depth += deeper;
    p->pointers++;
    buf_char(p->b, '*');
    value_any(p, t->elem, value_at(p, addr, size > 0 ? (size_t)size : 0));
    p->pointers--;
    p->depth -= deeper;
    p->top = top;
}

static void put_chan(struct printer *p, uint64_t type, struct view x)
{
    struct value v = {.type = type, .addr = x.addr, .bytes = x.p, .n = x.n, .known = x.known};
    struct value_chan c;
    uint64_t addr;
    if (!value_word(p, x, 0, &addr))
        return;
    p->shown++;
    buf_printf(p->b, "%s ", name_of(p, type));
    if (!addr)
        buf_str(p->b, "nil");
    else if (value_chan_of(p->v, &v, &c))
        buf_printf(p->b, "%llu/%llu%s", (ull)c.len, (ull)c.cap, c.closed ? " (closed)" : "");
    else
        value_unreadable(p);
}

static void put_interface(struct printer *p, uint64_t type, struct view x)
{
    struct value v = {.type = type, .addr = x.addr, .bytes = x.p, .n = x.n, .known = x.known};
    struct value held;
    const char *name;
    uint64_t word;
    bool bare = p->bare;
    if (!value_word(p, x, 0, &word))
        return;
    p->shown++;
    if (!word || !value_dynamic(p->v, &v, &held, &name)) {
        put_type(p, type, " ");
        buf_str(p->b, word ? "(unreadable)" : "nil");
        return;
    }
    if (!bare)
        buf_printf(p->b, "%s(%s) ", name_of(p, type), *name ? name : "?");
    if (held.type == DWARF_NO_ID) {
        buf_printf(p->b, "at 0x%llx", (ull)held.addr);
        return;
    }
    if (p->depth > p->l->depth && x.addr) {
        const char *q = strchr(name_of(p, type), '/') ? "\"" : "";
        buf_printf(p->b, "*(*%s%s%s)(0x%llx)", q, name_of(p, type), q, (ull)x.addr);
        return;
    }
    int64_t size = value_type_size(p->v, held.type);
    struct view in =
        held.bytes
            ? (struct view){.p = held.bytes, .n = held.n, .addr = held.addr, .known = held.known}
            : value_at(p, held.addr, size > 0 ? (size_t)size : 0);
    if (++p->pointers < NESTED_MAX)
        inner(p, held.type, in, !bare);
    else
        buf_str(p->b, "...");
    p->pointers--;
}

static void put_func(struct printer *p, const struct dwarf_type *t, struct view x)
{
    value_func(p, t, x);
}

/* ---- numbers and texts ---- */

/* All digits, never an exponent. */
static void put_double(struct buf *b, double d, bool single)
{
    char text[400];
    if (isnan(d) || isinf(d)) {
        buf_str(b, isnan(d) ? "NaN" : d > 0 ? "+Inf" : "-Inf");
        return;
    }
    for (int digits = 0; digits < 340; digits++) {
        snprintf(text, sizeof(text), "%.*f", digits, d);
        double back = strtod(text, NULL);
        if (single ? (float)back == (float)d : back == d)
            break;
    }
    buf_str(b, text);
}

static void put_float(struct printer *p, const struct dwarf_type *t, struct view x)
{
    int64_t size = dwarf_type_size(p->v->dw, t);
    size_t part = t->kind == DWARF_KIND_COMPLEX ? (size_t)size / 2 : (size_t)size;
    double d[2] = {0};
    if (part != 4 && part != 8) {
        buf_printf(p->b, "(a number of %lld bytes)", (long long)size);
        return;
    }
    const uint8_t *at = value_bytes(p, x, 0, (size_t)size);
    if (!at)
        return;
    p->shown++;
    for (size_t i = 0; i < (size_t)size / part; i++) {
        float f;
        memcpy(part == 4 ? (void *)&f : (void *)&d[i], at + i * part, part);
        if (part == 4)
            d[i] = (double)f;
    }
    if (t->kind == DWARF_KIND_FLOAT) {
        put_double(p->b, d[0], part == 4);
        return;
    }
    buf_char(p->b, '(');
    put_double(p->b, d[0], part == 4);
    buf_str(p->b, " + ");
    put_double(p->b, d[1], part == 4);
    buf_str(p->b, "i)");
}

/* Piece by piece; NULL: not readable, and the text says so. */
static const uint8_t *text_bytes_of(struct printer *p, taddr at, size_t n)
{
    if (n <= VALUE_READ_MAX)
        return n ? value_bytes(p, (struct view){.addr = at}, 0, n) : (const uint8_t *)"";
    uint8_t *all = arena_alloc(&p->v->arena, n + 1);
    for (size_t got = 0; got < n; got += VALUE_READ_MAX) {
        size_t piece = min_u64(n - got, VALUE_READ_MAX);
        const uint8_t *from = value_bytes(p, (struct view){.addr = at}, got, piece);
        if (!from)
            return NULL;
        memcpy(all + got, from, piece);
    }
    return all;
}

static void put_string(struct printer *p, struct view x)
{
    uint64_t ptr, len;
    if (!value_word(p, x, 0, &ptr) || !value_word(p, x, 8, &len))
        return;
    size_t n = min_u64(len, p->l->text);
    const uint8_t *at = text_bytes_of(p, ptr, n);
    if (!at)
        return;
    p->shown++;
    if (len > n)
        n = text_whole((const char *)at, n);
    value_quoted(p, (const char *)at, n, n);
    if (len > n) {
        buf_cut(p->b, p->b->n - 1);
        buf_printf(p->b, "...+%llu more\"", (ull)(len - n));
    }
}

static void put_as_usual(struct printer *p, uint64_t type, const struct dwarf_type *t,
                         struct view x)
{
    switch (t->kind) {
    case DWARF_KIND_BOOL:
        value_bool(p, x);
        break;
    case DWARF_KIND_INT:
    case DWARF_KIND_UINT:
    case DWARF_KIND_CHAR:
        value_int(p, t, type, x);
        break;
    case DWARF_KIND_ENUM:
        value_enum(p, t, x);
        break;
    case DWARF_KIND_FLOAT:
    case DWARF_KIND_COMPLEX:
        put_float(p, t, x);
        break;
    case DWARF_KIND_STRING:
        put_string(p, x);
        break;
    case DWARF_KIND_POINTER:
        put_pointer(p, type, t, x);
        break;
    case DWARF_KIND_STRUCT:
    case DWARF_KIND_UNION:
        put_struct(p, type, t, x);
        break;
    case DWARF_KIND_ARRAY:
        p->shown++;
        put_type(p, type, " ");
        put_elements(p, t->elem, x, t->count < 0 ? 0 : (uint64_t)t->count);
        break;
    case DWARF_KIND_SLICE:
        put_slice(p, type, t, x);
        break;
    case DWARF_KIND_MAP:
        put_map(p, type, t, x);
        break;
    case DWARF_KIND_CHAN:
        put_chan(p, type, x);
        break;
    case DWARF_KIND_FUNC:
        put_func(p, t, x);
        break;
    case DWARF_KIND_INTERFACE:
        put_interface(p, type, x);
        break;
    default:
        value_unreadable(p);
    }
}

void value_typed(struct printer *p, uint64_t type, struct view x)
{
    struct buf trouble = {0};
    if (!put_pretty(p, type, x, &trouble))
        put_as_usual(p, type, value_strip(p, type), x);
    if (trouble.n)
        buf_printf(p->b, " (printer: %s)", buf_text(&trouble));
    buf_free(&trouble);
}

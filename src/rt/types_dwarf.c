/* types_dwarf.c - types of variables that the program has no abi.Type for.
 *
 * The linker drops descriptors that no value is ever converted to an interface with, or allocated
 * by; variables of such types are in DWARF alone (attribute go_runtime_type is missing).  They get
 * entries of their own, with addr 0; what they consist of is looked up the same way, so that flow
 * from a variable reaches the runtime's own descriptors where there are any.
 *
 * Names in DWARF have import paths (net/http.Server), those of reflect package names (http.Server):
 * ours are reflect's. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "rt/types_int.h"

static uint8_t go_kind(struct dwarf *dw, const struct dwarf_type *t)
{
    static const uint8_t kinds[] = {
        [DWARF_KIND_POINTER] = GO_KIND_POINTER,
        [DWARF_KIND_STRUCT] = GO_KIND_STRUCT,
        [DWARF_KIND_ARRAY] = GO_KIND_ARRAY,
        [DWARF_KIND_FUNC] = GO_KIND_FUNC,
        [DWARF_KIND_STRING] = GO_KIND_STRING,
        [DWARF_KIND_SLICE] = GO_KIND_SLICE,
        [DWARF_KIND_MAP] = GO_KIND_MAP,
        [DWARF_KIND_CHAN] = GO_KIND_CHAN,
        [DWARF_KIND_INTERFACE] = GO_KIND_INTERFACE,
    };
    if (t->kind == DWARF_KIND_POINTER && t->elem == DWARF_NO_ID)
        return GO_KIND_UNSAFE_POINTER;
    return t->kind < ARRAY_LEN(kinds) && kinds[t->kind] ? kinds[t->kind] : t->go_kind;
}

/* ---- names ---- */

static bool in_path(char c)
{
    return isalnum((unsigned char)c) || strchr("_./~-+@%", c) || (unsigned char)c >= 0x80;
}

/* Appends a qualified name, without the directories of its import path; %2e is a dot. */
static void put_short(const char *s, size_t n, struct buf *b)
{
    size_t from = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i] == '/')
            from = i + 1;
    for (size_t i = from; i < n; i++) {
        unsigned code;
        if (s[i] == '%' && i + 2 < n && sscanf(s + i + 1, "%2x", &code) == 1) {
            buf_char(b, (char)code);
            i += 2;
        } else {
            buf_char(b, s[i]);
        }
    }
}

/* Bytes of the type arguments that begin here, brackets included. */
static size_t brackets(const char *s)
{
    size_t depth = 0, i = 0;
    for (; s[i]; i++) {
        depth += s[i] == '[';
        if (s[i] == ']' && --depth == 0)
            return i + 1;
    }
    return i;
}

static void put_reflect_name(const char *s, struct buf *b)
{
    while (*s) {
        size_t n = 0;
        while (s[n] && in_path(s[n]))
            n++;
        put_short(s, n, b);
        bool arguments = n && s[n] == '[' && !(n == 3 && memcmp(s, "map", 3) == 0);
        size_t more = arguments ? brackets(s + n) : s[n] ? 1 : 0;
        buf_add(b, s + n, more);
        s += n + more;
    }
}

/* The import path a named type's name begins with. */
void types_dwarf_package(const char *name, struct buf *b)
{
    const char *dot = NULL;
    for (const char *p = name; *p && in_path(*p); p++) {
        if (*p == '.' && !dot)
            dot = p;
        if (*p == '/')
            dot = NULL;
    }
    for (const char *p = name; dot && p < dot; p++) {
        unsigned code;
        if (*p == '%' && sscanf(p + 1, "%2x", &code) == 1) {
            buf_char(b, (char)code);
            p += 2;
        } else {
            buf_char(b, *p);
        }
    }
}

/* ---- entries ---- */

static bool stripped(struct dwarf *dw, uint64_t die, const struct dwarf_type **named,
                     const struct dwarf_type **ret)
{
    struct err *e = dwarf_type(dw, die, named);
    if (!e)
        e = dwarf_type_strip(dw, die, ret);
    err_free(e);
    return !e;
}

/* t: what a named type is; of a struct that has the name, too, and alone says where its abi.Type
 * is.
 */
static uint32_t runtime_type(struct rt_types *ty, const struct dwarf_type *named,
                             const struct dwarf_type *t)
{
    if (named->has_runtime_type || strcmp(named->name, t->name) != 0)
        t = named;
    if (!t->has_runtime_type || !ty->rt->nmodules)
        return SNAP_NONE;
    return types_at(ty, rt_type_address(ty->rt, t));
}

static uint32_t new_type(struct rt_types *ty, const struct dwarf_type *named,
                         const struct dwarf_type *t, uint64_t die)
{
    int64_t size = dwarf_type_size(ty->dw, t);
    uint8_t kind = go_kind(ty->dw, t);
    struct type_entry *e =
        kind && size >= 0 && (uint64_t)size <= TYPES_SIZE_MAX ? types_new_entry(ty) : NULL;
    if (!e)
        return SNAP_NONE;
    struct buf name = {0};
    put_reflect_name(*named->name ? named->name : t->name, &name);
    e->info.size = (uint64_t)size;
    e->info.kind = kind;
    e->name = intern_addn(&ty->names, buf_text(&name), name.n);
    e->die = die;
    e->has_die = true;
    buf_free(&name);
    return types_publish(ty);
}

uint32_t types_of_dwarf(struct rt_types *ty, struct dwarf *dw, uint64_t die)
{
    const struct dwarf_type *named, *t;
    if (die == DWARF_NO_ID)
        return SNAP_NONE;
    ty->dw = dw; /* any of the program's and its plugins': ids are of all */
    uint32_t type = map_get(&ty->by_die, die);
    if (type != MAP_NONE)
        return type == TYPES_MAX ? SNAP_NONE : type;
    if (!stripped(dw, die, &named, &t))
        return SNAP_NONE;
    /* in generic functions: a name of the dictionary's, of the type's shape */
    type = named->has_dict_index && named->elem != die ? types_of_dwarf(ty, dw, named->elem)
                                                       : runtime_type(ty, named, t);
    if (type == SNAP_NONE)
        type = new_type(ty, named, t, die);
    map_put(&ty->by_die, die, type == SNAP_NONE ? TYPES_MAX : type);
    return type;
}

void types_link_dwarf(struct rt_types *ty, struct type_entry *e)
{
    const struct dwarf_type *named, *t;
    if (!stripped(ty->dw, e->die, &named, &t)) {
        types_gap(ty, TYPES_GAP_LINK);
        return;
    }
    e->elem = types_of_dwarf(ty, ty->dw, t->elem);
    e->key = types_of_dwarf(ty, ty->dw, t->key);
    e->count = t->count > 0 ? (uint64_t)t->count : 0;
    if (e->info.kind != GO_KIND_STRUCT)
        return;
    e->field = (uint32_t)ty->fields.n;
    for (size_t i = 0; i < t->nmembers && i < TYPES_FIELDS_MAX; i++) {
        const struct dwarf_member *m = &t->members[i];
        struct type_field f = {.name = intern_add(&ty->names, m->name),
                               .offset = m->off,
                               .type = types_of_dwarf(ty, ty->dw, m->type)};
        if (m->bit_size || m->computed || m->off > e->info.size)
            continue;
        vec_push(&ty->fields, f);
        e->fields++;
    }
}

/* ---- their pointers ---- */

static uint64_t last_pointer(const struct rt_types *ty, const struct type_entry *e, unsigned depth)
{
    static const uint8_t bytes[] = {
        [GO_KIND_CHAN] = 8,   [GO_KIND_FUNC] = 8,           [GO_KIND_INTERFACE] = 16,
        [GO_KIND_MAP] = 8,    [GO_KIND_POINTER] = 8,        [GO_KIND_SLICE] = 8,
        [GO_KIND_STRING] = 8, [GO_KIND_UNSAFE_POINTER] = 8,
    };
    uint64_t last = 0;
    if (!e->has_die || depth >= TYPES_DEPTH_MAX)
        return e->info.ptr_bytes;
    if (e->info.kind == GO_KIND_ARRAY && e->elem != SNAP_NONE && e->count) {
        const struct type_entry *elem = types_entry(ty, e->elem);
        uint64_t inner = last_pointer(ty, elem, depth + 1);
        return inner && elem->info.size ? (e->count - 1) * elem->info.size + inner : 0;
    }
    for (uint32_t i = 0; e->info.kind == GO_KIND_STRUCT && i < e->fields; i++) {
        const struct type_field *f = &ty->fields.v[e->field + i];
        uint64_t inner =
            f->type == SNAP_NONE ? 0 : last_pointer(ty, types_entry(ty, f->type), depth + 1);
        last = inner ? max_u64(last, f->offset + inner) : last;
    }
    return e->info.kind < ARRAY_LEN(bytes) && bytes[e->info.kind] ? bytes[e->info.kind] : last;
}

void types_measure_dwarf(struct rt_types *ty, uint32_t from)
{
    for (uint32_t i = from; i < ty->n; i++) {
        struct type_entry *e = types_entry(ty, i);
        if (e->has_die)
            e->info.ptr_bytes = min_u64(last_pointer(ty, e, 0), e->info.size);
    }
}

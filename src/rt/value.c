/* value.c - values as text: which kind is printed how, and the bounds; see value.h.
 *
 * Go: the kinds of values are those of DWARF as image/dwarf_type.h decodes it (1.18-1.27).
 *
 * A value is a view: bytes that are there already, with their address when they have one.  Parts of
 * it are views into it, so a struct is one read.  Bytes that are not there are read from the
 * address and counted; when the count is used up the rest shows as "…", so that a damaged or
 * hostile process costs no more than an honest one. */
#include "rt/value_int.h"

#include <stdlib.h>

#include "image/dwarf_index.h"

const struct value_limits value_limits_typed = {.depth = 1,
                                                .pointers = 1,
                                                .elements = 64,
                                                .text = 64,
                                                .width = 64 << 10,
                                                .reads = 4096,
                                                .style = VALUE_STYLE_TYPED};
const struct value_limits value_limits_short = {
    .depth = 4, .pointers = 1, .elements = 8, .text = 64, .width = 200, .reads = 64};

enum { MEMBERS_MAX = 64, ARENA_MAX = 256 << 10 };

struct err *values_open(struct rt *rt, struct target *t, struct values **ret)
{
    taddr slide;
    struct dwarf *dw = NULL;
    *ret = NULL;
    struct err *e = image_dwarf(rt->img, &dw);
    if (e && !(dw = rt_dwarf_at(rt, 0, &slide))) /* only a plugin may have it */
        return e;
    err_free(e);
    struct values *v = mem_alloc(sizeof(*v));
    v->rt = rt;
    v->t = t;
    v->dw = dw;
    v->cache = mem_alloc(CACHE_BLOCK * CACHE_BLOCKS);
    arena_init(&v->arena);
    arena_init(&v->types);
    *ret = v;
    return NULL;
}

void values_prepare(struct values *v)
{
    const struct dwarf_type *any;
    struct dwarf *dw;
    for (size_t i = 0; (dw = values_dwarf_at(v, i)); i++)
        err_free(dwarf_type_of_runtime(dw, UINT64_MAX, &any));
}

void values_set_target(struct values *v, struct target *t)
{
    v->t = t;
    values_forget(v);
}

void values_forget(struct values *v)
{
    memset(v->cached, 0, sizeof(v->cached));
}

void values_close(struct values *v)
{
    if (!v)
        return;
    map_free(&v->constants);
    vec_free(&v->constants_of);
    vec_free(&v->names);
    free(v->cache);
    vec_free(&v->made);
    arena_free(&v->types);
    arena_free(&v->arena);
    free(v);
}

void values_set_printers(struct values *v, const struct value_printers *p)
{
    v->printers = p;
}

const struct value_printers *values_printers(const struct values *v)
{
    return v->printers;
}

struct dwarf *values_dwarf(const struct values *v)
{
    return v->dw;
}

struct dwarf *values_dwarf_at(const struct values *v, size_t i)
{
    taddr slide;
    return rt_dwarf_at(v->rt, i, &slide);
}

/* ---- bytes ---- */

static struct err *read_block(struct values *v, taddr block, const uint8_t **ret)
{
    size_t i = block / CACHE_BLOCK % CACHE_BLOCKS;
    uint8_t *p = v->cache + i * CACHE_BLOCK;
    if (v->cached[i] != block + 1) {
        v->cached[i] = 0;
        TRY(target_read(v->t, block, p, CACHE_BLOCK));
        v->cached[i] = block + 1;
    }
    *ret = p;
    return NULL;
}

struct err *values_read(struct values *v, taddr addr, void *dst, size_t n)
{
    uint8_t *to = dst;
    while (n) {
        const uint8_t *p;
        size_t at = addr % CACHE_BLOCK, k = min_u64(n, CACHE_BLOCK - at);
        struct err *e = read_block(v, addr - at, &p);
        if (e) { /* the block may be there in part */
            err_free(e);
            TRY(target_read(v->t, addr, to, k));
        } else {
            memcpy(to, p + at, k);
        }
        addr += k;
        to += k;
        n -= k;
    }
    return NULL;
}

bool value_room(struct printer *p)
{
    if (p->b->n - p->start < p->l->width)
        return true;
    buf_str(p->b, "…");
    return false;
}

void value_unreadable(struct printer *p)
{
    p->unreadable++;
    buf_str(p->b, "(unreadable)");
}

static bool known(struct view x, size_t off, size_t n)
{
    for (size_t i = x.at + off; x.known && i < x.at + off + n; i++)
        if (!(x.known[i / 8] >> (i % 8) & 1))
            return false;
    return true;
}

static uint8_t *read_piece(struct printer *p, taddr addr, size_t n)
{
    if (!addr || p->reads >= p->l->reads || n > VALUE_READ_MAX)
        return NULL;
    p->reads++;
    uint8_t *dst = arena_alloc(&p->v->arena, n + 1);
    struct err *e = values_read(p->v, addr, dst, n);
    err_free(e);
    return e ? NULL : dst;
}

const uint8_t *value_bytes(struct printer *p, struct view x, size_t off, size_t n)
{
    const uint8_t *at = NULL;
    if (x.p && off <= x.n && n <= x.n - off) {
        if (known(x, off, n))
            return x.p + off;
        p->lost++;
        buf_str(p->b, "(optimized out)");
        return NULL;
    }
    if (x.addr && p->reads >= p->l->reads) {
        buf_str(p->b, "…");
        return NULL;
    }
    if (x.addr)
        at = read_piece(p, x.addr + off, n);
    if (!at)
        value_unreadable(p);
    return at;
}

bool value_peek(struct printer *p, struct view x, size_t off, void *dst, size_t n)
{
    const uint8_t *at = NULL;
    if (x.p && off <= x.n && n <= x.n - off)
        at = known(x, off, n) ? x.p + off : NULL;
    else if (x.addr)
        at = read_piece(p, x.addr + off, n);
    if (at)
        memcpy(dst, at, n);
    return at != NULL;
}

bool value_word(struct printer *p, struct view x, size_t off, uint64_t *ret)
{
    const uint8_t *at = value_bytes(p, x, off, 8);
    if (at)
        memcpy(ret, at, 8);
    return at != NULL;
}

struct view value_part(struct view x, size_t off, size_t n)
{
    struct view part = {.addr = x.addr ? x.addr + off : 0, .known = x.known, .at = x.at + off};
    if (x.p && off <= x.n) {
        part.p = x.p + off;
        part.n = min_u64(n, x.n - off);
        if (part.n < n && part.addr)
            part.p = NULL; /* the whole of it is read at once */
    }
    if (!part.p)
        part.known = NULL;
    return part;
}

struct view value_at(struct printer *p, taddr addr, size_t n)
{
    struct view x = {.addr = addr};
    if (n && n <= VALUE_READ_MAX) {
        x.p = read_piece(p, addr, n);
        x.n = x.p ? n : 0;
    }
    return x;
}

/* ---- what has parts ---- */

bool value_enter(struct printer *p, char open, char close)
{
    if (p->depth >= p->l->depth) {
        buf_printf(p->b, "%c…%c", open, close);
        return false;
    }
    p->depth++;
    buf_char(p->b, open);
    return true;
}

void value_elements(struct printer *p, uint64_t elem, struct view x, uint64_t count)
{
    const struct dwarf_type *t = value_strip(p, elem);
    int64_t size = t ? dwarf_type_size(p->v->dw, t) : -1;
    uint64_t shown = min_u64(count, p->l->elements);
    if (count && size < 0) {
        value_unreadable(p);
        return;
    }
    if (size > 0 && size < VALUE_READ_MAX && !x.p)
        x = value_at(p, x.addr, (size_t)size * min_u64(shown, VALUE_READ_MAX / (uint64_t)size));
    for (uint64_t i = 0; i < shown; i++) {
        buf_str(p->b, i ? ", " : "");
        if (!value_room(p))
            return;
        value_any(p, elem, value_part(x, i * (uint64_t)size, (size_t)size));
    }
    if (count > shown)
        buf_printf(p->b, ", …+%llu", (unsigned long long)(count - shown));
}

static void print_array(struct printer *p, const struct dwarf_type *t, struct view x)
{
    if (!value_enter(p, '[', ']'))
        return;
    if (t->count < 0)
        buf_str(p->b, "…");
    else
        value_elements(p, t->elem, x, (uint64_t)t->count);
    buf_char(p->b, ']');
    p->depth--;
}

/* As its type, not as bits: an enumeration shows its names. */
static void print_bits(struct printer *p, const struct dwarf_member *m, struct view x)
{
    struct value of = {.addr = x.addr, .bytes = x.p, .n = x.n};
    size_t n;
    uint8_t *at = arena_alloc(&p->v->arena, BIT_FIELD_BYTES);
    if (x.known || !value_bit_field(p->v, &of, m, at, &n))
        value_unreadable(p);
    else
        value_any(p, m->type, (struct view){.p = at, .n = n});
}

void value_member(struct printer *p, const struct dwarf_member *m, struct view x)
{
    const struct dwarf_type *t;
    if (*m->name)
        buf_printf(p->b, "%s: ", m->name);
    if (m->computed) {
        value_unreadable(p);
    } else if (m->bit_size) {
        print_bits(p, m, x);
    } else if (!(t = value_strip(p, m->type))) {
        value_unreadable(p);
    } else {
        int64_t size = dwarf_type_size(p->v->dw, t);
        value_any(p, m->type, value_part(x, m->off, size > 0 ? (size_t)size : 0));
    }
}

static void print_struct(struct printer *p, const struct dwarf_type *t, struct view x)
{
    if (value_time(p, t, x) || !value_enter(p, '{', '}'))
        return;
    if (!t->nmembers)
        p->shown++;
    for (size_t i = 0; i < t->nmembers; i++) {
        buf_str(p->b, i ? ", " : "");
        if (i >= MEMBERS_MAX)
            buf_str(p->b, "…");
        if (i >= MEMBERS_MAX || !value_room(p))
            break;
        value_member(p, &t->members[i], x);
    }
    buf_char(p->b, '}');
    p->depth--;
}

/* ---- by kind ---- */

const struct dwarf_type *value_strip(struct printer *p, uint64_t type)
{
    return value_type_stripped(p->v, type);
}

static void print_kind(struct printer *p, const struct dwarf_type *t, uint64_t named, struct view x)
{
    switch (t->kind) {
    case DWARF_KIND_BOOL:
        value_bool(p, x);
        break;
    case DWARF_KIND_INT:
    case DWARF_KIND_UINT:
    case DWARF_KIND_CHAR:
        value_int(p, t, named, x);
        break;
    case DWARF_KIND_FLOAT:
        value_float(p, t, x);
        break;
    case DWARF_KIND_COMPLEX:
        value_complex(p, t, x);
        break;
    case DWARF_KIND_POINTER:
        value_pointer(p, t, x);
        break;
    case DWARF_KIND_STRUCT:
    case DWARF_KIND_UNION:
        print_struct(p, t, x);
        break;
    case DWARF_KIND_ARRAY:
        print_array(p, t, x);
        break;
    case DWARF_KIND_FUNC:
        value_func(p, t, x);
        break;
    case DWARF_KIND_ENUM:
        value_enum(p, t, x);
        break;
    case DWARF_KIND_STRING:
        value_string(p, x);
        break;
    case DWARF_KIND_SLICE:
        value_slice(p, t, x);
        break;
    case DWARF_KIND_MAP:
        value_map(p, t, x);
        break;
    case DWARF_KIND_CHAN:
        value_chan(p, x);
        break;
    case DWARF_KIND_INTERFACE:
        value_interface(p, t, x);
        break;
    default:
        value_unreadable(p);
    }
}

void value_any(struct printer *p, uint64_t type, struct view x)
{
    const struct dwarf_type *t = value_strip(p, type);
    if (!t)
        value_unreadable(p);
    else if (p->l->style == VALUE_STYLE_TYPED)
        value_typed(p, type, x);
    else if (!p->v->printers || value_user(p, type, x, p->b) != VALUE_PRINTED)
        print_kind(p, t, type, x);
}

/* Cuts at a character when the text became longer than asked for. */
static void cut(struct printer *p)
{
    size_t end = p->start + p->l->width;
    if (p->b->n <= end + 16) /* closing brackets and a last "…" */
        return;
    while (end > p->start && ((uint8_t)p->b->p[end] & 0xc0) == 0x80)
        end--;
    p->b->n = end;
    buf_str(p->b, "…");
}

static enum value_state print(struct values *v, const struct value *x,
                              const struct value_limits *limits, bool bare, struct buf *b)
{
    struct printer p = {.v = v, .l = limits, .b = b, .start = b->n, .bare = bare, .top = true};
    struct view view = {.p = x->bytes, .n = x->n, .addr = x->addr, .known = x->known};
    const struct dwarf_type *t = value_strip(&p, x->type);
    int64_t size = t ? dwarf_type_size(v->dw, t) : 0;
    if (!view.p && size > 0 && size <= VALUE_READ_MAX)
        view = value_at(&p, x->addr, (size_t)size);
    v->lends++; /* a user's printer may have other values printed meanwhile */
    value_any(&p, x->type, view);
    if (!--v->lends && v->arena.total > ARENA_MAX) {
        arena_free(&v->arena);
        arena_init(&v->arena);
    }
    cut(&p);
    if (p.shown)
        return VALUE_SHOWN;
    return p.lost ? VALUE_LOST : p.unreadable ? VALUE_UNREADABLE : VALUE_SHOWN;
}

enum value_state value_print(struct values *v, const struct value *x,
                             const struct value_limits *limits, struct buf *b)
{
    return print(v, x, limits, false, b);
}

enum value_state value_print_inner(struct values *v, const struct value *x,
                                   const struct value_limits *limits, struct buf *b)
{
    return print(v, x, limits, true, b);
}

const char *value_type_name(struct values *v, uint64_t type)
{
    const struct dwarf_type *t;
    for (unsigned i = 0; i < 64 && type != DWARF_NO_ID; i++) {
        if (!(t = value_type(v, type)))
            return "";
        if (*t->name && *t->name != '.') /* Go: .param0 stands for a type argument */
            return t->name;
        if (t->kind != DWARF_KIND_TYPEDEF && t->kind != DWARF_KIND_QUALIFIER)
            return "";
        type = t->elem;
    }
    return "";
}

bool value_type_of_dict(struct values *v, taddr dict, uint64_t index, uint64_t *ret_type)
{
    const struct dwarf_type *t;
    taddr rtype = 0;
    struct err *e = index < 1024 ? values_read(v, dict + 8 * index, &rtype, 8)
                                 : err_new(ERR_LIMIT, "a dictionary that long");
    err_free(e);
    if (e || !rt_dwarf_type_at(v->rt, rtype, &t))
        return false;
    *ret_type = t->id;
    return true;
}

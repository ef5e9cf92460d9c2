/* types_name.c - names of types, as reflect has them.
 *
 * Go: internal/abi/type.go Name: a byte of flags, a varint length, the text.  A type's name is an
 * offset from moduledata.types; tflag_extra_star says that the text has a star too many in front.
 * Types that package reflect makes at run time have no such offset (runtime.reflectOffs knows their
 * names); they are never named types, so their names are made here from their parts, by the rules
 * of reflect (reflect/type.go FuncOf, MapOf, StructOf ...). */
#include <stdlib.h>

#include "base/cursor.h"
#include "rt/types_int.h"

enum {
    NAME_HEADER = 6,
    NAME_FIRST = 64,
    NAME_LONGEST = 1 << 20, /* that is believed */
    NAME_TAG = 2,           /* flags */
    NAME_EMBEDDED = 8,
    NAME_FLAGS = 15,
    DEFAULT_EXTRA_STAR = 2,
};

/* The text of an encoded name in n bytes; false: it makes no sense.  *ret_len may be more than
 * what is there, *ret_have. */
static bool parse_name(const uint8_t *bytes, size_t n, const char **ret, uint64_t *ret_len,
                       size_t *ret_have)
{
    struct cursor c = cursor_on(bytes, n, "a name");
    cursor_skip(&c, 1);
    *ret_len = cursor_uleb(&c);
    *ret = (const char *)c.p;
    *ret_have = min_u64(*ret_len, cursor_left(&c));
    return !c.bad && *ret_len <= NAME_LONGEST;
}

static bool has_extra_star(const struct rt_layout *l, uint64_t tflag)
{
    int64_t star = l->constant[RT_IS_tflag_extra_star];
    return tflag & (uint64_t)(star > 0 ? star : DEFAULT_EXTRA_STAR);
}

/* ---- by address ---- */

/* As many bytes at addr as there are, at most n. */
static size_t read_upto(struct rt_types *ty, taddr addr, uint8_t *dst, size_t n)
{
    const struct type_section *s = types_section(ty, addr);
    if (s)
        n = min_u64(n, s->hi - addr);
    for (; n; n /= 2)
        if (types_read(ty, addr, dst, n))
            break;
    return n;
}

/* A name with its first byte; *ret_end: what follows it. */
static bool read_name(struct rt_types *ty, taddr addr, struct buf *b, uint8_t *ret_flags,
                      taddr *ret_end)
{
    uint8_t bytes[NAME_HEADER + TYPES_NAME_MAX];
    const char *text;
    uint64_t len;
    size_t have, n = addr ? read_upto(ty, addr, bytes, NAME_FIRST) : 0;
    if (!n || !parse_name(bytes, n, &text, &len, &have))
        return false;
    size_t header = (size_t)(text - (const char *)bytes);
    size_t keep = min_u64(len, TYPES_NAME_MAX);
    if (have < keep && !types_read(ty, addr, bytes, header + keep))
        return false;
    buf_add(b, text, keep);
    buf_str(b, keep < len ? "..." : "");
    *ret_flags = bytes[0];
    *ret_end = addr + header + len;
    return true;
}

bool types_read_name(struct rt_types *ty, taddr addr, struct buf *b)
{
    uint8_t flags;
    taddr end;
    return read_name(ty, addr, b, &flags, &end);
}

bool types_check_name(struct rt_types *ty, taddr type, uint32_t str)
{
    uint8_t bytes[NAME_FIRST];
    const char *text;
    uint64_t len;
    size_t have;
    if (!types_section(ty, type))
        return str != 0; /* made at run time: an id, not an offset */
    taddr at = types_offset(ty, type, str);
    size_t n = at ? read_upto(ty, at, bytes, sizeof(bytes)) : 0;
    if (!n || bytes[0] > NAME_FLAGS || !parse_name(bytes, n, &text, &len, &have) || !len || !have)
        return false;
    for (size_t i = 0; i < have; i++)
        if ((unsigned char)text[i] < ' ')
            return false;
    return true;
}

/* ---- made from parts ---- */

static void put_name(struct rt_types *ty, uint32_t type, struct buf *b, unsigned depth);

static void put_part(struct rt_types *ty, taddr addr, struct buf *b, unsigned depth)
{
    uint32_t type = types_add(ty, addr);
    if (type == SNAP_NONE || depth >= TYPES_DEPTH_MAX || b->n > TYPES_NAME_MAX)
        buf_str(b, "?");
    else
        put_name(ty, type, b, depth + 1);
}

static void put_list(struct rt_types *ty, taddr at, uint32_t n, bool variadic, struct buf *b,
                     unsigned depth)
{
    for (uint32_t i = 0; i < n && i < TYPES_PARAMS_MAX; i++) {
        taddr type = 0;
        buf_str(b, i ? ", " : "");
        if (!types_read(ty, at + 8 * (taddr)i, &type, 8))
            type = 0;
        if (variadic && i + 1 == n) {
            uint32_t slice = types_add(ty, type);
            buf_str(b, "...");
            type =
                slice == SNAP_NONE ? 0 : types_word(ty, types_entry(ty, slice), RT_slicetype_elem);
        }
        put_part(ty, type, b, depth);
    }
}

static void put_func(struct rt_types *ty, const struct type_entry *e, struct buf *b, unsigned depth)
{
    uint32_t in, out;
    bool variadic;
    taddr at = types_params(ty, e, &in, &out, &variadic);
    buf_str(b, "func(");
    put_list(ty, at, in, variadic, b, depth);
    buf_str(b, out > 1 ? ") (" : out ? ") " : ")");
    put_list(ty, at + 8 * (taddr)in, out, false, b, depth);
    buf_str(b, out > 1 ? ")" : "");
}

/* A Go string literal, as strconv.Quote makes it from a tag. */
static void put_quoted(const char *text, size_t n, struct buf *b)
{
    buf_char(b, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n' || c == '\t' || c == '\r')
            buf_printf(b, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
        else if (c < ' ' || c == 0x7f)
            buf_printf(b, "\\x%02x", c);
        else
            buf_char(b, (char)c);
    }
    buf_char(b, '"');
}

static void put_field(struct rt_types *ty, const struct type_raw_field *f, struct buf *b,
                      unsigned depth)
{
    struct buf name = {0};
    uint8_t flags = 0, tag_flags;
    taddr end = 0;
    if (!read_name(ty, f->name, &name, &flags, &end))
        buf_str(&name, "?");
    if (!(flags & NAME_EMBEDDED)) /* until 1.18 the name does not tell, and is always there */
        buf_printf(b, " %s", buf_text(&name));
    buf_char(b, ' ');
    put_part(ty, f->type, b, depth);
    buf_clear(&name);
    /* a tag is a length and text, as a name without its flags */
    if (flags & NAME_TAG && read_name(ty, end - 1, &name, &tag_flags, &end)) {
        buf_char(b, ' ');
        put_quoted(buf_text(&name), name.n, b);
    }
    buf_free(&name);
}

static void put_struct(struct rt_types *ty, const struct type_entry *e, struct buf *b,
                       unsigned depth)
{
    uint32_t n;
    taddr first = types_slice(ty, e, RT_structtype_fields, TYPES_FIELDS_MAX, &n);
    buf_str(b, "struct {");
    for (uint32_t i = 0; i < n && b->n <= TYPES_NAME_MAX; i++) {
        struct type_raw_field f;
        buf_str(b, i ? ";" : "");
        if (!types_struct_field(ty, first, i, &f))
            break;
        put_field(ty, &f, b, depth);
    }
    buf_str(b, n ? " }" : "}");
}

static void put_made(struct rt_types *ty, const struct type_entry *e, struct buf *b, unsigned depth)
{
    static const char *const dirs[] = {"chan ", "<-chan ", "chan<- ", "chan "};
    switch (e->info.kind) {
    case GO_KIND_ARRAY:
        buf_printf(b, "[%llu]", (unsigned long long)types_word(ty, e, RT_arraytype_len));
        return put_part(ty, types_word(ty, e, RT_arraytype_elem), b, depth);
    case GO_KIND_CHAN:
        buf_str(b, dirs[types_word(ty, e, RT_chantype_dir) & 3]);
        return put_part(ty, types_word(ty, e, RT_chantype_elem), b, depth);
    case GO_KIND_MAP:
        buf_str(b, "map[");
        put_part(ty, types_word(ty, e, RT_maptype_key), b, depth);
        buf_char(b, ']');
        return put_part(ty, types_word(ty, e, RT_maptype_elem), b, depth);
    case GO_KIND_POINTER:
        buf_char(b, '*');
        return put_part(ty, types_word(ty, e, RT_ptrtype_elem), b, depth);
    case GO_KIND_SLICE:
        buf_str(b, "[]");
        return put_part(ty, types_word(ty, e, RT_slicetype_elem), b, depth);
    case GO_KIND_FUNC:
        return put_func(ty, e, b, depth);
    case GO_KIND_STRUCT:
        if (!e->opaque)
            return put_struct(ty, e, b, depth);
        return buf_str(b, "map.bucket");
    default:
        buf_str(b, "?");
    }
}

static void put_name(struct rt_types *ty, uint32_t type, struct buf *b, unsigned depth)
{
    const struct type_entry *e = types_entry(ty, type);
    if (e->name)
        return buf_str(b, intern_get(&ty->names, e->name));
    if (!types_section(ty, e->info.addr))
        return put_made(ty, e, b, depth);
    struct buf name = {0};
    taddr at = types_offset(ty, e->info.addr, (uint32_t)types_word(ty, e, RT_type_str));
    if (types_read_name(ty, at, &name) && name.n) {
        size_t star = has_extra_star(ty->l, e->tflag) && name.p[0] == '*';
        buf_add(b, name.p + star, name.n - star);
    } else {
        buf_str(b, "?");
    }
    buf_free(&name);
}

const char *types_name(struct rt_types *ty, uint32_t type)
{
    struct type_entry *e = types_entry(ty, type);
    if (!e->name) {
        struct buf b = {0};
        put_name(ty, type, &b, 0);
        e->name = intern_addn(&ty->names, buf_text(&b), b.n);
        buf_free(&b);
    }
    return intern_get(&ty->names, e->name);
}

void types_package(struct rt_types *ty, uint32_t type, struct buf *b)
{
    const struct type_entry *e = types_entry(ty, type);
    int64_t named = ty->l->constant[RT_IS_tflag_named];
    uint8_t copy[TYPES_COPY];
    const struct dwarf_type *t = NULL;
    if (e->has_die) {
        err_free(dwarf_type(ty->dw, e->die, &t));
        return types_dwarf_package(t ? t->name : "", b);
    }
    if (named > 0 && e->tflag & named && types_uncommon(ty, e, copy, sizeof(copy)))
        types_read_name(
            ty,
            types_offset(ty, e->info.addr, (uint32_t)rt_get(ty->l, copy, RT_uncommontype_pkg_path)),
            b);
}

/* ---- without a struct rt_types: for who needs a few names ---- */

const char *rt_type_name(struct rt *rt, struct target *t, struct arena *a, taddr type)
{
    const struct rt_layout *l = &rt->layout;
    const struct rt_module *m = NULL;
    uint8_t copy[TYPES_COPY], name[NAME_HEADER + TYPES_NAME_MAX];
    size_t size = (size_t)l->size[RT_STRUCT_type];
    for (size_t i = 0; i < rt->nmodules && !m; i++)
        if (type >= rt->modules[i].types && type < rt->modules[i].etypes)
            m = &rt->modules[i];
    if (!m || size > sizeof(copy))
        return "";
    struct err *e = target_read(t, type, copy, size);
    taddr at = m->types + (uint32_t)rt_get(l, copy, RT_type_str);
    size_t n = min_u64(sizeof(name), m->etypes - at), have = 0;
    if (!e && at >= m->types && at < m->etypes)
        e = target_read(t, at, name, n);
    else if (!e)
        n = 0;
    err_free(e);
    const char *text;
    uint64_t len;
    if (e || !parse_name(name, n, &text, &len, &have))
        return "";
    size_t star = has_extra_star(l, rt_get(l, copy, RT_type_tflag)) && have > 0;
    return arena_strndup(a, text + star, have - star);
}

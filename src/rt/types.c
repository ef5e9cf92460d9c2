/* types.c - names of the types the runtime knows (works in stripped binaries).
 *
 * Go: internal/abi/type.go Type, Name; runtime/type.go (1.18-1.27): the name is an offset from
 * moduledata.types; it starts with a flag byte and a varint length; flag TFlagExtraStar says that
 * the stored text has a star too many at the front. */
#include <stdlib.h>

#include "base/cursor.h"
#include "rt/rt_int.h"

enum { TFLAG_EXTRA_STAR = 2, NAME_MAX_BYTES = 512, HEADER_BYTES = 6 };

static const struct rt_module *module_of_type(const struct rt *rt, taddr type)
{
    for (size_t i = 0; i < rt->nmodules; i++)
        if (type >= rt->modules[i].types && type < rt->modules[i].etypes)
            return &rt->modules[i];
    return NULL;
}

const char *rt_type_name(struct rt *rt, struct target *t, struct arena *a, taddr type)
{
    const struct rt_layout *l = &rt->layout;
    const struct rt_module *m = module_of_type(rt, type);
    uint8_t copy[128], name[HEADER_BYTES + NAME_MAX_BYTES];
    size_t size = (size_t)l->size[RT_STRUCT_type];
    if (!m || size > sizeof(copy))
        return "";
    struct err *e = target_read(t, type, copy, size);
    taddr at = m->types + (uint32_t)rt_get(l, copy, RT_type_str);
    size_t n = min_u64(sizeof(name), m->etypes - at);
    if (!e && at >= m->types && at < m->etypes)
        e = target_read(t, at, name, n);
    else if (!e)
        n = 0;
    if (e) {
        err_free(e);
        return "";
    }
    struct cursor c = cursor_on(name, n, "a type name");
    cursor_skip(&c, 1);
    uint64_t len = cursor_uleb(&c);
    if (rt_get(l, copy, RT_type_tflag) & TFLAG_EXTRA_STAR) {
        cursor_skip(&c, 1);
        len -= len > 0;
    }
    size_t have = min_u64(len, cursor_left(&c));
    return c.bad ? "" : arena_strndup(a, (const char *)c.p, have);
}

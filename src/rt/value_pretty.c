/* value_pretty.c - what values of some types of the standard library mean, in a short text.
 *
 * Go: time/time.go Time (1.18-1.27). */
#include "rt/value_int.h"

bool value_pretty_any(struct printer *p, uint64_t type, struct view x, struct buf *b)
{
    const struct dwarf_type *t = value_strip(p, type);
    struct buf *was = p->b;
    if (!t || t->kind != DWARF_KIND_STRUCT || p->reads >= p->l->reads)
        return false;
    p->b = b;
    bool ok = value_time(p, t, x);
    p->b = was;
    return ok;
}

/* heap_words.c - what DWARF says of a word inside a variable: the path to it, its type, and what it
 * points to.
 *
 * Go: cmd/link/internal/ld/dwarf.go (1.18-1.27); DW_AT_go_runtime_type names the abi.Type of a DIE,
 * where the binary has one. */
#include <string.h>

#include "base/buf.h"
#include "image/dwarf_type.h"
#include "rt/heap_roots_int.h"

enum { DEPTH_MAX = 32 };

static const struct dwarf_member *member_at(struct dwarf *dw, const struct dwarf_type *t,
                                            uint64_t off)
{
    for (size_t i = t->nmembers; i-- > 0;) {
        const struct dwarf_member *m = &t->members[i];
        if (m->off <= off && !m->computed && !m->bit_size &&
            off - m->off < heap_die_size(dw, m->type))
            return m;
    }
    return NULL;
}

/* One step inwards; false: *type is the word itself. */
static bool step(struct dwarf *dw, const struct dwarf_type *t, uint64_t *type, uint64_t *off,
                 struct buf *path)
{
    if (t->kind == DWARF_KIND_STRUCT) {
        const struct dwarf_member *m = member_at(dw, t, *off);
        if (!m)
            return false;
        if (path)
            buf_printf(path, ".%s", m->name);
        *type = m->type;
        *off -= m->off;
        return true;
    }
    if (t->kind == DWARF_KIND_ARRAY && t->elem != DWARF_NO_ID) {
        uint64_t size = heap_die_size(dw, t->elem);
        if (!size)
            return false;
        if (path)
            buf_printf(path, "[%llu]", (unsigned long long)(*off / size));
        *type = t->elem;
        *off %= size;
        return true;
    }
    return false;
}

static bool tell(const struct dwarf_type *t, uint64_t type, uint64_t off, struct heap_word *ret)
{
    ret->type = type;
    ret->elem = t->elem;
    ret->pointer = t->kind == DWARF_KIND_POINTER && t->elem != DWARF_NO_ID;
    ret->slice = t->kind == DWARF_KIND_SLICE && t->elem != DWARF_NO_ID;
    ret->dynamic = t->kind == DWARF_KIND_INTERFACE && off == 8;
    switch (t->kind) {
    case DWARF_KIND_POINTER:
    case DWARF_KIND_SLICE:
    case DWARF_KIND_STRING:
    case DWARF_KIND_MAP:
    case DWARF_KIND_CHAN:
    case DWARF_KIND_FUNC:
        return off == 0;
    case DWARF_KIND_INTERFACE:
        return off == 0 || off == 8;
    default:
        return false;
    }
}

static const struct heap_word nothing = {
    .var = DWARF_NO_ID, .type = DWARF_NO_ID, .elem = DWARF_NO_ID};

bool heap_word_at(struct dwarf *dw, uint64_t var, uint64_t at, struct buf *path,
                  struct heap_word *ret)
{
    uint64_t type = var, off = at;
    *ret = nothing;
    for (int i = 0; i < DEPTH_MAX && type != DWARF_NO_ID; i++) {
        const struct dwarf_type *t;
        struct err *e = dwarf_type_strip(dw, type, &t);
        err_free(e);
        if (e)
            return false;
        if (step(dw, t, &type, &off, path))
            continue;
        if (!tell(t, type, off, ret)) {
            *ret = nothing;
            return false;
        }
        ret->var = var;
        ret->at = at;
        return true;
    }
    return false;
}

uint64_t heap_die_size(struct dwarf *dw, uint64_t type)
{
    const struct dwarf_type *t;
    if (type == DWARF_NO_ID)
        return 0;
    struct err *e = dwarf_type_strip(dw, type, &t);
    err_free(e);
    int64_t size = e ? 0 : dwarf_type_size(dw, t);
    return size > 0 ? (uint64_t)size : 0;
}

uint32_t heap_type_of(struct heap *h, struct dwarf *dw, uint64_t die)
{
    return die == DWARF_NO_ID || !dw ? SNAP_NONE : types_of_dwarf(h->types, dw, die);
}

void heap_tell_dynamic(struct heap *h, taddr word, uint32_t slot, uint64_t offset)
{
    uint32_t type = word ? types_of_interface(h->types, word) : SNAP_NONE;
    if (type == SNAP_NONE)
        return;
    if (types_get(h->types, type)->direct)
        heap_type_root(h, slot, offset, type, 0);
    else if (!offset && !h->shape[slot])
        h->shape[slot] = types_shape(h->types, SNAP_FORM_VALUE, type, SNAP_NONE, SNAP_EV_INTERFACE);
}

void heap_tell_type(struct heap *h, struct dwarf *dw, const struct heap_word *word, taddr addr,
                    uint32_t slot, uint64_t offset)
{
    taddr first = 0;
    if (word->dynamic) {
        err_free(target_read_u64(h->c->t, addr - 8, &first));
        heap_tell_dynamic(h, first, slot, offset);
    } else {
        heap_type_root(h, slot, offset, heap_type_of(h, dw, word->var), word->at);
    }
}

/* types_store.c - the tables type, field and shape of a snapshot.
 *
 * A type's number is its row, because edges and variables hold numbers.  Of the many types of a
 * program few are in the heap: only those, and what they consist of, get names and fields (a type
 * without a name is one that nothing refers to), and rows end behind the last of them. */
#include <stdlib.h>

#include "rt/types_int.h"

enum { POINTERS_MAX = 1 }; /* steps through pointers that names and fields are kept for */

struct wanted {
    struct rt_types *ty;
    uint8_t *depth; /* of each type: 1 + steps through pointers; 0: not wanted */
    VEC(uint32_t) todo;
};

static void want(struct wanted *w, uint32_t type, uint8_t depth)
{
    if (type == SNAP_NONE || (w->depth[type] && w->depth[type] <= depth) ||
        depth > 1 + POINTERS_MAX)
        return;
    w->depth[type] = depth;
    vec_push(&w->todo, type);
}

static void want_parts(struct wanted *w)
{
    while (w->todo.n) {
        uint32_t type = w->todo.v[--w->todo.n];
        const struct type_entry *e = types_entry(w->ty, type);
        uint8_t depth = w->depth[type];
        bool inside = e->info.kind == GO_KIND_ARRAY;
        want(w, e->elem, inside ? depth : (uint8_t)(depth + 1));
        want(w, e->key, (uint8_t)(depth + 1));
        want(w, e->internal, depth);
        for (uint32_t i = 0; i < e->fields; i++)
            want(w, w->ty->fields.v[e->field + i].type, depth);
    }
}

static void want_column(struct wanted *w, const uint32_t *types, size_t n)
{
    for (size_t i = 0; i < n; i++)
        want(w, types[i], 1);
}

static void store_fields(struct rt_types *ty, struct snap *s, const struct type_entry *e,
                         uint32_t row)
{
    s->type.field[row] = (uint32_t)s->field.n;
    s->type.fields[row] = e->fields;
    for (uint32_t i = 0; i < e->fields; i++) {
        const struct type_field *f = &ty->fields.v[e->field + i];
        uint32_t at = snap_add_field(s);
        s->field.name[at] = intern_add(&s->strings, intern_get(&ty->names, f->name));
        s->field.offset[at] = f->offset;
        s->field.type[at] = f->type;
    }
}

static void store_type(struct rt_types *ty, struct snap *s, uint32_t type, bool wanted)
{
    const struct type_entry *e = types_entry(ty, type);
    uint32_t row = snap_add_type(s);
    s->type.addr[row] = e->info.addr;
    s->type.kind[row] = e->info.kind;
    s->type.size[row] = e->info.size;
    s->type.ptr_bytes[row] = e->info.ptr_bytes;
    s->type.count[row] = e->count;
    s->type.field[row] = (uint32_t)s->field.n;
    if (!wanted)
        return;
    struct buf package = {0};
    s->type.name[row] = intern_add(&s->strings, types_name(ty, type));
    types_package(ty, type, &package);
    s->type.package[row] = intern_addn(&s->strings, buf_text(&package), package.n);
    buf_free(&package);
    s->type.elem[row] = e->elem;
    s->type.key[row] = e->key;
    s->type.internal[row] = e->internal;
    store_fields(ty, s, e, row);
}

/* Columns that point behind the last row that is kept point to types that nobody wants. */
static void drop_beyond(uint32_t *types, size_t n, uint32_t rows)
{
    for (size_t i = 0; i < n; i++)
        if (types[i] != SNAP_NONE && types[i] >= rows)
            types[i] = SNAP_NONE;
}

/* Shapes that were thought of, but that no object has, become rows like that of "not known". */
static void drop_unused_shapes(struct rt_types *ty, const struct snap *s)
{
    bool *used = mem_alloc(TYPES_SHAPES_MAX * sizeof(*used));
    for (size_t i = 0; i < s->slot.n; i++)
        used[s->slot.shape[i]] = true;
    for (uint32_t i = 0; i < ty->nshapes; i++)
        if (!used[i])
            ty->shape[i] = (struct type_shape){.type = SNAP_NONE, .pc = SNAP_NONE};
    free(used);
}

static void store_shapes(struct rt_types *ty, struct capture *c)
{
    struct snap *s = c->s;
    struct buf name = {0};
    for (uint32_t i = 0; i < ty->nshapes; i++) {
        const struct type_shape *sh = &ty->shape[i];
        uint32_t row = snap_add_shape(s);
        buf_clear(&name);
        types_shape_name(ty, sh, &name);
        s->shape.form[row] = sh->form;
        s->shape.evidence[row] = sh->evidence;
        s->shape.type[row] = sh->type;
        s->shape.pc[row] = sh->pc == SNAP_NONE ? SNAP_NONE : symbols_pc(c->symbols, sh->pc, true);
        s->shape.name[row] = intern_addn(&s->strings, buf_text(&name), name.n);
    }
    buf_free(&name);
}

static void note_gaps(struct rt_types *ty, struct snap *s)
{
    static const struct {
        const char *what, *why;
    } text[TYPES_GAP_COUNT] = {
        [TYPES_GAP_SECTION] = {"tables of types", "they are not readable"},
        [TYPES_GAP_MASK] = {"pointer masks of types", "they are not readable, or make no sense"},
        [TYPES_GAP_LINK] = {"parts of types", "what describes them makes no sense"},
        [TYPES_GAP_LIST] = {"types of the program", "their list is not readable, or ends early"},
        [TYPES_GAP_MANY] = {"types", "more than gospect keeps"},
        [TYPES_GAP_SHAPES] = {"shapes of objects", "more than a snapshot holds"},
    };
    for (size_t i = 0; i < TYPES_GAP_COUNT; i++)
        if (ty->gap[i])
            snap_note_missing(s, ty->gap[i], text[i].what, text[i].why);
}

/* What the tables written so far refer to. */
static void want_all(struct wanted *w, const struct snap *s)
{
    struct rt_types *ty = w->ty;
    for (uint32_t i = 0; i < ty->nshapes; i++)
        want(w, ty->shape[i].type, 1);
    want_column(w, s->global.type, s->global.n);
    want_column(w, s->stackvar.type, s->stackvar.n);
    for (uint32_t i = 0; i < ty->n; i++)
        if (types_entry(ty, i)->in_edges)
            want(w, i, 1);
    want_parts(w);
}

struct err *types_store(struct rt_types *ty, struct capture *c)
{
    struct snap *s = c->s;
    struct wanted w = {.ty = ty};
    drop_unused_shapes(ty, s);
    types_link(ty);
    if (!(w.depth = mem_try_alloc((size_t)ty->n + 1)))
        return err_new(ERR_NOMEM, "no memory for the types");
    want_all(&w, s);
    uint32_t rows = ty->n;
    while (rows && !w.depth[rows - 1])
        rows--;
    for (uint32_t i = 0; i < rows; i++)
        store_type(ty, s, i, w.depth[i]);
    drop_beyond(s->type.elem, s->type.n, rows);
    drop_beyond(s->type.key, s->type.n, rows);
    drop_beyond(s->type.internal, s->type.n, rows);
    drop_beyond(s->field.type, s->field.n, rows);
    store_shapes(ty, c);
    note_gaps(ty, s);
    vec_free(&w.todo);
    free(w.depth);
    return NULL;
}

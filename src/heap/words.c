/* words.c - names for the words of an object, by its shape and the tables of types and fields.
 *
 * Go: the layouts of internal/runtime/maps (Map, table, group; 1.24+), runtime/map.go (hmap, bmap,
 * mapextra; before), runtime/chan.go (hchan), closures (reflect and cmd/compile: code pointer, then
 * captured words).  What a container consists of gets no name: a map leads to its entries, a
 * channel to its buffer.
 *
 * Types may be nested and, in a snapshot somebody made, go round in circles: a value is followed
 * down at most DEPTH times. */
#include <inttypes.h>
#include <string.h>

#include "heap/heap_int.h"

enum { DEPTH = 40, GROUP_SLOTS = 8, WORD = 8 };

static bool field_at(const struct snap *s, uint32_t type, uint64_t offset, uint32_t *ret)
{
    for (uint32_t i = s->type.fields[type]; i-- > 0;) {
        uint32_t f = s->type.field[type] + i, t = s->field.type[f];
        uint64_t size = t == SNAP_NONE ? WORD : s->type.size[t];
        if (s->field.offset[f] <= offset && offset - s->field.offset[f] < size) {
            *ret = f;
            return true;
        }
    }
    return false;
}

/* One level down to the element or field at an offset of a value; b may be NULL. */
static bool step_into(const struct snap *s, uint32_t *type, uint64_t *offset, struct buf *b)
{
    uint32_t f, elem = s->type.elem[*type];
    uint64_t size = elem == SNAP_NONE ? 0 : s->type.size[elem];
    if (s->type.kind[*type] == SNAP_KIND_ARRAY && size) {
        if (b)
            buf_printf(b, "[%" PRIu64 "]", *offset / size);
        *offset %= size;
        *type = elem;
        return true;
    }
    if (s->type.kind[*type] != SNAP_KIND_STRUCT || !field_at(s, *type, *offset, &f))
        return false;
    if (b)
        buf_printf(b, ".%s", snap_str(s, s->field.name[f]));
    *offset -= s->field.offset[f];
    *type = s->field.type[f];
    return true;
}

void heap_type_text(const struct heap_graph *g, uint32_t type, uint64_t offset, struct buf *b)
{
    for (int depth = 0; type != SNAP_NONE && depth < DEPTH; depth++)
        if (!step_into(g->s, &type, &offset, b))
            return;
}

uint32_t heap_type_at(const struct heap_graph *g, uint32_t type, uint64_t offset)
{
    for (int depth = 0; type != SNAP_NONE && depth < DEPTH; depth++)
        if (!step_into(g->s, &type, &offset, NULL))
            return offset == 0 ? type : SNAP_NONE;
    return SNAP_NONE;
}

uint32_t heap_word_type(const struct heap_graph *g, uint32_t slot, uint64_t word)
{
    const struct snap *s = g->s;
    uint32_t shape = heap_shape(g, slot);
    uint32_t type = shape && shape < s->shape.n ? s->shape.type[shape] : SNAP_NONE;
    uint8_t form = type == SNAP_NONE ? SNAP_FORM_UNKNOWN : s->shape.form[shape];
    uint64_t size = type == SNAP_NONE ? 0 : s->type.size[type];
    if (!size || (form != SNAP_FORM_VALUE && form != SNAP_FORM_ARRAY && form != SNAP_FORM_CHAN_BUF))
        return SNAP_NONE;
    if (s->shape.evidence[shape] == SNAP_EV_GUESS)
        return SNAP_NONE;
    return heap_type_at(g, type, word * WORD % size);
}

/* An offset in a run of values of one type. */
static void element_text(const struct heap_graph *g, uint32_t type, uint64_t offset,
                         const char *around, struct buf *b)
{
    uint64_t size = type == SNAP_NONE ? 0 : g->s->type.size[type];
    if (!size) {
        buf_printf(b, "+0x%" PRIx64, offset);
        return;
    }
    buf_printf(b, around, offset / size);
    heap_type_text(g, type, offset % size, b);
}

/* ---- map entries ---- */

/* A key as text, when the snapshot has the memory and the key is a number or a string. */
static bool key_text(const struct heap_graph *g, uint32_t type, taddr addr, struct buf *b)
{
    uint64_t v, len, word = 0;
    if (type == SNAP_NONE || !heap_word(g, addr & ~UINT64_C(7), &v))
        return false;
    uint8_t kind = g->s->type.kind[type];
    uint64_t size = g->s->type.size[type];
    if (kind >= SNAP_KIND_INT && kind <= SNAP_KIND_UINTPTR && size <= 8) {
        v = v >> addr % 8 * 8 << (64 - size * 8);
        if (kind <= SNAP_KIND_INT64)
            buf_printf(b, "[%" PRId64 "]", (int64_t)v >> (64 - size * 8));
        else
            buf_printf(b, "[%" PRIu64 "]", v >> (64 - size * 8));
        return true;
    }
    if (kind != SNAP_KIND_STRING || !heap_word(g, addr + 8, &len) ||
        !heap_word(g, v & ~UINT64_C(7), &word))
        return false;
    buf_str(b, "[\"");
    for (uint64_t i = 0; i < min_u64(len, 48); i++)
        if (heap_word(g, (v + i) & ~UINT64_C(7), &word))
            buf_char(b, (char)(word >> (v + i) % 8 * 8));
    buf_str(b, len > 48 ? "…\"]" : "\"]");
    return true;
}

static void entry_text(const struct heap_graph *g, uint32_t map, taddr key, uint64_t entry,
                       bool value, uint64_t offset, struct buf *b)
{
    const struct snap *s = g->s;
    bool named = value && key && key_text(g, s->type.key[map], key, b);
    if (!named)
        buf_printf(b, "(%s %" PRIu64 ")", value ? "value" : "key", entry);
    heap_type_text(g, value ? s->type.elem[map] : s->type.key[map], offset, b);
}

/* The field of a struct type by name; SNAP_NONE: none. */
static uint32_t field_named(const struct snap *s, uint32_t type, const char *name)
{
    for (uint32_t i = 0; i < s->type.fields[type]; i++)
        if (strcmp(snap_str(s, s->field.name[s->type.field[type] + i]), name) == 0)
            return s->type.field[type] + i;
    return SNAP_NONE;
}

/* Go 1.24+: group { ctrl; slots [8]struct { key, elem } }.  at: in the group. */
static bool swiss_text(const struct heap_graph *g, uint32_t map, uint32_t slots, taddr base,
                       uint64_t group, uint64_t at, struct buf *b)
{
    const struct snap *s = g->s;
    uint32_t array = s->field.type[slots];
    uint64_t from = s->field.offset[slots];
    uint32_t pair = array == SNAP_NONE ? SNAP_NONE : s->type.elem[array];
    uint64_t size = pair == SNAP_NONE ? 0 : s->type.size[pair];
    uint32_t elem = pair == SNAP_NONE ? SNAP_NONE : field_named(s, pair, "elem");
    if (!size || at < from || elem == SNAP_NONE)
        return false;
    uint64_t i = (at - from) / size, in = (at - from) % size, split = s->field.offset[elem];
    entry_text(g, map, base + from + i * size, group * GROUP_SLOTS + i, in >= split,
               in >= split ? in - split : in, b);
    return true;
}

/* Before Go 1.24: bucket { topbits; keys [8]K; elems [8]V; overflow }. */
static bool bucket_text(const struct heap_graph *g, uint32_t map, uint32_t bucket, taddr base,
                        uint64_t group, uint64_t at, struct buf *b)
{
    const struct snap *s = g->s;
    uint32_t f, keys = field_named(s, bucket, "keys");
    if (keys == SNAP_NONE || !field_at(s, bucket, at, &f))
        return false;
    const char *name = snap_str(s, s->field.name[f]);
    if (strcmp(name, "overflow") == 0)
        return true;
    uint32_t array = s->field.type[f], elem = array == SNAP_NONE ? SNAP_NONE : s->type.elem[array];
    uint64_t size = elem == SNAP_NONE ? 0 : s->type.size[elem], in = at - s->field.offset[f];
    if (!size)
        return false;
    uint32_t key = s->type.key[map];
    uint64_t key_size = key == SNAP_NONE ? 0 : s->type.size[key];
    entry_text(g, map, base + s->field.offset[keys] + in / size * key_size,
               group * GROUP_SLOTS + in / size, f != keys, in % size, b);
    return true;
}

static void groups_text(const struct heap_graph *g, uint32_t map, taddr data, uint64_t offset,
                        struct buf *b)
{
    const struct snap *s = g->s;
    uint32_t group = map == SNAP_NONE ? SNAP_NONE : s->type.internal[map];
    uint64_t size = group == SNAP_NONE ? 0 : s->type.size[group];
    if (!size) {
        buf_printf(b, "+0x%" PRIx64, offset);
        return;
    }
    uint64_t i = offset / size, at = offset % size;
    uint32_t slots = field_named(s, group, "slots");
    bool ok = slots != SNAP_NONE ? swiss_text(g, map, slots, data + i * size, i, at, b)
                                 : bucket_text(g, map, group, data + i * size, i, at, b);
    if (!ok)
        element_text(g, group, offset, "(group %" PRIu64 ")", b);
}

/* ---- by form ---- */

static const char *part_of(uint8_t form, uint64_t word)
{
    if (form == SNAP_FORM_MAP)
        return word == 3 ? "(old buckets)" : word == 5 ? "(overflow)" : "";
    if (form == SNAP_FORM_CHAN)
        return word == 2 ? "" : "(waiting)";
    return "";
}

static void value_text(const struct heap_graph *g, uint32_t slot, uint32_t type, uint64_t offset,
                       struct buf *b)
{
    uint64_t size = type == SNAP_NONE ? 0 : g->s->type.size[type];
    if (size && offset < size && size > heap_size(g, slot) / 2)
        heap_type_text(g, type, offset, b);
    else
        element_text(g, type, offset, "[%" PRIu64 "]", b);
}

void heap_captured_text(const struct heap_graph *g, uint32_t type, uint32_t field, struct buf *b)
{
    const char *name = snap_str(g->s, g->s->field.name[field]);
    if (*name)
        buf_printf(b, ".%s", name);
    else
        buf_printf(b, "(captured %" PRIu32 ")", field - g->s->type.field[type] + 1);
}

static void closure_text(const struct heap_graph *g, uint32_t type, uint64_t word, struct buf *b)
{
    const struct snap *s = g->s;
    uint32_t f;
    if (type == SNAP_NONE || !field_at(s, type, word * WORD, &f)) {
        buf_printf(b, "(captured %" PRIu64 ")", word);
        return;
    }
    heap_captured_text(g, type, f, b);
    heap_type_text(g, s->field.type[f], word * WORD - s->field.offset[f], b);
}

void heap_word_text(const struct heap_graph *g, uint32_t slot, uint64_t word, struct buf *b)
{
    const struct snap *s = g->s;
    uint32_t shape = heap_shape(g, slot), span = heap_span(g, slot);
    uint32_t type = shape < s->shape.n ? s->shape.type[shape] : SNAP_NONE;
    uint8_t form = shape < s->shape.n ? s->shape.form[shape] : SNAP_FORM_UNKNOWN;
    uint64_t offset = word * WORD;
    taddr data = heap_address(g, slot) + (s->span.flags[span] & SNAP_SPF_HEADER ? WORD : 0);
    switch (form) {
    case SNAP_FORM_VALUE:
        value_text(g, slot, type, offset, b);
        break;
    case SNAP_FORM_ARRAY:
        element_text(g, type, offset, "[%" PRIu64 "]", b);
        break;
    case SNAP_FORM_CHAN_BUF:
        element_text(g, type, offset, "(buffered %" PRIu64 ")", b);
        break;
    case SNAP_FORM_MAP_GROUPS:
        groups_text(g, type, data, offset, b);
        break;
    case SNAP_FORM_CLOSURE:
        closure_text(g, type, word, b);
        break;
    case SNAP_FORM_CHAN:
    case SNAP_FORM_MAP:
    case SNAP_FORM_MAP_DIR:
    case SNAP_FORM_MAP_TABLE:
    case SNAP_FORM_MAP_EXTRA:
        buf_str(b, part_of(form, word));
        break;
    default:
        buf_printf(b, "+0x%" PRIx64, offset);
    }
}

/* heap_values.c - the values in an object, by its type; see heap_values.h.
 *
 * Go: internal/abi/type.go Kind, reflect.SliceHeader, StringHeader (1.18-1.27). */
#include "report/heap_values.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

enum { DEPTH_MAX = 20, TEXT_MAX = 120, ELEMENTS_MAX = 64 };

struct values {
    const struct heap_graph *g;
    const struct snap *s;
    void (*fn)(void *arg, const struct heap_value *v);
    void *arg;
    size_t limit;
    uint64_t seen, left_out;
    struct buf path;
};

/* n <= 8 bytes at an address, which may lie across two words. */
static bool bytes_at(const struct values *x, taddr addr, unsigned n, uint64_t *ret)
{
    uint64_t lo, hi = 0;
    unsigned shift = (unsigned)(addr % 8) * 8;
    if (!heap_word(x->g, addr & ~UINT64_C(7), &lo))
        return false;
    if (addr % 8 + n > 8 && !heap_word(x->g, (addr & ~UINT64_C(7)) + 8, &hi))
        return false;
    uint64_t v = shift ? lo >> shift | hi << (64 - shift) : lo;
    *ret = n < 8 ? v & ((UINT64_C(1) << 8 * n) - 1) : v;
    return true;
}

static bool string_value(const struct values *x, taddr addr, struct buf *b)
{
    uint64_t p, n, byte;
    struct buf raw = {0};
    if (!bytes_at(x, addr, 8, &p) || !bytes_at(x, addr + 8, 8, &n))
        return false;
    uint64_t i = 0;
    for (; i < n && i < TEXT_MAX && bytes_at(x, p + i, 1, &byte); i++)
        buf_char(&raw, (char)byte);
    buf_char(b, '"');
    text_clean(b, buf_text(&raw));
    buf_char(b, '"');
    buf_free(&raw);
    if (i < n)
        buf_printf(b, "… (%" PRIu64 " bytes)", n);
    return true;
}

static void float_value(uint64_t raw, unsigned size, struct buf *b)
{
    double d;
    float f;
    uint32_t half = (uint32_t)raw;
    if (size == 4) {
        memcpy(&f, &half, sizeof(f));
        d = f;
    } else {
        memcpy(&d, &raw, sizeof(d));
    }
    buf_printf(b, "%.*g", size == 4 ? 9 : 17, d);
}

static bool complex_value(const struct values *x, taddr addr, unsigned size, struct buf *b)
{
    uint64_t re, im;
    if (!bytes_at(x, addr, size / 2, &re) || !bytes_at(x, addr + size / 2, size / 2, &im))
        return false;
    buf_char(b, '(');
    float_value(re, size / 2, b);
    buf_str(b, ", ");
    float_value(im, size / 2, b);
    buf_str(b, "i)");
    return true;
}

static bool slice_value(const struct values *x, taddr addr, struct buf *b)
{
    uint64_t p, len, cap;
    if (!bytes_at(x, addr, 8, &p) || !bytes_at(x, addr + 8, 8, &len) ||
        !bytes_at(x, addr + 16, 8, &cap))
        return false;
    if (!p && !cap)
        buf_str(b, "nil");
    else
        buf_printf(b, "len %" PRIu64 ", cap %" PRIu64 " at 0x%" PRIx64, len, cap, p);
    return true;
}

static bool word_value(const struct values *x, uint8_t kind, taddr addr, unsigned size,
                       struct buf *b)
{
    uint64_t v;
    if (!bytes_at(x, addr, size < 8 ? size : 8, &v))
        return false;
    if (kind == SNAP_KIND_BOOL)
        buf_str(b, v ? "true" : "false");
    else if (kind >= SNAP_KIND_INT && kind <= SNAP_KIND_INT64)
        buf_printf(b, "%" PRId64, (int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size));
    else if (kind >= SNAP_KIND_UINT && kind < SNAP_KIND_UINTPTR)
        buf_printf(b, "%" PRIu64, v);
    else if (kind == SNAP_KIND_FLOAT32 || kind == SNAP_KIND_FLOAT64)
        float_value(v, size, b);
    else if (v)
        buf_printf(b, "0x%" PRIx64, v);
    else
        buf_str(b, kind == SNAP_KIND_UINTPTR ? "0" : "nil");
    return true;
}

/* An interface: what it holds is another object, or nil. */
static bool interface_value(const struct values *x, taddr addr, struct buf *b)
{
    uint64_t type, data;
    if (!bytes_at(x, addr, 8, &type) || !bytes_at(x, addr + 8, 8, &data))
        return false;
    if (!type)
        buf_str(b, "nil");
    else
        buf_printf(b, "interface, data 0x%" PRIx64, data);
    return true;
}

static void put_leaf(struct values *x, uint32_t type, taddr addr)
{
    const struct snap *s = x->s;
    uint8_t kind = s->type.kind[type];
    unsigned size = s->type.size[type] <= 16 ? (unsigned)s->type.size[type] : 8;
    struct buf b = {0};
    x->seen++;
    if (x->limit && x->seen > x->limit) {
        x->left_out++;
        return;
    }
    bool ok = kind == SNAP_KIND_STRING      ? string_value(x, addr, &b)
              : kind == SNAP_KIND_SLICE     ? slice_value(x, addr, &b)
              : kind == SNAP_KIND_INTERFACE ? interface_value(x, addr, &b)
              : kind == SNAP_KIND_COMPLEX64 || kind == SNAP_KIND_COMPLEX128
                  ? complex_value(x, addr, size, &b)
                  : size && word_value(x, kind, addr, size, &b);
    if (ok) {
        struct heap_value v = {buf_text(&x->path), snap_str(s, s->type.name[type]), buf_text(&b)};
        x->fn(x->arg, &v);
    }
    buf_free(&b);
}

static void put_type(struct values *x, uint32_t type, taddr addr, unsigned depth);

static void put_elements(struct values *x, uint32_t elem, taddr addr, uint64_t n, unsigned depth)
{
    uint64_t size = elem == SNAP_NONE ? 0 : x->s->type.size[elem];
    size_t at = x->path.n;
    uint64_t most = x->limit ? n : min_u64(n, ELEMENTS_MAX);
    for (uint64_t i = 0; size && i < most && (!x->limit || x->seen <= x->limit); i++) {
        buf_printf(&x->path, "[%" PRIu64 "]", i);
        put_type(x, elem, addr + i * size, depth);
        buf_cut(&x->path, at);
    }
}

static void put_type(struct values *x, uint32_t type, taddr addr, unsigned depth)
{
    const struct snap *s = x->s;
    size_t at = x->path.n;
    if (type == SNAP_NONE || depth > DEPTH_MAX)
        return;
    if (s->type.kind[type] == SNAP_KIND_ARRAY) {
        put_elements(x, s->type.elem[type], addr, s->type.count[type], depth + 1);
        return;
    }
    if (s->type.kind[type] != SNAP_KIND_STRUCT) {
        put_leaf(x, type, addr);
        return;
    }
    for (uint32_t i = 0; i < s->type.fields[type]; i++) {
        uint32_t f = s->type.field[type] + i;
        buf_printf(&x->path, ".%s", snap_str(s, s->field.name[f]));
        put_type(x, s->field.type[f], addr + s->field.offset[f], depth + 1);
        buf_cut(&x->path, at);
    }
}

static void put_captured(struct values *x, uint32_t type, taddr addr)
{
    for (uint32_t i = 0; i < x->s->type.fields[type]; i++) {
        uint32_t f = x->s->type.field[type] + i;
        heap_captured_text(x->g, type, f, &x->path);
        put_type(x, x->s->field.type[f], addr + x->s->field.offset[f], 0);
        buf_clear(&x->path);
    }
}

void heap_each_value(const struct heap_graph *g, uint32_t slot, size_t limit,
                     void (*fn)(void *arg, const struct heap_value *v), void *arg,
                     uint64_t *left_out)
{
    const struct snap *s = heap_snap(g);
    uint32_t shape = heap_shape(g, slot), type = s->shape.type[shape];
    bool header = s->span.flags[heap_span(g, slot)] & SNAP_SPF_HEADER;
    taddr addr = heap_address(g, slot) + (header ? 8 : 0);
    struct values x = {.g = g, .s = s, .fn = fn, .arg = arg, .limit = limit};
    uint64_t probe, size = heap_size(g, slot) - (header ? 8 : 0);
    *left_out = 0;
    if (type == SNAP_NONE || !heap_word(g, addr, &probe))
        return;
    if (s->shape.form[shape] == SNAP_FORM_CLOSURE)
        put_captured(&x, type, addr);
    else if (s->shape.form[shape] == SNAP_FORM_VALUE)
        put_type(&x, type, addr, 0);
    else if (s->shape.form[shape] == SNAP_FORM_ARRAY && s->type.size[type])
        put_elements(&x, type, addr, size / s->type.size[type], 0);
    *left_out = x.left_out;
    buf_free(&x.path);
}

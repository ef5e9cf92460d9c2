/* Location expressions.  The input: a byte of flags, one that says how many bytes the frame base
 * takes, the frame base, the expression. */
#include <stdlib.h>

#include "image/dwarf_expr.h"
#include "image_parts.h"

enum { V5 = 1, WIDE = 2, NARROW_ADDR = 4, NUMBER = 8, INITIAL = 16, OBJECT = 32, BLIND = 64 };

static struct err *reg(void *arg, unsigned n, void *dst, size_t bytes)
{
    if (n > 40)
        return err_new(ERR_NOT_FOUND, "no such register");
    memset(dst, (int)(n * 7 + 1), bytes);
    return NULL;
}

static struct err *mem(void *arg, taddr addr, void *dst, size_t bytes)
{
    if (addr >> 63)
        return err_new(ERR_NOT_FOUND, "no such memory");
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)dst)[i] = (uint8_t)((addr + i) * 31);
    return NULL;
}

static struct err *cfa(void *arg, taddr *ret)
{
    *ret = 0x7ffc0000;
    return NULL;
}

static struct err *tls(void *arg, uint64_t off, taddr *ret)
{
    *ret = 0x7f000000 + off;
    return NULL;
}

/* The value at entry is evaluated as gospect's unwinder does it: with the caller's registers. */
static struct err *entry(void *arg, const struct dwarf_expr *expr, uint64_t *ret)
{
    const struct dwarf_env env = {.reg = reg, .read = mem};
    struct dwarf_location loc;
    TRY(dwarf_eval(expr, &env, &loc));
    return dwarf_location_read(&loc, &env, ret, sizeof(*ret), NULL);
}

static void attr(struct buf *b, unsigned name, unsigned form)
{
    buf_uleb(b, name);
    buf_uleb(b, form);
}

/* 1: unit, 2: base type, 3: variable with a location */
static void put_abbrevs(struct buf *b)
{
    buf_add(b, "\1\x11\1\0\0", 5);
    buf_add(b, "\2\x24\0", 3);
    attr(b, DW_AT_byte_size, DW_FORM_data1);
    attr(b, DW_AT_encoding, DW_FORM_data1);
    put_u16(b, 0);
    buf_add(b, "\3\x34\0", 3);
    attr(b, DW_AT_location, DW_FORM_block1);
    put_u16(b, 0);
    put_u8(b, 0);
}

/* One unit: base types every three bytes from its first DIE on, and two variables whose locations
 * DW_OP_call* can name. */
static void put_unit(struct buf *b, unsigned flags)
{
    static const uint8_t types[][2] = {{8, DW_ATE_signed}, {4, DW_ATE_float},    {8, DW_ATE_float},
                                       {1, DW_ATE_signed}, {4, DW_ATE_unsigned}, {2, DW_ATE_signed},
                                       {16, DW_ATE_float}, {8, DW_ATE_unsigned}};
    unsigned addr_size = flags & NARROW_ADDR ? 4 : 8;
    if (flags & WIDE) {
        put_u32(b, UINT32_MAX);
        put_u64(b, 0);
    } else {
        put_u32(b, 0);
    }
    size_t start = b->n;
    put_u16(b, flags & V5 ? 5 : 4);
    if (flags & V5)
        put_u16(b, (uint16_t)(DW_UT_compile | addr_size << 8));
    buf_repeat(b, 0, flags & WIDE ? 8 : 4);
    if (!(flags & V5))
        put_u8(b, addr_size);
    put_u8(b, 1);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        put_u8(b, 2);
        buf_add(b, types[i], 2);
    }
    buf_add(b, "\3\2\x34\x22", 4);     /* lit4 plus */
    buf_add(b, "\3\4\x98\0\0\x12", 6); /* call2 of the unit's first byte, dup */
    put_u8(b, 0);
    uint64_t n = b->n - start;
    put_at(b, start - (flags & WIDE ? 8 : 4), &n, flags & WIDE ? 8 : 4);
}

static void evaluate(struct dwarf *dw, unsigned flags, const uint8_t *base, size_t base_n,
                     const uint8_t *p, size_t n)
{
    const struct dwarf_unit *u;
    uint8_t value[40], known[5];
    struct dwarf_location loc;
    uint64_t number;
    taddr at;
    if (dwarf_units(dw, &u) == 0)
        return;
    const struct dwarf_expr frame_base = {u, base, base_n}, expr = {u, p, n};
    struct dwarf_env env = {
        .slide = 0x1000, .frame_base = &frame_base, .object = 0x5000, .has_object = flags & OBJECT};
    if (!(flags & BLIND)) {
        env.reg = reg;
        env.read = mem;
        env.cfa = cfa;
        env.tls = tls;
        env.entry = entry;
    }
    dwarf_expr_address(&expr, &at);
    if (flags & NUMBER) {
        err_free(dwarf_eval_number(&expr, &env, flags & INITIAL, 0x1234, &number));
        return;
    }
    struct err *e = dwarf_eval(&expr, &env, &loc);
    if (!e) {
        dwarf_location_address(&loc, &at);
        e = dwarf_location_read(&loc, &env, value, 1 + base_n % sizeof(value), known);
    }
    err_free(e);
}

/* The file around the expression, made once for each shape of unit. */
static struct dwarf *dwarf_for(unsigned flags)
{
    static struct dwarf *known[V5 + WIDE + NARROW_ADDR + 1];
    static struct buf files[V5 + WIDE + NARROW_ADDR + 1];
    struct buf abbrevs = {0}, info = {0}, addrs = {0};
    struct make_elf elf = {0};
    struct image *img;
    flags &= V5 | WIDE | NARROW_ADDR;
    if (known[flags])
        return known[flags];
    put_abbrevs(&abbrevs);
    put_unit(&info, flags);
    buf_repeat(&addrs, 0x40, 64);
    make_add(&elf, ".debug_abbrev", abbrevs.p, abbrevs.n);
    make_add(&elf, ".debug_info", info.p, info.n);
    make_add(&elf, ".debug_addr", addrs.p, addrs.n);
    make_file(&elf, &files[flags], NULL);
    struct err *e = image_open_bytes(files[flags].p, files[flags].n, "fuzz", &img);
    if (!e)
        e = image_dwarf(img, &known[flags]);
    if (e)
        abort();
    buf_free(&abbrevs);
    buf_free(&info);
    buf_free(&addrs);
    return known[flags];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t base_n = min_u64(data[1], size - 2);
    evaluate(dwarf_for(data[0]), data[0], data + 2, base_n, data + 2 + base_n, size - 2 - base_n);
    return 0;
}

/* Pointer maps and stack objects, from a function's record and its data written here by hand. */
#include "check.h"
#include "image/pclntab.h"
#include "make.h"

enum { HEADER = 44, NONE = -1 };

struct function {
    struct buf raw, data;
    struct pcln p;
    struct pcln_func f;
};

/* A function whose kinds of data (args, locals, objects) lie at these offsets of `data`. */
static void make(struct function *x, int args, int locals, int objects)
{
    const int at[] = {args, locals, objects};
    buf_repeat(&x->raw, 0, HEADER);
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        put_u32(&x->raw, (uint32_t)at[i]);
    x->p = (struct pcln){.layout = PCLN_120,
                         .bytes = (const uint8_t *)x->raw.p,
                         .n = x->raw.n,
                         .func_header = HEADER,
                         .gofunc = (const uint8_t *)x->data.p,
                         .gofunc_n = x->data.n};
    x->f = (struct pcln_func){.raw = (const uint8_t *)x->raw.p, .nfuncdata = ARRAY_LEN(at)};
}

static void drop(struct function *x)
{
    buf_free(&x->raw);
    buf_free(&x->data);
}

static void test_maps(void **state)
{
    struct function x = {0};
    struct pcln_bits b;
    put_u32(&x.data, 2); /* arguments: two maps of 3 bits */
    put_u32(&x.data, 3);
    put_u8(&x.data, 0x5);
    put_u8(&x.data, 0x2);
    put_u32(&x.data, 2); /* at 10: locals, two maps of 9 bits */
    put_u32(&x.data, 9);
    put_u8(&x.data, 0x01);
    put_u8(&x.data, 0x01);
    put_u8(&x.data, 0x80);
    put_u8(&x.data, 0x00);
    make(&x, 0, 10, NONE);
    assert_true(pcln_pointer_map(&x.p, &x.f, PCLN_FUNCDATA_ARGS_MAPS, 1, &b));
    assert_int_equal(b.n, 3);
    assert_int_equal(b.bits[0], 0x2);
    assert_true(pcln_pointer_map(&x.p, &x.f, PCLN_FUNCDATA_LOCALS_MAPS, 0, &b));
    assert_int_equal(b.n, 9);
    assert_int_equal(b.bits[1], 0x01);
    assert_true(pcln_pointer_map(&x.p, &x.f, PCLN_FUNCDATA_LOCALS_MAPS, 1, &b));
    assert_int_equal(b.bits[0], 0x80);
    assert_false(pcln_pointer_map(&x.p, &x.f, PCLN_FUNCDATA_LOCALS_MAPS, 2, &b));
    assert_false(pcln_pointer_map(&x.p, &x.f, PCLN_FUNCDATA_LOCALS_MAPS, -1, &b));
    assert_int_equal(pcln_stack_objects(&x.p, &x.f), 0);
    drop(&x);
}

/* Counts that lead outside, or make no sense. */
static void test_bad_maps(void **state)
{
    static const struct {
        uint32_t n, bits;
        bool ok;
    } rows[] = {{1, 64, true}, {1, 65, false}, {0, 3, false},          {0xffffffff, 3, false},
                {9, 8, true},  {1, 0, true},   {1, 0xffffffff, false}, {0x7fffffff, 8, true}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct function x = {0};
        struct pcln_bits b;
        put_u32(&x.data, rows[i].n);
        put_u32(&x.data, rows[i].bits);
        buf_repeat(&x.data, 1, 8);
        make(&x, NONE, 0, NONE);
        assert_int_equal(pcln_pointer_map(&x.p, &x.f, PCLN_FUNCDATA_LOCALS_MAPS, 0, &b),
                         rows[i].ok);
        assert_false(pcln_pointer_map(&x.p, &x.f, PCLN_FUNCDATA_ARGS_MAPS, 0, &b));
        assert_false(pcln_pointer_map(&x.p, &x.f, PCLN_FUNCDATA_LOCALS_MAPS, 8, &b) &&
                     rows[i].bits);
        drop(&x);
    }
}

static void put_object(struct buf *b, int32_t off, int32_t size, int32_t ptr, uint32_t mask)
{
    put_u32(b, (uint32_t)off);
    put_u32(b, (uint32_t)size);
    put_u32(b, (uint32_t)ptr);
    put_u32(b, mask);
}

static void test_objects(void **state)
{
    struct function x = {0};
    struct pcln_stack_object o;
    put_u64(&x.data, 4);
    put_object(&x.data, -48, 24, 16, 0x100);
    put_object(&x.data, 8, 1 << 20, -(1 << 19), 0x200); /* a program */
    put_object(&x.data, -8, 8, 16, 0);                  /* pointers behind its end */
    put_object(&x.data, -8, -8, 0, 0);
    make(&x, NONE, NONE, 0);
    assert_int_equal(pcln_stack_objects(&x.p, &x.f), 4);
    assert_true(pcln_stack_object(&x.p, &x.f, 0, &o));
    assert_int_equal(o.off, -48);
    assert_int_equal(o.size, 24);
    assert_int_equal(o.ptr_bytes, 16);
    assert_int_equal(o.mask, 0x100);
    assert_false(o.program);
    assert_true(pcln_stack_object(&x.p, &x.f, 1, &o));
    assert_int_equal(o.ptr_bytes, 1 << 19);
    assert_true(o.program);
    assert_false(pcln_stack_object(&x.p, &x.f, 2, &o));
    assert_false(pcln_stack_object(&x.p, &x.f, 3, &o));
    assert_false(pcln_stack_object(&x.p, &x.f, 4, &o));
    x.data.p[0] = 5; /* more than there are */
    assert_int_equal(pcln_stack_objects(&x.p, &x.f), 0);
    drop(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_bad_maps),
        cmocka_unit_test(test_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

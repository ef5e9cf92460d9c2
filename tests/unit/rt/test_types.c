/* test_types.c - type descriptors of old and new layouts, written by hand: what is read of them,
 * and that nonsense is refused. */
#include <pthread.h>

#include "check.h"
#include "rt/make_types.h"

static struct world w;

static struct rt_types *open_types(void)
{
    struct rt_types *ty;

    check_ok(types_open(&w.rt, w.t, &ty));
    return ty;
}

static void close_types(struct rt_types *ty)
{
    types_free(ty);
    world_close(&w);
}

static taddr pointer_to(taddr elem, const char *name)
{
    taddr p = world_type(&w, 0, GO_KIND_POINTER, name, 8, 8, 1);
    world_put(&w, p, RT_ptrtype_elem, elem);
    return p;
}

static void test_struct(void **state)
{
    static const char *const releases[] = {"go1.18", "go1.20", "go1.23", "go1.26", "go1.27"};
    for (size_t i = 0; i < ARRAY_LEN(releases); i++) {
        world_open(&w, releases[i]);
        taddr n = world_type(&w, 0, GO_KIND_INT, "int", 8, 0, 0);
        taddr s = world_type(&w, 0, GO_KIND_STRUCT, "*main.node", 16, 16, 2);
        taddr p = pointer_to(s, "*main.node");
        const struct world_field fields[] = {{"value", n, 0}, {"next", p, 8}};
        world_flag(&w, s, RT_type_tflag, w.rt.layout.constant[RT_IS_tflag_extra_star]);
        world_fields(&w, s, fields, 2);
        struct rt_types *ty = open_types();
        uint32_t type = types_at(ty, p);
        types_link(ty);
        assert_int_not_equal(type, SNAP_NONE);
        assert_true(types_get(ty, type)->direct);
        const struct type_entry *e = types_entry(ty, types_entry(ty, type)->elem);
        assert_string_equal(types_name(ty, e->number), "main.node");
        assert_false(e->info.direct);
        assert_int_equal(e->fields, 2);
        assert_int_equal(e->info.mask[0], 2);
        const struct type_field *next = &ty->fields.v[e->field + 1];
        assert_string_equal(intern_get(&ty->names, next->name), "next");
        assert_int_equal(next->offset, 8);
        assert_int_equal(next->type, type);
        close_types(ty);
    }
}

/* 3 literal bits, then twice more those 3, as the compiler writes [3]struct{ *T; int; *T }. */
static void test_program(void **state)
{
    static const uint8_t program[] = {4, 0, 0, 0, 3, 5, 0x83, 2, 0};
    world_open(&w, "go1.21");
    taddr t = world_type(&w, 0, GO_KIND_ARRAY, "[3]main.t", 72, 72, 0);
    world_flag(&w, t, RT_type_kind, w.rt.layout.constant[RT_IS_kind_gc_prog]);
    world_put(&w, t, RT_type_gcdata, world_bytes(&w, program, sizeof(program)));
    struct rt_types *ty = open_types();
    const struct rt_typeinfo *i = types_get(ty, types_at(ty, t));
    assert_non_null(i->mask);
    assert_int_equal(i->mask[0] | i->mask[1] << 8, 0x16d);
    close_types(ty);
}

static void test_bad_program(void **state)
{
    static const uint8_t programs[][16] = {
        {0, 0, 0, 0, 0x83, 1},                                     /* repeats what is not there */
        {0, 0, 0, 0, 1, 1, 0x80, 0, 5},                            /* nothing, five times */
        {0, 0, 0, 0, 1, 1, 0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, /* more than there is */
        {0, 0, 0, 0, 1, 1, 0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
    };
    for (size_t k = 0; k < ARRAY_LEN(programs); k++) {
        world_open(&w, "go1.19");
        taddr t = world_type(&w, 0, GO_KIND_ARRAY, "[9]*int", 72, 72, 0);
        world_flag(&w, t, RT_type_kind, w.rt.layout.constant[RT_IS_kind_gc_prog]);
        world_put(&w, t, RT_type_gcdata, world_bytes(&w, programs[k], sizeof(programs[k])));
        struct rt_types *ty = open_types();
        assert_null(types_get(ty, types_at(ty, t))->mask);
        assert_int_equal(ty->gap[TYPES_GAP_MASK], 1);
        close_types(ty);
    }
}

static taddr on_demand(uint8_t kind, const char *name, uint64_t size, uint64_t ptr_bytes)
{
    uint64_t none = 0;
    taddr t = world_type(&w, 0, kind, name, size, ptr_bytes, 0);
    world_flag(&w, t, RT_type_tflag, w.rt.layout.constant[RT_IS_tflag_gc_mask_on_demand]);
    world_put(&w, t, RT_type_gcdata, world_bytes(&w, &none, sizeof(none)));
    return t;
}

static void test_on_demand(void **state)
{
    world_open(&w, "go1.25");
    taddr str = world_type(&w, 0, GO_KIND_STRING, "string", 16, 8, 1);
    taddr n = world_type(&w, 0, GO_KIND_INT, "int", 8, 0, 0);
    taddr s = on_demand(GO_KIND_STRUCT, "main.s", 32, 24);
    const struct world_field fields[] = {{"n", n, 0}, {"", str, 16}, {"m", n, 8}};
    world_fields(&w, s, fields, 3);
    taddr a = on_demand(GO_KIND_ARRAY, "[5]main.s", 160, 152);
    world_put(&w, a, RT_arraytype_elem, s);
    world_put(&w, a, RT_arraytype_len, 5);
    struct rt_types *ty = open_types();
    const struct rt_typeinfo *i = types_get(ty, types_at(ty, a));
    assert_non_null(i->mask);
    assert_int_equal(i->mask[0] | i->mask[1] << 8 | i->mask[2] << 16, 0x44444);
    close_types(ty);
}

static void test_on_demand_nonsense(void **state)
{
    world_open(&w, "go1.26");
    taddr self = on_demand(GO_KIND_ARRAY, "[2]main.self", 64, 64);
    world_put(&w, self, RT_arraytype_elem, self);
    world_put(&w, self, RT_arraytype_len, 2);
    taddr str = world_type(&w, 0, GO_KIND_STRING, "string", 16, 8, 1);
    taddr more = on_demand(GO_KIND_ARRAY, "[3]string", 40, 40);
    world_put(&w, more, RT_arraytype_elem, str);
    world_put(&w, more, RT_arraytype_len, 1 << 30);
    taddr many = on_demand(GO_KIND_STRUCT, "main.many", 64, 64);
    world_put_slice(&w, many, RT_structtype_fields, str, UINT64_MAX);
    taddr kind = on_demand(GO_KIND_SLICE, "[]int", 24, 8);
    struct rt_types *ty = open_types();
    const taddr all[] = {self, more, many, kind};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_int_not_equal(types_at(ty, all[i]), SNAP_NONE);
        assert_null(types_get(ty, types_at(ty, all[i]))->mask);
    }
    close_types(ty);
}

static void test_interface_words(void **state)
{
    world_open(&w, "go1.24");
    taddr inter = world_type(&w, 0, GO_KIND_INTERFACE, "main.iface", 16, 16, 2);
    taddr s = world_type(&w, 0, GO_KIND_STRUCT, "main.s", 16, 0, 0);
    taddr p = pointer_to(s, "*main.s");
    taddr itab = world_room(&w, 1, 48), wrong = world_room(&w, 1, 48);
    world_put(&w, itab, RT_itab_inter, inter);
    world_put(&w, itab, RT_itab_type, p);
    world_put(&w, wrong, RT_itab_inter, s);
    world_put(&w, wrong, RT_itab_type, p);
    struct rt_types *ty = open_types();
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(types_of_interface(ty, itab), types_at(ty, p));
        assert_int_equal(types_of_interface(ty, p), types_at(ty, p));
        const taddr no[] = {0, 5, 4096, wrong, itab + 4, p + 8, WORLD_HEAP - 8, 1ull << 60, -8ull};
        for (size_t i = 0; i < ARRAY_LEN(no); i++)
            assert_int_equal(types_of_interface(ty, no[i]), SNAP_NONE);
    }
    close_types(ty);
}

/* Every word of a section that is not a type must be refused, or at least do no harm. */
static void test_noise(void **state)
{
    uint64_t x = 88172645463325252ull;
    for (int round = 0; round < 20; round++) {
        world_open(&w, round % 2 ? "go1.18" : "go1.27");
        for (size_t i = 0; i + 8 <= sizeof(w.types); i += 8) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            uint64_t v = x % 4 == 0 ? WORLD_TYPES + x % WORLD_SIZE : x % 4 == 1 ? x % 64 : x;
            memcpy(w.types + i, &v, 8);
        }
        struct rt_types *ty = open_types();
        types_scan(ty);
        for (uint32_t i = 0; i < ty->n; i++)
            (void)types_name(ty, i);
        close_types(ty);
    }
}

static void test_shapes(void **state)
{
    world_open(&w, "go1.24");
    taddr byte = world_type(&w, 0, GO_KIND_INT + 6, "uint8", 1, 0, 0);
    taddr m = world_type(&w, 0, GO_KIND_MAP, "map[string]int", 8, 8, 1);
    struct rt_types *ty = open_types();
    uint32_t tb = types_at(ty, byte), tm = types_at(ty, m);
    const struct {
        enum snap_form form;
        uint32_t type;
        const char *name;
    } shapes[] = {
        {SNAP_FORM_VALUE, tb, "byte"},
        {SNAP_FORM_ARRAY, tb, "[]byte"},
        {SNAP_FORM_MAP, tm, "map[string]int"},
        {SNAP_FORM_MAP_GROUPS, tm, "map[string]int (groups)"},
        {SNAP_FORM_CHAN_BUF, tb, "chan byte (buffer)"},
        {SNAP_FORM_STRING, SNAP_NONE, "string"},
        {SNAP_FORM_TINY, SNAP_NONE, "tiny block"},
    };
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct buf b = {0};
        uint16_t n = types_shape(ty, shapes[i].form, shapes[i].type, SNAP_NONE, SNAP_EV_FLOW);
        assert_int_not_equal(n, 0);
        assert_int_equal(n,
                         types_shape(ty, shapes[i].form, shapes[i].type, SNAP_NONE, SNAP_EV_FLOW));
        assert_int_not_equal(
            n, types_shape(ty, shapes[i].form, shapes[i].type, SNAP_NONE, SNAP_EV_GUESS));
        types_shape_name(ty, types_shape_get(ty, n), &b);
        assert_string_equal(buf_text(&b), shapes[i].name);
        buf_free(&b);
    }
    for (taddr pc = 0; pc < TYPES_SHAPES_MAX; pc++)
        (void)types_shape(ty, SNAP_FORM_CLOSURE, SNAP_NONE, pc, SNAP_EV_FLOW);
    assert_int_equal(types_shape(ty, SNAP_FORM_CLOSURE, SNAP_NONE, 1 << 30, SNAP_EV_FLOW), 0);
    assert_true(ty->gap[TYPES_GAP_SHAPES] > 0);
    close_types(ty);
}

static void test_packages(void **state)
{
    static const char *const names[][2] = {
        {"main.T", "main"},
        {"net/http.Server", "net/http"},
        {"gopkg.in/yaml%2ev2.Node", "gopkg.in/yaml.v2"},
        {"example.com/a/b.G[example.com/c.T]", "example.com/a/b"},
        {"int", ""},
        {"*main.T", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct buf b = {0};
        types_dwarf_package(names[i][0], &b);
        assert_string_equal(buf_text(&b), names[i][1]);
        buf_free(&b);
    }
}

enum { MANY = 200 };

struct asking {
    struct rt_types *ty;
    const taddr *all;
    uint32_t got[MANY];
};

static void *ask(void *arg)
{
    struct asking *a = arg;
    for (int round = 0; round < 50; round++)
        for (size_t i = 0; i < MANY; i++) {
            a->got[i] = types_at(a->ty, a->all[i]);
            if (types_get(a->ty, a->got[i])->addr != a->all[i] ||
                !types_get(a->ty, a->got[i])->mask)
                a->got[i] = SNAP_NONE;
        }
    return NULL;
}

static void test_many_threads(void **state)
{
    static taddr all[MANY];
    static struct asking asking[4];
    pthread_t threads[4];
    world_open(&w, "go1.26");
    for (size_t i = 0; i < MANY; i++)
        all[i] = world_type(&w, 0, GO_KIND_STRING, "string", 16, 8, 1);
    struct rt_types *ty = open_types();
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        asking[i] = (struct asking){.ty = ty, .all = all};
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &asking[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_not_equal(asking[0].got[i], SNAP_NONE);
        for (size_t k = 1; k < ARRAY_LEN(threads); k++)
            assert_int_equal(asking[k].got[i], asking[0].got[i]);
    }
    close_types(ty);
}

TEST_MAIN(cmocka_unit_test(test_struct), cmocka_unit_test(test_program),
          cmocka_unit_test(test_bad_program), cmocka_unit_test(test_on_demand),
          cmocka_unit_test(test_on_demand_nonsense), cmocka_unit_test(test_interface_words),
          cmocka_unit_test(test_noise), cmocka_unit_test(test_shapes),
          cmocka_unit_test(test_packages), cmocka_unit_test(test_many_threads))

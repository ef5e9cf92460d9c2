/* Following code over values: small pieces of machine code, with functions of ours around them. */
#include "check.h"
#include "rt/ahead_int.h"

enum { CODE = 0x400000, STACK = 0x500000, STACK_SIZE = 4096, HEAP = 0x600000, PAGE = 4096 };
enum { SP = STACK + 1024, END = SP + 64, UNLOCK_AT = 0x800, OTHER_AT = 0x900 };

struct world {
    uint8_t code[PAGE], stack[STACK_SIZE], heap[PAGE];
    const uint8_t *bytes[3];
    struct target_mapping maps[3];
    struct rt_module module;
    struct rt rt;
    struct capture c;
    struct ahead a;
};

static void add_function(struct world *w, taddr at, taddr end, const char *name)
{
    struct ahead_fn f = {.entry = CODE + at, .end = CODE + end, .name = name};
    f.runtime = strncmp(name, "runtime.", 8) == 0;
    ahead_name_meaning(&f);
    map_put(&w->a.code.by_entry, f.entry, (uint32_t)w->a.code.fns.n);
    vec_push(&w->a.code.fns, f);
}

static void open_world(struct world *w)
{
    memset(w, 0, sizeof(*w));
    w->maps[0] = (struct target_mapping){
        .start = CODE, .end = CODE + PAGE, .readable = true, .executable = true, .path = ""};
    w->maps[1] = (struct target_mapping){
        .start = STACK, .end = STACK + STACK_SIZE, .readable = true, .writable = true, .path = ""};
    w->maps[2] = (struct target_mapping){
        .start = HEAP, .end = HEAP + PAGE, .readable = true, .writable = true, .path = ""};
    w->bytes[0] = w->code;
    w->bytes[1] = w->stack;
    w->bytes[2] = w->heap;
    w->module = (struct rt_module){.minpc = CODE, .maxpc = CODE + PAGE};
    w->rt = (struct rt){.modules = &w->module, .nmodules = 1};
    struct target_fake fake = {.maps = w->maps, .bytes = w->bytes, .nmaps = 3};
    static struct target_fake kept; /* it must outlive the target */
    kept = fake;
    w->rt.t = target_open_fake(&kept);
    w->c = (struct capture){.rt = &w->rt, .t = w->rt.t, .maps = w->maps, .nmaps = 3};
    ahead_init(&w->a, &w->c);
    w->a.mem.lo = STACK;
    w->a.mem.hi = STACK + STACK_SIZE;
    w->a.left = 100000;
    add_function(w, 0, UNLOCK_AT, "main.f");
    add_function(w, UNLOCK_AT, OTHER_AT, "sync.(*Mutex).Unlock");
    add_function(w, OTHER_AT, PAGE, "sync.(*Mutex).Lock");
}

static void close_world(struct world *w)
{
    ahead_close(&w->a);
    target_close(w->rt.t);
}

static void put_word(uint8_t *memory, size_t at, uint64_t v)
{
    memcpy(memory + at, &v, 8);
}

/* call rel32 at `from`. */
static size_t put_call(struct world *w, size_t from, int32_t to)
{
    int32_t rel = to - (int32_t)(from + 5);
    w->code[from] = 0xe8;
    memcpy(w->code + from + 1, &rel, 4);
    return from + 5;
}

static size_t put_code(struct world *w, size_t at, const char *bytes, size_t n)
{
    memcpy(w->code + at, bytes, n);
    return at + n;
}

#define CODE_AT(w, at, bytes) put_code((w), (at), (bytes), sizeof(bytes) - 1)
#define LOAD_RAX "\x48\x8b\x44\x24\x08" /* mov 8(%rsp),%rax */
#define LOAD_RCX "\x48\x8b\x4c\x24\x10" /* mov 16(%rsp),%rcx */
#define LEAVE "\x48\x83\xc4\x40\xc3"    /* add $64,%rsp; ret */

static struct ahead_result follow(struct world *w)
{
    struct ahead_start s = {.pc = CODE, .sp = SP, .end = END};
    w->a.tallies.n = 0;
    return ahead_follow(&w->a, &s);
}

static const struct ahead_tally *only(struct world *w)
{
    assert_int_equal(w->a.tallies.n, 1);
    return &w->a.tallies.v[0];
}

/* A call of Unlock with a pointer from the stack: on every path. */
static void test_straight(void **state)
{
    struct world w;
    open_world(&w);
    put_word(w.stack, 1024 + 8, HEAP + 32);
    size_t at = CODE_AT(&w, 0, LOAD_RAX);
    CODE_AT(&w, put_call(&w, at, UNLOCK_AT), LEAVE);
    struct ahead_result r = follow(&w);
    assert_int_equal(r.ended, 1);
    assert_int_equal(r.cut, 0);
    assert_int_equal(only(&w)->addr, HEAP + 32);
    assert_int_equal(only(&w)->all, 1);
    assert_int_equal(only(&w)->pc, CODE + at);
    close_world(&w);
}

/* cmpq $0,(%rcx); je over the call: rcx points to the heap, so both ways, one of them astray. */
static void branch(struct world *w, taddr flag, uint64_t value)
{
    open_world(w);
    put_word(w->stack, 1024 + 8, HEAP + 32);
    put_word(w->stack, 1024 + 16, flag);
    if (flag >= HEAP)
        put_word(w->heap, flag - HEAP, value);
    else
        put_word(w->stack, flag - STACK, value);
    size_t at = CODE_AT(w, 0, LOAD_RAX LOAD_RCX "\x48\x83\x39\x00\x74\x05");
    CODE_AT(w, put_call(w, at, UNLOCK_AT), LEAVE);
}

static void test_branch_on_memory_of_others(void **state)
{
    struct world w;
    branch(&w, HEAP + 64, 1); /* memory says: it unlocks */
    struct ahead_result r = follow(&w);
    assert_int_equal(r.ended, 2);
    assert_int_equal(r.sober, 1);
    assert_int_equal(only(&w)->all, 1);
    assert_int_equal(only(&w)->sober, 1);
    close_world(&w);
    branch(&w, HEAP + 64, 0); /* memory says: it does not */
    r = follow(&w);
    assert_int_equal(r.ended, 2);
    assert_int_equal(r.sober, 1);
    assert_int_equal(only(&w)->all, 1);
    assert_int_equal(only(&w)->sober, 0);
    close_world(&w);
}

static void test_branch_on_own_memory(void **state)
{
    struct world w;
    branch(&w, STACK + 2048, 0);
    struct ahead_result r = follow(&w);
    assert_int_equal(r.ended, 1);
    assert_int_equal(w.a.tallies.n, 0);
    close_world(&w);
    branch(&w, STACK + 2048, 1);
    r = follow(&w);
    assert_int_equal(r.ended, 1);
    assert_int_equal(only(&w)->all, 1);
    close_world(&w);
}

/* What was written on one way is not there on the other: jumps on rbx, which is not known. */
static void test_writes_are_undone(void **state)
{
    struct world w;
    open_world(&w);
    put_word(w.stack, 1024 + 8, HEAP + 32);
    size_t at = CODE_AT(&w, 0,
                        "\x48\x85\xdb\x74\x09"                 /* test %rbx,%rbx; je */
                        "\x48\xc7\x44\x24\x08\x40\x00\x60\x00" /* movq $0x600040,8(%rsp) */
                        LOAD_RAX);
    CODE_AT(&w, put_call(&w, at, UNLOCK_AT), LEAVE);
    struct ahead_result r = follow(&w);
    assert_int_equal(r.ended, 2);
    assert_int_equal(w.a.tallies.n, 2);
    assert_int_equal(w.a.tallies.v[0].addr, HEAP + 64);
    assert_int_equal(w.a.tallies.v[1].addr, HEAP + 32);
    close_world(&w);
}

/* A loop without end and a jump to itself end, and are not called complete. */
static void test_loops_end(void **state)
{
    struct world w;
    open_world(&w);
    CODE_AT(&w, 0, "\xeb\xfe"); /* jmp . */
    struct ahead_result r = follow(&w);
    assert_int_equal(r.ended, 0);
    close_world(&w);
    open_world(&w);
    CODE_AT(&w, 0, "\x48\xff\xc3\x48\x85\xdb\x75\xf8" LEAVE); /* inc rbx; test; jne back */
    r = follow(&w);
    assert_true(r.ended >= 1);
    assert_true(w.a.steps < 100);
    close_world(&w);
}

/* lock first, then unlock: the first of both decides. */
static void test_order(void **state)
{
    struct world w;
    open_world(&w);
    put_word(w.stack, 1024 + 8, HEAP + 32);
    size_t at = put_call(&w, CODE_AT(&w, 0, LOAD_RAX), OTHER_AT);
    at = put_call(&w, CODE_AT(&w, at, LOAD_RAX), UNLOCK_AT);
    CODE_AT(&w, at, LEAVE);
    follow(&w);
    assert_int_equal(only(&w)->first, 1 << AHEAD_LOCK);
    assert_int_equal(only(&w)->all, 0);
    close_world(&w);
}

/* lock xadd of -1: an inlined Unlock. */
static void test_inlined(void **state)
{
    struct world w;
    open_world(&w);
    put_word(w.stack, 1024 + 16, HEAP + 32);
    CODE_AT(&w, 0, LOAD_RCX "\xb8\xff\xff\xff\xff\xf0\x0f\xc1\x01" LEAVE);
    follow(&w);
    assert_int_equal(only(&w)->addr, HEAP + 32);
    assert_int_equal(only(&w)->first, 1 << AHEAD_UNLOCK);
    close_world(&w);
}

static void has_field(struct world *w, enum rt_field f, int32_t off)
{
    w->rt.layout.off[f] = off;
    w->rt.layout.width[f] = 8;
}

/* A map that is none, because the code has overwritten the argument by then: its directory has any
 * address and length, and looking for a key ends all the same. */
static void test_map_that_is_none(void **state)
{
    enum { TYPE = HEAP + 256, MAP = HEAP + 512, ZEROS = HEAP + 1024 };
    const taddr directories[] = {0x1000, ZEROS, HEAP + PAGE - 8};
    struct world w;
    for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
        taddr found;
        open_world(&w);
        has_field(&w, RT_map_dir_ptr, 0);
        has_field(&w, RT_map_dir_len, 8);
        w.rt.layout.off[RT_maptype_elem_stride] = -1;
        put_word(w.heap, MAP - HEAP, directories[i]);
        put_word(w.heap, MAP - HEAP + 8, UINT64_C(1) << 62);
        const uint8_t *args = w.a.code.arch->go_args;
        w.a.p.reg[args[0]] = (struct ahead_val){TYPE, 0xff, 0};
        w.a.p.reg[args[1]] = (struct ahead_val){MAP, 0xff, 0};
        w.a.p.reg[args[2]] = (struct ahead_val){1, 0xff, 0};
        assert_false(ahead_map_find(&w.a, "_fast64", &found));
        close_world(&w);
    }
}

TEST_MAIN(cmocka_unit_test(test_straight), cmocka_unit_test(test_branch_on_memory_of_others),
          cmocka_unit_test(test_branch_on_own_memory), cmocka_unit_test(test_writes_are_undone),
          cmocka_unit_test(test_loops_end), cmocka_unit_test(test_order),
          cmocka_unit_test(test_inlined), cmocka_unit_test(test_map_that_is_none))

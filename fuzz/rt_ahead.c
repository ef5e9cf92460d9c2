/* Code ahead of a frame: any bytes as instructions, with functions of every meaning in between,
 * over a small stack and some memory.  Input: a byte that chooses where to start, 8 bytes for
 * registers, then code. */
#include "rt/ahead_int.h"

enum { CODE = 0x400000, STACK = 0x500000, STACK_SIZE = 8192, HEADER = 9, CODE_MAX = 16 << 10 };

static const char *const names[] = {
    "main.f",
    "sync.(*Mutex).Unlock",
    "runtime.newproc",
    "main.f.func1",
    "runtime.deferproc",
    "runtime.deferreturn",
    "runtime.selectgo",
    "sync.(*Cond).Wait",
    "runtime.mapaccess1_faststr",
    "runtime.newobject",
    "runtime.gopanic",
    "main.g",
    "runtime.duffzero",
    "runtime.gcWriteBarrier",
    "runtime.deferprocStack",
    "runtime.closechan",
};

/* Cuts the code into functions. */
static void make_functions(struct ahead *a, size_t n)
{
    size_t each = n / ARRAY_LEN(names);
    for (size_t i = 0; each && i < ARRAY_LEN(names); i++) {
        struct ahead_fn f = {.entry = CODE + i * each, .end = CODE + (i + 1) * each};
        f.name = names[i];
        f.runtime = strncmp(f.name, "runtime.", 8) == 0;
        ahead_name_meaning(&f);
        map_put(&a->code.by_entry, f.entry, (uint32_t)a->code.fns.n);
        vec_push(&a->code.fns, f);
    }
}

static void follow(struct ahead *a, const uint8_t *data, size_t n, struct ahead_claims *claims)
{
    uint64_t regs[ARCH_REGS], seed;
    struct ahead_wanted w = {.all = true, .kinds = UINT16_MAX};
    struct ahead_goroutine g = {.gi = 0};
    taddr defers[2] = {STACK + 64, CODE};
    memcpy(&seed, data + 1, 8);
    for (size_t i = 0; i < ARCH_REGS; i++)
        regs[i] = i % 3 == 0 ? seed : i % 3 == 1 ? STACK + (seed >> i) % STACK_SIZE : CODE + i;
    struct ahead_start s = {.pc = CODE + data[0] % ARRAY_LEN(names) * (n / ARRAY_LEN(names)),
                            .sp = STACK + STACK_SIZE / 2,
                            .end = STACK + STACK_SIZE / 2 + 8 * (data[0] >> 4),
                            .g = STACK,
                            .defers = defers,
                            .ndefers = data[0] & 1 ? ARRAY_LEN(defers) : 0};
    if (data[0] & 2) {
        s.regs = regs;
        s.regs_known = (uint32_t)seed;
    }
    a->left = 100000;
    struct ahead_frame f = {.body = ahead_follow(a, &s)};
    if (a->steps > AHEAD_STEPS + 1 || ahead_mark(&a->mem) || a->mem.nwords)
        abort();
    f.defers = (struct ahead_result){.first = a->tallies.n};
    vec_push(&g.frames, f);
    ahead_judge(a, &g, &w, claims);
    ahead_compare(claims);
    vec_free(&g.frames);
}

/* Each function counted, in two rounds. */
static void count(struct ahead *a)
{
    struct ahead_counting k = {.a = a};
    size_t n = a->code.fns.n;
    for (k.round = 1; k.round <= 2; k.round++)
        for (size_t i = 0; i < n; i++) {
            struct ahead_count c = ahead_count_code(&k, a->code.fns.v[i].entry);
            if (c.least > 0 || c.dip > 0)
                abort();
        }
    vec_free(&k.counts);
    map_free(&k.place);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t stack[STACK_SIZE], code[CODE_MAX];
    if (size < HEADER + ARRAY_LEN(names))
        return 0;
    size_t n = min_u64(size - HEADER, CODE_MAX);
    const uint8_t *bytes[] = {code, stack};
    struct target_mapping maps[] = {
        {.start = CODE, .end = CODE + CODE_MAX, .readable = true, .executable = true, .path = ""},
        {.start = STACK,
         .end = STACK + STACK_SIZE,
         .readable = true,
         .writable = true,
         .path = ""}};
    struct target_fake fake = {.maps = maps, .bytes = bytes, .nmaps = ARRAY_LEN(maps)};
    struct rt_module module = {.minpc = CODE, .maxpc = CODE + n};
    struct rt rt = {.modules = &module, .nmodules = 1};
    struct ahead a = {0};
    struct ahead_claims claims = {0};
    memset(code, 0, sizeof(code));
    memcpy(code, data + HEADER, n);
    for (size_t i = 0; i < sizeof(stack); i += 8) { /* pointers into the code, the stack, numbers */
        uint64_t v = i % 24 == 0 ? CODE + i % n : i % 24 == 8 ? STACK + i : i;
        memcpy(stack + i, &v, 8);
    }
    rt.t = target_open_fake(&fake);
    memset(rt.layout.off, 0, sizeof(rt.layout.off));
    struct capture c = {.rt = &rt, .t = rt.t, .maps = maps, .nmaps = ARRAY_LEN(maps)};
    ahead_init(&a, &c);
    a.mem.lo = STACK;
    a.mem.hi = STACK + STACK_SIZE;
    make_functions(&a, n);
    if (a.code.fns.n)
        follow(&a, data, n, &claims);
    count(&a);
    vec_free(&claims.v);
    ahead_close(&a);
    target_close(rt.t);
    return 0;
}

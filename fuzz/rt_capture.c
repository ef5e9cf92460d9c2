/* A capture of a process whose memory is rubbish: it ends with an error, or with a snapshot that
 * keeps every promise of schema.def and says what is missing.
 *
 * The process is made by hand (tests/unit/rt/make.h).  The input is one byte that chooses the Go
 * release, one that says which areas of memory are not there, then edits of EDIT bytes: how, where
 * and what.  "Where" counts the words that were set when the process was made, so that most edits
 * hit something that is looked at. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/unit/rt/make.h"

enum { EDIT = 12, EDITS_MAX = 200 };
enum how { RAW, POINTER, STACK_POINTER, CODE, SMALL, BYTES, REGISTER, ANYWHERE, HOWS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With one core the readers start no threads, which would take most of the time of a round. */
__attribute__((constructor)) static void stay_on_one_core(void)
{
    cpu_set_t set;
    int cpu = sched_getcpu();
    CPU_ZERO(&set);
    CPU_SET((size_t)(cpu < 0 ? 0 : cpu), &set);
    sched_setaffinity(0, sizeof(set), &set);
}

/* A heap of a page of each kind of span, at the end of what holds the stacks; objects point to each
 * other and to what is around them. */
static void make_heap(struct make_go *m)
{
    enum { PAGE = 8192, LAST = MAKE_STACKS_N / PAGE * PAGE };
    static const struct {
        uint16_t class, size;
    } kinds[] = {{4 << 1, 48}, {30 << 1, 1024}, {0, PAGE}, {5, 16}};
    taddr list = make_room(m, 8 * ARRAY_LEN(kinds)), bits = make_room(m, PAGE / 16 / 8);
    taddr mheap = m->global[RT_GLOBAL_mheap];
    if (!list || !bits || !mheap || !rt_has(&m->l, RT_mheap_allspans))
        return;
    memset(make_at(m, bits), 0x5a, PAGE / 16 / 8);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        taddr span = make_struct(m, RT_STRUCT_mspan), addr = MAKE_STACKS + LAST - (i + 1) * PAGE;
        make_field(m, span, RT_mspan_start_addr, addr);
        make_field(m, span, RT_mspan_npages, 1);
        make_field(m, span, RT_mspan_elemsize, kinds[i].size);
        make_field(m, span, RT_mspan_nelems, PAGE / kinds[i].size);
        make_field(m, span, RT_mspan_free_index, 3);
        make_field(m, span, RT_mspan_spanclass, kinds[i].class);
        make_field(m, span, RT_mspan_state, 1);
        make_field(m, span, RT_mspan_sweepgen, i);
        make_field(m, span, RT_mspan_alloc_bits, bits);
        make_field(m, span, RT_mspan_mark_bits, bits);
        make_field(m, span, RT_mspan_large_type, MAKE_INFO);
        make_word(m, list + 8 * i, span);
        for (taddr at = addr; at < addr + PAGE - 256; at += 8) {
            taddr v = at % 3 ? MAKE_STACKS + LAST - at % (4 * PAGE) : at % 5 ? MAKE_INFO : at;
            make_word(m, at, v);
        }
    }
    make_element(m, mheap, RT_mheap_allspans, 0, list);
    make_element(m, mheap, RT_mheap_allspans, 1, ARRAY_LEN(kinds));
    make_element(m, mheap, RT_mheap_allspans, 2, ARRAY_LEN(kinds));
}

static void populate(struct make_go *m)
{
    make_heap(m);
    static const char *const parked[] = {"runtime.gopark", "main.work", "runtime.goexit", NULL};
    static const char *const async[] = {"runtime.asyncPreempt", "main.work", "runtime.goexit",
                                        NULL};
    taddr g = make_parked(m, 7, "chan receive", parked);
    make_chan_wait(m, g, 0, false);
    make_labels(m, g, "user", "ann");
    g = make_parked(m, 8, "select", parked);
    make_chan_wait(m, g, make_chan_wait(m, g, 0, false), true);
    g = make_parked(m, 9, "semacquire", parked);
    taddr sudog = make_struct(m, RT_STRUCT_sudog), other = make_struct(m, RT_STRUCT_sudog);
    make_field(m, sudog, RT_sudog_g, g);
    make_field(m, sudog, RT_sudog_next, other);
    make_field(m, sudog, RT_sudog_prev, 0);
    make_field(m, sudog, RT_sudog_elem, MAKE_DATA);
    make_field(m, other, RT_sudog_g, make_parked(m, 10, "sync.Mutex.Lock", async));
    make_field(m, m->global[RT_GLOBAL_semtable], RT_semaroot_treap, sudog);
    g = make_goroutine(m, 11, RT_IS_g_syscall, parked);
    make_field(m, g, RT_g_syscallpc, make_pc("main.work"));
    make_field(m, g, RT_g_syscallsp, make_frames(m, MAKE_STACKS + m->stacks_used, parked + 1));
    g = make_goroutine(m, 12, RT_IS_g_runnable, parked);
    make_element(m, m->p0, RT_p_runq, 0, g);
    make_field(m, m->p0, RT_p_runqtail, 1);
    make_field(m, m->global[RT_GLOBAL_sched], RT_schedt_runq_head, g);
    make_field(m, m->global[RT_GLOBAL_sched], RT_schedt_midle, m->m0);
    make_timer(m, 777);
    make_field(m, m->p0, RT_p_mcache, make_struct(m, RT_STRUCT_mcache));
    make_field(m, m->global[RT_GLOBAL_mheap], RT_mheap_arenas, MAKE_DATA);
}

static void change(struct make_go *m, const uint8_t *p)
{
    uint32_t where = p[1] | (uint32_t)p[2] << 8 | (uint32_t)p[3] << 16;
    taddr at = m->set.v[where % m->set.n];
    uint64_t v;
    memcpy(&v, p + 4, 8);
    switch ((enum how)(p[0] % HOWS)) {
    case POINTER:
        v = MAKE_DATA + v % MAKE_DATA_N;
        break;
    case STACK_POINTER:
        v = MAKE_STACKS + v % MAKE_STACKS_N;
        break;
    case CODE:
        v = MAKE_TEXT + v % (ARRAY_LEN(make_funcs) * MAKE_FUNC_N);
        break;
    case SMALL:
        v = v % 4096;
        break;
    case BYTES:
        *make_at(m, at) = (uint8_t)v;
        return;
    case REGISTER:
        m->threads[0].regs.pc = where & 1 ? v : m->threads[0].regs.pc;
        m->threads[0].regs.sp = where & 2 ? v : MAKE_STACKS + v % MAKE_STACKS_N;
        memcpy(m->threads[0].regs.raw + where % 200, &v, 8);
        return;
    case ANYWHERE:
        at = where & 1 ? MAKE_DATA + where % (MAKE_DATA_N - 8)
                       : MAKE_STACKS + where % (MAKE_STACKS_N - 8);
        break;
    default:
        break;
    }
    memcpy(make_at(m, at), &v,
           min_u64(8, at - MAKE_DATA < MAKE_DATA_N ? MAKE_DATA + MAKE_DATA_N - at
                                                   : MAKE_STACKS + MAKE_STACKS_N - at));
}

static void look(struct rt *rt)
{
    struct rt_pulse_options statuses = {.statuses = true};
    struct rt_capture_options o = {.locals = true, .heap = true, .heap_memory = true};
    struct rt_pulse pulse;
    struct snap *s;
    struct err *e = rt_capture(rt, &o, &s);
    if (!e) {
        e = snap_check(s);
        if (e) {
            fprintf(stderr, "snap_check: %s\n", err_message(e));
            abort();
        }
        snap_free(s);
    }
    err_free(e);
    e = rt_capture_info(rt, &s);
    if (!e)
        snap_free(s);
    err_free(e);
    err_free(rt_pulse(rt, &statuses, &pulse));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct make_go m;
    struct rt *rt = NULL;
    char version[32];
    size_t releases = 0;
    if (size < 2)
        return 0;
    while (rt_layout_release(releases))
        releases++;
    snprintf(version, sizeof(version), "go%s", rt_layout_release(data[0] % releases));
    if (!make_go(&m, version))
        abort();
    populate(&m);
    struct target *t = make_target(&m);
    bool before = data[1] & 0x80; /* rubbish already when the runtime is looked for */
    struct err *e = before ? NULL : rt_open(t, &rt);
    for (size_t i = 0, at = 2; size - at >= EDIT && i < EDITS_MAX; i++, at += EDIT)
        change(&m, data + at);
    for (size_t i = 0; i < ARRAY_LEN(m.bytes); i++)
        if (data[1] >> i & 1)
            m.bytes[i] = NULL;
    if (before)
        e = rt_open(t, &rt);
    if (!e)
        look(rt);
    err_free(e);
    rt_close(rt);
    target_close(t);
    make_free(&m);
    return 0;
}

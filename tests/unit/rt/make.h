/* make.h - a tiny Go process made by hand, for the tests of rt/: a program with a function table,
 * build information and symbols, and memory with goroutines, a thread, a P, channels and timers.
 *
 *     struct make_go m;
 *     make_go(&m, "go1.24.6");                     what every process has
 *     taddr g = make_parked(&m, 7, "chan receive", (const char *[]){"runtime.gopark", "main.work",
 * NULL}); struct target *t = make_target(&m);          and rt_open(t, &rt) works
 *
 * The runtime's structures are laid out by the table of the release (rt_layout_tables), so a test
 * runs with every one.  Nothing else of rt/ is used here.  Memory may be changed until it is read;
 * make_where() lists the words that were set, for the fuzzer. */
#ifndef GOSPECT_TESTS_RT_MAKE_H
#define GOSPECT_TESTS_RT_MAKE_H

#include <stdio.h>

#include "../image/make.h"
#include "base/vec.h"
#include "image/pclntab.h"
#include "rt/layout.h"
#include "rt/rt.h"

enum {
    MAKE_TEXT = 0x401000,
    MAKE_FUNC_N = 64, /* bytes of code of each function */
    MAKE_TABLE = 0x500000,
    MAKE_INFO = 0x600000,
    MAKE_DATA = 0x700000,
    MAKE_DATA_N = 256 << 10,
    MAKE_STACKS_N = 64 << 10,
    MAKE_STACK_N = 4096,
    MAKE_TID = 100,
};
#define MAKE_STACKS UINT64_C(0xc000100000)

/* The functions; the runtime recognises some by their FuncID (1: not 0, the name decides). */
static const struct make_func {
    const char *name;
    unsigned frame; /* bytes below the return address, after the prologue of 4 bytes */
    uint8_t id, flag;
} make_funcs[] = {
    {"runtime.goexit", 0, 1, PCLN_FLAG_TOP | PCLN_FLAG_ASM},
    {"runtime.main", 80, 1, 0},
    {"main.main", 48, 0, 0},
    {"main.work", 104, 0, 0},
    {"main.spin", 24, 0, 0},
    {"runtime.gopark", 24, 0, 0},
    {"runtime.asyncPreempt", 248, 1, 0},
    {"runtime.sigpanic", 40, 1, 0},
    {"runtime.mcall", 8, 1, PCLN_FLAG_SPWRITE | PCLN_FLAG_ASM},
    {"runtime.mstart", 32, 1, PCLN_FLAG_TOP},
    {"runtime.systemstack_switch", 0, 1, PCLN_FLAG_ASM},
    {"runtime.wrapper", 32, 0, 0},
};

struct make_go {
    struct rt_layout l;
    const char *go_version;
    uint8_t *data, *stacks; /* memory at MAKE_DATA and MAKE_STACKS */
    uint8_t *file_data;     /* the data as the program's file has it */
    size_t used, stacks_used;
    struct buf table, info, file;
    struct image *img;
    taddr global[RT_GLOBAL_COUNT];
    VEC(taddr) gs;
    VEC(taddr) set; /* addresses of the words that were set */
    taddr g0, m0, p0, list_g, list_p;
    struct target_mapping maps[4];
    const uint8_t *bytes[4];
    struct target_thread threads[2];
    struct target_fake fake;
    void (*meanwhile)(void *ctx, taddr addr, size_t n); /* see target.h */
    void *ctx;
};

/* ---- memory ---- */

static inline uint8_t *make_at(struct make_go *m, taddr at)
{
    if (at - MAKE_DATA < MAKE_DATA_N)
        return m->data + (at - MAKE_DATA);
    return at - MAKE_STACKS < MAKE_STACKS_N ? m->stacks + (at - MAKE_STACKS) : NULL;
}

static inline void make_word(struct make_go *m, taddr at, uint64_t v)
{
    memcpy(make_at(m, at), &v, 8);
    vec_push(&m->set, at);
}

static inline taddr make_room(struct make_go *m, size_t n)
{
    taddr at = MAKE_DATA + m->used;
    m->used += (n + 63) & ~(size_t)63;
    return m->used <= MAKE_DATA_N ? at : 0;
}

/* Sets a field that the release has. */
static inline void make_field(struct make_go *m, taddr obj, enum rt_field f, uint64_t v)
{
    if (m->l.off[f] < 0)
        return;
    memcpy(make_at(m, obj + (taddr)m->l.off[f]), &v, min_u64(m->l.width[f], 8));
    vec_push(&m->set, obj + (taddr)m->l.off[f]);
}

static inline void make_element(struct make_go *m, taddr obj, enum rt_field f, size_t i, uint64_t v)
{
    if (m->l.off[f] >= 0)
        make_word(m, obj + (taddr)m->l.off[f] + 8 * i, v);
}

static inline taddr make_struct(struct make_go *m, enum rt_struct s)
{
    return make_room(m, m->l.size[s] > 0 ? (size_t)m->l.size[s] : 8);
}

/* A Go string in memory: its header is written at `header`. */
static inline void make_string(struct make_go *m, taddr header, const char *s)
{
    taddr at = make_room(m, strlen(s) + 1);
    memcpy(make_at(m, at), s, strlen(s));
    make_word(m, header, at);
    make_word(m, header + 8, strlen(s));
}

static inline void make_slice(struct make_go *m, taddr header, taddr array, uint64_t n)
{
    make_word(m, header, array);
    make_word(m, header + 8, n);
    make_word(m, header + 16, n);
}

/* ---- code ---- */

static inline taddr make_entry(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(make_funcs); i++)
        if (strcmp(make_funcs[i].name, name) == 0)
            return MAKE_TEXT + i * MAKE_FUNC_N;
    return 0;
}

static inline unsigned make_frame(const char *name)
{
    return make_funcs[(make_entry(name) - MAKE_TEXT) / MAKE_FUNC_N].frame;
}

/* Where a function is when it has called another one: line 10 times its number, plus 1. */
static inline taddr make_pc(const char *name)
{
    return make_entry(name) + 16;
}

static inline void put_value(struct buf *b, int32_t delta, unsigned bytes)
{
    uint32_t zigzag = (uint32_t)delta << 1 ^ (uint32_t)(delta >> 31);
    for (; zigzag >= 0x80; zigzag >>= 7)
        put_u8(b, (zigzag & 0x7f) | 0x80);
    put_u8(b, zigzag);
    put_u8(b, bytes);
}

/* Go: cmd/link/internal/ld/pcln.go.  Values of pc tables begin at -1. */
static inline void make_table(struct make_go *m)
{
    enum { N = ARRAY_LEN(make_funcs) };
    bool old = strncmp(m->go_version, "go1.18", 6) == 0 || strncmp(m->go_version, "go1.19", 6) == 0;
    struct buf names = {0}, cu = {0}, files = {0}, pcs = {0}, func = {0};
    size_t head = old ? 40 : 44;
    put_u8(&pcs, 0);
    put_u32(&cu, 0);
    put_text(&files, "/src/work.go");
    buf_repeat(&func, '\0', (N + 1) * 8);
    for (size_t i = 0; i < N; i++) {
        const struct make_func *f = &make_funcs[i];
        uint32_t row[2] = {(uint32_t)(i * MAKE_FUNC_N), (uint32_t)func.n}, at[3];
        put_at(&func, i * 8, row, sizeof(row));
        at[0] = (uint32_t)pcs.n;
        put_value(&pcs, 1, 4);
        if (f->frame)
            put_value(&pcs, (int32_t)f->frame, MAKE_FUNC_N - 4);
        put_u8(&pcs, 0);
        at[1] = (uint32_t)pcs.n;
        put_value(&pcs, 1, MAKE_FUNC_N);
        put_u8(&pcs, 0);
        at[2] = (uint32_t)pcs.n;
        put_value(&pcs, (int32_t)(10 * i + 1), 4);
        put_value(&pcs, 1, MAKE_FUNC_N - 4);
        put_u8(&pcs, 0);
        put_u32(&func, row[0]);
        put_u32(&func, (uint32_t)names.n);
        put_text(&names, f->name);
        put_u32(&func, 0);
        put_u32(&func, 0);
        for (size_t k = 0; k < 3; k++)
            put_u32(&func, at[k]);
        put_u32(&func, 0);
        put_u32(&func, 0);
        if (head == 44)
            put_u32(&func, (uint32_t)(10 * i));
        put_u8(&func, f->id);
        put_u8(&func, f->flag);
        put_u16(&func, 0);
    }
    uint32_t end[2] = {N * MAKE_FUNC_N, 0};
    put_at(&func, N * 8, end, sizeof(end));
    struct buf *const pools[] = {&names, &cu, &files, &pcs, &func};
    uint64_t at = 72, header[9] = {old ? 0xfffffff0 : 0xfffffff1, N, 1, MAKE_TEXT};
    header[0] |= UINT64_C(0x0801) << 48; /* smallest instruction, size of a pointer */
    for (size_t i = 0; i < ARRAY_LEN(pools); i++) {
        buf_repeat(pools[i], '\0', -pools[i]->n & 7);
        header[4 + i] = at;
        at += pools[i]->n;
    }
    buf_add(&m->table, header, sizeof(header));
    for (size_t i = 0; i < ARRAY_LEN(pools); i++) {
        buf_add(&m->table, pools[i]->p, pools[i]->n);
        buf_free(pools[i]);
    }
    put_u8(&m->table, 0);
}

static inline void make_info(struct make_go *m)
{
    buf_add(&m->info, "\xff Go buildinf:\x08\x02", 16);
    buf_repeat(&m->info, '\0', 16);
    put_u8(&m->info, (unsigned)strlen(m->go_version));
    buf_str(&m->info, m->go_version);
    put_u8(&m->info, 0);
    buf_repeat(&m->info, '\0', 64);
}

/* ---- what every process has ---- */

static inline void make_module(struct make_go *m)
{
    taddr md = make_struct(m, RT_STRUCT_moduledata),
          end = MAKE_TEXT + ARRAY_LEN(make_funcs) * MAKE_FUNC_N;
    make_field(m, md, RT_moduledata_pc_header, MAKE_TABLE);
    make_field(m, md, RT_moduledata_minpc, MAKE_TEXT);
    make_field(m, md, RT_moduledata_maxpc, end);
    make_field(m, md, RT_moduledata_text, MAKE_TEXT);
    make_field(m, md, RT_moduledata_etext, end);
    make_field(m, md, RT_moduledata_noptrdata, MAKE_DATA);
    make_field(m, md, RT_moduledata_end, MAKE_DATA + MAKE_DATA_N);
    make_field(m, md, RT_moduledata_types, MAKE_INFO);
    make_field(m, md, RT_moduledata_etypes, MAKE_INFO + 64);
}

static const struct {
    const char *symbol;
    enum rt_struct strct;
} make_globals[] = {
#define GLOBAL(name, s, first, ...) {first, RT_STRUCT_##s},
#include "rt/layout.def"
};

static inline void make_variables(struct make_go *m)
{
    for (size_t i = 0; i < RT_GLOBAL_COUNT; i++) {
        enum rt_struct s = make_globals[i].strct;
        m->global[i] = s != RT_STRUCT_none && m->l.size[s] > 0 ? make_struct(m, s)
                       : i == RT_GLOBAL_wait_reasons           ? make_room(m, 256 * 16)
                                                               : make_room(m, 24);
    }
    make_word(m, m->global[RT_GLOBAL_gomaxprocs], 1);
}

/* Takes a stack and gives it to a g. */
static inline taddr make_stack(struct make_go *m, taddr g)
{
    taddr lo = MAKE_STACKS + m->stacks_used;
    m->stacks_used += MAKE_STACK_N;
    make_field(m, g, RT_g_stack_lo, lo);
    make_field(m, g, RT_g_stack_hi, lo + MAKE_STACK_N);
    return lo + MAKE_STACK_N;
}

/* Writes the frames of functions, innermost first, below `hi`; returns the stack pointer of the
 * innermost one, which is at its make_pc(). */
static inline taddr make_frames(struct make_go *m, taddr hi, const char *const *funcs)
{
    size_t bytes = 64;
    for (size_t i = 0; funcs[i]; i++)
        bytes += make_frame(funcs[i]) + 8;
    taddr sp = hi - bytes, at = sp;
    for (size_t i = 0; funcs[i] && funcs[i + 1]; i++) {
        at += make_frame(funcs[i]);
        make_word(m, at, make_pc(funcs[i + 1]));
        at += 8;
    }
    return sp;
}

/* The runtime's number of a wait reason, which gets that text. */
static inline uint8_t make_reason(struct make_go *m, const char *text)
{
    taddr strings = m->global[RT_GLOBAL_wait_reasons];
    for (uint8_t i = 1;; i++) {
        uint64_t n;
        memcpy(&n, make_at(m, strings + 16u * i + 8), 8);
        if (!n)
            make_string(m, strings + 16u * i, text);
        else if (n != strlen(text))
            continue;
        uint64_t p;
        memcpy(&p, make_at(m, strings + 16u * i), 8);
        if (memcmp(make_at(m, p), text, strlen(text)) == 0)
            return i;
    }
}

static inline taddr make_goroutine(struct make_go *m, uint64_t id, enum rt_constant status,
                                   const char *const *funcs)
{
    taddr g = make_struct(m, RT_STRUCT_g), sp = make_frames(m, make_stack(m, g), funcs);
    make_field(m, g, RT_g_goid, id);
    make_field(m, g, RT_g_atomicstatus, (uint64_t)m->l.constant[status]);
    make_field(m, g, RT_g_sched_sp, sp);
    make_field(m, g, RT_g_sched_pc, make_pc(funcs[0]));
    make_field(m, g, RT_g_gopc, make_pc("main.main"));
    make_field(m, g, RT_g_startpc, make_entry("main.work"));
    make_field(m, g, RT_g_parent_goid, 1);
    vec_push(&m->gs, g);
    return g;
}

static inline taddr make_parked(struct make_go *m, uint64_t id, const char *reason,
                                const char *const *funcs)
{
    taddr g = make_goroutine(m, id, RT_IS_g_waiting, funcs);
    make_field(m, g, RT_g_waitreason, make_reason(m, reason));
    return g;
}

/* g waits for a channel; more than one: a select. */
static inline taddr make_chan_wait(struct make_go *m, taddr g, taddr next_case, bool send)
{
    taddr sudog = make_struct(m, RT_STRUCT_sudog), chan = make_struct(m, RT_STRUCT_hchan);
    make_field(m, sudog, RT_sudog_g, g);
    make_field(m, sudog, RT_sudog_c, chan);
    make_field(m, sudog, RT_sudog_waitlink, next_case);
    make_field(m, sudog, RT_sudog_is_select, next_case != 0);
    make_element(m, chan, send ? RT_hchan_sendq : RT_hchan_recvq, 0, sudog);
    make_field(m, g, RT_g_waiting, sudog);
    return sudog;
}

/* pprof labels: one pair.  Of releases that keep them in a list; of the others in a map. */
static inline void make_labels(struct make_go *m, taddr g, const char *key, const char *value)
{
    enum { BUCKET_N = 8 + 16 * 16 + 8 };
    taddr labels = make_room(m, 64);
    if (rt_has(&m->l, RT_labelmap_list)) {
        taddr pair = make_room(m, 32);
        make_string(m, pair, key);
        make_string(m, pair + 16, value);
        make_slice(m, labels + (taddr)m->l.off[RT_labelmap_list], pair, 1);
    } else {
        taddr map = make_struct(m, RT_STRUCT_hmap), bucket = make_room(m, BUCKET_N);
        make_word(m, labels, map);
        make_field(m, map, RT_hmap_count, 1);
        make_field(m, map, RT_hmap_buckets, bucket);
        make_word(m, bucket, 0x77);
        make_string(m, bucket + 8, key);
        make_string(m, bucket + 8 + 8 * 16, value);
    }
    make_field(m, g, RT_g_labels, labels);
}

/* A timer of P 0 that calls main.work at `when`. */
static inline void make_timer(struct make_go *m, int64_t when)
{
    taddr timer = make_struct(m, RT_STRUCT_timer), func = make_room(m, 8), heap = make_room(m, 64);
    make_word(m, func, make_entry("main.work"));
    make_field(m, timer, RT_timer_when, (uint64_t)when);
    make_field(m, timer, RT_timer_f, func);
    make_field(m, timer, RT_timer_status, 1);
    if (m->l.size[RT_STRUCT_timerwhen] > 0) {
        make_word(m, heap + (taddr)m->l.off[RT_timerwhen_timer], timer);
        make_word(m, heap + (taddr)m->l.off[RT_timerwhen_when], (uint64_t)when);
    } else {
        make_word(m, heap, timer);
    }
    make_element(m, m->p0, RT_p_timers_heap, 0, heap);
    make_element(m, m->p0, RT_p_timers_heap, 1, 1);
    make_element(m, m->p0, RT_p_timers_heap, 2, 1);
}

/* One thread with its M, g0 and P; goroutine 1 runs main.spin on it. */
static inline void make_thread(struct make_go *m)
{
    static const char *const spin[] = {"main.spin", "main.main", "runtime.main", "runtime.goexit",
                                       NULL};
    m->m0 = make_struct(m, RT_STRUCT_m);
    m->p0 = make_struct(m, RT_STRUCT_p);
    m->g0 = make_struct(m, RT_STRUCT_g);
    taddr g = make_goroutine(m, 1, RT_IS_g_running, spin);
    uint64_t sp;
    make_stack(m, m->g0);
    make_field(m, m->g0, RT_g_m, m->m0);
    make_field(m, m->m0, RT_m_g0, m->g0);
    make_field(m, m->m0, RT_m_curg, g);
    make_field(m, m->m0, RT_m_p, m->p0);
    make_field(m, m->m0, RT_m_procid, MAKE_TID);
    make_field(m, m->p0, RT_p_m, m->m0);
    make_field(m, m->p0, RT_p_status, 1);
    make_field(m, g, RT_g_m, m->m0);
    make_field(m, g, RT_g_startpc, make_entry("runtime.main"));
    make_word(m, m->global[RT_GLOBAL_allm], m->m0);
    memcpy(&sp, make_at(m, g + (taddr)m->l.off[RT_g_sched_sp]), 8);
    struct arch_regs *r = &m->threads[0].regs;
    r->pc = make_pc("main.spin");
    r->sp = sp;
    r->syscall = -1;
    arch_host()->to_raw(r);
    m->threads[0] = (struct target_thread){.tid = MAKE_TID,
                                           .name = "tiny",
                                           .state = 'R',
                                           .syscall = -1,
                                           .have_regs = true,
                                           .regs = *r};
}

static inline bool make_go(struct make_go *m, const char *go_version)
{
    const struct rt_layout *rows[1];
    size_t n;
    bool guessed;
    memset(m, 0, sizeof(*m));
    struct err *e = rt_layout_tables(go_version, rows, 1, &n, &guessed);
    err_free(e);
    if (e)
        return false;
    m->l = *rows[0];
    m->go_version = go_version;
    m->data = mem_alloc(MAKE_DATA_N);
    m->stacks = mem_alloc(MAKE_STACKS_N);
    make_table(m);
    make_info(m);
    make_module(m);
    make_variables(m);
    make_thread(m);
    return true;
}

/* ---- the target ---- */

static inline void make_image(struct make_go *m)
{
    struct make_elf elf = {0};
    struct buf symbols = {0}, names = {0};
    Elf64_Sym sym = {0};
    put_u8(&names, 0);
    buf_add(&symbols, &sym, sizeof(sym));
    for (size_t i = 0; i < RT_GLOBAL_COUNT; i++) {
        sym = (Elf64_Sym){.st_name = (Elf64_Word)names.n,
                          .st_info = ELF64_ST_INFO(STB_LOCAL, STT_OBJECT),
                          .st_shndx = 1,
                          .st_value = m->global[i],
                          .st_size = 8};
        put_text(&names, make_globals[i].symbol);
        buf_add(&symbols, &sym, sizeof(sym));
    }
    m->file_data = memcpy(mem_alloc(m->used), m->data, m->used);
    make_load(&elf, MAKE_TEXT, PF_R | PF_X, "", 0)->memsz = ARRAY_LEN(make_funcs) * MAKE_FUNC_N;
    make_load(&elf, MAKE_TABLE, PF_R, m->table.p, m->table.n);
    make_load(&elf, MAKE_INFO, PF_R, m->info.p, m->info.n);
    make_load(&elf, MAKE_DATA, PF_R | PF_W, m->file_data, m->used)->memsz = MAKE_DATA_N;
    make_add(&elf, ".gopclntab", m->table.p, m->table.n)->addr = MAKE_TABLE;
    make_add(&elf, ".go.buildinfo", m->info.p, m->info.n)->addr = MAKE_INFO;
    struct make_section *s = make_add(&elf, ".symtab", symbols.p, symbols.n);
    s->type = SHT_SYMTAB;
    s->link = 4;
    s->entsize = sizeof(sym);
    make_add(&elf, ".strtab", names.p, names.n)->type = SHT_STRTAB;
    make_file(&elf, &m->file, NULL);
    buf_free(&symbols);
    buf_free(&names);
    err_free(image_open_bytes(m->file.p, m->file.n, "tiny", &m->img));
}

static inline void make_lists(struct make_go *m)
{
    m->list_g = make_room(m, m->gs.n * 8 + 8);
    m->list_p = make_room(m, 8);
    for (size_t i = 0; i < m->gs.n; i++)
        make_word(m, m->list_g + 8 * i, m->gs.v[i]);
    make_word(m, m->list_p, m->p0);
    make_slice(m, m->global[RT_GLOBAL_allgs], m->list_g, m->gs.n);
    make_slice(m, m->global[RT_GLOBAL_allp], m->list_p, 1);
}

/* What was made, as a target; close it before make_free(). */
static inline struct target *make_target(struct make_go *m)
{
    make_lists(m);
    make_image(m);
    const struct {
        taddr at;
        size_t n;
        const void *p;
        bool writable;
    } areas[] = {
        {MAKE_TABLE, m->table.n, m->table.p, false},
        {MAKE_INFO, m->info.n, m->info.p, false},
        {MAKE_DATA, MAKE_DATA_N, m->data, true},
        {MAKE_STACKS, MAKE_STACKS_N, m->stacks, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(areas); i++) {
        m->maps[i] = (struct target_mapping){.start = areas[i].at,
                                             .end = areas[i].at + areas[i].n,
                                             .readable = true,
                                             .writable = areas[i].writable,
                                             .path = i < 3 ? "/bin/tiny" : ""};
        m->bytes[i] = areas[i].p;
    }
    m->fake = (struct target_fake){.maps = m->maps,
                                   .bytes = m->bytes,
                                   .nmaps = ARRAY_LEN(areas),
                                   .threads = m->threads,
                                   .nthreads = 1,
                                   .image = m->img,
                                   .meanwhile = m->meanwhile,
                                   .ctx = m->ctx};
    return target_open_fake(&m->fake);
}

static inline void make_free(struct make_go *m)
{
    image_unref(m->img);
    buf_free(&m->table);
    buf_free(&m->info);
    buf_free(&m->file);
    vec_free(&m->gs);
    vec_free(&m->set);
    free(m->data);
    free(m->stacks);
    free(m->file_data);
}

#endif

/* Function tables of every layout: alone, and found in a file with its module data.  Parts: the
 * table, the bytes gofunc points to, the runtime's buckets, a byte of flags. */
#include "base/mem.h"
#include "image/pclntab.h"
#include "image_parts.h"

enum { TABLE, GOFUNC, FINDFUNC, FLAGS };
enum { PIE = 1, NO_SECTION = 2, NO_MODULE = 4 };
enum {
    TEXT = 0x401000,
    TABLE_AT = 0x500000,
    GOFUNC_AT = 0x600000,
    FIND_AT = 0x700000,
    MODULE_AT = 0x800000,
    RELA_AT = 0x900000,
    MODULE_N = 512,
    FUNCS_MAX = 64,
    ROWS_MAX = 512
};

PARTS_MUTATOR

static void use_values(const struct pcln *p, const struct pcln_func *f, uint32_t table)
{
    struct pcln_values it;
    unsigned rows = 0;
    pcln_values_of(&it, p, f, table);
    while (rows++ < ROWS_MAX && pcln_value_next(&it))
        ;
}

static void use_inlined(const struct pcln *p, const struct pcln_func *f, taddr pc)
{
    int32_t calls[PCLN_FRAMES_MAX];
    struct pcln_frame frame;
    struct pcln_values it;
    unsigned rows = 0;
    taddr parent;
    size_t n = pcln_inlined_at(p, f, pc, calls, PCLN_FRAMES_MAX);
    for (size_t i = 0; i < n; i++)
        if (!pcln_inlined(p, f, calls[i], &frame, &parent))
            abort();
    pcln_pcdata_values_of(&it, p, f, PCLN_PCDATA_INL_TREE);
    while (rows++ < ROWS_MAX && pcln_value_next(&it))
        (void)!pcln_inlined(p, f, it.value, &frame, &parent);
}

static void use_pc(const struct pcln *p, const struct pcln_func *f, taddr pc)
{
    struct pcln_frame frames[PCLN_FRAMES_MAX];
    use_inlined(p, f, pc);
    struct pcln_func found;
    pcln_find(p, pc, &found);
    pcln_frame_size(p, f, pc);
    for (unsigned i = 0; i < 6; i++)
        pcln_pcdata(p, f, i, pc);
    size_t n = pcln_frames(p, f, pc, frames, PCLN_FRAMES_MAX);
    for (size_t i = 0; i < n; i++)
        (void)!(strlen(frames[i].func) + strlen(frames[i].file));
}

/* Every bit and object, as far as the table says they go. */
static void use_stackmaps(const struct pcln *p, const struct pcln_func *f)
{
    static const unsigned kinds[] = {PCLN_FUNCDATA_ARGS_MAPS, PCLN_FUNCDATA_LOCALS_MAPS};
    struct pcln_bits bits;
    struct pcln_stack_object o;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        for (int32_t i = -1; i < 8; i++)
            if (pcln_pointer_map(p, f, kinds[k], i, &bits) && bits.n)
                (void)!*(const volatile uint8_t *)&bits.bits[(bits.n - 1) / 8];
    size_t n = pcln_stack_objects(p, f);
    for (size_t i = 0; i < n && i < ROWS_MAX; i++)
        pcln_stack_object(p, f, i, &o);
    pcln_stack_object(p, f, n ? n - 1 : 0, &o);
}

static void use_func(const struct pcln *p, const struct pcln_func *f)
{
    size_t n;
    for (unsigned i = 0; i < 12; i++) {
        const uint8_t *data = pcln_funcdata(p, f, i, &n);
        volatile uint8_t last = data ? data[n - 1] : 0;
        (void)last;
    }
    use_stackmaps(p, f);
    use_values(p, f, f->pcsp);
    use_values(p, f, f->pcfile);
    use_values(p, f, f->pcln);
    use_pc(p, f, f->entry);
    use_pc(p, f, f->entry + (f->end - f->entry) / 2);
    use_pc(p, f, f->end - 1);
    use_pc(p, f, f->entry + 17);
}

static void use_table(const struct pcln *p)
{
    struct pcln_func f;
    struct arena arena;
    struct pcln_place *places;
    size_t n;
    unsigned files = 0;
    for (uint32_t i = 0; i < p->nfunc && i < FUNCS_MAX; i++) {
        if (!pcln_func_at(p, i, &f))
            continue;
        use_func(p, &f);
        struct pcln_named it;
        struct pcln_func named;
        unsigned k = 0;
        for (pcln_named_init(&it, p, f.name); k < 4 && pcln_named_next(&it, &named); k++)
            ;
    }
    arena_init(&arena);
    for (const char *s = NULL; files++ < 8 && (s = pcln_next_file(p, s));)
        err_free(pcln_find_line(p, s, 10, files & 1, &arena, &places, &n));
    files = 0;
    for (const char *s = NULL; files++ < ROWS_MAX && (s = pcln_next_name(p, s));)
        (void)!strlen(s);
    arena_free(&arena);
    for (taddr pc = p->text - 1; pc < p->text + 0x2000; pc += 61)
        pcln_find(p, pc, &f);
}

static void use_alone(const struct part *table, const struct part *gofunc, const struct part *find)
{
    struct pcln p;
    struct err *e = pcln_open(table->p, table->n, TEXT, "fuzz", &p);
    if (!e) {
        p.gofunc = gofunc->n ? gofunc->p : NULL;
        p.gofunc_n = gofunc->n;
        p.findfunc = find->n ? find->p : NULL;
        p.findfunc_n = find->n;
        use_table(&p);
        p = pcln_slide(&p, 0x10000);
        use_table(&p);
    }
    err_free(e);
}

/* Module data as the linker writes it for this table. */
static void put_module(uint8_t *md, const struct part *table)
{
    uint64_t head[9] = {0};
    memcpy(head, table->p, min_u64(table->n, sizeof(head)));
    const struct {
        unsigned at;
        uint64_t v;
    } words[] = {{0, TABLE_AT},
                 {8, TABLE_AT + head[4]},
                 {104, TABLE_AT + head[8]},
                 {112, table->n - head[8]},
                 {128, TABLE_AT + head[8]},
                 {136, head[1] + 1},
                 {152, FIND_AT},
                 {160, TEXT},
                 {168, TEXT + 0x1000},
                 {176, TEXT},
                 {184, TEXT + 0x1000},
                 {312, GOFUNC_AT}};
    memset(md, 0, MODULE_N);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        memcpy(md + words[i].at, &words[i].v, 8);
}

/* The words as relocations, and zeros where they go. */
static size_t put_relocations(uint8_t *md, uint8_t *rela)
{
    size_t n = 0;
    for (uint64_t at = 0; at < MODULE_N; at += 8) {
        uint64_t v;
        memcpy(&v, md + at, 8);
        if (v < PARTS_TEXT)
            continue; /* a count */
        Elf64_Rela r = {MODULE_AT + at, ELF64_R_INFO(0, 8 /* R_X86_64_RELATIVE */), (int64_t)v};
        memcpy(rela + n, &r, sizeof(r));
        n += sizeof(r);
        memset(md + at, 0, 8);
    }
    return n;
}

static void use_in_file(const struct part *table, const struct part *gofunc,
                        const struct part *find, unsigned flags)
{
    uint8_t md[MODULE_N], rela[MODULE_N / 8 * sizeof(Elf64_Rela)];
    Elf64_Dyn dyn[3] = {{DT_RELA, {RELA_AT}}, {DT_RELASZ, {0}}, {DT_NULL, {0}}};
    struct make_elf elf = {.type = flags & PIE ? ET_DYN : ET_EXEC};
    struct buf file = {0};
    struct image *img;
    const struct pcln *p;
    put_module(md, table);
    make_load(&elf, TABLE_AT, PF_R, table->p, table->n);
    make_load(&elf, GOFUNC_AT, PF_R, gofunc->p, gofunc->n);
    make_load(&elf, FIND_AT, PF_R, find->p, find->n);
    if (flags & PIE) {
        dyn[1].d_un.d_val = put_relocations(md, rela);
        make_load(&elf, RELA_AT, PF_R, rela, dyn[1].d_un.d_val);
        make_load(&elf, RELA_AT + 0x10000, PF_R, dyn, sizeof(dyn));
        make_load(&elf, RELA_AT + 0x10000, PF_R, dyn, sizeof(dyn))->type = PT_DYNAMIC;
    }
    if (!(flags & NO_MODULE))
        make_load(&elf, MODULE_AT, PF_R | PF_W, md, sizeof(md));
    if (!(flags & NO_SECTION))
        make_add(&elf, ".gopclntab", table->p, table->n)->addr = TABLE_AT;
    make_file(&elf, &file, NULL);
    struct err *e = image_open_bytes(file.p, file.n, "fuzz", &img);
    if (!e) {
        e = image_pcln(img, &p);
        if (!e)
            use_table(p);
        image_unref(img);
    }
    err_free(e);
    buf_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct part v[PARTS_MAX];
    size_t n = parts_read(data, size, v);
    struct part table = parts_find(v, n, TABLE), gofunc = parts_find(v, n, GOFUNC),
                find = parts_find(v, n, FINDFUNC), flags = parts_find(v, n, FLAGS);
    use_alone(&table, &gofunc, &find);
    use_in_file(&table, &gofunc, &find, flags.n ? flags.p[0] : 0);
    return 0;
}

/* Call frame information: .eh_frame with and without its table, .debug_frame.  Parts: see below. */
#include "image/dwarf_frame.h"
#include "image_parts.h"

enum {
    EH_FRAME,
    EH_FRAME_HDR,
    DEBUG_FRAME,
    EH_AT = 0x402000,
    HDR_AT = 0x401800,
    CODE_AT = 0x401000
};

PARTS_MUTATOR

static struct err *reg(void *arg, unsigned n, void *dst, size_t bytes)
{
    if (n > 40)
        return err_new(ERR_NOT_FOUND, "no such register");
    memset(dst, (int)n, bytes);
    return NULL;
}

static struct err *mem(void *arg, taddr addr, void *dst, size_t bytes)
{
    memset(dst, (int)addr, bytes);
    return NULL;
}

static void use(struct image *img, taddr pc)
{
    const struct dwarf_env env = {.reg = reg, .read = mem};
    struct dwarf_frame_rules rules;
    taddr cfa = 0;
    uint64_t v;
    struct err *e = dwarf_frame_at(img, pc, &rules);
    if (!e) {
        if (pc < rules.lo || pc >= rules.hi || pc < rules.func_lo || pc >= rules.func_hi)
            abort(); /* what is promised of a row */
        e = dwarf_frame_cfa(&rules, &env, &cfa);
        for (unsigned r = 0; r <= DWARF_FRAME_REGS; r += 1 + 4 * (r > 16))
            err_free(dwarf_frame_reg(&rules, &env, cfa, r, &v));
    }
    err_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct part v[PARTS_MAX];
    size_t n = parts_read(data, size, v);
    struct part eh = parts_find(v, n, EH_FRAME), hdr = parts_find(v, n, EH_FRAME_HDR),
                debug = parts_find(v, n, DEBUG_FRAME);
    struct make_elf elf = {0};
    struct buf file = {0};
    struct image *img;
    make_load(&elf, CODE_AT, PF_R | PF_X, "", 0)->memsz = 0x800;
    make_load(&elf, EH_AT, PF_R, eh.p, eh.n);
    if (hdr.n) {
        make_load(&elf, HDR_AT, PF_R, hdr.p, hdr.n);
        struct make_segment *h = make_load(&elf, HDR_AT, PF_R, hdr.p, hdr.n);
        h->type = PT_GNU_EH_FRAME;
    }
    if (hdr.n % 2 == 0) /* else it is found through the table alone */
        make_add(&elf, ".eh_frame", eh.p, eh.n)->addr = EH_AT;
    make_add(&elf, ".debug_frame", debug.p, debug.n);
    make_file(&elf, &file, NULL);
    struct err *e = image_open_bytes(file.p, file.n, "fuzz", &img);
    if (!e) {
        for (taddr pc = CODE_AT; pc < CODE_AT + 0x200; pc += 13)
            use(img, pc);
        use(img, CODE_AT + 1);
        image_unref(img);
    }
    err_free(e);
    buf_free(&file);
    return 0;
}

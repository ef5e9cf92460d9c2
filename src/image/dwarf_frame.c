/* dwarf_frame.c - call frame information; see dwarf_frame.h.
 *
 * Both sections hold common entries (CIE) and one entry per function (FDE), in slightly different
 * coding.  Where the linker left a sorted table (.eh_frame_hdr) that is searched in place; else the
 * entries are listed and sorted at the first question.  Rows are made by running the instructions
 * of the one function. */
#include "image/dwarf_frame.h"

#include <stdlib.h>
#include <string.h>

#include "image/dwarf_int.h"

enum { SAVED_STATES_MAX = 16, CFA_PC_CODES = 0xc0, LETTERS_MAX = 16 };
enum {
    EH_PE_omit = 0xff,
    EH_PE_format = 0x0f,
    EH_PE_application = 0x70,
    EH_PE_indirect = 0x80,
    EH_PE_absptr = 0x00,
    EH_PE_uleb128 = 0x01,
    EH_PE_udata2 = 0x02,
    EH_PE_udata4 = 0x03,
    EH_PE_udata8 = 0x04,
    EH_PE_sleb128 = 0x09,
    EH_PE_sdata2 = 0x0a,
    EH_PE_sdata4 = 0x0b,
    EH_PE_sdata8 = 0x0c,
    EH_PE_pcrel = 0x10,
    EH_PE_datarel = 0x30,
    EH_PE_funcrel = 0x40,
};

struct fde_at {
    taddr lo;
    uint64_t n;
    uint32_t off;
};

struct frame_section {
    const uint8_t *p;
    size_t n;
    taddr vaddr;
    bool eh;
    VEC(struct fde_at) fdes; /* sorted by lo */
};

struct frames {
    struct image *img;
    struct dwarf stub; /* what expressions need of a DWARF: a name for messages */
    struct dwarf_unit unit;
    struct frame_section sections[2];
    size_t nsections;
    const uint8_t *hdr; /* .eh_frame_hdr: its sorted table; NULL: none that is usable */
    size_t hdr_rows;
    taddr hdr_vaddr;
};

struct cie {
    uint64_t code_align;
    int64_t data_align;
    uint64_t return_reg;
    uint8_t encoding, addr_size;
    bool signal_frame, augmented;
    const uint8_t *p, *end; /* initial instructions */
};

struct fde {
    struct cie cie;
    taddr lo, hi;
    const uint8_t *p, *end; /* instructions */
};

/* ---- entries ---- */

/* A pointer in .eh_frame's coding.  at: its own address; func: the function's. */
static bool take_pointer(struct cursor *c, uint8_t encoding, taddr at, taddr func, taddr *ret)
{
    uint64_t v;
    switch (encoding & EH_PE_format) {
    case EH_PE_absptr:
    case EH_PE_udata8:
    case EH_PE_sdata8:
        v = cursor_u64(c);
        break;
    case EH_PE_uleb128:
        v = cursor_uleb(c);
        break;
    case EH_PE_sleb128:
        v = (uint64_t)cursor_sleb(c);
        break;
    case EH_PE_udata2:
        v = cursor_u16(c);
        break;
    case EH_PE_sdata2:
        v = (uint64_t)(int16_t)cursor_u16(c);
        break;
    case EH_PE_udata4:
        v = cursor_u32(c);
        break;
    case EH_PE_sdata4:
        v = (uint64_t)(int32_t)cursor_u32(c);
        break;
    default:
        return false;
    }
    switch (encoding & EH_PE_application) {
    case EH_PE_absptr:
        break;
    case EH_PE_pcrel:
        v += at;
        break;
    case EH_PE_funcrel:
        v += func;
        break;
    default: /* text- and data-relative ones, which no linker uses for code addresses */
        return false;
    }
    *ret = v;
    return !c->bad && !(encoding & EH_PE_indirect);
}

static taddr address_of(const struct frame_section *s, const uint8_t *p)
{
    return s->vaddr + (taddr)(p - s->p);
}

/* The length and id of an entry; leaves c at what follows the id, bounded by the entry. */
static bool open_entry(const struct frame_section *s, uint64_t off, struct cursor *c,
                       const uint8_t **id_at, uint64_t *id, bool *wide, uint64_t *next)
{
    if (off >= s->n)
        return false;
    struct cursor all = cursor_on(s->p + off, s->n - off, "call frame information");
    uint64_t length = cursor_u32(&all);
    *wide = length == UINT32_MAX;
    if (*wide)
        length = cursor_u64(&all);
    *c = cursor_sub(&all, length, "call frame information");
    *next = off + cursor_pos(&all);
    if (length == 0 || all.bad)
        return false;
    *id_at = c->p;
    *id = *wide && !s->eh ? cursor_u64(c) : cursor_u32(c);
    return !c->bad;
}

static bool is_cie_id(const struct frame_section *s, uint64_t id, bool wide)
{
    if (s->eh)
        return id == 0;
    return id == (wide ? UINT64_MAX : UINT32_MAX);
}

/* "zPLR...": what the letters put into the augmentation data. */
static bool take_augmentation(const struct frame_section *s, struct cursor *c, const char *letters,
                              struct cie *ret)
{
    taddr unused;
    if (letters[0] == '\0')
        return true;
    if (letters[0] != 'z')
        return false; /* "eh", of gcc 2 */
    ret->augmented = true;
    uint64_t n = cursor_uleb(c);
    struct cursor data = cursor_sub(c, n, "augmentation data");
    for (const char *l = letters + 1; *l && !data.bad; l++) {
        if (*l == 'R') {
            ret->encoding = cursor_u8(&data);
        } else if (*l == 'P') {
            uint8_t encoding = cursor_u8(&data);
            take_pointer(&data, encoding & EH_PE_format, 0, 0, &unused);
        } else if (*l == 'L') {
            cursor_u8(&data);
        } else if (*l == 'S') {
            ret->signal_frame = true;
        } else if (*l != 'B' && *l != 'G') { /* AArch64: signed return addresses, memory tags */
            break;                           /* the rest is not about unwinding as far as we know */
        }
    }
    return !data.bad;
}

static bool read_cie(const struct frame_section *s, uint64_t off, struct cie *ret)
{
    struct cursor c;
    const uint8_t *id_at;
    uint64_t id, next;
    bool wide;
    *ret = (struct cie){.addr_size = 8};
    if (!open_entry(s, off, &c, &id_at, &id, &wide, &next) || !is_cie_id(s, id, wide))
        return false;
    uint8_t version = cursor_u8(&c);
    /* looked at anew for each function: a long text must not be looked through each time */
    if (!memchr(c.p, 0, min_u64(cursor_left(&c), LETTERS_MAX)))
        return false;
    const char *letters = cursor_cstr(&c);
    if (version != 1 && version != 3 && version != 4)
        return false;
    if (version == 4) {
        ret->addr_size = cursor_u8(&c);
        if (cursor_u8(&c) != 0)
            return false; /* segmented addresses */
    }
    ret->code_align = cursor_uleb(&c);
    ret->data_align = cursor_sleb(&c);
    ret->return_reg = version == 1 ? cursor_u8(&c) : cursor_uleb(&c);
    if (!take_augmentation(s, &c, letters, ret) || c.bad || ret->addr_size != 8)
        return false;
    ret->p = c.p;
    ret->end = c.end;
    return true;
}

/* The function's range, from an FDE whose id was just read. */
static bool read_range(const struct frame_section *s, struct cursor *c, const struct cie *cie,
                       taddr *lo, uint64_t *n)
{
    if (!s->eh) {
        *lo = cursor_u64(c);
        *n = cursor_u64(c);
        return !c->bad;
    }
    return take_pointer(c, cie->encoding, address_of(s, c->p), 0, lo) &&
           take_pointer(c, cie->encoding & EH_PE_format, 0, 0, n);
}

static bool cie_offset(const struct frame_section *s, const uint8_t *id_at, uint64_t id,
                       uint64_t *ret)
{
    uint64_t at = (uint64_t)(id_at - s->p);
    *ret = s->eh ? at - id : id;
    return s->eh ? id <= at : id < s->n;
}

static bool read_fde(const struct frame_section *s, uint64_t off, struct fde *ret)
{
    struct cursor c;
    const uint8_t *id_at;
    uint64_t id, next, cie, n;
    bool wide;
    if (!open_entry(s, off, &c, &id_at, &id, &wide, &next) || is_cie_id(s, id, wide) ||
        !cie_offset(s, id_at, id, &cie) || !read_cie(s, cie, &ret->cie) ||
        !read_range(s, &c, &ret->cie, &ret->lo, &n))
        return false;
    ret->hi = ret->lo + n;
    if (ret->cie.augmented)
        cursor_skip(&c, cursor_uleb(&c));
    ret->p = c.p;
    ret->end = c.end;
    return !c.bad;
}

/* ---- finding the entry ---- */

static int by_lo(const void *va, const void *vb)
{
    const struct fde_at *a = va, *b = vb;
    if (a->lo != b->lo)
        return a->lo < b->lo ? -1 : 1;
    return a->off < b->off ? -1 : a->off > b->off;
}

/* Lists the FDEs.  Neighbours share their CIE, so it is parsed once for a run of them. */
static void list_fdes(struct frame_section *s)
{
    struct cie cie;
    uint64_t cie_at = UINT64_MAX, at, id, next;
    bool usable = false, wide;
    for (uint64_t off = 0; off < s->n && off <= UINT32_MAX; off = next) {
        struct cursor c;
        const uint8_t *id_at;
        struct fde_at f = {.off = (uint32_t)off};
        if (!open_entry(s, off, &c, &id_at, &id, &wide, &next)) {
            if (next > off && next - off == 4)
                continue; /* a terminator: of one object file, others may follow */
            break;
        }
        if (is_cie_id(s, id, wide) || !cie_offset(s, id_at, id, &at))
            continue;
        if (at != cie_at)
            usable = read_cie(s, at, &cie);
        cie_at = at;
        if (usable && read_range(s, &c, &cie, &f.lo, &f.n) && f.n && f.lo)
            vec_push(&s->fdes, f);
    }
    if (s->fdes.n)
        qsort(s->fdes.v, s->fdes.n, sizeof(*s->fdes.v), by_lo);
}

static bool find_listed(const struct frame_section *s, taddr pc, uint64_t *ret)
{
    size_t lo = 0, hi = s->fdes.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->fdes.v[mid].lo <= pc)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0 || pc - s->fdes.v[lo - 1].lo >= s->fdes.v[lo - 1].n)
        return false;
    *ret = s->fdes.v[lo - 1].off;
    return true;
}

/* Rows of .eh_frame_hdr's table: function and FDE, both relative to the header. */
static taddr hdr_value(const struct frames *f, size_t row, size_t column)
{
    int32_t v;
    memcpy(&v, f->hdr + row * 8 + column * 4, sizeof(v));
    return f->hdr_vaddr + (taddr)(int64_t)v;
}

static bool find_in_hdr(const struct frames *f, const struct frame_section *s, taddr pc,
                        uint64_t *ret)
{
    size_t lo = 0, hi = f->hdr_rows;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (hdr_value(f, mid, 0) <= pc)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return false;
    taddr fde = hdr_value(f, lo - 1, 1);
    *ret = fde - s->vaddr;
    return fde >= s->vaddr && *ret < s->n;
}

/* Uses the table only in the one coding that linkers write: four-byte offsets from the header. */
static void open_hdr(struct frames *f)
{
    const uint8_t *p;
    size_t n;
    taddr vaddr;
    if (!image_eh_frame_hdr(f->img, &p, &n, &vaddr))
        return;
    struct cursor c = cursor_on(p, n, ".eh_frame_hdr");
    uint8_t version = cursor_u8(&c), frame = cursor_u8(&c), count = cursor_u8(&c),
            table = cursor_u8(&c);
    taddr eh_frame;
    if (version != 1 || table != (EH_PE_datarel | EH_PE_sdata4) || count != EH_PE_udata4 ||
        !take_pointer(&c, frame, vaddr + 4, 0, &eh_frame))
        return;
    uint32_t rows = cursor_u32(&c);
    const uint8_t *v = cursor_bytes(&c, (size_t)rows * 8);
    if (!v)
        return;
    f->hdr = v;
    f->hdr_rows = rows;
    f->hdr_vaddr = vaddr;
    if (f->nsections == 0 || !f->sections[0].eh) { /* no section header tells of .eh_frame */
        struct frame_section *s = &f->sections[f->nsections];
        s->n = image_at_most(f->img, eh_frame, &s->p);
        s->vaddr = eh_frame;
        s->eh = true;
        f->nsections += s->n > 0;
    }
}

static void add_section(struct frames *f, const char *name, bool eh)
{
    struct frame_section *s = &f->sections[f->nsections];
    const struct image_section *sec = image_find_section(f->img, name);
    if (!sec || sec->type == SHT_NOBITS)
        return;
    struct err *e = image_section_bytes(f->img, sec, &s->p, &s->n);
    if (e) {
        err_free(e); /* a section that cannot be read tells nothing */
        return;
    }
    s->vaddr = sec->vaddr;
    s->eh = eh;
    f->nsections++;
}

static struct frames *frames_open(struct image *img)
{
    struct frames *f = mem_alloc(sizeof(*f));
    f->img = f->stub.img = img;
    f->unit = (struct dwarf_unit){
        .dw = &f->stub, .version = 4, .addr_size = 8, .offset_size = 4, .name = ""};
    add_section(f, ".eh_frame", true);
    open_hdr(f);
    if (f->nsections < ARRAY_LEN(f->sections))
        add_section(f, ".debug_frame", false);
    if (f->nsections == 0 || f->sections[f->nsections - 1].eh)
        add_section(f, ".zdebug_frame", false);
    for (size_t i = 0; i < f->nsections; i++)
        if (!f->sections[i].eh || !f->hdr)
            list_fdes(&f->sections[i]);
    return f;
}

void dwarf_frames_close(struct frames *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->nsections; i++)
        vec_free(&f->sections[i].fdes);
    free(f);
}

/* ---- running the instructions ---- */

struct state {
    bool cfa_is_expr;
    unsigned cfa_reg;
    int64_t cfa_off;
    struct dwarf_rule cfa_expr;
    struct dwarf_rule regs[DWARF_FRAME_REGS];
};

struct run {
    const struct frame_section *s;
    const struct fde *fde;
    struct cursor c;
    taddr pc, loc; /* what is asked for; where the instructions are */
    taddr hi;      /* where the row ends; known once passed */
    bool passed;
    struct state now, initial;
    struct state *saved; /* SAVED_STATES_MAX */
    unsigned nsaved;
};

static void set_rule(struct run *r, uint64_t reg, enum dwarf_rule_kind kind, int64_t off)
{
    if (reg < DWARF_FRAME_REGS)
        r->now.regs[reg] = (struct dwarf_rule){.kind = kind, .off = off};
}

static void set_expr(struct run *r, uint64_t reg, enum dwarf_rule_kind kind)
{
    uint64_t n = cursor_uleb(&r->c);
    const uint8_t *p = cursor_bytes(&r->c, n);
    if (p && reg < DWARF_FRAME_REGS)
        r->now.regs[reg] = (struct dwarf_rule){.kind = kind, .p = p, .n = n};
}

static void advance(struct run *r, uint64_t delta)
{
    taddr to = r->loc + delta * r->fde->cie.code_align;
    r->passed = to > r->pc;
    if (r->passed)
        r->hi = to;
    else
        r->loc = to;
}

static void set_loc(struct run *r)
{
    taddr to;
    const uint8_t encoding = r->s->eh ? r->fde->cie.encoding : EH_PE_absptr;
    if (!take_pointer(&r->c, encoding, address_of(r->s, r->c.p), r->fde->lo, &to)) {
        cursor_fail(&r->c);
        return;
    }
    r->passed = to > r->pc;
    if (r->passed)
        r->hi = to;
    else
        r->loc = to;
}

static void save_state(struct run *r)
{
    if (r->nsaved >= SAVED_STATES_MAX)
        cursor_fail(&r->c);
    else
        r->saved[r->nsaved++] = r->now;
}

static void restore_state(struct run *r)
{
    if (r->nsaved == 0)
        cursor_fail(&r->c);
    else
        r->now = r->saved[--r->nsaved];
}

static int64_t factored(const struct run *r, int64_t v)
{
    return (int64_t)((uint64_t)v * (uint64_t)r->fde->cie.data_align);
}

static void set_cfa(struct run *r, uint8_t op)
{
    if (op != DW_CFA_def_cfa_offset && op != DW_CFA_def_cfa_offset_sf) {
        r->now.cfa_reg = (unsigned)min_u64(cursor_uleb(&r->c), UINT32_MAX);
        r->now.cfa_is_expr = false;
    }
    if (op == DW_CFA_def_cfa || op == DW_CFA_def_cfa_offset)
        r->now.cfa_off = (int64_t)cursor_uleb(&r->c);
    else if (op != DW_CFA_def_cfa_register)
        r->now.cfa_off = factored(r, cursor_sleb(&r->c));
}

static void set_cfa_expr(struct run *r)
{
    r->now.cfa_is_expr = true;
    r->now.cfa_expr.n = cursor_uleb(&r->c);
    r->now.cfa_expr.p = cursor_bytes(&r->c, r->now.cfa_expr.n);
}

static void restore_rule(struct run *r, uint64_t reg)
{
    if (reg < DWARF_FRAME_REGS)
        r->now.regs[reg] = r->initial.regs[reg];
}

static void rule_op(struct run *r, uint8_t op)
{
    struct cursor *c = &r->c;
    uint64_t reg = cursor_uleb(c);
    switch (op) {
    case DW_CFA_offset_extended:
        set_rule(r, reg, DWARF_RULE_OFFSET, factored(r, (int64_t)cursor_uleb(c)));
        break;
    case DW_CFA_offset_extended_sf:
        set_rule(r, reg, DWARF_RULE_OFFSET, factored(r, cursor_sleb(c)));
        break;
    case DW_CFA_GNU_negative_offset_extended:
        set_rule(r, reg, DWARF_RULE_OFFSET, factored(r, (int64_t)-cursor_uleb(c)));
        break;
    case DW_CFA_val_offset:
        set_rule(r, reg, DWARF_RULE_VAL_OFFSET, factored(r, (int64_t)cursor_uleb(c)));
        break;
    case DW_CFA_val_offset_sf:
        set_rule(r, reg, DWARF_RULE_VAL_OFFSET, factored(r, cursor_sleb(c)));
        break;
    case DW_CFA_restore_extended:
        restore_rule(r, reg);
        break;
    case DW_CFA_undefined:
        set_rule(r, reg, DWARF_RULE_UNDEFINED, 0);
        break;
    case DW_CFA_same_value:
        set_rule(r, reg, DWARF_RULE_SAME, 0);
        break;
    case DW_CFA_register:
        set_rule(r, reg, DWARF_RULE_REG, (int64_t)cursor_uleb(c));
        break;
    case DW_CFA_expression:
        set_expr(r, reg, DWARF_RULE_EXPR);
        break;
    case DW_CFA_val_expression:
        set_expr(r, reg, DWARF_RULE_VAL_EXPR);
        break;
    default:
        cursor_fail(c);
    }
}

static void extended_op(struct run *r, uint8_t op)
{
    switch (op) {
    case DW_CFA_nop:
    case DW_CFA_AARCH64_negate_ra_state: /* whether the return address is signed: bits to mask */
        break;
    case DW_CFA_set_loc:
        set_loc(r);
        break;
    case DW_CFA_advance_loc1:
        advance(r, cursor_u8(&r->c));
        break;
    case DW_CFA_advance_loc2:
        advance(r, cursor_u16(&r->c));
        break;
    case DW_CFA_advance_loc4:
        advance(r, cursor_u32(&r->c));
        break;
    case DW_CFA_remember_state:
        save_state(r);
        break;
    case DW_CFA_restore_state:
        restore_state(r);
        break;
    case DW_CFA_def_cfa:
    case DW_CFA_def_cfa_register:
    case DW_CFA_def_cfa_offset:
    case DW_CFA_def_cfa_sf:
    case DW_CFA_def_cfa_offset_sf:
        set_cfa(r, op);
        break;
    case DW_CFA_def_cfa_expression:
        set_cfa_expr(r);
        break;
    case DW_CFA_GNU_args_size:
        cursor_uleb(&r->c);
        break;
    default:
        rule_op(r, op);
    }
}

static void run_instructions(struct run *r, const uint8_t *p, const uint8_t *end)
{
    r->c = cursor_on(p, (size_t)(end - p), "call frame instructions");
    while (!r->passed && cursor_left(&r->c)) {
        uint8_t op = cursor_u8(&r->c), low = op & 0x3f;
        switch (op & CFA_PC_CODES) {
        case DW_CFA_advance_loc:
            advance(r, low);
            break;
        case DW_CFA_offset:
            set_rule(r, low, DWARF_RULE_OFFSET, factored(r, (int64_t)cursor_uleb(&r->c)));
            break;
        case DW_CFA_restore:
            restore_rule(r, low);
            break;
        default:
            extended_op(r, op);
        }
    }
}

static struct err *make_row(const struct frames *f, const struct frame_section *s,
                            const struct fde *fde, taddr pc, struct dwarf_frame_rules *ret)
{
    struct run r = {.s = s, .fde = fde, .pc = pc, .loc = fde->lo, .hi = fde->hi};
    r.saved = mem_alloc(SAVED_STATES_MAX * sizeof(*r.saved));
    run_instructions(&r, fde->cie.p, fde->cie.end);
    bool bad = r.c.bad || r.passed;
    r.initial = r.now;
    if (!bad)
        run_instructions(&r, fde->p, fde->end);
    free(r.saved);
    if (bad || r.c.bad)
        return err_new(ERR_BAD_DATA, "%s: the call frame information for %#llx is malformed",
                       image_name(f->img), (unsigned long long)pc);
    *ret = (struct dwarf_frame_rules){.lo = r.loc,
                                      .hi = r.passed ? r.hi : fde->hi,
                                      .func_lo = fde->lo,
                                      .func_hi = fde->hi,
                                      .cfa_is_expr = r.now.cfa_is_expr,
                                      .cfa_reg = r.now.cfa_reg,
                                      .cfa_off = r.now.cfa_off,
                                      .cfa_expr = r.now.cfa_expr,
                                      .return_reg = (unsigned)fde->cie.return_reg,
                                      .signal_frame = fde->cie.signal_frame,
                                      .unit = &f->unit};
    memcpy(ret->regs, r.now.regs, sizeof(ret->regs));
    return NULL;
}

struct err *dwarf_frame_at(struct image *img, taddr pc, struct dwarf_frame_rules *ret)
{
    pthread_mutex_lock(&img->dwarf_lock);
    if (!img->frames)
        img->frames = frames_open(img);
    const struct frames *f = img->frames;
    pthread_mutex_unlock(&img->dwarf_lock);
    for (size_t i = 0; i < f->nsections; i++) {
        const struct frame_section *s = &f->sections[i];
        struct fde fde;
        uint64_t off;
        bool found = s->eh && f->hdr ? find_in_hdr(f, s, pc, &off) : find_listed(s, pc, &off);
        if (found && read_fde(s, off, &fde) && pc >= fde.lo && pc < fde.hi)
            return make_row(f, s, &fde, pc, ret);
    }
    return err_new(ERR_NOT_FOUND, "%s: no call frame information for %#llx", image_name(img),
                   (unsigned long long)pc);
}

/* ---- using the rules ---- */

static struct dwarf_expr expr_of(const struct dwarf_frame_rules *r, const struct dwarf_rule *rule)
{
    return (struct dwarf_expr){.unit = r->unit, .p = rule->p, .n = rule->n};
}

static struct err *ask_reg(const struct dwarf_env *env, uint64_t reg, uint64_t *ret)
{
    *ret = 0;
    if (!env->reg || reg > UINT32_MAX)
        return err_new(ERR_NOT_FOUND, "register %llu is not known", (unsigned long long)reg);
    return env->reg(env->arg, (unsigned)reg, ret, sizeof(*ret));
}

static struct err *ask_memory(const struct dwarf_env *env, taddr addr, uint64_t *ret)
{
    *ret = 0;
    if (!env->read)
        return err_new(ERR_NOT_FOUND, "memory is not known");
    return env->read(env->arg, addr, ret, sizeof(*ret));
}

struct err *dwarf_frame_cfa(const struct dwarf_frame_rules *r, const struct dwarf_env *env,
                            taddr *ret)
{
    if (r->cfa_is_expr) {
        const struct dwarf_expr expr = expr_of(r, &r->cfa_expr);
        return dwarf_eval_number(&expr, env, false, 0, ret);
    }
    TRY(ask_reg(env, r->cfa_reg, ret));
    *ret += (uint64_t)r->cfa_off;
    return NULL;
}

struct err *dwarf_frame_reg(const struct dwarf_frame_rules *r, const struct dwarf_env *env,
                            taddr cfa, unsigned reg, uint64_t *ret)
{
    static const struct dwarf_rule none = {.kind = DWARF_RULE_NONE};
    const struct dwarf_rule *rule = reg < DWARF_FRAME_REGS ? &r->regs[reg] : &none;
    const struct dwarf_expr expr = expr_of(r, rule);
    taddr at;
    switch (rule->kind) {
    case DWARF_RULE_SAME:
        return ask_reg(env, reg, ret);
    case DWARF_RULE_OFFSET:
        return ask_memory(env, cfa + (uint64_t)rule->off, ret);
    case DWARF_RULE_VAL_OFFSET:
        *ret = cfa + (uint64_t)rule->off;
        return NULL;
    case DWARF_RULE_REG:
        return ask_reg(env, (uint64_t)rule->off, ret);
    case DWARF_RULE_EXPR:
        TRY(dwarf_eval_number(&expr, env, true, cfa, &at));
        return ask_memory(env, at, ret);
    case DWARF_RULE_VAL_EXPR:
        return dwarf_eval_number(&expr, env, true, cfa, ret);
    default:
        return err_new(ERR_NOT_FOUND, "no rule tells the caller's register %u", reg);
    }
}

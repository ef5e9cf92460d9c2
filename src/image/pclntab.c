/* pclntab.c - program counters to functions, files, lines, frame sizes and inlined calls.
 *
 * Go: runtime/symtab.go, runtime/symtabinl.go, cmd/link/internal/ld/pcln.go (1.18-1.27).
 *
 *   header   magic u32, 0 0, minLC u8, ptrSize u8, nfunc, nfiles, textStart (unused since 1.26),
 * then the offsets of funcname, cu, file, pc and func tables, all words func     nfunc + 1 pairs of
 * u32 (entry offset, _func offset); the last one closes the text _func    40 bytes (1.18) or 44
 * (1.20, startLine added), then npcdata and nfuncdata u32 offsets pc       runs of (zigzag value
 * delta, pc delta), uvarints, ended by a zero value delta inltree  20-byte rows with parent, file
 * and line (1.18), 16-byte rows with startLine (1.20): there and here the position of a call is
 * that of the parentPc buckets  (findfunctab, outside the table) for every 4096 bytes of text a
 * first function number and 16 distances from it
 *
 * Every offset is checked against the end of the table: a corrupt table yields "unknown", never a
 * read outside. */
#include "image/pclntab.h"

#include <string.h>

#include "image/pcln_int.h"

enum { BUCKET_TEXT = 4096, SUBBUCKETS = 16, BUCKET_BYTES = 4 + SUBBUCKETS };
enum { INL_ROW_118 = 20, INL_ROW_120 = 16 };

const char *pcln_text(const struct pcln *p, const uint8_t *base, uint64_t off)
{
    size_t at = (size_t)(base - p->bytes);
    return off < p->texts_n && at < p->texts_n - off ? (const char *)base + off : "";
}

bool pcln_plausible_header(const uint8_t *p, size_t n)
{
    if (n < PCLN_HEADER_N)
        return false;
    uint32_t magic = load_u32(p);
    return (magic == PCLN_MAGIC_118 || magic == PCLN_MAGIC_120) && p[4] == 0 && p[5] == 0 &&
           (p[6] == 1 || p[6] == 4) && p[7] == 8 && load_u64(p + 8) > 0 && load_u64(p + 8) < n &&
           load_u64(p + 32) >= PCLN_HEADER_N - 8 && load_u64(p + 32) < n && load_u64(p + 64) < n;
}

struct err *pcln_open(const uint8_t *bytes, size_t n, taddr text, const char *what,
                      struct pcln *ret)
{
    if (!pcln_plausible_header(bytes, n))
        return err_new(ERR_BAD_DATA, "%s: not a Go function table of Go 1.18 or later", what);
    struct pcln p = {.what = what, .text = text, .bytes = bytes, .n = n};
    p.layout = load_u32(bytes) == PCLN_MAGIC_118 ? PCLN_118 : PCLN_120;
    p.func_header = p.layout == PCLN_118 ? 40 : 44;
    const uint8_t **tables[] = {&p.funcname, &p.cu, &p.file, &p.pc, &p.func};
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        uint64_t off = load_u64(bytes + 32 + 8 * i);
        if (off > n)
            return err_new(ERR_BAD_DATA, "%s: table %zu lies outside", what, i);
        *tables[i] = bytes + off;
    }
    uint64_t nfunc = load_u64(bytes + 8);
    if (nfunc >= UINT32_MAX / PCLN_FTAB_ROW ||
        !pcln_part(&p, p.func, 0, (nfunc + 1) * PCLN_FTAB_ROW))
        return err_new(ERR_BAD_DATA, "%s: %llu functions do not fit", what,
                       (unsigned long long)nfunc);
    p.nfunc = (uint32_t)nfunc;
    const uint8_t *nul = memrchr(bytes, 0, n);
    p.texts_n = nul ? (size_t)(nul - bytes) + 1 : 0;
    *ret = p;
    return NULL;
}

struct pcln pcln_slide(const struct pcln *p, taddr slide)
{
    struct pcln moved = *p;
    moved.text += slide;
    moved.gofunc_vaddr += slide;
    return moved;
}

bool pcln_func_at(const struct pcln *p, uint32_t index, struct pcln_func *f)
{
    if (index >= p->nfunc)
        return false;
    const uint8_t *row = p->func + (size_t)index * PCLN_FTAB_ROW;
    const uint8_t *raw = pcln_part(p, p->func, load_u32(row + 4), p->func_header);
    if (!raw)
        return false;
    size_t tail = p->layout == PCLN_118 ? 36 : 40;
    *f = (struct pcln_func){
        .entry = p->text + load_u32(row),
        .end = p->text + load_u32(row + PCLN_FTAB_ROW),
        .index = index,
        .raw = raw,
        .name = pcln_text(p, p->funcname, load_u32(raw + 4)),
        .args = (int32_t)load_u32(raw + 8),
        .deferreturn = load_u32(raw + 12),
        .pcsp = load_u32(raw + 16),
        .pcfile = load_u32(raw + 20),
        .pcln = load_u32(raw + 24),
        .npcdata = load_u32(raw + 28),
        .cu = load_u32(raw + 32),
        .start_line = p->layout == PCLN_118 ? 0 : (int32_t)load_u32(raw + 36),
        .func_id = raw[tail],
        .flag = raw[tail + 1],
        .nfuncdata = raw[tail + 3],
    };
    return true;
}

static uint32_t entry_at(const struct pcln *p, uint32_t i)
{
    return load_u32(p->func + (size_t)i * PCLN_FTAB_ROW);
}

/* By the runtime's buckets; UINT32_MAX when they do not lead there. */
static uint32_t find_by_bucket(const struct pcln *p, uint32_t off)
{
    /* the buckets count from the first function, the offsets from the start of the text */
    uint32_t x = off - entry_at(p, 0);
    size_t at = (size_t)(x / BUCKET_TEXT) * BUCKET_BYTES;
    if (p->findfunc_n < BUCKET_BYTES || at > p->findfunc_n - BUCKET_BYTES)
        return UINT32_MAX;
    const uint8_t *bucket = p->findfunc + at;
    uint32_t i = load_u32(bucket) + bucket[4 + x % BUCKET_TEXT / (BUCKET_TEXT / SUBBUCKETS)];
    if (i >= p->nfunc || entry_at(p, i) > off)
        return UINT32_MAX;
    for (unsigned steps = 0; steps < BUCKET_TEXT && entry_at(p, i + 1) <= off; steps++)
        if (++i >= p->nfunc)
            return UINT32_MAX;
    return i;
}

static uint32_t find_by_search(const struct pcln *p, uint32_t off)
{
    uint32_t lo = 0, hi = p->nfunc;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (entry_at(p, mid) <= off)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

bool pcln_find(const struct pcln *p, taddr pc, struct pcln_func *ret)
{
    if (pc < p->text || pc - p->text > UINT32_MAX || p->nfunc == 0)
        return false;
    uint32_t off = (uint32_t)(pc - p->text);
    if (off < entry_at(p, 0) || off >= entry_at(p, p->nfunc))
        return false;
    uint32_t i = p->findfunc ? find_by_bucket(p, off) : UINT32_MAX;
    if (i == UINT32_MAX)
        i = find_by_search(p, off);
    return pcln_func_at(p, i, ret) && pc >= ret->entry && pc < ret->end;
}

void pcln_values_of(struct pcln_values *it, const struct pcln *p, const struct pcln_func *f,
                    uint32_t table)
{
    const uint8_t *start = table ? pcln_part(p, p->pc, table, 1) : NULL;
    *it = (struct pcln_values){.at = start,
                               .table_end = start ? p->bytes + p->n : NULL,
                               .hi = f->entry,
                               .func_end = f->end,
                               .value = -1,
                               .quantum = p->bytes[6],
                               .first = true};
}

/* Most deltas are one byte. */
static inline bool take_varint(const uint8_t **p, const uint8_t *end, uint32_t *ret)
{
    if (*p < end && **p < 0x80) {
        *ret = *(*p)++;
        return true;
    }
    uint32_t v = 0;
    for (unsigned shift = 0; *p < end && shift < 35; shift += 7) {
        uint8_t b = *(*p)++;
        v |= (uint32_t)(b & 0x7f) << (shift < 32 ? shift : 31);
        if (b < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

bool pcln_value_next(struct pcln_values *it)
{
    uint32_t value, pc;
    if (!it->at || it->hi >= it->func_end || !take_varint(&it->at, it->table_end, &value) ||
        (value == 0 && !it->first) || !take_varint(&it->at, it->table_end, &pc)) {
        it->at = NULL;
        return false;
    }
    it->first = false;
    it->value = (int32_t)((uint32_t)it->value + ((value >> 1) ^ -(value & 1)));
    it->lo = it->hi;
    it->hi += (uint64_t)pc * it->quantum;
    return true;
}

int32_t pcln_value(const struct pcln *p, const struct pcln_func *f, uint32_t table, taddr pc)
{
    struct pcln_values it;
    pcln_values_of(&it, p, f, table);
    while (pcln_value_next(&it))
        if (pc < it.hi)
            return it.value;
    return -1;
}

/* Offset of the table of a pcdata; 0: none. */
static uint32_t pcdata_off(const struct pcln *p, const struct pcln_func *f, unsigned which)
{
    const uint8_t *row =
        which < f->npcdata ? pcln_part(p, f->raw, p->func_header + (size_t)which * 4, 4) : NULL;
    return row ? load_u32(row) : 0;
}

int32_t pcln_pcdata(const struct pcln *p, const struct pcln_func *f, unsigned which, taddr pc)
{
    uint32_t off = pcdata_off(p, f, which);
    return off ? pcln_value(p, f, off, pc) : -1;
}

void pcln_pcdata_values_of(struct pcln_values *it, const struct pcln *p, const struct pcln_func *f,
                           unsigned which)
{
    pcln_values_of(it, p, f, pcdata_off(p, f, which));
}

uint32_t pcln_funcdata_off(const struct pcln *p, const struct pcln_func *f, unsigned which)
{
    if (which >= f->nfuncdata)
        return UINT32_MAX;
    const uint8_t *row =
        pcln_part(p, f->raw, p->func_header + (size_t)f->npcdata * 4 + (size_t)which * 4, 4);
    return row ? load_u32(row) : UINT32_MAX;
}

const uint8_t *pcln_funcdata(const struct pcln *p, const struct pcln_func *f, unsigned which,
                             size_t *ret_n)
{
    uint32_t off = p->gofunc ? pcln_funcdata_off(p, f, which) : UINT32_MAX;
    if (off == UINT32_MAX || off >= p->gofunc_n)
        return NULL;
    *ret_n = p->gofunc_n - off;
    return p->gofunc + off;
}

int32_t pcln_frame_size(const struct pcln *p, const struct pcln_func *f, taddr pc)
{
    int32_t size = pcln_value(p, f, f->pcsp, pc);
    return size >= 0 && (size & 7) == 0 ? size : -1;
}

uint32_t pcln_file_off(const struct pcln *p, const struct pcln_func *f, int32_t index)
{
    const uint8_t *row =
        index < 0 ? NULL : pcln_part(p, p->cu, ((uint64_t)f->cu + (uint32_t)index) * 4, 4);
    return row ? load_u32(row) : UINT32_MAX;
}

/* File and line at pc; "" and 0 when one of them is not known, as the runtime has it. */
static void position(const struct pcln *p, const struct pcln_func *f, taddr pc,
                     struct pcln_frame *ret)
{
    int32_t file = pcln_value(p, f, f->pcfile, pc), line = pcln_value(p, f, f->pcln, pc);
    uint32_t off = file >= 0 && line >= 0 ? pcln_file_off(p, f, file) : UINT32_MAX;
    ret->file = off != UINT32_MAX ? pcln_text(p, p->file, off) : "";
    ret->line = file >= 0 && line >= 0 ? line : 0;
}

bool pcln_inlined_call(const struct pcln *p, const uint8_t *tree, size_t n, int32_t index,
                       struct inlined_call *ret)
{
    size_t row_n = p->layout == PCLN_118 ? INL_ROW_118 : INL_ROW_120;
    if (index < 0 || (size_t)index >= n / row_n)
        return false;
    const uint8_t *row = tree + (size_t)index * row_n;
    bool old = p->layout == PCLN_118;
    *ret = (struct inlined_call){.func_id = old ? row[2] : row[0],
                                 .name = load_u32(row + (old ? 12 : 4)),
                                 .parent_pc = (int32_t)load_u32(row + (old ? 16 : 8)),
                                 .start_line = old ? 0 : (int32_t)load_u32(row + 12)};
    return true;
}

size_t pcln_frames(const struct pcln *p, const struct pcln_func *f, taddr pc,
                   struct pcln_frame *ret, size_t max)
{
    size_t n = 0, tree_n = 0;
    const uint8_t *tree = pcln_funcdata(p, f, PCLN_FUNCDATA_INL_TREE, &tree_n);
    struct inlined_call call;
    int32_t index = tree ? pcln_pcdata(p, f, PCLN_PCDATA_INL_TREE, pc) : -1;
    while (n + 1 < max && pcln_inlined_call(p, tree, tree_n, index, &call)) {
        ret[n] = (struct pcln_frame){.func = pcln_text(p, p->funcname, call.name),
                                     .start_line = call.start_line,
                                     .func_id = call.func_id,
                                     .inlined = true};
        position(p, f, pc, &ret[n++]);
        pc = f->entry + (uint32_t)call.parent_pc;
        index = pcln_pcdata(p, f, PCLN_PCDATA_INL_TREE, pc);
    }
    if (n < max) {
        ret[n] = (struct pcln_frame){
            .func = f->name, .start_line = f->start_line, .func_id = f->func_id};
        position(p, f, pc, &ret[n++]);
    }
    return n;
}

bool pcln_inlined(const struct pcln *p, const struct pcln_func *f, int32_t no,
                  struct pcln_frame *ret, taddr *ret_parent_pc)
{
    size_t tree_n = 0;
    const uint8_t *tree = pcln_funcdata(p, f, PCLN_FUNCDATA_INL_TREE, &tree_n);
    struct inlined_call call;
    if (!tree || !pcln_inlined_call(p, tree, tree_n, no, &call))
        return false;
    *ret = (struct pcln_frame){.func = pcln_text(p, p->funcname, call.name),
                               .start_line = call.start_line,
                               .func_id = call.func_id,
                               .inlined = true};
    *ret_parent_pc = f->entry + (uint32_t)call.parent_pc;
    return true;
}

size_t pcln_inlined_at(const struct pcln *p, const struct pcln_func *f, taddr pc, int32_t *ret,
                       size_t max)
{
    size_t n = 0;
    struct pcln_frame call;
    int32_t no = pcln_pcdata(p, f, PCLN_PCDATA_INL_TREE, pc);
    while (n < max && pcln_inlined(p, f, no, &call, &pc)) {
        ret[n++] = no;
        no = pcln_pcdata(p, f, PCLN_PCDATA_INL_TREE, pc);
    }
    return n;
}

/* memory.c - bytes of the program, and its machine code. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dbg/code.h"
#include "front/dap/dap_int.h"

enum { READ_MAX = 4 << 20, PAGE = 4096, INSN_MAX = 15, FUNCTIONS_BACK = 200 };

struct err *dap_address(const char *text, int64_t offset, taddr *ret)
{
    char *end;
    errno = 0;
    *ret = strtoull(text, &end, 0);
    if (!*text || *end || errno)
        return err_new(ERR_USAGE, "\"%s\" is no address: 0x and hexadecimal digits", text);
    *ret += (taddr)offset;
    return NULL;
}

static void address_json(struct json *j, const char *key, taddr at)
{
    struct buf b = {0};
    buf_printf(&b, "0x%llx", (unsigned long long)at);
    json_kstr(j, key, buf_text(&b));
    buf_free(&b);
}

/* ---- memory ---- */

/* As many bytes as are readable from there on, at most n. */
static size_t read_some(struct target *t, taddr at, uint8_t *to, size_t n)
{
    size_t got = 0;
    while (got < n) {
        size_t piece = PAGE - (at + got) % PAGE;
        if (piece > n - got)
            piece = n - got;
        struct err *e = target_read(t, at + got, to + got, piece);
        err_free(e);
        if (e)
            break;
        got += piece;
    }
    return got;
}

struct err *dap_do_readMemory(struct dap_client *c, const struct dap_readMemory *a, struct json *j)
{
    taddr at;
    size_t n = a->count < READ_MAX ? (size_t)a->count : READ_MAX;
    struct buf text = {0};
    TRY(dap_address(a->memoryReference, a->offset, &at));
    uint8_t *bytes = mem_alloc(n + 1);
    size_t got = read_some(dbg_target(c->server->session.d), at, bytes, n);
    address_json(j, "address", at);
    if (got < n)
        json_ku64(j, "unreadableBytes", n - got);
    dap_base64(&text, bytes, got);
    json_kstr(j, "data", buf_text(&text));
    buf_free(&text);
    free(bytes);
    return NULL;
}

struct err *dap_do_writeMemory(struct dap_client *c, const struct dap_writeMemory *a,
                               struct json *j)
{
    taddr at;
    struct buf bytes = {0};
    if (c->server->session.kind == DAP_CORE)
        return err_new(ERR_UNSUPPORTED, "a core can not be changed");
    TRY(dap_address(a->memoryReference, a->offset, &at));
    struct err *e = dap_unbase64(a->data, &bytes);
    if (!e)
        e = dbg_write(c->server->session.d, at, buf_text(&bytes), bytes.n);
    if (!e) {
        json_ku64(j, "bytesWritten", bytes.n);
        dap_memory_changed(c, at, bytes.n);
    }
    buf_free(&bytes);
    return e;
}

/* ---- machine code ---- */

struct disassembly {
    struct dap_client *c;
    struct arena mem;
    VEC(struct dbg_insn) v;
};

static struct err *decode(struct disassembly *d, taddr from, taddr to)
{
    struct dbg_insn *insns;
    size_t n;
    TRY(dbg_disassemble(d->c->server->session.d, from, to, &d->mem, &insns, &n));
    for (size_t i = 0; i < n; i++)
        vec_push(&d->v, insns[i]);
    return NULL;
}

/* Where to begin so that `before` instructions lie before `at`: at the beginning of a function,
 * because code can only be read forwards. */
static taddr begin_of(struct dap_client *c, taddr at, uint64_t before)
{
    struct code_func f;
    struct code *code = dbg_code(c->server->session.d);
    if (!code_func_at(code, at, &f))
        return at;
    taddr start = f.f.entry;
    for (int i = 0; i < FUNCTIONS_BACK && at - start < before * INSN_MAX; i++) {
        if (!start || !code_func_at(code, start - 1, &f) || f.f.entry >= start)
            break;
        start = f.f.entry;
    }
    return start;
}

static void insn_json(struct dap_client *c, const struct dbg_insn *i, bool symbols, struct json *j)
{
    struct buf hex = {0}, text = {0};
    for (unsigned k = 0; k < i->n; k++)
        buf_printf(&hex, "%s%02x", k ? " " : "", i->bytes[k]);
    buf_str(&text, i->text);
    if (symbols && i->target_name && *i->target_name)
        buf_printf(&text, " <%s>", i->target_name);
    json_begin(j, '{');
    address_json(j, "address", i->pc);
    json_kstr(j, "instructionBytes", buf_text(&hex));
    json_kstr(j, "instruction", buf_text(&text));
    if (symbols && i->function && *i->function)
        json_kstr(j, "symbol", i->function);
    if (i->file && *i->file) {
        dap_source_json(c, "location", i->file, j);
        json_ki64(j, "line", dap_line_out(c, i->line));
    }
    json_end(j, '}');
    buf_free(&hex);
    buf_free(&text);
}

/* Where there is no code: the client asked for a number of instructions and gets it. */
static void filler_json(taddr at, struct json *j)
{
    json_begin(j, '{');
    address_json(j, "address", at);
    json_kstr(j, "instruction", "(no code)");
    json_kstr(j, "presentationHint", "invalid");
    json_end(j, '}');
}

static void write_insns(const struct disassembly *d, taddr at, int64_t skip, int64_t count,
                        bool symbols, struct json *j)
{
    int64_t zero = 0, n = (int64_t)d->v.n;
    while (zero < n && d->v.v[zero].pc < at)
        zero++;
    taddr low = n ? d->v.v[0].pc : at;
    taddr high = n ? d->v.v[n - 1].pc + d->v.v[n - 1].n : at;
    for (int64_t i = zero + skip; i < zero + skip + count; i++) {
        if (i < 0)
            filler_json(low - (taddr)-i, j);
        else if (i >= n)
            filler_json(high + (taddr)(i - n), j);
        else
            insn_json(d->c, &d->v.v[i], symbols, j);
    }
}

struct err *dap_do_disassemble(struct dap_client *c, const struct dap_disassemble *a,
                               struct json *j)
{
    taddr at;
    TRY(dap_address(a->memoryReference, a->offset, &at));
    struct disassembly d = {.c = c};
    arena_init(&d.mem);
    uint64_t before = a->instructionOffset < 0 ? (uint64_t)-a->instructionOffset : 0;
    int64_t after = a->instructionOffset + a->instructionCount;
    struct err *e = decode(&d, begin_of(c, at, before), at);
    if (!e && after > 0)
        e = decode(&d, at, at + (taddr)after * INSN_MAX);
    if (e) { /* not code: then there is none to show */
        err_free(e);
        e = NULL;
    }
    json_key(j, "instructions");
    json_begin(j, '[');
    write_insns(&d, at, a->instructionOffset, a->instructionCount, a->resolveSymbols, j);
    json_end(j, ']');
    vec_free(&d.v);
    arena_free(&d.mem);
    return e;
}

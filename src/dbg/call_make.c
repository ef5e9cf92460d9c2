/* call_make.c - what a call needs to have in the program: texts, boxes of interfaces, tables of
 * methods, slices of what is given to "...".  The runtime makes them when it is called.
 *
 * Go: runtime/malloc.go mallocgc, runtime/iface.go getitab, itab (1.18-1.27).  Memory without
 * pointers has no type. */
#include <string.h>

#include "dbg/call_int.h"
#include "dbg/expr_const.h"

enum { WORDS_MAX = 4 };

struct err *call_runtime(struct call *c, const char *name, const uint64_t *args, size_t n,
                         uint64_t *ret)
{
    const struct arch *arch = code_arch(c->d->code);
    struct call_frame f = {.nregs = n, .frame_n = WORDS_MAX * ABI_WORD};
    struct call_returned back;
    f.pc = rt_function_entry(c->d->stand, name);
    if (!f.pc)
        return err_new(ERR_UNSUPPORTED, "the program has no %s", name);
    for (size_t i = 0; i < n; i++) {
        f.regs[i] = (struct call_reg){.reg = arch->go_args[i], .n = ABI_WORD};
        memcpy(f.regs[i].bytes, &args[i], ABI_WORD);
    }
    TRY(call_run(c, &f, &back));
    if (!arch->dwarf_reg(&back.regs, arch->go_args[0], ret))
        return err_new(ERR_BAD_DATA, "the result of %s cannot be read", name);
    return NULL;
}

struct err *call_alloc(struct call *c, uint64_t n, taddr type, taddr *ret)
{
    uint64_t args[] = {n, type, true};
    TRY(call_runtime(c, "runtime.mallocgc", args, ARRAY_LEN(args), ret));
    return *ret ? NULL : err_new(ERR_NOMEM, "the program has no memory for it");
}

/* Memory of the program with these bytes. */
static struct err *put(struct call *c, const void *p, size_t n, taddr type, taddr *ret)
{
    TRY(call_alloc(c, n, type, ret));
    return n ? debug_write(c->d->debug, *ret, p, n) : NULL;
}

/* ---- interfaces ---- */

static struct err *no_type(const char *name)
{
    return err_new(ERR_UNSUPPORTED, "the program does not describe the type %s to its runtime",
                   name);
}

/* The first word of an interface of type `iface` that holds a type. */
static struct err *type_word(struct call *c, struct values *vs, uint64_t iface, taddr type,
                             const char *name, uint64_t *ret)
{
    *ret = type;
    if (value_type_is_empty_interface(vs, iface))
        return NULL;
    uint64_t args[] = {value_type_address(vs, iface), type, true};
    if (!args[0])
        return no_type(value_type_name(vs, iface));
    TRY(call_runtime(c, "runtime.getitab", args, ARRAY_LEN(args), ret));
    if (!*ret)
        return err_new(ERR_USAGE, "%s does not implement %s", name, value_type_name(vs, iface));
    return NULL;
}

static struct err *plain(struct call *c, struct values *vs, const struct dbg_value *v, uint8_t *dst,
                         size_t n);

/* What an interface holds, in another interface. */
static struct err *reface(struct call *c, struct values *vs, uint64_t iface,
                          const struct dbg_value *v, uint64_t words[2])
{
    struct value held;
    const char *name = "";
    if (!value_get(vs, &v->v, 0, words, 16))
        return err_new(ERR_FAULT, "the value cannot be read");
    if (!words[0])
        return NULL;
    if (!value_dynamic(vs, &v->v, &held, &name) || held.type == DWARF_NO_ID)
        return no_type(name);
    taddr type = value_type_address(vs, held.type);
    return type ? type_word(c, vs, iface, type, name, &words[0]) : no_type(name);
}

static struct err *box(struct call *c, struct values *vs, uint64_t iface, const struct dbg_value *v,
                       uint64_t words[2])
{
    const struct dwarf_type *from = value_type_stripped(vs, v->v.type);
    int64_t size = value_type_size(vs, v->v.type);
    taddr type = value_type_address(vs, v->v.type);
    if (from && from->kind == DWARF_KIND_INTERFACE)
        return reface(c, vs, iface, v, words);
    if (!type || size < 0)
        return no_type(v->type);
    TRY(type_word(c, vs, iface, type, v->type, &words[0]));
    uint8_t *bytes = arena_alloc(&c->arena, (size_t)size + 1);
    TRY(plain(c, vs, v, bytes, (size_t)size));
    if (!value_type_is_direct(vs, v->v.type))
        return put(c, bytes, (size_t)size, type, &words[1]);
    memcpy(&words[1], bytes, ABI_WORD);
    return NULL;
}

/* ---- values ---- */

static struct err *plain(struct call *c, struct values *vs, const struct dbg_value *v, uint8_t *dst,
                         size_t n)
{
    if (v->form == DBG_UNTYPED) { /* a text; others have become values */
        uint64_t head[2] = {0, v->untyped->n};
        if (n != sizeof(head))
            return err_new(ERR_USAGE, "a text for %zu bytes", n);
        if (head[1])
            TRY(put(c, v->untyped->text, head[1], 0, &head[0]));
        memcpy(dst, head, sizeof(head));
        return NULL;
    }
    return value_get(vs, &v->v, 0, dst, n)
               ? NULL
               : err_new(ERR_FAULT, "%s cannot be read", v->name ? v->name : "an argument");
}

/* A function by its name as a value: a closure that captures nothing. */
static struct err *closure(struct call *c, const struct dbg_value *v, uint8_t *dst)
{
    taddr at;
    if (v->receiver)
        return err_new(ERR_UNSUPPORTED, "a method value cannot be made here");
    TRY(put(c, &v->func_pc, ABI_WORD, 0, &at));
    memcpy(dst, &at, ABI_WORD);
    return NULL;
}

struct err *call_bytes(struct call *c, uint64_t type, const struct dbg_value *v, uint8_t *dst,
                       size_t n)
{
    struct values *vs = rt_stand_values(c->d->stand, NULL);
    const struct dwarf_type *to = value_type_stripped(vs, type);
    struct dbg_value out;
    if (to && to->kind == DWARF_KIND_FUNC && v->form == DBG_FUNC && n == ABI_WORD)
        return closure(c, v, dst);
    TRY(dbg_value_assigned(c->d->stand, v, type, &c->arena, &out));
    bool same = out.form == DBG_VALUE && value_type_same(vs, out.v.type, type);
    if (!to || to->kind != DWARF_KIND_INTERFACE || same)
        return plain(c, vs, &out, dst, n);
    uint64_t words[2] = {0};
    if (n != sizeof(words))
        return err_new(ERR_BAD_DATA, "an interface of %zu bytes", n);
    TRY(box(c, vs, type, &out, words));
    memcpy(dst, words, sizeof(words));
    return NULL;
}

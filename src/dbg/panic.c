/* panic.c - what a program says that ends by a panic or a fatal error.
 *
 * Go: runtime/panic.go fatalpanic, gopanic, throw, fatal (1.18-1.27).  The stop is at the beginning
 * of these functions, where their arguments are in registers.  Before fatalpanic the runtime has
 * made strings of errors and Stringers itself (preprintpanics). */
#include <string.h>

#include "dbg/dbg_int.h"
#include "rt/value.h"

enum { TEXT_MAX = 8192 };

static bool argument(struct dbg *d, pid_t tid, unsigned i, uint64_t *ret)
{
    const struct arch *arch = code_arch(d->code);
    struct arch_regs regs;
    struct err *e = debug_regs(d->debug, tid, &regs);
    bool ok = !e && arch->dwarf_reg(&regs, arch->go_args[i], ret);
    err_free(e);
    return ok;
}

static uint64_t any_type(struct values *values)
{
    const struct dwarf_type *t = values_type_named(values, "interface {}");
    return t ? t->id : DWARF_NO_ID;
}

/* The value as an expression of its type has it, when DWARF knows it; else only the type. */
const char *dbg_value_of_panic(struct dbg *d, const struct rt_panic *p, struct arena *a)
{
    struct values *values = rt_stand_values(d->stand, NULL);
    uint64_t words[2] = {p->type, p->data};
    struct buf b;
    if (*p->text || strcmp(p->type_name, "string") == 0)
        return p->text;
    uint64_t any = values ? any_type(values) : DWARF_NO_ID;
    if (any == DWARF_NO_ID)
        return arena_printf(a, "a value of type %s", p->type_name);
    buf_init(&b, TEXT_MAX);
    struct value v = {.type = any, .bytes = (const uint8_t *)words, .n = sizeof(words)};
    value_print(values, &v, &value_limits_typed, &b);
    const char *text = arena_strdup(a, buf_text(&b));
    buf_free(&b);
    return text;
}

static const char *panic_at(struct dbg *d, taddr addr)
{
    struct rt_panic p;
    return rt_panic_at(d->rt, dbg_view(d), addr, &d->stop_arena, &p)
               ? dbg_value_of_panic(d, &p, &d->stop_arena)
               : "";
}

const char *dbg_panic_text(struct dbg *d, unsigned bp, pid_t tid)
{
    struct rt_panic p = {.type_name = "", .text = ""};
    uint64_t first, second = 0;
    if (!argument(d, tid, 0, &first))
        return "";
    if (bp == DBG_BP_ID_PANIC)
        return panic_at(d, first);
    if (!argument(d, tid, 1, &second))
        return "";
    if (bp == DBG_BP_ID_FATAL)
        return rt_here_text(dbg_view(d), &d->stop_arena, first, second, TEXT_MAX);
    rt_panic_value(d->rt, dbg_view(d), first, second, &d->stop_arena, &p);
    return dbg_value_of_panic(d, &p, &d->stop_arena);
}

/* home.c - the second place of an argument that came in a register.
 *
 * Go: src/cmd/compile/abi-internal.md (1.18-1.27).  A function that needs its argument behind a
 * call stores it first, into room that its caller has left behind the arguments ("spill area").
 * DWARF goes on to name the register, until a call destroys it; but the code that comes reads what
 * was stored.  Whoever sets the variable sets both: as long as there is in that room what is in the
 * register, it was stored.  Nothing but this argument is ever kept there. */
#include <string.h>

#include "dbg/abi_int.h"

/* Where it would be stored, from the CFA on; false: it is no argument in registers. */
static bool room_of(struct abi *abi, const char *name, const struct rt_var *vars, size_t n,
                    taddr *ret)
{
    bool found = false, results = false, on_stack;
    taddr off;
    for (size_t i = 0; i < n; i++) {
        bool result = vars[i].kind == RT_VAR_RESULT;
        if (result && !results)
            abi_results(abi);
        results = results || result;
        abi_assign(abi, vars[i].value.type, &on_stack, &off);
        if (result || strcmp(vars[i].name, name) != 0)
            continue;
        found = !on_stack;
        *ret = off;
    }
    *ret += (abi->stack + ABI_WORD - 1) & ~(taddr)(ABI_WORD - 1);
    return found;
}

void home_find(struct dbg *d, const struct rt_frame *f, const char *name, const struct dbg_value *v,
               struct arena *a, struct home *ret)
{
    struct abi abi = {.arch = code_arch(d->code), .values = rt_stand_values(d->stand, NULL)};
    struct code_func fn;
    struct rt_var *vars;
    size_t n;
    taddr off = 0;
    *ret = (struct home){.d = d, .v = v};
    if (v->v.addr || !v->npieces || f->inlined || !f->cfa || !code_func_at(d->code, f->pc, &fn))
        return;
    name += strspn(name, " \t");
    name = arena_strndup(a, name, strcspn(name, " \t"));
    struct err *e = abi_signature(d, &fn, a, &vars, &n);
    if (!e && room_of(&abi, name, vars, n, &off))
        ret->at = f->cfa + off;
    err_free(e); /* then it is not known, and there is one place */
}

struct err *home_set(const struct home *h, const struct arch_regs *before, unsigned reg,
                     const void *src, size_t n)
{
    uint64_t was, there = 0;
    size_t i = 0;
    while (i < h->v->npieces && h->v->pieces[i].reg != (int)reg)
        i++;
    if (!h->at || i == h->v->npieces || n > sizeof(was) ||
        !code_arch(h->d->code)->dwarf_reg(before, reg, &was))
        return NULL;
    taddr at = h->at + h->v->pieces[i].off;
    TRY(target_read(dbg_view(h->d), at, &there, n));
    return memcmp(&was, &there, n) == 0 ? debug_write(h->d->debug, at, src, n) : NULL;
}

/* locals_place.c - where the variable of a frame is, and its bytes.
 *
 * Go: cmd/compile/abi-internal.md, runtime/preempt_amd64.s (1.18-1.27).  See locals.c for what is
 * believed; locals_generic.c has the types of generic code. */
#include <stdio.h>

#include "rt/locals_int.h"

/* ---- the frame ---- */

void local_find_regs(struct local_frame *f, const struct walk_frame *frames, size_t i,
                     const struct arch_regs *regs)
{
    const struct walk_frame *w = &frames[i];
    if (i == 0 && w->exact && regs && regs->pc == w->pc && regs->sp == w->sp)
        f->regs = regs;
    if (i > 0 && w->exact && frames[i - 1].fn == SNAP_FN_ASYNC_PREEMPT && !frames[i - 1].exact)
        f->saved = frames[i - 1].sp;
}

static struct err *env_read(void *arg, taddr addr, void *dst, size_t n)
{
    const struct local_frame *f = arg;
    return values_read(f->values, addr, dst, n);
}

static struct err *env_cfa(void *arg, taddr *ret)
{
    const struct local_frame *f = arg;
    if (f->f->frame < 0 || !f->f->sp)
        return err_new(ERR_NOT_FOUND, "the size of the frame is not known");
    *ret = f->f->sp + (taddr)f->f->frame + 8;
    return NULL;
}

struct err *local_reg(struct local_frame *f, unsigned reg, void *dst, size_t n)
{
    const struct arch *arch = target_arch(f->rt->t);
    uint64_t v;
    memset(dst, 0, n);
    if (f->saved && reg < LOCAL_REGS && local_preempt_regs(f->scopes)[reg] >= 0)
        return values_read(f->values, f->saved + (taddr)local_preempt_regs(f->scopes)[reg], dst,
                           n < 16 ? n : 16);
    if (f->regs && arch->dwarf_reg(f->regs, reg, &v)) {
        memcpy(dst, &v, n < 8 ? n : 8);
        return NULL;
    }
    uint8_t vector[16];
    if (f->regs && f->extended && arch->dwarf_vector(f->extended, f->extended_n, reg, vector)) {
        memcpy(dst, vector, min_u64(n, sizeof(vector)));
        return NULL;
    }
    f->lost = !f->regs && !f->saved        ? "it was in a register, which the call overwrote"
              : arch->dwarf_is_vector(reg) ? "it is in a vector register, and those were not read"
                                           : "it is in a register that was not read";
    return err_new(ERR_NOT_FOUND, "%s", f->lost);
}

static struct err *env_reg(void *arg, unsigned reg, void *dst, size_t n)
{
    return local_reg(arg, reg, dst, n);
}

static struct dwarf_env env_of(struct local_frame *f)
{
    return (struct dwarf_env){.slide = f->s->slide,
                              .reg = env_reg,
                              .read = env_read,
                              .cfa = env_cfa,
                              .arg = f,
                              .frame_base = &f->s->scope.frame_base};
}

/* ---- a variable ---- */

static void give_up(struct local_found *ret, struct err *e)
{
    snprintf(ret->text, sizeof(ret->text), "%s", err_message(e));
    ret->why = ret->text;
    err_free(e);
}

static void lose(struct local_found *ret)
{
    ret->why = "optimized out at this point";
    ret->gone = true;
}

/* Whether the pieces make up a value of that size.  Compilers up to 1.21 give some slices and
 * strings a piece too many, and everything behind it is then out of place. */
static bool pieces_fit(const struct dwarf_location *loc, int64_t size)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < loc->n; i++)
        bits += loc->v[i].bits;
    return bits == 8 * (uint64_t)size || (loc->n == 1 && !bits);
}

/* Gathers the pieces of a value that is not in one place. */
static void gather(struct local_frame *f, const struct dwarf_location *loc, int64_t size,
                   struct local_found *ret)
{
    struct dwarf_env env = env_of(f);
    if (size < 0 || size > LOCAL_BYTES_MAX) {
        ret->why = "it is in many places, and too large";
        return;
    }
    if (!pieces_fit(loc, size)) {
        ret->why = "DWARF contradicts itself: its parts are not as large as its type";
        return;
    }
    memset(ret->known, 0, sizeof(ret->known));
    struct err *e = dwarf_location_read(loc, &env, ret->bytes, (size_t)size, ret->known);
    bool any = false;
    for (size_t i = 0; i < sizeof(ret->known); i++)
        any |= ret->known[i] != 0;
    if (e && !any && size && f->lost)
        ret->why = f->lost;
    else if (e && !any && size)
        lose(ret);
    err_free(e);
    ret->value.bytes = ret->bytes;
    ret->value.n = (size_t)size;
    ret->value.known = ret->known;
}

/* Whether part of the value is in the frame's own stack below the stack pointer: not in use. */
static bool is_below_stack(const struct local_frame *f, const struct dwarf_location *loc)
{
    for (size_t i = 0; i < loc->n; i++)
        if (loc->v[i].kind == DWARF_AT_MEMORY && loc->v[i].u >= f->stack_lo &&
            loc->v[i].u < f->f->sp)
            return true;
    return false;
}

static int64_t size_of(struct local_frame *f, uint64_t type)
{
    const struct dwarf_type *t;
    struct dwarf *dw = values_dwarf(f->values);
    struct err *e =
        type == DWARF_NO_ID ? err_new(ERR_NOT_FOUND, "no type") : dwarf_type_strip(dw, type, &t);
    err_free(e);
    return e ? -1 : dwarf_type_size(dw, t);
}

void local_locate(struct local_frame *f, const struct dwarf_var *v, struct local_found *ret)
{
    struct dwarf_location *loc = &ret->loc;
    struct dwarf_env env = env_of(f);
    int64_t size = size_of(f, v->type);
    ret->value = (struct value){.type = v->type};
    ret->why = NULL;
    ret->gone = false;
    loc->n = 0;
    f->lost = NULL;
    if (v->type == DWARF_NO_ID) {
        ret->why = "DWARF does not tell its type";
        return;
    }
    if (!v->loc.n) {
        if (size != 0)
            lose(ret);
        ret->value.bytes = ret->bytes;
        return;
    }
    struct err *e = dwarf_eval(&v->loc, &env, loc);
    if (e)
        give_up(ret, e);
    else if (is_below_stack(f, loc))
        ret->why = "not set yet";
    else if (!dwarf_location_address(loc, &ret->value.addr))
        gather(f, loc, size, ret);
}

/* The variable itself, when what the frame has is the pointer to it. */
void local_follow_escaped(struct local_frame *f, struct local_found *ret)
{
    const struct dwarf_type *t;
    taddr at = 0;
    struct err *e = dwarf_type_strip(values_dwarf(f->values), ret->value.type, &t);
    if (!e && (t->kind != DWARF_KIND_POINTER || t->elem == DWARF_NO_ID))
        e = err_new(ERR_BAD_DATA, "DWARF does not tell its type");
    if (!e && ret->value.addr)
        e = values_read(f->values, ret->value.addr, &at, 8);
    else if (!e && ret->value.n == 8 && ret->known[0] == 0xff)
        memcpy(&at, ret->bytes, 8);
    if (e) {
        give_up(ret, e);
        return;
    }
    ret->value = (struct value){.type = t->elem, .addr = at};
    if (!at)
        ret->why = "not allocated yet";
}

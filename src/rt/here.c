/* here.c - see here.h.
 *
 * Go: runtime/runtime2.go g, m, _panic, _defer; runtime/stubs.go getg (1.18-1.27). */
#include "rt/here.h"

#include <string.h>

#include "rt/rt_int.h"

enum { G_HEAD_MAX = 1024, TEXT_MAX = 4096, PANIC_MAX = 512 };

/* Reads what is wanted of a g in one piece. */
static bool read_g(const struct rt *rt, struct target *t, taddr g, taddr sp, struct rt_here *ret)
{
    uint8_t head[G_HEAD_MAX];
    const struct rt_layout *l = &rt->layout;
    size_t n = rt_has(l, RT_g_goid) ? (size_t)l->off[RT_g_goid] + 8 : 0;
    if (!g || g % 8 || !n || n > sizeof(head))
        return false;
    struct err *e = target_read(t, g, head, n);
    if (e) {
        err_free(e);
        return false;
    }
    *ret = (struct rt_here){.g = g,
                            .goroutine = (int64_t)rt_get(l, head, RT_g_goid),
                            .stack_hi = rt_get(l, head, RT_g_stack_hi)};
    return sp >= rt_get(l, head, RT_g_stack_lo) && sp <= ret->stack_hi;
}

bool rt_here(const struct rt *rt, struct target *t, const struct arch_regs *regs,
             struct rt_here *ret)
{
    taddr g = 0;
    if (read_g(rt, t, regs->g, regs->sp, ret))
        return true;
    if (!regs->tls)
        return false;
    err_free(target_read_u64(t, regs->tls + (taddr)target_arch(t)->tls_g, &g));
    return g != regs->g && read_g(rt, t, g, regs->sp, ret);
}

static taddr word(struct target *t, taddr addr)
{
    taddr v = 0;
    err_free(target_read_u64(t, addr, &v));
    return v;
}

const char *rt_here_text(struct target *t, struct arena *a, taddr data, uint64_t n, size_t max)
{
    if (!data || !n)
        return "";
    n = min_u64(n, max);
    char *text = arena_alloc(a, n + 1);
    struct err *e = target_read(t, data, text, n);
    bool ok = !e;
    err_free(e);
    return ok ? text : "";
}

/* Strings, and the runtime's own kinds of them. */
static bool is_text(const char *type)
{
    return strcmp(type, "string") == 0 || strcmp(type, "runtime.plainError") == 0 ||
           strcmp(type, "runtime.errorString") == 0;
}

void rt_panic_value(struct rt *rt, struct target *t, taddr type, taddr data, struct arena *a,
                    struct rt_panic *ret)
{
    ret->type = type;
    ret->data = data;
    ret->type_name = type ? rt_type_name(rt, t, a, type) : "";
    ret->text = is_text(ret->type_name) ? rt_read_string(t, a, data, TEXT_MAX) : "";
}

bool rt_panic_at(struct rt *rt, struct target *t, taddr addr, struct arena *a, struct rt_panic *ret)
{
    const struct rt_layout *l = &rt->layout;
    uint8_t copy[PANIC_MAX];
    int32_t size = l->size[RT_STRUCT_panic];
    *ret = (struct rt_panic){.type_name = "", .text = ""};
    if (!addr || size <= 0 || (size_t)size > sizeof(copy))
        return false;
    struct err *e = target_read(t, addr, copy, (size_t)size);
    bool ok = !e;
    err_free(e);
    if (!ok)
        return false;
    ret->addr = addr;
    rt_panic_value(rt, t, rt_get_word(l, copy, RT_panic_arg, 0),
                   rt_get_word(l, copy, RT_panic_arg, 1), a, ret);
    ret->goexit = rt_get(l, copy, RT_panic_goexit) != 0;
    ret->recovered = rt_get(l, copy, RT_panic_recovered) != 0;
    ret->cfa = rt_get(l, copy, RT_panic_fp);
    return true;
}

bool rt_here_panic(struct rt *rt, struct target *t, taddr g, struct arena *a, struct rt_panic *ret)
{
    *ret = (struct rt_panic){.type_name = "", .text = ""};
    if (!g || !rt_has(&rt->layout, RT_g_panic))
        return false;
    return rt_panic_at(rt, t, word(t, g + (taddr)L(rt, g_panic)), a, ret);
}

taddr rt_here_defer_sp(const struct rt *rt, struct target *t, taddr g)
{
    if (!g || !rt_has(&rt->layout, RT_g_defer) || !rt_has(&rt->layout, RT_defer_sp))
        return 0;
    taddr d = word(t, g + (taddr)L(rt, g_defer));
    return d ? word(t, d + (taddr)L(rt, defer_sp)) : 0;
}

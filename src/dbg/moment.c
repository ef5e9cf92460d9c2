/* moment.c - boundaries of the garbage collector's phases as places in its code.
 *
 * Go: runtime/mgc.go gcStart, gcMarkDone, gcMarkTermination (1.18-1.27).  At each of them the
 * collector itself has stopped the world: no goroutine runs but the one that drives it.
 *
 *   gc-start      the end of gcStart's pause: sweeping of the last cycle is over, the phase is
 *                 "mark", the roots are counted, and nothing is marked yet
 *   gc-mark-done  the beginning of gcMarkTermination: what is alive is marked, all of it; the phase
 *                 is still "mark"
 *   gc-end        the end of gcMarkTermination's pause: the phase is "off", the cycle is counted,
 *                 and every span waits to be swept by the marks
 *
 * Ends of pauses are the calls of startTheWorldWithSema in closures of these two functions: a call
 * is found by its target, not by a line, so that stripped programs and all releases do. */
#include <stdio.h>
#include <string.h>

#include "dbg/dbg_int.h"

enum { CLOSURES_MAX = 32, NAME_MAX_BYTES = 64 };

static const struct moment {
    const char *name, *function;
    const char *call; /* NULL: where the body begins */
} moments[] = {
    {"gc-start", "runtime.gcStart", "runtime.startTheWorldWithSema"},
    {"gc-mark-done", "runtime.gcMarkTermination", NULL},
    {"gc-end", "runtime.gcMarkTermination", "runtime.startTheWorldWithSema"},
};

const char *dbg_gc_moment(size_t i)
{
    return i < ARRAY_LEN(moments) ? moments[i].name : NULL;
}

static const struct moment *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(moments); i++)
        if (strcmp(moments[i].name, name) == 0)
            return &moments[i];
    return NULL;
}

static void put(struct places *ret, const struct code_func *f, taddr pc)
{
    ret->v[ret->n++] = (struct place){.pc = pc, .entry = f->f.entry, .func = f->f.name, .file = ""};
}

/* Calls of `target` in one function. */
static void find_calls(struct code *c, const struct code_func *f, taddr target, struct arena *a,
                       struct places *ret)
{
    struct code_call *calls;
    size_t n = code_calls(c, f, f->f.entry, f->f.end, a, &calls);
    for (size_t i = 0; i < n && ret->n < CLOSURES_MAX; i++)
        if (calls[i].target == target)
            put(ret, f, calls[i].pc);
}

/* The call stands in the function itself or in a closure of it. */
static void find_call(struct code *c, const struct moment *m, struct arena *a, struct places *ret)
{
    struct code_func f, called;
    size_t at = 0;
    if (!code_func_named(c, m->call, &at, &called))
        return;
    for (unsigned i = 0; i <= CLOSURES_MAX; i++) {
        char name[NAME_MAX_BYTES];
        snprintf(name, sizeof(name), i ? "%s.func%u" : "%s", m->function, i);
        at = 0;
        if (code_func_named(c, name, &at, &f))
            find_calls(c, &f, called.f.entry, a, ret);
    }
}

struct err *moment_find(struct code *c, const char *name, struct arena *a, struct places *ret)
{
    const struct moment *m = find(name);
    struct code_func f;
    size_t at = 0;
    *ret = (struct places){.v = arena_array(a, struct place, CLOSURES_MAX), .note = ""};
    if (!m)
        return err_new(ERR_USAGE, "\"%s\" is not a boundary of the collector's phases", name);
    if (m->call)
        find_call(c, m, a, ret);
    else if (code_func_named(c, m->function, &at, &f))
        put(ret, &f, code_body(c, &f));
    if (ret->n)
        return NULL;
    return err_new(ERR_UNSUPPORTED, "%s: this program's runtime has no such place in %s", name,
                   m->function);
}

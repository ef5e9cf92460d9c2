/* expr.h - Go expressions over what stands: parsed and resolved once, evaluated many times.
 *
 *     TRY(expr_compile(st, &at, "conn.id == 7 && len(conn.queue) > 100", &x));
 *     at every hit: e = expr_true(x, &ctx, &yes);
 *
 * All of Go's expressions but function literals and composite literals: literals of every kind with
 * untyped constants of any size, all operators, selectors through pointers and embedded fields,
 * package variables, functions and constants (pkg.X, "full/path".X), index (maps, too), slices,
 * conversions, type assertions, len cap real imag complex min max, comparison of whatever is
 * comparable, &x, *p, addresses as (*T)(0xc000010000).  On top:
 *
 *     runtime.curg        the goroutine; .goid .labels["k"] .waitreason ... (its runtime.g)
 *     runtime.frameoff    of the frame, from the high end of the stack
 *     runtime.threadid    the thread
 *     rax RAX xmm0        registers of the frame (a variable of that name comes first)
 *     labels["k"]         the goroutine's pprof label, "" when there is none
 *
 * Calls (f(x), call f(x)) are parsed; they run through the hook of the context, and are an error
 * without one.  Nothing else runs code of the target.  The word "call" in front means no more than
 * that its author wants it: see expr_call_prefix().
 *
 * Errors: USAGE what was expected and where (err_excerpt() has the line and a caret); NOT_FOUND a
 * name; FAULT memory that cannot be read. */
#ifndef GOSPECT_DBG_EXPR_H
#define GOSPECT_DBG_EXPR_H

#include "dbg/value.h"

struct expr;

/* Where names are looked up. */
struct expr_place {
    taddr pc; /* 0: nowhere; only package-level names are known */
    bool exact;
    uint16_t inline_no;
    const char *package; /* whose names need no qualifier; NULL: that of the function at pc */
};
static inline struct expr_place expr_place_of(const struct rt_frame *f)
{
    return (struct expr_place){.pc = f->pc, .exact = f->exact, .inline_no = f->inline_no};
}

/* at: NULL as pc 0.  The expression is st's; any rt_stand of the same rt may evaluate it, on one
 * thread at a time. */
struct err *expr_compile(struct rt_stand *st, const struct expr_place *at, const char *text,
                         struct expr **ret) MUST_USE;
void expr_free(struct expr *x); /* NULL is fine */
/* Bytes of the text before what "call" is written in front of; 0: it is not.  For those who run
 * functions only when that was asked for. */
size_t expr_call_prefix(const char *text);
bool expr_asks_who(const struct expr *x); /* whether ctx->g matters to it */

/* A call that an expression asks for. */
struct expr_call {
    const char *text;       /* as it stands in the expression */
    struct dbg_value fn;    /* DBG_FUNC, or a func value */
    struct dbg_value *args; /* the receiver of a method value is in fn */
    size_t nargs;
    bool spread; /* the last argument is followed by "..." */
};

struct expr_ctx {
    struct rt_stand *st;
    const struct rt_frame *frame; /* NULL: none */
    taddr g;                      /* the goroutine; 0: none */
    pid_t tid;
    /* Runs a call; ret is of the arena.  NULL: calls are errors. */
    struct err *(*call)(void *arg, const struct expr_call *c, struct arena *a,
                        struct dbg_value *ret);
    void *call_arg;
    struct arena *arena; /* of results */
};

/* ret->name is the expression's text and lives as long as it; the rest is of ctx->arena. */
struct err *expr_eval(struct expr *x, const struct expr_ctx *ctx, struct dbg_value *ret) MUST_USE;
/* A condition: USAGE when it is not a bool. */
struct err *expr_true(struct expr *x, const struct expr_ctx *ctx, bool *ret) MUST_USE;

/* Compile, evaluate, forget: for what is asked once. */
struct err *expr_once(const struct expr_ctx *ctx, const char *text, struct dbg_value *ret) MUST_USE;

/* Names that may stand at the end of text, for completion: `text` up to the cursor. */
struct err *expr_complete(const struct expr_ctx *ctx, const char *text, size_t max,
                          const char *const **ret, size_t *ret_n) MUST_USE;

#endif

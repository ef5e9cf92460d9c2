/* expr_const.h - constants without a type, of any size, as Go has them.
 *
 * Go: go/constant.  Numbers are exact: integers, and for the others fractions of integers; whoever
 * makes them larger than BIG_BITS gets an error.
 *
 * Owner: an arena.  Thread: any. */
#ifndef GOSPECT_DBG_EXPR_CONST_H
#define GOSPECT_DBG_EXPR_CONST_H

#include "base/buf.h"
#include "base/err.h"
#include "dbg/value.h"

/* ---- expr_big.c: integers and fractions ---- */

enum { BIG_BITS = 4096, BIG_DIGITS = BIG_BITS / 32 };

struct big {
    bool neg;
    uint16_t n; /* digits in use; 0 is zero */
    uint32_t d[BIG_DIGITS];
};

struct big big_of_u64(uint64_t v);
struct big big_of_i64(int64_t v);
bool big_u64(const struct big *a, uint64_t *ret); /* false: it does not fit */
bool big_i64(const struct big *a, int64_t *ret);
unsigned big_bits(const struct big *a); /* of its magnitude */
int big_cmp(const struct big *a, const struct big *b);
/* False: too large; division by 0.  ret may be a or b. */
bool big_add(const struct big *a, const struct big *b, struct big *ret);
bool big_sub(const struct big *a, const struct big *b, struct big *ret);
bool big_mul(const struct big *a, const struct big *b, struct big *ret);
bool big_div(const struct big *a, const struct big *b, struct big *quo, struct big *rem);
bool big_shl(const struct big *a, unsigned n, struct big *ret);
void big_shr(const struct big *a, unsigned n, struct big *ret); /* rounds down */
/* op: '&', '|', '^', '~' (and not), on two's complement. */
bool big_bitwise(char op, const struct big *a, const struct big *b, struct big *ret);
void big_text(const struct big *a, struct buf *b);

struct ratio {
    struct big num, den; /* den > 0, no common factor */
};
struct ratio ratio_of(const struct big *a);
bool ratio_make(const struct big *num, const struct big *den, struct ratio *ret);
bool ratio_add(const struct ratio *a, const struct ratio *b, bool minus, struct ratio *ret);
bool ratio_mul(const struct ratio *a, const struct ratio *b, struct ratio *ret);
bool ratio_div(const struct ratio *a, const struct ratio *b, struct ratio *ret);
int ratio_cmp(const struct ratio *a, const struct ratio *b);
bool ratio_is_int(const struct ratio *a);
double ratio_double(const struct ratio *a); /* the nearest; infinite when too large */

/* ---- expr_const.c ---- */

enum const_kind { /* in the order of Go's rule for mixed operands */
                  CONST_BOOL,
                  CONST_STRING,
                  CONST_INT,
                  CONST_RUNE,
                  CONST_FLOAT,
                  CONST_COMPLEX,
};

struct dbg_const {
    enum const_kind kind;
    bool yes;         /* BOOL */
    const char *text; /* STRING: n bytes */
    size_t n;
    struct ratio re, im; /* numbers */
};

enum dbg_kind dbg_const_kind(const struct dbg_const *c);
void dbg_const_text(const struct dbg_const *c, struct buf *b);
const char *dbg_const_type(const struct dbg_const *c);    /* "untyped int" ... */
const char *dbg_const_default(const struct dbg_const *c); /* the type it gets by itself: "int" */
static inline bool dbg_const_is_number(const struct dbg_const *c)
{
    return c->kind >= CONST_INT;
}

struct dbg_const *dbg_const_bool(struct arena *a, bool v);
struct dbg_const *dbg_const_string(struct arena *a, const char *p, size_t n);

/* A literal as it stands in the source, n bytes: 0x_ff, 1e9, 0x1p-2, 'a', "x\n", `raw`, 2i.
 * USAGE: what is wrong. */
struct err *dbg_const_parse(struct arena *a, const char *s, size_t n,
                            const struct dbg_const **ret) MUST_USE;

/* op as Go writes it: "+" ... "==" "&^".  Shifts: b is the count. */
struct err *dbg_const_binary(struct arena *a, const char *op, const struct dbg_const *x,
                             const struct dbg_const *y, const struct dbg_const **ret) MUST_USE;
struct err *dbg_const_unary(struct arena *a, const char *op, const struct dbg_const *x,
                            const struct dbg_const **ret) MUST_USE;

#endif

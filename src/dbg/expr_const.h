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

enum { BIG_BITS = 4096, BIG_DIGITS = BIG_BITS / 32 };

struct big {
    bool neg;
    uint16_t n; /* digits in use; 0 is zero */
    uint32_t d[BIG_DIGITS];
};

enum const_kind { /* in the order of Go's rule for mixed operands */
                  CONST_BOOL,
                  CONST_STRING,
                  CONST_INT,
                  CONST_RUNE,
                  CONST_FLOAT,
                  CONST_COMPLEX,
};

struct ratio {
    struct big num, den; /* den > 0, no common factor */
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
const char *dbg_const_type(const struct dbg_const *c); /* "untyped int" ... */

#endif

/* expr_const.c - constants without a type: literals, operators, texts; see expr_const.h. */
#include "dbg/expr_const.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { EXP_MAX = 1200, SHIFT_MAX = 4000 };

static const struct {
    const char *type, *by_itself;
    enum dbg_kind kind;
} kinds[] = {
    [CONST_BOOL] = {"untyped bool", "bool", DBG_KIND_BOOL},
    [CONST_STRING] = {"untyped string", "string", DBG_KIND_STRING},
    [CONST_INT] = {"untyped int", "int", DBG_KIND_INT},
    [CONST_RUNE] = {"untyped rune", "int32", DBG_KIND_INT},
    [CONST_FLOAT] = {"untyped float", "float64", DBG_KIND_FLOAT},
    [CONST_COMPLEX] = {"untyped complex", "complex128", DBG_KIND_COMPLEX},
};

enum dbg_kind dbg_const_kind(const struct dbg_const *c)
{
    return kinds[c->kind].kind;
}

const char *dbg_const_type(const struct dbg_const *c)
{
    return kinds[c->kind].type;
}

const char *dbg_const_default(const struct dbg_const *c)
{
    return kinds[c->kind].by_itself;
}

/* ---- texts ---- */

static void put_ratio(const struct ratio *r, struct buf *b)
{
    char text[64];
    if (ratio_is_int(r) && big_bits(&r->num) <= 64) {
        big_text(&r->num, b);
        return;
    }
    double v = ratio_double(r);
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_str(b, text);
}

static void put_quoted(const char *s, size_t n, struct buf *b)
{
    uint32_t cp;
    buf_char(b, '"');
    for (size_t i = 0; i < n;) {
        size_t len = text_utf8(s + i, n - i, &cp);
        if (len && cp >= 32 && cp != 127 && cp != '"' && cp != '\\') {
            buf_add(b, s + i, len);
            i += len;
            continue;
        }
        uint8_t c = (uint8_t)s[i++];
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n' || c == '\t' || c == '\r')
            buf_str(b, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
        else
            buf_printf(b, "\\x%02x", c);
    }
    buf_char(b, '"');
}

void dbg_const_text(const struct dbg_const *c, struct buf *b)
{
    switch (c->kind) {
    case CONST_BOOL:
        buf_str(b, c->yes ? "true" : "false");
        break;
    case CONST_STRING:
        put_quoted(c->text, c->n, b);
        break;
    case CONST_INT:
    case CONST_RUNE:
        big_text(&c->re.num, b);
        break;
    case CONST_FLOAT:
        put_ratio(&c->re, b);
        break;
    case CONST_COMPLEX:
        buf_char(b, '(');
        put_ratio(&c->re, b);
        buf_str(b, " + ");
        put_ratio(&c->im, b);
        buf_str(b, "i)");
    }
}

/* ---- making ---- */

static struct dbg_const *make(struct arena *a, enum const_kind kind)
{
    struct dbg_const *c = arena_new(a, struct dbg_const);
    c->kind = kind;
    c->re.den = c->im.den = big_of_u64(1);
    return c;
}

struct dbg_const *dbg_const_bool(struct arena *a, bool v)
{
    struct dbg_const *c = make(a, CONST_BOOL);
    c->yes = v;
    return c;
}

struct dbg_const *dbg_const_string(struct arena *a, const char *p, size_t n)
{
    struct dbg_const *c = make(a, CONST_STRING);
    c->text = n ? arena_strndup(a, p, n) : "";
    if (n && strlen(c->text) != n)
        c->text = memcpy(arena_alloc(a, n + 1), p, n);
    c->n = n;
    return c;
}

static struct err *too_large(void)
{
    return err_new(ERR_USAGE, "the constant is too large");
}

/* ---- literals ---- */

/* The value of an escape behind the backslash; *s moves behind it.  *byte: it is one byte. */
static bool escape(const char **s, const char *end, char quote, uint32_t *ret, bool *byte)
{
    static const char names[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";
    const char *at = *s < end ? memchr(names, **s, sizeof(names) - 1) : NULL;
    unsigned digits = 0, base = 16;
    *byte = false;
    *ret = 0;
    if (*s >= end)
        return false;
    char c = *(*s)++;
    if (at || c == quote) {
        *ret = (uint8_t)(at ? values[at - names] : quote);
        return true;
    }
    if (c == 'x' || c == 'u' || c == 'U')
        digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
    else if (c >= '0' && c <= '7')
        (*s)--, digits = 3, base = 8;
    *byte = c == 'x' || base == 8;
    if (!digits || (size_t)(end - *s) < digits)
        return false;
    for (unsigned i = 0; i < digits; i++) {
        char d = *(*s)++;
        unsigned v = d >= '0' && d <= '9'   ? (unsigned)(d - '0')
                     : d >= 'a' && d <= 'f' ? (unsigned)(d - 'a' + 10)
                     : d >= 'A' && d <= 'F' ? (unsigned)(d - 'A' + 10)
                                            : 99;
        if (v >= base)
            return false;
        *ret = *ret * base + v;
    }
    return *byte ? *ret < 256 : *ret < 0x110000 && (*ret < 0xd800 || *ret >= 0xe000);
}

static void put_utf8(struct buf *b, uint32_t cp)
{
    if (cp < 0x80) {
        buf_char(b, (char)cp);
    } else if (cp < 0x800) {
        buf_char(b, (char)(0xc0 | cp >> 6));
        buf_char(b, (char)(0x80 | (cp & 63)));
    } else {
        if (cp >= 0x10000) {
            buf_char(b, (char)(0xf0 | cp >> 18));
            buf_char(b, (char)(0x80 | (cp >> 12 & 63)));
        } else {
            buf_char(b, (char)(0xe0 | cp >> 12));
        }
        buf_char(b, (char)(0x80 | (cp >> 6 & 63)));
        buf_char(b, (char)(0x80 | (cp & 63)));
    }
}

static struct err *parse_text(struct arena *a, const char *s, size_t n,
                              const struct dbg_const **ret)
{
    const char *p = s + 1, *end = s + n - 1;
    struct buf b = {0};
    struct err *e = NULL;
    while (!e && p < end) {
        uint32_t cp;
        bool byte;
        if (*s == '`') {
            if (*p != '\r')
                buf_char(&b, *p);
            p++;
        } else if (*p != '\\') {
            buf_char(&b, *p++);
        } else if (p++, !escape(&p, end, '"', &cp, &byte)) {
            e = err_new(ERR_USAGE, "an escape in the text is wrong");
        } else if (byte) {
            buf_char(&b, (char)cp);
        } else {
            put_utf8(&b, cp);
        }
    }
    if (!e)
        *ret = dbg_const_string(a, b.n ? b.p : "", b.n);
    buf_free(&b);
    return e;
}

static struct err *parse_rune(struct arena *a, const char *s, size_t n,
                              const struct dbg_const **ret)
{
    const char *p = s + 1, *end = s + n - 1;
    uint32_t cp = 0;
    bool byte, ok = p < end;
    if (ok && *p == '\\') {
        p++;
        ok = escape(&p, end, '\'', &cp, &byte);
    } else if (ok) {
        size_t len = text_utf8(p, (size_t)(end - p), &cp);
        ok = len != 0;
        p += len;
    }
    if (!ok || p != end)
        return err_new(ERR_USAGE, "a character literal holds one character");
    struct dbg_const *c = make(a, CONST_RUNE);
    c->re.num = big_of_u64(cp);
    *ret = c;
    return NULL;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : 99;
}

struct number {
    struct big mantissa;
    unsigned base;
    int64_t exp;      /* of base, or of 2 for hexadecimal floats */
    int64_t fraction; /* digits behind the point */
    bool is_float, imaginary;
};

static bool power(unsigned base, int64_t exp, struct big *ret)
{
    struct big b = big_of_u64(base);
    *ret = big_of_u64(1);
    if (exp > EXP_MAX)
        return false;
    for (int64_t i = 0; i < exp; i++)
        if (!big_mul(ret, &b, ret))
            return false;
    return true;
}

static bool add_digit(struct number *x, unsigned digit)
{
    struct big base = big_of_u64(x->base), d = big_of_u64(digit);
    return big_mul(&x->mantissa, &base, &x->mantissa) && big_add(&x->mantissa, &d, &x->mantissa);
}

/* Digits with _ between them, and a point; *s moves. */
static struct err *take_digits(const char **s, const char *end, struct number *x)
{
    bool point = false, any = false;
    for (; *s < end; (*s)++) {
        char c = **s;
        int d = digit_of(c);
        if (c == '_')
            continue;
        if (c == '.' && !point && (x->base == 10 || x->base == 16)) {
            point = x->is_float = true;
            continue;
        }
        if (d >= (int)x->base) {
            if (d < 10)
                return err_new(ERR_USAGE, "the digit %c is not one of base %u", c, x->base);
            break;
        }
        any = true;
        x->fraction += point;
        if (!add_digit(x, (unsigned)d))
            return too_large();
    }
    return any ? NULL : err_new(ERR_USAGE, "a number has digits");
}

static struct err *take_exponent(const char **s, const char *end, struct number *x)
{
    bool neg = false;
    const char *first;
    (*s)++;
    if (*s < end && (**s == '-' || **s == '+'))
        neg = *(*s)++ == '-';
    for (first = *s; *s < end && ((**s >= '0' && **s <= '9') || **s == '_'); (*s)++)
        if (**s != '_' && x->exp < 1 << 24)
            x->exp = x->exp * 10 + (**s - '0');
    x->exp = neg ? -x->exp : x->exp;
    x->is_float = true;
    return *s > first ? NULL : err_new(ERR_USAGE, "an exponent has digits");
}

static struct err *scale(const struct number *x, struct ratio *ret)
{
    struct big num = x->mantissa, den = big_of_u64(1), factor;
    int64_t exp = x->exp - x->fraction * (x->base == 16 ? 4 : 1);
    unsigned base = x->base == 16 ? 2 : x->base;
    if (num.n && (!power(base, exp < 0 ? -exp : exp, &factor) ||
                  !(exp < 0 ? big_mul(&den, &factor, &den) : big_mul(&num, &factor, &num))))
        return too_large();
    return ratio_make(&num, &den, ret) ? NULL : too_large();
}

static struct err *parse_number(struct arena *a, const char *s, size_t n,
                                const struct dbg_const **ret)
{
    struct number x = {.base = 10};
    const char *end = s + n, *p = s;
    bool prefixed = n > 2 && *s == '0' && strchr("xXoObB", s[1]);
    if (prefixed) {
        x.base = strchr("xX", s[1]) ? 16 : strchr("oO", s[1]) ? 8 : 2;
        p += 2;
    }
    TRY(take_digits(&p, end, &x));
    if (p < end && strchr(x.base == 16 ? "pP" : "eE", *p))
        TRY(take_exponent(&p, end, &x));
    if (p < end && *p == 'i') {
        x.imaginary = true;
        p++;
    }
    if (p != end)
        return err_new(ERR_USAGE, "the number ends with something else");
    bool octal = !prefixed && !x.is_float && !x.imaginary && n > 1 && *s == '0';
    if (octal) { /* 0755 */
        x = (struct number){.base = 8};
        p = s;
        TRY(take_digits(&p, end, &x));
    }
    struct dbg_const *c = make(a, x.imaginary  ? CONST_COMPLEX
                                  : x.is_float ? CONST_FLOAT
                                               : CONST_INT);
    *ret = c;
    return scale(&x, x.imaginary ? &c->im : &c->re);
}

struct err *dbg_const_parse(struct arena *a, const char *s, size_t n, const struct dbg_const **ret)
{
    *ret = NULL;
    if (n >= 2 && (*s == '"' || *s == '`') && s[n - 1] == *s)
        return parse_text(a, s, n, ret);
    if (n >= 2 && *s == '\'' && s[n - 1] == '\'')
        return parse_rune(a, s, n, ret);
    return parse_number(a, s, n, ret);
}

/* ---- operators ---- */

static bool compared(const char *op, int c, bool *ret)
{
    static const struct {
        const char *op;
        bool less, equal, greater;
    } ops[] = {{"==", false, true, false}, {"!=", true, false, true}, {"<", true, false, false},
               {"<=", true, true, false},  {">", false, false, true}, {">=", false, true, true}};
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (strcmp(ops[i].op, op) == 0) {
            *ret = c < 0 ? ops[i].less : c > 0 ? ops[i].greater : ops[i].equal;
            return true;
        }
    }
    return false;
}

static struct err *no_operator(const char *op, const struct dbg_const *x)
{
    return err_new(ERR_USAGE, "the operator %s is not there for an %s", op, dbg_const_type(x));
}

static struct err *strings(struct arena *a, const char *op, const struct dbg_const *x,
                           const struct dbg_const *y, const struct dbg_const **ret)
{
    bool yes;
    int c = memcmp(x->text, y->text, min_u64(x->n, y->n));
    if (compared(op, c ? c : x->n < y->n ? -1 : x->n > y->n, &yes)) {
        *ret = dbg_const_bool(a, yes);
        return NULL;
    }
    if (strcmp(op, "+") != 0)
        return no_operator(op, x);
    struct buf b = {0};
    buf_add(&b, x->text, x->n);
    buf_add(&b, y->text, y->n);
    *ret = dbg_const_string(a, b.n ? b.p : "", b.n);
    buf_free(&b);
    return NULL;
}

static struct err *bools(struct arena *a, const char *op, const struct dbg_const *x,
                         const struct dbg_const *y, const struct dbg_const **ret)
{
    bool yes;
    if (strcmp(op, "&&") == 0)
        yes = x->yes && y->yes;
    else if (strcmp(op, "||") == 0)
        yes = x->yes || y->yes;
    else if (strcmp(op, "==") == 0 || strcmp(op, "!=") == 0)
        yes = (x->yes == y->yes) == (*op == '=');
    else
        return no_operator(op, x);
    *ret = dbg_const_bool(a, yes);
    return NULL;
}

static struct err *shift(const char *op, const struct dbg_const *x, const struct dbg_const *y,
                         struct dbg_const *r)
{
    uint64_t n;
    if (!ratio_is_int(&x->re) || x->im.num.n)
        return err_new(ERR_USAGE, "only integers are shifted");
    if (!ratio_is_int(&y->re) || y->im.num.n || !big_u64(&y->re.num, &n))
        return err_new(ERR_USAGE, "the count of a shift is a number from 0 on");
    if (r->kind > CONST_RUNE)
        r->kind = CONST_INT;
    r->re.den = big_of_u64(1);
    if (*op == '<')
        return n <= SHIFT_MAX && big_shl(&x->re.num, (unsigned)n, &r->re.num) ? NULL : too_large();
    big_shr(&x->re.num, (unsigned)min_u64(n, BIG_BITS), &r->re.num);
    return NULL;
}

static struct err *integers(const char *op, const struct dbg_const *x, const struct dbg_const *y,
                            struct dbg_const *r)
{
    bool and_not = strcmp(op, "&^") == 0, ok;
    if (*op == '/' || *op == '%') {
        if (!y->re.num.n)
            return err_new(ERR_USAGE, "division by zero");
        ok = big_div(&x->re.num, &y->re.num, *op == '/' ? &r->re.num : NULL,
                     *op == '%' ? &r->re.num : NULL);
    } else if (*op == '+') {
        ok = big_add(&x->re.num, &y->re.num, &r->re.num);
    } else if (*op == '-') {
        ok = big_sub(&x->re.num, &y->re.num, &r->re.num);
    } else if (*op == '*') {
        ok = big_mul(&x->re.num, &y->re.num, &r->re.num);
    } else if (strchr("&|^", *op) && (!op[1] || and_not)) {
        ok = big_bitwise(and_not ? '~' : *op, &x->re.num, &y->re.num, &r->re.num);
    } else {
        return no_operator(op, x);
    }
    return ok ? NULL : too_large();
}

static struct err *floats(const char *op, const struct dbg_const *x, const struct dbg_const *y,
                          struct dbg_const *r)
{
    if (*op == '/' && !y->re.num.n)
        return err_new(ERR_USAGE, "division by zero");
    bool ok = *op == '+'   ? ratio_add(&x->re, &y->re, false, &r->re)
              : *op == '-' ? ratio_add(&x->re, &y->re, true, &r->re)
              : *op == '*' ? ratio_mul(&x->re, &y->re, &r->re)
                           : ratio_div(&x->re, &y->re, &r->re);
    if (!strchr("+-*/", *op))
        return no_operator(op, x);
    return ok ? NULL : too_large();
}

/* (a+bi)(c+di) and the like */
static struct err *complexes(const char *op, const struct dbg_const *x, const struct dbg_const *y,
                             struct dbg_const *r)
{
    struct ratio ac, bd, bc, ad, norm, c2, d2;
    bool divide = *op == '/', ok = true;
    if (*op == '+' || *op == '-') {
        ok = ratio_add(&x->re, &y->re, *op == '-', &r->re) &&
             ratio_add(&x->im, &y->im, *op == '-', &r->im);
        return ok ? NULL : too_large();
    }
    if (*op != '*' && !divide)
        return no_operator(op, x);
    ok = ratio_mul(&x->re, &y->re, &ac) && ratio_mul(&x->im, &y->im, &bd) &&
         ratio_mul(&x->im, &y->re, &bc) && ratio_mul(&x->re, &y->im, &ad) &&
         ratio_add(&ac, &bd, !divide, &r->re) && ratio_add(&bc, &ad, divide, &r->im);
    if (ok && divide) {
        ok = ratio_mul(&y->re, &y->re, &c2) && ratio_mul(&y->im, &y->im, &d2) &&
             ratio_add(&c2, &d2, false, &norm);
        if (ok && !norm.num.n)
            return err_new(ERR_USAGE, "division by zero");
        ok = ok && ratio_div(&r->re, &norm, &r->re) && ratio_div(&r->im, &norm, &r->im);
    }
    return ok ? NULL : too_large();
}

static struct err *numbers(struct arena *a, const char *op, const struct dbg_const *x,
                           const struct dbg_const *y, const struct dbg_const **ret)
{
    enum const_kind kind = x->kind > y->kind ? x->kind : y->kind;
    bool yes, equal = ratio_cmp(&x->im, &y->im) == 0;
    int c = ratio_cmp(&x->re, &y->re);
    if (compared(op, kind == CONST_COMPLEX && c == 0 && !equal ? 1 : c, &yes)) {
        if (kind == CONST_COMPLEX && op[1] != '=')
            return no_operator(op, x);
        *ret = dbg_const_bool(a, yes);
        return NULL;
    }
    bool is_shift = strcmp(op, "<<") == 0 || strcmp(op, ">>") == 0;
    struct dbg_const *r = make(a, is_shift ? x->kind : kind);
    *ret = r;
    if (is_shift)
        return shift(op, x, y, r);
    if (kind <= CONST_RUNE)
        return integers(op, x, y, r);
    return kind == CONST_FLOAT ? floats(op, x, y, r) : complexes(op, x, y, r);
}

struct err *dbg_const_binary(struct arena *a, const char *op, const struct dbg_const *x,
                             const struct dbg_const *y, const struct dbg_const **ret)
{
    if (x->kind == CONST_STRING && y->kind == CONST_STRING)
        return strings(a, op, x, y, ret);
    if (x->kind == CONST_BOOL && y->kind == CONST_BOOL)
        return bools(a, op, x, y, ret);
    if (dbg_const_is_number(x) && dbg_const_is_number(y))
        return numbers(a, op, x, y, ret);
    return err_new(ERR_USAGE, "an %s and an %s do not go together", dbg_const_type(x),
                   dbg_const_type(y));
}

struct err *dbg_const_unary(struct arena *a, const char *op, const struct dbg_const *x,
                            const struct dbg_const **ret)
{
    struct dbg_const *r = make(a, x->kind);
    *ret = r;
    *r = *x;
    if (*op == '!' && x->kind == CONST_BOOL) {
        r->yes = !x->yes;
    } else if (*op == '+' && dbg_const_is_number(x)) {
        return NULL;
    } else if (*op == '-' && dbg_const_is_number(x)) {
        r->re.num.neg = r->re.num.n && !x->re.num.neg;
        r->im.num.neg = r->im.num.n && !x->im.num.neg;
    } else if (*op == '^' && (x->kind == CONST_INT || x->kind == CONST_RUNE)) {
        struct big minus_one = big_of_i64(-1);
        return big_bitwise('^', &x->re.num, &minus_one, &r->re.num) ? NULL : too_large();
    } else {
        return no_operator(op, x);
    }
    return NULL;
}

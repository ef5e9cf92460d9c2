/* expr_big.c - integers of up to BIG_BITS bits and fractions of them; see expr_const.h.
 *
 * Schoolbook arithmetic (Knuth, TAOCP vol. 2, 4.3.1) on 32-bit digits: constants people type have
 * few. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dbg/expr_const.h"

static void trim(struct big *a)
{
    while (a->n && !a->d[a->n - 1])
        a->n--;
    if (!a->n)
        a->neg = false;
}

struct big big_of_u64(uint64_t v)
{
    struct big a = {.n = 2, .d = {(uint32_t)v, (uint32_t)(v >> 32)}};
    trim(&a);
    return a;
}

struct big big_of_i64(int64_t v)
{
    struct big a = big_of_u64(v < 0 ? -(uint64_t)v : (uint64_t)v);
    a.neg = v < 0;
    return a;
}

static uint64_t low64(const struct big *a)
{
    return (a->n > 0 ? a->d[0] : 0) | (uint64_t)(a->n > 1 ? a->d[1] : 0) << 32;
}

bool big_u64(const struct big *a, uint64_t *ret)
{
    *ret = low64(a);
    return !a->neg && a->n <= 2;
}

bool big_i64(const struct big *a, int64_t *ret)
{
    uint64_t v = low64(a);
    *ret = (int64_t)(a->neg ? -v : v);
    return a->n <= 2 && (a->neg ? v <= (uint64_t)1 << 63 : v < (uint64_t)1 << 63);
}

unsigned big_bits(const struct big *a)
{
    return a->n ? 32u * a->n - (unsigned)__builtin_clz(a->d[a->n - 1]) : 0;
}

static int cmp_magnitude(const struct big *a, const struct big *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    for (unsigned i = a->n; i-- > 0;)
        if (a->d[i] != b->d[i])
            return a->d[i] < b->d[i] ? -1 : 1;
    return 0;
}

int big_cmp(const struct big *a, const struct big *b)
{
    if (a->neg != b->neg)
        return a->neg ? -1 : 1;
    int c = cmp_magnitude(a, b);
    return a->neg ? -c : c;
}

static bool add_magnitude(const struct big *a, const struct big *b, struct big *ret)
{
    unsigned n = a->n > b->n ? a->n : b->n;
    uint64_t carry = 0;
    for (unsigned i = 0; i < n; i++) {
        carry += (uint64_t)(i < a->n ? a->d[i] : 0) + (i < b->n ? b->d[i] : 0);
        ret->d[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry && n == BIG_DIGITS)
        return false;
    if (carry)
        ret->d[n++] = (uint32_t)carry;
    ret->n = (uint16_t)n;
    return true;
}

/* |a| >= |b| */
static void sub_magnitude(const struct big *a, const struct big *b, struct big *ret)
{
    int64_t borrow = 0;
    for (unsigned i = 0; i < a->n; i++) {
        int64_t v = (int64_t)a->d[i] - (i < b->n ? b->d[i] : 0) - borrow;
        borrow = v < 0;
        ret->d[i] = (uint32_t)v;
    }
    ret->n = a->n;
}

static bool add_signed(const struct big *a, const struct big *b, bool b_neg, struct big *ret)
{
    struct big r = {0};
    if (a->neg == b_neg) {
        if (!add_magnitude(a, b, &r))
            return false;
        r.neg = a->neg;
    } else if (cmp_magnitude(a, b) >= 0) {
        sub_magnitude(a, b, &r);
        r.neg = a->neg;
    } else {
        sub_magnitude(b, a, &r);
        r.neg = b_neg;
    }
    trim(&r);
    *ret = r;
    return true;
}

bool big_add(const struct big *a, const struct big *b, struct big *ret)
{
    return add_signed(a, b, b->neg, ret);
}

bool big_sub(const struct big *a, const struct big *b, struct big *ret)
{
    return add_signed(a, b, !b->neg, ret);
}

bool big_mul(const struct big *a, const struct big *b, struct big *ret)
{
    struct big r = {.neg = a->neg != b->neg};
    if (a->n + b->n > BIG_DIGITS + 1)
        return false;
    for (unsigned i = 0; i < a->n; i++) {
        uint64_t carry = 0;
        for (unsigned k = 0; k < b->n || carry; k++) {
            if (i + k >= BIG_DIGITS)
                return false;
            carry += r.d[i + k] + (k < b->n ? (uint64_t)a->d[i] * b->d[k] : 0);
            r.d[i + k] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    r.n = (uint16_t)(a->n + b->n < BIG_DIGITS ? a->n + b->n : BIG_DIGITS);
    trim(&r);
    *ret = r;
    return true;
}

/* By one digit; the remainder. */
static uint32_t div_digit(struct big *a, uint32_t by)
{
    uint64_t rem = 0;
    for (unsigned i = a->n; i-- > 0;) {
        rem = rem << 32 | a->d[i];
        a->d[i] = (uint32_t)(rem / by);
        rem %= by;
    }
    trim(a);
    return (uint32_t)rem;
}

/* One digit of a quotient: u[0 ... n] divided by v[0 ... n-1], whose highest bit is set. */
static uint32_t quotient_digit(uint32_t *u, const uint32_t *v, unsigned n)
{
    uint64_t top = (uint64_t)u[n] << 32 | u[n - 1], q = top / v[n - 1], r = top % v[n - 1];
    while (q >> 32 || q * v[n - 2] > (r << 32 | u[n - 2])) {
        q--;
        r += v[n - 1];
        if (r >> 32)
            break;
    }
    int64_t borrow = 0, t;
    uint64_t carry = 0;
    for (unsigned i = 0; i < n; i++) {
        carry += q * v[i];
        t = (int64_t)u[i] - borrow - (int64_t)(uint32_t)carry;
        u[i] = (uint32_t)t;
        borrow = t < 0;
        carry >>= 32;
    }
    t = (int64_t)u[n] - borrow - (int64_t)carry;
    u[n] = (uint32_t)t;
    if (t >= 0)
        return (uint32_t)q;
    carry = 0; /* one too many */
    for (unsigned i = 0; i < n; i++) {
        carry += (uint64_t)u[i] + v[i];
        u[i] = (uint32_t)carry;
        carry >>= 32;
    }
    u[n] += (uint32_t)carry;
    return (uint32_t)(q - 1);
}

static void div_magnitude(const struct big *a, const struct big *b, struct big *quo,
                          struct big *rem)
{
    unsigned n = b->n, m = a->n - n, s = (unsigned)__builtin_clz(b->d[n - 1]);
    uint32_t u[BIG_DIGITS + 1] = {0}, v[BIG_DIGITS] = {0};
    for (unsigned i = n; i-- > 0;)
        v[i] = b->d[i] << s | (s && i ? b->d[i - 1] >> (32 - s) : 0);
    u[a->n] = s ? a->d[a->n - 1] >> (32 - s) : 0;
    for (unsigned i = a->n; i-- > 0;)
        u[i] = a->d[i] << s | (s && i ? a->d[i - 1] >> (32 - s) : 0);
    quo->n = (uint16_t)(m + 1);
    for (unsigned j = m + 1; j-- > 0;)
        quo->d[j] = quotient_digit(u + j, v, n);
    rem->n = (uint16_t)n;
    for (unsigned i = 0; i < n; i++)
        rem->d[i] = u[i] >> s | (s ? (uint32_t)((uint64_t)u[i + 1] << (32 - s)) : 0);
    trim(quo);
    trim(rem);
}

bool big_div(const struct big *a, const struct big *b, struct big *quo, struct big *rem)
{
    struct big q = {0}, r = {0};
    if (!b->n)
        return false;
    if (cmp_magnitude(a, b) < 0) {
        r = *a;
    } else if (b->n == 1) {
        q = *a;
        r = big_of_u64(div_digit(&q, b->d[0]));
    } else {
        div_magnitude(a, b, &q, &r);
    }
    q.neg = q.n && a->neg != b->neg;
    r.neg = r.n && a->neg;
    if (quo)
        *quo = q;
    if (rem)
        *rem = r;
    return true;
}

bool big_shl(const struct big *a, unsigned n, struct big *ret)
{
    struct big r = {.neg = a->neg};
    unsigned digits = n / 32, bits = n % 32;
    if (!a->n) {
        *ret = *a;
        return true;
    }
    if (n > BIG_BITS || big_bits(a) + n > BIG_BITS)
        return false;
    r.n = (uint16_t)min_u64(a->n + digits + 1, BIG_DIGITS);
    for (unsigned i = 0; i < a->n; i++) {
        uint64_t v = (uint64_t)a->d[i] << bits;
        r.d[i + digits] |= (uint32_t)v;
        if (v >> 32)
            r.d[i + digits + 1] |= (uint32_t)(v >> 32);
    }
    trim(&r);
    *ret = r;
    return true;
}

void big_shr(const struct big *a, unsigned n, struct big *ret)
{
    struct big r = {.neg = a->neg};
    unsigned digits = n / 32, bits = n % 32;
    bool lost = false;
    for (unsigned i = 0; i < digits && i < a->n; i++)
        lost |= a->d[i] != 0;
    for (unsigned i = digits; i < a->n; i++) {
        uint32_t high = i + 1 < a->n && bits ? a->d[i + 1] << (32 - bits) : 0;
        r.d[i - digits] = a->d[i] >> bits | high;
        r.n = (uint16_t)(i - digits + 1);
    }
    if (digits < a->n && bits)
        lost |= (a->d[digits] & ((1u << bits) - 1)) != 0;
    trim(&r);
    r.neg = r.n && a->neg;
    *ret = r;
    if (a->neg && lost) {
        struct big one = big_of_u64(1);
        if (!big_sub(ret, &one, ret))
            *ret = r; /* cannot be: it became smaller */
    }
}

static uint32_t complement_digit(const struct big *a, unsigned i, uint64_t *carry)
{
    uint32_t v = i < a->n ? a->d[i] : 0;
    if (!a->neg)
        return v;
    *carry += (uint32_t)~v;
    v = (uint32_t)*carry;
    *carry >>= 32;
    return v;
}

bool big_bitwise(char op, const struct big *a, const struct big *b, struct big *ret)
{
    unsigned n = (a->n > b->n ? a->n : b->n) + 1u;
    uint64_t ca = 1, cb = 1, carry = 1;
    struct big r = {0};
    if (n > BIG_DIGITS)
        return false;
    for (unsigned i = 0; i < n; i++) {
        uint32_t x = complement_digit(a, i, &ca), y = complement_digit(b, i, &cb);
        r.d[i] = op == '&' ? x & y : op == '|' ? x | y : op == '^' ? x ^ y : x & ~y;
    }
    r.n = (uint16_t)n;
    r.neg = r.d[n - 1] >> 31;
    for (unsigned i = 0; r.neg && i < n; i++) {
        carry += (uint32_t)~r.d[i];
        r.d[i] = (uint32_t)carry;
        carry >>= 32;
    }
    trim(&r);
    *ret = r;
    return true;
}

void big_text(const struct big *a, struct buf *b)
{
    enum { PARTS = BIG_BITS / 29 + 2 };
    uint32_t parts[PARTS];
    struct big v = *a;
    unsigned n = 0;
    v.neg = false;
    do
        parts[n++] = div_digit(&v, 1000000000);
    while (v.n && n < PARTS);
    buf_str(b, a->neg ? "-" : "");
    buf_printf(b, "%u", parts[n - 1]);
    for (unsigned i = n - 1; i-- > 0;)
        buf_printf(b, "%09u", parts[i]);
}

/* ---- fractions ---- */

static struct big gcd(struct big a, struct big b)
{
    a.neg = b.neg = false;
    while (b.n) {
        struct big r;
        if (!big_div(&a, &b, NULL, &r))
            break;
        a = b;
        b = r;
    }
    return a;
}

struct ratio ratio_of(const struct big *a)
{
    return (struct ratio){.num = *a, .den = big_of_u64(1)};
}

bool ratio_make(const struct big *num, const struct big *den, struct ratio *ret)
{
    struct ratio r = {.num = *num, .den = *den};
    if (!den->n)
        return false;
    if (r.den.neg) {
        r.den.neg = false;
        r.num.neg = r.num.n && !r.num.neg;
    }
    if (r.den.n > 1 || r.den.d[0] != 1) {
        struct big g = gcd(r.num, r.den);
        if (!big_div(&r.num, &g, &r.num, NULL) || !big_div(&r.den, &g, &r.den, NULL))
            return false;
    }
    *ret = r;
    return true;
}

bool ratio_add(const struct ratio *a, const struct ratio *b, bool minus, struct ratio *ret)
{
    struct big x, y, den;
    return big_mul(&a->num, &b->den, &x) && big_mul(&b->num, &a->den, &y) &&
           big_mul(&a->den, &b->den, &den) && (minus ? big_sub(&x, &y, &x) : big_add(&x, &y, &x)) &&
           ratio_make(&x, &den, ret);
}

bool ratio_mul(const struct ratio *a, const struct ratio *b, struct ratio *ret)
{
    struct big num, den;
    return big_mul(&a->num, &b->num, &num) && big_mul(&a->den, &b->den, &den) &&
           ratio_make(&num, &den, ret);
}

bool ratio_div(const struct ratio *a, const struct ratio *b, struct ratio *ret)
{
    struct big num, den;
    return b->num.n && big_mul(&a->num, &b->den, &num) && big_mul(&a->den, &b->num, &den) &&
           ratio_make(&num, &den, ret);
}

int ratio_cmp(const struct ratio *a, const struct ratio *b)
{
    struct ratio d;
    if (ratio_add(a, b, true, &d))
        return d.num.neg ? -1 : d.num.n != 0;
    double x = ratio_double(a), y = ratio_double(b); /* too large to be told exactly */
    return x < y ? -1 : x > y;
}

bool ratio_is_int(const struct ratio *a)
{
    return a->den.n == 1 && a->den.d[0] == 1;
}

/* The quotient with more bits than a double has, the last of which stands for all that follow. */
double ratio_double(const struct ratio *a)
{
    struct big num = a->num, q, r;
    int shift = (int)big_bits(&a->den) - (int)big_bits(&num) + 66;
    bool neg = num.neg;
    num.neg = false;
    if (!num.n)
        return 0;
    struct big den = a->den;
    if (shift > 0 ? !big_shl(&num, (unsigned)shift, &num) : !big_shl(&den, (unsigned)-shift, &den))
        return NAN; /* does not fit: cannot be told */
    if (!big_div(&num, &den, &q, &r))
        return NAN;
    /* 66 or 67 bits: to 64 and a sticky one, then to what a double of that exponent holds */
    int exp = (int)big_bits(&q) - shift; /* the value is in [2^(exp-1), 2^exp) */
    int keep = exp < -1021 ? 53 - (-1021 - exp) : 53;
    unsigned drop = big_bits(&q) - (unsigned)(keep > 0 ? keep : 0);
    struct big high, back;
    big_shr(&q, drop, &high);
    uint64_t m = low64(&high);
    bool sticky = r.n != 0, half = false;
    if (drop) {
        big_shr(&q, drop - 1, &back);
        half = low64(&back) & 1;
        struct big again;
        if (big_shl(&back, drop - 1, &again))
            sticky |= big_cmp(&again, &q) != 0;
    }
    if (keep < 0)
        return neg ? -0.0 : 0.0;
    m += half && (sticky || (m & 1));
    double v = ldexp((double)m, (int)drop - shift);
    return neg ? -v : v;
}

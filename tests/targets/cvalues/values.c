/* values.c - C functions of cvalues: static, inlined, variadic, recursive, with locals everywhere.
 */
#include "values.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static int counter = 3;
const struct shape unit = {.kind = SQUARE, .name = "unit"};
__thread long per_thread = 11;
static volatile unsigned char table[4][5];
long double wide = 1.5L;

static inline double square(double x)
{
    double y = x * x;
    return y + counter;
}

static int add_all(int n, ...)
{
    va_list ap;
    int total = 0;
    va_start(ap, n);
    for (int i = 0; i < n; i++)
        total += va_arg(ap, int);
    va_end(ap);
    return total;
}

double area(const struct shape *s, int factor)
{
    struct shape local = *s;
    local.value.f = square(factor);
    if (local.kind == CIRCLE) {
        double inner = square(local.value.f + (double)factor);
        local.value.f += inner;
    }
    per_thread += local.bits.a;
    table[1][2] = (unsigned char)factor;
    return local.value.f + add_all(3, 1, factor, table[1][2]);
}

__attribute__((noinline)) int deep(int n)
{
    volatile char pad[64];
    memset((char *)pad, n, sizeof(pad));
    if (n <= 0)
        return goCallback(pad[3]);
    return deep(n - 1) + pad[5];
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

int sorted(void)
{
    int list[] = {3, 1, counter};
    qsort(list, 3, sizeof(list[0]), by_value);
    return list[0];
}

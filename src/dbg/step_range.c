/* step_range.c - loops over functions: the body of such a loop is a function of its own.
 *
 * Go 1.23: cmd/compile/internal/rangefunc; the bodies in main.f are main.f-range1, main.f-range2
 * ..., those in closures of it main.f.func1-range1.  People see one function: stepping in it goes
 * from the loop's head to its body and back, not into the iterator that calls the body. */
#include <string.h>

#include "dbg/dbg_int.h"

/* Bytes of the name before the first "-range"; type arguments behind it do not count. */
static size_t family_n(const char *func)
{
    const char *at = strstr(func, "-range");
    return at && at[6] >= '0' && at[6] <= '9' ? (size_t)(at - func) : strlen(func);
}

bool step_is_range_body(const char *func)
{
    return func[family_n(func)] != 0;
}

const char *step_family(struct arena *a, const char *func)
{
    return arena_strndup(a, func, family_n(func));
}

bool step_is_family(const char *x, const char *y)
{
    size_t n = family_n(x);
    return n == family_n(y) && strncmp(x, y, n) == 0;
}

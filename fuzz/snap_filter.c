/* Filter expressions, compiled and used on a small snapshot; whatever compiles chooses the same
 * goroutines as its double negation, and the others are what its negation chooses. */
#include <stdlib.h>
#include <string.h>

#include "snap/sample.h"
#include "snap/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct snap_rows chosen(const struct snap *s, struct snap_filter *f)
{
    struct snap_selection sel = {(const struct snap_filter *const *)&f, 1, true};
    struct snap_rows rows;
    if (snap_select(s, &sel, &rows))
        abort();
    return rows;
}

/* The goroutines that fit "!(expr)". */
static void negated(const struct snap *s, const char *expr, const struct snap_rows *fit)
{
    struct snap_filter *f;
    size_t n = strlen(expr);
    char *not = malloc(n + 5);
    memcpy(not, "!( ", 3);
    memcpy(not +3, expr, n);
    memcpy(not +3 + n, ")", 2);
    struct err *e = snap_filter_compile(not, &f);
    if (!e) {
        struct snap_rows others = chosen(s, f);
        if (others.n + fit->n != s->goroutine.n)
            abort();
        snap_rows_free(&others);
        snap_filter_free(f);
    }
    err_free(e); /* a value ends where the parenthesis comes, and limits are nearer */
    free(not );
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct snap *s;
    struct snap_filter *f;
    char *expr = malloc(size + 1);
    if (!s)
        s = sample_orders();
    if (size)
        memcpy(expr, data, size);
    expr[size] = '\0';
    struct err *e = snap_filter_compile(expr, &f);
    if (!e) {
        struct snap_rows rows = chosen(s, f);
        negated(s, expr, &rows);
        snap_rows_free(&rows);
        snap_filter_free(f);
    } else if (err_code(e) != ERR_USAGE || !*err_message(e)) {
        abort();
    }
    err_free(e);
    free(expr);
    return 0;
}

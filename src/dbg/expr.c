/* expr.c - to be filled in. */
#include "dbg/expr.h"

struct err *expr_compile(struct rt_stand *st, const struct expr_place *at, const char *text,
                         struct expr **ret)
{
    *ret = NULL;
    return err_new(ERR_UNSUPPORTED, "expressions are not there yet");
}

void expr_free(struct expr *x)
{
}

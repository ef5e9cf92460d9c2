/* expr_const.c - constants without a type; see expr_const.h. */
#include "dbg/expr_const.h"

enum dbg_kind dbg_const_kind(const struct dbg_const *c)
{
    static const uint8_t kinds[] = {
        [CONST_BOOL] = DBG_KIND_BOOL,   [CONST_STRING] = DBG_KIND_STRING,
        [CONST_INT] = DBG_KIND_INT,     [CONST_RUNE] = DBG_KIND_INT,
        [CONST_FLOAT] = DBG_KIND_FLOAT, [CONST_COMPLEX] = DBG_KIND_COMPLEX};
    return (enum dbg_kind)kinds[c->kind];
}

void dbg_const_text(const struct dbg_const *c, struct buf *b)
{
    buf_str(b, c->text ? c->text : "");
}

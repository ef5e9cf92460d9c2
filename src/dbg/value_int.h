/* value_int.h - what the files of dbg/value.h and dbg/expr.h share of values. */
#ifndef GOSPECT_DBG_VALUE_INT_H
#define GOSPECT_DBG_VALUE_INT_H

#include "dbg/expr_const.h"
#include "dbg/value.h"

/* Its type past names; NULL: none. */
const struct dwarf_type *dbg_type(struct rt_stand *st, const struct dbg_value *v);

/* The value of a bit field of v, and where it is, in ret. */
void dbg_bit_field(struct values *vs, const struct value *of, const struct dwarf_member *m,
                   struct arena *a, struct dbg_value *ret);

#endif

/* place_int.h - what the files that find places share. */
#ifndef GOSPECT_DBG_PLACE_INT_H
#define GOSPECT_DBG_PLACE_INT_H

#include "base/vec.h"
#include "dbg/place.h"

struct place_search {
    struct code *c;
    const struct place_from *from;
    struct arena *a;
    VEC(struct place) found;
    const char *note;
};

/* Adds a place; the line is that of pc. */
void place_add(struct place_search *s, const struct code_func *f, taddr pc);
/* place_line.c */
struct err *place_of_line(struct place_search *s, const char *path, unsigned line) MUST_USE;
/* Line `offset` below the one that functions of a name begin in. */
struct err *place_in_func(struct place_search *s, const char *name, unsigned offset) MUST_USE;
/* place_func.c */
struct err *place_of_func(struct place_search *s, const char *name) MUST_USE;
struct err *place_of_pattern(struct place_search *s, const char *pattern) MUST_USE;
/* The one function meant by a name; USAGE: several. */
struct err *place_one_func(struct place_search *s, const char *name, const char **ret) MUST_USE;

#endif

/* vec.h - growable arrays of any type.
 *
 *     VEC(struct line) lines = {0};
 *     vec_push(&lines, l);
 *     for (size_t i = 0; i < lines.n; i++) use(&lines.v[i]);
 *     vec_free(&lines);
 *
 * The element type is visible at the declaration and the elements are plain memory.  A growing
 * vector moves: keep indexes, not pointers. */
#ifndef GOSPECT_BASE_VEC_H
#define GOSPECT_BASE_VEC_H

#include <stdlib.h>

#include "base/mem.h"

#define VEC(T)                                                                                     \
    struct {                                                                                       \
        T *v;                                                                                      \
        size_t n, cap;                                                                             \
    }

/* The capacity that holds at least `need`, grown geometrically. */
size_t vec_grown_cap(size_t cap, size_t need);

#define vec_reserve(vec, need)                                                                     \
    do {                                                                                           \
        size_t vec_need_ = (need);                                                                 \
        if (vec_need_ > (vec)->cap) {                                                              \
            (vec)->cap = vec_grown_cap((vec)->cap, vec_need_);                                     \
            (vec)->v = mem_realloc((vec)->v, (vec)->cap * sizeof(*(vec)->v));                      \
        }                                                                                          \
    } while (0)

#define vec_push(vec, value)                                                                       \
    do {                                                                                           \
        vec_reserve((vec), (vec)->n + 1);                                                          \
        (vec)->v[(vec)->n++] = (value);                                                            \
    } while (0)

#define vec_last(vec) (&(vec)->v[(vec)->n - 1])

#define vec_free(vec)                                                                              \
    do {                                                                                           \
        free((vec)->v);                                                                            \
        (vec)->v = NULL;                                                                           \
        (vec)->n = (vec)->cap = 0;                                                                 \
    } while (0)

#endif

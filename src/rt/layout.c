/* layout.c - layouts from the generated tables; see layout.h. */
#include "rt/layout.h"

#include <stdio.h>
#include <stdlib.h>

static const struct rt_layout tables[] = {
#define RELEASE(r)                                                                                 \
    {                                                                                              \
        .source = "tables", .release = r,
#define SIZE(s, n) .size[RT_STRUCT_##s] = n,
#define AT(s, f, o, w) .off[RT_##s##_##f] = o, .width[RT_##s##_##f] = w,
#define IS(c, v) .constant[RT_IS_##c] = v,
#define ARE(name, count, ...) .name = {.n = count, .v = {__VA_ARGS__}},
#define END_RELEASE                                                                                \
    }                                                                                              \
    ,
#include "rt/gen/layouts.inc"
#undef RELEASE
#undef SIZE
#undef AT
#undef IS
#undef ARE
#undef END_RELEASE
};

const char *rt_layout_release(size_t i)
{
    return i < ARRAY_LEN(tables) ? tables[i].release : NULL;
}

bool rt_release_of(const char *go_version, int *ret_minor, int *ret_patch)
{
    const char *number = strstr(go_version, "go1.");
    *ret_patch = 0;
    return number && sscanf(number, "go1.%d.%d", ret_minor, ret_patch) >= 1;
}

static void row_release(size_t i, int *minor, int *patch)
{
    sscanf(tables[i].release, "1.%d.%d", minor, patch);
}

/* The row that serves a release: the last one of its minor release that is not newer. */
static size_t row_for(int minor, int patch)
{
    size_t found = ARRAY_LEN(tables);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        int m, p;
        row_release(i, &m, &p);
        if (m == minor && (p <= patch || found == ARRAY_LEN(tables)))
            found = i;
    }
    return found;
}

struct err *rt_layout_tables(const char *go_version, const struct rt_layout *ret[], size_t max,
                             size_t *ret_n, bool *ret_guessed)
{
    size_t newest = ARRAY_LEN(tables) - 1, first = newest, n = 0;
    int minor, patch, m, p;
    *ret_guessed = true;
    if (rt_release_of(go_version, &minor, &patch)) {
        row_release(0, &m, &p);
        if (minor < m)
            return err_new(ERR_UNSUPPORTED, "built by %s; gospect knows Go 1.%d and later",
                           go_version, m);
        size_t row = row_for(minor, patch);
        if (row < ARRAY_LEN(tables)) {
            first = row;
            *ret_guessed = false;
        }
    }
    if (max)
        ret[n++] = &tables[first];
    row_release(first, &minor, &patch);
    for (size_t i = ARRAY_LEN(tables); i-- > 0 && n < max;) {
        row_release(i, &m, &p);
        if (i != first && m == minor)
            ret[n++] = &tables[i];
    }
    *ret_n = n;
    return NULL;
}

/* vec.c - growth of vectors; see vec.h. */
#include "base/vec.h"

size_t vec_grown_cap(size_t cap, size_t need)
{
    size_t grown = cap < 8 ? 8 : cap + cap / 2;
    return grown > need ? grown : need;
}

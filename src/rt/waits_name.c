/* waits_name.c - names of what goroutines wait for. */
#include <stdlib.h>

#include "rt/waits_int.h"

void waits_name(struct waits *w)
{
    (void)w;
}

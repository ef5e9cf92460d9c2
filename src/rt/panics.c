/* panics.c - panics in flight. */
#include "rt/waits_int.h"

void capture_panics(struct capture *c)
{
    (void)c;
}

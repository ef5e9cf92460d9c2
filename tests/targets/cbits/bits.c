/* bits.c - sets bit fields, says what is in them, and calls back. */
#include "bits.h"

#include <stdio.h>

struct flags flags;

static void say(const char *when)
{
    printf("%s ready=%u delta=%d wide=%llu a=%u b=%u color=%u on=%d all=%llu after=%d inner=%d\n",
           when, flags.ready, flags.delta, (unsigned long long)flags.wide, flags.a, flags.b,
           flags.color, flags.on, (unsigned long long)flags.all, flags.after, flags.in.inner);
    fflush(stdout);
}

void run(void)
{
    flags.ready = 1;
    flags.delta = -7;
    flags.wide = 0xabcdef0123ULL;
    flags.a = 5;
    flags.b = 6;
    flags.color = BLUE;
    flags.on = 1;
    flags.all = 0xfedcba9876543210ULL;
    flags.after = 99;
    flags.in.inner = -200;
    say("before");
    goStop(&flags, 1);
    say("after");
}

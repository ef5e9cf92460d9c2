/* cycles.c - the processor's own clock, on the machine we run on.
 *
 * Go: runtime/asm_amd64.s cputicks (RDTSC); block and mutex profiles count in it. */
#include <time.h>

#include "arch/arch.h"
#include "base/clock.h"

#if defined(__x86_64__)
#include <x86intrin.h>

int64_t arch_cycles(void)
{
    _mm_lfence();
    return (int64_t)__rdtsc();
}
#elif defined(__aarch64__)
int64_t arch_cycles(void)
{
    uint64_t v;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(v));
    return (int64_t)v;
}
#else
int64_t arch_cycles(void)
{
    return 0;
}
#endif

int64_t arch_cycles_per_second(void)
{
    enum { LONG_ENOUGH = 10 }; /* ms: the clock is read in some 100 ns, an error of 1 in 100,000 */
    struct timespec pause = {.tv_nsec = LONG_ENOUGH * NSEC_PER_MSEC};
    int64_t began_ns = clock_mono_ns(), began = arch_cycles();
    nanosleep(&pause, NULL);
    int64_t ns = clock_mono_ns() - began_ns, cycles = arch_cycles() - began;
    return ns > 0 ? (int64_t)((double)cycles * 1e9 / (double)ns) : 0;
}

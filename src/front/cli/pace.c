/* pace.c - when to look next; see pace.h. */
#include "front/cli/pace.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "front/cli/cli_int.h"

void cli_pace_begin(struct cli_pace *p, int64_t interval_ns, int64_t for_ns)
{
    *p = (struct cli_pace){.interval_ns = interval_ns, .next_ns = clock_mono_ns()};
    if (for_ns)
        p->until_ns = p->next_ns + for_ns;
}

bool cli_pace_over(const struct cli_pace *p)
{
    return cli_signal() || (p->looked && p->until_ns && clock_mono_ns() >= p->until_ns);
}

static void sleep_until(int64_t mono_ns)
{
    struct timespec ts = {mono_ns / NSEC_PER_SEC, mono_ns % NSEC_PER_SEC};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR && !cli_signal())
        ;
}

void cli_pace_wait(struct cli_pace *p)
{
    int64_t now = clock_mono_ns();
    p->looked = true;
    p->next_ns += p->interval_ns;
    if (p->next_ns < now)
        p->next_ns = now;
    if (p->until_ns && p->next_ns > p->until_ns)
        p->next_ns = p->until_ns;
    if (!cli_pace_over(p))
        sleep_until(p->next_ns);
}

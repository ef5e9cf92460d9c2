/* storm.c - when is it a storm of goroutines; see storm.h. */
#include "front/cli/storm.h"

#include "base/clock.h"

static const int64_t WINDOW_NS = NSEC_PER_SEC, CALM_NS = 2 * NSEC_PER_SEC;
static const double CALM_PART = 0.8;
/* One jump is not growth (a pool that starts): most steps of the window must rise. */
static const double RISING_PART = 0.6;
/* A look may come a second late (a full machine) or be wanted that seldom: of one step alone, a
 * jump cannot be told from growth. */
static const size_t STEPS_MIN = 2;

static const struct cli_storm_sample *sample(const struct cli_storm *s, size_t back)
{
    return &s->ring[(s->n - 1 - back) % STORM_SAMPLES];
}

/* Growth a second over the window, and the part of its steps that rise; 0 while it is not yet
 * filled. */
static double measure(const struct cli_storm *s, double *ret_rising)
{
    size_t kept = s->n < STORM_SAMPLES ? s->n : STORM_SAMPLES, back = 0, up = 0;
    const struct cli_storm_sample *last = sample(s, 0), *first = last;
    while (back + 1 < kept && (last->mono_ns - first->mono_ns < WINDOW_NS || back < STEPS_MIN)) {
        const struct cli_storm_sample *older = sample(s, ++back);
        up += first->goroutines > older->goroutines;
        first = older;
    }
    int64_t span = last->mono_ns - first->mono_ns;
    *ret_rising = back ? (double)up / (double)back : 0;
    if (span < WINDOW_NS * 9 / 10 || back < STEPS_MIN)
        return 0;
    return ((double)last->goroutines - first->goroutines) * 1e9 / (double)span;
}

static bool calm(const struct cli_storm *s, uint32_t goroutines)
{
    return (!s->threshold || goroutines < CALM_PART * s->threshold) &&
           (s->growth_limit <= 0 || s->growth < CALM_PART * s->growth_limit);
}

static enum cli_storm_event during(struct cli_storm *s, int64_t mono_ns, uint32_t goroutines)
{
    s->peak = goroutines > s->peak ? goroutines : s->peak;
    if (!calm(s, goroutines)) {
        s->calm_since_ns = 0;
        return STORM_NOTHING;
    }
    if (!s->calm_since_ns)
        s->calm_since_ns = mono_ns;
    if (mono_ns - s->calm_since_ns < CALM_NS)
        return STORM_NOTHING;
    s->on = false;
    return STORM_OVER;
}

enum cli_storm_event cli_storm_feed(struct cli_storm *s, int64_t mono_ns, uint32_t goroutines)
{
    double rising;
    s->ring[s->n++ % STORM_SAMPLES] = (struct cli_storm_sample){mono_ns, goroutines};
    s->growth = measure(s, &rising);
    if (s->on)
        return during(s, mono_ns, goroutines);
    bool many = s->threshold && goroutines >= s->threshold;
    bool fast = s->growth_limit > 0 && s->growth >= s->growth_limit && rising >= RISING_PART;
    if (!many && !fast)
        return STORM_NOTHING;
    s->on = true;
    s->began_ns = mono_ns;
    s->calm_since_ns = 0;
    s->peak = goroutines;
    return STORM_BEGINS;
}

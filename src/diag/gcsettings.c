/* gcsettings.c - settings of the garbage collector that hurt: switched off, slowed down for
 * debugging, or a program built so that it cannot be right.
 *
 * Go: runtime/mgcpacer.go setGCPercent; runtime/runtime1.go debug (1.18-1.27): what GODEBUG was
 * understood to say; cmd/compile -wb: without write barriers a collection that runs at the same
 * time as the program misses objects and frees them. */
#include <string.h>

#include "diag/diag_int.h"

/* A heap that grows without collector; a smaller one hurts nobody. */
static const int64_t OFF_NOTE = 16 << 20, OFF_WARNING = 100 << 20;

static void collector_is_off(struct diag_run *r)
{
    int64_t percent, limit, alloc = 0, forced = 0;
    if (!snap_counter(r->s, "gc.percent", &percent) || percent >= 0)
        return;
    if (snap_counter(r->s, "gc.memory_limit_bytes", &limit) && limit < INT64_MAX)
        return; /* GOGC=off with a limit is a way to run it: the limit decides */
    snap_counter(r->s, "memstats.heap_alloc_bytes", &alloc);
    snap_counter(r->s, "memstats.num_forced_gc", &forced);
    if (alloc < OFF_NOTE)
        return;
    struct diag_finding *f =
        diag_add(r, "gcsettings", alloc >= OFF_WARNING ? DIAG_WARNING : DIAG_NOTE);
    f->title =
        diag_text(r->found, "the garbage collector is off: %s on the heap, and nothing limits it",
                  diag_bytes(r, (uint64_t)alloc));
    diag_evidence(r->found, f, "GOGC is off and GOMEMLIMIT is not set");
    if (forced > 0)
        diag_evidence(r->found, f, "collections that were asked for (runtime.GC): %s",
                      diag_number(r, (uint64_t)forced));
    f->why = "memory is freed only when the program calls runtime.GC";
    f->mend = "set GOMEMLIMIT beside GOGC=off, or a GOGC";
    f->sure = DIAG_PROVED;
    f->sure_why = "the settings in effect, as the runtime has them";
    f->next = "gospect info {target}";
    f->weight = (double)alloc;
    diag_value_int(r->found, f, "heap_bytes", DIAG_BYTES, alloc);
}

/* What a GODEBUG setting does that nobody wants outside of a test. */
static const struct debug_setting {
    const char *counter, *what, *why;
    enum diag_severity severity;
} debug_settings[] = {
    {"godebug.sbrk", "memory is never freed", "there is no garbage collector: memory only grows",
     DIAG_PROBLEM},
    {"godebug.gcstoptheworld", "every collection stops everything while it marks",
     "no request is served while the heap is marked", DIAG_WARNING},
    {"godebug.efence", "every object has a page of its own, and no address is used again",
     "memory and time multiply", DIAG_WARNING},
    {"godebug.gccheckmark", "every heap is marked twice, the second time with everything stopped",
     "collections take a multiple of their time, with everything stopped", DIAG_WARNING},
    {"godebug.clobberfree", "freed objects are overwritten", "sweeping takes longer", DIAG_NOTE},
    {"godebug.gcshrinkstackoff", "stacks never shrink", "a deep call keeps its stack for ever",
     DIAG_NOTE},
};

static void debugging(struct diag_run *r)
{
    for (size_t i = 0; i < ARRAY_LEN(debug_settings); i++) {
        const struct debug_setting *d = &debug_settings[i];
        const char *name = d->counter + strlen("godebug.");
        int64_t v;
        if (!snap_counter(r->s, d->counter, &v) || v <= 0)
            continue;
        struct diag_finding *f = diag_add(r, "gcsettings", d->severity);
        f->title = diag_text(r->found, "GODEBUG %s=%lld: %s", name, (long long)v, d->what);
        diag_evidence(r->found, f, "the runtime has %s=%lld in effect", name, (long long)v);
        f->why = d->why;
        f->mend = "take it out of GODEBUG (environment, or a //go:debug line)";
        f->sure = DIAG_PROVED;
        f->sure_why = "the setting in effect, as the runtime has it";
        f->next = "gospect info {target}";
        diag_value_text(r->found, f, "setting", name);
    }
}

/* -gcflags=all=-wb=false, with any words around it. */
static bool without_barriers(const char *flags)
{
    static const char *const words[] = {"-wb=0", "-wb=false", "-wb=f",
                                        "-wb=F", "-wb=False", "-wb=FALSE"};
    for (const char *p = flags; (p = strstr(p, "-wb=")); p++) {
        size_t n = strcspn(p, " '\",");
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
            if (strlen(words[i]) == n && strncmp(p, words[i], n) == 0)
                return true;
    }
    return false;
}

static void no_write_barriers(struct diag_run *r)
{
    for (uint32_t i = 0; i < r->s->setting.n; i++) {
        const char *flags = snap_str(r->s, r->s->setting.value[i]);
        if (strcmp(snap_str(r->s, r->s->setting.key[i]), "-gcflags") != 0 ||
            !without_barriers(flags))
            continue;
        struct diag_finding *f = diag_add(r, "gcsettings", DIAG_PROBLEM);
        f->title = "built without write barriers: the garbage collector frees what is still in use";
        diag_evidence(r->found, f, "build setting -gcflags %s", flags);
        f->why = "pointers that are stored while it marks are not seen: memory is damaged, crashes "
                 "follow anywhere";
        f->mend = "build without -wb=0";
        f->sure = DIAG_PROVED;
        f->sure_why = "the program says how it was built";
        f->next = "gospect info {target}";
        f->weight = 1e9;
        diag_value_text(r->found, f, "gcflags", flags);
    }
}

void diag_gcsettings(struct diag_run *r)
{
    no_write_barriers(r);
    collector_is_off(r);
    debugging(r);
}

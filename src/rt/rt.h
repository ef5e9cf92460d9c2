/* rt.h - the Go runtime inside a target, as data.
 *
 * rt_open() finds the runtime of a process (live, frozen or core) without stopping it: its module
 * data, function table, release, structure layouts and global variables.  rt_capture() reads a
 * consistent picture into a snapshot.  This is the only room that knows what memory of a Go process
 * means.
 *
 * Owner: rt_close().  Thread: the one that opened it. */
#ifndef GOSPECT_RT_RT_H
#define GOSPECT_RT_RT_H

#include "base/progress.h"
#include "snap/snap.h"
#include "target/target.h"

struct rt;

struct err *rt_open(struct target *t, struct rt **ret) MUST_USE; /* t must outlive the rt */
void rt_close(struct rt *rt);

const char *rt_go_version(const struct rt *rt);

/* Plugins that have been loaded since rt_open(), or since the last look, are known afterwards.  Not
 * while another thread reads with this rt. */
void rt_look_for_plugins(struct rt *rt);
/* Where the code of the i-th plugin is; false: there are not so many. */
bool rt_plugin_at(const struct rt *rt, size_t i, taddr *ret_code);
/* Those whose functions are not known, and why. */
size_t rt_lost_plugins(const struct rt *rt, const char **ret_why);
/* Its file, opened when that is first asked for (no reference), and where it is loaded.  NOT_FOUND:
 * it is not there any more; why is told. */
struct err *rt_plugin_image(const struct rt *rt, size_t i, struct image **ret,
                            taddr *ret_slide) MUST_USE;

enum rt_consistency {
    RT_PROCESS,   /* one instant for the whole process (a freeze) */
    RT_GOROUTINE, /* nothing is stopped but running threads, one at a time: each goroutine is right
                     in itself, validated by reading it again */
};

enum rt_locals { /* arguments and local variables, where the binary has DWARF */
                 RT_LOCALS_NONE,
                 RT_LOCALS_STACKS, /* of one goroutine of each stack, and of those that run */
                 RT_LOCALS_ALL,
};

enum rt_owners { /* what goroutines will do to locks, channels and the like (tables owner, ahead) */
                 RT_OWNERS_NONE,
                 RT_OWNERS_WAITED, /* to those that somebody waits for */
                 RT_OWNERS_ACTIVE, /* and of goroutines that run, could, or sleep: to all */
                 RT_OWNERS_ALL,
};

struct rt_capture_options {
    enum rt_consistency consistency;
    bool stop_only; /* RT_PROCESS without a fork */
    /* Not NULL: what is read in place of the target of the rt, whose copy it is.  It stays the
     * caller's, who has frozen it. */
    struct target *frozen;
    const char *why_held; /* the target stands, and cannot be copied: why; NULL: it is not said */
    unsigned max_depth;   /* innermost frames to keep of each stack; 0: all */
    bool goroutines_only; /* with their stacks, labels and threads; not what they wait for, nor the
                             scheduler's and the allocator's side; alone or with locals */
    enum rt_locals locals;
    uint32_t locals_limit; /* of so many goroutines at most, one of each stack first; 0: no limit */
    bool names;            /* of what goroutines wait for: object.name */
    bool heap; /* all heap objects and the pointers between them; not with RT_GOROUTINE from a
                 process that runs */
    bool heap_memory;           /* with heap: what is in them, too */
    uint64_t heap_memory_below; /* the same, where the heap has at most so many bytes */
    taddr heap_object;          /* with heap: what is in the object there, too; 0: none */
    enum rt_owners owners;      /* not with RT_GOROUTINE from a process that runs */
    bool copies;                /* with owners: locks that were copied, when nobody releases one */
    const uint64_t *prints;     /* goids, ascending: goroutine.print is wanted of them */
    size_t nprints;
    bool prints_likely; /* instead of that: of those that could be in a livelock, as far as one look
                           tells */
    struct progress *progress; /* NULL: none */
    struct rt_rest **rest; /* not NULL: what the objects of the heap are is left to rt_rest_finish()
                              (NULL is put there when nothing is left) */
};

/* Reads everything issue "Foundation" asks for into a new snapshot.  The target of the rt may be
 * live or a core.  What could not be read is in its `missing` table. */
struct err *rt_capture(struct rt *rt, const struct rt_capture_options *o,
                       struct snap **ret) MUST_USE;

/* Reads what rt_capture() will need of the program's files, for whoever stops a process before it
 * calls that.  What cannot be read is told by the capture. */
void rt_capture_prepare(struct rt *rt, const struct rt_capture_options *o);

/* The part of a capture that needs the target no more: what the objects of the heap are
 * (slot.shape, and the tables shape, type and field, which are empty until then).  It takes about
 * as long as to search the graph, and both read the pointers only, so they may be done at the same
 * time.  Owner: the caller, with rt_rest_free(), before the snapshot and the rt go. */
struct rt_rest;
/* Once.  width: threads, the calling one included.  Nobody else may write to the snapshot, or read
 * what is written here, meanwhile. */
struct err *rt_rest_finish(struct rt_rest *r, unsigned width) MUST_USE;
void rt_rest_free(struct rt_rest *r);

/* Identity, build information and runtime counters (schedtrace, MemStats, GC) alone, read live
 * without stopping anything: what `info` shows. */
struct err *rt_capture_info(struct rt *rt, struct snap **ret) MUST_USE;

/* The same, and the profiles that the runtime keeps (memory, block, mutex), read live without
 * stopping anything: the table bucket and the counters prof.*. */
struct err *rt_capture_profiles(struct rt *rt, struct progress *progress,
                                struct snap **ret) MUST_USE;

/* A cheap look for `watch` and `ps`: a few reads, nothing stopped. */
struct rt_pulse {
    int64_t mono_ns, wall_ns;
    uint32_t goroutines;     /* as runtime.NumGoroutine counts: without system goroutines */
    uint32_t goroutines_all; /* not dead, system ones included */
    uint32_t by_status[SNAP_G_COUNT]; /* only with rt_pulse_options.statuses */
    uint32_t threads, idle_threads, spinning_threads;
    uint32_t gomaxprocs, idle_procs;
    uint32_t runq_global, runq_local, runq_local_max;
    uint64_t heap_live_bytes, heap_goal_bytes, heap_alloc_bytes, sys_bytes;
    uint64_t heap_trigger_bytes; /* the next cycle begins there; UINT64_MAX: none by itself */
    uint64_t heap_inuse_bytes;   /* spans with objects; what heap_alloc does not fill is free */
    uint64_t total_alloc_bytes;  /* ever; the caches of the Ps not counted */
    int64_t last_pause_ns;       /* -1: there was none */
    int64_t cpu_gc_ns, cpu_ns;   /* processor time until the last cycle ended; -1: before Go 1.20 */
    uint32_t gc_cycles;
    bool gc_running;
};
struct rt_pulse_options {
    bool statuses; /* reads every g: 100,000 take some 50 ms */
};
struct err *rt_pulse(struct rt *rt, const struct rt_pulse_options *o,
                     struct rt_pulse *ret) MUST_USE;

#endif

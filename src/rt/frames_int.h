/* frames_int.h - what the files of rt/frames.h share.
 *
 * frames.c opens, lists goroutines and threads; frames_walk.c walks stacks; frames_vars.c finds
 * variables; frames_names.c lists what the program consists of. */
#ifndef GOSPECT_RT_FRAMES_INT_H
#define GOSPECT_RT_FRAMES_INT_H

#include "rt/frames.h"
#include "rt/locals_int.h"

struct rt_stand {
    struct rt *rt;
    struct target *t;
    struct unwinder *u;
    struct values *values; /* NULL: not opened yet, or there is no DWARF */
    struct local_scopes *scopes;
    const char *no_values;                 /* why values is NULL after it was tried */
    const struct value_printers *printers; /* for values, when they are opened */
    struct arena kept;                     /* as long as the rt_stand */
    struct arena arena;                    /* until rt_stand_moved() */
    uint64_t moves;                        /* how often that was */
    const char *reasons[256];

    struct map where_at; /* pc << 1 | exact -> index in wheres; Go code only */
    VEC(struct where {
        const struct rt_frame *v; /* of kept */
        size_t n;
    })
    wheres;

    bool have_gs, have_ms, have_threads, have_finalizer, finalizer_runs;
    struct rt_goroutine *gs; /* owned */
    size_t ngs;
    struct map g_by_id;
    struct mrec *ms; /* owned */
    size_t nms;
    struct map m_by_addr;
    struct target_thread *threads; /* of arena */
    size_t nthreads;
    struct target_mapping *maps; /* of arena; NULL: not read */
    size_t nmaps;
};

struct err *stand_ms(struct rt_stand *st) MUST_USE;
struct err *stand_threads(struct rt_stand *st) MUST_USE;
const struct target_thread *stand_thread(struct rt_stand *st, pid_t tid); /* NULL: none */
const struct mrec *stand_m_of_thread(struct rt_stand *st, const struct target_thread *t);
const struct target_thread *stand_thread_of_m(struct rt_stand *st, const struct mrec *m);
struct err *stand_read_g(struct rt_stand *st, taddr g, struct rt_g *ret,
                         struct rt_g_more *more) MUST_USE; /* as rt_parse_g() */
/* The M whose thread's registers a goroutine's frames begin at; NULL: it does not run. */
const struct mrec *stand_runs(struct rt_stand *st, const struct rt_g *g);
/* Opens the values; what prevents it is in no_values. */
bool stand_values(struct rt_stand *st);

#endif

/* diag_int.h - what the diagnoses share: clusters of goroutines, and the writing of findings. */
#ifndef GOSPECT_DIAG_DIAG_INT_H
#define GOSPECT_DIAG_DIAG_INT_H

#include "diag/diag.h"
#include "snap/names.h"

/* What a goroutine does, as far as a diagnosis cares. */
enum diag_doing {
    DIAG_RUNS,    /* running, runnable, or about to be */
    DIAG_SYSCALL, /* in a system call or C code */
    DIAG_IO,      /* waits for the network poller: somebody outside can wake it */
    DIAG_SLEEPS,  /* waits for time to pass */
    DIAG_SEND,    /* chan send */
    DIAG_RECEIVE, /* chan receive */
    DIAG_SELECT,  /* select */
    DIAG_FOREVER, /* nil channel or empty select: nothing can wake it */
    DIAG_LOCK,    /* Mutex, RWMutex, Once, anything else that is held */
    DIAG_GROUP,   /* WaitGroup */
    DIAG_COND,    /* Cond */
    DIAG_RUNTIME, /* something of the runtime: garbage collection, finalizers, ... */
    DIAG_NDOING,
};

/* Goroutines that wait at one place: the same frames from the innermost to the place, the same
 * reason, the same creator.  What is further out may differ (recursion, middleware). */
struct diag_cluster {
    enum diag_doing doing;
    uint32_t example; /* row of goroutine: one of them, the one that waits longest */
    uint32_t place;   /* row of frame: the innermost one that is neither runtime nor sync nor, where
                         there is another, standard library; SNAP_NONE: unknown */
    uint32_t count;
    uint32_t before;     /* how many there were in the earlier snapshot */
    uint32_t stayed;     /* goroutines that waited here in both */
    uint32_t known_ages; /* how many of them have a known wait time */
    int64_t oldest_ns;   /* -1: not known */
    uint64_t goid_min, goid_max;
    uint32_t late; /* how many were created in the last quarter of all goroutines ever made */
    uint64_t signature;
};

struct diag_run {
    const struct diag_input *in;
    const struct snap *s; /* in->now */
    struct diag_findings *found;
    double elapsed_s; /* between the looks; 0: one look */
    uint64_t goid_max;
    struct snap_codes codes; /* of now */
    struct snap_tops tops;

    struct diag_cluster *clusters; /* largest first */
    size_t nclusters;
    uint32_t *cluster_of; /* goroutine row -> cluster; SNAP_NONE: in none (system, or it runs) */
    uint32_t doing[DIAG_NDOING]; /* user goroutines by what they do */
    uint32_t user, user_before;  /* goroutines that are not the runtime's own */
};

/* clusters.c */
void diag_find_clusters(struct diag_run *r);
enum diag_doing diag_doing_of(const struct snap *s, uint32_t g);
/* The sync primitive a goroutine waits in: "sync.RWMutex"; NULL: none that is named on its stack.
 */
const char *diag_primitive(const struct snap *s, uint32_t g);
/* The channel or semaphore word it waits for; 0: none, several, or not known. */
uint64_t diag_wait_addr(const struct snap *s, uint32_t g);
/* "12 for less than 1 min, 1,660 for a day or more"; "" when no age is known. */
const char *diag_ages(struct diag_run *r, const struct diag_cluster *c);

/* write.c */
/* A finding whose texts the caller fills in. */
struct diag_finding *diag_add(struct diag_run *r, const char *key, enum diag_severity severity);

/* Texts for people, in the arena of the findings. */
const char *diag_number(struct diag_run *r, uint64_t n);
const char *diag_age(struct diag_run *r, int64_t ns);
const char *diag_bytes(struct diag_run *r, uint64_t n);
const char *diag_per_time(struct diag_run *r, double per_second); /* "+14/min" */
const char *diag_func(struct diag_run *r, uint32_t frame);        /* orders.(*Hub).publish */
const char *diag_where(struct diag_run *r, uint32_t frame);       /* orders/notify.go:88 */
const char *diag_creator(struct diag_run *r, uint32_t g);         /* "orders/http.go:140"; "" */

/* What a cluster waits for and where, as the first line of evidence:
 * "chan send at orders/notify.go:88, in orders.(*Hub).publish.func1; created at orders/http.go:140"
 */
void diag_cluster_evidence(struct diag_run *r, struct diag_finding *f,
                           const struct diag_cluster *c);
/* closer.c: who closed a channel, or which code may have, and who will once more. */
void diag_closer_evidence(struct diag_run *r, struct diag_finding *f, uint64_t addr);
/* "--filter 'file=orders/notify.go:88'" */
const char *diag_cluster_filter(struct diag_run *r, const struct diag_cluster *c);
/* Growth of the cluster a second; 0 with one look. */
double diag_growth(const struct diag_run *r, const struct diag_cluster *c);

#define DIAG(key, title) void diag_##key(struct diag_run *r);
#include "diag/diagnoses.def"
#undef DIAG

#endif

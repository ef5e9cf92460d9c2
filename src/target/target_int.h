/* target_int.h - what the kinds of target share. */
#ifndef GOSPECT_TARGET_TARGET_INT_H
#define GOSPECT_TARGET_TARGET_INT_H

#include <pthread.h>

#include "target/target.h"

/* What a core needs of a target beside its memory. */
struct held {
    pid_t memory; /* whose /proc files tell of that: the process, or a copy of it */
    bool copy;
    const struct target_thread *threads; /* with all their registers, as far as known */
    size_t nthreads;
    int64_t at_mono_ns, pause_ns; /* the instant; how long it stood, of a copy */
    taddr ours, ours_end;         /* memory in it that is ours, not the program's; 0: none */
};

/* What a kind of target can do.  To add a kind, fill one of these in a file of its own. */
struct target_ops {
    enum target_kind kind;
    struct err *(*readv)(struct target *t, struct target_iov *iov, size_t n);
    struct err *(*mappings)(struct target *t, struct arena *a, struct target_mapping **ret,
                            size_t *ret_n);
    struct err *(*threads)(struct target *t, struct arena *a, struct target_thread **ret,
                           size_t *ret_n);
    struct err *(*process)(struct target *t, struct arena *a, struct target_process *ret);
    /* Opens the program's image and finds its slide; called once, the result is kept. */
    struct err *(*image)(struct target *t, struct image **ret, taddr *ret_slide);
    /* The files that are mapped, when it knows more of them than mappings() tells; may be NULL. */
    struct err *(*files)(struct target *t, struct arena *a, struct target_mapping **ret,
                         size_t *ret_n);
    /* A library of the process: pages that were left out may be taken from it; may be NULL. */
    void (*use_library)(struct target *t, struct image *img, taddr slide);
    /* Why n bytes at addr cannot be read; NULL, or the result is: nothing is known about it. */
    struct err *(*fault)(struct target *t, taddr addr, size_t n);
    /* NULL: what it holds is of no one instant, or no process. */
    struct err *(*held)(struct target *t, struct arena *a, struct held *ret);
    void (*close)(struct target *t);
};

struct target { /* the first member of every kind's own struct */
    const struct target_ops *ops;
    const struct arch *arch;
    pid_t pid;
    pthread_mutex_t lock; /* guards the image while it is opened */
    struct image *image;  /* one reference, or NULL while not opened */
    taddr slide;
};

void target_init(struct target *t, const struct target_ops *ops, const struct arch *arch,
                 pid_t pid);

/* memory.c: reading the memory of a process */
struct memory {
    pid_t pid;
    int fd;                  /* /proc/PID/mem: of this very program, even when the pid is reused */
    _Atomic bool vm_refused; /* process_vm_readv is not allowed: use fd */
};
struct err *memory_open(pid_t pid, struct memory *ret) MUST_USE;
void memory_close(struct memory *m);
/* Of a running or stopped process; and of a copy, whose pages must not be pinned. */
/* One small piece that can be read, and is not all zeros, in one call; false: ask memory_readv().
 */
bool memory_read_little(struct memory *m, struct target_iov *v) MUST_USE;
struct err *memory_readv(struct memory *m, struct target_iov *iov, size_t n) MUST_USE;
struct err *memory_readv_fd(struct memory *m, struct target_iov *iov, size_t n) MUST_USE;
/* ERR_GONE when the program the memory belonged to is not there any more. */
struct err *memory_alive(struct memory *m) MUST_USE;

/* live_target.c */
struct live;
struct inject;
struct live_target;
struct live_target *live_target_of(struct target *t); /* NULL: not a live one */

/* process.c */
struct err *process_facts(pid_t pid, struct arena *a, struct target_process *ret) MUST_USE;
/* Of a process that is gone, or another program, as far as a copy of it has them. */
struct err *process_facts_of_copy(pid_t copy, pid_t pid, uint64_t start_ticks, struct arena *a,
                                  struct target_process *ret) MUST_USE;
/* proc_image.c: the program of a running process; mem reads its memory */
struct err *process_image(struct target *t, pid_t pid, struct image **ret,
                          taddr *ret_slide) MUST_USE;

#endif

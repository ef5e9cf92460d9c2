/* target.c - what every kind of target does alike; see target.h. */
#include "target/target_int.h"

#include <stdlib.h>

void target_init(struct target *t, const struct target_ops *ops, const struct arch *arch, pid_t pid)
{
    *t = (struct target){.ops = ops, .arch = arch, .pid = pid};
    pthread_mutex_init(&t->lock, NULL);
}

void target_close(struct target *t)
{
    if (!t)
        return;
    t->ops->close(t);
    image_unref(t->image);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

enum target_kind target_kind(const struct target *t)
{
    return t->ops->kind;
}

pid_t target_pid(const struct target *t)
{
    return t->pid;
}

const struct arch *target_arch(const struct target *t)
{
    return t->arch;
}

struct err *target_readv(struct target *t, struct target_iov *iov, size_t n)
{
    return t->ops->readv(t, iov, n);
}

struct err *target_read(struct target *t, taddr addr, void *dst, size_t n)
{
    if (n > UINT32_MAX)
        return err_new(ERR_LIMIT, "a read of %zu bytes is too large", n);
    struct target_iov iov = {.addr = addr, .n = (uint32_t)n, .dst = dst};
    TRY(t->ops->readv(t, &iov, 1));
    if (iov.ok)
        return NULL;
    struct err *e = t->ops->fault ? t->ops->fault(t, addr, n) : NULL;
    return e ? e
             : err_new(ERR_FAULT, "no readable memory at 0x%" PRItaddr " (%zu bytes)",
                       (unsigned long long)addr, n);
}

struct err *target_read_u64(struct target *t, taddr addr, uint64_t *ret)
{
    return target_read(t, addr, ret, sizeof(*ret));
}

struct err *target_mappings(struct target *t, struct arena *a, struct target_mapping **ret,
                            size_t *ret_n)
{
    return t->ops->mappings(t, a, ret, ret_n);
}

struct err *target_threads(struct target *t, struct arena *a, struct target_thread **ret,
                           size_t *ret_n)
{
    return t->ops->threads(t, a, ret, ret_n);
}

struct err *target_process(struct target *t, struct arena *a, struct target_process *ret)
{
    return t->ops->process(t, a, ret);
}

struct err *target_image(struct target *t, struct image **ret, taddr *ret_slide)
{
    struct err *e = NULL;
    pthread_mutex_lock(&t->lock);
    if (!t->image)
        e = t->ops->image(t, &t->image, &t->slide);
    if (!e) {
        *ret = image_ref(t->image);
        *ret_slide = t->slide;
    }
    pthread_mutex_unlock(&t->lock);
    return e;
}

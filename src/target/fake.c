/* fake.c - a target made of memory the caller holds; for tests of the rooms above. */
#include <string.h>

#include "target/target_int.h"

struct fake {
    struct target t;
    struct target_fake f;
};

static const struct target_fake *of(struct target *t)
{
    return &((struct fake *)t)->f;
}

/* A piece may cross from one mapping into the next, as in a process. */
static bool read_piece(const struct target_fake *f, taddr addr, uint8_t *dst, size_t n)
{
    for (size_t i = 0; i < f->nmaps && n; i++) {
        const struct target_mapping *m = &f->maps[i];
        if (addr < m->start || addr >= m->end)
            continue;
        if (!f->bytes[i] || !m->readable)
            return false;
        size_t k = min_u64(n, m->end - addr);
        memcpy(dst, f->bytes[i] + (addr - m->start), k);
        addr += k;
        dst += k;
        n -= k;
    }
    return n == 0;
}

static struct err *readv(struct target *t, struct target_iov *iov, size_t n)
{
    const struct target_fake *f = of(t);
    for (size_t i = 0; i < n; i++) {
        iov[i].ok = read_piece(f, iov[i].addr, iov[i].dst, iov[i].n);
        if (f->meanwhile)
            f->meanwhile(f->ctx, iov[i].addr, iov[i].n);
    }
    return NULL;
}

static struct err *mappings(struct target *t, struct arena *a, struct target_mapping **ret,
                            size_t *ret_n)
{
    *ret_n = of(t)->nmaps;
    *ret = arena_array(a, struct target_mapping, *ret_n);
    if (*ret_n)
        memcpy(*ret, of(t)->maps, *ret_n * sizeof(**ret));
    return NULL;
}

static struct err *threads(struct target *t, struct arena *a, struct target_thread **ret,
                           size_t *ret_n)
{
    *ret_n = of(t)->nthreads;
    *ret = arena_array(a, struct target_thread, *ret_n);
    if (*ret_n)
        memcpy(*ret, of(t)->threads, *ret_n * sizeof(**ret));
    return NULL;
}

static struct err *process(struct target *t, struct arena *a, struct target_process *ret)
{
    *ret = (struct target_process){
        .user = "",
        .exe = "",
        .cmdline = "",
        .comm = "",
        .cgroup = "",
        .memory_limit = UINT64_MAX,
        .threads = (unsigned)of(t)->nthreads,
    };
    return NULL;
}

static struct err *image(struct target *t, struct image **ret, taddr *ret_slide)
{
    if (!of(t)->image)
        return err_new(ERR_NOT_FOUND, "the target has no image");
    *ret = image_ref(of(t)->image);
    *ret_slide = of(t)->slide;
    return NULL;
}

static void fake_close(struct target *t)
{
}

static const struct target_ops fake_ops = {
    .kind = TARGET_FAKE,
    .readv = readv,
    .mappings = mappings,
    .threads = threads,
    .process = process,
    .image = image,
    .close = fake_close,
};

struct target *target_open_fake(const struct target_fake *fake)
{
    struct fake *t = mem_alloc(sizeof(*t));
    target_init(&t->t, &fake_ops, fake->arch ? fake->arch : arch_host(), 0);
    t->f = *fake;
    return &t->t;
}

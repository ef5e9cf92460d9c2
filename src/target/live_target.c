/* live_target.c - a running process as a target: reading, and stopping single threads. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "target/live_target_int.h"
#include "target/proc_int.h"

static struct live_target *of(struct target *t)
{
    return (struct live_target *)t;
}

static struct err *readv(struct target *t, struct target_iov *iov, size_t n)
{
    return memory_readv(&of(t)->memory, iov, n);
}

static struct err *mappings(struct target *t, struct arena *a, struct target_mapping **ret,
                            size_t *ret_n)
{
    TRY(proc_mappings(t->pid, a, ret, ret_n));
    return memory_alive(&of(t)->memory);
}

static struct err *threads(struct target *t, struct arena *a, struct target_thread **ret,
                           size_t *ret_n)
{
    TRY(proc_threads(t->pid, a, ret, ret_n));
    return memory_alive(&of(t)->memory);
}

static struct err *process(struct target *t, struct arena *a, struct target_process *ret)
{
    return process_facts(t->pid, a, ret);
}

static struct err *image(struct target *t, struct image **ret, taddr *ret_slide)
{
    return process_image(t, t->pid, ret, ret_slide);
}

static void live_close(struct target *t)
{
    struct live_target *l = of(t);
    if (l->frozen)
        err_free(target_thaw(l->frozen, &(struct target_pause){0}));
    if (l->m && !l->m->lent)
        live_free(l->m);
    if (l->have_room)
        room_close(&l->room);
    vec_free(&l->left);
    inject_free(&l->in);
    memory_close(&l->memory);
}

static const struct target_ops live_ops = {
    .kind = TARGET_LIVE,
    .readv = readv,
    .mappings = mappings,
    .threads = threads,
    .process = process,
    .image = image,
    .close = live_close,
};

struct live_target *live_target_of(struct target *t)
{
    return t->ops == &live_ops ? of(t) : NULL;
}

struct err *target_open_pid(pid_t pid, struct target **ret)
{
    struct memory memory;
    struct proc_stat st;
    TRY(proc_ours());
    TRY(memory_open(pid, &memory));
    struct err *e = proc_stat(pid, 0, &st);
    if (e) {
        memory_close(&memory);
        return e;
    }
    struct live_target *l = mem_alloc(sizeof(*l));
    target_init(&l->t, &live_ops, arch_host(), pid);
    l->memory = memory;
    l->start_ticks = st.start_ticks;
    l->in.mem_fd = -1;
    *ret = &l->t;
    return NULL;
}

struct err *live_target_machine(struct live_target *l, struct live **ret)
{
    TRY(memory_alive(&l->memory));
    if (!l->m)
        TRY(live_new(l->t.pid, l->t.arch, &l->m));
    *ret = l->m;
    return NULL;
}

/* ---- one thread ---- */

struct sample {
    struct live *m;
    pid_t tid;
    struct err *(*fn)(void *arg, const struct arch_regs *regs);
    void *arg;
    struct target_pause *pause;
};

static struct err *sample_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct sample *s = arg;
    struct live_row row;
    TRY(live_stop_one(tok, s->m, s->tid, &row));
    struct err *e = s->fn(s->arg, &row.regs);
    live_release_one(tok, s->m, &row);
    *s->pause = (struct target_pause){
        .ns = s->m->last_resume_ns - s->m->first_stop_ns,
        .at_mono_ns = s->m->all_stopped_ns,
        .threads = 1,
    };
    return e;
}

struct err *target_sample_thread(struct target *live, pid_t tid,
                                 struct err *(*fn)(void *arg, const struct arch_regs *regs),
                                 void *arg, struct target_pause *ret)
{
    struct live_target *l = live_target_of(live);
    if (!l)
        return err_new(ERR_USAGE, "only threads of a running process can be stopped");
    if (l->frozen)
        return err_new(ERR_USAGE, "process %d is frozen already", live->pid);
    struct sample s = {.tid = tid, .fn = fn, .arg = arg, .pause = ret};
    *ret = (struct target_pause){0};
    TRY(live_target_machine(l, &s.m));
    return tracer_call(s.m->tracer, sample_on_tracer, &s);
}

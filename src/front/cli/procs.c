/* procs.c - the Go processes of this host; see procs.h. */
#include "front/cli/procs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/pool.h"
#include "front/cli/cli_int.h"

/* What a program file is: looked at once, kept for the other processes that run it. */
struct program {
    dev_t dev;
    ino_t ino;
    bool is_go;
    const char *go_version, *main_path, *main_module, *main_version;
    bool stripped, pie, race, cgo;
};

struct scan {
    bool counters;
    VEC(pid_t) pids;
    struct cli_proc *found; /* one for each pid; pid 0: not a Go process */
    struct cli_procs *ret;
    pthread_mutex_t lock; /* of what follows */
    struct arena arena;
    VEC(struct program *) programs;
    size_t denied;
    pid_t denied_pid;
};

static struct err *add_pid(void *arg, pid_t pid)
{
    struct scan *s = arg;
    vec_push(&s->pids, pid);
    return NULL;
}

static bool setting_is(const struct image_buildinfo *bi, const char *key, const char *value)
{
    for (size_t i = 0; i < bi->nsettings; i++)
        if (strcmp(bi->settings[i].key, key) == 0)
            return strcmp(bi->settings[i].value, value) == 0;
    return false;
}

/* A file with section headers but without Go's own section was not linked by Go. */
static bool may_be_go(const struct image *img)
{
    const struct image_section *sections;
    return image_find_section(img, ".go.buildinfo") || image_sections(img, &sections) == 0;
}

/* Whether it is we who lack something, and not the file. */
static bool is_our_own(const struct err *e)
{
    return err_code(e) == ERR_NOMEM || err_errno(e) == EMFILE || err_errno(e) == ENFILE ||
           err_errno(e) == ENOMEM;
}

/* What the file behind /proc/PID/exe is; the texts live in the scan's arena. */
static struct err *examine(struct scan *s, struct program *p, const char *path)
{
    struct image *img;
    const struct image_buildinfo *bi;
    struct err *e = image_open(path, &img);
    if (e && is_our_own(e))
        return e;
    if (e) { /* another architecture, gone: no Go process of ours */
        err_free(e);
        return NULL;
    }
    if (may_be_go(img)) {
        e = image_buildinfo(img, &bi);
        if (!e) {
            pthread_mutex_lock(&s->lock);
            p->is_go = true;
            p->go_version = arena_strdup(&s->arena, bi->go_version);
            p->main_path = arena_strdup(&s->arena, bi->path);
            p->main_module = arena_strdup(&s->arena, bi->main.path);
            p->main_version = arena_strdup(&s->arena, bi->main.version);
            pthread_mutex_unlock(&s->lock);
            p->race = setting_is(bi, "-race", "true");
            p->cgo = setting_is(bi, "CGO_ENABLED", "1");
            p->pie = image_is_pie(img);
            p->stripped = !image_find_section(img, ".symtab");
        }
        err_free(e);
    }
    image_unref(img);
    return NULL;
}

static struct err *program_of(struct scan *s, const struct stat *st, const char *path,
                              const struct program **ret)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->programs.n; i++) {
        struct program *p = s->programs.v[i];
        if (p->dev == st->st_dev && p->ino == st->st_ino) {
            pthread_mutex_unlock(&s->lock);
            *ret = p;
            return NULL;
        }
    }
    pthread_mutex_unlock(&s->lock);
    /* Two workers may examine one file at the same time: then it is there twice, and both are
     * right. */
    struct program fresh = {.dev = st->st_dev, .ino = st->st_ino};
    TRY(examine(s, &fresh, path));
    pthread_mutex_lock(&s->lock);
    struct program *p = arena_new(&s->arena, struct program);
    *p = fresh;
    vec_push(&s->programs, p);
    pthread_mutex_unlock(&s->lock);
    *ret = p;
    return NULL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static struct err *read_pulse(struct target *t, struct cli_proc *p)
{
    struct rt *rt;
    TRY(rt_open(t, &rt));
    struct err *e = rt_pulse(rt, &(struct rt_pulse_options){0}, &p->pulse);
    rt_close(rt);
    p->have_pulse = !e;
    return e;
}

/* Everything about one Go process.  One that ends meanwhile is not there any more. */
static struct err *describe(struct scan *s, const struct program *prog, struct arena *a,
                            struct cli_proc *p)
{
    struct target *t;
    struct target_process tp;
    TRY(target_open_pid(p->pid, &t));
    struct err *e = target_process(t, a, &tp);
    if (!e) {
        p->exe = tp.exe;
        p->name = arena_strdup(a, base_name(tp.exe && *tp.exe ? tp.exe : tp.comm));
        p->comm = tp.comm;
        p->user = tp.user;
        p->started_wall_ns = tp.started_wall_ns;
        p->rss_bytes = tp.rss_bytes;
        p->threads = tp.threads;
        p->container = tp.container;
        p->deleted = tp.exe_deleted;
        p->go_version = prog->go_version;
        p->main_path = prog->main_path;
        p->main_module = prog->main_module;
        p->main_version = prog->main_version;
        p->stripped = prog->stripped;
        p->pie = prog->pie;
        p->race = prog->race;
        p->cgo = prog->cgo;
    }
    if (!e && s->counters) {
        struct err *why = read_pulse(t, p);
        p->why_no_pulse = why ? arena_strdup(a, err_message(why)) : NULL;
        err_free(why);
    }
    target_close(t);
    return e;
}

static struct err *look_at(void *arg, size_t i, unsigned worker)
{
    struct scan *s = arg;
    struct cli_proc *p = &s->found[i];
    char path[64];
    struct stat st;
    snprintf(path, sizeof(path), "/proc/%d/exe", s->pids.v[i]);
    if (stat(path, &st) < 0) {
        if (errno == EACCES || errno == EPERM) {
            pthread_mutex_lock(&s->lock);
            if (!s->denied++ || s->pids.v[i] < s->denied_pid)
                s->denied_pid = s->pids.v[i];
            pthread_mutex_unlock(&s->lock);
        }
        return NULL; /* a thread of the kernel, or gone */
    }
    const struct program *prog;
    TRY(program_of(s, &st, path, &prog));
    if (!prog->is_go)
        return NULL;
    p->pid = s->pids.v[i];
    struct err *e = describe(s, prog, &s->ret->arenas[worker], p);
    if (e && is_our_own(e))
        return e;
    if (e) {
        log_info("process %d: %s", p->pid, err_message(e));
        p->pid = 0;
        err_free(e);
    }
    return NULL;
}

static int by_pid(const void *a, const void *b)
{
    const struct cli_proc *x = a, *y = b;
    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

struct err *cli_procs_list(bool counters, struct cli_procs *ret)
{
    struct scan s = {.counters = counters, .ret = ret};
    *ret = (struct cli_procs){.narenas = pool_width() + 1};
    ret->arenas = mem_alloc(ret->narenas * sizeof(*ret->arenas));
    for (unsigned i = 0; i < ret->narenas; i++)
        arena_init(&ret->arenas[i]);
    arena_init(&s.arena);
    pthread_mutex_init(&s.lock, NULL);
    struct err *e = target_each_pid(add_pid, &s);
    s.found = mem_alloc((s.pids.n + 1) * sizeof(*s.found));
    if (!e)
        e = pool_run(s.pids.n, look_at, &s);
    for (size_t i = 0; !e && i < s.pids.n; i++)
        if (s.found[i].pid)
            vec_push(&ret->v, s.found[i]);
    if (ret->v.n)
        qsort(ret->v.v, ret->v.n, sizeof(*ret->v.v), by_pid);
    ret->denied = s.denied;
    ret->denied_pid = s.denied_pid;
    free(s.found);
    vec_free(&s.pids);
    vec_free(&s.programs);
    pthread_mutex_destroy(&s.lock);
    ret->arenas[ret->narenas - 1] = s.arena; /* the programs' texts */
    if (e)
        cli_procs_free(ret);
    return e;
}

void cli_procs_free(struct cli_procs *p)
{
    for (unsigned i = 0; i < p->narenas; i++)
        arena_free(&p->arenas[i]);
    free(p->arenas);
    vec_free(&p->v);
    *p = (struct cli_procs){0};
}

/* The last part of a path, a major version (/v2) left out. */
static bool last_part_is(const char *path, const char *name)
{
    size_t n = strlen(path), len = strlen(name);
    const char *slash = strrchr(path, '/');
    if (slash && slash[1] == 'v' && slash[2] &&
        strspn(slash + 2, "0123456789") == strlen(slash + 2))
        n = (size_t)(slash - path);
    return n >= len && strncmp(path + n - len, name, len) == 0 &&
           (n == len || path[n - len - 1] == '/');
}

bool cli_proc_is_called(const struct cli_proc *p, const char *name)
{
    return strcmp(p->name, name) == 0 || strcmp(p->comm, name) == 0 ||
           last_part_is(p->main_path, name) || last_part_is(p->main_module, name);
}

char cli_process_state(pid_t pid)
{
    char path[64];
    struct buf text = {0};
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    struct err *e = file_read(path, 4096, &text);
    const char *paren = e ? NULL : strrchr(buf_text(&text), ')'); /* the name may hold any byte */
    char state = paren && paren[1] == ' ' ? paren[2] : 0;
    err_free(e);
    buf_free(&text);
    return state;
}

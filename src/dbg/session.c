/* session.c - a session from its beginning to its end; see dbg.h.
 *
 * A launched program is run until the runtime is up: to the beginning of runtime.main.  There the
 * function table and the lists of goroutines are in place (in a PIE the dynamic linker has to put
 * addresses into them first), and no initialisation of a user's package has begun.
 *
 * What the runtime's data means (rt), and what stands (rt_stand, one for each of the two threads),
 * is opened anew for every program: after a start, an exec, a restart. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "dbg/dbg_int.h"

enum { NEWER_MAX = 3, NOTES_MAX = 16, FILES_MAX = 20000, ARGS_MAX = 1 << 20 };

struct target *dbg_view(struct dbg *d)
{
    return d->core ? d->core : d->debug ? debug_view(d->debug) : NULL;
}

void dbg_unlook(struct dbg *d)
{
    rt_stand_close(d->stand);
    rt_stand_close(d->hit_stand);
    rt_close(d->rt);
    code_close(d->code);
    d->stand = d->hit_stand = NULL;
    d->rt = NULL;
    d->code = NULL;
    d->nplugins = 0;
    for (size_t i = 0; i < d->loaded.n; i++)
        plugin_forget(&d->loaded.v[i]);
    vec_free(&d->loaded);
    vec_free(&d->held); /* its threads are gone */
}

static struct err *look_at_code(struct dbg *d)
{
    struct image *img;
    taddr slide;
    TRY(target_image(dbg_view(d), &img, &slide));
    struct err *e = code_open(img, slide, &d->code);
    if (e) { /* what it is says more than what it lacks */
        const struct image_buildinfo *bi;
        struct err *why = image_buildinfo(img, &bi);
        err_free(why ? e : NULL);
        e = why ? why : e;
    }
    image_unref(img);
    return e;
}

struct err *dbg_look(struct dbg *d)
{
    struct target *t = dbg_view(d);
    if (!d->code)
        TRY(look_at_code(d));
    TRY(rt_open(t, &d->rt));
    TRY(rt_stand_open(d->rt, t, &d->stand));
    TRY(rt_stand_open(d->rt, t, &d->hit_stand));
    plugin_look(d, false);
    dbg_use_printers(d, d->printers);
    return NULL;
}

/* ---- opening ---- */

static bool watch_fd(int epoll_fd, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static const char *const *copy_texts(struct arena *a, const char *const *v)
{
    size_t n = 0;
    while (v && v[n] && n < ARGS_MAX)
        n++;
    const char **ret = arena_array(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        ret[i] = arena_strdup(a, v[i]);
    return ret;
}

static struct err *dbg_new(const struct dbg_options *o, struct dbg **ret)
{
    struct dbg *d = mem_alloc(sizeof(*d));
    d->state = DBG_STANDS;
    d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    d->self_fd = d->epoll_fd < 0 ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = d->self_fd < 0 ? errno : 0;
    d->ring = ring_new();
    if (!failed && ring_fd(d->ring) < 0)
        failed = errno;
    pthread_mutex_init(&d->hits_lock, NULL);
    arena_init(&d->arena);
    arena_init(&d->stop_arena);
    arena_init(&d->call_arena);
    arena_init(&d->message_arena);
    arena_init(&d->hit_arena);
    arena_init(&d->launched.arena);
    if (o)
        d->o = *o;
    if (d->o.source_map)
        d->o.source_map = copy_texts(&d->arena, d->o.source_map);
    if (!failed && (!watch_fd(d->epoll_fd, d->self_fd) || !watch_fd(d->epoll_fd, ring_fd(d->ring))))
        failed = errno;
    if (failed) {
        struct err *e = err_sys(failed, "cannot open what a session waits for");
        dbg_close(d, DEBUG_LET_GO);
        return e;
    }
    *ret = d;
    return NULL;
}

static struct err *watch_program(struct dbg *d)
{
    d->pid = debug_pid(d->debug);
    if (!watch_fd(d->epoll_fd, debug_fd(d->debug)))
        return err_sys(errno, "waiting for process %d", d->pid);
    return NULL;
}

static enum debug_verdict stop_here(void *arg, const struct debug_hit *hit)
{
    (void)arg;
    (void)hit;
    return DEBUG_STOP;
}

/* Runs the new program until it reaches a function; it must not end before. */
static struct err *run_to(struct dbg *d, const char *function)
{
    struct code_func f;
    struct debug_site *site;
    struct debug_event ev;
    size_t at = 0;
    if (!code_func_named(d->code, function, &at, &f))
        return err_new(ERR_NOT_FOUND, "the program has no %s", function);
    TRY(debug_site_add(d->debug, f.f.entry, stop_here, NULL, &site));
    for (;;) {
        TRY(debug_resume(d->debug));
        TRY(debug_wait(d->debug, -1, &ev));
        if (ev.kind == DEBUG_SITE)
            break;
        if (ev.kind == DEBUG_EXEC)
            return err_new(ERR_GONE, "the program ran another one before it reached %s", function);
        if (ev.kind == DEBUG_EXITED)
            return err_new(ERR_GONE, "the program ended (%s %d) before it reached %s",
                           WIFSIGNALED(ev.status) ? "by signal" : "with status",
                           WIFSIGNALED(ev.status) ? WTERMSIG(ev.status) : WEXITSTATUS(ev.status),
                           function);
    }
    return debug_site_remove(d->debug, site);
}

struct err *dbg_follow_exec(struct dbg *d)
{
    TRY(look_at_code(d));
    TRY(run_to(d, "runtime.main"));
    TRY(dbg_look(d));
    return plugin_watch(d);
}

static struct err *start(struct dbg *d)
{
    TRY(debug_launch(&d->launched.how, &d->debug));
    TRY(watch_program(d));
    TRY(look_at_code(d));
    TRY(run_to(d, "runtime.main"));
    TRY(dbg_look(d));
    TRY(plugin_watch(d));
    d->state = DBG_STANDS;
    d->tell_entry = d->o.stop_on_entry;
    return NULL;
}

static void stand_first(struct dbg *d, enum dbg_why why)
{
    d->stop = (struct dbg_event){.kind = DBG_EV_STOPPED, .why = why, .text = ""};
    d->goroutine = why == DBG_WHY_ENTRY ? 1 : 0;
    d->frame = 0;
}

static void keep_launch(struct dbg_launched *l, const struct debug_launch *what)
{
    l->how = *what;
    l->how.exe = arena_strdup(&l->arena, what->exe);
    l->how.argv = copy_texts(&l->arena, what->argv);
    l->how.env = what->env ? copy_texts(&l->arena, what->env) : NULL;
    l->how.dir = what->dir ? arena_strdup(&l->arena, what->dir) : NULL;
    l->how.tty = what->tty ? arena_strdup(&l->arena, what->tty) : NULL;
}

/* Most errors name it already; not that of a script's interpreter. */
static struct err *name_program(struct err *e, const char *exe)
{
    return strstr(err_message(e), exe) ? e : err_wrap(e, "%s", exe);
}

struct err *dbg_launch(const struct debug_launch *what, const struct dbg_options *o,
                       struct dbg **ret)
{
    struct dbg *d;
    TRY(dbg_new(o, &d));
    keep_launch(&d->launched, what);
    struct err *e = start(d);
    if (!e)
        e = bp_init(d);
    if (e) {
        dbg_close(d, DEBUG_KILL);
        return name_program(e, what->exe);
    }
    stand_first(d, DBG_WHY_ENTRY);
    *ret = d;
    return NULL;
}

struct err *dbg_attach(pid_t pid, const struct dbg_options *o, struct dbg **ret)
{
    struct dbg *d;
    TRY(dbg_new(o, &d));
    struct err *e = debug_attach(pid, &d->debug);
    if (!e)
        e = watch_program(d);
    if (!e)
        e = dbg_look(d);
    if (!e)
        e = plugin_watch(d);
    if (!e)
        e = bp_init(d);
    if (e) {
        dbg_close(d, DEBUG_LET_GO);
        return e;
    }
    call_look_for_left(d);
    stand_first(d, DBG_WHY_ATTACHED);
    *ret = d;
    return NULL;
}

struct err *dbg_core(const char *core, const char *exe, const struct dbg_options *o,
                     struct dbg **ret)
{
    struct dbg *d;
    TRY(dbg_new(o, &d));
    struct err *e = target_open_core(core, exe, &d->core);
    if (!e) {
        d->pid = target_pid(d->core);
        e = dbg_look(d);
    }
    if (e) {
        dbg_close(d, DEBUG_LET_GO);
        return e;
    }
    stand_first(d, DBG_WHY_ATTACHED);
    *ret = d;
    return NULL;
}

struct err *dbg_restart(struct dbg *d, const char *const *argv)
{
    if (!d->launched.how.exe)
        return err_new(ERR_UNSUPPORTED, "only a program that was started here can be restarted");
    if (argv)
        d->launched.how.argv = copy_texts(&d->launched.arena, argv);
    step_end(d);
    call_forget(d);
    if (d->debug)
        debug_close(d->debug, DEBUG_KILL);
    d->debug = NULL;
    bp_uproot(d); /* only now: while it ran, handlers of its sites did, too */
    dbg_forget_hits(d, NULL, NULL);
    d->have_event = d->have_told = false;
    d->entry = NULL;
    dbg_unlook(d);
    struct err *e = start(d);
    if (e) {
        debug_close(d->debug, DEBUG_KILL);
        d->debug = NULL;
        dbg_unlook(d);
        d->state = DBG_OVER;
        return name_program(e, d->launched.how.exe);
    }
    stand_first(d, DBG_WHY_ENTRY);
    bp_replant(d);
    return NULL;
}

void dbg_close(struct dbg *d, enum debug_end how)
{
    if (!d)
        return;
    step_end(d);
    bp_free_all(d);
    if (how == DEBUG_LET_GO)
        call_settle(d);
    call_forget(d);
    if (d->debug)
        debug_close(d->debug, how);
    d->debug = NULL;
    dbg_unlook(d);
    target_close(d->core);
    ring_free(d->ring);
    vec_free(&d->hits);
    vec_free(&d->changed);
    pthread_mutex_destroy(&d->hits_lock);
    arena_free(&d->arena);
    arena_free(&d->stop_arena);
    arena_free(&d->call_arena);
    err_free(d->call_error);
    arena_free(&d->message_arena);
    arena_free(&d->hit_arena);
    arena_free(&d->launched.arena);
    if (d->epoll_fd >= 0)
        close(d->epoll_fd);
    if (d->self_fd >= 0)
        close(d->self_fd);
    free(d);
}

/* ---- what there is ---- */

enum dbg_state dbg_state(const struct dbg *d)
{
    return d->state;
}

pid_t dbg_pid(const struct dbg *d)
{
    return d->pid;
}

struct rt *dbg_rt(struct dbg *d)
{
    return d->rt;
}

struct target *dbg_target(struct dbg *d)
{
    return dbg_view(d);
}

struct rt_stand *dbg_stand(struct dbg *d)
{
    return d->stand;
}

struct code *dbg_code(struct dbg *d)
{
    return d->code;
}

struct debug *dbg_debug(struct dbg *d)
{
    return d->debug;
}

struct err *dbg_must_stand(const struct dbg *d)
{
    if (d->state == DBG_RUNS)
        return err_hint(err_new(ERR_USAGE, "the program runs"), "interrupt it first");
    if (d->state == DBG_OVER)
        return err_new(ERR_GONE, "the program has ended");
    return NULL;
}

/* Go's own sources are below *ret_root, of which so many bytes count; 0: not known. */
static size_t go_root(const struct code_module *m, const char **ret_root)
{
    static const char own[] = "/src/runtime/proc.go";
    for (const char *f = NULL; (f = pcln_next_file(&m->pcln, f));) {
        size_t n = strlen(f);
        *ret_root = f;
        if (n >= sizeof(own) && strcmp(f + n - (sizeof(own) - 1), own) == 0)
            return n - (sizeof(own) - 1) + strlen("/src/");
    }
    return 0;
}

/* Nobody edits the sources of Go and those in the module cache, which are most of them. */
static void note_newer(struct dbg *d, struct arena *a, const char **notes, size_t *n)
{
    struct code_module *const *modules;
    struct stat program, source;
    unsigned newer = 0, seen = 0;
    const char *first = NULL, *root = "";
    char *exe = arena_printf(a, "/proc/%d/exe", d->pid);
    if (d->core || !code_modules(d->code, &modules) || stat(exe, &program) != 0)
        return;
    size_t nroot = go_root(modules[0], &root);
    for (const char *f = NULL; (f = pcln_next_file(&modules[0]->pcln, f)) && seen < FILES_MAX;) {
        if (f[0] != '/' || strstr(f, "/pkg/mod/") || (nroot && strncmp(f, root, nroot) == 0) ||
            ++seen == 0 || stat(f, &source) != 0 || source.st_mtime <= program.st_mtime)
            continue;
        if (!newer++)
            first = f;
    }
    if (newer == 1)
        notes[(*n)++] = arena_printf(a, "%s is newer than the program: lines may not fit", first);
    else if (newer)
        notes[(*n)++] = arena_printf(
            a, "%s and %u other source files are newer than the program: lines may not fit", first,
            newer - 1);
}

/* What is not known of plugins. */
static void note_plugins(struct dbg *d, struct arena *a, const char **notes, size_t *n)
{
    struct image *img;
    const char *why;
    taddr at;
    size_t lost = rt_lost_plugins(d->rt, &why);
    if (lost)
        notes[(*n)++] = arena_printf(a, "%zu %s known: %s", lost,
                                     lost > 1 ? "plugins are not" : "plugin is not", why);
    for (size_t i = 0; i < NOTES_MAX && rt_plugin_at(d->rt, i, &at); i++) {
        struct err *e = rt_plugin_image(d->rt, i, &img, &at);
        if (e)
            notes[(*n)++] =
                arena_printf(a, "of a plugin only functions are known: %s", err_message(e));
        else if (!image_has_dwarf(img))
            notes[(*n)++] = arena_printf(a,
                                         "%s has no DWARF (it was linked with -w or -s): its "
                                         "functions and lines are known, its variables are not",
                                         image_name(img));
        err_free(e);
    }
}

/* How the process can be debugged. */
static void note_process(struct dbg *d, const char **notes, size_t *n)
{
    const char *warning = d->debug ? debug_warning(d->debug) : NULL;
    if (warning)
        notes[(*n)++] = warning;
    if (d->debug && debug_is_suspended(d->debug))
        notes[(*n)++] = "the program was stopped by a signal (SIGSTOP or its like) before: it runs "
                        "on only after SIGCONT";
}

size_t dbg_notes(struct dbg *d, struct arena *a, const char *const **ret)
{
    const char **notes = arena_array(a, const char *, 7 + NOTES_MAX), *why = NULL;
    struct code_module *const *modules;
    size_t n = 0;
    const char *cut = d->core ? target_incomplete(d->core, a) : NULL;
    if (cut)
        notes[n++] = cut;
    note_process(d, notes, &n);
    if (d->code) {
        note_newer(d, a, notes, &n);
        if (d->rt)
            note_plugins(d, a, notes, &n);
        if (code_modules(d->code, &modules) && !code_dwarf(modules[0]))
            notes[n++] = "the program has no DWARF (it was linked with -w or -s): functions and "
                         "lines are known, variables are not";
        else if (d->stand && !rt_stand_values(d->stand, &why) && why)
            notes[n++] = arena_strdup(a, why);
    }
    *ret = notes;
    return n;
}

/* ---- what is selected ---- */

struct err *dbg_goroutine_or(struct dbg *d, int64_t goroutine, struct rt_goroutine *ret)
{
    const struct rt_goroutine *g;
    if (!goroutine)
        goroutine = d->goroutine;
    if (!goroutine && d->stop.tid) {
        TRY(rt_goroutine_of_thread(d->stand, d->stop.tid, ret));
        if (ret->g)
            return NULL;
    }
    if (!goroutine)
        return err_hint(err_new(ERR_USAGE, "no goroutine is selected"), "say which one");
    TRY(rt_goroutine_by_id(d->stand, (uint64_t)goroutine, &g));
    *ret = *g;
    return NULL;
}

struct err *dbg_select(struct dbg *d, int64_t goroutine, unsigned frame)
{
    struct rt_goroutine g;
    TRY(dbg_must_stand(d));
    TRY(dbg_goroutine_or(d, goroutine, &g));
    struct arena a;
    struct rt_frames frames;
    arena_init(&a);
    struct err *e = rt_goroutine_frames(d->stand, g.g, frame + 1, &a, &frames);
    if (!e && frame >= frames.n)
        e = err_new(ERR_NOT_FOUND, "goroutine %lld has no frame %u", (long long)g.id, frame);
    arena_free(&a);
    if (e)
        return e;
    d->goroutine = (int64_t)g.id;
    d->frame = frame;
    return NULL;
}

int64_t dbg_goroutine(const struct dbg *d)
{
    return d->goroutine;
}

unsigned dbg_frame(const struct dbg *d)
{
    return d->frame;
}

struct err *dbg_hold(struct dbg *d, int64_t goroutine, bool on)
{
    struct rt_goroutine g;
    TRY(dbg_must_stand(d));
    TRY(dbg_goroutine_or(d, goroutine, &g));
    if (!d->debug)
        return err_new(ERR_UNSUPPORTED, "a core does not run: nothing of it can be held");
    if (!on && !dbg_holds(d, (int64_t)g.id))
        return err_new(ERR_USAGE, "goroutine %llu is not held", (unsigned long long)g.id);
    if (on && dbg_holds(d, (int64_t)g.id))
        return NULL;
    if (!g.running || !g.tid)
        return err_new(ERR_USAGE, "goroutine %llu does not run now: nothing of it can be held",
                       (unsigned long long)g.id);
    TRY(debug_hold(d->debug, g.tid, on));
    struct held h = {.tid = g.tid, .goroutine = (int64_t)g.id};
    if (on)
        vec_push(&d->held, h);
    for (size_t i = 0; !on && i < d->held.n;)
        if (d->held.v[i].goroutine == h.goroutine)
            d->held.v[i] = d->held.v[--d->held.n];
        else
            i++;
    return NULL;
}

bool dbg_holds(const struct dbg *d, int64_t goroutine)
{
    for (size_t i = 0; i < d->held.n; i++)
        if (d->held.v[i].goroutine == goroutine)
            return true;
    return false;
}

bool dbg_holds_thread(const struct dbg *d, pid_t tid)
{
    for (size_t i = 0; i < d->held.n; i++)
        if (d->held.v[i].tid == tid)
            return true;
    return false;
}

struct err *dbg_signal(struct dbg *d, int signo, bool tell, bool pass)
{
    if (!d->debug)
        return err_new(ERR_GONE, "there is no process");
    return debug_signal(d->debug, signo, tell, pass);
}

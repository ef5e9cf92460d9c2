/* freezer.c - freezes a process over and over, for the harm tests (tests/e2e/test_harm*.py).
 *
 *     freezer PID [key=value ...]
 *
 *     loops=N      rounds; 0: until killed               (1)
 *     hold=MS      how long each freeze is held          (0)
 *     rest=MS      between two rounds                    (0)
 *     how=copy|stop|keep|sample|core                     (copy)
 *     parent=init|target|auto   who gets the copy        (auto)
 *     die=STEP     kill ourselves with SIGKILL when inject.c is at that step
 *     read=0|1     read all memory of what is frozen     (0)
 *     file=PATH    of the core
 *     steps=1      print the steps inject.c goes through
 *
 * One line is printed for each round: "FROZEN kind=copy threads=4 pause_ns=…", or "ERR CODE text",
 * which ends it with exit code 3. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "target/inject_int.h"

enum { KEEP_MOST = 256 << 20 };

static struct options {
    long loops, hold, rest, read, steps;
    const char *how, *parent, *die, *file;
} opt = {.loops = 1, .how = "copy", .parent = "auto"};

static void at_step(const char *name)
{
    if (opt.steps)
        printf("STEP %s\n", name);
    if (opt.die && strcmp(opt.die, name) == 0)
        kill(getpid(), SIGKILL);
}

static void print_log(enum log_level level, const char *text)
{
    fprintf(stderr, "LOG %s\n", text);
}

static void nap(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static struct err *read_all(struct target *t)
{
    struct arena a;
    struct target_mapping *maps;
    size_t n;
    static uint8_t buf[1 << 20];
    arena_init(&a);
    struct err *e = target_mappings(t, &a, &maps, &n);
    for (size_t i = 0; !e && i < n; i++)
        for (taddr at = maps[i].start; !e && maps[i].readable && at < maps[i].end;
             at += sizeof(buf)) {
            struct target_iov iov = {at, (uint32_t)min_u64(maps[i].end - at, sizeof(buf)), false,
                                     buf};
            e = target_readv(t, &iov, 1);
        }
    arena_free(&a);
    return e;
}

static struct err *freeze(struct target *t)
{
    bool keep = strcmp(opt.how, "keep") == 0;
    struct target_freeze_options o = {.stop_only = keep || strcmp(opt.how, "stop") == 0,
                                      .keep_bytes = keep ? KEEP_MOST : 0,
                                      .all_registers = strcmp(opt.how, "core") == 0};
    struct target *f;
    struct target_pause p;
    struct target_core_stats stats;
    TRY(target_freeze(t, &o, &f));
    enum target_kind kind = target_kind(f);
    const char *why = target_freeze_why(f);
    char reason[256];
    snprintf(reason, sizeof(reason), "%s", why ? why : "-");
    struct err *e = opt.read ? read_all(f) : NULL;
    if (!e && o.all_registers)
        e = target_write_core(f, opt.file, NULL, &stats);
    nap(opt.hold);
    struct err *e2 = target_thaw(f, &p);
    printf("FROZEN kind=%s threads=%u pause_ns=%" PRId64 " prepare_ns=%" PRId64 " why=%s\n",
           kind == TARGET_FORK   ? "copy"
           : kind == TARGET_KEPT ? "kept"
                                 : "stop",
           p.threads, p.ns, p.prepare_ns, reason);
    if (e)
        err_free(e2);
    return e ? e : e2;
}

static struct err *sampled(void *arg, const struct arch_regs *regs)
{
    ++*(unsigned *)arg;
    nap(opt.hold);
    return NULL;
}

static struct err *sample(struct target *t)
{
    struct arena a;
    struct target_thread *threads;
    struct target_pause p;
    size_t n;
    unsigned done = 0;
    arena_init(&a);
    struct err *e = target_threads(t, &a, &threads, &n);
    for (size_t i = 0; !e && i < n; i++) {
        e = target_sample_thread(t, threads[i].tid, sampled, &done, &p);
        struct target *again;
        if (e && err_code(e) == ERR_GONE) { /* that thread, or all of it? */
            err_free(e);
            e = target_open_pid(target_pid(t), &again);
            if (!e)
                target_close(again);
        }
    }
    printf("SAMPLED threads=%u\n", done);
    arena_free(&a);
    return e;
}

static void parse(const char *word)
{
    const struct {
        const char *key;
        long *number;
        const char **text;
    } keys[] = {
        {"loops", &opt.loops, NULL}, {"hold", &opt.hold, NULL},     {"rest", &opt.rest, NULL},
        {"read", &opt.read, NULL},   {"steps", &opt.steps, NULL},   {"how", NULL, &opt.how},
        {"die", NULL, &opt.die},     {"parent", NULL, &opt.parent}, {"file", NULL, &opt.file},
    };
    size_t n = strcspn(word, "=");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strlen(keys[i].key) == n && strncmp(word, keys[i].key, n) == 0 && word[n]) {
            if (keys[i].number)
                *keys[i].number = atol(word + n + 1);
            else
                *keys[i].text = word + n + 1;
            return;
        }
    fprintf(stderr, "freezer: what is %s?\n", word);
    exit(2);
}

int main(int argc, char **argv)
{
    struct target *t = NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 2; i < argc; i++)
        parse(argv[i]);
    inject_step_hook = at_step;
    log_set(LOG_WARN, print_log);
    inject_parent_hook = strcmp(opt.parent, "init") == 0     ? COPY_OF_INIT
                         : strcmp(opt.parent, "target") == 0 ? COPY_OF_TARGET
                                                             : COPY_UNDECIDED;
    struct err *e = target_open_pid(argc > 1 ? atoi(argv[1]) : 0, &t);
    for (long i = 0; !e && (!opt.loops || i < opt.loops); i++) {
        e = strcmp(opt.how, "sample") == 0 ? sample(t) : freeze(t);
        nap(opt.rest);
    }
    target_close(t);
    if (!e)
        return 0;
    printf("ERR %d %s\n", err_code(e), err_message(e));
    err_free(e);
    return 3;
}

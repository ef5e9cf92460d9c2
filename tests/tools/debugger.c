/* debugger.c - drives target/debug.h by lines of text, for tests/e2e/test_debug*.py.
 *
 *     debugger attach PID
 *     debugger launch [key=value ...] -- EXE ARG...     dir= tty= in= out= group=1 same=1
 *
 * Then commands come on standard input, one a line; each is answered by one line that begins with
 * "OK" or "ERR CODE text".  Numbers are decimal or 0x...; handlers count what they meet:
 *
 *     site ADDR [go|stop|every=N]     OK ID         (every=N: every Nth hit stops)
 *     remove ID                       OK
 *     hits ID                         OK N
 *     watch ADDR N ACCESS [go|stop]   OK ID SLOT
 *     unwatch SLOT
 *     resume | halt                   OK
 *     wait MS                         OK KIND tid=.. pc=.. signo=.. status=.. nr=.. entry=..
 *     step TID                        the same
 *     threads                         OK TID:PC ...
 *     regs TID                        OK pc=.. sp=.. g=..
 *     setpc TID PC | setreg TID DWARF VALUE | reg TID DWARF
 *     read ADDR N | write ADDR HEX | extended TID
 *     hold TID 0|1 | signal N TELL PASS | drop TID
 *     syscalls ENTRY EXIT NR...
 *     cost                            OK stood_ns=.. hits=.. stops=..
 *     warning                         OK text
 *     sleep MS
 *     copy [init|target]              OK             (who gets it; then read and threads are of it)
 *     thaw | copied                   OK [1]         (whether there is one)
 *     steps                           OK NAME|NAME|...   (that inject.c went through since "die")
 *     die [STEP]                      SIGKILL for ourselves when inject.c is at that step
 *     close let|kill                  OK, and the end
 *
 * SIGUSR1 halts in the middle of a command. */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "target/debug.h"
#include "target/inject_int.h"

enum { SITES = 9000, WORDS = 80 };

static struct counter {
    struct debug_site *site;
    _Atomic uint64_t hits;
    uint64_t every; /* 0: never stops */
} counters[SITES];
static unsigned ncounters;
static struct debug *d;
static struct target *copy; /* NULL: none */
static struct buf steps;
static char *die;

static enum debug_verdict count(void *arg, const struct debug_hit *hit)
{
    struct counter *c = arg;
    uint64_t n = ++c->hits;
    if (!hit->regs->raw_n)
        abort();
    return c->every && n % c->every == 0 ? DEBUG_STOP : DEBUG_GO_ON;
}

static uint64_t every(const char *word)
{
    if (!word || strcmp(word, "go") == 0)
        return 0;
    if (strncmp(word, "every=", 6) == 0)
        return strtoull(word + 6, NULL, 0);
    return 1;
}

static uint64_t number(char **w, unsigned i)
{
    return w[i] ? strtoull(w[i], NULL, 0) : 0;
}

static const char *const kinds[] = {"nothing", "site",   "stepped", "watch", "signal",
                                    "syscall", "halted", "trapped", "exec",  "exited"};

static void print_event(const struct debug_event *e)
{
    printf("OK %s tid=%d pc=0x%llx watch=%u signo=%d nr=%" PRId64 " entry=%d status=%d\n",
           kinds[e->kind], e->tid, (unsigned long long)e->pc, e->watch, e->signo, e->nr, e->entry,
           e->status);
}

static struct err *ok(struct err *e)
{
    if (!e)
        printf("OK\n");
    return e;
}

static struct err *do_site(char **w)
{
    struct counter *c = &counters[ncounters];
    if (ncounters == SITES)
        return err_new(ERR_LIMIT, "too many");
    *c = (struct counter){.every = every(w[2])};
    TRY(debug_site_add(d, number(w, 1), count, c, &c->site));
    printf("OK %u\n", ncounters++);
    return NULL;
}

static struct err *do_watch(char **w)
{
    struct counter *c = &counters[ncounters];
    unsigned slot;
    *c = (struct counter){.every = every(w[4])};
    TRY(debug_watch_add(d, number(w, 1), (unsigned)number(w, 2), (enum debug_access)number(w, 3),
                        count, c, &slot));
    printf("OK %u %u\n", ncounters++, slot);
    return NULL;
}

static struct err *do_remove(char **w)
{
    struct counter *c = &counters[number(w, 1) % SITES];
    struct debug_site *s = c->site;
    c->site = NULL;
    return ok(debug_site_remove(d, s));
}

static struct err *do_hits(char **w)
{
    printf("OK %" PRIu64 "\n", counters[number(w, 1) % SITES].hits);
    return NULL;
}

static struct err *do_wait(char **w)
{
    struct debug_event e;
    TRY(debug_wait(d, (int64_t)number(w, 1) * 1000000, &e));
    print_event(&e);
    return NULL;
}

static struct err *do_step(char **w)
{
    struct debug_event e;
    TRY(debug_step(d, (pid_t)number(w, 1), &e));
    print_event(&e);
    return NULL;
}

static struct target *looked_at(void)
{
    return copy ? copy : debug_view(d);
}

static void at_step(const char *name)
{
    buf_printf(&steps, "%s%s", steps.n ? "|" : "", name);
    if (die && strcmp(die, name) == 0)
        kill(getpid(), SIGKILL);
}

static struct err *do_die(char **w)
{
    char name[64] = "";
    for (unsigned i = 1; w[i]; i++)
        snprintf(name + strlen(name), sizeof(name) - strlen(name), "%s%s", i > 1 ? " " : "", w[i]);
    free(die);
    die = *name ? strdup(name) : NULL;
    buf_clear(&steps);
    return ok(NULL);
}

static struct err *do_steps(char **w)
{
    (void)w;
    printf("OK %s\n", buf_text(&steps));
    return NULL;
}

static struct err *do_copy(char **w)
{
    const char *parent = w[1] ? w[1] : "";
    struct target_freeze_options o = {.vectors = true};
    inject_parent_hook = strcmp(parent, "init") == 0     ? COPY_OF_INIT
                         : strcmp(parent, "target") == 0 ? COPY_OF_TARGET
                                                         : COPY_UNDECIDED;
    return ok(debug_copy(d, &o, &copy));
}

static struct err *do_copied(char **w)
{
    (void)w;
    printf("OK %s\n", copy ? "1" : "");
    return NULL;
}

static struct err *do_thaw(char **w)
{
    struct target_pause pause;
    struct target *gone = copy;
    (void)w;
    copy = NULL;
    return ok(target_thaw(gone, &pause));
}

static struct err *do_threads(char **w)
{
    struct arena a;
    struct target_thread *t;
    size_t n;
    (void)w;
    arena_init(&a);
    struct err *e = target_threads(looked_at(), &a, &t, &n);
    if (!e) {
        printf("OK");
        for (size_t i = 0; i < n; i++)
            printf(" %d:0x%llx", t[i].tid, (unsigned long long)t[i].regs.pc);
        printf("\n");
    }
    arena_free(&a);
    return e;
}

static struct err *do_regs(char **w)
{
    struct arch_regs r;
    TRY(debug_regs(d, (pid_t)number(w, 1), &r));
    printf("OK pc=0x%llx sp=0x%llx g=0x%llx\n", (unsigned long long)r.pc, (unsigned long long)r.sp,
           (unsigned long long)r.g);
    return NULL;
}

static struct err *do_reg(char **w)
{
    struct arch_regs r;
    uint64_t v;
    TRY(debug_regs(d, (pid_t)number(w, 1), &r));
    if (!arch_host()->dwarf_reg(&r, (unsigned)number(w, 2), &v))
        return err_new(ERR_USAGE, "no such register");
    printf("OK 0x%" PRIx64 "\n", v);
    return NULL;
}

static struct err *do_setreg(char **w)
{
    struct arch_regs r;
    TRY(debug_regs(d, (pid_t)number(w, 1), &r));
    if (strcmp(w[0], "setpc") == 0)
        arch_host()->debug->set_pc(&r, number(w, 2));
    else if (!arch_host()->debug->set_reg(&r, (unsigned)number(w, 2), number(w, 3)))
        return err_new(ERR_USAGE, "no such register");
    return ok(debug_set_regs(d, (pid_t)number(w, 1), &r));
}

static struct err *do_read(char **w)
{
    uint8_t bytes[4096];
    size_t n = number(w, 2) % sizeof(bytes);
    TRY(target_read(looked_at(), number(w, 1), bytes, n));
    printf("OK ");
    for (size_t i = 0; i < n; i++)
        printf("%02x", bytes[i]);
    printf("\n");
    return NULL;
}

static struct err *do_write(char **w)
{
    uint8_t bytes[1024];
    size_t n = 0;
    for (const char *p = w[2]; p && p[0] && p[1] && n < sizeof(bytes); p += 2) {
        char two[3] = {p[0], p[1]};
        bytes[n++] = (uint8_t)strtoul(two, NULL, 16);
    }
    return ok(debug_write(d, number(w, 1), bytes, n));
}

static struct err *do_extended(char **w)
{
    struct arena a;
    uint8_t *p;
    size_t n = 0;
    arena_init(&a);
    struct err *e = debug_extended(d, (pid_t)number(w, 1), &a, &p, &n);
    if (!e)
        e = debug_set_extended(d, (pid_t)number(w, 1), p, n);
    if (!e)
        printf("OK %zu\n", n);
    arena_free(&a);
    return e;
}

static struct err *do_syscalls(char **w)
{
    int64_t nr[WORDS];
    size_t n = 0;
    for (unsigned i = 3; w[i]; i++)
        nr[n++] = (int64_t)number(w, i);
    return ok(debug_catch_syscalls(d, nr, n, number(w, 1), number(w, 2)));
}

static struct err *do_cost(char **w)
{
    struct debug_cost c;
    (void)w;
    debug_cost(d, &c);
    printf("OK stood_ns=%" PRId64 " hits=%" PRIu64 " stops=%" PRIu64 "\n", c.stood_ns, c.hits,
           c.stops);
    return NULL;
}

static struct err *do_warning(char **w)
{
    const char *text = debug_warning(d);
    (void)w;
    printf("OK %s\n", text ? text : "");
    return NULL;
}

static struct err *do_sleep(char **w)
{
    struct timespec t = {(time_t)(number(w, 1) / 1000), (long)(number(w, 1) % 1000) * 1000000};
    nanosleep(&t, NULL);
    return ok(NULL);
}

static struct err *do_resume(char **w)
{
    (void)w;
    return ok(debug_resume(d));
}

static struct err *do_halt(char **w)
{
    (void)w;
    debug_halt(d);
    return ok(NULL);
}

static struct err *do_unwatch(char **w)
{
    return ok(debug_watch_remove(d, (unsigned)number(w, 1)));
}

static struct err *do_hold(char **w)
{
    return ok(debug_hold(d, (pid_t)number(w, 1), number(w, 2)));
}

static struct err *do_signal(char **w)
{
    return ok(debug_signal(d, (int)number(w, 1), number(w, 2), number(w, 3)));
}

static struct err *do_drop(char **w)
{
    return ok(debug_drop_signal(d, (pid_t)number(w, 1)));
}

static struct err *do_close(char **w)
{
    debug_close(d, w[1] && strcmp(w[1], "kill") == 0 ? DEBUG_KILL : DEBUG_LET_GO);
    printf("OK\n");
    fflush(stdout);
    exit(0);
}

static const struct {
    const char *name;
    struct err *(*fn)(char **w);
} commands[] = {
    {"site", do_site},       {"watch", do_watch},       {"remove", do_remove},
    {"hits", do_hits},       {"wait", do_wait},         {"step", do_step},
    {"threads", do_threads}, {"regs", do_regs},         {"reg", do_reg},
    {"setreg", do_setreg},   {"setpc", do_setreg},      {"read", do_read},
    {"write", do_write},     {"extended", do_extended}, {"syscalls", do_syscalls},
    {"cost", do_cost},       {"warning", do_warning},   {"sleep", do_sleep},
    {"resume", do_resume},   {"halt", do_halt},         {"unwatch", do_unwatch},
    {"hold", do_hold},       {"signal", do_signal},     {"drop", do_drop},
    {"close", do_close},     {"copy", do_copy},         {"thaw", do_thaw},
    {"steps", do_steps},     {"die", do_die},           {"copied", do_copied},
};

static struct err *command(char *line)
{
    char *w[WORDS] = {0};
    unsigned n = 0;
    for (char *p = strtok(line, " \n"); p && n < WORDS - 1; p = strtok(NULL, " \n"))
        w[n++] = p;
    for (size_t i = 0; n && i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, w[0]) == 0)
            return commands[i].fn(w);
    return err_new(ERR_USAGE, "what?");
}

static int print_error(struct err *e)
{
    printf("ERR %d %s\n", err_code(e), err_message(e));
    fflush(stdout);
    err_free(e);
    return 3;
}

static void print_log(enum log_level level, const char *text)
{
    (void)level;
    fprintf(stderr, "LOG %s\n", text);
}

static struct err *launch(char **argv)
{
    struct debug_launch o = {.fd = {-1, -1, -1}};
    for (; *argv && strcmp(*argv, "--") != 0; argv++) {
        char *v = strchr(*argv, '=');
        if (!v)
            continue;
        *v++ = '\0';
        if (strcmp(*argv, "dir") == 0)
            o.dir = v;
        else if (strcmp(*argv, "tty") == 0)
            o.tty = v;
        else if (strcmp(*argv, "in") == 0)
            o.fd[0] = open(v, O_RDONLY);
        else if (strcmp(*argv, "out") == 0)
            o.fd[1] = open(v, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        else if (strcmp(*argv, "group") == 0)
            o.own_group = true;
        else if (strcmp(*argv, "same") == 0)
            o.same_addresses = true;
    }
    o.argv = (const char *const *)(*argv ? argv + 1 : argv);
    o.exe = o.argv[0];
    return debug_launch(&o, &d);
}

static void halt_now(int signo)
{
    (void)signo;
    debug_halt(d);
}

int main(int argc, char **argv)
{
    static char line[1 << 16];
    log_set(LOG_INFO, print_log);
    inject_step_hook = at_step;
    if (argc < 3)
        return 2;
    struct err *e =
        strcmp(argv[1], "launch") == 0 ? launch(argv + 2) : debug_attach(atoi(argv[2]), &d);
    if (e)
        return print_error(e);
    signal(SIGUSR1, halt_now);
    printf("OK %d\n", debug_pid(d));
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        e = command(line);
        if (e)
            print_error(e);
        fflush(stdout);
    }
    debug_close(d, DEBUG_LET_GO);
    return 0;
}

/* debug_run.c - the program runs: whose terminal it is meanwhile, Ctrl-C, and why it stopped.
 *
 * A program that was started here and shares our terminal is a process group of its own.  While it
 * runs that group is in the foreground: it can read, and Ctrl-C is a signal to it, which stops it
 * and is not delivered.  When it stands the terminal is ours again, with our settings.  Otherwise
 * Ctrl-C comes to us, and dbg_interrupt() stops the program. */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "front/cli/debug_int.h"

enum { SIGNALS = 64 };
#define KILL_NS (5 * NSEC_PER_SEC)

static struct dbg *volatile running;
static volatile sig_atomic_t interrupted, should_end;

static void on_signal(int sig)
{
    if (sig == SIGINT)
        interrupted = 1;
    else
        should_end = 1;
    if (running)
        dbg_interrupt(running);
}

static bool cancelled(struct progress *p)
{
    return interrupted || should_end;
}

void run_signals(struct shell *s)
{
    struct sigaction sa = {.sa_handler = on_signal};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
    s->c->progress.base.cancelled = cancelled; /* of reports */
}

bool run_interrupted(void)
{
    bool was = interrupted;
    interrupted = 0;
    return was;
}

bool run_is_interrupted(void)
{
    return interrupted || should_end;
}

bool run_should_end(void)
{
    return should_end;
}

/* ---- the terminal ---- */

static void set_foreground(pid_t group)
{
    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGTTOU); /* we may be in the background ourselves */
    sigprocmask(SIG_BLOCK, &block, &old);
    (void)tcsetpgrp(0, group);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void give_terminal(struct shell *s)
{
    if (!s->shares_tty)
        return;
    tcgetattr(0, &s->ours);
    if (s->have_theirs)
        tcsetattr(0, TCSADRAIN, &s->theirs);
    set_foreground(dbg_pid(s->d));
}

static void take_terminal(struct shell *s)
{
    if (!s->shares_tty)
        return;
    set_foreground(getpgrp());
    s->have_theirs = tcgetattr(0, &s->theirs) == 0;
    tcsetattr(0, TCSADRAIN, &s->ours);
}

/* ---- why it stands ---- */

static const char *signal_text(int signo)
{
    const char *name = sigabbrev_np(signo);
    return name ? name : "?";
}

static bool is_interrupt(struct shell *s, const struct dbg_event *ev)
{
    return ev->why == DBG_WHY_INTERRUPT || (ev->why == DBG_WHY_SIGNAL && s->shares_tty &&
                                            ev->text && strcmp(ev->text, "SIGINT") == 0);
}

static void say_exit(struct shell *s, const struct dbg_event *ev)
{
    if (ev->exit_signal)
        shell_printf(s, "process %d was ended by SIG%s\n", dbg_pid(s->d),
                     signal_text(ev->exit_signal));
    else
        shell_printf(s, "process %d has exited with status %d\n", dbg_pid(s->d), ev->exit_code);
}

static void say_text(struct shell *s, struct buf *b, const char *what, const char *text)
{
    buf_str(b, what);
    if (text && *text) {
        buf_str(b, ": ");
        show_fitted(s, b, text, strlen(what) + 2);
    }
}

/* The verdict: "breakpoint 4, hit 3 times". */
static void say_why(struct shell *s, struct buf *b, const struct dbg_event *ev)
{
    if (is_interrupt(s, ev)) {
        buf_str(b, "interrupted");
        return;
    }
    switch (ev->why) {
    case DBG_WHY_ATTACHED:
        buf_printf(b, s->kind == SHELL_CORE ? "core of process %d" : "attached to process %d",
                   dbg_pid(s->d));
        break;
    case DBG_WHY_ENTRY: /* the first one, or that of --stop-on-entry */
        buf_printf(b,
                   s->in_main ? "process %d is about to run main.main"
                              : "process %d stands, no code of its packages has run yet: continue "
                                "runs it",
                   dbg_pid(s->d));
        break;
    case DBG_WHY_BREAKPOINT:
    case DBG_WHY_WATCH:
        for (size_t i = 0; i < ev->nbps; i++) {
            buf_str(b, i ? " and " : "");
            bp_describe(s, b, ev->bps[i], ev->goroutine);
        }
        if (ev->why == DBG_WHY_WATCH)
            say_text(s, b, "", ev->text);
        break;
    case DBG_WHY_WATCH_GONE:
        say_text(s, b, "a watched variable is gone", ev->text);
        break;
    case DBG_WHY_PANIC:
        say_text(s, b, "panic", ev->text);
        break;
    case DBG_WHY_FATAL:
        say_text(s, b, "fatal error", ev->text);
        break;
    case DBG_WHY_SIGNAL:
        say_text(s, b, "signal", ev->text);
        break;
    case DBG_WHY_TRAP:
        buf_str(b, "runtime.Breakpoint()");
        break;
    case DBG_WHY_CALL_DONE:
        if (*ev->text)
            say_text(s, b, "the call", ev->text);
        else
            buf_str(b, "the call has returned");
        break;
    case DBG_WHY_SYSCALL:
        say_text(s, b, "system call", ev->text);
        break;
    case DBG_WHY_STEP:
        buf_str(b, ev->text);
        break;
    case DBG_WHY_INTERRUPT:
        break;
    }
}

static void say_results(struct shell *s, struct buf *b, const struct dbg_event *ev)
{
    struct buf name = {0};
    for (size_t i = 0; i < ev->nresults; i++) {
        buf_clear(&name);
        bool named = *ev->results[i].name != '~' && strcmp(ev->results[i].name, "_") != 0;
        buf_printf(&name, named ? "returned %s" : "returned", ev->results[i].name);
        show_variable(s, b, buf_text(&name), &ev->results[i], 0, false);
    }
    buf_free(&name);
}

/* Whether a step stayed where the user looks: then only the line is news. */
static bool same_place(const struct shell *s, const struct rt_frame *f)
{
    return s->shown_func && strcmp(s->shown_func, f->func) == 0 && s->shown_file &&
           strcmp(s->shown_file, f->file) == 0;
}

/* Where the standard library's sources are, by the frame that every goroutine begins with; 0: not
 * known. */
static size_t library_prefix(const struct rt_frames *f)
{
    const char *file = f->n ? f->v[f->n - 1].file : "", *at = strstr(file, "/runtime/");
    return at ? (size_t)(at - file) + 1 : 0;
}

/* The innermost frame a user would look at: where something only interrupted it, the program's own
 * code, else what is not the runtime's. */
static unsigned frame_to_show(const struct dbg_event *ev, const struct rt_frames *f)
{
    size_t library = library_prefix(f);
    if (ev->why == DBG_WHY_STEP || ev->why == DBG_WHY_BREAKPOINT)
        return 0;
    for (size_t i = 0; library && i < f->n; i++)
        if (*f->v[i].file && !f->v[i].wrapper &&
            strncmp(f->v[i].file, f->v[f->n - 1].file, library) != 0)
            return (unsigned)i;
    for (size_t i = 0; i < f->n; i++)
        if (!f->v[i].runtime && *f->v[i].file)
            return (unsigned)i;
    return 0;
}

static void remember(struct shell *s, const struct rt_frame *f)
{
    s->shown_func = arena_strdup(&s->arena, f->func);
    s->shown_file = arena_strdup(&s->arena, f->file);
}

static struct err *say_place(struct shell *s, const struct dbg_event *ev, struct arena *a)
{
    struct where w;
    struct buf b = {0};
    bool step = ev->why == DBG_WHY_STEP;
    TRY(shell_where(s, a, step ? 1 : 64, &w));
    unsigned at = frame_to_show(ev, &w.frames);
    if (at && w.has_g)
        TRY(shell_select(s, (int64_t)w.g.id, at));
    const struct rt_frame *f = w.frames.n ? &w.frames.v[at] : NULL;
    if (ev->why == DBG_WHY_ENTRY && f && f->runtime)
        f = NULL; /* where it stands is nobody's code */
    say_why(s, &b, ev);
    bool quiet = f && step && !*ev->text && !ev->nresults && same_place(s, f);
    if (f && !quiet) {
        if (b.n)
            buf_str(&b, ": ");
        show_style(s, &b, CLI_PLAIN);
        if (w.has_g && !(step && s->shown_func))
            buf_printf(&b, "goroutine %llu in ", (unsigned long long)w.g.id);
        show_style(s, &b, CLI_BOLD);
        show_frame_func(s, &b, f, "code without a name");
        show_style(s, &b, CLI_PLAIN);
        if (*f->file) {
            buf_str(&b, " at ");
            show_place(s, &b, f->file, f->line);
        }
        buf_char(&b, '\n');
    } else if (!f) {
        buf_str(&b, b.n ? "\n" : "");
    }
    say_results(s, &b, ev);
    if (f && *f->file && f->line > 0) {
        unsigned around = quiet ? 0 : step ? s->config.list_lines / 2 : s->config.list_lines;
        show_source(s, &b, f->file, (unsigned)f->line, around, around, true);
    }
    shell_say(s, &b);
    buf_free(&b);
    if (f)
        remember(s, f);
    return NULL;
}

/* Nothing has happened to a particular goroutine (a core, an attach, Ctrl-C): one that panics, one
 * that runs, the one that was selected before, the first. */
static struct err *select_some(struct shell *s, int64_t before)
{
    const struct rt_goroutine *v, *best = NULL;
    size_t n;
    if (dbg_goroutine(s->d))
        return NULL;
    TRY(rt_goroutines(dbg_stand(s->d), &v, &n));
    for (size_t i = 0; i < n; i++) {
        if (v[i].system && !v[i].panicking)
            continue;
        if (!best || (v[i].panicking && !best->panicking) ||
            (v[i].running && !best->running && !best->panicking) ||
            ((int64_t)v[i].id == before && !best->running && !best->panicking))
            best = &v[i];
    }
    return best ? dbg_select(s->d, (int64_t)best->id, 0) : NULL;
}

static struct err *say_stop(struct shell *s, const struct dbg_event *ev)
{
    struct arena a;
    if (is_interrupt(s, ev) && ev->why == DBG_WHY_SIGNAL && ev->tid && dbg_debug(s->d))
        err_free(debug_drop_signal(dbg_debug(s->d), ev->tid));
    s->frame = 0;
    s->tid = ev->goroutine ? 0 : ev->tid;
    free(s->list_file);
    s->list_file = NULL;
    s->was_interrupted = s->was_interrupted || is_interrupt(s, ev);
    if (is_interrupt(s, ev) || ev->why == DBG_WHY_ATTACHED) {
        TRY(select_some(s, s->last_goroutine));
        s->tid = dbg_goroutine(s->d) ? 0 : s->tid;
    }
    s->last_goroutine = dbg_goroutine(s->d);
    arena_init(&a);
    struct err *e = say_place(s, ev, &a);
    arena_free(&a);
    if (!e && ev->step_waits)
        shell_printf(s, "the step is not at its end: continue goes on with it\n");
    show_displays(s);
    return e;
}

/* ---- running ---- */

static void say_event(struct shell *s, const struct dbg_event *ev)
{
    struct buf b = {0};
    if (ev->kind == DBG_EV_BP) {
        for (size_t i = 0; i < ev->nbps; i++)
            bp_say_event(s, ev->bps[i]);
    } else if (ev->text) {
        show_style(s, &b, CLI_DIM);
        if (ev->goroutine)
            buf_printf(&b, "goroutine %lld  ", (long long)ev->goroutine);
        show_style(s, &b, CLI_PLAIN);
        buf_str(&b, ev->kind == DBG_EV_MODULE ? "plugin " : "");
        text_clean(&b, ev->text);
        buf_char(&b, '\n');
        shell_say(s, &b);
    }
    buf_free(&b);
    shell_flush(s);
}

/* Ctrl-C of a terminal that the program shares is a signal to it. */
static void tell_interrupts(struct shell *s)
{
    if (s->shares_tty && !s->sigint_set)
        err_free(dbg_signal(s->d, SIGINT, true, false));
    s->sigint_set = true;
}

/* Until it stands or is gone. */
static struct err *wait_for_stop(struct shell *s, struct dbg_event *ev)
{
    for (;;) {
        TRY(dbg_wait(s->d, -1, ev));
        if (dbg_runs_on(ev->kind))
            say_event(s, ev);
        else if (ev->kind != DBG_EV_NOTHING)
            return NULL;
    }
}

/* A function of the program runs for an expression: it has the terminal like the rest of it. */
bool run_call_goes_on(void *shell)
{
    struct shell *s = shell;
    if (!s->calling) {
        s->calling = true;
        tell_interrupts(s);
        give_terminal(s);
    }
    return interrupted || should_end;
}

void run_call_ended(struct shell *s)
{
    if (!s->calling)
        return;
    take_terminal(s);
    s->calling = false;
    (void)run_interrupted();
}

/* It stands, or is gone. */
static struct err *show_end(struct shell *s, const struct dbg_event *ev)
{
    if (ev->kind == DBG_EV_EXITED) {
        say_exit(s, ev);
        return NULL;
    }
    if (ev->kind == DBG_EV_EXEC) {
        shell_printf(s, "process %d runs another program now\n", dbg_pid(s->d));
        return select_some(s, 0);
    }
    struct err *e = say_stop(s, ev);
    if (!e && ev->nbps)
        bp_run_ons(s, ev);
    lua_script_stopped(s, ev);
    return e;
}

struct err *run_and_show(struct shell *s, const struct dbg_run_spec *how)
{
    struct dbg_event ev = {0};
    if (s->in_hook)
        return err_new(ERR_USAGE, "on_stop: the program may not run while a stop is looked at");
    shell_flush(s);
    running = s->d;
    tell_interrupts(s);
    give_terminal(s);
    struct err *e = dbg_run(s->d, how);
    if (!e && (interrupted || should_end)) /* before it ran: that was for nobody */
        dbg_interrupt(s->d);
    if (!e)
        e = wait_for_stop(s, &ev);
    take_terminal(s);
    running = NULL;
    s->was_interrupted = run_interrupted() || s->was_interrupted;
    TRY(e);
    return show_end(s, &ev);
}

/* With --stop-on-entry the initialisation of packages runs first, with the terminal as ever. */
struct err *run_first(struct shell *s)
{
    struct dbg_run_spec go = {.how = DBG_CONTINUE};
    s->in_main = s->kind == SHELL_LAUNCHED && cli_flag(&s->c->args, OPT_debug_entry);
    struct err *e = s->in_main ? run_and_show(s, &go) : say_stop(s, dbg_stop(s->d));
    s->in_main = false;
    shell_flush(s);
    return e;
}

struct err *run_end(struct shell *s)
{
    struct dbg_event ev = {0};
    struct dbg_run_spec how = {.how = DBG_CONTINUE};
    if (kill(dbg_pid(s->d), SIGKILL) != 0)
        return err_sys(errno, "cannot kill process %d", dbg_pid(s->d));
    struct err *e = dbg_run(s->d, &how);
    if (!e)
        e = dbg_wait(s->d, KILL_NS, &ev);
    if (e && err_code(e) == ERR_GONE) { /* before it could go on */
        err_free(e);
        e = NULL;
    }
    TRY(e);
    s->gone = true;
    if (ev.kind != DBG_EV_EXITED)
        ev.exit_signal = SIGKILL;
    say_exit(s, &ev);
    return NULL;
}

/* ---- verbs ---- */

/* COUNT times, while nothing else happens. */
static struct err *steps(struct shell *s, enum dbg_run how, char *rest)
{
    struct dbg_run_spec spec = {.how = how};
    const char *count = shell_word(&rest);
    uint64_t n = 1;
    if (count)
        TRY(shell_number(count, "a number of steps", &n));
    s->was_interrupted = false;
    for (uint64_t i = 0; i < n && !s->was_interrupted && !interrupted; i++) {
        TRY(run_and_show(s, &spec));
        if (shell_state(s) != DBG_STANDS || dbg_stop(s->d)->why != DBG_WHY_STEP)
            break;
    }
    return NULL;
}

struct err *verb_next(struct shell *s, char *rest)
{
    return steps(s, DBG_NEXT, rest);
}

struct err *verb_stepi(struct shell *s, char *rest)
{
    return steps(s, DBG_STEP_INSN, rest);
}

struct err *verb_nexti(struct shell *s, char *rest)
{
    return steps(s, DBG_NEXT_INSN, rest);
}

static bool ends_with_name(const char *name, const char *word)
{
    size_t n = strlen(name), m = strlen(word);
    return m && n >= m && strcmp(name + n - m, word) == 0 &&
           (n == m || name[n - m - 1] == '.' || name[n - m - 1] == '/');
}

struct err *verb_step(struct shell *s, char *rest)
{
    struct dbg_run_spec spec = {.how = DBG_STEP};
    const char *name = shell_word(&rest);
    struct dbg_target *v;
    struct arena a;
    size_t n = 0;
    if (name && name[strspn(name, "0123456789")]) {
        struct buf b = {0};
        arena_init(&a);
        struct err *e = dbg_step_targets(s->d, 0, 0, &a, &v, &n);
        for (size_t i = 0; !e && i < n; i++) {
            if (ends_with_name(v[i].name, name))
                spec.target = v[i].pc;
            buf_printf(&b, "%s%s", b.n ? ", " : "", *v[i].name ? v[i].name : "?");
        }
        if (!e && !spec.target)
            e = err_hint(err_new(ERR_NOT_FOUND, "this line has no call of %s", name),
                         n ? "it calls %s" : "it calls nothing", buf_text(&b));
        buf_free(&b);
        arena_free(&a);
        TRY(e);
    } else if (name) {
        return steps(s, DBG_STEP, (char *)name);
    }
    return run_and_show(s, &spec);
}

struct err *verb_stepout(struct shell *s, char *rest)
{
    struct dbg_run_spec spec = {.how = DBG_STEP_OUT, .frame = s->frame};
    return run_and_show(s, &spec);
}

struct err *verb_until(struct shell *s, char *rest)
{
    struct dbg_run_spec spec = {.how = DBG_UNTIL, .place = shell_trim(rest)};
    if (!*spec.place)
        return shell_usage("until");
    return run_and_show(s, &spec);
}

struct err *verb_continue(struct shell *s, char *rest)
{
    struct dbg_run_spec spec = {.how = DBG_CONTINUE};
    struct dbg_bp_spec there = {.kind = DBG_BP_PLACE, .place = shell_trim(rest), .temporary = true};
    unsigned id = 0;
    if (!*there.place)
        return run_and_show(s, &spec);
    TRY(dbg_bp_add(s->d, &there, &id));
    struct err *e = run_and_show(s, &spec);
    if (shell_state(s) != DBG_OVER)
        err_free(dbg_bp_remove(s->d, id)); /* something else came first */
    return e;
}

static struct err *only_launched(void)
{
    return err_new(ERR_UNSUPPORTED, "only a program that was started here can be restarted");
}

static struct err *start_again(struct shell *s, const char *const *argv)
{
    if (s->kind != SHELL_LAUNCHED)
        return only_launched();
    shell_rewind_files(s);
    TRY(dbg_restart(s->d, argv));
    s->gone = false;
    s->have_theirs = s->sigint_set = false;
    s->shown_func = NULL;
    sources_free(&s->sources);
    return run_first(s);
}

/* "<", ">" or "2>" in front of the next word: which standard file; -1: neither. */
static int take_redirect(char **rest)
{
    static const char *const signs[] = {"<", ">", "2>"};
    char *at = *rest + strspn(*rest, " \t");
    for (int i = 0; i < 3; i++)
        if (strncmp(at, signs[i], strlen(signs[i])) == 0) {
            *rest = at + strlen(signs[i]);
            return i;
        }
    return -1;
}

struct err *verb_restart(struct shell *s, char *rest)
{
    VEC(const char *) argv = {0};
    char *word, *copy = arena_strdup(&s->arena, rest);
    bool other = shell_flag(&copy, "-noargs");
    struct err *e = s->kind == SHELL_LAUNCHED ? NULL : only_launched();
    vec_push(&argv, s->program);
    while (!e && *shell_trim(copy)) {
        int which = take_redirect(&copy);
        word = shell_word(&copy);
        if (which >= 0 && !word)
            e = shell_usage("restart");
        else if (which >= 0 && cli_flag(&s->c->args, OPT_debug_tty))
            e = err_new(ERR_UNSUPPORTED, "with --tty the program keeps to its terminal");
        else if (which >= 0)
            e = shell_redirect(s, which, word);
        else
            vec_push(&argv, word);
    }
    other = other || argv.n > 1;
    vec_push(&argv, NULL);
    if (!e)
        e = start_again(s, other ? argv.v : NULL);
    vec_free(&argv);
    return e;
}

struct err *verb_rebuild(struct shell *s, char *rest)
{
    if (!s->package)
        return err_hint(err_new(ERR_UNSUPPORTED, "the program was not built here"),
                        "the command restart starts it again");
    unlink(s->built); /* the one that runs keeps its file */
    TRY(shell_build(s));
    return start_again(s, NULL);
}

struct err *verb_kill(struct shell *s, char *rest)
{
    return run_end(s);
}

static int signal_number(const char *word)
{
    if (strncasecmp(word, "SIG", 3) == 0)
        word += 3;
    for (int i = 1; i < SIGNALS; i++)
        if (sigabbrev_np(i) && strcasecmp(sigabbrev_np(i), word) == 0)
            return i;
    return 0;
}

struct err *verb_handle(struct shell *s, char *rest)
{
    const char *name = shell_word(&rest), *word;
    bool tell = true, pass = true;
    if (!name)
        return shell_usage("handle");
    int signo = signal_number(name);
    if (!signo)
        return err_new(ERR_USAGE, "there is no signal %s", name);
    while ((word = shell_word(&rest))) {
        bool no = strncmp(word, "no", 2) == 0;
        if (strcmp(word + 2 * no, "stop") == 0)
            tell = !no;
        else if (strcmp(word + 2 * no, "pass") == 0)
            pass = !no;
        else
            return shell_usage("handle");
    }
    TRY(dbg_signal(s->d, signo, tell, pass));
    shell_printf(s, "SIG%s %s the program and is %s\n", sigabbrev_np(signo),
                 tell ? "stops" : "does not stop", pass ? "passed on" : "not passed on");
    if (signo == SIGINT)
        s->sigint_set = true;
    return NULL;
}

struct err *verb_jump(struct shell *s, char *rest)
{
    struct arena a;
    struct places p;
    rest = shell_trim(rest);
    bool force = strncmp(rest, "-force", 6) == 0 && (!rest[6] || isspace((unsigned char)rest[6]));
    rest = shell_trim(force ? rest + 6 : rest);
    if (!*rest)
        return shell_usage("jump");
    arena_init(&a);
    struct err *e = shell_place(s, rest, &a, &p);
    if (!e && p.n != 1)
        e = err_new(ERR_USAGE, "%s is at %zu addresses: say one with *ADDRESS", rest, p.n);
    if (!e)
        e = dbg_goto(s->d, 0, p.v[0].pc, force);
    arena_free(&a);
    TRY(e);
    return show_here(s, s->config.list_lines / 2);
}

struct err *run_show_stop_in_call(struct shell *s, struct err *e)
{
    struct dbg_event ev = {0};
    if (!e || err_code(e) != ERR_CANCELLED)
        return e;
    do {
        err_free(dbg_wait(s->d, 0, &ev)); /* then there is nothing to show */
        if (dbg_runs_on(ev.kind))
            say_event(s, &ev);
    } while (dbg_runs_on(ev.kind));
    if (ev.kind != DBG_EV_NOTHING)
        err_free(show_end(s, &ev)); /* what is wrong with it is shown by the next command */
    return e;
}

struct err *verb_call(struct shell *s, char *rest)
{
    struct arena a;
    struct dbg_value v;
    struct buf b = {0};
    struct dbg_call_spec how = {.frame = s->frame};
    how.text = shell_trim(rest + (dbg_call_options(rest, &how) - rest));
    if (!*how.text)
        return shell_usage("call");
    arena_init(&a);
    struct err *e = dbg_eval_call(s->d, &how, &a, &v);
    run_call_ended(s);
    if (!e)
        show_variable(s, &b, "", &v, 0, true);
    shell_say(s, &b);
    buf_free(&b);
    arena_free(&a);
    return run_show_stop_in_call(s, e);
}

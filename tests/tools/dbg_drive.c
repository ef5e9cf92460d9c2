/* dbg_drive.c - drives the room dbg for tests: commands on stdin, one answer in JSON per line.
 *
 *     dbg_drive place BINARY SPEC...     addresses, functions and lines of location specs
 *     dbg_drive launch BINARY [ARG...]   a session; commands:
 *     dbg_drive attach PID
 *     dbg_drive core FILE BINARY
 *
 *     break SPEC [| key=value]...        keys: if hits log name goroutine pergoroutine temporary
 * off trace pending change [watch ]ID SPEC [| key=value]...    remove ID      list      counts ID
 * GOROUTINE... continue  next  step  stepout [FRAME]  stepi  nexti  until SPEC     run, and wait
 * for a stop run continue|next|...              the same without waiting     wait [MS] interrupt
 *     goroutine ID    print EXPR    set LHS = EXPR    frames    targets    restart    kill detach
 *     call [unsafe ][alone ]EXPR    runcall EXPR (the same without waiting)    giveup
 *     doom [N [PID]]  this program (and PID) ends at its Nth call from now on that touches the
 *                     process, see doomed.c; without N: how many are left
 *
 * DRIVE_MAP_FROM and DRIVE_MAP_TO in the environment are a source map.
 *
 * Messages of log points come as lines of their own before the answer of the command that ran. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "dbg/dbg.h"
#include "dbg/expr.h"
#include "dbg/place.h"
#include "doomed.h"

static void quoted(struct buf *b, const char *s)
{
    buf_char(b, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_char(b, '\\');
        if ((unsigned char)*s < 32)
            buf_printf(b, "\\u%04x", *s);
        else
            buf_char(b, *s);
    }
    buf_char(b, '"');
}

static int fail(struct err *e)
{
    struct buf b = {0};
    buf_str(&b, "{\"error\":");
    quoted(&b, err_message(e));
    if (err_hint_text(e)) {
        buf_str(&b, ",\"hint\":");
        quoted(&b, err_hint_text(e));
    }
    printf("%s}\n", buf_text(&b));
    buf_free(&b);
    err_free(e);
    return 1;
}

static void show_places(struct code *c, const char *spec)
{
    struct arena a;
    struct places p;
    struct buf b = {0};
    arena_init(&a);
    struct err *e = place_find(c, spec, NULL, &a, &p);
    if (e) {
        fail(e);
        arena_free(&a);
        return;
    }
    buf_str(&b, "{\"note\":");
    quoted(&b, p.note);
    buf_str(&b, ",\"places\":[");
    for (size_t i = 0; i < p.n; i++) {
        buf_printf(&b, "%s{\"pc\":%llu,\"line\":%u,\"inlined\":%s,\"func\":", i ? "," : "",
                   (unsigned long long)p.v[i].pc, p.v[i].line, p.v[i].inlined ? "true" : "false");
        quoted(&b, p.v[i].func);
        buf_str(&b, ",\"file\":");
        quoted(&b, p.v[i].file);
        buf_char(&b, '}');
    }
    buf_str(&b, "]}");
    printf("%s\n", buf_text(&b));
    buf_free(&b);
    arena_free(&a);
}

static int places(int argc, char **argv)
{
    struct image *img;
    struct code *c;
    struct err *e = image_open(argv[0], &img);
    if (e)
        return fail(e);
    e = code_open(img, 0, &c);
    image_unref(img);
    if (e)
        return fail(e);
    for (int i = 1; i < argc; i++)
        show_places(c, argv[i]);
    code_close(c);
    return 0;
}

/* ---- a session ---- */

static struct dbg *d;
static bool over;

static void ok(void)
{
    printf("{\"ok\":true}\n");
}

static void answer(struct err *e)
{
    if (e)
        fail(e);
    else
        ok();
}

static const char *why_name(enum dbg_why why)
{
    static const char *const names[] = {"attached", "entry",     "breakpoint", "step",
                                        "watch",    "watchgone", "interrupt",  "panic",
                                        "fatal",    "signal",    "trap",       "call"};
    return names[why];
}

static void add_frame(struct buf *b, const struct rt_frame *f)
{
    const char *slash = strrchr(f->file, '/');
    buf_printf(b, "{\"line\":%d,\"func\":", f->line);
    quoted(b, f->func);
    buf_str(b, ",\"file\":");
    quoted(b, slash ? slash + 1 : f->file);
    buf_char(b, '}');
}

static void add_frames(struct buf *b, const struct dbg_event *ev, size_t max)
{
    const struct rt_goroutine *g;
    struct rt_frames frames = {0};
    struct arena a;
    arena_init(&a);
    struct err *e = NULL;
    if (ev->goroutine) {
        e = rt_goroutine_by_id(dbg_stand(d), (uint64_t)ev->goroutine, &g);
        if (!e)
            e = rt_goroutine_frames(dbg_stand(d), g->g, max, &a, &frames);
    } else if (ev->tid) {
        e = rt_thread_frames(dbg_stand(d), ev->tid, max, &a, &frames);
    }
    buf_str(b, "\"frames\":[");
    for (size_t i = 0; !e && i < frames.n && i < max; i++) {
        buf_str(b, i ? "," : "");
        add_frame(b, &frames.v[i]);
    }
    buf_char(b, ']');
    err_free(e);
    arena_free(&a);
}

static void show_event(const struct dbg_event *ev)
{
    static const char *const kinds[] = {"nothing", "stopped", "log",   "bp",
                                        "module",  "exec",    "exited"};
    struct buf b = {0};
    buf_printf(&b, "{\"event\":\"%s\"", kinds[ev->kind]);
    if (ev->kind == DBG_EV_STOPPED)
        buf_printf(&b, ",\"why\":\"%s\",\"tid\":%d,\"pc\":%llu,\"step_waits\":%s",
                   why_name(ev->why), ev->tid, (unsigned long long)ev->pc,
                   ev->step_waits ? "true" : "false");
    if (ev->kind == DBG_EV_EXITED)
        buf_printf(&b, ",\"code\":%d,\"signal\":%d", ev->exit_code, ev->exit_signal);
    buf_printf(&b, ",\"goroutine\":%lld,\"bps\":[", (long long)ev->goroutine);
    for (size_t i = 0; i < ev->nbps; i++)
        buf_printf(&b, "%s%u", i ? "," : "", ev->bps[i]);
    buf_str(&b, "],\"text\":");
    quoted(&b, ev->text ? ev->text : "");
    if (ev->kind == DBG_EV_STOPPED) {
        buf_char(&b, ',');
        add_frames(&b, ev, 3);
        buf_str(&b, ",\"results\":[");
        for (size_t i = 0; i < ev->nresults; i++) {
            struct buf text = {0};
            dbg_value_text(dbg_stand(d), &ev->results[i], &value_limits_typed, &text);
            buf_printf(&b, "%s[", i ? "," : "");
            quoted(&b, ev->results[i].name ? ev->results[i].name : "");
            buf_char(&b, ',');
            quoted(&b, buf_text(&text));
            buf_char(&b, ']');
            buf_free(&text);
        }
        buf_char(&b, ']');
    }
    printf("%s}\n", buf_text(&b));
    buf_free(&b);
}

/* Shows what comes until the program stands or the time is up. */
static void wait_for(int64_t timeout_ns)
{
    struct dbg_event ev;
    do {
        struct err *e = dbg_wait(d, timeout_ns, &ev);
        if (e) {
            fail(e);
            return;
        }
        show_event(&ev);
        over = over || ev.kind == DBG_EV_EXITED;
    } while (dbg_runs_on(ev.kind));
}

static char *word(char **at)
{
    char *s = *at + strspn(*at, " ");
    char *end = s + strcspn(s, " ");
    *at = *end ? end + 1 : end;
    *end = 0;
    return s;
}

static bool run(char *rest)
{
    static const char *const names[] = {"continue", "next",  "step", "stepout",
                                        "stepi",    "nexti", "until"};
    char *name = word(&rest);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        struct dbg_run_spec spec = {.how = (enum dbg_run)i};
        if (spec.how == DBG_UNTIL)
            spec.place = rest;
        if (spec.how == DBG_STEP_OUT && *rest)
            spec.frame = (unsigned)atoi(rest);
        if (spec.how == DBG_STEP && *rest)
            spec.target = strtoull(rest, NULL, 0);
        spec.alone = spec.how == DBG_NEXT && strcmp(rest, "alone") == 0;
        struct err *e = dbg_run(d, &spec);
        if (e) {
            fail(e);
            return false;
        }
        return true;
    }
    printf("{\"error\":\"no command %s\"}\n", name);
    return false;
}

static void parse_spec(char *text, struct dbg_bp_spec *s)
{
    *s = (struct dbg_bp_spec){.kind = DBG_BP_PLACE};
    char *bar = strstr(text, " | ");
    if (bar)
        *bar = 0;
    s->place = text;
    while (bar) {
        char *key = bar + 3;
        bar = strstr(key, " | ");
        if (bar)
            *bar = 0;
        char *value = strchr(key, '=');
        if (value)
            *value++ = 0;
        else
            value = key + strlen(key);
        if (strcmp(key, "if") == 0)
            s->condition = value;
        if (strcmp(key, "hits") == 0)
            s->hits = value;
        if (strcmp(key, "log") == 0)
            s->log = value;
        if (strcmp(key, "name") == 0)
            s->name = value;
        if (strcmp(key, "goroutine") == 0)
            s->goroutine = atoll(value);
        s->hits_per_goroutine = s->hits_per_goroutine || strcmp(key, "pergoroutine") == 0;
        s->temporary = s->temporary || strcmp(key, "temporary") == 0;
        s->off = s->off || strcmp(key, "off") == 0;
        s->trace = s->trace || strcmp(key, "trace") == 0;
        s->pending = s->pending || strcmp(key, "pending") == 0;
    }
}

static void do_break(char *rest)
{
    struct dbg_bp_spec s;
    unsigned id;
    parse_spec(rest, &s);
    struct err *e = dbg_bp_add(d, &s, &id);
    if (e)
        fail(e);
    else
        printf("{\"id\":%u}\n", id);
}

static void do_watch(char *rest, bool reads)
{
    struct dbg_bp_spec s;
    unsigned id;
    parse_spec(rest, &s);
    s.kind = DBG_BP_WATCH;
    s.access = reads ? DEBUG_READS_AND_WRITES : DEBUG_WRITES;
    struct err *e = dbg_bp_add(d, &s, &id);
    if (e)
        fail(e);
    else
        printf("{\"id\":%u}\n", id);
}

static void do_change(char *rest)
{
    struct dbg_bp_spec s;
    const char *which = word(&rest);
    bool recovered = strcmp(which, "recovered") == 0, watch = strcmp(which, "watch") == 0;
    unsigned id = recovered ? DBG_BP_ID_RECOVERED : (unsigned)atoi(watch ? word(&rest) : which);
    parse_spec(rest, &s);
    s.kind = recovered ? DBG_BP_RECOVERED : watch ? DBG_BP_WATCH : DBG_BP_PLACE;
    answer(dbg_bp_change(d, id, &s));
}

static void do_list(void)
{
    struct arena a;
    struct dbg_bp *v;
    struct buf b = {0};
    arena_init(&a);
    size_t n = dbg_bp_list(d, &a, &v);
    buf_str(&b, "{\"list\":[");
    for (size_t i = 0; i < n; i++) {
        buf_printf(&b, "%s{\"id\":%u,\"addrs\":%zu,\"line\":%u,\"met\":%llu,\"hits\":%llu,",
                   i ? "," : "", v[i].id, v[i].naddrs, v[i].line, (unsigned long long)v[i].met,
                   (unsigned long long)v[i].hits);
        buf_printf(&b, "\"waits\":%s,\"place\":", v[i].waits ? "true" : "false");
        quoted(&b, v[i].spec.place);
        buf_str(&b, ",\"note\":");
        quoted(&b, v[i].note);
        buf_str(&b, ",\"trouble\":");
        quoted(&b, v[i].trouble);
        buf_char(&b, '}');
    }
    printf("%s]}\n", buf_text(&b));
    buf_free(&b);
    arena_free(&a);
}

static void do_counts(char *rest)
{
    unsigned id = (unsigned)atoi(word(&rest));
    printf("{\"counts\":[");
    for (unsigned i = 0; *rest; i++)
        printf("%s%llu", i ? "," : "",
               (unsigned long long)dbg_bp_goroutine_hits(d, id, atoll(word(&rest))));
    printf("]}\n");
}

static void do_print(char *rest)
{
    struct arena a;
    struct dbg_value v;
    struct buf b = {0}, text = {0};
    arena_init(&a);
    struct err *e = dbg_eval(d, 0, dbg_frame(d), rest, &a, &v);
    if (e) {
        fail(e);
    } else {
        dbg_value_text(dbg_stand(d), &v, &value_limits_typed, &text);
        buf_str(&b, "{\"value\":");
        quoted(&b, buf_text(&text));
        printf("%s}\n", buf_text(&b));
    }
    buf_free(&b);
    buf_free(&text);
    arena_free(&a);
}

static bool call(char *rest)
{
    struct dbg_call_spec how = {.frame = dbg_frame(d), .text = rest};
    static const char unsafe[] = "unsafe ", alone[] = "alone ";
    if (strncmp(how.text, unsafe, strlen(unsafe)) == 0) {
        how.unsafe = true;
        how.text += strlen(unsafe);
    }
    if (strncmp(how.text, alone, strlen(alone)) == 0) {
        how.alone = true;
        how.text += strlen(alone);
    }
    struct err *e = dbg_call(d, &how);
    return !e || !fail(e);
}

static void do_set(char *rest)
{
    char *eq = strstr(rest, " = ");
    if (!eq) {
        printf("{\"error\":\"set LHS = EXPR\"}\n");
        return;
    }
    *eq = 0;
    answer(dbg_assign(d, 0, dbg_frame(d), rest, eq + 3, true));
}

static void do_frames(void)
{
    struct buf b = {0};
    struct dbg_event ev = *dbg_stop(d);
    ev.goroutine = dbg_goroutine(d);
    buf_char(&b, '{');
    add_frames(&b, &ev, 50);
    printf("%s}\n", buf_text(&b));
    buf_free(&b);
}

static void do_disassemble(taddr from)
{
    struct arena a;
    struct dbg_insn *v;
    size_t n;
    struct buf b = {0};
    arena_init(&a);
    struct err *e = dbg_disassemble(d, from, from + 64, &a, &v, &n);
    if (e) {
        fail(e);
    } else {
        buf_str(&b, "{\"code\":[");
        for (size_t i = 0; i < n; i++) {
            buf_printf(&b, "%s{\"pc\":%llu,\"n\":%u,\"line\":%u,\"text\":", i ? "," : "",
                       (unsigned long long)v[i].pc, v[i].n, v[i].line);
            quoted(&b, v[i].text);
            buf_char(&b, '}');
        }
        printf("%s]}\n", buf_text(&b));
    }
    buf_free(&b);
    arena_free(&a);
}

static void do_targets(void)
{
    struct arena a;
    struct dbg_target *v;
    size_t n;
    struct buf b = {0};
    arena_init(&a);
    struct err *e = dbg_step_targets(d, 0, dbg_frame(d), &a, &v, &n);
    if (e) {
        fail(e);
    } else {
        buf_str(&b, "{\"targets\":[");
        for (size_t i = 0; i < n; i++) {
            buf_printf(&b, "%s{\"pc\":%llu,\"name\":", i ? "," : "", (unsigned long long)v[i].pc);
            quoted(&b, v[i].name);
            buf_char(&b, '}');
        }
        printf("%s]}\n", buf_text(&b));
    }
    buf_free(&b);
    arena_free(&a);
}

/* Without a number: tells. */
static void do_doom(char *rest)
{
    if (*rest) {
        long n = atol(word(&rest));
        doomed_at(n, atoi(rest));
    }
    printf("{\"left\":%ld}\n", doomed_left());
}

/* False: the session is at its end. */
static bool command(char *line)
{
    char *rest = line, *whole = strdup(line);
    char *verb = word(&rest);
    bool more = true;
    if (strcmp(verb, "break") == 0)
        do_break(rest);
    else if (strcmp(verb, "watch") == 0 || strcmp(verb, "rwatch") == 0)
        do_watch(rest, *verb == 'r');
    else if (strcmp(verb, "change") == 0)
        do_change(rest);
    else if (strcmp(verb, "remove") == 0)
        answer(dbg_bp_remove(d, (unsigned)atoi(rest)));
    else if (strcmp(verb, "list") == 0)
        do_list();
    else if (strcmp(verb, "counts") == 0)
        do_counts(rest);
    else if (strcmp(verb, "run") == 0) {
        if (run(rest))
            ok();
    } else if (strcmp(verb, "wait") == 0)
        wait_for(*rest ? atoll(rest) * 1000000 : -1);
    else if (strcmp(verb, "interrupt") == 0) {
        dbg_interrupt(d);
        ok();
    } else if (strcmp(verb, "goroutine") == 0)
        answer(dbg_select(d, atoll(rest), 0));
    else if (strcmp(verb, "doom") == 0)
        do_doom(rest);
    else if (strcmp(verb, "giveup") == 0)
        answer(dbg_call_give_up(d));
    else if (strcmp(verb, "call") == 0 || strcmp(verb, "runcall") == 0) {
        if (call(rest) && *verb == 'c')
            wait_for(-1);
        else if (*verb == 'r')
            ok();
    } else if (strcmp(verb, "print") == 0)
        do_print(rest);
    else if (strcmp(verb, "set") == 0)
        do_set(rest);
    else if (strcmp(verb, "frames") == 0)
        do_frames();
    else if (strcmp(verb, "targets") == 0)
        do_targets();
    else if (strcmp(verb, "disassemble") == 0)
        do_disassemble(strtoull(rest, NULL, 0));
    else if (strcmp(verb, "goto") == 0)
        answer(dbg_goto(d, 0, strtoull(rest, NULL, 0), true));
    else if (strcmp(verb, "hold") == 0 || strcmp(verb, "release") == 0)
        answer(dbg_hold(d, atoll(rest), *verb == 'h'));
    else if (strcmp(verb, "restart") == 0) {
        answer(dbg_restart(d, NULL));
        over = false;
    } else if (strcmp(verb, "kill") == 0 || strcmp(verb, "detach") == 0) {
        dbg_close(d, *verb == 'k' ? DEBUG_KILL : DEBUG_LET_GO);
        ok();
        more = false;
    } else if (run(whole))
        wait_for(-1);
    free(whole);
    return more;
}

static int session(void)
{
    char *line = NULL;
    size_t cap = 0;
    ok();
    fflush(stdout);
    while (getline(&line, &cap, stdin) > 0) {
        line[strcspn(line, "\n")] = 0;
        bool more = command(line);
        fflush(stdout);
        if (!more) {
            free(line);
            return 0;
        }
    }
    free(line);
    dbg_close(d, DEBUG_KILL);
    return 0;
}

/* Our input is not the program's: of two readers, it might get what we are told. */
static int launch(char **argv)
{
    struct debug_launch how = {.exe = argv[0],
                               .argv = (const char *const *)argv,
                               .fd = {open("/dev/null", O_RDONLY | O_CLOEXEC), 2, 2},
                               .own_group = true};
    const char *map[3] = {getenv("DRIVE_MAP_FROM"), getenv("DRIVE_MAP_TO"), NULL};
    struct dbg_options o = {.stop_on_entry = getenv("DRIVE_ENTRY") != NULL,
                            .source_map = map[0] && map[1] ? map : NULL};
    struct err *e = dbg_launch(&how, &o, &d);
    return e ? fail(e) : session();
}

static int attach(const char *pid)
{
    struct err *e = dbg_attach(atoi(pid), NULL, &d);
    return e ? fail(e) : session();
}

static int core(const char *path, const char *exe)
{
    struct err *e = dbg_core(path, exe, NULL, &d);
    return e ? fail(e) : session();
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "place") == 0)
        return places(argc - 2, argv + 2);
    if (argc >= 3 && strcmp(argv[1], "launch") == 0)
        return launch(argv + 2);
    if (argc == 4 && strcmp(argv[1], "core") == 0)
        return core(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "attach") == 0)
        return attach(argv[2]);
    fprintf(stderr, "usage: dbg_drive place|launch|attach ...\n");
    return 2;
}

/* debug_goroutines.c - goroutines and threads of the terminal debugger.
 *
 * Listing one by one reads what it shows and no more.  Filters and groups are those of
 * `gospect goroutines`, over a snapshot of this instant. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/text.h"
#include "front/cli/debug_int.h"
#include "report/goroutines.h"
#include "snap/filter.h"

enum { FRAMES_LOOKED_AT = 64, STACK_DEPTH = 10 };

enum look { LOOK_USER, LOOK_CURRENT, LOOK_CREATED, LOOK_START };

struct list {
    enum look look;
    bool stacks, all;
    uint64_t depth, limit;
    const char *group;
    VEC(struct snap_filter *) filters;
    bool by_filter;
    struct map chosen; /* ids that match */
    taddr chan;        /* 0: any */
    struct arena arena;
};

/* ---- filters ---- */

/* "-with label k=v" and the like, as users of Delve write them; else a filter of our own. */
static struct err *filter_text(struct list *l, const char *kind, char **rest, const char **ret)
{
    static const struct {
        const char *word, *filter;
        bool value;
    } rows[] = {{"running", "state=running", false},
                {"user", "!system", false},
                {"userloc", "func~\"%s\" || file~\"%s\"", true},
                {"curloc", "func~\"%s\" || file~\"%s\"", true},
                {"goloc", "creator~\"%s\"", true},
                {"startloc", "func~\"%s\"", true}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(kind, rows[i].word) != 0)
            continue;
        const char *v = rows[i].value ? shell_word(rest) : "";
        if (!v)
            return err_new(ERR_USAGE, "-with %s what?", kind);
        struct buf b = {0};
        for (const char *p = rows[i].filter; *p; p++) {
            bool here = p[0] == '%' && p[1] == 's';
            if (here)
                buf_str(&b, v);
            else
                buf_char(&b, *p);
            p += here;
        }
        *ret = arena_strdup(&l->arena, buf_text(&b));
        buf_free(&b);
        return NULL;
    }
    if (strcmp(kind, "label") == 0) {
        const char *v = shell_word(rest);
        if (!v)
            return err_new(ERR_USAGE, "-with label what?");
        *ret = arena_printf(&l->arena, "label.%s", v);
        return NULL;
    }
    *ret = kind;
    return NULL;
}

static struct err *add_filter(struct list *l, char **rest, bool with)
{
    const char *kind = shell_word(rest), *text = NULL;
    struct snap_filter *f;
    if (!kind)
        return err_hint(err_new(ERR_USAGE, "%s needs a filter", with ? "-with" : "-without"),
                        "for instance -with state=waiting, or -with label user=7");
    TRY(filter_text(l, kind, rest, &text));
    if (!with)
        text = arena_printf(&l->arena, "!(%s)", text);
    TRY(err_hint(snap_filter_compile(text, &f), "gospect help goroutines explains filters"));
    vec_push(&l->filters, f);
    return NULL;
}

static struct err *of_chan(struct shell *s, struct list *l, const char *text)
{
    struct dbg_value v;
    struct value_chan c;
    struct values *vs = rt_stand_values(dbg_stand(s->d), NULL);
    if (!text)
        return err_new(ERR_USAGE, "-chan needs an expression");
    TRY(shell_eval(s, text, &l->arena, &v));
    if (!vs || v.form != DBG_VALUE || !value_chan_of(vs, &v.v, &c) || !c.at)
        return err_new(ERR_USAGE, "%s is no channel that exists", text);
    l->chan = c.at;
    return NULL;
}

static struct err *parse(struct shell *s, struct list *l, char *rest)
{
    while (*shell_trim(rest)) {
        if (shell_flag(&rest, "-u"))
            l->look = LOOK_USER;
        else if (shell_flag(&rest, "-r"))
            l->look = LOOK_CURRENT;
        else if (shell_flag(&rest, "-g"))
            l->look = LOOK_CREATED;
        else if (shell_flag(&rest, "-s"))
            l->look = LOOK_START;
        else if (shell_flag(&rest, "-a"))
            l->all = true;
        else if (shell_flag(&rest, "-t")) {
            l->stacks = true;
            if (*rest >= '0' && *rest <= '9')
                TRY(shell_number(shell_word(&rest), "a depth", &l->depth));
        } else if (shell_flag(&rest, "-with") || shell_flag(&rest, "-w")) {
            TRY(add_filter(l, &rest, true));
        } else if (shell_flag(&rest, "-without") || shell_flag(&rest, "-wo")) {
            TRY(add_filter(l, &rest, false));
        } else if (shell_flag(&rest, "-group")) {
            l->group = shell_word(&rest);
            if (!l->group)
                l->group = "stack";
        } else if (shell_flag(&rest, "-chan")) {
            TRY(of_chan(s, l, shell_word(&rest)));
        } else if (shell_flag(&rest, "-limit")) {
            TRY(shell_number(shell_word(&rest), "a number of goroutines", &l->limit));
        } else {
            return shell_usage("goroutines");
        }
    }
    return NULL;
}

/* ---- over a snapshot ---- */

static struct err *to_shell(void *arg, const char *bytes, size_t n)
{
    struct buf b = {0};
    buf_add(&b, bytes, n);
    shell_say(arg, &b);
    buf_free(&b);
    return NULL;
}

static struct err *group_of(const char *word, enum snap_group_by *ret)
{
    for (int i = 0; i < SNAP_BY_COUNT; i++)
        if (strcmp(word, snap_group_by_name((enum snap_group_by)i)) == 0) {
            *ret = (enum snap_group_by)i;
            return NULL;
        }
    return err_new(ERR_USAGE, "-group: \"%s\" is none of stack, state, wait, creator, func, label",
                   word);
}

/* Goroutines that wait for the channel; by table wait. */
static bool waits_for(const struct snap *snap, uint32_t row, taddr chan)
{
    for (size_t i = 0; i < snap->wait.n; i++)
        if (snap->wait.goroutine[i] == row && snap->wait.addr[i] == chan)
            return true;
    return false;
}

static void only_chan(const struct snap *snap, struct snap_rows *rows, taddr chan)
{
    size_t kept = 0;
    for (size_t i = 0; i < rows->n; i++)
        if (waits_for(snap, rows->v[i], chan))
            rows->v[kept++] = rows->v[i];
    rows->n = kept;
}

static struct err *say_groups(struct shell *s, const struct list *l, const struct snap *snap,
                              struct snap_rows *rows, int64_t began)
{
    struct snap_group_options o = {.sort = SNAP_SORT_COUNT};
    struct snap_groups *groups;
    TRY(group_of(l->group, &o.by));
    TRY(snap_group(snap, rows, &o, &groups));
    struct report_goroutines r = {.snap = snap,
                                  .rows = rows,
                                  .groups = groups,
                                  .limit = l->limit ? l->limit : REPORT_LIMIT_DEFAULT,
                                  .depth = (unsigned)l->depth,
                                  .filtered = l->by_filter,
                                  .wall_ns = clock_mono_ns() - began};
    struct report_style style = {.width = s->c->term.width, .color = s->c->term.color};
    struct err *e = report_goroutines_text(&r, &style, (struct report_sink){to_shell, s});
    snap_groups_free(groups);
    return e;
}

static struct err *over_snapshot(struct shell *s, struct list *l)
{
    struct rt_capture_options o = {.progress = &s->c->progress.base, .names = l->chan != 0};
    struct snap_selection sel = {.filters = (const struct snap_filter *const *)l->filters.v,
                                 .nfilters = l->filters.n,
                                 .system = l->all};
    struct snap_rows rows = {0};
    struct snap *snap = NULL;
    int64_t began = clock_mono_ns();
    TRY(dbg_snapshot(s->d, &o, &snap));
    struct err *e = snap_select(snap, &sel, &rows);
    if (!e && l->chan)
        only_chan(snap, &rows, l->chan);
    if (!e && l->group)
        e = say_groups(s, l, snap, &rows, began);
    for (size_t i = 0; !e && !l->group && i < rows.n; i++)
        map_put(&l->chosen, (uint64_t)snap->goroutine.id[rows.v[i]], 1);
    snap_rows_free(&rows);
    snap_free(snap);
    return e;
}

/* ---- one by one ---- */

static const struct rt_frame *own_frame(const struct rt_frames *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (!f->v[i].runtime && !f->v[i].wrapper && *f->v[i].func)
            return &f->v[i];
    return f->n ? &f->v[0] : NULL;
}

static void say_place_of(struct shell *s, struct buf *b, const struct rt_frame *f)
{
    if (!f)
        return;
    show_func(b, *f->func ? f->func : "?");
    if (*f->file) {
        buf_str(b, " at ");
        show_place(s, b, f->file, f->line);
    }
}

static void say_state(struct shell *s, struct buf *b, const struct rt_goroutine *g)
{
    if (*g->wait_reason)
        text_clean(b, g->wait_reason);
    else
        buf_str(b, snap_gstatus_name((uint32_t)g->status));
    if (g->running && g->tid)
        buf_printf(b, " on thread %d", g->tid);
    if (dbg_holds(s->d, (int64_t)g->id))
        buf_str(b, ", held");
    if (g->locked)
        buf_str(b, ", locked to it");
    if (g->panicking)
        buf_str(b, ", panics");
}

static void say_labels(struct shell *s, struct buf *b, const struct rt_goroutine *g,
                       struct arena *a)
{
    struct rt_label *v;
    size_t n = 0;
    struct err *e = g->labels ? rt_labels(dbg_stand(s->d), g->labels, a, &v, &n) : NULL;
    for (size_t i = 0; !e && i < n; i++) {
        buf_str(b, i ? ", " : "  {");
        text_clean(b, v[i].key);
        buf_char(b, '=');
        text_clean(b, v[i].value);
    }
    if (!e && n)
        buf_char(b, '}');
    err_free(e);
}

static void say_goroutine(struct shell *s, struct buf *b, const struct rt_goroutine *g,
                          const struct list *l)
{
    struct arena a;
    struct rt_frames frames = {0};
    struct rt_frame at;
    bool code = l->look == LOOK_CREATED || l->look == LOOK_START;
    taddr pc = l->look == LOOK_CREATED ? g->gopc : g->startpc;
    arena_init(&a);
    size_t depth = l->stacks && l->depth >= FRAMES_LOOKED_AT ? (size_t)l->depth
                   : l->look == LOOK_CURRENT && !l->stacks   ? 1
                                                             : FRAMES_LOOKED_AT;
    struct err *e = code && !l->stacks ? NULL : shell_frames(s, g, depth, &a, &frames);
    bool here = (int64_t)g->id == dbg_goroutine(s->d);
    buf_printf(b, "%s%6llu  ", here ? "→ " : "  ", (unsigned long long)g->id);
    if (code) {
        if (pc && rt_where(dbg_stand(s->d), pc, l->look == LOOK_START, &at, 1))
            say_place_of(s, b, &at);
        else
            buf_char(b, '?');
    } else if (l->look == LOOK_CURRENT) {
        say_place_of(s, b, frames.n ? &frames.v[0] : NULL);
    } else {
        say_place_of(s, b, own_frame(&frames));
    }
    show_style(s, b, CLI_DIM);
    buf_str(b, "  (");
    say_state(s, b, g);
    buf_char(b, ')');
    show_style(s, b, CLI_PLAIN);
    say_labels(s, b, g, &a);
    buf_char(b, '\n');
    for (size_t i = 0; l->stacks && i < frames.n && i < l->depth; i++) {
        buf_str(b, "            ");
        say_place_of(s, b, &frames.v[i]);
        buf_char(b, '\n');
    }
    err_free(e);
    arena_free(&a);
}

static struct err *one_by_one(struct shell *s, struct list *l)
{
    const struct rt_goroutine *v;
    size_t n, shown = 0, system = 0, left = 0;
    struct buf b = {0};
    TRY(rt_goroutines(dbg_stand(s->d), &v, &n));
    for (size_t i = 0; i < n; i++) {
        if (l->by_filter && map_get(&l->chosen, v[i].id) == MAP_NONE)
            continue;
        if (v[i].system && !l->all && !l->by_filter) {
            system++;
            continue;
        }
        if ((l->limit && shown >= l->limit) || run_should_end()) {
            left++;
            continue;
        }
        say_goroutine(s, &b, &v[i], l);
        shown++;
        if (b.n > 1 << 16) {
            shell_say(s, &b);
            buf_clear(&b);
        }
    }
    text_count(&b, shown);
    buf_str(&b, shown == 1 ? " goroutine" : " goroutines");
    if (left)
        buf_printf(&b, ", %zu more left out by -limit", left);
    if (system)
        buf_printf(&b, ", and %zu of the runtime (-a shows them)", system);
    buf_char(&b, '\n');
    shell_say(s, &b);
    buf_free(&b);
    return NULL;
}

struct err *verb_goroutines(struct shell *s, char *rest)
{
    struct list l = {.depth = STACK_DEPTH};
    arena_init(&l.arena);
    struct err *e = parse(s, &l, rest);
    l.by_filter = l.filters.n > 0 || l.chan;
    if (!e && (l.by_filter || l.group))
        e = over_snapshot(s, &l);
    if (!e && !l.group)
        e = one_by_one(s, &l);
    for (size_t i = 0; i < l.filters.n; i++)
        snap_filter_free(l.filters.v[i]);
    vec_free(&l.filters);
    map_free(&l.chosen);
    arena_free(&l.arena);
    return e;
}

/* ---- one ---- */

static struct err *say_selected(struct shell *s)
{
    struct arena a;
    struct where w;
    struct buf b = {0};
    struct rt_frame at;
    arena_init(&a);
    struct err *e = shell_where(s, &a, FRAMES_LOOKED_AT, &w);
    if (!e && w.has_g) {
        buf_printf(&b, "goroutine %llu (", (unsigned long long)w.g.id);
        say_state(s, &b, &w.g);
        buf_char(&b, ')');
        say_labels(s, &b, &w.g, &a);
        buf_str(&b, "\n  now      ");
        say_place_of(s, &b, w.frames.n ? &w.frames.v[0] : NULL);
        buf_str(&b, "\n  program  ");
        say_place_of(s, &b, own_frame(&w.frames));
        if (w.g.gopc && rt_where(dbg_stand(s->d), w.g.gopc, false, &at, 1) && !at.wrapper) {
            buf_str(&b, "\n  created  ");
            say_place_of(s, &b, &at);
        }
        if (w.g.startpc && rt_where(dbg_stand(s->d), w.g.startpc, true, &at, 1)) {
            buf_str(&b, "\n  began in ");
            say_place_of(s, &b, &at);
        }
        buf_char(&b, '\n');
        shell_say(s, &b);
    }
    buf_free(&b);
    arena_free(&a);
    return e;
}

struct err *verb_goroutine(struct shell *s, char *rest)
{
    uint64_t id;
    int64_t was = dbg_goroutine(s->d);
    unsigned frame = s->frame;
    pid_t tid = s->tid;
    const char *word = shell_word(&rest), *command = shell_trim(rest);
    if (!word)
        return say_selected(s);
    TRY(shell_number(word, "the number of a goroutine", &id));
    if (!id || id > INT64_MAX)
        return err_new(ERR_USAGE, "there is no goroutine %s", word);
    TRY(shell_select(s, (int64_t)id, 0));
    if (!*command)
        return show_here(s, s->config.list_lines);
    struct err *e = shell_command(s, command);
    if (shell_state(s) == DBG_STANDS && was && dbg_goroutine(s->d) == (int64_t)id) {
        struct err *back = shell_select(s, was, frame);
        s->tid = tid;
        if (e)
            err_free(back);
        else
            e = back;
    }
    return e;
}

/* ---- threads ---- */

static void say_thread(struct shell *s, struct buf *b, const struct target_thread *t)
{
    struct rt_goroutine g;
    struct rt_frames frames = {0};
    struct arena a;
    arena_init(&a);
    struct err *e = rt_goroutine_of_thread(dbg_stand(s->d), t->tid, &g);
    bool has_g = !e && g.g;
    bool here = s->tid ? s->tid == t->tid : has_g && (int64_t)g.id == dbg_goroutine(s->d);
    err_free(e);
    e = rt_thread_frames(dbg_stand(s->d), t->tid, 1, &a, &frames);
    buf_printf(b, "%s%7d  ", here ? "→ " : "  ", t->tid);
    if (has_g)
        buf_printf(b, "goroutine %-5llu ", (unsigned long long)g.id);
    else
        buf_str(b, "idle            ");
    say_place_of(s, b, frames.n ? &frames.v[0] : NULL);
    buf_char(b, '\n');
    err_free(e);
    arena_free(&a);
}

struct err *verb_threads(struct shell *s, char *rest)
{
    struct target_thread *v;
    struct arena a;
    struct buf b = {0};
    size_t n;
    arena_init(&a);
    struct err *e = target_threads(dbg_target(s->d), &a, &v, &n);
    for (size_t i = 0; !e && i < n; i++)
        say_thread(s, &b, &v[i]);
    shell_say(s, &b);
    buf_free(&b);
    arena_free(&a);
    return e;
}

struct err *verb_hold(struct shell *s, char *rest)
{
    static const char off[] = "-off";
    const char *word = shell_word(&rest);
    bool on = !word || strcmp(word, off) != 0;
    uint64_t id = (uint64_t)dbg_goroutine(s->d);
    if (!on)
        word = shell_word(&rest);
    if (word)
        TRY(shell_number(word, "the number of a goroutine", &id));
    if (*shell_trim(rest))
        return shell_usage("hold");
    TRY(dbg_hold(s->d, (int64_t)id, on));
    if (on)
        shell_printf(s, "goroutine %llu stands while the others run, until hold -off %llu\n",
                     (unsigned long long)id, (unsigned long long)id);
    else
        shell_printf(s, "goroutine %llu runs with the others\n", (unsigned long long)id);
    return NULL;
}

struct err *verb_thread(struct shell *s, char *rest)
{
    uint64_t tid;
    struct arena a;
    struct target_thread *v;
    struct rt_goroutine g = {0};
    size_t n;
    bool found = false;
    TRY(shell_number(shell_word(&rest), "the number of a thread", &tid));
    arena_init(&a);
    struct err *e = target_threads(dbg_target(s->d), &a, &v, &n);
    for (size_t i = 0; !e && i < n; i++)
        found = found || (uint64_t)v[i].tid == tid;
    arena_free(&a);
    TRY(e);
    if (!found)
        return err_hint(err_new(ERR_NOT_FOUND, "there is no thread %llu", (unsigned long long)tid),
                        "the command threads lists them");
    TRY(rt_goroutine_of_thread(dbg_stand(s->d), (pid_t)tid, &g));
    if (g.g) {
        TRY(shell_select(s, (int64_t)g.id, 0));
    } else {
        s->tid = (pid_t)tid;
        s->frame = 0;
    }
    return show_here(s, s->config.list_lines);
}

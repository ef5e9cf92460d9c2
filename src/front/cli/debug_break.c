/* debug_break.c - breakpoints of the terminal debugger: made, changed, listed, told of. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "front/cli/debug_int.h"
#include "report/table.h"

enum { ADDRESSES_SHOWN = 8 };

struct err *bp_find(struct shell *s, const char *word, struct arena *a, struct dbg_bp *ret)
{
    struct dbg_bp *v;
    char *end;
    size_t n = dbg_bp_list(s->d, a, &v);
    if (!word)
        return err_hint(err_new(ERR_USAGE, "which breakpoint?"),
                        "the command breakpoints lists them");
    unsigned long id = strtoul(word, &end, 10);
    bool number = isdigit((unsigned char)*word) && !*end;
    for (size_t i = 0; i < n; i++)
        if (number ? v[i].id == id : *v[i].spec.name && strcmp(v[i].spec.name, word) == 0) {
            *ret = v[i];
            return NULL;
        }
    return err_hint(err_new(ERR_NOT_FOUND, "there is no breakpoint %s", word),
                    "the command breakpoints lists them");
}

static const char *kind_word(const struct dbg_bp *bp)
{
    switch (bp->spec.kind) {
    case DBG_BP_WATCH:
        return "watchpoint";
    case DBG_BP_PANIC:
        return "stop at panics";
    case DBG_BP_FATAL:
        return "stop at fatal errors";
    case DBG_BP_RECOVERED:
        return "stop at recovered panics";
    case DBG_BP_PLACE:
    case DBG_BP_GC:
        break;
    }
    return bp->spec.trace ? "trace" : *bp->spec.log ? "log point" : "breakpoint";
}

/* "breakpoint 4 (grown)"; those that always exist have no number. */
static void put_name(struct buf *b, const struct dbg_bp *bp)
{
    buf_str(b, kind_word(bp));
    if (!dbg_bp_always(bp->id))
        buf_printf(b, " %u", bp->id);
    if (*bp->spec.name)
        buf_printf(b, " (%s)", bp->spec.name);
}

void bp_describe(struct shell *s, struct buf *b, unsigned id, int64_t goroutine)
{
    struct arena a;
    struct dbg_bp *v;
    arena_init(&a);
    size_t n = dbg_bp_list(s->d, &a, &v);
    for (size_t i = 0; i < n; i++) {
        if (v[i].id != id)
            continue;
        put_name(b, &v[i]);
        if (v[i].spec.kind == DBG_BP_WATCH) {
            buf_str(b, " on ");
            text_clean(b, v[i].spec.place);
        }
        if (v[i].hits > 1)
            buf_printf(b, ", hit %llu times", (unsigned long long)v[i].hits);
        if (*v[i].trouble) {
            buf_str(b, ", whose condition or message failed (");
            text_clean(b, v[i].trouble);
            buf_char(b, ')');
        }
        if (v[i].spec.hits_per_goroutine && goroutine)
            buf_printf(b, " (%llu in goroutine %lld)",
                       (unsigned long long)dbg_bp_goroutine_hits(s->d, id, goroutine),
                       (long long)goroutine);
        arena_free(&a);
        return;
    }
    buf_printf(b, "breakpoint %u", id); /* a temporary one is gone already */
    arena_free(&a);
}

/* "breakpoint 4 at main.add, lib/main.go:12 (3 places)". */
static void say_bp(struct shell *s, struct buf *b, const struct dbg_bp *bp)
{
    bool place = bp->spec.kind == DBG_BP_PLACE;
    put_name(b, bp);
    if (place && bp->naddrs) {
        buf_str(b, " in ");
        show_func(b, bp->function);
        buf_str(b, " at ");
        show_place(s, b, bp->file, (int32_t)bp->line);
        if (bp->naddrs > 1)
            buf_printf(b, " (%zu places)", bp->naddrs);
    } else if (place || bp->spec.kind == DBG_BP_WATCH) {
        buf_str(b, place ? " at " : " on ");
        text_clean(b, bp->spec.place);
    }
    if (bp->waits)
        buf_str(b, ", not there yet");
    if (bp->spec.off)
        buf_str(b, ", off");
    if (*bp->note) {
        buf_str(b, ": ");
        text_clean(b, bp->note);
    }
    buf_char(b, '\n');
}

static struct err *say_one(struct shell *s, unsigned id)
{
    struct arena a;
    struct dbg_bp bp;
    char word[16];
    struct buf b = {0};
    arena_init(&a);
    snprintf(word, sizeof(word), "%u", id);
    struct err *e = bp_find(s, word, &a, &bp);
    if (!e)
        say_bp(s, &b, &bp);
    shell_say(s, &b);
    buf_free(&b);
    arena_free(&a);
    return e;
}

void bp_say_event(struct shell *s, unsigned id)
{
    struct arena a;
    struct dbg_bp bp;
    char word[16];
    struct buf b = {0};
    arena_init(&a);
    snprintf(word, sizeof(word), "%u", id);
    struct err *e = bp_find(s, word, &a, &bp);
    bool found = !e && bp.spec.pending && !bp.waits;
    if (!e && (found || *bp.trouble)) { /* nothing else is news */
        say_bp(s, &b, &bp);
        if (*bp.trouble) {
            buf_str(&b, "  ");
            text_clean(&b, bp.trouble);
            buf_char(&b, '\n');
        }
        shell_say(s, &b);
    }
    err_free(e); /* a temporary one is gone: nothing to say */
    buf_free(&b);
    arena_free(&a);
}

/* ---- making ---- */

/* " if CONDITION" at the end; the text before it is cut off. */
static const char *take_condition(char *rest)
{
    char *at = strstr(rest, " if ");
    if (strncmp(rest, "if ", 3) == 0)
        at = rest;
    if (!at)
        return NULL;
    const char *condition = at + (at == rest ? 3 : 4);
    *at = 0;
    return condition;
}

static bool is_name(const char *p, size_t n)
{
    if (!n || !(isalpha((unsigned char)*p) || *p == '_'))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)p[i]) && p[i] != '_' && p[i] != '-')
            return false;
    return true;
}

/* "NAME PLACE": a place never begins with a name and a blank. */
static const char *take_name(char **rest)
{
    size_t n = strcspn(*rest, " \t");
    if (!(*rest)[n] || !is_name(*rest, n))
        return NULL;
    return shell_word(rest);
}

/* The place where the user is, when none is given. */
static struct err *here(struct shell *s, struct arena *a, const char **ret)
{
    struct where w;
    TRY(shell_where(s, a, 1, &w));
    if (!w.frame || !*w.frame->file)
        return err_new(ERR_USAGE, "there is no line here: say a place");
    *ret = arena_printf(a, "%s:%d", w.frame->file, w.frame->line);
    return NULL;
}

/* What is relative means where the user is: dbg does not know that. */
static struct err *absolute(struct shell *s, const char *place, struct arena *a, const char **ret)
{
    struct places p;
    *ret = place;
    if (place[strspn(place, "+-0123456789")])
        return NULL;
    TRY(shell_place(s, place, a, &p));
    if (p.n)
        *ret = arena_printf(a, "%s:%u", p.v[0].file, p.v[0].line);
    return NULL;
}

static struct err *add(struct shell *s, char *rest, struct dbg_bp_spec *spec)
{
    struct arena a;
    unsigned id = 0;
    arena_init(&a);
    spec->pending = shell_flag(&rest, "-pending");
    spec->condition = take_condition(rest);
    rest = shell_trim(rest);
    spec->name = take_name(&rest);
    struct err *e = *rest ? absolute(s, rest, &a, &spec->place) : here(s, &a, &spec->place);
    if (!e)
        e = dbg_bp_add(s->d, spec, &id);
    arena_free(&a);
    TRY(e);
    return say_one(s, id);
}

struct err *verb_break(struct shell *s, char *rest)
{
    struct dbg_bp_spec spec = {.kind = DBG_BP_PLACE};
    return add(s, rest, &spec);
}

struct err *verb_tbreak(struct shell *s, char *rest)
{
    struct dbg_bp_spec spec = {.kind = DBG_BP_PLACE, .temporary = true};
    return add(s, rest, &spec);
}

struct err *verb_trace(struct shell *s, char *rest)
{
    struct dbg_bp_spec spec = {.kind = DBG_BP_PLACE, .trace = true};
    if (!*shell_trim(rest))
        return shell_usage("trace");
    return add(s, rest, &spec);
}

struct err *verb_log(struct shell *s, char *rest)
{
    char *place = shell_word(&rest);
    struct dbg_bp_spec spec = {.kind = DBG_BP_PLACE, .log = shell_trim(rest)};
    if (!place || !*spec.log)
        return shell_usage("log");
    return add(s, place, &spec);
}

struct err *verb_watch(struct shell *s, char *rest)
{
    struct dbg_bp_spec spec = {.kind = DBG_BP_WATCH, .access = DEBUG_WRITES};
    unsigned id = 0;
    if (shell_flag(&rest, "-rw") || shell_flag(&rest, "-r"))
        spec.access = DEBUG_READS_AND_WRITES; /* the processor cannot tell reads alone */
    else
        shell_flag(&rest, "-w");
    spec.place = shell_trim(rest);
    if (!*spec.place)
        return shell_usage("watch");
    TRY(dbg_bp_add(s->d, &spec, &id));
    return say_one(s, id);
}

/* ---- changing ---- */

/* The breakpoint a command is about, and its spec to be changed: texts are the arena's. */
static struct err *take_bp(struct shell *s, char **rest, struct arena *a, struct dbg_bp *ret)
{
    return bp_find(s, shell_word(rest), a, ret);
}

struct err *verb_condition(struct shell *s, char *rest)
{
    struct arena a;
    struct dbg_bp bp;
    bool clear = shell_flag(&rest, "-clear"), per = shell_flag(&rest, "-per-g-hitcount");
    bool hits = shell_flag(&rest, "-hitcount");
    if (!*shell_trim(rest))
        return shell_usage("condition");
    arena_init(&a);
    struct err *e = take_bp(s, &rest, &a, &bp);
    const char *text = shell_trim(rest);
    if (!e && !clear && !*text)
        e = shell_usage("condition");
    if (!e) {
        if (clear)
            bp.spec.condition = bp.spec.hits = "";
        else if (hits || per)
            bp.spec.hits = text;
        else
            bp.spec.condition = text;
        if (clear || hits || per)
            bp.spec.hits_per_goroutine = per;
        e = dbg_bp_change(s->d, bp.id, &bp.spec);
    }
    arena_free(&a);
    return e;
}

struct err *verb_toggle(struct shell *s, char *rest)
{
    struct arena a;
    struct dbg_bp bp;
    arena_init(&a);
    struct err *e = take_bp(s, &rest, &a, &bp);
    unsigned id = e ? 0 : bp.id;
    if (!e) {
        bp.spec.off = !bp.spec.off;
        e = dbg_bp_change(s->d, bp.id, &bp.spec);
    }
    arena_free(&a);
    TRY(e);
    return say_one(s, id);
}

static void forget_ons(struct shell *s, unsigned id)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->ons.n; i++) {
        if (s->ons.v[i].bp == id)
            free(s->ons.v[i].command);
        else
            s->ons.v[kept++] = s->ons.v[i];
    }
    s->ons.n = kept;
}

static struct err *remove_bp(struct shell *s, const struct dbg_bp *bp)
{
    struct buf b = {0};
    if (dbg_bp_always(bp->id))
        return err_hint(err_new(ERR_USAGE, "the %s is always there", kind_word(bp)),
                        "the command toggle %s switches it off", bp->spec.name);
    buf_str(&b, "removed ");
    say_bp(s, &b, bp);
    struct err *e = dbg_bp_remove(s->d, bp->id);
    if (!e) {
        forget_ons(s, bp->id);
        shell_say(s, &b);
    }
    buf_free(&b);
    return e;
}

struct err *verb_clear(struct shell *s, char *rest)
{
    struct arena a;
    struct dbg_bp bp;
    arena_init(&a);
    struct err *e = take_bp(s, &rest, &a, &bp);
    if (!e)
        e = remove_bp(s, &bp);
    arena_free(&a);
    return e;
}

static bool is_at(const struct dbg_bp *bp, const struct places *p)
{
    for (size_t i = 0; i < bp->naddrs; i++)
        for (size_t k = 0; k < p->n; k++)
            if (bp->addrs[i] == p->v[k].pc)
                return true;
    return false;
}

struct err *verb_clearall(struct shell *s, char *rest)
{
    struct arena a;
    struct dbg_bp *v;
    struct places p = {0};
    const char *place = shell_trim(rest);
    arena_init(&a);
    struct err *e = *place ? shell_place(s, place, &a, &p) : NULL;
    size_t n = e ? 0 : dbg_bp_list(s->d, &a, &v);
    for (size_t i = 0; !e && i < n; i++)
        if (!dbg_bp_always(v[i].id) && (!*place || is_at(&v[i], &p)))
            e = remove_bp(s, &v[i]);
    arena_free(&a);
    return e;
}

/* ---- on ---- */

static void list_ons(struct shell *s, unsigned id, const char *word)
{
    for (size_t i = 0; i < s->ons.n; i++)
        if (s->ons.v[i].bp == id)
            shell_printf(s, "  on %s %s\n", word, s->ons.v[i].command);
}

/* As the user writes it. */
static const char *word_of(const struct dbg_bp *bp, struct arena *a)
{
    return dbg_bp_always(bp->id) ? bp->spec.name : arena_printf(a, "%u", bp->id);
}

static struct err *do_something(struct shell *s, unsigned id, const char *word, const char *what)
{
    size_t n = strcspn(what, " \t");
    if (!n) {
        list_ons(s, id, word);
        return NULL;
    }
    if (strcmp(what, "-clear") == 0) {
        forget_ons(s, id);
        return NULL;
    }
    const struct verb *v = debug_verb_find(what, n);
    if (!v || v->flags & VERB_STEP)
        return err_hint(err_new(ERR_USAGE, "on: \"%.*s\" cannot be run at a stop", (int)n, what),
                        "write for instance on %s print x", word);
    struct shell_on on = {id, mem_strdup(what)};
    vec_push(&s->ons, on);
    return NULL;
}

struct err *verb_on(struct shell *s, char *rest)
{
    struct arena a;
    struct dbg_bp bp;
    if (!*shell_trim(rest))
        return shell_usage("on");
    arena_init(&a);
    struct err *e = take_bp(s, &rest, &a, &bp);
    if (!e)
        e = do_something(s, bp.id, word_of(&bp, &a), shell_trim(rest));
    arena_free(&a);
    return e;
}

void bp_run_ons(struct shell *s, const struct dbg_event *ev)
{
    VEC(char *) commands = {0}; /* a command may change the list */
    for (size_t k = 0; k < ev->nbps; k++)
        for (size_t i = 0; i < s->ons.n; i++)
            if (s->ons.v[i].bp == ev->bps[k])
                vec_push(&commands, mem_strdup(s->ons.v[i].command));
    for (size_t i = 0; i < commands.n; i++) {
        struct err *e = shell_command(s, commands.v[i]);
        if (e)
            shell_error(s, err_wrap(e, "on: %s", commands.v[i]));
        free(commands.v[i]);
    }
    vec_free(&commands);
}

/* ---- listing ---- */

static void say_details(struct shell *s, struct buf *b, const struct dbg_bp *bp, bool all)
{
    const struct dbg_bp_spec *o = &bp->spec;
    const struct {
        const char *what, *text;
    } rows[] = {
        {"if", o->condition}, {"hits", o->hits}, {"says", o->log}, {"trouble", bp->trouble}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (*rows[i].text) {
            buf_printf(b, "    %s ", rows[i].what);
            text_clean(b, rows[i].text);
            buf_str(b, i == 1 && o->hits_per_goroutine ? " in each goroutine\n" : "\n");
        }
    if (bp->met)
        buf_printf(b, "    hit %llu times", (unsigned long long)bp->hits);
    if (bp->met != bp->hits)
        buf_printf(b, " of %llu that the place was passed", (unsigned long long)bp->met);
    buf_str(b, bp->met ? "\n" : "");
    for (size_t i = 0; all && i < bp->naddrs; i++)
        buf_printf(b, "    %#llx\n", (unsigned long long)bp->addrs[i]);
    for (size_t i = 0; i < s->ons.n; i++)
        if (s->ons.v[i].bp == bp->id)
            buf_printf(b, "    does %s\n", s->ons.v[i].command);
}

struct err *verb_breakpoints(struct shell *s, char *rest)
{
    bool all = shell_flag(&rest, "-a");
    struct arena a;
    struct dbg_bp *v;
    struct buf b = {0};
    arena_init(&a);
    size_t n = dbg_bp_list(s->d, &a, &v);
    for (size_t i = 0; i < n; i++) {
        if (dbg_bp_always(v[i].id) && !all)
            continue;
        say_bp(s, &b, &v[i]);
        say_details(s, &b, &v[i], all);
    }
    if (!b.n)
        buf_str(&b, "no breakpoints\n");
    shell_say(s, &b);
    buf_free(&b);
    arena_free(&a);
    return NULL;
}

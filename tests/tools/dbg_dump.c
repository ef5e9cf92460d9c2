/* dbg_dump.c - what dbg/ and rt/frames.h say of a core or of a frozen copy of a process, as JSON
 * lines, for the end-to-end tests.
 *
 *     dbg_dump core FILE | pid PID  COMMAND...
 *         goroutines            one line each
 *         frames ID             of a goroutine; 0: of all
 *         vars ID FRAME         variables of a frame, with children
 *         names vars|funcs|types|files REGEX
 *         eval ID FRAME EXPR... one result each; ID 0: no goroutine
 *         set ID FRAME TO FROM  what would be written to set one to the other
 *         hits ID FRAME N EXPR  how long a condition takes, evaluated N times as by a handler
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "dbg/expr.h"

struct session {
    struct target *live, *t;
    struct rt *rt;
    struct rt_stand *st;
    struct arena a;
    struct json j;
};

static struct err *to_stdout(void *arg, const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, stdout) == n ? NULL : err_new(ERR_SYS, "cannot write");
}

static struct err *print_goroutines(struct session *s)
{
    const struct rt_goroutine *gs;
    size_t n;
    TRY(rt_goroutines(s->st, &gs, &n));
    json_begin(&s->j, '[');
    for (size_t i = 0; i < n; i++) {
        const struct rt_goroutine *g = &gs[i];
        struct rt_frame start;
        json_begin(&s->j, '{');
        json_ku64(&s->j, "id", g->id);
        json_kstr(&s->j, "status", snap_gstatus_name(g->status));
        json_kstr(&s->j, "reason", g->wait_reason);
        json_ku64(&s->j, "tid", (uint64_t)g->tid);
        json_ku64(&s->j, "system", g->system);
        rt_where(s->st, g->startpc, true, &start, 1);
        json_kstr(&s->j, "start", start.func);
        json_end(&s->j, '}');
    }
    json_end(&s->j, ']');
    return NULL;
}

static void put_frame(struct session *s, const struct rt_frame *f)
{
    json_begin(&s->j, '{');
    json_kstr(&s->j, "func", f->func);
    json_kstr(&s->j, "file", f->file);
    json_ku64(&s->j, "line", (uint64_t)f->line);
    json_ku64(&s->j, "pc", f->pc);
    json_ku64(&s->j, "cfa", f->cfa);
    json_ku64(&s->j, "inlined", f->inlined);
    json_ku64(&s->j, "wrapper", f->wrapper);
    json_ku64(&s->j, "defers", f->defers);
    json_ku64(&s->j, "stack", f->stack);
    json_end(&s->j, '}');
}

static struct err *frames_of(struct session *s, uint64_t id, struct rt_frames *ret)
{
    const struct rt_goroutine *g;
    TRY(rt_goroutine_by_id(s->st, id, &g));
    return rt_goroutine_frames(s->st, g->g, 0, &s->a, ret);
}

static struct err *print_frames(struct session *s, uint64_t id)
{
    const struct rt_goroutine *gs;
    size_t n;
    struct rt_frames frames;
    TRY(rt_goroutines(s->st, &gs, &n));
    json_begin(&s->j, '[');
    for (size_t i = 0; i < n; i++) {
        if (id && gs[i].id != id)
            continue;
        struct err *e = rt_goroutine_frames(s->st, gs[i].g, 0, &s->a, &frames);
        json_begin(&s->j, '{');
        json_ku64(&s->j, "id", gs[i].id);
        json_kstr(&s->j, "why", e ? err_message(e) : frames.partial ? frames.partial : "");
        json_key(&s->j, "frames");
        json_begin(&s->j, '[');
        for (size_t k = 0; !e && k < frames.n; k++)
            put_frame(s, &frames.v[k]);
        json_end(&s->j, ']');
        json_end(&s->j, '}');
        err_free(e);
    }
    json_end(&s->j, ']');
    return NULL;
}

static void put_value(struct session *s, const struct dbg_value *v, unsigned depth)
{
    struct buf b = {0};
    struct dbg_count count;
    struct dbg_value *children;
    size_t n;
    dbg_value_text(s->st, v, &value_limits_typed, &b);
    dbg_value_count(s->st, v, &count);
    json_begin(&s->j, '{');
    json_kstr(&s->j, "name", v->name ? v->name : "");
    json_kstr(&s->j, "type", v->type ? v->type : "");
    json_kstr(&s->j, "path", v->path ? v->path : "");
    json_kstr(&s->j, "value", buf_text(&b));
    json_kstr(&s->j, "why", v->why ? v->why : "");
    json_ku64(&s->j, "kind", v->is_var ? v->var_kind : 99);
    json_ku64(&s->j, "named", count.named);
    json_ku64(&s->j, "indexed", count.indexed);
    buf_free(&b);
    if (depth) {
        json_key(&s->j, "children");
        json_begin(&s->j, '[');
        struct err *e = dbg_value_children(s->st, v, 0, 100, false, &s->a, &children, &n);
        for (size_t i = 0; !e && i < n; i++)
            put_value(s, &children[i], depth - 1);
        err_free(e);
        json_end(&s->j, ']');
    }
    json_end(&s->j, '}');
}

static struct err *print_vars(struct session *s, uint64_t id, size_t frame)
{
    struct rt_frames frames;
    struct rt_var *vars;
    size_t n;
    TRY(frames_of(s, id, &frames));
    json_begin(&s->j, '[');
    for (size_t k = 0; k < frames.n; k++) {
        if (frame != SIZE_MAX && k != frame)
            continue;
        struct err *e = rt_vars(s->st, &frames.v[k], &s->a, &vars, &n);
        json_begin(&s->j, '{');
        json_kstr(&s->j, "func", frames.v[k].func);
        json_kstr(&s->j, "why", e ? err_message(e) : "");
        json_key(&s->j, "vars");
        json_begin(&s->j, '[');
        for (size_t i = 0; !e && i < n; i++) {
            struct dbg_value v;
            dbg_value_of_var(&vars[i], &v);
            put_value(s, &v, frame == SIZE_MAX ? 0 : 2);
        }
        json_end(&s->j, ']');
        json_end(&s->j, '}');
        err_free(e);
    }
    json_end(&s->j, ']');
    return NULL;
}

static struct err *print_names(struct session *s, const char *what, const char *pattern)
{
    static const char *const kinds[] = {"vars", "funcs", "types", "files"};
    struct regex *re = NULL;
    const char *const *names;
    size_t n, kind = 0;
    while (kind < ARRAY_LEN(kinds) - 1 && strcmp(kinds[kind], what) != 0)
        kind++;
    TRY(regex_compile(pattern, &re, NULL));
    struct err *e = rt_names(s->st, (enum rt_names)kind, re, &s->a, &names, &n);
    regex_free(re);
    if (e)
        return e;
    json_begin(&s->j, '[');
    for (size_t i = 0; i < n; i++)
        json_str(&s->j, names[i]);
    json_end(&s->j, ']');
    return NULL;
}

static struct err *context(struct session *s, uint64_t id, size_t frame, struct expr_ctx *ret)
{
    const struct rt_goroutine *g;
    struct rt_frames frames;
    *ret = (struct expr_ctx){.st = s->st, .arena = &s->a};
    if (!id)
        return NULL;
    TRY(rt_goroutine_by_id(s->st, id, &g));
    TRY(rt_goroutine_frames(s->st, g->g, 0, &s->a, &frames));
    if (frame >= frames.n)
        return err_new(ERR_NOT_FOUND, "there are %zu frames", frames.n);
    ret->frame = &frames.v[frame];
    ret->g = g->g;
    ret->tid = g->tid;
    return NULL;
}

static struct err *eval(struct session *s, uint64_t id, size_t frame, char **exprs)
{
    struct expr_ctx ctx;
    TRY(context(s, id, frame, &ctx));
    json_begin(&s->j, '[');
    for (; *exprs; exprs++) {
        struct dbg_value v;
        struct err *e = expr_once(&ctx, *exprs, &v);
        if (!e) {
            put_value(s, &v, 1);
            continue;
        }
        json_begin(&s->j, '{');
        json_kstr(&s->j, "name", *exprs);
        json_kstr(&s->j, "error", err_message(e));
        json_kstr(&s->j, "excerpt", err_excerpt_text(e) ? err_excerpt_text(e) : "");
        json_end(&s->j, '}');
        err_free(e);
    }
    json_end(&s->j, ']');
    return NULL;
}

static void put_write(struct session *s, const char *where, uint64_t at, const uint8_t *p, size_t n)
{
    struct buf hex = {0};
    for (size_t i = 0; i < n; i++)
        buf_printf(&hex, "%02x", p[i]);
    json_begin(&s->j, '{');
    json_ku64(&s->j, where, at);
    json_kstr(&s->j, "bytes", buf_text(&hex));
    json_end(&s->j, '}');
    buf_free(&hex);
}

static struct err *note_memory(void *arg, taddr addr, const void *src, size_t n)
{
    put_write(arg, "addr", addr, src, n);
    return NULL;
}

static struct err *note_reg(void *arg, unsigned reg, const void *src, size_t n)
{
    put_write(arg, "reg", reg, src, n);
    return NULL;
}

static struct err *set(struct session *s, uint64_t id, size_t frame, char **exprs)
{
    struct dbg_writer w = {.memory = note_memory, .reg = note_reg, .arg = s};
    struct dbg_value to, from;
    struct expr_ctx ctx;
    TRY(context(s, id, frame, &ctx));
    TRY(expr_once(&ctx, exprs[0], &to));
    TRY(expr_once(&ctx, exprs[1], &from));
    json_begin(&s->j, '[');
    struct err *e = dbg_value_set(s->st, &to, &from, &w);
    json_end(&s->j, ']');
    return e;
}

static struct err *hits(struct session *s, uint64_t id, size_t frame, size_t n, const char *text)
{
    struct expr_ctx ctx;
    struct expr *x;
    bool yes = false;
    size_t trues = 0;
    TRY(context(s, id, frame, &ctx));
    struct expr_place at = expr_place_of(ctx.frame);
    struct rt_frame copy = *ctx.frame;
    taddr g = ctx.g;
    TRY(expr_compile(s->st, &at, text, &x));
    struct err *e = expr_true(x, &ctx, &yes);
    int64_t began = clock_mono_ns();
    for (size_t i = 0; !e && i < n; i++) {
        rt_stand_moved(s->st, rt_stand_target(s->st));
        ctx.frame = &copy;
        ctx.g = g;
        e = expr_true(x, &ctx, &yes);
        trues += yes;
    }
    fprintf(stderr, "%zu of %zu, %.3f us each\n", trues, n,
            (double)(clock_mono_ns() - began) / 1000 / (double)n);
    expr_free(x);
    json_begin(&s->j, '{');
    json_end(&s->j, '}');
    return e;
}

static struct err *open_session(struct session *s, const char *kind, const char *what)
{
    bool core = strcmp(kind, "core") == 0;
    struct target_freeze_options o = {.vectors = true, .all_registers = true};
    TRY(core ? target_open_core(what, NULL, &s->live) : target_open_pid(atoi(what), &s->live));
    TRY(rt_open(s->live, &s->rt));
    if (!core)
        TRY(target_freeze(s->live, &o, &s->t));
    return rt_stand_open(s->rt, core ? s->live : s->t, &s->st);
}

static struct err *command(struct session *s, char **argv)
{
    if (strcmp(argv[0], "goroutines") == 0)
        return print_goroutines(s);
    if (strcmp(argv[0], "frames") == 0 && argv[1])
        return print_frames(s, strtoull(argv[1], NULL, 10));
    if (strcmp(argv[0], "vars") == 0 && argv[1])
        return print_vars(s, strtoull(argv[1], NULL, 10),
                          argv[2] ? strtoull(argv[2], NULL, 10) : SIZE_MAX);
    if (strcmp(argv[0], "names") == 0 && argv[1] && argv[2])
        return print_names(s, argv[1], argv[2]);
    if (strcmp(argv[0], "eval") == 0 && argv[1] && argv[2])
        return eval(s, strtoull(argv[1], NULL, 10), strtoull(argv[2], NULL, 10), argv + 3);
    if (strcmp(argv[0], "set") == 0 && argv[1] && argv[2] && argv[3] && argv[4])
        return set(s, strtoull(argv[1], NULL, 10), strtoull(argv[2], NULL, 10), argv + 3);
    if (strcmp(argv[0], "hits") == 0 && argv[1] && argv[2] && argv[3] && argv[4])
        return hits(s, strtoull(argv[1], NULL, 10), strtoull(argv[2], NULL, 10),
                    strtoull(argv[3], NULL, 10), argv[4]);
    return err_new(ERR_USAGE, "unknown command %s", argv[0]);
}

static void close_session(struct session *s)
{
    struct target_pause pause;
    rt_stand_close(s->st);
    if (s->t)
        err_free(target_thaw(s->t, &pause));
    rt_close(s->rt);
    target_close(s->live);
    arena_free(&s->a);
}

int main(int argc, char **argv)
{
    struct session s = {0};
    if (argc < 4) {
        fprintf(stderr, "usage: dbg_dump core|pid TARGET COMMAND...\n");
        return 2;
    }
    arena_init(&s.a);
    struct err *e = open_session(&s, argv[1], argv[2]);
    int64_t began = clock_mono_ns();
    json_init(&s.j, to_stdout, NULL);
    if (!e)
        e = command(&s, argv + 3);
    struct err *end = json_finish(&s.j);
    if (e)
        err_free(end);
    else
        e = end;
    if (getenv("DBG_DUMP_TIME"))
        fprintf(stderr, "%lld us\n", (long long)(clock_mono_ns() - began) / 1000);
    close_session(&s);
    if (!e)
        return 0;
    fprintf(stderr, "dbg_dump: %s\n", err_message(e));
    err_free(e);
    return 1;
}

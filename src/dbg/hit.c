/* hit.c - what happens at the site of a breakpoint: counting, the condition, the message.
 *
 * On the tracer thread, while the thread that met the site stands and all others run on.  Whoever
 * is not to stop costs two or three reads of memory. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "dbg/dbg_int.h"

enum { PARTS_MAX = 64, GOROUTINES_MAX = 1 << 20, LOG_MAX = 16 << 10, TRACE_ARGS_MAX = 16 };

static const struct value_limits log_limits = {
    .depth = 3, .pointers = 1, .elements = 16, .text = 1024, .width = 4096, .reads = 256};

/* ---- texts of the user ---- */

struct err *bp_parse_rule(const char *text, struct hit_rule *ret)
{
    static const struct {
        const char *text;
        enum hit_op op;
    } ops[] = {{"==", HITS_EQ}, {"!=", HITS_NE}, {">=", HITS_GE},   {"<=", HITS_LE},
               {">", HITS_GT},  {"<", HITS_LT},  {"%", HITS_EVERY}, {"", HITS_EQ}};
    *ret = (struct hit_rule){.op = HITS_ANY};
    text += strspn(text, " ");
    if (!*text)
        return NULL;
    size_t i = 0;
    while (strncmp(text, ops[i].text, strlen(ops[i].text)) != 0)
        i++;
    const char *number = text + strlen(ops[i].text);
    number += strspn(number, " ");
    char *end;
    ret->op = ops[i].op;
    ret->n = strtoull(number, &end, 10);
    end += strspn(end, " ");
    if (!isdigit((unsigned char)*number) || *end || (ret->op == HITS_EVERY && !ret->n))
        return err_hint(err_new(ERR_USAGE, "\"%s\" is not a condition on the number of hits", text),
                        "a number after one of == != > >= < <= %%");
    return NULL;
}

/* The end of an expression in a message: the brace that closes it, texts and inner braces skipped.
 */
static const char *closing_brace(const char *s)
{
    int open = 0;
    for (; *s; s++) {
        if (*s == '"' || *s == '`' || *s == '\'') {
            char quote = *s;
            for (s++; *s && *s != quote; s++)
                if (*s == '\\' && quote != '`' && s[1])
                    s++;
            if (!*s)
                return NULL;
        } else if (*s == '{') {
            open++;
        } else if (*s == '}' && open-- == 0) {
            return s;
        }
    }
    return NULL;
}

static void add_text(struct bp_plan *p, struct bp_site *s, const char *from, const char *to)
{
    if (to > from)
        s->parts[s->nparts++] =
            (struct log_part){.text = arena_strndup(&p->arena, from, (size_t)(to - from))};
}

static struct err *compile_message(struct dbg *d, struct bp_plan *p, struct bp_site *s,
                                   const struct expr_place *at)
{
    const char *m = p->spec.log, *from = m;
    s->parts = arena_array(&p->arena, struct log_part, 2 * PARTS_MAX + 1);
    for (; *m; m++) {
        if (m[0] == '\\' && (m[1] == '{' || m[1] == '}')) {
            add_text(p, s, from, m);
            from = ++m;
        } else if (*m == '{') {
            const char *end = closing_brace(m + 1);
            if (!end)
                return err_new(ERR_USAGE, "the message has no } for the { at byte %zu",
                               (size_t)(m - p->spec.log) + 1);
            if (s->nparts + 2 > 2 * PARTS_MAX)
                return err_new(ERR_LIMIT, "the message has more than %d parts", PARTS_MAX);
            add_text(p, s, from, m);
            struct log_part *part = &s->parts[s->nparts];
            part->source = arena_strndup(&p->arena, m + 1, (size_t)(end - m - 1));
            TRY(expr_compile(d->stand, at, part->source, &part->x));
            s->nparts++;
            m = end;
            from = end + 1;
        }
    }
    add_text(p, s, from, m);
    return NULL;
}

struct err *bp_compile(struct dbg *d, struct bp_plan *p, struct bp_site *s)
{
    struct expr_place at = {.pc = s->at.pc, .exact = true}; /* of a watchpoint: nowhere */
    struct values *values;
    if ((*p->spec.condition || *p->spec.log || p->spec.trace) &&
        (values = rt_stand_values(d->stand, NULL)))
        values_prepare(values); /* not while a thread waits at its first hit */
    if (strncmp(p->spec.condition, "lua:", 4) == 0)
        TRY(dbg_lua_condition(&at, p->spec.condition + 4, &s->lua));
    else if (*p->spec.condition)
        TRY(expr_compile(d->stand, &at, p->spec.condition, &s->condition));
    return *p->spec.log ? compile_message(d, p, s, &at) : NULL;
}

void bp_release(struct bp_site *s)
{
    expr_free(s->condition);
    dbg_lua_condition_free(s->lua);
    for (size_t i = 0; i < s->nparts; i++)
        expr_free(s->parts[i].x);
}

/* ---- a hit ---- */

struct meeting {
    struct bp_site *s;
    const struct debug_hit *hit;
    struct rt_stand *stand; /* of the thread that looks */
    struct arena *arena;
    struct rt_here here;
    struct rt_frame frame;
    bool asked; /* here was read, which costs a read of memory */
    bool ready; /* frame is there, the stand looks at now */
};

static const struct rt_here *here(struct meeting *m)
{
    struct dbg *d = m->s->bp->d;
    if (!m->asked && !rt_here(d->rt, debug_view(d->debug), m->hit->regs, &m->here))
        m->here = (struct rt_here){0};
    m->asked = true;
    return &m->here;
}

static struct expr_ctx context(struct meeting *m, const struct expr *x)
{
    struct dbg *d = m->s->bp->d;
    if (!m->ready) {
        rt_stand_moved(m->stand, debug_view(d->debug));
        m->ready = rt_frame_of_regs(m->stand, m->hit->regs, &m->frame);
    }
    return (struct expr_ctx){.st = m->stand,
                             .frame = m->ready ? &m->frame : NULL,
                             .g = !x || expr_asks_who(x) ? here(m)->g : 0,
                             .tid = m->hit->tid,
                             .arena = m->arena};
}

static void set_trouble(struct bp *bp, struct err *e)
{
    pthread_mutex_lock(&bp->lock);
    free(bp->trouble);
    bp->trouble = mem_strdup(err_message(e));
    bp->trouble_told = false;
    pthread_mutex_unlock(&bp->lock);
    err_free(e);
}

static void count(struct meeting *m, struct hit *h)
{
    struct bp *bp = m->s->bp;
    bool added = false;
    uint64_t goroutine = (uint64_t)here(m)->goroutine;
    pthread_mutex_lock(&bp->lock);
    h->hits = h->of_own = ++bp->hits;
    if (bp->counts.n < GOROUTINES_MAX || map_get(&bp->slot_of, goroutine) != MAP_NONE) {
        uint32_t slot = map_get_or_put(&bp->slot_of, goroutine, (uint32_t)bp->counts.n, &added);
        if (added)
            vec_push(&bp->counts, 0);
        h->of_own = ++bp->counts.v[slot];
    }
    pthread_mutex_unlock(&bp->lock);
}

static bool rule_holds(const struct bp_plan *p, const struct hit *h)
{
    const struct hit_rule *r = &p->rule;
    uint64_t n = p->spec.hits_per_goroutine ? h->of_own : h->hits;
    switch (r->op) {
    case HITS_EQ:
        return n == r->n;
    case HITS_NE:
        return n != r->n;
    case HITS_GT:
        return n > r->n;
    case HITS_GE:
        return n >= r->n;
    case HITS_LT:
        return n < r->n;
    case HITS_LE:
        return n <= r->n;
    case HITS_EVERY:
        return n % r->n == 0;
    default:
        return true;
    }
}

static void add_value(struct meeting *m, struct log_part *part, struct buf *b)
{
    struct expr_ctx ctx = context(m, part->x);
    struct dbg_value v;
    struct err *e = expr_eval(part->x, &ctx, &v);
    if (e)
        buf_printf(b, "{%s: %s}", part->source, err_message(e));
    else
        dbg_value_text(ctx.st, &v, &log_limits, b);
    err_free(e);
}

static void add_call(struct meeting *m, struct buf *b)
{
    struct expr_ctx ctx = context(m, NULL);
    struct rt_var *vars;
    size_t n = 0, shown = 0;
    buf_printf(b, "%s(", m->s->at.func);
    struct err *e = ctx.frame ? rt_vars(ctx.st, ctx.frame, ctx.arena, &vars, &n) : NULL;
    for (size_t i = 0; !e && i < n && shown < TRACE_ARGS_MAX; i++) {
        struct dbg_value v;
        if (vars[i].kind != RT_VAR_ARG)
            continue;
        dbg_value_of_var(&vars[i], &v);
        buf_printf(b, "%s%s=", shown++ ? ", " : "", vars[i].name);
        dbg_value_text(ctx.st, &v, &log_limits, b);
    }
    buf_char(b, ')');
    err_free(e);
}

static void say(struct meeting *m)
{
    struct bp *bp = m->s->bp;
    struct buf b;
    buf_init(&b, LOG_MAX);
    for (size_t i = 0; i < m->s->nparts; i++) {
        if (m->s->parts[i].text)
            buf_str(&b, m->s->parts[i].text);
        else
            add_value(m, &m->s->parts[i], &b);
    }
    if (m->s->plan->spec.trace && !m->s->nparts)
        add_call(m, &b);
    ring_put(bp->d->ring, &(struct ring_entry){.bp = bp->id,
                                               .goroutine = here(m)->goroutine,
                                               .tid = m->hit->tid,
                                               .pc = m->hit->addr,
                                               .text = b.n ? buf_take(&b) : mem_strdup("")});
    buf_free(&b);
}

/* Whether the condition holds; *ret_trouble: it cannot be told. */
static bool holds(struct meeting *m, bool *ret_trouble)
{
    bool yes = true;
    if (!m->s->condition && !m->s->lua)
        return true;
    struct expr_ctx ctx = context(m, m->s->condition);
    struct err *e =
        m->s->lua ? dbg_lua_true(m->s->lua, &ctx, &yes) : expr_true(m->s->condition, &ctx, &yes);
    *ret_trouble = e != NULL;
    if (e)
        set_trouble(m->s->bp, e);
    return yes && !*ret_trouble;
}

/* Whether somebody is to stop.  Counted is once. */
static bool judge(struct meeting *m, struct hit *h)
{
    const struct bp_plan *p = m->s->plan;
    h->trouble = false;
    if (p->spec.goroutine && p->spec.goroutine != here(m)->goroutine)
        return false;
    bool yes = holds(m, &h->trouble);
    if (!yes)
        return h->trouble;
    if (!h->hits)
        count(m, h);
    if (!rule_holds(p, h))
        return false;
    if (!*p->spec.log && !p->spec.trace)
        return true;
    say(m);
    return false;
}

enum debug_verdict bp_met(void *arg, const struct debug_hit *hit)
{
    struct bp_site *s = arg;
    struct bp *bp = s->bp;
    struct meeting m = {.s = s, .hit = hit, .stand = bp->d->hit_stand, .arena = &bp->d->hit_arena};
    struct hit h = {.tid = hit->tid, .bp = s};
    if (atomic_load(&bp->plan) != s->plan || atomic_load(&bp->muted))
        return DEBUG_GO_ON; /* being changed, or nobody wants to hear of it now */
    pthread_mutex_lock(&bp->lock);
    bp->met++;
    pthread_mutex_unlock(&bp->lock);
    bool stops = judge(&m, &h);
    if (stops)
        dbg_hit(bp->d, &h);
    arena_reset(&bp->d->hit_arena);
    return stops ? DEBUG_STOP : DEBUG_GO_ON;
}

bool bp_holds_still(struct dbg *d, struct hit *h)
{
    struct arch_regs regs;
    struct debug_hit hit = {.d = d->debug, .tid = h->tid, .addr = h->bp->at.pc, .regs = &regs};
    struct meeting m = {.s = h->bp, .hit = &hit, .stand = d->stand, .arena = &d->stop_arena};
    struct err *e = debug_regs(d->debug, h->tid, &regs);
    h->again = false;
    if (e) { /* the thread is no more */
        err_free(e);
        return false;
    }
    return judge(&m, h);
}

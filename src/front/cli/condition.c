/* condition.c - a condition on the quick counters of a process; see condition.h.
 *
 * It becomes a list of steps for a stack of numbers.  Every number has a kind (plain, bytes, time):
 * what cannot be compared is told when it is parsed, not when it should have been true. */
#include "front/cli/condition.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { STEPS_MAX = 64, DEPTH_MAX = 16, WORD_MAX = 40 };

/* PLAIN numbers go with everything; TRUTH is what comparisons yield. */
enum kind { PLAIN, BYTES, TIME, TRUTH };
static const char *const kind_names[] = {"a number", "bytes", "a time", "true or false"};

/* ---- counters ---- */

struct counter {
    const char *name;
    enum kind kind;
    double (*of)(const struct cli_counters *c);
};

#define COUNTER(id, what)                                                                          \
    static double get_##id(const struct cli_counters *c)                                           \
    {                                                                                              \
        return (double)(what);                                                                     \
    }
COUNTER(goroutines, c->pulse.goroutines)
COUNTER(goroutines_all, c->pulse.goroutines_all)
COUNTER(threads, c->pulse.threads)
COUNTER(idle_threads, c->pulse.idle_threads)
COUNTER(spinning_threads, c->pulse.spinning_threads)
COUNTER(procs, c->pulse.gomaxprocs)
COUNTER(idle_procs, c->pulse.idle_procs)
COUNTER(runq, c->pulse.runq_global + c->pulse.runq_local)
COUNTER(runq_global, c->pulse.runq_global)
COUNTER(runq_local, c->pulse.runq_local)
COUNTER(runq_local_max, c->pulse.runq_local_max)
COUNTER(heap, c->pulse.heap_alloc_bytes)
COUNTER(heap_live, c->pulse.heap_live_bytes)
COUNTER(heap_goal, c->pulse.heap_goal_bytes)
COUNTER(heap_inuse, c->pulse.heap_inuse_bytes)
COUNTER(alloc_total, c->pulse.total_alloc_bytes)
COUNTER(sys, c->pulse.sys_bytes)
COUNTER(rss, c->rss_bytes)
COUNTER(gc_cycles, c->pulse.gc_cycles)
COUNTER(gc_running, c->pulse.gc_running)
COUNTER(gc_pause, c->pulse.last_pause_ns > 0 ? c->pulse.last_pause_ns : 0)
#undef COUNTER

static const struct counter counters[] = {
    {"goroutines", PLAIN, get_goroutines},
    {"goroutines_all", PLAIN, get_goroutines_all},
    {"threads", PLAIN, get_threads},
    {"idle_threads", PLAIN, get_idle_threads},
    {"spinning_threads", PLAIN, get_spinning_threads},
    {"procs", PLAIN, get_procs},
    {"idle_procs", PLAIN, get_idle_procs},
    {"runq", PLAIN, get_runq},
    {"runq_global", PLAIN, get_runq_global},
    {"runq_local", PLAIN, get_runq_local},
    {"runq_local_max", PLAIN, get_runq_local_max},
    {"heap", BYTES, get_heap},
    {"heap_live", BYTES, get_heap_live},
    {"heap_goal", BYTES, get_heap_goal},
    {"heap_inuse", BYTES, get_heap_inuse},
    {"alloc_total", BYTES, get_alloc_total},
    {"sys", BYTES, get_sys},
    {"rss", BYTES, get_rss},
    {"gc_cycles", PLAIN, get_gc_cycles},
    {"gc_running", PLAIN, get_gc_running},
    {"gc_pause", TIME, get_gc_pause},
};

static const struct unit {
    const char *name;
    enum kind kind;
    double factor;
} units[] = {
    {"B", BYTES, 1},         {"kB", BYTES, 1e3},      {"KB", BYTES, 1e3},
    {"MB", BYTES, 1e6},      {"GB", BYTES, 1e9},      {"TB", BYTES, 1e12},
    {"KiB", BYTES, 1 << 10}, {"MiB", BYTES, 1 << 20}, {"GiB", BYTES, 1 << 30},
    {"TiB", BYTES, 0x1p40},  {"ns", TIME, 1},         {"us", TIME, 1e3},
    {"ms", TIME, 1e6},       {"s", TIME, 1e9},        {"min", TIME, 60e9},
    {"h", TIME, 3600e9},     {"k", PLAIN, 1e3},       {"M", PLAIN, 1e6},
};

/* ---- what it becomes ---- */

enum op { NUMBER, COUNTER, TIMES, EQ, NE, LT, LE, GT, GE, NOT, AND, OR };

struct step {
    enum op op;
    double number;
    const struct counter *counter;
};

struct cli_condition {
    struct step v[STEPS_MAX];
    size_t n;
};

struct parser {
    const char *text, *p;
    struct cli_condition *c;
    unsigned depth;
};

static struct err *wrong(const struct parser *s, const char *expected)
{
    return err_hint(
        err_new(ERR_USAGE, "--when: %s expected at byte %zu of \"%s\"", expected,
                (size_t)(s->p - s->text) + 1, s->text),
        "For instance goroutines>5000 || heap>2GiB; gospect help snapshot has the counters");
}

static struct err *add(struct parser *s, const struct step *step)
{
    if (s->c->n == STEPS_MAX)
        return err_new(ERR_USAGE, "--when: more than %d parts", STEPS_MAX);
    s->c->v[s->c->n++] = *step;
    return NULL;
}

static void skip(struct parser *s)
{
    s->p += strspn(s->p, " \t\n");
}

static bool eat(struct parser *s, const char *what)
{
    skip(s);
    if (strncmp(s->p, what, strlen(what)) != 0)
        return false;
    s->p += strlen(what);
    return true;
}

static size_t word_n(const char *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_')
        n++;
    return n;
}

static struct err *list_counters(const struct parser *s, size_t n)
{
    struct buf b = {0};
    for (size_t i = 0; i < ARRAY_LEN(counters); i++)
        buf_printf(&b, "%s%s", i ? ", " : "", counters[i].name);
    struct err *e = err_hint(err_new(ERR_USAGE, "--when: there is no counter \"%.*s\"",
                                     (int)(n < WORD_MAX ? n : WORD_MAX), s->p),
                             "Known are %s", buf_text(&b));
    buf_free(&b);
    return e;
}

static struct err *counter(struct parser *s, enum kind *ret)
{
    size_t n = word_n(s->p);
    for (size_t i = 0; i < ARRAY_LEN(counters); i++)
        if (strlen(counters[i].name) == n && memcmp(counters[i].name, s->p, n) == 0) {
            s->p += n;
            *ret = counters[i].kind;
            return add(s, &(struct step){.op = COUNTER, .counter = &counters[i]});
        }
    return list_counters(s, n);
}

/* Digits with a dot at most: no exponents, hex or infinities. */
static struct err *number(struct parser *s, enum kind *ret)
{
    struct step step = {.op = NUMBER};
    double place = 1;
    for (; isdigit((unsigned char)*s->p); s->p++)
        step.number = step.number * 10 + (*s->p - '0');
    if (*s->p == '.')
        for (s->p++; isdigit((unsigned char)*s->p); s->p++)
            step.number += (*s->p - '0') * (place /= 10);
    size_t n = word_n(s->p);
    *ret = PLAIN;
    if (!n)
        return add(s, &step);
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strlen(units[i].name) == n && memcmp(units[i].name, s->p, n) == 0) {
            s->p += n;
            step.number *= units[i].factor;
            *ret = units[i].kind;
            return add(s, &step);
        }
    return wrong(s, "a unit (kB MB GB KiB MiB GiB, ns us ms s min h) or nothing");
}

static struct err *either(struct parser *s, enum kind *ret);

static struct err *operand(struct parser *s, enum kind *ret)
{
    skip(s);
    if (isdigit((unsigned char)*s->p) || (*s->p == '.' && isdigit((unsigned char)s->p[1])))
        return number(s, ret);
    if (isalpha((unsigned char)*s->p))
        return counter(s, ret);
    if (*s->p != '(' && *s->p != '!')
        return wrong(s, "a counter or a number");
    if (++s->depth > DEPTH_MAX)
        return err_new(ERR_USAGE, "--when: more than %d parentheses in each other", DEPTH_MAX);
    if (eat(s, "!")) {
        TRY(operand(s, ret));
        TRY(add(s, &(struct step){.op = NOT}));
        *ret = TRUTH;
    } else {
        s->p++;
        TRY(either(s, ret));
        if (!eat(s, ")"))
            return wrong(s, ")");
    }
    s->depth--;
    return NULL;
}

static struct err *product(struct parser *s, enum kind *ret)
{
    TRY(operand(s, ret));
    while (eat(s, "*")) {
        enum kind other;
        const char *at = s->p;
        TRY(operand(s, &other));
        if (*ret == TRUTH || other == TRUTH || (*ret != PLAIN && other != PLAIN)) {
            s->p = at;
            return wrong(s, "a plain number");
        }
        *ret = *ret == PLAIN ? other : *ret;
        TRY(add(s, &(struct step){.op = TIMES}));
    }
    return NULL;
}

static struct err *comparison(struct parser *s, enum kind *ret)
{
    static const struct {
        const char *text;
        enum op op;
    } ops[] = {{"==", EQ}, {"!=", NE}, {"<=", LE}, {">=", GE}, {"<", LT}, {">", GT}};
    TRY(product(s, ret));
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        enum kind other;
        if (!eat(s, ops[i].text))
            continue;
        skip(s);
        const char *at = s->p;
        TRY(product(s, &other));
        bool fits =
            *ret == other || (*ret == PLAIN && other != TRUTH) || (other == PLAIN && *ret != TRUTH);
        if (!fits || *ret == TRUTH) {
            s->p = at;
            return wrong(s, kind_names[*ret]);
        }
        *ret = TRUTH;
        return add(s, &(struct step){.op = ops[i].op});
    }
    return NULL;
}

/* Parts with && or || between them. */
static struct err *chain(struct parser *s, const char *between, enum op op,
                         struct err *(*part)(struct parser *s, enum kind *ret), enum kind *ret)
{
    TRY(part(s, ret));
    while (eat(s, between)) {
        TRY(part(s, ret));
        TRY(add(s, &(struct step){.op = op}));
        *ret = TRUTH;
    }
    return NULL;
}

static struct err *both(struct parser *s, enum kind *ret)
{
    return chain(s, "&&", AND, comparison, ret);
}

static struct err *either(struct parser *s, enum kind *ret)
{
    return chain(s, "||", OR, both, ret);
}

static struct err *parse(struct parser *s)
{
    enum kind kind;
    TRY(either(s, &kind));
    skip(s);
    return *s->p ? wrong(s, "one of == != < <= > >= && ||, or the end") : NULL;
}

struct err *cli_condition_parse(const char *text, struct cli_condition **ret)
{
    struct parser s = {.text = text, .p = text, .c = mem_alloc(sizeof(*s.c))};
    struct err *e = parse(&s);
    if (e) {
        cli_condition_free(s.c);
        return e;
    }
    *ret = s.c;
    return NULL;
}

void cli_condition_free(struct cli_condition *c)
{
    free(c);
}

/* ---- evaluation ---- */

static double apply(enum op op, double a, double b)
{
    switch (op) {
    case TIMES:
        return a * b;
    case EQ:
        return a == b;
    case NE:
        return a != b;
    case LT:
        return a < b;
    case LE:
        return a <= b;
    case GT:
        return a > b;
    case GE:
        return a >= b;
    case AND:
        return a != 0 && b != 0;
    default:
        return a != 0 || b != 0;
    }
}

bool cli_condition_holds(const struct cli_condition *c, const struct cli_counters *now)
{
    double stack[STEPS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct step *s = &c->v[i];
        if (s->op == NUMBER) {
            stack[n++] = s->number;
        } else if (s->op == COUNTER) {
            stack[n++] = s->counter->of(now);
        } else if (s->op == NOT) {
            stack[n - 1] = stack[n - 1] == 0;
        } else {
            n--;
            stack[n - 1] = apply(s->op, stack[n - 1], stack[n]);
        }
    }
    return n && stack[0] != 0;
}

bool cli_condition_needs_rss(const struct cli_condition *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i].op == COUNTER && c->v[i].counter->of == get_rss)
            return true;
    return false;
}

static bool named_before(const struct cli_condition *c, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (c->v[k].op == COUNTER && c->v[k].counter == c->v[i].counter)
            return true;
    return false;
}

void cli_condition_values(const struct cli_condition *c, const struct cli_counters *now,
                          struct buf *b)
{
    const char *between = "";
    for (size_t i = 0; i < c->n; i++) {
        const struct counter *k = c->v[i].counter;
        if (c->v[i].op != COUNTER || named_before(c, i))
            continue;
        double v = k->of(now);
        buf_printf(b, "%s%s ", between, k->name);
        if (k->kind == BYTES)
            text_bytes(b, (uint64_t)v);
        else if (k->kind == TIME)
            text_ns(b, (int64_t)v);
        else
            text_count(b, (uint64_t)v);
        between = ", ";
    }
}

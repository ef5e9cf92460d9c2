/* filter.c - reading a filter expression; see filter.h, docs/formats/filter.md.
 *
 *     or   := and { ("||" | "or") and }
 *     and  := not { ("&&" | "and") not }
 *     not  := ("!" | "not") not | "(" or ")" | test
 *     test := FIELD [ OP VALUE ]
 *
 * A value ends at a blank, && or ||, or at a ) that it did not open, so that
 * func=orders.(*Hub).publish needs no quotes.  Nodes are stored operands first, which makes
 * evaluation a loop. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "snap/filter_int.h"

enum { EXPR_MAX = 16384, NEST_MAX = 100, NODES_MAX = 1000 };

static const struct {
    const char *name;
    enum field_kind kind;
} fields[] = {
#define FIELD(id, name, kind, doc) {name, KIND_##kind},
#include "snap/filter.def"
#undef FIELD
};

struct parser {
    struct snap_filter *f;
    const char *start, *p;
    struct err *err;
    unsigned nest;
};

/* ---- errors ---- */

/* The expression with a caret below the byte at `at`, counted in characters. */
static const char *excerpt(struct parser *p, const char *at)
{
    struct buf b = {0};
    buf_str(&b, p->start);
    buf_char(&b, '\n');
    for (const char *c = p->start; c < at; c++)
        if (((unsigned char)*c & 0xc0) != 0x80)
            buf_char(&b, ' ');
    buf_char(&b, '^');
    for (char *c = b.p; *c; c++) /* one line: what was typed may have tabs and newlines */
        if (*c != '\n' || c < b.p + strlen(p->start))
            *c = (unsigned char)*c < ' ' ? ' ' : *c;
    const char *text = arena_strdup(&p->f->mem, buf_text(&b));
    buf_free(&b);
    return text;
}

static void fail(struct parser *p, const char *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void fail(struct parser *p, const char *at, const char *fmt, ...)
{
    if (p->err)
        return;
    va_list ap;
    va_start(ap, fmt);
    struct err *e = err_newv(ERR_USAGE, fmt, ap);
    va_end(ap);
    e = err_wrap(e, "filter, column %zu", (size_t)(at - p->start) + 1);
    e = err_excerpt(e, "%s", excerpt(p, at));
    p->err = err_hint(e, "See FILTERS in `gospect help goroutines`");
}

/* ---- words ---- */

static void blanks(struct parser *p)
{
    while (isspace((unsigned char)*p->p))
        p->p++;
}

/* A symbol, or the word that stands for it when no letter follows. */
static bool accept(struct parser *p, const char *symbol, const char *word)
{
    blanks(p);
    size_t n = strlen(symbol), w = strlen(word);
    bool is_word = strncmp(p->p, word, w) == 0 && !isalnum((unsigned char)p->p[w]);
    if (!is_word && strncmp(p->p, symbol, n) != 0)
        return false;
    p->p += is_word ? w : n;
    return true;
}

static const char *quoted(struct parser *p)
{
    const char *at = p->p;
    char quote = *p->p++;
    struct buf b = {0};
    for (; *p->p && *p->p != quote; p->p++) {
        if (*p->p == '\\' && p->p[1] == quote)
            p->p++;
        buf_char(&b, *p->p);
    }
    if (*p->p != quote)
        fail(p, at, "the quote is not closed");
    else
        p->p++;
    const char *text = arena_strdup(&p->f->mem, buf_text(&b));
    buf_free(&b);
    return text;
}

/* What ends a bare value: a blank, && or ||, a closing parenthesis that it did not open. */
static const char *bare(struct parser *p)
{
    const char *begin = p->p;
    unsigned open = 0;
    for (; *p->p && !isspace((unsigned char)*p->p); p->p++) {
        if ((p->p[0] == '&' || p->p[0] == '|') && p->p[1] == p->p[0])
            break;
        if (*p->p == '(')
            open++;
        if (*p->p == ')' && open-- == 0)
            break;
    }
    return arena_strndup(&p->f->mem, begin, (size_t)(p->p - begin));
}

static bool at_quote(const struct parser *p)
{
    return *p->p == '"' || *p->p == '\'' || *p->p == '`';
}

/* ---- values ---- */

size_t filter_normalise(char *to, const char *name)
{
    char *out = to;
    unsigned brackets = 0;
    for (const char *c = name; *c; c++) {
        bool skip = brackets || *c == '[' || *c == ')' || *c == '*' || *c == '(';
        if (*c == '[')
            brackets++;
        else if (*c == ']' && brackets)
            brackets--;
        if (skip)
            continue;
        if (c[0] == '%' && c[1] == '2' && (c[2] | 32) == 'e') {
            *out++ = '.';
            c += 2;
        } else {
            *out++ = *c;
        }
    }
    *out = '\0';
    return (size_t)(out - to);
}

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

bool filter_has_words(const char *text, size_t n, const char *words, size_t nwords)
{
    if (!nwords)
        return n == 0;
    bool begins = word_char(words[0]), ends = word_char(words[nwords - 1]);
    for (size_t i = 0; i + nwords <= n; i++) {
        const char *at = memchr(text + i, words[0], n - i - nwords + 1);
        if (!at)
            return false;
        i = (size_t)(at - text);
        size_t end = i + nwords;
        if (memcmp(at, words, nwords) == 0 && !(begins && i && word_char(text[i - 1])) &&
            !(ends && end < n && word_char(text[end])))
            return true;
    }
    return false;
}

static void state_value(struct parser *p, struct test *t, const char *at)
{
    for (const char *word = t->text;; word++) {
        size_t n = strcspn(word, ",");
        unsigned state = 0;
        while (state < SNAP_G_COUNT && (strlen(snap_gstatus_name(state)) != n ||
                                        memcmp(snap_gstatus_name(state), word, n) != 0))
            state++;
        if (state == SNAP_G_COUNT) {
            fail(p, at,
                 "expected a state (idle, runnable, running, syscall, waiting, copystack, "
                 "preempted, "
                 "leaked, dead or unknown), not \"%.*s\"",
                 (int)n, word);
            return;
        }
        t->states |= (uint16_t)(1u << state);
        word += n;
        if (!*word)
            return;
    }
}

static void number_value(struct parser *p, struct test *t, const char *at)
{
    VEC(uint64_t) any = {0};
    for (const char *word = t->text;; word++) {
        uint64_t v = 0;
        const char *c = word;
        bool over = false;
        for (; isdigit((unsigned char)*c); c++)
            over |= __builtin_mul_overflow(v, 10, &v) ||
                    __builtin_add_overflow(v, (uint64_t)(*c - '0'), &v);
        if (c == word || over || (*c && *c != ',') || (*c && t->op != OP_EQ)) {
            fail(p, at, "expected a number, not \"%s\"", t->text);
            break;
        }
        vec_push(&any, v);
        word = c;
        if (!*word)
            break;
    }
    t->nany = any.n;
    if (any.n) {
        uint64_t *copy = arena_array(&p->f->mem, uint64_t, any.n);
        memcpy(copy, any.v, any.n * sizeof(*copy));
        t->any = copy;
        t->number = copy[0];
    }
    vec_free(&any);
}

/* 1h30m, 200ms, 1.5h, 2d; a bare number counts seconds. */
static bool duration(const char *text, double *ret_ns)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},   {"ms", 1e6},    {"min", 60e9},
                 {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}, {"w", 604800e9}};
    double total = 0;
    bool any = false;
    while (*text) {
        char *end;
        if (!isdigit((unsigned char)*text))
            return false;
        double v = strtod(text, &end);
        size_t u = 0;
        while (u < ARRAY_LEN(units) && strncmp(end, units[u].unit, strlen(units[u].unit)) != 0)
            u++;
        if (u == ARRAY_LEN(units)) {
            if (*end || any)
                return false;
            *ret_ns = v * 1e9;
            return true;
        }
        total += v * units[u].ns;
        text = end + strlen(units[u].unit);
        any = true;
    }
    *ret_ns = total;
    return any;
}

static void duration_value(struct parser *p, struct test *t, const char *at)
{
    double ns = 0;
    if (t->op == OP_EQ)
        fail(p, at, "a time is compared with <, <=, > or >=");
    else if (!duration(t->text, &ns))
        fail(p, at, "expected a duration such as 5m or 1h30m, not \"%s\"", t->text);
    else
        t->number = ns < 9.2e18 ? (uint64_t)ns : UINT64_MAX / 2;
}

static void flag_value(struct parser *p, struct test *t, const char *at, bool *negate)
{
    bool yes = strcmp(t->text, "true") == 0 || strcmp(t->text, "yes") == 0;
    if (!yes && strcmp(t->text, "false") != 0 && strcmp(t->text, "no") != 0)
        fail(p, at, "expected true or false, not \"%s\"", t->text);
    t->op = OP_HAS;
    *negate ^= !yes;
}

/* "orders/notify.go:88" is a file and a line. */
static void name_value(struct parser *p, struct test *t)
{
    bool place = t->field == FIELD_FILE || t->field == FIELD_CREATOR || t->field == FIELD_TOP;
    char *text = arena_strdup(&p->f->mem, t->text), *colon = strrchr(text, ':');
    if (place && colon && isdigit((unsigned char)colon[1]) && strlen(colon) < 9) {
        char *end;
        unsigned long line = strtoul(colon + 1, &end, 10);
        if (!*end) {
            t->line = (uint32_t)line;
            *colon = '\0';
        }
    }
    t->text = text;
    t->text_n = strlen(text);
    if (t->field == FIELD_FUNC ||
        ((t->field == FIELD_CREATOR || t->field == FIELD_TOP) && !t->line))
        t->text_n = filter_normalise(text, arena_strdup(&p->f->mem, text));
}

static void regex_value(struct parser *p, struct test *t, const char *at)
{
    size_t offset;
    struct err *e = regex_compile(t->text, &t->re, &offset);
    if (!e)
        return;
    bool as_typed = at[0] && strncmp(at, t->text, offset) == 0;
    bool quote = *at == '"' || *at == '\'' || *at == '`';
    if (quote)
        as_typed = strncmp(at + 1, t->text, offset) == 0;
    fail(p, as_typed ? at + quote + offset : at, "in the regular expression: %s", err_message(e));
    err_free(e);
}

/* Reads the value and checks that it fits the field. */
static void value(struct parser *p, struct test *t, bool *negate)
{
    blanks(p);
    const char *at = p->p;
    bool quote = at_quote(p);
    t->text = quote ? quoted(p) : bare(p);
    t->text_n = strlen(t->text);
    if (!quote && !t->text_n)
        fail(p, at, "expected a value after %s", fields[t->field].name);
    if (p->err)
        return;
    enum field_kind kind = fields[t->field].kind;
    if (t->op == OP_MATCH)
        regex_value(p, t, at);
    else if (kind == KIND_STATE)
        state_value(p, t, at);
    else if (kind == KIND_NUMBER)
        number_value(p, t, at);
    else if (kind == KIND_DURATION)
        duration_value(p, t, at);
    else if (kind == KIND_FLAG)
        flag_value(p, t, at, negate);
    else if (kind == KIND_NAME)
        name_value(p, t);
}

/* ---- tests ---- */

static uint32_t add(struct parser *p, const struct node *n)
{
    vec_push(&p->f->nodes, *n);
    if (p->f->nodes.n > NODES_MAX)
        fail(p, p->p, "the expression is too long");
    return (uint32_t)p->f->nodes.n - 1;
}

static bool field(struct parser *p, struct test *t)
{
    const char *at = p->p;
    size_t n = 0;
    while (isalpha((unsigned char)at[n]))
        n++;
    unsigned f = 0;
    while (f < NFIELDS && (strlen(fields[f].name) != n || memcmp(fields[f].name, at, n) != 0))
        f++;
    if (f == NFIELDS) {
        if (n)
            fail(p, at,
                 "\"%.*s\" is not a field; there are state, reason, func, file, line, age, id, "
                 "label.KEY, creator, parent, thread, locked, system, depth, top and local.NAME",
                 (int)n, at);
        else
            fail(p, at, "expected a field, such as state or func");
        return false;
    }
    t->field = (enum field)f;
    p->p += n;
    if (fields[f].kind != KIND_KEYED)
        return true;
    if (*p->p != '.') {
        fail(p, p->p, "expected a dot and a key, as in %s.%s", fields[f].name,
             t->field == FIELD_LABEL ? "route" : "err");
        return false;
    }
    p->p++;
    if (at_quote(p)) {
        t->key = quoted(p);
        return !p->err;
    }
    n = strcspn(p->p, "=!~<>() \t\n&|");
    if (!n)
        fail(p, p->p, "expected a key");
    t->key = arena_strndup(&p->f->mem, p->p, n);
    p->p += n;
    return n > 0;
}

/* The operator, longest first; false: there is none, the field stands alone. */
static bool operator(struct parser *p, struct test *t, bool *negate)
{
    static const struct {
        const char *symbol;
        enum op op;
        bool negate;
    } ops[] = {{"!=", OP_EQ, true},  {"!~", OP_MATCH, true}, {"=~", OP_MATCH, false},
               {"==", OP_EQ, false}, {"<=", OP_LE, false},   {">=", OP_GE, false},
               {"=", OP_EQ, false},  {"~", OP_MATCH, false}, {"<", OP_LT, false},
               {">", OP_GT, false}};
    blanks(p);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (strncmp(p->p, ops[i].symbol, strlen(ops[i].symbol)) != 0)
            continue;
        enum field_kind kind = fields[t->field].kind;
        bool number = kind == KIND_NUMBER || kind == KIND_DURATION, order = ops[i].op >= OP_LT;
        if (order && !number)
            fail(p, p->p, "%s has no order: use = != ~ or !~", fields[t->field].name);
        if (ops[i].op == OP_MATCH && (number || kind == KIND_FLAG))
            fail(p, p->p, "%s is not a text: use %s", fields[t->field].name,
                 number ? "= != < <= > or >=" : "= or !=");
        p->p += strlen(ops[i].symbol);
        t->op = ops[i].op;
        *negate = ops[i].negate;
        return true;
    }
    return false;
}

static uint32_t test(struct parser *p)
{
    struct node n = {.kind = NODE_TEST};
    bool negate = false;
    blanks(p);
    if (!field(p, &n.test))
        return 0;
    if (n.test.field == FIELD_SYSTEM)
        p->f->names_system = true;
    if (operator(p, &n.test, &negate) && !p->err)
        value(p, &n.test, &negate);
    uint32_t at = add(p, &n);
    return negate ? add(p, &(struct node){.kind = NODE_NOT, .a = at}) : at;
}

static uint32_t or_expr(struct parser *p);

static uint32_t not_expr(struct parser *p)
{
    blanks(p);
    const char *at = p->p;
    if (++p->nest > NEST_MAX)
        fail(p, at, "too deeply nested");
    uint32_t n = 0;
    if (p->err) {
        /* nothing more to say */
    } else if (accept(p, "!", "not")) {
        n = not_expr(p);
        n = add(p, &(struct node){.kind = NODE_NOT, .a = n});
    } else if (*p->p == '(') {
        p->p++;
        n = or_expr(p);
        blanks(p);
        if (*p->p != ')')
            fail(p, *p->p ? p->p : at, *p->p ? "expected && or || or )" : "this ( is not closed");
        p->p += *p->p == ')';
    } else {
        n = test(p);
    }
    p->nest--;
    return n;
}

static uint32_t and_expr(struct parser *p)
{
    uint32_t a = not_expr(p);
    while (!p->err && accept(p, "&&", "and")) {
        uint32_t b = not_expr(p);
        a = add(p, &(struct node){.kind = NODE_AND, .a = a, .b = b});
    }
    return a;
}

static uint32_t or_expr(struct parser *p)
{
    uint32_t a = and_expr(p);
    while (!p->err && accept(p, "||", "or")) {
        uint32_t b = and_expr(p);
        a = add(p, &(struct node){.kind = NODE_OR, .a = a, .b = b});
    }
    return a;
}

struct err *snap_filter_compile(const char *expr, struct snap_filter **ret)
{
    if (strlen(expr) > EXPR_MAX)
        return err_new(ERR_USAGE, "filter: the expression is longer than %d bytes", EXPR_MAX);
    struct parser p = {.f = mem_alloc(sizeof(*p.f)), .start = expr, .p = expr};
    arena_init(&p.f->mem);
    or_expr(&p);
    blanks(&p);
    if (!p.err && *p.p)
        fail(&p, p.p, *p.p == ')' ? "this ) closes nothing" : "expected && or ||");
    if (p.err)
        snap_filter_free(p.f);
    else
        *ret = p.f;
    return p.err;
}

void snap_filter_free(struct snap_filter *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->nodes.n; i++)
        regex_free(f->nodes.v[i].test.re);
    vec_free(&f->nodes);
    arena_free(&f->mem);
    free(f);
}

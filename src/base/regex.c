/* regex.c - regular expressions; see regex.h.
 *
 * A pattern is parsed into a tree, the tree becomes a program of a non-deterministic machine, and
 * all its states are run through the text at once (Thompson), so no pattern makes it go back.
 * Limits: PATTERN_MAX bytes, PROGRAM_MAX instructions, repetitions up to REPEAT_MAX, NEST_MAX
 * parentheses. */
#include "base/regex.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"

enum { PATTERN_MAX = 4096, PROGRAM_MAX = 20000, REPEAT_MAX = 1000, NEST_MAX = 100, NO_LIMIT = -1 };

struct set {
    uint64_t bits[4];
};

enum op { OP_SET, OP_SPLIT, OP_JUMP, OP_ASSERT, OP_MATCH };
enum assertion { AT_BEGIN, AT_END, AT_WORD, NOT_AT_WORD };

struct inst {
    enum op op;
    uint32_t x, y; /* SET: number of the set; SPLIT, JUMP: where to go; ASSERT: which */
};

struct regex {
    VEC(struct inst) prog;
    VEC(struct set) sets;
};

enum kind { N_EMPTY, N_SET, N_CAT, N_ALT, N_REPEAT, N_ASSERT };

struct node {
    enum kind kind;
    struct set set;
    int min, max; /* REPEAT; max NO_LIMIT */
    enum assertion assertion;
    struct node *a, *b;
};

struct parser {
    const char *start, *p;
    struct arena mem;
    struct err *err;
    size_t err_at;
    bool fold, dot_all; /* (?i) (?s) */
    unsigned nest;
};

/* ---- sets ---- */

static void set_add(struct set *s, unsigned from, unsigned to)
{
    for (unsigned c = from; c <= to; c++)
        s->bits[c / 64] |= 1ull << (c % 64);
}

static bool set_has(const struct set *s, unsigned char c)
{
    return s->bits[c / 64] >> (c % 64) & 1;
}

static void set_invert(struct set *s)
{
    for (size_t i = 0; i < 4; i++)
        s->bits[i] = ~s->bits[i];
}

static void set_join(struct set *s, const struct set *other)
{
    for (size_t i = 0; i < 4; i++)
        s->bits[i] |= other->bits[i];
}

static void set_fold(struct set *s)
{
    for (unsigned c = 'a'; c <= 'z'; c++) {
        if (set_has(s, (unsigned char)c))
            set_add(s, c - 32, c - 32);
        else if (set_has(s, (unsigned char)(c - 32)))
            set_add(s, c, c);
    }
}

static bool is_word(unsigned char c)
{
    return c == '_' || (c < 0x80 && isalnum(c));
}

/* \d \w \s and their opposites; false: not a class. */
static bool class_letter(char letter, struct set *s)
{
    *s = (struct set){0};
    switch (letter | 32) {
    case 'd':
        set_add(s, '0', '9');
        break;
    case 'w':
        for (unsigned c = 0; c < 0x80; c++)
            if (is_word((unsigned char)c))
                set_add(s, c, c);
        break;
    case 's':
        set_add(s, ' ', ' ');
        set_add(s, '\t', '\n');
        set_add(s, '\f', '\r');
        break;
    default:
        return false;
    }
    if (letter < 'a')
        set_invert(s);
    return true;
}

static bool named_class(const char *name, size_t n, struct set *s)
{
    static const struct {
        const char *name;
        int (*is)(int c);
    } names[] = {{"alnum", isalnum}, {"alpha", isalpha}, {"digit", isdigit},
                 {"lower", islower}, {"print", isprint}, {"punct", ispunct},
                 {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strlen(names[i].name) != n || memcmp(names[i].name, name, n) != 0)
            continue;
        for (int c = 0; c < 0x80; c++)
            if (names[i].is(c))
                set_add(s, (unsigned)c, (unsigned)c);
        return true;
    }
    return false;
}

/* ---- parsing ---- */

static void fail(struct parser *p, const char *at, const char *what)
{
    if (p->err)
        return;
    p->err_at = (size_t)(at - p->start);
    p->err = err_new(ERR_USAGE, "%s", what);
}

static struct node *new_node(struct parser *p, enum kind kind, struct node *a, struct node *b)
{
    struct node *n = arena_new(&p->mem, struct node);
    n->kind = kind;
    n->a = a;
    n->b = b;
    return n;
}

static struct node *set_node(struct parser *p, const struct set *s)
{
    struct node *n = new_node(p, N_SET, NULL, NULL);
    n->set = *s;
    if (p->fold)
        set_fold(&n->set);
    return n;
}

static struct node *char_node(struct parser *p, unsigned char c)
{
    struct set s = {0};
    set_add(&s, c, c);
    return set_node(p, &s);
}

static struct node *assert_node(struct parser *p, enum assertion a)
{
    struct node *n = new_node(p, N_ASSERT, NULL, NULL);
    n->assertion = a;
    return n;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* The byte an escape stands for; p->p is behind the backslash.  -1: not a byte. */
static int escaped_byte(struct parser *p)
{
    static const char letters[] = "tnrfva", bytes[] = "\t\n\r\f\v\a";
    const char *at = p->p;
    char c = *p->p;
    if (!c) {
        fail(p, at, "nothing follows the backslash");
        return -1;
    }
    p->p++;
    const char *known = strchr(letters, c);
    if (known)
        return bytes[known - letters];
    if (c == 'x') {
        int hi = hex_digit(p->p[0]), lo = hi < 0 ? -1 : hex_digit(p->p[1]);
        if (lo < 0 || hi >= 8) {
            fail(p, at, "\\x needs two hexadecimal digits below 80");
            return -1;
        }
        p->p += 2;
        return hi * 16 + lo;
    }
    if ((unsigned char)c >= 0x80 || isalnum((unsigned char)c)) {
        fail(p, at, "unknown escape");
        return -1;
    }
    return (unsigned char)c;
}

/* One end of a range inside brackets; -1 after an error. */
static int bracket_byte(struct parser *p)
{
    if ((unsigned char)*p->p >= 0x80) {
        fail(p, p->p, "only ASCII characters can stand in brackets");
        return -1;
    }
    if (*p->p == '\\') {
        p->p++;
        return escaped_byte(p);
    }
    return (unsigned char)*p->p++;
}

/* One item inside brackets. */
static void bracket_item(struct parser *p, struct set *s)
{
    struct set class;
    const char *at = p->p;
    if (p->p[0] == '[' && p->p[1] == ':') {
        const char *end = strstr(p->p + 2, ":]");
        if (end && named_class(p->p + 2, (size_t)(end - p->p - 2), s)) {
            p->p = end + 2;
            return;
        }
        fail(p, at, "unknown character class");
        return;
    }
    if (p->p[0] == '\\' && class_letter(p->p[1], &class)) {
        p->p += 2;
        set_join(s, &class);
        return;
    }
    int from = bracket_byte(p), to = from;
    if (from >= 0 && p->p[0] == '-' && p->p[1] && p->p[1] != ']') {
        p->p++;
        to = bracket_byte(p);
    }
    if (from > to && to >= 0)
        fail(p, at, "a range must rise");
    if (from >= 0 && from <= to)
        set_add(s, (unsigned)from, (unsigned)to);
}

static struct node *bracket(struct parser *p)
{
    const char *at = p->p++;
    struct set s = {0};
    bool invert = *p->p == '^';
    p->p += invert;
    for (bool first = true; !p->err && (first || *p->p != ']'); first = false) {
        if (!*p->p) {
            fail(p, at, "a ] is missing");
            break;
        }
        bracket_item(p, &s);
    }
    p->p += !p->err;
    if (p->fold)
        set_fold(&s);
    if (invert)
        set_invert(&s);
    return set_node(p, &s);
}

static struct node *escape(struct parser *p)
{
    struct set s;
    char c = p->p[1];
    if (class_letter(c, &s)) {
        p->p += 2;
        return set_node(p, &s);
    }
    static const struct {
        char letter;
        enum assertion assertion;
    } assertions[] = {{'b', AT_WORD}, {'B', NOT_AT_WORD}, {'A', AT_BEGIN}, {'z', AT_END}};
    for (size_t i = 0; i < ARRAY_LEN(assertions); i++)
        if (c == assertions[i].letter) {
            p->p += 2;
            return assert_node(p, assertions[i].assertion);
        }
    p->p++;
    int byte = escaped_byte(p);
    return byte < 0 ? new_node(p, N_EMPTY, NULL, NULL) : char_node(p, (unsigned char)byte);
}

static struct node *alternation(struct parser *p);

/* The flags behind "(?"; true when a colon follows, that is when a group begins. */
static bool group_flags(struct parser *p)
{
    const char *at = p->p;
    bool on = true;
    for (; *p->p && *p->p != ':' && *p->p != ')'; p->p++) {
        if (*p->p == '-')
            on = false;
        else if (*p->p == 'i')
            p->fold = on;
        else if (*p->p == 's')
            p->dot_all = on;
        else if (*p->p != 'U')
            fail(p, at, "unknown flag of a group");
    }
    bool group = *p->p == ':';
    p->p += group;
    return group;
}

static void skip_group_name(struct parser *p)
{
    const char *end = strchr(p->p, '>');
    if (end)
        p->p = end + 1;
    else
        fail(p, p->p, "a > is missing");
}

static struct node *group(struct parser *p)
{
    const char *at = p->p++;
    bool fold = p->fold, dot_all = p->dot_all, whole = true;
    if (++p->nest > NEST_MAX)
        fail(p, at, "too many nested groups");
    if (p->p[0] == '?') {
        p->p++;
        if (strncmp(p->p, "P<", 2) == 0 || *p->p == '<')
            skip_group_name(p);
        else
            whole = group_flags(p);
    }
    struct node *n = whole && !p->err ? alternation(p) : new_node(p, N_EMPTY, NULL, NULL);
    if (!p->err && *p->p != ')')
        fail(p, at, "a ) is missing");
    p->p += !p->err;
    p->nest--;
    if (whole) { /* (?i) alone counts for the rest of the enclosing group */
        p->fold = fold;
        p->dot_all = dot_all;
    }
    return n;
}

static struct node *dot(struct parser *p)
{
    struct set s = {0};
    if (!p->dot_all)
        set_add(&s, '\n', '\n');
    set_invert(&s);
    p->p++;
    return set_node(p, &s);
}

static struct node *atom(struct parser *p)
{
    switch (*p->p) {
    case '(':
        return group(p);
    case '[':
        return bracket(p);
    case '.':
        return dot(p);
    case '^':
        p->p++;
        return assert_node(p, AT_BEGIN);
    case '$':
        p->p++;
        return assert_node(p, AT_END);
    case '\\':
        return escape(p);
    case '*':
    case '+':
    case '?':
        fail(p, p->p, "nothing stands before it that could be repeated");
        return new_node(p, N_EMPTY, NULL, NULL);
    default:
        return char_node(p, (unsigned char)*p->p++);
    }
}

/* {n} {n,} {n,m}; false: the brace is a character, as in Go. */
static bool counted(struct parser *p, int *min, int *max)
{
    char *end;
    if (!isdigit((unsigned char)p->p[1]))
        return false;
    long lo = strtol(p->p + 1, &end, 10), hi = lo;
    if (*end == ',') {
        hi = NO_LIMIT;
        end++;
        if (isdigit((unsigned char)*end))
            hi = strtol(end, &end, 10);
    }
    if (*end != '}')
        return false;
    if (lo > REPEAT_MAX || hi > REPEAT_MAX || (hi != NO_LIMIT && hi < lo))
        fail(p, p->p, "the number of repetitions is not possible");
    *min = (int)lo;
    *max = (int)hi;
    p->p = end + 1;
    return true;
}

static struct node *repetition(struct parser *p)
{
    struct node *n = atom(p);
    for (bool again = false; !p->err; again = true) {
        int min = 0, max = NO_LIMIT;
        const char *at = p->p;
        if (*p->p == '*' || *p->p == '+' || *p->p == '?') {
            min = *p->p == '+';
            max = *p->p == '?' ? 1 : NO_LIMIT;
            p->p++;
        } else if (*p->p != '{' || !counted(p, &min, &max)) {
            return n;
        }
        if (again)
            fail(p, at, "a repetition cannot be repeated");
        p->p += *p->p == '?'; /* lazy: the same for a yes or no */
        n = new_node(p, N_REPEAT, n, NULL);
        n->min = min;
        n->max = max;
    }
    return n;
}

static struct node *alternation(struct parser *p)
{
    struct node *all = NULL;
    for (;;) {
        struct node *cat = new_node(p, N_EMPTY, NULL, NULL);
        while (!p->err && *p->p && *p->p != '|' && *p->p != ')')
            cat = new_node(p, N_CAT, cat, repetition(p));
        all = all ? new_node(p, N_ALT, all, cat) : cat;
        if (p->err || *p->p != '|')
            return all;
        p->p++;
    }
}

/* ---- the program ---- */

static uint32_t emit(struct regex *re, enum op op, uint32_t x, uint32_t y)
{
    vec_push(&re->prog, ((struct inst){op, x, y}));
    return (uint32_t)re->prog.n - 1;
}

static bool compile(struct regex *re, const struct node *n);

static bool compile_repeat(struct regex *re, const struct node *n)
{
    for (int i = 0; i < n->min; i++) {
        emit(re, OP_JUMP, (uint32_t)re->prog.n + 1, 0); /* so that even nothing, repeated, ends */
        if (!compile(re, n->a))
            return false;
    }
    if (n->max == NO_LIMIT) {
        uint32_t split = emit(re, OP_SPLIT, 0, 0);
        if (!compile(re, n->a))
            return false;
        emit(re, OP_JUMP, split, 0);
        re->prog.v[split].x = split + 1;
        re->prog.v[split].y = (uint32_t)re->prog.n;
        return true;
    }
    for (int i = n->min; i < n->max; i++) { /* x? again and again: leaving one leaves all */
        uint32_t split = emit(re, OP_SPLIT, 0, 0);
        if (!compile(re, n->a))
            return false;
        re->prog.v[split].x = split + 1;
        re->prog.v[split].y = (uint32_t)re->prog.n;
    }
    return true;
}

static bool compile_alt(struct regex *re, const struct node *n)
{
    uint32_t split = emit(re, OP_SPLIT, (uint32_t)re->prog.n + 1, 0);
    if (!compile(re, n->a))
        return false;
    uint32_t jump = emit(re, OP_JUMP, 0, 0);
    re->prog.v[split].y = (uint32_t)re->prog.n;
    if (!compile(re, n->b))
        return false;
    re->prog.v[jump].x = (uint32_t)re->prog.n;
    return true;
}

/* A long pattern is a list that leans to the left: walk down it, do not recurse. */
static bool compile_cat(struct regex *re, const struct node *n)
{
    VEC(const struct node *) parts = {0};
    for (; n->kind == N_CAT; n = n->a)
        vec_push(&parts, n->b);
    bool ok = compile(re, n);
    while (ok && parts.n)
        ok = compile(re, parts.v[--parts.n]);
    vec_free(&parts);
    return ok;
}

static bool compile(struct regex *re, const struct node *n)
{
    if (re->prog.n > PROGRAM_MAX)
        return false;
    switch (n->kind) {
    case N_EMPTY:
        return true;
    case N_SET:
        vec_push(&re->sets, n->set);
        emit(re, OP_SET, (uint32_t)re->sets.n - 1, 0);
        return true;
    case N_ASSERT:
        emit(re, OP_ASSERT, n->assertion, 0);
        return true;
    case N_CAT:
        return compile_cat(re, n);
    case N_ALT:
        return compile_alt(re, n);
    case N_REPEAT:
        return compile_repeat(re, n);
    }
    return false;
}

struct err *regex_compile(const char *pattern, struct regex **ret, size_t *ret_at)
{
    struct parser p = {.start = pattern, .p = pattern};
    arena_init(&p.mem);
    if (strlen(pattern) > PATTERN_MAX)
        fail(&p, pattern + PATTERN_MAX, "the pattern is too long");
    struct node *tree = alternation(&p);
    if (!p.err && *p.p)
        fail(&p, p.p, "this ) closes nothing");
    struct regex *re = NULL;
    if (!p.err) {
        re = mem_alloc(sizeof(*re));
        if (compile(re, tree))
            emit(re, OP_MATCH, 0, 0);
        else
            fail(&p, pattern, "the pattern is too large");
    }
    arena_free(&p.mem);
    if (ret_at)
        *ret_at = p.err_at;
    if (p.err)
        regex_free(re);
    else
        *ret = re;
    return p.err;
}

void regex_free(struct regex *re)
{
    if (!re)
        return;
    vec_free(&re->prog);
    vec_free(&re->sets);
    free(re);
}

/* ---- matching ---- */

/* States of the machine: a sparse set, empty in no time. */
struct states {
    uint32_t *dense, *sparse;
    uint32_t n;
};

static bool add_state(struct states *s, uint32_t pc)
{
    uint32_t i = s->sparse[pc];
    if (i < s->n && s->dense[i] == pc)
        return false;
    s->sparse[pc] = s->n;
    s->dense[s->n++] = pc;
    return true;
}

struct machine {
    const struct regex *re;
    const char *text;
    size_t n;
    struct states now, next;
    uint32_t *stack;
};

static bool holds(const struct machine *m, enum assertion a, size_t at)
{
    bool before = at > 0 && is_word((unsigned char)m->text[at - 1]);
    bool after = at < m->n && is_word((unsigned char)m->text[at]);
    switch (a) {
    case AT_BEGIN:
        return at == 0;
    case AT_END:
        return at == m->n;
    case AT_WORD:
        return before != after;
    case NOT_AT_WORD:
        return before == after;
    }
    return false;
}

/* Adds pc and all that is reached from it without reading; true: a match is reached. */
static bool follow(struct machine *m, struct states *s, uint32_t pc, size_t at)
{
    size_t top = 0;
    m->stack[top++] = pc;
    while (top) {
        pc = m->stack[--top];
        if (!add_state(s, pc))
            continue;
        const struct inst *in = &m->re->prog.v[pc];
        if (in->op == OP_MATCH)
            return true;
        if (in->op == OP_JUMP)
            m->stack[top++] = in->x;
        if (in->op == OP_SPLIT) {
            m->stack[top++] = in->y;
            m->stack[top++] = in->x;
        }
        if (in->op == OP_ASSERT && holds(m, (enum assertion)in->x, at))
            m->stack[top++] = pc + 1;
    }
    return false;
}

static bool run(struct machine *m)
{
    const struct regex *re = m->re;
    for (size_t at = 0;; at++) {
        if (follow(m, &m->now, 0, at)) /* it may begin anywhere */
            return true;
        if (at == m->n)
            return false;
        m->next.n = 0;
        for (uint32_t i = 0; i < m->now.n; i++) {
            const struct inst *in = &re->prog.v[m->now.dense[i]];
            if (in->op == OP_SET && set_has(&re->sets.v[in->x], (unsigned char)m->text[at]) &&
                follow(m, &m->next, m->now.dense[i] + 1, at + 1))
                return true;
        }
        struct states swap = m->now;
        m->now = m->next;
        m->next = swap;
    }
}

bool regex_matchn(const struct regex *re, const char *text, size_t n)
{
    uint32_t small[6 * 64], *room = small;
    size_t states = re->prog.n;
    memset(small, 0, sizeof(small));
    if (states > 64)
        room = mem_alloc(6 * states * sizeof(*room));
    struct machine m = {.re = re,
                        .text = text,
                        .n = n,
                        .now = {room, room + states, 0},
                        .next = {room + 2 * states, room + 3 * states, 0},
                        .stack = room + 4 * states}; /* each state pushes at most two others */
    bool found = run(&m);
    if (room != small)
        free(room);
    return found;
}

bool regex_match(const struct regex *re, const char *text)
{
    return regex_matchn(re, text, strlen(text));
}

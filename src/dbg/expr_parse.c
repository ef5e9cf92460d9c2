/* expr_parse.c - Go expressions to trees; see expr_int.h.
 *
 * Go: the grammar of the language's specification, "Expressions" and "Types" (1.18-1.27), without
 * function literals and composite literals.  Precedence climbing; a tree is never deeper than
 * EXPR_DEPTH_MAX, so that no text makes us recurse without end. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "dbg/expr_int.h"

struct parser {
    struct arena *a;
    const char *text;
    struct tok tok;
    unsigned depth;
    bool in_type;      /* the operand is a type: what is in () behind it is converted */
    uint32_t last_end; /* of the token before */
    bool calls;        /* there is something with arguments */
};

/* ---- errors ---- */

struct err *expr_point(struct err *e, const char *text, uint32_t at)
{
    enum { AROUND = 60 };
    size_t n = strlen(text), from = at > AROUND ? at - AROUND : 0;
    if (!e || err_excerpt_text(e))
        return e;
    size_t len = min_u64(n - from, 2 * AROUND);
    size_t column = at >= from ? text_widthn(text + from, at - from) : 0;
    return err_excerpt(e, "%.*s\n%*s^", (int)len, text + from, (int)column, "");
}

struct err *expr_error(enum err_code code, const char *text, uint32_t at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct err *e = err_newv(code, fmt, ap);
    va_end(ap);
    return expr_point(e, text, at);
}

static struct err *expected(struct parser *p, const char *what)
{
    if (p->tok.kind == TOK_END)
        return expr_error(ERR_USAGE, p->text, p->tok.at, "expected %s at the end", what);
    return expr_error(ERR_USAGE, p->text, p->tok.at, "expected %s at byte %u, found %.*s", what,
                      p->tok.at + 1, (int)min_u64(p->tok.n, 40), p->text + p->tok.at);
}

/* ---- tokens ---- */

static struct err *next(struct parser *p)
{
    p->last_end = p->tok.at + p->tok.n;
    return expr_lex(p->text, p->last_end, &p->tok);
}

static bool is_op(const struct parser *p, const char *op)
{
    return p->tok.kind == TOK_OP && strcmp(p->tok.op, op) == 0;
}

static bool is_word(const struct parser *p, const char *word)
{
    return p->tok.kind == TOK_NAME && p->tok.n == strlen(word) &&
           memcmp(p->text + p->tok.at, word, p->tok.n) == 0;
}

static struct err *want(struct parser *p, const char *op, const char *what)
{
    return is_op(p, op) ? next(p) : expected(p, what);
}

static struct node *node(struct parser *p, enum node_kind kind, uint32_t at)
{
    struct node *n = arena_new(p->a, struct node);
    n->kind = (uint8_t)kind;
    n->at = at;
    n->reg = -1;
    n->type_id = DWARF_NO_ID;
    n->name = n->text = "";
    return n;
}

static void below(struct node *n, const struct node *child)
{
    if (child && child->depth >= n->depth)
        n->depth = (uint16_t)(child->depth + 1);
}

static struct err *done(struct parser *p, struct node *n, struct node **ret)
{
    n->end = p->last_end;
    below(n, n->x);
    below(n, n->y);
    below(n, n->type);
    for (size_t i = 0; i < n->nargs; i++)
        below(n, n->args[i]);
    *ret = n;
    if (n->depth > EXPR_DEPTH_MAX)
        return expr_error(ERR_USAGE, p->text, n->at, "the expression is too deep");
    return NULL;
}

static const char *tok_text(struct parser *p)
{
    return arena_strndup(p->a, p->text + p->tok.at, p->tok.n);
}

/* ---- types ---- */

static struct err *parse_expr(struct parser *p, int level, struct node **ret);
static struct err *parse_unary(struct parser *p, struct node **ret);

static struct err *parse_elem(struct parser *p, struct node **ret)
{
    bool was = p->in_type;
    p->in_type = true;
    TRY(parse_unary(p, ret));
    p->in_type = was;
    return NULL;
}

/* What is in brackets: nothing around them matters. */
static struct err *parse_inner(struct parser *p, struct node **ret)
{
    bool was = p->in_type;
    p->in_type = false;
    TRY(parse_expr(p, 0, ret));
    p->in_type = was;
    return NULL;
}

/* func(...) ..., interface {...}, struct {...}: as they stand, with one space less or more. */
static struct err *parse_text_type(struct parser *p, struct node **ret)
{
    struct node *n = node(p, NODE_TYPE_TEXT, p->tok.at);
    bool func = is_word(p, "func");
    const char *open = func ? "(" : "{", *close = func ? ")" : "}";
    TRY(next(p));
    TRY(want(p, open, func ? "(" : "{"));
    for (unsigned depth = 1; depth;) {
        if (p->tok.kind == TOK_END)
            return expected(p, close);
        depth += is_op(p, open);
        depth -= is_op(p, close);
        TRY(next(p));
    }
    bool results = func && (is_op(p, "(") || is_op(p, "*") || is_op(p, "[") ||
                            (p->tok.kind == TOK_NAME && p->tok.at > p->last_end));
    if (results)
        TRY(parse_elem(p, &n->x)); /* only to know where it ends */
    n->text = arena_strndup(p->a, p->text + n->at, p->last_end - n->at);
    n->x = NULL;
    return done(p, n, ret);
}

static struct err *parse_map_type(struct parser *p, struct node **ret)
{
    struct node *n = node(p, NODE_TYPE_MAP, p->tok.at);
    TRY(next(p));
    TRY(want(p, "[", "[ and the type of the key"));
    TRY(parse_inner(p, &n->x));
    TRY(want(p, "]", "]"));
    TRY(parse_elem(p, &n->y));
    return done(p, n, ret);
}

static struct err *parse_chan_type(struct parser *p, struct node **ret)
{
    struct node *n = node(p, NODE_TYPE_CHAN, p->tok.at);
    n->name = "chan ";
    if (is_op(p, "<-")) {
        n->name = "<-chan ";
        TRY(next(p));
    }
    if (!is_word(p, "chan"))
        return expected(p, "chan");
    TRY(next(p));
    if (is_op(p, "<-") && n->name[0] == 'c') {
        n->name = "chan<- ";
        TRY(next(p));
    }
    TRY(parse_elem(p, &n->x));
    return done(p, n, ret);
}

/* []T or [N]T */
static struct err *parse_array_type(struct parser *p, struct node **ret)
{
    struct node *n = node(p, NODE_TYPE_SLICE, p->tok.at);
    TRY(next(p));
    if (!is_op(p, "]")) {
        n->kind = NODE_TYPE_ARRAY;
        n->args = arena_array(p->a, struct node *, 1);
        n->nargs = 1;
        TRY(parse_inner(p, &n->args[0]));
    }
    TRY(want(p, "]", "]"));
    TRY(parse_elem(p, &n->x));
    return done(p, n, ret);
}

/* ---- operands ---- */

static struct err *parse_literal(struct parser *p, struct node **ret)
{
    struct node *n = node(p, NODE_CONST, p->tok.at);
    const struct dbg_const *c;
    struct err *e = dbg_const_parse(p->a, p->text + p->tok.at, p->tok.n, &c);
    if (e)
        return expr_point(e, p->text, p->tok.at);
    n->value = (struct dbg_value){
        .form = DBG_UNTYPED, .untyped = c, .type = dbg_const_type(c), .v.type = DWARF_NO_ID};
    TRY(next(p));
    return done(p, n, ret);
}

static struct err *parse_operand(struct parser *p, struct node **ret)
{
    uint32_t at = p->tok.at;
    if (p->tok.kind == TOK_NUMBER || p->tok.kind == TOK_RUNE || p->tok.kind == TOK_STRING)
        return parse_literal(p, ret);
    if (is_op(p, "(")) {
        TRY(next(p));
        TRY(parse_inner(p, ret));
        TRY(want(p, ")", ")"));
        return NULL;
    }
    if (is_op(p, "["))
        return parse_array_type(p, ret);
    if (is_word(p, "map"))
        return parse_map_type(p, ret);
    if (is_word(p, "chan") || is_op(p, "<-"))
        return parse_chan_type(p, ret);
    if (is_word(p, "func") || is_word(p, "interface") || is_word(p, "struct"))
        return parse_text_type(p, ret);
    if (p->tok.kind != TOK_NAME)
        return expected(p, "an operand");
    struct node *n = node(p, NODE_NAME, at);
    n->name = tok_text(p);
    TRY(next(p));
    return done(p, n, ret);
}

/* ---- what follows an operand ---- */

/* x.name, x.(T), "path".name */
static struct err *parse_selector(struct parser *p, struct node *x, struct node **ret)
{
    struct node *n = node(p, NODE_SELECT, x->at);
    n->x = x;
    TRY(next(p));
    if (is_op(p, "(")) {
        n->kind = NODE_ASSERT;
        TRY(next(p));
        TRY(parse_inner(p, &n->type));
        TRY(want(p, ")", ")"));
        return done(p, n, ret);
    }
    if (p->tok.kind != TOK_NAME)
        return expected(p, "the name of a field or method, or (T)");
    n->name = tok_text(p);
    if (x->kind == NODE_CONST && x->value.untyped->kind == CONST_STRING) {
        n->kind = NODE_QUOTED;
        n->text = x->value.untyped->text;
        n->x = NULL;
    }
    TRY(next(p));
    return done(p, n, ret);
}

static struct err *add_arg(struct parser *p, struct node *n, struct node *arg)
{
    struct node **old = n->args;
    if (n->nargs >= EXPR_ARGS_MAX)
        return expr_error(ERR_USAGE, p->text, p->tok.at, "too many arguments");
    if ((n->nargs & (n->nargs + 1)) == 0) { /* as 0, 1, 3, 7 ... are full */
        n->args = arena_array(p->a, struct node *, 2 * n->nargs + 1);
        if (n->nargs)
            memcpy(n->args, old, n->nargs * sizeof(*old));
    }
    n->args[n->nargs++] = arg;
    return NULL;
}

/* x[i], x[T, U], x[i:j], x[i:j:k] */
static struct err *parse_index(struct parser *p, struct node *x, struct node **ret)
{
    struct node *n = node(p, NODE_INDEX, x->at);
    n->x = x;
    TRY(next(p));
    for (;;) {
        struct node *arg = NULL;
        if (!is_op(p, ":") && !(n->kind == NODE_SLICE && is_op(p, "]")))
            TRY(parse_inner(p, &arg));
        TRY(add_arg(p, n, arg));
        if (is_op(p, ":") && n->nargs < 3 && (n->nargs == 1 || n->kind == NODE_SLICE))
            n->kind = NODE_SLICE;
        else if (!is_op(p, ",") || n->kind == NODE_SLICE)
            break;
        TRY(next(p));
    }
    TRY(want(p, "]", "]"));
    while (n->kind == NODE_SLICE && n->nargs < 3)
        TRY(add_arg(p, n, NULL));
    return done(p, n, ret);
}

static struct err *parse_call(struct parser *p, struct node *x, struct node **ret)
{
    struct node *n = node(p, NODE_CALL, x->at);
    n->x = x;
    p->calls = true;
    TRY(next(p));
    while (!is_op(p, ")")) {
        struct node *arg;
        TRY(parse_inner(p, &arg));
        TRY(add_arg(p, n, arg));
        if (is_op(p, "...")) {
            n->spread = true;
            TRY(next(p));
        }
        if (!is_op(p, ","))
            break;
        TRY(next(p));
    }
    TRY(want(p, ")", "another argument or )"));
    return done(p, n, ret);
}

static struct err *parse_primary(struct parser *p, struct node **ret)
{
    struct node *n;
    TRY(parse_operand(p, &n));
    for (;;) {
        if (is_op(p, "."))
            TRY(parse_selector(p, n, &n));
        else if (is_op(p, "["))
            TRY(parse_index(p, n, &n));
        else if (is_op(p, "(") && !p->in_type)
            TRY(parse_call(p, n, &n));
        else
            break;
    }
    *ret = n;
    return NULL;
}

/* ---- operators ---- */

static struct err *parse_unary_op(struct parser *p, struct node **ret)
{
    struct node *n = node(p, is_op(p, "*") ? NODE_STAR : NODE_UNARY, p->tok.at);
    memcpy(n->op, p->tok.op, sizeof(n->op));
    TRY(next(p));
    TRY(parse_unary(p, &n->x));
    return done(p, n, ret);
}

static struct err *parse_unary(struct parser *p, struct node **ret)
{
    static const char *const ops[] = {"+", "-", "!", "^", "*", "&"};
    struct err *e = NULL;
    if (++p->depth > EXPR_DEPTH_MAX)
        return expr_error(ERR_USAGE, p->text, p->tok.at, "the expression is too deep");
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (is_op(p, ops[i])) {
            e = parse_unary_op(p, ret);
            p->depth--;
            return e;
        }
    }
    e = parse_primary(p, ret);
    p->depth--;
    return e;
}

/* Go's five levels; 0: not a binary operator. */
static int level_of(const struct parser *p)
{
    static const struct {
        const char *op;
        int level;
    } ops[] = {{"||", 1}, {"&&", 2}, {"==", 3}, {"!=", 3}, {"<", 3}, {"<=", 3}, {">", 3},
               {">=", 3}, {"+", 4},  {"-", 4},  {"|", 4},  {"^", 4}, {"*", 5},  {"/", 5},
               {"%", 5},  {"<<", 5}, {">>", 5}, {"&", 5},  {"&^", 5}};
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (is_op(p, ops[i].op))
            return ops[i].level;
    return 0;
}

static struct err *parse_expr(struct parser *p, int level, struct node **ret)
{
    struct node *x;
    if (++p->depth > EXPR_DEPTH_MAX)
        return expr_error(ERR_USAGE, p->text, p->tok.at, "the expression is too deep");
    TRY(parse_unary(p, &x));
    for (int l; (l = level_of(p)) > level;) {
        struct node *n = node(p, NODE_BINARY, x->at);
        memcpy(n->op, p->tok.op, sizeof(n->op));
        n->x = x;
        TRY(next(p));
        TRY(parse_expr(p, l, &n->y));
        TRY(done(p, n, &x));
    }
    p->depth--;
    *ret = x;
    return NULL;
}

/* What follows makes "call" a word of ours: in Go no operand follows a name, and gofmt leaves no
 * blank before the "(" of a call. */
size_t expr_call_prefix(const char *text)
{
    struct tok word, then;
    struct err *e = expr_lex(text, 0, &word);
    bool is = !e && word.kind == TOK_NAME && word.n == 4 && memcmp(text + word.at, "call", 4) == 0;
    if (is)
        e = expr_lex(text, word.at + word.n, &then);
    is = is && !e &&
         (then.kind == TOK_NAME || then.kind == TOK_STRING ||
          (then.kind == TOK_OP && then.op[0] == '(' && then.at > word.at + word.n));
    err_free(e);
    return is ? then.at : 0;
}

struct err *expr_parse(struct arena *a, const char *text, struct node **ret)
{
    struct parser p = {.a = a, .text = text};
    if (strlen(text) > EXPR_TEXT_MAX)
        return err_new(ERR_USAGE, "the expression is longer than %d bytes", EXPR_TEXT_MAX);
    p.tok.at = (uint32_t)expr_call_prefix(text);
    uint32_t from = p.tok.at;
    TRY(next(&p));
    TRY(parse_expr(&p, 0, ret));
    if (p.tok.kind != TOK_END)
        return expected(&p, "an operator or the end");
    if (from && !p.calls)
        return expr_error(ERR_USAGE, text, from,
                          "expected the call of a function behind call, as in call f(x)");
    return NULL;
}

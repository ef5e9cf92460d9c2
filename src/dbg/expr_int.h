/* expr_int.h - what the files of dbg/expr.h share.
 *
 * expr_lex.c and expr_parse.c make a tree of nodes; expr_resolve.c finds what names and types mean
 * at a place of the code, once; expr_eval.c and those behind it (expr_ops.c operators,
 * expr_convert.c conversions, expr_builtin.c len and the like, expr_runtime.c the goroutine,
 * registers) evaluate a node in a frame. */
#ifndef GOSPECT_DBG_EXPR_INT_H
#define GOSPECT_DBG_EXPR_INT_H

#include "base/vec.h"
#include "dbg/expr.h"
#include "dbg/value_int.h"

/* ---- expr_lex.c ---- */

enum tok_kind { TOK_END, TOK_NAME, TOK_NUMBER, TOK_RUNE, TOK_STRING, TOK_OP };

struct tok {
    enum tok_kind kind;
    uint32_t at, n; /* bytes of the text */
    char op[4];     /* TOK_OP */
};

/* The token at `at`; USAGE: what is wrong there. */
struct err *expr_lex(const char *text, size_t at, struct tok *ret) MUST_USE;

/* ---- expr_parse.c ---- */

enum node_kind {
    NODE_CONST,  /* value */
    NODE_NAME,   /* name */
    NODE_SELECT, /* x.name */
    NODE_QUOTED, /* "full/path".name: text is the path */
    NODE_INDEX,  /* x[args...] */
    NODE_SLICE,  /* x[args[0]:args[1]:args[2]], missing ones NULL */
    NODE_ASSERT, /* x.(type), type NULL: .(data) */
    NODE_CALL,   /* x(args...) */
    NODE_UNARY,  /* op x */
    NODE_BINARY, /* x op y */
    NODE_STAR,   /* *x: what a pointer points to, or a pointer type */
    /* types */
    NODE_TYPE_SLICE, /* []x */
    NODE_TYPE_ARRAY, /* [args[0]]x */
    NODE_TYPE_MAP,   /* map[x]y */
    NODE_TYPE_CHAN,  /* name: "chan ", "<-chan ", "chan<- "; x */
    NODE_TYPE_TEXT,  /* as it stands: func(...), interface {}, struct {} */
};

/* What a name or type turned out to be. */
enum meaning {
    MEANS_NOTHING, /* not resolved */
    MEANS_SLOT,    /* a variable of the frame */
    MEANS_VALUE,   /* value: package variable, constant, nil, function */
    MEANS_TYPE,    /* type */
    MEANS_BUILTIN, /* builtin */
    MEANS_PACKAGE, /* of a name before a dot: name is the package's */
    MEANS_REG,     /* reg */
    MEANS_RUNTIME, /* a pseudo-variable: runtime */
};

enum expr_runtime {
    RUNTIME_CURG,
    RUNTIME_FRAMEOFF,
    RUNTIME_THREADID,
    RUNTIME_LABELS,
    RUNTIME_COUNT
};

struct node {
    uint8_t kind;     /* enum node_kind */
    uint8_t meaning;  /* enum meaning */
    uint8_t builtin;  /* enum expr_builtin */
    uint8_t runtime;  /* enum expr_runtime */
    bool spread;      /* CALL: f(x...) */
    uint16_t depth;   /* of the tree below it */
    uint32_t at, end; /* bytes of the text */
    char op[4];
    const char *name, *text;
    struct node *x, *y, *type;
    struct node **args;
    size_t nargs;
    int reg;
    uint64_t type_id;
    struct rt_slot *slot;
    struct dbg_value value;
    /* SELECT: where the field was found last time */
    uint64_t field_type;
    uint8_t nsteps;
    struct step {
        uint64_t off, type;
        bool deref;                      /* it is behind this pointer */
        const struct dwarf_member *bits; /* it is a bit field; NULL: it is none */
    } steps[8];
};

enum { EXPR_TEXT_MAX = 64 << 10, EXPR_DEPTH_MAX = 200, EXPR_ARGS_MAX = 256 };

struct expr {
    struct rt_stand *st; /* where it was compiled; its values' types are those of the rt */
    char *text;          /* owned */
    struct arena arena;  /* nodes */
    struct node *root;
    VEC(struct rt_slot *) slots;
    bool asks_who; /* about the goroutine */
};

struct err *expr_parse(struct arena *a, const char *text, struct node **ret) MUST_USE;
/* An error about a place of the text, with the line and a caret as excerpt. */
struct err *expr_error(enum err_code code, const char *text, uint32_t at, const char *fmt, ...)
    PRINTF_LIKE(4, 5) MUST_USE;
struct err *expr_point(struct err *e, const char *text, uint32_t at) MUST_USE;

/* ---- expr_resolve.c ---- */
struct err *expr_resolve(struct expr *x, struct rt_stand *st, const struct expr_place *at) MUST_USE;

/* A type by its full name, or a basic one; DWARF_NO_ID: there is none. */
uint64_t expr_type_named(struct values *vs, const char *name);

/* ---- evaluating ---- */

struct ev {
    struct expr *x;
    const struct expr_ctx *ctx;
    struct rt_stand *st;
    struct values *vs;
    struct arena *a;
    unsigned depth;
    bool no_text; /* of values alone: an error has nothing to point at */
};

struct err *ev_node(struct ev *ev, struct node *n, struct dbg_value *ret) MUST_USE;
struct err *ev_fail(struct ev *ev, const struct node *n, const char *fmt, ...)
    PRINTF_LIKE(3, 4) MUST_USE;
const char *ev_type_name(struct ev *ev, const struct dbg_value *v); /* for errors */
/* A value of a type from bytes of ours. */
struct dbg_value ev_make(struct ev *ev, uint64_t type, const void *bytes, size_t n);
struct dbg_value ev_const(const struct dbg_const *c, uint64_t type);
struct dbg_value ev_bool(struct ev *ev, bool v);
struct dbg_value ev_int(struct ev *ev, int64_t v); /* of type int */
/* n bytes at off; an error that names the address. */
struct err *ev_get(struct ev *ev, const struct node *n, const struct dbg_value *v, size_t off,
                   void *dst, size_t size) MUST_USE;
const struct dwarf_type *ev_type(struct ev *ev, const struct dbg_value *v); /* stripped */
struct err *ev_deref(struct ev *ev, const struct node *n, const struct dbg_value *ptr,
                     struct dbg_value *ret) MUST_USE;
struct err *ev_field(struct ev *ev, struct node *n, const struct dbg_value *of, const char *name,
                     struct dbg_value *ret) MUST_USE;
/* The bytes of a string, wherever they are; in the arena. */
struct err *ev_string(struct ev *ev, const struct node *n, const struct dbg_value *v,
                      const char **ret, size_t *ret_n) MUST_USE;
/* An integer, typed or constant. */
struct err *ev_integer(struct ev *ev, const struct node *n, const struct dbg_value *v,
                       int64_t *ret) MUST_USE;

/* expr_ops.c */
struct err *ev_unary(struct ev *ev, struct node *n, struct dbg_value *ret) MUST_USE;
struct err *ev_binary(struct ev *ev, struct node *n, struct dbg_value *ret) MUST_USE;
/* x op y for values that are there already. */
struct err *ev_apply(struct ev *ev, const struct node *n, const char *op, const struct dbg_value *x,
                     const struct dbg_value *y, struct dbg_value *ret) MUST_USE;
struct err *ev_equal(struct ev *ev, const struct node *n, const struct dbg_value *x,
                     const struct dbg_value *y, bool *ret) MUST_USE;

/* expr_convert.c */
/* T(x). */
struct err *ev_convert(struct ev *ev, const struct node *n, const struct dbg_value *v,
                       uint64_t type, struct dbg_value *ret) MUST_USE;
/* What an assignment to a variable of that type would hold: constants get the type, nil becomes
 * zero, interfaces take values.  Others must have the type. */
struct err *ev_assign(struct ev *ev, const struct node *n, const struct dbg_value *v, uint64_t type,
                      struct dbg_value *ret) MUST_USE;

/* expr_index.c: x[i], x[i:j] */
struct err *ev_index(struct ev *ev, struct node *n, struct dbg_value *ret) MUST_USE;
struct err *ev_slice(struct ev *ev, struct node *n, struct dbg_value *ret) MUST_USE;

/* expr_builtin.c */
enum expr_builtin {
    BUILTIN_LEN,
    BUILTIN_CAP,
    BUILTIN_REAL,
    BUILTIN_IMAG,
    BUILTIN_COMPLEX,
    BUILTIN_MIN,
    BUILTIN_MAX,
    BUILTIN_COUNT,
};
int expr_builtin_named(const char *name); /* -1: none */
struct err *ev_builtin(struct ev *ev, struct node *n, struct dbg_value *ret) MUST_USE;

/* expr_value.c: for evaluating with a value that is there instead of text: `value` is its node. */
struct value_expr {
    struct expr x;
    struct ev ev;
    struct node value;
};
struct ev *value_expr(struct value_expr *x, struct rt_stand *st, const struct dbg_value *v,
                      struct arena *a);

/* expr_runtime.c */
int expr_runtime_named(const char *name); /* of package runtime; -1: none */
struct err *ev_runtime(struct ev *ev, struct node *n, struct dbg_value *ret) MUST_USE;
struct err *ev_register(struct ev *ev, struct node *n, struct dbg_value *ret) MUST_USE;
/* labels["x"], runtime.curg.labels["x"]; false in *is: n is something else. */
struct err *ev_label(struct ev *ev, struct node *n, bool *is, struct dbg_value *ret) MUST_USE;

#endif

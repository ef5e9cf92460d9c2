/* filter_int.h - a compiled filter: what the parser (filter.c) makes and the evaluation
 * (filter_eval.c) reads. */
#ifndef GOSPECT_SNAP_FILTER_INT_H
#define GOSPECT_SNAP_FILTER_INT_H

#include "base/buf.h"
#include "base/mem.h"
#include "base/regex.h"
#include "base/vec.h"
#include "snap/filter.h"

enum field {
#define FIELD(id, name, kind, doc) FIELD_##id,
#include "snap/filter.def"
#undef FIELD
    NFIELDS,
};

enum field_kind {
    KIND_STATE,
    KIND_NAME,     /* words of a text: reason, func, file, creator, top */
    KIND_NUMBER,   /* id, parent, thread, depth, line */
    KIND_DURATION, /* age */
    KIND_FLAG,     /* locked, system */
    KIND_KEYED,    /* label.KEY, local.NAME: whole values */
};

enum op { OP_HAS, OP_EQ, OP_MATCH, OP_LT, OP_LE, OP_GT, OP_GE };

struct test {
    enum field field;
    enum op op;
    const char *key;  /* KEYED */
    const char *text; /* the value as typed; NAME: normalised */
    size_t text_n;
    uint64_t number;     /* NUMBER, DURATION (ns); the first of EQ's list */
    uint32_t line;       /* NAME of a file: the line behind it (orders/notify.go:88); 0: none */
    uint16_t states;     /* STATE: bits of enum snap_gstatus */
    const uint64_t *any; /* NUMBER with EQ: equal to one of these */
    size_t nany;
    struct regex *re; /* MATCH */
};

enum node_kind { NODE_TEST, NODE_NOT, NODE_AND, NODE_OR };

struct node {
    enum node_kind kind;
    uint32_t a, b; /* operands: earlier nodes */
    struct test test;
};

struct snap_filter {
    struct arena mem;
    VEC(struct node) nodes; /* operands before operators; the last one is the result */
    bool names_system;
};

/* Writes a name as filters compare it: without type arguments, (*T) as T, %2e as a dot.  The result
 * is never longer. */
size_t filter_normalise(char *to, const char *name);
/* Whether words occurs in text as whole words: what stands before and behind is no letter, digit or
 * underscore. */
bool filter_has_words(const char *text, size_t n, const char *words, size_t nwords);

#endif

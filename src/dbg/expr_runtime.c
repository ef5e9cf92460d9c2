/* expr_runtime.c - what is not a variable of the program: the goroutine, its labels, the frame, the
 * thread, registers; see expr_int.h. */
#include <string.h>

#include "dbg/expr_int.h"

static const char *const names[] = {[RUNTIME_CURG] = "curg",
                                    [RUNTIME_FRAMEOFF] = "frameoff",
                                    [RUNTIME_THREADID] = "threadid",
                                    [RUNTIME_LABELS] = NULL};

int expr_runtime_named(const char *name)
{
    for (int i = 0; i < (int)ARRAY_LEN(names); i++)
        if (names[i] && strcmp(names[i], name) == 0)
            return i;
    return -1;
}

/* The goroutine is its runtime.g, as DWARF has it. */
static struct err *curg(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    const struct dwarf_type *t = NULL;
    uint64_t type = DWARF_NO_ID;
    if (!ev->ctx->g)
        return ev_fail(ev, n, "there is no goroutine here");
    if (ev->vs)
        type = expr_type_named(ev->vs, "runtime.g");
    t = ev->vs ? value_type(ev->vs, type) : NULL;
    if (!t)
        return ev_fail(ev, n, "the program does not describe its goroutines");
    *ret = (struct dbg_value){
        .form = DBG_VALUE, .v = {.type = type, .addr = ev->ctx->g}, .type = "runtime.g"};
    return NULL;
}

static struct err *frameoff(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    struct rt_goroutine g;
    if (!ev->ctx->frame || !ev->ctx->g || !ev->ctx->frame->cfa)
        return ev_fail(ev, n, "there is no frame here");
    TRY(rt_goroutine_brief(ev->st, ev->ctx->g, &g));
    *ret = ev_int(ev, (int64_t)(ev->ctx->frame->cfa - g.stack_hi));
    return NULL;
}

struct err *ev_runtime(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    switch ((enum expr_runtime)n->runtime) {
    case RUNTIME_CURG:
        return curg(ev, n, ret);
    case RUNTIME_FRAMEOFF:
        return frameoff(ev, n, ret);
    case RUNTIME_THREADID:
        *ret = ev_int(ev, ev->ctx->tid);
        return NULL;
    default:
        return ev_fail(ev, n, "expected labels[\"...\"]");
    }
}

struct err *ev_register(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    uint8_t bytes[16] = {0};
    bool vector = target_arch(rt_stand_target(ev->st))->dwarf_is_vector((unsigned)n->reg);
    size_t size = vector ? 16 : 8;
    if (!ev->ctx->frame)
        return ev_fail(ev, n, "%s is a register, and there is no frame", n->name);
    TRY(rt_frame_reg(ev->st, ev->ctx->frame, (unsigned)n->reg, bytes, size));
    uint64_t type = value_basic_type(ev->vs, vector ? "uint8" : "uint64");
    *ret = ev_make(ev, vector ? value_array_of(ev->vs, type, 16) : type, bytes, size);
    struct rt_piece *piece = arena_new(ev->a, struct rt_piece);
    *piece = (struct rt_piece){.n = (uint32_t)size, .reg = n->reg};
    ret->pieces = piece;
    ret->npieces = 1;
    return NULL;
}

/* ---- labels ---- */

static bool is_labels(const struct node *n)
{
    if (n->kind == NODE_NAME)
        return n->meaning == MEANS_RUNTIME && n->runtime == RUNTIME_LABELS;
    return n->kind == NODE_SELECT && n->meaning == MEANS_NOTHING &&
           strcmp(n->name, "labels") == 0 && n->x->meaning == MEANS_RUNTIME &&
           n->x->runtime == RUNTIME_CURG;
}

struct err *ev_label(struct ev *ev, struct node *n, bool *is, struct dbg_value *ret)
{
    struct dbg_value key;
    struct rt_goroutine g;
    struct rt_label *labels;
    size_t count, len;
    const char *text, *value = "";
    *is = is_labels(n->x);
    if (!*is)
        return NULL;
    TRY(ev_node(ev, n->args[0], &key));
    const struct dwarf_type *t = ev_type(ev, &key);
    if (!(key.form == DBG_UNTYPED && key.untyped->kind == CONST_STRING) &&
        !(t && t->kind == DWARF_KIND_STRING))
        return ev_fail(ev, n->args[0], "the name of a label is a string");
    TRY(ev_string(ev, n->args[0], &key, &text, &len));
    if (!ev->ctx->g)
        return ev_fail(ev, n, "there is no goroutine here");
    TRY(rt_goroutine_brief(ev->st, ev->ctx->g, &g));
    TRY(rt_labels(ev->st, g.labels, ev->a, &labels, &count));
    for (size_t i = 0; i < count; i++)
        if (strlen(labels[i].key) == len && memcmp(labels[i].key, text, len) == 0)
            value = labels[i].value;
    *ret =
        ev_const(dbg_const_string(ev->a, value, strlen(value)), value_basic_type(ev->vs, "string"));
    ret->type = "string";
    return NULL;
}

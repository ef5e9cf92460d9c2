/* variables.c - variables, expressions, and setting them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "front/dap/dap_int.h"
#include "snap/code.h"

enum {
    UNPAGED_MAX = 1000,  /* children shown to a client that does not ask for pages */
    SEARCH_MAX = 100000, /* children looked through for a name */
    COMPLETIONS_MAX = 200,
    REGISTERS = 128, /* of DWARF's numbers, as far as they are looked through */
};

/* How much is shown where. */
static struct value_limits limits_for(const char *context)
{
    struct value_limits l = value_limits_typed;
    l.text = 512;
    l.width = 640;
    if (strcmp(context, "repl") == 0 || strcmp(context, "watch") == 0) {
        l.depth = 2;
        l.text = 1024;
        l.width = 8192;
    } else if (strcmp(context, "hover") == 0) {
        l.depth = 2;
        l.text = 256;
        l.width = 2048;
    } else if (strcmp(context, "clipboard") == 0) { /* all of it, within reason */
        l.depth = 10;
        l.pointers = 3;
        l.elements = 100000;
        l.text = 1 << 20;
        l.width = 4 << 20;
        l.reads = 1 << 20;
    }
    return l;
}

/* ---- a value ---- */

static const char *kind_hint(enum dbg_kind k)
{
    return k == DBG_KIND_FUNC ? "method" : k == DBG_KIND_INTERFACE ? "interface" : "data";
}

static void hint_json(const struct dap_client *c, const struct dbg_value *v, enum dbg_kind kind,
                      bool assignable, struct json *j)
{
    const char *name = v->name ? v->name : "";
    json_key(j, "presentationHint");
    json_begin(j, '{');
    json_kstr(j, "kind", kind_hint(kind));
    if (*name)
        json_kstr(j, "visibility", isupper((unsigned char)*name) ? "public" : "private");
    if (!assignable || kind == DBG_KIND_STRING) {
        json_key(j, "attributes");
        json_begin(j, '[');
        if (!assignable)
            json_str(j, "readOnly");
        if (kind == DBG_KIND_STRING)
            json_str(j, "rawString");
        json_end(j, ']');
    }
    json_end(j, '}');
}

/* A whole number in base 16, as the editor was told to show them. */
static void to_hex(struct buf *b)
{
    char *end;
    bool minus = b->n && *b->p == '-';
    unsigned long long v = strtoull(buf_text(b) + minus, &end, 10);
    if (!b->n || *end || end == b->p + minus)
        return;
    buf_clear(b);
    buf_printf(b, "%s0x%llx", minus ? "-" : "", v);
}

struct err *dap_value_json(struct dap_client *c, size_t frame, const struct dbg_value *v,
                           const struct value_limits *limits, const char *text_key, bool hex,
                           struct json *j)
{
    struct rt_stand *st = dbg_stand(c->server->session.d);
    struct dbg_count n;
    struct buf text = {0};
    int64_t ref = 0;
    uint64_t bytes;
    enum dbg_kind kind = dbg_value_kind(st, v);
    dbg_value_text(st, v, limits, &text);
    if (hex && kind == DBG_KIND_INT)
        to_hex(&text);
    json_key(j, text_key);
    json_strn(j, buf_text(&text), text.n);
    buf_free(&text);
    if (v->type && *v->type)
        json_kstr(j, "type", v->type);
    dbg_value_count(st, v, &n);
    if (n.named || n.indexed) {
        struct dap_handle h = {.scope = DAP_SCOPE_VALUE, .frame = frame, .value = *v};
        TRY(dap_handle_add(c, &h, &ref));
    }
    json_ki64(j, "variablesReference", ref);
    if (n.named && ref)
        json_ku64(j, "namedVariables", n.named);
    if (n.indexed)
        json_ku64(j, "indexedVariables", n.indexed);
    taddr at = dbg_value_memory(st, v, &bytes);
    if (at) {
        struct buf addr = {0};
        buf_printf(&addr, "0x%llx", (unsigned long long)at);
        json_kstr(j, "memoryReference", buf_text(&addr));
        buf_free(&addr);
    }
    return NULL;
}

static struct err *variable_json(struct dap_client *c, size_t frame, const struct dbg_value *v,
                                 bool hex, struct json *j)
{
    struct rt_stand *st = dbg_stand(c->server->session.d);
    const struct value_limits l = limits_for("variables");
    struct buf name = {0};
    json_begin(j, '{');
    buf_printf(&name, v->is_var && v->shadowed ? "(%s)" : "%s", v->name ? v->name : "");
    json_kstr(j, "name", buf_text(&name));
    buf_free(&name);
    if (v->path && *v->path)
        json_kstr(j, "evaluateName", v->path);
    TRY(dap_value_json(c, frame, v, &l, "value", hex, j));
    hint_json(c, v, dbg_value_kind(st, v), dbg_value_assignable(st, v), j);
    json_end(j, '}');
    return NULL;
}

/* ---- what is behind a number ---- */

struct listing {
    struct dap_client *c;
    const struct dap_handle *h;
    uint64_t start, count; /* count 0: all */
    int filter;            /* as in dap.def: all, indexed, named */
    struct dbg_value *v;
    size_t n;
    uint64_t left_out;
};

static void page(struct listing *l, struct dbg_value *all, size_t n)
{
    uint64_t from = min_u64(l->start, n), rest = n - from;
    l->v = all + from;
    l->n = l->count ? min_u64(l->count, rest) : rest;
}

static struct err *locals(struct listing *l)
{
    struct dap_client *c = l->c;
    const struct rt_frame *f = dap_frame_at(c, l->h->frame);
    struct rt_var *vars;
    size_t n;
    TRY(rt_vars(dbg_stand(c->server->session.d), f, &c->hand.mem, &vars, &n));
    struct dbg_value *v = arena_array(&c->hand.mem, struct dbg_value, n + 1);
    for (size_t i = 0; i < n; i++)
        dbg_value_of_var(&vars[i], &v[i]);
    page(l, v, n);
    return NULL;
}

/* Package variables of the frame's package. */
static struct err *globals(struct listing *l)
{
    struct dap_client *c = l->c;
    struct rt_stand *st = dbg_stand(c->server->session.d);
    const struct rt_frame *f = dap_frame_at(c, l->h->frame);
    size_t len = snap_package_len(f->func), n, k = 0;
    const char *const *names;
    TRY(rt_names(st, RT_NAMES_VARS, NULL, &c->hand.mem, &names, &n));
    struct dbg_value *v = arena_array(&c->hand.mem, struct dbg_value, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct rt_var var;
        if (strncmp(names[i], f->func, len) != 0 || names[i][len] != '.')
            continue;
        struct err *e = rt_package_var(st, names[i], &c->hand.mem, &var);
        if (!e) {
            dbg_value_of_var(&var, &v[k]);
            v[k++].name = names[i] + len + 1;
        }
        err_free(e); /* one that the linker dropped */
    }
    page(l, v, k);
    return NULL;
}

static struct err *children(struct listing *l)
{
    struct dap_client *c = l->c;
    struct rt_stand *st = dbg_stand(c->server->session.d);
    struct dbg_count n;
    dbg_value_count(st, &l->h->value, &n);
    uint64_t first = l->filter == 1 ? n.named : 0;
    uint64_t all = l->filter == 1 ? n.indexed : l->filter == 2 ? n.named : n.named + n.indexed;
    uint64_t from = min_u64(l->start, all), want = all - from;
    if (l->count)
        want = min_u64(want, l->count);
    if (!l->count && want > n.named + UNPAGED_MAX) {
        l->left_out = want - n.named - UNPAGED_MAX;
        want = n.named + UNPAGED_MAX;
    }
    return dbg_value_children(st, &l->h->value, first + from, want, false, &c->hand.mem, &l->v,
                              &l->n);
}

static struct err *list(struct listing *l)
{
    const struct dbg_event *ev;
    switch (l->h->scope) {
    case DAP_SCOPE_LOCALS:
        return locals(l);
    case DAP_SCOPE_GLOBALS:
        return globals(l);
    case DAP_SCOPE_RESULTS:
        ev = dbg_stop(l->c->server->session.d);
        l->v = (struct dbg_value *)(uintptr_t)(ev ? ev->results : NULL); /* only read */
        l->n = ev ? ev->nresults : 0;
        return NULL;
    default:
        return children(l);
    }
}

static void register_json(const char *name, uint64_t v, struct json *j)
{
    struct buf text = {0};
    buf_printf(&text, "0x%016llx", (unsigned long long)v);
    json_begin(j, '{');
    json_kstr(j, "name", name);
    json_kstr(j, "value", buf_text(&text));
    json_kstr(j, "evaluateName", name);
    json_kstr(j, "memoryReference", buf_text(&text));
    json_ki64(j, "variablesReference", 0);
    json_end(j, '}');
    buf_free(&text);
}

static struct err *registers(struct dap_client *c, const struct dap_handle *h, struct json *j)
{
    const struct rt_frame *f = dap_frame_at(c, h->frame);
    const struct arch *arch = target_arch(dbg_target(c->server->session.d));
    json_key(j, "variables");
    json_begin(j, '[');
    if (f)
        register_json("pc", f->pc, j);
    for (unsigned reg = 0; f && reg < REGISTERS; reg++) {
        const char *name = arch->reg_name(reg);
        uint64_t v;
        if (!name || arch->dwarf_is_vector(reg))
            continue;
        struct err *e = rt_frame_reg(dbg_stand(c->server->session.d), f, reg, &v, sizeof(v));
        if (!e)
            register_json(name, v, j);
        err_free(e); /* not known in this frame */
    }
    json_end(j, ']');
    return NULL;
}

static void left_out_json(uint64_t n, struct json *j)
{
    struct buf text = {0};
    text_count(&text, n);
    buf_str(&text, " more: ask for pages (start, count)");
    json_begin(j, '{');
    json_kstr(j, "name", "…");
    json_kstr(j, "value", buf_text(&text));
    json_ki64(j, "variablesReference", 0);
    json_end(j, '}');
    buf_free(&text);
}

struct err *dap_do_variables(struct dap_client *c, const struct dap_variables *a, struct json *j)
{
    struct dap_handle h;
    TRY(dap_handle_find(c, a->variablesReference, &h));
    if (dap_state_of(c) == DAP_FILE)
        return dap_file_variables(c, h.frame, j);
    if (h.scope == DAP_SCOPE_REGISTERS)
        return registers(c, &h, j);
    struct listing l = {.c = c,
                        .h = &h,
                        .start = (uint64_t)a->start,
                        .count = (uint64_t)a->count,
                        .filter = a->filter};
    TRY(list(&l));
    json_key(j, "variables");
    json_begin(j, '[');
    for (size_t i = 0; i < l.n; i++)
        TRY(variable_json(c, h.frame, &l.v[i], a->format && a->format->hex, j));
    if (l.left_out)
        left_out_json(l.left_out, j);
    json_end(j, ']');
    return NULL;
}

/* ---- one of them, by name ---- */

/* "[123]": the number; names of elements need no search. */
static bool element_number(const char *name, uint64_t *ret)
{
    char *end;
    if (name[0] != '[' || !isdigit((unsigned char)name[1]))
        return false;
    *ret = strtoull(name + 1, &end, 10);
    return strcmp(end, "]") == 0;
}

struct err *dap_child_named(struct dap_client *c, const struct dap_handle *h, const char *name,
                            struct dbg_value *ret)
{
    struct listing l = {.c = c, .h = h, .count = UNPAGED_MAX};
    uint64_t number;
    if (h->scope == DAP_SCOPE_VALUE && element_number(name, &number)) {
        struct listing one = {.c = c, .h = h, .filter = 1, .start = number, .count = 1};
        TRY(list(&one));
        if (one.n && strcmp(one.v[0].name, name) == 0) {
            *ret = one.v[0];
            return NULL;
        }
    }
    for (; l.start < SEARCH_MAX; l.start += l.count) {
        TRY(list(&l));
        for (size_t i = 0; i < l.n; i++)
            if (strcmp(l.v[i].name, name) == 0 && !(l.v[i].is_var && l.v[i].shadowed)) {
                *ret = l.v[i];
                return NULL;
            }
        if (l.n < l.count)
            break;
    }
    return err_new(ERR_NOT_FOUND, "there is no variable \"%s\" here", name);
}

/* ---- evaluate ---- */

/* "x = 3", but not "x == 3": where the right side begins; NULL: no assignment. */
static const char *assignment(const char *text)
{
    bool quoted = false;
    char quote = 0;
    for (const char *p = text; *p; p++) {
        if (quoted) {
            if (*p == '\\' && quote != '`' && p[1])
                p++;
            else if (*p == quote)
                quoted = false;
        } else if (*p == '"' || *p == '\'' || *p == '`') {
            quoted = true;
            quote = *p;
        } else if (*p == '=' && p[1] == '=') {
            p++;
        } else if (*p == '=' && p > text && !strchr("<>!:", p[-1])) {
            return p + 1;
        }
    }
    return NULL;
}

/* What was read, and what is shown, may not be so any more. */
void dap_invalidated(struct dap_server *s, struct dap_client *only, const char *area)
{
    for (size_t i = 0; i < s->clients.n; i++) {
        struct dap_client *to = s->clients.v[i];
        struct dap_body b;
        if (!to->in_session || !to->can.supportsInvalidatedEvent || (only && to != only))
            continue;
        struct json *j = dap_body_begin(&b);
        json_key(j, "areas");
        json_begin(j, '[');
        json_str(j, area);
        json_end(j, ']');
        dap_event_to(to, "invalidated", &b);
    }
}

void dap_memory_changed(struct dap_client *c, taddr at, uint64_t n)
{
    struct dap_server *s = c->server;
    snap_free(s->session.snap); /* the picture of this stop is old */
    s->session.snap = NULL;
    for (size_t i = 0; at && i < s->clients.n; i++) {
        struct dap_client *to = s->clients.v[i];
        struct dap_body b;
        struct buf ref = {0};
        if (!to->in_session || !to->can.supportsMemoryEvent)
            continue;
        struct json *j = dap_body_begin(&b);
        buf_printf(&ref, "0x%llx", (unsigned long long)at);
        json_kstr(j, "memoryReference", buf_text(&ref));
        json_ku64(j, "offset", 0);
        json_ku64(j, "count", n);
        buf_free(&ref);
        dap_event_to(to, "memory", &b);
    }
    dap_invalidated(s, NULL, "variables");
}

static struct err *assign(struct dap_client *c, size_t frame, const char *to, const char *text,
                          bool calls)
{
    struct dbg *d = c->server->session.d;
    struct dbg_value v;
    uint64_t n = 0;
    taddr at = 0;
    if (frame == SIZE_MAX)
        return err_new(ERR_USAGE, "to set a variable, a frame is needed");
    c->changes = true;
    dap_call_may_begin(c, "to set", to);
    const struct dap_frame *f = &c->hand.frames.v[frame];
    struct err *e = dbg_assign(d, c->hand.stacks.v[f->stack].thread, f->index, to, text, calls);
    dap_hand_fresh(c);
    TRY(e);
    e = dap_eval(c, frame, NULL, to, &c->hand.mem, &v);
    if (!e)
        at = dbg_value_memory(dbg_stand(d), &v, &n);
    err_free(e);
    dap_memory_changed(c, at, n);
    return NULL;
}

/* A person who types it may call functions; what an editor asks by itself, again and again, must
 * not. */
static bool may_call(const char *text, const char *context)
{
    return strcmp(context, "repl") == 0 || expr_call_prefix(text) > 0;
}

/* "call -unsafe f(x)": what is behind the options; NULL: there are none. */
static const char *call_options(const char *text, struct dbg_call_spec *how)
{
    static const char call[] = "call";
    const char *p = text + strspn(text, " \t");
    if (strncmp(p, call, strlen(call)) != 0)
        return NULL;
    p += strlen(call);
    const char *behind = *p == ' ' || *p == '\t' ? dbg_call_options(p, how) : p;
    return behind != p ? behind : NULL;
}

static struct err *evaluate(struct dap_client *c, size_t frame, const char *text,
                            const char *context, bool hex, struct json *j)
{
    const struct value_limits l = limits_for(context);
    struct rt_stand *st = dbg_stand(c->server->session.d);
    struct dbg_value v;
    const char *right = strcmp(context, "repl") == 0 ? assignment(text) : NULL;
    if (right) {
        const char *left = arena_strndup(&c->hand.mem, text, (size_t)(right - 1 - text));
        TRY(assign(c, frame, left, right, true));
        text = left;
    }
    dap_call_may_begin(c, "for", text);
    uint64_t moves = rt_stand_moves(st);
    struct dbg_call_spec how = {0};
    const char *behind = call_options(text, &how);
    bool calls = behind || may_call(text, context);
    struct err *e =
        dap_eval(c, frame, calls ? &how : NULL, behind ? behind : text, &c->hand.mem, &v);
    if (rt_stand_moves(dbg_stand(c->server->session.d)) != moves) { /* a function has run */
        c->changes = true;
        dap_memory_changed(c, 0, 0);
    }
    TRY(e);
    return dap_value_json(c, frame, &v, &l, "result", hex, j);
}

struct err *dap_do_evaluate(struct dap_client *c, const struct dap_evaluate *a, struct json *j)
{
    size_t frame;
    int64_t goroutine;
    bool on;
    if (strcmp(a->context, "repl") == 0 && dap_is_dump(a->expression))
        return dap_dump(c, a->expression, j);
    if (strcmp(a->context, "repl") == 0 && dap_is_hold(a->expression, &goroutine, &on))
        return dap_hold(c, goroutine, on, j);
    TRY(dap_frame_or_top(c, a->frameId, &frame));
    return evaluate(c, frame, a->expression, a->context, a->format && a->format->hex, j);
}

struct err *dap_do_setExpression(struct dap_client *c, const struct dap_setExpression *a,
                                 struct json *j)
{
    const struct value_limits l = limits_for("variables");
    struct dbg_value v;
    size_t frame;
    TRY(dap_frame_or_top(c, a->frameId, &frame));
    TRY(assign(c, frame, a->expression, a->value, may_call(a->value, "")));
    TRY(dap_eval(c, frame, NULL, a->expression, &c->hand.mem, &v));
    return dap_value_json(c, frame, &v, &l, "value", a->format && a->format->hex, j);
}

struct err *dap_do_setVariable(struct dap_client *c, const struct dap_setVariable *a,
                               struct json *j)
{
    const struct value_limits l = limits_for("variables");
    struct dap_handle h;
    struct dbg_value v;
    TRY(dap_handle_find(c, a->variablesReference, &h));
    if (h.scope == DAP_SCOPE_RESULTS)
        return err_new(ERR_UNSUPPORTED, "what a call has returned can not be changed");
    if (h.scope == DAP_SCOPE_REGISTERS) {
        TRY(assign(c, h.frame, a->name, a->value, false));
        json_kstr(j, "value", a->value);
        return NULL;
    }
    TRY(dap_child_named(c, &h, a->name, &v));
    if (!v.path || !*v.path)
        return err_new(ERR_UNSUPPORTED, "%s can not be set", a->name);
    TRY(assign(c, h.frame, v.path, a->value, may_call(a->value, "")));
    TRY(dap_eval(c, h.frame, NULL, v.path, &c->hand.mem, &v));
    return dap_value_json(c, h.frame, &v, &l, "value", a->format && a->format->hex, j);
}

/* ---- completions ---- */

/* The byte of a line at a column, which counts UTF-16 units. */
static size_t byte_at(const char *text, int64_t column)
{
    size_t at = 0, n = strlen(text);
    for (int64_t unit = 0; unit < column && at < n;) {
        uint32_t cp;
        size_t len = text_utf8(text + at, n - at, &cp);
        at += len ? len : 1;
        unit += len == 4 ? 2 : 1;
    }
    return at;
}

static bool name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

struct err *dap_do_completions(struct dap_client *c, const struct dap_completions *a,
                               struct json *j)
{
    size_t frame, n, base = c->can.columnsStartAt1 ? 1 : 0;
    const char *const *names;
    struct arena mem;
    TRY(dap_frame_or_top(c, a->frameId, &frame));
    size_t end = byte_at(a->text, a->column - (int64_t)base), word = end;
    while (word > 0 && name_byte(a->text[word - 1]))
        word--;
    arena_init(&mem);
    struct expr_ctx ctx = dap_ctx(c, frame, &mem);
    const char *upto = arena_strndup(&mem, a->text, end);
    struct err *e = expr_complete(&ctx, upto, COMPLETIONS_MAX, &names, &n);
    if (!e) {
        json_key(j, "targets");
        json_begin(j, '[');
        for (size_t i = 0; i < n; i++) {
            json_begin(j, '{');
            json_kstr(j, "label", names[i]);
            json_ku64(j, "start", (uint64_t)(a->column - (int64_t)(end - word)));
            json_ku64(j, "length", end - word);
            json_end(j, '}');
        }
        json_end(j, ']');
    }
    arena_free(&mem);
    return e;
}

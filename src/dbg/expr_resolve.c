/* expr_resolve.c - what the names of an expression mean at a place of the code, found once.
 *
 * Order for a bare name, as in Go from the inside out: a variable in scope; a package-level
 * variable, constant, function or type of the function's package; what the language declares; a
 * register.  A name before a dot may be a package: by the last part of its path, or by the name it
 * declares.
 *
 * Go: DWARF names package-level things with the full import path ("net/http.DefaultClient"), types
 * as source prints them with full paths (cmd/link/internal/ld/dwarf.go, 1.18-1.27). */
#include <string.h>

#include "dbg/expr_int.h"
#include "image/dwarf_index.h"
#include "image/pclntab.h"
#include "snap/code.h"

struct resolver {
    struct expr *x;
    struct rt_stand *st;
    struct values *vs; /* NULL: no DWARF */
    struct arena *a;
    const struct expr_place *at;
    const char *package;
};

/* Whose names of type parameters people may mean. */
static bool is_generic(struct resolver *r)
{
    struct rt_frame f[PCLN_FRAMES_MAX];
    if (!r->at || !r->at->pc)
        return false;
    size_t n = rt_where(r->st, r->at->pc, r->at->exact, f, ARRAY_LEN(f));
    return n > r->at->inline_no && strchr(f[r->at->inline_no].func, '[');
}

static struct err *unknown(struct resolver *r, const struct node *n, const char *name)
{
    const char *why = NULL;
    rt_stand_values(r->st, &why);
    if (why)
        return expr_error(ERR_NOT_FOUND, r->x->text, n->at, "nothing is called %s here: %s", name,
                          why);
    if (is_generic(r))
        return expr_error(ERR_NOT_FOUND, r->x->text, n->at,
                          "nothing is called %s here; the program does not keep the names of type "
                          "parameters: write the type that it stands for",
                          name);
    if ((why = rt_stand_dark(r->st)))
        return expr_error(ERR_NOT_FOUND, r->x->text, n->at,
                          "nothing is called %s here, as far as is known: %s", name, why);
    return expr_error(ERR_NOT_FOUND, r->x->text, n->at, "nothing is called %s here", name);
}

static void means(struct node *n, enum meaning m)
{
    n->meaning = (uint8_t)m;
}

/* ---- package-level names ---- */

static bool constant_in(struct resolver *r, struct dwarf *dw, const char *name,
                        struct dbg_value *ret)
{
    struct dwarf_names it;
    struct dwarf_die die;
    struct dwarf_attr a;
    uint64_t id, type;
    int64_t v;
    struct err *e = dwarf_names_of(&it, dw, DWARF_NAME_CONST, name);
    bool found = !e && dwarf_name_next(&it, &id);
    if (!e && found)
        e = dwarf_die_at(dw, id, &die);
    found = found && !e && dwarf_attr_find(&die, DW_AT_type, &a) &&
            dwarf_attr_ref(die.unit, &a, &type) && dwarf_attr_find(&die, DW_AT_const_value, &a) &&
            dwarf_attr_sint(&a, &v);
    err_free(e);
    int64_t size = found ? value_type_size(r->vs, type) : -1;
    if (size < 1 || size > 8)
        return false;
    uint8_t *bytes = arena_alloc(r->a, 8);
    memcpy(bytes, &v, 8);
    *ret = (struct dbg_value){.form = DBG_VALUE,
                              .v = {.type = type, .bytes = bytes, .n = (size_t)size},
                              .type = value_type_name(r->vs, type)};
    return true;
}

static bool constant_named(struct resolver *r, const char *name, struct dbg_value *ret)
{
    struct dwarf *dw;
    for (size_t i = 0; (dw = values_dwarf_at(r->vs, i)); i++)
        if (constant_in(r, dw, name, ret))
            return true;
    return false;
}

static bool function_named(struct resolver *r, const char *name, struct dbg_value *ret)
{
    taddr pc = rt_function_entry(r->st, name);
    if (!pc)
        return false;
    *ret =
        (struct dbg_value){.form = DBG_FUNC, .func_pc = pc, .v.type = DWARF_NO_ID, .type = "func"};
    return true;
}

uint64_t expr_type_named(struct values *vs, const char *name)
{
    uint64_t id = value_basic_type(vs, name);
    if (id != DWARF_NO_ID)
        return id;
    const struct dwarf_type *t = values_type_named(vs, name);
    return t ? t->id : DWARF_NO_ID;
}

static uint64_t type_named(struct resolver *r, const char *name)
{
    return expr_type_named(r->vs, name);
}

/* A full name: "main.x", "net/http.Client". */
static bool global_named(struct resolver *r, struct node *n, const char *name)
{
    struct rt_var v;
    struct err *e = rt_package_var(r->st, name, r->a, &v);
    means(n, MEANS_VALUE);
    if (!e) {
        dbg_value_of_var(&v, &n->value);
        return true;
    }
    err_free(e);
    if (r->vs && constant_named(r, name, &n->value))
        return true;
    if (function_named(r, name, &n->value))
        return true;
    n->type_id = r->vs ? type_named(r, name) : DWARF_NO_ID;
    means(n, n->type_id == DWARF_NO_ID ? MEANS_NOTHING : MEANS_TYPE);
    return n->type_id != DWARF_NO_ID;
}

static bool ends_with_part(const char *path, const char *name)
{
    size_t n = strlen(path), k = strlen(name);
    return n >= k && strcmp(path + n - k, name) == 0 && (n == k || path[n - k - 1] == '/');
}

/* Linkers write dots of a path's last part as %2e. */
static const char *escaped(struct resolver *r, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct buf b = {0};
    if (!strchr(slash ? slash : path, '.'))
        return path;
    for (const char *c = path; *c; c++) {
        if (*c == '.' && c > slash)
            buf_str(&b, "%2e");
        else
            buf_char(&b, *c);
    }
    const char *ret = arena_strdup(r->a, buf_text(&b));
    buf_free(&b);
    return ret;
}

/* member of a package, by its path or a path with dots */
static bool in_package(struct resolver *r, struct node *n, const char *path, const char *member)
{
    const char *other = escaped(r, path);
    return global_named(r, n, arena_printf(r->a, "%s.%s", path, member)) ||
           (other != path && global_named(r, n, arena_printf(r->a, "%s.%s", other, member)));
}

/* What cgo calls C.member; its structs are C.struct_tag. */
static bool in_c(struct resolver *r, struct node *n, const char *member)
{
    static const char *const tags[] = {"struct_", "union_", "enum_"};
    for (size_t i = 0; r->vs && i < ARRAY_LEN(tags); i++) {
        if (strncmp(member, tags[i], strlen(tags[i])) != 0)
            continue;
        n->type_id = type_named(r, member + strlen(tags[i]));
        means(n, MEANS_TYPE);
        if (n->type_id != DWARF_NO_ID)
            return true;
    }
    return global_named(r, n, member);
}

/* Packages of that name in one DWARF. */
static bool in_unit_of(struct resolver *r, struct node *n, struct dwarf *dw, const char *pkg,
                       const char *member, bool *is)
{
    const struct dwarf_unit *units;
    size_t count = dwarf_units(dw, &units);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(units[i].package, pkg) != 0 && !ends_with_part(units[i].name, pkg))
            continue;
        *is = true;
        if (in_package(r, n, units[i].name, member))
            return true;
    }
    return false;
}

/* pkg.member, pkg being the name of a package; *is: there is such a package. */
static bool package_member(struct resolver *r, struct node *n, const char *pkg, const char *member,
                           bool *is)
{
    struct dwarf *dw;
    *is = strcmp(pkg, "C") == 0;
    if (*is && in_c(r, n, member))
        return true;
    for (size_t i = 0; r->vs && (dw = values_dwarf_at(r->vs, i)); i++)
        if (in_unit_of(r, n, dw, pkg, member, is))
            return true;
    return in_package(r, n, pkg, member);
}

/* ---- names ---- */

static struct err *find_slot(struct resolver *r, struct node *n, bool *found)
{
    *found = false;
    if (!r->at || !r->at->pc)
        return NULL;
    struct err *e =
        rt_slot_find(r->st, r->at->pc, r->at->exact, r->at->inline_no, n->name, &n->slot);
    if (e) {
        if (err_code(e) != ERR_NOT_FOUND)
            return e;
        err_free(e);
        return NULL;
    }
    vec_push(&r->x->slots, n->slot);
    means(n, MEANS_SLOT);
    *found = true;
    return NULL;
}

static bool universal(struct resolver *r, struct node *n)
{
    int builtin = expr_builtin_named(n->name);
    bool yes = strcmp(n->name, "true") == 0;
    means(n, MEANS_VALUE);
    if (yes || strcmp(n->name, "false") == 0) {
        n->value = ev_const(dbg_const_bool(r->a, yes), DWARF_NO_ID);
        return true;
    }
    if (strcmp(n->name, "nil") == 0) {
        n->value =
            (struct dbg_value){.form = DBG_NIL, .type = "untyped nil", .v.type = DWARF_NO_ID};
        return true;
    }
    if (builtin >= 0) {
        means(n, MEANS_BUILTIN);
        n->builtin = (uint8_t)builtin;
        return true;
    }
    n->type_id = r->vs ? value_basic_type(r->vs, n->name) : DWARF_NO_ID;
    if (n->type_id == DWARF_NO_ID && r->vs && strcmp(n->name, "error") == 0)
        n->type_id = type_named(r, "error");
    means(n, MEANS_TYPE);
    return n->type_id != DWARF_NO_ID;
}

static struct err *resolve_name(struct resolver *r, struct node *n)
{
    bool found;
    TRY(find_slot(r, n, &found));
    if (found)
        return NULL;
    if (*r->package && in_package(r, n, r->package, n->name))
        return NULL;
    if (universal(r, n))
        return NULL;
    n->reg = target_arch(rt_stand_target(r->st))->reg_named(n->name);
    if (n->reg >= 0) {
        means(n, MEANS_REG);
        return NULL;
    }
    if (strcmp(n->name, "labels") == 0) {
        means(n, MEANS_RUNTIME);
        r->x->asks_who = true;
        n->runtime = RUNTIME_LABELS;
        return NULL;
    }
    means(n, MEANS_NOTHING);
    return unknown(r, n, n->name);
}

/* ---- types ---- */

static struct err *resolve(struct resolver *r, struct node *n);
static const char *type_text(struct resolver *r, struct node *n);

/* As DWARF writes it: "interface {}", one space between words. */
static const char *normal_text(struct resolver *r, const char *text)
{
    struct buf b = {0};
    for (const char *c = text; *c; c++) {
        bool space = *c == ' ' || *c == '\t' || *c == '\n';
        if (*c == '{' && b.n && b.p[b.n - 1] != ' ')
            buf_char(&b, ' ');
        if (!space || (b.n && b.p[b.n - 1] != ' '))
            buf_char(&b, space ? ' ' : *c);
    }
    const char *ret = arena_strdup(r->a, buf_text(&b));
    buf_free(&b);
    return ret;
}

/* The name of the type that a node stands for; "" when it is none. */
static const char *name_of_type(struct resolver *r, struct node *n)
{
    if (n->meaning != MEANS_TYPE)
        return "";
    return value_type_name(r->vs, n->type_id);
}

static struct err *not_a_type(struct resolver *r, const struct node *n)
{
    return expr_error(ERR_USAGE, r->x->text, n->at, "%.*s is not a type of the program",
                      (int)(n->end - n->at), r->x->text + n->at);
}

static const char *type_text(struct resolver *r, struct node *n)
{
    switch ((enum node_kind)n->kind) {
    case NODE_TYPE_MAP:
        return arena_printf(r->a, "map[%s]%s", name_of_type(r, n->x), name_of_type(r, n->y));
    case NODE_TYPE_CHAN:
        return arena_printf(r->a, "%s%s", n->name, name_of_type(r, n->x));
    default:
        return normal_text(r, n->text);
    }
}

static struct err *resolve_type(struct resolver *r, struct node *n)
{
    if (n->x)
        TRY(resolve(r, n->x));
    if (n->y)
        TRY(resolve(r, n->y));
    if ((n->x && n->x->meaning != MEANS_TYPE) || (n->y && n->y->meaning != MEANS_TYPE))
        return not_a_type(r, n->x && n->x->meaning != MEANS_TYPE ? n->x : n->y);
    if (n->kind == NODE_TYPE_SLICE) {
        n->type_id = value_slice_of(r->vs, n->x->type_id);
    } else if (n->kind == NODE_TYPE_ARRAY) {
        const struct dbg_const *c =
            n->args[0]->kind == NODE_CONST ? n->args[0]->value.untyped : NULL;
        int64_t count;
        if (!c || c->kind != CONST_INT || !big_i64(&c->re.num, &count) || count < 0)
            return expr_error(ERR_USAGE, r->x->text, n->args[0]->at,
                              "expected a number of elements");
        n->type_id = value_array_of(r->vs, n->x->type_id, count);
    } else {
        n->type_id = type_named(r, type_text(r, n));
    }
    means(n, MEANS_TYPE);
    return n->type_id == DWARF_NO_ID ? not_a_type(r, n) : NULL;
}

/* Name[T, U]: an instance of a generic type or function. */
static bool instance(struct resolver *r, struct node *n)
{
    struct buf b = {0};
    const struct node *x = n->x;
    bool ok = x->kind == NODE_NAME || (x->kind == NODE_SELECT && x->x->kind == NODE_NAME) ||
              x->kind == NODE_QUOTED;
    for (size_t i = 0; ok && i < n->nargs; i++) {
        struct err *e = resolve(r, n->args[i]);
        err_free(e);
        ok = !e && n->args[i]->meaning == MEANS_TYPE;
        if (ok)
            buf_printf(&b, "%s%s", i ? "," : "", value_type_name(r->vs, n->args[i]->type_id));
    }
    const char *name = ok ? arena_printf(r->a, "%s[%s]", x->name, buf_text(&b)) : "";
    bool is;
    buf_free(&b);
    if (!ok)
        return false;
    if (x->kind == NODE_QUOTED)
        return in_package(r, n, x->text, name);
    if (x->kind == NODE_SELECT)
        return package_member(r, n, x->x->name, name, &is);
    return *r->package && in_package(r, n, r->package, name);
}

/* ---- all nodes ---- */

static bool is_variable(struct resolver *r, struct node *n, struct err **e)
{
    bool found = false;
    *e = NULL;
    if (n->kind == NODE_NAME && n->meaning == MEANS_NOTHING)
        *e = find_slot(r, n, &found);
    return found;
}

/* (*T).Method and T.Method */
static bool method_of_type(struct resolver *r, struct node *n)
{
    const char *name = name_of_type(r, n->x);
    bool star = *name == '*';
    const char *dot = strrchr(name, '/');
    dot = strchr(dot ? dot : name, '.');
    if (!dot)
        return false;
    int package = (int)(dot - name) - star;
    const char *full =
        star ? arena_printf(r->a, "%.*s.(*%s).%s", package, name + 1, dot + 1, n->name)
             : arena_printf(r->a, "%s.%s", name, n->name);
    means(n, MEANS_VALUE);
    return function_named(r, full, &n->value);
}

static struct err *resolve_select(struct resolver *r, struct node *n)
{
    struct err *e;
    bool is = false;
    if (n->x->kind == NODE_NAME && !is_variable(r, n->x, &e)) {
        if (e)
            return e;
        int runtime = strcmp(n->x->name, "runtime") == 0 ? expr_runtime_named(n->name) : -1;
        if (runtime >= 0) {
            means(n, MEANS_RUNTIME);
            r->x->asks_who = true;
            n->runtime = (uint8_t)runtime;
            return NULL;
        }
        struct node *x = n->x;
        bool global = *r->package && in_package(r, x, r->package, x->name) &&
                      !(x->meaning == MEANS_VALUE && x->value.form == DBG_FUNC);
        if (!global)
            means(x, MEANS_NOTHING);
        if (!global && package_member(r, n, x->name, n->name, &is))
            return NULL;
        if (!global && is)
            return expr_error(ERR_NOT_FOUND, r->x->text, n->at,
                              "package %s has no %s in this program", x->name, n->name);
        if (!global)
            TRY(resolve(r, x));
    } else if (n->x->kind != NODE_NAME) {
        TRY(resolve(r, n->x));
    }
    if (n->x->meaning == MEANS_TYPE && !method_of_type(r, n))
        return expr_error(ERR_NOT_FOUND, r->x->text, n->at,
                          "type %s has no method %s in this program", name_of_type(r, n->x),
                          n->name);
    return NULL;
}

static struct err *resolve_star(struct resolver *r, struct node *n)
{
    TRY(resolve(r, n->x));
    if (n->x->meaning != MEANS_TYPE)
        return NULL;
    n->type_id = value_pointer_to(r->vs, n->x->type_id);
    means(n, MEANS_TYPE);
    return n->type_id == DWARF_NO_ID ? not_a_type(r, n) : NULL;
}

/* "type"(x): a type whose path has a slash, in quotes. */
static struct err *resolve_callee(struct resolver *r, struct node *n)
{
    struct node *x = n->x;
    if (x->kind != NODE_CONST || x->value.untyped->kind != CONST_STRING)
        return resolve(r, x);
    const char *name = x->value.untyped->text;
    unsigned stars = 0;
    while (name[stars] == '*' && stars < 8)
        stars++;
    x->type_id = r->vs ? type_named(r, name + stars) : DWARF_NO_ID;
    for (unsigned i = 0; i < stars && x->type_id != DWARF_NO_ID; i++)
        x->type_id = value_pointer_to(r->vs, x->type_id);
    means(x, MEANS_TYPE);
    return x->type_id == DWARF_NO_ID ? not_a_type(r, x) : NULL;
}

static struct err *resolve_args(struct resolver *r, struct node *n)
{
    for (size_t i = 0; i < n->nargs; i++)
        if (n->args[i])
            TRY(resolve(r, n->args[i]));
    return NULL;
}

static struct err *resolve(struct resolver *r, struct node *n)
{
    switch ((enum node_kind)n->kind) {
    case NODE_CONST:
        return NULL;
    case NODE_NAME:
        return n->meaning == MEANS_NOTHING ? resolve_name(r, n) : NULL;
    case NODE_SELECT:
        return resolve_select(r, n);
    case NODE_QUOTED:
        return in_package(r, n, n->text, n->name) ? NULL : unknown(r, n, n->name);
    case NODE_INDEX:
        if (r->vs && instance(r, n))
            return NULL;
        TRY(resolve(r, n->x));
        return resolve_args(r, n);
    case NODE_SLICE:
        TRY(resolve(r, n->x));
        return resolve_args(r, n);
    case NODE_ASSERT:
        if (n->type->kind == NODE_NAME && strcmp(n->type->name, "data") == 0)
            n->type = NULL;
        else
            TRY(resolve_callee(r, &(struct node){.x = n->type}));
        if (n->type && n->type->meaning != MEANS_TYPE)
            return not_a_type(r, n->type);
        return resolve(r, n->x);
    case NODE_CALL:
        TRY(resolve_callee(r, n));
        return resolve_args(r, n);
    case NODE_STAR:
        return resolve_star(r, n);
    case NODE_UNARY:
        return resolve(r, n->x);
    case NODE_BINARY:
        TRY(resolve(r, n->x));
        return resolve(r, n->y);
    default:
        return r->vs ? resolve_type(r, n) : not_a_type(r, n);
    }
}

/* The package of a function as linkers name it. */
static const char *package_at(struct resolver *r, const struct expr_place *at)
{
    struct rt_frame f[PCLN_FRAMES_MAX];
    if (at && at->package)
        return at->package;
    if (!at || !at->pc)
        return "main";
    size_t n = rt_where(r->st, at->pc, at->exact, f, ARRAY_LEN(f));
    const char *func = n > at->inline_no ? f[at->inline_no].func : "";
    return arena_strndup(r->a, func, snap_package_len(func));
}

struct err *expr_resolve(struct expr *x, struct rt_stand *st, const struct expr_place *at)
{
    struct resolver r = {.x = x, .st = st, .a = &x->arena, .at = at};
    r.vs = rt_stand_values(st, NULL);
    r.package = package_at(&r, at);
    return resolve(&r, x->root);
}

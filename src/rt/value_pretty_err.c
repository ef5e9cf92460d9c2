/* value_pretty_err.c - what errors say and addresses are, as their own methods would make it.
 *
 * Go (1.18-1.27): the Error and String methods of errors, fmt, io/fs, os, strconv, net, net/url,
 * internal/poll, context, syscall; net/netip Addr.  No code of the target runs for it. */
#include <stdio.h>
#include <string.h>

#include "image/dwarf_expr.h"
#include "image/dwarf_index.h"
#include "rt/value_pretty_int.h"

/* ---- texts with fields in them ---- */

/* {f}: a string, or what an interface holds; {"f}: in quotes; [...{f}...]: only if f is not empty.
 */
static const struct {
    const char *type, *text;
} texts[] = {
    {"errors.errorString", "{s}"},
    {"fmt.wrapError", "{msg}"},
    {"fmt.wrapErrors", "{msg}"},
    {"io/fs.PathError", "{Op} {Path}: {Err}"},
    {"os.LinkError", "{Op} {Old} {New}: {Err}"},
    {"os.SyscallError", "{Syscall}: {Err}"},
    {"os/exec.Error", "exec: {\"Name}: {Err}"},
    {"strconv.NumError", "strconv.{Func}: parsing {\"Num}: {Err}"},
    {"net/url.Error", "{Op} {\"URL}: {Err}"},
    {"net.DNSError", "lookup {Name}[ on {Server}]: {Err}"},
    {"net.ParseError", "invalid {Type}: {Text}"},
    {"net.notFoundError", "{s}"},
    {"net.timeoutError", "i/o timeout"},
    {"net.canceledError", "operation was canceled"},
    {"net.UnixAddr", "{Name}"},
    {"internal/poll.errNetClosing", "use of closed network connection"},
    {"internal/poll.DeadlineExceededError", "i/o timeout"},
    {"context.deadlineExceededError", "context deadline exceeded"},
    {"encoding/json.SyntaxError", "{msg}"},
    {"net/http.ProtocolError", "{ErrorString}"},
    {"regexp.Regexp", "{expr}"},
    {"sync/atomic.Value", "{v}"},
    {"time.Location", "{name}"},
};

const char *pretty_text_of(const char *type)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (strcmp(texts[i].type, type) == 0)
            return texts[i].text;
    return NULL;
}

/* *empty: it is "" or nil. */
static bool put_field(const struct pretty *v, const char *name, bool quote, bool *empty)
{
    uint64_t type, head[2] = {0};
    struct view x;
    size_t n;
    if (!pretty_field(v, name, &type, &x) || !value_peek(v->p, x, 0, head, 16))
        return false;
    const struct dwarf_type *t = value_type_stripped(v->p->v, type);
    if (t && t->kind == DWARF_KIND_INTERFACE) {
        *empty = !head[0];
        return pretty_held(v, type, x);
    }
    const char *s = t && t->kind == DWARF_KIND_STRING ? pretty_bytes(v, x, &n) : NULL;
    if (!s)
        return false;
    *empty = !head[1];
    if (quote) {
        struct printer p = *v->p;
        p.b = v->b;
        value_quoted(&p, s, n, head[1]);
        return true;
    }
    buf_printf(v->b, "%.*s%s", (int)n, s, head[1] > n ? "…" : "");
    return true;
}

bool pretty_template(const struct pretty *v)
{
    size_t optional = 0;
    bool empty = false;
    for (const char *at = v->text; *at; at++) {
        char name[32];
        if (*at == '[') {
            optional = v->b->n;
        } else if (*at == ']') {
            if (empty)
                buf_cut(v->b, optional);
        } else if (*at == '{') {
            bool quote = at[1] == '"';
            size_t n = strcspn(at += 1 + quote, "}");
            if (n >= sizeof(name))
                return false;
            memcpy(name, at, n);
            name[n] = 0;
            at += n;
            if (!put_field(v, name, quote, &empty))
                return false;
        } else {
            buf_char(v->b, *at);
        }
    }
    return true;
}

/* ---- errors that need more ---- */

static bool op_error(const struct pretty *v)
{
    struct pretty part = *v;
    uint64_t type, source = 0, addr = 0;
    struct view x;
    if (!pretty_field(v, "Source", &type, &x) || !value_peek(v->p, x, 0, &source, 8) ||
        !pretty_field(v, "Addr", &type, &x) || !value_peek(v->p, x, 0, &addr, 8))
        return false;
    part.text = source && addr ? "{Op}[ {Net}] {Source}->{Addr}: {Err}"
                : source       ? "{Op}[ {Net}] {Source}: {Err}"
                : addr         ? "{Op}[ {Net}] {Addr}: {Err}"
                               : "{Op}[ {Net}]: {Err}";
    return pretty_template(&part);
}

/* In one line: where Go begins a new one, a semicolon stands. */
static bool join_error(const struct pretty *v)
{
    uint64_t type, head[2];
    struct view x;
    if (!pretty_field(v, "errs", &type, &x) || !value_peek(v->p, x, 0, head, 16))
        return false;
    const struct dwarf_type *t = value_type_stripped(v->p->v, type);
    if (!t || t->kind != DWARF_KIND_SLICE || v->depth >= CHAIN_MAX)
        return false;
    for (uint64_t i = 0; i < head[1] && i < CHAIN_MAX; i++) {
        buf_str(v->b, i ? "; " : "");
        if (!pretty_held(v, t->elem, (struct view){.addr = head[0] + 16 * i}))
            return false;
    }
    buf_str(v->b, head[1] > CHAIN_MAX ? "; …" : "");
    return true;
}

/* Where a variable of a package is; 0: not known. */
static taddr variable_at(const struct pretty *v, const char *name, uint64_t *ret_type)
{
    struct dwarf_var var;
    taddr addr = 0;
    struct err *e = rt_variable_named(v->p->v->rt, name, &var, &addr);
    if (!e)
        *ret_type = var.type;
    err_free(e);
    return e ? 0 : addr;
}

/* By the table that the target's own method uses. */
static bool errno_text(const struct pretty *v)
{
    uint64_t no = 0, type;
    size_t n = 0;
    taddr table = variable_at(v, "syscall.errors", &type);
    const struct dwarf_type *t = table ? value_type_stripped(v->p->v, type) : NULL;
    if (!v->depth || !value_peek(v->p, v->x, 0, &no, 8) || !t || t->kind != DWARF_KIND_ARRAY)
        return false; /* by itself: the constant's name and the number */
    const char *s = t->count > 0 && no < (uint64_t)t->count
                        ? pretty_bytes(v, (struct view){.addr = table + 16 * no}, &n)
                        : NULL;
    if (n)
        buf_str(v->b, s);
    else
        buf_printf(v->b, "errno %llu", (unsigned long long)no);
    return true;
}

/* ---- net/netip ---- */

/* Whether it has four bytes, and its zone.  Before 1.23 the pointer z says what an address is by
 * what variable it is the same as. */
static bool addr_kind(const struct pretty *v, const char *at, uint64_t *z, bool *four,
                      const char **zone)
{
    char path[64];
    uint64_t type, z4;
    struct view x;
    const struct dwarf_type *t = NULL;
    *zone = "";
    snprintf(path, sizeof(path), "%sz.value", at);
    bool handle = pretty_field(v, path, &type, &x);
    path[strlen(at) + 1] = 0;
    if ((!handle && !pretty_field(v, path, &type, &x)) || !value_peek(v->p, x, 0, z, 8))
        return false;
    if (!*z)
        return true;
    t = value_type_stripped(v->p->v, type);
    if (!t || t->kind != DWARF_KIND_POINTER)
        return false;
    struct pretty to = *v;
    int64_t six = 0;
    to.t = value_type_stripped(v->p->v, t->elem);
    to.x = (struct view){.addr = *z};
    if (handle) {
        *zone = pretty_string(&to, "zoneV6");
        *four = NUMBER(&to, &six, "isV6") && !six;
        return *zone != NULL;
    }
    taddr known = variable_at(v, "net/netip.z4", &type);
    if (!known || !value_peek(v->p, (struct view){.addr = known}, 0, &z4, 8))
        return false;
    *four = *z == z4;
    if (!pretty_field(&to, "cmpVal", &type, &x) || !value_peek(v->p, x, 0, &z4, 8))
        return false;
    if (z4 && value_peek(v->p, x, 8, &z4, 8)) {
        size_t n;
        *zone = pretty_bytes(v, (struct view){.addr = z4}, &n);
    }
    return *zone != NULL;
}

/* at: "" of an Addr, "ip." of what has one; the same texts as Addr.String. */
static bool put_addr(const struct pretty *v, const char *at, bool port)
{
    struct pretty six = *v;
    char hi_path[64], lo_path[64];
    int64_t hi, lo;
    uint64_t z;
    bool four = false;
    uint8_t ip[16];
    const char *zone;
    snprintf(hi_path, sizeof(hi_path), "%saddr.hi", at);
    snprintf(lo_path, sizeof(lo_path), "%saddr.lo", at);
    if (!addr_kind(v, at, &z, &four, &zone) || !NUMBER(v, &hi, hi_path) || !NUMBER(v, &lo, lo_path))
        return false;
    if (!z) {
        buf_str(v->b, "invalid IP");
        return true;
    }
    for (unsigned i = 0; i < 8; i++) {
        ip[i] = (uint8_t)((uint64_t)hi >> (56 - 8 * i));
        ip[8 + i] = (uint8_t)((uint64_t)lo >> (56 - 8 * i));
    }
    bool mapped = !four && !hi && (uint64_t)lo >> 32 == 0xffff;
    six.depth = 0;
    buf_str(v->b, port && !four ? "[" : "");
    buf_str(v->b, mapped ? "::ffff:" : "");
    if (!pretty_ip(&six, four || mapped ? ip + 12 : ip, four || mapped ? 4 : 16))
        return false;
    buf_printf(v->b, *zone ? "%%%s" : "", zone);
    buf_str(v->b, port && !four ? "]" : "");
    return true;
}

static bool netip_addr(const struct pretty *v)
{
    return put_addr(v, "", false);
}

/* False: not readable. */
static bool is_set(const struct pretty *v, bool *ret)
{
    uint64_t type, z = 0;
    struct view x;
    bool ok = pretty_field(v, "ip.z", &type, &x) && value_peek(v->p, x, 0, &z, 8);
    *ret = z != 0;
    return ok;
}

static bool netip_addr_port(const struct pretty *v)
{
    int64_t port;
    bool set;
    if (!NUMBER(v, &port, "port") || !is_set(v, &set))
        return false;
    if (!set)
        buf_str(v->b, "invalid AddrPort");
    else if (!put_addr(v, "ip.", true))
        return false;
    else
        buf_printf(v->b, ":%u", (unsigned)(uint16_t)port);
    return true;
}

static bool netip_prefix(const struct pretty *v)
{
    int64_t bits;
    bool set;
    if (NUMBER(v, &bits, "bitsPlusOne"))
        bits = (int64_t)(uint8_t)bits - 1;
    else if (!NUMBER(v, &bits, "bits"))
        return false;
    if (!is_set(v, &set))
        return false;
    if (bits < 0 || !set)
        buf_str(v->b, "invalid Prefix");
    else if (!put_addr(v, "ip.", false))
        return false;
    else
        buf_printf(v->b, "/%lld", (long long)bits);
    return true;
}

const struct pretty_type pretty_more[] = {
    {"errors.joinError", join_error},        {"net.OpError", op_error},
    {"syscall.Errno", errno_text},           {"net/netip.Addr", netip_addr},
    {"net/netip.AddrPort", netip_addr_port}, {"net/netip.Prefix", netip_prefix},
};
const size_t pretty_nmore = ARRAY_LEN(pretty_more);

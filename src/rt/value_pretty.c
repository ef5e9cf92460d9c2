/* value_pretty.c - what values of some types of the standard library mean, in a short text.
 *
 * Go (1.18-1.27): time/time.go Time; math/big Int, Rat, Float, nat; sync Mutex, RWMutex, WaitGroup,
 * Once; sync/atomic types; net IP, TCPAddr, UDPAddr; net/netip Addr; net/url URL; errors, fmt
 * wrapError, io/fs PathError; context; strings.Builder, bytes.Buffer; container/list; regexp.
 *
 * A printer asks for fields by name and gives up when one is missing or cannot be read: the value
 * is shown field by field then. */
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "rt/value_int.h"

enum { TEXT_MAX = 256, LIMBS_MAX = 64, CHAIN_MAX = 16 };

struct pretty {
    struct printer *p;
    const struct dwarf_type *t;
    struct view x;
    struct buf *b;
    unsigned depth;
};

static bool pretty_any(struct printer *p, uint64_t type, struct view x, struct buf *b,
                       unsigned depth);

/* ---- fields ---- */

/* "a.b" of a struct; embedded ones are named by their type. */
static bool field(const struct pretty *v, const char *path, uint64_t *ret_type, struct view *ret)
{
    const struct dwarf_type *t = v->t;
    struct view x = v->x;
    for (const char *at = path; *at;) {
        size_t n = strcspn(at, ".");
        const struct dwarf_member *m = NULL;
        for (size_t i = 0; t && t->kind == DWARF_KIND_STRUCT && i < t->nmembers; i++)
            if (strlen(t->members[i].name) == n && memcmp(t->members[i].name, at, n) == 0)
                m = &t->members[i];
        int64_t size = m ? value_type_size(v->p->v, m->type) : -1;
        if (size < 0)
            return false;
        x = value_part(x, m->off, (size_t)size);
        *ret_type = m->type;
        t = value_type_stripped(v->p->v, m->type);
        at += n + (at[n] == '.');
    }
    *ret = x;
    return true;
}

/* A number of up to 8 bytes at the first of the paths that is there. */
static bool number(const struct pretty *v, const char *const *paths, int64_t *ret)
{
    uint64_t type, raw = 0;
    struct view x;
    for (; *paths; paths++) {
        if (!field(v, *paths, &type, &x))
            continue;
        int64_t size = value_type_size(v->p->v, type);
        const struct dwarf_type *t = value_type_stripped(v->p->v, type);
        if (size < 1 || size > 8 || !t || !value_peek(v->p, x, 0, &raw, (size_t)size))
            return false;
        unsigned up = 64 - 8 * (unsigned)size;
        *ret = t->is_signed ? (int64_t)(raw << up) >> up : (int64_t)raw;
        return true;
    }
    return false;
}
#define NUMBER(v, ret, ...) number(v, (const char *const[]){__VA_ARGS__, NULL}, ret)

/* Bytes of a string or slice. */
static const char *bytes_at(const struct pretty *v, struct view x, size_t *ret_n)
{
    uint64_t head[2];
    *ret_n = 0;
    if (!value_peek(v->p, x, 0, head, 16))
        return NULL;
    size_t n = min_u64(head[1], TEXT_MAX);
    char *s = arena_alloc(&v->p->v->arena, n + 1);
    if (n && !value_peek(v->p, (struct view){.addr = head[0]}, 0, s, n))
        return NULL;
    *ret_n = n;
    return s;
}

static const char *string(const struct pretty *v, const char *path)
{
    uint64_t type;
    struct view x;
    size_t n;
    return field(v, path, &type, &x) ? bytes_at(v, x, &n) : NULL;
}

static bool put_text(const struct pretty *v, const char *s)
{
    if (s)
        buf_str(v->b, s);
    return s != NULL;
}

/* ---- numbers ---- */

/* math/big nat: words, the least significant first. */
static bool put_nat(const struct pretty *v, struct view x)
{
    uint64_t head[2], limbs[LIMBS_MAX];
    uint32_t d[2 * LIMBS_MAX], parts[2 * LIMBS_MAX + LIMBS_MAX / 4 + 2];
    size_t n, count = 0;
    if (!value_peek(v->p, x, 0, head, 16))
        return false;
    if (head[1] > LIMBS_MAX) {
        buf_printf(v->b, "%llu bits", (unsigned long long)head[1] * 64);
        return true;
    }
    if (head[1] && !value_peek(v->p, (struct view){.addr = head[0]}, 0, limbs, 8 * head[1]))
        return false;
    n = 2 * head[1];
    memcpy(d, limbs, 4 * n);
    do { /* by 10^9 */
        uint64_t rem = 0;
        for (size_t i = n; i-- > 0;) {
            rem = rem << 32 | d[i];
            d[i] = (uint32_t)(rem / 1000000000);
            rem %= 1000000000;
        }
        parts[count++] = (uint32_t)rem;
        while (n && !d[n - 1])
            n--;
    } while (n && count < ARRAY_LEN(parts));
    buf_printf(v->b, "%u", parts[count - 1]);
    while (--count > 0)
        buf_printf(v->b, "%09u", parts[count - 1]);
    return true;
}

static bool big_int_at(const struct pretty *v, const char *neg, const char *abs)
{
    int64_t minus;
    uint64_t type;
    struct view x;
    if (!NUMBER(v, &minus, neg) || !field(v, abs, &type, &x))
        return false;
    buf_str(v->b, minus ? "-" : "");
    return put_nat(v, x);
}

static bool big_int(const struct pretty *v)
{
    return big_int_at(v, "neg", "abs");
}

static bool big_rat(const struct pretty *v)
{
    uint64_t type, len;
    struct view x;
    if (!big_int_at(v, "a.neg", "a.abs") || !field(v, "b.abs", &type, &x) ||
        !value_peek(v->p, x, 8, &len, 8))
        return false;
    if (!len)
        return true; /* an integer */
    buf_char(v->b, '/');
    return put_nat(v, x);
}

static bool big_float(const struct pretty *v)
{
    int64_t form, neg, exp;
    uint64_t type, head[2], top = 0;
    struct view x;
    if (!NUMBER(v, &form, "form") || !NUMBER(v, &neg, "neg") || !NUMBER(v, &exp, "exp") ||
        !field(v, "mant", &type, &x) || !value_peek(v->p, x, 0, head, 16))
        return false;
    buf_str(v->b, neg ? "-" : "");
    if (form != 1 || !head[1]) { /* zero, finite, inf */
        buf_str(v->b, form == 2 ? "Inf" : "0");
        return true;
    }
    if (!value_peek(v->p, (struct view){.addr = head[0]}, 8 * (head[1] - 1), &top, 8))
        return false;
    value_number(v->b, ldexp((double)top, (int)exp - 64), false, false);
    return true;
}

/* ---- sync ---- */

static bool mutex_state(const struct pretty *v, const char *a, const char *b)
{
    int64_t state;
    if (!NUMBER(v, &state, a, b))
        return false;
    uint32_t s = (uint32_t)state;
    buf_str(v->b, s & 1 ? "locked" : "unlocked");
    if (s >> 3)
        buf_printf(v->b, ", %u waiting", s >> 3);
    buf_str(v->b, s & 4 ? ", starving" : "");
    return true;
}

static bool mutex(const struct pretty *v)
{
    return mutex_state(v, "mu.state", "state");
}

static bool rwmutex(const struct pretty *v)
{
    enum { READERS_MAX = 1 << 30 };
    int64_t readers, left, state;
    if (!NUMBER(v, &readers, "readerCount.v", "readerCount") ||
        !NUMBER(v, &left, "readerWait.v", "readerWait") ||
        !NUMBER(v, &state, "w.mu.state", "w.state"))
        return false;
    bool writer = readers < 0;
    readers += writer ? READERS_MAX : 0;
    if (writer && left <= 0)
        buf_str(v->b, "locked for writing");
    else if (writer)
        buf_printf(v->b, "a writer waits for %lld readers", (long long)left);
    else if (readers)
        buf_printf(v->b, "locked by %lld readers", (long long)readers);
    else
        buf_str(v->b, "unlocked");
    return true;
}

static bool waitgroup(const struct pretty *v)
{
    int64_t state;
    if (!NUMBER(v, &state, "state.v", "state1"))
        return false;
    buf_printf(v->b, "counter %d", (int32_t)(state >> 32));
    uint32_t waiters = (uint32_t)state & 0x7fffffff;
    if (waiters)
        buf_printf(v->b, ", %u waiting", waiters);
    return true;
}

static bool once(const struct pretty *v)
{
    int64_t done;
    if (!NUMBER(v, &done, "done.v", "done"))
        return false;
    buf_str(v->b, done ? "done" : "not done");
    return true;
}

static bool atomic_number(const struct pretty *v)
{
    int64_t n;
    uint64_t type;
    struct view x;
    if (!NUMBER(v, &n, "v") || !field(v, "v", &type, &x))
        return false;
    if (strcmp(v->t->name, "sync/atomic.Bool") == 0)
        buf_str(v->b, n ? "true" : "false");
    else if (value_type_stripped(v->p->v, type)->is_signed)
        buf_printf(v->b, "%lld", (long long)n);
    else
        buf_printf(v->b, "%llu", (unsigned long long)n);
    return true;
}

/* ---- net ---- */

static bool put_ip(const struct pretty *v, const uint8_t *ip, size_t n)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char text[INET6_ADDRSTRLEN];
    bool four = n == 4 || (n == 16 && memcmp(ip, mapped, 12) == 0);
    if (n != 4 && n != 16)
        return false;
    if (!inet_ntop(four ? AF_INET : AF_INET6, ip + (four && n == 16 ? 12 : 0), text, sizeof(text)))
        return false;
    bool bracket = !four && v->depth; /* a port follows */
    buf_printf(v->b, bracket ? "[%s]" : "%s", text);
    return true;
}

static bool net_ip(const struct pretty *v)
{
    size_t n;
    const char *ip = bytes_at(v, v->x, &n);
    return ip && put_ip(v, (const uint8_t *)ip, n);
}

static bool net_addr(const struct pretty *v)
{
    struct pretty ip = *v;
    uint64_t type;
    int64_t port;
    size_t n;
    ip.depth = 1;
    if (!field(v, "IP", &type, &ip.x) || !NUMBER(v, &port, "Port"))
        return false;
    const char *bytes = bytes_at(v, ip.x, &n);
    if (!bytes || (n && !put_ip(&ip, (const uint8_t *)bytes, n)))
        return false;
    buf_printf(v->b, ":%lld", (long long)port);
    return true;
}

static bool url(const struct pretty *v)
{
    const char *scheme = string(v, "Scheme"), *host = string(v, "Host"), *path = string(v, "Path"),
               *opaque = string(v, "Opaque"), *query = string(v, "RawQuery"),
               *fragment = string(v, "Fragment");
    if (!scheme || !host || !path || !opaque || !query || !fragment)
        return false;
    if (*scheme)
        buf_printf(v->b, "%s:", scheme);
    if (*opaque)
        buf_str(v->b, opaque);
    else if (*host)
        buf_printf(v->b, "//%s", host);
    buf_str(v->b, *opaque ? "" : path);
    if (*query)
        buf_printf(v->b, "?%s", query);
    if (*fragment)
        buf_printf(v->b, "#%s", fragment);
    return true;
}

/* ---- errors, contexts ---- */

/* The meaning of what an interface field holds, or the name of its type. */
static bool put_held(const struct pretty *v, const char *path)
{
    struct value held;
    const char *name;
    uint64_t type;
    struct view x;
    if (!field(v, path, &type, &x))
        return false;
    struct value iface = {.type = type, .addr = x.addr, .bytes = x.p, .n = x.n, .known = x.known};
    if (!value_dynamic(v->p->v, &iface, &held, &name)) {
        buf_str(v->b, "nil");
        return true;
    }
    const struct dwarf_type *t = value_type_stripped(v->p->v, held.type);
    struct view in = {.p = held.bytes, .n = held.n, .addr = held.addr};
    uint64_t to = held.type, addr;
    if (t && t->kind == DWARF_KIND_POINTER && value_peek(v->p, in, 0, &addr, 8) && addr) {
        to = t->elem;
        in = (struct view){.addr = addr};
    }
    if (t && v->depth < CHAIN_MAX && pretty_any(v->p, to, in, v->b, v->depth + 1))
        return true;
    bool plain = t && t->kind < DWARF_KIND_POINTER;
    if (!plain && !(t && t->kind == DWARF_KIND_STRING)) {
        buf_str(v->b, name);
        return true;
    }
    struct printer p = *v->p;
    p.b = v->b;
    p.bare = true;
    value_any(&p, held.type, in);
    return true;
}

static bool error_string(const struct pretty *v)
{
    return put_text(v, string(v, "s"));
}

static bool wrap_error(const struct pretty *v)
{
    return put_text(v, string(v, "msg"));
}

static bool path_error(const struct pretty *v)
{
    const char *op = string(v, "Op"), *path = string(v, "Path");
    if (!op || !path)
        return false;
    buf_printf(v->b, "%s %s: ", op, path);
    return put_held(v, "Err");
}

static bool context_root(const struct pretty *v)
{
    const char *name = v->t->name; /* 1.18-1.20 have one type for both */
    buf_str(v->b, strstr(name, "todo")         ? "context.TO"
                                                 "DO"
                  : strstr(name, "background") ? "context.Background"
                                               : "context");
    return true;
}

static bool context_value(const struct pretty *v)
{
    if (!put_held(v, "Context"))
        return false;
    buf_str(v->b, ".WithValue(");
    bool ok = put_held(v, "key");
    buf_str(v->b, ", ");
    ok = ok && put_held(v, "val");
    buf_char(v->b, ')');
    return ok;
}

static bool context_cancel(const struct pretty *v)
{
    uint64_t type, word;
    struct view x;
    if (!put_held(v, "Context") || !field(v, "err", &type, &x))
        return false;
    buf_str(v->b, ".WithCancel");
    if (value_peek(v->p, x, 0, &word, 8) && word)
        buf_str(v->b, " (canceled)");
    return true;
}

static bool context_timer(const struct pretty *v)
{
    struct pretty part = *v;
    uint64_t type;
    if (!put_held(v, "cancelCtx.Context") || !field(v, "deadline", &type, &part.x))
        return false;
    buf_str(v->b, ".WithDeadline(");
    bool ok = pretty_any(v->p, type, part.x, v->b, v->depth + 1);
    buf_char(v->b, ')');
    return ok;
}

/* ---- texts and containers ---- */

static bool quoted(const struct pretty *v, struct view x, size_t from)
{
    uint64_t len = 0;
    size_t n;
    const char *s = bytes_at(v, x, &n);
    if (!s || from > n || !value_peek(v->p, x, 8, &len, 8))
        return false;
    struct printer p = *v->p;
    p.b = v->b;
    value_quoted(&p, s + from, n - from, len - from);
    return true;
}

static bool builder(const struct pretty *v)
{
    uint64_t type;
    struct view x;
    return field(v, "buf", &type, &x) && quoted(v, x, 0);
}

static bool bytes_buffer(const struct pretty *v)
{
    int64_t off;
    uint64_t type;
    struct view x;
    return NUMBER(v, &off, "off") && off >= 0 && field(v, "buf", &type, &x) &&
           quoted(v, x, (size_t)off);
}

static bool list(const struct pretty *v)
{
    int64_t len;
    if (!NUMBER(v, &len, "len"))
        return false;
    buf_printf(v->b, "%lld elements", (long long)len);
    return true;
}

static bool regexp(const struct pretty *v)
{
    return put_text(v, string(v, "expr"));
}

static bool time_time(const struct pretty *v)
{
    struct buf *was = v->p->b;
    v->p->b = v->b;
    bool ok = value_time(v->p, v->t, v->x);
    v->p->b = was;
    return ok;
}

/* ---- which ---- */

static const struct {
    const char *type;
    bool (*put)(const struct pretty *v);
} types[] = {
    {"time.Time", time_time},
    {"math/big.Int", big_int},
    {"math/big.Rat", big_rat},
    {"math/big.Float", big_float},
    {"sync.Mutex", mutex},
    {"internal/sync.Mutex", mutex},
    {"sync.RWMutex", rwmutex},
    {"sync.WaitGroup", waitgroup},
    {"sync.Once", once},
    {"sync/atomic.Bool", atomic_number},
    {"sync/atomic.Int32", atomic_number},
    {"sync/atomic.Int64", atomic_number},
    {"sync/atomic.Uint32", atomic_number},
    {"sync/atomic.Uint64", atomic_number},
    {"sync/atomic.Uintptr", atomic_number},
    {"net.IP", net_ip},
    {"net.TCPAddr", net_addr},
    {"net.UDPAddr", net_addr},
    {"net/url.URL", url},
    {"errors.errorString", error_string},
    {"fmt.wrapError", wrap_error},
    {"fmt.wrapErrors", wrap_error},
    {"io/fs.PathError", path_error},
    {"context.emptyCtx", context_root},
    {"context.backgroundCtx", context_root},
    {"context.todoCtx", context_root},
    {"context.valueCtx", context_value},
    {"context.cancelCtx", context_cancel},
    {"context.timerCtx", context_timer},
    {"strings.Builder", builder},
    {"bytes.Buffer", bytes_buffer},
    {"container/list.List", list},
    {"regexp.Regexp", regexp},
};

static bool pretty_any(struct printer *p, uint64_t type, struct view x, struct buf *b,
                       unsigned depth)
{
    const char *name = value_type_name(p->v, type);
    struct pretty v = {
        .p = p, .t = value_type_stripped(p->v, type), .x = x, .b = b, .depth = depth};
    size_t start = b->n;
    if (!v.t || p->reads >= p->l->reads || !strchr(name, '.'))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strcmp(types[i].type, name) != 0)
            continue;
        if (types[i].put(&v))
            return true;
        buf_cut(b, start);
        return false;
    }
    return false;
}

bool value_pretty_any(struct printer *p, uint64_t type, struct view x, struct buf *b)
{
    return pretty_any(p, type, x, b, 0);
}

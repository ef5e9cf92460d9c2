/* value_pretty.c - what values of some types of the standard library mean, in a short text.
 *
 * Go (1.18-1.27): time/time.go Time; math/big Int, Rat, Float, nat; sync Mutex, RWMutex, WaitGroup,
 * Once; sync/atomic types; reflect Value; net IP, TCPAddr, UDPAddr; net/url URL; context;
 * strings.Builder, bytes.Buffer; container/list.  Errors and net/netip: value_pretty_err.c.
 *
 * A printer asks for fields by name and gives up when one is missing or cannot be read: the value
 * is shown field by field then. */
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "rt/value_pretty_int.h"

/* ---- fields ---- */

/* "a.b" of a struct; embedded ones are named by their type. */
bool pretty_field(const struct pretty *v, const char *path, uint64_t *ret_type, struct view *ret)
{
    const struct dwarf_type *t = v->t;
    struct view x = v->x;
    for (const char *at = path; *at;) {
        size_t n = strcspn(at, ".");
        const struct dwarf_member *m = NULL;
        for (size_t i = 0; t && t->kind == DWARF_KIND_STRUCT && i < t->nmembers && !m; i++)
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
bool pretty_number(const struct pretty *v, const char *const *paths, int64_t *ret)
{
    uint64_t type, raw = 0;
    struct view x;
    for (; *paths; paths++) {
        if (!pretty_field(v, *paths, &type, &x))
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

/* Bytes of a string or slice. */
const char *pretty_bytes(const struct pretty *v, struct view x, size_t *ret_n)
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

const char *pretty_string(const struct pretty *v, const char *path)
{
    uint64_t type;
    struct view x;
    size_t n;
    return pretty_field(v, path, &type, &x) ? pretty_bytes(v, x, &n) : NULL;
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
    if (!NUMBER(v, &minus, neg) || !pretty_field(v, abs, &type, &x))
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
    if (!big_int_at(v, "a.neg", "a.abs") || !pretty_field(v, "b.abs", &type, &x) ||
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
        !pretty_field(v, "mant", &type, &x) || !value_peek(v->p, x, 0, head, 16))
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
    if (!NUMBER(v, &n, "v") || !pretty_field(v, "v", &type, &x))
        return false;
    if (strcmp(v->t->name, "sync/atomic.Bool") == 0)
        buf_str(v->b, n ? "true" : "false");
    else if (value_type_stripped(v->p->v, type)->is_signed)
        buf_printf(v->b, "%lld", (long long)n);
    else
        buf_printf(v->b, "%llu", (unsigned long long)n);
    return true;
}

/* The type it points to is that of its first field, [0]*T. */
static bool atomic_pointer(const struct pretty *v)
{
    uint64_t type, raw;
    struct view x, at;
    if (!pretty_field(v, "_", &type, &at) || !pretty_field(v, "v", &raw, &x))
        return false;
    const struct dwarf_type *t = value_type_stripped(v->p->v, type);
    if (!t || t->kind != DWARF_KIND_ARRAY || v->p->pointers >= CHAIN_MAX)
        return false;
    pretty_value(v, t->elem, x);
    return true;
}

/* ---- reflect ---- */

/* Go: reflect/value.go flag. */
static bool reflect_value(const struct pretty *v)
{
    enum { INDIRECT = 1 << 7, METHOD = 1 << 9 };
    int64_t rtype, flag;
    uint64_t type;
    struct view x;
    if (!NUMBER(v, &rtype, "typ_", "typ") || !NUMBER(v, &flag, "flag") ||
        !pretty_field(v, "ptr", &type, &x))
        return false;
    if (!rtype) {
        buf_str(v->b, "invalid");
        return true;
    }
    const struct dwarf_type *t = value_dynamic_type(v->p, (taddr)rtype);
    uint64_t addr;
    if (!t || (flag & METHOD) || v->p->pointers >= CHAIN_MAX)
        return false;
    if (flag & INDIRECT) {
        if (!value_peek(v->p, x, 0, &addr, 8))
            return false;
        x = (struct view){.addr = addr};
    }
    buf_printf(v->b, "%s ", value_type_name(v->p->v, t->id));
    pretty_value(v, t->id, x);
    return true;
}

/* ---- net ---- */

bool pretty_ip(const struct pretty *v, const uint8_t *ip, size_t n)
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
    const char *ip = pretty_bytes(v, v->x, &n);
    return ip && pretty_ip(v, (const uint8_t *)ip, n);
}

static bool net_addr(const struct pretty *v)
{
    struct pretty ip = *v;
    uint64_t type;
    int64_t port;
    size_t n;
    ip.depth = 1;
    if (!pretty_field(v, "IP", &type, &ip.x) || !NUMBER(v, &port, "Port"))
        return false;
    const char *bytes = pretty_bytes(v, ip.x, &n);
    if (!bytes || (n && !pretty_ip(&ip, (const uint8_t *)bytes, n)))
        return false;
    buf_printf(v->b, ":%lld", (long long)port);
    return true;
}

static bool url(const struct pretty *v)
{
    const char *scheme = pretty_string(v, "Scheme"), *host = pretty_string(v, "Host"),
               *path = pretty_string(v, "Path"), *opaque = pretty_string(v, "Opaque"),
               *query = pretty_string(v, "RawQuery"), *fragment = pretty_string(v, "Fragment");
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

/* The meaning of what an interface holds, or the name of its type. */
bool pretty_held(const struct pretty *v, uint64_t type, struct view x)
{
    struct value held;
    const char *name;
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
    pretty_value(v, held.type, in);
    return true;
}

void pretty_value(const struct pretty *v, uint64_t type, struct view x)
{
    struct printer p = *v->p;
    p.b = v->b;
    p.bare = true;
    p.top = false;
    p.parts = p.trouble = NULL;
    value_any(&p, type, x);
}

static bool held_field(const struct pretty *v, const char *path)
{
    uint64_t type;
    struct view x;
    return pretty_field(v, path, &type, &x) && pretty_held(v, type, x);
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
    if (!held_field(v, "Context"))
        return false;
    buf_str(v->b, ".WithValue(");
    bool ok = held_field(v, "key");
    buf_str(v->b, ", ");
    ok = ok && held_field(v, "val");
    buf_char(v->b, ')');
    return ok;
}

static bool context_cancel(const struct pretty *v)
{
    uint64_t type, word;
    struct view x;
    if (!held_field(v, "Context") || !pretty_field(v, "err", &type, &x))
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
    if (!held_field(v, "cancelCtx.Context") || !pretty_field(v, "deadline", &type, &part.x))
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
    const char *s = pretty_bytes(v, x, &n);
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
    return pretty_field(v, "buf", &type, &x) && quoted(v, x, 0);
}

static bool bytes_buffer(const struct pretty *v)
{
    int64_t off;
    uint64_t type;
    struct view x;
    return NUMBER(v, &off, "off") && off >= 0 && pretty_field(v, "buf", &type, &x) &&
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

static bool time_time(const struct pretty *v)
{
    struct buf *was = v->p->b;
    v->p->b = v->b;
    bool ok = value_time(v->p, v->t, v->x);
    v->p->b = was;
    return ok;
}

/* ---- which ---- */

static const struct pretty_type types[] = {
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
    {"sync/atomic.Pointer[", atomic_pointer},
    {"reflect.Value", reflect_value},
    {"net.IP", net_ip},
    {"net.TCPAddr", net_addr},
    {"net.UDPAddr", net_addr},
    {"net/url.URL", url},
    {"context.emptyCtx", context_root},
    {"context.backgroundCtx", context_root},
    {"context.todoCtx", context_root},
    {"context.valueCtx", context_value},
    {"context.cancelCtx", context_cancel},
    {"context.timerCtx", context_timer},
    {"strings.Builder", builder},
    {"bytes.Buffer", bytes_buffer},
    {"container/list.List", list},
};

static bool (*find(const struct pretty_type *t, size_t n, const char *name))(const struct pretty *)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(t[i].type);
        bool generic = t[i].type[len - 1] == '[';
        if (generic ? strncmp(t[i].type, name, len) == 0 : strcmp(t[i].type, name) == 0)
            return t[i].put;
    }
    return NULL;
}

static const uint8_t *known_of(struct printer *p, struct view x)
{
    uint8_t *known = arena_alloc(&p->v->arena, x.n / 8 + 1);
    for (size_t i = 0, at = x.at; i < x.n; i++, at++)
        known[i / 8] |= (uint8_t)((x.known[at / 8] >> (at % 8) & 1) << (i % 8));
    return known;
}

enum value_printed value_user(struct printer *p, uint64_t type, struct view x, struct buf *b)
{
    struct value v = {.type = type, .addr = x.addr, .bytes = x.p, .n = x.n, .known = x.known};
    const struct value_printers *up = p->v->printers;
    struct value_asked q = {
        .x = &v, .limits = p->l, .depth = p->depth, .text = b, .parts = p->parts};
    if (!up || (p->l->plain && p->top))
        return VALUE_AS_USUAL;
    if (x.known && x.at) /* what is known of it begins within another's bits */
        v.known = known_of(p, x);
    size_t start = b->n;
    enum value_printed how = up->put(up->arg, p->v, &q);
    if (how == VALUE_FAILED && p->trouble)
        buf_add(p->trouble, b->p + start, b->n - start);
    if (how != VALUE_PRINTED)
        buf_cut(b, start);
    return how;
}

bool pretty_any(struct printer *p, uint64_t type, struct view x, struct buf *b, unsigned depth)
{
    const char *name = value_type_name(p->v, type);
    struct pretty v = {
        .p = p, .t = value_type_stripped(p->v, type), .x = x, .b = b, .depth = depth};
    size_t start = b->n;
    if (value_user(p, type, x, b) == VALUE_PRINTED)
        return true;
    bool simple = v.t && v.t->kind != DWARF_KIND_STRUCT && v.t->kind != DWARF_KIND_SLICE;
    if (!v.t || (simple && !depth)) /* a number has a meaning within others only: an errno */
        return false;
    if ((p->l->plain && p->top) || p->reads >= p->l->reads || !strchr(name, '.'))
        return false;
    bool (*put)(const struct pretty *) = find(types, ARRAY_LEN(types), name);
    v.text = put ? NULL : pretty_text_of(name);
    if (!put)
        put = v.text ? pretty_template : find(pretty_more, pretty_nmore, name);
    if (!put)
        return false;
    if (put(&v))
        return true;
    buf_cut(b, start);
    return false;
}

bool value_pretty_any(struct printer *p, uint64_t type, struct view x, struct buf *b)
{
    return pretty_any(p, type, x, b, 0);
}

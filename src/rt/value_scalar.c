/* value_scalar.c - numbers, texts and times as Go's fmt shows them with %v (texts: %q).
 *
 * Go: strconv/ftoa.go (shortest digits), strconv/quote.go, time/time.go Time and
 * Duration.String (1.18-1.27).
 *
 * A number of a named type shows the constant that has its value, when the program kept one: Go's
 * linker keeps the constants that are used, with their types. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "image/dwarf_index.h"
#include "rt/value_int.h"

/* ---- constants ---- */

static uint64_t constant_key(uint64_t type, uint64_t value)
{
    return hash_u64(type * 31 + value);
}

static struct err *take_constant(void *arg, const char *name, uint64_t id)
{
    struct values *v = arg;
    struct dwarf_die die;
    struct dwarf_attr a;
    const struct dwarf_type *t;
    uint64_t type;
    int64_t value;
    TRY(dwarf_die_at(v->dw, id, &die));
    if (!dwarf_attr_find(&die, DW_AT_type, &a) || !dwarf_attr_ref(die.unit, &a, &type) ||
        !dwarf_attr_find(&die, DW_AT_const_value, &a) || !dwarf_attr_sint(&a, &value))
        return NULL;
    TRY(dwarf_type_strip(v->dw, type, &t));
    const char *dot = strrchr(name, '.');
    struct value_constant c = {t->id, (uint64_t)value, dot ? dot + 1 : name};
    bool added;
    uint32_t i =
        map_get_or_put(&v->constants, constant_key(c.type, c.value), (uint32_t)v->names.n, &added);
    if (added)
        vec_push(&v->names, c);
    else if (strcmp(c.name, v->names.v[i].name) < 0 && v->names.v[i].type == c.type)
        v->names.v[i] = c; /* whatever order they come in */
    return NULL;
}

/* A type and its constants are in one DWARF. */
static void know_constants(struct values *v, struct dwarf *dw)
{
    for (size_t i = 0; i < v->constants_of.n; i++)
        if (v->constants_of.v[i] == dw)
            return;
    vec_push(&v->constants_of, dw);
    if (dw)
        err_free(dwarf_each_name(dw, DWARF_NAME_CONST, take_constant, v));
}

static const char *constant_name(struct values *v, const struct dwarf_type *t, uint64_t value)
{
    know_constants(v, t->unit->dw);
    uint32_t i = map_get(&v->constants, constant_key(t->id, value));
    if (i == MAP_NONE || v->names.v[i].type != t->id || v->names.v[i].value != value)
        return NULL;
    return v->names.v[i].name;
}

/* "a|b" of the constants that are one bit each; false: they do not make up the value. */
static bool put_flags(struct values *v, const struct dwarf_type *t, uint64_t value, struct buf *b)
{
    size_t start = b->n;
    uint64_t rest = value;
    constant_name(v, t, 0); /* makes the list */
    if (!value || !(value & (value - 1)))
        return false;
    for (size_t i = 0; i < v->names.n; i++) {
        const struct value_constant *c = &v->names.v[i];
        bool one_bit = c->value && !(c->value & (c->value - 1));
        if (c->type != t->id || !one_bit || !(rest & c->value))
            continue;
        buf_printf(b, "%s%s", b->n > start ? "|" : "", c->name);
        rest &= ~c->value;
    }
    if (rest)
        buf_cut(b, start);
    return !rest;
}

/* ---- durations and times ---- */

/* Writes v (below 1000 of the next unit) with its fraction, without zeros at the end. */
static void fraction(struct buf *b, uint64_t v, uint64_t unit, const char *name)
{
    char digits[24];
    unsigned width = unit == 1000000000 ? 9 : unit == 1000000 ? 6 : unit == 1000 ? 3 : 0;
    buf_printf(b, "%llu", (unsigned long long)(v / unit));
    if (v % unit) {
        int n =
            snprintf(digits, sizeof(digits), "%0*llu", (int)width, (unsigned long long)(v % unit));
        while (n > 0 && digits[n - 1] == '0')
            digits[--n] = 0;
        buf_printf(b, ".%s", digits);
    }
    buf_str(b, name);
}

static void print_duration(struct buf *b, int64_t ns)
{
    uint64_t v = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    const uint64_t second = 1000000000;
    buf_str(b, ns < 0 ? "-" : "");
    if (!v) {
        buf_str(b, "0s");
    } else if (v < second) {
        uint64_t unit = v < 1000 ? 1 : v < 1000000 ? 1000 : 1000000;
        fraction(b, v, unit, unit == 1 ? "ns" : unit == 1000 ? "µs" : "ms");
    } else {
        uint64_t minutes = v / second / 60;
        if (minutes >= 60)
            buf_printf(b, "%lluh", (unsigned long long)(minutes / 60));
        if (minutes)
            buf_printf(b, "%llum", (unsigned long long)(minutes % 60));
        fraction(b, v - minutes * 60 * second, second, "s");
    }
}

bool value_time(struct printer *p, const struct dwarf_type *t, struct view x)
{
    const struct dwarf_member *wall = dwarf_member_named(t, "wall");
    const struct dwarf_member *ext = dwarf_member_named(t, "ext");
    const int64_t unix_to_internal = 62135596800, wall_to_internal = 59453308800;
    uint64_t w, e;
    if (strcmp(t->name, "time.Time") != 0 || !wall || !ext || !value_peek(p, x, wall->off, &w, 8) ||
        !value_peek(p, x, ext->off, &e, 8))
        return false;
    int64_t seconds = w >> 63 ? wall_to_internal + (int64_t)(w << 1 >> 31) : (int64_t)e;
    time_t at = (time_t)((uint64_t)seconds - (uint64_t)unix_to_internal);
    uint64_t ns = w & ((1u << 30) - 1);
    struct tm tm;
    if (!gmtime_r(&at, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900 || ns >= 1000000000)
        return false;
    p->shown++;
    buf_printf(p->b, "%04d-%02d-%02dT%02d:%02d:", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
               tm.tm_hour, tm.tm_min);
    buf_str(p->b, tm.tm_sec < 10 ? "0" : "");
    fraction(p->b, (uint64_t)tm.tm_sec * 1000000000 + ns, 1000000000, "Z");
    return true;
}

/* ---- numbers ---- */

static bool load(struct printer *p, struct view x, int64_t size, uint64_t *ret)
{
    *ret = 0;
    if (size < 1 || size > 8) {
        value_unreadable(p);
        return false;
    }
    const uint8_t *at = value_bytes(p, x, 0, (size_t)size);
    if (at) {
        memcpy(ret, at, (size_t)size);
        p->shown++;
    }
    return at != NULL;
}

static void print_char(struct printer *p, uint64_t v)
{
    if (v == '\'' || v == '\\')
        buf_printf(p->b, " '\\%c'", (char)v);
    else if (v >= 32 && v < 127)
        buf_printf(p->b, " '%c'", (char)v);
}

void value_int(struct printer *p, const struct dwarf_type *t, uint64_t named, struct view x)
{
    int64_t size = dwarf_type_size(p->v->dw, t);
    uint64_t v;
    if (!load(p, x, size, &v))
        return;
    if (t->is_signed && size < 8)
        v = (uint64_t)((int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size));
    if (strcmp(t->name, "time.Duration") == 0) {
        print_duration(p->b, (int64_t)v);
        return;
    }
    bool named_type = strchr(t->name, '.') != NULL;
    const char *name = named_type ? constant_name(p->v, t, v) : NULL;
    bool flags =
        named_type && !name && p->l->style == VALUE_STYLE_TYPED && put_flags(p->v, t, v, p->b);
    if (name || flags)
        buf_printf(p->b, "%s (", name ? name : "");
    buf_printf(p->b, t->is_signed ? "%lld" : "%llu", (unsigned long long)v);
    buf_str(p->b, name || flags ? ")" : "");
    if (t->kind == DWARF_KIND_CHAR && size == 1)
        print_char(p, v);
}

void value_bool(struct printer *p, struct view x)
{
    uint64_t v;
    if (!load(p, x, 1, &v))
        return;
    if (v < 2)
        buf_str(p->b, v ? "true" : "false");
    else
        buf_printf(p->b, "%llu (not a bool)", (unsigned long long)v);
}

void value_enum(struct printer *p, const struct dwarf_type *t, struct view x)
{
    int64_t size = dwarf_type_size(p->v->dw, t);
    uint64_t v;
    if (!load(p, x, size, &v))
        return;
    if (t->is_signed && size < 8)
        v = (uint64_t)((int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size));
    for (size_t i = 0; i < t->nenumerators; i++) {
        if (t->enumerators[i].value == (int64_t)v) {
            buf_printf(p->b, "%s (%lld)", t->enumerators[i].name, (long long)v);
            return;
        }
    }
    buf_printf(p->b, "%lld", (long long)v);
}

/* The fewest digits that read back as the same number: "d.ddde±dd" of them in text. */
static void shortest(double v, bool single, char text[40])
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, 40, "%.*e", digits - 1, v);
        double back = strtod(text, NULL);
        if (single ? (float)back == (float)v : back == v)
            return;
    }
}

/* Go's %v: an exponent below 1e-4 and from 1e6 on. */
void value_number(struct buf *b, double v, bool single, bool sign)
{
    char text[40], digits[40];
    if (isnan(v) || isinf(v)) {
        buf_str(b, isnan(v) ? (sign ? "+NaN" : "NaN") : v < 0 ? "-Inf" : "+Inf");
        return;
    }
    buf_str(b, signbit(v) ? "-" : sign ? "+" : "");
    shortest(fabs(v), single, text);
    char *e = strchr(text, 'e');
    int exp = e ? atoi(e + 1) : 0;
    if (exp < -4 || exp >= 6) {
        buf_str(b, text);
        return;
    }
    int n = 0;
    for (const char *c = text; c < e; c++)
        if (*c != '.')
            digits[n++] = *c;
    for (int i = exp < 0 ? exp : 0; i < n || i <= exp; i++) {
        buf_char(b, i >= 0 && i < n ? digits[i] : '0');
        if (i == exp && i + 1 < n)
            buf_char(b, '.');
    }
}

void value_float(struct printer *p, const struct dwarf_type *t, struct view x)
{
    int64_t size = dwarf_type_size(p->v->dw, t);
    if (size != 4 && size != 8) {
        buf_printf(p->b, "(a number of %lld bytes)", (long long)size);
        return;
    }
    const uint8_t *at = value_bytes(p, x, 0, (size_t)size);
    float f;
    double d;
    if (!at)
        return;
    p->shown++;
    if (size == 4) {
        memcpy(&f, at, 4);
        d = (double)f;
    } else {
        memcpy(&d, at, 8);
    }
    value_number(p->b, d, size == 4, false);
}

void value_complex(struct printer *p, const struct dwarf_type *t, struct view x)
{
    int64_t size = dwarf_type_size(p->v->dw, t);
    float f[2];
    double d[2];
    const uint8_t *at = size == 8 || size == 16 ? value_bytes(p, x, 0, (size_t)size) : NULL;
    if (!at)
        return;
    p->shown++;
    memcpy(f, at, sizeof(f));
    if (size == 16)
        memcpy(d, at, sizeof(d));
    for (int i = 0; size == 8 && i < 2; i++)
        d[i] = (double)f[i];
    buf_char(p->b, '(');
    value_number(p->b, d[0], size == 8, false);
    value_number(p->b, d[1], size == 8, true);
    buf_str(p->b, "i)");
}

/* ---- texts ---- */

void value_quoted(struct printer *p, const char *s, size_t n, uint64_t total)
{
    text_quote(p->b, s, n < total ? text_whole(s, n) : n);
    if (total > n)
        buf_printf(p->b, "…+%llu", (unsigned long long)(total - n));
}

void value_string(struct printer *p, struct view x)
{
    uint64_t ptr, len;
    if (!value_word(p, x, 0, &ptr) || !value_word(p, x, 8, &len))
        return;
    size_t n = min_u64(len, p->l->text);
    if (!n) {
        p->shown++;
        buf_str(p->b, "\"\"");
        return;
    }
    const uint8_t *at = value_bytes(p, (struct view){.addr = ptr}, 0, n);
    if (at) {
        p->shown++;
        value_quoted(p, (const char *)at, n, len);
    }
}

/* text.c - text for people; see text.h. */
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

size_t text_utf8(const char *text, size_t n, uint32_t *cp)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (!len || len > n || s[0] > 0xf4)
        return 0;
    uint32_t v = len == 1 ? s[0] : s[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (s[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (v < least[len] || (v >= 0xd800 && v < 0xe000) || v > 0x10ffff)
        return 0;
    *cp = v;
    return len;
}

/* Columns of a character: the ranges terminals agree about (Unicode EastAsianWidth W and F, and the
 * common combining blocks). */
static size_t char_columns(uint32_t cp)
{
    static const struct {
        uint32_t from, to;
        uint8_t columns;
    } ranges[] = {
        {0x300, 0x36f, 0},   {0x200b, 0x200f, 0},   {0x20d0, 0x20ff, 0},   {0xfe00, 0xfe0f, 0},
        {0xfe20, 0xfe2f, 0}, {0x1100, 0x115f, 2},   {0x2e80, 0x303e, 2},   {0x3041, 0xa4cf, 2},
        {0xac00, 0xd7a3, 2}, {0xf900, 0xfaff, 2},   {0xfe30, 0xfe6f, 2},   {0xff00, 0xff60, 2},
        {0xffe0, 0xffe6, 2}, {0x1f300, 0x1f64f, 2}, {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (cp >= ranges[i].from && cp <= ranges[i].to)
            return ranges[i].columns;
    return 1;
}

/* Bytes and columns of what stands at s: a character, or an escape sequence. */
static size_t step(const char *s, size_t n, size_t *columns)
{
    if (*s == '\x1b' && n > 2 && s[1] == '[') {
        size_t i = 2;
        while (i < n && (s[i] < '@' || s[i] > '~'))
            i++;
        *columns = 0;
        return i < n ? i + 1 : n;
    }
    uint32_t cp = 0;
    size_t len = text_utf8(s, n, &cp);
    *columns = len ? char_columns(cp) : 1;
    return len ? len : 1;
}

size_t text_widthn(const char *s, size_t n)
{
    size_t width = 0, columns;
    for (size_t i = 0; i < n;) {
        i += step(s + i, n - i, &columns);
        width += columns;
    }
    return width;
}

size_t text_width(const char *s)
{
    return text_widthn(s, strlen(s));
}

void text_wrap(struct buf *b, const char *text, size_t width, size_t at, size_t indent)
{
    bool begun = false; /* something stands on this line after its indent */
    for (const char *p = text; *p;) {
        if (*p == '\n' || *p == ' ') {
            if (*p == '\n') {
                buf_char(b, '\n');
                buf_repeat(b, ' ', p[1] && p[1] != '\n' ? indent : 0);
                at = indent;
                begun = false;
            }
            p++;
            continue;
        }
        size_t n = strcspn(p, " \n"), columns = text_widthn(p, n);
        if (begun && at + 1 + columns > width) {
            buf_char(b, '\n');
            buf_repeat(b, ' ', indent);
            at = indent;
        } else if (begun) {
            buf_char(b, ' ');
            at++;
        }
        buf_add(b, p, n);
        at += columns;
        begun = true;
        p += n;
    }
}

/* The bytes that fill at most `columns`, counted from the start or from the end of s. */
static size_t bytes_of(const char *s, size_t n, size_t columns, bool from_end)
{
    size_t skip = 0, total = text_widthn(s, n), used = 0, columns_here;
    if (from_end && total > columns)
        skip = total - columns;
    for (size_t i = 0; i < n;) {
        size_t len = step(s + i, n - i, &columns_here);
        if (from_end ? used >= skip : used + columns_here > columns)
            return from_end ? n - i : i;
        used += columns_here;
        i += len;
    }
    return from_end ? 0 : n;
}

void text_fit(struct buf *b, const char *s, size_t columns, enum text_cut cut)
{
    size_t n = strlen(s);
    if (text_widthn(s, n) <= columns) {
        buf_add(b, s, n);
        return;
    }
    if (!columns)
        return;
    size_t left = columns - 1; /* the sign itself */
    size_t head = cut == TEXT_CUT_END ? left : cut == TEXT_CUT_START ? 0 : left / 2;
    buf_add(b, s, bytes_of(s, n, head, false));
    buf_str(b, "…");
    size_t tail = bytes_of(s, n, left - head, true);
    buf_add(b, s + n - tail, tail);
}

void text_pad(struct buf *b, const char *s, size_t columns, bool right)
{
    size_t width = text_width(s), gap = width < columns ? columns - width : 0;
    if (right)
        buf_repeat(b, ' ', gap);
    buf_str(b, s);
    if (!right)
        buf_repeat(b, ' ', gap);
}

/* Unicode's format characters (Cf) and separators of lines: they show as nothing, or change the
 * order in which what follows is shown. */
static bool is_hidden(uint32_t cp)
{
    static const uint32_t ranges[][2] = {
        {0x00ad, 0x00ad},   {0x0600, 0x0605},   {0x061c, 0x061c},   {0x06dd, 0x06dd},
        {0x070f, 0x070f},   {0x08e2, 0x08e2},   {0x180e, 0x180e},   {0x200b, 0x200f},
        {0x2028, 0x202e},   {0x2060, 0x206f},   {0xfeff, 0xfeff},   {0xfff9, 0xfffb},
        {0x110bd, 0x110bd}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0001, 0xe007f},
    };
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (cp >= ranges[i][0] && cp <= ranges[i][1])
            return true;
    return false;
}

/* Of these, those that deceive; joiners have their place in names. */
static bool is_reordering(uint32_t cp)
{
    return cp == 0x61c || cp == 0x200e || cp == 0x200f || (cp >= 0x2028 && cp <= 0x202e) ||
           (cp >= 0x2066 && cp <= 0x2069);
}

static void escape(struct buf *b, uint8_t c)
{
    static const char names[] = "abtnvfr"; /* from 7 on */
    if (c == '"' || c == '\\')
        buf_printf(b, "\\%c", c);
    else if (c >= 7 && c <= 13)
        buf_printf(b, "\\%c", names[c - 7]);
    else
        buf_printf(b, "\\x%02x", c);
}

void text_quote(struct buf *b, const char *s, size_t n)
{
    uint32_t cp;
    buf_char(b, '"');
    for (size_t i = 0; i < n;) {
        size_t len = text_utf8(s + i, n - i, &cp);
        if (!len || cp < 32 || cp == 127 || cp == '"' || cp == '\\') {
            escape(b, (uint8_t)s[i++]);
            continue;
        }
        if ((cp >= 0x80 && cp < 0xa0) || is_hidden(cp))
            buf_printf(b, cp > 0xffff ? "\\U%08x" : "\\u%04x", cp);
        else
            buf_add(b, s + i, len);
        i += len;
    }
    buf_char(b, '"');
}

size_t text_whole(const char *s, size_t n)
{
    uint32_t cp;
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)s[n - back];
        size_t want = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        if (c >= 0xc0)
            return want > back && !text_utf8(s + n - back, back, &cp) ? n - back : n;
        if (c < 0x80)
            return n;
    }
    return n;
}

void text_clean(struct buf *b, const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0;
        size_t len = text_utf8(s + i, n - i, &cp);
        if (!len)
            buf_str(b, "\xef\xbf\xbd");
        else if (cp < 0x20 || cp == 0x7f)
            buf_printf(b, "^%c", (char)(cp ^ 0x40));
        else if ((cp >= 0x80 && cp < 0xa0) || is_reordering(cp)) /* C1: terminals obey some */
            buf_str(b, "\xef\xbf\xbd");
        else
            buf_add(b, s + i, len);
        i += len ? len : 1;
    }
}

void text_count(struct buf *b, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            buf_char(b, ',');
        buf_char(b, digits[i]);
    }
}

void text_bytes(struct buf *b, uint64_t n)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)n;
    size_t u = 0;
    while (v >= 999.5 && u + 1 < ARRAY_LEN(unit)) {
        v /= 1000;
        u++;
    }
    int decimals = u == 0 || v >= 99.5 ? 0 : u >= 3 && v < 9.995 ? 2 : v < 9.95 || u >= 3 ? 1 : 0;
    buf_printf(b, "%.*f %s", decimals, v, unit[u]);
}

void text_ns(struct buf *b, int64_t ns)
{
    if (ns < 0) {
        buf_char(b, '-');
        ns = ns == INT64_MIN ? INT64_MAX : -ns;
    }
    static const struct {
        const char *unit;
        double ns, below; /* used below this many ns */
    } units[] = {{"ns", 1, 999.5},    {"µs", 1e3, 999.5e3},  {"ms", 1e6, 999.5e6},
                 {"s", 1e9, 119.5e9}, {"min", 60e9, 7170e9}, {"h", 3600e9, 72 * 3600e9}};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if ((double)ns >= units[i].below)
            continue;
        double v = (double)ns / units[i].ns;
        bool whole = i == 0 || v >= 9.95 || fabs(v - round(v)) < 0.05;
        buf_printf(b, "%.*f %s", whole ? 0 : 1, v, units[i].unit);
        return;
    }
    int64_t hours = ns / (3600 * NSEC_PER_SEC), days = hours / 24;
    buf_printf(b, "%" PRId64 " d", days);
    if (days < 10 && hours % 24)
        buf_printf(b, " %" PRId64 " h", hours % 24);
}

void text_rate(struct buf *b, double per_second)
{
    double v = fabs(per_second);
    const char *unit = "s";
    if (v > 0 && v < 0.95) {
        v *= 60;
        unit = "min";
    }
    if (v > 0 && v < 0.95 && unit[0] == 'm') {
        v *= 60;
        unit = "h";
    }
    buf_char(b, per_second < 0 ? '-' : '+');
    if (v > 0 && v < 9.95 && fabs(v - round(v)) >= 0.05)
        buf_printf(b, "%.1f", v);
    else
        text_count(b, (uint64_t)llround(v));
    buf_printf(b, "/%s", unit);
}

void text_clock(struct buf *b, int64_t wall_ns, bool day)
{
    wall_ns = wall_ns < 0 ? 0 : wall_ns; /* a time of a damaged file */
    time_t seconds = (time_t)(wall_ns / NSEC_PER_SEC);
    struct tm tm;
    char text[64];
    localtime_r(&seconds, &tm);
    strftime(text, sizeof(text), day ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm);
    buf_printf(b, "%s.%03d", text, (int)(wall_ns % NSEC_PER_SEC / NSEC_PER_MSEC));
}

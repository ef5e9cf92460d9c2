/* sections.c - ELF sections: the list, and what is in one; see sections.h. */
#include "report/sections.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "report/report_int.h"
#include "report/table.h"

enum { HEX_BYTES = 16, STRING_MIN = 4, PIECE = 64 * 1024 };

struct err *report_sections_text(const struct report_section *v, size_t n,
                                 const struct report_style *style, struct report_sink out)
{
    struct table t;
    struct flow f = {.style = style, .sink = out};
    table_init(&t, 7);
    table_column(&t, 0, "name", TABLE_BOLD | TABLE_SHRINK | TABLE_CUT_MIDDLE);
    table_column(&t, 1, "type", 0);
    table_column(&t, 2, "address", TABLE_RIGHT);
    table_column(&t, 3, "size", TABLE_RIGHT);
    table_column(&t, 4, "in file", TABLE_RIGHT);
    table_column(&t, 5, "flags", 0);
    table_column(&t, 6, "", TABLE_SHRINK | TABLE_DIM);
    for (size_t i = 0; i < n; i++) {
        const struct report_section *s = &v[i];
        table_text(&t, s->name);
        table_text(&t, s->type);
        table_printf(&t, s->addr ? "0x%" PRIx64 : "-", s->addr);
        text_bytes(table_cell(&t), s->size);
        table_cell_end(&t);
        text_bytes(table_cell(&t), s->file_size);
        table_cell_end(&t);
        table_text(&t, s->flags);
        table_printf(&t, "%s%s%s", s->compression ? s->compression : "",
                     s->compression && s->note ? ", " : "", s->note ? s->note : "");
    }
    if (n)
        table_write(&t, style, &f.b);
    else
        buf_str(&f.b, "no sections\n");
    table_free(&t);
    return flow_end(&f);
}

static void section_json(struct json *j, const struct report_section *s)
{
    json_kstr(j, "name", s->name);
    json_kstr(j, "type", s->type);
    json_kaddr(j, "addr", s->addr);
    json_ku64(j, "size_bytes", s->size);
    json_ku64(j, "file_bytes", s->file_size);
    json_kstr(j, "flags", s->flags);
    json_kstr(j, "compression", s->compression);
    json_kstr(j, "note", s->note);
}

struct err *report_sections_json(const struct report_section *v, size_t n, struct report_sink out)
{
    struct json j;
    json_init(&j, out.write, out.arg);
    json_begin(&j, '{');
    json_key(&j, "sections");
    json_begin(&j, '[');
    for (size_t i = 0; i < n; i++) {
        json_begin(&j, '{');
        section_json(&j, &v[i]);
        json_end(&j, '}');
    }
    json_end(&j, ']');
    json_end(&j, '}');
    json_newline(&j);
    return json_finish(&j);
}

/* ---- contents ---- */

/* Printable UTF-8 with tabs and line ends; NULs at the end do not count. */
static bool is_text(const uint8_t *bytes, size_t n)
{
    struct buf clean = {0};
    bool text = n > 0;
    for (size_t i = 0; i < n && text;) {
        size_t piece = 0;
        char copy[257];
        for (; i < n && piece < 250 && bytes[i] != '\n' && bytes[i] != '\t' && bytes[i] != '\r';
             i++)
            copy[piece++] = (char)bytes[i];
        while (i < n && (bytes[i] & 0xc0) == 0x80 && piece < 256) /* not inside a character */
            copy[piece++] = (char)bytes[i++];
        copy[piece] = '\0';
        buf_clear(&clean);
        text_clean(&clean, copy);
        text = strlen(copy) == piece && strcmp(buf_text(&clean), copy) == 0;
        i += i < n && (bytes[i] == '\n' || bytes[i] == '\t' || bytes[i] == '\r');
    }
    buf_free(&clean);
    return text;
}

static size_t without_final_nuls(const uint8_t *bytes, size_t n)
{
    while (n && !bytes[n - 1])
        n--;
    return n;
}

static struct err *put_raw(const uint8_t *bytes, size_t n, struct report_sink out)
{
    for (size_t at = 0; at < n; at += PIECE)
        TRY(out.write(out.arg, (const char *)bytes + at, (size_t)min_u64(PIECE, n - at)));
    return NULL;
}

/* Text as it is; what would drive a terminal is shown as text_clean() shows it. */
static struct err *put_text(const uint8_t *bytes, size_t n, const struct report_style *style,
                            struct report_sink out)
{
    struct flow f = {.style = style, .sink = out};
    struct buf line = {0};
    for (size_t i = 0; i <= n && !f.err; i++) {
        if (i < n && bytes[i] != '\n' && bytes[i] != '\t' && bytes[i] != '\0') {
            buf_char(&line, (char)bytes[i]);
            continue;
        }
        text_clean(&f.b, buf_text(&line));
        buf_clear(&line);
        if (i < n)
            buf_str(&f.b, bytes[i] == '\n' ? "\n" : bytes[i] == '\t' ? "\t" : "^@");
        else if (n && bytes[n - 1] != '\n')
            buf_char(&f.b, '\n');
        flow(&f);
    }
    buf_free(&line);
    return flow_end(&f);
}

static struct err *put_hex(const uint8_t *bytes, size_t n, taddr addr,
                           const struct report_style *style, struct report_sink out)
{
    struct flow f = {.style = style, .sink = out};
    for (size_t at = 0; at < n && !f.err; at += HEX_BYTES) {
        size_t count = (size_t)min_u64(HEX_BYTES, n - at);
        buf_printf(&f.b, "%s%012" PRIx64 "%s ", look(style, LOOK_DIM), addr + at,
                   look(style, LOOK_PLAIN));
        for (size_t i = 0; i < HEX_BYTES; i++) {
            buf_str(&f.b, i % 8 == 0 ? " " : "");
            if (i < count)
                buf_printf(&f.b, "%02x ", bytes[at + i]);
            else
                buf_str(&f.b, "   ");
        }
        buf_str(&f.b, " ");
        for (size_t i = 0; i < count; i++)
            buf_char(&f.b,
                     isprint(bytes[at + i]) && bytes[at + i] < 0x80 ? (char)bytes[at + i] : '.');
        buf_char(&f.b, '\n');
        flow(&f);
    }
    return flow_end(&f);
}

static struct err *put_strings(const uint8_t *bytes, size_t n, const struct report_style *style,
                               struct report_sink out)
{
    struct flow f = {.style = style, .sink = out};
    size_t begin = 0;
    for (size_t i = 0; i <= n && !f.err; i++) {
        if (i < n && (bytes[i] == '\t' || (bytes[i] < 0x7f && isprint(bytes[i]))))
            continue;
        if (i - begin >= STRING_MIN) {
            buf_add(&f.b, bytes + begin, i - begin);
            buf_char(&f.b, '\n');
        }
        begin = i + 1;
        flow(&f);
    }
    return flow_end(&f);
}

struct err *report_bytes(const uint8_t *bytes, size_t n, taddr addr, enum report_bytes_as as,
                         const struct report_style *style, struct report_sink out)
{
    size_t text = without_final_nuls(bytes, n);
    switch (as) {
    case REPORT_BYTES_RAW:
        return put_raw(bytes, n, out);
    case REPORT_BYTES_STRINGS:
        return put_strings(bytes, n, style, out);
    case REPORT_BYTES_HEX:
        return put_hex(bytes, n, addr, style, out);
    case REPORT_BYTES_TEXT:
        return put_text(bytes, text, style, out);
    case REPORT_BYTES_AUTO:
        break;
    }
    return is_text(bytes, text) ? put_text(bytes, text, style, out)
                                : put_hex(bytes, n, addr, style, out);
}

struct err *report_section_json(const struct report_section *section, const uint8_t *bytes,
                                size_t n, struct report_sink out)
{
    static const char digits[] = "0123456789abcdef";
    struct json j;
    size_t text = without_final_nuls(bytes, n);
    struct buf hex = {0};
    if (n > BUF_MAX_DEFAULT / 4)
        return err_hint(err_new(ERR_LIMIT, "section %s is too large for JSON", section->name),
                        "Print it with --format raw");
    json_init(&j, out.write, out.arg);
    json_begin(&j, '{');
    section_json(&j, section);
    if (is_text(bytes, text)) {
        json_key(&j, "text");
        json_strn(&j, (const char *)bytes, text);
    } else {
        for (size_t i = 0; i < n; i++) {
            buf_char(&hex, digits[bytes[i] >> 4]);
            buf_char(&hex, digits[bytes[i] & 15]);
        }
        json_kstr(&j, "hex", buf_text(&hex));
    }
    json_end(&j, '}');
    json_newline(&j);
    buf_free(&hex);
    return json_finish(&j);
}

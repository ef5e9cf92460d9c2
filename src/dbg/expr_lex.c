/* expr_lex.c - tokens of Go expressions; see expr_int.h.
 *
 * Go: go/scanner.  Numbers are only cut out here; expr_const.c reads them. */
#include <string.h>

#include "base/text.h"
#include "dbg/expr_int.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Letters: also everything outside ASCII that is well-formed. */
static size_t name_char(const char *s, bool first)
{
    uint32_t cp;
    if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_' ||
        (!first && is_digit(*s)))
        return 1;
    return (uint8_t)*s >= 0x80 ? text_utf8(s, strlen(s), &cp) : 0;
}

static size_t number(const char *s)
{
    size_t n = 0;
    bool hex = *s == '0' && (s[1] == 'x' || s[1] == 'X');
    while (s[n]) {
        char c = s[n];
        bool sign = n && (c == '-' || c == '+') &&
                    (hex ? strchr("pP", s[n - 1]) : strchr("eE", s[n - 1])) != NULL;
        if (!is_digit(c) && c != '.' && c != '_' && !(c >= 'a' && c <= 'z') &&
            !(c >= 'A' && c <= 'Z') && !sign)
            break;
        n++;
    }
    return n;
}

static size_t quoted(const char *s)
{
    size_t n = 1;
    while (s[n] && s[n] != *s) {
        if (*s != '`' && s[n] == '\n')
            return 0;
        n += s[n] == '\\' && *s != '`' && s[n + 1] ? 2 : 1;
    }
    return s[n] ? n + 1 : 0;
}

static const char *operator_at(const char *s)
{
    static const char *const ops[] = {
        "<<", ">>", "&^", "&&", "||", "==", "!=", "<=", ">=", "<-", "...",
        "+",  "-",  "*",  "/",  "%",  "&",  "|",  "^",  "<",  ">",  "!",
        "(",  ")",  "[",  "]",  "{",  "}",  ",",  ".",  ":",  "~",  ";"};
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (strncmp(s, ops[i], strlen(ops[i])) == 0)
            return ops[i];
    return NULL;
}

struct err *expr_lex(const char *text, size_t at, struct tok *ret)
{
    const char *s = text + at, *op;
    while (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r')
        s++;
    *ret = (struct tok){.at = (uint32_t)(s - text)};
    if (!*s)
        return NULL;
    bool result = s[0] == '~' && s[1] == 'r' && is_digit(s[2]); /* ~r0: one without a name */
    if (result || name_char(s, true)) {
        ret->kind = TOK_NAME;
        ret->n = result;
        for (size_t n; (n = name_char(s + ret->n, false)) != 0;)
            ret->n += (uint32_t)n;
    } else if (is_digit(*s) || (*s == '.' && is_digit(s[1]))) {
        ret->kind = TOK_NUMBER;
        ret->n = (uint32_t)number(s);
    } else if (*s == '"' || *s == '`' || *s == '\'') {
        ret->kind = *s == '\'' ? TOK_RUNE : TOK_STRING;
        ret->n = (uint32_t)quoted(s);
        if (!ret->n)
            return expr_error(ERR_USAGE, text, ret->at, "the text that begins here does not end");
    } else if ((op = operator_at(s)) != NULL) {
        ret->kind = TOK_OP;
        ret->n = (uint32_t)strlen(op);
        memcpy(ret->op, op, ret->n + 1);
    } else {
        return expr_error(ERR_USAGE, text, ret->at, "unexpected character");
    }
    return NULL;
}

/* Expressions: the parser, constants, and evaluation where nothing has a name but what the language
 * declares. */
#include <stdlib.h>
#include <string.h>

#include "dbg/expr_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct node *root = NULL;
    char *text = mem_alloc(size + 1);
    memcpy(text, data, size);
    arena_init(&a);
    struct err *e = expr_parse(&a, text, &root);
    if (!e && root->end > strlen(text))
        abort();
    if (e && (!*err_message(e) || err_code(e) != ERR_USAGE))
        abort();
    err_free(e);
    struct expr x = {.text = text, .root = root};
    struct expr_ctx ctx = {.arena = &a};
    struct ev ev = {.x = &x, .ctx = &ctx, .a = &a};
    struct dbg_value v = {0};
    struct buf b = {0};
    if (!e)
        e = ev_node(&ev, root, &v);
    else
        e = NULL;
    if (root && !e && v.form == DBG_UNTYPED)
        dbg_const_text(v.untyped, &b);
    err_free(e);
    buf_free(&b);
    arena_free(&a);
    free(text);
    return 0;
}

/* Conditions of snapshot --when: whatever is taken holds exactly when its negation does not. */
#include <stdlib.h>
#include <string.h>

#include "front/cli/condition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cli_counters now = {
    .pulse = {.goroutines = 5000, .heap_alloc_bytes = UINT64_C(1) << 30, .last_pause_ns = 900},
    .rss_bytes = UINT64_C(3) << 30,
};

/* The negation may have too many parts. */
static void negated(const char *text, size_t n, bool holds)
{
    struct cli_condition *c;
    char *negation = malloc(n + 4);
    memcpy(negation, "!(", 2);
    memcpy(negation + 2, text, n);
    memcpy(negation + 2 + n, ")", 2);
    struct err *e = cli_condition_parse(negation, &c);
    if (!e) {
        if (cli_condition_holds(c, &now) == holds)
            abort();
        cli_condition_free(c);
    }
    err_free(e);
    free(negation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cli_condition *c;
    char *text = malloc(size + 1);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    struct err *e = cli_condition_parse(text, &c);
    if (!e) {
        struct buf b = {0};
        negated(text, strlen(text), cli_condition_holds(c, &now));
        cli_condition_values(c, &now, &b);
        buf_free(&b);
        cli_condition_free(c);
    } else if (err_code(e) != ERR_USAGE || !*err_message(e)) {
        abort();
    }
    err_free(e);
    free(text);
    return 0;
}

/* What a peer sends: frames come out the same however they are cut, what is a message survives
 * being written again, arguments are read by the row of their request; refusals say why. */
#include <stdlib.h>
#include <string.h>

#include "wire/dap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(struct err *e)
{
    if (e && !*err_message(e))
        abort();
    err_free(e);
}

static void look_at_arguments(const struct dap_message *m, struct arena *a)
{
    for (size_t i = 0; i < dap_nrecords; i++) {
        void *args;
        if (strcmp(dap_records[i]->name, m->command) == 0)
            check_refusal(dap_args_read(dap_records[i], m->arguments, a, &args));
    }
}

/* The frames of all bytes, read in pieces; their number and sum of bytes as a check. */
static uint64_t frames(const uint8_t *data, size_t size, size_t piece, bool look)
{
    struct dap_in in = {0};
    uint64_t sum = 0;
    struct err *e = NULL;
    for (size_t at = 0; at < size && !e; at += piece) {
        const char *m = NULL;
        size_t n;
        dap_in_add(&in, data + at, size - at < piece ? size - at : piece);
        while (!(e = dap_in_next(&in, &m, &n)) && m) {
            struct arena a;
            struct dap_message msg;
            for (size_t i = 0; i < n; i++)
                sum = sum * 31 + (uint8_t)m[i];
            if (!look)
                continue;
            arena_init(&a);
            struct err *bad = dap_message_read(m, n, &a, &msg);
            if (!bad)
                look_at_arguments(&msg, &a);
            check_refusal(bad);
            if (a.total > 256 * n + (1 << 17))
                abort(); /* memory is bound to what was sent */
            arena_free(&a);
        }
    }
    check_refusal(e);
    dap_in_free(&in);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (frames(data, size, size + 1, true) != frames(data, size, 7, false))
        abort();
    return 0;
}

/* Patterns and texts: the first line is the pattern, the rest the text. */
#include <stdlib.h>
#include <string.h>

#include "base/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nl = size ? memchr(data, '\n', size) : NULL;
    size_t n = nl ? (size_t)(nl - data) : size, rest = nl ? size - n - 1 : 0;
    char *pattern = malloc(n + 1);
    if (n)
        memcpy(pattern, data, n);
    pattern[n] = '\0';
    struct regex *re;
    struct err *e = regex_compile(pattern, &re, NULL);
    if (!e) {
        regex_matchn(re, nl ? (const char *)nl + 1 : "", rest < 4096 ? rest : 4096);
        regex_free(re);
    }
    err_free(e);
    free(pattern);
    return 0;
}

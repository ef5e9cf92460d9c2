/* check.h - what every unit test includes: cmocka, and checks of errors. */
#ifndef GOSPECT_TESTS_CHECK_H
#define GOSPECT_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

/* Fails the test with the error's text. */
static inline void check_ok_at(struct err *e, const char *file, int line)
{
    if (!e)
        return;
    print_error("%s:%d: unexpected error: %s\n", file, line, err_message(e));
    err_free(e);
    _fail(file, line);
}
#define check_ok(expr) check_ok_at((expr), __FILE__, __LINE__)

/* Fails the test unless the call returned an error of this code whose message contains text. */
static inline void check_err_at(struct err *e, enum err_code code, const char *text,
                                const char *file, int line)
{
    if (!e || err_code(e) != code || !strstr(err_message(e), text)) {
        print_error("%s:%d: expected error %d with \"%s\", got %s\n", file, line, code, text,
                    e ? err_message(e) : "success");
        err_free(e);
        _fail(file, line);
    }
    err_free(e);
}
#define check_err(expr, code, text) check_err_at((expr), (code), (text), __FILE__, __LINE__)

#define TEST_MAIN(...)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

#endif

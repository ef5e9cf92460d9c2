/* Frames of the Debug Adapter Protocol, its messages and their arguments. */
#include "check.h"

#include "wire/dap.h"

static struct arena mem;

static void begin(void)
{
    arena_free(&mem);
    arena_init(&mem);
}

/* ---- frames ---- */

static void feed(struct dap_in *in, const char *text)
{
    dap_in_add(in, text, strlen(text));
}

static void frames_in_any_pieces(void **state)
{
    (void)state;
    const char all[] = "Content-Length: 2\r\n\r\n{}X-Other: 1\r\ncontent-length:4\r\n\r\n[12]";
    for (size_t piece = 1; piece < sizeof(all); piece++) {
        struct dap_in in = {0};
        char seen[64] = "";
        for (size_t at = 0; at < sizeof(all) - 1; at += piece) {
            const char *m;
            size_t n;
            dap_in_add(&in, all + at, at + piece < sizeof(all) ? piece : sizeof(all) - 1 - at);
            check_ok(dap_in_next(&in, &m, &n));
            while (m) {
                strncat(strncat(seen, m, n), "|", 2);
                check_ok(dap_in_next(&in, &m, &n));
            }
        }
        assert_string_equal(seen, "{}|[12]|");
        dap_in_free(&in);
    }
}

static void broken(const char *text, enum err_code code, const char *says)
{
    struct dap_in in = {0};
    const char *m;
    size_t n;
    feed(&in, text);
    check_err(dap_in_next(&in, &m, &n), code, says);
    dap_in_free(&in);
}

static void broken_frames(void **state)
{
    (void)state;
    broken("{\"seq\":1}", ERR_BAD_DATA, "begins with no letter");
    broken("GET / HTTP/1.1\r\n\r\n", ERR_BAD_DATA, "NAME: VALUE");
    broken("POST /a:b HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", ERR_BAD_DATA, "NAME: VALUE");
    broken("Content-Length: x\r\n\r\n", ERR_BAD_DATA, "no number");
    broken("Content-Length: -1\r\n\r\n", ERR_BAD_DATA, "no number");
    broken("Content-Length: 0\r\n\r\n", ERR_BAD_DATA, "is 0");
    broken("Content-Type: a\r\n\r\n", ERR_BAD_DATA, "no Content-Length");
    broken("Content-Length: 99999999999\r\n\r\n", ERR_LIMIT, "99999999999 bytes");
    char *long_header = malloc(DAP_HEADER_MAX + 2);
    memset(long_header, 'a', DAP_HEADER_MAX + 1);
    long_header[DAP_HEADER_MAX + 1] = '\0';
    broken(long_header, ERR_BAD_DATA, "does not end");
    free(long_header);
}

/* ---- messages ---- */

static struct err *reading(const char *text, struct dap_message *ret)
{
    begin();
    return dap_message_read(text, strlen(text), &mem, ret);
}

static void messages(void **state)
{
    (void)state;
    struct dap_message m;
    check_ok(reading("{\"seq\":7,\"type\":\"request\",\"command\":\"next\",\"arguments\":{}}", &m));
    assert_int_equal(m.type, DAP_REQUEST);
    assert_int_equal(m.seq, 7);
    assert_string_equal(m.command, "next");
    assert_non_null(m.arguments);
    check_ok(reading("{\"seq\":8,\"type\":\"response\",\"request_seq\":3,\"success\":false,"
                     "\"command\":\"runInTerminal\",\"message\":\"no\"}",
                     &m));
    assert_int_equal(m.type, DAP_RESPONSE);
    assert_int_equal(m.request_seq, 3);
    assert_string_equal(m.text, "no");
    check_err(reading("{\"seq\":9,\"command\":\"next\"}", &m), ERR_BAD_DATA, "\"type\"");
    assert_int_equal(m.seq, 9); /* so that it can be answered */
    assert_string_equal(m.command, "next");
    check_err(reading("{\"type\":\"request\",\"command\":\"next\"}", &m), ERR_BAD_DATA, "\"seq\"");
    check_err(reading("[]", &m), ERR_BAD_DATA, "must be a JSON object");
    check_err(reading("{\"seq\":1,\"type\":\"event\"}", &m), ERR_BAD_DATA, "not event");
}

/* ---- arguments ---- */

static struct err *args(const struct dap_record *r, const char *text, void **ret)
{
    const struct json_limits limits = {.depth = DAP_DEPTH_MAX, .values = DAP_VALUES_MAX};
    struct json_value *v;
    begin();
    check_ok(json_read(text, strlen(text), &limits, &mem, &v));
    return dap_args_read(r, v, &mem, ret);
}

static void arguments(void **state)
{
    (void)state;
    void *got;
    check_ok(args(&dap_record_setBreakpoints,
                  "{\"source\":{\"path\":\"/a.go\",\"x\":1},\"breakpoints\":[{\"line\":3},"
                  "{\"line\":4.0,\"condition\":\"i > 2\",\"column\":null}]}",
                  &got));
    const struct dap_setBreakpoints *b = got;
    assert_string_equal(b->source->path, "/a.go");
    assert_int_equal(b->nbreakpoints, 2);
    assert_string_equal(b->breakpoints[0].condition, "");
    assert_int_equal(b->breakpoints[1].line, 4);
    assert_string_equal(b->breakpoints[1].condition, "i > 2");
    check_ok(args(&dap_record_launch,
                  "{\"mode\":\"test\",\"args\":[\"a\",\"\"],\"env\":{\"A\":\"1\",\"B\":null}}",
                  &got));
    const struct dap_launch *l = got;
    assert_int_equal(l->mode, 2);
    assert_int_equal(l->nargs, 2);
    assert_null(l->env[1].value);
    check_ok(args(&dap_record_attach, "{\"processId\":\"123\"}", &got));
    assert_int_equal(((struct dap_attach *)got)->processId, 123);
    check_ok(dap_args_read(&dap_record_disconnect, NULL, &mem, &got));
    assert_int_equal(((struct dap_disconnect *)got)->terminateDebuggee, -1);
    check_ok(args(&dap_record_variables, "{\"variablesReference\":1}", &got));
    assert_int_equal(((struct dap_variables *)got)->filter, 0);
}

static void wrong(const struct dap_record *r, const char *text, const char *says)
{
    void *got;
    check_err(args(r, text, &got), ERR_USAGE, says);
}

static void wrong_arguments(void **state)
{
    (void)state;
    wrong(&dap_record_setBreakpoints, "{}",
          "setBreakpoints.source is missing: it must be an object");
    wrong(&dap_record_setBreakpoints, "[]", "setBreakpoints must be an object, not an array");
    wrong(&dap_record_setBreakpoints,
          "{\"source\":{},\"breakpoints\":[{\"line\":1},{\"line\":\"2\"}]}",
          "setBreakpoints.breakpoints[1].line must be a whole number from 0 to 2147483647, not the "
          "string \"2\"");
    wrong(&dap_record_scopes, "{\"frameId\":-1}", "not the number -1");
    wrong(&dap_record_scopes, "{\"frameId\":1.5}", "not the number 1.5");
    wrong(&dap_record_next, "{\"threadId\":1,\"granularity\":\"x\"}",
          "must be one of the strings statement line instruction, not the string \"x\"");
    wrong(&dap_record_launch, "{\"args\":[1]}", "launch.args[0] must be a string");
    wrong(&dap_record_launch, "{\"env\":{\"A\":1}}", "launch.env[\"A\"] must be a string or null");
    wrong(&dap_record_launch, "{\"stopOnEntry\":1}", "must be true or false");
    wrong(&dap_record_launch, "{\"program\":\"a\\u0000b\"}", "has a NUL");
    wrong(&dap_record_attach, "{\"processId\":\"12x\"}", "not the string \"12x\"");
    wrong(&dap_record_attach, "{\"processId\":0}", "from 1 to");
}

/* ---- out ---- */

static void writing(void **state)
{
    (void)state;
    struct buf out = {0};
    struct dap_in in = {0};
    struct dap_message m;
    const char *text;
    size_t n;
    struct err *e = err_hint(err_new(ERR_USAGE, "no {x}"), "try y");
    begin();
    dap_put_failure(&out, 5, 4, "evaluate", e, NULL, true);
    err_free(e);
    dap_in_add(&in, out.p, out.n);
    check_ok(dap_in_next(&in, &text, &n));
    check_ok(dap_message_read(text, n, &mem, &m));
    assert_int_equal(m.request_seq, 4);
    assert_false(m.success);
    assert_string_equal(m.text, "no {x}\ntry y");
    assert_string_equal(json_member(json_member(m.arguments, "error"), "format")->text,
                        "no {brace}x}\ntry y");
    dap_in_free(&in);
    buf_free(&out);
}

static void base64(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},        {"f", "Zg=="},          {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, /* RFC 4648 */
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct buf there = {0}, back = {0};
        dap_base64(&there, pairs[i][0], strlen(pairs[i][0]));
        assert_string_equal(buf_text(&there), pairs[i][1]);
        check_ok(dap_unbase64(pairs[i][1], &back));
        assert_string_equal(buf_text(&back), pairs[i][0]);
        buf_free(&there);
        buf_free(&back);
    }
    struct buf b = {0};
    check_err(dap_unbase64("Zg=", &b), ERR_USAGE, "multiple of four");
    check_err(dap_unbase64("Z===", &b), ERR_USAGE, "at byte 1");
    check_err(dap_unbase64("Zg==Zg==", &b), ERR_USAGE, "at byte");
    check_err(dap_unbase64("Z?==", &b), ERR_USAGE, "at byte 1");
    buf_free(&b);
    arena_free(&mem);
}

TEST_MAIN(cmocka_unit_test(frames_in_any_pieces), cmocka_unit_test(broken_frames),
          cmocka_unit_test(messages), cmocka_unit_test(arguments),
          cmocka_unit_test(wrong_arguments), cmocka_unit_test(writing), cmocka_unit_test(base64))

/* Findings: order, words, JSON. */
#include "check.h"
#include "report/finding.h"

static void fill(struct diag_findings *f)
{
    struct diag_finding *d;
    diag_findings_init(f);
    d = diag_find(f, DIAG_NOTE, "run-queue", "%d processors are idle", 3);
    d->sure = DIAG_SUSPECTED;
    d->sure_why = "one look says little";
    d = diag_find(f, DIAG_PROBLEM, "goroutine-cluster", "1,812 goroutines wait for the same thing");
    diag_evidence(f, d, "chan send at %s:%d", "orders/notify.go", 88);
    diag_evidence(f, d, "created at orders/http.go:140");
    d->why = "each keeps its request in memory, and nothing lets them go on";
    d->mend = "give the channel room or select on ctx.Done()";
    d->sure = DIAG_INFERRED;
    d->sure_why = "counted at one instant, growth over 10 s";
    d->next = "gospect goroutines 4242 --filter 'func=publish.func1' --full";
    d->weight = 1;
    diag_value_int(f, d, "goroutines", DIAG_COUNT, 1812);
    diag_value_rate(f, d, "growth_per_second", 0.25);
    diag_value_int(f, d, "channel", DIAG_ADDR, 0xc000111000);
    diag_value_text(f, d, "place", "orders/notify.go:88");
    d = diag_find(f, DIAG_PROBLEM, "heavier", "comes first \x1b[2J");
    d->weight = 2;
    diag_findings_sort(f);
}

static void as_text(void **state)
{
    struct diag_findings f;
    struct buf b = {0};
    fill(&f);
    report_findings_text(&f, &(struct report_style){.width = 60}, &b);
    assert_string_equal(buf_text(&b),
                        "PROBLEM  comes first ^[[2J\n"
                        "  how sure: proved\n"
                        "PROBLEM  1,812 goroutines wait for the same thing\n"
                        "  chan send at orders/notify.go:88\n"
                        "  created at orders/http.go:140\n"
                        "  why it matters: each keeps its request in memory, and\n"
                        "    nothing lets them go on\n"
                        "  how sure: inferred: counted at one instant, growth over 10\n"
                        "    s\n"
                        "  how to mend: give the channel room or select on ctx.Done()\n"
                        "  → gospect goroutines 4242 --filter 'func=publish.func1' --full\n"
                        "NOTE  3 processors are idle\n"
                        "  how sure: suspected: one look says little\n");
    buf_clear(&b);
    report_findings_count(&f, &b);
    assert_string_equal(buf_text(&b), "2 problems, 1 note");
    diag_findings_free(&f);
    diag_findings_init(&f);
    buf_clear(&b);
    report_findings_count(&f, &b);
    assert_string_equal(buf_text(&b), "nothing found");
    buf_free(&b);
    diag_findings_free(&f);
}

static struct err *to_buf(void *arg, const char *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

static void as_json(void **state)
{
    struct diag_findings f;
    struct buf b = {0};
    struct json j;
    fill(&f);
    json_init(&j, to_buf, &b);
    report_findings_json(&f, &j);
    check_ok(json_finish(&j));
    assert_non_null(strstr(
        buf_text(&b),
        "{\"key\":\"goroutine-cluster\",\"severity\":\"problem\",\"title\":\"1,812 goroutines wait "
        "for "
        "the same thing\",\"evidence\":[\"chan send at orders/notify.go:88\",\"created at "
        "orders/http.go:140\"],\"why\":\"each keeps its request in memory, and nothing lets them "
        "go "
        "on\",\"mend\":\"give the channel room or select on ctx.Done()\",\"sure\":\"inferred\","
        "\"sure_why\":\"counted at one instant, growth over 10 s\",\"next\":\"gospect goroutines "
        "4242 "
        "--filter 'func=publish.func1' --full\",\"values\":{\"goroutines\":1812,"
        "\"growth_per_second\":0.25,\"channel\":\"0xc000111000\",\"place\":\"orders/"
        "notify.go:88\"}}"));
    buf_free(&b);
    diag_findings_free(&f);
}

TEST_MAIN(cmocka_unit_test(as_text), cmocka_unit_test(as_json))

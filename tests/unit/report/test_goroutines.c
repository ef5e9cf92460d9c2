/* Goroutines as people and programs see them: the sample service, word by word. */
#include "check.h"
#include "report/goroutines.h"
#include "snap/sample.h"

struct shown {
    struct snap *s;
    struct snap_rows rows;
    struct snap_groups *groups;
    struct snap_filter *filter;
    struct report_goroutines r;
    struct report_style style;
    struct buf out;
};

static void select_and_group(struct shown *sh, const char *filter, bool grouped,
                             enum snap_group_by by)
{
    sh->s = sample_orders();
    if (filter)
        check_ok(snap_filter_compile(filter, &sh->filter));
    struct snap_selection sel = {.filters = (const struct snap_filter *const *)&sh->filter,
                                 .nfilters = filter != NULL};
    check_ok(snap_select(sh->s, &sel, &sh->rows));
    struct snap_group_options o = {.by = by};
    if (grouped)
        check_ok(snap_group(sh->s, &sh->rows, &o, &sh->groups));
    sh->r = (struct report_goroutines){.snap = sh->s,
                                       .rows = &sh->rows,
                                       .groups = sh->groups,
                                       .goroutines = true,
                                       .filtered = filter != NULL,
                                       .wall_ns = 61 * NSEC_PER_MSEC};
    sh->style = (struct report_style){.width = 100};
}

static void text(struct shown *sh)
{
    check_ok(report_goroutines_text(&sh->r, &sh->style, report_to_buf(&sh->out)));
}

static void done(struct shown *sh)
{
    snap_groups_free(sh->groups);
    snap_rows_free(&sh->rows);
    snap_filter_free(sh->filter);
    snap_free(sh->s);
    buf_free(&sh->out);
}

static void same_lines(const char *got, const char *want)
{
    for (unsigned line = 1; *got || *want; line++) {
        size_t g = strcspn(got, "\n"), w = strcspn(want, "\n");
        if (g != w || memcmp(got, want, g) != 0)
            fail_msg("line %u\n got: %.*s\nwant: %.*s", line, (int)g, got, (int)w, want);
        got += g + (got[g] == '\n');
        want += w + (want[w] == '\n');
    }
}

static void grouped_by_stack(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, NULL, true, SNAP_BY_STACK);
    sh.r.limit = 4;
    text(&sh);
    same_lines(buf_text(&sh.out),
               "21 goroutines, 8 stacks                                                 orders-api "
               "pid 4242 go1.24.3\n"
               "   12  chan send   oldest 71 h, median 66 h   all on channel 0xc000111000\n"
               "       created by orders/http.go:140 (*Server).handle\n"
               "       runtime.gopark …2\n"
               "       orders.(*Hub).publish.func1  orders/notify.go:88\n"
               "       orders.(*Hub).publish        orders/notify.go:80\n"
               "    3  IO wait   oldest 12 min\n"
               "       runtime.gopark …2\n"
               "       poll.(*pollDesc).wait      internal/poll/fd_poll_runtime.go:84\n"
               "       poll.(*pollDesc).waitRead  internal/poll/fd_poll_runtime.go:89\n"
               "       poll.(*FD).Read            internal/poll/fd_unix.go:165\n"
               "       http.(*conn).serve         net/http/server.go:2102\n"
               "    1  chan receive   goroutine 1\n"
               "       runtime.gopark …1\n"
               "       main.main  orders-api/main.go:30\n"
               "    1  running   goroutine 40\n"
               "       main.busy  orders-api/main.go:55\n"
               "  4 more stacks (4 goroutines): --limit 0 shows all\n"
               "2 goroutines of the runtime itself are not shown: --system shows them\n"
               "one instant of the whole process; it stood still for 7 ms; 61 ms in all\n");
    done(&sh);
}

static void depth_is_cut_aloud(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, "state=waiting && reason=IO", true, SNAP_BY_STACK);
    sh.r.depth = 2;
    sh.style.width = 66;
    text(&sh);
    same_lines(buf_text(&sh.out),
               "3 of 23 goroutines match, 1 stack     orders-api pid 4242 go1.24.3\n"
               "    3  IO wait   oldest 12 min\n"
               "       runtime.gopark …2\n"
               "       poll.(*pollDesc).wait  internal/poll/fd_poll_runtime.go:84\n"
               "       … 3 more frames: --depth 0 shows all\n"
               "one instant of the whole process; it stood still for 7 ms; 61 ms\n"
               "  in all\n");
    done(&sh);
}

static void runtime_frames_when_asked(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, "id=1", true, SNAP_BY_STACK);
    sh.r.runtime_frames = true;
    text(&sh);
    same_lines(buf_text(&sh.out),
               "1 of 23 goroutines matches, 1 stack                                     orders-api "
               "pid 4242 go1.24.3\n"
               "    1  chan receive   goroutine 1\n"
               "       runtime.gopark     runtime/proc.go:435\n"
               "       runtime.chanrecv1  runtime/chan.go:489\n"
               "       main.main          orders-api/main.go:30\n"
               "       runtime.main       runtime/proc.go:283\n"
               "       runtime.goexit     runtime/asm_amd64.s:1700\n"
               "one instant of the whole process; it stood still for 7 ms; 61 ms in all\n");
    done(&sh);
}

static void nothing_matches(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, "id=5", true, SNAP_BY_STACK);
    text(&sh);
    same_lines(buf_text(&sh.out),
               "0 of 23 goroutines match                                                orders-api "
               "pid 4242 go1.24.3\n"
               "one instant of the whole process; it stood still for 7 ms; 61 ms in all\n");
    done(&sh);
}

static void only_the_runtime(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, "system && id=2", true, SNAP_BY_STACK);
    text(&sh); /* nothing to fold into: all is shown */
    assert_non_null(strstr(buf_text(&sh.out), "       runtime.gopark         runtime/proc.go:435\n"
                                              "       runtime.forcegchelper  runtime/proc.go:348\n"
                                              "one instant"));
    done(&sh);
}

static void narrow(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, "id=30", true, SNAP_BY_STACK);
    sh.style.width = 40;
    text(&sh);
    same_lines(buf_text(&sh.out), "1 of 23 goroutines matches, 1 stack\n"
                                  "orders-api pid 4242 go1.24.3\n"
                                  "    1  IO wait   for 12 min\n"
                                  "       goroutine 30\n"
                                  "       runtime.gopark …2\n"
                                  "       poll.(*pollDesc).wait\n"
                                  "         internal/poll/fd_poll_runtime.go:84\n"
                                  "       poll.(*pollDesc).waitRead\n"
                                  "         internal/poll/fd_poll_runtime.go:89\n"
                                  "       poll.(*FD).Read\n"
                                  "         internal/poll/fd_unix.go:165\n"
                                  "       http.(*conn).serve\n"
                                  "         net/http/server.go:2102\n"
                                  "one instant of the whole process; it\n"
                                  "  stood still for 7 ms; 61 ms in all\n");
    done(&sh);
}

static void other_groups(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, NULL, true, SNAP_BY_STATE);
    text(&sh);
    same_lines(buf_text(&sh.out),
               "21 goroutines, 8 stacks, 4 states                                       orders-api "
               "pid 4242 go1.24.3\n"
               "   18  waiting   12 chan send, 3 IO wait, 2 select, 1 chan receive   oldest 71 h, "
               "median 65 h\n"
               "       12 on channel 0xc000111000   5 stacks   goroutines 10, 11, 12 …\n"
               "    1  running   1 stack   goroutine 40\n"
               "    1  syscall   1 stack   goroutine 41\n"
               "    1  runnable   1 stack   goroutine 42\n"
               "2 goroutines of the runtime itself are not shown: --system shows them\n"
               "one instant of the whole process; it stood still for 7 ms; 61 ms in all\n");
    done(&sh);
    memset(&sh, 0, sizeof(sh));
    select_and_group(&sh, NULL, true, SNAP_BY_LABEL);
    sh.r.limit = 1;
    text(&sh);
    assert_non_null(strstr(buf_text(&sh.out), "\n   14  no labels   6 chan send, 3 IO wait, "));
    assert_non_null(strstr(buf_text(&sh.out), "2 more sets of labels (7 goroutines): --limit 0"));
    done(&sh);
}

static void one_by_one(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, "id=10,41", false, SNAP_BY_STACK);
    sh.style.full_names = true;
    text(&sh);
    same_lines(buf_text(&sh.out),
               "2 of 23 goroutines match                                                orders-api "
               "pid 4242 go1.24.3\n"
               "\n"
               "goroutine 10   chan send   for at least 71 h   chan send on 0xc000111000   labels "
               "route=/orders\n"
               "    runtime.gopark\n"
               "        /usr/local/go/src/runtime/proc.go:435  0x401000\n"
               "    runtime.chansend\n"
               "        /usr/local/go/src/runtime/chan.go:259  0x401300\n"
               "    runtime.chansend1\n"
               "        /usr/local/go/src/runtime/chan.go:157  0x401400\n"
               "    example.com/shop/orders.(*Hub).publish.func1\n"
               "        /src/shop/orders/notify.go:88  0x502000\n"
               "    example.com/shop/orders.(*Hub).publish\n"
               "        /src/shop/orders/notify.go:80  0x502100\n"
               "    runtime.goexit\n"
               "        /usr/local/go/src/runtime/asm_amd64.s:1700  0x401100\n"
               "    created by example.com/shop/orders.(*Server).handle in goroutine 30\n"
               "        /src/shop/orders/http.go:140\n"
               "\n"
               "goroutine 41   syscall   thread 78   locked to its thread   labels route=/admin, "
               "user=ann\n"
               "    syscall.Syscall\n"
               "        /usr/local/go/src/syscall/syscall_linux.go:73  0x401800\n"
               "    os.(*File).Read\n"
               "        /usr/local/go/src/os/file.go:124  0x505000\n"
               "    main.readAll\n"
               "        /src/shop/cmd/orders-api/main.go:70  0x505100\n"
               "    runtime.goexit\n"
               "        /usr/local/go/src/runtime/asm_amd64.s:1700  0x401100\n"
               "\n"
               "one instant of the whole process; it stood still for 7 ms; 61 ms in all\n");
    done(&sh);
}

static void one_by_one_is_cut_aloud(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, "id=30,31", false, SNAP_BY_STACK);
    sh.r.limit = 1;
    sh.r.depth = 4; /* inside the inlined calls of one pc */
    text(&sh);
    assert_non_null(strstr(buf_text(&sh.out),
                           "    poll.(*pollDesc).wait\n"
                           "        internal/poll/fd_poll_runtime.go:84  0x503000  inlined\n"
                           "    … 4 more frames: --depth 0 shows all\n"));
    assert_non_null(strstr(buf_text(&sh.out), "1 more goroutine: --limit 0 shows all\n"));
    done(&sh);
}

static void add_local(struct snap *s, uint32_t g, uint16_t frame, uint8_t flags, const char *name,
                      const char *type, const char *value)
{
    uint32_t l = snap_add_local(s);
    s->local.goroutine[l] = g;
    s->local.frame[l] = frame;
    s->local.flags[l] = flags;
    s->local.name[l] = make_str(s, name);
    s->local.type[l] = make_str(s, type);
    s->local.value[l] = make_str(s, value);
}

static void variables(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, "id=30", false, SNAP_BY_STACK);
    uint32_t g = sh.rows.v[0];
    add_local(sh.s, g, 5, SNAP_LF_ARG, "fd", "*poll.FD", "0xc0000a2000");
    add_local(sh.s, g, 6, 0, "c", "*http.conn", "0xc0000b0000");
    add_local(sh.s, g, 6, SNAP_LF_UNREADABLE, "ctx", "context.Context", "optimised away");
    sh.r.locals = true;
    text(&sh);
    assert_non_null(strstr(buf_text(&sh.out), "    poll.(*FD).Read\n"
                                              "        internal/poll/fd_unix.go:165  0x503000\n"
                                              "            fd *poll.FD = 0xc0000a2000  (argument)\n"
                                              "    http.(*conn).serve\n"
                                              "        net/http/server.go:2102  0x503100\n"
                                              "            c *http.conn = 0xc0000b0000\n"
                                              "            ctx context.Context: optimised away\n"));
    done(&sh);
}

static void what_is_missing_is_said(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, "id=1", true, SNAP_BY_STACK);
    snap_note_missing(sh.s, 2, "stacks", "the thread would not stop");
    snap_set_meta(sh.s, SNAP_META_consistency, "goroutine");
    snap_set_meta_i64(sh.s, SNAP_META_pause_ns, 0);
    snap_set_meta(sh.s, SNAP_META_method_why, "no memory for a copy");
    text(&sh);
    assert_non_null(strstr(buf_text(&sh.out),
                           "not everything could be read\n"
                           "  2 stacks: the thread would not stop\n"
                           "each goroutine at an instant of its own; nothing "
                           "stood still (no memory for a copy); 61 ms in all\n"));
    done(&sh);
}

static void colours_only_when_told(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, NULL, true, SNAP_BY_STACK);
    text(&sh);
    assert_null(strchr(buf_text(&sh.out), '\x1b'));
    size_t lines = 0, coloured_lines = 0;
    for (const char *p = buf_text(&sh.out); *p; p++)
        lines += *p == '\n';
    struct buf plain = sh.out;
    sh.out = (struct buf){0};
    sh.style.color = true;
    text(&sh);
    struct buf stripped = {0};
    for (const char *p = buf_text(&sh.out); *p; p++) {
        if (*p == '\x1b')
            p = strchr(p, 'm');
        else
            buf_char(&stripped, *p);
        coloured_lines += *p == '\n';
    }
    assert_int_equal(lines, coloured_lines);
    assert_string_equal(buf_text(&stripped),
                        buf_text(&plain)); /* nothing is said by colour alone */
    buf_free(&stripped);
    buf_free(&plain);
    done(&sh);
}

/* What a target calls its functions does not reach the terminal. */
static void names_do_not_drive_the_terminal(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, "id=40", true, SNAP_BY_STACK);
    uint32_t evil = make_place(sh.s, 0x900000, "main.\x1b[2Jevil", "/src/\n\x9b.go", 1);
    uint32_t pcs[] = {evil};
    sh.s->goroutine.stack[sh.rows.v[0]] = make_stack(sh.s, pcs, 1);
    sh.s->goroutine.wait_reason[sh.rows.v[0]] = make_str(sh.s, "\x1b]0;x\x07");
    snap_groups_free(sh.groups);
    struct snap_group_options o = {.by = SNAP_BY_STACK};
    check_ok(snap_group(sh.s, &sh.rows, &o, &sh.groups));
    sh.r.groups = sh.groups;
    text(&sh);
    sh.r.groups = NULL;
    text(&sh);
    assert_null(strchr(buf_text(&sh.out), '\x1b'));
    assert_null(strchr(buf_text(&sh.out), '\x07'));
    assert_null(strchr(buf_text(&sh.out), '\x9b'));
    done(&sh);
}

static struct err *full_disk(void *arg, const char *bytes, size_t n)
{
    return err_new(ERR_SYS, "disk full");
}

static void errors_of_the_sink_come_back(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, NULL, false, SNAP_BY_STACK);
    struct report_sink bad = {full_disk, NULL};
    check_err(report_goroutines_text(&sh.r, &sh.style, bad), ERR_SYS, "disk full");
    check_err(report_goroutines_json(&sh.r, bad), ERR_SYS, "disk full");
    check_err(report_goroutines_pprof(sh.s, &sh.rows, bad), ERR_SYS, "disk full");
    done(&sh);
}

/* ---- JSON ---- */

static void json_of_one(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, "id=10", false, SNAP_BY_STACK);
    sh.r.depth = 4;
    check_ok(report_goroutines_json(&sh.r, report_to_buf(&sh.out)));
    const char *at = strstr(buf_text(&sh.out), "\"goroutines\":");
    assert_non_null(at);
    assert_string_equal(
        at,
        "\"goroutines\":[{\"id\":10,\"status\":\"waiting\",\"wait_reason\":\"chan send\","
        "\"wait_ns\":255600000000000,\"labels\":{\"route\":\"/orders\"},\"created_by\":{"
        "\"func\":\"example.com/shop/orders.(*Server).handle\",\"file\":\"/src/shop/orders/"
        "http.go\","
        "\"line\":140,\"pc\":\"0x502200\",\"goroutine\":30},\"thread\":null,\"flags\":[],"
        "\"waits_for\":[{\"kind\":\"chan send\",\"addr\":\"0xc000111000\"}],\"stack\":["
        "{\"func\":\"runtime.gopark\",\"file\":\"/usr/local/go/src/runtime/proc.go\",\"line\":435,"
        "\"pc\":\"0x401000\",\"inlined\":false},"
        "{\"func\":\"runtime.chansend\",\"file\":\"/usr/local/go/src/runtime/"
        "chan.go\",\"line\":259,"
        "\"pc\":\"0x401300\",\"inlined\":false},"
        "{\"func\":\"runtime.chansend1\",\"file\":\"/usr/local/go/src/runtime/"
        "chan.go\",\"line\":157,"
        "\"pc\":\"0x401400\",\"inlined\":false},"
        "{\"func\":\"example.com/shop/orders.(*Hub).publish.func1\","
        "\"file\":\"/src/shop/orders/"
        "notify.go\",\"line\":88,\"pc\":\"0x502000\",\"inlined\":false}],"
        "\"frames_left_out\":2}],\"goroutines_left_out\":0,\"missing\":[]}\n");
    done(&sh);
}

static void json_of_groups(void **state)
{
    struct shown sh = {0};
    select_and_group(&sh, NULL, true, SNAP_BY_WAIT);
    sh.r.goroutines = false;
    sh.r.limit = 1;
    check_ok(report_goroutines_json(&sh.r, report_to_buf(&sh.out)));
    const char *at = strstr(buf_text(&sh.out), "\"count\":");
    assert_non_null(at);
    static const char want[] =
        "\"count\":21,\"count_all\":23,\"system_left_out\":2,\"grouped_by\":\"wait\",\"groups\":["
        "{\"name\":\"chan send\",\"count\":12,\"states\":{\"waiting\":12},\"wait_reasons\":{"
        "\"chan send\":12},\"wait_max_ns\":255600000000000,\"wait_median_ns\":237600000000000,"
        "\"wait_known\":10,\"stacks\":1,\"locked\":0,\"depth\":6,\"creators\":[{\"count\":12,"
        "\"func\":\"example.com/shop/orders.(*Server).handle\",\"file\":\"/src/shop/orders/"
        "http.go\","
        "\"line\":140,\"pc\":\"0x502200\"}],\"objects\":1,\"top_objects\":[{"
        "\"addr\":\"0xc000111000\",\"count\":12}],\"ids\":[10,11,12,13,14,15,16,17,18,19],\"key\":";
    assert_memory_equal(at, want, strlen(want));
    assert_non_null(strstr(at, "}],\"groups_left_out\":6,\"missing\":[]}\n"));
    assert_null(strstr(at, "\"goroutines\":["));
    done(&sh);
}

TEST_MAIN(cmocka_unit_test(grouped_by_stack), cmocka_unit_test(depth_is_cut_aloud),
          cmocka_unit_test(runtime_frames_when_asked), cmocka_unit_test(nothing_matches),
          cmocka_unit_test(only_the_runtime), cmocka_unit_test(narrow),
          cmocka_unit_test(other_groups), cmocka_unit_test(one_by_one),
          cmocka_unit_test(one_by_one_is_cut_aloud), cmocka_unit_test(variables),
          cmocka_unit_test(what_is_missing_is_said), cmocka_unit_test(colours_only_when_told),
          cmocka_unit_test(names_do_not_drive_the_terminal),
          cmocka_unit_test(errors_of_the_sink_come_back), cmocka_unit_test(json_of_one),
          cmocka_unit_test(json_of_groups))

/* What /proc says, as text: names that try to be something else, lines that are cut, fields of
 * kernels to come. */
#include "check.h"
#include "target/proc_int.h"
#include "target/smaps_int.h"

#define REST                                                                                       \
    " S 10 11 12 34816 13 4194304 1 2 3 4 50 60 0 0 20 -5 7 0 123456 987654321 4321 "              \
    "18446744073709551615 4194304 5000000 140720000000000 0 0 0 0 0 2143420159 0 0 0 17 1 0 0 0"

static void test_stat(void **state)
{
    struct proc_stat st;
    assert_true(proc_parse_stat("4242 (orders)" REST, &st));
    assert_int_equal(st.pid, 4242);
    assert_string_equal(st.comm, "orders");
    assert_int_equal(st.state, 'S');
    assert_int_equal(st.ppid, 10);
    assert_int_equal(st.session, 12);
    assert_int_equal(st.utime, 50);
    assert_int_equal(st.nice, -5);
    assert_int_equal(st.threads, 7);
    assert_int_equal(st.start_ticks, 123456);
    assert_int_equal(st.vm_bytes, 987654321);
    assert_int_equal(st.rss_pages, 4321);
    assert_int_equal(st.start_code, 4194304);
    assert_int_equal(st.exit_signal, 17);
}

/* A program may call itself anything, up to 15 bytes. */
static void test_stat_of_odd_names(void **state)
{
    static const char *const names[] = {"a b", ") S 1", "((", "))", ") R 9 9 9", "a\nb", ""};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct proc_stat st;
        char text[512];
        snprintf(text, sizeof(text), "7 (%s)" REST, names[i]);
        assert_true(proc_parse_stat(text, &st));
        assert_string_equal(st.comm, names[i]);
        assert_int_equal(st.state, 'S');
        assert_int_equal(st.ppid, 10);
        assert_int_equal(st.start_ticks, 123456);
    }
}

static void test_stat_that_is_cut(void **state)
{
    static const char text[] = "7 (name)" REST;
    for (size_t n = 0; n < 60; n++) {
        struct proc_stat st;
        char cut[sizeof(text)];
        memcpy(cut, text, n);
        cut[n] = '\0';
        assert_false(proc_parse_stat(cut, &st));
    }
    struct proc_stat st;
    assert_false(proc_parse_stat(")7(" REST, &st));
}

static void test_status(void **state)
{
    static const char text[] =
        "Name:\tUid:\t5\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t42\nPPid:\t7\nTracerPid:\t9\n"
        "Uid:\t1000\t1001\t1002\t1003\nGid:\t5\t6\t7\t8\nNSpid:\t42\t17\t1\nVmSize:\t  123456 kB\n"
        "VmRSS:\t    4321 kB\nThreads:\t12\nSigIgn:\t0000000000001000\nCapEff:\t000001ffffffffff\n"
        "NoNewPrivs:\t1\nSeccomp:\t2\nSomething_of_a_kernel_to_come_with_a_long_name:\t1\nCut";
    struct proc_status s;
    proc_parse_status(text, &s);
    assert_int_equal(s.tgid, 42);
    assert_int_equal(s.tracer, 9);
    assert_int_equal(s.uid[0], 1000);
    assert_int_equal(s.gid[3], 8);
    assert_int_equal(s.nspids, 3);
    assert_int_equal(s.nspid[2], 1);
    assert_int_equal(s.vm_bytes, 123456 * 1024);
    assert_int_equal(s.rss_bytes, 4321 * 1024);
    assert_int_equal(s.threads, 12);
    assert_int_equal(s.sig_ignored, 0x1000);
    assert_true(s.cap_eff == UINT64_C(0x1ffffffffff));
    assert_true(s.no_new_privs);
    assert_int_equal(s.seccomp, 2);
    proc_parse_status("", &s);
    assert_int_equal(s.seccomp, -1);
    assert_int_equal(s.nspids, 0);
}

static void test_syscall(void **state)
{
    struct proc_syscall s;
    assert_true(proc_parse_syscall("202 0x1 0x2 0x3 0x4 0x5 0x6 0x7fff 0x401000\n", &s));
    assert_int_equal(s.nr, 202);
    assert_int_equal(s.args[5], 6);
    assert_int_equal(s.sp, 0x7fff);
    assert_int_equal(s.pc, 0x401000);
    assert_true(proc_parse_syscall("-1 0x7fff 0x401000\n", &s));
    assert_int_equal(s.nr, -1);
    assert_int_equal(s.pc, 0x401000);
    assert_false(proc_parse_syscall("running\n", &s));
    assert_false(proc_parse_syscall("202 0x1 0x2\n", &s));
    assert_false(proc_parse_syscall("", &s));
}

static void test_auxv(void **state)
{
    const uint64_t v[] = {3, 0x400040, 9, 0x401000, 0, 0, 9, 5};
    assert_int_equal(auxv_get(v, 8, 9), 0x401000);
    assert_int_equal(auxv_get(v, 8, 6), 0);
    assert_int_equal(auxv_get(v + 6, 2, 9), 5);
    assert_int_equal(auxv_get(v, 3, 9), 0); /* cut in a pair */
    assert_int_equal(auxv_get(v, 0, 3), 0);
}

/* ---- maps ---- */

static void test_maps(void **state)
{
    char text[] =
        "00400000-00401000 r-xp 00000000 fe:01 1234567  /bin/a name with blanks\n"
        "00401000-00402000 rw-s 00001000 fe:01 0 \n"
        "c000000000-c000400000 rw-p 00000000 00:00 0\n"
        "7f0000000000-7f0000001000 ---p 00000000 00:00 18446744073709551615       [anon: Go: "
        "heap]\n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";
    struct target_mapping *m;
    struct arena a;
    size_t n;
    arena_init(&a);
    check_ok(proc_parse_maps(text, &a, &m, &n));
    assert_int_equal(n, 5);
    assert_true(m[0].readable && m[0].executable && !m[0].writable && !m[0].shared);
    assert_string_equal(m[0].path, "/bin/a name with blanks");
    assert_int_equal(m[0].inode, 1234567);
    assert_true(m[1].shared && m[1].writable && m[1].offset == 0x1000);
    assert_string_equal(m[1].path, "");
    assert_string_equal(m[2].path, "");
    assert_string_equal(m[3].path, "[anon: Go: heap]");
    assert_true(m[4].start == UINT64_C(0xffffffffff600000));
    arena_free(&a);
}

static void test_maps_that_are_not(void **state)
{
    static const char *const bad[] = {
        "nonsense",
        "00400000",
        "00400000-",
        "00400000-00401000",
        "00400000-00401000 r-xp",
        "00401000-00400000 r-xp 00000000 fe:01 1 /a", /* backwards */
        "00400000-00401000 r-xp 00000000 fe:01 x /a", /* an inode */
        "g0400000-00401000 r-xp 00000000 fe:01 1 /a",
        "10000000000000000-20000000000000000 r-xp 0 fe:01 1 /a",                    /* 65 bits */
        "00400000-00402000 r-xp 0 fe:01 1 /a\n00401000-00403000 r-xp 0 fe:01 1 /b", /* overlap */
        "00500000-00502000 r-xp 0 fe:01 1 /a\n00401000-00403000 r-xp 0 fe:01 1 /b", /* order */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct target_mapping *m;
        struct arena a;
        char text[256];
        size_t n;
        arena_init(&a);
        snprintf(text, sizeof(text), "%s", bad[i]);
        check_err(proc_parse_maps(text, &a, &m, &n), ERR_BAD_DATA, "memory map");
        arena_free(&a);
    }
}

static void test_smaps(void **state)
{
    char text[] =
        "00400000-00401000 r-xp 00000000 fe:01 1 /bin/a\nSize: 4 kB\nAnonymous:             8 kB\n"
        "VmFlags: rd ex mr mw me dd \n"
        "00500000-00501000 rw-p 00000000 00:00 0\nAnonymous: 0 kB\nVmFlags: rd wr io dc de dd\n"
        "00600000-00601000 rw-p 00000000 00:00 0\nVmFlags: rd wr ddd ad";
    struct smaps_line *l;
    struct arena a;
    size_t n;
    arena_init(&a);
    check_ok(smaps_parse(text, &a, &l, &n));
    assert_int_equal(n, 3);
    assert_int_equal(l[0].anonymous, 8192);
    assert_true(l[0].dont_dump && !l[0].io);
    assert_true(l[1].dont_dump && l[1].io);
    assert_true(!l[2].dont_dump && !l[2].io); /* another flag that begins so */
    arena_free(&a);
}

/* Addresses stand there as words of the processor, ports as numbers; IPv4 in IPv6 is IPv4. */
static void test_sockets(void **state)
{
    struct proc_socket s;
    assert_true(proc_parse_socket("   0: 0100007F:1F90 0200007F:C350 01 00000000:00000000 "
                                  "00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n",
                                  &s));
    assert_string_equal(s.local, "127.0.0.1:8080");
    assert_string_equal(s.remote, "127.0.0.2:50000");
    assert_int_equal(s.inode, 4711);
    assert_int_equal(s.state, 1);
    assert_true(proc_parse_socket(
        "  12: 00000000000000000000000001000000:1F90 0000000000000000FFFF00000100007F:0050 0A "
        "00000000:00000000 00:00000000 00000000     0        0 18446744073709551615 1",
        &s));
    assert_string_equal(s.local, "[::1]:8080");
    assert_string_equal(s.remote, "127.0.0.1:80");
    assert_true(proc_parse_unix(
        "0000000000000000: 00000002 00000000 00010000 0001 01 22107 /run/a b.sock\n", &s));
    assert_string_equal(s.local, "/run/a b.sock");
    assert_int_equal(s.inode, 22107);
    assert_true(
        proc_parse_unix("0000000000000000: 00000003 00000000 00000000 0001 03 22108\n", &s));
    assert_string_equal(s.local, "");
}

static void test_sockets_that_are_not(void **state)
{
    struct proc_socket s;
    static const char *const lines[] = {
        "", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt",
        "   0: 0100007F 0200007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 4711",
        "   0: 010000:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 4711",
        "   0: 0100007F:1F90 0200007F:C350 01 00000000:00000000"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_false(proc_parse_socket(lines[i], &s));
    assert_false(proc_parse_unix("Num       RefCount Protocol Flags    Type St Inode Path\n", &s));
}

TEST_MAIN(cmocka_unit_test(test_stat), cmocka_unit_test(test_stat_of_odd_names),
          cmocka_unit_test(test_stat_that_is_cut), cmocka_unit_test(test_status),
          cmocka_unit_test(test_syscall), cmocka_unit_test(test_auxv), cmocka_unit_test(test_maps),
          cmocka_unit_test(test_maps_that_are_not), cmocka_unit_test(test_smaps),
          cmocka_unit_test(test_sockets), cmocka_unit_test(test_sockets_that_are_not))

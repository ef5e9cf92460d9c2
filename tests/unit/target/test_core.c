/* Core files made by hand: segments that overlap, are sparse or cut; notes of every kind. */
#include "check.h"
#include "make_core.h"
#include "target/core_int.h"
#include "target/target.h"

static struct target *open_it(const struct buf *file, size_t n)
{
    struct target *t = NULL;
    const char *path = core_on_disk(file, n);
    check_ok(target_open_core(path, NULL, &t));
    remove(path);
    return t;
}

static struct err *refused(const struct buf *file, size_t n)
{
    struct target *t = NULL;
    const char *path = core_on_disk(file, n);
    struct err *e = target_open_core(path, NULL, &t);
    remove(path);
    if (!e)
        target_close(t);
    return e;
}

static void notes_of(struct buf *notes)
{
    put_thread(notes, 7, 0x401000, 0x7000, 6);
    put_process(notes, 7, "prog", "prog -x ");
    put_file_note(notes, 0x400000, 0x402000, 3, "/bin/prog");
    put_thread(notes, 5, 0x402000, 0x8000, 0);
}

static void test_what_it_holds(void **state)
{
    struct buf notes = {0}, file = {0};
    struct arena a;
    struct target_thread *threads;
    struct target_mapping *maps;
    struct target_process p;
    struct target_moment moment;
    size_t n;
    arena_init(&a);
    notes_of(&notes);
    make_core(&file, &notes,
              (const struct make_load[]){{0x5000, 64, 64, 'b'}, {0x400000, 4096, 16, 'a'}}, 2);
    struct target *t = open_it(&file, file.n);
    assert_int_equal(target_kind(t), TARGET_CORE);
    check_ok(target_threads(t, &a, &threads, &n));
    assert_int_equal(n, 2);
    assert_int_equal(threads[0].tid, 5); /* ordered, whatever the file says */
    assert_true(threads[1].have_regs && threads[1].regs.pc == 0x401000 &&
                threads[1].regs.sp == 0x7000);
    assert_int_equal(threads[1].syscall, 202);
    check_ok(target_mappings(t, &a, &maps, &n));
    assert_int_equal(n, 2);
    assert_string_equal(maps[1].path, "/bin/prog");
    assert_int_equal(maps[1].offset, 3 * 4096);
    check_ok(target_process(t, &a, &p));
    assert_string_equal(p.comm, "prog");
    assert_string_equal(p.cmdline, "prog -x"); /* the kernel pads with a blank */
    assert_int_equal(p.uid, 12345);
    assert_int_equal(p.pid, 7);
    assert_int_equal(p.started_wall_ns, 0);
    assert_false(target_moment(t, &a, &moment));
    assert_null(target_incomplete(t, &a));
    target_close(t);
    arena_free(&a);
    buf_free(&notes);
    buf_free(&file);
}

static void test_reads_end_where_the_bytes_end(void **state)
{
    struct buf notes = {0}, file = {0};
    char bytes[64];
    notes_of(&notes);
    make_core(&file, &notes,
              (const struct make_load[]){{0x1000, 16, 16, 'a'}, {0x1010, 64, 16, 'b'}}, 2);
    struct target *t = open_it(&file, file.n);
    check_ok(target_read(t, 0x1008, bytes, 16)); /* from one segment into the next */
    assert_memory_equal(bytes, "aaaaaaaabbbbbbbb", 16);
    check_err(target_read(t, 0x1018, bytes, 16), ERR_FAULT, "0x1018"); /* not in the file */
    check_err(target_read(t, 0xff8, bytes, 16), ERR_FAULT, "0xff8");
    check_err(target_read(t, UINT64_MAX - 3, bytes, 16), ERR_FAULT, "no readable memory");
    struct target_iov iov[] = {
        {0x1000, 4, false, bytes}, {0x2000, 4, true, bytes}, {0x100c, 8, false, bytes}};
    check_ok(target_readv(t, iov, 3));
    assert_true(iov[0].ok && !iov[1].ok && iov[2].ok);
    target_close(t);
    buf_free(&notes);
    buf_free(&file);
}

/* The first one wins where two claim the same memory; what is left of the second keeps its bytes.
 */
static void test_segments_that_overlap(void **state)
{
    struct buf notes = {0}, file = {0};
    struct arena a;
    struct target_mapping *maps;
    size_t n;
    char bytes[8];
    arena_init(&a);
    notes_of(&notes);
    const struct make_load loads[] = {{0x1000, 16, 16, 'a'},
                                      {0x1008, 16, 16, 'b'},
                                      {0x1004, 4, 4, 'c'},
                                      {UINT64_MAX, 100, 1, 'd'},
                                      {UINT64_MAX - 7, 100, 8, 'e'}};
    make_core(&file, &notes, loads, 5);
    struct target *t = open_it(&file, file.n);
    check_ok(target_mappings(t, &a, &maps, &n));
    assert_int_equal(n, 3);
    assert_true(maps[0].end == 0x1010 && maps[1].start == 0x1010 && maps[1].end == 0x1018);
    check_ok(target_read(t, 0x100c, bytes, 8));
    assert_memory_equal(bytes, "aaaabbbb", 8);
    target_close(t);
    arena_free(&a);
    buf_free(&notes);
    buf_free(&file);
}

static void test_cut_at_every_byte(void **state)
{
    struct buf notes = {0}, file = {0};
    struct arena a;
    notes_of(&notes);
    make_core(&file, &notes, (const struct make_load[]){{0x1000, 40, 40, 'a'}}, 1);
    size_t first_thread =
        sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr) + 12 + 8 + sizeof(struct elf_prstatus);
    for (size_t n = 0; n < file.n; n++) {
        struct err *e = refused(&file, n);
        if (n < 4)
            assert_non_null(strstr(err_message(e), "not a core file"));
        else if (n < first_thread)
            assert_non_null(strstr(err_message(e), "truncated"));
        assert_true(e || n >= first_thread);
        err_free(e);
        if (n < first_thread)
            continue;
        arena_init(&a);
        struct target *t = open_it(&file, n);
        assert_non_null(strstr(target_incomplete(t, &a), "truncated"));
        target_close(t);
        arena_free(&a);
    }
    buf_free(&notes);
    buf_free(&file);
}

static void change(struct buf *file, size_t at, uint8_t value)
{
    file->p[at] = (char)value;
}

static void test_headers_that_are_wrong(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum err_code code;
        const char *words;
    } cases[] = {
        {0, 0x28, ERR_BAD_DATA, "not a core file"},
        {4, ELFCLASS32, ERR_UNSUPPORTED, "32-bit"},
        {5, ELFDATA2MSB, ERR_UNSUPPORTED, "big-endian"},
        {16, ET_EXEC, ERR_BAD_DATA, "a program or library"},
        {18, EM_AARCH64, ERR_UNSUPPORTED, "machine 183"},
        {18, EM_386, ERR_UNSUPPORTED, "machine 3"},
        {54, 32, ERR_BAD_DATA, "program headers"},
        {57, 0x40, ERR_BAD_DATA, "truncated"}, /* 16 thousand of them */
        {32, 0xff, ERR_BAD_DATA, "threads"},   /* they are elsewhere */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf notes = {0}, file = {0};
        notes_of(&notes);
        make_core(&file, &notes, (const struct make_load[]){{0x1000, 4096, 4096, '\0'}}, 1);
        change(&file, cases[i].at, cases[i].value);
        check_err(refused(&file, file.n), cases[i].code, cases[i].words);
        buf_free(&notes);
        buf_free(&file);
    }
}

static void test_packed_cores_are_told_how_to_unpack(void **state)
{
    static const char packed[] =
        "\x28\xb5\x2f\xfd and so on, for as long as a header is, and longer";
    struct buf file = {0};
    buf_add(&file, packed, sizeof(packed));
    struct err *e = refused(&file, file.n);
    assert_non_null(strstr(err_hint_text(e), "zstd -d"));
    check_err(e, ERR_UNSUPPORTED, "packed with zstd");
    buf_free(&file);
}

/* ---- notes ---- */

static struct err *parse(struct core_notes *n, struct arena *a, const struct buf *b)
{
    *n = (struct core_notes){.text = "", .comm = "", .args = ""};
    return core_parse_notes(n, a, arch_by_machine(EM_X86_64), cursor_on(b->p, b->n, "notes"));
}

static void test_own_note(void **state)
{
    static const char text[] =
        "unreadable_bytes 00000000000000004096\ntaken_wall_ns 5\ntaken_mono_ns 4\n"
        "host a b\nthread 7 worker one\nnumber 12x\nhuge 99999999999999999999\nlast";
    struct buf b = {0};
    struct core_notes n;
    struct arena a;
    arena_init(&a);
    put_thread(&b, 7, 1, 2, 11);
    put_note(&b, "gospect", CORE_NOTE_TEXT, text, sizeof(text));
    put_note(&b, "other", CORE_NOTE_TEXT, "host no\n", 8);
    check_ok(parse(&n, &a, &b));
    assert_int_equal(n.signal, 11);
    assert_string_equal(core_text_value(&n, &a, "host"), "a b");
    assert_string_equal(core_text_value(&n, &a, "thread 7"), "worker one");
    assert_null(core_text_value(&n, &a,
                                "thread"
                                "9"));
    assert_null(core_text_value(&n, &a, "last"));                         /* has no value */
    assert_int_equal(core_text_number(&n, "unreadable_bytes", -1), 4096); /* not octal */
    assert_int_equal(core_text_number(&n, "taken_wall_ns", -1), 5);
    assert_int_equal(core_text_number(&n, "number", -1), -1);
    assert_int_equal(core_text_number(&n, "huge", -1), -1);
    assert_int_equal(core_text_number(&n, "none", -1), -1);
    arena_free(&a);
    buf_free(&b);
}

static void test_notes_that_lie_about_their_length(void **state)
{
    struct core_notes n;
    struct arena a;
    for (size_t at = 0; at < 8; at += 4) { /* the size of the name, of the content */
        struct buf b = {0};
        uint32_t much = 0x7fffffff;
        arena_init(&a);
        put_thread(&b, 7, 1, 2, 0);
        size_t second = b.n;
        put_thread(&b, 8, 1, 2, 0);
        memcpy(b.p + second + at, &much, 4);
        check_err(parse(&n, &a, &b), ERR_BAD_DATA, "notes");
        assert_int_equal(n.nthreads, 1); /* what came before stays */
        arena_free(&a);
        buf_free(&b);
    }
}

static void test_a_list_of_files_that_lies(void **state)
{
    struct core_notes n;
    struct arena a;
    struct buf b = {0};
    const uint64_t many[] = {UINT64_MAX / 24, 4096, 1, 2, 3}, no_names[] = {1, 4096, 1, 2, 3};
    arena_init(&a);
    put_note(&b, "CORE", NT_FILE, many, sizeof(many));
    check_err(parse(&n, &a, &b), ERR_BAD_DATA, "mapped files");
    buf_clear(&b);
    put_note(&b, "CORE", NT_FILE, no_names, sizeof(no_names));
    check_err(parse(&n, &a, &b), ERR_BAD_DATA, "notes");
    buf_clear(&b);
    put_note(&b, "CORE", NT_PRSTATUS, "short", 5);
    check_err(parse(&n, &a, &b), ERR_BAD_DATA, "registers");
    arena_free(&a);
    buf_free(&b);
}

TEST_MAIN(cmocka_unit_test(test_what_it_holds),
          cmocka_unit_test(test_reads_end_where_the_bytes_end),
          cmocka_unit_test(test_segments_that_overlap), cmocka_unit_test(test_cut_at_every_byte),
          cmocka_unit_test(test_headers_that_are_wrong),
          cmocka_unit_test(test_packed_cores_are_told_how_to_unpack),
          cmocka_unit_test(test_own_note), cmocka_unit_test(test_notes_that_lie_about_their_length),
          cmocka_unit_test(test_a_list_of_files_that_lies))

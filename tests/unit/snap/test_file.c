/* Snapshot files: what is written is read back, and what is damaged is refused and says where. */
#include <unistd.h>
#include <zstd.h>

#include "base/mem.h"
#include "check.h"
#include "snap/file_int.h"
#include "snap/make.h"

static struct err *to_buf(void *arg, const void *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

static struct buf written(const struct snap *s)
{
    struct buf b = {0};
    check_ok(snap_write_to(s, to_buf, &b));
    return b;
}

static struct snap *read_back(const struct buf *b)
{
    struct snap *s = NULL;
    check_ok(snap_read_bytes(b->p, b->n, "t.gsnap", &s));
    return s;
}

static void assert_same(const struct snap *a, const struct snap *b)
{
    assert_int_equal(a->strings.n, b->strings.n);
    for (uint32_t i = 0; i < a->strings.n; i++) {
        assert_int_equal(intern_len(&a->strings, i), intern_len(&b->strings, i));
        assert_memory_equal(intern_get(&a->strings, i), intern_get(&b->strings, i),
                            intern_len(&a->strings, i) + 1);
    }
    for (size_t t = 0; t < snap_ntables; t++) {
        const struct snap_tabledef *def = &snap_tables[t];
        struct snap_table_head *x = snap_table_at((struct snap *)a, def),
                               *y = snap_table_at((struct snap *)b, def);
        assert_int_equal(x->n, y->n);
        for (size_t c = 0; c < def->ncols && x->n; c++)
            assert_memory_equal(*snap_col_at(x, &def->cols[c]), *snap_col_at(y, &def->cols[c]),
                                x->n * snap_coltype_size(def->cols[c].type));
    }
}

/* ---- random snapshots ---- */

static const size_t sizes[] = {0, 1, 2, 100, 4096, 32767, 32768, 32769, 70000};

static void random_column(struct make_random *r, struct snap *s, const struct snap_tabledef *t,
                          const struct snap_coldef *c)
{
    struct snap_table_head *head = snap_table_at(s, t);
    void *v = *snap_col_at(head, c);
    unsigned kind = (unsigned)make_rand(r);
    size_t target = c->kind == SNAP_PLAIN ? 0 : snap_table_at(s, &snap_tables[c->target])->n;
    for (size_t i = 0; i < head->n; i++) {
        uint64_t x = make_number(r, kind, i);
        if (c->type == SNAP_STR)
            x %= s->strings.n;
        else if (c->kind == SNAP_SPAN)
            x = target > 255 ? x % (target - 255) : 0;
        else if (c->kind != SNAP_PLAIN) {
            size_t limit = &snap_tables[c->target] == t ? i : target;
            x = snap_may_be_none(c) && (!limit || x % 5 == 0) ? SNAP_NONE : x % (limit ? limit : 1);
        }
        memcpy((char *)v + i * snap_coltype_size(c->type), &x, snap_coltype_size(c->type));
    }
}

static int ascending(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return a < b ? -1 : a > b;
}

/* Keeps the promises of schema.def that random cells break. */
static void keep_promises(struct snap *s)
{
    uint32_t *ordered[] = {s->label.set,         s->wait.goroutine,  s->local.goroutine,
                           s->heapref.goroutine, s->panic.goroutine, s->owner.goroutine,
                           s->ahead.goroutine};
    size_t n[] = {s->label.n, s->wait.n,  s->local.n, s->heapref.n,
                  s->panic.n, s->owner.n, s->ahead.n};
    for (size_t i = 0; i < ARRAY_LEN(n); i++)
        if (n[i])
            qsort(ordered[i], n[i], sizeof(uint32_t), ascending);
    for (size_t i = 0; i < s->pc.n; i++)
        if (s->frame.n <= 255)
            s->pc.frames[i] = 0;
    for (size_t i = 0; i < s->type.n; i++)
        s->type.fields[i] = s->field.n <= 255 ? 0 : s->type.fields[i] % 256;
    for (size_t i = 0; i < s->heapobj.n; i++)
        s->heapobj.fingerprint[i] =
            snap_fingerprint(s->heapobj.type_name[i], (uint32_t)s->heapobj.fingerprint[i]);
    snap_settle_enums(s);
    for (size_t i = 0; i < s->stack.n; i++) /* no deep chains */
        if (i % 1000 == 0)
            s->stack.parent[i] = SNAP_NONE;
        else if (s->stack.parent[i] != SNAP_NONE && s->stack.parent[i] < i / 1000 * 1000)
            s->stack.parent[i] = (uint32_t)i - 1;
}

static void rows(struct snap *s, enum snap_table_no t, size_t n)
{
    check_ok(snap_table_resize(s, &snap_tables[t], n));
}

/* Spans as many as there are, those with pointers first; returns how many slots these have. */
static uint32_t heap_spans(struct snap *s, struct make_random *r)
{
    uint32_t slot = 0, scan = 0;
    for (size_t i = 0; i < s->span.n; i++) {
        bool pointers = i < s->span.n / 2;
        s->span.pages[i] = 1;
        s->span.addr[i] = 0xc000000000 + i * 16384 + (pointers ? 0 : 8192);
        s->span.elem_size[i] = 8 + make_below(r, 100) * 8;
        s->span.elems[i] = 1 + (uint32_t)make_below(r, 3);
        s->span.flags[i] = pointers ? 0 : SNAP_SPF_NO_POINTERS;
        s->span.slot[i] = slot;
        slot += s->span.elems[i];
        scan = pointers ? slot : scan;
    }
    if (s->span.n > 1) /* the parts lie between one another; the last ones need not */
        s->span.addr[s->span.n - 1] += 1 << 20;
    rows(s, TABLE_slot, slot);
    rows(s, TABLE_slots64, (slot + 63) / 64);
    rows(s, TABLE_scanslot, scan);
    rows(s, TABLE_memory, 0);
    return scan;
}

/* A pointer of the first word of every third slot, to any. */
static void heap_edges(struct snap *s, struct make_random *r, uint32_t scan)
{
    struct buf b = {0};
    for (uint32_t i = 0; i < scan; i++) {
        uint32_t to = (uint32_t)make_below(r, s->slot.n);
        int64_t delta = (int64_t)to - i;
        s->scanslot.edges[i] = i % 3 ? 0 : (uint32_t)b.n + 1;
        if (i % 3)
            continue;
        buf_uleb(&b, 1);
        buf_char(&b, (char)(to < scan ? 1 : 129));
        buf_uleb(&b, (uint64_t)delta << 1 ^ (uint64_t)(delta >> 63));
    }
    rows(s, TABLE_edge, b.n);
    if (b.n)
        memcpy(s->edge.byte, b.p, b.n);
    buf_free(&b);
}

static void keep_heap_promises(struct snap *s, struct make_random *r)
{
    heap_edges(s, r, heap_spans(s, r));
    for (size_t i = 0; i < s->slot.n; i++)
        s->slot.shape[i] = (uint16_t)make_below(r, s->shape.n);
    rows(s, TABLE_root, s->slot.n ? s->root.n : 0);
    rows(s, TABLE_special, s->slot.n ? s->special.n : 0);
    for (size_t i = 0; i < s->root.n; i++) {
        s->root.kind[i] = (uint8_t)(i * SNAP_ROOT_COUNT / s->root.n);
        s->root.slot[i] = (uint32_t)make_below(r, s->slot.n);
    }
    for (size_t i = 0; i < s->special.n; i++)
        s->special.slot[i] = (uint32_t)make_below(r, s->slot.n);
}

static struct snap *random_snap(uint64_t seed)
{
    struct make_random r = {seed * 0x9e3779b97f4a7c15 + 1};
    struct snap *s = snap_new();
    char text[64];
    for (uint64_t i = make_below(&r, 300); i; i--) {
        size_t n = 1 + (size_t)make_below(&r, 60);
        for (size_t k = 0; k < n; k++)
            text[k] = (char)make_rand(&r); /* any byte, NUL too */
        intern_addn(&s->strings, text, n);
    }
    for (size_t t = 0; t < snap_ntables; t++) {
        bool own = t == TABLE_goroutine || t == TABLE_pc || t == TABLE_heapobj || t == TABLE_frame;
        size_t n = sizes[make_below(&r, ARRAY_LEN(sizes))];
        check_ok(snap_table_resize(s, &snap_tables[t], own && !n ? 1 : n));
    }
    for (size_t t = 0; t < snap_ntables; t++)
        for (size_t c = 0; c < snap_tables[t].ncols; c++)
            random_column(&r, s, &snap_tables[t], &snap_tables[t].cols[c]);
    keep_promises(s);
    keep_heap_promises(s, &r);
    return s;
}

static void read_back_is_the_same(void **state)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct snap *s = random_snap(seed);
        check_ok(snap_check(s));
        struct buf b = written(s);
        struct snap *t = read_back(&b);
        assert_same(s, t);
        snap_free(s);
        snap_free(t);
        buf_free(&b);
    }
}

static void empty_snapshot(void **state)
{
    struct snap *s = snap_new();
    struct buf b = written(s);
    struct snap *t = read_back(&b);
    assert_same(s, t);
    snap_free(s);
    snap_free(t);
    buf_free(&b);
}

/* ---- a small one ---- */

static struct snap *small_snap(void)
{
    struct snap *s = snap_new();
    uint32_t pcs[] = {
        make_place(s, 0x401000, "runtime.gopark", "/go/src/runtime/proc.go", 402),
        make_place(s, 0x402000, "main.worker", "/app/main.go", 17),
    };
    uint32_t node = make_stack(s, pcs, 2);
    for (uint64_t id = 1; id <= 40; id++) {
        uint32_t g = make_goroutine(s, id, SNAP_G_WAITING, "chan receive", node);
        s->goroutine.wait_since[g] = (int64_t)id * 1000003;
        s->goroutine.labels[g] = 1;
    }
    uint32_t l = snap_add_label(s);
    s->label.set[l] = 1;
    s->label.key[l] = make_str(s, "route");
    s->label.value[l] = make_str(s, "/orders");
    snap_set_meta(s, SNAP_META_go_version, "go1.24.13");
    snap_set_meta_i64(s, SNAP_META_pid, 4242);
    snap_note_missing(s, 2, "stacks", "the thread would not stop");
    return s;
}

static struct err *try_read(const struct buf *b)
{
    struct snap *s = NULL;
    struct err *e = snap_read_bytes(b->p, b->n, "t.gsnap", &s);
    if (!e)
        snap_free(s);
    return e;
}

static void every_changed_byte_is_noticed(void **state)
{
    struct snap *s = small_snap();
    struct buf b = written(s);
    for (size_t i = 0; i < b.n; i++) {
        for (unsigned bit = 0; bit < 8; bit += 3) {
            b.p[i] ^= (char)(1 << bit);
            struct err *e = try_read(&b);
            assert_non_null(e);
            assert_true(strncmp(err_message(e), "t.gsnap: ", 9) == 0);
            err_free(e);
            b.p[i] ^= (char)(1 << bit);
        }
    }
    check_ok(try_read(&b));
    buf_free(&b);
    snap_free(s);
}

static void every_cut_is_noticed(void **state)
{
    struct snap *s = small_snap();
    struct buf b = written(s);
    for (size_t n = 0; n < b.n; n++) {
        struct buf cut = {.p = mem_alloc(n), .n = n};
        memcpy(cut.p, b.p, n);
        struct err *e = try_read(&cut);
        assert_non_null(e);
        err_free(e);
        free(cut.p);
    }
    struct buf longer = {0};
    buf_add(&longer, b.p, b.n);
    buf_char(&longer, 'x');
    check_err(try_read(&longer), ERR_BAD_DATA, "cut off");
    buf_free(&longer);
    buf_free(&b);
    snap_free(s);
}

static void errors_name_the_column(void **state)
{
    struct snap *s = small_snap();
    struct buf b = written(s);
    b.p[FILE_HEADER_SIZE] ^= 1; /* the first block: lengths of strings */
    check_err(try_read(&b), ERR_BAD_DATA,
              "t.gsnap: the snapshot is damaged: column string.length, "
              "block 0: its checksum is wrong");
    buf_free(&b);
    buf_add(&b,
            "\x7f"
            "ELF\x02\x01\x01 and more",
            16);
    check_err(try_read(&b), ERR_BAD_DATA, "t.gsnap: not a snapshot of gospect");
    buf_free(&b);
    snap_free(s);
}

static void newer_format_is_named(void **state)
{
    struct snap *s = small_snap();
    struct buf b = written(s);
    uint16_t major = 2, minor = 5;
    memcpy(b.p + 8, &major, 2);
    memcpy(b.p + 10, &minor, 2);
    memcpy(b.p + 12, "gospect 9.1\0\0\0\0\0", 16);
    uint32_t crc = file_crc(b.p, 28);
    memcpy(b.p + 28, &crc, 4);
    check_err(try_read(&b), ERR_UNSUPPORTED,
              "snapshot format 2.5 (written by gospect 9.1) is newer than format 1.x");
    buf_free(&b);
    snap_free(s);
}

/* ---- other versions of the schema ---- */

static char *unpacked_directory(struct buf *b, uint64_t *at, uint32_t *plain, size_t room)
{
    uint32_t size;
    const char *trailer = b->p + b->n - FILE_TRAILER_SIZE;
    memcpy(at, trailer, 8);
    memcpy(&size, trailer + 8, 4);
    memcpy(plain, trailer + 12, 4);
    char *dir = mem_alloc(*plain + room);
    assert_int_equal(ZSTD_decompress(dir, *plain, b->p + *at, size), *plain);
    return dir;
}

/* Puts a directory into the place of that of a file. */
static void put_directory(struct buf *b, uint64_t at, char *dir, uint32_t plain)
{
    b->n = (size_t)at;
    buf_add(b, dir, plain); /* stored: equal sizes */
    uint32_t crc = file_crc(dir, plain);
    buf_add(b, &at, 8);
    buf_add(b, &plain, 4);
    buf_add(b, &plain, 4);
    buf_add(b, &crc, 4);
    crc = file_crc(b->p + b->n - 20, 20);
    buf_add(b, &crc, 4);
    buf_add(b, FILE_END_MAGIC, 8);
    free(dir);
}

/* Changes the directory of a file: `from` becomes `to` (of the same length). */
static void edit_directory(struct buf *b, const char *from, const char *to, size_t n)
{
    uint64_t at;
    uint32_t plain;
    char *dir = unpacked_directory(b, &at, &plain, 0), *found = memmem(dir, plain, from, n);
    assert_non_null(found);
    memcpy(found, to, n);
    put_directory(b, at, dir, plain);
}

/* The same, and nothing follows. */
static void cut_directory(struct buf *b, const char *from, size_t nfrom, const char *to, size_t nto)
{
    uint64_t at;
    uint32_t plain;
    char *dir = unpacked_directory(b, &at, &plain, nto), *found = memmem(dir, plain, from, nfrom);
    assert_non_null(found);
    memcpy(found, to, nto);
    put_directory(b, at, dir, (uint32_t)(found - dir + (ptrdiff_t)nto));
}

static bool notes_missing(const struct snap *s, const char *what, const char *why)
{
    for (uint32_t i = 0; i < s->missing.n; i++)
        if (strcmp(snap_str(s, s->missing.what[i]), what) == 0 &&
            strcmp(snap_str(s, s->missing.why[i]), why) == 0)
            return true;
    return false;
}

/* A file of a newer minor version has columns we do not know; one of an older lacks some. */
static void other_columns(void **state)
{
    struct snap *s = small_snap();
    struct buf b = written(s);
    edit_directory(&b,
                   "\x07"
                   "creator",
                   "\x07"
                   "novelty",
                   8);
    struct snap *t = read_back(&b);
    assert_int_equal(t->goroutine.n, 40);
    assert_int_equal(t->goroutine.id[39], 40);
    assert_int_equal(t->goroutine.creator[5], SNAP_NONE);
    assert_true(
        notes_missing(t, "column goroutine.novelty", "a newer gospect wrote it; not known here"));
    assert_true(
        notes_missing(t, "column goroutine.creator", "the gospect that wrote it did not know it"));
    snap_free(t);
    buf_free(&b);
    snap_free(s);
}

static void unknown_table(void **state)
{
    struct snap *s = small_snap();
    struct buf b = written(s);
    edit_directory(&b, "\x07missing", "\x07novelty", 8);
    struct snap *t = read_back(&b);
    assert_true(
        notes_missing(t, "column novelty.what", "a newer gospect wrote it; not known here"));
    snap_free(t);
    buf_free(&b);
    snap_free(s);
}

static void needed_column_is_missing(void **state)
{
    struct snap *s = small_snap();
    struct buf b = written(s);
    edit_directory(&b, "\x02pc", "\x02pX", 3); /* of stack: it comes before the table pc */
    check_err(try_read(&b), ERR_BAD_DATA, "damaged: it has no column stack.pc");
    buf_free(&b);
    snap_free(s);
}

/* A table that claims billions of blocks, of which the directory says nothing: nothing is made for
 * them. */
static void more_blocks_than_the_directory_has(void **state)
{
    struct snap *s = small_snap();
    struct buf b = written(s);
    static const char claim[] = "\x04text\xfe\xff\xff\xff\x0f\x01\x01\x04"
                                "byte\x10\x01"; /* the size of a block, and no checksum */
    cut_directory(&b, "\x04text", 5, claim, sizeof(claim) - 1);
    check_err(try_read(&b), ERR_BAD_DATA, "truncated or malformed");
    buf_free(&b);
    snap_free(s);
}

/* ---- promises ---- */

static void broken_promises_are_not_written(void **state)
{
    struct buf b = {0};
    struct snap *s = small_snap();
    s->goroutine.stack[3] = 2;
    check_err(snap_write_to(s, to_buf, &b), ERR_BAD_DATA, "column goroutine.stack, row 3");
    s->goroutine.stack[3] = SNAP_NONE;
    s->stack.parent[1] = 1;
    check_err(snap_write_to(s, to_buf, &b), ERR_BAD_DATA, "later row of its own table");
    s->stack.parent[1] = 0;
    s->pc.frames[1] = 2;
    check_err(snap_write_to(s, to_buf, &b), ERR_BAD_DATA, "column pc.frame, row 1");
    s->pc.frames[1] = 1;
    s->frame.func[0] = (uint32_t)s->strings.n;
    check_err(snap_write_to(s, to_buf, &b), ERR_BAD_DATA, "there is no such string");
    s->frame.func[0] = 0;
    s->goroutine.status[0] = SNAP_G_COUNT;
    check_err(snap_write_to(s, to_buf, &b), ERR_BAD_DATA, "unknown value");
    s->goroutine.status[0] = SNAP_G_WAITING;
    uint32_t obj = snap_add_heapobj(s);
    s->heapobj.fingerprint[obj] = snap_fingerprint((uint32_t)s->strings.n, 8);
    check_err(snap_write_to(s, to_buf, &b), ERR_BAD_DATA, "column heapobj.fingerprint, row 0");
    assert_int_equal(b.n, 0);
    snap_free(s);
}

static void too_deep_a_stack(void **state)
{
    struct snap *s = snap_new();
    make_place(s, 1, "f", "f.go", 1);
    check_ok(snap_table_resize(s, &snap_tables[TABLE_stack], SNAP_DEPTH_MAX + 1));
    for (uint32_t i = 1; i < s->stack.n; i++)
        s->stack.parent[i] = i - 1;
    check_err(snap_check(s), ERR_BAD_DATA, "too deep");
    s->stack.n--;
    check_ok(snap_check(s));
    snap_free(s);
}

/* ---- files ---- */

static void files(void **state)
{
    char dir[] = "/tmp/gospect-test-XXXXXX", path[64], none[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/a.gsnap", dir);
    snprintf(none, sizeof(none), "%s/none/a.gsnap", dir);
    struct snap *s = small_snap(), *t;
    check_ok(snap_write_file(s, path));
    assert_true(snap_is_file(path));
    check_ok(snap_read_file(path, &t));
    assert_same(s, t);
    snap_free(t);
    check_err(snap_write_file(s, none), ERR_SYS, "cannot create");
    check_err(snap_read_file(none, &t), ERR_SYS, "cannot open");
    assert_false(snap_is_file(none));
    assert_false(snap_is_file("/dev/null"));
    s->goroutine.stack[3] = 99;
    check_err(snap_write_file(s, path), ERR_BAD_DATA, "cannot save snapshot");
    check_ok(snap_read_file(path, &t)); /* the old one is still there */
    snap_free(t);
    snap_free(s);
    unlink(path);
    rmdir(dir); /* fails, and the next run leaks a directory, when a temporary file was left */
    assert_int_equal(access(dir, F_OK), -1);
}

TEST_MAIN(cmocka_unit_test(read_back_is_the_same), cmocka_unit_test(empty_snapshot),
          cmocka_unit_test(every_changed_byte_is_noticed), cmocka_unit_test(every_cut_is_noticed),
          cmocka_unit_test(errors_name_the_column), cmocka_unit_test(newer_format_is_named),
          cmocka_unit_test(other_columns), cmocka_unit_test(unknown_table),
          cmocka_unit_test(needed_column_is_missing),
          cmocka_unit_test(more_blocks_than_the_directory_has),
          cmocka_unit_test(broken_promises_are_not_written), cmocka_unit_test(too_deep_a_stack),
          cmocka_unit_test(files))

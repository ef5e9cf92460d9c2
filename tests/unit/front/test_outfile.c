/* Names of files: patterns, numbers, and that nothing is ever replaced. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "front/cli/outfile.h"

static char dir[] = "/tmp/gospect-test.XXXXXX";

static int make_dir(void **state)
{
    setenv("TZ", "UTC", 1);
    return mkdtemp(dir) ? 0 : 1;
}

static int remove_dir(void **state)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

/* The name for a pattern below dir, and makes a file of it. */
static void gives(const char *pattern, const char *want)
{
    struct buf full = {0}, name = {0};
    buf_printf(&full, "%s/%s", dir, pattern);
    check_ok(cli_outfile_pattern(buf_text(&full), 86400 * NSEC_PER_SEC, 0, &name));
    assert_string_equal(buf_text(&name) + strlen(dir) + 1, want);
    FILE *f = fopen(buf_text(&name), "wx");
    assert_non_null(f);
    fclose(f);
    buf_free(&full);
    buf_free(&name);
}

static void patterns(void **state)
{
    gives("a.gsnap", "a.gsnap");
    gives("a.gsnap", "a-2.gsnap");
    gives("a.gsnap", "a-3.gsnap");
    gives("storm-%n.gsnap", "storm-1.gsnap");
    gives("storm-%n.gsnap", "storm-2.gsnap");
    gives("%t.gsnap", "19700102T000000.gsnap");
    gives("%t.gsnap", "19700102T000000-2.gsnap");
    gives("100%%", "100%");
    gives("100%%", "100%-2");
    gives("odd%x%", "odd%x%");
    gives(".hidden", ".hidden");
    gives(".hidden", ".hidden-2");
}

static void dots_of_directories_are_no_ending(void **state)
{
    char sub[64];
    snprintf(sub, sizeof(sub), "%s/v1.2", dir);
    assert_int_equal(mkdir(sub, 0755), 0);
    gives("v1.2/name", "v1.2/name");
    gives("v1.2/name", "v1.2/name-2");
}

static void a_dangling_link_is_taken(void **state)
{
    char link[64];
    snprintf(link, sizeof(link), "%s/link", dir);
    assert_int_equal(symlink("/nowhere/at/all", link), 0);
    gives("link", "link-2");
}

static struct cli with(const char *output, bool force)
{
    struct cli c = {0};
    c.args.opt[OPT_output].text = output;
    c.args.opt[OPT_force].given = force;
    return c;
}

static void existing_files_need_force(void **state)
{
    char path[64];
    struct buf b = {0};
    snprintf(path, sizeof(path), "%s/precious", dir);
    struct cli c = with(path, false);
    check_ok(cli_outfile(&c, "orders", 1, "gsnap", &b));
    assert_string_equal(buf_text(&b), path);
    fclose(fopen(path, "w"));
    buf_clear(&b);
    check_err(cli_outfile(&c, "orders", 1, "gsnap", &b), ERR_USAGE, "exists already");
    c = with(path, true);
    buf_clear(&b);
    check_ok(cli_outfile(&c, "orders", 1, "gsnap", &b));
    c = with("/dev/null", false); /* no file to lose */
    buf_clear(&b);
    check_ok(cli_outfile(&c, "orders", 1, "gsnap", &b));
    buf_free(&b);
}

static void made_names_are_harmless(void **state)
{
    struct cli c = with(NULL, false);
    struct buf b = {0};
    check_ok(cli_outfile(&c, "../x y;$(z)", 42, "core", &b));
    assert_non_null(strstr(buf_text(&b), ".._x_y___z_-42-"));
    assert_null(strchr(buf_text(&b), '/'));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns), cmocka_unit_test(dots_of_directories_are_no_ending),
        cmocka_unit_test(a_dangling_link_is_taken), cmocka_unit_test(existing_files_need_force),
        cmocka_unit_test(made_names_are_harmless)};
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

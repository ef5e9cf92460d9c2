/* One table for everything: help, manual and completion name every command and option, and nothing
 * else; the table itself is free of contradictions. */
#include "front/cli/manual.h"
#include "check.h"

#include <ctype.h>

static struct cli_term term = {.width = 100, .err_width = 100};

static bool has(const struct buf *b, const char *text)
{
    return strstr(buf_text(b), text) != NULL;
}

static void names_are_unambiguous(void **state)
{
    for (size_t i = 0; i < CLI_NOPT; i++) {
        const struct cli_opt *o = &cli_opts[i];
        for (size_t k = 0; k < i; k++) {
            const struct cli_opt *p = &cli_opts[k];
            bool same_name = strcmp(o->name, p->name) == 0;
            bool same_letter = o->letter && o->letter == p->letter;
            if (same_name || same_letter) {
                assert_int_equal(o->on & p->on, 0);
                assert_int_equal(cli_opt_takes_arg(o), cli_opt_takes_arg(p));
            }
        }
        assert_int_equal(cli_opt_takes_arg(o), o->arg != NULL);
        assert_true(o->help[0] && o->help[strlen(o->help) - 1] != '.');
        assert_true(strcmp(o->name, "version") == 0 || o->on != 0);
    }
}

static void every_command_has_a_page(void **state)
{
    for (size_t i = 0; i < CLI_NCMD; i++) {
        size_t found = 0;
        for (const struct cli_manual_text *t = cli_manual_texts; t->name; t++)
            found += strcmp(t->name, cli_cmds[i].name) == 0;
        assert_int_equal(found, cli_cmds[i].flags & CLI_HIDDEN ? 0 : 1);
    }
    for (const struct cli_manual_text *t = cli_manual_texts; t->name; t++) {
        assert_true(strcmp(t->name, "gospect") == 0 || cli_cmd_find(t->name, strlen(t->name)));
        assert_non_null(strstr(t->text, "## Examples"));
    }
}

/* The text begins a line (behind spaces) or stands behind a comma: where options are explained, not
 * where they are mentioned. */
static bool explains(const struct buf *b, const char *text)
{
    size_t n = strlen(text);
    for (const char *p = buf_text(b); (p = strstr(p, text)) != NULL; p += n) {
        const char *before = p;
        while (before > buf_text(b) && before[-1] == ' ')
            before--;
        bool begins = before == buf_text(b) || before[-1] == '\n' || before[-1] == ',';
        if (begins && strchr(" \n", p[n]))
            return true;
    }
    return false;
}

static char *dashes_escaped(char *to, const char *text)
{
    for (const char *p = text; *p; p++)
        to += sprintf(to, *p == '-' ? "\\-" : "%c", *p);
    return to;
}

/* "--depth=N" as help writes it, "\-\-depth" as roff does. */
static void check_option(const struct cli_opt *o, const struct cli_cmd *cmd, const struct buf *help,
                         const struct buf *page, const struct buf *roff)
{
    char plain[128], escaped[160], *to = escaped;
    snprintf(plain, sizeof(plain), "--%s%s%s", o->name, o->arg ? "=" : "", o->arg ? o->arg : "");
    to += sprintf(to, "\\fB\\-\\-");
    to = dashes_escaped(to, o->name);
    to += sprintf(to, "\\fR%s", o->arg ? "=" : "");
    to = dashes_escaped(to, o->arg ? o->arg : "");
    sprintf(to, "\n");
    const struct cli_opt *here = cli_opt_find(cmd, o->name, strlen(o->name));
    if (here && here != o)
        return; /* another row of the same name */
    bool expected = here != NULL;
    assert_int_equal(explains(page, plain), expected);
    assert_int_equal(has(roff, escaped), expected);
    assert_int_equal(explains(help, plain), expected && !cli_opt_global(o));
}

static void help_and_manual_agree_with_the_table(void **state)
{
    for (size_t i = 0; i < CLI_NCMD; i++) {
        const struct cli_cmd *cmd = &cli_cmds[i];
        struct buf help = {0}, page = {0}, roff = {0};
        if (cmd->flags & CLI_HIDDEN)
            continue;
        cli_manual_usage(&help, &term, cmd);
        cli_manual_page(&page, &term, cmd);
        cli_manual_roff(&roff, cmd);
        for (size_t k = 0; k < CLI_NOPT; k++)
            check_option(&cli_opts[k], cmd, &help, &page, &roff);
        assert_true(has(&help, cmd->summary));
        buf_free(&help);
        buf_free(&page);
        buf_free(&roff);
    }
}

static void overview_lists_every_command(void **state)
{
    struct buf b = {0};
    cli_manual_overview(&b, &term);
    for (size_t i = 0; i < CLI_NCMD; i++) {
        char line[64];
        snprintf(line, sizeof(line), "\n  %s", cli_cmds[i].name);
        assert_int_equal(has(&b, line), !(cli_cmds[i].flags & CLI_HIDDEN));
    }
    buf_free(&b);
}

static void no_help_line_is_too_wide(void **state)
{
    struct cli_term narrow = {.width = 60, .err_width = 60};
    struct buf b = {0};
    cli_manual_usage(&b, &narrow, &cli_cmds[CMD_watch]);
    size_t examples = (size_t)(strstr(buf_text(&b), "\nExamples") - buf_text(&b));
    for (const char *p = buf_text(&b); p < buf_text(&b) + examples;) {
        size_t n = strcspn(p, "\n");
        assert_true(n <= 60);
        p += n + (p[n] == '\n');
    }
    buf_free(&b);
}

/* Every shell's script names every visible command and every long option. */
static void completions_agree_with_the_table(void **state)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    for (size_t s = 0; s < ARRAY_LEN(shells); s++) {
        struct buf b = {0};
        assert_true(cli_completion(&b, shells[s]));
        for (size_t i = 0; i < CLI_NOPT; i++) {
            char text[64];
            snprintf(text, sizeof(text), strcmp(shells[s], "fish") == 0 ? "-l %s" : "--%s",
                     cli_opts[i].name);
            assert_true(has(&b, text));
        }
        for (size_t i = 0; i < CLI_NCMD; i++)
            if (!(cli_cmds[i].flags & CLI_HIDDEN))
                assert_true(has(&b, cli_cmds[i].name));
        buf_free(&b);
    }
    struct buf b = {0};
    assert_false(cli_completion(&b, "tcsh"));
}

static void roff_obeys_nothing_of_the_text(void **state)
{
    struct buf b = {0};
    cli_manual_roff(&b, &cli_cmds[CMD_watch]);
    for (const char *p = buf_text(&b); *p; p += strcspn(p, "\n") + 1) {
        if (*p == '.') {
            static const char *const known[] = {".TH ",  ".SH ",  ".PP\n", ".TP\n", ".IP ",
                                                ".nf\n", ".fi\n", ".RS ",  ".RE\n", ".\\\" "};
            size_t match = 0;
            for (size_t i = 0; i < ARRAY_LEN(known); i++)
                match += strncmp(p, known[i], strlen(known[i])) == 0;
            assert_int_equal(match, 1);
        }
        assert_true(*p != '\'');
    }
    for (const char *p = buf_text(&b); *p; p++)
        assert_true((unsigned char)*p < 0x80);
    buf_free(&b);
}

TEST_MAIN(cmocka_unit_test(names_are_unambiguous), cmocka_unit_test(every_command_has_a_page),
          cmocka_unit_test(help_and_manual_agree_with_the_table),
          cmocka_unit_test(overview_lists_every_command),
          cmocka_unit_test(no_help_line_is_too_wide),
          cmocka_unit_test(completions_agree_with_the_table),
          cmocka_unit_test(roff_obeys_nothing_of_the_text))

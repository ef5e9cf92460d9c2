/* docs_main.c - writes the man pages and completion scripts: gospect-docs DIRECTORY.
 *
 * A build step of its own, because what it prints comes from the same tables as the program's
 * parser (front/cli/table.h). */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "front/cli/manual.h"

static struct err *save(const char *dir, const char *name, const struct buf *b)
{
    char path[4096];
    struct file_out out;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    TRY(file_out_open(path, 0644, &out));
    return file_out_end(&out, file_out_write(&out, buf_text(b), b->n));
}

static struct err *pages(const char *dir)
{
    struct buf b = {0};
    struct err *e;
    cli_manual_roff(&b, NULL);
    e = save(dir, "gospect.1", &b);
    for (size_t i = 0; i < CLI_NCMD && !e; i++) {
        char name[64];
        if (cli_cmds[i].flags & CLI_HIDDEN)
            continue;
        snprintf(name, sizeof(name), "gospect-%s.1", cli_cmds[i].name);
        buf_clear(&b);
        cli_manual_roff(&b, &cli_cmds[i]);
        e = save(dir, name, &b);
    }
    buf_free(&b);
    return e;
}

static struct err *completions(const char *dir)
{
    static const char *const shells[][2] = {
        {"bash", "gospect.bash"}, {"zsh", "_gospect"}, {"fish", "gospect.fish"}};
    struct buf b = {0};
    struct err *e = NULL;
    for (size_t i = 0; i < ARRAY_LEN(shells) && !e; i++) {
        buf_clear(&b);
        cli_completion(&b, shells[i][0]);
        e = save(dir, shells[i][1], &b);
    }
    buf_free(&b);
    return e;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: gospect-docs DIRECTORY\n");
        return 2;
    }
    mkdir(argv[1], 0755); /* there already: fine; not possible: writing says why */
    struct err *e = pages(argv[1]);
    if (!e)
        e = completions(argv[1]);
    if (!e)
        return 0;
    fprintf(stderr, "gospect-docs: %s\n", err_message(e));
    err_free(e);
    return 1;
}

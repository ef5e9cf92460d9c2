/* outfile.c - names of files that gospect writes; see outfile.h. */
#include "front/cli/outfile.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"

enum { NUMBERS_MAX = 100000 };

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* A device or pipe is written to, again and again; it is never replaced. */
static bool is_stream(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static void put_time(struct buf *b, int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / NSEC_PER_SEC);
    struct tm tm;
    char text[32];
    localtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y%m%dT%H%M%S", &tm);
    buf_str(b, text);
}

void cli_outfile_name(const char *name, pid_t pid, const char *suffix, struct buf *ret)
{
    for (const char *p = name && *name ? name : "go"; *p; p++)
        buf_char(ret, isalnum((unsigned char)*p) || strchr("-_.", *p) ? *p : '_');
    buf_printf(ret, "-%d-", pid);
    put_time(ret, clock_wall_ns());
    buf_printf(ret, ".%s", suffix);
}

static struct err *check_taken(const struct cli *c, const char *path, const char *another)
{
    struct stat st;
    if (cli_flag(&c->args, OPT_force) || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return NULL;
    return err_hint(err_new(ERR_USAGE, "%s exists already", path),
                    "--force replaces it, --%s=FILE names another", another);
}

struct err *cli_outfile_place(const char *path)
{
    struct file_out out;
    if (is_stream(path))
        return NULL;
    TRY(file_out_open(path, 0600, &out));
    file_out_abort(&out);
    return NULL;
}

struct err *cli_outfiles_check(const struct cli *c)
{
    for (size_t i = 0; i < CLI_NOPT; i++) {
        const struct cli_opt *o = &cli_opts[i];
        const char *path = c->args.opt[i].text;
        if (o->kind != CLI_OUTFILE || !path || strcmp(path, "-") == 0)
            continue;
        TRY(check_taken(c, path, o->name));
        TRY(cli_outfile_place(path));
    }
    return NULL;
}

struct err *cli_outfile(struct cli *c, const char *name, pid_t pid, const char *suffix,
                        struct buf *ret)
{
    const char *given = cli_text(&c->args, OPT_output);
    if (given) {
        buf_str(ret, cli_to_stdout(c) ? "standard output" : given);
    } else {
        cli_outfile_name(name, pid, suffix, ret);
    }
    return cli_to_stdout(c) ? NULL : check_taken(c, buf_text(ret), "output");
}

bool cli_to_stdout(const struct cli *c)
{
    static const char *const names[] = {"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"};
    const char *given = cli_text(&c->args, OPT_output);
    for (size_t i = 0; given && i < ARRAY_LEN(names); i++)
        if (strcmp(given, names[i]) == 0)
            return true;
    return false;
}

struct err *cli_check_stdout(const struct cli *c, const char *what)
{
    if (!cli_to_stdout(c))
        return NULL;
    if (c->json)
        return err_new(ERR_USAGE, "--json and --output=- both want standard output: choose one");
    if (c->term.out_tty)
        return err_hint(err_new(ERR_USAGE, "%s is nothing for a terminal", what),
                        "Give --output the name of a file, or send it to another program");
    return NULL;
}

struct err *cli_say_written(struct cli *c, const struct buf *lines)
{
    if (!cli_to_stdout(c))
        return cli_out_text(&c->out, lines);
    for (const char *p = buf_text(lines); *p; p += strcspn(p, "\n"), p += *p == '\n')
        cli_note(c, "%.*s", (int)strcspn(p, "\n"), p);
    return NULL;
}

/* The pattern with its time and number; number 0: none needed yet. */
static void expand(const char *pattern, int64_t wall_ns, unsigned number, struct buf *b)
{
    bool numbered = false;
    for (const char *p = pattern; *p; p++) {
        if (p[0] == '%' && p[1] == 't') {
            put_time(b, wall_ns);
            p++;
        } else if (p[0] == '%' && p[1] == 'n') {
            buf_printf(b, "%u", number + 1);
            numbered = true;
            p++;
        } else {
            p += p[0] == '%' && p[1] == '%';
            buf_char(b, *p);
        }
    }
    if (numbered || !number)
        return;
    char *text = buf_take(b);
    const char *slash = strrchr(text, '/'), *dot = strrchr(text, '.');
    if (!dot || dot == text || (slash && dot <= slash + 1))
        dot = text + strlen(text);
    buf_add(b, text, (size_t)(dot - text));
    buf_printf(b, "-%u%s", number + 1, dot);
    free(text);
}

struct err *cli_outfile_pattern(const char *pattern, int64_t wall_ns, uint64_t before,
                                struct buf *ret)
{
    if (is_stream(pattern)) {
        buf_clear(ret);
        buf_str(ret, pattern);
        return NULL;
    }
    for (uint64_t i = 0; i < NUMBERS_MAX && before + i < UINT32_MAX; i++) {
        buf_clear(ret);
        expand(pattern, wall_ns, (unsigned)(before + i), ret);
        if (!exists(buf_text(ret)))
            return NULL;
    }
    return err_new(ERR_LIMIT, "%s: %d files of that name exist already", pattern, NUMBERS_MAX);
}

static struct err *to_file(void *arg, const char *bytes, size_t n)
{
    return file_out_write(arg, bytes, n);
}

struct report_sink cli_file_sink(struct file_out *out)
{
    return (struct report_sink){to_file, out};
}

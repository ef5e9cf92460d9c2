/* debug_code.c - the program itself: source, machine code, registers, names. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "front/cli/debug_int.h"

enum { GENERAL_REGS = 17, REGS_MAX = 128, NAMES_SHOWN = 5000, INSN_BYTES = 8, AROUND_PC = 64 };

/* ---- source ---- */

/* Where PLACE is, or where the user is; what `list` showed goes on. */
static struct err *source_of(struct shell *s, const char *spec, struct arena *a, const char **file,
                             unsigned *line)
{
    struct places p;
    struct where w;
    if (*spec) {
        TRY(shell_place(s, spec, a, &p));
        if (!p.n || !*p.v[0].file)
            return err_new(ERR_NOT_FOUND, "%s: its source is not known", spec);
        *file = p.v[0].file;
        *line = p.v[0].line;
        return NULL;
    }
    TRY(shell_where(s, a, 1, &w));
    if (!w.frame || !*w.frame->file || w.frame->line <= 0)
        return err_new(ERR_NOT_FOUND, "the source of this frame is not known");
    *file = w.frame->file;
    *line = (unsigned)w.frame->line;
    return NULL;
}

static void keep_place(struct shell *s, const char *file, unsigned next)
{
    char *copy = mem_strdup(file);
    free(s->list_file);
    s->list_file = copy;
    s->list_next = next;
}

struct err *verb_list(struct shell *s, char *rest)
{
    struct arena a;
    struct buf b = {0};
    const char *file = NULL, *spec = shell_trim(rest);
    unsigned line = 0, around = s->config.list_lines;
    struct err *e = NULL;
    arena_init(&a);
    if (!*spec && s->list_file) { /* what follows */
        if (!show_source(s, &b, s->list_file, s->list_next, 0, 2 * around, false))
            e = err_new(ERR_NOT_FOUND, "that was the end of the file");
        else
            s->list_next += 2 * around + 1;
    } else {
        e = source_of(s, spec, &a, &file, &line);
        if (!e && *spec) {
            buf_str(&b, "");
            show_place(s, &b, file, (int32_t)line);
            buf_char(&b, '\n');
        }
        if (!e && !show_source(s, &b, file, line, around, around, true))
            e = err_hint(err_new(ERR_NOT_FOUND, "there is no file %s here", file),
                         "--source-map FROM=TO says where sources are");
        if (!e)
            keep_place(s, file, line + around + 1);
    }
    if (!e)
        shell_say(s, &b);
    buf_free(&b);
    arena_free(&a);
    return e;
}

static struct err *run_editor(const char *file, unsigned line)
{
    const char *editor = getenv("VISUAL");
    int status;
    if (!editor || !*editor)
        editor = getenv("EDITOR");
    if (!editor || !*editor)
        return err_hint(err_new(ERR_NOT_FOUND, "no editor is set"), "set VISUAL or EDITOR");
    pid_t pid = fork();
    if (pid == 0) {
        char where[16];
        snprintf(where, sizeof(where), "+%u", line);
        execl("/bin/sh", "sh", "-c", "exec $0 \"$1\" \"$2\"", editor, where, file, (char *)NULL);
        _exit(127);
    }
    if (pid < 0)
        return err_sys(errno, "cannot start %s", editor);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? NULL
               : err_new(ERR_NOT_FOUND, "%s did not end well", editor);
}

struct err *verb_edit(struct shell *s, char *rest)
{
    struct arena a;
    const char *file;
    unsigned line;
    arena_init(&a);
    struct err *e = source_of(s, shell_trim(rest), &a, &file, &line);
    if (!e) {
        shell_flush(s);
        e = run_editor(file, line);
    }
    sources_free(&s->sources); /* it may be another text now */
    arena_free(&a);
    return e;
}

/* ---- machine code ---- */

static void say_insn(struct shell *s, struct buf *b, const struct dbg_insn *i, bool here)
{
    buf_printf(b, "%s%#llx  ", here ? "→ " : "  ", (unsigned long long)i->pc);
    show_style(s, b, CLI_DIM);
    for (unsigned k = 0; k < i->n && k < INSN_BYTES; k++)
        buf_printf(b, "%02x", i->bytes[k]);
    buf_str(b, i->n > INSN_BYTES ? "…" : "");
    buf_repeat(b, ' ', i->n > INSN_BYTES ? 1 : 2 * (INSN_BYTES - i->n) + 2);
    show_style(s, b, CLI_PLAIN);
    text_clean(b, i->text);
    if (*i->target_name) {
        buf_str(b, "  ");
        show_func(b, i->target_name);
    }
    buf_char(b, '\n');
}

static void say_insns(struct shell *s, const struct dbg_insn *v, size_t n, taddr pc)
{
    struct buf b = {0};
    for (size_t i = 0; i < n; i++) {
        bool line = !i || v[i].line != v[i - 1].line || strcmp(v[i].file, v[i - 1].file) != 0 ||
                    strcmp(v[i].function, v[i - 1].function) != 0;
        if (line && *v[i].file) {
            show_style(s, &b, CLI_BOLD);
            show_func(&b, v[i].function);
            show_style(s, &b, CLI_PLAIN);
            buf_str(&b, "  ");
            show_place(s, &b, v[i].file, (int32_t)v[i].line);
            buf_char(&b, '\n');
        }
        say_insn(s, &b, &v[i], v[i].pc == pc);
    }
    shell_say(s, &b);
    buf_free(&b);
}

static struct err *which_code(struct shell *s, char *rest, struct arena *a, taddr pc, taddr *from,
                              taddr *to)
{
    struct places p;
    struct code_func f;
    taddr at = pc;
    if (shell_flag(&rest, "-a")) {
        TRY(shell_number(shell_word(&rest), "an address", from));
        TRY(shell_number(shell_word(&rest), "an address", to));
        return *to > *from ? NULL : err_new(ERR_USAGE, "the second address is not above the first");
    }
    shell_flag(&rest, "-l");
    if (*shell_trim(rest)) {
        TRY(shell_place(s, shell_trim(rest), a, &p));
        at = p.n ? p.v[0].pc : pc;
    }
    if (!code_func_at(dbg_code(s->d), at, &f))
        return err_hint(
            err_new(ERR_NOT_FOUND, "%#llx is in no Go function", (unsigned long long)at),
            "the command disassemble -a FROM TO shows any code");
    *from = f.f.entry;
    *to = f.f.end;
    return NULL;
}

struct err *verb_disassemble(struct shell *s, char *rest)
{
    struct arena a;
    struct where w = {0};
    struct dbg_insn *v;
    taddr from, to;
    size_t n = 0;
    arena_init(&a);
    struct err *e = shell_where(s, &a, 1, &w);
    taddr pc = !e && w.frame ? w.frame->pc : 0;
    err_free(e);
    e = which_code(s, rest, &a, pc, &from, &to);
    if (!e)
        e = dbg_disassemble(s->d, from, to, &a, &v, &n);
    const struct arch *arch = target_arch(dbg_target(s->d));
    while (!e && n > 1 && v[n - 1].n == arch->breakpoint_n && v[n - 1].pc != pc &&
           memcmp(v[n - 1].bytes, arch->breakpoint, arch->breakpoint_n) == 0)
        n--; /* what fills up the function's end */
    if (!e)
        say_insns(s, v, n, pc);
    arena_free(&a);
    return e;
}

/* ---- registers ---- */

struct err *verb_regs(struct shell *s, char *rest)
{
    bool all = shell_flag(&rest, "-a");
    const struct arch *arch = target_arch(dbg_target(s->d));
    struct arena a;
    struct where w;
    struct buf b = {0};
    arena_init(&a);
    struct err *e = shell_where(s, &a, 1, &w);
    if (!e && !w.frame)
        e = err_new(ERR_NOT_FOUND, "there is no frame here");
    for (unsigned reg = 0; !e && reg < REGS_MAX; reg++) {
        const char *name = arch->reg_name(reg);
        uint8_t bytes[16] = {0};
        uint64_t word[2];
        bool vector = name && arch->dwarf_is_vector(reg);
        if (!name || (vector && !all))
            continue;
        struct err *unknown = rt_frame_reg(dbg_stand(s->d), w.frame, reg, bytes, vector ? 16 : 8);
        memcpy(word, bytes, sizeof(word));
        buf_printf(&b, "%8s  ", name);
        if (unknown)
            buf_str(&b, "(not known in this frame)");
        else if (vector)
            buf_printf(&b, "0x%016llx%016llx", (unsigned long long)word[1],
                       (unsigned long long)word[0]);
        else
            buf_printf(&b, "0x%016llx", (unsigned long long)word[0]);
        err_free(unknown);
        buf_char(&b, '\n');
    }
    shell_say(s, &b);
    buf_free(&b);
    arena_free(&a);
    return e;
}

/* ---- names ---- */

static struct err *say_names(struct shell *s, enum rt_names what, const char *pattern)
{
    struct arena a;
    struct regex *re;
    const char *const *names;
    size_t n = 0;
    struct buf b = {0};
    TRY(shell_regex(pattern, &re));
    arena_init(&a);
    struct err *e = rt_names(dbg_stand(s->d), what, re, &a, &names, &n);
    for (size_t i = 0; !e && i < n && i < NAMES_SHOWN; i++) {
        text_clean(&b, names[i]);
        buf_char(&b, '\n');
    }
    if (!e && n > NAMES_SHOWN)
        buf_printf(&b, "… and %zu more: a REGEXP chooses\n", n - NAMES_SHOWN);
    if (!e && !n)
        buf_str(&b, "none\n");
    shell_say(s, &b);
    buf_free(&b);
    regex_free(re);
    arena_free(&a);
    return e;
}

struct err *verb_types(struct shell *s, char *rest)
{
    return say_names(s, RT_NAMES_TYPES, shell_trim(rest));
}

struct err *verb_funcs(struct shell *s, char *rest)
{
    return say_names(s, RT_NAMES_FUNCS, shell_trim(rest));
}

struct err *verb_sources(struct shell *s, char *rest)
{
    return say_names(s, RT_NAMES_FILES, shell_trim(rest));
}

/* The package of a function: up to the first dot behind the last slash (of what is not an
 * instance's types). */
static size_t package_length(const char *func)
{
    size_t end = strcspn(func, "["), slash = 0;
    for (size_t i = 0; i < end; i++)
        if (func[i] == '/')
            slash = i;
    for (size_t i = slash; i < end; i++)
        if (func[i] == '.')
            return i;
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct err *verb_packages(struct shell *s, char *rest)
{
    struct arena a;
    struct regex *re;
    const char *const *names;
    VEC(const char *) packages = {0};
    size_t n = 0;
    struct buf b = {0};
    TRY(shell_regex(shell_trim(rest), &re));
    arena_init(&a);
    struct err *e = rt_names(dbg_stand(s->d), RT_NAMES_FUNCS, NULL, &a, &names, &n);
    for (size_t i = 0; !e && i < n; i++) {
        size_t len = package_length(names[i]);
        const char *last = packages.n ? packages.v[packages.n - 1] : "";
        if (!len || (strlen(last) == len && memcmp(last, names[i], len) == 0) ||
            strncmp(names[i], "type:", 5) == 0 || (re && !regex_matchn(re, names[i], len)))
            continue;
        vec_push(&packages, arena_strndup(&a, names[i], len));
    }
    if (packages.n)
        qsort(packages.v, packages.n, sizeof(packages.v[0]), by_text);
    for (size_t i = 0; i < packages.n; i++) {
        if (i && strcmp(packages.v[i], packages.v[i - 1]) == 0)
            continue;
        text_clean(&b, packages.v[i]);
        buf_char(&b, '\n');
    }
    shell_say(s, &b);
    vec_free(&packages);
    buf_free(&b);
    regex_free(re);
    arena_free(&a);
    return e;
}

struct err *verb_libraries(struct shell *s, char *rest)
{
    struct arena a;
    struct target_mapping *v;
    size_t n;
    struct buf b = {0};
    arena_init(&a);
    struct err *e = target_mappings(dbg_target(s->d), &a, &v, &n);
    for (size_t i = 0; !e && i < n; i++)
        if (v[i].executable && *v[i].path) {
            buf_printf(&b, "%#llx  ", (unsigned long long)v[i].start);
            text_clean(&b, v[i].path);
            buf_char(&b, '\n');
        }
    shell_say(s, &b);
    buf_free(&b);
    arena_free(&a);
    return e;
}

/* cmd_sql.c - gospect sql: questions in SQL, and a shell for them.
 *
 * The evidence is taken when the first question asks for it, and once: a shell's questions are all
 * about the same instant.  A question that reads no table of the heap does not read the heap. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <editline/readline.h>

#include "base/json.h"
#include "base/text.h"
#include "front/cli/heap_look.h"
#include "heap/sql.h"
#include "report/table.h"

enum { TABLE_ROWS = 2000 }; /* rows that are aligned together */

struct session {
    struct cli *c;
    const char *target; /* NULL: none yet */
    char *opened;       /* owned: of .open */
    struct heap_look look;
    struct heap_sql *sql;
    bool has_heap, has_edges;
};

/* ---- output ---- */

struct printer {
    struct cli *c;
    struct arena mem;
    const char **names; /* of the columns, in the arena */
    size_t n, rows;
    struct table table;
    bool begun;
};

static void csv_cell(struct buf *b, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        buf_str(b, text);
        return;
    }
    buf_char(b, '"');
    for (; *text; text++) {
        if (*text == '"')
            buf_char(b, '"');
        buf_char(b, *text);
    }
    buf_char(b, '"');
}

static void cell_text(struct buf *b, const struct heap_sql_cell *cell)
{
    if (cell->type == HEAP_SQL_INTEGER)
        buf_printf(b, "%lld", (long long)cell->i);
    else if (cell->type == HEAP_SQL_REAL)
        buf_printf(b, "%.15g", cell->d);
    else if (cell->type == HEAP_SQL_TEXT)
        buf_str(b, cell->text);
}

static struct err *csv_line(struct printer *p, const char *const *names,
                            const struct heap_sql_cell *cells, size_t n)
{
    struct buf b = {0}, text = {0};
    for (size_t i = 0; i < n; i++) {
        buf_clear(&text);
        if (names)
            buf_str(&text, names[i]);
        else
            cell_text(&text, &cells[i]);
        buf_str(&b, i ? "," : "");
        csv_cell(&b, buf_text(&text));
    }
    buf_char(&b, '\n');
    struct err *e = cli_out_text(&p->c->out, &b);
    buf_free(&b);
    buf_free(&text);
    return e;
}

static struct err *end_table(struct printer *p)
{
    bool given = p->c->args.opt[OPT_width].given, whole = !p->c->term.out_tty && !given;
    struct report_style style = {.width = whole ? 0 : p->c->term.width, .color = p->c->term.color};
    struct buf b = {0};
    if (!p->begun)
        return NULL;
    table_write(&p->table, &style, &b);
    table_free(&p->table);
    p->begun = false;
    struct err *e = cli_out_text(&p->c->out, &b);
    buf_free(&b);
    return e;
}

static void begin_table(struct printer *p)
{
    size_t n = p->n < TABLE_COLUMNS_MAX ? p->n : TABLE_COLUMNS_MAX;
    table_init(&p->table, n);
    for (size_t i = 0; i < n; i++)
        table_column(&p->table, i, p->names[i], TABLE_SHRINK);
    p->begun = true;
}

static struct err *on_columns(void *arg, const char *const *names, size_t n)
{
    struct printer *p = arg;
    TRY(end_table(p)); /* of the statement before */
    cli_progress_clear(p->c);
    p->names = arena_array(&p->mem, const char *, n);
    p->n = n;
    for (size_t i = 0; i < n; i++)
        p->names[i] = arena_strdup(&p->mem, names[i]);
    if (cli_flag(&p->c->args, OPT_csv))
        return csv_line(p, names, NULL, n);
    if (p->c->json)
        return NULL;
    if (n > TABLE_COLUMNS_MAX)
        return err_new(ERR_LIMIT, "%zu columns are more than a table has: use --csv or --json", n);
    begin_table(p);
    return NULL;
}

static void json_cell(struct json *j, const struct heap_sql_cell *cell)
{
    if (cell->type == HEAP_SQL_INTEGER)
        json_i64(j, cell->i);
    else if (cell->type == HEAP_SQL_REAL)
        json_f64(j, cell->d);
    else
        json_str(j, cell->type == HEAP_SQL_TEXT ? cell->text : NULL);
}

/* One object a line. */
static struct err *json_row(struct printer *p, const struct heap_sql_cell *cells, size_t n)
{
    struct json j;
    json_init(&j, cli_out_write, &p->c->out);
    json_begin(&j, '{');
    for (size_t i = 0; i < n; i++) {
        json_key(&j, p->names[i]);
        json_cell(&j, &cells[i]);
    }
    json_end(&j, '}');
    json_newline(&j);
    return json_finish(&j);
}

static struct err *on_row(void *arg, const struct heap_sql_cell *cells, size_t n)
{
    struct printer *p = arg;
    p->rows++;
    if (cli_flag(&p->c->args, OPT_csv))
        return csv_line(p, NULL, cells, n);
    if (p->c->json)
        return json_row(p, cells, n);
    for (size_t i = 0; i < n; i++) {
        cell_text(table_cell(&p->table), &cells[i]);
        table_cell_end(&p->table);
    }
    if (p->rows % TABLE_ROWS == 0) {
        TRY(end_table(p));
        begin_table(p);
    }
    return NULL;
}

/* ---- evidence ---- */

static void forget(struct session *x)
{
    heap_sql_close(x->sql);
    heap_look_free(&x->look);
    x->look = (struct heap_look){0};
    x->sql = NULL;
}

/* Takes what the question needs, unless it is there. */
static struct err *look(struct session *x, struct heap_sql_needs needs)
{
    bool enough = x->sql && (x->has_heap || !needs.heap) && (x->has_edges || !needs.edges);
    struct heap_options o = {.keep_edges = needs.edges};
    if (enough)
        return NULL;
    if (!x->target)
        return err_hint(err_new(ERR_USAGE, "nothing is open"),
                        ".open TARGET opens a process or a file");
    forget(x);
    TRY(needs.heap ? heap_look_open(x->c, x->target, &o, NULL, &x->look)
                   : heap_look_without(x->c, x->target, &x->look));
    x->has_heap = needs.heap;
    x->has_edges = needs.edges;
    return heap_sql_open(x->look.snap, x->look.graph, &x->sql);
}

static struct err *run(struct session *x, const char *sql, bool shell)
{
    struct heap_sql_needs needs;
    struct printer p = {.c = x->c};
    struct heap_sql_sink sink = {on_columns, on_row, &p};
    TRY(heap_sql_needs(sql, &needs));
    if (shell) /* the next question is about the same instant */
        needs = (struct heap_sql_needs){true, true};
    TRY(look(x, needs));
    arena_init(&p.mem);
    struct err *e = heap_sql_run(x->sql, sql, &sink, &x->c->progress.base);
    if (!e)
        e = end_table(&p);
    else if (p.begun)
        table_free(&p.table);
    arena_free(&p.mem);
    return e;
}

/* ---- the shell ---- */

static struct err *print(struct session *x, const char *text)
{
    return cli_out_write(&x->c->out, text, strlen(text));
}

static struct err *list_tables(struct session *x, bool schema)
{
    const char *what, *create;
    struct buf b = {0};
    for (size_t i = 0;; i++) {
        const char *name = heap_sql_table(i, &what, &create);
        if (!name)
            break;
        if (schema)
            buf_printf(&b, "%s;\n", create);
        else
            buf_printf(&b, "%-12s %s\n", name, what);
    }
    struct err *e = cli_out_text(&x->c->out, &b);
    buf_free(&b);
    return e;
}

static const char shell_help[] =
    ".tables          what can be asked for\n"
    ".schema          the columns\n"
    ".open TARGET     a pid, the name of a process, a core file or a snapshot\n"
    ".quit            (or Ctrl-D)\n"
    "SELECT ...;      a question, over as many lines as it takes\n";

/* A line that begins with a dot; *quit: it ends the shell. */
static struct err *dot_command(struct session *x, const char *line, bool *quit)
{
    if (strcmp(line, ".tables") == 0)
        return list_tables(x, false);
    if (strcmp(line, ".schema") == 0)
        return list_tables(x, true);
    if (strcmp(line, ".help") == 0)
        return print(x, shell_help);
    if (strncmp(line, ".open ", 6) == 0) {
        forget(x);
        free(x->opened);
        x->target = x->opened = mem_strdup(line + 6 + strspn(line + 6, " "));
        return NULL;
    }
    *quit = strcmp(line, ".quit") == 0 || strcmp(line, ".exit") == 0;
    return *quit ? NULL
                 : err_hint(err_new(ERR_USAGE, "there is no command %s", line), ".help lists them");
}

/* The next line; NULL: no more.  free() it. */
static char *read_line(bool terminal, bool more)
{
    char *line = NULL;
    size_t room = 0;
    if (terminal)
        return readline(more ? "    ...> " : "gospect> ");
    ssize_t n = getline(&line, &room, stdin);
    if (n < 0) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\n")] = 0;
    return line;
}

static bool is_complete(const struct buf *b)
{
    size_t n = b->n;
    while (n && strchr(" \t\n", b->p[n - 1]))
        n--;
    return n && b->p[n - 1] == ';';
}

static struct err *flush_out(struct session *x)
{
    return x->c->term.out_tty ? cli_out_flush(&x->c->out) : NULL;
}

static struct err *shell(struct session *x)
{
    bool terminal = isatty(STDIN_FILENO) && x->c->term.out_tty, quit = false;
    struct buf sql = {0};
    char *line;
    struct err *e = NULL;
    x->c->out.page = false;
    if (terminal)
        cli_note(x->c, ".tables lists what can be asked for, .help the rest");
    while (!e && !quit && (line = read_line(terminal, sql.n > 0))) {
        struct err *wrong = NULL;
        if (!sql.n && line[0] == '.') {
            wrong = dot_command(x, line, &quit);
        } else {
            buf_printf(&sql, "%s\n", line);
            if (is_complete(&sql)) {
                wrong = run(x, buf_text(&sql), true);
                buf_clear(&sql);
            }
        }
        if (terminal && *line)
            add_history(line);
        free(line);
        if (wrong && terminal && err_code(wrong) != ERR_CANCELLED)
            cli_warn(x->c, wrong);
        else
            e = wrong;
        if (!e)
            e = flush_out(x);
    }
    if (!e && sql.n && strspn(buf_text(&sql), " \t\n") < sql.n)
        e = run(x, buf_text(&sql), true);
    buf_free(&sql);
    return e;
}

struct err *run_sql(struct cli *c, int *ret_code)
{
    struct session x = {.c = c, .target = c->args.pos[0]};
    const char *sql = c->args.pos[1];
    if (c->json && cli_flag(&c->args, OPT_csv))
        return err_new(ERR_USAGE, "--json and --csv are two ways to say the same: choose one");
    struct err *e = sql ? run(&x, sql, false) : shell(&x);
    forget(&x);
    free(x.opened);
    return e;
}

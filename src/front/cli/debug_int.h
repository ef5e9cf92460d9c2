/* debug_int.h - what the files of the terminal debugger share.
 *
 * cmd_debug.c begins and ends a session; debug_shell.c reads commands and finds their verb
 * (debug_verbs.def); debug_line.c edits and completes lines; debug_run.c lets the program run and
 * says why it stopped; debug_break.c, debug_look.c, debug_goroutines.c, debug_code.c,
 * debug_evidence.c are the verbs; debug_show.c and debug_source.c are how things look.
 *
 * Everything is done through dbg/dbg.h; nothing here knows how a debugger works. */
#ifndef GOSPECT_FRONT_CLI_DEBUG_INT_H
#define GOSPECT_FRONT_CLI_DEBUG_INT_H

#include <termios.h>

#include "base/vec.h"
#include "dbg/dbg.h"
#include "dbg/expr.h"
#include "dbg/place.h"
#include "dbg/value.h"
#include "front/cli/cli_int.h"
#include "front/cli/debug_source.h"
#include "rt/frames.h"

enum shell_kind { SHELL_LAUNCHED, SHELL_ATTACHED, SHELL_CORE };

struct shell_display {
    unsigned id;
    char *text; /* owned: "%x a.b", as the user wrote it */
};
struct shell_on {
    unsigned bp;
    char *command; /* owned */
};

/* Settings: rows of debug_config.c, named in the help of `config`. */
struct shell_config {
    unsigned list_lines, string_length, elements, depth, pointers;
};

struct shell {
    struct cli *c;
    struct dbg *d;
    enum shell_kind kind;
    struct arena arena; /* as long as the session */
    const char *program;
    const char *const *argv; /* of a launched one */
    const char *package;     /* built from it; NULL: not built */
    const char *built;       /* the file, removed at the end */
    bool is_test;
    const char *const *source_map;

    bool terminal;        /* commands come from a terminal */
    bool failed;          /* a command did not do what it should */
    struct buf *capture;  /* what is said goes here, too; NULL */
    bool cannot_write;    /* and it was said */
    bool was_interrupted; /* by Ctrl-C, since a script asked for the last command */
    bool in_hook;         /* the program may not run: a script looks at a stop */
    bool gone;            /* killed here: dbg may not know yet */
    bool ended;           /* no more commands */
    bool asked;           /* what becomes of the process was decided */
    enum debug_end end;
    unsigned nesting; /* scripts in scripts */
    char *repeat;     /* owned: what an empty line does; NULL: nothing */

    bool shares_tty; /* the program is in the foreground of our terminal while it runs */
    bool have_theirs, sigint_set;
    bool in_main; /* the first stop is that of --stop-on-entry */
    bool calling; /* a function of the program runs for an expression */
    struct termios ours, theirs;
    int fd[3];       /* the standard files of a program that is started here; -1: its terminal */
    bool is_file[3]; /* opened here, not ours */

    struct sources sources;
    const char *shown_func, *shown_file; /* where the last stop was shown: of the arena */
    char *list_file;                     /* owned: what `list` showed last */
    unsigned list_next;

    VEC(struct shell_display) displays;
    unsigned next_display;
    VEC(struct shell_on) ons;
    struct shell_config config;
    unsigned frame;         /* selected, of the goroutine that is selected in dbg */
    int64_t last_goroutine; /* of the stop before */
    pid_t tid;              /* selected thread without a goroutine; 0: none */
    int transcript;         /* a descriptor; -1: none */
    bool only_there;        /* what is said goes to the transcript alone */
    struct lua_script *lua; /* NULL: none yet */
};

/* ---- cmd_debug.c ---- */

/* Standard file number `which` of the program is a file from its next start on. */
struct err *shell_redirect(struct shell *s, int which, const char *path) MUST_USE;
/* Such files begin anew with the program. */
void shell_rewind_files(struct shell *s);

/* ---- debug_shell.c ---- */

enum verb_state { VERB_LIVE = 1, VERB_CORE = 2, VERB_OVER = 4 };
enum verb_flag {
    VERB_PAGED = 1 << 0,
    VERB_STEP = 1 << 1,
    VERB_PLACE = 1 << 2,
    VERB_EXPR = 1 << 3,
    VERB_BP = 1 << 4,
    VERB_FILES = 1 << 5,
};
struct verb {
    const char *group; /* a heading, when set; else a verb */
    const char *names, *args;
    unsigned states, flags;
    const char *help;
    struct err *(*run)(struct shell *s, char *rest); /* rest may be changed */
};
extern const struct verb debug_verbs[];
extern const size_t debug_nverbs;
const struct verb *debug_verb_find(const char *name, size_t n); /* NULL: no such verb */

#define GROUP(title)
#define VERB(id, names, args, states, flags, help)                                                 \
    struct err *verb_##id(struct shell *s, char *rest) MUST_USE;
#include "front/cli/debug_verbs.def"
#undef GROUP
#undef VERB

/* One command line, whatever it is; an empty one does nothing. */
struct err *shell_command(struct shell *s, const char *line) MUST_USE;
/* Commands of a file, or of standard input (NULL), until it ends. */
struct err *shell_script(struct shell *s, const char *path) MUST_USE;
void shell_loop(struct shell *s);

enum dbg_state shell_state(const struct shell *s);

/* Says something; also to the transcript. */
void shell_say(struct shell *s, const struct buf *b);
void shell_printf(struct shell *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void shell_error(struct shell *s, struct err *e); /* says it; frees it */
void shell_flush(struct shell *s);                /* what was said is on its way */

/* Words of a command. */
char *shell_word(char **rest);                  /* the next, NULL: none; quotes keep blanks */
bool shell_flag(char **rest, const char *flag); /* takes it when it stands there */
char *shell_trim(char *text);
struct err *shell_number(const char *text, const char *what, uint64_t *ret) MUST_USE;
struct err *shell_usage(const char *verb) MUST_USE;                     /* "VERB needs ARGS" */
struct err *shell_regex(const char *text, struct regex **ret) MUST_USE; /* "": NULL */

/* ---- debug_line.c ---- */

void shell_line_begin(struct shell *s);
char *shell_line_read(struct shell *s); /* free() it; NULL: the end */
void shell_line_end(struct shell *s);
/* One key of an answer, from `keys`; the first at the end of input. */
char shell_line_ask(struct shell *s, const char *question, const char *keys);

/* ---- debug_run.c ---- */

void run_signals(struct shell *s);
bool run_interrupted(void);                      /* Ctrl-C since the last time it was asked */
bool run_is_interrupted(void);                   /* the same, and it stays so; or should end */
bool run_should_end(void);                       /* SIGTERM, SIGHUP */
struct err *run_first(struct shell *s) MUST_USE; /* what to say when the session begins */
/* Lets it run, and shows what comes until it stands. */
struct err *run_and_show(struct shell *s, const struct dbg_run_spec *how) MUST_USE;
struct err *run_end(struct shell *s) MUST_USE; /* kills it and waits */
/* e: of a call.  When something stopped the program before it was done, that is shown, too. */
struct err *run_show_stop_in_call(struct shell *s, struct err *e) MUST_USE;
/* Around the evaluation of what may call functions: dbg_options.give_up, and behind it. */
bool run_call_goes_on(void *shell);
void run_call_ended(struct shell *s);

/* ---- debug_show.c ---- */

struct where {
    bool has_g;
    struct rt_goroutine g;
    pid_t tid;
    struct rt_frames frames;
    const struct rt_frame *frame; /* the selected one */
    unsigned at;                  /* its number */
};
/* The selected goroutine (or thread) and its frames: at least `max`, and the selected one. */
struct err *shell_where(struct shell *s, struct arena *a, size_t max, struct where *ret) MUST_USE;
/* The same of any goroutine. */
struct err *shell_frames(struct shell *s, const struct rt_goroutine *g, size_t max, struct arena *a,
                         struct rt_frames *ret) MUST_USE;
struct err *shell_select(struct shell *s, int64_t goroutine, unsigned frame) MUST_USE;

void show_func(struct buf *b, const char *func);
/* The function of a frame, with the shapes of type arguments; otherwise: when it has no name. */
void show_frame_func(struct shell *s, struct buf *b, const struct rt_frame *f,
                     const char *otherwise);
void show_file(struct shell *s, struct buf *b, const char *file);
void show_place(struct shell *s, struct buf *b, const char *file, int32_t line);
void show_style(struct shell *s, struct buf *b, enum cli_style style);
/* Lines around `line`, with an arrow there; false: the source is not there. */
bool show_source(struct shell *s, struct buf *b, const char *file, unsigned line, unsigned before,
                 unsigned after, bool arrow);
/* Where the selected frame is, with source around it. */
struct err *show_here(struct shell *s, unsigned context) MUST_USE;
struct value_limits show_limits(const struct shell *s);
/* Text of a value; fmt NULL or "%x" and the like. */
struct err *show_value(struct shell *s, struct buf *b, const struct dbg_value *v,
                       const char *fmt) MUST_USE;
/* "name = value", in a line or broken into several. */
void show_variable(struct shell *s, struct buf *b, const char *name, const struct dbg_value *v,
                   unsigned indent, bool full);
void show_fitted(struct shell *s, struct buf *b, const char *text, size_t column);
void show_displays(struct shell *s);
/* Evaluates where the user is. */
struct err *shell_eval(struct shell *s, const char *text, struct arena *a,
                       struct dbg_value *ret) MUST_USE;
/* A PLACE, seen from where the user is. */
struct err *shell_place(struct shell *s, const char *spec, struct arena *a,
                        struct places *ret) MUST_USE;

/* ---- debug_break.c ---- */

struct err *bp_find(struct shell *s, const char *word, struct arena *a,
                    struct dbg_bp *ret) MUST_USE;
void bp_run_ons(struct shell *s, const struct dbg_event *ev);
void bp_say_event(struct shell *s, unsigned id);
/* "breakpoint 4 (name), hit 3 times". */
void bp_describe(struct shell *s, struct buf *b, unsigned id, int64_t goroutine);

/* ---- cmd_debug.c ---- */

struct err *shell_build(struct shell *s) MUST_USE;

/* ---- debug_lua.c ---- */

struct err *lua_script_run(struct shell *s, const char *path) MUST_USE;
void lua_script_printers(struct shell *s); /* the user's file of printers, if there is one */
void lua_script_stopped(struct shell *s, const struct dbg_event *ev);
void lua_script_free(struct shell *s);

#endif

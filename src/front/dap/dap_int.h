/* dap_int.h - what the parts of the DAP server share: server, client, session, and the numbers by
 * which a client names frames and variables.
 *
 * Everything runs on one thread, in one loop (server.c).  A request is answered when its handler
 * returns, or later when that says so (dap_defer()).  Events that come up while a request is
 * handled are sent behind its answer. */
#ifndef GOSPECT_FRONT_DAP_DAP_INT_H
#define GOSPECT_FRONT_DAP_DAP_INT_H

#include "base/json.h"
#include "base/vec.h"
#include "dbg/dbg.h"
#include "dbg/expr.h"
#include "dbg/printers.h"
#include "dbg/value.h"
#include "front/dap/dap.h"
#include "wire/dap.h"

enum {
    DAP_CLIENTS_MAX = 64,
    DAP_HANDLES_MAX = 1000000, /* variables a client may have in hand at one stop */
    DAP_BREAKPOINTS_MAX = 10000,
    DAP_EXCEPTIONS = 3,    /* filters */
    DAP_LOG_KEPT = 10000,  /* lines of the session's log */
    DAP_QUEUE_MAX = 64,    /* requests of a client that were read and not yet handled */
    DAP_BACKLOG = 8 << 20, /* a client that does not read: nothing more is done for it */
};

/* What is possible depends on where a client and its session are; bits, for the rows of
 * requests.def. */
enum dap_state {
    DAP_NEW = 1 << 0,       /* the client has not said initialize */
    DAP_IDLE = 1 << 1,      /* it has no session */
    DAP_PREPARING = 1 << 2, /* a build, or a terminal, is awaited */
    DAP_STANDS = 1 << 3,
    DAP_RUNS = 1 << 4,
    DAP_FILE = 1 << 5, /* a snapshot: there is no process */
    DAP_OVER = 1 << 6, /* the process has ended */
    DAP_BUSY = 1 << 7, /* it runs a function for another client's request */
    DAP_LIVE = DAP_STANDS | DAP_RUNS | DAP_BUSY,
    DAP_IN_SESSION = DAP_PREPARING | DAP_LIVE | DAP_FILE | DAP_OVER,
    DAP_ANY = DAP_IDLE | DAP_IN_SESSION,
};

enum dap_kind { DAP_NOTHING, DAP_LAUNCHED, DAP_ATTACHED, DAP_CORE, DAP_SNAPSHOT };

/* JSON of a body, being written. */
struct dap_body {
    struct json j;
    struct buf text;
};
struct json *dap_body_begin(struct dap_body *b);
void dap_body_end(struct dap_body *b); /* text is whole */
void dap_body_free(struct dap_body *b);

/* ---- what a client has in hand; gone when the program runs again (hand.c) ---- */

struct dap_stack { /* frames of one goroutine or thread as far as asked for */
    int64_t thread;
    taddr g;
    pid_t tid;
    size_t asked; /* 0: all */
    uint32_t row; /* of a snapshot */
    struct rt_frames frames;
};

struct dap_frame {
    size_t stack; /* index */
    unsigned index;
};

enum dap_scope {
    DAP_SCOPE_LOCALS,
    DAP_SCOPE_RESULTS, /* what the call that was stepped out of returned */
    DAP_SCOPE_GLOBALS,
    DAP_SCOPE_REGISTERS,
    DAP_SCOPE_VALUE,
};

struct dap_handle {
    enum dap_scope scope;
    size_t frame;           /* index into frames; SIZE_MAX: none */
    struct dbg_value value; /* SCOPE_VALUE */
};

struct dap_jump { /* where a goto or a step-in could go: its number is the index + 1 */
    taddr pc;
};

struct dap_hand {
    VEC(struct dap_stack) stacks;
    VEC(struct dap_frame) frames;
    VEC(struct dap_handle) handles;
    VEC(struct dap_jump) jumps;
    uint64_t moves;                  /* rt_stand_moves() at which frames were read */
    int64_t frame_base, handle_base; /* so that numbers of an earlier stop mean nothing */
    struct arena mem;
};

/* A breakpoint that a client has set, as it said it. */
enum dap_set { DAP_SET_SOURCE, DAP_SET_FUNCTION, DAP_SET_INSTRUCTION, DAP_SET_DATA };
struct dap_breakpoint {
    unsigned id; /* of the session; 0: it could not be set */
    enum dap_set set;
    char *key;  /* owned: the path of the source; else "" */
    char *said; /* owned: everything that was said of it, to be compared */
    char *why;  /* owned: why it could not be set; NULL */
    int64_t line;
};

/* A request that was read and waits for its turn. */
struct dap_queued {
    char *text; /* owned */
    size_t n;
    int64_t seq;
    bool cancelled;
    bool halts;  /* asks for the program to stop or end: nothing waits for it longer than that */
    bool leaves; /* of these, a client that only wants to go */
};

struct dap_client {
    struct dap_server *server;
    unsigned id;
    char *name; /* owned: as the session's log calls it */
    int in_fd, out_fd;
    struct dap_in in;
    struct buf out;
    size_t out_at;    /* bytes of out that were sent */
    int64_t stuck_ns; /* since when it has not read anything of a long backlog; 0: it reads */
    int64_t seq;      /* of the next message to it */
    VEC(struct dap_queued) queue;
    bool initialized, in_session, configured, owner, gone, ended_input, leaving;
    struct dap_initialize can; /* as it said; texts are not kept */
    struct {                   /* a request that is answered later */
        bool is;
        int64_t seq;
        const char *command; /* of the row */
    } deferred;
    bool answer_later;   /* the handler says so */
    int64_t handled_seq; /* of the request that is handled */
    bool cancel_handled; /* it was cancelled meanwhile */
    bool changes;        /* it changes something: the log is to have it */
    bool follows;        /* gets the session's log as it grows */
    struct dap_hand hand;
    uint64_t top_stop; /* at that stop, top_frame is that which stopped */
    size_t top_frame;
    VEC(struct dap_breakpoint) breakpoints;
    bool exceptions_said; /* else it wants what is on at first */
    struct {
        bool on;
        char *condition; /* owned; NULL: none */
    } exceptions[DAP_EXCEPTIONS];
};

struct dap_output { /* a pipe from the program, or from a build */
    int fd;         /* -1: none */
    const char *category;
    char held[4]; /* the beginning of a character whose rest is still to come */
    size_t nheld;
};

/* A child of ours that is awaited: a build. */
struct dap_build {
    pid_t pid; /* 0: none */
    struct dap_client *client;
    struct dap_output out;
    struct buf text; /* what it said, the beginning */
    bool again;      /* for a restart */
    bool cancelled;
    char progress_id[32];
};

/* An editor's terminal that is awaited, or in use. */
struct dap_terminal {
    int listen_fd, fd; /* -1 */
    char *dir, *path;  /* owned: of the socket */
    char *tty;         /* owned; NULL: not told yet */
    struct buf said;
    struct dap_client *client; /* who has been asked; NULL: nobody */
    int64_t request_seq;
};

struct dap_log_line {
    char *text; /* owned; JSON */
    size_t n;
};

struct dap_session {
    enum dap_kind kind;
    bool preparing, configured, over_said, asked_to_end;
    struct dbg *d;
    uint64_t stop;     /* counts stops: what was read at another one is old */
    struct snap *snap; /* SNAPSHOT: the file; else of this stop */
    uint64_t snap_stop;
    unsigned snap_depth;
    int64_t snap_pause_ns, snap_wall_ns;
    struct arena mem;         /* of what follows */
    struct dap_launch launch; /* LAUNCHED */
    const char *program;      /* path of what runs */
    char *built;              /* owned: a file that we made and remove; NULL */
    const char *const *argv;
    const char *const *env;
    bool stop_on_entry, hide_system, globals, registers;
    const char *const *source_map;
    const char *const *printer_files; /* NULL-terminated */
    struct dbg_printers *printers;    /* NULL: none yet */
    pid_t pid;
    struct dap_output output[2];
    int keep_fd[2], stdin_fd; /* the program's ends */
    struct dap_build build;
    struct dap_terminal terminal;
    VEC(struct dap_log_line) log;
    uint64_t log_first; /* number of log.v[0] */
    struct {            /* wait for a process of that name to appear */
        char *name;
        struct dap_client *client;
        int64_t next_ns;
        char progress_id[32];
    } wait_for;
};

struct dap_event_later {
    const char *event;
    char *body; /* owned */
    size_t n;
    struct dap_client *only, *except;
};

struct dap_server {
    const struct dap_options *o;
    int listen_fd;
    char *unix_path; /* owned: to be removed */
    VEC(struct dap_client *) clients;
    unsigned next_client;
    struct dap_session session;
    bool handling; /* a request: events wait */
    VEC(struct dap_event_later) later;
    int log_fd;
    int64_t next_progress;
    char progress_id[32];          /* of the request that is handled; "": it tells of none */
    struct dap_client *now;        /* whose request is handled */
    struct {                       /* a request that has functions of the program called */
        struct dap_client *client; /* NULL: there is none */
        char *text;                /* owned: what is asked for */
        int64_t began_ns;          /* 0: nothing was called yet */
        int64_t told_ns;           /* of the last progress event; 0: none */
        bool waits;                /* just now, and others are heard */
        bool refused;              /* somebody, because of it */
    } call;
};

/* ---- server.c ---- */
enum dap_state dap_state_of(const struct dap_client *c);
/* Sends to all clients of the session; only, except: NULL, or one of them. */
void dap_event(struct dap_server *s, const char *event, struct dap_body *body); /* frees it */
void dap_event_to(struct dap_client *c, const char *event, struct dap_body *body);
void dap_event_others(struct dap_client *c, const char *event, struct dap_body *body);
/* To a client whose request is handled: before its answer, and at once as far as it reads. */
void dap_event_now(struct dap_client *c, const char *event, struct dap_body *body);
/* The handler answers later: dap_answer() or dap_refuse(), unless the client goes first. */
void dap_defer(struct dap_client *c);
void dap_answer(struct dap_client *c);
void dap_refuse(struct dap_client *c, struct err *e); /* frees e */
/* Bytes of a pipe become output events; false: it is at its end, and closed. */
bool dap_output_read(struct dap_server *s, struct dap_output *o, struct buf *keep);
void dap_say(struct dap_server *s, const char *category, const char *text, size_t n);
/* A note of ours in every debug console. */
void dap_note(struct dap_server *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Whether the client whose request is handled has cancelled it meanwhile. */
bool dap_cancelled(struct dap_server *s);
/* title: of progressStart; NULL else.  message: may be NULL. */
void dap_progress(struct dap_client *c, const char *event, const char *id, const char *title,
                  const char *message);
/* Of the request that is handled (progress_id), before its answer. */
enum { DAP_NO_PERCENT = 101 };
void dap_progress_now(struct dap_client *c, const char *event, const char *title, unsigned percent);
void dap_client_leave(struct dap_client *c); /* takes it out of the session */
bool dap_may_handle(const struct dap_client *c);
void dap_handle_one(struct dap_client *c); /* the first of its queue */
void dap_hear(struct dap_client *c);       /* reads and sends what can be at once */
void dap_accept(struct dap_server *s);
bool dap_readers_are_behind(const struct dap_server *s);

/* ---- busy.c ---- */
/* What is asked for may have functions of the program called. */
void dap_call_may_begin(struct dap_client *c, const char *what, const char *text);
/* It waits for one (dbg_options.give_up): clients are heard and answered, the program's output is
 * passed on.  True: it is to be given up, because it was cancelled, its client has gone, or
 * somebody wants the program to stop. */
bool dap_call_goes_on(void *server);
void dap_call_ends(struct dap_server *s);
struct err *dap_busy(struct dap_server *s) MUST_USE; /* who asks while it waits */

/* ---- request.c ---- */
void dap_handle_message(struct dap_client *c, const char *text, size_t n, bool cancelled);

/* ---- session.c ---- */
void dap_session_init(struct dap_session *s);
struct err *dap_session_new(struct dap_client *c) MUST_USE;
struct err *dap_session_started(struct dap_client *c) MUST_USE;
struct err *dap_run(struct dap_server *s, const struct dbg_run_spec *how) MUST_USE;
struct err *dap_restart_now(struct dap_server *s) MUST_USE;
/* The goroutine of an event; of a thread without one: -tid. */
int64_t dap_thread_of(const struct dbg_event *ev);
int64_t dap_first_goroutine(struct dap_client *c);
void dap_session_end(struct dap_server *s, bool kill);
void dap_session_poll(struct dap_server *s); /* something of it may have happened */
void dap_event_of(struct dap_server *s, const struct dbg_event *ev);
void dap_moved(struct dap_server *s); /* the program is about to run, or has become another */
/* Runs fn while the program stands, for which it is stopped when it runs, for as short as
 * possible. */
struct err *dap_while_standing(struct dap_server *s, struct err *(*fn)(void *arg), void *arg,
                               int64_t *ret_pause_ns) MUST_USE;
void dap_wait_for_poll(struct dap_server *s); /* attach with waitFor */

/* ---- launch.c, terminal.c ---- */
struct err *dap_build_start(struct dap_client *c, bool again) MUST_USE;
void dap_argv(struct dap_session *s, const char *const *args, size_t n);
const char *const *dap_strings(const char *const *v, size_t n, struct arena *a);
const char *const *dap_source_map(const struct dap_PathPair *v, size_t n, struct arena *a);
bool dap_output_ready(const struct dap_output *o);
void dap_build_poll(struct dap_server *s);
void dap_build_end(struct dap_server *s);
struct err *dap_launch_program(struct dap_client *c) MUST_USE;
struct err *dap_terminal_start(struct dap_client *c) MUST_USE;
void dap_terminal_poll(struct dap_server *s);
void dap_terminal_response(struct dap_client *c, const struct dap_message *m);
void dap_terminal_end(struct dap_server *s);
struct err *dap_terminal_helper(const char *path) MUST_USE;

/* ---- hand.c ---- */
void dap_hand_drop(struct dap_hand *h); /* what it holds means nothing any more */
void dap_hand_free(struct dap_hand *h);
/* Before frames in hand are used: they are read anew when what was read of the program is old,
 * because something was set, or a function was called.  Their numbers stay. */
void dap_hand_fresh(struct dap_client *c);
/* The frames of a thread (a goroutine, or -tid), at least n of them (0: all) when there are. */
struct err *dap_stack_of(struct dap_client *c, int64_t thread, size_t n,
                         size_t *ret_stack) MUST_USE;
struct err *dap_frame_add(struct dap_client *c, size_t stack, unsigned index,
                          int64_t *ret_id) MUST_USE;
struct err *dap_frame_find(struct dap_client *c, int64_t id, size_t *ret) MUST_USE;
const struct rt_frame *dap_frame_at(const struct dap_client *c, size_t frame);
struct err *dap_handle_add(struct dap_client *c, const struct dap_handle *h, int64_t *ret) MUST_USE;
struct err *dap_handle_find(struct dap_client *c, int64_t id, struct dap_handle *ret) MUST_USE;
/* frame SIZE_MAX: none. */
struct expr_ctx dap_ctx(struct dap_client *c, size_t frame, struct arena *a);
/* calls: functions of the program may be called (which changes it), with these options; NULL: not.
 */
struct err *dap_eval(struct dap_client *c, size_t frame, const struct dbg_call_spec *calls,
                     const char *text, struct arena *a, struct dbg_value *ret) MUST_USE;
/* frameId of a request; 0: the innermost of the goroutine that stopped, if there is one (SIZE_MAX:
 * there is none). */
struct err *dap_frame_or_top(struct dap_client *c, int64_t id, size_t *ret) MUST_USE;

/* ---- stack.c ---- */
struct dap_frame_view {
    int64_t id;
    const char *func, *file, *note;
    int64_t line;
    taddr pc;
    bool subtle; /* not the program's own code */
};
void dap_frame_json(struct dap_client *c, const struct dap_frame_view *v, struct json *j);

/* ---- variables.c ---- */
/* Type, text, children and memory of a value as members of the object that is open. */
struct err *dap_value_json(struct dap_client *c, size_t frame, const struct dbg_value *v,
                           const struct value_limits *limits, const char *text_key, bool hex,
                           struct json *j) MUST_USE;

/* The child of a handle that has a name.  NOT_FOUND. */
struct err *dap_child_named(struct dap_client *c, const struct dap_handle *h, const char *name,
                            struct dbg_value *ret) MUST_USE;
/* Memory of the program was changed by us (at 0: not known where): everybody is told. */
void dap_memory_changed(struct dap_client *c, taddr at, uint64_t n);
/* What is shown of an area ("variables", "all") is old; only: NULL, or one client. */
void dap_invalidated(struct dap_server *s, struct dap_client *only, const char *area);

/* ---- snapshot.c ---- */
/* A snapshot of this stop (or the file), at least so deep (0: all); of a program that runs, stopped
 * for it, unless there is one and not `again`. */
struct err *dap_snap(struct dap_client *c, unsigned depth, bool again, struct snap **ret) MUST_USE;
/* What stackTrace and variables answer when the session is a snapshot. */
struct err *dap_file_stack(struct dap_client *c, const struct dap_stackTrace *a,
                           struct json *j) MUST_USE;
struct err *dap_file_variables(struct dap_client *c, size_t frame, struct json *j) MUST_USE;

/* ---- dump.c ---- */
bool dap_is_dump(const char *text); /* "dump FILE" */
struct err *dap_dump(struct dap_client *c, const char *text, struct json *j) MUST_USE;

/* ---- run.c ---- */
bool dap_is_hold(const char *text, int64_t *ret_goroutine, bool *ret_on); /* "hold 7" */
struct err *dap_hold(struct dap_client *c, int64_t goroutine, bool on, struct json *j) MUST_USE;

/* ---- sources.c ---- */
/* A plugin: the module, and the sources that only it has. */
void dap_module_loaded(struct dap_server *s, size_t module);
void dap_source_json(struct dap_client *c, const char *key, const char *path, struct json *j);
const char *dap_path_in(struct dap_client *c, const struct dap_Source *s, struct arena *a);
const char *dap_path_mapped(struct dap_client *c, const char *path, struct arena *a);
int64_t dap_line_out(const struct dap_client *c, int64_t line);
int64_t dap_line_in(const struct dap_client *c, int64_t line);
struct err *dap_address(const char *text, int64_t offset, taddr *ret) MUST_USE;

/* ---- breakpoints.c ---- */
void dap_breakpoint_changed(struct dap_server *s, unsigned id);
/* "function breakpoint" ...; NULL: a plain one. */
const char *dap_breakpoint_reason(struct dap_server *s, unsigned id);
/* Its source and line as members of the object that is open. */
void dap_breakpoint_place(struct dap_server *s, unsigned id, struct json *j);
void dap_breakpoints_drop(struct dap_client *c);   /* a client leaves */
void dap_breakpoints_forget(struct dap_client *c); /* there is no session any more */

/* ---- log.c ---- */
/* Who did what: to the log, its file, and the clients that see the session. */
void dap_log(struct dap_server *s, struct dap_client *c, const char *what, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void dap_log_request(struct dap_client *c, const struct dap_message *m, const struct err *e);
void dap_log_free(struct dap_session *s);

/* ---- handlers: one for each row of requests.def ---- */
#define REQUEST(name, states, flags)                                                               \
    struct err *dap_do_##name(struct dap_client *c, const struct dap_##name *a, struct json *j)    \
        MUST_USE;
#include "front/dap/requests.def"
#undef REQUEST

#endif

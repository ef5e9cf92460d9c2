/* frames.h - what a Go process is doing while it stands: goroutines, their frames, the variables in
 * scope with their places, and what the program consists of.
 *
 * For whoever looks at one place at a time (a debugger), where rt_capture() reads all of a process
 * at once; both use the same code.  The target must stand: a frozen copy, stopped threads, a core.
 * Everything is read when it is first asked for and kept until rt_stand_moved().
 *
 * Owner: rt_stand_close().  What is returned lives in the arena the caller brings, or, where none
 * is brought, until rt_stand_moved().  Thread: one at a time.  A breakpoint's handler, which runs
 * on another thread while the rest of the process goes on, uses an rt_stand of its own. */
#ifndef GOSPECT_RT_FRAMES_H
#define GOSPECT_RT_FRAMES_H

#include "base/regex.h"
#include "image/dwarf_func.h"
#include "rt/value.h"

struct rt_stand;

/* t: what stands and belongs to the rt: its own target, or a frozen copy of it. */
struct err *rt_stand_open(struct rt *rt, struct target *t, struct rt_stand **ret) MUST_USE;
void rt_stand_close(struct rt_stand *st); /* NULL is fine */
/* The process ran and stands again (t: as above): nothing that was read counts any more. */
void rt_stand_moved(struct rt_stand *st, struct target *t);
/* How often that was: what was returned while it was less counts no more. */
uint64_t rt_stand_moves(const struct rt_stand *st);

struct target *rt_stand_target(const struct rt_stand *st);
/* Prints values of the target.  NULL: there is no DWARF; *why (NULL is fine) says so. */
struct values *rt_stand_values(struct rt_stand *st, const char **why);
/* Why of a module (the program, a plugin) there is no DWARF though others have some, in memory of
 * the stand until it moves; NULL: of all there is. */
const char *rt_stand_dark(struct rt_stand *st);
/* Printers of the user for these values (rt/value.h); NULL: none any more. */
void rt_stand_set_printers(struct rt_stand *st, const struct value_printers *p);

/* ---- goroutines ---- */

struct rt_goroutine {
    taddr g; /* its runtime.g */
    uint64_t id, parent_id;
    enum snap_gstatus status;
    const char *wait_reason; /* "" unless it waits */
    int64_t wait_since;      /* CLOCK_MONOTONIC; 0: not known */
    pid_t tid;               /* the thread it is on; 0: none */
    bool running;            /* its frames begin at the registers of tid */
    bool system;             /* the runtime's own */
    bool panicking;
    bool locked;         /* to its thread */
    taddr pc, sp;        /* where it left off, unless it runs */
    taddr gopc, startpc; /* the go statement that made it (behind it); its function */
    taddr labels;        /* 0: none; equal sets of labels are mostly at one address */
    taddr stack_lo, stack_hi;
};

/* All that are not dead, in the order in which the runtime has them (about that of their ids). */
struct err *rt_goroutines(struct rt_stand *st, const struct rt_goroutine **ret,
                          size_t *ret_n) MUST_USE;
/* By number, or address.  NOT_FOUND. */
struct err *rt_goroutine_by_id(struct rt_stand *st, uint64_t id,
                               const struct rt_goroutine **ret) MUST_USE;
/* Reads one g; quick. */
struct err *rt_goroutine_at(struct rt_stand *st, taddr g, struct rt_goroutine *ret) MUST_USE;
/* The same without its thread (tid, running): one read, for handlers. */
struct err *rt_goroutine_brief(struct rt_stand *st, taddr g, struct rt_goroutine *ret) MUST_USE;
/* That of a thread: 0 in *ret->g when it has none (it is idle, or C's own). */
struct err *rt_goroutine_of_thread(struct rt_stand *st, pid_t tid,
                                   struct rt_goroutine *ret) MUST_USE;

struct rt_label {
    const char *key, *value;
};
struct err *rt_labels(struct rt_stand *st, taddr labels, struct arena *a, struct rt_label **ret,
                      size_t *ret_n) MUST_USE; /* ordered by key */

/* ---- frames ---- */

enum rt_stack {
    RT_ON_GOROUTINE,
    RT_ON_G0,     /* the scheduler's stack */
    RT_ON_SIGNAL, /* a signal handler's */
    RT_ON_C,      /* C code; only its pc is known */
};

struct rt_frame {
    taddr pc, sp;  /* sp 0: not known */
    taddr cfa;     /* what sp was before the call; 0: not known */
    taddr entry;   /* of the physical function; 0: not Go code */
    bool exact;    /* pc is about to run; else it is a return address, and the line is that of the
                      call before it */
    bool inlined;  /* into the next frame that is not */
    bool runtime;  /* a function of the runtime's own */
    bool wrapper;  /* made by the compiler: people do not want to see it */
    bool top;      /* nobody called it */
    uint8_t stack; /* enum rt_stack */
    const char *func; /* "main.(*T).m"; C code: its symbol or file, "" when not known */
    const char *file; /* "" when not known */
    int32_t line, start_line;
    const char *module; /* path of the file the code is in; "" for the program itself */
    uint32_t defers;    /* deferred calls that wait for it to return; of inlined ones: 0 */
    uint16_t inline_no; /* 0: the innermost of those at this pc */
    /* What is known of its registers. */
    const struct arch_regs *regs; /* as they are in it; NULL: only what was saved */
    const uint8_t *extended;      /* floating point and vector registers with them; or NULL */
    size_t extended_n;
    taddr saved;    /* asyncPreempt saved them there; 0: no */
    taddr stack_lo; /* of the stack it is on */
    int32_t size;   /* of its part of the stack without the return address; -1: not known */
};

struct rt_frames {
    const struct rt_frame *v; /* innermost first */
    size_t n;
    const char *partial; /* why frames are missing behind the last; NULL: none are */
};

/* At most `max` (0: all) frames; inlined ones count. */
struct err *rt_goroutine_frames(struct rt_stand *st, taddr g, size_t max, struct arena *a,
                                struct rt_frames *ret) MUST_USE;
/* What a thread does: on g0 or in a handler, and then the goroutine it does that for. */
struct err *rt_thread_frames(struct rt_stand *st, pid_t tid, size_t max, struct arena *a,
                             struct rt_frames *ret) MUST_USE;
/* The innermost frame of a thread with these registers (which must live as long): no memory is
 * read; quick, for handlers.  False: it is not Go code. */
bool rt_frame_of_regs(struct rt_stand *st, const struct arch_regs *regs, struct rt_frame *ret);

/* The name of its function to be shown: of generic code with the shape of its type arguments
 * ("main.sum[go.shape.int]"), which the function table of some releases leaves out. */
const char *rt_frame_name(struct rt_stand *st, const struct rt_frame *f);

/* Function and line of a pc; innermost inlined call first. */
size_t rt_where(struct rt_stand *st, taddr pc, bool exact, struct rt_frame *ret, size_t max);

/* A deferred call that waits for a frame to return. */
struct rt_defer {
    taddr pc;         /* of the function that will be called */
    taddr at;         /* of the defer statement; 0: not known */
    taddr sp;         /* of the frame */
    const char *func; /* "" when not known */
};
/* Of a goroutine, the next one first. */
struct err *rt_defers(struct rt_stand *st, taddr g, struct arena *a, struct rt_defer **ret,
                      size_t *ret_n) MUST_USE;

/* ---- variables ---- */

enum rt_var_kind { RT_VAR_ARG, RT_VAR_RESULT, RT_VAR_LOCAL, RT_VAR_CAPTURED, RT_VAR_PACKAGE };

struct rt_piece {    /* of a value that is not in one place in memory */
    uint32_t off, n; /* bytes of the value */
    int reg;         /* DWARF's number; -1: in memory */
    taddr addr;      /* reg -1: where; 0: nowhere, or a constant */
};

struct rt_var {
    const char *name, *type; /* type: name as source has it */
    uint8_t kind;            /* enum rt_var_kind */
    bool escaped;            /* lives on the heap */
    bool shadowed;           /* another one of the same name hides it here */
    uint16_t block;          /* how many blocks deep it is declared */
    const char *file;
    uint32_t line;                 /* of its declaration; 0: not known */
    struct value value;            /* its bytes are the arena's */
    const char *why;               /* NULL, or why it has no value */
    bool optimized_out;            /* why: the compiler did not keep it */
    const struct rt_piece *pieces; /* of what is not in memory as a whole */
    size_t npieces;
};

/* Those in scope, outer blocks first, arguments before the rest as they are declared. */
struct err *rt_vars(struct rt_stand *st, const struct rt_frame *f, struct arena *a,
                    struct rt_var **ret, size_t *ret_n) MUST_USE;

/* Variables that a closure captured: code pc, its variables at `closure` (value_func_of()).  None
 * before Go 1.23, whose DWARF does not tell. */
struct err *rt_closure_vars(struct rt_stand *st, taddr pc, taddr closure, struct arena *a,
                            struct rt_var **ret, size_t *ret_n) MUST_USE;

/* What rt_vars() gives for one name, in two steps: which variable it is at a place of the code,
 * once, and its value in a frame that is there, often (few reads; what is returned lives until
 * rt_slot_free() or the next rt_slot_value() of the slot). */
struct rt_slot;
struct err *rt_slot_find(struct rt_stand *st, taddr pc, bool exact, uint16_t inline_no,
                         const char *name, struct rt_slot **ret) MUST_USE; /* NOT_FOUND */
void rt_slot_free(struct rt_slot *s);
void rt_slot_value(struct rt_stand *st, struct rt_slot *s, const struct rt_frame *f,
                   const struct rt_var **ret);

/* A register of a frame by DWARF's number, n bytes at most 16. */
struct err *rt_frame_reg(struct rt_stand *st, const struct rt_frame *f, unsigned reg, void *dst,
                         size_t n) MUST_USE;

/* ---- what the program consists of ---- */

/* A package variable by its full name ("main.x", "net/http.DefaultClient").  NOT_FOUND. */
struct err *rt_package_var(struct rt_stand *st, const char *name, struct arena *a,
                           struct rt_var *ret) MUST_USE;
/* Where a function begins; 0: there is none of that name. */
taddr rt_function_entry(struct rt_stand *st, const char *name);
/* Names, ordered, that match (NULL: all): package variables, functions, types, source files. */
enum rt_names { RT_NAMES_VARS, RT_NAMES_FUNCS, RT_NAMES_TYPES, RT_NAMES_FILES };
struct err *rt_names(struct rt_stand *st, enum rt_names what, const struct regex *re,
                     struct arena *a, const char *const **ret, size_t *ret_n) MUST_USE;

#endif

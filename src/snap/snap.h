/* snap.h - a snapshot: the immutable evidence of one instant of a process.
 *
 * rt/ captures it (or snap_read_file() brings it back); diag/, heap/, report/ and front/ read it
 * and nothing else.  It is a set of tables of columns, declared in schema.def.  `s->goroutine.n` is
 * the number of rows, `s->goroutine.id[i]` a cell.
 *
 * Owner: who created it calls snap_free().  Thread: one writer while it is built; any number of
 * readers afterwards. */
#ifndef GOSPECT_SNAP_SNAP_H
#define GOSPECT_SNAP_SNAP_H

#include "base/err.h"
#include "base/map.h"
#include "base/types.h"

#define SNAP_NONE UINT32_MAX
#define SNAP_DEPTH_MAX 65535 /* frames of a stack; a deeper one is cut, and marked so */

/* Go: runtime/runtime2.go, _G*.  Our own numbers, because Go's changed in 1.26. */
enum snap_gstatus {
    SNAP_G_IDLE,
    SNAP_G_RUNNABLE,
    SNAP_G_RUNNING,
    SNAP_G_SYSCALL,
    SNAP_G_WAITING,
    SNAP_G_COPYSTACK,
    SNAP_G_PREEMPTED,
    SNAP_G_LEAKED,
    SNAP_G_DEAD, /* about to end: seen between allgs and its free list */
    SNAP_G_UNKNOWN,
    SNAP_G_COUNT,
};

enum snap_gflag {
    SNAP_GF_SYSTEM = 1 << 0,        /* the runtime's own (isSystemGoroutine) */
    SNAP_GF_LOCKED = 1 << 1,        /* locked to its thread */
    SNAP_GF_SCAN = 1 << 2,          /* its stack was being scanned (_Gscan) */
    SNAP_GF_CGO = 1 << 3,           /* in C code, or called back from it */
    SNAP_GF_ASYNC = 1 << 4,         /* preempted asynchronously */
    SNAP_GF_NOT_VALIDATED = 1 << 5, /* goroutine consistency: it moved each time we looked */
    SNAP_GF_STACK_PARTIAL = 1 << 6, /* outer frames are missing */
    SNAP_GF_PARKING = 1 << 7,       /* between gopark and being parked */
    SNAP_GF_PANICKING = 1 << 8,     /* a panic is in flight */
    SNAP_GF_DURABLE = 1 << 9,       /* durably blocked inside a synctest bubble */
    SNAP_GF_PRINT_PART = 1 << 10,   /* its print does not have all the memory there was */
    SNAP_GF_PRINT_CODE = 1 << 11,   /* its code ahead may do what its print does not tell */
};

enum snap_pcflag {
    SNAP_PC_EXACT = 1 << 0, /* the instruction itself, not a return address */
};

enum snap_frameflag {
    SNAP_FF_INLINED = 1 << 0,
    SNAP_FF_FOREIGN = 1 << 1, /* not Go: C, vDSO */
    SNAP_FF_TOP = 1 << 2,     /* outermost by nature: goexit, mstart, rt0_go */
};

/* Go: internal/abi/symtab.go FuncID; only what changes how a stack is shown or judged. */
enum snap_funcid {
    SNAP_FN_NORMAL,
    SNAP_FN_WRAPPER,
    SNAP_FN_GOPANIC,
    SNAP_FN_SIGPANIC,
    SNAP_FN_PANICWRAP,
    SNAP_FN_GOEXIT,
    SNAP_FN_RUNTIME_MAIN,
    SNAP_FN_ASYNC_PREEMPT,
    SNAP_FN_SYSTEMSTACK,
    SNAP_FN_MORESTACK,
    SNAP_FN_MCALL,
    SNAP_FN_CGOCALLBACK,
    SNAP_FN_RUN_FINALIZERS,
    SNAP_FN_RUN_CLEANUPS,
    SNAP_FN_HANDLE_ASYNC_EVENT,
    SNAP_FN_COROSTART,
    SNAP_FN_OTHER, /* another special runtime function */
};

enum snap_waitkind {
    SNAP_W_UNKNOWN,
    SNAP_W_CHAN_RECV,
    SNAP_W_CHAN_SEND,
    SNAP_W_SELECT_RECV,
    SNAP_W_SELECT_SEND,
    SNAP_W_SEMA,
    SNAP_W_COND,
    SNAP_W_READ,  /* the network poller: until a file can be read */
    SNAP_W_WRITE, /* or be written to */
    SNAP_W_CORO,  /* a coroutine (iter.Pull): until it is switched to */
    SNAP_W_COUNT,
};

/* As what a goroutine waits for a lock. */
enum snap_waitrole {
    SNAP_ROLE_NONE,
    SNAP_ROLE_LOCKER, /* wants it for itself; of an RWMutex: a writer behind another writer */
    SNAP_ROLE_WRITER, /* of an RWMutex: is the writer, waits until readers have left */
    SNAP_ROLE_READER, /* of an RWMutex: waits until the writer has left */
    SNAP_ROLE_COUNT,
};

enum snap_waitflag {
    SNAP_WF_QUEUED = 1 << 0,   /* it is in the queue of what it waits for */
    SNAP_WF_GRANTED = 1 << 1,  /* it was taken out of the queue, and has not run since */
    SNAP_WF_CASES = 1 << 2,    /* of a select: all cases are known, those on nil channels, too */
    SNAP_WF_NIL_CASE = 1 << 3, /* of a select: a case on a nil channel, which never comes */
};

/* What goroutines wait for. */
enum snap_objkind {
    SNAP_OBJ_UNKNOWN,
    SNAP_OBJ_CHAN,
    SNAP_OBJ_MUTEX,
    SNAP_OBJ_RWMUTEX,
    SNAP_OBJ_WAITGROUP,
    SNAP_OBJ_COND,
    SNAP_OBJ_ONCE,
    SNAP_OBJ_SEMA, /* a semaphore that is none of these */
    SNAP_OBJ_POLL, /* a network connection or another file */
    SNAP_OBJ_CORO, /* a coroutine */
    SNAP_OBJ_COUNT,
};

/* Where the name of an object is from, best first. */
enum snap_naming {
    SNAP_NAMED_NONE,
    SNAP_NAMED_GLOBAL, /* it is a package-level variable, or a field of one */
    SNAP_NAMED_FIELD,  /* a field of a heap object whose type is known */
    SNAP_NAMED_LOCAL,  /* a variable of a goroutine that waits for it */
    SNAP_NAMED_PATH,   /* a global leads to it */
    SNAP_NAMED_COUNT,
};

enum snap_chanflag {
    SNAP_CF_CLOSED = 1 << 0,
    SNAP_CF_BUSY = 1 << 1, /* its own lock is held: somebody sends, receives or closes */
};

enum snap_lockflag {
    SNAP_LOCK_HELD = 1 << 0,     /* Mutex, and what has one in it: somebody holds it */
    SNAP_LOCK_WOKEN = 1 << 1,    /* a waiter was woken and tries to take it */
    SNAP_LOCK_STARVING = 1 << 2, /* handed over in turn, because somebody waited for over 1 ms */
    SNAP_LOCK_WRITER = 1 << 3,   /* RWMutex: a writer holds it or waits for readers to leave */
    SNAP_LOCK_DONE = 1 << 4,     /* Once: done */
};

enum snap_pollflag {
    SNAP_PF_CLOSING = 1 << 0,
};

enum snap_panicflag {
    SNAP_PANIC_RECOVERED = 1 << 0,
    SNAP_PANIC_GOEXIT = 1 << 1, /* runtime.Goexit, not a panic */
};

enum snap_tflag {
    SNAP_TF_SPINNING = 1 << 0,
    SNAP_TF_BLOCKED = 1 << 1, /* parked on a note */
    SNAP_TF_IN_CGO = 1 << 2,
    SNAP_TF_EXTRA = 1 << 3, /* stands for a thread C created */
    SNAP_TF_IDLE = 1 << 4,
    SNAP_TF_TEMPLATE = 1 << 5,
};

enum snap_where {
    SNAP_AT_UNKNOWN,
    SNAP_AT_GO,      /* Go code on a goroutine's stack */
    SNAP_AT_G0,      /* the runtime, on the scheduler's stack */
    SNAP_AT_GSIGNAL, /* a signal handler */
    SNAP_AT_FOREIGN, /* C, vDSO or unknown code */
};

enum snap_pstatus {
    SNAP_P_IDLE,
    SNAP_P_RUNNING,
    SNAP_P_SYSCALL,
    SNAP_P_GCSTOP,
    SNAP_P_DEAD,
    SNAP_P_UNKNOWN,
};

enum snap_localflag {
    SNAP_LF_ARG = 1 << 0,
    SNAP_LF_RESULT = 1 << 1,
    SNAP_LF_UNREADABLE = 1 << 2, /* value says why */
    SNAP_LF_ESCAPED = 1 << 3,    /* lives on the heap */
};

enum snap_spanflag {
    SNAP_SPF_NO_POINTERS = 1 << 0,
    SNAP_SPF_LARGE = 1 << 1,      /* one object, whose size is that of the pages */
    SNAP_SPF_HEADER = 1 << 2,     /* objects begin with 8 bytes that name their type */
    SNAP_SPF_TINY = 1 << 3,       /* slots hold several small values without pointers each */
    SNAP_SPF_USER_ARENA = 1 << 4, /* package arena */
    SNAP_SPF_INLINE_MARKS = 1 << 5,
};

/* What the type of a shape is to the object. */
enum snap_form {
    SNAP_FORM_UNKNOWN,
    SNAP_FORM_VALUE,   /* one value of the type (or several: an array that a pointer refers to) */
    SNAP_FORM_ARRAY,   /* backing array of a slice; type: of its elements */
    SNAP_FORM_STRING,  /* bytes of a string */
    SNAP_FORM_MAP,     /* header of a map; type: the map's, here and in what follows */
    SNAP_FORM_MAP_DIR, /* directory of its tables (1.24+) */
    SNAP_FORM_MAP_TABLE,
    SNAP_FORM_MAP_GROUPS, /* groups of entries; buckets before 1.24 */
    SNAP_FORM_MAP_EXTRA,  /* what keeps overflow buckets (before 1.24) */
    SNAP_FORM_CHAN,       /* channel, with its buffer when the elements have no pointers */
    SNAP_FORM_CHAN_BUF,   /* buffer of one; type: of its elements */
    SNAP_FORM_CLOSURE,    /* pc: its code; type: a struct of what it captured, where known */
    SNAP_FORM_TINY,       /* a block of the tiny allocator: several small values */
    SNAP_FORM_COUNT,
};

/* type.kind.  Go: internal/abi/type.go Kind, as reflect.Kind; the same in every release. */
enum snap_kind {
    SNAP_KIND_BOOL = 1,
    SNAP_KIND_INT = 2, /* to INT64 those with a sign */
    SNAP_KIND_INT64 = 6,
    SNAP_KIND_UINT = 7, /* to UINTPTR those without */
    SNAP_KIND_UINTPTR = 12,
    SNAP_KIND_FLOAT32 = 13,
    SNAP_KIND_FLOAT64 = 14,
    SNAP_KIND_COMPLEX64 = 15,
    SNAP_KIND_COMPLEX128 = 16,
    SNAP_KIND_ARRAY = 17,
    SNAP_KIND_CHAN = 18,
    SNAP_KIND_FUNC = 19,
    SNAP_KIND_INTERFACE = 20,
    SNAP_KIND_MAP = 21,
    SNAP_KIND_POINTER = 22,
    SNAP_KIND_SLICE = 23,
    SNAP_KIND_STRING = 24,
    SNAP_KIND_STRUCT = 25,
    SNAP_KIND_UNSAFE_POINTER = 26,
};

/* How the shape of an object is known, best first; SNAP_EV_CODE comes behind SNAP_EV_INTERFACE. */
enum snap_evidence {
    SNAP_EV_NONE,
    SNAP_EV_HEADER,    /* the runtime wrote the type beside the object */
    SNAP_EV_INTERFACE, /* an interface value names the type of what it points to */
    SNAP_EV_ROOT,      /* the type of a variable that points to it */
    SNAP_EV_FLOW,      /* the type of the field of another object that points to it */
    SNAP_EV_GUESS, /* strings or slices point into it; or the only type with this size and pointers
                    */
    SNAP_EV_CODE,  /* the program's code, which says with which type it makes such an object */
    SNAP_EV_COUNT,
};

enum snap_rootkind {
    SNAP_ROOT_GLOBAL,   /* data and bss of the program and its plugins */
    SNAP_ROOT_STACK,    /* a goroutine's stack */
    SNAP_ROOT_REGISTER, /* of a thread that runs a goroutine, or saved off the stack when a signal
                           stopped one */
    SNAP_ROOT_SPECIAL,  /* finalizer or cleanup: its function, or what only that function keeps */
    SNAP_ROOT_QUEUE,    /* finalizers and cleanups that wait to be run */
    SNAP_ROOT_OTHER,    /* the runtime's own memory outside the heap; what threads have in hand */
    SNAP_ROOT_COUNT,
};

enum snap_rootflag {
    SNAP_RF_CONSERVATIVE = 1 << 0, /* a word that may be a pointer: the runtime treats it as one */
    SNAP_RF_INTERIOR = 1 << 1,     /* it does not point to the object's first byte */
};

enum snap_specialkind {
    SNAP_SPECIAL_OTHER,
    SNAP_SPECIAL_FINALIZER,
    SNAP_SPECIAL_CLEANUP,
    SNAP_SPECIAL_WEAK,
    SNAP_SPECIAL_PROFILE,
    SNAP_SPECIAL_PINNED,
    SNAP_SPECIAL_COUNT,
};

/* What a goroutine will do to an object that others wait for. */
enum snap_act {
    SNAP_ACT_OTHER,      /* something that this version does not know */
    SNAP_ACT_UNLOCK,     /* of a Mutex, or of a RWMutex for writing */
    SNAP_ACT_RUNLOCK,    /* of a RWMutex for reading */
    SNAP_ACT_LOCK_AGAIN, /* unlock what it holds and is waiting to lock itself */
    SNAP_ACT_SEND,
    SNAP_ACT_RECV,
    SNAP_ACT_CLOSE,
    SNAP_ACT_DONE, /* WaitGroup */
    SNAP_ACT_SIGNAL,
    SNAP_ACT_BROADCAST,
    SNAP_ACT_RESUME, /* a coroutine (iter.Pull) */
    SNAP_ACT_TAKE,   /* lock, or try to lock, while it holds another lock; not without
                        RT_OWNERS_ACTIVE */
    SNAP_ACT_COUNT,
};

/* How sure that is. */
enum snap_proof {
    SNAP_PROOF_PROVED, /* a pending deferred call does it, or every path of the code ahead */
    SNAP_PROOF_STRONG, /* a path that agrees with memory as it is does it, and nobody else would */
    SNAP_PROOF_WEAK,
    SNAP_PROOF_COUNT,
};

/* How that was told. */
enum snap_how {
    SNAP_HOW_DEFER,     /* a deferred call that is pending */
    SNAP_HOW_ALL_PATHS, /* every path through the code ahead that does not panic */
    SNAP_HOW_SOME_PATH,
    SNAP_HOW_AGAINST, /* only paths against what memory says now */
    SNAP_HOW_MIXED,   /* some paths take it first, others release it first */
    SNAP_HOW_RIVAL,   /* another goroutine would do the same to what only one can hold */
    SNAP_HOW_COUNT,
};

/* How it was told who closed a channel. */
enum snap_closed {
    SNAP_CLOSED_OTHER,    /* something that this version does not know */
    SNAP_CLOSED_BEHIND,   /* its frame stands behind the call, whichever way it came, and still has
                             the channel */
    SNAP_CLOSED_PASSED,   /* the same, but there are ways that do not make the call */
    SNAP_CLOSED_LEFT,     /* some way makes the call, and the channel was left where a call's
                             argument lies: of that call, or of a later one */
    SNAP_CLOSED_RIVAL,    /* several goroutines stand behind such a call, but only one closed it */
    SNAP_CLOSED_VARIABLE, /* code: it closes the variable that holds the channel */
    SNAP_CLOSED_TYPE,     /* code: it closes channels of this type */
    SNAP_CLOSED_CODE,     /* code: it closes a channel of a type that is not known */
    SNAP_CLOSED_COUNT,
};

/* Why the code ahead of a goroutine may do more than was seen. */
enum snap_aheadflag {
    SNAP_AH_UNKNOWN_UNLOCK = 1 << 0, /* it releases something whose address is not known */
    SNAP_AH_UNKNOWN_CALL = 1 << 1,   /* it calls code that is not known */
    SNAP_AH_CUT = 1 << 2,            /* there was more code than was looked at */
    SNAP_AH_STACK = 1 << 3,          /* its stack is not known whole */
    SNAP_AH_SKIPPED = 1 << 4,        /* it was not looked at at all */
    SNAP_AH_IN_LOCK = 1 << 5,        /* it is about to take a lock, and not in its queue yet */
    SNAP_AH_HAS_NONE = 1 << 6,       /* but by its code it releases no more locks than it takes */
};

/* A lock that nobody was seen to release. */
enum snap_unownedflag {
    SNAP_UN_STATIC = 1 << 0, /* it lies in the program's data */
    SNAP_UN_CODE = 1 << 1,   /* such code as may be called through a pointer releases it */
};

enum snap_bucketkind { SNAP_BUCKET_MEM, SNAP_BUCKET_BLOCK, SNAP_BUCKET_MUTEX, SNAP_BUCKET_COUNT };

#define SNAP_CTYPE_U8 uint8_t
#define SNAP_CTYPE_U16 uint16_t
#define SNAP_CTYPE_U32 uint32_t
#define SNAP_CTYPE_U64 uint64_t
#define SNAP_CTYPE_I64 int64_t
#define SNAP_CTYPE_STR uint32_t
#define SNAP_CTYPE_IDX uint32_t

#define TABLE(table, doc)                                                                          \
    struct snap_##table {                                                                          \
        size_t n, cap;
#define COL(table, type, name, doc) SNAP_CTYPE_##type *name;
#define END(table)                                                                                 \
    }                                                                                              \
    ;
#include "snap/schema.def"
#undef TABLE
#undef COL
#undef END

struct snap {
    struct intern strings;
#define TABLE(table, doc) struct snap_##table table;
#define COL(table, type, name, doc)
#define END(table)
#include "snap/schema.def"
#undef TABLE
#undef COL
#undef END
};

struct snap *snap_new(void);
void snap_free(struct snap *s);
size_t snap_memory(const struct snap *s); /* bytes held */
void snap_trim(struct snap *s);           /* when no rows will be added: gives back what is left */

/* Appends a row of zeros (MAYBE and LINK columns: SNAP_NONE) to a table and returns its number:
 * snap_add_goroutine(s) and so on. */
#define TABLE(table, doc) uint32_t snap_add_##table(struct snap *s);
#define COL(table, type, name, doc)
#define END(table)
#include "snap/schema.def"
#undef TABLE
#undef COL
#undef END

/* Makes a table n rows long, new ones as above, for amounts that a target decides:
 * snap_resize_slot(s, n).  ERR_LIMIT: more than a table can have; ERR_NOMEM. */
#define TABLE(table, doc) struct err *snap_resize_##table(struct snap *s, size_t n) MUST_USE;
#define COL(table, type, name, doc)
#define END(table)
#include "snap/schema.def"
#undef TABLE
#undef COL
#undef END

/* Appends bytes to the table edge.  ERR_LIMIT beyond 4 GiB. */
struct err *snap_append_edges(struct snap *s, const uint8_t *bytes, size_t n) MUST_USE;

/* Text of a STR cell. */
static inline const char *snap_str(const struct snap *s, uint32_t id)
{
    return intern_get(&s->strings, id);
}

/* heapobj.fingerprint: what a reference points at, the same for all references to the same word of
 * objects of one type.  type: a string (schema.def); one of another snapshot has another number. */
static inline uint64_t snap_fingerprint(uint32_t type, uint32_t offset)
{
    return (uint64_t)type << 32 | offset;
}
static inline uint32_t snap_fingerprint_type(uint64_t fingerprint)
{
    return (uint32_t)(fingerprint >> 32);
}
static inline uint32_t snap_fingerprint_offset(uint64_t fingerprint)
{
    return (uint32_t)fingerprint;
}

/* Facts by name; the keys are those of meta.def. */
enum snap_meta_key {
#define META(name, doc) SNAP_META_##name,
#include "snap/meta.def"
#undef META
    SNAP_META_COUNT,
};
const char *snap_meta_name(enum snap_meta_key key);
void snap_set_meta(struct snap *s, enum snap_meta_key key, const char *value);
void snap_set_meta_i64(struct snap *s, enum snap_meta_key key, int64_t value);
const char *snap_meta(const struct snap *s, enum snap_meta_key key); /* NULL: not known */
int64_t snap_meta_i64(const struct snap *s, enum snap_meta_key key, int64_t fallback);

void snap_set_counter(struct snap *s, const char *name, int64_t value);
bool snap_counter(const struct snap *s, const char *name, int64_t *ret);

/* Says that `count` of `what` could not be read; equal pairs of what and why are added up. */
void snap_note_missing(struct snap *s, uint64_t count, const char *what, const char *why);

/* The words people use: "chan receive" stays what the target says, these are ours. */
const char *snap_gstatus_name(enum snap_gstatus st);
const char *snap_pstatus_name(enum snap_pstatus st);
const char *snap_where_name(enum snap_where w);
const char *snap_waitkind_name(enum snap_waitkind k);
const char *snap_objkind_name(enum snap_objkind k); /* channel, mutex, rwmutex ... */
const char *snap_act_name(enum snap_act a);         /* "unlock", "lock-again" ... */
const char *snap_proof_name(enum snap_proof p);     /* "proved", "strong", "weak" */
const char *snap_how_name(enum snap_how h);

/* A wrapper that called one of these is where things went wrong, and so is shown (stack.c). */
static inline bool snap_is_panic(uint8_t func_id)
{
    return func_id == SNAP_FN_GOPANIC || func_id == SNAP_FN_SIGPANIC ||
           func_id == SNAP_FN_PANICWRAP;
}

/* Walks a stack from the innermost frame outwards, inlined calls expanded.
 *
 *     struct snap_stack_iter it;
 *     snap_stack_iter_init(&it, s, s->goroutine.stack[g]);
 *     while (snap_stack_next(&it)) use(it.frame, it.pc);
 *
 * A frame that the runtime hides (a wrapper that called something else than a panic) is skipped
 * unless it.all is set after init. */
struct snap_stack_iter {
    const struct snap *s;
    uint32_t node;    /* next stack node */
    uint32_t at, end; /* rows of frame still to come for the current pc */
    enum snap_funcid callee;
    bool all;
    uint32_t frame; /* out: row of frame; SNAP_NONE: code we know nothing about */
    uint32_t pc;    /* out: row of pc */
    uint32_t index; /* out: its number from the innermost, hidden ones counted (local.frame) */
    uint32_t seen;  /* frames gone by */
};
void snap_stack_iter_init(struct snap_stack_iter *it, const struct snap *s, uint32_t node);
bool snap_stack_next(struct snap_stack_iter *it);

/* The rows of label of a set, of wait and of local of a goroutine: *first and how many. */
uint32_t snap_labels_of(const struct snap *s, uint32_t set, uint32_t *first);
uint32_t snap_waits_of(const struct snap *s, uint32_t g, uint32_t *first);
uint32_t snap_locals_of(const struct snap *s, uint32_t g, uint32_t *first);

/* Whether the snapshot keeps the promises of schema.def: what is read back from a file does, and
 * what is captured must (the writer refuses it else).  ERR_BAD_DATA names the column and the row.
 */
struct err *snap_check(const struct snap *s) MUST_USE;

/* How long goroutine g has waited, ns, at the instant of the snapshot; -1: not known.  The runtime
 * notes the begin of a wait only when a GC scans the stack, so this is a lower bound. */
int64_t snap_wait_ns(const struct snap *s, uint32_t g);

/* Files (docs/formats/snapshot.md).  The writer replaces the file only when it is complete. */
struct err *snap_write_file(const struct snap *s, const char *path) MUST_USE;
struct err *snap_write_to(const struct snap *s,
                          struct err *(*sink)(void *arg, const void *bytes, size_t n),
                          void *arg) MUST_USE;
struct err *snap_read_file(const char *path, struct snap **ret) MUST_USE;
struct err *snap_read_bytes(const void *bytes, size_t n, const char *name,
                            struct snap **ret) MUST_USE; /* the bytes may go afterwards */
bool snap_is_file(const char *path);                     /* carries our magic */

#endif

/* code_follow.h - what the code of a function makes, and where it puts it.
 *
 * Allocation names its type: the compiler passes the address of a descriptor to the runtime, in
 * stripped programs as well.  So code says what it makes.  A function is read from its entry to its
 * end, and the values of registers and of places in its frame are followed where they are plain to
 * see: the address of something, a new object, what a variable holds.
 *
 * Invariant: what is told is true for every run of the function that gets there.  Whatever cannot
 * be followed is unknown. */
#ifndef GOSPECT_RT_CODE_FOLLOW_H
#define GOSPECT_RT_CODE_FOLLOW_H

#include "rt/rt_int.h"

enum code_kind {
    CODE_UNKNOWN,
    CODE_ADDRESS, /* `at` itself: of a function, a type, a variable */
    CODE_NEW,     /* a pointer to a new object; `at`: address of its type, form: what it is of it */
    CODE_KEPT,    /* result of a call that keeps all registers: a write barrier */
    CODE_LOADED,  /* what is in memory: in the word at `at`; depth 1: at off[0] of what that points
                     to, and so on */
    CODE_ENTRY, /* argument number `at`, as it was when the function was entered (CODE_CONTEXT: the
                   closure); depth as before.  Only with CODE_BY_ENTRY or CODE_BY_FRAME */
    CODE_FRAME, /* the word `at` bytes above the stack pointer; depth as before.  Only with
                   CODE_BY_FRAME */
};

enum { CODE_ARGS = 9, CODE_CONTEXT = CODE_ARGS, CODE_DEPTH = 3 };

/* How values are told that depend on the call. */
enum code_view {
    CODE_BY_ITSELF, /* not at all */
    CODE_BY_ENTRY,  /* by what the function was called with */
    CODE_BY_FRAME,  /* by where they lie in the frame, when they do: the words may change later */
};

struct code_value { /* small: there are many */
    uint8_t kind;   /* enum code_kind */
    uint8_t form;   /* enum snap_form */
    uint8_t depth;
    int32_t off[CODE_DEPTH];
    int32_t add; /* the address so many bytes behind that; only with code_events.inner */
    taddr at;
};

/* The word at byte `off` of what a value points to. */
struct code_value code_load(struct code_value base, int64_t off);

struct code_events {
    /* A word is stored at byte `off` of what base points to. */
    void (*store)(void *arg, struct code_value base, int64_t off, struct code_value v);
    /* A call of the function at `target` (0: not known) with these arguments; returns its first
     * result. */
    struct code_value (*call)(void *arg, taddr target, const struct code_value args[CODE_ARGS]);
    void *arg;
    enum code_view view;
    bool inner;    /* addresses of fields are told, too */
    taddr *behind; /* before `call`: its return address is put here; may be NULL */
};

/* Follows the function at `code` (n bytes, at address pc); very long ones are left out.  One thread
 * for each call. */
void code_follow(const struct arch *arch, const uint8_t *code, size_t n, taddr pc,
                 const struct code_events *ev);

#endif

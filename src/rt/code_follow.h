/* code_follow.h - what the code of a function makes, and where it puts it.
 *
 * Allocation names its type: the compiler passes the address of a descriptor to the runtime, in
 * stripped programs as well.  So code says what it makes.  A function is read from its entry to its
 * end, and the values of registers and of places in its frame are followed where they are plain to
 * see: the address of something, a new object, what a variable holds.
 *
 * Invariant: nothing is taken over from code that may not have run just before.  At the target of a
 * jump, behind a jump that is always taken and behind a call (but for its result and the frame)
 * nothing is known.  What is told is therefore true for every run of the function. */
#ifndef GOSPECT_RT_CODE_FOLLOW_H
#define GOSPECT_RT_CODE_FOLLOW_H

#include "rt/rt_int.h"

enum code_kind {
    CODE_UNKNOWN,
    CODE_ADDRESS, /* `at` itself: of a function, a type, a variable */
    CODE_NEW,     /* a pointer to a new object; `at`: address of its type */
};

struct code_value {
    enum code_kind kind;
    taddr at;
};

enum { CODE_ARGS = 9 };

struct code_events {
    /* A word is stored at byte `off` of what a register points to. */
    void (*store)(void *arg, struct code_value base, int64_t off, struct code_value v);
    /* A call of the function at `target` (0: not known) with these arguments; returns its first
     * result. */
    struct code_value (*call)(void *arg, taddr target, const struct code_value args[CODE_ARGS]);
    void *arg;
};

/* Follows the function at `code` (n bytes, at address pc).  One thread for each call. */
void code_follow(const struct arch *arch, const uint8_t *code, size_t n, taddr pc,
                 const struct code_events *ev);

#endif

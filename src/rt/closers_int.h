/* closers_int.h - who closed a channel: what the files closers*.c share.
 *
 *     closers_code.c   which code closes channels, and how each function gets at the channel
 *     closers_path.c   whether a place in a function lies behind a call
 *     closers_type.c   whether a piece of code can close channels of a type
 *     closers.c        leads; rows of the table closer */
#ifndef GOSPECT_RT_CLOSERS_INT_H
#define GOSPECT_RT_CLOSERS_INT_H

#include "rt/ahead_int.h"
#include "rt/code_follow.h"

/* ---- closers_code.c ---- */

/* A call that closes a channel: of runtime.closechan, or of a function that does. */
struct closing {
    taddr behind; /* its return address */
    taddr site;   /* the same of the call of runtime.closechan that it leads to */
    /* The channel, by what the function was called with, and by where it lies in the frame. */
    struct code_value by_entry, by_frame;
};

struct closing_fn {
    taddr entry, end;
    VEC(struct closing) v;
};

struct closings {
    struct map by_entry; /* entry of a function -> index of fns */
    VEC(struct closing_fn) fns;
    bool cut; /* there are more than were looked at */
};
/* Reads the code of the program, from its file where that has it; nothing must stand still. */
void closings_find(struct rt *rt, struct closings *ret);
void closings_free(struct closings *c);
/* What a function passes to the call with this return address, by its frame; false: not told. */
bool closings_args(struct rt *rt, taddr behind, struct code_value args[CODE_ARGS]);
/* v, which is told by what a function was called with, as its caller tells it. */
struct code_value closings_in_caller(struct code_value v, const struct code_value args[CODE_ARGS]);

/* What a value is now, of a frame with this stack pointer; false: not told, or not readable. */
bool closings_value(struct ahead_mem *m, const struct code_value *v, taddr sp, taddr *ret);

/* ---- closers_path.c ---- */

/* Where a frame stands in its function. */
struct closing_place {
    uint32_t fn; /* of ahead_code */
    taddr pc;
    bool exact;   /* else pc is a return address */
    int64_t slot; /* the word of the frame, from the stack pointer, that must not have been written
                     since; below 0: none */
};

enum closing_passed {
    CLOSING_NOT,    /* no path leads from behind the call to the place */
    CLOSING_MAYBE,  /* some do */
    CLOSING_ALWAYS, /* whoever is at the place has made the call, and the word is as it was */
};
enum closing_passed closing_passed(struct ahead_code *k, const struct closing_place *at,
                                   taddr behind);

/* ---- closers_type.c ---- */

enum closing_fits { CLOSING_UNKNOWN, CLOSING_FITS, CLOSING_OTHER };
/* Whether what the function at `entry` closes, told by its arguments, is a channel whose elements
 * have the type of this name.  By DWARF; without: CLOSING_UNKNOWN. */
enum closing_fits closing_fits(struct rt *rt, taddr entry, const struct code_value *v,
                               const char *elem);

#endif

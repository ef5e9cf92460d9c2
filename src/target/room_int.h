/* room_int.h - whether there is room for a copy of a process, and watching that it stays so. */
#ifndef GOSPECT_TARGET_ROOM_INT_H
#define GOSPECT_TARGET_ROOM_INT_H

#include "target/cgroup_int.h"

struct copy_room {
    struct memory_room memory;
    uint64_t keep_free;  /* below this the copy goes */
    uint64_t worst_case; /* what the copy takes when every page of it is written to */
    bool watch;          /* worst_case could come to more than there is */
};

/* Finds who limits its memory, which is most of the work; room_close() afterwards. */
void room_find(pid_t pid, struct copy_room *ret);
/* NULL: a copy may be made now.  UNSUPPORTED: why not. */
struct err *room_check(pid_t pid, struct copy_room *r) MUST_USE;
void room_close(struct copy_room *r);
/* Whether the copy must go, and why (an error, or NULL: it may stay). */
struct err *room_look(const struct copy_room *r) MUST_USE;

#endif
